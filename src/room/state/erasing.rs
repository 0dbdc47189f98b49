//! What is erased, or waits for it. One question: whose words are gone, and what stands in the way of that?
//!
//! A child of `state`. The fold forgets the words that it kept itself; which keys are to be destroyed is told to the engine. What the
//! entries say but for their words (who, when, to whom) is as it was. Upholds: R3, R5 (nobody is shown what is erased).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Fall, RoomState, Trace};
use crate::room::consent::Slot;
use crate::room::event::{Entry, ErasureScope, Event, IntroductionSide};
use crate::room::ids::{Actor, ContentId, ErasureId, OrganisationId, RoomId, Seq, Timestamp};

/// Payloads of entries: of which source, at which places. Of no source are the words of what the server wrote by itself.
pub type Payloads = (Box<str>, RangeInclusive<u64>);

/// Erasures, and what holds them up.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(in crate::room) struct Erasing {
    /// Proposals that wait for a second person.
    pub(in crate::room) proposed: BTreeMap<ErasureId, Proposal>,
    /// What was erased, in that order.
    pub(in crate::room) done: Vec<Erasure>,
    /// The legal hold, if there is one: by whom, since when, and why.
    pub(in crate::room) hold: Option<(Option<Actor>, Timestamp, Arc<str>)>,
    /// How many years after its closing the room is due.
    pub(in crate::room) years: Option<u16>,
    /// Who opened the room.
    pub(super) opened_by: Option<OrganisationId>,
    /// Since when the room has been closed.
    pub(in crate::room) closed_at: Option<Timestamp>,
    /// What erasures destroyed of attachments.
    contents: Vec<(ErasureId, ContentId)>,
    /// Entries that hold words of two organisations under the key of one: whose key, where, and of whom.
    introduced: Vec<(OrganisationId, Seq, [Slot; 2])>,
}

/// An erasure that was proposed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::room) struct Proposal {
    pub(in crate::room) what: ErasureScope<OrganisationId>,
    pub(in crate::room) basis: Arc<str>,
    pub(in crate::room) by: Actor,
    pub(in crate::room) at: Timestamp,
}

/// An erasure that was decided.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::room) struct Erasure {
    pub(in crate::room) id: ErasureId,
    pub(in crate::room) what: ErasureScope<OrganisationId>,
    pub(in crate::room) basis: Arc<str>,
    /// Who proposed it, and who confirmed it.
    pub(in crate::room) by: [Option<Actor>; 2],
    pub(in crate::room) at: Timestamp,
    payloads: Vec<Payloads>,
}

/// Where the key of a content stands under its source: behind those of all entries.
fn place_of((_, content): &(Slot, ContentId)) -> RangeInclusive<u64> {
    let place = content.place_of_key();
    place..=place
}

impl RoomState {
    /// Every erasure that was decided, with the payloads whose keys it destroys.
    pub fn erasures(&self) -> impl Iterator<Item = (ErasureId, &[Payloads])> {
        self.erasing.done.iter().map(|erasure| (erasure.id, &erasure.payloads[..]))
    }

    /// Whether the words of this entry are erased: there are none to be shown, whatever was read or kept of it.
    pub fn is_erased(&self, entry: &Entry) -> bool {
        let source = entry.author.as_ref().map_or("", |author| author.organisation.as_str());
        let covers = |(of, places): &Payloads| **of == *source && places.contains(&entry.seq.0);
        entry.is_erased || self.erasing.done.iter().any(|erasure| erasure.payloads.iter().any(covers))
    }

    /// Follows an entry about erasure.
    pub(super) fn follow_erasing(&mut self, entry: &Entry) -> Trace {
        match &entry.event {
            Event::ErasureProposed { erasure, what, basis } => {
                if let Some(author) = &entry.author {
                    let (what, basis) = (what.clone(), basis.clone());
                    let proposal = Proposal { what, basis, by: author.clone(), at: entry.recorded_at };
                    self.erasing.proposed.insert(*erasure, proposal);
                }
                let message = match what {
                    ErasureScope::Message(message) => self.message(*message).filter(|&seq| self.is_red(seq)),
                    ErasureScope::Participant(_) | ErasureScope::Room => None,
                };
                // Told to the coordinator; of TLP:RED, to its author and who is named in it.
                Trace::Told { by: Slot(0), source: Slot(0), message }
            }
            Event::PayloadsErased { erasure, what, basis, proposed_by } => {
                self.erase(*erasure, what, basis, proposed_by, entry)
            }
            Event::LegalHoldPlaced { reason } => {
                self.erasing.hold = Some((entry.author.clone(), entry.recorded_at, reason.clone()));
                Trace::CoordinatorOnly
            }
            Event::LegalHoldLifted { reason: _ } => {
                self.erasing.hold = None;
                Trace::CoordinatorOnly
            }
            Event::RetentionSet { years } => {
                self.erasing.years = *years;
                Trace::CoordinatorOnly
            }
            _ => Trace::Nobody,
        }
    }

    fn erase(
        &mut self,
        id: ErasureId,
        what: &ErasureScope<OrganisationId>,
        basis: &Arc<str>,
        proposed_by: &Actor,
        entry: &Entry,
    ) -> Trace {
        self.erasing.proposed.remove(&id);
        let (trace, payloads) = match what {
            ErasureScope::Message(message) => {
                let Some(seq) = self.message(*message) else { return Trace::Nobody };
                let Some(source) = self.posted(seq).map(|posted| posted.source) else { return Trace::Nobody };
                // With it goes what it carries.
                let carried = (0..).map(Seq).zip(&self.traces).filter(|(_, trace)| match trace {
                    Trace::Message(posted) => posted.file.as_ref().is_some_and(|file| file.carrier == seq),
                    _ => false,
                });
                let all: BTreeSet<Seq> = carried.map(|(at, _)| at).chain([seq]).collect();
                let contents = self.erase_messages(|at, _| all.contains(&at));
                let trace = Trace::Told { by: Slot(0), source, message: Some(seq).filter(|&seq| self.is_red(seq)) };
                let of: Box<str> = self.participant(source).organisation.as_str().into();
                let places = all.iter().map(|at| at.0..=at.0).chain(contents.iter().map(place_of));
                let payloads = places.map(|places| (Box::clone(&of), places)).collect();
                self.erasing.contents.extend(contents.into_iter().map(|(_, content)| (id, content)));
                (trace, payloads)
            }
            ErasureScope::Participant(organisation) => {
                let Some(slot) = self.slot(organisation) else { return Trace::Nobody };
                let contents = self.erase_messages(|_, source| source == slot);
                self.forget_words(|of| of == slot);
                let introduced = self.erasing.introduced.iter().filter(|(_, _, sides)| sides.contains(&slot));
                let introduced = introduced.map(|(of, seq, _)| (of.as_str().into(), seq.0..=seq.0));
                let all = (organisation.as_str().into(), 0..=entry.seq.0.saturating_sub(1));
                let has_opened = self.erasing.opened_by.as_ref() == Some(organisation);
                let opening = has_opened.then(|| (RoomId::OPENING.into(), 0..=0));
                let held = contents.iter().map(|content| (organisation.as_str().into(), place_of(content)));
                let payloads = [all].into_iter().chain(held).chain(introduced).chain(opening).collect();
                self.erasing.contents.extend(contents.into_iter().map(|(_, content)| (id, content)));
                (Trace::Told { by: Slot(0), source: slot, message: None }, payloads)
            }
            ErasureScope::Room => {
                let contents = self.erase_messages(|_, _| true);
                self.forget_words(|_| true);
                let source = |slot: Slot| Box::from(self.participant(slot).organisation.as_str());
                let held: Vec<Payloads> =
                    contents.iter().map(|content| (source(content.0), place_of(content))).collect();
                let of = self.participants.iter().map(|participant| participant.organisation.as_str()).chain([""]);
                let all = of.map(|of| (of.into(), 0..=entry.seq.0.saturating_sub(1)));
                let payloads = all.chain(held).chain([(RoomId::OPENING.into(), 0..=0)]).collect();
                self.erasing.contents.extend(contents.into_iter().map(|(_, content)| (id, content)));
                (Trace::Everybody, payloads)
            }
        };
        let by = [Some(proposed_by.clone()), entry.author.clone()];
        let (what, basis, at) = (what.clone(), basis.clone(), entry.recorded_at);
        self.erasing.done.push(Erasure { id, what, basis, by, at, payloads });
        trace
    }

    pub(super) fn note_introduced(&mut self, entry: &Entry, sides: &[IntroductionSide; 2]) {
        let of = |side: usize| self.slot(&sides[side].organisation);
        // What the coordinator says to both is its own.
        let is_of_both = matches!(entry.event, Event::Introduced { .. });
        if let (true, Some(author), Some(a), Some(b)) = (is_of_both, &entry.author, of(0), of(1)) {
            self.erasing.introduced.push((author.organisation.clone(), entry.seq, [a, b]));
        }
    }

    /// Erases these messages; what those of them held that are attachments, and whose it was.
    fn erase_messages(&mut self, is_it: impl Fn(Seq, Slot) -> bool) -> Vec<(Slot, ContentId)> {
        let mut erased = Vec::new();
        let mut contents = Vec::new();
        for (seq, trace) in (0..).map(Seq).zip(&mut self.traces) {
            if let Trace::Message(posted) = trace
                && is_it(seq, posted.source)
            {
                posted.fallen = Some(Fall::Erased);
                if let Some(relay) = &mut posted.relay {
                    // Who knows the digest of a text can tell whether it was this one.
                    Arc::make_mut(relay).text_digest = [0; 32];
                }
                if let Some(file) = &mut posted.file {
                    contents.push((posted.source, file.content));
                    Arc::make_mut(file).size = 0;
                }
                erased.push(seq);
            }
        }
        self.forget_files(&erased);
        self.openings.retain(|opening| erased.binary_search(&opening.message).is_err());
        contents
    }

    /// What an erasure destroyed of attachments.
    pub fn erased_contents(&self, erasure: ErasureId) -> impl Iterator<Item = ContentId> + '_ {
        self.erasing.contents.iter().filter(move |(of, _)| *of == erasure).map(|(_, content)| *content)
    }

    /// Forgets the words of these participants that the state has.
    fn forget_words(&mut self, is_of: impl Fn(Slot) -> bool) {
        if is_of(Slot(0)) {
            self.title = "".into();
        }
        for recalled in self.matters.recalls.values_mut() {
            let answers = recalled.answers.iter_mut().filter(|(by, _)| is_of(**by));
            answers.for_each(|(_, (_, comment, _))| *comment = "".into());
        }
        for side in self.matters.introductions.values_mut().filter(|side| is_of(side.of)) {
            if let Some((_, contact)) = &mut side.answer {
                *contact = "".into();
            }
        }
    }
}
