//! `samverkan consent release`, `revoke`, `recall`: opening what was posted earlier, closing it, and saying that it is deleted.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use super::confirm::Yes;
use super::deliveries::{brief, short};
use super::failure::Failure;
use super::find::{Handle, Here, MESSAGE, RECALL, RELEASE};
use super::json;
use super::output::{note, program};
use super::room::{RoomArgument, done};
use super::session::Session;
use crate::client::pb;

pub(crate) const HELP: &str = "\
The messages arrive at their readers now, with the time at which you posted them. It ends when you end it, when you withdraw what
covers it, and when they leave. Not for TLP:RED.

Examples:
  samverkan consent release 12 14 --to region-b
  samverkan consent release 12 --to region-b,vendor-x --yes";

/// What to open, to whom.
#[derive(Debug, Args)]
pub(crate) struct Release {
    /// Messages of yours: their numbers in `tail`, or their ids
    #[arg(required = true, value_name = "MESSAGE")]
    messages: Vec<Handle>,
    /// To whom: organisation ids or participant ids, with commas between them
    #[arg(long, required = true, value_name = "NAMES", value_delimiter = ',')]
    to: Vec<String>,
    #[command(flatten)]
    room: RoomArgument,
    #[command(flatten)]
    yes: Yes,
}

/// Which release to end.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The release: its number in `tail`, or its id
    release: Handle,
    #[command(flatten)]
    room: RoomArgument,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Recall {
    /// Say whether you have deleted what was withdrawn; the newest answer counts
    #[command(after_help = RECALL_HELP)]
    Answer(RecallAnswer),
}

const RECALL_HELP: &str = "\
The source and the coordinator see your answer.

Examples:
  samverkan consent recall answer 40 --deleted
  samverkan consent recall answer 40 --retained-by-law 'Archives Act, 10 years'";

/// What was done about it.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("answer").required(true).args(["deleted", "retained_by_law", "shared_onward", "cannot"]))]
pub(crate) struct RecallAnswer {
    /// The notice that asks: its number in `tail`, or the id of the recall
    recall: Handle,
    /// It is deleted
    #[arg(long)]
    deleted: bool,
    /// A law makes you keep it
    #[arg(long, value_name = "WHY")]
    retained_by_law: Option<String>,
    /// You had shared it onward before you were asked
    #[arg(long, value_name = "WHY")]
    shared_onward: Option<String>,
    /// You can't delete it, for another reason
    #[arg(long, value_name = "WHY")]
    cannot: Option<String>,
    /// With --deleted: in your own words
    #[arg(long, requires = "deleted", conflicts_with_all = ["retained_by_law", "shared_onward", "cannot"])]
    comment: Option<String>,
    #[command(flatten)]
    room: RoomArgument,
}

impl RecallAnswer {
    fn answer(&self) -> (pb::RecallAnswer, String) {
        let (answer, comment) = match (&self.retained_by_law, &self.shared_onward, &self.cannot) {
            (Some(why), ..) => (pb::RecallAnswer::RetainedByLaw, Some(why)),
            (_, Some(why), _) => (pb::RecallAnswer::SharedOnward, Some(why)),
            (.., Some(why)) => (pb::RecallAnswer::CannotDelete, Some(why)),
            (None, None, None) => (pb::RecallAnswer::Deleted, self.comment.as_ref()),
        };
        (answer, comment.cloned().unwrap_or_default())
    }
}

pub(crate) async fn release(command: Release, session: &Session) -> Result<(), Failure> {
    command.yes.check("this lets others have earlier messages")?;
    let here = Here::enter(session, &command.room).await?;
    let message_ids = confirmed_ids(&here, &command.messages, command.yes, || {
        (format!("To {}:", command.to.join(", ")), "Release?".to_owned())
    })
    .await?;
    let request =
        pb::ReleaseMessagesRequest { room_id: here.room_id, message_ids, recipients: command.to, ..Default::default() };
    let answer = here.client.release_messages(request).await?;
    let value = json!({
        "release_id": answer.release_id,
        "recorded_time": json::time(answer.recorded_time.as_ref()),
    });
    session.output.show(&value, || {
        note(format!("released; end it with: {} consent revoke {}", program(), short(&answer.release_id)));
        session.output.line(&answer.release_id)
    })
}

/// The ids of messages, after whoever sits at the terminal has seen what they are and said yes. `words` are what stands above the
/// messages, and the question.
pub(crate) async fn confirmed_ids(
    here: &Here,
    handles: &[Handle],
    yes: Yes,
    words: impl FnOnce() -> (String, String),
) -> Result<Vec<String>, Failure> {
    if yes.yes {
        return here.ids(handles, MESSAGE).await;
    }
    let (above, question) = words();
    let messages = here.messages(handles).await?;
    note(above);
    for (index, message) in &messages {
        note(format!("  {index:>4}  {}", brief(message)));
    }
    yes.confirm(&question)?;
    Ok(messages.into_iter().map(|(_, message)| message.message_id).collect())
}

pub(crate) async fn revoke(command: Revoke, session: &Session) -> Result<(), Failure> {
    let here = Here::enter(session, &command.room).await?;
    let release_id = here.id(&command.release, RELEASE).await?;
    let request = pb::RevokeReleaseRequest { room_id: here.room_id, release_id, ..Default::default() };
    let answer = here.client.revoke_release(request).await?;
    done(session, answer.recorded_time, "ended; who has received by it is told that it was withdrawn")
}

pub(crate) async fn recall(command: Recall, session: &Session) -> Result<(), Failure> {
    let Recall::Answer(command) = command;
    let (answer, comment) = command.answer();
    let here = Here::enter(session, &command.room).await?;
    let recall_id = here.id(&command.recall, RECALL).await?;
    let request = pb::AnswerRecallRequest {
        room_id: here.room_id,
        recall_id,
        answer: answer as i32,
        comment,
        ..Default::default()
    };
    done(
        session,
        here.client.answer_recall(request).await?.recorded_time,
        "answered; the source and the coordinator see it",
    )
}
