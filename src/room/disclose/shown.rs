//! What things look like to one reader. One question: which words is a reader given for what happened?
//!
//! Plain values; only `disclose` makes them into something that may be shown.

use std::sync::Arc;

use crate::room::consent::{ConsentChange, Scope};
use crate::room::event::{AccessChange, AskedFor, ErasureScope, Recall, Subject};
use crate::room::ids::{
    Actor, AskId, DisclosureId, ErasureId, ExportId, IntroductionId, InvitationId, MessageId, OrganisationId,
    ParticipantId, RecallId, ReleaseId, Timestamp,
};
use crate::room::words::{AskAnswer, Attribution, Material, RecallAnswer, Role, Tlp};

/// An entry as shown to one reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// The server's clock.
    pub recorded_at: Timestamp,
    /// What happened.
    pub what: What,
}

/// What happened, as shown to one reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// A message was posted.
    Message(ShownMessage),
    /// The room was opened, under this title (coordinator).
    RoomOpened(Arc<str>),
    /// A participant came, or can be told to be here from now on.
    Joined(ShownParticipant),
    /// A participant left or was removed; others aren't told which.
    Left(ShownParticipant),
    /// A participant was removed (coordinator).
    Removed {
        /// Who.
        participant: ShownParticipant,
        /// The coordinator's words.
        reason: Arc<str>,
    },
    /// A participant under a pseudonym is known by its name from now on.
    Identified(ShownParticipant),
    /// A participant plays another part.
    RoleChanged(ShownParticipant),
    /// An organisation was invited (coordinator).
    Invited {
        /// The invitation.
        invitation: InvitationId,
        /// Who.
        organisation: OrganisationId,
        /// The part offered.
        role: Role,
    },
    /// An organisation declined (coordinator).
    Declined {
        /// The invitation.
        invitation: InvitationId,
        /// Who.
        organisation: OrganisationId,
    },
    /// Consent was given (its source and the coordinator).
    ConsentGiven {
        /// Whose.
        participant: ShownParticipant,
        /// What it set.
        change: Arc<ConsentChange>,
    },
    /// Consent was withdrawn (its source and the coordinator).
    ConsentWithdrawn {
        /// Whose.
        participant: ShownParticipant,
        /// Of what.
        scope: Scope,
        /// Whether receivers are asked to delete what they have.
        recall: Option<Recall>,
    },
    /// Consent expired (its source and the coordinator).
    ConsentExpired(ShownParticipant),
    /// Intake questions were answered (their source and the coordinator); `GetReport` has the answers.
    ReportFiled {
        /// Whose.
        participant: ShownParticipant,
        /// Whether there are earlier answers.
        amended: bool,
    },
    /// The room was closed.
    RoomClosed,
    /// The room was opened again.
    RoomReopened,
    /// The room has other terms; every consent lapsed.
    TermsChanged(Arc<str>),
    /// A message was taken back as void (its source and the coordinator).
    Retracted {
        /// Whose.
        participant: ShownParticipant,
        /// Which.
        message: MessageId,
        /// The source's words.
        reason: Arc<str>,
    },
    /// A message was acknowledged (who did, its source, the coordinator).
    Acknowledged {
        /// Who did.
        participant: ShownParticipant,
        /// Which.
        message: MessageId,
    },
    /// Earlier messages were released (their source, the coordinator, each receiver); a receiver gets them next.
    Released {
        /// The release.
        release: ReleaseId,
        /// Whose.
        participant: ShownParticipant,
        /// What.
        messages: Vec<MessageId>,
        /// To whom; a receiver is told of itself only.
        to: Vec<ShownParticipant>,
    },
    /// A release was revoked (its source and the coordinator).
    ReleaseRevoked {
        /// Which.
        release: ReleaseId,
        /// Whose.
        participant: ShownParticipant,
    },
    /// A receiver told whether it deleted what was withdrawn (itself, the source, the coordinator).
    RecallAnswered {
        /// Of which withdrawal.
        recall: RecallId,
        /// The receiver.
        participant: ShownParticipant,
        /// What it did.
        answer: RecallAnswer,
        /// Its words.
        comment: Arc<str>,
    },
    /// A participant suggested to ask for consent (itself and the coordinator).
    AskSuggested {
        /// Who.
        participant: ShownParticipant,
        /// Whom to ask, if it said so.
        source: Option<ShownParticipant>,
        /// For what.
        material: Material,
        /// Its words.
        reason: Arc<str>,
    },
    /// A source was asked for consent (itself and the coordinator).
    ConsentAsked {
        /// The question.
        ask: AskId,
        /// The source.
        participant: ShownParticipant,
        /// About what.
        subject: Subject,
        /// To whom it would go.
        to: AskedFor<ShownParticipant>,
        /// The coordinator's words.
        reason: Arc<str>,
        /// When it counts as a no.
        answer_by: Timestamp,
    },
    /// A source answered (itself and the coordinator).
    AskAnswered {
        /// The question.
        ask: AskId,
        /// The source.
        participant: ShownParticipant,
        /// The answer.
        answer: AskAnswer,
        /// Its words.
        comment: Arc<str>,
    },
    /// A question was not answered in time, which is a no (its source and the coordinator).
    AskLapsed {
        /// The question.
        ask: AskId,
        /// The source.
        participant: ShownParticipant,
    },
    /// A relay was made from a source's messages, whose text the source is not shown (that source).
    Relayed {
        /// The relay.
        message: MessageId,
        /// Which of the source's messages.
        parents: Vec<MessageId>,
        /// Which organisations get it, of those that the source can see.
        to: Vec<ShownParticipant>,
    },
    /// The text of a relay was approved (its source and the coordinator).
    RelayApproved {
        /// The relay.
        message: MessageId,
        /// The source.
        participant: ShownParticipant,
        /// For whom.
        to: Vec<ShownParticipant>,
    },
    /// The text of a relay was not approved (its source and the coordinator).
    RelayRejected {
        /// The relay.
        message: MessageId,
        /// The source.
        participant: ShownParticipant,
        /// Its words.
        reason: Arc<str>,
    },
    /// An organisation reported to the police (itself and the coordinator).
    PoliceReportMade {
        /// Who.
        participant: ShownParticipant,
        /// The police's reference, or its words.
        reference: Arc<str>,
    },
    /// An organisation has not told that it reported to the police (itself and the coordinator).
    PoliceReportDue(ShownParticipant),
    /// Messages were forwarded to an authority (their source, the coordinator, the authority, which gets them next).
    Forwarded {
        /// Whose.
        participant: ShownParticipant,
        /// What.
        messages: Vec<MessageId>,
        /// To which authority.
        to: ShownParticipant,
        /// The coordinator's words.
        reason: Arc<str>,
    },
    /// A legal disclosure waits for a second person (coordinator).
    LegalDisclosureProposed {
        /// Which.
        disclosure: DisclosureId,
        /// The law.
        statute: Arc<str>,
        /// What.
        messages: Vec<MessageId>,
        /// To whom.
        to: ShownParticipant,
        /// Until when the sources are not told.
        suppress_until: Option<Timestamp>,
        /// Who proposed it.
        proposed_by: Option<Actor>,
    },
    /// Messages were disclosed under a legal duty (the coordinator, the receiver, and their source, maybe later).
    LegallyDisclosed {
        /// Which.
        disclosure: DisclosureId,
        /// Whose.
        participant: ShownParticipant,
        /// The law.
        statute: Arc<str>,
        /// What.
        messages: Vec<MessageId>,
        /// To whom; absent if the reader can't tell that it is here.
        to: Option<ShownParticipant>,
        /// Until when the source is not told; the coordinator is shown it.
        suppress_until: Option<Timestamp>,
        /// Who decided it, both persons; the coordinator is shown them.
        decided_by: Vec<Actor>,
    },
    /// An introduction was proposed to the reader.
    IntroductionProposed {
        /// The reader's side of it.
        introduction: IntroductionId,
        /// The coordinator's words.
        words: Arc<str>,
    },
    /// An introduction was proposed (coordinator): each side, and the words to it.
    IntroductionProposedTo([(IntroductionId, ShownParticipant, Arc<str>); 2]),
    /// One side answered (itself and the coordinator).
    IntroductionAnswered {
        /// Its side.
        introduction: IntroductionId,
        /// Who.
        participant: ShownParticipant,
        /// Whether it agrees.
        accepted: bool,
        /// How to reach it.
        contact: Arc<str>,
    },
    /// Both sides agreed: whom the reader was introduced to; the coordinator is shown both sides.
    Introduced(Vec<ShownIntroduction>),
    /// The reader's report was read for the coordinator (its source and the coordinator).
    ReportRead {
        /// Whose report.
        participant: ShownParticipant,
        /// By whom.
        reader: Option<Actor>,
    },
    /// The coordinator looked at the room as a participant sees it (that participant and the coordinator).
    SeenAs {
        /// As whom.
        participant: ShownParticipant,
        /// By whom.
        reader: Option<Actor>,
    },
    /// An actor took out of the room what it may see (its organisation and the coordinator).
    Exported {
        /// Whose actor.
        participant: ShownParticipant,
        /// The export.
        export: ExportId,
        /// By whom.
        by: Option<Actor>,
    },
    /// An erasure waits for a second person (coordinator).
    ErasureProposed {
        /// Which.
        erasure: ErasureId,
        /// Of what.
        what: ErasureScope<ShownParticipant>,
        /// The legal basis.
        basis: Arc<str>,
        /// Who proposed it.
        proposed_by: Option<Actor>,
    },
    /// Words were destroyed for good (the coordinator and whose words they were; for a room, everybody).
    PayloadsErased {
        /// Which.
        erasure: ErasureId,
        /// Of what.
        what: ErasureScope<ShownParticipant>,
        /// The legal basis.
        basis: Arc<str>,
        /// Who decided it, both persons; the coordinator is shown them.
        decided_by: Vec<Actor>,
    },
    /// The room is under a legal hold (coordinator).
    LegalHoldPlaced {
        /// Why.
        reason: Arc<str>,
        /// By whom.
        by: Option<Actor>,
    },
    /// The legal hold was lifted (coordinator).
    LegalHoldLifted {
        /// Why.
        reason: Arc<str>,
        /// By whom.
        by: Option<Actor>,
    },
    /// How long the room is kept after closing (coordinator).
    RetentionSet {
        /// In years; absent: no policy.
        years: Option<u16>,
        /// By whom.
        by: Option<Actor>,
    },
    /// Somebody's access was taken away or given back (that one's organisation and the coordinator).
    AccessChanged {
        /// Whose organisation.
        participant: ShownParticipant,
        /// Whose.
        actor: Actor,
        /// What happened.
        change: AccessChange,
        /// By whom.
        changed_by: Option<Actor>,
    },
}

/// One side of an introduction, as shown to the other or to the coordinator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownIntroduction {
    /// The side's id; the reader's own for a side that is shown to the other.
    pub introduction: IntroductionId,
    /// Who.
    pub organisation: OrganisationId,
    /// How to reach it.
    pub contact: Arc<str>,
}

/// What a relay is made from and whom it goes to, as far as its reader is told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ShownRelay {
    /// The messages that it is made from: the coordinator is shown all, a source its own.
    pub parents: Vec<MessageId>,
    /// Who gets it at once: the coordinator is shown all, a source those that it can see.
    pub to: Vec<ShownParticipant>,
    /// Who gets it if its only source approves: that source and the coordinator are told.
    pub unapproved: Vec<ShownParticipant>,
}

/// A message as shown to one reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownMessage {
    /// Its id.
    pub id: MessageId,
    /// Whose.
    pub author: ShownParticipant,
    /// Which person or program posted it; its own organisation and the coordinator are told.
    pub actor: Option<Actor>,
    /// What its text is.
    pub material: Material,
    /// What the reader may do with it.
    pub tlp: Tlp,
    /// The text.
    pub text: Arc<str>,
    /// The message that it answers, if the reader can see that one.
    pub in_reply_to: Option<MessageId>,
    /// The poster's own time.
    pub occurred_at: Option<Timestamp>,
    /// Whether only the coordinator gets it; its own organisation and the coordinator are told.
    pub coordinator_only: bool,
    /// To whom its source narrowed it; its own organisation and the coordinator are told.
    pub recipients: Vec<ParticipantId>,
    /// The message that it stands for.
    pub supersedes: Option<MessageId>,
    /// By when the reader should acknowledge it, if it should.
    pub acknowledge_by: Option<Timestamp>,
    /// If it is a relay.
    pub relay: Option<ShownRelay>,
    /// If it is an attachment.
    pub file: Option<ShownFile>,
}

/// An attachment as shown to one reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownFile {
    /// The message that carries it.
    pub carrier: MessageId,
    /// As its poster calls it.
    pub name: Arc<str>,
    /// RFC 6838; empty: not said.
    pub media_type: Arc<str>,
    /// Bytes.
    pub size: u64,
    /// Of all its bytes.
    pub sha256: [u8; 32],
    /// Whether it was given to its poster by others, whose terms hold, too; its own organisation and the coordinator are told.
    pub on_terms_of_others: bool,
}

/// A participant as shown to one reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownParticipant {
    /// Random per room.
    pub id: ParticipantId,
    /// Absent: a pseudonym.
    pub organisation: Option<OrganisationId>,
    /// Its part.
    pub role: Role,
    /// How it appears to the others; itself and the coordinator are told.
    pub attribution: Option<Attribution>,
    /// Whether it is the reader's own organisation.
    pub is_reader: bool,
}
