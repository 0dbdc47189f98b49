use super::*;
use crate::api;
use crate::room::consent::ExpiryChange;
use crate::room::ids::ParticipantId;
use crate::room::words::{Audience, Material, PoliceAnswer, Sharing};

const ID: &str = "0d5c9c4e-6c0e-4f0f-9d53-0a6b9f5d4c11";
const ROOM: &str = "6f1a3f5e-8a3c-4c57-b2f0-1d0e3f4a5b6c";

/// The fields that a refusal names, in order.
fn fields<T: std::fmt::Debug>(result: Result<T, CallError>) -> Vec<String> {
    match result {
        Err(CallError::Invalid(violations)) => violations.into_iter().map(|violation| violation.field).collect(),
        other => panic!("expected violations, got {other:?}"),
    }
}

fn draft() -> api::MessageDraft {
    api::MessageDraft {
        material: api::Material::Logs.into(),
        tlp: api::Tlp::AmberStrict.into(),
        text: "10:04 login failed\0".to_owned(),
        ..api::MessageDraft::default()
    }
}

fn post(change: impl FnOnce(&mut api::MessageDraft)) -> Result<Posting, CallError> {
    let mut draft = draft();
    change(&mut draft);
    post_message(api::PostMessageRequest { request_id: ID.into(), room_id: ROOM.into(), draft: Some(draft) })
}

#[test]
fn a_good_post_is_read() {
    let (request, room, draft) = post(|draft| {
        draft.recipients = vec!["region-a".into(), ID.into()];
        draft.occurred_time = Some(prost_types::Timestamp { seconds: -1, nanos: 999_999_999 });
    })
    .expect("is well-formed");
    assert_eq!((request.id.to_string().as_str(), room.to_string().as_str()), (ID, ROOM));
    assert_eq!(draft.recipients[0], Name::Organisation("region-a".parse().expect("is an id")));
    assert_eq!(draft.recipients[1], Name::Participant(ParticipantId(ID.parse().expect("is a UUID"))));
    assert_eq!(draft.occurred_at.map(|at| at.0), Some(-1), "rounded down to a microsecond");
}

#[test]
fn every_violation_of_a_post_is_named_at_once() {
    let nothing = post_message(api::PostMessageRequest::default());
    assert_eq!(fields(nothing), ["request_id", "room_id", "draft"]);
    let empty = post(|draft| *draft = api::MessageDraft::default());
    assert_eq!(fields(empty), ["draft.material", "draft.tlp", "draft.text"]);
}

#[test]
fn a_text_over_the_limit_is_refused_with_the_limit() {
    assert!(post(|draft| draft.text = "x".repeat(limits::TEXT_BYTES_MAX)).is_ok());
    let error = post(|draft| draft.text = "x".repeat(limits::TEXT_BYTES_MAX + 1)).expect_err("is too long");
    assert_eq!(error.to_string(), "draft.text: must be at most 65536 bytes of UTF-8, is 65537");
}

#[test]
fn an_enum_must_be_set_and_known() {
    for number in [0, 4, -1] {
        assert_eq!(fields(post(|draft| draft.material = number)), ["draft.material"]);
    }
    for number in [0, 6] {
        assert_eq!(fields(post(|draft| draft.tlp = number)), ["draft.tlp"]);
    }
}

#[test]
fn an_id_has_one_text() {
    for wrong in
        ["", "x", &ID.to_uppercase(), &ID.replace('-', ""), &format!("{{{ID}}}"), &uuid::Uuid::nil().to_string()]
    {
        assert_eq!(fields(room(wrong)), ["room_id"], "{wrong}");
        let request = api::LeaveRoomRequest { request_id: wrong.into(), room_id: ROOM.into() };
        assert_eq!(fields(leave_room(request)), ["request_id"], "{wrong}");
    }
}

#[test]
fn red_names_persons_and_nothing_else_does() {
    let red = api::Tlp::Red.into();
    assert_eq!(fields(post(|draft| draft.tlp = red)), ["draft.red_actors"]);
    let person = || vec!["org/region-a/user/anna".to_owned()];
    assert!(post(|draft| (draft.tlp, draft.red_actors) = (red, person())).is_ok());
    assert_eq!(fields(post(|draft| draft.red_actors = person())), ["draft.red_actors"]);
    let mixed = post(|draft| {
        (draft.tlp, draft.red_actors) = (red, person());
        draft.recipients = vec!["region-a".into()];
        draft.coordinator_only = true;
    });
    assert_eq!(fields(mixed), ["draft.recipients", "draft.coordinator_only"]);
    let service = vec!["org/region-a/service/siem".to_owned(), "org/region-a/user/anna".to_owned(), "anna".to_owned()];
    let wrong = post(|draft| (draft.tlp, draft.red_actors) = (red, service));
    assert_eq!(fields(wrong), ["draft.red_actors[0]", "draft.red_actors[2]"]);
}

#[test]
fn recipients_are_names_each_once_and_not_too_many() {
    let wrong = post(|draft| draft.recipients = vec!["a".into(), "A".into(), "a".into()]);
    assert_eq!(fields(wrong), ["draft.recipients[1]", "draft.recipients[2]"]);
    let many = (0..=limits::RECIPIENTS_MAX).map(|i| format!("org-{i}")).collect();
    assert_eq!(fields(post(|draft| draft.recipients = many)), ["draft.recipients"]);
    let excluded = post(|draft| (draft.recipients, draft.coordinator_only) = (vec!["a".into()], true));
    assert_eq!(fields(excluded), ["draft.recipients"]);
}

#[test]
fn times_are_within_the_years_of_a_timestamp() {
    for (seconds, nanos) in [(i64::MAX, 0), (i64::MIN, 0), (0, -1), (0, 1_000_000_000), (253_402_300_800, 0)] {
        let wrong = post(|draft| draft.occurred_time = Some(prost_types::Timestamp { seconds, nanos }));
        assert_eq!(fields(wrong), ["draft.occurred_time"]);
    }
}

#[test]
fn a_post_of_a_stream_is_the_same_write_as_a_post_by_itself() {
    let (alone, ..) = post(|_| ()).expect("is well-formed");
    let stream: RoomId = room(ROOM).expect("is well-formed");
    let request = |room_id: &str| {
        let request = api::PostMessagesRequest { request_id: ID.into(), room_id: room_id.into(), draft: Some(draft()) };
        post_messages(stream, request)
    };
    for room_id in ["", ROOM] {
        assert_eq!(request(room_id).expect("is well-formed").0, alone);
    }
    assert_eq!(fields(request(ID)), ["room_id"]);
}

#[test]
fn the_digest_covers_method_and_content_and_not_the_request_id() {
    let digest = |request_id: &str, draft_text: &str| {
        let draft = api::MessageDraft { text: draft_text.into(), ..draft() };
        let request =
            api::PostMessageRequest { request_id: request_id.into(), room_id: ROOM.into(), draft: Some(draft) };
        post_message(request).expect("is well-formed").0.digest
    };
    assert_eq!(digest(ID, "one"), digest(ROOM, "one"));
    assert_ne!(digest(ID, "one"), digest(ID, "two"));
    let close = close_room(api::CloseRoomRequest { request_id: ID.into(), room_id: ROOM.into() });
    let reopen = reopen_room(api::ReopenRoomRequest { request_id: ID.into(), room_id: ROOM.into() });
    assert_ne!(close.expect("is well-formed").0.digest, reopen.expect("is well-formed").0.digest);
}

fn report(change: impl FnOnce(&mut api::IntakeReport)) -> Result<Reporting, CallError> {
    let mut report = api::IntakeReport { what_occurred: "ransomware".into(), ..api::IntakeReport::default() };
    change(&mut report);
    report_incident(api::ReportIncidentRequest { request_id: ID.into(), report: Some(report) })
}

#[test]
fn the_answer_about_the_police_goes_into_the_consent() {
    let police = api::PoliceAnswer::CoordinatorMayForward.into();
    let (_, filed, change) = report(|report| report.police = Some(police)).expect("is well-formed");
    assert_eq!(filed.police, Some(PoliceAnswer::CoordinatorMayForward));
    assert_eq!(change.police, Some(PoliceAnswer::CoordinatorMayForward));
    let twice = report(|report| {
        report.sharing_consent = Some(api::ConsentChange { police: Some(police), ..api::ConsentChange::default() });
    });
    assert_eq!(fields(twice), ["report.sharing_consent.police"]);
}

#[test]
fn a_report_answers_something() {
    let unanswered = api::PoliceAnswer::NotAnswered.into();
    for police in [None, Some(unanswered)] {
        let nothing = report(|report| *report = api::IntakeReport { police, ..api::IntakeReport::default() });
        assert_eq!(fields(nothing), ["report"]);
    }
    let missing = report_incident(api::ReportIncidentRequest { request_id: ID.into(), report: None });
    assert_eq!(fields(missing), ["report"]);
    let ongoing = api::Assessment::Unknown.into();
    let ongoing = |report: &mut api::IntakeReport| {
        *report = api::IntakeReport { ongoing: Some(ongoing), ..api::IntakeReport::default() };
    };
    assert!(report(ongoing).is_ok(), "not knowing is an answer");
}

#[test]
fn answers_have_limits_and_no_unspecified_words() {
    let wrong = report(|report| {
        report.how_discovered = "x".repeat(limits::ANSWER_BYTES_MAX + 1);
        report.ongoing = Some(0);
        report.data_leak = Some(9);
        report.police = Some(0);
    });
    assert_eq!(fields(wrong), ["report.how_discovered", "report.ongoing", "report.data_leak", "report.police"]);
}

#[test]
fn an_amendment_that_says_nothing_of_consent_leaves_it() {
    let amend = |report| {
        amend_report(api::AmendReportRequest { request_id: ID.into(), room_id: ROOM.into(), report: Some(report) })
            .expect("is well-formed")
            .3
    };
    assert_eq!(amend(api::IntakeReport::default()), None);
    let empty = Some(api::ConsentChange::default());
    assert_eq!(amend(api::IntakeReport { sharing_consent: empty, ..api::IntakeReport::default() }), None);
    let police = Some(api::PoliceAnswer::No.into());
    assert!(amend(api::IntakeReport { police, ..api::IntakeReport::default() }).is_some());
}

fn give(change: api::ConsentChange) -> Result<Giving, CallError> {
    let request = api::GiveConsentRequest {
        request_id: ID.into(),
        room_id: ROOM.into(),
        change: Some(change),
        expected_version: None,
    };
    give_consent(request)
}

fn cell(material: api::Material, audience: api::Audience) -> api::ConsentCell {
    api::ConsentCell { material: material.into(), audience: audience.into(), sharing: api::Sharing::Direct.into() }
}

#[test]
fn a_change_is_read() {
    use api::consent_change::Expiry;
    let change = api::ConsentChange {
        cells: vec![cell(api::Material::Logs, api::Audience::ThirdParties)],
        named: vec![api::NamedSharing {
            name: "vendor".into(),
            sharings: vec![api::MaterialSharing {
                material: api::Material::Data.into(),
                sharing: api::Sharing::NotAnswered.into(),
            }],
        }],
        expiry: Some(Expiry::ClearExpiry(true)),
        ..api::ConsentChange::default()
    };
    let (_, _, change, _) = give(change).expect("is well-formed");
    assert_eq!(change.cells, [(Material::Logs, Audience::ThirdParties, Sharing::Direct)]);
    let vendor = Name::Organisation("vendor".parse().expect("is an id"));
    assert_eq!(change.named, [(vendor, Material::Data, Sharing::NotAnswered)]);
    assert_eq!(change.expiry, ExpiryChange::Never);
}

#[test]
fn a_change_lists_something_and_each_thing_once() {
    assert_eq!(fields(give(api::ConsentChange::default())), ["change"]);
    let twice = cell(api::Material::Logs, api::Audience::ThirdParties);
    let no =
        |material: api::Material| api::MaterialSharing { material: material.into(), sharing: api::Sharing::No.into() };
    let newcomers =
        api::NewcomersAnswer { audience: api::Audience::ThirdParties.into(), answer: api::Answer::Yes.into() };
    let named = |sharings| api::NamedSharing { name: "vendor".into(), sharings };
    let change = api::ConsentChange {
        cells: vec![twice, twice],
        named: vec![named(vec![no(api::Material::Logs), no(api::Material::Logs)]), named(vec![])],
        newcomers: vec![newcomers, newcomers],
        ..api::ConsentChange::default()
    };
    let wrong = [
        "change.cells[1]",
        "change.named[0].sharings[1].material",
        "change.named[1].name",
        "change.named[1].sharings",
        "change.newcomers[1].audience",
    ];
    assert_eq!(fields(give(change)), wrong);
}

#[test]
fn what_is_unspecified_or_false_in_a_change_is_refused() {
    use api::consent_change::Expiry;
    let change = api::ConsentChange {
        cells: vec![api::ConsentCell::default()],
        named: vec![api::NamedSharing { name: "Vendor".into(), sharings: vec![api::MaterialSharing::default()] }],
        newcomers: vec![api::NewcomersAnswer::default()],
        attribution: Some(0),
        police: Some(7),
        expiry: Some(Expiry::ClearExpiry(false)),
    };
    let wrong = [
        "change.cells[0].material",
        "change.cells[0].audience",
        "change.cells[0].sharing",
        "change.named[0].name",
        "change.named[0].sharings[0].material",
        "change.named[0].sharings[0].sharing",
        "change.newcomers[0].audience",
        "change.newcomers[0].answer",
        "change.attribution",
        "change.police",
        "change.clear_expiry",
    ];
    assert_eq!(fields(give(change)), wrong);
    let named =
        (0..=limits::NAMED_MAX).map(|i| api::NamedSharing { name: format!("o{i}"), sharings: vec![] }).collect();
    assert_eq!(fields(give(api::ConsentChange { named, ..api::ConsentChange::default() })), ["change.named"]);
}

#[test]
fn a_withdrawal_has_a_scope() {
    use api::withdraw_consent_request::Scope as Asked;
    let withdraw = |scope| {
        withdraw_consent(api::WithdrawConsentRequest {
            request_id: ID.into(),
            room_id: ROOM.into(),
            scope,
            recall_answer_by_time: None,
        })
    };
    assert_eq!(fields(withdraw(None)), ["scope"]);
    assert_eq!(fields(withdraw(Some(Asked::All(false)))), ["all"]);
    assert_eq!(fields(withdraw(Some(Asked::Material(0)))), ["material"]);
    assert_eq!(fields(withdraw(Some(Asked::Audience(3)))), ["audience"]);
    assert_eq!(fields(withdraw(Some(Asked::Name(String::new())))), ["name"]);
    assert_eq!(withdraw(Some(Asked::All(true))).expect("is well-formed").2, Scope::All);
}

#[test]
fn rooms_roles_and_the_register_have_their_rules() {
    let open = open_room(api::OpenRoomRequest {
        request_id: ID.into(),
        title: "x".repeat(limits::TITLE_BYTES_MAX + 1),
        terms: "x".repeat(limits::TERMS_BYTES_MAX + 1),
    });
    assert_eq!(fields(open), ["title", "terms"]);
    let invite = invite_organisation(api::InviteOrganisationRequest {
        request_id: ID.into(),
        room_id: ROOM.into(),
        organisation_id: "Region A".into(),
        role: api::Role::Coordinator.into(),
    });
    assert_eq!(fields(invite), ["organisation_id", "role"]);
    let remove = remove_participant(api::RemoveParticipantRequest {
        request_id: ID.into(),
        room_id: ROOM.into(),
        participant: String::new(),
        reason: String::new(),
    });
    assert_eq!(fields(remove), ["participant", "reason"]);
    let register = register_organisation(api::RegisterOrganisationRequest {
        request_id: ID.into(),
        organisation_id: ID.into(),
        display_name: "x".repeat(limits::DISPLAY_NAME_BYTES_MAX + 1),
    });
    assert_eq!(fields(register), ["organisation_id", "display_name"], "an id that reads like a participant's");
}

#[test]
fn a_page_size_is_cut_to_the_most_and_not_negative() {
    assert_eq!(page_size(0).expect("is unset"), limits::PAGE_ITEMS_DEFAULT);
    assert_eq!(page_size(7).expect("is a size"), 7);
    assert_eq!(page_size(i32::MAX).expect("is too large"), limits::PAGE_ITEMS_MAX);
    assert_eq!(fields(page_size(-1)), ["page_size"]);
}
