//! What attachments hold, on its way in and out. One question: may these bytes still leave?
//!
//! A download has a permit, which the room's task takes back when it takes back what it shows, before it answers (R6): each chunk is
//! asked for at the moment at which HTTP/2 takes it. Upholds: R6, R9 (the record is durable before [`Engine::download`] returns).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::room::Job;
use super::{Engine, Failure, Receiver};
use crate::contents::{self, Contents, Part, Place, StorageError, Upload};
use crate::limits;
use crate::room::disclose::Reader;
use crate::room::event::Draft;
use crate::room::ids::{Actor, MessageId, RoomId, Seq, UploadId};
use crate::room::refusal::Refusal;
use crate::room::state::Status;

/// Between two looks for uploads that nobody goes on with.
const COLLECT_EVERY: Duration = Duration::from_secs(60 * 60);

/// That somebody may be given an attachment, until the room says otherwise.
#[derive(Clone)]
pub(super) struct Permit(Arc<Mutex<Option<Failure>>>);

impl Permit {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    pub(super) fn end(&self, why: Failure) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }

    /// Whether a download has it, besides the room.
    pub(super) fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    fn check(&self) -> Result<(), Failure> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(why) => Err(why.clone()),
        }
    }
}

/// A download that a room knows of.
pub(super) struct Giving {
    pub(super) receiver: Receiver,
    pub(super) seq: Seq,
    pub(super) permit: Permit,
}

/// What a room lets somebody be given.
pub(super) struct Granted {
    pub(super) place: Place,
    pub(super) size: u64,
    pub(super) permit: Permit,
}

impl Engine {
    /// Begins an upload, or goes on with it. A participant of an open room; `size` is 1 byte to the limit that the caller has checked.
    pub async fn upload(
        &self,
        caller: &Actor,
        room: RoomId,
        upload: UploadId,
        size: u64,
        sha256: [u8; 32],
    ) -> Result<Upload, Failure> {
        let actor = caller.clone();
        let may_post = move |state: &crate::room::state::RoomState, _| {
            Reader::new(state, &actor)?;
            if state.status() == Status::Closed { Err(Refusal::RoomClosed) } else { Ok(()) }
        };
        self.ask(caller, room, may_post).await?;
        Upload::begin(&self.0.shared.contents, Place::of_upload(room, caller, upload), size, sha256).await
    }

    /// Finds what was uploaded for the attachments of a draft: for each the upload of the same place. What is not there or not complete
    /// stays without, and is refused when it is posted, unless it was posted before by the same request.
    pub async fn find_uploads(&self, caller: &Actor, room: RoomId, draft: &mut Draft) -> Result<(), Failure> {
        for attachment in &mut draft.attachments {
            let place = Place::of_upload(room, caller, attachment.upload);
            attachment.content = self.0.shared.contents.complete(&place).await?;
        }
        Ok(())
    }

    /// Begins to give an attachment that the caller's mailbox has. When this returns, it is on record. `length`: at most so many bytes.
    pub async fn download(
        &self,
        receiver: &Receiver,
        room: RoomId,
        message: MessageId,
        offset: u64,
        length: Option<u64>,
    ) -> Result<Download, Failure> {
        self.known(room)?;
        let (answer, answered) = oneshot::channel();
        let job = Job::Download { receiver: receiver.clone(), message, offset, answer };
        self.tell_in_turn(&receiver.actor, room, job).await?;
        let Granted { place, size, permit } = answered.await.map_err(|_| Failure::ShuttingDown)??;
        let end = length.map_or(size, |length| size.min(offset.saturating_add(length)));
        let contents = self.0.shared.contents.clone();
        Ok(Download { contents, place, size, next: offset, end, part: None, ahead: None, permit })
    }

    /// What attachments hold.
    pub fn contents(&self) -> &Arc<Contents> {
        &self.0.shared.contents
    }

    /// Removes uploads that nobody goes on with or posts, now and every hour, until the server stops.
    pub fn collect_uploads(&self) {
        let engine = self.clone();
        let tasks = self.0.shared.tasks.clone();
        tasks.spawn(async move {
            let mut at_start = true;
            loop {
                match engine.contents().collect(SystemTime::now(), at_start).await {
                    Ok(0) => {}
                    Ok(removed) => tracing::info!(removed, "uploads that nobody posted were removed"),
                    Err::<_, StorageError>(error) if at_start => {
                        let next = "uploads and downloads are refused until it answers, all else is served; look at what it says, at \
                                    [attachments] in the configuration, and at the credentials";
                        tracing::error!(%error, next, "the storage of attachments can't be used")
                    }
                    Err(error) => {
                        tracing::warn!(%error, "uploads that nobody posted are kept for now")
                    }
                }
                at_start = false;
                tokio::select! {
                    () = tokio::time::sleep(COLLECT_EVERY) => {}
                    () = engine.0.shared.stopping.cancelled() => return,
                }
            }
        });
    }
}

/// An attachment that is being given: its bytes, part by part, each checked.
pub struct Download {
    contents: Arc<Contents>,
    place: Place,
    size: u64,
    next: u64,
    end: u64,
    /// The part at hand, and its number.
    part: Option<(u32, Part)>,
    /// The part after it, on its way.
    ahead: Option<(u32, JoinHandle<Result<Part, contents::ContentError>>)>,
    permit: Permit,
}

impl Download {
    /// The next bytes, at most [`limits::CONTENT_CHUNK_BYTES_MAX`]; `None` at the end. To be sent at once or not at all.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if self.next == self.end {
            return Ok(None);
        }
        self.permit.check()?;
        let part_bytes = limits::CONTENT_PART_BYTES as u64;
        let number = (self.next / part_bytes) as u32;
        if self.part.as_ref().is_none_or(|(at_hand, _)| *at_hand != number) {
            // Two buffers take turns, whatever the size.
            let mut buffer = self.part.take().map(|(_, part)| part.into_buffer()).unwrap_or_default();
            let reading = match self.ahead.take() {
                Some((ahead, reading)) if ahead == number => reading,
                _ => self.read(number, std::mem::take(&mut buffer)),
            };
            let part = reading.await.map_err(|_| Failure::ShuttingDown)?;
            self.part = Some((number, part.map_err(|error| contents::failed(&self.place, &error))?));
            let after = (u64::from(number) + 1) * part_bytes;
            if after < self.end {
                self.ahead = Some((number + 1, self.read(number + 1, buffer)));
            }
        }
        let Some((_, part)) = &self.part else { return Err(Failure::AttachmentDamaged) };
        let bytes = part.bytes();
        let within = (self.next % part_bytes) as usize;
        let left = (self.end - self.next).min((bytes.len() - within) as u64);
        let length = (left as usize).min(limits::CONTENT_CHUNK_BYTES_MAX);
        let chunk = Bytes::copy_from_slice(&bytes[within..within + length]);
        // Reading it took its time.
        self.permit.check()?;
        self.next += length as u64;
        Ok(Some(chunk))
    }

    fn read(&self, number: u32, buffer: Vec<u8>) -> JoinHandle<Result<Part, contents::ContentError>> {
        let (contents, place) = (self.contents.clone(), self.place.clone());
        let part_bytes = limits::CONTENT_PART_BYTES as u64;
        let length = (self.size - u64::from(number) * part_bytes).min(part_bytes) as usize;
        let tasks = contents.clone();
        tasks.spawn(async move { contents.read_part(&place, number, length, buffer).await })
    }
}
