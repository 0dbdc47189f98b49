//! How does a client's connection come about, and what does it remember of one that failed?
//!
//! TCP, then TLS with the settings of [`crate::identity::tls`], then HTTP/2 with keepalive. When the server refuses the
//! certificate, TLS says so in an alert that arrives after the client's side of the handshake is done, as an error of the first
//! read; what stands above TLS keeps little of it. So each connection writes down what TLS had to say, for the error that follows.
//!
//! A call that is handed to a connection in the moment in which it ends is, about once in a hundred thousand cuts, neither sent nor
//! failed by what stands above: it would wait for ever, or until another call is made. So we count the connections that are there or
//! being made, and whoever waits while there is none is told that nothing will come.
//! Upholds R10 from the client's side. Tested in `tests/it`.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, ready};
use std::time::{Duration, SystemTime};

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::Status;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint, Uri};

use super::context::Context;
use super::error::{ClientError, Failure, deepest};
use crate::api::RENEWAL_HEADER;
use crate::identity::enrolment::line::InviteLine;
use crate::identity::enrolment::pin;
use crate::identity::{KeyedCertificate, explain, tls};

/// From the first packet to the end of the TLS handshake.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How often a quiet connection is asked whether it is alive, and how long it may take to say so.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// How long a call waits while there is no connection and nobody makes one. A call that needs one has it made at once.
const WITHOUT_CONNECTION_MAX: Duration = Duration::from_secs(1);
/// The largest answer: a page of 1 MiB and its frame, with room for later versions of the API.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The largest request: a report of eight full answers and a consent of 256 names stay well below it.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// A channel, and what TLS said last.
#[derive(Clone)]
pub(super) struct Transport {
    channel: Channel,
    address: Arc<str>,
    said: Said,
    /// Seconds since 1970 when the certificate expires, once the server has said that it is time to renew it; 0 before.
    expires: Arc<AtomicU64>,
    /// How many connections are there or being made: none or one, two for a moment.
    connections: watch::Sender<usize>,
}

/// Counts a connection from the first packet until its socket is closed.
struct Counted(watch::Sender<usize>);

impl Counted {
    fn new(connections: watch::Sender<usize>) -> Self {
        connections.send_modify(|count| *count += 1);
        Self(connections)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Ends when there has been no connection for [`WITHOUT_CONNECTION_MAX`], and none was being made.
async fn without_connection(mut connections: watch::Receiver<usize>) {
    loop {
        if connections.wait_for(|count| *count == 0).await.is_err() {
            return;
        }
        if timeout(WITHOUT_CONNECTION_MAX, connections.wait_for(|count| *count > 0)).await.is_err() {
            return;
        }
    }
}

/// What TLS said about the last connection, if it was bad.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Option<&'static str>>>);

impl Said {
    fn set(&self, sentence: Option<&'static str>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sentence;
    }

    fn get(&self) -> Option<&'static str> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, error: &io::Error) {
        if let Some(sentence) = explain(error) {
            self.set(Some(sentence));
        }
    }
}

impl Transport {
    pub(super) async fn connect(context: &Context) -> Result<Self, ClientError> {
        let address: Arc<str> = context.address.as_str().into();
        let bad = |problem: String| ClientError::Certificate(problem);
        let config = own_config(context).map_err(bad)?;
        Self::open(address, context.server_name.as_deref(), config, Some(Arc::new(context.clone()))).await
    }

    /// A connection to enrol over: we have no certificate, and know the authority by its fingerprint.
    pub(super) async fn knock(line: &InviteLine) -> Result<Self, ClientError> {
        let config = pin::client_config(line.authority).map_err(|error| ClientError::Certificate(error.to_string()))?;
        Self::open(line.address.as_str().into(), None, config, None).await
    }

    async fn open(
        address: Arc<str>,
        server_name: Option<&str>,
        config: Arc<ClientConfig>,
        own: Option<Arc<Context>>,
    ) -> Result<Self, ClientError> {
        let bad = |problem: String| ClientError::Certificate(problem);
        let uri: Uri = format!("https://{address}")
            .parse()
            .map_err(|_| bad(format!("address {address:?}: must be host and port, as in 127.0.0.1:7443")))?;
        let (Some(host), Some(_)) = (uri.host(), uri.port_u16()) else {
            return Err(bad(format!("address {address:?}: must be host and port, as in 127.0.0.1:7443")));
        };
        let name = server_name.unwrap_or(host).trim_matches(['[', ']']).to_owned();
        let server_name = ServerName::try_from(name.clone())
            .map_err(|_| bad(format!("server name {name:?}: is neither a host name nor an IP address")))?;

        let (said, connections) = (Said::default(), watch::Sender::new(0));
        let dial = Dial {
            address: address.clone(),
            server_name,
            config,
            own,
            has_dialled: Arc::default(),
            said: said.clone(),
            connections: connections.clone(),
        };
        let endpoint = Endpoint::from(uri)
            .connect_timeout(CONNECT_TIME_MAX)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .keep_alive_while_idle(true)
            .http2_adaptive_window(false)
            .initial_stream_window_size(1024 * 1024)
            .initial_connection_window_size(4 * 1024 * 1024);
        let connector = tower::service_fn(move |_: Uri| dial.clone().run());
        let channel = endpoint.connect_with_connector(connector).await.map_err(|error| {
            let address = address.to_string();
            match said.get().or_else(|| explain(&error)) {
                Some(explanation) => ClientError::NotAdmitted { address, explanation: explanation.into() },
                None => ClientError::NotReachable { address, problem: deepest(&error) },
            }
        })?;
        Ok(Self { channel, address, said, expires: Arc::default(), connections })
    }

    /// Waits for an answer, or for the certainty that none will come.
    pub(super) async fn answer<T>(&self, call: impl Future<Output = Result<T, Status>>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            answer = call => answer.map_err(|status| Failure::of_status(&status, self.said())),
            () = without_connection(self.connections.subscribe()) => {
                Err(Failure::Again { problem: "the connection was cut".into(), maybe_written: true })
            }
        }
    }

    /// Takes note of what an answer says beside its content.
    pub(super) fn heed(&self, metadata: &MetadataMap) {
        let seconds = metadata.get(RENEWAL_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
        if let Some(seconds) = seconds {
            self.expires.store(seconds, Ordering::Relaxed);
        }
    }

    /// When the certificate expires, if it is time to renew it.
    pub(super) fn expires(&self) -> Option<SystemTime> {
        let seconds = self.expires.load(Ordering::Relaxed);
        (seconds > 0).then(|| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// What TLS said about the last connection, if it was bad.
    pub(super) fn said(&self) -> Option<&'static str> {
        self.said.get()
    }
}

/// The generated clients, each with our limits on sizes.
macro_rules! clients {
    ($($name:ident: $module:ident :: $client:ident),* $(,)?) => {
        impl Transport {
            $(pub(super) fn $name(&self) -> crate::api::$module::$client<Channel> {
                crate::api::$module::$client::new(self.channel())
                    .max_decoding_message_size(ANSWER_BYTES_MAX)
                    .max_encoding_message_size(REQUEST_BYTES_MAX)
            })*
        }
    };
}

clients! {
    access: access_service_client::AccessServiceClient,
    attachments: attachment_service_client::AttachmentServiceClient,
    audit: audit_service_client::AuditServiceClient,
    backups: backup_service_client::BackupServiceClient,
    certificates: certificate_service_client::CertificateServiceClient,
    consent: consent_service_client::ConsentServiceClient,
    coordination: coordination_service_client::CoordinationServiceClient,
    erasures: erasure_service_client::ErasureServiceClient,
    enrolments: enrolment_service_client::EnrolmentServiceClient,
    intake: intake_service_client::IntakeServiceClient,
    invites: invite_service_client::InviteServiceClient,
    messages: message_service_client::MessageServiceClient,
    organisations: organisation_service_client::OrganisationServiceClient,
    relays: relay_service_client::RelayServiceClient,
    rooms: room_service_client::RoomServiceClient,
}

/// All that it takes to make a connection.
#[derive(Clone)]
struct Dial {
    address: Arc<str>,
    server_name: ServerName<'static>,
    config: Arc<ClientConfig>,
    /// Whose files are read again for each connection but the first: a certificate may have been renewed since.
    own: Option<Arc<Context>>,
    has_dialled: Arc<AtomicBool>,
    said: Said,
    connections: watch::Sender<usize>,
}

/// TLS settings from the files of a context.
fn own_config(context: &Context) -> Result<Arc<ClientConfig>, String> {
    let own = KeyedCertificate::load(&context.certificate, &context.key).map_err(|error| error.to_string())?;
    let roots = tls::load_authorities(&context.ca).map_err(|error| error.to_string())?;
    tls::client_config(&own, roots).map_err(|error| error.to_string())
}

impl Dial {
    async fn run(self) -> io::Result<TokioIo<Watched>> {
        let counted = Counted::new(self.connections);
        self.said.set(None);
        let tcp = TcpStream::connect(&*self.address).await?;
        tcp.set_nodelay(true)?;
        // Files that are being replaced at this moment do not fit each other: what held before still does.
        let again = self.own.filter(|_| self.has_dialled.swap(true, Ordering::Relaxed));
        let newest = again.and_then(|context| own_config(&context).ok());
        match TlsConnector::from(newest.unwrap_or(self.config)).connect(self.server_name, tcp).await {
            Ok(inner) => Ok(TokioIo::new(Watched { inner, said: self.said, _counted: counted })),
            Err(error) => {
                self.said.listen(&error);
                Err(error)
            }
        }
    }
}

/// A TLS stream whose last words are written down.
struct Watched {
    inner: tokio_rustls::client::TlsStream<TcpStream>,
    said: Said,
    // After the stream: what is not counted any more is closed.
    _counted: Counted,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.inner).poll_read(cx, buffer));
        if let Err(error) = &result {
            self.said.listen(error);
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_connection_is_left_alone_and_who_waits_without_one_is_told() {
        let connections = watch::Sender::new(0);
        let open = Counted::new(connections.clone());
        let mut waiting = tokio::spawn(without_connection(connections.subscribe()));
        let long = WITHOUT_CONNECTION_MAX * 10;
        assert!(timeout(long, &mut waiting).await.is_err(), "a connection is there");
        let dialled = Counted::new(connections.clone());
        drop(open);
        assert!(timeout(long, &mut waiting).await.is_err(), "another is being made");
        drop(dialled);
        assert!(timeout(WITHOUT_CONNECTION_MAX / 2, &mut waiting).await.is_err(), "one may be made in a moment");
        timeout(long, waiting).await.expect("told").expect("not panicked");
    }
}
