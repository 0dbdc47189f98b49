//! Invites and enrolment, as requests have them.

use super::fields::Fields;
use super::write;
use crate::api;
use crate::identity::enrolment::csr::SigningRequest;
use crate::room::event::Request;
use crate::room::ids::{Actor, InviteId, Timestamp};
use crate::service::authorisation;
use crate::service::status::CallError;

/// For whom, the digest of the secret, until when.
pub(in crate::service) type Inviting = (Request, Actor, [u8; 32], Timestamp);

pub(in crate::service) fn create_invite(mut request: api::CreateInviteRequest) -> Result<Inviting, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::CREATE_INVITE, &mut request);
    let actor: Option<Actor> = request.actor.parse().ok();
    if actor.is_none() {
        fields.wrong(
            "actor",
            "must read org/<organisation>/user/<name> or org/<organisation>/service/<name> in lower-case ASCII",
        );
    }
    let secret = bytes(&mut fields, "secret_digest", &request.secret_digest);
    let expires_at = fields.required_time("expire_time", request.expire_time);
    fields.finish(|| Some((id?, actor?, secret?, expires_at?)))
}

pub(in crate::service) fn revoke_invite(
    mut request: api::RevokeInviteRequest,
) -> Result<(Request, InviteId), CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::REVOKE_INVITE, &mut request);
    let invite = fields.uuid("invite_id", &request.invite_id).map(InviteId);
    fields.finish(|| Some((id?, invite?)))
}

pub(in crate::service) fn enrol(request: &api::EnrolRequest) -> Result<([u8; 32], SigningRequest), CallError> {
    let mut fields = Fields::default();
    let secret = bytes(&mut fields, "secret", &request.secret);
    let read = SigningRequest::read(&request.signing_request);
    let read = read.map_err(|problem| fields.wrong("signing_request", problem.to_string())).ok();
    fields.finish(|| Some((secret?, read?)))
}

fn bytes(fields: &mut Fields, field: &str, bytes: &[u8]) -> Option<[u8; 32]> {
    let found = bytes.try_into().ok();
    if found.is_none() {
        fields.wrong(field, format!("must be 32 bytes, is {}", bytes.len()));
    }
    found
}
