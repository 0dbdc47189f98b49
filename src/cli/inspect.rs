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
use crate::engine::LoadError;
use crate::engine::inspect::{EntryReport, LogReport, entries, inspect};
use crate::identity::summary::hex;
use crate::limits::VALUE_BYTES_MAX;
use crate::room::ids::{RoomId, Timestamp};
use crate::sealing::{KeyEncryptionKey, KeySource, KeyringError};
use crate::store::sled::{OpenError, SledOptions, SledStore, UnlockError};
use crate::store::{Store, StoreError};

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
    /// The store's key, if it is encrypted: a file, credential:NAME or fd:VARIABLE, as store.key has it
    #[arg(long, value_name = "KEY")]
    key: Option<KeySource>,
    /// This room only: its id, or the beginning of it
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Each room: how many frames, entries and delivery records, and when the last was written
    Rooms,
    /// Each room's digest; all are verified, whatever is shown
    Chain,
    /// Each entry: its place, when, who, and what kind of thing happened
    Entries,
    /// The same of the audit trail alone; `samverkan audit list` shows all of it while the server runs
    Audit,
    /// Each frame: its number, and how many bytes lie under how many keys
    Keys,
}

/// Opens the copy of a store; and says why the server would refuse it, if what is left can be looked at all the same.
fn open(copy: &Copied, original: &Path, keys: &[KeyEncryptionKey]) -> Result<(SledStore, Option<String>), Failure> {
    let options = SledOptions { reserve_mib: 0, ..SledOptions::default() };
    // The copy's place means nothing to anybody.
    let named =
        |error: OpenError| error.to_string().replace(&copy.0.display().to_string(), &original.display().to_string());
    let (mut store, why) = match SledStore::open(&copy.0, options) {
        Ok(store) => (store, None),
        Err(error @ (OpenError::Behind { .. } | OpenError::Unwitnessed { .. })) => {
            let why = named(error);
            // What is left is what one wants to see before one decides about it.
            let opened = SledStore::open(&copy.0, SledOptions { accept_rollback: true, ..options });
            (opened.map_err(|error| Failure::new(Exit::Store, named(error)))?, Some(why))
        }
        Err(error) => return Err(Failure::new(Exit::Store, named(error))),
    };
    store.unlock(keys).map_err(|error| {
        let text = error.to_string().replace(&copy.0.display().to_string(), &original.display().to_string());
        match error {
            UnlockError::Keyring(KeyringError::NoKey(_) | KeyringError::WrongKey { .. }) => Failure::new(Exit::Usage, text)
                .hint("--key names it, as store.key in the server's configuration; that of `samverkan dev` is certs/dev/store.key"),
            UnlockError::Keyring(KeyringError::NotEncrypted) => {
                Failure::new(Exit::Usage, "the store is not encrypted").hint("leave --key out")
            }
            _ => Failure::new(Exit::Store, text),
        }
    })?;
    Ok((store, why))
}

/// What a whole verification found.
pub(super) struct Found {
    pub(super) logs: usize,
    pub(super) entries: u64,
    pub(super) deliveries: u64,
    pub(super) damaged: Vec<String>,
    pub(super) clock_floor: Timestamp,
}

/// Verifies every digest of a store, on a copy.
pub(super) fn verify(path: &Path, keys: &[KeyEncryptionKey]) -> Result<Found, Failure> {
    let copy = Copied::of(path)?;
    let (store, behind) = open(&copy, path, keys)?;
    if let Some(why) = behind {
        return Err(Failure::new(Exit::Store, why).hint("`samverkan inspect chain` shows what is left"));
    }
    let (mut logs, mut entries, mut deliveries, mut damaged) = (0, 0, 0, Vec::new());
    inspect(&store, |log| {
        logs += 1;
        entries += log.entries;
        deliveries += log.deliveries;
        damaged.extend(log.damage);
    })
    .map_err(store_failure)?;
    Ok(Found { logs, entries, deliveries, damaged, clock_floor: store.clock_floor() })
}

pub(crate) fn run(command: &Inspect, output: Output) -> Result<(), Failure> {
    let keys = command.key.iter().map(KeySource::load).collect::<Result<Vec<_>, _>>()?;
    let copy = Copied::of(&command.store)?;
    let (store, behind) = open(&copy, &command.store, &keys)?;
    let mut rollbacks = store.rollbacks().map_err(|error| Failure::io(command.store.display(), &error))?;
    if behind.is_some() {
        // That of the copy.
        rollbacks.pop();
    }
    rollbacks.iter().for_each(|rollback| note(format!("rollback, {rollback}")));
    let prefix = command.room.as_deref().unwrap_or_default().to_lowercase();
    let mut logs = Vec::new();
    inspect(&store, |log| logs.push(log)).map_err(store_failure)?;
    let all = logs.len();
    logs.retain(|log| log.room.to_string().starts_with(&prefix));
    if logs.is_empty() && all > 0 {
        return Err(Failure::usage(format!("no room begins with {prefix:?}"))
            .hint("`samverkan inspect rooms` without --room shows them all"));
    }
    match command.what {
        What::Rooms => rooms(&logs, output)?,
        What::Chain => chain(&logs, output)?,
        What::Entries => logs.iter().try_for_each(|log| show_entries(&store, log.room, output))?,
        What::Audit => {
            let mut parts = logs.iter().filter(|log| log.room.trail_part().is_some());
            parts.try_for_each(|log| show_entries(&store, log.room, output))?;
        }
        What::Keys => logs.iter().try_for_each(|log| show_keys(&store, log.room, output))?,
    }
    let damaged: Vec<_> = logs.iter().filter_map(|log| log.damage.as_deref()).collect();
    if let Some(first) = damaged.first() {
        return Err(Failure::new(
            Exit::Store,
            format!("{} of {} logs do not verify: {first}", damaged.len(), logs.len()),
        )
        .hint("keep the store as it is, and restore a backup; the server serves the other rooms"));
    }
    if let Some(why) = behind {
        return Err(
            Failure::new(Exit::Store, why).hint("what is left verifies; `samverkan serve --accept-rollback` serves it")
        );
    }
    note(format!("every digest verified; logs: {}, commits of the store: {}", logs.len(), store.commits()));
    Ok(())
}

const NOTHING: &str = "the store is empty";

fn rooms(logs: &[LogReport], output: Output) -> Result<(), Failure> {
    let value = |log: &LogReport| {
        json!({
            "room_id": log.room.to_string(),
            "is_directory": log.room == RoomId::DIRECTORY,
            "is_audit_trail": log.room.trail_part().is_some(),
            "frames": log.frames,
            "entries": log.entries,
            "delivery_records": log.deliveries,
            "last_time": log.last_recorded_at.map(moment),
            "is_verified": log.damage.is_none(),
        })
    };
    let rows = logs.iter().map(|log| {
        let counts = [log.frames, log.entries, log.deliveries].map(|number| number.to_string());
        let last = log.last_recorded_at.map(moment).unwrap_or_default();
        std::iter::once(name(log.room)).chain(counts).chain([last]).collect()
    });
    let values: Vec<_> = logs.iter().map(value).collect();
    output.list(&values, &["room", "frames", "entries", "delivery records", "last"], rows, NOTHING)
}

fn chain(logs: &[LogReport], output: Output) -> Result<(), Failure> {
    let digest = |log: &LogReport| log.digest.map(|digest| hex(&digest));
    let value = |log: &LogReport| {
        json!({
            "room_id": log.room.to_string(),
            "is_directory": log.room == RoomId::DIRECTORY,
            "is_audit_trail": log.room.trail_part().is_some(),
            "frames": log.frames,
            "digest": digest(log),
            "is_verified": log.damage.is_none(),
            "problem": log.damage,
        })
    };
    let rows = logs.iter().map(|log| {
        let state = log.damage.clone().unwrap_or_else(|| "verified".into());
        vec![name(log.room), log.frames.to_string(), digest(log).unwrap_or_default(), state]
    });
    let values: Vec<_> = logs.iter().map(value).collect();
    output.list(&values, &["room", "frames", "digest of the last frame", "state"], rows, NOTHING)
}

fn show_entries(store: &SledStore, room: RoomId, output: Output) -> Result<(), Failure> {
    let mut outcome = Ok(());
    let show = |entry: EntryReport| {
        let author = entry.author.map(|author| author.to_string());
        let value = json!({
            "room_id": room.to_string(),
            "seq": entry.seq.0,
            "recorded_time": moment(entry.recorded_at),
            "author": author,
            "kind": entry.kind,
        });
        output.show(&value, || {
            let (seq, when, who) = (entry.seq.0, moment(entry.recorded_at), author.as_deref().unwrap_or("the server"));
            output.line(&format!("{}  {seq:>8}  {when}  {:<24}  {who}", name(room), entry.kind))
        })
    };
    let read = entries(store, room, |entry| {
        if outcome.is_ok() {
            outcome = show(entry);
        }
    });
    match read {
        // Told at the end, with the other logs.
        Ok(()) | Err(LoadError::Damaged(_) | LoadError::Store(StoreError::Damaged(_))) => outcome,
        Err(LoadError::Store(error)) => Err(store_failure(error)),
    }
}

fn show_keys(store: &SledStore, room: RoomId, output: Output) -> Result<(), Failure> {
    let mut next = 0;
    loop {
        let frames = match store.read(room, next..u64::MAX, READ_BYTES_MAX) {
            Ok(frames) => frames,
            Err(StoreError::Damaged(_)) => return Ok(()),
            Err(error) => return Err(store_failure(error)),
        };
        let Some(last) = frames.last() else { return Ok(()) };
        next = last.number + 1;
        for frame in &frames {
            let bytes = frame.bytes.len();
            // A last part that is empty shows that a frame of full parts is whole.
            let keys = bytes / VALUE_BYTES_MAX + 1;
            let value = json!({ "room_id": room.to_string(), "frame": frame.number, "bytes": bytes, "keys": keys });
            output.show(&value, || {
                output.line(&format!("{}  frame {:>8}  {bytes:>7} bytes  {keys:>3} keys", name(room), frame.number))
            })?;
        }
    }
}

fn name(room: RoomId) -> String {
    match room.trail_part() {
        _ if room == RoomId::DIRECTORY => format!("{:<36}", "directory"),
        Some(0) => format!("{:<36}", "audit trail"),
        Some(part) => format!("{:<36}", format!("audit trail, part {}", part + 1)),
        None => room.to_string(),
    }
}

fn moment(timestamp: Timestamp) -> String {
    time_text(&Time { seconds: timestamp.0.div_euclid(1_000_000), nanos: 0 })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_not_there_is_an_error_and_an_empty_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let inspect = |store: PathBuf| {
            let command = Inspect { what: What::Chain, store, key: None, room: None };
            run(&command, Output { format: super::super::output::Format::Json })
        };
        let missing = inspect(folder.path().join("missing")).expect_err("refused");
        assert_eq!(missing.exit, Exit::Io);
        inspect(folder.path().to_owned()).expect("nothing to find");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "only the copy is written to");
    }

    #[test]
    fn a_store_in_use_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let _open = SledStore::open(folder.path(), SledOptions::default()).expect("opened");
        let failure = Copied::of(folder.path()).err().expect("refused");
        assert!(failure.message.contains("in use"), "{failure:?}");
    }
}
