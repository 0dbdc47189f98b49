//! A record as it is kept and read: a kind, and facts of which each kind has some. Flat, so that a SIEM needs no schema of ours.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use crate::limits;
use crate::room::ids::{Actor, OrganisationId, RoomId, Seq, Timestamp};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $word:literal;)*) => {
        /// What kind of thing happened. Numbers and words are stable: they are in stores and in rules of monitoring systems.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Kind {
            $($(#[$doc])* $name = $number,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// As it is stored, and on the wire.
            pub fn number(self) -> u32 {
                self as u32
            }

            /// Its word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

kinds! {
    /// The server began to serve.
    ServerStarted = 1, "server_started";
    /// It stopped in good order.
    ServerStopped = 2, "server_stopped";
    /// A store that is behind was served all the same.
    RollbackAccepted = 3, "rollback_accepted";
    /// A part of the trail does not verify.
    TrailDamaged = 4, "trail_damaged";
    /// Notes that could not be told apart.
    NotesDropped = 5, "notes_dropped";
    /// A client came in.
    SignedIn = 10, "signed_in";
    /// A connection was not let in.
    HandshakeRefused = 11, "handshake_refused";
    /// A call was turned away at the gate.
    CallRefused = 12, "call_refused";
    /// An organisation was let in.
    OrganisationRegistered = 20, "organisation_registered";
    /// An organisation was shut out.
    OrganisationSuspended = 21, "organisation_suspended";
    /// Two rooms' incidents were noted as related.
    ConnectionRecorded = 22, "connection_recorded";
    /// A room was opened.
    RoomOpened = 30, "room_opened";
    /// A room was closed.
    RoomClosed = 31, "room_closed";
    /// A room was opened again.
    RoomReopened = 32, "room_reopened";
    /// A room's terms were changed.
    TermsChanged = 33, "terms_changed";
    /// An organisation was invited to a room.
    OrganisationInvited = 34, "organisation_invited";
    /// An organisation was taken out of a room.
    ParticipantRemoved = 35, "participant_removed";
    /// An organisation got another role.
    RoleChanged = 36, "role_changed";
    /// The coordinator read a report.
    ReportRead = 40, "report_read";
    /// The coordinator looked through a participant's eyes.
    SeenAs = 41, "seen_as";
    /// Messages went to the police.
    MessagesForwarded = 42, "messages_forwarded";
    /// A legal disclosure was proposed.
    LegalDisclosureProposed = 43, "legal_disclosure_proposed";
    /// A legal disclosure was made.
    LegallyDisclosed = 44, "legally_disclosed";
    /// The trail was read.
    TrailRead = 45, "trail_read";
    /// What an actor may see of a room was exported.
    RoomExported = 46, "room_exported";
    /// The store was copied.
    BackupTaken = 47, "backup_taken";
    /// An erasure was proposed.
    ErasureProposed = 80, "erasure_proposed";
    /// Words were destroyed for good.
    PayloadsErased = 81, "payloads_erased";
    /// A room was put under a legal hold.
    LegalHoldPlaced = 82, "legal_hold_placed";
    /// A legal hold was lifted.
    LegalHoldLifted = 83, "legal_hold_lifted";
    /// How long a room is kept was set.
    RetentionSet = 84, "retention_set";
    /// A certificate was issued.
    CertificateIssued = 50, "certificate_issued";
    /// A certificate was renewed.
    CertificateRenewed = 51, "certificate_renewed";
    /// A request for one was refused.
    CertificateRefused = 52, "certificate_refused";
    /// A certificate was revoked.
    CertificateRevoked = 53, "certificate_revoked";
    /// An actor was shut out.
    ActorRevoked = 54, "actor_revoked";
    /// An actor was let in again.
    ActorReinstated = 55, "actor_reinstated";
    /// An invite was made.
    InviteCreated = 60, "invite_created";
    /// A key waits for approval.
    EnrolmentRequested = 61, "enrolment_requested";
    /// An invite did not hold.
    InviteRefused = 62, "invite_refused";
    /// An invite was taken back.
    InviteRevoked = 63, "invite_revoked";
    /// An enrolment was approved.
    EnrolmentApproved = 64, "enrolment_approved";
    /// The store got another key-encryption key.
    StoreKeyChanged = 72, "store_key_changed";
    /// Configuration or certificates were read again.
    ConfigurationReloaded = 70, "configuration_reloaded";
    /// They were read again and are bad.
    ReloadRefused = 71, "reload_refused";
}

impl Kind {
    /// The kind with this number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.number() == number)
    }

    /// The kind with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }
}

/// What is known about it. Each kind has some of these.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Facts {
    /// Who did it, or who came.
    pub actor: Option<Actor>,
    /// Which other actor it is about.
    pub subject: Option<Actor>,
    /// Which organisation it is about.
    pub organisation: Option<OrganisationId>,
    /// SHA-256 of the certificate.
    pub certificate: Option<[u8; 32]>,
    /// SHA-256 of the certificate that it replaces.
    pub previous_certificate: Option<[u8; 32]>,
    /// From which address.
    pub peer: Option<IpAddr>,
    /// In which room.
    pub room: Option<RoomId>,
    /// Which other room.
    pub other_room: Option<RoomId>,
    /// Which invite.
    pub invite: Option<Uuid>,
    /// Which method.
    pub method: Option<Arc<str>>,
    /// Why, in a word of ours.
    pub reason: Option<Arc<str>>,
    /// What else there is: a version, a key exchange, what was reloaded.
    pub detail: Option<Arc<str>>,
}

impl Facts {
    pub(super) fn of(actor: Actor) -> Self {
        Self { actor: Some(actor), ..Self::default() }
    }

    pub(super) fn in_room(by: Actor, room: RoomId) -> Self {
        Self { room: Some(room), ..Self::of(by) }
    }

    pub(super) fn about(by: Actor, room: RoomId, organisation: OrganisationId) -> Self {
        Self { organisation: Some(organisation), ..Self::in_room(by, room) }
    }

    pub(super) fn of_invite(by: Option<Actor>, invite: Uuid) -> Self {
        Self { actor: by, invite: Some(invite), ..Self::default() }
    }

    /// Texts that are not words of ours are kept short and on one line.
    pub(super) fn cut(self) -> Self {
        let (detail, reason) = (self.detail.as_deref().map(cut), self.reason.as_deref().map(cut));
        Self { detail, reason, ..self }
    }

    /// Whether it concerns the organisation in any part.
    pub fn concerns(&self, organisation: &OrganisationId) -> bool {
        let actors = [&self.actor, &self.subject].into_iter().flatten().map(|actor| &actor.organisation);
        actors.chain(&self.organisation).any(|concerned| concerned == organisation)
    }
}

fn cut(text: &str) -> Arc<str> {
    let ends = |(at, c): &(usize, char)| at + c.len_utf8() <= limits::AUDIT_DETAIL_BYTES_MAX;
    text.char_indices().take_while(ends).map(|(_, c)| if c.is_control() { ' ' } else { c }).collect::<String>().into()
}

/// One record of the trail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its place in its part of the trail.
    pub seq: Seq,
    /// When it was written; never earlier than the record before it.
    pub recorded_at: Timestamp,
    /// When it happened; the first time, if it stands for several.
    pub since: Timestamp,
    /// For how many of the same kind, by the same, within a minute, it stands.
    pub count: u32,
    /// What happened.
    pub kind: Kind,
    /// What is known about it.
    pub facts: Facts,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_number_and_a_word_of_its_own() {
        let numbers: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.number()).collect();
        let words: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!((numbers.len(), words.len()), (Kind::ALL.len(), Kind::ALL.len()));
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind.number()), Some(*kind));
            assert_eq!(Kind::from_word(kind.as_str()), Some(*kind));
        }
    }

    #[test]
    fn a_text_that_is_not_ours_is_cut_at_a_character_and_kept_on_one_line() {
        let long = format!("line\nfeed \u{1b}[31m{}", "å".repeat(limits::AUDIT_DETAIL_BYTES_MAX));
        let facts = Facts { detail: Some(long.into()), ..Facts::default() }.cut();
        let detail = facts.detail.expect("kept");
        assert!(detail.len() <= limits::AUDIT_DETAIL_BYTES_MAX && !detail.chars().any(char::is_control), "{detail}");
    }
}
