//! `samverkan tail`: what was delivered to you in a room, and with `--follow` what comes.

use clap::Args;

use super::deliveries::{Teller, short};
use super::failure::Failure;
use super::json;
use super::output::{Output, note, program, quoted};
use super::room::RoomArgument;
use super::session::{self, Session, page_size};
use crate::client::{Client, Update, pb};

const HELP: &str = "\
Each line begins with when, and the number under which it stands in your mailbox; other commands take that number:
  samverkan message show 12        the message under 12, whole
  samverkan message receipts 12    who has it

Below a line, `·` says what else is to be known, and `→` which command answers it.
Indented lines are what somebody wrote.

Examples:
  samverkan tail --follow
  samverkan tail --after 40 --output json";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Tail {
    #[command(flatten)]
    room: RoomArgument,
    /// Go on and show what comes, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Begin after this index of your mailbox: the last one that you have
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    after: u64,
}

pub(crate) async fn run(command: Tail, session: &Session) -> Result<(), Failure> {
    let (client, output) = (session.connect().await?, session.output);
    let room_id = session::room(&client, command.room.room.as_deref()).await?;
    let mut teller = teller(&client, &command, &room_id, session).await?;
    if !command.follow {
        let mut request = pb::ListMessagesRequest { room_id, after_index: command.after, page_size: page_size() };
        loop {
            let page = client.list_messages(request.clone()).await?;
            if page.deliveries.is_empty() {
                return Ok(());
            }
            for (index, delivery) in (page.first_index..).zip(&page.deliveries) {
                show(output, &mut teller, index, delivery)?;
                request.after_index = index;
            }
        }
    }
    let mut subscription = client.subscribe(&room_id, command.after);
    let mut cut = false;
    loop {
        match subscription.next().await? {
            Update::Delivery { index, delivery } => show(output, &mut teller, index, &delivery)?,
            Update::Heartbeat { .. } => {
                if std::mem::take(&mut cut) {
                    note("connected again");
                }
            }
            Update::Reconnecting { problem } => {
                if !std::mem::replace(&mut cut, true) {
                    note(format!("the connection was cut ({problem}); connecting again, nothing is lost"));
                }
            }
        }
    }
}

/// The commands that it names are to be pasted where `tail` was typed, so they carry the context and the room that it was given.
async fn teller(client: &Client, command: &Tail, room_id: &str, session: &Session) -> Result<Teller, Failure> {
    let request = pb::GetRoomRequest { room_id: room_id.into() };
    let caller = client.get_room(request).await?.room.and_then(|room| room.caller).unwrap_or_default();
    let mut flags = String::new();
    if let Some(context) = &session.context {
        flags.push_str(&format!(" --context {}", quoted(context)));
    }
    if command.room.room.is_some() {
        flags.push_str(&format!(" --room {}", short(room_id)));
    }
    Ok(Teller::new(program(), flags, caller.role == pb::Role::Coordinator as i32))
}

fn show(output: Output, teller: &mut Teller, index: u64, delivery: &pb::Delivery) -> Result<(), Failure> {
    if output.is_json() {
        output.json(&json::delivery(index, delivery))
    } else {
        output.drawn(&teller.tell(index, delivery).for_stdout())
    }
}
