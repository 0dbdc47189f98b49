//! Looking back. One question: may these earlier messages go to them, and who has deleted what was taken back?

use std::sync::Arc;

use super::message::{organisations, own, with_carriers};
use super::{Event, Refusal, RoomState, open, person, shown};
use crate::limits;
use crate::room::consent::{Name, Slot};
use crate::room::ids::{Actor, MessageId, OrganisationId, RecallId, ReleaseId, Seq, Timestamp};
use crate::room::mailbox::Mailboxes;
use crate::room::mutant::{Mutant, is_on};
use crate::room::words::{RecallAnswer, Tlp};

pub(super) fn release(
    state: &RoomState,
    me: Slot,
    caller: &Actor,
    release: ReleaseId,
    messages: &[MessageId],
    to: &[Name],
) -> Result<Vec<Event>, Refusal> {
    open(state)?;
    person(caller)?;
    let messages = releasable(state, me, caller, messages)?;
    let mut readers = Vec::with_capacity(to.len());
    for name in to {
        readers.push(shown(state, me, name)?);
    }
    may_receive(state, me, "recipients", &readers, &messages)?;
    let to = organisations(state, me, to)?;
    Ok(vec![released(state, caller, release, &messages, to)])
}

pub(super) fn released(
    state: &RoomState,
    caller: &Actor,
    release: ReleaseId,
    messages: &[Seq],
    to: Vec<OrganisationId>,
) -> Event {
    let messages = messages.iter().filter_map(|&seq| state.posted(seq)).map(|posted| posted.id).collect();
    Event::MessagesReleased { organisation: caller.organisation.clone(), release, messages, to }
}

/// The places of messages that the caller may release, in the order of posting.
pub(super) fn releasable(
    state: &RoomState,
    me: Slot,
    caller: &Actor,
    messages: &[MessageId],
) -> Result<Vec<Seq>, Refusal> {
    if state.is_hidden(me) {
        return Err(Refusal::HiddenCannotShareDirectly);
    }
    if messages.is_empty() || messages.len() > limits::RELEASE_MESSAGES_MAX {
        return Err(Refusal::Invalid { field: "message_ids", rule: "must be 1 to 256 messages" });
    }
    let mut places = Vec::with_capacity(messages.len());
    for &message in messages {
        // Whether its time is over plays no part: it is one's own.
        let (seq, posted) = own(state, me, caller, message, Timestamp(i64::MIN))?;
        if posted.relay.is_some() {
            return Err(Refusal::MessageNotVisible);
        }
        if posted.fallen.is_some() {
            return Err(Refusal::MessageFallen);
        }
        if posted.tlp == Tlp::Red && !is_on(Mutant::RedIsReleased) {
            return Err(Refusal::Invalid {
                field: "message_ids",
                rule: "must not be TLP:RED, which is for the persons that it names",
            });
        }
        places.push(seq);
    }
    places.sort_unstable();
    places.dedup();
    with_carriers(state, &places)?;
    Ok(places)
}

/// Whether messages of `me` may be opened to these participants, whom it can see.
pub(super) fn may_receive(
    state: &RoomState,
    me: Slot,
    field: &'static str,
    readers: &[Slot],
    messages: &[Seq],
) -> Result<(), Refusal> {
    let invalid = |rule| Err(Refusal::Invalid { field, rule });
    if readers.is_empty() || readers.len() > limits::RECIPIENTS_MAX {
        return invalid("must be 1 to 256 participants");
    }
    for &reader in readers {
        if reader == me {
            return invalid("must not be your own organisation");
        }
        if RoomState::is_coordinator(reader) {
            return invalid("must not be the coordinator, who sees everything that is posted in the room");
        }
        if state.is_hidden(reader) {
            return invalid("must not be a hidden organisation, which receives the coordinator's words only");
        }
        let mut materials = messages.iter().filter_map(|&seq| state.posted(seq)).map(|posted| posted.material);
        if materials.any(|material| state.is_named_no(me, reader, material)) {
            return Err(Refusal::NamedNo);
        }
    }
    Ok(())
}

pub(super) fn revoke(state: &RoomState, me: Slot, caller: &Actor, release: ReleaseId) -> Result<Vec<Event>, Refusal> {
    let known = state.matters.releases.get(&release).filter(|(source, _)| *source == me);
    known.ok_or(Refusal::ReleaseNotFound)?;
    Ok(vec![Event::ReleaseRevoked { organisation: caller.organisation.clone(), release }])
}

pub(super) fn answer_recall(
    mailboxes: &Mailboxes,
    caller: &Actor,
    recall: RecallId,
    answer: RecallAnswer,
    comment: Arc<str>,
) -> Result<Vec<Event>, Refusal> {
    if !mailboxes.was_asked(&caller.organisation, recall) {
        return Err(Refusal::RecallNotFound);
    }
    if answer != RecallAnswer::Deleted && comment.is_empty() {
        return Err(Refusal::Invalid { field: "comment", rule: "is required unless it was deleted: say why" });
    }
    Ok(vec![Event::RecallAnswered { organisation: caller.organisation.clone(), recall, answer, comment }])
}
