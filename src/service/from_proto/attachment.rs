//! What goes up, and what is wanted down.

use bytes::Bytes;

use super::fields::Fields;
use crate::api;
use crate::room::ids::{MessageId, RoomId, UploadId};
use crate::service::status::CallError;

/// Which room, which upload, how many bytes, and their SHA-256.
pub(in crate::service) type Starting = (RoomId, UploadId, u64, [u8; 32]);

/// `size_max`: the most bytes that a file may have here.
pub(in crate::service) fn upload_start(start: &api::UploadStart, size_max: u64) -> Result<Starting, CallError> {
    let api::UploadStart { room_id, upload_id, size_bytes, sha256 } = start;
    let mut fields = Fields::default();
    let room = fields.uuid("start.room_id", room_id).map(RoomId);
    let upload = fields.uuid("start.upload_id", upload_id).map(UploadId);
    if *size_bytes == 0 {
        fields.wrong("start.size_bytes", "must not be 0: an empty file says nothing");
    } else if *size_bytes > size_max {
        fields.wrong("start.size_bytes", format!("must be at most {size_max} here, is {size_bytes}"));
    }
    let sha256 = digest(&mut fields, "start.sha256", sha256);
    fields.finish(|| Some((room?, upload?, *size_bytes, sha256?)))
}

fn digest(fields: &mut Fields, field: &str, bytes: &Bytes) -> Option<[u8; 32]> {
    let digest = bytes[..].try_into().ok();
    if digest.is_none() {
        fields.wrong(field, format!("must be the SHA-256 of the file, 32 bytes, is {}", bytes.len()));
    }
    digest
}

/// Which attachment, from where, and how many bytes at most.
pub(in crate::service) type Wanted = (RoomId, MessageId, u64, Option<u64>);

pub(in crate::service) fn download_attachment(request: &api::DownloadAttachmentRequest) -> Result<Wanted, CallError> {
    let api::DownloadAttachmentRequest { room_id, message_id, offset_bytes, length_bytes } = request;
    let mut fields = Fields::default();
    let room = fields.room(room_id);
    let message = fields.uuid("message_id", message_id).map(MessageId);
    let length = (*length_bytes > 0).then_some(*length_bytes);
    fields.finish(|| Some((room?, message?, *offset_bytes, length)))
}

/// Whatever comes on a stream of an upload, as the fuzzer reads it.
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::service) fn fuzzed_upload(request: api::UploadAttachmentRequest) -> Result<(), CallError> {
    match request.content {
        Some(api::upload_attachment_request::Content::Start(start)) => {
            upload_start(&start, crate::limits::ATTACHMENT_BYTES_MAX).map(|_| ())
        }
        Some(api::upload_attachment_request::Content::Chunk(_)) | None => Ok(()),
    }
}
