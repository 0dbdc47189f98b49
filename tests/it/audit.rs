//! The audit trail over the wire: what is in it, who may read it, and that it goes on.

use bytes::Bytes;
use prost::Message as _;
use samverkan::api as pb;
use samverkan::api::tail_audit_records_response::Content;
use tonic::Code;

use crate::world::{Answers, Peer, World, appearing, id, logs, reason};

const LIST: &str = "AuditService/ListAuditRecords";
const TAIL: &str = "AuditService/TailAuditRecords";

async fn list(peer: &Peer, request: &pb::ListAuditRecordsRequest) -> Vec<pb::AuditRecord> {
    let mut request = request.clone();
    let mut records = Vec::new();
    loop {
        let page: pb::ListAuditRecordsResponse = peer.call(LIST, &request).await.expect("a page");
        records.extend(page.records);
        if page.next_page_token.is_empty() {
            return records;
        }
        request.page_token = page.next_page_token;
    }
}

fn of_kinds(kinds: &[&str]) -> pb::ListAuditRecordsRequest {
    let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    pb::ListAuditRecordsRequest { kinds, ..pb::ListAuditRecordsRequest::default() }
}

fn kinds(records: &[pb::AuditRecord]) -> Vec<&str> {
    records.iter().map(|record| record.kind.as_str()).collect()
}

async fn tail(peer: &Peer, after_position: u64) -> Answers<pb::TailAuditRecordsResponse> {
    let request = pb::TailAuditRecordsRequest { after_position, ..pb::TailAuditRecordsRequest::default() };
    peer.stream(TAIL, tokio_stream::once(Bytes::from(request.encode_to_vec()))).await.expect("a stream")
}

/// Reads on until there is a record of this kind.
async fn until(tail: &mut Answers<pb::TailAuditRecordsResponse>, kind: &str) -> pb::AuditRecord {
    loop {
        let answer = tail.next().await.expect("it goes on").expect("it does not end");
        let Some(Content::Batch(batch)) = answer.content else { continue };
        if let Some(record) = batch.records.into_iter().find(|record| record.kind == kind) {
            return record;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_act_of_the_coordinator_is_in_the_trail_when_it_is_acknowledged_and_no_text_is() {
    let mut world = World::start().await;
    let (coordinator, [a, _b]) = world.peers(["region-a", "region-b"]).await;
    let room = coordinator.open().await;
    coordinator.bring(&room, &a, appearing(pb::Attribution::Named)).await;
    a.post(&room, logs("SECRET words")).await.expect("it is posted");
    let look =
        pb::SeeAsRequest { room_id: room.clone(), participant: "region-a".into(), ..pb::SeeAsRequest::default() };
    let _: pb::SeeAsResponse = coordinator.call("CoordinationService/SeeAs", &look).await.expect("a look");
    let export = pb::RecordExportRequest { request_id: id(), room_id: room.clone() };
    for _ in 0..2 {
        let _: pb::RecordExportResponse = a.call("RoomService/RecordExport", &export).await.expect("on record");
    }
    let close = pb::CloseRoomRequest { request_id: id(), room_id: room.clone() };
    for _ in 0..2 {
        let _: pb::CloseRoomResponse = coordinator.call("RoomService/CloseRoom", &close).await.expect("closed");
    }
    coordinator.suspend("region-b").await.expect("suspended");
    let acts = [
        "organisation_registered",
        "room_opened",
        "organisation_invited",
        "seen_as",
        "room_exported",
        "room_closed",
        "organisation_suspended",
    ];
    let records = list(&coordinator, &of_kinds(&acts)).await;
    let expected = [
        "organisation_registered",
        "organisation_registered",
        "room_opened",
        "organisation_invited",
        "seen_as",
        "room_exported",
        "room_closed",
        "organisation_suspended",
    ];
    assert_eq!(kinds(&records), expected, "each once, a retry is no act");
    let look = &records[4];
    assert_eq!((look.room_id.as_str(), look.organisation_id.as_str(), look.count), (&*room, "region-a", 1));
    assert!(look.actor.starts_with("org/cert-se/"), "{look:?}");
    assert_eq!((records[5].actor.as_str(), &*records[5].room_id), ("org/region-a/user/duty", &*room));
    let all = format!("{:?}", list(&coordinator, &pb::ListAuditRecordsRequest::default()).await);
    assert!(!all.contains("SECRET"), "no text is in it");
    // Page by page, one record each: reading ends, though it is itself recorded.
    let one = pb::ListAuditRecordsRequest { page_size: 1, ..of_kinds(&[]) };
    let positions: Vec<_> = list(&coordinator, &one).await.iter().map(|record| record.position).collect();
    assert_eq!(positions, (1..=positions.len() as u64).collect::<Vec<_>>(), "without a gap");
    let concerning = pb::ListAuditRecordsRequest { organisation_id: "region-b".into(), ..of_kinds(&acts) };
    let concerning = list(&coordinator, &concerning).await;
    assert_eq!(kinds(&concerning), ["organisation_registered", "organisation_suspended"]);
    assert_eq!(list(&coordinator, &of_kinds(&["trail_read"])).await.len(), 4, "each reading, but for this one");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_nobody_but_the_coordinator_reads_the_trail_and_that_they_tried_is_in_it() {
    let mut world = World::start().await;
    let (coordinator, [a]) = world.peers(["region-a"]).await;
    let listed = a.raw(LIST, &pb::ListAuditRecordsRequest::default()).await.expect_err("refused");
    let tailed = a.raw(TAIL, &pb::TailAuditRecordsRequest::default()).await.expect_err("refused");
    for status in [listed, tailed] {
        assert_eq!((status.code(), reason(&status).0.as_str()), (Code::PermissionDenied, "COORDINATOR_ONLY"));
    }
    let mut tail = tail(&coordinator, 0).await;
    let record = until(&mut tail, "call_refused").await;
    assert_eq!(record.reason, "coordinator-only");
    assert!(record.actor.starts_with("org/region-a/") && record.method.contains("AuditService"), "{record:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_shows_sign_ins_and_acts_as_they_come_and_resumes_after_a_restart() {
    let mut world = World::start().await;
    let (coordinator, []) = world.peers([]).await;
    let mut following = tail(&coordinator, 0).await;
    let signed_in = until(&mut following, "signed_in").await;
    assert!(signed_in.certificate_sha256.len() == 32 && signed_in.peer == "127.0.0.1", "{signed_in:?}");
    coordinator.register("region-a").await.expect("registered");
    let registered = until(&mut following, "organisation_registered").await;
    world.restart(1).await;
    let coordinator = world.peer("cert-se").await;
    let mut following = tail(&coordinator, registered.position).await;
    let stopped = until(&mut following, "server_stopped").await;
    assert!(stopped.position > registered.position);
    until(&mut following, "server_started").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_filters_are_told_with_their_field() {
    let mut world = World::start().await;
    let (coordinator, []) = world.peers([]).await;
    for request in [
        of_kinds(&["no_such_kind"]),
        pb::ListAuditRecordsRequest { organisation_id: "UPPER".into(), ..of_kinds(&[]) },
        pb::ListAuditRecordsRequest { page_size: -1, ..of_kinds(&[]) },
        pb::ListAuditRecordsRequest { page_token: "AAAA".into(), ..of_kinds(&[]) },
    ] {
        let status = coordinator.raw(LIST, &request).await.expect_err("refused");
        assert_eq!(status.code(), Code::InvalidArgument, "{request:?}");
    }
    world.stop().await;
}
