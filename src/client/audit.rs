//! How does a monitoring program follow the audit trail through cut connections?
//!
//! As [`super::subscribe`] follows a room: it remembers the last position, connects again, and resumes after it.

use std::collections::VecDeque;

use tokio::time::sleep;
use tonic::{Request, Streaming};

use super::error::{ClientError, Failure, Verdict};
use super::{Client, TRIES_MAX, backoff, pb};
use crate::api::ErrorReason;

/// What a tail has to say.
#[derive(Debug, Clone, PartialEq)]
pub enum AuditUpdate {
    /// The next record.
    Record(Box<pb::AuditRecord>),
    /// The server is there and has nothing new.
    Heartbeat,
    /// The connection was cut and is made again. Nothing is lost by that.
    Reconnecting {
        /// Why.
        problem: String,
    },
}

/// The trail, followed. Dropping it ends it.
pub struct AuditTail {
    client: Client,
    request: pb::TailAuditRecordsRequest,
    stream: Option<Streaming<pb::TailAuditRecordsResponse>>,
    waiting: VecDeque<pb::AuditRecord>,
    began: bool,
    failed: u32,
}

impl Client {
    /// Follows the audit trail. Connects on the first [`AuditTail::next`].
    pub fn tail_audit(&self, request: pb::TailAuditRecordsRequest) -> AuditTail {
        AuditTail { client: self.clone(), request, stream: None, waiting: VecDeque::new(), began: false, failed: 0 }
    }
}

impl AuditTail {
    /// Waits for what comes next. An error is the end.
    pub async fn next(&mut self) -> Result<AuditUpdate, ClientError> {
        use pb::tail_audit_records_response::Content;
        loop {
            if let Some(record) = self.waiting.pop_front() {
                self.request.after_position = record.position;
                return Ok(AuditUpdate::Record(Box::new(record)));
            }
            let Some(stream) = &mut self.stream else {
                if self.failed > 0 {
                    sleep(backoff(self.failed)).await;
                }
                let request = Request::new(self.request.clone());
                let transport = &self.client.transport;
                match transport.answer(transport.audit().tail_audit_records(request)).await {
                    Ok(response) => (self.stream, self.began) = (Some(response.into_inner()), true),
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
                Some(Content::Batch(batch)) => self.waiting.extend(batch.records),
                Some(Content::Heartbeat(heartbeat)) => {
                    self.request.after_position = self.request.after_position.max(heartbeat.last_position);
                    return Ok(AuditUpdate::Heartbeat);
                }
                // A kind of a later version of the API.
                None => {}
            }
        }
    }

    fn interrupted(&mut self, failure: Failure) -> Result<AuditUpdate, ClientError> {
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
        Ok(AuditUpdate::Reconnecting { problem })
    }
}
