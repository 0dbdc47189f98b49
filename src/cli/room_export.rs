//! `samverkan room export`: what the caller may see of a room, in a folder: for programs (JSON Lines), to print (a timeline), and a
//! manifest with the digest of each.
//!
//! It first goes on record that the caller exports (`RecordExport`), then the mailbox is read from its first delivery, page by page, as
//! `tail` reads it: each page is shown by the rule and recorded as received. There is no other way to what is exported, so an export
//! holds nothing that its caller could not read. What is withdrawn while it is read makes it begin anew. Tested in
//! `tests/it/room_export.rs`.

mod folder;
mod reading;
mod timeline;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use self::folder::Folder;
use self::reading::{Reading, read};
use super::deliveries::short_time;
use super::failure::{Exit, Failure};
use super::json;
use super::output::{note, one_json};
use super::session::{self, Session};
use super::words::word;
use crate::client::pb;

/// The shape of what is written; higher when a reader of an earlier one would misread it.
const VERSION: u32 = 1;
/// What `tail --output json` prints, line by line.
const MESSAGES_FILE: &str = "messages.jsonl";
/// A folder of what attachments hold.
const ATTACHMENTS: &str = "attachments";
const TIMELINE_FILE: &str = "timeline.html";
const MANIFEST_FILE: &str = "manifest.json";

pub(crate) const HELP: &str = "\
Writes messages.jsonl (what `tail --output json` prints), timeline.html (for people, and for paper), a folder of the attachments, and
manifest.json (who exported what and when, and the SHA-256 of all others) to a folder that is empty or not there yet. Nobody but you can
read the folder.

That you exported is on record: your own organisation and the coordinator are told. What you had not read before counts as received.

Examples:
  samverkan room export --directory export
  samverkan room export 0123abcd --directory export --output json";

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The room: its id, or the beginning of it; may be left out if you are in one room only
    room: Option<String>,
    /// The folder to write to: empty, or not there yet
    #[arg(long, value_name = "FOLDER")]
    directory: PathBuf,
}

pub(crate) async fn run(command: Export, session: &Session) -> Result<(), Failure> {
    // What is wrong with the folder is told before anything goes on record.
    let folder = Folder::beside(&command.directory)?;
    let manifest = tokio::select! {
        // Before anything else, so that no moment is without it: the folder goes with the process only if that ends by itself.
        biased;
        _ = tokio::signal::ctrl_c() => {
            return Err(Failure::new(Exit::Failed, "interrupted: nothing was written; that you began may be on record"));
        }
        manifest = export(session, command.room.as_deref(), &folder) => manifest?,
    };
    folder.settle()?;
    let shown = with_directory(&manifest, &command.directory);
    session.output.show(&shown, || {
        let (deliveries, label) = (&manifest["deliveries"], manifest["tlp"].as_str().unwrap_or_default());
        note(format!("exported {deliveries} deliveries, at most TLP:{}, to", label.to_uppercase()));
        session.output.line(&command.directory.display().to_string())
    })
}

async fn export(session: &Session, room: Option<&str>, folder: &Folder) -> Result<Value, Failure> {
    let client = &session.connect().await?;
    let room_id = session::room(client, room).await?;
    let room = client.get_room(pb::GetRoomRequest { room_id: room_id.clone() }).await?.room.unwrap_or_default();
    let request = pb::RecordExportRequest { room_id, ..Default::default() };
    let begun = client.record_export(request).await?;
    let Reading { actor, last_index, messages, label, mut files } = read(client, &room, &begun, folder).await?;
    let manifest = json!({
        "version": VERSION,
        "room_id": room.room_id,
        "title": room.title,
        "export_id": begun.export_id,
        "exported_by": actor,
        "exported_time": json::time(begun.recorded_time.as_ref()),
        "last_index": last_index,
        "deliveries": last_index,
        "messages": messages,
        "tlp": word::<pb::Tlp>(label),
        "program": concat!("samverkan ", env!("CARGO_PKG_VERSION")),
        "files": files.iter().map(folder::Written::value).collect::<Vec<_>>(),
    });
    let mut file = folder.create(MANIFEST_FILE)?;
    file.write(&format!("{}\n", one_json(&manifest, true)))?;
    files.push(file.finish()?);
    Ok(manifest)
}

/// For the command's own answer: where it went.
fn with_directory(manifest: &Value, directory: &std::path::Path) -> Value {
    let mut shown = json!({ "directory": directory });
    if let (Value::Object(shown), Value::Object(rest)) = (&mut shown, manifest) {
        shown.extend(rest.clone());
    }
    shown
}

/// Who, when and which room, for the head of the timeline.
fn heading(room: &pb::Room, begun: &pb::RecordExportResponse, actor: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Room", format!("{} ({})", room.title, room.room_id)),
        ("Coordinator", room.coordinator_organisation_id.clone()),
        ("Opened", short_time(room.opened_time.as_ref())),
        ("Exported", short_time(begun.recorded_time.as_ref())),
        ("By", actor.to_owned()),
        ("Export", begun.export_id.clone()),
    ]
}

/// The label of a whole: the strictest of its parts. Who takes part and what they consent to has no label of its own, and stands in
/// every export: it counts as what clients fill in. A label that this version does not know is taken as the strictest that there is.
fn strictest(labels: impl IntoIterator<Item = i32>) -> i32 {
    let known = |label: i32| if pb::Tlp::try_from(label).is_ok() { label } else { pb::Tlp::Red as i32 };
    labels.into_iter().map(known).fold(pb::Tlp::AmberStrict as i32, i32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_of_a_whole_is_the_strictest_of_its_parts() {
        use pb::Tlp::{Amber, AmberStrict, Clear, Green, Red};
        let of = |labels: &[pb::Tlp]| strictest(labels.iter().map(|label| *label as i32));
        assert_eq!(of(&[]), AmberStrict as i32);
        assert_eq!(of(&[Green, Amber, Clear]), AmberStrict as i32, "it names who takes part");
        assert_eq!(of(&[Amber, AmberStrict]), AmberStrict as i32);
        assert_eq!(of(&[Red, Green]), Red as i32);
        assert_eq!(strictest([99, 1]), Red as i32, "of a later version");
        assert_eq!(super::super::deliveries::tlp(of(&[AmberStrict])), "TLP:AMBER+STRICT");
    }
}
