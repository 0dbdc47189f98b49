//! Who is connected, how many may be, and how is a connection cut?
//!
//! Each admitted connection holds a slot; dropping its stream gives the slot back. A caller that expires or loses its access
//! is cut in two steps: first its [`Caller::cancelled`] resolves, so that open streams can end with a reason, and
//! [`limits::CUT_NOTICE_TIME`] later its socket fails, whether they did or not. Upholds that a revoked, suspended or expired
//! caller is gone within a second. Tested in `tests/it/identity.rs`.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;

use super::accept::ConnectionLimits;
use super::activity::Activity;
use super::handshakes::Address;
use super::refused::Refused;
use super::summary::CertificateSummary;
use super::tls;
use crate::limits;
use crate::room::directory::Directory;
use crate::room::event::AccessChange;
use crate::room::ids::{Actor, OrganisationId, Timestamp};

/// One connection of this process, counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// Who is at the other end of one connection, as its certificate says. Made by the acceptor only.
#[derive(Debug)]
pub struct Caller {
    /// For whom requests of this connection act.
    pub actor: Actor,
    /// SHA-256 of the certificate's DER.
    pub certificate: [u8; 32],
    /// When the certificate, and with it the connection, ends.
    pub not_after: Timestamp,
    /// From when on it should be renewed: after two thirds of its life.
    pub renewal_due: Timestamp,
    /// Which connection.
    pub connection: ConnectionId,
    /// From where.
    pub peer: SocketAddr,
    /// When its handshake ended.
    pub since: Timestamp,
    /// The negotiated key exchange, such as `X25519MLKEM768`.
    pub key_exchange: String,
    /// What was verified, to be verified again when whom we trust changes.
    pub(super) chain: Chain,
    pub(super) ended: OnceLock<Ended>,
    // Private: a Caller that others could make would be no proof of a handshake.
    pub(super) cancel: CancellationToken,
    pub(super) activity: Activity,
}

impl Caller {
    /// How logs name the caller: by the first eight bytes of its certificate's SHA-256, since a log may be read by who must not learn
    /// who takes part in an incident. `samverkan certs show` prints the whole for a certificate.
    pub fn log_name(&self) -> String {
        self.certificate[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether one of these authorities has issued its certificate, with nobody between.
    pub(crate) fn is_issued_by(&self, authorities: &RootCertStore) -> bool {
        self.chain.0.first().is_some_and(|own| tls::is_issued_to_client(own, authorities))
    }

    /// Whether its certificate is for this public key (SubjectPublicKeyInfo, DER).
    pub(crate) fn has_key(&self, public_key: &[u8]) -> bool {
        let own = self.chain.0.first().and_then(|own| CertificateSummary::of_der(own).ok());
        own.is_none_or(|own| own.public_key == public_key)
    }

    /// What is under way on its connection.
    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Cuts this caller's connection: [`Self::cancelled`] resolves now, the socket fails [`limits::CUT_NOTICE_TIME`] later.
    pub fn cut(&self, why: Ended) {
        // Who was told one reason is not told another.
        let _ = self.ended.set(why);
        self.cancel.cancel();
    }

    /// Why the connection is being cut, if it is.
    pub fn ended(&self) -> Option<Ended> {
        self.ended.get().copied()
    }

    /// Whether the connection is being cut: its certificate expired or its access was taken away.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Resolves when the connection is being cut. What runs for this caller should end then.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }
}

/// Why a connection is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Its certificate has expired.
    Expired,
    /// The coordinator revoked its certificate.
    CertificateRevoked,
    /// The coordinator revoked the access of its actor.
    ActorRevoked,
    /// Its certificate no longer verifies: authorities, their bounds or revocation lists have changed.
    NotTrusted,
    /// Its organisation was suspended.
    Suspended,
    /// The server stops.
    Stopping,
}

impl Ended {
    /// What the directory has revoked of this actor with this certificate, if something.
    pub fn of_revoked(directory: &Directory, actor: &Actor, certificate: &[u8; 32]) -> Option<Self> {
        directory.revoked(actor, certificate).map(|change| match change {
            AccessChange::CertificateRevoked(_) => Self::CertificateRevoked,
            AccessChange::ActorRevoked | AccessChange::ActorReinstated => Self::ActorRevoked,
        })
    }
}

/// The certificates that a client showed, its own first. Not printed.
#[derive(Clone)]
pub(super) struct Chain(pub(super) Arc<[CertificateDer<'static>]>);

impl Chain {
    pub(super) fn of(certificates: &[CertificateDer<'_>]) -> Self {
        Self(certificates.iter().map(|certificate| certificate.clone().into_owned()).collect())
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chain({})", self.0.len())
    }
}

/// All connections that are past their handshake. Cheap to clone; clones share.
#[derive(Clone)]
pub struct Connections(Arc<Registry>);

struct Registry {
    limits: RwLock<Arc<ConnectionLimits>>,
    live: Mutex<Live>,
}

#[derive(Default)]
struct Live {
    callers: HashMap<ConnectionId, Arc<Caller>>,
    by_organisation: HashMap<OrganisationId, usize>,
    by_certificate: HashMap<[u8; 32], usize>,
    by_address: HashMap<Address, usize>,
}

impl Connections {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self(Arc::new(Registry { limits: RwLock::new(Arc::new(limits)), live: Mutex::default() }))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.live().callers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many there may be.
    pub fn limits(&self) -> Arc<ConnectionLimits> {
        self.0.limits.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Other limits from now on. Nobody who is connected is cut for them.
    pub fn set_limits(&self, limits: ConnectionLimits) {
        *self.0.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
    }

    /// Who is connected, in the order of connecting.
    pub fn callers(&self) -> Vec<Arc<Caller>> {
        let mut callers: Vec<_> = self.live().callers.values().cloned().collect();
        callers.sort_unstable_by_key(|caller| caller.connection);
        callers
    }

    /// Cuts the connections of all callers for whom `why` has a reason, and returns how many.
    pub fn cut(&self, why: impl Fn(&Caller) -> Option<Ended>) -> usize {
        // Outside the lock: verifying a chain takes its time, and cancelling runs wakers.
        let cut = |caller: &Arc<Caller>| why(caller).map(|why| caller.cut(why)).is_some();
        self.callers().iter().filter(|caller| cut(caller)).count()
    }

    /// Whether another connection would be one too many, whoever it is from.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.limits().connections
    }

    /// Takes a slot for this caller, and watches over its end.
    pub(super) fn admit(&self, caller: Arc<Caller>) -> Result<Slot, Refused> {
        let organisation = &caller.actor.organisation;
        let limits = self.limits();
        {
            let mut live = self.live();
            if live.callers.len() >= limits.connections {
                return Err(Refused::TooManyConnections);
            }
            let address = Address::of(caller.peer);
            if count(&live.by_address, &address) >= limits.connections_per_address {
                return Err(Refused::TooManyOfAddress);
            }
            if count(&live.by_certificate, &caller.certificate) >= limits.connections_per_certificate {
                return Err(Refused::TooManyOfCertificate);
            }
            if count(&live.by_organisation, organisation) >= limits.of_organisation(organisation) {
                return Err(Refused::TooManyOfOrganisation { organisation: organisation.clone() });
            }
            *live.by_address.entry(address).or_default() += 1;
            *live.by_certificate.entry(caller.certificate).or_default() += 1;
            *live.by_organisation.entry(organisation.clone()).or_default() += 1;
            live.callers.insert(caller.connection, caller.clone());
        }
        let cut = CancellationToken::new();
        tokio::spawn(watch(caller.clone(), cut.clone()));
        Ok(Slot { connections: self.clone(), caller, cut })
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.0.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// A connection's place among the others; given back when dropped.
pub(super) struct Slot {
    connections: Connections,
    pub(super) caller: Arc<Caller>,
    /// Cancelled when the socket is to fail.
    pub(super) cut: CancellationToken,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.cut.cancel();
        let mut live = self.connections.live();
        live.callers.remove(&self.caller.connection);
        give_back(&mut live.by_organisation, &self.caller.actor.organisation);
        give_back(&mut live.by_certificate, &self.caller.certificate);
        give_back(&mut live.by_address, &Address::of(self.caller.peer));
    }
}

fn count<K: Eq + Hash>(counts: &HashMap<K, usize>, key: &K) -> usize {
    counts.get(key).copied().unwrap_or_default()
}

fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// Waits for the end of a caller's certificate or access, and brings it about.
async fn watch(caller: Arc<Caller>, cut: CancellationToken) {
    tokio::select! {
        () = cut.cancelled() => return, // the connection ended by itself
        () = caller.cancelled() => {}
        () = until(caller.not_after) => {
            tracing::info!(peer = %caller.peer, certificate = %caller.log_name(), "certificate expired, connection is cut");
            caller.cut(Ended::Expired);
        }
    }
    tokio::select! {
        () = cut.cancelled() => {}
        () = tokio::time::sleep(limits::CUT_NOTICE_TIME) => cut.cancel(),
    }
}

/// Resolves when the wall clock reaches `moment`.
async fn until(moment: Timestamp) {
    // Looked at afresh now and then, since the wall clock can be set and timers run by another.
    const LOOK_AGAIN: Duration = Duration::from_secs(60);
    loop {
        let remaining = moment.0.saturating_sub(super::now().0);
        match u64::try_from(remaining) {
            Ok(remaining @ 1..) => tokio::time::sleep(Duration::from_micros(remaining).min(LOOK_AGAIN)).await,
            Ok(0) | Err(_) => return,
        }
    }
}
