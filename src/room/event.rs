//! What was wished (commands) and what happened (events, and entries that say who and when).

use std::fmt;
use std::sync::Arc;

use super::consent::{ConsentChange, Name, Scope};
use super::ids::{Actor, InvitationId, MessageId, OrganisationId, ParticipantId, RequestId, Seq, Timestamp};
use super::words::{Assessment, Attribution, Material, PoliceAnswer, Role, Tlp};

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
}

impl Event {
    /// Whether the passing of time made it, not a caller.
    pub fn is_by_server(&self) -> bool {
        match self {
            Self::ConsentExpired { .. } => true,
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
            | Self::RoomReopened => false,
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
        } = self;
        f.debug_struct("Message").field("id", id).field("material", material).field("tlp", tlp).finish_non_exhaustive()
    }
}

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
    WithdrawConsent(Scope),
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
