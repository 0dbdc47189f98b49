//! Effects: one task per open room, one for the directory, one thread that writes. One question: in what order does it happen?
//!
//! The one path of a write: find the request id → decide → fold (ahead of disk) → frame → commit → publish → reply. Read in this order:
//! `api` (this file: what the edge calls), `places` (who may wait, how fast), `turns` (who is next), `room` (the task), `outbox` (what a subscriber is owed), `listing` (who is in which room),
//! `directory`.
//! Leans on: `room`, `store`. Upholds: R4 (nothing leaves before it is durable), R6, R8, R9. Tested in `engine/tests.rs` and `tests/it`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use uuid::Uuid;

pub use self::access::{AccessChanged, AccessWish};
pub use self::attachments::Download;
use self::directory::DirectoryLog;
pub use self::ids::Ids;
pub use self::load::{LoadError, replay};
pub use self::outbox::Subscription;
pub use self::places::Rates;
use self::places::{command_bytes, is_urgent};
use self::room::{Job, Lane, Page, Waiting};
use self::shared::{Shared, lock, salt};
use self::start::{ReadStore, failed, read_all};
use crate::audit::{AuditEvent, Trail};
use crate::contents::Contents;
use crate::room::consent::{ConsentChange, Name};
use crate::room::decide::decide;
use crate::room::directory::{Directory, DirectoryCommand, DirectoryEvent};
use crate::room::disclose::{
    Disclosed, Reader, SeenAs, Shown, ShownInvitation, ShownListing, ShownParticipant, What, see_as,
};
use crate::room::event::{Command, Entry, Event, IntakeReport, OpenRoom, OpeningReport, Request};
use crate::room::ids::{Actor, Index, InvitationId, MessageId, OrganisationId, ParticipantId, RoomId, Timestamp};
use crate::room::mailbox::{Mailboxes, Notice};
use crate::room::refusal::Refusal;
use crate::room::state::{RoomState, fold};
use crate::sealing::{KeyEncryptionKey, KeyringError};
use crate::store::committer::{Clock, Committer, Pace};
use crate::store::{Store, codec};

mod access;
mod attachments;
mod directory;
mod enrolment;
mod erasure;
mod ids;
pub mod inspect;
mod load;
mod outbox;
mod places;
#[cfg(test)]
mod pressure;
#[cfg(test)]
mod races;
mod room;
mod shared;
pub mod snapshot;
mod start;
#[cfg(test)]
mod tests;
mod turns;

/// Why a call got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The domain says no. Nothing was written.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A queue is full. Nothing was written; try again in a moment.
    #[error("{0}: try again in a moment")]
    Busy(&'static str),
    /// The organisation writes faster than it may in one room. Nothing was written; try again after this time.
    #[error("your organisation {what} faster than it may in this room; try again in {} ms", .retry.as_millis())]
    TooFast {
        /// What it does.
        what: &'static str,
        /// When it may again.
        retry: Duration,
    },
    /// Too little space on the server's disk. Nothing was written.
    #[error("the server's disk is full; nothing was written")]
    StoreFull,
    /// The store failed, and the server ends.
    #[error("the store failed")]
    StoreFailed {
        /// Whether the write may have happened.
        outcome: Outcome,
    },
    /// It is decided and on record that words are erased, and their keys could not be destroyed; the same request id tries it again.
    #[error(
        "the erasure is recorded, but the keyring could not be written: nothing is destroyed yet; try again with the same request id"
    )]
    NotErased,
    /// What is stored of this room does not verify; the server shows nothing of it.
    #[error("what is stored of this room does not match its digests")]
    Damaged,
    /// What is stored of an attachment is not what was put there.
    #[error(
        "what is stored of this attachment is missing or does not match its digest; ask its sender for it, and tell the server's operator"
    )]
    AttachmentDamaged,
    /// The caller has begun the same upload anew, and the other stream goes on with it.
    #[error("this upload goes on in another stream that you began later")]
    UploadTakenOver,
    /// What was being given is not the caller's to see any more.
    #[error("this attachment was withdrawn while you were given it; what you have of it, you were given")]
    WithdrawnMeanwhile,
    /// The server is stopping. Nothing was written.
    #[error("the server is stopping")]
    ShuttingDown,
}

/// Whether a write that failed happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did not.
    NothingWritten,
    /// It may have. The same request id tells.
    Unknown,
}

/// A write that is durable: what its first entry says. A retry gets the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// When.
    pub recorded_at: Timestamp,
    /// What.
    pub event: Event,
}

/// A room that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Which.
    pub room: RoomId,
    /// The participant id of the organisation that opened it.
    pub participant: ParticipantId,
    /// When.
    pub recorded_at: Timestamp,
}

/// What stands at one index of a mailbox, as its owner may see it now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly every one is shown; a box would be an allocation for each")]
pub enum Delivery {
    /// This.
    Shown(Disclosed<Shown>),
    /// What stood here was withdrawn.
    Withdrawn,
    /// Earlier deliveries were withdrawn.
    Notice(Notice),
}

/// Deliveries with consecutive indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The index of the first, or that of the next if there is none.
    pub first: Index,
    /// In order.
    pub deliveries: Vec<Delivery>,
}

/// Who reads: an actor, and the certificate that the delivery record names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Who.
    pub actor: Actor,
    /// SHA-256 of its certificate.
    pub certificate: [u8; 32],
}

/// A report as shown: whose, and its versions, oldest first, each with the time of its filing.
pub type ShownReports = (Disclosed<ShownParticipant>, Vec<(Timestamp, Disclosed<IntakeReport>)>);

impl Delivery {
    /// Bytes of its text.
    pub(crate) fn text_bytes(&self) -> usize {
        match self {
            Self::Shown(shown) => match &shown.get().what {
                What::Message(message) => message.text.len(),
                _ => 0,
            },
            Self::Withdrawn | Self::Notice(_) => 0,
        }
    }
}

/// How a room comes to be.
#[derive(Debug, Clone)]
pub enum Opening {
    /// The coordinator opens it, under its own words.
    ByCoordinator {
        /// At most [`crate::limits::TITLE_BYTES_MAX`].
        title: Arc<str>,
        /// At most [`crate::limits::TERMS_BYTES_MAX`].
        terms: Arc<str>,
    },
    /// An organisation reports an incident; title and terms are the server's.
    ByReport {
        /// The answers.
        report: Arc<IntakeReport>,
        /// The last answer.
        consent: Arc<ConsentChange>,
    },
}

/// What the engine must be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The organisation that coordinates.
    pub coordinator: OrganisationId,
    /// The title of a room that a report opens: neutral, since invited organisations see it.
    pub title: Arc<str>,
    /// The terms of a room that a report opens.
    pub terms: Arc<str>,
    /// Where new ids come from.
    pub ids: Ids,
    /// How fast an organisation may write in one room.
    pub rates: Rates,
    /// Bytes of one attachment, at most [`crate::limits::ATTACHMENT_BYTES_MAX`].
    pub attachment_bytes_max: u64,
}

/// All rooms of one store. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    directory: Mutex<DirectoryLog>,
    settings: Settings,
    page_token_key: [u8; 32],
}

impl Engine {
    /// Reads and verifies the whole store, then takes calls. A room that does not verify is quarantined, the others are served; a
    /// directory that does not verify is an error.
    pub async fn start(store: Arc<dyn Store>, clock: Clock, settings: Settings) -> Result<Self, LoadError> {
        let (read, coordinator) = (store.clone(), settings.coordinator.clone());
        let loaded = tokio::task::spawn_blocking(move || read_all(&*read, coordinator)).await;
        let loaded = loaded.map_err(|_| failed("reading it panicked"))??;
        let committer = Committer::start(store.clone(), clock.clone()).map_err(|error| failed(&error.to_string()))?;
        Ok(Self::run(store, clock, settings, loaded, committer, None).await)
    }

    /// The same on the runtime's own tasks alone, where what is done on other threads takes the time that `pace` says: on a runtime of
    /// one thread with paused time, the same calls have the same outcome in the same order, every time.
    pub async fn start_paced(
        store: Arc<dyn Store>,
        clock: Clock,
        settings: Settings,
        pace: Pace,
    ) -> Result<Self, LoadError> {
        let loaded = read_all(&*store, settings.coordinator.clone())?;
        let committer = Committer::start_paced(store.clone(), clock.clone(), pace.clone());
        Ok(Self::run(store, clock, settings, loaded, committer, Some(pace)).await)
    }

    async fn run(
        store: Arc<dyn Store>,
        clock: Clock,
        settings: Settings,
        (log, listings, unrecorded, trail, posted): ReadStore,
        committer: Committer,
        pace: Option<Pace>,
    ) -> Self {
        let page_token_key = store.secret();
        let trail = Trail::start(store.clone(), committer.clone(), clock.clone(), trail);
        let known = (log.directory().clone(), listings);
        let contents = Arc::new(Contents::new(store.clone(), posted));
        let shared = Arc::new(Shared::new((store, contents), committer, trail, clock, pace, known, settings.rates));
        let engine = Self(Arc::new(Inner { shared, directory: Mutex::new(log), settings, page_token_key }));
        engine.finish_suspensions().await;
        engine.finish_access_changes(unrecorded).await;
        engine
    }

    /// Which organisations there are, and which rooms.
    pub fn directory(&self) -> Arc<Directory> {
        self.0.shared.directory()
    }

    /// What everything is in.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.0.shared.store
    }

    /// Encrypts the store's keyring with this key, if it is another than before, and notes that. After an error the former one holds.
    pub fn take_key(&self, key: &KeyEncryptionKey) -> Result<(), KeyringError> {
        if let Some(former) = self.0.shared.store.vault().rotate(key)? {
            tracing::info!(%former, key = %key.id(), "the store has another key; the former one opens nothing any more");
            self.trail().note(AuditEvent::StoreKeyChanged { from: former.to_string().into() });
        }
        Ok(())
    }

    /// Where acts are recorded, and sign-ins and refusals noted.
    pub fn trail(&self) -> &Trail {
        &self.0.shared.trail
    }

    /// Signs page tokens; never leaves the server.
    pub fn page_token_key(&self) -> [u8; 32] {
        self.0.page_token_key
    }

    /// The id of something new.
    pub fn new_id(&self) -> Uuid {
        self.0.settings.ids.draw()
    }

    /// Bytes that an attachment may have here.
    pub fn attachment_bytes_max(&self) -> u64 {
        self.0.settings.attachment_bytes_max
    }

    /// The server's clock.
    pub fn now(&self) -> Timestamp {
        self.0.shared.now()
    }

    /// Other rates from now on.
    pub fn set_rates(&self, rates: Rates) {
        self.0.shared.places.set_rates(rates);
    }

    /// Resolves when the store has failed for good: the process must end.
    pub async fn failed(&self) -> crate::store::StoreError {
        self.0.shared.committer.failed().await
    }

    /// Commits and frames so far.
    pub fn commits_and_frames(&self) -> (u64, u64) {
        (self.0.shared.committer.commits(), self.0.shared.committer.frames())
    }

    /// Commits what was decided and lets go of the store.
    pub async fn stop(&self) {
        self.0.shared.end_all().await;
        self.0.shared.contents.stop().await;
        self.0.shared.trail.stop().await;
        self.0.shared.committer.shutdown().await;
    }

    /// Lets an organisation in. The coordinator.
    pub async fn register(
        &self,
        caller: &Actor,
        request: Request,
        organisation: OrganisationId,
        display_name: Arc<str>,
    ) -> Result<Timestamp, Failure> {
        let command = DirectoryCommand::Register { organisation, display_name };
        let decide = |_: &Directory| Ok((command, Vec::new()));
        let (entry, _) = directory::write(&self.0.shared, &self.0.directory, caller, request, decide).await?;
        Ok(entry.recorded_at)
    }

    /// Keeps an organisation out, and takes it out of every room. The coordinator.
    pub async fn suspend(
        &self,
        caller: &Actor,
        request: Request,
        organisation: OrganisationId,
        reason: Arc<str>,
    ) -> Result<Timestamp, Failure> {
        let command = DirectoryCommand::Suspend { organisation: organisation.clone(), reason };
        let decide = |_: &Directory| Ok((command, Vec::new()));
        let (entry, _) = directory::write(&self.0.shared, &self.0.directory, caller, request, decide).await?;
        // A retry makes up for rooms whose entry found the disk full, unless the organisation was admitted again.
        if !self.directory().admits(&organisation) {
            self.remove_from_all(caller, &organisation).await?;
        }
        Ok(entry.recorded_at)
    }

    /// Notes that two rooms' incidents may be related. The coordinator; no participant is told.
    pub async fn record_connection(
        &self,
        caller: &Actor,
        request: Request,
        rooms: [RoomId; 2],
        reason: Arc<str>,
    ) -> Result<Timestamp, Failure> {
        let command = DirectoryCommand::RecordConnection { rooms, reason };
        let decide = |_: &Directory| Ok((command, Vec::new()));
        let (entry, _) = directory::write(&self.0.shared, &self.0.directory, caller, request, decide).await?;
        Ok(entry.recorded_at)
    }

    async fn remove_from_all(&self, by: &Actor, organisation: &OrganisationId) -> Result<(), Failure> {
        let rooms: Vec<RoomId> = lock(&self.0.shared.listings).rooms_of(organisation).map(|(room, _)| room).collect();
        let mut removed = Ok(());
        // One room that can't record it keeps it in no other.
        for room in rooms {
            removed = removed.and(self.remove_suspended(by, room, organisation).await);
        }
        removed
    }

    async fn remove_suspended(&self, by: &Actor, room: RoomId, organisation: &OrganisationId) -> Result<(), Failure> {
        let (answer, answered) = oneshot::channel();
        let command = Command::RemoveSuspended { organisation: organisation.clone() };
        let job = Job::Write { caller: by.clone(), request: None, command, answer, admission: None };
        self.tell(room, Waiting { lane: Lane::Urgent, job, _place: None }).await?;
        answered.await.map_err(|_| Failure::ShuttingDown)??;
        Ok(())
    }

    /// What a crash between a suspension and its entries in the rooms left undone.
    async fn finish_suspensions(&self) {
        let directory = self.directory();
        for (organisation, known) in directory.organisations(None) {
            if let Some(suspension) = &known.suspended
                && let Err(failure) = self.remove_from_all(&suspension.by, organisation).await
            {
                tracing::warn!(%failure, "a suspended organisation could not be taken out of its rooms");
            }
        }
    }

    /// Opens a room, in one step with the report and the consent that come with it.
    pub async fn open_room(&self, caller: &Actor, request: Request, opening: Opening) -> Result<Opened, Failure> {
        let Settings { coordinator, title, terms, ids, .. } = &self.0.settings;
        let participant = || ParticipantId(ids.draw());
        let (title, terms, report) = match opening {
            Opening::ByCoordinator { title, terms } => (title, terms, None),
            Opening::ByReport { report, consent } => {
                self.0.shared.places.count_consent(RoomId::DIRECTORY, &caller.organisation)?;
                let opening = OpeningReport { participant: participant(), report, consent };
                (title.clone(), terms.clone(), Some(opening))
            }
        };
        let coordinator_participant = participant();
        let own = report.as_ref().map_or(coordinator_participant, |opening| opening.participant);
        let coordinator = coordinator.clone();
        let command = OpenRoom { coordinator, coordinator_participant, title, terms, report };
        let room = RoomId(ids.draw());
        let now = self.now();
        let mut state = RoomState::default();
        let vault = self.0.shared.store.vault();
        let opened = |_: &Directory| {
            let events = decide(&state, &Mailboxes::default(), caller, Command::OpenRoom(command), now)?;
            let mut entries = Vec::with_capacity(events.len());
            for event in events {
                let entry = Entry::new(state.next(), now, Some(caller), None, event);
                fold(&mut state, &entry);
                entries.push(codec::seal(&entry, room, vault, salt));
            }
            let packed = codec::Tip::start(room).pack(entries, &[], vault);
            let frames = packed.into_iter().map(|(_, frame)| frame).collect();
            Ok((DirectoryCommand::CreateRoom { room, participant: own }, frames))
        };
        let (entry, is_new) = directory::write(&self.0.shared, &self.0.directory, caller, request, opened).await?;
        if is_new {
            self.0.shared.list(room, &state);
        }
        match &entry.event {
            DirectoryEvent::RoomCreated { room, participant } => {
                Ok(Opened { room: *room, participant: *participant, recorded_at: entry.recorded_at })
            }
            DirectoryEvent::OrganisationRegistered { .. }
            | DirectoryEvent::OrganisationSuspended { .. }
            | DirectoryEvent::AccessChanged { .. }
            | DirectoryEvent::ConnectionRecorded { .. }
            | DirectoryEvent::InviteCreated(_)
            | DirectoryEvent::InviteRevoked { .. }
            | DirectoryEvent::EnrolmentRequested { .. }
            | DirectoryEvent::EnrolmentApproved { .. }
            | DirectoryEvent::CertificateIssued { .. }
            | DirectoryEvent::CertificateRenewed { .. } => Err(Refusal::RequestIdReused.into()),
        }
    }

    /// One write in a room. When it returns, it is durable; a retry with the same request id gets the same answer.
    pub async fn write(
        &self,
        caller: &Actor,
        room: RoomId,
        request: Request,
        command: Command,
    ) -> Result<Written, Failure> {
        if !is_urgent(&command) {
            self.0.shared.count(room, &caller.organisation, command_bytes(&command))?;
        }
        self.write_counted(caller, room, request, command).await
    }

    /// Counts a write of a stream against its organisation's rate, and says until when the stream must not take the next.
    pub fn pace(&self, caller: &Actor, room: RoomId, command: &Command) -> Option<tokio::time::Instant> {
        let wait = self.0.shared.pace(room, &caller.organisation, command_bytes(command))?;
        Some(tokio::time::Instant::now() + wait)
    }

    /// As [`Engine::write`], of a write that [`Engine::pace`] has counted.
    pub async fn write_counted(
        &self,
        caller: &Actor,
        room: RoomId,
        request: Request,
        command: Command,
    ) -> Result<Written, Failure> {
        self.known(room)?;
        let (lane, admission) = if is_urgent(&command) {
            (Lane::Urgent, None)
        } else {
            let admission = self.0.shared.places.write(room, &caller.organisation, command_bytes(&command)).await?;
            (Lane::Turn(caller.organisation.clone()), Some(admission))
        };
        let (answer, answered) = oneshot::channel();
        let job = Job::Write { caller: caller.clone(), request: Some(request), command, answer, admission };
        self.tell(room, Waiting { lane, job, _place: None }).await?;
        let written = answered.await.map_err(|_| Failure::ShuttingDown)??;
        written.ok_or(Failure::Refused(Refusal::RoomNotFound))
    }

    fn known(&self, room: RoomId) -> Result<(), Failure> {
        if self.directory().rooms().contains(&room) { Ok(()) } else { Err(Refusal::RoomNotFound.into()) }
    }

    async fn tell(&self, room: RoomId, mut waiting: Waiting) -> Result<(), Failure> {
        // A room's task may have idled out since its handle was taken: then the next one gets the job.
        for _ in 0..8 {
            let handle = self.0.shared.room(room);
            let queue = match &waiting.lane {
                Lane::Urgent => &handle.urgent,
                Lane::Turn(_) => &handle.jobs,
            };
            match queue.send(waiting).await {
                Ok(()) => return Ok(()),
                Err(unsent) => waiting = unsent.0,
            }
            tokio::task::yield_now().await;
        }
        Err(Failure::ShuttingDown)
    }

    /// The same for what does not count as a write, from the queue of the caller's organisation.
    async fn tell_in_turn(&self, caller: &Actor, room: RoomId, job: Job) -> Result<(), Failure> {
        let place = self.0.shared.places.read(room, &caller.organisation).await?;
        self.tell(room, Waiting { lane: Lane::Turn(caller.organisation.clone()), job, _place: Some(place) }).await
    }

    /// Where an invitation of this organisation leads, also after it was answered.
    pub fn room_of_invitation(&self, organisation: &OrganisationId, invitation: InvitationId) -> Option<RoomId> {
        let listings = lock(&self.0.shared.listings);
        listings.invitation(invitation).filter(|(_, invited)| invited == organisation).map(|(room, _)| *room)
    }

    /// Asks a pure question of the room's state; answered once everything that it saw is durable. The question goes through
    /// [`crate::room::disclose`].
    pub async fn ask<T: Send + 'static>(
        &self,
        caller: &Actor,
        room: RoomId,
        question: impl FnOnce(&RoomState, Timestamp) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Failure> {
        self.ask_records(caller, room, |state, _, now| question(state, now)).await
    }

    /// The same, of the state and of the delivery records.
    pub async fn ask_records<T: Send + 'static>(
        &self,
        caller: &Actor,
        room: RoomId,
        question: impl FnOnce(&RoomState, &Mailboxes, Timestamp) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Failure> {
        self.known(room)?;
        let (answer, answered) = oneshot::channel::<Result<T, Failure>>();
        let job = Job::Ask(Box::new(move |asked| {
            let result =
                asked.and_then(|(state, mailboxes, now)| question(state, mailboxes, now).map_err(Failure::Refused));
            Box::new(move |durable: Result<(), Failure>| drop(answer.send(durable.and(result))))
        }));
        self.tell_in_turn(caller, room, job).await?;
        answered.await.map_err(|_| Failure::ShuttingDown)?
    }

    /// The versions of an intake report: the caller's own, or, for the coordinator, another's, which is on record before it is answered.
    pub async fn reports(&self, caller: &Actor, room: RoomId, of: Option<Name>) -> Result<ShownReports, Failure> {
        self.known(room)?;
        if let Some(name) = of.clone().filter(|_| caller.organisation == self.0.settings.coordinator) {
            match self.note(caller, room, Command::ReadReport { of: name }).await {
                // There is nothing to be read.
                Ok(()) | Err(Failure::Refused(Refusal::ReportNotFound)) => {}
                Err(failure) => return Err(failure),
            }
        }
        let (answer, answered) = oneshot::channel();
        self.tell_in_turn(caller, room, Job::Reports { caller: caller.clone(), of, answer }).await?;
        answered.await.map_err(|_| Failure::ShuttingDown)?
    }

    /// The room as a participant sees it, messages after `after`, `max` at most. The coordinator; that it looked is on record before it
    /// is answered.
    pub async fn see_as(
        &self,
        caller: &Actor,
        room: RoomId,
        participant: Name,
        after: Option<MessageId>,
        max: usize,
    ) -> Result<Disclosed<SeenAs>, Failure> {
        self.known(room)?;
        self.note(caller, room, Command::SeeAs { participant: participant.clone() }).await?;
        let reader = caller.clone();
        let question = move |state: &_, now| see_as(state, Reader::new(state, &reader)?, &participant, after, max, now);
        self.ask(caller, room, question).await
    }

    /// Writes what a reading call puts on record.
    async fn note(&self, caller: &Actor, room: RoomId, command: Command) -> Result<(), Failure> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Write { caller: caller.clone(), request: None, command, answer, admission: None };
        self.tell_in_turn(caller, room, job).await?;
        answered.await.map_err(|_| Failure::ShuttingDown)??;
        Ok(())
    }

    /// The organisation's rooms after `after`, by id, `max` at most.
    pub fn rooms(
        &self,
        organisation: &OrganisationId,
        after: Option<RoomId>,
        max: usize,
    ) -> Vec<(RoomId, Disclosed<ShownListing>)> {
        let listings = lock(&self.0.shared.listings);
        let rooms = listings.rooms_of(organisation).filter(|(room, _)| after.is_none_or(|after| *room > after));
        rooms.filter_map(|(room, listing)| Some((room, listing.shown_to(organisation)?))).take(max).collect()
    }

    /// The organisation's open invitations after `after`, by id, `max` at most.
    pub fn invitations(
        &self,
        organisation: &OrganisationId,
        after: Option<InvitationId>,
        max: usize,
    ) -> Vec<Disclosed<ShownInvitation>> {
        let listings = lock(&self.0.shared.listings);
        let open = listings.rooms_of(organisation).flat_map(|(_, listing)| listing.invitations_of(organisation));
        let mut open: Vec<_> = open.filter(|shown| after.is_none_or(|after| shown.get().id > after)).collect();
        open.sort_by_key(|shown| shown.get().id);
        open.truncate(max);
        open
    }

    /// A page of a mailbox. What it gives for the first time is recorded as received before it is returned.
    pub async fn page(
        &self,
        receiver: &Receiver,
        room: RoomId,
        after: Index,
        max: usize,
        bytes_max: usize,
    ) -> Result<Batch, Failure> {
        self.known(room)?;
        let (answer, answered) = oneshot::channel();
        let page = Page { receiver: receiver.clone(), after, max, bytes_max, answer };
        self.tell_in_turn(&receiver.actor, room, Job::Page { page }).await?;
        answered.await.map_err(|_| Failure::ShuttingDown)?
    }

    /// What the mailbox holds after an index, and then what comes.
    pub async fn subscribe(&self, receiver: &Receiver, room: RoomId, after: Index) -> Result<Subscription, Failure> {
        self.known(room)?;
        let (answer, answered) = oneshot::channel();
        self.tell_in_turn(&receiver.actor, room, Job::Subscribe { receiver: receiver.clone(), after, answer }).await?;
        answered.await.map_err(|_| Failure::ShuttingDown)?
    }
}
