//! The file in the store that holds its keys, encrypted: which are they, and who can read them?
//!
//! `magic[8] ‖ store id[16] ‖ id of the key-encryption key[8] ‖ info[32] ‖ ciphertext(frame key[32] ‖ history ‖ tree) ‖ tag[16]`,
//! 159 bytes before anything is erased. It is replaced as a whole: written anew, synced, renamed, and its folder synced. So after a cut it
//! is one keyring or the other, and to change the key-encryption key is to write these bytes again, whatever the store holds. The first
//! version (`samvkr/1`) ends with the root of the tree after the frame key; it is read, and written as the second.
//!
//! **An erasure is final with the next key.** What is erased is missing from the tree. A copy of the file from before has it, and is opened
//! by the key-encryption key of that time: only when that one is changed and destroyed is it gone. So the file keeps the ids of all keys
//! that it was ever encrypted with, and an erasure is final when its present key is none of those from before it. *History* is: how many
//! keys (16 bits), how many erasures (32 bits), the ids of the keys, and for each erasure its id and how many of the keys were before it.
//!
//! It lies outside the log, since what is deleted in sled lies on in old pages and snapshots.
//!
//! Tested here.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;
use zeroize::Zeroizing;

use super::record::{INFO_BYTES, Kind, RecordKey, TAG_BYTES};
use super::source::{KeyEncryptionKey, KeyId, random};
use super::tree::{Node, Tree};

/// Its name in the store's folder.
pub const KEYRING_FILE: &str = "keyring";
const MAGIC: &[u8; 8] = b"samvkr/2";
const MAGIC_1: &[u8; 8] = b"samvkr/1";
const HEAD_BYTES: usize = 8 + 16 + 8 + INFO_BYTES;
/// Of the first version, which had no history and a tree that nothing was erased from.
const FILE_BYTES_1: usize = HEAD_BYTES + 64 + TAG_BYTES;
const KEY_ID_BYTES: usize = 8;
const ERASURE_BYTES: usize = 18;

/// The keys of a store.
#[derive(Clone)]
pub struct Keyring {
    pub(super) store: Uuid,
    pub(super) frames: Node,
    pub(super) tree: Tree,
    /// The key-encryption keys that it was ever encrypted with, in the order of their first use.
    pub(super) used: Vec<KeyId>,
    /// Which erasures were done, by their ids: none is done twice. With each, how many of the keys had been used before it: they open
    /// copies that still have what it erased.
    pub(super) erasures: Vec<([u8; 16], u16)>,
}

/// Why a store's keys can't be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file can't be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another key is needed.
    #[error("the store is encrypted with key {needed}, and the key given is {given}")]
    WrongKey {
        /// Which key opens it.
        needed: KeyId,
        /// Which were tried, in words.
        given: String,
    },
    /// Changed, cut short, or of another store.
    #[error("{}: {found}; put the copy of it in its place that was kept with the key", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        found: &'static str,
    },
    /// The store holds something, and has no keyring.
    #[error("{}: is missing; without it nothing in the store can be read: put the copy of it in its place that was kept with the key", .0.display())]
    Missing(PathBuf),
    /// The store was made without a key.
    #[error("the store is not encrypted, and a key is configured; set store.key = \"none\" to serve it as it is")]
    NotEncrypted,
    /// The store was made with a key, and none is given.
    #[error("the store is encrypted with key {0}, and no key is given")]
    NoKey(KeyId),
}

impl Keyring {
    /// New keys for a store.
    pub(super) fn random(store: Uuid) -> Self {
        Self { store, frames: random(), tree: Tree::whole(random()), used: Vec::new(), erasures: Vec::new() }
    }

    /// Notes that it will be encrypted with this key.
    pub(super) fn note_use(&mut self, key: KeyId) {
        if !self.used.contains(&key) {
            self.used.push(key);
        }
    }

    /// Notes an erasure: whatever key the file was encrypted with until now opens a copy that still has what it erases.
    pub(super) fn note_erasure(&mut self, erasure: [u8; 16]) {
        self.erasures.push((erasure, self.used.len() as u16));
    }

    /// Whether it has done this erasure.
    pub(super) fn has_erased(&self, erasure: &[u8; 16]) -> bool {
        self.erasures.iter().any(|(done, _)| done == erasure)
    }

    /// Whether no copy of the file from before this erasure is opened by the key, as far as it was done at all.
    pub(super) fn is_final_with(&self, key: KeyId, erasure: &[u8; 16]) -> bool {
        let before = self.erasures.iter().find(|(done, _)| done == erasure).map(|(_, before)| usize::from(*before));
        before.is_some_and(|before| !self.used[..before].contains(&key))
    }

    /// The same of all of them: no key is forgotten, so the last one was after the most.
    pub(super) fn are_all_final_with(&self, key: KeyId) -> bool {
        self.erasures.last().is_none_or(|(last, _)| self.is_final_with(key, last))
    }

    /// The bytes of the file.
    fn seal(&self, key: &KeyEncryptionKey) -> Vec<u8> {
        let info = random();
        let keys_bytes =
            32 + 6 + self.used.len() * KEY_ID_BYTES + self.erasures.len() * ERASURE_BYTES + self.tree.written_len();
        let mut head = Vec::with_capacity(HEAD_BYTES + keys_bytes + TAG_BYTES);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(self.store.as_bytes());
        head.extend_from_slice(&key.id().0);
        head.extend_from_slice(&info[..]);
        // Long enough from the start: a vector that grows leaves its old bytes behind.
        let mut keys = Vec::with_capacity(keys_bytes + TAG_BYTES);
        keys.extend_from_slice(&self.frames[..]);
        keys.extend((self.used.len() as u16).to_be_bytes());
        keys.extend((self.erasures.len() as u32).to_be_bytes());
        self.used.iter().for_each(|id| keys.extend_from_slice(&id.0));
        for (erasure, before) in &self.erasures {
            keys.extend_from_slice(erasure);
            keys.extend(before.to_be_bytes());
        }
        self.tree.write(&mut keys);
        RecordKey::derive(&key.0, Kind::Keyring, &info).seal(&[&head], &mut keys);
        head.extend_from_slice(&keys);
        head
    }

    /// The keyring in a file, opened with the first of these keys that fits; and which of them that was.
    pub(super) fn read(path: &Path, store: Uuid, keys: &[KeyEncryptionKey]) -> Result<(Self, usize), KeyringError> {
        let bytes = std::fs::read(path).map_err(|source| KeyringError::Io { path: path.to_owned(), source })?;
        let damaged = |found| KeyringError::Damaged { path: path.to_owned(), found };
        let needed = sealed_with(&bytes).ok_or_else(|| damaged("is no keyring"))?;
        if bytes[8..24] != store.as_bytes()[..] {
            return Err(damaged("belongs to another store"));
        }
        let Some(which) = keys.iter().position(|key| key.id() == needed) else {
            let given: Vec<String> = keys.iter().map(|key| key.id().to_string()).collect();
            return Err(KeyringError::WrongKey { needed, given: given.join(" or ") });
        };
        let (head, sealed) = bytes.split_at(HEAD_BYTES);
        let info: &[u8; INFO_BYTES] = head[HEAD_BYTES - INFO_BYTES..].try_into().expect("cut so");
        let opened = RecordKey::derive(&keys[which].0, Kind::Keyring, info).open(&[head], sealed);
        let opened = Zeroizing::new(opened.map_err(|_| damaged("was changed"))?);
        let keyring = match bytes.starts_with(MAGIC_1) {
            true => Self::opened_1(store, &opened, needed),
            false => Self::opened(store, &opened),
        };
        Ok((keyring.ok_or_else(|| damaged("is of no version that this program knows"))?, which))
    }

    fn opened(store: Uuid, opened: &[u8]) -> Option<Self> {
        let (frames, rest) = opened.split_first_chunk::<32>()?;
        let (used, rest) = rest.split_first_chunk::<2>()?;
        let (erased, rest) = rest.split_first_chunk::<4>()?;
        let count = usize::from(u16::from_be_bytes(*used));
        let erased = usize::try_from(u32::from_be_bytes(*erased)).ok()?;
        let (ids, rest) = rest.split_at_checked(count * KEY_ID_BYTES)?;
        let (erasures, rest) = rest.split_at_checked(erased.checked_mul(ERASURE_BYTES)?)?;
        let erasures = erasures.as_chunks::<ERASURE_BYTES>().0.iter().map(|erasure| {
            let [id @ .., high, low] = erasure;
            (*id, u16::from_be_bytes([*high, *low]))
        });
        let erasures: Vec<([u8; 16], u16)> = erasures.collect();
        let used = ids.as_chunks::<KEY_ID_BYTES>().0.iter().map(|id| KeyId(*id)).collect();
        let (tree, rest) = Tree::read(rest)?;
        let is_whole = erasures.iter().all(|(_, before)| usize::from(*before) <= count);
        (rest.is_empty() && is_whole).then_some(())?;
        Some(Self { store, frames: Zeroizing::new(*frames), tree, used, erasures })
    }

    fn opened_1(store: Uuid, opened: &[u8], key: KeyId) -> Option<Self> {
        let (frames, rest) = opened.split_first_chunk::<32>()?;
        let root = Zeroizing::new(rest.try_into().ok()?);
        let frames = Zeroizing::new(*frames);
        Some(Self { store, frames, tree: Tree::whole(root), used: vec![key], erasures: Vec::new() })
    }

    /// Puts it in a file, in place of what is there. After an error what was there is there.
    pub(super) fn write(&self, path: &Path, key: &KeyEncryptionKey) -> Result<(), KeyringError> {
        let new = path.with_extension("new");
        let folder = path.parent().unwrap_or(Path::new("."));
        let write = || -> io::Result<()> {
            let _ = std::fs::remove_file(&new);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(&self.seal(key))?;
            file.sync_all()?;
            std::fs::rename(&new, path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|source| KeyringError::Io { path: path.to_owned(), source })
    }
}

/// With which key a keyring is encrypted. `None`: these bytes are none.
pub(super) fn sealed_with(bytes: &[u8]) -> Option<KeyId> {
    let is_first = bytes.len() == FILE_BYTES_1 && bytes.starts_with(MAGIC_1);
    (is_first || bytes.len() > HEAD_BYTES + 32 + TAG_BYTES && bytes.starts_with(MAGIC)).then_some(())?;
    Some(KeyId(bytes[24..32].try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: Uuid = Uuid::from_bytes([1; 16]);

    #[test]
    fn a_keyring_reads_back_with_its_key_and_says_which_one_it_needs() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(KEYRING_FILE);
        let (key, other) = (KeyEncryptionKey::random(), KeyEncryptionKey::random());
        let keyring = Keyring::random(STORE);
        keyring.write(&path, &key).expect("written");
        let (needed, wrong) = (key.id(), other.id());
        let (again, which) = Keyring::read(&path, STORE, &[KeyEncryptionKey::random(), key]).expect("read");
        assert!(again.frames == keyring.frames && again.tree == keyring.tree && which == 1);
        let Err(error) = Keyring::read(&path, STORE, &[other]) else { panic!("opened with another key") };
        assert_eq!(
            error.to_string(),
            format!("the store is encrypted with key {needed}, and the key given is {wrong}")
        );
    }

    #[test]
    fn another_key_takes_the_place_of_the_first_and_the_keys_stay_what_they_were() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(KEYRING_FILE);
        let (first, second) = (KeyEncryptionKey::random(), KeyEncryptionKey::random());
        let keyring = Keyring::random(STORE);
        keyring.write(&path, &first).expect("written");
        // Cut in the middle, once: the leftover is in nobody's way.
        std::fs::write(path.with_extension("new"), b"half").expect("written");
        keyring.write(&path, &second).expect("written");
        assert!(matches!(Keyring::read(&path, STORE, &[first]), Err(KeyringError::WrongKey { .. })));
        let (again, _) = Keyring::read(&path, STORE, &[second]).expect("read");
        assert!(again.frames == keyring.frames && again.tree == keyring.tree);
        assert!(!path.with_extension("new").exists());
    }

    #[test]
    fn a_changed_bit_a_missing_byte_and_another_stores_keyring_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(KEYRING_FILE);
        let keys = [KeyEncryptionKey::random()];
        let mut keyring = Keyring::random(STORE);
        keyring.note_use(keys[0].id());
        keyring.write(&path, &keys[0]).expect("written");
        let bytes = std::fs::read(&path).expect("read");
        assert_eq!(bytes.len(), 159);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, flipped).expect("written");
            assert!(Keyring::read(&path, STORE, &keys).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            std::fs::write(&path, &bytes[..length]).expect("written");
            assert!(matches!(Keyring::read(&path, STORE, &keys), Err(KeyringError::Damaged { .. })), "{length} bytes");
        }
        std::fs::write(&path, &bytes).expect("written");
        let Err(error) = Keyring::read(&path, Uuid::from_bytes([2; 16]), &keys) else { panic!("of another store") };
        assert!(error.to_string().contains("belongs to another store"), "{error}");
    }

    #[test]
    fn what_was_erased_is_missing_from_the_file_and_an_erasure_is_final_with_a_key_that_was_never_used_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(KEYRING_FILE);
        let keys: [_; 3] = std::array::from_fn(|_| KeyEncryptionKey::random());
        let [first, second, third] = [0, 1, 2].map(|which: usize| keys[which].id());
        let room = crate::room::ids::RoomId::from_bytes([7; 16]);
        let mut keyring = Keyring::random(STORE);
        keyring.note_use(first);
        keyring.note_use(second);
        assert!(keyring.are_all_final_with(second), "nothing was erased");
        assert!(keyring.tree.erase(room, "region-a", &(0..=20)));
        keyring.note_erasure([5; 16]);
        keyring.note_use(third);
        keyring.write(&path, &keys[1]).expect("written");
        let (again, _) = Keyring::read(&path, STORE, &keys).expect("read");
        assert!(again.tree == keyring.tree && again.tree.leaf(room, "region-a", 20).is_none());
        assert_eq!(again.used, [first, second, third]);
        assert_eq!([first, second, third].map(|key| again.is_final_with(key, &[5; 16])), [false, false, true]);
        assert_eq!([first, second, third].map(|key| again.are_all_final_with(key)), [false, false, true]);
        assert!(again.has_erased(&[5; 16]) && !again.has_erased(&[6; 16]) && !again.is_final_with(third, &[6; 16]));
    }

    /// A file as the first version wrote it: keys of one byte each, under a key of ones.
    #[test]
    fn a_keyring_of_the_first_version_is_read_and_written_as_the_second() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(KEYRING_FILE);
        let keys = [KeyEncryptionKey::random()];
        let mut bytes = Vec::from(MAGIC_1);
        bytes.extend_from_slice(STORE.as_bytes());
        bytes.extend_from_slice(&keys[0].id().0);
        bytes.extend_from_slice(&[9; INFO_BYTES]);
        let mut sealed = [[3; 32], [4; 32]].concat();
        RecordKey::derive(&keys[0].0, Kind::Keyring, &[9; INFO_BYTES]).seal(&[&bytes], &mut sealed);
        bytes.extend(sealed);
        std::fs::write(&path, &bytes).expect("written");
        let (keyring, _) = Keyring::read(&path, STORE, &keys).expect("read");
        assert!(*keyring.frames == [3; 32] && keyring.tree == Tree::whole(Zeroizing::new([4; 32])));
        assert_eq!(keyring.used, [keys[0].id()]);
        keyring.write(&path, &keys[0]).expect("written");
        let bytes = std::fs::read(&path).expect("read");
        assert!(bytes.starts_with(MAGIC));
        let (again, _) = Keyring::read(&path, STORE, &keys).expect("read");
        assert!(again.tree == keyring.tree);
    }
}
