//! The gRPC edge: wire to domain and back. One question: what does a call mean, and how is it answered?
//!
//! The one path of a call: `authorisation` (the gate: is there a caller, is it admitted, is there such a method) → `from_proto`
//! (well-formed?) → `engine` → `to_proto`, or `status` if the answer is no. In reading order: `call` (what all handlers share), one
//! file per gRPC service (`intake`, `room`, `message` with `posting` and `subscription`, `attachment`, `consent`, `relay`, `coordination`,
//! `organisation`, `access`, `audit`, `backup`, `erasure`, `certificate`, `enrolment` with `issuing`), `page_token`,
//! `streams` (how many may be open), `transport` (tonic's server and every knob of it).
//!
//! Nothing else names tonic or generated API types, the client apart. Upholds: R5 and R7 at the edge, R8 (digests of requests), R10.

mod access;
mod attachment;
mod audit;
mod authorisation;
mod backup;
mod call;
mod certificate;
mod consent;
mod coordination;
pub mod enrolment;
mod erasure;
mod from_proto;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzed;
mod held;
mod intake;
pub mod issuing;
mod message;
mod organisation;
mod page_token;
mod posting;
mod relay;
mod room;
mod status;
mod streams;
mod subscription;
mod to_proto;
pub mod transport;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::identity::Connections;

pub use self::streams::StreamLimits;
use self::streams::Streams;

/// What all handlers share. Cheap to clone; clones share.
#[derive(Clone)]
pub struct Edge(Arc<Shared>);

struct Shared {
    engine: Engine,
    connections: Connections,
    /// Terms of rooms that are opened without any.
    terms: Arc<str>,
    streams: Streams,
    backups: backup::OneAtATime,
    /// With what certificates are issued; `None`: not here.
    issuing: Option<Arc<issuing::Issuing>>,
    /// Cancelled when the server begins to stop: open streams end then.
    stopping: CancellationToken,
}

impl Edge {
    /// The edge of this engine. `terms` hold in rooms that are opened without any; `stopping` ends open streams.
    pub fn new(
        engine: Engine,
        connections: Connections,
        terms: Arc<str>,
        streams: StreamLimits,
        issuing: Option<Arc<issuing::Issuing>>,
        stopping: CancellationToken,
    ) -> Self {
        let (streams, backups) = (Streams::new(streams), backup::OneAtATime::default());
        Self(Arc::new(Shared { engine, connections, terms, streams, backups, issuing, stopping }))
    }

    /// Other limits for streams that are opened from now on.
    pub fn set_stream_limits(&self, streams: StreamLimits) {
        self.0.streams.set_limits(streams);
    }
}
