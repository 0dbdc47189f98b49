//! How are the API's closed sets written on the command line and in JSON? As lower-case words. Tested below.

use crate::client::pb;

/// A closed set with a word for each value.
pub(crate) trait Word: Copy + PartialEq + TryFrom<i32> + 'static {
    /// What it is, for errors.
    const WHAT: &'static str;
    /// Each value, its word in JSON, and short forms that are accepted too.
    const ALL: &'static [(Self, &'static str, &'static [&'static str])];
}

/// The word of a value as it came over the wire. A value of a later version of the API has none.
pub(crate) fn word<W: Word>(value: i32) -> &'static str {
    let Ok(value) = W::try_from(value) else { return "unknown" };
    W::ALL.iter().find(|(known, ..)| *known == value).map_or("unspecified", |(_, word, _)| word)
}

/// The word for people: with spaces.
pub(crate) fn plain<W: Word>(value: i32) -> String {
    word::<W>(value).replace('_', " ")
}

/// Reads a word; case, and `-` or `_` between its parts, do not matter.
pub(crate) fn parse<W: Word>(text: &str) -> Result<W, String> {
    let wanted = text.trim().to_lowercase().replace('-', "_");
    let found = W::ALL.iter().find(|(_, word, short)| *word == wanted || short.contains(&wanted.as_str()));
    found.map(|(value, ..)| *value).ok_or_else(|| {
        let known: Vec<_> = W::ALL.iter().map(|(_, word, _)| word.replace('_', "-")).collect();
        format!("{text:?} is no {}; it is one of {}", W::WHAT, known.join(", "))
    })
}

macro_rules! words {
    ($($type:ident $what:literal { $($value:ident => $word:literal $([$($short:literal),*])?),* $(,)? })*) => {
        $(impl Word for pb::$type {
            const WHAT: &'static str = $what;
            const ALL: &'static [(Self, &'static str, &'static [&'static str])] =
                &[$((Self::$value, $word, &[$($($short),*)?])),*];
        })*
    };
}

words! {
    AccessChange "change of an access" {
        CertificateRevoked => "certificate_revoked", ActorRevoked => "actor_revoked", ActorReinstated => "actor_reinstated",
    }
    Material "material" { Information => "information", Data => "data", Logs => "logs" }
    Audience "audience" {
        OtherAffectedOrganisations => "other_affected_organisations" ["affected", "affected_organisations", "others"],
        ThirdParties => "third_parties" ["third_party", "vendors"],
    }
    Sharing "sharing" {
        NotAnswered => "not_answered" ["unanswered"], No => "no", Relay => "relay", Direct => "direct",
    }
    Answer "answer" { NotAnswered => "not_answered" ["unanswered"], No => "no", Yes => "yes" }
    Tlp "TLP label" {
        Clear => "clear", Green => "green", Amber => "amber", AmberStrict => "amber+strict" ["amber_strict"], Red => "red",
    }
    Role "role" {
        Coordinator => "coordinator",
        AffectedOrganisation => "affected_organisation" ["affected"],
        ThirdParty => "third_party" ["vendor"],
        Authority => "authority" ["police"],
    }
    Attribution "attribution" { Hidden => "hidden", Pseudonym => "pseudonym", Named => "named" ["name"] }
    PoliceAnswer "answer about the police" {
        NotAnswered => "not_answered" ["unanswered"],
        No => "no",
        OrganisationReportsItself => "organisation_reports_itself" ["self", "we_report"],
        CoordinatorMayForward => "coordinator_may_forward" ["forward"],
    }
    RoomStatus "status" { Open => "open", Closed => "closed" }
    InviteStatus "status" { Open => "open", Used => "used", Revoked => "revoked", Expired => "expired", Waiting => "waiting", Approved => "approved",
    }
    OrganisationStatus "status" { Active => "active", Suspended => "suspended" }
    Assessment "answer" { No => "no", Yes => "yes", Unknown => "unknown" ["do_not_know", "dont_know"] }
    AskAnswer "answer" { No => "no", RelayOnly => "relay_only" ["relay"], Yes => "yes" }
    RecallAnswer "answer" {
        Deleted => "deleted",
        RetainedByLaw => "retained_by_law",
        SharedOnward => "shared_onward",
        CannotDelete => "cannot_delete" ["cannot"],
    }
    AudienceReason "reason" {
        Author => "author",
        Coordinator => "coordinator",
        CoordinatorMessage => "coordinator_message",
        ClassDirect => "class_direct",
        NamedDirect => "named_direct",
        ClassNotAnswered => "class_not_answered",
        ClassNo => "class_no",
        ClassRelay => "class_relay",
        ClassNewcomer => "class_newcomer",
        NamedNo => "named_no",
        NamedRelay => "named_relay",
        Authority => "authority",
        NotARecipient => "not_a_recipient",
        CoordinatorOnly => "coordinator_only",
        NotARedActor => "not_a_red_actor",
        CallerHidden => "caller_hidden",
        NamedPerhaps => "named_perhaps",
        RelayPermitted => "relay_permitted",
        Released => "released",
        Approved => "approved",
        Forwarded => "forwarded",
        LegalDuty => "legal_duty",
        CameLater => "came_later",
        NotSinceThen => "not_since_then",
        Withdrawn => "withdrawn",
        Retracted => "retracted",
        Superseded => "superseded",
        ParentNarrower => "parent_narrower",
        RelayNotPermitted => "relay_not_permitted",
        RelayLooserTlp => "relay_looser_tlp",
        RelayTooFewSources => "relay_too_few_sources",
        RelayUnapproved => "relay_unapproved",
        Source => "source",
        CarrierNotShown => "carrier_not_shown", SameFileNarrower => "same_file_narrower",
        Erased => "erased",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each value of the API but UNSPECIFIED has its own word, and the word reads back.
    #[track_caller]
    fn check<W: Word + std::fmt::Debug>() {
        for (value, name, _) in W::ALL {
            assert_eq!(parse::<W>(name), Ok(*value));
            assert_eq!(parse::<W>(&name.replace('_', "-").to_uppercase()), Ok(*value));
        }
        let values = (1..100).take_while(|value| W::try_from(*value).is_ok()).count();
        assert_eq!(values, W::ALL.len());
        assert_eq!(word::<W>(0), "unspecified");
        assert_eq!(word::<W>(1000), "unknown");
    }

    #[test]
    fn every_value_has_a_word_that_reads_back() {
        check::<pb::Material>();
        check::<pb::Audience>();
        check::<pb::Sharing>();
        check::<pb::Answer>();
        check::<pb::Tlp>();
        check::<pb::Role>();
        check::<pb::Attribution>();
        check::<pb::PoliceAnswer>();
        check::<pb::RoomStatus>();
        check::<pb::OrganisationStatus>();
        check::<pb::Assessment>();
        check::<pb::AskAnswer>();
        check::<pb::RecallAnswer>();
        check::<pb::AudienceReason>();
    }

    #[test]
    fn short_forms_are_accepted_and_others_are_answered_with_the_list() {
        assert_eq!(parse::<pb::Audience>("affected"), Ok(pb::Audience::OtherAffectedOrganisations));
        assert_eq!(parse::<pb::Tlp>("AMBER+STRICT"), Ok(pb::Tlp::AmberStrict));
        let error = parse::<pb::Material>("log").expect_err("no material");
        assert!(error.contains("information, data, logs"), "{error}");
    }
}
