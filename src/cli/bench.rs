//! `samverkan bench`: how fast is it here, next to what this machine can do?

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::failure::{Exit, Failure};
use super::output::{note, table};
use super::session::Session;
use crate::bench::failure::BenchError;
use crate::bench::ground::{Elsewhere, Ground};
use crate::bench::options::Options;
use crate::bench::report::{self, Run};
use crate::bench::{Bench, Load, Progress, process};
use crate::client::{ClientError, Contexts};

const AFTER_HELP: &str = "\
Each result is a ratio first: of what sled alone, gRPC alone or the disk alone do on this machine in the same run. The numbers that
the product is to hold stand next to what was measured, with met or MISSED.

Where the server comes from:
  --self-contained   A server of its own for each load, in a process of its own, on an empty store in a temporary folder, with
                     certificates made for the run. Everything goes away afterwards. Processor time, memory, commits and disk of
                     the server are measured, too. The temporary folder is made below --directory: name a disk, not memory.
  without it         The server of the context (--context), which must be the coordinator's. The load needs certificates of several
                     organisations: --authority names the folder of an authority (as `samverkan certs init` makes it; with
                     `samverkan dev` that is certs/dev/ca) with which it makes them for a day. It registers organisations
                     bench-0001, bench-0002 … and opens rooms, and these STAY in the store: never do this to a server that is
                     in use for incidents. With --server-pid and --server-store, if it runs on this machine, its processor
                     time, memory, commits and disk are measured, too. `restart` and whatever needs other limits are left out.

Examples:
  samverkan bench --self-contained --quick              All loads, about a minute
  samverkan bench --self-contained post serial          Two of them
  samverkan bench --self-contained post --connections 32 --rooms 4 --size 200
  samverkan bench --self-contained --output json > before.json
  samverkan bench --self-contained --compare before.json

Measure a release build (cargo run --release -- bench …), on a machine that does nothing else.";

#[derive(Debug, Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct BenchCommand {
    /// Which loads; all if none is named
    #[arg(value_enum, value_name = "LOAD")]
    loads: Vec<Load>,
    /// Start a server of its own for each load
    #[arg(long)]
    self_contained: bool,
    /// Where the temporary folder with certificates and stores is made
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    directory: PathBuf,
    /// Without --self-contained: the folder of the authority that makes the load's certificates
    #[arg(long, value_name = "FOLDER", conflicts_with = "self_contained", required_unless_present = "self_contained")]
    authority: Option<PathBuf>,
    /// Without --self-contained: the server's process on this machine
    #[arg(long, value_name = "PID", conflicts_with = "self_contained")]
    server_pid: Option<u32>,
    /// Without --self-contained: the server's store on this machine
    #[arg(long, value_name = "FOLDER", conflicts_with = "self_contained")]
    server_store: Option<PathBuf>,
    /// Show what changed since an earlier run, which was written with --output json
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Client { doing, source } => {
                let message = format!("{doing}: {source}");
                let is_refused = matches!(source, ClientError::Refused(_));
                let failure = Self::from(source).with_message(message);
                match is_refused {
                    true => failure.hint("the context must be the coordinator's; see `samverkan bench --help`"),
                    false => failure,
                }
            }
            BenchError::Issue(error) => Self::from(error),
            BenchError::Tls(error) => Self::new(Exit::Configuration, error),
            BenchError::Io { ref source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe => {
                Self { is_quiet: true, ..Self::new(Exit::Io, error) }
            }
            BenchError::Io { .. } => Self::new(Exit::Io, error).hint("--directory names a folder on a disk with space"),
            BenchError::NeedsOwnServer(_) => Self::usage(error),
            BenchError::Server(_) | BenchError::Other(_) => Self::new(Exit::Failed, error),
        }
    }
}

pub(crate) async fn run(command: BenchCommand, session: &Session) -> Result<(), Failure> {
    // Before anything is measured: a misspelt name should not cost minutes.
    let before = command.compare.as_ref().map(read).transpose()?;
    let ground = ground(&command, session)?;
    warn(&command, &ground);
    // A signal ends the run like an error: what was made is removed, servers are stopped.
    tokio::select! {
        measured = measure(&command, session, &ground, before.as_ref()) => measured,
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Failed, "interrupted; servers and temporary files are gone")),
    }
}

fn read(path: &PathBuf) -> Result<Run, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::io(path.display(), &error))?;
    Run::parse(&text).map_err(|problem| Failure::usage(format!("{}: {problem}", path.display())))
}

fn ground(command: &BenchCommand, session: &Session) -> Result<Ground, Failure> {
    let Some(authority) = &command.authority else { return Ok(Ground::own(&command.directory)?) };
    let (_, coordinator) = Contexts::from_environment()?.load(session.context.as_deref())?;
    let elsewhere = Elsewhere { coordinator, pid: command.server_pid, store: command.server_store.clone() };
    Ok(Ground::elsewhere(&command.directory, authority, elsewhere)?)
}

fn warn(command: &BenchCommand, ground: &Ground) {
    if cfg!(debug_assertions) {
        note("this is a debug build: its figures mean little; use cargo run --release -- bench …");
    }
    if process::is_in_memory(ground.folder()) {
        let directory = command.directory.display();
        note(format!(
            "{directory} lies in memory, where syncing is free: the figures mean little; name a disk with --directory"
        ));
    }
}

async fn measure(
    command: &BenchCommand,
    session: &Session,
    ground: &Ground,
    before: Option<&Run>,
) -> Result<(), Failure> {
    // Draws on standard error, and only if that is a terminal.
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    let progress = Progress::new({
        let bar = bar.clone();
        move |what| bar.set_message(what)
    });
    let output = session.output;
    let print = |lines: Vec<String>| {
        let printed = bar.suspend(|| if output.is_json() { Ok(()) } else { output.line(&(lines.join("\n") + "\n")) });
        // Whoever read our output has seen enough.
        printed.map_err(|_| BenchError::io("standard output")(std::io::ErrorKind::BrokenPipe.into()))
    };
    let named = !command.loads.is_empty();
    let loads: Vec<Load> = Load::ALL
        .into_iter()
        .filter(|load| if named { command.loads.contains(load) } else { ground.is_own() || !load.needs_own_server() })
        .collect();
    let bench = Bench::new(ground, &command.options, &progress);
    let run = bench.run(&loads, |measured| print(report::lines(measured))).await?;
    bar.finish_and_clear();
    if output.is_json() {
        let value = serde_json::to_value(&run).map_err(|error| Failure::new(Exit::Failed, error))?;
        output.json(&value)?;
    } else {
        print(report::ceiling_lines(&run.ceilings))?;
        print(report::summary(&run))?;
    }
    if let Some(before) = before {
        let rows = report::compare(before, &run);
        let text = table(&["load", "what", "before", "now", "change", ""], rows);
        if output.is_json() { note(text) } else { output.line(&text)? }
    }
    Ok(())
}
