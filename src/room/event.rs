//! What happened (events, and entries that say who and when); in `command`, what was wished.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::command::{AttachmentDraft, Command, Draft, OpenRoom, OpeningReport, RelayDraft};
use super::consent::{ConsentChange, Scope};
use super::ids::{
    Actor, AskId, ContentId, DisclosureId, ErasureId, ExportId, IntroductionId, InvitationId, MessageId,
    OrganisationId, ParticipantId, RecallId, ReleaseId, RequestId, Seq, Timestamp,
};
use super::words::{AskAnswer, Assessment, Attribution, Audience, Material, PoliceAnswer, RecallAnswer, Role, Tlp};

mod command;

/// A fact in a room's log: what, who, when, where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its place in the log.
    pub seq: Seq,
    /// The server's clock; never earlier than that of the entry before.
    pub recorded_at: Timestamp,
    /// Who did it. `None`: the server, by the passing of time.
    pub author: Option<Actor>,
    /// The write that it answers; on the first entry of that write only.
    pub request: Option<Request>,
    /// What happened.
    pub event: Event,
    /// Whether its words are destroyed: where they stood there is nothing, and its request's digest is zeros, that of no request.
    pub is_erased: bool,
}

impl Entry {
    /// The next entry of a log.
    pub fn new(
        seq: Seq,
        recorded_at: Timestamp,
        author: Option<&Actor>,
        request: Option<Request>,
        event: Event,
    ) -> Self {
        Self { seq, recorded_at, author: author.cloned(), request, event, is_erased: false }
    }
}

/// Which write of the author an entry answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// Chosen by the author.
    pub id: RequestId,
    /// SHA-256 of method and request: the same id with another payload is an error.
    pub digest: [u8; 32],
}

/// What happened in a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The room was opened; always the first entry.
    RoomOpened {
        /// The organisation that coordinates, for good.
        coordinator: OrganisationId,
        /// The coordinator's words, at most [`crate::limits::TITLE_BYTES_MAX`].
        title: Arc<str>,
        /// The coordinator's words, at most [`crate::limits::TERMS_BYTES_MAX`].
        terms: Arc<str>,
    },
    /// An organisation became a participant, for the first time or again.
    ParticipantAdmitted {
        /// Who.
        organisation: OrganisationId,
        /// The id that the others know it by; the same each time.
        participant: ParticipantId,
        /// Its part.
        role: Role,
        /// How it appears to the others.
        attribution: Attribution,
        /// The invitation that was accepted, if there was one.
        invitation: Option<InvitationId>,
    },
    /// An organisation lets more of itself be known to the others.
    AttributionRaised {
        /// Who.
        organisation: OrganisationId,
        /// To what.
        attribution: Attribution,
    },
    /// The coordinator invited an organisation.
    OrganisationInvited {
        /// The invitation.
        invitation: InvitationId,
        /// Who.
        organisation: OrganisationId,
        /// The part offered.
        role: Role,
        /// The participant id that it will have.
        participant: ParticipantId,
    },
    /// The invited organisation declined.
    InvitationDeclined {
        /// The invitation.
        invitation: InvitationId,
        /// Who.
        organisation: OrganisationId,
    },
    /// An organisation left.
    ParticipantLeft {
        /// Who.
        organisation: OrganisationId,
    },
    /// The coordinator removed an organisation.
    ParticipantRemoved {
        /// Who.
        organisation: OrganisationId,
        /// The coordinator's words, for its record.
        reason: Arc<str>,
    },
    /// The coordinator changed a participant's part.
    RoleChanged {
        /// Who.
        organisation: OrganisationId,
        /// Its part from now on.
        role: Role,
    },
    /// An organisation gave or changed its sharing consent.
    ConsentGiven {
        /// Who.
        organisation: OrganisationId,
        /// What it set.
        change: Arc<ConsentChange>,
    },
    /// An organisation withdrew sharing consent.
    ConsentWithdrawn {
        /// Who.
        organisation: OrganisationId,
        /// Of what.
        scope: Scope,
        /// Whether receivers are asked to delete what they have.
        recall: Option<Recall>,
    },
    /// A sharing consent reached its expiry.
    ConsentExpired {
        /// Whose.
        organisation: OrganisationId,
    },
    /// An organisation answered the intake questions, for the first time or anew; earlier answers stay.
    ReportFiled {
        /// Who.
        organisation: OrganisationId,
        /// The answers.
        report: Arc<IntakeReport>,
    },
    /// A message was posted.
    MessagePosted {
        /// Who posted it.
        organisation: OrganisationId,
        /// The message.
        message: Arc<Message>,
    },
    /// The coordinator closed the room.
    RoomClosed,
    /// The coordinator opened the room again.
    RoomReopened,
    /// The coordinator changed the room's terms: every consent given under the old ones has lapsed.
    TermsChanged {
        /// The coordinator's words, at most [`crate::limits::TERMS_BYTES_MAX`].
        terms: Arc<str>,
    },
    /// A source took a message of its own back as void. Nobody but itself and the coordinator is shown it any more.
    MessageRetracted {
        /// The source.
        organisation: OrganisationId,
        /// Which.
        message: MessageId,
        /// Its words, for itself and the coordinator.
        reason: Arc<str>,
    },
    /// An organisation acknowledged a message that asks for it.
    MessageAcknowledged {
        /// Who.
        organisation: OrganisationId,
        /// Which.
        message: MessageId,
    },
    /// A source opened earlier messages of its own to organisations.
    MessagesReleased {
        /// The source.
        organisation: OrganisationId,
        /// The release.
        release: ReleaseId,
        /// What, in the order of posting.
        messages: Vec<MessageId>,
        /// To whom.
        to: Vec<OrganisationId>,
    },
    /// A source ended a release.
    ReleaseRevoked {
        /// The source.
        organisation: OrganisationId,
        /// Which.
        release: ReleaseId,
    },
    /// A receiver of something withdrawn told whether it has deleted it.
    RecallAnswered {
        /// The receiver.
        organisation: OrganisationId,
        /// Of which withdrawal.
        recall: RecallId,
        /// What it did.
        answer: RecallAnswer,
        /// Its words.
        comment: Arc<str>,
    },
    /// A participant asked the coordinator to ask for consent.
    AskSuggested {
        /// The participant.
        organisation: OrganisationId,
        /// Whom to ask, if it said so.
        source: Option<OrganisationId>,
        /// For what.
        material: Material,
        /// Its words.
        reason: Arc<str>,
    },
    /// The coordinator asked a source for consent.
    ConsentAsked {
        /// The question.
        ask: AskId,
        /// The source.
        source: OrganisationId,
        /// What it is about.
        subject: Subject,
        /// To whom it would go.
        to: AskedFor<OrganisationId>,
        /// The coordinator's words.
        reason: Arc<str>,
        /// When it counts as a no.
        answer_by: Timestamp,
    },
    /// A source answered a question of the coordinator. What a yes opens stands in entries of its own.
    AskAnswered {
        /// The source.
        organisation: OrganisationId,
        /// Which question.
        ask: AskId,
        /// The answer.
        answer: AskAnswer,
        /// Its words.
        comment: Arc<str>,
    },
    /// A question was not answered in time, which is a no.
    AskLapsed {
        /// Which.
        ask: AskId,
    },
    /// The coordinator published a sanitised message made from others' messages.
    RelayPublished {
        /// The coordinator.
        organisation: OrganisationId,
        /// The message. Its recipients are those that the coordinator listed.
        message: Arc<Message>,
        /// The messages that it is made from; none of them is a relay.
        parents: Vec<MessageId>,
        /// Listed recipients that get it only if the source approves its text.
        unapproved: Vec<OrganisationId>,
    },
    /// The source of a relay approved its text for organisations.
    RelayApproved {
        /// The source.
        organisation: OrganisationId,
        /// The relay.
        message: MessageId,
        /// To whom.
        to: Vec<OrganisationId>,
    },
    /// The source of a relay refused to approve its text.
    RelayRejected {
        /// The source.
        organisation: OrganisationId,
        /// The relay.
        message: MessageId,
        /// Its words.
        reason: Arc<str>,
    },
    /// An organisation that reports to the police itself told that it has.
    PoliceReportMade {
        /// Who.
        organisation: OrganisationId,
        /// The police's reference, or its own words.
        reference: Arc<str>,
    },
    /// An organisation that reports to the police itself has not told that it has.
    PoliceReportDue {
        /// Who.
        organisation: OrganisationId,
    },
    /// The coordinator forwarded messages of one source to an authority, as the source's police answer allows.
    MessagesForwarded {
        /// The source.
        organisation: OrganisationId,
        /// What, in the order of posting.
        messages: Vec<MessageId>,
        /// To which authority.
        to: OrganisationId,
        /// The coordinator's words.
        reason: Arc<str>,
    },
    /// An actor of the coordinator proposed a disclosure under a legal duty.
    LegalDisclosureProposed {
        /// The disclosure.
        disclosure: DisclosureId,
        /// What, by whom decided, under which law.
        duty: Arc<LegalDuty>,
    },
    /// A second actor of the coordinator confirmed it: messages of one source were disclosed.
    LegallyDisclosed {
        /// The disclosure.
        disclosure: DisclosureId,
        /// The source.
        organisation: OrganisationId,
        /// What of the source's, under which law, decided by whom first.
        duty: Arc<LegalDuty>,
        /// Who decided it first; the author of the entry is the second.
        proposed_by: Actor,
    },
    /// The notice of a legal disclosure to its source, which was suppressed until now.
    LegalDisclosureNotified {
        /// The disclosure.
        disclosure: DisclosureId,
        /// The source.
        organisation: OrganisationId,
        /// As it was disclosed.
        duty: Arc<LegalDuty>,
    },
    /// The coordinator proposed to two organisations that they get in touch.
    IntroductionProposed {
        /// Each side: its id of the introduction, who, and the coordinator's words to it.
        sides: [IntroductionSide; 2],
    },
    /// One of the two answered.
    IntroductionAnswered {
        /// Who.
        organisation: OrganisationId,
        /// Its side.
        introduction: IntroductionId,
        /// Whether it agrees.
        accepted: bool,
        /// How to reach it, told to the other if both agree.
        contact: Arc<str>,
    },
    /// Both agreed: each learns who the other is and how to reach it.
    Introduced {
        /// Both sides, as they were proposed; the words are how to reach it.
        sides: [IntroductionSide; 2],
    },
    /// An actor of the coordinator, the author of the entry, read an intake report.
    ReportRead {
        /// Whose.
        organisation: OrganisationId,
    },
    /// An actor of the coordinator, the author of the entry, looked at the room as a participant sees it.
    RoomSeenAs {
        /// As whom.
        organisation: OrganisationId,
    },
    /// An actor, the author of the entry, took out of the room what it may see: all that its mailbox had until this entry.
    RoomExported {
        /// The actor's organisation.
        organisation: OrganisationId,
        /// The export.
        export: ExportId,
    },
    /// An actor, the author of the entry, was given bytes of an attachment, for the first time.
    AttachmentFetched {
        /// The actor's organisation.
        organisation: OrganisationId,
        /// The attachment.
        message: MessageId,
    },
    /// A person of the coordinator proposed to destroy words for good.
    ErasureProposed {
        /// The erasure.
        erasure: ErasureId,
        /// Whose words.
        what: ErasureScope<OrganisationId>,
        /// The legal basis, 1 to [`crate::limits::REASON_BYTES_MAX`] bytes. It stays: it is no place for words about the incident.
        basis: Arc<str>,
    },
    /// A second person of the coordinator confirmed it: the keys of these words are destroyed, up to this entry.
    PayloadsErased {
        /// The erasure.
        erasure: ErasureId,
        /// Whose words.
        what: ErasureScope<OrganisationId>,
        /// As it was proposed.
        basis: Arc<str>,
        /// Who decided it first; the author of the entry is the second.
        proposed_by: Actor,
    },
    /// The coordinator put the room under a legal hold: nothing is erased until it is lifted.
    LegalHoldPlaced {
        /// The coordinator's words, 1 to [`crate::limits::REASON_BYTES_MAX`] bytes. They stay.
        reason: Arc<str>,
    },
    /// The coordinator lifted the legal hold.
    LegalHoldLifted {
        /// The coordinator's words, 1 to [`crate::limits::REASON_BYTES_MAX`] bytes. They stay.
        reason: Arc<str>,
    },
    /// The coordinator said how long the room is kept after it is closed. Nothing is erased by that alone.
    RetentionSet {
        /// 1 to [`crate::limits::RETENTION_YEARS_MAX`]. `None`: there is no policy any more.
        years: Option<u16>,
    },
    /// An actor of the coordinator, the author of the entry, took somebody's access away or gave it back.
    AccessChanged {
        /// Whose.
        actor: Actor,
        /// What happened.
        change: AccessChange,
        /// The directory's entry.
        by: Seq,
    },
}

/// What happened to an access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessChange {
    /// The certificate with this SHA-256 was revoked.
    CertificateRevoked([u8; 32]),
    /// The actor was revoked.
    ActorRevoked,
    /// The actor was let in again.
    ActorReinstated,
}

/// That receivers of what was withdrawn are asked to delete it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Recall {
    /// How receivers refer to it.
    pub id: RecallId,
    /// By when they should answer.
    pub answer_by: Timestamp,
}

/// What a source is asked about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Subject {
    /// These earlier messages of its own.
    Messages(Vec<MessageId>),
    /// A material, from now on.
    Material(Material),
}

/// To whom it would go.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AskedFor<Who> {
    /// These.
    Organisations(Vec<Who>),
    /// A class.
    Audience(Audience),
}

/// Whose words are erased.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ErasureScope<Who> {
    /// The text of one message.
    Message(MessageId),
    /// Everything that the persons and programs of one organisation have written in the room until then.
    Participant(Who),
    /// Everything that anybody has written in the room until then.
    Room,
}

impl<Who> ErasureScope<Who> {
    /// The same of somebody else, if there is one.
    pub fn map<Other>(&self, who: impl FnOnce(&Who) -> Option<Other>) -> Option<ErasureScope<Other>> {
        Some(match self {
            Self::Message(message) => ErasureScope::Message(*message),
            Self::Participant(of) => ErasureScope::Participant(who(of)?),
            Self::Room => ErasureScope::Room,
        })
    }
}

/// A disclosure under a legal duty.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LegalDuty {
    /// The law, 1 to [`crate::limits::REASON_BYTES_MAX`] bytes.
    pub statute: Arc<str>,
    /// What, in the order of posting.
    pub messages: Vec<MessageId>,
    /// To whom.
    pub to: OrganisationId,
    /// Until when the source is not told, if the law says so.
    pub suppress_until: Option<Timestamp>,
}

/// One of two organisations that could get in touch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IntroductionSide {
    /// Its id of the introduction.
    pub id: IntroductionId,
    /// Who.
    pub organisation: OrganisationId,
    /// Words to it, or how to reach it.
    pub words: Arc<str>,
}

impl Event {
    /// Whether the passing of time made it, not a caller.
    pub fn is_by_server(&self) -> bool {
        match self {
            Self::ConsentExpired { .. }
            | Self::AskLapsed { .. }
            | Self::PoliceReportDue { .. }
            | Self::LegalDisclosureNotified { .. } => true,
            Self::RoomOpened { .. }
            | Self::ParticipantAdmitted { .. }
            | Self::AttributionRaised { .. }
            | Self::OrganisationInvited { .. }
            | Self::InvitationDeclined { .. }
            | Self::ParticipantLeft { .. }
            | Self::ParticipantRemoved { .. }
            | Self::RoleChanged { .. }
            | Self::ConsentGiven { .. }
            | Self::ConsentWithdrawn { .. }
            | Self::ReportFiled { .. }
            | Self::MessagePosted { .. }
            | Self::RoomClosed
            | Self::RoomReopened
            | Self::TermsChanged { .. }
            | Self::MessageRetracted { .. }
            | Self::MessageAcknowledged { .. }
            | Self::MessagesReleased { .. }
            | Self::ReleaseRevoked { .. }
            | Self::RecallAnswered { .. }
            | Self::AskSuggested { .. }
            | Self::ConsentAsked { .. }
            | Self::AskAnswered { .. }
            | Self::RelayPublished { .. }
            | Self::RelayApproved { .. }
            | Self::RelayRejected { .. }
            | Self::PoliceReportMade { .. }
            | Self::MessagesForwarded { .. }
            | Self::LegalDisclosureProposed { .. }
            | Self::LegallyDisclosed { .. }
            | Self::IntroductionProposed { .. }
            | Self::IntroductionAnswered { .. }
            | Self::Introduced { .. }
            | Self::ReportRead { .. }
            | Self::RoomSeenAs { .. }
            | Self::RoomExported { .. }
            | Self::AttachmentFetched { .. }
            | Self::ErasureProposed { .. }
            | Self::PayloadsErased { .. }
            | Self::LegalHoldPlaced { .. }
            | Self::LegalHoldLifted { .. }
            | Self::RetentionSet { .. }
            | Self::AccessChanged { .. } => false,
        }
    }
}

/// The answers to CERT-SE's first-contact questions, in the fact sheet's order. An empty or absent answer is shown as unanswered.
/// The last question, with whom it may be shared, is the sharing consent that comes with it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct IntakeReport {
    /// What has occurred?
    pub what_occurred: String,
    /// How was it discovered?
    pub how_discovered: String,
    /// When was it discovered? The reporter's clock.
    pub discovered_at: Option<Timestamp>,
    /// Which countermeasures have been taken?
    pub countermeasures: String,
    /// Is it still ongoing?
    pub ongoing: Option<Assessment>,
    /// Can data be leaked?
    pub data_leak: Option<Assessment>,
    /// What help is wanted?
    pub help_wanted: String,
    /// Who has been contacted?
    pub contacts_made: String,
    /// Is it to be reported to the police? The consent carries the same answer, and is where it has effect.
    pub police: Option<PoliceAnswer>,
}

impl fmt::Debug for IntakeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what_occurred: _,
            how_discovered: _,
            discovered_at: _,
            countermeasures: _,
            ongoing: _,
            data_leak: _,
            help_wanted: _,
            contacts_made: _,
            police: _,
        } = self;
        f.debug_struct("IntakeReport").finish_non_exhaustive()
    }
}

/// A message as stored: names are resolved to organisations.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Random.
    pub id: MessageId,
    /// What its text is.
    pub material: Material,
    /// What a recipient may do with it.
    pub tlp: Tlp,
    /// At most [`crate::limits::TEXT_BYTES_MAX`].
    pub text: Arc<str>,
    /// Only these organisations, of those that consent allows. Empty: all that it allows.
    pub recipients: Vec<OrganisationId>,
    /// Only these persons; exactly with TLP:RED.
    pub red_actors: Vec<Actor>,
    /// Only the coordinator.
    pub coordinator_only: bool,
    /// The message that it answers.
    pub in_reply_to: Option<MessageId>,
    /// The poster's own time, as it says.
    pub occurred_at: Option<Timestamp>,
    /// The message of the same source that it stands for from now on.
    pub supersedes: Option<MessageId>,
    /// By when receivers should acknowledge it, if they should.
    pub acknowledge_by: Option<Timestamp>,
    /// Its attachments, which are messages of their own, in order.
    pub attachments: Vec<MessageId>,
    /// What makes it an attachment itself.
    pub file: Option<File>,
}

/// A file that another message carries. It is a message itself: it has its own material, is seen, released, withdrawn and received by
/// the same rules, and besides needs that its reader sees the message that carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// The message that carries it, which stands before it in the log.
    pub carrier: MessageId,
    /// As its poster calls it: 1 to [`crate::limits::FILE_NAME_BYTES_MAX`] bytes, no path.
    pub name: Arc<str>,
    /// RFC 6838, at most [`crate::limits::MEDIA_TYPE_BYTES_MAX`] bytes; empty: not said.
    pub media_type: Arc<str>,
    /// What it holds.
    pub content: Content,
    /// Attachments with the same bytes that its poster was given by others: their terms hold for this one, too.
    pub terms_of: Vec<MessageId>,
}

/// What was uploaded, and where it lies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Its place outside the log.
    pub id: ContentId,
    /// Bytes.
    pub size: u64,
    /// Of all its bytes.
    pub sha256: [u8; 32],
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("carrier", &self.carrier).field("content", &self.content).finish_non_exhaustive()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
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
            file: _,
        } = self;
        f.debug_struct("Message").field("id", id).field("material", material).field("tlp", tlp).finish_non_exhaustive()
    }
}
