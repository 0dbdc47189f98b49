//! Attachments in storage that speaks S3. One question: does a caller notice where they are kept, when all is well and when it is not?

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use samverkan::api as pb;
use samverkan::client::{Context, Contexts};
use samverkan::contents::S3Environment;
use samverkan::limits::UPLOAD_KEPT;
use samverkan::server::{AttachmentSettings, AttachmentStorage, system_clock};
use serde_json::Value;
use tonic::Status;

use crate::attachments::{
    attached, download, incident, log, of_chunk, of_start, post, shown, start, upload, uploading,
};
use crate::backup::Ground;
use crate::erasure::erase;
use crate::world::{Peer, World, id, logs, outcome, reason, texts};
use fake::{BUCKET, Fake, PREFIX, SECRET, Trouble, contains, environment};

mod fake;

const MIB: usize = 1024 * 1024;
const CHUNK: usize = 128 * 1024;
/// Long enough for every attempt at a storage that refuses at once, and short for who waits.
const BOUND: Duration = Duration::from_secs(20);
/// A post that waited for the storage would take longer: that never answers.
const AT_ONCE: Duration = Duration::from_secs(5);

fn requests(room: &str, upload: &str, bytes: &[u8]) -> Vec<Bytes> {
    [of_start(start(room, upload, bytes))].into_iter().chain(bytes.chunks(CHUNK).map(of_chunk)).collect()
}

/// An upload that must fail, in bounded time.
async fn fails(peer: &Peer, room: &str, upload: &str, bytes: &[u8]) -> Status {
    let begun = Instant::now();
    let status = uploading(peer, requests(room, upload, bytes)).await.expect_err("refused");
    assert!(begun.elapsed() < BOUND, "{:?}: {status:?}", begun.elapsed());
    status
}

fn with(upload: &str, text: &str) -> pb::MessageDraft {
    pb::MessageDraft { attachments: vec![attached(upload, "sshd.log", pb::Material::Logs)], ..logs(text) }
}

async fn says_at_once(peer: &Peer, room: &str, text: &str) {
    tokio::time::timeout(AT_ONCE, peer.post(room, logs(text))).await.expect("at once").expect("posted");
}

#[tokio::test]
async fn a_file_goes_through_it_and_lies_there_encrypted_and_a_restarted_server_finds_it() {
    let storage = Fake::start().await;
    let mut world = World::start_keeping(storage.settings()).await;
    let (_, [a, b, _], room) = incident(&world).await;
    let bytes = b"CANARY-OF-THE-CONTENT\n".repeat(150_000);
    let (_, attachment) = post(&a, &room, "the log", &bytes).await;
    assert_eq!(shown(&b, &room).await.len(), 1);
    assert!(download(&b, &room, &attachment, (0, 0)).await.expect("given") == bytes);
    let middle = download(&b, &room, &attachment, (MIB as u64 - 1, 2)).await.expect("given");
    assert!(middle == bytes[MIB - 1..=MIB]);

    let names = storage.names();
    assert_eq!(names.len(), bytes.len().div_ceil(MIB) + 1, "its parts, and what says that they are all: {names:?}");
    for name in &names {
        assert!(name.starts_with(&format!("{PREFIX}/")), "{name}");
        assert!(!["region-a", "sshd.log", &room].iter().any(|told| name.contains(told)), "{name}");
        let stored = storage.bytes(name);
        assert!(!["CANARY", "region-a", "sshd.log"].iter().any(|told| contains(&stored, told.as_bytes())), "{name}");
    }
    let in_the_store = world.store().join("attachments");
    assert!(fs::read_dir(in_the_store).map_or(0, Iterator::count) == 0, "nothing of it lies in the store");

    drop((a, b));
    world.restart(1).await;
    let b = world.peer("region-b").await;
    assert!(download(&b, &room, &attachment, (0, 0)).await.expect("given") == bytes);
    world.stop().await;
    assert_eq!(storage.names(), names, "nothing that was posted is collected");
    storage.was_asked_rightly();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_there_is_in_a_backup_or_there_is_no_backup() {
    let storage = Fake::start().await;
    let mut world = World::start_keeping(storage.settings()).await;
    let ground = Ground::new(&world);
    let (_, [a, ..], room) = incident(&world).await;
    let bytes = log(MIB + 1);
    post(&a, &room, "the log", &bytes).await;
    storage.trouble(Trouble::Refuse(503, "SlowDown"), "GET", usize::MAX);
    ground.refused(&["backup", "--directory", "backups", "--context", "cert-se"], 4, &["does not answer"]).await;
    storage.no_trouble();
    let told = ground.back_up("backups").await;
    assert_eq!(told["after_commit"], 0, "of the one that failed nothing was kept");
    assert_eq!((&told["attachments"], &told["attachments_left_out"]), (&Value::from(1), &Value::from(0)));
    assert!(told["bytes"].as_u64().expect("a number") > bytes.len() as u64);
    world.stop().await;
}

#[tokio::test]
async fn a_lost_object_and_a_flipped_byte_are_told_as_in_a_folder_and_nothing_else_breaks() {
    let storage = Fake::start().await;
    let world = World::start_keeping(storage.settings()).await;
    let (_, [a, b, _], room) = incident(&world).await;
    let bytes = log(2 * MIB);
    let (_, attachment) = post(&a, &room, "the log", &bytes).await;
    let second = storage.names().into_iter().find(|name| name.ends_with("/00000001")).expect("the second part");
    let (_, other) = post(&a, &room, "another", b"another file").await;
    shown(&b, &room).await;
    let whole = storage.bytes(&second);
    let mut flipped = whole.clone();
    flipped[MIB / 2] ^= 4;
    let huge = vec![0; 4 * MIB];
    for damaged in [Some(flipped), Some(whole[..1000].to_vec()), Some(huge), None] {
        match damaged {
            Some(damaged) => storage.put(&second, damaged),
            None => storage.lose(&second),
        }
        let status = download(&b, &room, &attachment, (MIB as u64, 0)).await.expect_err("damaged");
        assert_eq!((status.code(), reason(&status).0.as_str()), (tonic::Code::DataLoss, "ATTACHMENT_DAMAGED"));
        let first = download(&b, &room, &attachment, (0, MIB as u64)).await.expect("the first part is whole");
        assert!(first == bytes[..MIB]);
        assert!(download(&b, &room, &other, (0, 0)).await.expect("given") == b"another file");
        says_at_once(&a, &room, "text").await;
    }
    storage.put(&second, whole);
    assert!(download(&b, &room, &attachment, (0, 0)).await.expect("given") == bytes);
    storage.was_asked_rightly();
}

#[tokio::test]
async fn what_it_refuses_is_refused_soon_and_nothing_of_it_can_be_posted_until_it_is_there() {
    let storage = Fake::start().await;
    let world = World::start_keeping(storage.settings()).await;
    let (_, [a, b, _], room) = incident(&world).await;
    let bytes = log(MIB + 7);
    let (_, before) = post(&a, &room, "before", &bytes).await;
    shown(&b, &room).await;
    let there = storage.names();
    for (trouble, method, told) in [
        (Trouble::Refuse(503, "SlowDown"), "", "does not answer"),
        (Trouble::Refuse(503, "SlowDown"), "PUT", "does not answer"),
        (Trouble::Refuse(403, "AccessDenied"), "", "refuses this server"),
        (Trouble::Refuse(403, "AccessDenied"), "PUT", "refuses this server"),
        (Trouble::Refuse(404, "NoSuchBucket"), "", "refuses this server"),
        (Trouble::Refuse(404, "NoSuchBucket"), "PUT", "refuses this server"),
        (Trouble::Refuse(400, "RequestTimeTooSkewed"), "PUT", "does not answer"),
        (Trouble::CutRequest, "PUT", "does not answer"),
    ] {
        storage.trouble(trouble.clone(), method, usize::MAX);
        let upload = id();
        let status = fails(&a, &room, &upload, &bytes).await;
        assert_eq!(reason(&status).0, "BUSY", "{trouble:?}: {status:?}");
        assert!(status.message().contains(told), "{trouble:?}: {status:?}");
        assert!(!status.message().contains(BUCKET) && !status.message().contains("127.0.0.1"), "{status:?}");
        assert_eq!(storage.names(), there, "{trouble:?}");
        says_at_once(&a, &room, "text goes on").await;
        let refused = a.post(&room, with(&upload, "never")).await.expect_err("it is not there");
        let expected = if method.is_empty() { "BUSY" } else { "UPLOAD_NOT_FOUND" };
        assert_eq!((reason(&refused).0.as_str(), outcome(&refused).as_deref()), (expected, Some("nothing_written")));
        if method.is_empty() {
            let status = download(&b, &room, &before, (0, 0)).await.expect_err("it is not given");
            assert_eq!(reason(&status).0, "BUSY", "{trouble:?}: not damaged: {status:?}");
        }
        // What was refused goes through as soon as the storage takes it, under the same id.
        storage.no_trouble();
        let answers = uploading(&a, requests(&room, &upload, &bytes)).await.expect("uploaded");
        assert!(answers.last().is_some_and(|last| last.complete));
        storage.names().iter().filter(|name| !there.contains(name)).for_each(|name| storage.lose(name));
    }
    let all = texts(&b.list(&room, 0).await.expect("a page").deliveries);
    assert!(all.iter().filter(|text| *text == "text goes on").count() == 8 && !all.contains(&"never".to_owned()));
    storage.was_asked_rightly();
}

#[tokio::test]
async fn a_short_refusal_and_a_connection_that_is_cut_are_noticed_by_nobody() {
    let storage = Fake::start().await;
    let world = World::start_keeping(storage.settings()).await;
    let (_, [a, b, _], room) = incident(&world).await;
    let bytes = log(2 * MIB + 7);
    for (trouble, method) in [(Trouble::Refuse(503, "SlowDown"), "PUT"), (Trouble::CutRequest, "PUT")] {
        storage.trouble(trouble, method, 2);
        let (_, attachment) = post(&a, &room, "the log", &bytes).await;
        shown(&b, &room).await;
        for (trouble, method) in [(Trouble::Refuse(500, "InternalError"), "GET"), (Trouble::CutAnswer, "GET")] {
            storage.trouble(trouble, method, 2);
            assert!(download(&b, &room, &attachment, (0, 0)).await.expect("given") == bytes);
        }
    }
    storage.was_asked_rightly();
}

#[tokio::test]
async fn text_does_not_wait_for_storage_that_does_not_answer() {
    let storage = Fake::start().await;
    let world = World::start_keeping(storage.settings()).await;
    let (_, [a, b, _], room) = incident(&world).await;
    let bytes = log(MIB);
    let (_, earlier) = post(&a, &room, "earlier", &bytes).await;
    shown(&b, &room).await;
    storage.forget_asked();
    storage.trouble(Trouble::Wait, "", usize::MAX);
    let upload = id();
    let (uploader, all) = (a.clone(), requests(&room, &upload, &bytes));
    let waiting = tokio::spawn(async move { uploading(&uploader, all).await });
    let (reader, its_room) = (b.clone(), room.clone());
    let reading = tokio::spawn(async move { download(&reader, &its_room, &earlier, (0, 0)).await });
    storage.asked_for(|asked| asked.ends_with("/4294967295?")).await;
    storage.asked_for(|asked| asked.ends_with("/00000000?")).await;
    for text in ["one", "two", "three"] {
        says_at_once(&a, &room, text).await;
    }
    let page = tokio::time::timeout(AT_ONCE, b.list(&room, 0)).await.expect("at once").expect("a page");
    assert!(texts(&page.deliveries).ends_with(&["one".into(), "two".into(), "three".into()]));
    assert!(!waiting.is_finished() && !reading.is_finished(), "nothing is told of what is not known");
    storage.no_trouble();
    assert!(reading.await.expect("it ends").expect("given") == bytes);
    assert!(waiting.await.expect("it ends").expect("uploaded").last().is_some_and(|last| last.complete));
    a.post(&room, with(&upload, "now")).await.expect("posted");
    storage.was_asked_rightly();
}

#[tokio::test]
async fn nothing_is_sent_where_it_redirects_to() {
    let (storage, other) = (Fake::start().await, Fake::start().await);
    let world = World::start_keeping(storage.settings()).await;
    let (_, [a, _, _], room) = incident(&world).await;
    storage.trouble(Trouble::Redirect(other.endpoint()), "", usize::MAX);
    let status = fails(&a, &room, &id(), &log(MIB)).await;
    assert_eq!(reason(&status).0, "BUSY");
    assert_eq!(other.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_erased_goes_from_it_and_the_room_does_not_wait_for_that() {
    let storage = Fake::start().await;
    let mut world = World::start_keeping(storage.settings()).await;
    let (_, [a, b, _], room) = incident(&world).await;
    let bytes = log(5 * MIB);
    let (first, _) = post(&a, &room, "first", &bytes).await;
    let there = storage.names();
    let (second, gone) = post(&a, &room, "second", &bytes[..MIB]).await;
    let before = storage.names();
    let (_, kept) = post(&b, &room, "kept", &bytes[..MIB + 1]).await;
    let of_kept: Vec<_> = storage.names().into_iter().filter(|name| !before.contains(name)).collect();
    shown(&a, &room).await;
    let message = pb::propose_erasure_request::Scope::MessageId;
    erase(&world, &room, message(first)).await;
    assert!(
        !storage.names().iter().any(|name| there.contains(name)),
        "gone when it is answered: {:?}",
        storage.names()
    );

    // The storage does not answer: who erases waits, the room does not.
    let there = storage.names();
    storage.forget_asked();
    storage.trouble(Trouble::Wait, "", usize::MAX);
    {
        let mut erasing = std::pin::pin!(erase(&world, &room, message(second)));
        tokio::select! {
            _ = &mut erasing => panic!("it is there still"),
            () = storage.asked_for(|asked| asked.contains("list-type=2")) => {}
        }
        says_at_once(&b, &room, "meanwhile").await;
        storage.trouble(Trouble::Refuse(503, "SlowDown"), "", usize::MAX);
        tokio::time::timeout(BOUND, erasing).await.expect("in bounded time");
    }
    assert_eq!(storage.names(), there);
    storage.no_trouble();
    let refused = download(&a, &room, &gone, (0, 0)).await.expect_err("its key is gone, whatever lies there");
    assert_eq!(reason(&refused).0, "MESSAGE_NOT_VISIBLE");
    // A later start finds what could not be removed.
    storage.age(UPLOAD_KEPT);
    drop((a, b));
    world.restart(1).await;
    storage.holds(&of_kept).await;
    let a = world.peer("region-a").await;
    assert!(download(&a, &room, &kept, (0, 0)).await.expect("given") == bytes[..MIB + 1]);
    storage.was_asked_rightly();
}

#[tokio::test]
async fn uploads_that_nobody_posts_go_from_it_and_posted_ones_stay() {
    let storage = Fake::start().await;
    let mut world = World::start_keeping(storage.settings()).await;
    let (_, [a, _, _], room) = incident(&world).await;
    // More objects than one page of a list holds, of both kinds.
    let bytes = log(4 * MIB);
    let (_, attachment) = post(&a, &room, "posted", &bytes).await;
    let posted = storage.names();
    for _ in 0..2 {
        upload(&a, &room, &bytes).await;
    }
    assert_eq!(storage.names().len(), 15);
    drop(a);
    world.stop().await;
    storage.age(UPLOAD_KEPT);
    world.restart(1).await;
    storage.holds(&posted).await;
    let a = world.peer("region-a").await;
    shown(&a, &room).await;
    assert!(download(&a, &room, &attachment, (0, 0)).await.expect("given") == bytes);
    storage.was_asked_rightly();
}

#[tokio::test]
async fn a_server_starts_without_its_storage_and_not_without_credentials() {
    let storage = Fake::start().await;
    let mut world = World::start().await;
    let (_, [a, _, _], room) = incident(&world).await;
    drop(a);
    // Nothing is kept anywhere yet: from now on it is elsewhere. That storage is away at the start.
    world.attachments = storage.settings();
    storage.trouble(Trouble::Refuse(503, "SlowDown"), "", usize::MAX);
    let begun = Instant::now();
    world.restart(1).await;
    assert!(begun.elapsed() < BOUND);
    let a = world.peer("region-a").await;
    says_at_once(&a, &room, "text").await;
    assert_eq!(reason(&fails(&a, &room, &id(), b"bytes").await).0, "BUSY");
    storage.no_trouble();
    post(&a, &room, "it is there again", b"bytes").await;
    drop(a);

    let kept = |url: &str, endpoint: String, environment| {
        let kept = Some(AttachmentStorage::S3 { url: url.into(), endpoint: Some(endpoint), environment });
        AttachmentSettings { kept, ..AttachmentSettings::default() }
    };
    let credentials = || S3Environment::new(environment(SECRET));
    for (attachments, told) in [
        (kept("s3://incidents", storage.endpoint(), S3Environment::default()), "AWS_SECRET_ACCESS_KEY"),
        (kept("s3://incidents", "http://192.0.2.1:9000".into(), credentials()), "http:// only for 127.0.0.1"),
        (kept("s3://in cidents", storage.endpoint(), credentials()), "no name of a bucket"),
    ] {
        world.attachments = attachments;
        let begun = Instant::now();
        let refused = world.tries_to_start().await.map(|_| ()).expect_err(told).to_string();
        assert!(refused.contains(told) && !refused.contains(SECRET), "{refused}");
        assert!(begun.elapsed() < AT_ONCE, "nobody was asked");
    }
    // The wrong secret, and a bucket that is not there: the server starts, and an upload is told.
    let wrong = S3Environment::new(environment("another secret"));
    for attachments in
        [kept("s3://incidents", storage.endpoint(), wrong), kept("s3://others", storage.endpoint(), credentials())]
    {
        world.attachments = attachments;
        world.restart(1).await;
        let a = world.peer("region-a").await;
        let status = fails(&a, &room, &id(), b"bytes").await;
        assert!(status.message().contains("refuses this server"), "{status:?}");
        drop(a);
    }
}

/// The real program, and what it says.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(configuration: &std::path::Path, variables: &[(&str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_samverkan"));
    command.args(["serve", "--config"]).arg(configuration).stderr(Stdio::piped()).env("NO_COLOR", "1");
    let aws = std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("AWS_"));
    aws.for_each(|name| _ = command.env_remove(name));
    // A proxy is not asked for what is on this machine.
    command.env_remove("RUST_LOG").env("HTTP_PROXY", "http://127.0.0.1:1").env_remove("NO_PROXY");
    command.envs(variables.iter().cloned());
    command
}

/// Starts it; with what it says up to a line with this in it.
fn started(mut command: Command, until: &str) -> (Program, String) {
    let mut program = Program(command.spawn().expect("the program starts"));
    let mut said = String::new();
    for line in BufReader::new(program.0.stderr.take().expect("piped")).lines() {
        said.push_str(&line.expect("text"));
        said.push('\n');
        if said.contains(until) && said.contains("serving") {
            return (program, said);
        }
    }
    panic!("it ended: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_program_takes_its_credentials_from_the_environment_and_a_file_goes_through() {
    let storage = Fake::start().await;
    let mut world = World::start().await;
    let (_, _peers, _room) = incident(&world).await;
    let ground = tempfile::tempdir().expect("a folder");
    let contexts: Vec<(&str, Context)> =
        ["region-a", "region-b"].map(|who| (who, world.context(who, &ground.path().join(who), system_clock()))).into();
    world.stop().await;
    let lines = |url: &str, endpoint: &str| format!("[attachments]\nstore = \"{url}\"\nendpoint = \"{endpoint}\"");
    let url = format!("s3://{BUCKET}/{PREFIX}");

    // Without credentials, or in clear text to another machine, it says what to do and ends.
    let configuration = world.configuration(&lines(&url, &storage.endpoint()));
    let begun = Instant::now();
    let refused = serve(&configuration, &[]).output().expect("it ends");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("AWS_ACCESS_KEY_ID") && said.contains("AWS_SECRET_ACCESS_KEY"), "{said}");
    assert!(!refused.status.success() && begun.elapsed() < BOUND);
    let other = lines(&url, "http://127.0.0.1:9000@s3.example");
    let refused = serve(&world.configuration(&other), &environment(SECRET)).output().expect("it ends");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("attachments.endpoint"), "{refused:?}");
    assert_eq!(storage.asked(), Vec::<String>::new());

    // The storage is not there when it starts: it says so, what to do, and serves.
    let configuration = world.configuration(&lines(&url, &storage.endpoint()));
    storage.trouble(Trouble::Refuse(403, "AccessDenied"), "", usize::MAX);
    let (program, said) =
        started(serve(&configuration, &environment(SECRET)), "the storage of attachments can't be used");
    assert!(said.contains("AccessDenied") && said.contains("[attachments]") && !said.contains(SECRET), "{said}");
    storage.no_trouble();
    let address = said.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("an address");
    let folder = Contexts::at(ground.path().join("contexts"));
    for (who, context) in contexts {
        let context = Context { address: address.to_owned(), ..context };
        context.write(&folder.path(who).expect("a path")).expect("written");
    }
    let run = |who: &str, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_samverkan"));
        command.args(arguments).args(["--output", "json", "--context", who]);
        command.current_dir(ground.path()).env("SAMVERKAN_CONTEXTS", ground.path().join("contexts"));
        tokio::task::spawn_blocking(move || command.output().expect("the program starts"))
    };
    let bytes = log(2 * MIB + 7);
    fs::write(ground.path().join("sshd.log"), &bytes).expect("written");
    let posted =
        run("region-a", &["post", "the log", "--material", "logs", "--attach", "sshd.log"]).await.expect("it ends");
    assert!(posted.status.success(), "{}", String::from_utf8_lossy(&posted.stderr));
    let posted: Value = serde_json::from_slice(&posted.stdout).expect("JSON");
    let attachment = posted["attachments"][0]["message_id"].as_str().expect("an id").to_owned();
    run("region-b", &["attachment", "list"]).await.expect("it ends");
    let fetched = run("region-b", &["attachment", "get", &attachment, "--to", "fetched.log"]).await.expect("it ends");
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    assert!(fs::read(ground.path().join("fetched.log")).expect("there") == bytes);
    assert_eq!(storage.names().len(), 4);
    storage.was_asked_rightly();
    drop(program);
}
