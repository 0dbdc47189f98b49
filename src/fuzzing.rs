//! What reads bytes of strangers, as functions of bytes that only a fault of ours makes panic. Not part of the product: built for tests
//! and with the feature `fuzzing`.
//!
//! `tests/fuzz` has a target for each; here its corpus, where the inputs of mended faults stay, runs as an
//! ordinary test.

use std::path::Path;

use crate::cli::config;
use crate::identity::{CertificateSummary, Identity, TrustDomain};
use crate::room::ids::{Actor, OrganisationId};
use crate::service::fuzzed as edge;
use crate::store::codec::fuzzed as codec;

/// As a certificate, in DER and in PEM, and as the text of a name.
pub fn identity(data: &[u8]) {
    let trust_domain: TrustDomain = "test.example".parse().expect("a trust domain");
    if let Ok(identity) = Identity::of(data, &trust_domain) {
        assert_eq!(identity.actor.to_string().parse(), Ok(identity.actor.clone()), "a name reads back");
        assert!(trust_domain.uri(&identity.actor).len() <= crate::limits::URI_NAME_BYTES_MAX);
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

/// As a request.
pub fn request(data: &[u8]) {
    edge::request(data);
}

/// As a page token.
pub fn page_token(data: &[u8]) {
    edge::page_token(data);
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

    type Target = fn(&[u8]);

    const TARGETS: [(&str, Target); 5] = [
        ("identity", identity),
        ("configuration", configuration),
        ("page_token", page_token),
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
        use crate::room::ids::{RequestId, Seq, Timestamp};

        let id = "6f0e9c54-7a7e-4b6e-8f39-1d2a3b4c5d6e".to_owned();
        let draft = pb::MessageDraft {
            material: pb::Material::Logs.into(),
            tlp: pb::Tlp::Amber.into(),
            text: "04:10 login failed".into(),
            recipients: vec!["region-b".into()],
            ..pb::MessageDraft::default()
        };
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
            room_id: id,
            change: Some(change),
            expected_version: Some(3),
        };
        let numbered = |number: u8, bytes: Vec<u8>| [vec![number], bytes].concat();
        let entry = Entry {
            seq: Seq(0),
            recorded_at: Timestamp(1_750_000_000_000_000),
            author: "org/region-a/user/anna".parse().ok(),
            request: Some(Request { id: RequestId(uuid::Uuid::from_bytes([5; 16])), digest: [6; 32] }),
            event: Event::RoomClosed,
        };
        let seeds = [
            ("request", "post_message", numbered(15, post.encode_to_vec())),
            ("request", "report_incident", numbered(0, reports.encode_to_vec())),
            ("request", "give_consent", numbered(19, gives.encode_to_vec())),
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

    #[test]
    fn every_target_has_a_program() {
        for (target, _) in TARGETS {
            let program = format!("tests/fuzz/fuzz_targets/{target}.rs");
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(program).exists(), "{target}");
        }
    }
}
