//! Who is let in, a disk without space, health and reflection.

use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message as _;
use samverkan::api as pb;
use tonic::Code;
use tonic_health::pb as health;
use tonic_reflection::pb::v1 as reflection;

use crate::world::{World, appearing, id, logs, outcome, reason, texts};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unregistered_organisation_is_refused_on_its_first_call_whatever_it_calls() {
    let mut world = World::start().await;
    let stranger = world.peer("stranger").await;
    let health = health::HealthCheckRequest::default();
    for status in [
        stranger.raw("RoomService/ListRooms", &pb::ListRoomsRequest::default()).await,
        stranger.raw("RoomService/GetRoom", &pb::GetRoomRequest { room_id: id() }).await,
        stranger.raw("OrganisationService/ListOrganisations", &pb::ListOrganisationsRequest::default()).await,
        stranger.raw("RoomService/NoSuchMethod", &pb::GetRoomRequest::default()).await,
        stranger.raw("grpc.health.v1.Health/Check", &health).await,
    ] {
        let status = status.expect_err("refused");
        assert_eq!((status.code(), reason(&status).0.as_str()), (Code::PermissionDenied, "ORGANISATION_NOT_ADMITTED"));
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_organisation_loses_its_open_streams_within_a_second_and_is_refused_from_then_on() {
    let mut world = World::start().await;
    let (coordinator, [a, b]) = world.peers(["region-a", "region-b"]).await;
    let room = coordinator.open().await;
    for peer in [&a, &b] {
        coordinator.bring(&room, peer, appearing(pb::Attribution::Named)).await;
    }
    let mut stream = a.subscribe(&room, 0).await.expect("a stream");
    stream.batch().await.expect("its own joining");
    coordinator.suspend("region-a").await.expect("it is suspended");
    let acknowledged = Instant::now();
    let ended = async { while let Ok(Some(_)) = stream.next().await {} };
    tokio::time::timeout(Duration::from_secs(5), ended).await.expect("the stream ends");
    let took = acknowledged.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    let again = world.peer("region-a").await;
    let status = again.list(&room, 0).await.expect_err("it is suspended");
    assert_eq!((status.code(), reason(&status).0.as_str()), (Code::PermissionDenied, "ORGANISATION_NOT_ADMITTED"));
    // The others go on.
    b.post(&room, logs("04:10 login failed")).await.expect("it is posted");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_without_space_refuses_writes_keeps_reads_and_takes_writes_again_when_there_is_space() {
    let mut world = World::start().await;
    let (coordinator, [a]) = world.peers(["region-a"]).await;
    let room = coordinator.open().await;
    coordinator.bring(&room, &a, appearing(pb::Attribution::Named)).await;
    a.post(&room, logs("before")).await.expect("it is posted");
    let before = a.list(&room, 0).await.expect("a page");

    world.restart(1 << 40).await;
    let a = world.peer("region-a").await;
    let request_id = id();
    let request = pb::PostMessageRequest { request_id, room_id: room.clone(), draft: Some(logs("when full")) };
    let status = a.raw("MessageService/PostMessage", &request).await.expect_err("there is no space");
    assert_eq!((status.code(), reason(&status).0.as_str()), (Code::ResourceExhausted, "STORE_FULL"));
    assert_eq!(outcome(&status).as_deref(), Some("nothing_written"));
    assert_eq!(a.list(&room, 0).await.expect("what was delivered can be read"), before);
    a.raw("RoomService/GetRoom", &pb::GetRoomRequest { room_id: room.clone() }).await.expect("a room");

    world.restart(1).await;
    let a = world.peer("region-a").await;
    a.raw("MessageService/PostMessage", &request).await.expect("the same request is taken");
    let page = a.list(&room, 0).await.expect("a page");
    assert_eq!(texts(&page.deliveries), ["before", "when full"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_reflection_answer_and_show_only_the_public_api() {
    let mut world = World::start().await;
    let (_, [a]) = world.peers(["region-a"]).await;
    for service in ["", "samverkan.v1.RoomService", "samverkan.v1.MessageService"] {
        let request = health::HealthCheckRequest { service: service.to_owned() };
        let answer: health::HealthCheckResponse = a.call("grpc.health.v1.Health/Check", &request).await.expect(service);
        assert_eq!(answer.status(), health::health_check_response::ServingStatus::Serving);
    }
    use reflection::server_reflection_request::MessageRequest;
    use reflection::server_reflection_response::MessageResponse;
    let ask = |what: MessageRequest, version: &'static str| {
        let request =
            reflection::ServerReflectionRequest { host: String::new(), message_request: Some(what) }.encode_to_vec();
        let a = &a;
        async move {
            let method = format!("grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
            let requests = tokio_stream::once(Bytes::from(request));
            let mut answers =
                a.stream::<reflection::ServerReflectionResponse>(&method, requests).await.expect("a stream");
            answers.next().await.map(|answer| answer.expect("one").message_response.expect("set"))
        }
    };
    for version in ["v1", "v1alpha"] {
        let Ok(MessageResponse::ListServicesResponse(list)) =
            ask(MessageRequest::ListServices(String::new()), version).await
        else {
            panic!("a list of services")
        };
        let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
        assert!(names.contains(&"samverkan.v1.RoomService"), "{names:?}");
        let public = ["samverkan.v1.", "grpc.health.v1.", "grpc.reflection."];
        assert!(names.iter().all(|name| public.iter().any(|prefix| name.starts_with(prefix))), "{names:?}");
        let symbol = MessageRequest::FileContainingSymbol("samverkan.v1.RoomService".to_owned());
        assert!(matches!(ask(symbol, version).await, Ok(MessageResponse::FileDescriptorResponse(_))));
        for hidden in ["samverkan.storage.v1.Frame", "samverkan.storage.v1"] {
            let symbol = MessageRequest::FileContainingSymbol(hidden.to_owned());
            let mut answers = vec![ask(symbol, version).await];
            let file = "samverkan/storage/v1/frame.proto".to_owned();
            answers.push(ask(MessageRequest::FileByFilename(file), version).await);
            assert!(
                answers.iter().all(|answer| matches!(answer, Ok(MessageResponse::ErrorResponse(_)) | Err(_))),
                "what is stored is not shown"
            );
        }
    }
    world.stop().await;
}
