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
        let (entry, _) = directory::write(&self.0.shared, &self.0.directory, caller, request, decide).await?;
        let DirectoryEvent::AccessChanged { actor, .. } = &entry.event else {
            return Err(Refusal::RequestIdReused.into());
        };
        in_force();
        let revocation = self.directory().revocations().iter().rfind(|known| known.seq == entry.seq).cloned();
        // Also by a retry: the disk may have been full before. A room that has it records it no second time.
        if let Some(revocation) = revocation {
            let engine = self.clone();
            // A task of its own: a caller that hangs up leaves nothing half recorded.
            let recording = tokio::spawn(async move {
                let mut recorded = Ok(());
                for room in &revocation.rooms {
                    recorded = recorded.and(engine.record_access_change(*room, &revocation).await);
                }
                recorded
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

#[cfg(test)]
mod tests {
    use super::super::tests::{World, actor, organisation, receiver, request};
    use super::super::{Delivery, Opening, What};
    use super::*;
    use crate::room::ids::Index;
    use crate::store::memory::Fault;

    /// A world in which region-b is in two rooms.
    async fn two_rooms() -> (World, [RoomId; 2]) {
        let world = World::new().await;
        let first = world.room().await;
        let opening = Opening::ByCoordinator { title: "other".into(), terms: "terms".into() };
        let second = world.engine.open_room(&actor("cert-se"), request(), opening).await.expect("opens").room;
        world.invite(second, "region-b").await;
        let mut rooms = [first, second];
        rooms.sort();
        (world, rooms)
    }

    async fn revoke(world: &World, request: Request, in_force: impl FnOnce()) -> Result<AccessChanged, Failure> {
        let actor: Actor = "org/region-b/user/bo".parse().expect("an actor");
        let change = AccessChange::ActorRevoked;
        let wish = AccessWish { actor: Some(actor), change, own: [9; 32], reason: "left".into() };
        world.engine.change_access(&super::super::tests::actor("cert-se"), request, wish, in_force).await
    }

    /// Whether region-b is in them.
    async fn present(world: &World, rooms: [RoomId; 2]) -> [bool; 2] {
        rooms.map(|room| {
            world.engine.rooms(&organisation("region-b"), None, 10).iter().any(|(listed, _)| *listed == room)
        })
    }

    /// How often each room says so.
    async fn recorded(world: &World, rooms: [RoomId; 2]) -> [usize; 2] {
        let mut counts = [0; 2];
        for (count, room) in counts.iter_mut().zip(rooms) {
            let page = world.engine.page(&receiver("region-b"), room, Index(0), 1000, 1 << 20).await.expect("a page");
            let says = |delivery: &&Delivery| match delivery {
                Delivery::Shown(shown) => matches!(shown.get().what, What::AccessChanged { .. }),
                Delivery::Withdrawn | Delivery::Notice(_) => false,
            };
            *count = page.deliveries.iter().filter(says).count();
        }
        counts
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn r8_a_crash_between_the_directorys_entry_and_the_rooms_is_made_up_for_once() {
        for fault in [Fault::FailsUnwritten, Fault::FailsWritten] {
            for last in [0, 1] {
                let (world, rooms) = two_rooms().await;
                // The process ends when the directory has it, and the rooms before this one.
                let revocation = request();
                let failed = revoke(&world, revocation, || world.store.fail_next_in(rooms[last], fault)).await;
                assert!(matches!(failed, Err(Failure::StoreFailed { .. })), "{failed:?}");
                // The next process ends while it makes up for that.
                let store = Arc::new(world.store.restart());
                store.fail_next_in(rooms[1], fault);
                let world = World::on(store).await;
                let world = World::on(Arc::new(world.store.restart())).await;
                assert_eq!(recorded(&world, rooms).await, [1, 1], "{fault:?} in {last}");
                // A retry, and another start, add nothing.
                revoke(&world, revocation, || ()).await.expect("the same answer");
                let world = world.restart().await;
                assert_eq!(recorded(&world, rooms).await, [1, 1]);
                assert_eq!(world.engine.directory().revocations().len(), 1);
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn when_one_room_can_not_record_it_the_others_do_and_a_retry_makes_up_for_it() {
        for last in [0, 1] {
            let (world, rooms) = two_rooms().await;
            let revocation = request();
            let full = revoke(&world, revocation, || world.store.fail_next_in(rooms[last], Fault::Full)).await;
            assert_eq!(full.map(|_| ()), Err(Failure::StoreFull));
            let mut expected = [1, 1];
            expected[last] = 0;
            assert_eq!(recorded(&world, rooms).await, expected);
            revoke(&world, revocation, || ()).await.expect("there is space again");
            assert_eq!(recorded(&world, rooms).await, [1, 1]);

            let (by, suspension, who) = (actor("cert-se"), request(), organisation("region-b"));
            world.store.fail_next_in(rooms[last], Fault::Full);
            let suspend = || world.engine.suspend(&by, suspension, who.clone(), "for a test".into());
            assert_eq!(suspend().await.map(|_| ()), Err(Failure::StoreFull));
            let mut expected = [false, false];
            expected[last] = true;
            assert_eq!(present(&world, rooms).await, expected);
            suspend().await.expect("there is space again");
            assert_eq!(present(&world, rooms).await, [false, false]);
            world.engine.register(&by, request(), who.clone(), "back".into()).await.expect("is admitted again");
            world.invite(rooms[0], "region-b").await;
            suspend().await.expect("the same answer");
            assert_eq!(present(&world, rooms).await, [true, false], "an old suspension takes nobody out again");
        }
    }
}
