//! `samverkan tail`: what was delivered to you in a room, and with `--follow` what comes.

use clap::Args;

use super::deliveries;
use super::failure::Failure;
use super::json;
use super::output::{Output, note};
use super::room::RoomArgument;
use super::session::{self, Session, page_size};
use crate::client::{Update, pb};

#[derive(Debug, Args)]
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
    if !command.follow {
        let mut request = pb::ListMessagesRequest { room_id, after_index: command.after, page_size: page_size() };
        loop {
            let page = client.list_messages(request.clone()).await?;
            if page.deliveries.is_empty() {
                return Ok(());
            }
            for (index, delivery) in (page.first_index..).zip(&page.deliveries) {
                show(output, index, delivery)?;
                request.after_index = index;
            }
        }
    }
    let mut subscription = client.subscribe(&room_id, command.after);
    let mut cut = false;
    loop {
        match subscription.next().await? {
            Update::Delivery { index, delivery } => show(output, index, &delivery)?,
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

fn show(output: Output, index: u64, delivery: &pb::Delivery) -> Result<(), Failure> {
    if output.is_json() {
        output.json(&json::delivery(index, delivery))
    } else {
        output.line(&deliveries::text(index, delivery))
    }
}
