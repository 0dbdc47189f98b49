//! What can this machine do at best? Measured in the same run, so that results are ratios that another machine can be held to.
//!
//! In reading order: `disk` (append and sync a file), `alone` (sled alone, with both barriers), `grpc` (the same client, TLS
//! and messages, with nothing behind the server), `copy` (a file through TLS).

pub(crate) mod alone;
pub(crate) mod copy;
pub(crate) mod disk;
pub(crate) mod grpc;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::measure::Quantiles;
use super::process;

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ceiling {
    /// As `sled alone, batch 57`.
    pub(crate) name: String,
    pub(crate) rate: f64,
    /// Of the rate.
    pub(crate) unit: String,
    /// Of one step: one sync, one commit, one message.
    pub(crate) step: Option<Quantiles>,
    /// Microseconds of processor time for each message, of all who take part.
    #[serde(default)]
    pub(crate) cpu_us: Option<f64>,
    /// What was done.
    pub(crate) how: String,
}

/// Processor time that this process uses from here on: ceilings are measured in it, client and server together.
pub(crate) struct Spent(Option<Duration>);

impl Spent {
    pub(crate) fn begin() -> Self {
        Self(process::cpu(std::process::id()))
    }

    /// Microseconds for each of so many.
    pub(crate) fn each(&self, count: u64) -> Option<f64> {
        let used = process::cpu(std::process::id())?.checked_sub(self.0?)?;
        (count > 0).then(|| used.as_secs_f64() * 1e6 / count as f64)
    }
}
