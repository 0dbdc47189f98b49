//! Rooms that the caller is not in are one: the same bytes, whatever the reason.

use bytes::Bytes;
use prost::Message;
use samverkan::api as pb;
use tonic::{Code, Status};

use crate::world::{COORDINATOR, Peer, World, appearing, id, logs, reason, sharing_logs};

/// Every method with a room id, as `room_id` and a request id fill it.
fn room_calls(room: &str) -> Vec<(&'static str, Vec<u8>)> {
    let (room_id, request_id) = (room.to_owned(), id());
    let participant = COORDINATOR.to_owned();
    let reason = "x".to_owned();
    let change = Some(appearing(pb::Attribution::Named));
    let report = Some(pb::IntakeReport { what_occurred: "x".into(), ..pb::IntakeReport::default() });
    let draft = Some(logs("x"));
    let role: i32 = pb::Role::ThirdParty.into();
    macro_rules! calls {
        ($($method:literal $request:ident { $($field:ident),* $(; $($key:ident: $value:expr),*)? })*) => {
            vec![$(($method, pb::$request {
                $($field: $field.clone(),)* $($($key: $value,)*)?
            }.encode_to_vec())),*]
        };
    }
    calls! {
        "IntakeService/AmendReport" AmendReportRequest { request_id, room_id, report }
        "IntakeService/GetReport" GetReportRequest { room_id; participant: String::new(), page_size: 0, page_token: String::new() }
        "IntakeService/GetReport" GetReportRequest { room_id, participant; page_size: 5, page_token: String::new() }
        "RoomService/GetRoom" GetRoomRequest { room_id }
        "RoomService/InviteOrganisation" InviteOrganisationRequest { request_id, room_id, role; organisation_id: "region-a".into() }
        "RoomService/LeaveRoom" LeaveRoomRequest { request_id, room_id }
        "RoomService/RemoveParticipant" RemoveParticipantRequest { request_id, room_id, participant, reason }
        "RoomService/ChangeRole" ChangeRoleRequest { request_id, room_id, participant, role }
        "RoomService/ListParticipants" ListParticipantsRequest { room_id; page_size: 0, page_token: String::new() }
        "RoomService/RecordExport" RecordExportRequest { request_id, room_id }
        "RoomService/CloseRoom" CloseRoomRequest { request_id, room_id }
        "RoomService/ReopenRoom" ReopenRoomRequest { request_id, room_id }
        "MessageService/PostMessage" PostMessageRequest { request_id, room_id, draft }
        "MessageService/PostMessages" PostMessagesRequest { request_id, room_id, draft }
        "MessageService/Subscribe" SubscribeRequest { room_id; after_index: 0 }
        "MessageService/Subscribe" SubscribeRequest { room_id; after_index: 7 }
        "MessageService/ListMessages" ListMessagesRequest { room_id; after_index: 0, page_size: 0 }
        "MessageService/ListMessages" ListMessagesRequest { room_id; after_index: 7, page_size: 1 }
        "ConsentService/GetConsent" GetConsentRequest { room_id, participant }
        "ConsentService/GiveConsent" GiveConsentRequest { request_id, room_id, change; expected_version: None }
        "ConsentService/GiveConsent" GiveConsentRequest { request_id, room_id, change; expected_version: Some(9) }
        "ConsentService/PreviewAudience" PreviewAudienceRequest { room_id, draft }
    }
}

/// What only those differ in who were in the room: their consent stays theirs.
fn own_consent_calls(room: &str) -> Vec<(&'static str, Vec<u8>)> {
    let (room_id, request_id) = (room.to_owned(), id());
    let scope = Some(pb::withdraw_consent_request::Scope::All(true));
    vec![
        (
            "ConsentService/GetConsent",
            pb::GetConsentRequest { room_id: room_id.clone(), participant: String::new() }.encode_to_vec(),
        ),
        (
            "ConsentService/WithdrawConsent",
            pb::WithdrawConsentRequest { request_id, room_id, scope, recall_answer_by_time: None }.encode_to_vec(),
        ),
    ]
}

/// The whole of a refusal, dates apart.
fn whole(status: &Status) -> String {
    let mut metadata = status.metadata().clone();
    metadata.remove("date");
    let mut metadata: Vec<_> = metadata.into_headers().iter().map(|(k, v)| format!("{k}: {v:?}")).collect();
    metadata.sort();
    format!("{:?} {} {:?} {metadata:?}", status.code(), status.message(), status.details())
}

/// The refusal of a call, whether it comes at once or in the stream.
async fn refusal(peer: &Peer, method: &str, request: Vec<u8>) -> Status {
    let requests = tokio_stream::once(Bytes::from(request));
    match peer.stream::<pb::SubscribeResponse>(method, requests).await {
        Err(status) => status,
        Ok(mut answers) => answers.next().await.expect_err(method),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_rooms_that_one_is_not_in_answer_with_the_same_bytes() {
    let mut world = World::start().await;
    let (coordinator, [a, b]) = world.peers(["region-a", "region-b"]).await;
    let consent = || sharing_logs(pb::Attribution::Named);
    let mut rooms = Vec::new();
    for kind in ["foreign", "invited", "declined", "left", "removed", "closed"] {
        let room = coordinator.open().await;
        coordinator.bring(&room, &a, consent()).await;
        match kind {
            "invited" => drop(coordinator.invite(&room, "region-b").await),
            "declined" => {
                let invitation_id = coordinator.invite(&room, "region-b").await;
                let request = pb::DeclineInvitationRequest { request_id: id(), invitation_id };
                b.raw("RoomService/DeclineInvitation", &request).await.expect("it declines");
            }
            "left" | "removed" => {
                coordinator.bring(&room, &b, consent()).await;
                b.post(&room, logs("04:10 login failed")).await.expect("it posts");
                b.list(&room, 0).await.expect("it reads");
                if kind == "left" {
                    let request = pb::LeaveRoomRequest { request_id: id(), room_id: room.clone() };
                    b.raw("RoomService/LeaveRoom", &request).await.expect("it leaves");
                } else {
                    let (participant, reason) = ("region-b".to_owned(), "r".to_owned());
                    let request =
                        pb::RemoveParticipantRequest { request_id: id(), room_id: room.clone(), participant, reason };
                    coordinator.raw("RoomService/RemoveParticipant", &request).await.expect("it is removed");
                }
            }
            _ => {}
        }
        if kind == "closed" {
            let request = pb::CloseRoomRequest { request_id: id(), room_id: room.clone() };
            coordinator.raw("RoomService/CloseRoom", &request).await.expect("it closes");
        }
        rooms.push((kind, room));
    }
    let unknown = id();
    for (place, (method, request)) in room_calls(&unknown).into_iter().enumerate() {
        let expected = refusal(&b, method, request).await;
        assert_eq!((expected.code(), reason(&expected).0.as_str()), (Code::NotFound, "ROOM_NOT_FOUND"), "{method}");
        for (kind, room) in &rooms {
            let (_, request) = room_calls(room).swap_remove(place);
            let found = refusal(&b, method, request).await;
            assert_eq!(whole(&found), whole(&expected), "{method}: {kind}");
        }
    }
    for (place, (method, request)) in own_consent_calls(&unknown).into_iter().enumerate() {
        let expected = refusal(&b, method, request).await;
        for (kind, room) in rooms.iter().filter(|(kind, _)| !["left", "removed"].contains(kind)) {
            let (_, request) = own_consent_calls(room).swap_remove(place);
            assert_eq!(whole(&refusal(&b, method, request).await), whole(&expected), "{method}: {kind}");
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_invitations_that_are_answered_unknown_or_of_others_answer_with_the_same_bytes() {
    let mut world = World::start().await;
    let (coordinator, [a, b]) = world.peers(["region-a", "region-b"]).await;
    let room = coordinator.open().await;
    let of_a = coordinator.invite(&room, "region-a").await;
    let answered = coordinator.invite(&room, "region-b").await;
    b.accept(&answered, pb::ConsentChange::default()).await.expect("it joins");
    let twice = b.accept(&answered, pb::ConsentChange::default()).await.expect_err("answered twice");
    assert_eq!((twice.code(), reason(&twice).0.as_str()), (Code::NotFound, "INVITATION_NOT_FOUND"));
    for invitation in [of_a.clone(), id()] {
        let status = b.accept(&invitation, pb::ConsentChange::default()).await.expect_err("not its own");
        assert_eq!(whole(&status), whole(&twice));
    }
    for invitation_id in [answered, of_a.clone(), id()] {
        let request = pb::DeclineInvitationRequest { request_id: id(), invitation_id };
        let status = b.raw("RoomService/DeclineInvitation", &request).await.expect_err("not open");
        assert_eq!(whole(&status), whole(&twice));
    }
    // Nothing of that has happened to the one that waits.
    a.accept(&of_a, pb::ConsentChange::default()).await.expect("it joins");
    world.stop().await;
}

/// What B gets to see of a room in which A posts, or doesn't.
async fn as_seen_by_b(a_posts: bool) -> (Vec<Vec<u8>>, World) {
    let world = World::start().await;
    let (coordinator, [a, b]) = world.peers(["region-a", "region-b"]).await;
    let room = coordinator.open().await;
    // B is first, so that its mailbox would show the other's coming.
    let own = coordinator.bring(&room, &b, pb::ConsentChange::default()).await;
    coordinator.bring(&room, &a, pb::ConsentChange::default()).await;
    let mut pages = Vec::new();
    for round in 0..3 {
        if a_posts {
            let posted = a.post(&room, logs(&format!("words of a, {round}"))).await;
            posted.expect("a posts to itself and the coordinator");
        }
        b.post(&room, logs(&format!("words of b, {round}"))).await.expect("b posts");
        coordinator.post(&room, logs(&format!("words of the coordinator, {round}"))).await.expect("it posts");
    }
    let page = b.list(&room, 0).await.expect("b reads");
    assert_eq!(page.first_index, 1);
    let texts = crate::world::texts(&page.deliveries);
    assert_eq!(texts.len(), 6, "{texts:?}");
    assert!(texts.iter().all(|text| !text.starts_with("words of a")), "{texts:?}");
    let request = pb::ListParticipantsRequest { room_id: room.clone(), ..pb::ListParticipantsRequest::default() };
    let list: pb::ListParticipantsResponse = b.call("RoomService/ListParticipants", &request).await.expect("a list");
    let mut names: Vec<_> = list.participants.iter().map(|shown| shown.organisation_id.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, [COORDINATOR, "region-b"]);
    let preview = pb::PreviewAudienceRequest { room_id: room.clone(), draft: Some(logs("x")) };
    pages.push(page.encode_to_vec());
    pages.push(list.encode_to_vec());
    pages.push(b.raw("ConsentService/PreviewAudience", &preview).await.expect("a preview").to_vec());
    pages.push(
        b.raw("RoomService/GetRoom", &pb::GetRoomRequest { room_id: room.clone() }).await.expect("a room").to_vec(),
    );
    pages.push(b.raw("RoomService/ListRooms", &pb::ListRoomsRequest::default()).await.expect("rooms").to_vec());
    // Ids are random: each gets the number of its first place instead.
    let ids = ids_in(&[&own, &room], &page, &list);
    for page in &mut pages {
        for (number, id) in ids.iter().enumerate() {
            replace(page, id.as_bytes(), format!("{number:036}").as_bytes());
        }
    }
    (pages, world)
}

fn ids_in(known: &[&String], page: &pb::ListMessagesResponse, list: &pb::ListParticipantsResponse) -> Vec<String> {
    let mut ids: Vec<String> = known.iter().map(|id| (*id).clone()).collect();
    for delivery in &page.deliveries {
        if let Some(pb::delivery::Content::Message(message)) = &delivery.content {
            ids.push(message.message_id.clone());
        }
    }
    ids.extend(list.participants.iter().map(|shown| shown.participant_id.clone()).filter(|id| id != known[0]));
    ids
}

fn replace(page: &mut [u8], id: &[u8], with: &[u8]) {
    let places: Vec<_> = (0..page.len().saturating_sub(id.len() - 1)).filter(|i| page[*i..].starts_with(id)).collect();
    for place in places {
        page[place..place + with.len()].copy_from_slice(with);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_without_consent_one_sees_its_own_and_the_coordinators_words_and_not_a_byte_that_the_other_is_there() {
    let (mut with, mut one) = as_seen_by_b(true).await;
    let (mut without, mut other) = as_seen_by_b(false).await;
    // Participants are listed by their ids, which are random: the order is no difference.
    for pages in [&mut with, &mut without] {
        for page in [1, 2] {
            pages[page].sort_unstable();
        }
    }
    assert_eq!(with, without);
    one.stop().await;
    other.stop().await;
}
