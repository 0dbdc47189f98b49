//! Requests that are wrong: which status, which reason, which field, and that nothing is stored.

use samverkan::api as pb;
use tonic::{Code, Status};

use crate::world::{World, appearing, id, logs, outcome, reason};

type Wrong = fn(&mut pb::PostMessageRequest);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_posts_are_told_code_reason_and_field_and_nothing_is_stored() {
    let mut world = World::start().await;
    let (coordinator, [a]) = world.peers(["region-a"]).await;
    let room = coordinator.open().await;
    coordinator.bring(&room, &a, appearing(pb::Attribution::Named)).await;
    let before = coordinator.list(&room, 0).await.expect("a page").deliveries.len() as u64;

    let invalid = Code::InvalidArgument;
    let cases: [(&str, Wrong, Code, &str, Option<&str>); 24] = [
        ("64 KiB and one", |q| draft(q).text = "x".repeat(64 * 1024 + 1), invalid, "FIELD_INVALID", Some("draft.text")),
        ("a request too large", |q| draft(q).text = "x".repeat(300 * 1024), invalid, "FIELD_INVALID", Some("request")),
        ("empty text", |q| draft(q).text.clear(), invalid, "FIELD_INVALID", Some("draft.text")),
        ("unknown material", |q| draft(q).material = 99, invalid, "FIELD_INVALID", Some("draft.material")),
        ("negative material", |q| draft(q).material = -1, invalid, "FIELD_INVALID", Some("draft.material")),
        ("unset material", |q| draft(q).material = 0, invalid, "FIELD_INVALID", Some("draft.material")),
        ("unknown TLP", |q| draft(q).tlp = 77, invalid, "FIELD_INVALID", Some("draft.tlp")),
        ("unset TLP", |q| draft(q).tlp = 0, invalid, "FIELD_INVALID", Some("draft.tlp")),
        ("no request id", |q| q.request_id.clear(), invalid, "FIELD_INVALID", Some("request_id")),
        ("no UUID", |q| q.request_id = "7".into(), invalid, "FIELD_INVALID", Some("request_id")),
        ("upper case", |q| q.request_id = id().to_uppercase(), invalid, "FIELD_INVALID", Some("request_id")),
        ("nil", |q| q.request_id = uuid::Uuid::nil().to_string(), invalid, "FIELD_INVALID", Some("request_id")),
        ("no room id", |q| q.room_id.clear(), invalid, "FIELD_INVALID", Some("room_id")),
        ("no room's id", |q| q.room_id = "room".into(), invalid, "FIELD_INVALID", Some("room_id")),
        ("no draft", |q| q.draft = None, invalid, "FIELD_INVALID", Some("draft")),
        (
            "a recipient twice",
            |q| draft(q).recipients = vec!["x".into(); 2],
            invalid,
            "FIELD_INVALID",
            Some("draft.recipients"),
        ),
        (
            "too many",
            |q| draft(q).recipients = (0..257).map(|i| format!("o{i}")).collect(),
            invalid,
            "FIELD_INVALID",
            Some("draft.recipients"),
        ),
        (
            "TLP:RED for nobody",
            |q| draft(q).tlp = pb::Tlp::Red.into(),
            invalid,
            "FIELD_INVALID",
            Some("draft.red_actors"),
        ),
        (
            "actors without TLP:RED",
            |q| draft(q).red_actors = vec!["org/region-a/user/ulf".into()],
            invalid,
            "FIELD_INVALID",
            Some("draft.red_actors"),
        ),
        ("no actor", |q| draft(q).red_actors = vec!["ulf".into()], invalid, "FIELD_INVALID", Some("draft.red_actors")),
        ("no message's id", |q| draft(q).in_reply_to = "x".into(), invalid, "FIELD_INVALID", Some("draft.in_reply_to")),
        ("unknown message", |q| draft(q).in_reply_to = id(), Code::FailedPrecondition, "MESSAGE_NOT_VISIBLE", None),
        (
            "unknown recipient",
            |q| draft(q).recipients = vec!["nobody".into()],
            Code::FailedPrecondition,
            "RECIPIENT_NOT_VISIBLE",
            Some("request"),
        ),
        (
            "no time",
            |q| draft(q).occurred_time = Some(prost_types::Timestamp { seconds: 0, nanos: -1 }),
            invalid,
            "FIELD_INVALID",
            Some("draft.occurred_time"),
        ),
    ];
    for (what, change, code, why, field) in cases {
        let mut request =
            pb::PostMessageRequest { request_id: id(), room_id: room.clone(), draft: Some(logs("04:10 login failed")) };
        change(&mut request);
        let status = a.raw("MessageService/PostMessage", &request).await.expect_err(what);
        let (found, at) = reason(&status);
        assert_eq!((status.code(), found.as_str(), at.as_deref()), (code, why, field), "{what}: {status:?}");
        assert_eq!(outcome(&status).as_deref(), Some("nothing_written"), "{what}");
    }
    let page = coordinator.list(&room, before).await.expect("a page");
    assert!(page.deliveries.is_empty(), "{:?}", page.deliveries);
    // The most that is allowed, on the other hand.
    a.post(&room, logs(&"x".repeat(64 * 1024))).await.expect("64 KiB are allowed");
    assert_eq!(coordinator.list(&room, before).await.expect("a page").deliveries.len(), 1);
    world.stop().await;
}

fn draft(request: &mut pb::PostMessageRequest) -> &mut pb::MessageDraft {
    request.draft.as_mut().expect("it was set")
}

fn bytes(status: &Status) -> (Code, &str, &[u8]) {
    (status.code(), status.message(), status.details())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_recipients_that_are_unknown_hidden_absent_invited_or_behind_a_pseudonym_get_one_refusal() {
    let mut world = World::start().await;
    let (coordinator, [a, hidden, pseudonym, left]) = world.peers(["region-a", "hidden", "pseudonym", "left"]).await;
    for registered in ["absent", "invited"] {
        coordinator.register(registered).await.expect("it is registered");
    }
    let room = coordinator.open().await;
    coordinator.bring(&room, &a, appearing(pb::Attribution::Named)).await;
    let hidden_id = coordinator.bring(&room, &hidden, appearing(pb::Attribution::Hidden)).await;
    let pseudonym_id = coordinator.bring(&room, &pseudonym, appearing(pb::Attribution::Pseudonym)).await;
    coordinator.bring(&room, &left, appearing(pb::Attribution::Named)).await;
    let request = pb::LeaveRoomRequest { request_id: id(), room_id: room.clone() };
    left.raw("RoomService/LeaveRoom", &request).await.expect("it leaves");
    coordinator.invite(&room, "invited").await;

    let narrowed = |name: &str| pb::MessageDraft { recipients: vec![name.to_owned()], ..logs("x") };
    let red = |name: &str| pb::MessageDraft {
        tlp: pb::Tlp::Red.into(),
        red_actors: vec![format!("org/{name}/user/duty")],
        ..logs("x")
    };
    let expected = a.post(&room, narrowed("nobody")).await.expect_err("nobody is unknown");
    assert_eq!((expected.code(), reason(&expected).0.as_str()), (Code::FailedPrecondition, "RECIPIENT_NOT_VISIBLE"));
    for name in ["hidden", "pseudonym", "left", "absent", "invited", &hidden_id, &id()] {
        let status = a.post(&room, narrowed(name)).await.expect_err(name);
        assert_eq!(bytes(&status), bytes(&expected), "{name}");
    }
    for name in ["nobody", "hidden", "pseudonym", "left", "absent", "invited"] {
        let status = a.post(&room, red(name)).await.expect_err(name);
        assert_eq!(bytes(&status), bytes(&expected), "TLP:RED to {name}");
    }
    a.post(&room, narrowed(&pseudonym_id)).await.expect("it may be named as it is shown");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_room_takes_no_message_and_can_be_read() {
    let mut world = World::start().await;
    let (coordinator, [a]) = world.peers(["region-a"]).await;
    let room = coordinator.open().await;
    coordinator.bring(&room, &a, appearing(pb::Attribution::Named)).await;
    let request = pb::CloseRoomRequest { request_id: id(), room_id: room.clone() };
    coordinator.raw("RoomService/CloseRoom", &request).await.expect("it closes");
    let last = a.list(&room, 0).await.expect("a page").deliveries.len() as u64;
    let status = a.post(&room, logs("x")).await.expect_err("the room is closed");
    assert_eq!((status.code(), reason(&status).0.as_str()), (Code::FailedPrecondition, "ROOM_CLOSED"));
    assert_eq!(outcome(&status).as_deref(), Some("nothing_written"));
    assert!(a.list(&room, last).await.expect("a page").deliveries.is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_pages_tokens_and_indexes_are_told_which() {
    let mut world = World::start().await;
    let (coordinator, [a]) = world.peers(["region-a"]).await;
    let room = coordinator.open().await;
    coordinator.bring(&room, &a, appearing(pb::Attribution::Named)).await;
    let room_id = || room.clone();
    let told = |status: Status| {
        let (reason, field) = reason(&status);
        (status.code(), reason, field)
    };
    let invalid = |field: &str| (Code::InvalidArgument, "FIELD_INVALID".to_owned(), Some(field.to_owned()));

    let request = pb::ListMessagesRequest { room_id: room_id(), after_index: 0, page_size: -1 };
    let status = a.raw("MessageService/ListMessages", &request).await.expect_err("a negative size");
    assert_eq!(told(status), invalid("page_size"));
    let request = pb::ListRoomsRequest { page_size: -1, page_token: String::new() };
    assert_eq!(told(a.raw("RoomService/ListRooms", &request).await.expect_err("negative")), invalid("page_size"));

    // A token of another caller's list, of another list, and of nobody.
    let request = pb::ListParticipantsRequest { room_id: room_id(), page_size: 1, page_token: String::new() };
    let first: pb::ListParticipantsResponse =
        coordinator.call("RoomService/ListParticipants", &request).await.expect("a page");
    assert!(!first.next_page_token.is_empty());
    let own: pb::ListParticipantsResponse = a.call("RoomService/ListParticipants", &request).await.expect("a page");
    for page_token in [first.next_page_token, "AAAA".into(), "?".into()] {
        let request = pb::ListParticipantsRequest { room_id: room_id(), page_size: 1, page_token };
        let status = a.raw("RoomService/ListParticipants", &request).await.expect_err("a foreign token");
        assert_eq!(told(status), invalid("page_token"));
    }
    let request = pb::ListRoomsRequest { page_size: 1, page_token: own.next_page_token };
    assert_eq!(told(a.raw("RoomService/ListRooms", &request).await.expect_err("another")), invalid("page_token"));

    let last = a.list(&room, 0).await.expect("a page").deliveries.len() as u64;
    let past_end = (Code::OutOfRange, "INDEX_PAST_END".to_owned(), None);
    assert!(a.list(&room, last).await.expect("the end is no error").deliveries.is_empty());
    assert_eq!(told(a.list(&room, last + 1).await.expect_err("past the end")), past_end);
    assert_eq!(told(a.list(&room, u64::MAX).await.expect_err("past the end")), past_end);
    let mut stream = a.subscribe(&room, last + 1).await;
    let status = match &mut stream {
        Err(status) => status.clone(),
        Ok(stream) => stream.next().await.expect_err("past the end"),
    };
    assert_eq!(told(status), past_end);
    world.stop().await;
}
