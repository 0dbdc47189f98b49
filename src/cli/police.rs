//! `samverkan police`: an organisation has reported itself; the coordinator forwards what its sources allow.

use clap::{Args, Subcommand};

use super::confirm::Yes;
use super::failure::Failure;
use super::find::{Handle, Here};
use super::release::confirmed_ids;
use super::room::{RoomArgument, done};
use super::session::Session;
use crate::client::pb;

#[derive(Debug, Subcommand)]
pub(crate) enum PoliceCommand {
    /// Tell the coordinator that you have reported to the police
    #[command(after_help = "Example:\n  samverkan police report 'K123456-26, filed on Monday'")]
    Report {
        /// The police's reference, or your own words
        reference: String,
        #[command(flatten)]
        room: RoomArgument,
    },
    /// Forward messages to an authority in the room, as their sources allow (the coordinator)
    #[command(after_help = "Example:\n  samverkan police forward 12 14 --to police --reason 'For the investigation'")]
    Forward(Forward),
}

/// What to forward, to whom.
#[derive(Debug, Args)]
pub(crate) struct Forward {
    /// Messages: their numbers in `tail`, or their ids
    #[arg(required = true, value_name = "MESSAGE")]
    messages: Vec<Handle>,
    /// The authority: organisation id or participant id
    #[arg(long, value_name = "NAME")]
    to: String,
    /// Why; shown to the sources and the authority
    #[arg(long, value_name = "WHY")]
    reason: String,
    #[command(flatten)]
    room: RoomArgument,
    #[command(flatten)]
    yes: Yes,
}

pub(crate) async fn run(command: PoliceCommand, session: &Session) -> Result<(), Failure> {
    match command {
        PoliceCommand::Report { reference, room } => {
            let here = Here::enter(session, &room).await?;
            let request = pb::RecordPoliceReportRequest { room_id: here.room_id, reference, ..Default::default() };
            let answer = here.client.record_police_report(request).await?;
            done(session, answer.recorded_time, "recorded; the coordinator sees it")
        }
        PoliceCommand::Forward(command) => forward(command, session).await,
    }
}

async fn forward(command: Forward, session: &Session) -> Result<(), Failure> {
    command.yes.check("this lets an authority have messages")?;
    let here = Here::enter(session, &command.room).await?;
    let message_ids = confirmed_ids(&here, &command.messages, command.yes, || {
        (format!("To {}:", command.to), "Forward? Their sources are told.".to_owned())
    })
    .await?;
    let request = pb::ForwardMessagesRequest {
        room_id: here.room_id,
        message_ids,
        authority: command.to,
        reason: command.reason,
        ..Default::default()
    };
    done(session, here.client.forward_messages(request).await?.recorded_time, "forwarded; their sources are told")
}
