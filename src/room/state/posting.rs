//! Messages as the state keeps them. One question: what becomes of a message when it is posted, and when it falls?
//!
//! A child of `state`. Upholds: R3, R5 (what stands for a message reaches at most who could see that one).

use std::sync::Arc;

use super::{Fall, Narrowed, Posted, Relay, RoomState, Trace};
use crate::room::consent::{Slot, Slots};
use crate::room::event::{Entry, Message};
use crate::room::ids::{MessageId, OrganisationId, Seq};
use crate::room::mutant::{Mutant, is_on};
use crate::room::words::Tlp;

impl RoomState {
    /// The numbers of organisations that are or were here.
    pub(super) fn slots(&self, organisations: &[OrganisationId]) -> Slots {
        organisations.iter().filter_map(|organisation| self.slot(organisation)).collect()
    }

    pub(super) fn post(
        &mut self,
        source: Slot,
        message: &Message,
        entry: &Entry,
        narrowed: Option<Arc<Narrowed>>,
        relay: Option<Arc<Relay>>,
    ) -> Trace {
        if let Some(old) = message.supersedes.filter(|_| !is_on(Mutant::SupersededStays)) {
            self.fall_of(source, old, Fall::Superseded);
        }
        let file = match &message.file {
            None => None,
            Some(file) => match self.attach(file, entry.seq) {
                // What should carry it is not there: nobody can be shown it.
                None => return Trace::Nobody,
                attached => attached,
            },
        };
        self.messages.insert(message.id, entry.seq);
        self.relays.extend(relay.iter().map(|_| entry.seq));
        Trace::Message(Posted {
            id: message.id,
            recorded_at: entry.recorded_at,
            source,
            material: message.material,
            tlp: message.tlp,
            coordinator_only: message.coordinator_only,
            asks_for_acknowledgement: message.acknowledge_by.is_some(),
            fallen: None,
            narrowed,
            recipients: (!message.recipients.is_empty()).then(|| Arc::new(self.slots(&message.recipients))),
            relay,
            file,
        })
    }

    /// Whom the message reaches at most: its own recipients, and, if it stands for another, those who could see that one.
    pub(super) fn narrowed(&self, source: Slot, message: &Message, entry: &Entry) -> Option<Arc<Narrowed>> {
        let old = message.supersedes.and_then(|old| self.message(old)).filter(|_| !is_on(Mutant::EditReachesAll));
        if message.tlp == Tlp::Red {
            let saw = |organisation: &OrganisationId| {
                old.is_none_or(|old| self.slot(organisation).is_some_and(|o| self.reaches(o, old, entry.recorded_at)))
            };
            let actors = message.red_actors.iter().filter(|actor| saw(&actor.organisation)).cloned().collect();
            return Some(Arc::new(Narrowed::Red { author: entry.author.clone(), actors }));
        }
        let recipients = self.slots(&message.recipients);
        let listed = |slot| message.recipients.is_empty() || recipients.contains(slot);
        if let Some(old) = old {
            let seen = |&slot: &Slot| self.reaches(slot, old, entry.recorded_at) && listed(slot);
            let slots = (0..self.participants.len() as u16).map(Slot).filter(|&slot| slot != source).filter(seen);
            return Some(Arc::new(Narrowed::Recipients(slots.collect())));
        }
        (!message.recipients.is_empty()).then(|| Arc::new(Narrowed::Recipients(recipients)))
    }

    /// The message at this place, but for its text.
    pub(in crate::room) fn posted(&self, seq: Seq) -> Option<&Posted> {
        match self.traces.get(usize::try_from(seq.0).ok()?)? {
            Trace::Message(posted) => Some(posted),
            Trace::Opened(_)
            | Trace::About(_)
            | Trace::Private(_)
            | Trace::Told { .. }
            | Trace::Both(..)
            | Trace::CoordinatorOnly
            | Trace::Nobody
            | Trace::Everybody => None,
        }
    }

    pub(super) fn is_red(&self, seq: Seq) -> bool {
        self.posted(seq).is_some_and(|posted| posted.tlp == Tlp::Red)
    }

    /// Why the message, one that it is made from or the one that carries it, is shown to nobody any more but its source and the coordinator.
    pub(in crate::room) fn fallen(&self, posted: &Posted) -> Option<Fall> {
        let own = |posted: &Posted| {
            let carrier = posted.file.as_ref().and_then(|file| self.posted(file.carrier));
            posted.fallen.or_else(|| carrier.and_then(|carrier| carrier.fallen))
        };
        let mut parents = posted.relay.iter().flat_map(|relay| &relay.parents).filter_map(|&seq| self.posted(seq));
        if is_on(Mutant::RelayOutlivesItsParent) {
            return own(posted);
        }
        own(posted).or_else(|| parents.find_map(own))
    }

    pub(super) fn fall_of(&mut self, source: Slot, message: MessageId, why: Fall) {
        let Some(seq) = self.message(message) else { return };
        let index = usize::try_from(seq.0).unwrap_or(usize::MAX);
        if let Some(Trace::Message(posted)) = self.traces.get_mut(index)
            && posted.source == source
        {
            posted.fallen = posted.fallen.or(Some(why));
            self.close_message(seq);
        }
    }
}
