//! Files that hang on messages. One question: what do the attachments of a room hold, and who was given it?
//!
//! A child of `state`. Upholds: R3, R5 (the same bytes are found again whoever posts them), R7.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::RoomState;
use crate::room::event::File;
use crate::room::ids::{Actor, ContentId, OrganisationId, Seq, Timestamp};

/// An attachment, but for its name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::room) struct Attached {
    /// The message that carries it.
    pub(in crate::room) carrier: Seq,
    pub(in crate::room) content: ContentId,
    /// Bytes.
    pub(in crate::room) size: u64,
    /// Attachments of others with the same bytes, whose terms hold for it, too.
    pub(in crate::room) terms_of: Vec<Seq>,
}

/// The attachments of a room.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Attachments {
    /// By the SHA-256 of what they hold, oldest first.
    same: BTreeMap<[u8; 32], Vec<Seq>>,
    contents: BTreeMap<ContentId, Seq>,
    /// Who was given bytes of which, and when first.
    fetches: BTreeMap<Seq, BTreeMap<Actor, Timestamp>>,
}

impl Attachments {
    pub(super) fn note_fetch(&mut self, attachment: Seq, actor: &Actor, at: Timestamp) {
        self.fetches.entry(attachment).or_default().entry(actor.clone()).or_insert(at);
    }
}

impl RoomState {
    /// What the attachments of this room hold, and whose they are.
    pub fn contents(&self) -> impl Iterator<Item = (ContentId, &OrganisationId)> {
        self.attachments
            .contents
            .iter()
            .filter_map(|(content, seq)| Some((*content, &self.participant(self.posted(*seq)?.source).organisation)))
    }

    /// What an attachment holds, whose it is, and its bytes.
    pub fn content(&self, attachment: Seq) -> Option<(ContentId, &OrganisationId, u64)> {
        let posted = self.posted(attachment)?;
        // Of an erased one there is nothing.
        let file = posted.file.as_ref().filter(|file| file.size > 0)?;
        Some((file.content, &self.participant(posted.source).organisation, file.size))
    }

    /// Whether an attachment of this room holds it.
    pub(in crate::room) fn is_attached(&self, content: ContentId) -> bool {
        self.attachments.contents.contains_key(&content)
    }

    /// The attachments that hold these bytes, oldest first.
    pub(in crate::room) fn same_files(&self, sha256: &[u8; 32]) -> &[Seq] {
        self.attachments.same.get(sha256).map_or(&[], Vec::as_slice)
    }

    /// Who was given bytes of the attachment, and when first.
    pub(in crate::room) fn fetches(&self, attachment: Seq) -> impl Iterator<Item = (&Actor, Timestamp)> {
        self.attachments.fetches.get(&attachment).into_iter().flatten().map(|(actor, at)| (actor, *at))
    }

    /// Whether the actor was given bytes of the attachment.
    pub(in crate::room) fn is_fetched(&self, attachment: Seq, by: &Actor) -> bool {
        self.attachments.fetches.get(&attachment).is_some_and(|fetches| fetches.contains_key(by))
    }

    /// `None`, and so nobody's attachment, if the message that carries it is not here.
    pub(super) fn attach(&mut self, file: &File, seq: Seq) -> Option<Arc<Attached>> {
        let carrier = self.message(file.carrier)?;
        self.attachments.same.entry(file.content.sha256).or_default().push(seq);
        self.attachments.contents.insert(file.content.id, seq);
        let terms_of = file.terms_of.iter().filter_map(|&other| self.message(other)).collect();
        Some(Arc::new(Attached { carrier, content: file.content.id, size: file.content.size, terms_of }))
    }

    /// These attachments hold nothing any more.
    pub(super) fn forget_files(&mut self, erased: &[Seq]) {
        let is_left = |seq: &Seq| erased.binary_search(seq).is_err();
        self.attachments.contents.retain(|_, seq| is_left(seq));
        self.attachments.same.values_mut().for_each(|same| same.retain(is_left));
        self.attachments.same.retain(|_, same| !same.is_empty());
    }
}
