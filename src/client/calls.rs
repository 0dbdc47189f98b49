//! How is a call made that has one answer?
//!
//! Each RPC has a method that takes its request. Writes get a request id if they have none. While the server is away or busy,
//! the call is made again with the same request id, so that it has one effect (R8); when the tries are used up, the error says
//! whether something may have been written. Tested in `tests/it`.

use std::future::Future;

use tokio::time::{Instant, sleep, timeout};
use tonic::{Response, Status};

use super::error::{ClientError, Failure};
use super::{Client, TRIES_MAX, TRY_TIME_MAX, TRYING_TIME_MAX, backoff, draw, pb};

macro_rules! calls {
    ($(
        $kind:ident $(#[$doc:meta])* $service:ident.$name:ident($request:ident) -> $response:ident;
    )*) => {
        impl Client {
            $(calls!(@$kind $(#[$doc])* $service.$name($request) -> $response);)*
        }
    };
    (@read $(#[$doc:meta])* $service:ident.$name:ident($request:ident) -> $response:ident) => {
        $(#[$doc])*
        pub async fn $name(&self, request: pb::$request) -> Result<pb::$response, ClientError> {
            self.call("", || {
                let (mut client, request) = (self.transport.$service(), request.clone());
                async move { client.$name(request).await }
            }).await
        }
    };
    (@write $(#[$doc:meta])* $service:ident.$name:ident($request:ident) -> $response:ident) => {
        $(#[$doc])*
        pub async fn $name(&self, mut request: pb::$request) -> Result<pb::$response, ClientError> {
            draw(&mut request.request_id);
            self.call(&request.request_id, || {
                let (mut client, request) = (self.transport.$service(), request.clone());
                async move { client.$name(request).await }
            }).await
        }
    };
}

calls! {
    write /// Admits an organisation.
    organisations.register_organisation(RegisterOrganisationRequest) -> RegisterOrganisationResponse;
    write /// Refuses an organisation from now on.
    organisations.suspend_organisation(SuspendOrganisationRequest) -> SuspendOrganisationResponse;
    read /// One organisation of the register.
    organisations.get_organisation(GetOrganisationRequest) -> GetOrganisationResponse;
    read /// A page of the register.
    organisations.list_organisations(ListOrganisationsRequest) -> ListOrganisationsResponse;

    write /// Revokes a certificate for good.
    access.revoke_certificate(RevokeCertificateRequest) -> RevokeCertificateResponse;
    write /// Revokes a person or program.
    access.revoke_actor(RevokeActorRequest) -> RevokeActorResponse;
    write /// Lets a revoked person or program in again.
    access.reinstate_actor(ReinstateActorRequest) -> ReinstateActorResponse;
    read /// A page of what was revoked and reinstated.
    access.list_revocations(ListRevocationsRequest) -> ListRevocationsResponse;
    read /// A page of who is connected.
    access.list_live_connections(ListLiveConnectionsRequest) -> ListLiveConnectionsResponse;
    read /// A page of the audit trail.
    audit.list_audit_records(ListAuditRecordsRequest) -> ListAuditRecordsResponse;
    write /// Lets somebody get a certificate.
    invites.create_invite(CreateInviteRequest) -> CreateInviteResponse;
    write /// Approves the key that waits and whose code was read out.
    invites.approve_invite(ApproveInviteRequest) -> ApproveInviteResponse;
    write /// Takes back an invite to get a certificate.
    invites.revoke_invite(RevokeInviteRequest) -> RevokeInviteResponse;
    read /// A page of invites to get a certificate.
    invites.list_invites(ListInvitesRequest) -> ListInvitesResponse;
    read /// Gets a certificate, over a connection that [`Client::knock`] made. The same key gets the same one.
    enrolments.enrol(EnrolRequest) -> EnrolResponse;

    write /// Gets a certificate for another key of the caller.
    certificates.renew_certificate(RenewCertificateRequest) -> RenewCertificateResponse;

    write /// Opens an incident's room with a report and a consent.
    intake.report_incident(ReportIncidentRequest) -> ReportIncidentResponse;
    write /// Replaces the answers of a report.
    intake.amend_report(AmendReportRequest) -> AmendReportResponse;
    read /// A report and its earlier versions.
    intake.get_report(GetReportRequest) -> GetReportResponse;
    write /// Tells that the organisation has reported to the police.
    intake.record_police_report(RecordPoliceReportRequest) -> RecordPoliceReportResponse;

    write /// Opens a room.
    rooms.open_room(OpenRoomRequest) -> OpenRoomResponse;
    read /// A room as the caller sees it.
    rooms.get_room(GetRoomRequest) -> GetRoomResponse;
    read /// A page of the rooms that the caller is in.
    rooms.list_rooms(ListRoomsRequest) -> ListRoomsResponse;
    write /// Invites an organisation.
    rooms.invite_organisation(InviteOrganisationRequest) -> InviteOrganisationResponse;
    read /// A page of the caller's own open invitations.
    rooms.list_invitations(ListInvitationsRequest) -> ListInvitationsResponse;
    write /// Joins a room with a consent.
    rooms.accept_invitation(AcceptInvitationRequest) -> AcceptInvitationResponse;
    write /// Turns an invitation down.
    rooms.decline_invitation(DeclineInvitationRequest) -> DeclineInvitationResponse;
    write /// Leaves a room.
    rooms.leave_room(LeaveRoomRequest) -> LeaveRoomResponse;
    write /// Takes an organisation out of a room.
    rooms.remove_participant(RemoveParticipantRequest) -> RemoveParticipantResponse;
    write /// Gives a participant another role.
    rooms.change_role(ChangeRoleRequest) -> ChangeRoleResponse;
    read /// A page of the participants that the caller can see.
    rooms.list_participants(ListParticipantsRequest) -> ListParticipantsResponse;
    write /// Closes a room.
    rooms.close_room(CloseRoomRequest) -> CloseRoomResponse;
    write /// Opens a closed room again.
    rooms.reopen_room(ReopenRoomRequest) -> ReopenRoomResponse;
    write /// Puts on record that the caller exports what it may see of a room, which it then reads.
    rooms.record_export(RecordExportRequest) -> RecordExportResponse;
    write /// Replaces a room's terms; every consent lapses.
    rooms.change_terms(ChangeTermsRequest) -> ChangeTermsResponse;

    write /// Posts one message.
    messages.post_message(PostMessageRequest) -> PostMessageResponse;
    read /// A page of the caller's mailbox; what is new in it is recorded as received.
    messages.list_messages(ListMessagesRequest) -> ListMessagesResponse;
    write /// Takes a message back as void.
    messages.retract_message(RetractMessageRequest) -> RetractMessageResponse;
    write /// Acknowledges a message.
    messages.acknowledge_message(AcknowledgeMessageRequest) -> AcknowledgeMessageResponse;
    read /// A page of who has a message.
    messages.get_receipts(GetReceiptsRequest) -> GetReceiptsResponse;
    read /// Whether a participant sees a message, and why.
    messages.explain_audience(ExplainAudienceRequest) -> ExplainAudienceResponse;

    read /// A consent as it is now.
    consent.get_consent(GetConsentRequest) -> GetConsentResponse;
    write /// Changes the caller's consent.
    consent.give_consent(GiveConsentRequest) -> GiveConsentResponse;
    write /// Withdraws consent.
    consent.withdraw_consent(WithdrawConsentRequest) -> WithdrawConsentResponse;
    read /// Who would receive a message.
    consent.preview_audience(PreviewAudienceRequest) -> PreviewAudienceResponse;
    write /// Opens earlier messages to participants.
    consent.release_messages(ReleaseMessagesRequest) -> ReleaseMessagesResponse;
    write /// Ends a release.
    consent.revoke_release(RevokeReleaseRequest) -> RevokeReleaseResponse;
    write /// Asks a source for consent.
    consent.ask_for_consent(AskForConsentRequest) -> AskForConsentResponse;
    write /// Answers a question of the coordinator.
    consent.answer_ask(AnswerAskRequest) -> AnswerAskResponse;
    write /// Suggests to the coordinator that it ask for consent.
    consent.suggest_ask(SuggestAskRequest) -> SuggestAskResponse;
    write /// Tells whether what was withdrawn is deleted.
    consent.answer_recall(AnswerRecallRequest) -> AnswerRecallResponse;

    write /// Publishes a relay.
    relays.publish_relay(PublishRelayRequest) -> PublishRelayResponse;
    write /// Approves the text of a relay.
    relays.approve_relay(ApproveRelayRequest) -> ApproveRelayResponse;
    write /// Refuses to approve the text of a relay.
    relays.reject_relay(RejectRelayRequest) -> RejectRelayResponse;
    read /// Who would receive a relay.
    relays.preview_relay(PreviewRelayRequest) -> PreviewRelayResponse;

    read /// A page of the room as a participant sees it, which is recorded each time.
    coordination.see_as(SeeAsRequest) -> SeeAsResponse;
    write /// Forwards messages to an authority.
    coordination.forward_messages(ForwardMessagesRequest) -> ForwardMessagesResponse;
    write /// Proposes a disclosure under a legal duty.
    coordination.propose_legal_disclosure(ProposeLegalDisclosureRequest) -> ProposeLegalDisclosureResponse;
    write /// Confirms a disclosure under a legal duty.
    coordination.confirm_legal_disclosure(ConfirmLegalDisclosureRequest) -> ConfirmLegalDisclosureResponse;
    write /// Proposes to two participants that they get in touch.
    coordination.propose_introduction(ProposeIntroductionRequest) -> ProposeIntroductionResponse;
    write /// Accepts or declines an introduction.
    coordination.answer_introduction(AnswerIntroductionRequest) -> AnswerIntroductionResponse;
    write /// Records that two rooms may belong together.
    coordination.record_connection(RecordConnectionRequest) -> RecordConnectionResponse;
    write /// Proposes to destroy words for good.
    erasures.propose_erasure(ProposeErasureRequest) -> ProposeErasureResponse;
    write /// Confirms an erasure, as a second person.
    erasures.confirm_erasure(ConfirmErasureRequest) -> ConfirmErasureResponse;
    read /// A page of a room's erasures.
    erasures.list_erasures(ListErasuresRequest) -> ListErasuresResponse;
    write /// Lets nothing be erased in a room.
    erasures.place_legal_hold(PlaceLegalHoldRequest) -> PlaceLegalHoldResponse;
    write /// Ends a legal hold.
    erasures.lift_legal_hold(LiftLegalHoldRequest) -> LiftLegalHoldResponse;
    write /// Sets how long a room is kept after it is closed.
    erasures.set_retention(SetRetentionRequest) -> SetRetentionResponse;
    read /// A page of how long the coordinator's rooms are kept.
    erasures.list_retention(ListRetentionRequest) -> ListRetentionResponse;
    read /// A page of a room's suspected connections.
    coordination.list_connections(ListConnectionsRequest) -> ListConnectionsResponse;
}

impl Client {
    /// Tries until there is an answer, a failure that stands, or no patience left. An empty request id marks a read.
    async fn call<T, F, Answer>(&self, request_id: &str, attempt: F) -> Result<T, ClientError>
    where
        F: Fn() -> Answer,
        Answer: Future<Output = Result<Response<T>, Status>>,
    {
        let address = self.transport.address();
        let begun = Instant::now();
        let mut maybe_written_before = false;
        let mut tried = 0;
        loop {
            tried += 1;
            let failure = match timeout(TRY_TIME_MAX, self.transport.answer(attempt())).await {
                Ok(Ok(response)) => {
                    self.transport.heed(response.metadata());
                    return Ok(response.into_inner());
                }
                Ok(Err(failure)) => failure,
                Err(_) => Failure::Again { problem: "no answer in time".into(), maybe_written: true },
            };
            let (problem, maybe_written) = match failure {
                Failure::Final(verdict) => return Err(verdict.into_error(address, request_id)),
                Failure::Again { problem, maybe_written } => (problem, maybe_written),
            };
            maybe_written_before |= maybe_written && !request_id.is_empty();
            let pause = backoff(tried);
            if tried >= TRIES_MAX || begun.elapsed() + pause > TRYING_TIME_MAX {
                return Err(if maybe_written_before {
                    ClientError::OutcomeUnknown { request_id: request_id.into(), problem }
                } else {
                    ClientError::NotReachable { address: address.into(), problem }
                });
            }
            tracing::debug!(tried, %problem, "call failed, trying again");
            sleep(pause).await;
        }
    }
}
