//! What do programs get of releases, relays, questions, recalls, disclosures and introductions? What the API says, in the keys of the
//! API. Tested in `deliveries/tests.rs`, with every kind.

use serde_json::{Value, json};

use super::{participant, participants, text, time, word};
use crate::client::pb;

fn who(one: &Option<pb::Participant>) -> Value {
    participant(one.as_ref())
}

pub(super) fn terms_changed(event: &pb::TermsChanged) -> Value {
    json!({ "terms": event.terms })
}

pub(super) fn message_retracted(event: &pb::MessageRetracted) -> Value {
    json!({ "participant": who(&event.participant), "message_id": event.message_id, "reason": event.reason })
}

pub(super) fn message_acknowledged(event: &pb::MessageAcknowledged) -> Value {
    json!({ "participant": who(&event.participant), "message_id": event.message_id })
}

pub(super) fn messages_released(event: &pb::MessagesReleased) -> Value {
    json!({
        "release_id": event.release_id,
        "participant": who(&event.participant),
        "message_ids": event.message_ids,
        "receivers": participants(&event.receivers),
    })
}

pub(super) fn release_revoked(event: &pb::ReleaseRevoked) -> Value {
    json!({ "release_id": event.release_id, "participant": who(&event.participant) })
}

pub(super) fn recall_answered(event: &pb::RecallAnswered) -> Value {
    json!({
        "recall_id": event.recall_id,
        "participant": who(&event.participant),
        "answer": word::<pb::RecallAnswer>(event.answer),
        "comment": text(&event.comment),
    })
}

pub(super) fn ask_suggested(event: &pb::AskSuggested) -> Value {
    json!({
        "participant": who(&event.participant),
        "source": who(&event.source),
        "material": word::<pb::Material>(event.material),
        "reason": event.reason,
    })
}

pub(super) fn consent_asked(event: &pb::ConsentAsked) -> Value {
    use pb::consent_asked::{Subject, To};
    let subject = match &event.subject {
        None => Value::Null,
        Some(Subject::Messages(messages)) => json!({ "message_ids": messages.message_ids }),
        Some(Subject::Material(material)) => json!({ "material": word::<pb::Material>(*material) }),
    };
    let to = match &event.to {
        None => Value::Null,
        Some(To::Participants(all)) => json!({ "participants": participants(&all.participants) }),
        Some(To::Audience(audience)) => json!({ "audience": word::<pb::Audience>(*audience) }),
    };
    json!({
        "ask_id": event.ask_id,
        "participant": who(&event.participant),
        "subject": subject,
        "to": to,
        "reason": event.reason,
        "answer_by_time": time(event.answer_by_time.as_ref()),
    })
}

pub(super) fn ask_answered(event: &pb::AskAnswered) -> Value {
    json!({
        "ask_id": event.ask_id,
        "participant": who(&event.participant),
        "answer": word::<pb::AskAnswer>(event.answer),
        "comment": text(&event.comment),
    })
}

pub(super) fn ask_lapsed(event: &pb::AskLapsed) -> Value {
    json!({ "ask_id": event.ask_id, "participant": who(&event.participant) })
}

pub(super) fn message_relayed(event: &pb::MessageRelayed) -> Value {
    json!({
        "message_id": event.message_id,
        "parent_message_ids": event.parent_message_ids,
        "receivers": participants(&event.receivers),
    })
}

pub(super) fn relay_approved(event: &pb::RelayApproved) -> Value {
    json!({
        "message_id": event.message_id,
        "participant": who(&event.participant),
        "receivers": participants(&event.receivers),
    })
}

pub(super) fn relay_rejected(event: &pb::RelayRejected) -> Value {
    json!({ "message_id": event.message_id, "participant": who(&event.participant), "reason": event.reason })
}

pub(super) fn police_report_made(event: &pb::PoliceReportMade) -> Value {
    json!({ "participant": who(&event.participant), "reference": event.reference })
}

pub(super) fn police_report_due(event: &pb::PoliceReportDue) -> Value {
    json!({ "participant": who(&event.participant) })
}

pub(super) fn messages_forwarded(event: &pb::MessagesForwarded) -> Value {
    json!({
        "participant": who(&event.participant),
        "message_ids": event.message_ids,
        "receiver": who(&event.receiver),
        "reason": event.reason,
    })
}

pub(super) fn legal_disclosure_proposed(event: &pb::LegalDisclosureProposed) -> Value {
    json!({
        "disclosure_id": event.disclosure_id,
        "statute": event.statute,
        "message_ids": event.message_ids,
        "receiver": who(&event.receiver),
        "suppress_until_time": time(event.suppress_until_time.as_ref()),
        "actor": event.actor,
    })
}

pub(super) fn erasure_proposed(event: &pb::ErasureProposed) -> Value {
    use pb::erasure_proposed::Scope;
    let scope = match &event.scope {
        None => Value::Null,
        Some(Scope::MessageId(message)) => json!({ "message_id": message }),
        Some(Scope::Participant(of)) => json!({ "participant": participant(Some(of)) }),
        Some(Scope::Room(_)) => json!({ "room": true }),
    };
    json!({ "erasure_id": event.erasure_id, "scope": scope, "basis": event.basis, "actor": event.actor })
}

pub(super) fn payloads_erased(event: &pb::PayloadsErased) -> Value {
    use pb::payloads_erased::Scope;
    let scope = match &event.scope {
        None => Value::Null,
        Some(Scope::MessageId(message)) => json!({ "message_id": message }),
        Some(Scope::Participant(of)) => json!({ "participant": participant(Some(of)) }),
        Some(Scope::Room(_)) => json!({ "room": true }),
    };
    json!({ "erasure_id": event.erasure_id, "scope": scope, "basis": event.basis, "actors": event.actors })
}

pub(super) fn legal_hold_placed(event: &pb::LegalHoldPlaced) -> Value {
    json!({ "reason": event.reason, "actor": event.actor })
}

pub(super) fn legal_hold_lifted(event: &pb::LegalHoldLifted) -> Value {
    json!({ "reason": event.reason, "actor": event.actor })
}

pub(super) fn retention_set(event: &pb::RetentionSet) -> Value {
    json!({ "years": event.years, "actor": event.actor })
}

pub(super) fn legally_disclosed(event: &pb::LegallyDisclosed) -> Value {
    json!({
        "disclosure_id": event.disclosure_id,
        "participant": who(&event.participant),
        "statute": event.statute,
        "message_ids": event.message_ids,
        "receiver": who(&event.receiver),
        "suppress_until_time": time(event.suppress_until_time.as_ref()),
        "actors": event.actors,
    })
}

pub(super) fn introduction_proposed(event: &pb::IntroductionProposed) -> Value {
    json!({ "introduction_id": event.introduction_id, "text": event.text })
}

pub(super) fn introduction_sent(event: &pb::IntroductionSent) -> Value {
    let side = |side: &pb::introduction_sent::Side| {
        json!({
            "introduction_id": side.introduction_id,
            "participant": who(&side.participant),
            "text": side.text,
        })
    };
    json!({ "sides": event.sides.iter().map(side).collect::<Vec<_>>() })
}

pub(super) fn introduction_answered(event: &pb::IntroductionAnswered) -> Value {
    json!({
        "introduction_id": event.introduction_id,
        "participant": who(&event.participant),
        "accepted": event.accepted,
        "contact": text(&event.contact),
    })
}

pub(super) fn introduced(event: &pb::Introduced) -> Value {
    let side = |side: &pb::introduced::Side| {
        json!({
            "introduction_id": side.introduction_id,
            "organisation_id": side.organisation_id,
            "display_name": side.display_name,
            "contact": side.contact,
        })
    };
    json!({ "sides": event.sides.iter().map(side).collect::<Vec<_>>() })
}

pub(super) fn report_read(event: &pb::ReportRead) -> Value {
    json!({ "participant": who(&event.participant), "actor": event.actor })
}

pub(super) fn room_seen_as(event: &pb::RoomSeenAs) -> Value {
    json!({ "participant": who(&event.participant), "actor": event.actor })
}

pub(super) fn room_exported(event: &pb::RoomExported) -> Value {
    json!({ "participant": who(&event.participant), "export_id": event.export_id, "actor": event.actor })
}

pub(super) fn access_changed(event: &pb::AccessChanged) -> Value {
    json!({
        "participant": who(&event.participant),
        "change": word::<pb::AccessChange>(event.change),
        "actor": event.actor,
        "certificate_sha256": text(&event.certificate_sha256),
        "changed_by": event.changed_by,
    })
}
