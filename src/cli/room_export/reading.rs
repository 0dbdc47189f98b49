//! What goes into an export? The caller's mailbox from its first delivery to the one that tells of the export, page by page, and for
//! its own messages who has them.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest as _, Sha256};

use super::super::deliveries::{Teller, name};
use super::super::failure::{Exit, Failure};
use super::super::output::one_json;
use super::super::session::{all_pages, page_size};
use super::super::{json, receipts};
use super::folder::{Folder, Written};
use super::timeline::{self, Row};
use super::{ATTACHMENTS, MESSAGES_FILE, TIMELINE_FILE, heading, strictest};
use crate::client::{Client, ClientError, pb};
use crate::file_name;
use pb::delivery::Content;

/// How often it begins anew because something was withdrawn while it was read.
const TRIES_MAX: usize = 5;

/// What was read and written.
pub(super) struct Reading {
    /// Who exports, as the server knows the caller.
    pub(super) actor: String,
    /// The index of the last delivery; there is one under each index up to it.
    pub(super) last_index: u64,
    pub(super) messages: u64,
    /// The strictest label of a message in it.
    pub(super) label: i32,
    pub(super) files: Vec<Written>,
}

/// Reads everything and writes it down.
pub(super) async fn read(
    client: &Client,
    room: &pb::Room,
    begun: &pb::RecordExportResponse,
    folder: &Folder,
) -> Result<Reading, Failure> {
    let room_id = room.room_id.clone();
    let everybody: Vec<pb::Participant> =
        all_pages!(client.list_participants(ListParticipantsRequest { room_id: room_id }).participants);
    // Draws on standard error, and only if that is a terminal.
    let progress = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("exporting {spinner} {pos} deliveries {elapsed}") {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(250));
    let mut outcome = Ok(None);
    for _ in 0..TRIES_MAX {
        progress.set_position(0);
        outcome = try_read(client, room, begun, folder, &everybody, &progress).await;
        if !matches!(outcome, Ok(None)) {
            break;
        }
    }
    progress.finish_and_clear();
    outcome?.ok_or_else(|| {
        let message = format!("something was withdrawn each of {TRIES_MAX} times while it was read");
        Failure::new(Exit::Failed, message).hint("export again when it is quieter")
    })
}

/// `None`: something was withdrawn that had been written down.
async fn try_read(
    client: &Client,
    room: &pb::Room,
    begun: &pb::RecordExportResponse,
    folder: &Folder,
    everybody: &[pb::Participant],
    progress: &ProgressBar,
) -> Result<Option<Reading>, Failure> {
    let names = everybody.iter().map(|one| (one.participant_id.clone(), name(Some(one)))).collect();
    let is_coordinator = room.caller.as_ref().is_some_and(|caller| caller.role == pb::Role::Coordinator as i32);
    let mut pen = Pen {
        lines: folder.create(MESSAGES_FILE)?,
        rows: io::BufWriter::new(folder.scratch()?),
        teller: Teller::new("samverkan", "", is_coordinator),
        names,
        withdrawn: BTreeSet::new(),
        messages: 0,
        labels: BTreeSet::new(),
        attachments: Vec::new(),
    };
    folder.clear(ATTACHMENTS)?;
    let (mut last_index, mut actor) = (0, None);
    loop {
        let (room_id, page_size) = (room.room_id.clone(), page_size());
        let request = pb::ListMessagesRequest { room_id, after_index: last_index, page_size };
        let page = client.list_messages(request).await?;
        for (index, delivery) in (page.first_index..).zip(&page.deliveries) {
            if let Some(Content::WithdrawalNotice(notice)) = &delivery.content
                && !is_known(notice, &pen.withdrawn)
            {
                return Ok(None);
            }
            if let Some(Content::RoomExported(exported)) = &delivery.content
                && exported.export_id == begun.export_id
            {
                actor = Some(exported.actor.clone());
            }
            if let Some(Content::Message(message)) = &delivery.content
                && let Some(attachment) = &message.attachment
            {
                match fetch(client, room, folder, (index, message, attachment)).await? {
                    Some(file) => pen.attachments.push(file),
                    None => return Ok(None),
                }
            }
            let receipts = receipts_of(client, room, delivery).await?;
            pen.write(index, delivery, &receipts)?;
            last_index = index;
            progress.inc(1);
        }
        // Full pages are followed by others; so nothing that was given for the export is missing from it.
        let is_last = page.deliveries.len() < page_size as usize;
        match actor.take() {
            Some(actor) if is_last => return pen.finish(room, begun, folder, actor, last_index).map(Some),
            None if is_last => return Err(Failure::new(Exit::Failed, "the server did not tell of the export")),
            found => actor = found,
        }
    }
}

/// What an attachment holds, in a file of its own. `None`: it was withdrawn meanwhile.
async fn fetch(
    client: &Client,
    room: &pb::Room,
    folder: &Folder,
    (index, message, attachment): (u64, &pb::Message, &pb::Attachment),
) -> Result<Option<Written>, Failure> {
    let name = name_of(index, attachment);
    let mut file = folder.create(&name)?;
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    let mut download = client.download(&room.room_id, &message.message_id, 0, attachment.size_bytes);
    loop {
        match download.next().await {
            Ok(Some(chunk)) => {
                digest.update(&chunk);
                bytes += chunk.len() as u64;
                file.write_bytes(&chunk)?;
            }
            Ok(None) => break,
            Err(ClientError::Refused(refused))
                if ["MESSAGE_WITHDRAWN", "MESSAGE_NOT_VISIBLE"].contains(&refused.reason.as_str()) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    if digest.finalize()[..] != attachment.sha256[..] || bytes != attachment.size_bytes {
        return Err(Failure::new(
            Exit::Failed,
            format!("{name}: what came is not what was posted: its SHA-256 is another"),
        ));
    }
    file.finish().map(Some)
}

/// Where an attachment is in the export: by its place, and under its sender's name where that can be the name of a file.
pub(super) fn name_of(index: u64, attachment: &pb::Attachment) -> String {
    match file_name::check(&attachment.name) {
        Ok(()) => format!("{ATTACHMENTS}/{index:06}-{}", attachment.name),
        Err(_) => format!("{ATTACHMENTS}/{index:06}"),
    }
}

/// Whether all that a notice is about had been withdrawn when it was read.
fn is_known(notice: &pb::WithdrawalNotice, withdrawn: &BTreeSet<u64>) -> bool {
    notice.ranges.iter().all(|range| (range.first_index..=range.last_index).all(|index| withdrawn.contains(&index)))
}

/// Who has a message of the caller's own organisation.
async fn receipts_of(client: &Client, room: &pb::Room, delivery: &pb::Delivery) -> Result<Vec<String>, Failure> {
    let Some(Content::Message(message)) = &delivery.content else { return Ok(Vec::new()) };
    if !message.author.as_ref().is_some_and(|author| author.is_caller) {
        return Ok(Vec::new());
    }
    match receipts::all(client, &room.room_id, &message.message_id).await {
        Ok(all) => Ok(receipts::in_words(&all)),
        // Taken back since the page was read.
        Err(ClientError::Refused(refused)) if refused.reason == "MESSAGE_NOT_VISIBLE" => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Writes both files at once.
struct Pen {
    lines: super::folder::NewFile,
    /// The rows of the timeline, until its head can be written.
    rows: io::BufWriter<std::fs::File>,
    teller: Teller,
    names: HashMap<String, String>,
    /// What had been withdrawn when it was read.
    withdrawn: BTreeSet<u64>,
    messages: u64,
    labels: BTreeSet<i32>,
    attachments: Vec<Written>,
}

impl Pen {
    fn write(&mut self, index: u64, delivery: &pb::Delivery, receipts: &[String]) -> Result<(), Failure> {
        match &delivery.content {
            Some(Content::Withdrawn(_)) => drop(self.withdrawn.insert(index)),
            Some(Content::Message(message)) => {
                self.messages += 1;
                self.labels.insert(message.tlp);
            }
            _ => {}
        }
        self.lines.write(&format!("{}\n", one_json(&json::delivery(index, delivery), false)))?;
        let told = self.teller.words(index, delivery);
        let row = Row { index, delivery, told: &told, names: &self.names, receipts };
        self.rows.write_all(row.html().as_bytes()).map_err(|error| Failure::io(TIMELINE_FILE, &error))
    }

    fn finish(
        self,
        room: &pb::Room,
        begun: &pb::RecordExportResponse,
        folder: &Folder,
        actor: String,
        last_index: u64,
    ) -> Result<Reading, Failure> {
        let io = |error: io::Error| Failure::io(TIMELINE_FILE, &error);
        let label = strictest(self.labels);
        let mut page = folder.create(TIMELINE_FILE)?;
        page.write(&timeline::head(&room.title, &heading(room, begun, &actor), label))?;
        let mut rows = self.rows.into_inner().map_err(|error| io(error.into_error()))?;
        rows.rewind().map_err(io)?;
        let mut part = vec![0; 64 * 1024];
        loop {
            match rows.read(&mut part).map_err(io)? {
                0 => break,
                bytes => page.write_bytes(&part[..bytes])?,
            }
        }
        page.write(timeline::FOOT)?;
        let mut files = vec![self.lines.finish()?, page.finish()?];
        files.extend(self.attachments);
        folder.keep_or_drop(ATTACHMENTS)?;
        Ok(Reading { actor, last_index, messages: self.messages, label, files })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_of_what_was_written_down_before_is_news() {
        let notice = |ranges: &[(u64, u64)]| pb::WithdrawalNotice {
            ranges: ranges
                .iter()
                .map(|&(first_index, last_index)| pb::IndexRange { first_index, last_index })
                .collect(),
            ..Default::default()
        };
        let withdrawn = BTreeSet::from([3, 4, 7]);
        assert!(is_known(&notice(&[(3, 4), (7, 7)]), &withdrawn));
        assert!(!is_known(&notice(&[(3, 4), (7, 8)]), &withdrawn), "8 was written down with its text");
        assert!(!is_known(&notice(&[(2, 4)]), &withdrawn));
    }
}
