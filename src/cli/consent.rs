//! `samverkan consent`: what an organisation allows, and what would come of it.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use super::ask::{self, Answer, Ask, Suggest};
use super::confirm::Yes;
use super::consent_grid;
use super::consent_words::{self, ConsentArguments};
use super::deliveries::name;
use super::failure::Failure;
use super::find::{Handle, Here, MESSAGE};
use super::json;
use super::output::{can_ask, colour_on_stdout, escape, note, program};
use super::post::DraftArguments;
use super::release::{self, Recall, Release, Revoke};
use super::room::{RoomArgument, done};
use super::session::{self, Session};
use super::when::moment;
use super::widening::widenings;
use super::words::parse;
use crate::client::{Time, pb, time_text};

#[derive(Debug, Subcommand)]
pub(crate) enum ConsentCommand {
    /// Show the consent as it is now: the grid of materials and audiences, and the rest
    Show {
        #[command(flatten)]
        room: RoomArgument,
        /// Whose, for the coordinator: organisation id or participant id
        #[arg(long, value_name = "NAME")]
        participant: Option<String>,
    },
    /// Set answers; what is not given stays as it is, and widening looks forward only
    #[command(after_help = consent_words::HELP)]
    Give {
        #[command(flatten)]
        consent: ConsentArguments,
        #[command(flatten)]
        room: RoomArgument,
        /// Only if the consent is still at this version
        #[arg(long, value_name = "VERSION")]
        expected_version: Option<u64>,
        #[command(flatten)]
        yes: Yes,
    },
    /// Take consent back: nothing of it is delivered any more when this is answered
    #[command(after_help = WITHDRAW_HELP)]
    Withdraw(Withdraw),
    /// Let participants have earlier messages of yours
    #[command(after_help = release::HELP)]
    Release(Release),
    /// End a release: who has received by it gets a notice
    Revoke(Revoke),
    /// Answer somebody who asks you to delete what was withdrawn
    #[command(subcommand)]
    Recall(Recall),
    /// Ask a source to let its messages, or a material, go to others (the coordinator)
    #[command(after_help = ask::ASK_HELP)]
    Ask(Ask),
    /// Answer a question of the coordinator
    #[command(after_help = ask::ANSWER_HELP)]
    Answer(Answer),
    /// Tell the coordinator whom to ask for what
    #[command(after_help = ask::SUGGEST_HELP)]
    Suggest(Suggest),
    /// Who would receive a message, who would not, and why
    Preview {
        /// The text; it decides nothing
        #[arg(default_value = "preview")]
        text: String,
        #[command(flatten)]
        room: RoomArgument,
        #[command(flatten)]
        draft: DraftArguments,
    },
}

const WITHDRAW_HELP: &str = "\
Whoever holds what this takes away is told so. With --recall they are asked to delete it and to say by then whether they have.

Examples:
  samverkan consent withdraw --material logs
  samverkan consent withdraw --message 12 --recall 24h
  samverkan consent withdraw --name vendor-x
  samverkan consent withdraw --all";

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("scope").required(true).args(["all", "material", "audience", "name", "message"]))]
pub(crate) struct Withdraw {
    #[command(flatten)]
    room: RoomArgument,
    /// Everything: all sharing, newcomers, and forwarding to the police
    #[arg(long)]
    all: bool,
    /// One material, for everybody
    #[arg(long, value_parser = parse::<pb::Material>)]
    material: Option<pb::Material>,
    /// One audience, all materials
    #[arg(long, value_parser = parse::<pb::Audience>)]
    audience: Option<pb::Audience>,
    /// One participant, by organisation id or participant id, all materials
    #[arg(long)]
    name: Option<String>,
    /// One message of yours, for everybody but you and the coordinator: its number in `tail`, or its id
    #[arg(long, value_name = "MESSAGE")]
    message: Option<Handle>,
    /// Ask who holds it to delete it and to say so by then: how long from now, as in 24h, or a time
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    recall: Option<Time>,
}

impl Withdraw {
    async fn scope(&self, here: &Here) -> Result<pb::withdraw_consent_request::Scope, Failure> {
        use pb::withdraw_consent_request::Scope;
        Ok(match (self.material, self.audience, &self.name, &self.message) {
            (Some(material), ..) => Scope::Material(material as i32),
            (_, Some(audience), ..) => Scope::Audience(audience as i32),
            (_, _, Some(name), _) => Scope::Name(name.clone()),
            (.., Some(message)) => Scope::MessageId(here.id(message, MESSAGE).await?),
            (None, None, None, None) => Scope::All(true),
        })
    }
}

pub(crate) async fn run(command: ConsentCommand, session: &Session) -> Result<(), Failure> {
    match command {
        ConsentCommand::Show { room, participant } => show(&room, participant.unwrap_or_default(), session).await,
        ConsentCommand::Give { consent, room, expected_version, yes } => {
            if consent.is_empty() {
                return Err(Failure::usage("say what to set, as in logs=direct:affected")
                    .hint("`samverkan consent give --help` shows how consent is written"));
            }
            let change = consent.change()?;
            let here = Here::enter(session, &room).await?;
            confirm_widening(&here, &change, yes).await?;
            let room_id = here.room_id;
            let request =
                pb::GiveConsentRequest { room_id, change: Some(change), expected_version, ..Default::default() };
            let answer = here.client.give_consent(request).await?;
            done(session, answer.recorded_time, "done; it holds for what is posted from now on")
        }
        ConsentCommand::Withdraw(command) => withdraw(command, session).await,
        ConsentCommand::Preview { text, room, draft } => {
            let here = Here::enter(session, &room).await?;
            let draft = draft.resolve(&here).await?.of(&text);
            let request = pb::PreviewAudienceRequest { room_id: here.room_id, draft: Some(draft) };
            let participants = here.client.preview_audience(request).await?.participants;
            let values: Vec<_> = participants.iter().map(json::previewed).collect();
            let rows = participants.iter().map(|one| {
                let receives = if one.receives { "yes" } else { "no" };
                vec![name(one.participant.as_ref()), receives.into(), one.text.clone()]
            });
            session.output.list(&values, &["who", "receives", "why"], rows, "nobody")
        }
        ConsentCommand::Release(command) => release::release(command, session).await,
        ConsentCommand::Revoke(command) => release::revoke(command, session).await,
        ConsentCommand::Recall(command) => release::recall(command, session).await,
        ConsentCommand::Ask(command) => ask::ask(command, session).await,
        ConsentCommand::Answer(command) => ask::answer(command, session).await,
        ConsentCommand::Suggest(command) => ask::suggest(command, session).await,
    }
}

async fn show(room: &RoomArgument, participant: String, session: &Session) -> Result<(), Failure> {
    let (client, output) = (session.connect().await?, session.output);
    let room_id = former_room(&client, room).await?;
    let answer = client.get_consent(pb::GetConsentRequest { room_id, participant }).await?;
    let consent = answer.consent.unwrap_or_default();
    let value = json!({
        "participant": json::participant(answer.participant.as_ref()),
        "consent": json::consent(&consent),
    });
    output.show(&value, || {
        let whose = format!("Consent of {}, version {}\n", name(answer.participant.as_ref()), consent.version);
        output.drawn(&escape(&whose))?;
        output.drawn(&consent_grid::drawn(&consent, colour_on_stdout()))
    })
}

/// At a terminal: shows what a change opens, and asks.
async fn confirm_widening(here: &Here, change: &pb::ConsentChange, yes: Yes) -> Result<(), Failure> {
    if yes.yes || !can_ask() {
        return Ok(());
    }
    let request = pb::GetConsentRequest { room_id: here.room_id.clone(), ..Default::default() };
    let now = here.client.get_consent(request).await?.consent.unwrap_or_default();
    let widenings = widenings(&now, change);
    if widenings.is_empty() {
        return Ok(());
    }
    note("This lets others have what you post from now on:");
    widenings.iter().for_each(|line| note(format!("  {line}")));
    yes.confirm_at_terminal("Do it?")
}

async fn withdraw(command: Withdraw, session: &Session) -> Result<(), Failure> {
    let client = session.connect().await?;
    let room_id = former_room(&client, &command.room).await?;
    let here = Here { client, room_id };
    let scope = command.scope(&here).await?;
    let request = pb::WithdrawConsentRequest {
        room_id: here.room_id.clone(),
        scope: Some(scope),
        recall_answer_by_time: command.recall,
        ..Default::default()
    };
    let answer = here.client.withdraw_consent(request).await?;
    let value = json!({
        "recorded_time": json::time(answer.recorded_time.as_ref()),
        "recall_id": json::text(&answer.recall_id),
    });
    session.output.show(&value, || {
        note("withdrawn; nothing of it is delivered any more");
        if let Some(time) = &command.recall {
            note(format!("who holds it is asked to delete it and to say so by {}", time_text(time)));
            note(format!("see what they answer with: {} message receipts MESSAGE", program()));
        }
        Ok(())
    })
}

/// Who has left a room does not find it in its list any more, but may still read and withdraw its consent by the room's full id.
async fn former_room(client: &crate::client::Client, room: &RoomArgument) -> Result<String, Failure> {
    session::room(client, room.room.as_deref()).await.map_err(|failure| match failure.hint {
        Some(_) if room.room.is_none() => failure,
        _ => failure.hint("a room that you have left must be given by its whole id"),
    })
}
