//! What is done to the server, how often, and what came of it? The rows of the table that a run prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Wrong;
use crate::ground::{Ground, Size, random, said};
use crate::life::{Life, Manner};
use crate::server::{Launch, Server};
use crate::verify::{self, Found};

/// Everybody of most runs.
pub(crate) const SIZE: Size = Size { organisations: 3, rooms: 2 };

/// What all faults need.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) program: PathBuf,
    /// The server that can be told to break promises.
    pub(crate) danger: Option<PathBuf>,
    pub(crate) scratch: PathBuf,
    pub(crate) seed: u64,
    /// Whether some post files, too: not where single writes of the store are counted.
    pub(crate) attaches: bool,
}

/// One row: a fault, and what came of it.
pub(crate) struct Row {
    pub(crate) fault: &'static str,
    /// How often.
    pub(crate) times: u64,
    /// In words.
    pub(crate) outcome: String,
    pub(crate) found: Found,
    /// How often a server was started, everything read and compared.
    pub(crate) checks: u64,
    /// Whether the load is part of what it shows.
    pub(crate) has_load: bool,
    begun: Instant,
    pub(crate) took: Duration,
}

impl Row {
    pub(crate) fn new(fault: &'static str) -> Self {
        let (outcome, begun) = ("nothing lost".into(), Instant::now());
        let found = Found::default();
        Self { fault, times: 0, outcome, found, checks: 0, has_load: true, begun, took: Duration::ZERO }
    }

    pub(crate) fn done(mut self) -> Result<Self, Wrong> {
        self.took = self.begun.elapsed();
        Ok(self)
    }

    /// Starts the server again without any fault, and checks everything; the last of a ground counts what was found.
    pub(crate) async fn check(&mut self, ground: &Arc<Ground>, is_last: bool) -> Result<(), Wrong> {
        let server = Server::start(ground).await?;
        let found = verify::everything(ground, server.port()).await?;
        server.stop().await?;
        verify::inspect(ground)?;
        self.checks += 1;
        if is_last {
            self.found += found;
        }
        Ok(())
    }
}

impl Plan {
    pub(crate) fn random(&self, purpose: u64) -> u64 {
        random(self.seed, purpose)
    }

    pub(crate) fn folder(&self, name: &str, number: u64) -> PathBuf {
        self.scratch.join(format!("{name}-{number}"))
    }

    /// A ground of its own, with certificates and without a store; `store`: not beside the journals.
    pub(crate) fn bare(&self, name: &str, number: u64, store: Option<&Path>) -> Result<Ground, Wrong> {
        let folder = self.folder(name, number);
        let own = folder.join("store");
        let ground = Ground {
            attaches: self.attaches,
            ..Ground::new(&self.program, &folder, store.unwrap_or(&own), random(self.seed, number), SIZE)?
        };
        ground.start_afresh()?;
        Ok(ground)
    }

    /// A ground of its own with its rooms made.
    pub(crate) async fn ground(&self, name: &str, number: u64, store: Option<&Path>) -> Result<Arc<Ground>, Wrong> {
        self.made(self.bare(name, number, store)?).await
    }

    /// The same, whose store can be read without a key.
    pub(crate) async fn readable_ground(&self, name: &str) -> Result<Arc<Ground>, Wrong> {
        self.made(Ground { encrypts: false, ..self.bare(name, 0, None)? }).await
    }

    async fn made(&self, ground: Ground) -> Result<Arc<Ground>, Wrong> {
        let ground = Arc::new(ground);
        let server = Server::start(&ground).await?;
        ground.set_up(server.port()).await?;
        server.stop().await?;
        Ok(ground)
    }

    /// Done with.
    pub(crate) fn remove(&self, ground: &Ground) {
        let _ = fs::remove_dir_all(&ground.folder);
    }

    /// A server and everybody at work, some posts after the first.
    pub(crate) async fn lively(
        &self,
        ground: &Arc<Ground>,
        launch: &Launch,
        manner: Manner,
    ) -> Result<(Server, Life), Wrong> {
        let mut server = Server::start_with(ground, launch).await?;
        let life = Life::begin(ground, server.port(), manner);
        match life.acked(1).await {
            Ok(()) => Ok((server, life)),
            Err(why) => {
                server.kill();
                life.end_or_leave(manner).await?;
                Err(why)
            }
        }
    }
}

/// Copies a folder and what is in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<(), Wrong> {
    said(fs::create_dir_all(to))?;
    for entry in said(fs::read_dir(from))? {
        let entry = said(entry)?;
        let target = to.join(entry.file_name());
        if said(entry.file_type())?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            said(fs::copy(entry.path(), target))?;
        }
    }
    Ok(())
}
