//! May this directory be served? Makes a new store, or opens one and refuses it unless everything agrees.
//!
//! | file | whose | what |
//! |---|---|---|
//! | `format` | ours | product, format number, store id; its presence means that the store was completely made |
//! | `format.new` | ours | a store is being made; nothing was acknowledged yet, so a leftover is wiped |
//! | `snapshots/` | ours | room states, derived from the rest: may be deleted |
//! | `attachments/` | ours | what attachments hold, see `contents`; empty if it is kept elsewhere |
//! | `keyring` | ours | the keys of what the rest holds, encrypted, see `sealing`; missing if it is not encrypted |
//! | `high-water` | ours | how far the store has come, see `high_water` |
//! | `restoring` | ours | a store is being made from copies; until that is done the folder is refused |
//! | `restored` | ours | it was, and the audit trail does not say so yet |
//! | `backups/` | ours | what was copied when, derived: may be deleted |
//! | `rollbacks` | ours | a line for each time that less than was acknowledged was accepted; missing if never |
//! | `db`, `conf`, `blobs/`, `snap.*` | sled's | `blobs/` stays empty: sled never syncs what lies there |
//!
//! Leans on: `format`, `high_water`, `keys`, `position`. Upholds: R1. Tested by `sled::tests`.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use uuid::Uuid;

use super::format::{FORMAT, Format, Identity};
use super::high_water::{self, HighWater};
use super::keys::{self, Found, Meta, Walk};
use super::position::Position;
use super::{SledOptions, Trouble, guarded};
use crate::room::ids::RoomId;

const FORMAT_FILE: &str = "format";
const CREATING_FILE: &str = "format.new";
pub(super) const HIGH_WATER_FILE: &str = "high-water";
/// A folder of files that are derived from the rest, see `engine::snapshot`.
pub(super) const SNAPSHOTS: &str = "snapshots";
/// A folder of what attachments hold, see `contents`.
pub(super) const CONTENTS: &str = "attachments";
const ROLLBACKS_FILE: &str = "rollbacks";
/// Until the audit trail says that the store was restored.
const RESTORED_FILE: &str = "restored";
/// As [`CREATING_FILE`], of a store that is made from copies: who serves the folder before that is done gets no empty store.
pub(super) const RESTORING_FILE: &str = "restoring";
pub(super) const DB_FILE: &str = "db";

/// sled's own lock can outlive a closed database by an instant; ours is held by then, so nobody else is meant.
const SLED_LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Why a directory is not served as a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Made by a later version.
    #[error(
        "the store in {dir} has format {found}, this version reads format {FORMAT}: use the version that wrote it, or a later one"
    )]
    Newer {
        /// Where.
        dir: PathBuf,
        /// Its format number.
        found: u32,
    },
    /// Not a store of ours, or files of two stores.
    #[error("{dir} is not one store of ours: {found}; give an empty directory, or the store's own")]
    Foreign {
        /// Where.
        dir: PathBuf,
        /// What speaks against it.
        found: String,
    },
    /// sled has come back with less than was acknowledged, or an older copy lies there.
    #[error(
        "the store in {dir} ends at commit {found}, but it once had {high_water}: acknowledged messages are missing; \
         keep a copy of the directory and put a backup that is not older in its place"
    )]
    Behind {
        /// Where.
        dir: PathBuf,
        /// The last commit that sled has.
        found: u64,
        /// The last commit that the high-water file remembers; there may have been later ones.
        high_water: u64,
    },
    /// Nothing tells whether all of it came back.
    #[error(
        "the store in {dir} can't tell whether acknowledged messages are missing: {found}; \
         keep a copy of the directory and put a whole backup in its place"
    )]
    Unwitnessed {
        /// Where.
        dir: PathBuf,
        /// What is wrong with the high-water file.
        found: &'static str,
    },
    /// What lies there contradicts itself.
    #[error("the store in {dir} is damaged: {found}; keep the directory and restore a backup")]
    Damaged {
        /// Where.
        dir: PathBuf,
        /// What was found.
        found: String,
    },
    /// Another process has it, or this one has opened it twice.
    #[error("the store in {0} is in use by another process: stop that one first")]
    Locked(PathBuf),
    /// The directory can't be used.
    #[error("{what} {path}: {source}; check that it exists, is writable, and that the disk has space")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// An open store, checked.
pub(super) struct Opened {
    pub(super) db: sled::Db,
    /// Held for as long as the store is open.
    pub(super) lock: File,
    pub(super) high_water: HighWater,
    pub(super) id: Uuid,
    pub(super) secret: [u8; 32],
    pub(super) position: Position,
    /// The number of frames of each room that has one.
    pub(super) rooms: BTreeMap<RoomId, u64>,
    /// Less than was acknowledged was accepted.
    pub(super) has_rolled_back: bool,
}

fn failed<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> OpenError + 'a {
    move |source| OpenError::Io { what, path: path.to_owned(), source }
}

fn damaged(dir: &Path, found: impl Into<String>) -> OpenError {
    OpenError::Damaged { dir: dir.to_owned(), found: found.into() }
}

fn unwitnessed(dir: &Path, found: &'static str) -> OpenError {
    OpenError::Unwitnessed { dir: dir.to_owned(), found }
}

fn foreign(dir: &Path, found: impl Into<String>) -> OpenError {
    OpenError::Foreign { dir: dir.to_owned(), found: found.into() }
}

/// Opens the store in `dir`, or makes one if `dir` is empty or missing.
pub(super) fn open(dir: &Path, options: &SledOptions, syncs: bool) -> Result<Opened, OpenError> {
    make_directory(dir)?;
    let lock = lock(dir)?;
    let (format, db) = match read_format(dir)? {
        Some(format) => (format, open_existing(dir, options, syncs)?),
        None => create(dir, options, syncs)?,
    };
    let secret = identity(dir, &db, format)?;
    let has_rolled_back =
        options.accept_rollback && accept_rollback(dir, &db, format.store)? || dir.join(RESTORED_FILE).exists();
    let position = position(dir, &db, format.store)?;
    let rooms = count_frames(dir, &db, &position)?;

    // What recovery wrote must not be what the next power cut takes.
    let db_file = dir.join(DB_FILE);
    File::open(&db_file).and_then(|file| file.sync_all()).map_err(failed("syncing", &db_file))?;
    sync_directory(dir)?;

    let path = dir.join(HIGH_WATER_FILE);
    let witness = read_witness(dir, format.store)?;
    let high_water =
        HighWater::open(&path, witness, &position, syncs).map_err(failed("writing the high-water file", &path))?;
    Ok(Opened { db, lock, high_water, id: format.store, secret, position, rooms, has_rolled_back })
}

/// Makes the directory and its missing parents with mode 0700, each durable in its own parent.
fn make_directory(dir: &Path) -> Result<(), OpenError> {
    let missing: Vec<&Path> =
        dir.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    for path in missing.into_iter().rev() {
        DirBuilder::new().mode(0o700).create(path).map_err(failed("making the directory", path))?;
        if let Some(parent) = path.parent() {
            sync_directory(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?;
        }
    }
    Ok(())
}

fn sync_directory(dir: &Path) -> Result<(), OpenError> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(failed("syncing the directory", dir))
}

/// Takes our own lock on the directory itself, before anything in it is looked at: sled's comes only after it has begun to write.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let file = File::open(dir).map_err(failed("opening the directory", dir))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::Locked(dir.to_owned())),
        Err(error) => Err(failed("locking the directory", dir)(error.into())),
    }
}

/// The format of the store in `dir`; `None` if a store may be made there.
fn read_format(dir: &Path) -> Result<Option<Format>, OpenError> {
    let path = dir.join(FORMAT_FILE);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("reading", &path)(error)),
    };
    let format = str::from_utf8(&text).ok().and_then(Format::parse);
    match format {
        Some(format) if format.number == FORMAT => Ok(Some(format)),
        Some(format) if format.number > FORMAT => Err(OpenError::Newer { dir: dir.to_owned(), found: format.number }),
        Some(_) | None => Err(foreign(dir, "its `format` file is not one that this product writes")),
    }
}

/// Removes files of `dir` whose name passes.
fn remove_files(dir: &Path, passes: impl Fn(&str) -> bool) -> Result<(), OpenError> {
    for entry in list(dir)? {
        if entry.file_name().to_str().is_some_and(&passes) {
            let path = entry.path();
            let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            removed.map_err(failed("removing the leftover", &path))?;
        }
    }
    Ok(())
}

fn list(dir: &Path) -> Result<Vec<std::fs::DirEntry>, OpenError> {
    std::fs::read_dir(dir).and_then(Iterator::collect).map_err(failed("listing", dir))
}

/// Makes an empty store in `dir`, which has no `format` file.
fn create(dir: &Path, options: &SledOptions, syncs: bool) -> Result<(Format, sled::Db), OpenError> {
    let mut secret = [0; 32];
    rustix::rand::getrandom(&mut secret, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| failed("drawing random bytes for", dir)(error.into()))?;
    let format = Format { number: FORMAT, store: Uuid::new_v4() };
    let making = Making::begin(dir, CREATING_FILE, Identity { format, secret }, options, syncs)?;
    let db = making.finish(&Position::default(), |_| Ok(()))?;
    tracing::info!(dir = %dir.display(), store = %format.store, "made a new store");
    Ok((format, db))
}

/// Takes the lock of a folder in which a store is to be made from copies. An error if something is there.
pub(super) fn lock_empty(dir: &Path) -> Result<File, OpenError> {
    make_directory(dir)?;
    let lock = lock(dir)?;
    if dir.join(FORMAT_FILE).exists() {
        return Err(foreign(dir, "a store is there already"));
    }
    Ok(lock)
}

/// A store that is being made. Until it is finished, what is there is no store.
pub(super) struct Making<'a> {
    pub(super) db: sled::Db,
    dir: &'a Path,
    begun: PathBuf,
    store: Uuid,
}

impl<'a> Making<'a> {
    /// Begins one in a folder that is empty, or in which one was begun under the same file name and not finished.
    pub(super) fn begin(
        dir: &'a Path,
        name: &str,
        identity: Identity,
        options: &SledOptions,
        syncs: bool,
    ) -> Result<Self, OpenError> {
        let begun = dir.join(name);
        if begun.exists() {
            tracing::info!(dir = %dir.display(), "making a store was interrupted, beginning again");
            let ours = |name: &str| {
                matches!(name, DB_FILE | "conf" | "blobs" | CONTENTS | HIGH_WATER_FILE | ROLLBACKS_FILE | RESTORED_FILE)
                    || name.starts_with("snap.")
            };
            remove_files(dir, ours)?;
        }
        for entry in list(dir)? {
            let file = entry.file_name();
            if file != "lost+found" && file != name {
                return Err(foreign(dir, format!("it holds {file:?} and no `format` file")));
            }
        }
        std::fs::write(&begun, identity.format.to_text()).map_err(failed("writing", &begun))?;
        File::open(&begun).and_then(|file| file.sync_all()).map_err(failed("syncing", &begun))?;
        sync_directory(dir)?;
        let db = open_sled(dir, options, syncs)?;
        guarded(|| db.insert(Meta::Identity.key(), identity.encode())).map_err(|trouble| trouble_at(dir, trouble))?;
        Ok(Self { db, dir, begun, store: identity.format.store })
    }

    /// Makes it durable, at this position, and a store. `before` is done last before that.
    pub(super) fn finish(
        self,
        position: &Position,
        before: impl FnOnce(&Path) -> Result<(), OpenError>,
    ) -> Result<sled::Db, OpenError> {
        let Self { db, dir, begun, store } = self;
        guarded(|| {
            db.insert(Meta::Position.key(), position.encode().to_vec())?;
            db.flush()
        })
        .map_err(|trouble| trouble_at(dir, trouble))?;
        for name in [DB_FILE, "conf"] {
            let path = dir.join(name);
            File::open(&path).and_then(|file| file.sync_all()).map_err(failed("syncing", &path))?;
        }
        let high_water = dir.join(HIGH_WATER_FILE);
        high_water::create(&high_water, store, position).map_err(failed("making", &high_water))?;
        before(dir)?;
        sync_directory(dir)?;
        std::fs::rename(&begun, dir.join(FORMAT_FILE)).map_err(failed("renaming", &begun))?;
        sync_directory(dir)?;
        Ok(db)
    }
}

/// Puts on record in a store that is being made that it was made from copies.
pub(super) fn note_restored(dir: &Path, commit: u64) -> Result<(), OpenError> {
    record_rollback(dir, &format!("restored a backup that ends at commit {commit}"))?;
    let marker = dir.join(RESTORED_FILE);
    File::create(&marker).and_then(|file| file.sync_all()).map_err(failed("making", &marker))
}

/// The audit trail has it: the store was restored.
pub(super) fn forget_restored(dir: &Path) {
    // If it stays, it is recorded twice.
    let _ = std::fs::remove_file(dir.join(RESTORED_FILE));
}

fn record_rollback(dir: &Path, what: &str) -> Result<(), OpenError> {
    let path = dir.join(ROLLBACKS_FILE);
    let line = format!("{:.0} {what}\n", jiff::Timestamp::now());
    let recorded = File::options().create(true).append(true).open(&path).and_then(|mut file| {
        file.write_all(line.as_bytes())?;
        file.sync_all()
    });
    recorded.map_err(failed("recording the accepted rollback in", &path))?;
    sync_directory(dir)
}

fn open_existing(dir: &Path, options: &SledOptions, syncs: bool) -> Result<sled::Db, OpenError> {
    // sled would make a new one in its place.
    if !dir.join(DB_FILE).exists() {
        return Err(damaged(dir, "its `db` file is missing"));
    }
    // A snapshot that sled was writing when it was killed: sled takes it for the newest and refuses to open. It is renamed only
    // when complete, and the old one is removed after that, so nothing is lost.
    remove_files(dir, |name| name.starts_with("snap.") && name.ends_with(".generating"))?;
    open_sled(dir, options, syncs)
}

pub(super) fn open_sled(dir: &Path, options: &SledOptions, syncs: bool) -> Result<sled::Db, OpenError> {
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(options.cache_mib.saturating_mul(1024 * 1024))
        // Not for durability: this thread is sled's garbage collector as well. Its own fsync would hide a missing one of ours.
        .flush_every_ms(syncs.then_some(500));
    let begun = Instant::now();
    loop {
        match guarded(|| config.open()) {
            Ok(db) => return Ok(db),
            Err(Trouble::Sled(sled::Error::Io(error))) if error.to_string().contains("could not acquire lock") => {
                if begun.elapsed() > SLED_LOCK_PATIENCE {
                    return Err(OpenError::Locked(dir.to_owned()));
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(trouble) => return Err(trouble_at(dir, trouble)),
        }
    }
}

pub(super) fn trouble_at(dir: &Path, trouble: Trouble) -> OpenError {
    match trouble {
        Trouble::Sled(sled::Error::Io(source))
            if matches!(
                source.kind(),
                ErrorKind::PermissionDenied
                    | ErrorKind::ReadOnlyFilesystem
                    | ErrorKind::StorageFull
                    | ErrorKind::QuotaExceeded
            ) =>
        {
            OpenError::Io { what: "opening the database in", path: dir.to_owned(), source }
        }
        other => damaged(dir, other.to_string()),
    }
}

fn get(dir: &Path, db: &sled::Db, meta: Meta) -> Result<Option<sled::IVec>, OpenError> {
    guarded(|| db.get(meta.key())).map_err(|trouble| trouble_at(dir, trouble))
}

/// Checks that sled holds the store that the `format` file names, and gives its secret.
fn identity(dir: &Path, db: &sled::Db, format: Format) -> Result<[u8; 32], OpenError> {
    let Some(bytes) = get(dir, db, Meta::Identity)? else {
        let high_water = read_witness(dir, format.store)?.position.commit;
        return Err(match high_water {
            0 => damaged(dir, "the database is empty"),
            _ => OpenError::Behind { dir: dir.to_owned(), found: 0, high_water },
        });
    };
    let Some(identity) = Identity::decode(&bytes) else {
        return Err(damaged(dir, "the database does not say whose it is"));
    };
    if identity.format != format {
        let found = format!("`format` names store {}, the database is of {}", format.store, identity.format.store);
        return Err(foreign(dir, found));
    }
    Ok(identity.secret)
}

fn read_witness(dir: &Path, store: Uuid) -> Result<high_water::Witness, OpenError> {
    let path = dir.join(HIGH_WATER_FILE);
    match high_water::read(&path) {
        Ok(Some(witness)) if witness.store == store => Ok(witness),
        Ok(Some(witness)) => {
            Err(foreign(dir, format!("`high-water` is of store {}, the rest of {store}", witness.store)))
        }
        Ok(None) => Err(unwitnessed(dir, "no part of its `high-water` file is whole")),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(unwitnessed(dir, "its `high-water` file is missing")),
        Err(error) => Err(failed("reading", &path)(error)),
    }
}

/// The position that sled holds, unless the high-water file knows better.
fn position(dir: &Path, db: &sled::Db, store: Uuid) -> Result<Position, OpenError> {
    let bytes = get(dir, db, Meta::Position)?;
    let Some(position) = bytes.as_deref().and_then(Position::decode) else {
        return Err(damaged(dir, "the database does not say how far it has come"));
    };
    let seen = read_witness(dir, store)?.position;
    if position.commit < seen.commit {
        return Err(OpenError::Behind { dir: dir.to_owned(), found: position.commit, high_water: seen.commit });
    }
    if position.commit == seen.commit && position != seen {
        return Err(damaged(dir, format!("commit {} is another than the high-water file remembers", seen.commit)));
    }
    if position.frames < seen.frames || position.clock_floor < seen.clock_floor {
        return Err(damaged(
            dir,
            format!("commit {} holds less than commit {} before it", position.commit, seen.commit),
        ));
    }
    Ok(position)
}

/// If less is there than was acknowledged, or nothing tells: records that this was accepted, then lets the high-water file begin anew.
fn accept_rollback(dir: &Path, db: &sled::Db, store: Uuid) -> Result<bool, OpenError> {
    let Some(position) = get(dir, db, Meta::Position)?.as_deref().and_then(Position::decode) else { return Ok(false) };
    let had = match read_witness(dir, store) {
        Ok(witness) if position.commit >= witness.position.commit => return Ok(false),
        Ok(witness) => format!("it once had {}", witness.position.commit),
        Err(OpenError::Unwitnessed { found, .. }) => found.to_owned(),
        Err(other) => return Err(other),
    };
    // The record comes first: a rollback that is accepted and not recorded would be a silent loss.
    record_rollback(dir, &format!("accepted at commit {}: {had}", position.commit))?;
    super::backup::forget(dir).map_err(failed("removing what was copied in", dir))?;
    let high_water = dir.join(HIGH_WATER_FILE);
    high_water::create(&high_water, store, &Position::default()).map_err(failed("making", &high_water))?;
    sync_directory(dir)?;
    tracing::warn!(dir = %dir.display(), commit = position.commit, had, "a store that may lack acknowledged messages was accepted");
    Ok(true)
}

/// The rollbacks that were accepted, one a line.
pub(super) fn rollbacks(dir: &Path) -> io::Result<Vec<String>> {
    match std::fs::read_to_string(dir.join(ROLLBACKS_FILE)) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Walks over all keys: every frame of every room must be there with all its parts, and all of them together as many as committed.
fn count_frames(dir: &Path, db: &sled::Db, position: &Position) -> Result<BTreeMap<RoomId, u64>, OpenError> {
    let mut rooms = BTreeMap::new();
    let mut walk = Walk::default();
    let mut scan = db.iter();
    while let Some((key, value)) = guarded(|| scan.next().transpose()).map_err(|trouble| trouble_at(dir, trouble))? {
        match keys::parse(&key) {
            Found::Frame(frame) => {
                if walk.step(frame, &value).map_err(|gap| damaged(dir, gap))? {
                    *rooms.entry(frame.room).or_insert(0) += 1;
                }
            }
            Found::Snapshot | Found::Meta => {}
            Found::Unknown => return Err(damaged(dir, "the database holds a key that format 1 does not have")),
        }
    }
    walk.end().map_err(|gap| damaged(dir, gap))?;
    let found: u64 = rooms.values().sum();
    if found != position.frames {
        return Err(damaged(dir, format!("{found} frames are there, {} were committed", position.frames)));
    }
    Ok(rooms)
}
