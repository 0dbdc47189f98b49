//! Does the real server keep what it acknowledged, however its process or its power ends? Not part of the product.
//!
//! `kill-rounds --rounds 50 --seed 1` starts `samverkan serve` on a fresh store with throwaway certificates. Organisations post over
//! mutual TLS, many messages under way at once, and read what others post; each keeps journals of what it was told. Some milliseconds
//! after the first acknowledgement the server gets SIGKILL. The next round starts it again; the organisations ask again about what was
//! not answered, with the same request ids, about some that were, and go on. At the end everything is read from the first index
//! and compared with the journals: see `verify.rs` for what must hold. Exit code 0 if it does.
//!
//! `kill-rounds write DIR` does a round without an end on the store in `DIR/store`, and prints how many posts are acknowledged in all;
//! `kill-rounds check DIR ACKED` verifies that store. `tests/powercut/cut.py` drives these two, with DIR on the disk whose power is cut
//! and `--journal` on one that lives on.

mod actor;
mod ground;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use tokio::task::JoinHandle;

use actor::{Acks, Posts, Reads, Stop, ToPost};
use ground::{Ground, Server, random};

/// How a check fails: a sentence.
type Wrong = String;

/// A round takes well below a second, a check of a large store some. After this it hangs.
const ROUND_TIME_MAX: Duration = Duration::from_secs(120);

#[derive(Parser)]
#[command(about = "Kills the real server again and again, and checks that it keeps what it acknowledged")]
struct Arguments {
    #[command(subcommand)]
    mode: Option<Mode>,
    /// How often the server is killed
    #[arg(long, default_value_t = 50)]
    rounds: u64,
    /// Decides the messages and the moments of the kills
    #[arg(long, default_value_t = 1, global = true)]
    seed: u64,
    /// How many organisations post, the coordinator not counted
    #[arg(long, default_value_t = 3, global = true, value_parser = clap::value_parser!(u64).range(2..=50))]
    organisations: u64,
    /// The server's program [default: samverkan, in the folder above this program's]
    #[arg(long, global = true)]
    server: Option<PathBuf>,
    /// Where certificates, journals and the server's log are [default: a temporary folder]
    #[arg(long, global = true)]
    journal: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Mode {
    /// Post to the store in DIR/store until killed; print how many posts are acknowledged in all
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
            eprintln!("kill-rounds, seed {}: {wrong}", arguments.seed);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Wrong> {
    let program = match &arguments.server {
        Some(path) => path.clone(),
        None => beside_examples().ok_or("no samverkan in the folder above this program's; name it with --server")?,
    };
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let journal = |by_default: &Path| arguments.journal.clone().unwrap_or_else(|| by_default.to_owned());
    match &arguments.mode {
        None => {
            let ground = Ground::new(
                program,
                &journal(scratch.path()),
                &scratch.path().join("store"),
                arguments.seed,
                arguments.organisations,
            )?;
            ground.start_afresh()?;
            kill_rounds(Arc::new(ground), arguments).await
        }
        Some(mode) => {
            let (Mode::Write { dir } | Mode::Check { dir, .. }) = mode;
            let Some(journal) = &arguments.journal else { return Err("write and check need --journal".into()) };
            let ground = Ground::new(program, journal, &dir.join("store"), arguments.seed, arguments.organisations)?;
            match mode {
                Mode::Write { .. } => write(Arc::new(ground)).await,
                Mode::Check { acked, .. } => check(Arc::new(ground), *acked).await,
            }
        }
    }
}

fn beside_examples() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    Some(program.parent()?.parent()?.join("samverkan")).filter(|path| path.exists())
}

async fn kill_rounds(ground: Arc<Ground>, arguments: &Arguments) -> Result<(), Wrong> {
    let begun = Instant::now();
    let mut server = Some(Server::start(&ground).await?);
    ground.set_up(server.as_ref().map_or(0, Server::port)).await?;
    for round in 1..=arguments.rounds {
        let running = match server.take() {
            Some(server) => server,
            None => Server::start(&ground).await?,
        };
        let moment = Duration::from_millis(5 + random(arguments.seed, round) % 296);
        let round_ends = kill_round(&ground, running, moment);
        let timed = tokio::time::timeout(ROUND_TIME_MAX, round_ends).await;
        timed
            .map_err(|_| format!("hangs for {ROUND_TIME_MAX:?}"))
            .and_then(|outcome| outcome)
            .map_err(|why| format!("round {round}: {why}"))?;
    }
    let server = Server::start(&ground).await?;
    let found = verify::everything(&ground, server.port()).await?;
    println!(
        "{} rounds, {} acknowledged, of them {} when asked again after a kill, {} deliveries, none lost or doubled; seed {}, {:.0} s",
        arguments.rounds,
        found.acked,
        found.acked_late,
        found.deliveries,
        arguments.seed,
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Everybody posts and reads until, some time after the first acknowledgement, the server is killed.
async fn kill_round(ground: &Arc<Ground>, mut server: Server, moment: Duration) -> Result<(), Wrong> {
    let acks = Arc::new(Acks::quiet());
    let killed = Arc::new(AtomicBool::new(false));
    let everybody = act(ground, server.port(), &acks)?;
    let first = tokio::time::timeout(ROUND_TIME_MAX / 2, acks.first()).await;
    if first.is_ok() {
        tokio::time::sleep(moment).await;
    }
    killed.store(true, Ordering::SeqCst);
    let ended_before = everybody.iter().any(JoinHandle::is_finished);
    server.kill();
    for one in everybody {
        match one.await.map_err(|error| error.to_string())? {
            Stop::Cut(_) if !ended_before => {}
            Stop::Cut(why) => return Err(format!("a stream ended before the server did: {why}")),
            Stop::Done => return Err("somebody who posts without an end came to one".into()),
            Stop::Wrong(wrong) => return Err(wrong),
        }
    }
    first.map_err(|_| "nothing was acknowledged".into())
}

/// Everybody begins to post without an end, and to read. Each task's end says why.
fn act(ground: &Arc<Ground>, port: u16, acks: &Arc<Acks>) -> Result<Vec<JoinHandle<Stop>>, Wrong> {
    let mut everybody = Vec::new();
    for who in ground.actors() {
        let (mut posts, mut reads) = (Posts::load(ground, who)?, Reads::load(ground, who)?);
        let (posting, reading) = ((ground.clone(), acks.clone()), ground.clone());
        everybody.push(tokio::spawn(async move {
            let (ground, acks) = posting;
            match ground.connect(port, who).await {
                Ok(channel) => posts.post(&ground, channel, ToPost::More, &acks).await,
                Err(why) => Stop::Cut(why),
            }
        }));
        everybody.push(tokio::spawn(async move {
            match reading.connect(port, who).await {
                Ok(channel) => reads.follow(&reading, channel).await,
                Err(why) => Stop::Cut(why),
            }
        }));
    }
    Ok(everybody)
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
    for who in ground.actors() {
        acked += Posts::load(&ground, who)?.acked();
    }
    for one in act(&ground, server.port(), &Arc::new(Acks::printed(acked)))? {
        match one.await.map_err(|error| error.to_string())? {
            Stop::Done => {}
            Stop::Cut(why) | Stop::Wrong(why) => return Err(why),
        }
    }
    Ok(())
}

async fn check(ground: Arc<Ground>, acked: u64) -> Result<(), Wrong> {
    let mut in_journals = 0;
    for who in ground.actors() {
        in_journals += Posts::load(&ground, who)?.acked();
    }
    if in_journals < acked {
        return Err(format!("the journals have {in_journals} acknowledgements, {acked} were printed"));
    }
    let server = Server::start(&ground).await?;
    let found = verify::everything(&ground, server.port()).await?;
    println!(
        "{in_journals} acknowledged, {} more when asked again, {} deliveries",
        found.acked - in_journals,
        found.deliveries
    );
    Ok(())
}
