//! Transcripts: what organisations do in a room and what they are told, in the words of an incident. The same file runs against
//! the pure core and against a real server, with the same answers.
//!
//! A transcript is a list of blocks: command lines, `----`, what is answered, an empty line. `#` begins a comment line.
//! `UPDATE_EXPECT=1` rewrites the answers. The commands:
//!
//! ```text
//! register ORGANISATION...                   the coordinator cert-se lets organisations in
//! suspend ORGANISATION                       and keeps one out
//! revoke-access BY                           the coordinator revokes a person's or program's access
//! reinstate-access BY                        and gives it back
//! in ROOM                                    what follows is about another room; the first one is `main`
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
//! terms "..."
//! give BY CONSENT
//! withdraw BY all | material=... | audience=... | name=NAME | message=#LABEL [recall=+2h] [as=ID]
//! recalled BY ID deleted | retained-by-law | shared-onward | cannot-delete ["comment"]
//! consent BY [of=NAME]
//! post BY #LABEL MATERIAL TLP "text" [to=(NAME ...)] [coordinator-only] [red=(ACTOR ...)] [reply=#LABEL]
//!                                    [supersedes=#LABEL] [acknowledge=+2h] [attach=(#LABEL:MATERIAL:CONTENT ...)]
//! fetch BY #LABEL                           the file that is attached as #LABEL
//! preview BY MATERIAL TLP ...                as for post
//! retract BY #LABEL reason="..."
//! acknowledge BY #LABEL
//! release BY #LABEL... to=(NAME ...) as=ID
//! revoke BY ID
//! suggest BY MATERIAL [source=NAME] reason="..."
//! ask NAME #LABEL... | MATERIAL to=(NAME ...) | audience=... reason="..." within=+2h as=ID
//! answer-ask BY ID yes | relay-only | no ["comment"]
//! relay #LABEL from=(#LABEL ...) MATERIAL TLP "text" [to=(NAME ...)] [supersedes=#LABEL] [acknowledge=+2h]
//! preview-relay from=(#LABEL ...) ...        as for relay
//! approve BY #LABEL [to=(NAME ...)] ["text"] the text that was published, unless another is given
//! reject BY #LABEL reason="..."
//! receipts BY #LABEL
//! explain BY #LABEL of=NAME
//! see-as NAME
//! police-report BY reference="..."
//! forward #LABEL... to=NAME reason="..."
//! disclose #LABEL... to=NAME statute="..." [suppress=+48h] as=ID
//! confirm ID
//! introduce NAME NAME first="..." second="..." as=ID
//! answer-introduction BY ID yes | no [contact="..."]
//! connect ROOM ROOM reason="..."
//! connections ROOM
//! read BY [new | after=INDEX] [page=N]       the mailbox, or what BY has not read yet in this transcript; page 100 unless told
//! catch-up BY...                             they have read everything up to here
//! participants BY
//! room BY
//! export BY                                  it goes on record that BY exports what it may see
//! close | reopen                             the coordinator
//! clock +30m                                 time passes
//! ```
//!
//! BY is an organisation (its person `duty`) or ORGANISATION/user|service/NAME. Commands without it are by the coordinator, unless
//! `by=` says otherwise. NAME is an organisation id, or `~ORGANISATION`: the participant id under which that organisation stands in
//! the room. Where an answer has `~region-a`, its reader was shown that random id and nothing else of region-a. `as=ID` gives the id
//! of a release, a question, a recall, a disclosure or an introduction a name; the two sides of an introduction have an id each.
//! CONSENT: `logs/third-parties=direct`, `*/*=no`, `logs/NAME=no`, `newcomers/third-parties=yes`, `attribution=named`,
//! `police=no`, `expires=+30m`, `expires=never`.

use std::fmt::{Display, Write};
use std::fs;
use std::path::{Path, PathBuf};

use samverkan::room::refusal::Refusal;
use samverkan::room::words::{
    Answer, AskAnswer, Assessment, Attribution, Audience, Material, PoliceAnswer, RecallAnswer, Role, Sharing, Tlp,
};

mod told;

pub(crate) use told::{Attached, ConsentWords, Receipt, Relay, Told, Who, connected, decided, head, read_by, relayed};

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

    /// Whether its first word is not who does it: the coordinator does, unless `by=` says otherwise.
    pub(crate) fn is_by_coordinator(&self) -> bool {
        let verbs = [
            "invite",
            "remove",
            "role",
            "close",
            "reopen",
            "terms",
            "ask",
            "relay",
            "preview-relay",
            "see-as",
            "forward",
            "disclose",
            "confirm",
            "erase",
            "confirm-erasure",
            "hold",
            "lift",
            "keep",
            "erasures",
            "introduce",
            "connect",
            "connections",
        ];
        verbs.contains(&self.verb.as_str())
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

/// The files of a command, `attach=(#LABEL:MATERIAL:CONTENT ...)`: label, material, what it holds.
pub(crate) fn attached(command: &Command) -> impl Iterator<Item = (&str, &str, &str)> {
    command.list("attach").iter().map(|word| {
        let (label, rest) = word.split_once(':').expect("#LABEL:MATERIAL:CONTENT");
        let (material, content) = rest.split_once(':').expect("#LABEL:MATERIAL:CONTENT");
        (label, material, content)
    })
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
words!(ask_answer, to_ask_answer, AskAnswer, { No = "no", RelayOnly = "relay-only", Yes = "yes" });
words!(recall_answer, to_recall_answer, RecallAnswer, {
    Deleted = "deleted", RetainedByLaw = "retained-by-law", SharedOnward = "shared-onward", CannotDelete = "cannot-delete",
});

/// The caller's side of an introduction: each has an id of its own. Another's is written out.
pub(crate) fn own_side(command: &Command) -> String {
    let label = command.words.get(1).expect("an introduction");
    let organisation = command.by().split('/').next().unwrap_or_default();
    if label.contains('/') { label.clone() } else { format!("{label}/{organisation}") }
}

/// `yes` or `no`.
pub(crate) fn is_yes(word: &str) -> bool {
    matches!(to_answer(word), Answer::Yes)
}

/// A time to come, as `+30m` or `+24h`, in microseconds.
pub(crate) fn duration(word: &str) -> i64 {
    let minutes = |unit: char, minutes: i64| {
        let number = word.strip_prefix('+').and_then(|word| word.strip_suffix(unit))?.parse::<i64>().ok()?;
        Some(number * minutes)
    };
    minutes('m', 1).or_else(|| minutes('h', 60)).unwrap_or_else(|| panic!("{word}: a duration reads +30m or +24h"))
        * MINUTE
}

/// Microseconds.
pub(crate) const MINUTE: i64 = 60_000_000;

/// Numbers the lines of a page of a mailbox. What is older than a line before it, as a release is, says so.
pub(crate) fn mailbox(page: impl IntoIterator<Item = (u64, Option<i64>, Told)>) -> String {
    let mut latest: Option<i64> = None;
    lines(page.into_iter().map(|(index, at, told)| {
        let minutes = latest.zip(at).map_or(0, |(latest, at)| (latest - at) / MINUTE);
        latest = latest.max(at);
        let age = if minutes > 0 { format!(", {minutes} minutes old") } else { String::new() };
        format!("{index} {told}{age}")
    }))
}

/// The refusal as the API names it, without `ERROR_REASON_`, and the field of the request that it is about.
pub(crate) fn reason(refusal: &Refusal) -> String {
    let reason = match refusal {
        Refusal::RoomNotFound => "ROOM_NOT_FOUND",
        Refusal::UploadNotFound => "UPLOAD_NOT_FOUND",
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
        Refusal::AlreadyRevoked => "ALREADY_REVOKED",
        Refusal::ActorNotRevoked => "ACTOR_NOT_REVOKED",
        Refusal::NotForYourself => "NOT_FOR_YOURSELF",
        Refusal::ReportNotFound => "REPORT_NOT_FOUND",
        Refusal::IndexPastEnd => "INDEX_PAST_END",
        Refusal::RequestIdReused => "REQUEST_ID_REUSED",
        Refusal::AlreadyRegistered => "ORGANISATION_EXISTS",
        Refusal::LimitReached { what: _, max: _ } => "LIMIT_REACHED",
        Refusal::EditWidens { field: _ } => "EDIT_WIDENS",
        Refusal::MessageFallen => "MESSAGE_WITHDRAWN",
        Refusal::NamedNo => "NAMED_NO",
        Refusal::AskNotFound => "ASK_NOT_FOUND",
        Refusal::AskClosed => "ASK_CLOSED",
        Refusal::ReleaseNotFound => "RELEASE_NOT_FOUND",
        Refusal::RecallNotFound => "RECALL_NOT_FOUND",
        Refusal::RelayNotPermitted { participant: _ } => "RELAY_NOT_PERMITTED",
        Refusal::TextChanged => "TEXT_CHANGED",
        Refusal::AcknowledgementNotAsked => "ACKNOWLEDGEMENT_NOT_ASKED",
        Refusal::AlreadyAcknowledged => "ALREADY_ACKNOWLEDGED",
        Refusal::PoliceForwardingNotAllowed => "POLICE_FORWARDING_NOT_ALLOWED",
        Refusal::SecondPersonRequired => "SECOND_PERSON_REQUIRED",
        Refusal::DisclosureNotFound => "DISCLOSURE_NOT_FOUND",
        Refusal::LegalHold => "LEGAL_HOLD",
        Refusal::ErasureNotFound => "ERASURE_NOT_FOUND",
        Refusal::StoreNotEncrypted => "STORE_NOT_ENCRYPTED",
        Refusal::HeldAlready => "LEGAL_HOLD_PLACED",
        Refusal::NotHeld => "NO_LEGAL_HOLD",
        Refusal::IntroductionNotFound => "INTRODUCTION_NOT_FOUND",
        Refusal::InviteNotValid => "INVITE_NOT_VALID",
        Refusal::InviteNotOpen => "INVITE_NOT_OPEN",
        Refusal::ApprovalPending => "APPROVAL_PENDING",
        Refusal::NobodyWaits => "NOBODY_WAITS",
        Refusal::ApprovalCodeWrong => "APPROVAL_CODE_WRONG",
        Refusal::RenewalNotPermitted => "RENEWAL_NOT_PERMITTED",
    };
    reason.to_owned()
}

/// A line of the list of erasures.
pub(crate) fn erasure(id: &str, what: &str, basis: &str, by: &str, confirmed: Option<String>) -> String {
    let state = confirmed.map_or_else(|| "waits".to_owned(), |by| format!("confirmed by {by}"));
    format!("{id}: {what} under \"{basis}\", proposed by {by}, {state}")
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
