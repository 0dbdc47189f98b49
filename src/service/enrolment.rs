//! `samverkan.v1.InviteService` and `samverkan.v1.EnrolmentService`: invites, and the certificates that are issued by them. The promises
//! are the comments in enrolment.proto.
//!
//! The second is served on a listener of its own ([`serve`]). Order of its checks: is there an attempt left, is the request well-formed,
//! is the secret one of an invite that this key can use, does the signing request ask for no more than that gives. Upholds R10.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status};

use super::authorisation::Effect;
use super::call::Call;
use super::status::CallError;
use super::{Edge, authorisation, from_proto, to_proto};
use crate::api::enrolment_service_server::{EnrolmentService, EnrolmentServiceServer};
use crate::api::{self, invite_service_server::InviteService};
use crate::audit::AuditEvent;
use crate::engine::{Engine, Failure};
use crate::identity::Authority;
use crate::identity::enrolment::csr::SigningRequest;
use crate::identity::enrolment::line::Secret;
use crate::identity::enrolment::listener::{Attempts, Knocking};
use crate::limits;
use crate::room::enrolment::{IssuedCertificate, NewInvite};
use crate::room::event::Request as Write;
use crate::room::ids::{InviteId, RequestId, Timestamp};
use crate::room::refusal::Refusal;

/// What whoever is invited must know beside the secret.
#[derive(Debug, Clone)]
pub struct EnrolmentFacts {
    /// Where to enrol.
    pub address: String,
    /// SHA-256 of the authority's certificate.
    pub authority: [u8; 32],
}

/// Issues certificates to those who were invited.
pub struct Enrolment {
    /// Who issues.
    pub authority: Authority,
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// Where the holders of certificates call.
    pub server_address: String,
    /// How long certificates last.
    pub days: u32,
}

#[tonic::async_trait]
impl InviteService for Edge {
    async fn create_invite(
        &self,
        request: Request<api::CreateInviteRequest>,
    ) -> Result<Response<api::CreateInviteResponse>, Status> {
        self.unary(authorisation::CREATE_INVITE, request, create_invite).await
    }

    async fn revoke_invite(
        &self,
        request: Request<api::RevokeInviteRequest>,
    ) -> Result<Response<api::RevokeInviteResponse>, Status> {
        self.unary(authorisation::REVOKE_INVITE, request, revoke_invite).await
    }

    async fn list_invites(
        &self,
        request: Request<api::ListInvitesRequest>,
    ) -> Result<Response<api::ListInvitesResponse>, Status> {
        self.unary(authorisation::LIST_INVITES, request, list_invites).await
    }
}

async fn create_invite(call: Call, request: api::CreateInviteRequest) -> Result<api::CreateInviteResponse, CallError> {
    let (id, actor, secret, expires_at) = from_proto::create_invite(request)?;
    call.coordinator_only()?;
    let facts = call.shared().enrolment.clone().ok_or(CallError::EnrolmentOff)?;
    let new = NewInvite { invite: InviteId(call.engine().new_id()), actor, secret, expires_at };
    let (made, _) = call.engine().create_invite(call.actor(), id, new).await?;
    Ok(api::CreateInviteResponse {
        invite_id: made.invite.to_string(),
        enrolment_address: facts.address,
        authority_fingerprint: facts.authority.to_vec().into(),
        expire_time: Some(to_proto::time(made.expires_at)),
    })
}

async fn revoke_invite(call: Call, request: api::RevokeInviteRequest) -> Result<api::RevokeInviteResponse, CallError> {
    let (id, invite) = from_proto::revoke_invite(request)?;
    let revoked_at = call.engine().revoke_invite(call.actor(), id, invite).await?;
    Ok(api::RevokeInviteResponse { revoked_time: Some(to_proto::time(revoked_at)) })
}

async fn list_invites(call: Call, request: api::ListInvitesRequest) -> Result<api::ListInvitesResponse, CallError> {
    let size = from_proto::page_size(request.page_size)?;
    let after: Option<uuid::Uuid> = call.page_after("", &request.page_token)?;
    call.authorise()?;
    let (directory, now) = (call.engine().directory(), call.engine().now());
    let shown = directory.invites().after(after.map(InviteId)).map(|(id, invite)| to_proto::invite(id, invite, now));
    let (invites, more) = to_proto::fill(shown, size);
    let last = invites.last().map(|invite| invite.invite_id.clone());
    let next_page_token = call.next_page("", more, last.as_deref());
    Ok(api::ListInvitesResponse { invites, next_page_token })
}

impl Connected for Knocking {
    type ConnectInfo = SocketAddr;

    fn connect_info(&self) -> SocketAddr {
        self.peer()
    }
}

/// Serves the enrolment listener until `stop` resolves.
pub async fn serve(
    engine: Engine,
    enrolment: Enrolment,
    accepted: mpsc::Receiver<Knocking>,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let attempts = Attempts::new();
    let desk = Desk(Arc::new(Inner { engine, enrolment, attempts }));
    let service = EnrolmentServiceServer::new(desk)
        .max_decoding_message_size(limits::ENROLMENT_REQUEST_BYTES_MAX)
        .max_encoding_message_size(limits::ENROLMENT_REQUEST_BYTES_MAX);
    let server = Server::builder()
        .max_concurrent_streams(4)
        .http2_max_local_error_reset_streams(Some(limits::LOCAL_ERROR_RESETS_MAX))
        .http2_max_pending_accept_reset_streams(Some(limits::PENDING_RESETS_MAX))
        .http2_max_header_list_size(limits::HEADER_BYTES_MAX)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .accept_http1(false);
    let incoming = ReceiverStream::new(accepted).map(Ok::<_, Infallible>);
    server.serve_with_incoming_shutdown(service, incoming, stop).await.map_err(io::Error::other)
}

#[derive(Clone)]
struct Desk(Arc<Inner>);

struct Inner {
    engine: Engine,
    enrolment: Enrolment,
    attempts: Attempts,
}

#[tonic::async_trait]
impl EnrolmentService for Desk {
    async fn enrol(&self, request: Request<api::EnrolRequest>) -> Result<Response<api::EnrolResponse>, Status> {
        let peer = request.extensions().get::<SocketAddr>().copied();
        let peer = peer.unwrap_or_else(|| SocketAddr::from(([0; 16], 0)));
        let answer = match self.0.attempts.may(peer) {
            true => tokio::time::timeout(limits::UNARY_TIME_MAX, self.enrol_now(request.into_inner()))
                .await
                .unwrap_or(Err(CallError::TimedOut { max: limits::UNARY_TIME_MAX })),
            false => Err(Failure::Busy("too many attempts to enrol").into()),
        };
        match answer {
            Ok((answer, certificate)) => {
                let certificate = crate::identity::summary::hex(&certificate[..8]);
                tracing::info!(
                    %peer,
                    certificate,
                    "a certificate was issued by an invite"
                );
                Ok(Response::new(answer))
            }
            Err(error) => {
                let reason = match &error {
                    CallError::Failed(Failure::Refused(Refusal::InviteNotValid)) => "invite-not-valid",
                    CallError::Failed(Failure::Busy(_)) => "too-many-attempts",
                    CallError::Invalid(_) => "bad-request",
                    _ => "failed",
                };
                tracing::warn!(%peer, reason, "enrolment refused");
                self.0.engine.trail().note(AuditEvent::InviteRefused { invite: None, peer: peer.ip(), reason });
                Err(error.status(Effect::Reads))
            }
        }
    }
}

impl Desk {
    async fn enrol_now(&self, request: api::EnrolRequest) -> Result<(api::EnrolResponse, [u8; 32]), CallError> {
        let Inner { engine, enrolment, attempts: _ } = &*self.0;
        let (secret, request) = from_proto::enrol(&request)?;
        let digest = Secret(secret).digest();
        let key = request.key_digest();
        let (directory, now) = (engine.directory(), engine.now());
        let found = directory.invites().with_secret(&digest);
        let found = found.filter(|(_, invite)| directory.admits(&invite.actor.organisation));
        let (id, invite) = found.ok_or(Refusal::InviteNotValid)?;
        let issued = match invite.issued_for(&key, now) {
            Some(issued) => issued.clone(),
            None if !invite.is_open(now) => return Err(Refusal::InviteNotValid.into()),
            None => {
                let uri = enrolment.authority.trust_domain().uri(&invite.actor);
                request
                    .asks_for(&invite.actor.to_string(), &uri)
                    .map_err(|problem| CallError::invalid("signing_request", problem.to_string()))?;
                let issued = self.certify(&invite.actor, &request, key, now)?;
                let write = Write { id: request_id(id), digest: key };
                match engine.issue(write, id, issued).await {
                    // Somebody used it with another key in between.
                    Err(Failure::Refused(Refusal::RequestIdReused)) => return Err(Refusal::InviteNotValid.into()),
                    other => other?,
                }
            }
        };
        let answer = api::EnrolResponse {
            certificate: issued.certificate.to_vec().into(),
            authority: enrolment.certificate.clone().into(),
            actor: issued.actor.to_string(),
            address: enrolment.server_address.clone(),
            expire_time: Some(to_proto::time(issued.not_after)),
        };
        Ok((answer, issued.fingerprint))
    }

    fn certify(
        &self,
        actor: &crate::room::ids::Actor,
        request: &SigningRequest,
        public_key: [u8; 32],
        now: Timestamp,
    ) -> Result<IssuedCertificate, CallError> {
        let enrolment = &self.0.enrolment;
        let certificate = enrolment
            .authority
            .certify(actor, &request.public_key, enrolment.days, now)
            .map_err(|error| CallError::internal("Enrol", error))?;
        // X.509 has no fractions of a second.
        let end = now.0 / 1_000_000 + i64::from(enrolment.days) * 24 * 60 * 60;
        Ok(IssuedCertificate {
            actor: actor.clone(),
            fingerprint: Sha256::digest(&certificate).into(),
            certificate: certificate.into(),
            public_key,
            not_after: Timestamp(end * 1_000_000),
        })
    }
}

/// An invite leads to one write, whoever asks: its request id follows from the invite's.
fn request_id(invite: InviteId) -> RequestId {
    let digest: [u8; 32] =
        Sha256::new().chain_update(b"samverkan/enrol/1").chain_update(invite.as_bytes()).finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    RequestId::from_bytes(bytes)
}
