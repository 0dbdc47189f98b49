//! What one organisation may use: how fast it writes, how many streams it holds open. Who is over it is told so, and nobody else notices.
//!
//! One post uses up the bytes of half an hour, so that no test depends on how fast the machine is.

use std::time::Instant;

use samverkan::api as pb;
use samverkan::engine::Rates;
use samverkan::identity::Rate;
use samverkan::limits;
use samverkan::service::StreamLimits;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::world::{Answers, Peer, World, appearing, id, logs, outcome, reason, sharing_logs, texts};

const TRICKLE: Rate = Rate { per_second: 1, burst: 1 };

/// Three organisations in two rooms, at a server that from now on takes one post of each in each.
async fn limited(world: &mut World, rates: Rates) -> (Peer, [Peer; 2], [String; 2]) {
    let (coordinator, peers) = world.peers(["region-a", "region-b"]).await;
    let rooms = [coordinator.open().await, coordinator.open().await];
    for room in &rooms {
        for peer in &peers {
            coordinator.bring(room, peer, sharing_logs(pb::Attribution::Named)).await;
        }
    }
    world.rates = rates;
    world.reload().await.expect("the rates are in force");
    (coordinator, peers, rooms)
}

fn assert_too_fast(status: &Status) {
    assert_eq!((status.code(), reason(status).0.as_str()), (Code::ResourceExhausted, "BUSY"), "{status:?}");
    assert!(status.message().contains("faster than"), "{}", status.message());
    assert_eq!(outcome(status).as_deref(), Some("nothing_written"));
    let retry = status.get_details_retry_info().and_then(|info| info.retry_delay).expect("when to come back");
    assert!(!retry.is_zero());
}

async fn withdraw_all(peer: &Peer, room: &str) -> Result<pb::WithdrawConsentResponse, Status> {
    let (request_id, room_id) = (id(), room.to_owned());
    let scope = Some(pb::withdraw_consent_request::Scope::All(true));
    let request = pb::WithdrawConsentRequest { request_id, room_id, scope, recall_answer_by_time: None };
    peer.call("ConsentService/WithdrawConsent", &request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_posts_too_fast_is_refused_alone_and_in_that_room_alone() {
    let mut world = World::start().await;
    let rates = Rates { bytes: TRICKLE, ..Rates::default() };
    let (coordinator, [a, b], [room, other]) = limited(&mut world, rates).await;
    a.post(&room, logs("the one")).await.expect("within the rate");
    let request = pb::PostMessageRequest { request_id: id(), room_id: room.clone(), draft: Some(logs("too fast")) };
    let begun = Instant::now();
    let refused = a.raw("MessageService/PostMessage", &request).await.expect_err("over it");
    assert_too_fast(&refused);
    assert!(begun.elapsed() >= limits::RETRY_DELAY, "asking again at once is no faster than waiting");
    let colleague = world.peer("region-a/user/bo").await;
    assert_too_fast(&colleague.post(&room, logs("a colleague's")).await.expect_err("the organisation's rate"));
    a.post(&other, logs("elsewhere")).await.expect("another room has a rate of its own");
    b.post(&room, logs("another's")).await.expect("another organisation has a rate of its own");
    for number in 0..20 {
        coordinator.post(&room, logs(&number.to_string())).await.expect("the coordinator has no rate");
    }
    let page = a.list(&room, 0).await.expect("reading is no writing");
    assert_eq!(texts(&page.deliveries).len(), 22, "of what was refused, nothing was written");

    // The same request, once it is not too fast any more, is taken: the refusal was not remembered.
    world.rates = Rates::default();
    world.restart(1).await;
    let a = world.peer("region-a").await;
    a.raw("MessageService/PostMessage", &request).await.expect("it is posted");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r6_what_takes_something_back_goes_through_while_the_same_organisations_posts_are_refused() {
    let mut world = World::start().await;
    let rates = Rates { bytes: TRICKLE, ..Rates::default() };
    let (coordinator, [a, b], [room, _]) = limited(&mut world, rates).await;
    let posted = a.post(&room, logs("the one")).await.expect("within the rate");
    assert_eq!(texts(&b.list(&room, 0).await.expect("a page").deliveries), ["the one"]);
    let used_up = || async { assert_too_fast(&a.post(&room, logs("more")).await.expect_err("over it")) };
    used_up().await;

    let narrower = pb::ConsentChange {
        cells: vec![pb::ConsentCell {
            material: pb::Material::Logs.into(),
            audience: pb::Audience::OtherAffectedOrganisations.into(),
            sharing: pb::Sharing::No.into(),
        }],
        ..pb::ConsentChange::default()
    };
    a.give(&room, narrower).await.expect("narrowing");
    used_up().await;
    assert_eq!(texts(&b.list(&room, 0).await.expect("a page").deliveries), Vec::<String>::new());
    withdraw_all(&a, &room).await.expect("withdrawing");
    used_up().await;
    let retracts = pb::RetractMessageRequest {
        request_id: id(),
        room_id: room.clone(),
        message_id: posted.message_id,
        reason: "a wrong file".into(),
    };
    let _: pb::RetractMessageResponse = a.call("MessageService/RetractMessage", &retracts).await.expect("retracting");
    used_up().await;
    let revokes =
        pb::RevokeActorRequest { request_id: id(), actor: "org/region-a/user/bo".into(), reason: "left".into() };
    let _: pb::RevokeActorResponse = coordinator.call("AccessService/RevokeActor", &revokes).await.expect("revoking");
    let recorded = |peer: Peer, room: String| async move {
        let page = peer.list(&room, 0).await.expect("a page");
        let is_change =
            |delivery: &pb::Delivery| matches!(delivery.content, Some(pb::delivery::Content::AccessChanged(_)));
        page.deliveries.iter().filter(|delivery| is_change(delivery)).count()
    };
    assert_eq!(recorded(a.clone(), room.clone()).await, 1, "the room has it");
    used_up().await;
    let leaves = pb::LeaveRoomRequest { request_id: id(), room_id: room.clone() };
    let _: pb::LeaveRoomResponse = a.call("RoomService/LeaveRoom", &leaves).await.expect("leaving");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r6_consent_that_widens_has_a_rate_and_what_was_just_given_can_be_withdrawn_at_once() {
    let mut world = World::start().await;
    let rates = Rates { consents: Rate { per_second: 1, burst: 3 }, ..Rates::default() };
    let (_, [a, b], [room, other]) = limited(&mut world, rates).await;
    let widest = sharing_logs(pb::Attribution::Named);
    let refused = loop {
        // What widens is counted, what takes it back is not.
        match a.give(&room, widest.clone()).await {
            Ok(_) => drop(withdraw_all(&a, &room).await.expect("what was given can be withdrawn")),
            Err(status) => break status,
        }
    };
    assert_too_fast(&refused);
    b.give(&room, widest.clone()).await.expect("another organisation has a rate of its own");
    a.give(&other, widest).await.expect("another room has a rate of its own");
    a.post(&room, logs("still served")).await.expect("posts have a rate of their own");
    world.stop().await;
}

type Following = Answers<pb::SubscribeResponse>;

async fn follow(peer: &Peer, room: &str) -> Result<Following, Status> {
    peer.subscribe(room, 0).await
}

fn assert_too_many(opened: Result<Following, Status>, of: &str) {
    let Err(status) = opened else { panic!("over what one {of} may have") };
    assert_eq!((status.code(), reason(&status).0.as_str()), (Code::ResourceExhausted, "TOO_MANY_STREAMS"));
    assert!(status.message().contains(&format!("for one {of}")), "{}", status.message());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_capped_by_connection_certificate_and_organisation_and_a_place_that_is_given_up_is_free() {
    let mut world = World::start().await;
    world.streams = StreamLimits { connection: 2, certificate: 3, organisation: 4, ..StreamLimits::default() };
    world.reload().await.expect("the limits are in force");
    let (coordinator, [a, b]) = world.peers(["region-a", "region-b"]).await;
    let room = coordinator.open().await;
    for peer in [&a, &b] {
        coordinator.bring(&room, peer, appearing(pb::Attribution::Named)).await;
    }
    let mut open = vec![follow(&a, &room).await.expect("a place"), follow(&a, &room).await.expect("a place")];
    assert_too_many(follow(&a, &room).await, "connection");
    let again = world.peer("region-a").await;
    open.push(follow(&again, &room).await.expect("another connection has places of its own"));
    assert_too_many(follow(&again, &room).await, "certificate");
    let colleague = world.peer("region-a/user/bo").await;
    open.push(follow(&colleague, &room).await.expect("another certificate has places of its own"));
    assert_too_many(follow(&colleague, &room).await, "organisation");
    a.list(&room, 0).await.expect("single calls go on");
    a.post(&room, logs("and writes")).await.expect("it is posted");
    follow(&b, &room).await.expect("another organisation has places of its own").batch().await.expect("deliveries");
    let everything: Vec<_> = futures_util::future::join_all((0..2).map(|_| follow(&coordinator, &room))).await;
    assert!(everything.iter().all(Result::is_ok), "the coordinator has places of its own");

    // A stream that was given up is noticed soon, not at once.
    open.pop();
    while let Err(status) = follow(&colleague, &room).await {
        assert_eq!(reason(&status).0, "TOO_MANY_STREAMS");
    }
    world.stop().await;
}
