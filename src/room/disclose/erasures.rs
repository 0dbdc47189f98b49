//! What is erased and what is due, for the coordinator. One question: which words of this room are gone, or should be soon?
//!
//! Upholds: R7 (nobody else is told of proposals, holds and policies; of a TLP:RED message only who may know that there is one).

use std::sync::Arc;

use super::visible::basis;
use super::{Disclosed, Reader, ShownParticipant, show_at};
use crate::room::event::ErasureScope;
use crate::room::ids::{Actor, ErasureId, MessageId, OrganisationId, Timestamp};
use crate::room::refusal::Refusal;
use crate::room::state::{Erasure, Fall, Narrowed, RoomState, Status};

/// One erasure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownErasure {
    /// Which.
    pub id: ErasureId,
    /// Of what.
    pub what: ErasureScope<ShownParticipant>,
    /// The legal basis, in the coordinator's words.
    pub basis: Arc<str>,
    /// Who proposed it.
    pub proposed_by: Option<Actor>,
    /// When it was proposed; absent once it is done.
    pub proposed_at: Option<Timestamp>,
    /// Who confirmed it, and when; absent while it waits.
    pub erased: Option<(Option<Actor>, Timestamp)>,
}

/// How long a room is kept, and what holds up its erasure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownRetention {
    /// The room's title.
    pub title: Arc<str>,
    /// Years after closing. Absent: no policy.
    pub years: Option<u16>,
    /// When it was closed, if it is.
    pub closed_at: Option<Timestamp>,
    /// When it is due, if it is closed and has a policy.
    pub due_at: Option<Timestamp>,
    /// Whether that is now or was before, and the room is not erased.
    pub is_due: bool,
    /// The legal hold, if there is one: who placed it, when and why.
    pub hold: Option<(Option<Actor>, Timestamp, Arc<str>)>,
    /// Whether the whole room was erased since it was closed.
    pub is_erased: bool,
}

/// The erasures of a room: those that wait first, then those that were done, newest first. The coordinator.
pub fn erasures(
    state: &RoomState,
    reader: Reader<'_>,
    now: Timestamp,
) -> Result<Vec<Disclosed<ShownErasure>>, Refusal> {
    coordinator(reader)?;
    let shown = |organisation: &OrganisationId| {
        state.slot(organisation).map(|slot| show_at(state, reader.slot, slot, state.next))
    };
    let exists = |what: &ErasureScope<OrganisationId>| match what {
        ErasureScope::Message(message) => is_known(state, reader, *message, now),
        ErasureScope::Participant(_) | ErasureScope::Room => true,
    };
    let proposed = state.erasing.proposed.iter().filter(|(_, proposal)| exists(&proposal.what));
    let mut proposed: Vec<_> = proposed.collect();
    proposed.sort_by_key(|(_, proposal)| std::cmp::Reverse(proposal.at));
    let proposed = proposed.into_iter().filter_map(|(id, proposal)| {
        Some(ShownErasure {
            id: *id,
            what: proposal.what.map(shown)?,
            basis: proposal.basis.clone(),
            proposed_by: Some(proposal.by.clone()),
            proposed_at: Some(proposal.at),
            erased: None,
        })
    });
    let done = state.erasing.done.iter().rev().filter(|erasure| exists(&erasure.what)).filter_map(|erasure| {
        let [proposed_by, confirmed_by] = erasure.by.clone();
        Some(ShownErasure {
            id: erasure.id,
            what: erasure.what.map(shown)?,
            basis: erasure.basis.clone(),
            proposed_by,
            proposed_at: None,
            erased: Some((confirmed_by, erasure.at)),
        })
    });
    Ok(proposed.chain(done).map(Disclosed).collect())
}

/// Whether the reader may know that there is, or was, this message.
fn is_known(state: &RoomState, reader: Reader<'_>, message: MessageId, now: Timestamp) -> bool {
    let Some((seq, posted)) = state.message(message).and_then(|seq| Some((seq, state.posted(seq)?))) else {
        return false;
    };
    match posted.narrowed.as_deref() {
        Some(Narrowed::Red { author, actors }) if posted.fallen == Some(Fall::Erased) => {
            author.as_ref() == Some(reader.actor) || actors.contains(reader.actor)
        }
        _ if posted.fallen == Some(Fall::Erased) => true,
        _ => basis(state, reader.slot, Some(reader.actor), seq, now).is_some(),
    }
}

impl ShownRetention {
    /// How long the room is kept, but for whether it is due.
    pub(super) fn of(state: &RoomState) -> Self {
        let erasing = &state.erasing;
        let closed_at = erasing.closed_at.filter(|_| state.status == Status::Closed);
        let due = |(years, closed): (u16, Timestamp)| Timestamp(closed.0.saturating_add(i64::from(years) * YEAR_US));
        let is_whole = |done: &&Erasure| done.what == ErasureScope::Room;
        let last = erasing.done.iter().rev().find(is_whole);
        Self {
            title: state.title.clone(),
            years: erasing.years,
            closed_at,
            due_at: erasing.years.zip(closed_at).map(due),
            is_due: false,
            hold: erasing.hold.clone(),
            is_erased: closed_at.zip(last).is_some_and(|(closed, erased)| erased.at >= closed),
        }
    }

    pub(super) fn at(&self, now: Timestamp) -> Self {
        let is_due = !self.is_erased && self.due_at.is_some_and(|due| due <= now);
        Self { is_due, ..self.clone() }
    }
}

/// A year of the Gregorian calendar, on average, in microseconds.
const YEAR_US: i64 = 31_556_952 * 1_000_000;

fn coordinator(reader: Reader<'_>) -> Result<(), Refusal> {
    if RoomState::is_coordinator(reader.slot) { Ok(()) } else { Err(Refusal::CoordinatorOnly) }
}
