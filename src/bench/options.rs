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
    #[command(flatten)]
    pub(crate) fanout: FanoutOptions,
    #[command(flatten)]
    pub(crate) others: OtherOptions,
    #[command(flatten)]
    pub(crate) large: LargeOptions,
    #[command(flatten)]
    pub(crate) restart: RestartOptions,
    #[command(flatten)]
    pub(crate) disclose: DiscloseOptions,
    #[command(flatten)]
    pub(crate) mixed: MixedOptions,
    #[command(flatten)]
    pub(crate) stalled: StalledOptions,
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

/// Parameters of `fanout`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "fanout")]
pub(crate) struct FanoutOptions {
    /// Readers, each over a connection of its own
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count)]
    pub(crate) fanout_subscribers: usize,
    /// Messages a second while the server is idle
    #[arg(long, value_name = "PER_SECOND", default_value_t = 50, value_parser = count)]
    pub(crate) fanout_rate: usize,
    /// Connections that post at full speed
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = count)]
    pub(crate) fanout_posters: usize,
    /// Messages under way on each of them
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = count)]
    pub(crate) fanout_window: usize,
}

/// Parameters of `subscribers` and `catchup`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "subscribers, catchup")]
pub(crate) struct OtherOptions {
    /// Idle streams, 50 on each connection [default: 5000, quick: 1000]
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) subscribers: Option<usize>,
    /// Messages that a reader has missed [default: 200000, quick: 40000]
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) catchup_messages: Option<usize>,
}

/// Parameters of `large`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "large")]
pub(crate) struct LargeOptions {
    /// Participants of the large room
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = count)]
    pub(crate) large_participants: usize,
    /// Messages that it begins with [default: 100000, quick: 20000]
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) large_messages: Option<usize>,
}

/// Parameters of `restart`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "restart")]
pub(crate) struct RestartOptions {
    /// Rooms [default: 10]
    #[arg(long, value_name = "N", default_value_t = 10, hide_default_value = true, value_parser = count)]
    pub(crate) restart_rooms: usize,
    /// Messages in each [default: 100000, quick: 5000]
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) restart_messages: Option<usize>,
}

/// Parameters of `disclose`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "disclose")]
pub(crate) struct DiscloseOptions {
    /// Participants of the room
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = count)]
    pub(crate) disclose_participants: usize,
    /// Messages in it
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = count)]
    pub(crate) disclose_messages: usize,
}

/// Parameters of `mixed`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "mixed")]
pub(crate) struct MixedOptions {
    /// Messages a second of each of the six organisations
    #[arg(long, value_name = "PER_SECOND", default_value_t = 50, value_parser = count)]
    pub(crate) mixed_rate: usize,
}

/// Parameters of `stalled`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "stalled")]
pub(crate) struct StalledOptions {
    /// Rounds without, and as many with a stalled reader
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count)]
    pub(crate) stalled_rounds: usize,
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

    fn or_quick(&self, given: Option<usize>, default: usize, quick: usize) -> usize {
        given.unwrap_or(if self.quick { quick } else { default })
    }

    /// Idle streams.
    pub(crate) fn subscribers(&self) -> usize {
        self.or_quick(self.others.subscribers, 5000, 1000)
    }

    /// Messages that a reader has missed.
    pub(crate) fn catchup_messages(&self) -> usize {
        self.or_quick(self.others.catchup_messages, 200_000, 40_000)
    }

    /// Messages that the large room begins with.
    pub(crate) fn large_messages(&self) -> usize {
        self.or_quick(self.large.large_messages, 100_000, 20_000)
    }

    /// Messages in each room that a restarted server finds.
    pub(crate) fn restart_messages(&self) -> usize {
        self.or_quick(self.restart.restart_messages, 100_000, 5000)
    }

    /// How long a round with or without a stalled reader lasts.
    pub(crate) fn stalled_time(&self) -> Duration {
        self.time() / 5
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
