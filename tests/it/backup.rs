//! Backups through the real program, against a real server: what comes back, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use prost::Message as _;
use samverkan::api as pb;
use samverkan::client::Contexts;
use samverkan::client::backup_chain::{Frames, Turn};
use samverkan::engine::Rates;
use samverkan::server::system_clock;
use samverkan::store::sled::{SledOptions, SledStore};
use serde_json::Value;
use tempfile::TempDir;
use tonic::Status;

use crate::attachments::{download, log, post, shown};
use crate::world::{Answers, Peer, World, id, logs, reason, sharing_logs, texts};

/// A folder for contexts, backups and restored stores.
pub(crate) struct Ground {
    folder: TempDir,
}

impl Ground {
    pub(crate) fn new(world: &World) -> Self {
        let ground = Self { folder: tempfile::tempdir().expect("a folder") };
        let contexts = Contexts::at(ground.path("contexts"));
        for organisation in ["cert-se", "region-a"] {
            let context = world.context(organisation, &ground.path(organisation), system_clock());
            context.write(&contexts.path(organisation).expect("a path")).expect("written");
        }
        ground
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_samverkan"));
        command.args(arguments).args(["--output", "json"]);
        command.current_dir(self.folder.path()).env("SAMVERKAN_CONTEXTS", self.path("contexts"));
        command
    }

    /// Runs the program in a thread that may wait: the server may be in this process.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().expect("the program starts")).await.expect("it ends")
    }

    pub(crate) async fn done(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Its exit code is this one, and it says these words.
    pub(crate) async fn refused(&self, arguments: &[&str], code: i32, words: &[&str]) {
        let output = self.run(arguments).await;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {words:?}: {said}");
    }

    pub(crate) async fn back_up(&self, directory: &str) -> Value {
        self.done(&["backup", "--directory", directory, "--context", "cert-se"]).await
    }

    /// Copies of the keys, as an operator keeps them.
    pub(crate) fn keep_keys(&self, world: &World) {
        fs::copy(world.store().join("keyring"), self.path("keyring")).expect("copied");
        fs::copy(world.key(), self.path("store.key")).expect("copied");
    }

    fn left_in(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).map(|entries| {
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
        });
        let mut left: Vec<String> = entries.unwrap_or_default();
        left.sort();
        left
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A server that takes what comes as fast as it comes.
async fn world() -> World {
    let mut world = World::start().await;
    world.rates = Rates::unlimited();
    world.restart(1).await;
    world
}

/// Asks for a backup.
async fn take(peer: &Peer, request: &pb::TakeBackupRequest) -> Result<Answers<pb::TakeBackupResponse>, Status> {
    let request = tokio_stream::once(Bytes::from(request.encode_to_vec()));
    peer.stream("BackupService/TakeBackup", request).await
}

/// Why there is none.
async fn no_backup(peer: &Peer, request: &pb::TakeBackupRequest) -> String {
    match take(peer, request).await {
        Ok(_) => panic!("{request:?} was answered"),
        Err(status) => reason(&status).0,
    }
}

pub(crate) const RESTORE: [&str; 8] =
    ["restore", "backups", "--store", "restored", "--keyring", "keyring", "--key", "store.key"];

/// A room of `region-a` and `region-b`, which share logs.
async fn incident(world: &World) -> (Peer, Peer, Peer, String) {
    let (coordinator, [a, b]) = world.peers(["region-a", "region-b"]).await;
    let room = coordinator.open().await;
    coordinator.bring(&room, &a, sharing_logs(pb::Attribution::Named)).await;
    coordinator.bring(&room, &b, sharing_logs(pb::Attribution::Named)).await;
    (coordinator, a, b, room)
}

pub(crate) async fn everything(peer: &Peer, room: &str) -> Vec<pb::Delivery> {
    let mut all = Vec::new();
    loop {
        let page = peer.list(room, all.len() as u64).await.expect("a page");
        if page.deliveries.is_empty() {
            return all;
        }
        all.extend(page.deliveries);
    }
}

async fn audit(coordinator: &Peer, kinds: &[&str]) -> Vec<String> {
    let kinds = kinds.iter().map(ToString::to_string).collect();
    let request = pb::ListAuditRecordsRequest { kinds, ..pb::ListAuditRecordsRequest::default() };
    let page: pb::ListAuditRecordsResponse =
        coordinator.call("AuditService/ListAuditRecords", &request).await.expect("records");
    page.records.into_iter().map(|record| record.kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_a_store_that_is_made_from_backups_has_all_that_was_acknowledged_before_them() {
    let mut world = world().await;
    let ground = Ground::new(&world);
    let (_, a, b, room) = incident(&world).await;
    let request =
        pb::PostMessageRequest { request_id: id(), room_id: room.clone(), draft: Some(logs("with an id of its own")) };
    let first: pb::PostMessageResponse = a.call("MessageService/PostMessage", &request).await.expect("posted");

    // A whole one while somebody posts, and one that goes on from it.
    let (posted, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let poster = tokio::spawn({
        let (a, room, posted, stop) = (a.clone(), room.clone(), posted.clone(), stop.clone());
        async move {
            while !stop.load(Ordering::SeqCst) {
                let number = posted.load(Ordering::SeqCst);
                a.post(&room, logs(&format!("line {number}"))).await.expect("posted");
                posted.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    while posted.load(Ordering::SeqCst) < 50 {
        tokio::task::yield_now().await;
    }
    let whole = ground.back_up("backups").await;
    // One page: while somebody posts there may always be another.
    let read = b.list(&room, 0).await.expect("a page").deliveries;
    let acknowledged = posted.load(Ordering::SeqCst);
    let second = ground.back_up("backups").await;
    stop.store(true, Ordering::SeqCst);
    poster.await.expect("it ends");
    assert_eq!((&whole["after_commit"], &second["after_commit"]), (&Value::from(0), &whole["commit"]));
    assert!(second["frames"].as_u64() > Some(0) && whole["commit"].as_u64() < second["commit"].as_u64());
    // What a cut backup left is in nobody's way, and what comes after the last backup is not in it.
    fs::write(ground.path("backups/0003.backup.part"), b"half").expect("written");
    a.post(&room, logs("after the last backup")).await.expect("posted");
    let third = ground.back_up("later").await;
    assert_eq!(third["after_commit"], 0, "another folder begins with a whole one");
    ground.keep_keys(&world);
    world.stop().await;

    // On another machine: no server, no keys.
    let verified = ground.done(&["backup", "verify", "backups"]).await;
    assert_eq!((&verified["files"], &verified["commit"]), (&Value::from(2), &second["commit"]));
    let told = ground.done(&RESTORE).await;
    assert_eq!((&told["verified"], &told["commit"]), (&Value::from(true), &second["commit"]));
    assert!(told["deliveries"].as_u64() > Some(0) && told["entries"].as_u64() > Some(acknowledged as u64), "{told}");

    world.adopt(&ground.path("restored")).await;
    let (a, b) = (world.peer("region-a/user/duty").await, world.peer("region-b/user/duty").await);
    let coordinator = world.peer("cert-se/user/duty").await;
    let now = texts(&everything(&b, &room).await);
    let expected: Vec<String> = (0..now.len() - 1).map(|number| format!("line {number}")).collect();
    assert_eq!(
        (now[0].as_str(), &now[1..]),
        ("with an id of its own", &expected[..]),
        "in order, no gap, nothing twice"
    );
    assert!(now.len() > acknowledged, "{} of {acknowledged}", now.len());
    assert_eq!(everything(&b, &room).await[..read.len()], read[..], "what was given stands at its index");
    let again: pb::PostMessageResponse = a.call("MessageService/PostMessage", &request).await.expect("known");
    assert_eq!(again.message_id, first.message_id, "R8: one request id, one effect");
    a.post(&room, logs("life goes on")).await.expect("posted");

    let kinds = ["backup_taken", "rollback_accepted"];
    // The record of a backup is written once it is known what is in it.
    assert_eq!(audit(&coordinator, &kinds).await, ["backup_taken", "rollback_accepted"]);
    world.restart(1).await;
    let coordinator = world.peer("cert-se/user/duty").await;
    assert_eq!(audit(&coordinator, &["rollback_accepted"]).await.len(), 1, "once");
    // Its history is another from here on.
    fs::remove_dir_all(ground.path("cert-se")).expect("the old files");
    let context = world.context("cert-se", &ground.path("cert-se"), system_clock());
    context.write(&Contexts::at(ground.path("contexts")).path("cert-se").expect("a path")).expect("written");
    let go_on = ["backup", "--directory", "backups", "--context", "cert-se"];
    ground.refused(&go_on, 3, &["does not know the backup", "with an empty folder"]).await;
    assert_eq!(ground.left_in("backups"), ["0001.backup", "0002.backup"], "nothing was added");
    ground.back_up("new").await;
    world.stop().await;
}

/// Three backups of one store, one of another.
async fn backups(ground: &Ground, world: &World, a: &Peer, room: &str) {
    for number in 0..3 {
        a.post(room, logs(&format!("line {number}"))).await.expect("posted");
        ground.back_up("backups").await;
    }
    ground.keep_keys(world);
}

fn second(folder: &Path) -> PathBuf {
    folder.join("0002.backup")
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_that_were_changed_cut_or_mixed_up_are_refused_and_nothing_is_made_of_them() {
    let (mut world, mut other) = (world().await, world().await);
    let (ground, elsewhere) = (Ground::new(&world), Ground::new(&other));
    let (_, a, _, room) = incident(&world).await;
    backups(&ground, &world, &a, &room).await;
    let (_, a, _, room) = incident(&other).await;
    backups(&elsewhere, &other, &a, &room).await;
    world.stop().await;
    other.stop().await;
    fs::rename(ground.path("backups"), ground.path("good")).expect("renamed");

    let change = |bytes: fn(&mut Vec<u8>)| {
        move |folder: &Path| {
            let mut all = fs::read(second(folder)).expect("a file");
            bytes(&mut all);
            fs::write(second(folder), all).expect("written");
        }
    };
    let foreign = elsewhere.path("backups");
    type Change = Box<dyn Fn(&Path)>;
    let changes: Vec<(&str, Change, &str)> = vec![
        ("a bit in its beginning", Box::new(change(|all| all[3] ^= 1)), "is no backup of this version"),
        ("a bit in the digest of the one before", Box::new(change(|all| all[30] ^= 1)), "does not go on from the file"),
        (
            "a bit in the middle",
            Box::new(change(|all| {
                let middle = all.len() / 2;
                all[middle] ^= 4;
            })),
            "",
        ),
        (
            "a bit in its digest",
            Box::new(change(|all| *all.last_mut().expect("bytes") ^= 1)),
            "does not match its digest",
        ),
        ("cut short", Box::new(change(|all| all.truncate(all.len() - 100))), "ends too early"),
        ("cut to nothing", Box::new(change(Vec::clear)), "ends too early"),
        ("longer", Box::new(change(|all| all.push(0))), "goes on after its end"),
        ("missing", Box::new(|folder| fs::remove_file(second(folder)).expect("removed")), "0002.backup: is missing"),
        (
            "the one after it",
            Box::new(|folder| drop(fs::copy(folder.join("0003.backup"), second(folder)))),
            "does not go on",
        ),
        (
            "the one before it",
            Box::new(|folder| drop(fs::copy(folder.join("0001.backup"), second(folder)))),
            "does not go on",
        ),
        (
            "of another store",
            Box::new(move |folder| drop(fs::copy(second(&foreign), second(folder)))),
            "does not go on",
        ),
    ];
    for (what, change, word) in &changes {
        copy(&ground.path("good"), &ground.path("backups"));
        change(&ground.path("backups"));
        ground.refused(&["backup", "verify", "backups"], 65, &["000", word]).await;
        ground.refused(&RESTORE, 65, &[word]).await;
        assert!(!ground.path("restored").exists(), "{what}: nothing was made");
    }
    // Every byte matters: one bit of each fortieth.
    copy(&ground.path("good"), &ground.path("backups"));
    let bytes = fs::read(second(&ground.path("good"))).expect("a file");
    let mut flips = 0;
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(second(&ground.path("backups")), flipped).expect("written");
        let verified = Frames::of(&ground.path("backups")).and_then(|all| all.finish());
        assert!(verified.is_err(), "byte {at}");
        flips += 1;
    }
    assert!(flips >= 40);
    ground.refused(&["backup", "verify", "nowhere"], 65, &["holds no backup"]).await;
    // Whole backups and the wrong keys: nothing of it can be read, and that is told.
    copy(&ground.path("good"), &ground.path("backups"));
    fs::copy(elsewhere.path("keyring"), ground.path("keyring")).expect("copied");
    ground.refused(&RESTORE, 65, &["belongs to another store"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_restored_into_an_empty_folder_only_and_half_of_one_is_none() {
    let mut world = world().await;
    let ground = Ground::new(&world);
    let (_, a, _, room) = incident(&world).await;
    backups(&ground, &world, &a, &room).await;
    world.stop().await;

    fs::create_dir(ground.path("restored")).expect("made");
    fs::write(ground.path("restored/letter"), b"mine").expect("written");
    ground.refused(&RESTORE, 65, &["it holds \"letter\"", "name a folder that is empty"]).await;
    assert_eq!(ground.left_in("restored"), ["letter"], "nothing was added");
    fs::remove_file(ground.path("restored/letter")).expect("removed");

    // No room for it: what is there is not served, and the same command goes on.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_samverkan")]).args(RESTORE);
    let cut = shell.current_dir(ground.folder.path()).output().expect("the program starts");
    assert!(!cut.status.success(), "{}", text(&cut.stderr));
    assert!(ground.left_in("restored").contains(&"restoring".to_owned()), "{:?}", ground.left_in("restored"));
    let opened = SledStore::open(&ground.path("restored"), SledOptions::default());
    let Err(error) = opened else { panic!("half a store was opened") };
    assert!(error.to_string().contains("\"restoring\""), "{error}");
    ground.done(&RESTORE).await;
    ground.refused(&RESTORE, 65, &["a store is there already"]).await;

    // Without the keys it is made, and nothing of it is claimed.
    let told = ground.done(&["restore", "backups", "--store", "unread"]).await;
    assert_eq!(told["verified"], Value::Null);
    assert!(!ground.path("unread/keyring").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_coordinator_takes_backups_one_at_a_time_and_bad_requests_are_refused() {
    let mut world = world().await;
    let ground = Ground::new(&world);
    let (coordinator, a, _, room) = incident(&world).await;
    let whole = pb::TakeBackupRequest::default();
    assert_eq!(no_backup(&a, &whole).await, "COORDINATOR_ONLY");
    let go_on = ["backup", "--directory", "backups", "--context", "region-a"];
    ground.refused(&go_on, 3, &["only the coordinator"]).await;
    assert!(!ground.path("backups").exists(), "nothing is left behind");
    // Somebody else adds to the folder; a file in it was changed.
    let turn = Turn::take(&ground.path("busy")).expect("taken");
    let busy = ["backup", "--directory", "busy", "--context", "cert-se"];
    ground.refused(&busy, 1, &["busy: another backup is being added to it", "wait until"]).await;
    drop(turn);
    ground.back_up("busy").await;
    let mut bytes = fs::read(ground.path("busy/0001.backup")).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(ground.path("busy/0001.backup"), bytes).expect("written");
    ground.refused(&busy, 65, &["0001.backup"]).await;
    assert_eq!(ground.left_in("busy"), ["0001.backup"]);
    assert_eq!(audit(&coordinator, &["backup_taken"]).await.len(), 1, "the one that was taken");

    let store_id = uuid::Uuid::new_v4().to_string();
    let digest = Bytes::from_static(&[7; 32]);
    let unknown = pb::TakeBackupRequest { store_id, after_commit: 1, after_commit_sha256: digest.clone() };
    assert_eq!(no_backup(&coordinator, &unknown).await, "BACKUP_BASE_UNKNOWN");
    for wrong in [
        pb::TakeBackupRequest { store_id: "mine".into(), ..unknown.clone() },
        pb::TakeBackupRequest { after_commit_sha256: Bytes::from_static(b"abc"), ..unknown.clone() },
        pb::TakeBackupRequest { store_id: String::new(), ..unknown.clone() },
        pb::TakeBackupRequest { after_commit: 3, ..whole.clone() },
    ] {
        assert_eq!(no_backup(&coordinator, &wrong).await, "FIELD_INVALID", "{wrong:?}");
    }

    // More than fits between two who do not read.
    for number in 0..150 {
        a.post(&room, logs(&format!("{number}").repeat(20_000))).await.expect("posted");
    }
    let mut slow = take(&coordinator, &whole).await.expect("it begins");
    assert!(slow.next().await.expect("a part").is_some());
    assert_eq!(no_backup(&coordinator, &whole).await, "BACKUP_UNDER_WAY");
    drop(slow);
    // Who went away is noticed.
    let mut again = loop {
        match take(&coordinator, &whole).await {
            Ok(begun) => break begun,
            Err(status) => assert_eq!(reason(&status).0, "BACKUP_UNDER_WAY"),
        }
    };
    while again.next().await.expect("a part").is_some() {}
    assert_eq!(audit(&coordinator, &["backup_taken"]).await.len(), 3);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_what_attachments_hold_is_in_the_backups_once_and_comes_back() {
    let mut world = world().await;
    let ground = Ground::new(&world);
    let (_, a, b, room) = incident(&world).await;
    let (first, second) = (log(2 * 1024 * 1024 + 17), log(700));
    let (_, one) = post(&a, &room, "one", &first).await;
    let whole = ground.back_up("backups").await;
    let (_, two) = post(&a, &room, "two", &second).await;
    let more = ground.back_up("backups").await;
    assert_eq!((&whole["attachments"], &more["attachments"]), (&Value::from(1), &Value::from(2)));
    let sizes = (whole["bytes"].as_u64().expect("a number"), more["bytes"].as_u64().expect("a number"));
    assert!(sizes.0 > first.len() as u64 && sizes.1 < 100_000, "what the first has is not sent again: {sizes:?}");
    ground.keep_keys(&world);
    drop((a, b));
    world.stop().await;
    let verified = ground.done(&["backup", "verify", "backups"]).await;
    assert_eq!(verified["attachments"], 2);

    let told = ground.done(&RESTORE).await;
    assert_eq!((&told["verified"], &told["attachments"]), (&Value::from(true), &Value::from(2)));
    world.adopt(&ground.path("restored")).await;
    let (a, b) = (world.peer("region-a").await, world.peer("region-b").await);
    for (attachment, bytes) in [(&one, &first), (&two, &second)] {
        for peer in [&a, &b] {
            assert_eq!(shown(peer, &room).await.len(), 2);
            assert!(download(peer, &room, attachment, (0, 0)).await.expect("given") == *bytes);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attachment_that_can_not_be_read_is_left_out_and_told_and_the_rest_is_backed_up() {
    let mut world = world().await;
    let ground = Ground::new(&world);
    let (_, a, _, room) = incident(&world).await;
    post(&a, &room, "one", &log(700)).await;
    let lost = fs::read_dir(world.store().join("attachments")).expect("a folder").next().expect("one").expect("read");
    post(&a, &room, "two", &log(800)).await;
    let kept = ground.path("kept");
    fs::rename(lost.path(), &kept).expect("moved");
    let told = ground.back_up("backups").await;
    assert_eq!((&told["attachments"], &told["attachments_left_out"]), (&Value::from(1), &Value::from(1)));
    let said = ground.run(&["backup", "--directory", "others", "--context", "cert-se"]).await;
    assert!(text(&said.stderr).contains("1 attachments can't be read"), "{}", text(&said.stderr));
    // It is there again, and the next backup has it.
    fs::rename(&kept, lost.path()).expect("moved");
    let told = ground.back_up("backups").await;
    assert_eq!((&told["attachments"], &told["attachments_left_out"]), (&Value::from(2), &Value::from(0)));
    assert_eq!(ground.done(&["backup", "verify", "backups"]).await["attachments"], 2);
    world.stop().await;
}
