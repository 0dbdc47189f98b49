//! `samverkan erasure`, `samverkan hold` and `samverkan retention`: what is destroyed for good, what holds that up, and what is due.
//! For the coordinator.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use super::confirm::Yes;
use super::deliveries::{Teller, name, one_line, short, short_time};
use super::failure::Failure;
use super::find::{ERASURE, Handle, Here, MESSAGE};
use super::json;
use super::output::{note, program};
use super::room::{RoomArgument, done};
use super::session::{Session, all_pages};
use crate::client::pb;

#[derive(Debug, Subcommand)]
pub(crate) enum ErasureCommand {
    /// Propose to destroy the text of a message, of an organisation or of a room for good; nothing is erased by this
    #[command(after_help = PROPOSE_HELP)]
    Propose(Propose),
    /// Confirm a proposed erasure (another person of the coordinator): shows it, asks, and destroys the keys of the texts
    #[command(after_help = CONFIRM_HELP)]
    Confirm(Confirm),
    /// List what was erased, what waits for a second person, and whether it is final
    List {
        #[command(flatten)]
        room: RoomArgument,
    },
}

const PROPOSE_HELP: &str = "\
Erased are the keys of the texts: no copy of the store and no backup brings them back. Who wrote, when and to whom stays, and so do \
receipts. Another person of the coordinator confirms it; a legal hold (`samverkan hold place`) lets neither happen.

Examples:
  samverkan erasure propose --message 12 --basis 'GDPR article 17'
  samverkan erasure propose --participant region-a --basis 'end of the agreement'
  samverkan erasure propose --whole-room --basis 'retention: five years'";

const CONFIRM_HELP: &str = "\
Old copies of the keyring still open with the key of the store that they were made with. An erasure is final when that key is changed \
and destroyed, wherever it was kept: `samverkan keys create FILE`, name it as store.key and the former as store.former_key, \
`samverkan reload`, and destroy the former. `samverkan erasure list` says whether that is still to be done.

Example:
  samverkan erasure confirm 31";

/// What to erase, and why.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("scope").required(true).args(["message", "participant", "whole_room"]))]
pub(crate) struct Propose {
    /// The text of one message: its number in `tail`, or its id
    #[arg(long, value_name = "MESSAGE")]
    message: Option<Handle>,
    /// All that one organisation has written in the room: organisation id or participant id
    #[arg(long, value_name = "NAME")]
    participant: Option<String>,
    /// All that anybody has written in the room, its title included
    #[arg(long)]
    whole_room: bool,
    /// The legal basis; it stays when the words are gone, and is shown to whose words they were
    #[arg(long, value_name = "TEXT")]
    basis: String,
    #[command(flatten)]
    room: RoomArgument,
}

/// Which erasure to make.
#[derive(Debug, Args)]
pub(crate) struct Confirm {
    /// The proposal: its number in `tail`, or its id
    erasure: Handle,
    #[command(flatten)]
    room: RoomArgument,
    #[command(flatten)]
    yes: Yes,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HoldCommand {
    /// Let nothing be erased in a room until the hold is lifted
    #[command(after_help = "Example:\n  samverkan hold place --room 1234 --reason 'asked for by the prosecutor'")]
    Place(Hold),
    /// Lift the legal hold of a room (a person)
    Lift(Hold),
}

#[derive(Debug, Args)]
pub(crate) struct Hold {
    /// Why, for the record; shown to the coordinator only
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    room: RoomArgument,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RetentionCommand {
    /// Say how many years after its closing a room is due to be erased; nothing erases itself
    #[command(
        after_help = "Examples:\n  samverkan retention set --room 1234 --years 5\n  samverkan retention set --room 1234 --none"
    )]
    Set(Retention),
    /// List which rooms are due to be erased
    Due {
        /// All rooms, also those that are not due
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("policy").required(true).args(["years", "none"]))]
pub(crate) struct Retention {
    /// Years after the room's closing
    #[arg(long, value_name = "YEARS", value_parser = clap::value_parser!(u32).range(1..=100))]
    years: Option<u32>,
    /// No policy
    #[arg(long)]
    none: bool,
    #[command(flatten)]
    room: RoomArgument,
}

pub(crate) async fn run(command: ErasureCommand, session: &Session) -> Result<(), Failure> {
    match command {
        ErasureCommand::Propose(command) => propose(command, session).await,
        ErasureCommand::Confirm(command) => confirm(command, session).await,
        ErasureCommand::List { room } => list(&room, session).await,
    }
}

async fn propose(command: Propose, session: &Session) -> Result<(), Failure> {
    use pb::propose_erasure_request::Scope;
    let here = Here::enter(session, &command.room).await?;
    let scope = match (&command.message, command.participant) {
        (Some(message), _) => Scope::MessageId(here.id(message, MESSAGE).await?),
        (None, Some(participant)) => Scope::Participant(participant),
        (None, None) => Scope::Room(pb::WholeRoom {}),
    };
    let request = pb::ProposeErasureRequest {
        room_id: here.room_id.clone(),
        scope: Some(scope),
        basis: command.basis,
        ..Default::default()
    };
    let answer = here.client.propose_erasure(request).await?;
    let value = json!({
        "erasure_id": answer.erasure_id,
        "recorded_time": json::time(answer.recorded_time.as_ref()),
    });
    session.output.show(&value, || {
        let room = short(&here.room_id);
        let confirm = format!("{} erasure confirm {} --room {room}", program(), short(&answer.erasure_id));
        note("proposed; nothing is erased yet");
        note(format!("another person of yours confirms it with: {confirm}"));
        session.output.line(&answer.erasure_id)
    })
}

async fn confirm(command: Confirm, session: &Session) -> Result<(), Failure> {
    command.yes.check("this destroys what was written for good")?;
    let here = Here::enter(session, &command.room).await?;
    let erasure_id = match command.yes.yes {
        true => here.id(&command.erasure, ERASURE).await?,
        false => {
            let (index, proposal) = here.find(&command.erasure, ERASURE).await?;
            note(Teller::default().tell(index, &proposal).question());
            command.yes.confirm("Destroy this for good?")?;
            match proposal.content {
                Some(pb::delivery::Content::ErasureProposed(proposed)) => proposed.erasure_id,
                _ => String::new(),
            }
        }
    };
    let request = pb::ConfirmErasureRequest { room_id: here.room_id, erasure_id, ..Default::default() };
    let answer = here.client.confirm_erasure(request).await?;
    let value = json!({
        "recorded_time": json::time(answer.recorded_time.as_ref()),
        "pending_key_id": json::text(&answer.pending_key_id),
    });
    session.output.show(&value, || {
        note("erased: the keys of these texts are destroyed, and nobody is shown them any more");
        note_pending(&answer.pending_key_id);
        Ok(())
    })
}

/// What is left to do before erasures are final.
fn note_pending(key: &str) {
    if !key.is_empty() {
        note(format!(
            "not final yet: copies of the keyring from before open with the store's key {key}; {}",
            crate::sealing::FINISH_ERASURES
        ));
    }
}

async fn list(room: &RoomArgument, session: &Session) -> Result<(), Failure> {
    let here = Here::enter(session, room).await?;
    let mut all = Vec::new();
    let mut request = pb::ListErasuresRequest { room_id: here.room_id.clone(), page_size: 1000, ..Default::default() };
    let pending = loop {
        let page = here.client.list_erasures(request.clone()).await?;
        all.extend(page.erasures);
        if page.next_page_token.is_empty() {
            break page.pending_key_id;
        }
        request.page_token = page.next_page_token;
    };
    let values: Vec<Value> = all.iter().map(value).collect();
    let row = |erasure: &pb::Erasure| {
        vec![
            short(&erasure.erasure_id).to_owned(),
            scope(erasure),
            match (erasure.erased_time.is_some(), erasure.is_final) {
                (false, _) => "proposed".to_owned(),
                (true, false) => "erased, not final".to_owned(),
                (true, true) => "erased".to_owned(),
            },
            short_time(erasure.erased_time.as_ref().or(erasure.proposed_time.as_ref())),
            erasure.proposed_by.clone(),
            erasure.confirmed_by.clone(),
            one_line(&erasure.basis),
        ]
    };
    let header = ["erasure", "what", "state", "time", "proposed by", "confirmed by", "basis"];
    session.output.list(&values, &header, all.iter().map(row), "nothing was erased or is proposed")?;
    note_pending(&pending);
    Ok(())
}

fn scope(erasure: &pb::Erasure) -> String {
    use pb::erasure::Scope;
    match &erasure.scope {
        None => "unknown".into(),
        Some(Scope::MessageId(message)) => format!("message {}", short(message)),
        Some(Scope::Participant(participant)) => format!("all of {}", name(Some(participant))),
        Some(Scope::Room(_)) => "the whole room".into(),
    }
}

fn value(erasure: &pb::Erasure) -> Value {
    use pb::erasure::Scope;
    let scope = match &erasure.scope {
        None => Value::Null,
        Some(Scope::MessageId(message)) => json!({ "message_id": message }),
        Some(Scope::Participant(participant)) => json!({ "participant": json::participant(Some(participant)) }),
        Some(Scope::Room(_)) => json!({ "room": true }),
    };
    json!({
        "erasure_id": erasure.erasure_id,
        "scope": scope,
        "basis": erasure.basis,
        "proposed_by": erasure.proposed_by,
        "proposed_time": json::time(erasure.proposed_time.as_ref()),
        "confirmed_by": json::text(&erasure.confirmed_by),
        "erased_time": json::time(erasure.erased_time.as_ref()),
        "is_final": erasure.is_final,
    })
}

pub(crate) async fn hold(command: HoldCommand, session: &Session) -> Result<(), Failure> {
    match command {
        HoldCommand::Place(Hold { reason, room }) => {
            let here = Here::enter(session, &room).await?;
            let request = pb::PlaceLegalHoldRequest { room_id: here.room_id, reason, ..Default::default() };
            let answer = here.client.place_legal_hold(request).await?;
            done(session, answer.recorded_time, "held: nothing in the room is erased until `samverkan hold lift`")
        }
        HoldCommand::Lift(Hold { reason, room }) => {
            let here = Here::enter(session, &room).await?;
            let request = pb::LiftLegalHoldRequest { room_id: here.room_id, reason, ..Default::default() };
            let answer = here.client.lift_legal_hold(request).await?;
            done(session, answer.recorded_time, "lifted; what is proposed can be confirmed")
        }
    }
}

pub(crate) async fn retention(command: RetentionCommand, session: &Session) -> Result<(), Failure> {
    match command {
        RetentionCommand::Set(Retention { years, none: _, room }) => {
            let here = Here::enter(session, &room).await?;
            let request = pb::SetRetentionRequest { room_id: here.room_id, years, ..Default::default() };
            let answer = here.client.set_retention(request).await?;
            let words = match years {
                Some(years) => format!("kept for {years} years after closing; `samverkan retention due` lists it then"),
                None => "no policy: the room is never listed as due".to_owned(),
            };
            done(session, answer.recorded_time, &words)
        }
        RetentionCommand::Due { all } => due(all, session).await,
    }
}

async fn due(with_all: bool, session: &Session) -> Result<(), Failure> {
    let (client, output) = (session.connect().await?, session.output);
    let mut rooms: Vec<pb::RoomRetention> = all_pages!(client.list_retention(ListRetentionRequest {}).rooms);
    rooms.retain(|room| with_all || room.is_due);
    let value = |room: &pb::RoomRetention| {
        json!({
            "room_id": room.room_id,
            "title": room.title,
            "years": room.years,
            "closed_time": json::time(room.closed_time.as_ref()),
            "due_time": json::time(room.due_time.as_ref()),
            "is_due": room.is_due,
            "has_legal_hold": room.has_legal_hold,
            "held_by": json::text(&room.held_by),
            "held_time": json::time(room.held_time.as_ref()),
            "hold_reason": json::text(&room.hold_reason),
            "is_erased": room.is_erased,
        })
    };
    let row = |room: &pb::RoomRetention| {
        vec![
            short(&room.room_id).to_owned(),
            one_line(&room.title),
            room.years.map_or("none".to_owned(), |years| format!("{years} years")),
            room.closed_time.as_ref().map_or("open".to_owned(), |time| short_time(Some(time))),
            room.due_time.as_ref().map_or(String::new(), |time| short_time(Some(time))),
            match (room.has_legal_hold, room.is_erased, room.is_due) {
                (true, ..) => format!("legal hold: {}", one_line(&room.hold_reason)),
                (false, true, _) => "erased".to_owned(),
                (false, false, true) => "due".to_owned(),
                (false, false, false) => String::new(),
            },
        ]
    };
    let values: Vec<Value> = rooms.iter().map(value).collect();
    let header = ["room", "title", "policy", "closed", "due", "state"];
    output.list(&values, &header, rooms.iter().map(row), "no room is due to be erased")?;
    if let Some(room) = rooms.iter().find(|room| room.is_due && !room.has_legal_hold) {
        let room = short(&room.room_id);
        note(format!("nothing erases itself: samverkan erasure propose --room {room} --whole-room --basis TEXT"));
    }
    Ok(())
}
