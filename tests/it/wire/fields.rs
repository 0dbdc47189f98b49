//! Fields of the requests of consent in full that are unset, unknown, malformed, twice there or over their limit: which field is
//! told, that a write says that nothing was written, and that nothing was.

use prost::Message;
use samverkan::api as pb;
use tonic::Code;

use crate::world::{Peer, World, appearing, id, outcome, reason};

/// What is made wrong: the field that must be told, and how.
type Wrong<R> = (&'static str, fn(&mut R));

/// Sends each wrong variant of a good request. The good request itself is not sent.
async fn refused<R: Message + Clone>(peer: &Peer, method: &str, writes: bool, good: &R, wrong: &[Wrong<R>]) {
    for (n, (field, change)) in wrong.iter().enumerate() {
        let mut request = good.clone();
        change(&mut request);
        let status = peer.raw(method, &request).await.expect_err(&format!("{method}: {field}, case {n}"));
        let (why, at) = reason(&status);
        let told = (status.code(), why.as_str(), at.as_deref());
        assert_eq!(told, (Code::InvalidArgument, "FIELD_INVALID", Some(*field)), "{method}, case {n}: {status:?}");
        assert_eq!(outcome(&status).as_deref(), writes.then_some("nothing_written"), "{method}, case {n}");
    }
}

fn ids(n: usize) -> Vec<String> {
    (0..n).map(|_| id()).collect()
}

fn names(n: usize) -> Vec<String> {
    (0..n).map(|n| format!("o{n}")).collect()
}

fn over(max: usize) -> String {
    "x".repeat(max + 1)
}

const NEVER: prost_types::Timestamp = prost_types::Timestamp { seconds: 0, nanos: -1 };
const PAST: prost_types::Timestamp = prost_types::Timestamp { seconds: 1, nanos: 0 };
const FUTURE: prost_types::Timestamp = prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 };

/// A server with a room of the coordinator and one named affected organisation.
async fn world() -> (World, Peer, Peer, String) {
    let world = World::start().await;
    let (coordinator, [a]) = world.peers(["region-a"]).await;
    let room = coordinator.open().await;
    coordinator.bring(&room, &a, appearing(pb::Attribution::Named)).await;
    (world, coordinator, a, room)
}

async fn nothing_was_written(mut world: World, coordinator: &Peer, room: &str, before: u64) {
    let page = coordinator.list(room, before).await.expect("a page");
    assert!(page.deliveries.is_empty(), "{:?}", page.deliveries);
    world.stop().await;
}

async fn last_index(coordinator: &Peer, room: &str) -> u64 {
    coordinator.list(room, 0).await.expect("a page").deliveries.len() as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_messages_reports_and_terms() {
    let (world, coordinator, a, room) = world().await;
    let before = last_index(&coordinator, &room).await;
    let (request_id, room_id, message_id) = (id(), room.clone(), id());

    let good = pb::RetractMessageRequest { request_id, room_id, message_id, reason: "why".into() };
    let wrong: &[Wrong<pb::RetractMessageRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("message_id", |q| q.message_id.clear()),
        ("message_id", |q| q.message_id = "7".into()),
        ("reason", |q| q.reason.clear()),
        ("reason", |q| q.reason = over(1024)),
    ];
    refused(&a, "MessageService/RetractMessage", true, &good, wrong).await;

    let good = pb::AcknowledgeMessageRequest { request_id: id(), room_id: room.clone(), message_id: id() };
    let wrong: &[Wrong<pb::AcknowledgeMessageRequest>] = &[
        ("request_id", |q| q.request_id = id().to_uppercase()),
        ("room_id", |q| q.room_id = uuid::Uuid::nil().to_string()),
        ("message_id", |q| q.message_id.clear()),
    ];
    refused(&a, "MessageService/AcknowledgeMessage", true, &good, wrong).await;

    let (room_id, message_id) = (room.clone(), id());
    let good = pb::GetReceiptsRequest { room_id, message_id, page_size: 0, page_token: String::new() };
    let wrong: &[Wrong<pb::GetReceiptsRequest>] = &[
        ("room_id", |q| q.room_id.clear()),
        ("message_id", |q| q.message_id.clear()),
        ("page_size", |q| q.page_size = -1),
        ("page_token", |q| q.page_token = "AAAA".into()),
    ];
    refused(&a, "MessageService/GetReceipts", false, &good, wrong).await;

    let good = pb::ExplainAudienceRequest { room_id: room.clone(), message_id: id(), participant: "cert-se".into() };
    let wrong: &[Wrong<pb::ExplainAudienceRequest>] = &[
        ("room_id", |q| q.room_id.clear()),
        ("message_id", |q| q.message_id.clear()),
        ("participant", |q| q.participant.clear()),
        ("participant", |q| q.participant = "Region A".into()),
    ];
    refused(&a, "MessageService/ExplainAudience", false, &good, wrong).await;

    let draft = crate::world::logs("x");
    let good = pb::PostMessageRequest { request_id: id(), room_id: room.clone(), draft: Some(draft) };
    fn draft_of(request: &mut pb::PostMessageRequest) -> &mut pb::MessageDraft {
        request.draft.as_mut().expect("it was set")
    }
    let wrong: &[Wrong<pb::PostMessageRequest>] = &[
        ("draft.supersedes", |q| draft_of(q).supersedes = "x".into()),
        ("draft.acknowledge_by_time", |q| draft_of(q).acknowledge_by_time = Some(NEVER)),
        ("draft.acknowledge_by_time", |q| draft_of(q).acknowledge_by_time = Some(PAST)),
    ];
    refused(&a, "MessageService/PostMessage", true, &good, wrong).await;

    let good = pb::RecordPoliceReportRequest { request_id: id(), room_id: room.clone(), reference: "K 1".into() };
    let wrong: &[Wrong<pb::RecordPoliceReportRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("reference", |q| q.reference.clear()),
        ("reference", |q| q.reference = over(1024)),
    ];
    refused(&a, "IntakeService/RecordPoliceReport", true, &good, wrong).await;

    let good = pb::RecordExportRequest { request_id: id(), room_id: room.clone() };
    let wrong: &[Wrong<pb::RecordExportRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("room_id", |q| q.room_id = "x".into()),
    ];
    refused(&coordinator, "RoomService/RecordExport", true, &good, wrong).await;

    let good = pb::ChangeTermsRequest { request_id: id(), room_id: room.clone(), terms: "others".into() };
    let wrong: &[Wrong<pb::ChangeTermsRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("terms", |q| q.terms.clear()),
        ("terms", |q| q.terms = over(8 * 1024)),
        ("terms", |q| q.terms = "The coordinator sees what is posted here.".into()),
    ];
    refused(&coordinator, "RoomService/ChangeTerms", true, &good, wrong).await;
    nothing_was_written(world, &coordinator, &room, before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_releases_withdrawals_and_recalls() {
    let (world, coordinator, a, room) = world().await;
    let before = last_index(&coordinator, &room).await;
    let room_id = || room.clone();

    let recipients = vec!["region-b".to_owned()];
    let good = pb::ReleaseMessagesRequest { request_id: id(), room_id: room_id(), message_ids: ids(1), recipients };
    let wrong: &[Wrong<pb::ReleaseMessagesRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("message_ids", |q| q.message_ids.clear()),
        ("message_ids", |q| q.message_ids = ids(257)),
        ("message_ids", |q| q.message_ids.push("x".into())),
        ("message_ids", |q| q.message_ids = vec![q.message_ids[0].clone(); 2]),
        ("recipients", |q| q.recipients.clear()),
        ("recipients", |q| q.recipients = names(257)),
        ("recipients", |q| q.recipients = vec!["x".into(); 2]),
        ("recipients", |q| q.recipients = vec!["Ö".into()]),
    ];
    refused(&a, "ConsentService/ReleaseMessages", true, &good, wrong).await;

    let good = pb::RevokeReleaseRequest { request_id: id(), room_id: room_id(), release_id: id() };
    let wrong: &[Wrong<pb::RevokeReleaseRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("release_id", |q| q.release_id = "x".into()),
    ];
    refused(&a, "ConsentService/RevokeRelease", true, &good, wrong).await;

    use pb::withdraw_consent_request::Scope;
    let good = pb::WithdrawConsentRequest {
        request_id: id(),
        room_id: room_id(),
        scope: Some(Scope::All(true)),
        recall_answer_by_time: Some(FUTURE),
    };
    let wrong: &[Wrong<pb::WithdrawConsentRequest>] = &[
        ("scope", |q| q.scope = None),
        ("message_id", |q| q.scope = Some(Scope::MessageId(String::new()))),
        ("recall_answer_by_time", |q| q.recall_answer_by_time = Some(NEVER)),
        ("recall_answer_by_time", |q| q.recall_answer_by_time = Some(PAST)),
    ];
    refused(&a, "ConsentService/WithdrawConsent", true, &good, wrong).await;

    let good = pb::AnswerRecallRequest {
        request_id: id(),
        room_id: room_id(),
        recall_id: id(),
        answer: pb::RecallAnswer::RetainedByLaw.into(),
        comment: "arkivlagen".into(),
    };
    let wrong: &[Wrong<pb::AnswerRecallRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("recall_id", |q| q.recall_id.clear()),
        ("answer", |q| q.answer = 0),
        ("answer", |q| q.answer = 5),
        ("comment", |q| q.comment.clear()),
        ("comment", |q| q.comment = over(1024)),
        ("comment", |q| (q.answer, q.comment) = (pb::RecallAnswer::Deleted.into(), over(1024))),
    ];
    refused(&a, "ConsentService/AnswerRecall", true, &good, wrong).await;
    nothing_was_written(world, &coordinator, &room, before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_questions_for_consent() {
    use pb::ask_for_consent_request::{Subject, To};
    let (world, coordinator, a, room) = world().await;
    let before = last_index(&coordinator, &room).await;

    let good = pb::AskForConsentRequest {
        request_id: id(),
        room_id: room.clone(),
        source: "region-a".into(),
        subject: Some(Subject::Material(pb::Material::Logs.into())),
        to: Some(To::Audience(pb::Audience::ThirdParties.into())),
        reason: "why".into(),
        answer_by_time: Some(FUTURE),
    };
    fn messages(message_ids: Vec<String>) -> Option<Subject> {
        Some(Subject::Messages(pb::MessageIds { message_ids }))
    }
    fn participants(names: Vec<String>) -> Option<To> {
        Some(To::Participants(pb::ParticipantNames { names }))
    }
    let wrong: &[Wrong<pb::AskForConsentRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("source", |q| q.source.clear()),
        ("subject", |q| q.subject = None),
        ("messages.message_ids", |q| q.subject = messages(vec![])),
        ("messages.message_ids", |q| q.subject = messages(ids(257))),
        ("messages.message_ids", |q| q.subject = messages(vec!["x".into()])),
        ("material", |q| q.subject = Some(Subject::Material(0))),
        ("material", |q| q.subject = Some(Subject::Material(9))),
        ("to", |q| q.to = None),
        ("participants.names", |q| q.to = participants(vec![])),
        ("participants.names", |q| q.to = participants(names(257))),
        ("participants.names", |q| q.to = participants(vec!["x".into(); 2])),
        ("participants.names", |q| q.to = participants(vec!["region-a".into()])),
        ("audience", |q| q.to = Some(To::Audience(0))),
        ("audience", |q| q.to = Some(To::Audience(3))),
        ("reason", |q| q.reason.clear()),
        ("reason", |q| q.reason = over(1024)),
        ("answer_by_time", |q| q.answer_by_time = None),
        ("answer_by_time", |q| q.answer_by_time = Some(NEVER)),
        ("answer_by_time", |q| q.answer_by_time = Some(PAST)),
    ];
    refused(&coordinator, "ConsentService/AskForConsent", true, &good, wrong).await;

    let good = pb::AnswerAskRequest {
        request_id: id(),
        room_id: room.clone(),
        ask_id: id(),
        answer: pb::AskAnswer::No.into(),
        comment: String::new(),
    };
    let wrong: &[Wrong<pb::AnswerAskRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("ask_id", |q| q.ask_id.clear()),
        ("answer", |q| q.answer = 0),
        ("answer", |q| q.answer = 4),
        ("comment", |q| q.comment = over(1024)),
    ];
    refused(&a, "ConsentService/AnswerAsk", true, &good, wrong).await;

    let good = pb::SuggestAskRequest {
        request_id: id(),
        room_id: room.clone(),
        source: String::new(),
        material: pb::Material::Logs.into(),
        reason: "why".into(),
    };
    let wrong: &[Wrong<pb::SuggestAskRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("source", |q| q.source = "Ö".into()),
        ("source", |q| q.source = "region-a".into()),
        ("source", |q| q.source = "cert-se".into()),
        ("material", |q| q.material = 0),
        ("material", |q| q.material = 4),
        ("reason", |q| q.reason.clear()),
        ("reason", |q| q.reason = over(1024)),
    ];
    refused(&a, "ConsentService/SuggestAsk", true, &good, wrong).await;
    nothing_was_written(world, &coordinator, &room, before).await;
}

fn relay_draft() -> pb::RelayDraft {
    pb::RelayDraft {
        parent_message_ids: ids(1),
        material: pb::Material::Information.into(),
        tlp: pb::Tlp::Amber.into(),
        text: "somebody saw something".into(),
        ..pb::RelayDraft::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_relays() {
    let (world, coordinator, a, room) = world().await;
    let before = last_index(&coordinator, &room).await;

    fn draft(request: &mut pb::PublishRelayRequest) -> &mut pb::RelayDraft {
        request.draft.as_mut().expect("it was set")
    }
    let good = pb::PublishRelayRequest { request_id: id(), room_id: room.clone(), draft: Some(relay_draft()) };
    let wrong: &[Wrong<pb::PublishRelayRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("draft", |q| q.draft = None),
        ("draft.parent_message_ids", |q| draft(q).parent_message_ids.clear()),
        ("draft.parent_message_ids", |q| draft(q).parent_message_ids = ids(65)),
        ("draft.parent_message_ids", |q| draft(q).parent_message_ids = vec!["x".into()]),
        ("draft.material", |q| draft(q).material = 0),
        ("draft.material", |q| draft(q).material = 4),
        ("draft.tlp", |q| draft(q).tlp = 0),
        ("draft.tlp", |q| draft(q).tlp = 6),
        ("draft.tlp", |q| draft(q).tlp = pb::Tlp::Red.into()),
        ("draft.text", |q| draft(q).text.clear()),
        ("draft.text", |q| draft(q).text = over(64 * 1024)),
        ("draft.recipients", |q| draft(q).recipients = names(257)),
        ("draft.recipients", |q| draft(q).recipients = vec!["x".into(); 2]),
        ("draft.supersedes", |q| draft(q).supersedes = "x".into()),
        ("draft.acknowledge_by_time", |q| draft(q).acknowledge_by_time = Some(NEVER)),
        ("draft.acknowledge_by_time", |q| draft(q).acknowledge_by_time = Some(PAST)),
    ];
    refused(&coordinator, "RelayService/PublishRelay", true, &good, wrong).await;

    let good = pb::PreviewRelayRequest { room_id: room.clone(), draft: Some(relay_draft()) };
    let wrong: &[Wrong<pb::PreviewRelayRequest>] = &[("room_id", |q| q.room_id.clear()), ("draft", |q| q.draft = None)];
    refused(&coordinator, "RelayService/PreviewRelay", false, &good, wrong).await;

    let good = pb::ApproveRelayRequest {
        request_id: id(),
        room_id: room.clone(),
        message_id: id(),
        text_sha256: vec![1; 32].into(),
        recipients: Vec::new(),
    };
    let wrong: &[Wrong<pb::ApproveRelayRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("message_id", |q| q.message_id.clear()),
        ("text_sha256", |q| q.text_sha256.clear()),
        ("text_sha256", |q| q.text_sha256 = vec![1; 33].into()),
        ("recipients", |q| q.recipients = names(257)),
        ("recipients", |q| q.recipients = vec!["x".into(); 2]),
    ];
    refused(&a, "RelayService/ApproveRelay", true, &good, wrong).await;

    let (request_id, room_id) = (id(), room.clone());
    let good = pb::RejectRelayRequest { request_id, room_id, message_id: id(), reason: "no".into() };
    let wrong: &[Wrong<pb::RejectRelayRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("message_id", |q| q.message_id.clear()),
        ("reason", |q| q.reason.clear()),
        ("reason", |q| q.reason = over(1024)),
    ];
    refused(&a, "RelayService/RejectRelay", true, &good, wrong).await;
    nothing_was_written(world, &coordinator, &room, before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_coordinators_own_acts() {
    let (world, coordinator, _, room) = world().await;
    let before = last_index(&coordinator, &room).await;

    let (room_id, participant) = (room.clone(), "region-a".to_owned());
    let good = pb::SeeAsRequest { room_id, participant, page_size: 0, page_token: String::new() };
    let wrong: &[Wrong<pb::SeeAsRequest>] = &[
        ("room_id", |q| q.room_id.clear()),
        ("participant", |q| q.participant.clear()),
        ("page_size", |q| q.page_size = -1),
        ("page_token", |q| q.page_token = "AAAA".into()),
    ];
    refused(&coordinator, "CoordinationService/SeeAs", false, &good, wrong).await;

    let good = pb::ForwardMessagesRequest {
        request_id: id(),
        room_id: room.clone(),
        message_ids: ids(1),
        authority: "police".into(),
        reason: "why".into(),
    };
    let wrong: &[Wrong<pb::ForwardMessagesRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("message_ids", |q| q.message_ids.clear()),
        ("message_ids", |q| q.message_ids = ids(257)),
        ("authority", |q| q.authority.clear()),
        ("reason", |q| q.reason.clear()),
        ("reason", |q| q.reason = over(1024)),
    ];
    refused(&coordinator, "CoordinationService/ForwardMessages", true, &good, wrong).await;

    let good = pb::ProposeLegalDisclosureRequest {
        request_id: id(),
        room_id: room.clone(),
        statute: "27 kap. 2 § rättegångsbalken".into(),
        message_ids: ids(1),
        receiver: "police".into(),
        suppress_until_time: None,
    };
    let wrong: &[Wrong<pb::ProposeLegalDisclosureRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("statute", |q| q.statute.clear()),
        ("statute", |q| q.statute = over(1024)),
        ("message_ids", |q| q.message_ids.clear()),
        ("message_ids", |q| q.message_ids = ids(257)),
        ("receiver", |q| q.receiver.clear()),
        ("suppress_until_time", |q| q.suppress_until_time = Some(NEVER)),
    ];
    refused(&coordinator, "CoordinationService/ProposeLegalDisclosure", true, &good, wrong).await;

    let good = pb::ConfirmLegalDisclosureRequest { request_id: id(), room_id: room.clone(), disclosure_id: id() };
    let wrong: &[Wrong<pb::ConfirmLegalDisclosureRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("disclosure_id", |q| q.disclosure_id.clear()),
    ];
    refused(&coordinator, "CoordinationService/ConfirmLegalDisclosure", true, &good, wrong).await;

    let (request_id, room_id, other_room_id) = (id(), room.clone(), id());
    let good = pb::RecordConnectionRequest { request_id, room_id, other_room_id, reason: "why".into() };
    let wrong: &[Wrong<pb::RecordConnectionRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("other_room_id", |q| q.other_room_id.clear()),
        ("other_room_id", |q| q.other_room_id = q.room_id.clone()),
        ("reason", |q| q.reason.clear()),
        ("reason", |q| q.reason = over(1024)),
    ];
    refused(&coordinator, "CoordinationService/RecordConnection", true, &good, wrong).await;

    let good = pb::ListConnectionsRequest { room_id: room.clone(), page_size: 0, page_token: String::new() };
    let wrong: &[Wrong<pb::ListConnectionsRequest>] = &[
        ("room_id", |q| q.room_id.clear()),
        ("page_size", |q| q.page_size = -1),
        ("page_token", |q| q.page_token = "AAAA".into()),
    ];
    refused(&coordinator, "CoordinationService/ListConnections", false, &good, wrong).await;
    let listed: pb::ListConnectionsResponse =
        coordinator.call("CoordinationService/ListConnections", &good).await.expect("a page");
    assert!(listed.connections.is_empty());
    nothing_was_written(world, &coordinator, &room, before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_accesses() {
    let (world, coordinator, _, room) = world().await;
    let before = last_index(&coordinator, &room).await;
    let (request_id, actor, reason) = (id(), "org/region-a/user/bo".to_owned(), "left".to_owned());
    let certificate_sha256 = "0f".repeat(32);
    let good =
        pb::RevokeCertificateRequest { request_id, certificate_sha256, actor: actor.clone(), reason: reason.clone() };
    let wrong: &[Wrong<pb::RevokeCertificateRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("certificate_sha256", |q| q.certificate_sha256.clear()),
        ("certificate_sha256", |q| q.certificate_sha256.make_ascii_uppercase()),
        ("certificate_sha256", |q| q.certificate_sha256.push_str("00")),
        ("actor", |q| q.actor = "region-a".into()),
        ("reason", |q| q.reason.clear()),
        ("reason", |q| q.reason = over(1024)),
    ];
    refused(&coordinator, "AccessService/RevokeCertificate", true, &good, wrong).await;

    let good = pb::RevokeActorRequest { request_id: id(), actor: actor.clone(), reason: reason.clone() };
    let wrong: &[Wrong<pb::RevokeActorRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("actor", |q| q.actor.clear()),
        ("actor", |q| q.actor = "region-a/user/bo".into()),
        ("reason", |q| q.reason.clear()),
        ("reason", |q| q.reason = over(1024)),
    ];
    refused(&coordinator, "AccessService/RevokeActor", true, &good, wrong).await;

    let good = pb::ReinstateActorRequest { request_id: id(), actor, reason };
    let wrong: &[Wrong<pb::ReinstateActorRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("actor", |q| q.actor.clear()),
        ("reason", |q| q.reason.clear()),
        ("reason", |q| q.reason = over(1024)),
    ];
    refused(&coordinator, "AccessService/ReinstateActor", true, &good, wrong).await;

    let good = pb::ListRevocationsRequest::default();
    let wrong: &[Wrong<pb::ListRevocationsRequest>] =
        &[("page_size", |q| q.page_size = -1), ("page_token", |q| q.page_token = "AAAA".into())];
    refused(&coordinator, "AccessService/ListRevocations", false, &good, wrong).await;
    let good = pb::ListLiveConnectionsRequest::default();
    let wrong: &[Wrong<pb::ListLiveConnectionsRequest>] =
        &[("page_size", |q| q.page_size = -1), ("page_token", |q| q.page_token = "AAAA".into())];
    refused(&coordinator, "AccessService/ListLiveConnections", false, &good, wrong).await;
    nothing_was_written(world, &coordinator, &room, before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_introductions() {
    use pb::answer_introduction_request::Answer;
    let (world, coordinator, a, room) = world().await;
    let before = last_index(&coordinator, &room).await;
    fn side(participant: &str, text: &str) -> pb::IntroductionSide {
        pb::IntroductionSide { participant: participant.into(), text: text.into() }
    }
    let sides = vec![side("region-a", "one like you"), side("region-b", "one like you")];
    let good = pb::ProposeIntroductionRequest { request_id: id(), room_id: room.clone(), sides };
    let wrong: &[Wrong<pb::ProposeIntroductionRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("sides", |q| q.sides.clear()),
        ("sides", |q| q.sides.truncate(1)),
        ("sides", |q| q.sides.push(side("region-c", "x"))),
        ("sides", |q| q.sides[0].text.clear()),
        ("sides", |q| q.sides[1].text = over(1024)),
        ("sides", |q| q.sides[1].participant.clear()),
        ("sides", |q| q.sides = vec![side("region-a", "x"), side("region-a", "x")]),
        ("sides", |q| q.sides = vec![side("region-a", "x"), side("cert-se", "x")]),
    ];
    refused(&coordinator, "CoordinationService/ProposeIntroduction", true, &good, wrong).await;

    let accepted = |contact: String| Some(Answer::Accepted(pb::IntroductionAccepted { contact }));
    let (request_id, room_id) = (id(), room.clone());
    let answer = accepted("08-1".into());
    let good = pb::AnswerIntroductionRequest { request_id, room_id, introduction_id: id(), answer };
    let wrong: &[Wrong<pb::AnswerIntroductionRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("introduction_id", |q| q.introduction_id.clear()),
        ("answer", |q| q.answer = None),
        ("accepted.contact", |q| q.answer = Some(Answer::Accepted(pb::IntroductionAccepted::default()))),
        ("accepted.contact", |q| {
            q.answer = Some(Answer::Accepted(pb::IntroductionAccepted { contact: over(1024) }));
        }),
    ];
    refused(&a, "CoordinationService/AnswerIntroduction", true, &good, wrong).await;
    nothing_was_written(world, &coordinator, &room, before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_fields_of_erasures_holds_and_policies_are_told_and_nothing_is_written() {
    use pb::propose_erasure_request::Scope;
    let (world, coordinator, _, room) = world().await;
    let before = last_index(&coordinator, &room).await;
    let good = pb::ProposeErasureRequest {
        request_id: id(),
        room_id: room.clone(),
        scope: Some(Scope::Room(pb::WholeRoom {})),
        basis: "GDPR article 17".into(),
    };
    let wrong: &[Wrong<pb::ProposeErasureRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id = "room".into()),
        ("scope", |q| q.scope = None),
        ("message_id", |q| q.scope = Some(Scope::MessageId("12".into()))),
        ("participant", |q| q.scope = Some(Scope::Participant(String::new()))),
        ("basis", |q| q.basis.clear()),
        ("basis", |q| q.basis = over(1024)),
    ];
    refused(&coordinator, "ErasureService/ProposeErasure", true, &good, wrong).await;
    let good = pb::ConfirmErasureRequest { request_id: id(), room_id: room.clone(), erasure_id: id() };
    let wrong: &[Wrong<pb::ConfirmErasureRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("erasure_id", |q| q.erasure_id = "31".into()),
    ];
    refused(&coordinator, "ErasureService/ConfirmErasure", true, &good, wrong).await;
    let good = pb::ListErasuresRequest { room_id: room.clone(), page_size: 1, page_token: String::new() };
    let wrong: &[Wrong<pb::ListErasuresRequest>] = &[
        ("room_id", |q| q.room_id.clear()),
        ("page_size", |q| q.page_size = -1),
        ("page_token", |q| q.page_token = "x".into()),
    ];
    refused(&coordinator, "ErasureService/ListErasures", false, &good, wrong).await;
    let good = pb::PlaceLegalHoldRequest { request_id: id(), room_id: room.clone(), reason: "why".into() };
    let wrong: &[Wrong<pb::PlaceLegalHoldRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("reason", |q| q.reason.clear()),
        ("reason", |q| q.reason = over(1024)),
    ];
    refused(&coordinator, "ErasureService/PlaceLegalHold", true, &good, wrong).await;
    let good = pb::LiftLegalHoldRequest { request_id: id(), room_id: room.clone(), reason: "why".into() };
    let wrong: &[Wrong<pb::LiftLegalHoldRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("reason", |q| q.reason.clear()),
    ];
    refused(&coordinator, "ErasureService/LiftLegalHold", true, &good, wrong).await;
    let good = pb::SetRetentionRequest { request_id: id(), room_id: room.clone(), years: None };
    let wrong: &[Wrong<pb::SetRetentionRequest>] = &[
        ("request_id", |q| q.request_id.clear()),
        ("room_id", |q| q.room_id.clear()),
        ("years", |q| q.years = Some(0)),
        ("years", |q| q.years = Some(101)),
        ("years", |q| q.years = Some(u32::MAX)),
    ];
    refused(&coordinator, "ErasureService/SetRetention", true, &good, wrong).await;
    let good = pb::ListRetentionRequest { page_size: 1, page_token: String::new() };
    let wrong: &[Wrong<pb::ListRetentionRequest>] =
        &[("page_size", |q| q.page_size = -1), ("page_token", |q| q.page_token = "x".into())];
    refused(&coordinator, "ErasureService/ListRetention", false, &good, wrong).await;
    nothing_was_written(world, &coordinator, &room, before).await;
}
