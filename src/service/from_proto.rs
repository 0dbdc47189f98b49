//! Requests in the domain's words, or every violation at once. One question: is this request well-formed?
//!
//! What depends on a room or a caller is not asked here: syntax comes first (error.proto), and tells nothing. Ids, enums, limits,
//! duplicates, page sizes, which fields exclude each other. Leans on: `room` for its words, `limits`. Tested in `from_proto/tests.rs`.

mod access;
mod ask;
mod attachment;
mod audit;
mod backup;
mod consent;
mod coordination;
mod draft;
mod enrolment;
mod erasure;
mod fields;
mod message;
mod relay;
mod report;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

pub(super) use self::access::{reinstate_actor, revoke_actor, revoke_certificate};
pub(super) use self::ask::{
    Asking, answer_ask, answer_recall, ask_for_consent, release_messages, revoke_release, suggest_ask,
};
pub(super) use self::audit::{list_audit_records, tail_audit_records};
pub(super) use self::coordination::{
    Disclosing, answer_introduction, confirm_legal_disclosure, forward_messages, list_connections,
    propose_introduction, propose_legal_disclosure, record_connection, see_as,
};
pub(super) use self::enrolment::{
    NewcomerInvite, approve_invite, create_invite, enrol, renew_certificate, revoke_invite,
};
pub(super) use self::erasure::{
    confirm_erasure, lift_legal_hold, list_erasures, place_legal_hold, propose_erasure, set_retention,
};
use self::fields::Fields;
pub(super) use self::message::{acknowledge_message, explain_audience, get_receipts, retract_message};
pub(super) use self::relay::{approve_relay, preview_relay, publish_relay, reject_relay};
use super::authorisation::{self, Method};
use super::status::CallError;
use crate::api;
use crate::limits;
use crate::room::chain;
use crate::room::consent::{ConsentChange, Name, Scope};
use crate::room::event::{Draft, IntakeReport, Request};
use crate::room::ids::{Index, InvitationId, OrganisationId, RequestId, RoomId, Timestamp};
use crate::room::words::Role;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) use attachment::fuzzed_upload;
pub(super) use attachment::{download_attachment, upload_start};
pub(super) use backup::take_backup;

/// A request that writes.
pub(super) trait Write: prost::Message {
    /// Its request id.
    fn request_id(&mut self) -> &mut String;
}

macro_rules! writes {
    ($($request:ident),* $(,)?) => {
        $(impl Write for api::$request {
            fn request_id(&mut self) -> &mut String {
                &mut self.request_id
            }
        })*
    };
}

writes!(
    ReportIncidentRequest,
    AmendReportRequest,
    OpenRoomRequest,
    InviteOrganisationRequest,
    AcceptInvitationRequest,
    DeclineInvitationRequest,
    LeaveRoomRequest,
    RemoveParticipantRequest,
    ChangeRoleRequest,
    CloseRoomRequest,
    RecordExportRequest,
    ReopenRoomRequest,
    PostMessageRequest,
    GiveConsentRequest,
    WithdrawConsentRequest,
    RegisterOrganisationRequest,
    SuspendOrganisationRequest,
    ChangeTermsRequest,
    RecordPoliceReportRequest,
    RetractMessageRequest,
    AcknowledgeMessageRequest,
    ReleaseMessagesRequest,
    RevokeReleaseRequest,
    AskForConsentRequest,
    AnswerAskRequest,
    SuggestAskRequest,
    AnswerRecallRequest,
    PublishRelayRequest,
    ApproveRelayRequest,
    RejectRelayRequest,
    ForwardMessagesRequest,
    ProposeLegalDisclosureRequest,
    ConfirmLegalDisclosureRequest,
    ProposeIntroductionRequest,
    AnswerIntroductionRequest,
    RecordConnectionRequest,
    RevokeCertificateRequest,
    RevokeActorRequest,
    ReinstateActorRequest,
    CreateInviteRequest,
    ApproveInviteRequest,
    RevokeInviteRequest,
    ProposeErasureRequest,
    ConfirmErasureRequest,
    PlaceLegalHoldRequest,
    LiftLegalHoldRequest,
    SetRetentionRequest,
);

/// Which write this is: its request id, taken out of the request, and the digest of method and what remains.
fn write(fields: &mut Fields, method: Method, request: &mut impl Write) -> Option<Request> {
    let id = std::mem::take(request.request_id());
    let id = fields.uuid("request_id", &id).map(RequestId)?;
    Some(Request { id, digest: chain::request(method.path, &request.encode_to_vec()) })
}

/// Report and consent that open a room.
pub(super) type Reporting = (Request, Arc<IntakeReport>, Arc<ConsentChange>);

pub(super) fn report_incident(mut request: api::ReportIncidentRequest) -> Result<Reporting, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::REPORT_INCIDENT, &mut request);
    let report = report::report(&mut fields, request.report);
    if let Some((report, change)) = &report
        && report::is_unanswered(report, change)
    {
        fields.wrong("report", "must answer at least one of its questions");
    }
    fields.finish(|| {
        let (report, change) = report?;
        Some((id?, report, change))
    })
}

/// New answers, and what they set in the consent, if anything.
pub(super) type Amending = (Request, RoomId, Arc<IntakeReport>, Option<Arc<ConsentChange>>);

pub(super) fn amend_report(mut request: api::AmendReportRequest) -> Result<Amending, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::AMEND_REPORT, &mut request);
    let room = fields.room(&request.room_id);
    let report = report::report(&mut fields, request.report);
    fields.finish(|| {
        let (report, change) = report?;
        Some((id?, room?, report, Some(change).filter(|change| !consent::is_empty(change))))
    })
}

pub(super) fn get_report(request: &api::GetReportRequest) -> Result<(RoomId, Option<Name>, usize), CallError> {
    let mut fields = Fields::default();
    let room = fields.room(&request.room_id);
    let of = fields.optional_name("participant", &request.participant);
    let size = fields.page_size(request.page_size, limits::REPORT_VERSIONS_DEFAULT, limits::REPORT_VERSIONS_MAX);
    fields.finish(|| Some((room?, of?, size?)))
}

/// Title and terms; no terms are the server's.
pub(super) type OpeningRoom = (Request, Arc<str>, Option<Arc<str>>);

pub(super) fn open_room(mut request: api::OpenRoomRequest) -> Result<OpeningRoom, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::OPEN_ROOM, &mut request);
    fields.text("title", &request.title, limits::TITLE_BYTES_MAX);
    fields.text_max("terms", &request.terms, limits::TERMS_BYTES_MAX);
    fields.finish(|| {
        Some((id?, request.title.into(), Some(request.terms.into()).filter(|terms: &Arc<str>| !terms.is_empty())))
    })
}

/// A request that says no more than which room.
pub(super) fn room(room_id: &str) -> Result<RoomId, CallError> {
    let mut fields = Fields::default();
    let room = fields.room(room_id);
    fields.finish(|| room)
}

/// A list of the caller's own.
pub(super) fn page_size(page_size: i32) -> Result<usize, CallError> {
    let mut fields = Fields::default();
    let size = fields.page(page_size);
    fields.finish(|| size)
}

pub(super) fn list_participants(request: &api::ListParticipantsRequest) -> Result<(RoomId, usize), CallError> {
    let mut fields = Fields::default();
    let room = fields.room(&request.room_id);
    let size = fields.page(request.page_size);
    fields.finish(|| Some((room?, size?)))
}

/// The role of somebody who isn't the coordinator.
fn offered_role(fields: &mut Fields, number: i32) -> Option<Role> {
    let role = fields.word(|| "role".to_owned(), number, words::role);
    if role == Some(Role::Coordinator) {
        fields
            .wrong("role", "must not be coordinator: a room has one; affected organisation, third party or authority");
    }
    role
}

/// Whom to invite, as what.
pub(super) type Inviting = (Request, RoomId, OrganisationId, Role);

pub(super) fn invite_organisation(mut request: api::InviteOrganisationRequest) -> Result<Inviting, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::INVITE_ORGANISATION, &mut request);
    let room = fields.room(&request.room_id);
    let organisation = fields.organisation(&request.organisation_id);
    let role = offered_role(&mut fields, request.role);
    fields.finish(|| Some((id?, room?, organisation?, role?)))
}

/// Which invitation, with what consent.
pub(super) type Accepting = (Request, InvitationId, Arc<ConsentChange>);

pub(super) fn accept_invitation(mut request: api::AcceptInvitationRequest) -> Result<Accepting, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::ACCEPT_INVITATION, &mut request);
    let invitation = fields.uuid("invitation_id", &request.invitation_id).map(InvitationId);
    let change = request.consent.map(|change| consent::change(&mut fields, "consent", &change)).unwrap_or_default();
    fields.finish(|| Some((id?, invitation?, Arc::new(change))))
}

pub(super) fn decline_invitation(
    mut request: api::DeclineInvitationRequest,
) -> Result<(Request, InvitationId), CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::DECLINE_INVITATION, &mut request);
    let invitation = fields.uuid("invitation_id", &request.invitation_id).map(InvitationId);
    fields.finish(|| Some((id?, invitation?)))
}

pub(super) fn leave_room(mut request: api::LeaveRoomRequest) -> Result<(Request, RoomId), CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::LEAVE_ROOM, &mut request);
    let room = fields.room(&request.room_id);
    fields.finish(|| Some((id?, room?)))
}

/// Whom to remove, and why.
pub(super) type Removing = (Request, RoomId, Name, Arc<str>);

pub(super) fn remove_participant(mut request: api::RemoveParticipantRequest) -> Result<Removing, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::REMOVE_PARTICIPANT, &mut request);
    let room = fields.room(&request.room_id);
    let participant = fields.name(|| "participant".to_owned(), &request.participant);
    fields.text("reason", &request.reason, limits::REASON_BYTES_MAX);
    fields.finish(|| Some((id?, room?, participant?, request.reason.into())))
}

/// Whose role, to what.
pub(super) type ChangingRole = (Request, RoomId, Name, Role);

pub(super) fn change_role(mut request: api::ChangeRoleRequest) -> Result<ChangingRole, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::CHANGE_ROLE, &mut request);
    let room = fields.room(&request.room_id);
    let participant = fields.name(|| "participant".to_owned(), &request.participant);
    let role = offered_role(&mut fields, request.role);
    fields.finish(|| Some((id?, room?, participant?, role?)))
}

pub(super) fn close_room(mut request: api::CloseRoomRequest) -> Result<(Request, RoomId), CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::CLOSE_ROOM, &mut request);
    let room = fields.room(&request.room_id);
    fields.finish(|| Some((id?, room?)))
}

pub(super) fn record_export(mut request: api::RecordExportRequest) -> Result<(Request, RoomId), CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::RECORD_EXPORT, &mut request);
    let room = fields.room(&request.room_id);
    fields.finish(|| Some((id?, room?)))
}

pub(super) fn reopen_room(mut request: api::ReopenRoomRequest) -> Result<(Request, RoomId), CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::REOPEN_ROOM, &mut request);
    let room = fields.room(&request.room_id);
    fields.finish(|| Some((id?, room?)))
}

pub(super) fn change_terms(mut request: api::ChangeTermsRequest) -> Result<(Request, RoomId, Arc<str>), CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::CHANGE_TERMS, &mut request);
    let room = fields.room(&request.room_id);
    fields.text("terms", &request.terms, limits::TERMS_BYTES_MAX);
    fields.finish(|| Some((id?, room?, request.terms.into())))
}

pub(super) fn record_police_report(
    mut request: api::RecordPoliceReportRequest,
) -> Result<(Request, RoomId, Arc<str>), CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::RECORD_POLICE_REPORT, &mut request);
    let room = fields.room(&request.room_id);
    fields.text("reference", &request.reference, limits::REASON_BYTES_MAX);
    fields.finish(|| Some((id?, room?, request.reference.into())))
}

/// A message to post.
pub(super) type Posting = (Request, RoomId, Draft);

pub(super) fn post_message(mut request: api::PostMessageRequest) -> Result<Posting, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::POST_MESSAGE, &mut request);
    let room = fields.room(&request.room_id);
    let draft = draft::draft(&mut fields, request.draft);
    fields.finish(|| Some((id?, room?, draft?)))
}

/// One message of a stream into `room`. It counts as the same write as `PostMessage` with the same id and content, so a client may
/// retry either way.
pub(super) fn post_messages(room: RoomId, request: api::PostMessagesRequest) -> Result<Posting, CallError> {
    let api::PostMessagesRequest { request_id, room_id, draft } = request;
    let of_stream = room.to_string();
    if !room_id.is_empty() && room_id != of_stream {
        return Err(CallError::invalid("room_id", "must be empty or that of the stream's first request"));
    }
    post_message(api::PostMessageRequest { request_id, room_id: of_stream, draft })
}

pub(super) fn list_messages(request: &api::ListMessagesRequest) -> Result<(RoomId, Index, usize), CallError> {
    let mut fields = Fields::default();
    let room = fields.room(&request.room_id);
    let size = fields.page(request.page_size);
    fields.finish(|| Some((room?, Index(request.after_index), size?)))
}

pub(super) fn get_consent(request: &api::GetConsentRequest) -> Result<(RoomId, Option<Name>), CallError> {
    let mut fields = Fields::default();
    let room = fields.room(&request.room_id);
    let of = fields.optional_name("participant", &request.participant);
    fields.finish(|| Some((room?, of?)))
}

/// What to set in the caller's consent.
pub(super) type Giving = (Request, RoomId, Arc<ConsentChange>, Option<u64>);

pub(super) fn give_consent(mut request: api::GiveConsentRequest) -> Result<Giving, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::GIVE_CONSENT, &mut request);
    let room = fields.room(&request.room_id);
    let change = fields.required("change", request.change).map(|change| {
        if change == api::ConsentChange::default() {
            fields.wrong("change", "must list something");
        }
        consent::change(&mut fields, "change", &change)
    });
    fields.finish(|| Some((id?, room?, Arc::new(change?), request.expected_version)))
}

/// What is withdrawn, and by when receivers should answer that they have deleted it, if they should.
pub(super) type Withdrawing = (Request, RoomId, Scope, Option<Timestamp>);

pub(super) fn withdraw_consent(mut request: api::WithdrawConsentRequest) -> Result<Withdrawing, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::WITHDRAW_CONSENT, &mut request);
    let room = fields.room(&request.room_id);
    let scope = consent::scope(&mut fields, request.scope.as_ref());
    let answer_by = request.recall_answer_by_time.and_then(|time| fields.time("recall_answer_by_time", time));
    fields.finish(|| Some((id?, room?, scope?, answer_by)))
}

pub(super) fn preview_audience(request: api::PreviewAudienceRequest) -> Result<(RoomId, Draft), CallError> {
    let mut fields = Fields::default();
    let room = fields.room(&request.room_id);
    let draft = draft::draft(&mut fields, request.draft);
    fields.finish(|| Some((room?, draft?)))
}

/// Whom to admit, and its name for people.
pub(super) type Registering = (Request, OrganisationId, Arc<str>);

pub(super) fn register_organisation(mut request: api::RegisterOrganisationRequest) -> Result<Registering, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::REGISTER_ORGANISATION, &mut request);
    let organisation = fields.organisation(&request.organisation_id);
    fields.text("display_name", &request.display_name, limits::DISPLAY_NAME_BYTES_MAX);
    fields.finish(|| Some((id?, organisation?, request.display_name.into())))
}

/// Whom to refuse, and why.
pub(super) type Suspending = (Request, OrganisationId, Arc<str>);

pub(super) fn suspend_organisation(mut request: api::SuspendOrganisationRequest) -> Result<Suspending, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::SUSPEND_ORGANISATION, &mut request);
    let organisation = fields.organisation(&request.organisation_id);
    fields.text("reason", &request.reason, limits::REASON_BYTES_MAX);
    fields.finish(|| Some((id?, organisation?, request.reason.into())))
}

pub(super) fn get_organisation(request: &api::GetOrganisationRequest) -> Result<OrganisationId, CallError> {
    let mut fields = Fields::default();
    let organisation = fields.organisation(&request.organisation_id);
    fields.finish(|| organisation)
}
