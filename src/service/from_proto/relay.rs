//! Relays and their approval, as requests have them.

use std::sync::Arc;

use super::fields::Fields;
use super::{draft, write};
use crate::api;
use crate::limits;
use crate::room::consent::Name;
use crate::room::event::{RelayDraft, Request};
use crate::room::ids::{MessageId, RoomId};
use crate::service::authorisation;
use crate::service::status::CallError;

pub(in crate::service) fn publish_relay(
    mut request: api::PublishRelayRequest,
) -> Result<(Request, RoomId, RelayDraft), CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::PUBLISH_RELAY, &mut request);
    let room = fields.room(&request.room_id);
    let draft = draft::relay(&mut fields, request.draft);
    fields.finish(|| Some((id?, room?, draft?)))
}

/// Which relay, the digest of its text, for whom.
pub(in crate::service) type Approving = (Request, RoomId, MessageId, [u8; 32], Vec<Name>);

pub(in crate::service) fn approve_relay(mut request: api::ApproveRelayRequest) -> Result<Approving, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::APPROVE_RELAY, &mut request);
    let room = fields.room(&request.room_id);
    let message = fields.uuid("message_id", &request.message_id).map(MessageId);
    let digest = request.text_sha256[..].try_into().ok();
    if digest.is_none() {
        fields.wrong("text_sha256", format!("must be a SHA-256: 32 bytes, is {}", request.text_sha256.len()));
    }
    let to = fields.names("recipients", &request.recipients);
    fields.finish(|| Some((id?, room?, message?, digest?, to)))
}

/// Which relay, and why not.
pub(in crate::service) type Rejecting = (Request, RoomId, MessageId, Arc<str>);

pub(in crate::service) fn reject_relay(mut request: api::RejectRelayRequest) -> Result<Rejecting, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::REJECT_RELAY, &mut request);
    let room = fields.room(&request.room_id);
    let message = fields.uuid("message_id", &request.message_id).map(MessageId);
    fields.text("reason", &request.reason, limits::REASON_BYTES_MAX);
    fields.finish(|| Some((id?, room?, message?, request.reason.into())))
}

pub(in crate::service) fn preview_relay(request: api::PreviewRelayRequest) -> Result<(RoomId, RelayDraft), CallError> {
    let mut fields = Fields::default();
    let room = fields.room(&request.room_id);
    let draft = draft::relay(&mut fields, request.draft);
    fields.finish(|| Some((room?, draft?)))
}
