//! `samverkan legal`: what a law makes the coordinator disclose, decided by two persons.

use clap::{Args, Subcommand};
use serde_json::json;

use super::confirm::Yes;
use super::deliveries::{Teller, brief, short, short_time};
use super::failure::Failure;
use super::find::{DISCLOSURE, Handle, Here, MESSAGE};
use super::json;
use super::output::{note, program};
use super::room::{RoomArgument, done};
use super::session::Session;
use super::when::moment;
use crate::client::{Time, pb};

#[derive(Debug, Subcommand)]
pub(crate) enum LegalCommand {
    /// Propose to disclose messages under a legal duty (a person of the coordinator); nothing is disclosed by this
    #[command(after_help = PROPOSE_HELP)]
    Propose(Propose),
    /// Confirm a proposed disclosure (another person of the coordinator): shows it, asks, and discloses
    #[command(after_help = "Example:\n  samverkan legal confirm 31")]
    Confirm(Confirm),
}

const PROPOSE_HELP: &str = "\
A legal duty goes before every consent. The sources are told, at once or when the suppression ends.

Example:
  samverkan legal propose 12 14 --to police --statute 'Code of Judicial Procedure 38:2' --suppress-until 30d";

/// What to disclose, to whom, under which law.
#[derive(Debug, Args)]
pub(crate) struct Propose {
    /// Messages: their numbers in `tail`, or their ids; withdrawn ones by their ids
    #[arg(required = true, value_name = "MESSAGE")]
    messages: Vec<Handle>,
    /// To whom: organisation id or participant id
    #[arg(long, value_name = "NAME")]
    to: String,
    /// The law that requires it; shown to the receiver and the sources
    #[arg(long, value_name = "LAW")]
    statute: String,
    /// Until when the sources are not told: how long from now, as in 30d, or a time; without it they are told at once
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    suppress_until: Option<Time>,
    #[command(flatten)]
    room: RoomArgument,
}

/// Which disclosure to make.
#[derive(Debug, Args)]
pub(crate) struct Confirm {
    /// The proposal: its number in `tail`, or its id
    disclosure: Handle,
    #[command(flatten)]
    room: RoomArgument,
    #[command(flatten)]
    yes: Yes,
}

pub(crate) async fn run(command: LegalCommand, session: &Session) -> Result<(), Failure> {
    match command {
        LegalCommand::Propose(command) => propose(command, session).await,
        LegalCommand::Confirm(command) => confirm(command, session).await,
    }
}

async fn propose(command: Propose, session: &Session) -> Result<(), Failure> {
    let here = Here::enter(session, &command.room).await?;
    let request = pb::ProposeLegalDisclosureRequest {
        message_ids: here.ids(&command.messages, MESSAGE).await?,
        room_id: here.room_id,
        statute: command.statute,
        receiver: command.to,
        suppress_until_time: command.suppress_until,
        ..Default::default()
    };
    let answer = here.client.propose_legal_disclosure(request).await?;
    let value = json!({
        "disclosure_id": answer.disclosure_id,
        "recorded_time": json::time(answer.recorded_time.as_ref()),
    });
    session.output.show(&value, || {
        note(match &command.suppress_until {
            None => "proposed; the sources will be told at once when it is made".to_owned(),
            Some(time) => format!("proposed; the sources will be told on {}", short_time(Some(time))),
        });
        let confirm = format!("{} legal confirm {}", program(), short(&answer.disclosure_id));
        note(format!("another person of yours confirms it with: {confirm}"));
        session.output.line(&answer.disclosure_id)
    })
}

async fn confirm(command: Confirm, session: &Session) -> Result<(), Failure> {
    command.yes.check("this discloses messages whatever their sources' consent says")?;
    let here = Here::enter(session, &command.room).await?;
    let disclosure_id = match command.yes.yes {
        true => here.id(&command.disclosure, DISCLOSURE).await?,
        false => {
            let id = show_proposal(&here, &command.disclosure).await?;
            command.yes.confirm("Disclose this, whatever the sources' consent says?")?;
            id
        }
    };
    let request = pb::ConfirmLegalDisclosureRequest { room_id: here.room_id, disclosure_id, ..Default::default() };
    let answer = here.client.confirm_legal_disclosure(request).await?;
    done(session, answer.recorded_time, "disclosed; the receiver has it")
}

/// Shows what is proposed. Its id.
async fn show_proposal(here: &Here, handle: &Handle) -> Result<String, Failure> {
    let (index, proposal) = here.find(handle, DISCLOSURE).await?;
    note(Teller::default().tell(index, &proposal).question());
    let Some(pb::delivery::Content::LegalDisclosureProposed(proposed)) = proposal.content else {
        return Ok(String::new());
    };
    let handles: Vec<_> = proposed.message_ids.into_iter().map(Handle::Id).collect();
    for (index, message) in here.messages(&handles).await? {
        note(format!("  {index:>4}  {}", brief(&message)));
    }
    Ok(proposed.disclosure_id)
}
