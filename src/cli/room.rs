//! `samverkan room`: open, join and leave rooms; say who is in them.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::consent_words::{self, ConsentArguments};
use super::deliveries::{name, short_time};
use super::failure::Failure;
use super::json;
use super::output::{note, table};
use super::room_acts::{self, RoomAct};
use super::room_export::{self, Export};
use super::session::{self, Session, all_pages, short};
use super::words::{parse, plain};
use crate::client::{Time, pb};

/// Which room.
#[derive(Debug, Args)]
pub(crate) struct RoomArgument {
    /// The room: its id, or the beginning of it; may be left out if you are in one room only
    #[arg(long = "room", value_name = "ROOM")]
    pub(crate) room: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RoomCommand {
    #[command(flatten)]
    Common(Common),
    #[command(flatten)]
    Act(RoomAct),
    /// Write what you may see of a room to a folder: for programs, to print, for the record; that you did is on record
    #[command(after_help = room_export::HELP)]
    Export(Export),
}

/// Opening, joining, leaving.
#[derive(Debug, Subcommand)]
pub(crate) enum Common {
    /// Open a room with you alone in it (the coordinator)
    Open {
        /// Shown to every participant and to those invited
        title: String,
        /// What holds for everybody in it; without any, the server's own terms
        #[arg(long)]
        terms: Option<String>,
    },
    /// List the rooms that you are in
    List,
    /// Show one room
    Show {
        /// Its id, or the beginning of it
        room: Option<String>,
    },
    /// Invite an organisation (the coordinator)
    Invite {
        /// Its id
        organisation: String,
        /// Its part: affected-organisation, third-party or authority
        #[arg(long, value_parser = parse::<pb::Role>)]
        role: pb::Role,
        #[command(flatten)]
        room: RoomArgument,
    },
    /// List your invitations that wait for an answer
    Invitations,
    /// Accept an invitation, and say what you share
    #[command(after_help = consent_words::HELP)]
    Accept {
        /// The invitation: its id, or the beginning of it
        invitation: String,
        #[command(flatten)]
        consent: ConsentArguments,
    },
    /// Turn an invitation down
    Decline {
        /// The invitation: its id, or the beginning of it
        invitation: String,
    },
    /// Leave a room; what you shared stays shared until you withdraw it
    Leave {
        #[command(flatten)]
        room: RoomArgument,
    },
    /// Take an organisation out of a room (the coordinator)
    Remove {
        /// Organisation id or participant id
        participant: String,
        /// Why, for the record; shown to the coordinator only
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        room: RoomArgument,
    },
    /// Give a participant another role (the coordinator)
    Role {
        /// Organisation id or participant id
        participant: String,
        /// Affected-organisation, third-party or authority
        #[arg(value_parser = parse::<pb::Role>)]
        role: pb::Role,
        #[command(flatten)]
        room: RoomArgument,
    },
    /// List the participants that you can see
    Participants {
        #[command(flatten)]
        room: RoomArgument,
    },
    /// Close a room (the coordinator)
    Close {
        #[command(flatten)]
        room: RoomArgument,
    },
    /// Open a closed room again (the coordinator)
    Reopen {
        #[command(flatten)]
        room: RoomArgument,
    },
}

pub(crate) async fn run(command: RoomCommand, session: &Session) -> Result<(), Failure> {
    match command {
        RoomCommand::Common(command) => common(command, session).await,
        RoomCommand::Act(command) => room_acts::run(command, session).await,
        RoomCommand::Export(command) => room_export::run(command, session).await,
    }
}

async fn common(command: Common, session: &Session) -> Result<(), Failure> {
    // What is wrong with the words is told before anybody is called.
    if let Common::Accept { consent, .. } = &command {
        consent.change()?;
    }
    let (client, output) = (session.connect().await?, session.output);
    let find = async |given: &RoomArgument| session::room(&client, given.room.as_deref()).await;
    match command {
        Common::Open { title, terms } => {
            let request = pb::OpenRoomRequest { title, terms: terms.unwrap_or_default(), ..Default::default() };
            let answer = client.open_room(request).await?;
            let value = json!({
                "room_id": answer.room_id,
                "participant_id": answer.participant_id,
                "opened_time": json::time(answer.opened_time.as_ref()),
            });
            output.show(&value, || output.line(&answer.room_id))
        }
        Common::List => {
            let rooms = session::rooms(&client).await?;
            let values: Vec<_> = rooms.iter().map(json::room_summary).collect();
            let rows = rooms.iter().map(|room| {
                vec![
                    room.room_id.clone(),
                    room.title.clone(),
                    plain::<pb::Role>(room.role),
                    plain::<pb::RoomStatus>(room.status),
                    short_time(room.opened_time.as_ref()),
                ]
            });
            let empty = "you are in no room; `samverkan room invitations` shows your invitations";
            output.list(&values, &["room", "title", "your role", "status", "opened"], rows, empty)
        }
        Common::Show { room } => {
            let room_id = session::room(&client, room.as_deref()).await?;
            let room = client.get_room(pb::GetRoomRequest { room_id }).await?.room.unwrap_or_default();
            let caller = room.caller.clone().unwrap_or_default();
            let rows = [
                ("room", room.room_id.clone()),
                ("title", room.title.clone()),
                ("status", plain::<pb::RoomStatus>(room.status)),
                ("coordinator", room.coordinator_organisation_id.clone()),
                ("opened", short_time(room.opened_time.as_ref())),
                ("your role", plain::<pb::Role>(caller.role)),
                ("you appear", caller.attribution.map(plain::<pb::Attribution>).unwrap_or_else(|| "named".into())),
                ("your id", caller.participant_id.clone()),
            ];
            output.show(&json::room(&room), || {
                output.line(&table(&["what", "value"], rows.map(|(what, value)| vec![what.into(), value])))?;
                output.line(&format!("\nTerms:\n{}", room.terms))
            })
        }
        Common::Invite { organisation, role, room } => {
            let request = pb::InviteOrganisationRequest {
                room_id: find(&room).await?,
                organisation_id: organisation.clone(),
                role: role as i32,
                ..Default::default()
            };
            let answer = client.invite_organisation(request).await?;
            let value = json!({
                "invitation_id": answer.invitation_id,
                "recorded_time": json::time(answer.recorded_time.as_ref()),
            });
            output.show(&value, || {
                note(format!("{organisation} is invited as {}; it accepts with", plain::<pb::Role>(role as i32)));
                output.line(&format!("samverkan room accept {}", short(&answer.invitation_id)))
            })
        }
        Common::Invitations => {
            let all = session::invitations(&client).await?;
            let values: Vec<_> = all.iter().map(json::invitation).collect();
            let rows = all.iter().map(|invitation| {
                vec![
                    invitation.invitation_id.clone(),
                    invitation.title.clone(),
                    invitation.coordinator_organisation_id.clone(),
                    plain::<pb::Role>(invitation.role),
                    short_time(invitation.invited_time.as_ref()),
                ]
            });
            output.list(&values, &["invitation", "title", "coordinator", "role", "invited"], rows, "no invitations")
        }
        Common::Accept { invitation, consent } => {
            let given = if consent.is_empty() { None } else { Some(consent.change()?) };
            let invitation_id = session::invitation(&client, Some(&invitation)).await?;
            let request = pb::AcceptInvitationRequest { invitation_id, consent: given, ..Default::default() };
            let answer = client.accept_invitation(request).await?;
            let value = json!({
                "room_id": answer.room_id,
                "participant_id": answer.participant_id,
                "recorded_time": json::time(answer.recorded_time.as_ref()),
            });
            output.show(&value, || {
                if consent.is_empty() {
                    note("you share nothing and are hidden; `samverkan consent give` changes that");
                }
                output.line(&answer.room_id)
            })
        }
        Common::Decline { invitation } => {
            let invitation_id = session::invitation(&client, Some(&invitation)).await?;
            let request = pb::DeclineInvitationRequest { invitation_id, ..Default::default() };
            done(session, client.decline_invitation(request).await?.recorded_time, "declined")
        }
        Common::Leave { room } => {
            let request = pb::LeaveRoomRequest { room_id: find(&room).await?, ..Default::default() };
            let room_id = request.room_id.clone();
            let answer = client.leave_room(request).await?;
            let words = format!(
                "you left; what you shared stays shared until `samverkan consent withdraw --all --room {room_id}`"
            );
            done(session, answer.recorded_time, &words)
        }
        Common::Remove { participant, reason, room } => {
            let room_id = find(&room).await?;
            let request = pb::RemoveParticipantRequest { room_id, participant, reason, ..Default::default() };
            done(session, client.remove_participant(request).await?.recorded_time, "removed")
        }
        Common::Role { participant, role, room } => {
            let room_id = find(&room).await?;
            let request = pb::ChangeRoleRequest { room_id, participant, role: role as i32, ..Default::default() };
            let words = format!("the role is {} from now on", plain::<pb::Role>(role as i32));
            done(session, client.change_role(request).await?.recorded_time, &words)
        }
        Common::Participants { room } => {
            let room_id = find(&room).await?;
            let all: Vec<pb::Participant> =
                all_pages!(client.list_participants(ListParticipantsRequest { room_id: room_id }).participants);
            let values: Vec<_> = all.iter().map(|participant| json::participant(Some(participant))).collect();
            let rows = all.iter().map(|participant| {
                vec![
                    name(Some(participant)),
                    plain::<pb::Role>(participant.role),
                    participant.display_name.clone(),
                    participant.attribution.map(plain::<pb::Attribution>).unwrap_or_default(),
                    participant.participant_id.clone(),
                ]
            });
            output.list(&values, &["who", "role", "name", "appears", "participant"], rows, "nobody")
        }
        Common::Close { room } => {
            let request = pb::CloseRoomRequest { room_id: find(&room).await?, ..Default::default() };
            done(session, client.close_room(request).await?.recorded_time, "the room is closed")
        }
        Common::Reopen { room } => {
            let request = pb::ReopenRoomRequest { room_id: find(&room).await?, ..Default::default() };
            done(session, client.reopen_room(request).await?.recorded_time, "the room is open")
        }
    }
}

/// A write whose answer is when.
pub(crate) fn done(session: &Session, recorded: Option<Time>, words: &str) -> Result<(), Failure> {
    let value: Value = json!({ "recorded_time": json::time(recorded.as_ref()) });
    session.output.show(&value, || {
        note(words);
        Ok(())
    })
}
