//! What each actor was shown, under which index. One question: what is delivery number *i* of this actor?
//!
//! A mailbox is one actor's view of one room: dense indexes 1, 2, 3 … over what it may see, given at first delivery and never
//! given anew. It grows by *advancing* over the log, and each advance is a [`Range`] that is stored before anything leaves the server.
//! Leans on: `state`, `disclose`. Upholds: R6, R7, R9. Tested in `tests/it/disclosure.rs` and beside the engine.

use std::collections::BTreeMap;

use super::disclose::{Reader, is_visible};
use super::event::{Entry, Event};
use super::ids::{Actor, Index, Seq, Timestamp};
use super::state::RoomState;

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
#[derive(Clone, PartialEq, Eq, Debug)]
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
#[derive(Clone, PartialEq, Eq, Debug, Default)]
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
    /// This notice.
    Notice(&'a Notice),
}

impl Run {
    fn len(&self) -> u64 {
        match self {
            Self::Entries { count, .. } => u64::from(*count),
            Self::Notice(_) => 1,
        }
    }
}

/// One actor's mailbox.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mailbox {
    /// Each with the index of its first delivery.
    runs: Vec<(Index, Run)>,
    last: Index,
    /// The first entry that it was not asked about.
    cursor: Seq,
    /// Indexes that a notice has listed, or is about to.
    withdrawn: Vec<(Index, Index)>,
    /// The notice that is its next delivery.
    pending: Option<Notice>,
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
        self.pending.is_some() || self.cursor < next
    }

    /// What stands at this index; nothing, if it was not given.
    pub fn item(&self, index: Index) -> Option<Item<'_>> {
        if index.0 == 0 || index > self.last {
            return None;
        }
        let at = self.runs.partition_point(|(first, _)| *first <= index) - 1;
        let (first, run) = &self.runs[at];
        Some(match run {
            Run::Entries { seq, .. } => Item::Entry(Seq(seq.0 + (index.0 - first.0))),
            Run::Notice(notice) => Item::Notice(notice),
        })
    }

    /// Gives the next indexes, `max` at most: first a notice, then what may be seen of the log from the cursor on.
    fn advance(
        &mut self,
        state: &RoomState,
        reader: Reader<'_>,
        actor: &Actor,
        now: Timestamp,
        max: usize,
    ) -> Vec<Run> {
        let mut runs: Vec<Run> = self.pending.take().map(Run::Notice).into_iter().collect();
        let mut given = runs.len();
        while self.cursor < state.next() && given < max {
            let seq = self.cursor;
            self.cursor = seq.next();
            if !is_visible(state, reader.slot(), actor, seq, now) {
                continue;
            }
            given += 1;
            match runs.last_mut() {
                Some(Run::Entries { seq: first, count }) if first.0 + u64::from(*count) == seq.0 => *count += 1,
                _ => runs.push(Run::Entries { seq, count: 1 }),
            }
        }
        runs.iter().for_each(|run| self.push(run.clone()));
        runs
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

    /// Takes back what may no longer be shown: it is listed in one notice, the next delivery of this mailbox.
    fn recall(&mut self, state: &RoomState, reader: Reader<'_>, actor: &Actor, now: Timestamp) {
        let mut gone: Vec<(Index, Index)> = Vec::new();
        for (first, run) in &self.runs {
            let Run::Entries { seq, count } = run else { continue };
            for offset in 0..u64::from(*count) {
                let index = Index(first.0 + offset);
                if contains(&self.withdrawn, index) || is_visible(state, reader.slot(), actor, Seq(seq.0 + offset), now)
                {
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
        let pending = self.pending.take().unwrap_or_default();
        self.pending = Some(Notice { ranges: merged(pending.ranges.iter().chain(&gone)) });
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
#[derive(Clone, PartialEq, Eq, Debug, Default)]
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
        let range = || Range { actor: actor.clone(), certificate, first, runs, recorded_at: now };
        (mailbox.last >= first).then(range)
    }

    /// Follows one entry, just folded into `state`: whoever holds what it takes back gets a notice.
    pub fn follow(&mut self, state: &RoomState, entry: &Entry) {
        if !may_take_back(&entry.event) {
            return;
        }
        let now = entry.recorded_at;
        for (actor, mailbox) in &mut self.0 {
            // Who isn't here is told when it comes back.
            if let Ok(reader) = Reader::new(state, actor) {
                mailbox.recall(state, reader, actor, now);
            }
        }
    }

    /// Puts back a record that was stored. Records come in the order in which they were made, between the entries that they followed.
    pub fn restore(&mut self, range: &Range) -> Result<(), NotInOrder> {
        let mailbox = self.0.entry(range.actor.clone()).or_default();
        if range.first.0 != mailbox.last.0 + 1 {
            return Err(NotInOrder);
        }
        for run in &range.runs {
            match run {
                Run::Entries { seq, count } => {
                    if *seq < mailbox.cursor || *count == 0 {
                        return Err(NotInOrder);
                    }
                    mailbox.cursor = Seq(seq.0 + u64::from(*count));
                }
                Run::Notice(notice) => {
                    if mailbox.pending.take().as_ref() != Some(notice) {
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
        | Event::ConsentExpired { .. } => true,
        Event::RoomOpened { .. }
        | Event::OrganisationInvited { .. }
        | Event::InvitationDeclined { .. }
        | Event::ReportFiled { .. }
        | Event::MessagePosted { .. }
        | Event::RoomClosed
        | Event::RoomReopened => false,
    }
}
