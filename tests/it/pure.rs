//! A room without an engine: whoever appends, in one page. No clock but the one that it is told, no disk, no tasks.

use std::sync::Arc;

use samverkan::room::decide::{decide, expired};
use samverkan::room::disclose::{Disclosure, Reader, Shown, disclose};
use samverkan::room::event::{Command, Entry, Event};
use samverkan::room::ids::{Actor, Index, MessageId, OrganisationId, Timestamp};
use samverkan::room::mailbox::{Item, Mailboxes, Notice, Range};
use samverkan::room::refusal::Refusal;
use samverkan::room::state::{RoomState, fold};

/// One room: its log, and what adds up from it.
#[derive(Clone, Debug)]
pub(crate) struct PureRoom {
    /// The fold of `entries`.
    pub(crate) state: RoomState,
    /// The log.
    pub(crate) entries: Vec<Arc<Entry>>,
    /// Who was shown what.
    pub(crate) mailboxes: Mailboxes,
    /// The clock.
    pub(crate) now: Timestamp,
}

/// What an actor finds at one index.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every one is shown")]
pub(crate) enum Found {
    /// What was delivered.
    Shown(Shown),
    /// It was withdrawn.
    Withdrawn,
    /// A notice.
    Notice(Notice),
}

impl PureRoom {
    /// A room that isn't there yet.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { state: RoomState::default(), entries: Vec::new(), mailboxes: Mailboxes::default(), now }
    }

    /// Lets time pass; consents whose time has come end.
    pub(crate) fn advance_clock(&mut self, by: i64) {
        self.now = Timestamp(self.now.0 + by);
        for event in expired(&self.state, self.now) {
            self.append(None, event);
        }
    }

    /// Decides and appends.
    pub(crate) fn perform(&mut self, caller: &Actor, command: Command) -> Result<Vec<Arc<Entry>>, Refusal> {
        let events = decide(&self.state, &self.mailboxes, caller, command, self.now)?;
        Ok(events.into_iter().map(|event| self.append(Some(caller), event)).collect())
    }

    /// Appends, decided or not.
    pub(crate) fn append(&mut self, author: Option<&Actor>, event: Event) -> Arc<Entry> {
        let recorded_at = self.now.max(self.state.last_recorded_at());
        let entry = Entry {
            seq: self.state.next(),
            recorded_at,
            author: author.cloned(),
            request: None,
            event,
            is_erased: false,
        };
        let entry = Arc::new(entry);
        fold(&mut self.state, &entry);
        self.mailboxes.follow(&self.state, &entry);
        self.entries.push(entry.clone());
        entry
    }

    /// Whatever is found in the events, oldest first.
    pub(crate) fn find<T>(&self, of: impl Fn(&Event) -> Option<T>) -> Vec<T> {
        self.entries.iter().filter_map(|entry| of(&entry.event)).collect()
    }

    /// All messages and relays, oldest first.
    pub(crate) fn messages(&self) -> impl Iterator<Item = MessageId> {
        self.posted_and_relayed().into_iter().map(|(_, id)| id)
    }

    /// All messages but relays, each with its source, oldest first.
    pub(crate) fn posted(&self) -> Vec<(OrganisationId, MessageId)> {
        self.find(|event| match event {
            Event::MessagePosted { organisation, message } => Some((organisation.clone(), message.id)),
            _ => None,
        })
    }

    /// All messages and relays, each with its source, oldest first.
    pub(crate) fn posted_and_relayed(&self) -> Vec<(OrganisationId, MessageId)> {
        self.find(|event| match event {
            Event::MessagePosted { organisation, message } | Event::RelayPublished { organisation, message, .. } => {
                Some((organisation.clone(), message.id))
            }
            _ => None,
        })
    }

    /// Gives the actor its next deliveries, `max` at most.
    pub(crate) fn deliver(&mut self, actor: &Actor, max: usize) -> Result<Option<Range>, Refusal> {
        let reader = Reader::new(&self.state, actor)?;
        Ok(self.mailboxes.advance(&self.state, reader, actor, [7; 32], self.now, max))
    }

    /// What stands at an index of the actor's mailbox; nothing, if it was not given.
    pub(crate) fn find_at(&self, actor: &Actor, index: Index) -> Result<Option<Found>, Refusal> {
        let reader = Reader::new(&self.state, actor)?;
        let item = self.mailboxes.get(actor).and_then(|mailbox| mailbox.item(index));
        Ok(item.map(|item| match item {
            Item::Withdrawn => Found::Withdrawn,
            Item::Notice(notice) => Found::Notice(notice.clone()),
            Item::Entry(seq) => match disclose(&self.state, reader, &self.entries[seq.0 as usize], self.now) {
                Disclosure::Show(shown) => Found::Shown(shown.into_inner()),
                Disclosure::Withhold => Found::Withdrawn,
            },
        }))
    }

    /// The last index given to the actor.
    pub(crate) fn last_index(&self, actor: &Actor) -> u64 {
        self.mailboxes.get(actor).map_or(0, |mailbox| mailbox.last().0)
    }

    /// Everything in the actor's mailbox, as it is shown now; `max` more are delivered first.
    pub(crate) fn read(&mut self, actor: &Actor, after: u64, max: usize) -> Result<Vec<(u64, Found)>, Refusal> {
        if after > self.last_index(actor) {
            return Err(Refusal::IndexPastEnd);
        }
        self.deliver(actor, max)?;
        let indexes = after + 1..=self.last_index(actor);
        indexes
            .filter_map(|i| self.find_at(actor, Index(i)).map(|found| found.map(|found| (i, found))).transpose())
            .collect()
    }
}
