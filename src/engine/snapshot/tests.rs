use std::sync::Arc;

use crate::engine::tests::{World, actor, post, receiver, request};
use crate::engine::{Batch, Failure};
use crate::room::ids::{Index, RoomId};
use crate::room::words::Material;
use crate::store::Store;

/// More than are read without a snapshot.
const POSTS: usize = super::ENTRIES_MIN as usize + 100;

/// A room with many messages, of which its other organisation has read some.
async fn old_room() -> (World, RoomId) {
    let world = World::new().await;
    let room = world.room().await;
    for n in 0..POSTS {
        world.write("region-a", room, post(&format!("log line {n}"), Material::Logs)).await.expect("posts");
    }
    world.page(room, 0, 200).await.expect("a page");
    (world, room)
}

impl World {
    async fn page(&self, room: RoomId, after: u64, max: usize) -> Result<Batch, Failure> {
        self.engine.page(&receiver("region-b"), room, Index(after), max, 1 << 20).await
    }
}

#[tokio::test]
async fn a_room_is_the_same_when_it_opens_from_its_snapshot() {
    let (world, room) = old_room().await;
    let first = request();
    let written = world.engine.write(&actor("region-a"), room, first, post("first", Material::Logs)).await;
    let early = world.page(room, 0, 100).await.expect("a page");
    let world = world.restart().await;
    assert!(world.store.snapshot(room).is_some(), "kept when the server stopped");

    assert_eq!(world.page(room, 0, 100).await, Ok(early), "what was given before");
    let again = world.engine.write(&actor("region-a"), room, first, post("first", Material::Logs)).await;
    assert_eq!(again, written, "R8: a retry finds what the snapshot covers");
    world.write("region-a", room, post("later", Material::Logs)).await.expect("the chain goes on");
    let world = world.restart().await;
    let late = world.page(room, 200, 1000).await.expect("a page");
    assert_eq!(late.first, Index(201), "mailboxes go on where they were");
    assert!(world.texts("region-b", room).await.contains(&"first".to_owned()));
}

#[tokio::test]
async fn a_room_that_was_read_whole_is_not_read_whole_again() {
    let (world, room) = old_room().await;
    let left = Arc::new(world.store.restart());
    assert!(left.snapshot(room).is_none(), "killed while in use");
    let world = World::on(left).await;
    assert!(world.store.snapshot(room).is_some(), "kept when the server started");
    let early = world.texts("region-b", room).await;
    let world = World::on(Arc::new(world.store.restart())).await;
    assert_eq!(world.texts("region-b", room).await, early);
}

#[tokio::test(start_paused = true)]
async fn a_room_in_use_is_kept_when_it_is_quiet() {
    let (world, room) = old_room().await;
    tokio::time::sleep(crate::engine::room::QUIET * 2).await;
    for _ in 0..1000 {
        if world.store.snapshot(room).is_some() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    panic!("no snapshot");
}

#[tokio::test]
async fn what_a_snapshot_covers_is_verified_when_it_is_read() {
    let (world, room) = old_room().await;
    let world = world.restart().await;
    assert!(world.store.flip_bit(room, 20, 300));
    let world = world.restart().await;
    assert!(world.page(room, 400, 10).await.is_err(), "an index that was not given");
    assert_eq!(world.page(room, 0, 100).await, Err(Failure::Damaged), "R2: nothing of a damaged frame is shown");
}

#[tokio::test]
async fn a_damaged_snapshot_is_not_used() {
    let (world, room) = old_room().await;
    let world = world.restart().await;
    let kept = world.store.snapshot(room).expect("kept");
    for at in [0, 1, kept.len() / 2, kept.len() - 1] {
        let mut damaged = kept.clone();
        damaged[at] ^= 1;
        assert!(super::read(room, &damaged).is_none(), "byte {at}");
    }
    assert!(super::read(room, &kept[..kept.len() - 1]).is_none());
    assert!(super::read(room, &[]).is_none());
    assert!(super::read(RoomId::from_bytes([9; 16]), &kept).is_none(), "of another room");
    assert!(super::read(room, &kept).is_some());
}

#[tokio::test]
async fn a_snapshot_of_another_log_is_not_used() {
    let (world, room) = old_room().await;
    let before = Arc::new(world.store.restart());
    let secret = "said in a log that is gone";
    world.write("region-a", room, post(secret, Material::Logs)).await.expect("posts");
    let world = world.restart().await;
    let kept = world.store.snapshot(room).expect("kept");

    // The same room, set back: first shorter than the snapshot, then as long and with other words.
    before.keep_snapshot(room, &kept);
    let world = World::on(before.clone()).await;
    assert!(!world.texts("region-b", room).await.contains(&secret.to_owned()));
    for n in 0..50 {
        world.write("region-a", room, post(&format!("instead {n}"), Material::Logs)).await.expect("posts");
    }
    before.keep_snapshot(room, &kept);
    let world = World::on(Arc::new(before.restart())).await;
    let texts = world.texts("region-b", room).await;
    assert!(texts.contains(&"instead 49".to_owned()) && !texts.contains(&secret.to_owned()), "{texts:?}");
}
