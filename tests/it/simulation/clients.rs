//! The organisations' side: who wishes what when, who reads how, and what each holds against the server.

use std::sync::Arc;
use std::time::Duration;

use samverkan::engine::{Batch, Delivery, Engine, Failure, Outcome, Receiver, Written};
use samverkan::room::consent::Scope;
use samverkan::room::event::{Command, Draft, Request};
use samverkan::room::ids::{Actor, Index, RoomId, Timestamp};
use samverkan::room::refusal::Refusal;
use tokio::time::{sleep, timeout};

use super::Control;
use super::view::View;
use super::world::{ReaderMemory, Sim, Wish, World};
use crate::histories::{Rng, digest_of};

/// Wishes in one room, one after the other, at odd times; nobody waits for the answer to the one before.
pub(super) async fn drive(sim: Arc<Sim>, engine: Engine, room: usize) {
    loop {
        let (wait, wish) = {
            let mut world = sim.world();
            if world.scripts[room].left == 0 {
                break;
            }
            next_wish(&mut world, room, engine.now())
        };
        sleep(wait).await;
        let regret = regret(&mut sim.world().scripts[room].rng, &wish);
        ask(&sim, &engine, wish);
        if let Some((wait, regret)) = regret {
            sleep(wait).await;
            ask(&sim, &engine, regret);
        }
    }
    look_whether_done(&sim);
}

fn ask(sim: &Arc<Sim>, engine: &Engine, wish: Wish) {
    sim.world().open.insert(wish.label.clone(), wish.clone());
    sim.spawn(perform(sim.clone(), engine.clone(), wish));
}

/// Now and then somebody takes back what it has just posted, when that may not have reached everybody yet.
fn regret(rng: &mut Rng, wish: &Wish) -> Option<(Duration, Wish)> {
    let Command::Post { message, draft } = &wish.command else { return None };
    if !rng.chance(30) {
        return None;
    }
    let scope = match rng.below(6) {
        0 => Scope::All,
        1 => Scope::Material(draft.material),
        _ => Scope::Message(*message),
    };
    let command = match rng.below(3) {
        0 => Command::Retract { message: *message, reason: "void".into() },
        _ => Command::WithdrawConsent { scope, recall: None },
    };
    let wait = Duration::from_millis(rng.below(12) as u64);
    Some((wait, Wish { label: format!("{} regret", wish.label), command, ..wish.clone() }))
}

fn next_wish(world: &mut World, room: usize, now: Timestamp) -> (Duration, Wish) {
    let World { cast, views, scripts, .. } = world;
    let (view, script) = (&mut views[room], &mut scripts[room]);
    script.step += 1;
    script.left -= 1;
    let label = format!("{room}/{}", script.step);
    view.pure.now = now.max(view.pure.state.last_recorded_at());
    let step = cast.step(&mut script.rng, &view.pure, &label);
    let wait = match script.rng.below(10) {
        0..=4 => Duration::from_millis(script.rng.below(40) as u64),
        5..=6 => Duration::from_millis(script.rng.below(20_000) as u64),
        _ => Duration::from_micros(step.after as u64 * (1 + script.rng.below(12)) as u64),
    };
    let command = match step.command {
        // Some messages are as large as they may be, so that queues fill.
        Command::Post { message, draft } if script.rng.chance(12) => {
            let text = format!("{} {}", draft.text, "x".repeat(script.rng.below(60_000)));
            Command::Post { message, draft: Arc::new(Draft { text: text.into(), ..(*draft).clone() }) }
        }
        command => command,
    };
    (wait, Wish { label, room, caller: step.caller, command })
}

fn look_whether_done(sim: &Sim) {
    if sim.world().is_done() {
        sim.all_done.notify_one();
    }
}

fn narrows(command: &Command) -> bool {
    matches!(
        command,
        Command::WithdrawConsent { .. }
            | Command::GiveConsent { .. }
            | Command::Retract { .. }
            | Command::RevokeRelease { .. }
    )
}

/// What comes after an answer.
enum Next {
    Done(Written),
    Refused,
    Again(Duration),
    /// This process does it no more.
    Leave,
}

/// Asks until there is an answer, and now and then once more.
pub(super) async fn perform(sim: Arc<Sim>, engine: Engine, wish: Wish) {
    let (room, whose) = (sim.world().room(wish.room), (wish.room, wish.caller.organisation.clone()));
    let next = loop {
        let made_before = {
            let mut world = sim.world();
            world.counts.commands += 1;
            sim.note(&mut world, format!("{} asks {}: {:?}", wish.caller, wish.label, brief(&wish.command)));
            if narrows(&wish.command) {
                world.narrowing.push(whose.clone());
            }
            world.views[wish.room].made(&wish.caller, wish.request().id).is_some()
        };
        let answer = engine.write(&wish.caller, room, wish.request(), wish.command.clone()).await;
        let next = {
            let mut world = sim.world();
            if let Some(at) = world.narrowing.iter().position(|other| *other == whose) {
                world.narrowing.swap_remove(at);
            }
            answered(&sim, &mut world, &wish, made_before, answer)
        };
        match next {
            Ok(Next::Again(wait)) => sleep(wait).await,
            Ok(next) => break next,
            Err(why) => return sim.violate(format!("{}: {why}", wish.label)),
        }
    };
    let again = match next {
        Next::Leave | Next::Again(_) => return,
        Next::Refused => false,
        Next::Done(written) => {
            let mut world = sim.world();
            world.done.push((wish.clone(), written));
            world.rng.chance(15)
        }
    };
    sim.world().open.remove(&wish.label);
    look_whether_done(&sim);
    if again {
        let (wait, is_other) = {
            let mut world = sim.world();
            (Duration::from_millis(world.rng.below(400_000) as u64), world.rng.chance(25))
        };
        sleep(wait).await;
        repeat(sim, engine, wish, is_other).await;
    }
}

fn answered(
    sim: &Sim,
    world: &mut World,
    wish: &Wish,
    made_before: bool,
    answer: Result<Written, Failure>,
) -> Result<Next, String> {
    let said = match &answer {
        Ok(written) => format!("done at {}", written.recorded_at.0),
        Err(failure) => format!("{failure:?}"),
    };
    sim.note(world, format!("{} is told {said}", wish.label));
    let is_damaged = world.is_damaged(wish.room);
    let made = world.views[wish.room].made(&wish.caller, wish.request().id).is_some();
    // Of what is refused there is nothing, unless an earlier process did it and could not say so.
    let nothing = |why: &str| match made && !made_before {
        true => Err(format!("R4: {why}, and it was done")),
        false => Ok(()),
    };
    let odd_time = |world: &mut World, most: usize| Duration::from_millis(1 + world.rng.below(most) as u64);
    Ok(match answer {
        Ok(_) if is_damaged => return Err("R2: a room whose log does not verify answers".to_owned()),
        Ok(written) => {
            world.views[wish.room].acknowledge(&wish.caller, wish.request().id, &written)?;
            world.counts.acknowledged += 1;
            world.counts.done_unheard += u64::from(made_before);
            Next::Done(written)
        }
        Err(Failure::Refused(Refusal::RequestIdReused)) => return Err("R8: its id is said to be another's".to_owned()),
        Err(Failure::Refused(refusal)) if made_before => {
            return Err(format!("R8: it is done, and refused when it is asked for again: {refusal}"));
        }
        Err(failure @ (Failure::AttachmentDamaged | Failure::UploadTakenOver | Failure::WithdrawnMeanwhile)) => {
            return Err(format!("it is about an attachment, and there are none: {failure}"));
        }
        Err(Failure::Refused(_)) => {
            nothing("it is refused")?;
            world.counts.refused += 1;
            Next::Refused
        }
        Err(Failure::NotErased) => return Err("nobody here erases anything".to_owned()),
        Err(Failure::StoreFull) => {
            nothing("the store is full")?;
            Next::Again(odd_time(world, 20_000))
        }
        Err(Failure::Busy(_) | Failure::TooFast { .. }) => {
            nothing("the server is busy")?;
            Next::Again(odd_time(world, 2_000))
        }
        Err(Failure::ShuttingDown) if !world.may_stop() => return Err("the server says that it stops".to_owned()),
        Err(Failure::StoreFailed { outcome: Outcome::NothingWritten } | Failure::ShuttingDown) => {
            nothing("nothing was written")?;
            // Until the process has ended, some ask again.
            Next::Again(odd_time(world, 8))
        }
        Err(Failure::StoreFailed { outcome: Outcome::Unknown }) => Next::Again(odd_time(world, 8)),
        Err(Failure::Damaged) if is_damaged => {
            world.counts.quarantined += 1;
            Next::Leave
        }
        Err(Failure::Damaged) => return Err("R2: a sound room is said to be damaged".to_owned()),
    })
}

/// Asks for something again that was acknowledged: with the same words it has the same answer, with others none.
pub(super) async fn repeat(sim: Arc<Sim>, engine: Engine, wish: Wish, is_other: bool) {
    let room = sim.world().room(wish.room);
    let known = {
        let world = sim.world();
        world.done.iter().find(|(done, _)| done.label == wish.label).map(|(_, written)| written.clone())
    };
    let mut request = wish.request();
    if is_other {
        request = Request { digest: digest_of("something else"), ..request };
    }
    let answer = engine.write(&wish.caller, room, request, wish.command.clone()).await;
    let mut world = sim.world();
    sim.note(&mut world, format!("{} once more: {}", wish.label, answer.is_ok()));
    let is_damaged = world.is_damaged(wish.room);
    let wrong = match (answer, is_other) {
        (Ok(written), false) if Some(&written) == known.as_ref() && !is_damaged => {
            world.counts.repeated += 1;
            None
        }
        (Err(Failure::Refused(Refusal::RequestIdReused)), true) => {
            world.counts.reused += 1;
            None
        }
        (Err(Failure::Damaged), _) if is_damaged => None,
        (Err(Failure::StoreFull | Failure::Busy(_) | Failure::StoreFailed { .. } | Failure::ShuttingDown), _) => None,
        (answer, _) => Some(format!("R1, R8: {} was answered {known:?}, now {answer:?}", wish.label)),
    };
    drop(world);
    if let Some(why) = wrong {
        sim.violate(why);
    }
}

/// How a client reads for a while.
enum Habit {
    Live,
    Slow,
    /// Takes nothing for a long time, so that all waits in its queue.
    Stalled,
    /// Cuts its stream after some batches.
    Cut,
    Pages,
    Away,
}

/// One client that reads in one room, for as long as the process lives.
pub(super) async fn read(sim: Arc<Sim>, engine: Engine, room: usize, actor: Actor) {
    let id = sim.world().room(room);
    let receiver = Receiver { actor: actor.clone(), certificate: [7; 32] };
    let reader = Reading { sim: sim.clone(), room, actor };
    sleep(reader.time(3_000)).await;
    loop {
        let (habit, after) = reader.memory(|memory| {
            let habit = match memory.rng.below(12) {
                0..=3 => Habit::Live,
                4..=5 => Habit::Slow,
                6 => Habit::Stalled,
                7..=8 => Habit::Cut,
                9 => Habit::Pages,
                _ => Habit::Away,
            };
            // A client may have lost what it was given last.
            let lost = if memory.rng.chance(25) { memory.rng.below(6) as u64 } else { 0 };
            (habit, memory.last.saturating_sub(lost))
        });
        let failure = match habit {
            Habit::Away => {
                sleep(reader.time(90 * 60_000)).await;
                continue;
            }
            Habit::Pages => reader.turn_pages(&engine, &receiver, id, after).await,
            Habit::Live | Habit::Slow | Habit::Stalled | Habit::Cut => {
                reader.follow(&engine, &receiver, id, after, &habit).await
            }
        };
        match failure {
            Ok(()) => sleep(reader.time(200)).await,
            Err(Failure::Refused(Refusal::RoomNotFound)) => sleep(reader.time(20 * 60_000)).await,
            Err(Failure::StoreFull | Failure::Busy(_) | Failure::TooFast { .. }) => sleep(reader.time(30_000)).await,
            Err(Failure::Damaged) if sim.world().is_damaged(room) => {
                sim.world().counts.quarantined += 1;
                sleep(reader.time(10 * 60_000)).await;
            }
            Err(Failure::StoreFailed { .. }) => sleep(reader.time(8)).await,
            Err(Failure::ShuttingDown) => sleep(reader.time(60_000)).await,
            Err(
                failure @ (Failure::Refused(_)
                | Failure::NotErased
                | Failure::Damaged
                | Failure::AttachmentDamaged
                | Failure::UploadTakenOver
                | Failure::WithdrawnMeanwhile),
            ) => {
                return sim.violate(format!("R9: {} asks after {after} and is told {failure:?}", reader.actor));
            }
        }
    }
}

struct Reading {
    sim: Arc<Sim>,
    room: usize,
    actor: Actor,
}

impl Reading {
    fn memory<T>(&self, look: impl FnOnce(&mut ReaderMemory) -> T) -> T {
        let mut world = self.sim.world();
        let key = (self.room, self.actor.clone());
        look(world.readers.get_mut(&key).expect("every reader has a memory"))
    }

    /// A time up to so many milliseconds.
    fn time(&self, most: usize) -> Duration {
        self.memory(|memory| Duration::from_millis(1 + memory.rng.below(most) as u64))
    }

    async fn turn_pages(&self, engine: &Engine, receiver: &Receiver, room: RoomId, after: u64) -> Result<(), Failure> {
        let mut after = after;
        for _ in 0..4 {
            let max = self.memory(|memory| 1 + memory.rng.below(20));
            let page = engine.page(receiver, room, Index(after), max, 64 * 1024).await?;
            self.sim.world().counts.pages += 1;
            let given = page.deliveries.len() as u64;
            self.given(after, &page, false, engine.now());
            if given == 0 {
                break;
            }
            after += given;
            sleep(self.time(2_000)).await;
        }
        Ok(())
    }

    async fn follow(
        &self,
        engine: &Engine,
        receiver: &Receiver,
        room: RoomId,
        after: u64,
        habit: &Habit,
    ) -> Result<(), Failure> {
        let mut after = after;
        let mut stream = engine.subscribe(receiver, room, Index(after)).await?;
        if matches!(habit, Habit::Stalled) {
            sleep(self.time(45 * 60_000)).await;
        }
        let batches = self.memory(|memory| 1 + memory.rng.below(if matches!(habit, Habit::Cut) { 3 } else { 40 }));
        for _ in 0..batches {
            let patience = self.time(40 * 60_000);
            let Ok(batch) = timeout(patience, stream.next()).await else { break };
            let batch = batch?;
            if self.sim.world().control == Control::LateReader {
                sleep(Duration::from_secs(1)).await;
            }
            self.given(after, &batch, true, engine.now());
            after += batch.deliveries.len() as u64;
            if matches!(habit, Habit::Slow) {
                sleep(self.time(5_000)).await;
            }
        }
        self.sim.world().counts.resumed += 1;
        Ok(())
    }

    /// Something was given: it follows what was given before, it is on record, it is what is on record, and it may be seen.
    fn given(&self, after: u64, batch: &Batch, is_live: bool, now: Timestamp) {
        let mut world = self.sim.world();
        let world = &mut *world;
        let mut wrong = (batch.first != Index(after + 1)).then(|| format!("a gap: {after}, then {:?}", batch.first));
        if world.is_damaged(self.room) {
            wrong = Some("R2: it is given something of a room whose log does not verify".to_owned());
        }
        for (index, delivery) in (batch.first.0..).zip(&batch.deliveries) {
            let now = now.max(world.views[self.room].pure.state.last_recorded_at());
            match world.views[self.room].give(&self.actor, index, delivery, now) {
                Err(why) => drop(wrong.get_or_insert(why)),
                Ok(entry) => {
                    let source = entry.and_then(View::source);
                    let races = |source| world.narrowing.iter().any(|(room, o)| *room == self.room && o == source);
                    world.counts.races += u64::from(source.is_some_and(races));
                }
            }
            world.counts.deliveries += 1;
            world.counts.notices += u64::from(matches!(delivery, Delivery::Notice(_)));
            world.counts.taken_back += u64::from(is_live && matches!(delivery, Delivery::Withdrawn));
            let digest = digest_of(&format!("{delivery:?}"));
            self.sim.note(world, format!("{} is given {}/{index}: {digest:02x?}", self.actor, self.room));
        }
        let memory = world.readers.get_mut(&(self.room, self.actor.clone())).expect("every reader has a memory");
        memory.last = memory.last.max(after + batch.deliveries.len() as u64);
        if let Some(why) = wrong {
            world.violation.get_or_insert(format!("{} in room {}: {why}", self.actor, self.room));
            self.sim.violated.notify_one();
        }
    }
}

/// A word for the trace.
fn brief(command: &Command) -> String {
    let text = format!("{command:?}");
    let digest = digest_of(&text);
    let word: String = text.chars().take_while(char::is_ascii_alphanumeric).collect();
    format!("{word} {:02x?}", &digest[..4])
}

/// A memory for a client that has read nothing.
pub(super) fn new_reader(world: &mut World) -> ReaderMemory {
    ReaderMemory { rng: Rng(world.rng.next()), last: 0 }
}
