//! Stores of earlier versions. A store written by a released format is opened forever after, and shows what it showed then.
//!
//! `tests/golden/store-v1` is a store that version 0.1 wrote, `store-v1.txt` what each organisation was shown of it. They are never
//! written anew: a new format gets files of its own (`WRITE_GOLDEN=1 cargo test --test it golden`, which refuses to overwrite).

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use samverkan::engine::{Delivery, Engine, Ids, Opening, Rates, Receiver, Settings};
use samverkan::room::chain;
use samverkan::room::consent::{ConsentChange, ExpiryChange, Name, Scope};
use samverkan::room::disclose::What;
use samverkan::room::event::{Command, Draft, IntakeReport, Request};
use samverkan::room::ids::*;
use samverkan::room::words::*;
use samverkan::store::sled::{SledOptions, SledStore};
use uuid::Uuid;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/store-v1");

fn golden_text() -> PathBuf {
    Path::new(GOLDEN).with_extension("txt")
}

fn actor(organisation: &str) -> Actor {
    Actor::new(organisation.parse().expect(organisation), ActorKind::User, "duty").expect("a name")
}

fn request() -> Request {
    Request { id: RequestId(Uuid::new_v4()), digest: chain::request("golden", b"") }
}

/// `step` microseconds pass between two looks at the clock.
async fn engine(directory: &Path, clock: Arc<AtomicI64>, step: i64) -> Engine {
    let options = SledOptions { reserve_mib: 0, ..SledOptions::default() };
    let store = SledStore::open(directory, options).expect("a store of this or an earlier version");
    let settings = Settings {
        coordinator: "cert-se".parse().expect("an id"),
        title: "Reported incident".into(),
        terms: "What is shared here stays here.".into(),
        ids: Ids::random(),
        rates: Rates::unlimited(),
        attachment_bytes_max: u64::MAX,
    };
    let clock = Arc::new(move || Timestamp(clock.fetch_add(step, Ordering::SeqCst)));
    Engine::start(Arc::new(store), clock, settings).await.expect("a store that verifies")
}

/// What each organisation is shown of each of its rooms.
async fn shown(engine: &Engine) -> String {
    let mut text = String::new();
    for organisation in ["cert-se", "region-a", "region-b", "vendor-x", "police"] {
        let reader = actor(organisation);
        let receiver = Receiver { actor: reader.clone(), certificate: [9; 32] };
        for (room, listing) in engine.rooms(&reader.organisation, None, 100) {
            let listing = listing.into_inner();
            writeln!(text, "{organisation} {room} {:?} {:?} {:?}", listing.title, listing.role, listing.status)
                .expect("text");
            let mut last = 0;
            loop {
                let batch = engine.page(&receiver, room, Index(last), 100, 1 << 20).await.expect("a page");
                if batch.deliveries.is_empty() {
                    break;
                }
                for delivery in batch.deliveries {
                    last += 1;
                    match delivery {
                        Delivery::Shown(shown) => {
                            let shown = shown.into_inner();
                            // Time makes this reminder of what that store holds, since a version that knows how.
                            if matches!(shown.what, What::PoliceReportDue(_)) {
                                continue;
                            }
                            let what = as_then(&format!("{:?}", shown.what));
                            writeln!(text, "  {last} {} {what}", shown.recorded_at.0).expect("text");
                        }
                        Delivery::Withdrawn => writeln!(text, "  {last} withdrawn").expect("text"),
                        Delivery::Notice(notice) => writeln!(text, "  {last} {:?}", notice.ranges).expect("text"),
                    }
                }
            }
        }
    }
    text
}

/// What is shown has more fields than it had in format 1. A store of that format has nothing in them.
fn as_then(what: &str) -> String {
    what.replace(", supersedes: None, acknowledge_by: None, relay: None, file: None", "").replace(", recall: None", "")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copies");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_format_1_is_opened_and_shows_what_it_showed() {
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        write().await;
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let directory = scratch.path().join("store");
    copy(Path::new(GOLDEN), &directory);
    let engine = engine(&directory, Arc::new(AtomicI64::new(1_000_000_000_000_000)), 0).await;
    let expected = fs::read_to_string(golden_text()).expect("what was shown");
    assert!(expected.contains("withdrawn") && expected.contains("påverkad"), "the golden text has lost its point");
    assert_eq!(shown(&engine).await, expected);
    engine.stop().await;
}

async fn write() {
    assert!(!Path::new(GOLDEN).exists(), "golden files are written once; a new format gets new ones");
    let clock = Arc::new(AtomicI64::new(500_000_000_000_000));
    let directory = Path::new(GOLDEN);
    let engine = engine(directory, clock.clone(), 1_000_000).await;
    let coordinator = actor("cert-se");
    for organisation in ["region-a", "region-b", "region-c", "vendor-x", "police"] {
        let id = organisation.parse().expect("an id");
        engine.register(&coordinator, request(), id, organisation.to_uppercase().into()).await.expect("registers");
    }
    let sharing = |attribution| ConsentChange {
        cells: vec![
            (Material::Logs, Audience::OtherAffectedOrganisations, Sharing::Direct),
            (Material::Information, Audience::ThirdParties, Sharing::Relay),
        ],
        newcomers: vec![(Audience::OtherAffectedOrganisations, Answer::Yes)],
        attribution: Some(attribution),
        police: Some(PoliceAnswer::OrganisationReportsItself),
        ..ConsentChange::default()
    };
    let report = IntakeReport {
        what_occurred: "Filservern är krypterad.".into(),
        ongoing: Some(Assessment::Unknown),
        discovered_at: Some(Timestamp(499_000_000_000_000)),
        ..IntakeReport::default()
    };
    let opening = Opening::ByReport { report: Arc::new(report), consent: Arc::new(sharing(Attribution::Pseudonym)) };
    let room = engine.open_room(&actor("region-a"), request(), opening).await.expect("opens").room;
    let run = async |who: &str, command| engine.write(&actor(who), room, request(), command).await.expect("writes");
    for (organisation, role) in [
        ("region-b", Role::AffectedOrganisation),
        ("region-c", Role::AffectedOrganisation),
        ("vendor-x", Role::ThirdParty),
        ("police", Role::Authority),
    ] {
        let invitation = InvitationId(Uuid::new_v4());
        let participant = ParticipantId(Uuid::new_v4());
        run(
            "cert-se",
            Command::Invite { invitation, organisation: organisation.parse().expect("an id"), role, participant },
        )
        .await;
        match organisation {
            "police" => run(organisation, Command::DeclineInvitation { invitation }).await,
            _ => {
                let consent = Arc::new(sharing(Attribution::Named));
                run(organisation, Command::AcceptInvitation { invitation, consent }).await
            }
        };
    }
    let post = |material, tlp, text: &str, draft: fn(&mut Draft)| {
        let mut posted = Draft {
            material,
            tlp,
            text: text.into(),
            recipients: Vec::new(),
            red_actors: Vec::new(),
            coordinator_only: false,
            in_reply_to: None,
            occurred_at: Some(Timestamp(1)),
            supersedes: None,
            acknowledge_by: None,
            attachments: Vec::new(),
        };
        draft(&mut posted);
        Command::Post { message: MessageId(Uuid::new_v4()), draft: Arc::new(posted) }
    };
    run("region-a", post(Material::Logs, Tlp::Amber, "påverkad: 192.0.2.7", |_| {})).await;
    run("region-a", post(Material::Logs, Tlp::AmberStrict, &"x".repeat(20_000), |_| {})).await;
    run("region-b", post(Material::Information, Tlp::Green, "for the coordinator", |d| d.coordinator_only = true))
        .await;
    run("cert-se", post(Material::Information, Tlp::Clear, "patch now", |_| {})).await;
    let red = |draft: &mut Draft| draft.red_actors = vec!["org/region-b/user/duty".parse().expect("an actor")];
    run("cert-se", post(Material::Data, Tlp::Red, "for you alone", red)).await;
    shown(&engine).await;
    run("region-a", Command::WithdrawConsent { scope: Scope::Material(Material::Logs), recall: None }).await;
    let change = ConsentChange {
        named: vec![(Name::Organisation("region-b".parse().expect("an id")), Material::Data, Sharing::Direct)],
        expiry: ExpiryChange::At(Timestamp(900_000_000_000_000)),
        attribution: Some(Attribution::Named),
        ..ConsentChange::default()
    };
    run("region-a", Command::GiveConsent { change: Arc::new(change), expected_version: Some(2) }).await;
    let vendor = Name::Organisation("vendor-x".parse().expect("an id"));
    run("cert-se", Command::ChangeRole { participant: vendor.clone(), role: Role::AffectedOrganisation }).await;
    run("region-c", Command::Leave).await;
    run("cert-se", Command::Remove { participant: vendor, reason: "done".into() }).await;
    run("cert-se", Command::Close).await;
    run("cert-se", Command::Reopen).await;
    let opening = Opening::ByCoordinator { title: "Another".into(), terms: "Terms".into() };
    engine.open_room(&coordinator, request(), opening).await.expect("opens");
    engine.suspend(&coordinator, request(), "police".parse().expect("an id"), "test".into()).await.expect("suspends");
    clock.store(899_000_000_000_000, Ordering::SeqCst);
    engine.stop().await;
    drop(engine);
    // What is shown long after, when the consent has expired, on a copy: reading records deliveries.
    let scratch = tempfile::tempdir().expect("a folder");
    let reading = scratch.path().join("store");
    copy(directory, &reading);
    let engine = self::engine(&reading, Arc::new(AtomicI64::new(1_000_000_000_000_000)), 0).await;
    fs::write(golden_text(), shown(&engine).await).expect("writes");
    engine.stop().await;
}
