//! `samverkan.v1.RelayService`: the coordinator's words, made from others' messages. The promises are the comments in relay.proto.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::call::Call;
use super::status::CallError;
use super::{Edge, authorisation, from_proto, to_proto};
use crate::api::{self, relay_service_server::RelayService};
use crate::room::disclose::{self, Reader};
use crate::room::event::{Command, Event};
use crate::room::ids::MessageId;

#[tonic::async_trait]
impl RelayService for Edge {
    async fn publish_relay(
        &self,
        request: Request<api::PublishRelayRequest>,
    ) -> Result<Response<api::PublishRelayResponse>, Status> {
        self.unary(authorisation::PUBLISH_RELAY, request, publish_relay).await
    }

    async fn approve_relay(
        &self,
        request: Request<api::ApproveRelayRequest>,
    ) -> Result<Response<api::ApproveRelayResponse>, Status> {
        self.unary(authorisation::APPROVE_RELAY, request, approve_relay).await
    }

    async fn reject_relay(
        &self,
        request: Request<api::RejectRelayRequest>,
    ) -> Result<Response<api::RejectRelayResponse>, Status> {
        self.unary(authorisation::REJECT_RELAY, request, reject_relay).await
    }

    async fn preview_relay(
        &self,
        request: Request<api::PreviewRelayRequest>,
    ) -> Result<Response<api::PreviewRelayResponse>, Status> {
        self.unary(authorisation::PREVIEW_RELAY, request, preview_relay).await
    }
}

async fn publish_relay(call: Call, request: api::PublishRelayRequest) -> Result<api::PublishRelayResponse, CallError> {
    let (id, room, draft) = from_proto::publish_relay(request)?;
    let command = Command::PublishRelay { message: MessageId(call.engine().new_id()), draft: Arc::new(draft) };
    let written = call.write(room, id, command).await?;
    let Event::RelayPublished { message, .. } = &written.event else { return call.unexpected() };
    Ok(api::PublishRelayResponse {
        message_id: message.id.to_string(),
        recorded_time: Some(to_proto::time(written.recorded_at)),
    })
}

async fn approve_relay(call: Call, request: api::ApproveRelayRequest) -> Result<api::ApproveRelayResponse, CallError> {
    let (id, room, message, text_digest, to) = from_proto::approve_relay(request)?;
    let written = call.write(room, id, Command::ApproveRelay { message, text_digest, to }).await?;
    Ok(api::ApproveRelayResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn reject_relay(call: Call, request: api::RejectRelayRequest) -> Result<api::RejectRelayResponse, CallError> {
    let (id, room, message, reason) = from_proto::reject_relay(request)?;
    let written = call.write(room, id, Command::RejectRelay { message, reason }).await?;
    Ok(api::RejectRelayResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn preview_relay(call: Call, request: api::PreviewRelayRequest) -> Result<api::PreviewRelayResponse, CallError> {
    let (room, draft) = from_proto::preview_relay(request)?;
    let caller = call.actor().clone();
    let question = move |state: &_, now| disclose::preview_relay(state, Reader::new(state, &caller)?, &draft, now);
    let previewed = call.engine().ask(call.actor(), room, question).await?;
    let directory = call.engine().directory();
    let participants = previewed.iter().map(|shown| to_proto::previewed(shown, &directory)).collect();
    Ok(api::PreviewRelayResponse { participants })
}
