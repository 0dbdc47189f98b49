//! A stream of posts: many messages into one room, without waiting for each answer, answered in their order.
//!
//! Requests are read only while there is room for them ([`limits::POSTS_IN_FLIGHT_MAX`]), and each is handed to the engine before the
//! next is read, so that they reach it in the order of the stream. When a queue of the engine is full, the stream stops being read
//! until the message has its place: a full queue is back-pressure here, and an error only after a long time.

use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use tokio::time::Instant;
use tonic::{Status, Streaming};
use uuid::Uuid;

use super::call::Call;
use super::message::Source;
use super::status::{self, CallError};
use super::streams::OpenStream;
use super::{from_proto, to_proto};
use crate::api;
use crate::engine::{Failure, Written};
use crate::limits;
use crate::room::event::{Command, Draft, Event, Request};
use crate::room::ids::{MessageId, RoomId};
use crate::room::refusal::Refusal;

/// Pause before asking for a place in a full queue again, if no answer comes before.
const ADMISSION_PAUSE: Duration = Duration::from_millis(1);

/// An open stream of posts.
pub(super) struct Posting {
    call: Call,
    requests: Streaming<api::PostMessagesRequest>,
    /// Fixed by the first request.
    room: Option<RoomId>,
    /// Whether more requests may come.
    reading: bool,
    in_flight: FuturesOrdered<BoxFuture<'static, Answered>>,
    /// The message that waits for a place in the engine's queue, since when.
    held: Option<(Post, Instant)>,
    /// What the stream ends with, after the outcomes that are still to be told.
    end: Option<Status>,
    _open: OpenStream,
}

/// A well-formed message.
#[derive(Clone)]
struct Post {
    room: RoomId,
    /// As in the request.
    request_id: String,
    request: Request,
    draft: Arc<Draft>,
}

/// What became of one request.
struct Answered {
    request_id: String,
    result: Result<Written, CallError>,
}

/// What there is to do next.
enum Step {
    Cut,
    Stop,
    Outcome(Answered),
    Admit,
    Received(Result<Option<api::PostMessagesRequest>, Status>),
}

impl Posting {
    pub(super) fn new(call: Call, requests: Streaming<api::PostMessagesRequest>, open: OpenStream) -> Self {
        Self {
            call,
            requests,
            room: None,
            reading: true,
            in_flight: FuturesOrdered::new(),
            held: None,
            end: None,
            _open: open,
        }
    }

    async fn step(&mut self) -> Step {
        let Self { call, requests, reading, in_flight, held, .. } = self;
        let room_for_more = in_flight.len() < limits::POSTS_IN_FLIGHT_MAX;
        tokio::select! {
            biased;
            () = call.caller.cancelled() => Step::Cut,
            Some(answered) = in_flight.next(), if !in_flight.is_empty() => Step::Outcome(answered),
            () = call.shared().stopping.cancelled(), if *reading || held.is_some() => Step::Stop,
            () = tokio::time::sleep(ADMISSION_PAUSE), if held.is_some() => Step::Admit,
            received = requests.message(), if *reading && held.is_none() && room_for_more => Step::Received(received),
        }
    }

    /// Takes up one request.
    async fn receive(&mut self, request: api::PostMessagesRequest) {
        let room = match self.room {
            Some(room) => room,
            None => match from_proto::room(&request.room_id) {
                Ok(room) => *self.room.insert(room),
                Err(error) => return self.end_with(error.status(self.call.method.effect)),
            },
        };
        let request_id = request.request_id.clone();
        match from_proto::post_messages(room, request) {
            Ok((request, room, draft)) => {
                self.admit(Post { room, request_id, request, draft: Arc::new(draft) }, Instant::now()).await;
            }
            Err(error) => self.in_flight.push_back(Box::pin(ready(Answered { request_id, result: Err(error) }))),
        }
    }

    /// Hands a message to the engine, or keeps it until its queue has a place.
    async fn admit(&mut self, post: Post, since: Instant) {
        let mut write = self.write(post.clone());
        // The engine takes a write up when it is first asked about it.
        match poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx))).await {
            Poll::Pending => self.in_flight.push_back(write),
            Poll::Ready(Answered { result: Err(CallError::Failed(Failure::Busy(_))), .. })
                if since.elapsed() < limits::POST_ADMISSION_TIME_MAX =>
            {
                self.held = Some((post, since));
            }
            Poll::Ready(answered) => self.in_flight.push_back(Box::pin(ready(answered))),
        }
    }

    fn write(&self, post: Post) -> Pin<Box<dyn Future<Output = Answered> + Send>> {
        let (engine, caller) = (self.call.engine().clone(), self.call.caller.clone());
        let Post { room, request_id, request, draft } = post;
        // Unconstrained, since tokio's budget could otherwise let a later write overtake this one.
        Box::pin(tokio::task::unconstrained(async move {
            let command = Command::Post { message: MessageId(Uuid::new_v4()), draft };
            let result = engine.write(&caller.actor, room, request, command).await.map_err(CallError::from);
            Answered { request_id, result }
        }))
    }

    /// The outcomes that are ready, the first of them being `answered`. `None`: the stream ends instead.
    fn outcomes(&mut self, answered: Answered) -> Option<api::PostMessagesResponse> {
        let mut outcomes = Vec::new();
        let mut next = Some(answered);
        while let Some(answered) = next {
            if let Err(error) = &answered.result
                && ends_the_stream(error)
            {
                self.end_with(error.status(self.call.method.effect));
                break;
            }
            outcomes.push(self.outcome(answered));
            next = self.in_flight.next().now_or_never().flatten();
        }
        (!outcomes.is_empty()).then_some(api::PostMessagesResponse { outcomes })
    }

    fn outcome(&self, Answered { request_id, result }: Answered) -> api::Outcome {
        use api::outcome::Answer;
        let answer = match result {
            Ok(Written { recorded_at, event: Event::MessagePosted { message, .. } }) => Answer::Posted(api::Posted {
                message_id: message.id.to_string(),
                recorded_time: Some(to_proto::time(recorded_at)),
            }),
            Ok(Written { .. }) => {
                let fault = "the write was answered by another event";
                Answer::Problem(CallError::internal(self.call.method.path, fault).problem())
            }
            Err(error) => Answer::Problem(error.problem()),
        };
        api::Outcome { request_id, answer: Some(answer) }
    }

    /// Reads no more, and forgets what waits: its outcome would not be told.
    fn end_with(&mut self, status: Status) {
        self.reading = false;
        self.held = None;
        self.in_flight = FuturesOrdered::new();
        self.end = Some(status);
    }
}

/// Whether an error is about the room or the server, and not about one message.
fn ends_the_stream(error: &CallError) -> bool {
    match error {
        CallError::Failed(Failure::Refused(refusal)) => *refusal == Refusal::RoomNotFound,
        CallError::Failed(Failure::Damaged) => true,
        CallError::Failed(
            Failure::Busy(_) | Failure::StoreFull | Failure::StoreFailed { .. } | Failure::ShuttingDown,
        )
        | CallError::Invalid(_)
        | CallError::NotIdentified
        | CallError::NotAdmitted
        | CallError::TooManyStreams { .. }
        | CallError::NoSuchMethod
        | CallError::TimedOut
        | CallError::Internal(_) => false,
    }
}

impl Source for Posting {
    type Answer = api::PostMessagesResponse;

    fn call(&self) -> &Call {
        &self.call
    }

    async fn next(&mut self) -> Option<Result<api::PostMessagesResponse, Status>> {
        let effect = self.call.method.effect;
        while self.reading || self.held.is_some() || !self.in_flight.is_empty() {
            match self.step().await {
                Step::Cut => self.end_with(CallError::NotIdentified.status(effect)),
                Step::Stop => {
                    self.reading = false;
                    let stopping = || CallError::from(Failure::ShuttingDown);
                    if let Some((Post { request_id, .. }, _)) = self.held.take() {
                        let answered = Answered { request_id, result: Err(stopping()) };
                        self.in_flight.push_back(Box::pin(ready(answered)));
                    }
                    self.end = Some(stopping().status(effect));
                }
                Step::Outcome(answered) => {
                    let outcomes = self.outcomes(answered);
                    // An answer means that the queue has a place again.
                    if let Some((post, since)) = self.held.take() {
                        self.admit(post, since).await;
                    }
                    if let Some(outcomes) = outcomes {
                        return Some(Ok(outcomes));
                    }
                }
                Step::Admit => {
                    if let Some((post, since)) = self.held.take() {
                        self.admit(post, since).await;
                    }
                }
                Step::Received(Ok(Some(request))) => self.receive(request).await,
                Step::Received(Ok(None)) => self.reading = false,
                Step::Received(Err(status)) => {
                    self.reading = false;
                    self.end = Some(status::of_requests(&status, effect));
                }
            }
        }
        self.end.take().map(Err)
    }
}
