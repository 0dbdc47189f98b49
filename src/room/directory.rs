//! The directory: which organisations the server knows, and which rooms were opened. One log of its own, same chain, nil room id.
//!
//! Leans on: `ids`. Upholds: R3, R8, R10 (who isn't known here is admitted nowhere). Tested here and in `tests/it`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::enrolment::{Invites, IssuedCertificate, NewInvite, Renewals};
use super::event::{AccessChange, Request};
use super::ids::{Actor, InviteId, OrganisationId, ParticipantId, RequestId, RoomId, Seq, Timestamp};
use super::refusal::Refusal;

/// A fact in the directory's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirectoryEntry {
    /// Its place in the log.
    pub seq: Seq,
    /// The server's clock.
    pub recorded_at: Timestamp,
    /// Who did it.
    pub author: Actor,
    /// The write that it answers.
    pub request: Request,
    /// What happened.
    pub event: DirectoryEvent,
}

/// What happened in the directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DirectoryEvent {
    /// An organisation may come in.
    OrganisationRegistered {
        /// Who.
        organisation: OrganisationId,
        /// For people.
        display_name: Arc<str>,
    },
    /// An organisation may not come in any more.
    OrganisationSuspended {
        /// Who.
        organisation: OrganisationId,
        /// The coordinator's words, for its record.
        reason: Arc<str>,
    },
    /// A room was opened; its own log starts in the same commit.
    RoomCreated {
        /// Which.
        room: RoomId,
        /// The participant id of the organisation that opened it.
        participant: ParticipantId,
    },
    /// Somebody's access was taken away or given back.
    AccessChanged {
        /// Whose; `None`: nobody knew whose the certificate was.
        actor: Option<Actor>,
        /// What happened.
        change: AccessChange,
        /// The coordinator's words, for its record.
        reason: Arc<str>,
        /// The rooms that record it: those that the organisation was in.
        rooms: Vec<RoomId>,
    },
    /// The coordinator suspects that two rooms' incidents are related. No participant is told.
    ConnectionRecorded {
        /// Both.
        rooms: [RoomId; 2],
        /// The coordinator's words.
        reason: Arc<str>,
    },
    /// Somebody may get a certificate by an invite.
    InviteCreated(NewInvite),
    /// An invite was taken back before it was used.
    InviteRevoked {
        /// Which.
        invite: InviteId,
    },
    /// A public key came with an invite's secret and waits for the coordinator; the author is who it is for.
    EnrolmentRequested {
        /// By which invite.
        invite: InviteId,
        /// SHA-256 of the key.
        public_key: [u8; 32],
    },
    /// The coordinator heard the code of the key that waits.
    EnrolmentApproved {
        /// Of which invite.
        invite: InviteId,
    },
    /// A certificate was issued; its actor is the entry's author.
    CertificateIssued {
        /// By which invite.
        invite: InviteId,
        /// What.
        issued: IssuedCertificate,
    },
    /// An actor got a certificate on the strength of the one that it had; it is the entry's author.
    CertificateRenewed {
        /// SHA-256 of the one that it had.
        previous: [u8; 32],
        /// What.
        issued: IssuedCertificate,
    },
}

/// A suspected relation of one room's incident to another's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connection {
    /// Its entry: the order of recording.
    pub seq: Seq,
    /// Both.
    pub rooms: [RoomId; 2],
    /// The coordinator's words.
    pub reason: Arc<str>,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Who recorded it.
    pub by: Actor,
}

/// What happened to an access, as the list of them says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revocation {
    /// Its entry: the order of recording.
    pub seq: Seq,
    /// Whose; `None`: nobody knew whose the certificate was.
    pub actor: Option<Actor>,
    /// What happened.
    pub change: AccessChange,
    /// The coordinator's words.
    pub reason: Arc<str>,
    /// The rooms that record it.
    pub rooms: Vec<RoomId>,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Who did it.
    pub by: Actor,
}

/// An organisation as the server knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Organisation {
    /// For people.
    pub display_name: Arc<str>,
    /// When it was registered, or registered again.
    pub registered_at: Timestamp,
    /// When it was suspended, by whom and why, if it is.
    pub suspended: Option<Suspension>,
}

/// That an organisation may not come in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suspension {
    /// Since when.
    pub at: Timestamp,
    /// Who suspended it.
    pub by: Actor,
    /// The coordinator's words, for its record.
    pub reason: Arc<str>,
}

/// What a caller wishes of the directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DirectoryCommand {
    /// Let an organisation in; lifts a suspension.
    Register {
        /// Who.
        organisation: OrganisationId,
        /// For people.
        display_name: Arc<str>,
    },
    /// Keep an organisation out.
    Suspend {
        /// Who.
        organisation: OrganisationId,
        /// Why.
        reason: Arc<str>,
    },
    /// Take somebody's access away, or give it back.
    ChangeAccess {
        /// Whose; `None`: nobody knows whose the certificate is.
        actor: Option<Actor>,
        /// How.
        change: AccessChange,
        /// The certificate that the caller is using.
        own: [u8; 32],
        /// Why.
        reason: Arc<str>,
        /// The rooms that record it.
        rooms: Vec<RoomId>,
    },
    /// Note a room whose first entries were decided.
    CreateRoom {
        /// Which.
        room: RoomId,
        /// The participant id of the organisation that opens it.
        participant: ParticipantId,
    },
    /// Note that two rooms' incidents may be related.
    RecordConnection {
        /// Both.
        rooms: [RoomId; 2],
        /// Why.
        reason: Arc<str>,
    },
    /// Let somebody get a certificate.
    CreateInvite {
        /// For whom, until when.
        new: NewInvite,
        /// The server's clock.
        now: Timestamp,
    },
    /// Take an invite back.
    RevokeInvite {
        /// Which.
        invite: InviteId,
        /// The server's clock.
        now: Timestamp,
    },
    /// Note a public key that came with an invite's secret and must wait; the caller is who it is for.
    RequestEnrolment {
        /// By which invite.
        invite: InviteId,
        /// SHA-256 of the key.
        public_key: [u8; 32],
        /// The server's clock.
        now: Timestamp,
    },
    /// Approve the key that waits.
    ApproveEnrolment {
        /// Of which invite; none: of the one that the code fits.
        invite: Option<InviteId>,
        /// What its owner read out.
        code: Arc<str>,
        /// The server's clock.
        now: Timestamp,
    },
    /// Note a certificate that was made for the caller, for the one that it calls with.
    RenewCertificate {
        /// SHA-256 of the one that it calls with.
        previous: [u8; 32],
        /// What.
        issued: IssuedCertificate,
        /// The server's clock.
        now: Timestamp,
    },
    /// Note a certificate that was made for whoever knows an invite's secret; the caller is who it is for.
    IssueCertificate {
        /// By which invite.
        invite: InviteId,
        /// What.
        issued: IssuedCertificate,
        /// The server's clock.
        now: Timestamp,
    },
}

/// The directory, as the fold of its log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Directory {
    coordinator: OrganisationId,
    organisations: BTreeMap<OrganisationId, Organisation>,
    rooms: BTreeSet<RoomId>,
    connections: Vec<Connection>,
    /// Shared, since every write copies the directory.
    revocations: Vec<Arc<Revocation>>,
    revoked_certificates: BTreeSet<[u8; 32]>,
    revoked_actors: BTreeSet<Actor>,
    invites: Invites,
    renewals: Renewals,
    requests: BTreeMap<(Actor, RequestId), Seq>,
    next: Seq,
    last_recorded_at: Timestamp,
}

impl Directory {
    /// An empty directory. The organisation that coordinates is configuration and needs no registration.
    pub fn new(coordinator: OrganisationId) -> Self {
        Self {
            coordinator,
            organisations: BTreeMap::new(),
            rooms: BTreeSet::new(),
            connections: Vec::new(),
            revocations: Vec::new(),
            revoked_certificates: BTreeSet::new(),
            revoked_actors: BTreeSet::new(),
            invites: Invites::default(),
            renewals: Renewals::default(),
            requests: BTreeMap::new(),
            next: Seq(0),
            last_recorded_at: Timestamp(0),
        }
    }

    /// The organisation that coordinates.
    pub fn coordinator(&self) -> &OrganisationId {
        &self.coordinator
    }

    /// Whether the organisation may come in.
    pub fn admits(&self, organisation: &OrganisationId) -> bool {
        *organisation == self.coordinator
            || self.organisations.get(organisation).is_some_and(|known| known.suspended.is_none())
    }

    /// What the server knows of an organisation.
    pub fn organisation(&self, organisation: &OrganisationId) -> Option<&Organisation> {
        self.organisations.get(organisation)
    }

    /// All organisations after `after`, by id.
    pub fn organisations(
        &self,
        after: Option<&OrganisationId>,
    ) -> impl Iterator<Item = (&OrganisationId, &Organisation)> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.organisations.range::<OrganisationId, _>((after.map_or(Unbounded, Excluded), Unbounded))
    }

    /// All invites to get a certificate.
    pub fn invites(&self) -> &Invites {
        &self.invites
    }

    /// All rooms, by id.
    pub fn rooms(&self) -> &BTreeSet<RoomId> {
        &self.rooms
    }

    /// Suspected relations of a room to others, in the order of recording. The coordinator only.
    pub fn connections(&self, caller: &Actor, room: RoomId) -> Result<Vec<&Connection>, Refusal> {
        self.coordinator_only(caller)?;
        if !self.rooms.contains(&room) {
            return Err(Refusal::RoomNotFound);
        }
        Ok(self.connections.iter().filter(|connection| connection.rooms.contains(&room)).collect())
    }

    /// Everything that happened to accesses, oldest first.
    pub fn revocations(&self) -> &[Arc<Revocation>] {
        &self.revocations
    }

    /// What was revoked of this actor with this certificate (its SHA-256), if something was.
    pub fn revoked(&self, actor: &Actor, certificate: &[u8; 32]) -> Option<AccessChange> {
        if self.revoked_certificates.contains(certificate) {
            Some(AccessChange::CertificateRevoked(*certificate))
        } else {
            self.revoked_actors.contains(actor).then_some(AccessChange::ActorRevoked)
        }
    }

    /// The entry of this actor's write with this id.
    pub fn find_request(&self, actor: &Actor, id: RequestId) -> Option<Seq> {
        self.requests.get(&(actor.clone(), id)).copied()
    }

    /// Where the next entry goes.
    pub fn next(&self) -> Seq {
        self.next
    }

    /// When the last entry was recorded.
    pub fn last_recorded_at(&self) -> Timestamp {
        self.last_recorded_at
    }

    /// Decides one command of one caller.
    pub fn decide(&self, caller: &Actor, command: DirectoryCommand) -> Result<DirectoryEvent, Refusal> {
        match command {
            DirectoryCommand::Register { organisation, display_name } => {
                self.coordinator_only(caller)?;
                if organisation == self.coordinator
                    || self.organisations.get(&organisation).is_some_and(|known| known.suspended.is_none())
                {
                    return Err(Refusal::AlreadyRegistered);
                }
                Ok(DirectoryEvent::OrganisationRegistered { organisation, display_name })
            }
            DirectoryCommand::Suspend { organisation, reason } => {
                self.coordinator_only(caller)?;
                if organisation == self.coordinator {
                    return Err(Refusal::NotForTheCoordinator);
                }
                self.known(&organisation)?;
                Ok(DirectoryEvent::OrganisationSuspended { organisation, reason })
            }
            DirectoryCommand::ChangeAccess { actor, change, own, reason, rooms } => {
                self.coordinator_only(caller)?;
                let is_revoked =
                    |actor: &Option<Actor>| actor.as_ref().is_some_and(|a| self.revoked_actors.contains(a));
                match change {
                    AccessChange::CertificateRevoked(certificate)
                        if certificate == own || self.renewals.descendants(certificate).contains(&own) =>
                    {
                        Err(Refusal::NotForYourself)
                    }
                    AccessChange::CertificateRevoked(certificate)
                        if self.revoked_certificates.contains(&certificate) =>
                    {
                        Err(Refusal::AlreadyRevoked)
                    }
                    AccessChange::ActorRevoked if actor.as_ref() == Some(caller) => Err(Refusal::NotForYourself),
                    AccessChange::ActorRevoked if is_revoked(&actor) => Err(Refusal::AlreadyRevoked),
                    AccessChange::ActorReinstated if !is_revoked(&actor) => Err(Refusal::ActorNotRevoked),
                    AccessChange::CertificateRevoked(_)
                    | AccessChange::ActorRevoked
                    | AccessChange::ActorReinstated => {
                        Ok(DirectoryEvent::AccessChanged { actor, change, reason, rooms })
                    }
                }
            }
            DirectoryCommand::CreateRoom { room, participant } => Ok(DirectoryEvent::RoomCreated { room, participant }),
            DirectoryCommand::RecordConnection { rooms, reason } => {
                self.coordinator_only(caller)?;
                if rooms[0] == rooms[1] {
                    return Err(Refusal::Invalid { field: "other_room_id", rule: "must be another room" });
                }
                if !rooms.iter().all(|room| self.rooms.contains(room)) {
                    return Err(Refusal::RoomNotFound);
                }
                Ok(DirectoryEvent::ConnectionRecorded { rooms, reason })
            }
            DirectoryCommand::CreateInvite { new, now } => {
                self.coordinator_only(caller)?;
                if new.actor.organisation != self.coordinator {
                    self.known(&new.actor.organisation)?;
                }
                self.invites.may_create(&new, now)?;
                Ok(DirectoryEvent::InviteCreated(new))
            }
            DirectoryCommand::RevokeInvite { invite, now } => {
                self.coordinator_only(caller)?;
                self.invites.may_revoke(invite, now)?;
                Ok(DirectoryEvent::InviteRevoked { invite })
            }
            DirectoryCommand::RequestEnrolment { invite, public_key, now } => {
                if !self.admits(&caller.organisation) {
                    return Err(Refusal::InviteNotValid);
                }
                self.invites.may_claim(invite, caller, &public_key, now)?;
                Ok(DirectoryEvent::EnrolmentRequested { invite, public_key })
            }
            DirectoryCommand::ApproveEnrolment { invite, code, now } => {
                self.coordinator_only(caller)?;
                let invite = self.invites.may_approve(invite, &code, now)?;
                Ok(DirectoryEvent::EnrolmentApproved { invite })
            }
            DirectoryCommand::RenewCertificate { previous, issued, now } => {
                if issued.actor != *caller
                    || !self.admits(&caller.organisation)
                    || self.revoked(caller, &previous).is_some()
                {
                    return Err(Refusal::RenewalNotPermitted);
                }
                self.renewals.may_renew(caller, now)?;
                Ok(DirectoryEvent::CertificateRenewed { previous, issued })
            }
            DirectoryCommand::IssueCertificate { invite, issued, now } => {
                if issued.actor != *caller || !self.admits(&caller.organisation) {
                    return Err(Refusal::InviteNotValid);
                }
                self.invites.may_issue(invite, &issued, now)?;
                Ok(DirectoryEvent::CertificateIssued { invite, issued })
            }
        }
    }

    /// Refused, unless the organisation is registered and not suspended.
    pub fn known(&self, organisation: &OrganisationId) -> Result<(), Refusal> {
        match self.organisations.get(organisation) {
            None => Err(Refusal::OrganisationNotFound),
            Some(known) if known.suspended.is_some() => Err(Refusal::OrganisationSuspended),
            Some(_) => Ok(()),
        }
    }

    /// Whether the caller acts for the coordinator.
    pub fn coordinator_only(&self, caller: &Actor) -> Result<(), Refusal> {
        if caller.organisation == self.coordinator { Ok(()) } else { Err(Refusal::CoordinatorOnly) }
    }

    /// Adds one entry.
    pub fn fold(&mut self, entry: &DirectoryEntry) {
        match &entry.event {
            DirectoryEvent::OrganisationRegistered { organisation, display_name } => {
                self.organisations.insert(
                    organisation.clone(),
                    Organisation {
                        display_name: display_name.clone(),
                        registered_at: entry.recorded_at,
                        suspended: None,
                    },
                );
            }
            DirectoryEvent::OrganisationSuspended { organisation, reason } => {
                if let Some(known) = self.organisations.get_mut(organisation) {
                    let (at, by, reason) = (entry.recorded_at, entry.author.clone(), reason.clone());
                    known.suspended = Some(Suspension { at, by, reason });
                }
            }
            DirectoryEvent::RoomCreated { room, participant: _ } => {
                self.rooms.insert(*room);
            }
            DirectoryEvent::AccessChanged { actor, change, reason, rooms } => {
                match (change, actor) {
                    (AccessChange::CertificateRevoked(certificate), _) => {
                        // Whoever stole it may have renewed it, too.
                        self.revoked_certificates.extend(self.renewals.descendants(*certificate));
                        self.revoked_certificates.insert(*certificate);
                    }
                    (AccessChange::ActorRevoked, Some(actor)) => drop(self.revoked_actors.insert(actor.clone())),
                    (AccessChange::ActorReinstated, Some(actor)) => drop(self.revoked_actors.remove(actor)),
                    (AccessChange::ActorRevoked | AccessChange::ActorReinstated, None) => {}
                }
                self.revocations.push(Arc::new(Revocation {
                    seq: entry.seq,
                    actor: actor.clone(),
                    change: *change,
                    reason: reason.clone(),
                    rooms: rooms.clone(),
                    recorded_at: entry.recorded_at,
                    by: entry.author.clone(),
                }));
            }
            DirectoryEvent::ConnectionRecorded { rooms, reason } => self.connections.push(Connection {
                seq: entry.seq,
                rooms: *rooms,
                reason: reason.clone(),
                recorded_at: entry.recorded_at,
                by: entry.author.clone(),
            }),
            DirectoryEvent::InviteCreated(new) => self.invites.created(new, &entry.author, entry.recorded_at),
            DirectoryEvent::InviteRevoked { invite } => self.invites.revoked(*invite, entry.recorded_at),
            DirectoryEvent::EnrolmentRequested { invite, public_key } => {
                self.invites.claimed(*invite, *public_key, entry.recorded_at);
            }
            DirectoryEvent::EnrolmentApproved { invite } => self.invites.approved(*invite, entry.recorded_at),
            DirectoryEvent::CertificateIssued { invite, issued } => {
                self.invites.used(*invite, issued, entry.recorded_at);
            }
            DirectoryEvent::CertificateRenewed { previous, issued } => {
                self.renewals.renewed(*previous, issued, entry.recorded_at);
            }
        }
        self.requests.insert((entry.author.clone(), entry.request.id), entry.seq);
        self.next = entry.seq.next();
        self.last_recorded_at = entry.recorded_at;
    }
}
