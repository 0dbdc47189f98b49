//! One upload: how far is it durable, and is it what was announced?
//!
//! While one part is written, the next is received; more is not taken before the first is written. Some parts
//! at a time are made durable beside that. So a transfer holds about two parts
//! in memory, whatever its size, and the sender is held back by the disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Begun, ContentError, Contents, END, Place, failed, part};
use crate::engine::Failure;
use crate::limits::CONTENT_PART_BYTES;
use crate::room::event::Content;
use crate::room::refusal::Refusal;

/// Parts that are made durable at once: for a folder, one commit of its file system's journal.
const SYNC_PARTS_MAX: usize = 16;
/// Between two syncs, however little comes.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// A part that was written, and how it went.
struct Written {
    hasher: Sha256,
    number: u32,
    /// Bytes of the file.
    length: u64,
    outcome: Result<(), ContentError>,
}

/// An upload under way.
pub struct Upload {
    contents: Arc<Contents>,
    place: Place,
    size: u64,
    sha256: [u8; 32],
    /// Bytes that were received.
    received: u64,
    /// Bytes that were written.
    written: u64,
    /// Bytes that are durable.
    durable: u64,
    /// Parts that were written and are not known to be durable.
    unsynced: Vec<u32>,
    synced_at: Instant,
    /// What is being made durable, up to so many bytes.
    syncing: Option<(u64, JoinHandle<Result<(), ContentError>>)>,
    /// The part that is being received.
    part: Vec<u8>,
    /// Of all parts that were written. `None` while one is written.
    hasher: Option<Sha256>,
    writing: Option<JoinHandle<Written>>,
    is_complete: bool,
    taken_over: CancellationToken,
    /// Also of what is still being written: nobody else goes on before that has ended.
    turn: Arc<OwnedMutexGuard<()>>,
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Cut before anything of it was there: it is none of those that wait to be posted.
        if self.written == 0 && self.writing.is_none() {
            let turn = OwnedMutexGuard::mutex(&self.turn);
            // Held by the note and by this; somebody who waits for the turn goes on with it.
            let is_ours = |begun: &Begun| Arc::ptr_eq(&begun.turn, turn) && Arc::strong_count(turn) == 2;
            self.contents.forget(self.place.content, is_ours);
        }
    }
}

impl Upload {
    /// Begins an upload, or goes on with it: [`Self::durable`] says from where. `size`: bytes, at least one.
    pub async fn begin(contents: &Arc<Contents>, place: Place, size: u64, sha256: [u8; 32]) -> Result<Self, Failure> {
        let (taken_over, turn) = contents.begin(&place).await?;
        let mut upload = Self {
            contents: contents.clone(),
            place,
            size,
            sha256,
            received: 0,
            written: 0,
            durable: 0,
            unsynced: Vec::new(),
            synced_at: Instant::now(),
            syncing: None,
            part: Vec::new(),
            hasher: Some(Sha256::new()),
            writing: None,
            is_complete: false,
            taken_over,
            turn: Arc::new(turn),
        };
        match upload.contents.read_end(&upload.place).await {
            Ok(end) if end == (size, sha256) => {
                (upload.durable, upload.written, upload.received, upload.is_complete) = (size, size, size, true);
            }
            Ok(_) => {
                return Err(invalid("start.upload_id", "was used for another file, which is complete; draw a new one"));
            }
            Err(ContentError::Missing | ContentError::Damaged(_)) => {
                upload.read_what_is_there().await?;
                // Cut between its last part and its end: nobody will send anything more.
                if upload.is_received() {
                    upload.finish().await?;
                }
            }
            Err(error) => return Err(failed(&upload.place, &error)),
        }
        Ok(upload)
    }

    /// The whole parts that an earlier stream has brought.
    async fn read_what_is_there(&mut self) -> Result<(), Failure> {
        let mut buffer = Vec::new();
        while self.written < self.size {
            let length = self.length_of_next();
            let number = part_number(self.written);
            let read = tokio::select! {
                read = self.contents.read_part(&self.place, number, length, buffer) => read,
                () = self.taken_over.cancelled() => return Err(Failure::UploadTakenOver),
            };
            match read {
                Ok(part) => {
                    let mut hasher = self.hasher.take().unwrap_or_default();
                    let hashed = tokio::task::spawn_blocking(move || {
                        hasher.update(part.bytes());
                        (hasher, part.into_buffer())
                    });
                    let (hasher, emptied) = hashed.await.map_err(|_| Failure::ShuttingDown)?;
                    (self.hasher, buffer) = (Some(hasher), emptied);
                    self.written += length as u64;
                    // It may be in the system's memory only.
                    self.unsynced.push(number);
                }
                // Cut while it was written, or never begun: from here on.
                Err(ContentError::Missing | ContentError::Damaged(_)) => break,
                Err(error) => return Err(failed(&self.place, &error)),
            }
        }
        self.received = self.written;
        self.sync();
        self.wait_for_sync().await
    }

    /// Bytes from the beginning that are durable.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Whether all of it is durable and is what was announced.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether all of it was received.
    pub fn is_received(&self) -> bool {
        self.received == self.size
    }

    /// Whether some parts that came are not known to be durable.
    pub fn is_unsettled(&self) -> bool {
        self.writing.is_some() || self.syncing.is_some() || !self.unsynced.is_empty()
    }

    /// Makes durable what whole parts have come: for a sender that pauses.
    pub async fn settle(&mut self) -> Result<(), Failure> {
        self.wait_for_part().await?;
        self.wait_for_sync().await?;
        if !self.unsynced.is_empty() {
            self.sync();
        }
        self.wait_for_sync().await
    }

    /// Resolves when the same upload is begun anew elsewhere.
    pub fn taken_over(&self) -> CancellationToken {
        self.taken_over.clone()
    }

    fn length_of_next(&self) -> usize {
        usize::try_from(self.size - self.written).unwrap_or(usize::MAX).min(CONTENT_PART_BYTES)
    }

    /// Takes the next bytes; returns when there is room for more. After an error nothing of the upload is left.
    pub async fn push(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        if self.received + bytes.len() as u64 > self.size {
            self.abandon().await;
            return Err(invalid("chunk", "the file is longer than start.size_bytes says; nothing of it is kept"));
        }
        while !bytes.is_empty() {
            if self.part.capacity() == 0 {
                self.part = part::room_for(CONTENT_PART_BYTES.min((self.size - self.received) as usize));
            }
            let (now, rest) = bytes.split_at(bytes.len().min(CONTENT_PART_BYTES - part::length(&self.part)));
            self.part.extend_from_slice(now);
            self.received += now.len() as u64;
            bytes = rest;
            if part::length(&self.part) == CONTENT_PART_BYTES || self.received == self.size {
                self.wait_for_part().await?;
                self.write_part();
            }
        }
        Ok(())
    }

    fn write_part(&mut self) {
        let bytes = std::mem::take(&mut self.part);
        let (contents, place) = (self.contents.clone(), self.place.clone());
        let number = part_number(self.received - part::length(&bytes) as u64);
        let length = part::length(&bytes) as u64;
        let mut hasher = self.hasher.take().unwrap_or_default();
        let (tasks, turn) = (self.contents.clone(), self.turn.clone());
        self.writing = Some(tasks.spawn(async move {
            let _turn = turn;
            let (store, sealed_place) = (contents.store.clone(), place.clone());
            let sealed = tokio::task::spawn_blocking(move || {
                hasher.update(part::bytes(&bytes));
                (hasher, part::seal(store.vault(), &sealed_place, number, bytes))
            });
            let (hasher, outcome) = match sealed.await {
                Ok((hasher, Ok(sealed))) => (hasher, contents.put(&place, number, sealed).await),
                Ok((hasher, Err(error))) => (hasher, Err(error)),
                Err(_) => (Sha256::new(), Err(ContentError::Failed("sealing it panicked".into()))),
            };
            Written { hasher, number, length, outcome }
        }));
    }

    /// Waits for the part that is being written.
    async fn wait_for_part(&mut self) -> Result<(), Failure> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let Written { hasher, number, length, outcome } = writing.await.map_err(|_| Failure::ShuttingDown)?;
        self.writing = None;
        self.hasher = Some(hasher);
        if let Err(error) = outcome {
            // A full disk gets its space back; what else is there, the next stream goes on with.
            if error == ContentError::Full {
                self.abandon().await;
            }
            return Err(failed(&self.place, &error));
        }
        self.written += length;
        self.unsynced.push(number);
        let is_due = self.unsynced.len() >= SYNC_PARTS_MAX
            || self.synced_at.elapsed() >= SYNC_EVERY
            || self.written == self.size;
        if is_due || self.syncing.as_ref().is_some_and(|(_, syncing)| syncing.is_finished()) {
            self.wait_for_sync().await?;
        }
        if is_due {
            self.sync();
        }
        Ok(())
    }

    /// Begins to make durable what was written.
    fn sync(&mut self) {
        let (contents, place, turn) = (self.contents.clone(), self.place.clone(), self.turn.clone());
        let parts = std::mem::take(&mut self.unsynced);
        let syncing = self.contents.spawn(async move {
            let _turn = turn;
            contents.sync(&place, &parts).await
        });
        (self.syncing, self.synced_at) = (Some((self.written, syncing)), Instant::now());
    }

    /// Waits until what is being made durable is.
    async fn wait_for_sync(&mut self) -> Result<(), Failure> {
        let Some((upto, syncing)) = &mut self.syncing else { return Ok(()) };
        let (upto, synced) = (*upto, syncing.await.map_err(|_| Failure::ShuttingDown)?);
        self.syncing = None;
        if let Err(error) = synced {
            // It is said once only: what was written before can't be relied on any more.
            self.abandon().await;
            return Err(failed(&self.place, &error));
        }
        self.durable = upto;
        Ok(())
    }

    /// Waits until all that was received is durable, and if that is all, that it is what was announced.
    pub async fn finish(&mut self) -> Result<Content, Failure> {
        let content = Content { id: self.place.content, size: self.size, sha256: self.sha256 };
        if self.is_complete {
            return Ok(content);
        }
        self.wait_for_part().await?;
        self.wait_for_sync().await?;
        if self.received < self.size {
            self.abandon().await;
            return Err(invalid("chunk", "the file is shorter than start.size_bytes says; nothing of it is kept"));
        }
        let digest: [u8; 32] = self.hasher.take().unwrap_or_default().finalize().into();
        if digest != self.sha256 {
            self.abandon().await;
            return Err(invalid("start.sha256", "is not the SHA-256 of what was sent; nothing of it is kept"));
        }
        let mut ended = self.contents.write_end(&self.place, self.size, &self.sha256).await;
        let is_written = ended.is_ok();
        if is_written {
            ended = self.contents.sync(&self.place, &[END]).await;
        }
        if let Err(error) = ended {
            if is_written || error == ContentError::Full {
                self.abandon().await;
            }
            return Err(failed(&self.place, &error));
        }
        self.is_complete = true;
        Ok(content)
    }

    /// Leaves nothing of it.
    async fn abandon(&mut self) {
        if let Some(writing) = self.writing.take() {
            let _ = writing.await;
        }
        if let Some((_, syncing)) = self.syncing.take() {
            let _ = syncing.await;
        }
        if let Err(error) = self.contents.remove(self.place.content).await {
            tracing::warn!(%error, "an upload that was refused could not be removed yet");
        }
    }
}

fn part_number(offset: u64) -> u32 {
    // A content is at most 4 GiB: 4096 parts.
    (offset / CONTENT_PART_BYTES as u64) as u32
}

fn invalid(field: &'static str, rule: &'static str) -> Failure {
    Refusal::Invalid { field, rule }.into()
}
