//! `samverkan.v1.MessageService`: posting and reading. The promises are the comments in message.proto.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{FutureExt as _, Stream, stream};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::authorisation::panicked;
use super::call::Call;
use super::posting::Posting;
use super::status::CallError;
use super::subscription::Subscribed;
use super::{Edge, authorisation, from_proto, to_proto};
use crate::api::{self, message_service_server::MessageService};
use crate::limits;
use crate::room::event::{Command, Event};
use crate::room::ids::{Index, MessageId};

/// Answers of a stream, made when HTTP/2 asks for the next.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl MessageService for Edge {
    async fn post_message(
        &self,
        request: Request<api::PostMessageRequest>,
    ) -> Result<Response<api::PostMessageResponse>, Status> {
        self.unary(authorisation::POST_MESSAGE, request, post_message).await
    }

    type PostMessagesStream = Answers<api::PostMessagesResponse>;

    async fn post_messages(
        &self,
        request: Request<Streaming<api::PostMessagesRequest>>,
    ) -> Result<Response<Self::PostMessagesStream>, Status> {
        self.unary(authorisation::POST_MESSAGES, request, post_messages).await
    }

    type SubscribeStream = Answers<api::SubscribeResponse>;

    async fn subscribe(
        &self,
        request: Request<api::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        self.unary(authorisation::SUBSCRIBE, request, subscribe).await
    }

    async fn list_messages(
        &self,
        request: Request<api::ListMessagesRequest>,
    ) -> Result<Response<api::ListMessagesResponse>, Status> {
        self.unary(authorisation::LIST_MESSAGES, request, list_messages).await
    }
}

/// Something that answers until it has no more to say.
pub(super) trait Source: Send + 'static {
    /// What it answers.
    type Answer: Send + 'static;

    /// The call that it answers.
    fn call(&self) -> &Call;

    /// The next answer; the last may be an error. Nothing is made before it is asked for.
    fn next(&mut self) -> impl Future<Output = Option<Result<Self::Answer, Status>>> + Send;
}

/// A source as the stream that tonic sends. It ends after an error, and a panic is one.
fn answers<S: Source>(source: S) -> Answers<S::Answer> {
    Box::pin(stream::unfold(Some(source), |source| async move {
        let mut source = source?;
        match AssertUnwindSafe(source.next()).catch_unwind().await {
            Ok(Some(Ok(answer))) => Some((Ok(answer), Some(source))),
            Ok(Some(Err(status))) => Some((Err(status), None)),
            Ok(None) => None,
            Err(panic) => {
                let method = source.call().method;
                let error = CallError::internal(method.path, panicked(&*panic));
                Some((Err(error.status(method.effect)), None))
            }
        }
    }))
}

async fn post_message(call: Call, request: api::PostMessageRequest) -> Result<api::PostMessageResponse, CallError> {
    let (id, room, draft) = from_proto::post_message(request)?;
    let command = Command::Post { message: MessageId(Uuid::new_v4()), draft: Arc::new(draft) };
    let written = call.engine().write(call.actor(), room, id, command).await?;
    let Event::MessagePosted { message, .. } = &written.event else {
        return Err(CallError::internal(call.method.path, "the write was answered by another event"));
    };
    Ok(api::PostMessageResponse {
        message_id: message.id.to_string(),
        recorded_time: Some(to_proto::time(written.recorded_at)),
    })
}

async fn post_messages(
    call: Call,
    requests: Streaming<api::PostMessagesRequest>,
) -> Result<Answers<api::PostMessagesResponse>, CallError> {
    let open = call.shared().streams.open(call.caller.certificate, call.is_coordinator())?;
    Ok(answers(Posting::new(call, requests, open)))
}

async fn subscribe(call: Call, request: api::SubscribeRequest) -> Result<Answers<api::SubscribeResponse>, CallError> {
    let room = from_proto::room(&request.room_id)?;
    let open = call.shared().streams.open(call.caller.certificate, call.is_coordinator())?;
    let subscription = call.engine().subscribe(&call.receiver(), room, Index(request.after_index)).await?;
    Ok(answers(Subscribed::new(call, subscription, open)))
}

async fn list_messages(call: Call, request: api::ListMessagesRequest) -> Result<api::ListMessagesResponse, CallError> {
    let (room, after, size) = from_proto::list_messages(&request)?;
    let page = call.engine().page(&call.receiver(), room, after, size, limits::PAGE_BYTES_MAX).await?;
    Ok(api::ListMessagesResponse {
        first_index: page.first.0,
        deliveries: to_proto::deliveries(&page, &call.engine().directory()),
    })
}
