//! The directory's log. One writer at a time; nothing on the path of a message waits for it.
//!
//! Upholds: R4, R8 for organisations and for the opening of rooms.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::load::{LoadError, replay};
use super::shared::{Shared, salt};
use super::{Failure, Outcome};
use crate::audit;
use crate::room::directory::{Directory, DirectoryCommand, DirectoryEntry, DirectoryEvent};
use crate::room::event::Request;
use crate::room::ids::{Actor, OrganisationId, RoomId};
use crate::room::refusal::Refusal;
use crate::sealing::Vault;
use crate::store::codec::{self, Opened, Tip};
use crate::store::committer::{CommitError, Outcome as Committed};
use crate::store::{Frame, Store, StoreError};

/// The log and its end.
pub(super) struct DirectoryLog {
    tip: Tip,
    directory: Directory,
    entries: Vec<Arc<DirectoryEntry>>,
}

impl DirectoryLog {
    pub(super) fn load(store: &dyn Store, coordinator: OrganisationId) -> Result<Self, LoadError> {
        let mut directory = Directory::new(coordinator);
        let mut entries = Vec::new();
        let tip = replay(store, RoomId::DIRECTORY, |_, opened: Opened<DirectoryEntry>| {
            opened.entries.iter().for_each(|entry| directory.fold(entry));
            entries.extend(opened.entries.into_iter().map(Arc::new));
            Ok(())
        })?;
        Ok(Self { tip, directory, entries })
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }
}

/// The entry that this write made before, if it made one.
fn find(
    log: &DirectoryLog,
    vault: &Vault,
    caller: &Actor,
    request: Request,
) -> Result<Option<Arc<DirectoryEntry>>, Failure> {
    let Some(seq) = log.directory.find_request(caller, request.id) else { return Ok(None) };
    let Some(entry) = log.entries.get(seq.0 as usize) else { return Ok(None) };
    // An earlier version kept it as it is.
    let is_same = [request.digest, kept(vault, &entry.event, request).digest].contains(&entry.request.digest);
    if is_same { Ok(Some(entry.clone())) } else { Err(Refusal::RequestIdReused.into()) }
}

/// The request as it is kept with what it did. What opens a room may be a report, which can be erased: whoever has its digest could guess it.
fn kept(vault: &Vault, event: &DirectoryEvent, request: Request) -> Request {
    let bound = match event {
        DirectoryEvent::RoomCreated { room, .. } => vault.bind_opening(*room, &request.digest),
        _ => None,
    };
    Request { digest: bound.unwrap_or(request.digest), ..request }
}

/// One write of the directory: what it was before, or what `decide` makes of it, durable together with the frames that it brings.
pub(super) async fn write(
    shared: &Shared,
    log: &Mutex<DirectoryLog>,
    caller: &Actor,
    request: Request,
    decide: impl FnOnce(&Directory) -> Result<(DirectoryCommand, Vec<Frame>), Refusal>,
) -> Result<(Arc<DirectoryEntry>, bool), Failure> {
    let mut log = log.lock().await;
    if let Some(entry) = find(&log, shared.store.vault(), caller, request)? {
        return Ok((entry, false));
    }
    let (command, frames) = decide(&log.directory)?;
    let event = log.directory.decide(caller, command)?;
    let vault = shared.store.vault();
    let entry = Arc::new(DirectoryEntry {
        seq: log.directory.next(),
        recorded_at: shared.now().max(log.directory.last_recorded_at()),
        author: caller.clone(),
        request: kept(vault, &event, request),
        event,
    });
    let mut tip = log.tip;
    let packed = tip.pack(vec![codec::seal(&entry, RoomId::DIRECTORY, vault, salt)], &[], vault);
    let frames = packed.into_iter().map(|(_, frame)| frame).chain(frames).collect();
    committed(shared.trail.submit(vec![audit::of_directory(&entry)], frames).await.await)?;
    log.tip = tip;
    log.directory.fold(&entry);
    log.entries.push(entry.clone());
    shared.set_directory(log.directory.clone());
    Ok((entry, true))
}

type Done = Result<Result<(), CommitError>, tokio::sync::oneshot::error::RecvError>;

fn committed(done: Done) -> Result<(), Failure> {
    match done {
        Ok(done) => done.map_err(Failure::from),
        Err(_) => Err(Failure::StoreFailed { outcome: Outcome::Unknown }),
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError { source: StoreError::Full { .. }, .. } => Self::StoreFull,
            CommitError { outcome: Committed::NothingWritten, .. } => {
                Self::StoreFailed { outcome: Outcome::NothingWritten }
            }
            CommitError { outcome: Committed::Unknown, .. } => Self::StoreFailed { outcome: Outcome::Unknown },
        }
    }
}
