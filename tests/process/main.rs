//! Does the real server keep what it acknowledged, whatever happens to its process, its disk and its files? Not part of the product.
//!
//! `torture` starts `samverkan serve` on fresh stores with throwaway certificates. Organisations meet in two rooms over mutual TLS: they
//! post, many messages under way at once, subscribe, give their consent and take it back while deliveries run; each keeps synced journals
//! of what it was told. Faults of every kind are done to the server; after each it is started again, the organisations ask again about
//! what was not answered, with the same request ids, and everything is compared: see `verify.rs` for what must hold. One table says
//! what was done and what was found. Exit code 0 if all of it held, and if there were faults, load, and withdrawals that met deliveries.
//!
//! With `--danger`, a server that breaks a promise on purpose must be found out, every time.
//!
//! `torture write DIR` does a life without an end on the store in `DIR/store`, and prints how many posts are acknowledged in all;
//! `torture check DIR ACKED` verifies that store. `tests/powercut/cut.py` drives these two, with DIR on the disk whose power is cut
//! and `--journal` on one that lives on.

mod acts;
mod controls;
mod damage;
mod faults;
mod files;
mod ground;
mod journal;
mod life;
mod model;
mod plan;
mod posts;
mod proxy;
mod reads;
mod server;
mod strace;
mod sweep;
mod verify;

use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use futures_util::StreamExt;

use ground::{Ground, said};
use life::{Life, Manner};
use plan::{Plan, Row, SIZE};
use posts::{Posts, Told};
use server::Server;
use verify::Found;

/// How a check fails: a sentence.
type Wrong = String;

/// One fault takes some minutes at most. After this it hangs.
const FAULT_TIME_MAX: Duration = Duration::from_secs(1200);

/// How often each broken promise is tried at most.
const CONTROLS_MAX: u64 = 5;

#[derive(Parser)]
#[command(about = "Does to the real server whatever can happen to it, and checks that it keeps what it acknowledged")]
struct Arguments {
    #[command(subcommand)]
    mode: Option<Mode>,
    /// How often the server gets SIGKILL
    #[arg(long, default_value_t = 200)]
    kills: u64,
    /// How often each other fault is made
    #[arg(long, default_value_t = 20)]
    times: u64,
    /// Sweep no further than the so many-th call [default: to the end]
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    sweep_max: u64,
    /// Only the faults whose name holds one of these words
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Faults under way at once
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    at_once: u8,
    /// Decides the messages, the acts and the moments of the faults
    #[arg(long, default_value_t = 1, global = true)]
    seed: u64,
    /// The server's program [default: samverkan, in the folder above this program's]
    #[arg(long, global = true)]
    server: Option<PathBuf>,
    /// The same, built with the feature `danger`: for clock steps and controls
    #[arg(long)]
    danger: Option<PathBuf>,
    /// Where certificates, journals and the server's log are [default: a temporary folder]
    #[arg(long, global = true)]
    journal: Option<PathBuf>,
    /// Keep what a run leaves when it fails
    #[arg(long)]
    keep: bool,
}

#[derive(Subcommand)]
enum Mode {
    /// Work on the store in DIR/store until killed; print how many posts are acknowledged in all
    Write { dir: PathBuf },
    /// Check that store: at least ACKED acknowledged posts, and all that the journals say
    Check { dir: PathBuf, acked: u64 },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            eprintln!("torture, seed {}: {wrong}", arguments.seed);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Wrong> {
    let program = match &arguments.server {
        Some(path) => path.clone(),
        None => beside_examples().ok_or("no samverkan in the folder above this program's; name it with --server")?,
    };
    match &arguments.mode {
        None => torture(arguments, program).await,
        Some(mode) => {
            let (Mode::Write { dir } | Mode::Check { dir, .. }) = mode;
            let Some(journal) = &arguments.journal else { return Err("write and check need --journal".into()) };
            let ground = Arc::new(Ground::new(&program, journal, &dir.join("store"), arguments.seed, SIZE)?);
            match mode {
                Mode::Write { .. } => write(ground).await,
                Mode::Check { acked, .. } => check(ground, *acked).await,
            }
        }
    }
}

fn beside_examples() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    Some(program.parent()?.parent()?.join("samverkan")).filter(|path| path.exists())
}

type Making = Pin<Box<dyn Future<Output = Result<Row, Wrong>>>>;

async fn torture(arguments: &Arguments, program: PathBuf) -> Result<(), Wrong> {
    let begun = Instant::now();
    let scratch = said(tempfile::tempdir())?;
    let folder = arguments.journal.clone().unwrap_or_else(|| scratch.path().to_owned());
    let plan =
        Plan { program, danger: arguments.danger.clone(), scratch: folder, seed: arguments.seed, attaches: true };
    // Where one write among those of the store is hit.
    let of_store = Plan { attaches: false, ..plan.clone() };
    let (kills, times, controls) = (arguments.kills, arguments.times, arguments.times.min(CONTROLS_MAX));
    let sweep_max = arguments.sweep_max;
    let make = || -> Vec<(&'static str, Making)> {
        let (plan, of_store) = (|| plan.clone(), || of_store.clone());
        vec![
            ("kills", Box::pin(faults::kills(plan(), kills))),
            ("sweep", Box::pin(sweep::sweep(of_store(), sweep_max))),
            ("io-errors", Box::pin(faults::io_errors(of_store(), times))),
            ("slow-disk", Box::pin(faults::slow_disk(plan(), times))),
            ("full-disk", Box::pin(faults::full_disk(plan(), times))),
            ("file-size", Box::pin(faults::file_size(plan(), times))),
            ("pauses", Box::pin(faults::pauses(plan(), times))),
            ("cuts", Box::pin(faults::cuts(plan(), times))),
            ("flips", Box::pin(damage::flips(of_store(), times))),
            ("truncations", Box::pin(damage::truncations(of_store(), times))),
            ("swaps", Box::pin(damage::swaps(of_store(), times))),
            ("altered", Box::pin(damage::altered(of_store(), times))),
            ("control-ack-early", Box::pin(controls::ack_early(of_store(), controls))),
            ("control-records-late", Box::pin(controls::records_late(of_store(), controls))),
            ("control-no-chain", Box::pin(controls::no_chain(of_store(), controls))),
            ("clock-steps", Box::pin(faults::clock_steps(plan(), times))),
        ]
    };
    let names: Vec<&str> = make().into_iter().map(|(name, _)| name).collect();
    let is_wanted =
        |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| name.contains(only.as_str()));
    if !names.iter().any(|name| is_wanted(name)) {
        return Err(format!("--only: the faults are {}", names.join(", ")));
    }
    let makings = make().into_iter().filter(|(name, _)| is_wanted(name)).map(|(name, making)| async move {
        let row = match tokio::time::timeout(FAULT_TIME_MAX, making).await {
            Ok(row) => row,
            Err(_) => Err(format!("hangs for {FAULT_TIME_MAX:?}")),
        };
        match &row {
            Ok(row) => eprintln!("{name}: {} times, {}, {:.0} s", row.times, row.outcome, row.took.as_secs_f64()),
            Err(wrong) => eprintln!("{name}: FAILED: {wrong}"),
        }
        row.map_err(|wrong| format!("{name}: {wrong}"))
    });
    let rows: Vec<Result<Row, Wrong>> =
        futures_util::stream::iter(makings).buffer_unordered(usize::from(arguments.at_once)).collect().await;
    let (rows, wrong): (Vec<_>, Vec<_>) = rows.into_iter().partition(Result::is_ok);
    let rows: Vec<Row> = rows.into_iter().filter_map(Result::ok).collect();
    let found = show(&rows);
    if arguments.keep && !wrong.is_empty() {
        eprintln!("kept: {}", scratch.keep().display());
    }
    if let Some(Err(wrong)) = wrong.into_iter().next() {
        return Err(wrong);
    }
    let has_load = rows.iter().any(|row| row.has_load);
    for (what, count) in [
        ("faults", rows.iter().map(|row| row.times).sum()),
        ("posts", found.posts),
        ("withdrawals that met deliveries", found.races),
    ] {
        if count == 0 && (has_load || what == "faults") {
            return Err(format!("the run had no {what}, so it shows nothing"));
        }
    }
    println!(
        "{} faults, {} posts, {} acts of consent, {} deliveries, {} races of a withdrawal with a delivery, {} files: all held; seed {}, {:.0} s",
        rows.iter().map(|row| row.times).sum::<u64>(),
        found.posts,
        found.acts,
        found.deliveries,
        found.races,
        found.files,
        arguments.seed,
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Prints the table; gives its sum.
fn show(rows: &[Row]) -> Found {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "fault",
        "times",
        "checks",
        "posts",
        "late",
        "acts",
        "deliveries",
        "races",
        "files",
        "s",
        "outcome",
    ]);
    let mut sum = Found::default();
    for row in rows {
        let Found { posts, late, acts, deliveries, races, files, quarantined: _ } = row.found;
        let numbers = [row.times, row.checks, posts, late, acts, deliveries, races, files, row.took.as_secs()];
        let cells = std::iter::once(row.fault.to_owned()).chain(numbers.map(|number| number.to_string()));
        table.add_row(cells.chain([row.outcome.clone()]));
        sum += row.found;
    }
    println!("{table}");
    sum
}

async fn write(ground: Arc<Ground>) -> Result<(), Wrong> {
    let is_fresh = !ground.has_store();
    if is_fresh {
        ground.start_afresh()?;
    }
    let server = Server::start(&ground).await?;
    if is_fresh {
        ground.set_up(server.port()).await?;
    }
    let mut acked = 0;
    for who in ground.seats() {
        acked += Posts::load(&ground, who)?.acked();
    }
    Life::begin_told(&ground, server.port(), Manner::Once, Told::printed(acked)).end().await?;
    Err("everybody has stopped".into())
}

async fn check(ground: Arc<Ground>, acked: u64) -> Result<(), Wrong> {
    let mut in_journals = 0;
    for who in ground.seats() {
        in_journals += Posts::load(&ground, who)?.acked();
    }
    if in_journals < acked {
        return Err(format!("the journals have {in_journals} acknowledgements, {acked} were printed"));
    }
    let server = Server::start(&ground).await?;
    let found = verify::everything(&ground, server.port()).await?;
    println!(
        "{in_journals} acknowledged, {} more when asked again, {} deliveries, {} races, {} files",
        found.posts - in_journals,
        found.deliveries,
        found.races,
        found.files
    );
    Ok(())
}
