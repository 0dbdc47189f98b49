//! `samverkan.v1.CoordinationService`: the coordinator's own acts. The promises are the comments in coordination.proto.

use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::call::Call;
use super::status::CallError;
use super::{Edge, authorisation, from_proto, to_proto};
use crate::api::{self, coordination_service_server::CoordinationService};
use crate::room::event::{Command, Event};
use crate::room::ids::{DisclosureId, IntroductionId, MessageId};

#[tonic::async_trait]
impl CoordinationService for Edge {
    async fn see_as(&self, request: Request<api::SeeAsRequest>) -> Result<Response<api::SeeAsResponse>, Status> {
        self.unary(authorisation::SEE_AS, request, see_as).await
    }

    async fn forward_messages(
        &self,
        request: Request<api::ForwardMessagesRequest>,
    ) -> Result<Response<api::ForwardMessagesResponse>, Status> {
        self.unary(authorisation::FORWARD_MESSAGES, request, forward_messages).await
    }

    async fn propose_legal_disclosure(
        &self,
        request: Request<api::ProposeLegalDisclosureRequest>,
    ) -> Result<Response<api::ProposeLegalDisclosureResponse>, Status> {
        self.unary(authorisation::PROPOSE_LEGAL_DISCLOSURE, request, propose_legal_disclosure).await
    }

    async fn confirm_legal_disclosure(
        &self,
        request: Request<api::ConfirmLegalDisclosureRequest>,
    ) -> Result<Response<api::ConfirmLegalDisclosureResponse>, Status> {
        self.unary(authorisation::CONFIRM_LEGAL_DISCLOSURE, request, confirm_legal_disclosure).await
    }

    async fn propose_introduction(
        &self,
        request: Request<api::ProposeIntroductionRequest>,
    ) -> Result<Response<api::ProposeIntroductionResponse>, Status> {
        self.unary(authorisation::PROPOSE_INTRODUCTION, request, propose_introduction).await
    }

    async fn answer_introduction(
        &self,
        request: Request<api::AnswerIntroductionRequest>,
    ) -> Result<Response<api::AnswerIntroductionResponse>, Status> {
        self.unary(authorisation::ANSWER_INTRODUCTION, request, answer_introduction).await
    }

    async fn record_connection(
        &self,
        request: Request<api::RecordConnectionRequest>,
    ) -> Result<Response<api::RecordConnectionResponse>, Status> {
        self.unary(authorisation::RECORD_CONNECTION, request, record_connection).await
    }

    async fn list_connections(
        &self,
        request: Request<api::ListConnectionsRequest>,
    ) -> Result<Response<api::ListConnectionsResponse>, Status> {
        self.unary(authorisation::LIST_CONNECTIONS, request, list_connections).await
    }
}

async fn see_as(call: Call, request: api::SeeAsRequest) -> Result<api::SeeAsResponse, CallError> {
    let (room, participant, size) = from_proto::see_as(&request)?;
    let filter = format!("{room}/{}", request.participant);
    let after: Option<Uuid> = call.page_after(&filter, &request.page_token)?;
    let seen = call.engine().see_as(call.actor(), room, participant, after.map(MessageId), size).await?;
    let (page, more) = to_proto::seen_as(&seen, &call.engine().directory(), after.is_none());
    let last = page.messages.last().map(|message| message.message_id.as_str());
    let next_page_token = call.next_page(&filter, more, last);
    Ok(api::SeeAsResponse { next_page_token, ..page })
}

async fn forward_messages(
    call: Call,
    request: api::ForwardMessagesRequest,
) -> Result<api::ForwardMessagesResponse, CallError> {
    let (id, room, messages, to, reason) = from_proto::forward_messages(request)?;
    let written = call.write(room, id, Command::Forward { messages, to, reason }).await?;
    Ok(api::ForwardMessagesResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn propose_legal_disclosure(
    call: Call,
    request: api::ProposeLegalDisclosureRequest,
) -> Result<api::ProposeLegalDisclosureResponse, CallError> {
    let (id, room, disclosing) = from_proto::propose_legal_disclosure(request)?;
    let from_proto::Disclosing { statute, messages, to, suppress_until } = disclosing;
    let disclosure = DisclosureId(call.engine().new_id());
    let command = Command::ProposeLegalDisclosure { disclosure, statute, messages, to, suppress_until };
    let written = call.write(room, id, command).await?;
    let Event::LegalDisclosureProposed { disclosure, .. } = written.event else { return call.unexpected() };
    Ok(api::ProposeLegalDisclosureResponse {
        disclosure_id: disclosure.to_string(),
        recorded_time: Some(to_proto::time(written.recorded_at)),
    })
}

async fn confirm_legal_disclosure(
    call: Call,
    request: api::ConfirmLegalDisclosureRequest,
) -> Result<api::ConfirmLegalDisclosureResponse, CallError> {
    let (id, room, disclosure) = from_proto::confirm_legal_disclosure(request)?;
    let written = call.write(room, id, Command::ConfirmLegalDisclosure { disclosure }).await?;
    Ok(api::ConfirmLegalDisclosureResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn propose_introduction(
    call: Call,
    request: api::ProposeIntroductionRequest,
) -> Result<api::ProposeIntroductionResponse, CallError> {
    let (id, room, sides) = from_proto::propose_introduction(request)?;
    let sides = sides.map(|(participant, words)| (IntroductionId(call.engine().new_id()), participant, words));
    let written = call.write(room, id, Command::ProposeIntroduction { sides }).await?;
    let Event::IntroductionProposed { sides } = written.event else { return call.unexpected() };
    Ok(api::ProposeIntroductionResponse {
        introduction_ids: sides.iter().map(|side| side.id.to_string()).collect(),
        recorded_time: Some(to_proto::time(written.recorded_at)),
    })
}

async fn answer_introduction(
    call: Call,
    request: api::AnswerIntroductionRequest,
) -> Result<api::AnswerIntroductionResponse, CallError> {
    let (id, room, introduction, contact) = from_proto::answer_introduction(request)?;
    let (accepted, contact) = (contact.is_some(), contact.unwrap_or_default());
    let written = call.write(room, id, Command::AnswerIntroduction { introduction, accepted, contact }).await?;
    Ok(api::AnswerIntroductionResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn record_connection(
    call: Call,
    request: api::RecordConnectionRequest,
) -> Result<api::RecordConnectionResponse, CallError> {
    let (id, rooms, reason) = from_proto::record_connection(request)?;
    let recorded_at = call.engine().record_connection(call.actor(), id, rooms, reason).await?;
    Ok(api::RecordConnectionResponse { recorded_time: Some(to_proto::time(recorded_at)) })
}

async fn list_connections(
    call: Call,
    request: api::ListConnectionsRequest,
) -> Result<api::ListConnectionsResponse, CallError> {
    let (room, size) = from_proto::list_connections(&request)?;
    let filter = room.to_string();
    // None is ever taken away, so that how many were shown says where the next page begins.
    let shown: Option<usize> = call.page_after(&filter, &request.page_token)?;
    let shown = shown.unwrap_or_default();
    call.authorise()?;
    let directory = call.engine().directory();
    let connections = directory.connections(call.actor(), room)?;
    let rest = connections.into_iter().skip(shown);
    let (connections, more) = to_proto::fill(rest.map(|connection| to_proto::connection(room, connection)), size);
    let next_page_token = call.next_page(&filter, more, Some(&(shown + connections.len()).to_string()));
    Ok(api::ListConnectionsResponse { connections, next_page_token })
}
