//! How does the server's process begin and end? `samverkan serve`, perhaps by way of another program that does something to it.

use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use samverkan::sealing::KeySource;

use crate::Wrong;
use crate::ground::{COORDINATOR, Ground, TRUST_DOMAIN, said};

/// Limits of clients that post as fast as they can.
const LIFTED: &str = "writes_per_second = 10000000\nwritten_kib_per_second = 10000000\nconsents_per_second = 1000000\n\
                      handshakes_per_address_per_second = 100000\n";

const START_TIME_MAX: Duration = Duration::from_secs(60);

/// How a server is started.
#[derive(Clone, Default)]
pub(crate) struct Launch {
    /// A program and its arguments that start the server: `strace …`.
    pub(crate) through: Vec<String>,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Lines of the section `limits`, instead of those that lift what would only slow the faults down.
    pub(crate) limits: Option<&'static str>,
    /// Instead of 16.
    pub(crate) reserve_mib: Option<u64>,
}

/// The server's process. Killed when dropped.
pub(crate) struct Server {
    process: Child,
    /// Of the server itself, also when another program has started it.
    pid: u32,
    port: u16,
}

/// What became of a start.
pub(crate) enum Started {
    Serves(Server),
    /// It ended by itself; the last lines of its log.
    Ended(ExitStatus, String),
}

impl Server {
    /// Starts it on the ground's store, and returns once it answers.
    pub(crate) async fn start(ground: &Ground) -> Result<Self, Wrong> {
        Self::start_with(ground, &Launch::default()).await
    }

    /// As told, and returns once it answers.
    pub(crate) async fn start_with(ground: &Ground, launch: &Launch) -> Result<Self, Wrong> {
        match Self::try_start(ground, launch).await? {
            Started::Serves(server) => Ok(server),
            Started::Ended(status, log) => Err(format!("the server did not start, {status}: {log}")),
        }
    }

    /// Starts it, and returns once it answers or has ended.
    pub(crate) async fn try_start(ground: &Ground, launch: &Launch) -> Result<Started, Wrong> {
        let port = said(said(TcpListener::bind("127.0.0.1:0"))?.local_addr())?.port();
        let path = ground.folder.join("server.toml");
        said(KeySource::made_if_missing(ground.folder.join("store.key")))?;
        let key = if ground.encrypts { "store.key" } else { "none" };
        // The formatting of a string by Rust is a TOML string for any path without control characters.
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n[identity]\ntrust_domain = {TRUST_DOMAIN:?}\ncoordinator = {COORDINATOR:?}\n\
             [tls]\ncertificate = \"server/certificate.pem\"\nkey = \"server/key.pem\"\nclient_roots = \"server/ca.pem\"\n\
             [store]\ndirectory = {:?}\nkey = {key:?}\nreserve_mib = {}\n[log]\nfilter = \"warn\"\n\
             [limits]\n{}",
            ground.store,
            launch.reserve_mib.unwrap_or(16),
            launch.limits.unwrap_or(LIFTED),
        );
        said(fs::write(&path, config))?;
        let log_path = ground.folder.join("server.log");
        let log: File = said(OpenOptions::new().create(true).append(true).open(&log_path))?;
        let log_begins = said(log.metadata())?.len();
        let mut words = launch.through.iter().map(String::as_str);
        let program = ground.program.to_string_lossy();
        let mut command = match words.next() {
            Some(first) => {
                let mut command = Command::new(first);
                command.args(words).arg(&*program);
                command
            }
            None => Command::new(&*program),
        };
        command.arg("serve").arg("--config").arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.envs(launch.environment.iter().map(|(name, value)| (name, value)));
        let process = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        let pid = process.id();
        let mut server = Self { process, pid, port };
        let begun = Instant::now();
        loop {
            if let Some(status) = server.has_ended()? {
                let log = fs::read(&log_path).unwrap_or_default();
                let log = String::from_utf8_lossy(&log[usize::try_from(log_begins).unwrap_or(0).min(log.len())..])
                    .into_owned();
                let tail: Vec<_> = log.lines().rev().take(5).collect();
                let tail: Vec<_> = tail.into_iter().rev().collect();
                return Ok(Started::Ended(status, tail.join(" / ")));
            }
            match ground.connect(port, 0).await {
                Ok(_) => break,
                Err(why) if begun.elapsed() > START_TIME_MAX => {
                    return Err(format!("the server does not answer for {START_TIME_MAX:?}: {why}"));
                }
                // There is nothing to wait for but that it answers.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        if !launch.through.is_empty() {
            // A program that stays, as strace does, has the server for its child; one that becomes the server has none.
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            if let Some(child) = children.split_whitespace().next().and_then(|pid| pid.parse().ok()) {
                server.pid = child;
            }
        }
        Ok(Started::Serves(server))
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn has_ended(&mut self) -> Result<Option<ExitStatus>, Wrong> {
        said(self.process.try_wait())
    }

    /// A signal by its name: `KILL`.
    pub(crate) fn signal(&self, name: &str) -> Result<(), Wrong> {
        let sent =
            Command::new("kill").arg(format!("-{name}")).arg(self.pid.to_string()).stderr(Stdio::null()).status();
        said(sent).map(drop)
    }

    /// Waits for its end.
    pub(crate) async fn ends_within(&mut self, time: Duration) -> Result<ExitStatus, Wrong> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.has_ended()? {
                return Ok(status);
            }
            if begun.elapsed() > time {
                return Err(format!("the server did not end within {time:?}"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// SIGTERM, and waits until it has ended well.
    pub(crate) async fn stop(mut self) -> Result<(), Wrong> {
        self.signal("TERM")?;
        let status = self.ends_within(Duration::from_secs(30)).await?;
        if status.success() { Ok(()) } else { Err(format!("the server was told to stop and ended with {status}")) }
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        if self.pid != self.process.id() && matches!(self.process.try_wait(), Ok(None)) {
            let _ = self.signal("KILL");
            // Who has started it ends with it.
            let _ = self.process.wait();
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
