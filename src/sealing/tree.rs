//! Which key has which entry of which source in which room? One secret, and a key for every place derived from it.
//!
//! The tree of Goldreich, Goldwasser and Micali ("How to construct random functions", 1986): a child's key is HMAC-SHA-256 of its place
//! among its siblings under its parent's key, and an entry's key is that of the leaf at the end of its path. From a node's key those of
//! all nodes below follow, and no others. So one node stands for a room, a source or a single entry, and a key is destroyed by keeping,
//! instead of a node above it, the siblings along the way; nothing needs to be encrypted anew. What is kept grows by that: up to 128 keys
//! for a source of a room, and up to 240 for the place in it below which all is destroyed, 32 bytes each.
//!
//! Leans on: `room::ids`. Tested here.

use std::ops::RangeInclusive;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::room::ids::RoomId;

/// The key of one node: 32 secret bytes.
pub(super) type Node = Zeroizing<[u8; 32]>;

/// Steps from the root to the data key of a room and a source, two ways each: 64 bits for each of the two.
const DATA_KEY_BITS: usize = 128;
/// Steps from there to an entry, sixteen ways each: its position in hexadecimal digits. The last of them is the leaf.
const LAST_DIGIT: u64 = 0xf;
const DIGIT_BITS: usize = 4;
const DIGITS: usize = 16;
/// How far below the root an entry is, and the parent of its row.
const LEAF: usize = DATA_KEY_BITS + DIGITS;
const ROW: usize = LEAF - 1;

fn child(node: &Node, place: u8) -> Node {
    Zeroizing::new(mac(node, &[place]))
}

/// HMAC-SHA-256 under a node's key. Below a leaf there are no nodes, so that it is free for something else there.
pub(super) fn mac(node: &Node, bytes: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(&node[..]).expect("HMAC takes a key of any length");
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

/// Where the data key of a room and a source stands. `source`: an organisation id; empty for what has no source, such as a record of the
/// audit trail.
fn data_key_path(room: RoomId, source: &str) -> u128 {
    let half = |label: &[u8], value: &[u8]| -> u128 {
        let digest = Sha256::new().chain_update(label).chain_update(value).finalize();
        digest[..8].iter().fold(0, |half, &byte| half << 8 | u128::from(byte))
    };
    half(b"samverkan/tree/room/1", room.as_bytes()) << 64 | half(b"samverkan/tree/source/1", source.as_bytes())
}

/// Where an entry's key stands: of which room and source, at which position.
#[derive(Clone, Copy)]
struct Path {
    data_key: u128,
    position: u64,
}

impl Path {
    fn of(room: RoomId, source: &str, position: u64) -> Self {
        Self { data_key: data_key_path(room, source), position }
    }

    /// Which of its siblings the node is that lies this far below the root, less one.
    fn place(self, depth: usize) -> u8 {
        if depth < DATA_KEY_BITS {
            (self.data_key >> (DATA_KEY_BITS - 1 - depth) & 1) as u8
        } else {
            (self.position >> ((ROW - depth) * DIGIT_BITS) & LAST_DIGIT) as u8
        }
    }
}

/// How many ways there are from a node that lies this far below the root.
fn ways(depth: usize) -> u8 {
    if depth < DATA_KEY_BITS { 2 } else { 16 }
}

/// What is left of the tree below one of its nodes.
#[derive(Clone, PartialEq, Eq)]
enum Branch {
    /// All of it: this is the node's key.
    Whole(Node),
    /// What is left of each of its children.
    Split(Box<[Branch]>),
    /// Nothing: its keys are destroyed.
    Gone,
}

/// The keys of all entries but those that were destroyed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Tree(Branch);

impl Tree {
    /// All keys below this one.
    pub(super) fn whole(root: Node) -> Self {
        Self(Branch::Whole(root))
    }

    /// The data key of a room and a source; `None` if a key below it is destroyed.
    pub(super) fn data_key(&self, room: RoomId, source: &str) -> Option<Node> {
        self.node(Path::of(room, source, 0), DATA_KEY_BITS)
    }

    /// The parent of the leaves of sixteen entries in a row; `None` if one of their keys is destroyed.
    pub(super) fn row(&self, room: RoomId, source: &str, position: u64) -> Option<Node> {
        self.node(Path::of(room, source, position), ROW)
    }

    /// The key of an entry; `None` if it is destroyed.
    pub(super) fn leaf(&self, room: RoomId, source: &str, position: u64) -> Option<Node> {
        self.node(Path::of(room, source, position), LEAF)
    }

    fn node(&self, path: Path, at: usize) -> Option<Node> {
        let mut branch = &self.0;
        for depth in 0..at {
            match branch {
                Branch::Gone => return None,
                Branch::Split(children) => branch = &children[usize::from(path.place(depth))],
                Branch::Whole(node) => {
                    return Some((depth..at).fold(node.clone(), |node, depth| child(&node, path.place(depth))));
                }
            }
        }
        match branch {
            Branch::Whole(node) => Some(node.clone()),
            Branch::Split(_) | Branch::Gone => None,
        }
    }

    /// The first position of a room and a source whose key is not destroyed.
    pub(super) fn first(&self, room: RoomId, source: &str) -> Option<u64> {
        let path = Path::of(room, source, 0);
        let mut branch = &self.0;
        for depth in 0..DATA_KEY_BITS {
            match branch {
                Branch::Gone => return None,
                Branch::Split(children) => branch = &children[usize::from(path.place(depth))],
                Branch::Whole(_) => return Some(0),
            }
        }
        let mut position = 0;
        for depth in DATA_KEY_BITS..LEAF {
            let Branch::Split(children) = branch else { break };
            let place = children.iter().position(|child| *child != Branch::Gone)?;
            position |= (place as u64) << ((ROW - depth) * DIGIT_BITS);
            branch = &children[place];
        }
        (*branch != Branch::Gone).then_some(position)
    }

    /// Whether the key of one of these positions of a room and a source is destroyed.
    pub(super) fn is_any_gone(&self, room: RoomId, source: &str, positions: &RangeInclusive<u64>) -> bool {
        self.0.is_any_gone(data_key_path(room, source), positions, 0, 0)
    }

    /// Destroys the keys of these positions of a room and a source, for good, and no others. Whether there was one of them.
    pub(super) fn erase(&mut self, room: RoomId, source: &str, positions: &RangeInclusive<u64>) -> bool {
        self.0.erase(data_key_path(room, source), positions, 0, 0)
    }

    /// As it is kept: each node before its children, as a byte and, where all of it is left, its key.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        self.0.write(bytes);
    }

    /// How many bytes that is.
    pub(super) fn written_len(&self) -> usize {
        self.0.written_len()
    }

    /// The tree in these bytes, and what comes after it.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut rest = bytes;
        let branch = Branch::read(&mut rest, 0)?;
        Some((Self(branch), rest))
    }
}

/// The first position below the child at this place of a node, if the child is on the way to one of these positions of a data key.
fn concerned(data_key: u128, positions: &RangeInclusive<u64>, depth: usize, before: u64, place: u8) -> Option<u64> {
    if depth < DATA_KEY_BITS {
        return (place == Path { data_key, position: 0 }.place(depth)).then_some(0);
    }
    let bits = (ROW - depth) * DIGIT_BITS;
    let first = before | u64::from(place) << bits;
    let last = first | ((1 << bits) - 1);
    (first <= *positions.end() && *positions.start() <= last).then_some(first)
}

const GONE: u8 = 0;
const WHOLE: u8 = 1;
const SPLIT: u8 = 2;

impl Branch {
    /// `before`: the first position below this node, if it lies below a data key; here and in what follows.
    fn is_any_gone(&self, data_key: u128, positions: &RangeInclusive<u64>, depth: usize, before: u64) -> bool {
        match self {
            Self::Whole(_) => false,
            Self::Gone => !positions.is_empty(),
            Self::Split(children) => (0..).zip(children.iter()).any(|(place, child)| {
                concerned(data_key, positions, depth, before, place)
                    .is_some_and(|before| child.is_any_gone(data_key, positions, depth + 1, before))
            }),
        }
    }

    fn erase(&mut self, data_key: u128, positions: &RangeInclusive<u64>, depth: usize, before: u64) -> bool {
        let is_covered = depth >= DATA_KEY_BITS && {
            let last = before | u64::MAX.checked_shr(((depth - DATA_KEY_BITS) * DIGIT_BITS) as u32).unwrap_or(0);
            *positions.start() <= before && last <= *positions.end()
        };
        if positions.is_empty() || *self == Self::Gone {
            return false;
        }
        if is_covered {
            *self = Self::Gone;
            return true;
        }
        if let Self::Whole(node) = self {
            let children: Box<[Self]> = (0..ways(depth)).map(|place| Self::Whole(child(node, place))).collect();
            *self = Self::Split(children);
        }
        let Self::Split(children) = self else { return false };
        let mut is_changed = false;
        for (place, child) in (0..).zip(children.iter_mut()) {
            if let Some(before) = concerned(data_key, positions, depth, before, place) {
                is_changed |= child.erase(data_key, positions, depth + 1, before);
            }
        }
        if children.iter().all(|child| *child == Self::Gone) {
            *self = Self::Gone;
        }
        is_changed
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Gone => bytes.push(GONE),
            Self::Whole(node) => {
                bytes.push(WHOLE);
                bytes.extend_from_slice(&node[..]);
            }
            Self::Split(children) => {
                bytes.push(SPLIT);
                children.iter().for_each(|child| child.write(bytes));
            }
        }
    }

    fn written_len(&self) -> usize {
        1 + match self {
            Self::Gone => 0,
            Self::Whole(_) => 32,
            Self::Split(children) => children.iter().map(Self::written_len).sum(),
        }
    }

    fn read(rest: &mut &[u8], depth: usize) -> Option<Self> {
        let (&kind, after) = rest.split_first()?;
        *rest = after;
        match kind {
            GONE => Some(Self::Gone),
            WHOLE => {
                let (node, after) = rest.split_first_chunk::<32>()?;
                *rest = after;
                Some(Self::Whole(Zeroizing::new(*node)))
            }
            SPLIT if depth < LEAF => {
                let children = (0..ways(depth)).map(|_| Self::read(rest, depth + 1));
                Some(Self::Split(children.collect::<Option<Box<[Self]>>>()?))
            }
            _ => None,
        }
    }
}

/// The key of the row of an entry, from the data key.
pub(super) fn row_of(data_key: &Node, position: u64) -> Node {
    let path = Path { data_key: 0, position };
    (DATA_KEY_BITS..ROW).fold(data_key.clone(), |node, depth| child(&node, path.place(depth)))
}

/// The key of an entry, from that of its row.
pub(super) fn leaf_of(row: &Node, position: u64) -> Node {
    child(row, (position & LAST_DIGIT) as u8)
}

/// Which entries share a row.
pub(super) fn row_number(position: u64) -> u64 {
    position >> DIGIT_BITS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const ROOM: RoomId = RoomId::from_bytes([1; 16]);

    fn root() -> Node {
        Zeroizing::new([7; 32])
    }

    fn tree() -> Tree {
        Tree::whole(root())
    }

    #[test]
    fn every_room_source_and_entry_has_a_key_of_its_own() {
        let rooms = [RoomId::from_bytes([1; 16]), RoomId::from_bytes([2; 16]), RoomId::DIRECTORY];
        let sources = ["", "region-a", "region-b"];
        let positions = [0, 1, 15, 16, 17, 255, 256, u64::from(u32::MAX) + 1, u64::MAX];
        let mut keys = BTreeSet::new();
        for room in rooms {
            for source in sources {
                let data_key = tree().data_key(room, source).expect("nothing is destroyed");
                for position in positions {
                    let key = leaf_of(&row_of(&data_key, position), position);
                    assert_eq!(tree().leaf(room, source, position).as_ref(), Some(&key));
                    keys.insert(*key);
                }
            }
        }
        assert_eq!(keys.len(), rooms.len() * sources.len() * positions.len());
    }

    #[test]
    fn entries_of_one_row_differ_in_the_last_digit_only() {
        let data_key = tree().data_key(ROOM, "").expect("nothing is destroyed");
        assert_eq!(row_of(&data_key, 16), row_of(&data_key, 31));
        assert_ne!(row_of(&data_key, 31), row_of(&data_key, 32));
        assert_eq!((row_number(31), row_number(32)), (1, 2));
    }

    #[test]
    fn a_key_is_what_it_was_when_the_first_store_was_encrypted() {
        let key = tree().leaf(ROOM, "region-a", 0x0123_4567_89ab_cdef).expect("nothing is destroyed");
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "af2ec551b0f1d1c5265de5b5f3764033d67944de8b878fcac0bc209c1f366c8d");
    }

    #[test]
    fn what_is_destroyed_is_named_and_nothing_else_goes() {
        let mut tree = tree();
        assert!(tree.erase(ROOM, "region-a", &(0..=99)));
        assert!(!tree.erase(ROOM, "region-a", &(3..=3)), "destroyed already");
        assert!(tree.erase(ROOM, "region-a", &((1 << 63)..=(1 << 63))));
        assert_eq!(tree.first(ROOM, "region-a"), Some(100));
        assert_eq!(tree.first(ROOM, "region-b"), Some(0));
        assert_eq!((tree.leaf(ROOM, "region-a", 0), tree.leaf(ROOM, "region-a", 99)), (None, None));
        assert_eq!(tree.leaf(ROOM, "region-a", 1 << 63), None);
        assert_eq!(tree.data_key(ROOM, "region-a"), None, "the keys below could be derived from it");
        assert_eq!(tree.row(ROOM, "region-a", 100), None);
        for (source, position) in
            [("region-a", 100), ("region-a", u64::MAX), ("region-a", 1 << 63 | 1), ("region-b", 0)]
        {
            assert_eq!(
                tree.leaf(ROOM, source, position),
                self::tree().leaf(ROOM, source, position),
                "{source} {position}"
            );
        }
        assert!(tree.erase(ROOM, "region-a", &(0..=u64::MAX)));
        assert_eq!(tree.first(ROOM, "region-a"), None);
        assert_eq!(tree.leaf(ROOM, "region-a", u64::MAX), None);
    }

    #[test]
    fn what_is_kept_is_as_small_as_the_head_of_the_file_says() {
        let mut tree = tree();
        tree.erase(ROOM, "region-a", &(0..=0x7777));
        let keys = |tree: &Tree| {
            let mut bytes = Vec::new();
            tree.write(&mut bytes);
            assert_eq!(bytes.len(), tree.written_len());
            bytes.len() / 33
        };
        assert!(keys(&tree) <= 128 + 240 + 16, "{}", keys(&tree));
    }

    fn position() -> impl Strategy<Value = u64> {
        prop_oneof![0..40_u64, 0..5000_u64, Just(u64::MAX), (0..3_u64).prop_map(|low| 1 << 63 | low)]
    }

    proptest! {
        /// Against a list of what was destroyed.
        #[test]
        fn erased_keys_are_gone_and_all_others_are_what_they_were(
            erased in prop::collection::vec((0..2_usize, 0..2_usize, position(), position()), 0..6),
            asked in prop::collection::vec((0..2_usize, 0..2_usize, position()), 1..40),
        ) {
            let rooms = [RoomId::from_bytes([1; 16]), RoomId::from_bytes([2; 16])];
            let sources = ["region-a", ""];
            let mut tree = tree();
            for (room, source, a, b) in &erased {
                let range = *a.min(b)..=*a.max(b);
                let is_gone = |p: &u64| tree.leaf(rooms[*room], sources[*source], *p).is_none();
                if range.clone().take(200).any(|p| is_gone(&p)) {
                    prop_assert!(tree.is_any_gone(rooms[*room], sources[*source], &range));
                } else if range.end() - range.start() < 200 {
                    prop_assert!(!tree.is_any_gone(rooms[*room], sources[*source], &range));
                }
                tree.erase(rooms[*room], sources[*source], &(*a.min(b)..=*a.max(b)));
                prop_assert!(!tree.erase(rooms[*room], sources[*source], &(*a.min(b)..=*a.max(b))));
            }
            let mut bytes = Vec::new();
            tree.write(&mut bytes);
            let (again, rest) = Tree::read(&bytes).expect("reads back");
            prop_assert!(again == tree && rest.is_empty());
            let asked = asked.into_iter().chain(erased.iter().flat_map(|&(room, source, a, b)| [(room, source, a), (room, source, b)]));
            for (room, source, position) in asked {
                let is_erased = erased.iter().any(|(r, s, a, b)| {
                    (*r, *s) == (room, source) && (*a.min(b)..=*a.max(b)).contains(&position)
                });
                let key = self::tree().leaf(rooms[room], sources[source], position).filter(|_| !is_erased);
                prop_assert_eq!(tree.leaf(rooms[room], sources[source], position), key);
            }
        }
    }
}
