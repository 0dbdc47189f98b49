//! Faults under load: which, and how is each made? Whatever the server does then, a start without the fault finds everything.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::Wrong;
use crate::ground::{Ground, said};
use crate::life::Manner;
use crate::plan::{Plan, Row};
use crate::proxy::Proxy;
use crate::server::{Launch, Server};
use crate::strace::Injection;

/// A store grows and is read at each start: after so many rounds another one is made.
const KILLS_PER_GROUND: u64 = 20;
const ROUNDS_PER_GROUND: u64 = 5;
/// A server whose disk fails must end by then.
const END_TIME_MAX: Duration = Duration::from_secs(60);

fn pause(millis: u64) -> tokio::time::Sleep {
    tokio::time::sleep(Duration::from_millis(millis))
}

/// SIGKILL at random moments.
pub(crate) async fn kills(plan: Plan, times: u64) -> Result<Row, Wrong> {
    let mut row = Row::new("SIGKILL at random");
    while row.times < times {
        let ground = plan.ground("kill", row.times, None).await?;
        let last = times.min(row.times + KILLS_PER_GROUND);
        while row.times < last {
            let (mut server, life) = plan.lively(&ground, &Launch::default(), Manner::Once).await?;
            pause(5 + plan.random(row.times) % 296).await;
            let broken = life.is_broken();
            server.kill();
            life.end().await?;
            if broken {
                return Err(format!("kill {}: a stream ended before the server did", row.times));
            }
            row.times += 1;
            if row.times.is_multiple_of(KILLS_PER_GROUND / 2) && row.times < last {
                row.check(&ground, false).await?;
            }
        }
        row.check(&ground, true).await?;
        plan.remove(&ground);
    }
    row.done()
}

/// A round is given a ground and its number, and says what it counts.
async fn rounds<F>(plan: &Plan, row: &mut Row, name: &str, times: u64, round: F) -> Result<(), Wrong>
where
    F: AsyncFn(&Arc<Ground>, u64) -> Result<(), Wrong>,
{
    let mut ground = None;
    while row.times < times {
        let on = match &ground {
            Some(ground) => ground,
            None => ground.insert(plan.ground(name, row.times, None).await?),
        };
        round(on, row.times).await.map_err(|why| format!("round {}: {why}", row.times + 1))?;
        row.times += 1;
        let is_last = row.times == times || row.times.is_multiple_of(ROUNDS_PER_GROUND);
        row.check(on, is_last).await.map_err(|why| format!("after round {}: {why}", row.times))?;
        if is_last && let Some(ground) = ground.take() {
            plan.remove(&ground);
        }
    }
    Ok(())
}

/// What the disk says no to: the server must end with an error.
pub(crate) async fn io_errors(plan: Plan, times: u64) -> Result<Row, Wrong> {
    let mut row = Row::new("EIO from a sync or a write");
    rounds(&plan, &mut row, "eio", times, async |ground, number| {
        let (mut server, life) = plan.lively(ground, &Launch::default(), Manner::Once).await?;
        let calls = if number.is_multiple_of(2) { "fsync,fdatasync" } else { "pwrite64" };
        let when = 1 + plan.random(number) % 30;
        let injected = Injection { calls, what: format!("error=EIO:when={when}") }.attach(server.pid())?;
        let status = server.ends_within(END_TIME_MAX).await?;
        life.end().await?;
        drop(injected);
        match status.code() {
            Some(74) => Ok(()),
            _ => Err(format!("the disk failed ({calls}, number {when}), and the server ended with {status}")),
        }
    })
    .await?;
    row.outcome = "ended with 74, nothing lost".into();
    row.done()
}

/// A disk whose syncs take long; then SIGKILL.
pub(crate) async fn slow_disk(plan: Plan, times: u64) -> Result<Row, Wrong> {
    let mut row = Row::new("slow disk, then SIGKILL");
    rounds(&plan, &mut row, "slow", times, async |ground, number| {
        let (mut server, life) = plan.lively(ground, &Launch::default(), Manner::Once).await?;
        let micros = 20_000 + plan.random(number) % 200_000;
        let slow = Injection { calls: "fdatasync", what: format!("delay_enter={micros}") }.attach(server.pid())?;
        let went_on = life.acked(2).await;
        pause(plan.random(number) % 300).await;
        server.kill();
        drop(slow);
        life.end().await?;
        went_on
    })
    .await?;
    row.done()
}

/// SIGSTOP for seconds, SIGCONT.
pub(crate) async fn pauses(plan: Plan, times: u64) -> Result<Row, Wrong> {
    let mut row = Row::new("SIGSTOP for 1 to 3 s");
    rounds(&plan, &mut row, "pause", times, async |ground, number| {
        let (server, life) = plan.lively(ground, &Launch::default(), Manner::Again).await?;
        server.signal("STOP")?;
        pause(1000 + plan.random(number) % 2000).await;
        server.signal("CONT")?;
        let went_on = life.acked(200).await;
        life.leave().await?;
        went_on
    })
    .await?;
    row.done()
}

/// Connections cut in the middle of a frame, every other time so that the server does not hear of it.
pub(crate) async fn cuts(plan: Plan, times: u64) -> Result<Row, Wrong> {
    let mut row = Row::new("connections cut, half-open");
    let connections = std::sync::atomic::AtomicU64::new(0);
    rounds(&plan, &mut row, "cut", times, async |ground, number| {
        let server = Server::start(ground).await?;
        let proxy = Proxy::to(server.port(), plan.random(number)).await?;
        let life = crate::life::Life::begin(ground, proxy.port(), Manner::Again);
        let mut went_on = life.acked(50).await;
        for half_open in [false, true, number.is_multiple_of(2)] {
            proxy.cut(half_open);
            went_on = went_on.and(life.acked(100).await);
        }
        life.leave().await?;
        connections.fetch_add(proxy.has_cut(), std::sync::atomic::Ordering::SeqCst);
        went_on
    })
    .await?;
    row.outcome = format!("{} connections, nothing lost", connections.into_inner());
    row.done()
}

/// A clock that steps back and forth by hours.
pub(crate) async fn clock_steps(plan: Plan, times: u64) -> Result<Row, Wrong> {
    let mut row = Row::new("clock steps of hours");
    let Some(danger) = plan.danger.clone() else { return Err("clock steps need --danger".into()) };
    let plan = Plan { program: danger, ..plan };
    rounds(&plan, &mut row, "clock", times, async |ground, number| {
        let file = ground.folder.join("clock");
        let step = |at: u64| {
            let hours_in_micros = 3 * 3600 * 1_000_000;
            let micros = i64::try_from(plan.random(number << 8 | at) % (2 * hours_in_micros)).unwrap_or(0);
            said(std::fs::write(&file, (micros - hours_in_micros as i64).to_string()))
        };
        step(0)?;
        let environment = vec![("SAMVERKAN_DANGER_CLOCK", file.display().to_string())];
        let launch = Launch { environment, ..Launch::default() };
        let (mut server, life) = plan.lively(ground, &launch, Manner::Once).await?;
        let mut went_on = Ok(());
        for at in 1..4 {
            step(at)?;
            went_on = went_on.and(life.acked(50).await);
        }
        server.kill();
        life.end().await?;
        went_on
    })
    .await?;
    row.outcome = "order and times held".into();
    row.done()
}

/// A file-size limit, as a quota or an old file system has one; every other time the signal is ignored, and the write fails.
pub(crate) async fn file_size(plan: Plan, times: u64) -> Result<Row, Wrong> {
    let mut row = Row::new("file-size limit");
    rounds(&plan, &mut row, "fsize", times, async |ground, number| {
        let ignoring = ["env", "--ignore-signal=XFSZ"].map(str::to_owned).to_vec();
        let through = if number.is_multiple_of(2) { ignoring } else { Vec::new() };
        let launch = Launch { through, ..Launch::default() };
        let (mut server, life) = plan.lively(ground, &launch, Manner::Once).await?;
        let size = said(std::fs::metadata(ground.store.join("db")))?.len();
        let limit = size / 2 + plan.random(number) % (size / 2 + 1);
        let limited =
            Command::new("prlimit").arg(format!("--fsize={limit}")).arg(format!("--pid={}", server.pid())).status();
        said(limited)?;
        let ended = server.ends_within(END_TIME_MAX).await;
        server.kill();
        life.end().await?;
        if ended?.success() { Err("the server ended as if nothing were".into()) } else { Ok(()) }
    })
    .await?;
    row.outcome = "ended with an error, nothing lost".into();
    row.done()
}

/// A disk of its own, in memory. Needs root.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, mib: u64) -> Result<Self, Wrong> {
        said(std::fs::create_dir_all(at))?;
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "torture"]).arg(at);
        let output = said(command.output())?;
        if output.status.success() {
            return Ok(Self(at.to_owned()));
        }
        Err(format!("mounting a disk, which needs root: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// Makes a file that takes all space but `leave` bytes, also while a server takes some of it at the same time.
    fn fill(&self, file: &Path, leave: u64) -> Result<(), Wrong> {
        for _ in 0..1000 {
            let free = said(Command::new("stat").args(["-f", "-c", "%a %S"]).arg(&self.0).output())?;
            let free = String::from_utf8_lossy(&free.stdout)
                .split_whitespace()
                .filter_map(|n| n.parse::<u64>().ok())
                .product::<u64>();
            let length = free.saturating_sub(leave);
            if length == 0 {
                return Ok(());
            }
            let output = said(Command::new("fallocate").arg("-l").arg(length.to_string()).arg(file).output())?;
            if output.status.success() {
                return Ok(());
            }
        }
        Err("the disk could not be filled: the server was always faster".into())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Something else fills the disk, and goes again: below the reserve, or faster than the server looks.
pub(crate) async fn full_disk(plan: Plan, times: u64) -> Result<Row, Wrong> {
    let mut row = Row::new("disk full");
    let (mut refused, mut ended) = (0, 0);
    while row.times < times {
        let disk = Disk::mount(&plan.folder("disk", row.times), 512)?;
        let ground = plan.ground("full", row.times, Some(&disk.0.join("store"))).await?;
        for _ in 0..ROUNDS_PER_GROUND.min(times - row.times) {
            let number = row.times;
            let sudden = number.is_multiple_of(2);
            let launch = Launch { reserve_mib: Some(if sudden { 1 } else { 16 }), ..Launch::default() };
            let (mut server, life) = plan.lively(&ground, &launch, Manner::Again).await?;
            let ballast = disk.0.join("ballast");
            let leave = if sudden { 1024 * 1024 + plan.random(number) % 200_000 } else { 10 * 1024 * 1024 };
            disk.fill(&ballast, leave)?;
            let mut outcome = Ok(());
            loop {
                if let Some(status) = server.has_ended()? {
                    ended += 1;
                    outcome = if status.code() == Some(74) {
                        Ok(())
                    } else {
                        Err(format!("full: the server ended with {status}"))
                    };
                    break;
                }
                if life.told.counts().full > 0 {
                    refused += 1;
                    break;
                }
                pause(5).await;
            }
            said(std::fs::remove_file(&ballast))?;
            if outcome.is_ok() && server.has_ended()?.is_none() {
                outcome = match life.acked(100).await {
                    Ok(()) => Ok(()),
                    // It failed after all, while others were refused.
                    Err(_) if server.has_ended()?.is_some() => Ok(()),
                    Err(why) => Err(why),
                };
            }
            server.kill();
            life.leave().await?;
            outcome.map_err(|why| format!("round {}: {why}", number + 1))?;
            row.times += 1;
            let is_last = row.times == times || row.times.is_multiple_of(ROUNDS_PER_GROUND);
            row.check(&ground, is_last).await.map_err(|why| format!("after round {}: {why}", row.times))?;
        }
        plan.remove(&ground);
    }
    row.outcome = format!("{refused} refused until space came, {ended} ended with 74");
    row.done()
}
