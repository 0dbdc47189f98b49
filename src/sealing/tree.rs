//! Which key has which entry of which source in which room? One secret, and a key for every place derived from it.
//!
//! The tree of Goldreich, Goldwasser and Micali ("How to construct random functions", 1986): a child's key is HMAC-SHA-256 of its place
//! among its siblings under its parent's key, and an entry's key is that of the leaf at the end of its path. From a node's key those of
//! all nodes below follow, and no others. So one node stands for a room, a source or a single entry, and a key can be destroyed by
//! keeping, instead of a node above it, the siblings along the way; nothing needs to be encrypted anew.
//!
//! Leans on: `room::ids`. Tested here.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::room::ids::{RoomId, Seq};

/// The key of one node: 32 secret bytes.
pub(super) type Node = Zeroizing<[u8; 32]>;

/// Steps from the root to the data key of a room and a source, two ways each: 64 bits for each of the two.
const DATA_KEY_BYTES: usize = 16;
/// Steps from there to an entry, sixteen ways each: a sequence number in hexadecimal digits. The last of them is the leaf.
const LAST_DIGIT: u64 = 0xf;
const DIGIT_BITS: usize = 4;
const DIGITS: usize = 16;

fn child(node: &Node, place: u8) -> Node {
    let mut mac = Hmac::<Sha256>::new_from_slice(&node[..]).expect("HMAC takes a key of any length");
    mac.update(&[place]);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// Where the data key of a room and a source stands. `source`: an organisation id; empty for what has no source, such as a record of the
/// audit trail.
fn data_key_path(room: RoomId, source: &str) -> [u8; DATA_KEY_BYTES] {
    let half = |label: &[u8], value: &[u8]| -> [u8; 8] {
        let digest = Sha256::new().chain_update(label).chain_update(value).finalize();
        std::array::from_fn(|byte| digest[byte])
    };
    let room = half(b"samverkan/tree/room/1", room.as_bytes());
    let source = half(b"samverkan/tree/source/1", source.as_bytes());
    std::array::from_fn(|byte| if byte < 8 { room[byte] } else { source[byte - 8] })
}

/// The data key of a room and a source.
pub(super) fn data_key(root: &Node, room: RoomId, source: &str) -> Node {
    let mut node = root.clone();
    for byte in data_key_path(room, source) {
        for bit in (0..8).rev() {
            node = child(&node, byte >> bit & 1);
        }
    }
    node
}

/// The parent of the leaves of sixteen entries in a row, those that differ in the last digit of their number.
pub(super) fn row(data_key: &Node, seq: Seq) -> Node {
    let mut node = data_key.clone();
    for digit in (1..DIGITS).rev() {
        node = child(&node, (seq.0 >> (digit * DIGIT_BITS) & LAST_DIGIT) as u8);
    }
    node
}

/// The key of an entry, from that of its row.
pub(super) fn leaf(row: &Node, seq: Seq) -> Node {
    child(row, (seq.0 & LAST_DIGIT) as u8)
}

/// Which entries share a row.
pub(super) fn row_number(seq: Seq) -> u64 {
    seq.0 >> DIGIT_BITS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn root() -> Node {
        Zeroizing::new([7; 32])
    }

    #[test]
    fn every_room_source_and_entry_has_a_key_of_its_own() {
        let rooms = [RoomId::from_bytes([1; 16]), RoomId::from_bytes([2; 16]), RoomId::DIRECTORY];
        let sources = ["", "region-a", "region-b"];
        let seqs = [0, 1, 15, 16, 17, 255, 256, u64::from(u32::MAX) + 1, u64::MAX].map(Seq);
        let mut keys = BTreeSet::new();
        for room in rooms {
            for source in sources {
                let data_key = data_key(&root(), room, source);
                keys.extend(seqs.map(|seq| *leaf(&row(&data_key, seq), seq)));
            }
        }
        assert_eq!(keys.len(), rooms.len() * sources.len() * seqs.len());
    }

    #[test]
    fn entries_of_one_row_differ_in_the_last_digit_only() {
        let data_key = data_key(&root(), RoomId::from_bytes([1; 16]), "");
        assert_eq!(row(&data_key, Seq(16)), row(&data_key, Seq(31)));
        assert_ne!(row(&data_key, Seq(31)), row(&data_key, Seq(32)));
        assert_eq!((row_number(Seq(31)), row_number(Seq(32))), (1, 2));
    }

    #[test]
    fn a_key_is_what_it_was_when_the_first_store_was_encrypted() {
        let data_key = data_key(&root(), RoomId::from_bytes([1; 16]), "region-a");
        let key = leaf(&row(&data_key, Seq(0x0123_4567_89ab_cdef)), Seq(0x0123_4567_89ab_cdef));
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "af2ec551b0f1d1c5265de5b5f3764033d67944de8b878fcac0bc209c1f366c8d");
    }
}
