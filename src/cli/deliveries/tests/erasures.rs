//! Erasures, legal holds and policies, as they are told.

use super::*;

#[test]
fn erasures_holds_and_policies() {
    use pb::erasure_proposed::Scope as Proposed;
    use pb::payloads_erased::Scope as Erased;
    let (basis, actor): (String, String) = ("GDPR 17".into(), "org/cert-se/user/anna".into());
    let proposed = |scope| {
        Content::ErasureProposed(pb::ErasureProposed {
            erasure_id: UNKNOWN.into(),
            scope: Some(scope),
            basis: basis.clone(),
            actor: actor.clone(),
        })
    };
    coordinator_reads(
        proposed(Proposed::MessageId(FIRST.into())),
        expect![[r#"
        2025-12-01 00:00:00Z    12  org/cert-se/user/anna proposes to erase message 3 for good: GDPR 17
        → another person confirms with: samverkan erasure confirm 12 --room 1234abcd"#]],
    );
    coordinator_reads(
        proposed(Proposed::Room(true)),
        expect![[r#"
        2025-12-01 00:00:00Z    12  org/cert-se/user/anna proposes to erase all that was written in this room for good: GDPR 17
        → another person confirms with: samverkan erasure confirm 12 --room 1234abcd"#]],
    );
    let erased = |scope, actors: &[&str]| {
        Content::PayloadsErased(pb::PayloadsErased {
            erasure_id: UNKNOWN.into(),
            scope: Some(scope),
            basis: basis.clone(),
            actors: ids(actors),
        })
    };
    reads(
        erased(Erased::Participant(me().expect("somebody")), &[]),
        expect!["2025-12-01 00:00:00Z    12  all that you had written was erased for good: GDPR 17"],
    );
    reads(
        erased(Erased::Room(true), &[]),
        expect!["2025-12-01 00:00:00Z    12  all that was written in this room was erased for good: GDPR 17"],
    );
    let both = ["org/cert-se/user/anna", "org/cert-se/user/olle"];
    coordinator_reads(
        erased(Erased::Participant(of("region-b").expect("somebody")), &both),
        expect![[r#"
        2025-12-01 00:00:00Z    12  all that region-b had written was erased for good: GDPR 17
        · decided by org/cert-se/user/anna and org/cert-se/user/olle"#]],
    );
    let reason = || "prosecutor".to_owned();
    coordinator_reads(
        Content::LegalHoldPlaced(pb::LegalHoldPlaced { reason: reason(), actor: actor.clone() }),
        expect![
            "2025-12-01 00:00:00Z    12  org/cert-se/user/anna put the room under a legal hold, nothing is erased: prosecutor"
        ],
    );
    coordinator_reads(
        Content::LegalHoldLifted(pb::LegalHoldLifted { reason: reason(), actor: actor.clone() }),
        expect!["2025-12-01 00:00:00Z    12  org/cert-se/user/anna lifted the legal hold: prosecutor"],
    );
    coordinator_reads(
        Content::RetentionSet(pb::RetentionSet { years: Some(5), actor: actor.clone() }),
        expect![
            "2025-12-01 00:00:00Z    12  org/cert-se/user/anna set that the room is due to be erased 5 years after closing"
        ],
    );
    coordinator_reads(
        Content::RetentionSet(pb::RetentionSet { years: None, actor: actor.clone() }),
        expect!["2025-12-01 00:00:00Z    12  org/cert-se/user/anna set that the room is never due to be erased"],
    );
}
