//! Erasure, as an open room does it. One question: when are words that were decided to be erased gone from disk and memory?
//!
//! A child of the room's task, which alone calls it. The entry is durable first, then the keys are destroyed, then it is answered; what a
//! crash leaves undone in between, `load` does. Tested in `tests/it/erasure.rs`.

use std::sync::Arc;

use super::super::Failure;
use super::{Flight, Room, entry_bytes};
use crate::room::event::{Entry, Event};
use crate::room::ids::Seq;
use crate::room::refusal::Refusal;
use crate::store::codec::without_words;

impl Room {
    /// Refused, if one of the events is to destroy keys, and there are none.
    pub(super) fn can_erase(&self, events: &[Event]) -> Result<(), Refusal> {
        let erases = |event: &Event| matches!(event, Event::ErasureProposed { .. } | Event::PayloadsErased { .. });
        // In this order: whether there are keys is asked under a lock that is held while the keyring is written.
        let can = !events.iter().any(erases) || self.shared.store.vault().key_id().is_some();
        if can { Ok(()) } else { Err(Refusal::StoreNotEncrypted) }
    }

    /// The entry as it may be used now: it may have been read, or kept, before its words were erased.
    pub(super) fn without_erased_words(&self, entry: Arc<Entry>) -> Arc<Entry> {
        if !entry.is_erased && self.state.is_erased(&entry) { Arc::new(without_words(&entry)) } else { entry }
    }

    /// Takes out of memory what is erased.
    pub(super) fn forget_words(&mut self) {
        let recent = std::mem::take(&mut self.recent);
        self.recent = recent.into_iter().map(|entry| self.without_erased_words(entry)).collect();
        self.recent_bytes = self.recent.iter().map(|entry| entry_bytes(entry)).sum();
    }

    /// Waits until the snapshot that is being written is.
    pub(super) async fn is_kept(&mut self) {
        if let Some(keeping) = self.keeping.take() {
            let _ = keeping.await;
        }
    }

    /// Destroys the keys that the entries of this commit, which is durable, say are destroyed.
    pub(super) async fn erase(&mut self, flight: &mut Flight) {
        if flight.erasures.is_empty() {
            return;
        }
        // Nobody is given any more of it, however long the rest takes.
        self.purge();
        // One that was made of the state from before, and is encrypted only now, would outlive the erasure.
        self.is_kept().await;
        let payloads = |erasure| self.state.erasures().find(|(id, _)| *id == erasure);
        let erasures = std::mem::take(&mut flight.erasures).into_iter().filter_map(payloads);
        let erasures: Vec<_> = erasures.map(|(id, payloads)| (id, payloads.to_vec())).collect();
        let (store, room) = (self.shared.store.clone(), self.id);
        let gone: Vec<_> = erasures.iter().flat_map(|(id, _)| self.state.erased_contents(*id)).collect();
        let erase = move || erasures.iter().try_for_each(|(id, of)| store.vault().erase(*id, room, of).map(|_| ()));
        let erased = match self.shared.blocking(erase).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("writing the keyring panicked".to_owned()),
        };
        // What was told before and waits to be sent may hold words of theirs.
        for subscriber in self.subscribers.values_mut() {
            subscriber.next = subscriber.outbox.rewind();
        }
        // The next one has none of the words, and makes the old one's file useless.
        self.kept = Seq(0);
        let result = erased.map_err(|error| {
            tracing::error!(room.id = %self.id, error, "an erasure is recorded, and the keyring could not be written: it is tried again when it is confirmed again, and at the next start");
            Failure::NotErased
        });
        let confirmed = std::mem::take(&mut flight.confirmed);
        if result.is_err() || gone.is_empty() {
            confirmed.into_iter().for_each(|reply| reply(result.clone()));
            return;
        }
        // Without their keys they are nothing but space. Who erases waits until they are gone; the room does not wait for a storage.
        let (contents, room) = (self.shared.contents.clone(), self.id);
        self.shared.contents.spawn(async move {
            for content in gone {
                if let Err(error) = contents.remove(content).await {
                    tracing::warn!(room.id = %room, %error, "an erased attachment could not be removed yet; its key is destroyed");
                }
            }
            confirmed.into_iter().for_each(|reply| reply(Ok(())));
        });
    }
}
