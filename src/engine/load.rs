//! A room from its frames: read, verify, fold. One question: what does the store say happened in this room?
//!
//! Upholds: R2 (nothing is used that does not verify), R3.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::snapshot::{self, Loaded};
use crate::room::chain::Digest;
use crate::room::event::Entry;
use crate::room::ids::{RoomId, Seq};
use crate::room::state::fold;
use crate::store::codec::{self, Damage, Opened};
use crate::store::replay::replay_from;
pub use crate::store::replay::{LoadError, replay};
use crate::store::{Store, StoreError};

/// What it takes to find a frame again and to know that it is the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mark {
    pub(super) first_entry: Seq,
    pub(super) digest: Digest,
}

/// Loads a room: from its snapshot, if it has one that is its log's, and what comes after it. Where that was much, it is kept in a
/// snapshot for the next time.
pub(super) fn load(store: &dyn Store, room: RoomId) -> Result<Loaded, LoadError> {
    let mut loaded = snapshot_of(store, room).unwrap_or_else(|| Loaded::empty(room));
    let Loaded { state, mailboxes, tip, marks, .. } = &mut loaded;
    let kept = state.next();
    *tip = replay_from(store, room, *tip, |first_entry, opened: Opened<Entry>| {
        for entry in &opened.entries {
            fold(state, entry);
            mailboxes.follow(state, entry);
        }
        for range in &opened.deliveries {
            mailboxes.restore(range).map_err(|_| "holds a delivery record that contradicts the log")?;
        }
        marks.push(Mark { first_entry, digest: opened.digest });
        Ok(())
    })?;
    // What a crash between the entry and the keyring left undone, or an older keyring that was put back.
    for (erasure, payloads) in state.erasures() {
        let erased = store.vault().erase(erasure, room, payloads);
        erased.map_err(|error| StoreError::Failed(format!("an erasure could not be finished: {error}")))?;
    }
    if snapshot::is_due(state.next(), kept)
        && let Some(bytes) = snapshot::of(room, state, mailboxes, tip, marks)
    {
        store.keep_snapshot(room, &bytes);
    }
    Ok(loaded)
}

/// The room's snapshot, if the last frame that it covers is where it was.
fn snapshot_of(store: &dyn Store, room: RoomId) -> Option<Loaded> {
    let loaded = snapshot::read(room, &store.snapshot(room)?)?;
    let mark = loaded.marks.last()?;
    let number = loaded.tip.next_frame() - 1;
    let frames = store.read(room, number..number + 1, 1).ok()?;
    codec::reopen::<Entry>(room, mark.first_entry, loaded.tip.frame(), frames.first()?, store.vault()).ok()?;
    Some(loaded)
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
        let read = store.read(room, first.number..first.number + in_a_row as u64, bytes_max.saturating_sub(bytes))?;
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
            let opened: Opened<Entry> =
                codec::reopen(room, place.mark.first_entry, &place.mark.digest, stored, store.vault())?;
            entries.extend(opened.entries.into_iter().map(Arc::new));
        }
        rest = &rest[count..];
    }
    Ok(entries)
}
