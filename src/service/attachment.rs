//! `samverkan.v1.AttachmentService`: bytes up and down. The promises are the comments in attachment.proto.
//!
//! An upload reads the next request only when what came before is on its way to the disk, so a fast sender is held back by HTTP/2; a
//! download makes the next answer when HTTP/2 asks for it, and asks the room for leave at that moment (R6).

use std::time::Duration;

use tonic::{Request, Response, Status, Streaming};

use super::call::Call;
use super::message::{Answers, Source, answers};
use super::status::{self, CallError};
use super::streams::OpenStream;
use super::{Edge, authorisation, from_proto};
use crate::api::{self, attachment_service_server::AttachmentService, upload_attachment_request::Content};
use crate::contents::Upload;
use crate::engine::{Download, Failure};
use crate::limits;

/// A sender that pauses for so long is told how far its file is durable.
const SETTLE_AFTER: Duration = Duration::from_millis(100);

#[tonic::async_trait]
impl AttachmentService for Edge {
    type UploadAttachmentStream = Answers<api::UploadAttachmentResponse>;

    async fn upload_attachment(
        &self,
        request: Request<Streaming<api::UploadAttachmentRequest>>,
    ) -> Result<Response<Self::UploadAttachmentStream>, Status> {
        self.unary(authorisation::UPLOAD_ATTACHMENT, request, upload_attachment).await
    }

    type DownloadAttachmentStream = Answers<api::DownloadAttachmentResponse>;

    async fn download_attachment(
        &self,
        request: Request<api::DownloadAttachmentRequest>,
    ) -> Result<Response<Self::DownloadAttachmentStream>, Status> {
        self.unary(authorisation::DOWNLOAD_ATTACHMENT, request, download_attachment).await
    }
}

async fn upload_attachment(
    call: Call,
    requests: Streaming<api::UploadAttachmentRequest>,
) -> Result<Answers<api::UploadAttachmentResponse>, CallError> {
    let open = call.shared().streams.open(&call.caller, call.is_coordinator())?;
    Ok(answers(Uploading { call, requests, upload: None, is_over: false, _open: open }))
}

async fn download_attachment(
    call: Call,
    request: api::DownloadAttachmentRequest,
) -> Result<Answers<api::DownloadAttachmentResponse>, CallError> {
    let (room, message, offset, length) = from_proto::download_attachment(&request)?;
    let open = call.shared().streams.open(&call.caller, call.is_coordinator())?;
    let download = call.engine().download(&call.receiver(), room, message, offset, length).await?;
    Ok(answers(Downloading { call, download, _open: open }))
}

/// An upload under way.
struct Uploading {
    call: Call,
    requests: Streaming<api::UploadAttachmentRequest>,
    /// `None` before the start has come.
    upload: Option<Upload>,
    is_over: bool,
    _open: OpenStream,
}

/// How an upload's stream goes on.
enum Step {
    Answer(api::UploadAttachmentResponse),
    /// The stream of requests was cut: what is durable stays.
    Cut(Status),
}

impl Uploading {
    async fn received(&mut self) -> Result<Result<Option<Content>, Status>, CallError> {
        let Self { call, requests, upload, .. } = self;
        let taken_over = upload.as_ref().map(Upload::taken_over).unwrap_or_default();
        let received = tokio::select! {
            biased;
            () = call.caller.cancelled() => return Err(CallError::cut(&call.caller)),
            () = call.shared().stopping.cancelled() => return Err(Failure::ShuttingDown.into()),
            () = taken_over.cancelled() => return Err(Failure::UploadTakenOver.into()),
            received = requests.message() => received,
        };
        match received {
            Ok(None) => Ok(Ok(None)),
            Ok(Some(api::UploadAttachmentRequest { content: Some(content) })) => Ok(Ok(Some(content))),
            Ok(Some(_)) => Err(CallError::invalid("content", "must be set: a start first, then chunks")),
            Err(status) => Ok(Err(status)),
        }
    }

    async fn step(&mut self) -> Result<Step, CallError> {
        let Some(upload) = &self.upload else {
            let start = match self.received().await? {
                Ok(Some(Content::Start(start))) => start,
                Ok(_) => return Err(CallError::invalid("start", "must be the first request of the stream")),
                Err(status) => return Ok(Step::Cut(status)),
            };
            let size_max = self.call.engine().attachment_bytes_max();
            let (room, id, size, sha256) = from_proto::upload_start(&start, size_max)?;
            let upload = self.call.engine().upload(self.call.actor(), room, id, size, sha256).await?;
            return Ok(Step::Answer(self.answer(upload)));
        };
        let durable = upload.durable();
        loop {
            let is_unsettled = self.upload.as_ref().is_some_and(Upload::is_unsettled);
            let received = tokio::select! {
                received = self.received() => Some(received?),
                () = tokio::time::sleep(SETTLE_AFTER), if is_unsettled => None,
            };
            let Some(upload) = &mut self.upload else { return Err(Failure::ShuttingDown.into()) };
            let Some(received) = received else {
                upload.settle().await?;
                if upload.durable() > durable {
                    let (durable_bytes, complete) = (upload.durable(), false);
                    return Ok(Step::Answer(api::UploadAttachmentResponse { durable_bytes, complete }));
                }
                continue;
            };
            match received {
                Ok(Some(Content::Chunk(chunk))) => {
                    if chunk.is_empty() || chunk.len() > limits::CONTENT_CHUNK_BYTES_MAX {
                        return Err(CallError::invalid("chunk", "must be 1 byte to 128 KiB"));
                    }
                    upload.push(&chunk).await?;
                }
                Ok(Some(Content::Start(_))) => {
                    return Err(CallError::invalid("start", "must be the first request of the stream, and no other"));
                }
                Ok(None) => drop(upload.finish().await?),
                Err(status) => return Ok(Step::Cut(status)),
            }
            if upload.is_received() {
                upload.finish().await?;
            }
            if upload.durable() > durable || upload.is_complete() {
                let (durable_bytes, complete) = (upload.durable(), upload.is_complete());
                self.is_over |= complete;
                return Ok(Step::Answer(api::UploadAttachmentResponse { durable_bytes, complete }));
            }
        }
    }

    fn answer(&mut self, upload: Upload) -> api::UploadAttachmentResponse {
        let (durable_bytes, complete) = (upload.durable(), upload.is_complete());
        self.is_over = complete;
        self.upload = Some(upload);
        api::UploadAttachmentResponse { durable_bytes, complete }
    }
}

impl Source for Uploading {
    type Answer = api::UploadAttachmentResponse;

    fn call(&self) -> &Call {
        &self.call
    }

    async fn next(&mut self) -> Option<Result<api::UploadAttachmentResponse, Status>> {
        if self.is_over {
            return None;
        }
        let effect = self.call.method.effect;
        match self.step().await {
            Ok(Step::Answer(answer)) => Some(Ok(answer)),
            Ok(Step::Cut(status)) => Some(Err(status::of_requests(&status, effect))),
            Err(error) => Some(Err(error.status(effect))),
        }
    }
}

/// A download under way.
struct Downloading {
    call: Call,
    download: Download,
    _open: OpenStream,
}

impl Downloading {
    async fn chunk(&mut self) -> Result<Option<api::DownloadAttachmentResponse>, CallError> {
        let Self { call, download, _open } = self;
        let chunk = tokio::select! {
            biased;
            () = call.caller.cancelled() => return Err(CallError::cut(&call.caller)),
            () = call.shared().stopping.cancelled() => return Err(Failure::ShuttingDown.into()),
            chunk = download.next() => chunk?,
        };
        Ok(chunk.map(|chunk| api::DownloadAttachmentResponse { chunk }))
    }
}

impl Source for Downloading {
    type Answer = api::DownloadAttachmentResponse;

    fn call(&self) -> &Call {
        &self.call
    }

    async fn next(&mut self) -> Option<Result<api::DownloadAttachmentResponse, Status>> {
        self.chunk().await.map_err(|error| error.status(self.call.method.effect)).transpose()
    }
}
