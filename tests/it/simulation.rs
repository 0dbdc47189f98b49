//! The engine, as it runs in production, in a simulated world: virtual time, a simulated disk, clients that are slow, stalled or cut,
//! and processes that are killed at any moment. The same seed gives the same history, to the last delivery.
//!
//! Simulated are the store, the clock and the clients; nothing of the engine is, but that what it does on other threads is done by tasks
//! that take as long as the seed says. Checked at every moment: R1 (what was acknowledged is there after every crash), R2 (nothing is
//! shown of a log that does not verify), R4, R5 (each delivery record and each delivery against the naive model), R6, R8, R9; and
//! that a second run leaves the same trace.
//!
//! `SAMVERKAN_SIM_SEEDS` sets how many histories, `SAMVERKAN_SIM_SEED` runs one seed and prints its trace if it fails:
//! `SAMVERKAN_SIM_SEED=7 cargo test --test it simulation -- --nocapture`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use self::counts::Counts;
use self::lives::{Outcome, history};
use crate::disclosure::from_env;

mod clients;
mod counts;
mod lives;
mod view;
mod world;

/// Who lies in a run, so that the checks can be seen to notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Control {
    /// Nobody.
    Honest,
    /// A disk that says that it has written and has not.
    NeverWritten,
    /// A disk that forgets its last commits when the process ends.
    Forgetful,
    /// A reader that shows what it was given a second later, as an engine does that hands out what was taken back.
    LateReader,
}

/// Histories in which everything happens that can: fewer are for a quick look.
const SEEDS_MIN: u64 = 40;

/// Runs a seed twice. An error says what is wrong.
fn twice(seed: u64) -> Result<Counts, String> {
    let first = history(seed, Control::Honest);
    let told = |outcome: &Outcome| {
        let from = outcome.lines.len().saturating_sub(if from_env("SAMVERKAN_SIM_SEED", 0) > 0 { 400 } else { 0 });
        outcome.lines[from..].join("\n")
    };
    let again = format!("again with SAMVERKAN_SIM_SEED={seed} cargo test --test it simulation -- --nocapture");
    if let Some(why) = &first.violation {
        return Err(format!("{}\nseed {seed}: {why}\n{again}", told(&first)));
    }
    let second = history(seed, Control::Honest);
    if first.digest != second.digest || first.counts != second.counts {
        let differs = first.lines.iter().zip(&second.lines).position(|(first, second)| first != second);
        let at = differs.unwrap_or(first.lines.len().min(second.lines.len()));
        let lines =
            |outcome: &Outcome| outcome.lines[at.saturating_sub(3)..].iter().take(6).cloned().collect::<Vec<_>>();
        return Err(format!(
            "seed {seed} gives two histories from line {at} on: {:#?} and {:#?}\n{again}",
            lines(&first),
            lines(&second)
        ));
    }
    Ok(first.counts)
}

#[test]
fn the_simulated_engine_keeps_its_promises_and_a_seed_repeats_it() {
    let one = from_env("SAMVERKAN_SIM_SEED", 0);
    let seeds = from_env("SAMVERKAN_SIM_SEEDS", 4);
    let (from, to) = if one > 0 { (one, one) } else { (1, seeds) };
    let next = AtomicU64::new(from);
    let work = || {
        let mut sum = Counts::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > to {
                return Ok(sum);
            }
            sum.add(&twice(seed)?);
        }
    };
    let mut sum = Counts::default();
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let counts: Result<Counts, String> = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            sum.add(&counts.unwrap_or_else(|why| panic!("{why}")));
        }
    });
    let all = sum.all();
    println!("{all:#?}");
    println!(
        "{} histories simulated, seeds {from}..={to}, each twice with equal traces: {:.1} hours, {} commands, {} deliveries, {} crashes, \
         {} races with a narrowing",
        to + 1 - from,
        sum.simulated_us as f64 / 3.6e9,
        sum.commands,
        sum.deliveries,
        sum.crashes(),
        sum.races
    );
    let never: Vec<_> = all.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    assert!(to - from + 1 < SEEDS_MIN || never.is_empty(), "not a valid run: there were no {never:?}");
}

/// The first of these seeds at which a lie is noticed, and how.
fn noticed(control: Control, seeds: u64) -> Option<(u64, String)> {
    (1..=seeds).find_map(|seed| history(seed, control).violation.map(|why| (seed, why)))
}

#[test]
fn the_simulation_notices_a_disk_that_never_writes() {
    let (seed, why) = noticed(Control::NeverWritten, 1).expect("it is noticed");
    println!("seed {seed}: {why}");
}

#[test]
fn the_simulation_notices_a_disk_that_forgets() {
    let (seed, why) = noticed(Control::Forgetful, 3).expect("it is noticed");
    println!("seed {seed}: {why}");
    assert!(why.contains("R1"), "{why}");
}

#[test]
fn the_simulation_notices_what_is_given_after_it_was_taken_back() {
    let (seed, why) = noticed(Control::LateReader, 60).expect("it is noticed");
    println!("seed {seed}: {why}");
    assert!(why.contains("R6"), "{why}");
}

/// Promises that the engine itself breaks when it is told to: each in a process of its own.
#[cfg(feature = "danger")]
#[test]
fn the_simulation_notices_every_mistake_of_the_engine() {
    for danger in ["SAMVERKAN_DANGER_ACK_EARLY", "SAMVERKAN_DANGER_RECORDS_LATE", "SAMVERKAN_DANGER_NO_CHAIN"] {
        let output = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "simulation::the_simulated_engine_keeps_its_promises_and_a_seed_repeats_it"])
            .env(danger, "1")
            // A flipped bit that only the digests notice is rare: among the first seeds there is none.
            .env("SAMVERKAN_SIM_SEEDS", "40")
            .output()
            .expect("this test again");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{danger} is not noticed");
        let why = said.lines().find(|line| line.contains("seed ")).unwrap_or_default();
        println!("{danger}: {why}");
    }
}
