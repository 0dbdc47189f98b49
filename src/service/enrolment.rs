//! `samverkan.v1.EnrolmentService`: certificates for those who were invited. The promises are the comments in enrolment.proto.
//!
//! Served on a listener of its own ([`serve`]). Order of its checks: is there an attempt left, is the request well-formed, is the secret
//! one of an invite that this key can use, does the signing request ask for no more than that gives. Upholds R10.

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
use super::issuing::Issuing;
use super::status::CallError;
use super::{from_proto, to_proto};
use crate::api;
use crate::api::enrolment_service_server::{EnrolmentService, EnrolmentServiceServer};
use crate::audit::AuditEvent;
use crate::engine::{Engine, Failure};
use crate::identity::enrolment::line::Secret;
use crate::identity::enrolment::listener::{Attempts, Knocking};
use crate::limits;
use crate::room::enrolment::Step;
use crate::room::event::Request as Write;
use crate::room::ids::{InviteId, RequestId};
use crate::room::refusal::Refusal;

impl Connected for Knocking {
    type ConnectInfo = SocketAddr;

    fn connect_info(&self) -> SocketAddr {
        self.peer()
    }
}

/// Serves the enrolment listener until `stop` resolves.
pub async fn serve(
    engine: Engine,
    issuing: Arc<Issuing>,
    accepted: mpsc::Receiver<Knocking>,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let attempts = Attempts::new();
    let desk = Desk(Arc::new(Inner { engine, issuing, attempts }));
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
    issuing: Arc<Issuing>,
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
            Err(error @ CallError::Failed(Failure::Refused(Refusal::ApprovalPending))) => {
                Err(error.status(Effect::Reads))
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
        let Inner { engine, issuing, attempts: _ } = &*self.0;
        let (secret, request) = from_proto::enrol(&request)?;
        let digest = Secret(secret).digest();
        let key = request.key_digest();
        let (directory, now) = (engine.directory(), engine.now());
        let found = directory.invites().with_secret(&digest);
        let found = found.filter(|(_, invite)| directory.admits(&invite.actor.organisation));
        let (id, invite) = found.ok_or(Refusal::InviteNotValid)?;
        // Somebody came with another key in between.
        let lost = |failure| match failure {
            Failure::Refused(Refusal::RequestIdReused) => Failure::Refused(Refusal::InviteNotValid),
            other => other,
        };
        let issued = match invite.step(&key, now)? {
            Step::Issued(issued) => issued.clone(),
            Step::Issue => {
                let issued = issuing.certify(&invite.actor, &request, now)?;
                let write = Write { id: request_id(b"samverkan/enrol/1", id), digest: key };
                engine.issue(write, id, issued).await.map_err(lost)?
            }
            Step::Claim => {
                // What would be refused later need not wait.
                issuing.may_have(&invite.actor, &request)?;
                let write = Write { id: request_id(b"samverkan/claim/1", id), digest: key };
                engine.request_enrolment(&invite.actor, write, id, key).await.map_err(lost)?;
                return Err(Refusal::ApprovalPending.into());
            }
            Step::Wait => return Err(Refusal::ApprovalPending.into()),
        };
        let answer = api::EnrolResponse {
            certificate: issued.certificate.to_vec().into(),
            authority: issuing.certificate.to_vec().into(),
            actor: issued.actor.to_string(),
            address: issuing.server_address.clone(),
            expire_time: Some(to_proto::time(issued.not_after)),
        };
        Ok((answer, issued.fingerprint))
    }
}

/// An invite leads to one write of each kind, whoever asks: its request id follows from the invite's.
fn request_id(kind: &[u8], invite: InviteId) -> RequestId {
    let digest: [u8; 32] = Sha256::new().chain_update(kind).chain_update(invite.as_bytes()).finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    RequestId::from_bytes(bytes)
}
