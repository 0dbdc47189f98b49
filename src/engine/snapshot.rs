//! A room's state as bytes, so that an old room opens without its whole log being read. One question: is this state what the log
//! adds up to?
//!
//! A snapshot is derived from the log and may be lost at any time. It is used only if its own digest agrees, if the program that made
//! it folds as this one does (`build.rs` makes the mark of that), and if the last frame that it covers is the frame of the log, by its
//! digest. What comes after that frame is read and verified as ever; what comes before it is verified when it is read to be shown.
//! Leans on: `load`. Upholds: R2, R3. Tested in `engine/snapshot/tests.rs`, and at every crash of `tests/it/disclosure/random.rs`.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::load::Mark;
use crate::room::ids::{RoomId, Seq};
use crate::room::mailbox::Mailboxes;
use crate::room::state::RoomState;
use crate::store::codec::Tip;

/// Fewer entries than these are read faster than a file is opened and checked.
const ENTRIES_MIN: u64 = 512;

/// Of the code that folds, its libraries and the compiler: another program's snapshot is never used.
const CODE: &str = env!("SAMVERKAN_FOLD_CODE");

/// A room as its log has it.
#[derive(Debug, Deserialize)]
pub struct Loaded {
    room: RoomId,
    /// What the log adds up to.
    pub state: RoomState,
    /// Who was given what.
    pub mailboxes: Mailboxes,
    /// Where the log ends.
    pub tip: Tip,
    /// Where its frames are.
    pub marks: Vec<Mark>,
}

/// The same, borrowed: its fields are in the same order.
#[derive(Serialize)]
struct Kept<'a> {
    room: RoomId,
    state: &'a RoomState,
    mailboxes: &'a Mailboxes,
    tip: &'a Tip,
    marks: &'a [Mark],
}

impl Loaded {
    /// A room that has no frame.
    pub fn empty(room: RoomId) -> Self {
        Self {
            room,
            state: RoomState::default(),
            mailboxes: Mailboxes::default(),
            tip: Tip::start(room),
            marks: Vec::new(),
        }
    }
}

/// A room's snapshot. All of it must be durable, or become so before the snapshot is kept.
pub fn of(room: RoomId, state: &RoomState, mailboxes: &Mailboxes, tip: &Tip, marks: &[Mark]) -> Option<Vec<u8>> {
    let kept = Kept { room, state, mailboxes, tip, marks };
    let mut bytes = postcard::to_stdvec(&(CODE, kept)).ok()?;
    bytes.extend(Sha256::digest(&bytes));
    Some(bytes)
}

/// The room in a snapshot, if these bytes are one, whole, of this room, by this program. Whether it is the log's, the caller asks.
pub fn read(room: RoomId, bytes: &[u8]) -> Option<Loaded> {
    let (kept, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST_BYTES)?)?;
    if Sha256::digest(kept)[..] != *digest {
        return None;
    }
    let (code, kept) = postcard::take_from_bytes::<&str>(kept).ok()?;
    if code != CODE {
        return None;
    }
    let loaded: Loaded = postcard::from_bytes(kept).ok()?;
    (loaded.room == room && loaded.marks.len() as u64 == loaded.tip.next_frame()).then_some(loaded)
}

const DIGEST_BYTES: usize = 32;

/// Whether a room that ends here, and whose last snapshot ended there, is worth another: seldom enough that all of them together
/// cost a fixed share of each entry.
pub(super) fn is_due(next: Seq, kept: Seq) -> bool {
    next.0 - kept.0 >= ENTRIES_MIN.max(next.0 / 8)
}

#[cfg(test)]
mod tests;
