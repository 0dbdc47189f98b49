//! A message before it is posted, as requests have it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fields::Fields;
use super::words;
use crate::api;
use crate::limits;
use crate::room::event::Draft;
use crate::room::ids::{ActorKind, MessageId};
use crate::room::words::Tlp;

/// The draft of a request, which is required.
pub(super) fn draft(fields: &mut Fields, draft: Option<api::MessageDraft>) -> Option<Draft> {
    let api::MessageDraft { material, tlp, text, recipients, coordinator_only, in_reply_to, occurred_time, red_actors } =
        fields.required("draft", draft)?;
    let material = fields.word(|| "draft.material".to_owned(), material, words::material);
    let tlp = fields.word(|| "draft.tlp".to_owned(), tlp, words::tlp);
    fields.text("draft.text", &text, limits::TEXT_BYTES_MAX);
    if let Some(tlp) = tlp {
        narrowing(fields, tlp, coordinator_only, !recipients.is_empty(), !red_actors.is_empty());
    }
    let names =
        if fields.at_most("draft.recipients", &recipients, limits::RECIPIENTS_MAX) { recipients } else { vec![] };
    let mut seen = BTreeSet::new();
    let mut recipients = Vec::with_capacity(names.len());
    for (i, text) in names.iter().enumerate() {
        let at = || format!("draft.recipients[{i}]");
        if let Some(name) = fields.name(at, text) {
            fields.once(&mut seen, name.clone(), at);
            recipients.push(name);
        }
    }
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
    let in_reply_to = match in_reply_to.as_str() {
        "" => None,
        id => fields.uuid("draft.in_reply_to", id).map(MessageId),
    };
    let occurred_at = occurred_time.and_then(|time| fields.time("draft.occurred_time", time));
    Some(Draft {
        material: material?,
        tlp: tlp?,
        text: Arc::from(text),
        recipients,
        red_actors,
        coordinator_only,
        in_reply_to,
        occurred_at,
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
