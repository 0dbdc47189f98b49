//! What a caller is told, as transcripts spell it: somebody, something in a mailbox, a consent, who has a message.

use std::fmt::{self, Display};

use samverkan::room::words::{
    Answer, AskAnswer, Attribution, Audience, Material, PoliceAnswer, RecallAnswer, Role, Sharing, Tlp,
};

use super::{answer, ask_answer, attribution, audience, material, police, recall_answer, role, sharing, tlp};

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

/// That a message is a file.
pub(crate) struct Attached {
    /// The message that carries it.
    pub(crate) carrier: String,
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) on_terms_of_others: bool,
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
        supersedes: Option<String>,
        acknowledge: bool,
        relay: Option<Relay>,
        file: Option<Attached>,
    },
    Withdrawn,
    /// Which indexes, and the recall, if they are to be deleted.
    Notice(Vec<(u64, u64)>, Option<String>),
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
        recall: Option<String>,
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
    ReportRead {
        name: String,
        by: String,
    },
    SeenAs {
        name: String,
        by: String,
    },
    Exported {
        name: String,
        by: String,
    },
    AccessChanged {
        name: String,
        what: &'static str,
        actor: String,
        by: String,
    },
    TermsChanged {
        terms: String,
    },
    Retracted {
        name: String,
        message: String,
        reason: String,
    },
    Acknowledged {
        name: String,
        message: String,
    },
    Released {
        release: String,
        name: String,
        messages: Vec<String>,
        to: Vec<String>,
    },
    ReleaseRevoked {
        release: String,
        name: String,
    },
    RecallAnswered {
        recall: String,
        name: String,
        answer: RecallAnswer,
        comment: String,
    },
    AskSuggested {
        name: String,
        source: Option<String>,
        material: Material,
        reason: String,
    },
    /// About what and to whom, in words.
    ConsentAsked {
        ask: String,
        name: String,
        subject: String,
        to: String,
        reason: String,
    },
    AskAnswered {
        ask: String,
        name: String,
        answer: AskAnswer,
        comment: String,
    },
    AskLapsed {
        ask: String,
        name: String,
    },
    Relayed {
        message: String,
        relay: Relay,
    },
    RelayApproved {
        message: String,
        name: String,
        to: Vec<String>,
    },
    RelayRejected {
        message: String,
        name: String,
        reason: String,
    },
    PoliceReportMade {
        name: String,
        reference: String,
    },
    PoliceReportDue {
        name: String,
    },
    Forwarded {
        name: String,
        messages: Vec<String>,
        to: String,
        reason: String,
    },
    DisclosureProposed {
        disclosure: String,
        statute: String,
        messages: Vec<String>,
        to: String,
        suppressed: bool,
        by: String,
    },
    Disclosed {
        disclosure: String,
        name: String,
        statute: String,
        messages: Vec<String>,
        /// Nobody, if the reader can't tell that the receiver is here.
        to: Option<String>,
        suppressed: bool,
        by: Vec<String>,
    },
    ErasureProposed {
        erasure: String,
        what: String,
        basis: String,
        by: String,
    },
    Erased {
        erasure: String,
        what: String,
        basis: String,
        by: Vec<String>,
    },
    Held {
        reason: String,
        by: String,
    },
    Lifted {
        reason: String,
        by: String,
    },
    Kept {
        years: Option<u32>,
        by: String,
    },
    IntroductionProposed {
        introduction: String,
        words: String,
    },
    /// Each side's id, who, and the words to it.
    IntroductionProposedTo(Vec<(String, String, String)>),
    IntroductionAnswered {
        introduction: String,
        name: String,
        accepted: bool,
        contact: String,
    },
    /// Each other side's name, and how to reach it.
    Introduced(Vec<(String, String)>),
}

/// What a relay is made from and whom it goes to, as far as its reader is told.
#[derive(Default)]
pub(crate) struct Relay {
    pub(crate) parents: Vec<String>,
    pub(crate) to: Vec<String>,
    pub(crate) unapproved: Vec<String>,
}

impl Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a relay")?;
        if !self.parents.is_empty() {
            write!(f, " of {}", self.parents.join(" "))?;
        }
        if !self.to.is_empty() {
            write!(f, " to {}", self.to.join(" "))?;
        }
        if self.unapproved.is_empty() {
            Ok(())
        } else {
            write!(f, ", not without approval to {}", self.unapproved.join(" "))
        }
    }
}

/// One organisation in the receipts of a message. Times are minutes since the message was posted; reasons are the API's.
pub(crate) struct Receipt {
    pub(crate) name: String,
    pub(crate) received: Option<(i64, String)>,
    pub(crate) acknowledged: Option<i64>,
    pub(crate) fetched: Option<i64>,
    /// Each recall, and what was answered.
    pub(crate) recalls: Vec<(String, Option<(RecallAnswer, String)>)>,
    pub(crate) sees: bool,
    pub(crate) reason: Option<String>,
}

impl Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, received, acknowledged, fetched, recalls, sees, reason } = self;
        match received {
            Some((minutes, basis)) => write!(f, "{name}: received after {minutes}m ({basis})")?,
            None => write!(f, "{name}: not received")?,
        }
        if let Some(minutes) = acknowledged {
            write!(f, ", acknowledged after {minutes}m")?;
        }
        if let Some(minutes) = fetched {
            write!(f, ", fetched after {minutes}m")?;
        }
        for (recall, answer) in recalls {
            match answer {
                Some((answer, comment)) => write!(f, ", {recall}: {}{}", recall_answer(*answer), quoted(comment))?,
                None => write!(f, ", {recall}: not answered")?,
            }
        }
        write!(f, "; {}", if *sees { "sees it" } else { "does not see it" })?;
        reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// Words, if there are any.
fn quoted(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": \"{words}\"") }
}

impl Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message {
                label,
                from,
                material: m,
                tlp: t,
                text,
                reply,
                occurred,
                to,
                coordinator_only,
                actor,
                supersedes,
                acknowledge,
                relay,
                file,
            } => {
                write!(f, "{label} from {from}, {} {}: ", material(*m), tlp(*t))?;
                match file {
                    None => write!(f, "\"{text}\"")?,
                    Some(Attached { carrier, name, bytes, on_terms_of_others }) => {
                        write!(f, "file {name} of {carrier}, {bytes} bytes")?;
                        f.write_str(if *on_terms_of_others { ", on terms of others" } else { "" })?;
                    }
                }
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
                if let Some(relay) = relay {
                    write!(f, ", {relay}")?;
                }
                if let Some(old) = supersedes {
                    write!(f, ", stands for {old}")?;
                }
                if *acknowledge {
                    f.write_str(", to be acknowledged")?;
                }
                actor.as_ref().map_or(Ok(()), |actor| write!(f, ", by {actor}"))
            }
            Self::Withdrawn => f.write_str("withdrawn"),
            Self::Notice(ranges, recall) => {
                f.write_str("notice: withdrawn")?;
                ranges.iter().try_for_each(|(first, last)| {
                    if first == last { write!(f, " {first}") } else { write!(f, " {first}-{last}") }
                })?;
                recall.as_ref().map_or(Ok(()), |recall| write!(f, ", please delete and answer {recall}"))
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
            Self::ConsentWithdrawn { name, scope, recall } => {
                write!(f, "consent of {name} withdrawn: {scope}")?;
                recall.as_ref().map_or(Ok(()), |recall| write!(f, ", recall {recall}"))
            }
            Self::ConsentExpired { name } => write!(f, "consent of {name} expired"),
            Self::ReportFiled { name } => write!(f, "report of {name} filed"),
            Self::ReportAmended { name } => write!(f, "report of {name} amended"),
            Self::ReportRead { name, by } => write!(f, "report of {name} read by {by}"),
            Self::SeenAs { name, by } => write!(f, "room looked at as {name} by {by}"),
            Self::Exported { name, by } => write!(f, "room exported by {by} of {name}"),
            Self::AccessChanged { name, what, actor, by } => write!(f, "{actor} of {name} {what} by {by}"),
            Self::TermsChanged { terms } => write!(f, "terms changed: \"{terms}\"; every consent has lapsed"),
            Self::Retracted { name, message, reason } => write!(f, "{message} retracted by {name}{}", quoted(reason)),
            Self::Acknowledged { name, message } => write!(f, "{message} acknowledged by {name}"),
            Self::Released { release, name, messages, to } => {
                write!(f, "{release}: {name} releases {} to {}", messages.join(" "), to.join(" "))
            }
            Self::ReleaseRevoked { release, name } => write!(f, "{release}: revoked by {name}"),
            Self::RecallAnswered { recall, name, answer, comment } => {
                write!(f, "{recall}: {name} answers {}{}", recall_answer(*answer), quoted(comment))
            }
            Self::AskSuggested { name, source, material: m, reason } => {
                let whom = source.as_ref().map_or_else(String::new, |source| format!(" {source}"));
                write!(f, "{name} suggests to ask{whom} for {}{}", material(*m), quoted(reason))
            }
            Self::ConsentAsked { ask, name, subject, to, reason } => {
                write!(f, "{ask}: may {subject} of {name} go to {to}?{}", quoted(reason))
            }
            Self::AskAnswered { ask, name, answer, comment } => {
                write!(f, "{ask}: {name} answers {}{}", ask_answer(*answer), quoted(comment))
            }
            Self::AskLapsed { ask, name } => write!(f, "{ask}: {name} did not answer in time, which is a no"),
            Self::Relayed { message, relay } => write!(f, "{message} is {relay}"),
            Self::RelayApproved { message, name, to } => {
                write!(f, "{message}: {name} approves its text for {}", to.join(" "))
            }
            Self::RelayRejected { message, name, reason } => {
                write!(f, "{message}: {name} does not approve its text{}", quoted(reason))
            }
            Self::PoliceReportMade { name, reference } => {
                write!(f, "{name} reported to the police{}", quoted(reference))
            }
            Self::PoliceReportDue { name } => write!(f, "{name} has not told that it reported to the police"),
            Self::Forwarded { name, messages, to, reason } => {
                write!(f, "{} of {name} forwarded to {to}{}", messages.join(" "), quoted(reason))
            }
            Self::DisclosureProposed { disclosure, statute, messages, to, suppressed, by } => {
                write!(f, "{disclosure}: {} to be disclosed to {to} under \"{statute}\"", messages.join(" "))?;
                later(f, *suppressed)?;
                write!(f, ", proposed by {by}")
            }
            Self::Disclosed { disclosure, name, statute, messages, to, suppressed, by } => {
                write!(f, "{disclosure}: {} of {name} disclosed", messages.join(" "))?;
                if let Some(to) = to {
                    write!(f, " to {to}")?;
                }
                write!(f, " under \"{statute}\"")?;
                later(f, *suppressed)?;
                if by.is_empty() { Ok(()) } else { write!(f, ", decided by {}", by.join(" and ")) }
            }
            Self::ErasureProposed { erasure, what, basis, by } => {
                write!(f, "{erasure}: {what} to be erased under \"{basis}\", proposed by {by}")
            }
            Self::Erased { erasure, what, basis, by } => {
                write!(f, "{erasure}: {what} erased under \"{basis}\"")?;
                if by.is_empty() { Ok(()) } else { write!(f, ", decided by {}", by.join(" and ")) }
            }
            Self::Held { reason, by } => write!(f, "legal hold by {by}{}", quoted(reason)),
            Self::Lifted { reason, by } => write!(f, "legal hold lifted by {by}{}", quoted(reason)),
            Self::Kept { years: Some(years), by } => write!(f, "kept for {years} years after closing, says {by}"),
            Self::Kept { years: None, by } => write!(f, "kept without a limit, says {by}"),
            Self::IntroductionProposed { introduction, words } => {
                write!(f, "{introduction}: shall we put you in touch?{}", quoted(words))
            }
            Self::IntroductionProposedTo(sides) => {
                let side = |(id, name, words): &(String, String, String)| format!("{id} to {name}{}", quoted(words));
                write!(f, "introduction proposed: {}", sides.iter().map(side).collect::<Vec<_>>().join(", "))
            }
            Self::IntroductionAnswered { introduction, name, accepted, contact } => {
                let answer = if *accepted { "agrees" } else { "declines" };
                write!(f, "{introduction}: {name} {answer}{}", quoted(contact))
            }
            Self::Introduced(sides) => {
                let side = |(name, contact): &(String, String)| format!("{name}{}", quoted(contact));
                write!(f, "introduced: {}", sides.iter().map(side).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn later(f: &mut fmt::Formatter<'_>, suppressed: bool) -> fmt::Result {
    f.write_str(if suppressed { ", its source told later" } else { "" })
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

/// That an actor of the coordinator has read a message.
pub(crate) fn read_by(actor: &str, minutes: i64) -> String {
    format!("read by {actor} after {minutes}m")
}

/// That a relay was made of a message.
pub(crate) fn relayed(label: &str, minutes: i64, to: &[String]) -> String {
    let to = if to.is_empty() { "nobody".to_owned() } else { to.join(" ") };
    format!("relayed as {label} after {minutes}m to {to}")
}

/// A message without its text.
pub(crate) fn head(label: &str, from: &str, m: Material, t: Tlp) -> String {
    format!("  {label} from {from}, {} {}", material(m), tlp(t))
}

/// A room that may have to do with another.
pub(crate) fn connected(other: &str, reason: &str) -> String {
    format!("{other}{}", quoted(reason))
}

/// One participant, and the rule that decides.
pub(crate) fn decided(name: &str, sees: bool, yes: &str, no: &str, reason: &str) -> String {
    format!("{name} {}: {reason}", if sees { yes } else { no })
}
