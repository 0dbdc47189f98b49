//! Accesses, as the coordinator is shown them; and the words for what happened to one.

use super::time;
use crate::api;
use crate::identity::Caller;
use crate::identity::summary::hex;
use crate::room::directory::Revocation;
use crate::room::event::AccessChange;

/// What happened, and the certificate that it happened to.
pub(super) fn access_change(change: AccessChange) -> (api::AccessChange, String) {
    match change {
        AccessChange::CertificateRevoked(certificate) => (api::AccessChange::CertificateRevoked, hex(&certificate)),
        AccessChange::ActorRevoked => (api::AccessChange::ActorRevoked, String::new()),
        AccessChange::ActorReinstated => (api::AccessChange::ActorReinstated, String::new()),
    }
}

/// For the coordinator.
pub(in crate::service) fn revocation(revocation: &Revocation) -> api::Revocation {
    let (change, certificate_sha256) = access_change(revocation.change);
    api::Revocation {
        change: change.into(),
        certificate_sha256,
        actor: revocation.actor.as_ref().map(ToString::to_string).unwrap_or_default(),
        reason: revocation.reason.to_string(),
        recorded_time: Some(time(revocation.recorded_at)),
        recorded_by: revocation.by.to_string(),
    }
}

/// For the coordinator.
pub(in crate::service) fn live_connection(caller: &Caller) -> api::LiveConnection {
    api::LiveConnection {
        actor: caller.actor.to_string(),
        certificate_sha256: hex(&caller.certificate),
        expire_time: Some(time(caller.not_after)),
        connected_time: Some(time(caller.since)),
        peer_address: caller.peer.to_string(),
        key_exchange: caller.key_exchange.clone(),
    }
}
