//! What does sled do alone? The same settings, the same keys and both barriers, and nothing of ours around them: the ceiling that
//! `samverkan bench` measures the product against.
//!
//! Leans on: `keys`, `open`. Never used by a server. Tested by the benchmark's own test.

use std::fs::File;
use std::path::Path;

use super::keys::{FRAME_KEY_BYTES, FrameKey};
use super::{SledOptions, guarded, open};
use crate::room::ids::RoomId;

/// A database that holds nothing but values.
pub(crate) struct Alone {
    db: sled::Db,
    db_file: File,
    room: RoomId,
    next: u64,
}

impl Alone {
    /// Makes one in an empty directory.
    pub(crate) fn create(dir: &Path) -> Result<Self, String> {
        let db = open::open_sled(dir, &SledOptions::default(), true).map_err(|error| error.to_string())?;
        let db_file = File::open(dir.join(open::DB_FILE)).map_err(|error| error.to_string())?;
        Ok(Self { db, db_file, room: RoomId::from_bytes([7; 16]), next: 0 })
    }

    fn key(&mut self) -> [u8; FRAME_KEY_BYTES] {
        self.next += 1;
        FrameKey { room: self.room, number: self.next, part: 0 }.encode()
    }

    /// One batch, `flush`, `fdatasync`: as a commit of the store, each value under the next key.
    pub(crate) fn commit(&mut self, values: &[&[u8]]) -> Result<(), String> {
        let mut batch = sled::Batch::default();
        for value in values {
            batch.insert(&self.key(), *value);
        }
        guarded(|| self.db.apply_batch(batch).and_then(|()| self.db.flush())).map_err(|trouble| trouble.to_string())?;
        rustix::fs::fdatasync(&self.db_file).map_err(|error| format!("fdatasync: {error}"))?;
        Ok(())
    }
}
