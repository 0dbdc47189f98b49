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
use crate::room::disclose::{self, Reader};
use crate::room::event::{Command, Event};
use crate::room::ids::{Index, MessageId};

/// Answers of a stream, made when HTTP/2 asks for the next.
pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

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

    async fn retract_message(
        &self,
        request: Request<api::RetractMessageRequest>,
    ) -> Result<Response<api::RetractMessageResponse>, Status> {
        self.unary(authorisation::RETRACT_MESSAGE, request, retract_message).await
    }

    async fn acknowledge_message(
        &self,
        request: Request<api::AcknowledgeMessageRequest>,
    ) -> Result<Response<api::AcknowledgeMessageResponse>, Status> {
        self.unary(authorisation::ACKNOWLEDGE_MESSAGE, request, acknowledge_message).await
    }

    async fn get_receipts(
        &self,
        request: Request<api::GetReceiptsRequest>,
    ) -> Result<Response<api::GetReceiptsResponse>, Status> {
        self.unary(authorisation::GET_RECEIPTS, request, get_receipts).await
    }

    async fn explain_audience(
        &self,
        request: Request<api::ExplainAudienceRequest>,
    ) -> Result<Response<api::ExplainAudienceResponse>, Status> {
        self.unary(authorisation::EXPLAIN_AUDIENCE, request, explain_audience).await
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
pub(super) fn answers<S: Source>(source: S) -> Answers<S::Answer> {
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
    let (id, room, mut draft) = from_proto::post_message(request)?;
    draft.attachments.iter_mut().for_each(|attachment| attachment.id = MessageId(call.engine().new_id()));
    call.engine().find_uploads(call.actor(), room, &mut draft).await?;
    let command = Command::Post { message: MessageId(call.engine().new_id()), draft: Arc::new(draft) };
    let written = call.write(room, id, command).await?;
    let Event::MessagePosted { message, .. } = &written.event else { return call.unexpected() };
    Ok(api::PostMessageResponse {
        message_id: message.id.to_string(),
        recorded_time: Some(to_proto::time(written.recorded_at)),
        attachment_message_ids: message.attachments.iter().map(ToString::to_string).collect(),
    })
}

async fn post_messages(
    call: Call,
    requests: Streaming<api::PostMessagesRequest>,
) -> Result<Answers<api::PostMessagesResponse>, CallError> {
    let open = call.shared().streams.open(&call.caller, call.is_coordinator())?;
    Ok(answers(Posting::new(call, requests, open)))
}

async fn subscribe(call: Call, request: api::SubscribeRequest) -> Result<Answers<api::SubscribeResponse>, CallError> {
    let room = from_proto::room(&request.room_id)?;
    let open = call.shared().streams.open(&call.caller, call.is_coordinator())?;
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

async fn retract_message(
    call: Call,
    request: api::RetractMessageRequest,
) -> Result<api::RetractMessageResponse, CallError> {
    let (id, room, message, reason) = from_proto::retract_message(request)?;
    let written = call.write(room, id, Command::Retract { message, reason }).await?;
    Ok(api::RetractMessageResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn acknowledge_message(
    call: Call,
    request: api::AcknowledgeMessageRequest,
) -> Result<api::AcknowledgeMessageResponse, CallError> {
    let (id, room, message) = from_proto::acknowledge_message(request)?;
    let written = call.write(room, id, Command::Acknowledge { message }).await?;
    Ok(api::AcknowledgeMessageResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn get_receipts(call: Call, request: api::GetReceiptsRequest) -> Result<api::GetReceiptsResponse, CallError> {
    let (room, message, size) = from_proto::get_receipts(&request)?;
    let filter = format!("{room}/{message}");
    let after: Option<Uuid> = call.page_after(&filter, &request.page_token)?;
    let caller = call.actor().clone();
    let question = move |state: &_, mailboxes: &_, now| {
        disclose::receipts(state, mailboxes, Reader::new(state, &caller)?, message, now)
    };
    let receipts = call.engine().ask_records(call.actor(), room, question).await?;
    let (page, last) = to_proto::receipts(&receipts, &call.engine().directory(), after, size);
    let next_page_token = call.next_page(&filter, last.is_some(), last.as_deref());
    Ok(api::GetReceiptsResponse { next_page_token, ..page })
}

async fn explain_audience(
    call: Call,
    request: api::ExplainAudienceRequest,
) -> Result<api::ExplainAudienceResponse, CallError> {
    let (room, message, participant) = from_proto::explain_audience(&request)?;
    let caller = call.actor().clone();
    let question =
        move |state: &_, now| disclose::explain(state, Reader::new(state, &caller)?, message, &participant, now);
    let explained = call.engine().ask(call.actor(), room, question).await?;
    let api::PreviewedParticipant { participant, receives, reason, text } =
        to_proto::previewed(&explained, &call.engine().directory());
    Ok(api::ExplainAudienceResponse { participant, sees: receives, reason, text })
}
