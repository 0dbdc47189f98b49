//! `samverkan message`: one message: whole, taken back, acknowledged; who has it, who may not see it, and why.

use clap::Subcommand;

use super::deliveries::{brief, name, names, one_line, short_time, tlp};
use super::failure::Failure;
use super::find::{Handle, Here, MESSAGE};
use super::json;
use super::output::{note, table};
use super::receipts;
use super::room::{RoomArgument, done};
use super::session::Session;
use super::words::plain;
use crate::client::pb;

#[derive(Debug, Subcommand)]
pub(crate) enum MessageCommand {
    /// Show one message whole, with its id
    Show {
        /// Its number in `tail`, its id, or the first 8 characters of its id
        message: Handle,
        #[command(flatten)]
        room: RoomArgument,
    },
    /// Show who has received a message of yours, when, and on which ground; who acknowledged it, and who may not see it and why
    #[command(after_help = receipts::HELP)]
    Receipts {
        /// Its number in `tail`, or its id
        message: Handle,
        #[command(flatten)]
        room: RoomArgument,
    },
    /// Say whether one participant sees a message of yours now, and which rule decides
    #[command(after_help = "Example:\n  samverkan message explain 12 vendor-x")]
    Explain {
        /// Its number in `tail`, or its id
        message: Handle,
        /// Organisation id or participant id
        participant: String,
        #[command(flatten)]
        room: RoomArgument,
    },
    /// Acknowledge a message that asks for it, for your organisation
    #[command(after_help = "Example:\n  samverkan message acknowledge 12")]
    Acknowledge {
        /// Its number in `tail`, or its id
        message: Handle,
        #[command(flatten)]
        room: RoomArgument,
    },
    /// Take a message of yours back as void: nobody but you and the coordinator is shown it any more
    #[command(after_help = "Example:\n  samverkan message retract 12 --reason 'The address was wrong'")]
    Retract {
        /// Its number in `tail`, or its id
        message: Handle,
        /// Why; shown to your own organisation and the coordinator
        #[arg(long, value_name = "WHY")]
        reason: String,
        #[command(flatten)]
        room: RoomArgument,
    },
}

pub(crate) async fn run(command: MessageCommand, session: &Session) -> Result<(), Failure> {
    match command {
        MessageCommand::Show { message, room } => {
            let here = Here::enter(session, &room).await?;
            let (index, delivery) = here.find(&message, MESSAGE).await?;
            session.output.show(&json::delivery(index, &delivery), || {
                let Some(pb::delivery::Content::Message(message)) = &delivery.content else { return Ok(()) };
                let rows = rows(index, &short_time(delivery.recorded_time.as_ref()), message);
                session.output.line(&table(&["what", "value"], rows))?;
                session.output.line(&format!("\n{}", message.text.trim_end()))
            })
        }
        MessageCommand::Receipts { message, room } => receipts::run(&message, &room, session).await,
        MessageCommand::Explain { message, participant, room } => {
            let here = Here::enter(session, &room).await?;
            let message_id = here.id(&message, MESSAGE).await?;
            let request = pb::ExplainAudienceRequest { room_id: here.room_id, message_id, participant };
            let answer = here.client.explain_audience(request).await?;
            let value = json::previewed(&pb::PreviewedParticipant {
                participant: answer.participant.clone(),
                receives: answer.sees,
                reason: answer.reason,
                text: answer.text.clone(),
            });
            session.output.show(&value, || session.output.line(&explained(&answer)))
        }
        MessageCommand::Acknowledge { message, room } => {
            let here = Here::enter(session, &room).await?;
            let message_id = recognised(&here, &message).await?;
            let request = pb::AcknowledgeMessageRequest { room_id: here.room_id, message_id, ..Default::default() };
            done(session, here.client.acknowledge_message(request).await?.recorded_time, "acknowledged")
        }
        MessageCommand::Retract { message, reason, room } => {
            let here = Here::enter(session, &room).await?;
            let message_id = recognised(&here, &message).await?;
            let request = pb::RetractMessageRequest { room_id: here.room_id, message_id, reason, ..Default::default() };
            let answer = here.client.retract_message(request).await?;
            done(session, answer.recorded_time, "taken back; who holds it is told that it was withdrawn")
        }
    }
}

/// The id of a message; if it was not given as such, its words are shown, so that one sees which it was.
async fn recognised(here: &Here, handle: &Handle) -> Result<String, Failure> {
    if let Handle::Id(id) = handle {
        return Ok(id.clone());
    }
    let (index, message) = here.message(handle).await?;
    note(format!("{index}  {}", brief(&message)));
    Ok(message.message_id)
}

fn rows(index: u64, time: &str, message: &pb::Message) -> Vec<Vec<String>> {
    let mut rows = vec![
        ("message", message.message_id.clone()),
        ("number", index.to_string()),
        ("posted", time.to_owned()),
        ("by", name(message.author.as_ref())),
        ("what", format!("{}, {}", plain::<pb::Material>(message.material), tlp(message.tlp))),
    ];
    let mut add = |what: &'static str, value: String| {
        if !value.is_empty() {
            rows.push((what, value));
        }
    };
    add("actor", message.actor.clone());
    add("in reply to", message.in_reply_to.clone());
    add("instead of", message.supersedes.clone());
    add("occurred", short_time(message.occurred_time.as_ref()));
    add("acknowledge by", short_time(message.acknowledge_by_time.as_ref()));
    if message.coordinator_only {
        add("for", "the coordinator only".into());
    }
    add("for", message.recipients.join(", "));
    if let Some(relay) = &message.relay {
        add(
            "relay of",
            if relay.parent_message_ids.is_empty() {
                "others' messages".into()
            } else {
                relay.parent_message_ids.join(", ")
            },
        );
        if !relay.parent_message_ids.is_empty() {
            add("goes at once to", names(&relay.receivers));
        }
        if !relay.awaiting_approval.is_empty() {
            add("if approved, to", names(&relay.awaiting_approval));
        }
    }
    rows.into_iter().map(|(what, value)| vec![what.to_owned(), one_line(&value)]).collect()
}

fn explained(answer: &pb::ExplainAudienceResponse) -> String {
    let sees = if answer.sees { "sees it" } else { "does not see it" };
    format!("{} {sees}: {}", name(answer.participant.as_ref()), answer.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_is_one_sentence() {
        let answer = pb::ExplainAudienceResponse {
            participant: Some(pb::Participant { organisation_id: "vendor-x".into(), ..Default::default() }),
            sees: false,
            text: "your consent for its class says no".into(),
            ..Default::default()
        };
        assert_eq!(explained(&answer), "vendor-x does not see it: your consent for its class says no");
    }

    #[test]
    fn a_message_shows_what_it_has_and_nothing_else() {
        let message = pb::Message { message_id: "m".into(), supersedes: "old".into(), ..Default::default() };
        let shown: Vec<_> = rows(3, "now", &message).into_iter().map(|mut row| row.remove(0)).collect();
        assert_eq!(shown, ["message", "number", "posted", "by", "what", "instead of"]);
    }
}
