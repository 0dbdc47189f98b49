//! How is it told who has a message? A table of organisations; below it who answered a recall, what was made of it, and who read it at
//! the coordinator.

use super::deliveries::{name, names, one_line, short, short_time};
use super::failure::Failure;
use super::find::{Handle, Here, MESSAGE};
use super::json;
use super::output::table;
use super::room::RoomArgument;
use super::session::Session;
use super::words::plain;
use crate::client::{Client, ClientError, pb};

pub(crate) const HELP: &str = "\
Organisations that you can't see are not in it. The record is written before a message leaves the server.

Examples:
  samverkan message receipts 12
  samverkan message receipts 12 --output json";

pub(crate) async fn run(message: &Handle, room: &RoomArgument, session: &Session) -> Result<(), Failure> {
    let here = Here::enter(session, room).await?;
    let message_id = here.id(message, MESSAGE).await?;
    let all = all(&here.client, &here.room_id, &message_id).await?;
    session.output.show(&json::receipts(&message_id, &all), || session.output.line(&text(&message_id, &all)))
}

/// Everything about who has a message.
pub(crate) async fn all(
    client: &Client,
    room_id: &str,
    message_id: &str,
) -> Result<pb::GetReceiptsResponse, ClientError> {
    let (room_id, message_id) = (room_id.to_owned(), message_id.to_owned());
    let mut request = pb::GetReceiptsRequest { room_id, message_id, page_size: 1000, ..Default::default() };
    let mut all = client.get_receipts(request.clone()).await?;
    while !all.next_page_token.is_empty() {
        request.page_token = std::mem::take(&mut all.next_page_token);
        let page = client.get_receipts(request.clone()).await?;
        all.receipts.extend(page.receipts);
        all.relays.extend(page.relays);
        all.next_page_token = page.next_page_token;
    }
    Ok(all)
}

/// Who has received it, one line for each: since when, on what ground, and what came of it.
pub(crate) fn in_words(receipts: &pb::GetReceiptsResponse) -> Vec<String> {
    let received = receipts.receipts.iter().filter(|receipt| receipt.delivered_time.is_some()).map(|receipt| {
        let (who, when) = (name(receipt.participant.as_ref()), short_time(receipt.delivered_time.as_ref()));
        let mut line = format!("{who}, {when}, {}", ground(receipt.basis()));
        if let Some(time) = &receipt.fetched_time {
            line.push_str(&format!(", fetched {}", short_time(Some(time))));
        }
        if let Some(time) = &receipt.acknowledged_time {
            line.push_str(&format!(", acknowledged {}", short_time(Some(time))));
        }
        if !receipt.sees {
            line.push_str(", no longer");
        }
        line
    });
    let reads = receipts.coordinator_reads.iter();
    let reads = reads.map(|read| format!("{}, {}", read.actor, short_time(read.delivered_time.as_ref())));
    received.chain(reads).collect()
}

/// On what ground somebody has received it, as the end of `received …`.
fn ground(basis: pb::AudienceReason) -> &'static str {
    use pb::AudienceReason as Reason;
    match basis {
        Reason::Unspecified => "",
        Reason::Author => "as its own",
        Reason::Source => "as the only source of the relay",
        Reason::Coordinator => "as the coordinator",
        Reason::CoordinatorMessage => "the coordinator's words",
        Reason::ClassDirect => "by consent for its class",
        Reason::NamedDirect => "by consent for it by name",
        Reason::RelayPermitted => "by consent to a relay",
        Reason::Released => "by release",
        Reason::Approved => "by approval of the text",
        Reason::Forwarded => "by forwarding to the police",
        Reason::LegalDuty => "by legal duty",
        // Reasons not to receive it are no grounds.
        Reason::ClassNotAnswered
        | Reason::ClassNo
        | Reason::ClassRelay
        | Reason::ClassNewcomer
        | Reason::NamedNo
        | Reason::NamedRelay
        | Reason::NamedPerhaps
        | Reason::Authority
        | Reason::NotARecipient
        | Reason::CoordinatorOnly
        | Reason::NotARedActor
        | Reason::CallerHidden
        | Reason::CameLater
        | Reason::NotSinceThen
        | Reason::CarrierNotShown
        | Reason::SameFileNarrower
        | Reason::Withdrawn
        | Reason::Retracted
        | Reason::Superseded
        | Reason::Erased
        | Reason::ParentNarrower
        | Reason::RelayNotPermitted
        | Reason::RelayLooserTlp
        | Reason::RelayTooFewSources
        | Reason::RelayUnapproved => "",
    }
}

fn text(message_id: &str, receipts: &pb::GetReceiptsResponse) -> String {
    let mut parts =
        vec![format!("Message {}, posted {}", short(message_id), short_time(receipts.recorded_time.as_ref()))];
    let acknowledged = receipts.receipts.iter().any(|receipt| receipt.acknowledged_time.is_some());
    let fetched = receipts.receipts.iter().any(|receipt| receipt.fetched_time.is_some());
    let mut header = vec!["who", "received", "ground"];
    if fetched {
        header.push("fetched");
    }
    if acknowledged {
        header.push("acknowledged");
    }
    header.extend(["sees it now", "why"]);
    let rows = receipts.receipts.iter().map(|receipt| {
        let received = receipt.delivered_time.as_ref().map_or("no".into(), |time| short_time(Some(time)));
        let mut row = vec![name(receipt.participant.as_ref()), received, ground(receipt.basis()).to_owned()];
        if fetched {
            row.push(receipt.fetched_time.as_ref().map_or("no".into(), |time| short_time(Some(time))));
        }
        if acknowledged {
            row.push(receipt.acknowledged_time.as_ref().map_or("no".into(), |time| short_time(Some(time))));
        }
        let left = receipt.reason() == pb::AudienceReason::Unspecified;
        let why = if left { "is no longer here".into() } else { one_line(&receipt.text) };
        row.extend([if receipt.sees { "yes".into() } else { "no".to_owned() }, why]);
        row
    });
    let rows: Vec<_> = rows.collect();
    parts.push(if rows.is_empty() { "nobody that you can see has it".into() } else { table(&header, rows) });

    let recalls =
        receipts.receipts.iter().flat_map(|receipt| receipt.recalls.iter().map(move |one| recall(receipt, one)));
    let recalls: Vec<_> = recalls.collect();
    if !recalls.is_empty() {
        parts.push(format!("Asked to delete it:\n{}", recalls.join("\n")));
    }
    let relays: Vec<_> = receipts.relays.iter().map(relay).collect();
    if !relays.is_empty() {
        parts.push(format!("Relays made of it:\n{}", relays.join("\n")));
    }
    let reads: Vec<_> = receipts
        .coordinator_reads
        .iter()
        .map(|read| format!("  {}  {}", short_time(read.delivered_time.as_ref()), read.actor))
        .collect();
    if !reads.is_empty() {
        parts.push(format!("Received at the coordinator by:\n{}", reads.join("\n")));
    }
    let fetches = receipts.coordinator_fetches.iter();
    let fetches: Vec<_> =
        fetches.map(|fetch| format!("  {}  {}", short_time(fetch.delivered_time.as_ref()), fetch.actor)).collect();
    if !fetches.is_empty() {
        parts.push(format!("Fetched at the coordinator by:\n{}", fetches.join("\n")));
    }
    parts.join("\n\n")
}

fn recall(receipt: &pb::Receipt, recall: &pb::RecallReceipt) -> String {
    let (who, id) = (name(receipt.participant.as_ref()), short(&recall.recall_id));
    if recall.recorded_time.is_none() {
        return format!("  {who}, recall {id}: not answered");
    }
    let comment = if recall.comment.is_empty() { String::new() } else { format!(": {}", one_line(&recall.comment)) };
    let (time, answer) = (short_time(recall.recorded_time.as_ref()), plain::<pb::RecallAnswer>(recall.answer));
    format!("  {who}, recall {id}: {answer}, {time}{comment}")
}

fn relay(relay: &pb::RelayReceipt) -> String {
    let (time, to) = (short_time(relay.recorded_time.as_ref()), names(&relay.receivers));
    format!("  {time}  relay {} to {to}", short(&relay.message_id))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::client::Time;

    fn at(seconds: i64) -> Option<Time> {
        Some(Time { seconds: 1_764_547_200 + seconds, nanos: 0 })
    }

    fn of(id: &str) -> Option<pb::Participant> {
        Some(pb::Participant { organisation_id: id.into(), ..Default::default() })
    }

    #[test]
    fn who_has_a_message_is_a_table_and_what_came_of_it_stands_below() {
        let receipts = pb::GetReceiptsResponse {
            recorded_time: at(0),
            receipts: vec![
                pb::Receipt {
                    participant: of("cert-se"),
                    delivered_time: at(1),
                    basis: pb::AudienceReason::Coordinator as i32,
                    acknowledged_time: at(60),
                    sees: true,
                    reason: pb::AudienceReason::Coordinator as i32,
                    text: "the coordinator sees what is posted in the room".into(),
                    ..Default::default()
                },
                pb::Receipt {
                    participant: of("region-b"),
                    delivered_time: at(2),
                    basis: pb::AudienceReason::Released as i32,
                    reason: pb::AudienceReason::Withdrawn as i32,
                    text: "it was withdrawn".into(),
                    recalls: vec![
                        pb::RecallReceipt {
                            recall_id: "4567cdef-0000".into(),
                            answer: pb::RecallAnswer::RetainedByLaw as i32,
                            comment: "Archives Act\nforged line".into(),
                            recorded_time: at(90),
                        },
                        pb::RecallReceipt { recall_id: "5678cdef-0000".into(), ..Default::default() },
                    ],
                    ..Default::default()
                },
                pb::Receipt { participant: of("vendor-x"), ..Default::default() },
            ],
            coordinator_reads: vec![pb::ActorReceipt { actor: "org/cert-se/user/anna".into(), delivered_time: at(1) }],
            relays: vec![pb::RelayReceipt {
                message_id: "0123abcd-0000".into(),
                recorded_time: at(30),
                receivers: of("region-b").into_iter().collect(),
            }],
            ..Default::default()
        };
        expect![[r#"
            Message 89abcdef, posted 2025-12-01 00:00:00Z

            WHO       RECEIVED              GROUND              ACKNOWLEDGED          SEES IT NOW  WHY
            cert-se   2025-12-01 00:00:01Z  as the coordinator  2025-12-01 00:01:00Z  yes          the coordinator sees what is posted in the room
            region-b  2025-12-01 00:00:02Z  by release          no                    no           it was withdrawn
            vendor-x  no                                        no                    no           is no longer here

            Asked to delete it:
              region-b, recall 4567cdef: retained by law, 2025-12-01 00:01:30Z: Archives Act forged line
              region-b, recall 5678cdef: not answered

            Relays made of it:
              2025-12-01 00:00:30Z  relay 0123abcd to region-b

            Received at the coordinator by:
              2025-12-01 00:00:01Z  org/cert-se/user/anna"#]].assert_eq(&text("89abcdef-0000", &receipts));
    }

    #[test]
    fn what_nobody_has_is_said_in_a_sentence() {
        let shown = text("89abcdef-0000", &pb::GetReceiptsResponse::default());
        assert!(shown.ends_with("nobody that you can see has it"), "{shown}");
    }
}
