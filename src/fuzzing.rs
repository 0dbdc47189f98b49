//! What reads bytes of strangers, as functions of bytes that only a fault of ours makes panic. Not part of the product: built for tests
//! and with the feature `fuzzing`.
//!
//! `tests/fuzz` has a target for each; here its corpus, where the inputs of mended faults stay, runs as an
//! ordinary test.

use std::path::Path;
use std::sync::LazyLock;

use rcgen::{KeyPair, SigningKey as _};
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::cli::config;
use crate::identity::enrolment::csr::SigningRequest;
use crate::identity::enrolment::line::{InviteLine, NotAnInvite, Secret};
use crate::identity::{Authority, CertificateSummary, Identity, Subject, TrustDomain};
use crate::limits;
use crate::room::ids::{Actor, OrganisationId, Timestamp};
use crate::service::fuzzed as edge;
use crate::store::codec::fuzzed as codec;

/// As a certificate, in DER and in PEM, and as the text of a name.
pub fn identity(data: &[u8]) {
    let trust_domain = trust_domain();
    if let Ok(identity) = Identity::of(data, &trust_domain) {
        assert_eq!(identity.actor.to_string().parse(), Ok(identity.actor.clone()), "a name reads back");
        assert!(trust_domain.uri(&identity.actor).len() <= limits::URI_NAME_BYTES_MAX);
    }
    let _ = CertificateSummary::of_pem(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(actor) = text.parse::<Actor>() {
        assert_eq!(actor.to_string(), text, "one name, one text");
    }
    if let Ok(organisation) = text.parse::<OrganisationId>() {
        assert_eq!(organisation.as_str(), text);
    }
    let _ = text.parse::<TrustDomain>();
}

/// As an invite line, and as the address in one whose checksum is right. What is taken is what was written, and nothing that a shell
/// would run.
pub fn invite_line(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    if let Ok(line) = text.parse::<InviteLine>() {
        assert_eq!(line.to_string(), plain(text), "one invite, one text");
    }
    let made = InviteLine { address: text.to_owned(), authority: [0xfb; 32], secret: Secret([7; 32]) };
    let written = made.to_string();
    match written.parse::<InviteLine>() {
        Ok(line) => {
            assert_eq!(line, made, "an invite reads back");
            assert!(written.bytes().all(|b| b.is_ascii_alphanumeric() || b":-_.[]".contains(&b)), "{written}");
        }
        Err(NotAnInvite::Address(address)) => assert_eq!(address, text),
        Err(NotAnInvite::TooLong) => assert!(written.len() > limits::INVITE_LINE_BYTES_MAX),
        // White space is no part of a line, so it is another line than was written.
        Err(NotAnInvite::Checksum) => assert_ne!(plain(&written), written),
        Err(error) => panic!("{written}: {error}"),
    }
}

/// As a signing request, and as what one asks for, signed by the key that [`signing_key`] is. Whoever is certified is who the policy
/// says, whatever it asked for.
pub fn signing_request(data: &[u8]) {
    ask_for_certificate(data);
    ask_for_certificate(&signed(data));
}

fn ask_for_certificate(der: &[u8]) {
    static AUTHORITY: LazyLock<Authority> =
        LazyLock::new(|| Authority::create(&trust_domain(), "fuzzing", 100, NOW).expect("an authority"));
    let read = SigningRequest::read(der);
    assert_eq!(read, SigningRequest::read(der), "the same bytes, the same answer");
    let actor: Actor = "org/region-c/user/anna".parse().expect("an actor");
    let (path, uri) = (actor.to_string(), trust_domain().uri(&actor));
    let asked = read.and_then(|request| request.asks_for(&path, &uri).map(|()| request));
    match asked {
        Ok(request) => {
            assert!(der.len() <= limits::CSR_BYTES_MAX);
            let key = &request.public_key;
            assert!(der.windows(key.len()).any(|part| part == key), "the key is the asker's");
            let certificate = AUTHORITY.certify(&actor, key, 10, NOW).expect("a key that is taken can be certified");
            assert_eq!(Identity::of(&certificate, &trust_domain()).map(|identity| identity.actor), Ok(actor.clone()));
            let summary = CertificateSummary::of_der(&certificate.into()).expect("a certificate");
            assert_eq!(summary.public_key, *key);
            assert!(matches!(summary.subject, Subject::Actor { .. }), "no authority, no server: {summary:?}");
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() <= 4096 && !text.chars().any(char::is_control), "{text:?} can't be shown to people");
        }
    }
}

const NOW: Timestamp = Timestamp(1_750_000_000_000_000);

fn trust_domain() -> TrustDomain {
    "test.example".parse().expect("a trust domain")
}

/// A key that is always the same, so that what it signs in a corpus stays good: Ed25519, of 32 times the byte 7.
fn signing_key() -> &'static KeyPair {
    static KEY: LazyLock<KeyPair> = LazyLock::new(|| {
        let pkcs8 = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
        let der = [&pkcs8[..], &[7; 32]].concat();
        KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(der), &rcgen::PKCS_ED25519).expect("a key")
    });
    &KEY
}

/// A signing request whose information is this, whatever it is.
fn signed(information: &[u8]) -> Vec<u8> {
    let signature = signing_key().sign(information).expect("it signs");
    let algorithm = der(0x30, b"\x06\x03\x2b\x65\x70");
    der(0x30, &[information, &algorithm, &der(0x03, &[&[0], &signature[..]].concat())].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut bytes = vec![tag];
    match content.len() {
        short @ 0..128 => bytes.push(short as u8),
        _ => bytes.extend([&[0x80 | length.len() as u8], length].concat()),
    }
    [&bytes, content].concat()
}

/// As a request.
pub fn request(data: &[u8]) {
    edge::request(data);
}

/// As a page token.
pub fn page_token(data: &[u8]) {
    edge::page_token(data);
}

/// As what says where a reader is: a place in the audit trail, an index in a mailbox and the delivery records of that.
pub fn cursor(data: &[u8]) {
    edge::place(data);
    codec::deliveries(data);
}

/// As what is stored.
pub fn stored(data: &[u8]) {
    codec::stored(data);
}

/// As a server's configuration.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(problems) = config::read(text, Path::new("/etc/samverkan")) {
        let lines = text.lines().count().max(1) + 1;
        let named = |problem: &String| problem.split_once(": ").and_then(|(line, _)| line.parse::<usize>().ok());
        assert!(!problems.is_empty() && problems.iter().all(|problem| named(problem).is_some_and(|at| at <= lines)));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::room::ids::{Index, Seq};
    use crate::room::mailbox::{Range, Run};

    type Target = fn(&[u8]);

    const TARGETS: [(&str, Target); 8] = [
        ("identity", identity),
        ("invite_line", invite_line),
        ("signing_request", signing_request),
        ("configuration", configuration),
        ("page_token", page_token),
        ("cursor", cursor),
        ("request", request),
        ("stored", stored),
    ];

    fn corpus(target: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target)
    }

    #[test]
    fn every_input_that_was_kept_still_passes() {
        for (target, run) in TARGETS {
            let kept: Vec<_> =
                fs::read_dir(corpus(target)).expect(target).map(|file| file.expect(target).path()).collect();
            assert!(!kept.is_empty(), "{target} has no seeds");
            for path in kept {
                println!("{}", path.display());
                run(&fs::read(path).expect("a file"));
            }
        }
    }

    /// Seeds that no editor writes, made anew with SAMVERKAN_SEEDS=1.
    #[test]
    fn the_seeds_are_what_their_targets_read() {
        use prost::Message as _;

        use crate::api as pb;
        use crate::room::event::{Entry, Event, Request};
        use crate::room::ids::RequestId;

        let id = "6f0e9c54-7a7e-4b6e-8f39-1d2a3b4c5d6e".to_owned();
        let draft = pb::MessageDraft {
            material: pb::Material::Logs.into(),
            tlp: pb::Tlp::Amber.into(),
            text: "04:10 login failed".into(),
            recipients: vec!["region-b".into()],
            attachments: vec![pb::AttachmentDraft {
                upload_id: id.clone(),
                name: "sshd.log".into(),
                media_type: "text/plain".into(),
                material: pb::Material::Logs.into(),
            }],
            ..pb::MessageDraft::default()
        };
        let start = pb::UploadStart {
            room_id: id.clone(),
            upload_id: id.clone(),
            size_bytes: 1 << 20,
            sha256: vec![9; 32].into(),
        };
        let content = Some(pb::upload_attachment_request::Content::Start(start));
        let uploads = pb::UploadAttachmentRequest { content };
        let post = pb::PostMessageRequest { request_id: id.clone(), room_id: id.clone(), draft: Some(draft) };
        let cell = pb::ConsentCell { material: 1, audience: 1, sharing: pb::Sharing::Direct.into() };
        let change = pb::ConsentChange { cells: vec![cell], ..pb::ConsentChange::default() };
        let report = pb::IntakeReport {
            what_occurred: "ransomware".into(),
            sharing_consent: Some(change.clone()),
            ..pb::IntakeReport::default()
        };
        let reports = pb::ReportIncidentRequest { request_id: id.clone(), report: Some(report) };
        let gives = pb::GiveConsentRequest {
            request_id: id.clone(),
            room_id: id.clone(),
            change: Some(change),
            expected_version: Some(3),
        };
        let revokes = pb::RevokeCertificateRequest {
            request_id: id.clone(),
            certificate_sha256: "ab".repeat(32),
            actor: "org/region-a/user/anna".into(),
            reason: "stolen".into(),
        };
        let expire_time = Some(prost_types::Timestamp { seconds: 1_750_000_000, nanos: 0 });
        let invites = pb::CreateInviteRequest {
            request_id: id.clone(),
            actor: "org/region-a/user/anna".into(),
            secret_digest: vec![6; 32].into(),
            expire_time,
            needs_approval: true,
        };
        let plain = information(|_| ());
        let enrols = pb::EnrolRequest { secret: vec![7; 32].into(), signing_request: signed(&plain).into() };
        let lists = pb::ListAuditRecordsRequest {
            since_time: expire_time,
            kinds: vec!["signed_in".into()],
            organisation_id: "region-a".into(),
            page_size: 10,
            ..pb::ListAuditRecordsRequest::default()
        };
        let subscribes = pb::SubscribeRequest { room_id: id, after_index: 7 };
        let numbered = |name: &str, bytes: Vec<u8>| [vec![edge::number(name).expect("a number")], bytes].concat();
        let line = InviteLine { address: "[2001:db8::1]:7444".into(), authority: [1; 32], secret: Secret([2; 32]) };
        let entry = Entry {
            seq: Seq(0),
            recorded_at: NOW,
            author: "org/region-a/user/anna".parse().ok(),
            request: Some(Request { id: RequestId(uuid::Uuid::from_bytes([5; 16])), digest: [6; 32] }),
            event: Event::RoomClosed,
            is_erased: false,
        };
        let seeds = [
            ("request", "post_message", numbered("PostMessageRequest", post.encode_to_vec())),
            ("request", "report_incident", numbered("ReportIncidentRequest", reports.encode_to_vec())),
            ("request", "give_consent", numbered("GiveConsentRequest", gives.encode_to_vec())),
            ("request", "revoke_certificate", numbered("RevokeCertificateRequest", revokes.encode_to_vec())),
            ("request", "create_invite", numbered("CreateInviteRequest", invites.encode_to_vec())),
            ("request", "enrol", numbered("EnrolRequest", enrols.encode_to_vec())),
            ("request", "list_audit_records", numbered("ListAuditRecordsRequest", lists.encode_to_vec())),
            ("request", "upload", numbered("UploadAttachmentRequest", uploads.encode_to_vec())),
            ("request", "subscribe", numbered("SubscribeRequest", subscribes.encode_to_vec())),
            ("invite_line", "whole", line.to_string().into_bytes()),
            ("signing_request", "whole", signed(&plain)),
            ("signing_request", "plain", plain),
            ("signing_request", "own_names", information(own_names)),
            (
                "signing_request",
                "authority",
                information(|asks| asks.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained)),
            ),
            ("signing_request", "long_oid", information(long_oid)),
            ("cursor", "deliveries", codec::seed_of_deliveries(3, &deliveries())),
            ("cursor", "end_of_numbers", codec::seed_of_deliveries(u64::MAX, &end_of_numbers())),
            ("stored", "room_closed", codec::seed(&entry)),
            ("page_token", "sealed", edge::seed().into_bytes()),
        ];
        for (target, name, bytes) in seeds {
            let path = corpus(target).join(name);
            if std::env::var_os("SAMVERKAN_SEEDS").is_some() {
                fs::write(&path, &bytes).expect("is written");
            }
            assert_eq!(fs::read(&path).expect("a seed"), bytes, "{target}/{name}: run with SAMVERKAN_SEEDS=1");
        }
    }

    /// What a signing request asks for, without the signature.
    fn information(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Vec<u8> {
        use x509_parser::certification_request::X509CertificationRequest;
        use x509_parser::prelude::FromDer as _;

        let mut asks = rcgen::CertificateParams::default();
        asks.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut asks);
        let request = asks.serialize_request(signing_key()).expect("a request");
        let (_, read) = X509CertificationRequest::from_der(request.der()).expect("a request");
        let information = read.certification_request_info.raw.to_vec();
        assert_eq!(signed(&information), request.der().as_ref(), "signed here as there");
        information
    }

    fn own_names(asks: &mut rcgen::CertificateParams) {
        asks.distinguished_name.push(rcgen::DnType::CommonName, "org/region-c/user/anna");
        let uri = "spiffe://test.example/org/region-c/user/anna".try_into().expect("ASCII");
        asks.subject_alt_names = vec![rcgen::SanType::URI(uri)];
        asks.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        asks.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    }

    /// Each part is written with one byte and told with four.
    fn long_oid(asks: &mut rcgen::CertificateParams) {
        let oid = [&[2, 5][..], &[100; 3500]].concat();
        asks.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(&oid, vec![5, 0])];
    }

    fn range(first: u64, runs: Vec<Run>) -> Range {
        let actor = "org/region-a/user/anna".parse().expect("an actor");
        Range { actor, certificate: [8; 32], first: Index(first), runs, recorded_at: NOW }
    }

    fn deliveries() -> [Range; 2] {
        let opened = Run::Opened { by: Seq(9), messages: vec![Seq(1), Seq(2)] };
        [range(1, vec![Run::Entries { seq: Seq(3), count: 4 }]), range(5, vec![opened])]
    }

    /// Records that no log can have led to.
    fn end_of_numbers() -> [Range; 2] {
        let entries = |seq, count| vec![Run::Entries { seq: Seq(seq), count }];
        [range(1, entries(3, u32::MAX)), range(1 << 32, entries(u64::MAX, 1))]
    }

    #[test]
    fn every_target_has_a_program() {
        for (target, _) in TARGETS {
            let program = format!("tests/fuzz/fuzz_targets/{target}.rs");
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(program).exists(), "{target}");
        }
    }
}
