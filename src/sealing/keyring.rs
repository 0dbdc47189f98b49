//! The file in the store that holds its keys, encrypted: which are they, and who can read them?
//!
//! `magic[8] ‖ store id[16] ‖ id of the key-encryption key[8] ‖ info[32] ‖ ciphertext(frame key[32] ‖ root of the tree[32]) ‖ tag[16]`,
//! 144 bytes. It is replaced as a whole: written anew, synced, renamed, and its folder synced. So after a cut it is one keyring or the
//! other, and to change the key-encryption key is to write these bytes again, whatever the store holds.
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
use super::tree::Node;

/// Its name in the store's folder.
pub const KEYRING_FILE: &str = "keyring";
const MAGIC: &[u8; 8] = b"samvkr/1";
const KEYS_BYTES: usize = 64;
const HEAD_BYTES: usize = 8 + 16 + 8 + INFO_BYTES;
const FILE_BYTES: usize = HEAD_BYTES + KEYS_BYTES + TAG_BYTES;

/// The keys of a store.
pub struct Keyring {
    pub(super) store: Uuid,
    pub(super) frames: Node,
    pub(super) root: Node,
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
        Self { store, frames: random(), root: random() }
    }

    /// The bytes of the file.
    fn seal(&self, key: &KeyEncryptionKey) -> Vec<u8> {
        let info = random();
        let mut head = Vec::with_capacity(FILE_BYTES);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(self.store.as_bytes());
        head.extend_from_slice(&key.id().0);
        head.extend_from_slice(&info[..]);
        // Long enough from the start: a vector that grows leaves its old bytes behind.
        let mut keys = Vec::with_capacity(KEYS_BYTES + TAG_BYTES);
        keys.extend_from_slice(&self.frames[..]);
        keys.extend_from_slice(&self.root[..]);
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
        let node = |bytes: &[u8]| Zeroizing::new(bytes.try_into().expect("cut so"));
        let (frames, root) = opened.split_at(KEYS_BYTES / 2);
        Ok((Self { store, frames: node(frames), root: node(root) }, which))
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
    (bytes.len() == FILE_BYTES && bytes.starts_with(MAGIC)).then_some(())?;
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
        assert_eq!((&again.frames, &again.root, which), (&keyring.frames, &keyring.root, 1));
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
        assert_eq!((again.frames, again.root), (keyring.frames, keyring.root));
        assert!(!path.with_extension("new").exists());
    }

    #[test]
    fn a_changed_bit_a_missing_byte_and_another_stores_keyring_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(KEYRING_FILE);
        let keys = [KeyEncryptionKey::random()];
        Keyring::random(STORE).write(&path, &keys[0]).expect("written");
        let bytes = std::fs::read(&path).expect("read");
        assert_eq!(bytes.len(), FILE_BYTES);
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
}
