//! `samverkan certs revoke|reinstate|revocations` and `samverkan server connections`: whose access was taken away, and who has it now.
//! For the coordinator.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use super::deliveries::short_time;
use super::failure::Failure;
use super::json;
use super::organisation::{self, OrganisationCommand};
use super::output::note;
use super::session::{Session, all_pages};
use super::words::{plain, word};
use crate::client::pb;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["certificate", "actor", "organisation"]))]
pub(crate) struct Revoke {
    /// One certificate, for good: its SHA-256, as `samverkan certs show` prints it. Its actor goes on with another
    #[arg(long, value_name = "SHA256")]
    certificate: Option<String>,
    /// A person or program, whatever certificate it shows: org/<organisation>/user|service/<name>
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// A whole organisation: as `samverkan organisation suspend`
    #[arg(long, value_name = "ID")]
    organisation: Option<String>,
    /// Whose the certificate is, if nobody is connected with it: its organisation's rooms record it then
    #[arg(long, value_name = "ACTOR", requires = "certificate")]
    of: Option<String>,
    /// Why, for the record; shown to the coordinator only
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct Reinstate {
    /// A person or program that was revoked: org/<organisation>/user|service/<name>
    #[arg(long, value_name = "ACTOR")]
    actor: String,
    /// Why, for the record; shown to the coordinator only
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// List who is connected: who, with which certificate, since when, from where, and how its keys were agreed
    Connections,
}

pub(crate) async fn revoke(command: Revoke, session: &Session) -> Result<(), Failure> {
    let Revoke { certificate, actor, organisation, of, reason } = command;
    if let Some(organisation) = organisation {
        return organisation::run(OrganisationCommand::Suspend { organisation, reason }, session).await;
    }
    let (client, output) = (session.connect().await?, session.output);
    if let Some(actor) = actor {
        let request = pb::RevokeActorRequest { actor: actor.clone(), reason, ..Default::default() };
        let answer = client.revoke_actor(request).await?;
        let (revoked, cut) = (json::time(answer.revoked_time.as_ref()), answer.connections_cut);
        let value = json!({ "actor": actor, "revoked_time": revoked, "connections_cut": cut });
        return output.show(&value, || {
            note(format!("{actor} is revoked; connections cut: {cut}"));
            note(format!("let it in again with `samverkan certs reinstate --actor {actor} --reason …`"));
            Ok(())
        });
    }
    let certificate_sha256 = certificate.unwrap_or_default();
    let request = pb::RevokeCertificateRequest {
        certificate_sha256: certificate_sha256.clone(),
        actor: of.unwrap_or_default(),
        reason,
        ..Default::default()
    };
    let answer = client.revoke_certificate(request).await?;
    let value = json!({
        "certificate_sha256": certificate_sha256,
        "actor": json::text(&answer.actor),
        "revoked_time": json::time(answer.revoked_time.as_ref()),
        "connections_cut": answer.connections_cut,
    });
    output.show(&value, || {
        let cut = answer.connections_cut;
        match answer.actor.as_str() {
            "" => {
                note("the certificate is revoked; nobody is connected with it");
                note(
                    "no room records it, since it is not known whose it is: name that with --of ACTOR when you revoke",
                );
            }
            actor => note(format!("the certificate of {actor} is revoked; connections cut: {cut}")),
        }
        Ok(())
    })
}

pub(crate) async fn reinstate(command: Reinstate, session: &Session) -> Result<(), Failure> {
    let (client, output) = (session.connect().await?, session.output);
    let Reinstate { actor, reason } = command;
    let request = pb::ReinstateActorRequest { actor: actor.clone(), reason, ..Default::default() };
    let answer = client.reinstate_actor(request).await?;
    let value = json!({ "actor": actor, "reinstated_time": json::time(answer.reinstated_time.as_ref()) });
    output.show(&value, || {
        note(format!("{actor} may come in again, with a certificate that is not revoked"));
        Ok(())
    })
}

pub(crate) async fn revocations(session: &Session) -> Result<(), Failure> {
    let (client, output) = (session.connect().await?, session.output);
    let all: Vec<pb::Revocation> = all_pages!(client.list_revocations(ListRevocationsRequest {}).revocations);
    let value = |revocation: &pb::Revocation| -> Value {
        json!({
            "change": word::<pb::AccessChange>(revocation.change),
            "certificate_sha256": json::text(&revocation.certificate_sha256),
            "actor": json::text(&revocation.actor),
            "reason": revocation.reason,
            "recorded_time": json::time(revocation.recorded_time.as_ref()),
            "recorded_by": revocation.recorded_by,
        })
    };
    let row = |revocation: &pb::Revocation| {
        vec![
            short_time(revocation.recorded_time.as_ref()),
            plain::<pb::AccessChange>(revocation.change),
            revocation.actor.clone(),
            revocation.certificate_sha256.clone(),
            revocation.recorded_by.clone(),
            revocation.reason.clone(),
        ]
    };
    let values: Vec<_> = all.iter().map(value).collect();
    let header = ["time", "what", "actor", "certificate", "by", "why"];
    output.list(&values, &header, all.iter().map(row), "nothing was revoked")
}

pub(crate) async fn server(command: ServerCommand, session: &Session) -> Result<(), Failure> {
    let ServerCommand::Connections = command;
    let (client, output) = (session.connect().await?, session.output);
    let all: Vec<pb::LiveConnection> =
        all_pages!(client.list_live_connections(ListLiveConnectionsRequest {}).connections);
    let value = |connection: &pb::LiveConnection| -> Value {
        json!({
            "actor": connection.actor,
            "certificate_sha256": connection.certificate_sha256,
            "expire_time": json::time(connection.expire_time.as_ref()),
            "connected_time": json::time(connection.connected_time.as_ref()),
            "peer_address": connection.peer_address,
            "key_exchange": connection.key_exchange,
        })
    };
    let row = |connection: &pb::LiveConnection| {
        vec![
            connection.actor.clone(),
            connection.certificate_sha256.clone(),
            short_time(connection.connected_time.as_ref()),
            connection.peer_address.clone(),
            connection.key_exchange.clone(),
            short_time(connection.expire_time.as_ref()),
        ]
    };
    let values: Vec<_> = all.iter().map(value).collect();
    let header = ["actor", "certificate", "since", "from", "key exchange", "expires"];
    output.list(&values, &header, all.iter().map(row), "nobody is connected")
}
