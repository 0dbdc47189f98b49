//! Authorities. One question: may this go to the police, or must it, and who decided that?

use std::sync::Arc;

use super::ask::is_seen;
use super::message::with_carriers;
use super::{Event, Refusal, RoomState, person};
use crate::limits;
use crate::room::consent::{Name, Slot};
use crate::room::event::LegalDuty;
use crate::room::ids::{Actor, DisclosureId, MessageId, Seq, Timestamp};
use crate::room::mutant::{Mutant, is_on};
use crate::room::state::{Fall, Posted};
use crate::room::words::{PoliceAnswer, Role, Tlp};

/// Messages of others that the coordinator can see and that may be handed on as they are, in the order of posting.
fn others(
    state: &RoomState,
    me: Slot,
    caller: &Actor,
    messages: &[MessageId],
    now: Timestamp,
) -> Result<Vec<Seq>, Refusal> {
    let invalid = |rule| Err(Refusal::Invalid { field: "message_ids", rule });
    if messages.is_empty() || messages.len() > limits::RELEASE_MESSAGES_MAX {
        return invalid("must be 1 to 256 messages");
    }
    let mut places = Vec::with_capacity(messages.len());
    for &message in messages {
        let seq = is_seen(state, me, caller, message, now)?;
        let posted = state.posted(seq).ok_or(Refusal::MessageNotVisible)?;
        if posted.tlp == Tlp::Red {
            return invalid("must not be TLP:RED, which is for the persons that it names; ask its author");
        }
        if posted.source == me {
            return invalid("must be others' messages; the coordinator's own need no leave");
        }
        places.push(seq);
    }
    places.sort_unstable();
    places.dedup();
    with_carriers(state, &places)?;
    Ok(places)
}

/// The messages by their source, in the order of first posting.
fn by_source(state: &RoomState, places: &[Seq]) -> Vec<(Slot, Vec<MessageId>)> {
    let mut grouped: Vec<(Slot, Vec<MessageId>)> = Vec::new();
    for Posted { source, id, .. } in places.iter().filter_map(|&seq| state.posted(seq)) {
        match grouped.iter_mut().find(|(of, _)| of == source) {
            Some((_, messages)) => messages.push(*id),
            None => grouped.push((*source, vec![*id])),
        }
    }
    grouped
}

pub(super) fn forward(
    state: &RoomState,
    me: Slot,
    caller: &Actor,
    messages: &[MessageId],
    to: &Name,
    reason: Arc<str>,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let places = others(state, me, caller, messages, now)?;
    let authority = state.resolve(me, to).ok_or(Refusal::RecipientNotVisible)?;
    if state.participant(authority).role != Role::Authority {
        return Err(Refusal::Invalid { field: "authority", rule: "must be a participant with the role authority" });
    }
    for posted in places.iter().filter_map(|&seq| state.posted(seq)) {
        if posted.fallen.is_some() {
            return Err(Refusal::MessageFallen);
        }
        if posted.source == authority {
            return Err(Refusal::Invalid { field: "authority", rule: "must not be the source of one of the messages" });
        }
        let consent = &state.participant(posted.source).consent;
        let allowed = (consent.police == PoliceAnswer::CoordinatorMayForward
            || is_on(Mutant::ForwardedWithoutPoliceAnswer))
            && !consent.is_expired(now)
            && !state.is_hidden(posted.source)
            && !state.is_hidden(authority);
        if !allowed {
            return Err(Refusal::PoliceForwardingNotAllowed);
        }
        if state.is_named_no(posted.source, authority, posted.material) {
            return Err(Refusal::NamedNo);
        }
    }
    let to = state.participant(authority).organisation.clone();
    let event = |(source, messages): (Slot, Vec<MessageId>)| Event::MessagesForwarded {
        organisation: state.participant(source).organisation.clone(),
        messages,
        to: to.clone(),
        reason: reason.clone(),
    };
    Ok(by_source(state, &places).into_iter().map(event).collect())
}

#[expect(clippy::too_many_arguments, reason = "what, to whom, under which law, decided by whom and when")]
pub(super) fn legal_duty(
    state: &RoomState,
    me: Slot,
    caller: &Actor,
    statute: Arc<str>,
    messages: &[MessageId],
    to: &Name,
    suppress_until: Option<Timestamp>,
    now: Timestamp,
) -> Result<LegalDuty, Refusal> {
    person(caller)?;
    let places = others(state, me, caller, messages, now)?;
    let receiver = state.resolve(me, to).ok_or(Refusal::RecipientNotVisible)?;
    let of_receiver = |seq: &Seq| state.posted(*seq).is_some_and(|posted| posted.source == receiver);
    if RoomState::is_coordinator(receiver) || places.iter().any(of_receiver) {
        return Err(Refusal::Invalid {
            field: "receiver",
            rule: "must be neither the coordinator nor a source of the messages",
        });
    }
    if suppress_until.is_some_and(|until| until <= now) {
        return Err(Refusal::Invalid { field: "suppress_until_time", rule: "must lie in the future" });
    }
    if state.matters.proposed.len() >= limits::MATTERS_MAX {
        return Err(Refusal::LimitReached { what: "proposed legal disclosures in one room", max: limits::MATTERS_MAX });
    }
    let messages = places.iter().filter_map(|&seq| state.posted(seq)).map(|posted| posted.id).collect();
    Ok(LegalDuty { statute, messages, to: state.participant(receiver).organisation.clone(), suppress_until })
}

pub(super) fn confirm(
    state: &RoomState,
    caller: &Actor,
    disclosure: DisclosureId,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    person(caller)?;
    let (duty, proposed_by) = state.matters.proposed.get(&disclosure).ok_or(Refusal::DisclosureNotFound)?;
    if proposed_by == caller && !is_on(Mutant::OnePersonDiscloses) {
        return Err(Refusal::SecondPersonRequired);
    }
    let receiver = state.slot(&duty.to).filter(|&slot| state.is_present(slot));
    receiver.ok_or(Refusal::RecipientNotVisible)?;
    let is_erased = |seq: &Seq| state.posted(*seq).is_some_and(|posted| posted.fallen == Some(Fall::Erased));
    let places = duty.messages.iter().filter_map(|&message| state.message(message));
    let places: Vec<Seq> = places.filter(|seq| !is_erased(seq)).collect();
    if places.is_empty() {
        return Err(Refusal::MessageFallen);
    }
    let suppress_until = duty.suppress_until.filter(|until| *until > now);
    let event = |(source, messages): (Slot, Vec<MessageId>)| Event::LegallyDisclosed {
        disclosure,
        organisation: state.participant(source).organisation.clone(),
        duty: Arc::new(LegalDuty { statute: duty.statute.clone(), messages, to: duty.to.clone(), suppress_until }),
        proposed_by: proposed_by.clone(),
    };
    Ok(by_source(state, &places).into_iter().map(event).collect())
}
