//! The closed sets of the API, in the domain's words. `None`: unspecified.

use crate::api;
use crate::room::words::{
    Answer, AskAnswer, Assessment, Attribution, Audience, Material, PoliceAnswer, RecallAnswer, Role, Sharing, Tlp,
};

pub(super) fn material(word: api::Material) -> Option<Material> {
    match word {
        api::Material::Unspecified => None,
        api::Material::Information => Some(Material::Information),
        api::Material::Data => Some(Material::Data),
        api::Material::Logs => Some(Material::Logs),
    }
}

pub(super) fn audience(word: api::Audience) -> Option<Audience> {
    match word {
        api::Audience::Unspecified => None,
        api::Audience::OtherAffectedOrganisations => Some(Audience::OtherAffectedOrganisations),
        api::Audience::ThirdParties => Some(Audience::ThirdParties),
    }
}

pub(super) fn sharing(word: api::Sharing) -> Option<Sharing> {
    match word {
        api::Sharing::Unspecified => None,
        api::Sharing::NotAnswered => Some(Sharing::NotAnswered),
        api::Sharing::No => Some(Sharing::No),
        api::Sharing::Relay => Some(Sharing::Relay),
        api::Sharing::Direct => Some(Sharing::Direct),
    }
}

pub(super) fn answer(word: api::Answer) -> Option<Answer> {
    match word {
        api::Answer::Unspecified => None,
        api::Answer::NotAnswered => Some(Answer::NotAnswered),
        api::Answer::No => Some(Answer::No),
        api::Answer::Yes => Some(Answer::Yes),
    }
}

pub(super) fn tlp(word: api::Tlp) -> Option<Tlp> {
    match word {
        api::Tlp::Unspecified => None,
        api::Tlp::Clear => Some(Tlp::Clear),
        api::Tlp::Green => Some(Tlp::Green),
        api::Tlp::Amber => Some(Tlp::Amber),
        api::Tlp::AmberStrict => Some(Tlp::AmberStrict),
        api::Tlp::Red => Some(Tlp::Red),
    }
}

pub(super) fn role(word: api::Role) -> Option<Role> {
    match word {
        api::Role::Unspecified => None,
        api::Role::Coordinator => Some(Role::Coordinator),
        api::Role::AffectedOrganisation => Some(Role::AffectedOrganisation),
        api::Role::ThirdParty => Some(Role::ThirdParty),
        api::Role::Authority => Some(Role::Authority),
    }
}

pub(super) fn attribution(word: api::Attribution) -> Option<Attribution> {
    match word {
        api::Attribution::Unspecified => None,
        api::Attribution::Hidden => Some(Attribution::Hidden),
        api::Attribution::Pseudonym => Some(Attribution::Pseudonym),
        api::Attribution::Named => Some(Attribution::Named),
    }
}

pub(super) fn police(word: api::PoliceAnswer) -> Option<PoliceAnswer> {
    match word {
        api::PoliceAnswer::Unspecified => None,
        api::PoliceAnswer::NotAnswered => Some(PoliceAnswer::NotAnswered),
        api::PoliceAnswer::No => Some(PoliceAnswer::No),
        api::PoliceAnswer::OrganisationReportsItself => Some(PoliceAnswer::OrganisationReportsItself),
        api::PoliceAnswer::CoordinatorMayForward => Some(PoliceAnswer::CoordinatorMayForward),
    }
}

pub(super) fn assessment(word: api::Assessment) -> Option<Assessment> {
    match word {
        api::Assessment::Unspecified => None,
        api::Assessment::No => Some(Assessment::No),
        api::Assessment::Yes => Some(Assessment::Yes),
        api::Assessment::Unknown => Some(Assessment::Unknown),
    }
}

pub(super) fn ask_answer(word: api::AskAnswer) -> Option<AskAnswer> {
    match word {
        api::AskAnswer::Unspecified => None,
        api::AskAnswer::No => Some(AskAnswer::No),
        api::AskAnswer::RelayOnly => Some(AskAnswer::RelayOnly),
        api::AskAnswer::Yes => Some(AskAnswer::Yes),
    }
}

pub(super) fn recall_answer(word: api::RecallAnswer) -> Option<RecallAnswer> {
    match word {
        api::RecallAnswer::Unspecified => None,
        api::RecallAnswer::Deleted => Some(RecallAnswer::Deleted),
        api::RecallAnswer::RetainedByLaw => Some(RecallAnswer::RetainedByLaw),
        api::RecallAnswer::SharedOnward => Some(RecallAnswer::SharedOnward),
        api::RecallAnswer::CannotDelete => Some(RecallAnswer::CannotDelete),
    }
}
