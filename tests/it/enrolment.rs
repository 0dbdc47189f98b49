//! Joining: invites, the enrolment listener and what it refuses, over real sockets; and the whole way through the real binary.

#[path = "enrolment/ground.rs"]
pub(crate) mod ground;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, IsCa, SanType};
use samverkan::api as pb;
use samverkan::client::{Client, ClientError};
use samverkan::identity::enrolment::csr::SigningRequest;
use samverkan::identity::enrolment::line::{InviteLine, Secret};
use samverkan::identity::{CertificateSummary, Existing, Subject};
use samverkan::room::enrolment::spoken_code;
use samverkan::server::system_clock;

use ground::{DOMAIN, Ground, authority, forged, issue_server, reason, request, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organisation_joins_in_one_step_accepts_posts_and_reads() {
    let ground = Ground::new();
    let refused = ground.run("contexts", &["invite", "create", "--organisation", "region-c", "--actor", "user/clara"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(text(&refused.stderr).contains("--register"), "{}", text(&refused.stderr));
    ground.coordinator(&["room", "open", "Exercise"]);
    let rooms: serde_json::Value =
        serde_json::from_str(&ground.coordinator(&["room", "list", "--output", "json"])).expect("JSON");
    let room = rooms["room_id"].as_str().expect("an id").to_owned();
    let line = ground.invite(&["--register", "Region C", "--room", &room]);

    let joined = ground.done("theirs", &["join", &line.to_string()]);
    assert!(joined.contains("room accept ") && joined.contains("--context region-c"), "{joined}");
    let key = ground.path("theirs/region-c/key.pem");
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&key).expect("a key"));
    assert_eq!(mode & 0o777, 0o600);
    let certificate = fs::read(ground.path("theirs/region-c/certificate.pem")).expect("a certificate");
    let summary = CertificateSummary::of_pem(&certificate).expect("reads");
    let Subject::Actor { trust_domain, actor } = summary.subject else { panic!("{summary:?}") };
    assert_eq!((trust_domain.as_str(), actor.to_string().as_str()), (DOMAIN, "org/region-c/user/clara"));
    let days = (summary.not_after.0 - system_clock().0) / 86_400_000_000;
    assert!((88..=90).contains(&days), "{days}");

    let accept = joined.lines().find(|line| line.contains("room accept")).expect("the next command");
    let invitation = accept.split_whitespace().skip_while(|word| *word != "accept").nth(1).expect("an id");
    ground.done("theirs", &["room", "accept", invitation, "logs=direct:affected", "--attribution", "named"]);
    ground.done("theirs", &["post", "--material", "logs", "GET /login 200"]);
    let seen = ground.coordinator(&["tail"]);
    assert!(seen.contains("region-c") && seen.contains("GET /login 200"), "{seen}");
    assert!(ground.invites().contains("\"status\":\"used\""));

    // The line again, in another folder: the key would be another.
    let again = ground.run("others", &["join", &line.to_string()]);
    assert_eq!(again.status.code(), Some(3), "{}", text(&again.stderr));
    assert!(text(&again.stderr).contains("no such invite"), "{}", text(&again.stderr));
    let left = fs::read_dir(ground.path("others")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_an_invite_is_good_for_one_key_and_a_retry_gets_the_same_certificate() {
    let ground = Ground::new();
    let line = ground.invite(&["--register", "Region C"]);
    let first = request();
    let issued = ground.enrol(&line, first.clone()).await.expect("issued");
    assert_eq!(ground.enrol(&line, first).await.expect("the same").certificate, issued.certificate);

    let used = reason(ground.enrol(&line, request()).await);
    let guessed = reason(ground.enrol(&InviteLine { secret: Secret([7; 32]), ..line.clone() }, request()).await);
    let revoked = ground.invite(&[]);
    let open = ground.invites();
    let open: serde_json::Value = open
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .find(|one: &serde_json::Value| one["status"] == "open")
        .expect("one is open");
    ground.coordinator(&["invite", "revoke", open["invite_id"].as_str().expect("an id")]);
    let revoked = reason(ground.enrol(&revoked, request()).await);
    let expired = ground.invite(&["--valid", "1s"]);
    while !ground.invites().contains("\"expired\"") {
        tokio::task::yield_now().await;
    }
    let expired = reason(ground.enrol(&expired, request()).await);
    let suspended = ground.invite(&[]);
    ground.coordinator(&["organisation", "suspend", "region-c", "--reason", "left"]);
    let suspended = reason(ground.enrol(&suspended, request()).await);
    assert_eq!(used.0, "INVITE_NOT_VALID");
    assert_eq!([&guessed, &revoked, &expired, &suspended], [&used; 4], "one answer for all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signing_request_that_asks_for_more_is_refused_and_the_invite_stays_good() {
    let ground = Ground::new();
    let line = ground.invite(&["--register", "Region C"]);
    let before = ground.invites();
    let uri = |text: &str| SanType::URI(text.try_into().expect("ASCII"));
    let mut unsigned = request();
    let end = unsigned.len() - 1;
    unsigned[end] ^= 1;
    let cases = [
        (
            "another organisation",
            forged(|params| params.subject_alt_names = vec![uri("spiffe://join.example/org/cert-se/user/anna")]),
            "which is not what the invite is for",
        ),
        (
            "extra names",
            forged(|params| {
                params.subject_alt_names = vec![uri("spiffe://join.example/org/region-c/user/clara"), uri("https://x")]
            }),
            "asks for the name",
        ),
        (
            "a CA flag",
            forged(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            "asks to be an authority",
        ),
        ("a bad signature", unsigned, "not signed by the key"),
        ("huge", vec![0x30; 6000], "4096 at most"),
        ("garbage", vec![1, 2, 3], "no certificate signing request"),
        ("cut", request()[..100].to_vec(), "no certificate signing request"),
    ];
    for (what, request, says) in cases {
        let (reason, text) = reason(ground.enrol(&line, request).await);
        assert!(reason == "FIELD_INVALID" && text.contains(says), "{what}: {reason} {text}");
    }
    assert_eq!(ground.invites(), before, "nothing changed");
    ground.enrol(&line, request()).await.expect("the invite is still good");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_stranger_nothing_is_sent_and_nothing_is_left_behind() {
    let ground = Ground::new();
    let mut line = ground.invite(&["--register", "Region C"]);
    line.authority = [9; 32];
    let refused = ground.run("theirs", &["join", &line.to_string()]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(4), "{said}");
    assert!(said.contains("nothing was sent") && said.contains("fingerprint"), "{said}");
    assert_eq!(fs::read_dir(ground.path("theirs")).map_or(0, Iterator::count), 0, "no key either");
    for line in ["", "samverkan1:a:1", "hello", &line.to_string()[..80]] {
        let refused = ground.run("theirs", &["join", line]);
        assert_eq!(refused.status.code(), Some(2), "{line}: {}", text(&refused.stderr));
    }
    let away = InviteLine { address: "127.0.0.1:1".into(), ..line };
    assert_eq!(ground.run("theirs", &["join", &away.to_string()]).status.code(), Some(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_run_into_the_limit_and_the_listener_serves_nothing_else() {
    let ground = Ground::new();
    let line = ground.invite(&["--register", "Region C"]);
    let client = Client::knock(&line).await.expect("connects");
    let refused = client.list_rooms(pb::ListRoomsRequest::default()).await.expect_err("not here");
    assert!(matches!(refused, ClientError::Failed(_)), "{refused:?}");
    let guess = pb::EnrolRequest { secret: vec![7; 32].into(), signing_request: request().into() };
    // What is refused for its rate is tried again by the client, so only the trail tells.
    let refused = || ground.coordinator(&["audit", "list", "--output", "json"]).contains("too-many-attempts");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !refused() {
        assert!(std::time::Instant::now() < deadline, "nothing was refused");
        let guesses = (0..50).map(|_| client.enrol(guess.clone()));
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), futures_util::future::join_all(guesses)).await;
    }
    assert!(!ground.invites().contains("\"used\""));
}

#[test]
fn a_server_that_could_not_be_trusted_by_who_enrols_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = |name: &str| folder.path().join(name);
    let ca = authority("ca");
    authority("other").write(&own("other"), Existing::Refuse).expect("written");
    issue_server(&ca).write(&own("server"), Existing::Refuse).expect("written");
    let serve = |roots: &Path| {
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[identity]\ntrust_domain = \"join.example\"\ncoordinator = \"cert-se\"\n\
             [tls]\ncertificate = \"server/certificate.pem\"\nkey = \"server/key.pem\"\nclient_roots = {roots:?}\n[store]\ndirectory = \"store\"\nkey = \"none\"\n\
             [enrolment]\nlisten = \"127.0.0.1:0\"\naddress = \"127.0.0.1:1\"\nauthority = \"other\"\n"
        );
        fs::write(own("server.toml"), config).expect("written");
        let output =
            Command::new(env!("CARGO_BIN_EXE_samverkan")).args(["serve", "--config"]).arg(own("server.toml")).output();
        let output = output.expect("the program starts");
        (output.status.code(), text(&output.stderr))
    };
    let (code, said) = serve(&own("server/ca.pem"));
    assert!(code == Some(64) && said.contains("tls.client_roots"), "{said}");
    let (code, said) = serve(&own("other/ca.pem"));
    assert!(code == Some(64) && said.contains("tls.certificate"), "{said}");
}

/// The code that whoever has this key reads out.
fn code(line: &InviteLine, request: &[u8]) -> String {
    let key = SigningRequest::read(request).expect("a request").key_digest();
    spoken_code(&line.secret.digest(), &key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_coordinator_approves_a_line_alone_gets_nothing() {
    let ground = Ground::new();
    let line = ground.invite(&["--register", "Region C", "--approve"]);
    let mut joining = ground
        .command("theirs", &["join", &line.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut said = BufReader::new(joining.stderr.take().expect("piped")).lines().map(|line| line.expect("text"));
    let is_code = |line: &String| line.trim().len() == 9 && line.trim().as_bytes()[4] == b'-';
    let code = said.find(is_code).expect("a code").trim().to_owned();
    assert!(ground.invites().contains("\"status\":\"waiting\""), "{}", ground.invites());
    let wrong = if code.starts_with('0') { "1111-1111" } else { "0000-0000" };
    let (exit, why) = ground.fails("contexts", &["invite", "approve", wrong]);
    assert!(exit == 3 && why.contains("no key that waits has this code"), "{why}");
    assert!(ground.invites().contains("\"waiting\""), "nothing changed");

    let approved =
        ground.coordinator(&["invite", "approve", &code.to_lowercase().replace('-', ""), "--output", "json"]);
    assert!(approved.contains("org/region-c/user/clara"), "{approved}");
    let rest: Vec<String> = said.collect();
    let joined = joining.wait_with_output().expect("ends");
    assert!(joined.status.success(), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("checks of the connection pass")), "{rest:?}");
    ground.done("theirs", &["room", "list"]);
    assert!(ground.invites().contains("\"used\""));
    assert_eq!(
        ground.trail("certificate_issued"),
        ["invite_created", "enrolment_requested", "enrolment_approved", "certificate_issued"]
    );
    let (exit, why) = ground.fails("contexts", &["invite", "approve", &code]);
    assert!(exit == 3 && why.contains("nobody waits"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_who_stole_a_line_has_another_code_than_its_owner() {
    let ground = Ground::new();
    let line = ground.invite(&["--register", "Region C", "--approve"]);
    let (thief, owner) = (request(), request());
    assert_eq!(reason(ground.enrol(&line, thief.clone()).await).0, "APPROVAL_PENDING");
    // The owner is told that something is wrong, and what is read out is not taken.
    assert_eq!(reason(ground.enrol(&line, owner.clone()).await).0, "INVITE_NOT_VALID");
    let (_, why) = ground.fails("contexts", &["invite", "approve", &code(&line, &owner)]);
    assert!(why.contains("somebody else has used the line"), "{why}");
    assert_eq!(reason(ground.enrol(&line, thief.clone()).await).0, "APPROVAL_PENDING");

    let id = ground.invites();
    let id: serde_json::Value = serde_json::from_str(&id).expect("JSON");
    ground.coordinator(&["invite", "revoke", id["invite_id"].as_str().expect("an id")]);
    let (_, why) = ground.fails("contexts", &["invite", "approve", &code(&line, &thief)]);
    assert!(why.contains("nobody waits"), "{why}");
    assert_eq!(reason(ground.enrol(&line, thief).await).0, "INVITE_NOT_VALID");
    assert!(!ground.trail("invite_revoked").contains(&"certificate_issued".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r4_who_waits_and_who_is_approved_outlives_a_crash() {
    let mut ground = Ground::new();
    let mut line = ground.invite(&["--register", "Region C", "--approve"]);
    let key = request();
    assert_eq!(reason(ground.enrol(&line, key.clone()).await).0, "APPROVAL_PENDING");
    ground.restart();
    line.address = ground.enrolment.clone();
    assert_eq!(reason(ground.enrol(&line, key.clone()).await).0, "APPROVAL_PENDING");
    assert_eq!(reason(ground.enrol(&line, request()).await).0, "INVITE_NOT_VALID", "the place is taken");
    ground.coordinator(&["invite", "approve", &code(&line, &key)]);
    ground.restart();
    line.address = ground.enrolment.clone();
    assert!(ground.invites().contains("\"approved\""));
    let issued = ground.enrol(&line, key.clone()).await.expect("issued");
    ground.restart();
    line.address = ground.enrolment.clone();
    assert_eq!(ground.enrol(&line, key).await.expect("the same").certificate, issued.certificate);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_of_a_line_is_in_the_store() {
    let ground = Ground::new();
    let (used, open) = (ground.invite(&["--register", "Region C"]), ground.invite(&[]));
    ground.enrol(&used, request()).await.expect("issued");
    let mut read = 0;
    let mut folders = vec![ground.path("store")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).expect("a file");
            read += bytes.len();
            for line in [&used, &open] {
                let has = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
                assert!(!has(&line.secret.0) && !has(line.to_string().as_bytes()), "{}", path.display());
            }
        }
    }
    assert!(read > 1000, "the store was read: {read} bytes");
}

#[test]
fn whoever_is_revoked_while_tailing_is_told_so() {
    let ground = Ground::new();
    ground.coordinator(&["room", "open", "Exercise"]);
    let room: serde_json::Value =
        serde_json::from_str(&ground.coordinator(&["room", "list", "--output", "json"])).expect("JSON");
    let room = room["room_id"].as_str().expect("an id");
    let line = ground.invite(&["--register", "Region C", "--room", room]);
    let joined = ground.done("theirs", &["join", &line.to_string()]);
    let accept = joined.lines().find(|line| line.contains("room accept")).expect("the next command");
    let invitation = accept.split_whitespace().skip_while(|word| *word != "accept").nth(1).expect("an id");
    ground.done("theirs", &["room", "accept", invitation, "logs=direct:affected", "--attribution", "named"]);
    ground.done("theirs", &["post", "--material", "logs", "GET /login 200"]);

    let tail = ["tail", "--follow"];
    let tail = ground.command("theirs", &tail).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut tail = tail.expect("the program starts");
    let mut shown = BufReader::new(tail.stdout.take().expect("piped")).lines().map(|line| line.expect("text"));
    assert!(shown.any(|line| line.contains("GET /login 200")), "it follows");
    ground.coordinator(&["certs", "revoke", "--actor", "org/region-c/user/clara", "--reason", "laptop stolen"]);
    assert_eq!(shown.next(), None, "nothing more is shown");
    let ended = tail.wait_with_output().expect("ends");
    let said = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(4), "{said}");
    assert!(said.contains("the coordinator has revoked the access of this person or program"), "{said}");
}
