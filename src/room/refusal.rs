//! The domain says no.

use super::ids::ParticipantId;

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
    /// Only the coordinator may do this.
    #[error("only the coordinator may do this")]
    CoordinatorOnly,
    /// Only affected organisations may do this.
    #[error("only an affected organisation files or amends a report")]
    AffectedOrganisationOnly,
    /// The coordinator can't do this.
    #[error("not for the coordinator: it stays in its room, files no report, and its messages need no consent")]
    NotForTheCoordinator,
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
    #[error("no such participant is shown to you")]
    RecipientNotVisible,
    /// The message that is answered isn't there for the caller.
    #[error("no such message is shown to you")]
    MessageNotVisible,
    /// A field breaks a rule that the caller can know.
    #[error("{field}: {rule}")]
    Invalid {
        /// The request's field.
        field: &'static str,
        /// The rule, with its limit.
        rule: &'static str,
    },
    /// A hidden organisation can't share directly.
    #[error(
        "a hidden organisation can share nothing directly: its words would show that it is here; choose pseudonym or named, or relay"
    )]
    HiddenCannotShareDirectly,
    /// Attribution only rises.
    #[error(
        "attribution can be raised and not lowered in this room; if that is too much, leave the room and talk to the coordinator alone"
    )]
    AttributionCannotBeLowered,
    /// Somebody changed the consent in between.
    #[error("the consent is at version {found} by now")]
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
    /// Nobody in the room has this name; told to the coordinator, who sees everybody.
    #[error("nobody in this room has this organisation id or participant id")]
    ParticipantNotFound,
    /// The organisation isn't registered; told to the coordinator.
    #[error("no organisation has this id; register it first")]
    OrganisationNotFound,
    /// The organisation is suspended; told to the coordinator.
    #[error("the organisation is suspended; register it again to lift that")]
    OrganisationSuspended,
    /// The organisation has filed no report in this room.
    #[error("no report was filed")]
    ReportNotFound,
    /// The index to read after was not given yet.
    #[error("after_index is past the end of your mailbox")]
    IndexPastEnd,
    /// The request id was used for another write.
    #[error("this request id was used for another write; draw a new one")]
    RequestIdReused,
    /// The organisation is registered.
    #[error("the organisation is registered already")]
    AlreadyRegistered,
    /// One more would be over a limit that does not go away by waiting.
    #[error("at most {max} {what}")]
    LimitReached {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// An edit may keep or narrow, and this one widens.
    #[error(
        "{field}: a message that supersedes another may only keep or narrow what that one allowed; post a new one instead"
    )]
    EditWidens {
        /// The request's field that widens.
        field: &'static str,
    },
    /// The message was withdrawn, retracted, or another stands for it.
    #[error("the message was withdrawn, retracted or superseded")]
    MessageFallen,
    /// The source has named this organisation with `no`.
    #[error(
        "your consent names this organisation with no, which nothing but a legal duty overrides; change that first"
    )]
    NamedNo,
    /// No such release of the caller's organisation, or it was revoked.
    #[error("no such release, or it was revoked")]
    ReleaseNotFound,
    /// No such question to the caller's organisation.
    #[error("no such question to you")]
    AskNotFound,
    /// The question was answered, or its time is over.
    #[error("the question was answered, or its time is over, which is a no")]
    AskClosed,
    /// No such recall, or the caller's organisation never had what was recalled: one answer.
    #[error("no such recall of anything that you were given")]
    RecallNotFound,
    /// The relay may not go to a recipient that was listed, and its source can't be asked.
    #[error(
        "the relay may not go to {participant}: its sources do not permit it, and there is no single one to approve it"
    )]
    RelayNotPermitted {
        /// The first such recipient.
        participant: ParticipantId,
    },
    /// What was approved is not the relay's text, or the relay has fallen.
    #[error("this is not the relay's text any more; read it again")]
    TextChanged,
    /// The message does not ask for an acknowledgement.
    #[error("the message does not ask for an acknowledgement")]
    AcknowledgementNotAsked,
    /// The organisation has acknowledged it.
    #[error("your organisation has acknowledged this message")]
    AlreadyAcknowledged,
    /// A source's police answer does not let the coordinator forward this.
    #[error(
        "the source does not let the coordinator forward this: its police answer, its attribution or its view of the authority says no"
    )]
    PoliceForwardingNotAllowed,
    /// A legal disclosure needs two persons.
    #[error("another person of the coordinator must confirm it, not the one who proposed it")]
    SecondPersonRequired,
    /// No such proposal of a legal disclosure, or it was confirmed.
    #[error("no such proposal, or it was confirmed")]
    DisclosureNotFound,
    /// Nothing is erased in a room that is under a legal hold; told to the coordinator.
    #[error("the room is under a legal hold: nothing in it is erased until the hold is lifted")]
    LegalHold,
    /// No such proposal of an erasure, or it was confirmed; told to the coordinator.
    #[error("no such proposal of an erasure, or it was confirmed")]
    ErasureNotFound,
    /// There are no keys to destroy; told to the coordinator.
    #[error(
        "the store is not encrypted: there are no keys whose destruction would erase anything, in it and in its copies"
    )]
    StoreNotEncrypted,
    /// The room has a legal hold.
    #[error("the room is under a legal hold already")]
    HeldAlready,
    /// There is no legal hold to lift.
    #[error("the room is under no legal hold")]
    NotHeld,
    /// No such introduction of the caller's organisation, or it was answered.
    #[error("no such introduction, or you have answered it")]
    IntroductionNotFound,
    /// No such upload of this actor in this room, not all of it is there, or it was posted: one answer.
    #[error("no such upload of yours is complete, or it was posted already; upload the file and post it with that id")]
    UploadNotFound,
    /// The certificate or the actor is revoked.
    #[error("it is revoked already")]
    AlreadyRevoked,
    /// The actor isn't revoked.
    #[error("this actor is not revoked; a revoked certificate stays so, give the actor a new one")]
    ActorNotRevoked,
    /// The caller would take away the access that it is using.
    #[error("this is the access that you are using; another person of the coordinator can revoke it")]
    NotForYourself,
    /// No invite has this secret, or it was used for another key, revoked or has expired, or its organisation isn't admitted: one
    /// answer, so that guessing teaches nothing.
    #[error("no such invite, or it was used, was revoked or has expired; ask the coordinator for a new one")]
    InviteNotValid,
    /// Nothing to revoke; told to the coordinator.
    #[error("no such invite, or it was used, revoked or has expired")]
    InviteNotOpen,
    /// The coordinator has not yet typed the code of the key that waits.
    #[error("the coordinator has not approved this yet; read the code to it, and ask again")]
    ApprovalPending,
    /// Nothing to approve; told to the coordinator.
    #[error("nobody waits for approval by this invite, or by any; the other side types `samverkan join` first")]
    NobodyWaits,
    /// Another key waits than the one whose code was read out; told to the coordinator.
    #[error(
        "no key that waits has this code; if it was read to you correctly, somebody else has used the line: revoke the invite and make a new one"
    )]
    ApprovalCodeWrong,
    /// Whoever calls has a certificate of another authority, or one that was revoked meanwhile.
    #[error("this server renews only what it issued; get a new certificate from where this one came from")]
    RenewalNotPermitted,
}
