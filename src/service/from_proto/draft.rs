//! A message before it is posted, and a relay before it is published, as requests have them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fields::Fields;
use super::words;
use crate::api;
use crate::file_name;
use crate::limits;
use crate::room::event::{AttachmentDraft, Draft, RelayDraft};
use crate::room::ids::{ActorKind, MessageId, UploadId};
use crate::room::words::Tlp;

/// The draft of a request, which is required.
pub(super) fn draft(fields: &mut Fields, draft: Option<api::MessageDraft>) -> Option<Draft> {
    let api::MessageDraft {
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
    } = fields.required("draft", draft)?;
    let attachments = self::attachments(fields, &attachments);
    let material = fields.word(|| "draft.material".to_owned(), material, words::material);
    let tlp = fields.word(|| "draft.tlp".to_owned(), tlp, words::tlp);
    fields.text("draft.text", &text, limits::TEXT_BYTES_MAX);
    if let Some(tlp) = tlp {
        narrowing(fields, tlp, coordinator_only, !recipients.is_empty(), !red_actors.is_empty());
    }
    let recipients = fields.names("draft.recipients", &recipients);
    let names =
        if fields.at_most("draft.red_actors", &red_actors, limits::RECIPIENTS_MAX) { red_actors } else { vec![] };
    let mut seen = BTreeSet::new();
    let mut red_actors = Vec::with_capacity(names.len());
    for (i, text) in names.iter().enumerate() {
        let at = || format!("draft.red_actors[{i}]");
        if let Some(actor) = fields.actor(at, text) {
            if actor.kind != ActorKind::User {
                fields.wrong(at(), "must be a person: org/<organisation>/user/<name>, not a service");
            }
            fields.once(&mut seen, actor.clone(), at);
            red_actors.push(actor);
        }
    }
    let in_reply_to = fields.optional_message("draft.in_reply_to", &in_reply_to);
    let occurred_at = occurred_time.and_then(|time| fields.time("draft.occurred_time", time));
    let supersedes = fields.optional_message("draft.supersedes", &supersedes);
    let acknowledge_by = acknowledge_by_time.and_then(|time| fields.time("draft.acknowledge_by_time", time));
    Some(Draft {
        material: material?,
        tlp: tlp?,
        text: Arc::from(text),
        recipients,
        red_actors,
        coordinator_only,
        in_reply_to,
        occurred_at,
        supersedes,
        acknowledge_by,
        attachments,
    })
}

/// The files that come with a draft; what was uploaded for each is found later.
fn attachments(fields: &mut Fields, drafts: &[api::AttachmentDraft]) -> Vec<AttachmentDraft> {
    if !fields.at_most("draft.attachments", drafts, limits::ATTACHMENTS_MAX) {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let mut attachments = Vec::with_capacity(drafts.len());
    for (i, draft) in drafts.iter().enumerate() {
        let api::AttachmentDraft { upload_id, name, media_type, material } = draft;
        let at = |field: &str| format!("draft.attachments[{i}].{field}");
        let upload = fields.uuid(&at("upload_id"), upload_id).map(UploadId);
        if let Some(upload) = upload {
            fields.once(&mut seen, upload, || at("upload_id"));
        }
        if let Err(rule) = file_name::check(name) {
            fields.wrong(at("name"), rule.to_string());
        }
        if !is_media_type(media_type) {
            fields.wrong(at("media_type"), "must be empty, or a media type such as text/plain, at most 255 bytes");
        }
        let material = fields.word(|| at("material"), *material, words::material);
        if let (Some(upload), Some(material)) = (upload, material) {
            let (name, media_type) = (name.as_str().into(), media_type.as_str().into());
            // Its id is drawn when it is posted.
            let id = MessageId(uuid::Uuid::nil());
            attachments.push(AttachmentDraft { id, upload, name, media_type, material, content: None });
        }
    }
    attachments
}

/// Type and subtype (RFC 6838), without parameters.
fn is_media_type(text: &str) -> bool {
    let is_name = |name: &str| {
        let mut characters = name.chars();
        characters.next().is_some_and(|first| first.is_ascii_alphanumeric())
            && characters.all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
            && name.len() <= 127
    };
    text.is_empty() || text.split_once('/').is_some_and(|(kind, sub)| is_name(kind) && is_name(sub))
}

/// The relay of a request, which is required.
pub(super) fn relay(fields: &mut Fields, draft: Option<api::RelayDraft>) -> Option<RelayDraft> {
    let api::RelayDraft { parent_message_ids, material, tlp, text, recipients, supersedes, acknowledge_by_time } =
        fields.required("draft", draft)?;
    let parents = fields.messages("draft.parent_message_ids", &parent_message_ids, limits::PARENTS_MAX);
    let material = fields.word(|| "draft.material".to_owned(), material, words::material);
    let tlp = fields.word(|| "draft.tlp".to_owned(), tlp, words::tlp);
    if tlp == Some(Tlp::Red) {
        fields.wrong("draft.tlp", "must not be TLP:RED, which is for persons; a relay goes to organisations");
    }
    fields.text("draft.text", &text, limits::TEXT_BYTES_MAX);
    let recipients = fields.names("draft.recipients", &recipients);
    let supersedes = fields.optional_message("draft.supersedes", &supersedes);
    let acknowledge_by = acknowledge_by_time.and_then(|time| fields.time("draft.acknowledge_by_time", time));
    Some(RelayDraft {
        parents,
        material: material?,
        tlp: tlp?,
        text: Arc::from(text),
        recipients,
        supersedes,
        acknowledge_by,
    })
}

/// Which ways to narrow a message exclude each other.
fn narrowing(fields: &mut Fields, tlp: Tlp, coordinator_only: bool, recipients: bool, red_actors: bool) {
    match tlp {
        Tlp::Red => {
            if !red_actors {
                fields.wrong(
                    "draft.red_actors",
                    format!(
                        "TLP:RED must name the persons it is for: 1 to {} of org/<organisation>/user/<name>",
                        limits::RECIPIENTS_MAX
                    ),
                );
            }
            if recipients {
                fields.wrong("draft.recipients", "must be empty with TLP:RED, which names persons in red_actors");
            }
            if coordinator_only {
                fields.wrong("draft.coordinator_only", "must be false with TLP:RED, which names persons in red_actors");
            }
        }
        Tlp::Clear | Tlp::Green | Tlp::Amber | Tlp::AmberStrict => {
            if red_actors {
                fields.wrong("draft.red_actors", "must be empty except with TLP:RED");
            }
            if coordinator_only && recipients {
                fields.wrong("draft.recipients", "must be empty with coordinator_only");
            }
        }
    }
}
