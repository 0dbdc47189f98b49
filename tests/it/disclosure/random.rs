//! Random histories with every command, crashes and reconnects included: every decision, every delivery and every refusal of the
//! core against the naive model.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use samverkan::engine::snapshot;
use samverkan::room::consent::Name;
use samverkan::room::disclose::{Reader, explain, receipts, roster};
use samverkan::room::event::{AttachmentDraft, Command, Event};
use samverkan::room::ids::{Actor, Index, MessageId, RoomId, Timestamp};
use samverkan::room::mailbox::{Item, Mailboxes, Range};
use samverkan::room::refusal::Refusal;
use samverkan::room::state::{RoomState, fold};
use samverkan::room::words::Tlp;
use samverkan::store::codec::Tip;

use super::{compare, from_env, made};
use crate::histories::{Cast, MINUTE, Rng, Step};
use crate::model::{Item as NaiveItem, Model, NaiveMailbox};
use crate::pure::PureRoom;

/// What happened in the histories.
#[derive(Default, Debug)]
pub(crate) struct Counts {
    pub(crate) decisions: u64,
    pub(crate) shown: u64,
    lost: u64,
    entries: u64,
    notices: u64,
    recalls: u64,
    deliveries: u64,
    opened: u64,
    crashes: u64,
    judged: u64,
    receipts: u64,
    files: u64,
    on_terms: u64,
    refused: BTreeMap<String, u64>,
    granted: BTreeMap<String, u64>,
    /// By kind of event.
    made: BTreeMap<String, u64>,
}

impl Counts {
    fn add(&mut self, other: Self) {
        let Self {
            decisions,
            shown,
            lost,
            entries,
            notices,
            recalls,
            deliveries,
            opened,
            crashes,
            judged,
            receipts,
            files,
            on_terms,
            ..
        } = other;
        self.decisions += decisions;
        self.shown += shown;
        self.lost += lost;
        self.entries += entries;
        self.notices += notices;
        self.recalls += recalls;
        self.deliveries += deliveries;
        self.opened += opened;
        self.crashes += crashes;
        self.judged += judged;
        self.receipts += receipts;
        self.files += files;
        self.on_terms += on_terms;
        let sum = |into: &mut BTreeMap<String, u64>, of: BTreeMap<String, u64>| {
            of.into_iter().for_each(|(name, n)| *into.entry(name).or_default() += n);
        };
        sum(&mut self.refused, other.refused);
        sum(&mut self.granted, other.granted);
        sum(&mut self.made, other.made);
    }
}

/// R5: on two million occasions and more, who sees what is what the rule says, read literally.
#[test]
fn r5_random_histories_disclose_what_the_naive_rule_discloses() {
    let wanted = from_env("SAMVERKAN_DECISIONS", 2_000_000);
    let first = from_env("SAMVERKAN_SEED", 1);
    let workers = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let histories: Vec<_> = (0..workers)
        .map(|worker| {
            thread::spawn(move || {
                let (mut counts, mut histories) = (Counts::default(), 0);
                while counts.decisions < wanted.div_ceil(workers) {
                    let seed = first + worker + workers * histories;
                    if let Err(why) = one_history(seed, &mut counts) {
                        panic!("SAMVERKAN_SEED={seed}, {why}");
                    }
                    histories += 1;
                }
                (counts, histories)
            })
        })
        .collect();
    let mut sum = Counts::default();
    let mut n = 0;
    for worker in histories {
        let (counts, histories) = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        n += histories;
        sum.add(counts);
    }
    println!("{n} histories, none differs: {sum:#?}");
    assert!(sum.decisions >= wanted && sum.notices > 50 && sum.shown * 20 > sum.decisions, "{sum:?}");
    assert!(sum.files * 2_000_000 > 100 * sum.decisions, "too few files: {sum:?}");
    assert!(sum.on_terms * 2_000_000 > 5 * sum.decisions, "too few files of others: {sum:?}");
    for kind in [
        "AttachmentFetched",
        "MessagesReleased",
        "ReleaseRevoked",
        "RelayPublished",
        "RelayApproved",
        "MessageRetracted",
    ] {
        assert!(
            sum.made.get(kind).is_some_and(|n| n * 2_000_000 > 10 * sum.decisions),
            "too few {kind}: {:?}",
            sum.made
        );
    }
}

/// The same where words are erased meanwhile.
#[test]
fn r5_random_histories_with_erasures_show_nobody_what_is_erased() {
    let mut counts = Counts::default();
    for seed in 1..=from_env("SAMVERKAN_ERASURES", 60) {
        let mut erasing = History::new(seed);
        erasing.cast.erases = true;
        history(erasing, &mut counts).unwrap_or_else(|why| panic!("SAMVERKAN_SEED={seed}, {why}"));
    }
    println!("{counts:#?}");
    let made = |kind: &str| counts.made.get(kind).copied().unwrap_or_default();
    assert!(made("PayloadsErased") > 40 && made("LegalHoldPlaced") > 5 && counts.notices > 50, "{counts:?}");
}

/// Histories in which the core once differed from the rule.
#[test]
fn r5_histories_that_once_differed() {
    for seed in [1_075, 900_897] {
        one_history(seed, &mut Counts::default()).unwrap_or_else(|why| panic!("SAMVERKAN_SEED={seed}, {why}"));
    }
}

/// One history. An error says where the core and the model differ.
pub(crate) fn one_history(seed: u64, counts: &mut Counts) -> Result<(), String> {
    history(History::new(seed), counts)
}

fn history(mut history: History, counts: &mut Counts) -> Result<(), String> {
    for i in 0..100 {
        if let Err(why) = history.step(i, counts) {
            if from_env("SAMVERKAN_VERBOSE", 0) > 0 {
                history.room.entries.iter().for_each(|e| println!("{} {:?} {:?}", e.seq.0, e.author, e.event));
            }
            return Err(format!("after {} entries: {why}", history.room.entries.len()));
        }
    }
    for entry in &history.room.entries {
        *counts.made.entry(crate::model::name_of(&entry.event)).or_default() += 1;
    }
    counts.entries += history.room.entries.len() as u64;
    for mailbox in history.naive.values() {
        for item in &mailbox.items {
            match item {
                NaiveItem::Notice(_, recall) => {
                    counts.notices += 1;
                    counts.recalls += u64::from(recall.is_some());
                }
                NaiveItem::Opened { .. } => counts.opened += 1,
                NaiveItem::Entry(_) => {}
            }
        }
    }
    Ok(())
}

/// The core and the model, side by side.
struct History {
    rng: Rng,
    cast: Cast,
    readers: Vec<Actor>,
    room: PureRoom,
    model: Model,
    naive: BTreeMap<Actor, NaiveMailbox>,
    before: BTreeSet<(Actor, usize)>,
    /// What a log holds beside its entries: delivery records, each with the number of entries before it.
    records: Vec<(usize, Range)>,
}

impl History {
    fn new(seed: u64) -> Self {
        let cast = Cast::default();
        Self {
            rng: Rng(seed),
            readers: cast.readers(),
            cast,
            room: PureRoom::new(Timestamp(MINUTE)),
            model: Model::default(),
            naive: BTreeMap::new(),
            before: BTreeSet::new(),
            records: Vec::new(),
        }
    }

    fn learn(&mut self) {
        for entry in &self.room.entries[self.model.len()..] {
            self.model.add(entry);
        }
    }

    fn step(&mut self, i: usize, counts: &mut Counts) -> Result<(), String> {
        let step = match i {
            0 => self.cast.open(&mut self.rng),
            _ => self.cast.step(&mut self.rng, &self.room, &format!("{i}")),
        };
        let known = self.model.len();
        self.room.advance_clock(step.after);
        self.learn();
        let verdict = self.model.judge(&self.naive, &step.caller, &step.command, self.room.now);
        let permits = self.model.permits_of(&step.caller.organisation);
        let terms = self.terms(&step);
        let answer = self.room.perform(&step.caller, step.command.clone());
        if let Ok(entries) = &answer {
            let files = entries.iter().filter_map(|entry| match &entry.event {
                Event::MessagePosted { message, .. } => Some((message.file.as_ref()?.terms_of.clone(), message.tlp)),
                _ => None,
            });
            let made: Vec<_> = files.collect();
            counts.files += made.len() as u64;
            counts.on_terms += made.iter().filter(|(terms, _)| !terms.is_empty()).count() as u64;
            if made != terms {
                return Err(format!(
                    "{}: {:?}: files on the terms of {made:?}, the model {terms:?}",
                    step.caller, step.command
                ));
            }
        }
        let kind = crate::model::name_of(&step.command);
        let said = made(&answer);
        counts.judged += u64::from(verdict.is_judged());
        match &said {
            Ok(_) => {
                *counts.granted.entry(kind).or_default() += 1;
            }
            Err(why) => *counts.refused.entry(format!("{kind} {why}")).or_default() += 1,
        }
        let wish = match &step.command {
            Command::Post { draft, .. } => {
                format!("{:?} for {:?}, {:?}", draft.supersedes, draft.recipients, draft.red_actors)
            }
            Command::PublishRelay { draft, .. } => {
                format!("instead of {:?}, for {:?}", draft.supersedes, draft.recipients)
            }
            _ => String::new(),
        };
        verdict.check(&said).map_err(|why| format!("{}: {:?} {wish}: {why}", step.caller, step.command))?;
        if self.room.entries.is_empty() {
            return Ok(());
        }
        self.learn();
        // An answer to a question of the coordinator takes nothing from anybody.
        if matches!(step.command, Command::AnswerAsk { .. }) {
            let after = self.model.permits_of(&step.caller.organisation);
            let narrower = |(before, after): (&[_; 3], &[_; 3])| before.iter().zip(after).any(|(b, a)| a < b);
            if permits.iter().zip(&after).any(narrower) {
                return Err(format!("{:?} narrowed {permits:?} to {after:?}", step.command));
            }
        }
        self.decisions(known, counts)?;
        self.lists()?;
        self.mailboxes(counts)?;
        self.receipts(counts)?;
        if self.rng.chance(5) {
            counts.crashes += 1;
            self.crash()?;
        }
        Ok(())
    }

    /// On whose terms the files of this step would be posted.
    fn terms(&self, step: &Step) -> Vec<(Vec<MessageId>, Tlp)> {
        let Command::Post { draft, .. } = &step.command else { return Vec::new() };
        let of = |file: &AttachmentDraft| {
            let sha256 = file.content.expect("it was uploaded").sha256;
            self.model.terms(&self.naive, &step.caller, (sha256, draft.tlp), self.room.now)
        };
        draft.attachments.iter().map(of).collect()
    }

    fn decisions(&mut self, known: usize, counts: &mut Counts) -> Result<(), String> {
        let mut visible = BTreeSet::new();
        for actor in &self.readers {
            for n in 0..self.room.entries.len() {
                counts.decisions += 1;
                if compare(&self.room, &self.model, actor, n)? {
                    counts.shown += 1;
                    visible.insert((actor.clone(), n));
                }
            }
        }
        // Nothing but an opening opens the past: but for its own words, nobody sees what it could not see before.
        let opens = |event: &Event| {
            matches!(
                event,
                Event::MessagesReleased { .. }
                    | Event::RelayApproved { .. }
                    | Event::MessagesForwarded { .. }
                    | Event::LegallyDisclosed { .. }
            )
        };
        if !self.room.entries[known..].iter().any(|entry| opens(&entry.event)) {
            for (actor, n) in visible.iter().filter(|(_, n)| *n < known) {
                let own = matches!(&self.room.entries[*n].event, Event::MessagePosted { organisation, .. } if *organisation == actor.organisation);
                if !own && !self.before.contains(&(actor.clone(), *n)) {
                    return Err(format!("{actor} sees entry {n} that it did not see before"));
                }
            }
        }
        counts.lost += self.before.difference(&visible).count() as u64;
        self.before = visible;
        Ok(())
    }

    fn lists(&self) -> Result<(), String> {
        for actor in &self.readers {
            let Ok(reader) = Reader::new(&self.room.state, actor) else { continue };
            let list: Vec<_> = roster(&self.room.state, reader)
                .into_iter()
                .map(|participant| participant.into_inner())
                .map(|participant| (participant.id, participant.organisation, participant.role))
                .collect();
            if list != self.model.roster(&actor.organisation) {
                return Err(format!("{actor} is shown {list:?}"));
            }
        }
        Ok(())
    }

    fn mailboxes(&mut self, counts: &mut Counts) -> Result<(), String> {
        for _ in 0..self.rng.below(6) {
            let actor = self.rng.pick(&self.readers);
            let max = 1 + self.rng.below(12);
            if let Ok(range) = self.room.deliver(&actor, max) {
                let expected = self.naive.entry(actor.clone()).or_default();
                let first = expected.items.len() as u64 + 1;
                self.model.deliver(expected, &actor, self.room.now, max);
                let given = self.room.last_index(&actor) + 1 - first;
                if range.as_ref().is_some_and(|range| range.first != Index(first)) || range.is_some() != (given > 0) {
                    return Err(format!("{actor}: after {} deliveries, {range:?}", first - 1));
                }
                self.records.extend(range.map(|range| (self.room.entries.len(), range)));
                counts.deliveries += given;
            }
        }
        for (actor, expected) in &self.naive {
            compare_mailbox(&self.room, &self.model, actor, expected)?;
        }
        Ok(())
    }

    /// Some receipts, and the explanations that go with them.
    fn receipts(&mut self, counts: &mut Counts) -> Result<(), String> {
        let messages: Vec<_> = self.room.messages().collect();
        for _ in 0..4 {
            let (actor, Some(message)) = (self.rng.pick(&self.readers), self.rng.pick_any(&messages)) else { break };
            let Ok(reader) = Reader::new(&self.room.state, &actor) else { continue };
            let (state, now) = (&self.room.state, self.room.now);
            let core = receipts(state, &self.room.mailboxes, reader, message, now);
            let naive = self.model.receipts(&self.naive, &actor, message, now);
            let (core, naive) = match (core, naive) {
                (Ok(core), Some(naive)) => (core.into_inner(), naive),
                (Err(Refusal::MessageNotVisible), None) => continue,
                (core, naive) => return Err(format!("{actor}, receipts of {message}: {core:?}, the model {naive:?}")),
            };
            let here: Vec<_> = core.receipts.iter().filter(|receipt| receipt.reason.is_some()).collect();
            let differ =
                |why: &str| Err(format!("{actor}, receipts of {message}, {why}: {core:?}, the model {naive:?}"));
            if here.len() != naive.len() {
                return differ("others");
            }
            for (core, naive) in here.into_iter().zip(&naive) {
                counts.receipts += 1;
                let ground = core.delivered.map(|(_, ground)| format!("{ground:?}"));
                let opened = ["Released", "Approved", "Forwarded", "LegalDuty"];
                let ground = ground.map(|ground| match opened.iter().find(|opened| **opened == ground) {
                    Some(opened) => *opened,
                    None => "rule",
                });
                let same = core.participant.id == naive.participant
                    && core.delivered.map(|(at, _)| at) == naive.first
                    && ground.is_none_or(|ground| naive.grounds.contains(ground))
                    && core.acknowledged_at == naive.acknowledged_at
                    && naive.receives.is_none_or(|receives| receives == core.receives);
                if !same {
                    return Err(format!("{actor}, receipts of {message}: {core:?}, the model {naive:?}"));
                }
                let name = Name::Participant(core.participant.id);
                let explained = explain(state, reader, message, &name, now).map(|explained| explained.into_inner());
                let said = explained.map(|explained| (explained.receives, Some(explained.reason)));
                if said != Ok((core.receives, core.reason)) {
                    return Err(format!("{actor}: {message} is explained by {said:?}, its receipt says {core:?}"));
                }
            }
        }
        Ok(())
    }

    /// The server is killed and starts again: the log is all there is.
    fn crash(&mut self) -> Result<(), String> {
        let (mut state, mut mailboxes) = (RoomState::default(), Mailboxes::default());
        let mut records = self.records.iter().peekable();
        for (n, entry) in (1..).zip(&self.room.entries) {
            fold(&mut state, entry);
            mailboxes.follow(&state, entry);
            while let Some((_, range)) = records.next_if(|(after, _)| *after == n) {
                mailboxes.restore(range).map_err(|error| format!("{error}: {range:?}"))?;
            }
        }
        if state != self.room.state {
            return Err("another state after a restart".to_owned());
        }
        let room = RoomId::from_bytes([7; 16]);
        let kept = snapshot::of(room, &state, &mailboxes, &Tip::start(room), &[]).ok_or("no snapshot can be made")?;
        let loaded = snapshot::read(room, &kept).ok_or("its own snapshot can't be read")?;
        if loaded.state != state || loaded.mailboxes != mailboxes {
            return Err("another state in a snapshot".to_owned());
        }
        for actor in &self.readers {
            for index in 0..=self.room.last_index(actor) + 1 {
                let (after, before) = (mailboxes.get(actor), self.room.mailboxes.get(actor));
                let item = |mailbox: Option<&samverkan::room::mailbox::Mailbox>| {
                    mailbox.and_then(|mailbox| mailbox.item(Index(index)).map(|item| format!("{item:?}")))
                };
                if item(after) != item(before) {
                    return Err(format!("{actor} has {:?} at {index} after a restart", item(after)));
                }
            }
        }
        self.room.mailboxes = mailboxes;
        self.room.state = state;
        Ok(())
    }
}

pub(crate) fn compare_mailbox(
    room: &PureRoom,
    model: &Model,
    actor: &Actor,
    expected: &NaiveMailbox,
) -> Result<(), String> {
    let last = room.last_index(actor);
    if last != expected.items.len() as u64 {
        let core: Vec<_> = (1..=last).map(|i| room.mailboxes.get(actor).and_then(|m| m.item(Index(i)))).collect();
        return Err(format!("{actor} has {core:?}, the model {:?}", expected.items));
    }
    let Some(mailbox) = room.mailboxes.get(actor) else { return Ok(()) };
    if mailbox.item(Index(0)).is_some() || mailbox.item(Index(last + 1)).is_some() {
        return Err(format!("{actor} has something at an index that was not given"));
    }
    let present = Reader::new(&room.state, actor).is_ok();
    for (position, item) in expected.items.iter().enumerate() {
        let index = Index(position as u64 + 1);
        let alive = model.is_alive(expected, position, actor, room.now);
        let same = match (mailbox.item(index), item) {
            (Some(Item::Entry(seq)), NaiveItem::Entry(n) | NaiveItem::Opened { place: n, .. }) => {
                let found = room.find_at(actor, index);
                let shown = matches!(found, Ok(Some(crate::pure::Found::Shown(_))));
                seq.0 == *n as u64 && (!present || shown == alive)
            }
            (Some(Item::Withdrawn), NaiveItem::Entry(_) | NaiveItem::Opened { .. }) => !alive,
            (Some(Item::Notice(notice)), NaiveItem::Notice(indexes, recall)) => {
                let listed: Vec<u64> = notice.ranges.iter().flat_map(|(first, last)| first.0..=last.0).collect();
                let apart = notice.ranges.windows(2).all(|pair| pair[0].1.0 + 1 < pair[1].0.0);
                listed == *indexes && apart && notice.recall == *recall
            }
            (None | Some(Item::Entry(_) | Item::Withdrawn), NaiveItem::Notice(..)) => false,
            (None | Some(Item::Notice(_)), NaiveItem::Entry(_) | NaiveItem::Opened { .. }) => false,
        };
        if !same {
            return Err(format!(
                "{actor} has {:?} at {index:?}, the model {item:?}, alive: {alive}",
                mailbox.item(index)
            ));
        }
    }
    Ok(())
}
