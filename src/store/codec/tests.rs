//! What is read is what was written, or it is refused: every kind of entry, every bit of a frame.

use std::sync::Arc;

use super::*;
use crate::room::consent::{ConsentChange, ExpiryChange, Name, Scope};
use crate::room::directory::DirectoryEvent;
use crate::room::event::{
    AccessChange, AskedFor, Content, ErasureScope, Event, File, IntakeReport, IntroductionSide, LegalDuty, Message,
    Recall, Request, Subject,
};
use crate::room::ids::{
    Actor, AskId, ContentId, DisclosureId, ErasureId, ExportId, Index, IntroductionId, InvitationId, MessageId,
    OrganisationId, ParticipantId, RecallId, ReleaseId, RequestId, Timestamp,
};
use crate::room::mailbox::{Notice, Run};
use crate::room::words::*;

mod erased;

const ROOM: RoomId = RoomId::from_bytes([3; 16]);

fn organisation(name: &str) -> OrganisationId {
    name.parse().expect(name)
}

fn actor(text: &str) -> Actor {
    text.parse().expect(text)
}

/// One event of each kind, every field set.
fn events() -> Vec<Event> {
    let a = || organisation("region-a");
    let participant = ParticipantId::from_bytes([5; 16]);
    let invitation = InvitationId::from_bytes([6; 16]);
    let names = [Name::Organisation(organisation("vendor-x")), Name::Participant(ParticipantId::from_bytes([9; 16]))];
    let change = ConsentChange {
        cells: vec![(Material::Logs, Audience::ThirdParties, Sharing::Relay)],
        named: names.iter().map(|name| (name.clone(), Material::Data, Sharing::NotAnswered)).collect(),
        newcomers: vec![(Audience::OtherAffectedOrganisations, Answer::Yes)],
        attribution: Some(Attribution::Named),
        police: Some(PoliceAnswer::CoordinatorMayForward),
        expiry: ExpiryChange::At(Timestamp(99)),
    };
    let report = IntakeReport {
        what_occurred: "locked files".into(),
        how_discovered: "a user called".into(),
        discovered_at: Some(Timestamp(-5)),
        countermeasures: "unplugged".into(),
        ongoing: Some(Assessment::Unknown),
        data_leak: Some(Assessment::Yes),
        help_wanted: "logs read".into(),
        contacts_made: "none".into(),
        police: Some(PoliceAnswer::No),
    };
    let message = Message {
        id: MessageId::from_bytes([8; 16]),
        material: Material::Data,
        tlp: Tlp::Red,
        text: "påverkad server".into(),
        recipients: vec![organisation("region-b")],
        red_actors: vec![actor("org/region-b/user/bo")],
        coordinator_only: true,
        in_reply_to: Some(MessageId::from_bytes([7; 16])),
        occurred_at: Some(Timestamp(12)),
        supersedes: Some(MessageId::from_bytes([10; 16])),
        acknowledge_by: Some(Timestamp(77)),
        attachments: vec![MessageId::from_bytes([20; 16])],
        file: None,
    };
    let attached = Message {
        id: MessageId::from_bytes([20; 16]),
        attachments: Vec::new(),
        file: Some(File {
            carrier: message.id,
            name: "sshd.log".into(),
            media_type: "text/plain".into(),
            content: Content { id: ContentId::from_bytes([21; 16]), size: 1 << 32, sha256: [22; 32] },
            terms_of: vec![MessageId::from_bytes([23; 16])],
        }),
        ..message.clone()
    };
    let mut events = vec![
        Event::MessagePosted { organisation: organisation("region-a"), message: Arc::new(attached) },
        Event::RoomOpened { coordinator: organisation("cert-se"), title: "title".into(), terms: "terms".into() },
        Event::ParticipantAdmitted {
            organisation: a(),
            participant,
            role: Role::Authority,
            attribution: Attribution::Pseudonym,
            invitation: Some(invitation),
        },
        Event::AttributionRaised { organisation: a(), attribution: Attribution::Named },
        Event::OrganisationInvited { invitation, organisation: a(), role: Role::ThirdParty, participant },
        Event::InvitationDeclined { invitation, organisation: a() },
        Event::ParticipantLeft { organisation: a() },
        Event::ParticipantRemoved { organisation: a(), reason: "reason".into() },
        Event::RoleChanged { organisation: a(), role: Role::AffectedOrganisation },
        Event::ConsentGiven { organisation: a(), change: Arc::new(change) },
        Event::ConsentGiven {
            organisation: a(),
            change: Arc::new(ConsentChange { expiry: ExpiryChange::Never, ..ConsentChange::default() }),
        },
        Event::ConsentGiven { organisation: a(), change: Arc::new(ConsentChange::default()) },
        Event::ConsentExpired { organisation: a() },
        Event::ReportFiled { organisation: a(), report: Arc::new(report) },
        Event::ReportFiled { organisation: a(), report: Arc::new(IntakeReport::default()) },
        Event::MessagePosted { organisation: a(), message: Arc::new(message.clone()) },
        Event::RoomClosed,
        Event::RoomReopened,
    ];
    let [by_id, by_pseudonym] = names;
    for scope in [
        Scope::All,
        Scope::Material(Material::Information),
        Scope::Audience(Audience::ThirdParties),
        Scope::Named(by_id),
        Scope::Named(by_pseudonym),
        Scope::Message(MessageId::from_bytes([8; 16])),
    ] {
        events.push(Event::ConsentWithdrawn { organisation: a(), scope: scope.clone(), recall: None });
        events.push(Event::ConsentWithdrawn { organisation: a(), scope, recall: Some(recall()) });
    }
    events.extend(events_of_consent_in_full(message));
    events
}

fn recall() -> Recall {
    Recall { id: RecallId::from_bytes([11; 16]), answer_by: Timestamp(3000) }
}

fn events_of_consent_in_full(message: Message) -> Vec<Event> {
    let [a, b] = [organisation("region-a"), organisation("region-b")];
    let messages = || vec![MessageId::from_bytes([8; 16]), MessageId::from_bytes([9; 16])];
    let one = MessageId::from_bytes([8; 16]);
    let (release, ask) = (ReleaseId::from_bytes([12; 16]), AskId::from_bytes([13; 16]));
    let disclosure = DisclosureId::from_bytes([14; 16]);
    let duty = |suppress_until| {
        let statute = "27 kap. 2 § rättegångsbalken".into();
        Arc::new(LegalDuty { statute, messages: messages(), to: organisation("police"), suppress_until })
    };
    let access = |change| Event::AccessChanged { actor: actor("org/region-a/user/anna"), change, by: Seq(4) };
    let side = |n: u8, organisation: &OrganisationId, words: &str| IntroductionSide {
        id: IntroductionId::from_bytes([n; 16]),
        organisation: organisation.clone(),
        words: words.into(),
    };
    let erasure = ErasureId::from_bytes([18; 16]);
    let proposed_by = actor("org/cert-se/user/duty");
    let erased =
        |what| Event::PayloadsErased { erasure, what, basis: "dataskydd".into(), proposed_by: proposed_by.clone() };
    let organisations = || vec![b.clone(), organisation("vendor-x")];
    let asked = |subject, to| Event::ConsentAsked {
        ask,
        source: a.clone(),
        subject,
        to,
        reason: "why".into(),
        answer_by: Timestamp(5000),
    };
    let answered = |answer| Event::AskAnswered { organisation: a.clone(), ask, answer, comment: "".into() };
    let recalled = |answer| Event::RecallAnswered {
        organisation: b.clone(),
        recall: recall().id,
        answer,
        comment: "därför".into(),
    };
    let introduced = |accepted, contact: &str| Event::IntroductionAnswered {
        organisation: a.clone(),
        introduction: IntroductionId::from_bytes([15; 16]),
        accepted,
        contact: contact.into(),
    };
    let suggested = |source| Event::AskSuggested {
        organisation: b.clone(),
        source,
        material: Material::Logs,
        reason: "needed".into(),
    };
    vec![
        Event::TermsChanged { terms: "other terms".into() },
        Event::MessageRetracted { organisation: a.clone(), message: one, reason: "wrong file".into() },
        Event::MessageAcknowledged { organisation: b.clone(), message: one },
        Event::MessagesReleased { organisation: a.clone(), release, messages: messages(), to: organisations() },
        Event::ReleaseRevoked { organisation: a.clone(), release },
        recalled(RecallAnswer::Deleted),
        recalled(RecallAnswer::RetainedByLaw),
        recalled(RecallAnswer::SharedOnward),
        recalled(RecallAnswer::CannotDelete),
        suggested(None),
        suggested(Some(a.clone())),
        asked(Subject::Messages(messages()), AskedFor::Organisations(organisations())),
        asked(Subject::Material(Material::Data), AskedFor::Audience(Audience::ThirdParties)),
        answered(AskAnswer::No),
        answered(AskAnswer::RelayOnly),
        answered(AskAnswer::Yes),
        Event::AskLapsed { ask },
        Event::RelayPublished {
            organisation: organisation("cert-se"),
            message: Arc::new(message),
            parents: messages(),
            unapproved: organisations(),
        },
        Event::RelayApproved { organisation: a.clone(), message: one, to: organisations() },
        Event::RelayRejected { organisation: a.clone(), message: one, reason: "tells too much".into() },
        Event::PoliceReportMade { organisation: a.clone(), reference: "5000-K1-23".into() },
        Event::PoliceReportDue { organisation: a.clone() },
        Event::MessagesForwarded {
            organisation: a.clone(),
            messages: messages(),
            to: organisation("police"),
            reason: "asked for".into(),
        },
        Event::LegalDisclosureProposed { disclosure, duty: duty(Some(Timestamp(9000))) },
        Event::LegallyDisclosed {
            disclosure,
            organisation: a.clone(),
            duty: duty(None),
            proposed_by: actor("org/cert-se/user/duty"),
        },
        Event::LegalDisclosureNotified { disclosure, organisation: a.clone(), duty: duty(Some(Timestamp(9000))) },
        Event::IntroductionProposed { sides: [side(15, &a, "one like you"), side(16, &b, "another")] },
        introduced(true, "08-123"),
        introduced(false, ""),
        Event::Introduced { sides: [side(15, &a, "08-123"), side(16, &b, "08-456")] },
        Event::ReportRead { organisation: a.clone() },
        Event::RoomSeenAs { organisation: a.clone() },
        Event::AttachmentFetched { organisation: a.clone(), message: MessageId::from_bytes([18; 16]) },
        Event::RoomExported { organisation: a, export: ExportId::from_bytes([17; 16]) },
        erased(ErasureScope::Message(one)),
        erased(ErasureScope::Participant(organisation("region-a"))),
        erased(ErasureScope::Room),
        Event::ErasureProposed { erasure, what: ErasureScope::Room, basis: "dataskydd".into() },
        Event::LegalHoldPlaced { reason: "the prosecutor wishes it".into() },
        Event::LegalHoldLifted { reason: "over".into() },
        Event::RetentionSet { years: Some(5) },
        Event::RetentionSet { years: None },
        access(AccessChange::CertificateRevoked([9; 32])),
        access(AccessChange::ActorRevoked),
        access(AccessChange::ActorReinstated),
    ]
}

fn entries() -> Vec<Entry> {
    let author = |event: &Event| (!event.is_by_server()).then(|| actor("org/region-a/service/siem"));
    let request =
        |n: usize| n.is_multiple_of(2).then_some(Request { id: RequestId::from_bytes([4; 16]), digest: [n as u8; 32] });
    let entry = |(n, event): (usize, Event)| Entry {
        seq: Seq(n as u64),
        recorded_at: Timestamp(1000 + n as i64),
        author: author(&event),
        request: author(&event).and_then(|_| request(n)),
        event,
        is_erased: false,
    };
    events().into_iter().enumerate().map(entry).collect()
}

fn ranges() -> Vec<Range> {
    let notice = Notice { ranges: vec![(Index(1), Index(2)), (Index(4), Index(4))], recall: None };
    let recalled = Notice { ranges: vec![(Index(3), Index(3))], recall: Some(recall()) };
    vec![Range {
        actor: actor("org/region-b/user/bo"),
        certificate: [2; 32],
        first: Index(7),
        runs: vec![
            Run::Entries { seq: Seq(3), count: 4 },
            Run::Notice(notice),
            Run::Opened { by: Seq(9), messages: vec![Seq(2), Seq(5)] },
            Run::Notice(recalled),
        ],
        recorded_at: Timestamp(2000),
    }]
}

/// Once as it is without encryption, once with it.
fn vaults() -> [Vault; 2] {
    [Vault::none(), Vault::random()]
}

fn sealed(entries: &[Entry], vault: &Vault) -> Vec<Sealed> {
    entries.iter().map(|entry| seal(entry, ROOM, vault, salt)).collect()
}

fn packed(vault: &Vault) -> Vec<(Seq, Frame)> {
    Tip::start(ROOM).pack(sealed(&entries(), vault), &ranges(), vault)
}

fn stored(frame: &Frame) -> StoredFrame {
    StoredFrame { number: frame.number, bytes: frame.bytes.clone() }
}

#[test]
fn every_kind_of_entry_reads_back_as_it_was_written() {
    for vault in vaults() {
        let mut tip = Tip::start(ROOM);
        let (mut read, mut deliveries) = (Vec::new(), Vec::new());
        for (first, frame) in packed(&vault) {
            assert_eq!(first, tip.next_entry());
            let opened: Opened<Entry> = tip.follow(&stored(&frame), &vault).expect("verifies");
            let again: Opened<Entry> =
                reopen(ROOM, first, &frame.digest, &stored(&frame), &vault).expect("verifies alone");
            assert_eq!(again, opened);
            read.extend(opened.entries);
            deliveries.extend(opened.deliveries);
        }
        assert_eq!(read, entries());
        assert_eq!(deliveries, ranges());
    }
}

#[test]
fn r2_every_flipped_bit_of_a_stored_frame_is_detected() {
    for vault in vaults() {
        let mut flips = 0;
        let mut tip = Tip::start(ROOM);
        for (first, frame) in packed(&vault) {
            for bit in 0..frame.bytes.len() * 8 {
                let mut bytes = frame.bytes.to_vec();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let flipped = StoredFrame { number: frame.number, bytes: bytes.into() };
                assert!(tip.clone().follow::<Entry>(&flipped, &vault).is_err(), "bit {bit} of frame {}", frame.number);
                assert!(reopen::<Entry>(ROOM, first, &frame.digest, &flipped, &vault).is_err(), "bit {bit}");
                flips += 1;
            }
            tip.follow::<Entry>(&stored(&frame), &vault).expect("the frame itself verifies");
        }
        assert!(flips > 10_000, "{flips}");
    }
}

/// As above, with a checksum that was made to agree, as by somebody who writes to the disk: what is left is the chain.
#[test]
fn r2_every_flipped_bit_is_detected_by_the_chain_alone() {
    let vault = Vault::none();
    let mut tip = Tip::start(ROOM);
    let mut without_effect = 0;
    for (_, frame) in packed(&vault) {
        let before = tip;
        let truth: Opened<Entry> = tip.follow(&stored(&frame), &vault).expect("verifies");
        let body = frame.bytes.len() - 4;
        for bit in 0..body * 8 {
            let mut bytes = frame.bytes[..body].to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
            if let Ok(read) =
                before.clone().follow::<Entry>(&StoredFrame { number: frame.number, bytes: bytes.into() }, &vault)
            {
                assert_eq!(read, truth, "bit {bit} of frame {} changed what was read", frame.number);
                without_effect += 1;
            }
        }
    }
    assert!(without_effect < 8, "{without_effect}");
}

#[test]
fn frames_out_of_order_of_another_room_or_lost_are_detected() {
    let vault = Vault::none();
    let frames: Vec<Frame> = (0..3u8)
        .scan(Tip::start(ROOM), |tip, n| {
            let entry = Entry {
                seq: tip.next_entry(),
                recorded_at: Timestamp(i64::from(n)),
                author: None,
                request: None,
                event: Event::RoomClosed,
                is_erased: false,
            };
            tip.pack(sealed(&[entry], &vault), &[], &vault).pop().map(|(_, frame)| frame)
        })
        .collect();
    let mut tip = Tip::start(ROOM);
    assert!(tip.follow::<Entry>(&stored(&frames[1]), &vault).is_err(), "the first is lost");
    tip.follow::<Entry>(&stored(&frames[0]), &vault).expect("the first");
    let swapped = StoredFrame { number: 1, bytes: frames[2].bytes.clone() };
    assert!(tip.follow::<Entry>(&swapped, &vault).is_err(), "another frame in its place");
    let mut other = Tip::start(RoomId::from_bytes([4; 16]));
    assert!(other.follow::<Entry>(&stored(&frames[0]), &vault).is_err(), "moved to another room");
}

#[test]
fn small_entries_share_a_value_and_a_large_one_has_a_frame_of_its_own() {
    let post = |n: u64, bytes: usize| {
        let message = Message {
            id: MessageId::from_bytes([1; 16]),
            material: Material::Logs,
            tlp: Tlp::Green,
            text: "x".repeat(bytes).into(),
            recipients: Vec::new(),
            red_actors: Vec::new(),
            coordinator_only: false,
            in_reply_to: None,
            occurred_at: None,
            supersedes: None,
            acknowledge_by: None,
            attachments: Vec::new(),
            file: None,
        };
        let event = Event::MessagePosted { organisation: organisation("a"), message: Arc::new(message) };
        Entry {
            seq: Seq(n),
            recorded_at: Timestamp(0),
            author: Some(actor("org/a/user/b")),
            request: None,
            event,
            is_erased: false,
        }
    };
    let small: Vec<Entry> = (0..9).map(|n| post(n, 1000)).collect();
    let mixed = [post(0, 10), post(1, limits::TEXT_BYTES_MAX), post(2, 10)];
    for vault in vaults() {
        let frames = Tip::start(ROOM).pack(sealed(&small, &vault), &[], &vault);
        assert_eq!(frames.len(), 3, "three to a value");
        assert!(frames.iter().all(|(_, frame)| frame.bytes.len() <= limits::VALUE_BYTES_MAX));
        let frames = Tip::start(ROOM).pack(sealed(&mixed, &vault), &[], &vault);
        assert_eq!(frames.iter().map(|(first, _)| first.0).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(frames.iter().all(|(_, frame)| frame.bytes.len() <= limits::FRAME_BYTES_MAX));
    }
}

/// Every payload of a frame, changed by somebody who has the key of frames and not that of payloads, as with an old copy of the keyring.
fn change_payloads(frame: &Frame, vault: &Vault, change: impl Fn(usize, &mut pb::StoredEntry)) -> StoredFrame {
    let mut inside = read(ROOM, &stored(frame), vault).expect("its own bytes");
    inside.entries.iter_mut().enumerate().for_each(|(at, entry)| change(at, entry));
    let mut bytes = inside.encode_to_vec();
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    StoredFrame { number: frame.number, bytes: vault.seal_frame(ROOM, frame.number, salt, bytes) }
}

/// The chain is over digests of payloads: it verifies whatever becomes of them, and nothing is shown of one that is not what it was.
#[test]
fn an_erased_and_a_changed_payload_leave_the_chain_whole_and_are_not_shown() {
    let encrypted = |change: fn(&mut pb::EncryptedPayload)| {
        move |stored: &mut pb::StoredEntry| match &mut stored.payload {
            Some(pb::stored_entry::Payload::Encrypted(encrypted)) => change(encrypted),
            _ => panic!("{stored:?} is not encrypted"),
        }
    };
    let vault = Vault::random();
    type Change<'a> = &'a dyn Fn(&mut pb::StoredEntry);
    let changes: [(&str, Change<'_>); 9] = [
        ("erased", &|stored| stored.payload = Some(pb::stored_entry::Payload::Erased(pb::ErasedPayload {}))),
        ("gone", &|stored| stored.payload = None),
        ("plain", &|stored| {
            let plain =
                pb::PlainPayload { salt: Bytes::from_static(&[7; 32]), payload: Bytes::from_static(b"\x0a\x01x") };
            stored.payload = Some(pb::stored_entry::Payload::Plain(plain));
        }),
        (
            "flipped",
            &encrypted(|encrypted| {
                encrypted.ciphertext = {
                    let mut bytes = encrypted.ciphertext.to_vec();
                    bytes[0] ^= 1;
                    bytes.into()
                }
            }),
        ),
        ("cut", &encrypted(|encrypted| encrypted.ciphertext = encrypted.ciphertext.slice(1..))),
        ("of another key", &encrypted(|encrypted| encrypted.info = Bytes::from_static(&[7; 32]))),
        ("of another lane", &encrypted(|encrypted| encrypted.lane = 1)),
        ("of a lane that is none", &encrypted(|encrypted| encrypted.lane = 1 << 24)),
        ("without random bytes", &encrypted(|encrypted| encrypted.info = Bytes::new())),
    ];
    for (what, change) in changes {
        let (mut tip, mut changed) = (Tip::start(ROOM), 0);
        for (_, frame) in packed(&vault) {
            let payloads = read(ROOM, &stored(&frame), &vault).expect("its own bytes").entries;
            for at in (0..payloads.len()).filter(|&at| payloads[at].payload.is_some()) {
                let frame = change_payloads(&frame, &vault, |place, entry| {
                    if place == at {
                        change(entry)
                    }
                });
                let damage = tip.clone().follow::<Entry>(&frame, &vault).expect_err(what);
                assert!(damage.what.contains("payload"), "{what}: {damage}");
                verify_chain(&mut tip.clone(), &frame, &vault).expect("the chain does not depend on payloads");
                changed += 1;
            }
            verify_chain(&mut tip, &stored(&frame), &vault).expect("the frame itself");
        }
        assert!(changed > 10, "{what}: {changed}");
    }
}

/// A payload that stands in the place of another: in another entry, under another author, in another room.
#[test]
fn a_payload_opens_in_its_own_entry_and_nowhere_else() {
    let vault = Vault::random();
    let post = |seq: u64, author: &str| {
        let mut entry =
            entries().into_iter().find(|entry| matches!(entry.event, Event::MessagePosted { .. })).expect("a message");
        entry.seq = Seq(seq);
        entry.author = Some(actor(author));
        entry
    };
    let here = seal(&post(5, "org/a/user/b"), ROOM, &vault, || [1; 32]);
    let open = |room, stored: &pb::StoredEntry| {
        let header = pb::Header::decode(stored.header.clone()).expect("a header");
        payload(room, &header, stored, &vault).map(|_| ())
    };
    open(ROOM, &here.stored).expect("its own place");
    open(RoomId::from_bytes([4; 16]), &here.stored).expect_err("another room");
    for other in [post(6, "org/a/user/b"), post(5, "org/a/user/c"), post(5, "org/b/user/b")] {
        let mut moved = seal(&other, ROOM, &vault, || [1; 32]).stored;
        moved.payload = here.stored.payload.clone();
        open(ROOM, &moved).expect_err("the payload of another entry");
    }
}

#[test]
fn nothing_that_was_said_or_who_said_it_can_be_read_in_an_encrypted_frame() {
    let [plain, encrypted] = vaults();
    let all =
        |vault: &Vault| packed(vault).into_iter().flat_map(|(_, frame)| frame.bytes.to_vec()).collect::<Vec<u8>>();
    let (plain, encrypted) = (all(&plain), all(&encrypted));
    let holds = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    for word in ["org/", "/user/"] {
        assert!(holds(&plain, word), "{word} is in the entries");
        assert!(!holds(&encrypted, word), "{word}");
    }
}

#[test]
fn a_connection_of_rooms_reads_back_as_it_was_written() {
    let entry = DirectoryEntry {
        seq: Seq(0),
        recorded_at: Timestamp(1),
        author: actor("org/cert-se/user/duty"),
        request: Request { id: RequestId::from_bytes([4; 16]), digest: [1; 32] },
        event: DirectoryEvent::ConnectionRecorded {
            rooms: [ROOM, RoomId::from_bytes([4; 16])],
            reason: "the same group".into(),
        },
    };
    let vault = Vault::random();
    let sealed = vec![seal(&entry, RoomId::DIRECTORY, &vault, salt)];
    let (_, frame) = Tip::start(RoomId::DIRECTORY).pack(sealed, &[], &vault).remove(0);
    let opened: Opened<DirectoryEntry> =
        Tip::start(RoomId::DIRECTORY).follow(&stored(&frame), &vault).expect("verifies");
    assert_eq!(opened.entries, [entry]);
}

/// The event of a stored header, with `words` as its payload, if it has one.
fn event_of(event: pb::header::Event, words: Option<&[&str]>) -> Result<Event, What> {
    let header = pb::Header { author: "org/region-a/user/bo".into(), event: Some(event), ..pb::Header::default() };
    let words = words.map(|words| words.iter().map(ToString::to_string).collect());
    let payload = words.map(|words| pb::WordsPayload { words }.encode_to_vec());
    let payload = payload.map_or(Payload::None, |bytes| Payload::Here(bytes.into()));
    from_stored::entry(&header, &payload).map(|entry| entry.event)
}

#[test]
fn r5_what_is_unset_or_unknown_in_an_entry_is_damage() {
    use pb::header::Event as Stored;
    let a = || "region-a".to_owned();
    let id = |n| Bytes::from(vec![n; 16]);
    let ask = pb::AskAnswered { organisation: a(), ask: id(1), answer: pb::AskAnswer::Yes.into() };
    let recall = pb::RecallAnswered { organisation: a(), recall: id(1), answer: pb::RecallAnswer::Deleted.into() };
    let answer = pb::IntroductionAnswered { organisation: a(), introduction: id(1), answer: pb::Answer::Yes.into() };
    assert!(event_of(Stored::AskAnswered(ask.clone()), Some(&["words"])).is_ok());
    assert!(event_of(Stored::RecallAnswered(recall.clone()), Some(&["words"])).is_ok());
    assert!(event_of(Stored::IntroductionAnswered(answer.clone()), Some(&["words"])).is_ok());
    for number in [0, 77] {
        let ask = pb::AskAnswered { answer: number, ..ask.clone() };
        assert!(event_of(Stored::AskAnswered(ask), Some(&["words"])).is_err());
        let recall = pb::RecallAnswered { answer: number, ..recall.clone() };
        assert!(event_of(Stored::RecallAnswered(recall), Some(&["words"])).is_err());
        let answer = pb::IntroductionAnswered { answer: number, ..answer.clone() };
        assert!(event_of(Stored::IntroductionAnswered(answer), Some(&["words"])).is_err());
    }
    for words in [None, Some(&[][..]), Some(&["one", "too many"])] {
        assert!(event_of(Stored::AskAnswered(ask.clone()), words).is_err());
        assert!(event_of(Stored::PoliceReportMade(pb::PoliceReportMade { organisation: a() }), words).is_err());
    }
    assert!(event_of(Stored::AskLapsed(pb::AskLapsed { ask: Bytes::from_static(&[1; 15]) }), None).is_err());

    let asked = pb::ConsentAsked {
        ask: id(1),
        source: a(),
        subject: Some(pb::consent_asked::Subject::Material(pb::Material::Data.into())),
        to: Some(pb::consent_asked::To::Audience(pb::Audience::ThirdParties.into())),
        reason: "why".into(),
        answer_by_us: Some(0),
    };
    assert!(event_of(Stored::ConsentAsked(asked.clone()), None).is_ok());
    let damaged = [
        pb::ConsentAsked { subject: None, ..asked.clone() },
        pb::ConsentAsked { to: None, ..asked.clone() },
        pb::ConsentAsked { answer_by_us: None, ..asked.clone() },
        pb::ConsentAsked { subject: Some(pb::consent_asked::Subject::Material(0)), ..asked.clone() },
        pb::ConsentAsked { to: Some(pb::consent_asked::To::Audience(9)), ..asked },
    ];
    for asked in damaged {
        assert!(event_of(Stored::ConsentAsked(asked), None).is_err());
    }

    let withdrawn = |scope, recall| {
        let withdrawn = pb::ConsentWithdrawn { organisation: a(), scope, recall };
        event_of(Stored::ConsentWithdrawn(withdrawn), None)
    };
    let message = || Some(pb::consent_withdrawn::Scope::Message(id(1)));
    let recall = |answer_by_us| Some(pb::Recall { recall: id(2), answer_by_us });
    assert!(withdrawn(message(), recall(Some(1))).is_ok());
    assert!(withdrawn(message(), recall(None)).is_err());
    assert!(withdrawn(None, recall(Some(1))).is_err());
    assert!(withdrawn(Some(pb::consent_withdrawn::Scope::Message(Bytes::new())), None).is_err());

    let side = |n| pb::IntroductionSide { introduction: id(n), organisation: a(), words: String::new() };
    for sides in [vec![], vec![side(1)], vec![side(1), side(2), side(3)]] {
        let proposed = pb::IntroductionProposed { sides: sides.clone() };
        assert!(event_of(Stored::IntroductionProposed(proposed), None).is_err());
        assert!(event_of(Stored::Introduced(pb::Introduced { sides }), Some(&["one", "two"])).is_err());
    }
    let proposed = pb::LegalDisclosureProposed { disclosure: id(1), duty: None };
    assert!(event_of(Stored::LegalDisclosureProposed(proposed), None).is_err());
    let published = pb::RelayPublished { message: None, parents: Vec::new(), unapproved: Vec::new() };
    assert!(event_of(Stored::RelayPublished(published), None).is_err());
}

#[test]
fn r5_a_delivery_record_of_nothing_is_damage() {
    use pb::delivery_range::{Notice, Opened, Run, run};
    let range = |run| {
        let range = pb::DeliveryRange {
            actor: "org/region-b/user/bo".into(),
            certificate: Bytes::from_static(&[1; 32]),
            first: 1,
            runs: vec![Run { run: Some(run) }],
            recorded_at_us: 1,
            basis: pb::Basis::Rule.into(),
        };
        from_stored::range(range.encode_to_vec().into())
    };
    assert!(range(run::Run::Opened(Opened { by: 3, messages: vec![1] })).is_ok());
    assert!(range(run::Run::Opened(Opened { by: 3, messages: vec![] })).is_err());
    let recall = |recall| Some(pb::Recall { recall, answer_by_us: Some(1) });
    let notice = |recall| run::Run::Notice(Notice { bounds: vec![1, 1], recall });
    assert!(range(notice(recall(Bytes::from_static(&[1; 16])))).is_ok());
    assert!(range(notice(recall(Bytes::new()))).is_err());
}
