//! tonic's server, with every knob that matters set by hand, and what is served through it.
//!
//! Whoever is accepted by [`crate::identity`] speaks HTTP/2 here; each request carries its connection's [`Caller`], put there by us
//! from the stream itself (R10). No compression (a decompressor is a way to make us spend memory), no HTTP/1.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::server as reflection;
use tower::util::BoxCloneSyncService;
use tower::{Layer as _, Service, ServiceExt as _};

use super::Edge;
use super::authorisation::{Effect, Gate};
use super::status::CallError;
use crate::api::{
    self, access_service_server::AccessServiceServer, attachment_service_server::AttachmentServiceServer,
    audit_service_server::AuditServiceServer, backup_service_server::BackupServiceServer,
    certificate_service_server::CertificateServiceServer, consent_service_server::ConsentServiceServer,
    coordination_service_server::CoordinationServiceServer, erasure_service_server::ErasureServiceServer,
    intake_service_server::IntakeServiceServer, invite_service_server::InviteServiceServer,
    message_service_server::MessageServiceServer, organisation_service_server::OrganisationServiceServer,
    relay_service_server::RelayServiceServer, room_service_server::RoomServiceServer,
};
use crate::identity::{Accepted, Caller, GuardedIo};
use crate::limits;

impl Connected for GuardedIo {
    type ConnectInfo = Arc<Caller>;

    fn connect_info(&self) -> Arc<Caller> {
        self.caller().clone()
    }
}

/// Whether the server says that it serves.
pub struct Health {
    reporter: HealthReporter,
    service: HealthServer<HealthService>,
}

impl Health {
    /// Says so from the start.
    pub async fn serving() -> Self {
        let reporter = HealthReporter::new();
        for service in SERVICES {
            reporter.set_service_status(service, ServingStatus::Serving).await;
        }
        let service = HealthService::from_health_reporter(reporter.clone());
        Self { reporter, service: HealthServer::new(service) }
    }

    /// What tells it otherwise.
    pub fn reporter(&self) -> Serving {
        Serving(self.reporter.clone())
    }
}

/// Tells the health service that the server no longer serves.
#[derive(Clone, Debug)]
pub struct Serving(HealthReporter);

impl Serving {
    /// The server is stopping. Whoever watches is told, and its stream ends.
    pub async fn end(&mut self) {
        for service in SERVICES {
            self.0.set_service_status(service, ServingStatus::NotServing).await;
            // Ends the streams of who watches, after the news: they would hold up the end of their connections.
            self.0.clear_service_status(service).await;
        }
    }
}

/// Services with a health of their own; the empty name is the whole server.
const SERVICES: [&str; 15] = [
    "",
    "samverkan.v1.IntakeService",
    "samverkan.v1.RoomService",
    "samverkan.v1.MessageService",
    "samverkan.v1.AttachmentService",
    "samverkan.v1.ConsentService",
    "samverkan.v1.RelayService",
    "samverkan.v1.CoordinationService",
    "samverkan.v1.OrganisationService",
    "samverkan.v1.AccessService",
    "samverkan.v1.AuditService",
    "samverkan.v1.BackupService",
    "samverkan.v1.ErasureService",
    "samverkan.v1.InviteService",
    "samverkan.v1.CertificateService",
];

/// Serves accepted connections until `stop` resolves, then until the open calls have ended; without a time limit of its own.
pub async fn serve(
    edge: Edge,
    health: Health,
    accepted: mpsc::Receiver<Accepted>,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let services = Gate::new(edge.0.engine.clone()).layer(Services::new(&edge, health)?);
    let server = Server::builder()
        // tonic lifts this limit of hyper's unless told.
        .max_concurrent_streams(limits::STREAMS_PER_CONNECTION_MAX)
        // tonic lifts this one, too.
        .http2_max_local_error_reset_streams(Some(limits::LOCAL_ERROR_RESETS_MAX))
        .http2_max_pending_accept_reset_streams(Some(limits::PENDING_RESETS_MAX))
        .http2_max_header_list_size(limits::HEADER_BYTES_MAX)
        .http2_keepalive_interval(Some(limits::PING_INTERVAL))
        .http2_keepalive_timeout(Some(limits::PING_TIME_MAX))
        .http2_adaptive_window(Some(false))
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .accept_http1(false);
    let incoming = ReceiverStream::new(accepted).map(|Accepted { io, caller: _ }| Ok::<_, Infallible>(io));
    server.serve_with_incoming_shutdown(services, incoming, stop).await.map_err(io::Error::other)
}

type Boxed = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// Everything that is served, by the service's name in the path.
#[derive(Clone)]
struct Services(Arc<HashMap<&'static str, Boxed>>);

impl Services {
    fn new(edge: &Edge, health: Health) -> io::Result<Self> {
        let described = || {
            reflection::Builder::configure()
                .register_encoded_file_descriptor_set(api::DESCRIPTORS)
                .include_reflection_service(false)
        };
        let mut services = HashMap::new();
        macro_rules! serve {
            ($server:expr) => {
                let server = $server
                    .max_decoding_message_size(limits::REQUEST_BYTES_MAX)
                    .max_encoding_message_size(limits::RESPONSE_BYTES_MAX);
                services.insert(name(&server), BoxCloneSyncService::new(server));
            };
        }
        serve!(IntakeServiceServer::new(edge.clone()));
        serve!(RoomServiceServer::new(edge.clone()));
        serve!(MessageServiceServer::new(edge.clone()));
        serve!(AttachmentServiceServer::new(edge.clone()));
        serve!(ConsentServiceServer::new(edge.clone()));
        serve!(RelayServiceServer::new(edge.clone()));
        serve!(CoordinationServiceServer::new(edge.clone()));
        serve!(OrganisationServiceServer::new(edge.clone()));
        serve!(AccessServiceServer::new(edge.clone()));
        serve!(AuditServiceServer::new(edge.clone()));
        serve!(BackupServiceServer::new(edge.clone()));
        serve!(ErasureServiceServer::new(edge.clone()));
        serve!(InviteServiceServer::new(edge.clone()));
        serve!(CertificateServiceServer::new(edge.clone()));
        serve!(health.service);
        serve!(described().build_v1().map_err(io::Error::other)?);
        serve!(described().build_v1alpha().map_err(io::Error::other)?);
        Ok(Self(Arc::new(services)))
    }
}

fn name<S: NamedService>(_: &S) -> &'static str {
    S::NAME
}

impl Service<Request<Body>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let name = request.uri().path().split('/').nth(1).unwrap_or_default();
        match self.0.get(name) {
            Some(service) => Box::pin(service.clone().oneshot(request)),
            // The gate lets nothing through that isn't here.
            None => Box::pin(async { Ok(CallError::NoSuchMethod.status(Effect::Reads).into_http()) }),
        }
    }
}
