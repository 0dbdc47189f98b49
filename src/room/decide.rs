//! What a command would make happen. One question: yes, as these events, or no, for this reason?
//!
//! Leans on: `state`. Upholds: R8 (with the engine's lookup of request ids, which comes first), and the checks of
//! participation, role and domain in this order. Tested by `tests/scenarios` and beside each rule.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::consent::{Consent, ConsentChange, ExpiryChange, Name, Scope, Slot};
use super::disclose::is_visible;
use super::event::{Command, Draft, Event, Message, OpenRoom};
use super::ids::{Actor, ActorKind, InvitationId, MessageId, OrganisationId, Timestamp};
use super::refusal::Refusal;
use super::state::{Invitation, RoomState, Status};
use super::words::{Attribution, Role, Sharing, Tlp};
use crate::limits;

/// Decides one command of one caller. The same arguments give the same answer. `now` is not earlier than the room's last entry.
///
/// Consents whose time has come end first: whoever appends asks [`expired`] before this.
pub fn decide(state: &RoomState, caller: &Actor, command: Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    if let Command::OpenRoom(open) = command {
        return open_room(state, caller, open, now);
    }
    if let Command::AcceptInvitation { invitation, consent } = command {
        return accept(state, caller, invitation, consent, now);
    }
    if let Command::DeclineInvitation { invitation } = command {
        invited(state, caller, invitation)?;
        let organisation = caller.organisation.clone();
        return Ok(vec![Event::InvitationDeclined { invitation, organisation }]);
    }
    if let Command::RemoveSuspended { organisation } = command {
        return Ok(remove_suspended(state, organisation));
    }
    let me = state.slot(&caller.organisation).ok_or(Refusal::RoomNotFound)?;
    let organisation = caller.organisation.clone();
    if let Command::WithdrawConsent(scope) = command {
        // Also for who left or was removed: its consent stands until it takes it back.
        return withdraw(me, organisation, scope);
    }
    if !state.is_present(me) {
        return Err(Refusal::RoomNotFound);
    }
    match command {
        Command::AmendReport { report, consent } => {
            not_coordinator(me)?;
            if state.participant(me).role != Role::AffectedOrganisation {
                return Err(Refusal::AffectedOrganisationOnly);
            }
            open(state)?;
            let given = consent.map_or(Ok(Vec::new()), |change| give(state, caller, Some(me), change, now))?;
            Ok([Event::ReportFiled { organisation, report }].into_iter().chain(given).collect())
        }
        Command::Invite { invitation, organisation, role, participant } => {
            coordinator(me)?;
            open(state)?;
            if role == Role::Coordinator {
                return Err(Refusal::Invalid { field: "role", rule: "must not be coordinator; a room has one" });
            }
            let known = state.slot(&organisation);
            if known.is_some_and(|slot| state.is_present(slot)) {
                return Err(Refusal::AlreadyParticipant);
            }
            if state.invitations.values().any(|open| open.organisation == organisation) {
                return Err(Refusal::AlreadyInvited);
            }
            if state.participants.len() + state.invitations.len() >= limits::PARTICIPANTS_MAX {
                return Err(Refusal::LimitReached {
                    what: "participants and invitations in one room",
                    max: limits::PARTICIPANTS_MAX,
                });
            }
            let participant = known.map_or(participant, |slot| state.participant(slot).id);
            Ok(vec![Event::OrganisationInvited { invitation, organisation, role, participant }])
        }
        Command::Leave => {
            not_coordinator(me)?;
            Ok(vec![Event::ParticipantLeft { organisation }])
        }
        Command::Remove { participant, reason } => {
            coordinator(me)?;
            let other = state.resolve(me, &participant).ok_or(Refusal::ParticipantNotFound)?;
            not_coordinator(other)?;
            let organisation = state.participant(other).organisation.clone();
            Ok(vec![Event::ParticipantRemoved { organisation, reason }])
        }
        Command::ChangeRole { participant, role } => {
            coordinator(me)?;
            open(state)?;
            let other = state.resolve(me, &participant).ok_or(Refusal::ParticipantNotFound)?;
            not_coordinator(other)?;
            if role == Role::Coordinator {
                return Err(Refusal::Invalid { field: "role", rule: "must not be coordinator; a room has one" });
            }
            if state.participant(other).role == role {
                return Err(Refusal::Invalid { field: "role", rule: "is the participant's role already" });
            }
            Ok(vec![Event::RoleChanged { organisation: state.participant(other).organisation.clone(), role }])
        }
        Command::GiveConsent { change, expected_version } => {
            let participant = state.participant(me);
            let found = participant.consent.version;
            if expected_version.is_some_and(|expected| expected != found) {
                return Err(Refusal::ConsentVersionMoved { found });
            }
            if state.status == Status::Closed
                && participant.consent.is_widened_by(&change, participant.attribution, |name| state.bind(me, name))
            {
                return Err(Refusal::RoomClosed);
            }
            give(state, caller, Some(me), change, now)
        }
        Command::Post { message, draft } => {
            open(state)?;
            let message = resolve_draft(state, me, caller, &draft, now)?.with_id(message);
            Ok(vec![Event::MessagePosted { organisation, message: Arc::new(message) }])
        }
        Command::Close => {
            coordinator(me)?;
            open(state)?;
            Ok(vec![Event::RoomClosed])
        }
        Command::Reopen => {
            coordinator(me)?;
            match state.status {
                Status::Open => Err(Refusal::RoomOpen),
                Status::Closed => Ok(vec![Event::RoomReopened]),
            }
        }
        Command::OpenRoom(_)
        | Command::AcceptInvitation { .. }
        | Command::DeclineInvitation { .. }
        | Command::RemoveSuspended { .. }
        | Command::WithdrawConsent(_) => Err(Refusal::RoomNotFound),
    }
}

/// The consents whose time has come at `now`, as events: they go into the log before anything later does.
pub fn expired(state: &RoomState, now: Timestamp) -> Vec<Event> {
    let due = state.participants.iter().filter(|participant| participant.consent.is_expired(now));
    due.map(|participant| Event::ConsentExpired { organisation: participant.organisation.clone() }).collect()
}

fn open(state: &RoomState) -> Result<(), Refusal> {
    match state.status {
        Status::Open => Ok(()),
        Status::Closed => Err(Refusal::RoomClosed),
    }
}

fn coordinator(slot: Slot) -> Result<(), Refusal> {
    if RoomState::is_coordinator(slot) { Ok(()) } else { Err(Refusal::CoordinatorOnly) }
}

fn not_coordinator(slot: Slot) -> Result<(), Refusal> {
    if RoomState::is_coordinator(slot) { Err(Refusal::NotForTheCoordinator) } else { Ok(()) }
}

fn shown(state: &RoomState, me: Slot, name: &Name) -> Result<Slot, Refusal> {
    state.resolve(me, name).ok_or(Refusal::RecipientNotVisible)
}

fn invited<'a>(state: &'a RoomState, caller: &Actor, invitation: InvitationId) -> Result<&'a Invitation, Refusal> {
    let open = state.invitations.get(&invitation).filter(|open| open.organisation == caller.organisation);
    open.ok_or(Refusal::InvitationNotFound)
}

fn open_room(state: &RoomState, caller: &Actor, room: OpenRoom, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    let OpenRoom { coordinator, coordinator_participant, title, terms, report } = room;
    let mut events = vec![
        Event::RoomOpened { coordinator: coordinator.clone(), title, terms },
        Event::ParticipantAdmitted {
            organisation: coordinator.clone(),
            participant: coordinator_participant,
            role: Role::Coordinator,
            attribution: Attribution::Named,
            invitation: None,
        },
    ];
    let by_coordinator = caller.organisation == coordinator;
    match report {
        None if by_coordinator => {}
        None => return Err(Refusal::CoordinatorOnly),
        Some(_) if by_coordinator => return Err(Refusal::NotForTheCoordinator),
        Some(opening) => {
            let organisation = caller.organisation.clone();
            events.push(Event::ParticipantAdmitted {
                organisation: organisation.clone(),
                participant: opening.participant,
                role: Role::AffectedOrganisation,
                attribution: opening.consent.attribution.unwrap_or_default(),
                invitation: None,
            });
            events.push(Event::ReportFiled { organisation, report: opening.report });
            events.extend(give(state, caller, None, opening.consent, now)?);
        }
    }
    Ok(events)
}

fn accept(
    state: &RoomState,
    caller: &Actor,
    invitation: InvitationId,
    consent: Arc<ConsentChange>,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let offered = invited(state, caller, invitation)?;
    open(state)?;
    let before = state.slot(&caller.organisation);
    let attribution = before.map_or(Attribution::Hidden, |slot| state.participant(slot).attribution);
    let mut events = vec![Event::ParticipantAdmitted {
        organisation: caller.organisation.clone(),
        participant: offered.participant,
        role: offered.role,
        attribution: attribution.max(consent.attribution.unwrap_or_default()),
        invitation: Some(invitation),
    }];
    // The admission itself raises the attribution.
    let given = give(state, caller, before, consent, now)?;
    events.extend(given.into_iter().filter(|event| !matches!(event, Event::AttributionRaised { .. })));
    Ok(events)
}

fn remove_suspended(state: &RoomState, organisation: OrganisationId) -> Vec<Event> {
    let present = state.slot(&organisation).is_some_and(|slot| state.is_present(slot));
    let invited = state.invitations.values().any(|open| open.organisation == organisation);
    if present || invited {
        vec![Event::ParticipantRemoved { organisation, reason: "suspended".into() }]
    } else {
        Vec::new()
    }
}

fn give(
    state: &RoomState,
    caller: &Actor,
    me: Option<Slot>,
    change: Arc<ConsentChange>,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let organisation = caller.organisation.clone();
    if me.is_some_and(RoomState::is_coordinator) {
        return Err(Refusal::NotForTheCoordinator);
    }
    let nothing = Consent::default();
    let (consent, before) = match me {
        Some(slot) => (&state.participant(slot).consent, state.participant(slot).attribution),
        None => (&nothing, Attribution::Hidden),
    };
    if change.attribution.is_some_and(|attribution| attribution < before) {
        return Err(Refusal::AttributionCannotBeLowered);
    }
    let attribution = before.max(change.attribution.unwrap_or_default());
    let answers = change.cells.iter().map(|(_, _, sharing)| sharing);
    let direct = answers.chain(change.named.iter().map(|(_, _, sharing)| sharing)).any(|s| *s == Sharing::Direct);
    if direct && attribution == Attribution::Hidden {
        return Err(Refusal::HiddenCannotShareDirectly);
    }
    if caller.kind == ActorKind::Service
        && consent.is_widened_by(&change, before, |name| me.and_then(|me| state.bind(me, name)))
    {
        return Err(Refusal::PersonRequired);
    }
    if matches!(change.expiry, ExpiryChange::At(at) if at <= now) {
        return Err(Refusal::Invalid {
            field: "expire_time",
            rule: "must lie in the future; to end consent now, withdraw it",
        });
    }
    let names = consent.named.iter().map(|named| &named.name).chain(change.named.iter().map(|(name, _, _)| name));
    if names.collect::<BTreeSet<_>>().len() > limits::NAMED_MAX {
        return Err(Refusal::LimitReached { what: "organisations named in one consent", max: limits::NAMED_MAX });
    }
    for (name, _, _) in &change.named {
        let own = *name == Name::Organisation(organisation.clone());
        if own || me.is_some_and(|me| state.bind(me, name) == Some(me)) {
            return Err(Refusal::Invalid { field: "named", rule: "must not be your own organisation" });
        }
        if me.is_some_and(|me| state.bind(me, name).is_some_and(RoomState::is_coordinator)) {
            return Err(Refusal::Invalid {
                field: "named",
                rule: "must not be the coordinator, who sees everything that is posted in the room",
            });
        }
    }
    let raised = attribution > before && me.is_some();
    let raise = raised.then(|| Event::AttributionRaised { organisation: organisation.clone(), attribution });
    Ok(raise.into_iter().chain([Event::ConsentGiven { organisation, change }]).collect())
}

fn withdraw(me: Slot, organisation: OrganisationId, scope: Scope) -> Result<Vec<Event>, Refusal> {
    if RoomState::is_coordinator(me) {
        return Err(Refusal::NotForTheCoordinator);
    }
    Ok(vec![Event::ConsentWithdrawn { organisation, scope }])
}

/// A draft whose names are resolved: what [`Event::MessagePosted`] would hold, but for its id.
pub(super) struct Resolved {
    message: Message,
}

impl Resolved {
    fn with_id(self, id: MessageId) -> Message {
        Message { id, ..self.message }
    }

    /// Whom the source narrowed it to.
    pub(super) fn message(&self) -> &Message {
        &self.message
    }
}

/// Checks a draft as `me` sees the room and resolves its names.
pub(super) fn resolve_draft(
    state: &RoomState,
    me: Slot,
    author: &Actor,
    draft: &Draft,
    now: Timestamp,
) -> Result<Resolved, Refusal> {
    let Draft { material, tlp, text, recipients, red_actors, coordinator_only, in_reply_to, occurred_at } = draft;
    let red = *tlp == Tlp::Red;
    let invalid = |field, rule| Err(Refusal::Invalid { field, rule });
    if red && red_actors.is_empty() {
        return invalid(
            "draft.red_actors",
            "TLP:RED must name the persons it is for, as org/<organisation>/user/<name>",
        );
    }
    if !red && !red_actors.is_empty() {
        return invalid("draft.red_actors", "only with TLP:RED");
    }
    if red && !recipients.is_empty() {
        return invalid("draft.recipients", "must be empty with TLP:RED, which names persons in red_actors");
    }
    if *coordinator_only && red {
        return invalid("draft.coordinator_only", "must be false with TLP:RED, which names persons in red_actors");
    }
    if *coordinator_only && !recipients.is_empty() {
        return invalid("draft.recipients", "must be empty with coordinator_only");
    }
    if recipients.len() > limits::RECIPIENTS_MAX || red_actors.len() > limits::RECIPIENTS_MAX {
        return invalid("draft.recipients", "at most 256");
    }
    let mut organisations = Vec::with_capacity(recipients.len());
    for name in recipients {
        let slot = shown(state, me, name)?;
        organisations.push(state.participant(slot).organisation.clone());
    }
    for actor in red_actors {
        if actor.kind != ActorKind::User {
            return invalid("draft.red_actors", "must be persons (user), not services");
        }
        shown(state, me, &Name::Organisation(actor.organisation.clone()))?;
    }
    if let Some(parent) = in_reply_to {
        let seen = state.message(*parent).filter(|&seq| is_visible(state, me, author, seq, now));
        seen.ok_or(Refusal::MessageNotVisible)?;
    }
    organisations.sort();
    organisations.dedup();
    Ok(Resolved {
        message: Message {
            id: MessageId::from_bytes([0; 16]),
            material: *material,
            tlp: *tlp,
            text: text.clone(),
            recipients: organisations,
            red_actors: red_actors.clone(),
            coordinator_only: *coordinator_only,
            in_reply_to: *in_reply_to,
            occurred_at: *occurred_at,
        },
    })
}
