//! How does a program talk to a Samverkan server?
//!
//! [`Client`] is a connection of one actor: mutual TLS 1.3, one typed method per RPC. Writes carry a request id, so that a
//! lost answer is asked for again without doing the thing twice; [`Client::subscribe`] and [`Client::post_many`] survive a cut
//! connection without a gap or a repeat. Nothing else in the product names gRPC: what the command line needs of it is
//! re-exported here. Leans on [`crate::identity`] for TLS. Tested in each file and, against a real server, in `tests/it`.
//!
//! In reading order: [`context`] (who calls whom), `transport` (the connection), [`error`], `calls` (one answer each),
//! [`subscribe`], [`post_many`], [`attachments`], `backup` and [`backup_chain`].

pub mod attachments;
pub mod audit;
mod backup;
pub mod backup_chain;
mod calls;
pub mod context;
pub mod error;
pub mod post_many;
pub mod probe;
pub mod subscribe;
mod time;
mod transport;

pub use crate::api as pb;
pub use audit::{AuditTail, AuditUpdate};
pub use backup::BackupStream;
pub use context::{Context, ContextError, Contexts};
pub use error::{ClientError, Refused, Violation};
pub use post_many::Posted;
pub use subscribe::{Subscription, Update};
pub use time::{NotATime, Time, parse_time, time_text};

use std::time::{Duration, SystemTime};

use uuid::Uuid;

use crate::identity::enrolment::line::InviteLine;

/// Tries of one call. With the backoff below they take about seven seconds, enough for a server that restarts.
const TRIES_MAX: u32 = 5;
/// After this no new try begins: whoever waits at a terminal wants to know.
const TRYING_TIME_MAX: Duration = Duration::from_secs(15);
/// One try. A server commits in milliseconds; one that takes longer than this is not going to answer.
const TRY_TIME_MAX: Duration = Duration::from_secs(20);

/// A connection of one actor to one server. Cheap to clone; clones share the connection, which is made again when it is cut.
#[derive(Clone)]
pub struct Client {
    transport: transport::Transport,
}

impl Client {
    /// Connects and proves who calls. A server that refuses the certificate may say so only on the first call: in TLS 1.3 the
    /// client's side of the handshake is done by then.
    pub async fn connect(context: &Context) -> Result<Self, ClientError> {
        Ok(Self { transport: transport::Transport::connect(context).await? })
    }

    /// Connects to enrol: without a certificate, to the server whose authority the invite names and to no other. Nothing is sent before
    /// that is certain. Only [`Self::enrol`] can be called.
    pub async fn knock(line: &InviteLine) -> Result<Self, ClientError> {
        Ok(Self { transport: transport::Transport::knock(line).await? })
    }

    /// When the certificate expires, once the server has said in an answer that it is time to renew it.
    pub fn renewal_due(&self) -> Option<SystemTime> {
        self.transport.expires()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("address", &self.transport.address()).finish_non_exhaustive()
    }
}

/// A request id that nobody has used.
pub fn new_request_id() -> String {
    Uuid::new_v4().to_string()
}

fn draw(request_id: &mut String) {
    if request_id.is_empty() {
        *request_id = new_request_id();
    }
}

/// The pause before try number `failed + 1`: 0.2 s, doubled each time, at most 5 s, and up to a quarter more so that clients
/// that lost the same server do not come back in step.
fn backoff(failed: u32) -> Duration {
    let base =
        Duration::from_millis(200).saturating_mul(1 << failed.saturating_sub(1).min(5)).min(Duration::from_secs(5));
    let jitter = u32::from(Uuid::new_v4().as_bytes()[0]);
    base + base * jitter / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for failed in 1..100 {
            assert!(backoff(failed) >= Duration::from_millis(200), "{failed}");
            assert!(backoff(failed) <= Duration::from_millis(6250), "{failed}");
        }
        assert!(backoff(4) > backoff(1));
    }
}
