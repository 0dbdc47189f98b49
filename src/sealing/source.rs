//! Where does the key come from that is not in the store?
//!
//! From a file, from systemd (`LoadCredential=` and `LoadCredentialEncrypted=`), or from a descriptor that the parent process opened.
//! What is read is two lines of text, so that a wrong file is not taken for a key: a title, and 32 random bytes in base64.
//!
//! Tested here.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const TITLE: &str = "samverkan key-encryption key 1";
const KEY_BYTES: usize = 32;
/// A key and its title are 76 bytes.
const TEXT_BYTES_MAX: u64 = 1024;

/// Where a key-encryption key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// In a file that nobody else can read.
    File(PathBuf),
    /// A credential of the service, of this name.
    Credential(String),
    /// Behind a descriptor whose number stands in this environment variable.
    Descriptor(String),
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeySourceError {
    /// Nothing can be read there.
    #[error("{at}: {source}")]
    Io {
        /// Where.
        at: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file's mode lets others read it.
    #[error("{}: others can read it (mode {mode:03o}); `chmod 400` it", path.display())]
    Readable {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The environment does not say where.
    #[error("{0}")]
    Environment(String),
    /// Something else lies there.
    #[error("{at}: is no key of ours; it must be what `samverkan keys create` writes")]
    NoKey {
        /// Where.
        at: String,
    },
}

/// Which key-encryption key: the first 8 bytes of a digest of it, which may be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId(pub(super) [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A key that encrypts a keyring and nothing else.
#[derive(Clone)]
pub struct KeyEncryptionKey(pub(super) Zeroizing<[u8; KEY_BYTES]>);

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyEncryptionKey({})", self.id())
    }
}

impl KeyEncryptionKey {
    /// A new one.
    pub fn random() -> Self {
        Self(random())
    }

    /// Which one it is.
    pub fn id(&self) -> KeyId {
        let digest = Sha256::new().chain_update(b"samverkan/key-id/1").chain_update(&self.0[..]).finalize();
        KeyId(std::array::from_fn(|byte| digest[byte]))
    }

    /// What its file holds.
    fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{TITLE}\n{}\n", *Zeroizing::new(BASE64.encode(&self.0[..]))))
    }

    /// Writes it to a file that only its owner can read, durably. An error if there is one already.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(path)?;
        file.write_all(self.to_text().as_bytes())?;
        file.sync_all()
    }

    fn of_text(text: &str) -> Option<Self> {
        let (title, key) = text.trim_end().split_once('\n')?;
        let bytes = Zeroizing::new(BASE64.decode(key.trim_end()).ok()?);
        (title.trim_end() == TITLE).then_some(())?;
        Some(Self(Zeroizing::new(bytes[..].try_into().ok()?)))
    }
}

/// 32 bytes from the system's generator.
pub(super) fn random() -> Zeroizing<[u8; KEY_BYTES]> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new().fill(&mut bytes[..]).expect("the system's generator gives random bytes");
    bytes
}

impl KeySource {
    /// A file with a key, which is made if there is none: to try things out.
    pub fn made_if_missing(path: PathBuf) -> io::Result<Self> {
        match KeyEncryptionKey::random().write(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(Self::File(path)),
        }
    }

    /// Reads the first, and those after it that are still there: a former key that was destroyed is not missed.
    pub fn load_all(sources: &[Self]) -> Result<Vec<KeyEncryptionKey>, KeySourceError> {
        let Some((first, former)) = sources.split_first() else { return Ok(Vec::new()) };
        let mut keys = vec![first.load()?];
        for source in former {
            match source.load() {
                Ok(key) => keys.push(key),
                Err(problem) => {
                    tracing::warn!(%problem, "store.former_key can't be read; leave it out once it is not needed")
                }
            }
        }
        Ok(keys)
    }

    /// Reads the key. A descriptor can be read once, if it is a pipe.
    pub fn load(&self) -> Result<KeyEncryptionKey, KeySourceError> {
        match self {
            Self::File(path) => {
                let mode = std::fs::metadata(path).map_err(|source| failed(path, source))?.mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(KeySourceError::Readable { path: path.clone(), mode });
                }
                read(path)
            }
            Self::Credential(name) => {
                let folder =
                    environment("CREDENTIALS_DIRECTORY", "systemd sets it for a service with LoadCredential=")?;
                read(&Path::new(&folder).join(name))
            }
            Self::Descriptor(variable) => {
                let number = environment(variable, "it must hold the number of an open descriptor")?;
                let number: u32 = number.parse().map_err(|_| {
                    KeySourceError::Environment(format!("{variable}: must be the number of an open descriptor"))
                })?;
                read(&Path::new("/dev/fd").join(number.to_string()))
            }
        }
    }
}

fn environment(variable: &str, hint: &str) -> Result<String, KeySourceError> {
    std::env::var(variable).map_err(|_| KeySourceError::Environment(format!("{variable} is not set; {hint}")))
}

fn failed(path: &Path, source: io::Error) -> KeySourceError {
    KeySourceError::Io { at: path.display().to_string(), source }
}

fn read(path: &Path) -> Result<KeyEncryptionKey, KeySourceError> {
    let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES_MAX as usize));
    let no_key = || KeySourceError::NoKey { at: path.display().to_string() };
    match File::open(path).and_then(|file| file.take(TEXT_BYTES_MAX).read_to_string(&mut text)) {
        Ok(_) => KeyEncryptionKey::of_text(&text).ok_or_else(no_key),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(no_key()),
        Err(error) => Err(failed(path, error)),
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Credential(name) => write!(f, "credential:{name}"),
            Self::Descriptor(variable) => write!(f, "fd:{variable}"),
        }
    }
}

/// Why a text names no source of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a file, credential:NAME or fd:VARIABLE")]
pub struct NoSource;

impl FromStr for KeySource {
    type Err = NoSource;

    fn from_str(text: &str) -> Result<Self, NoSource> {
        let named = |name: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
            (!name.is_empty() && !name.starts_with('.') && name.chars().all(fits)).then(|| name.to_owned())
        };
        if let Some(name) = text.strip_prefix("credential:") {
            return named(name).map(Self::Credential).ok_or(NoSource);
        }
        if let Some(variable) = text.strip_prefix("fd:") {
            return named(variable).map(Self::Descriptor).ok_or(NoSource);
        }
        if text.is_empty() { Err(NoSource) } else { Ok(Self::File(text.into())) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn written(text: &[u8], mode: u32) -> (tempfile::TempDir, KeySource) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.key");
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("its mode");
        (folder, KeySource::File(path))
    }

    #[test]
    fn a_key_reads_back_and_does_not_show_itself() {
        let key = KeyEncryptionKey::random();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.key");
        key.write(&path).expect("written");
        assert!(KeyEncryptionKey::random().write(&path).is_err(), "a key is never overwritten");
        let again = KeySource::made_if_missing(path).expect("there").load().expect("a key");
        assert_eq!(again.0, key.0);
        assert_eq!(again.id(), key.id());
        assert_eq!(format!("{key:?}"), format!("KeyEncryptionKey({})", key.id()));
        assert_ne!(KeyEncryptionKey::random().id(), key.id());
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let key = KeyEncryptionKey::random();
        for mode in [0o440, 0o404, 0o644, 0o620] {
            let (_folder, source) = written(key.to_text().as_bytes(), mode);
            let error = source.load().expect_err("refused").to_string();
            assert!(error.ends_with(&format!("others can read it (mode {mode:03o}); `chmod 400` it")), "{error}");
        }
    }

    #[test]
    fn anything_else_is_no_key() {
        let text = KeyEncryptionKey::random().to_text();
        let (title, key) = text.split_once('\n').expect("two lines");
        for text in [
            "",
            title,
            key,
            &format!("{title}\n"),
            &format!("{title}\n{}\n", &key[4..]),
            &format!("{title}\nAAAA{key}"),
            &format!("{title} 2\n{key}"),
            &format!("{key}\n{title}\n"),
        ] {
            let (_folder, source) = written(text.as_bytes(), 0o400);
            assert!(matches!(source.load(), Err(KeySourceError::NoKey { .. })), "{text:?}");
        }
        let (_folder, source) = written(&[0xff; 100], 0o400);
        assert!(matches!(source.load(), Err(KeySourceError::NoKey { .. })));
        let missing = KeySource::File("/nonexistent/store.key".into()).load().expect_err("nothing there").to_string();
        assert!(missing.starts_with("/nonexistent/store.key: "), "{missing}");
    }

    #[test]
    fn a_source_is_a_file_a_credential_or_a_descriptor() {
        for text in ["store.key", "/etc/samverkan/store.key", "credential:store-key", "fd:SAMVERKAN_KEY_FD"] {
            assert_eq!(text.parse::<KeySource>().expect("a source").to_string(), text);
        }
        for text in ["", "credential:", "credential:../store-key", "credential:a/b", "fd:", "fd:a=b"] {
            assert_eq!(text.parse::<KeySource>(), Err(NoSource), "{text:?}");
        }
    }

    #[test]
    fn an_unset_variable_is_named() {
        let error = KeySource::Descriptor("SAMVERKAN_TEST_UNSET".into()).load().expect_err("unset").to_string();
        assert!(error.starts_with("SAMVERKAN_TEST_UNSET is not set; "), "{error}");
    }
}
