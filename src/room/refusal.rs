//! The domain says no.

use super::words::Role;

/// Why a command was refused. Caused by the caller, harmless, nothing was stored. No refusal tells of anything that its
/// caller may not see; none carries a sequence number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Unknown room, a room that the caller isn't in, left, was removed from, or is only invited to: one answer.
    #[error("no such room, or you are not in it")]
    RoomNotFound,
    /// Unknown, another's, answered or void: one answer.
    #[error("no such invitation, or it was answered")]
    InvitationNotFound,
    /// Only some role may do this.
    #[error("only the {} of the room may do this", match required { Role::Coordinator => "coordinator", Role::AffectedOrganisation => "affected organisations", Role::ThirdParty => "third parties", Role::Authority => "authorities" })]
    RoleRequired {
        /// Which.
        required: Role,
    },
    /// A program may not let anybody see more.
    #[error("only a person (user) may widen consent; a service may narrow and withdraw")]
    PersonRequired,
    /// The room is closed.
    #[error("the room is closed; it accepts reading, narrowing, withdrawing and leaving")]
    RoomClosed,
    /// The room is open already.
    #[error("the room is open")]
    RoomOpen,
    /// Whoever it is, it can't be named here by this caller.
    #[error("{field}: no such participant is shown to you")]
    RecipientNotVisible {
        /// The request's field.
        field: &'static str,
    },
    /// The message that is answered isn't there for the caller.
    #[error("in_reply_to: no such message is shown to you")]
    MessageNotFound,
    /// A field breaks a rule that the caller can know.
    #[error("{field}: {rule}")]
    Invalid {
        /// The request's field.
        field: &'static str,
        /// The rule, with its limit.
        rule: &'static str,
    },
    /// A hidden organisation can't share directly.
    #[error("a hidden organisation can share nothing directly: its words would show that it is here; choose pseudonym or named, or relay")]
    HiddenCannotShareDirectly,
    /// Attribution only rises.
    #[error("attribution can be raised and not lowered in this room; if that is too much, leave the room and talk to the coordinator alone")]
    AttributionCannotBeLowered,
    /// Somebody changed the consent in between.
    #[error("expected_version: the consent is at version {found}")]
    ConsentVersionMoved {
        /// Its version.
        found: u64,
    },
    /// The organisation is in the room.
    #[error("the organisation is a participant already")]
    AlreadyParticipant,
    /// The organisation has an open invitation.
    #[error("the organisation has an invitation that waits for its answer")]
    AlreadyInvited,
    /// The coordinator can't leave, be removed, or change its role.
    #[error("the coordinator stays in its room, as the coordinator")]
    CoordinatorStays,
    /// The organisation isn't registered, or is suspended.
    #[error("organisation_id: not registered, or suspended; register it first")]
    OrganisationUnknown,
    /// The organisation is registered.
    #[error("organisation_id: registered already")]
    AlreadyRegistered,
    /// A room has all the participants that it can hold.
    #[error("the room holds at most {max} participants and invitations")]
    RoomFull {
        /// The limit.
        max: usize,
    },
}

impl Refusal {
    /// The stable code that programs match on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RoomNotFound => "ROOM_NOT_FOUND",
            Self::InvitationNotFound => "INVITATION_NOT_FOUND",
            Self::RoleRequired { .. } => "ROLE_REQUIRED",
            Self::PersonRequired => "PERSON_REQUIRED",
            Self::RoomClosed => "ROOM_CLOSED",
            Self::RoomOpen => "ROOM_OPEN",
            Self::RecipientNotVisible { .. } => "RECIPIENT_NOT_VISIBLE",
            Self::MessageNotFound => "MESSAGE_NOT_FOUND",
            Self::Invalid { .. } => "INVALID",
            Self::HiddenCannotShareDirectly => "HIDDEN_CANNOT_SHARE_DIRECTLY",
            Self::AttributionCannotBeLowered => "ATTRIBUTION_CANNOT_BE_LOWERED",
            Self::ConsentVersionMoved { .. } => "CONSENT_VERSION_MOVED",
            Self::AlreadyParticipant => "ALREADY_PARTICIPANT",
            Self::AlreadyInvited => "ALREADY_INVITED",
            Self::CoordinatorStays => "COORDINATOR_STAYS",
            Self::OrganisationUnknown => "ORGANISATION_UNKNOWN",
            Self::AlreadyRegistered => "ALREADY_REGISTERED",
            Self::RoomFull { .. } => "ROOM_FULL",
        }
    }
}
