//! `samverkan.v1.OrganisationService`: the register, which is the coordinator's. The promises are the comments in organisation.proto.

use tonic::{Request, Response, Status};

use super::call::Call;
use super::status::CallError;
use super::{Edge, authorisation, from_proto, to_proto};
use crate::api::{self, organisation_service_server::OrganisationService};
use crate::identity::Ended;
use crate::room::ids::OrganisationId;
use crate::room::refusal::Refusal;

#[tonic::async_trait]
impl OrganisationService for Edge {
    async fn register_organisation(
        &self,
        request: Request<api::RegisterOrganisationRequest>,
    ) -> Result<Response<api::RegisterOrganisationResponse>, Status> {
        self.unary(authorisation::REGISTER_ORGANISATION, request, register_organisation).await
    }

    async fn suspend_organisation(
        &self,
        request: Request<api::SuspendOrganisationRequest>,
    ) -> Result<Response<api::SuspendOrganisationResponse>, Status> {
        self.unary(authorisation::SUSPEND_ORGANISATION, request, suspend_organisation).await
    }

    async fn get_organisation(
        &self,
        request: Request<api::GetOrganisationRequest>,
    ) -> Result<Response<api::GetOrganisationResponse>, Status> {
        self.unary(authorisation::GET_ORGANISATION, request, get_organisation).await
    }

    async fn list_organisations(
        &self,
        request: Request<api::ListOrganisationsRequest>,
    ) -> Result<Response<api::ListOrganisationsResponse>, Status> {
        self.unary(authorisation::LIST_ORGANISATIONS, request, list_organisations).await
    }
}

async fn register_organisation(
    call: Call,
    request: api::RegisterOrganisationRequest,
) -> Result<api::RegisterOrganisationResponse, CallError> {
    let (id, organisation, display_name) = from_proto::register_organisation(request)?;
    let registered_at = call.engine().register(call.actor(), id, organisation.clone(), display_name).await?;
    Ok(api::RegisterOrganisationResponse {
        organisation_id: organisation.to_string(),
        registered_time: Some(to_proto::time(registered_at)),
    })
}

async fn suspend_organisation(
    call: Call,
    request: api::SuspendOrganisationRequest,
) -> Result<api::SuspendOrganisationResponse, CallError> {
    let (id, organisation, reason) = from_proto::suspend_organisation(request)?;
    let suspended_at = call.engine().suspend(call.actor(), id, organisation.clone(), reason).await?;
    // It is durable, so that whoever is cut can't come back. A retry of an old suspension must not cut who was admitted again.
    if !call.engine().directory().admits(&organisation) {
        let cut = call
            .shared()
            .connections
            .cut(|caller| (caller.actor.organisation == organisation).then_some(Ended::Suspended));
        tracing::info!(connections = cut, "an organisation was suspended, its connections are cut");
    }
    Ok(api::SuspendOrganisationResponse {
        organisation_id: organisation.to_string(),
        suspended_time: Some(to_proto::time(suspended_at)),
    })
}

async fn get_organisation(
    call: Call,
    request: api::GetOrganisationRequest,
) -> Result<api::GetOrganisationResponse, CallError> {
    let id = from_proto::get_organisation(&request)?;
    call.authorise()?;
    let directory = call.engine().directory();
    let organisation = if id == *directory.coordinator() {
        to_proto::coordinator(&directory)
    } else {
        to_proto::organisation(&id, directory.organisation(&id).ok_or(Refusal::OrganisationNotFound)?)
    };
    Ok(api::GetOrganisationResponse { organisation: Some(organisation) })
}

async fn list_organisations(
    call: Call,
    request: api::ListOrganisationsRequest,
) -> Result<api::ListOrganisationsResponse, CallError> {
    let size = from_proto::page_size(request.page_size)?;
    let after: Option<OrganisationId> = call.page_after("", &request.page_token)?;
    call.authorise()?;
    let directory = call.engine().directory();
    let coordinator = directory.coordinator();
    // The coordinator is configuration and stands in the list all the same, in its place.
    let known = directory.organisations(after.as_ref()).filter(|(id, _)| *id != coordinator);
    let mut known = known.map(|(id, known)| (id, Some(known))).peekable();
    let mut own = Some((coordinator, None)).filter(|(id, _)| after.as_ref().is_none_or(|after| after < *id));
    let merged = std::iter::from_fn(|| match (known.peek(), &own) {
        (Some((id, _)), Some((coordinator, _))) if id < coordinator => known.next(),
        (_, Some(_)) => own.take(),
        (_, None) => known.next(),
    });
    let shown = merged.map(|(id, known)| match known {
        Some(known) => to_proto::organisation(id, known),
        None => to_proto::coordinator(&directory),
    });
    let (organisations, more) = to_proto::fill(shown, size);
    let last = organisations.last().map(|organisation| organisation.organisation_id.clone());
    let next_page_token = call.next_page("", more, last.as_deref());
    Ok(api::ListOrganisationsResponse { organisations, next_page_token })
}
