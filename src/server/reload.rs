//! What can change while the server runs, and in what order does it take effect?
//!
//! Certificates, trust, limits, the key of the store: read and checked first, all of it; then the newest settings are there for the next handshake; then who
//! is connected and would not be admitted under them is cut, in two steps. A handshake that was under way meanwhile looks at the newest
//! settings once it is among the connected, so nobody slips through. What is wrong changes nothing.
//!
//! Upholds R10. Tested in `tests/it/trust.rs`.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use tokio::sync::watch;

use super::enrolment::{DeskTls, EnrolmentError};
use super::{Config, system_clock};
use crate::audit::AuditEvent;
use crate::engine::Engine;
use crate::identity::{Access, Connections, ServerTls, TlsFileError, TrustDomain};
use crate::room::ids::Timestamp;
use crate::sealing::{KeySource, KeySourceError, KeyringError};
use crate::service::Edge;

/// Changes a server while it runs. Cheap to clone; clones share.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

pub(super) struct Inner {
    /// What is in force.
    pub(super) config: Mutex<Config>,
    pub(super) trust_domain: TrustDomain,
    pub(super) access: Arc<dyn Access>,
    pub(super) tls: watch::Sender<Arc<ServerTls>>,
    /// How the enrolment listener's settings are made, and who is told of them.
    pub(super) desk_tls: Option<(DeskTls, watch::Sender<Arc<ServerConfig>>)>,
    pub(super) connections: Connections,
    pub(super) edge: Edge,
    pub(super) engine: Engine,
}

/// What a reload takes up, as the audit trail names it.
const WHAT: &str = "certificate,client-roots,revocation-lists,store-key,limits";

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// A certificate, key, authority or revocation list can't be read or relied on.
    #[error(transparent)]
    TlsFile(#[from] TlsFileError),
    /// The certificates do not make a TLS server.
    #[error("TLS settings: {0}")]
    Tls(#[from] rustls::Error),
    /// Nobody could enrol any more.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    /// The key of the store can't be read.
    #[error("store.key: {0}")]
    Key(#[from] KeySourceError),
    /// The keyring can't be written.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The system gives no thread.
    #[error("the reload did not run to its end")]
    Unfinished,
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// Connections that would not be admitted any more, and were cut.
    pub cut: usize,
    /// Settings that differ and stay as they are until the server is started again.
    pub stays: Vec<&'static str>,
    /// Authorities whose certificates are accepted.
    pub authorities: usize,
    /// How many of these have a revocation list.
    pub with_list: usize,
    /// When the first revocation list expires.
    pub lists_until: Option<Timestamp>,
}

impl Reloader {
    pub(super) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Puts this configuration in force, as far as that can be done without a new start; files are read anew. An error: nothing was
    /// changed.
    pub async fn reload(&self, config: Config) -> Result<Reloaded, ReloadError> {
        let inner = self.0.clone();
        let reloaded = tokio::task::spawn_blocking(move || inner.reload(config));
        let reloaded = reloaded.await.unwrap_or(Err(ReloadError::Unfinished));
        match &reloaded {
            Ok(_) => self.0.engine.trail().note(AuditEvent::ConfigurationReloaded { what: WHAT.into() }),
            Err(error) => self.refused(&error.to_string()),
        }
        reloaded
    }

    /// Notes that a reload was refused: `problem` says why.
    pub fn refused(&self, problem: &str) {
        self.0.engine.trail().note(AuditEvent::ReloadRefused { what: WHAT.into(), reason: problem.into() });
    }
}

impl Inner {
    fn reload(&self, config: Config) -> Result<Reloaded, ReloadError> {
        // One at a time.
        let mut in_force = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let trusted = config.tls.load(&self.trust_domain, system_clock())?;
        let tls = Arc::new(trusted.tls(self.access.clone())?);
        let desk = match &self.desk_tls {
            Some((desk, newest)) => Some((desk.load(&config.tls)?, newest)),
            None => None,
        };
        // A descriptor that was read is empty: the same source is the same key. The last that can fail, since it can't be taken back.
        let is_new = |key: &&KeySource| !matches!(key, KeySource::Descriptor(_)) || in_force.keys.first() != Some(*key);
        let key = config.keys.first().filter(is_new);
        if let Some(source) = key {
            self.engine.take_key(&source.load()?)?;
        }
        // From here on nothing fails.
        let stays = stays(&in_force, &config);
        self.connections.set_limits(config.connections.clone());
        self.edge.set_stream_limits(config.streams);
        self.engine.set_rates(config.rates);
        self.tls.send_replace(tls.clone());
        if let Some((settings, newest)) = desk {
            newest.send_replace(settings);
        }
        let now = system_clock();
        let cut = self.connections.cut(|caller| {
            let (ended, refused) = tls.still_admits(caller, now).err()?;
            tracing::info!(certificate = %caller.log_name(), reason = refused.reason(), "no longer admitted, connection is cut");
            Some(ended)
        });
        let (authorities, with_list) = trusted.counts();
        in_force.tls = config.tls;
        in_force.connections = config.connections;
        in_force.streams = config.streams;
        in_force.rates = config.rates;
        if in_force.keys.is_empty() == config.keys.is_empty() {
            in_force.keys = config.keys;
        }
        Ok(Reloaded { cut, stays, authorities, with_list, lists_until: trusted.lists_until() })
    }
}

/// What differs and can't be changed in a server that runs.
fn stays(in_force: &Config, wished: &Config) -> Vec<&'static str> {
    [
        ("server.listen", in_force.listen != wished.listen),
        ("identity.trust_domain", in_force.trust_domain != wished.trust_domain),
        ("identity.coordinator", in_force.coordinator != wished.coordinator),
        ("store.directory", in_force.store != wished.store),
        ("store.key", in_force.keys.is_empty() != wished.keys.is_empty()),
        ("store.reserve_mib", in_force.reserve_mib != wished.reserve_mib),
        ("attachments", in_force.attachments != wished.attachments),
        ("enrolment", in_force.enrolment != wished.enrolment),
    ]
    .into_iter()
    .filter_map(|(key, differs)| differs.then_some(key))
    .collect()
}
