//! What a store holds, and whether it is what was written. One question: does every digest agree?
//!
//! For operators, while the server is down. Sequence numbers and digests are shown here and nowhere else; texts are not.
//! Upholds: R2.

use super::load::{LoadError, replay};
use crate::audit::Record;
use crate::room::directory::{DirectoryEntry, DirectoryEvent};
use crate::room::event::{Entry, Event};
use crate::room::ids::{Actor, RoomId, Seq, Timestamp};
use crate::store::codec::Opened;
use crate::store::{Store, StoreError};

/// What one log holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogReport {
    /// Whose; the nil id is the directory, and some are of the audit trail ([`RoomId::trail`]).
    pub room: RoomId,
    /// Frames that verified.
    pub frames: u64,
    /// Entries that verified.
    pub entries: u64,
    /// Delivery records that verified.
    pub deliveries: u64,
    /// When the last of them was recorded.
    pub last_recorded_at: Option<Timestamp>,
    /// Digest of the last frame that verified.
    pub digest: Option<[u8; 32]>,
    /// What is wrong after that, if something is.
    pub damage: Option<String>,
}

/// One entry, without what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryReport {
    /// Its place.
    pub seq: Seq,
    /// When.
    pub recorded_at: Timestamp,
    /// Who; none: the server, or nobody known.
    pub author: Option<Actor>,
    /// What kind of thing happened.
    pub kind: &'static str,
}

/// Verifies every frame of every log, the directory first, and tells of each log once it is read.
pub fn inspect(store: &dyn Store, mut each: impl FnMut(LogReport)) -> Result<(), StoreError> {
    for room in store.rooms()? {
        let report = if room == RoomId::DIRECTORY {
            log::<DirectoryEntry>(store, room, |entry| entry.recorded_at)?
        } else if room.trail_part().is_some() {
            log::<Record>(store, room, |record| record.recorded_at)?
        } else {
            log::<Entry>(store, room, |entry| entry.recorded_at)?
        };
        each(report);
    }
    Ok(())
}

/// Tells of every entry of one log up to the first that does not verify.
pub fn entries(store: &dyn Store, room: RoomId, mut each: impl FnMut(EntryReport)) -> Result<(), LoadError> {
    if room == RoomId::DIRECTORY {
        return replay(store, room, |_, opened: Opened<DirectoryEntry>| {
            opened.entries.iter().for_each(|entry| each(directory_entry(entry)));
            Ok(())
        })
        .map(|_| ());
    }
    if room.trail_part().is_some() {
        return replay(store, room, |_, opened: Opened<Record>| {
            opened.entries.iter().for_each(|record| each(trail_record(record)));
            Ok(())
        })
        .map(|_| ());
    }
    replay(store, room, |_, opened: Opened<Entry>| {
        opened.entries.iter().for_each(|e| each(entry(e)));
        Ok(())
    })
    .map(|_| ())
}

fn log<E: crate::store::codec::Logged>(
    store: &dyn Store,
    room: RoomId,
    recorded_at: impl Fn(&E) -> Timestamp,
) -> Result<LogReport, StoreError> {
    let mut report =
        LogReport { room, frames: 0, entries: 0, deliveries: 0, last_recorded_at: None, digest: None, damage: None };
    let read = replay(store, room, |_, opened: Opened<E>| {
        report.frames += 1;
        report.entries += opened.entries.len() as u64;
        report.deliveries += opened.deliveries.len() as u64;
        report.digest = Some(opened.digest);
        report.last_recorded_at = opened.entries.last().map(&recorded_at).or(report.last_recorded_at);
        Ok(())
    });
    match read {
        Ok(_) => {}
        Err(LoadError::Damaged(damage)) => report.damage = Some(damage.to_string()),
        Err(LoadError::Store(StoreError::Damaged(what))) => report.damage = Some(what),
        Err(LoadError::Store(error)) => return Err(error),
    }
    Ok(report)
}

fn directory_entry(entry: &DirectoryEntry) -> EntryReport {
    let kind = match &entry.event {
        DirectoryEvent::OrganisationRegistered { .. } => "organisation_registered",
        DirectoryEvent::OrganisationSuspended { .. } => "organisation_suspended",
        DirectoryEvent::RoomCreated { .. } => "room_created",
        DirectoryEvent::ConnectionRecorded { .. } => "connection_recorded",
        DirectoryEvent::AccessChanged { .. } => "access_changed",
        DirectoryEvent::InviteCreated(_) => "invite_created",
        DirectoryEvent::InviteRevoked { .. } => "invite_revoked",
        DirectoryEvent::EnrolmentRequested { .. } => "enrolment_requested",
        DirectoryEvent::EnrolmentApproved { .. } => "enrolment_approved",
        DirectoryEvent::CertificateIssued { .. } => "certificate_issued",
        DirectoryEvent::CertificateRenewed { .. } => "certificate_renewed",
    };
    EntryReport { seq: entry.seq, recorded_at: entry.recorded_at, author: Some(entry.author.clone()), kind }
}

fn trail_record(record: &Record) -> EntryReport {
    let (kind, author) = (record.kind.as_str(), record.facts.actor.clone());
    EntryReport { seq: record.seq, recorded_at: record.recorded_at, author, kind }
}

fn entry(entry: &Entry) -> EntryReport {
    let kind = match &entry.event {
        Event::RoomOpened { .. } => "room_opened",
        Event::ParticipantAdmitted { .. } => "participant_admitted",
        Event::AttributionRaised { .. } => "attribution_raised",
        Event::OrganisationInvited { .. } => "organisation_invited",
        Event::InvitationDeclined { .. } => "invitation_declined",
        Event::ParticipantLeft { .. } => "participant_left",
        Event::ParticipantRemoved { .. } => "participant_removed",
        Event::RoleChanged { .. } => "role_changed",
        Event::ConsentGiven { .. } => "consent_given",
        Event::ConsentWithdrawn { .. } => "consent_withdrawn",
        Event::ConsentExpired { .. } => "consent_expired",
        Event::ReportFiled { .. } => "report_filed",
        Event::MessagePosted { .. } => "message_posted",
        Event::RoomClosed => "room_closed",
        Event::RoomReopened => "room_reopened",
        Event::TermsChanged { .. } => "terms_changed",
        Event::MessageRetracted { .. } => "message_retracted",
        Event::MessageAcknowledged { .. } => "message_acknowledged",
        Event::MessagesReleased { .. } => "messages_released",
        Event::ReleaseRevoked { .. } => "release_revoked",
        Event::RecallAnswered { .. } => "recall_answered",
        Event::AskSuggested { .. } => "ask_suggested",
        Event::ConsentAsked { .. } => "consent_asked",
        Event::AskAnswered { .. } => "ask_answered",
        Event::AskLapsed { .. } => "ask_lapsed",
        Event::RelayPublished { .. } => "relay_published",
        Event::RelayApproved { .. } => "relay_approved",
        Event::RelayRejected { .. } => "relay_rejected",
        Event::PoliceReportMade { .. } => "police_report_made",
        Event::PoliceReportDue { .. } => "police_report_due",
        Event::MessagesForwarded { .. } => "messages_forwarded",
        Event::LegalDisclosureProposed { .. } => "legal_disclosure_proposed",
        Event::ErasureProposed { .. } => "erasure_proposed",
        Event::PayloadsErased { .. } => "payloads_erased",
        Event::LegalHoldPlaced { .. } => "legal_hold_placed",
        Event::LegalHoldLifted { .. } => "legal_hold_lifted",
        Event::RetentionSet { .. } => "retention_set",
        Event::LegallyDisclosed { .. } => "legally_disclosed",
        Event::LegalDisclosureNotified { .. } => "legal_disclosure_notified",
        Event::IntroductionProposed { .. } => "introduction_proposed",
        Event::IntroductionAnswered { .. } => "introduction_answered",
        Event::Introduced { .. } => "introduced",
        Event::ReportRead { .. } => "report_read",
        Event::RoomSeenAs { .. } => "room_seen_as",
        Event::RoomExported { .. } => "room_exported",
        Event::AttachmentFetched { .. } => "attachment_fetched",
        Event::AccessChanged { .. } => "access_changed",
    };
    EntryReport { seq: entry.seq, recorded_at: entry.recorded_at, author: entry.author.clone(), kind }
}
