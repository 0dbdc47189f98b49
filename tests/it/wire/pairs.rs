//! R7 over the wire: pairs of histories that differ only in what one reader may not see give it the same bytes on every method of the
//! real server: headers, answers and their sizes, statuses and their details, streams to their heartbeats.
//!
//! Two servers begin with the same store, authority and clock, and draw the same ids for the same acts. The acts are those of
//! `non_interference.rs`, which compares the core alone: the first server gets a random history; the second the same, and between its
//! acts others that do not concern the reader, in this room and elsewhere; messages that the reader never sees have other words or are not
//! there. A core beside each server says what there is to wish for next, and must grant exactly what its server grants.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use samverkan::api as pb;
use samverkan::engine::Ids;
use samverkan::room::event::Command;
use samverkan::room::ids::{Actor, OrganisationId, Timestamp};
use samverkan::service::StreamLimits;
use tonic::Code;
use uuid::Uuid;

use self::compare::{Counts, Heard};
use self::script::Script;
use self::sweep::Probe;
use self::things::Things;
use crate::disclosure::from_env;
use crate::histories::{Rng, id_of, user};
use crate::non_interference::Watch;
use crate::pure::PureRoom;
use crate::world::{Exchange, Peer, World};

mod acts;
mod compare;
mod elsewhere;
mod script;
mod sweep;
mod things;

/// Acts of the history that both have.
const STEPS: usize = 50;
/// Acts between two looks at everything that can be read.
const LOOK_EVERY: usize = 12;
/// Short, so that a stream can be read up to one.
const HEARTBEAT: Duration = Duration::from_millis(60);

/// What a server draws next.
struct Drawn {
    next: VecDeque<Uuid>,
    then: Rng,
}

/// One server, and the core beside it.
struct Side {
    world: World,
    drawn: Arc<Mutex<Drawn>>,
    peers: BTreeMap<Actor, Peer>,
    core: PureRoom,
    /// Whether the room that only the second history has is there.
    hidden_room: bool,
}

/// The room of the pair.
fn main_room() -> Uuid {
    Uuid::from_bytes(id_of("room/main"))
}

fn request_id(label: &str) -> String {
    Uuid::from_bytes(id_of(&format!("request/{label}"))).to_string()
}

impl Side {
    async fn start(mould: &World) -> Self {
        let drawn = Arc::new(Mutex::new(Drawn { next: VecDeque::new(), then: Rng(0) }));
        let draw = {
            let drawn = drawn.clone();
            move || {
                let mut drawn = drawn.lock().expect("not poisoned");
                let then = (drawn.then.next(), drawn.then.next());
                drawn.next.pop_front().unwrap_or_else(|| Uuid::from_u64_pair(then.0, then.1))
            }
        };
        let streams = StreamLimits { heartbeat: HEARTBEAT, ..StreamLimits::default() };
        let world = mould.twin(Ids::drawn_by(draw), streams).await;
        let core = PureRoom::new(Timestamp(world.now()));
        Self { world, drawn, peers: BTreeMap::new(), core, hidden_room: false }
    }

    fn pass(&mut self, time: i64) {
        self.world.advance_clock(time);
        self.core.advance_clock(time);
    }

    async fn peer(&mut self, who: &Actor) -> Peer {
        if !self.peers.contains_key(who) {
            let name = who.to_string();
            let peer = self.world.peer(name.strip_prefix("org/").expect("an actor's name")).await;
            self.peers.insert(who.clone(), peer);
        }
        self.peers[who].clone()
    }

    /// One call. What it draws and is not among `draws` is made of the label.
    async fn call(&mut self, who: &Actor, method: &str, requests: Vec<Bytes>, draws: &[Uuid], label: &str) -> Exchange {
        let seed = u64::from_be_bytes(id_of(label)[..8].try_into().expect("eight bytes"));
        *self.drawn.lock().expect("not poisoned") = Drawn { next: draws.iter().copied().collect(), then: Rng(seed) };
        let mut heard = Heard::default();
        let peer = self.peer(who).await;
        peer.exchange(method, requests, |answer| match method {
            "MessageService/Subscribe" => heard.is_caught_up(answer),
            "grpc.health.v1.Health/Watch" => true,
            _ => false,
        })
        .await
    }

    /// One act in the room; whether it was granted. The core does as the server does.
    async fn perform(&mut self, caller: &Actor, command: &Command, label: &str) -> Result<(Exchange, bool), String> {
        for (n, requests) in acts::uploads(command, main_room()).into_iter().enumerate() {
            // A refusal is that of the post that follows.
            self.call(caller, "AttachmentService/UploadAttachment", requests, &[], &format!("{label}/upload/{n}"))
                .await;
        }
        let exchange = match acts::act(command, request_id(label), main_room()) {
            Some(act) => self.call(caller, act.method, vec![act.request], &act.draws, label).await,
            None => {
                let Command::RemoveSuspended { organisation } = command else { panic!("no request: {command:?}") };
                self.suspend_and_register(caller, organisation, label).await
            }
        };
        let granted = exchange.status.is_none();
        // The core takes some wishes that have no well-formed request, such as a change that changes nothing.
        if exchange.status.as_ref().is_some_and(|status| status.code() == Code::InvalidArgument) {
            return Ok((exchange, false));
        }
        let core = self.core.perform(caller, command.clone());
        if granted != core.is_ok() {
            return Err(format!("{label}: {caller} {command:?}: {core:?}, but {:?}", exchange.status));
        }
        Ok((exchange, granted))
    }

    /// The coordinator keeps an organisation out of everything, and lets it in again, to no room.
    async fn suspend_and_register(&mut self, caller: &Actor, of: &OrganisationId, label: &str) -> Exchange {
        let (id, organisation_id) = (request_id(label), of.to_string());
        let request = pb::SuspendOrganisationRequest { request_id: id, organisation_id, reason: "r".into() };
        let request = Bytes::from(request.encode_to_vec());
        let done = self.call(caller, "OrganisationService/SuspendOrganisation", vec![request], &[], label).await;
        self.peers.retain(|who, _| who.organisation != *of);
        self.register(of, &format!("{label}/again")).await;
        done
    }

    async fn register(&mut self, of: &OrganisationId, label: &str) {
        let anna = user(&crate::world::COORDINATOR.parse().expect("an id"), "anna");
        let (request_id, organisation_id, display_name) = (request_id(label), of.to_string(), format!("{of} AB"));
        let request = pb::RegisterOrganisationRequest { request_id, organisation_id, display_name };
        let request = Bytes::from(request.encode_to_vec());
        let done = self.call(&anna, "OrganisationService/RegisterOrganisation", vec![request], &[], label).await;
        assert!(done.status.is_none(), "{:?}", done.status);
    }

    /// The actor reads its mailbox to the end.
    async fn read(&mut self, who: &Actor, after: u64, label: &str) -> Exchange {
        let room_id = main_room().to_string();
        let request = pb::ListMessagesRequest { room_id, after_index: after, page_size: 1000 };
        let request = Bytes::from(request.encode_to_vec());
        let page = self.call(who, "MessageService/ListMessages", vec![request], &[], label).await;
        drop(self.core.deliver(who, 10_000));
        page
    }

    /// Answers to a probe, page by page.
    async fn ask(&mut self, who: &Actor, probe: &Probe, label: &str) -> Vec<Exchange> {
        let mut pages = vec![self.call(who, &probe.method, probe.requests.clone(), &[], label).await];
        while let Some(next) = &probe.next
            && let Some(answer) = pages.last().and_then(|page| page.answers.first())
            && let Some(request) = next(answer)
            && pages.len() < 40
        {
            pages.push(self.call(who, &probe.method, vec![request], &[], label).await);
        }
        pages
    }
}

/// Two histories, as far as they have come.
struct Pair {
    sides: [Side; 2],
    watch: Watch,
    rng: Rng,
    seed: u64,
}

impl Pair {
    async fn start(mould: &World, seed: u64) -> Self {
        let mut rng = Rng(90_000 + seed);
        let mut watch = Watch::any(&mut rng);
        // What a mailbox has is not at each moment what the core's has beside it; that is asked in the sweeps.
        watch.cast.fetches = false;
        let (first, second) = tokio::join!(Side::start(mould), Side::start(mould));
        Self { sides: [first, second], watch, rng, seed }
    }

    /// The same call in both.
    async fn both(&mut self, who: &Actor, probe: &Probe, label: &str, counts: &mut Counts) -> Result<(), String> {
        let [first, second] = &mut self.sides;
        let (first, second) = tokio::join!(first.ask(who, probe, label), second.ask(who, probe, label));
        for (first, second) in first.iter().zip(&second) {
            counts.compare(&probe.method, first, second).map_err(|why| format!("{label}, {who}: {why}"))?;
        }
        if first.len() == second.len() {
            Ok(())
        } else {
            Err(format!("{label}, {who}: {} has more pages", probe.method))
        }
    }

    /// Everything of these, as this actor.
    async fn sweep(&mut self, who: &Actor, probes: &[Probe], label: &str, counts: &mut Counts) -> Result<(), String> {
        for (at, probe) in probes.iter().enumerate() {
            self.both(who, probe, &format!("{label}/{at}"), counts).await?;
        }
        Ok(())
    }

    /// Both mailboxes of the reader, and a stream that is open while the second history has acts that do not concern it.
    async fn follow(&mut self, label: &str, counts: &mut Counts) -> Result<(), String> {
        let actors = self.watch.actors.clone();
        for who in &actors {
            self.read_both(who, 0, label, counts).await?;
        }
        let who = &actors[self.rng.below(actors.len())];
        let room_id = main_room().to_string();
        let request = pb::SubscribeRequest { room_id, after_index: 0 };
        let requests = vec![Bytes::from(request.encode_to_vec())];
        let mut streams = Vec::new();
        for side in &mut self.sides {
            let (peer, requests) = (side.peer(who).await, requests.clone());
            streams.push(tokio::spawn(async move {
                let mut heard = Heard::default();
                let ends = |answer: &Bytes| heard.is_caught_up(answer) && heard.heartbeats > 3;
                peer.exchange("MessageService/Subscribe", requests, ends).await
            }));
        }
        for n in 0..4 {
            self.hidden_act(&format!("{label}/live/{n}"), counts).await?;
        }
        let (first, second) = (streams.remove(0).await, streams.remove(0).await);
        let (first, second) = (first.expect("it ends"), second.expect("it ends"));
        counts.compare("MessageService/Subscribe", &first, &second).map_err(|why| format!("{label}, {who}: {why}"))
    }

    async fn read_both(&mut self, who: &Actor, after: u64, label: &str, counts: &mut Counts) -> Result<(), String> {
        let [first, second] = &mut self.sides;
        let (first, second) = tokio::join!(first.read(who, after, label), second.read(who, after, label));
        counts.compare("MessageService/ListMessages", &first, &second).map_err(|why| format!("{label}, {who}: {why}"))
    }

    /// Something in the second history that the reader may not see.
    async fn hidden_act(&mut self, label: &str, counts: &mut Counts) -> Result<(), String> {
        if self.rng.chance(12) {
            let kind = elsewhere::hidden_act(&mut self.sides[1], &self.watch, &mut self.rng, label).await;
            *counts.hidden.entry(kind.to_owned()).or_default() += 1;
            return Ok(());
        }
        let label = format!("hidden {label}");
        let (caller, command) = self.watch.hidden_step(&mut self.rng, &self.sides[1].core, &label);
        let (_, granted) = self.sides[1].perform(&caller, &command, &label).await?;
        if granted {
            *counts.hidden.entry(crate::model::name_of(&command)).or_default() += 1;
        }
        Ok(())
    }

    /// The others catch up, now and then.
    async fn others_read(&mut self, i: usize) {
        for (n, who) in self.watch.cast.readers().iter().enumerate() {
            if who.organisation != self.watch.reader && (i + n).is_multiple_of(6) {
                let [first, second] = &mut self.sides;
                let (a, b) = (first.core.last_index(who), second.core.last_index(who));
                let label = format!("{i}/read/{n}");
                let _ = tokio::join!(first.read(who, a, &label), second.read(who, b, &label));
            }
        }
    }

    /// The same act in both. `false`: the hidden made another's act possible or impossible, so that the histories part.
    async fn step(&mut self, script: &Script, i: usize, counts: &mut Counts) -> Result<bool, String> {
        let (step, label) = (&script.steps[i], i.to_string());
        self.sides.iter_mut().for_each(|side| side.pass(step.after));
        let [first, second] = &mut self.sides;
        if step.caller.organisation == self.watch.reader {
            let calls = (
                first.perform(&step.caller, &step.command, &label),
                second.perform(&step.caller, &step.command, &label),
            );
            let (first, second) = tokio::join!(calls.0, calls.1);
            let ((first, _), (second, _)) = (first?, second?);
            let method = acts::act(&step.command, String::new(), main_room()).map_or("", |act| act.method);
            let at = |why| format!("step {i}, {} {:?}: {why}", step.caller, step.command);
            counts.compare(method, &first, &second).map_err(at)?;
            return Ok(true);
        }
        let other = script.in_second(i, &self.watch.reader, &mut self.rng);
        let Some(other) = other else {
            counts.omitted += 1;
            first.perform(&step.caller, &step.command, &label).await?;
            return Ok(true);
        };
        counts.altered += u64::from(other != step.command);
        let calls = (first.perform(&step.caller, &step.command, &label), second.perform(&step.caller, &other, &label));
        let (first, second) = tokio::join!(calls.0, calls.1);
        Ok(first?.1 == second?.1)
    }

    async fn run(&mut self, counts: &mut Counts) -> Result<(), String> {
        counts.unheard = elsewhere::unheard(&self.watch);
        let script = Script::draw(&self.watch, &mut self.rng, self.sides[0].world.now());
        elsewhere::prepare(&mut self.sides, &self.watch).await;
        for i in 0..script.steps.len() {
            for k in 0..2 {
                if i > 0 && self.rng.chance(60) {
                    self.hidden_act(&format!("{i}/{k}"), counts).await?;
                }
            }
            if !self.step(&script, i, counts).await? {
                *counts.standing.entry("parted".to_owned()).or_default() += 1;
                break;
            }
            self.others_read(i).await;
            for (n, who) in self.watch.actors.clone().iter().enumerate() {
                if (i + n).is_multiple_of(4) {
                    let after = self.sides[0].core.last_index(who);
                    self.read_both(who, after, &format!("{i}/mail/{n}"), counts).await?;
                }
            }
            if i % LOOK_EVERY == LOOK_EVERY - 1 {
                self.follow(&format!("{i}"), counts).await?;
                let (things, who) = (self.things(&i.to_string()), self.rng.pick(&self.watch.actors));
                self.sweep(&who, &sweep::reads(&things, self.rng.clone()), &format!("look {i}"), counts).await?;
            }
        }
        self.end(counts).await
    }

    /// The reader leaves, is removed and invited again, or stays; then it calls everything.
    async fn end(&mut self, counts: &mut Counts) -> Result<(), String> {
        for (n, (caller, command)) in script::last_acts(&self.watch, self.seed).into_iter().enumerate() {
            let label = format!("last/{n}");
            for side in &mut self.sides {
                side.perform(&caller, &command, &label).await?;
            }
        }
        for n in 0..6 {
            self.hidden_act(&format!("last/{n}"), counts).await?;
        }
        let standing = script::standing(&self.sides[0].core, &self.watch.reader);
        *counts.standing.entry(standing.to_owned()).or_default() += 1;
        self.follow("last", counts).await?;
        for (n, who) in self.watch.actors.clone().iter().enumerate() {
            let things = self.things(&format!("last/{n}"));
            let all = sweep::everything(&things, self.rng.clone());
            self.sweep(who, &all, &format!("everything/{n}"), counts).await?;
            self.sweep(who, &sweep::reads(&things, self.rng.clone()), &format!("afterwards/{n}"), counts).await?;
        }
        Ok(())
    }

    fn things(&mut self, label: &str) -> Things {
        let [first, second] = &self.sides;
        Things::draw(&self.watch, [&first.core, &second.core], &mut self.rng, label, first.world.now())
    }

    async fn stop(mut self) {
        self.sides[0].world.stop().await;
        self.sides[1].world.stop().await;
    }
}

/// Pairs at a time: each waits for two disks more than for processors.
const AT_ONCE: u64 = 4;

#[test]
fn r7_pairs_of_histories_over_the_wire_give_a_reader_the_same_bytes_on_every_method() {
    let (pairs, first_seed) = (from_env("SAMVERKAN_WIRE_PAIRS", 24), from_env("SAMVERKAN_SEED", 0));
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let mould = runtime().expect("a runtime").block_on(async {
        let mut mould = World::start().await;
        mould.stop().await;
        mould
    });
    let (next, all, wrong) = (AtomicU64::new(0), Mutex::new(Counts::default()), Mutex::new(Vec::new()));
    let work = || {
        let runtime = runtime().expect("a runtime");
        loop {
            let seed = first_seed + next.fetch_add(1, Ordering::Relaxed);
            if seed >= first_seed + pairs {
                return;
            }
            let mut counts = Counts { pairs: 1, ..Counts::default() };
            let result = runtime.block_on(async {
                let mut pair = Pair::start(&mould, seed).await;
                let result = pair.run(&mut counts).await;
                pair.stop().await;
                result
            });
            all.lock().expect("not poisoned").add(counts);
            if let Err(why) = result {
                wrong
                    .lock()
                    .expect("not poisoned")
                    .push(format!("SAMVERKAN_SEED={seed} SAMVERKAN_WIRE_PAIRS=1: {why}"));
            }
        }
    };
    thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    let (counts, wrong) = (all.into_inner().expect("not poisoned"), wrong.into_inner().expect("not poisoned"));
    assert!(wrong.is_empty(), "{} of {pairs} pairs differ\n\n{}", wrong.len(), wrong.join("\n\n"));
    let methods: BTreeSet<_> = counts.granted.keys().chain(counts.refused.keys()).cloned().collect();
    println!(
        "{} pairs, {} answers on {} methods compared ({} bytes), none differs; {} hidden acts, {} altered and {} omitted messages",
        counts.pairs,
        counts.answers,
        methods.len(),
        counts.bytes,
        counts.hidden.values().sum::<u64>(),
        counts.altered,
        counts.omitted,
    );
    println!("the reader at the end: {:?}\nhidden: {:?}", counts.standing, counts.hidden);
    println!("granted: {:?}\nrefused: {:?}", counts.granted, counts.refused);
    assert_eq!(methods, sweep::served(), "every method has its probes, in tests/it/wire/pairs/sweep.rs");
}
