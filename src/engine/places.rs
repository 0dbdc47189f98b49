//! Who may wait, how many at once, and how fast may they write? By room and organisation.
//!
//! A write needs a place among those of its organisation in its room, and space for its bytes; a read needs a place, too. Before that,
//! a write is counted against its organisation's rate in that room: over it, a single call is refused with the time to come back, and
//! nothing is written; a stream is not read on until then. What takes something back needs neither place nor rate: it never waits
//! behind anybody's writes. The coordinator has no rate, and a queue of its own ([`super::turns`]).
//!
//! A room that the caller's organisation is not listed in counts as no room, so that nothing is told by a rate (R7). Tested in
//! `engine/pressure.rs`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Failure;
use super::shared::{Shared, lock};
use crate::limits;
use crate::rate::{Bucket, Rate};
use crate::room::event::Command;
use crate::room::ids::{OrganisationId, RoomId};

/// How fast an organisation may write in one room. The defaults are those of [`limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Writes.
    pub writes: Rate,
    /// Bytes of them.
    pub bytes: Rate,
    /// Changes of consent that take nothing back, and reports that open a room.
    pub consents: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self::per_second(limits::WRITES_PER_SECOND, limits::WRITTEN_BYTES_PER_SECOND, limits::CONSENTS_PER_SECOND)
    }
}

impl Rates {
    /// So many writes, bytes and changes of consent a second, and [`limits::BURST_SECONDS`] of them at once.
    pub fn per_second(writes: u64, bytes: u64, consents: u64) -> Self {
        Self {
            writes: Rate::new(writes, limits::BURST_SECONDS),
            bytes: Rate::new(bytes, limits::BURST_SECONDS),
            consents: Rate::new(consents, limits::BURST_SECONDS),
        }
    }

    /// As fast as the machine can.
    pub fn unlimited() -> Self {
        Self::per_second(u64::from(u32::MAX), u64::from(u32::MAX), u64::from(u32::MAX))
    }
}

/// What one organisation uses of one room.
struct Place {
    writes: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    left: Option<Left>,
}

/// What is left of its rates.
struct Left {
    writes: Bucket,
    bytes: Bucket,
    consents: Bucket,
}

/// All that is used and left.
pub(super) struct Places {
    rates: RwLock<Rates>,
    places: Mutex<HashMap<(RoomId, OrganisationId), Place>>,
    bytes: Arc<Semaphore>,
    bytes_of: Mutex<HashMap<OrganisationId, Arc<Semaphore>>>,
}

/// That a write may wait; given back when it is answered.
pub(super) struct Admission {
    _all: OwnedSemaphorePermit,
    _organisation: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

/// How long a call waits for a place before it is told to come back.
const ADMISSION_TIME: Duration = Duration::from_secs(2);

impl Place {
    fn new() -> Self {
        Self {
            writes: Arc::new(Semaphore::new(limits::ORGANISATION_JOBS_MAX)),
            reads: Arc::new(Semaphore::new(limits::ORGANISATION_READS_MAX)),
            left: None,
        }
    }
}

impl Places {
    pub(super) fn new(rates: Rates) -> Self {
        Self {
            rates: RwLock::new(rates),
            places: Mutex::default(),
            bytes: Arc::new(Semaphore::new(limits::WAITING_BYTES_MAX)),
            bytes_of: Mutex::default(),
        }
    }

    fn rates(&self) -> Rates {
        *self.rates.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_rates(&self, rates: Rates) {
        *self.rates.write().unwrap_or_else(PoisonError::into_inner) = rates;
    }

    fn with<T>(&self, room: RoomId, organisation: &OrganisationId, look: impl FnOnce(&mut Place) -> T) -> T {
        look(lock(&self.places).entry((room, organisation.clone())).or_insert_with(Place::new))
    }

    fn left<T>(&self, room: RoomId, organisation: &OrganisationId, look: impl FnOnce(&mut Left) -> T) -> T {
        self.with(room, organisation, |place| look(place.left.get_or_insert_with(|| Left::full(self.rates()))))
    }

    /// Counts a single write; over the rate it is refused.
    fn count(&self, room: RoomId, organisation: &OrganisationId, bytes: usize) -> Result<(), Failure> {
        let Rates { writes, bytes: written, consents: _ } = self.rates();
        self.left(room, organisation, |left| {
            let ready = left.writes.ready(writes, 0).and_then(|()| left.bytes.ready(written, 0));
            ready.map_err(|retry| too_fast("writes", retry))?;
            left.writes.overdraw(1);
            left.bytes.overdraw(bytes as u64);
            Ok(())
        })
    }

    /// Counts a write of a stream, and says how long it must not take the next.
    fn pace(&self, room: RoomId, organisation: &OrganisationId, bytes: usize) -> Option<Duration> {
        let Rates { writes, bytes: written, consents: _ } = self.rates();
        self.left(room, organisation, |left| {
            left.writes.overdraw(1);
            left.bytes.overdraw(bytes as u64);
            // Streams leave a tenth to single calls, so that a person gets through beside its organisation's programs.
            let wait = |bucket: &mut Bucket, rate: Rate| bucket.ready(rate, rate.burst / 10).err();
            wait(&mut left.writes, writes).max(wait(&mut left.bytes, written))
        })
    }

    /// Counts a change of consent that takes nothing back, or a report.
    pub(super) fn count_consent(&self, room: RoomId, organisation: &OrganisationId) -> Result<(), Failure> {
        let rate = self.rates().consents;
        let counted = self.left(room, organisation, |left| left.consents.take(rate, 1));
        counted.map_err(|retry| too_fast("changes its consent, or reports,", retry))
    }

    /// A place for a read; given back when the room has taken it up.
    pub(super) async fn read(
        &self,
        room: RoomId,
        organisation: &OrganisationId,
    ) -> Result<OwnedSemaphorePermit, Failure> {
        let reads = self.with(room, organisation, |place| place.reads.clone());
        in_time(async { reads.acquire_owned().await.ok() }, "too many reads of your organisation wait").await
    }

    /// A place for a write and space for its bytes.
    pub(super) async fn write(
        &self,
        room: RoomId,
        organisation: &OrganisationId,
        bytes: usize,
    ) -> Result<Admission, Failure> {
        let writes = self.with(room, organisation, |place| place.writes.clone());
        let own = lock(&self.bytes_of)
            .entry(organisation.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(limits::ORGANISATION_BYTES_MAX)))
            .clone();
        let all = self.bytes.clone();
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX).max(1);
        let admission = async {
            Some(Admission {
                _place: writes.acquire_owned().await.ok()?,
                _organisation: own.acquire_many_owned(permits).await.ok()?,
                _all: all.acquire_many_owned(permits).await.ok()?,
            })
        };
        in_time(admission, "too many writes of your organisation wait").await
    }

    /// A room's task has ended. Rates that are not full are kept: closing a room must not renew them.
    pub(super) fn forget(&self, room: RoomId) {
        let rates = self.rates();
        lock(&self.places)
            .retain(|(of, _), place| *of != room || place.left.as_mut().is_some_and(|left| !left.is_full(rates)));
    }
}

impl Left {
    fn full(rates: Rates) -> Self {
        Self {
            writes: Bucket::full(rates.writes),
            bytes: Bucket::full(rates.bytes),
            consents: Bucket::full(rates.consents),
        }
    }

    fn is_full(&mut self, rates: Rates) -> bool {
        self.writes.is_full(rates.writes) && self.bytes.is_full(rates.bytes) && self.consents.is_full(rates.consents)
    }
}

impl Shared {
    /// Counts a single write of an organisation against its rate.
    pub(super) fn count(&self, room: RoomId, organisation: &OrganisationId, bytes: usize) -> Result<(), Failure> {
        if self.is_coordinator(organisation) {
            return Ok(());
        }
        self.places.count(self.counted(room, organisation), organisation, bytes)
    }

    /// Counts a write of a stream against the rate of its organisation, and says how long the stream must not be read.
    pub(super) fn pace(&self, room: RoomId, organisation: &OrganisationId, bytes: usize) -> Option<Duration> {
        if self.is_coordinator(organisation) {
            return None;
        }
        self.places.pace(self.counted(room, organisation), organisation, bytes)
    }

    fn is_coordinator(&self, organisation: &OrganisationId) -> bool {
        self.directory().coordinator() == organisation
    }

    /// The room in which a write counts: this one, or, for who is not in it, none.
    fn counted(&self, room: RoomId, organisation: &OrganisationId) -> RoomId {
        if lock(&self.listings).is_listed(room, organisation) { room } else { RoomId::DIRECTORY }
    }
}

fn too_fast(what: &'static str, retry: Duration) -> Failure {
    Failure::TooFast { what, retry: retry.max(limits::RETRY_DELAY) }
}

async fn in_time<T>(place: impl Future<Output = Option<T>>, full: &'static str) -> Result<T, Failure> {
    match tokio::time::timeout(ADMISSION_TIME, place).await {
        Ok(Some(place)) => Ok(place),
        Ok(None) => Err(Failure::ShuttingDown),
        Err(_) => Err(Failure::Busy(full)),
    }
}

/// What waits behind nobody's writes: what takes something back, and consent, of which only the room can tell whether it does.
pub(super) fn is_urgent(command: &Command) -> bool {
    match command {
        Command::WithdrawConsent { .. } | Command::GiveConsent { .. } | Command::Leave | Command::Remove { .. } => true,
        Command::RemoveSuspended { .. }
        | Command::RecordAccessChange { .. }
        | Command::Retract { .. }
        | Command::RevokeRelease { .. }
        | Command::ConfirmErasure { .. }
        | Command::PlaceLegalHold { .. } => true,
        Command::OpenRoom(_)
        | Command::AmendReport { .. }
        | Command::Invite { .. }
        | Command::AcceptInvitation { .. }
        | Command::DeclineInvitation { .. }
        | Command::ChangeRole { .. }
        | Command::Post { .. }
        | Command::Close
        | Command::Reopen
        | Command::ChangeTerms { .. }
        | Command::Acknowledge { .. }
        | Command::Release { .. }
        | Command::AnswerRecall { .. }
        | Command::SuggestAsk { .. }
        | Command::Ask { .. }
        | Command::AnswerAsk { .. }
        | Command::PublishRelay { .. }
        | Command::ApproveRelay { .. }
        | Command::RejectRelay { .. }
        | Command::RecordPoliceReport { .. }
        | Command::Forward { .. }
        | Command::ProposeLegalDisclosure { .. }
        | Command::ConfirmLegalDisclosure { .. }
        | Command::ProposeIntroduction { .. }
        | Command::AnswerIntroduction { .. }
        | Command::ReadReport { .. }
        | Command::SeeAs { .. }
        | Command::Fetch { .. }
        | Command::ProposeErasure { .. }
        | Command::LiftLegalHold { .. }
        | Command::SetRetention { .. }
        | Command::RecordExport { .. } => false,
    }
}

/// About how many bytes a command's entries take.
pub(super) fn command_bytes(command: &Command) -> usize {
    match command {
        Command::Post { draft, .. } => draft.text.len() + 1024 * (1 + draft.attachments.len()),
        Command::PublishRelay { draft, .. } => draft.text.len() + 16 * 1024,
        Command::AmendReport { .. } => 64 * 1024,
        // Up to 256 messages and names.
        Command::Release { .. }
        | Command::Ask { .. }
        | Command::Forward { .. }
        | Command::ProposeLegalDisclosure { .. } => 32 * 1024,
        Command::OpenRoom(_)
        | Command::Invite { .. }
        | Command::AcceptInvitation { .. }
        | Command::DeclineInvitation { .. }
        | Command::Leave
        | Command::Remove { .. }
        | Command::RemoveSuspended { .. }
        | Command::RecordAccessChange { .. }
        | Command::ChangeRole { .. }
        | Command::GiveConsent { .. }
        | Command::WithdrawConsent { .. }
        | Command::Retract { .. }
        | Command::RevokeRelease { .. }
        | Command::Close
        | Command::Reopen
        | Command::ChangeTerms { .. }
        | Command::Acknowledge { .. }
        | Command::AnswerRecall { .. }
        | Command::SuggestAsk { .. }
        | Command::AnswerAsk { .. }
        | Command::ApproveRelay { .. }
        | Command::RejectRelay { .. }
        | Command::RecordPoliceReport { .. }
        | Command::ConfirmLegalDisclosure { .. }
        | Command::ProposeIntroduction { .. }
        | Command::AnswerIntroduction { .. }
        | Command::ReadReport { .. }
        | Command::SeeAs { .. }
        | Command::Fetch { .. }
        | Command::ProposeErasure { .. }
        | Command::ConfirmErasure { .. }
        | Command::PlaceLegalHold { .. }
        | Command::LiftLegalHold { .. }
        | Command::SetRetention { .. }
        | Command::RecordExport { .. } => 4096,
    }
}
