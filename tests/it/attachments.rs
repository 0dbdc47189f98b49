//! Attachments over the wire and through the real program: up, down, kept from whom consent does not name, and every way it goes wrong.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use prost::Message as _;
use samverkan::api as pb;
use samverkan::client::Contexts;
use samverkan::server::system_clock;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tonic::Status;

use crate::world::{Answers, Peer, World, appearing, id, logs, outcome, reason, sharing_logs};

const MIB: usize = 1024 * 1024;
const CHUNK: usize = 128 * 1024;

pub(crate) fn start(room: &str, upload: &str, bytes: &[u8]) -> pb::UploadStart {
    pb::UploadStart {
        room_id: room.into(),
        upload_id: upload.into(),
        size_bytes: bytes.len() as u64,
        sha256: Sha256::digest(bytes).to_vec().into(),
    }
}

pub(crate) fn of_start(start: pb::UploadStart) -> Bytes {
    let content = Some(pb::upload_attachment_request::Content::Start(start));
    pb::UploadAttachmentRequest { content }.encode_to_vec().into()
}

pub(crate) fn of_chunk(chunk: &[u8]) -> Bytes {
    let content = Some(pb::upload_attachment_request::Content::Chunk(Bytes::copy_from_slice(chunk)));
    pb::UploadAttachmentRequest { content }.encode_to_vec().into()
}

/// Sends these requests and hears what is answered until the end.
pub(crate) async fn uploading(peer: &Peer, requests: Vec<Bytes>) -> Result<Vec<pb::UploadAttachmentResponse>, Status> {
    let mut answers: Answers<pb::UploadAttachmentResponse> =
        peer.stream("AttachmentService/UploadAttachment", tokio_stream::iter(requests)).await?;
    let mut all = Vec::new();
    while let Some(answer) = answers.next().await? {
        all.push(answer);
    }
    Ok(all)
}

/// Uploads a file in one go; the upload's id.
pub(crate) async fn upload(peer: &Peer, room: &str, bytes: &[u8]) -> String {
    let upload = id();
    let start = of_start(start(room, &upload, bytes));
    let requests = [start].into_iter().chain(bytes.chunks(CHUNK).map(of_chunk)).collect();
    let answers = uploading(peer, requests).await.expect("uploaded");
    let last = answers.last().expect("answered");
    assert!(last.complete && last.durable_bytes == bytes.len() as u64, "{answers:?}");
    upload
}

pub(crate) fn attached(upload: &str, name: &str, material: pb::Material) -> pb::AttachmentDraft {
    let (upload_id, name) = (upload.to_owned(), name.to_owned());
    pb::AttachmentDraft { upload_id, name, media_type: "text/plain".into(), material: material.into() }
}

/// Posts a log with a file; the ids of the message and the attachment.
pub(crate) async fn post(peer: &Peer, room: &str, text: &str, bytes: &[u8]) -> (String, String) {
    let upload = upload(peer, room, bytes).await;
    let draft = pb::MessageDraft { attachments: vec![attached(&upload, "sshd.log", pb::Material::Logs)], ..logs(text) };
    let posted = peer.post(room, draft).await.expect("posted");
    let [attachment] = &posted.attachment_message_ids[..] else { panic!("{posted:?}") };
    (posted.message_id, attachment.clone())
}

async fn downloading(
    peer: &Peer,
    room: &str,
    message: &str,
    (offset_bytes, length_bytes): (u64, u64),
) -> Result<Answers<pb::DownloadAttachmentResponse>, Status> {
    let (room_id, message_id) = (room.to_owned(), message.to_owned());
    let request = pb::DownloadAttachmentRequest { room_id, message_id, offset_bytes, length_bytes };
    let request = tokio_stream::once(Bytes::from(request.encode_to_vec()));
    peer.stream("AttachmentService/DownloadAttachment", request).await
}

/// All of a range.
pub(crate) async fn download(peer: &Peer, room: &str, message: &str, range: (u64, u64)) -> Result<Vec<u8>, Status> {
    let mut answers = downloading(peer, room, message, range).await?;
    let mut bytes = Vec::new();
    while let Some(answer) = answers.next().await? {
        assert!((1..=CHUNK).contains(&answer.chunk.len()));
        bytes.extend_from_slice(&answer.chunk);
    }
    Ok(bytes)
}

async fn refused(peer: &Peer, room: &str, message: &str) -> (String, Option<String>) {
    reason(&download(peer, room, message, (0, 0)).await.expect_err("refused"))
}

/// The attachments in somebody's mailbox: which message carries it, its own id, what it is.
pub(crate) async fn shown(peer: &Peer, room: &str) -> Vec<(String, pb::Attachment)> {
    let page = peer.list(room, 0).await.expect("a page");
    let of = |delivery: pb::Delivery| match delivery.content {
        Some(pb::delivery::Content::Message(message)) => message.attachment.map(|it| (message.message_id, it)),
        _ => None,
    };
    page.deliveries.into_iter().filter_map(of).collect()
}

async fn receipts(peer: &Peer, room: &str, message: &str) -> pb::GetReceiptsResponse {
    let (room_id, message_id) = (room.to_owned(), message.to_owned());
    let request = pb::GetReceiptsRequest { room_id, message_id, page_size: 0, page_token: String::new() };
    peer.call("MessageService/GetReceipts", &request).await.expect("receipts")
}

async fn withdraw(peer: &Peer, room: &str, material: pb::Material) {
    let request = pb::WithdrawConsentRequest {
        request_id: id(),
        room_id: room.into(),
        scope: Some(pb::withdraw_consent_request::Scope::Material(material.into())),
        ..Default::default()
    };
    peer.call::<pb::WithdrawConsentResponse>("ConsentService/WithdrawConsent", &request).await.expect("withdrawn");
}

/// Everything that lies where attachments are kept.
fn stored(world: &World) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in fs::read_dir(world.store().join("attachments")).expect("a folder") {
        let folder = folder.expect("an entry").path();
        found.extend(fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()));
    }
    found.sort();
    found
}

/// A room of three affected organisations. The first two share logs with the others; the third shares nothing.
pub(crate) async fn incident(world: &World) -> (Peer, [Peer; 3], String) {
    let (coordinator, [a, b, c]) = world.peers(["region-a", "region-b", "region-c"]).await;
    let room = coordinator.open().await;
    coordinator.bring(&room, &a, sharing_logs(pb::Attribution::Named)).await;
    coordinator.bring(&room, &b, sharing_logs(pb::Attribution::Named)).await;
    coordinator.bring(&room, &c, appearing(pb::Attribution::Named)).await;
    (coordinator, [a, b, c], room)
}

pub(crate) fn log(bytes: usize) -> Vec<u8> {
    let lines =
        (0..).map(|n: u32| format!("Dec 10 06:55:46 LabSZ sshd[{n}]: Failed password for root from 192.0.2.7\n"));
    lines.flat_map(String::into_bytes).take(bytes).collect()
}

#[tokio::test]
async fn a_log_goes_to_whom_consent_names_and_to_nobody_else_and_is_gone_when_it_is_withdrawn() {
    let mut world = World::start().await;
    let (coordinator, [a, b, c], room) = incident(&world).await;
    let bytes = log(2 * MIB + 12_345);
    let upload = upload(&a, &room, &bytes).await;
    // For region-b and the coordinator, of those that consent allows.
    let draft = pb::MessageDraft {
        attachments: vec![attached(&upload, "sshd.log", pb::Material::Logs)],
        recipients: vec!["region-b".into()],
        ..logs("the log of the night")
    };
    let posted = a.post(&room, draft).await.expect("posted");
    let attachment = posted.attachment_message_ids[0].clone();

    // Nobody is given what it has not been shown; whoever is shown it learns what it is called and holds.
    assert_eq!(refused(&b, &room, &attachment).await.0, "MESSAGE_NOT_VISIBLE");
    let [(shown_id, what)] = &shown(&b, &room).await[..] else { panic!("one attachment") };
    assert_eq!((shown_id, &what.carrier_message_id), (&attachment, &posted.message_id));
    assert_eq!((&what.name[..], &what.media_type[..], what.size_bytes), ("sshd.log", "text/plain", bytes.len() as u64));
    assert_eq!(what.sha256, Sha256::digest(&bytes).to_vec());
    assert!(receipts(&a, &room, &attachment).await.receipts.iter().all(|receipt| receipt.fetched_time.is_none()));
    assert!(download(&b, &room, &attachment, (0, 0)).await.expect("given") == bytes);
    for (offset, length) in [(0, 1), (MIB, 1), (MIB - 1, 2), (2 * MIB + 12_344, 0), (5, 3 * MIB), (bytes.len(), 0)] {
        let given = download(&b, &room, &attachment, (offset as u64, length as u64)).await.expect("given");
        let end = if length == 0 { bytes.len() } else { bytes.len().min(offset + length) };
        assert!(given == bytes[offset..end], "{offset} {length}");
    }
    let past = downloading(&b, &room, &attachment, (bytes.len() as u64 + 1, 0)).await.err().expect("refused");
    assert_eq!(reason(&past), ("FIELD_INVALID".into(), Some("offset_bytes".into())));
    // It is on record who has it; the source sees that, as with any message.
    let fetched = |receipts: &pb::GetReceiptsResponse, who: &str| {
        let of = |receipt: &&pb::Receipt| receipt.participant.as_ref().is_some_and(|it| it.organisation_id == who);
        receipts.receipts.iter().find(of).is_some_and(|receipt| receipt.fetched_time.is_some())
    };
    let has = receipts(&a, &room, &attachment).await;
    assert!(fetched(&has, "region-b") && !fetched(&has, "region-c") && !fetched(&has, "cert-se"));

    // For who may not see it, it does not exist: one refusal, whatever is asked for.
    assert!(shown(&c, &room).await.is_empty());
    let never = [refused(&c, &room, &attachment).await, refused(&c, &room, &id()).await];
    assert_eq!(never[0], never[1]);
    assert_eq!(refused(&c, &room, &posted.message_id).await, never[0]);
    assert_eq!(refused(&b, &room, &posted.message_id).await, never[0], "a message that is no attachment");

    // The coordinator sees what is posted, and it is on record that it looked.
    assert_eq!(shown(&coordinator, &room).await.len(), 1);
    assert!(download(&coordinator, &room, &attachment, (0, 0)).await.expect("given") == bytes);
    let has = receipts(&a, &room, &attachment).await;
    let [fetch] = &has.coordinator_fetches[..] else { panic!("{has:?}") };
    assert_eq!(fetch.actor, "org/cert-se/user/duty");

    withdraw(&a, &room, pb::Material::Logs).await;
    assert_eq!(refused(&b, &room, &attachment).await, never[0]);
    assert!(shown(&b, &room).await.is_empty(), "its index answers withdrawn");
    world.restart(1).await;
    let [a, b] = [world.peer("region-a").await, world.peer("region-b").await];
    assert_eq!(refused(&b, &room, &attachment).await, never[0], "after a restart, too");
    assert!(download(&a, &room, &attachment, (0, 0)).await.is_err(), "it was not shown to this person");
    assert_eq!(shown(&a, &room).await.len(), 1);
    assert!(download(&a, &room, &attachment, (0, 0)).await.expect("its own") == bytes);
    assert!(fetched(&receipts(&a, &room, &attachment).await, "region-b"), "that it had it stays on record");
}

#[tokio::test]
async fn r6_a_withdrawal_ends_a_download_in_its_middle() {
    let world = World::start().await;
    let (_, [a, b, _], room) = incident(&world).await;
    let bytes = log(16 * MIB);
    let (_, attachment) = post(&a, &room, "the log", &bytes).await;
    shown(&b, &room).await;
    let mut answers = downloading(&b, &room, &attachment, (0, 0)).await.expect("begun");
    let mut given = answers.next().await.expect("bytes").expect("bytes").chunk.len();
    withdraw(&a, &room, pb::Material::Logs).await;
    // What HTTP/2 has taken by then counts as given: some windows, and nothing that is made afterwards.
    let ended = loop {
        match answers.next().await {
            Ok(Some(answer)) => given += answer.chunk.len(),
            Ok(None) => panic!("all of it was given"),
            Err(status) => break status,
        }
    };
    assert_eq!(reason(&ended).0, "MESSAGE_WITHDRAWN");
    assert!(given <= 4 * MIB, "{given}");
}

#[tokio::test]
async fn r1_an_upload_that_was_cut_goes_on_after_a_restart_and_no_message_is_without_its_file() {
    let mut world = World::start().await;
    let (_, [a, b, _], room) = incident(&world).await;
    let (bytes, upload) = (log(3 * MIB + 99), id());
    let first: Vec<Bytes> = [of_start(start(&room, &upload, &bytes))]
        .into_iter()
        .chain(bytes[..2 * MIB + CHUNK].chunks(CHUNK).map(of_chunk))
        .collect();
    // The stream is cut: its requests never end.
    let cut = tokio_stream::StreamExt::chain(tokio_stream::iter(first), tokio_stream::pending());
    let mut answers: Answers<pb::UploadAttachmentResponse> =
        a.stream("AttachmentService/UploadAttachment", cut).await.expect("begun");
    let mut durable = 0;
    while durable < MIB as u64 {
        durable = answers.next().await.expect("an answer").expect("an answer").durable_bytes;
    }
    drop(answers);
    let draft = pb::MessageDraft { attachments: vec![attached(&upload, "a.log", pb::Material::Logs)], ..logs("half") };
    let early = a.post(&room, draft.clone()).await.expect_err("half of it is nothing to post");
    assert_eq!(reason(&early).0, "UPLOAD_NOT_FOUND");
    assert_eq!(outcome(&early).as_deref(), Some("nothing_written"));
    world.restart(1).await;
    let (a, b) = (world.peer("region-a").await, {
        drop(b);
        world.peer("region-b").await
    });

    let mut requests = vec![of_start(start(&room, &upload, &bytes))];
    let (sender, receiver) = tokio::sync::mpsc::channel(64);
    sender.send(requests.remove(0)).await.expect("sent");
    let mut answers: Answers<pb::UploadAttachmentResponse> = a
        .stream("AttachmentService/UploadAttachment", tokio_stream::wrappers::ReceiverStream::new(receiver))
        .await
        .expect("begun");
    let resumed = answers.next().await.expect("an answer").expect("an answer").durable_bytes as usize;
    assert!(
        (MIB..=2 * MIB).contains(&resumed) && resumed.is_multiple_of(MIB),
        "what was told is still there: {resumed}"
    );
    for chunk in bytes[resumed..].chunks(CHUNK) {
        sender.send(of_chunk(chunk)).await.expect("sent");
    }
    let mut last = pb::UploadAttachmentResponse::default();
    while let Some(answer) = answers.next().await.expect("an answer") {
        last = answer;
    }
    assert!(last.complete);
    // The same request has one effect, and its answer is the same after the upload is used up.
    let request = pb::PostMessageRequest { request_id: id(), room_id: room.clone(), draft: Some(draft.clone()) };
    let posted: pb::PostMessageResponse = a.call("MessageService/PostMessage", &request).await.expect("posted");
    let again: pb::PostMessageResponse = a.call("MessageService/PostMessage", &request).await.expect("posted");
    assert_eq!(posted, again);
    let twice = a.post(&room, draft).await.expect_err("an upload is posted once");
    assert_eq!(reason(&twice).0, "UPLOAD_NOT_FOUND");
    world.restart(1).await;
    let b = {
        drop(b);
        world.peer("region-b").await
    };
    assert_eq!(shown(&b, &room).await.len(), 1);
    let given = download(&b, &room, &posted.attachment_message_ids[0], (0, 0)).await.expect("given");
    assert!(given == bytes);
}

#[tokio::test]
async fn r7_anothers_upload_is_another_under_the_same_id() {
    let world = World::start().await;
    let (_, [a, b, _], room) = incident(&world).await;
    let bytes = log(2 * MIB);
    let upload = upload(&a, &room, &bytes).await;
    let requests = vec![of_start(start(&room, &upload, &bytes)), of_chunk(&bytes[..CHUNK])];
    let cut = tokio_stream::StreamExt::chain(tokio_stream::iter(requests), tokio_stream::pending());
    let mut answers: Answers<pb::UploadAttachmentResponse> =
        b.stream("AttachmentService/UploadAttachment", cut).await.expect("begun");
    let first = answers.next().await.expect("an answer").expect("an answer");
    assert_eq!((first.durable_bytes, first.complete), (0, false), "it begins at its own beginning");
    let draft = pb::MessageDraft { attachments: vec![attached(&upload, "a.log", pb::Material::Logs)], ..logs("mine?") };
    assert_eq!(reason(&b.post(&room, draft.clone()).await.expect_err("not its own")).0, "UPLOAD_NOT_FOUND");
    let colleague = world.peer("region-a/user/colleague").await;
    assert_eq!(reason(&colleague.post(&room, draft.clone()).await.expect_err("not its own")).0, "UPLOAD_NOT_FOUND");
    a.post(&room, draft).await.expect("its own");
}

#[tokio::test]
async fn what_is_wrong_with_an_upload_is_told_and_nothing_of_it_is_left() {
    let world = World::start().await;
    let (coordinator, [a, _, _], room) = incident(&world).await;
    let bytes = log(MIB + 1000);
    let good = || start(&room, &id(), &bytes);
    let with = |start: pb::UploadStart, rest: &[&[u8]]| {
        [of_start(start)].into_iter().chain(rest.iter().map(|chunk| of_chunk(chunk))).collect::<Vec<_>>()
    };
    let all: Vec<&[u8]> = bytes.chunks(CHUNK).collect();
    let changed: Vec<Vec<u8>> = all.iter().map(|chunk| chunk.iter().map(|byte| byte ^ 1).collect()).collect();
    let changed: Vec<&[u8]> = changed.iter().map(Vec::as_slice).collect();
    let huge = vec![0; CHUNK + 1];
    let cases: Vec<(&str, Vec<Bytes>, &str)> = vec![
        ("no start", vec![of_chunk(b"x")], "start"),
        ("nothing at all", vec![], "start"),
        ("an empty request", vec![Bytes::new()], "content"),
        ("two starts", vec![of_start(good()), of_start(good())], "start"),
        ("an empty file", with(pb::UploadStart { size_bytes: 0, ..good() }, &[]), "start.size_bytes"),
        ("too large", with(pb::UploadStart { size_bytes: (4 << 30) + 1, ..good() }, &[]), "start.size_bytes"),
        ("no digest", with(pb::UploadStart { sha256: Bytes::new(), ..good() }, &[]), "start.sha256"),
        (
            "a short digest",
            with(pb::UploadStart { sha256: Bytes::from_static(&[0; 31]), ..good() }, &[]),
            "start.sha256",
        ),
        ("no upload id", with(pb::UploadStart { upload_id: String::new(), ..good() }, &[]), "start.upload_id"),
        ("no room", with(pb::UploadStart { room_id: "room".into(), ..good() }, &[]), "start.room_id"),
        ("an empty chunk", with(good(), &[b""]), "chunk"),
        ("a chunk that is too long", with(good(), &[&huge]), "chunk"),
        ("another digest", with(good(), &changed), "start.sha256"),
        ("longer", with(pb::UploadStart { size_bytes: bytes.len() as u64 - 1, ..good() }, &all), "chunk"),
        ("a byte more than a part", with(pb::UploadStart { size_bytes: MIB as u64, ..good() }, &all), "start.sha256"),
        ("shorter", with(good(), &all[..all.len() - 1]), "chunk"),
    ];
    for (what, requests, field) in cases {
        let status = uploading(&a, requests).await.expect_err(what);
        assert_eq!(reason(&status), ("FIELD_INVALID".into(), Some(field.into())), "{what}: {status:?}");
        assert_eq!(stored(&world), Vec::<PathBuf>::new(), "{what}");
    }
    let elsewhere = with(pb::UploadStart { room_id: id(), ..good() }, &all);
    assert_eq!(reason(&uploading(&a, elsewhere).await.expect_err("no such room")).0, "ROOM_NOT_FOUND");
    let stranger = world.peers(["region-d"]).await.1;
    let stranger = uploading(&stranger[0], with(good(), &all)).await.expect_err("not in it");
    assert_eq!(reason(&stranger).0, "ROOM_NOT_FOUND");
    let close = pb::CloseRoomRequest { request_id: id(), room_id: room.clone() };
    coordinator.call::<pb::CloseRoomResponse>("RoomService/CloseRoom", &close).await.expect("closed");
    assert_eq!(reason(&uploading(&a, with(good(), &all)).await.expect_err("closed")).0, "ROOM_CLOSED");
    assert_eq!(stored(&world), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_is_wrong_with_an_attachment_of_a_draft_is_told_with_its_field() {
    let world = World::start().await;
    let (_, [a, _, _], room) = incident(&world).await;
    let upload = upload(&a, &room, b"bytes").await;
    let good = attached(&upload, "a.log", pb::Material::Logs);
    let named = |name: &str| vec![pb::AttachmentDraft { name: name.into(), ..good.clone() }];
    let typed = |media_type: &str| vec![pb::AttachmentDraft { media_type: media_type.into(), ..good.clone() }];
    let long = "x".repeat(256);
    for (attachments, field) in [
        (named(""), "draft.attachments"),
        (named("a/b"), "draft.attachments"),
        (named("..\\b"), "draft.attachments"),
        (named(".."), "draft.attachments"),
        (named("a\u{0}b"), "draft.attachments"),
        (named("invoice\u{202e}fdp.exe"), "draft.attachments"),
        (named("con.txt"), "draft.attachments"),
        (named("a "), "draft.attachments"),
        (named(&long), "draft.attachments"),
        (typed("text"), "draft.attachments"),
        (typed("text/plain; charset=utf-8"), "draft.attachments"),
        (typed(&format!("text/{long}")), "draft.attachments"),
        (vec![pb::AttachmentDraft { upload_id: "upload".into(), ..good.clone() }], "draft.attachments"),
        (vec![pb::AttachmentDraft { material: 0, ..good.clone() }], "draft.attachments"),
        (vec![good.clone(), good.clone()], "draft.attachments"),
        (vec![good.clone(); 17], "draft.attachments"),
    ] {
        let status = a.post(&room, pb::MessageDraft { attachments, ..logs("text") }).await.expect_err("refused");
        assert_eq!(reason(&status), ("FIELD_INVALID".into(), Some(field.into())), "{status:?}");
    }
    let request = pb::PostMessagesRequest {
        request_id: id(),
        room_id: room.clone(),
        draft: Some(pb::MessageDraft { attachments: vec![good.clone()], ..logs("text") }),
    };
    let request = tokio_stream::once(Bytes::from(request.encode_to_vec()));
    let mut answers: Answers<pb::PostMessagesResponse> =
        a.stream("MessageService/PostMessages", request).await.expect("begun");
    let outcomes = answers.next().await.expect("an answer").expect("an answer").outcomes;
    let Some(pb::outcome::Answer::Problem(problem)) = &outcomes[0].answer else { panic!("{outcomes:?}") };
    assert_eq!(problem.violations[0].field, "draft.attachments");
    a.post(&room, pb::MessageDraft { attachments: vec![good], ..logs("text") }).await.expect("it is good");
}

#[tokio::test]
async fn who_was_given_a_file_passes_it_on_only_to_whom_its_source_would_show_it() {
    let world = World::start().await;
    let (_, [a, b, c], room) = incident(&world).await;
    let bytes = log(1000);
    // region-a shows it to region-b alone, as amber+strict.
    let first = upload(&a, &room, &bytes).await;
    let draft = pb::MessageDraft {
        attachments: vec![attached(&first, "secret.log", pb::Material::Logs)],
        recipients: vec!["region-b".into()],
        tlp: pb::Tlp::AmberStrict.into(),
        ..logs("for region-b")
    };
    let original = a.post(&room, draft).await.expect("posted");
    // Who has the same bytes from elsewhere, and was shown nothing, notices nothing: it posts them on its own terms.
    let (_, own) = post(&c, &room, "we have this", &bytes).await;
    assert!(!shown(&c, &room).await.iter().any(|(_, file)| file.on_terms_of_others));
    assert_eq!(refused(&b, &room, &own).await.0, "MESSAGE_NOT_VISIBLE", "region-c shares nothing");

    assert_eq!(shown(&b, &room).await.len(), 1);
    let (_, passed_on) = post(&b, &room, "look at this", &bytes).await;
    let list = peer_message(&b, &room, &passed_on).await;
    assert_eq!(list.tlp(), pb::Tlp::AmberStrict, "the strictest label");
    assert!(list.attachment.expect("a file").on_terms_of_others);
    assert_eq!(shown(&c, &room).await.len(), 1, "its own and no other");
    assert!(shown(&a, &room).await.iter().any(|(id, _)| *id == passed_on), "who it came from is shown it");
    let why = pb::ExplainAudienceRequest {
        room_id: room.clone(),
        message_id: passed_on.clone(),
        participant: "region-c".into(),
    };
    let why: pb::ExplainAudienceResponse = b.call("MessageService/ExplainAudience", &why).await.expect("told");
    assert_eq!((why.sees, why.reason()), (false, pb::AudienceReason::SameFileNarrower));
    // When its source takes it back, what was passed on goes, too.
    let retract = pb::RetractMessageRequest {
        request_id: id(),
        room_id: room.clone(),
        message_id: original.message_id,
        reason: "wrong file".into(),
    };
    a.call::<pb::RetractMessageResponse>("MessageService/RetractMessage", &retract).await.expect("retracted");
    assert!(!shown(&b, &room).await.iter().any(|(id, _)| *id == original.attachment_message_ids[0]));
    let why = pb::ExplainAudienceRequest { room_id: room, message_id: passed_on, participant: "region-a".into() };
    let why: pb::ExplainAudienceResponse = b.call("MessageService/ExplainAudience", &why).await.expect("told");
    assert!(why.sees, "it came from there");
}

async fn peer_message(peer: &Peer, room: &str, message: &str) -> pb::Message {
    let page = peer.list(room, 0).await.expect("a page");
    let of = |delivery: pb::Delivery| match delivery.content {
        Some(pb::delivery::Content::Message(found)) if found.message_id == message => Some(found),
        _ => None,
    };
    page.deliveries.into_iter().find_map(of).expect("shown")
}

#[tokio::test]
async fn what_tlp_red_gave_nobody_passes_on() {
    let world = World::start().await;
    let (_, [a, b, _], room) = incident(&world).await;
    let bytes = log(500);
    let red = upload(&a, &room, &bytes).await;
    let draft = pb::MessageDraft {
        attachments: vec![attached(&red, "red.log", pb::Material::Logs)],
        tlp: pb::Tlp::Red.into(),
        red_actors: vec!["org/region-b/user/duty".into()],
        ..logs("for your eyes")
    };
    let posted = a.post(&room, draft).await.expect("posted");
    assert_eq!(shown(&b, &room).await.len(), 1);
    assert!(download(&b, &room, &posted.attachment_message_ids[0], (0, 0)).await.expect("named") == bytes);
    let again = upload(&b, &room, &bytes).await;
    let draft = pb::MessageDraft { attachments: vec![attached(&again, "a.log", pb::Material::Logs)], ..logs("see") };
    let status = b.post(&room, draft.clone()).await.expect_err("it is TLP:RED");
    assert_eq!(reason(&status), ("FIELD_INVALID".into(), Some("draft.attachments".into())));
    // For a colleague it does not exist.
    let colleague = world.peer("region-b/user/colleague").await;
    assert!(shown(&colleague, &room).await.is_empty());
    assert_eq!(refused(&colleague, &room, &posted.attachment_message_ids[0]).await.0, "MESSAGE_NOT_VISIBLE");
    let (_, own) = post(&colleague, &room, "ours", &bytes).await;
    assert!(!peer_message(&colleague, &room, &own).await.attachment.expect("a file").on_terms_of_others);
}

#[tokio::test]
async fn a_damaged_or_missing_part_is_noticed_before_a_byte_of_it_is_served() {
    let mut world = World::start().await;
    let (_, [a, b, _], room) = incident(&world).await;
    let bytes = log(3 * MIB);
    let (_, attachment) = post(&a, &room, "the log", &bytes).await;
    shown(&b, &room).await;
    let part = stored(&world).into_iter().find(|path| path.ends_with("00000001")).expect("the second part");
    let whole = fs::read(&part).expect("read");
    let mut flipped = whole.clone();
    flipped[MIB / 2] ^= 4;
    let other = stored(&world).into_iter().find(|path| path.ends_with("00000002")).expect("the third part");
    for damaged in [Some(flipped), Some(whole[..1000].to_vec()), Some(fs::read(other).expect("read")), None] {
        match &damaged {
            Some(damaged) => fs::write(&part, damaged).expect("written"),
            None => fs::remove_file(&part).expect("removed"),
        }
        let mut answers = downloading(&b, &room, &attachment, (0, 0)).await.expect("begun");
        let mut given = 0;
        let ended = loop {
            match answers.next().await {
                Ok(Some(answer)) => given += answer.chunk.len(),
                Ok(None) => panic!("all of it was given"),
                Err(status) => break status,
            }
        };
        assert_eq!(given, MIB, "what is whole");
        assert_eq!(reason(&ended).0, "ATTACHMENT_DAMAGED");
        let before = download(&b, &room, &attachment, (0, MIB as u64)).await.expect("the first part is whole");
        assert!(before == bytes[..MIB]);
        let at_once = download(&b, &room, &attachment, (MIB as u64 + 5, 1)).await.expect_err("not a byte of it");
        assert_eq!(reason(&at_once).0, "ATTACHMENT_DAMAGED");
    }
    fs::write(&part, whole).expect("put back");
    assert!(download(&b, &room, &attachment, (0, 0)).await.expect("given") == bytes);
    world.stop().await;
}

#[tokio::test]
async fn a_full_disk_is_told_gives_its_space_back_and_the_server_goes_on() {
    let mut world = World::start().await;
    let (_, [a, _, _], room) = incident(&world).await;
    let bytes = log(2 * MIB);
    drop(a);
    world.restart(1 << 40).await;
    let a = world.peer("region-a").await;
    let requests: Vec<_> =
        [of_start(start(&room, &id(), &bytes))].into_iter().chain(bytes.chunks(CHUNK).map(of_chunk)).collect();
    let status = uploading(&a, requests).await.expect_err("full");
    assert_eq!(reason(&status).0, "STORE_FULL");
    assert_eq!(stored(&world), Vec::<PathBuf>::new());
    drop(a);
    world.restart(1).await;
    let a = world.peer("region-a").await;
    post(&a, &room, "there is space again", &bytes).await;
}

#[tokio::test]
async fn nothing_of_an_attachment_can_be_read_on_the_disk() {
    for encrypts in [true, false] {
        let mut world = if encrypts { World::start().await } else { World::start_unencrypted().await };
        let (_, [a, _, _], room) = incident(&world).await;
        let (bytes, name) = (b"CANARY-OF-THE-CONTENT".repeat(5000), "CANARY-OF-THE-NAME.log");
        let upload = upload(&a, &room, &bytes).await;
        let draft = pb::MessageDraft { attachments: vec![attached(&upload, name, pb::Material::Logs)], ..logs("text") };
        a.post(&room, draft).await.expect("posted");
        world.stop().await;
        let mut found = [0, 0];
        let mut folders = vec![world.store()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let bytes = fs::read(&path).expect("read");
                for (canary, found) in ["CANARY-OF-THE-CONTENT", "CANARY-OF-THE-NAME"].iter().zip(&mut found) {
                    *found += usize::from(bytes.windows(canary.len()).any(|part| part == canary.as_bytes()));
                }
            }
        }
        assert_eq!(found == [0, 0], encrypts, "{found:?}");
        assert_eq!(found.contains(&0), encrypts, "in a plain store both are found: {found:?}");
    }
}

#[tokio::test]
async fn through_the_program_a_file_goes_from_folder_to_folder_and_is_what_it_was() {
    let world = World::start().await;
    let (_, _peers, _room) = incident(&world).await;
    let ground = tempfile::tempdir().expect("a folder");
    let contexts = Contexts::at(ground.path().join("contexts"));
    for organisation in ["region-a", "region-b", "region-c"] {
        let context = world.context(organisation, &ground.path().join(organisation), system_clock());
        context.write(&contexts.path(organisation).expect("a path")).expect("written");
    }
    let run = |who: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_samverkan"));
        command.args(arguments).args(["--output", "json", "--context", who]);
        command.current_dir(ground.path()).env("SAMVERKAN_CONTEXTS", ground.path().join("contexts"));
        tokio::task::spawn_blocking(move || command.output().expect("the program starts"))
    };
    let bytes = log(2 * MIB + 7);
    fs::write(ground.path().join("sshd.log"), &bytes).expect("written");
    let post = ["post", "the log of the night", "--material", "logs", "--attach", "sshd.log"];
    let posted = run("region-a", &post).await.expect("it ends");
    assert!(posted.status.success(), "{}", String::from_utf8_lossy(&posted.stderr));
    let posted: Value = serde_json::from_slice(&posted.stdout).expect("JSON");
    assert_eq!(posted["attachments"][0]["bytes"], bytes.len());
    let attachment = posted["attachments"][0]["message_id"].as_str().expect("an id").to_owned();

    let listed = run("region-b", &["attachment", "list"]).await.expect("it ends");
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("one line of JSON");
    assert_eq!(listed["attachment"]["name"], "sshd.log", "{listed}");
    // A fetch that was cut has left the beginning.
    fs::create_dir(ground.path().join("fetched")).expect("made");
    let part = ground.path().join("fetched").join(format!(".{attachment}-sshd.log"));
    fs::write(&part, &bytes[..MIB + 3]).expect("written");
    let get = ["attachment", "get", &attachment, "--directory", "fetched"];
    let fetched = run("region-b", &get).await.expect("it ends");
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    assert!(fs::read(ground.path().join("fetched/sshd.log")).expect("there") == bytes);
    assert!(!part.exists());
    let again = run("region-b", &get).await.expect("it ends");
    assert_eq!(again.status.code(), Some(74), "what is there is not overwritten");
    // What the earlier fetch left is of something else: noticed, and removed.
    let part = ground.path().join(format!(".{attachment}-other.log"));
    fs::write(&part, log(10)[..3].repeat(5)).expect("written");
    let wrong = run("region-b", &["attachment", "get", &attachment, "--to", "other.log"]).await.expect("it ends");
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("is not what was posted"));
    assert!(!part.exists() && !ground.path().join("other.log").exists());

    // The same file once more is another attachment; an empty one and a folder are none.
    let twice = run("region-a", &post).await.expect("it ends");
    assert!(twice.status.success(), "{}", String::from_utf8_lossy(&twice.stderr));
    fs::write(ground.path().join("empty"), b"").expect("written");
    for wrong in ["empty", "contexts", "nothing"] {
        let refused = run("region-a", &["post", "text", "--attach", wrong]).await.expect("it ends");
        assert!(!refused.status.success(), "{wrong}");
    }
    let hidden = run("region-c", &["attachment", "list"]).await.expect("it ends");
    let names = String::from_utf8_lossy(&hidden.stdout).into_owned();
    assert!(names.contains("sshd.log"), "region-a shares logs with it, too: {names}");

    // An export has it, with its digest in the manifest; without one, there is no folder for any.
    let exported = run("region-b", &["room", "export", "--directory", "export"]).await.expect("it ends");
    let exported: Value = serde_json::from_slice(&exported.stdout).expect("JSON");
    let listed: Vec<&Value> = exported["files"].as_array().expect("a list").iter().collect();
    assert_eq!(listed.len(), 4, "{exported}");
    let file = listed[2];
    let name = file["name"].as_str().expect("a name");
    assert!(name.starts_with("attachments/") && name.ends_with("-sshd.log"), "{name}");
    assert!(fs::read(ground.path().join("export").join(name)).expect("there") == bytes);
    assert_eq!(file["sha256"], samverkan::identity::summary::hex(&Sha256::digest(&bytes)));
    let timeline = fs::read_to_string(ground.path().join("export/timeline.html")).expect("there");
    assert!(timeline.contains(name), "{timeline}");
}
