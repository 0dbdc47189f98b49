//! What one subscriber is owed and has not been given yet. One question: what may the HTTP/2 layer take now?
//!
//! *Given to the HTTP/2 layer* means taken out of here, under this lock; so a narrowing that has purged every outbox of its room
//! has taken effect. Nothing waits while it holds the lock.
//! Upholds: R6. Bounded: the room's task fills it only up to its limit and reads on from the store when there is space.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use super::room::Internal;
use super::{Batch, Delivery, Failure};
use crate::limits;
use crate::room::ids::{Index, Seq};

/// A subscriber's queue, shared by the room's task and the stream that sends it.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Debug)]
struct Queue {
    items: VecDeque<Queued>,
    /// Of texts, and something for each item.
    bytes: usize,
    /// The index of the first item, or of the next one to come.
    first: Index,
    /// The last index given in the mailbox.
    last: Index,
    /// The room's task stopped filling because it was full.
    is_waited_for: bool,
    closed: Option<Failure>,
}

#[derive(Debug)]
pub(super) struct Queued {
    /// The entry shown, if it is one that can be taken back.
    pub(super) entry: Option<Seq>,
    pub(super) delivery: Delivery,
}

impl Queued {
    pub(super) fn bytes(&self) -> usize {
        ITEM_BYTES + self.delivery.text_bytes()
    }
}

/// Places that an empty queue keeps: thousands of idle readers each have one.
const IDLE_ITEMS_MAX: usize = 4;

/// What an item costs besides its text.
const ITEM_BYTES: usize = 256;

impl Outbox {
    pub(super) fn new(after: Index) -> Self {
        let first = Index(after.0 + 1);
        let queue = Queue { items: VecDeque::new(), bytes: 0, first, last: after, is_waited_for: false, closed: None };
        Self { queue: Mutex::new(queue), changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is space; if not, the stream says so when there is.
    pub(super) fn has_space(&self) -> bool {
        let mut queue = self.lock();
        queue.is_waited_for = queue.bytes >= limits::OUTBOX_BYTES_MAX;
        !queue.is_waited_for
    }

    pub(super) fn note_last(&self, last: Index) {
        let mut queue = self.lock();
        queue.last = queue.last.max(last);
    }

    pub(super) fn push(&self, items: Vec<Queued>) {
        let mut queue = self.lock();
        if queue.closed.is_some() || items.is_empty() {
            return;
        }
        queue.bytes += items.iter().map(Queued::bytes).sum::<usize>();
        queue.items.extend(items);
        drop(queue);
        self.changed.notify_one();
    }

    /// Replaces what may no longer be shown; its index stays and answers `withdrawn`.
    pub(super) fn purge(&self, may_leave: impl Fn(Index, Seq) -> bool) {
        let mut queue = self.lock();
        let first = queue.first;
        for (index, item) in (first.0..).map(Index).zip(&mut queue.items) {
            if item.entry.is_some_and(|seq| !may_leave(index, seq)) {
                *item = Queued { entry: None, delivery: Delivery::Withdrawn };
            }
        }
        queue.bytes = queue.items.iter().map(Queued::bytes).sum();
    }

    /// Forgets what was not taken yet, so that it is told anew. The index of the first of it.
    pub(super) fn rewind(&self) -> Index {
        let mut queue = self.lock();
        queue.items.clear();
        queue.bytes = 0;
        queue.first
    }

    /// Ends the stream; what was not taken yet is not given any more.
    pub(super) fn close(&self, why: Failure) {
        let mut queue = self.lock();
        queue.items.clear();
        queue.closed.get_or_insert(why);
        drop(queue);
        self.changed.notify_one();
    }

    fn take(&self) -> Option<(Result<Batch, Failure>, bool)> {
        let mut queue = self.lock();
        if let Some(why) = &queue.closed {
            return Some((Err(why.clone()), false));
        }
        let mut bytes = 0;
        let mut deliveries = Vec::new();
        while let Some(item) = queue.items.front() {
            bytes += item.bytes();
            if bytes > limits::CHUNK_BYTES_MAX && !deliveries.is_empty() {
                break;
            }
            queue.bytes -= item.bytes();
            if let Some(item) = queue.items.pop_front() {
                deliveries.push(item.delivery);
            }
        }
        if deliveries.is_empty() {
            return None;
        }
        if queue.items.is_empty() && queue.items.capacity() > IDLE_ITEMS_MAX {
            queue.items = VecDeque::new();
        }
        let first = queue.first;
        queue.first = Index(first.0 + deliveries.len() as u64);
        let wake = queue.is_waited_for && queue.bytes < limits::OUTBOX_BYTES_MAX * 2 / 3;
        queue.is_waited_for &= !wake;
        Some((Ok(Batch { first, deliveries }), wake))
    }
}

/// One stream of deliveries to one subscriber.
#[derive(Debug)]
pub struct Subscription {
    pub(super) id: u64,
    pub(super) outbox: Arc<Outbox>,
    pub(super) room: mpsc::UnboundedSender<Internal>,
}

impl Subscription {
    /// The next deliveries, about 64 KiB at most; waits for them. What it returns is given: it is not purged any more.
    /// Cancel-safe. Fails with [`Refusal::RoomNotFound`](crate::room::refusal::Refusal::RoomNotFound) once the organisation is no
    /// longer in the room.
    pub async fn next(&mut self) -> Result<Batch, Failure> {
        loop {
            let changed = self.outbox.changed.notified();
            if let Some((batch, wake)) = self.outbox.take() {
                if wake {
                    let _ = self.room.send(Internal::Space(self.id));
                }
                return batch;
            }
            changed.await;
        }
    }

    /// The last index given in this mailbox, for heartbeats.
    pub fn last_index(&self) -> Index {
        self.outbox.lock().last
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let _ = self.room.send(Internal::Unsubscribe(self.id));
    }
}
