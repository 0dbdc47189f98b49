//! `samverkan.v1.InviteService` and `samverkan.v1.CertificateService`: who may get a certificate, and new ones for those who have
//! one. The promises are the comments in enrolment.proto. Upholds R10. Tested in `tests/it/enrolment.rs` and `tests/it/renewal.rs`.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::call::Call;
use super::issuing::Issuing;
use super::status::CallError;
use super::{Edge, authorisation, from_proto, to_proto};
use crate::api::{self, certificate_service_server::CertificateService, invite_service_server::InviteService};
use crate::audit::AuditEvent;
use crate::engine::Failure;
use crate::identity::summary::hex;
use crate::room::enrolment::NewInvite;
use crate::room::ids::InviteId;
use crate::room::refusal::Refusal;

#[tonic::async_trait]
impl InviteService for Edge {
    async fn create_invite(
        &self,
        request: Request<api::CreateInviteRequest>,
    ) -> Result<Response<api::CreateInviteResponse>, Status> {
        self.unary(authorisation::CREATE_INVITE, request, create_invite).await
    }

    async fn approve_invite(
        &self,
        request: Request<api::ApproveInviteRequest>,
    ) -> Result<Response<api::ApproveInviteResponse>, Status> {
        self.unary(authorisation::APPROVE_INVITE, request, approve_invite).await
    }

    async fn revoke_invite(
        &self,
        request: Request<api::RevokeInviteRequest>,
    ) -> Result<Response<api::RevokeInviteResponse>, Status> {
        self.unary(authorisation::REVOKE_INVITE, request, revoke_invite).await
    }

    async fn list_invites(
        &self,
        request: Request<api::ListInvitesRequest>,
    ) -> Result<Response<api::ListInvitesResponse>, Status> {
        self.unary(authorisation::LIST_INVITES, request, list_invites).await
    }
}

#[tonic::async_trait]
impl CertificateService for Edge {
    async fn renew_certificate(
        &self,
        request: Request<api::RenewCertificateRequest>,
    ) -> Result<Response<api::RenewCertificateResponse>, Status> {
        self.unary(authorisation::RENEW_CERTIFICATE, request, renew_certificate).await
    }
}

fn issuing(call: &Call) -> Result<Arc<Issuing>, CallError> {
    call.shared().issuing.clone().ok_or(CallError::EnrolmentOff)
}

async fn create_invite(call: Call, request: api::CreateInviteRequest) -> Result<api::CreateInviteResponse, CallError> {
    let from_proto::NewcomerInvite { id, actor, secret, expires_at, needs_approval } =
        from_proto::create_invite(request)?;
    call.coordinator_only()?;
    let issuing = issuing(&call)?;
    let new = NewInvite { invite: InviteId(call.engine().new_id()), actor, secret, expires_at, needs_approval };
    let (made, _) = call.engine().create_invite(call.actor(), id, new).await?;
    Ok(api::CreateInviteResponse {
        invite_id: made.invite.to_string(),
        enrolment_address: issuing.enrolment_address.clone(),
        authority_fingerprint: issuing.fingerprint().to_vec().into(),
        expire_time: Some(to_proto::time(made.expires_at)),
    })
}

async fn approve_invite(
    call: Call,
    request: api::ApproveInviteRequest,
) -> Result<api::ApproveInviteResponse, CallError> {
    let (id, invite, code) = from_proto::approve_invite(request)?;
    let (invite, approved_at) = call.engine().approve_enrolment(call.actor(), id, invite, code).await?;
    let directory = call.engine().directory();
    let actor = directory.invites().get(invite).map(|invite| invite.actor.to_string());
    Ok(api::ApproveInviteResponse {
        invite_id: invite.to_string(),
        actor: actor.unwrap_or_default(),
        approved_time: Some(to_proto::time(approved_at)),
    })
}

async fn revoke_invite(call: Call, request: api::RevokeInviteRequest) -> Result<api::RevokeInviteResponse, CallError> {
    let (id, invite) = from_proto::revoke_invite(request)?;
    let revoked_at = call.engine().revoke_invite(call.actor(), id, invite).await?;
    Ok(api::RevokeInviteResponse { revoked_time: Some(to_proto::time(revoked_at)) })
}

async fn list_invites(call: Call, request: api::ListInvitesRequest) -> Result<api::ListInvitesResponse, CallError> {
    let size = from_proto::page_size(request.page_size)?;
    let after: Option<uuid::Uuid> = call.page_after("", &request.page_token)?;
    call.authorise()?;
    let (directory, now) = (call.engine().directory(), call.engine().now());
    let shown = directory.invites().after(after.map(InviteId)).map(|(id, invite)| to_proto::invite(id, invite, now));
    let (invites, more) = to_proto::fill(shown, size);
    let last = invites.last().map(|invite| invite.invite_id.clone());
    let next_page_token = call.next_page("", more, last.as_deref());
    Ok(api::ListInvitesResponse { invites, next_page_token })
}

async fn renew_certificate(
    call: Call,
    request: api::RenewCertificateRequest,
) -> Result<api::RenewCertificateResponse, CallError> {
    let (caller, trail) = (call.caller.clone(), call.engine().trail().clone());
    let renewed = renew(&call, &request).await;
    if let Err(error) = &renewed {
        let reason = match error {
            CallError::Failed(Failure::Refused(Refusal::RenewalNotPermitted)) => "renewal-not-permitted",
            CallError::Failed(Failure::Refused(Refusal::LimitReached { .. })) => "limit-reached",
            CallError::Invalid(_) => "bad-request",
            CallError::EnrolmentOff => "enrolment-off",
            _ => "failed",
        };
        tracing::warn!(certificate = caller.log_name(), reason, "renewal refused");
        let (actor, peer) = (caller.actor.clone(), caller.peer.ip());
        trail.note(AuditEvent::CertificateRefused { actor, certificate: caller.certificate, peer, reason });
    }
    renewed
}

async fn renew(
    call: &Call,
    request: &api::RenewCertificateRequest,
) -> Result<api::RenewCertificateResponse, CallError> {
    let (id, request) = from_proto::renew_certificate(request)?;
    let issuing = issuing(call)?;
    if !issuing.has_issued(&call.caller) {
        return Err(Refusal::RenewalNotPermitted.into());
    }
    if call.caller.has_key(&request.public_key) {
        let rule = "is for the key of the certificate that you call with; make a new key";
        return Err(CallError::invalid("signing_request", rule));
    }
    let issued = issuing.certify(call.actor(), &request, call.engine().now())?;
    let issued = call.engine().renew(id, call.caller.certificate, issued).await?;
    let (certificate, new) = (call.caller.log_name(), hex(&issued.fingerprint[..8]));
    tracing::info!(certificate, new, "a certificate was renewed");
    Ok(api::RenewCertificateResponse {
        certificate: issued.certificate.to_vec().into(),
        authority: issuing.certificate.to_vec().into(),
        expire_time: Some(to_proto::time(issued.not_after)),
    })
}
