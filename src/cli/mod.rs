//! What can be typed, and what does it do? One file for each group of commands; all of them sit on [`crate::client`].
//!
//! Data goes to standard output, everything else to standard error. Each command is a plain function from its arguments to a
//! `Result`; [`run`] turns that into words and an exit code. The commands that need the server side ([`serve`], [`dev`],
//! [`inspect`]) name it in one place each. Tested in each file.

mod answers;
mod certs;
pub mod config;
mod consent;
mod consent_words;
mod context;
mod deliveries;
mod dev;
mod dev_world;
mod failure;
mod inspect;
mod interview;
mod json;
mod launch;
mod organisation;
mod output;
mod post;
mod report;
mod room;
mod seed;
mod serve;
mod session;
mod split;
mod tail;
mod trace;
mod words;

use std::process::ExitCode;

use clap::{ArgAction, CommandFactory, Parser, Subcommand};

use failure::{Exit, Failure};
use output::{Format, Output};
use session::Session;

#[cfg(feature = "danger")]
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (danger: breaks promises on purpose, for tests only)");
#[cfg(not(feature = "danger"))]
const VERSION: &str = env!("CARGO_PKG_VERSION");

const AFTER_HELP: &str = "\
Exit codes:
  0   done                         5   it is not known whether it was done
  1   failed                       64  bad configuration or context
  2   usage                        65  the store is damaged, or was refused
  3   refused by the server        74  a file could not be read or written
  4   not reachable, not admitted

Environment:
  SAMVERKAN_CONTEXTS  the folder of contexts, else ~/.config/samverkan/contexts
  SAMVERKAN_CONTEXT   the context to use
  NO_COLOR            no colours

Begin with `samverkan dev`: it makes certificates, starts a server and tells what to type next.";

/// A message broker for cyber incidents: one room per incident, consent enforced on every message.
#[derive(Debug, Parser)]
#[command(name = "samverkan", version = VERSION, after_help = AFTER_HELP, arg_required_else_help = true)]
pub struct Cli {
    /// Which context to use: who calls which server
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// How to print data
    #[arg(long, global = true, value_enum, default_value = "table", value_name = "FORMAT")]
    output: Format,
    /// Say more on standard error; twice: even more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make certificates, start a server on this machine and seed a small incident: everything to try things out
    Dev(dev::Dev),
    /// Start the server
    Serve(serve::Serve),
    /// Make certificates and look at them
    #[command(subcommand)]
    Certs(certs::Certs),
    /// Who calls which server, with which certificate
    #[command(subcommand)]
    Context(context::ContextCommand),
    /// Keep the register of organisations (the coordinator)
    #[command(subcommand)]
    Organisation(organisation::OrganisationCommand),
    /// Report an incident: asks the eight questions of first contact
    Report(report::Report),
    /// Open, join and leave rooms; say who is in them
    #[command(subcommand)]
    Room(room::RoomCommand),
    /// Post a message: an argument, a file, or standard input
    Post(post::Post),
    /// Show what was delivered to you in a room
    Tail(tail::Tail),
    /// Say what may be shared with whom
    #[command(subcommand)]
    Consent(consent::ConsentCommand),
    /// Look at a store while the server is down, and verify every digest of it
    Inspect(inspect::Inspect),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Does what was typed. The exit code says how it went.
pub fn run(cli: Cli) -> ExitCode {
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        // Our reader went away, as `head` does; that is no failure of ours.
        Err(failure) if failure.is_quiet => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    let output = Output { format: cli.output };
    match &cli.command {
        Command::Serve(_) | Command::Dev(_) => {}
        _ => trace::install_for_commands(cli.verbose),
    }
    let session = Session { context: cli.context, output };
    match cli.command {
        Command::Certs(command) => certs::run(command, output),
        Command::Context(command) => context::run(command, &session),
        Command::Inspect(command) => inspect::run(&command, output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "samverkan", &mut script);
            std::io::Write::write_all(&mut std::io::stdout(), &script).map_err(|error| Failure::of_output(&error))
        }
        Command::Serve(command) => block_on(serve::run(&command)),
        Command::Dev(command) => block_on(dev::run(&command, cli.verbose)),
        Command::Organisation(command) => block_on(organisation::run(command, &session)),
        Command::Report(command) => block_on(report::run(command, &session)),
        Command::Room(command) => block_on(room::run(command, &session)),
        Command::Post(command) => block_on(post::run(command, &session)),
        Command::Tail(command) => block_on(tail::run(command, &session)),
        Command::Consent(command) => block_on(consent::run(command, &session)),
    }
}

fn block_on(task: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(Exit::Failed, format!("could not start the runtime: {error}")))?.block_on(task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_defined() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_the_documentation_says_can_be_typed() {
        for line in [
            "dev --empty --fresh --yes --listen 127.0.0.1:0 --directory x",
            "serve --config samverkan.toml",
            "certs init --directory ca --trust-domain cert.example",
            "certs issue --authority ca --directory anna --actor org/region-a/user/anna --address broker:7443",
            "certs issue --authority ca --directory server --server broker.example,127.0.0.1",
            "certs show a.pem b.pem",
            "context list",
            "context use region-a",
            "context show",
            "organisation register region-c --name Region",
            "organisation suspend region-c --reason left",
            "organisation show region-c",
            "organisation list",
            "report --file answers.toml",
            "report",
            "report show --room 1234 --participant region-a",
            "report amend --room 1234 --file answers.toml",
            "report template",
            "room open title --terms words",
            "room list",
            "room show 1234",
            "room invite region-b --role affected --room 1234",
            "room invitations",
            "room accept 1234 logs=direct:affected --attribution pseudonym",
            "room decline 1234",
            "room leave --room 1234",
            "room remove region-b --reason why",
            "room role region-b third-party",
            "room participants --room 1234",
            "room close",
            "room reopen --room 1234",
            "post text --room 1234 --material logs --tlp amber --to region-b cert-se",
            "post --file log.txt --lossy --reply-to 1234 --occurred 2026-12-01T00:00:00Z",
            "post --coordinator-only text",
            "post text --tlp red --red org/cert-se/user/anna",
            "tail --follow --after 4 --room 1234 --output json",
            "consent show --participant region-a",
            "consent give logs=direct:affected information=relay:third-parties --name region-b:logs=no --police no",
            "consent withdraw --all",
            "consent withdraw --material logs --room 1234",
            "consent withdraw --audience third-parties",
            "consent withdraw --name region-b",
            "consent preview text --material logs",
            "inspect chain --store .dev/store",
            "inspect entries --store .dev/store --room 1234",
            "completions bash",
            "-vv --context region-a tail",
        ] {
            let words = std::iter::once("samverkan").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok_and(|_| true), "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_is_done() {
        for line in [
            "consent withdraw",
            "consent withdraw --all --material logs",
            "post text --file log.txt",
            "post text --coordinator-only --to region-b",
            "tail --after -1",
            "certs issue --authority ca --directory x",
            "post text --tlp pink",
            "room invite region-b --role boss",
        ] {
            let words = std::iter::once("samverkan").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }
}
