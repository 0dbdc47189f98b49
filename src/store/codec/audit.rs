//! Records of the audit trail as stored messages, and back.

use std::net::IpAddr;

use bytes::Bytes;
use prost::Message as _;
use uuid::Uuid;

use super::{Payload, Unsealed, What, pb};
use crate::audit::{Facts, Kind, Record};
use crate::room::ids::{RoomId, Seq, Timestamp};

pub(super) fn to_stored(record: &Record) -> Unsealed {
    let Record { seq, recorded_at, since, count, kind, facts } = record;
    let event = pb::AuditRecorded { kind: kind.number(), since_us: since.0, count: *count };
    let header = pb::Header {
        seq: seq.0,
        recorded_at_us: recorded_at.0,
        author: String::new(),
        request_id: Bytes::new(),
        request_digest: Bytes::new(),
        payload_digest: Bytes::new(),
        event: Some(pb::header::Event::AuditRecorded(event)),
    };
    Unsealed { header, payload: Some(facts_to_stored(facts).encode_to_vec()) }
}

fn facts_to_stored(facts: &Facts) -> pb::AuditFacts {
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
    fn bytes<const N: usize>(value: Option<&[u8; N]>) -> Bytes {
        value.map(|value| Bytes::copy_from_slice(value)).unwrap_or_default()
    }
    pb::AuditFacts {
        actor: text(actor),
        subject: text(subject),
        organisation: text(organisation),
        certificate: bytes(certificate.as_ref()),
        previous_certificate: bytes(previous_certificate.as_ref()),
        peer: match peer {
            None => Bytes::new(),
            Some(IpAddr::V4(address)) => bytes(Some(&address.octets())),
            Some(IpAddr::V6(address)) => bytes(Some(&address.octets())),
        },
        room: bytes(room.as_ref().map(RoomId::as_bytes)),
        other_room: bytes(other_room.as_ref().map(RoomId::as_bytes)),
        invite: bytes(invite.as_ref().map(Uuid::as_bytes)),
        method: text(method),
        reason: text(reason),
        detail: text(detail),
    }
}

pub(super) fn from_stored(header: &pb::Header, payload: &Payload<'_>) -> Result<Record, What> {
    let Some(pb::header::Event::AuditRecorded(stored)) = &header.event else {
        return Err("holds something else in the audit trail");
    };
    let Payload::Here(payload) = payload else { return Err("lacks a payload") };
    let facts = pb::AuditFacts::decode(&payload[..]).map_err(|_| "holds facts that can't be decoded")?;
    Ok(Record {
        seq: Seq(header.seq),
        recorded_at: Timestamp(header.recorded_at_us),
        since: Timestamp(stored.since_us),
        count: stored.count,
        kind: Kind::from_number(stored.kind).ok_or("holds an audit record of an unknown kind")?,
        facts: facts_from_stored(&facts)?,
    })
}

fn facts_from_stored(stored: &pb::AuditFacts) -> Result<Facts, What> {
    fn word<T: std::str::FromStr>(text: &str) -> Result<Option<T>, What> {
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| "holds a malformed name") }
    }
    fn bytes<const N: usize>(bytes: &Bytes) -> Result<Option<[u8; N]>, What> {
        if bytes.is_empty() {
            return Ok(None);
        }
        bytes[..].try_into().map(Some).map_err(|_| "holds an id of the wrong length")
    }
    let text = |text: &str| (!text.is_empty()).then(|| text.into());
    Ok(Facts {
        actor: word(&stored.actor)?,
        subject: word(&stored.subject)?,
        organisation: word(&stored.organisation)?,
        certificate: bytes(&stored.certificate)?,
        previous_certificate: bytes(&stored.previous_certificate)?,
        peer: match stored.peer.len() {
            4 => bytes::<4>(&stored.peer)?.map(IpAddr::from),
            _ => bytes::<16>(&stored.peer)?.map(IpAddr::from),
        },
        room: bytes(&stored.room)?.map(RoomId::from_bytes),
        other_room: bytes(&stored.other_room)?.map(RoomId::from_bytes),
        invite: bytes(&stored.invite)?.map(Uuid::from_bytes),
        method: text(&stored.method),
        reason: text(&stored.reason),
        detail: text(&stored.detail),
    })
}
