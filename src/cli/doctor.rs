//! `samverkan doctor`: what is wrong between this machine and a server, or with a server's own machine, and which command mends it?
//!
//! Each check says ok, warn or fail, why, and what to do. A check whose ground another has found missing is not made. Tested in
//! `tests/it/doctor.rs`.

mod client;
mod server;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

pub(crate) use self::client::client_checks;
use super::certs::moment;
use super::failure::{Exit, Failure};
use super::output::{Output, note, table};
use super::session::Session;
use crate::client::Contexts;
use crate::identity::CertificateSummary;
use crate::room::ids::Timestamp;

const HELP: &str = "\
Without --config it checks the way from here to the server of a context: clock, names, TCP, TLS, certificates, keys, the first calls.
With --config it checks a server's own machine: configuration, certificates, disk, file descriptors, clock, and, while the server is
down, every digest of its store.

It exits with 0 if nothing fails, with 4 if the server can't be reached or does not let us in, else with 1.

Examples:
  samverkan doctor
  samverkan doctor --context region-a --output json
  samverkan doctor --config /etc/samverkan.toml";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Doctor {
    /// Check the machine of the server that has this configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All is well.
    Ok,
    /// It works, and will not for long, or not always.
    Warn,
    /// It does not work.
    Fail,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One check.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    /// What was looked at.
    pub(crate) name: &'static str,
    /// How it went.
    pub(crate) verdict: Verdict,
    /// What was found.
    pub(crate) found: String,
    /// What mends it.
    pub(crate) remedy: Option<String>,
    /// Its failing means that the server can't be reached or does not let us in.
    pub(crate) is_reach: bool,
}

impl Check {
    /// For programs.
    pub(crate) fn value(&self) -> serde_json::Value {
        json!({
            "check": self.name,
            "verdict": self.verdict.as_str(),
            "found": self.found,
            "remedy": self.remedy,
        })
    }

    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), remedy: None, is_reach: false }
    }

    fn warn(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, remedy: Some(remedy.into()), ..Self::ok(name, found) }
    }

    fn fail(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, ..Self::warn(name, found, remedy) }
    }

    fn reach(self) -> Self {
        Self { is_reach: true, ..self }
    }
}

pub(crate) async fn run(command: &Doctor, session: &Session) -> Result<(), Failure> {
    let checks = match &command.config {
        Some(path) => server::server_checks(path),
        None => {
            let (name, context) = Contexts::from_environment()?.load(session.context.as_deref())?;
            note(format!("context {name}: {} of {} at {}", context.actor, context.organisation, context.address));
            client_checks(&context).await
        }
    };
    show(&checks, session.output)?;
    outcome(&checks)
}

/// Prints checks.
pub(crate) fn show(checks: &[Check], output: Output) -> Result<(), Failure> {
    if output.is_json() {
        return checks.iter().try_for_each(|check| output.json(&check.value()));
    }
    let rows = checks.iter().flat_map(|check| {
        let row = vec![check.verdict.as_str().to_owned(), check.name.to_owned(), check.found.clone()];
        let remedy = check.remedy.as_ref().map(|remedy| vec![String::new(), String::new(), format!("→ {remedy}")]);
        std::iter::once(row).chain(remedy)
    });
    output.line(&table(&["", "check", "found"], rows))
}

/// Whether nothing fails.
pub(crate) fn outcome(checks: &[Check]) -> Result<(), Failure> {
    let failed: Vec<_> = checks.iter().filter(|check| check.verdict == Verdict::Fail).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let exit = if failed.iter().any(|check| check.is_reach) { Exit::NotAdmitted } else { Exit::Failed };
    let names: Vec<_> = failed.iter().map(|check| check.name).collect();
    Err(Failure::new(exit, format!("{} of {} checks fail: {}", failed.len(), checks.len(), names.join(", ")))
        .hint("do what stands after the arrow, then run `samverkan doctor` again"))
}

/// Days before its end at which a certificate is worth a warning: time to get another without haste.
const EXPIRY_WARN_DAYS: i64 = 14;

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// Whether a certificate holds now, and for how long.
fn validity(name: &'static str, summary: &CertificateSummary, now: Timestamp, remedy: &str) -> Check {
    let days = (summary.not_after.0 - now.0).div_euclid(DAY_US);
    if summary.not_after <= now {
        Check::fail(name, format!("expired at {}", moment(summary.not_after)), remedy)
    } else if summary.not_before > now {
        let found = format!("not valid before {}", moment(summary.not_before));
        Check::fail(name, found, "compare this machine's clock with the server's: `timedatectl`")
    } else if days < EXPIRY_WARN_DAYS {
        Check::warn(name, format!("expires at {}, in {days} days", moment(summary.not_after)), remedy)
    } else {
        Check::ok(name, format!("valid until {}, {days} days", moment(summary.not_after)))
    }
}

/// The first certificate of a PEM file.
fn certificate(path: &Path) -> Result<CertificateSummary, String> {
    let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    CertificateSummary::of_pem(&pem).map_err(|error| format!("{}: {error}", path.display()))
}

/// Whether only its owner can read a private key.
fn key_permissions(path: &Path) -> Check {
    use std::os::unix::fs::PermissionsExt as _;
    const NAME: &str = "key permissions";
    let mode = match std::fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o777,
        Err(error) => {
            let found = format!("{}: {error}", path.display());
            return Check::fail(NAME, found, "`samverkan context show` tells which files are used");
        }
    };
    let mend = format!("chmod 600 {}", super::output::quoted(&path.display().to_string()));
    if mode & 0o007 != 0 {
        Check::fail(NAME, format!("everybody on this machine can use it (mode {mode:03o})"), mend)
    } else if mode & 0o070 != 0 {
        Check::warn(NAME, format!("its group can use it (mode {mode:03o})"), mend)
    } else {
        Check::ok(NAME, format!("only its owner can use it (mode {mode:03o})"))
    }
}
