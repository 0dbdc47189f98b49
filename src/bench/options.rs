//! What can be set, and what holds when nothing is? Arguments of `samverkan bench`, one group for each load.

use std::time::Duration;

use clap::Args;

/// Parameters of all loads.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// About a minute in all: shorter times, smaller stores; the figures are rougher and the targets harder to hold
    #[arg(long)]
    pub(crate) quick: bool,
    /// Seconds that each timed load and each ceiling is measured [default: 10, quick: 2; ceilings: a third]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) seconds: Option<u64>,
    /// Bytes of a message's text
    #[arg(long, value_name = "BYTES", default_value_t = 1024, value_parser = size)]
    pub(crate) size: usize,
    #[command(flatten)]
    pub(crate) post: PostOptions,
}

/// Parameters of `post`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "post")]
pub(crate) struct PostOptions {
    /// Connections that post, each of an organisation of its own
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = count)]
    pub(crate) connections: usize,
    /// Messages under way on each connection
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = count)]
    pub(crate) window: usize,
    /// Rooms that the connections post into, in turn
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count)]
    pub(crate) rooms: usize,
}

/// 1 or more, and not absurdly many.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    match text.replace('_', "").parse() {
        Ok(number @ 1..=100_000_000) => Ok(number),
        _ => Err("must be a whole number from 1 to 100000000".into()),
    }
}

fn size(text: &str) -> Result<usize, String> {
    let least = super::pump::HEADER_BYTES;
    match text.replace('_', "").parse() {
        Ok(number) if (least..=crate::limits::TEXT_BYTES_MAX).contains(&number) => Ok(number),
        _ => Err(format!("must be from {least} to {} bytes", crate::limits::TEXT_BYTES_MAX)),
    }
}

impl Options {
    /// How long a timed load is measured.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(if self.quick { 2 } else { 10 }))
    }

    /// How long a load runs before it is measured.
    pub(crate) fn warm_up(&self) -> Duration {
        (self.time() / 5).min(Duration::from_secs(2))
    }

    /// How long a ceiling is measured.
    pub(crate) fn ceiling_time(&self) -> Duration {
        (self.time() / 3).max(Duration::from_secs(1))
    }
}
