//! Changes and withdrawals of sharing consent, as requests have them.

use std::collections::BTreeSet;

use super::fields::Fields;
use super::words;
use crate::api;
use crate::limits;
use crate::room::consent::{ConsentChange, ExpiryChange, Name, Scope};
use crate::room::ids::MessageId;
use crate::room::words::{Answer, Audience, Material, PoliceAnswer, Sharing};

/// A change of consent that stands in the field `at`.
pub(super) fn change(fields: &mut Fields, at: &str, change: &api::ConsentChange) -> ConsentChange {
    let api::ConsentChange { cells, named, newcomers, attribution, police, expiry } = change;
    ConsentChange {
        cells: grid(fields, at, cells),
        named: by_name(fields, at, named),
        newcomers: of_newcomers(fields, at, newcomers),
        attribution: attribution
            .and_then(|number| fields.word(|| format!("{at}.attribution"), number, words::attribution)),
        police: police.and_then(|number| fields.word(|| format!("{at}.police"), number, words::police)),
        expiry: match expiry {
            None => ExpiryChange::Keep,
            Some(api::consent_change::Expiry::ExpireTime(time)) => {
                fields.time(&format!("{at}.expire_time"), *time).map_or(ExpiryChange::Keep, ExpiryChange::At)
            }
            Some(api::consent_change::Expiry::ClearExpiry(true)) => ExpiryChange::Never,
            Some(api::consent_change::Expiry::ClearExpiry(false)) => {
                fields.wrong(format!("{at}.clear_expiry"), "must be true; leave expiry unset to keep it");
                ExpiryChange::Keep
            }
        },
    }
}

/// Whether a change sets nothing.
pub(super) fn is_empty(change: &ConsentChange) -> bool {
    *change == ConsentChange::default()
}

fn grid(fields: &mut Fields, at: &str, cells: &[api::ConsentCell]) -> Vec<(Material, Audience, Sharing)> {
    if !fields.at_most(&format!("{at}.cells"), cells, Material::ALL.len() * Audience::ALL.len()) {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let mut answers = Vec::with_capacity(cells.len());
    for (i, api::ConsentCell { material, audience, sharing }) in cells.iter().enumerate() {
        let material = fields.word(|| format!("{at}.cells[{i}].material"), *material, words::material);
        let audience = fields.word(|| format!("{at}.cells[{i}].audience"), *audience, words::audience);
        let sharing = fields.word(|| format!("{at}.cells[{i}].sharing"), *sharing, words::sharing);
        if let (Some(material), Some(audience)) = (material, audience) {
            fields.once(&mut seen, (material, audience), || format!("{at}.cells[{i}]"));
            answers.extend(sharing.map(|sharing| (material, audience, sharing)));
        }
    }
    answers
}

fn by_name(fields: &mut Fields, at: &str, named: &[api::NamedSharing]) -> Vec<(Name, Material, Sharing)> {
    if !fields.at_most(&format!("{at}.named"), named, limits::NAMED_MAX) {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let mut answers = Vec::with_capacity(named.len());
    for (i, api::NamedSharing { name, sharings }) in named.iter().enumerate() {
        let name = fields.name(|| format!("{at}.named[{i}].name"), name);
        if let Some(name) = &name {
            fields.once(&mut seen, name.clone(), || format!("{at}.named[{i}].name"));
        }
        let list = format!("{at}.named[{i}].sharings");
        if sharings.is_empty() {
            fields.wrong(&list, "must list at least one material");
        }
        if !fields.at_most(&list, sharings, Material::ALL.len()) {
            continue;
        }
        let mut materials = BTreeSet::new();
        for (j, api::MaterialSharing { material, sharing }) in sharings.iter().enumerate() {
            let material = fields.word(|| format!("{list}[{j}].material"), *material, words::material);
            let sharing = fields.word(|| format!("{list}[{j}].sharing"), *sharing, words::sharing);
            if let Some(material) = material {
                fields.once(&mut materials, material, || format!("{list}[{j}].material"));
                if let (Some(name), Some(sharing)) = (&name, sharing) {
                    answers.push((name.clone(), material, sharing));
                }
            }
        }
    }
    answers
}

fn of_newcomers(fields: &mut Fields, at: &str, newcomers: &[api::NewcomersAnswer]) -> Vec<(Audience, Answer)> {
    if !fields.at_most(&format!("{at}.newcomers"), newcomers, Audience::ALL.len()) {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let mut answers = Vec::with_capacity(newcomers.len());
    for (i, api::NewcomersAnswer { audience, answer }) in newcomers.iter().enumerate() {
        let audience = fields.word(|| format!("{at}.newcomers[{i}].audience"), *audience, words::audience);
        let answer = fields.word(|| format!("{at}.newcomers[{i}].answer"), *answer, words::answer);
        if let Some(audience) = audience {
            fields.once(&mut seen, audience, || format!("{at}.newcomers[{i}].audience"));
            answers.extend(answer.map(|answer| (audience, answer)));
        }
    }
    answers
}

/// What is withdrawn.
pub(super) fn scope(fields: &mut Fields, scope: Option<&api::withdraw_consent_request::Scope>) -> Option<Scope> {
    use api::withdraw_consent_request::Scope as Asked;
    match scope {
        None => {
            fields.wrong("scope", "must be set: all, material, audience, name or message_id");
            None
        }
        Some(Asked::All(true)) => Some(Scope::All),
        Some(Asked::All(false)) => {
            fields.wrong("all", "must be true; to withdraw less, set material, audience, name or message_id");
            None
        }
        Some(Asked::Material(number)) => {
            fields.word(|| "material".to_owned(), *number, words::material).map(Scope::Material)
        }
        Some(Asked::Audience(number)) => {
            fields.word(|| "audience".to_owned(), *number, words::audience).map(Scope::Audience)
        }
        Some(Asked::Name(name)) => fields.name(|| "name".to_owned(), name).map(Scope::Named),
        Some(Asked::MessageId(id)) => fields.uuid("message_id", id).map(MessageId).map(Scope::Message),
    }
}

/// The answer about the police, in a report.
pub(super) fn police(fields: &mut Fields, at: &str, number: Option<i32>) -> Option<PoliceAnswer> {
    number.and_then(|number| fields.word(|| format!("{at}.police"), number, words::police))
}
