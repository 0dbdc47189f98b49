//! What all rooms share: the store, the clock, who is where, who may wait.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::Failure;
use super::room::{Handle, Room};
use crate::limits;
use crate::room::directory::Directory;
use crate::room::disclose::Listing;
use crate::room::ids::{InvitationId, OrganisationId, RoomId, Timestamp};
use crate::room::state::RoomState;
use crate::store::Store;
use crate::store::committer::{Clock, Committer, Pace, Wait};

pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) committer: Committer,
    clock: Clock,
    clock_floor: Timestamp,
    /// Set where nothing may run on another thread.
    pace: Option<Pace>,
    directory: RwLock<Arc<Directory>>,
    rooms: Mutex<HashMap<RoomId, Handle>>,
    pub(super) listings: Mutex<Listings>,
    /// Cancelled when the server stops: rooms finish what they have decided and end.
    pub(super) stopping: CancellationToken,
    pub(super) tasks: TaskTracker,
    waiting_bytes: Arc<Semaphore>,
    waiting_bytes_of: Mutex<HashMap<OrganisationId, Arc<Semaphore>>>,
    waiting_jobs_of: Mutex<HashMap<(RoomId, OrganisationId), Arc<Semaphore>>>,
}

/// That a write may wait; given back when it is answered.
pub(super) struct Admission {
    _all: OwnedSemaphorePermit,
    _organisation: OwnedSemaphorePermit,
    _job: OwnedSemaphorePermit,
}

/// How long a write waits to be let in before it is told to come back.
const ADMISSION_TIME: Duration = Duration::from_secs(2);

/// Who is in which room: rebuilt at start, followed by each room once it is durable.
#[derive(Default)]
pub(super) struct Listings {
    rooms: BTreeMap<RoomId, Listing>,
    rooms_of: HashMap<OrganisationId, BTreeSet<RoomId>>,
    /// Where each invitation leads, also when it was answered.
    invitations: BTreeMap<InvitationId, (RoomId, OrganisationId)>,
}

impl Listings {
    pub(super) fn list(&mut self, room: RoomId, state: &RoomState) {
        let Some(listing) = Listing::of(state) else { return };
        if let Some(before) = self.rooms.get(&room) {
            for organisation in before.concerned() {
                if let Some(rooms) = self.rooms_of.get_mut(organisation) {
                    rooms.remove(&room);
                }
            }
        }
        for organisation in listing.concerned() {
            self.rooms_of.entry(organisation.clone()).or_default().insert(room);
        }
        for (invitation, organisation) in state.invited() {
            self.invitations.insert(*invitation, (room, organisation.clone()));
        }
        self.rooms.insert(room, listing);
    }

    pub(super) fn rooms_of(&self, organisation: &OrganisationId) -> impl Iterator<Item = (RoomId, &Listing)> {
        let rooms = self.rooms_of.get(organisation).into_iter().flatten();
        rooms.filter_map(|room| Some((*room, self.rooms.get(room)?)))
    }

    pub(super) fn invitation(&self, id: InvitationId) -> Option<&(RoomId, OrganisationId)> {
        self.invitations.get(&id)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 32 random bytes.
pub(super) fn salt() -> [u8; 32] {
    let mut salt = [0; 32];
    salt[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    salt[16..].copy_from_slice(Uuid::new_v4().as_bytes());
    salt
}

impl Shared {
    pub(super) fn new(
        store: Arc<dyn Store>,
        committer: Committer,
        clock: Clock,
        pace: Option<Pace>,
        directory: Directory,
        listings: Listings,
    ) -> Self {
        Self {
            clock_floor: store.clock_floor(),
            store,
            committer,
            clock,
            pace,
            directory: RwLock::new(Arc::new(directory)),
            rooms: Mutex::default(),
            listings: Mutex::new(listings),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            waiting_bytes: Arc::new(Semaphore::new(limits::WAITING_BYTES_MAX)),
            waiting_bytes_of: Mutex::default(),
            waiting_jobs_of: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)().max(self.clock_floor)
    }

    /// Does what blocks on another thread, or at its pace where there is none.
    pub(super) fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        match &self.pace {
            None => tokio::task::spawn_blocking(work),
            Some(pace) => {
                let time = pace(Wait::Other);
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    work()
                })
            }
        }
    }

    pub(super) fn directory(&self) -> Arc<Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_directory(&self, directory: Directory) {
        *self.directory.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(directory);
    }

    pub(super) fn list(&self, room: RoomId, state: &RoomState) {
        lock(&self.listings).list(room, state);
    }

    /// The room's task; started, if it isn't running.
    pub(super) fn room(self: &Arc<Self>, id: RoomId) -> Handle {
        let mut rooms = lock(&self.rooms);
        rooms.entry(id).or_insert_with(|| Room::open(self.clone(), id)).clone()
    }

    /// Lets a room's task end, if nothing waits for it: whoever comes next starts another.
    pub(super) fn forget(&self, id: RoomId, is_unasked: impl Fn() -> bool) -> bool {
        let mut rooms = lock(&self.rooms);
        let goes = is_unasked();
        if goes {
            rooms.remove(&id);
            lock(&self.waiting_jobs_of).retain(|(room, _), _| *room != id);
        }
        goes
    }

    /// Ends every room's task, once what it has decided is durable.
    pub(super) async fn end_all(&self) {
        self.stopping.cancel();
        lock(&self.rooms).clear();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Lets a write wait, within the bounds of its organisation and of all.
    pub(super) async fn admit(
        &self,
        room: RoomId,
        organisation: &OrganisationId,
        bytes: usize,
    ) -> Result<Admission, Failure> {
        let jobs = lock(&self.waiting_jobs_of)
            .entry((room, organisation.clone()))
            .or_insert_with(|| Arc::new(Semaphore::new(limits::ORGANISATION_JOBS_MAX)))
            .clone();
        let own = lock(&self.waiting_bytes_of)
            .entry(organisation.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(limits::ORGANISATION_BYTES_MAX)))
            .clone();
        let all = self.waiting_bytes.clone();
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX).max(1);
        let admission = async {
            Some(Admission {
                _job: jobs.acquire_owned().await.ok()?,
                _organisation: own.acquire_many_owned(permits).await.ok()?,
                _all: all.acquire_many_owned(permits).await.ok()?,
            })
        };
        match tokio::time::timeout(ADMISSION_TIME, admission).await {
            Ok(Some(admission)) => Ok(admission),
            Ok(None) => Err(Failure::ShuttingDown),
            Err(_) => Err(Failure::Busy("too many writes of your organisation wait")),
        }
    }
}
