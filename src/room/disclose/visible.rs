//! The rule itself. One question: may this actor be shown this entry now, and on what ground?
//!
//! Upholds: R5. Tested against a second, naive implementation.

use crate::room::consent::Slot;
use crate::room::ids::{Actor, Seq, Timestamp};
use crate::room::mutant::{Mutant, is_on};
use crate::room::state::{Fall, Narrowed, OpenedBy, Opening, Posted, Relay, RoomState, Trace};

/// On what ground an entry is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::room) enum Basis {
    /// It is the reader's own message.
    Own,
    /// The reader coordinates the room.
    Coordinator,
    /// The running rule.
    Rule,
    /// This later entry opened it.
    Opened(Seq),
    /// The reader is told of it.
    Control,
}

/// Whether this actor of this organisation may be shown the entry at `seq` now.
pub fn is_visible(state: &RoomState, reader: Slot, actor: &Actor, seq: Seq, now: Timestamp) -> bool {
    basis(state, reader, Some(actor), seq, now).is_some()
}

/// Whether this actor may be shown the message at `seq` itself now: a source that is only told of a relay may not.
pub(in crate::room) fn is_message_visible(
    state: &RoomState,
    reader: Slot,
    actor: &Actor,
    seq: Seq,
    now: Timestamp,
) -> bool {
    let relay = || state.posted(seq).and_then(|posted| posted.relay.as_deref());
    match basis(state, reader, Some(actor), seq, now) {
        Some(Basis::Own | Basis::Coordinator | Basis::Rule | Basis::Opened(_)) => true,
        Some(Basis::Control) => relay().is_some_and(|relay| relay.only_source() == Some(reader)),
        None => false,
    }
}

/// Whether it may be shown in its own place of the log, not only where another entry opens it.
pub(in crate::room) fn is_visible_in_place(
    state: &RoomState,
    reader: Slot,
    actor: &Actor,
    seq: Seq,
    now: Timestamp,
) -> bool {
    match basis(state, reader, Some(actor), seq, now) {
        Some(Basis::Own | Basis::Coordinator | Basis::Rule | Basis::Control) => true,
        Some(Basis::Opened(_)) | None => false,
    }
}

/// The ground on which the entry may be shown. Without an actor, it is asked for nobody in particular of the organisation.
pub(in crate::room) fn basis(
    state: &RoomState,
    reader: Slot,
    actor: Option<&Actor>,
    seq: Seq,
    now: Timestamp,
) -> Option<Basis> {
    let present_since = state.participant(reader).present_since?;
    let trace = state.traces.get(usize::try_from(seq.0).ok()?)?;
    let coordinator = RoomState::is_coordinator(reader);
    let was_here = present_since <= seq;
    let could_see = |other: Slot| state.participant(other).visible_since.is_some_and(|since| since <= seq);
    let told = match trace {
        Trace::Message(posted) => return message(state, reader, actor, seq, posted, now),
        Trace::Opened(opened) => {
            let is_told = match opened.ground {
                OpenedBy::Release | OpenedBy::Forwarding | OpenedBy::LegalDuty { suppressed: false } => {
                    reader == opened.source || opened.to.contains(reader)
                }
                // Its receivers would learn who the source is.
                OpenedBy::Approval => {
                    reader == opened.source || is_on(Mutant::ApprovalToldToReceivers) && opened.to.contains(reader)
                }
                OpenedBy::LegalDuty { suppressed: true } => {
                    opened.to.contains(reader) || is_on(Mutant::SuppressedDisclosureIsTold) && reader == opened.source
                }
            };
            coordinator || was_here && is_told
        }
        Trace::About(participant) => {
            let tells = could_see(*participant) || is_on(Mutant::HiddenJoinIsTold);
            coordinator || was_here && (reader == *participant || tells)
        }
        Trace::Private(participant) => coordinator || was_here && reader == *participant,
        Trace::Told { by, source, message } => {
            let exists = message.is_none_or(|message| {
                let narrowed = state.posted(message).and_then(|posted| posted.narrowed.as_deref());
                let Some(Narrowed::Red { author, actors }) = narrowed else { return true };
                actor.is_some_and(|actor| author.as_ref() == Some(actor) || actors.contains(actor))
            });
            exists && (coordinator || was_here && (reader == *by || reader == *source && could_see(*by)))
        }
        Trace::Both(a, b) => coordinator || was_here && (reader == *a || reader == *b),
        Trace::CoordinatorOnly => coordinator,
        Trace::Nobody => false,
        Trace::Everybody => was_here,
    };
    told.then_some(Basis::Control)
}

fn message(
    state: &RoomState,
    reader: Slot,
    actor: Option<&Actor>,
    seq: Seq,
    posted: &Posted,
    now: Timestamp,
) -> Option<Basis> {
    if posted.fallen == Some(Fall::Erased) && !is_on(Mutant::ErasedIsShown) {
        return None;
    }
    if let Some(Narrowed::Red { author, actors }) = posted.narrowed.as_deref() {
        // TLP:RED: for everybody else, of every side, it does not exist.
        let actor = actor?;
        if author.as_ref() == Some(actor) {
            return Some(Basis::Own);
        }
        let colleague = || actors.iter().any(|other| other.organisation == actor.organisation);
        let is_named = actors.contains(actor) || is_on(Mutant::RedForColleagues) && colleague();
        if posted.fallen.is_some() || !is_named {
            return None;
        }
    }
    if reader == posted.source {
        return Some(Basis::Own);
    }
    if RoomState::is_coordinator(reader) {
        return Some(Basis::Coordinator);
    }
    if let Some(file) = posted.file.as_deref()
        && basis(state, reader, actor, file.carrier, now).is_none()
        && !is_on(Mutant::AttachmentWithoutItsMessage)
    {
        return None;
    }
    if let Some(relay) = posted.relay.as_deref().filter(|relay| knows_as_source(state, reader, actor, relay, now)) {
        let told = || state.participant(reader).present_since.is_some_and(|since| since <= seq);
        let is_told = relay.told.contains(reader) && told();
        if is_told && (relay.only_source() == Some(reader) || !relay.allowed.contains(reader)) {
            return Some(Basis::Control);
        }
    }
    if state.by_rule(reader, seq, posted, now) {
        return Some(Basis::Rule);
    }
    let holds = |opening: &Opening| state.is_by_law(*opening) || on_terms_of_others(state, reader, posted, now);
    state.openings_of(reader, seq, now).find(holds).map(|opening| Basis::Opened(opening.by))
}

/// Whether those from whom the poster was given the same file would show it to the reader, too.
pub(in crate::room) fn on_terms_of_others(state: &RoomState, reader: Slot, posted: &Posted, now: Timestamp) -> bool {
    let may_see = |&other: &Seq| state.reaches(reader, other, now) || is_on(Mutant::SameFileOnLooserTerms);
    posted.file.as_deref().is_none_or(|file| file.terms_of.iter().all(may_see))
}

/// Whether the reader is a source of the relay and can see one of its own messages that it is made from: to who can't, TLP:RED, the
/// relay is a message like any other.
pub(in crate::room) fn knows_as_source(
    state: &RoomState,
    reader: Slot,
    actor: Option<&Actor>,
    relay: &Relay,
    now: Timestamp,
) -> bool {
    // Who relays its own words is their author, and no source.
    let own = |&parent: &Seq| {
        !RoomState::is_coordinator(reader) && state.posted(parent).is_some_and(|posted| posted.source == reader)
    };
    relay.parents.iter().any(|parent| own(parent) && basis(state, reader, actor, *parent, now).is_some())
}
