//! A room from its frames: read, verify, fold. One question: what does the store say happened in this room?
//!
//! Upholds: R2 (nothing is used that does not verify), R3.

use std::sync::Arc;

use crate::room::chain::Digest;
use crate::room::event::Entry;
use crate::room::ids::{RoomId, Seq};
use crate::room::mailbox::Mailboxes;
use crate::room::state::{RoomState, fold};
use crate::store::codec::{self, Damage, Logged, Opened, Tip};
use crate::store::{Store, StoreError};

/// Bytes of frames that are read at a time.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// Why a room can't be served.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// Its frames don't verify: the room is quarantined, others go on.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What it takes to find a frame again and to know that it is the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    pub(super) first_entry: Seq,
    pub(super) digest: Digest,
}

/// A room as its log has it.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) state: RoomState,
    pub(super) mailboxes: Mailboxes,
    pub(super) tip: Tip,
    pub(super) marks: Vec<Mark>,
}

/// Reads all frames of a log in order and hands over what is in them.
pub fn replay<E: Logged>(
    store: &dyn Store,
    room: RoomId,
    mut each: impl FnMut(Seq, Opened<E>) -> Result<(), &'static str>,
) -> Result<Tip, LoadError> {
    let mut tip = Tip::start(room);
    loop {
        let frames = store.read(room, tip.next_frame(), READ_BYTES)?;
        if frames.is_empty() {
            return Ok(tip);
        }
        for stored in &frames {
            let first = tip.next_entry();
            let opened = tip.follow(stored)?;
            each(first, opened).map_err(|what| Damage { room, frame: stored.number, what })?;
        }
    }
}

/// Loads a room. `each` is shown its entries in order.
pub(super) fn load(store: &dyn Store, room: RoomId, mut each: impl FnMut(&Entry)) -> Result<Loaded, LoadError> {
    let mut state = RoomState::default();
    let mut mailboxes = Mailboxes::default();
    let mut marks = Vec::new();
    let tip = replay(store, room, |first_entry, opened: Opened<Entry>| {
        for entry in &opened.entries {
            fold(&mut state, entry);
            mailboxes.follow(&state, entry);
            each(entry);
        }
        for range in &opened.deliveries {
            mailboxes.restore(range).map_err(|_| "holds a delivery record that contradicts the log")?;
        }
        marks.push(Mark { first_entry, digest: opened.digest });
        Ok(())
    })?;
    Ok(Loaded { state, mailboxes, tip, marks })
}

/// A frame to read again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) number: u64,
    pub(super) mark: Mark,
}

/// Reads frames again, in order, until their bytes add up to `bytes_max` (at least one), and verifies that they are the ones
/// that were there.
pub(super) fn read_again(
    store: &dyn Store,
    room: RoomId,
    places: &[Place],
    bytes_max: usize,
) -> Result<Vec<Arc<Entry>>, LoadError> {
    let mut entries = Vec::new();
    let mut bytes = 0;
    let mut rest = places;
    while let [first, ..] = rest
        && (bytes == 0 || bytes < bytes_max)
    {
        let in_a_row = (first.number..).zip(rest).take_while(|(number, place)| *number == place.number).count();
        let read = store.read(room, first.number, if in_a_row == 1 { 1 } else { bytes_max.saturating_sub(bytes) })?;
        if read.is_empty() {
            return Err(Damage { room, frame: first.number, what: "is missing" }.into());
        }
        let (row, _) = rest.split_at(in_a_row);
        let count = row.len().min(read.len());
        for (stored, place) in read.iter().zip(row) {
            if stored.number != place.number {
                return Err(Damage { room, frame: place.number, what: "is missing" }.into());
            }
            bytes += stored.bytes.len();
            let opened: Opened<Entry> = codec::reopen(room, place.mark.first_entry, &place.mark.digest, stored)?;
            entries.extend(opened.entries.into_iter().map(Arc::new));
        }
        rest = &rest[count..];
    }
    Ok(entries)
}
