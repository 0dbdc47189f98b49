//! How does the command line start and stop a server? The one place of the command line that names the server side.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::config::ServerConfig;
use super::failure::{Exit, Failure};
use super::reload::Watched;
use crate::engine::Rates;
use crate::identity::ConnectionLimits;
use crate::rate::Rate;
use crate::sealing::KeyringError;
use crate::server::{Config, DEFAULT_TERMS, EnrolmentSettings, Running, Server, StartError};
use crate::service::StreamLimits;
use crate::store::StoreError;
use crate::store::sled::{OpenError, UnlockError};

/// A server that serves.
pub(crate) struct Launched {
    running: Running,
    watched: Option<Watched>,
}

/// Starts a server. When it returns, clients can connect.
pub(crate) async fn launch(config: &ServerConfig) -> Result<Launched, Failure> {
    keep_memory_private();
    let running = Server::start(settings(config)).await.map_err(|error| failure(&error))?;
    Ok(Launched { running, watched: None })
}

/// Keys and texts are in memory: no core file of it is written, and other processes of the same user can't look into it.
fn keep_memory_private() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let kept = setrlimit(Resource::Core, none).and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable));
    if let Err(error) = kept {
        tracing::warn!(%error, "a crash of the server may leave its memory, and the keys in it, in a core file");
    }
}

/// What a configuration means for the server.
pub(crate) fn settings(config: &ServerConfig) -> Config {
    let limits = &config.limits;
    let connections = ConnectionLimits::default();
    let streams = StreamLimits::default();
    let count = |set: Option<usize>, default: u64| set.map_or(default, |set| set as u64);
    let coordinator_connections = limits.coordinator_connections.unwrap_or(crate::limits::COORDINATOR_CONNECTIONS_MAX);
    Config {
        listen: config.listen,
        trust_domain: config.trust_domain.to_string(),
        coordinator: config.coordinator.clone(),
        tls: config.tls.clone(),
        store: config.store.clone(),
        keys: config.keys.clone(),
        reserve_mib: config.reserve_mib,
        accept_rollback: config.accept_rollback,
        enrolment: config.enrolment.as_ref().map(|enrolment| EnrolmentSettings {
            listen: enrolment.listen,
            address: enrolment.address.clone(),
            server: enrolment.server.clone(),
            authority: enrolment.authority.clone(),
            days: enrolment.days,
        }),
        terms: DEFAULT_TERMS.into(),
        connections: ConnectionLimits {
            connections: limits.connections.unwrap_or(connections.connections),
            connections_per_organisation: limits
                .connections_per_organisation
                .unwrap_or(connections.connections_per_organisation),
            connections_per_address: limits.connections_per_address.unwrap_or(connections.connections_per_address),
            connections_per_certificate: limits
                .connections_per_certificate
                .unwrap_or(connections.connections_per_certificate),
            handshakes_per_address: limits.handshakes_per_address.unwrap_or(connections.handshakes_per_address),
            handshake_rate_per_address: Rate::new(
                count(limits.handshakes_per_address_per_second, crate::limits::HANDSHAKES_PER_ADDRESS_PER_SECOND),
                crate::limits::HANDSHAKE_BURST_SECONDS,
            ),
            idle_time: limits.idle_seconds.map_or(connections.idle_time, |seconds| Duration::from_secs(seconds as u64)),
            exceptions: [(config.coordinator.clone(), coordinator_connections)].into(),
            ..connections
        },
        streams: StreamLimits {
            certificate: limits.streams_per_certificate.unwrap_or(streams.certificate),
            coordinator_certificate: limits
                .coordinator_streams_per_certificate
                .unwrap_or(streams.coordinator_certificate),
            connection: limits.streams_per_connection.unwrap_or(streams.connection),
            organisation: limits.streams_per_organisation.unwrap_or(streams.organisation),
            coordinator: limits.coordinator_streams.unwrap_or(streams.coordinator),
            ..streams
        },
        rates: Rates::per_second(
            count(limits.writes_per_second, crate::limits::WRITES_PER_SECOND),
            limits.written_kib_per_second.map_or(crate::limits::WRITTEN_BYTES_PER_SECOND, |kib| 1024 * kib as u64),
            count(limits.consents_per_second, crate::limits::CONSENTS_PER_SECOND),
        ),
        attachments: config.attachments.clone(),
    }
}

fn failure(error: &StartError) -> Failure {
    let damaged = |hint| Failure::new(Exit::Store, error).hint(hint);
    match error {
        StartError::TrustDomain(..) | StartError::TlsFile(_) | StartError::Tls(_) => {
            Failure::new(Exit::Configuration, error)
        }
        StartError::Enrolment(_) => Failure::new(Exit::Configuration, error)
            .hint("enrolment.authority is the folder that `samverkan certs init` made"),
        StartError::Open(OpenError::Io { .. }) => {
            Failure::new(Exit::Io, error).hint("the store's folder must be writable by this user, on a disk with space")
        }
        StartError::Open(OpenError::Locked(_)) => {
            Failure::new(Exit::Store, error).hint("stop the other server, or give this one a folder of its own")
        }
        StartError::Open(OpenError::Newer { .. } | OpenError::Foreign { .. }) => damaged(
            "store.directory must name a store of this version, or an empty folder; `samverkan --version` tells this one's",
        ),
        StartError::Open(OpenError::Behind { .. } | OpenError::Unwitnessed { .. }) => damaged(
            "`samverkan inspect rooms --store FOLDER` shows what is left; \
             `samverkan serve --accept-rollback` serves that, and records that it does",
        ),
        StartError::Open(OpenError::Damaged { .. }) => damaged(
            "keep a copy of the folder; `samverkan inspect rooms --store FOLDER` shows what verifies, if it can be opened",
        ),
        StartError::Attachments(_) => Failure::new(Exit::Configuration, error)
            .hint("attachments.store is a folder that this user can write to, or s3://BUCKET, whose credentials are in the environment"),
        StartError::Key(_) => Failure::new(Exit::Configuration, error)
            .hint("`samverkan keys create FILE` makes a key for a new store; that of an old one must be the one it was made with"),
        StartError::Unlock(UnlockError::Keyring(KeyringError::WrongKey { .. } | KeyringError::NoKey(_))) => {
            Failure::new(Exit::Configuration, error)
                .hint("store.key names the key, store.former_key one before it; `samverkan keys show FILE` tells which a file holds")
        }
        StartError::Unlock(UnlockError::Keyring(KeyringError::NotEncrypted)) => Failure::new(Exit::Configuration, error)
            .hint("a store that `samverkan dev` made before there was encryption: `samverkan dev --fresh` begins anew"),
        StartError::Unlock(_) => Failure::new(Exit::Store, error),
        StartError::Store(crate::engine::LoadError::Store(StoreError::Failed(_) | StoreError::Full { .. })) => {
            Failure::new(Exit::Io, error)
        }
        StartError::Store(_) => damaged("`samverkan inspect chain --store FOLDER` shows where"),
        StartError::Listen { .. } | StartError::Io(_) => Failure::new(Exit::Io, error),
    }
}

impl Launched {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.running.address()
    }

    /// Takes up changes of these files while it serves.
    pub(crate) fn watching(self, watched: Watched) -> Self {
        Self { watched: Some(watched), ..self }
    }

    /// Serves until SIGINT or SIGTERM, then stops in good order; an error if the server can't go on.
    pub(crate) async fn until_stopped(mut self) -> Result<(), Failure> {
        let listening = |error: std::io::Error| Failure::io("listening for signals", &error);
        let mut interrupt = signal(SignalKind::interrupt()).map_err(listening)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(listening)?;
        let reloader = self.running.reloader();
        let watched = self.watched.take();
        let watching = async move {
            match watched {
                Some(watched) => watched.run(reloader).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = watching => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            why = self.running.failed() => {
                tracing::error!(why, "the server can't go on");
                return Err(Failure::new(Exit::Io, format!("the server can't go on: {why}"))
                    .hint("nothing acknowledged is lost; mend the disk and start again"));
            }
        }
        self.running.stop().await;
        Ok(())
    }
}
