//! What is read is what was written, or it is refused: every kind of entry, every bit of a frame.

use std::sync::Arc;

use super::*;
use crate::room::consent::{ConsentChange, ExpiryChange, Name, Scope};
use crate::room::event::{Event, IntakeReport, Message, Request};
use crate::room::ids::{Actor, Index, InvitationId, MessageId, OrganisationId, ParticipantId, RequestId, Timestamp};
use crate::room::mailbox::{Notice, Run};
use crate::room::words::*;

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
    };
    let mut events = vec![
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
        Event::MessagePosted { organisation: a(), message: Arc::new(message) },
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
    ] {
        events.push(Event::ConsentWithdrawn { organisation: a(), scope });
    }
    events
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
    };
    events().into_iter().enumerate().map(entry).collect()
}

fn ranges() -> Vec<Range> {
    let notice = Notice { ranges: vec![(Index(1), Index(2)), (Index(4), Index(4))] };
    vec![Range {
        actor: actor("org/region-b/user/bo"),
        certificate: [2; 32],
        first: Index(7),
        runs: vec![Run::Entries { seq: Seq(3), count: 4 }, Run::Notice(notice)],
        recorded_at: Timestamp(2000),
    }]
}

fn packed() -> Vec<(Seq, Frame)> {
    Tip::start(ROOM).pack(&entries(), &ranges(), || [1; 32])
}

fn stored(frame: &Frame) -> StoredFrame {
    StoredFrame { number: frame.number, bytes: frame.bytes.clone() }
}

#[test]
fn every_kind_of_entry_reads_back_as_it_was_written() {
    let mut tip = Tip::start(ROOM);
    let (mut read, mut deliveries) = (Vec::new(), Vec::new());
    for (first, frame) in packed() {
        assert_eq!(first, tip.next_entry());
        let opened: Opened<Entry> = tip.follow(&stored(&frame)).expect("verifies");
        let again: Opened<Entry> = reopen(ROOM, first, &frame.digest, &stored(&frame)).expect("verifies alone");
        assert_eq!(again, opened);
        read.extend(opened.entries);
        deliveries.extend(opened.deliveries);
    }
    assert_eq!(read, entries());
    assert_eq!(deliveries, ranges());
}

#[test]
fn r2_every_flipped_bit_of_a_stored_frame_is_detected() {
    let mut flips = 0;
    let mut tip = Tip::start(ROOM);
    for (first, frame) in packed() {
        for bit in 0..frame.bytes.len() * 8 {
            let mut bytes = frame.bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let flipped = StoredFrame { number: frame.number, bytes: bytes.into() };
            assert!(tip.clone().follow::<Entry>(&flipped).is_err(), "bit {bit} of frame {}", frame.number);
            assert!(reopen::<Entry>(ROOM, first, &frame.digest, &flipped).is_err(), "bit {bit}");
            flips += 1;
        }
        tip.follow::<Entry>(&stored(&frame)).expect("the frame itself verifies");
    }
    assert!(flips > 10_000, "{flips}");
}

/// As above, with a checksum that was made to agree, as by somebody who writes to the disk: what is left is the chain.
#[test]
fn r2_every_flipped_bit_is_detected_by_the_chain_alone() {
    let mut tip = Tip::start(ROOM);
    let mut without_effect = 0;
    for (_, frame) in packed() {
        let before = tip;
        let truth: Opened<Entry> = tip.follow(&stored(&frame)).expect("verifies");
        let body = frame.bytes.len() - 4;
        for bit in 0..body * 8 {
            let mut bytes = frame.bytes[..body].to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
            if let Ok(read) = before.clone().follow::<Entry>(&StoredFrame { number: frame.number, bytes: bytes.into() })
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
    let frames: Vec<Frame> = (0..3u8)
        .scan(Tip::start(ROOM), |tip, n| {
            let entry = Entry {
                seq: tip.next_entry(),
                recorded_at: Timestamp(i64::from(n)),
                author: None,
                request: None,
                event: Event::RoomClosed,
            };
            tip.pack(&[entry], &[], || [1; 32]).pop().map(|(_, frame)| frame)
        })
        .collect();
    let mut tip = Tip::start(ROOM);
    assert!(tip.follow::<Entry>(&stored(&frames[1])).is_err(), "the first is lost");
    tip.follow::<Entry>(&stored(&frames[0])).expect("the first");
    let swapped = StoredFrame { number: 1, bytes: frames[2].bytes.clone() };
    assert!(tip.follow::<Entry>(&swapped).is_err(), "another frame in its place");
    let mut other = Tip::start(RoomId::from_bytes([4; 16]));
    assert!(other.follow::<Entry>(&stored(&frames[0])).is_err(), "moved to another room");
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
        };
        let event = Event::MessagePosted { organisation: organisation("a"), message: Arc::new(message) };
        Entry { seq: Seq(n), recorded_at: Timestamp(0), author: Some(actor("org/a/user/b")), request: None, event }
    };
    let small: Vec<Entry> = (0..9).map(|n| post(n, 1000)).collect();
    let frames = Tip::start(ROOM).pack(&small, &[], || [1; 32]);
    assert_eq!(frames.len(), 3, "three to a value");
    assert!(frames.iter().all(|(_, frame)| frame.bytes.len() <= limits::VALUE_BYTES_MAX));
    let frames = Tip::start(ROOM).pack(&[post(0, 10), post(1, limits::TEXT_BYTES_MAX), post(2, 10)], &[], || [1; 32]);
    assert_eq!(frames.iter().map(|(first, _)| first.0).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(frames.iter().all(|(_, frame)| frame.bytes.len() <= limits::FRAME_BYTES_MAX));
}

/// The layout has room for what later versions do to a payload: the chain still verifies, and nothing is shown of it.
#[test]
fn an_erased_and_an_encrypted_payload_leave_the_chain_whole() {
    let entries = entries();
    let at = entries.iter().position(|entry| matches!(entry.event, Event::MessagePosted { .. })).expect("a message");
    let replacements = [
        pb::stored_entry::Payload::Erased(pb::ErasedPayload {}),
        pb::stored_entry::Payload::Encrypted(pb::EncryptedPayload {
            key_id: Bytes::from_static(b"key"),
            info: Bytes::from_static(&[7; 32]),
            ciphertext: Bytes::from_static(b"ciphertext and tag"),
        }),
    ];
    for replacement in replacements {
        let mut tip = Tip::start(ROOM);
        let mut was_replaced = false;
        for (first, frame) in packed() {
            let mut inside = read(&frame.bytes).expect("its own bytes");
            let place = (at as u64).checked_sub(first.0).map(|place| place as usize);
            let hit = place.filter(|&place| place < inside.entries.len());
            if let Some(place) = hit {
                inside.entries[place].payload = Some(replacement.clone());
                was_replaced = true;
            }
            let mut bytes = inside.encode_to_vec();
            bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
            let changed = StoredFrame { number: frame.number, bytes: bytes.into() };
            assert_eq!(tip.clone().follow::<Entry>(&changed).is_err(), hit.is_some());
            verify_chain(&mut tip, &changed).expect("the chain does not depend on payloads");
        }
        assert!(was_replaced);
    }
}
