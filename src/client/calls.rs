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

    write /// Opens an incident's room with a report and a consent.
    intake.report_incident(ReportIncidentRequest) -> ReportIncidentResponse;
    write /// Replaces the answers of a report.
    intake.amend_report(AmendReportRequest) -> AmendReportResponse;
    read /// A report and its earlier versions.
    intake.get_report(GetReportRequest) -> GetReportResponse;

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

    write /// Posts one message.
    messages.post_message(PostMessageRequest) -> PostMessageResponse;
    read /// A page of the caller's mailbox; what is new in it is recorded as received.
    messages.list_messages(ListMessagesRequest) -> ListMessagesResponse;

    read /// A consent as it is now.
    consent.get_consent(GetConsentRequest) -> GetConsentResponse;
    write /// Changes the caller's consent.
    consent.give_consent(GiveConsentRequest) -> GiveConsentResponse;
    write /// Withdraws consent.
    consent.withdraw_consent(WithdrawConsentRequest) -> WithdrawConsentResponse;
    read /// Who would receive a message.
    consent.preview_audience(PreviewAudienceRequest) -> PreviewAudienceResponse;
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
            let failure = match timeout(TRY_TIME_MAX, attempt()).await {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) => Failure::of_status(&status, self.transport.said()),
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
