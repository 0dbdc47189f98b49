//! How are many messages posted without waiting for each answer?
//!
//! Over one `PostMessages` stream, with at most [`WINDOW`] messages that wait for their answer. When the stream is cut, those are
//! sent again with the same request ids, so that each is posted once (R8). Order is kept, with one exception: a message that the
//! server could not take for now is sent again after those that were under way. Tested in `tests/it`.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;

use super::error::{ClientError, Failure, Refused, Verdict};
use super::{Client, TRIES_MAX, Time, backoff, new_request_id, pb};

/// Messages under way. At a commit of a few milliseconds that is more than ten thousand a second, and at the largest text 4 MiB.
const WINDOW: usize = 64;

/// What became of one message: posted, or refused for a reason of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Posted {
    /// Its place among the drafts, from 0.
    pub position: usize,
    /// Its request id.
    pub request_id: String,
    /// Its message id and when it was recorded, or why it was refused.
    pub result: Result<(String, Option<Time>), Refused>,
}

struct Waiting {
    position: usize,
    request: pb::PostMessagesRequest,
}

/// How one stream ended.
enum End {
    Done,
    Interrupted(Failure),
}

struct Posting<'a, I, F> {
    client: &'a Client,
    room_id: &'a str,
    drafts: std::iter::Enumerate<I>,
    on_answer: F,
    /// To be sent: those of a broken stream, and those that the server could not take for now.
    again: VecDeque<Waiting>,
    /// Sent over this stream, oldest first.
    under_way: VecDeque<Waiting>,
    /// Whether there is nothing left to send.
    exhausted: bool,
    /// Whether anything was answered since the last failure.
    progress: bool,
    /// The most that may be under way.
    window: usize,
}

impl Client {
    /// Posts messages into one room, in order, and tells of each answer as it comes. A refusal concerns one message and does not
    /// stop the others; an error stops all, and those not told of may or may not have been posted.
    pub async fn post_many<I, F>(&self, room_id: &str, drafts: I, on_answer: F) -> Result<(), ClientError>
    where
        I: IntoIterator<Item = pb::MessageDraft>,
        F: FnMut(Posted),
    {
        self.post_many_within(WINDOW, room_id, drafts, on_answer).await
    }

    /// As [`Client::post_many`], with so many messages under way instead of [`WINDOW`].
    pub(crate) async fn post_many_within<I, F>(
        &self,
        window: usize,
        room_id: &str,
        drafts: I,
        on_answer: F,
    ) -> Result<(), ClientError>
    where
        I: IntoIterator<Item = pb::MessageDraft>,
        F: FnMut(Posted),
    {
        let mut posting = Posting {
            client: self,
            room_id,
            drafts: drafts.into_iter().enumerate(),
            on_answer,
            again: VecDeque::new(),
            under_way: VecDeque::new(),
            exhausted: false,
            progress: false,
            window: window.max(1),
        };
        let mut failed = 0;
        loop {
            let failure = match posting.stream().await? {
                End::Done => return Ok(()),
                End::Interrupted(failure) => failure,
            };
            let open = std::mem::take(&mut posting.under_way);
            posting.again = open.into_iter().chain(std::mem::take(&mut posting.again)).collect();
            let request_id =
                posting.again.front().map(|waiting| waiting.request.request_id.clone()).unwrap_or_default();
            let address = self.transport.address();
            let problem = match failure {
                Failure::Again { problem, .. } => problem,
                Failure::Final(verdict) => return Err(verdict.into_error(address, &request_id)),
            };
            failed = if std::mem::take(&mut posting.progress) { 1 } else { failed + 1 };
            if failed >= TRIES_MAX {
                return Err(ClientError::OutcomeUnknown { request_id, problem });
            }
            tracing::debug!(failed, %problem, "stream of messages was cut, resuming");
            sleep(backoff(failed)).await;
        }
    }
}

impl<I: Iterator<Item = pb::MessageDraft>, F: FnMut(Posted)> Posting<'_, I, F> {
    /// The next to send: what was sent before comes first.
    fn next(&mut self) -> Option<Waiting> {
        self.again.pop_front().or_else(|| {
            let (position, draft) = self.drafts.next()?;
            let request = pb::PostMessagesRequest {
                request_id: new_request_id(),
                room_id: self.room_id.into(),
                draft: Some(draft),
            };
            Some(Waiting { position, request })
        })
    }

    /// Posts over one stream until all is answered or the stream ends.
    async fn stream(&mut self) -> Result<End, ClientError> {
        let (sender, receiver) = mpsc::channel(self.window);
        // The server begins to answer once it has seen a first request, so the window is filled before.
        if !self.fill(&sender) {
            return Ok(End::Done);
        }
        let requests = Request::new(ReceiverStream::new(receiver));
        let transport = &self.client.transport;
        let mut answers = match transport.answer(transport.messages().post_messages(requests)).await {
            Ok(response) => response.into_inner(),
            Err(failure) => return Ok(End::Interrupted(failure)),
        };
        while !self.under_way.is_empty() {
            let outcomes = match transport.answer(answers.message()).await {
                Ok(Some(response)) => response.outcomes,
                Ok(None) => {
                    let problem = "the server ended the stream".to_owned();
                    return Ok(End::Interrupted(Failure::Again { problem, maybe_written: true }));
                }
                Err(failure) => return Ok(End::Interrupted(failure)),
            };
            let mut not_now = None;
            for outcome in outcomes {
                not_now = self.answered(outcome)?.or(not_now);
            }
            // Whoever is asked to wait does: nothing new until what is under way has been answered.
            if let Some(failure) = not_now {
                drop(sender);
                return self.drain(&mut answers, failure).await;
            }
            self.fill(&sender);
        }
        if self.exhausted {
            return Ok(End::Done);
        }
        // All that was sent is answered, and then the stream took no more.
        let problem = "the connection was cut".to_owned();
        Ok(End::Interrupted(Failure::Again { problem, maybe_written: false }))
    }

    /// Takes the answers of what is under way, then reports the stream as interrupted.
    async fn drain(
        &mut self,
        answers: &mut tonic::Streaming<pb::PostMessagesResponse>,
        failure: Failure,
    ) -> Result<End, ClientError> {
        while !self.under_way.is_empty() {
            let Ok(Some(response)) = self.client.transport.answer(answers.message()).await else { break };
            for outcome in response.outcomes {
                self.answered(outcome)?;
            }
        }
        Ok(End::Interrupted(failure))
    }

    /// Sends as much as the window has room for. Whether anything is under way.
    fn fill(&mut self, sender: &mpsc::Sender<pb::PostMessagesRequest>) -> bool {
        while self.under_way.len() < self.window {
            let Ok(permit) = sender.try_reserve() else { break };
            let Some(waiting) = self.next() else {
                self.exhausted = true;
                break;
            };
            self.exhausted = false;
            permit.send(waiting.request.clone());
            self.under_way.push_back(waiting);
        }
        !self.under_way.is_empty()
    }

    /// Takes one answer. `Some`: the server could not take the message for now, and it will be sent again.
    fn answered(&mut self, outcome: pb::Outcome) -> Result<Option<Failure>, ClientError> {
        let Some(waiting) =
            self.under_way.pop_front().filter(|waiting| waiting.request.request_id == outcome.request_id)
        else {
            return Err(ClientError::Failed("an answer to a message that was not asked about".into()));
        };
        let result = match outcome.answer {
            Some(pb::outcome::Answer::Posted(posted)) => Ok((posted.message_id, posted.recorded_time)),
            Some(pb::outcome::Answer::Problem(problem)) => match Failure::of_problem(problem) {
                Failure::Final(Verdict::Refused(refused)) => Err(*refused),
                Failure::Final(verdict) => {
                    return Err(verdict.into_error(self.client.transport.address(), &outcome.request_id));
                }
                again @ Failure::Again { .. } => {
                    self.again.push_back(waiting);
                    return Ok(Some(again));
                }
            },
            None => return Err(ClientError::Failed("an answer without content".into())),
        };
        self.progress = true;
        (self.on_answer)(Posted { position: waiting.position, request_id: outcome.request_id, result });
        Ok(None)
    }
}
