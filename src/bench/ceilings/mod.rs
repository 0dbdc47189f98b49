//! What can this machine do at best? Measured in the same run, so that results are ratios that another machine can be held to.
//!
//! In reading order: `disk` (append and sync a file), `alone` (sled alone, with both barriers), `grpc` (the same client, TLS
//! and messages, with nothing behind the server).

pub(crate) mod alone;
pub(crate) mod disk;
pub(crate) mod grpc;

use serde::{Deserialize, Serialize};

use super::measure::Quantiles;

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
    /// What was done.
    pub(crate) how: String,
}
