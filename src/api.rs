//! The public API as generated from `proto/samverkan/v1`: messages, clients, server traits, descriptors. One question: what
//! does the wire look like? Leans on: the build script. Only `service` and `client` may use it. Tested in `tests/it`.

use std::fmt;

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, rustdoc::all)]
mod generated {
    tonic::include_proto!("samverkan.v1");
}

pub use generated::*;

/// The domain of every [`tonic_types::ErrorInfo`] that this API sends.
pub const ERROR_DOMAIN: &str = "samverkan";

/// The header of answers to unary calls from when on the caller's certificate should be renewed, two thirds of its life: when it
/// expires, in seconds since 1970 UTC.
pub const RENEWAL_HEADER: &str = "samverkan-certificate-expires";

/// The encoded `FileDescriptorSet` of `samverkan.v1` and what it imports, for reflection. What is stored is not in it.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/samverkan.v1.descriptors"));

impl ErrorReason {
    /// As it stands in an error: the name of the value without its prefix.
    pub fn as_reason(self) -> &'static str {
        let name = self.as_str_name();
        name.strip_prefix("ERROR_REASON_").unwrap_or(name)
    }
}

// What must not leak must not print: text of messages, answers of reports and contacts are left out, whatever prints them.

impl fmt::Debug for EnrolRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret: _, signing_request } = self;
        f.debug_struct("EnrolRequest").field("signing_request", signing_request).finish_non_exhaustive()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            message_id,
            author,
            material,
            tlp,
            text,
            in_reply_to,
            occurred_time,
            coordinator_only,
            recipients,
            actor,
            supersedes,
            acknowledge_by_time,
            relay,
            attachment,
        } = self;
        f.debug_struct("Message")
            .field("message_id", message_id)
            .field("author", author)
            .field("material", material)
            .field("tlp", tlp)
            .field("text_bytes", &text.len())
            .field("in_reply_to", in_reply_to)
            .field("occurred_time", occurred_time)
            .field("coordinator_only", coordinator_only)
            .field("recipients", recipients)
            .field("actor", actor)
            .field("supersedes", supersedes)
            .field("acknowledge_by_time", acknowledge_by_time)
            .field("relay", relay)
            .field("attachment", attachment)
            .finish()
    }
}

impl fmt::Debug for MessageDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            material,
            tlp,
            text,
            recipients,
            coordinator_only,
            in_reply_to,
            occurred_time,
            red_actors,
            supersedes,
            acknowledge_by_time,
            attachments,
        } = self;
        f.debug_struct("MessageDraft")
            .field("material", material)
            .field("tlp", tlp)
            .field("text_bytes", &text.len())
            .field("recipients", recipients)
            .field("coordinator_only", coordinator_only)
            .field("in_reply_to", in_reply_to)
            .field("occurred_time", occurred_time)
            .field("red_actors", &red_actors.len())
            .field("supersedes", supersedes)
            .field("acknowledge_by_time", acknowledge_by_time)
            .field("attachments", &attachments.len())
            .finish()
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { carrier_message_id, name: _, media_type, size_bytes, sha256: _, on_terms_of_others } = self;
        f.debug_struct("Attachment")
            .field("carrier_message_id", carrier_message_id)
            .field("media_type", media_type)
            .field("size_bytes", size_bytes)
            .field("on_terms_of_others", on_terms_of_others)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AttachmentDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { upload_id, name: _, media_type, material } = self;
        f.debug_struct("AttachmentDraft")
            .field("upload_id", upload_id)
            .field("media_type", media_type)
            .field("material", material)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RelayDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parent_message_ids, material, tlp, text, recipients, supersedes, acknowledge_by_time } = self;
        f.debug_struct("RelayDraft")
            .field("parent_message_ids", parent_message_ids)
            .field("material", material)
            .field("tlp", tlp)
            .field("text_bytes", &text.len())
            .field("recipients", recipients)
            .field("supersedes", supersedes)
            .field("acknowledge_by_time", acknowledge_by_time)
            .finish()
    }
}

impl fmt::Debug for IntroductionAccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntroductionAccepted").finish_non_exhaustive()
    }
}

impl fmt::Debug for IntroductionAnswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { introduction_id, participant, accepted, contact: _ } = self;
        f.debug_struct("IntroductionAnswered")
            .field("introduction_id", introduction_id)
            .field("participant", participant)
            .field("accepted", accepted)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for introduced::Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Side").field("introduction_id", &self.introduction_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for IntakeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntakeReport").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_organisations_tell_in_confidence_does_not_print() {
        let secret = "SECRET".to_owned();
        let draft = MessageDraft { text: secret.clone(), ..MessageDraft::default() };
        let message = Message { text: secret.clone(), ..Message::default() };
        let report = IntakeReport { what_occurred: secret, ..IntakeReport::default() };
        let report = ReportIncidentRequest { request_id: String::new(), report: Some(report) };
        let relay = RelayDraft { text: "SECRET".to_owned(), ..RelayDraft::default() };
        let accepted = IntroductionAccepted { contact: "SECRET".to_owned() };
        let answered = IntroductionAnswered { contact: "SECRET".to_owned(), ..IntroductionAnswered::default() };
        let side = introduced::Side { contact: "SECRET".to_owned(), ..introduced::Side::default() };
        assert!(!format!("{draft:?} {message:?} {report:?}").contains("SECRET"));
        assert!(!format!("{relay:?} {accepted:?} {answered:?} {side:?}").contains("SECRET"));
    }

    #[test]
    fn reasons_are_named_without_their_prefix() {
        assert_eq!(ErrorReason::RoomNotFound.as_reason(), "ROOM_NOT_FOUND");
    }
}
