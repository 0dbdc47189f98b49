//! Withdrawals raced with deliveries. One question: is anything that was taken back given after the taking back was acknowledged?
//!
//! Each race has a way to take back and a way to read; all pairs come in turn. `SAMVERKAN_RACES` sets how many (CI runs thousands).
//! *Given* is what the stream or page hands over, which is where the HTTP/2 layer takes it (R6).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::tests::{World, actor, direct, organisation, post, receiver, request, texts};
use super::*;
use crate::room::consent::{Name, Scope};
use crate::room::event::Draft;
use crate::room::ids::ReleaseId;
use crate::room::words::{Attribution, Audience, Material, Sharing, Tlp};

/// How the source takes back what it posted as "covered".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TakesBack {
    Material,
    Class,
    ByName,
    All,
    Narrowing,
    Message,
    Retract,
    Supersede,
    RevokeRelease,
    Terms,
}

/// How the receiver reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Live,
    /// Takes nothing until the end, so that all waits in its queue.
    Queued,
    /// Lets others run before each batch.
    Slow,
    /// Begins anew after each batch.
    Reconnecting,
    /// Begins at the first index of a long mailbox.
    CatchingUp,
    Pages,
}

const WAYS: [TakesBack; 10] = [
    TakesBack::Material,
    TakesBack::Class,
    TakesBack::ByName,
    TakesBack::All,
    TakesBack::Narrowing,
    TakesBack::Message,
    TakesBack::Retract,
    TakesBack::Supersede,
    TakesBack::RevokeRelease,
    TakesBack::Terms,
];
const READERS: [Reads; 6] =
    [Reads::Live, Reads::Queued, Reads::Slow, Reads::Reconnecting, Reads::CatchingUp, Reads::Pages];

#[derive(Default)]
struct Counts {
    given: AtomicUsize,
    taken_back: AtomicUsize,
}

struct Race {
    number: usize,
    engine: Engine,
    room: RoomId,
    acknowledged: AtomicBool,
    /// How many of the words that are covered were sent: with one message only, that one.
    counts: Counts,
}

impl Race {
    /// Looks at what was given; true after the last of this race. `is_after` was read before it was asked for.
    fn look(&self, batch: &Batch, is_after: bool) -> bool {
        for text in texts(batch) {
            if text == format!("end {}", self.number) {
                return true;
            }
            if text.starts_with("covered") {
                assert!(!is_after, "race {}: {text} was given after the acknowledgement", self.number);
                self.counts.given.fetch_add(1, Ordering::Relaxed);
            } else if text == "withdrawn" || text.starts_with("notice") {
                self.counts.taken_back.fetch_add(1, Ordering::Relaxed);
            }
        }
        false
    }

    async fn read(&self, how: Reads, last: Index) {
        let mut after = if how == Reads::CatchingUp { Index(0) } else { last };
        if how == Reads::Pages {
            loop {
                let is_after = self.acknowledged.load(Ordering::SeqCst);
                let page = self.engine.page(&receiver("region-b"), self.room, after, 7, 1 << 16).await;
                let page = page.expect("a page");
                after = Index(after.0 + page.deliveries.len() as u64);
                if self.look(&page, is_after) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }
        let subscribe = async |after| {
            let stream = self.engine.subscribe(&receiver("region-b"), self.room, after).await;
            stream.expect("a subscription")
        };
        let mut stream = subscribe(after).await;
        while how == Reads::Queued && !self.acknowledged.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        loop {
            if how == Reads::Slow {
                for _ in 0..16 {
                    tokio::task::yield_now().await;
                }
            }
            let is_after = self.acknowledged.load(Ordering::SeqCst);
            let batch = stream.next().await.expect("an open stream");
            after = Index(batch.first.0 + batch.deliveries.len() as u64 - 1);
            if self.look(&batch, is_after) {
                return;
            }
            if how == Reads::Reconnecting {
                drop(stream);
                stream = subscribe(after).await;
            }
        }
    }
}

async fn last_index(world: &World, room: RoomId) -> Index {
    let mut last = 0;
    loop {
        let page = world.engine.page(&receiver("region-b"), room, Index(last), 1000, 1 << 24).await.expect("a page");
        if page.deliveries.is_empty() {
            return Index(last);
        }
        last += page.deliveries.len() as u64;
    }
}

fn message_of(command: &Command) -> MessageId {
    match command {
        Command::Post { message, .. } => *message,
        _ => unreachable!("a post"),
    }
}

fn give(change: ConsentChange) -> Command {
    Command::GiveConsent { change: Arc::new(change), expected_version: None }
}

/// Takes back, and answers when that is acknowledged.
async fn take_back(world: &World, room: RoomId, way: TakesBack, race: usize, message: MessageId, release: ReleaseId) {
    let withdraw = |scope| Command::WithdrawConsent { scope, recall: None };
    let others = Audience::OtherAffectedOrganisations;
    let (who, command) = match way {
        TakesBack::Material => ("region-a", withdraw(Scope::Material(Material::Logs))),
        TakesBack::Class => ("region-a", withdraw(Scope::Audience(others))),
        TakesBack::ByName => ("region-a", withdraw(Scope::Named(Name::Organisation(organisation("region-b"))))),
        TakesBack::All => ("region-a", withdraw(Scope::All)),
        TakesBack::Narrowing => {
            let cells = vec![(Material::Logs, others, Sharing::No)];
            ("region-a", give(ConsentChange { cells, ..ConsentChange::default() }))
        }
        TakesBack::Message => ("region-a", withdraw(Scope::Message(message))),
        TakesBack::Retract => ("region-a", Command::Retract { message, reason: "void".into() }),
        TakesBack::Supersede => {
            let draft = Draft {
                material: Material::Logs,
                tlp: Tlp::Amber,
                text: "in its place".into(),
                recipients: Vec::new(),
                red_actors: Vec::new(),
                coordinator_only: false,
                in_reply_to: None,
                occurred_at: None,
                supersedes: Some(message),
                acknowledge_by: None,
                attachments: Vec::new(),
            };
            ("region-a", Command::Post { message: MessageId(Uuid::new_v4()), draft: Arc::new(draft) })
        }
        TakesBack::RevokeRelease => ("region-a", Command::RevokeRelease { release }),
        TakesBack::Terms => ("cert-se", Command::ChangeTerms { terms: format!("terms {race}").into() }),
    };
    world.write(who, room, command).await.expect("it is taken back");
}

async fn run_race(world: &World, room: RoomId, number: usize) -> (usize, usize) {
    let (way, how) = (WAYS[number % WAYS.len()], READERS[number / WAYS.len() % READERS.len()]);
    let released = way == TakesBack::RevokeRelease;
    // One message only, where the way is about one.
    let one = matches!(way, TakesBack::Message | TakesBack::Retract | TakesBack::Supersede) || released;
    let b = Name::Organisation(organisation("region-b"));
    let named = vec![(b.clone(), Material::Logs, Sharing::Direct)];
    let attribution = Some(Attribution::Pseudonym);
    let consent = match way {
        TakesBack::ByName => ConsentChange { named, attribution, ..ConsentChange::default() },
        _ => {
            let named = vec![(b.clone(), Material::Logs, Sharing::NotAnswered)];
            let mut cells = direct(Material::Logs);
            if released {
                cells.cells = vec![(Material::Logs, Audience::OtherAffectedOrganisations, Sharing::No)];
            }
            ConsentChange { named, ..cells }
        }
    };
    world.write("region-a", room, give(consent)).await.expect("consent");
    let last = last_index(world, room).await;
    let race = Arc::new(Race {
        number,
        engine: world.engine.clone(),
        room,
        acknowledged: AtomicBool::new(false),
        counts: Counts::default(),
    });
    let reader = tokio::spawn({
        let race = race.clone();
        async move { race.read(how, last).await }
    });
    let command = post(&format!("covered {number}"), Material::Logs);
    let (message, release) = (message_of(&command), ReleaseId(Uuid::new_v4()));
    world.write("region-a", room, command).await.expect("posts");
    let mut burst = Vec::new();
    for n in 0..if one { 0 } else { number % 7 } {
        let engine = world.engine.clone();
        burst.push(tokio::spawn(async move {
            let command = post(&format!("covered {number} {n}"), Material::Logs);
            engine.write(&actor("region-a"), room, request(), command).await
        }));
    }
    if released {
        let command = Command::Release { release, messages: vec![message], to: vec![b] };
        world.write("region-a", room, command).await.expect("releases");
    }
    for _ in 0..number % 5 {
        tokio::task::yield_now().await;
    }
    take_back(world, room, way, number, message, release).await;
    race.acknowledged.store(true, Ordering::SeqCst);
    for posted in burst {
        posted.await.expect("no panic").expect("posts");
    }
    world.write("cert-se", room, post(&format!("end {number}"), Material::Information)).await.expect("posts");
    reader.await.unwrap_or_else(|error| panic!("{way:?}, {how:?}: {error}"));
    (race.counts.given.load(Ordering::Relaxed), race.counts.taken_back.load(Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r6_no_race_gives_what_was_taken_back_after_that_is_acknowledged() {
    let races: usize = std::env::var("SAMVERKAN_RACES").ok().and_then(|races| races.parse().ok()).unwrap_or(300);
    let mut counts = std::collections::BTreeMap::<String, (usize, usize, usize)>::new();
    let (mut world, mut room) = (World::new().await, RoomId::DIRECTORY);
    for number in 0..races {
        // A room of its own for each sixty, so that catching up has something to catch up with and yet ends.
        if number % 60 == 0 {
            world = World::new().await;
            room = world.named_room().await;
        }
        let (given, taken_back) = run_race(&world, room, number).await;
        let of_way = counts.entry(format!("{:?}", WAYS[number % WAYS.len()])).or_default();
        *of_way = (of_way.0 + 1, of_way.1 + given, of_way.2 + taken_back);
    }
    for (way, (races, given, taken_back)) in &counts {
        println!("{way}: {races} races, {given} given before, {taken_back} taken back");
    }
    println!("{races} races of a withdrawal with a delivery, nothing given after its acknowledgement");
    assert!(
        counts.values().all(|(_, given, taken_back)| *given > 0 && *taken_back > 0),
        "no race happened: {counts:?}"
    );
}
