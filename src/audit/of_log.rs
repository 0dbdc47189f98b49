//! Which entries of rooms and of the directory are acts that the trail records? Without a wildcard: a new kind of entry is decided here.
//!
//! What participants tell each other, and the consent they give, stands in the room and is no act on the server.

use super::AuditEvent;
use crate::room::directory::{DirectoryEntry, DirectoryEvent};
use crate::room::event::{AccessChange, Entry, ErasureScope, Event};
use crate::room::ids::{OrganisationId, RoomId};

/// The record of a directory entry.
pub(crate) fn of_directory(entry: &DirectoryEntry) -> AuditEvent {
    let by = entry.author.clone();
    match &entry.event {
        DirectoryEvent::OrganisationRegistered { organisation, display_name: _ } => {
            AuditEvent::OrganisationRegistered { by, organisation: organisation.clone() }
        }
        DirectoryEvent::OrganisationSuspended { organisation, reason: _ } => {
            AuditEvent::OrganisationSuspended { by, organisation: organisation.clone() }
        }
        DirectoryEvent::RoomCreated { room, participant: _ } => AuditEvent::RoomOpened { by, room: *room },
        DirectoryEvent::AccessChanged { actor, change, reason: _, rooms: _ } => {
            // Only a certificate may be nobody's that is known.
            let whose = actor.clone().unwrap_or_else(|| by.clone());
            match change {
                AccessChange::CertificateRevoked(certificate) => {
                    AuditEvent::CertificateRevoked { by, actor: actor.clone(), certificate: *certificate }
                }
                AccessChange::ActorRevoked => AuditEvent::ActorRevoked { by, actor: whose },
                AccessChange::ActorReinstated => AuditEvent::ActorReinstated { by, actor: whose },
            }
        }
        DirectoryEvent::ConnectionRecorded { rooms, reason: _ } => AuditEvent::ConnectionRecorded { by, rooms: *rooms },
        DirectoryEvent::InviteCreated(new) => {
            AuditEvent::InviteCreated { by, invite: new.invite.0, actor: new.actor.clone() }
        }
        DirectoryEvent::InviteRevoked { invite } => AuditEvent::InviteRevoked { by, invite: invite.0 },
        DirectoryEvent::EnrolmentRequested { invite, public_key: _ } => {
            AuditEvent::EnrolmentRequested { invite: invite.0, actor: by }
        }
        DirectoryEvent::EnrolmentApproved { invite } => AuditEvent::EnrolmentApproved { by, invite: invite.0 },
        DirectoryEvent::CertificateIssued { invite, issued } => {
            AuditEvent::CertificateIssued { actor: by, invite: invite.0, certificate: issued.fingerprint }
        }
        DirectoryEvent::CertificateRenewed { previous, issued } => {
            AuditEvent::CertificateRenewed { actor: by, certificate: issued.fingerprint, previous: *previous }
        }
    }
}

/// Whose words, if they are of one organisation, and what of them. Which message, the room says to who may know it.
fn of_scope(what: &ErasureScope<OrganisationId>) -> (Option<OrganisationId>, &'static str) {
    match what {
        ErasureScope::Message(_) => (None, "message"),
        ErasureScope::Participant(organisation) => (Some(organisation.clone()), "organisation"),
        ErasureScope::Room => (None, "room"),
    }
}

/// The record of a room's entry, if it is one to be recorded.
pub(crate) fn of_room(room: RoomId, entry: &Entry) -> Option<AuditEvent> {
    // What the passing of time did is nobody's act.
    let by = entry.author.clone()?;
    match &entry.event {
        Event::RoomClosed => Some(AuditEvent::RoomClosed { by, room }),
        Event::RoomReopened => Some(AuditEvent::RoomReopened { by, room }),
        Event::TermsChanged { .. } => Some(AuditEvent::TermsChanged { by, room }),
        Event::OrganisationInvited { organisation, .. } => {
            Some(AuditEvent::OrganisationInvited { by, room, organisation: organisation.clone() })
        }
        Event::ParticipantRemoved { organisation, .. } => {
            Some(AuditEvent::ParticipantRemoved { by, room, organisation: organisation.clone() })
        }
        Event::RoleChanged { organisation, .. } => {
            Some(AuditEvent::RoleChanged { by, room, organisation: organisation.clone() })
        }
        Event::ReportRead { organisation } => {
            Some(AuditEvent::ReportRead { by, room, organisation: organisation.clone() })
        }
        Event::RoomSeenAs { organisation } => Some(AuditEvent::SeenAs { by, room, organisation: organisation.clone() }),
        Event::RoomExported { .. } => Some(AuditEvent::RoomExported { by, room }),
        Event::MessagesForwarded { organisation, .. } => {
            Some(AuditEvent::MessagesForwarded { by, room, organisation: organisation.clone() })
        }
        Event::LegalDisclosureProposed { duty, .. } => {
            Some(AuditEvent::LegalDisclosureProposed { by, room, organisation: duty.to.clone() })
        }
        Event::LegallyDisclosed { organisation, proposed_by, .. } => Some(AuditEvent::LegallyDisclosed {
            by,
            proposed_by: proposed_by.clone(),
            room,
            organisation: organisation.clone(),
        }),
        Event::ErasureProposed { what, .. } => {
            let (organisation, what) = of_scope(what);
            Some(AuditEvent::ErasureProposed { by, room, organisation, what })
        }
        Event::PayloadsErased { what, proposed_by, .. } => {
            let ((organisation, what), proposed_by) = (of_scope(what), proposed_by.clone());
            Some(AuditEvent::PayloadsErased { by, proposed_by, room, organisation, what })
        }
        Event::LegalHoldPlaced { .. } => Some(AuditEvent::LegalHoldPlaced { by, room }),
        Event::LegalHoldLifted { .. } => Some(AuditEvent::LegalHoldLifted { by, room }),
        Event::RetentionSet { years } => Some(AuditEvent::RetentionSet { by, room, years: *years }),
        // Recorded with the directory's entry.
        Event::RoomOpened { .. } | Event::AccessChanged { .. } | Event::AttachmentFetched { .. } => None,
        Event::ParticipantAdmitted { .. }
        | Event::AttributionRaised { .. }
        | Event::InvitationDeclined { .. }
        | Event::ParticipantLeft { .. }
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
        | Event::LegalDisclosureNotified { .. }
        | Event::IntroductionProposed { .. }
        | Event::IntroductionAnswered { .. }
        | Event::Introduced { .. } => None,
    }
}
