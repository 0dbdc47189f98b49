//! How is a store on disk copied while it is in use, and how is one made from copies?
//!
//! Moments that were copied lie in files of their own, so that the next copy can go on from one. They are derived: whatever is wrong with
//! one, or was rolled back since, it is as if it was not there. A store that is made from copies gets its `format` file last, as a new one
//! does, so what was cut in the middle is not a store.
//!
//! Leans on: `open`, `keys`, `position`, `high_water`. Upholds: R1. Tested here and in `tests/it/backup.rs`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use sha2::{Digest as _, Sha256};

use super::format::{FORMAT, Format, Identity};
use super::keys::{self, FrameKey};
use super::open::{self, Making, OpenError};
use super::position::Position;
use super::{SledOptions, SledStore, guarded};
use crate::contents;
use crate::limits::FRAME_BYTES_MAX;
use crate::room::ids::{ContentId, RoomId};
use crate::store::backup::{Backup, Copied, Logs, Moment};

/// A folder of moments that were copied.
pub(super) const MOMENTS: &str = "backups";
/// Of which so many are remembered: whoever takes one a day and misses a week is not sent everything anew.
const MOMENTS_KEPT: usize = 16;
const LOG_BYTES: usize = 16 + 8;
const CONTENT_BYTES: usize = 16;
const DIGEST_BYTES: usize = 32;
/// Frames that are written at a time.
const RESTORED_AT_ONCE: usize = 256;

fn name(commit: u64, digest: &[u8; 32]) -> String {
    let begins: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{commit:020}-{begins}")
}

impl SledStore {
    fn moments(&self) -> PathBuf {
        self.dir.join(MOMENTS)
    }

    fn write_moment(&self, moment: &Moment) -> io::Result<()> {
        let mut bytes = moment.digest.to_vec();
        bytes.extend_from_slice(&(moment.logs.len() as u64).to_be_bytes());
        for (log, frames) in &moment.logs {
            bytes.extend_from_slice(log.as_bytes());
            bytes.extend_from_slice(&frames.to_be_bytes());
        }
        for content in &moment.contents {
            bytes.extend_from_slice(content.as_bytes());
        }
        bytes.extend_from_slice(&Sha256::digest(&bytes));
        let folder = self.moments();
        std::fs::create_dir_all(&folder)?;
        let (written, kept) = (folder.join("new"), folder.join(name(moment.commit, &moment.digest)));
        std::fs::write(&written, bytes)?;
        std::fs::rename(&written, &kept)?;
        let mut all: Vec<PathBuf> =
            std::fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        // By commit: the names are as long as each other.
        all.sort();
        let many = all.len().saturating_sub(MOMENTS_KEPT);
        all.iter().take(many).try_for_each(std::fs::remove_file)
    }
}

impl Backup for SledStore {
    fn moment(&self) -> Moment {
        // While this is held nothing is committed: position and logs are of one moment.
        let tip = self.tip();
        let logs = self.durable.read().unwrap_or_else(PoisonError::into_inner).clone();
        let position = tip.position;
        drop(tip);
        let identity = Identity { format: Format { number: FORMAT, store: self.id }, secret: self.secret };
        Moment {
            store: self.id,
            commit: position.commit,
            digest: position.digest,
            logs,
            identity: identity.encode(),
            position: position.encode().to_vec(),
            contents: BTreeSet::new(),
        }
    }

    fn remember(&self, moment: &Moment) {
        if let Err(error) = self.write_moment(moment) {
            tracing::warn!(%error, "this backup can't be gone on from: the next one has to be a whole one");
        }
    }

    fn remembered(&self, commit: u64, digest: &[u8; 32]) -> Option<Copied> {
        let bytes = std::fs::read(self.moments().join(name(commit, digest))).ok()?;
        let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST_BYTES)?)?;
        let (of, rest) = body.split_first_chunk::<DIGEST_BYTES>()?;
        let (count, rest) = rest.split_first_chunk::<8>()?;
        let count = usize::try_from(u64::from_be_bytes(*count)).ok()?;
        let (logs, contents) = rest.split_at_checked(count.checked_mul(LOG_BYTES)?)?;
        if Sha256::digest(body)[..] != *sum || of != digest || commit > self.commits() {
            return None;
        }
        let contents =
            contents.chunks(CONTENT_BYTES).map(|content| Some(ContentId::from_bytes(content.try_into().ok()?)));
        let contents = contents.collect::<Option<_>>()?;
        let logs = logs.chunks_exact(LOG_BYTES).map(|log| {
            let (room, frames) = log.split_first_chunk::<16>()?;
            Some((RoomId::from_bytes(*room), u64::from_be_bytes(frames.try_into().ok()?)))
        });
        let logs: Logs = logs.collect::<Option<_>>()?;
        let fits = |(room, frames): (&RoomId, &u64)| *frames <= self.durable_frames(*room);
        logs.iter().all(fits).then_some(Copied { logs, contents })
    }
}

/// A rollback was accepted: what was copied may be of a history that is no more.
pub(super) fn forget(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir.join(MOMENTS)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Why a store was not made from copies.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError<E> {
    /// The folder can't be used, or the store failed.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The copies do not fit together.
    #[error("{0}")]
    Copies(String),
    /// The copies can't be read.
    #[error("{0}")]
    Source(E),
}

/// Something of a copy.
pub enum Restored {
    /// A frame.
    Frame {
        /// Whose.
        room: RoomId,
        /// Its number.
        number: u64,
        /// As it was stored.
        bytes: Vec<u8>,
    },
    /// A part of what an attachment holds.
    Part {
        /// Of which.
        content: ContentId,
        /// Which part.
        number: u32,
        /// As it was stored.
        bytes: Vec<u8>,
    },
}

/// Durably, with its folder.
fn write_part(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    File::open(folder.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Makes the store that was at a moment, in a folder that is empty or not there. The frames of each log must come in order, all of them.
/// Ends with a store that says that it was restored ([`SledStore::has_rolled_back`]), or with none.
pub fn restore<E>(
    dir: &Path,
    identity: &[u8],
    position: &[u8],
    frames: impl Iterator<Item = Result<Restored, E>>,
) -> Result<(), RestoreError<E>> {
    let copies = |what: &str| RestoreError::Copies(what.to_owned());
    let identity = Identity::decode(identity).ok_or_else(|| copies("the backup does not say which store it is of"))?;
    let position =
        Position::decode(position).ok_or_else(|| copies("the backup does not say how far its store had come"))?;
    if identity.format.number != FORMAT {
        return Err(copies(
            "the backup is of a store of another format; use the version that wrote it, or a later one",
        ));
    }
    let options = SledOptions { reserve_mib: 0, ..SledOptions::default() };
    let _lock = open::lock_empty(dir)?;
    let making = Making::begin(dir, open::RESTORING_FILE, identity, &options, true)?;
    let mut next = Logs::new();
    let mut total = 0_u64;
    let mut batch = sled::Batch::default();
    let write = |batch: sled::Batch| {
        guarded(|| making.db.apply_batch(batch)).map_err(|trouble| open::trouble_at(dir, trouble)).map(drop)
    };
    for frame in frames {
        let (room, number, bytes) = match frame.map_err(RestoreError::Source)? {
            Restored::Frame { room, number, bytes } => (room, number, bytes),
            Restored::Part { content, number, bytes } => {
                let path = dir.join(open::CONTENTS).join(contents::object_name(content, number));
                write_part(&path, &bytes).map_err(|source| OpenError::Io {
                    what: "writing",
                    path: path.clone(),
                    source,
                })?;
                continue;
            }
        };
        let expected = next.entry(room).or_default();
        if number != *expected || bytes.len() > FRAME_BYTES_MAX {
            return Err(RestoreError::Copies(format!("log {room}: frame {number} is there, {expected} is next")));
        }
        *expected += 1;
        total += 1;
        for (part, value) in (0..).zip(keys::parts(&bytes)) {
            batch.insert(&FrameKey { room, number, part }.encode(), value);
        }
        if total.is_multiple_of(RESTORED_AT_ONCE as u64) {
            write(std::mem::take(&mut batch))?;
        }
    }
    if total != position.frames {
        return Err(RestoreError::Copies(format!(
            "the backup holds {total} frames, its store had {}",
            position.frames
        )));
    }
    write(batch)?;
    let db = making.finish(&position, |dir| open::note_restored(dir, position.commit))?;
    guarded(|| {
        drop(db);
        Ok(())
    })
    .map_err(|trouble| open::trouble_at(dir, trouble).into())
}
