//! Introductions. One question: do both want to know who the other is?

use std::sync::Arc;

use super::{Event, Refusal, RoomState, open, person};
use crate::limits;
use crate::room::consent::{Name, Slot};
use crate::room::event::IntroductionSide;
use crate::room::ids::{Actor, IntroductionId};

pub(super) fn propose(
    state: &RoomState,
    me: Slot,
    sides: [(IntroductionId, Name, Arc<str>); 2],
) -> Result<Vec<Event>, Refusal> {
    let find = |name: &Name| state.resolve(me, name).ok_or(Refusal::ParticipantNotFound);
    let [(a_id, a_name, a_words), (b_id, b_name, b_words)] = sides;
    let (a, b) = (find(&a_name)?, find(&b_name)?);
    if a == b || RoomState::is_coordinator(a) || RoomState::is_coordinator(b) {
        return Err(Refusal::Invalid {
            field: "sides",
            rule: "must be two different participants, not the coordinator",
        });
    }
    if state.matters.introductions.len() >= limits::MATTERS_MAX {
        return Err(Refusal::LimitReached { what: "introductions in one room", max: limits::MATTERS_MAX });
    }
    let side = |id, slot: Slot, words| IntroductionSide {
        id,
        organisation: state.participant(slot).organisation.clone(),
        words,
    };
    Ok(vec![Event::IntroductionProposed { sides: [side(a_id, a, a_words), side(b_id, b, b_words)] }])
}

pub(super) fn answer(
    state: &RoomState,
    me: Slot,
    caller: &Actor,
    introduction: IntroductionId,
    accepted: bool,
    contact: Arc<str>,
) -> Result<Vec<Event>, Refusal> {
    let own = state.matters.introductions.get(&introduction).filter(|own| own.of == me && own.answer.is_none());
    let own = own.ok_or(Refusal::IntroductionNotFound)?;
    if accepted {
        open(state)?;
        person(caller)?;
        if contact.is_empty() {
            return Err(Refusal::Invalid {
                field: "accepted.contact",
                rule: "is required to agree: how the other reaches you",
            });
        }
    }
    let organisation = caller.organisation.clone();
    let mut events = vec![Event::IntroductionAnswered {
        organisation: organisation.clone(),
        introduction,
        accepted,
        contact: contact.clone(),
    }];
    let other = state.matters.introductions.get(&own.other).filter(|other| accepted && state.is_present(other.of));
    if let Some(other) = other
        && let Some((true, their_contact)) = &other.answer
    {
        let theirs = IntroductionSide {
            id: own.other,
            organisation: state.participant(other.of).organisation.clone(),
            words: their_contact.clone(),
        };
        events.push(Event::Introduced {
            sides: [IntroductionSide { id: introduction, organisation, words: contact }, theirs],
        });
    }
    Ok(events)
}
