//! The server, put together: store, engine, identity, edge. One question: what runs, in what order does it start and stop?
//!
//! Start: store → engine → TLS → socket → gRPC; nothing is accepted before the store is open and verified. Stop: no new connections,
//! health says so, open streams end with a reason; after [`limits::STOP_TIME_MAX`] what is left is cut; then the engine commits what
//! it has taken and the store is closed. Leans on everything. Tested over real sockets in `tests/it`.

mod enrolment;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::enrolment::Desk;
pub use self::enrolment::EnrolmentError;
pub use self::reload::{ReloadError, Reloaded, Reloader};
use crate::audit::AuditEvent;
use crate::contents::{S3Environment, Storage, StorageError};
use crate::engine::{Engine, Ids, LoadError, Rates, Settings};
use crate::identity::name::NotATrustDomain;
use crate::identity::{
    Acceptor, Access, Caller, ConnectionLimits, Connections, Ended, Refused, TlsFileError, TrustDomain, TrustFiles,
};
use crate::limits;
use crate::room::ids::{Actor, OrganisationId, Timestamp};
use crate::sealing::{KeySource, KeySourceError};
use crate::service::transport::{self, Health, Serving};
use crate::service::{Edge, StreamLimits};
use crate::store::committer::Clock;
use crate::store::sled::{OpenError, SledOptions, SledStore, UnlockError};

mod reload;

/// What holds in a room that is opened without terms of its own.
pub const DEFAULT_TERMS: &str = "\
The coordinator sees everything that is posted in this room, except TLP:RED, which only the named persons see. \
What you share goes to others only as your sharing consent says, and you can withdraw it at any time; \
what others have received by then, they have received. \
Handle what you receive by its TLP label, use it to deal with this incident, and do not try to find out who is behind a pseudonym. \
Leaving the room withdraws nothing.";

/// The title of a room that a report opens. Invited organisations see it, so it tells nothing.
pub const REPORTED_TITLE: &str = "Reported incident";

/// Microseconds since 1970, by the system's clock; a clock before 1970 reads as 1970, and the store's floor stands above it.
pub fn system_clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX).saturating_add(crate::danger::clock_step()))
}

/// What a server needs to know. Plain values; where they come from is the command line's business.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 is any free one.
    pub listen: SocketAddr,
    /// Of which trust domain the names in client certificates must be.
    pub trust_domain: String,
    /// Which organisation coordinates.
    pub coordinator: OrganisationId,
    /// Who the server is, and whom it trusts.
    pub tls: TrustFiles,
    /// The store's directory; made if it isn't there.
    pub store: PathBuf,
    /// Where the key is with which the store's keyring is encrypted; after it, where former ones are, of which one may still be that key:
    /// the first then takes its place. Empty: what is stored is not encrypted.
    pub keys: Vec<KeySource>,
    /// MiB of free disk space below which nothing is written.
    pub reserve_mib: u64,
    /// Serve a store that is behind its high-water file, or has none, and record that.
    pub accept_rollback: bool,
    /// How somebody without a certificate gets one; `None`: not here.
    pub enrolment: Option<EnrolmentSettings>,
    /// Terms of rooms that are opened without any, and of those that a report opens; such as [`DEFAULT_TERMS`].
    pub terms: Arc<str>,
    /// How many connections.
    pub connections: ConnectionLimits,
    /// How many open streams.
    pub streams: StreamLimits,
    /// How fast an organisation may write in one room.
    pub rates: Rates,
    /// Attachments: how large, and where they are kept.
    pub attachments: AttachmentSettings,
}

/// Attachments: how large, and where they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentSettings {
    /// Bytes of one, at most [`limits::ATTACHMENT_BYTES_MAX`].
    pub bytes_max: u64,
    /// Where; `None`: in a folder of the store.
    pub kept: Option<AttachmentStorage>,
}

/// Where attachments are kept, if not in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachmentStorage {
    /// In a folder.
    Folder(PathBuf),
    /// In storage that speaks S3.
    S3 {
        /// `s3://BUCKET` or `s3://BUCKET/PREFIX`.
        url: String,
        /// Where it is, if it is not Amazon's.
        endpoint: Option<String>,
        /// Whose credentials.
        environment: S3Environment,
    },
}

impl Default for AttachmentSettings {
    fn default() -> Self {
        Self { bytes_max: limits::ATTACHMENT_BYTES_MAX, kept: None }
    }
}

impl AttachmentSettings {
    /// The storage, if it is not in the store.
    pub fn storage(&self, reserve_mib: u64) -> Result<Option<Storage>, StorageError> {
        match &self.kept {
            None => Ok(None),
            Some(AttachmentStorage::Folder(folder)) => Storage::in_folder(folder.clone(), reserve_mib).map(Some),
            Some(AttachmentStorage::S3 { url, endpoint, environment }) => {
                Storage::s3(url, endpoint.as_deref(), environment).map(Some)
            }
        }
    }
}

/// Where and by whom certificates are issued to those who were invited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentSettings {
    /// Where to listen; port 0 is any free one.
    pub listen: SocketAddr,
    /// How clients reach that, host and port. Empty: as it listens.
    pub address: String,
    /// How they reach the server, host and port. `None`: the host of `address`, the server's port.
    pub server: Option<String>,
    /// The folder of the authority that issues.
    pub authority: PathBuf,
    /// Days that certificates last.
    pub days: u32,
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration names an impossible trust domain.
    #[error("trust domain {0:?}: {1}")]
    TrustDomain(String, #[source] NotATrustDomain),
    /// A certificate or key can't be read or used.
    #[error(transparent)]
    TlsFile(#[from] TlsFileError),
    /// The certificates do not make a TLS server.
    #[error("TLS settings: {0}")]
    Tls(#[from] rustls::Error),
    /// Nobody could enrol.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    /// The store can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A key can't be read.
    #[error("store.key: {0}")]
    Key(#[from] KeySourceError),
    /// The key does not open the store.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// Attachments can't be kept where they should be.
    #[error(transparent)]
    Attachments(#[from] StorageError),
    /// The store was opened, and its content can't be served.
    #[error(transparent)]
    Store(#[from] LoadError),
    /// The address can't be listened on.
    #[error("listening on {address}: {source}; is another server running there?")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The system gives no threads.
    #[error("starting: {0}")]
    Io(#[from] io::Error),
}

/// Asks the directory whose access was revoked.
struct OfDirectory(Engine);

impl std::fmt::Debug for OfDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OfDirectory").finish_non_exhaustive()
    }
}

impl Access for OfDirectory {
    fn ended(&self, actor: &Actor, certificate: &[u8; 32]) -> Option<Ended> {
        Ended::of_revoked(&self.0.directory(), actor, certificate)
    }
}

/// Makes servers.
#[derive(Debug)]
pub struct Server;

/// A server that serves.
pub struct Running {
    address: SocketAddr,
    engine: Engine,
    connections: Connections,
    reloader: Reloader,
    serving: Serving,
    stopping: CancellationToken,
    served: JoinHandle<io::Result<()>>,
    enrolment: Option<SocketAddr>,
}

impl Server {
    /// Opens the store and starts to serve, on the current tokio runtime. When it returns, clients can connect.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        Self::start_with(config, Arc::new(system_clock), Ids::random()).await
    }

    /// As [`Server::start`], with a clock and new ids of the caller's.
    pub async fn start_with(config: Config, clock: Clock, ids: Ids) -> Result<Running, StartError> {
        let trust_domain: TrustDomain = config
            .trust_domain
            .parse()
            .map_err(|problem| StartError::TrustDomain(config.trust_domain.clone(), problem))?;
        // Before the store: mistakes in the configuration are cheaper to find than to undo.
        let trusted = config.tls.load_at_start(&trust_domain, system_clock())?;
        let enrolment = match &config.enrolment {
            Some(settings) => Some(Desk::prepare(settings, &config.tls).await?),
            None => None,
        };
        let keys = KeySource::load_all(&config.keys)?;
        let listen = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;

        let contents = config.attachments.storage(config.reserve_mib)?;
        let directory = config.store.clone();
        let options = SledOptions {
            reserve_mib: config.reserve_mib,
            accept_rollback: config.accept_rollback,
            ..SledOptions::default()
        };
        let opened = tokio::task::spawn_blocking(move || -> Result<_, StartError> {
            let mut store = SledStore::open(&directory, options)?;
            store.unlock(&keys)?;
            if let Some(contents) = contents {
                store.keep_contents_in(contents);
            }
            Ok((store, keys))
        });
        let (store, keys) = opened.await.map_err(io::Error::other)??;
        let settings = Settings {
            coordinator: config.coordinator.clone(),
            title: REPORTED_TITLE.into(),
            terms: config.terms.clone(),
            ids,
            rates: config.rates,
            attachment_bytes_max: config.attachments.bytes_max,
        };
        let has_rolled_back = store.has_rolled_back();
        let store = Arc::new(store);
        let engine = Engine::start(store.clone(), clock, settings).await?;
        match keys.first() {
            Some(key) => engine.take_key(key).map_err(UnlockError::from)?,
            None => tracing::warn!("what is stored is not encrypted: store.key is \"none\""),
        }
        if let Some(key) = engine.erasures_wait_for() {
            let next = crate::sealing::FINISH_ERASURES;
            tracing::warn!(%key, next, "erasures are not final: copies of the keyring from before open with the store's key");
        }
        if has_rolled_back {
            match engine.trail().record(AuditEvent::RollbackAccepted).await {
                Ok(()) => store.rollback_is_on_record(),
                // The disk is full: it is written when there is space.
                Err(_) => engine.trail().note(AuditEvent::RollbackAccepted),
            }
        }

        let stopping = CancellationToken::new();
        let access: Arc<dyn Access> = Arc::new(OfDirectory(engine.clone()));
        let (tls, newest_tls) = watch::channel(Arc::new(trusted.tls(access.clone())?));
        let (refusals, sign_ins) = (engine.trail().clone(), engine.trail().clone());
        let acceptor = Acceptor::new(listener, newest_tls, config.connections.clone())
            .on_refused(move |peer, refused| refusals.note(connection_refused(peer, refused)))
            .on_admitted(move |caller| sign_ins.note(signed_in(caller)));
        let connections = acceptor.connections();
        let enrolment_address = enrolment.as_ref().map(|desk| desk.address);
        let desk_tls = enrolment.as_ref().map(|desk| (desk.tls.clone(), desk.newest.clone()));
        let (issuing, desk) = enrolment.map(|desk| desk.ready(address)).unzip();
        let terms = config.terms.clone();
        let edge = Edge::new(engine.clone(), connections.clone(), terms, config.streams, issuing, stopping.clone());
        let health = Health::serving().await;
        let serving = health.reporter();
        let accepted = acceptor.run(stopping.clone());
        let served = tokio::spawn(transport::serve(edge.clone(), health, accepted, stopping.clone().cancelled_owned()));
        if let Some(desk) = desk {
            desk.open(engine.clone(), stopping.clone());
        }
        engine.collect_uploads();
        engine.trail().note(AuditEvent::ServerStarted { version: env!("CARGO_PKG_VERSION") });
        tracing::info!(
            %address,
            enrolment = enrolment_address.map(tracing::field::display),
            store = %config.store.display(),
            key = keys.first().map(|key| tracing::field::display(key.id())),
            trust_domain = config.trust_domain,
            lists_until = trusted.lists_until().map(|until| until.0),
            coordinator = %config.coordinator,
            rooms = engine.directory().rooms().len(),
            version = env!("CARGO_PKG_VERSION"),
            "serving"
        );
        let (connections_to_cut, engine_to_set) = (connections.clone(), engine.clone());
        let reloader = Reloader::new(reload::Inner {
            config: Mutex::new(config),
            trust_domain,
            access,
            tls,
            desk_tls,
            connections: connections_to_cut,
            edge,
            engine: engine_to_set,
        });
        Ok(Running { address, engine, connections, reloader, serving, stopping, served, enrolment: enrolment_address })
    }
}

fn connection_refused(peer: SocketAddr, refused: &Refused) -> AuditEvent {
    let organisation = match refused {
        Refused::TooManyOfOrganisation { organisation } => Some(organisation.clone()),
        _ => None,
    };
    AuditEvent::HandshakeRefused { peer: peer.ip(), organisation, reason: refused.reason() }
}

fn signed_in(caller: &Caller) -> AuditEvent {
    AuditEvent::SignedIn {
        actor: caller.actor.clone(),
        certificate: caller.certificate,
        peer: caller.peer.ip(),
        key_exchange: caller.key_exchange.as_str().into(),
    }
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where those enrol who have no certificate yet, if anywhere.
    pub fn enrolment_address(&self) -> Option<SocketAddr> {
        self.enrolment
    }

    /// Who is connected.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// What changes the server while it runs.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Resolves when the server can't go on: the store has failed, or the gRPC server has. The process must end with an error.
    pub async fn failed(&mut self) -> String {
        tokio::select! {
            failure = self.engine.failed() => failure.to_string(),
            served = &mut self.served => match served {
                Ok(Ok(())) => "the gRPC server has ended".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            },
        }
    }

    /// Stops: tells everybody, waits [`limits::STOP_TIME_MAX`] for calls that are under way, cuts the rest, and closes the store with
    /// everything committed that was taken.
    pub async fn stop(mut self) {
        tracing::info!(connections = self.connections.len(), "stopping");
        self.serving.end().await;
        self.stopping.cancel();
        if !self.has_ended_within(limits::STOP_TIME_MAX).await {
            let cut = self.connections.cut(|_| Some(Ended::Stopping));
            tracing::warn!(connections = cut, "calls under way are cut");
            if !self.has_ended_within(2 * limits::CUT_NOTICE_TIME).await {
                self.served.abort();
            }
        }
        self.engine.trail().note(AuditEvent::ServerStopped);
        self.engine.stop().await;
        tracing::info!("stopped");
    }

    async fn has_ended_within(&mut self, time: std::time::Duration) -> bool {
        self.served.is_finished() || tokio::time::timeout(time, &mut self.served).await.is_ok()
    }
}
