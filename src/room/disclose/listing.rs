//! What is shown of a room to who has not opened it: the line in a participant's list of rooms, the stub that an invited
//! organisation gets.
//!
//! Upholds: R7 (an invited organisation learns nothing of who is in the room or what was said).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Disclosed, ShownRetention};
use crate::room::ids::{InvitationId, OrganisationId, Timestamp};
use crate::room::state::{Invitation, RoomState, Status};
use crate::room::words::Role;

/// What of a room is kept in memory while nobody uses it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    title: Arc<str>,
    terms: Arc<str>,
    status: Status,
    opened_at: Timestamp,
    coordinator: OrganisationId,
    present: BTreeMap<OrganisationId, Role>,
    invitations: BTreeMap<InvitationId, Invitation>,
    retention: ShownRetention,
}

/// A room in a participant's list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownListing {
    /// The coordinator's words.
    pub title: Arc<str>,
    /// Whether it takes messages.
    pub status: Status,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The reader's own part.
    pub role: Role,
}

/// What an invited organisation sees of a room: nothing of who is in it or what was said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownInvitation {
    /// Unrelated to the room's id.
    pub id: InvitationId,
    /// The coordinator's words.
    pub title: Arc<str>,
    /// The coordinator's words.
    pub terms: Arc<str>,
    /// The organisation that coordinates.
    pub coordinator: OrganisationId,
    /// The part offered.
    pub role: Role,
    /// When it was sent.
    pub invited_at: Timestamp,
}

impl Listing {
    /// The listing of a room that has been opened; nothing for one that hasn't.
    pub fn of(state: &RoomState) -> Option<Self> {
        let (_, coordinator) = state.participants().next()?;
        let present = state.participants().filter(|(_, participant)| participant.present_since.is_some());
        let (title, terms) = state.title_and_terms();
        Some(Self {
            title: title.clone(),
            terms: terms.clone(),
            status: state.status(),
            opened_at: state.opened_at(),
            coordinator: coordinator.organisation.clone(),
            present: present.map(|(_, p)| (p.organisation.clone(), p.role)).collect(),
            invitations: state.invitations().clone(),
            retention: ShownRetention::of(state),
        })
    }

    /// How long the room is kept: for the coordinator.
    pub fn retention(&self, now: Timestamp) -> Disclosed<ShownRetention> {
        Disclosed(self.retention.at(now))
    }

    /// Who is in it or invited to it: for the server's own use.
    pub fn concerned(&self) -> impl Iterator<Item = &OrganisationId> {
        self.present.keys().chain(self.invitations.values().map(|invitation| &invitation.organisation))
    }

    /// Whether the organisation is a participant.
    pub fn has(&self, organisation: &OrganisationId) -> bool {
        self.present.contains_key(organisation)
    }

    /// The room as a participant's list shows it; nothing to who isn't in it.
    pub fn shown_to(&self, organisation: &OrganisationId) -> Option<Disclosed<ShownListing>> {
        let role = *self.present.get(organisation)?;
        let (title, status, opened_at) = (self.title.clone(), self.status, self.opened_at);
        Some(Disclosed(ShownListing { title, status, opened_at, role }))
    }

    /// The open invitations of an organisation, as it sees them.
    pub fn invitations_of(&self, organisation: &OrganisationId) -> Vec<Disclosed<ShownInvitation>> {
        let mine = self.invitations.iter().filter(|(_, open)| open.organisation == *organisation);
        let shown = mine.map(|(id, invitation)| {
            Disclosed(ShownInvitation {
                id: *id,
                title: self.title.clone(),
                terms: self.terms.clone(),
                coordinator: self.coordinator.clone(),
                role: invitation.role,
                invited_at: invitation.invited_at,
            })
        });
        shown.collect()
    }
}

/// The open invitations of an organisation to this room, as it sees them.
pub fn invitations(state: &RoomState, organisation: &OrganisationId) -> Vec<Disclosed<ShownInvitation>> {
    Listing::of(state).map(|listing| listing.invitations_of(organisation)).unwrap_or_default()
}
