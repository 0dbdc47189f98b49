//! Streams of posts, and subscriptions that outlive a server.

use bytes::Bytes;
use prost::Message as _;
use samverkan::api::{self as pb, outcome::Answer};
use tonic::Code;

use crate::world::{Peer, World, appearing, id, logs, sharing_logs, texts};

/// Sends these posts in one stream and answers with all outcomes.
async fn post_all(peer: &Peer, requests: &[pb::PostMessagesRequest]) -> Vec<pb::Outcome> {
    let requests: Vec<_> = requests.iter().map(|request| Bytes::from(request.encode_to_vec())).collect();
    let mut answers = peer
        .stream::<pb::PostMessagesResponse>("MessageService/PostMessages", tokio_stream::iter(requests))
        .await
        .expect("a stream");
    let mut outcomes = Vec::new();
    while let Some(answer) = answers.next().await.expect("the stream goes on") {
        outcomes.extend(answer.outcomes);
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_a_stream_of_posts_is_answered_in_order_and_a_refusal_concerns_its_own_message() {
    let mut world = World::start().await;
    let (coordinator, [a]) = world.peers(["region-a"]).await;
    let room = coordinator.open().await;
    coordinator.bring(&room, &a, appearing(pb::Attribution::Named)).await;
    let request =
        |text: &str| pb::PostMessagesRequest { request_id: id(), room_id: String::new(), draft: Some(logs(text)) };
    let mut requests = vec![
        request("first"),
        request(""),
        request("third"),
        request("fourth"),
        request("fifth"),
        request("sixth"),
        request("seventh"),
    ];
    requests[0].room_id = room.clone();
    requests[3].draft.as_mut().expect("set").recipients = vec!["nobody".to_owned()];
    // The fifth is the third, sent again; the sixth has its id and says something else.
    requests[4] = requests[2].clone();
    requests[5].request_id = requests[2].request_id.clone();
    let outcomes = post_all(&a, &requests).await;
    let ids = |outcomes: &[pb::Outcome]| outcomes.iter().map(|o| o.request_id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&outcomes), requests.iter().map(|request| request.request_id.clone()).collect::<Vec<_>>());
    let problem = |at: usize| match &outcomes[at].answer {
        Some(Answer::Problem(problem)) => (problem.code, problem.reason.as_str()),
        other => panic!("{at}: {other:?}"),
    };
    assert_eq!(problem(1), (Code::InvalidArgument as i32, "FIELD_INVALID"));
    assert_eq!(problem(3), (Code::FailedPrecondition as i32, "RECIPIENT_NOT_VISIBLE"));
    assert_eq!(problem(5), (Code::AlreadyExists as i32, "REQUEST_ID_REUSED"));
    assert!(matches!(outcomes[2].answer, Some(Answer::Posted(_))));
    assert_eq!(outcomes[2], outcomes[4]);
    // Another stream, and the call for one message, give the same answers.
    assert_eq!(post_all(&a, &requests).await, outcomes);
    let pb::PostMessagesRequest { request_id, draft, .. } = requests[2].clone();
    let single = pb::PostMessageRequest { request_id, room_id: room.clone(), draft };
    let single: pb::PostMessageResponse = a.call("MessageService/PostMessage", &single).await.expect("the same answer");
    match &outcomes[2].answer {
        Some(Answer::Posted(posted)) => assert_eq!(posted.message_id, single.message_id),
        other => panic!("{other:?}"),
    }
    let page = coordinator.list(&room, 0).await.expect("a page");
    assert_eq!(texts(&page.deliveries), ["first", "third", "seventh"]);
    world.stop().await;
}

/// The next so many deliveries of a room, with their indexes.
async fn follow(peer: &Peer, room: &str, after: u64, count: usize) -> Vec<(u64, pb::Delivery)> {
    let mut stream = peer.subscribe(room, after).await.expect("a stream");
    let mut all = Vec::new();
    while all.len() < count {
        let batch = stream.batch().await.expect("a batch");
        all.extend((batch.first_index..).zip(batch.deliveries));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_a_subscription_resumes_without_gap_or_repeat_on_a_server_that_was_started_again() {
    let mut world = World::start().await;
    let (coordinator, [a, b]) = world.peers(["region-a", "region-b"]).await;
    let room = coordinator.open().await;
    for peer in [&a, &b] {
        coordinator.bring(&room, peer, sharing_logs(pb::Attribution::Named)).await;
    }
    let mut live = b.subscribe(&room, 0).await.expect("a stream");
    let first = live.batch().await.expect("its own joining");
    let mut seen: Vec<_> = (first.first_index..).zip(first.deliveries).collect();
    for number in 0..20 {
        a.post(&room, logs(&number.to_string())).await.expect("it is posted");
    }
    while texts(&seen.iter().map(|(_, delivery)| delivery.clone()).collect::<Vec<_>>()).len() < 12 {
        let batch = live.batch().await.expect("a batch");
        seen.extend((batch.first_index..).zip(batch.deliveries));
    }
    world.restart(1).await;
    let ([a, b], last) = ([world.peer("region-a").await, world.peer("region-b").await], seen.len() as u64);
    for number in 20..30 {
        a.post(&room, logs(&number.to_string())).await.expect("it is posted");
    }
    let had = texts(&seen.iter().map(|(_, delivery)| delivery.clone()).collect::<Vec<_>>()).len();
    seen.extend(follow(&b, &room, last, 30 - had).await);
    let indexes: Vec<_> = seen.iter().map(|(index, _)| *index).collect();
    assert_eq!(indexes, (1..=seen.len() as u64).collect::<Vec<_>>());
    let deliveries: Vec<_> = seen.into_iter().map(|(_, delivery)| delivery).collect();
    assert_eq!(texts(&deliveries), (0..30).map(|number| number.to_string()).collect::<Vec<_>>());
    // History tells the same.
    assert_eq!(b.list(&room, 0).await.expect("a page").deliveries, deliveries);
    world.stop().await;
}
