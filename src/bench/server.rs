//! How is a server of the benchmark's own run? This program once more, as `serve`, in a process of its own, so that what it costs
//! can be read from `/proc`.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use super::failure::BenchError;

/// A server with a large store takes its time.
const START_TIME_MAX: Duration = Duration::from_secs(300);
/// Longer than the server gives itself.
const STOP_TIME_MAX: Duration = Duration::from_secs(60);
/// Lines of its log that are kept for an error.
const LAST_LINES: usize = 5;
/// What the server logs when it serves.
const SERVING: &str = "serving";

/// Limits that a load needs to be higher than the defaults; 0: the default.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Caps {
    pub(crate) connections: usize,
    pub(crate) streams_per_certificate: usize,
    /// Whether what is stored is not encrypted.
    pub(crate) unencrypted: bool,
}

/// All that a server's configuration says.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) trust_domain: &'a str,
    pub(crate) coordinator: &'a str,
    /// The folder of its certificate.
    pub(crate) certificate: &'a Path,
    pub(crate) store: &'a Path,
    /// The file of its key.
    pub(crate) key: &'a Path,
    pub(crate) caps: Caps,
}

/// A running server. Killed when dropped.
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
    store: PathBuf,
    /// From the start of the process to its word that it serves.
    pub(crate) started_in: Duration,
}

impl Server {
    /// Starts it on a free port of loopback; returns once it serves.
    pub(crate) fn start(folder: &Path, setting: &Setting<'_>) -> Result<Self, BenchError> {
        let path = folder.join("server.toml");
        std::fs::write(&path, configuration(setting)).map_err(BenchError::file(&path))?;
        let program = std::env::current_exe().map_err(BenchError::io("finding this program"))?;
        let mut command = Command::new(&program);
        command.arg("serve").arg("--config").arg(&path).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let begun = Instant::now();
        let mut process = command.spawn().map_err(BenchError::file(&program))?;
        let log = process.stderr.take().ok_or_else(|| BenchError::Server("has no log".into()))?;
        let (says, said) = mpsc::channel();
        let last = Arc::new(Mutex::new(Vec::new()));
        std::thread::spawn({
            let last = last.clone();
            move || follow(log, &says, &last)
        });
        match said.recv_timeout(START_TIME_MAX) {
            Ok(address) => {
                let store = setting.store.to_owned();
                Ok(Self { process, address, store, started_in: begun.elapsed() })
            }
            Err(_) => {
                let _ = process.kill();
                let _ = process.wait();
                let lines = last.lock().unwrap_or_else(PoisonError::into_inner).join(" / ");
                Err(BenchError::Server(format!("does not serve: {lines}")))
            }
        }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn store(&self) -> &Path {
        &self.store
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<(), BenchError> {
        let pid = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.ok_or_else(|| BenchError::Server("has no process id".into()))?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .map_err(|error| BenchError::io("stopping the server")(error.into()))?;
        let begun = Instant::now();
        while begun.elapsed() < STOP_TIME_MAX {
            match self.process.try_wait().map_err(BenchError::io("waiting for the server"))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(BenchError::Server(format!("ended with {status}"))),
                // There is nothing to wait for but its end.
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
        Err(BenchError::Server("does not stop".into()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(setting: &Setting<'_>) -> String {
    let key = if setting.caps.unencrypted { Path::new("none") } else { setting.key };
    // The formatting of a string by Rust is a TOML string for any path without control characters.
    let file = |name: &str| format!("{:?}", setting.certificate.join(name));
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[identity]\ntrust_domain = {:?}\ncoordinator = {:?}\n\
         [tls]\ncertificate = {}\nkey = {}\nclient_roots = {}\n[store]\ndirectory = {:?}\nkey = {:?}\n\
         [log]\nformat = \"json\"\nfilter = \"warn,samverkan::server=info\"\n[limits]\n",
        setting.trust_domain,
        setting.coordinator,
        file(crate::identity::issue::CERTIFICATE_FILE),
        file(crate::identity::issue::KEY_FILE),
        file(crate::identity::issue::AUTHORITY_FILE),
        setting.store,
        key,
    );
    // What protects a server from its clients would only measure itself here: all come from one address and post as fast as they can.
    text.push_str("writes_per_second = 10000000\nwritten_kib_per_second = 10000000\nconsents_per_second = 1000000\n");
    text.push_str("connections_per_address = 100000\nhandshakes_per_address_per_second = 100000\n");
    text.push_str("coordinator_streams = 100000\n");
    let Caps { connections, streams_per_certificate, unencrypted: _ } = setting.caps;
    if connections > 0 {
        text.push_str(&format!("connections = {connections}\ncoordinator_connections = {connections}\n"));
    }
    if streams_per_certificate > 0 {
        text.push_str(&format!("streams_per_certificate = {streams_per_certificate}\n"));
    }
    text
}

/// Reads the log to its end, so that the server never waits for us; tells the address that it serves on.
fn follow(log: impl std::io::Read, says: &mpsc::Sender<SocketAddr>, last: &Mutex<Vec<String>>) {
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let fields = &value["fields"];
        if fields["message"] == SERVING
            && let Some(address) = fields["address"].as_str().and_then(|address| address.parse().ok())
        {
            // Nobody listens any more once the start took too long.
            let _ = says.send(address);
        }
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        last.push(line);
        let excess = last.len().saturating_sub(LAST_LINES);
        last.drain(..excess);
    }
}
