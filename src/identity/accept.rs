//! How does a socket become a caller?
//!
//! [`Acceptor`] owns the listening socket. Each connection gets a TLS handshake with a deadline, a certificate that names an
//! actor, and a slot among the [`Connections`]; then it is handed on as [`Accepted`]. Everything else is refused: logged
//! once with its reason, told to [`Acceptor::on_refused`], and told to the client where TLS or HTTP/2 has a way to.
//!
//! A flood of sockets that never finish their handshake displaces itself ([`super::handshakes`]), and its refusals are logged up to a
//! rate, then counted. Running out of file descriptors makes the loop pause,
//! not spin. Upholds R10 and the limits of `limits.rs`. Tested in `tests/it/identity.rs`.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use super::connections::{Caller, Chain, ConnectionId, Connections, Slot};
use super::guarded::GuardedIo;
use super::handshakes::{Handshakes, Pending};
use super::name::Identity;
use super::refused::Refused;
use super::summary::renewal_due;
use super::tls::ServerTls;
use crate::limits;
use crate::rate::{Bucket, Rate};
use crate::room::ids::OrganisationId;

/// Pause after the machine could not give us a socket; long enough not to burn a core, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a refused client may take to read why.
const GOODBYE_TIME: Duration = Duration::from_secs(1);

/// Accepted connections that wait to be taken by the gRPC server, which takes them at once.
const ACCEPTED_WAITING_MAX: usize = 64;

/// How many connections, and how long they may take to begin. The defaults are those of [`limits`].
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// From the accepted socket to the finished handshake.
    pub handshake_time: Duration,
    /// From the finished handshake to the beginning of HTTP/2.
    pub preface_time: Duration,
    /// How long a connection may have no request under way before it is closed.
    pub idle_time: Duration,
    /// Handshakes under way at once; one more and the oldest gives way.
    pub handshakes: usize,
    /// Of these, handshakes from one address; one more and the oldest of them gives way.
    pub handshakes_per_address: usize,
    /// How many handshakes may begin from one address.
    pub handshake_rate_per_address: Rate,
    /// Connections past their handshake.
    pub connections: usize,
    /// Of these, connections from one address.
    pub connections_per_address: usize,
    /// Connections of one certificate.
    pub connections_per_certificate: usize,
    /// Connections of one organisation.
    pub connections_per_organisation: usize,
    /// Organisations with another limit than that, such as the coordinator.
    pub exceptions: HashMap<OrganisationId, usize>,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            handshake_time: limits::HANDSHAKE_TIME_MAX,
            preface_time: limits::PREFACE_TIME_MAX,
            idle_time: limits::IDLE_TIME_MAX,
            handshakes: limits::HANDSHAKES_PENDING_MAX,
            handshakes_per_address: limits::HANDSHAKES_PER_ADDRESS_MAX,
            handshake_rate_per_address: Rate::new(
                limits::HANDSHAKES_PER_ADDRESS_PER_SECOND,
                limits::HANDSHAKE_BURST_SECONDS,
            ),
            connections: limits::CONNECTIONS_MAX,
            connections_per_address: limits::CONNECTIONS_PER_ADDRESS_MAX,
            connections_per_certificate: limits::CONNECTIONS_PER_CERTIFICATE_MAX,
            connections_per_organisation: limits::CONNECTIONS_PER_ORGANISATION_MAX,
            exceptions: HashMap::new(),
        }
    }
}

impl ConnectionLimits {
    pub(super) fn of_organisation(&self, organisation: &OrganisationId) -> usize {
        self.exceptions.get(organisation).copied().unwrap_or(self.connections_per_organisation)
    }
}

/// A connection whose other end is known.
#[derive(Debug)]
pub struct Accepted {
    /// The decrypted stream, where HTTP/2 is about to begin.
    pub io: GuardedIo,
    /// Who is calling.
    pub caller: Arc<Caller>,
}

/// Where refusals and sign-ins go: the log, and whoever asked to be told.
#[derive(Clone)]
pub(super) struct Reporter {
    on_refused: Arc<OnRefused>,
    on_admitted: Arc<OnAdmitted>,
    log: Arc<Mutex<Log>>,
}

type OnRefused = dyn Fn(SocketAddr, &Refused) + Send + Sync;
type OnAdmitted = dyn Fn(&Caller) + Send + Sync;

/// How many lines may still be logged, and how many were not.
struct Log {
    left: Bucket,
    unlogged: u64,
}

const LOG_RATE: Rate = Rate::new(limits::REFUSALS_LOGGED_PER_SECOND, 5);

impl Reporter {
    fn new() -> Self {
        let log = Log { left: Bucket::full(LOG_RATE), unlogged: 0 };
        Self { on_refused: Arc::new(|_, _| ()), on_admitted: Arc::new(|_| ()), log: Arc::new(Mutex::new(log)) }
    }

    pub(super) fn refused(&self, peer: SocketAddr, refused: &Refused) {
        if let Some(unlogged) = self.may_log() {
            if unlogged > 0 {
                tracing::warn!(unlogged, "connections refused so fast that they were only counted");
            }
            tracing::warn!(%peer, reason = refused.reason(), detail = %refused, "connection refused");
        }
        (self.on_refused)(peer, refused);
    }

    fn admitted(&self, caller: &Caller) {
        let Caller { peer, key_exchange, .. } = caller;
        tracing::debug!(%peer, certificate = %caller.log_name(), key_exchange, "connected");
        (self.on_admitted)(caller);
    }

    /// Whether one more is logged, and how many were not since the last one was.
    fn may_log(&self) -> Option<u64> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.left.take(LOG_RATE, 1).is_ok() {
            return Some(std::mem::take(&mut log.unlogged));
        }
        log.unlogged += 1;
        None
    }
}

/// The accept loop, before it runs.
pub struct Acceptor {
    listener: TcpListener,
    tls: watch::Receiver<Arc<ServerTls>>,
    connections: Connections,
    reporter: Reporter,
}

impl Acceptor {
    /// Will accept from this socket. Each handshake takes the newest settings.
    pub fn new(listener: TcpListener, tls: watch::Receiver<Arc<ServerTls>>, limits: ConnectionLimits) -> Self {
        Self { listener, tls, connections: Connections::new(limits), reporter: Reporter::new() }
    }

    /// Also tells `hook` of each refusal, and from which address: to record and to count them. It is called on the accept path and must
    /// be quick.
    #[must_use]
    pub fn on_refused(mut self, hook: impl Fn(SocketAddr, &Refused) + Send + Sync + 'static) -> Self {
        self.reporter.on_refused = Arc::new(hook);
        self
    }

    /// Also tells `hook` of each caller that comes in. The same holds for it.
    #[must_use]
    pub fn on_admitted(mut self, hook: impl Fn(&Caller) + Send + Sync + 'static) -> Self {
        self.reporter.on_admitted = Arc::new(hook);
        self
    }

    /// Those who are connected: to count them, and to cut those who lose their access.
    pub fn connections(&self) -> Connections {
        self.connections.clone()
    }

    /// Starts accepting, on the current tokio runtime. When `stop` is cancelled the listening socket is closed, unfinished
    /// handshakes are dropped, and the stream of accepted connections ends; those already accepted go on.
    pub fn run(self, stop: CancellationToken) -> mpsc::Receiver<Accepted> {
        let (accepted, receiver) = mpsc::channel(ACCEPTED_WAITING_MAX);
        let admission = Admission {
            tls: self.tls,
            handshakes: Handshakes::new(),
            connections: self.connections,
            reporter: self.reporter,
            accepted,
            stop,
        };
        tokio::spawn(accept_loop(Arc::new(admission), self.listener));
        receiver
    }
}

// The socket comes last, so that it is closed before the stream of accepted connections is seen to end.
async fn accept_loop(admission: Arc<Admission>, listener: TcpListener) {
    let mut reserve = Reserve::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = admission.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => admission.receive(tcp, peer),
            // The client went away before we took it; the next one is waiting.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) => {
                // tokio does not clear readiness on such errors, so without a pause this loop would spin.
                if is_out_of_descriptors(&error) {
                    if let Some(peer) = reserve.turn_away_one(&listener).await {
                        admission.reporter.refused(peer, &Refused::OutOfDescriptors);
                    }
                } else {
                    tracing::warn!(%error, "accepting a connection failed");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(rustix::io::Errno::MFILE.raw_os_error()) || code == Some(rustix::io::Errno::NFILE.raw_os_error())
}

/// A file descriptor kept for the day when there is none left, so that a waiting client can be taken off the queue and
/// hung up on instead of being left to wait.
struct Reserve(Option<File>);

impl Reserve {
    fn new() -> Self {
        Self(File::open("/dev/null").ok())
    }

    async fn turn_away_one(&mut self, listener: &TcpListener) -> Option<SocketAddr> {
        self.0 = None;
        let accepted = tokio::time::timeout(Duration::from_millis(10), listener.accept()).await;
        let peer = accepted.ok().and_then(Result::ok).map(|(_, peer)| peer);
        *self = Self::new();
        peer
    }
}

/// What all handshakes share.
struct Admission {
    tls: watch::Receiver<Arc<ServerTls>>,
    connections: Connections,
    reporter: Reporter,
    handshakes: Handshakes,
    accepted: mpsc::Sender<Accepted>,
    stop: CancellationToken,
}

/// Why a handshake did not lead to a caller, and over what the client can be told.
struct Failed {
    refused: Refused,
    goodbye: Goodbye,
}

enum Goodbye {
    /// rustls has sent its alert; it must get through.
    Alert(TcpStream),
    /// TLS stands; HTTP/2 has words for this.
    GoAway(Box<TlsStream<TcpStream>>),
    /// TLS stands, and there is nothing to say.
    Close(Box<TlsStream<TcpStream>>),
}

impl Admission {
    /// Begins the handshake of a new connection. Never waits.
    fn receive(self: &Arc<Self>, tcp: TcpStream, peer: SocketAddr) {
        if self.connections.is_full() {
            return self.reporter.refused(peer, &Refused::TooManyConnections);
        }
        if let Err(error) = configure(&tcp) {
            tracing::debug!(%peer, %error, "socket options not set");
        }
        let pending = match self.handshakes.begin(&self.connections.limits(), peer) {
            Ok(pending) => pending,
            Err(refused) => return self.reporter.refused(peer, &refused),
        };
        tokio::spawn(self.clone().admit(tcp, peer, pending));
    }

    async fn admit(self: Arc<Self>, tcp: TcpStream, peer: SocketAddr, pending: Pending) {
        let connection = ConnectionId(pending.number);
        let handshake =
            tokio::time::timeout(self.connections.limits().handshake_time, self.handshake(tcp, peer, connection));
        let outcome = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            () = pending.displaced.cancelled() => return self.reporter.refused(peer, &Refused::TooManyHandshakes),
            outcome = handshake => outcome,
        };
        match outcome {
            Ok(Ok(accepted)) => {
                drop(pending);
                self.reporter.admitted(&accepted.caller);
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    // Nobody takes connections any more: the server is ending, too.
                    _ = self.accepted.send(accepted) => {}
                }
            }
            Ok(Err(failed)) => {
                self.reporter.refused(peer, &failed.refused);
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    () = pending.displaced.cancelled() => {}
                    _ = tokio::time::timeout(GOODBYE_TIME, failed.goodbye.say(&failed.refused)) => {}
                }
            }
            Err(_) => self.reporter.refused(peer, &Refused::TimedOut),
        }
    }

    async fn handshake(&self, tcp: TcpStream, peer: SocketAddr, connection: ConnectionId) -> Result<Accepted, Failed> {
        let settings = self.tls.borrow().clone();
        let acceptor = TlsAcceptor::from(settings.config.clone());
        let tls = acceptor
            .accept(tcp)
            .into_fallible()
            .await
            .map_err(|(error, tcp)| Failed { refused: Refused::of_handshake(&error), goodbye: Goodbye::Alert(tcp) })?;
        let tls = Box::new(tls);
        let caller = match Self::caller(&settings, &tls, peer, connection) {
            Ok(caller) => Arc::new(caller),
            Err(refused) => return Err(Failed { refused, goodbye: Goodbye::Close(tls) }),
        };
        let slot: Slot = match self.connections.admit(caller.clone()) {
            Ok(slot) => slot,
            Err(refused) => return Err(Failed { refused, goodbye: Goodbye::GoAway(tls) }),
        };
        // Only now, when whoever takes access away would find this connection: what happened before is seen here, what happens
        // later cuts it.
        let newest = self.tls.borrow().clone();
        if let Err((ended, refused)) = newest.still_admits(&caller, super::now()) {
            caller.cut(ended);
            return Err(Failed { refused, goodbye: Goodbye::GoAway(tls) });
        }
        let limits = self.connections.limits();
        let preface_until = Instant::now() + limits.preface_time;
        let io = GuardedIo::new(*tls, slot, preface_until, limits.idle_time, self.reporter.clone());
        Ok(Accepted { io, caller })
    }

    /// Who is at the other end of a finished handshake. Asks for the certificate only now: before, there is none to see.
    fn caller(
        settings: &ServerTls,
        tls: &TlsStream<TcpStream>,
        peer: SocketAddr,
        connection: ConnectionId,
    ) -> Result<Caller, Refused> {
        let session = tls.get_ref().1;
        // rustls lets a client pass that speaks of no application protocol at all.
        if session.alpn_protocol() != Some(b"h2".as_slice()) {
            return Err(Refused::NoAlpn);
        }
        if session.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3) {
            return Err(Refused::TlsVersion);
        }
        let chain = session.peer_certificates().unwrap_or_default();
        let certificate = chain.first().ok_or(Refused::NoCertificate)?;
        let Identity { actor, fingerprint, not_before, not_after } =
            Identity::of(certificate, &settings.trust_domain).map_err(Refused::Identity)?;
        let key_exchange =
            session.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name())).unwrap_or_default();
        Ok(Caller {
            actor,
            certificate: fingerprint,
            not_after,
            renewal_due: renewal_due(not_before, not_after),
            connection,
            peer,
            since: super::now(),
            key_exchange,
            chain: Chain::of(chain),
            ended: OnceLock::new(),
            cancel: CancellationToken::new(),
            activity: Activity::new(),
        })
    }
}

/// Small messages leave at once, and a peer that is gone is noticed.
fn configure(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(tcp);
    let keepalive = TcpKeepalive::new()
        .with_time(limits::TCP_KEEPALIVE_TIME)
        .with_interval(limits::TCP_KEEPALIVE_TIME / 3)
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(limits::TCP_USER_TIMEOUT))
}

impl Goodbye {
    /// Says it, as far as the client listens. The caller sets the time.
    async fn say(self, refused: &Refused) -> io::Result<()> {
        match self {
            Self::Alert(tcp) => linger(tcp).await,
            Self::GoAway(mut tls) => {
                tls.write_all(&go_away(refused.reason())).await?;
                linger(*tls).await
            }
            Self::Close(tls) => linger(*tls).await,
        }
    }
}

/// Closes our side, then waits for the client to close its own. Closing both at once while the client is still sending
/// would make TCP reset the connection and throw away what we said last.
async fn linger(mut io: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    io.shutdown().await?;
    let mut unread = [0; 1024];
    while io.read(&mut unread).await? > 0 {}
    Ok(())
}

/// An HTTP/2 server's shortest answer: empty SETTINGS, then GOAWAY with ENHANCE_YOUR_CALM and the reason (RFC 9113, 6.8).
fn go_away(reason: &str) -> Vec<u8> {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const ENHANCE_YOUR_CALM: u32 = 0xb;
    let length = u8::try_from(8 + reason.len()).expect("reasons are a few words");
    let mut frames = SETTINGS.to_vec();
    frames.extend([0, 0, length, 7, 0, 0, 0, 0, 0]);
    frames.extend(0u32.to_be_bytes()); // no stream was served
    frames.extend(ENHANCE_YOUR_CALM.to_be_bytes());
    frames.extend(reason.as_bytes());
    frames
}
