//! The domain's closed sets in the API's words.

use crate::api;
use crate::room::disclose::AudienceReason;
use crate::room::ids::OrganisationId;
use crate::room::state::Status;
use crate::room::words::{
    Answer, AskAnswer, Assessment, Attribution, Audience, Material, PoliceAnswer, RecallAnswer, Role, Sharing, Tlp,
};

pub(super) fn material(word: Material) -> api::Material {
    match word {
        Material::Information => api::Material::Information,
        Material::Data => api::Material::Data,
        Material::Logs => api::Material::Logs,
    }
}

pub(super) fn audience(word: Audience) -> api::Audience {
    match word {
        Audience::OtherAffectedOrganisations => api::Audience::OtherAffectedOrganisations,
        Audience::ThirdParties => api::Audience::ThirdParties,
    }
}

pub(super) fn sharing(word: Sharing) -> api::Sharing {
    match word {
        Sharing::NotAnswered => api::Sharing::NotAnswered,
        Sharing::No => api::Sharing::No,
        Sharing::Relay => api::Sharing::Relay,
        Sharing::Direct => api::Sharing::Direct,
    }
}

pub(super) fn answer(word: Answer) -> api::Answer {
    match word {
        Answer::NotAnswered => api::Answer::NotAnswered,
        Answer::No => api::Answer::No,
        Answer::Yes => api::Answer::Yes,
    }
}

pub(super) fn tlp(word: Tlp) -> api::Tlp {
    match word {
        Tlp::Clear => api::Tlp::Clear,
        Tlp::Green => api::Tlp::Green,
        Tlp::Amber => api::Tlp::Amber,
        Tlp::AmberStrict => api::Tlp::AmberStrict,
        Tlp::Red => api::Tlp::Red,
    }
}

pub(super) fn role(word: Role) -> api::Role {
    match word {
        Role::Coordinator => api::Role::Coordinator,
        Role::AffectedOrganisation => api::Role::AffectedOrganisation,
        Role::ThirdParty => api::Role::ThirdParty,
        Role::Authority => api::Role::Authority,
    }
}

pub(super) fn attribution(word: Attribution) -> api::Attribution {
    match word {
        Attribution::Hidden => api::Attribution::Hidden,
        Attribution::Pseudonym => api::Attribution::Pseudonym,
        Attribution::Named => api::Attribution::Named,
    }
}

pub(super) fn police(word: PoliceAnswer) -> api::PoliceAnswer {
    match word {
        PoliceAnswer::NotAnswered => api::PoliceAnswer::NotAnswered,
        PoliceAnswer::No => api::PoliceAnswer::No,
        PoliceAnswer::OrganisationReportsItself => api::PoliceAnswer::OrganisationReportsItself,
        PoliceAnswer::CoordinatorMayForward => api::PoliceAnswer::CoordinatorMayForward,
    }
}

pub(super) fn assessment(word: Assessment) -> api::Assessment {
    match word {
        Assessment::No => api::Assessment::No,
        Assessment::Yes => api::Assessment::Yes,
        Assessment::Unknown => api::Assessment::Unknown,
    }
}

pub(super) fn status(word: Status) -> api::RoomStatus {
    match word {
        Status::Open => api::RoomStatus::Open,
        Status::Closed => api::RoomStatus::Closed,
    }
}

pub(super) fn audience_reason(word: AudienceReason) -> api::AudienceReason {
    match word {
        AudienceReason::Coordinator => api::AudienceReason::Coordinator,
        AudienceReason::Author => api::AudienceReason::Author,
        AudienceReason::Source => api::AudienceReason::Source,
        AudienceReason::FromCoordinator => api::AudienceReason::CoordinatorMessage,
        AudienceReason::Consent => api::AudienceReason::ClassDirect,
        AudienceReason::NamedConsent => api::AudienceReason::NamedDirect,
        AudienceReason::NotARecipient => api::AudienceReason::NotARecipient,
        AudienceReason::CoordinatorOnly => api::AudienceReason::CoordinatorOnly,
        AudienceReason::NotNamedInRed => api::AudienceReason::NotARedActor,
        AudienceReason::NotAnswered => api::AudienceReason::ClassNotAnswered,
        AudienceReason::ConsentNo => api::AudienceReason::ClassNo,
        AudienceReason::RelayOnly => api::AudienceReason::ClassRelay,
        AudienceReason::NamedRelay => api::AudienceReason::NamedRelay,
        AudienceReason::NamedNo => api::AudienceReason::NamedNo,
        AudienceReason::NamedPerhaps => api::AudienceReason::NamedPerhaps,
        AudienceReason::Newcomer => api::AudienceReason::ClassNewcomer,
        AudienceReason::AuthorityNotNamed => api::AudienceReason::Authority,
        AudienceReason::SenderHidden => api::AudienceReason::CallerHidden,
        AudienceReason::RelayPermitted => api::AudienceReason::RelayPermitted,
        AudienceReason::Released => api::AudienceReason::Released,
        AudienceReason::Approved => api::AudienceReason::Approved,
        AudienceReason::Forwarded => api::AudienceReason::Forwarded,
        AudienceReason::LegalDuty => api::AudienceReason::LegalDuty,
        AudienceReason::CameLater => api::AudienceReason::CameLater,
        AudienceReason::NotSinceThen => api::AudienceReason::NotSinceThen,
        AudienceReason::Withdrawn => api::AudienceReason::Withdrawn,
        AudienceReason::Retracted => api::AudienceReason::Retracted,
        AudienceReason::Superseded => api::AudienceReason::Superseded,
        AudienceReason::Erased => api::AudienceReason::Erased,
        AudienceReason::ParentNarrower => api::AudienceReason::ParentNarrower,
        AudienceReason::RelayNotPermitted => api::AudienceReason::RelayNotPermitted,
        AudienceReason::RelayLooserTlp => api::AudienceReason::RelayLooserTlp,
        AudienceReason::RelayTooFewSources => api::AudienceReason::RelayTooFewSources,
        AudienceReason::RelayUnapproved => api::AudienceReason::RelayUnapproved,
        AudienceReason::CarrierNotShown => api::AudienceReason::CarrierNotShown,
        AudienceReason::SameFileNarrower => api::AudienceReason::SameFileNarrower,
    }
}

/// The reason in a sentence, to its source; to the coordinator, `source` is whose message it is.
pub(super) fn reason_text(word: AudienceReason, source: Option<&OrganisationId>) -> String {
    let consent = source.map_or("your consent".to_owned(), |source| format!("{source}'s consent"));
    let of_consent = |rest: &str| format!("{consent} {rest}");
    let text = match word {
        AudienceReason::Coordinator => "the coordinator sees what is posted in the room",
        AudienceReason::Author => match source {
            None => "it is your own organisation",
            Some(_) => "it is the message's own source",
        },
        AudienceReason::Source => "it is the only source of this relay",
        AudienceReason::CarrierNotShown => "it is an attachment, and the message that carries it is not shown to it",
        AudienceReason::SameFileNarrower => {
            "its poster was given the same file by others, who may not show it to this one"
        }
        AudienceReason::FromCoordinator => "the coordinator's messages need no consent",
        AudienceReason::Consent => return of_consent("allows direct sharing with this class"),
        AudienceReason::NamedConsent => return of_consent("names it and allows direct sharing"),
        AudienceReason::NotARecipient => "it is not among the message's recipients",
        AudienceReason::CoordinatorOnly => "the message is for the coordinator only",
        AudienceReason::NotNamedInRed => "TLP:RED, and the message names nobody of it",
        AudienceReason::NotAnswered => match source {
            None => "you have not answered what may be shared with this class",
            Some(source) => return format!("{source} has not answered what may be shared with this class"),
        },
        AudienceReason::ConsentNo => return of_consent("says no for this class"),
        AudienceReason::RelayOnly => return of_consent("allows only the coordinator's sanitised words for this class"),
        AudienceReason::NamedRelay => return of_consent("names it and allows only the coordinator's sanitised words"),
        AudienceReason::NamedNo => return of_consent("names it and says no"),
        AudienceReason::NamedPerhaps => {
            let whose = if source.is_none() { "you have" } else { "it has" };
            return of_consent(&format!("answers for a name that {whose} not been shown, and it may be this one's"));
        }
        AudienceReason::Newcomer => match source {
            None => "it came after you gave consent, which does not cover newcomers",
            Some(source) => return format!("it came after {source} gave consent, which does not cover newcomers"),
        },
        AudienceReason::AuthorityNotNamed => "an authority receives others' words only if it is named",
        AudienceReason::RelayPermitted => "every source allows the coordinator's sanitised words to it",
        AudienceReason::Released => "its source released the message to it",
        AudienceReason::Approved => "the source approved this text for it",
        AudienceReason::Forwarded => "the source lets the coordinator forward it to the police",
        AudienceReason::LegalDuty => "a legal duty",
        AudienceReason::CameLater => "it came, came back or could be told to be here after the message",
        AudienceReason::NotSinceThen => {
            "it is permitted now, but was not at every moment since the message or the one it stands for"
        }
        AudienceReason::Withdrawn => "the message was withdrawn",
        AudienceReason::Retracted => "the message was retracted",
        AudienceReason::Superseded => "another message stands for it",
        AudienceReason::Erased => "the message's text was destroyed",
        AudienceReason::ParentNarrower => "a message that the relay is made from was narrowed to others",
        AudienceReason::RelayNotPermitted => "a source of the relay does not allow it",
        AudienceReason::RelayLooserTlp => "the relay's TLP is looser than that of a message that it is made from",
        AudienceReason::RelayTooFewSources => "too few organisations that it can see could be the source",
        AudienceReason::RelayUnapproved => "the source has not approved this text for it",
        AudienceReason::SenderHidden => match source {
            None => "you are hidden in this room and share nothing directly",
            Some(source) => return format!("{source} is hidden in this room and shares nothing directly"),
        },
    };
    text.to_owned()
}

pub(super) fn ask_answer(word: AskAnswer) -> api::AskAnswer {
    match word {
        AskAnswer::No => api::AskAnswer::No,
        AskAnswer::RelayOnly => api::AskAnswer::RelayOnly,
        AskAnswer::Yes => api::AskAnswer::Yes,
    }
}

pub(super) fn recall_answer(word: RecallAnswer) -> api::RecallAnswer {
    match word {
        RecallAnswer::Deleted => api::RecallAnswer::Deleted,
        RecallAnswer::RetainedByLaw => api::RecallAnswer::RetainedByLaw,
        RecallAnswer::SharedOnward => api::RecallAnswer::SharedOnward,
        RecallAnswer::CannotDelete => api::RecallAnswer::CannotDelete,
    }
}
