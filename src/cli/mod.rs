//! What can be typed, and what does it do? One file for each group of commands; all of them sit on [`crate::client`].
//!
//! Data goes to standard output, everything else to standard error. Each command is a plain function from its arguments to a
//! `Result`; [`run`] turns that into words and an exit code. The commands that need the server side ([`serve`], [`dev`],
//! [`inspect`]) name it in one place each. Tested in each file.

mod access;
mod answers;
mod ask;
mod attachment;
mod audit;
mod backup;
mod bench;
mod certs;
pub mod config;
mod confirm;
mod consent;
mod consent_grid;
mod consent_words;
mod context;
mod deliveries;
mod dev;
mod dev_world;
mod doctor;
mod erasure;
mod export;
mod failure;
mod files;
mod find;
mod inspect;
mod interview;
mod introduction;
mod invite;
mod join;
mod json;
mod keys;
mod launch;
mod legal;
mod message;
mod organisation;
mod output;
mod police;
mod post;
mod receipts;
mod relay;
mod release;
mod reload;
mod renew;
mod report;
mod restore;
mod room;
mod room_acts;
mod room_export;
mod seed;
mod serve;
mod session;
mod split;
mod tail;
mod text;
mod trace;
mod when;
mod widening;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, CommandFactory, Parser, Subcommand};

use certs::Certs;
use failure::{Exit, Failure};
use output::{Format, Output};
use session::Session;

#[cfg(feature = "danger")]
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (danger: breaks promises on purpose, for tests only)");
#[cfg(not(feature = "danger"))]
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// For threads that are still at something when a command is done.
const THREADS_END_TIME_MAX: Duration = Duration::from_secs(10);

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
    Certs(Certs),
    /// Make the key with which a server encrypts what it stores, and look at one
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Who calls which server, with which certificate
    #[command(subcommand)]
    Context(context::ContextCommand),
    /// Let somebody without a certificate join: print a line to hand over (the coordinator)
    #[command(subcommand)]
    Invite(invite::InviteCommand),
    /// Join with the line that the coordinator gave you: makes a key, gets a certificate, writes a context
    Join(join::Join),
    /// Keep the register of organisations (the coordinator)
    #[command(subcommand)]
    Organisation(organisation::OrganisationCommand),
    /// Look at the running server
    #[command(subcommand)]
    Server(access::ServerCommand),
    /// Report an incident: asks the eight questions of first contact
    Report(report::Report),
    /// Open, join and leave rooms; say who is in them
    #[command(subcommand)]
    Room(room::RoomCommand),
    /// Post a message: an argument, a file, or standard input
    Post(post::Post),
    /// Files that came with messages: list them, fetch one
    #[command(subcommand)]
    Attachment(attachment::AttachmentCommand),
    /// Show what was delivered to you in a room
    Tail(tail::Tail),
    /// One message: who has it and why, take it back, acknowledge it
    #[command(subcommand)]
    Message(message::MessageCommand),
    /// Say what may be shared with whom
    #[command(subcommand)]
    Consent(consent::ConsentCommand),
    /// The coordinator's own words, made from others' messages; a source approves them
    #[command(subcommand)]
    Relay(relay::RelayCommand),
    /// Answer the coordinator, who proposes to put you in touch with somebody
    #[command(subcommand)]
    Introduction(introduction::IntroductionCommand),
    /// What you reported to the police; what the coordinator forwards to them
    #[command(subcommand)]
    Police(police::PoliceCommand),
    /// Disclose what a law requires: two persons of the coordinator
    #[command(subcommand)]
    Legal(legal::LegalCommand),
    /// Destroy what was written for good: two persons of the coordinator
    #[command(subcommand)]
    Erasure(erasure::ErasureCommand),
    /// Let nothing be erased in a room (the coordinator)
    #[command(subcommand)]
    Hold(erasure::HoldCommand),
    /// How long rooms are kept, and which are due to be erased (the coordinator)
    #[command(subcommand)]
    Retention(erasure::RetentionCommand),
    /// The audit trail: who did what to the server (the coordinator)
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Find out what is wrong between here and a server, or with a server's own machine, and what mends it
    Doctor(doctor::Doctor),
    /// Copy the store of a running server (the coordinator), and check such copies
    Backup(backup::Backup),
    /// Make a store from backups
    Restore(restore::Restore),
    /// Look at a store while the server is down, and verify every digest of it
    Inspect(inspect::Inspect),
    /// Measure how fast it is here, next to what this machine can do
    Bench(Box<bench::BenchCommand>),
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
    let session = Session::new(cli.context, output);
    let done = run_command(cli.command, cli.verbose, &session);
    session.remind();
    done
}

fn run_command(command: Command, verbose: u8, session: &Session) -> Result<(), Failure> {
    let output = session.output;
    match command {
        Command::Certs(command) => match command {
            Certs::Renew(command) => block_on(renew::run(command, session)),
            Certs::Export(command) => export::run(&command, session),
            Certs::Revoke(command) => block_on(access::revoke(command, session)),
            Certs::Reinstate(command) => block_on(access::reinstate(command, session)),
            Certs::Revocations => block_on(access::revocations(session)),
            Certs::OnDisk(command) => certs::run(command, output),
        },
        Command::Keys(command) => keys::run(command, output),
        Command::Server(command) => block_on(access::server(command, session)),
        Command::Context(command) => context::run(command, session),
        Command::Restore(command) => restore::run(&command, output),
        Command::Backup(command) => block_on(backup::run(command, session)),
        Command::Inspect(command) => inspect::run(&command, output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "samverkan", &mut script);
            std::io::Write::write_all(&mut std::io::stdout(), &script).map_err(|error| Failure::of_output(&error))
        }
        Command::Bench(command) => block_on(bench::run(*command, session)),
        Command::Serve(command) => block_on(serve::run(&command)),
        Command::Dev(command) => block_on(dev::run(&command, verbose)),
        Command::Organisation(command) => block_on(organisation::run(command, session)),
        Command::Invite(command) => block_on(invite::run(command, session)),
        Command::Join(command) => block_on(join::run(command, session)),
        Command::Report(command) => block_on(report::run(command, session)),
        Command::Room(command) => block_on(room::run(command, session)),
        Command::Post(command) => block_on(post::run(command, session)),
        Command::Attachment(command) => block_on(attachment::run(command, session)),
        Command::Tail(command) => block_on(tail::run(command, session)),
        Command::Message(command) => block_on(message::run(command, session)),
        Command::Consent(command) => block_on(consent::run(command, session)),
        Command::Relay(command) => block_on(relay::run(command, session)),
        Command::Introduction(command) => block_on(introduction::run(command, session)),
        Command::Police(command) => block_on(police::run(command, session)),
        Command::Doctor(command) => block_on(doctor::run(&command, session)),
        Command::Audit(command) => block_on(audit::run(command, session)),
        Command::Legal(command) => block_on(legal::run(command, session)),
        Command::Erasure(command) => block_on(erasure::run(command, session)),
        Command::Hold(command) => block_on(erasure::hold(command, session)),
        Command::Retention(command) => block_on(erasure::retention(command, session)),
    }
}

fn block_on(task: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(Exit::Failed, format!("could not start the runtime: {error}")))?;
    let done = runtime.block_on(task);
    // A thread that waits for a disk that has failed may wait for ever.
    runtime.shutdown_timeout(THREADS_END_TIME_MAX);
    done
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
            "certs renew",
            "certs renew --daemon --context region-a",
            "certs export --pkcs12 me.p12",
            "certs export --pkcs12 me.p12 --password-file password --context region-a --output json",
            "certs revoke --certificate 0123 --of org/region-a/user/anna --reason stolen",
            "certs revoke --actor org/region-a/user/anna --reason left",
            "certs revoke --organisation region-a --reason left",
            "certs reinstate --actor org/region-a/user/anna --reason back",
            "certs revocations",
            "server connections",
            "context list",
            "context use region-a",
            "context show",
            "organisation register region-c --name Region",
            "organisation suspend region-c --reason left",
            "organisation show region-c",
            "organisation list",
            "invite create --organisation region-c --actor user/anna --room 1234 --valid 24h",
            "invite create --organisation region-c --register Region --actor service/siem",
            "invite create --organisation region-c --actor user/anna --approve",
            "invite approve 7K2M-Q9XD",
            "invite approve 7k2mq9xd --invite 1234",
            "invite list",
            "invite revoke 1234",
            "join samverkan1:a:1:b:c:d --context region-c",
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
            "room export --directory x",
            "room export 1234 --directory x --output json",
            "room reopen --room 1234",
            "post text --room 1234 --material logs --tlp amber --to region-b,cert-se",
            "post --file log.txt --lossy --reply-to 1234 --occurred 2026-12-01T00:00:00Z",
            "post --coordinator-only text",
            "post text --attach a.log b.log --attach-material logs --attach-type text/plain",
            "attachment list --room 1234",
            "attachment get 12 --directory x",
            "attachment get 12345678 --to x.log --room 1234",
            "post text --tlp red --red org/cert-se/user/anna",
            "tail --follow --after 4 --room 1234 --output json",
            "consent show --participant region-a",
            "consent give logs=direct:affected information=relay:third-parties --name region-b:logs=no --police no",
            "consent withdraw --all",
            "consent withdraw --material logs --room 1234",
            "consent withdraw --audience third-parties",
            "consent withdraw --name region-b",
            "consent preview text --material logs",
            "consent give logs=direct:affected --yes",
            "consent withdraw --message 12 --recall 24h",
            "consent withdraw --all --recall 2026-12-01T00:00:00Z",
            "consent release 12 0123abcd --to region-b,vendor-x --yes",
            "consent revoke 21 --room 1234",
            "consent recall answer 40 --deleted",
            "consent recall answer 40 --deleted --comment backups",
            "consent recall answer 40 --retained-by-law act",
            "consent recall answer 40 --shared-onward why",
            "consent recall answer 40 --cannot why",
            "consent ask region-a --message 12,14 --to region-b --reason why --answer-by 4h",
            "consent ask region-a --material logs --audience affected --reason why --answer-by 24h",
            "consent answer 17 relay --comment words",
            "consent answer 17 no",
            "consent answer 17 yes --yes",
            "consent suggest --material logs --source region-a --reason why",
            "relay publish --from 12,14 --tlp green --to vendor-x text",
            "relay publish --from 12 --supersedes 11 --acknowledge-by 2h --file text.txt --yes",
            "relay preview --from 12 text",
            "relay approve 21",
            "relay approve 21 --to vendor-x --yes",
            "relay reject 21 --reason why",
            "message show 0123abcd-0000-4000-8000-000000000000",
            "message receipts 12 --output json",
            "message explain 12 vendor-x",
            "message acknowledge 12",
            "message retract 12 --reason why",
            "post --supersedes 12 --acknowledge-by 2h --yes text",
            "room see-as region-b --room 1234",
            "room terms --file terms.txt --yes",
            "room introduce region-a vendor-x --text words",
            "room introduce region-a vendor-x --to-first one --to-second two",
            "room connect 5678 --reason why",
            "room connections",
            "introduction accept 9 --contact astrid",
            "introduction decline 9",
            "police report K1",
            "police forward 12 14 --to police --reason why",
            "legal propose 12 14 --to police --statute law --suppress-until 30d",
            "legal confirm 31",
            "erasure propose --message 12 --basis law --room 1234",
            "erasure propose --participant region-a --basis law",
            "erasure propose --whole-room --basis law",
            "erasure confirm 31 --yes",
            "erasure list --output json",
            "hold place --reason why",
            "hold lift --reason why --room 1234",
            "retention set --years 5",
            "retention set --none --room 1234",
            "retention due --all",
            "audit list --since 1d --until 2026-12-01T00:00:00Z --kind signed_in --kind seen_as --organisation region-a",
            "audit tail --after 4711 --output json",
            "doctor --context region-a --output json",
            "doctor --config samverkan.toml",
            "inspect audit --store .dev/store",
            "inspect chain --store .dev/store",
            "inspect entries --store .dev/store --room 1234",
            "bench --self-contained --quick",
            "bench --self-contained post serial --connections 8 --window 64 --size 1_024 --rooms 1 --seconds 5",
            "bench --self-contained fanout catchup large subscribers stalled restart mixed disclose --quick",
            "bench --authority certs/dev/ca --context cert-se --server-pid 7 --server-store .dev/store post",
            "completions bash",
            "-vv --context region-a tail",
        ] {
            let words = std::iter::once("samverkan").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok_and(|_| true), "{line}");
        }
    }

    #[test]
    fn a_text_after_the_recipients_is_the_text() {
        let cli = Cli::try_parse_from(["samverkan", "post", "--to", "region-b", "--to", "cert-se,vendor-x", "words"]);
        let Ok(Cli { command: Command::Post(post), .. }) = cli else { panic!("{cli:?}") };
        assert!(post.is_text("words"), "{post:?}");
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
            "certs export",
            "certs export --pkcs12 me.p12 --password words",
            "room invite region-b --role boss",
            "consent withdraw --message 12 --all",
            "consent withdraw --message region-a",
            "consent release 12",
            "consent recall answer 40",
            "consent recall answer 40 --deleted --cannot why",
            "consent recall answer 40 --cannot why --comment words",
            "consent ask region-a --to region-b --reason why --answer-by 4h",
            "consent ask region-a --material logs --reason why --answer-by 4h",
            "consent ask region-a --material logs --to region-b --reason why",
            "consent answer 17 maybe",
            "relay publish text",
            "relay reject 21",
            "message retract 12",
            "post text --acknowledge-by soon",
            "room export 1234",
            "room introduce region-a vendor-x",
            "room introduce region-a vendor-x --to-first one",
            "introduction accept 9",
            "legal propose 12 --to police",
            "erasure propose --basis law",
            "erasure propose --message 12 --whole-room --basis law",
            "erasure propose --whole-room",
            "retention set",
            "retention set --years 0",
            "retention set --years 5 --none",
            "bench",
            "bench --self-contained --authority ca",
            "bench --self-contained --window 0",
        ] {
            let words = std::iter::once("samverkan").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }
}
