//! Words that must not reach somebody are looked for in every byte that it receives.

use samverkan::api as pb;

use crate::world::{Peer, World, appearing, id, logs, sharing_logs};

const ID: &str = "canary-of-a";
const TEXT: &str = "CANARY-TEXT";

/// Calls everything that `peer` may read, and some of what it may not.
async fn read_everything(peer: &Peer, room: &str, other: &str) {
    let room_id = room.to_owned();
    let drafts = [
        logs("x"),
        pb::MessageDraft { recipients: vec![other.to_owned()], ..logs("x") },
        pb::MessageDraft { coordinator_only: true, ..logs("x") },
    ];
    for draft in drafts {
        let request = pb::PreviewAudienceRequest { room_id: room_id.clone(), draft: Some(draft) };
        let _ = peer.raw("ConsentService/PreviewAudience", &request).await;
    }
    for participant in [String::new(), other.to_owned()] {
        let request = pb::GetConsentRequest { room_id: room_id.clone(), participant: participant.clone() };
        let _ = peer.raw("ConsentService/GetConsent", &request).await;
        let request = pb::GetReportRequest { room_id: room_id.clone(), participant, ..pb::GetReportRequest::default() };
        let _ = peer.raw("IntakeService/GetReport", &request).await;
    }
    let request = pb::ListParticipantsRequest { room_id: room_id.clone(), ..pb::ListParticipantsRequest::default() };
    peer.raw("RoomService/ListParticipants", &request).await.expect("a list");
    peer.raw("RoomService/GetRoom", &pb::GetRoomRequest { room_id: room_id.clone() }).await.expect("a room");
    peer.raw("RoomService/ListRooms", &pb::ListRoomsRequest::default()).await.expect("rooms");
    peer.raw("RoomService/ListInvitations", &pb::ListInvitationsRequest::default()).await.expect("invitations");
    let _ = peer.raw("OrganisationService/ListOrganisations", &pb::ListOrganisationsRequest::default()).await;
    let request = pb::RemoveParticipantRequest {
        request_id: id(),
        room_id,
        participant: other.to_owned(),
        reason: "x".to_owned(),
    };
    let _ = peer.raw("RoomService/RemoveParticipant", &request).await;
    let page = peer.list(room, 0).await.expect("a page");
    let mut stream = peer.subscribe(room, 0).await.expect("a stream");
    let mut seen = 0;
    while seen < page.deliveries.len() {
        seen += stream.batch().await.expect("a batch").deliveries.len();
    }
}

fn assert_unheard(peer: &Peer, words: &[&str]) {
    let heard = peer.heard();
    assert!(heard.len() > 1000, "it heard something");
    for word in words {
        let found = heard.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()));
        assert!(!found, "{word} reached {}", peer.organisation);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_nothing_of_a_hidden_or_pseudonymous_organisation_is_in_any_byte_that_another_receives() {
    for attribution in [pb::Attribution::Hidden, pb::Attribution::Pseudonym] {
        let mut world = World::start().await;
        // The display name is the id in capitals, and found as well.
        let (coordinator, [a, b]) = world.peers([ID, "region-b"]).await;
        let (anna, bert) = (world.peer(&format!("{ID}/user/canary-anna")).await, b.clone());
        let report = pb::IntakeReport {
            what_occurred: format!("{TEXT}-what"),
            help_wanted: format!("{TEXT}-help"),
            sharing_consent: Some(appearing(attribution)),
            ..pb::IntakeReport::default()
        };
        let request = pb::ReportIncidentRequest { request_id: id(), report: Some(report) };
        let opened: pb::ReportIncidentResponse =
            anna.call("IntakeService/ReportIncident", &request).await.expect("it is reported");
        let room = opened.room_id;
        coordinator.bring(&room, &b, sharing_logs(pb::Attribution::Named)).await;
        // A stream that is open meanwhile.
        let mut live = bert.subscribe(&room, 0).await.expect("a stream");
        let draft = logs(&format!("{TEXT}-1"));
        anna.post(&room, pb::MessageDraft { coordinator_only: true, ..draft.clone() }).await.expect("it is posted");
        a.post(&room, draft.clone()).await.expect("it is posted");
        a.post(&room, pb::MessageDraft { recipients: vec!["region-b".into()], ..draft.clone() }).await.expect("posted");
        let red = vec![format!("org/{ID}/user/canary-anna")];
        let red = pb::MessageDraft { tlp: pb::Tlp::Red.into(), red_actors: red, ..draft };
        a.post(&room, red).await.expect("it is posted");
        coordinator.post(&room, logs("the end")).await.expect("it is posted");
        let mut texts = Vec::new();
        while texts.last().is_none_or(|text| text != "the end") {
            texts.extend(crate::world::texts(&live.batch().await.expect("a batch").deliveries));
        }
        let other = if attribution == pb::Attribution::Hidden { opened.participant_id.clone() } else { id() };
        read_everything(&b, &room, ID).await;
        read_everything(&b, &room, &other).await;
        let mut unheard = vec![ID, TEXT, "canary-anna"];
        if attribution == pb::Attribution::Hidden {
            unheard.push(&opened.participant_id);
        }
        assert_unheard(&b, &unheard);
        // Consent lets the text through, and nothing of who it is: what was looked for can be found.
        if attribution == pb::Attribution::Pseudonym {
            a.give(&room, sharing_logs(attribution)).await.expect("consent");
            let shown = logs("shown with consent");
            anna.post(&room, shown).await.expect("it is posted");
            read_everything(&b, &room, ID).await;
            assert_unheard(&b, &unheard);
            let heard = b.heard();
            assert!(heard.windows(18).any(|window| window == b"shown with consent"));
        }
        world.stop().await;
    }
}
