//! Asking for consent. One question: may the coordinator ask this, and what does the answer open?

use std::sync::Arc;

use super::message::{organisations, with_carriers};
use super::release::{may_receive, releasable, released};
use super::{Event, Refusal, RoomState, not_coordinator, open, person};
use crate::limits;
use crate::room::consent::{ConsentChange, Name, Slot};
use crate::room::disclose::is_visible;
use crate::room::event::{AskedFor, Subject};
use crate::room::ids::{Actor, AskId, OrganisationId, ReleaseId, Timestamp};
use crate::room::mutant::{Mutant, is_on};
use crate::room::words::{AskAnswer, Audience, Material, Sharing, Tlp};

/// A question as the coordinator wishes it.
pub(super) struct Question {
    pub(super) ask: AskId,
    pub(super) subject: Subject,
    pub(super) to: AskedFor<Name>,
    pub(super) reason: Arc<str>,
    pub(super) answer_by: Timestamp,
}

pub(super) fn suggest(
    state: &RoomState,
    me: Slot,
    caller: &Actor,
    source: Option<&Name>,
    material: Material,
    reason: Arc<str>,
) -> Result<Vec<Event>, Refusal> {
    not_coordinator(me)?;
    open(state)?;
    let source = match source {
        None => None,
        Some(name) => {
            let slot = super::shown(state, me, name)?;
            if slot == me || RoomState::is_coordinator(slot) {
                return Err(Refusal::Invalid {
                    field: "source",
                    rule: "must be another participant, not the coordinator",
                });
            }
            Some(state.participant(slot).organisation.clone())
        }
    };
    Ok(vec![Event::AskSuggested { organisation: caller.organisation.clone(), source, material, reason }])
}

pub(super) fn ask(
    state: &RoomState,
    me: Slot,
    source: &Name,
    question: Question,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let Question { ask, subject, to, reason, answer_by } = question;
    let slot = state.resolve(me, source).ok_or(Refusal::ParticipantNotFound)?;
    not_coordinator(slot)?;
    if answer_by <= now {
        return Err(Refusal::Invalid { field: "answer_by_time", rule: "must lie in the future" });
    }
    if state.matters.asks.len() >= limits::MATTERS_MAX {
        return Err(Refusal::LimitReached { what: "questions in one room", max: limits::MATTERS_MAX });
    }
    if let Subject::Messages(messages) = &subject {
        if messages.is_empty() || messages.len() > limits::RELEASE_MESSAGES_MAX {
            return Err(Refusal::Invalid { field: "messages.message_ids", rule: "must be 1 to 256 messages" });
        }
        let mut places = Vec::with_capacity(messages.len());
        for &message in messages {
            let seq = state.message(message).ok_or(Refusal::MessageNotVisible)?;
            let posted = state.posted(seq).ok_or(Refusal::MessageNotVisible)?;
            // A TLP:RED message that the coordinator is not named in does not exist for it, so what it can't see comes first.
            let visible = posted.tlp != Tlp::Red;
            if !visible || posted.source != slot || posted.relay.is_some() {
                return Err(Refusal::MessageNotVisible);
            }
            if posted.fallen.is_some() {
                return Err(Refusal::MessageFallen);
            }
            places.push(seq);
        }
        with_carriers(state, &places)?;
    }
    let to = match to {
        AskedFor::Audience(audience) => AskedFor::Audience(audience),
        AskedFor::Organisations(names) => AskedFor::Organisations(asked_for(state, me, slot, &names)?),
    };
    let source = state.participant(slot).organisation.clone();
    Ok(vec![Event::ConsentAsked { ask, source, subject, to, reason, answer_by }])
}

/// Whom the source is asked about: never somebody whom it can't see.
fn asked_for(state: &RoomState, me: Slot, source: Slot, names: &[Name]) -> Result<Vec<OrganisationId>, Refusal> {
    let invalid = |rule| Err(Refusal::Invalid { field: "participants.names", rule });
    if names.is_empty() || names.len() > limits::RECIPIENTS_MAX {
        return invalid("must be 1 to 256 participants, or an audience");
    }
    let list = organisations(state, me, names)?;
    for slot in list.iter().filter_map(|organisation| state.slot(organisation)) {
        if slot == source || RoomState::is_coordinator(slot) {
            return invalid("must be participants other than the source and the coordinator");
        }
        if !state.can_see(source, slot) {
            return invalid("must be participants that the source can see; this would tell it of a hidden one");
        }
    }
    Ok(list)
}

#[expect(clippy::too_many_arguments, reason = "what the answer says, who says it, and what it may open")]
pub(super) fn answer(
    state: &RoomState,
    me: Slot,
    caller: &Actor,
    id: AskId,
    answer: AskAnswer,
    comment: Arc<str>,
    release: ReleaseId,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let ask = state.matters.asks.get(&id).filter(|ask| ask.source == me).ok_or(Refusal::AskNotFound)?;
    if !ask.is_open && !is_on(Mutant::AskAnsweredTwice) {
        return Err(Refusal::AskClosed);
    }
    let organisation = caller.organisation.clone();
    let mut events = vec![Event::AskAnswered { organisation, ask: id, answer, comment }];
    let sharing = match answer {
        AskAnswer::No => return Ok(events),
        AskAnswer::RelayOnly => Sharing::Relay,
        AskAnswer::Yes => Sharing::Direct,
    };
    open(state)?;
    person(caller)?;
    match (&ask.subject, answer) {
        // The coordinator drafts a relay, which the source approves.
        (Subject::Messages(_), AskAnswer::RelayOnly) => {}
        (Subject::Messages(messages), AskAnswer::Yes | AskAnswer::No) => {
            let messages = releasable(state, me, caller, messages)?;
            let readers = readers(state, me, &ask.to);
            if readers.is_empty() {
                return Err(Refusal::RecipientNotVisible);
            }
            may_receive(state, me, "participants.names", &readers, &messages)?;
            let to = readers.iter().map(|&slot| state.participant(slot).organisation.clone()).collect();
            events.push(released(state, caller, release, &messages, to));
        }
        (Subject::Material(material), _) => {
            // Also if nobody who was asked about is here any more.
            if sharing == Sharing::Direct && state.is_hidden(me) {
                return Err(Refusal::HiddenCannotShareDirectly);
            }
            if matches!(ask.to, AskedFor::Organisations(_)) && readers(state, me, &ask.to).is_empty() {
                return Err(Refusal::RecipientNotVisible);
            }
            let change = change(state, me, &ask.to, *material, sharing);
            events.extend(super::give(state, caller, Some(me), Arc::new(change), now)?);
        }
    }
    Ok(events)
}

/// The participants that were asked about and that the source can see now.
fn readers(state: &RoomState, me: Slot, to: &AskedFor<OrganisationId>) -> Vec<Slot> {
    let others = |slot: &Slot| *slot != me && !RoomState::is_coordinator(*slot) && state.can_see(me, *slot);
    match to {
        AskedFor::Organisations(list) => list.iter().filter_map(|o| state.slot(o)).filter(others).collect(),
        AskedFor::Audience(audience) => {
            let in_it = |slot: &Slot| state.participant(*slot).role.audience() == Some(*audience);
            state.participants().map(|(slot, _)| slot).filter(others).filter(in_it).collect()
        }
    }
}

/// What a yes for a material sets; never less than what holds.
fn change(
    state: &RoomState,
    me: Slot,
    to: &AskedFor<OrganisationId>,
    material: Material,
    sharing: Sharing,
) -> ConsentChange {
    let mut change = ConsentChange::default();
    match to {
        AskedFor::Audience(audience) => {
            let audience: Audience = *audience;
            let now = state.participant(me).consent.cell(material, audience).sharing;
            change.cells.push((material, audience, sharing.max(now)));
        }
        AskedFor::Organisations(_) => {
            for slot in readers(state, me, to) {
                let now = state.permits(me, slot, material);
                let name = Name::Participant(state.participant(slot).id);
                change.named.push((name, material, sharing.max(now)));
            }
        }
    }
    change
}

/// Whether the coordinator's actor can see the message: the same for unknown, foreign and TLP:RED ones that do not name it.
pub(super) fn is_seen(
    state: &RoomState,
    me: Slot,
    caller: &Actor,
    message: crate::room::ids::MessageId,
    now: Timestamp,
) -> Result<crate::room::ids::Seq, Refusal> {
    let seq = state.message(message).ok_or(Refusal::MessageNotVisible)?;
    if is_visible(state, me, caller, seq, now) { Ok(seq) } else { Err(Refusal::MessageNotVisible) }
}
