//! The room through another's eyes. One question, for the coordinator: what does this participant see?
//!
//! Heads of messages only: the text is the same for everybody who may see it. TLP:RED goes by person, so it is not among them. That the
//! coordinator looked is an entry of its own, made before this is answered.

use super::verdict::is_shown_to;
use super::{Disclosed, Reader, ShownParticipant, show_at};
use crate::room::consent::Name;
use crate::room::ids::{MessageId, Seq, Timestamp};
use crate::room::refusal::Refusal;
use crate::room::state::RoomState;
use crate::room::words::{Material, Tlp};

/// What a participant sees of the room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenAs {
    /// As whom, as the coordinator sees it.
    pub participant: ShownParticipant,
    /// Who is here, as it is shown them; by participant id.
    pub roster: Vec<ShownParticipant>,
    /// Messages that any of its persons is shown, in the order of posting.
    pub messages: Vec<SeenMessage>,
    /// Whether there are more messages.
    pub more: bool,
}

/// A message through another's eyes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenMessage {
    /// Which.
    pub message: MessageId,
    /// When it was posted.
    pub recorded_at: Timestamp,
    /// Its author, as the participant is shown it.
    pub author: ShownParticipant,
    /// What its text is.
    pub material: Material,
    /// What the participant may do with it.
    pub tlp: Tlp,
}

/// The room as a participant sees it, messages after `after`, `max` at most. The coordinator.
pub fn see_as(
    state: &RoomState,
    reader: Reader<'_>,
    participant: &Name,
    after: Option<MessageId>,
    max: usize,
    now: Timestamp,
) -> Result<Disclosed<SeenAs>, Refusal> {
    if !RoomState::is_coordinator(reader.slot) {
        return Err(Refusal::CoordinatorOnly);
    }
    let slot = state.resolve(reader.slot, participant).ok_or(Refusal::ParticipantNotFound)?;
    if slot == reader.slot {
        return Err(Refusal::NotForTheCoordinator);
    }
    let visible = state.participants().map(|(other, _)| other).filter(|&other| state.can_see(slot, other));
    let mut roster: Vec<_> = visible.map(|other| show_at(state, slot, other, state.next())).collect();
    roster.sort_by_key(|participant| participant.id);
    let begin = after.and_then(|after| state.message(after)).map_or(Seq(0), Seq::next);
    let mut messages = Vec::new();
    let mut more = false;
    for seq in (begin.0..state.next().0).map(Seq) {
        let Some(posted) = state.posted(seq).filter(|_| is_shown_to(state, slot, seq, now)) else { continue };
        if messages.len() == max {
            more = true;
            break;
        }
        messages.push(SeenMessage {
            message: posted.id,
            recorded_at: posted.recorded_at,
            author: show_at(state, slot, posted.source, seq),
            material: posted.material,
            tlp: posted.tlp,
        });
    }
    let participant = show_at(state, reader.slot, slot, state.next());
    Ok(Disclosed(SeenAs { participant, roster, messages, more }))
}
