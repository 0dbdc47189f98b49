//! A folder with an authority, a server's certificate, its configuration, and the program serving it with an enrolment listener.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use samverkan::api as pb;
use samverkan::client::{Client, ClientError, Context};
use samverkan::identity::enrolment::line::InviteLine;
use samverkan::identity::issue::{self, AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE};
use samverkan::identity::{Authority, Existing};
use samverkan::room::ids::{Actor, Timestamp};
use samverkan::server::system_clock;

pub(crate) const DOMAIN: &str = "join.example";

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

pub(crate) struct Ground {
    folder: tempfile::TempDir,
    pub(crate) authority: Authority,
    server: Child,
    said: Receiver<String>,
    pub(crate) enrolment: String,
    pub(crate) address: String,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let own = |name: &str| folder.path().join(name);
        let authority = authority("tests");
        authority.write(&own("ca"), Existing::Refuse).expect("written");
        issue_server(&authority).write(&own("server"), Existing::Refuse).expect("written");
        let anna = "org/cert-se/user/anna".parse().expect("an actor");
        let issued = authority.issue_actor(&anna, 2, system_clock()).expect("issued");
        issued.write(&own("anna"), Existing::Refuse).expect("written");
        let config = "[server]\nlisten = \"127.0.0.1:0\"\n[identity]\ntrust_domain = \"join.example\"\ncoordinator = \"cert-se\"\n\
            [tls]\ncertificate = \"server/certificate.pem\"\nkey = \"server/key.pem\"\nclient_roots = \"server/ca.pem\"\n\
            [store]\ndirectory = \"store\"\nkey = \"store.key\"\nreserve_mib = 1\n\
            [enrolment]\nlisten = \"127.0.0.1:0\"\naddress = \"127.0.0.1:1\"\nauthority = \"ca\"\n[log]\nformat = \"json\"\n";
        samverkan::sealing::KeyEncryptionKey::random().write(&own("store.key")).expect("a key");
        fs::write(own("server.toml"), config).expect("written");
        let Serving { server, said, address, enrolment } = Serving::start(&own("server.toml"));
        let ground = Self { folder, authority, server, said, enrolment, address };
        ground.write_context("contexts/cert-se", "cert-se", "user/anna", "../anna");
        ground
    }

    /// Writes a context whose files are in a folder.
    pub(crate) fn write_context(&self, name: &str, organisation: &str, actor: &str, files: &str) -> PathBuf {
        let files = PathBuf::from(files);
        let context = Context {
            address: self.address.clone(),
            server_name: None,
            ca: files.join(AUTHORITY_FILE),
            certificate: files.join(CERTIFICATE_FILE),
            key: files.join(KEY_FILE),
            organisation: organisation.into(),
            actor: actor.into(),
        };
        let path = self.path(&format!("{name}.toml"));
        context.write(&path).expect("written");
        path
    }

    /// A certificate that was issued so many days ago, for so many days, and a context for it.
    pub(crate) fn issue_earlier(&self, contexts: &str, actor: &str, ago: i64, days: u32) {
        let actor: Actor = actor.parse().expect("an actor");
        let then = Timestamp(system_clock().0 - ago * DAY_US);
        let issued = self.authority.issue_actor(&actor, days, then).expect("issued");
        issued.write(&self.path(&format!("{contexts}/own")), Existing::Refuse).expect("written");
        self.write_context(&format!("{contexts}/own"), actor.organisation.as_str(), "user/anna", "own");
    }

    /// Kills the server and starts it again, on other ports.
    pub(crate) fn restart(&mut self) {
        self.server.kill().expect("killed");
        self.server.wait().expect("ended");
        let Serving { server, said, address, enrolment } = Serving::start(&self.path("server.toml"));
        (self.server, self.said, self.address, self.enrolment) = (server, said, address, enrolment);
        self.write_context("contexts/cert-se", "cert-se", "user/anna", "../anna");
    }

    /// Lets the server read its files again, and waits until its log says this of it. It may have seen by itself that they changed.
    pub(crate) fn reload(&mut self, says: &str) {
        kill_process(Pid::from_child(&self.server), Signal::HUP).expect("a signal");
        let is_it = |fields: &serde_json::Value| {
            fields["message"].as_str().is_some_and(|message| message.to_lowercase().contains("reload"))
        };
        next_line(&self.said, |fields| is_it(fields) && fields.to_string().contains(says));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, contexts: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_samverkan"));
        command.args(arguments).env("SAMVERKAN_CONTEXTS", self.path(contexts)).env_remove("SAMVERKAN_CONTEXT");
        command
    }

    pub(crate) fn run(&self, contexts: &str, arguments: &[&str]) -> Output {
        self.command(contexts, arguments).output().expect("the program starts")
    }

    pub(crate) fn done(&self, contexts: &str, arguments: &[&str]) -> String {
        let output = self.run(contexts, arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments:?}\n{out}\n{err}");
        out
    }

    /// Its exit code, and what it says.
    pub(crate) fn fails(&self, contexts: &str, arguments: &[&str]) -> (i32, String) {
        let output = self.run(contexts, arguments);
        assert!(!output.status.success(), "{arguments:?}\n{}", text(&output.stdout));
        (output.status.code().unwrap_or(-1), text(&output.stderr))
    }

    pub(crate) fn coordinator(&self, arguments: &[&str]) -> String {
        self.done("contexts", arguments)
    }

    /// A line, with the address at which the server really listens.
    pub(crate) fn invite(&self, more: &[&str]) -> InviteLine {
        let create = ["invite", "create", "--output", "json", "--organisation", "region-c", "--actor", "user/clara"];
        let made = self.coordinator(&[&create[..], more].concat());
        let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
        let mut line: InviteLine = made["line"].as_str().expect("a line").parse().expect("an invite");
        line.address = self.enrolment.clone();
        line
    }

    pub(crate) async fn enrol(&self, line: &InviteLine, request: Vec<u8>) -> Result<pb::EnrolResponse, ClientError> {
        let client = Client::knock(line).await?;
        client.enrol(pb::EnrolRequest { secret: line.secret.0.to_vec().into(), signing_request: request.into() }).await
    }

    /// What the directory has on record of invites.
    pub(crate) fn invites(&self) -> String {
        self.coordinator(&["invite", "list", "--output", "json"])
    }

    /// The kinds of the audit trail's records about certificates and invites, once the last of them is there.
    pub(crate) fn trail(&self, last: &str) -> Vec<String> {
        loop {
            let all = self.coordinator(&["audit", "list", "--output", "json"]);
            let kinds: Vec<String> = all
                .lines()
                .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
                .filter_map(|record| record["kind"].as_str().map(ToOwned::to_owned))
                .filter(|kind| ["invite_", "enrolment_", "certificate_"].iter().any(|start| kind.starts_with(start)))
                .collect();
            if kinds.iter().any(|kind| kind == last) {
                return kinds;
            }
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

struct Serving {
    server: Child,
    said: Receiver<String>,
    address: String,
    enrolment: String,
}

impl Serving {
    fn start(config: &std::path::Path) -> Self {
        let mut server = Command::new(env!("CARGO_BIN_EXE_samverkan"))
            .args(["serve", "--config"])
            .arg(config)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = BufReader::new(server.stderr.take().expect("piped"));
        let (line, said) = channel();
        // Read to the end: a server whose log nobody takes off the pipe waits for that.
        std::thread::spawn(move || log.lines().map_while(Result::ok).for_each(|said| drop(line.send(said))));
        let (_, (address, enrolment)) = next_line(&said, |fields| !fields["enrolment"].is_null());
        Self { server, said, address, enrolment }
    }
}

/// The fields of the next line that is wanted, and the addresses in them.
fn next_line(
    said: &Receiver<String>,
    wanted: impl Fn(&serde_json::Value) -> bool,
) -> (serde_json::Value, (String, String)) {
    loop {
        let line = said.recv().expect("the server goes on");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let fields = value["fields"].clone();
        if wanted(&fields) {
            let field = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
            let addresses = (field("address"), field("enrolment"));
            return (fields, addresses);
        }
    }
}

pub(crate) fn authority(name: &str) -> Authority {
    let domain = DOMAIN.parse().expect("a trust domain");
    // Made a while ago, so that it has issued what expires soon.
    Authority::create(&domain, name, 200, Timestamp(system_clock().0 - 60 * DAY_US)).expect("an authority")
}

pub(crate) fn issue_server(authority: &Authority) -> samverkan::identity::Issued {
    authority.issue_server(&["127.0.0.1".to_owned(), "localhost".to_owned()], 2, system_clock()).expect("issued")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn request() -> Vec<u8> {
    issue::signing_request(&issue::new_key().expect("a key")).expect("a request")
}

pub(crate) fn forged(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    change(&mut params);
    params.serialize_request(&KeyPair::generate().expect("a key")).expect("a request").der().to_vec()
}

/// Why it was refused, as programs and as people read it.
pub(crate) fn reason<T: std::fmt::Debug>(result: Result<T, ClientError>) -> (String, String) {
    match result {
        Err(ClientError::Refused(refused)) => (refused.reason.clone(), refused.to_string()),
        other => panic!("refused: {other:?}"),
    }
}
