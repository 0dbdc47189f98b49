//! What a store gives away so that another like it can be made: all that is durable at one moment, as it is stored.
//!
//! Logs only grow, so a moment is a number of frames for each log; copying takes none of the store's locks. A store remembers the last
//! few moments that were copied, and goes on from one of them if it is asked to.
//!
//! Upholds: R1, for a store that is restored. Implemented by `sled`; tested there and in `tests/it/backup.rs`.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::room::ids::{ContentId, RoomId};

/// How many frames each log has.
pub type Logs = BTreeMap<RoomId, u64>;

/// A moment of a store. No `Debug`: it holds the store's secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Moment {
    /// Which store.
    pub store: Uuid,
    /// Its last commit.
    pub commit: u64,
    /// Over all commits until then.
    pub digest: [u8; 32],
    /// How many frames each log had.
    pub logs: Logs,
    /// What the store says of itself, for the one that is made from it. Holds its secret.
    pub identity: Vec<u8>,
    /// How far it had come, as it is stored.
    pub position: Vec<u8>,
    /// What attachments held. The store does not know that: who copies fills it in, after the logs were taken.
    pub contents: BTreeSet<ContentId>,
}

/// What was copied at a moment.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Copied {
    /// How many frames of each log.
    pub logs: Logs,
    /// What of attachments.
    pub contents: BTreeSet<ContentId>,
}

/// A store that can be copied while it is in use.
pub trait Backup: Send + Sync {
    /// What is durable now.
    fn moment(&self) -> Moment;

    /// Remembers a moment, so that a later copy can go on from it. Derived: where that fails, the next copy is a whole one.
    fn remember(&self, moment: &Moment);

    /// What was copied at a moment that was remembered, if it is one of this store as it is now.
    fn remembered(&self, commit: u64, digest: &[u8; 32]) -> Option<Copied>;
}
