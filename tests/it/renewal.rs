//! Renewal of certificates through the real binary: what it changes, what it refuses, and how it goes on when it was cut.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rcgen::{BasicConstraints, IsCa, SanType};
use rustix::process::{Pid, Signal, kill_process};
use samverkan::api as pb;
use samverkan::client::probe::{reach, shake};
use samverkan::client::{Client, Context};
use samverkan::identity::enrolment::csr::SigningRequest;
use samverkan::identity::issue::{self, AUTHORITY_FILE};
use samverkan::identity::{CertificateSummary, Existing, Subject};
use samverkan::server::system_clock;

use super::enrolment::ground::{DOMAIN, Ground, authority, forged, issue_server, reason, request, text};

/// A ground where region-c's clara has joined, in the contexts `theirs`.
fn joined() -> Ground {
    let ground = Ground::new();
    let line = ground.invite(&["--register", "Region C"]);
    ground.done("theirs", &["join", &line.to_string()]);
    // The server says in invites where it will be reached, which is not where it listens here.
    ground
}

fn certificate(path: &Path) -> CertificateSummary {
    CertificateSummary::of_pem(&fs::read(path).expect("a certificate")).expect("reads")
}

fn own(ground: &Ground) -> CertificateSummary {
    certificate(&ground.path("theirs/region-c/certificate.pem"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for name in files(from) {
        fs::copy(from.join(&name), to.join(&name)).expect("copied");
    }
}

async fn client(ground: &Ground, path: &str) -> Client {
    let context = Context::load(&ground.path(path)).expect("a context");
    Client::connect(&context).await.expect("connects")
}

fn renewal(request_id: &str, signing_request: Vec<u8>) -> pb::RenewCertificateRequest {
    pb::RenewCertificateRequest { request_id: request_id.into(), signing_request: signing_request.into() }
}

#[test]
fn a_renewal_has_a_new_key_and_leaves_nothing_else() {
    let ground = joined();
    let folder = ground.path("theirs/region-c");
    let (before, key) = (own(&ground), fs::read(folder.join("key.pem")).expect("a key"));
    let old = ground.path("older/region-c");
    copy(&folder, &old);
    ground.write_context("older/region-c", "region-c", "user/clara", "region-c");

    let said: serde_json::Value =
        serde_json::from_str(&ground.done("theirs", &["certs", "renew", "--output", "json"])).expect("JSON");
    let after = own(&ground);
    assert_eq!(said["certificate_sha256"], hex(&after.fingerprint));
    assert_eq!(said["previous_certificate_sha256"], hex(&before.fingerprint));
    assert_ne!(fs::read(folder.join("key.pem")).expect("a key"), key);
    assert_eq!(fs::metadata(folder.join("key.pem")).expect("a key").mode() & 0o777, 0o600);
    assert_eq!(files(&folder), ["ca.pem", "certificate.pem", "key.pem"]);
    assert_eq!(after.subject, before.subject);
    let Subject::Actor { trust_domain, .. } = &after.subject else { panic!("{after:?}") };
    assert_eq!(trust_domain.as_str(), DOMAIN);
    ground.done("theirs", &["room", "list"]);
    ground.done("older", &["room", "list"]);
    assert!(
        ground.trail("certificate_renewed").ends_with(&["certificate_issued".into(), "certificate_renewed".into()])
    );
}

#[test]
fn r10_with_a_revoked_certificate_falls_what_was_got_by_it() {
    let ground = joined();
    let stolen = own(&ground);
    copy(&ground.path("theirs/region-c"), &ground.path("thief/region-c"));
    ground.write_context("thief/region-c", "region-c", "user/clara", "region-c");
    ground.done("thief", &["certs", "renew"]);
    ground.done("thief", &["certs", "renew"]);
    let revoke = ["certs", "revoke", "--reason", "stolen", "--certificate"];
    ground.coordinator(&[&revoke[..], &[&hex(&stolen.fingerprint)]].concat());
    for (whose, what) in [("theirs", "room"), ("thief", "room")] {
        let (exit, why) = ground.fails(whose, &[what, "list"]);
        assert!(exit == 4 && why.contains("revoked"), "{whose}: {exit} {why}");
    }
    let (exit, _) = ground.fails("thief", &["certs", "renew"]);
    assert_eq!(exit, 4, "nor is it renewed");
    let line = ground.invite(&[]);
    ground.done("again", &["join", &line.to_string()]);
    ground.done("again", &["room", "list"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_a_renewal_that_was_cut_goes_on_where_it_was() {
    let ground = joined();
    let folder = ground.path("theirs/region-c");
    let begin = folder.clone();
    let before = own(&ground);
    // Cut before the answer: the key is there, and the server has made the certificate.
    ground.done("theirs", &["certs", "renew"]);
    let renewed = own(&ground);
    copy(&begin, &ground.path("kept"));
    let key = issue::new_key().expect("a key");
    fs::write(folder.join("next-key.pem"), &key).expect("written");
    ground.done("theirs", &["certs", "renew"]);
    let next = own(&ground);
    assert_ne!(next.fingerprint, renewed.fingerprint);
    let used = SigningRequest::read(&issue::signing_request(&key).expect("a request")).expect("reads").public_key;
    assert_eq!(next.public_key, used, "the key that was there is used");

    // Cut after the answer, before either file took its place; then between the two.
    let (new_key, new) = (folder.join("key.pem"), folder.join("certificate.pem"));
    for key_has_moved in [false, true] {
        let places =
            [("key.pem", folder.join("next-key.pem")), ("certificate.pem", folder.join("next-certificate.pem"))];
        for (name, place) in &places {
            fs::rename(folder.join(name), place).expect("moved");
            fs::copy(ground.path("kept").join(name), folder.join(name)).expect("copied");
        }
        if key_has_moved {
            fs::rename(&places[0].1, &new_key).expect("moved");
        }
        ground.done("theirs", &["room", "list"]);
        assert_eq!(certificate(&new).fingerprint, next.fingerprint, "{key_has_moved}");
        assert_eq!(files(&folder), ["ca.pem", "certificate.pem", "key.pem"]);
    }
    assert_ne!(before.fingerprint, next.fingerprint);

    // The same key with the same id gets the same certificate, whatever else is in the request: it is signed anew.
    let client = client(&ground, "theirs/region-c.toml").await;
    let (id, key) = ("7f2c1c9e-0000-4000-8000-000000000001", issue::new_key().expect("a key"));
    let signed = || issue::signing_request(&key).expect("a request");
    let first = client.renew_certificate(renewal(id, signed())).await.expect("renewed");
    let again = client.renew_certificate(renewal(id, signed())).await.expect("renewed");
    assert_eq!(first.certificate, again.certificate);
    assert_eq!(reason(client.renew_certificate(renewal(id, request())).await).0, "REQUEST_ID_REUSED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_asks_for_more_than_a_new_key_is_refused() {
    let ground = joined();
    let client = client(&ground, "theirs/region-c.toml").await;
    let uri = |text: &str| SanType::URI(text.try_into().expect("ASCII"));
    let own_key = fs::read_to_string(ground.path("theirs/region-c/key.pem")).expect("a key");
    let cases = [
        (
            "another organisation",
            forged(|params| params.subject_alt_names = vec![uri("spiffe://join.example/org/cert-se/user/anna")]),
            "asks for the name",
        ),
        (
            "a CA flag",
            forged(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            "asks to be an authority",
        ),
        ("the same key", issue::signing_request(&own_key).expect("a request"), "make a new key"),
        ("garbage", vec![1, 2, 3], "no certificate signing request"),
    ];
    for (what, signing_request, says) in cases {
        let (reason, text) = reason(client.renew_certificate(renewal("", signing_request)).await);
        assert!(reason == "FIELD_INVALID" && text.contains(says), "{what}: {reason} {text}");
    }
    let kinds = ground.trail("certificate_refused");
    assert!(!kinds.contains(&"certificate_renewed".to_owned()), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_so_many_renewals_a_day_and_only_of_what_was_issued_here() {
    let mut ground = joined();
    let clara = client(&ground, "theirs/region-c.toml").await;
    for n in 0..samverkan::limits::RENEWALS_PER_DAY_MAX {
        clara.renew_certificate(renewal("", request())).await.unwrap_or_else(|error| panic!("{n}: {error}"));
    }
    let (why, text) = reason(clara.renew_certificate(renewal("", request())).await);
    assert!(why == "LIMIT_REACHED" && text.contains("renewals a day"), "{why} {text}");

    // An organisation with an authority of its own.
    let other = authority("other");
    let carl = "org/region-c/user/carl".parse().expect("an actor");
    other
        .issue_actor(&carl, 2, system_clock())
        .expect("issued")
        .write(&ground.path("own/own"), Existing::Refuse)
        .expect("written");
    let roots = fs::read_to_string(ground.path("ca").join(AUTHORITY_FILE)).expect("PEM");
    fs::write(ground.path("server/ca.pem"), roots.clone() + other.certificate_pem()).expect("written");
    ground.reload("\"authorities\":2");
    fs::write(ground.path("own/own").join(AUTHORITY_FILE), roots).expect("written");
    ground.write_context("own/own", "region-c", "user/carl", "own");
    ground.done("own", &["room", "list"]);
    let (exit, why) = ground.fails("own", &["certs", "renew"]);
    assert!(exit == 3 && why.contains("renews only what it issued"), "{exit} {why}");
}

#[test]
fn a_certificate_that_is_due_is_spoken_of() {
    let ground = joined();
    ground.issue_earlier("due", "org/region-c/user/anna", 8, 10);
    let due = text(&ground.run("due", &["room", "list"]).stderr);
    assert!(due.contains("expires in a day") && due.contains("certs renew"), "{due}");
    let fresh = text(&ground.run("theirs", &["room", "list"]).stderr);
    assert!(!fresh.contains("certs renew"), "{fresh}");
    ground.done("due", &["certs", "renew"]);
    let renewed = text(&ground.run("due", &["room", "list"]).stderr);
    assert!(!renewed.contains("certs renew"), "{renewed}");
    ground.issue_earlier("late", "org/region-c/user/bea", 12, 10);
    let (exit, why) = ground.fails("late", &["certs", "renew"]);
    assert!(exit == 4 && why.contains("expired at") && why.contains("samverkan join"), "{exit} {why}");
}

#[test]
fn the_daemon_renews_when_it_is_due_and_ends_when_it_is_told() {
    let ground = joined();
    ground.issue_earlier("due", "org/region-c/user/anna", 8, 10);
    let before = certificate(&ground.path("due/own/certificate.pem"));
    let mut daemon =
        ground.command("due", &["certs", "renew", "--daemon"]).stderr(Stdio::piped()).spawn().expect("starts");
    let mut said = BufReader::new(daemon.stderr.take().expect("piped")).lines().map(|line| line.expect("text"));
    assert!(said.any(|line| line.contains("renewed with a new key")));
    assert!(said.any(|line| line.contains("to be renewed at")), "it waits for the next");
    assert_ne!(certificate(&ground.path("due/own/certificate.pem")).fingerprint, before.fingerprint);
    kill_process(Pid::from_child(&daemon), Signal::TERM).expect("a signal");
    assert_eq!(daemon.wait().expect("ends").code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stays_connects_again_with_the_files_of_then() {
    let ground = joined();
    let clara = client(&ground, "theirs/region-c.toml").await;
    clara.list_rooms(pb::ListRoomsRequest::default()).await.expect("answered");
    let old = own(&ground);
    // Not by renewal: with the old one falls what was got by it.
    let line = ground.invite(&[]);
    ground.done("again", &["join", &line.to_string()]);
    for name in ["key.pem", "certificate.pem"] {
        let path = |whose: &str| -> PathBuf { ground.path(whose).join("region-c").join(name) };
        fs::copy(path("again"), path("theirs")).expect("copied");
    }
    let revoke = ["certs", "revoke", "--reason", "replaced", "--certificate"];
    ground.coordinator(&[&revoke[..], &[&hex(&old.fingerprint)]].concat());
    // The cut reaches the client when it does: until then its calls are refused or fail.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while let Err(error) = clara.list_rooms(pb::ListRoomsRequest::default()).await {
        assert!(std::time::Instant::now() < deadline, "it never comes back: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_enrolment_listener_follows_a_reload_and_a_bad_one_changes_nothing() {
    let mut ground = joined();
    let line = ground.invite(&[]);
    // Of another authority: who enrols could not check it.
    issue_server(&authority("other")).write(&ground.path("server"), Existing::Replace).expect("written");
    fs::copy(ground.path("ca").join(AUTHORITY_FILE), ground.path("server/ca.pem")).expect("copied");
    ground.reload("was not issued by enrolment.authority");
    assert_eq!(reason(ground.enrol(&line, vec![1]).await).0, "FIELD_INVALID", "the old one is in force");
    let new = issue_server(&ground.authority);
    new.write(&ground.path("server"), Existing::Replace).expect("written");
    ground.reload("authorities");
    let context = Context::load(&ground.path("theirs/region-c.toml")).expect("a context");
    let context = Context { address: line.address.clone(), ..context };
    let tcp = reach(line.address.parse().expect("an address")).await.expect("reached");
    let served = shake(&context, tcp).await.expect("TLS").certificate.expect("a certificate");
    assert_eq!(served.fingerprint, certificate(&ground.path("server/certificate.pem")).fingerprint);
    ground.enrol(&line, request()).await.expect("issued");
}
