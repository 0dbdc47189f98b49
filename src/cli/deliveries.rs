//! How does a delivery read to a person? One line: when, its number, and what happened in plain words. Below it, if need be: what
//! somebody wrote, indented by six spaces; what else is to be known, after a `·`; the command that answers it, after a `→`.
//!
//! Nothing that somebody wrote begins a line, so nobody's message passes for a line of ours. Tested in `deliveries/tests.rs`.

mod events;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use anstyle::{AnsiColor, Style};
use uuid::Uuid;

use super::find::SHORT_CHARS;
use super::output::{colour_on_stdout, escape};
use super::words::plain;
use crate::client::{Time, pb, time_text};

/// A participant by its name, or as a pseudonym with the beginning of its id.
pub(crate) fn name(participant: Option<&pb::Participant>) -> String {
    let Some(participant) = participant else { return "somebody".into() };
    let name = if participant.organisation_id.is_empty() {
        format!("pseudonym {}", participant.participant_id.get(..8).unwrap_or(&participant.participant_id))
    } else {
        participant.organisation_id.clone()
    };
    if participant.is_caller { format!("{name} (you)") } else { name }
}

/// A time to the second, in UTC.
pub(crate) fn short_time(time: Option<&Time>) -> String {
    let whole = time.map(|time| time_text(&Time { seconds: time.seconds, nanos: 0 }));
    whole.map_or_else(String::new, |text| text.replace('T', " "))
}

/// A TLP label as the standard writes it.
pub(crate) fn tlp(tlp: i32) -> String {
    format!("TLP:{}", plain::<pb::Tlp>(tlp).to_uppercase())
}

/// What is told of one delivery.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// What happened.
    line: String,
    /// What somebody wrote, if it has several lines.
    text: String,
    /// What else is to be known.
    more: Vec<String>,
    /// What to do about it: words, and a command.
    answers: Vec<String>,
}

impl From<String> for Told {
    fn from(line: String) -> Self {
        Self { line, ..Self::default() }
    }
}

impl From<&str> for Told {
    fn from(line: &str) -> Self {
        line.to_owned().into()
    }
}

impl Told {
    fn more(mut self, more: impl Into<String>) -> Self {
        self.more.push(more.into());
        self
    }

    fn answer(mut self, answer: impl Into<String>) -> Self {
        self.answers.push(answer.into());
        self
    }

    /// What happened.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// What somebody wrote, if it has several lines.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What else is to be known.
    pub(crate) fn notes(&self) -> &[String] {
        &self.more
    }

    /// As it is printed: escaped, and coloured if that is wanted.
    pub(crate) fn printed(&self, colour: bool) -> String {
        let paint = |style: Style, line: String| if colour { format!("{style}{line}{style:#}") } else { line };
        let dim = Style::new().dimmed();
        let bold = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
        let ours = |line: &str| escape(&one_line(line)).into_owned();
        let mut lines = vec![ours(&self.line)];
        lines.extend(self.text.lines().map(|line| format!("      {}", escape(line))));
        lines.extend(self.more.iter().map(|line| paint(dim, format!("· {}", ours(line)))));
        lines.extend(self.answers.iter().map(|line| paint(bold, format!("→ {}", ours(line)))));
        lines.join("\n")
    }

    /// What was asked, without how to answer: for whoever is answering.
    pub(crate) fn question(&self) -> String {
        std::iter::once(&self.line).chain(&self.more).map(|line| one_line(line)).collect::<Vec<_>>().join("\n")
    }

    /// As it is printed on standard output.
    pub(crate) fn for_stdout(&self) -> String {
        self.printed(colour_on_stdout())
    }
}

/// Tells of one mailbox, delivery by delivery, and remembers where things stand, so that later ones can point there.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    /// How this program was started, so that a command can be pasted.
    pub(crate) program: String,
    /// What is to stand after a command: the context and the room, as they were given.
    pub(crate) flags: String,
    /// Whether the reader is the coordinator.
    pub(crate) is_coordinator: bool,
    places: HashMap<Uuid, u64>,
}

impl Teller {
    pub(crate) fn new(program: impl Into<String>, flags: impl Into<String>, is_coordinator: bool) -> Self {
        Self { program: program.into(), flags: flags.into(), is_coordinator, places: HashMap::new() }
    }

    /// What one delivery says.
    pub(crate) fn tell(&mut self, index: u64, delivery: &pb::Delivery) -> Told {
        let time = short_time(delivery.recorded_time.as_ref());
        let time = if time.is_empty() { "-".to_owned() } else { time };
        let told = self.words(index, delivery);
        Told { line: format!("{time:<20}  {index:>4}  {}", told.line), ..told }
    }

    /// The same without when and where, for a table that has columns for these.
    pub(crate) fn words(&mut self, index: u64, delivery: &pb::Delivery) -> Told {
        let told = self.what(index, delivery);
        if let Some(id) = delivery.content.as_ref().and_then(events::id_of).and_then(|id| Uuid::parse_str(id).ok()) {
            self.places.insert(id, index);
        }
        told
    }

    fn what(&self, index: u64, delivery: &pb::Delivery) -> Told {
        use pb::delivery::Content;
        let who = |participant: &Option<pb::Participant>| name(participant.as_ref());
        let role = |participant: &Option<pb::Participant>| {
            participant.as_ref().map(|participant| plain::<pb::Role>(participant.role)).unwrap_or_default()
        };
        let Some(content) = &delivery.content else { return "something that this version does not know".into() };
        match content {
            Content::Message(message) => self.message(index, message),
            Content::Withdrawn(pb::Withdrawn {}) => "withdrawn".into(),
            Content::WithdrawalNotice(notice) => self.withdrawal(index, notice),
            Content::RoomOpened(opened) => format!("the room was opened: {}", one_line(&opened.title)).into(),
            Content::RoomClosed(pb::RoomClosed {}) => "the room was closed".into(),
            Content::RoomReopened(pb::RoomReopened {}) => "the room was opened again".into(),
            Content::ParticipantJoined(joined) => {
                format!("{} joined as {}", who(&joined.participant), role(&joined.participant)).into()
            }
            Content::ParticipantLeft(left) => format!("{} left", who(&left.participant)).into(),
            Content::ParticipantRemoved(removed) => {
                format!("{} was removed: {}", who(&removed.participant), one_line(&removed.reason)).into()
            }
            Content::ParticipantIdentified(identified) => {
                let id = identified.participant.as_ref().map(|participant| participant.participant_id.as_str());
                format!("pseudonym {} is {}", short(id.unwrap_or_default()), who(&identified.participant)).into()
            }
            Content::RoleChanged(changed) => {
                format!("{} is now {}", who(&changed.participant), plain::<pb::Role>(changed.role)).into()
            }
            Content::InvitationSent(sent) => {
                format!("{} was invited as {}", sent.organisation_id, plain::<pb::Role>(sent.role)).into()
            }
            Content::InvitationDeclined(declined) => {
                format!("{} declined the invitation", declined.organisation_id).into()
            }
            Content::ConsentGiven(given) => {
                let change = given.change.as_ref().map(change).unwrap_or_default();
                format!("{} gave consent: {change}", who(&given.participant)).into()
            }
            Content::ConsentWithdrawn(withdrawn) => self.consent_withdrawn(withdrawn),
            Content::ConsentExpired(expired) => format!("the consent of {} expired", who(&expired.participant)).into(),
            Content::ReportFiled(filed) => format!("{} filed a report", who(&filed.participant)).into(),
            Content::ReportAmended(amended) => format!("{} amended its report", who(&amended.participant)).into(),
            Content::TermsChanged(changed) => self.terms_changed(changed),
            Content::MessageRetracted(retracted) => self.message_retracted(retracted),
            Content::MessageAcknowledged(acknowledged) => self.message_acknowledged(acknowledged),
            Content::MessagesReleased(released) => self.messages_released(index, released),
            Content::ReleaseRevoked(revoked) => self.release_revoked(revoked),
            Content::RecallAnswered(answered) => self.recall_answered(answered),
            Content::AskSuggested(suggested) => self.ask_suggested(suggested),
            Content::ConsentAsked(asked) => self.consent_asked(index, asked),
            Content::AskAnswered(answered) => self.ask_answered(answered),
            Content::AskLapsed(lapsed) => self.ask_lapsed(lapsed),
            Content::MessageRelayed(relayed) => self.message_relayed(relayed),
            Content::RelayApproved(approved) => self.relay_approved(approved),
            Content::RelayRejected(rejected) => self.relay_rejected(rejected),
            Content::PoliceReportMade(made) => {
                format!("{} has reported to the police: {}", who(&made.participant), one_line(&made.reference)).into()
            }
            Content::PoliceReportDue(due) => self.police_report_due(due),
            Content::MessagesForwarded(forwarded) => self.messages_forwarded(forwarded),
            Content::LegalDisclosureProposed(proposed) => self.legal_disclosure_proposed(index, proposed),
            Content::LegallyDisclosed(disclosed) => self.legally_disclosed(disclosed),
            Content::ErasureProposed(proposed) => self.erasure_proposed(index, proposed),
            Content::PayloadsErased(erased) => self.payloads_erased(erased),
            Content::LegalHoldPlaced(placed) => events::legal_hold_placed(placed),
            Content::LegalHoldLifted(lifted) => events::legal_hold_lifted(lifted),
            Content::RetentionSet(set) => events::retention_set(set),
            Content::IntroductionProposed(proposed) => self.introduction_proposed(index, proposed),
            Content::IntroductionSent(sent) => events::introduction_sent(sent),
            Content::IntroductionAnswered(answered) => self.introduction_answered(answered),
            Content::Introduced(introduced) => events::introduced(introduced),
            Content::ReportRead(read) => events::report_read(read),
            Content::RoomSeenAs(seen) => events::room_seen_as(seen),
            Content::RoomExported(exported) => events::room_exported(exported),
            Content::AccessChanged(changed) => events::access_changed(changed),
        }
    }

    fn message(&self, index: u64, message: &pb::Message) -> Told {
        let mut told = Told::from(head(message));
        if !message.in_reply_to.is_empty() {
            told.line.push_str(&format!("  in reply to {}", self.place(&message.in_reply_to)));
        }
        if !message.supersedes.is_empty() {
            told.line.push_str(&format!("  instead of {}", self.place(&message.supersedes)));
        }
        if let Some(occurred) = &message.occurred_time {
            told.line.push_str(&format!("  occurred {}", short_time(Some(occurred))));
        }
        if let Some(attachment) = &message.attachment {
            let carrier = self.place(&attachment.carrier_message_id);
            let kind =
                if attachment.media_type.is_empty() { String::new() } else { format!(", {}", attachment.media_type) };
            let (name, bytes) = (&attachment.name, attachment.size_bytes);
            told.line.push_str(&format!("  attached to {carrier}: {name}, {bytes} bytes{kind}"));
            if attachment.on_terms_of_others {
                told = told.more("others gave you this file: it reaches nobody whom they would not show it to");
            }
            return told.more(format!("fetch it with: {}", self.command(&format!("attachment get {index}"))));
        }
        let text = message.text.strip_suffix('\n').unwrap_or(&message.text);
        if text.contains('\n') {
            told.text = text.to_owned();
        } else {
            told.line.push_str(&format!("  {text}"));
        }
        let is_own = is_caller(message.author.as_ref());
        if let Some(relay) = &message.relay {
            told = self.relay(index, told, relay, is_own);
        }
        match &message.acknowledge_by_time {
            None => told,
            Some(time) if is_own => {
                told.more(format!("who gets it is asked to acknowledge it by {}", short_time(Some(time))))
            }
            Some(time) => told
                .more(format!("you are asked to acknowledge it by {}", short_time(Some(time))))
                .answer(format!("acknowledge with: {}", self.command(&format!("message acknowledge {index}")))),
        }
    }

    /// A command that can be pasted.
    fn command(&self, words: &str) -> String {
        format!("{} {words}{}", self.program, self.flags)
    }

    /// Where something stands, or how its id begins.
    fn place(&self, id: &str) -> String {
        let known = Uuid::parse_str(id).ok().and_then(|id| self.places.get(&id));
        known.map_or_else(|| short(id).to_owned(), ToString::to_string)
    }

    /// Messages by where they stand.
    fn messages(&self, ids: &[String]) -> String {
        let word = if ids.len() == 1 { "message" } else { "messages" };
        format!("{word} {}", ids.iter().map(|id| self.place(id)).collect::<Vec<_>>().join(", "))
    }
}

/// Who posted a message and what it is, without its text.
fn head(message: &pb::Message) -> String {
    let mut head =
        format!("{}  {}  {}", name(message.author.as_ref()), plain::<pb::Material>(message.material), tlp(message.tlp));
    if message.coordinator_only {
        head.push_str("  coordinator only");
    }
    if message.relay.is_some() {
        head.push_str("  relay");
    }
    head
}

/// A message on one line, to be recognised by.
pub(crate) fn brief(message: &pb::Message) -> String {
    const CHARS: usize = 60;
    let mut text: String = one_line(message.text.trim_end()).chars().take(CHARS + 1).collect();
    if text.chars().count() > CHARS {
        text = text.chars().take(CHARS).chain(['…']).collect();
    }
    format!("{}  {text}", head(message))
}

/// The beginning of an id.
pub(crate) fn short(id: &str) -> &str {
    id.get(..SHORT_CHARS).unwrap_or(id)
}

fn is_caller(participant: Option<&pb::Participant>) -> bool {
    participant.is_some_and(|participant| participant.is_caller)
}

/// Several participants.
pub(crate) fn names(participants: &[pb::Participant]) -> String {
    if participants.is_empty() {
        return "nobody".into();
    }
    participants.iter().map(|one| name(Some(one))).collect::<Vec<_>>().join(", ")
}

/// What a change sets, in the words in which it is given.
pub(crate) fn change(change: &pb::ConsentChange) -> String {
    let mut parts = Vec::new();
    for cell in &change.cells {
        parts.push(format!(
            "{}={}:{}",
            plain::<pb::Material>(cell.material),
            plain::<pb::Sharing>(cell.sharing),
            plain::<pb::Audience>(cell.audience)
        ));
    }
    for named in &change.named {
        for sharing in &named.sharings {
            let (material, how) = (plain::<pb::Material>(sharing.material), plain::<pb::Sharing>(sharing.sharing));
            parts.push(format!("{}:{material}={how}", one_line(&named.name)));
        }
    }
    for newcomers in &change.newcomers {
        let audience = plain::<pb::Audience>(newcomers.audience);
        parts.push(format!("newcomers {audience}={}", plain::<pb::Answer>(newcomers.answer)));
    }
    if let Some(attribution) = change.attribution {
        parts.push(format!("attribution {}", plain::<pb::Attribution>(attribution)));
    }
    if let Some(police) = change.police {
        parts.push(format!("police {}", plain::<pb::PoliceAnswer>(police)));
    }
    match &change.expiry {
        Some(pb::consent_change::Expiry::ExpireTime(time)) => parts.push(format!("expires {}", short_time(Some(time)))),
        Some(pb::consent_change::Expiry::ClearExpiry(_)) => parts.push("expires never".into()),
        None => {}
    }
    parts.join(", ")
}

/// Others' words on one line of ours.
pub(crate) fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}
