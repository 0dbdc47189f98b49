//! The keys of an open store, and what is sealed and opened with them.
//!
//! Shared by all rooms. The keys of the last places are kept at hand, since entries come and are read in a row; what is kept is bounded.
//! A vault without keys leaves everything as it is: for stores in memory, and for a store that its operator wants readable.
//!
//! Tested in `store::codec`, and here.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use uuid::Uuid;

use super::keyring::{KEYRING_FILE, Keyring, KeyringError, sealed_with};
use super::record::{INFO_BYTES, Kind, RecordKey, Salt, TAG_BYTES};
use super::source::{KeyEncryptionKey, KeyId};
use super::tree::{self, Node};
use crate::room::ids::{RoomId, Seq};

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
    keyring: Keyring,
    /// Where the keyring is. `None`: nowhere, for tests.
    file: Option<PathBuf>,
    sealed_with: Mutex<KeyId>,
    at_hand: Mutex<AtHand>,
}

/// Data keys, each with the key of the row that was used last.
#[derive(Default)]
struct AtHand {
    rooms: HashMap<RoomId, HashMap<Box<str>, DataKey>>,
    count: usize,
}

struct DataKey {
    key: Node,
    row: Option<(u64, Node)>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Vault(keys hidden)" } else { "Vault(none)" })
    }
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
        Self::of(Keyring::random(Uuid::new_v4()), None, KeyEncryptionKey::random().id())
    }

    fn of(keyring: Keyring, file: Option<PathBuf>, id: KeyId) -> Self {
        Self(Some(Keys { keyring, file, sealed_with: Mutex::new(id), at_hand: Mutex::default() }))
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
            return Ok(Self::of(keyring, Some(file), keys[which].id()));
        }
        match holds {
            Holds::Encrypted => Err(KeyringError::Missing(file)),
            Holds::Plain => Err(KeyringError::NotEncrypted),
            Holds::Nothing => {
                let keyring = Keyring::random(store);
                keyring.write(&file, key)?;
                Ok(Self::of(keyring, Some(file), key.id()))
            }
        }
    }

    /// Encrypts the keyring with another key, in place. Nothing else is written again. `Ok(None)`: it has that key already, or there is
    /// none; else which key can be destroyed now.
    pub fn rotate(&self, key: &KeyEncryptionKey) -> Result<Option<KeyId>, KeyringError> {
        let Some(Keys { keyring, file: Some(file), sealed_with, .. }) = &self.0 else { return Ok(None) };
        let mut before = sealed_with.lock().unwrap_or_else(PoisonError::into_inner);
        if *before == key.id() {
            return Ok(None);
        }
        keyring.write(file, key)?;
        Ok(Some(std::mem::replace(&mut *before, key.id())))
    }

    /// With which key the keyring is encrypted; `None` without keys.
    pub fn key_id(&self) -> Option<KeyId> {
        self.0.as_ref().map(|keys| *keys.sealed_with.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The key of one payload, and the salt of its digest. `source`: the organisation whose words they are, or nothing. `None` without keys.
    pub(crate) fn payload_key(
        &self,
        room: RoomId,
        source: &str,
        seq: Seq,
        info: &[u8; INFO_BYTES],
    ) -> Option<(RecordKey, Salt)> {
        let keys = self.0.as_ref()?;
        let row =
            keys.at_hand.lock().unwrap_or_else(PoisonError::into_inner).row(&keys.keyring.root, room, source, seq);
        Some(RecordKey::derive_with_salt(&tree::leaf(&row, seq), Kind::Payload, info))
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
        seal(keys, Kind::Frame, &[room.as_bytes(), &number.to_be_bytes()], random(), frame).into()
    }

    /// A frame as it was before it was stored.
    pub(crate) fn open_frame(&self, room: RoomId, number: u64, stored: &Bytes) -> Result<Bytes, What> {
        match &self.0 {
            None if stored.first() == Some(&SEALED) => Err("is encrypted, and there is no key"),
            None => Ok(stored.clone()),
            Some(keys) => open(keys, Kind::Frame, &[room.as_bytes(), &number.to_be_bytes()], stored).map(Bytes::from),
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
            Some(keys) => seal(keys, Kind::Snapshot, &[room.as_bytes()], random(), snapshot),
        }
    }

    /// A snapshot as it was.
    pub(crate) fn open_snapshot(&self, room: RoomId, kept: Vec<u8>) -> Option<Vec<u8>> {
        match &self.0 {
            None => Some(kept),
            Some(keys) => open(keys, Kind::Snapshot, &[room.as_bytes()], &kept).ok(),
        }
    }
}

impl AtHand {
    fn row(&mut self, root: &Node, room: RoomId, source: &str, seq: Seq) -> Node {
        let number = tree::row_number(seq);
        if !self.rooms.get(&room).is_some_and(|sources| sources.contains_key(source)) {
            let key = tree::data_key(root, room, source);
            if self.count == DATA_KEYS_KEPT {
                self.rooms.clear();
                self.count = 0;
            }
            self.count += 1;
            self.rooms.entry(room).or_default().insert(source.into(), DataKey { key, row: None });
        }
        let data_key = self.rooms.get_mut(&room).and_then(|sources| sources.get_mut(source)).expect("it is there now");
        match &data_key.row {
            Some((kept, row)) if *kept == number => row.clone(),
            _ => {
                let row = tree::row(&data_key.key, seq);
                data_key.row = Some((number, row.clone()));
                row
            }
        }
    }
}

fn seal(keys: &Keys, kind: Kind, place: &[&[u8]], info: [u8; INFO_BYTES], mut bytes: Vec<u8>) -> Vec<u8> {
    let additional: Vec<&[u8]> =
        [&keys.keyring.store.as_bytes()[..]].into_iter().chain(place.iter().copied()).collect();
    RecordKey::derive(&keys.keyring.frames, kind, &info).seal(&additional, &mut bytes);
    let mut sealed = Vec::with_capacity(1 + INFO_BYTES + bytes.len());
    sealed.push(SEALED);
    sealed.extend_from_slice(&info);
    sealed.extend_from_slice(&bytes);
    sealed
}

fn open(keys: &Keys, kind: Kind, place: &[&[u8]], sealed: &[u8]) -> Result<Vec<u8>, What> {
    let Some((&SEALED, rest)) = sealed.split_first() else { return Err("is not encrypted") };
    let Some((info, ciphertext)) = rest.split_first_chunk::<INFO_BYTES>() else { return Err("is too short") };
    let additional: Vec<&[u8]> =
        [&keys.keyring.store.as_bytes()[..]].into_iter().chain(place.iter().copied()).collect();
    let opened = RecordKey::derive(&keys.keyring.frames, kind, info).open(&additional, ciphertext);
    opened.map_err(|_| "does not open with the store's key: it was changed, cut short, moved, or is of another store")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: Uuid = Uuid::from_bytes([1; 16]);
    const ROOM: RoomId = RoomId::from_bytes([7; 16]);
    const INFO: [u8; 32] = [9; 32];

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
        assert!(vault.payload_key(ROOM, "region-a", Seq(0), &INFO).is_none());
    }

    #[test]
    fn keys_at_hand_are_those_that_are_derived() {
        let (vault, fresh) = (Vault::random(), |vault: &Vault, seq| {
            let root = &vault.0.as_ref().expect("keys").keyring.root;
            tree::leaf(&tree::row(&tree::data_key(root, ROOM, "region-a"), Seq(seq)), Seq(seq))
        });
        let keys = vault.0.as_ref().expect("keys");
        for seq in [0, 1, 15, 16, 3, 1_000_000, 17] {
            let mut at_hand = keys.at_hand.lock().expect("not poisoned");
            let row = at_hand.row(&keys.keyring.root, ROOM, "region-a", Seq(seq));
            assert_eq!(tree::leaf(&row, Seq(seq)), fresh(&vault, seq), "{seq}");
        }
        let mut at_hand = keys.at_hand.lock().expect("not poisoned");
        for room in 0..3 * DATA_KEYS_KEPT {
            let room = RoomId::from_bytes(*Uuid::from_u128(room as u128).as_bytes());
            at_hand.row(&keys.keyring.root, room, "region-a", Seq(0));
            assert!(at_hand.rooms.len() <= DATA_KEYS_KEPT);
        }
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
