//! What is delivered where, and what of it was taken back.

use std::collections::BTreeSet;

use samverkan::room::event::{Event, Recall};
use samverkan::room::ids::{Actor, RecallId, Timestamp};

use super::{Kind, Model};

/// What the model puts into a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Item {
    /// The entry at this place of the log.
    Entry(usize),
    /// The message at a place of the log, which the entry `by` opened.
    Opened {
        /// The entry that opened it.
        by: usize,
        /// The message's own place.
        place: usize,
    },
    /// A notice about these indexes.
    Notice(Vec<u64>, Option<Recall>),
}

/// A mailbox of the model.
#[derive(Clone, Debug, Default)]
pub(crate) struct NaiveMailbox {
    /// Index 1 is the first.
    pub(crate) items: Vec<Item>,
    /// When each was given: the last entry then, and the clock.
    given: Vec<(usize, Timestamp)>,
}

impl NaiveMailbox {
    /// The indexes that notices have listed.
    fn told(&self) -> BTreeSet<u64> {
        let told = self.items.iter().flat_map(|item| match item {
            Item::Notice(indexes, _) => indexes.clone(),
            Item::Entry(_) | Item::Opened { .. } => Vec::new(),
        });
        told.collect()
    }
}

impl Model {
    fn is_good(&self, actor: &Actor, item: &Item, t: usize, now: Timestamp) -> bool {
        match item {
            Item::Entry(n) => self.sees_at(actor, *n, t, now) || self.sees_message_at(actor, *n, t, now),
            Item::Opened { place, .. } => self.sees_message_at(actor, *place, t, now),
            Item::Notice(..) => true,
        }
    }

    /// At which moment the item at this position was taken back, if it was: the first since it was given when its reader was
    /// here and could not see it.
    fn taken_back(&self, mailbox: &NaiveMailbox, position: usize, actor: &Actor, now: Timestamp) -> Option<usize> {
        let o = self.no(&actor.organisation)?;
        let last = self.last();
        (mailbox.given[position].0..=last).find(|&t| {
            let clock = if t == last { now } else { self.moments[t].at };
            self.is_present(o, t) && !self.is_good(actor, &mailbox.items[position], t, clock)
        })
    }

    /// Whether what stands at this position is still shown.
    pub(crate) fn is_alive(&self, mailbox: &NaiveMailbox, position: usize, actor: &Actor, now: Timestamp) -> bool {
        self.taken_back(mailbox, position, actor, now).is_none()
    }

    /// The notices that this mailbox is owed.
    fn owed(&self, mailbox: &NaiveMailbox, actor: &Actor, now: Timestamp) -> Vec<(Vec<u64>, Option<Recall>)> {
        let told = mailbox.told();
        let mut gone: Vec<(usize, u64)> = (0..mailbox.items.len())
            .filter(|position| !told.contains(&(*position as u64 + 1)))
            .filter_map(|position| Some((self.taken_back(mailbox, position, actor, now)?, position as u64 + 1)))
            .collect();
        gone.sort_unstable();
        let mut owed: Vec<(Vec<u64>, Option<Recall>)> = Vec::new();
        for (t, index) in gone {
            let recall = match &self.entries[t].event {
                Event::ConsentWithdrawn { recall, .. } => *recall,
                _ => None,
            };
            match owed.iter_mut().find(|(_, other)| *other == recall) {
                Some((indexes, _)) => indexes.push(index),
                None => owed.push((vec![index], recall)),
            }
        }
        owed.iter_mut().for_each(|(indexes, _)| indexes.sort_unstable());
        owed
    }

    /// Whether the mailbox has, or is owed, a notice of this recall.
    pub(crate) fn is_recalled(&self, mailbox: &NaiveMailbox, actor: &Actor, recall: RecallId, now: Timestamp) -> bool {
        let has = |item: &Item| matches!(item, Item::Notice(_, Some(other)) if other.id == recall);
        mailbox.items.iter().any(has)
            || self.owed(mailbox, actor, now).iter().any(|(_, other)| other.is_some_and(|other| other.id == recall))
    }

    /// Delivers to the actor: notices about what it holds and may not see any more, then what it may see and doesn't hold, place
    /// by place; what an entry opened comes right after that entry, all of it. Only entries are counted.
    pub(crate) fn deliver(&self, mailbox: &mut NaiveMailbox, actor: &Actor, now: Timestamp, max: usize) {
        let Some(o) = self.no(&actor.organisation) else { return };
        let last = self.last();
        let mut new: Vec<Item> = Vec::new();
        new.extend(self.owed(mailbox, actor, now).into_iter().map(|(indexes, recall)| Item::Notice(indexes, recall)));
        let holds = |mailbox: &NaiveMailbox, place: usize| {
            (0..mailbox.items.len()).any(|position| {
                let same = match &mailbox.items[position] {
                    Item::Entry(n) => *n == place,
                    Item::Opened { place: other, .. } => *other == place,
                    Item::Notice(..) => false,
                };
                same && self.is_alive(mailbox, position, actor, now)
            })
        };
        for n in 0..self.entries.len() {
            if new.len() >= max.max(1) {
                break;
            }
            let had = mailbox.items.contains(&Item::Entry(n));
            if !had && self.sees_at(actor, n, last, now) {
                new.push(Item::Entry(n));
            }
            for place in self.opened_at(n, o) {
                let item = Item::Opened { by: n, place };
                let in_force = self.opens(actor, o, place, last, now).iter().any(|(by, _)| *by == n);
                let given_now = new.iter().any(|item| match item {
                    Item::Entry(n) => *n == place,
                    Item::Opened { place: other, .. } => *other == place,
                    Item::Notice(..) => false,
                });
                if in_force && !mailbox.items.contains(&item) && !given_now && !holds(mailbox, place) {
                    new.push(item);
                }
            }
        }
        for item in new {
            mailbox.items.push(item);
            mailbox.given.push((last, now));
        }
    }

    /// When the actor was given the message at `place`, each time, and what opened it, if something did. To be told of a relay is
    /// not to be given it.
    pub(super) fn given(&self, mailbox: &NaiveMailbox, actor: &Actor, place: usize) -> Vec<Given> {
        let all = mailbox.items.iter().zip(&mailbox.given);
        let given = all.filter_map(|(item, &(t, at))| match item {
            Item::Entry(n) if *n == place => {
                self.sees_message_at(actor, place, t, at).then_some(Given { at, by: None, kind: None })
            }
            Item::Opened { by, place: other } if *other == place => {
                let opening = self.openings.iter().find(|opening| opening.by == *by && opening.place == place)?;
                Some(Given { at, by: Some(*by), kind: Some(opening.kind) })
            }
            Item::Entry(_) | Item::Opened { .. } | Item::Notice(..) => None,
        });
        given.collect()
    }
}

/// A delivery of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub(super) at: Timestamp,
    pub(super) by: Option<usize>,
    pub(super) kind: Option<Kind>,
}
