//! What is in a folder of backups, and do its files belong together?
//!
//! One whole backup, and those that go on from it: `0001.backup`, `0002.backup` and so on. A file is
//!
//! ```text
//! "samverkan backup 1\n" ‖ SHA-256 of the file before (0001: zeroes)
//!   ‖ for each part: length u32 ‖ the part as it came, an encoded TakeBackupResponse
//!   ‖ 0 u32 ‖ SHA-256 of all before
//! ```
//!
//! with the highest byte first. Reading checks everything that can be checked without the store's keys: each file's digest, that each goes
//! on from the one before, that each log is without a gap, and that all of it is as much as the store had. Tested here and in
//! `tests/it/backup.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use prost::Message as _;
use sha2::{Digest as _, Sha256};

use super::pb;
use super::pb::take_backup_response::Content;
use crate::limits;

const MAGIC: &[u8] = b"samverkan backup 1\n";
const DIGEST_BYTES: usize = 32;
const SUFFIX: &str = ".backup";
const PART_SUFFIX: &str = ".part";

/// Why a folder of backups can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else is at it.
    #[error("{}: another backup is being added to it", .0.display())]
    Busy(PathBuf),
    /// A file is not what it must be.
    #[error("{}: {found}", path.display())]
    Bad {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        found: String,
    },
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> ChainError + '_ {
    move |source| ChainError::Io { path: path.to_owned(), source }
}

/// What the files of a folder amount to.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// How many files.
    pub files: usize,
    /// The head of the last.
    pub head: pb::BackupHead,
    /// Logs that have frames.
    pub logs: usize,
    /// Bytes of all frames.
    pub bytes: u64,
    /// Which attachments belong to it; their parts are in one of the files.
    pub contents: BTreeSet<[u8; 16]>,
    /// SHA-256 of the last file, its own last bytes apart; with the digests in between it stands for all of them.
    pub sha256: [u8; DIGEST_BYTES],
}

/// Something in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackedUp {
    /// A frame.
    Frame {
        /// UUID of its log.
        log: [u8; 16],
        /// Its number there.
        number: u64,
        /// As it was stored.
        frame: bytes::Bytes,
    },
    /// A part of what an attachment holds.
    Part {
        /// Of which.
        content: [u8; 16],
        /// Which part.
        number: u32,
        /// As it was stored.
        bytes: bytes::Bytes,
    },
}

/// The part of a content that says that it is complete.
const LAST_PART: u32 = u32::MAX;

/// The files of a folder, in order. An error if one is missing in between; other files are left alone.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, ChainError> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(io_at(folder)(error)),
    };
    for entry in entries {
        let path = entry.map_err(io_at(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.strip_suffix(SUFFIX).is_some_and(|number| number.parse::<u32>().is_ok()) {
            found.push(path);
        }
    }
    found.sort();
    for (at, path) in found.iter().enumerate() {
        let expected = name_of(at);
        if path.file_name().is_none_or(|name| name != expected.as_str()) {
            let path = folder.join(expected);
            return Err(ChainError::Bad { path, found: "is missing, and a later one is there".into() });
        }
    }
    Ok(found)
}

fn name_of(at: usize) -> String {
    format!("{:04}{SUFFIX}", at + 1)
}

/// A file that is read, and checked on the way.
struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    digest: Sha256,
    previous: [u8; DIGEST_BYTES],
}

impl Reader {
    fn open(path: &Path) -> Result<Self, ChainError> {
        let file = File::open(path).map_err(io_at(path))?;
        let mut reader = Self {
            path: path.to_owned(),
            file: BufReader::new(file),
            digest: Sha256::new(),
            previous: [0; DIGEST_BYTES],
        };
        let magic = reader.take(MAGIC.len())?;
        if magic != MAGIC {
            return Err(reader.bad("is no backup of this version"));
        }
        let previous = reader.take(DIGEST_BYTES)?;
        reader.previous.copy_from_slice(&previous);
        Ok(reader)
    }

    fn bad(&self, found: impl Into<String>) -> ChainError {
        ChainError::Bad { path: self.path.clone(), found: found.into() }
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, ChainError> {
        let mut bytes = vec![0; length];
        match self.file.read_exact(&mut bytes) {
            Ok(()) => {
                self.digest.update(&bytes);
                Ok(bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.bad("ends too early")),
            Err(error) => Err(io_at(&self.path)(error)),
        }
    }

    /// The next part. `None` at the end, once the file's digest agrees.
    fn next(&mut self) -> Result<Option<Content>, ChainError> {
        let length = self.take(4)?;
        let length = u32::from_be_bytes(length[..].try_into().expect("four bytes")) as usize;
        if length > limits::RESPONSE_BYTES_MAX {
            return Err(self.bad("holds a part that is longer than one can be"));
        }
        if length > 0 {
            let part = pb::TakeBackupResponse::decode(&self.take(length)?[..]);
            let content = part.ok().and_then(|part| part.content);
            return content.map(Some).ok_or_else(|| self.bad("holds a part that can't be read"));
        }
        let digest = self.digest.clone().finalize();
        if self.take(DIGEST_BYTES)? != digest[..] {
            return Err(self.bad("does not match its digest: it was changed"));
        }
        match self.file.read(&mut [0]) {
            Ok(0) => Ok(None),
            Ok(_) => Err(self.bad("goes on after its end")),
            Err(error) => Err(io_at(&self.path)(error)),
        }
    }

    /// Its own digest, once it was read to its end.
    fn sha256(path: &Path) -> Result<[u8; DIGEST_BYTES], ChainError> {
        use std::os::unix::fs::FileExt as _;
        let mut digest = [0; DIGEST_BYTES];
        let file = File::open(path).map_err(io_at(path))?;
        let length = file.metadata().map_err(io_at(path))?.len();
        let at = length
            .checked_sub(DIGEST_BYTES as u64)
            .ok_or_else(|| ChainError::Bad { path: path.to_owned(), found: "ends too early".into() })?;
        file.read_exact_at(&mut digest, at).map_err(io_at(path))?;
        Ok(digest)
    }
}

/// The frames of all files, in order, each checked as it comes. The last is only good if no error follows.
pub struct Frames {
    files: std::vec::IntoIter<PathBuf>,
    reader: Option<Reader>,
    /// Of the file that is read.
    head: Option<pb::BackupHead>,
    in_file: u64,
    file_digest: Sha256,
    has_ended: bool,
    waiting: std::vec::IntoIter<pb::BackupFrame>,
    next: BTreeMap<[u8; 16], u64>,
    bytes: u64,
    /// Of each content, the part that came last.
    parts: BTreeMap<[u8; 16], u32>,
    /// Which contents the file that is read says that there are.
    listed: BTreeSet<[u8; 16]>,
    whole: Option<Whole>,
    has_failed: bool,
}

impl Frames {
    /// Those of a folder. An error if there are none.
    pub fn of(folder: &Path) -> Result<Self, ChainError> {
        let files = files(folder)?;
        if files.is_empty() {
            return Err(ChainError::Bad { path: folder.to_owned(), found: "holds no backup".into() });
        }
        Ok(Self {
            files: files.into_iter(),
            reader: None,
            head: None,
            in_file: 0,
            file_digest: Sha256::new(),
            has_ended: false,
            waiting: Vec::new().into_iter(),
            next: BTreeMap::new(),
            bytes: 0,
            parts: BTreeMap::new(),
            listed: BTreeSet::new(),
            whole: None,
            has_failed: false,
        })
    }

    /// Reads all that is left, and says what all of it amounts to.
    pub fn finish(mut self) -> Result<Whole, ChainError> {
        while let Some(frame) = self.step()? {
            drop(frame);
        }
        self.whole.ok_or_else(|| ChainError::Bad { path: PathBuf::new(), found: "holds no backup".into() })
    }

    fn step(&mut self) -> Result<Option<BackedUp>, ChainError> {
        loop {
            if let Some(frame) = self.waiting.next() {
                return self.frame(frame).map(Some);
            }
            let Some(reader) = &mut self.reader else {
                let Some(path) = self.files.next() else { return Ok(None) };
                let reader = Reader::open(&path)?;
                let expected = self.whole.as_ref().map_or([0; DIGEST_BYTES], |whole| whole.sha256);
                if reader.previous != expected {
                    return Err(reader.bad("does not go on from the file before it"));
                }
                self.reader = Some(reader);
                continue;
            };
            match reader.next()? {
                Some(Content::Part(part)) if self.head.is_some() && !self.has_ended => {
                    return self.part_of_attachment(part).map(Some);
                }
                Some(content) => self.part(content)?,
                None => self.end_file()?,
            }
        }
    }

    fn bad(&self, found: impl Into<String>) -> ChainError {
        let path = self.reader.as_ref().map(|reader| reader.path.clone()).unwrap_or_default();
        ChainError::Bad { path, found: found.into() }
    }

    fn part(&mut self, content: Content) -> Result<(), ChainError> {
        match content {
            Content::Head(head) if self.head.is_none() => {
                let before = self.whole.as_ref().map(|whole| &whole.head);
                if before.is_some_and(|before| before.store_id != head.store_id) {
                    return Err(self.bad("is of another store than the file before it"));
                }
                if head.after_commit != before.map_or(0, |before| before.commit) {
                    return Err(self.bad("does not go on from the file before it"));
                }
                (self.head, self.in_file, self.file_digest, self.has_ended) = (Some(head), 0, Sha256::new(), false);
                self.listed.clear();
                Ok(())
            }
            Content::Frames(pb::BackupFrames { frames }) if self.head.is_some() && !self.has_ended => {
                self.waiting = frames.into_iter();
                Ok(())
            }
            Content::Contents(pb::BackupContents { contents }) if self.head.is_some() && !self.has_ended => {
                for content in contents {
                    let content = content[..].try_into().map_err(|_| self.bad("names no attachment"))?;
                    self.listed.insert(content);
                }
                Ok(())
            }
            Content::End(pb::BackupEnd { frames, sha256, attachments_left_out: _ })
                if self.head.is_some() && !self.has_ended =>
            {
                if frames != self.in_file || sha256[..] != self.file_digest.clone().finalize()[..] {
                    return Err(self.bad("does not hold what the server sent"));
                }
                self.has_ended = true;
                Ok(())
            }
            _ => Err(self.bad("holds its parts in another order than they are sent in")),
        }
    }

    fn part_of_attachment(&mut self, part: pb::BackupPart) -> Result<BackedUp, ChainError> {
        let pb::BackupPart { content, number, bytes } = part;
        let content: [u8; 16] = content[..].try_into().map_err(|_| self.bad("holds a part of no attachment"))?;
        let before = self.parts.insert(content, number);
        // A later file has one anew only from its first part on.
        if number != 0 && number != LAST_PART && before.is_none_or(|before| before.checked_add(1) != Some(number)) {
            return Err(self.bad("holds the parts of an attachment in another order than they are sent in"));
        }
        self.file_digest.update(content);
        self.file_digest.update(u64::from(number).to_be_bytes());
        self.file_digest.update((bytes.len() as u64).to_be_bytes());
        self.file_digest.update(&bytes);
        Ok(BackedUp::Part { content, number, bytes })
    }

    fn frame(&mut self, frame: pb::BackupFrame) -> Result<BackedUp, ChainError> {
        let pb::BackupFrame { log, number, frame } = frame;
        let log: [u8; 16] = log[..].try_into().map_err(|_| self.bad("holds a frame of no log"))?;
        if frame.len() > limits::FRAME_BYTES_MAX {
            return Err(self.bad("holds a frame that is longer than one can be"));
        }
        let expected = self.next.entry(log).or_default();
        if number != *expected {
            let found = format!("log {}: frame {number} is there, {expected} is next", uuid::Uuid::from_bytes(log));
            return Err(self.bad(found));
        }
        *expected += 1;
        self.in_file += 1;
        self.file_digest.update(log);
        self.file_digest.update(number.to_be_bytes());
        self.file_digest.update((frame.len() as u64).to_be_bytes());
        self.file_digest.update(&frame);
        self.bytes += frame.len() as u64;
        Ok(BackedUp::Frame { log, number, frame })
    }

    fn end_file(&mut self) -> Result<(), ChainError> {
        let (Some(head), true) = (self.head.take(), self.has_ended) else {
            return Err(self.bad("ends before the backup does"));
        };
        let total: u64 = self.next.values().sum();
        if total != head.total_frames || self.in_file != head.frames {
            return Err(self.bad(format!("{total} frames are there, the store had {}", head.total_frames)));
        }
        if let Some(lacking) = self.listed.iter().find(|content| self.parts.get(*content) != Some(&LAST_PART)) {
            let found = format!("attachment {} belongs to it, and is not there", uuid::Uuid::from_bytes(*lacking));
            return Err(self.bad(found));
        }
        let path = self.reader.take().map(|reader| reader.path).unwrap_or_default();
        let sha256 = Reader::sha256(&path)?;
        let files = self.whole.as_ref().map_or(0, |whole| whole.files);
        let (logs, bytes, contents) = (self.next.len(), self.bytes, self.listed.clone());
        self.whole = Some(Whole { files: files + 1, head, logs, bytes, contents, sha256 });
        Ok(())
    }
}

impl Iterator for Frames {
    type Item = Result<BackedUp, ChainError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let step = self.step();
        self.has_failed = step.is_err();
        step.transpose()
    }
}

/// The head of the last file of a folder, to go on from; and its digest, which is checked: nothing is to stand on a file that was changed.
/// Those before it are not read.
pub fn last(folder: &Path) -> Result<Option<(pb::BackupHead, [u8; DIGEST_BYTES])>, ChainError> {
    let Some(path) = files(folder)?.pop() else { return Ok(None) };
    let mut reader = Reader::open(&path)?;
    let Some(Content::Head(head)) = reader.next()? else { return Err(reader.bad("does not begin as a backup does")) };
    while reader.next()?.is_some() {}
    Ok(Some((head, Reader::sha256(&path)?)))
}

/// The next file of a folder, while it is written. Until it is finished there is nothing under its name.
pub struct NewFile {
    path: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
    digest: Sha256,
    _turn: Turn,
}

/// A folder of backups, kept from others who would add to it.
pub struct Turn {
    folder: PathBuf,
    /// Whether it was not there before.
    is_new: bool,
    _lock: File,
}

impl Turn {
    /// Takes the folder, which is made if it is not there.
    pub fn take(folder: &Path) -> Result<Self, ChainError> {
        let is_new = !folder.exists();
        if is_new {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_at(folder))?;
        }
        let lock = File::open(folder).map_err(io_at(folder))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| ChainError::Busy(folder.to_owned()))?;
        Ok(Self { folder: folder.to_owned(), is_new, _lock: lock })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_new {
            // If nothing came of it: a folder that holds something stays.
            let _ = std::fs::remove_dir(&self.folder);
        }
    }
}

impl NewFile {
    /// Begins it. `previous`: the digest of the file before it.
    pub fn begin(turn: Turn, previous: Option<[u8; DIGEST_BYTES]>) -> Result<Self, ChainError> {
        let folder = &turn.folder;
        let path = folder.join(name_of(files(folder)?.len()));
        let part = PathBuf::from(format!("{}{PART_SUFFIX}", path.display()));
        // What an earlier one left that was cut.
        let _ = std::fs::remove_file(&part);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).map_err(io_at(&part))?;
        let mut new = Self { path, part, file: BufWriter::new(file), digest: Sha256::new(), _turn: turn };
        new.write(MAGIC)?;
        new.write(&previous.unwrap_or_default())?;
        Ok(new)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ChainError> {
        self.digest.update(bytes);
        self.file.write_all(bytes).map_err(io_at(&self.part))
    }

    /// Adds a part, as it came.
    pub fn add(&mut self, part: &pb::TakeBackupResponse) -> Result<(), ChainError> {
        let bytes = part.encode_to_vec();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.write(&length.to_be_bytes())?;
        self.write(&bytes)
    }

    /// Makes it durable under its name. Its path, and its digest.
    pub fn finish(mut self) -> Result<(PathBuf, [u8; DIGEST_BYTES]), ChainError> {
        self.write(&0_u32.to_be_bytes())?;
        let sha256: [u8; DIGEST_BYTES] = self.digest.clone().finalize().into();
        self.write(&sha256)?;
        let (part, path) = (self.part.clone(), self.path.clone());
        let sync = |file: &mut BufWriter<File>| {
            file.flush()?;
            file.get_ref().sync_all()?;
            std::fs::rename(&part, &path)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder)?.sync_all()
        };
        sync(&mut self.file).map_err(io_at(&path))?;
        Ok((path, sha256))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Nothing, once it was renamed.
        let _ = std::fs::remove_file(&self.part);
    }
}
