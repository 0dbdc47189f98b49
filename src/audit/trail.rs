//! The handle on the trail, and the one task that writes it. One question: when is a record durable?
//!
//! The task makes one commit of whatever has queued up: the records of acts with the frames that these acts add to rooms and to the
//! directory, and the notes that are due. An act's answer waits for that commit; if the disk is full, neither the act nor its record
//! is written. Notes that could not be written are tried again.
//! Upholds: R4 for the trail. Tested here.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::AuditEvent;
use super::notes::{Note, Notes};
use super::record::{Kind, Record};
use super::segments::{Loaded, Segments, load};
use crate::limits;
use crate::room::ids::RoomId;
use crate::room::ids::{OrganisationId, Timestamp};
use crate::store::codec::{self, Tip};
use crate::store::committer::{Clock, CommitError, Committer, Outcome};
use crate::store::replay::LoadError;
use crate::store::{Frame, Store, StoreError};

/// Which records are wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Query {
    /// Those after this position; 0: from the first.
    pub after: u64,
    /// Recorded at this time or later.
    pub since: Option<Timestamp>,
    /// Recorded before this time.
    pub until: Option<Timestamp>,
    /// Of these kinds; empty: of any.
    pub kinds: Vec<Kind>,
    /// Concerning this organisation.
    pub organisation: Option<OrganisationId>,
    /// How many at most.
    pub max: usize,
}

/// Some records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// Each with its position.
    pub records: Vec<(u64, Record)>,
    /// The position of the last one that was looked at: the next page begins after it.
    pub last: u64,
    /// Nothing that was asked for comes after it now.
    pub is_end: bool,
}

/// The trail. Cheap to clone; clones share.
#[derive(Clone)]
pub struct Trail(Arc<Inner>);

struct Inner {
    jobs: mpsc::Sender<Job>,
    notes: Mutex<Notes>,
    wake: Notify,
    clock: Clock,
    floor: Timestamp,
    segments: Segments,
    /// The position of the last durable record.
    last: watch::Sender<u64>,
    stopping: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Job {
    events: Vec<AuditEvent>,
    frames: Vec<Frame>,
    done: oneshot::Sender<Result<(), CommitError>>,
}

/// Acts whose records go into one commit at most.
const JOBS_PER_COMMIT: usize = 64;

fn closed() -> CommitError {
    CommitError { outcome: Outcome::NothingWritten, source: StoreError::Failed("the audit trail is closed".to_owned()) }
}

impl Trail {
    /// Reads and verifies what there is, from where it was verified before. For [`Trail::start`].
    pub(crate) fn load(store: &dyn Store) -> Result<Loaded, LoadError> {
        load(store)
    }

    /// Starts the task, on the current tokio runtime.
    pub(crate) fn start(store: Arc<dyn Store>, committer: Committer, clock: Clock, loaded: Loaded) -> Self {
        let (jobs, receiver) = mpsc::channel(limits::AUDIT_JOBS_MAX);
        let floor = store.clock_floor().max(loaded.last_recorded_at());
        let damaged_after = loaded.damaged_after;
        let segments = Segments::new(store, loaded);
        let last = watch::Sender::new(segments.last_position());
        let trail = Self(Arc::new(Inner {
            jobs,
            notes: Mutex::default(),
            wake: Notify::new(),
            clock,
            floor,
            segments,
            last,
            stopping: CancellationToken::new(),
            task: Mutex::default(),
        }));
        if let Some(last_position) = damaged_after {
            trail.note(AuditEvent::TrailDamaged { last_position });
        }
        let (part, tip) = trail.0.segments.end();
        let writer = Writer { trail: trail.0.clone(), committer, part, tip, last_recorded_at: floor };
        *trail.task() = Some(tokio::spawn(writer.run(receiver)));
        trail
    }

    fn task(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<()>>> {
        self.0.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records an act: when this returns, the record is durable. To be awaited before the act is acknowledged; before it is done, if it
    /// is a look at something.
    pub async fn record(&self, event: AuditEvent) -> Result<(), CommitError> {
        let unknown = |_| CommitError { outcome: Outcome::Unknown, ..closed() };
        self.submit(vec![event], Vec::new()).await.await.map_err(unknown)?
    }

    /// Records acts in one commit with the frames that they add to other logs, which must come in order as ever
    /// ([`Committer::submit`]). What it returns resolves when all of it is durable, or with what became of it.
    pub async fn submit(
        &self,
        events: Vec<AuditEvent>,
        frames: Vec<Frame>,
    ) -> oneshot::Receiver<Result<(), CommitError>> {
        let (done, receiver) = oneshot::channel();
        if let Err(unsent) = self.0.jobs.send(Job { events, frames, done }).await {
            let _ = unsent.0.done.send(Err(closed()));
        }
        receiver
    }

    /// Notes something that nobody waits for: a sign-in, a refusal. Never blocks. Durable within about a second; what is the same
    /// in every fact within a minute is counted.
    pub fn note(&self, event: AuditEvent) {
        let is_new = self.0.notes().add(event, self.0.now(), Instant::now());
        if is_new {
            self.0.wake.notify_one();
        }
    }

    /// A page of records.
    pub async fn read(&self, query: Query) -> Result<Page, LoadError> {
        let inner = self.0.clone();
        let read = tokio::task::spawn_blocking(move || inner.segments.read(&query)).await;
        read.unwrap_or_else(|_| Err(StoreError::Failed("reading the audit trail panicked".to_owned()).into()))
    }

    /// The position of the last durable record, as it changes.
    pub fn last(&self) -> watch::Receiver<u64> {
        self.0.last.subscribe()
    }

    /// Writes what is noted and ends the task. To be called when no more acts come, before the committer is shut down.
    pub async fn stop(&self) {
        self.0.stopping.cancel();
        let task = self.task().take();
        if let Some(task) = task
            && task.await.is_err()
        {
            tracing::error!("the audit trail's task panicked");
        }
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        (self.clock)().max(self.floor)
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the task owns.
struct Writer {
    trail: Arc<Inner>,
    committer: Committer,
    part: u16,
    tip: Tip,
    last_recorded_at: Timestamp,
}

impl Writer {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut due: Option<Instant> = None;
        loop {
            let notes_due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                received = jobs.recv_many(&mut batch, JOBS_PER_COMMIT) => {
                    if received == 0 {
                        return;
                    }
                }
                () = self.trail.wake.notified() => {
                    let soon = Instant::now() + limits::AUDIT_NOTE_DELAY;
                    due = Some(due.map_or(soon, |due| due.min(soon)));
                    continue;
                }
                () = notes_due => {}
                () = self.trail.stopping.cancelled() => break,
            }
            let notes = self.trail.notes().take(Instant::now(), false);
            self.commit(batch, notes).await;
            due = self.trail.notes().next_due();
        }
        jobs.close();
        let mut batch = Vec::new();
        while jobs.recv_many(&mut batch, JOBS_PER_COMMIT).await > 0 {
            let batch = std::mem::take(&mut batch);
            self.commit(batch, Vec::new()).await;
        }
        let notes = self.trail.notes().take(Instant::now(), true);
        self.commit(Vec::new(), notes).await;
    }

    async fn commit(&mut self, jobs: Vec<Job>, notes: Vec<Note>) {
        if jobs.is_empty() && notes.is_empty() {
            return;
        }
        let now = self.trail.now().max(self.last_recorded_at);
        let (mut tip, part, trail) = (self.tip, self.part, self.trail.clone());
        let vault = trail.segments.vault();
        let mut seq = tip.next_entry();
        let mut sealed = Vec::new();
        let mut write = |event: &AuditEvent, since: Timestamp, count: u32| {
            let (kind, facts) = event.facts();
            let record = Record { seq, recorded_at: now, since, count, kind, facts };
            sealed.push(codec::seal(&record, RoomId::trail(part), vault, codec::salt));
            seq = seq.next();
        };
        for Note { event, since, count } in &notes {
            write(event, *since, *count);
        }
        let (mut frames, mut waiting) = (Vec::new(), Vec::with_capacity(jobs.len()));
        for Job { events, frames: its, done } in jobs {
            events.iter().for_each(|event| write(event, now, 1));
            frames.extend(its);
            waiting.push(done);
        }
        let own = tip.pack(sealed, &[], vault).into_iter().map(|(_, frame)| frame);
        let frames = own.chain(frames).collect();
        let done = self.committer.submit(frames).await.await;
        let result = done.unwrap_or(Err(CommitError { outcome: Outcome::Unknown, ..closed() }));
        match &result {
            Ok(()) => {
                self.tip = tip;
                self.last_recorded_at = now;
                self.trail.segments.moved_to(tip, now);
                self.trail.segments.keep();
                self.trail.last.send_replace(self.trail.segments.last_position());
            }
            Err(error) => {
                tracing::warn!(%error, part = self.part, records = notes.len() + waiting.len(), "the audit trail was not written");
                self.trail.notes().give_back(notes, Instant::now());
            }
        }
        for done in waiting {
            // Whoever has stopped listening does not need the answer.
            let _ = done.send(result.clone());
        }
    }
}

#[cfg(test)]
mod tests;
