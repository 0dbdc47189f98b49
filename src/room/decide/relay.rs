//! Relays. One question: may the coordinator publish this, and may its source's approval open it?

use std::sync::Arc;

use super::message::organisations;
use super::release::may_receive;
use super::{Event, Refusal, RoomState, open, person, shown};
use crate::limits;
use crate::room::consent::{Name, Slot, Slots};
use crate::room::disclose::{is_visible, knows_as_source};
use crate::room::event::{Message, RelayDraft};
use crate::room::ids::{Actor, MessageId, OrganisationId, Seq, Timestamp};
use crate::room::mutant::{Mutant, is_on};
use crate::room::state::{Posted, Relay, RelayWish, only_source};
use crate::room::words::Tlp;

/// A relay whose names are resolved.
pub(in crate::room) struct ResolvedRelay {
    /// The messages that it is made from; none of them a relay.
    pub(in crate::room) parents: Vec<Seq>,
    /// The recipients that the coordinator lists.
    pub(in crate::room) listed: Vec<Slot>,
    /// Those of them that get it only if the source approves.
    pub(in crate::room) unapproved: Vec<Slot>,
    organisations: Vec<OrganisationId>,
    /// A recipient that can't get it in any way.
    impossible: Option<Slot>,
}

/// Checks the draft of a relay as the coordinator sees the room.
pub(in crate::room) fn resolve_relay(
    state: &RoomState,
    caller: &Actor,
    draft: &RelayDraft,
    now: Timestamp,
) -> Result<ResolvedRelay, Refusal> {
    let me = Slot(0);
    let invalid = |field, rule| Err(Refusal::Invalid { field, rule });
    if draft.tlp == Tlp::Red {
        return invalid("draft.tlp", "must not be TLP:RED, which is for persons; a relay goes to organisations");
    }
    if draft.parents.is_empty() || draft.parents.len() > limits::PARENTS_MAX {
        return invalid("draft.parent_message_ids", "must be 1 to 64 messages");
    }
    if draft.recipients.len() > limits::RECIPIENTS_MAX {
        return invalid("draft.recipients", "at most 256");
    }
    if draft.acknowledge_by.is_some_and(|by| by <= now) {
        return invalid("draft.acknowledge_by_time", "must lie in the future");
    }
    let mut parents = Vec::with_capacity(draft.parents.len());
    for &parent in &draft.parents {
        let seq = super::ask::is_seen(state, me, caller, parent, now)?;
        let posted = state.posted(seq).ok_or(Refusal::MessageNotVisible)?;
        if state.fallen(posted).is_some() {
            return Err(Refusal::MessageFallen);
        }
        parents.push(seq);
    }
    let parents = state.flattened(&parents);
    if parents.iter().filter_map(|&seq| state.posted(seq)).any(|posted| state.fallen(posted).is_some()) {
        return Err(Refusal::MessageFallen);
    }
    if let Some(old) = draft.supersedes {
        let old = state.message(old).and_then(|seq| state.posted(seq)).filter(|old| old.relay.is_some());
        let old = old.ok_or(Refusal::MessageNotVisible)?;
        if old.fallen.is_some() {
            return Err(Refusal::MessageFallen);
        }
    }
    let mut listed = Vec::with_capacity(draft.recipients.len());
    for name in &draft.recipients {
        let slot = shown(state, me, name)?;
        if RoomState::is_coordinator(slot) {
            return invalid("draft.recipients", "must not be the coordinator");
        }
        if !listed.contains(&slot) {
            listed.push(slot);
        }
    }
    let organisations = organisations(state, me, &draft.recipients)?;
    let set: Slots = listed.iter().copied().collect();
    let wish = RelayWish { parents: &parents, tlp: draft.tlp, listed: (!listed.is_empty()).then_some(&set) };
    let only = only_source(&state.sources(&parents)).filter(|&only| state.is_present(only) && !state.is_hidden(only));
    let may_ask = |slot: Slot| only.is_some_and(|only| only != slot && !state.is_hidden(slot));
    let barred: Vec<Slot> =
        listed.iter().copied().filter(|&slot| state.relay_bar(&wish, slot, now).is_some()).collect();
    let impossible = barred.iter().copied().find(|&slot| !may_ask(slot));
    Ok(ResolvedRelay { parents, listed, unapproved: barred, organisations, impossible })
}

pub(super) fn publish(
    state: &RoomState,
    caller: &Actor,
    id: MessageId,
    draft: &RelayDraft,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    open(state)?;
    let resolved = resolve_relay(state, caller, draft, now)?;
    if let Some(slot) = resolved.impossible {
        return Err(Refusal::RelayNotPermitted { participant: state.participant(slot).id });
    }
    let of = |slot: Slot| state.participant(slot).organisation.clone();
    let message = Message {
        id,
        material: draft.material,
        tlp: draft.tlp,
        text: draft.text.clone(),
        recipients: resolved.organisations,
        red_actors: Vec::new(),
        coordinator_only: false,
        in_reply_to: None,
        occurred_at: None,
        supersedes: draft.supersedes,
        acknowledge_by: draft.acknowledge_by,
        attachments: Vec::new(),
        file: None,
    };
    let parents = resolved.parents.iter().filter_map(|&seq| state.posted(seq)).map(|posted| posted.id).collect();
    Ok(vec![Event::RelayPublished {
        organisation: caller.organisation.clone(),
        message: Arc::new(message),
        parents,
        unapproved: resolved.unapproved.into_iter().map(of).collect(),
    }])
}

/// A relay whose only source the caller's organisation is, and that it can see.
fn of_source<'s>(
    state: &'s RoomState,
    me: Slot,
    caller: &Actor,
    message: MessageId,
    now: Timestamp,
) -> Result<(&'s Posted, &'s Relay), Refusal> {
    let seq = state.message(message).filter(|&seq| is_visible(state, me, caller, seq, now));
    let seq = seq.ok_or(Refusal::MessageNotVisible)?;
    let posted = state.posted(seq).ok_or(Refusal::MessageNotVisible)?;
    let is_source =
        |relay: &&Relay| relay.only_source() == Some(me) && knows_as_source(state, me, Some(caller), relay, now);
    let relay = posted.relay.as_deref().filter(is_source);
    Ok((posted, relay.ok_or(Refusal::MessageNotVisible)?))
}

pub(super) fn approve(
    state: &RoomState,
    me: Slot,
    caller: &Actor,
    message: MessageId,
    text_digest: [u8; 32],
    to: &[Name],
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let (posted, relay) = of_source(state, me, caller, message, now)?;
    open(state)?;
    person(caller)?;
    if state.fallen(posted).is_some() || relay.text_digest != text_digest && !is_on(Mutant::AnyTextIsApproved) {
        return Err(Refusal::TextChanged);
    }
    let readers: Vec<Slot> = if to.is_empty() {
        let waits = |&slot: &Slot| relay.unapproved.contains(slot) && state.can_see(me, slot);
        state.participants().map(|(slot, _)| slot).filter(waits).collect()
    } else {
        let mut readers = Vec::with_capacity(to.len());
        for name in to {
            let slot = shown(state, me, name)?;
            if !relay.unapproved.contains(slot) {
                return Err(Refusal::Invalid {
                    field: "recipients",
                    rule: "must be among those that wait for your approval",
                });
            }
            if !readers.contains(&slot) {
                readers.push(slot);
            }
        }
        readers
    };
    // A refusal for the material of somebody else's parent would tell that it stands behind the relay.
    let is_own = |&&seq: &&Seq| state.posted(seq).is_some_and(|parent| parent.source == me);
    let own: Vec<Seq> = relay.parents.iter().filter(is_own).copied().collect();
    may_receive(state, me, "recipients", &readers, &own)?;
    let to = readers.iter().map(|&slot| state.participant(slot).organisation.clone()).collect();
    Ok(vec![Event::RelayApproved { organisation: caller.organisation.clone(), message, to }])
}

pub(super) fn reject(
    state: &RoomState,
    me: Slot,
    caller: &Actor,
    message: MessageId,
    reason: Arc<str>,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let (posted, _) = of_source(state, me, caller, message, now)?;
    if state.fallen(posted).is_some() {
        return Err(Refusal::TextChanged);
    }
    Ok(vec![Event::RelayRejected { organisation: caller.organisation.clone(), message, reason }])
}
