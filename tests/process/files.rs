//! What files does one organisation attach, and are they there? Each is uploaded and posted until it is answered, and no message stands
//! without the whole of its file.
//!
//! They are for their source and the coordinator, so that no consent takes them back.

use std::collections::BTreeMap;
use std::time::Duration;

use samverkan::api::attachment_service_client::AttachmentServiceClient;
use samverkan::api::{self as pb, delivery, upload_attachment_request::Content};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use crate::Wrong;
use crate::ground::{Ground, Who, random, said};
use crate::journal::{Journal, Words};
use crate::posts::{Stop, ToPost};

const CHUNK: usize = 64 * 1024;
/// Such a file takes some parts of the storage.
const SIZE_MAX: u64 = 3 * 1024 * 1024;
/// The load's pace; nothing waits for it.
const PAUSE: Duration = Duration::from_millis(5);

/// So begins every text of a message that carries a file.
pub(crate) const CARRIER: &str = "file ";

/// What a seat attached.
pub(crate) struct Files {
    who: Who,
    /// Of each, once it is acknowledged, the message and its attachment.
    pub(crate) files: Vec<Option<(String, String)>>,
    journal: Journal,
}

fn of_start(start: pb::UploadStart) -> pb::UploadAttachmentRequest {
    pb::UploadAttachmentRequest { content: Some(Content::Start(start)) }
}

/// An id of the seat's n-th file, the same each time that it is tried.
fn id(ground: &Ground, who: Who, number: u64, purpose: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(format!("{purpose}/{}/{who}/{number}", ground.seed))[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// The seat's n-th file: one in four is large.
fn bytes_of(ground: &Ground, who: Who, number: u64) -> Vec<u8> {
    let seed = random(ground.seed ^ 2, who << 48 | number);
    let size = 1 + if number % 4 == 3 { seed % SIZE_MAX } else { seed % 5_000 };
    let words = (0..size.div_ceil(8)).flat_map(|at| random(seed, at).to_le_bytes());
    words.take(usize::try_from(size).unwrap_or(0)).collect()
}

fn text_of(who: Who, number: u64) -> String {
    format!("{CARRIER}{who} {number}")
}

impl Files {
    /// Whether a seat attaches files: one in each room does.
    pub(crate) fn is_for(ground: &Ground, who: Who) -> bool {
        ground.attaches && ground.seats_of(who / (ground.size.organisations + 1)).nth(1) == Some(who)
    }

    pub(crate) fn load(ground: &Ground, who: Who) -> Result<Self, Wrong> {
        let (lines, journal) = Journal::open(&ground.journal("files", who))?;
        let mut found = Self { who, files: Vec::new(), journal };
        for line in &lines {
            let mut words = Words::of(line);
            match words.word()? {
                "begun" => found.files.push(None),
                _ => {
                    let last = found.files.last_mut().ok_or("an answer to no file")?;
                    *last = Some((words.word()?.to_owned(), words.word()?.to_owned()));
                }
            }
        }
        Ok(found)
    }

    /// Asks again about what was not answered, then attaches without an end.
    pub(crate) async fn attach(&mut self, ground: &Ground, channel: Channel, to_post: ToPost) -> Stop {
        loop {
            // What was begun by an earlier life may be posted already: then it has its answer, and needs no upload.
            let mut may_be_posted = true;
            if self.files.last().is_none_or(Option::is_some) {
                if to_post == ToPost::Unanswered {
                    return Stop::Done;
                }
                tokio::time::sleep(PAUSE).await;
                self.files.push(None);
                if let Err(wrong) = self.journal.append(&format!("begun {}\n", self.files.len())) {
                    return Stop::Wrong(wrong);
                }
                may_be_posted = false;
            }
            match self.attach_last(ground, &channel, may_be_posted).await {
                Ok(()) => {}
                Err(stop) => return stop,
            }
        }
    }

    async fn attach_last(&mut self, ground: &Ground, channel: &Channel, may_be_posted: bool) -> Result<(), Stop> {
        let number = self.files.len() as u64 - 1;
        let mut posted = None;
        if may_be_posted {
            posted = match self.post(ground, channel, number).await {
                Ok(ids) => Some(ids),
                Err(status) if status.code() == tonic::Code::FailedPrecondition => None,
                Err(status) => return Err(Stop::of(&status)),
            };
        }
        let ids = match posted {
            Some(ids) => ids,
            None => {
                self.upload(ground, channel, number).await?;
                self.post(ground, channel, number).await.map_err(|status| Stop::of(&status))?
            }
        };
        self.journal.append(&format!("posted {} {}\n", ids.0, ids.1)).map_err(Stop::Wrong)?;
        self.files[number as usize] = Some(ids);
        Ok(())
    }

    async fn upload(&self, ground: &Ground, channel: &Channel, number: u64) -> Result<(), Stop> {
        let bytes = bytes_of(ground, self.who, number);
        let start = pb::UploadStart {
            room_id: ground.room(self.who).map_err(Stop::Wrong)?,
            upload_id: id(ground, self.who, number, "upload"),
            size_bytes: bytes.len() as u64,
            sha256: Sha256::digest(&bytes).to_vec().into(),
        };
        let (sender, requests) = mpsc::channel(bytes.len().div_ceil(CHUNK) + 1);
        let gone = |_| Stop::Cut("the upload takes no more".into());
        sender.try_send(of_start(start)).map_err(|error| gone(error.to_string()))?;
        let upload =
            AttachmentServiceClient::new(channel.clone()).upload_attachment(ReceiverStream::new(requests)).await;
        let mut answers = upload.map_err(|status| Stop::of(&status))?.into_inner();
        let mut is_sent = false;
        while let Some(answer) = answers.message().await.map_err(|status| Stop::of(&status))? {
            if answer.complete {
                return Ok(());
            }
            if !is_sent {
                let durable = usize::try_from(answer.durable_bytes).unwrap_or(usize::MAX);
                let Some(rest) = bytes.get(durable..) else {
                    return Err(Stop::Wrong(format!("{durable} bytes of a file of {} are durable", bytes.len())));
                };
                for chunk in rest.chunks(CHUNK) {
                    let request = pb::UploadAttachmentRequest { content: Some(Content::Chunk(chunk.to_vec().into())) };
                    sender.try_send(request).map_err(|error| gone(error.to_string()))?;
                }
                is_sent = true;
            }
        }
        Err(Stop::Cut("the upload ended".into()))
    }

    async fn post(&self, ground: &Ground, channel: &Channel, number: u64) -> Result<(String, String), tonic::Status> {
        let file = pb::AttachmentDraft {
            upload_id: id(ground, self.who, number, "upload"),
            name: format!("{number}.log"),
            media_type: String::new(),
            material: pb::Material::Information as i32,
        };
        let draft = pb::MessageDraft {
            material: pb::Material::Information as i32,
            tlp: pb::Tlp::AmberStrict as i32,
            text: text_of(self.who, number),
            attachments: vec![file],
            ..pb::MessageDraft::default()
        };
        let request = pb::PostMessageRequest {
            request_id: id(ground, self.who, number, "post"),
            room_id: ground.room(self.who).map_err(tonic::Status::internal)?,
            draft: Some(draft),
        };
        let posted = Ground::messages(channel.clone()).post_message(request).await?.into_inner();
        let attachment = posted.attachment_message_ids.into_iter().next().unwrap_or_default();
        Ok((posted.message_id, attachment))
    }
}

/// Every acknowledged file is there once and whole, for its source and the coordinator; and no message stands without its file.
/// How many there are.
pub(crate) async fn are_whole(ground: &Ground, port: u16) -> Result<u64, Wrong> {
    let mut count = 0;
    for who in ground.seats().filter(|who| Files::is_for(ground, *who)) {
        let files = Files::load(ground, who)?.files;
        let coordinator = ground.seats_of(who / (ground.size.organisations + 1)).next().unwrap_or_default();
        for reader in [who, coordinator] {
            let channel = ground.connect(port, reader).await?;
            let shown = shown(ground, channel.clone(), reader).await?;
            let there: Vec<Option<(String, String)>> = shown.iter().map(|(ids, _)| Some(ids.clone())).collect();
            if there != files {
                return Err(format!(
                    "{} has {} messages with files, of {} that were acknowledged to {}",
                    ground.name(reader),
                    there.len(),
                    files.len(),
                    ground.name(who)
                ));
            }
            for (number, ((_, attachment), file)) in (0..).zip(shown) {
                let bytes = bytes_of(ground, who, number);
                let is_told = file.size_bytes == bytes.len() as u64 && file.sha256 == Sha256::digest(&bytes)[..];
                // All of them would take longer than what is tried: those that were under way last, and some of the others.
                let is_looked_at = number + 8 >= files.len() as u64 || random(ground.seed, number).is_multiple_of(8);
                let is_same = !is_looked_at || bytes == download(ground, channel.clone(), reader, &attachment).await?;
                if !is_told || !is_same {
                    return Err(format!("file {number} of {} is another than was attached", ground.name(who)));
                }
            }
        }
        count += files.len() as u64;
    }
    Ok(count)
}

type Shown = ((String, String), pb::Attachment);

/// The attachments of a mailbox, in order, each with the message that carries it, which must be there, too.
async fn shown(ground: &Ground, channel: Channel, reader: Who) -> Result<Vec<Shown>, Wrong> {
    let mut client = Ground::messages(channel);
    let room_id = ground.room(reader)?;
    let (mut after_index, mut carriers, mut shown) = (0, BTreeMap::new(), Vec::new());
    loop {
        let request = pb::ListMessagesRequest { room_id: room_id.clone(), after_index, page_size: 1000 };
        let page = said(client.list_messages(request).await)?.into_inner();
        if page.deliveries.is_empty() {
            break;
        }
        after_index += page.deliveries.len() as u64;
        for delivery in page.deliveries {
            let Some(delivery::Content::Message(message)) = delivery.content else { continue };
            match message.attachment {
                Some(file) => shown.push(((file.carrier_message_id.clone(), message.message_id), file)),
                None if message.text.starts_with(CARRIER) => drop(carriers.insert(message.message_id, message.text)),
                None => {}
            }
        }
    }
    if carriers.len() != shown.len() {
        return Err(format!("{} messages say that they carry a file, and there are {}", carriers.len(), shown.len()));
    }
    match shown.iter().find(|((carrier, _), _)| !carriers.contains_key(carrier)) {
        Some(((carrier, _), _)) => Err(format!("a file hangs on message {carrier}, which is not there")),
        None => Ok(shown),
    }
}

async fn download(ground: &Ground, channel: Channel, reader: Who, attachment: &str) -> Result<Vec<u8>, Wrong> {
    let request = pb::DownloadAttachmentRequest {
        room_id: ground.room(reader)?,
        message_id: attachment.to_owned(),
        offset_bytes: 0,
        length_bytes: 0,
    };
    let mut answers = said(AttachmentServiceClient::new(channel).download_attachment(request).await)?.into_inner();
    let mut bytes = Vec::new();
    while let Some(answer) = said(answers.message().await)? {
        bytes.extend_from_slice(&answer.chunk);
    }
    Ok(bytes)
}
