//! What consent in full refuses over the wire: the reason, that nothing is stored, and that nothing is learnt about what the caller may
//! not see (unknown, foreign and withheld things get the same bytes).

use std::cell::Cell;

use prost::Message;
use samverkan::api as pb;
use sha2::{Digest as _, Sha256};
use tonic::{Code, Status};

use crate::world::{Peer, World, appearing, id, logs, outcome, reason, sharing_logs};

const HOUR: i64 = 3_600_000_000;

type Told<'a> = (Code, &'a str, &'a [u8]);

fn bytes(status: &Status) -> Told<'_> {
    (status.code(), status.message(), status.details())
}

/// A write that must be refused like this.
async fn refused(peer: &Peer, method: &str, request: &impl Message, code: Code, why: &str) -> Status {
    let status = peer.raw(method, request).await.expect_err(&format!("{method}: {why}"));
    assert_eq!((status.code(), reason(&status).0.as_str()), (code, why), "{method}: {status:?}");
    assert_eq!(outcome(&status).as_deref(), Some("nothing_written"), "{method}: {why}");
    status
}

/// A room of cert-se, region-a, region-b and region-c, all named and sharing logs, and what the coordinator was shown of its making.
struct Room {
    world: World,
    coordinator: Peer,
    peers: [Peer; 3],
    id: String,
    before: Cell<u64>,
}

impl Room {
    async fn open() -> Self {
        let world = World::start().await;
        let (coordinator, peers) = world.peers(["region-a", "region-b", "region-c"]).await;
        let id = coordinator.open().await;
        for peer in &peers {
            coordinator.bring(&id, peer, sharing_logs(pb::Attribution::Named)).await;
        }
        let room = Self { world, coordinator, peers, id, before: Cell::default() };
        room.settle().await;
        room
    }

    /// What there is by now is as it should be.
    async fn settle(&self) {
        let page = self.coordinator.list(&self.id, self.before.get()).await.expect("a page");
        self.before.set(self.before.get() + page.deliveries.len() as u64);
    }

    /// Nothing has come since.
    async fn nothing_new(&self) {
        let page = self.coordinator.list(&self.id, self.before.get()).await.expect("a page");
        assert!(page.deliveries.is_empty(), "{:?}", page.deliveries);
    }

    async fn post(&self, peer: &Peer, draft: pb::MessageDraft) -> String {
        peer.post(&self.id, draft).await.expect("it is posted").message_id
    }

    fn release(&self, message: &str, to: &str) -> pb::ReleaseMessagesRequest {
        pb::ReleaseMessagesRequest {
            request_id: id(),
            room_id: self.id.clone(),
            message_ids: vec![message.to_owned()],
            recipients: vec![to.to_owned()],
        }
    }

    fn relay(&self, parent: &str, to: &[&str]) -> pb::PublishRelayRequest {
        let draft = pb::RelayDraft {
            parent_message_ids: vec![parent.to_owned()],
            material: pb::Material::Information.into(),
            tlp: pb::Tlp::Amber.into(),
            text: "somebody saw something".into(),
            recipients: to.iter().map(ToString::to_string).collect(),
            ..pb::RelayDraft::default()
        };
        pb::PublishRelayRequest { request_id: id(), room_id: self.id.clone(), draft: Some(draft) }
    }

    fn ask(&self, of: &str, answer_by: i64) -> pb::AskForConsentRequest {
        use pb::ask_for_consent_request::{Subject, To};
        pb::AskForConsentRequest {
            request_id: id(),
            room_id: self.id.clone(),
            source: of.to_owned(),
            subject: Some(Subject::Material(pb::Material::Data.into())),
            to: Some(To::Audience(pb::Audience::OtherAffectedOrganisations.into())),
            reason: "to find the way in".into(),
            answer_by_time: Some(time(answer_by)),
        }
    }

    fn answer(&self, ask: &str) -> pb::AnswerAskRequest {
        pb::AnswerAskRequest {
            request_id: id(),
            room_id: self.id.clone(),
            ask_id: ask.to_owned(),
            answer: pb::AskAnswer::Yes.into(),
            comment: String::new(),
        }
    }

    fn withdrawal(&self, message: &str) -> pb::WithdrawConsentRequest {
        pb::WithdrawConsentRequest {
            request_id: id(),
            room_id: self.id.clone(),
            scope: Some(pb::withdraw_consent_request::Scope::MessageId(message.to_owned())),
            recall_answer_by_time: Some(time(self.world.now() + HOUR)),
        }
    }

    fn recalled(&self, recall: &str) -> pb::AnswerRecallRequest {
        pb::AnswerRecallRequest {
            request_id: id(),
            room_id: self.id.clone(),
            recall_id: recall.to_owned(),
            answer: pb::RecallAnswer::Deleted.into(),
            comment: String::new(),
        }
    }

    fn duty(&self, message: &str, to: &str) -> pb::ProposeLegalDisclosureRequest {
        pb::ProposeLegalDisclosureRequest {
            request_id: id(),
            room_id: self.id.clone(),
            statute: "27 kap. 2 § rättegångsbalken".into(),
            message_ids: vec![message.to_owned()],
            receiver: to.to_owned(),
            suppress_until_time: None,
        }
    }

    fn confirmation(&self, disclosure: &str) -> pb::ConfirmLegalDisclosureRequest {
        pb::ConfirmLegalDisclosureRequest {
            request_id: id(),
            room_id: self.id.clone(),
            disclosure_id: disclosure.to_owned(),
        }
    }

    fn message(&self, message: &str) -> pb::RetractMessageRequest {
        let (room_id, message_id) = (self.id.clone(), message.to_owned());
        pb::RetractMessageRequest { request_id: id(), room_id, message_id, reason: "wrong file".into() }
    }

    /// Another room of the same, with a message of region-a in it.
    async fn other(&self) -> (String, String) {
        let room = self.coordinator.open().await;
        for peer in &self.peers {
            self.coordinator.bring(&room, peer, sharing_logs(pb::Attribution::Named)).await;
        }
        let posted = self.peers[0].post(&room, logs("of another room")).await.expect("it is posted");
        (room, posted.message_id)
    }
}

fn time(microseconds: i64) -> prost_types::Timestamp {
    let nanos = i32::try_from(microseconds % 1_000_000 * 1_000).expect("less than a second");
    prost_types::Timestamp { seconds: microseconds / 1_000_000, nanos }
}

fn red(to: &str) -> pb::MessageDraft {
    pb::MessageDraft { tlp: pb::Tlp::Red.into(), red_actors: vec![to.to_owned()], ..logs("for one person") }
}

const INVALID: Code = Code::InvalidArgument;
const STATE: Code = Code::FailedPrecondition;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_ones_own_messages_that_stand_and_are_not_red_can_be_released() {
    let mut room = Room::open().await;
    let [a, b, _] = &room.peers;
    let (own, foreign) = (room.post(a, logs("04:10")).await, room.post(b, logs("04:11")).await);
    let (confidential, void) = (room.post(a, red("org/region-b/user/duty")).await, room.post(a, logs("x")).await);
    a.raw("MessageService/RetractMessage", &room.message(&void)).await.expect("it is retracted");
    let narrowed = pb::MessageDraft { coordinator_only: true, ..logs("for the coordinator") };
    let withheld = room.post(b, narrowed).await;
    let (_, elsewhere) = room.other().await;
    let method = "ConsentService/ReleaseMessages";
    let a = a.clone();
    let service = room.world.peer("region-a/service/siem").await;
    room.settle().await;

    let unknown = refused(&a, method, &room.release(&id(), "region-c"), STATE, "MESSAGE_NOT_VISIBLE").await;
    for message in [&foreign, &withheld, &elsewhere] {
        let status = refused(&a, method, &room.release(message, "region-c"), STATE, "MESSAGE_NOT_VISIBLE").await;
        assert_eq!(bytes(&status), bytes(&unknown));
    }
    let status = refused(&a, method, &room.release(&confidential, "region-c"), INVALID, "FIELD_INVALID").await;
    assert_eq!(reason(&status).1.as_deref(), Some("message_ids"));
    refused(&a, method, &room.release(&void, "region-c"), STATE, "MESSAGE_WITHDRAWN").await;
    refused(&a, method, &room.release(&own, "nobody"), STATE, "RECIPIENT_NOT_VISIBLE").await;
    for own_or_coordinator in ["region-a", "cert-se"] {
        let status = refused(&a, method, &room.release(&own, own_or_coordinator), INVALID, "FIELD_INVALID").await;
        assert_eq!(reason(&status).1.as_deref(), Some("recipients"), "{own_or_coordinator}");
    }
    let denied = Code::PermissionDenied;
    refused(&service, method, &room.release(&own, "region-c"), denied, "PERSON_REQUIRED").await;
    let revoke = |release_id| pb::RevokeReleaseRequest { request_id: id(), room_id: room.id.clone(), release_id };
    let (revoking, not_found) = ("ConsentService/RevokeRelease", Code::NotFound);
    let unknown = refused(&a, revoking, &revoke(id()), not_found, "RELEASE_NOT_FOUND").await;
    room.nothing_new().await;

    let released: pb::ReleaseMessagesResponse =
        a.call(method, &room.release(&own, "region-c")).await.expect("it is released");
    let request = revoke(released.release_id.clone());
    let foreign = refused(&room.peers[1], revoking, &request, not_found, "RELEASE_NOT_FOUND").await;
    assert_eq!(bytes(&foreign), bytes(&unknown));
    a.raw(revoking, &revoke(released.release_id.clone())).await.expect("it is revoked");
    refused(&a, revoking, &revoke(released.release_id), not_found, "RELEASE_NOT_FOUND").await;
    let no = |name: &str| {
        let sharings =
            vec![pb::MaterialSharing { material: pb::Material::Logs.into(), sharing: pb::Sharing::No.into() }];
        let named = vec![pb::NamedSharing { name: name.into(), sharings }];
        pb::ConsentChange { named, ..pb::ConsentChange::default() }
    };
    a.give(&room.id, no("region-c")).await.expect("it narrows");
    refused(&a, method, &room.release(&own, "region-c"), STATE, "NAMED_NO").await;
    room.world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_widens_is_refused_with_the_field() {
    let mut room = Room::open().await;
    let [a, b, _] = &room.peers;
    let narrowed = pb::MessageDraft { recipients: vec!["region-b".into()], ..logs("04:10") };
    let (old, foreign) = (room.post(a, narrowed.clone()).await, room.post(b, logs("04:11")).await);
    let confidential = room.post(a, pb::MessageDraft { coordinator_only: true, ..logs("for the coordinator") }).await;
    let a = a.clone();
    room.settle().await;
    let edit = |old: &str, draft: &pb::MessageDraft| pb::PostMessageRequest {
        request_id: id(),
        room_id: room.id.clone(),
        draft: Some(pb::MessageDraft { supersedes: old.to_owned(), ..draft.clone() }),
    };
    let method = "MessageService/PostMessage";
    let wider = [
        (&old, "draft.material", pb::MessageDraft { material: pb::Material::Data.into(), ..narrowed.clone() }),
        (&old, "draft.tlp", pb::MessageDraft { tlp: pb::Tlp::Green.into(), ..narrowed.clone() }),
        (&old, "draft.recipients", pb::MessageDraft { recipients: vec!["region-c".into()], ..narrowed.clone() }),
        (&old, "draft.recipients", logs("to all")),
        (&confidential, "draft.coordinator_only", logs("to all")),
    ];
    for (old, field, draft) in &wider {
        let status = refused(&a, method, &edit(old, draft), STATE, "EDIT_WIDENS").await;
        assert_eq!(reason(&status).1.as_deref(), Some(*field));
    }
    let unknown = refused(&a, method, &edit(&id(), &narrowed), STATE, "MESSAGE_NOT_VISIBLE").await;
    let status = refused(&a, method, &edit(&foreign, &narrowed), STATE, "MESSAGE_NOT_VISIBLE").await;
    assert_eq!(bytes(&status), bytes(&unknown));
    room.nothing_new().await;
    a.raw(method, &edit(&old, &narrowed)).await.expect("it may stay as narrow");
    refused(&a, method, &edit(&old, &narrowed), STATE, "MESSAGE_WITHDRAWN").await;
    room.world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_a_relay_needs_parents_that_the_coordinator_sees_and_an_approval_of_its_very_text() {
    let mut room = Room::open().await;
    let [a, b, c] = room.peers.clone();
    let parent = room.post(&a, pb::MessageDraft { material: pb::Material::Data.into(), ..logs("a dump") }).await;
    let confidential = room.post(&a, red("org/region-b/user/duty")).await;
    let void = room.post(&a, logs("x")).await;
    a.raw("MessageService/RetractMessage", &room.message(&void)).await.expect("it is retracted");
    let (_, elsewhere) = room.other().await;
    let (publishing, approving) = ("RelayService/PublishRelay", "RelayService/ApproveRelay");
    let coordinator = room.coordinator.clone();
    room.settle().await;

    let unknown = refused(&coordinator, publishing, &room.relay(&id(), &[]), STATE, "MESSAGE_NOT_VISIBLE").await;
    for message in [&confidential, &elsewhere] {
        let status = refused(&coordinator, publishing, &room.relay(message, &[]), STATE, "MESSAGE_NOT_VISIBLE").await;
        assert_eq!(bytes(&status), bytes(&unknown));
    }
    refused(&coordinator, publishing, &room.relay(&void, &[]), STATE, "MESSAGE_WITHDRAWN").await;
    refused(&coordinator, publishing, &room.relay(&parent, &["nobody"]), STATE, "RECIPIENT_NOT_VISIBLE").await;
    refused(&coordinator, publishing, &room.relay(&parent, &["region-a"]), STATE, "RELAY_NOT_PERMITTED").await;
    refused(&a, publishing, &room.relay(&parent, &[]), Code::PermissionDenied, "COORDINATOR_ONLY").await;
    room.nothing_new().await;

    let published: pb::PublishRelayResponse =
        coordinator.call(publishing, &room.relay(&parent, &["region-b"])).await.expect("it waits for region-a");
    let relay = published.message_id;
    room.settle().await;
    let approval = |message_id: &str, text: &str, to: &[&str]| pb::ApproveRelayRequest {
        request_id: id(),
        room_id: room.id.clone(),
        message_id: message_id.to_owned(),
        text_sha256: Sha256::digest(text).to_vec().into(),
        recipients: to.iter().map(ToString::to_string).collect(),
    };
    let text = "somebody saw something";
    refused(&a, approving, &approval(&relay, "somebody saw something else", &[]), Code::Aborted, "TEXT_CHANGED").await;
    let status = refused(&a, approving, &approval(&relay, text, &["region-c"]), INVALID, "FIELD_INVALID").await;
    assert_eq!(reason(&status).1.as_deref(), Some("recipients"));
    let unknown = refused(&c, approving, &approval(&id(), text, &[]), STATE, "MESSAGE_NOT_VISIBLE").await;
    for other in [&b, &c] {
        let status = refused(other, approving, &approval(&relay, text, &[]), STATE, "MESSAGE_NOT_VISIBLE").await;
        assert_eq!(bytes(&status), bytes(&unknown), "not its source");
    }
    let rejection = |message_id: &str| pb::RejectRelayRequest {
        request_id: id(),
        room_id: room.id.clone(),
        message_id: message_id.to_owned(),
        reason: "it tells who we are".into(),
    };
    let rejecting = "RelayService/RejectRelay";
    let unknown = refused(&c, rejecting, &rejection(&id()), STATE, "MESSAGE_NOT_VISIBLE").await;
    let foreign = refused(&c, rejecting, &rejection(&relay), STATE, "MESSAGE_NOT_VISIBLE").await;
    assert_eq!(bytes(&foreign), bytes(&unknown));
    room.nothing_new().await;

    // A relay is not released, and one whose parent has fallen is not approved.
    let release = room.release(&relay, "region-b");
    refused(&coordinator, "ConsentService/ReleaseMessages", &release, STATE, "MESSAGE_NOT_VISIBLE").await;
    a.raw("MessageService/RetractMessage", &room.message(&parent)).await.expect("it is retracted");
    refused(&a, approving, &approval(&relay, text, &[]), Code::Aborted, "TEXT_CHANGED").await;
    refused(&a, rejecting, &rejection(&relay), Code::Aborted, "TEXT_CHANGED").await;
    room.world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_a_question_is_answered_once_in_time_by_whom_it_was_asked() {
    let mut room = Room::open().await;
    let [a, b, _] = room.peers.clone();
    let (coordinator, service) = (room.coordinator.clone(), room.world.peer("region-a/service/siem").await);
    let (asking, answering) = ("ConsentService/AskForConsent", "ConsentService/AnswerAsk");
    let later = room.world.now() + HOUR;
    refused(&coordinator, asking, &room.ask("nobody", later), Code::NotFound, "PARTICIPANT_NOT_FOUND").await;
    let denied = Code::PermissionDenied;
    refused(&coordinator, asking, &room.ask("cert-se", later), denied, "NOT_FOR_THE_COORDINATOR").await;
    refused(&a, asking, &room.ask("region-b", later), denied, "COORDINATOR_ONLY").await;
    room.nothing_new().await;

    let asked: pb::AskForConsentResponse =
        coordinator.call(asking, &room.ask("region-a", later)).await.expect("it is asked");
    let ask = asked.ask_id;
    room.settle().await;
    let not_found = Code::NotFound;
    let unknown = refused(&b, answering, &room.answer(&id()), not_found, "ASK_NOT_FOUND").await;
    let foreign = refused(&b, answering, &room.answer(&ask), not_found, "ASK_NOT_FOUND").await;
    assert_eq!(bytes(&foreign), bytes(&unknown));
    refused(&service, answering, &room.answer(&ask), denied, "PERSON_REQUIRED").await;
    room.nothing_new().await;

    room.world.advance_clock(HOUR);
    refused(&a, answering, &room.answer(&ask), STATE, "ASK_CLOSED").await;
    let lapsed = coordinator.list(&room.id, room.before.get()).await.expect("a page").deliveries;
    let [only] = &lapsed[..] else { panic!("{lapsed:?}") };
    assert!(matches!(only.content, Some(pb::delivery::Content::AskLapsed(_))), "{only:?}");
    room.settle().await;

    let later = room.world.now() + HOUR;
    let asked: pb::AskForConsentResponse =
        coordinator.call(asking, &room.ask("region-a", later)).await.expect("it is asked");
    a.raw(answering, &room.answer(&asked.ask_id)).await.expect("it is answered");
    room.settle().await;
    refused(&a, answering, &room.answer(&asked.ask_id), STATE, "ASK_CLOSED").await;
    room.nothing_new().await;
    room.world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_a_recall_is_answered_only_by_whom_had_what_was_recalled() {
    let mut room = Room::open().await;
    let [a, b, c] = room.peers.clone();
    let narrowed = pb::MessageDraft { recipients: vec!["region-b".into()], ..logs("04:10") };
    let message = room.post(&a, narrowed).await;
    let foreign = room.post(&b, logs("04:11")).await;
    for peer in [&b, &c] {
        peer.list(&room.id, 0).await.expect("a page");
    }
    let (_, elsewhere) = room.other().await;
    room.settle().await;
    let withdrawing = "ConsentService/WithdrawConsent";
    let unknown = refused(&a, withdrawing, &room.withdrawal(&id()), STATE, "MESSAGE_NOT_VISIBLE").await;
    for message in [&foreign, &elsewhere] {
        let status = refused(&a, withdrawing, &room.withdrawal(message), STATE, "MESSAGE_NOT_VISIBLE").await;
        assert_eq!(bytes(&status), bytes(&unknown));
    }
    let denied = Code::PermissionDenied;
    refused(&room.coordinator, withdrawing, &room.withdrawal(&message), denied, "NOT_FOR_THE_COORDINATOR").await;
    room.nothing_new().await;

    let withdrawn: pb::WithdrawConsentResponse =
        a.call(withdrawing, &room.withdrawal(&message)).await.expect("it is withdrawn");
    room.settle().await;
    refused(&a, withdrawing, &room.withdrawal(&message), STATE, "MESSAGE_WITHDRAWN").await;
    refused(&a, "MessageService/RetractMessage", &room.message(&message), STATE, "MESSAGE_WITHDRAWN").await;
    let (answering, not_found) = ("ConsentService/AnswerRecall", Code::NotFound);
    let unknown = refused(&c, answering, &room.recalled(&id()), not_found, "RECALL_NOT_FOUND").await;
    let never_had = refused(&c, answering, &room.recalled(&withdrawn.recall_id), not_found, "RECALL_NOT_FOUND").await;
    assert_eq!(bytes(&never_had), bytes(&unknown));
    refused(&a, answering, &room.recalled(&withdrawn.recall_id), not_found, "RECALL_NOT_FOUND").await;
    room.nothing_new().await;

    b.raw(answering, &room.recalled(&withdrawn.recall_id)).await.expect("it had it");
    let (room_id, page_token) = (room.id.clone(), String::new());
    let question = pb::GetReceiptsRequest { room_id, message_id: message, page_size: 0, page_token };
    let receipts: pb::GetReceiptsResponse = a.call("MessageService/GetReceipts", &question).await.expect("receipts");
    let answers: Vec<_> = receipts.receipts.iter().flat_map(|receipt| &receipt.recalls).collect();
    let [answer] = &answers[..] else { panic!("{receipts:?}") };
    assert_eq!((answer.answer(), &answer.recall_id), (pb::RecallAnswer::Deleted, &withdrawn.recall_id));
    room.world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_legal_disclosure_needs_two_persons_of_the_coordinator() {
    let mut room = Room::open().await;
    let [a, ..] = room.peers.clone();
    let (message, confidential) =
        (room.post(&a, logs("04:10")).await, room.post(&a, red("org/cert-se/user/duty")).await);
    let coordinator = room.coordinator.clone();
    let (second, service) = (room.world.peer("cert-se/user/chief").await, room.world.peer("cert-se/service/bot").await);
    let (proposing, confirming) =
        ("CoordinationService/ProposeLegalDisclosure", "CoordinationService/ConfirmLegalDisclosure");
    room.settle().await;
    let denied = Code::PermissionDenied;
    refused(&a, proposing, &room.duty(&message, "region-b"), denied, "COORDINATOR_ONLY").await;
    refused(&service, proposing, &room.duty(&message, "region-b"), denied, "PERSON_REQUIRED").await;
    refused(&coordinator, proposing, &room.duty(&message, "nobody"), STATE, "RECIPIENT_NOT_VISIBLE").await;
    for (message, receiver, field) in [
        (&message, "region-a", "receiver"),
        (&message, "cert-se", "receiver"),
        (&confidential, "region-b", "message_ids"),
    ] {
        let request = room.duty(message, receiver);
        let status = refused(&coordinator, proposing, &request, INVALID, "FIELD_INVALID").await;
        assert_eq!(reason(&status).1.as_deref(), Some(field));
    }
    let mut late = room.duty(&message, "region-b");
    late.suppress_until_time = Some(time(room.world.now()));
    let status = refused(&coordinator, proposing, &late, INVALID, "FIELD_INVALID").await;
    assert_eq!(reason(&status).1.as_deref(), Some("suppress_until_time"));
    room.nothing_new().await;

    let proposed: pb::ProposeLegalDisclosureResponse =
        coordinator.call(proposing, &room.duty(&message, "region-b")).await.expect("it is proposed");
    let disclosure = proposed.disclosure_id;
    room.settle().await;
    refused(&coordinator, confirming, &room.confirmation(&disclosure), denied, "SECOND_PERSON_REQUIRED").await;
    refused(&service, confirming, &room.confirmation(&disclosure), denied, "PERSON_REQUIRED").await;
    let outsider = refused(&a, confirming, &room.confirmation(&disclosure), denied, "COORDINATOR_ONLY").await;
    let unknown = refused(&a, confirming, &room.confirmation(&id()), denied, "COORDINATOR_ONLY").await;
    assert_eq!(bytes(&outsider), bytes(&unknown));
    let not_found = Code::NotFound;
    refused(&second, confirming, &room.confirmation(&id()), not_found, "DISCLOSURE_NOT_FOUND").await;
    room.nothing_new().await;
    second.raw(confirming, &room.confirmation(&disclosure)).await.expect("another person confirms");
    refused(&second, confirming, &room.confirmation(&disclosure), not_found, "DISCLOSURE_NOT_FOUND").await;
    room.world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forwarding_to_the_police_needs_an_authority_and_the_sources_leave() {
    let mut room = Room::open().await;
    let [a, ..] = room.peers.clone();
    let coordinator = room.coordinator.clone();
    coordinator.register("police").await.expect("it is registered");
    let police = room.world.peer("police").await;
    let invitation: pb::InviteOrganisationResponse = coordinator
        .call(
            "RoomService/InviteOrganisation",
            &pb::InviteOrganisationRequest {
                request_id: id(),
                room_id: room.id.clone(),
                organisation_id: "police".into(),
                role: pb::Role::Authority.into(),
            },
        )
        .await
        .expect("it is invited");
    police.accept(&invitation.invitation_id, appearing(pb::Attribution::Named)).await.expect("it joins");
    let message = room.post(&a, logs("04:10")).await;
    let own = room.post(&coordinator, logs("from the coordinator")).await;
    room.settle().await;
    let forward = |message: &str, to: &str| pb::ForwardMessagesRequest {
        request_id: id(),
        room_id: room.id.clone(),
        message_ids: vec![message.to_owned()],
        authority: to.to_owned(),
        reason: "they asked".into(),
    };
    let method = "CoordinationService/ForwardMessages";
    refused(&coordinator, method, &forward(&message, "police"), STATE, "POLICE_FORWARDING_NOT_ALLOWED").await;
    refused(&coordinator, method, &forward(&message, "nobody"), STATE, "RECIPIENT_NOT_VISIBLE").await;
    refused(&coordinator, method, &forward(&id(), "police"), STATE, "MESSAGE_NOT_VISIBLE").await;
    for (message, to, field) in [(&message, "region-b", "authority"), (&own, "police", "message_ids")] {
        let status = refused(&coordinator, method, &forward(message, to), INVALID, "FIELD_INVALID").await;
        assert_eq!(reason(&status).1.as_deref(), Some(field));
    }
    refused(&a, method, &forward(&message, "police"), Code::PermissionDenied, "COORDINATOR_ONLY").await;
    let report = pb::RecordPoliceReportRequest { request_id: id(), room_id: room.id.clone(), reference: "K 1".into() };
    let (reporting, denied) = ("IntakeService/RecordPoliceReport", Code::PermissionDenied);
    refused(&police, reporting, &report, denied, "AFFECTED_ORGANISATION_ONLY").await;
    refused(&coordinator, reporting, &report, denied, "NOT_FOR_THE_COORDINATOR").await;
    room.nothing_new().await;
    room.world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_acknowledgements_and_introductions_are_for_whom_they_were_asked() {
    use pb::answer_introduction_request::Answer;
    let mut room = Room::open().await;
    let [a, b, c] = room.peers.clone();
    let coordinator = room.coordinator.clone();
    let by = Some(time(room.world.now() + HOUR));
    let asking = |to: &str| pb::MessageDraft {
        recipients: vec![to.to_owned()],
        acknowledge_by_time: by,
        ..logs("please confirm")
    };
    let (asks, plain) = (room.post(&a, asking("region-b")).await, room.post(&a, logs("no need")).await);
    room.settle().await;
    let acknowledge = |message_id: &str| pb::AcknowledgeMessageRequest {
        request_id: id(),
        room_id: room.id.clone(),
        message_id: message_id.to_owned(),
    };
    let method = "MessageService/AcknowledgeMessage";
    let unknown = refused(&c, method, &acknowledge(&id()), STATE, "MESSAGE_NOT_VISIBLE").await;
    let withheld = refused(&c, method, &acknowledge(&asks), STATE, "MESSAGE_NOT_VISIBLE").await;
    assert_eq!(bytes(&withheld), bytes(&unknown));
    refused(&b, method, &acknowledge(&plain), STATE, "ACKNOWLEDGEMENT_NOT_ASKED").await;
    refused(&a, method, &acknowledge(&asks), STATE, "ACKNOWLEDGEMENT_NOT_ASKED").await;
    room.nothing_new().await;
    b.raw(method, &acknowledge(&asks)).await.expect("it is acknowledged");
    room.settle().await;
    refused(&b, method, &acknowledge(&asks), Code::AlreadyExists, "ALREADY_ACKNOWLEDGED").await;

    let side =
        |participant: &str| pb::IntroductionSide { participant: participant.into(), text: "one like you".into() };
    let propose = |one: &str, other: &str| pb::ProposeIntroductionRequest {
        request_id: id(),
        room_id: room.id.clone(),
        sides: vec![side(one), side(other)],
    };
    let proposing = "CoordinationService/ProposeIntroduction";
    refused(&coordinator, proposing, &propose("region-a", "nobody"), Code::NotFound, "PARTICIPANT_NOT_FOUND").await;
    refused(&a, proposing, &propose("region-b", "region-c"), Code::PermissionDenied, "COORDINATOR_ONLY").await;
    room.nothing_new().await;
    let proposed: pb::ProposeIntroductionResponse =
        coordinator.call(proposing, &propose("region-a", "region-b")).await.expect("it is proposed");
    let [of_a, of_b] = &proposed.introduction_ids[..] else { panic!("{proposed:?}") };
    room.settle().await;
    let answer = |introduction_id: &str| pb::AnswerIntroductionRequest {
        request_id: id(),
        room_id: room.id.clone(),
        introduction_id: introduction_id.to_owned(),
        answer: Some(Answer::Accepted(pb::IntroductionAccepted { contact: "08-123".into() })),
    };
    let (answering, not_found) = ("CoordinationService/AnswerIntroduction", Code::NotFound);
    let unknown = refused(&a, answering, &answer(&id()), not_found, "INTRODUCTION_NOT_FOUND").await;
    let of_other = refused(&a, answering, &answer(of_b), not_found, "INTRODUCTION_NOT_FOUND").await;
    let outsider = refused(&c, answering, &answer(of_a), not_found, "INTRODUCTION_NOT_FOUND").await;
    assert_eq!((bytes(&of_other), bytes(&outsider)), (bytes(&unknown), bytes(&unknown)));
    let service = room.world.peer("region-a/service/siem").await;
    refused(&service, answering, &answer(of_a), Code::PermissionDenied, "PERSON_REQUIRED").await;
    room.nothing_new().await;
    a.raw(answering, &answer(of_a)).await.expect("it agrees");
    refused(&a, answering, &answer(of_a), not_found, "INTRODUCTION_NOT_FOUND").await;
    room.world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_who_is_not_in_the_room_gets_one_answer_to_everything() {
    let mut room = Room::open().await;
    let [a, ..] = room.peers.clone();
    room.coordinator.register("outsider").await.expect("it is registered");
    room.coordinator.register("invited").await.expect("it is registered");
    let (outsider, invited) = (room.world.peer("outsider").await, room.world.peer("invited").await);
    room.coordinator.invite(&room.id, "invited").await;
    let message = room.post(&a, logs("04:10")).await;
    let later = room.world.now() + HOUR;
    room.settle().await;
    let nowhere = pb::RetractMessageRequest { room_id: id(), ..room.message(&message) };
    let expected =
        refused(&outsider, "MessageService/RetractMessage", &nowhere, Code::NotFound, "ROOM_NOT_FOUND").await;
    for peer in [&outsider, &invited] {
        macro_rules! same {
            ($($method:literal: $request:expr;)*) => {
                $(let status = peer.raw($method, &$request).await.expect_err($method);
                assert_eq!(bytes(&status), bytes(&expected), $method);)*
            };
        }
        same! {
            "MessageService/RetractMessage": room.message(&message);
            "ConsentService/ReleaseMessages": room.release(&message, "region-b");
            "ConsentService/AskForConsent": room.ask("region-a", later);
            "ConsentService/AnswerAsk": room.answer(&id());
            "ConsentService/WithdrawConsent": room.withdrawal(&message);
            "ConsentService/AnswerRecall": room.recalled(&id());
            "RelayService/PublishRelay": room.relay(&message, &[]);
            "CoordinationService/ProposeLegalDisclosure": room.duty(&message, "region-b");
            "CoordinationService/ConfirmLegalDisclosure": room.confirmation(&id());
        }
        let (room_id, page_token) = (room.id.clone(), String::new());
        let receipts = pb::GetReceiptsRequest { room_id, message_id: message.clone(), page_size: 0, page_token };
        let status = peer.raw("MessageService/GetReceipts", &receipts).await.expect_err("it is not here");
        assert_eq!((status.code(), reason(&status).0.as_str()), (Code::NotFound, "ROOM_NOT_FOUND"));
        let (room_id, participant, page_token) = (room.id.clone(), "region-a".into(), String::new());
        let see = pb::SeeAsRequest { room_id, participant, page_size: 0, page_token };
        let status = peer.raw("CoordinationService/SeeAs", &see).await.expect_err("it is not here");
        assert_eq!((status.code(), reason(&status).0.as_str()), (Code::NotFound, "ROOM_NOT_FOUND"));
    }
    room.nothing_new().await;
    room.world.stop().await;
}
