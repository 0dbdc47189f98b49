//! What is durable of one room, and what follows from it: the log, the delivery records, and the rule a second time.
//!
//! Fed by the simulated store with every frame that it has written, whether or not anybody has heard of that yet; so whatever the
//! engine says can be held against it at the moment at which it is said.

use std::collections::BTreeMap;
use std::sync::Arc;

use samverkan::engine::{Delivery, Written, replay};
use samverkan::room::disclose::{Reader, What};
use samverkan::room::event::{Entry, Event};
use samverkan::room::ids::{Actor, Index, OrganisationId, RequestId, RoomId, Timestamp};
use samverkan::room::mailbox::{Notice, Range, Run};
use samverkan::room::state::fold;
use samverkan::sealing::Vault;
use samverkan::store::codec::{Opened, Tip};
use samverkan::store::{Store, StoredFrame};

use crate::disclosure::compare;
use crate::disclosure::random::compare_mailbox;
use crate::model::{Item as NaiveItem, Model, NaiveMailbox};
use crate::pure::{Found, PureRoom};

/// What was recorded at one index of a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Recorded {
    Entry(usize),
    Notice(Notice),
}

pub(super) struct View {
    pub(super) id: RoomId,
    pub(super) tip: Tip,
    /// Whatever is durable, folded.
    pub(super) pure: PureRoom,
    /// Missing in long histories, for which it is too slow.
    model: Option<Model>,
    naive: BTreeMap<Actor, NaiveMailbox>,
    recorded: BTreeMap<Actor, Vec<Recorded>>,
    requests: BTreeMap<(Actor, RequestId), usize>,
    /// The last entry of which somebody was told that it is done.
    acknowledged: usize,
}

impl View {
    pub(super) fn new(id: RoomId, with_model: bool) -> Self {
        Self {
            id,
            tip: Tip::start(id),
            pure: PureRoom::new(Timestamp(0)),
            model: with_model.then(Model::default),
            naive: BTreeMap::new(),
            recorded: BTreeMap::new(),
            requests: BTreeMap::new(),
            acknowledged: 0,
        }
    }

    /// Takes note of a frame that is durable.
    pub(super) fn commit(&mut self, stored: &StoredFrame, vault: &Vault) -> Result<(), String> {
        let opened: Opened<Entry> = self.tip.follow(stored, vault).map_err(|damage| format!("R2: {damage}"))?;
        for entry in opened.entries {
            let entry = Arc::new(entry);
            if entry.recorded_at < self.pure.state.last_recorded_at() {
                return Err(format!("R1: entry {} is earlier than the one before it", entry.seq.0));
            }
            self.pure.now = entry.recorded_at;
            fold(&mut self.pure.state, &entry);
            self.pure.mailboxes.follow(&self.pure.state, &entry);
            self.pure.entries.push(entry.clone());
            if let Some(model) = &mut self.model {
                model.add(&entry);
            }
            if let (Some(author), Some(request)) = (&entry.author, entry.request) {
                let at = self.pure.entries.len() - 1;
                if let Some(before) = self.requests.insert((author.clone(), request.id), at) {
                    return Err(format!("R8: entries {before} and {at} are of one request"));
                }
            }
        }
        opened.deliveries.iter().try_for_each(|range| self.record(range))
    }

    fn record(&mut self, range: &Range) -> Result<(), String> {
        let actor = &range.actor;
        let recorded = self.recorded.entry(actor.clone()).or_default();
        if range.first != Index(recorded.len() as u64 + 1) {
            return Err(format!("R9: {actor} has {} deliveries, the next is {:?}", recorded.len(), range.first));
        }
        self.pure.mailboxes.restore(range).map_err(|error| format!("R9: {error}: {range:?}"))?;
        let items = items_of(range);
        recorded.extend(items.iter().map(|item| match item {
            (NaiveItem::Entry(place) | NaiveItem::Opened { place, .. }, _) => Recorded::Entry(*place),
            (NaiveItem::Notice(..), notice) => Recorded::Notice(notice.clone()),
        }));
        let Some(model) = &self.model else { return Ok(()) };
        let expected = self.naive.entry(actor.clone()).or_default();
        let first = expected.items.len();
        model.deliver(expected, actor, range.recorded_at, items.len());
        let items: Vec<_> = items.into_iter().map(|(item, _)| item).collect();
        if expected.items[first..] != items[..] {
            return Err(format!("R5: {actor} is given {items:?}, the model {:?}", &expected.items[first..]));
        }
        Ok(())
    }

    /// How far this mailbox is recorded.
    pub(super) fn last(&self, actor: &Actor) -> u64 {
        self.recorded.get(actor).map_or(0, |recorded| recorded.len() as u64)
    }

    /// The entry that this request made.
    pub(super) fn made(&self, actor: &Actor, request: RequestId) -> Option<usize> {
        self.requests.get(&(actor.clone(), request)).copied()
    }

    /// Somebody was told that its request is done.
    pub(super) fn acknowledge(&mut self, actor: &Actor, request: RequestId, written: &Written) -> Result<(), String> {
        let at = self.made(actor, request).ok_or("R1, R4: it is acknowledged, and nothing of it is durable")?;
        let entry = &self.pure.entries[at];
        if entry.event != written.event || entry.recorded_at != written.recorded_at {
            return Err(format!("R1: entry {at} is {entry:?}, acknowledged was {written:?}"));
        }
        self.acknowledged = self.acknowledged.max(at);
        Ok(())
    }

    /// Something is given to a reader, now.
    pub(super) fn give(
        &self,
        actor: &Actor,
        index: u64,
        delivery: &Delivery,
        now: Timestamp,
    ) -> Result<Option<&Entry>, String> {
        let recorded = self.recorded.get(actor).and_then(|recorded| recorded.get(index as usize - 1));
        let Some(recorded) = recorded else {
            return Err(format!("R9: {actor} is given its delivery {index}, of which there is no durable record"));
        };
        let differs = || Err(format!("R1: {actor} is given {delivery:?} at {index}, recorded is {recorded:?}"));
        let (shown, at) = match (delivery, recorded) {
            (Delivery::Notice(given), Recorded::Notice(notice)) if given == notice => return Ok(None),
            (Delivery::Withdrawn, Recorded::Entry(_)) => return Ok(None),
            (Delivery::Shown(shown), Recorded::Entry(at)) => (shown.get(), *at),
            (Delivery::Notice(_), Recorded::Notice(_) | Recorded::Entry(_))
            | (Delivery::Withdrawn | Delivery::Shown(_), Recorded::Notice(_)) => return differs(),
        };
        let entry = &self.pure.entries[at];
        let same = match (&shown.what, &entry.event) {
            (What::Message(shown), Event::MessagePosted { message, .. } | Event::RelayPublished { message, .. }) => {
                (shown.id, &shown.text) == (message.id, &message.text)
            }
            (What::Message(_), _) => false,
            _ => true,
        };
        if !same || shown.recorded_at != entry.recorded_at {
            return differs();
        }
        if let Some(model) = &self.model
            && !model.sees_since(actor, at, self.acknowledged, now)
        {
            return Err(format!(
                "R5, R6: {actor} is given entry {at} at {index}, which it may not see since entry {}, acknowledged",
                self.acknowledged
            ));
        }
        Ok(Some(entry))
    }

    /// The store, read anew after the process has ended, holds what was durable and nothing else.
    pub(super) fn compare_store(&self, store: &dyn Store) -> Result<(), String> {
        let (mut at, mut records) = (0, 0);
        let tip = replay(store, self.id, |_, opened: Opened<Entry>| {
            for entry in &opened.entries {
                if self.pure.entries.get(at).map(Arc::as_ref) != Some(entry) {
                    return Err("holds another entry than it did");
                }
                at += 1;
            }
            records += opened.deliveries.iter().map(|range| items_of(range).len()).sum::<usize>();
            Ok(())
        });
        let tip = tip.map_err(|error| format!("R1: {error}"))?;
        let recorded: usize = self.recorded.values().map(Vec::len).sum();
        if tip != self.tip || records != recorded {
            return Err(format!(
                "R1: {at} entries and {records} deliveries are left of {} and {recorded}",
                self.pure.entries.len()
            ));
        }
        Ok(())
    }

    /// At the end, when nothing is under way: what a reader finds at each index is what the log adds up to, and all of it is what
    /// the rule says.
    pub(super) fn compare_mailbox(&self, actor: &Actor, found: &[Delivery]) -> Result<(), String> {
        for (index, delivery) in (1..).zip(found) {
            let expected = self.pure.find_at(actor, Index(index)).map_err(|refusal| format!("R7: {refusal}"))?;
            let same = match (delivery, &expected) {
                (Delivery::Shown(shown), Some(Found::Shown(expected))) => shown.get() == expected,
                (Delivery::Withdrawn, Some(Found::Withdrawn)) => true,
                (Delivery::Notice(notice), Some(Found::Notice(expected))) => notice == expected,
                (_, None | Some(_)) => false,
            };
            if !same {
                return Err(format!("R5: {actor} finds {delivery:?} at {index}, the log says {expected:?}"));
            }
        }
        let Some(model) = &self.model else { return Ok(()) };
        for n in 0..self.pure.entries.len() {
            compare(&self.pure, model, actor, n).map_err(|why| format!("R5: {why}"))?;
        }
        let mut naive = self.naive.get(actor).cloned().unwrap_or_default();
        compare_mailbox(&self.pure, model, actor, &naive).map_err(|why| format!("R5: {why}"))?;
        let given = naive.items.len();
        model.deliver(&mut naive, actor, self.pure.now, usize::MAX);
        let is_here = Reader::new(&self.pure.state, actor).is_ok();
        if is_here && naive.items.len() > given {
            return Err(format!("{actor} was never given {:?}", &naive.items[given..]));
        }
        Ok(())
    }

    /// Whose message this is.
    pub(super) fn source(entry: &Entry) -> Option<&OrganisationId> {
        match &entry.event {
            Event::MessagePosted { organisation, .. } | Event::RelayPublished { organisation, .. } => {
                Some(organisation)
            }
            _ => None,
        }
    }
}

/// What a record holds, index by index, each with its notice if it is one.
fn items_of(range: &Range) -> Vec<(NaiveItem, Notice)> {
    let mut items = Vec::new();
    for run in &range.runs {
        match run {
            Run::Entries { seq, count } => {
                let entries = seq.0..seq.0 + u64::from(*count);
                items.extend(entries.map(|seq| (NaiveItem::Entry(seq as usize), Notice::default())));
            }
            Run::Opened { by, messages } => items.extend(messages.iter().map(|message| {
                (NaiveItem::Opened { by: by.0 as usize, place: message.0 as usize }, Notice::default())
            })),
            Run::Notice(notice) => {
                let indexes = notice.ranges.iter().flat_map(|(first, last)| first.0..=last.0).collect();
                items.push((NaiveItem::Notice(indexes, notice.recall), notice.clone()));
            }
        }
    }
    items
}
