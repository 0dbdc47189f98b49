//! Who may have what of one room? A model as plain as can be of the consents that the organisations themselves gave and took back, in the
//! order that the coordinator's mailbox has, and what each reader's mailbox and journal must look like by it.

use std::collections::{BTreeMap, BTreeSet};

use crate::Wrong;
use crate::acts::{Act, Acts, Kind};
use crate::ground::{Ground, WINDOW_BYTES, Who};
use crate::journal::Stamp;
use crate::posts::Posts;
use crate::reads::{Read, Received, What};

/// Bytes of one stream that can be under way to a reader when something is withdrawn: what the HTTP/2 layer and the sockets hold.
const UNDER_WAY_BYTES_MAX: usize = 16 * WINDOW_BYTES as usize;

/// One thing that happened in a room.
enum Step {
    Posted(Who, u64),
    /// An act of a seat, by its number.
    Acted(Who, usize),
}

/// A message, as who is neither its source nor the coordinator sees it.
#[derive(Clone, Copy)]
enum Seen {
    Never,
    /// Until an act took it back.
    Until {
        who: Who,
        act: usize,
    },
    Always,
}

/// What happened in one room, in order.
pub(crate) struct Story<'a> {
    ground: &'a Ground,
    posts: &'a BTreeMap<Who, Posts>,
    acts: &'a BTreeMap<Who, Acts>,
    steps: Vec<Step>,
    /// Of each message, its place in the order and what became of it.
    messages: BTreeMap<(Who, u64), (usize, Seen)>,
}

/// What a reader's mailbox and journal showed.
#[derive(Default)]
pub(crate) struct Races {
    /// Withdrawals that met deliveries of what they take back.
    pub(crate) races: u64,
}

impl<'a> Story<'a> {
    /// Reads the order from the coordinator's mailbox, and holds it against the journals of those who wrote.
    pub(crate) fn read(
        ground: &'a Ground,
        coordinator: Who,
        reads: &[Read],
        posts: &'a BTreeMap<Who, Posts>,
        acts: &'a BTreeMap<Who, Acts>,
    ) -> Result<Self, Wrong> {
        let seats: Vec<Who> = ground
            .seats()
            .skip_while(|who| *who < coordinator)
            .take_while(|who| *who == coordinator || !ground.is_coordinator(*who))
            .collect();
        let mut steps = Vec::new();
        let mut acted: BTreeMap<Who, usize> = BTreeMap::new();
        let mut made: BTreeSet<Who> = BTreeSet::new();
        let mut times = String::new();
        for read in reads {
            let time = match &read.what {
                What::Message(who, number, answer) => {
                    if !seats.contains(who) {
                        return Err(format!("post {number} of {} stands in another room", ground.name(*who)));
                    }
                    steps.push(Step::Posted(*who, *number));
                    answer.split_once('/').map_or("", |(_, time)| time)
                }
                What::Act(organisation, kind, time) => {
                    let who = seats.iter().find(|who| ground.organisation_id(**who) == *organisation);
                    let who = *who.ok_or_else(|| format!("{organisation} acts and isn't there"))?;
                    if made.insert(who) {
                        // What it gave when it came into the room.
                        continue;
                    }
                    let number = acted.entry(who).or_default();
                    let name = ground.name(who);
                    let own = acts.get(&who).and_then(|acts| acts.acts.get(*number));
                    let own = own.ok_or_else(|| format!("{name} did {number} acts, and there is one more: {kind}"))?;
                    if own.kind.text() != *kind || own.acked.as_ref().is_none_or(|(told, _)| told != time) {
                        let (told, kind_told) = (&own.acked, own.kind.text());
                        return Err(format!(
                            "act {number} of {name} is {kind} of {time}; it was {kind_told}, {told:?}"
                        ));
                    }
                    steps.push(Step::Acted(who, *number));
                    *number += 1;
                    time
                }
                What::Withdrawn | What::Notice(_) => return Err("something was withdrawn from the coordinator".into()),
                What::Other => continue,
            };
            if *time < *times && time.len() == times.len() {
                return Err(format!("{time} stands after {times}"));
            }
            times = time.to_owned();
        }
        for who in &seats {
            let (done, own) = (acted.get(who).copied().unwrap_or(0), acts.get(who).map_or(0, |acts| acts.acts.len()));
            if done != own {
                return Err(format!("{own} acts of {} were acknowledged, {done} are there", ground.name(*who)));
            }
        }
        let mut story = Self { ground, posts, acts, steps, messages: BTreeMap::new() };
        story.each_once_and_in_order(reads, &seats)?;
        story.in_real_time()?;
        story.follow_consents();
        Ok(story)
    }

    fn each_once_and_in_order(&self, reads: &[Read], seats: &[Who]) -> Result<(), Wrong> {
        let mut seen: BTreeSet<(Who, u64)> = BTreeSet::new();
        let mut last: BTreeMap<Who, u64> = BTreeMap::new();
        for read in reads {
            let What::Message(who, number, answer) = &read.what else { continue };
            let name = self.ground.name(*who);
            if !seen.insert((*who, *number)) {
                return Err(format!("post {number} of {name} is there twice"));
            }
            let own = usize::try_from(*number).ok().and_then(|number| self.posts.get(who)?.posts.get(number));
            let own = own.ok_or_else(|| format!("post {number} of {name} was never sent"))?;
            if own.acked.as_ref().is_none_or(|(told, _)| told != answer) {
                let told = &own.acked;
                return Err(format!(
                    "post {number} of {name} was acknowledged as {told:?} and stands there as {answer}"
                ));
            }
            if !own.was_refused {
                let last = last.entry(*who).or_default();
                if *number < *last {
                    return Err(format!("post {number} of {name} stands after post {last}"));
                }
                *last = *number;
            }
        }
        for who in seats {
            let acked = self.posts.get(who).map_or(0, Posts::acked);
            let there = seen.iter().filter(|(author, _)| author == who).count() as u64;
            if there != acked {
                return Err(format!("{} has {acked} acknowledged, {there} are there", self.ground.name(*who)));
            }
        }
        Ok(())
    }

    fn stamps(&self, step: &Step) -> Option<(Stamp, Stamp)> {
        match step {
            Step::Posted(who, number) => {
                let post = self.posts.get(who)?.posts.get(usize::try_from(*number).ok()?)?;
                Some((post.sent, post.acked.as_ref()?.1))
            }
            Step::Acted(who, number) => {
                let act = self.acts.get(who)?.acts.get(*number)?;
                Some((act.sent, act.acked.as_ref()?.1))
            }
        }
    }

    /// What was acknowledged before another was begun comes first.
    fn in_real_time(&self) -> Result<(), Wrong> {
        let mut earliest_acked_later = Stamp::MAX;
        for (place, step) in self.steps.iter().enumerate().rev() {
            let Some((sent, acked)) = self.stamps(step) else { return Err("something without stamps".into()) };
            if earliest_acked_later < sent {
                return Err(format!("number {place} was begun after something later in the order was acknowledged"));
            }
            earliest_acked_later = earliest_acked_later.min(acked);
        }
        Ok(())
    }

    fn act(&self, who: Who, number: usize) -> &Act {
        &self.acts[&who].acts[number]
    }

    fn follow_consents(&mut self) {
        // Everybody gave it when the room was made.
        let mut refuses: BTreeSet<Who> = BTreeSet::new();
        let mut messages: BTreeMap<(Who, u64), (usize, Seen)> = BTreeMap::new();
        for (place, step) in self.steps.iter().enumerate() {
            match *step {
                Step::Posted(who, number) => {
                    let is_shown = self.ground.is_coordinator(who)
                        || (self.ground.is_shared(who, number) && !refuses.contains(&who));
                    messages.insert((who, number), (place, if is_shown { Seen::Always } else { Seen::Never }));
                }
                Step::Acted(who, act) => {
                    let kind = &self.act(who, act).kind;
                    let falls = |number: u64| match kind {
                        Kind::Give => false,
                        Kind::Narrow | Kind::WithdrawAll | Kind::WithdrawLogs | Kind::WithdrawAudience => true,
                        Kind::WithdrawMessage(id) => self.message_id(who, number) == Some(id),
                    };
                    for ((_, number), (_, seen)) in messages.range_mut((who, 0)..=(who, u64::MAX)) {
                        if matches!(seen, Seen::Always) && falls(*number) {
                            *seen = Seen::Until { who, act };
                        }
                    }
                    match kind {
                        Kind::Give => drop(refuses.remove(&who)),
                        Kind::Narrow | Kind::WithdrawAll | Kind::WithdrawLogs | Kind::WithdrawAudience => {
                            refuses.insert(who);
                        }
                        Kind::WithdrawMessage(_) => {}
                    }
                }
            }
        }
        self.messages = messages;
    }

    fn message_id(&self, who: Who, number: u64) -> Option<&str> {
        let post = self.posts.get(&who)?.posts.get(usize::try_from(number).ok()?)?;
        post.acked.as_ref()?.0.split('/').next()
    }

    fn seen(&self, reader: Who, (who, number): (Who, u64)) -> Seen {
        match self.messages.get(&(who, number)) {
            Some(_) if who == reader || self.ground.is_coordinator(reader) => Seen::Always,
            Some((_, seen)) => *seen,
            None => Seen::Never,
        }
    }

    /// What one reader has now, and what it was given before.
    pub(crate) fn holds_for(&self, reader: Who, now: &[Read], then: &[Received]) -> Result<Races, Wrong> {
        if then.len() > now.len() {
            return Err(format!("{} deliveries were received, and {} are left", then.len(), now.len()));
        }
        self.shown_as_allowed(reader, now)?;
        self.each_notice_lists_what_it_took(now)?;
        let mut races: BTreeSet<(Who, usize)> = BTreeSet::new();
        let mut purged = 0;
        let mut late: BTreeMap<Stamp, usize> = BTreeMap::new();
        for (index, (then, now)) in (1..).zip(then.iter().zip(now)) {
            let What::Message(who, number, _) = &then.read.what else {
                if then.read.digest != now.digest {
                    return Err(format!("something else was received at index {index} than stands there now"));
                }
                purged += u64::from(then.read.what == What::Withdrawn);
                continue;
            };
            let told = || format!("message {number} of {}", self.ground.name(*who));
            match self.seen(reader, (*who, *number)) {
                Seen::Never => return Err(format!("{} was received, and was never to be seen", told())),
                Seen::Always if then.read.digest != now.digest => {
                    return Err(format!("{} was received at index {index}, where {:?} stands now", told(), now.what));
                }
                Seen::Always => {}
                Seen::Until { who, act } => {
                    if now.what != What::Withdrawn {
                        return Err(format!("{} was withdrawn, and {:?} stands at index {index}", told(), now.what));
                    }
                    let Act { sent, acked, .. } = self.act(who, act);
                    let acked = acked.as_ref().map_or(Stamp::MAX, |(_, at)| *at);
                    if then.begun > acked {
                        return Err(format!("{} came by a stream that began after its withdrawal", told()));
                    }
                    if then.at > acked {
                        *late.entry(then.begun).or_default() += self.ground.draft(who, *number).text.len();
                    }
                    if then.at > *sent {
                        races.insert((who, act));
                    }
                }
            }
        }
        if let Some(bytes) = late.values().max().filter(|bytes| **bytes > UNDER_WAY_BYTES_MAX) {
            return Err(format!("{bytes} bytes of what was withdrawn came by one stream after the acknowledgement"));
        }
        Ok(Races { races: races.len() as u64 + purged })
    }

    /// Everything that may be seen now is there, once, in the one order of the room, and nothing else.
    fn shown_as_allowed(&self, reader: Who, now: &[Read]) -> Result<(), Wrong> {
        let mut shown = now.iter().filter_map(|read| match &read.what {
            What::Message(who, number, _) => Some((*who, *number)),
            What::Withdrawn | What::Notice(_) | What::Act(..) | What::Other => None,
        });
        let mut allowed = self.steps.iter().filter_map(|step| match step {
            Step::Posted(who, number) if matches!(self.seen(reader, (*who, *number)), Seen::Always) => {
                Some((*who, *number))
            }
            Step::Posted(..) | Step::Acted(..) => None,
        });
        loop {
            match (allowed.next(), shown.next()) {
                (None, None) => return Ok(()),
                (allowed, shown) if allowed == shown => {}
                (allowed, shown) => {
                    let name = |one: Option<(Who, u64)>| match one {
                        Some((who, number)) => format!("message {number} of {}", self.ground.name(who)),
                        None => "nothing".to_owned(),
                    };
                    return Err(format!("{} should come next, and {} does", name(allowed), name(shown)));
                }
            }
        }
    }

    /// Every index that was withdrawn stands in one notice, which comes later.
    fn each_notice_lists_what_it_took(&self, now: &[Read]) -> Result<(), Wrong> {
        let mut listed: BTreeSet<u64> = BTreeSet::new();
        for (index, read) in (1_u64..).zip(now) {
            let What::Notice(ranges) = &read.what else { continue };
            for taken in ranges.iter().flat_map(|(first, last)| *first..=*last) {
                let what =
                    taken.checked_sub(1).and_then(|at| now.get(usize::try_from(at).ok()?)).map(|read| &read.what);
                if what != Some(&What::Withdrawn) || taken >= index {
                    return Err(format!("the notice at index {index} lists index {taken}, where {what:?} stands"));
                }
                if !listed.insert(taken) {
                    return Err(format!("index {taken} is listed by a second notice, at index {index}"));
                }
            }
        }
        let withdrawn = (1_u64..).zip(now).filter(|(_, read)| read.what == What::Withdrawn);
        match withdrawn.map(|(index, _)| index).find(|index| !listed.contains(index)) {
            Some(index) => Err(format!("index {index} was withdrawn without a notice")),
            None => Ok(()),
        }
    }
}
