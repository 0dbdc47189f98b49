//! Stores that `samverkan serve` does not serve, through the real binary: what it says, which command it names, and how it ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::fs::FlockOperation;
use samverkan::identity::{Authority, Existing};
use samverkan::room::ids::{RoomId, Timestamp};
use samverkan::server::system_clock;
use samverkan::store::sled::{SledOptions, SledStore};
use samverkan::store::{Frame, Store};

/// A folder with a configuration, certificates and a store of ten commits; beside it the store as it was after five.
struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let ground = Self { folder: tempfile::tempdir().expect("a folder") };
        let own = |name: &str| ground.folder.path().join(name);
        let domain = "refused.example".parse().expect("a trust domain");
        let authority = Authority::create(&domain, "tests", 10, system_clock()).expect("an authority");
        let server = authority.issue_server(&["127.0.0.1".to_owned()], 2, system_clock()).expect("a certificate");
        server.write(&own("server"), Existing::Refuse).expect("written");
        let config = "[server]\nlisten = \"127.0.0.1:0\"\n[identity]\ntrust_domain = \"refused.example\"\ncoordinator = \"cert-se\"\n\
            [tls]\ncertificate = \"server/certificate.pem\"\nkey = \"server/key.pem\"\nclient_roots = \"server/ca.pem\"\n\
            [store]\ndirectory = \"store\"\nkey = \"none\"\nreserve_mib = 1\n";
        fs::write(own("server.toml"), config).expect("written");
        fill(&own("store"), 0..5);
        copy(&own("store"), &own("earlier"));
        fill(&own("store"), 5..10);
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn serve(&self, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_samverkan"));
        command.arg("serve").arg("--config").arg(self.path("server.toml")).args(more);
        command.output().expect("the program starts")
    }

    /// Starts it until it says that it serves; gives what it has said.
    fn serve_until_it_does(&self, more: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_samverkan"));
        command.arg("serve").arg("--config").arg(self.path("server.toml")).args(more).stderr(Stdio::piped());
        let mut server = command.spawn().expect("the program starts");
        let mut said = String::new();
        for line in BufReader::new(server.stderr.take().expect("piped")).lines() {
            said += &line.expect("text");
            said.push('\n');
            if said.contains("serving") {
                break;
            }
        }
        server.kill().expect("it runs");
        server.wait().expect("it ends");
        said
    }

    fn inspect(&self) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_samverkan"));
        command.args(["inspect", "keys", "--store"]).arg(self.path("store")).output().expect("the program starts")
    }

    /// It ends with 65 and says all of these.
    #[track_caller]
    fn is_refused(&self, says: &[&str]) {
        let before = files(&self.path("store"));
        assert_says(&self.serve(&[]), 65, says);
        assert_eq!(files(&self.path("store")), before, "no file comes or goes");
    }
}

#[track_caller]
fn assert_says(output: &Output, code: i32, says: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for one in says {
        assert!(said.contains(one), "it does not say {one:?}: {said}");
    }
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").file_name());
    // What sled remembers of a start is its own.
    let names = entries
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| !name.starts_with("snap.") && name != "blobs");
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("made");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
        }
    }
}

fn fill(store: &Path, numbers: std::ops::Range<u64>) {
    let store = SledStore::open(store, SledOptions { reserve_mib: 1, ..SledOptions::default() }).expect("opens");
    for number in numbers {
        let room = RoomId::from_bytes([7; 16]);
        let frame = Frame { room, number, digest: [0; 32], bytes: vec![number as u8; 100].into() };
        store.commit(&[frame], Timestamp(number as i64)).expect("committed");
    }
}

#[test]
fn a_store_of_a_newer_version_is_refused_with_both_numbers() {
    let ground = Ground::new();
    let format = ground.path("store/format");
    let text = fs::read_to_string(&format).expect("readable").replace("format 1", "format 2");
    fs::write(&format, text).expect("written");
    ground.is_refused(&["format 2", "reads format 1", "samverkan --version"]);
}

#[test]
fn a_folder_of_another_product_is_refused_and_left_alone() {
    let ground = Ground::new();
    fs::write(ground.path("store/format"), "postgres 17").expect("written");
    ground.is_refused(&["not one store of ours", "an empty folder"]);
    fs::remove_file(ground.path("store/format")).expect("removed");
    ground.is_refused(&["no `format` file", "an empty folder"]);
}

#[test]
fn a_store_copied_by_half_is_refused() {
    let ground = Ground::new();
    let db = ground.path("store/db");
    fs::remove_file(&db).expect("removed");
    ground.is_refused(&["`db` file is missing", "samverkan inspect"]);
    fs::copy(ground.path("earlier/db"), &db).expect("copied");
    fs::remove_file(ground.path("store/conf")).expect("removed");
    assert_eq!(ground.serve(&[]).status.code(), Some(65));
}

#[test]
fn a_store_in_use_is_refused() {
    let ground = Ground::new();
    let lock = fs::File::open(ground.path("store")).expect("opened");
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("locked");
    ground.is_refused(&["in use by another process", "stop the other server"]);
}

#[test]
fn a_store_without_its_high_water_file_is_refused_until_that_is_accepted_and_recorded() {
    let ground = Ground::new();
    fs::remove_file(ground.path("store/high-water")).expect("removed");
    ground.is_refused(&["`high-water` file is missing", "samverkan inspect rooms --store", "--accept-rollback"]);
    let said = ground.serve_until_it_does(&["--accept-rollback"]);
    assert!(said.contains("WARN") && said.contains("was accepted"), "{said}");
    let said = ground.serve_until_it_does(&[]);
    assert!(said.contains("serving"), "{said}");
    assert_says(&ground.inspect(), 65, &["rollback,", "accepted at commit 10: its `high-water` file is missing"]);
}

#[test]
fn a_store_behind_its_high_water_file_is_refused_until_that_is_accepted_and_recorded() {
    let ground = Ground::new();
    fs::copy(ground.path("store/high-water"), ground.path("earlier/high-water")).expect("copied");
    fs::remove_dir_all(ground.path("store")).expect("removed");
    copy(&ground.path("earlier"), &ground.path("store"));
    ground.is_refused(&["ends at commit 5", "it once had 10", "samverkan inspect rooms --store", "--accept-rollback"]);
    let said = ground.serve_until_it_does(&["--accept-rollback"]);
    assert!(said.contains("WARN") && said.contains("was accepted"), "{said}");
    assert_says(&ground.inspect(), 65, &["accepted at commit 5: it once had 10"]);
}
