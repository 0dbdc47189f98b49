//! Records of the audit trail.

use bytes::Bytes;

use super::time;
use crate::api;
use crate::audit::{Facts, Record};

/// A record, at its position.
pub(in crate::service) fn audit_record(position: u64, record: &Record) -> api::AuditRecord {
    let Record { seq: _, recorded_at, since, count, kind, facts } = record;
    let Facts {
        actor,
        subject,
        organisation,
        certificate,
        previous_certificate,
        peer,
        room,
        other_room,
        invite,
        method,
        reason,
        detail,
    } = facts;
    fn text<T: ToString>(value: &Option<T>) -> String {
        value.as_ref().map(T::to_string).unwrap_or_default()
    }
    let digest = |digest: &Option<[u8; 32]>| digest.map(|digest| Bytes::copy_from_slice(&digest)).unwrap_or_default();
    api::AuditRecord {
        position,
        recorded_time: Some(time(*recorded_at)),
        first_time: Some(time(*since)),
        count: *count,
        kind: kind.as_str().to_owned(),
        actor: text(actor),
        subject: text(subject),
        organisation_id: text(organisation),
        certificate_sha256: digest(certificate),
        previous_certificate_sha256: digest(previous_certificate),
        peer: text(peer),
        room_id: text(room),
        other_room_id: text(other_room),
        invite_id: text(invite),
        method: text(method),
        reason: text(reason),
        detail: text(detail),
    }
}
