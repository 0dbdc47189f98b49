//! What outlives the simulated process: the disk, the clock, the clients' memory, what is to go wrong, and the trace.
//!
//! All randomness comes from one seed, each part of the world drawing from a sequence of its own.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use samverkan::contents::Storage;
use samverkan::engine::Written;
use samverkan::room::event::{Command, Request};
use samverkan::room::ids::{Actor, OrganisationId, RequestId, RoomId, Timestamp};
use samverkan::sealing::Vault;
use samverkan::store::committer::Wait;
use samverkan::store::memory::{Fault, MemoryStore};
use samverkan::store::{Frame, Store, StoreError, StoredFrame};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::Control;
use super::counts::Counts;
use super::view::View;
use crate::histories::{Cast, Rng, digest_of, id_of};

/// When the simulated history begins: 2026-11-24, in the unit of [`Timestamp`].
const BEGIN: i64 = 1_795_478_400_000_000;

/// A write that a client wants done, however often it has to ask.
#[derive(Clone)]
pub(super) struct Wish {
    pub(super) label: String,
    /// Which room.
    pub(super) room: usize,
    pub(super) caller: Actor,
    pub(super) command: Command,
}

impl Wish {
    pub(super) fn request(&self) -> Request {
        let id = RequestId::from_bytes(id_of(&format!("request/{}", self.label)));
        Request { id, digest: digest_of(&self.label) }
    }
}

/// What is wished in one room.
pub(super) struct Script {
    pub(super) rng: Rng,
    pub(super) step: usize,
    pub(super) left: usize,
}

/// What one client remembers of what it was given.
pub(super) struct ReaderMemory {
    pub(super) rng: Rng,
    pub(super) last: u64,
}

/// How the process is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Plan {
    /// At some moment.
    KilledAfter(Duration),
    /// With a commit called, of which nothing is written.
    KilledBeforeWrite(usize),
    /// With a commit written, of which nobody has heard.
    KilledAfterWrite(usize),
    /// The disk fails at a commit.
    DiskFails(usize, Fault),
    Stopped(Duration),
    /// Not before all is done.
    Never,
}

/// Everything but the clock, behind one lock that is never held while something is awaited.
pub(super) struct World {
    pub(super) cast: Cast,
    pub(super) views: Vec<View>,
    pub(super) scripts: Vec<Script>,
    pub(super) readers: BTreeMap<(usize, Actor), ReaderMemory>,
    /// By label.
    pub(super) open: BTreeMap<String, Wish>,
    pub(super) done: Vec<(Wish, Written)>,
    /// Withdrawals and the like that are under way: the room and whose.
    pub(super) narrowing: Vec<(usize, OrganisationId)>,
    pub(super) registered: Vec<OrganisationId>,
    pub(super) plan: Plan,
    pub(super) rng: Rng,
    /// The room of which a bit is flipped.
    pub(super) damaged: Option<RoomId>,
    pub(super) counts: Counts,
    pub(super) trace: Trace,
    pub(super) violation: Option<String>,
    pub(super) control: Control,
    pub(super) snapshots: BTreeMap<RoomId, u64>,
    ids: VecDeque<[u8; 16]>,
    ids_drawn: u64,
    commits: usize,
    full_until: i64,
    /// How often a commit was tried on a full disk, in which second.
    asked_full: (i64, u64),
    pub(super) slow_until: i64,
    with_model: bool,
    /// What a store that lies finds again after its process has ended.
    forgotten: Option<MemoryStore>,
}

/// What happened, one line each, and its digest.
#[derive(Default)]
pub(super) struct Trace {
    digest: Sha256,
    pub(super) lines: Vec<String>,
}

impl Trace {
    pub(super) fn add(&mut self, line: String) {
        self.digest.update(line.as_bytes());
        self.digest.update(b"\n");
        self.lines.push(line);
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }
}

/// The world and its clock.
pub(super) struct Sim {
    world: Mutex<World>,
    /// Microseconds of earlier lives, and when this one began.
    before: AtomicI64,
    begun: Mutex<Option<Instant>>,
    /// By how much the wall clock is wrong.
    skew: AtomicI64,
    pub(super) crash: Notify,
    pub(super) all_done: Notify,
    pub(super) violated: Notify,
}

impl Sim {
    pub(super) fn new(seed: u64, control: Control) -> Self {
        let mut rng = Rng(seed);
        // Now and then one long room, for which the rule a second time is too slow: what matters there are snapshots.
        let is_long = seed.is_multiple_of(40);
        let (rooms, steps) = if is_long { (1, 1000) } else { (1 + rng.below(3), 60 + rng.below(80)) };
        let script = |n: usize| Script {
            rng: Rng(seed ^ (n as u64 + 1).wrapping_mul(0xa076_1d64_78bd_642f)),
            step: 0,
            left: steps,
        };
        let world = World {
            cast: Cast { attaches: false, fetches: false, ..Cast::default() },
            views: Vec::new(),
            scripts: (0..rooms).map(script).collect(),
            readers: BTreeMap::new(),
            open: BTreeMap::new(),
            done: Vec::new(),
            narrowing: Vec::new(),
            registered: Vec::new(),
            plan: Plan::Never,
            rng,
            damaged: None,
            counts: Counts::default(),
            trace: Trace::default(),
            violation: None,
            control,
            snapshots: BTreeMap::new(),
            ids: VecDeque::new(),
            ids_drawn: 0,
            commits: 0,
            full_until: 0,
            asked_full: (0, 0),
            slow_until: 0,
            with_model: !is_long,
            forgotten: None,
        };
        Self {
            world: Mutex::new(world),
            before: AtomicI64::new(0),
            begun: Mutex::new(None),
            skew: AtomicI64::new(0),
            crash: Notify::new(),
            all_done: Notify::new(),
            violated: Notify::new(),
        }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process starts.
    pub(super) fn begin(&self) {
        *self.begun.lock().expect("nobody panicked") = Some(Instant::now());
        let mut world = self.world();
        world.commits = 0;
        (world.full_until, world.slow_until) = (0, 0);
        world.narrowing.clear();
    }

    /// It has ended.
    pub(super) fn end(&self) {
        let elapsed = self.elapsed();
        *self.begun.lock().expect("nobody panicked") = None;
        self.before.store(elapsed, Ordering::SeqCst);
    }

    /// Simulated microseconds since the beginning of the history.
    pub(super) fn elapsed(&self) -> i64 {
        let begun = *self.begun.lock().expect("nobody panicked");
        let of_life = begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        self.before.load(Ordering::SeqCst) + i64::try_from(of_life.as_micros()).expect("less than an age")
    }

    /// What the wall clock of the server says.
    pub(super) fn clock(&self) -> Timestamp {
        Timestamp(BEGIN + self.elapsed() + self.skew.load(Ordering::SeqCst))
    }

    pub(super) fn step_clock(&self, by: i64) {
        self.skew.fetch_add(by, Ordering::SeqCst);
        let mut world = self.world();
        match by < 0 {
            true => world.counts.clock_back += 1,
            false => world.counts.clock_forward += 1,
        }
        self.note(&mut world, format!("the clock steps by {by}"));
    }

    pub(super) fn note(&self, world: &mut World, what: String) {
        world.trace.add(format!("{} {what}", self.elapsed()));
    }

    /// A promise is broken: the run ends.
    pub(super) fn violate(&self, why: String) {
        self.world().violation.get_or_insert(why);
        self.violated.notify_one();
    }

    /// Lets a client at it. One that panics is no less a finding.
    pub(super) fn spawn(self: &Arc<Self>, client: impl Future<Output = ()> + Send + 'static) {
        let sim = self.clone();
        tokio::spawn(async move {
            if AssertUnwindSafe(client).catch_unwind().await.is_err() {
                sim.violate("a client panicked".to_owned());
            }
        });
    }

    pub(super) fn draw_id(&self) -> Uuid {
        let mut world = self.world();
        world.ids_drawn += 1;
        let drawn = world.ids_drawn;
        let id = world.ids.pop_front().unwrap_or_else(|| id_of(&format!("drawn/{drawn}")));
        Uuid::from_bytes(id)
    }

    /// How long the disk takes; and whether the process is killed meanwhile.
    pub(super) fn pace(&self, wait: Wait) -> Duration {
        let now = self.elapsed();
        let mut world = self.world();
        let is_slow = now < world.slow_until;
        let plan = world.plan;
        let killed = match (wait, plan) {
            (Wait::Write, Plan::KilledBeforeWrite(at)) => world.commits == at,
            (Wait::Acknowledge, Plan::KilledAfterWrite(at)) => world.commits > at,
            _ => false,
        };
        if killed {
            self.crash.notify_one();
            return Duration::from_secs(3600);
        }
        let most = match (wait, is_slow) {
            (Wait::Write, true) => 3_000,
            (Wait::Acknowledge, true) => 800,
            (Wait::Other, true) => 500,
            (Wait::Write, false) => 4,
            (Wait::Acknowledge, false) => 2,
            (Wait::Other, false) => 4,
        };
        world.counts.slow_waits += u64::from(is_slow);
        Duration::from_millis(world.rng.below(most) as u64)
    }
}

impl World {
    pub(super) fn draw_these_ids(&mut self, ids: impl IntoIterator<Item = [u8; 16]>) {
        self.ids = ids.into_iter().collect();
    }

    pub(super) fn fill_until(&mut self, at: i64) {
        self.full_until = at;
    }

    pub(super) fn room(&self, room: usize) -> RoomId {
        self.views[room].id
    }

    /// Whether this process can do nothing with this room.
    pub(super) fn is_damaged(&self, room: usize) -> bool {
        self.damaged == Some(self.views[room].id)
    }

    /// Whether the server may say that it is stopping.
    pub(super) fn may_stop(&self) -> bool {
        matches!(self.plan, Plan::Stopped(_)) || self.is_done()
    }

    pub(super) fn is_done(&self) -> bool {
        self.open.is_empty() && self.scripts.iter().all(|script| script.left == 0)
    }

    /// A full disk is asked when somebody wants something, and not over and over.
    fn ask_a_full_disk(&mut self, sim: &Sim) {
        let second = sim.elapsed() / 1_000_000;
        self.asked_full = match self.asked_full {
            (last, times) if last == second => (second, times + 1),
            _ => (second, 1),
        };
        if self.asked_full.1 > 100 {
            self.violation.get_or_insert("a full disk is asked over and over".to_owned());
            sim.violated.notify_one();
        }
    }

    fn commit(&mut self, sim: &Sim, disk: &MemoryStore, frames: &[Frame], now: Timestamp) -> Result<(), StoreError> {
        let number = self.commits;
        self.commits += 1;
        let what: Vec<_> = frames.iter().map(|frame| (frame.room, frame.number, frame.bytes.len())).collect();
        sim.note(self, format!("commit {number}: {what:?}"));
        let mut fault = None;
        if sim.elapsed() < self.full_until {
            self.counts.full += 1;
            self.ask_a_full_disk(sim);
            fault = Some(Fault::Full);
        }
        if let Plan::DiskFails(at, how) = self.plan
            && number >= at
        {
            fault = Some(how);
        }
        if let Some(fault) = fault {
            sim.note(self, format!("{fault:?}"));
            disk.fail_next(fault);
        }
        if self.control == Control::Forgetful && number.is_multiple_of(4) {
            self.forgotten = Some(disk.restart());
        }
        let result = disk.commit(frames, now);
        let is_written = result.is_ok() || fault == Some(Fault::FailsWritten);
        let is_lost = self.control == Control::NeverWritten && self.views.len() == self.scripts.len();
        if is_written && !is_lost {
            self.counts.commits += 1;
            for frame in frames.iter().filter(|frame| frame.room.is_room()) {
                let stored = StoredFrame { number: frame.number, bytes: frame.bytes.clone() };
                let with_model = self.with_model;
                let at = self.views.iter().position(|view| view.id == frame.room).unwrap_or_else(|| {
                    self.views.push(View::new(frame.room, with_model));
                    self.views.len() - 1
                });
                if let Err(why) = self.views[at].commit(&stored, disk.vault()) {
                    self.violation.get_or_insert(format!("room {at}: {why}"));
                    sim.violated.notify_one();
                }
            }
        }
        result
    }
}

/// The disk, as one process finds it.
pub(super) struct SimStore {
    disk: MemoryStore,
    sim: Arc<Sim>,
}

impl SimStore {
    /// Encrypted with each fourth seed: without that, a flipped bit is for the digests to find.
    pub(super) fn new(sim: &Arc<Sim>, seed: u64) -> Self {
        let disk = if seed.is_multiple_of(4) { MemoryStore::new() } else { MemoryStore::unencrypted() };
        Self { disk, sim: sim.clone() }
    }

    /// What the next process finds.
    pub(super) fn restart(&self) -> Self {
        let forgotten = self.sim.world().forgotten.take();
        Self { disk: forgotten.unwrap_or_else(|| self.disk.restart()), sim: self.sim.clone() }
    }

    /// Flips a bit of a frame; the same again puts it right.
    pub(super) fn flip(&self, room: RoomId, number: u64, bit: usize) -> bool {
        let frames = self.disk.read(room, number..number + 1, 1).unwrap_or_default();
        frames.first().is_some_and(|frame| self.disk.flip_bit(room, number, bit % (frame.bytes.len() * 8)))
    }

    pub(super) fn frames(&self, room: RoomId) -> u64 {
        self.disk.read(room, 0..u64::MAX, usize::MAX).map_or(0, |frames| frames.len() as u64)
    }
}

impl Store for SimStore {
    fn commit(&self, frames: &[Frame], now: Timestamp) -> Result<(), StoreError> {
        self.sim.world().commit(&self.sim, &self.disk, frames, now)
    }

    fn read(&self, room: RoomId, numbers: Range<u64>, bytes_max: usize) -> Result<Vec<StoredFrame>, StoreError> {
        self.disk.read(room, numbers, bytes_max)
    }

    fn snapshot(&self, room: RoomId) -> Option<Vec<u8>> {
        self.disk.snapshot(room)
    }

    fn keep_snapshot(&self, room: RoomId, bytes: &[u8]) {
        *self.sim.world().snapshots.entry(room).or_default() += 1;
        self.disk.keep_snapshot(room, bytes);
    }

    fn rooms(&self) -> Result<Vec<RoomId>, StoreError> {
        self.disk.rooms()
    }

    fn clock_floor(&self) -> Timestamp {
        self.disk.clock_floor()
    }

    fn contents(&self) -> &Storage {
        self.disk.contents()
    }

    fn vault(&self) -> &Vault {
        self.disk.vault()
    }

    fn secret(&self) -> [u8; 32] {
        self.disk.secret()
    }
}
