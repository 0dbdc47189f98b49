//! How far had this store come, as far as something else than sled remembers?
//!
//! sled's recovery drops a damaged tail without a word; only a witness outside its files can tell. This is the witness: a file of
//! fixed size with two slots, each with a checksum. It is written after each commit (so it survives a kill), and synced within a
//! second and when it closes (so it survives a power cut, a second short at most: it is a lower bound, which is enough).
//! Writes go to one slot until that is synced, then to the other: a torn write never touches the last synced one.
//! Leans on: `position`. Upholds: R1. Tested here and in `sled::tests`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use uuid::Uuid;

use super::position::{POSITION_BYTES, Position};

/// Slots lie in blocks of their own, so that writing one can't tear the other.
const SLOT_DISTANCE_BYTES: usize = 4096;
const FILE_BYTES: usize = 2 * SLOT_DISTANCE_BYTES;
const MAGIC: &[u8; 8] = b"samvhw/1";
const SLOT_BYTES: usize = MAGIC.len() + 16 + POSITION_BYTES + 4;

/// How long a written position may wait for its sync.
const SYNC_AFTER: Duration = Duration::from_millis(500);

/// What the file remembers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Witness {
    pub(super) store: Uuid,
    pub(super) position: Position,
    slot: usize,
}

fn encode(store: Uuid, position: &Position) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    let (body, sum) = slot.split_at_mut(SLOT_BYTES - 4);
    body[..8].copy_from_slice(MAGIC);
    body[8..24].copy_from_slice(store.as_bytes());
    body[24..].copy_from_slice(&position.encode());
    sum.copy_from_slice(&crc32fast::hash(body).to_be_bytes());
    slot
}

fn decode(bytes: &[u8], slot: usize) -> Option<Witness> {
    let (body, sum) = bytes.get(..SLOT_BYTES)?.split_last_chunk::<4>()?;
    if crc32fast::hash(body).to_be_bytes() != *sum {
        return None;
    }
    let (store, position) = body.strip_prefix(MAGIC)?.split_first_chunk()?;
    Some(Witness { store: Uuid::from_bytes(*store), position: Position::decode(position)?, slot })
}

/// Makes the file, in both slots a store that has come so far, and syncs it. The caller syncs the directory.
pub(super) fn create(path: &Path, store: Uuid, position: &Position) -> io::Result<()> {
    let mut bytes = vec![0; FILE_BYTES];
    for slot in bytes.chunks_exact_mut(SLOT_DISTANCE_BYTES) {
        slot[..SLOT_BYTES].copy_from_slice(&encode(store, position));
    }
    std::fs::write(path, &bytes)?;
    File::open(path)?.sync_all()
}

/// The newest position that the file holds; `None` if no slot is whole.
pub(super) fn read(path: &Path) -> io::Result<Option<Witness>> {
    let bytes = std::fs::read(path)?;
    let slots = bytes.chunks(SLOT_DISTANCE_BYTES).take(2).enumerate();
    Ok(slots.filter_map(|(i, slot)| decode(slot, i)).max_by_key(|witness| witness.position.commit))
}

struct State {
    file: File,
    store: Uuid,
    /// Where writes go now.
    slot: usize,
    dirty: bool,
    closing: bool,
    /// The error of a sync that nobody has been told of.
    failed: Option<io::Error>,
    syncs: bool,
}

impl State {
    fn write(&mut self, position: &Position) -> io::Result<()> {
        let offset = (self.slot * SLOT_DISTANCE_BYTES) as u64;
        self.file.write_all_at(&encode(self.store, position), offset)?;
        self.dirty = true;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.dirty && self.syncs {
            rustix::fs::fdatasync(&self.file)?;
            self.slot = 1 - self.slot;
        }
        self.dirty = false;
        Ok(())
    }
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs on a thread of its own: the last commit before a quiet time must be synced as well.
    fn sync_until_closed(&self) {
        let mut state = self.lock();
        loop {
            state = self.wake.wait_while(state, |s| !s.dirty && !s.closing).unwrap_or_else(PoisonError::into_inner);
            let waited = self.wake.wait_timeout_while(state, SYNC_AFTER, |s| !s.closing);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if let Err(error) = state.sync() {
                tracing::error!(%error, "high-water file could not be synced");
                state.failed = Some(error);
                return;
            }
            if state.closing {
                return;
            }
        }
    }
}

/// The file, open for writing. Dropping it syncs it.
pub(super) struct HighWater {
    shared: Arc<Shared>,
    syncer: Option<JoinHandle<()>>,
}

impl HighWater {
    /// Opens the file that `witness` was read from, records `position` and syncs it. `syncs` is false only under the danger knob.
    pub(super) fn open(path: &Path, witness: Witness, position: &Position, syncs: bool) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(path)?;
        let slot = 1 - witness.slot;
        let mut state = State { file, store: witness.store, slot, dirty: false, closing: false, failed: None, syncs };
        state.write(position)?;
        state.sync()?;
        let shared = Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new() });
        let syncer = std::thread::Builder::new().name("high-water".into()).spawn({
            let shared = shared.clone();
            move || shared.sync_until_closed()
        })?;
        Ok(Self { shared, syncer: Some(syncer) })
    }

    /// Writes the position of a commit that is durable. An earlier sync that failed is reported here.
    pub(super) fn record(&self, position: &Position) -> io::Result<()> {
        let mut state = self.shared.lock();
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        let was_dirty = state.dirty;
        state.write(position)?;
        if !was_dirty {
            self.shared.wake.notify_one();
        }
        Ok(())
    }
}

impl Drop for HighWater {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_one();
        if let Some(syncer) = self.syncer.take()
            && syncer.join().is_err()
        {
            tracing::error!("high-water thread panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::ids::Timestamp;

    const STORE: Uuid = Uuid::from_bytes([5; 16]);

    fn position(commits: u64) -> Position {
        (0..commits).fold(Position::default(), |position, i| position.after(&[], Timestamp(i as i64)))
    }

    fn newest(path: &Path) -> Witness {
        read(path).expect("readable").expect("a whole slot")
    }

    #[test]
    fn the_last_recorded_position_reads_back() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("high-water");
        create(&path, STORE, &Position::default()).expect("created");
        assert_eq!((newest(&path).store, newest(&path).position), (STORE, position(0)));
        for round in 1..4 {
            let file = HighWater::open(&path, newest(&path), &position(round * 10), true).expect("opened");
            for i in 1..5 {
                file.record(&position(round * 10 + i)).expect("recorded");
                assert_eq!(
                    newest(&path).position,
                    position(round * 10 + i),
                    "visible before the sync, as after a kill"
                );
            }
            drop(file);
            assert_eq!(newest(&path).position, position(round * 10 + 4));
            assert_eq!(std::fs::metadata(&path).expect("there").len(), FILE_BYTES as u64);
        }
    }

    #[test]
    fn a_torn_write_leaves_the_last_synced_position() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("high-water");
        create(&path, STORE, &Position::default()).expect("created");
        let file = HighWater::open(&path, newest(&path), &position(3), true).expect("opened");
        let synced = std::fs::read(&path).expect("readable");
        file.record(&position(4)).expect("recorded");
        let written = std::fs::read(&path).expect("readable");
        drop(file);
        for torn_at in (0..=SLOT_BYTES).chain(SLOT_DISTANCE_BYTES..=SLOT_DISTANCE_BYTES + SLOT_BYTES) {
            // Whichever of the two writes reached the disk, from whichever end.
            for torn in [[&written[..torn_at], &synced[torn_at..]], [&synced[..torn_at], &written[torn_at..]]] {
                std::fs::write(&path, torn.concat()).expect("written");
                assert!(newest(&path).position.commit >= 3, "torn at {torn_at}");
            }
        }
    }

    #[test]
    fn a_flipped_bit_never_raises_the_mark() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("high-water");
        create(&path, STORE, &Position::default()).expect("created");
        drop(HighWater::open(&path, newest(&path), &position(3), true).expect("opened"));
        let good = std::fs::read(&path).expect("readable");
        let slots = (0..SLOT_BYTES).chain(SLOT_DISTANCE_BYTES..SLOT_DISTANCE_BYTES + SLOT_BYTES);
        for bit in slots.flat_map(|byte| byte * 8..byte * 8 + 8) {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, bad).expect("written");
            let found = newest(&path);
            assert!(found.position == position(3) || found.position == position(0), "bit {bit}");
        }
    }
}
