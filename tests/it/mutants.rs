//! Mistakes made on purpose: each is made in the core, behind a switch that only a build with the feature `danger` has. A transcript,
//! the comparison with the naive model, or the pairs of histories must notice it. Prints which of them did.
//!
//! `cargo test --features danger --test it mistake -- --nocapture`

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{iter, thread};

use samverkan::room::mutant::{Mutant, switch_on};

use crate::{disclosure, non_interference, scenarios};

/// How many random histories, and how many pairs, a mistake may pass unnoticed.
const HISTORIES: u64 = 200;
const PAIRS: u64 = 200;

/// Which tests noticed a mistake.
#[derive(Default)]
struct Noticed {
    transcripts: Vec<String>,
    /// The number of the history, and what was wrong.
    history: Option<(u64, String)>,
    pair: Option<(u64, String)>,
}

impl Noticed {
    fn by_any(&self) -> bool {
        !self.transcripts.is_empty() || self.history.is_some() || self.pair.is_some()
    }
}

/// What `run` says of the first number for which it fails, or panics.
fn first_failure(up_to: u64, mut run: impl FnMut(u64) -> Result<(), String>) -> Option<(u64, String)> {
    (1..=up_to).find_map(|n| {
        let run = std::panic::AssertUnwindSafe(|| run(n));
        match std::panic::catch_unwind(run) {
            Ok(outcome) => outcome.err().map(|why| (n, why)),
            Err(_) => Some((n, "panics".into())),
        }
    })
}

fn try_out(mutant: Mutant) -> Noticed {
    switch_on(Some(mutant));
    let mut histories = disclosure::random::Counts::default();
    let mut pairs = non_interference::Counts::default();
    let transcripts = scenarios::that_fail();
    let history = first_failure(HISTORIES, |n| disclosure::random::one_history(n, &mut histories));
    // The pairs take longest, and see least of what is wrong.
    let pair = match transcripts.is_empty() && history.is_none() {
        true => first_failure(PAIRS, |n| non_interference::pair(n, &mut pairs)),
        false => None,
    };
    Noticed { transcripts, history, pair }
}

#[test]
fn every_mistake_is_noticed_by_a_test() {
    let next = AtomicUsize::new(0);
    let table = Mutex::new(Vec::new());
    let work = || {
        for n in iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed)) {
            let Some(&mutant) = Mutant::ALL.get(n) else { break };
            let noticed = try_out(mutant);
            table.lock().expect("nobody panicked").push((n, mutant, noticed));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let mut table = table.into_inner().expect("nobody panicked");
    table.sort_by_key(|(n, ..)| *n);
    for (_, mutant, noticed) in &table {
        let history = noticed.history.as_ref().map_or("-".into(), |(n, _)| n.to_string());
        let pair = noticed.pair.as_ref().map_or(String::new(), |(n, _)| format!(", pair {n}"));
        println!("{:<28} history {history:>3}{pair}; {}", format!("{mutant:?}"), noticed.transcripts.join(" "));
    }
    let survivors: Vec<_> = table.iter().filter(|(.., by)| !by.by_any()).map(|(_, mutant, _)| mutant).collect();
    println!("{} mutants, {} noticed", table.len(), table.len() - survivors.len());
    assert!(survivors.is_empty(), "nobody noticed {survivors:?}");
}
