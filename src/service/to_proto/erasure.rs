//! Erasures and retention, as the coordinator is shown them.

use super::{of_participant, time};
use crate::api;
use crate::room::directory::Directory;
use crate::room::disclose::{Disclosed, ShownErasure, ShownParticipant, ShownRetention};
use crate::room::event::ErasureScope;
use crate::room::ids::{Actor, RoomId};

fn actor(actor: Option<&Actor>) -> String {
    actor.map(ToString::to_string).unwrap_or_default()
}

/// One erasure. `is_final`: whether no key in use opens a copy of the keyring from before it.
pub(in crate::service) fn erasure(
    shown: &Disclosed<ShownErasure>,
    is_final: bool,
    directory: &Directory,
) -> api::Erasure {
    use api::erasure::Scope;
    let ShownErasure { id, what, basis, proposed_by, proposed_at, erased } = shown.get();
    let scope = match what {
        ErasureScope::Message(message) => Scope::MessageId(message.to_string()),
        ErasureScope::Participant(of) => Scope::Participant(of_participant(of, directory)),
        ErasureScope::Room => Scope::Room(api::WholeRoom {}),
    };
    api::Erasure {
        erasure_id: id.to_string(),
        scope: Some(scope),
        basis: basis.to_string(),
        proposed_by: actor(proposed_by.as_ref()),
        proposed_time: proposed_at.map(time),
        confirmed_by: erased.as_ref().map_or(String::new(), |(by, _)| actor(by.as_ref())),
        erased_time: erased.as_ref().map(|(_, at)| time(*at)),
        is_final: erased.is_some() && is_final,
    }
}

/// How long a room is kept.
pub(in crate::service) fn retention(room: RoomId, shown: &Disclosed<ShownRetention>) -> api::RoomRetention {
    let ShownRetention { title, years, closed_at, due_at, is_due, hold, is_erased } = shown.get();
    let (held_by, held_at, reason) = match hold {
        None => (String::new(), None, String::new()),
        Some((by, at, reason)) => (actor(by.as_ref()), Some(*at), reason.to_string()),
    };
    api::RoomRetention {
        room_id: room.to_string(),
        title: title.to_string(),
        years: years.map(u32::from),
        closed_time: closed_at.map(time),
        due_time: due_at.map(time),
        is_due: *is_due,
        has_legal_hold: hold.is_some(),
        held_by,
        held_time: held_at.map(time),
        hold_reason: reason,
        is_erased: *is_erased,
    }
}

pub(super) fn proposed(what: &ErasureScope<ShownParticipant>, directory: &Directory) -> api::erasure_proposed::Scope {
    use api::erasure_proposed::Scope;
    match what {
        ErasureScope::Message(message) => Scope::MessageId(message.to_string()),
        ErasureScope::Participant(of) => Scope::Participant(of_participant(of, directory)),
        ErasureScope::Room => Scope::Room(true),
    }
}

pub(super) fn erased(what: &ErasureScope<ShownParticipant>, directory: &Directory) -> api::payloads_erased::Scope {
    use api::payloads_erased::Scope;
    match what {
        ErasureScope::Message(message) => Scope::MessageId(message.to_string()),
        ErasureScope::Participant(of) => Scope::Participant(of_participant(of, directory)),
        ErasureScope::Room => Scope::Room(true),
    }
}
