//! `samverkan.v1.ConsentService`: what organisations allow, and what would come of it. The promises are the comments in consent.proto.

use tonic::{Request, Response, Status};

use super::call::Call;
use super::status::CallError;
use super::{Edge, authorisation, from_proto, to_proto};
use crate::api::{self, consent_service_server::ConsentService};
use crate::room::disclose::{self, Reader};
use crate::room::event::Command;

#[tonic::async_trait]
impl ConsentService for Edge {
    async fn get_consent(
        &self,
        request: Request<api::GetConsentRequest>,
    ) -> Result<Response<api::GetConsentResponse>, Status> {
        self.unary(authorisation::GET_CONSENT, request, get_consent).await
    }

    async fn give_consent(
        &self,
        request: Request<api::GiveConsentRequest>,
    ) -> Result<Response<api::GiveConsentResponse>, Status> {
        self.unary(authorisation::GIVE_CONSENT, request, give_consent).await
    }

    async fn withdraw_consent(
        &self,
        request: Request<api::WithdrawConsentRequest>,
    ) -> Result<Response<api::WithdrawConsentResponse>, Status> {
        self.unary(authorisation::WITHDRAW_CONSENT, request, withdraw_consent).await
    }

    async fn preview_audience(
        &self,
        request: Request<api::PreviewAudienceRequest>,
    ) -> Result<Response<api::PreviewAudienceResponse>, Status> {
        self.unary(authorisation::PREVIEW_AUDIENCE, request, preview_audience).await
    }
}

async fn get_consent(call: Call, request: api::GetConsentRequest) -> Result<api::GetConsentResponse, CallError> {
    let (room, of) = from_proto::get_consent(&request)?;
    let caller = call.actor().clone();
    let question = move |state: &_, now| disclose::consent(state, &caller, of.as_ref(), now);
    let shown = call.engine().ask(room, question).await?;
    let (participant, consent) = to_proto::consent(&shown, &call.engine().directory());
    Ok(api::GetConsentResponse { participant: Some(participant), consent: Some(consent) })
}

async fn give_consent(call: Call, request: api::GiveConsentRequest) -> Result<api::GiveConsentResponse, CallError> {
    let (id, room, change, expected_version) = from_proto::give_consent(request)?;
    let written = call.engine().write(call.actor(), room, id, Command::GiveConsent { change, expected_version }).await;
    let written = written.map_err(|failure| CallError::from(failure).within("change"))?;
    Ok(api::GiveConsentResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn withdraw_consent(
    call: Call,
    request: api::WithdrawConsentRequest,
) -> Result<api::WithdrawConsentResponse, CallError> {
    let (id, room, scope) = from_proto::withdraw_consent(request)?;
    let written = call.engine().write(call.actor(), room, id, Command::WithdrawConsent(scope)).await?;
    Ok(api::WithdrawConsentResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn preview_audience(
    call: Call,
    request: api::PreviewAudienceRequest,
) -> Result<api::PreviewAudienceResponse, CallError> {
    let (room, draft) = from_proto::preview_audience(request)?;
    let caller = call.actor().clone();
    let question = move |state: &_, now| disclose::preview(state, Reader::new(state, &caller)?, &draft, now);
    let previewed = call.engine().ask(room, question).await?;
    let directory = call.engine().directory();
    let participants = previewed.iter().map(|shown| to_proto::previewed(shown, &directory)).collect();
    Ok(api::PreviewAudienceResponse { participants })
}
