//! `samverkan join`: from the coordinator's line to a context that works, in one step.
//!
//! The key is made here, readable by its owner only, in a folder of its own under the contexts, and never leaves it. Until the
//! certificate is there the folder has a provisional name that follows from the line, so that the same line typed again after a cut
//! goes on with the same key and gets the same certificate. A refusal leaves nothing behind. Tested in `tests/it/enrolment.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rustls::pki_types::CertificateDer;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::certs::context_for;
use super::doctor;
use super::failure::{Exit, Failure};
use super::files::write_new;
use super::json;
use super::output::{note, program, quoted};
use super::session::{Session, invitations, short};
use crate::client::{Client, ClientError, Contexts, pb};
use crate::identity::enrolment::csr::SigningRequest;
use crate::identity::enrolment::line::InviteLine;
use crate::identity::issue::{self, AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE};
use crate::identity::summary::{hex, pem};
use crate::room::enrolment::spoken_code;
use crate::room::ids::Actor;

/// Between two questions whether the coordinator has approved.
const ASKING_PAUSE: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(crate) struct Join {
    /// The line that the coordinator gave you; white space in it does no harm
    #[arg(required = true, num_args = 1.., value_name = "LINE")]
    line: Vec<String>,
}

pub(crate) async fn run(command: Join, session: &Session) -> Result<(), Failure> {
    let line: InviteLine = command.line.concat().parse().map_err(|problem| {
        Failure::usage(format!("the line {problem}"))
            .hint("copy the whole line again, in quotes: samverkan join 'samverkan1:…'")
    })?;
    let contexts = Contexts::from_environment()?;
    if let Some(name) = &session.context {
        must_be_free(&contexts, name)?;
    }
    let provisional = contexts.folder().join(format!(".joining-{}", hex(&line.secret.digest()[..8])));
    // Before a key is made: is that the server whose authority the line names? Nothing is sent until then.
    let client = Client::knock(&line).await.map_err(unreachable)?;
    let key = key(&provisional)?;
    let answer = enrol(&client, &line, &key).await?;
    if let Err(ClientError::Refused(_)) = &answer {
        let _ = fs::remove_dir_all(&provisional);
    }
    let answer = answer.map_err(unreachable)?;
    if <[u8; 32]>::from(Sha256::digest(&answer.authority)) != line.authority {
        return Err(Failure::new(Exit::NotAdmitted, "the server answered with another authority than the line names"));
    }
    let actor: Actor = answer
        .actor
        .parse()
        .map_err(|problem| Failure::new(Exit::Failed, format!("the server's answer: {problem}")))?;
    let name = match &session.context {
        Some(name) => name.clone(),
        None => free_name(&contexts, &actor)?,
    };
    settle(&contexts, &name, &provisional, &actor, &answer)?;

    let context = contexts.load(Some(&name))?.1;
    let checks = doctor::client_checks(&context).await;
    if checks.iter().any(|check| check.verdict != doctor::Verdict::Ok) && !session.output.is_json() {
        doctor::show(&checks, session.output)?;
    }
    doctor::outcome(&checks)?;
    let client = Client::connect(&context).await?;
    let waiting = invitations(&client).await?;
    if contexts.current()?.is_none() {
        contexts.choose(&name)?;
    }
    let value = json!({
        "context": name,
        "actor": answer.actor,
        "address": answer.address,
        "expire_time": json::time(answer.expire_time.as_ref()),
        "checks": checks.iter().map(doctor::Check::value).collect::<Vec<_>>(),
        "invitations": waiting.iter().map(|one| one.invitation_id.clone()).collect::<Vec<_>>(),
    });
    session.output.show(&value, || {
        let until = super::deliveries::short_time(answer.expire_time.as_ref());
        note(format!(
            "you are {} at {}, until {until}; context {name} is written, and {} checks of the connection pass",
            answer.actor,
            answer.address,
            checks.len()
        ));
        let me = program();
        let context = format!("--context {}", quoted(&name));
        match waiting.first() {
            Some(first) => {
                note("you are invited to a room; see what for, and accept with what you share:");
                session.output.line(&format!("{me} room invitations {context}"))?;
                session.output.line(&format!("{me} room accept {} {context}", short(&first.invitation_id)))
            }
            None => session.output.line(&format!("{me} room list {context}")),
        }
    })
}

/// A key that is there is used: an earlier try was cut.
fn key(folder: &Path) -> Result<String, Failure> {
    let path = folder.join(KEY_FILE);
    match fs::read_to_string(&path) {
        Ok(key) => return Ok(key),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::io(path.display(), &error)),
    }
    let key = issue::new_key()?;
    write_new(&path, &key, 0o600)?;
    Ok(key)
}

/// Asks until there is a certificate or a refusal; meanwhile the coordinator is on the phone.
async fn enrol(
    client: &Client,
    line: &InviteLine,
    key: &str,
) -> Result<Result<pb::EnrolResponse, ClientError>, Failure> {
    let signing_request = issue::signing_request(key)?;
    let code =
        SigningRequest::read(&signing_request).map(|read| spoken_code(&line.secret.digest(), &read.key_digest()));
    let code = code.map_err(|problem| Failure::new(Exit::Failed, format!("our own signing request {problem}")))?;
    let secret = line.secret.0.to_vec().into();
    let request = pb::EnrolRequest { secret, signing_request: signing_request.into() };
    let mut is_told = false;
    loop {
        match client.enrol(request.clone()).await {
            Err(error) if error.is(pb::ErrorReason::ApprovalPending) => {
                if !is_told {
                    note(format!(
                        "the coordinator will call you; read this code to them, and to nobody who calls from elsewhere:\n\n    {code}\n\nwaiting (after Ctrl-C the same line goes on from here) …"
                    ));
                    is_told = true;
                }
                tokio::time::sleep(ASKING_PAUSE).await;
            }
            answer => return Ok(answer),
        }
    }
}

/// Certificate and authority beside the key, the folder under its name, and the context.
fn settle(
    contexts: &Contexts,
    name: &str,
    provisional: &Path,
    actor: &Actor,
    answer: &pb::EnrolResponse,
) -> Result<(), Failure> {
    let io = |path: &Path, error: std::io::Error| Failure::io(path.display(), &error);
    for (file, der) in [(CERTIFICATE_FILE, &answer.certificate), (AUTHORITY_FILE, &answer.authority)] {
        let path = provisional.join(file);
        let _ = fs::remove_file(&path);
        write_new(&path, &pem(&CertificateDer::from(der.to_vec())), 0o644)?;
    }
    let folder = contexts.folder().join(name);
    fs::rename(provisional, &folder).map_err(|error| io(&folder, error))?;
    Ok(context_for(actor, &answer.address, Path::new(name)).write(&contexts.path(name)?)?)
}

fn must_be_free(contexts: &Contexts, name: &str) -> Result<(), Failure> {
    let taken: [PathBuf; 2] = [contexts.path(name)?, contexts.folder().join(name)];
    match taken.iter().find(|path| path.exists()) {
        Some(path) => Err(Failure::usage(format!("{} is there already and is not overwritten", path.display()))
            .hint("give another name: --context NAME")),
        None => Ok(()),
    }
}

/// The organisation's id, or that with the actor's name, or that with a number.
fn free_name(contexts: &Contexts, actor: &Actor) -> Result<String, Failure> {
    let (organisation, full) = (actor.organisation.to_string(), format!("{}-{}", actor.organisation, actor.name()));
    let mut names = [organisation, full.clone()].into_iter().chain((2..100).map(|n| format!("{full}-{n}")));
    names
        .find(|name| must_be_free(contexts, name).is_ok())
        .ok_or_else(|| Failure::usage("no free name for the context").hint("give one: --context NAME"))
}

fn unreachable(error: ClientError) -> Failure {
    let is_away = matches!(error, ClientError::NotReachable { .. });
    let is_stranger = matches!(error, ClientError::NotAdmitted { .. });
    let failure = Failure::from(error);
    if is_away {
        failure.hint("try the same line again; it goes on where this was cut. If it stays so, ask the coordinator for the address")
    } else if is_stranger {
        failure.hint("do not try another line before you have talked to the coordinator")
    } else {
        failure
    }
}
