//! What is left of an entry whose key is destroyed, and what never lies where no key protects it.

use super::*;

/// Every kind of entry, once its key is destroyed: who, when and what kind are as they were, the words are not there, and the chain is
/// what it was.
#[test]
fn an_erased_entry_keeps_its_header_and_its_place_in_the_chain() {
    let vault = Vault::random();
    let frames = packed(&vault);
    let erasure = ErasureId::from_bytes([1; 16]);
    assert!(vault.erase(erasure, ROOM, &[("region-a".into(), 0..=1000)]).expect("kept in memory"));
    let (mut tip, mut chain) = (Tip::start(ROOM), Tip::start(ROOM));
    let mut read: Vec<Entry> = Vec::new();
    for (first, frame) in &frames {
        let opened: Opened<Entry> = tip.follow(&stored(frame), &vault).expect("verifies");
        reopen::<Entry>(ROOM, *first, &frame.digest, &stored(frame), &vault).expect("verifies alone");
        verify_chain(&mut chain, &stored(frame), &vault).expect("verifies");
        assert_eq!(tip, chain);
        read.extend(opened.entries);
    }
    let mut erased = 0;
    for (read, written) in read.iter().zip(entries()) {
        assert_eq!((read.seq, read.recorded_at, &read.author), (written.seq, written.recorded_at, &written.author));
        assert_eq!(std::mem::discriminant(&read.event), std::mem::discriminant(&written.event));
        assert_eq!(read.request.map(|request| request.id), written.request.map(|request| request.id));
        if !read.is_erased {
            assert_eq!(*read, written, "it has no payload, or is nobody's");
            continue;
        }
        erased += 1;
        assert!(read.request.is_none_or(|request| request.digest == [0; 32]), "that of no request");
        match (&read.event, &written.event) {
            (Event::MessagePosted { message, .. }, Event::MessagePosted { message: before, .. }) => {
                assert_eq!((&*message.text, message.id, message.tlp), ("", before.id, before.tlp));
            }
            (Event::ReportFiled { report, .. }, _) => assert_eq!(**report, IntakeReport::default()),
            (Event::ConsentAsked { reason, .. } | Event::ParticipantRemoved { reason, .. }, _) => {
                assert_eq!(&**reason, "")
            }
            (Event::IntroductionProposed { sides } | Event::Introduced { sides }, _) => {
                assert!(sides.iter().all(|side| side.words.is_empty()));
            }
            _ => {}
        }
    }
    assert!(erased > 20, "{erased}");
}

/// With the digest of a request, and in most cases with the request itself, a short text is guessed.
#[test]
fn the_digest_of_a_request_goes_with_the_words() {
    let words = ["påverkad server", "locked files", "why", "asked for", "one like you", "wrong file", "därför"];
    for entry in entries() {
        let Unsealed { header, payload: _ } = entry.to_stored();
        let header = header.encode_to_vec();
        let holds = |word: &[u8]| header.windows(word.len()).any(|window| window == word);
        assert!(!entry.request.is_some_and(|request| holds(&request.digest)), "{:?}", entry.event);
        assert!(words.iter().all(|word| !holds(word.as_bytes())), "{:?}", entry.event);
    }
}

#[test]
fn what_stood_in_headers_in_earlier_versions_is_read_from_there() {
    use pb::header::Event as Stored;
    let removed = pb::ParticipantRemoved { organisation: "region-a".into(), reason: "old".into() };
    let reason = |payload: Option<&[&str]>| match event_of(Stored::ParticipantRemoved(removed.clone()), payload) {
        Ok(Event::ParticipantRemoved { reason, .. }) => reason.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(None), "old");
    assert_eq!(reason(Some(&["new"])), "new");
    let side = |n| {
        let introduction = Bytes::from(vec![n; 16]);
        pb::IntroductionSide { introduction, organisation: "region-a".into(), words: format!("to {n}") }
    };
    let proposed = Stored::IntroductionProposed(pb::IntroductionProposed { sides: vec![side(1), side(2)] });
    let Ok(Event::IntroductionProposed { sides }) = event_of(proposed, None) else { panic!("reads") };
    assert_eq!(sides.map(|side| side.words.to_string()), ["to 1", "to 2"]);
    let header = pb::Header {
        author: "org/region-a/user/bo".into(),
        request_id: Bytes::from_static(&[4; 16]),
        request_digest: Bytes::from_static(&[5; 32]),
        event: Some(Stored::RoomClosed(pb::RoomClosed {})),
        ..pb::Header::default()
    };
    let entry = from_stored::entry(&header, &Payload::None).expect("reads");
    assert_eq!(entry.request, Some(Request { id: RequestId::from_bytes([4; 16]), digest: [5; 32] }));
    let header = pb::Header { request_digest: Bytes::new(), ..header };
    from_stored::entry(&header, &Payload::None).expect_err("a request without its digest");
}
