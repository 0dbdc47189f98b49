//! The trail over a store in memory, with paused time.

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::room::ids::{Actor, RoomId};
use crate::store::memory::{Fault, MemoryStore};

struct World {
    store: Arc<MemoryStore>,
    committer: Committer,
    trail: Trail,
    clock: Arc<AtomicI64>,
}

impl World {
    fn over(store: MemoryStore) -> Self {
        let store = Arc::new(store);
        let clock = Arc::new(AtomicI64::new(1_000));
        let read = clock.clone();
        let clock_of: Clock = Arc::new(move || Timestamp(read.load(Ordering::Relaxed)));
        let committer = Committer::start(store.clone(), clock_of.clone()).expect("a thread");
        let loaded = Trail::load(&*store).expect("readable");
        let trail = Trail::start(store.clone(), committer.clone(), clock_of, loaded);
        Self { store, committer, trail, clock }
    }

    async fn restarted(self) -> Self {
        self.trail.stop().await;
        self.committer.shutdown().await;
        Self::over(self.store.restart())
    }

    async fn records(&self) -> Vec<(u64, Record)> {
        self.trail.read(Query { max: usize::MAX, ..Query::default() }).await.expect("verifies").records
    }

    async fn kinds(&self) -> Vec<(u64, Kind, u32)> {
        self.records().await.into_iter().map(|(at, record)| (at, record.kind, record.count)).collect()
    }

    /// Waits until so many records are durable.
    async fn until(&self, position: u64) {
        self.trail.last().wait_for(|last| *last >= position).await.expect("the trail lives");
    }
}

fn actor(text: &str) -> Actor {
    text.parse().expect("an actor")
}

fn closed_room(number: u8) -> AuditEvent {
    AuditEvent::RoomClosed { by: actor("org/cert-se/user/lisa"), room: RoomId::from_bytes([number; 16]) }
}

fn refused() -> AuditEvent {
    let peer = "192.0.2.1".parse().expect("an address");
    AuditEvent::HandshakeRefused { peer, organisation: None, reason: "no-certificate" }
}

#[tokio::test]
async fn r4_an_act_is_recorded_when_it_is_durable_and_not_before() {
    let world = World::over(MemoryStore::new());
    let gate = world.store.hold_commits();
    let recording = tokio::spawn({
        let trail = world.trail.clone();
        async move { trail.record(closed_room(1)).await }
    });
    gate.commit_waits().await;
    assert!(!recording.is_finished() && world.records().await.is_empty(), "it is not on disk yet");
    gate.release();
    recording.await.expect("no panic").expect("recorded");
    assert_eq!(world.kinds().await, [(1, Kind::RoomClosed, 1)]);
}

#[tokio::test]
async fn an_act_and_its_frames_are_written_together_or_not_at_all() {
    let world = World::over(MemoryStore::new());
    let room = RoomId::from_bytes([7; 16]);
    let frame = || Frame { room, number: 0, digest: [0; 32], bytes: vec![1, 2, 3].into() };
    let frames = || world.store.read(room, 0..u64::MAX, usize::MAX).expect("readable").len();
    world.store.fail_next(Fault::Full);
    let refused = world.trail.submit(vec![closed_room(7)], vec![frame()]).await.await.expect("answered");
    assert_eq!(refused.expect_err("the disk is full").outcome, Outcome::NothingWritten);
    assert_eq!((frames(), world.records().await.len()), (0, 0));
    world.trail.submit(vec![closed_room(7)], vec![frame()]).await.await.expect("answered").expect("there is space");
    assert_eq!((frames(), world.kinds().await), (1, vec![(1, Kind::RoomClosed, 1)]));
    assert_eq!(world.committer.commits(), 1, "in one commit");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_refusals_is_two_records() {
    let world = World::over(MemoryStore::new());
    for at in 0..500 {
        world.clock.store(2_000 + at, Ordering::Relaxed);
        world.trail.note(refused());
    }
    world.until(1).await;
    world.clock.store(9_000, Ordering::Relaxed);
    (0..70).for_each(|_| world.trail.note(refused()));
    world.until(2).await;
    let records = world.records().await;
    let counts: Vec<_> = records.iter().map(|(_, record)| (record.since, record.count)).collect();
    assert_eq!(counts, [(Timestamp(2_000), 500), (Timestamp(9_000), 70)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_noted_while_the_disk_is_full_is_written_when_there_is_space() {
    let world = World::over(MemoryStore::new());
    world.store.fail_next(Fault::Full);
    world.trail.note(refused());
    world.until(1).await;
    assert_eq!(world.kinds().await, [(1, Kind::HandshakeRefused, 1)]);
}

#[tokio::test]
async fn what_was_noted_is_written_at_the_end_and_positions_go_on_after_a_restart() {
    let world = World::over(MemoryStore::new());
    world.trail.note(refused());
    let world = world.restarted().await;
    world.trail.record(closed_room(1)).await.expect("recorded");
    assert_eq!(world.kinds().await, [(1, Kind::HandshakeRefused, 1), (2, Kind::RoomClosed, 1)]);
    world.trail.stop().await;
    let late = world.trail.record(closed_room(2)).await.expect_err("the trail is closed");
    assert_eq!(late.outcome, Outcome::NothingWritten);
}

#[tokio::test]
async fn r2_a_trail_that_does_not_verify_goes_on_in_a_new_part_that_says_so() {
    let world = World::over(MemoryStore::new());
    for number in 0..5 {
        world.trail.record(closed_room(number)).await.expect("recorded");
    }
    assert!(world.store.flip_bit(RoomId::trail(0), 2, 99));
    let world = world.restarted().await;
    let second = 1 << 40;
    world.until(second + 1).await;
    let kinds = world.kinds().await;
    let expected = [(1, Kind::RoomClosed, 1), (2, Kind::RoomClosed, 1), (second + 1, Kind::TrailDamaged, 1)];
    assert_eq!(kinds, expected, "what verifies is shown");
    let damaged = world.records().await.pop().expect("a record").1;
    assert_eq!(damaged.facts.detail.as_deref(), Some("verified up to position 2"));
    // The damage is old news at the next start.
    let world = world.restarted().await;
    world.trail.record(closed_room(9)).await.expect("recorded");
    assert_eq!(world.kinds().await.last(), Some(&(second + 2, Kind::RoomClosed, 1)));
}

/// A trail that is as long as two tails, and how many frames it has.
async fn long() -> (World, u64) {
    let world = World::over(MemoryStore::new());
    for number in 0..2 * limits::AUDIT_TAIL_RECORDS / 1024 {
        world.clock.store(10_000 + i64::try_from(number).expect("few"), Ordering::Relaxed);
        let events = (0..1024).map(|_| closed_room(1)).collect();
        world.trail.submit(events, Vec::new()).await.await.expect("answered").expect("recorded");
    }
    let frames = world.store.read(RoomId::trail(0), 0..u64::MAX, usize::MAX).expect("readable").len();
    (world, frames as u64)
}

/// What is on record of damage, and the last position before the next record.
async fn begins_anew(world: &World) -> (bool, u64) {
    let before = *world.trail.last().borrow();
    world.trail.record(closed_room(2)).await.expect("recorded");
    (*world.trail.last().borrow() > 1 << 40, before)
}

#[tokio::test]
async fn r2_a_start_verifies_the_end_of_a_long_trail_and_reading_all_of_it() {
    const ALL: u64 = 2 * limits::AUDIT_TAIL_RECORDS;
    let (world, frames) = long().await;
    let world = world.restarted().await;
    assert_eq!(begins_anew(&world).await, (false, ALL), "all is well");

    // At the beginning: the start is as short as ever, and who reads it is told.
    let world = world.restarted().await;
    assert!(world.store.flip_bit(RoomId::trail(0), 3, 99));
    let world = world.restarted().await;
    assert_eq!(begins_anew(&world).await, (false, ALL + 1));
    let early = world.trail.read(Query { max: 100, ..Query::default() }).await;
    assert!(matches!(early, Err(LoadError::Damaged(_))), "{early:?}");
    let late = world.trail.read(Query { after: ALL - 10, max: 100, ..Query::default() }).await.expect("verifies");
    assert_eq!(late.records.len(), 12);

    // At the end: the start finds it.
    assert!(world.store.flip_bit(RoomId::trail(0), frames - 1, 99));
    let world = world.restarted().await;
    assert!(begins_anew(&world).await.0);
}

#[tokio::test]
async fn r2_what_is_kept_of_a_trail_counts_only_if_it_is_whole_and_of_this_trail() {
    let (world, _) = long().await;
    let world = world.restarted().await;
    let room = RoomId::trail(0);
    let kept = world.store.snapshot(room).expect("it was worth it");
    let mut changed = kept.clone();
    changed[40] ^= 1;
    for bytes in [&changed[..], &kept[..40], &[]] {
        world.store.keep_snapshot(room, bytes);
        let again = World::over(world.store.restart());
        assert_eq!(begins_anew(&again).await, (false, 2 * limits::AUDIT_TAIL_RECORDS));
    }
    // Of a trail that was longer, as after a backup was restored.
    let short = World::over(MemoryStore::new());
    short.trail.record(closed_room(1)).await.expect("recorded");
    short.store.keep_snapshot(room, &kept);
    let short = short.restarted().await;
    assert_eq!(begins_anew(&short).await, (false, 1));
    assert_eq!(short.records().await.len(), 2);
}

#[tokio::test]
async fn r2_a_flipped_bit_is_noticed_when_it_is_read() {
    let world = World::over(MemoryStore::new());
    for number in 0..3 {
        world.trail.record(closed_room(number)).await.expect("recorded");
    }
    assert!(world.store.flip_bit(RoomId::trail(0), 1, 42));
    let read = world.trail.read(Query { max: 10, ..Query::default() }).await;
    assert!(matches!(read, Err(LoadError::Damaged(_))), "{read:?}");
}

#[tokio::test]
async fn records_are_read_from_any_place_by_kind_time_and_organisation() {
    let world = World::over(MemoryStore::new());
    // More frames than there are between two marks.
    for number in 0..200u8 {
        world.clock.store(10_000 + i64::from(number), Ordering::Relaxed);
        let by = actor("org/cert-se/user/lisa");
        let event = match number % 2 {
            0 => closed_room(number),
            _ => {
                AuditEvent::OrganisationRegistered { by, organisation: format!("o-{number}").parse().expect("a name") }
            }
        };
        world.trail.record(event).await.expect("recorded");
    }
    let read = async |query: Query| {
        let page = world.trail.read(query).await.expect("verifies");
        (page.records.iter().map(|(at, _)| *at).collect::<Vec<_>>(), page.last, page.is_end)
    };
    let all = Query { max: 1000, ..Query::default() };
    assert_eq!(read(all.clone()).await.0, (1..=200).collect::<Vec<_>>());
    for after in [0, 1, 63, 64, 65, 128, 199] {
        let (found, last, is_end) = read(Query { after, max: 1, ..Query::default() }).await;
        assert_eq!((found, last, is_end), (vec![after + 1], after + 1, after == 199));
    }
    assert_eq!(read(Query { after: 200, ..all.clone() }).await, (vec![], 200, true));
    let since = Query { since: Some(Timestamp(10_150)), until: Some(Timestamp(10_153)), ..all.clone() };
    assert_eq!(read(since).await.0, [151, 152, 153]);
    let kinds = Query { kinds: vec![Kind::RoomClosed], after: 190, ..all.clone() };
    assert_eq!(read(kinds).await.0, [191, 193, 195, 197, 199]);
    let organisation = Query { organisation: Some("o-77".parse().expect("a name")), ..all.clone() };
    assert_eq!(read(organisation).await.0, [78]);
    let own = Query { organisation: Some("cert-se".parse().expect("a name")), ..all };
    assert_eq!(read(own).await.0.len(), 200, "it did all of it");
}
