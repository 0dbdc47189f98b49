//! `samverkan.v1.ErasureService`: destroying words for good, and what is due. The promises are the comments in erasure.proto.

use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::call::Call;
use super::status::CallError;
use super::{Edge, authorisation, from_proto, to_proto};
use crate::api::{self, erasure_service_server::ErasureService};
use crate::room::disclose::{Reader, erasures};
use crate::room::event::{Command, Event};
use crate::room::ids::{ErasureId, RoomId};

#[tonic::async_trait]
impl ErasureService for Edge {
    async fn propose_erasure(
        &self,
        request: Request<api::ProposeErasureRequest>,
    ) -> Result<Response<api::ProposeErasureResponse>, Status> {
        self.unary(authorisation::PROPOSE_ERASURE, request, propose_erasure).await
    }

    async fn confirm_erasure(
        &self,
        request: Request<api::ConfirmErasureRequest>,
    ) -> Result<Response<api::ConfirmErasureResponse>, Status> {
        self.unary(authorisation::CONFIRM_ERASURE, request, confirm_erasure).await
    }

    async fn list_erasures(
        &self,
        request: Request<api::ListErasuresRequest>,
    ) -> Result<Response<api::ListErasuresResponse>, Status> {
        self.unary(authorisation::LIST_ERASURES, request, list_erasures).await
    }

    async fn place_legal_hold(
        &self,
        request: Request<api::PlaceLegalHoldRequest>,
    ) -> Result<Response<api::PlaceLegalHoldResponse>, Status> {
        self.unary(authorisation::PLACE_LEGAL_HOLD, request, place_legal_hold).await
    }

    async fn lift_legal_hold(
        &self,
        request: Request<api::LiftLegalHoldRequest>,
    ) -> Result<Response<api::LiftLegalHoldResponse>, Status> {
        self.unary(authorisation::LIFT_LEGAL_HOLD, request, lift_legal_hold).await
    }

    async fn set_retention(
        &self,
        request: Request<api::SetRetentionRequest>,
    ) -> Result<Response<api::SetRetentionResponse>, Status> {
        self.unary(authorisation::SET_RETENTION, request, set_retention).await
    }

    async fn list_retention(
        &self,
        request: Request<api::ListRetentionRequest>,
    ) -> Result<Response<api::ListRetentionResponse>, Status> {
        self.unary(authorisation::LIST_RETENTION, request, list_retention).await
    }
}

async fn propose_erasure(
    call: Call,
    request: api::ProposeErasureRequest,
) -> Result<api::ProposeErasureResponse, CallError> {
    let (id, room, what, basis) = from_proto::propose_erasure(request)?;
    let erasure = ErasureId(call.engine().new_id());
    let written = call.write(room, id, Command::ProposeErasure { erasure, what, basis }).await?;
    let Event::ErasureProposed { erasure, .. } = written.event else { return call.unexpected() };
    Ok(api::ProposeErasureResponse {
        erasure_id: erasure.to_string(),
        recorded_time: Some(to_proto::time(written.recorded_at)),
    })
}

async fn confirm_erasure(
    call: Call,
    request: api::ConfirmErasureRequest,
) -> Result<api::ConfirmErasureResponse, CallError> {
    let (id, room, erasure) = from_proto::confirm_erasure(request)?;
    let written = call.write(room, id, Command::ConfirmErasure { erasure }).await?;
    Ok(api::ConfirmErasureResponse {
        recorded_time: Some(to_proto::time(written.recorded_at)),
        pending_key_id: pending_key(&call),
    })
}

fn pending_key(call: &Call) -> String {
    call.engine().erasures_wait_for().map(|key| key.to_string()).unwrap_or_default()
}

async fn list_erasures(call: Call, request: api::ListErasuresRequest) -> Result<api::ListErasuresResponse, CallError> {
    let (room, size) = from_proto::list_erasures(&request)?;
    let filter = room.to_string();
    let after: Option<Uuid> = call.page_after(&filter, &request.page_token)?;
    let reader = call.actor().clone();
    let question = move |state: &_, now| erasures(state, Reader::new(state, &reader)?, now);
    let all = call.engine().ask(call.actor(), room, question).await?;
    let begin = after.and_then(|after| all.iter().position(|erasure| erasure.get().id.0 == after));
    let rest = all.iter().skip(begin.map_or(0, |at| at + 1));
    let directory = call.engine().directory();
    let shown =
        rest.map(|erasure| to_proto::erasure(erasure, call.engine().is_erasure_final(erasure.get().id), &directory));
    let (erasures, more) = to_proto::fill(shown, size);
    let last = erasures.last().map(|erasure| erasure.erasure_id.clone());
    let next_page_token = call.next_page(&filter, more, last.as_deref());
    Ok(api::ListErasuresResponse { erasures, next_page_token, pending_key_id: pending_key(&call) })
}

async fn place_legal_hold(
    call: Call,
    request: api::PlaceLegalHoldRequest,
) -> Result<api::PlaceLegalHoldResponse, CallError> {
    let (id, room, reason) = from_proto::place_legal_hold(request)?;
    let written = call.write(room, id, Command::PlaceLegalHold { reason }).await?;
    Ok(api::PlaceLegalHoldResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn lift_legal_hold(
    call: Call,
    request: api::LiftLegalHoldRequest,
) -> Result<api::LiftLegalHoldResponse, CallError> {
    let (id, room, reason) = from_proto::lift_legal_hold(request)?;
    let written = call.write(room, id, Command::LiftLegalHold { reason }).await?;
    Ok(api::LiftLegalHoldResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn set_retention(call: Call, request: api::SetRetentionRequest) -> Result<api::SetRetentionResponse, CallError> {
    let (id, room, years) = from_proto::set_retention(request)?;
    let written = call.write(room, id, Command::SetRetention { years }).await?;
    Ok(api::SetRetentionResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn list_retention(
    call: Call,
    request: api::ListRetentionRequest,
) -> Result<api::ListRetentionResponse, CallError> {
    let size = from_proto::page_size(request.page_size)?;
    let after: Option<Uuid> = call.page_after("", &request.page_token)?;
    call.authorise()?;
    let rooms = call.engine().retention(after.map(RoomId), size + 1);
    let (rooms, more) = to_proto::fill(rooms.iter().map(|(room, shown)| to_proto::retention(*room, shown)), size);
    let last = rooms.last().map(|room| room.room_id.clone());
    let next_page_token = call.next_page("", more, last.as_deref());
    Ok(api::ListRetentionResponse { rooms, next_page_token })
}
