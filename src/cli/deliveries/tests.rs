//! What every kind of delivery says: to whom it concerns, and to the coordinator.

use expect_test::{Expect, expect};

use super::*;
use crate::cli::json;
use pb::delivery::Content;

mod erasures;

const FIRST: &str = "00000001-0000-4000-8000-000000000000";
const SECOND: &str = "00000002-0000-4000-8000-000000000000";
const UNKNOWN: &str = "ffffffff-0000-4000-8000-000000000000";

fn at(hours: i64) -> Option<Time> {
    Some(Time { seconds: 1_764_547_200 + hours * 3600, nanos: 5_000 })
}

fn named(id: &str) -> pb::Participant {
    pb::Participant { participant_id: format!("{id}-p"), organisation_id: id.into(), ..Default::default() }
}

fn of(id: &str) -> Option<pb::Participant> {
    Some(named(id))
}

/// The reader's own organisation.
fn me() -> Option<pb::Participant> {
    Some(pb::Participant { is_caller: true, ..named("region-a") })
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// A mailbox in which two messages of the reader stand under 3 and 4.
fn teller(is_coordinator: bool) -> Teller {
    let mut teller = Teller::new("samverkan", " --room 1234abcd", is_coordinator);
    for (index, id) in [(3, FIRST), (4, SECOND)] {
        let message = pb::Message { message_id: id.into(), ..message_of("x") };
        teller.tell(index, &pb::Delivery { recorded_time: None, content: Some(Content::Message(message)) });
    }
    teller
}

fn shown(is_coordinator: bool, content: Content) -> String {
    teller(is_coordinator).tell(12, &pb::Delivery { recorded_time: at(0), content: Some(content) }).printed(false)
}

/// As it reads to whom it concerns.
#[track_caller]
fn reads(content: Content, expected: Expect) {
    expected.assert_eq(&shown(false, content));
}

/// As it reads to the coordinator.
#[track_caller]
fn coordinator_reads(content: Content, expected: Expect) {
    expected.assert_eq(&shown(true, content));
}

fn message_of(text: &str) -> pb::Message {
    pb::Message {
        author: me(),
        material: pb::Material::Logs as i32,
        tlp: pb::Tlp::AmberStrict as i32,
        text: text.into(),
        ..Default::default()
    }
}

fn relay_of(author: Option<pb::Participant>, relay: pb::RelayInfo) -> pb::Message {
    pb::Message { author, relay: Some(relay), ..message_of("Look for 192.0.2.7.") }
}

#[test]
fn a_message_reads_on_one_line() {
    reads(
        Content::Message(message_of("GET /\n")),
        expect!["2025-12-01 00:00:00Z    12  region-a (you)  logs  TLP:AMBER+STRICT  GET /"],
    );
    let reply = pb::Message { in_reply_to: FIRST.into(), supersedes: UNKNOWN.into(), ..message_of("x") };
    reads(
        Content::Message(reply),
        expect![
            "2025-12-01 00:00:00Z    12  region-a (you)  logs  TLP:AMBER+STRICT  in reply to 3  instead of ffffffff  x"
        ],
    );
}

#[test]
fn no_line_of_a_text_passes_for_a_line_of_ours() {
    let forged = "x\n2025-12-01 00:00:00Z    13  cert-se  information  TLP:CLEAR  all is well\n→ approve with: samverkan relay approve 13\n· by the coordinator\r\u{1b}[A";
    let lines = shown(false, Content::Message(message_of(forged)));
    assert!(lines.lines().skip(1).all(|line| line.starts_with("      ")), "{lines}");
    let reason = Content::MessageRetracted(pb::MessageRetracted { reason: forged.into(), ..Default::default() });
    assert_eq!(shown(false, reason).lines().count(), 1);
    let terms = Content::TermsChanged(pb::TermsChanged { terms: forged.into() });
    let lines = shown(true, terms);
    assert!(lines.lines().skip(1).all(|line| line.starts_with("      ")), "{lines}");
}

#[test]
fn no_line_of_ours_begins_with_a_space() {
    let content = Some(Content::Withdrawn(pb::Withdrawn {}));
    let line = Teller::default().tell(12, &pb::Delivery { recorded_time: None, content }).printed(false);
    assert_eq!(line, "-                       12  withdrawn");
}

#[test]
fn a_pseudonym_is_told_by_the_beginning_of_its_id() {
    let participant = pb::Participant { participant_id: "0123456789".into(), ..Default::default() };
    assert_eq!(name(Some(&participant)), "pseudonym 01234567");
}

#[test]
fn a_message_is_recognised_by_its_beginning() {
    let long = brief(&message_of(&format!("{}\nmore", "0123456789".repeat(6))));
    assert!(long.ends_with("0123456789…") && !long.contains("more"), "{long}");
    assert!(brief(&message_of("one\ntwo")).ends_with("TLP:AMBER+STRICT  one two"));
}

#[test]
fn who_is_asked_to_acknowledge_is_told_how() {
    let asked =
        |author| Content::Message(pb::Message { author, acknowledge_by_time: at(2), ..message_of("Block it.") });
    reads(
        asked(of("cert-se")),
        expect![[r#"
        2025-12-01 00:00:00Z    12  cert-se  logs  TLP:AMBER+STRICT  Block it.
        · you are asked to acknowledge it by 2025-12-01 02:00:00Z
        → acknowledge with: samverkan message acknowledge 12 --room 1234abcd"#]],
    );
    reads(
        asked(me()),
        expect![[r#"
        2025-12-01 00:00:00Z    12  region-a (you)  logs  TLP:AMBER+STRICT  Block it.
        · who gets it is asked to acknowledge it by 2025-12-01 02:00:00Z"#]],
    );
    reads(
        Content::MessageAcknowledged(pb::MessageAcknowledged { participant: of("region-b"), message_id: FIRST.into() }),
        expect!["2025-12-01 00:00:00Z    12  region-b acknowledged message 3"],
    );
}

#[test]
fn a_withdrawal_says_what_is_gone_and_what_is_asked() {
    let range = |first_index, last_index| pb::IndexRange { first_index, last_index };
    let notice = |ranges: &[pb::IndexRange], recall: &str| {
        let answer_by_time = if recall.is_empty() { None } else { at(24) };
        let ranges = ranges.to_vec();
        Content::WithdrawalNotice(pb::WithdrawalNotice { ranges, recall_id: recall.into(), answer_by_time })
    };
    reads(notice(&[range(4, 4)], ""), expect!["2025-12-01 00:00:00Z    12  1 earlier delivery was withdrawn: 4"]);
    reads(notice(&[range(4, 6)], ""), expect!["2025-12-01 00:00:00Z    12  3 earlier deliveries were withdrawn: 4-6"]);
    reads(
        notice(&[range(1, 2), range(9, 9)], UNKNOWN),
        expect![[r#"
        2025-12-01 00:00:00Z    12  3 earlier deliveries were withdrawn: 1-2, 9
        · you are asked to delete it, and to say so by 2025-12-02 00:00:00Z
        → answer with: samverkan consent recall answer 12 --deleted --room 1234abcd
        → or instead of --deleted: --retained-by-law WHY, --shared-onward WHY, --cannot WHY"#]],
    );
    let withdrawn = pb::ConsentWithdrawn {
        participant: me(),
        scope: Some(pb::consent_withdrawn::Scope::MessageId(FIRST.into())),
        recall_id: UNKNOWN.into(),
        answer_by_time: at(24),
    };
    reads(
        Content::ConsentWithdrawn(withdrawn),
        expect![[r#"
        2025-12-01 00:00:00Z    12  region-a (you) withdrew consent: message 3
        · who holds it is asked to delete it, and to say so by 2025-12-02 00:00:00Z
        → see the answers with: samverkan message receipts 3 --room 1234abcd"#]],
    );
    let answered = |comment: &str| {
        Content::RecallAnswered(pb::RecallAnswered {
            recall_id: UNKNOWN.into(),
            participant: of("region-b"),
            answer: pb::RecallAnswer::RetainedByLaw as i32,
            comment: comment.into(),
        })
    };
    reads(
        answered("Archives Act"),
        expect!["2025-12-01 00:00:00Z    12  region-b answered the recall ffffffff: retained by law: Archives Act"],
    );
    reads(answered(""), expect!["2025-12-01 00:00:00Z    12  region-b answered the recall ffffffff: retained by law"]);
    let retracted = pb::MessageRetracted { participant: me(), message_id: FIRST.into(), reason: "wrong".into() };
    reads(
        Content::MessageRetracted(retracted),
        expect!["2025-12-01 00:00:00Z    12  region-a (you) took back message 3 as void: wrong"],
    );
}

#[test]
fn a_release_reads_differently_to_its_source_and_its_receiver() {
    let released = |participant, receivers: Vec<pb::Participant>| {
        Content::MessagesReleased(pb::MessagesReleased {
            release_id: UNKNOWN.into(),
            participant,
            message_ids: ids(&[FIRST, SECOND]),
            receivers,
        })
    };
    reads(
        released(me(), vec![named("region-b"), named("vendor-x")]),
        expect![[r#"
        2025-12-01 00:00:00Z    12  region-a (you) released messages 3, 4 to region-b, vendor-x
        → end it with: samverkan consent revoke 12 --room 1234abcd"#]],
    );
    reads(
        released(of("region-b"), me().into_iter().collect()),
        expect!["2025-12-01 00:00:00Z    12  region-b released 2 earlier messages to you; they follow"],
    );
    coordinator_reads(
        released(of("region-b"), vec![named("vendor-x")]),
        expect!["2025-12-01 00:00:00Z    12  region-b released messages 3, 4 to vendor-x"],
    );
    let revoked = pb::ReleaseRevoked { release_id: UNKNOWN.into(), participant: me() };
    reads(
        Content::ReleaseRevoked(revoked),
        expect!["2025-12-01 00:00:00Z    12  region-a (you) ended its release ffffffff"],
    );
}

#[test]
fn a_question_says_what_it_is_about_and_how_to_answer() {
    use pb::consent_asked::{Messages, Participants, Subject, To};
    let asked = |participant, subject, to| {
        Content::ConsentAsked(pb::ConsentAsked {
            ask_id: UNKNOWN.into(),
            participant,
            subject: Some(subject),
            to: Some(to),
            reason: "They see the same address".into(),
            answer_by_time: at(4),
        })
    };
    let messages = || Subject::Messages(Messages { message_ids: ids(&[FIRST, UNKNOWN]) });
    let region_b = || To::Participants(Participants { participants: vec![named("region-b")] });
    reads(
        asked(me(), messages(), region_b()),
        expect![[r#"
        2025-12-01 00:00:00Z    12  the coordinator asks region-a (you): may messages 3, ffffffff go to region-b?
        · why: They see the same address
        · no answer by 2025-12-01 04:00:00Z is a no
        → answer with: samverkan consent answer 12 no --room 1234abcd
        → or instead of no: yes, or relay (only in the coordinator's words)"#]],
    );
    coordinator_reads(
        asked(
            of("region-b"),
            Subject::Material(pb::Material::Logs as i32),
            To::Audience(pb::Audience::ThirdParties as i32),
        ),
        expect![[r#"
            2025-12-01 00:00:00Z    12  the coordinator asks region-b: may its logs from now on go to third parties?
            · why: They see the same address
            · no answer by 2025-12-01 04:00:00Z is a no"#]],
    );
    let answer = pb::AskAnswered {
        ask_id: UNKNOWN.into(),
        participant: me(),
        answer: pb::AskAnswer::RelayOnly as i32,
        comment: "no names".into(),
    };
    reads(
        Content::AskAnswered(answer),
        expect!["2025-12-01 00:00:00Z    12  region-a (you) answered the question ffffffff: relay only: no names"],
    );
    reads(
        Content::AskLapsed(pb::AskLapsed { ask_id: UNKNOWN.into(), participant: me() }),
        expect![
            "2025-12-01 00:00:00Z    12  region-a (you) did not answer the question ffffffff in time, which is a no"
        ],
    );
    let suggested = |source| {
        Content::AskSuggested(pb::AskSuggested {
            participant: of("vendor-x"),
            source,
            material: pb::Material::Logs as i32,
            reason: "to compare".into(),
        })
    };
    reads(
        suggested(None),
        expect!["2025-12-01 00:00:00Z    12  vendor-x suggests to ask whoever has them for logs: to compare"],
    );
    coordinator_reads(
        suggested(of("region-a")),
        expect![[r#"
        2025-12-01 00:00:00Z    12  vendor-x suggests to ask region-a for logs: to compare
        → ask with: samverkan consent ask region-a --material logs --to NAMES --reason WHY --answer-by 24h --room 1234abcd"#]],
    );
}

#[test]
fn a_relay_shows_its_source_what_became_of_its_words_and_others_nothing_of_it() {
    let waiting = || pb::RelayInfo {
        parent_message_ids: ids(&[FIRST, SECOND]),
        receivers: vec![named("region-b")],
        awaiting_approval: vec![named("vendor-x")],
    };
    reads(
        Content::Message(relay_of(of("cert-se"), waiting())),
        expect![[r#"
        2025-12-01 00:00:00Z    12  cert-se  logs  TLP:AMBER+STRICT  relay  Look for 192.0.2.7.
        · the coordinator's words, made from your messages 3, 4; goes to region-b
        · goes to vendor-x only if you approve exactly this text
        → approve with: samverkan relay approve 12 --room 1234abcd
        → or refuse with: samverkan relay reject 12 --reason WHY --room 1234abcd"#]],
    );
    let at_once = pb::RelayInfo { awaiting_approval: Vec::new(), ..waiting() };
    reads(
        Content::Message(relay_of(of("cert-se"), at_once)),
        expect![[r#"
        2025-12-01 00:00:00Z    12  cert-se  logs  TLP:AMBER+STRICT  relay  Look for 192.0.2.7.
        · the coordinator's words, made from your messages 3, 4; goes to region-b"#]],
    );
    reads(
        Content::Message(relay_of(of("cert-se"), pb::RelayInfo::default())),
        expect!["2025-12-01 00:00:00Z    12  cert-se  logs  TLP:AMBER+STRICT  relay  Look for 192.0.2.7."],
    );
    let cert = Some(pb::Participant { is_caller: true, ..named("cert-se") });
    coordinator_reads(
        Content::Message(relay_of(cert, waiting())),
        expect![[r#"
        2025-12-01 00:00:00Z    12  cert-se (you)  logs  TLP:AMBER+STRICT  relay  Look for 192.0.2.7.
        · made from messages 3, 4; goes at once to region-b
        · waits for its source's approval before it goes to vendor-x"#]],
    );
    let relayed = pb::MessageRelayed {
        message_id: UNKNOWN.into(),
        parent_message_ids: ids(&[FIRST]),
        receivers: vec![named("region-b")],
    };
    reads(
        Content::MessageRelayed(relayed),
        expect!["2025-12-01 00:00:00Z    12  the coordinator relayed your message 3 in its own words to region-b"],
    );
    let approved =
        pb::RelayApproved { message_id: UNKNOWN.into(), participant: me(), receivers: vec![named("vendor-x")] };
    reads(
        Content::RelayApproved(approved),
        expect!["2025-12-01 00:00:00Z    12  region-a (you) approved the relay ffffffff for vendor-x"],
    );
    let rejected = |participant| {
        Content::RelayRejected(pb::RelayRejected {
            message_id: UNKNOWN.into(),
            participant,
            reason: "it names us".into(),
        })
    };
    reads(
        rejected(me()),
        expect!["2025-12-01 00:00:00Z    12  region-a (you) did not approve the relay ffffffff: it names us"],
    );
    coordinator_reads(
        rejected(of("region-a")),
        expect![[r#"
        2025-12-01 00:00:00Z    12  region-a did not approve the relay ffffffff: it names us
        → write another with: samverkan relay publish --supersedes ffffffff --from MESSAGES TEXT --room 1234abcd"#]],
    );
}

#[test]
fn what_goes_to_the_police_or_by_law_is_told_to_each_in_its_words() {
    let due = || Content::PoliceReportDue(pb::PoliceReportDue { participant: me() });
    reads(
        due(),
        expect![[r#"
        2025-12-01 00:00:00Z    12  region-a (you) reports to the police itself, and has not told that it has
        → tell it with: samverkan police report REFERENCE --room 1234abcd"#]],
    );
    let made = pb::PoliceReportMade { participant: me(), reference: "K1-26".into() };
    reads(
        Content::PoliceReportMade(made),
        expect!["2025-12-01 00:00:00Z    12  region-a (you) has reported to the police: K1-26"],
    );
    let forwarded = |participant, receiver| {
        Content::MessagesForwarded(pb::MessagesForwarded {
            participant,
            message_ids: ids(&[FIRST]),
            receiver,
            reason: "for the investigation".into(),
        })
    };
    reads(
        forwarded(me(), of("police")),
        expect![
            "2025-12-01 00:00:00Z    12  the coordinator forwarded your message 3 to police: for the investigation"
        ],
    );
    reads(
        forwarded(of("region-b"), me()),
        expect![
            "2025-12-01 00:00:00Z    12  the coordinator forwarded 1 message of region-b to you, it follows: for the investigation"
        ],
    );
    coordinator_reads(
        forwarded(of("region-b"), of("police")),
        expect!["2025-12-01 00:00:00Z    12  message 3 of region-b went to police: for the investigation"],
    );
    let proposed = |suppress_until_time| {
        Content::LegalDisclosureProposed(pb::LegalDisclosureProposed {
            disclosure_id: UNKNOWN.into(),
            statute: "Code 38:2".into(),
            message_ids: ids(&[FIRST, SECOND]),
            receiver: of("police"),
            suppress_until_time,
            actor: "org/cert-se/user/anna".into(),
        })
    };
    coordinator_reads(
        proposed(at(48)),
        expect![[r#"
        2025-12-01 00:00:00Z    12  org/cert-se/user/anna proposes to disclose messages 3, 4 to police under a legal duty: Code 38:2
        · the sources will be told on 2025-12-03 00:00:00Z
        → another person confirms with: samverkan legal confirm 12 --room 1234abcd"#]],
    );
    coordinator_reads(
        proposed(None),
        expect![[r#"
        2025-12-01 00:00:00Z    12  org/cert-se/user/anna proposes to disclose messages 3, 4 to police under a legal duty: Code 38:2
        · the sources will be told at once
        → another person confirms with: samverkan legal confirm 12 --room 1234abcd"#]],
    );
    let disclosed = |participant, receiver, suppress_until_time, actors: &[&str]| {
        Content::LegallyDisclosed(pb::LegallyDisclosed {
            disclosure_id: UNKNOWN.into(),
            participant,
            statute: "Code 38:2".into(),
            message_ids: ids(&[FIRST, SECOND]),
            receiver,
            suppress_until_time,
            actors: ids(actors),
        })
    };
    reads(
        disclosed(me(), of("police"), None, &[]),
        expect![
            "2025-12-01 00:00:00Z    12  your messages 3, 4 were disclosed to police under a legal duty: Code 38:2"
        ],
    );
    reads(
        disclosed(me(), None, None, &[]),
        expect!["2025-12-01 00:00:00Z    12  your messages 3, 4 were disclosed under a legal duty: Code 38:2"],
    );
    reads(
        disclosed(of("region-b"), me(), None, &[]),
        expect![
            "2025-12-01 00:00:00Z    12  2 messages of region-b came to you under a legal duty, they follow: Code 38:2"
        ],
    );
    let both = ["org/cert-se/user/anna", "org/cert-se/user/bo"];
    coordinator_reads(
        disclosed(of("region-b"), of("police"), at(48), &both),
        expect![[r#"
        2025-12-01 00:00:00Z    12  messages 3, 4 of region-b were disclosed to police under a legal duty: Code 38:2
        · region-b will be told on 2025-12-03 00:00:00Z
        · decided by org/cert-se/user/anna and org/cert-se/user/bo"#]],
    );
}

#[test]
fn an_introduction_names_nobody_before_both_said_yes() {
    let proposed = pb::IntroductionProposed { introduction_id: UNKNOWN.into(), text: "They know your device.".into() };
    reads(
        Content::IntroductionProposed(proposed),
        expect![[r#"
        2025-12-01 00:00:00Z    12  the coordinator proposes to put you in touch with somebody: They know your device.
        · the other learns who you are only if both of you accept
        → accept with: samverkan introduction accept 12 --contact HOW --room 1234abcd
        → or decline with: samverkan introduction decline 12 --room 1234abcd"#]],
    );
    let side = |id: &str, text: &str| pb::introduction_sent::Side {
        introduction_id: UNKNOWN.into(),
        participant: of(id),
        text: text.into(),
    };
    let sides = vec![side("region-a", "They know your device."), side("vendor-x", "They have your device.")];
    coordinator_reads(
        Content::IntroductionSent(pb::IntroductionSent { sides }),
        expect![[r#"
        2025-12-01 00:00:00Z    12  an introduction was proposed to region-a and vendor-x
        · words to region-a: They know your device.
        · words to vendor-x: They have your device.
        · neither is told who the other is before both accept"#]],
    );
    let answered = |accepted| {
        Content::IntroductionAnswered(pb::IntroductionAnswered {
            introduction_id: UNKNOWN.into(),
            participant: me(),
            accepted,
            contact: if accepted { "Astrid, +46".into() } else { String::new() },
        })
    };
    reads(
        answered(true),
        expect!["2025-12-01 00:00:00Z    12  region-a (you) accepted the introduction, to be reached by Astrid, +46"],
    );
    reads(answered(false), expect!["2025-12-01 00:00:00Z    12  region-a (you) declined the introduction"]);
    let side = |id: &str| pb::introduced::Side {
        introduction_id: UNKNOWN.into(),
        organisation_id: id.into(),
        display_name: id.to_uppercase(),
        contact: "mail".into(),
    };
    reads(
        Content::Introduced(pb::Introduced { sides: vec![side("vendor-x")] }),
        expect!["2025-12-01 00:00:00Z    12  you are introduced to vendor-x (VENDOR-X), to be reached by mail"],
    );
    let both = vec![side("region-a"), side("vendor-x")];
    coordinator_reads(
        Content::Introduced(pb::Introduced { sides: both }),
        expect![[r#"
        2025-12-01 00:00:00Z    12  both accepted, and are introduced to each other
        · region-a (REGION-A), to be reached by mail
        · vendor-x (VENDOR-X), to be reached by mail"#]],
    );
}

#[test]
fn what_the_coordinator_read_and_changed_is_told() {
    let read = |participant| Content::ReportRead(pb::ReportRead { participant, actor: "org/cert-se/user/anna".into() });
    reads(read(me()), expect!["2025-12-01 00:00:00Z    12  org/cert-se/user/anna read your report"]);
    coordinator_reads(
        read(of("region-a")),
        expect!["2025-12-01 00:00:00Z    12  org/cert-se/user/anna read the report of region-a"],
    );
    let seen = |participant| Content::RoomSeenAs(pb::RoomSeenAs { participant, actor: "org/cert-se/user/anna".into() });
    reads(seen(me()), expect!["2025-12-01 00:00:00Z    12  org/cert-se/user/anna looked at the room as you see it"]);
    coordinator_reads(
        seen(of("region-a")),
        expect!["2025-12-01 00:00:00Z    12  org/cert-se/user/anna looked at the room as region-a sees it"],
    );
    let exported = |participant| {
        let (export_id, actor) = (FIRST.into(), "org/region-a/user/astrid".into());
        Content::RoomExported(pb::RoomExported { participant, export_id, actor })
    };
    reads(
        exported(me()),
        expect!["2025-12-01 00:00:00Z    12  org/region-a/user/astrid exported what it may see of the room"],
    );
    coordinator_reads(
        exported(of("region-a")),
        expect![
            "2025-12-01 00:00:00Z    12  org/region-a/user/astrid of region-a exported what it may see of the room"
        ],
    );
    let changed = || Content::TermsChanged(pb::TermsChanged { terms: "One.\nTwo.\n".into() });
    reads(
        changed(),
        expect![[r#"
        2025-12-01 00:00:00Z    12  the room has new terms, and every consent in it has lapsed
              One.
              Two.
        · nothing of yours is shared until you give consent again
        → look with: samverkan consent show --room 1234abcd
        → give it with: samverkan consent give MATERIAL=SHARING:AUDIENCE --room 1234abcd"#]],
    );
    coordinator_reads(
        changed(),
        expect![[r#"
        2025-12-01 00:00:00Z    12  the room has new terms, and every consent in it has lapsed
              One.
              Two."#]],
    );
}

#[test]
fn what_was_released_again_is_spoken_of_where_it_stands_now() {
    let mut teller = teller(false);
    let message = |index, teller: &mut Teller| {
        let message = pb::Message { message_id: FIRST.into(), ..message_of("x") };
        teller.tell(index, &pb::Delivery { recorded_time: None, content: Some(Content::Message(message)) });
    };
    message(40, &mut teller);
    assert_eq!(teller.place(FIRST), "40");
    assert_eq!(teller.place(UNKNOWN), "ffffffff");
}

/// The keys of one delivery as JSON, in order.
#[track_caller]
fn keys(content: Content, kind: &str, expected: &[&str]) {
    let value = json::delivery(12, &pb::Delivery { recorded_time: at(0), content: Some(content) });
    assert_eq!(value["kind"], kind);
    let keys: Vec<_> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, [&["index", "kind", "recorded_time"], expected].concat(), "{kind}");
}

#[test]
fn every_kind_has_its_own_word_and_keys_for_programs() {
    keys(Content::TermsChanged(Default::default()), "terms_changed", &["terms"]);
    let about_message = ["participant", "message_id", "reason"];
    keys(Content::MessageRetracted(Default::default()), "message_retracted", &about_message);
    keys(Content::MessageAcknowledged(Default::default()), "message_acknowledged", &about_message[..2]);
    let released = ["release_id", "participant", "message_ids", "receivers"];
    keys(Content::MessagesReleased(Default::default()), "messages_released", &released);
    keys(Content::ReleaseRevoked(Default::default()), "release_revoked", &released[..2]);
    let recall = ["recall_id", "participant", "answer", "comment"];
    keys(Content::RecallAnswered(Default::default()), "recall_answered", &recall);
    let suggested = ["participant", "source", "material", "reason"];
    keys(Content::AskSuggested(Default::default()), "ask_suggested", &suggested);
    let asked = ["ask_id", "participant", "subject", "to", "reason", "answer_by_time"];
    keys(Content::ConsentAsked(Default::default()), "consent_asked", &asked);
    keys(Content::AskAnswered(Default::default()), "ask_answered", &["ask_id", "participant", "answer", "comment"]);
    keys(Content::AskLapsed(Default::default()), "ask_lapsed", &["ask_id", "participant"]);
    let relayed = ["message_id", "parent_message_ids", "receivers"];
    keys(Content::MessageRelayed(Default::default()), "message_relayed", &relayed);
    keys(Content::RelayApproved(Default::default()), "relay_approved", &["message_id", "participant", "receivers"]);
    keys(Content::RelayRejected(Default::default()), "relay_rejected", &["message_id", "participant", "reason"]);
    keys(Content::PoliceReportMade(Default::default()), "police_report_made", &["participant", "reference"]);
    keys(Content::PoliceReportDue(Default::default()), "police_report_due", &["participant"]);
    let forwarded = ["participant", "message_ids", "receiver", "reason"];
    keys(Content::MessagesForwarded(Default::default()), "messages_forwarded", &forwarded);
    let proposed = ["disclosure_id", "statute", "message_ids", "receiver", "suppress_until_time", "actor"];
    keys(Content::LegalDisclosureProposed(Default::default()), "legal_disclosure_proposed", &proposed);
    let disclosed =
        ["disclosure_id", "participant", "statute", "message_ids", "receiver", "suppress_until_time", "actors"];
    keys(Content::LegallyDisclosed(Default::default()), "legally_disclosed", &disclosed);
    let erasure = ["erasure_id", "scope", "basis", "actor"];
    keys(Content::ErasureProposed(Default::default()), "erasure_proposed", &erasure);
    let erased = ["erasure_id", "scope", "basis", "actors"];
    keys(Content::PayloadsErased(Default::default()), "payloads_erased", &erased);
    keys(Content::LegalHoldPlaced(Default::default()), "legal_hold_placed", &["reason", "actor"]);
    keys(Content::LegalHoldLifted(Default::default()), "legal_hold_lifted", &["reason", "actor"]);
    keys(Content::RetentionSet(Default::default()), "retention_set", &["years", "actor"]);
    keys(Content::IntroductionProposed(Default::default()), "introduction_proposed", &["introduction_id", "text"]);
    keys(Content::IntroductionSent(Default::default()), "introduction_sent", &["sides"]);
    let answered = ["introduction_id", "participant", "accepted", "contact"];
    keys(Content::IntroductionAnswered(Default::default()), "introduction_answered", &answered);
    keys(Content::Introduced(Default::default()), "introduced", &["sides"]);
    keys(Content::ReportRead(Default::default()), "report_read", &["participant", "actor"]);
    keys(Content::RoomSeenAs(Default::default()), "room_seen_as", &["participant", "actor"]);
    keys(Content::RoomExported(Default::default()), "room_exported", &["participant", "export_id", "actor"]);
    let fields = ["participant", "change", "actor", "certificate_sha256", "changed_by"];
    keys(Content::AccessChanged(Default::default()), "access_changed", &fields);
    keys(
        Content::WithdrawalNotice(Default::default()),
        "withdrawal_notice",
        &["ranges", "recall_id", "answer_by_time"],
    );
}
