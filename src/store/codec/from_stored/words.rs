//! The words of the vocabulary as they are stored. One question: which word does this number stand for?
//!
//! A child of `from_stored`, the only one who asks. Upholds: R5 (no number that is unset or unknown is a word).

use super::super::{What, pb};
use crate::room::words::{AskAnswer, Attribution, Audience, Material, PoliceAnswer, RecallAnswer, Role, Sharing, Tlp};

pub(super) const UNSET: What = "holds a value that is unset or unknown";

pub(super) fn known<E: TryFrom<i32>>(value: i32) -> Result<E, What> {
    E::try_from(value).map_err(|_| UNSET)
}

pub(super) fn role(value: pb::Role) -> Result<Role, What> {
    match value {
        pb::Role::Unspecified => Err(UNSET),
        pb::Role::Coordinator => Ok(Role::Coordinator),
        pb::Role::AffectedOrganisation => Ok(Role::AffectedOrganisation),
        pb::Role::ThirdParty => Ok(Role::ThirdParty),
        pb::Role::Authority => Ok(Role::Authority),
    }
}

pub(super) fn attribution(value: pb::Attribution) -> Result<Option<Attribution>, What> {
    Ok(match value {
        pb::Attribution::Unspecified => None,
        pb::Attribution::Hidden => Some(Attribution::Hidden),
        pb::Attribution::Pseudonym => Some(Attribution::Pseudonym),
        pb::Attribution::Named => Some(Attribution::Named),
    })
}

pub(super) fn material(value: pb::Material) -> Result<Material, What> {
    match value {
        pb::Material::Unspecified => Err(UNSET),
        pb::Material::Information => Ok(Material::Information),
        pb::Material::Data => Ok(Material::Data),
        pb::Material::Logs => Ok(Material::Logs),
    }
}

pub(super) fn audience(value: pb::Audience) -> Result<Audience, What> {
    match value {
        pb::Audience::Unspecified => Err(UNSET),
        pb::Audience::OtherAffectedOrganisations => Ok(Audience::OtherAffectedOrganisations),
        pb::Audience::ThirdParties => Ok(Audience::ThirdParties),
    }
}

pub(super) fn sharing(value: pb::Sharing) -> Result<Sharing, What> {
    match value {
        pb::Sharing::Unspecified => Err(UNSET),
        pb::Sharing::NotAnswered => Ok(Sharing::NotAnswered),
        pb::Sharing::No => Ok(Sharing::No),
        pb::Sharing::Relay => Ok(Sharing::Relay),
        pb::Sharing::Direct => Ok(Sharing::Direct),
    }
}

pub(super) fn police(value: pb::PoliceAnswer) -> Option<PoliceAnswer> {
    match value {
        pb::PoliceAnswer::Unspecified => None,
        pb::PoliceAnswer::NotAnswered => Some(PoliceAnswer::NotAnswered),
        pb::PoliceAnswer::No => Some(PoliceAnswer::No),
        pb::PoliceAnswer::OrganisationReportsItself => Some(PoliceAnswer::OrganisationReportsItself),
        pb::PoliceAnswer::CoordinatorMayForward => Some(PoliceAnswer::CoordinatorMayForward),
    }
}

pub(super) fn ask_answer(value: pb::AskAnswer) -> Result<AskAnswer, What> {
    match value {
        pb::AskAnswer::Unspecified => Err(UNSET),
        pb::AskAnswer::No => Ok(AskAnswer::No),
        pb::AskAnswer::RelayOnly => Ok(AskAnswer::RelayOnly),
        pb::AskAnswer::Yes => Ok(AskAnswer::Yes),
    }
}

pub(super) fn recall_answer(value: pb::RecallAnswer) -> Result<RecallAnswer, What> {
    match value {
        pb::RecallAnswer::Unspecified => Err(UNSET),
        pb::RecallAnswer::Deleted => Ok(RecallAnswer::Deleted),
        pb::RecallAnswer::RetainedByLaw => Ok(RecallAnswer::RetainedByLaw),
        pb::RecallAnswer::SharedOnward => Ok(RecallAnswer::SharedOnward),
        pb::RecallAnswer::CannotDelete => Ok(RecallAnswer::CannotDelete),
    }
}

pub(super) fn tlp(value: pb::Tlp) -> Result<Tlp, What> {
    match value {
        pb::Tlp::Unspecified => Err(UNSET),
        pb::Tlp::Clear => Ok(Tlp::Clear),
        pb::Tlp::Green => Ok(Tlp::Green),
        pb::Tlp::Amber => Ok(Tlp::Amber),
        pb::Tlp::AmberStrict => Ok(Tlp::AmberStrict),
        pb::Tlp::Red => Ok(Tlp::Red),
    }
}
