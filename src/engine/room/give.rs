//! What readers of an open room are given. One question: what may leave now, of what is durable and recorded?
//!
//! A child of the room's task, which alone calls it. Mailboxes say which entry stands at which index; the entries come from memory or
//! are read again from the store, on another thread; each is disclosed at the moment at which it is queued.
//! Upholds: R4, R5, R6.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::load::{Place, read_again};
use super::super::outbox::Queued;
use super::super::{Batch, Delivery, Failure, Receiver};
use super::{Fetch, Internal, Page, Room, is_nearly_through};
use crate::limits;
use crate::room::disclose::{Disclosure, Reader, disclose, is_visible};
use crate::room::event::Entry;
use crate::room::ids::{Index, Seq};
use crate::room::mailbox::Item;
use crate::room::refusal::Refusal;

/// Deliveries that are read for one subscriber at a time.
const FETCH_MAX: u64 = 1024;

impl Room {
    /// Fills a subscriber's queue with what is on record for it.
    pub(super) fn pump(&mut self, id: u64) {
        loop {
            let Some(subscriber) = self.subscribers.get(&id) else { return };
            if self.takes_back_unrecorded() || subscriber.is_fetching || !subscriber.outbox.has_space() {
                return;
            }
            let (receiver, first, recorded) = (subscriber.receiver.clone(), subscriber.next, subscriber.recorded);
            if is_nearly_through(first, self.last(&receiver.actor)) {
                let mailbox = self.mailboxes.get(&receiver.actor);
                let is_behind = mailbox.is_none_or(|mailbox| mailbox.is_behind(self.state.next()));
                self.wants_advance |= is_behind && Reader::new(&self.state, &receiver.actor).is_ok();
            }
            if first > recorded {
                return;
            }
            let upto = Index(recorded.0.min(first.0 + FETCH_MAX - 1));
            let missing = self.missing(&receiver, first, upto);
            if missing.is_empty() {
                self.fill(id, upto, &HashMap::new());
            } else {
                if let Some(subscriber) = self.subscribers.get_mut(&id) {
                    subscriber.is_fetching = true;
                }
                return self.fetch(missing, Fetch::Subscriber { id, upto });
            }
        }
    }

    fn fill(&mut self, id: u64, upto: Index, fetched: &HashMap<Seq, Arc<Entry>>) {
        let Some(subscriber) = self.subscribers.get(&id) else { return };
        let items = self.render(&subscriber.receiver, subscriber.next, upto, fetched, limits::OUTBOX_BYTES_MAX);
        if let Some(subscriber) = self.subscribers.get_mut(&id) {
            match items {
                Ok(items) => {
                    subscriber.next = Index(subscriber.next.0 + items.len() as u64);
                    subscriber.outbox.push(items);
                }
                Err(failure) => {
                    subscriber.outbox.close(failure);
                    self.subscribers.remove(&id);
                }
            }
        }
    }

    /// Where the entries stand that these deliveries show and that are not at hand.
    fn missing(&self, receiver: &Receiver, first: Index, last: Index) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        let (Some(mailbox), Ok(reader)) =
            (self.mailboxes.get(&receiver.actor), Reader::new(&self.state, &receiver.actor))
        else {
            return places;
        };
        let now = self.now();
        for index in first.0..=last.0 {
            let Some(Item::Entry(seq)) = mailbox.item(Index(index)) else { continue };
            if self.recent_entry(seq).is_some() || !is_visible(&self.state, reader.slot(), &receiver.actor, seq, now) {
                continue;
            }
            let place = self.place(seq);
            if places.last().is_none_or(|before| before.number != place.number) {
                places.push(place);
            }
        }
        places
    }

    fn render(
        &self,
        receiver: &Receiver,
        first: Index,
        last: Index,
        fetched: &HashMap<Seq, Arc<Entry>>,
        bytes_max: usize,
    ) -> Result<Vec<Queued>, Failure> {
        let reader = Reader::new(&self.state, &receiver.actor)?;
        let Some(mailbox) = self.mailboxes.get(&receiver.actor) else { return Ok(Vec::new()) };
        let now = self.now();
        let mut items: Vec<Queued> = Vec::new();
        let mut bytes = 0;
        for index in first.0..=last.0 {
            let item = match mailbox.item(Index(index)) {
                None => break,
                Some(Item::Withdrawn) => Queued { entry: None, delivery: Delivery::Withdrawn },
                Some(Item::Notice(notice)) => Queued { entry: None, delivery: Delivery::Notice(notice.clone()) },
                Some(Item::Entry(seq)) => {
                    let withdrawn = Queued { entry: None, delivery: Delivery::Withdrawn };
                    if !is_visible(&self.state, reader.slot(), &receiver.actor, seq, now) {
                        withdrawn
                    } else {
                        let entry = self.recent_entry(seq).or_else(|| fetched.get(&seq).cloned());
                        let Some(entry) = entry else { break };
                        match disclose(&self.state, reader, &entry, now) {
                            Disclosure::Show(shown) => Queued { entry: Some(seq), delivery: Delivery::Shown(shown) },
                            Disclosure::Withhold => withdrawn,
                        }
                    }
                }
            };
            bytes += item.bytes();
            if bytes > bytes_max && !items.is_empty() {
                break;
            }
            items.push(item);
        }
        Ok(items)
    }

    /// Answers a page, or reads what it needs first.
    pub(super) fn turn(&mut self, page: Page) {
        let last = self.last(&page.receiver.actor);
        if page.after > last {
            let failure = match Reader::new(&self.state, &page.receiver.actor) {
                Ok(_) => Refusal::IndexPastEnd,
                Err(refusal) => refusal,
            };
            return drop(page.answer.send(Err(failure.into())));
        }
        let first = Index(page.after.0 + 1);
        let upto = Index(last.0.min(page.after.0 + page.max as u64));
        let missing = self.missing(&page.receiver, first, upto);
        if self.pending_narrows {
            self.pages.push(page);
        } else if missing.is_empty() {
            self.show(page, upto, &HashMap::new());
        } else {
            self.fetch(missing, Fetch::Page { page, upto });
        }
    }

    fn show(&mut self, page: Page, upto: Index, fetched: &HashMap<Seq, Arc<Entry>>) {
        let first = Index(page.after.0 + 1);
        let items = self.render(&page.receiver, first, upto, fetched, page.bytes_max);
        let batch =
            items.map(|items| Batch { first, deliveries: items.into_iter().map(|item| item.delivery).collect() });
        let _ = page.answer.send(batch);
    }

    fn fetch(&self, places: Vec<Place>, why: Fetch) {
        let (store, id, tell) = (self.shared.store.clone(), self.id, self.tell.clone());
        // More than is shown at once would be read for nothing.
        let bytes_max = match &why {
            Fetch::Subscriber { .. } => limits::OUTBOX_BYTES_MAX,
            Fetch::Page { page, .. } => page.bytes_max,
        };
        self.shared.blocking(move || {
            let entries = read_again(&*store, id, &places, bytes_max);
            let _ = tell.send(Internal::Fetched { why, entries });
        });
    }

    pub(super) fn told(&mut self, told: Internal) {
        match told {
            Internal::Space(id) => self.pump(id),
            Internal::Unsubscribe(id) => drop(self.subscribers.remove(&id)),
            Internal::Fetched { why, entries } => {
                let fetched = match entries {
                    Ok(entries) => {
                        entries.into_iter().map(|entry| (entry.seq, self.without_erased_words(entry))).collect()
                    }
                    Err(error) => {
                        let failure = self.unreadable(&error);
                        if let Fetch::Page { page, .. } = why {
                            let _ = page.answer.send(Err(failure));
                        }
                        return;
                    }
                };
                // What takes something back and isn't durable yet must not show: whoever waits is served after it.
                let must_wait = self.takes_back_unrecorded();
                match why {
                    Fetch::Page { page, .. } if must_wait => {
                        self.pages.push(page);
                        self.wants_advance = true;
                    }
                    Fetch::Page { page, upto } => self.show(page, upto, &fetched),
                    Fetch::Subscriber { id, upto } => {
                        if let Some(subscriber) = self.subscribers.get_mut(&id) {
                            subscriber.is_fetching = false;
                        }
                        if !must_wait {
                            self.fill(id, upto, &fetched);
                        }
                        self.pump(id);
                    }
                }
            }
        }
    }
}
