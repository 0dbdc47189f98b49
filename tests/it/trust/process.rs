//! The real program: what it takes up on SIGHUP and by itself, and what its log says.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use samverkan::sealing::KeyEncryptionKey;

use super::*;

struct Program {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start(config: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_samverkan"));
        command
            .arg("serve")
            .arg("--config")
            .arg(config)
            .stderr(Stdio::piped())
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG");
        let mut child = command.spawn().expect("the program starts");
        let log = BufReader::new(child.stderr.take().expect("piped")).lines();
        Self { child, log }
    }

    /// Reads the log up to a line with all of these in it.
    fn says(&mut self, words: &[&str]) -> String {
        for line in self.log.by_ref() {
            let line = line.expect("text");
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
        }
        panic!("the program ended without saying {words:?}");
    }

    fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id")).expect("not 0");
        kill_process(pid, signal).expect("it is there");
    }

    /// Ends it in good order: what it noted is in the store.
    fn stop(mut self) {
        self.signal(Signal::TERM);
        assert!(self.child.wait().expect("it ends").success());
    }
}

#[test]
fn a_running_server_takes_up_its_files_on_sighup_and_by_itself_and_refuses_bad_ones_aloud() {
    let files = Files::new();
    let path = files.at("samverkan.toml");
    let config = |more: &str, log: &str| {
        format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[identity]\ntrust_domain = \"{TRUST_DOMAIN}\"\ncoordinator = \"cert-se\"\n\
             [tls]\ncertificate = \"{CERTIFICATE_FILE}\"\nkey = \"{KEY_FILE}\"\nclient_roots = \"{}\"\n{more}\n\
             [store]\ndirectory = \"store\"\nkey = \"store.key\"\nreserve_mib = 1\n{log}",
            files.ours.path().join(AUTHORITY_FILE).display()
        )
    };
    samverkan::sealing::KeyEncryptionKey::random().write(&files.at("store.key")).expect("a key");
    fs::write(&path, config("", "")).expect("written");
    let mut program = Program::start(&path);
    program.says(&["serving"]);

    program.hang_up();
    program.says(&["reloaded", "authorities=1", "cut=0"]);

    // By itself: a list that expired. Nothing changes, and the line says which file, what is wrong, and what to do.
    fs::write(files.at("ours.crl"), files.ours.list(&[], (-HOUR, -60))).expect("written");
    fs::write(&path, config("revocation_lists = [\"ours.crl\"]", "")).expect("written");
    let line = program.says(&["RELOAD REFUSED"]);
    assert!(line.contains("ERROR") && line.contains("ours.crl") && line.contains("it expired on"), "{line}");
    assert!(line.contains("kill -HUP"), "{line}");
    // One that ends within two days is taken up with a warning, before everybody is locked out by its end.
    fs::write(files.at("ours.crl"), files.ours.list(&[], (-60, 10 * HOUR + 60))).expect("written");
    let line = program.says(&["a revocation list ends soon"]);
    assert!(line.contains("WARN") && line.contains("ours.crl") && line.contains("hours_left=10"), "{line}");
    program.says(&["reloaded", "with_list=1"]);

    // A key of another certificate, and a configuration that is none.
    let key = fs::read(files.at(KEY_FILE)).expect("read");
    fs::write(files.at(KEY_FILE), rcgen::KeyPair::generate().expect("a key").serialize_pem()).expect("written");
    program.hang_up();
    program.says(&["RELOAD REFUSED", "is not the private key of the certificate"]);
    fs::write(files.at(KEY_FILE), key).expect("written");
    fs::write(&path, "[server").expect("written");
    program.hang_up();
    program.says(&["RELOAD REFUSED", "problem in the configuration"]);

    // What can't change while it runs is told, and stays.
    let moved = config("", "[log]\nfilter = \"info\"\nformat = \"json\"\n").replace("127.0.0.1:0", "127.0.0.1:1");
    fs::write(&path, moved).expect("written");
    program.hang_up();
    program.says(&["reloaded", "with_list=0"]);
    program.says(&["stays as it was", "server.listen"]);
    program.says(&["stays as it was", "log.format"]);
}

/// Runs `serve` until it ends by itself; its exit code and what it said.
fn serve(config: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_samverkan")).args(["serve", "--config"]).arg(config).output();
    let output = output.expect("the program starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_key_of_the_store_is_changed_while_the_server_runs_and_no_other_opens_it() {
    let files = Files::new();
    let path = files.at("samverkan.toml");
    let configure = |keys: &str| {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[identity]\ntrust_domain = \"{TRUST_DOMAIN}\"\ncoordinator = \"cert-se\"\n\
             [tls]\ncertificate = \"{CERTIFICATE_FILE}\"\nkey = \"{KEY_FILE}\"\nclient_roots = \"{}\"\n\
             [store]\ndirectory = \"store\"\nreserve_mib = 1\n{keys}\n",
            files.ours.path().join(AUTHORITY_FILE).display()
        );
        fs::write(&path, text).expect("written");
    };
    let [first, second] = [KeyEncryptionKey::random(), KeyEncryptionKey::random()];
    for (key, name) in [(&first, "first.key"), (&second, "second.key")] {
        key.write(&files.at(name)).expect("a key");
    }
    let refused = |keys: &str, words: &[&str]| {
        configure(keys);
        let (code, said) = serve(&path);
        assert!(matches!(code, Some(64 | 65)), "{code:?}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
    };
    refused("", &["store.key is missing", "samverkan keys create FILE"]);
    refused("key = \"nowhere.key\"", &["nowhere.key: No such file"]);
    refused("key = \"fd:SAMVERKAN_TEST_UNSET\"", &["SAMVERKAN_TEST_UNSET is not set"]);

    configure("key = \"first.key\"");
    let mut program = Program::start(&path);
    let line = program.says(&["serving"]);
    assert!(line.contains(&first.id().to_string()), "{line}");
    let limits = fs::read_to_string(format!("/proc/{}/limits", program.child.id())).expect("its limits");
    let core: Vec<_> =
        limits.lines().find(|line| line.starts_with("Max core")).expect("a limit").split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "no core file: {core:?}");

    // The new key before the configuration names it: nobody is cut, nothing is written again.
    configure("key = \"second.key\"\nformer_key = \"first.key\"");
    program.hang_up();
    let line = program.says(&["the store has another key"]);
    assert!(line.contains(&first.id().to_string()) && line.contains(&second.id().to_string()), "{line}");
    program.says(&["reloaded"]);
    program.stop();

    let ids = [first.id().to_string(), second.id().to_string()];
    refused("key = \"first.key\"", &["the store is encrypted with key", &ids[0], &ids[1], "samverkan keys show"]);
    refused("key = \"none\"", &["the store is encrypted with key", &ids[1], "no key is given"]);
    // A former key that is destroyed is not missed.
    configure("key = \"second.key\"\nformer_key = \"destroyed.key\"");
    let mut program = Program::start(&path);
    program.says(&["serving", &ids[1]]);
    drop(program);

    // Back to the first as the server starts; then the file that holds all keys is lost, or half of it is.
    configure("key = \"first.key\"\nformer_key = \"second.key\"");
    let mut program = Program::start(&path);
    program.says(&["the store has another key"]);
    program.says(&["serving", &ids[0]]);
    drop(program);
    let keyring = files.at("store").join("keyring");
    let whole = fs::read(&keyring).expect("a keyring");
    fs::remove_file(&keyring).expect("lost");
    refused("key = \"first.key\"", &["keyring: is missing", "copy of it"]);
    fs::write(&keyring, &whole[..100]).expect("half of it");
    refused("key = \"first.key\"", &["keyring: is no keyring", "copy of it"]);
    fs::write(&keyring, &whole).expect("the copy that was kept");
    let mut program = Program::start(&path);
    program.says(&["serving", &ids[0]]);
    drop(program);
    fs::set_permissions(files.at("first.key"), fs::Permissions::from_mode(0o440)).expect("its mode");
    refused("key = \"first.key\"", &["others can read it (mode 440)", "chmod 400"]);
}
