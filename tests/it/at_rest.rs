//! What somebody finds who has the disk: nothing that was said, by whom, or about whom.

use std::fs;
use std::path::Path;

use samverkan::api as pb;

use crate::world::{World, id, logs, sharing_logs};

const ORGANISATION: &str = "canary-of-a";
const PERSON: &str = "canary-anna";
const TEXT: &str = "CANARY-TEXT";
const TITLE: &str = "CANARY-TITLE";
/// More than these, and the room's state is kept in a snapshot.
const MESSAGES: usize = 600;

/// How often each word is in the files below a folder, whatever its case.
pub(crate) fn found(folder: &Path, words: &[&str]) -> Vec<usize> {
    let mut counts = vec![0; words.len()];
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            if entry.file_type().expect("a kind").is_dir() {
                folders.push(entry.path());
                continue;
            }
            let bytes = fs::read(entry.path()).expect("a file").to_ascii_lowercase();
            for (count, word) in counts.iter_mut().zip(words) {
                let word = word.to_ascii_lowercase();
                *count += bytes.windows(word.len()).filter(|window| *window == word.as_bytes()).count();
            }
        }
    }
    counts
}

/// An incident in which everything is said that can be said: a report, a title, messages, a comment, a refused call, a sign-in.
async fn incident(world: &World) {
    let (coordinator, [_, b]) = world.peers([ORGANISATION, "region-b"]).await;
    let anna = world.peer(&format!("{ORGANISATION}/user/{PERSON}")).await;
    let report = pb::IntakeReport {
        what_occurred: format!("{TEXT}-what"),
        help_wanted: format!("{TEXT}-help"),
        sharing_consent: Some(sharing_logs(pb::Attribution::Named)),
        ..pb::IntakeReport::default()
    };
    let request = pb::ReportIncidentRequest { request_id: id(), report: Some(report) };
    let opened: pb::ReportIncidentResponse =
        anna.call("IntakeService/ReportIncident", &request).await.expect("it is reported");
    let room = opened.room_id;
    coordinator.bring(&room, &b, sharing_logs(pb::Attribution::Named)).await;
    let open = pb::OpenRoomRequest { request_id: id(), title: TITLE.into(), ..pb::OpenRoomRequest::default() };
    let _: pb::OpenRoomResponse = coordinator.call("RoomService/OpenRoom", &open).await.expect("it is opened");
    for number in 0..MESSAGES {
        anna.post(&room, logs(&format!("{TEXT}-{number}"))).await.expect("it is posted");
    }
    b.list(&room, 0).await.expect("a page");
    let close = pb::CloseRoomRequest { request_id: id(), room_id: room };
    b.call::<pb::CloseRoomResponse>("RoomService/CloseRoom", &close).await.expect_err("the coordinator's alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_names_or_quotes_an_organisation_is_readable_in_the_store() {
    let words = [TEXT, TITLE, ORGANISATION, PERSON, "region-b", "cert-se", "org/"];
    let mut counts = Vec::new();
    for mut world in [World::start_unencrypted().await, World::start().await] {
        incident(&world).await;
        // Once while it runs, and once more after a start: room states are kept then.
        counts.push(found(&world.store(), &words));
        world.restart(1).await;
        let coordinator = world.peer("cert-se/user/duty").await;
        let rooms: pb::ListRoomsResponse =
            coordinator.call("RoomService/ListRooms", &pb::ListRoomsRequest::default()).await.expect("rooms");
        for room in rooms.rooms {
            coordinator.list(&room.room_id, 0).await.expect("a page");
        }
        world.stop().await;
        let snapshots = fs::read_dir(world.store().join("snapshots")).expect("a folder").count();
        assert!(snapshots > 0, "a room's state was kept");
        counts.push(found(&world.store(), &words));
    }
    for plain in &counts[..2] {
        assert!(plain.iter().all(|&count| count > 0), "all of it is said in the incident: {counts:?}");
        assert!(plain[0] >= MESSAGES, "{counts:?}");
    }
    for encrypted in &counts[2..] {
        assert!(encrypted.iter().all(|&count| count == 0), "{words:?}: {counts:?}");
    }
}
