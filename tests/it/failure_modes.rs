//! `tests/failure-modes.md` is complete and true to the names of tests; and tests of ways to over-share that nothing else has.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use samverkan::api as pb;

use crate::world::{World, appearing};

/// How many there are.
const MODES: usize = 58;

#[test]
fn every_failure_mode_is_shown_by_something_that_exists_or_says_why_it_cannot_apply() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| fs::read_to_string(path);
    let text = read(&root.join("tests/failure-modes.md")).expect("it is there");
    let modes: Vec<&str> =
        text.split("\n- **F").skip(1).map(|mode| mode.split("\n\n").next().unwrap_or(mode)).collect();
    let numbers: Vec<usize> = modes.iter().filter_map(|mode| mode.split("**").next()?.parse().ok()).collect();
    assert_eq!(numbers, (1..=MODES).collect::<Vec<_>>(), "each mode once, in order");

    let mut unused: BTreeSet<String> = crate::transcript::transcripts()
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .filter(|name| name.starts_with("bad_"))
        .collect();
    for mode in modes {
        let quoted: Vec<&str> = mode.split('`').skip(1).step_by(2).collect();
        let mut shown = mode.contains("Can't apply: ");
        for name in quoted {
            if let Some((file, test)) = name.split_once("::") {
                let code = read(&root.join(file)).unwrap_or_else(|error| panic!("F{mode}\n{file}: {error}"));
                assert!(code.contains(&format!("fn {test}(")), "F{mode}\n{file} has no {test}");
                shown = true;
            } else if name.ends_with(".txt") {
                assert!(root.join("tests/scenarios").join(name).is_file(), "F{mode}\nno scenario {name}");
                unused.remove(name);
                shown = true;
            }
        }
        assert!(shown, "F{mode}\nis shown by nothing and does not say why it can't apply");
    }
    assert!(unused.is_empty(), "scenarios of bad input that show no failure mode: {unused:?}");
}

#[tokio::test]
async fn a_pseudonym_is_another_in_each_room() {
    let mut world = World::start().await;
    let (cert, [a, b]) = world.peers(["region-a", "region-b"]).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let room = cert.open().await;
        let own = cert.bring(&room, &a, appearing(pb::Attribution::Pseudonym)).await;
        cert.bring(&room, &b, appearing(pb::Attribution::Named)).await;
        let request = pb::ListParticipantsRequest { room_id: room, ..pb::ListParticipantsRequest::default() };
        let list: pb::ListParticipantsResponse =
            b.call("RoomService/ListParticipants", &request).await.expect("it is listed");
        let pseudonyms = list.participants.into_iter().filter(|shown| shown.organisation_id.is_empty());
        let pseudonyms: Vec<_> = pseudonyms.map(|shown| shown.participant_id).collect();
        assert_eq!(pseudonyms, [own], "one, by the id that region-a was given");
        seen.extend(pseudonyms);
    }
    assert_ne!(seen[0], seen[1], "nothing links the two");
    world.stop().await;
}
