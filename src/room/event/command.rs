//! What was wished: commands, with every id that they may need, and drafts, whose names are the caller's.

use std::fmt;
use std::sync::Arc;

use super::{AccessChange, AskedFor, Content, ErasureScope, IntakeReport, Recall, Subject};
use crate::room::consent::{ConsentChange, Name, Scope};
use crate::room::ids::{
    Actor, AskId, DisclosureId, ErasureId, ExportId, IntroductionId, InvitationId, MessageId, OrganisationId,
    ParticipantId, RecallId, ReleaseId, Seq, Timestamp, UploadId,
};
use crate::room::words::{AskAnswer, Material, RecallAnswer, Role, Tlp};

/// A message as wished: names are the caller's.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    /// What its text is.
    pub material: Material,
    /// What a recipient may do with it.
    pub tlp: Tlp,
    /// 1 to [`crate::limits::TEXT_BYTES_MAX`] bytes.
    pub text: Arc<str>,
    /// Only these, of those that consent allows. Empty: all that it allows.
    pub recipients: Vec<Name>,
    /// Only these persons; exactly with TLP:RED.
    pub red_actors: Vec<Actor>,
    /// Only the coordinator.
    pub coordinator_only: bool,
    /// The message that it answers.
    pub in_reply_to: Option<MessageId>,
    /// The poster's own time.
    pub occurred_at: Option<Timestamp>,
    /// An earlier message of the same source that this one stands for: it may keep or narrow what that one allowed.
    pub supersedes: Option<MessageId>,
    /// By when receivers should acknowledge it, if they should.
    pub acknowledge_by: Option<Timestamp>,
    /// What comes with it, at most [`crate::limits::ATTACHMENTS_MAX`].
    pub attachments: Vec<AttachmentDraft>,
}

/// A file that was uploaded and comes with a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttachmentDraft {
    /// The id that it will have.
    pub id: MessageId,
    /// Which upload of the poster it is.
    pub upload: UploadId,
    /// As its poster calls it.
    pub name: Arc<str>,
    /// RFC 6838; empty: not said.
    pub media_type: Arc<str>,
    /// What it is.
    pub material: Material,
    /// What was uploaded; `None`: nothing was, or not all of it.
    pub content: Option<Content>,
}

/// A relay as wished by the coordinator.
#[derive(Clone, PartialEq, Eq)]
pub struct RelayDraft {
    /// The messages that it is made from: 1 to [`crate::limits::PARENTS_MAX`].
    pub parents: Vec<MessageId>,
    /// What its text is.
    pub material: Material,
    /// What a recipient may do with it; looser than a parent's only for whom the source approves.
    pub tlp: Tlp,
    /// 1 to [`crate::limits::TEXT_BYTES_MAX`] bytes.
    pub text: Arc<str>,
    /// Only these. Empty: all to whom it may go without an approval.
    pub recipients: Vec<Name>,
    /// An earlier relay that this one stands for; that one is withdrawn.
    pub supersedes: Option<MessageId>,
    /// By when receivers should acknowledge it, if they should.
    pub acknowledge_by: Option<Timestamp>,
}

impl fmt::Debug for RelayDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayDraft").field("parents", &self.parents).field("tlp", &self.tlp).finish_non_exhaustive()
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            material,
            tlp,
            text: _,
            recipients: _,
            red_actors: _,
            coordinator_only: _,
            in_reply_to: _,
            occurred_at: _,
            supersedes: _,
            acknowledge_by: _,
            attachments: _,
        } = self;
        f.debug_struct("Draft").field("material", material).field("tlp", tlp).finish_non_exhaustive()
    }
}

/// What a caller wishes, with every id that it may need, drawn beforehand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Open this room; the caller acts for the coordinator, or reports the incident.
    OpenRoom(OpenRoom),
    /// Answer the intake questions, anew or for the first time.
    AmendReport {
        /// The answers.
        report: Arc<IntakeReport>,
        /// What it sets in the consent, if anything.
        consent: Option<Arc<ConsentChange>>,
    },
    /// Invite an organisation.
    Invite {
        /// The id of the invitation, if it comes to one.
        invitation: InvitationId,
        /// Who; the server knows it.
        organisation: OrganisationId,
        /// The part offered.
        role: Role,
        /// The participant id, if it was never here before.
        participant: ParticipantId,
    },
    /// Accept an invitation.
    AcceptInvitation {
        /// Which.
        invitation: InvitationId,
        /// With what consent.
        consent: Arc<ConsentChange>,
    },
    /// Decline an invitation.
    DeclineInvitation {
        /// Which.
        invitation: InvitationId,
    },
    /// Leave the room.
    Leave,
    /// Remove a participant.
    Remove {
        /// Whom.
        participant: Name,
        /// Why, for the coordinator's record.
        reason: Arc<str>,
    },
    /// Remove an organisation that was suspended, if it is here or invited.
    RemoveSuspended {
        /// Whom.
        organisation: OrganisationId,
    },
    /// Record what the directory says about the access of somebody of an organisation that is here; once.
    RecordAccessChange {
        /// Whose.
        actor: Actor,
        /// What happened.
        change: AccessChange,
        /// The directory's entry.
        by: Seq,
    },
    /// Change a participant's part.
    ChangeRole {
        /// Whose.
        participant: Name,
        /// To what.
        role: Role,
    },
    /// Give or change consent.
    GiveConsent {
        /// What it sets.
        change: Arc<ConsentChange>,
        /// Refuse if the consent's version is another.
        expected_version: Option<u64>,
    },
    /// Withdraw consent.
    WithdrawConsent {
        /// Of what.
        scope: Scope,
        /// Whether receivers are asked to delete what they have.
        recall: Option<Recall>,
    },
    /// Post a message.
    Post {
        /// Its id.
        message: MessageId,
        /// Its content.
        draft: Arc<Draft>,
    },
    /// Close the room.
    Close,
    /// Open it again.
    Reopen,
    /// Change the room's terms; every consent lapses.
    ChangeTerms {
        /// The coordinator's words.
        terms: Arc<str>,
    },
    /// Take a message of one's own back as void.
    Retract {
        /// Which.
        message: MessageId,
        /// Why.
        reason: Arc<str>,
    },
    /// Acknowledge a message that asks for it.
    Acknowledge {
        /// Which.
        message: MessageId,
    },
    /// Open earlier messages of one's own to organisations.
    Release {
        /// The id of the release.
        release: ReleaseId,
        /// What.
        messages: Vec<MessageId>,
        /// To whom.
        to: Vec<Name>,
    },
    /// End a release.
    RevokeRelease {
        /// Which.
        release: ReleaseId,
    },
    /// Tell whether one has deleted what was withdrawn.
    AnswerRecall {
        /// Of which withdrawal.
        recall: RecallId,
        /// What one did.
        answer: RecallAnswer,
        /// In one's own words; required unless it was deleted.
        comment: Arc<str>,
    },
    /// Ask the coordinator to ask for consent.
    SuggestAsk {
        /// Whom to ask, if one can tell.
        source: Option<Name>,
        /// For what.
        material: Material,
        /// Why.
        reason: Arc<str>,
    },
    /// Ask a source for consent.
    Ask {
        /// The id of the question.
        ask: AskId,
        /// The source.
        source: Name,
        /// What it is about.
        subject: Subject,
        /// To whom it would go.
        to: AskedFor<Name>,
        /// Why.
        reason: Arc<str>,
        /// When it counts as a no.
        answer_by: Timestamp,
    },
    /// Answer a question of the coordinator.
    AnswerAsk {
        /// Which.
        ask: AskId,
        /// The answer.
        answer: AskAnswer,
        /// In one's own words.
        comment: Arc<str>,
        /// The id of the release that a yes to messages makes.
        release: ReleaseId,
    },
    /// Publish a relay.
    PublishRelay {
        /// Its id as a message.
        message: MessageId,
        /// Its content.
        draft: Arc<RelayDraft>,
    },
    /// Approve the text of a relay for organisations.
    ApproveRelay {
        /// The relay.
        message: MessageId,
        /// SHA-256 of the text that is approved.
        text_digest: [u8; 32],
        /// To whom. Empty: all that wait for it.
        to: Vec<Name>,
    },
    /// Refuse to approve the text of a relay.
    RejectRelay {
        /// The relay.
        message: MessageId,
        /// Why.
        reason: Arc<str>,
    },
    /// Tell that one has reported to the police.
    RecordPoliceReport {
        /// The police's reference, or one's own words.
        reference: Arc<str>,
    },
    /// Forward messages to an authority, as their sources' police answers allow.
    Forward {
        /// What.
        messages: Vec<MessageId>,
        /// To which authority.
        to: Name,
        /// Why.
        reason: Arc<str>,
    },
    /// Propose a disclosure under a legal duty; another person of the coordinator confirms it.
    ProposeLegalDisclosure {
        /// Its id.
        disclosure: DisclosureId,
        /// The law.
        statute: Arc<str>,
        /// What.
        messages: Vec<MessageId>,
        /// To whom.
        to: Name,
        /// Until when the sources are not told.
        suppress_until: Option<Timestamp>,
    },
    /// Confirm a disclosure that another person proposed.
    ConfirmLegalDisclosure {
        /// Which.
        disclosure: DisclosureId,
    },
    /// Propose to two organisations that they get in touch.
    ProposeIntroduction {
        /// Each side: its id of the introduction, who, and words to it.
        sides: [(IntroductionId, Name, Arc<str>); 2],
    },
    /// Answer the proposal of an introduction.
    AnswerIntroduction {
        /// One's side of it.
        introduction: IntroductionId,
        /// Whether one agrees.
        accepted: bool,
        /// How to be reached; required to agree.
        contact: Arc<str>,
    },
    /// Note that the caller, for the coordinator, reads an intake report.
    ReadReport {
        /// Whose.
        of: Name,
    },
    /// Puts on record that the caller is given bytes of an attachment, the first time.
    Fetch {
        /// The attachment.
        message: MessageId,
    },
    /// Propose to destroy words for good; another person of the coordinator confirms it.
    ProposeErasure {
        /// Its id.
        erasure: ErasureId,
        /// Whose.
        what: ErasureScope<Name>,
        /// The legal basis.
        basis: Arc<str>,
    },
    /// Confirm an erasure that another person proposed.
    ConfirmErasure {
        /// Which.
        erasure: ErasureId,
    },
    /// Let nothing be erased in the room.
    PlaceLegalHold {
        /// Why.
        reason: Arc<str>,
    },
    /// End that.
    LiftLegalHold {
        /// Why.
        reason: Arc<str>,
    },
    /// Say how many years after its closing the room is due to be erased.
    SetRetention {
        /// `None`: no policy.
        years: Option<u16>,
    },
    /// Note that the caller takes out of the room what it may see.
    RecordExport {
        /// The id of the export.
        export: ExportId,
    },
    /// Note that the caller, for the coordinator, looks at the room as a participant sees it.
    SeeAs {
        /// As whom.
        participant: Name,
    },
}

/// How a room starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenRoom {
    /// The organisation that coordinates.
    pub coordinator: OrganisationId,
    /// The coordinator's participant id.
    pub coordinator_participant: ParticipantId,
    /// Title; the coordinator's words.
    pub title: Arc<str>,
    /// Terms; the coordinator's words.
    pub terms: Arc<str>,
    /// The report that opens it, if one does.
    pub report: Option<OpeningReport>,
}

/// The report that opens a room, in one step with its consent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpeningReport {
    /// The reporter's participant id.
    pub participant: ParticipantId,
    /// The answers.
    pub report: Arc<IntakeReport>,
    /// The last answer: with whom it may be shared.
    pub consent: Arc<ConsentChange>,
}
