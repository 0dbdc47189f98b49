//! Who may see what: the core against the naive model, over all combinations and over random histories; and the laws that hold
//! whatever happens.
//!
//! `SAMVERKAN_DECISIONS` sets how many decisions the random histories compare (1,000,000 unless told), `SAMVERKAN_SEED` where they begin.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::sync::Arc;
use std::thread;

use samverkan::room::consent::{ConsentChange, Name, Scope};
use samverkan::room::disclose::{Disclosure, Reader, What, disclose, invitations, is_visible, preview, room, roster};
use samverkan::room::event::{Command, Draft, Event, IntakeReport, Message};
use samverkan::room::ids::{Actor, Index, OrganisationId, ParticipantId, Seq, Timestamp};
use samverkan::room::mailbox::{Item, Mailboxes, Range};
use samverkan::room::refusal::Refusal;
use samverkan::room::state::{RoomState, fold};
use samverkan::room::words::{Answer, Attribution, Audience, Material, Role, Sharing, Tlp};

use crate::histories::{Cast, MINUTE, Rng, invitation, message, organisation, participant, service, user};
use crate::model::{Item as NaiveItem, Model, NaiveMailbox};
use crate::pure::PureRoom;

fn from_env(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn is_shown(room: &PureRoom, actor: &Actor, n: usize) -> bool {
    let Ok(reader) = Reader::new(&room.state, actor) else { return false };
    is_visible(&room.state, reader.slot(), actor, Seq(n as u64), room.now)
}

/// Compares one decision, and what is shown if it is yes. An error says how they differ.
fn compare(room: &PureRoom, model: &Model, actor: &Actor, n: usize) -> Result<bool, String> {
    let (core, naive) = (is_shown(room, actor, n), model.sees(actor, n, room.now));
    let entry = &room.entries[n];
    if core != naive {
        return Err(format!("{actor}, entry {n} {:?}: the core says {core}, the model {naive}", entry.event));
    }
    let Ok(reader) = Reader::new(&room.state, actor) else { return Ok(false) };
    match disclose(&room.state, reader, entry, room.now) {
        Disclosure::Withhold if core => {
            return Err(format!("{actor}, entry {n}: visible, but there is nothing to show"));
        }
        Disclosure::Withhold => {}
        Disclosure::Show(_) if !core => return Err(format!("{actor}, entry {n}: shown, but not visible")),
        Disclosure::Show(shown) => {
            if let What::Message(shown) = &shown.get().what {
                let looks = model.looks(actor, n, room.now).ok_or("a message in the core only")?;
                let inside = shown.actor.is_some();
                if (&shown.author.organisation, inside, shown.in_reply_to)
                    != (&looks.author, looks.inside, looks.in_reply_to)
                    || !inside && (shown.coordinator_only || !shown.recipients.is_empty())
                {
                    return Err(format!("{actor}, entry {n}: shown as {shown:?}, the model says {looks:?}"));
                }
            }
        }
    }
    Ok(core)
}

// ---------------------------------------------------------------------------------------------------------------------
// All combinations.

/// One room per combination: the source answers, then the reader comes, or the other way round; then every kind of message.
#[test]
fn every_combination_of_role_consent_attribution_and_tlp_is_decided_like_the_model() {
    use Attribution::{Hidden, Named, Pseudonym};
    let named_answers = [None, Some(Sharing::No), Some(Sharing::Relay), Some(Sharing::Direct)];
    let (mut decisions, mut shown) = (0u64, 0u64);
    for role in [Role::AffectedOrganisation, Role::ThirdParty, Role::Authority] {
        for sharing in [Sharing::NotAnswered, Sharing::No, Sharing::Relay, Sharing::Direct] {
            for named in named_answers {
                for (source, reader) in
                    [Hidden, Pseudonym, Named].map(|s| [Hidden, Pseudonym, Named].map(|r| (s, r))).concat()
                {
                    for newcomers in [Answer::NotAnswered, Answer::No, Answer::Yes] {
                        for reader_first in [true, false] {
                            let room = combination(role, sharing, named, source, reader, newcomers, reader_first);
                            let mut model = Model::default();
                            room.entries.iter().for_each(|entry| model.add(entry));
                            for actor in combination_readers() {
                                for n in 0..room.entries.len() {
                                    decisions += 1;
                                    shown += u64::from(compare(&room, &model, &actor, n).unwrap_or_else(|why| {
                                        panic!(
                                            "{role:?}, class {sharing:?}, named {named:?}, source {source:?}, reader {reader:?}, \
                                             newcomers {newcomers:?}, reader first {reader_first}: {why}"
                                        )
                                    }));
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    println!("{decisions} decisions over all combinations, {shown} shown, none differs");
}

fn combination_readers() -> Vec<Actor> {
    let o = organisation;
    vec![
        user(&o("cert-se"), "anna"),
        user(&o("cert-se"), "olle"),
        user(&o("source"), "eva"),
        user(&o("source"), "ulf"),
        user(&o("reader"), "eva"),
        user(&o("reader"), "ulf"),
        user(&o("bystander"), "eva"),
    ]
}

fn combination(
    role: Role,
    sharing: Sharing,
    named: Option<Sharing>,
    source: Attribution,
    reader: Attribution,
    newcomers: Answer,
    reader_first: bool,
) -> PureRoom {
    let mut room = PureRoom::new(Timestamp(MINUTE));
    let o = organisation;
    let anna = user(&o("cert-se"), "anna");
    let eva = user(&o("source"), "eva");
    let admit = |room: &mut PureRoom, who: &str, role, attribution| {
        let event = Event::ParticipantAdmitted {
            organisation: o(who),
            participant: participant(&o(who)),
            role,
            attribution,
            invitation: None,
        };
        room.append(Some(&anna), event);
    };
    let opened = Event::RoomOpened { coordinator: o("cert-se"), title: "t".into(), terms: "t".into() };
    room.append(Some(&anna), opened);
    admit(&mut room, "cert-se", Role::Coordinator, Attribution::Named);
    admit(&mut room, "source", Role::AffectedOrganisation, source);
    admit(&mut room, "bystander", Role::ThirdParty, Attribution::Pseudonym);
    if reader_first {
        admit(&mut room, "reader", role, reader);
    }
    let cells = Audience::ALL.map(|audience| (Material::Logs, audience, sharing)).to_vec();
    let named = named.map(|sharing| (Name::Participant(participant(&o("reader"))), Material::Logs, sharing));
    let newcomers = Audience::ALL.map(|audience| (audience, newcomers)).to_vec();
    let change = ConsentChange { cells, named: named.into_iter().collect(), newcomers, ..ConsentChange::default() };
    room.append(Some(&eva), Event::ConsentGiven { organisation: o("source"), change: Arc::new(change) });
    if !reader_first {
        admit(&mut room, "reader", role, reader);
    }
    for poster in [&eva, &anna] {
        for material in [Material::Logs, Material::Data] {
            for tlp in [Tlp::Clear, Tlp::Green, Tlp::Amber, Tlp::AmberStrict, Tlp::Red] {
                for narrowed in 0..4 {
                    let n = room.entries.len();
                    let mut posted = Message {
                        id: message(&n.to_string()),
                        material,
                        tlp,
                        text: "text".into(),
                        recipients: Vec::new(),
                        red_actors: Vec::new(),
                        coordinator_only: false,
                        in_reply_to: (narrowed == 3).then(|| message(&(n - 2).to_string())),
                        occurred_at: None,
                    };
                    match (tlp, narrowed) {
                        (Tlp::Red, 0) => posted.red_actors = vec![user(&o("reader"), "eva")],
                        (Tlp::Red, 1) => {
                            posted.red_actors = vec![user(&o("bystander"), "eva"), user(&o("source"), "ulf")]
                        }
                        (Tlp::Red, _) => {
                            posted.red_actors = vec![user(&o("cert-se"), "olle"), user(&o("reader"), "ulf")]
                        }
                        (_, 1) => posted.recipients = vec![o("reader")],
                        (_, 2) => posted.recipients = vec![o("bystander")],
                        (_, 3) => posted.coordinator_only = true,
                        (_, _) => {}
                    }
                    let organisation = poster.organisation.clone();
                    room.append(Some(poster), Event::MessagePosted { organisation, message: Arc::new(posted) });
                }
            }
        }
    }
    room
}

// ---------------------------------------------------------------------------------------------------------------------
// Random histories.

#[derive(Default, Debug)]
struct Counts {
    decisions: u64,
    shown: u64,
    lost: u64,
    refused: u64,
    entries: u64,
    notices: u64,
    deliveries: u64,
}

/// R5: on a million occasions and more, who sees what is what the rule says, read literally.
#[test]
fn r5_random_histories_disclose_what_the_naive_rule_discloses() {
    let wanted = from_env("SAMVERKAN_DECISIONS", 1_000_000);
    let first = from_env("SAMVERKAN_SEED", 1);
    let workers = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let histories: Vec<_> = (0..workers)
        .map(|worker| {
            thread::spawn(move || {
                let (mut counts, mut histories) = (Counts::default(), 0);
                while counts.decisions < wanted.div_ceil(workers) {
                    one_history(first + worker + workers * histories, &mut counts);
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
        sum.decisions += counts.decisions;
        sum.shown += counts.shown;
        sum.lost += counts.lost;
        sum.refused += counts.refused;
        sum.entries += counts.entries;
        sum.notices += counts.notices;
        sum.deliveries += counts.deliveries;
    }
    println!("{n} histories, none differs: {sum:?}");
    assert!(sum.decisions >= wanted && sum.notices > 50 && sum.shown * 20 > sum.decisions, "{sum:?}");
}

fn one_history(seed: u64, counts: &mut Counts) {
    let mut rng = Rng(seed);
    let cast = Cast::default();
    let readers = cast.readers();
    let mut room = PureRoom::new(Timestamp(MINUTE));
    let mut model = Model::default();
    let mut naive: BTreeMap<Actor, NaiveMailbox> = BTreeMap::new();
    let mut before: BTreeSet<(Actor, usize)> = BTreeSet::new();
    let complain = |room: &PureRoom, why: String| -> ! {
        room.entries.iter().for_each(|entry| println!("{} {:?} {:?}", entry.seq.0, entry.author, entry.event));
        panic!("SAMVERKAN_SEED={seed}, after {} entries: {why}", room.entries.len())
    };
    for i in 0..70 {
        let step = if i == 0 { cast.open(&mut rng) } else { cast.step(&mut rng, &room, &format!("{i}")) };
        room.advance_clock(step.after);
        counts.refused += u64::from(room.perform(&step.caller, step.command).is_err());
        if room.entries.is_empty() {
            continue;
        }
        let known = model.len();
        for entry in &room.entries[known..] {
            model.add(entry);
        }
        // Every decision.
        let mut visible = BTreeSet::new();
        for actor in &readers {
            for n in 0..room.entries.len() {
                counts.decisions += 1;
                match compare(&room, &model, actor, n) {
                    Ok(false) => {}
                    Ok(true) => {
                        counts.shown += 1;
                        visible.insert((actor.clone(), n));
                    }
                    Err(why) => complain(&room, why),
                }
            }
        }
        // Nothing opens the past: but for its own words, nobody sees what it could not see before.
        for (actor, n) in visible.iter().filter(|(_, n)| *n < known) {
            let own = matches!(&room.entries[*n].event, Event::MessagePosted { organisation, .. } if *organisation == actor.organisation);
            if !own && !before.contains(&(actor.clone(), *n)) {
                complain(&room, format!("{actor} sees entry {n} that it did not see before"));
            }
        }
        counts.lost += before.difference(&visible).count() as u64;
        before = visible;
        // Lists.
        for actor in &readers {
            let Ok(reader) = Reader::new(&room.state, actor) else { continue };
            let list: Vec<_> = roster(&room.state, reader)
                .into_iter()
                .map(|participant| participant.into_inner())
                .map(|participant| (participant.id, participant.organisation, participant.role))
                .collect();
            if list != model.roster(&actor.organisation) {
                complain(&room, format!("{actor} is shown {list:?}"));
            }
        }
        // Mailboxes.
        for _ in 0..rng.below(6) {
            let actor = rng.pick(&readers);
            let max = 1 + rng.below(12);
            if let Ok(range) = room.deliver(&actor, max) {
                let expected = naive.entry(actor.clone()).or_default();
                let first = expected.items.len() as u64 + 1;
                model.deliver(expected, &actor, room.now, max);
                let given = room.last_index(&actor) + 1 - first;
                if range.as_ref().is_some_and(|range| range.first != Index(first)) || range.is_some() != (given > 0) {
                    complain(&room, format!("{actor}: after {} deliveries, {range:?}", first - 1));
                }
                counts.deliveries += given;
            }
        }
        for (actor, expected) in &naive {
            if let Err(why) = compare_mailbox(&room, actor, expected) {
                complain(&room, why);
            }
        }
    }
    counts.entries += room.entries.len() as u64;
    for mailbox in naive.values() {
        counts.notices += mailbox.items.iter().filter(|item| matches!(item, NaiveItem::Notice(_))).count() as u64;
    }
}

fn compare_mailbox(room: &PureRoom, actor: &Actor, expected: &NaiveMailbox) -> Result<(), String> {
    let last = room.last_index(actor);
    if last != expected.items.len() as u64 {
        return Err(format!("{actor} has {last} deliveries, the model {}: {:?}", expected.items.len(), expected.items));
    }
    let Some(mailbox) = room.mailboxes.get(actor) else { return Ok(()) };
    if mailbox.item(Index(0)).is_some() || mailbox.item(Index(last + 1)).is_some() {
        return Err(format!("{actor} has something at an index that was not given"));
    }
    for (index, item) in (1..).zip(&expected.items) {
        let same = match (mailbox.item(Index(index)), item) {
            (Some(Item::Entry(seq)), NaiveItem::Entry(n)) => seq.0 == *n as u64,
            (Some(Item::Notice(notice)), NaiveItem::Notice(indexes)) => {
                let listed: Vec<u64> = notice.ranges.iter().flat_map(|(first, last)| first.0..=last.0).collect();
                let apart = notice.ranges.windows(2).all(|pair| pair[0].1.0 + 1 < pair[1].0.0);
                listed == *indexes && apart
            }
            (None, _) | (Some(Item::Entry(_)), NaiveItem::Notice(_)) | (Some(Item::Notice(_)), NaiveItem::Entry(_)) => {
                false
            }
        };
        if !same {
            return Err(format!("{actor} has {:?} at {index}, the model {item:?}", mailbox.item(Index(index))));
        }
    }
    Ok(())
}

// ---------------------------------------------------------------------------------------------------------------------
// Laws.

fn random_room(seed: u64, steps: usize) -> (PureRoom, Rng, Cast) {
    let mut rng = Rng(seed);
    let cast = Cast::default();
    let mut room = PureRoom::new(Timestamp(MINUTE));
    for i in 0..steps {
        let step = if i == 0 { cast.open(&mut rng) } else { cast.step(&mut rng, &room, &format!("{i}")) };
        room.advance_clock(step.after);
        // Refusals are part of the game.
        drop(room.perform(&step.caller, step.command));
    }
    (room, rng, cast)
}

/// R3: same entries, same state, wherever the log is cut, and however it is fed.
#[test]
fn r3_state_is_a_pure_fold_of_the_log_from_any_snapshot() {
    for seed in 0..60 {
        let (room, mut rng, _) = random_room(seed, 60);
        let cut = rng.below(room.entries.len() + 1);
        let mut prefix = RoomState::default();
        room.entries[..cut].iter().for_each(|entry| fold(&mut prefix, entry));
        let snapshot = prefix.clone();
        let mut twice = snapshot;
        room.entries[cut..].iter().for_each(|entry| fold(&mut twice, entry));
        assert_eq!(twice, room.state, "seed {seed}, cut at {cut}");
    }
}

/// R5: taking consent back, in any scope, by anybody, or leaving, shows nobody anything more; neither of what was posted nor of
/// what is posted afterwards.
#[test]
fn r5_removing_consent_never_adds_a_reader() {
    let mut narrowed = 0;
    for seed in 0..150 {
        let (room, mut rng, cast) = random_room(1000 + seed, 50);
        for _ in 0..6 {
            let source = rng.pick(&cast.others);
            let other = rng.pick(&cast.others);
            let command = match rng.below(6) {
                0 => Command::WithdrawConsent(Scope::All),
                1 => Command::WithdrawConsent(Scope::Material(rng.pick(&Material::ALL))),
                2 => Command::WithdrawConsent(Scope::Audience(rng.pick(&Audience::ALL))),
                3 => Command::Leave,
                _ => Command::WithdrawConsent(Scope::Named(cast.name(&mut rng, &other))),
            };
            let mut after = room.clone();
            if after.perform(&user(&source, "eva"), command.clone()).is_err() {
                continue;
            }
            narrowed += 1;
            for actor in cast.readers() {
                for n in 0..room.entries.len() {
                    assert!(
                        is_shown(&room, &actor, n) || !is_shown(&after, &actor, n),
                        "seed {seed}: {source} {command:?} opened entry {n} to {actor}"
                    );
                }
            }
            // The same message before and after.
            for other_source in &cast.others {
                let material = rng.pick(&Material::ALL);
                let (mut room, mut after) = (room.clone(), after.clone());
                let draft = Arc::new(plain(material));
                let post = Command::Post { message: message("probe"), draft };
                let poster = user(other_source, "eva");
                let (Ok(posted), Ok(posted_after)) =
                    (room.perform(&poster, post.clone()), after.perform(&poster, post))
                else {
                    continue;
                };
                for actor in cast.readers() {
                    let n = |posted: &[Arc<samverkan::room::event::Entry>]| posted[0].seq.0 as usize;
                    assert!(
                        is_shown(&room, &actor, n(&posted)) || !is_shown(&after, &actor, n(&posted_after)),
                        "seed {seed}: after {source} {command:?}, {actor} gets {material:?} of {other_source}"
                    );
                }
            }
        }
    }
    println!("{narrowed} withdrawals and leavings opened nothing");
    assert!(narrowed > 300);
}

/// A program may narrow and withdraw. Whatever it is allowed to do, nobody gets more of its organisation's words afterwards.
#[test]
fn r5_what_a_program_may_do_never_adds_a_reader() {
    let (mut granted, mut refused) = (0, 0);
    for seed in 0..200 {
        let (room, mut rng, cast) = random_room(5000 + seed, 40);
        for source in &cast.others {
            let change = cast.change(&mut rng, room.now.0);
            let command = Command::GiveConsent { change: Arc::new(change.clone()), expected_version: None };
            let mut after = room.clone();
            match after.perform(&service(source), command) {
                Ok(_) => granted += 1,
                Err(Refusal::PersonRequired) => refused += 1,
                Err(_) => continue,
            }
            for material in Material::ALL {
                let (mut room, mut after) = (room.clone(), after.clone());
                let post = Command::Post { message: message("probe"), draft: Arc::new(plain(material)) };
                let poster = user(source, "eva");
                let (Ok(posted), Ok(posted_after)) =
                    (room.perform(&poster, post.clone()), after.perform(&poster, post))
                else {
                    continue;
                };
                for actor in cast.readers() {
                    assert!(
                        is_shown(&room, &actor, posted[0].seq.0 as usize)
                            || !is_shown(&after, &actor, posted_after[0].seq.0 as usize),
                        "seed {seed}: a program of {source} opened {material:?} to {actor} with {change:?}"
                    );
                }
            }
        }
    }
    println!("{granted} changes by programs were granted, {refused} refused");
    assert!(granted > 20 && refused > 20);
}

fn plain(material: Material) -> Draft {
    Draft {
        material,
        tlp: Tlp::Amber,
        text: "probe".into(),
        recipients: Vec::new(),
        red_actors: Vec::new(),
        coordinator_only: false,
        in_reply_to: None,
        occurred_at: None,
    }
}

/// A preview says beforehand who would see the message.
#[test]
fn a_preview_is_what_happens_when_the_message_is_posted() {
    let mut compared = 0;
    for seed in 0..150 {
        let (room, mut rng, cast) = random_room(9000 + seed, 40);
        for source in &cast.others {
            let author = user(source, "eva");
            let Ok(reader) = Reader::new(&room.state, &author) else { continue };
            let draft = cast.draft(&mut rng, &room, "probe");
            let previewed = preview(&room.state, reader, &draft, room.now);
            let mut after = room.clone();
            let posted =
                after.perform(&author, Command::Post { message: message("probe"), draft: Arc::new(draft.clone()) });
            match (previewed, posted) {
                (Err(preview), Err(post)) => assert_eq!(preview, post, "seed {seed}"),
                (Ok(list), Ok(posted)) => {
                    for previewed in list.into_iter().map(|previewed| previewed.into_inner()) {
                        let (_, participant) = room
                            .state
                            .participants()
                            .find(|(_, participant)| participant.id == previewed.participant.id)
                            .expect("previewed, so in the room");
                        let persons = if draft.tlp == Tlp::Red {
                            draft
                                .red_actors
                                .iter()
                                .filter(|a| a.organisation == participant.organisation)
                                .cloned()
                                .collect()
                        } else {
                            vec![user(&participant.organisation, "eva")]
                        };
                        let n = posted[0].seq.0 as usize;
                        let own = participant.organisation == *source;
                        let sees = own || persons.iter().any(|person| is_shown(&after, person, n));
                        assert_eq!(
                            previewed.receives, sees,
                            "seed {seed}: {source} previewed {previewed:?} for {draft:?}"
                        );
                        compared += 1;
                    }
                }
                (previewed, posted) => panic!("seed {seed}: preview {previewed:?}, post {posted:?}"),
            }
        }
    }
    assert!(compared > 500, "{compared}");
}

/// R9, as far as the core holds it: delivery records put a mailbox back as it was, and it goes on as it would have.
#[test]
fn mailboxes_are_rebuilt_from_their_delivery_records() {
    for seed in 0..60 {
        let mut rng = Rng(20_000 + seed);
        let cast = Cast::default();
        let readers = cast.readers();
        let mut room = PureRoom::new(Timestamp(MINUTE));
        // What a log holds, in its order: entries, and records between them.
        let mut records: Vec<(usize, Range)> = Vec::new();
        for i in 0..60 {
            let step = if i == 0 { cast.open(&mut rng) } else { cast.step(&mut rng, &room, &format!("{i}")) };
            room.advance_clock(step.after);
            drop(room.perform(&step.caller, step.command));
            let (actor, max) = (rng.pick(&readers), 1 + rng.below(6));
            if let Ok(Some(range)) = room.deliver(&actor, max) {
                records.push((room.entries.len(), range));
            }
        }
        let (mut state, mut restored) = (RoomState::default(), Mailboxes::default());
        let mut records = records.into_iter().peekable();
        for (n, entry) in (1..).zip(&room.entries) {
            fold(&mut state, entry);
            restored.follow(&state, entry);
            while let Some((_, range)) = records.next_if(|(after, _)| *after == n) {
                restored.restore(&range).expect("records come back in the order in which they were made");
            }
        }
        let mut again = PureRoom { mailboxes: restored, ..room.clone() };
        for actor in &readers {
            for i in 0..=room.last_index(actor) + 1 {
                let item = |room: &PureRoom| {
                    room.mailboxes.get(actor).and_then(|m| m.item(Index(i)).map(|item| format!("{item:?}")))
                };
                assert_eq!(item(&again), item(&room), "seed {seed}: {actor} at {i}");
            }
            assert_eq!(again.last_index(actor), room.last_index(actor));
            assert_eq!(again.deliver(actor, 1000), room.deliver(actor, 1000), "seed {seed}: what {actor} gets next");
        }
    }
}

/// R3: no entry makes the fold, or anything that reads its state, fail; and what is counted as visible can be shown.
#[test]
fn r3_the_fold_takes_any_entry() {
    for seed in 0..200 {
        let mut rng = Rng(30_000 + seed);
        let cast = Cast::default();
        let readers = cast.readers();
        let mut room = PureRoom::new(Timestamp(MINUTE));
        for i in 0..40 {
            room.now = Timestamp(room.now.0 + rng.below(3) as i64 * MINUTE);
            let author = rng.chance(80).then(|| rng.pick(&readers));
            let event = junk(&mut rng, &cast, &room, i);
            room.append(author.as_ref(), event);
            for actor in &readers {
                for n in 0..room.entries.len() {
                    let Ok(reader) = Reader::new(&room.state, actor) else { continue };
                    let shown =
                        matches!(disclose(&room.state, reader, &room.entries[n], room.now), Disclosure::Show(_));
                    assert_eq!(
                        shown,
                        is_shown(&room, actor, n),
                        "seed {seed}: {actor}, entry {n}, {:?}",
                        room.entries[n].event
                    );
                }
                drop(invitations(&room.state, &actor.organisation));
                if let Ok(reader) = Reader::new(&room.state, actor) {
                    drop((roster(&room.state, reader), samverkan::room::disclose::room(&room.state, reader)));
                    drop(preview(&room.state, reader, &plain(Material::Logs), room.now));
                    room.deliver(actor, 3).expect("a reader reads");
                }
            }
        }
    }
}

fn junk(rng: &mut Rng, cast: &Cast, room: &PureRoom, i: usize) -> Event {
    let organisation =
        rng.pick(&[&cast.others[..], &cast.strangers[..], std::slice::from_ref(&cast.coordinator)].concat());
    let roles = [Role::Coordinator, Role::AffectedOrganisation, Role::ThirdParty, Role::Authority];
    let attributions = [Attribution::Hidden, Attribution::Pseudonym, Attribution::Named];
    match rng.below(15) {
        0 => Event::RoomOpened { coordinator: organisation, title: "t".into(), terms: "t".into() },
        1..=3 => Event::ParticipantAdmitted {
            participant: participant(&organisation),
            organisation,
            role: rng.pick(&roles),
            attribution: rng.pick(&attributions),
            invitation: rng.chance(50).then(|| invitation("x")),
        },
        4 => Event::AttributionRaised { organisation, attribution: rng.pick(&attributions[1..]) },
        5 => Event::OrganisationInvited {
            invitation: invitation("x"),
            participant: participant(&organisation),
            organisation,
            role: rng.pick(&roles),
        },
        6 => Event::InvitationDeclined { invitation: invitation("x"), organisation },
        7 => Event::ParticipantLeft { organisation },
        8 => Event::ParticipantRemoved { organisation, reason: "r".into() },
        9 => Event::RoleChanged { organisation, role: rng.pick(&roles) },
        10 => Event::ConsentGiven { organisation, change: Arc::new(cast.change(rng, room.now.0)) },
        11 => Event::ConsentWithdrawn {
            organisation: organisation.clone(),
            scope: Scope::Named(Name::Organisation(organisation)),
        },
        12 => Event::ConsentExpired { organisation },
        13 => Event::ReportFiled { organisation, report: Arc::new(IntakeReport::default()) },
        _ => Event::MessagePosted {
            message: Arc::new(Message {
                id: message(&i.to_string()),
                material: rng.pick(&Material::ALL),
                tlp: rng.pick(&[Tlp::Amber, Tlp::Red]),
                text: "text".into(),
                recipients: if rng.chance(30) { cast.strangers.clone() } else { Vec::new() },
                red_actors: vec![rng.pick(&cast.readers())],
                coordinator_only: rng.chance(20),
                in_reply_to: Some(message(&rng.below(40).to_string())),
                occurred_at: None,
            }),
            organisation,
        },
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Single cases, each found by the histories above or by reading.

struct Case(PureRoom);

impl Case {
    fn new(who: &[(&str, Role, Attribution)]) -> Self {
        let mut room = PureRoom::new(Timestamp(MINUTE));
        let open = samverkan::room::event::OpenRoom {
            coordinator: organisation("cert-se"),
            coordinator_participant: participant(&organisation("cert-se")),
            title: "t".into(),
            terms: "t".into(),
            report: None,
        };
        room.perform(&Self::anna(), Command::OpenRoom(open)).expect("the coordinator may open a room");
        let mut case = Self(room);
        who.iter().for_each(|(who, role, attribution)| case.join(who, *role, *attribution));
        case
    }

    fn anna() -> Actor {
        user(&organisation("cert-se"), "anna")
    }

    fn eva(of: &str) -> Actor {
        user(&organisation(of), "eva")
    }

    #[track_caller]
    fn ok(&mut self, by: &Actor, command: Command) -> usize {
        self.0.perform(by, command).expect("granted")[0].seq.0 as usize
    }

    #[track_caller]
    fn join(&mut self, who: &str, role: Role, attribution: Attribution) {
        let organisation = organisation(who);
        let invitation = invitation(&format!("{who}/{}", self.0.entries.len()));
        let participant = participant(&organisation);
        self.ok(&Self::anna(), Command::Invite { invitation, organisation, role, participant });
        let consent = Arc::new(ConsentChange { attribution: Some(attribution), ..ConsentChange::default() });
        self.ok(&Self::eva(who), Command::AcceptInvitation { invitation, consent });
    }

    #[track_caller]
    fn give(&mut self, who: &str, change: ConsentChange) {
        self.ok(&Self::eva(who), Command::GiveConsent { change: Arc::new(change), expected_version: None });
    }

    fn post(&mut self, who: &str) -> usize {
        let label = self.0.entries.len().to_string();
        self.ok(&Self::eva(who), Command::Post { message: message(&label), draft: Arc::new(plain(Material::Logs)) })
    }

    fn sees(&self, who: &str, n: usize) -> bool {
        is_shown(&self.0, &Self::eva(who), n)
    }
}

const AFFECTED: Role = Role::AffectedOrganisation;

fn by_name(name: &str, sharing: Sharing) -> ConsentChange {
    let name = Name::Organisation(organisation(name));
    ConsentChange { named: vec![(name, Material::Logs, sharing)], ..ConsentChange::default() }
}

fn by_id(name: &str, sharing: Sharing) -> ConsentChange {
    let name = Name::Participant(participant(&organisation(name)));
    ConsentChange { named: vec![(name, Material::Logs, sharing)], ..ConsentChange::default() }
}

fn class(sharing: Sharing) -> ConsentChange {
    let cell = (Material::Logs, Audience::OtherAffectedOrganisations, sharing);
    ConsentChange { cells: vec![cell], ..ConsentChange::default() }
}

#[test]
fn a_name_stays_with_its_organisation_while_that_is_away() {
    for withdraw in [true, false] {
        let mut case =
            Case::new(&[("region-a", AFFECTED, Attribution::Named), ("region-b", AFFECTED, Attribution::Named)]);
        case.give("region-a", by_name("region-b", Sharing::Direct));
        case.ok(&Case::eva("region-b"), Command::Leave);
        if withdraw {
            let name = Name::Organisation(organisation("region-b"));
            case.ok(&Case::eva("region-a"), Command::WithdrawConsent(Scope::Named(name)));
        } else {
            case.give("region-a", by_name("region-b", Sharing::No));
        }
        case.join("region-b", AFFECTED, Attribution::Named);
        let n = case.post("region-a");
        assert!(!case.sees("region-b", n), "region-a has said no to region-b");
    }
}

#[test]
fn a_no_to_an_unknown_name_holds_when_a_pseudonym_turns_out_to_have_that_name() {
    let mut case =
        Case::new(&[("region-a", AFFECTED, Attribution::Named), ("region-b", AFFECTED, Attribution::Pseudonym)]);
    case.give("region-a", by_id("region-b", Sharing::Direct));
    case.give("region-a", by_name("region-b", Sharing::No));
    let before = case.post("region-a");
    // A yes for the pseudonym; that it is region-b is not for region-a to find out.
    assert!(case.sees("region-b", before));
    let attribution = Some(Attribution::Named);
    case.give("region-b", ConsentChange { attribution, ..ConsentChange::default() });
    let after = case.post("region-a");
    assert!(!case.sees("region-b", after) && !case.sees("region-b", before), "a named no beats everything");
}

#[test]
fn withdrawing_from_a_name_lifts_no_cap_from_the_others() {
    let mut case =
        Case::new(&[("region-a", AFFECTED, Attribution::Named), ("muni-c", AFFECTED, Attribution::Pseudonym)]);
    case.give("region-a", class(Sharing::Direct));
    case.give("region-a", by_name("region-b", Sharing::No));
    let capped = case.post("region-a");
    assert!(!case.sees("muni-c", capped), "it may be region-b");
    case.join("region-b", AFFECTED, Attribution::Named);
    let name = Name::Organisation(organisation("region-b"));
    case.ok(&Case::eva("region-a"), Command::WithdrawConsent(Scope::Named(name)));
    let still = case.post("region-a");
    assert!(!case.sees("muni-c", still), "a withdrawal opened it");
    case.give("region-a", by_name("region-b", Sharing::No));
    let lifted = case.post("region-a");
    assert!(case.sees("muni-c", lifted) && !case.sees("region-b", lifted), "now it is clear who is who");
}

#[test]
fn a_program_cannot_cover_newcomers_by_giving_the_same_answer_again() {
    let mut case = Case::new(&[("region-a", AFFECTED, Attribution::Named)]);
    case.give("region-a", class(Sharing::Direct));
    case.join("region-b", AFFECTED, Attribution::Named);
    let again = |sharing| Command::GiveConsent { change: Arc::new(class(sharing)), expected_version: None };
    let program = service(&organisation("region-a"));
    assert_eq!(case.0.perform(&program, again(Sharing::Direct)), Err(Refusal::PersonRequired));
    case.0.perform(&program, again(Sharing::Relay)).expect("narrowing is for everybody");
    // Narrowing covers nobody new either, once the answer is widened by name only.
    case.ok(&Case::anna(), Command::Close);
    let closed = case.0.perform(&Case::eva("region-a"), again(Sharing::Relay));
    assert_eq!(closed, Err(Refusal::RoomClosed), "the same answer again would cover region-b");
    case.0.perform(&Case::eva("region-a"), again(Sharing::No)).expect("a closed room accepts narrowing");
}

#[test]
fn a_program_cannot_take_back_a_named_no_under_another_name() {
    let mut case = Case::new(&[("region-a", AFFECTED, Attribution::Named), ("region-b", AFFECTED, Attribution::Named)]);
    case.give("region-a", class(Sharing::Direct));
    case.give("region-a", by_id("region-b", Sharing::No));
    let change = Arc::new(by_name("region-b", Sharing::NotAnswered));
    let program = service(&organisation("region-a"));
    let taken_back = case.0.perform(&program, Command::GiveConsent { change, expected_version: None });
    assert_eq!(taken_back, Err(Refusal::PersonRequired));
}

#[test]
fn suspending_who_has_left_or_was_only_invited_is_told_to_nobody() {
    let mut case = Case::new(&[("region-a", AFFECTED, Attribution::Named), ("region-b", AFFECTED, Attribution::Named)]);
    case.ok(&Case::eva("region-b"), Command::Leave);
    for who in ["region-b", "muni-c"] {
        let organisation = organisation(who);
        let (invitation, participant) = (invitation(&format!("again/{who}")), participant(&organisation));
        let invite = Command::Invite { invitation, organisation: organisation.clone(), role: AFFECTED, participant };
        case.ok(&Case::anna(), invite);
        let n = case.ok(&Case::anna(), Command::RemoveSuspended { organisation });
        assert!(!case.sees("region-a", n), "region-a learns that {who} was invited");
        assert!(!is_shown(&case.0, &Case::anna(), n), "there is nothing to show");
        let accepted = Command::AcceptInvitation { invitation, consent: Arc::default() };
        assert_eq!(case.0.perform(&Case::eva(who), accepted), Err(Refusal::InvitationNotFound));
    }
}

/// R6: a page that was made ready before the withdrawal is emptied by it.
#[test]
fn r6_what_was_withdrawn_is_not_shown_even_from_a_page_that_was_ready() {
    let mut case = Case::new(&[("region-a", AFFECTED, Attribution::Named), ("region-b", AFFECTED, Attribution::Named)]);
    case.give("region-a", class(Sharing::Direct));
    let n = case.post("region-a");
    let eva = Case::eva("region-b");
    let page = case.0.deliver(&eva, 100).expect("a participant reads").expect("there is something to read");
    let last = case.0.last_index(&eva);
    assert!(case.sees("region-b", n));
    case.ok(&Case::eva("region-a"), Command::WithdrawConsent(Scope::Material(Material::Logs)));
    assert_eq!(case.0.find(&eva, Index(last)), Ok(Some(crate::pure::Found::Withdrawn)), "{page:?}");
    // The notice is the next delivery, before anything that is posted later; and there is one.
    let later =
        case.ok(&Case::anna(), Command::Post { message: message("later"), draft: Arc::new(plain(Material::Logs)) });
    let after = case.0.read(&eva, last, 100).expect("read");
    let notice = samverkan::room::mailbox::Notice { ranges: vec![(Index(last), Index(last))] };
    assert_eq!(after[0], (last + 1, crate::pure::Found::Notice(notice)));
    assert!(matches!(after[1], (_, crate::pure::Found::Shown(_))) && after.len() == 2 && case.sees("region-b", later));
    // Giving it again opens nothing old.
    case.give("region-a", class(Sharing::Direct));
    assert!(!case.sees("region-b", n));
}

#[test]
fn a_consent_names_as_many_organisations_as_the_limit_says() {
    let mut case = Case::new(&[("region-a", AFFECTED, Attribution::Named)]);
    let names = |n: usize| ConsentChange {
        named: (0..n)
            .flat_map(|i| {
                let name = Name::Participant(ParticipantId::from_bytes((i as u128 + 1).to_be_bytes()));
                Material::ALL.map(|material| (name.clone(), material, Sharing::No))
            })
            .collect(),
        ..ConsentChange::default()
    };
    case.give("region-a", names(samverkan::limits::NAMED_MAX));
    case.give("region-a", names(samverkan::limits::NAMED_MAX));
    let change = Arc::new(names(samverkan::limits::NAMED_MAX + 1));
    let over = case.0.perform(&Case::eva("region-a"), Command::GiveConsent { change, expected_version: None });
    assert!(matches!(over, Err(Refusal::LimitReached { .. })), "{over:?}");
}

#[test]
fn an_invited_organisation_is_not_in_the_room() {
    let mut case = Case::new(&[("region-a", AFFECTED, Attribution::Named)]);
    let organisation: OrganisationId = organisation("muni-c");
    let invitation = invitation("muni-c");
    let participant = participant(&organisation);
    let invite = Command::Invite { invitation, organisation: organisation.clone(), role: AFFECTED, participant };
    case.ok(&Case::anna(), invite);
    let eva = Case::eva("muni-c");
    assert_eq!(Reader::new(&case.0.state, &eva).err(), Some(Refusal::RoomNotFound));
    let stub: Vec<_> =
        invitations(&case.0.state, &organisation).into_iter().map(|stub| stub.into_inner().title).collect();
    assert_eq!(stub, ["t".into()]);
    let reader = Case::anna();
    let coordinator = Reader::new(&case.0.state, &reader).expect("in the room");
    assert_eq!(room(&case.0.state, coordinator).get().title, "t".into());
}
