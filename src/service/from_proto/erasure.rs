//! Requests about erasure and retention.

use std::sync::Arc;

use super::fields::Fields;
use super::write;
use crate::api;
use crate::limits;
use crate::room::consent::Name;
use crate::room::event::{ErasureScope, Request};
use crate::room::ids::{ErasureId, MessageId, RoomId};
use crate::service::authorisation;
use crate::service::status::CallError;

/// What to erase, and on which legal basis.
pub(in crate::service) type Erasing = (Request, RoomId, ErasureScope<Name>, Arc<str>);

pub(in crate::service) fn propose_erasure(mut request: api::ProposeErasureRequest) -> Result<Erasing, CallError> {
    use api::propose_erasure_request::Scope;
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::PROPOSE_ERASURE, &mut request);
    let room = fields.room(&request.room_id);
    let what = match fields.required("scope", request.scope) {
        None => None,
        Some(Scope::MessageId(message)) => {
            fields.uuid("message_id", &message).map(|message| ErasureScope::Message(MessageId(message)))
        }
        Some(Scope::Participant(name)) => {
            fields.name(|| "participant".to_owned(), &name).map(ErasureScope::Participant)
        }
        Some(Scope::Room(api::WholeRoom {})) => Some(ErasureScope::Room),
    };
    fields.text("basis", &request.basis, limits::REASON_BYTES_MAX);
    fields.finish(|| Some((id?, room?, what?, request.basis.into())))
}

pub(in crate::service) fn confirm_erasure(
    mut request: api::ConfirmErasureRequest,
) -> Result<(Request, RoomId, ErasureId), CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::CONFIRM_ERASURE, &mut request);
    let room = fields.room(&request.room_id);
    let erasure = fields.uuid("erasure_id", &request.erasure_id).map(ErasureId);
    fields.finish(|| Some((id?, room?, erasure?)))
}

pub(in crate::service) fn list_erasures(request: &api::ListErasuresRequest) -> Result<(RoomId, usize), CallError> {
    let mut fields = Fields::default();
    let room = fields.room(&request.room_id);
    let size = fields.page(request.page_size);
    fields.finish(|| Some((room?, size?)))
}

/// Which room, and why.
pub(in crate::service) type Holding = (Request, RoomId, Arc<str>);

pub(in crate::service) fn place_legal_hold(mut request: api::PlaceLegalHoldRequest) -> Result<Holding, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::PLACE_LEGAL_HOLD, &mut request);
    let room = fields.room(&request.room_id);
    fields.text("reason", &request.reason, limits::REASON_BYTES_MAX);
    fields.finish(|| Some((id?, room?, request.reason.into())))
}

pub(in crate::service) fn lift_legal_hold(mut request: api::LiftLegalHoldRequest) -> Result<Holding, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::LIFT_LEGAL_HOLD, &mut request);
    let room = fields.room(&request.room_id);
    fields.text("reason", &request.reason, limits::REASON_BYTES_MAX);
    fields.finish(|| Some((id?, room?, request.reason.into())))
}

pub(in crate::service) fn set_retention(
    mut request: api::SetRetentionRequest,
) -> Result<(Request, RoomId, Option<u16>), CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::SET_RETENTION, &mut request);
    let room = fields.room(&request.room_id);
    let years = request.years.map(|years| u16::try_from(years).unwrap_or(u16::MAX));
    if years.is_some_and(|years| !(1..=limits::RETENTION_YEARS_MAX).contains(&years)) {
        fields.wrong("years", format!("must be 1 to {}, or unset for no policy", limits::RETENTION_YEARS_MAX));
    }
    fields.finish(|| Some((id?, room?, years)))
}
