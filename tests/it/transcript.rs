//! Transcripts: what organisations do in a room and what they are told, in the words of an incident. The same file runs against
//! the pure core and against a real server, with the same answers.
//!
//! A transcript is a list of blocks: command lines, `----`, what is answered, an empty line. `#` begins a comment line.
//! `UPDATE_EXPECT=1` rewrites the answers. The commands:
//!
//! ```text
//! register ORGANISATION...                   the coordinator cert-se lets organisations in
//! suspend ORGANISATION                       and keeps one out
//! open BY title="..." terms="..."            the coordinator opens the room
//! report BY what="..." ... CONSENT           or a report does: what how discovered countermeasures ongoing leak help contacts police
//! amend BY what="..." ... CONSENT            answers anew
//! show-report BY [of=NAME]                   all versions, the newest first
//! invite NAME as=ROLE
//! invitations BY
//! accept BY CONSENT
//! decline BY
//! leave BY
//! remove NAME reason="..."
//! role NAME as=ROLE
//! give BY CONSENT
//! withdraw BY all | material=... | audience=... | name=NAME
//! consent BY [of=NAME]
//! post BY #LABEL MATERIAL TLP "text" [to=(NAME ...)] [coordinator-only] [red=(ACTOR ...)] [reply=#LABEL]
//! preview BY MATERIAL TLP ...                as for post
//! read BY [new | after=INDEX] [page=N]       the mailbox, or what BY has not read yet in this transcript; page 100 unless told
//! participants BY
//! room BY
//! close | reopen                             the coordinator
//! clock +30m                                 time passes (a transcript with the comment `# clock` needs it)
//! ```
//!
//! BY is an organisation (its person `duty`) or ORGANISATION/user|service/NAME; `remove`, `role`, `invite` and the like are by the
//! coordinator unless `by=` says otherwise. NAME is an organisation id, or `~ORGANISATION`: the participant id under which that
//! organisation stands in the room. Where an answer has `~region-a`, its reader was shown that random id and nothing else of region-a.
//! CONSENT: `logs/third-parties=direct`, `*/*=no`, `logs/NAME=no`, `newcomers/third-parties=yes`, `attribution=named`,
//! `police=no`, `expires=+30m`, `expires=never`.

use std::fmt::{self, Display, Write};
use std::fs;
use std::path::{Path, PathBuf};

use samverkan::room::refusal::Refusal;
use samverkan::room::words::{Answer, Assessment, Attribution, Audience, Material, PoliceAnswer, Role, Sharing, Tlp};

/// Something that understands the commands: a room of the pure core, or one on a real server.
pub(crate) trait World {
    /// Does what the command says; answers what its caller is told, line by line.
    fn run(&mut self, command: &Command) -> String;
}

/// One command line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Command {
    /// The first word.
    pub(crate) verb: String,
    /// The other words, without quotes.
    pub(crate) words: Vec<String>,
    /// What stood in quotes, without a key.
    pub(crate) text: Option<String>,
    /// `key=value` and `key=(value value)`.
    pub(crate) fields: Vec<(String, Vec<String>)>,
}

impl Command {
    /// Reads a command line.
    pub(crate) fn parse(line: &str) -> Self {
        let mut command = Self::default();
        let mut rest = line.trim();
        while !rest.is_empty() {
            let end = rest.find([' ', '"', '=']).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            if let Some(quoted) = after.strip_prefix('"') {
                let (text, after) = quoted.split_once('"').unwrap_or_else(|| panic!("a quote is not closed: {line}"));
                command.text = Some(text.to_owned());
                rest = after.trim_start();
            } else if let Some(value) = after.strip_prefix('=') {
                let (values, after) = Self::value(value, line);
                command.fields.push((word.to_owned(), values));
                rest = after.trim_start();
            } else {
                if command.verb.is_empty() {
                    command.verb = word.to_owned();
                } else {
                    command.words.push(word.to_owned());
                }
                rest = after.trim_start();
            }
        }
        command
    }

    fn value<'a>(value: &'a str, line: &str) -> (Vec<String>, &'a str) {
        let closed =
            |what: Option<(&'a str, &'a str)>| what.unwrap_or_else(|| panic!("something is not closed: {line}"));
        if let Some(quoted) = value.strip_prefix('"') {
            let (text, after) = closed(quoted.split_once('"'));
            (vec![text.to_owned()], after)
        } else if let Some(list) = value.strip_prefix('(') {
            let (list, after) = closed(list.split_once(')'));
            (list.split_whitespace().map(str::to_owned).collect(), after)
        } else {
            let end = value.find(' ').unwrap_or(value.len());
            (vec![value[..end].to_owned()], &value[end..])
        }
    }

    /// The word after the verb: who does it.
    pub(crate) fn by(&self) -> &str {
        self.words.first().unwrap_or_else(|| panic!("{} needs a word that says who", self.verb))
    }

    /// Whether this word stands in the command.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|w| w == word)
    }

    /// The value of a field.
    pub(crate) fn field(&self, key: &str) -> Option<&str> {
        self.list(key).first().map(String::as_str)
    }

    /// The values of a field.
    pub(crate) fn list(&self, key: &str) -> &[String] {
        self.fields.iter().find(|(k, _)| k == key).map_or(&[], |(_, values)| values)
    }
}

/// One block of a transcript.
struct Block {
    /// Comments and command lines, as they stand in the file.
    lines: Vec<String>,
    expected: String,
}

fn parse(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().peekable();
    while lines.peek().is_some() {
        let above: Vec<_> = lines.by_ref().take_while(|line| *line != "----").map(str::to_owned).collect();
        let below: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        blocks.push(Block { lines: above, expected: below.join("\n") });
    }
    blocks
}

/// All transcripts, by name.
pub(crate) fn transcripts() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = fs::read_dir(directory).expect("tests/scenarios is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a directory can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    paths
}

/// Whether the transcript needs a clock that it can move.
pub(crate) fn needs_clock(path: &Path) -> bool {
    fs::read_to_string(path).expect("a transcript can be read").lines().any(|line| line == "# clock")
}

/// Runs a transcript and compares the answers; `update` rewrites them instead. An error shows the first difference.
pub(crate) fn check(path: &Path, world: &mut dyn World, update: bool) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut rewritten = Vec::new();
    for Block { lines, expected } in parse(&text) {
        let mut answers = Vec::new();
        let commands = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in commands {
            answers.extend(world.run(&Command::parse(line)).lines().map(str::to_owned));
        }
        let answer = answers.join("\n");
        if answer != expected && !update {
            return Err(format!(
                "{}\n{}\n---- expected\n{expected}\n---- answered\n{answer}\n(UPDATE_EXPECT=1 rewrites)",
                path.display(),
                lines.join("\n")
            ));
        }
        rewritten.push(format!("{}\n----\n{answer}\n", lines.join("\n")));
    }
    if update {
        fs::write(path, rewritten.join("\n")).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Somebody as shown to a reader.
pub(crate) struct Who {
    /// The organisation id, or `~` and the organisation that the world knows behind a pseudonym.
    pub(crate) name: String,
    /// Its role.
    pub(crate) role: Role,
    /// Shown to itself and the coordinator.
    pub(crate) attribution: Option<Attribution>,
    /// Whether it is the reader.
    pub(crate) is_reader: bool,
}

impl Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.name, role(self.role))?;
        // The coordinator is always named, and that is not worth a word.
        if let Some(shown) = self.attribution.filter(|_| self.role != Role::Coordinator) {
            write!(f, ", {}", attribution(shown))?;
        }
        if self.is_reader { f.write_str(" (you)") } else { Ok(()) }
    }
}

/// What stands at one index of a mailbox.
pub(crate) enum Told {
    /// A message. Everything after the text is shown only where it is there.
    Message {
        label: String,
        from: String,
        material: Material,
        tlp: Tlp,
        text: String,
        reply: Option<String>,
        occurred: bool,
        to: Vec<String>,
        coordinator_only: bool,
        actor: Option<String>,
    },
    Withdrawn,
    Notice(Vec<(u64, u64)>),
    RoomOpened,
    RoomClosed,
    RoomReopened,
    Joined(Who),
    Left(Who),
    Removed {
        who: Who,
        reason: String,
    },
    Identified(Who),
    RoleChanged(Who),
    Invited {
        organisation: String,
        role: Role,
    },
    Declined {
        organisation: String,
    },
    /// Whose, and what it set, in the words of [`consent_words`].
    ConsentGiven {
        name: String,
        change: String,
    },
    /// Whose, and the scope as in the command.
    ConsentWithdrawn {
        name: String,
        scope: String,
    },
    ConsentExpired {
        name: String,
    },
    ReportFiled {
        name: String,
    },
    ReportAmended {
        name: String,
    },
}

impl Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message { label, from, material: m, tlp: t, text, reply, occurred, to, coordinator_only, actor } => {
                write!(f, "{label} from {from}, {} {}: \"{text}\"", material(*m), tlp(*t))?;
                if let Some(reply) = reply {
                    write!(f, ", in reply to {reply}")?;
                }
                if *occurred {
                    f.write_str(", with the author's own time")?;
                }
                if !to.is_empty() {
                    write!(f, ", to {}", to.join(" "))?;
                }
                if *coordinator_only {
                    f.write_str(", coordinator only")?;
                }
                actor.as_ref().map_or(Ok(()), |actor| write!(f, ", by {actor}"))
            }
            Self::Withdrawn => f.write_str("withdrawn"),
            Self::Notice(ranges) => {
                f.write_str("notice: withdrawn")?;
                ranges.iter().try_for_each(|(first, last)| {
                    if first == last { write!(f, " {first}") } else { write!(f, " {first}-{last}") }
                })
            }
            Self::RoomOpened => f.write_str("room opened"),
            Self::RoomClosed => f.write_str("room closed"),
            Self::RoomReopened => f.write_str("room reopened"),
            Self::Joined(who) => write!(f, "joined: {who}"),
            Self::Left(who) => write!(f, "left: {who}"),
            Self::Removed { who, reason } => write!(f, "removed: {who}: \"{reason}\""),
            Self::Identified(who) => write!(f, "identified: {who}"),
            Self::RoleChanged(who) => write!(f, "role changed: {who}"),
            Self::Invited { organisation, role: r } => write!(f, "invited: {organisation}, {}", role(*r)),
            Self::Declined { organisation } => write!(f, "declined: {organisation}"),
            Self::ConsentGiven { name, change } => write!(f, "consent of {name}: {change}"),
            Self::ConsentWithdrawn { name, scope } => write!(f, "consent of {name} withdrawn: {scope}"),
            Self::ConsentExpired { name } => write!(f, "consent of {name} expired"),
            Self::ReportFiled { name } => write!(f, "report of {name} filed"),
            Self::ReportAmended { name } => write!(f, "report of {name} amended"),
        }
    }
}

/// What a consent, or a change of one, says: only what is answered, in the order of the fact sheet.
pub(crate) struct ConsentWords {
    pub(crate) cells: Vec<(Material, Audience, Sharing)>,
    /// Name as the source wrote it (`~` and organisation for a participant id).
    pub(crate) named: Vec<(String, Material, Sharing)>,
    pub(crate) newcomers: Vec<(Audience, Answer)>,
    pub(crate) attribution: Option<Attribution>,
    pub(crate) police: Option<PoliceAnswer>,
    /// `Some(true)`: at some time. `Some(false)`: never.
    pub(crate) expires: Option<bool>,
}

impl Display for ConsentWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        let Self { cells, named, newcomers, attribution: shown, police: answer, expires } = self;
        let (mut cells, mut named, mut newcomers) = (cells.clone(), named.clone(), newcomers.clone());
        cells.sort();
        named.sort();
        newcomers.sort();
        words.extend(cells.iter().map(|(m, a, s)| format!("{}/{}={}", material(*m), audience(*a), sharing(*s))));
        words.extend(named.iter().map(|(name, m, s)| format!("{}/{name}={}", material(*m), sharing(*s))));
        words.extend(
            newcomers.iter().map(|(a, answer)| format!("newcomers/{}={}", audience(*a), self::answer(*answer))),
        );
        words.extend(shown.map(|shown| format!("attribution={}", attribution(shown))));
        words.extend(answer.map(|answer| format!("police={}", police(answer))));
        words.extend(expires.map(|expires| if expires { "expires".to_owned() } else { "expires=never".to_owned() }));
        if words.is_empty() { f.write_str("nothing") } else { f.write_str(&words.join(" ")) }
    }
}

/// One line each, or `(nothing)`.
pub(crate) fn lines<T: Display>(list: impl IntoIterator<Item = T>) -> String {
    let mut all = String::new();
    for item in list {
        writeln!(all, "{item}").expect("a string takes all");
    }
    if all.is_empty() { "(nothing)".to_owned() } else { all }
}

macro_rules! words {
    ($print:ident, $parse:ident, $type:ident, { $($variant:ident = $word:literal),+ $(,)? }) => {
        /// As transcripts spell it.
        pub(crate) fn $print(value: $type) -> &'static str {
            match value { $($type::$variant => $word),+ }
        }

        /// As transcripts spell it.
        #[track_caller]
        pub(crate) fn $parse(word: &str) -> $type {
            match word { $($word => $type::$variant,)+ _ => panic!("{word} is no {}", stringify!($type)) }
        }
    };
}

words!(material, to_material, Material, { Information = "information", Data = "data", Logs = "logs" });
words!(audience, to_audience, Audience, {
    OtherAffectedOrganisations = "other-affected-organisations", ThirdParties = "third-parties",
});
words!(sharing, to_sharing, Sharing, { NotAnswered = "not-answered", No = "no", Relay = "relay", Direct = "direct" });
words!(answer, to_answer, Answer, { NotAnswered = "not-answered", No = "no", Yes = "yes" });
words!(assessment, to_assessment, Assessment, { No = "no", Yes = "yes", Unknown = "unknown" });
words!(role, to_role, Role, {
    Coordinator = "coordinator", AffectedOrganisation = "affected-organisation", ThirdParty = "third-party", Authority = "authority",
});
words!(attribution, to_attribution, Attribution, { Hidden = "hidden", Pseudonym = "pseudonym", Named = "named" });
words!(tlp, to_tlp, Tlp, { Clear = "clear", Green = "green", Amber = "amber", AmberStrict = "amber+strict", Red = "red" });
words!(police, to_police, PoliceAnswer, {
    NotAnswered = "not-answered", No = "no", OrganisationReportsItself = "organisation-reports-itself",
    CoordinatorMayForward = "coordinator-may-forward",
});

/// The refusal as the API names it, without `ERROR_REASON_`, and the field of the request that it is about.
pub(crate) fn reason(refusal: &Refusal) -> String {
    let reason = match refusal {
        Refusal::RoomNotFound => "ROOM_NOT_FOUND",
        Refusal::InvitationNotFound => "INVITATION_NOT_FOUND",
        Refusal::CoordinatorOnly => "COORDINATOR_ONLY",
        Refusal::AffectedOrganisationOnly => "AFFECTED_ORGANISATION_ONLY",
        Refusal::NotForTheCoordinator => "NOT_FOR_THE_COORDINATOR",
        Refusal::PersonRequired => "PERSON_REQUIRED",
        Refusal::RoomClosed => "ROOM_CLOSED",
        Refusal::RoomOpen => "ROOM_NOT_CLOSED",
        Refusal::RecipientNotVisible => "RECIPIENT_NOT_VISIBLE",
        Refusal::MessageNotVisible => "MESSAGE_NOT_VISIBLE",
        Refusal::Invalid { field, rule: _ } => return field_invalid(field),
        Refusal::HiddenCannotShareDirectly => "ATTRIBUTION_HIDDEN",
        Refusal::AttributionCannotBeLowered => "ATTRIBUTION_NOT_LOWERED",
        Refusal::ConsentVersionMoved { found: _ } => "CONSENT_VERSION_CHANGED",
        Refusal::AlreadyParticipant => "ALREADY_PARTICIPANT",
        Refusal::AlreadyInvited => "ALREADY_INVITED",
        Refusal::ParticipantNotFound => "PARTICIPANT_NOT_FOUND",
        Refusal::OrganisationNotFound => "ORGANISATION_NOT_FOUND",
        Refusal::OrganisationSuspended => "ORGANISATION_SUSPENDED",
        Refusal::ReportNotFound => "REPORT_NOT_FOUND",
        Refusal::IndexPastEnd => "INDEX_PAST_END",
        Refusal::RequestIdReused => "REQUEST_ID_REUSED",
        Refusal::AlreadyRegistered => "ORGANISATION_EXISTS",
        Refusal::LimitReached { what: _, max: _ } => "LIMIT_REACHED",
    };
    reason.to_owned()
}

#[test]
fn a_command_line_is_read_as_words_text_and_fields() {
    let command = Command::parse(r#"post region-a #1 logs amber "a = (b)" to=(region-b ~muni-c) reply=#2"#);
    assert_eq!((command.verb.as_str(), command.by()), ("post", "region-a"));
    assert_eq!(command.words, ["region-a", "#1", "logs", "amber"]);
    assert_eq!(command.text.as_deref(), Some("a = (b)"));
    assert_eq!(command.list("to"), ["region-b", "~muni-c"]);
    assert_eq!(command.field("reply"), Some("#2"));
    assert!(command.has("logs") && command.list("red").is_empty());
}

/// A refusal of a field, by its own name: where it stands in a request depends on the request.
pub(crate) fn field_invalid(field: &str) -> String {
    format!("FIELD_INVALID {}", field.rsplit('.').next().unwrap_or(field))
}
