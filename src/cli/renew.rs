//! `samverkan certs renew`: a new key and a new certificate in place of those of a context, once or again and again.
//!
//! The new key lies beside the old one until its certificate is there, was read back and has opened a connection; then both take the
//! places of the old ones. A renewal that was cut at any point goes on where it was: the request id follows from the key, so that
//! the server answers with the same certificate, and [`finish`] completes the change of files. Tested in `tests/it/renewal.rs`.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rustls::pki_types::CertificateDer;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};

use super::certs::{moment, now};
use super::failure::{Exit, Failure};
use super::files;
use super::output::note;
use super::session::Session;
use crate::client::{Client, Context, Contexts, pb};
use crate::identity::enrolment::csr::SigningRequest;
use crate::identity::issue;
use crate::identity::summary::{hex, pem};
use crate::identity::{CertificateSummary, KeyedCertificate};

/// How long the daemon sleeps at most: it looks at the clock again, which may have been set, and at the file, which may have changed.
const SLEEP_MAX: Duration = Duration::from_secs(60 * 60);

/// The pauses after a failure double from the first to [`SLEEP_MAX`].
const PAUSE_FIRST: Duration = Duration::from_secs(60);

const HELP: &str = "\
The old certificate stays valid until it expires. With --daemon it goes on: it renews when two thirds of a certificate's life have
passed, tries again when that fails, and writes what it does to standard error. As a service:

  [Service]
  ExecStart=samverkan certs renew --daemon --context NAME
  Restart=on-failure

Certificates of an authority of your own are not renewed here: put the new files in the places of the old ones.";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Renew {
    /// Go on, and renew whenever it is due
    #[arg(long)]
    daemon: bool,
}

pub(crate) async fn run(command: Renew, session: &Session) -> Result<(), Failure> {
    let (name, context) = Contexts::from_environment()?.load(session.context.as_deref())?;
    finish(&context)?;
    if !command.daemon {
        return renew(&name, &context, session).await;
    }
    let listening = |error: std::io::Error| Failure::io("listening for signals", &error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(listening)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(listening)?;
    tokio::select! {
        ended = keep_renewing(&name, &context, session) => ended,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

async fn keep_renewing(name: &str, context: &Context, session: &Session) -> Result<(), Failure> {
    let mut pause = PAUSE_FIRST;
    loop {
        let summary = own(context)?;
        let due = summary.renewal_due();
        if due.0 > now().0 {
            note(format!(
                "context {name}: valid until {}, to be renewed at {}",
                moment(summary.not_after),
                moment(due)
            ));
            while due.0 > now().0 {
                let left = Duration::from_micros(u64::try_from(due.0 - now().0).unwrap_or(0));
                tokio::time::sleep(left.min(SLEEP_MAX)).await;
            }
            continue;
        }
        match renew(name, context, session).await {
            Ok(()) => pause = PAUSE_FIRST,
            // Another try would get the same answer.
            Err(failure) if failure.exit == Exit::Refused || now().0 > summary.not_after.0 => return Err(failure),
            Err(failure) => {
                let seconds = pause.as_secs();
                note(format!("context {name}: not renewed: {}; the next try is in {seconds} s", failure.message));
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(SLEEP_MAX);
            }
        }
    }
}

fn own(context: &Context) -> Result<CertificateSummary, Failure> {
    let path = &context.certificate;
    let pem = fs::read(path).map_err(|error| Failure::io(path.display(), &error))?;
    CertificateSummary::of_pem(&pem)
        .map_err(|problem| Failure::new(Exit::Configuration, format!("{}: {problem}", path.display())))
}

/// Where the new ones lie before they take their places.
fn next_key(context: &Context) -> PathBuf {
    files::beside(&context.key, "next-")
}

fn next_certificate(context: &Context) -> PathBuf {
    files::beside(&context.certificate, "next-")
}

async fn renew(name: &str, context: &Context, session: &Session) -> Result<(), Failure> {
    let old = own(context)?;
    if old.not_after.0 <= now().0 {
        let message = format!("the certificate of context {name} expired at {}", moment(old.not_after));
        return Err(Failure::new(Exit::NotAdmitted, message).hint(
            "ask the coordinator for an invite, then `samverkan join`; an expired certificate can't be renewed",
        ));
    }
    let key = key(context)?;
    let signing_request = issue::signing_request(&key)?;
    let client = Client::connect(context).await?;
    let request = pb::RenewCertificateRequest {
        request_id: request_id(&signing_request)?,
        signing_request: signing_request.into(),
    };
    let answer = client.renew_certificate(request).await?;
    let new = CertificateDer::from(answer.certificate.to_vec());
    let path = next_certificate(context);
    // Not under its last name before it was tried: what is found there is put in force by `finish`.
    let trial = files::beside(&context.certificate, ".trial-");
    files::replace(&trial, &pem(&new), 0o644)?;
    let tried = try_out(context, &trial, &old).await;
    match tried {
        Ok(()) => files::rename(&trial, &path)?,
        Err(failure) => {
            let _ = fs::remove_file(&trial);
            return Err(failure);
        }
    }
    finish(context)?;

    let summary = own(context)?;
    let value = json!({
        "context": name,
        "expire_time": moment(summary.not_after),
        "renew_time": moment(summary.renewal_due()),
        "certificate_sha256": hex(&summary.fingerprint),
        "previous_certificate_sha256": hex(&old.fingerprint),
    });
    session.output.show(&value, || {
        note(format!(
            "context {name}: renewed with a new key; valid until {}, to be renewed from {} on",
            moment(summary.not_after),
            moment(summary.renewal_due())
        ));
        Ok(())
    })
}

/// Whether the new certificate is for the new key and for the same person, and is let in.
async fn try_out(context: &Context, certificate: &std::path::Path, old: &CertificateSummary) -> Result<(), Failure> {
    let trial = Context { certificate: certificate.into(), key: next_key(context), ..context.clone() };
    let bad = |problem: String| Failure::new(Exit::Failed, format!("the new certificate is not used: {problem}"));
    KeyedCertificate::load(&trial.certificate, &trial.key).map_err(|problem| bad(problem.to_string()))?;
    if own(&trial)?.subject != old.subject {
        return Err(bad("it is for somebody else".into()));
    }
    Client::connect(&trial).await?.health().await?;
    Ok(())
}

/// A key that is there is used: an earlier try was cut.
fn key(context: &Context) -> Result<String, Failure> {
    let path = next_key(context);
    match fs::read_to_string(&path) {
        Ok(key) => return Ok(key),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::io(path.display(), &error)),
    }
    let key = issue::new_key()?;
    files::replace(&path, &key, 0o600)?;
    Ok(key)
}

/// The same for the same key, so that a retry gets the same certificate.
fn request_id(signing_request: &[u8]) -> Result<String, Failure> {
    let read = SigningRequest::read(signing_request);
    let key = read.map_err(|problem| Failure::new(Exit::Failed, format!("our own signing request {problem}")))?;
    let digest = Sha256::new().chain_update(b"samverkan/renew/1").chain_update(key.public_key).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Ok(uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string())
}

/// Puts a new key and its certificate in the places of the old ones, if a new certificate is there. Does the rest of a change that was
/// cut in the middle. Cheap when there is nothing to do.
pub(crate) fn finish(context: &Context) -> Result<(), Failure> {
    let certificate = next_certificate(context);
    if !certificate.exists() {
        return Ok(());
    }
    let key = next_key(context);
    if key.exists() {
        files::rename(&key, &context.key)?;
    }
    files::rename(&certificate, &context.certificate)
}

/// What a command adds when the server has said that it is time.
pub(crate) fn reminder(expires: std::time::SystemTime) -> String {
    let left = expires.duration_since(std::time::SystemTime::now()).unwrap_or_default();
    let days = left.as_secs() / (24 * 60 * 60);
    let when = match days {
        0 => "in less than a day".to_owned(),
        1 => "in a day".to_owned(),
        days => format!("in {days} days"),
    };
    format!("your certificate expires {when}; `samverkan certs renew` gets a new one")
}
