//! `samverkan invite`: let somebody without a certificate join, for the coordinator. One line is handed over; `samverkan join` takes it.
//!
//! The secret in the line is drawn here and never sent: the server learns its digest. Tested in `tests/it/enrolment.rs`.

use clap::{Args, Subcommand};
use rustix::rand::{GetRandomFlags, getrandom};
use serde_json::{Value, json};

use super::deliveries::short_time;
use super::failure::{Exit, Failure};
use super::json;
use super::output::note;
use super::session::{self, Session, all_pages, short};
use super::when::moment;
use super::words::{parse, plain, word};
use crate::client::{Client, ClientError, Time, pb};
use crate::identity::enrolment::line::{InviteLine, Secret};
use crate::identity::summary::hex;

#[derive(Debug, Subcommand)]
pub(crate) enum InviteCommand {
    /// Print a line with which one person or program of an organisation gets a certificate, once
    #[command(after_help = CREATE_HELP)]
    Create(Create),
    /// Approve whoever waits with a line that needs it, by the code that they read out to you
    #[command(after_help = APPROVE_HELP)]
    Approve {
        /// The eight characters; case and hyphen do not matter
        code: String,
        /// Of which invite: its id, or the beginning of it; else of the one that the code fits
        #[arg(long, value_name = "INVITE")]
        invite: Option<String>,
    },
    /// List all invites and what has become of them
    List,
    /// Take an invite back that was not used
    Revoke {
        /// Its id, or the beginning of it
        invite: String,
    },
}

const CREATE_HELP: &str = "\
The line is good for one certificate and holds a secret: hand it over on a way that you trust for that (a call, an encrypted mail).
Its receiver types

  samverkan join 'LINE'

which makes a key on that machine, checks the server by the fingerprint in the line, and gets the certificate.";

const APPROVE_HELP: &str = "\
Call the person that the invite is for, at a number that you know from elsewhere, and let them read the code that `samverkan join`
shows them. The code belongs to the key on their machine: whoever has got hold of the line has another.";

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// For which organisation
    #[arg(long, value_name = "ID")]
    organisation: String,
    /// For whom of it: user/<name> for a person, service/<name> for a program
    #[arg(long, value_name = "KIND/NAME")]
    actor: String,
    /// Register the organisation first, under this name for people
    #[arg(long, value_name = "NAME")]
    register: Option<String>,
    /// Also invite the organisation to this room: its id, or the beginning of it
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,
    /// Its part in that room: affected-organisation, third-party or authority
    #[arg(long, value_parser = parse::<pb::Role>, default_value = "affected-organisation", requires = "room")]
    role: pb::Role,
    /// How long the line is good for, 30 days at most: 24h, 3d, or a time
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = moment)]
    valid: Time,
    /// Approve by a code that the receiver reads out to you, before anything is issued: `samverkan invite approve`
    #[arg(long)]
    approve: bool,
}

pub(crate) async fn run(command: InviteCommand, session: &Session) -> Result<(), Failure> {
    let (client, output) = (session.connect().await?, session.output);
    match command {
        InviteCommand::Create(create) => self::create(create, &client, session).await,
        InviteCommand::List => {
            let all = list(&client).await?;
            let values: Vec<_> = all.iter().map(value).collect();
            output.list(&values, &HEADER, all.iter().map(row), "no invites")
        }
        InviteCommand::Approve { code, invite } => {
            let invite_id = match invite {
                Some(invite) => named(&client, &invite).await?,
                None => String::new(),
            };
            let request = pb::ApproveInviteRequest { code, invite_id, ..Default::default() };
            let answer = client.approve_invite(request).await?;
            let value = json!({
                "invite_id": answer.invite_id,
                "actor": answer.actor,
                "approved_time": json::time(answer.approved_time.as_ref()),
            });
            output.show(&value, || {
                note(format!(
                    "{} is approved: the certificate is issued when their machine asks, within seconds",
                    answer.actor
                ));
                Ok(())
            })
        }
        InviteCommand::Revoke { invite } => {
            let invite_id = named(&client, &invite).await?;
            let request = pb::RevokeInviteRequest { invite_id: invite_id.clone(), ..Default::default() };
            let answer = client.revoke_invite(request).await?;
            let revoked = json::time(answer.revoked_time.as_ref());
            output.show(&json!({ "invite_id": invite_id, "revoked_time": revoked }), || {
                note("the invite is revoked: nobody gets a certificate by it");
                Ok(())
            })
        }
    }
}

/// The id of the invite that is meant.
async fn named(client: &Client, given: &str) -> Result<String, Failure> {
    let all = list(client).await?;
    let ids: Vec<_> = all.iter().map(|one| (one.invite_id.as_str(), one.actor.as_str())).collect();
    session::choose("invite", &ids, Some(given)).map_err(|failure| {
        if failure.hint.is_some() { failure } else { failure.hint("`samverkan invite list` shows all") }
    })
}

async fn create(create: Create, client: &Client, session: &Session) -> Result<(), Failure> {
    let Create { organisation, actor, register, room, role, valid, approve } = create;
    let room_id = match &room {
        Some(room) => Some(session::room(client, Some(room)).await?),
        None => None,
    };
    if let Some(display_name) = register {
        let request = pb::RegisterOrganisationRequest {
            organisation_id: organisation.clone(),
            display_name,
            ..Default::default()
        };
        match client.register_organisation(request).await {
            Ok(_) => note(format!("{organisation} is registered")),
            Err(error) if error.is(pb::ErrorReason::OrganisationExists) => {
                note(format!("{organisation} was registered before"))
            }
            Err(error) => return Err(error.into()),
        }
    }
    let secret = draw()?;
    let request = pb::CreateInviteRequest {
        actor: format!("org/{organisation}/{actor}"),
        secret_digest: secret.digest().to_vec().into(),
        expire_time: Some(valid),
        needs_approval: approve,
        ..Default::default()
    };
    let made = client.create_invite(request).await.map_err(|error: ClientError| {
        let is_unknown =
            error.is(pb::ErrorReason::OrganisationNotFound) || error.is(pb::ErrorReason::OrganisationSuspended);
        let failure = Failure::from(error);
        if is_unknown {
            failure.hint("add --register 'Its name for people', or `samverkan organisation register`")
        } else {
            failure
        }
    })?;
    let authority = made.authority_fingerprint[..].try_into();
    let authority =
        authority.map_err(|_| Failure::new(Exit::Failed, "the server told no fingerprint of its authority"))?;
    let line = InviteLine { address: made.enrolment_address, authority, secret }.to_string();
    let invitation = match room_id {
        Some(room_id) => {
            let request = pb::InviteOrganisationRequest {
                room_id,
                organisation_id: organisation.clone(),
                role: role.into(),
                ..Default::default()
            };
            match client.invite_organisation(request).await {
                Ok(answer) => Some(answer.invitation_id),
                Err(error)
                    if error.is(pb::ErrorReason::AlreadyInvited) || error.is(pb::ErrorReason::AlreadyParticipant) =>
                {
                    note(format!("{organisation} was invited to the room before"));
                    None
                }
                Err(error) => {
                    note(format!(
                        "the invite {} was made, and {organisation} was not invited to the room",
                        short(&made.invite_id)
                    ));
                    return Err(error.into());
                }
            }
        }
        None => None,
    };
    let value = json!({
        "invite_id": made.invite_id,
        "line": line,
        "expire_time": json::time(made.expire_time.as_ref()),
        "invitation_id": invitation,
    });
    session.output.show(&value, || {
        let until = short_time(made.expire_time.as_ref());
        note(format!(
            "invite {} for org/{organisation}/{actor}, good for one certificate until {until}; hand over, on a way that you trust:",
            short(&made.invite_id)
        ));
        session.output.line(&format!("samverkan join {line}"))?;
        if approve {
            note("then call them: they read out a code, and you type `samverkan invite approve CODE`");
        }
        Ok(())
    })
}

/// 256 bits that nobody can guess.
fn draw() -> Result<Secret, Failure> {
    let mut bytes = [0; 32];
    let drawn = getrandom(&mut bytes[..], GetRandomFlags::empty());
    match drawn {
        Ok(length) if length == bytes.len() => Ok(Secret(bytes)),
        _ => Err(Failure::new(Exit::Failed, "the system gives no random numbers")),
    }
}

async fn list(client: &Client) -> Result<Vec<pb::Invite>, Failure> {
    Ok(all_pages!(client.list_invites(ListInvitesRequest {}).invites))
}

fn value(invite: &pb::Invite) -> Value {
    json!({
        "invite_id": invite.invite_id,
        "actor": invite.actor,
        "status": word::<pb::InviteStatus>(invite.status),
        "created_time": json::time(invite.created_time.as_ref()),
        "expire_time": json::time(invite.expire_time.as_ref()),
        "needs_approval": invite.needs_approval,
        "requested_time": json::time(invite.requested_time.as_ref()),
        "used_time": json::time(invite.used_time.as_ref()),
        "certificate_sha256": json::text(&hex(&invite.certificate_fingerprint)),
    })
}

const HEADER: [&str; 6] = ["invite", "for", "status", "made", "good until", "used"];

fn row(invite: &pb::Invite) -> Vec<String> {
    vec![
        short(&invite.invite_id).to_owned(),
        invite.actor.clone(),
        plain::<pb::InviteStatus>(invite.status),
        short_time(invite.created_time.as_ref()),
        short_time(invite.expire_time.as_ref()),
        short_time(invite.used_time.as_ref()),
    ]
}
