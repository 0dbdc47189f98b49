//! Who may see what, and as what. One question, one function: [`disclose`]; lists and previews stand on the same rules.
//!
//! Only this module makes a [`Disclosed`], and the API's edge shows nothing else, so a leak does not compile. `visible` is the rule,
//! `view` tells an entry in its reader's words (`shown`), `verdict` says why, `receipts` who has what, `see_as` what another would see,
//! `listing` what is shown of a room from outside.
//! Leans on: `state`. Upholds: R5, R6, R7. Tested by `tests/it/disclosure.rs` against a second, naive implementation.

use std::sync::Arc;

use super::consent::{Consent, Name, Scope, Slot};
use super::event::{Entry, Event, IntakeReport};
use super::ids::{Actor, Seq, Timestamp};
use super::refusal::Refusal;
use super::state::{RoomState, Status};

mod erasures;
mod listing;
mod receipts;
mod see_as;
mod shown;
mod verdict;
mod view;
mod visible;

pub use erasures::{ShownErasure, ShownRetention, erasures};
pub use listing::{Listing, ShownInvitation, ShownListing, invitations};
pub use receipts::{Ground, RecallReceipt, Receipt, Receipts, RelayReceipt, receipts};
pub use see_as::{SeenAs, SeenMessage, see_as};
pub use shown::{Shown, ShownFile, ShownIntroduction, ShownMessage, ShownParticipant, ShownRelay, What};
pub use verdict::{AudienceReason, Previewed, explain, preview, preview_relay};
pub use visible::is_visible;
pub(super) use visible::{is_message_visible, is_visible_in_place, knows_as_source};

use view::view;

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
#[expect(clippy::large_enum_variant, reason = "nearly every one is shown; a box would be an allocation for each")]
pub enum Disclosure {
    /// Yes, like this.
    Show(Disclosed<Shown>),
    /// No. For this reader it does not exist.
    Withhold,
}

/// What `reader` is shown of `entry`.
pub fn disclose(state: &RoomState, reader: Reader<'_>, entry: &Entry, now: Timestamp) -> Disclosure {
    if !is_visible(state, reader.slot, reader.actor, entry.seq, now) {
        return Disclosure::Withhold;
    }
    // Where a backup was restored, the log may not say that a message was erased; but its words are not there.
    if entry.is_erased && matches!(entry.event, Event::MessagePosted { .. } | Event::RelayPublished { .. }) {
        return Disclosure::Withhold;
    }
    match view(state, reader, entry, now) {
        Some(what) => Disclosure::Show(Disclosed(Shown { recorded_at: entry.recorded_at, what })),
        None => Disclosure::Withhold,
    }
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
pub(super) fn whose(state: &RoomState, me: Slot, name: &Name) -> Result<Slot, Refusal> {
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
pub fn report(state: &RoomState, reader: Reader<'_>, entry: &Entry) -> Option<Disclosed<IntakeReport>> {
    let Event::ReportFiled { organisation, report } = &entry.event else { return None };
    let source = state.slot(organisation)?;
    let may_see = source == reader.slot || RoomState::is_coordinator(reader.slot);
    // That there was this version stays; its words are gone.
    let is_erased = state.is_erased(entry);
    may_see.then(|| Disclosed(if is_erased { IntakeReport::default() } else { (**report).clone() }))
}
