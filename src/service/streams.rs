//! How many streams may one certificate keep open? Each is counted from its first request to its end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::status::CallError;
use crate::limits;

/// How many subscriptions and streams of posts one certificate may keep open, and how often they tell that they live. The defaults are
/// those of [`limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// A certificate of any organisation.
    pub certificate: usize,
    /// A certificate of the coordinator, who is in every room.
    pub coordinator_certificate: usize,
    /// Between two heartbeats of a subscription.
    pub heartbeat: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            certificate: limits::STREAMS_PER_CERTIFICATE_MAX,
            coordinator_certificate: limits::STREAMS_PER_COORDINATOR_CERTIFICATE_MAX,
            heartbeat: limits::HEARTBEAT_INTERVAL,
        }
    }
}

type Counts = Arc<Mutex<HashMap<[u8; 32], usize>>>;

/// Open streams by certificate.
pub(super) struct Streams {
    limits: RwLock<StreamLimits>,
    open: Counts,
}

impl Streams {
    pub(super) fn new(limits: StreamLimits) -> Self {
        Self { limits: RwLock::new(limits), open: Counts::default() }
    }

    fn limits(&self) -> StreamLimits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Other limits for streams that are opened from now on.
    pub(super) fn set_limits(&self, limits: StreamLimits) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Between two heartbeats of a subscription.
    pub(super) fn heartbeat(&self) -> Duration {
        self.limits().heartbeat
    }

    /// Counts one more, until what is returned is dropped.
    pub(super) fn open(&self, certificate: [u8; 32], is_coordinator: bool) -> Result<OpenStream, CallError> {
        let limits = self.limits();
        let max = if is_coordinator { limits.coordinator_certificate } else { limits.certificate };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(certificate).or_default();
        if *count >= max {
            return Err(CallError::TooManyStreams { max });
        }
        *count += 1;
        Ok(OpenStream { open: self.open.clone(), certificate })
    }
}

/// A stream that counts.
pub(super) struct OpenStream {
    open: Counts,
    certificate: [u8; 32],
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.certificate) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.certificate);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_has_so_many_streams_and_gets_their_places_back() {
        let streams =
            Streams::new(StreamLimits { certificate: 2, coordinator_certificate: 3, ..StreamLimits::default() });
        let open = |certificate: u8, coordinator| streams.open([certificate; 32], coordinator).ok();
        let first = open(1, false).expect("has a place");
        let second = open(1, false).expect("has a place");
        assert!(open(1, false).is_none(), "a third is too many");
        assert!(open(2, false).is_some(), "another certificate has its own");
        assert!(open(1, true).is_some(), "the coordinator may have more");
        drop(first);
        let third = open(1, false);
        assert!(third.is_some());
        drop((second, third));
        assert!(streams.open.lock().expect("nobody panicked").is_empty(), "nothing is kept of who is gone");
    }
}
