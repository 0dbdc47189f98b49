//! What stands between a program and a server, step by step: names, TCP, TLS, the first call. For finding out where it fails.
//!
//! Each step is made anew and told apart from the others; [`Client`] makes them all at once. Tested in `tests/it/doctor.rs`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::Request;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::error::{ClientError, Failure, deepest};
use super::{Client, Context};
use crate::identity::{CertificateSummary, KeyedCertificate, explain, tls};

/// One step. An honest network needs far less.
const STEP_TIME_MAX: Duration = Duration::from_secs(5);

/// What a TLS handshake showed.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// The protocol's version.
    pub version: String,
    /// The group that the key was agreed in.
    pub key_exchange: String,
    /// The server's certificate, which verified.
    pub certificate: Option<CertificateSummary>,
}

/// What one health check showed.
#[derive(Debug, Clone)]
pub struct Health {
    /// Whether the server says that it serves.
    pub is_serving: bool,
    /// How long the answer took.
    pub took: Duration,
    /// The server's `date`, as in the answer: whole seconds.
    pub date: Option<String>,
}

async fn within<T>(step: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    timeout(STEP_TIME_MAX, step).await.unwrap_or_else(|_| Err(format!("no answer within {STEP_TIME_MAX:?}")))
}

/// Looks the host up.
pub async fn resolve(context: &Context) -> Result<Vec<SocketAddr>, String> {
    within(async {
        let found = lookup_host(&context.address).await.map_err(|error| error.to_string())?;
        let found: Vec<_> = found.collect();
        if found.is_empty() { Err("the name has no address".to_owned()) } else { Ok(found) }
    })
    .await
}

/// Opens a TCP connection to one address.
pub async fn reach(address: SocketAddr) -> Result<TcpStream, String> {
    within(async { TcpStream::connect(address).await.map_err(|error| error.to_string()) }).await
}

/// Makes a TLS handshake over it. In TLS 1.3 a server that refuses our certificate says so only later.
pub async fn shake(context: &Context, tcp: TcpStream) -> Result<Handshake, String> {
    let own = KeyedCertificate::load(&context.certificate, &context.key).map_err(|error| error.to_string())?;
    let roots = tls::load_authorities(&context.ca).map_err(|error| error.to_string())?;
    let config = tls::client_config(&own, roots).map_err(|error| error.to_string())?;
    let host = context.address.rsplit_once(':').map_or(context.address.as_str(), |(host, _)| host);
    let name = context.server_name.as_deref().unwrap_or(host).trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(name).map_err(|_| "the server's name is neither a host name nor an IP address")?;
    within(async {
        let connected = TlsConnector::from(config).connect(name, tcp).await;
        let stream = connected.map_err(|error| explain(&error).map_or_else(|| error.to_string(), Into::into))?;
        let session = stream.get_ref().1;
        let group = session.negotiated_key_exchange_group();
        let certificate = session.peer_certificates().and_then(|chain| chain.first());
        Ok(Handshake {
            version: session.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default(),
            key_exchange: group.map(|group| format!("{:?}", group.name())).unwrap_or_default(),
            certificate: certificate.and_then(|der| CertificateSummary::of_der(der).ok()),
        })
    })
    .await
}

impl Client {
    fn health_client(&self) -> HealthClient<tonic::transport::Channel> {
        HealthClient::new(self.transport.channel())
    }

    fn health_failure(&self, status: &tonic::Status) -> ClientError {
        let address = self.transport.address();
        match Failure::of_status(status, self.transport.said()) {
            Failure::Final(verdict) => verdict.into_error(address, ""),
            Failure::Again { problem, .. } => ClientError::NotReachable { address: address.into(), problem },
        }
    }

    /// Asks once whether the server serves. Not tried again: who asks wants to know how it is now.
    pub async fn health(&self) -> Result<Health, ClientError> {
        let began = Instant::now();
        let asked = self.health_client().check(Request::new(HealthCheckRequest::default())).await;
        let answer = asked.map_err(|status| self.health_failure(&status))?;
        let date = answer.metadata().get("date").and_then(|date| date.to_str().ok()).map(str::to_owned);
        Ok(Health { is_serving: is_serving(answer.get_ref()), took: began.elapsed(), date })
    }

    /// Opens a stream of the server's health and waits for its first word.
    pub async fn watch_health(&self) -> Result<bool, ClientError> {
        let opened = self.health_client().watch(Request::new(HealthCheckRequest::default())).await;
        let mut stream = opened.map_err(|status| self.health_failure(&status))?.into_inner();
        match timeout(STEP_TIME_MAX, stream.message()).await {
            Ok(Ok(Some(answer))) => Ok(is_serving(&answer)),
            Ok(Ok(None)) => Err(ClientError::Failed("the stream ended at once".to_owned())),
            Ok(Err(status)) => Err(self.health_failure(&status)),
            Err(late) => Err(ClientError::Failed(format!("the stream opened and stayed silent: {}", deepest(&late)))),
        }
    }
}

fn is_serving(answer: &HealthCheckResponse) -> bool {
    answer.status() == ServingStatus::Serving
}
