//! `samverkan consent ask`, `answer`, `suggest`: the coordinator asks a source for consent; the source answers; anybody else says whom
//! to ask.

use clap::{ArgGroup, Args};
use serde_json::json;

use super::confirm::Yes;
use super::deliveries::{Teller, brief, short_time};
use super::failure::Failure;
use super::find::{ASK, Handle, Here, MESSAGE};
use super::json;
use super::output::note;
use super::room::{RoomArgument, done};
use super::session::Session;
use super::when::moment;
use super::words::parse;
use crate::client::{Time, pb};

pub(crate) const ASK_HELP: &str = "\
The source sees the question in its `tail` and answers it with `samverkan consent answer`. No answer in time is a no.

Examples:
  samverkan consent ask region-a --message 12,14 --to region-b --reason 'They see the same address' --answer-by 4h
  samverkan consent ask region-a --material logs --audience affected --reason 'To compare' --answer-by 24h";

/// A question to a source.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("subject").required(true).args(["message", "material"]))]
#[command(group = ArgGroup::new("receivers").required(true).args(["to", "audience"]))]
pub(crate) struct Ask {
    /// Whom to ask: organisation id or participant id
    source: String,
    /// About these messages of it: their numbers in `tail`, or their ids, with commas between them
    #[arg(long, value_name = "MESSAGES", value_delimiter = ',')]
    message: Vec<Handle>,
    /// About a material, from now on
    #[arg(long, value_parser = parse::<pb::Material>)]
    material: Option<pb::Material>,
    /// To whom it would go: organisation ids or participant ids that the source can see, with commas between them
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    to: Vec<String>,
    /// To whom it would go: a class
    #[arg(long, value_parser = parse::<pb::Audience>)]
    audience: Option<pb::Audience>,
    /// Why; shown to the source
    #[arg(long, value_name = "WHY")]
    reason: String,
    /// When no answer counts as a no: how long from now, as in 24h, or a time
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    answer_by: Time,
    #[command(flatten)]
    room: RoomArgument,
}

pub(crate) const ANSWER_HELP: &str = "\
yes opens what was asked for; relay allows it in the coordinator's words only; no changes nothing.

Examples:
  samverkan consent answer 17 no --comment 'Not before our lawyers have looked'
  samverkan consent answer 17 relay";

/// The answer to a question.
#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// The question: its number in `tail`, or its id
    question: Handle,
    /// Yes, no, or relay: only in the coordinator's words
    #[arg(value_parser = parse::<pb::AskAnswer>)]
    answer: pb::AskAnswer,
    /// In your own words; shown to the coordinator
    #[arg(long, default_value = "", hide_default_value = true)]
    comment: String,
    #[command(flatten)]
    room: RoomArgument,
    #[command(flatten)]
    yes: Yes,
}

pub(crate) const SUGGEST_HELP: &str = "\
Only the coordinator sees it, and decides whether to ask.

Example:
  samverkan consent suggest --material logs --source region-a --reason 'We could look for the same login'";

/// What the coordinator should ask for.
#[derive(Debug, Args)]
pub(crate) struct Suggest {
    /// What is wanted
    #[arg(long, value_parser = parse::<pb::Material>)]
    material: pb::Material,
    /// Whom to ask: organisation id or participant id; without it, whoever has it
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    source: String,
    /// Why; shown to the coordinator
    #[arg(long, value_name = "WHY")]
    reason: String,
    #[command(flatten)]
    room: RoomArgument,
}

pub(crate) async fn ask(command: Ask, session: &Session) -> Result<(), Failure> {
    use pb::ask_for_consent_request::{Subject, To};
    let here = Here::enter(session, &command.room).await?;
    let subject = match command.material {
        Some(material) => Subject::Material(material as i32),
        None => Subject::Messages(pb::MessageIds { message_ids: here.ids(&command.message, MESSAGE).await? }),
    };
    let to = match command.audience {
        Some(audience) => To::Audience(audience as i32),
        None => To::Participants(pb::ParticipantNames { names: command.to }),
    };
    let request = pb::AskForConsentRequest {
        room_id: here.room_id,
        source: command.source,
        subject: Some(subject),
        to: Some(to),
        reason: command.reason,
        answer_by_time: Some(command.answer_by),
        ..Default::default()
    };
    let answer = here.client.ask_for_consent(request).await?;
    let value = json!({ "ask_id": answer.ask_id, "recorded_time": json::time(answer.recorded_time.as_ref()) });
    session.output.show(&value, || {
        note(format!("asked; no answer by {} is a no", short_time(Some(&command.answer_by))));
        session.output.line(&answer.ask_id)
    })
}

pub(crate) async fn answer(command: Answer, session: &Session) -> Result<(), Failure> {
    let widens = command.answer != pb::AskAnswer::No;
    if widens {
        command.yes.check("this may let others have what is yours")?;
    }
    let here = Here::enter(session, &command.room).await?;
    let ask_id = if widens && !command.yes.yes {
        let (index, question) = here.find(&command.question, ASK).await?;
        let asked = show_question(&here, index, &question).await?;
        let question = match command.answer {
            pb::AskAnswer::RelayOnly => "Let it go there in the coordinator's words?",
            pb::AskAnswer::Yes | pb::AskAnswer::No | pb::AskAnswer::Unspecified => "Let it go there as it is?",
        };
        command.yes.confirm(question)?;
        asked
    } else {
        here.id(&command.question, ASK).await?
    };
    let request = pb::AnswerAskRequest {
        room_id: here.room_id,
        ask_id,
        answer: command.answer as i32,
        comment: command.comment,
        ..Default::default()
    };
    let words = match command.answer {
        pb::AskAnswer::Yes => "answered; what it opened stands in `tail`",
        pb::AskAnswer::RelayOnly => "answered; the coordinator may use its own words",
        pb::AskAnswer::No | pb::AskAnswer::Unspecified => "answered; nothing is opened",
    };
    done(session, here.client.answer_ask(request).await?.recorded_time, words)
}

/// Shows a question with the messages that it is about. Its id.
async fn show_question(here: &Here, index: u64, question: &pb::Delivery) -> Result<String, Failure> {
    use pb::consent_asked::Subject;
    let Some(pb::delivery::Content::ConsentAsked(asked)) = &question.content else { return Ok(String::new()) };
    note(Teller::default().tell(index, question).question());
    if let Some(Subject::Messages(messages)) = &asked.subject {
        let handles: Vec<_> = messages.message_ids.iter().cloned().map(Handle::Id).collect();
        for (index, message) in here.messages(&handles).await? {
            note(format!("  {index:>4}  {}", brief(&message)));
        }
    }
    Ok(asked.ask_id.clone())
}

pub(crate) async fn suggest(command: Suggest, session: &Session) -> Result<(), Failure> {
    let here = Here::enter(session, &command.room).await?;
    let request = pb::SuggestAskRequest {
        room_id: here.room_id,
        source: command.source,
        material: command.material as i32,
        reason: command.reason,
        ..Default::default()
    };
    done(session, here.client.suggest_ask(request).await?.recorded_time, "suggested; the coordinator decides")
}
