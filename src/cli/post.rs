//! `samverkan post`: a text, a file or standard input becomes one message, or several if it is long.

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::attachment::{self, AttachArguments};
use super::confirm::Yes;
use super::deliveries::{name, tlp};
use super::failure::Failure;
use super::find::{Handle, Here, MESSAGE};
use super::json;
use super::output::{Output, note};
use super::room::RoomArgument;
use super::session::Session;
use super::split::split;
use super::text::TextArguments;
use super::when::moment;
use super::words::{parse, word};
use crate::client::{Client, ClientError, Posted, Time, parse_time, pb, time_text};
use crate::limits::TEXT_BYTES_MAX;

/// What a message is and whom it is for; `consent preview` takes the same.
#[derive(Debug, Args)]
pub(crate) struct DraftArguments {
    /// What it is: information, data or logs; that decides which consent counts
    #[arg(long, default_value = "information", value_parser = parse::<pb::Material>)]
    material: pb::Material,
    /// What recipients may do with it: clear, green, amber, amber+strict or red
    #[arg(long, default_value = "amber+strict", value_parser = parse::<pb::Tlp>)]
    tlp: pb::Tlp,
    /// For these only, of those that consent allows: organisation ids or participant ids, with commas between them
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "coordinator_only")]
    to: Vec<String>,
    /// For the coordinator only, whatever the consent says
    #[arg(long)]
    coordinator_only: bool,
    /// The message that it replies to: its number in `tail`, or its id
    #[arg(long, value_name = "MESSAGE")]
    reply_to: Option<Handle>,
    /// When what it tells about happened, as in 2026-12-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    occurred: Option<Time>,
    /// With --tlp red: the persons it is for, as org/<organisation>/user/<name>, with commas between them
    #[arg(long, value_name = "ACTORS", value_delimiter = ',')]
    red: Vec<String>,
    /// An earlier message of yours that this one stands for: its number in `tail`, or its id; it can keep or narrow what that one allowed
    #[arg(long, value_name = "MESSAGE")]
    supersedes: Option<Handle>,
    /// Ask who gets it to acknowledge it: how long from now, as in 2h, or a time
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    acknowledge_by: Option<Time>,
}

/// A draft whose other messages were found.
pub(crate) struct Draft<'a> {
    arguments: &'a DraftArguments,
    reply_to: String,
    supersedes: String,
}

impl DraftArguments {
    /// Finds the messages that it names.
    pub(crate) async fn resolve(&self, here: &Here) -> Result<Draft<'_>, Failure> {
        let id = async |handle: &Option<Handle>| match handle {
            Some(handle) => here.id(handle, MESSAGE).await,
            None => Ok(String::new()),
        };
        Ok(Draft { arguments: self, reply_to: id(&self.reply_to).await?, supersedes: id(&self.supersedes).await? })
    }
}

impl Draft<'_> {
    pub(crate) fn of(&self, text: &str) -> pb::MessageDraft {
        let it = self.arguments;
        pb::MessageDraft {
            material: it.material as i32,
            tlp: it.tlp as i32,
            text: text.into(),
            recipients: it.to.clone(),
            coordinator_only: it.coordinator_only,
            in_reply_to: self.reply_to.clone(),
            occurred_time: it.occurred,
            red_actors: it.red.clone(),
            supersedes: self.supersedes.clone(),
            acknowledge_by_time: it.acknowledge_by,
            attachments: Vec::new(),
        }
    }
}

const HELP: &str = "\
Your consent says who may get it; what you give here can only narrow that. At a terminal you are shown who will get it and who
will not, and are asked if it goes to anybody but your own organisation and the coordinator. A long text becomes several
messages, cut at line ends.

Examples:
  samverkan post 'Has anybody seen 192.0.2.7?'
  samverkan post --material logs --file sshd.log --tlp amber
  samverkan post 'The log of the night' --attach sshd.log --attach-material logs
  samverkan post --to region-b --acknowledge-by 2h 'Please block 192.0.2.7 now.'
  samverkan post --supersedes 12 'It was 192.0.2.8, not .7.'";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Post {
    #[command(flatten)]
    text: TextArguments,
    #[command(flatten)]
    room: RoomArgument,
    #[command(flatten)]
    draft: DraftArguments,
    #[command(flatten)]
    attach: AttachArguments,
    #[command(flatten)]
    yes: Yes,
    /// For asking again about one message whose outcome is not known: the request id that was told then
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

#[cfg(test)]
impl Post {
    pub(crate) fn is_text(&self, text: &str) -> bool {
        self.text.text.as_deref() == Some(text) && self.draft.to.len() == 3
    }
}

pub(crate) async fn run(command: Post, session: &Session) -> Result<(), Failure> {
    let text = command.text.read()?;
    let pieces = split(&text, TEXT_BYTES_MAX);
    let Some(first) = pieces.first() else {
        return Err(Failure::usage("there is nothing to post: the text is empty"));
    };
    if command.request_id.is_some() && pieces.len() > 1 {
        return Err(Failure::usage("--request-id is for one message, and this text is too long for one"));
    }
    if command.draft.supersedes.is_some() && pieces.len() > 1 {
        return Err(Failure::usage("--supersedes is for one message, and this text is too long for one"));
    }
    if !command.attach.is_empty() && pieces.len() > 1 {
        return Err(Failure::usage(
            "--attach is for one message, and this text is too long for one; attach it as a file",
        ));
    }
    let files = command.attach.read()?;
    let here = Here::enter(session, &command.room).await?;
    let draft = command.draft.resolve(&here).await?;
    if io::stderr().is_terminal() {
        let request = pb::PreviewAudienceRequest { room_id: here.room_id.clone(), draft: Some(draft.of(first)) };
        let participants = here.client.preview_audience(request).await?.participants;
        note(audience(&participants));
        note(format!("{}, {}", word::<pb::Material>(command.draft.material as i32), tlp(command.draft.tlp as i32)));
        if let Some(material) = command.attach.other_material(command.draft.material) {
            // Both are needed: who does not see the message does not see its files.
            let of_files = pb::MessageDraft { material: material as i32, ..draft.of(first) };
            let request = pb::PreviewAudienceRequest { room_id: here.room_id.clone(), draft: Some(of_files) };
            let of_files = here.client.preview_audience(request).await?.participants;
            note(format!(
                "its files, {}, go to those of them: {}",
                word::<pb::Material>(material as i32),
                audience(&of_files)
            ));
        }
        if let Some(others) = others(&participants) {
            command.yes.confirm_at_terminal(&format!("Post it to {others}?"))?;
        }
    }
    let Here { client, room_id } = &here;
    if pieces.len() > 1 {
        return many(client, room_id, &pieces, &draft, session.output).await;
    }
    let is_retry = command.request_id.is_some();
    let attachments = command.attach.upload(client, room_id, command.draft.material, &files, is_retry).await?;
    let request = pb::PostMessageRequest {
        request_id: command.request_id.unwrap_or_default(),
        room_id: room_id.clone(),
        draft: Some(pb::MessageDraft { attachments, ..draft.of(first) }),
    };
    let answer = client.post_message(request).await.map_err(|error| match error {
        ClientError::OutcomeUnknown { ref request_id, .. } => {
            let mut hint = format!("post it again with --request-id {request_id}: then it is there once");
            if let Some(time) = &command.draft.acknowledge_by {
                hint.push_str(&format!("; and with the same time: --acknowledge-by {}", time_text(time)));
            }
            Failure::from(error).hint(hint)
        }
        other => other.into(),
    })?;
    let mut value = posted(&answer.message_id, answer.recorded_time.as_ref(), 0);
    if !files.is_empty() {
        value["attachments"] = attachment::posted(&answer.attachment_message_ids, &files);
    }
    session.output.show(&value, || session.output.line(&answer.message_id))
}

async fn many(
    client: &Client,
    room_id: &str,
    pieces: &[&str],
    draft: &Draft<'_>,
    output: Output,
) -> Result<(), Failure> {
    // Draws on standard error, and only if that is a terminal.
    let progress = ProgressBar::new(pieces.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("posting {bar:30} {pos}/{len} messages {eta}") {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(250));
    let (mut answered, mut refused, mut printing) = (0_usize, Vec::new(), Ok(()));
    let on_answer = |answer: Posted| {
        answered += 1;
        progress.inc(1);
        match answer.result {
            Ok((message_id, recorded)) => {
                if printing.is_ok() {
                    printing = output.show(&posted(&message_id, recorded.as_ref(), answer.position), || Ok(()));
                }
            }
            Err(refusal) => refused.push((answer.position, refusal)),
        }
    };
    let outcome = client.post_many(room_id, pieces.iter().map(|piece| draft.of(piece)), on_answer).await;
    progress.finish_and_clear();
    printing?;
    outcome.map_err(|error| {
        let failure = Failure::from(error);
        let message = format!("{} (of {} messages, {answered} were answered before)", failure.message, pieces.len());
        Failure { message, ..failure }
    })?;
    if let Some((position, first)) = refused.first() {
        let message = format!(
            "{} of {} messages were refused; the first, number {}: {first}",
            refused.len(),
            pieces.len(),
            position + 1
        );
        return Err(Failure::from(ClientError::Refused(Box::new(first.clone()))).with_message(message));
    }
    if !output.is_json() {
        note(format!("posted {} messages", pieces.len()));
    }
    Ok(())
}

fn posted(message_id: &str, recorded: Option<&Time>, position: usize) -> Value {
    json!({ "message_id": message_id, "recorded_time": json::time(recorded), "position": position })
}

/// Who will receive it, and who will not and why, in one sentence each.
pub(crate) fn audience(participants: &[pb::PreviewedParticipant]) -> String {
    let who = |previewed: &pb::PreviewedParticipant| {
        let is_caller = previewed.participant.as_ref().is_some_and(|participant| participant.is_caller);
        (!is_caller).then(|| name(previewed.participant.as_ref()))
    };
    let receives: Vec<_> = participants.iter().filter(|one| one.receives).filter_map(who).collect();
    let not: Vec<_> = participants
        .iter()
        .filter(|one| !one.receives)
        .filter_map(|one| who(one).map(|name| format!("{name} ({})", one.text)))
        .collect();
    let mut text =
        if receives.is_empty() { "to nobody else".to_owned() } else { format!("to {}", receives.join(", ")) };
    if !not.is_empty() {
        text.push_str(&format!("; not to {}", not.join(", ")));
    }
    text
}

/// Who gets it beside one's own organisation and the coordinator; for the coordinator, everybody. `None`: nobody.
fn others(participants: &[pb::PreviewedParticipant]) -> Option<String> {
    let all: Vec<_> = participants
        .iter()
        .filter(|one| one.receives)
        .filter_map(|one| one.participant.as_ref())
        .filter(|one| !one.is_caller && one.role != pb::Role::Coordinator as i32)
        .map(|one| name(Some(one)))
        .collect();
    if all.is_empty() { None } else { Some(all.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audience_is_told_with_the_reasons_of_those_left_out() {
        let one = |id: &str, receives, is_caller| pb::PreviewedParticipant {
            participant: Some(pb::Participant { organisation_id: id.into(), is_caller, ..Default::default() }),
            receives,
            text: "its consent says no".into(),
            ..Default::default()
        };
        assert_eq!(
            audience(&[one("region-a", true, true), one("cert-se", true, false), one("vendor-x", false, false)]),
            "to cert-se; not to vendor-x (its consent says no)"
        );
        assert_eq!(audience(&[one("region-a", true, true)]), "to nobody else");
    }

    #[test]
    fn what_goes_to_the_coordinator_alone_is_not_asked_about() {
        let one = |id: &str, role: pb::Role, receives| pb::PreviewedParticipant {
            participant: Some(pb::Participant {
                organisation_id: id.into(),
                role: role as i32,
                is_caller: id == "region-a",
                ..Default::default()
            }),
            receives,
            ..Default::default()
        };
        let own = one("region-a", pb::Role::AffectedOrganisation, true);
        let coordinator = one("cert-se", pb::Role::Coordinator, true);
        let left_out = one("vendor-x", pb::Role::ThirdParty, false);
        assert_eq!(others(&[own.clone(), coordinator.clone(), left_out.clone()]), None);
        let other = one("region-b", pb::Role::AffectedOrganisation, true);
        assert_eq!(others(&[own, coordinator, left_out, other]), Some("region-b".into()));
    }
}
