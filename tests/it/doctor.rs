//! `samverkan doctor` through the real binary, against a real server: all well, and each check made to fail.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use samverkan::client::{Context, Contexts};
use samverkan::identity::issue::AUTHORITY_FILE;
use samverkan::identity::{Authority, Existing};
use samverkan::room::ids::Timestamp;
use samverkan::server::system_clock;
use tempfile::TempDir;

use crate::identity::forge::Forge;
use crate::world::World;

/// A context of region-a at a server.
struct Ground {
    folder: TempDir,
    context: Context,
}

impl Ground {
    fn new(world: &World) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ground = Self { context: world.context("region-a", folder.path(), system_clock()), folder };
        ground.write();
        ground
    }

    fn write(&self) {
        let contexts = Contexts::at(self.folder.path().join("contexts"));
        self.context.write(&contexts.path("it").expect("a path")).expect("written");
    }

    /// Runs it in a thread that may wait: the server is in this process.
    async fn doctor(&self) -> Run {
        self.write();
        let mut command = Command::new(env!("CARGO_BIN_EXE_samverkan"));
        command.args(["doctor", "--context", "it", "--output", "json"]);
        command.env("SAMVERKAN_CONTEXTS", self.folder.path().join("contexts"));
        Run::of(command).await
    }
}

/// What a run said.
struct Run(Output);

impl Run {
    async fn of(mut command: Command) -> Self {
        let ran = tokio::task::spawn_blocking(move || command.output().expect("the program starts"));
        Self(ran.await.expect("it ends"))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned() + &String::from_utf8_lossy(&self.0.stderr)
    }

    fn verdict(&self, check: &str) -> Option<String> {
        let lines = String::from_utf8_lossy(&self.0.stdout).into_owned();
        let checks = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        let mut found = checks.filter(|value| value["check"] == check);
        found.next().map(|value| {
            assert!(value["verdict"] == "ok" || value["remedy"].is_string(), "what mends it is said: {value}");
            value["verdict"].as_str().expect("a word").to_owned()
        })
    }

    #[track_caller]
    fn fails(&self, check: &str, exit: i32) {
        assert_eq!(
            (self.verdict(check).as_deref(), self.0.status.code()),
            (Some("fail"), Some(exit)),
            "{}",
            self.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_is_well_nothing_fails() {
    let mut world = World::start().await;
    let _peers = world.peers(["region-a"]).await;
    let ground = Ground::new(&world);
    let run = ground.doctor().await;
    assert_eq!(run.0.status.code(), Some(0), "{}", run.text());
    for check in [
        "key permissions",
        "certificate and key",
        "dns",
        "tcp",
        "tls",
        "admission",
        "health",
        "round trip",
        "clock",
        "stream",
    ] {
        assert_eq!(run.verdict(check).as_deref(), Some("ok"), "{check}: {}", run.text());
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_thing_that_is_wrong_is_found_and_told_apart() {
    let mut world = World::start().await;
    let (_, [_a]) = world.peers(["region-a"]).await;

    let ground = Ground::new(&world);
    fs::set_permissions(&ground.context.key, fs::Permissions::from_mode(0o644)).expect("set");
    ground.doctor().await.fails("key permissions", 1);

    let mut ground = Ground::new(&world);
    let other = Authority::create(&"samverkan.test".parse().expect("a domain"), "other", 2, system_clock());
    let other_folder = ground.folder.path().join("other");
    other.expect("an authority").write(&other_folder, Existing::Refuse).expect("written");
    ground.context.ca = other_folder.join("ca.pem");
    ground.doctor().await.fails("tls", 4);

    let mut ground = Ground::new(&world);
    let long_ago = Timestamp(system_clock().0 - 30 * 24 * 3600 * 1_000_000);
    ground.context = world.context("region-a", &ground.folder.path().join("old"), long_ago);
    let run = ground.doctor().await;
    run.fails("own certificate", 4);
    run.fails("admission", 4);

    let mut ground = Ground::new(&world);
    ground.context.address = "no-such-host.invalid:7443".into();
    ground.doctor().await.fails("dns", 4);

    let ground = Ground::new(&world);
    let mut stranger = Ground::new(&world);
    stranger.context = world.context("stranger", &stranger.folder.path().join("stranger"), system_clock());
    stranger.doctor().await.fails("admission", 4);

    // A backlog that is never taken, behind a socket that nobody accepts from, is a server that does not speak.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    let mut silent = Ground::new(&world);
    silent.context.address = mute.local_addr().expect("an address").to_string();
    silent.doctor().await.fails("tls", 4);

    world.stop().await;
    ground.doctor().await.fails("tcp", 4);
}

fn server_config(folder: &Path) -> PathBuf {
    let domain = "doctor.example".parse().expect("a trust domain");
    let authority = Authority::create(&domain, "tests", 60, system_clock()).expect("an authority");
    let server = authority.issue_server(&["127.0.0.1".to_owned()], 30, system_clock()).expect("a certificate");
    server.write(&folder.join("server"), Existing::Refuse).expect("written");
    fs::create_dir(folder.join("store")).expect("made");
    samverkan::sealing::KeyEncryptionKey::random().write(&folder.join("store.key")).expect("a key");
    let config = "[server]\nlisten = \"127.0.0.1:0\"\n[identity]\ntrust_domain = \"doctor.example\"\ncoordinator = \"cert-se\"\n\
        [tls]\ncertificate = \"server/certificate.pem\"\nkey = \"server/key.pem\"\nclient_roots = \"server/ca.pem\"\n\
        [store]\ndirectory = \"store\"\nkey = \"store.key\"\nreserve_mib = 1\n";
    fs::write(folder.join("server.toml"), config).expect("written");
    folder.join("server.toml")
}

async fn doctor_of_server(config: &Path) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_samverkan"));
    command.args(["doctor", "--output", "json", "--config"]).arg(config);
    Run::of(command).await
}

#[tokio::test]
async fn a_servers_own_machine_is_checked_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = server_config(folder.path());
    let run = doctor_of_server(&config).await;
    assert_eq!(run.0.status.code(), Some(0), "{}", run.text());
    for check in ["configuration", "tls files", "server certificate", "disk space", "fsync", "store", "clock"] {
        assert_eq!(run.verdict(check).as_deref(), Some("ok"), "{check}: {}", run.text());
    }
    assert_eq!(fs::read_dir(folder.path().join("store")).expect("readable").count(), 0, "nothing is left there");

    let few = format!(
        "ulimit -n 64; exec {} doctor --output json --config {}",
        env!("CARGO_BIN_EXE_samverkan"),
        config.display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &few]);
    assert_eq!(Run::of(command).await.verdict("file descriptors").as_deref(), Some("warn"));

    let text = fs::read_to_string(&config).expect("readable");
    fs::write(&config, text.replace("reserve_mib = 1\n", "reserve_mib = 999999999\n")).expect("written");
    doctor_of_server(&config).await.fails("disk space", 1);
    fs::write(&config, text.replace("listen", "lisen")).expect("written");
    doctor_of_server(&config).await.fails("configuration", 1);
    fs::write(&config, &text).expect("written");

    assert_eq!(doctor_of_server(&config).await.verdict("revocation lists"), None, "there are none");
    let forge = Forge::new();
    let roots = format!("client_roots = {:?}\nrevocation_lists = [\"a.crl\"]", forge.path().join(AUTHORITY_FILE));
    fs::write(&config, text.replace("client_roots = \"server/ca.pem\"", &roots)).expect("written");
    for (hours, verdict) in [(47, "warn"), (49, "ok")] {
        fs::write(folder.path().join("a.crl"), forge.list(&[], (-60, hours * 3600))).expect("written");
        let run = doctor_of_server(&config).await;
        assert_eq!(run.verdict("revocation lists").as_deref(), Some(verdict), "{hours} h: {}", run.text());
    }
    fs::write(&config, &text).expect("written");

    let other = tempfile::tempdir().expect("a folder");
    server_config(other.path());
    fs::copy(other.path().join("server/key.pem"), folder.path().join("server/key.pem")).expect("copied");
    doctor_of_server(&config).await.fails("tls files", 1);
}
