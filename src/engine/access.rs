//! Whose access was taken away: in the directory first, then in the rooms of that organisation.
//!
//! The directory's entry names the rooms that record it, so that what a crash leaves undone between the two is known, and done at the
//! next start. Upholds: R4, R8, R10. Tested in `tests/it/wire/access.rs`.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::room::{Job, Lane, Waiting};
use super::shared::lock;
use super::{Engine, Failure, directory};
use crate::room::directory::{Directory, DirectoryCommand, DirectoryEvent, Revocation};
use crate::room::event::{AccessChange, Command, Request};
use crate::room::ids::{Actor, RoomId, Timestamp};
use crate::room::refusal::Refusal;
use crate::room::state::RoomState;

/// What a room has not recorded yet.
pub(super) type Unrecorded = (RoomId, Arc<Revocation>);

/// What is wished of an access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessWish {
    /// Whose; `None`: nobody knows whose the certificate is.
    pub actor: Option<Actor>,
    /// What is to happen.
    pub change: AccessChange,
    /// The certificate that the caller is using, which it can't revoke.
    pub own: [u8; 32],
    /// For the record.
    pub reason: Arc<str>,
}

/// A change of an access that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessChanged {
    /// When.
    pub recorded_at: Timestamp,
    /// Whose; `None`: nobody knew whose the certificate was.
    pub actor: Option<Actor>,
}

/// What the directory says and this room does not have.
pub(super) fn unrecorded(directory: &Directory, room: RoomId, state: &RoomState) -> Vec<Unrecorded> {
    let here = directory.revocations().iter().filter(|revocation| revocation.rooms.contains(&room));
    here.filter(|revocation| !state.has_access_change(revocation.seq)).map(|missing| (room, missing.clone())).collect()
}

impl Engine {
    /// Takes somebody's access away, or gives it back. The coordinator. When it is durable in the
    /// directory, `in_force` is called, which cuts whom it concerns; when this returns, every room that records it has done so.
    pub async fn change_access(
        &self,
        caller: &Actor,
        request: Request,
        wish: AccessWish,
        in_force: impl FnOnce(),
    ) -> Result<AccessChanged, Failure> {
        let AccessWish { actor, change, own, reason } = wish;
        let rooms: Vec<RoomId> = match &actor {
            Some(actor) => {
                let listings = lock(&self.0.shared.listings);
                let rooms = listings.rooms_of(&actor.organisation);
                rooms.filter(|(_, listing)| listing.has(&actor.organisation)).map(|(room, _)| room).collect()
            }
            None => Vec::new(),
        };
        let command = DirectoryCommand::ChangeAccess { actor, change, own, reason, rooms };
        let decide = |_: &Directory| Ok((command, Vec::new()));
        let (entry, is_new) = directory::write(&self.0.shared, &self.0.directory, caller, request, decide).await?;
        let DirectoryEvent::AccessChanged { actor, .. } = &entry.event else {
            return Err(Refusal::RequestIdReused.into());
        };
        in_force();
        let revocation = self.directory().revocations().iter().rfind(|known| known.seq == entry.seq).cloned();
        if let Some(revocation) = revocation.filter(|_| is_new) {
            let engine = self.clone();
            // A task of its own: a caller that hangs up leaves nothing half recorded.
            let recording = tokio::spawn(async move {
                for room in &revocation.rooms {
                    engine.record_access_change(*room, &revocation).await?;
                }
                Ok(())
            });
            recording.await.unwrap_or(Err(Failure::ShuttingDown))?;
        }
        Ok(AccessChanged { recorded_at: entry.recorded_at, actor: actor.clone() })
    }

    async fn record_access_change(&self, room: RoomId, revocation: &Revocation) -> Result<(), Failure> {
        let Some(actor) = revocation.actor.clone() else { return Ok(()) };
        let (answer, answered) = oneshot::channel();
        let command = Command::RecordAccessChange { actor, change: revocation.change, by: revocation.seq };
        let job = Job::Write { caller: revocation.by.clone(), request: None, command, answer, admission: None };
        self.tell(room, Waiting { lane: Lane::Urgent, job, _place: None }).await?;
        answered.await.map_err(|_| Failure::ShuttingDown)??;
        Ok(())
    }

    /// What a crash between the directory's entry and those in the rooms left undone.
    pub(super) async fn finish_access_changes(&self, mut unrecorded: Vec<Unrecorded>) {
        unrecorded.sort_by_key(|(room, revocation)| (*room, revocation.seq));
        for (room, revocation) in unrecorded {
            if let Err(failure) = self.record_access_change(room, &revocation).await {
                tracing::warn!(room.id = %room, %failure, "a revocation could not be recorded in a room");
            }
        }
    }
}
