//! What does a store hold, as a server starts? All of it is read and verified before anything is served.

use std::collections::HashSet;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::access::{self, Unrecorded};
use super::directory::DirectoryLog;
use super::load::{self, LoadError};
use super::shared::{Listings, lock};
use crate::audit::{self, Trail};
use crate::room::ids::{ContentId, OrganisationId, RoomId};
use crate::room::state::RoomState;
use crate::store::Store;

pub(super) fn failed(why: &str) -> LoadError {
    LoadError::Store(crate::store::StoreError::Failed(why.to_owned()))
}

/// What a store holds: the directory, who is where, changes of access that are not in all rooms yet, the end of the audit trail, what
/// attachments hold (unless a room can't be read).
pub(super) type ReadStore = (DirectoryLog, Listings, Vec<Unrecorded>, audit::Loaded, Option<HashSet<ContentId>>);

/// Reads all rooms, several at once, verifies what no snapshot covers, and notes who is where.
pub(super) fn read_all(store: &dyn Store, coordinator: OrganisationId) -> Result<ReadStore, LoadError> {
    let log = DirectoryLog::load(store, coordinator)?;
    let trail = Trail::load(store)?;
    let rooms: Vec<RoomId> = store.rooms()?.into_iter().filter(|room| room.is_room()).collect();
    let (next, listings) = (AtomicUsize::new(0), std::sync::Mutex::new(Listings::default()));
    let unrecorded = std::sync::Mutex::new(Vec::new());
    let posted = std::sync::Mutex::new(Some(HashSet::new()));
    let read_some = || {
        while let Some(&room) = rooms.get(next.fetch_add(1, Ordering::Relaxed)) {
            match read_one(store, room, &listings)? {
                Some(state) => {
                    lock(&unrecorded).extend(access::unrecorded(log.directory(), room, &state));
                    if let Some(posted) = &mut *lock(&posted) {
                        posted.extend(state.contents().map(|(content, _)| content));
                    }
                }
                None => *lock(&posted) = None,
            }
        }
        Ok(())
    };
    let at_once = std::thread::available_parallelism().map_or(1, usize::from).min(rooms.len());
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..at_once).map(|_| scope.spawn(read_some)).collect();
        let read =
            readers.into_iter().map(|reader| reader.join().unwrap_or_else(|_| Err(failed("reading it panicked"))));
        read.collect::<Result<(), LoadError>>()
    })?;
    let listings = listings.into_inner().unwrap_or_else(PoisonError::into_inner);
    let posted = posted.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((log, listings, unrecorded.into_inner().unwrap_or_else(PoisonError::into_inner), trail, posted))
}

fn read_one(
    store: &dyn Store,
    room: RoomId,
    listings: &std::sync::Mutex<Listings>,
) -> Result<Option<RoomState>, LoadError> {
    match load::load(store, room) {
        Ok(loaded) => {
            lock(listings).list(room, &loaded.state);
            return Ok(Some(loaded.state));
        }
        Err(LoadError::Damaged(damage)) => {
            tracing::error!(room.id = %room, %damage, "room does not verify and is not served; `samverkan inspect` shows where");
        }
        Err(error) => return Err(error),
    }
    Ok(None)
}
