//! What is on record, page by page: who has a message, what another sees, which rooms are connected.

use samverkan::api as pb;
use tonic::{Code, Status};

use crate::world::{World, appearing, id, logs, reason, sharing_logs};

fn told(status: &Status) -> (Code, String) {
    (status.code(), reason(status).0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_and_relays_come_in_pages_without_gaps() {
    let mut world = World::start().await;
    let (coordinator, peers) = world.peers(["region-a", "region-b", "region-c", "region-d", "region-e"]).await;
    let room = coordinator.open().await;
    for peer in &peers {
        coordinator.bring(&room, peer, sharing_logs(pb::Attribution::Named)).await;
    }
    let [a, b, ..] = &peers;
    let message = a.post(&room, logs("04:10")).await.expect("it is posted").message_id;
    b.list(&room, 0).await.expect("a page");
    coordinator.list(&room, 0).await.expect("a page");
    let mut relays = Vec::new();
    for n in 0..3 {
        let draft = pb::RelayDraft {
            parent_message_ids: vec![message.clone()],
            material: pb::Material::Logs.into(),
            tlp: pb::Tlp::Amber.into(),
            text: format!("relay {n}"),
            ..pb::RelayDraft::default()
        };
        let request = pb::PublishRelayRequest { request_id: id(), room_id: room.clone(), draft: Some(draft) };
        let published: pb::PublishRelayResponse =
            coordinator.call("RelayService/PublishRelay", &request).await.expect("it is published");
        relays.push(published.message_id);
    }

    let question = |page_size, page_token: &str| pb::GetReceiptsRequest {
        room_id: room.clone(),
        message_id: message.clone(),
        page_size,
        page_token: page_token.to_owned(),
    };
    for peer in [a, &coordinator] {
        let whole: pb::GetReceiptsResponse =
            peer.call("MessageService/GetReceipts", &question(0, "")).await.expect("a page");
        assert_eq!(whole.next_page_token, "");
        assert_eq!(whole.receipts.len(), 5, "four others and the coordinator");
        assert_eq!(whole.relays.iter().map(|relay| relay.message_id.clone()).collect::<Vec<_>>(), relays);
        assert_eq!(whole.coordinator_reads.len(), 1);
        assert_eq!(whole.coordinator_reads[0].actor, "org/cert-se/user/duty");
        let of = |name: &str| {
            let named = |receipt: &&pb::Receipt| {
                receipt.participant.as_ref().is_some_and(|participant| participant.organisation_id == name)
            };
            whole.receipts.iter().find(named).cloned().expect(name)
        };
        let (b, c) = (of("region-b"), of("region-c"));
        assert!(b.delivered_time.is_some() && b.sees);
        assert_eq!((b.basis(), b.reason()), (pb::AudienceReason::ClassDirect, pb::AudienceReason::ClassDirect));
        assert!(c.delivered_time.is_none() && c.sees);
        assert_eq!(c.basis(), pb::AudienceReason::Unspecified);
        for size in 1..4 {
            let (mut receipts, mut relays, mut reads, mut token) = (vec![], vec![], vec![], String::new());
            loop {
                let page: pb::GetReceiptsResponse =
                    peer.call("MessageService/GetReceipts", &question(size, &token)).await.expect("a page");
                let items = page.receipts.len() + page.relays.len();
                assert!(items == size as usize || page.next_page_token.is_empty(), "a full page, or the last");
                receipts.extend(page.receipts);
                relays.extend(page.relays);
                reads.extend(page.coordinator_reads);
                token = page.next_page_token;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!((&receipts, &relays), (&whole.receipts, &whole.relays));
            assert_eq!(reads, whole.coordinator_reads, "on the first page only");
        }
    }
    let status = b.raw("MessageService/GetReceipts", &question(0, "")).await.expect_err("it is not its source");
    let unknown = pb::GetReceiptsRequest { message_id: id(), ..question(0, "") };
    let nothing = b.raw("MessageService/GetReceipts", &unknown).await.expect_err("it is unknown");
    assert_eq!((told(&status), status.details()), (told(&nothing), nothing.details()));
    assert_eq!(told(&status), (Code::FailedPrecondition, "MESSAGE_NOT_VISIBLE".to_owned()));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_coordinator_sees_what_a_participant_sees_page_by_page_and_it_is_told() {
    let mut world = World::start().await;
    let (coordinator, [a, b, hidden]) = world.peers(["region-a", "region-b", "hidden"]).await;
    let room = coordinator.open().await;
    coordinator.bring(&room, &a, sharing_logs(pb::Attribution::Named)).await;
    coordinator.bring(&room, &b, sharing_logs(pb::Attribution::Pseudonym)).await;
    coordinator.bring(&room, &hidden, appearing(pb::Attribution::Hidden)).await;
    let mut shown = Vec::new();
    for n in 0..5 {
        shown.push(b.post(&room, logs(&format!("to all {n}"))).await.expect("it is posted").message_id);
        let confidential = pb::MessageDraft { coordinator_only: true, ..logs("to the coordinator") };
        b.post(&room, confidential).await.expect("it is posted");
    }
    let before = a.list(&room, 0).await.expect("a page").deliveries.len() as u64;
    let question = |participant: &str, page_size, page_token: &str| pb::SeeAsRequest {
        room_id: room.clone(),
        participant: participant.to_owned(),
        page_size,
        page_token: page_token.to_owned(),
    };
    let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page: pb::SeeAsResponse =
            coordinator.call("CoordinationService/SeeAs", &question("region-a", 2, &token)).await.expect("a page");
        let shown = page.participants.iter();
        let names: Vec<_> = shown.map(|participant| participant.organisation_id.as_str()).collect();
        match pages {
            0 => {
                assert_eq!(names.len(), 3, "itself, the coordinator and a pseudonym");
                assert!(names.contains(&"") && !names.contains(&"region-b") && !names.contains(&"hidden"));
            }
            _ => assert!(names.is_empty(), "on the first page only"),
        }
        assert_eq!(page.participant.expect("as whom").organisation_id, "region-a");
        for head in &page.messages {
            assert_eq!(head.author.as_ref().expect("an author").organisation_id, "", "as region-a is shown it");
        }
        seen.extend(page.messages.into_iter().map(|head| head.message_id));
        pages += 1;
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((&seen, pages), (&shown, 3));
    let since = a.list(&room, before).await.expect("a page").deliveries;
    assert_eq!(since.len(), pages, "every look is told");
    for delivery in since {
        let Some(pb::delivery::Content::RoomSeenAs(look)) = delivery.content else { panic!("{delivery:?}") };
        assert_eq!(look.actor, "org/cert-se/user/duty");
    }
    let status = coordinator.raw("CoordinationService/SeeAs", &question("nobody", 0, "")).await.expect_err("nobody");
    assert_eq!(told(&status), (Code::NotFound, "PARTICIPANT_NOT_FOUND".to_owned()));
    let status = coordinator.raw("CoordinationService/SeeAs", &question("cert-se", 0, "")).await.expect_err("itself");
    assert_eq!(told(&status), (Code::PermissionDenied, "NOT_FOR_THE_COORDINATOR".to_owned()));
    for name in ["region-b", "hidden", "nobody", "region-a"] {
        let status = a.raw("CoordinationService/SeeAs", &question(name, 0, "")).await.expect_err(name);
        assert_eq!(told(&status), (Code::PermissionDenied, "COORDINATOR_ONLY".to_owned()), "{name}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_connections_of_rooms_are_for_the_coordinator_alone() {
    let mut world = World::start().await;
    let (coordinator, [a]) = world.peers(["region-a"]).await;
    let rooms = [coordinator.open().await, coordinator.open().await, coordinator.open().await];
    for room in &rooms {
        coordinator.bring(room, &a, appearing(pb::Attribution::Named)).await;
    }
    let before = a.list(&rooms[0], 0).await.expect("a page").deliveries.len() as u64;
    let record = |one: &str, other: &str, reason: &str| pb::RecordConnectionRequest {
        request_id: id(),
        room_id: one.to_owned(),
        other_room_id: other.to_owned(),
        reason: reason.to_owned(),
    };
    let method = "CoordinationService/RecordConnection";
    coordinator.raw(method, &record(&rooms[0], &rooms[1], "one")).await.expect("it is recorded");
    let again = record(&rooms[2], &rooms[0], "two");
    let first = coordinator.raw(method, &again).await.expect("it is recorded");
    world.advance_clock(1_000_000);
    assert_eq!(coordinator.raw(method, &again).await.expect("a retry"), first, "one effect, one answer");
    let reused = pb::RecordConnectionRequest { reason: "three".into(), ..again };
    let status = coordinator.raw(method, &reused).await.expect_err("another content");
    assert_eq!(told(&status), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
    let status = coordinator.raw(method, &record(&rooms[0], &id(), "x")).await.expect_err("an unknown room");
    assert_eq!(told(&status), (Code::NotFound, "ROOM_NOT_FOUND".to_owned()));

    let list = |room: &str, page_size, page_token: &str| pb::ListConnectionsRequest {
        room_id: room.to_owned(),
        page_size,
        page_token: page_token.to_owned(),
    };
    let listing = "CoordinationService/ListConnections";
    let one: pb::ListConnectionsResponse = coordinator.call(listing, &list(&rooms[0], 1, "")).await.expect("a page");
    let two: pb::ListConnectionsResponse =
        coordinator.call(listing, &list(&rooms[0], 1, &one.next_page_token)).await.expect("a page");
    let read = |page: &pb::ListConnectionsResponse| {
        let connections = page.connections.iter();
        connections.map(|c| (c.room_id.clone(), c.reason.clone(), c.actor.clone())).collect::<Vec<_>>()
    };
    let duty = || "org/cert-se/user/duty".to_owned();
    assert_eq!(read(&one), [(rooms[1].clone(), "one".to_owned(), duty())]);
    assert_eq!(read(&two), [(rooms[2].clone(), "two".to_owned(), duty())]);
    assert_eq!(two.next_page_token, "");

    for room in [&rooms[0], &id()] {
        let status = a.raw(listing, &list(room, 0, "")).await.expect_err("it is not the coordinator");
        assert_eq!(told(&status), (Code::PermissionDenied, "COORDINATOR_ONLY".to_owned()));
        let status = a.raw(method, &record(room, &rooms[1], "x")).await.expect_err("it is not the coordinator");
        assert_eq!(told(&status), (Code::PermissionDenied, "COORDINATOR_ONLY".to_owned()));
    }
    assert!(a.list(&rooms[0], before).await.expect("a page").deliveries.is_empty());
    world.restart(1).await;
    let coordinator = world.peer("cert-se").await;
    let after: pb::ListConnectionsResponse = coordinator.call(listing, &list(&rooms[0], 0, "")).await.expect("a page");
    assert_eq!(after.connections.len(), 2, "they are in the store");
    world.stop().await;
}
