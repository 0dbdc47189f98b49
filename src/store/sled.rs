//! The store on disk: what of sled do we trust, and what do we add?
//!
//! sled 0.34 keeps keys in order and makes a batch atomic. It does not make anything durable by itself (its `flush` is no fsync),
//! and its recovery drops a damaged tail silently. So each commit is one batch, `flush`, then `fdatasync` on sled's file through a
//! descriptor of our own; a high-water file outside sled tells at the next start whether all of it came back; the first error is
//! final; and a panic in sled is an error like any other.
//! Leans on: `limits`, and `sled/`: `keys` (layout), `format`, `position`, `high_water`, `open` (which checks); `alone` measures it. Upholds: R1.
//! Tested by `conformance`, `sled::tests`, and by power cuts and kills in `tests/powercut`.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use crate::contents::Storage;
use crate::danger::{self, Danger};
use crate::limits::FRAME_BYTES_MAX;
use crate::room::ids::{RoomId, Timestamp};
use crate::sealing::{Holds, KeyEncryptionKey, KeyringError, Vault};
use crate::store::{Frame, Store, StoreError, StoredFrame};

pub(crate) mod alone;
mod backup;
mod format;
mod high_water;
mod keys;
mod open;
mod position;
#[cfg(test)]
mod tests;

pub use backup::{RestoreError, Restored, restore};
pub use open::OpenError;

use high_water::HighWater;
use keys::{Found, FrameKey, Meta, Walk};
use position::Position;

/// How long a measurement of free space is believed.
const SPACE_CHECK_EVERY: Duration = Duration::from_millis(100);

/// sled's threads get this long to end when the store closes. Everything acknowledged is durable by then.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

/// How a store is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SledOptions {
    /// Free MiB on the store's disk below which nothing is written. A commit is at most some MiB, and sled's own upkeep needs
    /// room too; less than 16 asks for trouble.
    pub reserve_mib: u64,
    /// MiB of memory for sled's page cache.
    pub cache_mib: u64,
    /// Open a store that is behind its high-water file, or has none, and record that. Acknowledged messages may be missing from it.
    pub accept_rollback: bool,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self { reserve_mib: 64, cache_mib: 256, accept_rollback: false }
    }
}

/// A store in a directory of its own. Open at most once, by one process.
pub struct SledStore {
    dir: PathBuf,
    /// `None` only while dropping.
    db: Option<sled::Db>,
    /// sled's file, through a descriptor of our own, to sync it.
    db_file: File,
    high_water: HighWater,
    /// Which store this is: drawn when it was made.
    id: Uuid,
    secret: [u8; 32],
    vault: Vault,
    contents: Storage,
    has_rolled_back: bool,
    syncs: bool,
    tip: Mutex<Tip>,
    /// The number of durable frames of each room: readers see these and no others.
    durable: RwLock<BTreeMap<RoomId, u64>>,
    /// Makes the next sync fail, as a broken disk would.
    #[cfg(test)]
    sync_fails: std::sync::atomic::AtomicBool,
    /// Declared last: released when everything else is closed.
    _lock: File,
}

/// Where the next commit goes. Locked for as long as a commit takes.
struct Tip {
    position: Position,
    /// The first error; the answer to every later commit.
    failed: Option<StoreError>,
    reserve_mib: u64,
    space: Option<(Instant, u64)>,
}

/// Why the keys of a store can't be had.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// No key fits.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// What it holds can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What can go wrong inside sled.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Sled(#[from] sled::Error),
    #[error("sled panicked: {0}")]
    Panic(String),
}

/// Calls into sled, which panics on what it does not expect on disk.
fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, Trouble> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => Ok(result?),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(Trouble::Panic(text.unwrap_or("without a message").to_owned()))
        }
    }
}

impl SledStore {
    /// Opens the store in `dir`, or makes one there if it is missing or empty (a `lost+found` aside). Takes about a second per
    /// million frames: every key is looked at.
    pub fn open(dir: &Path, options: SledOptions) -> Result<Self, OpenError> {
        let syncs = !danger::is_on(Danger::NoFsync);
        let opened = open::open(dir, &options, syncs)?;
        let path = dir.join(open::DB_FILE);
        let contents = dir.join(open::CONTENTS);
        let contents = Storage::in_folder(contents.clone(), options.reserve_mib).map_err(|error| OpenError::Io {
            what: "opening",
            path: contents,
            source: std::io::Error::other(error),
        })?;
        let db_file = File::open(&path).map_err(|source| OpenError::Io { what: "opening", path, source })?;
        if !syncs {
            tracing::warn!("commits are not synced: this store loses data in a power cut");
        }
        Ok(Self {
            dir: dir.to_owned(),
            db: Some(opened.db),
            db_file,
            high_water: opened.high_water,
            id: opened.id,
            secret: opened.secret,
            vault: Vault::none(),
            contents,
            has_rolled_back: opened.has_rolled_back,
            syncs,
            tip: Mutex::new(Tip {
                position: opened.position,
                failed: None,
                reserve_mib: options.reserve_mib,
                space: None,
            }),
            durable: RwLock::new(opened.rooms),
            #[cfg(test)]
            sync_fails: std::sync::atomic::AtomicBool::new(false),
            _lock: opened.lock,
        })
    }

    /// Commits since the store in `dir` was made, as its high-water file has it; also while another process serves it. `None`: that
    /// file can't be read, or nothing of it is whole.
    pub(crate) fn commits_in(dir: &Path) -> Option<u64> {
        Some(high_water::read(&dir.join(open::HIGH_WATER_FILE)).ok()??.position.commit)
    }

    /// Which store this is: drawn when it was made.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Takes the keys for what it holds: those in its keyring, which `keys` opens ([`Vault::open`]). No keys: it is not encrypted.
    pub fn unlock(&mut self, keys: &[KeyEncryptionKey]) -> Result<(), UnlockError> {
        let rooms = self.rooms()?;
        // A room that is damaged says nothing about the others.
        let readable = rooms.iter().filter_map(|&room| self.read(room, 0..1, 1).ok()?.pop());
        let holds = match readable.map(|frame| Holds::of_frame(&frame.bytes)).next() {
            Some(holds) => holds,
            None if rooms.is_empty() => Holds::Nothing,
            None => Holds::Encrypted,
        };
        self.vault = Vault::open(&self.dir, self.id, holds, keys)?;
        Ok(())
    }

    /// Keeps what attachments hold elsewhere than in a folder of the store. Before it is served.
    pub fn keep_contents_in(&mut self, contents: Storage) {
        self.contents = contents;
    }

    /// The rollbacks that were ever accepted in this store, in words, oldest first.
    pub fn rollbacks(&self) -> std::io::Result<Vec<String>> {
        open::rollbacks(&self.dir)
    }

    /// The audit trail has it: less than was acknowledged was accepted.
    pub fn rollback_is_on_record(&self) {
        open::forget_restored(&self.dir);
    }

    /// Whether less than was acknowledged was accepted as it was opened, or it was restored from a backup since it was last served.
    pub fn has_rolled_back(&self) -> bool {
        self.has_rolled_back
    }

    /// Commits since the store was made.
    pub fn commits(&self) -> u64 {
        self.tip().position.commit
    }

    fn tip(&self) -> MutexGuard<'_, Tip> {
        self.tip.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn db(&self) -> &sled::Db {
        self.db.as_ref().expect("only drop takes it")
    }

    fn durable_frames(&self, room: RoomId) -> u64 {
        self.durable.read().unwrap_or_else(PoisonError::into_inner).get(&room).copied().unwrap_or(0)
    }

    fn snapshots(&self) -> PathBuf {
        self.dir.join(open::SNAPSHOTS)
    }

    /// Not synced: a file that a power cut leaves half written does not agree with its own digest.
    fn write_snapshot(&self, room: RoomId, bytes: &[u8]) -> Result<(), String> {
        let mut tip = self.tip();
        if self.free_mib(&mut tip)? < tip.reserve_mib + bytes.len() as u64 / (1024 * 1024) {
            return Err("too little space".to_owned());
        }
        drop(tip);
        let directory = self.snapshots();
        let (written, kept) = (directory.join(format!("{room}.new")), directory.join(room.to_string()));
        std::fs::create_dir_all(&directory)
            .and_then(|()| std::fs::write(&written, bytes))
            .and_then(|()| std::fs::rename(&written, &kept))
            .map_err(|error| format!("{}: {error}", written.display()))
    }

    fn free_mib(&self, tip: &mut Tip) -> Result<u64, String> {
        if let Some((at, free_mib)) = tip.space
            && at.elapsed() < SPACE_CHECK_EVERY
        {
            return Ok(free_mib);
        }
        let space = rustix::fs::statvfs(&self.dir).map_err(|error| format!("asking for free space: {error}"))?;
        let free_mib = space.f_bavail.saturating_mul(space.f_frsize) / (1024 * 1024);
        tip.space = Some((Instant::now(), free_mib));
        Ok(free_mib)
    }

    /// Checks that each room's frames follow on what it has; gives the rooms' new numbers of frames.
    fn check(&self, frames: &[Frame]) -> Result<BTreeMap<RoomId, u64>, String> {
        let mut next = BTreeMap::new();
        for frame in frames {
            let expected = next.entry(frame.room).or_insert_with(|| self.durable_frames(frame.room));
            if frame.number != *expected {
                return Err(format!("room {}: frame {} was given, {expected} is next", frame.room, frame.number));
            }
            if frame.bytes.len() > FRAME_BYTES_MAX {
                let length = frame.bytes.len();
                return Err(format!("a frame of {length} bytes was given, {FRAME_BYTES_MAX} is the limit"));
            }
            *expected += 1;
        }
        Ok(next)
    }

    fn write(&self, tip: &mut Tip, frames: &[Frame], now: Timestamp) -> Result<(), String> {
        let next = self.check(frames)?;
        let position = tip.position.after(frames, now);
        let mut batch = sled::Batch::default();
        for frame in frames {
            for (part, value) in (0..).zip(keys::parts(&frame.bytes)) {
                batch.insert(&FrameKey { room: frame.room, number: frame.number, part }.encode(), value);
            }
        }
        batch.insert(&Meta::Position.key(), position.encode().to_vec());
        guarded(|| {
            self.db().apply_batch(batch)?;
            self.db().flush()
        })
        .map_err(|trouble| trouble.to_string())?;
        self.sync()?;
        self.high_water.record(&position).map_err(|error| format!("writing the high-water file: {error}"))?;
        tip.position = position;
        self.durable.write().unwrap_or_else(PoisonError::into_inner).extend(next);
        Ok(())
    }

    fn sync(&self) -> Result<(), String> {
        #[cfg(test)]
        if self.sync_fails.load(std::sync::atomic::Ordering::SeqCst) {
            return Err("fdatasync: told to fail".to_owned());
        }
        if self.syncs {
            rustix::fs::fdatasync(&self.db_file).map_err(|error| format!("fdatasync: {error}"))?;
        }
        Ok(())
    }

    fn read_guarded(&self, room: RoomId, numbers: Range<u64>, bytes_max: usize) -> Result<Vec<StoredFrame>, ReadError> {
        let (first, end) = (numbers.start, numbers.end.min(self.durable_frames(room)));
        let key = |number| FrameKey { room, number, part: 0 }.encode();
        let mut frames = Vec::new();
        if first >= end {
            return Ok(frames);
        }
        let mut walk = Walk::from(room, first);
        let mut bytes = 0_usize;
        let mut frame: Vec<u8> = Vec::new();
        let mut values = self.db().range(key(first)..key(end));
        let mut number = first;
        while number < end && (frames.is_empty() || bytes < bytes_max) {
            let Some((key, value)) = guarded(|| values.next().transpose())? else {
                return Err(ReadError::Gap(format!("room {room}, frame {number} is missing")));
            };
            let Found::Frame(key) = keys::parse(&key) else {
                return Err(ReadError::Gap(format!("room {room} holds a key that is no frame's")));
            };
            frame.extend_from_slice(&value);
            if walk.step(key, &value).map_err(ReadError::Gap)? {
                bytes += frame.len();
                frames.push(StoredFrame { number, bytes: Bytes::from(std::mem::take(&mut frame)) });
                number += 1;
            }
        }
        Ok(frames)
    }
}

enum ReadError {
    Gap(String),
    Sled(Trouble),
}

impl From<Trouble> for ReadError {
    fn from(trouble: Trouble) -> Self {
        Self::Sled(trouble)
    }
}

impl Store for SledStore {
    fn commit(&self, frames: &[Frame], now: Timestamp) -> Result<(), StoreError> {
        let mut tip = self.tip();
        if let Some(failed) = &tip.failed {
            return Err(failed.clone());
        }
        if frames.is_empty() {
            return Ok(());
        }
        let written = match self.free_mib(&mut tip) {
            Ok(free_mib) if free_mib < tip.reserve_mib => {
                return Err(StoreError::Full { free_mib, reserve_mib: tip.reserve_mib });
            }
            Ok(_) => self.write(&mut tip, frames, now),
            Err(why) => Err(why),
        };
        written.map_err(|why| {
            tracing::error!(%why, "a commit failed, no later one will be tried");
            tip.failed.insert(StoreError::Failed(why)).clone()
        })
    }

    fn read(&self, room: RoomId, numbers: Range<u64>, bytes_max: usize) -> Result<Vec<StoredFrame>, StoreError> {
        self.read_guarded(room, numbers, bytes_max).map_err(|error| match error {
            ReadError::Gap(found) => StoreError::Damaged(found),
            // Also what sled answers to every call once a write of its own has failed: nothing is wrong with what is stored.
            ReadError::Sled(Trouble::Sled(error @ sled::Error::Io(_))) => {
                StoreError::Failed(format!("reading room {room}: {error}"))
            }
            ReadError::Sled(trouble) => StoreError::Damaged(format!("reading room {room}: {trouble}")),
        })
    }

    fn snapshot(&self, room: RoomId) -> Option<Vec<u8>> {
        let kept = std::fs::read(self.snapshots().join(room.to_string())).ok()?;
        self.vault.open_snapshot(room, kept)
    }

    fn keep_snapshot(&self, room: RoomId, bytes: &[u8]) {
        let sealed = self.vault.seal_snapshot(room, crate::store::codec::salt, bytes.to_vec());
        if let Err(error) = self.write_snapshot(room, &sealed) {
            tracing::debug!(room.id = %room, %error, "no snapshot of the room was kept; opening it takes longer");
        }
    }

    fn rooms(&self) -> Result<Vec<RoomId>, StoreError> {
        Ok(self.durable.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect())
    }

    fn clock_floor(&self) -> Timestamp {
        self.tip().position.clock_floor
    }

    fn contents(&self) -> &Storage {
        &self.contents
    }

    fn vault(&self) -> &Vault {
        &self.vault
    }

    fn backup(&self) -> Option<&dyn crate::store::backup::Backup> {
        Some(self)
    }

    fn secret(&self) -> [u8; 32] {
        self.secret
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        let Some(db) = self.db.take() else { return };
        if self.tip().failed.is_some() {
            // Closing would write and sync again, and panic or wait forever on what has failed before.
            std::mem::forget(db);
            return;
        }
        let (closed, wait) = mpsc::channel();
        std::thread::spawn(move || {
            let _ = closed.send(guarded(|| {
                drop(db);
                Ok(())
            }));
        });
        match wait.recv_timeout(CLOSE_PATIENCE) {
            Ok(Ok(())) => {}
            Ok(Err(trouble)) => tracing::warn!(%trouble, "sled did not close well; everything acknowledged is durable"),
            Err(_) => tracing::warn!("sled did not close in time; everything acknowledged is durable"),
        }
    }
}
