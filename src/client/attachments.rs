//! How do files go up and come down, through cut connections?
//!
//! An upload asks how far the server durably has the file, and goes on from there; a download goes on where it was. Neither holds more
//! than some chunks in memory. Whether what came is what was posted is for the caller to check: its SHA-256 stands in the delivery.
//! Tested in `tests/it`.

use std::path::Path;

use bytes::Bytes;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming};

use super::error::{ClientError, Failure};
use super::{Client, TRIES_MAX, backoff, pb};
use crate::limits;
use pb::upload_attachment_request::Content;

/// Chunks that are read ahead of what is sent.
const CHUNKS_AHEAD: usize = 2;

/// What is uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileToUpload<'a> {
    /// UUID of the room.
    pub room_id: &'a str,
    /// UUID, the same each time that this file is tried.
    pub upload_id: &'a str,
    /// The file.
    pub path: &'a Path,
    /// Its bytes.
    pub size: u64,
    /// Of all its bytes.
    pub sha256: [u8; 32],
}

/// How a try ended.
enum End {
    Complete,
    Interrupted(Failure),
}

impl Client {
    /// Uploads a file, or the rest of it, and tells how many bytes are durable as they become so. When it returns, the upload can be
    /// posted.
    pub async fn upload(&self, file: &FileToUpload<'_>, mut on_progress: impl FnMut(u64)) -> Result<(), ClientError> {
        let (mut failed, mut durable) = (0, 0);
        loop {
            let before = durable;
            let failure = match self.upload_once(file, &mut durable, &mut on_progress).await? {
                End::Complete => return Ok(()),
                End::Interrupted(failure) => failure,
            };
            let address = self.transport.address();
            let problem = match failure {
                Failure::Final(verdict) => return Err(verdict.into_error(address, "")),
                Failure::Again { problem, .. } => problem,
            };
            failed = if durable > before { 1 } else { failed + 1 };
            if failed >= TRIES_MAX {
                return Err(ClientError::NotReachable { address: address.into(), problem });
            }
            tracing::debug!(failed, durable, %problem, "upload was cut, resuming");
            sleep(backoff(failed)).await;
        }
    }

    async fn upload_once(
        &self,
        file: &FileToUpload<'_>,
        durable: &mut u64,
        on_progress: &mut impl FnMut(u64),
    ) -> Result<End, ClientError> {
        let transport = &self.transport;
        let (sender, requests) = mpsc::channel(CHUNKS_AHEAD);
        let start = pb::UploadStart {
            room_id: file.room_id.into(),
            upload_id: file.upload_id.into(),
            size_bytes: file.size,
            sha256: Bytes::copy_from_slice(&file.sha256),
        };
        let start = pb::UploadAttachmentRequest { content: Some(Content::Start(start)) };
        let _ = sender.send(start).await;
        let request = Request::new(ReceiverStream::new(requests));
        let mut answers = match transport.answer(transport.attachments().upload_attachment(request)).await {
            Ok(response) => response.into_inner(),
            Err(failure) => return Ok(End::Interrupted(failure)),
        };
        let mut sending = None;
        let end = loop {
            let answer = match transport.answer(answers.message()).await {
                Ok(Some(answer)) => answer,
                Ok(None) => {
                    let problem = "the server ended the stream".to_owned();
                    break End::Interrupted(Failure::Again { problem, maybe_written: false });
                }
                Err(failure) => break End::Interrupted(failure),
            };
            *durable = answer.durable_bytes;
            on_progress(answer.durable_bytes);
            if answer.complete {
                break End::Complete;
            }
            if sending.is_none() {
                let sent = send(file.path.to_owned(), answer.durable_bytes, sender.clone());
                sending = Some(tokio::spawn(sent));
            }
        };
        if let Some(sending) = sending {
            sending.abort();
            // The file could not be read: that is ours to tell, whatever the server says of what did not come.
            if let Ok(Err(error)) = sending.await {
                return Err(ClientError::Failed(format!("{}: {error}", file.path.display())));
            }
        }
        Ok(end)
    }

    /// Downloads an attachment from `offset` on. Connects on the first [`Download::next`].
    pub fn download(&self, room_id: &str, message_id: &str, offset: u64, size: u64) -> Download {
        Download {
            client: self.clone(),
            room_id: room_id.into(),
            message_id: message_id.into(),
            offset,
            size,
            stream: None,
            failed: 0,
        }
    }
}

async fn send(
    path: std::path::PathBuf,
    offset: u64,
    sender: mpsc::Sender<pb::UploadAttachmentRequest>,
) -> std::io::Result<()> {
    let mut file = File::open(&path).await?;
    file.set_max_buf_size(limits::CONTENT_CHUNK_BYTES_MAX);
    file.seek(std::io::SeekFrom::Start(offset)).await?;
    loop {
        let mut chunk = bytes::BytesMut::with_capacity(limits::CONTENT_CHUNK_BYTES_MAX);
        let read = file.read_buf(&mut chunk).await?;
        let request = pb::UploadAttachmentRequest { content: Some(Content::Chunk(chunk.freeze())) };
        if read == 0 || sender.send(request).await.is_err() {
            return Ok(());
        }
    }
}

/// An attachment that is being given.
pub struct Download {
    client: Client,
    room_id: String,
    message_id: String,
    offset: u64,
    size: u64,
    stream: Option<Streaming<pb::DownloadAttachmentResponse>>,
    /// Tries since the last bytes.
    failed: u32,
}

impl Download {
    /// The next bytes; `None` after the last. An error is the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        while self.offset < self.size {
            let failure = match self.try_next().await {
                Ok(bytes) => {
                    self.failed = 0;
                    self.offset += bytes.len() as u64;
                    return Ok(Some(bytes));
                }
                Err(failure) => failure,
            };
            self.stream = None;
            self.failed += 1;
            let address = self.client.transport.address();
            match failure {
                Failure::Final(verdict) => return Err(verdict.into_error(address, "")),
                Failure::Again { problem, .. } if self.failed >= TRIES_MAX => {
                    return Err(ClientError::NotReachable { address: address.into(), problem });
                }
                Failure::Again { problem, .. } => tracing::debug!(%problem, "download was cut, resuming"),
            }
            sleep(backoff(self.failed)).await;
        }
        Ok(None)
    }

    async fn try_next(&mut self) -> Result<Bytes, Failure> {
        let transport = &self.client.transport;
        if self.stream.is_none() {
            let request = pb::DownloadAttachmentRequest {
                room_id: self.room_id.clone(),
                message_id: self.message_id.clone(),
                offset_bytes: self.offset,
                length_bytes: 0,
            };
            let begun = transport.answer(transport.attachments().download_attachment(Request::new(request))).await?;
            self.stream = Some(begun.into_inner());
        }
        let ended = || Failure::Again { problem: "the server ended the stream early".into(), maybe_written: false };
        let Some(stream) = &mut self.stream else { return Err(ended()) };
        let answer = transport.answer(stream.message()).await?.ok_or_else(ended)?;
        Ok(answer.chunk)
    }
}
