//! How fast is it here, next to what this machine can do? `samverkan bench`.
//!
//! A run lays a *ground* (certificates, servers), puts *loads* on it through [`crate::client`] over real mutual TLS, and measures in
//! the same run the *ceilings* of the machine, so that each result is a ratio first. Results are plain values ([`measure`]), printed
//! by [`report`], written as JSON, and compared with an earlier run's.
//! Leans on: `client`, `identity`, `store::sled::alone`, and this program's own `serve` as a child process. Tested in
//! `tests/it/bench.rs`, which asserts no timing.
//!
//! In reading order: `options`, `ground`, `server`, `pump` (posting at full speed), `loads/*`, `ceilings/*`, `measure`, `report`.

pub(crate) mod ceilings;
pub(crate) mod failure;
pub(crate) mod ground;
pub(crate) mod loads;
pub(crate) mod measure;
pub(crate) mod options;
pub(crate) mod process;
pub(crate) mod pump;
pub(crate) mod readers;
pub(crate) mod report;
mod server;

use std::sync::{Mutex, PoisonError};

use ceilings::{Ceiling, alone::sled_alone, disk, grpc::Bare};
use failure::BenchError;
use ground::Ground;
use measure::Measured;
use options::Options;
use report::Run;

/// Where the run says what it does.
pub(crate) struct Progress(Box<dyn Fn(String) + Send + Sync>);

impl Progress {
    pub(crate) fn new(show: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Box::new(show))
    }

    pub(crate) fn say(&self, what: impl Into<String>) {
        (self.0)(what.into());
    }
}

/// A load, by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Load {
    /// Many connections post at once
    Post,
    /// One message at a time
    Serial,
    /// Deliveries to the live readers of one room
    Fanout,
    /// Idle readers: memory of each
    Subscribers,
    /// One reader of a full room
    Catchup,
    /// A large room next to a small one
    Large,
    /// A stop and a start with a full store
    Restart,
    /// Decisions of who is shown what, without a server
    Disclose,
    /// A realistic incident
    Mixed,
    /// A reader who stops reading, and everybody else
    Stalled,
    /// Posting and catching up, with and without encryption at rest
    Encryption,
    /// Files up and down, and the memory that a transfer takes
    Attachments,
}

impl Load {
    /// All, in the order in which they run.
    pub(crate) const ALL: [Self; 12] = [
        Self::Post,
        Self::Serial,
        Self::Fanout,
        Self::Catchup,
        Self::Large,
        Self::Subscribers,
        Self::Stalled,
        Self::Restart,
        Self::Mixed,
        Self::Encryption,
        Self::Attachments,
        Self::Disclose,
    ];

    /// Whether it can't be put on a server that runs elsewhere: it needs other limits, or stops the server.
    pub(crate) fn needs_own_server(self) -> bool {
        match self {
            Self::Restart | Self::Subscribers | Self::Encryption => true,
            Self::Post
            | Self::Serial
            | Self::Fanout
            | Self::Catchup
            | Self::Large
            | Self::Disclose
            | Self::Mixed
            | Self::Attachments
            | Self::Stalled => false,
        }
    }

    async fn run(self, bench: &Bench<'_>) -> Result<Measured, BenchError> {
        match self {
            Self::Post => loads::post::run(bench).await,
            Self::Serial => loads::serial::run(bench).await,
            Self::Fanout => loads::fanout::run(bench).await,
            Self::Subscribers => loads::subscribers::run(bench).await,
            Self::Catchup => loads::catchup::run(bench).await,
            Self::Large => loads::large::run(bench).await,
            Self::Restart => loads::restart::run(bench).await,
            Self::Disclose => loads::disclose::run(bench).await,
            Self::Mixed => loads::mixed::run(bench).await,
            Self::Stalled => loads::stalled::run(bench).await,
            Self::Encryption => loads::encryption::run(bench).await,
            Self::Attachments => loads::attachments::run(bench).await,
        }
    }
}

/// A run under way.
pub(crate) struct Bench<'a> {
    pub(crate) ground: &'a Ground,
    pub(crate) options: &'a Options,
    pub(crate) progress: &'a Progress,
    /// Measured so far, in this order.
    ceilings: Mutex<Vec<Ceiling>>,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(ground: &'a Ground, options: &'a Options, progress: &'a Progress) -> Self {
        Self { ground, options, progress, ceilings: Mutex::default() }
    }

    /// Runs these loads and the ceilings that go with them; `each` is shown each result as it comes.
    pub(crate) async fn run(
        &self,
        loads: &[Load],
        mut each: impl FnMut(&Measured) -> Result<(), BenchError>,
    ) -> Result<Run, BenchError> {
        process::raise_file_limit();
        if let Some(load) = loads.iter().find(|load| load.needs_own_server() && !self.ground.is_own()) {
            return Err(BenchError::NeedsOwnServer(*load));
        }
        let mut run = Run::begin(self);
        for load in loads {
            let measured = load.run(self).await?;
            each(&measured)?;
            run.loads.push(measured);
        }
        for block_bytes in [4 * 1024, 1024 * 1024] {
            self.progress.say("ceiling: the disk");
            let (folder, time) = (self.ground.folder().to_owned(), self.options.ceiling_time());
            let measure = move || disk::append_and_sync(&folder, block_bytes, time);
            self.remember(tokio::task::spawn_blocking(measure).await??);
        }
        run.ceilings = self.ceilings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(run)
    }

    fn remember(&self, ceiling: Ceiling) -> Ceiling {
        self.ceilings.lock().unwrap_or_else(PoisonError::into_inner).push(ceiling.clone());
        ceiling
    }

    /// Sled alone, in batches of so many messages.
    pub(crate) async fn sled(&self, batch: usize) -> Result<Ceiling, BenchError> {
        self.progress.say(format!("ceiling: sled alone, batch {batch}"));
        let (folder, size, time) = (self.ground.folder().to_owned(), self.options.size, self.options.ceiling_time());
        let measured = tokio::task::spawn_blocking(move || sled_alone(&folder, batch, size, time)).await??;
        Ok(self.remember(measured))
    }

    /// Posts to a server with nothing behind it.
    pub(crate) async fn grpc_posts(&self, connections: usize, window: usize) -> Result<Ceiling, BenchError> {
        let bare = Bare::start(self.ground, self.options.size)?;
        let load = (connections, window, self.options.size);
        Ok(self.remember(bare.posts(self.ground, load, self.options.ceiling_time(), self.progress).await?))
    }

    /// One post at a time to a server with nothing behind it.
    pub(crate) async fn grpc_serial(&self) -> Result<Ceiling, BenchError> {
        self.progress.say("ceiling: gRPC without storage, one call at a time");
        let bare = Bare::start(self.ground, self.options.size)?;
        Ok(self.remember(bare.serial(self.ground, self.options.size, self.options.ceiling_time()).await?))
    }

    /// Deliveries from a server with nothing behind it.
    pub(crate) async fn grpc_deliveries(&self, subscribers: usize) -> Result<Ceiling, BenchError> {
        let bare = Bare::start(self.ground, self.options.size)?;
        let time = self.options.ceiling_time();
        Ok(self.remember(bare.deliveries(self.ground, subscribers, self.options.size, time, self.progress).await?))
    }
}
