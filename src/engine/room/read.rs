//! What an open room is told of what it recorded. One question: what stands at this place?
//!
//! A child of the room's task, which alone calls it. The newest entries are in memory; others are read again from the store and
//! verified against the digest that the room remembers of each frame.
//! Upholds: R4, R7.

use std::sync::Arc;

use super::super::load::{LoadError, Place, read_again};
use super::super::{Failure, Outcome, ShownReports};
use super::Room;
use crate::room::consent::Name;
use crate::room::disclose::{Reader, report, reports};
use crate::room::event::Entry;
use crate::room::ids::{Actor, Seq};
use crate::store::StoreError;

impl Room {
    pub(super) fn entry(&mut self, seq: Seq) -> Result<Arc<Entry>, Failure> {
        if let Some(entry) = self.recent_entry(seq) {
            return Ok(entry);
        }
        let place = [self.place(seq)];
        let entries = read_again(&*self.shared.store, self.id, &place, 1).map_err(|error| self.unreadable(&error))?;
        let entry = entries.into_iter().find(|entry| entry.seq == seq).ok_or(Failure::Damaged)?;
        Ok(self.without_erased_words(entry))
    }

    pub(super) fn recent_entry(&self, seq: Seq) -> Option<Arc<Entry>> {
        let first = self.recent.front()?.seq;
        let at = usize::try_from(seq.0.checked_sub(first.0)?).ok()?;
        self.recent.get(at).cloned()
    }

    /// The frame that holds this entry, which is durable.
    pub(super) fn place(&self, seq: Seq) -> Place {
        let number = self.marks.partition_point(|mark| mark.first_entry <= seq).saturating_sub(1);
        Place { number: number as u64, mark: self.marks[number] }
    }

    pub(super) fn unreadable(&mut self, error: &LoadError) -> Failure {
        match error {
            LoadError::Damaged(damage) => self.quarantine(&damage.to_string()),
            LoadError::Store(StoreError::Failed(why)) => {
                self.shared.committer.fail(StoreError::Failed(why.clone()));
                self.stop_for(Failure::StoreFailed { outcome: Outcome::NothingWritten });
            }
            LoadError::Store(error) => self.quarantine(&error.to_string()),
        }
        self.stopped_by.clone().unwrap_or(Failure::Damaged)
    }

    pub(super) fn reports(&mut self, caller: &Actor, of: Option<&Name>) -> Result<ShownReports, Failure> {
        let reader = Reader::new(&self.state, caller)?;
        let (participant, versions) = reports(&self.state, reader, of)?;
        let mut shown = Vec::with_capacity(versions.len());
        for seq in versions {
            let entry = self.entry(seq)?;
            let reader = Reader::new(&self.state, caller)?;
            shown.extend(report(&self.state, reader, &entry).map(|report| (entry.recorded_at, report)));
        }
        Ok((participant, shown))
    }
}
