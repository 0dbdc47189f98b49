//! The words of the fact sheet and of TLP 2.0, as closed sets.
//!
//! Every match on them names each word, so that a new one asks its question everywhere.

use serde::{Deserialize, Serialize};

/// What is shared: the fact sheet's three nouns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Material {
    /// Descriptions, assessments, indicators in prose.
    Information,
    /// Files, samples, dumps.
    Data,
    /// Log lines.
    Logs,
}

impl Material {
    /// All three, in the fact sheet's order.
    pub const ALL: [Self; 3] = [Self::Information, Self::Data, Self::Logs];
}

/// With whom, as a class of participants.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Audience {
    /// Participants with the role `affected organisation`, the source excepted.
    OtherAffectedOrganisations,
    /// Participants with the role `third party`. Authorities belong to no audience.
    ThirdParties,
}

impl Audience {
    /// Both.
    pub const ALL: [Self; 2] = [Self::OtherAffectedOrganisations, Self::ThirdParties];
}

/// What an organisation answered for one material and one audience, from the least to the most.
/// `NotAnswered` is shown as unanswered and enforced as `No`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Sharing {
    /// The question is open. Enforced as no.
    #[default]
    NotAnswered,
    /// May not be shared.
    No,
    /// Only in a coordinator's sanitised words.
    Relay,
    /// As it is.
    Direct,
}

/// An answer to a yes-or-no question that may be left open. Open is enforced as no.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Answer {
    /// The question is open.
    #[default]
    NotAnswered,
    /// No.
    No,
    /// Yes.
    Yes,
}

/// The answer to a question about the incident that even its victim may not know.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Assessment {
    /// No.
    No,
    /// Yes.
    Yes,
    /// Nobody knows yet.
    Unknown,
}

/// The part that a participant plays in one room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Role {
    /// The national CERT. One per room.
    Coordinator,
    /// Hit by the incident.
    AffectedOrganisation,
    /// A vendor, a consultant, a CERT of a sector.
    ThirdParty,
    /// Police or a regulator. Receives nothing by class.
    Authority,
}

impl Role {
    /// The audience that this role belongs to, if it belongs to one.
    pub fn audience(self) -> Option<Audience> {
        match self {
            Self::AffectedOrganisation => Some(Audience::OtherAffectedOrganisations),
            Self::ThirdParty => Some(Audience::ThirdParties),
            Self::Coordinator | Self::Authority => None,
        }
    }
}

/// How an organisation appears to the others, from the least to the most. It can be raised and never lowered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Attribution {
    /// Nobody but the coordinator can tell that it is in the room.
    #[default]
    Hidden,
    /// As a random participant id.
    Pseudonym,
    /// By its organisation id.
    Named,
}

/// The answer to "is it to be reported to the police?".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum PoliceAnswer {
    /// The question is open. Enforced as no.
    #[default]
    NotAnswered,
    /// Not to be reported; blocks voluntary forwarding.
    No,
    /// The organisation reports it itself.
    OrganisationReportsItself,
    /// The coordinator may forward it.
    CoordinatorMayForward,
}

/// A TLP 2.0 label (FIRST), from the widest to the narrowest. It tells the recipient what to do next; only `Red` changes delivery.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Tlp {
    /// No limit on disclosure.
    Clear,
    /// The community.
    Green,
    /// The recipient's organisation and its clients.
    Amber,
    /// The recipient's organisation only.
    AmberStrict,
    /// The named individuals only.
    Red,
}

/// What a source answers when it is asked for consent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AskAnswer {
    /// No.
    No,
    /// Only in a coordinator's sanitised words.
    RelayOnly,
    /// As it is.
    Yes,
}

/// What a receiver answers when it is asked to delete what was withdrawn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum RecallAnswer {
    /// It has deleted it.
    Deleted,
    /// A law makes it keep it.
    RetainedByLaw,
    /// It has shared it onward before it was told.
    SharedOnward,
    /// It can't, for another reason.
    CannotDelete,
}
