//! The one socket without a client certificate: who may knock, how often, for how long?
//!
//! TLS 1.3 with the server's certificate and its authority's, so that a client can pin the latter. Handshakes are limited as on the
//! main socket, in places of their own; then few connections, few of one address, a deadline for each whatever it does. Attempts are
//! counted per address and in total ([`Attempts`]). Tested below and in `tests/it/enrolment.rs`.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::NoServerSessionStorage;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::identity::accept::ConnectionLimits;
use crate::identity::handshakes::{Address, Handshakes, LeftOfAddresses};
use crate::identity::tls::{KeyedCertificate, provider};
use crate::limits;
use crate::rate::Bucket;

/// Pause after the machine could not give us a socket.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The enrolment listener's settings: the server's certificate, with the authority's behind it.
pub fn server_config(
    own: &KeyedCertificate,
    authority: CertificateDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(own.with_authority(authority))));
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// Starts accepting. When `stop` is cancelled the socket is closed and the stream of connections ends.
/// Each handshake takes the newest settings.
pub fn run(
    listener: TcpListener,
    newest: watch::Receiver<Arc<ServerConfig>>,
    stop: CancellationToken,
) -> mpsc::Receiver<Knocking> {
    let (accepted, receiver) = mpsc::channel(limits::ENROLMENT_CONNECTIONS_MAX);
    tokio::spawn(accept_loop(listener, newest, Open::default(), accepted, stop));
    receiver
}

async fn accept_loop(
    listener: TcpListener,
    newest: watch::Receiver<Arc<ServerConfig>>,
    open: Open,
    accepted: mpsc::Sender<Knocking>,
    stop: CancellationToken,
) {
    let (handshakes, limits) = (Handshakes::new(), ConnectionLimits::default());
    loop {
        let next = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            next = listener.accept() => next,
        };
        let (tcp, peer) = match next {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(%error, "accepting an enrolment connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(pending) = handshakes.begin(&limits, peer) else {
            tracing::warn!(%peer, reason = "too-fast-from-address", "enrolment connection refused");
            continue;
        };
        let tls = TlsAcceptor::from(newest.borrow().clone());
        let (open, accepted, stop) = (open.clone(), accepted.clone(), stop.clone());
        tokio::spawn(async move {
            let until = Instant::now() + limits::ENROLMENT_TIME_MAX;
            let _ = tcp.set_nodelay(true);
            let handshake = tokio::time::timeout(limits::HANDSHAKE_TIME_MAX, tls.accept(tcp));
            let tls = tokio::select! {
                () = stop.cancelled() => return,
                () = pending.displaced.cancelled() => {
                    return tracing::warn!(%peer, reason = "displaced", "enrolment connection refused");
                }
                handshake = handshake => handshake,
            };
            drop(pending);
            let Some(place) = open.take(Address::of(peer)) else {
                return tracing::warn!(%peer, reason = "too-many-connections", "enrolment connection refused");
            };
            match tls {
                Ok(Ok(tls)) if tls.get_ref().1.alpn_protocol() == Some(b"h2".as_slice()) => {
                    let until = Box::pin(tokio::time::sleep_until(until));
                    let _ = accepted.send(Knocking { tls, peer, until, _place: place }).await;
                }
                Ok(Ok(_)) => tracing::warn!(%peer, reason = "no-alpn", "enrolment connection refused"),
                Ok(Err(error)) => tracing::warn!(%peer, reason = "handshake", %error, "enrolment connection refused"),
                Err(_) => tracing::warn!(%peer, reason = "timed-out", "enrolment connection refused"),
            }
        });
    }
}

/// Places of connections, by address; one is given back when dropped.
#[derive(Clone, Default)]
struct Open(Arc<Mutex<HashMap<Address, usize>>>);

struct Place {
    open: Open,
    address: Address,
}

impl Open {
    fn take(&self, address: Address) -> Option<Place> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= limits::ENROLMENT_CONNECTIONS_MAX {
            return None;
        }
        let of_address = open.entry(address).or_default();
        if *of_address >= limits::ENROLMENT_CONNECTIONS_PER_ADDRESS_MAX {
            return None;
        }
        *of_address += 1;
        Some(Place { open: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_address) = open.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// A connection of somebody who has no certificate yet. It ends after [`limits::ENROLMENT_TIME_MAX`].
pub struct Knocking {
    tls: TlsStream<TcpStream>,
    peer: SocketAddr,
    until: Pin<Box<Sleep>>,
    _place: Place,
}

impl Knocking {
    /// From where.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }
}

impl AsyncRead for Knocking {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.tls).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Knocking {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.tls).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}

/// How many attempts there may be: of one address, and of all.
pub struct Attempts(Mutex<Left>);

struct Left {
    all: Bucket,
    of_addresses: LeftOfAddresses,
}

impl Attempts {
    /// All that there may be.
    pub fn new() -> Self {
        let all = Bucket::full(limits::ENROLMENT_RATE);
        Self(Mutex::new(Left { all, of_addresses: LeftOfAddresses::default() }))
    }

    /// Whether one more may be made from this address now.
    pub fn may(&self, peer: SocketAddr) -> bool {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The address first: who is too fast takes nothing from others.
        left.of_addresses.take(limits::ENROLMENT_RATE_PER_ADDRESS, Address::of(peer))
            && left.all.take(limits::ENROLMENT_RATE, 1).is_ok()
    }
}

impl Default for Attempts {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn attempts_are_counted_for_each_address_and_for_all() {
        let attempts = Attempts::new();
        let address = |n: u8| SocketAddr::from(([192, 0, 2, n], 1));
        let made = |n| (0..1000).filter(|_| attempts.may(address(n))).count() as u64;
        assert_eq!(made(1), limits::ENROLMENT_RATE_PER_ADDRESS.burst);
        assert_eq!(
            (2..100).map(made).sum::<u64>(),
            limits::ENROLMENT_RATE.burst - limits::ENROLMENT_RATE_PER_ADDRESS.burst
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(made(1), limits::ENROLMENT_RATE_PER_ADDRESS.per_second);
    }
}
