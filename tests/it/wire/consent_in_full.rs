//! What a third party hears while two others release, relay, ask, recall and disclose: nothing that it may not see, in any byte that it
//! receives and in any line that the server logs; and what it may not see is answered like what does not exist.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use prost::Message;
use samverkan::api as pb;
use sha2::{Digest as _, Sha256};
use tonic::Status;
use tracing_subscriber::EnvFilter;

use crate::world::{Peer, World, appearing, id, logs, reason, sharing_logs};

const A: &str = "canary-quiet-a";
const ANNA: &str = "canary-anna-x";
const TEXT: &str = "CANARY-IN-FULL";

/// Everything that this process has logged since it was first asked.
fn log() -> Arc<Mutex<Vec<u8>>> {
    #[derive(Clone)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    static LOG: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log(Arc::default());
        let writer = log.clone();
        // All that the server itself can say, and what what it stands on says when somebody looks for a fault.
        let filter = EnvFilter::new(std::env::var("SAMVERKAN_LOG").unwrap_or("samverkan=trace,debug".to_owned()));
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone());
        subscriber.try_init().expect("no other test sets its own");
        log.0
    })
    .clone()
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

fn soon(world: &World) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: world.now() / 1_000_000 + 3600, nanos: 0 })
}

/// What A, C and the coordinator do, none of which concerns B.
struct Hidden {
    /// A message of A's.
    message: String,
    release: String,
    ask: String,
    recall: String,
    relay: String,
    introduction: String,
    disclosure: String,
}

async fn among_others(world: &World, room: &str, cert: &Peer, a: &Peer, c: &Peer) -> Hidden {
    let (room_id, c_name) = (room.to_owned(), c.organisation.clone());
    let posted = a.post(room, logs(&format!("{TEXT} one"))).await.expect("it is posted").message_id;
    let kept = a.post(room, logs(&format!("{TEXT} two"))).await.expect("it is posted").message_id;
    let request = pb::ReleaseMessagesRequest {
        request_id: id(),
        room_id: room_id.clone(),
        message_ids: vec![posted.clone(), kept.clone()],
        recipients: vec![c_name.clone()],
    };
    let released: pb::ReleaseMessagesResponse =
        a.call("ConsentService/ReleaseMessages", &request).await.expect("released");
    let page = c.list(room, 0).await.expect("a page");
    assert!(crate::world::texts(&page.deliveries).contains(&format!("{TEXT} one")), "C has it");
    let request = pb::AskForConsentRequest {
        request_id: id(),
        room_id: room_id.clone(),
        source: a.organisation.clone(),
        subject: Some(pb::ask_for_consent_request::Subject::Material(pb::Material::Data.into())),
        to: Some(pb::ask_for_consent_request::To::Participants(pb::ParticipantNames { names: vec![c_name.clone()] })),
        reason: format!("{TEXT} reason"),
        answer_by_time: soon(world),
    };
    let asked: pb::AskForConsentResponse = cert.call("ConsentService/AskForConsent", &request).await.expect("asked");
    let request = pb::PublishRelayRequest {
        request_id: id(),
        room_id: room_id.clone(),
        draft: Some(pb::RelayDraft {
            parent_message_ids: vec![posted.clone()],
            material: pb::Material::Information.into(),
            tlp: pb::Tlp::Amber.into(),
            text: format!("{TEXT} relayed"),
            recipients: vec![c_name.clone()],
            ..pb::RelayDraft::default()
        }),
    };
    let relayed: pb::PublishRelayResponse = cert.call("RelayService/PublishRelay", &request).await.expect("relayed");
    let request = pb::WithdrawConsentRequest {
        request_id: id(),
        room_id: room_id.clone(),
        scope: Some(pb::withdraw_consent_request::Scope::MessageId(kept)),
        recall_answer_by_time: soon(world),
    };
    let withdrawn: pb::WithdrawConsentResponse =
        a.call("ConsentService/WithdrawConsent", &request).await.expect("withdrawn");
    let side =
        |participant: &str| pb::IntroductionSide { participant: participant.to_owned(), text: format!("{TEXT} words") };
    let request = pb::ProposeIntroductionRequest {
        request_id: id(),
        room_id: room_id.clone(),
        sides: vec![side(&a.organisation), side(&c_name)],
    };
    let introduced: pb::ProposeIntroductionResponse =
        cert.call("CoordinationService/ProposeIntroduction", &request).await.expect("proposed");
    let request = pb::ProposeLegalDisclosureRequest {
        request_id: id(),
        room_id,
        statute: format!("{TEXT} statute"),
        message_ids: vec![posted.clone()],
        receiver: c_name,
        suppress_until_time: None,
    };
    let proposed: pb::ProposeLegalDisclosureResponse =
        cert.call("CoordinationService/ProposeLegalDisclosure", &request).await.expect("proposed");
    answers_among_others(world, room, cert, a, c, [&asked.ask_id, &withdrawn.recall_id], &introduced).await;
    Hidden {
        message: posted,
        release: released.release_id,
        ask: asked.ask_id,
        recall: withdrawn.recall_id,
        relay: relayed.message_id,
        introduction: introduced.introduction_ids[0].clone(),
        disclosure: proposed.disclosure_id,
    }
}

/// What they answer, and what else has words of theirs.
async fn answers_among_others(
    world: &World,
    room: &str,
    cert: &Peer,
    a: &Peer,
    c: &Peer,
    [ask_id, recall_id]: [&String; 2],
    introduced: &pb::ProposeIntroductionResponse,
) {
    let (room_id, words) = (|| room.to_owned(), |what: &str| format!("{TEXT} {what}"));
    c.list(room, 0).await.expect("a page");
    let (answer, comment) = (pb::RecallAnswer::RetainedByLaw.into(), words("recall"));
    let recall_id = recall_id.clone();
    let request = pb::AnswerRecallRequest { request_id: id(), room_id: room_id(), recall_id, answer, comment };
    c.raw("ConsentService/AnswerRecall", &request).await.expect("it had it");
    let (ask_id, answer, comment) = (ask_id.clone(), pb::AskAnswer::No.into(), words("answer"));
    let request = pb::AnswerAskRequest { request_id: id(), room_id: room_id(), ask_id, answer, comment };
    a.raw("ConsentService/AnswerAsk", &request).await.expect("it was asked");
    for (peer, introduction_id) in [a, c].into_iter().zip(introduced.introduction_ids.clone()) {
        let accepted = pb::IntroductionAccepted { contact: words("contact") };
        let answer = Some(pb::answer_introduction_request::Answer::Accepted(accepted));
        let request = pb::AnswerIntroductionRequest { request_id: id(), room_id: room_id(), introduction_id, answer };
        peer.raw("CoordinationService/AnswerIntroduction", &request).await.expect("it was proposed to it");
    }
    let (source, material, reason) = (String::new(), pb::Material::Data.into(), words("suggestion"));
    let request = pb::SuggestAskRequest { request_id: id(), room_id: room_id(), source, material, reason };
    c.raw("ConsentService/SuggestAsk", &request).await.expect("suggested");
    let report = pb::IntakeReport {
        what_occurred: words("what"),
        how_discovered: words("how"),
        countermeasures: words("countermeasures"),
        help_wanted: words("help"),
        contacts_made: words("contacts"),
        ..pb::IntakeReport::default()
    };
    let request = pb::AmendReportRequest { request_id: id(), room_id: room_id(), report: Some(report) };
    a.raw("IntakeService/AmendReport", &request).await.expect("filed");
    let request = pb::RecordPoliceReportRequest { request_id: id(), room_id: room_id(), reference: words("police") };
    a.raw("IntakeService/RecordPoliceReport", &request).await.expect("recorded");
    let participant = a.organisation.clone();
    let request = pb::GetReportRequest {
        room_id: room_id(),
        participant: participant.clone(),
        ..pb::GetReportRequest::default()
    };
    cert.raw("IntakeService/GetReport", &request).await.expect("a report");
    let request = pb::SeeAsRequest { room_id: room_id(), participant, ..pb::SeeAsRequest::default() };
    cert.raw("CoordinationService/SeeAs", &request).await.expect("what it sees");
    let draft = pb::MessageDraft { tlp: pb::Tlp::Red.into(), red_actors: vec![actor_of_a()], ..logs(&words("red")) };
    let red = a.post(room, draft).await.expect("it is posted").message_id;
    let request =
        pb::RetractMessageRequest { request_id: id(), room_id: room_id(), message_id: red, reason: words("void") };
    a.raw("MessageService/RetractMessage", &request).await.expect("retracted");
    // Refusals about words of theirs, a text that is too long among them.
    let refused = [
        logs(&words("long").repeat(10_000)),
        pb::MessageDraft { recipients: vec![words("name")], ..logs(&words("to nobody")) },
        pb::MessageDraft { red_actors: vec![actor_of_a()], ..logs(&words("not red")) },
    ];
    for draft in refused {
        a.post(room, draft).await.expect_err("it is refused");
    }
    let stranger = world.peer(&format!("{A}-stranger/user/{ANNA}")).await;
    stranger.list(room, 0).await.expect_err("it is not admitted");
}

fn actor_of_a() -> String {
    format!("org/{A}/user/{ANNA}")
}

/// All that a status says, but for what is drawn anew for each call.
fn bytes_of(status: &Status) -> String {
    format!("{:?} {} {:?}", status.code(), status.message(), status.details())
}

/// B asks with these ids, for everything that takes one.
async fn ask_with(b: &Peer, room: &str, ids: &Hidden) -> Vec<(&'static str, String)> {
    let mut answers = Vec::new();
    let room_id = room.to_owned();
    async fn refused(peer: &Peer, method: &'static str, request: &impl Message) -> (&'static str, String) {
        let status = peer.raw(method, request).await.expect_err(method);
        (method, bytes_of(&status))
    }
    for message_id in [&ids.message, &ids.relay] {
        let message_id = message_id.clone();
        let request = pb::GetReceiptsRequest {
            room_id: room_id.clone(),
            message_id: message_id.clone(),
            ..pb::GetReceiptsRequest::default()
        };
        answers.push(refused(b, "MessageService/GetReceipts", &request).await);
        let participant = b.organisation.clone();
        let request =
            pb::ExplainAudienceRequest { room_id: room_id.clone(), message_id: message_id.clone(), participant };
        answers.push(refused(b, "MessageService/ExplainAudience", &request).await);
        let request = pb::RetractMessageRequest {
            request_id: id(),
            room_id: room_id.clone(),
            message_id: message_id.clone(),
            reason: "x".into(),
        };
        answers.push(refused(b, "MessageService/RetractMessage", &request).await);
        let request = pb::AcknowledgeMessageRequest {
            request_id: id(),
            room_id: room_id.clone(),
            message_id: message_id.clone(),
        };
        answers.push(refused(b, "MessageService/AcknowledgeMessage", &request).await);
        let request = pb::ReleaseMessagesRequest {
            request_id: id(),
            room_id: room_id.clone(),
            message_ids: vec![message_id.clone()],
            recipients: vec!["org-c".into()],
        };
        answers.push(refused(b, "ConsentService/ReleaseMessages", &request).await);
        let request = pb::WithdrawConsentRequest {
            request_id: id(),
            room_id: room_id.clone(),
            scope: Some(pb::withdraw_consent_request::Scope::MessageId(message_id.clone())),
            recall_answer_by_time: None,
        };
        answers.push(refused(b, "ConsentService/WithdrawConsent", &request).await);
        let request = pb::ApproveRelayRequest {
            request_id: id(),
            room_id: room_id.clone(),
            message_id: message_id.clone(),
            text_sha256: vec![0; 32].into(),
            recipients: Vec::new(),
        };
        answers.push(refused(b, "RelayService/ApproveRelay", &request).await);
        let request = pb::RejectRelayRequest {
            request_id: id(),
            room_id: room_id.clone(),
            message_id: message_id.clone(),
            reason: "x".into(),
        };
        answers.push(refused(b, "RelayService/RejectRelay", &request).await);
        let draft = pb::MessageDraft { supersedes: message_id.clone(), ..logs("x") };
        let request = pb::PostMessageRequest { request_id: id(), room_id: room_id.clone(), draft: Some(draft.clone()) };
        answers.push(refused(b, "MessageService/PostMessage", &request).await);
        let draft = pb::MessageDraft { in_reply_to: message_id, supersedes: String::new(), ..draft };
        let request = pb::PreviewAudienceRequest { room_id: room_id.clone(), draft: Some(draft) };
        answers.push(refused(b, "ConsentService/PreviewAudience", &request).await);
    }
    let release_id = ids.release.clone();
    let request = pb::RevokeReleaseRequest { request_id: id(), room_id: room_id.clone(), release_id };
    answers.push(refused(b, "ConsentService/RevokeRelease", &request).await);
    let request = pb::AnswerAskRequest {
        request_id: id(),
        room_id: room_id.clone(),
        ask_id: ids.ask.clone(),
        answer: pb::AskAnswer::No.into(),
        comment: String::new(),
    };
    answers.push(refused(b, "ConsentService/AnswerAsk", &request).await);
    let request = pb::AnswerRecallRequest {
        request_id: id(),
        room_id: room_id.clone(),
        recall_id: ids.recall.clone(),
        answer: pb::RecallAnswer::Deleted.into(),
        comment: String::new(),
    };
    answers.push(refused(b, "ConsentService/AnswerRecall", &request).await);
    let declined = pb::answer_introduction_request::Answer::Declined(pb::IntroductionDeclined::default());
    let request = pb::AnswerIntroductionRequest {
        request_id: id(),
        room_id: room_id.clone(),
        introduction_id: ids.introduction.clone(),
        answer: Some(declined),
    };
    answers.push(refused(b, "CoordinationService/AnswerIntroduction", &request).await);
    let disclosure_id = ids.disclosure.clone();
    let request = pb::ConfirmLegalDisclosureRequest { request_id: id(), room_id: room_id.clone(), disclosure_id };
    answers.push(refused(b, "CoordinationService/ConfirmLegalDisclosure", &request).await);
    for participant in [A, "org-c", "nobody"] {
        let request = pb::SeeAsRequest {
            room_id: room_id.clone(),
            participant: participant.to_owned(),
            ..pb::SeeAsRequest::default()
        };
        answers.push(refused(b, "CoordinationService/SeeAs", &request).await);
    }
    let request = pb::ListConnectionsRequest { room_id, ..pb::ListConnectionsRequest::default() };
    answers.push(refused(b, "CoordinationService/ListConnections", &request).await);
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_what_others_do_with_consent_is_in_no_byte_that_a_third_receives_and_in_no_log_line() {
    let log = log();
    let mut world = World::start().await;
    let (cert, [a, b, c]) = world.peers([A, "org-b", "org-c"]).await;
    let anna = world.peer(&format!("{A}/user/{ANNA}")).await;
    let room = cert.open().await;
    let other_room = cert.open().await;
    cert.bring(&room, &a, appearing(pb::Attribution::Pseudonym)).await;
    cert.bring(&room, &b, sharing_logs(pb::Attribution::Named)).await;
    cert.bring(&room, &c, sharing_logs(pb::Attribution::Named)).await;
    cert.bring(&other_room, &a, appearing(pb::Attribution::Pseudonym)).await;
    cert.bring(&other_room, &c, sharing_logs(pb::Attribution::Named)).await;
    let hidden = among_others(&world, &room, &cert, &anna, &c).await;
    let elsewhere = among_others(&world, &other_room, &cert, &anna, &c).await;
    let unknown = Hidden {
        message: id(),
        release: id(),
        ask: id(),
        recall: id(),
        relay: id(),
        introduction: id(),
        disclosure: id(),
    };
    let expected = ask_with(&b, &room, &unknown).await;
    assert_eq!(ask_with(&b, &room, &hidden).await, expected, "another's, and one that is not there");
    assert_eq!(ask_with(&b, &room, &elsewhere).await, expected, "of another room, and one that is not there");
    // A room in which it isn't, and one that is not there.
    let foreign = ask_with(&b, &other_room, &elsewhere).await;
    assert_eq!(foreign, ask_with(&b, &id(), &elsewhere).await);
    for (method, _) in &foreign {
        assert!(expected.iter().any(|(known, _)| known == method));
    }
    b.list(&room, 0).await.expect("a page");
    let heard = b.heard();
    assert!(heard.len() > 1000, "it heard something");
    let certificate = world.certificate(&format!("{A}/user/{ANNA}"));
    let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).expect("a certificate");
    let (serial, fingerprint) = (parsed.raw_serial().to_vec(), Sha256::digest(&certificate).to_vec());
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for field in [&serial[..], &fingerprint[..8], parsed.public_key().raw] {
        let found = heard.windows(field.len()).any(|window| window == field);
        assert!(!found && !holds(&heard, &hex(field)), "a field of a certificate reached org-b");
    }
    for word in [A, ANNA, TEXT, &hidden.message, &hidden.release, &hidden.ask, &hidden.recall, &hidden.relay] {
        assert!(!holds(&heard, word), "{word} reached org-b");
    }
    // What was looked for can be found: C has been told what concerns it.
    assert!(holds(&c.heard(), TEXT) && !holds(&c.heard(), A) && !holds(&c.heard(), ANNA));
    let logged = log.lock().expect("not poisoned").clone();
    assert!(holds(&logged, "call answered") && holds(&logged, "call denied"), "there is a log");
    // A certificate is logged by the beginning of its fingerprint, which leads to who has it only with the certificate at hand.
    for word in [TEXT, A, ANNA, &hex(&serial), &hex(&fingerprint)] {
        if let Some(line) = logged.split(|byte| *byte == b'\n').find(|line| holds(line, word)) {
            panic!("{word} is in the log: {}", line.escape_ascii());
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_of_each_new_write_has_one_effect_and_the_same_answer() {
    let mut world = World::start().await;
    let (cert, [a, b]) = world.peers(["org-a", "org-b"]).await;
    let room = cert.open().await;
    cert.bring(&room, &a, appearing(pb::Attribution::Named)).await;
    cert.bring(&room, &b, appearing(pb::Attribution::Named)).await;
    let posted = a.post(&room, logs("x")).await.expect("it is posted").message_id;
    let request = pb::ReleaseMessagesRequest {
        request_id: id(),
        room_id: room.clone(),
        message_ids: vec![posted.clone()],
        recipients: vec!["org-b".into()],
    };
    let first = a.raw("ConsentService/ReleaseMessages", &request).await.expect("released");
    let again = a.raw("ConsentService/ReleaseMessages", &request).await.expect("released");
    assert_eq!(first, again);
    let changed = pb::ReleaseMessagesRequest { message_ids: vec![id()], ..request };
    let status = a.raw("ConsentService/ReleaseMessages", &changed).await.expect_err("another content");
    assert_eq!(reason(&status).0, "REQUEST_ID_REUSED");
    let request = pb::WithdrawConsentRequest {
        request_id: id(),
        room_id: room.clone(),
        scope: Some(pb::withdraw_consent_request::Scope::MessageId(posted)),
        recall_answer_by_time: soon(&world),
    };
    let first = a.raw("ConsentService/WithdrawConsent", &request).await.expect("withdrawn");
    let again = a.raw("ConsentService/WithdrawConsent", &request).await.expect("withdrawn");
    assert_eq!(first, again, "the recall's id, too");
    let page = a.list(&room, 0).await.expect("a page");
    let withdrawals = page
        .deliveries
        .iter()
        .filter(|delivery| matches!(delivery.content, Some(pb::delivery::Content::ConsentWithdrawn(_))));
    assert_eq!(withdrawals.count(), 1);
    world.stop().await;
}
