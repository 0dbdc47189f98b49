//! Can a hostile network, or a hostile member, hurt those who only want to work? Not part of the product.
//!
//! `attacks` starts `samverkan serve` with its default limits, and has honest organisations post and follow a room over mutual TLS. Quiet
//! and attack take turns, so that both see the same machine. One table says how long honest posts and deliveries took in each (the median
//! over the rounds of their p99, and the spread), how long somebody who came anew needed, and how much memory the server held. Times of
//! posts and deliveries are printed, not judged: attackers share the machine with the server, if at the lowest priority. Judged is what must hold on any machine:
//! no honest call fails, a newcomer is served within the handshake deadline, memory stays under a bound, the server lives and answers.

mod attacks;
mod frames;
#[expect(dead_code, reason = "made for the torture, of which this needs a part")]
#[path = "../process/ground.rs"]
mod ground;
mod honest;
#[expect(dead_code, reason = "made for the torture, of which this needs a part")]
#[path = "../process/journal.rs"]
mod journal;
#[expect(dead_code, reason = "made for the torture, of which this needs a part")]
#[path = "../process/server.rs"]
mod server;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use samverkan::limits;
use tokio::task::JoinSet;

use attacks::{ALL, Field, Kind};
use ground::{Ground, Size, said};
use honest::Honest;
use server::{Launch, Server};

/// How a check fails: a sentence.
type Wrong = String;

/// An honest call that takes longer has failed. As long as a handshake may take, so that a newcomer is held to that.
const PATIENCE: Duration = limits::HANDSHAKE_TIME_MAX;

/// MiB that the server may hold in memory, whatever is done to it: some times what it needs when quiet, and a small machine has it.
const RSS_MIB_MAX: u64 = 512;

/// Descriptors of the server that runs out of them: enough for the honest, and for no attack.
const DESCRIPTORS: u32 = 160;

#[derive(Parser)]
#[command(about = "Attacks the real server and measures what honest clients notice")]
struct Arguments {
    /// Rounds of quiet and attack
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Milliseconds of each half of a round
    #[arg(long, default_value_t = 1500)]
    half: u64,
    /// Only the attacks whose name holds one of these words
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The server's program [default: samverkan, in the folder above this program's]
    #[arg(long)]
    server: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ran =
        elsewhere().and_then(|elsewhere| said(tokio::runtime::Runtime::new())?.block_on(run(&arguments, &elsewhere)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            eprintln!("attacks: {wrong}");
            ExitCode::FAILURE
        }
    }
}

/// Where attackers run: on threads that leave the processors to the server and the honest, as if they had their own.
fn elsewhere() -> Result<tokio::runtime::Runtime, Wrong> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    threads.worker_threads(2).enable_all().on_thread_start(|| {
        let _ = rustix::process::nice(19);
    });
    said(threads.build())
}

async fn run(arguments: &Arguments, elsewhere: &tokio::runtime::Runtime) -> Result<(), Wrong> {
    let program = match &arguments.server {
        Some(path) => path.clone(),
        None => {
            let own = said(std::env::current_exe())?;
            let beside = own.parent().and_then(|folder| folder.parent()).map(|folder| folder.join("samverkan"));
            beside
                .filter(|path| path.exists())
                .ok_or("no samverkan above this program's folder; name it with --server")?
        }
    };
    // The attackers' own sockets are many.
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: descriptors.maximum, ..descriptors };
    said(rustix::process::setrlimit(rustix::process::Resource::Nofile, raised))?;

    println!("                                  posts p99 ms           deliveries p99 ms      newcomer ms  server MiB");
    println!("attack                            quiet   attack  ratio  quiet   attack  ratio  median  max  quiet  max");
    let chosen =
        |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|word| name.contains(word.as_str()));
    let (mut made, mut below) = (0, 0);
    for (kind, name, attackers) in ALL.into_iter().filter(|(_, name, _)| chosen(name)) {
        let row =
            one(arguments, &program, kind, attackers, elsewhere).await.map_err(|wrong| format!("{name}: {wrong}"))?;
        println!("{name:<32}  {}", row.text);
        made += 1;
        below += usize::from(row.ratio < 2.0);
    }
    println!(
        "{made} attacks in {} rounds each: no honest call failed, every newcomer was served within {PATIENCE:?}, memory below \
         {RSS_MIB_MAX} MiB; posts' p99 below twice the quiet one in {below}",
        arguments.rounds
    );
    Ok(())
}

struct Row {
    text: String,
    ratio: f64,
}

/// One attack, on a server of its own.
async fn one(
    arguments: &Arguments,
    program: &std::path::Path,
    kind: Kind,
    attackers: usize,
    elsewhere: &tokio::runtime::Runtime,
) -> Result<Row, Wrong> {
    let folder = said(tempfile::tempdir())?;
    let size = Size { organisations: 4, rooms: 1 };
    let ground = Arc::new(Ground::new(program, folder.path(), &folder.path().join("store"), 1, size)?);
    ground.start_afresh()?;
    let mut launch = Launch { limits: Some(""), ..Launch::default() };
    if kind == Kind::Descriptors {
        let script = format!("ulimit -n {DESCRIPTORS}; exec \"$0\" \"$@\"");
        launch.through = vec!["sh".into(), "-c".into(), script];
    }
    let mut server = Server::start_with(&ground, &launch).await?;
    let port = server.port();
    ground.set_up(port).await?;
    let room_id = ground.room(0)?;
    let field = Arc::new(Field { ground: ground.clone(), port, member: attacks::member(&ground)?, room_id });
    let mut honest = Honest::start(&ground, port).await?;
    let half = Duration::from_millis(arguments.half);
    // What a new server and new connections need for themselves is not measured.
    tokio::time::sleep(half).await;
    let (mut quiet, mut attacked) = (Half::default(), Half::default());
    let mut newcomers = Vec::new();
    let quiet_rss = rss_mib(server.pid())?;
    let mut most_rss = quiet_rss;
    for _ in 0..arguments.rounds {
        quiet.measure(&honest, half).await;
        let mut hostile = JoinSet::new();
        (0..attackers).for_each(|number| {
            hostile.spawn_on(attacks::attack(kind, field.clone(), number), elsewhere.handle());
        });
        tokio::time::sleep(half / 5).await;
        let newcomer = async {
            // A server without descriptors serves whom it has; who comes anew may have to come again.
            if kind == Kind::Descriptors { Ok(None) } else { honest::newcomer(&ground, port).await.map(Some) }
        };
        let ((), newcomer) = tokio::join!(attacked.measure(&honest, half), newcomer);
        newcomers.extend(newcomer?.map(|time| time.as_secs_f64() * 1000.0));
        most_rss = most_rss.max(rss_mib(server.pid())?);
        hostile.shutdown().await;
        if let Some(wrong) = honest.wrong() {
            return Err(wrong);
        }
        if let Some(status) = server.has_ended()? {
            return Err(format!("the server ended with {status}"));
        }
        if most_rss > RSS_MIB_MAX {
            return Err(format!("the server holds {most_rss} MiB, more than {RSS_MIB_MAX}"));
        }
        tokio::time::sleep(half / 5).await;
    }
    // Right after, everything is as before.
    honest::newcomer(&ground, port).await?;
    honest.stop().await;
    server.stop().await?;
    let (posts, ratio) = compared(&mut quiet.posts, &mut attacked.posts);
    let (deliveries, _) = compared(&mut quiet.deliveries, &mut attacked.deliveries);
    let newest = match newcomers.is_empty() {
        true => "     -    -".to_owned(),
        false => format!("{:6.0} {:4.0}", median(&mut newcomers), newcomers.iter().copied().fold(0.0, f64::max)),
    };
    Ok(Row { text: format!("{posts}  {deliveries}  {newest}  {quiet_rss:5} {most_rss:4}"), ratio })
}

/// The p99 of each round.
#[derive(Default)]
struct Half {
    posts: Vec<f64>,
    deliveries: Vec<f64>,
}

impl Half {
    async fn measure(&mut self, honest: &Honest, time: Duration) {
        let _ = (honest.posts.p99(), honest.deliveries.p99());
        tokio::time::sleep(time).await;
        // Nothing at all in so long a time counts as all of it.
        let none = time.as_secs_f64() * 1000.0;
        self.posts.push(honest.posts.p99().unwrap_or(none));
        self.deliveries.push(honest.deliveries.p99().unwrap_or(none));
    }
}

/// Both medians with the attack's spread, and how many times one is the other.
fn compared(quiet: &mut [f64], attacked: &mut [f64]) -> (String, f64) {
    let (calm, storm) = (median(quiet), median(attacked));
    let spread = |times: &[f64]| (times.last().copied().unwrap_or(0.0) - times.first().copied().unwrap_or(0.0)) / 2.0;
    let ratio = storm / calm.max(0.001);
    (format!("{calm:4.1}±{:<3.0} {storm:5.1}±{:<3.0} {ratio:4.1}", spread(quiet), spread(attacked)), ratio)
}

/// Sorts them, too.
fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}

fn rss_mib(pid: u32) -> Result<u64, Wrong> {
    let status = said(std::fs::read_to_string(format!("/proc/{pid}/status")))?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("the server's process has no VmRSS")?;
    let kib: u64 = said(line.trim().trim_end_matches(" kB").parse())?;
    Ok(kib / 1024)
}
