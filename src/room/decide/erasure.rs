//! Erasure. One question: may these words be destroyed, and who decided that?

use std::sync::Arc;

use super::ask::is_seen;
use super::{Event, Refusal, RoomState, person};
use crate::limits;
use crate::room::consent::{Name, Slot};
use crate::room::event::ErasureScope;
use crate::room::ids::{Actor, ErasureId, Timestamp};
use crate::room::mutant::{Mutant, is_on};

fn not_held(state: &RoomState) -> Result<(), Refusal> {
    if state.erasing.hold.is_some() { Err(Refusal::LegalHold) } else { Ok(()) }
}

pub(super) fn propose(
    state: &RoomState,
    me: Slot,
    caller: &Actor,
    erasure: ErasureId,
    what: ErasureScope<Name>,
    basis: Arc<str>,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    person(caller)?;
    not_held(state)?;
    if state.erasing.proposed.len() >= limits::MATTERS_MAX {
        return Err(Refusal::LimitReached { what: "proposed erasures in one room", max: limits::MATTERS_MAX });
    }
    let what = match what {
        ErasureScope::Message(message) => {
            let seq = is_seen(state, me, caller, message, now)?;
            state.posted(seq).ok_or(Refusal::MessageNotVisible)?;
            ErasureScope::Message(message)
        }
        ErasureScope::Participant(name) => {
            let slot = crate::room::disclose::whose(state, me, &name)?;
            ErasureScope::Participant(state.participant(slot).organisation.clone())
        }
        ErasureScope::Room => ErasureScope::Room,
    };
    Ok(vec![Event::ErasureProposed { erasure, what, basis }])
}

pub(super) fn confirm(
    state: &RoomState,
    me: Slot,
    caller: &Actor,
    erasure: ErasureId,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    person(caller)?;
    let proposal = state.erasing.proposed.get(&erasure).ok_or(Refusal::ErasureNotFound)?;
    if let ErasureScope::Message(message) = proposal.what {
        // TLP:RED does not exist for who is not named in it; and what is erased already is nobody's to erase.
        is_seen(state, me, caller, message, now).map_err(|_| Refusal::ErasureNotFound)?;
    }
    if !is_on(Mutant::HeldIsErased) {
        not_held(state)?;
    }
    if proposal.by == *caller && !is_on(Mutant::OnePersonErases) {
        return Err(Refusal::SecondPersonRequired);
    }
    Ok(vec![Event::PayloadsErased {
        erasure,
        what: proposal.what.clone(),
        basis: proposal.basis.clone(),
        proposed_by: proposal.by.clone(),
    }])
}

pub(super) fn hold(state: &RoomState, reason: Arc<str>) -> Result<Vec<Event>, Refusal> {
    match state.erasing.hold {
        Some(_) => Err(Refusal::HeldAlready),
        None => Ok(vec![Event::LegalHoldPlaced { reason }]),
    }
}

pub(super) fn lift(state: &RoomState, caller: &Actor, reason: Arc<str>) -> Result<Vec<Event>, Refusal> {
    person(caller)?;
    match state.erasing.hold {
        Some(_) => Ok(vec![Event::LegalHoldLifted { reason }]),
        None => Err(Refusal::NotHeld),
    }
}

pub(super) fn retention(years: Option<u16>) -> Result<Vec<Event>, Refusal> {
    if years.is_some_and(|years| !(1..=limits::RETENTION_YEARS_MAX).contains(&years)) {
        return Err(Refusal::Invalid { field: "years", rule: "must be 1 to 100" });
    }
    Ok(vec![Event::RetentionSet { years }])
}
