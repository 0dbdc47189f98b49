//! Relays. One question: to whom may a coordinator's words about others' messages go at once?
//!
//! A relay needs `relay` from every source, for its material, from its publication on; TLP never loosens; and whoever gets it must have
//! at least three affected organisations before its eyes that could be the source, or the source approves the exact text.
//! A child of `state`. Upholds: R5.

use serde::{Deserialize, Serialize};

use super::{Posted, RoomState};
use crate::limits;
use crate::room::chain;
use crate::room::consent::{Slot, Slots};
use crate::room::event::Message;
use crate::room::ids::{MessageId, OrganisationId, Seq, Timestamp};
use crate::room::mutant::{Mutant, is_on};
use crate::room::words::{Material, Role, Sharing, Tlp};

/// What a relay is made from, and whom it went to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::room) struct Relay {
    /// The messages that it is made from.
    pub(in crate::room) parents: Vec<Seq>,
    /// Whose they are, and of what material; the coordinator's own are not among them.
    pub(in crate::room) sources: Vec<(Slot, Material)>,
    /// Whom it may go to at once, judged when it was published.
    pub(in crate::room) allowed: Slots,
    /// Who gets it if its only source approves its text.
    pub(in crate::room) unapproved: Slots,
    /// Sources that are told of it.
    pub(in crate::room) told: Slots,
    /// Who could see the relay that it stands for.
    pub(in crate::room) saw_superseded: Slots,
    /// SHA-256 of its text: what an approval is bound to.
    pub(in crate::room) text_digest: [u8; 32],
}

impl Relay {
    /// The only source, if there is one.
    pub(in crate::room) fn only_source(&self) -> Option<Slot> {
        only_source(&self.sources)
    }

    pub(in crate::room) fn is_source(&self, slot: Slot) -> bool {
        self.sources.iter().any(|(source, _)| *source == slot)
    }
}

pub(in crate::room) fn only_source(sources: &[(Slot, Material)]) -> Option<Slot> {
    let (first, _) = sources.first()?;
    sources.iter().all(|(source, _)| source == first).then_some(*first)
}

/// What is asked of the rule.
#[derive(Clone, Debug)]
pub(in crate::room) struct RelayWish<'a> {
    /// The messages that it is made from; none of them a relay.
    pub(in crate::room) parents: &'a [Seq],
    pub(in crate::room) tlp: Tlp,
    /// The recipients that the coordinator lists; `None`: it lists none.
    pub(in crate::room) listed: Option<&'a Slots>,
}

/// Why a participant does not get a relay at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::room) enum RelayBar {
    /// The coordinator lists recipients, and this is none.
    NotListed,
    /// It is not here, or it coordinates.
    NotForIt,
    /// A parent is for named persons only.
    Red,
    /// A parent is for the coordinator only.
    CoordinatorOnly,
    /// A parent has recipients, and this is none.
    NotARecipient,
    /// A source does not permit a relay to it.
    NotPermitted,
    /// The relay's TLP is looser than a parent's.
    LooserTlp,
    /// Too few could be the source, as it sees the room.
    TooFewCouldBeTheSource,
}

impl RoomState {
    /// The messages that these are made from: a relay stands for its parents, and an attachment that others gave its poster also for theirs.
    pub(in crate::room) fn flattened(&self, messages: &[Seq]) -> Vec<Seq> {
        let mut parents: Vec<Seq> = Vec::new();
        for &seq in messages {
            match self.posted(seq).and_then(|posted| posted.relay.as_ref()) {
                Some(relay) => parents.extend(&relay.parents),
                None => parents.push(seq),
            }
            parents.extend(
                self.posted(seq).and_then(|posted| posted.file.as_ref()).iter().flat_map(|file| &file.terms_of),
            );
        }
        parents.sort_unstable();
        parents.dedup();
        parents
    }

    /// Whose the parents are, the coordinator's own left out.
    pub(in crate::room) fn sources(&self, parents: &[Seq]) -> Vec<(Slot, Material)> {
        let posted = parents.iter().filter_map(|&seq| self.posted(seq));
        let mut sources: Vec<_> = posted.map(|posted| (posted.source, posted.material)).collect();
        sources.retain(|(source, _)| !Self::is_coordinator(*source));
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// Why the relay may not go to the reader at once; `None`: it may.
    pub(in crate::room) fn relay_bar(&self, wish: &RelayWish<'_>, reader: Slot, now: Timestamp) -> Option<RelayBar> {
        if Self::is_coordinator(reader) || !self.is_present(reader) {
            return Some(RelayBar::NotForIt);
        }
        if wish.listed.is_some_and(|listed| !listed.contains(reader)) {
            return Some(RelayBar::NotListed);
        }
        for parent in wish.parents.iter().filter_map(|&seq| self.posted(seq)) {
            if parent.tlp == Tlp::Red {
                return Some(RelayBar::Red);
            }
            let heeds_recipients = !is_on(Mutant::RelayForgetsRecipients) && parent.source != reader;
            if heeds_recipients && parent.recipients.as_ref().is_some_and(|to| !to.contains(reader)) {
                return Some(RelayBar::NotARecipient);
            }
            if parent.coordinator_only && !is_on(Mutant::RelayForgetsCoordinatorOnly) {
                return Some(RelayBar::CoordinatorOnly);
            }
            if wish.tlp < parent.tlp && !is_on(Mutant::RelayLoosensTlp) {
                return Some(RelayBar::LooserTlp);
            }
        }
        let sources = self.sources(wish.parents);
        let permitted = |&(source, material): &(Slot, Material)| {
            source == reader
                || is_on(Mutant::RelayForgetsASource) && sources.first() == Some(&(source, material))
                || self.permits(source, reader, material) >= Sharing::Relay
                    && !self.participant(source).consent.is_expired(now)
        };
        if !sources.iter().all(permitted) {
            return Some(RelayBar::NotPermitted);
        }
        let enough = limits::RELAY_SOURCES_MIN - usize::from(is_on(Mutant::TwoCouldBeTheSource));
        (!sources.is_empty() && self.could_be_the_source(reader) < enough).then_some(RelayBar::TooFewCouldBeTheSource)
    }

    /// How many affected organisations the reader can see besides itself.
    fn could_be_the_source(&self, reader: Slot) -> usize {
        let others = self.participants().filter(|&(slot, other)| {
            slot != reader
                && other.role == Role::AffectedOrganisation
                && (self.can_see(reader, slot) && !self.is_hidden(slot)
                    || is_on(Mutant::HiddenCouldBeTheSource) && self.is_present(slot))
        });
        others.count()
    }

    /// All relays: where, what, made of what.
    pub(in crate::room) fn relays(&self) -> impl Iterator<Item = (Seq, &Posted, &Relay)> {
        self.relays.iter().filter_map(|&seq| {
            let posted = self.posted(seq)?;
            Some((seq, posted, posted.relay.as_deref()?))
        })
    }

    /// A relay as it is published now.
    pub(super) fn sealed_relay(
        &self,
        message: &Message,
        parents: &[MessageId],
        unapproved: &[OrganisationId],
        now: Timestamp,
    ) -> Relay {
        let parents: Vec<Seq> = parents.iter().filter_map(|&id| self.message(id)).collect();
        let listed = self.slots(&message.recipients);
        let listed = (!message.recipients.is_empty()).then_some(&listed);
        let wish = RelayWish { parents: &parents, tlp: message.tlp, listed };
        let allowed = |&(slot, _): &(Slot, _)| self.relay_bar(&wish, slot, now).is_none();
        let allowed: Slots = self.participants().filter(allowed).map(|(slot, _)| slot).collect();
        let sources = self.sources(&parents);
        let unapproved = self.slots(unapproved);
        let knows = |&source: &Slot| {
            let gets = |slot| slot != source && (allowed.contains(slot) || unapproved.contains(slot));
            self.participants()
                .any(|(slot, _)| gets(slot) && (self.can_see(source, slot) || is_on(Mutant::RelayToHiddenIsTold)))
        };
        let told = sources.iter().map(|(source, _)| *source).filter(knows).collect();
        let text_digest = chain::text(&message.text);
        let saw = |&slot: &Slot| {
            let old = message.supersedes.and_then(|old| self.message(old));
            let told =
                |seq| self.posted(seq).and_then(|old| old.relay.as_deref()).is_some_and(|old| old.told.contains(slot));
            old.is_some_and(|seq| told(seq) || self.reaches(slot, seq, now))
        };
        let saw_superseded = self.participants().map(|(slot, _)| slot).filter(saw).collect();
        Relay { parents, sources, allowed, unapproved, told, saw_superseded, text_digest }
    }
}
