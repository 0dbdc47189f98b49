//! How do releases, relays, questions, recalls, disclosures and introductions read to a person who is tired?
//!
//! Who reads tells the same event in its own words: what happened to *your* messages, what *you* are asked. Tested in
//! `deliveries/tests.rs`.

use super::{Teller, Told, is_caller, name, names, one_line, short_time};
use crate::cli::words::plain;
use crate::client::{Time, pb};
use pb::delivery::Content;

/// The id by which later deliveries speak of this one.
pub(super) fn id_of(content: &Content) -> Option<&str> {
    let id = match content {
        Content::Message(message) => &message.message_id,
        Content::WithdrawalNotice(notice) => &notice.recall_id,
        Content::ConsentWithdrawn(withdrawn) => &withdrawn.recall_id,
        Content::MessagesReleased(released) => &released.release_id,
        Content::ConsentAsked(asked) => &asked.ask_id,
        Content::LegalDisclosureProposed(proposed) => &proposed.disclosure_id,
        Content::ErasureProposed(proposed) => &proposed.erasure_id,
        Content::IntroductionProposed(proposed) => &proposed.introduction_id,
        _ => return None,
    };
    Some(id.as_str()).filter(|id| !id.is_empty())
}

impl Teller {
    pub(super) fn relay(&self, index: u64, told: Told, relay: &pb::RelayInfo, is_own: bool) -> Told {
        if relay.parent_message_ids.is_empty() {
            return told;
        }
        let parents = self.messages(&relay.parent_message_ids);
        let (receivers, waiting) = (names(&relay.receivers), names(&relay.awaiting_approval));
        let waits = !relay.awaiting_approval.is_empty();
        if is_own {
            let told = told.more(format!("made from {parents}; goes at once to {receivers}"));
            return if waits {
                told.more(format!("waits for its source's approval before it goes to {waiting}"))
            } else {
                told
            };
        }
        let told = told.more(format!("the coordinator's words, made from your {parents}; goes to {receivers}"));
        if !waits {
            return told;
        }
        told.more(format!("goes to {waiting} only if you approve exactly this text"))
            .answer(format!("approve with: {}", self.command(&format!("relay approve {index}"))))
            .answer(format!("or refuse with: {}", self.command(&format!("relay reject {index} --reason WHY"))))
    }

    pub(super) fn withdrawal(&self, index: u64, notice: &pb::WithdrawalNotice) -> Told {
        let told = Told::from(withdrawn_ranges(&notice.ranges));
        if notice.recall_id.is_empty() {
            return told;
        }
        let recall = self.command(&format!("consent recall answer {index} --deleted"));
        told.more(format!("you are asked to delete it, and to say so {}", by(notice.answer_by_time.as_ref())))
            .answer(format!("answer with: {recall}"))
            .answer("or instead of --deleted: --retained-by-law WHY, --shared-onward WHY, --cannot WHY")
    }

    pub(super) fn consent_withdrawn(&self, withdrawn: &pb::ConsentWithdrawn) -> Told {
        use pb::consent_withdrawn::Scope;
        let scope = match &withdrawn.scope {
            None => "something".into(),
            Some(Scope::All(_)) => "everything".into(),
            Some(Scope::Material(material)) => plain::<pb::Material>(*material),
            Some(Scope::Audience(audience)) => format!("everything for {}", plain::<pb::Audience>(*audience)),
            Some(Scope::Name(name)) => format!("everything for {}", one_line(name)),
            Some(Scope::MessageId(id)) => format!("message {}", self.place(id)),
        };
        let told = Told::from(format!("{} withdrew consent: {scope}", who(&withdrawn.participant)));
        if withdrawn.recall_id.is_empty() {
            return told;
        }
        let told = told.more(format!(
            "who holds it is asked to delete it, and to say so {}",
            by(withdrawn.answer_by_time.as_ref())
        ));
        match &withdrawn.scope {
            Some(Scope::MessageId(id)) => told.answer(format!(
                "see the answers with: {}",
                self.command(&format!("message receipts {}", self.place(id)))
            )),
            _ => told,
        }
    }

    pub(super) fn terms_changed(&self, changed: &pb::TermsChanged) -> Told {
        let mut told = Told::from("the room has new terms, and every consent in it has lapsed");
        told.text = changed.terms.trim_end().to_owned();
        if self.is_coordinator {
            return told;
        }
        told.more("nothing of yours is shared until you give consent again")
            .answer(format!("look with: {}", self.command("consent show")))
            .answer(format!("give it with: {}", self.command("consent give MATERIAL=SHARING:AUDIENCE")))
    }

    pub(super) fn message_retracted(&self, retracted: &pb::MessageRetracted) -> Told {
        let message = self.place(&retracted.message_id);
        format!("{} took back message {message} as void: {}", who(&retracted.participant), one_line(&retracted.reason))
            .into()
    }

    pub(super) fn message_acknowledged(&self, acknowledged: &pb::MessageAcknowledged) -> Told {
        format!("{} acknowledged message {}", who(&acknowledged.participant), self.place(&acknowledged.message_id))
            .into()
    }

    pub(super) fn messages_released(&self, index: u64, released: &pb::MessagesReleased) -> Told {
        let source = who(&released.participant);
        if released.receivers.iter().any(|one| one.is_caller) {
            let (count, follow) = follow(released.message_ids.len(), "earlier message");
            return format!("{source} released {count} to you; {follow}").into();
        }
        let messages = self.messages(&released.message_ids);
        let told = Told::from(format!("{source} released {messages} to {}", names(&released.receivers)));
        match is_caller(released.participant.as_ref()) {
            true => told.answer(format!("end it with: {}", self.command(&format!("consent revoke {index}")))),
            false => told,
        }
    }

    pub(super) fn release_revoked(&self, revoked: &pb::ReleaseRevoked) -> Told {
        format!("{} ended its release {}", who(&revoked.participant), self.place(&revoked.release_id)).into()
    }

    pub(super) fn recall_answered(&self, answered: &pb::RecallAnswered) -> Told {
        let answer = plain::<pb::RecallAnswer>(answered.answer);
        let recall = self.place(&answered.recall_id);
        format!("{} answered the recall {recall}: {answer}{}", who(&answered.participant), comment(&answered.comment))
            .into()
    }

    pub(super) fn ask_suggested(&self, suggested: &pb::AskSuggested) -> Told {
        let whom = suggested.source.as_ref().map_or("whoever has them".to_owned(), |source| name(Some(source)));
        let material = plain::<pb::Material>(suggested.material);
        let told = Told::from(format!(
            "{} suggests to ask {whom} for {material}: {}",
            who(&suggested.participant),
            one_line(&suggested.reason)
        ));
        if !self.is_coordinator {
            return told;
        }
        let typed = suggested.source.as_ref().map_or("NAME", typed);
        let ask = format!("consent ask {typed} --material {material} --to NAMES --reason WHY --answer-by 24h");
        told.answer(format!("ask with: {}", self.command(&ask)))
    }

    pub(super) fn consent_asked(&self, index: u64, asked: &pb::ConsentAsked) -> Told {
        use pb::consent_asked::{Subject, To};
        let subject = match &asked.subject {
            None => "something".into(),
            Some(Subject::Messages(messages)) => self.messages(&messages.message_ids),
            Some(Subject::Material(material)) => format!("its {} from now on", plain::<pb::Material>(*material)),
        };
        let to = match &asked.to {
            None => "somebody".into(),
            Some(To::Participants(participants)) => names(&participants.participants),
            Some(To::Audience(audience)) => plain::<pb::Audience>(*audience),
        };
        let told = Told::from(format!("the coordinator asks {}: may {subject} go to {to}?", who(&asked.participant)))
            .more(format!("why: {}", one_line(&asked.reason)))
            .more(format!("no answer {} is a no", by(asked.answer_by_time.as_ref())));
        if !is_caller(asked.participant.as_ref()) {
            return told;
        }
        told.answer(format!("answer with: {}", self.command(&format!("consent answer {index} no"))))
            .answer("or instead of no: yes, or relay (only in the coordinator's words)")
    }

    pub(super) fn ask_answered(&self, answered: &pb::AskAnswered) -> Told {
        let answer = plain::<pb::AskAnswer>(answered.answer);
        let question = self.place(&answered.ask_id);
        format!(
            "{} answered the question {question}: {answer}{}",
            who(&answered.participant),
            comment(&answered.comment)
        )
        .into()
    }

    pub(super) fn ask_lapsed(&self, lapsed: &pb::AskLapsed) -> Told {
        let question = self.place(&lapsed.ask_id);
        format!("{} did not answer the question {question} in time, which is a no", who(&lapsed.participant)).into()
    }

    pub(super) fn message_relayed(&self, relayed: &pb::MessageRelayed) -> Told {
        let parents = self.messages(&relayed.parent_message_ids);
        format!("the coordinator relayed your {parents} in its own words to {}", names(&relayed.receivers)).into()
    }

    pub(super) fn relay_approved(&self, approved: &pb::RelayApproved) -> Told {
        let (source, relay) = (who(&approved.participant), self.place(&approved.message_id));
        format!("{source} approved the relay {relay} for {}", names(&approved.receivers)).into()
    }

    pub(super) fn relay_rejected(&self, rejected: &pb::RelayRejected) -> Told {
        let (source, relay) = (who(&rejected.participant), self.place(&rejected.message_id));
        let told = Told::from(format!("{source} did not approve the relay {relay}: {}", one_line(&rejected.reason)));
        if !self.is_coordinator {
            return told;
        }
        let publish = format!("relay publish --supersedes {relay} --from MESSAGES TEXT");
        told.answer(format!("write another with: {}", self.command(&publish)))
    }

    pub(super) fn police_report_due(&self, due: &pb::PoliceReportDue) -> Told {
        let told =
            Told::from(format!("{} reports to the police itself, and has not told that it has", who(&due.participant)));
        match is_caller(due.participant.as_ref()) {
            true => told.answer(format!("tell it with: {}", self.command("police report REFERENCE"))),
            false => told,
        }
    }

    pub(super) fn messages_forwarded(&self, forwarded: &pb::MessagesForwarded) -> Told {
        let (source, receiver) = (who(&forwarded.participant), who(&forwarded.receiver));
        let reason = one_line(&forwarded.reason);
        let messages = self.messages(&forwarded.message_ids);
        if is_caller(forwarded.participant.as_ref()) {
            return format!("the coordinator forwarded your {messages} to {receiver}: {reason}").into();
        }
        if is_caller(forwarded.receiver.as_ref()) {
            let (count, follow) = follow(forwarded.message_ids.len(), "message");
            return format!("the coordinator forwarded {count} of {source} to you, {follow}: {reason}").into();
        }
        format!("{messages} of {source} went to {receiver}: {reason}").into()
    }

    pub(super) fn legal_disclosure_proposed(&self, index: u64, proposed: &pb::LegalDisclosureProposed) -> Told {
        let messages = self.messages(&proposed.message_ids);
        let told = Told::from(format!(
            "{} proposes to disclose {messages} to {} under a legal duty: {}",
            proposed.actor,
            who(&proposed.receiver),
            one_line(&proposed.statute)
        ));
        let told = told.more(match &proposed.suppress_until_time {
            None => "the sources will be told at once".to_owned(),
            Some(time) => format!("the sources will be told on {}", short_time(Some(time))),
        });
        told.answer(format!("another person confirms with: {}", self.command(&format!("legal confirm {index}"))))
    }

    pub(super) fn erasure_proposed(&self, index: u64, proposed: &pb::ErasureProposed) -> Told {
        use pb::erasure_proposed::Scope;
        let what = match &proposed.scope {
            None => "something".to_owned(),
            Some(Scope::MessageId(message)) => format!("message {}", self.place(message)),
            Some(Scope::Participant(of)) => format!("all that {} has written", name(Some(of))),
            Some(Scope::Room(_)) => "all that was written in this room".to_owned(),
        };
        Told::from(format!("{} proposes to erase {what} for good: {}", proposed.actor, one_line(&proposed.basis)))
            .answer(format!("another person confirms with: {}", self.command(&format!("erasure confirm {index}"))))
    }

    pub(super) fn payloads_erased(&self, erased: &pb::PayloadsErased) -> Told {
        use pb::payloads_erased::Scope;
        let what = match &erased.scope {
            None => "something".to_owned(),
            Some(Scope::MessageId(message)) => format!("message {}", self.place(message)),
            Some(Scope::Participant(of)) if is_caller(Some(of)) => "all that you had written".to_owned(),
            Some(Scope::Participant(of)) => format!("all that {} had written", name(Some(of))),
            Some(Scope::Room(_)) => "all that was written in this room".to_owned(),
        };
        let told = Told::from(format!("{what} was erased for good: {}", one_line(&erased.basis)));
        if erased.actors.is_empty() { told } else { told.more(format!("decided by {}", erased.actors.join(" and "))) }
    }

    pub(super) fn legally_disclosed(&self, disclosed: &pb::LegallyDisclosed) -> Told {
        let statute = one_line(&disclosed.statute);
        let messages = self.messages(&disclosed.message_ids);
        let source = who(&disclosed.participant);
        if is_caller(disclosed.participant.as_ref()) {
            let to =
                disclosed.receiver.as_ref().map_or(String::new(), |receiver| format!(" to {}", name(Some(receiver))));
            return format!("your {messages} were disclosed{to} under a legal duty: {statute}").into();
        }
        if is_caller(disclosed.receiver.as_ref()) {
            let (count, follow) = follow(disclosed.message_ids.len(), "message");
            return format!("{count} of {source} came to you under a legal duty, {follow}: {statute}").into();
        }
        let receiver = who(&disclosed.receiver);
        let told =
            Told::from(format!("{messages} of {source} were disclosed to {receiver} under a legal duty: {statute}"));
        let told = match &disclosed.suppress_until_time {
            None => told,
            Some(time) => told.more(format!("{source} will be told on {}", short_time(Some(time)))),
        };
        if disclosed.actors.is_empty() {
            told
        } else {
            told.more(format!("decided by {}", disclosed.actors.join(" and ")))
        }
    }

    pub(super) fn introduction_proposed(&self, index: u64, proposed: &pb::IntroductionProposed) -> Told {
        let line = format!("the coordinator proposes to put you in touch with somebody: {}", one_line(&proposed.text));
        Told::from(line)
            .more("the other learns who you are only if both of you accept")
            .answer(format!("accept with: {}", self.command(&format!("introduction accept {index} --contact HOW"))))
            .answer(format!("or decline with: {}", self.command(&format!("introduction decline {index}"))))
    }

    pub(super) fn introduction_answered(&self, answered: &pb::IntroductionAnswered) -> Told {
        let did = match answered.accepted {
            true => format!("accepted the introduction, to be reached by {}", one_line(&answered.contact)),
            false => "declined the introduction".into(),
        };
        format!("{} {did}", who(&answered.participant)).into()
    }
}

pub(super) fn introduction_sent(sent: &pb::IntroductionSent) -> Told {
    let both: Vec<_> = sent.sides.iter().map(|side| who(&side.participant)).collect();
    let told = Told::from(format!("an introduction was proposed to {}", both.join(" and ")));
    let told = sent
        .sides
        .iter()
        .fold(told, |told, side| told.more(format!("words to {}: {}", who(&side.participant), one_line(&side.text))));
    told.more("neither is told who the other is before both accept")
}

pub(super) fn introduced(introduced: &pb::Introduced) -> Told {
    let side = |side: &pb::introduced::Side| {
        format!(
            "{} ({}), to be reached by {}",
            side.organisation_id,
            one_line(&side.display_name),
            one_line(&side.contact)
        )
    };
    match introduced.sides.as_slice() {
        [other] => format!("you are introduced to {}", side(other)).into(),
        several => {
            let told = Told::from("both accepted, and are introduced to each other");
            several.iter().fold(told, |told, one| told.more(side(one)))
        }
    }
}

pub(super) fn report_read(read: &pb::ReportRead) -> Told {
    match is_caller(read.participant.as_ref()) {
        true => format!("{} read your report", read.actor).into(),
        false => format!("{} read the report of {}", read.actor, who(&read.participant)).into(),
    }
}

pub(super) fn room_seen_as(seen: &pb::RoomSeenAs) -> Told {
    match is_caller(seen.participant.as_ref()) {
        true => format!("{} looked at the room as you see it", seen.actor).into(),
        false => format!("{} looked at the room as {} sees it", seen.actor, who(&seen.participant)).into(),
    }
}

pub(super) fn room_exported(exported: &pb::RoomExported) -> Told {
    match is_caller(exported.participant.as_ref()) {
        true => format!("{} exported what it may see of the room", exported.actor).into(),
        false => {
            format!("{} of {} exported what it may see of the room", exported.actor, who(&exported.participant)).into()
        }
    }
}

pub(super) fn access_changed(changed: &pb::AccessChanged) -> Told {
    let (actor, by) = (&changed.actor, &changed.changed_by);
    match changed.change() {
        pb::AccessChange::CertificateRevoked => {
            let certificate = changed.certificate_sha256.get(..16).unwrap_or(&changed.certificate_sha256);
            format!("{by} revoked a certificate of {actor}: {certificate}").into()
        }
        pb::AccessChange::ActorRevoked => format!("{by} revoked the access of {actor}").into(),
        pb::AccessChange::ActorReinstated => format!("{by} let {actor} in again").into(),
        pb::AccessChange::Unspecified => format!("{by} changed the access of {actor}").into(),
    }
}

pub(super) fn legal_hold_placed(placed: &pb::LegalHoldPlaced) -> Told {
    format!("{} put the room under a legal hold, nothing is erased: {}", placed.actor, one_line(&placed.reason)).into()
}

pub(super) fn legal_hold_lifted(lifted: &pb::LegalHoldLifted) -> Told {
    format!("{} lifted the legal hold: {}", lifted.actor, one_line(&lifted.reason)).into()
}

pub(super) fn retention_set(set: &pb::RetentionSet) -> Told {
    match set.years {
        Some(years) => format!("{} set that the room is due to be erased {years} years after closing", set.actor),
        None => format!("{} set that the room is never due to be erased", set.actor),
    }
    .into()
}

fn withdrawn_ranges(ranges: &[pb::IndexRange]) -> String {
    let count: u64 = ranges.iter().map(|range| (range.last_index + 1).saturating_sub(range.first_index)).sum();
    let each: Vec<_> = ranges
        .iter()
        .map(|range| match range.first_index == range.last_index {
            true => range.first_index.to_string(),
            false => format!("{}-{}", range.first_index, range.last_index),
        })
        .collect();
    let (delivery, was) = if count == 1 { ("delivery", "was") } else { ("deliveries", "were") };
    format!("{count} earlier {delivery} {was} withdrawn: {}", each.join(", "))
}

fn who(participant: &Option<pb::Participant>) -> String {
    name(participant.as_ref())
}

/// A participant as it can be typed.
fn typed(participant: &pb::Participant) -> &str {
    match participant.organisation_id.is_empty() {
        true => &participant.participant_id,
        false => &participant.organisation_id,
    }
}

fn by(time: Option<&Time>) -> String {
    time.map_or_else(|| "in time".into(), |time| format!("by {}", short_time(Some(time))))
}

fn comment(comment: &str) -> String {
    if comment.is_empty() { String::new() } else { format!(": {}", one_line(comment)) }
}

/// A count, and that they come next.
fn follow(count: usize, what: &str) -> (String, &'static str) {
    match count {
        1 => (format!("1 {what}"), "it follows"),
        _ => (format!("{count} {what}s"), "they follow"),
    }
}
