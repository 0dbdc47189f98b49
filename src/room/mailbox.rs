//! What each actor was shown, under which index. One question: what is delivery number *i* of this actor?
//!
//! A mailbox is one actor's view of one room: dense indexes 1, 2, 3 … over what it may see, given at first delivery and never
//! given anew. It grows by *advancing* over the log, and each advance is a [`Range`] that is stored before anything leaves the server.
//! Leans on: `state`, `disclose`. Upholds: R6, R7, R9. Tested in `tests/it/disclosure.rs` and beside the engine.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::disclose::{Reader, is_visible, is_visible_in_place};
use super::event::{Entry, Event, Recall};
use super::ids::{Actor, Index, OrganisationId, RecallId, Seq, Timestamp};
use super::mutant::{Mutant, is_on};
use super::state::{Opening, RoomState};

/// A delivery record: from `first` on, this actor was shown these things.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Range {
    /// To whom.
    pub actor: Actor,
    /// SHA-256 of the certificate of the connection.
    pub certificate: [u8; 32],
    /// The index of the first.
    pub first: Index,
    /// What, in order.
    pub runs: Vec<Run>,
    /// When.
    pub recorded_at: Timestamp,
}

/// Deliveries in a row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Run {
    /// These consecutive entries.
    Entries {
        /// The first of them.
        seq: Seq,
        /// How many.
        count: u32,
    },
    /// Messages that the entry before them in this mailbox opened: a release, an approval, a forwarding, a legal disclosure.
    Opened {
        /// The entry that opened them.
        by: Seq,
        /// The messages' own entries, in order.
        messages: Vec<Seq>,
    },
    /// A notice that earlier deliveries were withdrawn.
    Notice(Notice),
}

/// Which deliveries of a mailbox were withdrawn: ranges of indexes, in order, both ends included. No reason is given.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Notice {
    /// First and last index of each range.
    pub ranges: Vec<(Index, Index)>,
    /// Whether its receiver is asked to delete what stood there.
    pub recall: Option<Recall>,
}

/// What stands at an index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item<'a> {
    /// This entry, if it may still be shown.
    Entry(Seq),
    /// Nothing any more: what stood here was withdrawn.
    Withdrawn,
    /// This notice.
    Notice(&'a Notice),
}

/// That something was delivered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// To whom.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
    /// The entry that opened it, if it was not delivered in its own place.
    pub by: Option<Seq>,
}

impl Run {
    fn len(&self) -> u64 {
        match self {
            Self::Entries { count, .. } => u64::from(*count),
            Self::Opened { messages, .. } => messages.len() as u64,
            Self::Notice(_) => 1,
        }
    }

    /// The entry that stands at this offset of the run.
    fn entry(&self, offset: u64) -> Option<Seq> {
        match self {
            Self::Entries { seq, .. } => Some(Seq(seq.0 + offset)),
            Self::Opened { messages, .. } => messages.get(usize::try_from(offset).ok()?).copied(),
            Self::Notice(_) => None,
        }
    }

    /// At which offset of the run the entry stands.
    fn offset_of(&self, entry: Seq) -> Option<u64> {
        match self {
            Self::Entries { seq, count } => entry.0.checked_sub(seq.0).filter(|offset| *offset < u64::from(*count)),
            Self::Opened { messages, .. } => messages.iter().position(|seq| *seq == entry).map(|at| at as u64),
            Self::Notice(_) => None,
        }
    }
}

/// One actor's mailbox.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Mailbox {
    /// Each with the index of its first delivery.
    runs: Vec<(Index, Run)>,
    last: Index,
    /// The first entry that it was not asked about.
    cursor: Seq,
    /// Indexes that a notice has listed, or is about to.
    withdrawn: Vec<(Index, Index)>,
    /// The notices that are its next deliveries.
    pending: VecDeque<Notice>,
    /// When deliveries were recorded, each with its first index.
    times: Vec<(Index, Timestamp)>,
}

impl Mailbox {
    /// The last index given.
    pub fn last(&self) -> Index {
        self.last
    }

    /// The first entry that it was not asked about.
    pub fn cursor(&self) -> Seq {
        self.cursor
    }

    /// Whether there can be more to deliver in a log that ends before `next`.
    pub fn is_behind(&self, next: Seq) -> bool {
        !self.pending.is_empty() || self.cursor < next
    }

    /// What stands at this index; nothing, if it was not given.
    pub fn item(&self, index: Index) -> Option<Item<'_>> {
        if index.0 == 0 || index > self.last {
            return None;
        }
        if contains(&self.withdrawn, index) && !is_on(Mutant::WithdrawnIndexRevives) {
            return Some(Item::Withdrawn);
        }
        let at = self.runs.partition_point(|(first, _)| *first <= index) - 1;
        let (first, run) = &self.runs[at];
        Some(match run {
            Run::Notice(notice) => Item::Notice(notice),
            Run::Entries { .. } | Run::Opened { .. } => {
                run.entry(index.0 - first.0).map_or(Item::Withdrawn, Item::Entry)
            }
        })
    }

    /// The indexes at which this entry was given.
    fn indexes_of(&self, entry: Seq) -> impl Iterator<Item = (Index, Option<Seq>)> + '_ {
        self.runs.iter().filter_map(move |(first, run)| {
            let by = match run {
                Run::Opened { by, .. } => Some(*by),
                Run::Entries { .. } | Run::Notice(_) => None,
            };
            run.offset_of(entry).map(|offset| (Index(first.0 + offset), by))
        })
    }

    /// Whether the entry was ever given.
    pub(super) fn was_given(&self, entry: Seq) -> bool {
        self.indexes_of(entry).next().is_some()
    }

    /// Whether the entry stands at an index that is still answered with it.
    fn holds(&self, entry: Seq) -> bool {
        self.indexes_of(entry).any(|(index, _)| !contains(&self.withdrawn, index))
    }

    fn notices(&self) -> impl Iterator<Item = &Notice> {
        let given = self.runs.iter().filter_map(|(_, run)| match run {
            Run::Notice(notice) => Some(notice),
            Run::Entries { .. } | Run::Opened { .. } => None,
        });
        given.chain(&self.pending)
    }

    /// Gives the next indexes, `max` at most, but for what one entry opens, which comes at once: first notices, then what may be seen
    /// of the log from the cursor on.
    fn advance(
        &mut self,
        state: &RoomState,
        reader: Reader<'_>,
        actor: &Actor,
        now: Timestamp,
        max: usize,
    ) -> Vec<Run> {
        let mut runs: Vec<Run> = std::mem::take(&mut self.pending).into_iter().map(Run::Notice).collect();
        let mut given = runs.len();
        while self.cursor < state.next() && given < max {
            let seq = self.cursor;
            self.cursor = seq.next();
            if is_visible_in_place(state, reader.slot(), actor, seq, now) {
                given += 1;
                match runs.last_mut() {
                    Some(Run::Entries { seq: first, count }) if first.0 + u64::from(*count) == seq.0 => *count += 1,
                    _ => runs.push(Run::Entries { seq, count: 1 }),
                }
            }
            let opened = self.opened(state, reader, actor, seq, now, &runs);
            if !opened.is_empty() {
                given += opened.len();
                runs.push(Run::Opened { by: seq, messages: opened });
            }
        }
        runs.iter().for_each(|run| self.push(run.clone()));
        runs
    }

    /// What the entry at `by` opens to the reader that it does not have.
    fn opened(
        &self,
        state: &RoomState,
        reader: Reader<'_>,
        actor: &Actor,
        by: Seq,
        now: Timestamp,
        runs: &[Run],
    ) -> Vec<Seq> {
        let Some(opened) = state.opened(by).filter(|opened| opened.to.contains(reader.slot())) else {
            return Vec::new();
        };
        let is_new = |&message: &Seq| {
            state.is_open(Opening { reader: reader.slot(), message, by }, now)
                && is_visible(state, reader.slot(), actor, message, now)
                && !is_visible_in_place(state, reader.slot(), actor, message, now)
                && !self.holds(message)
                && runs.iter().all(|run| run.offset_of(message).is_none())
        };
        opened.messages.iter().copied().filter(is_new).collect()
    }

    fn push(&mut self, run: Run) {
        let first = Index(self.last.0 + 1);
        self.last = Index(self.last.0 + run.len());
        if let (Run::Entries { seq, count }, Some((_, Run::Entries { seq: before, count: length }))) =
            (&run, self.runs.last_mut())
            && before.0 + u64::from(*length) == seq.0
            && length.checked_add(*count).is_some()
        {
            *length += count;
            return;
        }
        self.runs.push((first, run));
    }

    /// Takes back what may no longer be shown: it is listed in one notice, which comes before anything else in this mailbox.
    fn take_back(
        &mut self,
        state: &RoomState,
        reader: Reader<'_>,
        actor: &Actor,
        now: Timestamp,
        recall: Option<Recall>,
    ) {
        let mut gone: Vec<(Index, Index)> = Vec::new();
        for (first, run) in &self.runs {
            for offset in 0..run.len() {
                let index = Index(first.0 + offset);
                let Some(seq) = run.entry(offset) else { continue };
                if contains(&self.withdrawn, index) || is_visible(state, reader.slot(), actor, seq, now) {
                    continue;
                }
                match gone.last_mut() {
                    Some((_, last)) if last.0 + 1 == index.0 => *last = index,
                    _ => gone.push((index, index)),
                }
            }
        }
        if gone.is_empty() {
            return;
        }
        self.withdrawn = merged(self.withdrawn.iter().chain(&gone));
        // A receiver answers a recall for what its notice lists, so that one stays by itself.
        match self.pending.iter_mut().find(|pending| pending.recall.is_none() && recall.is_none()) {
            Some(pending) => pending.ranges = merged(pending.ranges.iter().chain(&gone)),
            None => self.pending.push_back(Notice { ranges: gone, recall }),
        }
    }
}

fn contains(ranges: &[(Index, Index)], index: Index) -> bool {
    let at = ranges.partition_point(|(_, last)| *last < index);
    ranges.get(at).is_some_and(|(first, _)| *first <= index)
}

fn merged<'a>(ranges: impl Iterator<Item = &'a (Index, Index)>) -> Vec<(Index, Index)> {
    let mut all: Vec<_> = ranges.copied().collect();
    all.sort_unstable();
    let mut merged: Vec<(Index, Index)> = Vec::with_capacity(all.len());
    for (first, last) in all {
        match merged.last_mut() {
            Some((_, end)) if first.0 <= end.0 + 1 => *end = (*end).max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// All mailboxes of a room.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Mailboxes(BTreeMap<Actor, Mailbox>);

impl Mailboxes {
    /// The actor's mailbox; nothing before its first delivery.
    pub fn get(&self, actor: &Actor) -> Option<&Mailbox> {
        self.0.get(actor)
    }

    /// Gives the actor its next deliveries, `max` at most; `None` if there are none. The record must be stored before they leave.
    pub fn advance(
        &mut self,
        state: &RoomState,
        reader: Reader<'_>,
        actor: &Actor,
        certificate: [u8; 32],
        now: Timestamp,
        max: usize,
    ) -> Option<Range> {
        if !self.0.contains_key(actor) {
            self.0.insert(actor.clone(), Mailbox::default());
        }
        let mailbox = self.0.get_mut(actor)?;
        let first = Index(mailbox.last.0 + 1);
        let runs = mailbox.advance(state, reader, actor, now, max);
        if mailbox.last >= first {
            mailbox.times.push((first, now));
        }
        let range = || Range { actor: actor.clone(), certificate, first, runs, recorded_at: now };
        (mailbox.last >= first).then(range)
    }

    /// Follows one entry, just folded into `state`: whoever holds what it takes back gets a notice.
    pub fn follow(&mut self, state: &RoomState, entry: &Entry) {
        let forgotten = matches!(entry.event, Event::ReleaseRevoked { .. }) && is_on(Mutant::RevocationWithoutNotice);
        if !may_take_back(&entry.event) || forgotten {
            return;
        }
        let now = entry.recorded_at;
        let recall = match &entry.event {
            Event::ConsentWithdrawn { recall, .. } => *recall,
            _ => None,
        };
        for (actor, mailbox) in &mut self.0 {
            // Who isn't here is told when it comes back.
            if let Ok(reader) = Reader::new(state, actor) {
                mailbox.take_back(state, reader, actor, now, recall);
            }
        }
    }

    /// What the actors of an organisation were given of an entry, each its first.
    pub fn given_to(&self, organisation: &OrganisationId, entry: Seq) -> Vec<Given> {
        let of_organisation = self.0.iter().filter(|(actor, _)| actor.organisation == *organisation);
        let first = |(actor, mailbox): (&Actor, &Mailbox)| {
            let (index, by) = mailbox.indexes_of(entry).min_by_key(|(index, _)| *index)?;
            let range = mailbox.times.partition_point(|(first, _)| *first <= index).checked_sub(1)?;
            Some(Given { actor: actor.clone(), at: mailbox.times[range].1, by })
        };
        of_organisation.filter_map(first).collect()
    }

    /// The recalls that the organisation was asked for, or will be, when the entry was taken back.
    pub fn recalls_of(&self, organisation: &OrganisationId, entry: Seq) -> Vec<RecallId> {
        let mut recalls = Vec::new();
        for (_, mailbox) in self.0.iter().filter(|(actor, _)| actor.organisation == *organisation) {
            let indexes: Vec<Index> = mailbox.indexes_of(entry).map(|(index, _)| index).collect();
            let about = |notice: &&Notice| indexes.iter().any(|&index| contains(&notice.ranges, index));
            recalls.extend(mailbox.notices().filter(about).filter_map(|notice| notice.recall).map(|recall| recall.id));
        }
        recalls
    }

    /// Whether the organisation was asked, or will be, to delete what this recall took back.
    pub fn was_asked(&self, organisation: &OrganisationId, recall: RecallId) -> bool {
        let mut mailboxes = self.0.iter().filter(|(actor, _)| actor.organisation == *organisation);
        is_on(Mutant::RecallAnsweredByAnybody)
            || mailboxes
                .any(|(_, mailbox)| mailbox.notices().any(|notice| notice.recall.is_some_and(|r| r.id == recall)))
    }

    /// Puts back a record that was stored. Records come in the order in which they were made, between the entries that they followed.
    pub fn restore(&mut self, range: &Range) -> Result<(), NotInOrder> {
        let mailbox = self.0.entry(range.actor.clone()).or_default();
        if range.first.0 != mailbox.last.0 + 1 {
            return Err(NotInOrder);
        }
        mailbox.times.push((range.first, range.recorded_at));
        for run in &range.runs {
            match run {
                Run::Opened { by, messages } => {
                    let next = by.0.checked_add(1).ok_or(NotInOrder)?;
                    if Seq(next) < mailbox.cursor || messages.is_empty() {
                        return Err(NotInOrder);
                    }
                    mailbox.cursor = Seq(next);
                }
                Run::Entries { seq, count } => {
                    let next = seq.0.checked_add(u64::from(*count)).ok_or(NotInOrder)?;
                    if *seq < mailbox.cursor || *count == 0 {
                        return Err(NotInOrder);
                    }
                    mailbox.cursor = Seq(next);
                }
                Run::Notice(notice) => {
                    if mailbox.pending.pop_front().as_ref() != Some(notice) {
                        return Err(NotInOrder);
                    }
                }
            }
            mailbox.push(run.clone());
        }
        Ok(())
    }
}

/// A stored delivery record contradicts the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a delivery record contradicts the log")]
pub struct NotInOrder;

/// Whether an event of this kind can take back what somebody was shown.
pub fn may_take_back(event: &Event) -> bool {
    match event {
        Event::ParticipantAdmitted { .. }
        | Event::AttributionRaised { .. }
        | Event::ParticipantLeft { .. }
        | Event::ParticipantRemoved { .. }
        | Event::RoleChanged { .. }
        | Event::ConsentGiven { .. }
        | Event::ConsentWithdrawn { .. }
        | Event::ConsentExpired { .. }
        | Event::TermsChanged { .. }
        | Event::MessageRetracted { .. }
        | Event::PayloadsErased { .. }
        | Event::ReleaseRevoked { .. } => true,
        Event::MessagePosted { message, .. } | Event::RelayPublished { message, .. } => message.supersedes.is_some(),
        Event::RoomOpened { .. }
        | Event::OrganisationInvited { .. }
        | Event::InvitationDeclined { .. }
        | Event::ReportFiled { .. }
        | Event::RoomClosed
        | Event::RoomReopened
        | Event::MessageAcknowledged { .. }
        | Event::MessagesReleased { .. }
        | Event::RecallAnswered { .. }
        | Event::AskSuggested { .. }
        | Event::ConsentAsked { .. }
        | Event::AskAnswered { .. }
        | Event::AskLapsed { .. }
        | Event::RelayApproved { .. }
        | Event::RelayRejected { .. }
        | Event::PoliceReportMade { .. }
        | Event::PoliceReportDue { .. }
        | Event::MessagesForwarded { .. }
        | Event::LegalDisclosureProposed { .. }
        | Event::LegallyDisclosed { .. }
        | Event::LegalDisclosureNotified { .. }
        | Event::IntroductionProposed { .. }
        | Event::IntroductionAnswered { .. }
        | Event::Introduced { .. }
        | Event::ReportRead { .. }
        | Event::RoomSeenAs { .. }
        | Event::RoomExported { .. }
        | Event::AttachmentFetched { .. }
        | Event::ErasureProposed { .. }
        | Event::LegalHoldPlaced { .. }
        | Event::LegalHoldLifted { .. }
        | Event::RetentionSet { .. }
        | Event::AccessChanged { .. } => false,
    }
}
