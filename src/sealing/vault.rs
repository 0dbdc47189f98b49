//! The keys of an open store, and what is sealed and opened with them.
//!
//! Shared by all rooms. The keys of the last places are kept at hand, since entries come and are read in a row; what is kept is bounded.
//! A vault without keys leaves everything as it is: for stores in memory, and for a store that its operator wants readable.
//!
//! Tested in `store::codec`, and here.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use uuid::Uuid;

use super::keyring::{KEYRING_FILE, Keyring, KeyringError, sealed_with};
use super::record::{INFO_BYTES, Kind, RecordKey, Salt, TAG_BYTES};
use super::source::{KeyEncryptionKey, KeyId};
use super::tree::{self, Node, Tree};
use crate::room::ids::{ContentId, ErasureId, RoomId, Seq};

/// How a sealed frame or snapshot begins. A plain frame begins with the tag of a field.
const SEALED: u8 = 0xe1;
/// What sealing adds to a frame.
pub(crate) const SEALED_FRAME_OVERHEAD: usize = 1 + INFO_BYTES + TAG_BYTES;
/// Data keys at hand. One is about 200 bytes.
const DATA_KEYS_KEPT: usize = 8192;

/// What a store holds, as far as can be told without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Nothing yet.
    Nothing,
    /// Frames that anybody can read.
    Plain,
    /// Frames that nobody can read, or something that is damaged.
    Encrypted,
}

impl Holds {
    /// What a store holds that has this frame.
    pub fn of_frame(stored: &[u8]) -> Self {
        if stored.first() == Some(&SEALED) { Self::Encrypted } else { Self::Plain }
    }
}

/// The keys of an open store, or none.
pub struct Vault(Option<Keys>);

struct Keys {
    store: Uuid,
    frames: Node,
    keyring: RwLock<Keyring>,
    /// Where the keyring is. `None`: nowhere, for tests.
    file: Option<PathBuf>,
    /// With which key it is encrypted. Held while the file is written.
    sealed_with: Mutex<KeyEncryptionKey>,
    /// Never held while the keyring is written: what is taken out of the one must not come back by the other.
    at_hand: Mutex<AtHand>,
}

/// The keys of payloads to destroy: of which source of a room, at which positions.
pub type Positions = (Box<str>, RangeInclusive<u64>);

/// Where the keys of entries stand a second time, and a third: entry `seq` has its key at `lane << LANE_BITS | seq`, in the first lane in
/// which that key is not destroyed. Only a store that was restored from a backup writes to a place once more whose key is destroyed.
const LANE_BITS: u32 = 40;
/// None reaches the positions from `1 << 63` on, which are not those of entries.
const LANES: u32 = 1 << 22;

/// Under which name the keys of a room's snapshots stand in the tree. No organisation has it.
const SNAPSHOTS: &str = "/snapshots";

/// Data keys, each with the key of the row that was used last.
#[derive(Default)]
struct AtHand {
    rooms: HashMap<RoomId, HashMap<Box<str>, DataKey>>,
    count: usize,
}

struct DataKey {
    /// `None`: some key below it is destroyed.
    key: Option<Node>,
    row: Option<(u64, Node)>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Vault(keys hidden)" } else { "Vault(none)" })
    }
}

/// Which key must be changed and destroyed before the erasures in the store of `folder` are final, as its keyring says now, while a
/// server may have the store open. `None`: none, or there is no keyring that opens.
pub fn erasures_wait_for(folder: &Path, keys: &[KeyEncryptionKey]) -> Option<KeyId> {
    let file = folder.join(KEYRING_FILE);
    let store = Uuid::from_bytes(std::fs::read(&file).ok()?.get(8..24)?.try_into().ok()?);
    let (keyring, which) = Keyring::read(&file, store, keys).ok()?;
    let key = keys[which].id();
    (!keyring.are_all_final_with(key)).then_some(key)
}

/// What is wrong with something that was to be opened.
type What = &'static str;

impl Vault {
    /// Without keys: everything stays as it is.
    pub fn none() -> Self {
        Self(None)
    }

    /// With keys that are gone when it is: for tests, and to measure.
    pub fn random() -> Self {
        Self::of(Keyring::random(Uuid::new_v4()), None, KeyEncryptionKey::random())
    }

    fn of(mut keyring: Keyring, file: Option<PathBuf>, key: KeyEncryptionKey) -> Self {
        keyring.note_use(key.id());
        let (store, frames) = (keyring.store, keyring.frames.clone());
        let (keyring, sealed_with) = (RwLock::new(keyring), Mutex::new(key));
        Self(Some(Keys { store, frames, keyring, file, sealed_with, at_hand: Mutex::default() }))
    }

    /// The keys of the store in `folder`. A store that holds nothing yet gets its keyring. `keys`: the key, and after it perhaps former
    /// ones, of which one may still be that of the keyring.
    pub fn open(folder: &Path, store: Uuid, holds: Holds, keys: &[KeyEncryptionKey]) -> Result<Self, KeyringError> {
        let file = folder.join(KEYRING_FILE);
        let exists = file.try_exists().map_err(|source| KeyringError::Io { path: file.clone(), source })?;
        let Some(key) = keys.first() else {
            if exists {
                let bytes = std::fs::read(&file).map_err(|source| KeyringError::Io { path: file.clone(), source })?;
                let damaged = KeyringError::Damaged { path: file, found: "is no keyring" };
                return Err(sealed_with(&bytes).map_or(damaged, KeyringError::NoKey));
            }
            return if holds == Holds::Encrypted { Err(KeyringError::Missing(file)) } else { Ok(Self::none()) };
        };
        if exists {
            let (keyring, which) = Keyring::read(&file, store, keys)?;
            return Ok(Self::of(keyring, Some(file), keys[which].clone()));
        }
        match holds {
            Holds::Encrypted => Err(KeyringError::Missing(file)),
            Holds::Plain => Err(KeyringError::NotEncrypted),
            Holds::Nothing => {
                let mut keyring = Keyring::random(store);
                keyring.note_use(key.id());
                keyring.write(&file, key)?;
                Ok(Self::of(keyring, Some(file), key.clone()))
            }
        }
    }

    /// Encrypts the keyring with another key, in place. Nothing else is written again. `Ok(None)`: it has that key already, or there is
    /// none; else which key can be destroyed now.
    pub fn rotate(&self, key: &KeyEncryptionKey) -> Result<Option<KeyId>, KeyringError> {
        let Some(keys) = &self.0 else { return Ok(None) };
        let Some(file) = &keys.file else { return Ok(None) };
        let mut before = keys.sealed_with.lock().unwrap_or_else(PoisonError::into_inner);
        if before.id() == key.id() {
            return Ok(None);
        }
        let mut keyring = keys.keyring().clone();
        keyring.note_use(key.id());
        keyring.write(file, key)?;
        *keys.keyring.write().unwrap_or_else(PoisonError::into_inner) = keyring;
        Ok(Some(std::mem::replace(&mut *before, key.clone()).id()))
    }

    /// With which key the keyring is encrypted; `None` without keys.
    pub fn key_id(&self) -> Option<KeyId> {
        self.0.as_ref().map(|keys| keys.sealed_with.lock().unwrap_or_else(PoisonError::into_inner).id())
    }

    /// Does an erasure: destroys the keys of these payloads of a room, and with them those of every snapshot of the room that was made until now. When it
    /// returns, the keyring without them is durable; after an error nothing is destroyed. `Ok(false)`: it was done before, or there
    /// are no keys at all ([`Self::key_id`]).
    ///
    /// An older copy of the keyring still has them: [`Self::erasures_wait_for`].
    pub fn erase(&self, erasure: ErasureId, room: RoomId, payloads: &[Positions]) -> Result<bool, KeyringError> {
        let Some(keys) = &self.0 else { return Ok(false) };
        // One writer at a time; readers go on until the new keyring takes the place of the old one.
        let key = keys.sealed_with.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.keyring().has_erased(erasure.as_bytes()) {
            return Ok(false);
        }
        let mut keyring = keys.keyring().clone();
        for (source, positions) in payloads {
            for lane in 0.. {
                let in_lane = |position: u64| position | lane << LANE_BITS;
                let positions = in_lane(*positions.start())..=in_lane(*positions.end());
                let has_next = keyring.tree.is_any_gone(room, source, &positions) && *positions.end() < 1 << 63;
                keyring.tree.erase(room, source, &positions);
                if !has_next {
                    break;
                }
            }
        }
        if let Some(present) = keyring.tree.first(room, SNAPSHOTS) {
            keyring.tree.erase(room, SNAPSHOTS, &(0..=present));
        }
        keyring.note_erasure(*erasure.as_bytes());
        if let Some(file) = &keys.file {
            keyring.write(file, &key)?;
        }
        *keys.keyring.write().unwrap_or_else(PoisonError::into_inner) = keyring;
        keys.at_hand().forget(room);
        Ok(true)
    }

    /// Which key must be changed and destroyed before the last erasure is final: it opens copies of the keyring from before. `None`: none
    /// does, or nothing was erased.
    pub fn erasures_wait_for(&self) -> Option<KeyId> {
        let keys = self.0.as_ref()?;
        let key = keys.sealed_with.lock().unwrap_or_else(PoisonError::into_inner).id();
        (!keys.keyring().are_all_final_with(key)).then_some(key)
    }

    /// Whether the erasure is done, and no key that is in use opens a copy of the keyring from before it.
    pub fn is_final(&self, erasure: ErasureId) -> bool {
        let Some(keys) = &self.0 else { return false };
        let key = keys.sealed_with.lock().unwrap_or_else(PoisonError::into_inner).id();
        keys.keyring().is_final_with(key, erasure.as_bytes())
    }

    /// The key with which one payload is encrypted, in which lane it stands, and the salt of the payload's digest. `source`: the
    /// organisation whose words they are, or nothing. `None` without keys.
    pub(crate) fn key_to_seal(
        &self,
        room: RoomId,
        source: &str,
        seq: Seq,
        info: &[u8; INFO_BYTES],
    ) -> Option<(u32, RecordKey, Salt)> {
        let keys = self.0.as_ref()?;
        let leaf = |lane: u32| Some((lane, keys.leaf(room, source, u64::from(lane) << LANE_BITS | seq.0)?));
        let (lane, leaf) = (0..LANES).find_map(leaf).expect("a room is not erased and restored four million times");
        let (key, salt) = RecordKey::derive_with_salt(&leaf, Kind::Payload, info);
        Some((lane, key, salt))
    }

    /// The key with which one payload is opened.
    pub(crate) fn key_to_open(
        &self,
        room: RoomId,
        source: &str,
        seq: Seq,
        lane: u32,
        info: &[u8; INFO_BYTES],
    ) -> PayloadKey {
        let Some(keys) = self.0.as_ref().filter(|_| lane < LANES) else { return PayloadKey::None };
        match keys.leaf(room, source, u64::from(lane) << LANE_BITS | seq.0) {
            None => PayloadKey::Erased,
            Some(leaf) => {
                let (key, salt) = RecordKey::derive_with_salt(&leaf, Kind::Payload, info);
                PayloadKey::Key(key, salt)
            }
        }
    }

    /// The key of one part of what an attachment holds.
    pub(crate) fn content_key(
        &self,
        room: RoomId,
        source: &str,
        content: ContentId,
        info: &[u8; INFO_BYTES],
    ) -> ContentKey {
        let Some(keys) = &self.0 else { return ContentKey::None };
        match keys.leaf(room, source, content.place_of_key()) {
            None => ContentKey::Erased,
            Some(leaf) => ContentKey::Key(RecordKey::derive(&leaf, Kind::Content, info)),
        }
    }

    /// The digest of the request that opened a room as the directory keeps it: it tells nothing about the request once its key is
    /// destroyed. `None`: it is, or there are no keys.
    pub(crate) fn bind_opening(&self, room: RoomId, digest: &[u8; 32]) -> Option<[u8; 32]> {
        let leaf = self.0.as_ref()?.leaf(room, RoomId::OPENING, 0)?;
        Some(tree::mac(&leaf, digest))
    }

    /// A frame as it is stored. `random` draws 32 bytes.
    pub(crate) fn seal_frame(
        &self,
        room: RoomId,
        number: u64,
        random: impl FnOnce() -> [u8; INFO_BYTES],
        frame: Vec<u8>,
    ) -> Bytes {
        let Some(keys) = &self.0 else { return frame.into() };
        let place: [&[u8]; 3] = [keys.store.as_bytes(), room.as_bytes(), &number.to_be_bytes()];
        seal(&keys.frames, Kind::Frame, &place, random(), frame).into()
    }

    /// A frame as it was before it was stored.
    pub(crate) fn open_frame(&self, room: RoomId, number: u64, stored: &Bytes) -> Result<Bytes, What> {
        match &self.0 {
            None if stored.first() == Some(&SEALED) => Err("is encrypted, and there is no key"),
            None => Ok(stored.clone()),
            Some(keys) => {
                let place: [&[u8]; 3] = [keys.store.as_bytes(), room.as_bytes(), &number.to_be_bytes()];
                open(&keys.frames, Kind::Frame, &place, stored).map(Bytes::from)
            }
        }
    }

    /// A snapshot as it is kept.
    pub(crate) fn seal_snapshot(
        &self,
        room: RoomId,
        random: impl FnOnce() -> [u8; INFO_BYTES],
        snapshot: Vec<u8>,
    ) -> Vec<u8> {
        match &self.0 {
            None => snapshot,
            Some(keys) => {
                let tree = &keys.keyring().tree;
                // Without a position left, nothing is kept: it could not be read again.
                let Some(position) = tree.first(room, SNAPSHOTS) else { return Vec::new() };
                let Some(key) = tree.leaf(room, SNAPSHOTS, position) else { return Vec::new() };
                let mut sealed = Vec::from(position.to_be_bytes());
                sealed.extend(seal(
                    &key,
                    Kind::Snapshot,
                    &[keys.store.as_bytes(), room.as_bytes()],
                    random(),
                    snapshot,
                ));
                sealed
            }
        }
    }

    /// A snapshot as it was.
    pub(crate) fn open_snapshot(&self, room: RoomId, kept: Vec<u8>) -> Option<Vec<u8>> {
        match &self.0 {
            None => Some(kept),
            Some(keys) => {
                let (position, sealed) = kept.split_first_chunk::<8>()?;
                let key = keys.keyring().tree.leaf(room, SNAPSHOTS, u64::from_be_bytes(*position))?;
                open(&key, Kind::Snapshot, &[keys.store.as_bytes(), room.as_bytes()], sealed).ok()
            }
        }
    }
}

/// What there is to seal or open a part of a content with.
pub(crate) enum ContentKey {
    /// Nothing: the store is not encrypted.
    None,
    /// Its key.
    Key(RecordKey),
    /// Nothing any more: it was destroyed.
    Erased,
}

/// What there is to open a payload with.
pub(crate) enum PayloadKey {
    /// Nothing: the store is not encrypted, or there is no such lane.
    None,
    /// Its key, and the salt of its digest.
    Key(RecordKey, Salt),
    /// Nothing any more: it was destroyed.
    Erased,
}

impl Keys {
    fn keyring(&self) -> RwLockReadGuard<'_, Keyring> {
        self.keyring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn at_hand(&self) -> MutexGuard<'_, AtHand> {
        self.at_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leaf(&self, room: RoomId, source: &str, position: u64) -> Option<Node> {
        // Held until what is derived is at hand: an erasure in between would have it there for good.
        let keyring = self.keyring();
        self.at_hand().leaf(&keyring.tree, room, source, position)
    }
}

impl AtHand {
    fn leaf(&mut self, tree: &Tree, room: RoomId, source: &str, position: u64) -> Option<Node> {
        let number = tree::row_number(position);
        if !self.rooms.get(&room).is_some_and(|sources| sources.contains_key(source)) {
            let key = tree.data_key(room, source);
            if self.count == DATA_KEYS_KEPT {
                self.rooms.clear();
                self.count = 0;
            }
            self.count += 1;
            self.rooms.entry(room).or_default().insert(source.into(), DataKey { key, row: None });
        }
        let data_key = self.rooms.get_mut(&room).and_then(|sources| sources.get_mut(source)).expect("it is there now");
        if !matches!(&data_key.row, Some((kept, _)) if *kept == number) {
            let row = match &data_key.key {
                Some(key) => Some(tree::row_of(key, position)),
                None => tree.row(room, source, position),
            };
            data_key.row = row.map(|row| (number, row));
        }
        match &data_key.row {
            Some((_, row)) => Some(tree::leaf_of(row, position)),
            None => tree.leaf(room, source, position),
        }
    }

    fn forget(&mut self, room: RoomId) {
        self.count -= self.rooms.remove(&room).map_or(0, |sources| sources.len());
    }
}

fn seal(above: &Node, kind: Kind, place: &[&[u8]], info: [u8; INFO_BYTES], mut bytes: Vec<u8>) -> Vec<u8> {
    RecordKey::derive(above, kind, &info).seal(place, &mut bytes);
    let mut sealed = Vec::with_capacity(1 + INFO_BYTES + bytes.len());
    sealed.push(SEALED);
    sealed.extend_from_slice(&info);
    sealed.extend_from_slice(&bytes);
    sealed
}

fn open(above: &Node, kind: Kind, place: &[&[u8]], sealed: &[u8]) -> Result<Vec<u8>, What> {
    let Some((&SEALED, rest)) = sealed.split_first() else { return Err("is not encrypted") };
    let Some((info, ciphertext)) = rest.split_first_chunk::<INFO_BYTES>() else { return Err("is too short") };
    let opened = RecordKey::derive(above, kind, info).open(place, ciphertext);
    opened.map_err(|_| "does not open with the store's key: it was changed, cut short, moved, or is of another store")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: Uuid = Uuid::from_bytes([1; 16]);
    const ROOM: RoomId = RoomId::from_bytes([7; 16]);
    const INFO: [u8; 32] = [9; 32];

    fn erasure(number: u8) -> ErasureId {
        ErasureId::from_bytes([number; 16])
    }

    #[test]
    fn a_frame_opens_at_its_own_place_in_its_own_store_and_nowhere_else() {
        let vault = Vault::random();
        let sealed = vault.seal_frame(ROOM, 3, || INFO, b"a frame".to_vec());
        assert_eq!(sealed.len(), 7 + SEALED_FRAME_OVERHEAD);
        assert_eq!(vault.open_frame(ROOM, 3, &sealed).as_deref(), Ok(&b"a frame"[..]));
        assert!(vault.open_frame(ROOM, 4, &sealed).is_err(), "moved within its room");
        assert!(vault.open_frame(RoomId::from_bytes([8; 16]), 3, &sealed).is_err(), "moved to another room");
        assert!(Vault::random().open_frame(ROOM, 3, &sealed).is_err(), "moved to another store");
        assert!(vault.open_snapshot(ROOM, sealed.to_vec()).is_none(), "moved to another file");
        assert_eq!(Vault::none().open_frame(ROOM, 3, &sealed), Err("is encrypted, and there is no key"));
        assert_eq!(vault.open_frame(ROOM, 3, &Bytes::from_static(b"\x0aplain")), Err("is not encrypted"));
    }

    #[test]
    fn without_keys_everything_stays_as_it_is() {
        let vault = Vault::none();
        assert_eq!(vault.seal_frame(ROOM, 3, || INFO, b"a frame".to_vec()), &b"a frame"[..]);
        assert_eq!(vault.open_frame(ROOM, 3, &Bytes::from_static(b"a frame")).as_deref(), Ok(&b"a frame"[..]));
        assert!(vault.key_to_seal(ROOM, "region-a", Seq(0), &INFO).is_none());
        assert!(matches!(vault.key_to_open(ROOM, "region-a", Seq(0), 0, &INFO), PayloadKey::None));
        assert!(!vault.erase(erasure(1), ROOM, &[("region-a".into(), 0..=9)]).expect("nothing to write"));
    }

    #[test]
    fn keys_at_hand_are_those_that_are_derived() {
        let vault = Vault::random();
        let keys = vault.0.as_ref().expect("keys");
        for (number, erased) in [(1, 900..=901), (2, 3..=16), (3, 1_000_000..=1_000_000)] {
            vault.erase(erasure(number), ROOM, &[("region-a".into(), erased)]).expect("erased");
            for seq in [0, 1, 15, 16, 3, 1_000_000, 17, 2, 1_000_001] {
                let derived = keys.keyring().tree.leaf(ROOM, "region-a", seq);
                assert_eq!(keys.leaf(ROOM, "region-a", seq), derived, "{seq}");
            }
        }
        for room in 0..3 * DATA_KEYS_KEPT {
            let room = RoomId::from_bytes(*Uuid::from_u128(room as u128).as_bytes());
            keys.leaf(room, "region-a", 0);
            assert!(keys.at_hand().rooms.len() <= DATA_KEYS_KEPT);
        }
    }

    #[test]
    fn what_is_erased_stays_erased_and_takes_the_snapshots_of_its_room_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let [first, second] = std::array::from_fn(|_| KeyEncryptionKey::random());
        let vault = Vault::open(folder.path(), STORE, Holds::Nothing, std::slice::from_ref(&first)).expect("made");
        let other = RoomId::from_bytes([8; 16]);
        let snapshots = [ROOM, other].map(|room| vault.seal_snapshot(room, || INFO, b"a state".to_vec()));
        assert_eq!(vault.erasures_wait_for(), None);
        let payloads: [Positions; 2] = [("region-a".into(), 0..=20), ("region-b".into(), 7..=7)];
        assert!(vault.erase(erasure(1), ROOM, &payloads).expect("written"));
        assert!(!vault.erase(erasure(1), ROOM, &payloads).expect("nothing to write"), "erased before");
        assert_eq!((vault.erasures_wait_for(), vault.is_final(erasure(1))), (Some(first.id()), false));

        let check = |vault: &Vault| {
            let open = |source, seq| vault.key_to_open(ROOM, source, Seq(seq), 0, &INFO);
            let is_erased = |source, seq| matches!(open(source, seq), PayloadKey::Erased);
            assert!(is_erased("region-a", 0) && is_erased("region-a", 20) && is_erased("region-b", 7));
            assert!(!is_erased("region-a", 21) && !is_erased("region-b", 6) && !is_erased("region-b", 8));
            assert_eq!(vault.open_snapshot(ROOM, snapshots[0].clone()), None);
            assert_eq!(vault.open_snapshot(other, snapshots[1].clone()).as_deref(), Some(&b"a state"[..]));
            let again = vault.seal_snapshot(ROOM, || INFO, b"a state".to_vec());
            assert_eq!(vault.open_snapshot(ROOM, again).as_deref(), Some(&b"a state"[..]));
        };
        check(&vault);
        let copy = std::fs::read(folder.path().join(KEYRING_FILE)).expect("read");
        let keys = [second, first];
        let vault = Vault::open(folder.path(), STORE, Holds::Encrypted, &keys).expect("opened");
        check(&vault);
        assert_eq!(vault.rotate(&keys[0]).expect("written"), Some(keys[1].id()));
        assert_eq!(vault.erasures_wait_for(), None, "the new key opens no copy from before");
        assert!(vault.is_final(erasure(1)) && !vault.is_final(erasure(2)));
        assert_ne!(std::fs::read(folder.path().join(KEYRING_FILE)).expect("read"), copy);
        assert_eq!(erasures_wait_for(folder.path(), &keys), None);
        vault.rotate(&keys[1]).expect("written");
        assert_eq!(vault.erasures_wait_for(), Some(keys[1].id()), "the former key is back, and opens the old copies");
        assert_eq!(erasures_wait_for(folder.path(), &keys), Some(keys[1].id()));
    }

    #[test]
    fn a_place_that_is_written_again_after_a_backup_was_restored_has_another_key_and_can_be_erased_again() {
        let vault = Vault::random();
        let lane = |seq| vault.key_to_seal(ROOM, "region-a", Seq(seq), &INFO).expect("keys").0;
        let is_erased =
            |seq, lane| matches!(vault.key_to_open(ROOM, "region-a", Seq(seq), lane, &INFO), PayloadKey::Erased);
        assert_eq!(lane(7), 0);
        vault.erase(erasure(1), ROOM, &[("region-a".into(), 7..=7)]).expect("erased");
        assert_eq!((lane(6), lane(7), lane(8)), (0, 1, 0));
        vault.erase(erasure(2), ROOM, &[("region-a".into(), 0..=9)]).expect("erased");
        assert!(is_erased(6, 0) && is_erased(7, 0) && is_erased(7, 1));
        assert_eq!((lane(7), lane(10)), (2, 0));
        assert!(!is_erased(7, 2), "what is written there from now on is not erased");
    }

    #[test]
    fn an_erasure_that_can_not_be_written_has_erased_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = [KeyEncryptionKey::random()];
        let vault = Vault::open(folder.path(), STORE, Holds::Nothing, &keys).expect("made");
        // In the way of the file that is written first.
        std::fs::create_dir(folder.path().join("keyring.new")).expect("made");
        assert!(vault.erase(erasure(1), ROOM, &[("region-a".into(), 0..=20)]).is_err());
        assert!(matches!(vault.key_to_open(ROOM, "region-a", Seq(0), 0, &INFO), PayloadKey::Key(..)));
        assert_eq!(vault.erasures_wait_for(), None);
    }

    #[test]
    fn a_store_is_opened_with_its_key_and_with_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = || [KeyEncryptionKey::random()];
        let (first, other) = (keys(), keys());
        let open = |holds, keys: &[KeyEncryptionKey]| Vault::open(folder.path(), STORE, holds, keys);

        assert!(matches!(open(Holds::Encrypted, &first), Err(KeyringError::Missing(_))), "it was there once");
        assert!(matches!(open(Holds::Encrypted, &[]), Err(KeyringError::Missing(_))));
        assert!(matches!(open(Holds::Plain, &first), Err(KeyringError::NotEncrypted)));
        assert!(open(Holds::Plain, &[]).expect("a plain store").key_id().is_none());

        let vault = open(Holds::Nothing, &first).expect("an empty store gets its keyring");
        let sealed = vault.seal_frame(ROOM, 0, || INFO, b"a frame".to_vec());
        assert!(matches!(open(Holds::Encrypted, &other), Err(KeyringError::WrongKey { .. })));
        assert!(matches!(open(Holds::Encrypted, &[]), Err(KeyringError::NoKey(id)) if id == first[0].id()));
        let again = open(Holds::Encrypted, &first).expect("opened");
        assert_eq!(again.open_frame(ROOM, 0, &sealed).as_deref(), Ok(&b"a frame"[..]));
    }

    #[test]
    fn the_key_is_changed_while_the_store_is_open_and_as_it_is_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let [first, second, third] = std::array::from_fn(|_| KeyEncryptionKey::random());
        let ids = [first.id(), second.id(), third.id()];
        let vault = Vault::open(folder.path(), STORE, Holds::Nothing, std::slice::from_ref(&first)).expect("made");
        let sealed = vault.seal_frame(ROOM, 0, || INFO, b"a frame".to_vec());
        assert_eq!(vault.rotate(&second).expect("written"), Some(ids[0]));
        assert_eq!(vault.rotate(&second).expect("nothing to do"), None);
        assert_eq!(vault.key_id(), Some(ids[1]));
        let opened = Vault::open(folder.path(), STORE, Holds::Encrypted, std::slice::from_ref(&first));
        assert!(matches!(opened, Err(KeyringError::WrongKey { .. })), "the former key opens nothing any more");
        let keys = [third, second];
        let vault = Vault::open(folder.path(), STORE, Holds::Encrypted, &keys).expect("one of them fits");
        assert_eq!(vault.rotate(&keys[0]).expect("written"), Some(ids[1]));
        assert_eq!(vault.key_id(), Some(ids[2]));
        assert_eq!(vault.open_frame(ROOM, 0, &sealed).as_deref(), Ok(&b"a frame"[..]));
    }
}
