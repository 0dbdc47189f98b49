//! What follows a commit. One question: what may leave now that this is on disk, or is known not to be?
//!
//! A child of the room's task, which alone calls it.
//! Upholds: R4, R6.

use tokio::sync::oneshot;

use super::super::{Failure, Outcome, snapshot};
use super::{Flight, Room, entry_bytes};
use crate::limits;
use crate::room::disclose::{Reader, is_visible};
use crate::room::ids::Index;
use crate::room::mailbox::Item;
use crate::store::StoreError;
use crate::store::codec::Sealed;
use crate::store::committer::{CommitError, Outcome as Committed};

impl Room {
    /// Makes a snapshot, if the room has grown enough, and writes it on another thread.
    pub(super) fn keep(&mut self) -> bool {
        // One at a time: an erasure waits for the one that is being written.
        if self.keeping.as_ref().is_some_and(|keeping| !keeping.is_finished()) {
            return false;
        }
        let is_whole = self.stopped_by.is_none() && self.flight.is_none() && self.pending.is_empty();
        if !is_whole || !self.is_snapshot_due() {
            return false;
        }
        let bytes = snapshot::of(self.id, &self.state, &self.mailboxes, &self.tip, &self.marks);
        let Some(bytes) = bytes else { return false };
        self.kept = self.state.next();
        let (store, id) = (self.shared.store.clone(), self.id);
        self.keeping = Some(self.shared.blocking(move || store.keep_snapshot(id, &bytes)));
        true
    }

    pub(super) fn is_snapshot_due(&self) -> bool {
        snapshot::is_due(self.state.next(), self.kept)
    }

    // 3. Durable.

    pub(super) async fn landed(&mut self, done: Result<Result<(), CommitError>, oneshot::error::RecvError>) {
        let Some(mut flight) = self.flight.take() else { return };
        match done {
            Ok(Ok(())) => {
                self.is_refused = false;
                self.erase(&mut flight).await;
                self.publish(flight);
            }
            Ok(Err(error)) => self.failed(flight, &error).await,
            Err(_) => {
                let source = StoreError::Failed("the committer is gone".to_owned());
                self.failed(flight, &CommitError { outcome: Committed::Unknown, source }).await;
            }
        }
    }

    /// The commit was not made: what was decided on top of it is void.
    async fn failed(&mut self, flight: Flight, error: &CommitError) {
        let nothing = error.outcome == Committed::NothingWritten;
        let failure = match &error.source {
            StoreError::Full { .. } => Failure::StoreFull,
            StoreError::Damaged(_) | StoreError::Failed(_) if nothing => {
                Failure::StoreFailed { outcome: Outcome::NothingWritten }
            }
            StoreError::Damaged(_) | StoreError::Failed(_) => Failure::StoreFailed { outcome: Outcome::Unknown },
        };
        // What was decided after the commit was never given to the store.
        let later = match failure {
            Failure::StoreFailed { .. } => Failure::StoreFailed { outcome: Outcome::NothingWritten },
            _ => failure.clone(),
        };
        flight.replies.into_iter().chain(flight.confirmed).for_each(|reply| reply(Err(failure.clone())));
        flight.pages.into_iter().for_each(|page| drop(page.answer.send(Err(failure.clone()))));
        std::mem::take(&mut self.replies).into_iter().for_each(|reply| reply(Err(later.clone())));
        std::mem::take(&mut self.confirmed).into_iter().for_each(|reply| reply(Err(later.clone())));
        std::mem::take(&mut self.pages).into_iter().for_each(|page| drop(page.answer.send(Err(later.clone()))));
        self.pending.clear();
        self.acts.clear();
        self.erasures.clear();
        self.pending_narrows = false;
        self.pending_lists = false;
        self.wants_advance = false;
        if failure == Failure::StoreFull {
            self.is_refused = true;
            self.reload().await;
        } else {
            // The state holds what may never have been written: nothing is answered from it any more.
            self.stop_for(failure);
        }
    }

    // 4. and 5. Purge, publish.

    pub(super) fn publish(&mut self, flight: Flight) {
        if flight.takes_back {
            self.purge();
        }
        if flight.changes_listing {
            self.shared.list(self.id, &self.state);
        }
        self.forget_old();
        // No commit is under way here, so all that mailboxes have is on disk.
        for subscriber in self.subscribers.values_mut() {
            let mailbox = self.mailboxes.get(&subscriber.receiver.actor);
            subscriber.recorded = mailbox.map_or(Index(0), |mailbox| mailbox.last());
            subscriber.outbox.note_last(subscriber.recorded);
        }
        let ids: Vec<u64> = self.subscribers.keys().copied().collect();
        ids.into_iter().for_each(|id| self.pump(id));
        flight.pages.into_iter().for_each(|page| self.turn(page));
        flight.replies.into_iter().for_each(|reply| reply(Ok(())));
    }

    pub(super) fn purge(&mut self) {
        let now = self.now();
        self.downloads.retain(|giving| {
            let actor = &giving.receiver.actor;
            let may_go_on = match Reader::new(&self.state, actor) {
                Ok(reader) if is_visible(&self.state, reader.slot(), actor, giving.seq, now) => Ok(()),
                Ok(_) => Err(Failure::WithdrawnMeanwhile),
                Err(refusal) => Err(refusal.into()),
            };
            may_go_on.clone().map_err(|failure| giving.permit.end(failure)).is_ok() && giving.permit.is_held()
        });
        let (state, mailboxes) = (&self.state, &self.mailboxes);
        self.subscribers.retain(|_, subscriber| {
            let actor = &subscriber.receiver.actor;
            match Reader::new(state, actor) {
                Ok(reader) => {
                    let stands = |index| {
                        let item = mailboxes.get(actor).and_then(|mailbox| mailbox.item(index));
                        matches!(item, Some(Item::Entry(_)))
                    };
                    let may_leave = |index, seq| stands(index) && is_visible(state, reader.slot(), actor, seq, now);
                    subscriber.outbox.purge(may_leave);
                    true
                }
                Err(refusal) => {
                    subscriber.outbox.close(refusal.into());
                    false
                }
            }
        });
    }

    fn forget_old(&mut self) {
        let durable = self.pending.first().map_or(self.state.next(), Sealed::seq);
        while self.recent_bytes > limits::RECENT_BYTES_MAX {
            match self.recent.front() {
                Some(oldest) if oldest.seq < durable => {
                    self.recent_bytes -= entry_bytes(oldest);
                    self.recent.pop_front();
                }
                Some(_) | None => return,
            }
        }
    }
}
