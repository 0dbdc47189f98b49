//! `samverkan relay`: the coordinator's own words, made from others' messages; and a source's yes to exactly these words.

use clap::{Args, Subcommand};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::confirm::Yes;
use super::deliveries::{brief, name, names, tlp};
use super::failure::Failure;
use super::find::{Handle, Here, MESSAGE};
use super::json;
use super::output::note;
use super::room::{RoomArgument, done};
use super::session::Session;
use super::text::TextArguments;
use super::when::moment;
use super::words::{parse, plain};
use crate::client::{Time, pb};

#[derive(Debug, Subcommand)]
pub(crate) enum RelayCommand {
    /// Publish a relay (the coordinator): shows who gets it at once, who if its source approves, who not and why; then asks
    #[command(after_help = PUBLISH_HELP)]
    Publish {
        #[command(flatten)]
        draft: RelayArguments,
        #[command(flatten)]
        yes: Yes,
    },
    /// Show who would get a relay, who would wait for an approval, who would not, and why; nothing is recorded
    Preview {
        #[command(flatten)]
        draft: RelayArguments,
    },
    /// Approve exactly this text of a relay made from your messages: shows it and to whom it goes, then asks
    #[command(after_help = APPROVE_HELP)]
    Approve(Approve),
    /// Refuse to approve the text of a relay
    Reject {
        /// The relay: its number in `tail`, or its id
        message: Handle,
        /// Why; shown to the coordinator
        #[arg(long, value_name = "WHY")]
        reason: String,
        #[command(flatten)]
        room: RoomArgument,
    },
}

const PUBLISH_HELP: &str = "\
Without --to it goes to everyone to whom it may go without an approval.

Examples:
  samverkan relay publish --from 12,14 --tlp green 'Look for logins from 192.0.2.7 since Friday.'
  samverkan relay publish --from 12 --to vendor-x 'A login from 192.0.2.7 was seen at one organisation.'";

const APPROVE_HELP: &str = "\
What you approve is the text that you are shown, and no other.

Examples:
  samverkan relay approve 21
  samverkan relay approve 21 --to vendor-x";

/// A relay before it is published.
#[derive(Debug, Args)]
pub(crate) struct RelayArguments {
    #[command(flatten)]
    text: TextArguments,
    /// The messages that it is made from: their numbers in `tail`, or their ids, with commas between them
    #[arg(long, required = true, value_name = "MESSAGES", value_delimiter = ',')]
    from: Vec<Handle>,
    /// For these only: organisation ids or participant ids, with commas between them
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    to: Vec<String>,
    /// What it is: information, data or logs
    #[arg(long, default_value = "information", value_parser = parse::<pb::Material>)]
    material: pb::Material,
    /// What recipients may do with it: clear, green, amber or amber+strict; looser than its messages only where the source approves
    #[arg(long, default_value = "amber+strict", value_parser = parse::<pb::Tlp>)]
    tlp: pb::Tlp,
    /// An earlier relay that this one stands for, which falls: its number in `tail`, or its id
    #[arg(long, value_name = "MESSAGE")]
    supersedes: Option<Handle>,
    /// Ask who gets it to acknowledge it: how long from now, as in 2h, or a time
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    acknowledge_by: Option<Time>,
    #[command(flatten)]
    room: RoomArgument,
}

/// Which relay to approve, for whom.
#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// The relay: its number in `tail`, or its id
    message: Handle,
    /// For these only, of those that wait for it: organisation ids or participant ids, with commas between them
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    to: Vec<String>,
    #[command(flatten)]
    room: RoomArgument,
    #[command(flatten)]
    yes: Yes,
}

impl RelayArguments {
    async fn draft(&self, here: &Here, text: String) -> Result<pb::RelayDraft, Failure> {
        let supersedes = match &self.supersedes {
            Some(handle) => here.id(handle, MESSAGE).await?,
            None => String::new(),
        };
        Ok(pb::RelayDraft {
            parent_message_ids: here.ids(&self.from, MESSAGE).await?,
            material: self.material as i32,
            tlp: self.tlp as i32,
            text,
            recipients: self.to.clone(),
            supersedes,
            acknowledge_by_time: self.acknowledge_by,
        })
    }
}

pub(crate) async fn run(command: RelayCommand, session: &Session) -> Result<(), Failure> {
    match command {
        RelayCommand::Publish { draft, yes } => publish(&draft, yes, session).await,
        RelayCommand::Preview { draft } => {
            let text = draft.text.read()?;
            let here = Here::enter(session, &draft.room).await?;
            let participants = previewed(&here, draft.draft(&here, text).await?).await?;
            let values: Vec<_> = participants.iter().map(json::previewed).collect();
            let rows =
                participants.iter().map(|one| vec![name(one.participant.as_ref()), gets(one).into(), one.text.clone()]);
            session.output.list(&values, &["who", "gets it", "why"], rows, "nobody")
        }
        RelayCommand::Approve(command) => approve(command, session).await,
        RelayCommand::Reject { message, reason, room } => {
            let here = Here::enter(session, &room).await?;
            let message_id = here.id(&message, MESSAGE).await?;
            let request = pb::RejectRelayRequest { room_id: here.room_id, message_id, reason, ..Default::default() };
            done(
                session,
                here.client.reject_relay(request).await?.recorded_time,
                "refused; the coordinator is told why",
            )
        }
    }
}

async fn previewed(here: &Here, draft: pb::RelayDraft) -> Result<Vec<pb::PreviewedParticipant>, Failure> {
    let request = pb::PreviewRelayRequest { room_id: here.room_id.clone(), draft: Some(draft) };
    Ok(here.client.preview_relay(request).await?.participants)
}

fn waits(one: &pb::PreviewedParticipant) -> bool {
    one.reason() == pb::AudienceReason::RelayUnapproved
}

fn gets(one: &pb::PreviewedParticipant) -> &'static str {
    match (one.receives, waits(one)) {
        (true, _) => "at once",
        (false, true) => "if approved",
        (false, false) => "no",
    }
}

async fn publish(arguments: &RelayArguments, yes: Yes, session: &Session) -> Result<(), Failure> {
    yes.check("this sends words to others")?;
    let text = arguments.text.read()?;
    let here = Here::enter(session, &arguments.room).await?;
    let draft = arguments.draft(&here, text).await?;
    if !yes.yes {
        let parents: Vec<_> = draft.parent_message_ids.iter().cloned().map(Handle::Id).collect();
        note("Made from:");
        for (index, parent) in here.messages(&parents).await? {
            note(format!("  {index:>4}  {}", brief(&parent)));
        }
        note(format!("{}, {}", plain::<pb::Material>(draft.material), tlp(draft.tlp)));
        note(audience(&previewed(&here, draft.clone()).await?));
        yes.confirm("Publish it?")?;
    }
    let request = pb::PublishRelayRequest { room_id: here.room_id, draft: Some(draft), ..Default::default() };
    let answer = here.client.publish_relay(request).await?;
    let value = json!({
        "message_id": answer.message_id,
        "recorded_time": json::time(answer.recorded_time.as_ref()),
    });
    session.output.show(&value, || session.output.line(&answer.message_id))
}

/// Who gets it at once, who if it is approved, who not and why: a line each.
fn audience(participants: &[pb::PreviewedParticipant]) -> String {
    let others = || participants.iter().filter(|one| !one.participant.as_ref().is_some_and(|one| one.is_caller));
    let listed = |wanted: &dyn Fn(&pb::PreviewedParticipant) -> bool| {
        let all: Vec<_> = others().filter(|one| wanted(one)).map(|one| name(one.participant.as_ref())).collect();
        if all.is_empty() { "nobody".to_owned() } else { all.join(", ") }
    };
    let mut lines = vec![format!("at once to {}", listed(&|one| one.receives))];
    if others().any(waits) {
        lines.push(format!("if its source approves the text, to {}", listed(&waits)));
    }
    for one in others().filter(|one| !one.receives && !waits(one)) {
        lines.push(format!("not to {} ({})", name(one.participant.as_ref()), one.text));
    }
    lines.join("\n")
}

async fn approve(command: Approve, session: &Session) -> Result<(), Failure> {
    command.yes.check("this sends words made from your messages to others")?;
    let here = Here::enter(session, &command.room).await?;
    let (index, message) = here.message(&command.message).await?;
    let waiting = message.relay.as_ref().map(|relay| relay.awaiting_approval.as_slice()).unwrap_or_default();
    if waiting.is_empty() {
        let what = if message.relay.is_some() { "a relay that waits for nobody's approval" } else { "no relay" };
        return Err(Failure::usage(format!("{index} is {what}"))
            .hint("`samverkan tail` shows what waits for your approval, after a →"));
    }
    note(shown(&message));
    let to = if command.to.is_empty() { names(waiting) } else { command.to.join(", ") };
    command.yes.confirm(&format!("Approve exactly this text for {to}?"))?;
    let request = pb::ApproveRelayRequest {
        room_id: here.room_id,
        text_sha256: Sha256::digest(message.text.as_bytes()).to_vec().into(),
        message_id: message.message_id,
        recipients: command.to,
        ..Default::default()
    };
    let answer = here.client.approve_relay(request).await?;
    done(session, answer.recorded_time, &format!("approved; it goes to {to}"))
}

/// What is approved, whole.
fn shown(message: &pb::Message) -> String {
    let text = message
        .text
        .strip_suffix('\n')
        .unwrap_or(&message.text)
        .split('\n')
        .fold(String::new(), |all, line| format!("{all}\n      {line}"));
    format!(
        "Relay of {}, {}, {}, {} bytes:\n{text}\n",
        name(message.author.as_ref()),
        plain::<pb::Material>(message.material),
        tlp(message.tlp),
        message.text.len()
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn one(id: &str, receives: bool, reason: pb::AudienceReason, text: &str) -> pb::PreviewedParticipant {
        pb::PreviewedParticipant {
            participant: Some(pb::Participant {
                organisation_id: id.into(),
                is_caller: id == "cert-se",
                ..Default::default()
            }),
            receives,
            reason: reason as i32,
            text: text.into(),
        }
    }

    #[test]
    fn a_relay_is_shown_with_who_gets_it_and_who_does_not() {
        let all = [
            one("cert-se", true, pb::AudienceReason::Author, "it is your own"),
            one("region-b", true, pb::AudienceReason::RelayPermitted, "its sources allow it"),
            one("vendor-x", false, pb::AudienceReason::RelayUnapproved, "its source has not approved it"),
            one("police", false, pb::AudienceReason::RelayNotPermitted, "a source does not allow it"),
        ];
        expect![[r#"
            at once to region-b
            if its source approves the text, to vendor-x
            not to police (a source does not allow it)"#]]
        .assert_eq(&audience(&all));
        assert_eq!(all.iter().map(gets).collect::<Vec<_>>(), ["at once", "at once", "if approved", "no"]);
    }

    #[test]
    fn what_is_approved_is_shown_whole_and_indented() {
        let message = pb::Message {
            author: Some(pb::Participant { organisation_id: "cert-se".into(), ..Default::default() }),
            material: pb::Material::Information as i32,
            tlp: pb::Tlp::Green as i32,
            text: "one\nApprove? yes\n".into(),
            ..Default::default()
        };
        expect![[r#"
            Relay of cert-se, information, TLP:GREEN, 17 bytes:

                  one
                  Approve? yes
        "#]]
        .assert_eq(&shown(&message));
    }
}
