//! How many streams may be open: of one certificate, on one connection, of one organisation? Each is counted from its first request to
//! its end.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use super::status::CallError;
use crate::identity::{Caller, ConnectionId};
use crate::limits;
use crate::room::ids::OrganisationId;

/// How many subscriptions and streams of posts may be open, and how often they tell that they live. The defaults are those of [`limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Of a certificate of any organisation.
    pub certificate: usize,
    /// Of a certificate of the coordinator, who is in every room.
    pub coordinator_certificate: usize,
    /// On one connection.
    pub connection: usize,
    /// Of one organisation.
    pub organisation: usize,
    /// Of the coordinator.
    pub coordinator: usize,
    /// Between two heartbeats of a subscription.
    pub heartbeat: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            certificate: limits::STREAMS_PER_CERTIFICATE_MAX,
            coordinator_certificate: limits::STREAMS_PER_COORDINATOR_CERTIFICATE_MAX,
            connection: limits::OPEN_STREAMS_PER_CONNECTION_MAX,
            organisation: limits::STREAMS_PER_ORGANISATION_MAX,
            coordinator: limits::COORDINATOR_STREAMS_MAX,
            heartbeat: limits::HEARTBEAT_INTERVAL,
        }
    }
}

/// Open streams, each counted three times.
#[derive(Default)]
struct Counts {
    certificates: HashMap<[u8; 32], usize>,
    connections: HashMap<ConnectionId, usize>,
    organisations: HashMap<OrganisationId, usize>,
}

/// Open streams.
pub(super) struct Streams {
    limits: RwLock<StreamLimits>,
    open: Arc<Mutex<Counts>>,
}

impl Streams {
    pub(super) fn new(limits: StreamLimits) -> Self {
        Self { limits: RwLock::new(limits), open: Arc::default() }
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
    pub(super) fn open(&self, caller: &Caller, is_coordinator: bool) -> Result<OpenStream, CallError> {
        self.open_for(caller.certificate, caller.connection, &caller.actor.organisation, is_coordinator)
    }

    fn open_for(
        &self,
        certificate: [u8; 32],
        connection: ConnectionId,
        organisation: &OrganisationId,
        is_coordinator: bool,
    ) -> Result<OpenStream, CallError> {
        let limits = self.limits();
        let of_certificate = if is_coordinator { limits.coordinator_certificate } else { limits.certificate };
        let of_organisation = if is_coordinator { limits.coordinator } else { limits.organisation };
        let mut open = lock(&self.open);
        within(&open.certificates, &certificate, of_certificate, "certificate")?;
        within(&open.connections, &connection, limits.connection, "connection")?;
        within(&open.organisations, organisation, of_organisation, "organisation")?;
        *open.certificates.entry(certificate).or_default() += 1;
        *open.connections.entry(connection).or_default() += 1;
        *open.organisations.entry(organisation.clone()).or_default() += 1;
        Ok(OpenStream { open: self.open.clone(), certificate, connection, organisation: organisation.clone() })
    }
}

fn within<K: Eq + Hash>(counts: &HashMap<K, usize>, key: &K, max: usize, of: &'static str) -> Result<(), CallError> {
    if counts.get(key).is_some_and(|count| *count >= max) { Err(CallError::TooManyStreams { max, of }) } else { Ok(()) }
}

fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn lock(open: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stream that counts.
pub(super) struct OpenStream {
    open: Arc<Mutex<Counts>>,
    certificate: [u8; 32],
    connection: ConnectionId,
    organisation: OrganisationId,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        give_back(&mut open.certificates, &self.certificate);
        give_back(&mut open.connections, &self.connection);
        give_back(&mut open.organisations, &self.organisation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(streams: &Streams, certificate: u8, connection: u64, name: &str) -> Result<OpenStream, String> {
        let organisation = name.parse().expect("an id");
        let is_coordinator = name == "cert-se";
        let opened = streams.open_for([certificate; 32], ConnectionId(connection), &organisation, is_coordinator);
        opened.map_err(|error| error.to_string())
    }

    #[test]
    fn streams_are_counted_by_certificate_connection_and_organisation_and_places_given_back() {
        let limits = StreamLimits {
            certificate: 2,
            coordinator_certificate: 3,
            connection: 3,
            organisation: 4,
            coordinator: 6,
            ..StreamLimits::default()
        };
        let streams = Streams::new(limits);
        let mut held: Vec<_> = (0..2).map(|_| open(&streams, 1, 1, "a").expect("a place")).collect();
        let refused = |certificate, connection, name| open(&streams, certificate, connection, name).err();
        let most = |max, of| Some(format!("at most {max} open streams for one {of}; end one first"));
        assert_eq!(refused(1, 2, "a"), most(2, "certificate"));
        held.push(open(&streams, 2, 1, "a").expect("another certificate has its own"));
        assert_eq!(refused(2, 1, "a"), most(3, "connection"));
        held.push(open(&streams, 3, 3, "a").expect("another connection has its own"));
        assert_eq!(refused(4, 4, "a"), most(4, "organisation"));
        held.push(open(&streams, 5, 5, "b").expect("another organisation has its own"));
        held.extend((0..3).map(|_| open(&streams, 6, 6, "cert-se").expect("the coordinator may have more")));
        assert_eq!(refused(6, 7, "cert-se"), most(3, "certificate"));

        held.remove(0);
        held.push(open(&streams, 1, 1, "a").expect("the place was given back"));
        assert!(refused(4, 4, "a").is_some());
        held.clear();
        let open = lock(&streams.open);
        let left = (open.certificates.len(), open.connections.len(), open.organisations.len());
        assert_eq!(left, (0, 0, 0), "nothing is kept of who is gone");
    }
}
