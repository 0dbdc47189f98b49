//! A stream of posts: many messages into one room, without waiting for each answer, answered in their order.
//!
//! Requests are read only while there is room for them ([`limits::POSTS_IN_FLIGHT_MAX`]), and each is handed to the engine before the
//! next is read, so that they reach it in the order of the stream. A full queue of the engine holds them back there: it is
//! back-pressure here, and an error only after a long time. Nor is the next read while its organisation writes faster than it may.

use std::future::ready;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use tokio::time::{Instant, sleep_until};
use tonic::{Status, Streaming};

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

/// An open stream of posts.
pub(super) struct Posting {
    call: Call,
    requests: Streaming<api::PostMessagesRequest>,
    /// Fixed by the first request.
    room: Option<RoomId>,
    /// Whether more requests may come.
    reading: bool,
    /// Until when none is read, since the organisation has used up its rate.
    paused: Option<Instant>,
    in_flight: FuturesOrdered<BoxFuture<'static, Answered>>,
    /// What the stream ends with, after the outcomes that are still to be told.
    end: Option<Status>,
    _open: OpenStream,
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
    Resume,
    Outcome(Answered),
    Received(Result<Option<api::PostMessagesRequest>, Status>),
}

impl Posting {
    pub(super) fn new(call: Call, requests: Streaming<api::PostMessagesRequest>, open: OpenStream) -> Self {
        let in_flight = FuturesOrdered::new();
        Self { call, requests, room: None, reading: true, paused: None, in_flight, end: None, _open: open }
    }

    async fn step(&mut self) -> Step {
        let Self { call, requests, reading, paused, in_flight, .. } = self;
        let room_for_more = in_flight.len() < limits::POSTS_IN_FLIGHT_MAX;
        tokio::select! {
            biased;
            () = call.caller.cancelled() => Step::Cut,
            // First of all asks the engine about a write that was just added: that is when it takes it up.
            Some(answered) = in_flight.next(), if !in_flight.is_empty() => Step::Outcome(answered),
            () = call.shared().stopping.cancelled(), if *reading => Step::Stop,
            () = sleep_until(paused.unwrap_or_else(Instant::now)), if *reading && paused.is_some() => Step::Resume,
            received = requests.message(), if *reading && paused.is_none() && room_for_more => Step::Received(received),
        }
    }

    /// Takes up one request.
    fn receive(&mut self, request: api::PostMessagesRequest) {
        let room = match self.room {
            Some(room) => room,
            None => match from_proto::room(&request.room_id) {
                Ok(room) => *self.room.insert(room),
                Err(error) => return self.end_with(error.status(self.call.method.effect)),
            },
        };
        let request_id = request.request_id.clone();
        let read = from_proto::post_messages(room, request).and_then(|(id, room, draft)| {
            // What was uploaded is looked up first, and that would hold up the others.
            match draft.attachments.is_empty() {
                true => Ok((id, room, draft)),
                false => Err(CallError::invalid("draft.attachments", "must be empty in a stream; use PostMessage")),
            }
        });
        let answered = match read {
            Ok((request, room, draft)) => self.write(request_id, room, request, draft),
            Err(error) => Box::pin(ready(Answered { request_id, result: Err(error) })),
        };
        self.in_flight.push_back(answered);
    }

    fn write(
        &mut self,
        request_id: String,
        room: RoomId,
        request: Request,
        draft: Draft,
    ) -> BoxFuture<'static, Answered> {
        let (engine, caller) = (self.call.engine().clone(), self.call.caller.clone());
        let command = Command::Post { message: MessageId(engine.new_id()), draft: Arc::new(draft) };
        self.paused = engine.pace(&caller.actor, room, &command);
        // Unconstrained, since tokio's budget could otherwise let a later write overtake this one.
        Box::pin(tokio::task::unconstrained(async move {
            let result = engine.write_counted(&caller.actor, room, request, command).await.map_err(CallError::from);
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
            Failure::Busy(_)
            | Failure::TooFast { .. }
            | Failure::StoreFull
            | Failure::StoreFailed { .. }
            | Failure::AttachmentDamaged
            | Failure::UploadTakenOver
            | Failure::WithdrawnMeanwhile
            | Failure::NotErased
            | Failure::ShuttingDown,
        )
        | CallError::Invalid(_)
        | CallError::NotIdentified
        | CallError::Ended(_)
        | CallError::NotAdmitted
        | CallError::EnrolmentOff
        | CallError::BackupBaseUnknown
        | CallError::BackupUnderWay
        | CallError::TooManyStreams { .. }
        | CallError::NoSuchMethod
        | CallError::TimedOut { .. }
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
        while self.reading || !self.in_flight.is_empty() {
            match self.step().await {
                Step::Cut => self.end_with(CallError::cut(&self.call.caller).status(effect)),
                Step::Stop => {
                    self.reading = false;
                    self.end = Some(CallError::from(Failure::ShuttingDown).status(effect));
                }
                Step::Resume => self.paused = None,
                Step::Outcome(answered) => {
                    if let Some(outcomes) = self.outcomes(answered) {
                        return Some(Ok(outcomes));
                    }
                }
                Step::Received(Ok(Some(request))) => self.receive(request),
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
