//! One history: process after process on one disk, each ended as planned, until everything that was wished is done.
//!
//! Each process has a runtime of its own; dropping that drops every task where it stands, which is what SIGKILL does.

use std::sync::Arc;
use std::time::Duration;

use samverkan::engine::{Engine, LoadError, Opening, Receiver, Settings};
use samverkan::room::event::{Command, Request};
use samverkan::room::ids::{Index, RequestId, RoomId};
use samverkan::store::Store;
use samverkan::store::memory::Fault;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use super::Control;
use super::clients::{drive, new_reader, perform, read, repeat};
use super::counts::Counts;
use super::world::{Plan, Sim, SimStore};
use crate::histories::{MINUTE, digest_of, id_of, participant, user};

/// Processes that one history takes at most; more means that it never ends.
const LIVES_MAX: usize = 400;

/// What came of one history.
pub(super) struct Outcome {
    pub(super) counts: Counts,
    pub(super) digest: [u8; 32],
    pub(super) lines: Vec<String>,
    pub(super) violation: Option<String>,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Killed,
    StoreFailed,
    Stopped,
    /// Organisations and rooms are there.
    Begun,
    /// It refused to start: its directory does not verify.
    Refused,
    Done,
    Violated,
}

/// Runs the history of a seed.
pub(super) fn history(seed: u64, control: Control) -> Outcome {
    let sim = Arc::new(Sim::new(seed, control));
    let mut store = Arc::new(SimStore::new(&sim, seed));
    for life in 0.. {
        let flip = if life == 0 { None } else { plan(&sim, &store) };
        let end = in_a_process(live(&sim, store.clone(), life == 0), &sim);
        {
            let mut world = sim.world();
            let plan = world.plan;
            sim.note(&mut world, format!("process {life} has ended: {end:?}, planned was {plan:?}"));
            count(&mut world.counts, end, plan);
        }
        store = Arc::new(store.restart());
        if let Some((room, number, bit)) = flip {
            store.flip(room, number, bit);
            sim.world().damaged = None;
        }
        if end == End::Violated || life > LIVES_MAX {
            sim.world().violation.get_or_insert(format!("{life} processes, and the history does not end"));
            break;
        }
        if let Err(why) = compare_stores(&sim, &store) {
            sim.world().violation.get_or_insert(why);
            break;
        }
        if end == End::Done {
            in_a_process(look_at_everything(&sim, store.clone()), &sim);
            break;
        }
    }
    let elapsed = sim.elapsed();
    let mut world = sim.world();
    world.counts.simulated_us = elapsed;
    world.counts.snapshots = world.snapshots.values().sum();
    Outcome {
        counts: world.counts.clone(),
        digest: world.trace.digest(),
        lines: std::mem::take(&mut world.trace.lines),
        violation: world.violation.take(),
    }
}

fn in_a_process<T>(life: impl Future<Output = T>, sim: &Sim) -> T {
    let runtime: Runtime =
        Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime of one thread");
    runtime.block_on(async {
        sim.begin();
        let end = life.await;
        sim.end();
        end
    })
}

fn count(counts: &mut Counts, end: End, plan: Plan) {
    let of_kind = match (end, plan) {
        (End::Killed, Plan::KilledBeforeWrite(_)) => &mut counts.killed_before_write,
        (End::Killed, Plan::KilledAfterWrite(_)) => &mut counts.killed_after_write,
        (End::Killed, _) => &mut counts.killed,
        (End::StoreFailed, Plan::DiskFails(_, Fault::FailsWritten)) => &mut counts.failed_written,
        (End::StoreFailed, _) => &mut counts.failed_unwritten,
        (End::Stopped, _) => &mut counts.stopped,
        (End::Begun | End::Refused | End::Done | End::Violated, _) => return,
    };
    *of_kind += 1;
}

/// Draws how the next process ends, and which bit is flipped before it starts.
fn plan(sim: &Sim, store: &SimStore) -> Option<(RoomId, u64, usize)> {
    let mut world = sim.world();
    let commits = 1 + world.rng.below(25);
    let time = Duration::from_millis(1 + world.rng.below(40 * 60_000) as u64);
    world.plan = match world.rng.below(9) {
        0..=1 => Plan::KilledAfter(time),
        2..=3 => Plan::KilledBeforeWrite(commits),
        4..=5 => Plan::KilledAfterWrite(commits),
        6 => Plan::DiskFails(commits, Fault::FailsUnwritten),
        7 => Plan::DiskFails(commits, Fault::FailsWritten),
        _ => Plan::Stopped(time),
    };
    if world.is_done() {
        world.plan = Plan::Never;
    }
    if !world.rng.chance(12) {
        return None;
    }
    let rooms: Vec<RoomId> = world.views.iter().map(|view| view.id).chain([RoomId::DIRECTORY]).collect();
    let room = world.rng.pick(&rooms);
    // A room with a snapshot is served from what comes after it.
    if store.snapshot(room).is_some() {
        return None;
    }
    let number = world.rng.below(store.frames(room) as usize) as u64;
    let bit = world.rng.below(1 << 20);
    if !store.flip(room, number, bit) {
        return None;
    }
    world.damaged = Some(room);
    world.counts.flipped += 1;
    world.plan = Plan::KilledAfter(time);
    sim.note(&mut world, format!("a bit of frame {number} of {room} is flipped"));
    Some((room, number, bit))
}

async fn start(sim: &Arc<Sim>, store: Arc<SimStore>) -> Result<Engine, LoadError> {
    let (clock, ids, pace) = (sim.clone(), sim.clone(), sim.clone());
    let settings = Settings {
        coordinator: sim.world().cast.coordinator.clone(),
        title: "incident".into(),
        terms: "terms".into(),
        ids: samverkan::engine::Ids::drawn_by(move || ids.draw_id()),
        rates: samverkan::engine::Rates::unlimited(),
        attachment_bytes_max: u64::MAX,
    };
    Engine::start_paced(store, Arc::new(move || clock.clock()), settings, Arc::new(move |wait| pace.pace(wait))).await
}

/// A process, from its start to its end.
async fn live(sim: &Arc<Sim>, store: Arc<SimStore>, is_first: bool) -> End {
    let plan = sim.world().plan;
    let last = match plan {
        Plan::KilledAfter(time) | Plan::Stopped(time) => time,
        // In case so many commits never come.
        _ => Duration::from_secs(8 * 60 * 60),
    };
    let serve = async {
        let engine = match start(sim, store).await {
            Ok(engine) if sim.world().damaged == Some(RoomId::DIRECTORY) => {
                sim.violate("R2: a directory that does not verify is served".to_owned());
                engine
            }
            Ok(engine) => engine,
            Err(LoadError::Damaged(_)) if sim.world().damaged == Some(RoomId::DIRECTORY) => return End::Refused,
            Err(error) => {
                sim.world().violation.get_or_insert(format!("R1: the server does not start: {error}"));
                return End::Violated;
            }
        };
        if is_first {
            let set_up = set_up(sim, &engine).await;
            engine.stop().await;
            return set_up.map_or_else(
                |why| {
                    sim.world().violation.get_or_insert(why);
                    End::Violated
                },
                |()| End::Begun,
            );
        }
        serve(sim, &engine).await;
        tokio::select! {
            biased;
            _ = engine.failed() => {
                // Some hear of it before the process has ended, some don't.
                let wait = sim.world().rng.below(20);
                sleep(Duration::from_millis(wait as u64)).await;
                End::StoreFailed
            }
            () = sim.all_done.notified() => {
                engine.stop().await;
                End::Done
            }
            () = sleep(last) => {
                if matches!(plan, Plan::Stopped(_)) {
                    engine.stop().await;
                    End::Stopped
                } else {
                    End::Killed
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = sim.violated.notified() => End::Violated,
        () = sim.crash.notified() => End::Killed,
        end = serve => end,
    }
}

/// Organisations and rooms, before anything goes wrong.
async fn set_up(sim: &Sim, engine: &Engine) -> Result<(), String> {
    let (cast, rooms) = {
        let world = sim.world();
        (world.cast.clone(), world.scripts.len())
    };
    let anna = user(&cast.coordinator, "anna");
    let request = |label: &str| {
        let id = RequestId::from_bytes(id_of(&format!("request/{label}")));
        Request { id, digest: digest_of(label) }
    };
    for organisation in &cast.others {
        let label = format!("register {organisation}");
        let registered = engine.register(&anna, request(&label), organisation.clone(), organisation.as_str().into());
        registered.await.map_err(|failure| format!("{label}: {failure}"))?;
        sim.world().registered.push(organisation.clone());
    }
    for room in 0..rooms {
        let step = {
            let mut world = sim.world();
            let step = cast.open(&mut world.rng);
            let reporter = participant(&step.caller.organisation);
            let own = (step.caller.organisation != cast.coordinator).then_some(*reporter.as_bytes());
            let coordinator = *participant(&cast.coordinator).as_bytes();
            world.draw_these_ids(own.into_iter().chain([coordinator, id_of(&format!("room/{room}"))]));
            step
        };
        let Command::OpenRoom(open) = step.command else { return Err("a history begins with a room".to_owned()) };
        let opening = match open.report {
            None => Opening::ByCoordinator { title: open.title, terms: open.terms },
            Some(report) => Opening::ByReport { report: report.report, consent: report.consent },
        };
        let opened = engine.open_room(&step.caller, request(&format!("open {room}")), opening).await;
        opened.map_err(|failure| format!("room {room}: {failure}"))?;
        let mut world = sim.world();
        for actor in cast.readers() {
            let memory = new_reader(&mut world);
            world.readers.insert((room, actor), memory);
        }
    }
    Ok(())
}

/// Lets the clients at it, and the faults that end nothing.
async fn serve(sim: &Arc<Sim>, engine: &Engine) {
    let (rooms, open, readers, again, missing) = {
        let mut world = sim.world();
        let open: Vec<_> = world.open.values().cloned().collect();
        let readers: Vec<_> = world.readers.keys().cloned().collect();
        let mut again = Vec::new();
        for _ in 0..3 {
            let done = world.done.clone();
            if let Some((wish, _)) = world.rng.pick_any(&done) {
                again.push((wish, world.rng.chance(25)));
            }
        }
        let directory = engine.directory();
        let missing = world.registered.iter().find(|organisation| directory.known(organisation).is_err()).cloned();
        (world.scripts.len(), open, readers, again, missing)
    };
    if let Some(organisation) = missing {
        return sim.violate(format!("R1: {organisation} was registered and is not any more"));
    }
    for wish in open {
        sim.spawn(perform(sim.clone(), engine.clone(), wish));
    }
    for (wish, is_other) in again {
        sim.spawn(repeat(sim.clone(), engine.clone(), wish, is_other));
    }
    for (room, actor) in readers {
        sim.spawn(read(sim.clone(), engine.clone(), room, actor));
    }
    for room in 0..rooms {
        // Nothing new is wished in a room that can't grant it.
        if !sim.world().is_damaged(room) {
            sim.spawn(drive(sim.clone(), engine.clone(), room));
        }
    }
    sim.spawn(trouble(sim.clone()));
}

/// A disk that is full or slow for a while, a clock that is put right or wrong.
async fn trouble(sim: Arc<Sim>) {
    loop {
        let (wait, what, by) = {
            let mut world = sim.world();
            let wait = Duration::from_millis(1 + world.rng.below(15 * 60_000) as u64);
            (wait, world.rng.below(6), 1 + world.rng.below(3 * 60) as i64)
        };
        sleep(wait).await;
        let now = sim.elapsed();
        match what {
            0 => sim.world().fill_until(now + by * 1_000_000),
            1..=2 => sim.world().slow_until = now + 10 * by * 1_000_000,
            3 => sim.step_clock(-by * MINUTE / 4),
            4 => sim.step_clock(by * MINUTE / 4),
            _ => {}
        }
    }
}

fn compare_stores(sim: &Sim, store: &SimStore) -> Result<(), String> {
    let world = sim.world();
    for (room, view) in world.views.iter().enumerate() {
        view.compare_store(store).map_err(|why| format!("room {room}, after a restart: {why}"))?;
    }
    Ok(())
}

/// At the end: every mailbox from its beginning, as a process without faults gives it.
async fn look_at_everything(sim: &Arc<Sim>, store: Arc<SimStore>) {
    sim.world().plan = Plan::Never;
    let engine = match start(sim, store).await {
        Ok(engine) => engine,
        Err(error) => return sim.violate(format!("R1: the server does not start: {error}")),
    };
    let readers: Vec<_> = sim.world().readers.keys().cloned().collect();
    let mut found = Vec::new();
    for (room, actor) in readers {
        let id = sim.world().room(room);
        let receiver = Receiver { actor: actor.clone(), certificate: [7; 32] };
        let mut deliveries = Vec::new();
        loop {
            match engine.page(&receiver, id, Index(deliveries.len() as u64), 100, 1 << 20).await {
                Ok(page) if page.deliveries.is_empty() => break,
                Ok(page) => deliveries.extend(page.deliveries),
                Err(_) => break,
            }
        }
        found.push((room, actor, deliveries));
    }
    let now = engine.now();
    {
        let mut world = sim.world();
        for (room, actor, deliveries) in found {
            let view = &mut world.views[room];
            view.pure.now = now.max(view.pure.state.last_recorded_at());
            let is_here = samverkan::room::disclose::Reader::new(&view.pure.state, &actor).is_ok();
            let whole = if is_here { view.last(&actor) } else { 0 };
            let wrong = match deliveries.len() as u64 == whole {
                false => Some(format!("{} deliveries of {whole}", deliveries.len())),
                true => view.compare_mailbox(&actor, &deliveries).err(),
            };
            if let Some(why) = wrong {
                world.violation.get_or_insert(format!("at the end, {actor} in room {room}: {why}"));
            }
        }
    }
    engine.stop().await;
}
