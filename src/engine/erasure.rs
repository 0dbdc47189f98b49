//! Erasures, as the server as a whole has them. One question: are they final, and what is due?
//!
//! Leans on: `shared`, `sealing`.

use super::Engine;
use super::shared::lock;
use crate::room::disclose::{Disclosed, ShownRetention};
use crate::room::ids::{ErasureId, RoomId};
use crate::sealing::KeyId;

impl Engine {
    /// The coordinator's rooms after `after`, by id, `max` at most: how long each is kept.
    pub fn retention(&self, after: Option<RoomId>, max: usize) -> Vec<(RoomId, Disclosed<ShownRetention>)> {
        let now = self.now();
        let listings = lock(&self.0.shared.listings);
        let rooms = listings.rooms_of(&self.0.settings.coordinator);
        let rooms = rooms.filter(|(room, _)| after.is_none_or(|after| *room > after)).take(max);
        rooms.map(|(room, listing)| (room, listing.retention(now))).collect()
    }

    /// Whether no key in use opens a copy of the keyring from before this erasure.
    pub fn is_erasure_final(&self, erasure: ErasureId) -> bool {
        self.0.shared.store.vault().is_final(erasure)
    }

    /// Which key must be changed and destroyed before all erasures are final; `None`: they are.
    pub fn erasures_wait_for(&self) -> Option<KeyId> {
        self.0.shared.store.vault().erasures_wait_for()
    }
}
