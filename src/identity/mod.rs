//! Who is calling? What the client certificate of this connection says, and nothing else (R10).
//!
//! In reading order:
//!
//! - [`name`]: certificate -> [`Identity`]; the one URI name, read strictly.
//! - [`tls`]: the TLS settings of server and client, and the PEM files they come from.
//! - [`trust`]: whom the running server trusts: authorities and their bounds, revocation, from files that may change.
//! - [`accept`]: the accept loop: socket in, [`Accepted`] (stream and [`Caller`]) out, everything else refused.
//! - `handshakes`: how many may be under way and begin, by address.
//! - [`connections`]: who is connected, how many may be, and how a connection is cut; `activity`: when one is idle.
//! - [`refused`]: why somebody was not let in: for our log ([`Refused`]) and for the person at the other end ([`explain`]).
//! - [`enrolment`]: how somebody without a certificate gets one: invite lines, signing requests, the second socket.
//! - [`issue`] and [`summary`]: making certificates and saying what is in one.
//!
//! Which organisations are registered or suspended is not decided here but on the first call, at the service edge.
//! `certs/README.md` describes the certificates for those who make them with other tools.
//! Tested over real sockets in `tests/it/identity.rs`.

pub mod accept;
mod activity;
pub mod connections;
pub mod enrolment;
mod guarded;
mod handshakes;
pub mod issue;
pub mod name;
pub mod refused;
pub mod summary;
pub mod tls;
pub mod trust;

pub use crate::rate::Rate;
pub use accept::{Accepted, Acceptor, ConnectionLimits};
pub use connections::{Caller, ConnectionId, Connections, Ended};
pub use guarded::GuardedIo;
pub use issue::{Authority, Existing, IssueError, Issued};
pub use name::{Identity, IdentityError, TrustDomain};
pub use refused::{Refused, explain};
pub use summary::{CertificateSummary, Subject};
pub use tls::{KeyExchange, KeyedCertificate, ServerTls, TlsFileError};
pub use trust::{Access, IssuerFile, ListFile, TrustFiles, Trusted};

use std::time::SystemTime;

use crate::room::ids::Timestamp;

/// The wall clock, for validity of certificates.
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
