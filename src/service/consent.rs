//! `samverkan.v1.ConsentService`: what organisations allow, and what would come of it. The promises are the comments in consent.proto.

use tonic::{Request, Response, Status};

use super::call::Call;
use super::status::CallError;
use super::{Edge, authorisation, from_proto, to_proto};
use crate::api::{self, consent_service_server::ConsentService};
use crate::room::disclose::{self, Reader};
use crate::room::event::{Command, Event, Recall};
use crate::room::ids::{AskId, RecallId, ReleaseId};

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

    async fn release_messages(
        &self,
        request: Request<api::ReleaseMessagesRequest>,
    ) -> Result<Response<api::ReleaseMessagesResponse>, Status> {
        self.unary(authorisation::RELEASE_MESSAGES, request, release_messages).await
    }

    async fn revoke_release(
        &self,
        request: Request<api::RevokeReleaseRequest>,
    ) -> Result<Response<api::RevokeReleaseResponse>, Status> {
        self.unary(authorisation::REVOKE_RELEASE, request, revoke_release).await
    }

    async fn ask_for_consent(
        &self,
        request: Request<api::AskForConsentRequest>,
    ) -> Result<Response<api::AskForConsentResponse>, Status> {
        self.unary(authorisation::ASK_FOR_CONSENT, request, ask_for_consent).await
    }

    async fn answer_ask(
        &self,
        request: Request<api::AnswerAskRequest>,
    ) -> Result<Response<api::AnswerAskResponse>, Status> {
        self.unary(authorisation::ANSWER_ASK, request, answer_ask).await
    }

    async fn suggest_ask(
        &self,
        request: Request<api::SuggestAskRequest>,
    ) -> Result<Response<api::SuggestAskResponse>, Status> {
        self.unary(authorisation::SUGGEST_ASK, request, suggest_ask).await
    }

    async fn answer_recall(
        &self,
        request: Request<api::AnswerRecallRequest>,
    ) -> Result<Response<api::AnswerRecallResponse>, Status> {
        self.unary(authorisation::ANSWER_RECALL, request, answer_recall).await
    }
}

async fn get_consent(call: Call, request: api::GetConsentRequest) -> Result<api::GetConsentResponse, CallError> {
    let (room, of) = from_proto::get_consent(&request)?;
    let caller = call.actor().clone();
    let question = move |state: &_, now| disclose::consent(state, &caller, of.as_ref(), now);
    let shown = call.engine().ask(call.actor(), room, question).await?;
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
    let (id, room, scope, answer_by) = from_proto::withdraw_consent(request)?;
    let recall = answer_by.map(|answer_by| Recall { id: RecallId(call.engine().new_id()), answer_by });
    let written = call.write(room, id, Command::WithdrawConsent { scope, recall }).await?;
    let Event::ConsentWithdrawn { recall, .. } = written.event else { return call.unexpected() };
    Ok(api::WithdrawConsentResponse {
        recorded_time: Some(to_proto::time(written.recorded_at)),
        recall_id: recall.map_or(String::new(), |recall| recall.id.to_string()),
    })
}

async fn preview_audience(
    call: Call,
    request: api::PreviewAudienceRequest,
) -> Result<api::PreviewAudienceResponse, CallError> {
    let (room, draft) = from_proto::preview_audience(request)?;
    let caller = call.actor().clone();
    let question = move |state: &_, now| disclose::preview(state, Reader::new(state, &caller)?, &draft, now);
    let previewed = call.engine().ask(call.actor(), room, question).await?;
    let directory = call.engine().directory();
    let participants = previewed.iter().map(|shown| to_proto::previewed(shown, &directory)).collect();
    Ok(api::PreviewAudienceResponse { participants })
}

async fn release_messages(
    call: Call,
    request: api::ReleaseMessagesRequest,
) -> Result<api::ReleaseMessagesResponse, CallError> {
    let (id, room, messages, to) = from_proto::release_messages(request)?;
    let command = Command::Release { release: ReleaseId(call.engine().new_id()), messages, to };
    let written = call.write(room, id, command).await?;
    let Event::MessagesReleased { release, .. } = written.event else { return call.unexpected() };
    Ok(api::ReleaseMessagesResponse {
        release_id: release.to_string(),
        recorded_time: Some(to_proto::time(written.recorded_at)),
    })
}

async fn revoke_release(
    call: Call,
    request: api::RevokeReleaseRequest,
) -> Result<api::RevokeReleaseResponse, CallError> {
    let (id, room, release) = from_proto::revoke_release(request)?;
    let written = call.write(room, id, Command::RevokeRelease { release }).await?;
    Ok(api::RevokeReleaseResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn ask_for_consent(
    call: Call,
    request: api::AskForConsentRequest,
) -> Result<api::AskForConsentResponse, CallError> {
    let (id, room, asking) = from_proto::ask_for_consent(request)?;
    let from_proto::Asking { source, subject, to, reason, answer_by } = asking;
    let command = Command::Ask { ask: AskId(call.engine().new_id()), source, subject, to, reason, answer_by };
    let written = call.write(room, id, command).await?;
    let Event::ConsentAsked { ask, .. } = written.event else { return call.unexpected() };
    Ok(api::AskForConsentResponse { ask_id: ask.to_string(), recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn answer_ask(call: Call, request: api::AnswerAskRequest) -> Result<api::AnswerAskResponse, CallError> {
    let (id, room, ask, answer, comment) = from_proto::answer_ask(request)?;
    let command = Command::AnswerAsk { ask, answer, comment, release: ReleaseId(call.engine().new_id()) };
    let written = call.write(room, id, command).await?;
    Ok(api::AnswerAskResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn suggest_ask(call: Call, request: api::SuggestAskRequest) -> Result<api::SuggestAskResponse, CallError> {
    let (id, room, source, material, reason) = from_proto::suggest_ask(request)?;
    let written = call.write(room, id, Command::SuggestAsk { source, material, reason }).await?;
    Ok(api::SuggestAskResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn answer_recall(call: Call, request: api::AnswerRecallRequest) -> Result<api::AnswerRecallResponse, CallError> {
    let (id, room, recall, answer, comment) = from_proto::answer_recall(request)?;
    let written = call.write(room, id, Command::AnswerRecall { recall, answer, comment }).await?;
    Ok(api::AnswerRecallResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}
