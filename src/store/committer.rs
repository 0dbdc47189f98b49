//! Who writes, and when is it durable? One thread owns all writes and makes one commit of whatever has queued up.
//!
//! While one commit is on its way to the disk the next queues up; nobody lingers for company, so one write alone is as fast as the
//! disk, and many together share its cost. Callers hear of their frames only once these are durable.
//! Leans on: the contract in `store`. Upholds: R1, R4 (with the engine). Tested here, by `conformance`, and in `tests/powercut`.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc as tasks;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::{Frame, Store, StoreError};
use crate::danger::{self, Danger};
use crate::limits;
use crate::room::ids::{RoomId, Timestamp};

/// Bytes of frames that one commit takes at most, a single larger job aside.
const COMMIT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Frames that one commit takes at most, a single larger job aside.
const COMMIT_FRAMES_MAX: usize = 4096;
/// Bytes of frames that may wait in the queue or be on their way to the disk; whoever wants to add more waits.
const QUEUE_BYTES_MAX: u32 = 64 * 1024 * 1024;
/// What a frame costs in the queue besides its bytes.
const FRAME_OVERHEAD_BYTES: usize = 128;

/// The server's clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How long each thing takes that is done on another thread, where everything is done on one so that it can be repeated.
pub type Pace = Arc<dyn Fn(Wait) -> Duration + Send + Sync>;

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// A commit that was called: nothing of it is written yet.
    Write,
    /// A commit that was made: nobody has heard of it yet.
    Acknowledge,
    /// Something other than a commit: reading a room, making a snapshot.
    Other,
}

/// What became of frames whose commit did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// None of them is in the store, and none will ever be.
    NothingWritten,
    /// All of them are in the store, or none; the next start will tell.
    Unknown,
}

/// Why frames were not acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{source}")]
pub struct CommitError {
    /// Whether they may be in the store all the same.
    pub outcome: Outcome,
    /// What happened, to them or to an earlier commit.
    pub source: StoreError,
}

impl CommitError {
    fn nothing_written(source: StoreError) -> Self {
        Self { outcome: Outcome::NothingWritten, source }
    }
}

type Done = oneshot::Sender<Result<(), CommitError>>;

struct Job {
    frames: Vec<Frame>,
    bytes: usize,
    done: Done,
    /// Given back when the job is done.
    _room_in_queue: Option<OwnedSemaphorePermit>,
}

/// A commit under way.
struct Commit {
    frames: Vec<Frame>,
    waiting: Vec<(Done, Option<OwnedSemaphorePermit>)>,
}

enum Queue {
    OfThread(mpsc::Sender<Job>),
    OfTask(tasks::UnboundedSender<Job>),
}

impl Queue {
    /// Gives the job back if nobody takes it any more.
    fn send(&self, job: Job) -> Option<Job> {
        match self {
            Self::OfThread(queue) => queue.send(job).err().map(|unsent| unsent.0),
            Self::OfTask(queue) => queue.send(job).err().map(|unsent| unsent.0),
        }
    }
}

/// A handle on the thread that writes. Clones share it; it ends on `shutdown`, or when the last of them is gone.
#[derive(Clone)]
pub struct Committer {
    shared: Arc<Shared>,
}

struct Shared {
    /// `None` after shutdown.
    queue: Mutex<Option<Queue>>,
    room_in_queue: Arc<Semaphore>,
    failing: watch::Sender<Option<StoreError>>,
    failed: watch::Receiver<Option<StoreError>>,
    ended: watch::Receiver<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Begun; one more than ended while one is under way.
    begun: AtomicU64,
    ended: AtomicU64,
    commits: AtomicU64,
    frames: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Committer {
    /// Starts the thread. Fails only if the system gives none.
    pub fn start(store: Arc<dyn Store>, clock: Clock) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel();
        let (mut shared, writer, ended) = Self::parts(store, clock, Queue::OfThread(queue));
        let thread = std::thread::Builder::new().name("committer".into()).spawn(move || {
            writer.run(jobs);
            ended.send_replace(true);
        })?;
        shared.thread = Mutex::new(Some(thread));
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The same commits, made by a task of the runtime at this pace instead of by a thread.
    pub fn start_paced(store: Arc<dyn Store>, clock: Clock, pace: Pace) -> Self {
        let (queue, jobs) = tasks::unbounded_channel();
        let (shared, writer, ended) = Self::parts(store, clock, Queue::OfTask(queue));
        tokio::spawn(async move {
            writer.run_paced(jobs, pace).await;
            ended.send_replace(true);
        });
        Self { shared: Arc::new(shared) }
    }

    fn parts(store: Arc<dyn Store>, clock: Clock, queue: Queue) -> (Shared, Writer, watch::Sender<bool>) {
        let (failing, failed) = watch::channel(None);
        let (ended_sender, ended) = watch::channel(false);
        let counts = Arc::new(Counts::default());
        let writer = Writer {
            store,
            clock,
            counts: counts.clone(),
            failed: failing.clone(),
            refused: HashMap::new(),
            stopped_by: None,
        };
        let shared = Shared {
            queue: Mutex::new(Some(queue)),
            room_in_queue: Arc::new(Semaphore::new(QUEUE_BYTES_MAX as usize)),
            failing,
            failed,
            ended,
            thread: Mutex::new(None),
            counts,
        };
        (shared, writer, ended_sender)
    }

    /// Queues frames that are to be committed together, in the order of the calls; waits while 64 MiB are queued. What it returns
    /// resolves when they are durable, or with what became of them. If the caller stops waiting *for this call*, nothing is queued;
    /// once it has returned, the frames are committed whether or not anybody listens.
    ///
    /// After a commit was refused for lack of space, later frames of its rooms are refused as well until the refused numbers are
    /// given again: what was decided on top of a refused frame must not take its place.
    pub async fn submit(&self, frames: Vec<Frame>) -> oneshot::Receiver<Result<(), CommitError>> {
        let (done, receiver) = oneshot::channel();
        let bytes = frames.iter().map(|frame| frame.bytes.len() + FRAME_OVERHEAD_BYTES).sum();
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX).min(QUEUE_BYTES_MAX);
        // The semaphore is never closed; without a permit the job would only be uncounted.
        let permit = self.shared.room_in_queue.clone().acquire_many_owned(permits).await.ok();
        let job = Job { frames, bytes, done, _room_in_queue: permit };
        let refused = match lock(&self.shared.queue).as_ref() {
            Some(queue) => queue.send(job),
            None => Some(job),
        };
        if let Some(job) = refused {
            let closed = StoreError::Failed("the store is closed".to_owned());
            let _ = job.done.send(Err(CommitError::nothing_written(closed)));
        }
        receiver
    }

    /// Resolves when the store has failed for good, or a commit does not end; never, if neither happens. The process must end then, with
    /// an error.
    pub async fn failed(&self) -> StoreError {
        let mut failed = self.shared.failed.clone();
        let failed = async {
            match failed.wait_for(Option::is_some).await.as_deref() {
                Ok(Some(error)) => error.clone(),
                // The thread has ended without a failure.
                Ok(None) | Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            error = failed => error,
            () = self.stuck() => {
                StoreError::Failed(format!("a commit has not ended for {} s", limits::COMMIT_TIME_MAX.as_secs()))
            }
        }
    }

    /// Resolves when one commit is under way for too long. Seconds are counted as they are lived through: those in which the process was
    /// stopped, or the machine asleep, are none.
    async fn stuck(&self) {
        let counts = &self.shared.counts;
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut seconds, mut of) = (0, 0);
        while seconds < limits::COMMIT_TIME_MAX.as_secs() {
            second.tick().await;
            let ended = counts.ended.load(Ordering::Acquire);
            let is_same = counts.begun.load(Ordering::Acquire) > ended && ended == of;
            seconds = if is_same { seconds + 1 } else { 0 };
            of = ended;
        }
    }

    /// A read has failed in a way that no later one will mend: as after a failed commit, the process must end.
    pub fn fail(&self, error: StoreError) {
        self.shared.failing.send_replace(Some(error));
    }

    /// Takes no more, commits what is queued, ends the thread and lets go of the store.
    pub async fn shutdown(&self) {
        drop(lock(&self.shared.queue).take());
        // An error means that the thread is gone already.
        let _ = self.shared.ended.clone().wait_for(|&ended| ended).await;
        if let Some(thread) = lock(&self.shared.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("committer panicked");
        }
    }

    /// Commits made by this process.
    pub fn commits(&self) -> u64 {
        self.shared.counts.commits.load(Ordering::Relaxed)
    }

    /// Frames committed by this process; divided by the commits, the mean batch.
    pub fn frames(&self) -> u64 {
        self.shared.counts.frames.load(Ordering::Relaxed)
    }
}

/// What the thread, or the task in its place, owns.
struct Writer {
    store: Arc<dyn Store>,
    clock: Clock,
    counts: Arc<Counts>,
    failed: watch::Sender<Option<StoreError>>,
    /// The lowest frame of each room that was refused for lack of space and not given again since.
    refused: HashMap<RoomId, (u64, StoreError)>,
    /// The error after which nothing is tried any more.
    stopped_by: Option<StoreError>,
}

impl Writer {
    fn run(mut self, jobs: mpsc::Receiver<Job>) {
        let mut queued = VecDeque::new();
        loop {
            if queued.is_empty() {
                match jobs.recv() {
                    Ok(job) => queued.push_back(job),
                    Err(mpsc::RecvError) => return,
                }
            }
            queued.extend(jobs.try_iter());
            if let Some(commit) = self.next_commit(&mut queued) {
                let answer = self.write(&commit);
                commit.answer(&answer);
            }
        }
    }

    async fn run_paced(mut self, mut jobs: tasks::UnboundedReceiver<Job>, pace: Pace) {
        let mut queued = VecDeque::new();
        loop {
            if queued.is_empty() {
                match jobs.recv().await {
                    Some(job) => queued.push_back(job),
                    None => return,
                }
            }
            while let Ok(job) = jobs.try_recv() {
                queued.push_back(job);
            }
            if let Some(commit) = self.next_commit(&mut queued) {
                tokio::time::sleep(pace(Wait::Write)).await;
                let answer = self.write(&commit);
                tokio::time::sleep(pace(Wait::Acknowledge)).await;
                commit.answer(&answer);
            }
        }
    }

    fn next_commit(&mut self, queued: &mut VecDeque<Job>) -> Option<Commit> {
        let batch = self.next_batch(queued);
        let (mut frames, mut waiting) = (Vec::new(), Vec::with_capacity(batch.len()));
        for job in batch {
            frames.extend(job.frames);
            waiting.push((job.done, job._room_in_queue));
        }
        if danger::is_on(Danger::AckEarly) {
            waiting.drain(..).for_each(|(done, _)| drop(done.send(Ok(()))));
        }
        (!frames.is_empty()).then_some(Commit { frames, waiting })
    }

    /// Takes from the front of the queue what one commit may hold, and turns away what can't be written.
    fn next_batch(&mut self, queued: &mut VecDeque<Job>) -> Vec<Job> {
        let (mut batch, mut bytes, mut frames) = (Vec::new(), 0, 0);
        while let Some(job) = queued.front() {
            bytes += job.bytes;
            frames += job.frames.len();
            if !batch.is_empty() && (bytes > COMMIT_BYTES_MAX || frames > COMMIT_FRAMES_MAX) {
                break;
            }
            let Some(job) = queued.pop_front() else { break };
            match self.turned_away(&job) {
                Some(source) => {
                    self.remember_refused(&job.frames, &source);
                    let _ = job.done.send(Err(CommitError::nothing_written(source)));
                }
                None => batch.push(job),
            }
        }
        batch
    }

    /// Why this job can't be tried: the store has failed, or it builds on frames that were refused.
    fn turned_away(&self, job: &Job) -> Option<StoreError> {
        let builds_on_refused = || {
            let mut missing = job.frames.iter().filter_map(|frame| self.refused.get(&frame.room).map(|r| (frame, r)));
            // A room's frames come in order, so its first one in the job decides; later ones build on that.
            let mut seen = Vec::new();
            missing.find_map(|(frame, (number, source))| {
                let first_of_room = !seen.contains(&frame.room);
                seen.push(frame.room);
                (first_of_room && frame.number > *number).then(|| source.clone())
            })
        };
        self.stopped_by.clone().or_else(builds_on_refused)
    }

    fn remember_refused(&mut self, frames: &[Frame], source: &StoreError) {
        for frame in frames {
            let lowest = self.refused.entry(frame.room).or_insert_with(|| (frame.number, source.clone()));
            lowest.0 = lowest.0.min(frame.number);
        }
    }

    fn write(&mut self, commit: &Commit) -> Result<(), CommitError> {
        let frames = &commit.frames;
        self.counts.begun.fetch_add(1, Ordering::Release);
        let result = self.store.commit(frames, (self.clock)());
        self.counts.ended.fetch_add(1, Ordering::Release);
        match result {
            Ok(()) => {
                self.counts.commits.fetch_add(1, Ordering::Relaxed);
                self.counts.frames.fetch_add(frames.len() as u64, Ordering::Relaxed);
                if !self.refused.is_empty() {
                    self.refused.retain(|room, _| !frames.iter().any(|frame| frame.room == *room));
                }
                Ok(())
            }
            Err(source @ StoreError::Full { .. }) => {
                self.remember_refused(frames, &source);
                Err(CommitError::nothing_written(source))
            }
            Err(source @ (StoreError::Damaged(_) | StoreError::Failed(_))) => {
                self.stopped_by = Some(source.clone());
                self.failed.send_replace(Some(source.clone()));
                Err(CommitError { outcome: Outcome::Unknown, source })
            }
        }
    }
}

impl Commit {
    fn answer(self, answer: &Result<(), CommitError>) {
        for (done, _permit) in self.waiting {
            // Whoever has stopped listening does not need the answer.
            let _ = done.send(answer.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::store::memory::{Fault, MemoryStore};

    fn frame_of(room: u8, number: u64) -> Frame {
        Frame { room: RoomId::from_bytes([room; 16]), number, digest: [0; 32], bytes: Bytes::from(vec![room; 10]) }
    }

    fn start(store: &Arc<MemoryStore>) -> Committer {
        Committer::start(store.clone(), Arc::new(|| Timestamp(7))).expect("a thread")
    }

    fn count(store: &MemoryStore, room: u8) -> usize {
        store.read(RoomId::from_bytes([room; 16]), 0..u64::MAX, usize::MAX).expect("readable").len()
    }

    async fn outcome(answer: oneshot::Receiver<Result<(), CommitError>>) -> Option<Outcome> {
        answer.await.expect("answered").err().map(|error| error.outcome)
    }

    #[tokio::test]
    async fn what_queues_up_during_a_commit_is_committed_together() {
        let store = Arc::new(MemoryStore::new());
        let committer = start(&store);
        let gate = store.hold_commits();
        let first = committer.submit(vec![frame_of(1, 0)]).await;
        gate.commit_waits().await;
        let mut answers = Vec::new();
        for number in 1..20 {
            answers.push(committer.submit(vec![frame_of(1, number), frame_of(2, number - 1)]).await);
        }
        assert!(
            answers.iter_mut().all(|answer| answer.try_recv().is_err()),
            "nothing is acknowledged before it is durable"
        );
        assert_eq!(count(&store, 1), 0);
        gate.release();
        assert_eq!(outcome(first).await, None);
        for answer in answers {
            assert_eq!(outcome(answer).await, None);
        }
        assert_eq!((committer.commits(), committer.frames()), (2, 39));
        assert_eq!((count(&store, 1), count(&store, 2)), (20, 19));
        assert_eq!(store.clock_floor(), Timestamp(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_that_does_not_end_is_a_failure_and_one_that_takes_its_time_is_none() {
        let store = Arc::new(MemoryStore::new());
        let committer = start(&store);
        let almost = limits::COMMIT_TIME_MAX - Duration::from_secs(2);
        let long = limits::COMMIT_TIME_MAX * 2;
        for number in 0..3 {
            let gate = store.hold_commits();
            let answer = committer.submit(vec![frame_of(1, number)]).await;
            gate.commit_waits().await;
            assert!(tokio::time::timeout(almost, committer.failed()).await.is_err(), "it may still end");
            gate.release();
            assert_eq!(outcome(answer).await, None);
            assert!(tokio::time::timeout(long, committer.failed()).await.is_err(), "nothing is under way");
        }
        let gate = store.hold_commits();
        let _answer = committer.submit(vec![frame_of(1, 3)]).await;
        gate.commit_waits().await;
        let error = tokio::time::timeout(long, committer.failed()).await.expect("it is told");
        assert_eq!(error.to_string(), "the store failed: a commit has not ended for 30 s");
        gate.release();
    }

    #[tokio::test]
    async fn a_commit_is_bounded_in_bytes_and_frames() {
        let store = Arc::new(MemoryStore::new());
        let committer = start(&store);
        let gate = store.hold_commits();
        let mut answers = vec![committer.submit(vec![frame_of(1, 0)]).await];
        gate.commit_waits().await;
        for number in 0..10 {
            let bytes = Bytes::from(vec![0; 1024 * 1024]);
            answers.push(committer.submit(vec![Frame { bytes, ..frame_of(2, number) }]).await);
        }
        answers.push(committer.submit((0..5000).map(|number| frame_of(3, number)).collect()).await);
        gate.release();
        for answer in answers {
            assert_eq!(outcome(answer).await, None);
        }
        // The first; 3 + 3 + 3 + 1 of a MiB and a little each; the large one by itself.
        assert_eq!(committer.commits(), 6);
    }

    #[tokio::test]
    async fn a_full_disk_refuses_the_whole_batch_and_what_builds_on_it_until_it_is_given_again() {
        let store = Arc::new(MemoryStore::new());
        let committer = start(&store);
        let gate = store.hold_commits();
        store.fail_next(Fault::Full);
        let first = committer.submit(vec![frame_of(1, 0), frame_of(9, 0)]).await;
        gate.commit_waits().await;
        let builds_on_it = committer.submit(vec![frame_of(2, 0), frame_of(1, 1)]).await;
        let builds_on_that = committer.submit(vec![frame_of(2, 1)]).await;
        let other_room = committer.submit(vec![frame_of(3, 0)]).await;
        gate.release();
        assert_eq!(outcome(first).await, Some(Outcome::NothingWritten));
        assert_eq!(outcome(builds_on_it).await, Some(Outcome::NothingWritten));
        assert_eq!(outcome(builds_on_that).await, Some(Outcome::NothingWritten));
        assert_eq!(outcome(other_room).await, None);
        assert_eq!((count(&store, 1), count(&store, 2), count(&store, 3), count(&store, 9)), (0, 0, 1, 0));
        for (room, number) in [(1, 0), (1, 1), (2, 0), (2, 1)] {
            assert_eq!(outcome(committer.submit(vec![frame_of(room, number)]).await).await, None);
        }
        let both = committer.submit(vec![frame_of(9, 0), frame_of(9, 1), frame_of(9, 2)]).await;
        assert_eq!(outcome(both).await, None);
    }

    #[tokio::test]
    async fn after_a_failure_the_outcome_is_unknown_and_later_jobs_are_never_tried() {
        let store = Arc::new(MemoryStore::new());
        let committer = start(&store);
        let gate = store.hold_commits();
        store.fail_next(Fault::FailsWritten);
        let first = committer.submit(vec![frame_of(1, 0)]).await;
        gate.commit_waits().await;
        let second = committer.submit(vec![frame_of(2, 0)]).await;
        gate.release();
        assert_eq!(outcome(first).await, Some(Outcome::Unknown));
        assert_eq!(outcome(second).await, Some(Outcome::NothingWritten));
        assert!(matches!(committer.failed().await, StoreError::Failed(_)));
        assert_eq!(outcome(committer.submit(vec![frame_of(1, 1)]).await).await, Some(Outcome::NothingWritten));
        let store = store.restart();
        assert_eq!((count(&store, 1), count(&store, 2)), (1, 0));
    }

    #[tokio::test]
    async fn the_queue_does_not_grow_without_bound() {
        let store = Arc::new(MemoryStore::new());
        let committer = start(&store);
        let gate = store.hold_commits();
        let large = |number| Frame { bytes: Bytes::from(vec![0; QUEUE_BYTES_MAX as usize / 2]), ..frame_of(1, number) };
        let first = committer.submit(vec![large(0)]).await;
        gate.commit_waits().await;
        let mut second = Box::pin(committer.submit(vec![large(1)]));
        let waits = std::future::poll_fn(|cx| std::task::Poll::Ready(second.as_mut().poll(cx).is_pending())).await;
        assert!(waits, "64 MiB and the cost of a frame do not fit");
        gate.release();
        assert_eq!(outcome(first).await, None);
        assert_eq!(outcome(second.await).await, None);
    }

    #[tokio::test]
    async fn shutdown_commits_what_is_queued_and_takes_no_more() {
        let store = Arc::new(MemoryStore::new());
        let committer = start(&store);
        let mut answers = Vec::new();
        for number in 0..100 {
            answers.push(committer.submit(vec![frame_of(1, number)]).await);
        }
        committer.shutdown().await;
        committer.clone().shutdown().await;
        for answer in answers {
            assert_eq!(outcome(answer).await, None);
        }
        assert_eq!(outcome(committer.submit(vec![frame_of(1, 100)]).await).await, Some(Outcome::NothingWritten));
        assert_eq!(Arc::strong_count(&store), 1, "the thread has let go of the store");
    }
}
