//! `samverkan.v1.RoomService`: rooms, and who is in them. The promises are the comments in room.proto.

use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::call::Call;
use super::status::CallError;
use super::{Edge, authorisation, from_proto, to_proto};
use crate::api::{self, room_service_server::RoomService};
use crate::engine::Opening;
use crate::room::disclose::{self, Reader};
use crate::room::event::{Command, Event};
use crate::room::ids::{ExportId, InvitationId, ParticipantId, RoomId};
use crate::room::refusal::Refusal;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl RoomService for Edge {
    async fn open_room(&self, request: Request<api::OpenRoomRequest>) -> Answer<api::OpenRoomResponse> {
        self.unary(authorisation::OPEN_ROOM, request, open_room).await
    }

    async fn get_room(&self, request: Request<api::GetRoomRequest>) -> Answer<api::GetRoomResponse> {
        self.unary(authorisation::GET_ROOM, request, get_room).await
    }

    async fn list_rooms(&self, request: Request<api::ListRoomsRequest>) -> Answer<api::ListRoomsResponse> {
        self.unary(authorisation::LIST_ROOMS, request, list_rooms).await
    }

    async fn invite_organisation(
        &self,
        request: Request<api::InviteOrganisationRequest>,
    ) -> Answer<api::InviteOrganisationResponse> {
        self.unary(authorisation::INVITE_ORGANISATION, request, invite_organisation).await
    }

    async fn list_invitations(
        &self,
        request: Request<api::ListInvitationsRequest>,
    ) -> Answer<api::ListInvitationsResponse> {
        self.unary(authorisation::LIST_INVITATIONS, request, list_invitations).await
    }

    async fn accept_invitation(
        &self,
        request: Request<api::AcceptInvitationRequest>,
    ) -> Answer<api::AcceptInvitationResponse> {
        self.unary(authorisation::ACCEPT_INVITATION, request, accept_invitation).await
    }

    async fn decline_invitation(
        &self,
        request: Request<api::DeclineInvitationRequest>,
    ) -> Answer<api::DeclineInvitationResponse> {
        self.unary(authorisation::DECLINE_INVITATION, request, decline_invitation).await
    }

    async fn leave_room(&self, request: Request<api::LeaveRoomRequest>) -> Answer<api::LeaveRoomResponse> {
        self.unary(authorisation::LEAVE_ROOM, request, leave_room).await
    }

    async fn remove_participant(
        &self,
        request: Request<api::RemoveParticipantRequest>,
    ) -> Answer<api::RemoveParticipantResponse> {
        self.unary(authorisation::REMOVE_PARTICIPANT, request, remove_participant).await
    }

    async fn change_role(&self, request: Request<api::ChangeRoleRequest>) -> Answer<api::ChangeRoleResponse> {
        self.unary(authorisation::CHANGE_ROLE, request, change_role).await
    }

    async fn list_participants(
        &self,
        request: Request<api::ListParticipantsRequest>,
    ) -> Answer<api::ListParticipantsResponse> {
        self.unary(authorisation::LIST_PARTICIPANTS, request, list_participants).await
    }

    async fn close_room(&self, request: Request<api::CloseRoomRequest>) -> Answer<api::CloseRoomResponse> {
        self.unary(authorisation::CLOSE_ROOM, request, close_room).await
    }

    async fn reopen_room(&self, request: Request<api::ReopenRoomRequest>) -> Answer<api::ReopenRoomResponse> {
        self.unary(authorisation::REOPEN_ROOM, request, reopen_room).await
    }

    async fn change_terms(&self, request: Request<api::ChangeTermsRequest>) -> Answer<api::ChangeTermsResponse> {
        self.unary(authorisation::CHANGE_TERMS, request, change_terms).await
    }

    async fn record_export(&self, request: Request<api::RecordExportRequest>) -> Answer<api::RecordExportResponse> {
        self.unary(authorisation::RECORD_EXPORT, request, record_export).await
    }
}

impl Call {
    /// The room that an invitation leads to, also after it was answered.
    fn invited_to(&self, invitation: InvitationId) -> Result<RoomId, CallError> {
        let room = self.engine().room_of_invitation(&self.actor().organisation, invitation);
        room.ok_or_else(|| Refusal::InvitationNotFound.into())
    }
}

async fn open_room(call: Call, request: api::OpenRoomRequest) -> Result<api::OpenRoomResponse, CallError> {
    let (id, title, terms) = from_proto::open_room(request)?;
    let terms = terms.unwrap_or_else(|| call.shared().terms.clone());
    let opened = call.engine().open_room(call.actor(), id, Opening::ByCoordinator { title, terms }).await?;
    Ok(api::OpenRoomResponse {
        room_id: opened.room.to_string(),
        participant_id: opened.participant.to_string(),
        opened_time: Some(to_proto::time(opened.recorded_at)),
    })
}

async fn get_room(call: Call, request: api::GetRoomRequest) -> Result<api::GetRoomResponse, CallError> {
    let room = from_proto::room(&request.room_id)?;
    let caller = call.actor().clone();
    let question = move |state: &_, _| Ok(disclose::room(state, Reader::new(state, &caller)?));
    let shown = call.engine().ask(call.actor(), room, question).await?;
    Ok(api::GetRoomResponse { room: Some(to_proto::room(room, &shown, &call.engine().directory())) })
}

async fn list_rooms(call: Call, request: api::ListRoomsRequest) -> Result<api::ListRoomsResponse, CallError> {
    let size = from_proto::page_size(request.page_size)?;
    let after: Option<Uuid> = call.page_after("", &request.page_token)?;
    // One more than fits tells whether there is another page.
    let rooms = call.engine().rooms(&call.actor().organisation, after.map(RoomId), size + 1);
    let (rooms, more) = to_proto::fill(rooms.iter().map(|(id, shown)| to_proto::room_summary(*id, shown)), size);
    let next_page_token = call.next_page("", more, rooms.last().map(|room| room.room_id.as_str()));
    Ok(api::ListRoomsResponse { rooms, next_page_token })
}

async fn invite_organisation(
    call: Call,
    request: api::InviteOrganisationRequest,
) -> Result<api::InviteOrganisationResponse, CallError> {
    let (id, room, organisation, role) = from_proto::invite_organisation(request)?;
    let command = Command::Invite {
        invitation: InvitationId(call.engine().new_id()),
        organisation,
        role,
        participant: ParticipantId(call.engine().new_id()),
    };
    let written = call.write(room, id, command).await?;
    let Event::OrganisationInvited { invitation, .. } = written.event else { return call.unexpected() };
    Ok(api::InviteOrganisationResponse {
        invitation_id: invitation.to_string(),
        recorded_time: Some(to_proto::time(written.recorded_at)),
    })
}

async fn list_invitations(
    call: Call,
    request: api::ListInvitationsRequest,
) -> Result<api::ListInvitationsResponse, CallError> {
    let size = from_proto::page_size(request.page_size)?;
    let after: Option<Uuid> = call.page_after("", &request.page_token)?;
    let open = call.engine().invitations(&call.actor().organisation, after.map(InvitationId), size + 1);
    let (invitations, more) = to_proto::fill(open.iter().map(to_proto::invitation), size);
    let last = invitations.last().map(|invitation| invitation.invitation_id.as_str());
    let next_page_token = call.next_page("", more, last);
    Ok(api::ListInvitationsResponse { invitations, next_page_token })
}

async fn accept_invitation(
    call: Call,
    request: api::AcceptInvitationRequest,
) -> Result<api::AcceptInvitationResponse, CallError> {
    let (id, invitation, consent) = from_proto::accept_invitation(request)?;
    let room = call.invited_to(invitation)?;
    let written = call.write(room, id, Command::AcceptInvitation { invitation, consent }).await;
    let written = written.map_err(|error| error.within("consent"))?;
    let Event::ParticipantAdmitted { participant, .. } = written.event else { return call.unexpected() };
    Ok(api::AcceptInvitationResponse {
        room_id: room.to_string(),
        participant_id: participant.to_string(),
        recorded_time: Some(to_proto::time(written.recorded_at)),
    })
}

async fn decline_invitation(
    call: Call,
    request: api::DeclineInvitationRequest,
) -> Result<api::DeclineInvitationResponse, CallError> {
    let (id, invitation) = from_proto::decline_invitation(request)?;
    let room = call.invited_to(invitation)?;
    let written = call.write(room, id, Command::DeclineInvitation { invitation }).await?;
    Ok(api::DeclineInvitationResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn leave_room(call: Call, request: api::LeaveRoomRequest) -> Result<api::LeaveRoomResponse, CallError> {
    let (id, room) = from_proto::leave_room(request)?;
    let written = call.write(room, id, Command::Leave).await?;
    Ok(api::LeaveRoomResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn remove_participant(
    call: Call,
    request: api::RemoveParticipantRequest,
) -> Result<api::RemoveParticipantResponse, CallError> {
    let (id, room, participant, reason) = from_proto::remove_participant(request)?;
    let written = call.write(room, id, Command::Remove { participant, reason }).await?;
    Ok(api::RemoveParticipantResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn change_role(call: Call, request: api::ChangeRoleRequest) -> Result<api::ChangeRoleResponse, CallError> {
    let (id, room, participant, role) = from_proto::change_role(request)?;
    let written = call.write(room, id, Command::ChangeRole { participant, role }).await?;
    Ok(api::ChangeRoleResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn list_participants(
    call: Call,
    request: api::ListParticipantsRequest,
) -> Result<api::ListParticipantsResponse, CallError> {
    let (room, size) = from_proto::list_participants(&request)?;
    let filter = room.to_string();
    let after: Option<Uuid> = call.page_after(&filter, &request.page_token)?;
    let caller = call.actor().clone();
    let question = move |state: &_, _| Ok(disclose::roster(state, Reader::new(state, &caller)?));
    let roster = call.engine().ask(call.actor(), room, question).await?;
    let directory = call.engine().directory();
    let rest = roster.iter().filter(|shown| after.is_none_or(|after| ParticipantId(after) < shown.get().id));
    let (participants, more) = to_proto::fill(rest.map(|shown| to_proto::participant(shown, &directory)), size);
    let last = participants.last().map(|participant| participant.participant_id.as_str());
    let next_page_token = call.next_page(&filter, more, last);
    Ok(api::ListParticipantsResponse { participants, next_page_token })
}

async fn close_room(call: Call, request: api::CloseRoomRequest) -> Result<api::CloseRoomResponse, CallError> {
    let (id, room) = from_proto::close_room(request)?;
    let written = call.write(room, id, Command::Close).await?;
    Ok(api::CloseRoomResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn reopen_room(call: Call, request: api::ReopenRoomRequest) -> Result<api::ReopenRoomResponse, CallError> {
    let (id, room) = from_proto::reopen_room(request)?;
    let written = call.write(room, id, Command::Reopen).await?;
    Ok(api::ReopenRoomResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}

async fn record_export(call: Call, request: api::RecordExportRequest) -> Result<api::RecordExportResponse, CallError> {
    let (id, room) = from_proto::record_export(request)?;
    let export = ExportId(call.engine().new_id());
    let written = call.write(room, id, Command::RecordExport { export }).await?;
    let Event::RoomExported { export, .. } = written.event else { return call.unexpected() };
    Ok(api::RecordExportResponse {
        export_id: export.to_string(),
        recorded_time: Some(to_proto::time(written.recorded_at)),
    })
}

async fn change_terms(call: Call, request: api::ChangeTermsRequest) -> Result<api::ChangeTermsResponse, CallError> {
    let (id, room, terms) = from_proto::change_terms(request)?;
    let written = call.write(room, id, Command::ChangeTerms { terms }).await?;
    Ok(api::ChangeTermsResponse { recorded_time: Some(to_proto::time(written.recorded_at)) })
}
