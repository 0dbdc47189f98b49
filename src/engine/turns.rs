//! Whose turn is it? What waits for a room, one queue per organisation, taken in turn, so that nobody waits behind all that another
//! has sent.
//!
//! The coordinator's queue comes before each turn of the others: half of the room's time is its, if it needs so much. Each queue is
//! bounded by the places of its organisation ([`super::places`]). Tested below and in `engine/pressure.rs`.

use std::collections::{HashMap, VecDeque};

use crate::room::ids::OrganisationId;

/// What waits.
pub(super) struct Turns<T> {
    coordinator: OrganisationId,
    first: VecDeque<T>,
    /// Whether the coordinator had the last turn.
    was_first: bool,
    queues: HashMap<OrganisationId, VecDeque<T>>,
    /// Whose queue is not empty, the next one in front.
    order: VecDeque<OrganisationId>,
}

impl<T> Turns<T> {
    pub(super) fn new(coordinator: OrganisationId) -> Self {
        Self { coordinator, first: VecDeque::new(), was_first: false, queues: HashMap::new(), order: VecDeque::new() }
    }

    pub(super) fn push(&mut self, of: OrganisationId, item: T) {
        if of == self.coordinator {
            return self.first.push_back(item);
        }
        let queue = self.queues.entry(of.clone()).or_default();
        if queue.is_empty() {
            self.order.push_back(of);
        }
        queue.push_back(item);
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        if (!self.was_first || self.order.is_empty())
            && let Some(item) = self.first.pop_front()
        {
            self.was_first = true;
            return Some(item);
        }
        self.was_first = false;
        let organisation = self.order.pop_front()?;
        let queue = self.queues.get_mut(&organisation)?;
        let item = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&organisation);
        } else {
            self.order.push_back(organisation);
        }
        item
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(waiting: &[(&str, usize)]) -> String {
        let id = |name: &str| name.parse::<OrganisationId>().expect("an id");
        let mut turns = Turns::new(id("c"));
        for (name, count) in waiting {
            (0..*count).for_each(|_| turns.push(id(name), *name));
        }
        let taken = std::iter::from_fn(|| turns.pop()).collect();
        assert!(turns.is_empty() && turns.queues.is_empty(), "nothing is kept of who waits for nothing");
        taken
    }

    #[test]
    fn organisations_take_turns_and_the_coordinator_every_other_one() {
        assert_eq!(taken(&[]), "");
        assert_eq!(taken(&[("a", 4), ("b", 1), ("d", 2)]), "abdadaa");
        assert_eq!(taken(&[("a", 3), ("b", 2), ("c", 2)]), "cacbaba");
        assert_eq!(taken(&[("a", 1), ("c", 4)]), "caccc");
    }

    #[test]
    fn each_organisation_keeps_its_order() {
        let id = |name: &str| name.parse::<OrganisationId>().expect("an id");
        let mut turns = Turns::new(id("c"));
        for n in 0..50 {
            turns.push(id(["a", "b", "c"][n % 3]), n);
        }
        let mut taken: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        for of in 0..3 {
            let own: Vec<_> = taken.iter().filter(|n| **n % 3 == of).collect();
            assert!(own.is_sorted(), "{own:?}");
        }
        taken.sort_unstable();
        assert_eq!(taken, (0..50).collect::<Vec<_>>());
    }
}
