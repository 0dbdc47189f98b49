//! What was erased is nowhere: not in the store, not in an older copy of it, not in a backup, with whatever key survives. What was not
//! erased is as it was, and all of it verifies.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use samverkan::api as pb;
use samverkan::contents::{Contents, Place};
use samverkan::engine::Rates;
use samverkan::room::event::{Entry, Event};
use samverkan::room::ids::{RoomId, UploadId};
use samverkan::sealing::{KeyEncryptionKey, KeySource};
use samverkan::store::Store as _;
use samverkan::store::codec::Opened;
use samverkan::store::replay::replay;
use samverkan::store::sled::{SledOptions, SledStore, UnlockError};
use serde_json::Value;

use crate::at_rest::found;
use crate::attachments::{download, log, post, shown, upload};
use crate::backup::{Ground, RESTORE, everything};
use crate::world::{Peer, World, appearing, id, logs, reason, sharing_logs, texts};

/// In everything that the erased organisation says, and in nothing else.
const CANARY: &str = "CANARY-ERASED";
/// In what the others say.
const KEPT: &str = "CANARY-KEPT";

async fn propose(
    peer: &Peer,
    room: &str,
    scope: pb::propose_erasure_request::Scope,
) -> Result<pb::ProposeErasureResponse, tonic::Status> {
    let (request_id, room_id, scope) = (id(), room.to_owned(), Some(scope));
    let request = pb::ProposeErasureRequest { request_id, room_id, scope, basis: "GDPR article 17".into() };
    peer.call("ErasureService/ProposeErasure", &request).await
}

fn confirming(room: &str, erasure_id: String) -> pb::ConfirmErasureRequest {
    pb::ConfirmErasureRequest { request_id: id(), room_id: room.to_owned(), erasure_id }
}

/// Erases, as two persons.
pub(crate) async fn erase(
    world: &World,
    room: &str,
    scope: pb::propose_erasure_request::Scope,
) -> pb::ConfirmErasureResponse {
    let (duty, olle) = (world.peer("cert-se/user/duty").await, world.peer("cert-se/user/olle").await);
    let proposed = propose(&duty, room, scope).await.expect("proposed");
    olle.call("ErasureService/ConfirmErasure", &confirming(room, proposed.erasure_id)).await.expect("confirmed")
}

async fn erasures(peer: &Peer, room: &str) -> pb::ListErasuresResponse {
    let request = pb::ListErasuresRequest { room_id: room.to_owned(), ..Default::default() };
    peer.call("ErasureService/ListErasures", &request).await.expect("a list")
}

fn key(path: &Path) -> KeyEncryptionKey {
    KeySource::File(path.to_owned()).load().expect("a key")
}

fn open(store: &Path, keys: &[KeyEncryptionKey]) -> Result<SledStore, UnlockError> {
    let options = SledOptions { reserve_mib: 0, ..SledOptions::default() };
    let mut opened = SledStore::open(store, options).expect("a store");
    opened.unlock(keys).map(|()| opened)
}

/// Everything that a store says with these keys, once every frame was verified: the words of every entry, and room states.
fn said(store: &SledStore) -> String {
    let mut all = String::new();
    for room in store.rooms().expect("rooms").into_iter().filter(|room: &RoomId| room.is_room()) {
        let each = |_, opened: Opened<Entry>| {
            opened.entries.iter().for_each(|entry| all.push_str(&words(&entry.event)));
            Ok(())
        };
        replay(store, room, each).expect("every digest verifies");
        let state = store.snapshot(room).unwrap_or_default();
        all.push_str(&String::from_utf8_lossy(&state));
    }
    all
}

fn words(event: &Event) -> String {
    match event {
        Event::RoomOpened { title, terms, .. } => format!("{title}\n{terms}\n"),
        Event::MessagePosted { message, .. } | Event::RelayPublished { message, .. } => format!("{}\n", message.text),
        Event::ReportFiled { report, .. } => format!("{}\n{}\n", report.what_occurred, report.help_wanted),
        Event::MessageRetracted { reason, .. } | Event::ParticipantRemoved { reason, .. } => format!("{reason}\n"),
        Event::RecallAnswered { comment, .. } | Event::AskAnswered { comment, .. } => format!("{comment}\n"),
        Event::AskSuggested { reason, .. } | Event::ConsentAsked { reason, .. } => format!("{reason}\n"),
        Event::PoliceReportMade { reference, .. } => format!("{reference}\n"),
        other => format!("{other:?}\n"),
    }
}

/// The words are in none of the files, and in nothing that these keys open.
fn is_clean(store: &Path, keys: &[KeyEncryptionKey], what: &str) {
    assert_eq!(found(store, &[CANARY]), [0], "{what}: in a file");
    let opened = open(store, keys).expect(what);
    let said = said(&opened);
    assert!(!said.contains(CANARY), "{what}: opened with a key");
    assert!(said.contains(KEPT), "{what}: what was not erased is there");
}

/// A room in which `region-a` says all that can be said, and others say something. Who has read all of it: the coordinator and `region-b`.
async fn incident(world: &World) -> (Peer, pb::ReportIncidentRequest, String) {
    let (coordinator, [a, b]) = world.peers(["region-a", "region-b"]).await;
    let report = pb::IntakeReport {
        what_occurred: format!("{CANARY}-what"),
        help_wanted: format!("{CANARY}-help"),
        sharing_consent: Some(sharing_logs(pb::Attribution::Named)),
        ..Default::default()
    };
    let request = pb::ReportIncidentRequest { request_id: id(), report: Some(report) };
    let opened: pb::ReportIncidentResponse = a.call("IntakeService/ReportIncident", &request).await.expect("reported");
    let again: pb::ReportIncidentResponse = a.call("IntakeService/ReportIncident", &request).await.expect("known");
    assert_eq!(again.room_id, opened.room_id);
    let room = opened.room_id;
    coordinator.bring(&room, &b, sharing_logs(pb::Attribution::Named)).await;
    for number in 0..300 {
        a.post(&room, logs(&format!("{CANARY}-{number}"))).await.expect("posted");
        b.post(&room, logs(&format!("{KEPT}-{number}"))).await.expect("posted");
    }
    // A recall by region-b, which region-a answers in words that the room's state keeps.
    a.list(&room, 0).await.expect("a page");
    let withdraw = pb::WithdrawConsentRequest {
        request_id: id(),
        room_id: room.clone(),
        scope: Some(pb::withdraw_consent_request::Scope::Material(pb::Material::Logs.into())),
        recall_answer_by_time: Some(prost_types::Timestamp { seconds: world.now() / 1_000_000 + 3600, nanos: 0 }),
    };
    let withdrawn: pb::WithdrawConsentResponse =
        b.call("ConsentService/WithdrawConsent", &withdraw).await.expect("withdrawn");
    a.list(&room, 0).await.expect("a page");
    everything(&a, &room).await;
    let answer = pb::AnswerRecallRequest {
        request_id: id(),
        room_id: room.clone(),
        recall_id: withdrawn.recall_id,
        answer: pb::RecallAnswer::CannotDelete.into(),
        comment: format!("{CANARY}-comment"),
    };
    a.call::<pb::AnswerRecallResponse>("ConsentService/AnswerRecall", &answer).await.expect("answered");
    let mine: pb::PostMessageResponse = a.post(&room, logs(&format!("{CANARY}-wrong"))).await.expect("posted");
    let retract = pb::RetractMessageRequest {
        request_id: id(),
        room_id: room.clone(),
        message_id: mine.message_id,
        reason: format!("{CANARY}-reason"),
    };
    a.call::<pb::RetractMessageResponse>("MessageService/RetractMessage", &retract).await.expect("retracted");
    everything(&b, &room).await;
    everything(&coordinator, &room).await;
    (b, request, room)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_organisation_wrote_is_nowhere_once_it_is_erased_and_the_rest_is_as_it_was() {
    let mut world = World::start().await;
    world.rates = Rates::unlimited();
    world.restart(1).await;
    let ground = Ground::new(&world);
    let (b, report, room) = incident(&world).await;
    let read = everything(&b, &room).await;
    ground.back_up("backups").await;
    // Room states are kept when it stops.
    world.stop().await;
    let first = [key(&world.key())];
    fs::create_dir(ground.path("old")).expect("made");
    copy_all(&world.store(), &ground.path("old"));
    assert!(said(&open(&ground.path("old"), &first).expect("opens")).contains(CANARY), "before");
    world.restart(1).await;

    let scope = pb::propose_erasure_request::Scope::Participant("region-a".into());
    let erased = erase(&world, &room, scope).await;
    assert_eq!(erased.pending_key_id, first[0].id().to_string(), "copies of the keyring are opened by it");
    let (a, b) = (world.peer("region-a").await, world.peer("region-b").await);
    let coordinator = world.peer("cert-se").await;
    a.post(&room, logs(&format!("{KEPT}-after"))).await.expect("life goes on");
    check(&coordinator, &a, &b, &room, &read).await;
    let list = erasures(&coordinator, &room).await;
    assert!(!list.erasures[0].is_final && list.pending_key_id == first[0].id().to_string(), "{list:?}");
    world.restart(1).await;
    let (a, b) = (world.peer("region-a").await, world.peer("region-b").await);
    let coordinator = world.peer("cert-se").await;
    check(&coordinator, &a, &b, &room, &read).await;
    // By its digest the report could be guessed: that is gone, too.
    let retry = a.call::<pb::ReportIncidentResponse>("IntakeService/ReportIncident", &report).await;
    assert_eq!(reason(&retry.expect_err("unknown")).0, "REQUEST_ID_REUSED");
    world.stop().await;
    is_clean(&world.store(), &first, "the store");

    // The old copy, with the keyring as it is now; and with its own, which is why the key must be changed and destroyed.
    fs::create_dir(ground.path("mixed")).expect("made");
    copy_all(&ground.path("old"), &ground.path("mixed"));
    fs::copy(world.store().join("keyring"), ground.path("mixed/keyring")).expect("copied");
    is_clean(&ground.path("mixed"), &first, "an older copy of the store");
    let second = [KeyEncryptionKey::random()];
    let store = open(&world.store(), &first).expect("opens");
    assert_eq!(store.vault().rotate(&second[0]).expect("written"), Some(first[0].id()));
    assert_eq!(store.vault().erasures_wait_for(), None);
    drop(store);
    fs::remove_file(world.key()).expect("destroyed");
    second[0].write(&world.key()).expect("written");
    let Err(refused) = open(&ground.path("old"), &second) else { panic!("the old keyring opens") };
    assert!(refused.to_string().contains(&first[0].id().to_string()), "{refused}");
    is_clean(&world.store(), &second, "the store with its new key");

    // A backup from before, with the keyring and the key of now: it verifies, and what was erased stays so.
    ground.keep_keys(&world);
    let told = ground.done(&RESTORE).await;
    assert_eq!(told["verified"], true, "{told}");
    let key_file = ground.path("store.key");
    let chain = ["inspect", "chain", "--store", "restored", "--key", key_file.to_str().expect("UTF-8")];
    assert!(lines(&ground, &chain).await.len() >= 3, "every log verifies");
    world.adopt(&ground.path("restored")).await;
    let (a, b) = (world.peer("region-a").await, world.peer("region-b").await);
    let coordinator = world.peer("cert-se").await;
    assert!(erasures(&coordinator, &room).await.erasures.is_empty(), "it does not know of it");
    a.post(&room, logs(&format!("{KEPT}-restored"))).await.expect("at a place that was written before");
    check(&coordinator, &a, &b, &room, &read).await;
    world.restart(1).await;
    let (a, b) = (world.peer("region-a").await, world.peer("region-b").await);
    let now = texts(&everything(&b, &room).await);
    assert!(now.contains(&format!("{KEPT}-restored")), "what is written after a restore can be read");
    // And erased in its turn.
    let scope = pb::propose_erasure_request::Scope::Participant("region-a".into());
    erase(&world, &room, scope).await;
    let now = texts(&everything(&b, &room).await);
    assert!(!now.contains(&format!("{KEPT}-restored")) && now.contains(&format!("{KEPT}-7")), "{now:?}");
    a.post(&room, logs("once more")).await.expect("posted");
    world.restart(1).await;
    let b = world.peer("region-b").await;
    assert_eq!(texts(&everything(&b, &room).await).last().map(String::as_str), Some("once more"));
    world.stop().await;
    is_clean(&world.store(), &second, "the restored store");
}

/// Nobody is shown what was erased; all else stands at its index.
async fn check(coordinator: &Peer, a: &Peer, b: &Peer, room: &str, read: &[pb::Delivery]) {
    for peer in [coordinator, a, b] {
        let all = everything(peer, room).await;
        assert!(texts(&all).iter().all(|text| !text.contains(CANARY)), "{}", peer.organisation);
    }
    let now = everything(b, room).await;
    for (at, before) in read.iter().enumerate() {
        match &before.content {
            Some(pb::delivery::Content::Message(message)) if message.text.contains(CANARY) => {
                assert_eq!(
                    now[at].content,
                    Some(pb::delivery::Content::Withdrawn(pb::Withdrawn {})),
                    "index {}",
                    at + 1
                );
            }
            // What region-a said with it is gone, and the rest of it is there.
            Some(pb::delivery::Content::RecallAnswered(answered)) => {
                let answered = pb::RecallAnswered { comment: String::new(), ..answered.clone() };
                assert_eq!(now[at].content, Some(pb::delivery::Content::RecallAnswered(answered)));
            }
            _ => assert_eq!(now[at], *before, "index {}", at + 1),
        }
    }
    let request =
        pb::GetReportRequest { room_id: room.to_owned(), participant: "region-a".into(), ..Default::default() };
    let report = coordinator.raw("IntakeService/GetReport", &request).await.expect("its versions are there");
    assert!(!String::from_utf8_lossy(&report).contains(CANARY), "without words");
    for peer in [coordinator, a, b] {
        assert!(!String::from_utf8_lossy(&peer.heard()).contains(CANARY), "{}: in any answer", peer.organisation);
    }
}

fn copy_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&to).expect("made");
            copy_all(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("copied");
        }
    }
}

async fn small_room(world: &World) -> (Peer, Peer, Peer, String) {
    let (coordinator, [a, b]) = world.peers(["region-a", "region-b"]).await;
    let room = coordinator.open().await;
    for peer in [&a, &b] {
        coordinator.bring(&room, peer, sharing_logs(pb::Attribution::Named)).await;
    }
    (coordinator, a, b, room)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_message_is_erased_and_a_retry_of_its_post_is_not_answered_from_what_is_gone() {
    let mut world = World::start().await;
    let (_, a, b, room) = small_room(&world).await;
    let draft = logs(&format!("{CANARY}-one"));
    let post = pb::PostMessageRequest { request_id: id(), room_id: room.clone(), draft: Some(draft) };
    let posted: pb::PostMessageResponse = a.call("MessageService/PostMessage", &post).await.expect("posted");
    a.post(&room, logs(&format!("{KEPT}-two"))).await.expect("posted");
    let again: pb::PostMessageResponse = a.call("MessageService/PostMessage", &post).await.expect("known");
    assert_eq!(again.message_id, posted.message_id);
    let read = everything(&b, &room).await;
    let mut live = b.subscribe(&room, read.len() as u64).await.expect("subscribed");

    erase(&world, &room, pb::propose_erasure_request::Scope::MessageId(posted.message_id.clone())).await;
    let batch = live.batch().await.expect("a notice");
    assert!(matches!(batch.deliveries[0].content, Some(pb::delivery::Content::WithdrawalNotice(_))), "{batch:?}");
    // Its digest is gone with it: whether this is the same request can't be told.
    for restarted in [false, true] {
        if restarted {
            world.restart(1).await;
        }
        let a = world.peer("region-a").await;
        let retry = a.call::<pb::PostMessageResponse>("MessageService/PostMessage", &post).await.expect_err("unknown");
        assert_eq!(reason(&retry).0, "REQUEST_ID_REUSED");
        let request = pb::GetReceiptsRequest {
            room_id: room.clone(),
            message_id: posted.message_id.clone(),
            ..Default::default()
        };
        let receipts: pb::GetReceiptsResponse = a.call("MessageService/GetReceipts", &request).await.expect("stay");
        let of_b = receipts.receipts.iter().find(|receipt| {
            receipt.participant.as_ref().is_some_and(|participant| participant.organisation_id == "region-b")
        });
        assert!(of_b.is_some_and(|receipt| receipt.delivered_time.is_some() && !receipt.sees), "{receipts:?}");
    }
    world.stop().await;
    is_clean(&world.store(), &[key(&world.key())], "the store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_whose_keyring_could_not_be_written_is_tried_again_with_the_same_request_and_at_the_next_start() {
    let mut world = World::start().await;
    let (coordinator, a, b, room) = small_room(&world).await;
    a.post(&room, logs(&format!("{CANARY}-one"))).await.expect("posted");
    b.post(&room, logs(&format!("{KEPT}-one"))).await.expect("posted");
    let before = fs::read(world.store().join("keyring")).expect("read");
    let olle = world.peer("cert-se/user/olle").await;

    let in_the_way = world.store().join("keyring.new");
    fs::create_dir(&in_the_way).expect("made");
    let scope = pb::propose_erasure_request::Scope::Participant("region-a".into());
    let proposed = propose(&coordinator, &room, scope).await.expect("proposed");
    let confirm = confirming(&room, proposed.erasure_id);
    for _ in 0..2 {
        let refused = olle.call::<pb::ConfirmErasureResponse>("ErasureService/ConfirmErasure", &confirm).await;
        assert_eq!(reason(&refused.expect_err("not written")).0, "NOT_ERASED");
    }
    assert!(texts(&everything(&b, &room).await).iter().all(|text| !text.contains(CANARY)), "decided all the same");
    fs::remove_dir(&in_the_way).expect("removed");
    let done: pb::ConfirmErasureResponse =
        olle.call("ErasureService/ConfirmErasure", &confirm).await.expect("the same request does it");
    assert!(done.recorded_time.is_some() && !done.pending_key_id.is_empty());
    world.stop().await;
    is_clean(&world.store(), &[key(&world.key())], "the store");

    // As if it had crashed between the record and the keyring.
    fs::write(world.store().join("keyring"), &before).expect("written");
    assert!(said(&open(&world.store(), &[key(&world.key())]).expect("opens")).contains(CANARY));
    world.restart(1).await;
    world.stop().await;
    is_clean(&world.store(), &[key(&world.key())], "the store after a start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_erased_is_refused_in_a_store_that_is_not_encrypted() {
    let world = World::start_unencrypted().await;
    let (coordinator, a, _, room) = small_room(&world).await;
    let whole = || pb::propose_erasure_request::Scope::Room(pb::WholeRoom {});
    let refused = propose(&coordinator, &room, whole()).await.expect_err("no keys");
    assert_eq!(reason(&refused).0, "STORE_NOT_ENCRYPTED");
    let refused = propose(&a, &room, whole()).await.expect_err("the coordinator's");
    assert_eq!(reason(&refused).0, "COORDINATOR_ONLY");
}

/// What a command lists.
async fn lines(ground: &Ground, arguments: &[&str]) -> Vec<Value> {
    let output = ground.run(arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A hold, a policy and what is due, through the program.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_erases_itself_what_is_due_is_listed_and_a_hold_is_told() {
    let mut world = World::start().await;
    let ground = Ground::new(&world);
    let (coordinator, a, b, room) = small_room(&world).await;
    a.post(&room, logs(&format!("{CANARY}-one"))).await.expect("posted");
    let context = ["--context", "cert-se", "--room", &room];
    let run = |words: &'static str| words.split(' ').chain(context).collect::<Vec<_>>();
    let due = ["retention", "due", "--context", "cert-se"];
    ground.done(&run("retention set --years 5")).await;
    assert_eq!(lines(&ground, &due).await, Vec::<Value>::new(), "it is open");
    let close = pb::CloseRoomRequest { request_id: id(), room_id: room.clone() };
    coordinator.call::<pb::CloseRoomResponse>("RoomService/CloseRoom", &close).await.expect("closed");
    assert_eq!(lines(&ground, &due).await, Vec::<Value>::new(), "not yet");
    const YEAR: i64 = 365 * 24 * 3600 * 1_000_000;
    world.advance_clock(5 * YEAR + YEAR / 100);
    let listed = lines(&ground, &due).await;
    assert_eq!((&listed[0]["room_id"], &listed[0]["is_due"]), (&room.as_str().into(), &true.into()), "{listed:?}");
    assert_eq!(texts(&everything(&b, &room).await).len(), 1, "nothing erases itself");

    ground.done(&run("hold place --reason prosecutor")).await;
    ground.refused(&run("erasure propose --whole-room --basis retention"), 3, &["legal hold", "hold lift"]).await;
    let listed = lines(&ground, &due).await;
    assert_eq!((&listed[0]["has_legal_hold"], &listed[0]["hold_reason"]), (&true.into(), &"prosecutor".into()));
    ground.done(&run("hold lift --reason over")).await;
    let proposed = ground.done(&run("erasure propose --whole-room --basis retention")).await;
    let erasure_id = proposed["erasure_id"].as_str().expect("an id").to_owned();
    let alone = ["erasure", "confirm", &erasure_id, "--yes", "--context", "cert-se", "--room", &room];
    ground.refused(&alone, 3, &["another person"]).await;
    let olle = world.peer("cert-se/user/olle").await;
    let _: pb::ConfirmErasureResponse =
        olle.call("ErasureService/ConfirmErasure", &confirming(&room, erasure_id)).await.expect("confirmed");
    assert_eq!(lines(&ground, &due).await, Vec::<Value>::new(), "it is done");
    let listed = lines(&ground, &run("erasure list")).await;
    assert_eq!((&listed[0]["scope"]["room"], &listed[0]["is_final"]), (&true.into(), &false.into()), "{listed:?}");
    let rooms: pb::ListRoomsResponse =
        coordinator.call("RoomService/ListRooms", &pb::ListRoomsRequest::default()).await.expect("rooms");
    assert_eq!(rooms.rooms[0].title, "", "the title is gone, too");
    assert_eq!(texts(&everything(&b, &room).await).len(), 0);
    let acts = ["retention_set", "legal_hold_placed", "legal_hold_lifted", "erasure_proposed", "payloads_erased"];
    let request = pb::ListAuditRecordsRequest { kinds: acts.map(str::to_owned).to_vec(), ..Default::default() };
    let trail: pb::ListAuditRecordsResponse =
        coordinator.call("AuditService/ListAuditRecords", &request).await.expect("records");
    assert_eq!(trail.records.iter().map(|record| record.kind.as_str()).collect::<Vec<_>>(), acts);
    let erased = trail.records.last().expect("a record");
    let who = (erased.actor.as_str(), erased.subject.as_str(), erased.detail.as_str());
    assert_eq!(who, ("org/cert-se/user/olle", "org/cert-se/user/duty", "room"));
    // Page by page: what waits first, then what is done.
    let again = propose(&coordinator, &room, pb::propose_erasure_request::Scope::Participant("region-b".into())).await;
    let again = again.expect("proposed").erasure_id;
    let mut request = pb::ListErasuresRequest { room_id: room.clone(), page_size: 1, ..Default::default() };
    let mut pages = Vec::new();
    loop {
        let page: pb::ListErasuresResponse =
            coordinator.call("ErasureService/ListErasures", &request).await.expect("one");
        pages.extend(page.erasures.iter().map(|erasure| (erasure.erasure_id.clone(), erasure.erased_time.is_some())));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(pages.len() == 2 && pages[0] == (again, false) && pages[1].1, "{pages:?}");
    world.stop().await;
    assert!(!said(&open(&world.store(), &[key(&world.key())]).expect("opens")).contains(CANARY));
}

/// Whether what lies where attachments are kept opens with these keys.
async fn opens(store: &Path, keys: &[KeyEncryptionKey], place: &Place) -> bool {
    let store = open(store, keys).expect("opens");
    let contents = Contents::new(Arc::new(store), Some(HashSet::new()));
    contents.complete(place).await.expect("the storage answers").is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attachment_goes_with_its_message_and_stays_gone_in_a_restored_backup() {
    let mut world = World::start().await;
    let ground = Ground::new(&world);
    let (coordinator, a, b, room) = small_room(&world).await;
    coordinator.register("region-c").await.expect("registered");
    let c = world.peer("region-c").await;
    coordinator.bring(&room, &c, appearing(pb::Attribution::Named)).await;
    // One that is erased, and one that is not, of the same organisation.
    let (bytes, kept_bytes) = (CANARY.repeat(100_000).into_bytes(), log(1000));
    let upload_id = upload(&a, &room, &bytes).await;
    let place = Place::of_upload(
        RoomId(room.parse().expect("a UUID")),
        &"org/region-a/user/duty".parse().expect("an actor"),
        UploadId(upload_id.parse().expect("a UUID")),
    );
    let name = format!("{CANARY}.log");
    let material = pb::Material::Logs.into();
    let attachments = vec![pb::AttachmentDraft { upload_id, name, media_type: String::new(), material }];
    let recipients = vec!["region-b".into()];
    let draft = pb::MessageDraft { attachments, recipients, ..logs(&format!("{CANARY}-carrier")) };
    let posted = a.post(&room, draft).await.expect("posted");
    let attachment = posted.attachment_message_ids[0].clone();
    let (_, kept) = post(&a, &room, KEPT, &kept_bytes).await;
    assert_eq!(shown(&b, &room).await.len(), 2);
    assert!(download(&b, &room, &attachment, (0, 0)).await.expect("consent names it") == bytes);
    // region-c is another affected organisation, and is none of the recipients.
    assert_eq!(shown(&c, &room).await.len(), 1);
    assert!(download(&c, &room, &attachment, (0, 0)).await.is_err());
    ground.back_up("backups").await;
    world.stop().await;
    let first = [key(&world.key())];
    assert!(opens(&world.store(), &first, &place).await, "before");
    fs::create_dir(ground.path("old")).expect("made");
    copy_all(&world.store(), &ground.path("old"));
    world.restart(1).await;

    let b = world.peer("region-b").await;
    let scope = pb::propose_erasure_request::Scope::MessageId(posted.message_id);
    erase(&world, &room, scope).await;
    for peer in [&b, &world.peer("cert-se").await, &world.peer("region-a").await] {
        let left = shown(peer, &room).await;
        assert_eq!(left.len(), 1, "{}", peer.organisation);
        assert!(!left[0].1.name.contains(CANARY));
        let refused = download(peer, &room, &attachment, (0, 0)).await.expect_err("gone");
        assert_eq!(reason(&refused).0, "MESSAGE_NOT_VISIBLE", "{}", peer.organisation);
        assert!(download(peer, &room, &kept, (0, 0)).await.expect("not erased") == kept_bytes);
    }
    let folders = fs::read_dir(world.store().join("attachments")).expect("a folder").count();
    assert_eq!(folders, 1, "its space is free");
    world.stop().await;
    is_clean(&world.store(), &first, "the store");
    fs::copy(world.store().join("keyring"), ground.path("old/keyring")).expect("copied");
    is_clean(&ground.path("old"), &first, "an older copy, with the keyring of now");
    assert!(!opens(&ground.path("old"), &first, &place).await, "what lies there does not open");

    ground.keep_keys(&world);
    let told = ground.done(&RESTORE).await;
    assert_eq!((&told["verified"], &told["attachments"]), (&Value::from(true), &Value::from(2)), "{told}");
    assert!(!opens(&ground.path("restored"), &first, &place).await, "it is there and does not open");
    world.adopt(&ground.path("restored")).await;
    let b = world.peer("region-b").await;
    assert_eq!(shown(&b, &room).await.len(), 1);
    let refused = download(&b, &room, &attachment, (0, 0)).await.expect_err("gone");
    assert_eq!(reason(&refused).0, "MESSAGE_NOT_VISIBLE");
    assert!(download(&b, &room, &kept, (0, 0)).await.expect("not erased") == kept_bytes);
    world.stop().await;
    is_clean(&world.store(), &first, "the restored store");
}
