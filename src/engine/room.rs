//! One open room. One question: in what order do things happen in it?
//!
//! A single task owns the room's state, which runs ahead of the disk: while one commit is under way, the next is decided. Whatever
//! leaves (answers, refusals, deliveries) waits until everything that it depends on is durable:
//!
//! 1. decide, fold: the state knows it;
//! 2. seal: entries and the delivery records of live readers become frames;
//! 3. durable: the commit has returned. Nothing below may run for an entry that is not on disk (R4);
//! 4. purge: what the commit took back leaves every queue (R6);
//! 5. publish: queues are filled, answers leave.
//!
//! Upholds: R4, R6, R8, R9.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::attachments::{Giving, Granted, Permit};
use super::load::{LoadError, Mark, load};
use super::outbox::{Outbox, Subscription};
use super::places::Admission;
use super::shared::{Shared, changes_listing, salt};
use super::turns::Turns;
use super::{Batch, Failure, Receiver, ShownReports, Written};
use crate::audit::{self, AuditEvent};
use crate::contents::Place as ContentPlace;
use crate::danger::{self, Danger};
use crate::limits;
use crate::room::consent::Name;
use crate::room::decide::{decide, expired};
use crate::room::disclose::Reader;
use crate::room::event::{Command, Entry, Event, Request};
use crate::room::ids::{Actor, ErasureId, Index, MessageId, OrganisationId, RoomId, Seq, Timestamp};
use crate::room::mailbox::{Mailboxes, Range, may_take_back};
use crate::room::refusal::Refusal;
use crate::room::state::{RoomState, fold};
use crate::store::codec::{self, Sealed, Tip};
use crate::store::committer::CommitError;

mod erase;
mod give;
mod land;
mod read;

type Answer<T> = oneshot::Sender<Result<T, Failure>>;
type Reply = Box<dyn FnOnce(Result<(), Failure>) + Send>;
pub(super) type Question = Box<dyn FnOnce(Result<(&RoomState, &Mailboxes, Timestamp), Failure>) -> Reply + Send>;

/// What is asked of a room from outside.
pub(super) enum Job {
    Write {
        caller: Actor,
        request: Option<Request>,
        command: Command,
        answer: Answer<Option<Written>>,
        admission: Option<Admission>,
    },
    Ask(Question),
    Reports {
        caller: Actor,
        of: Option<Name>,
        answer: Answer<ShownReports>,
    },
    Page {
        page: Page,
    },
    Subscribe {
        receiver: Receiver,
        after: Index,
        answer: Answer<Subscription>,
    },
    Download {
        receiver: Receiver,
        message: MessageId,
        /// Where it begins.
        offset: u64,
        answer: Answer<Granted>,
    },
}

/// Where a job waits.
pub(super) enum Lane {
    /// Before everything else.
    Urgent,
    /// In the queue of this organisation.
    Turn(OrganisationId),
}

/// A job on its way into the room.
pub(super) struct Waiting {
    pub(super) lane: Lane,
    pub(super) job: Job,
    /// A read's place in its queue, given back when it is taken.
    pub(super) _place: Option<OwnedSemaphorePermit>,
}

/// A page of a mailbox that somebody waits for.
pub(super) struct Page {
    pub(super) receiver: Receiver,
    pub(super) after: Index,
    pub(super) max: usize,
    pub(super) bytes_max: usize,
    pub(super) answer: Answer<Batch>,
}

/// What a room's own streams and readers tell it.
pub(super) enum Internal {
    Space(u64),
    Unsubscribe(u64),
    Fetched { why: Fetch, entries: Result<Vec<Arc<Entry>>, LoadError> },
}

/// Why entries were read again.
pub(super) enum Fetch {
    Subscriber { id: u64, upto: Index },
    Page { page: Page, upto: Index },
}

struct Subscriber {
    receiver: Receiver,
    outbox: Arc<Outbox>,
    /// The first index that is not in its queue.
    next: Index,
    /// The last index of its mailbox that is on disk: what may be queued.
    recorded: Index,
    is_fetching: bool,
}

/// A commit that is under way.
struct Flight {
    done: oneshot::Receiver<Result<(), CommitError>>,
    /// Answers that wait for it.
    replies: Vec<Reply>,
    pages: Vec<Page>,
    /// Keys to destroy once it is done, and who waits for that.
    erasures: Vec<ErasureId>,
    confirmed: Vec<Reply>,
    takes_back: bool,
    changes_listing: bool,
}

pub(super) struct Room {
    shared: Arc<Shared>,
    id: RoomId,
    jobs: mpsc::Receiver<Waiting>,
    /// Withdrawals and the like, which wait for nobody's posts.
    urgent: mpsc::Receiver<Waiting>,
    /// What came in through `jobs` and is taken in turn.
    turns: Turns<Waiting>,
    internal: mpsc::UnboundedReceiver<Internal>,
    tell: mpsc::UnboundedSender<Internal>,

    state: RoomState,
    mailboxes: Mailboxes,
    tip: Tip,
    marks: Vec<Mark>,
    /// How far the last snapshot goes, or what was loaded.
    kept: Seq,
    /// The last entries, in order, pending ones included.
    recent: VecDeque<Arc<Entry>>,
    recent_bytes: usize,

    /// Decided, on no way to the disk yet.
    pending: Vec<Sealed>,
    pending_bytes: usize,
    /// Acts among what is pending that the audit trail records.
    acts: Vec<AuditEvent>,
    replies: Vec<Reply>,
    pages: Vec<Page>,
    /// Erasures whose keys are destroyed once what is pending is durable, and who waits for that.
    erasures: Vec<ErasureId>,
    confirmed: Vec<Reply>,
    /// A snapshot that is being written.
    keeping: Option<JoinHandle<()>>,
    /// Whether what is pending takes something back: until it is durable, nothing else is rendered (R4).
    pending_narrows: bool,
    /// Whether what is pending changes who is listed with this room.
    pending_lists: bool,
    /// Somebody could be given more than its mailbox has.
    wants_advance: bool,
    flight: Option<Flight>,
    /// The last commit was refused for lack of space: what is due is not tried again at once.
    is_refused: bool,
    /// Delivery records that wait for the next commit, if a promise is broken on purpose.
    late: Vec<Range>,

    subscribers: BTreeMap<u64, Subscriber>,
    next_subscriber: u64,
    /// Attachments whose bytes are being given.
    downloads: Vec<Giving>,
    /// It does not verify, or can't be read: nothing of it is shown any more.
    stopped_by: Option<Failure>,
}

/// How long nobody must have asked for anything before a room that has grown makes a snapshot.
pub(super) const QUIET: Duration = Duration::from_secs(1);

/// How long a room stays open with nobody there.
const IDLE: Duration = Duration::from_secs(60);

/// The handles by which a room is reached.
#[derive(Clone)]
pub(super) struct Handle {
    pub(super) jobs: mpsc::Sender<Waiting>,
    pub(super) urgent: mpsc::Sender<Waiting>,
}

impl Room {
    /// Loads a room and runs it until it idles out. Jobs wait meanwhile.
    pub(super) fn open(shared: Arc<Shared>, id: RoomId) -> Handle {
        let (jobs_sender, jobs) = mpsc::channel(limits::ROOM_JOBS_MAX);
        let (urgent_sender, urgent) = mpsc::channel(limits::ROOM_JOBS_MAX);
        let (tell, internal) = mpsc::unbounded_channel();
        let tasks = shared.tasks.clone();
        let coordinator = shared.directory().coordinator().clone();
        tasks.spawn(async move {
            let mut room = Self {
                shared,
                id,
                jobs,
                urgent,
                turns: Turns::new(coordinator),
                internal,
                tell,
                state: RoomState::default(),
                mailboxes: Mailboxes::default(),
                tip: Tip::start(id),
                marks: Vec::new(),
                kept: Seq(0),
                recent: VecDeque::new(),
                recent_bytes: 0,
                pending: Vec::new(),
                pending_bytes: 0,
                acts: Vec::new(),
                replies: Vec::new(),
                pages: Vec::new(),
                erasures: Vec::new(),
                confirmed: Vec::new(),
                keeping: None,
                pending_narrows: false,
                pending_lists: false,
                wants_advance: false,
                flight: None,
                is_refused: false,
                late: Vec::new(),
                subscribers: BTreeMap::new(),
                next_subscriber: 0,
                downloads: Vec::new(),
                stopped_by: None,
            };
            room.reload().await;
            room.run().await;
        });
        Handle { jobs: jobs_sender, urgent: urgent_sender }
    }

    async fn reload(&mut self) {
        let (store, id) = (self.shared.store.clone(), self.id);
        let loaded = self.shared.blocking(move || load(&*store, id)).await;
        self.recent.clear();
        self.recent_bytes = 0;
        match loaded {
            Ok(Ok(loaded)) => {
                self.state = loaded.state;
                self.mailboxes = loaded.mailboxes;
                self.tip = loaded.tip;
                self.marks = loaded.marks;
                self.kept = self.state.next();
            }
            Ok(Err(error)) => drop(self.unreadable(&error)),
            Err(_) => self.quarantine("reading it panicked"),
        }
    }

    fn quarantine(&mut self, why: &str) {
        tracing::error!(room.id = %self.id, why, "room does not verify and is served no more; `samverkan inspect` shows where");
        self.stop_for(Failure::Damaged);
    }

    fn stop_for(&mut self, why: Failure) {
        self.subscribers.values().for_each(|subscriber| subscriber.outbox.close(why.clone()));
        self.subscribers.clear();
        self.downloads.drain(..).for_each(|giving| giving.permit.end(why.clone()));
        self.pages.drain(..).for_each(|page| drop(page.answer.send(Err(why.clone()))));
        self.stopped_by = Some(why);
    }

    async fn run(&mut self) {
        loop {
            let rest = self.rest();
            tokio::select! {
                biased;
                // A commit that is under way is waited for, also when the server stops.
                done = landing(&mut self.flight) => self.landed(done).await,
                Some(waiting) = self.urgent.recv() => self.take(waiting.job),
                Some(told) = self.internal.recv() => self.told(told),
                Some(waiting) = self.jobs.recv() => self.queue(waiting),
                () = self.shared.stopping.cancelled(), if self.flight.is_none() => {}
                () = tokio::time::sleep(rest) => {
                    self.end_expired();
                    // Making a snapshot takes a moment, so it is done when nobody has asked for anything for a while.
                    let has_kept = self.keep();
                    if !has_kept && self.is_idle() && self.shared.forget(self.id, || self.is_unasked()) {
                        return;
                    }
                }
            }
            self.take_turns();
            while self.flight.is_none() && self.stopped_by.is_none() && (self.wants_advance || !self.pending.is_empty())
            {
                self.seal().await;
                self.take_turns();
            }
            if self.shared.stopping.is_cancelled() && self.flight.is_none() {
                self.subscribers.values().for_each(|subscriber| subscriber.outbox.close(Failure::ShuttingDown));
                self.downloads.drain(..).for_each(|giving| giving.permit.end(Failure::ShuttingDown));
                self.keep();
                self.is_kept().await;
                return;
            }
        }
    }

    /// Nothing waits, and nobody holds a handle to make something wait.
    fn is_unasked(&self) -> bool {
        let unasked = |lane: &mpsc::Receiver<Waiting>| lane.is_empty() && lane.sender_strong_count() <= 1;
        unasked(&self.jobs) && unasked(&self.urgent)
    }

    /// Whether the state takes something back that is not on disk yet: nothing may show that before it is.
    fn takes_back_unrecorded(&self) -> bool {
        self.pending_narrows || self.flight.as_ref().is_some_and(|flight| flight.takes_back)
    }

    fn is_idle(&self) -> bool {
        let nothing_waits = self.turns.is_empty() && self.internal.is_empty();
        let is_giving = self.downloads.iter().any(|giving| giving.permit.is_held());
        nothing_waits && !is_giving && self.subscribers.is_empty() && self.flight.is_none() && self.pending.is_empty()
    }

    /// How long to sleep when nobody asks for anything.
    fn rest(&self) -> Duration {
        let quiet = if self.is_snapshot_due() { QUIET } else { IDLE };
        let Some(due) = self.state.next_due() else { return quiet };
        let left = due.0 - self.now().0;
        let least = if self.is_refused { QUIET } else { Duration::ZERO };
        Duration::from_micros(u64::try_from(left).unwrap_or(0)).min(quiet).max(least)
    }

    fn now(&self) -> Timestamp {
        self.shared.now().max(self.state.last_recorded_at())
    }

    // 1. Decide, fold.

    /// Puts a job behind those of its organisation.
    fn queue(&mut self, waiting: Waiting) {
        match &waiting.lane {
            Lane::Urgent => self.take(waiting.job),
            Lane::Turn(organisation) => self.turns.push(organisation.clone(), waiting),
        }
    }

    /// Takes what waits, organisation by organisation, as far as it fits the next commit.
    fn take_turns(&mut self) {
        while let Ok(waiting) = self.jobs.try_recv() {
            self.queue(waiting);
        }
        while self.pending.len() < limits::ROOM_JOBS_MAX && self.pending_bytes < limits::PENDING_BYTES_MAX {
            // Between any two of the others.
            while let Ok(Waiting { job, .. }) = self.urgent.try_recv() {
                self.take(job);
            }
            let Some(Waiting { job, .. }) = self.turns.pop() else { return };
            self.take(job);
        }
    }

    fn take(&mut self, job: Job) {
        if let Some(why) = &self.stopped_by {
            return refuse(job, why);
        }
        if self.shared.stopping.is_cancelled() {
            return refuse(job, &Failure::ShuttingDown);
        }
        match job {
            Job::Write { caller, request, command, answer, admission } => {
                let erasures = self.erasures.len();
                let result = self.write(&caller, request, command);
                let reply = move |durable: Result<(), Failure>| {
                    let _ = answer.send(durable.and(result));
                    drop(admission);
                };
                match self.erasures.len() > erasures {
                    // That words are destroyed is told when they are.
                    true => self.confirmed.push(Box::new(reply)),
                    false => self.answer(reply),
                }
            }
            Job::Ask(question) => {
                self.end_expired();
                let reply = question(Ok((&self.state, &self.mailboxes, self.now())));
                self.answer(reply);
            }
            Job::Reports { caller, of, answer } => {
                let result = self.reports(&caller, of.as_ref());
                self.answer(move |durable| drop(answer.send(durable.and(result))));
            }
            Job::Page { page } => {
                self.end_expired();
                self.wants_advance = true;
                self.pages.push(page);
            }
            Job::Subscribe { receiver, after, answer } => {
                self.end_expired();
                let result = self.subscribe(receiver, after);
                self.answer(move |durable| drop(answer.send(durable.and(result))));
            }
            Job::Download { receiver, message, offset, answer } => {
                let result = self.download(receiver, message, offset);
                self.answer(move |durable| drop(answer.send(durable.and(result))));
            }
        }
    }

    /// Answers once everything that is in the state now is durable.
    fn answer(&mut self, reply: impl FnOnce(Result<(), Failure>) + Send + 'static) {
        match &mut self.flight {
            _ if !self.pending.is_empty() => self.replies.push(Box::new(reply)),
            Some(flight) => flight.replies.push(Box::new(reply)),
            None => reply(Ok(())),
        }
    }

    fn end_expired(&mut self) {
        let now = self.now();
        for event in expired(&self.state, now) {
            self.append(None, None, event, now);
        }
    }

    fn write(
        &mut self,
        caller: &Actor,
        request: Option<Request>,
        command: Command,
    ) -> Result<Option<Written>, Failure> {
        if let Some(request) = request
            && let Some(written) = self.find(caller, request)?
        {
            if let Event::PayloadsErased { erasure, .. } = &written.event {
                // Perhaps their keys could not be destroyed then.
                self.erasures.push(*erasure);
                self.wants_advance = true;
            }
            return Ok(Some(written));
        }
        self.end_expired();
        let now = self.now();
        let can_wait = self.state.is_consent_that_can_wait(caller, &command);
        let invited = match &command {
            Command::Invite { organisation, .. } => Some(organisation.clone()),
            _ => None,
        };
        let events = decide(&self.state, &self.mailboxes, caller, command, now)?;
        self.can_erase(&events)?;
        if let Some(organisation) = invited {
            self.shared.directory().known(&organisation)?;
        }
        if can_wait {
            self.shared.places.count_consent(self.id, &caller.organisation)?;
        }
        let mut request = request;
        let written = events.first().map(|event| Written { recorded_at: now, event: event.clone() });
        for event in events {
            self.append(Some(caller), request.take(), event, now);
        }
        Ok(written)
    }

    /// The write that this request made before, if it made one (R8).
    fn find(&mut self, caller: &Actor, request: Request) -> Result<Option<Written>, Failure> {
        let candidates: Vec<Seq> = self.state.find_request(caller, request.id).collect();
        for seq in candidates {
            let entry = self.entry(seq)?;
            let Some(found) = entry.request.filter(|found| found.id == request.id) else { continue };
            if entry.author.as_ref() != Some(caller) {
                continue;
            }
            if found.digest != request.digest {
                return Err(Refusal::RequestIdReused.into());
            }
            return Ok(Some(Written { recorded_at: entry.recorded_at, event: entry.event.clone() }));
        }
        Ok(None)
    }

    fn append(&mut self, author: Option<&Actor>, request: Option<Request>, event: Event, now: Timestamp) {
        let entry = Entry::new(self.state.next(), now, author, request, event);
        fold(&mut self.state, &entry);
        self.mailboxes.follow(&self.state, &entry);
        if let Event::PayloadsErased { erasure, .. } = &entry.event {
            self.erasures.push(*erasure);
            self.forget_words();
        }
        let entry = Arc::new(entry);
        self.recent_bytes += entry_bytes(&entry);
        self.pending_bytes += entry_bytes(&entry);
        self.recent.push_back(entry.clone());
        self.pending_narrows |= may_take_back(&entry.event);
        self.pending_lists |= changes_listing(&entry.event);
        self.acts.extend(audit::of_room(self.id, &entry));
        if let Event::MessagePosted { message, .. } = &entry.event
            && let Some(file) = &message.file
        {
            // Before it is durable: what a log may name is not collected.
            self.shared.contents.note_posted(file.content.id);
        }
        // Here and not in `seal`: while a commit is under way, this costs no time.
        self.pending.push(codec::seal(&entry, self.id, self.shared.store.vault(), salt));
        self.wants_advance = true;
    }

    fn subscribe(&mut self, receiver: Receiver, after: Index) -> Result<Subscription, Failure> {
        Reader::new(&self.state, &receiver.actor)?;
        if after > self.last(&receiver.actor) {
            return Err(Refusal::IndexPastEnd.into());
        }
        let outbox = Arc::new(Outbox::new(after));
        let id = self.next_subscriber;
        self.next_subscriber += 1;
        let next = Index(after.0 + 1);
        // A commit that is under way may hold records of this mailbox; what lands says what is on disk.
        let recorded = if self.flight.is_none() { self.last(&receiver.actor) } else { after };
        let subscriber = Subscriber { receiver, outbox: outbox.clone(), next, recorded, is_fetching: false };
        self.subscribers.insert(id, subscriber);
        self.wants_advance = true;
        Ok(Subscription { id, outbox, room: self.tell.clone() })
    }

    fn last(&self, actor: &Actor) -> Index {
        self.mailboxes.get(actor).map_or(Index(0), |mailbox| mailbox.last())
    }

    /// Lets the caller be given an attachment that its mailbox has; on record before the answer leaves.
    fn download(&mut self, receiver: Receiver, message: MessageId, offset: u64) -> Result<Granted, Failure> {
        self.end_expired();
        let now = self.now();
        let fetched = decide(&self.state, &self.mailboxes, &receiver.actor, Command::Fetch { message }, now)?;
        let seq = self.state.message(message).ok_or(Refusal::MessageNotVisible)?;
        let (content, source, size) = self.state.content(seq).ok_or(Refusal::MessageNotVisible)?;
        if offset > size {
            return Err(
                Refusal::Invalid { field: "offset_bytes", rule: "must not be past the end of the attachment" }.into()
            );
        }
        let place = ContentPlace { room: self.id, source: source.clone(), content };
        for event in fetched {
            self.append(Some(&receiver.actor), None, event, now);
        }
        let permit = Permit::new();
        self.downloads.retain(|giving| giving.permit.is_held());
        self.downloads.push(Giving { receiver, seq, permit: permit.clone() });
        Ok(Granted { place, size, permit })
    }

    // 2. Seal.

    async fn seal(&mut self) {
        self.wants_advance = false;
        let takes_back = std::mem::take(&mut self.pending_narrows);
        let changes_listing = std::mem::take(&mut self.pending_lists);
        let now = self.now();
        let mut ranges = self.advance(now);
        if danger::is_on(Danger::RecordsLate) {
            std::mem::swap(&mut ranges, &mut self.late);
        }
        let entries = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        let replies = std::mem::take(&mut self.replies);
        let pages = std::mem::take(&mut self.pages);
        let done = oneshot::channel().1;
        let (erasures, confirmed) = (std::mem::take(&mut self.erasures), std::mem::take(&mut self.confirmed));
        let mut flight = Flight { done, replies, pages, erasures, confirmed, takes_back, changes_listing };
        if entries.is_empty() && ranges.is_empty() {
            self.erase(&mut flight).await;
            return self.publish(flight);
        }
        let packed = self.tip.pack(entries, &ranges, self.shared.store.vault());
        self.marks
            .extend(packed.iter().map(|(first_entry, frame)| Mark { first_entry: *first_entry, digest: frame.digest }));
        let frames = packed.into_iter().map(|(_, frame)| frame).collect();
        let acts = std::mem::take(&mut self.acts);
        flight.done = match acts.is_empty() {
            true => self.shared.committer.submit(frames).await,
            false => self.shared.trail.submit(acts, frames).await,
        };
        self.flight = Some(flight);
    }

    /// Gives every live reader, and every page that waits, its next indexes.
    fn advance(&mut self, now: Timestamp) -> Vec<Range> {
        let live = self.subscribers.values().filter(|subscriber| {
            let last = self.last(&subscriber.receiver.actor);
            is_nearly_through(subscriber.next, last) && subscriber.outbox.has_space()
        });
        let live: Vec<Receiver> = live.map(|subscriber| subscriber.receiver.clone()).collect();
        let mut ranges = Vec::new();
        for receiver in live {
            ranges.extend(self.advance_one(&receiver, limits::CATCH_UP_DELIVERIES, now));
        }
        for at in 0..self.pages.len() {
            let Page { receiver, after, max, .. } = &self.pages[at];
            let last = self.last(&receiver.actor);
            let more = (*max as u64).saturating_sub(last.0.saturating_sub(after.0));
            if *after <= last && more > 0 {
                let receiver = receiver.clone();
                ranges.extend(self.advance_one(&receiver, more as usize, now));
            }
        }
        ranges
    }

    fn advance_one(&mut self, receiver: &Receiver, max: usize, now: Timestamp) -> Option<Range> {
        let reader = Reader::new(&self.state, &receiver.actor).ok()?;
        self.mailboxes.advance(&self.state, reader, &receiver.actor, receiver.certificate, now, max)
    }
}

/// Whether so little of what a mailbox has is not queued that the next page's records should be made meanwhile.
fn is_nearly_through(next: Index, last: Index) -> bool {
    (last.0 + 1).saturating_sub(next.0) < limits::CATCH_UP_DELIVERIES as u64 / 2
}

async fn landing(flight: &mut Option<Flight>) -> Result<Result<(), CommitError>, oneshot::error::RecvError> {
    match flight {
        Some(flight) => (&mut flight.done).await,
        None => std::future::pending().await,
    }
}

fn entry_bytes(entry: &Entry) -> usize {
    256 + match &entry.event {
        Event::MessagePosted { message, .. } | Event::RelayPublished { message, .. } => message.text.len(),
        _ => 0,
    }
}

fn refuse(job: Job, failure: &Failure) {
    match job {
        Job::Write { answer, .. } => drop(answer.send(Err(failure.clone()))),
        Job::Ask(question) => question(Err(failure.clone()))(Err(failure.clone())),
        Job::Reports { answer, .. } => drop(answer.send(Err(failure.clone()))),
        Job::Page { page } => drop(page.answer.send(Err(failure.clone()))),
        Job::Subscribe { answer, .. } => drop(answer.send(Err(failure.clone()))),
        Job::Download { answer, .. } => drop(answer.send(Err(failure.clone()))),
    }
}
