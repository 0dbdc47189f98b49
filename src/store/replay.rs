//! A log from its frames: read and verify, in order. One question: what does the store say?
//!
//! Upholds: R2 (nothing is used that does not verify). Tested with what it is used for: rooms, the directory, the audit trail.

use super::codec::{Damage, Logged, Opened, Tip};
use super::{Store, StoreError};
use crate::room::ids::{RoomId, Seq};

/// Bytes of frames that are read at a time.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// Why a log can't be served.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// Its frames don't verify: a room is quarantined, others go on.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads all frames of a log in order and hands over what is in them, with the place of the first entry.
pub fn replay<E: Logged>(
    store: &dyn Store,
    room: RoomId,
    each: impl FnMut(Seq, Opened<E>) -> Result<(), &'static str>,
) -> Result<Tip, LoadError> {
    replay_from(store, room, Tip::start(room), each)
}

/// The same, from where a log was verified before.
pub fn replay_from<E: Logged>(
    store: &dyn Store,
    room: RoomId,
    tip: Tip,
    mut each: impl FnMut(Seq, Opened<E>) -> Result<(), &'static str>,
) -> Result<Tip, LoadError> {
    walk(store, room, tip, |before, _, opened| each(before.next_entry(), opened))
}

/// The same, with the end of the log before and after each frame.
pub fn walk<E: Logged>(
    store: &dyn Store,
    room: RoomId,
    mut tip: Tip,
    mut each: impl FnMut(Tip, Tip, Opened<E>) -> Result<(), &'static str>,
) -> Result<Tip, LoadError> {
    loop {
        let frames = store.read(room, tip.next_frame()..u64::MAX, READ_BYTES)?;
        if frames.is_empty() {
            return Ok(tip);
        }
        for stored in &frames {
            let before = tip;
            let opened = tip.follow(stored, store.vault())?;
            each(before, tip, opened).map_err(|what| Damage { room, frame: stored.number, what })?;
        }
    }
}
