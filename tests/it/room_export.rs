//! `room export` through the real program, against a real server: what three who see different things find in their folders, what they
//! must not find in any byte, and that it is on record.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use samverkan::api as pb;
use samverkan::client::Contexts;
use samverkan::identity::summary::hex;
use samverkan::server::system_clock;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::world::{Peer, World, appearing, id, logs, sharing_logs};

const FILES: [&str; 3] = ["manifest.json", "messages.jsonl", "timeline.html"];

/// Contexts of several organisations, and folders to export to.
struct Ground {
    folder: TempDir,
}

impl Ground {
    fn new(world: &World, organisations: &[&str]) -> Self {
        let ground = Self { folder: tempfile::tempdir().expect("a folder") };
        let contexts = Contexts::at(ground.path("contexts"));
        for organisation in organisations {
            let context = world.context(organisation, &ground.path(organisation), system_clock());
            context.write(&contexts.path(organisation).expect("a path")).expect("written");
        }
        fs::create_dir(ground.path("out")).expect("made");
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program in a thread that may wait: the server is in this process. Files may be so large, if that is said.
    async fn run(&self, context: &str, arguments: &[&str], blocks_max: Option<u32>) -> Output {
        let program = env!("CARGO_BIN_EXE_samverkan");
        let mut command = match blocks_max {
            None => Command::new(program),
            Some(blocks) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""), "sh", program]);
                shell
            }
        };
        command.args(arguments).args(["--context", context, "--output", "json"]);
        command.current_dir(self.folder.path()).env("SAMVERKAN_CONTEXTS", self.path("contexts"));
        let ran = tokio::task::spawn_blocking(move || command.output().expect("the program starts"));
        ran.await.expect("it ends")
    }

    /// Exports, and reads what was written.
    async fn export(&self, context: &str, name: &str) -> BTreeMap<String, String> {
        let directory = format!("out/{name}");
        let output = self.run(context, &["room", "export", "--directory", &directory], None).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(told["directory"], directory);
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let folder = self.path(&directory);
        assert_eq!(mode(&folder), 0o700);
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            files.insert(name, fs::read_to_string(&path).expect("UTF-8"));
        }
        assert_eq!(files.keys().collect::<Vec<_>>(), FILES);
        files
    }

    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("out")).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn lines(files: &BTreeMap<String, String>) -> Vec<Value> {
    files["messages.jsonl"].lines().map(json).collect()
}

fn holds(files: &BTreeMap<String, String>, words: &str) -> bool {
    files.values().any(|file| file.to_lowercase().contains(&words.to_lowercase()))
}

async fn withdraw_logs(peer: &Peer, room: &str) {
    let scope = Some(pb::withdraw_consent_request::Scope::Material(pb::Material::Logs.into()));
    let (request_id, room_id) = (id(), room.to_owned());
    let request = pb::WithdrawConsentRequest { request_id, room_id, scope, recall_answer_by_time: None };
    let _: pb::WithdrawConsentResponse =
        peer.call("ConsentService/WithdrawConsent", &request).await.expect("withdrawn");
}

/// region-a shares logs with affected organisations, under a pseudonym; region-b may have them, vendor-x, a third party, may not.
async fn incident(world: &World) -> (Peer, Peer, String) {
    let (coordinator, [a, b, vendor]) = world.peers(["region-a", "region-b", "vendor-x"]).await;
    let room = coordinator.open().await;
    coordinator.bring(&room, &a, sharing_logs(pb::Attribution::Pseudonym)).await;
    coordinator.bring(&room, &b, appearing(pb::Attribution::Named)).await;
    coordinator.bring(&room, &vendor, appearing(pb::Attribution::Named)).await;
    let request = pb::ChangeRoleRequest {
        request_id: id(),
        room_id: room.clone(),
        participant: "vendor-x".into(),
        role: pb::Role::ThirdParty.into(),
    };
    let _: pb::ChangeRoleResponse = coordinator.call("RoomService/ChangeRole", &request).await.expect("changed");
    let occurred_time = Some(prost_types::Timestamp { seconds: 0, nanos: 0 });
    let tlp = pb::Tlp::Amber.into();
    let first = pb::MessageDraft { occurred_time, tlp, ..logs("CANARY-LOGS <script>alert(\"1\")</script> & 'x'") };
    a.post(&room, first).await.expect("posted");
    a.post(&room, pb::MessageDraft { coordinator_only: true, ..logs("CANARY-COORDINATOR") }).await.expect("posted");
    let red = vec!["org/region-b/user/duty".to_owned()];
    let red = pb::MessageDraft { tlp: pb::Tlp::Red.into(), red_actors: red, ..logs("CANARY-RED") };
    a.post(&room, red).await.expect("posted");
    let green = pb::MessageDraft { tlp: pb::Tlp::Green.into(), ..logs("for everybody") };
    coordinator.post(&room, green).await.expect("posted");
    (coordinator, a, room)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_an_export_holds_what_its_caller_may_see_and_no_byte_of_anything_else() {
    let mut world = World::start().await;
    let (_, _, room) = incident(&world).await;
    let ground = Ground::new(&world, &["cert-se", "region-a", "region-b", "vendor-x"]);
    let (cert, source) = (ground.export("cert-se", "c").await, ground.export("region-a", "a").await);
    let (affected, third) = (ground.export("region-b", "b").await, ground.export("vendor-x", "x").await);
    for (files, seen, unseen) in [
        (&cert, &["CANARY-LOGS", "CANARY-COORDINATOR", "region-a", "for everybody"][..], &["CANARY-RED"][..]),
        (&source, &["CANARY-LOGS", "CANARY-COORDINATOR", "CANARY-RED", "for everybody"], &[]),
        (&affected, &["CANARY-LOGS", "for everybody"], &["CANARY-COORDINATOR", "region-a"]),
        (&third, &["for everybody"], &["CANARY", "region-a", "<script", "&lt;script"]),
    ] {
        for words in seen {
            assert!(files["messages.jsonl"].contains(words) && files["timeline.html"].contains(words), "{words}");
        }
        for words in unseen {
            assert!(!holds(files, words), "{words}");
        }
        let manifest = json(&files["manifest.json"]);
        for file in manifest["files"].as_array().expect("files") {
            let content = &files[file["name"].as_str().expect("a name")];
            assert_eq!(
                (file["bytes"].as_u64(), &file["sha256"]),
                (Some(content.len() as u64), &hex(&Sha256::digest(content)).into())
            );
        }
        let lines = lines(files);
        let indexes: Vec<_> = lines.iter().map(|line| line["index"].as_u64().expect("a number")).collect();
        assert_eq!(indexes, (1..=manifest["last_index"].as_u64().expect("a number")).collect::<Vec<_>>());
        let own = lines.iter().rfind(|line| line["export_id"] == manifest["export_id"]).expect("the export itself");
        assert_eq!((&own["actor"], &own["recorded_time"]), (&manifest["exported_by"], &manifest["exported_time"]));
        assert_eq!((manifest["room_id"].as_str(), manifest["title"].as_str()), (Some(&*room), Some("Incident")));
        assert_eq!(manifest["deliveries"].as_u64(), Some(lines.len() as u64));
        let messages = lines.iter().filter(|line| line["kind"] == "message").count() as u64;
        assert_eq!(manifest["messages"].as_u64(), Some(messages));
        assert_eq!(files["timeline.html"].matches("<tr><td class=\"number\">").count(), lines.len());
        assert!(!files["timeline.html"].contains("<script"), "what somebody wrote is text");
    }
    let label = |files: &BTreeMap<String, String>| json(&files["manifest.json"])["tlp"].clone();
    assert_eq!([&cert, &source, &affected, &third].map(label), ["amber+strict", "red", "red", "amber+strict"]);
    assert!(third["timeline.html"].contains("content: \"TLP:AMBER+STRICT\""), "on each printed page");
    assert!(source["timeline.html"].contains("1970-01-01 00:00:00Z"), "when it occurred");
    assert!(source["timeline.html"].contains("Shown to:<ul><li>"), "who has it");
    assert!(!affected["timeline.html"].contains("Shown to:"), "of one's own messages only");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_the_lines_of_tail_and_on_record_for_ones_own_organisation_and_the_coordinator() {
    let mut world = World::start().await;
    let (coordinator, a, room) = incident(&world).await;
    let ground = Ground::new(&world, &["region-b", "vendor-x"]);
    let files = ground.export("region-b", "b").await;
    let tail = ground.run("region-b", &["tail"], None).await;
    assert_eq!(files["messages.jsonl"], text(&tail.stdout), "byte for byte");

    let told = |page: pb::ListMessagesResponse| {
        page.deliveries.into_iter().filter_map(|delivery| match delivery.content {
            Some(pb::delivery::Content::RoomExported(exported)) => Some(exported.actor),
            _ => None,
        })
    };
    let by_b = "org/region-b/user/duty";
    assert_eq!(told(coordinator.list(&room, 0).await.expect("a page")).collect::<Vec<_>>(), [by_b]);
    assert_eq!(told(a.list(&room, 0).await.expect("a page")).count(), 0, "nobody else is told");
    let kinds = vec!["room_exported".to_owned()];
    let request = pb::ListAuditRecordsRequest { kinds, ..pb::ListAuditRecordsRequest::default() };
    let trail: pb::ListAuditRecordsResponse =
        coordinator.call("AuditService/ListAuditRecords", &request).await.expect("a page");
    let [record] = &trail.records[..] else { panic!("{trail:?}") };
    assert_eq!((record.actor.as_str(), record.room_id.as_str()), (by_b, room.as_str()));

    // What was exported was received.
    let canary = a.list(&room, 0).await.expect("a page").deliveries.into_iter().find_map(|one| match one.content {
        Some(pb::delivery::Content::Message(message)) if message.text.contains("CANARY-LOGS") => {
            Some(message.message_id)
        }
        _ => None,
    });
    let (room_id, message_id) = (room.clone(), canary.expect("it is there"));
    let request = pb::GetReceiptsRequest { room_id, message_id, ..pb::GetReceiptsRequest::default() };
    let receipts: pb::GetReceiptsResponse = a.call("MessageService/GetReceipts", &request).await.expect("receipts");
    let of = |name: &str| {
        let found =
            receipts.receipts.iter().find(|one| one.participant.as_ref().is_some_and(|p| p.organisation_id == name));
        found.is_some_and(|receipt| receipt.delivered_time.is_some())
    };
    assert!(of("region-b") && !of("vendor-x"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r6_what_was_withdrawn_is_in_no_later_export() {
    let mut world = World::start().await;
    let (_, a, room) = incident(&world).await;
    let ground = Ground::new(&world, &["region-b"]);
    let before = ground.export("region-b", "before").await;
    assert!(holds(&before, "CANARY-LOGS") && holds(&before, "CANARY-RED"));
    withdraw_logs(&a, &room).await;
    let after = ground.export("region-b", "after").await;
    assert!(!holds(&after, "CANARY"), "not a byte of it");
    let withdrawn = lines(&after).iter().filter(|line| line["kind"] == "withdrawn").count();
    assert_eq!(withdrawn, 2);
    assert_eq!(json(&after["manifest.json"])["tlp"], "amber+strict", "of what is left");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_leaves_nothing_behind() {
    let mut world = World::start().await;
    let (coordinator, _, room) = incident(&world).await;
    let ground = Ground::new(&world, &["region-b"]);
    fs::create_dir(ground.path("full")).expect("made");
    fs::write(ground.path("full/precious"), "precious").expect("written");
    fs::write(ground.path("file"), "precious").expect("written");
    for (directory, exit, says) in [
        ("full", 2, "is not empty"),
        ("file", 2, "is no folder"),
        (".", 2, "is not empty"),
        ("none/out", 74, "none/out: "),
    ] {
        let output = ground.run("region-b", &["room", "export", "--directory", directory], None).await;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{directory}: {said}");
        assert!(said.contains(says) && said.contains("hint:"), "{directory}: {said}");
    }
    assert_eq!(fs::read(ground.path("full/precious")).expect("reads"), b"precious");
    // Nothing of that was recorded.
    let exports = |page: pb::ListMessagesResponse| {
        let is_export = |one: &pb::Delivery| matches!(one.content, Some(pb::delivery::Content::RoomExported(_)));
        page.deliveries.iter().filter(|one| is_export(one)).count()
    };
    assert_eq!(exports(coordinator.list(&room, 0).await.expect("a page")), 0);

    // As on a full disk: files can't grow past a block.
    for _ in 0..20 {
        coordinator.post(&room, logs(&"x".repeat(1000))).await.expect("posted");
    }
    let output = ground.run("region-b", &["room", "export", "--directory", "out/full"], Some(8)).await;
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(74), "{said}");
    assert!(said.contains("out/full"), "{said}");
    assert_eq!(ground.left(), [""; 0], "nothing is left behind");
    assert_eq!(exports(coordinator.list(&room, 0).await.expect("a page")), 1, "that it began is on record");
    let elsewhere = ["room", "export", "01234567-0000-4000-8000-000000000000", "--directory", "out/x"];
    let output = ground.run("region-b", &elsewhere, None).await;
    assert_eq!((output.status.code(), ground.left().len()), (Some(3), 0), "{}", text(&output.stderr));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_room_is_exported_whole_into_an_empty_folder_and_when_it_is_closed() {
    let mut world = World::start().await;
    let (coordinator, _, room) = incident(&world).await;
    for n in 0..1100 {
        coordinator.post(&room, logs(&format!("line {n}"))).await.expect("posted");
    }
    let close = pb::CloseRoomRequest { request_id: id(), room_id: room.clone() };
    let _: pb::CloseRoomResponse = coordinator.call("RoomService/CloseRoom", &close).await.expect("closed");
    let ground = Ground::new(&world, &["vendor-x"]);
    fs::create_dir(ground.path("out/x")).expect("made");
    let files = ground.export("vendor-x", "x").await;
    let texts: Vec<_> = lines(&files).iter().filter_map(|line| line["text"].as_str().map(ToOwned::to_owned)).collect();
    let expected: Vec<_> =
        ["for everybody".to_owned()].into_iter().chain((0..1100).map(|n| format!("line {n}"))).collect();
    assert_eq!(texts, expected);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_export_leaves_nothing_behind() {
    let mut world = World::start().await;
    let ground = Ground::new(&world, &["region-b"]);
    // Somebody who takes the connection and says nothing: the program waits, and has begun its folder.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    let contexts = Contexts::at(ground.path("contexts"));
    let mut context = contexts.load(Some("region-b")).expect("a context").1;
    context.address = silent.local_addr().expect("its address").to_string();
    context.write(&contexts.path("region-b").expect("a path")).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_samverkan"));
    command.args(["room", "export", "--directory", "out/x", "--context", "region-b"]);
    command.current_dir(ground.folder.path()).env("SAMVERKAN_CONTEXTS", ground.path("contexts"));
    let program = command.stderr(std::process::Stdio::piped()).spawn().expect("the program starts");
    let ended = tokio::task::spawn_blocking(move || {
        let _connection = silent.accept().expect("it connects");
        let process = rustix::process::Pid::from_child(&program);
        rustix::process::kill_process(process, rustix::process::Signal::INT).expect("interrupted");
        program.wait_with_output().expect("it ends")
    });
    let ended = ended.await.expect("it ends");
    let said = text(&ended.stderr);
    assert!(ended.status.code() == Some(1) && said.contains("interrupted: nothing was written"), "{said}");
    assert_eq!(ground.left(), [""; 0]);
    world.stop().await;
}
