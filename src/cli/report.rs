//! `samverkan report`: the eight questions of first contact, asked or read from a file; shown; amended.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::answers;
use super::deliveries::{change, name, short_time};
use super::failure::Failure;
use super::interview;
use super::json;
use super::output::{ask_yes, can_ask, note};
use super::room::{RoomArgument, done};
use super::session::{self, Session, short};
use super::words::plain;
use crate::client::pb;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Report {
    #[command(flatten)]
    source: Source,
    #[command(subcommand)]
    command: Option<ReportCommand>,
}

#[derive(Debug, Args)]
struct Source {
    /// Read the answers from this file instead of asking
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum ReportCommand {
    /// Show a report and its earlier versions
    Show {
        #[command(flatten)]
        room: RoomArgument,
        /// Whose, for the coordinator: organisation id or participant id
        #[arg(long, value_name = "NAME")]
        participant: Option<String>,
    },
    /// Replace the answers; the earlier ones are kept
    Amend {
        #[command(flatten)]
        room: RoomArgument,
        #[command(flatten)]
        source: Source,
    },
    /// Print a file to fill in
    Template,
}

impl Source {
    fn answers(&self) -> Result<pb::IntakeReport, Failure> {
        match &self.file {
            Some(path) => answers::load(path),
            None if can_ask() => {
                let report = interview::at_terminal()?;
                if ask_yes("Send this report?")? { Ok(report) } else { Err(Failure::usage("not sent")) }
            }
            None => Err(Failure::usage("there is no terminal to ask the questions on").hint(
                "`samverkan report template > answers.toml`, fill it in, then `samverkan report --file answers.toml`",
            )),
        }
    }
}

pub(crate) async fn run(command: Report, session: &Session) -> Result<(), Failure> {
    let output = session.output;
    match command.command {
        Some(ReportCommand::Template) => output.line(answers::TEMPLATE.trim_end()),
        None => {
            let request = pb::ReportIncidentRequest { report: Some(command.source.answers()?), ..Default::default() };
            let answer = session.connect().await?.report_incident(request).await?;
            let value = json!({
                "room_id": answer.room_id,
                "participant_id": answer.participant_id,
                "opened_time": json::time(answer.opened_time.as_ref()),
            });
            output.show(&value, || {
                note(format!(
                    "reported; this is the incident's room, and `samverkan tail --room {}` shows it",
                    short(&answer.room_id)
                ));
                output.line(&answer.room_id)
            })
        }
        Some(ReportCommand::Amend { room, source }) => {
            let report = source.answers()?;
            let client = session.connect().await?;
            let room_id = session::room(&client, room.room.as_deref()).await?;
            let request = pb::AmendReportRequest { room_id, report: Some(report), ..Default::default() };
            done(session, client.amend_report(request).await?.recorded_time, "amended; the earlier answers are kept")
        }
        Some(ReportCommand::Show { room, participant }) => {
            let client = session.connect().await?;
            let room_id = session::room(&client, room.room.as_deref()).await?;
            let mut request =
                pb::GetReportRequest { room_id, participant: participant.unwrap_or_default(), ..Default::default() };
            loop {
                let page = client.get_report(request.clone()).await?;
                for version in &page.versions {
                    let report = version.report.clone().unwrap_or_default();
                    let value = json!({
                        "participant": json::participant(page.participant.as_ref()),
                        "version": version.version,
                        "recorded_time": json::time(version.recorded_time.as_ref()),
                        "report": json::report(&report),
                    });
                    output.show(&value, || {
                        output.line(&format!(
                            "Report of {}, version {}, {}\n{}\n",
                            name(page.participant.as_ref()),
                            version.version,
                            short_time(version.recorded_time.as_ref()),
                            text(&report)
                        ))
                    })?;
                }
                if page.next_page_token.is_empty() {
                    return Ok(());
                }
                request.page_token = page.next_page_token;
            }
        }
    }
}

fn text(report: &pb::IntakeReport) -> String {
    let open = || "not answered".to_owned();
    let words = |text: &str| if text.is_empty() { open() } else { text.trim_end().replace('\n', "\n     ") };
    let assessment = |answer: Option<i32>| answer.map_or_else(open, plain::<pb::Assessment>);
    [
        format!("  1. What has occurred\n     {}", words(&report.what_occurred)),
        format!("  2. How it was discovered\n     {}", words(&report.how_discovered)),
        format!("     When: {}", report.discovered_time.as_ref().map_or_else(open, |time| short_time(Some(time)))),
        format!("  3. Countermeasures taken\n     {}", words(&report.countermeasures)),
        format!("  4. Still going on: {}", assessment(report.ongoing)),
        format!("     Data can be leaked: {}", assessment(report.data_leak)),
        format!("  5. Help wanted\n     {}", words(&report.help_wanted)),
        format!("  6. Contacts made already\n     {}", words(&report.contacts_made)),
        format!("  7. Police: {}", report.police.map_or_else(open, plain::<pb::PoliceAnswer>)),
        format!("  8. Sharing: {}", report.sharing_consent.as_ref().map_or_else(open, change)),
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_question_is_shown_as_not_answered() {
        let shown = text(&pb::IntakeReport { what_occurred: "one\ntwo".into(), ..Default::default() });
        assert_eq!(shown.matches("not answered").count(), 9, "{shown}");
        assert!(shown.contains("     one\n     two"), "{shown}");
    }
}
