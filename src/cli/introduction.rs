//! `samverkan introduction`: whether to get in touch with somebody whom the coordinator does not name yet.

use clap::Subcommand;

use super::confirm::Yes;
use super::failure::Failure;
use super::find::{Handle, Here, INTRODUCTION};
use super::room::{RoomArgument, done};
use super::session::Session;
use crate::client::pb;

#[derive(Debug, Subcommand)]
pub(crate) enum IntroductionCommand {
    /// Accept: if the other accepts, too, each of you is shown the other's organisation and contact
    #[command(after_help = "Example:\n  samverkan introduction accept 9 --contact 'Astrid, +46 8 123 45 67'")]
    Accept {
        /// The proposal: its number in `tail`, or its id
        introduction: Handle,
        /// How to reach you; shown to the coordinator, and to the other if it accepts, too
        #[arg(long, value_name = "HOW")]
        contact: String,
        #[command(flatten)]
        room: RoomArgument,
        #[command(flatten)]
        yes: Yes,
    },
    /// Decline; the other is not told
    Decline {
        /// The proposal: its number in `tail`, or its id
        introduction: Handle,
        #[command(flatten)]
        room: RoomArgument,
    },
}

pub(crate) async fn run(command: IntroductionCommand, session: &Session) -> Result<(), Failure> {
    use pb::answer_introduction_request::Answer;
    let (introduction, room, answer, words) = match command {
        IntroductionCommand::Accept { introduction, contact, room, yes } => {
            yes.check("this shows who you are to somebody if they accept, too")?;
            yes.confirm("Show your organisation and this contact to the other if it accepts, too?")?;
            let accepted = Answer::Accepted(pb::IntroductionAccepted { contact });
            (introduction, room, accepted, "accepted; `tail` shows who it is if the other accepts, too")
        }
        IntroductionCommand::Decline { introduction, room } => {
            (introduction, room, Answer::Declined(pb::IntroductionDeclined {}), "declined; the other is not told")
        }
    };
    let here = Here::enter(session, &room).await?;
    let introduction_id = here.id(&introduction, INTRODUCTION).await?;
    let request = pb::AnswerIntroductionRequest {
        room_id: here.room_id,
        introduction_id,
        answer: Some(answer),
        ..Default::default()
    };
    done(session, here.client.answer_introduction(request).await?.recorded_time, words)
}
