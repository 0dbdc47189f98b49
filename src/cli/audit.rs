//! `samverkan audit`: the audit trail, for the coordinator: as a table for people, as flat JSON lines for a SIEM.

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::deliveries::short_time;
use super::failure::Failure;
use super::json;
use super::output::{Output, note, table};
use super::session::Session;
use super::when::moment_ago;
use crate::client::{AuditUpdate, Time, pb};
use crate::identity::summary::hex;

const HELP: &str = "\
Sign-ins and refusals that are the same in everything are one line with a count, once a minute.
No text, title or reason in somebody's words is in the trail. That it was read is in it, too.

Examples:
  samverkan audit list --since 1d
  samverkan audit list --kind handshake_refused --kind call_refused --since 1h
  samverkan audit tail --output json                  one flat object a line, for a SIEM
  samverkan audit tail --output json --after 4711     goes on after the record at position 4711";

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Show what is in the trail
    #[command(after_help = HELP)]
    List {
        #[command(flatten)]
        only: Only,
        /// Recorded then or later: how long ago, as 2h or 3d, or a time
        #[arg(long, value_name = "WHEN", value_parser = moment_ago)]
        since: Option<Time>,
        /// Recorded before then
        #[arg(long, value_name = "WHEN", value_parser = moment_ago)]
        until: Option<Time>,
    },
    /// Show what is in the trail after a position, then what comes, until Ctrl-C
    #[command(after_help = HELP)]
    Tail {
        #[command(flatten)]
        only: Only,
        /// Begin after the record at this position: the last one that you have
        #[arg(long, value_name = "POSITION", default_value_t = 0)]
        after: u64,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Only {
    /// Of this kind only, as signed_in; more than one with more than one --kind
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// Only what this organisation did, or what is about it
    #[arg(long, value_name = "ORGANISATION")]
    organisation: Option<String>,
}

pub(crate) async fn run(command: AuditCommand, session: &Session) -> Result<(), Failure> {
    let (client, output) = (session.connect().await?, session.output);
    match command {
        AuditCommand::List { only: Only { kinds, organisation }, since, until } => {
            let mut request = pb::ListAuditRecordsRequest {
                since_time: since,
                until_time: until,
                kinds,
                organisation_id: organisation.unwrap_or_default(),
                page_size: 1000,
                page_token: String::new(),
            };
            let mut rows = Vec::new();
            loop {
                let page = client.list_audit_records(request.clone()).await?;
                if output.is_json() {
                    page.records.iter().try_for_each(|record| output.json(&value(record)))?;
                } else {
                    rows.extend(page.records.iter().map(row));
                }
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
            }
            match (output.is_json(), rows.is_empty()) {
                (true, _) => Ok(()),
                (false, true) => {
                    note("nothing of that is in the trail");
                    Ok(())
                }
                (false, false) => output.line(&table(&HEADER, rows)),
            }
        }
        AuditCommand::Tail { only: Only { kinds, organisation }, after } => {
            let organisation_id = organisation.unwrap_or_default();
            let request = pb::TailAuditRecordsRequest { after_position: after, kinds, organisation_id };
            let mut tail = client.tail_audit(request);
            let mut cut = false;
            loop {
                match tail.next().await? {
                    AuditUpdate::Record(record) => show(output, &record)?,
                    AuditUpdate::Heartbeat => {
                        if std::mem::take(&mut cut) {
                            note("connected again");
                        }
                    }
                    AuditUpdate::Reconnecting { problem } => {
                        if !std::mem::replace(&mut cut, true) {
                            note(format!("the connection was cut ({problem}); connecting again, nothing is lost"));
                        }
                    }
                }
            }
        }
    }
}

fn show(output: Output, record: &pb::AuditRecord) -> Result<(), Failure> {
    output.show(&value(record), || {
        let cells = row(record);
        output.line(cells.iter().filter(|cell| !cell.is_empty()).cloned().collect::<Vec<_>>().join("  ").as_str())
    })
}

const HEADER: [&str; 6] = ["position", "time", "kind", "who", "from", "what"];

fn row(record: &pb::AuditRecord) -> Vec<String> {
    let times = if record.count > 1 { format!("{} times", record.count) } else { String::new() };
    let certificate = hex(&record.certificate_sha256);
    let certificate = certificate.get(..16).unwrap_or_default();
    let named = [
        ("", times.as_str()),
        ("", record.organisation_id.as_str()),
        ("", record.subject.as_str()),
        ("room ", record.room_id.get(..8).unwrap_or_default()),
        ("and ", record.other_room_id.get(..8).unwrap_or_default()),
        ("invite ", record.invite_id.get(..8).unwrap_or_default()),
        ("", record.method.as_str()),
        ("", record.reason.as_str()),
        ("", record.detail.as_str()),
        ("certificate ", certificate),
    ];
    let what: Vec<_> =
        named.iter().filter(|(_, text)| !text.is_empty()).map(|(label, text)| format!("{label}{text}")).collect();
    vec![
        record.position.to_string(),
        short_time(record.recorded_time.as_ref()),
        record.kind.clone(),
        record.actor.clone(),
        record.peer.clone(),
        what.join(", "),
    ]
}

/// One flat object; what is not known is left out. The names are documented in README.md and stay.
fn value(record: &pb::AuditRecord) -> Value {
    let mut fields = Map::new();
    fields.insert("position".into(), record.position.into());
    fields.insert("time".into(), json::time(record.recorded_time.as_ref()));
    fields.insert("first_time".into(), json::time(record.first_time.as_ref()));
    fields.insert("count".into(), record.count.into());
    fields.insert("kind".into(), record.kind.as_str().into());
    let texts = [
        ("actor", record.actor.clone()),
        ("subject", record.subject.clone()),
        ("organisation_id", record.organisation_id.clone()),
        ("certificate_sha256", hex(&record.certificate_sha256)),
        ("previous_certificate_sha256", hex(&record.previous_certificate_sha256)),
        ("peer", record.peer.clone()),
        ("room_id", record.room_id.clone()),
        ("other_room_id", record.other_room_id.clone()),
        ("invite_id", record.invite_id.clone()),
        ("method", record.method.clone()),
        ("reason", record.reason.clone()),
        ("detail", record.detail.clone()),
    ];
    fields
        .extend(texts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name.into(), text.into())));
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_flat_has_stable_names_and_nothing_that_is_not_known() {
        let record = pb::AuditRecord {
            position: 7,
            recorded_time: Some(Time { seconds: 0, nanos: 0 }),
            first_time: Some(Time { seconds: 0, nanos: 0 }),
            count: 3,
            kind: "handshake_refused".into(),
            peer: "192.0.2.1".into(),
            reason: "no-certificate".into(),
            ..pb::AuditRecord::default()
        };
        let expected = "{\"count\":3,\"first_time\":\"1970-01-01T00:00:00Z\",\"kind\":\"handshake_refused\",\
            \"peer\":\"192.0.2.1\",\"position\":7,\"reason\":\"no-certificate\",\"time\":\"1970-01-01T00:00:00Z\"}";
        let line: Value = serde_json::from_str(&value(&record).to_string()).expect("JSON");
        assert_eq!(line, serde_json::from_str::<Value>(expected).expect("JSON"));
        assert_eq!(row(&record)[5], "3 times, no-certificate");
    }
}
