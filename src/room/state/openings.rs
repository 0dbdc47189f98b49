//! Earlier messages that were opened to organisations. One question: what is open to whom, and what ends it?
//!
//! A release, the approval of a relay's text, a forwarding and a legal disclosure open messages; the running rule does not apply to what
//! they open. All but the last end with whatever narrows the source's consent for what they cover.
//! A child of `state`. Upholds: R3, R5, R6.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Posted, RoomState, Trace};
use crate::room::consent::{ConsentChange, Scope, Slot, Slots};
use crate::room::ids::{MessageId, OrganisationId, Seq, Timestamp};
use crate::room::mutant::{Mutant, is_on};
use crate::room::words::{Material, PoliceAnswer, Sharing};

/// That one message is open to one organisation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(in crate::room) struct Opening {
    pub(in crate::room) reader: Slot,
    pub(in crate::room) message: Seq,
    /// The entry that opened it.
    pub(in crate::room) by: Seq,
}

/// On what ground messages are opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::room) enum OpenedBy {
    /// Their source released them.
    Release,
    /// The source of a relay approved its text.
    Approval,
    /// The source lets the coordinator forward to the police.
    Forwarding,
    /// A law.
    LegalDuty {
        /// Whether the source is told later.
        suppressed: bool,
    },
}

/// What an entry opened to whom.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::room) struct Opened {
    pub(in crate::room) ground: OpenedBy,
    /// Whose consent it is.
    pub(in crate::room) source: Slot,
    /// In the order of posting.
    pub(in crate::room) messages: Vec<Seq>,
    pub(in crate::room) to: Slots,
}

impl OpenedBy {
    fn is_legal_duty(self) -> bool {
        match self {
            Self::LegalDuty { .. } => true,
            Self::Release | Self::Approval | Self::Forwarding => false,
        }
    }
}

impl RoomState {
    pub(super) fn open(
        &mut self,
        by: Seq,
        source: Slot,
        ground: OpenedBy,
        messages: &[MessageId],
        to: &[OrganisationId],
    ) -> Trace {
        let mut messages: Vec<Seq> = messages.iter().filter_map(|&id| self.message(id)).collect();
        messages.sort_unstable();
        messages.dedup();
        let readers: Vec<Slot> = to.iter().filter_map(|organisation| self.slot(organisation)).collect();
        let present: Vec<Slot> = readers.iter().copied().filter(|&reader| self.is_present(reader)).collect();
        for reader in present {
            self.openings.extend(messages.iter().map(|&message| Opening { reader, message, by }));
        }
        self.openers.push(by);
        Trace::Opened(Arc::new(Opened { ground, source, messages, to: readers.into_iter().collect() }))
    }

    /// What the entry opened.
    pub(in crate::room) fn opened(&self, by: Seq) -> Option<&Opened> {
        match self.traces.get(usize::try_from(by.0).ok()?)? {
            Trace::Opened(opened) => Some(opened),
            Trace::Message(_)
            | Trace::About(_)
            | Trace::Private(_)
            | Trace::Told { .. }
            | Trace::Both(..)
            | Trace::CoordinatorOnly
            | Trace::Nobody
            | Trace::Everybody => None,
        }
    }

    /// Whether this opening is in force.
    pub(in crate::room) fn is_open(&self, opening: Opening, now: Timestamp) -> bool {
        if !self.openings.contains(&opening) {
            return false;
        }
        let (Some(opened), Some(posted)) = (self.opened(opening.by), self.posted(opening.message)) else {
            return false;
        };
        opened.ground.is_legal_duty()
            || self.fallen(posted).is_none() && !self.participant(opened.source).consent.is_expired(now)
    }

    /// Whether a law opened it.
    pub(in crate::room) fn is_by_law(&self, opening: Opening) -> bool {
        self.opened(opening.by).is_some_and(|opened| opened.ground.is_legal_duty())
    }

    /// The openings in force of a message to a reader.
    pub(in crate::room) fn openings_of(
        &self,
        reader: Slot,
        message: Seq,
        now: Timestamp,
    ) -> impl Iterator<Item = Opening> + '_ {
        let all = Opening { reader, message, by: Seq(0) }..=Opening { reader, message, by: Seq(u64::MAX) };
        self.openings.range(all).copied().filter(move |&opening| self.is_open(opening, now))
    }

    /// Whether the message was ever opened to the reader with its source's consent.
    pub(in crate::room) fn was_opened_to(&self, reader: Slot, message: Seq) -> bool {
        self.openers.iter().filter_map(|&by| self.opened(by)).any(|opened| {
            !opened.ground.is_legal_duty() && opened.to.contains(reader) && opened.messages.contains(&message)
        })
    }

    /// The materials of `source` that an opening shows.
    fn materials(&self, opening: Opening, source: Slot) -> Vec<Material> {
        let Some(posted) = self.posted(opening.message) else { return Vec::new() };
        let Posted { material, relay, .. } = posted;
        match relay {
            Some(relay) => {
                relay.sources.iter().filter(|(of, _)| *of == source).map(|(_, material)| *material).collect()
            }
            None => vec![*material],
        }
    }

    /// What a source's consent opens, and what the source permits of it by its grid and names now.
    pub(super) fn opened_by(&self, source: Slot) -> Vec<(Opening, Material, Sharing)> {
        let of_source = |opening: &&Opening| {
            self.opened(opening.by).is_some_and(|opened| opened.source == source && !opened.ground.is_legal_duty())
        };
        let mut found = Vec::new();
        for &opening in self.openings.iter().filter(of_source) {
            for material in self.materials(opening, source) {
                found.push((opening, material, self.permits(source, opening.reader, material)));
            }
        }
        found
    }

    /// Ends what a withdrawal covers. `bound` is who is shown to the source under the name of [`Scope::Named`].
    pub(super) fn end_openings(&mut self, source: Slot, scope: &Scope, bound: Option<Slot>) {
        for opening in self.openings_in(source, scope, bound) {
            self.openings.remove(&opening);
        }
    }

    /// What a withdrawal would end.
    pub(super) fn openings_in(&self, source: Slot, scope: &Scope, bound: Option<Slot>) -> Vec<Opening> {
        let covered = |&(opening, material, _): &(Opening, Material, Sharing)| {
            match scope {
                Scope::All => true,
                Scope::Material(m) => *m == material,
                Scope::Audience(audience) => {
                    self.is_in(opening.reader, *audience) && !is_on(Mutant::WithdrawnClassHoldsReleases)
                }
                // Nobody is shown under this name: it may be the reader's.
                Scope::Named(_) if is_on(Mutant::NamedNoHoldsReleases) => false,
                Scope::Named(name) => match bound {
                    Some(named) => named == opening.reader,
                    None => self.participant(opening.reader).may_be(name),
                },
                // `close_message` ends those.
                Scope::Message(_) => false,
            }
        };
        self.opened_by(source).into_iter().filter(covered).map(|(opening, _, _)| opening).collect()
    }

    /// Ends what a change of consent narrowed, or said `no` for. `before` is [`Self::opened_by`] before the change.
    pub(super) fn end_narrowed_openings(
        &mut self,
        source: Slot,
        change: &ConsentChange,
        before: &[(Opening, Material, Sharing)],
    ) {
        for opening in self.narrowed_openings(source, change, before) {
            self.openings.remove(&opening);
        }
    }

    /// What a change of consent, once it is made, ends.
    pub(super) fn narrowed_openings(
        &self,
        source: Slot,
        change: &ConsentChange,
        before: &[(Opening, Material, Sharing)],
    ) -> Vec<Opening> {
        let may_forward = self.participant(source).consent.police == PoliceAnswer::CoordinatorMayForward;
        let ended = |&(opening, material, permitted): &(Opening, Material, Sharing)| {
            let reader = opening.reader;
            let no_by_class = change
                .cells
                .iter()
                .any(|&(m, audience, sharing)| m == material && sharing == Sharing::No && self.is_in(reader, audience));
            let no_by_name = change.named.iter().any(|(name, m, sharing)| {
                let is_its = || match self.bind(source, name) {
                    Some(named) => named == reader,
                    None => self.participant(reader).may_be(name),
                };
                *m == material && *sharing == Sharing::No && is_its()
            });
            let forwarding = self.opened(opening.by).is_some_and(|opened| opened.ground == OpenedBy::Forwarding);
            // Not answered is enforced as no.
            let narrowed = self.permits(source, reader, material).max(Sharing::No) < permitted.max(Sharing::No);
            narrowed || no_by_class || no_by_name || forwarding && !may_forward
        };
        before.iter().filter(|opened| ended(opened)).map(|(opening, _, _)| *opening).collect()
    }

    /// Ends what was open to a participant that goes.
    pub(super) fn end_openings_to(&mut self, reader: Slot) {
        self.openings.retain(|opening| opening.reader != reader);
    }

    /// Ends what was open of a message that falls; what a law opened stays.
    pub(super) fn close_message(&mut self, message: Seq) {
        let mut openings = std::mem::take(&mut self.openings);
        openings.retain(|opening| {
            let legal = || self.opened(opening.by).is_some_and(|opened| opened.ground.is_legal_duty());
            opening.message != message || legal()
        });
        self.openings = openings;
    }
}
