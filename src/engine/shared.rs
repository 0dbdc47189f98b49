//! What all rooms share: the store, the clock, who is where, who may wait.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::places::{Places, Rates};
use super::room::{Handle, Room};
use crate::audit::Trail;
use crate::contents::Contents;
use crate::room::directory::Directory;
use crate::room::disclose::Listing;
use crate::room::event::Event;
use crate::room::ids::{InvitationId, OrganisationId, RoomId, Timestamp};
use crate::room::state::RoomState;
use crate::store::Store;
pub(super) use crate::store::codec::salt;
use crate::store::committer::{Clock, Committer, Pace, Wait};

pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) contents: Arc<Contents>,
    pub(super) committer: Committer,
    pub(super) trail: Trail,
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
    pub(super) places: Places,
}

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

    pub(super) fn is_listed(&self, room: RoomId, organisation: &OrganisationId) -> bool {
        self.rooms_of.get(organisation).is_some_and(|rooms| rooms.contains(&room))
    }

    pub(super) fn invitation(&self, id: InvitationId) -> Option<&(RoomId, OrganisationId)> {
        self.invitations.get(&id)
    }
}

/// Whether the event changes what is listed of its room.
pub(super) fn changes_listing(event: &Event) -> bool {
    match event {
        Event::RoomOpened { .. }
        | Event::ParticipantAdmitted { .. }
        | Event::OrganisationInvited { .. }
        | Event::InvitationDeclined { .. }
        | Event::ParticipantLeft { .. }
        | Event::ParticipantRemoved { .. }
        | Event::RoleChanged { .. }
        | Event::RoomClosed
        | Event::RoomReopened
        | Event::PayloadsErased { .. }
        | Event::LegalHoldPlaced { .. }
        | Event::LegalHoldLifted { .. }
        | Event::RetentionSet { .. }
        | Event::TermsChanged { .. } => true,
        Event::AttributionRaised { .. }
        | Event::ConsentGiven { .. }
        | Event::ConsentWithdrawn { .. }
        | Event::ConsentExpired { .. }
        | Event::ReportFiled { .. }
        | Event::MessagePosted { .. }
        | Event::MessageRetracted { .. }
        | Event::MessageAcknowledged { .. }
        | Event::MessagesReleased { .. }
        | Event::ReleaseRevoked { .. }
        | Event::RecallAnswered { .. }
        | Event::AskSuggested { .. }
        | Event::ConsentAsked { .. }
        | Event::AskAnswered { .. }
        | Event::AskLapsed { .. }
        | Event::RelayPublished { .. }
        | Event::RelayApproved { .. }
        | Event::RelayRejected { .. }
        | Event::PoliceReportMade { .. }
        | Event::PoliceReportDue { .. }
        | Event::MessagesForwarded { .. }
        | Event::LegalDisclosureProposed { .. }
        | Event::LegallyDisclosed { .. }
        | Event::LegalDisclosureNotified { .. }
        | Event::IntroductionProposed { .. }
        | Event::IntroductionAnswered { .. }
        | Event::Introduced { .. }
        | Event::ReportRead { .. }
        | Event::RoomSeenAs { .. }
        | Event::RoomExported { .. }
        | Event::AttachmentFetched { .. }
        | Event::ErasureProposed { .. }
        | Event::AccessChanged { .. } => false,
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(
        (store, contents): (Arc<dyn Store>, Arc<Contents>),
        committer: Committer,
        trail: Trail,
        clock: Clock,
        pace: Option<Pace>,
        (directory, listings): (Directory, Listings),
        rates: Rates,
    ) -> Self {
        Self {
            clock_floor: store.clock_floor(),
            store,
            contents,
            committer,
            trail,
            clock,
            pace,
            directory: RwLock::new(Arc::new(directory)),
            rooms: Mutex::default(),
            listings: Mutex::new(listings),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            places: Places::new(rates),
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
            self.places.forget(id);
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
}
