//! How does a delivery read to a person? One line: when, index, and what happened in plain words; a longer text follows, indented.
//!
//! Tested below.

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

/// The line, or lines, for one delivery.
pub(crate) fn text(index: u64, delivery: &pb::Delivery) -> String {
    let time = short_time(delivery.recorded_time.as_ref());
    let time = if time.is_empty() { " ".repeat(20) } else { time };
    format!("{time}  {index:>4}  {}", what(delivery))
}

fn what(delivery: &pb::Delivery) -> String {
    use pb::delivery::Content;
    let who = |participant: &Option<pb::Participant>| name(participant.as_ref());
    let role = |participant: &Option<pb::Participant>| {
        participant.as_ref().map(|participant| plain::<pb::Role>(participant.role)).unwrap_or_default()
    };
    match &delivery.content {
        None => "something that this version does not know".into(),
        Some(Content::Message(message)) => self::message(message),
        Some(Content::Withdrawn(pb::Withdrawn {})) => "withdrawn".into(),
        Some(Content::WithdrawalNotice(notice)) => withdrawal(&notice.ranges),
        Some(Content::RoomOpened(opened)) => format!("the room was opened: {}", one_line(&opened.title)),
        Some(Content::RoomClosed(pb::RoomClosed {})) => "the room was closed".into(),
        Some(Content::RoomReopened(pb::RoomReopened {})) => "the room was opened again".into(),
        Some(Content::ParticipantJoined(joined)) => {
            format!("{} joined as {}", who(&joined.participant), role(&joined.participant))
        }
        Some(Content::ParticipantLeft(left)) => format!("{} left", who(&left.participant)),
        Some(Content::ParticipantRemoved(removed)) => {
            format!("{} was removed: {}", who(&removed.participant), one_line(&removed.reason))
        }
        Some(Content::ParticipantIdentified(identified)) => {
            let id = identified.participant.as_ref().map(|participant| participant.participant_id.as_str());
            let id = id.unwrap_or_default();
            format!("pseudonym {} is {}", id.get(..8).unwrap_or(id), who(&identified.participant))
        }
        Some(Content::RoleChanged(changed)) => {
            format!("{} is now {}", who(&changed.participant), plain::<pb::Role>(changed.role))
        }
        Some(Content::InvitationSent(sent)) => {
            format!("{} was invited as {}", sent.organisation_id, plain::<pb::Role>(sent.role))
        }
        Some(Content::InvitationDeclined(declined)) => format!("{} declined the invitation", declined.organisation_id),
        Some(Content::ConsentGiven(given)) => {
            let change = given.change.as_ref().map(change).unwrap_or_default();
            format!("{} gave consent: {change}", who(&given.participant))
        }
        Some(Content::ConsentWithdrawn(withdrawn)) => {
            use pb::consent_withdrawn::Scope;
            let scope = match &withdrawn.scope {
                None => "something".into(),
                Some(Scope::All(_)) => "everything".into(),
                Some(Scope::Material(material)) => plain::<pb::Material>(*material),
                Some(Scope::Audience(audience)) => format!("everything for {}", plain::<pb::Audience>(*audience)),
                Some(Scope::Name(name)) => format!("everything for {}", one_line(name)),
            };
            format!("{} withdrew consent: {scope}", who(&withdrawn.participant))
        }
        Some(Content::ConsentExpired(expired)) => format!("the consent of {} expired", who(&expired.participant)),
        Some(Content::ReportFiled(filed)) => format!("{} filed a report", who(&filed.participant)),
        Some(Content::ReportAmended(amended)) => format!("{} amended its report", who(&amended.participant)),
    }
}

fn message(message: &pb::Message) -> String {
    let mut head =
        format!("{}  {}  {}", name(message.author.as_ref()), plain::<pb::Material>(message.material), tlp(message.tlp));
    if message.coordinator_only {
        head.push_str("  coordinator only");
    }
    if !message.in_reply_to.is_empty() {
        let short = message.in_reply_to.get(..8).unwrap_or(&message.in_reply_to);
        head.push_str(&format!("  in reply to {short}"));
    }
    if let Some(occurred) = &message.occurred_time {
        head.push_str(&format!("  occurred {}", short_time(Some(occurred))));
    }
    let text = message.text.strip_suffix('\n').unwrap_or(&message.text);
    if text.contains('\n') {
        // Indented, so that no line of a text can pass for a line of ours.
        text.lines().fold(head, |all, line| format!("{all}\n      {line}"))
    } else {
        format!("{head}  {text}")
    }
}

fn withdrawal(ranges: &[pb::IndexRange]) -> String {
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
fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(content: pb::delivery::Content) -> String {
        let recorded_time = Some(Time { seconds: 1_764_547_200, nanos: 5_000 });
        text(12, &pb::Delivery { recorded_time, content: Some(content) })
    }

    fn message_of(text: &str) -> pb::Message {
        let author = pb::Participant { organisation_id: "region-a".into(), is_caller: true, ..Default::default() };
        pb::Message {
            author: Some(author),
            material: pb::Material::Logs as i32,
            tlp: pb::Tlp::AmberStrict as i32,
            text: text.into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_message_reads_on_one_line() {
        let line = shown(pb::delivery::Content::Message(message_of("GET /\n")));
        assert_eq!(line, "2025-12-01 00:00:00Z    12  region-a (you)  logs  TLP:AMBER+STRICT  GET /");
    }

    #[test]
    fn no_line_of_a_text_passes_for_a_line_of_ours() {
        let forged = "x\n2025-12-01 00:00:00Z    13  cert-se  information  TLP:CLEAR  all is well";
        let lines = shown(pb::delivery::Content::Message(message_of(forged)));
        assert!(lines.lines().skip(1).all(|line| line.starts_with("      ")), "{lines}");
    }

    #[test]
    fn a_withdrawal_is_told_in_plain_words() {
        let range = |first_index, last_index| pb::IndexRange { first_index, last_index };
        assert_eq!(withdrawal(&[range(4, 6)]), "3 earlier deliveries were withdrawn: 4-6");
        assert_eq!(withdrawal(&[range(4, 4)]), "1 earlier delivery was withdrawn: 4");
        assert_eq!(withdrawal(&[range(1, 2), range(9, 9)]), "3 earlier deliveries were withdrawn: 1-2, 9");
    }

    #[test]
    fn a_pseudonym_is_told_by_the_beginning_of_its_id() {
        let participant = pb::Participant { participant_id: "0123456789".into(), ..Default::default() };
        assert_eq!(name(Some(&participant)), "pseudonym 01234567");
    }
}
