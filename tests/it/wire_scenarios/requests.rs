//! A command of a transcript as a request has it.

use samverkan::api as pb;

use super::WireWorld;
use crate::transcript::{Command, duration};

impl WireWorld {
    /// A name of a transcript as a request has it. Who was never met stands nowhere.
    pub(super) fn name(&self, name: &str) -> String {
        match name.strip_prefix('~') {
            Some(of) => {
                let mut places = std::iter::once(&self.here).chain(self.elsewhere.values());
                places.find_map(|place| place.participants.get(of)).cloned().unwrap_or_else(|| never_given(name))
            }
            None => name.to_owned(),
        }
    }

    pub(super) fn change(&self, command: &Command) -> pb::ConsentChange {
        use pb::consent_change::Expiry;
        let mut change = pb::ConsentChange::default();
        for (key, values) in &command.fields {
            let value = values[0].as_str();
            match (key.as_str(), key.split_once('/')) {
                (_, Some(("newcomers", whom))) => {
                    let (audience, answer) = (number::<pb::Audience>(whom), number::<pb::Answer>(value));
                    change.newcomers.push(pb::NewcomersAnswer { audience, answer });
                }
                (_, Some((what, whom))) => {
                    let materials = if what == "*" { vec!["information", "data", "logs"] } else { vec![what] };
                    for material in materials.into_iter().map(number::<pb::Material>) {
                        let sharing = number::<pb::Sharing>(value);
                        let audiences = match whom {
                            "*" => vec!["other-affected-organisations", "third-parties"],
                            "other-affected-organisations" | "third-parties" => vec![whom],
                            _ => {
                                let (name, answer) = (self.name(whom), pb::MaterialSharing { material, sharing });
                                match change.named.iter_mut().find(|named| named.name == name) {
                                    Some(named) => named.sharings.push(answer),
                                    None => change.named.push(pb::NamedSharing { name, sharings: vec![answer] }),
                                }
                                vec![]
                            }
                        };
                        change.cells.extend(
                            audiences.into_iter().map(number::<pb::Audience>).map(|audience| pb::ConsentCell {
                                material,
                                audience,
                                sharing,
                            }),
                        );
                    }
                }
                ("attribution", None) => change.attribution = Some(number::<pb::Attribution>(value)),
                ("police", None) => change.police = Some(number::<pb::PoliceAnswer>(value)),
                ("expires", None) if value == "never" => change.expiry = Some(Expiry::ClearExpiry(true)),
                ("expires", None) => {
                    change.expiry = Some(Expiry::ExpireTime(time(self.world.now() + duration(value))));
                }
                (_, None) => {}
            }
        }
        change
    }

    pub(super) fn scope(&self, command: &Command) -> pb::withdraw_consent_request::Scope {
        use pb::withdraw_consent_request::Scope;
        if command.has("all") {
            return Scope::All(true);
        }
        let material = command.field("material").map(|word| Scope::Material(number::<pb::Material>(word)));
        let audience = || command.field("audience").map(|word| Scope::Audience(number::<pb::Audience>(word)));
        let named = || command.field("name").map(|word| Scope::Name(self.name(word)));
        let one = || command.field("message").map(|label| Scope::MessageId(self.message(label)));
        material.or_else(audience).or_else(named).or_else(one).expect("all, material=, audience=, name= or message=")
    }

    pub(super) fn draft(&self, command: &Command) -> pb::MessageDraft {
        let mut plain = plain(command);
        let red = |word: &String| {
            if word.contains('/') { format!("org/{word}") } else { format!("org/{word}/user/duty") }
        };
        pb::MessageDraft {
            material: number::<pb::Material>(plain.next().expect("a material")),
            tlp: number::<pb::Tlp>(plain.next().expect("a TLP label")),
            text: command.text.clone().unwrap_or_else(|| "text".to_owned()),
            recipients: command.list("to").iter().map(|word| self.name(word)).collect(),
            red_actors: command.list("red").iter().map(red).collect(),
            coordinator_only: command.has("coordinator-only"),
            in_reply_to: command.field("reply").map_or(String::new(), |label| self.message(label)),
            occurred_time: command.field("occurred").map(|_| time(1)),
            supersedes: command.field("supersedes").map_or(String::new(), |label| self.message(label)),
            acknowledge_by_time: self.moment(command, "acknowledge"),
            attachments: Vec::new(),
        }
    }

    pub(super) fn report(&self, command: &Command) -> pb::IntakeReport {
        let text = |key| command.field(key).unwrap_or_default().to_owned();
        // A report has a field of its own for the police.
        let consent = pb::ConsentChange { police: None, ..self.change(command) };
        let discovered = command.field("discovered").map(|time| {
            let at: jiff::Timestamp = time.parse().expect("a time like 2025-09-01T06:00:00Z");
            self::time(at.as_microsecond())
        });
        pb::IntakeReport {
            what_occurred: text("what"),
            how_discovered: text("how"),
            discovered_time: discovered,
            countermeasures: text("countermeasures"),
            ongoing: command.field("ongoing").map(number::<pb::Assessment>),
            data_leak: command.field("leak").map(number::<pb::Assessment>),
            help_wanted: text("help"),
            contacts_made: text("contacts"),
            police: command.field("police").map(number::<pb::PoliceAnswer>),
            sharing_consent: Some(consent).filter(|consent| *consent != pb::ConsentChange::default()),
        }
    }

    /// A moment to come.
    pub(super) fn moment(&self, command: &Command, key: &str) -> Option<prost_types::Timestamp> {
        command.field(key).map(|word| time(self.world.now() + duration(word)))
    }

    /// `to=(NAME ...)`.
    pub(super) fn names(&self, command: &Command) -> Vec<String> {
        command.list("to").iter().map(|word| self.name(word)).collect()
    }

    /// The id of a message. What was never posted has one that was never given.
    pub(super) fn message(&self, label: &str) -> String {
        self.messages.get(label).cloned().unwrap_or_else(|| never_given(label))
    }

    /// The messages that a command is about.
    pub(super) fn labelled(&self, command: &Command) -> Vec<String> {
        command.words.iter().filter(|word| word.starts_with('#')).map(|label| self.message(label)).collect()
    }

    /// The id that has this name in the transcript.
    pub(super) fn named(&self, label: &str) -> String {
        let found = self.ids.iter().find(|(_, name)| *name == label).map(|(id, _)| id.clone());
        found.unwrap_or_else(|| never_given(label))
    }

    pub(super) fn relay_draft(&self, command: &Command) -> pb::RelayDraft {
        let mut plain = plain(command);
        pb::RelayDraft {
            parent_message_ids: command.list("from").iter().map(|label| self.message(label)).collect(),
            material: number::<pb::Material>(plain.next().expect("a material")),
            tlp: number::<pb::Tlp>(plain.next().expect("a TLP label")),
            text: command.text.clone().unwrap_or_else(|| "text".to_owned()),
            recipients: self.names(command),
            supersedes: command.field("supersedes").map_or(String::new(), |label| self.message(label)),
            acknowledge_by_time: self.moment(command, "acknowledge"),
        }
    }
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

/// An id that the server never gave, the same for the same name.
pub(super) fn never_given(name: &str) -> String {
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

pub(super) fn role(command: &Command) -> i32 {
    number::<pb::Role>(command.field("as").expect("as=ROLE"))
}

pub(crate) fn time(microseconds: i64) -> prost_types::Timestamp {
    let nanos = i32::try_from(microseconds.rem_euclid(1_000_000)).expect("below a million") * 1000;
    prost_types::Timestamp { seconds: microseconds.div_euclid(1_000_000), nanos }
}

/// An enum of the API whose values transcripts spell.
pub(crate) trait Spelled: Into<i32> + Sized {
    const PREFIX: &str;

    fn by_name(name: &str) -> Option<Self>;
}

macro_rules! spelled {
    ($($type:ident = $prefix:literal),* $(,)?) => {
        $(impl Spelled for pb::$type {
            const PREFIX: &str = $prefix;

            fn by_name(name: &str) -> Option<Self> {
                Self::from_str_name(name)
            }
        })*
    };
}

spelled!(
    Material = "MATERIAL_",
    Audience = "AUDIENCE_",
    Sharing = "SHARING_",
    Answer = "ANSWER_",
    Tlp = "TLP_",
    Role = "ROLE_",
    Attribution = "ATTRIBUTION_",
    PoliceAnswer = "POLICE_ANSWER_",
    Assessment = "ASSESSMENT_",
    AskAnswer = "ASK_ANSWER_",
    RecallAnswer = "RECALL_ANSWER_",
);

pub(crate) fn number<T: Spelled>(word: &str) -> i32 {
    let name = format!("{}{}", T::PREFIX, word.to_uppercase().replace(['-', '+'], "_"));
    T::by_name(&name).unwrap_or_else(|| panic!("{word} is no {}", T::PREFIX)).into()
}
