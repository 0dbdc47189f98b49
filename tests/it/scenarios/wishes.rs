//! A command of a transcript as the domain takes it. Ids are derived from their names, so that they are the same in each run.

use samverkan::room::consent::{ConsentChange, ExpiryChange, Name, Scope};
use samverkan::room::event::{AskedFor, Draft, IntakeReport, Recall, RelayDraft, Subject};
use samverkan::room::ids::{
    Actor, ActorKind, AskId, DisclosureId, ErasureId, IntroductionId, MessageId, RecallId, ReleaseId, Timestamp,
};
use samverkan::room::words::{Audience, Material};

use crate::histories::{attachment, id_of, message, organisation, participant};
use crate::transcript::{self as words, Command, duration};

use super::COORDINATOR;

pub(super) fn actor(word: &str) -> Actor {
    let mut parts = word.split('/');
    let of = organisation(parts.next().unwrap_or_default());
    let kind = if parts.next() == Some("service") { ActorKind::Service } else { ActorKind::User };
    Actor::new(of, kind, parts.next().unwrap_or("duty")).expect("well-formed")
}

pub(super) fn coordinator(command: &Command) -> Actor {
    actor(command.field("by").unwrap_or(COORDINATOR))
}

pub(super) fn name(word: &str) -> Name {
    match word.strip_prefix('~') {
        Some(of) => Name::Participant(participant(&organisation(of))),
        None => Name::Organisation(organisation(word)),
    }
}

pub(super) fn change(command: &Command, now: Timestamp) -> ConsentChange {
    let mut change = ConsentChange::default();
    for (key, values) in &command.fields {
        let value = values[0].as_str();
        match (key.as_str(), key.split_once('/')) {
            (_, Some(("newcomers", audience))) => {
                change.newcomers.push((words::to_audience(audience), words::to_answer(value)));
            }
            (_, Some((material, whom))) => {
                let materials =
                    if material == "*" { Material::ALL.to_vec() } else { vec![words::to_material(material)] };
                for material in materials {
                    let sharing = words::to_sharing(value);
                    match whom {
                        "*" => change.cells.extend(Audience::ALL.map(|audience| (material, audience, sharing))),
                        "other-affected-organisations" | "third-parties" => {
                            change.cells.push((material, words::to_audience(whom), sharing));
                        }
                        _ => change.named.push((name(whom), material, sharing)),
                    }
                }
            }
            ("attribution", None) => change.attribution = Some(words::to_attribution(value)),
            ("police", None) => change.police = Some(words::to_police(value)),
            ("expires", None) if value == "never" => change.expiry = ExpiryChange::Never,
            ("expires", None) => change.expiry = ExpiryChange::At(Timestamp(now.0 + duration(value))),
            (_, None) => {}
        }
    }
    change
}

pub(super) fn scope(command: &Command) -> Scope {
    if command.has("all") {
        return Scope::All;
    }
    let material = command.field("material").map(|word| Scope::Material(words::to_material(word)));
    let audience = || command.field("audience").map(|word| Scope::Audience(words::to_audience(word)));
    let named = || command.field("name").map(|word| Scope::Named(name(word)));
    let one = || command.field("message").map(|label| Scope::Message(message(label)));
    material.or_else(audience).or_else(named).or_else(one).expect("all, material=, audience=, name= or message=")
}

/// The words that are no label and no flag: material and TLP.
fn plain(command: &Command) -> impl Iterator<Item = &str> {
    let mut words =
        command.words.iter().map(String::as_str).filter(|word| !word.starts_with('#') && *word != "coordinator-only");
    if matches!(command.verb.as_str(), "post" | "preview") {
        words.next();
    }
    words
}

pub(super) fn draft(command: &Command, now: Timestamp) -> Draft {
    let mut plain = plain(command);
    Draft {
        material: words::to_material(plain.next().expect("a material")),
        tlp: words::to_tlp(plain.next().expect("a TLP label")),
        text: text(command),
        recipients: names(command),
        red_actors: command.list("red").iter().map(|word| actor(word)).collect(),
        coordinator_only: command.has("coordinator-only"),
        in_reply_to: command.field("reply").map(message),
        occurred_at: command.field("occurred").map(|_| Timestamp(1)),
        supersedes: command.field("supersedes").map(message),
        acknowledge_by: moment(command, "acknowledge", now),
        attachments: words::attached(command)
            .map(|(label, material, bytes)| attachment(words::to_material(material), label, bytes))
            .collect(),
    }
}

pub(super) fn relay_draft(command: &Command, now: Timestamp) -> RelayDraft {
    let mut plain = plain(command);
    RelayDraft {
        parents: command.list("from").iter().map(|label| message(label)).collect(),
        material: words::to_material(plain.next().expect("a material")),
        tlp: words::to_tlp(plain.next().expect("a TLP label")),
        text: text(command),
        recipients: names(command),
        supersedes: command.field("supersedes").map(message),
        acknowledge_by: moment(command, "acknowledge", now),
    }
}

pub(super) fn text(command: &Command) -> std::sync::Arc<str> {
    command.text.as_deref().unwrap_or("text").into()
}

/// `to=(NAME ...)`.
pub(super) fn names(command: &Command) -> Vec<Name> {
    command.list("to").iter().map(|word| name(word)).collect()
}

/// The messages that a command is about.
pub(super) fn messages(command: &Command) -> Vec<MessageId> {
    command.words.iter().filter(|word| word.starts_with('#')).map(|label| message(label)).collect()
}

/// A moment to come.
pub(super) fn moment(command: &Command, key: &str, now: Timestamp) -> Option<Timestamp> {
    command.field(key).map(|word| Timestamp(now.0 + duration(word)))
}

/// What a question is about: messages, or a material.
pub(super) fn subject(command: &Command) -> Subject {
    match messages(command) {
        none if none.is_empty() => Subject::Material(words::to_material(command.words.get(1).expect("a material"))),
        messages => Subject::Messages(messages),
    }
}

/// To whom it would go.
pub(super) fn asked_for(command: &Command) -> AskedFor<Name> {
    match command.field("audience") {
        Some(audience) => AskedFor::Audience(words::to_audience(audience)),
        None => AskedFor::Organisations(names(command)),
    }
}

pub(super) fn recall(command: &Command, now: Timestamp) -> Option<Recall> {
    let answer_by = moment(command, "recall", now)?;
    Some(Recall { id: recall_id(command.field("as").expect("a recall has a name: as=ID")), answer_by })
}

pub(super) fn release_id(label: &str) -> ReleaseId {
    ReleaseId::from_bytes(id_of(label))
}

pub(super) fn ask_id(label: &str) -> AskId {
    AskId::from_bytes(id_of(label))
}

pub(super) fn recall_id(label: &str) -> RecallId {
    RecallId::from_bytes(id_of(label))
}

pub(super) fn disclosure_id(label: &str) -> DisclosureId {
    DisclosureId::from_bytes(id_of(label))
}

pub(super) fn erasure_id(label: &str) -> ErasureId {
    ErasureId::from_bytes(id_of(label))
}

pub(super) fn introduction_id(label: &str) -> IntroductionId {
    IntroductionId::from_bytes(id_of(label))
}

pub(super) fn intake(command: &Command) -> IntakeReport {
    let text = |key| command.field(key).unwrap_or_default().to_owned();
    IntakeReport {
        what_occurred: text("what"),
        how_discovered: text("how"),
        discovered_at: command.field("discovered").map(|time| {
            Timestamp(time.parse::<jiff::Timestamp>().expect("a time like 2025-09-01T06:00:00Z").as_microsecond())
        }),
        countermeasures: text("countermeasures"),
        ongoing: command.field("ongoing").map(words::to_assessment),
        data_leak: command.field("leak").map(words::to_assessment),
        help_wanted: text("help"),
        contacts_made: text("contacts"),
        police: command.field("police").map(words::to_police),
    }
}
