//! `samverkan post`: a text, a file or standard input becomes one message, or several if it is long.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::deliveries::{name, tlp};
use super::failure::{Exit, Failure};
use super::json;
use super::output::{Output, note};
use super::room::RoomArgument;
use super::session::{self, Session};
use super::split::{decode, split};
use super::words::{parse, word};
use crate::client::{Client, ClientError, Posted, Time, parse_time, pb};
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
    /// For these only, of those that consent allows: organisation ids or participant ids
    #[arg(long, value_name = "NAME", num_args = 1.., conflicts_with = "coordinator_only")]
    to: Vec<String>,
    /// For the coordinator only, whatever the consent says
    #[arg(long)]
    coordinator_only: bool,
    /// The id of the message that it replies to
    #[arg(long, value_name = "MESSAGE")]
    reply_to: Option<String>,
    /// When what it tells about happened, as in 2026-12-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    occurred: Option<Time>,
    /// With --tlp red: the persons it is for, as org/<organisation>/user/<name>
    #[arg(long, value_name = "ACTOR", num_args = 1..)]
    red: Vec<String>,
}

impl DraftArguments {
    pub(crate) fn draft(&self, text: &str) -> pb::MessageDraft {
        pb::MessageDraft {
            material: self.material as i32,
            tlp: self.tlp as i32,
            text: text.into(),
            recipients: self.to.clone(),
            coordinator_only: self.coordinator_only,
            in_reply_to: self.reply_to.clone().unwrap_or_default(),
            occurred_time: self.occurred,
            red_actors: self.red.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Post {
    /// The text; without it and without --file, standard input
    text: Option<String>,
    /// Post this file; a long one becomes several messages, cut at line ends
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    file: Option<PathBuf>,
    /// Replace what is not UTF-8 instead of refusing it
    #[arg(long)]
    lossy: bool,
    #[command(flatten)]
    room: RoomArgument,
    #[command(flatten)]
    draft: DraftArguments,
    /// For asking again about one message whose outcome is not known: the request id that was told then
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

pub(crate) async fn run(command: Post, session: &Session) -> Result<(), Failure> {
    let text = read(&command)?;
    let pieces = split(&text, TEXT_BYTES_MAX);
    let Some(first) = pieces.first() else {
        return Err(Failure::usage("there is nothing to post: the text is empty"));
    };
    if command.request_id.is_some() && pieces.len() > 1 {
        return Err(Failure::usage("--request-id is for one message, and this text is too long for one"));
    }
    let client = session.connect().await?;
    let room_id = session::room(&client, command.room.room.as_deref()).await?;
    if io::stderr().is_terminal() {
        let request = pb::PreviewAudienceRequest { room_id: room_id.clone(), draft: Some(command.draft.draft(first)) };
        note(audience(&client.preview_audience(request).await?.participants));
        note(format!("{}, {}", word::<pb::Material>(command.draft.material as i32), tlp(command.draft.tlp as i32)));
    }
    if pieces.len() > 1 {
        return many(&client, &room_id, &pieces, &command.draft, session.output).await;
    }
    let request = pb::PostMessageRequest {
        request_id: command.request_id.unwrap_or_default(),
        room_id,
        draft: Some(command.draft.draft(first)),
    };
    let answer = client.post_message(request).await.map_err(|error| match error {
        ClientError::OutcomeUnknown { ref request_id, .. } => {
            let hint = format!("post it again with --request-id {request_id}: then it is there once");
            Failure::from(error).hint(hint)
        }
        other => other.into(),
    })?;
    let value = posted(&answer.message_id, answer.recorded_time.as_ref(), 0);
    session.output.show(&value, || session.output.line(&answer.message_id))
}

fn read(command: &Post) -> Result<String, Failure> {
    if let Some(text) = &command.text {
        return Ok(text.clone());
    }
    let (bytes, from) = match &command.file {
        Some(path) => {
            (fs::read(path).map_err(|error| Failure::io(path.display(), &error))?, path.display().to_string())
        }
        None => {
            if io::stdin().is_terminal() {
                note("type the message; Ctrl-D ends it");
            }
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map_err(|error| Failure::io("standard input", &error))?;
            (bytes, "standard input".into())
        }
    };
    decode(bytes, command.lossy).map_err(|offset| {
        Failure::new(Exit::Failed, format!("{from}: is not UTF-8 at byte {offset} (counted from 0)"))
            .hint("--lossy replaces what is not UTF-8 with \u{fffd}")
    })
}

async fn many(
    client: &Client,
    room_id: &str,
    pieces: &[&str],
    draft: &DraftArguments,
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
    let outcome = client.post_many(room_id, pieces.iter().map(|piece| draft.draft(piece)), on_answer).await;
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
}
