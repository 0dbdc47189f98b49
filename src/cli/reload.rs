//! When does a running server read its files again? On SIGHUP, and when one of them has changed.
//!
//! Files are looked at every [`limits::RELOAD_LOOK_INTERVAL`], by content, and taken up once they have been still for as long: a
//! certificate and its key are two files, and whoever replaces them replaces one after the other. What can't be used is told once,
//! loudly, and everything stays as it was. Revocation lists that nobody replaces are looked at once a day, since they end by themselves.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, interval_at};

use super::config::{self, ServerConfig};
use super::failure::Failure;
use super::launch::settings;
use super::trace::LogFilter;
use crate::limits;
use crate::sealing::KeySource;
use crate::server::Reloader;

/// The files of a running server.
pub(crate) struct Watched {
    path: PathBuf,
    hangup: Signal,
    filter: LogFilter,
    config: ServerConfig,
    /// The content that was last taken up, or refused.
    known: [u8; 32],
    /// The content at the last look.
    seen: [u8; 32],
}

impl Watched {
    /// Watches the files of the configuration at `path`, which says `config`.
    pub(crate) fn new(path: &Path, config: &ServerConfig, filter: LogFilter) -> Result<Self, Failure> {
        let hangup = signal(SignalKind::hangup()).map_err(|error| Failure::io("listening for signals", &error))?;
        let known = digest(path, config);
        Ok(Self { path: path.to_owned(), hangup, filter, config: config.clone(), known, seen: known })
    }

    /// Reloads whenever there is reason to. Never ends.
    pub(crate) async fn run(mut self, reloader: Reloader) {
        let mut daily = interval_at(Instant::now() + limits::LIST_WARN_INTERVAL, limits::LIST_WARN_INTERVAL);
        loop {
            let is_asked = tokio::select! {
                asked = self.hangup.recv() => asked.is_some(),
                _ = daily.tick() => {
                    self.look_at_lists().await;
                    continue;
                }
                () = tokio::time::sleep(limits::RELOAD_LOOK_INTERVAL) => false,
            };
            let loaded = config::load(&self.path);
            let found = digest(&self.path, loaded.as_ref().unwrap_or(&self.config));
            let is_still = found == self.seen;
            self.seen = found;
            if is_asked || (found != self.known && is_still) {
                self.known = found;
                self.reload(&reloader, loaded).await;
            }
        }
    }

    /// Reads what is in force once more, which warns of lists that end soon.
    async fn look_at_lists(&self) {
        let config = self.config.clone();
        let read = move || config.tls.load(&config.trust_domain, super::certs::now()).err();
        if let Ok(Some(problem)) = tokio::task::spawn_blocking(read).await {
            tracing::error!(%problem, "a file that is in force could not be taken up now");
        }
    }

    async fn reload(&mut self, reloader: &Reloader, loaded: Result<ServerConfig, Failure>) {
        let problem = match loaded {
            Err(failure) => {
                reloader.refused(&failure.message);
                failure.message
            }
            Ok(config) => match reloader.reload(settings(&config)).await {
                Err(error) => error.to_string(),
                Ok(reloaded) => {
                    let mut stays = reloaded.stays;
                    if config.log_format != self.config.log_format {
                        stays.push("log.format");
                    }
                    self.filter.set(&config.log_filter);
                    self.config = config;
                    let lists_until = reloaded.lists_until.map(super::certs::moment);
                    tracing::info!(
                        authorities = reloaded.authorities,
                        with_list = reloaded.with_list,
                        lists_until,
                        cut = reloaded.cut,
                        "reloaded"
                    );
                    for key in stays {
                        tracing::warn!(key, "differs now and stays as it was: start the server again to change it");
                    }
                    return;
                }
            },
        };
        tracing::error!(
            problem,
            "RELOAD REFUSED, everything stays as it was; mend the file, and it is taken up by itself, or at once with `kill -HUP {}`",
            std::process::id()
        );
    }
}

fn key_files(config: &ServerConfig) -> impl Iterator<Item = &Path> {
    config.keys.iter().filter_map(|key| match key {
        KeySource::File(path) => Some(path.as_path()),
        KeySource::Credential(_) | KeySource::Descriptor(_) => None,
    })
}

/// What the configuration and all files that it names hold now.
fn digest(path: &Path, config: &ServerConfig) -> [u8; 32] {
    let mut digest = Sha256::new();
    for path in std::iter::once(path).chain(config.tls.paths()).chain(key_files(config)) {
        let content = std::fs::read(path).unwrap_or_else(|error| error.kind().to_string().into_bytes());
        digest.update(path.as_os_str().as_encoded_bytes());
        digest.update(Sha256::digest(&content));
    }
    digest.finalize().into()
}
