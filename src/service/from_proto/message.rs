//! What is asked of a message that was posted: take it back, acknowledge it, tell who has it.

use std::sync::Arc;

use super::fields::Fields;
use super::write;
use crate::api;
use crate::limits;
use crate::room::consent::Name;
use crate::room::event::Request;
use crate::room::ids::{MessageId, RoomId};
use crate::service::authorisation;
use crate::service::status::CallError;

/// What to take back, and why.
pub(in crate::service) type Retracting = (Request, RoomId, MessageId, Arc<str>);

pub(in crate::service) fn retract_message(mut request: api::RetractMessageRequest) -> Result<Retracting, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::RETRACT_MESSAGE, &mut request);
    let room = fields.room(&request.room_id);
    let message = fields.uuid("message_id", &request.message_id).map(MessageId);
    fields.text("reason", &request.reason, limits::REASON_BYTES_MAX);
    fields.finish(|| Some((id?, room?, message?, request.reason.into())))
}

pub(in crate::service) fn acknowledge_message(
    mut request: api::AcknowledgeMessageRequest,
) -> Result<(Request, RoomId, MessageId), CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::ACKNOWLEDGE_MESSAGE, &mut request);
    let room = fields.room(&request.room_id);
    let message = fields.uuid("message_id", &request.message_id).map(MessageId);
    fields.finish(|| Some((id?, room?, message?)))
}

pub(in crate::service) fn get_receipts(
    request: &api::GetReceiptsRequest,
) -> Result<(RoomId, MessageId, usize), CallError> {
    let mut fields = Fields::default();
    let room = fields.room(&request.room_id);
    let message = fields.uuid("message_id", &request.message_id).map(MessageId);
    let size = fields.page(request.page_size);
    fields.finish(|| Some((room?, message?, size?)))
}

pub(in crate::service) fn explain_audience(
    request: &api::ExplainAudienceRequest,
) -> Result<(RoomId, MessageId, Name), CallError> {
    let mut fields = Fields::default();
    let room = fields.room(&request.room_id);
    let message = fields.uuid("message_id", &request.message_id).map(MessageId);
    let participant = fields.name(|| "participant".to_owned(), &request.participant);
    fields.finish(|| Some((room?, message?, participant?)))
}
