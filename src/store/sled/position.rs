//! How far has a store come? The same fixed bytes lie in sled (written with each commit) and in the high-water file.
//!
//! Leans on: `store::Frame`. Upholds: R1, by making a store comparable with what it once was. Tested here and in `sled::tests`.

use sha2::{Digest, Sha256};

use crate::room::ids::Timestamp;
use crate::store::Frame;

/// Bytes of an encoded position.
pub(super) const POSITION_BYTES: usize = 8 + 8 + 8 + 32;

/// After which commit, and what all commits until then amount to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Position {
    /// Commits until now; 0 is an empty store.
    pub(super) commit: u64,
    /// Frames of all rooms together.
    pub(super) frames: u64,
    /// The latest clock that any commit was given.
    pub(super) clock_floor: Timestamp,
    /// Digest over all commits, see [`Position::after`]. Zero for an empty store.
    pub(super) digest: [u8; 32],
}

impl Position {
    /// The position after committing these frames: digest = SHA-256("samverkan/commit/1" ‖ previous digest ‖ commit number ‖
    /// for each frame its room, number and digest), numbers as u64 big-endian.
    pub(super) fn after(&self, frames: &[Frame], now: Timestamp) -> Self {
        let commit = self.commit + 1;
        let mut hash = Sha256::new();
        hash.update(b"samverkan/commit/1");
        hash.update(self.digest);
        hash.update(commit.to_be_bytes());
        for frame in frames {
            hash.update(frame.room.as_bytes());
            hash.update(frame.number.to_be_bytes());
            hash.update(frame.digest);
        }
        Self {
            commit,
            frames: self.frames + frames.len() as u64,
            clock_floor: self.clock_floor.max(now),
            digest: hash.finalize().into(),
        }
    }

    /// `commit u64 ‖ frames u64 ‖ clock floor i64 ‖ digest[32]`, big-endian.
    pub(super) fn encode(&self) -> [u8; POSITION_BYTES] {
        let mut bytes = [0; POSITION_BYTES];
        bytes[..8].copy_from_slice(&self.commit.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.frames.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.clock_floor.0.to_be_bytes());
        bytes[24..].copy_from_slice(&self.digest);
        bytes
    }

    /// Reads what [`Position::encode`] wrote; `None` if the length is another.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; POSITION_BYTES] = bytes.try_into().ok()?;
        let (commit, rest) = bytes.split_first_chunk()?;
        let (frames, rest) = rest.split_first_chunk()?;
        let (clock_floor, rest) = rest.split_first_chunk()?;
        Some(Self {
            commit: u64::from_be_bytes(*commit),
            frames: u64::from_be_bytes(*frames),
            clock_floor: Timestamp(i64::from_be_bytes(*clock_floor)),
            digest: rest.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::room::ids::RoomId;

    fn frame(room: u8, number: u64, digest: u8) -> Frame {
        Frame { room: RoomId::from_bytes([room; 16]), number, digest: [digest; 32], bytes: Bytes::new() }
    }

    #[test]
    fn a_position_reads_back() {
        let position =
            Position::default().after(&[frame(1, 0, 2)], Timestamp(-5)).after(&[frame(1, 1, 2)], Timestamp(77));
        assert_eq!((position.commit, position.frames, position.clock_floor), (2, 2, Timestamp(77)));
        assert_eq!(Position::decode(&position.encode()), Some(position));
        assert_eq!(Position::decode(&position.encode()[1..]), None);
    }

    #[test]
    fn the_clock_floor_never_falls() {
        let position = Position::default().after(&[], Timestamp(9)).after(&[], Timestamp(3));
        assert_eq!(position.clock_floor, Timestamp(9));
    }

    #[test]
    fn the_digest_depends_on_every_frame_its_place_and_the_past() {
        let start = Position::default();
        let digest = |frames: &[Frame]| start.after(frames, Timestamp(0)).digest;
        let one = digest(&[frame(1, 0, 1), frame(2, 0, 1)]);
        for other in [
            digest(&[frame(2, 0, 1), frame(1, 0, 1)]),
            digest(&[frame(1, 0, 1)]),
            digest(&[frame(1, 0, 1), frame(2, 1, 1)]),
            digest(&[frame(1, 0, 1), frame(2, 0, 2)]),
            start.after(&[frame(1, 0, 1)], Timestamp(0)).after(&[frame(2, 0, 1)], Timestamp(0)).digest,
        ] {
            assert_ne!(one, other);
        }
    }
}
