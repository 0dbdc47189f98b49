//! How does a reader follow a room through cut connections?
//!
//! A [`Subscription`] remembers the last index that it handed out. When the stream ends for a reason that passes (the network, a
//! server that restarts), it connects again and resumes after that index; what comes twice is dropped, and a gap is an error,
//! since the server promises that there is none. It ends when the server says no: the reader left, was removed, or is not admitted
//! any more. Tested in `tests/it`.

use std::collections::VecDeque;

use tokio::time::sleep;
use tonic::{Request, Streaming};

use super::error::{ClientError, Failure, Verdict};
use super::{Client, TRIES_MAX, Time, backoff, pb};
use crate::api::ErrorReason;

/// What a subscription has to say.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// The next delivery of the caller's mailbox.
    Delivery {
        /// Its index, one more than that of the one before.
        index: u64,
        /// What stands there.
        delivery: Box<pb::Delivery>,
    },
    /// The server is there and has nothing new.
    Heartbeat {
        /// The last index given in the caller's mailbox.
        last_index: u64,
        /// The server's clock.
        server_time: Option<Time>,
    },
    /// The connection was cut and is made again. Nothing is lost by that.
    Reconnecting {
        /// Why.
        problem: String,
    },
}

/// A room, followed. Dropping it ends it.
pub struct Subscription {
    client: Client,
    room_id: String,
    after_index: u64,
    stream: Option<Streaming<pb::SubscribeResponse>>,
    waiting: VecDeque<pb::Delivery>,
    /// Whether the server ever answered: a subscription that never began gives up, one that did goes on for good.
    began: bool,
    /// Tries since the last sign of life.
    failed: u32,
    /// Whether to pause before the next try.
    pause: bool,
}

impl Client {
    /// Follows a room after an index (0: from the first). Connects on the first [`Subscription::next`].
    pub fn subscribe(&self, room_id: &str, after_index: u64) -> Subscription {
        Subscription {
            client: self.clone(),
            room_id: room_id.into(),
            after_index,
            stream: None,
            waiting: VecDeque::new(),
            began: false,
            failed: 0,
            pause: false,
        }
    }
}

impl Subscription {
    /// The index of the last delivery handed out.
    pub fn after_index(&self) -> u64 {
        self.after_index
    }

    /// Waits for what comes next. An error is the end. Giving up the wait and waiting again loses nothing.
    pub async fn next(&mut self) -> Result<Update, ClientError> {
        loop {
            if let Some(delivery) = self.waiting.pop_front() {
                self.after_index += 1;
                return Ok(Update::Delivery { index: self.after_index, delivery: Box::new(delivery) });
            }
            if self.pause {
                sleep(backoff(self.failed)).await;
                self.pause = false;
            }
            let Some(stream) = &mut self.stream else {
                let request = pb::SubscribeRequest { room_id: self.room_id.clone(), after_index: self.after_index };
                let transport = &self.client.transport;
                match transport.answer(transport.messages().subscribe(Request::new(request))).await {
                    Ok(response) => {
                        self.stream = Some(response.into_inner());
                        self.began = true;
                    }
                    Err(failure) => return self.interrupted(failure),
                }
                continue;
            };
            let content = match self.client.transport.answer(stream.message()).await {
                Ok(Some(response)) => response.content,
                Ok(None) => {
                    let problem = "the server ended the stream".to_owned();
                    return self.interrupted(Failure::Again { problem, maybe_written: false });
                }
                Err(failure) => return self.interrupted(failure),
            };
            self.failed = 0;
            match content {
                Some(pb::subscribe_response::Content::Batch(batch)) => self.take(batch)?,
                Some(pb::subscribe_response::Content::Heartbeat(pb::Heartbeat { last_index, server_time })) => {
                    return Ok(Update::Heartbeat { last_index, server_time });
                }
                // A kind of a later version of the API.
                None => {}
            }
        }
    }

    fn take(&mut self, batch: pb::Batch) -> Result<(), ClientError> {
        let expected = self.after_index + 1;
        if batch.first_index > expected {
            return Err(ClientError::Failed(format!(
                "deliveries {expected} to {} are missing from the stream",
                batch.first_index - 1
            )));
        }
        let known = usize::try_from(expected - batch.first_index).unwrap_or(usize::MAX);
        self.waiting.extend(batch.deliveries.into_iter().skip(known));
        Ok(())
    }

    fn interrupted(&mut self, failure: Failure) -> Result<Update, ClientError> {
        self.stream = None;
        self.failed += 1;
        let address = self.client.transport.address();
        let problem = match failure {
            Failure::Again { problem, .. } => problem,
            // The server has not noticed yet that the last stream is gone.
            Failure::Final(Verdict::Refused(refused))
                if self.began && refused.reason == ErrorReason::TooManyStreams.as_reason() =>
            {
                refused.message
            }
            Failure::Final(verdict) => return Err(verdict.into_error(address, "")),
        };
        if !self.began && self.failed >= TRIES_MAX {
            return Err(ClientError::NotReachable { address: address.into(), problem });
        }
        self.pause = true;
        Ok(Update::Reconnecting { problem })
    }
}
