//! What can be recorded, in domain words. One closed list: who adds an act to the server adds it here.
//!
//! Pure: values in, values out. The fields are all that may appear: who, whose, which certificate, from which address, which room, which
//! method, and a reason that is one of our own words.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use super::record::{Facts, Kind};
use crate::room::ids::{Actor, OrganisationId, RoomId};

/// SHA-256 of a certificate.
pub type Fingerprint = [u8; 32];

/// Something that the trail records.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum AuditEvent {
    /// The server began to serve.
    ServerStarted {
        /// Of the program.
        version: &'static str,
    },
    /// The server stopped in good order. A start without a stop before it follows a crash.
    ServerStopped,
    /// The operator had a store served that is behind what was once acknowledged (`--accept-rollback`).
    RollbackAccepted,
    /// A part of the trail does not verify; from here on it goes on in a new one.
    TrailDamaged {
        /// The position of the last record before it that verifies; 0: none.
        last_position: u64,
    },
    /// So many different notes came at once that some could not be told apart; the record's count says how many.
    NotesDropped,

    /// A client finished its handshake and is who its certificate says.
    SignedIn {
        /// Who.
        actor: Actor,
        /// With which certificate.
        certificate: Fingerprint,
        /// From where.
        peer: IpAddr,
        /// The group that the session's key was agreed in.
        key_exchange: Arc<str>,
    },
    /// A connection was not let in.
    HandshakeRefused {
        /// From where.
        peer: IpAddr,
        /// Of which organisation, if its certificate was good.
        organisation: Option<OrganisationId>,
        /// [`crate::identity::Refused::reason`].
        reason: &'static str,
    },
    /// A call was turned away at the gate.
    CallRefused {
        /// Who called, if that is known.
        actor: Option<Actor>,
        /// With which certificate.
        certificate: Option<Fingerprint>,
        /// From where.
        peer: Option<IpAddr>,
        /// Which method; one that is not served is not named.
        method: Option<&'static str>,
        /// Why.
        reason: &'static str,
    },

    /// An organisation was let in.
    OrganisationRegistered {
        /// Who did it.
        by: Actor,
        /// Which.
        organisation: OrganisationId,
    },
    /// An organisation was shut out.
    OrganisationSuspended {
        /// Who did it.
        by: Actor,
        /// Which.
        organisation: OrganisationId,
    },
    /// Two rooms' incidents were noted as related.
    ConnectionRecorded {
        /// Who did it.
        by: Actor,
        /// Both.
        rooms: [RoomId; 2],
    },

    /// A room was opened.
    RoomOpened {
        /// By whom: the coordinator, or an organisation that reports.
        by: Actor,
        /// Which.
        room: RoomId,
    },
    /// A room was closed.
    RoomClosed {
        /// Who did it.
        by: Actor,
        /// Which.
        room: RoomId,
    },
    /// A closed room was opened again.
    RoomReopened {
        /// Who did it.
        by: Actor,
        /// Which.
        room: RoomId,
    },
    /// The terms of a room were changed.
    TermsChanged {
        /// Who did it.
        by: Actor,
        /// Which.
        room: RoomId,
    },
    /// An organisation was invited to a room.
    OrganisationInvited {
        /// Who did it.
        by: Actor,
        /// To which.
        room: RoomId,
        /// Whom.
        organisation: OrganisationId,
    },
    /// An organisation was taken out of a room.
    ParticipantRemoved {
        /// Who did it.
        by: Actor,
        /// Of which.
        room: RoomId,
        /// Whom.
        organisation: OrganisationId,
    },
    /// An organisation was given another role in a room.
    RoleChanged {
        /// Who did it.
        by: Actor,
        /// In which.
        room: RoomId,
        /// To whom.
        organisation: OrganisationId,
    },

    /// An actor of the coordinator read an organisation's intake report.
    ReportRead {
        /// Who.
        by: Actor,
        /// In which room.
        room: RoomId,
        /// Whose.
        organisation: OrganisationId,
    },
    /// An actor of the coordinator looked at a room through a participant's eyes.
    SeenAs {
        /// Who.
        by: Actor,
        /// At which.
        room: RoomId,
        /// Through whose.
        organisation: OrganisationId,
    },
    /// An actor took out of a room what it may see.
    RoomExported {
        /// Who.
        by: Actor,
        /// Which.
        room: RoomId,
    },
    /// Messages were forwarded to the police as their source's answer allows.
    MessagesForwarded {
        /// Who did it.
        by: Actor,
        /// In which room.
        room: RoomId,
        /// Whose messages.
        organisation: OrganisationId,
    },
    /// A disclosure under a legal duty was proposed.
    LegalDisclosureProposed {
        /// Who did it.
        by: Actor,
        /// In which room.
        room: RoomId,
        /// To whom it would go.
        organisation: OrganisationId,
    },
    /// A second actor confirmed it: messages of one source were disclosed.
    LegallyDisclosed {
        /// Who confirmed.
        by: Actor,
        /// Who had proposed.
        proposed_by: Actor,
        /// In which room.
        room: RoomId,
        /// Whose messages.
        organisation: OrganisationId,
    },
    /// It was proposed to destroy words for good.
    ErasureProposed {
        /// Who did it.
        by: Actor,
        /// In which room.
        room: RoomId,
        /// Whose words, if it is about one organisation.
        organisation: Option<OrganisationId>,
        /// Of what: a message, an organisation, the room.
        what: &'static str,
    },
    /// A second person confirmed it.
    PayloadsErased {
        /// Who confirmed.
        by: Actor,
        /// Who had proposed.
        proposed_by: Actor,
        /// In which room.
        room: RoomId,
        /// Whose words, if it is about one organisation.
        organisation: Option<OrganisationId>,
        /// Of what: a message, an organisation, the room.
        what: &'static str,
    },
    /// A room was put under a legal hold.
    LegalHoldPlaced {
        /// Who did it.
        by: Actor,
        /// Which.
        room: RoomId,
    },
    /// A legal hold was lifted.
    LegalHoldLifted {
        /// Who did it.
        by: Actor,
        /// In which.
        room: RoomId,
    },
    /// It was set how long a room is kept after its closing.
    RetentionSet {
        /// Who did it.
        by: Actor,
        /// Which.
        room: RoomId,
        /// In years; none: no policy.
        years: Option<u16>,
    },
    /// The store was copied, as it is stored.
    BackupTaken {
        /// Who.
        by: Actor,
        /// SHA-256 of the certificate that it was done with.
        certificate: [u8; 32],
        /// From where.
        peer: IpAddr,
        /// The last commit that is in it.
        commit: u64,
    },
    /// The trail itself was read; once for each call.
    TrailRead {
        /// Who.
        by: Actor,
        /// With which certificate.
        certificate: Fingerprint,
        /// From where.
        peer: IpAddr,
    },

    /// A certificate was issued.
    CertificateIssued {
        /// Whom it names.
        actor: Actor,
        /// By which invite.
        invite: Uuid,
        /// Which.
        certificate: Fingerprint,
    },
    /// An actor got a new certificate on the strength of the one that it had.
    CertificateRenewed {
        /// Whom both name.
        actor: Actor,
        /// The new one.
        certificate: Fingerprint,
        /// The one before it.
        previous: Fingerprint,
    },
    /// A renewal was refused.
    CertificateRefused {
        /// Who asked.
        actor: Actor,
        /// With which certificate.
        certificate: Fingerprint,
        /// From where.
        peer: IpAddr,
        /// Why.
        reason: &'static str,
    },
    /// A certificate was revoked.
    CertificateRevoked {
        /// Who did it.
        by: Actor,
        /// Whom it names, if that is known.
        actor: Option<Actor>,
        /// Which.
        certificate: Fingerprint,
    },
    /// All certificates of an actor, present and future, were shut out.
    ActorRevoked {
        /// Who did it.
        by: Actor,
        /// Whose.
        actor: Actor,
    },
    /// An actor may come in again.
    ActorReinstated {
        /// Who did it.
        by: Actor,
        /// Which.
        actor: Actor,
    },

    /// An invite was made.
    InviteCreated {
        /// Who did it.
        by: Actor,
        /// Which.
        invite: Uuid,
        /// For whom.
        actor: Actor,
    },
    /// A key came with an invite's secret and waits for approval.
    EnrolmentRequested {
        /// Which.
        invite: Uuid,
        /// For whom.
        actor: Actor,
    },
    /// Somebody came with an invite that does not hold.
    InviteRefused {
        /// Which, if there is one like that.
        invite: Option<Uuid>,
        /// From where.
        peer: IpAddr,
        /// Why.
        reason: &'static str,
    },
    /// An invite was taken back.
    InviteRevoked {
        /// Who did it.
        by: Actor,
        /// Which.
        invite: Uuid,
    },
    /// A waiting enrolment was approved.
    EnrolmentApproved {
        /// Who did it.
        by: Actor,
        /// Of which invite.
        invite: Uuid,
    },

    /// The store's keyring was encrypted with another key.
    StoreKeyChanged {
        /// The id of the former one.
        from: Arc<str>,
    },
    /// Certificates, trust roots, revocation lists or configuration were read again and hold now.
    ConfigurationReloaded {
        /// Which, in our words: `certificate`, `client-roots` and the like, with commas.
        what: Arc<str>,
    },
    /// They were read again and are bad; what held before holds.
    ReloadRefused {
        /// Which.
        what: Arc<str>,
        /// Why: a word of ours or an error message about a file; cut at [`crate::limits::AUDIT_DETAIL_BYTES_MAX`].
        reason: Arc<str>,
    },
}

impl AuditEvent {
    /// What kind of thing it is, and its facts.
    pub fn facts(&self) -> (Kind, Facts) {
        let none = Facts::default();
        match self.clone() {
            Self::ServerStarted { version } => (Kind::ServerStarted, Facts { detail: Some(version.into()), ..none }),
            Self::ServerStopped => (Kind::ServerStopped, none),
            Self::RollbackAccepted => (Kind::RollbackAccepted, none),
            Self::TrailDamaged { last_position } => {
                let detail = Some(format!("verified up to position {last_position}").into());
                (Kind::TrailDamaged, Facts { detail, ..none })
            }
            Self::NotesDropped => (Kind::NotesDropped, none),
            Self::SignedIn { actor, certificate, peer, key_exchange } => {
                let facts = Facts { certificate: Some(certificate), peer: Some(peer), ..Facts::of(actor) };
                (Kind::SignedIn, Facts { detail: Some(key_exchange), ..facts })
            }
            Self::HandshakeRefused { peer, organisation, reason } => {
                let reason = Some(reason.into());
                (Kind::HandshakeRefused, Facts { peer: Some(peer), organisation, reason, ..none })
            }
            Self::CallRefused { actor, certificate, peer, method, reason } => {
                let (method, reason) = (method.map(Into::into), Some(reason.into()));
                (Kind::CallRefused, Facts { actor, certificate, peer, method, reason, ..none })
            }
            Self::OrganisationRegistered { by, organisation } => {
                (Kind::OrganisationRegistered, Facts { organisation: Some(organisation), ..Facts::of(by) })
            }
            Self::OrganisationSuspended { by, organisation } => {
                (Kind::OrganisationSuspended, Facts { organisation: Some(organisation), ..Facts::of(by) })
            }
            Self::ConnectionRecorded { by, rooms: [room, other] } => {
                (Kind::ConnectionRecorded, Facts { room: Some(room), other_room: Some(other), ..Facts::of(by) })
            }
            Self::RoomOpened { by, room } => (Kind::RoomOpened, Facts::in_room(by, room)),
            Self::RoomClosed { by, room } => (Kind::RoomClosed, Facts::in_room(by, room)),
            Self::RoomReopened { by, room } => (Kind::RoomReopened, Facts::in_room(by, room)),
            Self::TermsChanged { by, room } => (Kind::TermsChanged, Facts::in_room(by, room)),
            Self::OrganisationInvited { by, room, organisation } => {
                (Kind::OrganisationInvited, Facts::about(by, room, organisation))
            }
            Self::ParticipantRemoved { by, room, organisation } => {
                (Kind::ParticipantRemoved, Facts::about(by, room, organisation))
            }
            Self::RoleChanged { by, room, organisation } => (Kind::RoleChanged, Facts::about(by, room, organisation)),
            Self::ReportRead { by, room, organisation } => (Kind::ReportRead, Facts::about(by, room, organisation)),
            Self::SeenAs { by, room, organisation } => (Kind::SeenAs, Facts::about(by, room, organisation)),
            Self::RoomExported { by, room } => (Kind::RoomExported, Facts::in_room(by, room)),
            Self::MessagesForwarded { by, room, organisation } => {
                (Kind::MessagesForwarded, Facts::about(by, room, organisation))
            }
            Self::LegalDisclosureProposed { by, room, organisation } => {
                (Kind::LegalDisclosureProposed, Facts::about(by, room, organisation))
            }
            Self::LegallyDisclosed { by, proposed_by, room, organisation } => {
                let facts = Facts { subject: Some(proposed_by), ..Facts::about(by, room, organisation) };
                (Kind::LegallyDisclosed, facts)
            }
            Self::ErasureProposed { by, room, organisation, what } => {
                let facts = Facts { organisation, detail: Some(what.into()), ..Facts::in_room(by, room) };
                (Kind::ErasureProposed, facts)
            }
            Self::PayloadsErased { by, proposed_by, room, organisation, what } => {
                let facts = Facts { organisation, detail: Some(what.into()), ..Facts::in_room(by, room) };
                (Kind::PayloadsErased, Facts { subject: Some(proposed_by), ..facts })
            }
            Self::LegalHoldPlaced { by, room } => (Kind::LegalHoldPlaced, Facts::in_room(by, room)),
            Self::LegalHoldLifted { by, room } => (Kind::LegalHoldLifted, Facts::in_room(by, room)),
            Self::RetentionSet { by, room, years } => {
                let detail = years.map_or("none".into(), |years| format!("{years} years").into());
                (Kind::RetentionSet, Facts { detail: Some(detail), ..Facts::in_room(by, room) })
            }
            Self::BackupTaken { by, certificate, peer, commit } => {
                let facts = Facts { certificate: Some(certificate), peer: Some(peer), ..Facts::of(by) };
                (Kind::BackupTaken, Facts { detail: Some(format!("up to commit {commit}").into()), ..facts })
            }
            Self::TrailRead { by, certificate, peer } => {
                (Kind::TrailRead, Facts { certificate: Some(certificate), peer: Some(peer), ..Facts::of(by) })
            }
            Self::CertificateIssued { actor, invite, certificate } => {
                let facts = Facts::of_invite(None, invite);
                (Kind::CertificateIssued, Facts { subject: Some(actor), certificate: Some(certificate), ..facts })
            }
            Self::CertificateRenewed { actor, certificate, previous } => {
                let facts = Facts { certificate: Some(certificate), ..Facts::of(actor) };
                (Kind::CertificateRenewed, Facts { previous_certificate: Some(previous), ..facts })
            }
            Self::CertificateRefused { actor, certificate, peer, reason } => {
                let facts = Facts { certificate: Some(certificate), peer: Some(peer), ..Facts::of(actor) };
                (Kind::CertificateRefused, Facts { reason: Some(reason.into()), ..facts })
            }
            Self::CertificateRevoked { by, actor, certificate } => {
                let facts = Facts { subject: actor, certificate: Some(certificate), ..Facts::of(by) };
                (Kind::CertificateRevoked, facts)
            }
            Self::ActorRevoked { by, actor } => (Kind::ActorRevoked, Facts { subject: Some(actor), ..Facts::of(by) }),
            Self::ActorReinstated { by, actor } => {
                (Kind::ActorReinstated, Facts { subject: Some(actor), ..Facts::of(by) })
            }
            Self::InviteCreated { by, invite, actor } => {
                (Kind::InviteCreated, Facts { subject: Some(actor), ..Facts::of_invite(Some(by), invite) })
            }
            Self::EnrolmentRequested { invite, actor } => {
                (Kind::EnrolmentRequested, Facts { subject: Some(actor), ..Facts::of_invite(None, invite) })
            }
            Self::InviteRefused { invite, peer, reason } => {
                (Kind::InviteRefused, Facts { invite, peer: Some(peer), reason: Some(reason.into()), ..none })
            }
            Self::InviteRevoked { by, invite } => (Kind::InviteRevoked, Facts::of_invite(Some(by), invite)),
            Self::EnrolmentApproved { by, invite } => (Kind::EnrolmentApproved, Facts::of_invite(Some(by), invite)),
            Self::StoreKeyChanged { from } => (Kind::StoreKeyChanged, Facts { detail: Some(from), ..none }.cut()),
            Self::ConfigurationReloaded { what } => {
                (Kind::ConfigurationReloaded, Facts { detail: Some(what), ..none }.cut())
            }
            Self::ReloadRefused { what, reason } => {
                (Kind::ReloadRefused, Facts { detail: Some(what), reason: Some(reason), ..none }.cut())
            }
        }
    }
}
