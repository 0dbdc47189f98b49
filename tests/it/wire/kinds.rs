//! Every kind of delivery that consent in full brings, as it is on the wire: which ids, whose words, to whom. And R8 for what the server
//! draws: a retry gets the same ids.

use prost::Message;
use samverkan::api as pb;
use sha2::{Digest as _, Sha256};

use crate::world::{Peer, World, appearing, id, logs, sharing_logs};
use pb::delivery::Content;

const HOUR: i64 = 3_600_000_000;

fn time(microseconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: microseconds / 1_000_000, nanos: 0 })
}

/// Calls, and calls again as a retry would: one effect, one answer.
async fn twice<A: Message + Default + PartialEq + std::fmt::Debug>(
    peer: &Peer,
    method: &str,
    request: &impl Message,
) -> A {
    let first: A = peer.call(method, request).await.unwrap_or_else(|status| panic!("{method}: {status:?}"));
    let again: A = peer.call(method, request).await.expect("a retry gets the answer");
    assert_eq!(first, again, "{method}");
    first
}

/// What has come to a peer's mailbox since it was last read.
struct Mail<'a> {
    peer: &'a Peer,
    room: &'a str,
    after: u64,
}

impl<'a> Mail<'a> {
    async fn of(peer: &'a Peer, room: &'a str) -> Self {
        let mut mail = Self { peer, room, after: 0 };
        mail.unread().await;
        mail
    }

    async fn unread(&mut self) -> Vec<Content> {
        let page = self.peer.list(self.room, self.after).await.expect("a page");
        self.after += page.deliveries.len() as u64;
        page.deliveries.into_iter().map(|delivery| delivery.content.expect("a kind")).collect()
    }
}

fn organisation(participant: &Option<pb::Participant>) -> &str {
    participant.as_ref().map_or("nobody", |participant| &participant.organisation_id)
}

fn organisations(participants: &[pb::Participant]) -> Vec<&str> {
    let mut names: Vec<_> = participants.iter().map(|participant| participant.organisation_id.as_str()).collect();
    names.sort_unstable();
    names
}

/// The only new delivery, which must be of this kind.
macro_rules! only {
    ($mail:expr, $kind:ident) => {{
        let new = $mail.unread().await;
        match &new[..] {
            [Content::$kind(told)] => told.clone(),
            other => panic!("expected {}, got {other:?}", stringify!($kind)),
        }
    }};
}

struct Cast {
    world: World,
    cert: Peer,
    peers: [Peer; 3],
    room: String,
}

/// A room with region-a, region-b and vendor, all named; only logs are shared, with affected organisations.
async fn cast() -> Cast {
    let world = World::start().await;
    let (cert, peers) = world.peers(["region-a", "region-b", "police"]).await;
    let room = cert.open().await;
    cert.bring(&room, &peers[0], sharing_logs(pb::Attribution::Named)).await;
    cert.bring(&room, &peers[1], sharing_logs(pb::Attribution::Named)).await;
    let request = pb::InviteOrganisationRequest {
        request_id: id(),
        room_id: room.clone(),
        organisation_id: "police".into(),
        role: pb::Role::Authority.into(),
    };
    let invited: pb::InviteOrganisationResponse =
        cert.call("RoomService/InviteOrganisation", &request).await.expect("it is invited");
    peers[2].accept(&invited.invitation_id, appearing(pb::Attribution::Named)).await.expect("it joins");
    Cast { world, cert, peers, room }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_releases_recalls_and_questions_are_told_with_their_ids() {
    let Cast { mut world, cert, peers, room } = cast().await;
    let [a, b, _] = &peers;
    let room_id = || room.clone();
    let data = |text: &str| pb::MessageDraft { material: pb::Material::Data.into(), ..logs(text) };
    let first = a.post(&room, data("first")).await.expect("it is posted").message_id;
    let second = a.post(&room, data("second")).await.expect("it is posted").message_id;
    let mut mails = (Mail::of(&cert, &room).await, Mail::of(a, &room).await, Mail::of(b, &room).await);

    let request = pb::ReleaseMessagesRequest {
        request_id: id(),
        room_id: room_id(),
        message_ids: vec![second.clone(), first.clone()],
        recipients: vec!["region-b".into()],
    };
    let released: pb::ReleaseMessagesResponse = twice(a, "ConsentService/ReleaseMessages", &request).await;
    for mail in [&mut mails.0, &mut mails.1] {
        let told = only!(mail, MessagesReleased);
        assert_eq!((&told.release_id, organisation(&told.participant)), (&released.release_id, "region-a"));
        assert_eq!(told.message_ids, [first.clone(), second.clone()], "in the order of posting");
        assert_eq!(organisations(&told.receivers), ["region-b"]);
    }
    let new = mails.2.unread().await;
    let [Content::MessagesReleased(told), Content::Message(one), Content::Message(two)] = &new[..] else {
        panic!("{new:?}")
    };
    assert_eq!(told.release_id, released.release_id);
    assert_eq!((&one.message_id, &two.message_id), (&first, &second));

    let (request_id, release_id) = (id(), released.release_id.clone());
    let request = pb::RevokeReleaseRequest { request_id, room_id: room_id(), release_id };
    let _: pb::RevokeReleaseResponse = twice(a, "ConsentService/RevokeRelease", &request).await;
    assert_eq!(only!(mails.0, ReleaseRevoked).release_id, released.release_id);
    assert_eq!(only!(mails.1, ReleaseRevoked).release_id, released.release_id);
    let notice = only!(mails.2, WithdrawalNotice);
    assert_eq!((notice.recall_id.as_str(), notice.answer_by_time), ("", None));
    assert_eq!(notice.ranges, [pb::IndexRange { first_index: mails.2.after - 2, last_index: mails.2.after - 1 }]);

    // A recall of a message that region-b has.
    let message = a.post(&room, logs("third")).await.expect("it is posted").message_id;
    for mail in [&mut mails.0, &mut mails.1, &mut mails.2] {
        only!(mail, Message);
    }
    let answer_by = time(world.now() + HOUR);
    let request = pb::WithdrawConsentRequest {
        request_id: id(),
        room_id: room_id(),
        scope: Some(pb::withdraw_consent_request::Scope::MessageId(message.clone())),
        recall_answer_by_time: answer_by,
    };
    let withdrawn: pb::WithdrawConsentResponse = twice(a, "ConsentService/WithdrawConsent", &request).await;
    let notice = only!(mails.2, WithdrawalNotice);
    assert_eq!((&notice.recall_id, notice.answer_by_time), (&withdrawn.recall_id, answer_by));
    for mail in [&mut mails.0, &mut mails.1] {
        let told = only!(mail, ConsentWithdrawn);
        assert_eq!(told.scope, Some(pb::consent_withdrawn::Scope::MessageId(message.clone())));
        assert_eq!((&told.recall_id, told.answer_by_time), (&withdrawn.recall_id, answer_by));
    }
    let request = pb::AnswerRecallRequest {
        request_id: id(),
        room_id: room_id(),
        recall_id: withdrawn.recall_id.clone(),
        answer: pb::RecallAnswer::SharedOnward.into(),
        comment: "to our vendor".into(),
    };
    let _: pb::AnswerRecallResponse = twice(b, "ConsentService/AnswerRecall", &request).await;
    for mail in [&mut mails.0, &mut mails.1, &mut mails.2] {
        let told = only!(mail, RecallAnswered);
        assert_eq!((&told.recall_id, organisation(&told.participant)), (&withdrawn.recall_id, "region-b"));
        assert_eq!((told.answer(), told.comment.as_str()), (pb::RecallAnswer::SharedOnward, "to our vendor"));
    }

    let request = pb::SuggestAskRequest {
        request_id: id(),
        room_id: room_id(),
        source: "region-a".into(),
        material: pb::Material::Data.into(),
        reason: "to find the way in".into(),
    };
    let _: pb::SuggestAskResponse = twice(b, "ConsentService/SuggestAsk", &request).await;
    for mail in [&mut mails.0, &mut mails.2] {
        let told = only!(mail, AskSuggested);
        assert_eq!((organisation(&told.participant), organisation(&told.source)), ("region-b", "region-a"));
        assert_eq!((told.material(), told.reason.as_str()), (pb::Material::Data, "to find the way in"));
    }
    use pb::ask_for_consent_request::{Subject, To};
    let request = pb::AskForConsentRequest {
        request_id: id(),
        room_id: room_id(),
        source: "region-a".into(),
        subject: Some(Subject::Messages(pb::MessageIds { message_ids: vec![first.clone()] })),
        to: Some(To::Participants(pb::ParticipantNames { names: vec!["region-b".into()] })),
        reason: "region-b asks".into(),
        answer_by_time: answer_by,
    };
    let asked: pb::AskForConsentResponse = twice(&cert, "ConsentService/AskForConsent", &request).await;
    for mail in [&mut mails.0, &mut mails.1] {
        let told = only!(mail, ConsentAsked);
        assert_eq!((&told.ask_id, organisation(&told.participant)), (&asked.ask_id, "region-a"));
        let message_ids = vec![first.clone()];
        let messages = pb::consent_asked::Messages { message_ids };
        assert_eq!(told.subject, Some(pb::consent_asked::Subject::Messages(messages)));
        let Some(pb::consent_asked::To::Participants(to)) = &told.to else { panic!("{told:?}") };
        assert_eq!(organisations(&to.participants), ["region-b"]);
        assert_eq!((told.reason.as_str(), told.answer_by_time), ("region-b asks", answer_by));
    }
    let request = pb::AnswerAskRequest {
        request_id: id(),
        room_id: room_id(),
        ask_id: asked.ask_id.clone(),
        answer: pb::AskAnswer::Yes.into(),
        comment: "with pleasure".into(),
    };
    let _: pb::AnswerAskResponse = twice(a, "ConsentService/AnswerAsk", &request).await;
    for mail in [&mut mails.0, &mut mails.1] {
        let new = mail.unread().await;
        let [Content::AskAnswered(told), Content::MessagesReleased(released)] = &new[..] else { panic!("{new:?}") };
        assert_eq!((&told.ask_id, told.comment.as_str()), (&asked.ask_id, "with pleasure"));
        assert_eq!(told.answer(), pb::AskAnswer::Yes);
        assert_eq!(released.message_ids, [first.as_str()]);
    }
    let new = mails.2.unread().await;
    assert!(
        matches!(&new[..], [Content::MessagesReleased(_), Content::Message(one)] if one.text == "first"),
        "{new:?}"
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_relays_edits_and_acknowledgements_are_told_with_their_ids() {
    let Cast { mut world, cert, peers, room } = cast().await;
    let [a, b, _] = &peers;
    let room_id = || room.clone();
    let answer_by = time(world.now() + HOUR);
    let old = a.post(&room, logs("old")).await.expect("it is posted").message_id;
    let mut mails = (Mail::of(&cert, &room).await, Mail::of(a, &room).await, Mail::of(b, &room).await);
    let draft = pb::MessageDraft { supersedes: old.clone(), acknowledge_by_time: answer_by, ..logs("new") };
    let new = a.post(&room, draft).await.expect("it is posted").message_id;
    for mail in [&mut mails.0, &mut mails.1] {
        let told = only!(mail, Message);
        assert_eq!((&told.supersedes, told.acknowledge_by_time, told.relay.is_none()), (&old, answer_by, true));
    }
    let told = mails.2.unread().await;
    let [Content::WithdrawalNotice(_), Content::Message(edited)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((&edited.message_id, &edited.supersedes), (&new, &old));
    let request = pb::AcknowledgeMessageRequest { request_id: id(), room_id: room_id(), message_id: new.clone() };
    let _: pb::AcknowledgeMessageResponse = twice(b, "MessageService/AcknowledgeMessage", &request).await;
    for mail in [&mut mails.0, &mut mails.1, &mut mails.2] {
        let told = only!(mail, MessageAcknowledged);
        assert_eq!((&told.message_id, organisation(&told.participant)), (&new, "region-b"));
    }

    let publish = |text: &str| pb::PublishRelayRequest {
        request_id: id(),
        room_id: room_id(),
        draft: Some(pb::RelayDraft {
            parent_message_ids: vec![new.clone()],
            material: pb::Material::Logs.into(),
            tlp: pb::Tlp::Amber.into(),
            text: text.into(),
            recipients: vec!["region-b".into()],
            ..pb::RelayDraft::default()
        }),
    };
    let mut relays = Vec::new();
    for text in ["somebody saw something", "region-a saw something"] {
        let relayed: pb::PublishRelayResponse = twice(&cert, "RelayService/PublishRelay", &publish(text)).await;
        for mail in [&mut mails.0, &mut mails.1] {
            let told = only!(mail, Message);
            assert_eq!((told.text.as_str(), organisation(&told.author)), (text, "cert-se"));
            let info = told.relay.expect("a relay");
            assert_eq!(info.parent_message_ids, [new.as_str()]);
            assert_eq!(organisations(&info.receivers), [""; 0]);
            assert_eq!(organisations(&info.awaiting_approval), ["region-b"]);
        }
        relays.push(relayed.message_id);
    }
    assert!(mails.2.unread().await.is_empty(), "it waits for an approval");
    let request = pb::ApproveRelayRequest {
        request_id: id(),
        room_id: room_id(),
        message_id: relays[0].clone(),
        text_sha256: Sha256::digest("somebody saw something").to_vec().into(),
        recipients: Vec::new(),
    };
    let _: pb::ApproveRelayResponse = twice(a, "RelayService/ApproveRelay", &request).await;
    for mail in [&mut mails.0, &mut mails.1] {
        let told = only!(mail, RelayApproved);
        assert_eq!((&told.message_id, organisation(&told.participant)), (&relays[0], "region-a"));
        assert_eq!(organisations(&told.receivers), ["region-b"]);
    }
    let told = only!(mails.2, Message);
    assert_eq!((&told.message_id, told.text.as_str()), (&relays[0], "somebody saw something"));
    assert_eq!(told.relay, Some(pb::RelayInfo::default()), "a receiver is told that it is a relay and nothing else");
    let (request_id, message_id, reason) = (id(), relays[1].clone(), "it names us".to_owned());
    let request = pb::RejectRelayRequest { request_id, room_id: room_id(), message_id, reason };
    let _: pb::RejectRelayResponse = twice(a, "RelayService/RejectRelay", &request).await;
    for mail in [&mut mails.0, &mut mails.1] {
        let told = only!(mail, RelayRejected);
        assert_eq!((&told.message_id, told.reason.as_str()), (&relays[1], "it names us"));
    }

    // The relay falls with its parent.
    let (request_id, reason) = (id(), "wrong file".to_owned());
    let request = pb::RetractMessageRequest { request_id, room_id: room_id(), message_id: new.clone(), reason };
    let _: pb::RetractMessageResponse = twice(a, "MessageService/RetractMessage", &request).await;
    for mail in [&mut mails.0, &mut mails.1] {
        let told = only!(mail, MessageRetracted);
        assert_eq!((&told.message_id, told.reason.as_str()), (&new, "wrong file"));
    }
    let notice = only!(mails.2, WithdrawalNotice);
    assert_eq!(notice.ranges.len(), 2, "the message, and the relay made of it: {notice:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_what_the_coordinator_does_between_organisations_is_told_with_its_ids() {
    let Cast { mut world, cert, peers, room } = cast().await;
    let [a, b, police] = &peers;
    let second = world.peer("cert-se/user/chief").await;
    let room_id = || room.clone();
    let may_forward = pb::PoliceAnswer::CoordinatorMayForward.into();
    let change = pb::ConsentChange { police: Some(may_forward), ..pb::ConsentChange::default() };
    a.give(&room, change).await.expect("it may forward");
    let message = a.post(&room, logs("04:10")).await.expect("it is posted").message_id;
    let mut mails = (Mail::of(&cert, &room).await, Mail::of(a, &room).await, Mail::of(police, &room).await);
    let mut of_b = Mail::of(b, &room).await;

    let request = pb::ForwardMessagesRequest {
        request_id: id(),
        room_id: room_id(),
        message_ids: vec![message.clone()],
        authority: "police".into(),
        reason: "they asked".into(),
    };
    let _: pb::ForwardMessagesResponse = twice(&cert, "CoordinationService/ForwardMessages", &request).await;
    for mail in [&mut mails.0, &mut mails.1] {
        let told = only!(mail, MessagesForwarded);
        assert_eq!((organisation(&told.participant), organisation(&told.receiver)), ("region-a", "police"));
        assert_eq!((&told.message_ids[..], told.reason.as_str()), (&[message.clone()][..], "they asked"));
    }
    let new = mails.2.unread().await;
    assert!(
        matches!(&new[..], [Content::MessagesForwarded(_), Content::Message(one)] if one.text == "04:10"),
        "{new:?}"
    );

    let until = time(world.now() + HOUR);
    let request = pb::ProposeLegalDisclosureRequest {
        request_id: id(),
        room_id: room_id(),
        statute: "27 kap. 2 § rättegångsbalken".into(),
        message_ids: vec![message.clone()],
        receiver: "region-b".into(),
        suppress_until_time: until,
    };
    let proposed: pb::ProposeLegalDisclosureResponse =
        twice(&cert, "CoordinationService/ProposeLegalDisclosure", &request).await;
    let told = only!(mails.0, LegalDisclosureProposed);
    assert_eq!((&told.disclosure_id, organisation(&told.receiver)), (&proposed.disclosure_id, "region-b"));
    assert_eq!((told.suppress_until_time, told.actor.as_str()), (until, "org/cert-se/user/duty"));
    let (request_id, disclosure_id) = (id(), proposed.disclosure_id.clone());
    let request = pb::ConfirmLegalDisclosureRequest { request_id, room_id: room_id(), disclosure_id };
    let _: pb::ConfirmLegalDisclosureResponse =
        twice(&second, "CoordinationService/ConfirmLegalDisclosure", &request).await;
    let told = only!(mails.0, LegallyDisclosed);
    assert_eq!((&told.disclosure_id, organisation(&told.participant)), (&proposed.disclosure_id, "region-a"));
    assert_eq!((told.suppress_until_time, organisation(&told.receiver)), (until, "region-b"));
    assert_eq!(told.actors, ["org/cert-se/user/duty", "org/cert-se/user/chief"]);
    assert!(mails.1.unread().await.is_empty(), "its source is told later");
    world.advance_clock(HOUR);
    let told = only!(mails.1, LegallyDisclosed);
    assert_eq!((&told.message_ids[..], told.statute.as_str()), (&[message][..], "27 kap. 2 § rättegångsbalken"));
    assert_eq!((told.suppress_until_time, told.actors.len(), organisation(&told.receiver)), (None, 0, "region-b"));
    mails.0.unread().await;
    of_b.unread().await;

    let side =
        |participant: &str, text: &str| pb::IntroductionSide { participant: participant.into(), text: text.into() };
    let request = pb::ProposeIntroductionRequest {
        request_id: id(),
        room_id: room_id(),
        sides: vec![side("region-a", "to a"), side("region-b", "to b")],
    };
    let introduced: pb::ProposeIntroductionResponse =
        twice(&cert, "CoordinationService/ProposeIntroduction", &request).await;
    let told = only!(mails.0, IntroductionSent);
    let sides: Vec<_> = told.sides.iter().map(|side| (organisation(&side.participant), side.text.as_str())).collect();
    assert_eq!(sides, [("region-a", "to a"), ("region-b", "to b")]);
    for ((mail, text), side) in
        [(&mut mails.1, "to a"), (&mut of_b, "to b")].into_iter().zip(&introduced.introduction_ids)
    {
        let told = only!(mail, IntroductionProposed);
        assert_eq!((&told.introduction_id, told.text.as_str()), (side, text));
    }
    for (n, (peer, contact)) in [(a, "08-1"), (b, "08-2")].into_iter().enumerate() {
        let accepted = pb::IntroductionAccepted { contact: contact.into() };
        let request = pb::AnswerIntroductionRequest {
            request_id: id(),
            room_id: room_id(),
            introduction_id: introduced.introduction_ids[n].clone(),
            answer: Some(pb::answer_introduction_request::Answer::Accepted(accepted)),
        };
        let _: pb::AnswerIntroductionResponse = twice(peer, "CoordinationService/AnswerIntroduction", &request).await;
    }
    let own_and_other =
        [(&mut mails.1, 0, "region-b", "REGION-B", "08-2"), (&mut of_b, 1, "region-a", "REGION-A", "08-1")];
    for (mail, n, name, display_name, contact) in own_and_other {
        let new = mail.unread().await;
        let [Content::IntroductionAnswered(own), Content::Introduced(told)] = &new[..] else { panic!("{new:?}") };
        assert_eq!((&own.introduction_id, own.accepted), (&introduced.introduction_ids[n], true));
        let [other] = &told.sides[..] else { panic!("{told:?}") };
        assert_eq!((other.organisation_id.as_str(), other.display_name.as_str()), (name, display_name));
        assert_eq!((&other.introduction_id, other.contact.as_str()), (&introduced.introduction_ids[n], contact));
    }
    mails.0.unread().await;

    let (request_id, terms) = (id(), "Other terms.".to_owned());
    let request = pb::ChangeTermsRequest { request_id, room_id: room_id(), terms };
    let _: pb::ChangeTermsResponse = twice(&cert, "RoomService/ChangeTerms", &request).await;
    let new = mails.1.unread().await;
    let told = |content: &Content| matches!(content, Content::TermsChanged(told) if told.terms == "Other terms.");
    assert!(new.iter().any(told), "{new:?}");
    mails.0.unread().await;
    let (request_id, reference) = (id(), "5000-K1-23".to_owned());
    let request = pb::RecordPoliceReportRequest { request_id, room_id: room_id(), reference };
    let _: pb::RecordPoliceReportResponse = twice(a, "IntakeService/RecordPoliceReport", &request).await;
    for mail in [&mut mails.0, &mut mails.1] {
        let told = only!(mail, PoliceReportMade);
        assert_eq!((organisation(&told.participant), told.reference.as_str()), ("region-a", "5000-K1-23"));
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_of_ones_words_and_report_is_told_to_their_source() {
    let mut world = World::start().await;
    let (cert, peers) = world.peers(["region-a", "region-b", "region-c", "region-d"]).await;
    let [a, b, _, d] = &peers;
    let room = cert.open().await;
    let room_id = || room.clone();
    let mut consent = sharing_logs(pb::Attribution::Named);
    consent.cells[0].sharing = pb::Sharing::Relay.into();
    for peer in &peers {
        cert.bring(&room, peer, consent.clone()).await;
    }
    let mut parents = Vec::new();
    for peer in [a, b] {
        parents.push(peer.post(&room, logs("203.0.113.7 in the log")).await.expect("it is posted").message_id);
    }
    let mut mails = (Mail::of(&cert, &room).await, Mail::of(a, &room).await, Mail::of(b, &room).await);
    let mut of_d = Mail::of(d, &room).await;

    // A source that is not the only one and gets no copy is told that, when and to whom its words went.
    let draft = pb::RelayDraft {
        parent_message_ids: parents.clone(),
        material: pb::Material::Logs.into(),
        tlp: pb::Tlp::Amber.into(),
        text: "two have seen 203.0.113.7".into(),
        recipients: vec!["region-d".into()],
        ..pb::RelayDraft::default()
    };
    let request = pb::PublishRelayRequest { request_id: id(), room_id: room_id(), draft: Some(draft) };
    let relayed: pb::PublishRelayResponse = twice(&cert, "RelayService/PublishRelay", &request).await;
    assert_eq!(only!(mails.0, Message).message_id, relayed.message_id);
    assert_eq!(only!(of_d, Message).message_id, relayed.message_id);
    for (mail, parent) in [&mut mails.1, &mut mails.2].into_iter().zip(&parents) {
        let told = only!(mail, MessageRelayed);
        assert_eq!((&told.message_id, organisations(&told.receivers)), (&relayed.message_id, vec!["region-d"]));
        assert_eq!(told.parent_message_ids, [parent.as_str()], "its own and nobody else's");
    }

    // Why somebody does not see a message: of one's own consent to oneself, of the source's to the coordinator.
    for (peer, words) in [
        (a, "your consent allows only the coordinator's sanitised words for this class"),
        (&cert, "region-a's consent allows only the coordinator's sanitised words for this class"),
    ] {
        let (message_id, participant) = (parents[0].clone(), "region-d".to_owned());
        let request = pb::ExplainAudienceRequest { room_id: room_id(), message_id: message_id.clone(), participant };
        let told: pb::ExplainAudienceResponse =
            peer.call("MessageService/ExplainAudience", &request).await.expect("it is explained");
        assert_eq!((told.sees, told.text.as_str()), (false, words));
        let request = pb::GetReceiptsRequest { room_id: room_id(), message_id, ..pb::GetReceiptsRequest::default() };
        let told: pb::GetReceiptsResponse = peer.call("MessageService/GetReceipts", &request).await.expect("receipts");
        let of_d = told.receipts.iter().find(|one| organisation(&one.participant) == "region-d");
        assert_eq!(of_d.expect("it is in the list").text, words);
    }

    // A report that is read for the coordinator, once for each person and version.
    let report = pb::IntakeReport { what_occurred: "a login at night".into(), ..pb::IntakeReport::default() };
    let (request_id, report) = (id(), Some(report));
    let request = pb::AmendReportRequest { request_id, room_id: room_id(), report };
    let _: pb::AmendReportResponse = twice(a, "IntakeService/AmendReport", &request).await;
    for mail in [&mut mails.0, &mut mails.1] {
        only!(mail, ReportFiled);
    }
    let request =
        pb::GetReportRequest { room_id: room_id(), participant: "region-a".into(), ..pb::GetReportRequest::default() };
    let _: pb::GetReportResponse = twice(&cert, "IntakeService/GetReport", &request).await;
    for mail in [&mut mails.0, &mut mails.1] {
        let told = only!(mail, ReportRead);
        assert_eq!((organisation(&told.participant), told.actor.as_str()), ("region-a", "org/cert-se/user/duty"));
    }

    // An organisation that reports itself is reminded after a day.
    let reports_itself = Some(pb::PoliceAnswer::OrganisationReportsItself.into());
    let change = pb::ConsentChange { police: reports_itself, ..pb::ConsentChange::default() };
    a.give(&room, change).await.expect("consent");
    for mail in [&mut mails.0, &mut mails.1] {
        only!(mail, ConsentGiven);
    }
    world.advance_clock(24 * HOUR);
    for mail in [&mut mails.0, &mut mails.1] {
        assert_eq!(organisation(&only!(mail, PoliceReportDue).participant), "region-a");
    }
    assert!(mails.2.unread().await.is_empty() && of_d.unread().await.is_empty(), "others learn nothing of it");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_an_export_is_on_record_once_under_its_id_for_who_exports_and_the_coordinator() {
    let Cast { mut world, cert, peers, room } = cast().await;
    let [a, b, _] = &peers;
    let (mut to_a, mut to_b) = (Mail::of(a, &room).await, Mail::of(b, &room).await);
    let mut to_cert = Mail::of(&cert, &room).await;
    let request = pb::RecordExportRequest { request_id: id(), room_id: room.clone() };
    let begun: pb::RecordExportResponse = twice(a, "RoomService/RecordExport", &request).await;
    for mail in [&mut to_a, &mut to_cert] {
        let told = only!(mail, RoomExported);
        assert_eq!(told.export_id, begun.export_id);
        assert_eq!((organisation(&told.participant), told.actor.as_str()), ("region-a", "org/region-a/user/duty"));
    }
    assert_eq!(to_b.unread().await, []);
    world.stop().await;
}
