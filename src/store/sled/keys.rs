//! Under which key does a thing lie in sled? The whole layout, and the splitting of long frames, is here.
//!
//! Everything lies in sled's default tree, since a batch is atomic within one tree only. Numbers are big-endian, so that keys sort
//! as the things do. Leans on: `room::ids`, `limits`. Upholds: R1 (order and completeness of what is read back). Tested here.

use crate::limits::VALUE_BYTES_MAX;
use crate::room::ids::RoomId;

/// The first byte of every key. A number is never given to another kind, not even after its kind is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Kind {
    /// `1 ‖ room[16] ‖ frame u64 ‖ part u16`: a part of a frame. Every part but the last is exactly
    /// [`VALUE_BYTES_MAX`] bytes and the last is shorter (maybe empty), so a missing last part shows.
    Frame = 1,
    /// `2 ‖ …`: snapshots of room state, which can be computed again from frames. Reserved, not yet written.
    Snapshot = 2,
    /// `3 ‖ name u8`: one value about the whole store, see [`Meta`].
    Meta = 3,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Frame, Self::Snapshot, Self::Meta].into_iter().find(|&kind| kind as u8 == byte)
    }
}

/// The second byte of a key of [`Kind::Meta`]; never reused either.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Meta {
    /// Product, format number, store id and secret; written once, when the store is made.
    Identity = 1,
    /// How far the store has come; written in the batch of each commit.
    Position = 2,
}

impl Meta {
    pub(super) fn key(self) -> [u8; 2] {
        [Kind::Meta as u8, self as u8]
    }
}

/// Bytes of a frame's key.
pub(super) const FRAME_KEY_BYTES: usize = 1 + 16 + 8 + 2;

/// Which part of which frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct FrameKey {
    pub(super) room: RoomId,
    pub(super) number: u64,
    pub(super) part: u16,
}

impl FrameKey {
    pub(super) fn encode(self) -> [u8; FRAME_KEY_BYTES] {
        let mut key = [0; FRAME_KEY_BYTES];
        key[0] = Kind::Frame as u8;
        key[1..17].copy_from_slice(self.room.as_bytes());
        key[17..25].copy_from_slice(&self.number.to_be_bytes());
        key[25..].copy_from_slice(&self.part.to_be_bytes());
        key
    }
}

/// What a key found in the tree is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    Frame(FrameKey),
    Snapshot,
    Meta,
    /// Not a key of this format.
    Unknown,
}

pub(super) fn parse(key: &[u8]) -> Found {
    match key.first().and_then(|&byte| Kind::of(byte)) {
        Some(Kind::Frame) => {
            let Ok(key) = <&[u8; FRAME_KEY_BYTES]>::try_from(key) else { return Found::Unknown };
            let (mut room, mut number) = ([0; 16], [0; 8]);
            room.copy_from_slice(&key[1..17]);
            number.copy_from_slice(&key[17..25]);
            Found::Frame(FrameKey {
                room: RoomId::from_bytes(room),
                number: u64::from_be_bytes(number),
                part: u16::from_be_bytes([key[25], key[26]]),
            })
        }
        Some(Kind::Snapshot) => Found::Snapshot,
        Some(Kind::Meta) => Found::Meta,
        None => Found::Unknown,
    }
}

/// The values that a frame of these bytes is stored as, in the order of their parts.
pub(super) fn parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let full = bytes.len() / VALUE_BYTES_MAX;
    (0..=full).map(move |i| &bytes[i * VALUE_BYTES_MAX..bytes.len().min((i + 1) * VALUE_BYTES_MAX)])
}

/// Whether a value is the last part of its frame.
pub(super) fn is_last_part(value: &[u8]) -> bool {
    value.len() < VALUE_BYTES_MAX
}

/// Follows the frames of all rooms in the order of their keys and notices what is missing.
#[derive(Default)]
pub(super) struct Walk {
    expected: Option<FrameKey>,
}

impl Walk {
    /// The walk continues at the first part of this frame.
    pub(super) fn from(room: RoomId, number: u64) -> Self {
        Self { expected: Some(FrameKey { room, number, part: 0 }) }
    }

    /// The next value in key order; says whether it ends its frame.
    pub(super) fn step(&mut self, key: FrameKey, value: &[u8]) -> Result<bool, String> {
        let expected = match self.expected {
            Some(expected) if expected.room == key.room || expected.part != 0 => expected,
            Some(_) | None => FrameKey { room: key.room, number: 0, part: 0 },
        };
        if key != expected {
            return Err(missing(expected));
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(format!("room {}, frame {}, part {} is too long", key.room, key.number, key.part));
        }
        let last = is_last_part(value);
        self.expected = Some(if last {
            FrameKey { number: key.number + 1, part: 0, ..key }
        } else {
            let part =
                key.part.checked_add(1).ok_or_else(|| format!("room {}, frame {} has no end", key.room, key.number))?;
            FrameKey { part, ..key }
        });
        Ok(last)
    }

    /// No further value follows.
    pub(super) fn end(&self) -> Result<(), String> {
        match self.expected {
            Some(expected) if expected.part != 0 => Err(missing(expected)),
            Some(_) | None => Ok(()),
        }
    }
}

fn missing(key: FrameKey) -> String {
    format!("room {}, frame {}, part {} is missing", key.room, key.number, key.part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: RoomId = RoomId::from_bytes([7; 16]);

    fn key(number: u64, part: u16) -> FrameKey {
        FrameKey { room: ROOM, number, part }
    }

    #[test]
    fn a_frame_key_reads_back_and_sorts_as_its_frame() {
        let keys = [key(0, 0), key(0, 1), key(0, 256), key(1, 0), key(256, 0), key(u64::MAX, u16::MAX)];
        for pair in keys.windows(2) {
            assert!(pair[0].encode() < pair[1].encode());
        }
        for key in keys {
            assert_eq!(parse(&key.encode()), Found::Frame(key));
        }
    }

    #[test]
    fn the_layout_of_a_frame_key_is_fixed() {
        let bytes = key(0x0102, 0x0304).encode();
        assert_eq!(bytes[0], 1);
        assert_eq!(bytes[1..17], [7; 16]);
        assert_eq!(bytes[17..], [0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!((Meta::Identity.key(), Meta::Position.key()), ([3, 1], [3, 2]));
    }

    #[test]
    fn other_keys_are_told_apart() {
        assert_eq!(parse(&[2, 1]), Found::Snapshot);
        assert_eq!(parse(&[3, 1]), Found::Meta);
        for unknown in [&[][..], &[0], &[4], &[1], &[1; 26], &[1; 28]] {
            assert_eq!(parse(unknown), Found::Unknown);
        }
    }

    #[test]
    fn the_last_part_is_always_shorter_than_a_full_one() {
        for (bytes, lengths) in [
            (0, vec![0]),
            (VALUE_BYTES_MAX - 1, vec![VALUE_BYTES_MAX - 1]),
            (VALUE_BYTES_MAX, vec![VALUE_BYTES_MAX, 0]),
            (2 * VALUE_BYTES_MAX + 5, vec![VALUE_BYTES_MAX, VALUE_BYTES_MAX, 5]),
        ] {
            assert_eq!(parts(&vec![9; bytes]).map(<[u8]>::len).collect::<Vec<_>>(), lengths, "{bytes} bytes");
        }
    }

    #[test]
    fn a_walk_notices_each_kind_of_gap() {
        let full = [0; VALUE_BYTES_MAX];
        let walk = |steps: &[(u64, u16, &[u8])]| {
            let mut walk = Walk::default();
            steps.iter().try_for_each(|&(number, part, value)| walk.step(key(number, part), value).map(drop))?;
            walk.end()
        };
        assert_eq!(walk(&[(0, 0, b"a"), (1, 0, &full), (1, 1, b""), (2, 0, b"c")]), Ok(()));
        for gap in [
            &[(1, 0, &b"a"[..])][..],
            &[(0, 1, b"a")],
            &[(0, 0, b"a"), (2, 0, b"c")],
            &[(0, 0, &full), (1, 0, b"b")],
            &[(0, 0, &full)],
            &[(0, 0, &full), (0, 2, b"b")],
            &[(0, 0, b"a"), (0, 1, b"b")],
        ] {
            assert!(walk(gap).is_err(), "{gap:?}");
        }
        let mut across_rooms = Walk::default();
        assert_eq!(across_rooms.step(key(0, 0), &full), Ok(false));
        let other = FrameKey { room: RoomId::from_bytes([8; 16]), number: 0, part: 0 };
        assert!(across_rooms.step(other, b"").is_err());
    }
}
