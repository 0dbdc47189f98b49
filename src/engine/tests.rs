//! The engine on the memory store: what is said when, and what survives.

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::room::consent::Scope;
use crate::room::event::Draft;
use crate::room::ids::{ActorKind, MessageId, RequestId};
use crate::room::words::{Answer, Attribution, Audience, Material, Role, Sharing, Tlp};
use crate::store::memory::{Fault, MemoryStore};

pub(super) struct World {
    pub(super) store: Arc<MemoryStore>,
    pub(super) engine: Engine,
    clock: Arc<AtomicI64>,
}

pub(super) fn settings() -> Settings {
    Settings {
        coordinator: organisation("cert-se"),
        title: "incident".into(),
        terms: "terms".into(),
        ids: Ids::random(),
        rates: Rates::unlimited(),
        attachment_bytes_max: u64::MAX,
    }
}

pub(super) fn organisation(name: &str) -> OrganisationId {
    name.parse().expect(name)
}

pub(super) fn actor(name: &str) -> Actor {
    Actor::new(organisation(name), ActorKind::User, "anna").expect(name)
}

pub(super) fn receiver(name: &str) -> Receiver {
    Receiver { actor: actor(name), certificate: [7; 32] }
}

pub(super) fn request() -> Request {
    Request { id: RequestId(Uuid::new_v4()), digest: [1; 32] }
}

pub(super) fn direct(material: Material) -> ConsentChange {
    ConsentChange {
        cells: vec![(material, Audience::OtherAffectedOrganisations, Sharing::Direct)],
        newcomers: vec![(Audience::OtherAffectedOrganisations, Answer::Yes)],
        attribution: Some(Attribution::Pseudonym),
        ..ConsentChange::default()
    }
}

pub(super) fn post(text: &str, material: Material) -> Command {
    let draft = Draft {
        material,
        tlp: Tlp::Amber,
        text: text.into(),
        recipients: Vec::new(),
        red_actors: Vec::new(),
        coordinator_only: false,
        in_reply_to: None,
        occurred_at: None,
        supersedes: None,
        acknowledge_by: None,
        attachments: Vec::new(),
    };
    Command::Post { message: MessageId(Uuid::new_v4()), draft: Arc::new(draft) }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::on(Arc::new(MemoryStore::new())).await
    }

    pub(super) async fn on(store: Arc<MemoryStore>) -> Self {
        Self::start(store, settings()).await
    }

    pub(super) async fn with(settings: Settings) -> Self {
        Self::start(Arc::new(MemoryStore::new()), settings).await
    }

    async fn start(store: Arc<MemoryStore>, settings: Settings) -> Self {
        let clock = Arc::new(AtomicI64::new(1_000_000));
        let read = clock.clone();
        let engine = Engine::start(store.clone(), Arc::new(move || Timestamp(read.load(Ordering::SeqCst))), settings);
        Self { engine: engine.await.expect("a store that verifies"), store, clock }
    }

    /// The process ends and starts again.
    pub(super) async fn restart(self) -> Self {
        self.engine.stop().await;
        Self::on(Arc::new(self.store.restart())).await
    }

    /// A room in which region-a shares its logs directly with other affected organisations, and region-b is one.
    pub(super) async fn room(&self) -> RoomId {
        for name in ["region-a", "region-b"] {
            let registered = self.engine.register(&actor("cert-se"), request(), organisation(name), name.into()).await;
            registered.expect("registers");
        }
        let opening =
            Opening::ByReport { report: Arc::new(IntakeReport::default()), consent: Arc::new(direct(Material::Logs)) };
        let opened = self.engine.open_room(&actor("region-a"), request(), opening).await.expect("opens");
        self.invite(opened.room, "region-b").await;
        opened.room
    }

    /// The same, and region-b is there by name.
    pub(super) async fn named_room(&self) -> RoomId {
        let room = self.room().await;
        let change = ConsentChange { attribution: Some(Attribution::Named), ..ConsentChange::default() };
        let give = Command::GiveConsent { change: Arc::new(change), expected_version: None };
        self.write("region-b", room, give).await.expect("it is named");
        room
    }

    pub(super) async fn invite(&self, room: RoomId, name: &str) {
        let invitation = InvitationId(Uuid::new_v4());
        let command = Command::Invite {
            invitation,
            organisation: organisation(name),
            role: Role::AffectedOrganisation,
            participant: ParticipantId(Uuid::new_v4()),
        };
        self.write("cert-se", room, command).await.expect("invites");
        let consent = Arc::new(direct(Material::Logs));
        self.write(name, room, Command::AcceptInvitation { invitation, consent }).await.expect("accepts");
    }

    pub(super) async fn write(&self, who: &str, room: RoomId, command: Command) -> Result<Written, Failure> {
        self.engine.write(&actor(who), room, request(), command).await
    }

    pub(super) async fn texts(&self, who: &str, room: RoomId) -> Vec<String> {
        let batch = self.engine.page(&receiver(who), room, Index(0), 1000, 1 << 20).await.expect("a page");
        texts(&batch)
    }
}

pub(super) fn texts(batch: &Batch) -> Vec<String> {
    let text = |delivery: &Delivery| match delivery {
        Delivery::Shown(shown) => match &shown.get().what {
            What::Message(message) => Some(message.text.to_string()),
            _ => None,
        },
        Delivery::Withdrawn => Some("withdrawn".to_owned()),
        Delivery::Notice(notice) => {
            Some(format!("notice {:?}", notice.ranges.iter().map(|(a, b)| (a.0, b.0)).collect::<Vec<_>>()))
        }
    };
    batch.deliveries.iter().filter_map(text).collect()
}

/// Reads until `wanted` texts have come.
async fn read(subscription: &mut Subscription, wanted: usize) -> Vec<String> {
    let mut read = Vec::new();
    while read.len() < wanted {
        read.extend(texts(&subscription.next().await.expect("an open stream")));
    }
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_reader_gets_what_consent_allows_and_a_restart_changes_nothing() {
    let world = World::new().await;
    let room = world.room().await;
    let mut stream = world.engine.subscribe(&receiver("region-b"), room, Index(0)).await.expect("subscribes");
    world.write("region-a", room, post("one", Material::Logs)).await.expect("posts");
    world.write("region-a", room, post("secret", Material::Information)).await.expect("posts");
    world.write("region-a", room, post("two", Material::Logs)).await.expect("posts");
    assert_eq!(read(&mut stream, 2).await, ["one", "two"]);
    drop(stream);
    let world = world.restart().await;
    assert_eq!(world.texts("region-b", room).await, ["one", "two"]);
    assert_eq!(world.texts("region-a", room).await, ["one", "secret", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_a_withdrawal_takes_back_what_is_queued_and_gives_one_notice() {
    let world = World::new().await;
    let room = world.room().await;
    let mut stream = world.engine.subscribe(&receiver("region-b"), room, Index(0)).await.expect("subscribes");
    world.write("region-a", room, post("one", Material::Logs)).await.expect("posts");
    assert_eq!(read(&mut stream, 1).await, ["one"]);
    // Queued, not taken.
    world.write("region-a", room, post("two", Material::Logs)).await.expect("posts");
    world
        .write("region-a", room, Command::WithdrawConsent { scope: Scope::All, recall: None })
        .await
        .expect("withdraws");
    world.write("region-a", room, post("three", Material::Logs)).await.expect("posts");
    let seen = read(&mut stream, 2).await;
    assert_eq!(seen[0], "withdrawn");
    assert!(seen[1].starts_with("notice"), "{seen:?}");
    let again = world.texts("region-b", room).await;
    assert_eq!(again.iter().filter(|text| *text == "withdrawn").count(), 2, "{again:?}");
    // Giving it again opens nothing old.
    world
        .write(
            "region-a",
            room,
            Command::GiveConsent { change: Arc::new(direct(Material::Logs)), expected_version: None },
        )
        .await
        .expect("gives");
    world.write("region-a", room, post("four", Material::Logs)).await.expect("posts");
    let again = world.texts("region-b", room).await;
    assert_eq!(again.last().map(String::as_str), Some("four"));
    assert!(!again.iter().any(|text| ["one", "two", "three"].contains(&text.as_str())), "{again:?}");
    let world = world.restart().await;
    assert_eq!(world.texts("region-b", room).await, again);
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_nothing_is_answered_or_delivered_before_it_is_durable() {
    let world = World::new().await;
    let room = world.room().await;
    let mut stream = world.engine.subscribe(&receiver("region-b"), room, Index(0)).await.expect("subscribes");
    world.write("region-a", room, post("before", Material::Logs)).await.expect("posts");
    assert_eq!(read(&mut stream, 1).await, ["before"]);
    let gate = world.store.hold_commits();
    let engine = world.engine.clone();
    let posted =
        tokio::spawn(
            async move { engine.write(&actor("region-a"), room, request(), post("held", Material::Logs)).await },
        );
    gate.commit_waits().await;
    // Decided, not durable: neither the answer nor the delivery is there, nor an answer that depends on it.
    let engine = world.engine.clone();
    let asked = tokio::spawn(async move { engine.ask(&actor("region-a"), room, |state, _| Ok(state.next())).await });
    tokio::task::yield_now().await;
    assert!(!posted.is_finished());
    assert!(!asked.is_finished());
    let nothing = futures_poll_once(stream.next()).await;
    assert!(nothing.is_none(), "delivered before it was durable: {nothing:?}");
    gate.release();
    posted.await.expect("no panic").expect("posts");
    asked.await.expect("no panic").expect("answers");
    assert_eq!(read(&mut stream, 1).await, ["held"]);
}

async fn futures_poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_one_request_id_has_one_effect_through_restarts_and_leaving() {
    let world = World::new().await;
    let room = world.room().await;
    let once = request();
    let first = world.engine.write(&actor("region-b"), room, once, post("once", Material::Logs)).await.expect("posts");
    let again =
        world.engine.write(&actor("region-b"), room, once, post("once", Material::Logs)).await.expect("retries");
    assert_eq!(first, again);
    let other = Request { digest: [2; 32], ..once };
    let refused = world.engine.write(&actor("region-b"), room, other, post("other", Material::Logs)).await;
    assert_eq!(refused, Err(Refusal::RequestIdReused.into()));
    let leave = request();
    let left = world.engine.write(&actor("region-b"), room, leave, Command::Leave).await.expect("leaves");
    let world = world.restart().await;
    let again =
        world.engine.write(&actor("region-b"), room, once, post("once", Material::Logs)).await.expect("retries");
    assert_eq!(first, again);
    assert_eq!(world.engine.write(&actor("region-b"), room, leave, Command::Leave).await, Ok(left));
    assert_eq!(world.write("region-b", room, Command::Leave).await, Err(Refusal::RoomNotFound.into()));
    assert_eq!(world.texts("cert-se", room).await, ["once"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_serves_again_when_space_returns() {
    let world = World::new().await;
    let room = world.room().await;
    world.write("region-a", room, post("before", Material::Logs)).await.expect("posts");
    world.store.fail_next(Fault::Full);
    assert_eq!(world.write("region-a", room, post("lost", Material::Logs)).await, Err(Failure::StoreFull));
    world.write("region-a", room, post("after", Material::Logs)).await.expect("posts");
    assert_eq!(world.texts("region-b", room).await, ["before", "after"]);
    let world = world.restart().await;
    assert_eq!(world.texts("region-b", room).await, ["before", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_disk_is_told_as_unknown_and_the_retry_after_a_restart_has_one_effect() {
    let world = World::new().await;
    let room = world.room().await;
    let once = request();
    world.store.fail_next(Fault::FailsWritten);
    let failed = world.engine.write(&actor("region-a"), room, once, post("once", Material::Logs)).await;
    assert_eq!(failed, Err(Failure::StoreFailed { outcome: Outcome::Unknown }));
    let world = world.restart().await;
    world.engine.write(&actor("region-a"), room, once, post("once", Material::Logs)).await.expect("retries");
    assert_eq!(world.texts("region-b", room).await, ["once"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_quarantines_its_room_and_no_other() {
    let world = World::new().await;
    let room = world.room().await;
    world.write("region-a", room, post("one", Material::Logs)).await.expect("posts");
    let opening = Opening::ByCoordinator { title: "other".into(), terms: "terms".into() };
    let other = world.engine.open_room(&actor("cert-se"), request(), opening).await.expect("opens").room;
    world.engine.stop().await;
    assert!(world.store.flip_bit(room, 1, 77));
    let world = World::on(Arc::new(world.store.restart())).await;
    let page = world.engine.page(&receiver("region-b"), room, Index(0), 10, 1 << 20).await;
    assert_eq!(page, Err(Failure::Damaged));
    world.write("cert-se", other, post("fine", Material::Logs)).await.expect("posts");
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_ends_at_its_very_moment_by_the_clock() {
    let world = World::new().await;
    let room = world.room().await;
    let change = ConsentChange {
        expiry: crate::room::consent::ExpiryChange::At(Timestamp(2_000_000)),
        ..direct(Material::Logs)
    };
    world
        .write("region-a", room, Command::GiveConsent { change: Arc::new(change), expected_version: None })
        .await
        .expect("gives");
    world.write("region-a", room, post("in time", Material::Logs)).await.expect("posts");
    assert_eq!(world.texts("region-b", room).await, ["in time"]);
    world.clock.store(2_000_000, Ordering::SeqCst);
    let after = world.texts("region-b", room).await;
    assert_eq!(after[0], "withdrawn");
    assert!(after[1].starts_with("notice"), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_far_behind_is_read_on_from_the_store_without_gap_or_repeat() {
    let world = World::new().await;
    let room = world.room().await;
    let text = "x".repeat(3000);
    for n in 0..2000 {
        world.write("region-a", room, post(&format!("{n} {text}"), Material::Logs)).await.expect("posts");
    }
    let mut stream = world.engine.subscribe(&receiver("region-b"), room, Index(0)).await.expect("subscribes");
    let mut next = 0;
    while next < 2000 {
        for seen in texts(&stream.next().await.expect("an open stream")) {
            assert!(seen.starts_with(&format!("{next} ")), "{next}: {}", &seen[..10]);
            next += 1;
        }
    }
    let last = stream.last_index();
    drop(stream);
    let mut stream = world.engine.subscribe(&receiver("region-b"), room, Index(last.0 - 1)).await.expect("resumes");
    assert_eq!(stream.next().await.expect("an open stream").first, last);
    let beyond = world.engine.subscribe(&receiver("region-b"), room, Index(last.0 + 1)).await;
    assert!(matches!(beyond, Err(Failure::Refused(Refusal::IndexPastEnd))));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_is_given_nothing_more() {
    let world = World::new().await;
    let room = world.room().await;
    let mut stream = world.engine.subscribe(&receiver("region-b"), room, Index(0)).await.expect("subscribes");
    world.write("region-a", room, post("one", Material::Logs)).await.expect("posts");
    world
        .engine
        .suspend(&actor("cert-se"), request(), organisation("region-b"), "stolen laptop".into())
        .await
        .expect("suspends");
    loop {
        match stream.next().await {
            Ok(batch) => assert!(texts(&batch).is_empty(), "given after the suspension was acknowledged"),
            Err(failure) => {
                assert_eq!(failure, Failure::Refused(Refusal::RoomNotFound));
                break;
            }
        }
    }
    assert!(!world.engine.directory().admits(&organisation("region-b")));
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_a_delivery_record_is_durable_before_the_delivery_is_given() {
    let world = World::new().await;
    let room = world.room().await;
    let mut stream = world.engine.subscribe(&receiver("region-b"), room, Index(0)).await.expect("subscribes");
    for n in 0..50 {
        world.write("region-a", room, post(&format!("{n}"), Material::Logs)).await.expect("posts");
        let batch = stream.next().await.expect("an open stream");
        let given = batch.first.0 + batch.deliveries.len() as u64 - 1;
        // What a kill at this instant would leave.
        let left = world.store.restart();
        let loaded = super::load::load(&left, room).expect("verifies");
        let recorded = loaded.mailboxes.get(&actor("region-b")).map_or(0, |mailbox| mailbox.last().0);
        assert!(recorded >= given, "{given} given, {recorded} on record");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_what_was_acknowledged_is_there_after_a_kill_at_any_instant() {
    let world = World::new().await;
    let room = world.room().await;
    let mut acknowledged = Vec::new();
    for n in 0..100 {
        let text = format!("{n}");
        world.write("region-a", room, post(&text, Material::Logs)).await.expect("posts");
        acknowledged.push(text);
        if n % 10 == 0 {
            let killed = World::on(Arc::new(world.store.restart())).await;
            assert_eq!(killed.texts("cert-se", room).await, acknowledged);
        }
    }
}

/// A retry finds the entry that the failed commit left in memory, and must not be told that it is done.
#[tokio::test(flavor = "multi_thread")]
async fn r1_nothing_is_acknowledged_after_the_store_has_failed() {
    for fault in [Fault::FailsUnwritten, Fault::FailsWritten] {
        let world = World::new().await;
        let room = world.room().await;
        let (request, command) = (request(), post("lost", Material::Logs));
        world.store.fail_next(fault);
        for _ in 0..3 {
            let answer = world.engine.write(&actor("region-a"), room, request, command.clone()).await;
            assert_eq!(answer, Err(Failure::StoreFailed { outcome: Outcome::Unknown }));
            let page = world.engine.page(&receiver("region-b"), room, Index(0), 1000, 1 << 20).await;
            assert_eq!(page, Err(Failure::StoreFailed { outcome: Outcome::Unknown }));
        }
    }
}
