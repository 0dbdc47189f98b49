//! `certs export`, as the real program does it: what is in the file, and what is refused without leaving anything behind.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use p12_keystore::KeyStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use samverkan::client::Context;
use samverkan::identity::issue::{AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE};
use samverkan::identity::{Authority, Existing};
use samverkan::server::system_clock;

const PASSWORD: &str = "correct horse 7";

/// A context `anna` with its files beside it, a file with a password, and a folder to write to.
struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let ground = Self { folder: tempfile::tempdir().expect("a folder") };
        let domain = "export.example".parse().expect("a trust domain");
        let authority = Authority::create(&domain, "tests", 200, system_clock()).expect("an authority");
        let actor = "org/region-a/user/anna".parse().expect("an actor");
        let issued = authority.issue_actor(&actor, 2, system_clock()).expect("issued");
        issued.write(&ground.path("contexts/anna"), Existing::Refuse).expect("written");
        let context = Context {
            address: "127.0.0.1:1".into(),
            server_name: None,
            ca: Path::new("anna").join(AUTHORITY_FILE),
            certificate: Path::new("anna").join(CERTIFICATE_FILE),
            key: Path::new("anna").join(KEY_FILE),
            organisation: "region-a".into(),
            actor: "user/anna".into(),
        };
        context.write(&ground.path("contexts/anna.toml")).expect("written");
        fs::create_dir(ground.path("out")).expect("made");
        ground.password("password", &format!("{PASSWORD}\nnot this line\n"), 0o600);
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn password(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.path(name), text).expect("written");
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).expect("set");
    }

    fn pem(&self, name: &str) -> Vec<u8> {
        fs::read(self.path("contexts/anna").join(name)).expect("a file of the context")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_samverkan"));
        command.args(["certs", "export"]).args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("SAMVERKAN_CONTEXTS", self.path("contexts")).env_remove("SAMVERKAN_CONTEXT");
        command.output().expect("the program starts")
    }

    fn export(&self) -> Output {
        self.run(&["--pkcs12", "out/me.p12", "--password-file", "password", "--output", "json"])
    }

    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("out")).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    fn refused(&self, arguments: &[&str], exit: i32, says: &str) {
        let output = self.run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said}");
        assert!(said.contains(says) && said.contains("hint:"), "{arguments:?}: {said}");
        assert!(!said.contains(PASSWORD), "{said}");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_file_opens_with_its_password_only_and_holds_the_same_key_and_certificates() {
    let ground = Ground::new();
    let output = ground.export();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((told["context"].as_str(), told["certificates"].as_u64()), (Some("anna"), Some(2)), "{told}");

    let path = ground.path("out/me.p12");
    assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
    assert_eq!(ground.left(), ["me.p12"]);
    let bytes = fs::read(&path).expect("reads");
    let store = KeyStore::from_pkcs12(&bytes, PASSWORD).expect("opens");
    let (name, entry) = store.private_key_chain().expect("a key");
    let key = PrivatePkcs8KeyDer::from_pem_slice(&ground.pem(KEY_FILE)).expect("a key");
    assert_eq!((name, entry.key()), ("anna", key.secret_pkcs8_der()));
    let chain: Vec<_> = entry.chain().iter().map(|certificate| certificate.as_der().to_vec()).collect();
    let own = [CERTIFICATE_FILE, AUTHORITY_FILE]
        .map(|file| CertificateDer::from_pem_slice(&ground.pem(file)).expect("a certificate").to_vec());
    assert_eq!(chain, own);
    for wrong in ["", "correct horse 8", "correct horse 7 "] {
        assert!(KeyStore::from_pkcs12(&bytes, wrong).is_err(), "{wrong:?}");
    }
    // Nor is any of it there to read without one.
    assert!(
        !bytes
            .windows(8)
            .any(|part| own[0].windows(8).nth(40) == Some(part) || part == &key.secret_pkcs8_der()[40..48])
    );
}

/// What other programs make of it, where one of them is at hand.
#[test]
fn openssl_reads_the_same() {
    let ground = Ground::new();
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(["pkcs12", "-in", "out/me.p12", "-nodes"]).args(arguments).current_dir(ground.folder.path());
        command.stdin(Stdio::null()).output()
    };
    if Command::new("openssl").arg("version").output().is_err() {
        return;
    }
    assert!(ground.export().status.success());
    let password = format!("pass:{PASSWORD}");
    let read = |what: &str| text(&openssl(&[what, "-passin", &password]).expect("it runs").stdout);
    let body = |pem: &str| pem.split("-----").nth(2).unwrap_or_default().replace('\n', "");
    assert_eq!(body(&read("-nocerts")), body(&text(&ground.pem(KEY_FILE))), "the key");
    assert_eq!(body(&read("-clcerts")), body(&text(&ground.pem(CERTIFICATE_FILE))), "the certificate");
    assert_eq!(body(&read("-cacerts")), body(&text(&ground.pem(AUTHORITY_FILE))), "the authority");
    assert!(!openssl(&["-passin", "pass:another one"]).expect("it runs").status.success());
}

#[test]
fn a_file_that_is_there_stays_as_it_was() {
    let ground = Ground::new();
    fs::write(ground.path("out/me.p12"), "precious").expect("written");
    let arguments = ["--pkcs12", "out/me.p12", "--password-file", "password"];
    ground.refused(&arguments, 2, "is there already and is not overwritten");
    assert_eq!(fs::read(ground.path("out/me.p12")).expect("reads"), b"precious");
    fs::remove_file(ground.path("out/me.p12")).expect("removed");
    std::os::unix::fs::symlink("nowhere", ground.path("out/me.p12")).expect("a link");
    ground.refused(&arguments, 2, "is there already");
    assert_eq!(ground.left(), ["me.p12"]);
}

#[test]
fn a_password_that_others_can_read_or_guess_or_type_differently_is_refused() {
    let ground = Ground::new();
    let long = "x".repeat(129);
    for (text, mode, says) in [
        (PASSWORD, 0o640, "others can read it (mode 640)"),
        (PASSWORD, 0o604, "others can read it (mode 604)"),
        ("1234567", 0o600, "has 7 characters, it needs at least 8"),
        ("", 0o600, "has 0 characters"),
        ("\ncorrect horse 7", 0o600, "has 0 characters"),
        (&long, 0o600, "is longer than 128 characters"),
        ("lösenordet", 0o600, "has other than printable ASCII characters"),
        ("with\ttabs in it", 0o600, "has other than printable ASCII characters"),
    ] {
        ground.password("bad", text, mode);
        ground.refused(&["--pkcs12", "out/me.p12", "--password-file", "bad"], 64, says);
    }
    ground.refused(&["--pkcs12", "out/me.p12"], 2, "no terminal to ask for a password on");
    ground.refused(&["--pkcs12", "out/me.p12", "--password-file", "missing"], 74, "missing: No such file");
    ground.refused(&["--pkcs12", "none/me.p12", "--password-file", "password"], 74, "none/me.p12: entity not found");
    assert_eq!(ground.left(), [""; 0], "nothing is left behind");
}

#[test]
fn a_context_whose_files_are_wrong_is_told_which_and_what_mends_it() {
    let ground = Ground::new();
    let arguments = ["--pkcs12", "out/me.p12", "--password-file", "password"];
    let key = ground.path("contexts/anna").join(KEY_FILE);
    for (pem, says) in [
        (samverkan::identity::issue::new_key().expect("a key"), "is not the private key of the certificate"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n".into(), "key.pem: "),
        ("no key".into(), "key.pem: "),
    ] {
        fs::write(&key, pem).expect("written");
        ground.refused(&arguments, 64, says);
    }
    ground.refused(&[&arguments[..], &["--context", "bertil"]].concat(), 64, "no context \"bertil\"");
    assert_eq!(ground.left(), [""; 0], "nothing is left behind");
}
