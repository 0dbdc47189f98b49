//! Does an adapter keep the contract in `store`? One list of questions, asked of each of them.
//!
//! An adapter joins by implementing [`Fixture`] in its tests and calling `conformance!` with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::committer::Committer;
use super::{Frame, Store, StoreError};
use crate::limits::{FRAME_BYTES_MAX, VALUE_BYTES_MAX};
use crate::room::ids::{RoomId, Timestamp};

/// One store, and what a test can do to it.
pub(crate) trait Fixture {
    type Store: Store;

    /// An empty store.
    fn new() -> Self;
    fn store(&self) -> &Arc<Self::Store>;
    /// Makes space run out, or come back.
    fn set_full(&self, full: bool);
    /// Makes the next commit fail for good.
    fn break_disk(&self);
    /// Closes the store and opens it again, as the next process would.
    fn reopen(self) -> Self;
}

macro_rules! conformance {
    ($fixture:ty) => {
        mod conformance {
            use super::*;
            $crate::store::conformance::questions!($fixture;
                an_empty_store_has_nothing,
                frames_read_back_in_order_byte_for_byte,
                rooms_do_not_mix,
                one_commit_over_many_rooms_is_all_or_nothing,
                big_and_empty_frames_read_back,
                reading_pages_by_bytes,
                readers_see_whole_commits_in_order_while_others_commit,
                a_full_store_writes_nothing_and_works_again,
                a_failed_store_stays_failed,
                a_frame_out_of_order_is_refused,
                everything_is_there_after_reopening,
                the_clock_floor_never_falls,
                a_committer_keeps_order_and_loses_nothing,
            );
        }
    };
}
pub(crate) use conformance;

macro_rules! questions {
    ($fixture:ty; $($question:ident,)*) => {
        $(#[test]
        fn $question() {
            $crate::store::conformance::$question::<$fixture>();
        })*
    };
}
pub(crate) use questions;

pub(crate) const NOW: Timestamp = Timestamp(1_000_000);

pub(crate) fn room(n: u8) -> RoomId {
    RoomId::from_bytes([n; 16])
}

/// Bytes that depend on room, number and place, so that no mix-up goes unseen.
pub(crate) fn bytes(room: RoomId, number: u64, length: usize) -> Bytes {
    let mut state = crc32fast::hash(room.as_bytes()) ^ (number as u32).wrapping_mul(0x9e37_79b9) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        })
        .collect()
}

pub(crate) fn frame(n: u8, number: u64, length: usize) -> Frame {
    Frame { room: room(n), number, digest: [number as u8; 32], bytes: bytes(room(n), number, length) }
}

fn lengths(store: &impl Store, n: u8) -> Vec<usize> {
    let frames = store.read(room(n), 0..u64::MAX, usize::MAX).expect("readable");
    for (expected, frame) in (0..).zip(&frames) {
        assert_eq!(frame.number, expected);
        assert!(frame.bytes == bytes(room(n), expected, frame.bytes.len()), "room {n}, frame {expected} differs");
    }
    frames.iter().map(|frame| frame.bytes.len()).collect()
}

pub(crate) fn an_empty_store_has_nothing<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.store();
    assert_eq!(store.rooms().expect("readable"), []);
    assert_eq!(store.read(RoomId::DIRECTORY, 0..u64::MAX, usize::MAX).expect("readable"), []);
    store.commit(&[], NOW).expect("nothing to write");
    assert_ne!(store.secret(), [0; 32]);
}

pub(crate) fn frames_read_back_in_order_byte_for_byte<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.store();
    for number in 0..300 {
        store.commit(&[frame(1, number, number as usize)], NOW).expect("committed");
    }
    store.commit(&[frame(1, 300, 300), frame(1, 301, 301)], NOW).expect("committed");
    assert_eq!(lengths(&**store, 1), (0..302).collect::<Vec<_>>());
    let tail = store.read(room(1), 299..u64::MAX, usize::MAX).expect("readable");
    assert_eq!(tail.iter().map(|frame| frame.number).collect::<Vec<_>>(), [299, 300, 301]);
    assert_eq!(store.read(room(1), 302..u64::MAX, usize::MAX).expect("readable"), []);
    assert_eq!(store.read(room(1), 299..300, usize::MAX).expect("readable"), tail[..1]);
    assert_eq!(store.read(room(1), 299..299, usize::MAX).expect("readable"), []);
    assert_eq!(store.read(room(1), u64::MAX..u64::MAX, usize::MAX).expect("readable"), []);
}

pub(crate) fn rooms_do_not_mix<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.store();
    for number in 0..50 {
        for n in [255, 0, 7, 6, 8] {
            store.commit(&[frame(n, number, 10 + usize::from(n))], NOW).expect("committed");
        }
    }
    assert_eq!(store.rooms().expect("readable"), [RoomId::DIRECTORY, room(6), room(7), room(8), room(255)]);
    for n in [255, 0, 7, 6, 8] {
        assert_eq!(lengths(&**store, n), vec![10 + usize::from(n); 50]);
    }
    assert_eq!(store.read(room(9), 0..u64::MAX, usize::MAX).expect("readable"), []);
}

pub(crate) fn one_commit_over_many_rooms_is_all_or_nothing<F: Fixture>() {
    let fixture = F::new();
    let frames: Vec<Frame> = (0..100).map(|n| frame(n, 0, 5000)).collect();
    fixture.set_full(true);
    fixture.store().commit(&frames, NOW).expect_err("full");
    assert_eq!(fixture.store().rooms().expect("readable"), []);
    fixture.set_full(false);
    fixture.store().commit(&frames, NOW).expect("committed");
    let fixture = fixture.reopen();
    assert_eq!(fixture.store().rooms().expect("readable").len(), 100);
    for n in 0..100 {
        assert_eq!(lengths(&**fixture.store(), n), [5000]);
    }
}

pub(crate) fn big_and_empty_frames_read_back<F: Fixture>() {
    let fixture = F::new();
    let v = VALUE_BYTES_MAX;
    let sizes = [FRAME_BYTES_MAX, 0, 1, v - 1, v, v + 1, 2 * v - 1, 2 * v, 2 * v + 1, 0, FRAME_BYTES_MAX - 1];
    for (number, &size) in (0..).zip(&sizes) {
        fixture.store().commit(&[frame(3, number, size)], NOW).expect("committed");
    }
    assert_eq!(lengths(&**fixture.store(), 3), sizes);
    let all: Vec<Frame> = (0..).zip(sizes).map(|(number, size)| frame(4, number, size)).collect();
    fixture.store().commit(&all, NOW).expect("committed");
    let fixture = fixture.reopen();
    assert_eq!(lengths(&**fixture.store(), 3), sizes);
    assert_eq!(lengths(&**fixture.store(), 4), sizes);
}

pub(crate) fn reading_pages_by_bytes<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.store();
    let frames: Vec<Frame> = (0..10).map(|number| frame(1, number, 1000)).collect();
    store.commit(&frames, NOW).expect("committed");
    for (first, bytes_max, expected) in [
        (0, 0, vec![0]),
        (0, 1, vec![0]),
        (0, 1000, vec![0]),
        (0, 1001, vec![0, 1]),
        (4, 3000, vec![4, 5, 6]),
        (9, 1_000_000, vec![9]),
        (10, 1_000_000, vec![]),
    ] {
        let page = store.read(room(1), first..u64::MAX, bytes_max).expect("readable");
        assert_eq!(
            page.iter().map(|frame| frame.number).collect::<Vec<_>>(),
            expected,
            "{bytes_max} bytes from {first}"
        );
    }
}

pub(crate) fn readers_see_whole_commits_in_order_while_others_commit<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.store();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..150 {
                // Room 2 first: whoever reads room 1 first must never find more in it than in room 2.
                store.commit(&[frame(2, number, 4500), frame(1, number, 100)], NOW).expect("committed");
            }
            done.store(true, Ordering::SeqCst);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0;
                loop {
                    let last_round = done.load(Ordering::SeqCst);
                    let (first, second) = (lengths(&**store, 1).len(), lengths(&**store, 2).len());
                    assert!(seen <= first && first <= second, "{seen} {first} {second}");
                    seen = first;
                    if last_round {
                        assert_eq!(first, 150);
                        break;
                    }
                }
            });
        }
    });
}

pub(crate) fn a_full_store_writes_nothing_and_works_again<F: Fixture>() {
    let fixture = F::new();
    fixture.store().commit(&[frame(1, 0, 10)], NOW).expect("committed");
    fixture.set_full(true);
    let error = fixture.store().commit(&[frame(1, 1, 10), frame(2, 0, 10)], NOW).expect_err("full");
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert_eq!((lengths(&**fixture.store(), 1).len(), lengths(&**fixture.store(), 2).len()), (1, 0));
    fixture.set_full(false);
    fixture.store().commit(&[frame(1, 1, 10)], NOW).expect("space is back");
    let fixture = fixture.reopen();
    assert_eq!((lengths(&**fixture.store(), 1).len(), lengths(&**fixture.store(), 2).len()), (2, 0));
}

pub(crate) fn a_failed_store_stays_failed<F: Fixture>() {
    let fixture = F::new();
    fixture.store().commit(&[frame(1, 0, 10)], NOW).expect("committed");
    fixture.break_disk();
    for _ in 0..3 {
        let error = fixture.store().commit(&[frame(1, 1, 10)], NOW).expect_err("broken");
        assert!(matches!(error, StoreError::Failed(_)), "{error}");
    }
    assert_eq!(lengths(&**fixture.store(), 1).len(), 1, "what failed is not seen");
}

pub(crate) fn a_frame_out_of_order_is_refused<F: Fixture>() {
    for bad in
        [vec![frame(1, 0, 10)], vec![frame(1, 2, 10)], vec![frame(1, 1, 10), frame(1, 1, 10)], vec![frame(2, 1, 10)]]
    {
        let fixture = F::new();
        fixture.store().commit(&[frame(1, 0, 10)], NOW).expect("committed");
        let error = fixture.store().commit(&bad, NOW).expect_err("out of order");
        assert!(matches!(error, StoreError::Failed(_)), "{error}");
        assert_eq!(lengths(&**fixture.store(), 1), [10]);
    }
}

pub(crate) fn everything_is_there_after_reopening<F: Fixture>() {
    let mut fixture = F::new();
    let secret = fixture.store().secret();
    for round in 0..5 {
        for number in round * 20..(round + 1) * 20 {
            fixture.store().commit(&[frame(1, number, 700), frame(0, number, 9000)], NOW).expect("committed");
        }
        fixture = fixture.reopen();
        assert_eq!(lengths(&**fixture.store(), 1), vec![700; (round as usize + 1) * 20]);
        assert_eq!(lengths(&**fixture.store(), 0), vec![9000; (round as usize + 1) * 20]);
        assert_eq!(fixture.store().rooms().expect("readable"), [RoomId::DIRECTORY, room(1)]);
        assert_eq!(fixture.store().secret(), secret);
    }
}

pub(crate) fn the_clock_floor_never_falls<F: Fixture>() {
    let fixture = F::new();
    for (number, now) in [(0, 50), (1, 20), (2, 70), (3, 60)] {
        fixture.store().commit(&[frame(1, number, 10)], Timestamp(now)).expect("committed");
    }
    assert_eq!(fixture.store().clock_floor(), Timestamp(70));
    assert_eq!(fixture.reopen().store().clock_floor(), Timestamp(70));
}

pub(crate) fn a_committer_keeps_order_and_loses_nothing<F: Fixture>() {
    let fixture = F::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    runtime.block_on(async {
        let committer = Committer::start(fixture.store().clone(), Arc::new(|| NOW)).expect("a thread");
        let rooms: Vec<_> = (1..5)
            .map(|n| {
                let committer = committer.clone();
                tokio::spawn(async move {
                    let mut answers = Vec::new();
                    for number in 0..200 {
                        answers.push(committer.submit(vec![frame(n, number, 300 * usize::from(n))]).await);
                    }
                    for answer in answers {
                        answer.await.expect("answered").expect("committed");
                    }
                })
            })
            .collect();
        for room in rooms {
            room.await.expect("no panic");
        }
        committer.shutdown().await;
        assert_eq!(committer.frames(), 800);
    });
    drop(runtime);
    let fixture = fixture.reopen();
    for n in 1..5 {
        assert_eq!(lengths(&**fixture.store(), n), vec![300 * usize::from(n); 200]);
    }
}
