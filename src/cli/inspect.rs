//! `samverkan inspect`: what is in a store, and is it what was written? Works on a copy, since opening a store writes to it.
//!
//! Shows what the operator may see: ids, counts, times and kinds; never a text or a report. Tested below.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::{env, io};

use clap::{Args, ValueEnum};
use rustix::fs::FlockOperation;
use serde_json::json;
use uuid::Uuid;

use super::failure::{Exit, Failure};
use super::output::{Output, note};
use crate::client::{Time, time_text};
use crate::room::directory::DirectoryEntry;
use crate::room::event::Entry;
use crate::room::ids::{RoomId, Timestamp};
use crate::store::codec::{Damage, Tip};
use crate::store::sled::{SledOptions, SledStore};
use crate::store::{Store, StoreError, StoredFrame};

/// Bytes read at once.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// What to show
    #[arg(value_enum)]
    what: What,
    /// The store's folder
    #[arg(long, value_name = "FOLDER")]
    store: PathBuf,
    /// This room only: its id, or the beginning of it
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Each room: frames, entries, deliveries, first and last entry
    Rooms,
    /// Each room's digests, all of them verified
    Chain,
    /// Each stored frame: what lies in it and how long it is
    Keys,
}

/// What was learnt about one log.
struct Log {
    room: RoomId,
    frames: u64,
    entries: u64,
    deliveries: u64,
    bytes: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    digest: [u8; 32],
    damage: Option<Damage>,
}

pub(crate) fn run(command: &Inspect, output: Output) -> Result<(), Failure> {
    let copy = Copied::of(&command.store)?;
    let options = SledOptions { reserve_mib: 0, ..SledOptions::default() };
    let store = SledStore::open(&copy.0, options).map_err(|error| {
        // The copy's place means nothing to anybody.
        let message = error.to_string().replace(&copy.0.display().to_string(), &command.store.display().to_string());
        Failure::new(Exit::Store, message)
    })?;
    let prefix = command.room.as_deref().unwrap_or_default().to_lowercase();
    let rooms = store.rooms().map_err(store_failure)?;
    let mut logs = Vec::new();
    for room in rooms.into_iter().filter(|room| room.to_string().starts_with(&prefix)) {
        logs.push(read(&store, room, command.what, output)?);
    }
    match command.what {
        What::Keys => {}
        What::Rooms => {
            let values: Vec<_> = logs
                .iter()
                .map(|log| {
                    json!({
                        "room_id": log.room.to_string(),
                        "is_directory": log.room == RoomId::DIRECTORY,
                        "frames": log.frames,
                        "entries": log.entries,
                        "deliveries": log.deliveries,
                        "bytes": log.bytes,
                        "first_time": log.first.map(moment),
                        "last_time": log.last.map(moment),
                    })
                })
                .collect();
            let rows = logs.iter().map(|log| {
                let counts = [log.frames, log.entries, log.deliveries, log.bytes].map(|number| number.to_string());
                let times = [log.first, log.last].map(|time| time.map(moment).unwrap_or_default());
                std::iter::once(name(log.room)).chain(counts).chain(times).collect()
            });
            let header = ["room", "frames", "entries", "deliveries", "bytes", "first", "last"];
            output.list(&values, &header, rows, "the store has no rooms")?;
        }
        What::Chain => {
            let state = |log: &Log| log.damage.as_ref().map_or_else(|| "verified".to_owned(), ToString::to_string);
            let values: Vec<_> = logs
                .iter()
                .map(|log| {
                    json!({
                        "room_id": log.room.to_string(),
                        "frames": log.frames,
                        "entries": log.entries,
                        "digest": hex(&log.digest),
                        "is_verified": log.damage.is_none(),
                        "problem": log.damage.as_ref().map(ToString::to_string),
                    })
                })
                .collect();
            let rows = logs.iter().map(|log| {
                vec![name(log.room), log.frames.to_string(), log.entries.to_string(), hex(&log.digest), state(log)]
            });
            output.list(&values, &["room", "frames", "entries", "digest", "state"], rows, "the store has no rooms")?;
        }
    }
    let damaged = logs.iter().filter(|log| log.damage.is_some()).count();
    if damaged > 0 {
        let first = logs.iter().find_map(|log| log.damage.as_ref()).map(ToString::to_string).unwrap_or_default();
        return Err(Failure::new(Exit::Store, format!("{damaged} of {} logs do not verify: {first}", logs.len()))
            .hint("keep the store as it is, and restore a backup; the server serves the other rooms"));
    }
    note(format!("{} logs, every digest verified, {} commits", logs.len(), store.commits()));
    Ok(())
}

fn read(store: &SledStore, room: RoomId, what: What, output: Output) -> Result<Log, Failure> {
    let mut tip = Tip::start(room);
    let mut log = Log {
        room,
        frames: 0,
        entries: 0,
        deliveries: 0,
        bytes: 0,
        first: None,
        last: None,
        digest: [0; 32],
        damage: None,
    };
    loop {
        let frames = match store.read(room, tip.next_frame(), READ_BYTES_MAX) {
            Ok(frames) if frames.is_empty() => return Ok(log),
            Ok(frames) => frames,
            Err(StoreError::Damaged(problem)) => return Err(Failure::new(Exit::Store, problem)),
            Err(error) => return Err(store_failure(error)),
        };
        for frame in &frames {
            match open(&mut tip, room, frame) {
                Ok(opened) => {
                    if what == What::Keys {
                        key(room, frame, &opened, output)?;
                    }
                    log.frames += 1;
                    log.entries += opened.times.len() as u64;
                    log.deliveries += opened.deliveries;
                    log.bytes += frame.bytes.len() as u64;
                    log.first = log.first.or(opened.times.first().copied());
                    log.last = opened.times.last().copied().or(log.last);
                    log.digest = opened.digest;
                }
                Err(damage) => {
                    log.damage = Some(damage);
                    return Ok(log);
                }
            }
        }
    }
}

/// What is shown of a frame.
struct Shown {
    times: Vec<Timestamp>,
    deliveries: u64,
    digest: [u8; 32],
}

fn open(tip: &mut Tip, room: RoomId, frame: &StoredFrame) -> Result<Shown, Damage> {
    if room == RoomId::DIRECTORY {
        let opened = tip.follow::<DirectoryEntry>(frame)?;
        let times = opened.entries.iter().map(|entry| entry.recorded_at).collect();
        Ok(Shown { times, deliveries: opened.deliveries.len() as u64, digest: opened.digest })
    } else {
        let opened = tip.follow::<Entry>(frame)?;
        let times = opened.entries.iter().map(|entry| entry.recorded_at).collect();
        Ok(Shown { times, deliveries: opened.deliveries.len() as u64, digest: opened.digest })
    }
}

fn key(room: RoomId, frame: &StoredFrame, opened: &Shown, output: Output) -> Result<(), Failure> {
    let (bytes, entries) = (frame.bytes.len(), opened.times.len());
    let value = json!({
        "room_id": room.to_string(),
        "frame": frame.number,
        "bytes": bytes,
        "entries": entries,
        "deliveries": opened.deliveries,
        "digest": hex(&opened.digest),
    });
    output.show(&value, || {
        output.line(&format!(
            "{} frame {:>8}  {bytes:>7} bytes  {entries:>5} entries  {:>5} delivery records  {}",
            name(room),
            frame.number,
            opened.deliveries,
            &hex(&opened.digest)[..16]
        ))
    })
}

fn name(room: RoomId) -> String {
    if room == RoomId::DIRECTORY { format!("{:<36}", "directory") } else { room.to_string() }
}

fn moment(timestamp: Timestamp) -> String {
    time_text(&Time { seconds: timestamp.0.div_euclid(1_000_000), nanos: 0 })
}

fn hex(digest: &[u8; 32]) -> String {
    crate::identity::summary::hex(digest)
}

fn store_failure(error: StoreError) -> Failure {
    Failure::new(Exit::Store, error)
}

/// A copy of a store, removed when it is dropped.
struct Copied(PathBuf);

impl Copied {
    fn of(store: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::io(store.display(), &error);
        if !store.is_dir() {
            return Err(Failure::new(Exit::Io, format!("{}: no such folder", store.display())).hint(
                "`store.directory` in the server's configuration names it; that of `samverkan dev` is .dev/store",
            ));
        }
        // Held while copying: a server that starts meanwhile would change what is copied.
        let lock = File::open(store).map_err(failed)?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            Failure::new(Exit::Store, format!("{}: is in use", store.display())).hint("stop the server first")
        })?;
        let copy = Self(env::temp_dir().join(format!("samverkan-inspect-{}", Uuid::new_v4())));
        copy_folder(store, &copy.0).map_err(failed)?;
        Ok(copy)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // Left to the system's own cleaning of its folder for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
