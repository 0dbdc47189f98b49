//! Who may see what, and as what. One question, one function: [`disclose`]; lists and previews stand on the same rules.
//!
//! Only this file makes a [`Disclosed`], and the API's edge shows nothing else, so a leak does not compile.
//! `listing` has what is shown of a room from outside.
//! Leans on: `state`. Upholds: R5, R6, R7. Tested by `tests/it/disclosure.rs` against a second, naive implementation.

use std::sync::Arc;

use super::consent::{Consent, ConsentChange, Name, Scope, Slot};
use super::decide::resolve_draft;
use super::event::{Draft, Entry, Event, Message};
use super::ids::{Actor, InvitationId, MessageId, OrganisationId, ParticipantId, Seq, Timestamp};
use super::refusal::Refusal;
use super::state::{Narrowed, RoomState, Status, Trace};
use super::words::{Answer, Attribution, Material, Role, Sharing, Tlp};

mod listing;

pub use listing::{Listing, ShownInvitation, ShownListing, invitations};

/// Who reads: an actor of an organisation that is in the room now.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    slot: Slot,
    actor: &'a Actor,
}

impl<'a> Reader<'a> {
    /// The actor as a reader of this room; refused, if its organisation isn't in it now.
    pub fn new(state: &RoomState, actor: &'a Actor) -> Result<Self, Refusal> {
        match state.slot(&actor.organisation) {
            Some(slot) if state.is_present(slot) => Ok(Self { slot, actor }),
            Some(_) | None => Err(Refusal::RoomNotFound),
        }
    }

    /// Its organisation's number.
    pub fn slot(&self) -> Slot {
        self.slot
    }
}

/// Something that its reader may see, as the reader may see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disclosed<T>(T);

impl<T> Disclosed<T> {
    /// What to show.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// What to show.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// The answer to "may this reader see this entry?".
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Disclosure {
    /// Yes, like this.
    Show(Disclosed<Shown>),
    /// No. For this reader it does not exist.
    Withhold,
}

/// An entry as shown to one reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// The server's clock.
    pub recorded_at: Timestamp,
    /// What happened.
    pub what: What,
}

/// What happened, as shown to one reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// A message was posted.
    Message(ShownMessage),
    /// The room was opened, under this title (coordinator).
    RoomOpened(Arc<str>),
    /// A participant came, or can be told to be here from now on.
    Joined(ShownParticipant),
    /// A participant left or was removed; others aren't told which.
    Left(ShownParticipant),
    /// A participant was removed (coordinator).
    Removed {
        /// Who.
        participant: ShownParticipant,
        /// The coordinator's words.
        reason: Arc<str>,
    },
    /// A participant under a pseudonym is known by its name from now on.
    Identified(ShownParticipant),
    /// A participant plays another part.
    RoleChanged(ShownParticipant),
    /// An organisation was invited (coordinator).
    Invited {
        /// The invitation.
        invitation: InvitationId,
        /// Who.
        organisation: OrganisationId,
        /// The part offered.
        role: Role,
    },
    /// An organisation declined (coordinator).
    Declined {
        /// The invitation.
        invitation: InvitationId,
        /// Who.
        organisation: OrganisationId,
    },
    /// Consent was given (its source and the coordinator).
    ConsentGiven {
        /// Whose.
        participant: ShownParticipant,
        /// What it set.
        change: Arc<ConsentChange>,
    },
    /// Consent was withdrawn (its source and the coordinator).
    ConsentWithdrawn {
        /// Whose.
        participant: ShownParticipant,
        /// Of what.
        scope: Scope,
    },
    /// Consent expired (its source and the coordinator).
    ConsentExpired(ShownParticipant),
    /// Intake questions were answered (their source and the coordinator); `GetReport` has the answers.
    ReportFiled {
        /// Whose.
        participant: ShownParticipant,
        /// Whether there are earlier answers.
        amended: bool,
    },
    /// The room was closed.
    RoomClosed,
    /// The room was opened again.
    RoomReopened,
}

/// A message as shown to one reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownMessage {
    /// Its id.
    pub id: MessageId,
    /// Whose.
    pub author: ShownParticipant,
    /// Which person or program posted it; its own organisation and the coordinator are told.
    pub actor: Option<Actor>,
    /// What its text is.
    pub material: Material,
    /// What the reader may do with it.
    pub tlp: Tlp,
    /// The text.
    pub text: Arc<str>,
    /// The message that it answers, if the reader can see that one.
    pub in_reply_to: Option<MessageId>,
    /// The poster's own time.
    pub occurred_at: Option<Timestamp>,
    /// Whether only the coordinator gets it; its own organisation and the coordinator are told.
    pub coordinator_only: bool,
    /// To whom its source narrowed it; its own organisation and the coordinator are told.
    pub recipients: Vec<ParticipantId>,
}

/// A participant as shown to one reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownParticipant {
    /// Random per room.
    pub id: ParticipantId,
    /// Absent: a pseudonym.
    pub organisation: Option<OrganisationId>,
    /// Its part.
    pub role: Role,
    /// How it appears to the others; itself and the coordinator are told.
    pub attribution: Option<Attribution>,
    /// Whether it is the reader's own organisation.
    pub is_reader: bool,
}

/// What `reader` is shown of `entry`.
pub fn disclose(state: &RoomState, reader: Reader<'_>, entry: &Entry, now: Timestamp) -> Disclosure {
    if !is_visible(state, reader.slot, reader.actor, entry.seq, now) {
        return Disclosure::Withhold;
    }
    match view(state, reader, entry, now) {
        Some(what) => Disclosure::Show(Disclosed(Shown { recorded_at: entry.recorded_at, what })),
        None => Disclosure::Withhold,
    }
}

/// The rule itself: whether this actor of this organisation may be shown the entry at `seq` now.
pub fn is_visible(state: &RoomState, reader: Slot, actor: &Actor, seq: Seq, now: Timestamp) -> bool {
    let Some(present_since) = state.participant(reader).present_since else { return false };
    let Some(trace) = usize::try_from(seq.0).ok().and_then(|seq| state.traces.get(seq)) else { return false };
    let coordinator = RoomState::is_coordinator(reader);
    match trace {
        Trace::Message { source, material, coordinator_only, narrowed } => {
            if let Some(Narrowed::Red { author, actors }) = narrowed.as_deref() {
                // TLP:RED: for everybody else, of every side, it does not exist.
                if author.as_ref() == Some(actor) {
                    return true;
                }
                if !actors.contains(actor) {
                    return false;
                }
            }
            if reader == *source || coordinator {
                return true;
            }
            if *coordinator_only {
                return false;
            }
            if let Some(Narrowed::Recipients(recipients)) = narrowed.as_deref()
                && !recipients.contains(reader)
            {
                return false;
            }
            if RoomState::is_coordinator(*source) {
                return present_since <= seq;
            }
            state.direct_since(*source, reader, *material, now).is_some_and(|since| since <= seq)
        }
        Trace::About(participant) => {
            let visible_since = state.participant(*participant).visible_since;
            coordinator
                || present_since <= seq && (reader == *participant || visible_since.is_some_and(|since| since <= seq))
        }
        Trace::Private(participant) => coordinator || reader == *participant && present_since <= seq,
        Trace::CoordinatorOnly => coordinator,
        Trace::Nobody => false,
        Trace::Everybody => present_since <= seq,
    }
}

fn view(state: &RoomState, reader: Reader<'_>, entry: &Entry, now: Timestamp) -> Option<What> {
    let coordinator = RoomState::is_coordinator(reader.slot);
    let shown = |organisation: &OrganisationId| {
        state.slot(organisation).map(|slot| show_at(state, reader.slot, slot, entry.seq))
    };
    Some(match &entry.event {
        Event::RoomOpened { title, .. } => What::RoomOpened(title.clone()),
        Event::ParticipantAdmitted { organisation, .. } => What::Joined(shown(organisation)?),
        Event::AttributionRaised { organisation, attribution } => {
            let slot = state.slot(organisation)?;
            let participant = show_at(state, reader.slot, slot, entry.seq);
            // The entry that makes it visible is its arrival, for who could not tell before.
            let appeared = state.participant(slot).visible_since == Some(entry.seq);
            match attribution {
                Attribution::Hidden => return None,
                Attribution::Pseudonym => What::Joined(participant),
                Attribution::Named if appeared && !coordinator && slot != reader.slot => What::Joined(participant),
                Attribution::Named => What::Identified(participant),
            }
        }
        Event::OrganisationInvited { invitation, organisation, role, participant: _ } => {
            What::Invited { invitation: *invitation, organisation: organisation.clone(), role: *role }
        }
        Event::InvitationDeclined { invitation, organisation } => {
            What::Declined { invitation: *invitation, organisation: organisation.clone() }
        }
        Event::ParticipantLeft { organisation } => What::Left(shown(organisation)?),
        Event::ParticipantRemoved { organisation, reason } if coordinator => match shown(organisation) {
            Some(participant) => What::Removed { participant, reason: reason.clone() },
            None => return None,
        },
        Event::ParticipantRemoved { organisation, reason: _ } => What::Left(shown(organisation)?),
        Event::RoleChanged { organisation, role: _ } => What::RoleChanged(shown(organisation)?),
        Event::ConsentGiven { organisation, change } => {
            What::ConsentGiven { participant: shown(organisation)?, change: change.clone() }
        }
        Event::ConsentWithdrawn { organisation, scope } => {
            What::ConsentWithdrawn { participant: shown(organisation)?, scope: scope.clone() }
        }
        Event::ConsentExpired { organisation } => What::ConsentExpired(shown(organisation)?),
        Event::ReportFiled { organisation, report: _ } => {
            let first = state.slot(organisation).and_then(|slot| state.participant(slot).reports.first());
            What::ReportFiled { participant: shown(organisation)?, amended: first != Some(&entry.seq) }
        }
        Event::MessagePosted { organisation, message } => {
            let author = shown(organisation)?;
            let inside = coordinator || author.is_reader;
            let Message {
                id,
                material,
                tlp,
                text,
                recipients,
                red_actors: _,
                coordinator_only,
                in_reply_to,
                occurred_at,
            } = &**message;
            let parent = in_reply_to.filter(|&parent| {
                state.message(parent).is_some_and(|seq| is_visible(state, reader.slot, reader.actor, seq, now))
            });
            What::Message(ShownMessage {
                id: *id,
                actor: entry.author.clone().filter(|_| inside),
                author,
                material: *material,
                tlp: *tlp,
                text: text.clone(),
                in_reply_to: parent,
                occurred_at: *occurred_at,
                coordinator_only: *coordinator_only && inside,
                recipients: recipients
                    .iter()
                    .filter(|_| inside)
                    .filter_map(|o| Some(state.participant(state.slot(o)?).id))
                    .collect(),
            })
        }
        Event::RoomClosed => What::RoomClosed,
        Event::RoomReopened => What::RoomReopened,
    })
}

/// A participant as shown at `seq`: what came later does not change what was shown then.
fn show_at(state: &RoomState, reader: Slot, other: Slot, seq: Seq) -> ShownParticipant {
    let participant = state.participant(other);
    let inside = RoomState::is_coordinator(reader) || reader == other;
    ShownParticipant {
        id: participant.id,
        organisation: state.is_named_to(reader, other, seq).then(|| participant.organisation.clone()),
        role: participant.role_at(seq),
        attribution: inside.then(|| participant.attribution_at(seq)),
        is_reader: reader == other,
    }
}

/// Who is here, as the reader sees it, ordered by participant id.
pub fn roster(state: &RoomState, reader: Reader<'_>) -> Vec<Disclosed<ShownParticipant>> {
    let visible = state.participants().map(|(slot, _)| slot).filter(|&slot| state.can_see(reader.slot, slot));
    let mut list: Vec<_> = visible.map(|slot| Disclosed(show_at(state, reader.slot, slot, state.next))).collect();
    list.sort_by_key(|participant| participant.0.id);
    list
}

/// The room itself, as a participant sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownRoom {
    /// The coordinator's words.
    pub title: Arc<str>,
    /// The coordinator's words.
    pub terms: Arc<str>,
    /// Whether it takes messages.
    pub status: Status,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The coordinator.
    pub coordinator: ShownParticipant,
    /// The reader's own organisation.
    pub own: ShownParticipant,
}

/// The room, as the reader sees it.
pub fn room(state: &RoomState, reader: Reader<'_>) -> Disclosed<ShownRoom> {
    Disclosed(ShownRoom {
        title: state.title.clone(),
        terms: state.terms.clone(),
        status: state.status,
        opened_at: state.opened_at,
        coordinator: show_at(state, reader.slot, Slot(0), state.next),
        own: show_at(state, reader.slot, reader.slot, state.next),
    })
}

/// A consent as shown to its source or the coordinator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownConsent {
    /// Whose.
    pub participant: ShownParticipant,
    /// What it allows.
    pub consent: Consent,
}

/// The sharing consent of the caller's own organisation, or, for the coordinator, of another. Also for who left.
pub fn consent(
    state: &RoomState,
    caller: &Actor,
    of: Option<&Name>,
    now: Timestamp,
) -> Result<Disclosed<ShownConsent>, Refusal> {
    let me = state.slot(&caller.organisation).ok_or(Refusal::RoomNotFound)?;
    let whose = match of {
        None => me,
        // Who has left keeps its own consent and nothing else of the room.
        Some(_) if !state.is_present(me) => return Err(Refusal::RoomNotFound),
        Some(name) => whose(state, me, name)?,
    };
    if RoomState::is_coordinator(whose) {
        return Err(Refusal::NotForTheCoordinator);
    }
    let mut consent = state.participant(whose).consent.clone();
    if consent.is_expired(now) {
        consent.end(&Scope::All, |_, _| false, None);
    }
    Ok(Disclosed(ShownConsent { participant: show_at(state, me, whose, state.next), consent }))
}

/// Whose reports or consent is meant: one's own, or, for the coordinator, anybody's who is or was here.
fn whose(state: &RoomState, me: Slot, name: &Name) -> Result<Slot, Refusal> {
    let slot = match name {
        Name::Organisation(organisation) => state.slot(organisation),
        Name::Participant(id) => state.participants().find(|(_, p)| p.id == *id).map(|(slot, _)| slot),
    };
    match slot {
        Some(slot) if slot == me => Ok(slot),
        _ if !RoomState::is_coordinator(me) => Err(Refusal::CoordinatorOnly),
        Some(slot) => Ok(slot),
        None => Err(Refusal::ParticipantNotFound),
    }
}

/// Where the versions of an intake report are, oldest first: the reader's own, or, for the coordinator, another's.
pub fn reports(
    state: &RoomState,
    reader: Reader<'_>,
    of: Option<&Name>,
) -> Result<(Disclosed<ShownParticipant>, Vec<Seq>), Refusal> {
    let whose = match of {
        None => reader.slot,
        Some(name) => whose(state, reader.slot, name)?,
    };
    let participant = Disclosed(show_at(state, reader.slot, whose, state.next));
    Ok((participant, state.participant(whose).reports.clone()))
}

/// One version of an intake report, for who may see it ([`reports`] tells where to look).
pub fn report(state: &RoomState, reader: Reader<'_>, entry: &Entry) -> Option<Disclosed<super::event::IntakeReport>> {
    let Event::ReportFiled { organisation, report } = &entry.event else { return None };
    let source = state.slot(organisation)?;
    (source == reader.slot || RoomState::is_coordinator(reader.slot)).then(|| Disclosed((**report).clone()))
}

/// Why a participant would, or would not, receive a message: in the words of its source's own consent, recipients, TLP and roles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AudienceReason {
    /// The coordinator sees everything that is posted in the room.
    Coordinator,
    /// It is the sender's own organisation.
    Author,
    /// It comes from the coordinator.
    FromCoordinator,
    /// The class allows it.
    Consent,
    /// The answer for this participant by name allows it.
    NamedConsent,
    /// The message names recipients, and this is none.
    NotARecipient,
    /// The message is for the coordinator only.
    CoordinatorOnly,
    /// TLP:RED, and none of this participant's persons is named.
    NotNamedInRed,
    /// The class is not answered.
    NotAnswered,
    /// The class is answered with no.
    ConsentNo,
    /// The class allows a coordinator's words only.
    RelayOnly,
    /// The answer for this participant by name allows a coordinator's words only.
    NamedRelay,
    /// The answer for this participant by name is no.
    NamedNo,
    /// A name that you were not shown has an answer, and may be this participant's.
    NamedPerhaps,
    /// It came after the consent was given, and newcomers are not included.
    Newcomer,
    /// An authority receives nothing by class.
    AuthorityNotNamed,
    /// The sender is hidden.
    SenderHidden,
}

/// One participant in a preview.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Previewed {
    /// Who, as the sender sees it.
    pub participant: ShownParticipant,
    /// Whether it would be shown the message, if it were posted now.
    pub receives: bool,
    /// Why.
    pub reason: AudienceReason,
}

/// Who would see this message, and who would not, and why; ordered by participant id. Refused like the post itself.
pub fn preview(
    state: &RoomState,
    reader: Reader<'_>,
    draft: &Draft,
    now: Timestamp,
) -> Result<Vec<Disclosed<Previewed>>, Refusal> {
    if state.status == Status::Closed {
        return Err(Refusal::RoomClosed);
    }
    let resolved = resolve_draft(state, reader.slot, reader.actor, draft, now)?;
    let previewed = roster(state, reader).into_iter().map(Disclosed::into_inner).filter_map(|participant| {
        let slot = state.participants().find(|(_, p)| p.id == participant.id).map(|(slot, _)| slot)?;
        let (receives, reason) = reason(state, reader.slot, slot, resolved.message(), now);
        Some(Disclosed(Previewed { participant, receives, reason }))
    });
    Ok(previewed.collect())
}

fn reason(state: &RoomState, source: Slot, other: Slot, message: &Message, now: Timestamp) -> (bool, AudienceReason) {
    let o = state.participant(other);
    if source == other {
        return (true, AudienceReason::Author);
    }
    if message.tlp == Tlp::Red && !message.red_actors.iter().any(|actor| actor.organisation == o.organisation) {
        return (false, AudienceReason::NotNamedInRed);
    }
    if RoomState::is_coordinator(other) {
        return (true, AudienceReason::Coordinator);
    }
    if message.coordinator_only {
        return (false, AudienceReason::CoordinatorOnly);
    }
    if !message.recipients.is_empty() && !message.recipients.contains(&o.organisation) {
        return (false, AudienceReason::NotARecipient);
    }
    if RoomState::is_coordinator(source) {
        return (true, AudienceReason::FromCoordinator);
    }
    if state.is_hidden(source) {
        return (false, AudienceReason::SenderHidden);
    }
    let consent = &state.participant(source).consent;
    let named = consent.named.iter().find(|named| named.bound == Some(other));
    let named = named.and_then(|named| named.sharing[message.material as usize]);
    if state.direct_since(source, other, message.material, now).is_some() {
        return (true, if named.is_some() { AudienceReason::NamedConsent } else { AudienceReason::Consent });
    }
    let reason = match (named, o.role.audience()) {
        (Some(Sharing::Relay), _) => AudienceReason::NamedRelay,
        (Some(Sharing::NotAnswered | Sharing::No | Sharing::Direct), _) => AudienceReason::NamedNo,
        (None, None) => AudienceReason::AuthorityNotNamed,
        (None, Some(audience)) => {
            let cell = consent.cell(message.material, audience);
            let covered = cell.covered.contains(other) || consent.newcomers[audience as usize] == Answer::Yes;
            match cell.sharing {
                Sharing::NotAnswered => AudienceReason::NotAnswered,
                Sharing::No => AudienceReason::ConsentNo,
                Sharing::Relay => AudienceReason::RelayOnly,
                Sharing::Direct if consent.is_expired(now) => AudienceReason::ConsentNo,
                Sharing::Direct if !covered => AudienceReason::Newcomer,
                Sharing::Direct => AudienceReason::NamedPerhaps,
            }
        }
    };
    (false, reason)
}
