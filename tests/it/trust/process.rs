//! The real program: what it takes up on SIGHUP and by itself, and what its log says.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

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
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id")).expect("not 0");
        kill_process(pid, Signal::HUP).expect("it is there");
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
