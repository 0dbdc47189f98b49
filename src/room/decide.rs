//! What a command would make happen. One question: yes, as these events, or no, for this reason?
//!
//! Leans on: `state`. Upholds: R8 (with the engine's lookup of request ids, which comes first), and the checks of
//! participation, role and domain in this order. Tested by `tests/scenarios` and beside each rule.

use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) use self::message::resolve_draft;
pub(super) use self::relay::resolve_relay;
use super::consent::{Consent, ConsentChange, ExpiryChange, Name, Scope, Slot};
use super::event::{Command, Event, Message, OpenRoom, Recall};
use super::ids::{Actor, ActorKind, InvitationId, OrganisationId, Timestamp};
use super::mailbox::Mailboxes;
use super::refusal::Refusal;
use super::state::{Invitation, RoomState, Status};
use super::words::{Attribution, Role, Sharing};
use crate::limits;

mod ask;
mod duty;
mod erasure;
mod introduction;
mod message;
mod relay;
mod release;

/// Decides one command of one caller. The same arguments give the same answer. `now` is not earlier than the room's last entry.
/// `mailboxes` tell who was given what: only who had something can tell that it deleted it.
///
/// Consents whose time has come end first: whoever appends asks [`expired`] before this.
pub fn decide(
    state: &RoomState,
    mailboxes: &Mailboxes,
    caller: &Actor,
    command: Command,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
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
    if let Command::RecordAccessChange { actor, change, by } = command {
        let is_news = state.slot(&actor.organisation).is_some() && !state.matters.access_changes.contains(&by);
        return Ok(if is_news { vec![Event::AccessChanged { actor, change, by }] } else { Vec::new() });
    }
    let me = state.slot(&caller.organisation).ok_or(Refusal::RoomNotFound)?;
    let organisation = caller.organisation.clone();
    if let Command::WithdrawConsent { scope, recall } = command {
        // Also for who left or was removed: its consent stands until it takes it back.
        return withdraw(state, me, caller, scope, recall, now);
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
            let posted = resolve_draft(state, me, caller, &draft, now)?;
            let posted = Message { id: message, ..posted };
            let attached = message::attach(state, mailboxes, me, caller, &posted, &draft.attachments, now)?;
            let event =
                |message| Event::MessagePosted { organisation: organisation.clone(), message: Arc::new(message) };
            Ok([posted].into_iter().chain(attached).map(event).collect())
        }
        Command::PublishRelay { message, draft } => {
            coordinator(me)?;
            relay::publish(state, caller, message, &draft, now)
        }
        Command::ApproveRelay { message, text_digest, to } => {
            relay::approve(state, me, caller, message, text_digest, &to, now)
        }
        Command::RejectRelay { message, reason } => relay::reject(state, me, caller, message, reason, now),
        Command::Fetch { message } => message::fetch(state, mailboxes, me, caller, message, now),
        Command::Retract { message, reason } => message::retract(state, me, caller, message, reason, now),
        Command::Acknowledge { message } => message::acknowledge(state, me, caller, message, now),
        Command::Release { release, messages, to } => release::release(state, me, caller, release, &messages, &to),
        Command::RevokeRelease { release } => release::revoke(state, me, caller, release),
        Command::AnswerRecall { recall, answer, comment } => {
            release::answer_recall(mailboxes, caller, recall, answer, comment)
        }
        Command::SuggestAsk { source, material, reason } => {
            ask::suggest(state, me, caller, source.as_ref(), material, reason)
        }
        Command::Ask { ask, source, subject, to, reason, answer_by } => {
            coordinator(me)?;
            open(state)?;
            ask::ask(state, me, &source, ask::Question { ask, subject, to, reason, answer_by }, now)
        }
        Command::AnswerAsk { ask, answer, comment, release } => {
            ask::answer(state, me, caller, ask, answer, comment, release, now)
        }
        Command::RecordPoliceReport { reference } => {
            not_coordinator(me)?;
            match state.participant(me).role {
                Role::AffectedOrganisation => Ok(vec![Event::PoliceReportMade { organisation, reference }]),
                Role::Coordinator | Role::ThirdParty | Role::Authority => Err(Refusal::AffectedOrganisationOnly),
            }
        }
        Command::Forward { messages, to, reason } => {
            coordinator(me)?;
            open(state)?;
            duty::forward(state, me, caller, &messages, &to, reason, now)
        }
        Command::ProposeLegalDisclosure { disclosure, statute, messages, to, suppress_until } => {
            coordinator(me)?;
            let duty = duty::legal_duty(state, me, caller, statute, &messages, &to, suppress_until, now)?;
            Ok(vec![Event::LegalDisclosureProposed { disclosure, duty: Arc::new(duty) }])
        }
        Command::ConfirmLegalDisclosure { disclosure } => {
            coordinator(me)?;
            duty::confirm(state, caller, disclosure, now)
        }
        Command::ProposeIntroduction { sides } => {
            coordinator(me)?;
            open(state)?;
            introduction::propose(state, me, sides)
        }
        Command::AnswerIntroduction { introduction, accepted, contact } => {
            introduction::answer(state, me, caller, introduction, accepted, contact)
        }
        Command::ReadReport { of } => {
            coordinator(me)?;
            let slot = super::disclose::whose(state, me, &of)?;
            let known = state.participant(slot);
            let newest = known.reports.last().ok_or(Refusal::ReportNotFound)?;
            let was_read = state.matters.report_reads.contains(&(caller.clone(), *newest));
            let organisation = known.organisation.clone();
            Ok(if was_read { Vec::new() } else { vec![Event::ReportRead { organisation }] })
        }
        Command::SeeAs { participant } => {
            coordinator(me)?;
            let slot = state.resolve(me, &participant).ok_or(Refusal::ParticipantNotFound)?;
            not_coordinator(slot)?;
            Ok(vec![Event::RoomSeenAs { organisation: state.participant(slot).organisation.clone() }])
        }
        Command::ProposeErasure { erasure, what, basis } => {
            coordinator(me)?;
            erasure::propose(state, me, caller, erasure, what, basis, now)
        }
        Command::ConfirmErasure { erasure } => {
            coordinator(me)?;
            erasure::confirm(state, me, caller, erasure, now)
        }
        Command::PlaceLegalHold { reason } => {
            coordinator(me)?;
            erasure::hold(state, reason)
        }
        Command::LiftLegalHold { reason } => {
            coordinator(me)?;
            erasure::lift(state, caller, reason)
        }
        Command::SetRetention { years } => {
            coordinator(me)?;
            erasure::retention(years)
        }
        // Reading, in a closed room too, and no more than the mailbox gives anyway: every actor may.
        Command::RecordExport { export } => Ok(vec![Event::RoomExported { organisation, export }]),
        Command::ChangeTerms { terms } => {
            coordinator(me)?;
            open(state)?;
            if terms == state.terms {
                return Err(Refusal::Invalid { field: "terms", rule: "are the room's terms already" });
            }
            Ok(vec![Event::TermsChanged { terms }])
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
        | Command::RecordAccessChange { .. }
        | Command::WithdrawConsent { .. } => Err(Refusal::RoomNotFound),
    }
}

/// What the passing of time has brought at `now`, as events: they go into the log before anything later does.
pub fn expired(state: &RoomState, now: Timestamp) -> Vec<Event> {
    if state.next_due().is_none_or(|due| due > now) {
        return Vec::new();
    }
    let consents = state.participants.iter().filter(|participant| participant.consent.is_expired(now));
    let consents = consents.map(|participant| Event::ConsentExpired { organisation: participant.organisation.clone() });
    let asks = state.matters.asks.iter().filter(|(_, ask)| ask.is_open && ask.answer_by <= now);
    let asks = asks.map(|(ask, _)| Event::AskLapsed { ask: *ask });
    let of = |slot: Slot| state.participant(slot).organisation.clone();
    let police = state.matters.police.iter().filter(|(_, due)| due.is_some_and(|due| due <= now));
    let police = police.map(|(slot, _)| Event::PoliceReportDue { organisation: of(*slot) });
    let notices = state.matters.suppressed.iter().filter(|suppressed| suppressed.until <= now);
    let notices = notices.map(|suppressed| Event::LegalDisclosureNotified {
        disclosure: suppressed.disclosure,
        organisation: of(suppressed.source),
        duty: suppressed.duty.clone(),
    });
    consents.chain(asks).chain(police).chain(notices).collect()
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

fn withdraw(
    state: &RoomState,
    me: Slot,
    caller: &Actor,
    scope: Scope,
    recall: Option<Recall>,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    not_coordinator(me)?;
    if let Scope::Message(message) = scope {
        let (_, posted) = message::own(state, me, caller, message, now)?;
        if posted.fallen.is_some() {
            return Err(Refusal::MessageFallen);
        }
    }
    if let Scope::Named(name) = &scope {
        let named = &state.participant(me).consent.named;
        // Who is shown under its name can always be named; other names are as many as a consent may hold.
        let is_new = state.bind(me, name).is_none() && !named.iter().any(|known| known.name == *name);
        if is_new && named.len() >= limits::NAMED_MAX {
            return Err(Refusal::LimitReached { what: "organisations named in one consent", max: limits::NAMED_MAX });
        }
    }
    if recall.is_some_and(|recall| recall.answer_by <= now) {
        return Err(Refusal::Invalid { field: "recall_answer_by_time", rule: "must lie in the future" });
    }
    Ok(vec![Event::ConsentWithdrawn { organisation: caller.organisation.clone(), scope, recall }])
}

fn person(caller: &Actor) -> Result<(), Refusal> {
    match caller.kind {
        ActorKind::User => Ok(()),
        ActorKind::Service => Err(Refusal::PersonRequired),
    }
}
