//! Who has a message. One question, for its source: to whom was it delivered, when, on what ground, and who may see it now?
//!
//! Answers are by organisation, about those that the asker can see or could; a notice that is still suppressed is not told.
//! Upholds: R7, R9 (the records are there before anything is sent).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::verdict::{AudienceReason, another, is_only_source, of_delivery, of_message, own_message};
use super::{Disclosed, Reader, ShownParticipant, show_at};
use crate::room::consent::Slot;
use crate::room::ids::{Actor, MessageId, OrganisationId, RecallId, Seq, Timestamp};
use crate::room::mailbox::{Given, Mailboxes};
use crate::room::mutant::{Mutant, is_on};
use crate::room::refusal::Refusal;
use crate::room::state::{OpenedBy, Relay, RoomState};
use crate::room::words::{RecallAnswer, Tlp};

/// On what ground something was delivered: the reason that held then.
pub type Ground = AudienceReason;

/// Who has one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipts {
    /// Which.
    pub message: MessageId,
    /// When it was posted.
    pub recorded_at: Timestamp,
    /// Its source; absent: the asker's own organisation.
    pub source: Option<OrganisationId>,
    /// By organisation, by participant id; the source's own is not among them.
    pub receipts: Vec<Receipt>,
    /// Which actors of the coordinator were delivered it, and when first; not for the coordinator's own messages.
    pub coordinator_reads: Vec<(Actor, Timestamp)>,
    /// An attachment: which actors of the coordinator were given bytes of it, and when first.
    pub coordinator_fetches: Vec<(Actor, Timestamp)>,
    /// Relays that were made of it, as far as the asker is told.
    pub relays: Vec<RelayReceipt>,
}

/// One organisation and one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// Who.
    pub participant: ShownParticipant,
    /// When it was first delivered to one of its actors, and on what ground, if it was.
    pub delivered: Option<(Timestamp, Ground)>,
    /// An attachment: when bytes of it were first given to one of its actors, if they were.
    pub fetched_at: Option<Timestamp>,
    /// When it was acknowledged, if it was.
    pub acknowledged_at: Option<Timestamp>,
    /// Whether it is here and may be shown it now.
    pub receives: bool,
    /// Why, or why not; absent for who is not here.
    pub reason: Option<AudienceReason>,
    /// Each time that it was asked to delete it, in that order.
    pub recalls: Vec<RecallReceipt>,
}

/// That an organisation was asked to delete a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecallReceipt {
    /// By which withdrawal.
    pub recall: RecallId,
    /// What it answered last, in which words, and when; absent: nothing yet.
    pub answer: Option<(RecallAnswer, Arc<str>, Timestamp)>,
}

/// A relay that was made of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelayReceipt {
    /// The relay.
    pub message: MessageId,
    /// When it was published.
    pub recorded_at: Timestamp,
    /// To which organisations, of those that the asker can see.
    pub to: Vec<ShownParticipant>,
}

/// Who has the message: for its source, and for the coordinator if it can see it.
pub fn receipts(
    state: &RoomState,
    mailboxes: &Mailboxes,
    reader: Reader<'_>,
    message: MessageId,
    now: Timestamp,
) -> Result<Disclosed<Receipts>, Refusal> {
    let (seq, posted) = own_message(state, reader, message, now)?;
    let coordinator = RoomState::is_coordinator(reader.slot);
    let counts = |given: &Given| {
        let ground = given.by.and_then(|by| state.opened(by)).map(|opened| opened.ground);
        let unknown = matches!(ground, Some(OpenedBy::LegalDuty { .. }))
            && given.by.is_some_and(|by| state.matters.is_suppressed(by));
        coordinator || !unknown || is_on(Mutant::ReceiptsTellSuppressed)
    };
    let mut list = Vec::new();
    for (slot, participant) in state.participants().filter(|&(slot, _)| slot != posted.source) {
        let given = mailboxes.given_to(&participant.organisation, seq);
        // A source that is told of a relay is not shown it.
        let told_only = |relay: &Relay| !relay.allowed.contains(slot) && !is_only_source(state, slot, posted);
        let is_told = |given: &Given| given.by.is_none() && posted.relay.as_deref().is_some_and(told_only);
        let is_coordinator = RoomState::is_coordinator(slot);
        let shown: Vec<&Given> =
            given.iter().filter(|given| counts(given) && (is_coordinator || !is_told(given))).collect();
        let first = shown.iter().copied().min_by_key(|given| given.at);
        // Who got it in a way that is not told fetched it in a way that is not told.
        let fetched = fetched_by(state, seq, &participant.organisation)
            .filter(|(actor, _)| shown.iter().any(|given| given.actor == **actor));
        let can_see = state.can_see(reader.slot, slot);
        // Who has gone is listed if it has the message, and could be told to be here.
        let could_see = coordinator || participant.visible_since.is_some();
        if !can_see && (first.is_none() || !could_see) {
            continue;
        }
        let (receives, reason) = match state.is_present(slot) {
            true => {
                let (receives, reason) = of_message(state, reader.slot, slot, seq, posted, now);
                (receives, Some(reason))
            }
            false => (false, None),
        };
        list.push(Receipt {
            participant: show_at(state, reader.slot, slot, state.next()),
            delivered: first.map(|given| (given.at, of_delivery(state, slot, posted, given.by))),
            fetched_at: fetched.map(|(_, at)| at).min(),
            acknowledged_at: state.acknowledged.get(&(seq, slot)).copied(),
            receives,
            reason,
            recalls: if first.is_some() { recalls(state, mailboxes, slot, seq) } else { Vec::new() },
        });
    }
    list.sort_by_key(|receipt| receipt.participant.id);
    let of_coordinator = &state.participant(Slot(0)).organisation;
    let mut coordinator_reads: Vec<(Actor, Timestamp)> = Vec::new();
    if !RoomState::is_coordinator(posted.source) {
        for given in mailboxes.given_to(of_coordinator, seq) {
            coordinator_reads.push((given.actor, given.at));
        }
    }
    let mut coordinator_fetches: Vec<(Actor, Timestamp)> = Vec::new();
    if !RoomState::is_coordinator(posted.source) {
        coordinator_fetches.extend(fetched_by(state, seq, of_coordinator).map(|(actor, at)| (actor.clone(), at)));
    }
    let relays = if posted.tlp == Tlp::Red && !coordinator { Vec::new() } else { relays(state, reader, seq) };
    let recorded_at = posted.recorded_at;
    let source = another(state, reader, posted);
    Ok(Disclosed(Receipts {
        message,
        recorded_at,
        source,
        receipts: list,
        coordinator_reads,
        coordinator_fetches,
        relays,
    }))
}

/// Which actors of an organisation were given bytes of an attachment, and when first.
fn fetched_by<'s>(
    state: &'s RoomState,
    seq: Seq,
    organisation: &'s OrganisationId,
) -> impl Iterator<Item = (&'s Actor, Timestamp)> {
    state.fetches(seq).filter(move |(actor, _)| actor.organisation == *organisation)
}

fn recalls(state: &RoomState, mailboxes: &Mailboxes, slot: Slot, seq: Seq) -> Vec<RecallReceipt> {
    let asked = mailboxes.recalls_of(&state.participant(slot).organisation, seq).into_iter();
    let known = asked.filter_map(|recall| Some((recall, state.matters.recalls.get(&recall)?)));
    let in_order: BTreeMap<_, _> = known
        .map(|(recall, recalled)| {
            (recalled.number, RecallReceipt { recall, answer: recalled.answers.get(&slot).cloned() })
        })
        .collect();
    in_order.into_values().collect()
}

fn relays(state: &RoomState, reader: Reader<'_>, parent: Seq) -> Vec<RelayReceipt> {
    let coordinator = RoomState::is_coordinator(reader.slot);
    let mut found = Vec::new();
    for (seq, posted, relay) in state.relays().filter(|(_, _, relay)| relay.parents.contains(&parent)) {
        let may_know = |slot: Slot, o: &crate::room::state::Participant| {
            slot != reader.slot && (coordinator || o.visible_since.is_some())
        };
        let got = |slot: Slot| relay.allowed.contains(slot) || state.was_opened_to(slot, seq);
        let to = state.participants().filter(|&(slot, o)| got(slot) && may_know(slot, o));
        let mut to: Vec<_> = to.map(|(slot, _)| show_at(state, reader.slot, slot, state.next())).collect();
        to.sort_by_key(|participant| participant.id);
        if coordinator || !to.is_empty() || relay.told.contains(reader.slot) {
            found.push(RelayReceipt { message: posted.id, recorded_at: posted.recorded_at, to });
        }
    }
    found
}
