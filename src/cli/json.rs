//! What do programs get? One JSON object for each thing, with stable lower-case keys; what is empty or unset is `null`.
//!
//! Times are RFC 3339 in UTC. Tested below and by `tests/it`.

mod events;

use serde_json::{Map, Value, json};

use super::words::word;
use crate::client::{Time, pb, time_text};
use crate::identity::summary::hex;

/// A time, or null.
pub(crate) fn time(time: Option<&Time>) -> Value {
    time.map_or(Value::Null, |time| time_text(time).into())
}

/// A text, or null if it is empty.
pub(crate) fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

pub(crate) fn participant(participant: Option<&pb::Participant>) -> Value {
    let Some(participant) = participant else { return Value::Null };
    json!({
        "participant_id": participant.participant_id,
        "organisation_id": text(&participant.organisation_id),
        "display_name": text(&participant.display_name),
        "role": word::<pb::Role>(participant.role),
        "attribution": participant.attribution.map(word::<pb::Attribution>),
        "is_caller": participant.is_caller,
    })
}

pub(crate) fn participants(participants: &[pb::Participant]) -> Value {
    participants.iter().map(|one| participant(Some(one))).collect()
}

pub(crate) fn organisation(organisation: &pb::Organisation) -> Value {
    json!({
        "organisation_id": organisation.organisation_id,
        "display_name": organisation.display_name,
        "status": word::<pb::OrganisationStatus>(organisation.status),
        "registered_time": time(organisation.registered_time.as_ref()),
        "suspended_time": time(organisation.suspended_time.as_ref()),
        "suspension_reason": text(&organisation.suspension_reason),
    })
}

pub(crate) fn room_summary(room: &pb::RoomSummary) -> Value {
    json!({
        "room_id": room.room_id,
        "title": room.title,
        "role": word::<pb::Role>(room.role),
        "status": word::<pb::RoomStatus>(room.status),
        "opened_time": time(room.opened_time.as_ref()),
    })
}

pub(crate) fn room(room: &pb::Room) -> Value {
    json!({
        "room_id": room.room_id,
        "title": room.title,
        "terms": room.terms,
        "coordinator_organisation_id": room.coordinator_organisation_id,
        "status": word::<pb::RoomStatus>(room.status),
        "opened_time": time(room.opened_time.as_ref()),
        "caller": participant(room.caller.as_ref()),
    })
}

pub(crate) fn invitation(invitation: &pb::Invitation) -> Value {
    json!({
        "invitation_id": invitation.invitation_id,
        "title": invitation.title,
        "coordinator_organisation_id": invitation.coordinator_organisation_id,
        "terms": invitation.terms,
        "role": word::<pb::Role>(invitation.role),
        "invited_time": time(invitation.invited_time.as_ref()),
    })
}

pub(crate) fn consent(consent: &pb::SharingConsent) -> Value {
    json!({
        "version": consent.version,
        "cells": cells(&consent.cells),
        "named": named(&consent.named),
        "newcomers": newcomers(&consent.newcomers),
        "attribution": word::<pb::Attribution>(consent.attribution),
        "police": word::<pb::PoliceAnswer>(consent.police),
        "expire_time": time(consent.expire_time.as_ref()),
    })
}

/// What a change sets; what it leaves alone is left out.
pub(crate) fn change(change: &pb::ConsentChange) -> Value {
    let mut set = Map::new();
    if !change.cells.is_empty() {
        set.insert("cells".into(), cells(&change.cells));
    }
    if !change.named.is_empty() {
        set.insert("named".into(), named(&change.named));
    }
    if !change.newcomers.is_empty() {
        set.insert("newcomers".into(), newcomers(&change.newcomers));
    }
    if let Some(attribution) = change.attribution {
        set.insert("attribution".into(), word::<pb::Attribution>(attribution).into());
    }
    if let Some(police) = change.police {
        set.insert("police".into(), word::<pb::PoliceAnswer>(police).into());
    }
    match &change.expiry {
        Some(pb::consent_change::Expiry::ExpireTime(expiry)) => {
            set.insert("expire_time".into(), time(Some(expiry)));
        }
        Some(pb::consent_change::Expiry::ClearExpiry(_)) => {
            set.insert("expire_time".into(), Value::Null);
        }
        None => {}
    }
    set.into()
}

fn cells(cells: &[pb::ConsentCell]) -> Value {
    let cell = |cell: &pb::ConsentCell| {
        json!({
            "material": word::<pb::Material>(cell.material),
            "audience": word::<pb::Audience>(cell.audience),
            "sharing": word::<pb::Sharing>(cell.sharing),
        })
    };
    cells.iter().map(cell).collect()
}

fn named(named: &[pb::NamedSharing]) -> Value {
    let one = |named: &pb::NamedSharing| {
        let sharing = |sharing: &pb::MaterialSharing| {
            (word::<pb::Material>(sharing.material).to_owned(), Value::from(word::<pb::Sharing>(sharing.sharing)))
        };
        json!({ "name": named.name, "sharings": named.sharings.iter().map(sharing).collect::<Map<_, _>>() })
    };
    named.iter().map(one).collect()
}

fn newcomers(newcomers: &[pb::NewcomersAnswer]) -> Value {
    let one = |answer: &pb::NewcomersAnswer| {
        (word::<pb::Audience>(answer.audience).to_owned(), Value::from(word::<pb::Answer>(answer.answer)))
    };
    newcomers.iter().map(one).collect::<Map<_, _>>().into()
}

pub(crate) fn report(report: &pb::IntakeReport) -> Value {
    json!({
        "what_occurred": text(&report.what_occurred),
        "how_discovered": text(&report.how_discovered),
        "discovered_time": time(report.discovered_time.as_ref()),
        "countermeasures": text(&report.countermeasures),
        "ongoing": report.ongoing.map(word::<pb::Assessment>),
        "data_leak": report.data_leak.map(word::<pb::Assessment>),
        "help_wanted": text(&report.help_wanted),
        "contacts_made": text(&report.contacts_made),
        "police": report.police.map(word::<pb::PoliceAnswer>),
        "sharing_consent": report.sharing_consent.as_ref().map(change),
    })
}

pub(crate) fn previewed(previewed: &pb::PreviewedParticipant) -> Value {
    json!({
        "participant": participant(previewed.participant.as_ref()),
        "receives": previewed.receives,
        "reason": word::<pb::AudienceReason>(previewed.reason),
        "text": previewed.text,
    })
}

/// Who has a message, and what was made of it.
pub(crate) fn receipts(message_id: &str, receipts: &pb::GetReceiptsResponse) -> Value {
    let recall = |recall: &pb::RecallReceipt| {
        let answered = recall.recorded_time.is_some();
        json!({
            "recall_id": recall.recall_id,
            "answer": answered.then(|| word::<pb::RecallAnswer>(recall.answer)),
            "comment": text(&recall.comment),
            "recorded_time": time(recall.recorded_time.as_ref()),
        })
    };
    let receipt = |receipt: &pb::Receipt| {
        json!({
            "participant": participant(receipt.participant.as_ref()),
            "delivered_time": time(receipt.delivered_time.as_ref()),
            "basis": reason(receipt.basis),
            "acknowledged_time": time(receipt.acknowledged_time.as_ref()),
            "fetched_time": time(receipt.fetched_time.as_ref()),
            "sees": receipt.sees,
            "reason": reason(receipt.reason),
            "text": text(&receipt.text),
            "recalls": receipt.recalls.iter().map(recall).collect::<Vec<_>>(),
        })
    };
    let read =
        |read: &pb::ActorReceipt| json!({ "actor": read.actor, "delivered_time": time(read.delivered_time.as_ref()) });
    let relay = |relay: &pb::RelayReceipt| {
        json!({
            "message_id": relay.message_id,
            "recorded_time": time(relay.recorded_time.as_ref()),
            "receivers": participants(&relay.receivers),
        })
    };
    json!({
        "message_id": message_id,
        "recorded_time": time(receipts.recorded_time.as_ref()),
        "receipts": receipts.receipts.iter().map(receipt).collect::<Vec<_>>(),
        "coordinator_reads": receipts.coordinator_reads.iter().map(read).collect::<Vec<_>>(),
        "coordinator_fetches": receipts.coordinator_fetches.iter().map(read).collect::<Vec<_>>(),
        "relays": receipts.relays.iter().map(relay).collect::<Vec<_>>(),
    })
}

fn reason(reason: i32) -> Value {
    match reason {
        0 => Value::Null,
        reason => word::<pb::AudienceReason>(reason).into(),
    }
}

/// A message without its text.
pub(crate) fn message_head(head: &pb::MessageHead) -> Value {
    json!({
        "message_id": head.message_id,
        "author": participant(head.author.as_ref()),
        "material": word::<pb::Material>(head.material),
        "tlp": word::<pb::Tlp>(head.tlp),
        "recorded_time": time(head.recorded_time.as_ref()),
    })
}

pub(crate) fn connection(connection: &pb::Connection) -> Value {
    json!({
        "room_id": connection.room_id,
        "reason": connection.reason,
        "actor": connection.actor,
        "recorded_time": time(connection.recorded_time.as_ref()),
    })
}

/// One delivery, with its index and a word for its kind.
pub(crate) fn delivery(index: u64, delivery: &pb::Delivery) -> Value {
    use pb::delivery::Content;
    let who = |p: &Option<pb::Participant>| json!({ "participant": participant(p.as_ref()) });
    let (kind, rest) = match &delivery.content {
        None => ("unknown", json!({})),
        Some(Content::Message(message)) => ("message", self::message(message)),
        Some(Content::Withdrawn(pb::Withdrawn {})) => ("withdrawn", json!({})),
        Some(Content::WithdrawalNotice(notice)) => {
            let range =
                |range: &pb::IndexRange| json!({ "first_index": range.first_index, "last_index": range.last_index });
            (
                "withdrawal_notice",
                json!({
                    "ranges": notice.ranges.iter().map(range).collect::<Vec<_>>(),
                    "recall_id": text(&notice.recall_id),
                    "answer_by_time": time(notice.answer_by_time.as_ref()),
                }),
            )
        }
        Some(Content::RoomOpened(opened)) => ("room_opened", json!({ "title": opened.title })),
        Some(Content::RoomClosed(pb::RoomClosed {})) => ("room_closed", json!({})),
        Some(Content::RoomReopened(pb::RoomReopened {})) => ("room_reopened", json!({})),
        Some(Content::ParticipantJoined(joined)) => ("participant_joined", who(&joined.participant)),
        Some(Content::ParticipantLeft(left)) => ("participant_left", who(&left.participant)),
        Some(Content::ParticipantRemoved(removed)) => (
            "participant_removed",
            json!({ "participant": participant(removed.participant.as_ref()), "reason": removed.reason }),
        ),
        Some(Content::ParticipantIdentified(identified)) => ("participant_identified", who(&identified.participant)),
        Some(Content::RoleChanged(changed)) => (
            "role_changed",
            json!({ "participant": participant(changed.participant.as_ref()), "role": word::<pb::Role>(changed.role) }),
        ),
        Some(Content::InvitationSent(sent)) => (
            "invitation_sent",
            json!({
                "invitation_id": sent.invitation_id,
                "organisation_id": sent.organisation_id,
                "role": word::<pb::Role>(sent.role),
            }),
        ),
        Some(Content::InvitationDeclined(declined)) => (
            "invitation_declined",
            json!({ "invitation_id": declined.invitation_id, "organisation_id": declined.organisation_id }),
        ),
        Some(Content::ConsentGiven(given)) => (
            "consent_given",
            json!({
                "participant": participant(given.participant.as_ref()),
                "change": given.change.as_ref().map(change),
            }),
        ),
        Some(Content::ConsentWithdrawn(withdrawn)) => {
            use pb::consent_withdrawn::Scope;
            let scope = match &withdrawn.scope {
                None => Value::Null,
                Some(Scope::All(_)) => json!({ "all": true }),
                Some(Scope::Material(material)) => json!({ "material": word::<pb::Material>(*material) }),
                Some(Scope::Audience(audience)) => json!({ "audience": word::<pb::Audience>(*audience) }),
                Some(Scope::Name(name)) => json!({ "name": name }),
                Some(Scope::MessageId(id)) => json!({ "message_id": id }),
            };
            (
                "consent_withdrawn",
                json!({
                    "participant": participant(withdrawn.participant.as_ref()),
                    "scope": scope,
                    "recall_id": text(&withdrawn.recall_id),
                    "answer_by_time": time(withdrawn.answer_by_time.as_ref()),
                }),
            )
        }
        Some(Content::ConsentExpired(expired)) => ("consent_expired", who(&expired.participant)),
        Some(Content::ReportFiled(filed)) => ("report_filed", who(&filed.participant)),
        Some(Content::ReportAmended(amended)) => ("report_amended", who(&amended.participant)),
        Some(Content::TermsChanged(event)) => ("terms_changed", events::terms_changed(event)),
        Some(Content::MessageRetracted(event)) => ("message_retracted", events::message_retracted(event)),
        Some(Content::MessageAcknowledged(event)) => ("message_acknowledged", events::message_acknowledged(event)),
        Some(Content::MessagesReleased(event)) => ("messages_released", events::messages_released(event)),
        Some(Content::ReleaseRevoked(event)) => ("release_revoked", events::release_revoked(event)),
        Some(Content::RecallAnswered(event)) => ("recall_answered", events::recall_answered(event)),
        Some(Content::AskSuggested(event)) => ("ask_suggested", events::ask_suggested(event)),
        Some(Content::ConsentAsked(event)) => ("consent_asked", events::consent_asked(event)),
        Some(Content::AskAnswered(event)) => ("ask_answered", events::ask_answered(event)),
        Some(Content::AskLapsed(event)) => ("ask_lapsed", events::ask_lapsed(event)),
        Some(Content::MessageRelayed(event)) => ("message_relayed", events::message_relayed(event)),
        Some(Content::RelayApproved(event)) => ("relay_approved", events::relay_approved(event)),
        Some(Content::RelayRejected(event)) => ("relay_rejected", events::relay_rejected(event)),
        Some(Content::PoliceReportMade(event)) => ("police_report_made", events::police_report_made(event)),
        Some(Content::PoliceReportDue(event)) => ("police_report_due", events::police_report_due(event)),
        Some(Content::MessagesForwarded(event)) => ("messages_forwarded", events::messages_forwarded(event)),
        Some(Content::LegalDisclosureProposed(event)) => {
            ("legal_disclosure_proposed", events::legal_disclosure_proposed(event))
        }
        Some(Content::ErasureProposed(event)) => ("erasure_proposed", events::erasure_proposed(event)),
        Some(Content::PayloadsErased(event)) => ("payloads_erased", events::payloads_erased(event)),
        Some(Content::LegalHoldPlaced(event)) => ("legal_hold_placed", events::legal_hold_placed(event)),
        Some(Content::LegalHoldLifted(event)) => ("legal_hold_lifted", events::legal_hold_lifted(event)),
        Some(Content::RetentionSet(event)) => ("retention_set", events::retention_set(event)),
        Some(Content::LegallyDisclosed(event)) => ("legally_disclosed", events::legally_disclosed(event)),
        Some(Content::IntroductionProposed(event)) => ("introduction_proposed", events::introduction_proposed(event)),
        Some(Content::IntroductionSent(event)) => ("introduction_sent", events::introduction_sent(event)),
        Some(Content::IntroductionAnswered(event)) => ("introduction_answered", events::introduction_answered(event)),
        Some(Content::Introduced(event)) => ("introduced", events::introduced(event)),
        Some(Content::ReportRead(event)) => ("report_read", events::report_read(event)),
        Some(Content::RoomSeenAs(event)) => ("room_seen_as", events::room_seen_as(event)),
        Some(Content::RoomExported(event)) => ("room_exported", events::room_exported(event)),
        Some(Content::AccessChanged(event)) => ("access_changed", events::access_changed(event)),
    };
    let mut object = Map::new();
    object.insert("index".into(), index.into());
    object.insert("kind".into(), kind.into());
    object.insert("recorded_time".into(), time(delivery.recorded_time.as_ref()));
    if let Value::Object(rest) = rest {
        object.extend(rest);
    }
    object.into()
}

pub(crate) fn message(message: &pb::Message) -> Value {
    json!({
        "message_id": message.message_id,
        "author": participant(message.author.as_ref()),
        "material": word::<pb::Material>(message.material),
        "tlp": word::<pb::Tlp>(message.tlp),
        "text": message.text,
        "in_reply_to": text(&message.in_reply_to),
        "occurred_time": time(message.occurred_time.as_ref()),
        "coordinator_only": message.coordinator_only,
        "recipients": message.recipients,
        "actor": text(&message.actor),
        "supersedes": text(&message.supersedes),
        "acknowledge_by_time": time(message.acknowledge_by_time.as_ref()),
        "relay": message.relay.as_ref().map(|relay| json!({
            "parent_message_ids": relay.parent_message_ids,
            "receivers": participants(&relay.receivers),
            "awaiting_approval": participants(&relay.awaiting_approval),
        })),
        "attachment": message.attachment.as_ref().map(|attachment| json!({
            "carrier_message_id": attachment.carrier_message_id,
            "name": attachment.name,
            "media_type": text(&attachment.media_type),
            "bytes": attachment.size_bytes,
            "sha256": hex(&attachment.sha256),
            "on_terms_of_others": attachment.on_terms_of_others,
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_object_with_the_index_first_and_words_for_enums() {
        let message = pb::Message {
            message_id: "m".into(),
            author: Some(pb::Participant {
                participant_id: "p".into(),
                role: pb::Role::AffectedOrganisation as i32,
                ..Default::default()
            }),
            material: pb::Material::Logs as i32,
            tlp: pb::Tlp::AmberStrict as i32,
            text: "one\ntwo".into(),
            ..Default::default()
        };
        let shown = delivery(
            7,
            &pb::Delivery {
                recorded_time: Some(Time { seconds: 0, nanos: 0 }),
                content: Some(pb::delivery::Content::Message(message)),
            },
        );
        let line = shown.to_string();
        assert!(line.starts_with(r#"{"index":7,"kind":"message","recorded_time":"1970-01-01T00:00:00Z","#), "{line}");
        assert_eq!(shown["tlp"], "amber+strict");
        assert_eq!(shown["author"]["role"], "affected_organisation");
        assert_eq!(shown["author"]["organisation_id"], Value::Null);
        assert_eq!(shown["text"], "one\ntwo");
    }
}
