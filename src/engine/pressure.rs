//! The engine under pressure: who waits behind whom, and what is refused when somebody writes too fast. Time is paused.

use std::time::Duration;

use super::tests::{World, actor, direct, organisation, post, receiver, request, settings, texts};
use super::*;
use crate::limits;
use crate::rate::Rate;
use crate::room::consent::Scope;
use crate::room::words::{Answer, Attribution, Audience, Material, PoliceAnswer, Sharing};

const RATE: Rate = Rate { per_second: 10, burst: 20 };

fn rates() -> Rates {
    Rates { writes: RATE, bytes: Rate { per_second: 64 * 1024, burst: 256 * 1024 }, consents: RATE }
}

/// Time passes only when a test says so, also while the committing thread is at work: tokio lets none pass while something blocks.
struct Still(std::sync::mpsc::Sender<()>);

impl Still {
    fn time() -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        tokio::task::spawn_blocking(move || receiver.recv());
        Self(sender)
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

async fn limited(rates: Rates) -> (World, RoomId, Still) {
    let still = Still::time();
    let world = World::with(Settings { rates, ..settings() }).await;
    let room = world.room().await;
    // What making the room has used is given back.
    tokio::time::advance(Duration::from_secs(3600)).await;
    (world, room, still)
}

fn refused_for(result: Result<Written, Failure>) -> Option<Duration> {
    match result {
        Ok(_) => None,
        Err(Failure::TooFast { retry, .. }) => Some(retry),
        Err(failure) => panic!("{failure}"),
    }
}

#[tokio::test(start_paused = true)]
async fn who_posts_too_fast_is_refused_with_the_time_to_come_back_and_nothing_is_written() {
    let (world, room, _still) = limited(rates()).await;
    for n in 0..20 {
        world.write("region-a", room, post(&format!("{n}"), Material::Logs)).await.expect("within the burst");
    }
    let before = world.store.restart();
    let retry = refused_for(world.write("region-a", room, post("too fast", Material::Logs)).await).expect("refused");
    assert!(retry <= Duration::from_millis(101), "{retry:?}");
    let frames = |store: &dyn Store| store.read(room, 0..u64::MAX, usize::MAX).expect("reads").len();
    assert_eq!(frames(&before), frames(&*world.store), "a refusal costs nothing durable");
    world.write("region-b", room, post("another's", Material::Logs)).await.expect("has a rate of its own");
    let once = request();
    tokio::time::advance(retry).await;
    world.engine.write(&actor("region-a"), room, once, post("in time", Material::Logs)).await.expect("in time");
    let elsewhere = Opening::ByCoordinator { title: "other".into(), terms: "terms".into() };
    let other = world.engine.open_room(&actor("cert-se"), request(), elsewhere).await.expect("opens").room;
    for n in 0..100 {
        world
            .write("cert-se", other, post(&format!("{n}"), Material::Logs))
            .await
            .expect("the coordinator has no rate");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_count_too() {
    let (world, room, _still) = limited(rates()).await;
    let large = || post(&"x".repeat(60 * 1024), Material::Logs);
    let mut posted = 0;
    while refused_for(world.write("region-a", room, large()).await).is_none() {
        posted += 1;
    }
    assert_eq!(posted, 5, "what is begun within the burst is taken");
    let retry = refused_for(world.write("region-a", room, post("small", Material::Logs)).await).expect("refused");
    assert!(retry > Duration::from_millis(700), "{retry:?}");
    tokio::time::advance(retry).await;
    world.write("region-a", room, post("small", Material::Logs)).await.expect("in time");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_held_back_and_leaves_a_tenth_to_single_calls() {
    let (world, room, _still) = limited(rates()).await;
    let command = post("x", Material::Logs);
    let mut free = 0;
    while world.engine.pace(&actor("region-a"), room, &command).is_none() {
        free += 1;
    }
    assert_eq!(free, 17, "a burst of 20, of which 2 stay");
    for _ in 0..2 {
        world.write("region-a", room, post("by hand", Material::Logs)).await.expect("there is some left");
    }
    assert!(refused_for(world.write("region-a", room, post("by hand", Material::Logs)).await).is_some());
    let until = world.engine.pace(&actor("region-a"), room, &command).expect("held back");
    let wait = until - tokio::time::Instant::now();
    assert!((Duration::from_millis(250)..Duration::from_millis(500)).contains(&wait), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn r7_the_rate_tells_nothing_of_rooms_that_one_is_not_in() {
    let (world, room, _still) = limited(rates()).await;
    world.engine.register(&actor("cert-se"), request(), organisation("stranger"), "s".into()).await.expect("registers");
    let nowhere = RoomId(Uuid::new_v4());
    let mut answers = [Vec::new(), Vec::new()];
    for (which, room) in [room, nowhere].into_iter().enumerate() {
        for _ in 0..30 {
            answers[which].push(world.write("stranger", room, post("x", Material::Logs)).await.expect_err("not in it"));
        }
        tokio::time::advance(Duration::from_secs(3600)).await;
    }
    assert_eq!(answers[0], answers[1]);
    assert!(matches!(answers[0][29], Failure::TooFast { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_room_that_idles_out_does_not_renew_the_rate() {
    let writes = Rate { per_second: 1, burst: 600 };
    let (world, room, _still) = limited(Rates { writes, bytes: Rate::new(1 << 30, 1), ..rates() }).await;
    for n in 0..600 {
        world.write("region-a", room, post(&format!("{n}"), Material::Logs)).await.expect("within the burst");
    }
    // The room idles out after a minute.
    tokio::time::advance(Duration::from_secs(200)).await;
    settle().await;
    let mut more = 0;
    while refused_for(world.write("region-a", room, post("more", Material::Logs)).await).is_none() {
        more += 1;
    }
    assert!((195..=205).contains(&more), "{more}");
}

fn give(change: ConsentChange) -> Command {
    Command::GiveConsent { change: Arc::new(change), expected_version: None }
}

fn withdraw(scope: Scope) -> Command {
    Command::WithdrawConsent { scope, recall: None }
}

#[tokio::test(start_paused = true)]
async fn r6_consent_in_a_loop_is_limited_and_what_takes_something_back_never_is() {
    let (world, room, _still) = limited(rates()).await;
    let (mut given, mut withdrawn) = (0, 0);
    for _ in 0..200 {
        let gave = refused_for(world.write("region-a", room, give(direct(Material::Logs))).await).is_none();
        given += usize::from(gave);
        let took = refused_for(world.write("region-a", room, withdraw(Scope::All)).await).is_none();
        withdrawn += usize::from(took);
        assert!(took || !gave, "what was just given can be withdrawn at once");
    }
    assert_eq!(given, 20);
    assert_eq!(withdrawn, 20, "with nothing left to take back, a withdrawal can wait");
    world.write("region-a", room, post("still served", Material::Logs)).await.expect("has a rate of its own");
}

#[tokio::test(start_paused = true)]
async fn r6_every_kind_of_narrowing_passes_when_the_rate_is_used_up() {
    let consent = ConsentChange {
        cells: Material::ALL.iter().map(|m| (*m, Audience::OtherAffectedOrganisations, Sharing::Direct)).collect(),
        police: Some(PoliceAnswer::CoordinatorMayForward),
        ..direct(Material::Logs)
    };
    let cell = |material, sharing| ConsentChange {
        cells: vec![(material, Audience::OtherAffectedOrganisations, sharing)],
        ..ConsentChange::default()
    };
    let name = || Name::Organisation(organisation("region-b"));
    let named = ConsentChange { named: vec![(name(), Material::Logs, Sharing::No)], ..ConsentChange::default() };
    let police = ConsentChange { police: Some(PoliceAnswer::No), ..ConsentChange::default() };
    let newcomers = ConsentChange {
        newcomers: vec![(Audience::OtherAffectedOrganisations, Answer::No)],
        ..ConsentChange::default()
    };
    for narrowing in [
        give(cell(Material::Logs, Sharing::Relay)),
        give(cell(Material::Logs, Sharing::No)),
        give(named),
        give(police),
        give(newcomers),
        withdraw(Scope::All),
        withdraw(Scope::Material(Material::Data)),
        withdraw(Scope::Audience(Audience::OtherAffectedOrganisations)),
        withdraw(Scope::Named(name())),
    ] {
        let (world, room, _still) = limited(rates()).await;
        let named = ConsentChange { attribution: Some(Attribution::Named), ..ConsentChange::default() };
        world.write("region-b", room, give(named)).await.expect("it is named");
        while refused_for(world.write("region-a", room, give(consent.clone())).await).is_none() {}
        assert!(refused_for(world.write("region-a", room, narrowing.clone()).await).is_none(), "{narrowing:?}");
        let again = refused_for(world.write("region-a", room, narrowing.clone()).await);
        assert!(again.is_some(), "again, it takes nothing back: {narrowing:?}");
    }
}

/// More than one commit takes waits, of six organisations; then others come.
#[tokio::test]
async fn nobody_waits_behind_all_that_another_has_sent() {
    let world = World::new().await;
    let room = world.room().await;
    let crowd: Vec<String> = (0..6).map(|n| format!("crowd-{n}")).collect();
    for name in crowd.iter().map(String::as_str).chain(["late"]) {
        let (by, id) = (actor("cert-se"), organisation(name));
        world.engine.register(&by, request(), id, name.into()).await.expect("registers");
        world.invite(room, name).await;
    }
    let gate = world.store.hold_commits();
    let mut tasks = Vec::new();
    let mut send = |who: &str, command: Command| {
        let (engine, who) = (world.engine.clone(), actor(who));
        tasks.push(tokio::spawn(async move { engine.write(&who, room, request(), command).await }));
    };
    send("region-a", post("in the way", Material::Logs));
    gate.commit_waits().await;
    for name in &crowd {
        (0..limits::ORGANISATION_JOBS_MAX).for_each(|_| send(name, post(name, Material::Logs)));
    }
    settle().await;
    send("late", post("late", Material::Logs));
    send("cert-se", post("coordinator", Material::Logs));
    send("region-b", withdraw(Scope::All));
    settle().await;
    gate.release();
    for task in tasks {
        task.await.expect("no panic").expect("is written");
    }
    let order = world.engine.ask(&actor("cert-se"), room, |state, _| Ok(state.next().0)).await.expect("answers");
    let crowd_posts = 6 * limits::ORGANISATION_JOBS_MAX;
    let page = world.engine.page(&receiver("cert-se"), room, Index(0), 1000, 1 << 24).await.expect("a page");
    let shown = texts(&page);
    assert!(order > crowd_posts as u64 && shown.len() == crowd_posts + 3, "{} of {order}", shown.len());
    let behind = |text: &str| shown.iter().position(|shown| shown == text).expect(text);
    // One commit's worth was decided before they came; from then on, each takes its turn.
    let decided = limits::ROOM_JOBS_MAX + 1;
    println!("of {crowd_posts}: coordinator at {}, late at {}", behind("coordinator"), behind("late"));
    assert!(behind("coordinator") <= decided + 1, "the coordinator waits for one other at most");
    assert!(behind("late") <= decided + 1 + crowd.len(), "late waits for one of each at most");
}

/// Lets everything that can run do so.
async fn settle() {
    for _ in 0..2000 {
        tokio::task::yield_now().await;
    }
}
