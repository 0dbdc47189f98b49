//! `samverkan certs`: make an authority, make certificates, look at one. `certs/README.md` says what they look like.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use super::access::{Reinstate, Revoke};
use super::export::Export;
use super::failure::{Exit, Failure};
use super::output::{Output, note};
use crate::client::{Context, Time, time_text};
use crate::identity::issue::{AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE};
use crate::identity::summary::hex;
use crate::identity::{Authority, CertificateSummary, Existing, IssueError, Subject, TrustDomain};
use crate::limits;
use crate::room::ids::{Actor, Timestamp};

#[derive(Debug, Subcommand)]
pub(crate) enum Certs {
    #[command(flatten)]
    OnDisk(OnDisk),
    /// Write the key and certificates of a context to a PKCS#12 file, for browsers and other programs
    Export(Export),
    /// Take access away from a certificate, a person or program, or an organisation: it is refused, and cut within a second
    Revoke(Revoke),
    /// Let a revoked person or program in again
    Reinstate(Reinstate),
    /// List what was revoked and reinstated
    Revocations,
}

/// What needs no server.
#[derive(Debug, Subcommand)]
pub(crate) enum OnDisk {
    /// Make an authority: it issues certificates for a server and for those who call it
    Init(Init),
    /// Make a certificate for a server, a person or a program
    Issue(Issue),
    /// Show what certificates say
    Show {
        /// PEM files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to write ca.pem and ca-key.pem
    #[arg(long, value_name = "FOLDER")]
    directory: PathBuf,
    /// Whose names it issues, as in `samverkan.cert.example`; the server is configured with the same
    #[arg(long, value_name = "DOMAIN")]
    trust_domain: TrustDomain,
    /// Its name, shown as the issuer
    #[arg(long, default_value = "Samverkan authority")]
    name: String,
    /// How long it lasts
    #[arg(long, default_value_t = limits::AUTHORITY_DAYS_MAX)]
    days: u32,
    /// Replace an authority that is there already: what it issued is worth nothing then
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whom").required(true).args(["actor", "server"]))]
pub(crate) struct Issue {
    /// The folder of the authority
    #[arg(long, value_name = "FOLDER")]
    authority: PathBuf,
    /// Where to write certificate.pem, key.pem and ca.pem
    #[arg(long, value_name = "FOLDER")]
    directory: PathBuf,
    /// For a person or program: org/<organisation>/user/<name> or org/<organisation>/service/<name>
    #[arg(long, value_name = "ACTOR")]
    actor: Option<Actor>,
    /// For a server: the host names and IP addresses by which clients reach it, with commas between them
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    server: Vec<String>,
    /// Also write a context.toml for this server, as in `broker.example:7443`
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "server")]
    address: Option<String>,
    /// How long it lasts
    #[arg(long, default_value_t = limits::LEAF_DAYS_MAX)]
    days: u32,
    /// Replace a certificate that is there already
    #[arg(long)]
    replace: bool,
}

impl From<IssueError> for Failure {
    fn from(error: IssueError) -> Self {
        match &error {
            IssueError::Exists { .. } => Self::new(Exit::Failed, &error).hint("--replace replaces it"),
            IssueError::Io { .. } => Self::new(Exit::Io, &error),
            IssueError::NotAnAuthority { .. } | IssueError::WrongKey { .. } => {
                Self::new(Exit::Configuration, &error).hint("`samverkan certs init` makes an authority")
            }
            IssueError::Days { .. }
            | IssueError::AuthorityEnds { .. }
            | IssueError::NoServerName
            | IssueError::BadServerName { .. } => Self::usage(&error),
            IssueError::Library(_) => Self::new(Exit::Failed, &error),
        }
    }
}

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

pub(crate) fn run(command: OnDisk, output: Output) -> Result<(), Failure> {
    let existing = |replace| if replace { Existing::Replace } else { Existing::Refuse };
    match command {
        OnDisk::Init(init) => {
            let authority = Authority::create(&init.trust_domain, &init.name, init.days, now())?;
            authority.write(&init.directory, existing(init.replace))?;
            note(format!("wrote an authority for {} to {}", init.trust_domain, init.directory.display()));
            show(&[init.directory.join(AUTHORITY_FILE)], output)
        }
        OnDisk::Issue(issue) => {
            let authority = Authority::load(&issue.authority)?;
            let issued = match &issue.actor {
                Some(actor) => authority.issue_actor(actor, issue.days, now())?,
                None => authority.issue_server(&issue.server, issue.days, now())?,
            };
            issued.write(&issue.directory, existing(issue.replace))?;
            if let (Some(actor), Some(address)) = (&issue.actor, &issue.address) {
                let path = issue.directory.join("context.toml");
                context_for(actor, address, Path::new("")).write(&path)?;
                note(format!("wrote {}; put it among the contexts under a name of your choice", path.display()));
            }
            show(&[issue.directory.join(CERTIFICATE_FILE)], output)
        }
        OnDisk::Show { files } => show(&files, output),
    }
}

/// A context for an actor whose files are in `folder`, as seen from the context's own file.
pub(crate) fn context_for(actor: &Actor, address: &str, folder: &Path) -> Context {
    Context {
        address: address.into(),
        server_name: None,
        ca: folder.join(AUTHORITY_FILE),
        certificate: folder.join(CERTIFICATE_FILE),
        key: folder.join(KEY_FILE),
        organisation: actor.organisation.to_string(),
        actor: format!("{}/{}", actor.kind.as_str(), actor.name()),
    }
}

fn show(files: &[PathBuf], output: Output) -> Result<(), Failure> {
    for path in files {
        let pem = fs::read(path).map_err(|error| Failure::io(path.display(), &error))?;
        let summary = CertificateSummary::of_pem(&pem)
            .map_err(|problem| Failure::new(Exit::Failed, format!("{}: {problem}", path.display())))?;
        let (kind, whom) = match &summary.subject {
            Subject::Authority { trust_domain } => {
                let domain = trust_domain.as_ref().map_or("no trust domain".to_owned(), ToString::to_string);
                ("authority", domain)
            }
            Subject::Server { names } => ("server", names.join(", ")),
            Subject::Actor { trust_domain, actor } => ("actor", trust_domain.uri(actor)),
            Subject::Unusable { reason } => ("unusable", reason.to_string()),
        };
        let (from, to) = (moment(summary.not_before), moment(summary.not_after));
        let value = json!({
            "file": path,
            "kind": kind,
            "for": whom,
            "issuer": summary.issuer,
            "not_before": from,
            "not_after": to,
            "is_valid_now": (summary.not_before..=summary.not_after).contains(&now()),
            "serial": summary.serial,
            "fingerprint_sha256": hex(&summary.fingerprint),
        });
        output.show(&value, || {
            let validity = if now() > summary.not_after {
                " (expired)"
            } else if now() < summary.not_before {
                " (not valid yet)"
            } else {
                ""
            };
            output.line(&format!(
                "{}\n  {kind:<11} {whom}\n  issuer      {}\n  valid       {from} to {to}{validity}\n  serial      {}\n  SHA-256     {}",
                path.display(),
                summary.issuer,
                summary.serial,
                hex(&summary.fingerprint)
            ))
        })?;
    }
    Ok(())
}

pub(super) fn moment(timestamp: Timestamp) -> String {
    time_text(&Time { seconds: timestamp.0.div_euclid(1_000_000), nanos: 0 })
}
