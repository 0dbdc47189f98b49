//! Who has a message, as its source or the coordinator may know it.

use std::collections::{BTreeMap, BTreeSet};

use samverkan::room::event::Event;
use samverkan::room::ids::{Actor, MessageId, ParticipantId, Timestamp};
use samverkan::room::words::Tlp;

use super::mailbox::Given;
use super::{COORDINATOR, Kind, Model, NaiveMailbox, No, Post};

/// What a receipt must say of one participant that is here.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    pub(crate) participant: ParticipantId,
    pub(crate) first: Option<Timestamp>,
    /// What opened it, of all that was delivered first.
    pub(crate) grounds: BTreeSet<&'static str>,
    pub(crate) acknowledged_at: Option<Timestamp>,
    /// Nothing for TLP:RED, which goes by person.
    pub(crate) receives: Option<bool>,
}

impl Model {
    /// The receipts of a message for this caller: of participants that are here and that it can see. Nothing: it may not ask.
    pub(crate) fn receipts(
        &self,
        mailboxes: &BTreeMap<Actor, NaiveMailbox>,
        caller: &Actor,
        message: MessageId,
        now: Timestamp,
    ) -> Option<Vec<Receipt>> {
        let me = self.no(&caller.organisation)?;
        let t = self.last();
        // That somebody had it is on record when its words are gone, for who could ask then.
        let is_erased = |place: usize| {
            let Post { author, message, .. } = &self.posts[&place];
            self.is_erased(place, t) && (message.tlp != Tlp::Red || author.as_ref() == Some(caller))
        };
        let may_ask = |place: &usize| self.sees_message(caller, *place, now) || is_erased(*place);
        let place = self.places.get(&message).copied().filter(may_ask)?;
        let post = &self.posts[&place];
        if post.source != me && me != COORDINATOR {
            return None;
        }
        let mut all = Vec::new();
        for (o, organisation) in self.who.iter().enumerate() {
            if o == post.source || !self.can_tell(me, o, t) {
                continue;
            }
            let own = mailboxes.iter().filter(|(actor, _)| actor.organisation == *organisation);
            let mut given: Vec<Given> = own.flat_map(|(actor, mailbox)| self.given(mailbox, actor, place)).collect();
            given.retain(|given| me == COORDINATOR || !given.by.is_some_and(|by| self.is_suppressed(by)));
            given.retain(|given| given.kind.is_some() || !self.reads_as_red_source(o, place));
            let first = given.iter().map(|given| given.at).min();
            let grounds = given.iter().filter(|given| Some(given.at) == first).map(|given| match given.kind {
                None => "rule",
                Some(Kind::Release(_)) => "Released",
                Some(Kind::Approval) => "Approved",
                Some(Kind::Forwarding) => "Forwarded",
                Some(Kind::LegalDuty) => "LegalDuty",
            });
            let acknowledged_at = self.entries.iter().find_map(|entry| match &entry.event {
                Event::MessageAcknowledged { organisation: who, message: m }
                    if who == organisation && *m == message =>
                {
                    Some(entry.recorded_at)
                }
                _ => None,
            });
            let red = post.message.tlp == Tlp::Red;
            let receives = (!red).then(|| self.receives(me, o, place, t, now));
            let participant = self.moments[t].everybody[o].id;
            all.push(Receipt { participant, first, grounds: grounds.collect(), acknowledged_at, receives });
        }
        all.sort_by_key(|receipt| receipt.participant);
        Some(all)
    }

    /// Whether somebody of `o` is shown the message, as far as `asker` may know.
    fn receives(&self, asker: No, o: No, place: usize, t: usize, now: Timestamp) -> bool {
        let somebody: Actor = format!("org/{}/user/somebody", self.who[o]).parse().expect("an actor");
        let known = |by: &usize| asker == COORDINATOR || !self.is_suppressed(*by);
        self.rule(&somebody, place, t, now) || self.opens(&somebody, o, place, t, now).iter().any(|(by, _)| known(by))
    }

    /// Whether it is a relay made of nothing but this organisation's TLP:RED, which who asks may not know.
    fn reads_as_red_source(&self, o: No, place: usize) -> bool {
        let Some(relay) = &self.posts[&place].relay else { return false };
        let mut own = relay.parents.iter().map(|parent| &self.posts[parent]).filter(|parent| parent.source == o);
        relay.sources == [o] && own.all(|parent| parent.message.tlp == Tlp::Red)
    }

    /// Whether the entry is a legal disclosure that its source is not told of yet.
    fn is_suppressed(&self, by: usize) -> bool {
        let Event::LegallyDisclosed { disclosure, organisation, duty, .. } = &self.entries[by].event else {
            return false;
        };
        let told = self.entries.iter().any(|entry| {
            matches!(&entry.event, Event::LegalDisclosureNotified { disclosure: d, organisation: o, .. }
                if d == disclosure && o == organisation)
        });
        duty.suppress_until.is_some() && !told
    }
}
