//! A subscription as seen from the edge: deliveries as they come, a sign of life at a fixed interval, and an end with a reason.
//!
//! Deliveries are taken from the engine only when HTTP/2 asks for the next answer: what is taken counts as given to it, and no queue
//! of ours lies in between that a withdrawal would have to reach (R6).

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tonic::Status;

use super::call::Call;
use super::message::Source;
use super::status::CallError;
use super::streams::OpenStream;
use super::to_proto;
use crate::api::{self, subscribe_response::Content};
use crate::engine::{Failure, Subscription};

/// An open subscription.
pub(super) struct Subscribed {
    call: Call,
    subscription: Subscription,
    heartbeat: Interval,
    _open: OpenStream,
}

impl Subscribed {
    pub(super) fn new(call: Call, subscription: Subscription, open: OpenStream) -> Self {
        let every = call.shared().streams.heartbeat();
        let mut heartbeat = interval_at(Instant::now() + every, every);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self { call, subscription, heartbeat, _open: open }
    }

    async fn content(&mut self) -> Result<Content, CallError> {
        let Self { call, subscription, heartbeat, _open } = self;
        loop {
            let batch = tokio::select! {
                biased;
                () = call.caller.cancelled() => return Err(CallError::cut(&call.caller)),
                () = call.shared().stopping.cancelled() => return Err(Failure::ShuttingDown.into()),
                // Before deliveries: its interval tells nothing of how many there are.
                _ = heartbeat.tick() => {
                    let last_index = subscription.last_index().0;
                    let server_time = Some(to_proto::time(call.engine().now()));
                    return Ok(Content::Heartbeat(api::Heartbeat { last_index, server_time }));
                }
                batch = subscription.next() => batch?,
            };
            let deliveries = to_proto::deliveries(&batch, &call.engine().directory());
            if !deliveries.is_empty() {
                return Ok(Content::Batch(api::Batch { first_index: batch.first.0, deliveries }));
            }
        }
    }
}

impl Source for Subscribed {
    type Answer = api::SubscribeResponse;

    fn call(&self) -> &Call {
        &self.call
    }

    async fn next(&mut self) -> Option<Result<api::SubscribeResponse, Status>> {
        let content = self.content().await.map_err(|error| error.status(self.call.method.effect));
        Some(content.map(|content| api::SubscribeResponse { content: Some(content) }))
    }
}
