//! `samverkan.v1.IntakeService`: reports of incidents. The promises are the comments in intake.proto.

use tonic::{Request, Response, Status};

use super::call::Call;
use super::status::CallError;
use super::{Edge, authorisation, from_proto, to_proto};
use crate::api::{self, intake_service_server::IntakeService};
use crate::engine::Opening;
use crate::room::event::Command;
use crate::room::refusal::Refusal;

/// Where the consent stands in a report.
const CONSENT: &str = "report.sharing_consent";

#[tonic::async_trait]
impl IntakeService for Edge {
    async fn report_incident(
        &self,
        request: Request<api::ReportIncidentRequest>,
    ) -> Result<Response<api::ReportIncidentResponse>, Status> {
        self.unary(authorisation::REPORT_INCIDENT, request, report_incident).await
    }

    async fn amend_report(
        &self,
        request: Request<api::AmendReportRequest>,
    ) -> Result<Response<api::AmendReportResponse>, Status> {
        self.unary(authorisation::AMEND_REPORT, request, amend_report).await
    }

    async fn get_report(
        &self,
        request: Request<api::GetReportRequest>,
    ) -> Result<Response<api::GetReportResponse>, Status> {
        self.unary(authorisation::GET_REPORT, request, get_report).await
    }

    async fn record_police_report(
        &self,
        request: Request<api::RecordPoliceReportRequest>,
    ) -> Result<Response<api::RecordPoliceReportResponse>, Status> {
        self.unary(authorisation::RECORD_POLICE_REPORT, request, record_police_report).await
    }
}

async fn report_incident(
    call: Call,
    request: api::ReportIncidentRequest,
) -> Result<api::ReportIncidentResponse, CallError> {
    let (id, report, consent) = from_proto::report_incident(request)?;
    let opened = call.engine().open_room(call.actor(), id, Opening::ByReport { report, consent }).await;
    let opened = opened.map_err(|failure| CallError::from(failure).within(CONSENT))?;
    Ok(api::ReportIncidentResponse {
        room_id: opened.room.to_string(),
        participant_id: opened.participant.to_string(),
        opened_time: Some(to_proto::time(opened.recorded_at)),
    })
}

async fn amend_report(call: Call, request: api::AmendReportRequest) -> Result<api::AmendReportResponse, CallError> {
    let (id, room, report, consent) = from_proto::amend_report(request)?;
    let written = call.engine().write(call.actor(), room, id, Command::AmendReport { report, consent }).await;
    let written = written.map_err(|failure| CallError::from(failure).within(CONSENT))?;
    Ok(api::AmendReportResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn get_report(call: Call, request: api::GetReportRequest) -> Result<api::GetReportResponse, CallError> {
    let (room, of, size) = from_proto::get_report(&request)?;
    let filter = format!("{room}/{}", request.participant);
    let before: Option<u64> = call.page_after(&filter, &request.page_token)?;
    let (participant, versions) = call.engine().reports(call.actor(), room, of).await?;
    if versions.is_empty() {
        return Err(Refusal::ReportNotFound.into());
    }
    let newest_first = (1..=versions.len() as u64).zip(&versions).collect::<Vec<_>>().into_iter().rev();
    let rest = newest_first.filter(|(number, _)| before.is_none_or(|before| *number < before));
    let shown = rest.map(|(number, (filed_at, report))| to_proto::report_version(number, *filed_at, report));
    let (versions, more) = to_proto::fill(shown, size);
    let last = versions.last().map(|version| version.version.to_string());
    Ok(api::GetReportResponse {
        participant: Some(to_proto::participant(&participant, &call.engine().directory())),
        next_page_token: call.next_page(&filter, more, last.as_deref()),
        versions,
    })
}

async fn record_police_report(
    call: Call,
    request: api::RecordPoliceReportRequest,
) -> Result<api::RecordPoliceReportResponse, CallError> {
    let (id, room, reference) = from_proto::record_police_report(request)?;
    let written = call.write(room, id, Command::RecordPoliceReport { reference }).await?;
    Ok(api::RecordPoliceReportResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}
