//! Invites and enrolment, as requests have them.

use std::sync::Arc;

use super::fields::Fields;
use super::write;
use crate::api;
use crate::identity::enrolment::csr::SigningRequest;
use crate::limits;
use crate::room::chain;
use crate::room::event::Request;
use crate::room::ids::{Actor, InviteId, RequestId, Timestamp};
use crate::service::authorisation;
use crate::service::status::CallError;

/// A wish to invite somebody.
pub(in crate::service) struct NewcomerInvite {
    /// Which write.
    pub(in crate::service) id: Request,
    /// Whom.
    pub(in crate::service) actor: Actor,
    /// The digest of the secret.
    pub(in crate::service) secret: [u8; 32],
    /// Until when.
    pub(in crate::service) expires_at: Timestamp,
    /// Whether to approve by a spoken code.
    pub(in crate::service) needs_approval: bool,
}

pub(in crate::service) fn create_invite(mut request: api::CreateInviteRequest) -> Result<NewcomerInvite, CallError> {
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
    let needs_approval = request.needs_approval;
    fields.finish(|| {
        Some(NewcomerInvite { id: id?, actor: actor?, secret: secret?, expires_at: expires_at?, needs_approval })
    })
}

/// Which write, of which invite, the code as it was typed.
pub(in crate::service) type Approving = (Request, Option<InviteId>, Arc<str>);

pub(in crate::service) fn approve_invite(mut request: api::ApproveInviteRequest) -> Result<Approving, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::APPROVE_INVITE, &mut request);
    let invite = match request.invite_id.as_str() {
        "" => Some(None),
        text => fields.uuid("invite_id", text).map(|id| Some(InviteId(id))),
    };
    let bytes = request.code.len();
    if !(1..=limits::SPOKEN_CODE_BYTES_MAX).contains(&bytes) {
        let max = limits::SPOKEN_CODE_BYTES_MAX;
        fields.wrong("code", format!("must be the eight characters that were read out, 1 to {max} bytes, is {bytes}"));
    }
    fields.finish(|| Some((id?, invite?, request.code.as_str().into())))
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

/// Which write, and the new key. A request is signed anew each time it is made: that of one key is the same, whatever its bytes.
pub(in crate::service) fn renew_certificate(
    request: &api::RenewCertificateRequest,
) -> Result<(Request, SigningRequest), CallError> {
    let mut fields = Fields::default();
    let id = fields.uuid("request_id", &request.request_id).map(RequestId);
    let read = SigningRequest::read(&request.signing_request);
    let read = read.map_err(|problem| fields.wrong("signing_request", problem.to_string())).ok();
    fields.finish(|| {
        let (id, read) = (id?, read?);
        let digest = chain::request(authorisation::RENEW_CERTIFICATE.path, &read.key_digest());
        Some((Request { id, digest }, read))
    })
}

fn bytes(fields: &mut Fields, field: &str, bytes: &[u8]) -> Option<[u8; 32]> {
    let found = bytes.try_into().ok();
    if found.is_none() {
        fields.wrong(field, format!("must be 32 bytes, is {}", bytes.len()));
    }
    found
}
