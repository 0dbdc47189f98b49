//! `samverkan.v1.AccessService`: whose access was taken away, and who is connected. The promises are the comments in access.proto.

use tonic::{Request, Response, Status};

use super::call::Call;
use super::status::CallError;
use super::{Edge, authorisation, from_proto, to_proto};
use crate::api::{self, access_service_server::AccessService};
use crate::engine::AccessWish;
use crate::identity::{ConnectionId, Ended};
use crate::room::event::AccessChange;
use crate::room::ids::Actor;

#[tonic::async_trait]
impl AccessService for Edge {
    async fn revoke_certificate(
        &self,
        request: Request<api::RevokeCertificateRequest>,
    ) -> Result<Response<api::RevokeCertificateResponse>, Status> {
        self.unary(authorisation::REVOKE_CERTIFICATE, request, revoke_certificate).await
    }

    async fn revoke_actor(
        &self,
        request: Request<api::RevokeActorRequest>,
    ) -> Result<Response<api::RevokeActorResponse>, Status> {
        self.unary(authorisation::REVOKE_ACTOR, request, revoke_actor).await
    }

    async fn reinstate_actor(
        &self,
        request: Request<api::ReinstateActorRequest>,
    ) -> Result<Response<api::ReinstateActorResponse>, Status> {
        self.unary(authorisation::REINSTATE_ACTOR, request, reinstate_actor).await
    }

    async fn list_revocations(
        &self,
        request: Request<api::ListRevocationsRequest>,
    ) -> Result<Response<api::ListRevocationsResponse>, Status> {
        self.unary(authorisation::LIST_REVOCATIONS, request, list_revocations).await
    }

    async fn list_live_connections(
        &self,
        request: Request<api::ListLiveConnectionsRequest>,
    ) -> Result<Response<api::ListLiveConnectionsResponse>, Status> {
        self.unary(authorisation::LIST_LIVE_CONNECTIONS, request, list_live_connections).await
    }
}

/// Cuts everybody whose access the directory says is revoked, and returns how many. Only what is durable there is looked at, so that
/// whoever is cut can't come back, and a retry of an old revocation cuts nobody who was let in again.
fn cut(call: &Call) -> i32 {
    let directory = call.engine().directory();
    let cut = call.shared().connections.cut(|caller| {
        let why = Ended::of_revoked(&directory, &caller.actor, &caller.certificate)?;
        (!caller.is_cancelled()).then_some(why)
    });
    tracing::info!(connections = cut, "an access was revoked, its connections are cut");
    i32::try_from(cut).unwrap_or(i32::MAX)
}

async fn revoke_certificate(
    call: Call,
    request: api::RevokeCertificateRequest,
) -> Result<api::RevokeCertificateResponse, CallError> {
    let (id, certificate, named, reason) = from_proto::revoke_certificate(request)?;
    let connected = || -> Option<Actor> {
        let callers = call.shared().connections.callers();
        callers.iter().find(|caller| caller.certificate == certificate).map(|caller| caller.actor.clone())
    };
    // What a certificate says goes before what somebody says about it.
    let actor = connected().or(named);
    let mut connections_cut = 0;
    let (change, own) = (AccessChange::CertificateRevoked(certificate), call.caller.certificate);
    let wish = AccessWish { actor, change, own, reason };
    let changed = call.engine().change_access(call.actor(), id, wish, || connections_cut = cut(&call)).await?;
    Ok(api::RevokeCertificateResponse {
        revoked_time: Some(to_proto::time(changed.recorded_at)),
        actor: changed.actor.map(|actor| actor.to_string()).unwrap_or_default(),
        connections_cut,
    })
}

async fn revoke_actor(call: Call, request: api::RevokeActorRequest) -> Result<api::RevokeActorResponse, CallError> {
    let (id, actor, reason) = from_proto::revoke_actor(request)?;
    let mut connections_cut = 0;
    let (change, own) = (AccessChange::ActorRevoked, call.caller.certificate);
    let wish = AccessWish { actor: Some(actor), change, own, reason };
    let changed = call.engine().change_access(call.actor(), id, wish, || connections_cut = cut(&call)).await?;
    Ok(api::RevokeActorResponse { revoked_time: Some(to_proto::time(changed.recorded_at)), connections_cut })
}

async fn reinstate_actor(
    call: Call,
    request: api::ReinstateActorRequest,
) -> Result<api::ReinstateActorResponse, CallError> {
    let (id, actor, reason) = from_proto::reinstate_actor(request)?;
    let (change, own) = (AccessChange::ActorReinstated, call.caller.certificate);
    let wish = AccessWish { actor: Some(actor), change, own, reason };
    let changed = call.engine().change_access(call.actor(), id, wish, || ()).await?;
    Ok(api::ReinstateActorResponse { reinstated_time: Some(to_proto::time(changed.recorded_at)) })
}

async fn list_revocations(
    call: Call,
    request: api::ListRevocationsRequest,
) -> Result<api::ListRevocationsResponse, CallError> {
    let size = from_proto::page_size(request.page_size)?;
    let after: Option<u64> = call.page_after("", &request.page_token)?;
    call.authorise()?;
    let directory = call.engine().directory();
    let rest = directory.revocations().iter().filter(|known| after.is_none_or(|after| known.seq.0 > after));
    let page: Vec<_> = rest.take(size + 1).collect();
    let more = page.len() > size;
    let page = &page[..page.len().min(size)];
    let last = page.last().map(|last| last.seq.0.to_string());
    let revocations = page.iter().map(|revocation| to_proto::revocation(revocation)).collect();
    Ok(api::ListRevocationsResponse { revocations, next_page_token: call.next_page("", more, last.as_deref()) })
}

async fn list_live_connections(
    call: Call,
    request: api::ListLiveConnectionsRequest,
) -> Result<api::ListLiveConnectionsResponse, CallError> {
    let size = from_proto::page_size(request.page_size)?;
    let after: Option<u64> = call.page_after("", &request.page_token)?;
    call.authorise()?;
    let callers = call.shared().connections.callers();
    let rest = callers.iter().filter(|caller| after.is_none_or(|after| caller.connection > ConnectionId(after)));
    let page: Vec<_> = rest.take(size + 1).collect();
    let more = page.len() > size;
    let page = &page[..page.len().min(size)];
    let last = page.last().map(|last| last.connection.0.to_string());
    let connections = page.iter().map(|caller| to_proto::live_connection(caller)).collect();
    Ok(api::ListLiveConnectionsResponse { connections, next_page_token: call.next_page("", more, last.as_deref()) })
}
