//! `samverkan certs export`: the context's key and certificates in one PKCS#12 file, for programs that take nothing else.
//!
//! The file is encrypted under a password that is asked for or read from a file, never an argument, where other users of the
//! machine would see it. It appears complete, readable by its owner only, or not at all, and never in place of another. Tested in
//! `tests/it/export.rs`.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKeyChain};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::certs::{moment, now};
use super::failure::{Exit, Failure};
use super::output::{can_ask, note, quoted};
use super::session::Session;
use crate::client::{Context, Contexts};
use crate::identity::summary::hex;
use crate::identity::{CertificateSummary, KeyedCertificate};
use crate::limits;

const FILES: &str = "`samverkan context show` tells which files are used";

const PHRASE: &str = "four words that have nothing to do with each other are hard to guess and easy to type";

const HELP: &str = "\
Whoever has the file and its password can act as you: give neither away, and delete the file where it is no longer needed.

Examples:
  samverkan certs export --pkcs12 me.p12
  samverkan certs export --pkcs12 me.p12 --password-file password --context region-a";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Export {
    /// The file to write; it must not be there yet
    #[arg(long, value_name = "FILE")]
    pkcs12: PathBuf,
    /// Take the password from the first line of this file, which only its owner may read; without it you are asked
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

pub(crate) fn run(command: &Export, session: &Session) -> Result<(), Failure> {
    let (name, context) = Contexts::from_environment()?.load(session.context.as_deref())?;
    // All that can be wrong is told before anybody types a password.
    if fs::symlink_metadata(&command.pkcs12).is_ok() {
        return Err(is_there(&command.pkcs12));
    }
    let (key, certificates) = key_and_certificates(&context)?;
    let summary = CertificateSummary::of_der(&certificates[0])
        .map_err(|problem| bad_file(&context.certificate, problem.to_string()))?;
    let password = match &command.password_file {
        Some(path) => password_in(path)?,
        None => asked_password()?,
    };
    write_new(&command.pkcs12, &pkcs12(&name, &key, &certificates, &password)?)?;

    let until = moment(summary.not_after);
    let value = json!({
        "file": command.pkcs12,
        "context": name,
        "subject": summary.subject_name,
        "not_after": until,
        "fingerprint_sha256": hex(&summary.fingerprint),
        "certificates": certificates.len(),
    });
    session.output.show(&value, || {
        let expired = if summary.not_after < now() { " (expired)" } else { "" };
        let count = certificates.len();
        note(format!("wrote the key and {count} certificates of context {name}, valid until {until}{expired}, to"));
        session.output.line(&command.pkcs12.display().to_string())
    })
}

/// The context's key, its own certificate with those that lead to its authority, and the authorities that it trusts.
fn key_and_certificates(
    context: &Context,
) -> Result<(PrivatePkcs8KeyDer<'static>, Vec<CertificateDer<'static>>), Failure> {
    KeyedCertificate::load(&context.certificate, &context.key)
        .map_err(|problem| Failure::new(Exit::Configuration, problem).hint(FILES))?;
    let key = PrivatePkcs8KeyDer::from_pem_slice(&read(&context.key)?).map_err(|_| {
        let path = context.key.display().to_string();
        bad_file(&context.key, "the key is not in the form that PKCS#12 takes (PKCS#8, -----BEGIN PRIVATE KEY-----)")
            .hint(format!("`openssl pkcs8 -topk8 -nocrypt -in {}` prints it so", quoted(&path)))
    })?;
    let mut certificates = Vec::new();
    for path in [&context.certificate, &context.ca] {
        for certificate in CertificateDer::pem_slice_iter(&read(path)?) {
            let certificate = certificate.map_err(|problem| bad_file(path, problem.to_string()))?;
            if !certificates.contains(&certificate) {
                certificates.push(certificate);
            }
        }
    }
    Ok((key, certificates))
}

fn pkcs12(
    name: &str,
    key: &PrivatePkcs8KeyDer<'_>,
    certificates: &[CertificateDer<'_>],
    password: &str,
) -> Result<Vec<u8>, Failure> {
    let failed = |problem| Failure::new(Exit::Failed, format!("the PKCS#12 file could not be made: {problem}"));
    let chain =
        certificates.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    // Ties the key to its certificate; any bytes would do.
    let local_key_id = Sha256::digest(&certificates[0]);
    let mut store = KeyStore::new();
    let entry = PrivateKeyChain::new(key.secret_pkcs8_der(), local_key_id, chain);
    store.add_entry(name, KeyStoreEntry::PrivateKeyChain(entry));
    let writer = store.writer(password);
    let rounds = limits::PKCS12_ROUNDS;
    writer.encryption_iterations(rounds).mac_iterations(rounds).write().map_err(failed)
}

/// The first line of a file that only its owner may read.
fn password_in(path: &Path) -> Result<String, Failure> {
    let io = |error: io::Error| Failure::io(path.display(), &error);
    let file = File::open(path).map_err(|error| io(error).hint("without --password-file you are asked for one"))?;
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Failure::new(
            Exit::Configuration,
            format!("{}: others can read it (mode {mode:03o})", path.display()),
        )
        .hint(format!("chmod 600 {}", quoted(&path.display().to_string()))));
    }
    let mut bytes = Vec::new();
    file.take(limits::PASSWORD_FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(io)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let password = str::from_utf8(line).map_err(|_| bad_file(path, "the password is not UTF-8"))?;
    check(password).map_err(|problem| bad_file(path, problem).hint(PHRASE))?;
    Ok(password.to_owned())
}

fn asked_password() -> Result<String, Failure> {
    if !can_ask() {
        return Err(Failure::usage("there is no terminal to ask for a password on")
            .hint("--password-file FILE takes it from a file that only you can read"));
    }
    let password = ask_hidden("Password for the file:")?;
    check(&password).map_err(|problem| Failure::usage(problem).hint(PHRASE))?;
    if ask_hidden("The same again:")? == password {
        Ok(password)
    } else {
        Err(Failure::usage("these were two different passwords; nothing was written"))
    }
}

/// What is too easy to guess, and what programs read differently: PKCS#12 has two encodings for a password, which agree on ASCII.
fn check(password: &str) -> Result<(), String> {
    let (min, max) = (limits::PASSWORD_CHARS_MIN, limits::PASSWORD_CHARS_MAX);
    match password.chars().count() {
        chars if chars < min => Err(format!("the password has {chars} characters, it needs at least {min}")),
        chars if chars > max => Err(format!("the password is longer than {max} characters")),
        _ if !password.chars().all(|c| c == ' ' || c.is_ascii_graphic()) => {
            Err("the password has other than printable ASCII characters, which programs encode differently".into())
        }
        _ => Ok(()),
    }
}

/// Asks for one line that is not shown while it is typed.
fn ask_hidden(question: &str) -> Result<String, Failure> {
    let _hidden = Hidden::begin().map_err(|error| Failure::io("the terminal", &error))?;
    let mut err = io::stderr();
    let asked = write!(err, "{question} ").and_then(|()| err.flush());
    let mut answer = String::new();
    asked.and_then(|()| io::stdin().read_line(&mut answer)).map_err(|error| Failure::io("standard input", &error))?;
    Ok(answer.trim_end_matches(['\r', '\n']).to_owned())
}

/// While it lives, the terminal shows line ends only.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// Whole and synced under its name, with mode 600, or not there at all.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let io = |error: io::Error| Failure::io(path.display(), &error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::Builder::new().prefix(".samverkan-").tempfile_in(folder);
    let mut file = file.map_err(|error| {
        // Not with the temporary name, which says nothing to anybody.
        io(error.kind().into()).hint(format!("can you write to the folder {}?", folder.display()))
    })?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(io)?;
    match file.persist_noclobber(path) {
        Ok(_) => File::open(folder).and_then(|folder| folder.sync_all()).map_err(io),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(is_there(path)),
        Err(error) => Err(io(error.error)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::io(path.display(), &error))
}

fn is_there(path: &Path) -> Failure {
    Failure::usage(format!("{} is there already and is not overwritten", path.display())).hint("give another name")
}

fn bad_file(path: &Path, problem: impl Display) -> Failure {
    Failure::new(Exit::Configuration, format!("{}: {problem}", path.display()))
}
