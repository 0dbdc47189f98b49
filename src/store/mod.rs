//! Where frames are kept. One question: what is durable?
//!
//! A *frame* is what one commit adds to one room: some entries and some delivery records, encoded, with a digest (`codec`).
//! The store neither reads nor changes what is inside.
//! Leans on: `room::ids`. Upholds: R1 (acked is forever) and, with the chain, R2. Tested by `conformance`, run for each adapter.

use std::ops::Range;

use bytes::Bytes;

use crate::contents::Storage;
use crate::room::ids::{RoomId, Timestamp};
use crate::sealing::Vault;

pub mod backup;
pub mod codec;
pub mod committer;
#[cfg(test)]
mod conformance;
pub mod memory;
pub mod replay;
pub mod sled;

/// What one commit adds to one room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Whose log. The nil id is the directory.
    pub room: RoomId,
    /// From 0, without gaps within its room.
    pub number: u64,
    /// Digest of the frame, as `codec` computes it; the store chains it into its commit digest and does not keep it apart.
    pub digest: [u8; 32],
    /// As stored; at most [`crate::limits::FRAME_BYTES_MAX`].
    pub bytes: Bytes,
}

/// A frame as read back: not yet verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredFrame {
    /// From 0, without gaps within its room.
    pub number: u64,
    /// Exactly the bytes that were committed, or whatever the disk made of them.
    pub bytes: Bytes,
}

/// An append-only store of frames.
///
/// Rules that every adapter keeps:
/// - `commit` is atomic and durable: once it returns `Ok`, all its frames survive SIGKILL and power cut; if it returns
///   [`StoreError::Full`], none of them was written and the next commit may work; after any other error the outcome is unknown,
///   every later commit fails too, and the process must end.
/// - One thread commits (`committer`); any thread reads. A reader sees no frame before its commit returned.
/// - Frames of one room are numbered 0, 1, 2 … and read back in this order, byte for byte. To commit another number than the next
///   one is a bug of the caller: [`StoreError::Failed`], and nothing is written.
pub trait Store: Send + Sync + 'static {
    /// Writes all frames or none. `now` is the server's clock; it becomes the clock floor of the next start.
    fn commit(&self, frames: &[Frame], now: Timestamp) -> Result<(), StoreError>;

    /// The frames of a room with these numbers, in order, until their bytes add up to `bytes_max` (at least one frame, if there is
    /// one). Empty at the end, and for a room that has none. A missing number in between is [`StoreError::Damaged`].
    fn read(&self, room: RoomId, numbers: Range<u64>, bytes_max: usize) -> Result<Vec<StoredFrame>, StoreError>;

    /// What was last kept for a room by `keep_snapshot`, if it is still there. It may be of another time than the frames, and damaged.
    fn snapshot(&self, room: RoomId) -> Option<Vec<u8>>;

    /// Keeps something derived from a room's frames, in place of what was kept before. It need not be durable, and nothing depends on
    /// it: where it fails, nothing is kept.
    fn keep_snapshot(&self, room: RoomId, bytes: &[u8]);

    /// Every room that has a frame, the directory included, in the order of their ids.
    fn rooms(&self) -> Result<Vec<RoomId>, StoreError>;

    /// No clock of this store was ever later than this; a server's `now` is never earlier.
    fn clock_floor(&self) -> Timestamp;

    /// The keys with which frames are encrypted before the store gets them, if they are. What it keeps beside them, the store encrypts
    /// itself.
    fn vault(&self) -> &Vault;

    /// Where what attachments hold is kept, outside the log.
    fn contents(&self) -> &Storage;

    /// How it is copied while it is in use. `None`: not at all.
    fn backup(&self) -> Option<&dyn backup::Backup> {
        None
    }

    /// 32 random bytes drawn when the store was made; they never leave the server. Page tokens are signed with it.
    fn secret(&self) -> [u8; 32];
}

/// Why the store did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Too little space. Nothing was written; works again when space returns.
    #[error("{free_mib} MiB free where the store is, {reserve_mib} MiB are kept in reserve: nothing was written")]
    Full {
        /// Free space in MiB.
        free_mib: u64,
        /// Configured reserve in MiB (`store.reserve_mib`).
        reserve_mib: u64,
    },
    /// What is on disk is not what was written there.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The disk or sled failed. Whether the last commit was written is unknown; the process must end.
    #[error("the store failed: {0}")]
    Failed(String),
}
