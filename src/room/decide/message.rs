//! What becomes of messages of one's own. One question: may it be posted, stand for another, be taken back, be acknowledged?

use std::sync::Arc;

use super::{Event, Refusal, RoomState, shown};
use crate::limits;
use crate::room::consent::{Name, Slot};
use crate::room::disclose::{is_message_visible, is_visible};
use crate::room::event::{AttachmentDraft, Draft, File, Message};
use crate::room::ids::{Actor, ActorKind, MessageId, OrganisationId, Seq, Timestamp};
use crate::room::mailbox::Mailboxes;
use crate::room::mutant::{Mutant, is_on};
use crate::room::state::{Narrowed, Posted};
use crate::room::words::Tlp;

/// Checks a draft as `me` sees the room and resolves its names: what [`Event::MessagePosted`] would hold, but for its id.
pub(in crate::room) fn resolve_draft(
    state: &RoomState,
    me: Slot,
    author: &Actor,
    draft: &Draft,
    now: Timestamp,
) -> Result<Message, Refusal> {
    let Draft {
        material,
        tlp,
        text,
        recipients,
        red_actors,
        coordinator_only,
        in_reply_to,
        occurred_at,
        supersedes,
        acknowledge_by,
        attachments,
    } = draft;
    let red = *tlp == Tlp::Red;
    let invalid = |field, rule| Err(Refusal::Invalid { field, rule });
    if red && red_actors.is_empty() {
        return invalid(
            "draft.red_actors",
            "TLP:RED must name the persons it is for, as org/<organisation>/user/<name>",
        );
    }
    if !red && !red_actors.is_empty() {
        return invalid("draft.red_actors", "only with TLP:RED");
    }
    if red && !recipients.is_empty() {
        return invalid("draft.recipients", "must be empty with TLP:RED, which names persons in red_actors");
    }
    if *coordinator_only && red {
        return invalid("draft.coordinator_only", "must be false with TLP:RED, which names persons in red_actors");
    }
    if *coordinator_only && !recipients.is_empty() {
        return invalid("draft.recipients", "must be empty with coordinator_only");
    }
    if recipients.len() > limits::RECIPIENTS_MAX || red_actors.len() > limits::RECIPIENTS_MAX {
        return invalid("draft.recipients", "at most 256");
    }
    if acknowledge_by.is_some_and(|by| by <= now) {
        return invalid("draft.acknowledge_by_time", "must lie in the future");
    }
    let organisations = organisations(state, me, recipients)?;
    for actor in red_actors {
        if actor.kind != ActorKind::User {
            return invalid("draft.red_actors", "must be persons (user), not services");
        }
        shown(state, me, &Name::Organisation(actor.organisation.clone()))?;
    }
    if let Some(parent) = in_reply_to {
        let seen = state.message(*parent).filter(|&seq| is_message_visible(state, me, author, seq, now));
        seen.ok_or(Refusal::MessageNotVisible)?;
    }
    let message = Message {
        id: MessageId::from_bytes([0; 16]),
        material: *material,
        tlp: *tlp,
        text: text.clone(),
        recipients: organisations,
        red_actors: red_actors.clone(),
        coordinator_only: *coordinator_only,
        in_reply_to: *in_reply_to,
        occurred_at: *occurred_at,
        supersedes: *supersedes,
        acknowledge_by: *acknowledge_by,
        attachments: attachments.iter().map(|attachment| attachment.id).collect(),
        file: None,
    };
    if let Some(old) = supersedes {
        let (_, old) = standing(state, me, author, *old, now)?;
        if old.file.is_some() {
            return invalid("draft.supersedes", "must not be an attachment; retract it, and post another message");
        }
        may_supersede(state, me, old, &message)?;
    }
    Ok(message)
}

/// The attachments of a message that is posted: messages of their own, for whom that one is for.
pub(super) fn attach(
    state: &RoomState,
    mailboxes: &Mailboxes,
    me: Slot,
    author: &Actor,
    carrier: &Message,
    drafts: &[AttachmentDraft],
    now: Timestamp,
) -> Result<Vec<Message>, Refusal> {
    let field = "draft.attachments";
    if drafts.len() > limits::ATTACHMENTS_MAX {
        return Err(Refusal::Invalid { field, rule: "at most 16" });
    }
    let mut attached: Vec<Message> = Vec::with_capacity(drafts.len());
    for AttachmentDraft { id, upload: _, name, media_type, material, content } in drafts {
        let content = content.filter(|content| !state.is_attached(content.id)).ok_or(Refusal::UploadNotFound)?;
        let is_twice = |other: &Message| other.file.as_ref().is_some_and(|file| file.content.id == content.id);
        if attached.iter().any(is_twice) {
            return Err(Refusal::Invalid { field, rule: "must not name an upload twice" });
        }
        let mut tlp = carrier.tlp;
        let mut terms_of = Vec::new();
        // What others hold is not looked at unless it was given to the poster: nobody learns that somebody else has the same file.
        for other in state.same_files(&content.sha256).iter().filter_map(|&seq| Some((seq, state.posted(seq)?))) {
            let (seq, posted) = other;
            let was_given = || {
                mailboxes.get(author).is_some_and(|mailbox| mailbox.was_given(seq))
                    || match posted.tlp {
                        Tlp::Red => false,
                        _ => !mailboxes.given_to(&author.organisation, seq).is_empty(),
                    }
            };
            if posted.source == me || !(is_message_visible(state, me, author, seq, now) || was_given()) {
                continue;
            }
            if posted.tlp == Tlp::Red {
                return Err(Refusal::Invalid {
                    field,
                    rule: "must not hold a file that you were given as TLP:RED, which is for the persons that its source named",
                });
            }
            tlp = tlp.max(posted.tlp);
            terms_of.push(posted.id);
        }
        if terms_of.len() > limits::TERMS_OF_MAX {
            return Err(Refusal::LimitReached { what: "postings of one file by others", max: limits::TERMS_OF_MAX });
        }
        attached.push(Message {
            id: *id,
            material: *material,
            tlp,
            text: "".into(),
            recipients: carrier.recipients.clone(),
            red_actors: carrier.red_actors.clone(),
            coordinator_only: carrier.coordinator_only,
            in_reply_to: None,
            occurred_at: None,
            supersedes: None,
            acknowledge_by: None,
            attachments: Vec::new(),
            file: Some(File {
                carrier: carrier.id,
                name: name.clone(),
                media_type: media_type.clone(),
                content,
                terms_of,
            }),
        });
    }
    Ok(attached)
}

/// Gives the caller bytes of an attachment that its mailbox has: a notice finds everybody who has them.
pub(super) fn fetch(
    state: &RoomState,
    mailboxes: &Mailboxes,
    me: Slot,
    caller: &Actor,
    message: MessageId,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let seen = state.message(message).filter(|&seq| is_message_visible(state, me, caller, seq, now));
    let seq = seen.ok_or(Refusal::MessageNotVisible)?;
    let was_given = mailboxes.get(caller).is_some_and(|mailbox| mailbox.was_given(seq));
    if state.content(seq).is_none() || !was_given {
        return Err(Refusal::MessageNotVisible);
    }
    if state.is_fetched(seq, caller) {
        return Ok(Vec::new());
    }
    Ok(vec![Event::AttachmentFetched { organisation: caller.organisation.clone(), message }])
}

/// Whoever is opened an attachment must be opened the message that carries it.
pub(super) fn with_carriers(state: &RoomState, messages: &[Seq]) -> Result<(), Refusal> {
    let carriers = messages.iter().filter_map(|&seq| state.posted(seq)?.file.as_ref().map(|file| file.carrier));
    for carrier in carriers {
        if !messages.contains(&carrier) {
            return Err(Refusal::Invalid {
                field: "message_ids",
                rule: "names an attachment without the message that carries it; name both",
            });
        }
    }
    Ok(())
}

/// The organisations that the caller is shown under these names, in order, each once.
pub(super) fn organisations(state: &RoomState, me: Slot, names: &[Name]) -> Result<Vec<OrganisationId>, Refusal> {
    let mut organisations = Vec::with_capacity(names.len());
    for name in names {
        let slot = shown(state, me, name)?;
        organisations.push(state.participant(slot).organisation.clone());
    }
    organisations.sort();
    organisations.dedup();
    Ok(organisations)
}

/// A plain message of the caller's own organisation.
pub(super) fn own<'s>(
    state: &'s RoomState,
    me: Slot,
    caller: &Actor,
    message: MessageId,
    now: Timestamp,
) -> Result<(Seq, &'s Posted), Refusal> {
    let seq = state.message(message).ok_or(Refusal::MessageNotVisible)?;
    let posted = state.posted(seq).filter(|posted| posted.source == me).ok_or(Refusal::MessageNotVisible)?;
    // TLP:RED of a colleague does not exist for who is not named in it. Who has left sees nothing, and may take back what it posted.
    let exists = match posted.narrowed.as_deref() {
        Some(Narrowed::Red { author, .. }) => {
            author.as_ref() == Some(caller) || state.is_present(me) && is_visible(state, me, caller, seq, now)
        }
        Some(Narrowed::Recipients(_)) | None => true,
    };
    if exists { Ok((seq, posted)) } else { Err(Refusal::MessageNotVisible) }
}

/// The same, if it has not fallen and is no relay.
pub(super) fn standing<'s>(
    state: &'s RoomState,
    me: Slot,
    caller: &Actor,
    message: MessageId,
    now: Timestamp,
) -> Result<(Seq, &'s Posted), Refusal> {
    let (seq, posted) = own(state, me, caller, message, now)?;
    if posted.relay.is_some() {
        return Err(Refusal::MessageNotVisible);
    }
    if posted.fallen.is_some() { Err(Refusal::MessageFallen) } else { Ok((seq, posted)) }
}

/// Whoever could not see the old one will not see the new one either: the state sees to that.
fn may_supersede(state: &RoomState, me: Slot, old: &Posted, new: &Message) -> Result<(), Refusal> {
    let widens = |field| Err(Refusal::EditWidens { field });
    if new.material != old.material {
        return widens("draft.material");
    }
    if new.tlp < old.tlp && !is_on(Mutant::EditLoosensTlp) {
        return widens("draft.tlp");
    }
    if old.coordinator_only && !new.coordinator_only {
        return widens("draft.coordinator_only");
    }
    let listed = |organisation: &OrganisationId| state.slot(organisation);
    if let Some(before) = &old.recipients {
        let is_new = |slot: Slot| !before.contains(slot) && slot != me && !RoomState::is_coordinator(slot);
        // None would be all. A message to the coordinator only, or to named persons, lists none.
        let to_all = new.recipients.is_empty() && !new.coordinator_only && new.tlp != Tlp::Red;
        if to_all || new.recipients.iter().filter_map(listed).any(is_new) {
            return widens("draft.recipients");
        }
    }
    match old.narrowed.as_deref() {
        Some(Narrowed::Red { actors, .. }) if new.red_actors.iter().any(|actor| !actors.contains(actor)) => {
            return widens("draft.red_actors");
        }
        Some(Narrowed::Red { .. } | Narrowed::Recipients(_)) | None => {}
    }
    Ok(())
}

/// Takes a message, or a relay, back as void.
pub(super) fn retract(
    state: &RoomState,
    me: Slot,
    caller: &Actor,
    message: MessageId,
    reason: Arc<str>,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let (_, posted) = own(state, me, caller, message, now)?;
    if posted.fallen.is_some() {
        return Err(Refusal::MessageFallen);
    }
    Ok(vec![Event::MessageRetracted { organisation: caller.organisation.clone(), message, reason }])
}

/// Acknowledges a message.
pub(super) fn acknowledge(
    state: &RoomState,
    me: Slot,
    caller: &Actor,
    message: MessageId,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let seen = state.message(message).filter(|&seq| is_message_visible(state, me, caller, seq, now));
    let seq = seen.ok_or(Refusal::MessageNotVisible)?;
    let posted = state.posted(seq).ok_or(Refusal::MessageNotVisible)?;
    if posted.source == me || !posted.asks_for_acknowledgement {
        return Err(Refusal::AcknowledgementNotAsked);
    }
    // Of a relay, a source may know no more than that it is there.
    if let Some(relay) = posted.relay.as_deref()
        && relay.is_source(me)
        && !relay.allowed.contains(me)
    {
        return Err(Refusal::AcknowledgementNotAsked);
    }
    if state.acknowledged.contains_key(&(seq, me)) {
        return Err(Refusal::AlreadyAcknowledged);
    }
    Ok(vec![Event::MessageAcknowledged { organisation: caller.organisation.clone(), message }])
}
