//! A store that forgets: the contract without a disk, and with faults on demand. For tests; nothing survives the process.
//!
//! Leans on: the contract in `store`. Upholds: the contract's rules, as far as a test sees them. Tested by `conformance`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::{Frame, Store, StoreError, StoredFrame};
use crate::contents::Storage;
use crate::room::ids::{RoomId, Timestamp};
use crate::sealing::Vault;

/// What a test can make happen to the next commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// There is no space: [`StoreError::Full`], nothing written. Commits work again after it.
    Full,
    /// The disk fails before anything is written: [`StoreError::Failed`], for ever.
    FailsUnwritten,
    /// The disk fails after everything was written: [`StoreError::Failed`], for ever. The frames are there after a [`MemoryStore::restart`].
    FailsWritten,
}

/// Frames in memory.
pub struct MemoryStore {
    inner: Mutex<Inner>,
    released: Condvar,
    waiting: watch::Sender<bool>,
    vault: Arc<Vault>,
    contents: Storage,
}

#[derive(Default, Clone)]
struct Inner {
    rooms: BTreeMap<RoomId, BTreeMap<u64, Bytes>>,
    /// Numbers of frames, also of those that a test dropped.
    next: BTreeMap<RoomId, u64>,
    /// Written by a commit that failed: not to be seen before a restart.
    hidden: Vec<Frame>,
    snapshots: BTreeMap<RoomId, Vec<u8>>,
    clock_floor: Timestamp,
    /// What fails, and, if not the next commit, the next that writes in which room.
    fault: Option<(Option<RoomId>, Fault)>,
    failed: Option<StoreError>,
    held: bool,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        let (inner, waiting) = (Mutex::default(), watch::Sender::new(false));
        Self {
            inner,
            released: Condvar::new(),
            waiting,
            vault: Arc::new(Vault::random()),
            contents: Storage::in_memory(),
        }
    }

    /// An empty store in which frames lie as they are.
    pub fn unencrypted() -> Self {
        Self { vault: Arc::new(Vault::none()), ..Self::new() }
    }

    /// The same frames in a new store, as after the process has ended and started again. Faults are gone.
    #[must_use]
    pub fn restart(&self) -> Self {
        let mut inner = self.lock().clone();
        for frame in std::mem::take(&mut inner.hidden) {
            inner.add(&frame);
        }
        let inner = Inner { fault: None, failed: None, held: false, ..inner };
        Self { inner: Mutex::new(inner), vault: self.vault.clone(), contents: self.contents.clone(), ..Self::new() }
    }

    /// Makes the next commit fail.
    pub fn fail_next(&self, fault: Fault) {
        self.lock().fault = Some((None, fault));
    }

    /// Makes the next commit fail that writes in this room.
    pub fn fail_next_in(&self, room: RoomId, fault: Fault) {
        self.lock().fault = Some((Some(room), fault));
    }

    /// Makes commits wait, once they have been called, until the gate is released or dropped.
    #[must_use]
    pub fn hold_commits(&self) -> Gate<'_> {
        self.lock().held = true;
        Gate { store: self }
    }

    /// Flips one bit of a frame as stored. False if there is no such bit.
    pub fn flip_bit(&self, room: RoomId, number: u64, bit: usize) -> bool {
        let mut inner = self.lock();
        let Some(bytes) = inner.rooms.get_mut(&room).and_then(|frames| frames.get_mut(&number)) else { return false };
        let mut flipped = bytes.to_vec();
        let Some(byte) = flipped.get_mut(bit / 8) else { return false };
        *byte ^= 1 << (bit % 8);
        *bytes = flipped.into();
        true
    }

    /// Loses a frame. False if there is none.
    pub fn drop_frame(&self, room: RoomId, number: u64) -> bool {
        self.lock().rooms.get_mut(&room).is_some_and(|frames| frames.remove(&number).is_some())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn add(&mut self, frame: &Frame) {
        self.rooms.entry(frame.room).or_default().insert(frame.number, frame.bytes.clone());
        self.next.insert(frame.room, frame.number + 1);
    }

    fn check(&self, frames: &[Frame]) -> Result<(), String> {
        let mut next = BTreeMap::new();
        for frame in frames {
            let expected = next.entry(frame.room).or_insert_with(|| self.next.get(&frame.room).copied().unwrap_or(0));
            if frame.number != *expected {
                return Err(format!("room {}: frame {} was given, {expected} is next", frame.room, frame.number));
            }
            *expected += 1;
        }
        Ok(())
    }

    fn fail(&mut self, why: String) -> StoreError {
        self.failed.insert(StoreError::Failed(why)).clone()
    }
}

/// Commits wait for as long as this lives.
pub struct Gate<'a> {
    store: &'a MemoryStore,
}

impl Gate<'_> {
    /// Resolves when a commit stands before the gate: decided, not durable.
    pub async fn commit_waits(&self) {
        let mut waiting = self.store.waiting.subscribe();
        // The sender lives in the store that is borrowed here.
        let _ = waiting.wait_for(|&waiting| waiting).await;
    }

    /// Lets commits go on.
    pub fn release(self) {}
}

impl Drop for Gate<'_> {
    fn drop(&mut self) {
        self.store.lock().held = false;
        self.store.released.notify_all();
    }
}

impl Store for MemoryStore {
    fn contents(&self) -> &Storage {
        &self.contents
    }

    fn vault(&self) -> &Vault {
        &self.vault
    }

    fn commit(&self, frames: &[Frame], now: Timestamp) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if inner.held {
            self.waiting.send_replace(true);
            inner = self.released.wait_while(inner, |inner| inner.held).unwrap_or_else(PoisonError::into_inner);
            self.waiting.send_replace(false);
        }
        if let Some(failed) = &inner.failed {
            return Err(failed.clone());
        }
        if frames.is_empty() {
            return Ok(());
        }
        inner.check(frames).map_err(|why| inner.fail(why))?;
        let fails = |room: &Option<RoomId>| room.is_none_or(|room| frames.iter().any(|frame| frame.room == room));
        match inner.fault.take_if(|(room, _)| fails(room)).map(|(_, fault)| fault) {
            Some(Fault::Full) => Err(StoreError::Full { free_mib: 0, reserve_mib: 64 }),
            Some(Fault::FailsUnwritten) => Err(inner.fail("told to fail".to_owned())),
            Some(Fault::FailsWritten) => {
                inner.hidden.extend_from_slice(frames);
                Err(inner.fail("told to fail".to_owned()))
            }
            None => {
                for frame in frames {
                    inner.add(frame);
                }
                inner.clock_floor = inner.clock_floor.max(now);
                Ok(())
            }
        }
    }

    fn read(&self, room: RoomId, numbers: Range<u64>, bytes_max: usize) -> Result<Vec<StoredFrame>, StoreError> {
        let inner = self.lock();
        let end = inner.next.get(&room).copied().unwrap_or(0).min(numbers.end);
        let mut bytes_read = 0_usize;
        let mut found = Vec::new();
        for number in numbers.start..end {
            if !found.is_empty() && bytes_read >= bytes_max {
                break;
            }
            let Some(bytes) = inner.rooms.get(&room).and_then(|frames| frames.get(&number)) else {
                return Err(StoreError::Damaged(format!("room {room}, frame {number} is missing")));
            };
            bytes_read += bytes.len();
            found.push(StoredFrame { number, bytes: bytes.clone() });
        }
        Ok(found)
    }

    fn snapshot(&self, room: RoomId) -> Option<Vec<u8>> {
        self.lock().snapshots.get(&room).cloned()
    }

    fn keep_snapshot(&self, room: RoomId, bytes: &[u8]) {
        self.lock().snapshots.insert(room, bytes.to_owned());
    }

    fn rooms(&self) -> Result<Vec<RoomId>, StoreError> {
        Ok(self.lock().next.keys().copied().collect())
    }

    fn clock_floor(&self) -> Timestamp {
        self.lock().clock_floor
    }

    /// The same for all memory stores, so that tests repeat exactly.
    fn secret(&self) -> [u8; 32] {
        [0x5a; 32]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::conformance::{Fixture, NOW, conformance, frame, room};

    struct Memory(Arc<MemoryStore>);

    impl Fixture for Memory {
        type Store = MemoryStore;

        fn new() -> Self {
            Self(Arc::new(MemoryStore::new()))
        }

        fn store(&self) -> &Arc<MemoryStore> {
            &self.0
        }

        fn set_full(&self, full: bool) {
            self.0.lock().fault = full.then_some((None, Fault::Full));
        }

        fn break_disk(&self) {
            self.0.fail_next(Fault::FailsWritten);
        }

        fn reopen(self) -> Self {
            Self(Arc::new(self.0.restart()))
        }
    }

    conformance!(Memory);

    #[test]
    fn a_flipped_bit_is_served_and_a_dropped_frame_is_missed() {
        let store = MemoryStore::new();
        store.commit(&[frame(1, 0, 4), frame(1, 1, 4)], NOW).expect("committed");
        assert!(store.flip_bit(room(1), 1, 31) && !store.flip_bit(room(1), 1, 32) && !store.flip_bit(room(2), 0, 0));
        let read = store.read(room(1), 0..u64::MAX, usize::MAX).expect("readable");
        assert_eq!(read[0].bytes, frame(1, 0, 4).bytes);
        assert_eq!(read[1].bytes[3], frame(1, 1, 4).bytes[3] ^ 0x80);
        assert!(store.drop_frame(room(1), 0) && !store.drop_frame(room(1), 0));
        assert!(matches!(store.read(room(1), 0..u64::MAX, usize::MAX), Err(StoreError::Damaged(_))));
    }
}
