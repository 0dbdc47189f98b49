//! What waits in a room for an answer or for a moment. One question: which questions are open, and until when?
//!
//! A child of `state`. Upholds: R3.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::RoomState;
use crate::limits;
use crate::room::consent::Slot;
use crate::room::event::{AskedFor, Entry, Event, IntroductionSide, LegalDuty, Recall, Subject};
use crate::room::ids::{
    Actor, AskId, DisclosureId, IntroductionId, OrganisationId, RecallId, ReleaseId, Seq, Timestamp,
};
use crate::room::words::{PoliceAnswer, RecallAnswer, Role};

/// Everything that waits, or that an answer may refer to.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(in crate::room) struct Matters {
    /// Releases in force: whose, and where.
    pub(in crate::room) releases: BTreeMap<ReleaseId, (Slot, Seq)>,
    pub(in crate::room) asks: BTreeMap<AskId, Ask>,
    pub(in crate::room) recalls: BTreeMap<RecallId, Recalled>,
    /// Legal disclosures that wait for a second person.
    pub(in crate::room) proposed: BTreeMap<DisclosureId, (Arc<LegalDuty>, Actor)>,
    /// Notices of legal disclosures that wait for their day.
    pub(in crate::room) suppressed: Vec<Suppressed>,
    pub(in crate::room) introductions: BTreeMap<IntroductionId, Introduction>,
    /// Who reports to the police itself, and when it is reminded, if it still has to be.
    pub(in crate::room) police: BTreeMap<Slot, Option<Timestamp>>,
    /// Which actors of the coordinator have read which version of a report.
    pub(in crate::room) report_reads: BTreeSet<(Actor, Seq)>,
    /// The directory's entries about accesses that are recorded here.
    pub(in crate::room) access_changes: BTreeSet<Seq>,
}

/// A question of the coordinator to a source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::room) struct Ask {
    pub(in crate::room) source: Slot,
    pub(in crate::room) subject: Subject,
    pub(in crate::room) to: AskedFor<OrganisationId>,
    pub(in crate::room) answer_by: Timestamp,
    pub(in crate::room) is_open: bool,
}

/// A withdrawal whose receivers are asked to delete, and what they answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::room) struct Recalled {
    pub(in crate::room) source: Slot,
    /// How many there were before it.
    pub(in crate::room) number: usize,
    pub(in crate::room) answers: BTreeMap<Slot, (RecallAnswer, Arc<str>, Timestamp)>,
}

/// A legal disclosure that its source is not told of yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::room) struct Suppressed {
    pub(in crate::room) until: Timestamp,
    pub(in crate::room) disclosure: DisclosureId,
    pub(in crate::room) source: Slot,
    pub(in crate::room) duty: Arc<LegalDuty>,
    /// The entry that disclosed.
    pub(in crate::room) by: Seq,
}

/// One side of an introduction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::room) struct Introduction {
    pub(in crate::room) of: Slot,
    pub(in crate::room) other: IntroductionId,
    /// Whether it agreed, and how to reach it.
    pub(in crate::room) answer: Option<(bool, Arc<str>)>,
}

impl Matters {
    /// When something becomes due.
    pub(super) fn due(&self) -> impl Iterator<Item = Timestamp> {
        let asks = self.asks.values().filter(|ask| ask.is_open).map(|ask| ask.answer_by);
        let police = self.police.values().copied().flatten();
        asks.chain(police).chain(self.suppressed.iter().map(|suppressed| suppressed.until))
    }

    pub(super) fn recall(&mut self, recall: Option<Recall>, source: Slot) {
        if let Some(recall) = recall {
            let number = self.recalls.len();
            self.recalls.insert(recall.id, Recalled { source, number, answers: BTreeMap::new() });
        }
    }

    /// The source of what was recalled, if there is such a recall.
    pub(super) fn answer_recall(
        &mut self,
        recall: RecallId,
        by: Slot,
        answer: RecallAnswer,
        comment: &Arc<str>,
        at: Timestamp,
    ) -> Option<Slot> {
        let recalled = self.recalls.get_mut(&recall)?;
        recalled.answers.insert(by, (answer, comment.clone(), at));
        Some(recalled.source)
    }

    /// The source that did not answer.
    pub(super) fn lapse(&mut self, ask: AskId) -> Option<Slot> {
        let ask = self.asks.get_mut(&ask)?;
        ask.is_open = false;
        Some(ask.source)
    }

    /// A disclosure was confirmed, for one of its sources.
    pub(super) fn disclosed(&mut self, disclosure: DisclosureId, source: Slot, duty: &Arc<LegalDuty>, by: Seq) {
        self.proposed.remove(&disclosure);
        if let Some(until) = duty.suppress_until {
            self.suppressed.push(Suppressed { until, disclosure, source, duty: duty.clone(), by });
        }
    }

    /// Whether the source is not told yet of what this entry disclosed.
    pub(in crate::room) fn is_suppressed(&self, by: Seq) -> bool {
        self.suppressed.iter().any(|suppressed| suppressed.by == by)
    }

    fn propose_introduction(&mut self, state: impl Fn(&OrganisationId) -> Option<Slot>, sides: &[IntroductionSide; 2]) {
        for (side, other) in [(&sides[0], &sides[1]), (&sides[1], &sides[0])] {
            if let Some(of) = state(&side.organisation) {
                self.introductions.insert(side.id, Introduction { of, other: other.id, answer: None });
            }
        }
    }
}

impl RoomState {
    /// Notes what an entry about the participant begins or ends.
    pub(super) fn note_matter(&mut self, slot: Slot, entry: &Entry) {
        match &entry.event {
            Event::ConsentAsked { ask, source: _, subject, to, reason: _, answer_by } => {
                let (subject, to, answer_by) = (subject.clone(), to.clone(), *answer_by);
                self.matters.asks.insert(*ask, Ask { source: slot, subject, to, answer_by, is_open: true });
            }
            Event::AskAnswered { ask, .. } => drop(self.matters.lapse(*ask)),
            Event::PoliceReportMade { .. } | Event::PoliceReportDue { .. } => {
                if let Some(due) = self.matters.police.get_mut(&slot) {
                    *due = None;
                }
            }
            Event::LegalDisclosureNotified { disclosure, .. } => {
                let is_it = |s: &Suppressed| s.disclosure == *disclosure && s.source == slot;
                self.matters.suppressed.retain(|suppressed| !is_it(suppressed));
            }
            Event::IntroductionProposed { sides } => {
                let slots = self.by_organisation.clone();
                self.matters.propose_introduction(|organisation| slots.get(organisation).copied(), sides);
            }
            Event::IntroductionAnswered { introduction, accepted, contact, .. } => {
                if let Some(side) = self.matters.introductions.get_mut(introduction) {
                    side.answer = Some((*accepted, contact.clone()));
                }
            }
            Event::ReportRead { .. } => {
                if let (Some(author), Some(&version)) = (&entry.author, self.participant(slot).reports.last()) {
                    self.matters.report_reads.insert((author.clone(), version));
                }
            }
            Event::AccessChanged { by, .. } => drop(self.matters.access_changes.insert(*by)),
            _ => {}
        }
        self.find_next_due();
    }

    /// Follows what the participant's consent says about the police, and whether it is still for the participant to report: who has
    /// gone, or is not affected, is not reminded.
    pub(super) fn note_police_answer(&mut self, slot: Slot, at: Timestamp) {
        let participant = self.participant(slot);
        let reports = participant.role == Role::AffectedOrganisation && self.is_present(slot);
        match participant.consent.police {
            PoliceAnswer::OrganisationReportsItself if reports => {
                let due = Timestamp(at.0.saturating_add(limits::POLICE_REPORT_TIME_US));
                self.matters.police.entry(slot).or_insert(Some(due));
            }
            // Who has reported, or was reminded, is not reminded when it comes back.
            PoliceAnswer::OrganisationReportsItself => {
                self.matters.police.retain(|&who, due| who != slot || due.is_none())
            }
            PoliceAnswer::NotAnswered | PoliceAnswer::No | PoliceAnswer::CoordinatorMayForward => {
                self.matters.police.remove(&slot);
            }
        }
        self.find_next_due();
    }
}
