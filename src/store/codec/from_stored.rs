//! Stored messages as domain values. What is unset, unknown or malformed is damage, never a default.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use self::words::{
    UNSET, ask_answer, attribution, audience, known, material, police, recall_answer, role, sharing, tlp,
};
use super::{Payload, What, pb};
use crate::room::consent::{ConsentChange, ExpiryChange, Name, Scope};
use crate::room::directory::{DirectoryEntry, DirectoryEvent};
use crate::room::enrolment::{IssuedCertificate, NewInvite};
use crate::room::event::{
    AccessChange, AskedFor, Content, Entry, ErasureScope, Event, File, IntakeReport, IntroductionSide, LegalDuty,
    Message, Recall, Request, Subject,
};
use crate::room::ids::{
    Actor, AskId, ContentId, DisclosureId, ErasureId, ExportId, Index, IntroductionId, InvitationId, InviteId,
    MessageId, OrganisationId, ParticipantId, RecallId, ReleaseId, RequestId, RoomId, Seq, Timestamp,
};
use crate::room::mailbox::{Notice, Range, Run};
use crate::room::words::{Answer, Assessment};

mod words;

fn id(bytes: &Bytes) -> Result<[u8; 16], What> {
    bytes[..].try_into().map_err(|_| "holds an id of the wrong length")
}

fn optional_id(bytes: &Bytes) -> Result<Option<[u8; 16]>, What> {
    if bytes.is_empty() { Ok(None) } else { id(bytes).map(Some) }
}

fn digest(bytes: &Bytes) -> Result<[u8; 32], What> {
    bytes[..].try_into().map_err(|_| "holds a digest of the wrong length")
}

fn organisation(text: &str) -> Result<OrganisationId, What> {
    text.parse().map_err(|_| "holds a malformed organisation id")
}

fn actor(text: &str) -> Result<Actor, What> {
    text.parse().map_err(|_| "holds a malformed actor")
}

/// The digest stands in the payload, or in the header: in the directory, and in a room's entries of earlier versions.
fn request(header: &pb::Header, payload: &Payload<'_>) -> Result<Option<Request>, What> {
    let Some(id) = optional_id(&header.request_id)?.map(RequestId::from_bytes) else { return Ok(None) };
    let digest = match payload {
        _ if !header.request_digest.is_empty() => digest(&header.request_digest)?,
        Payload::None => return Err("holds a request without its digest"),
        Payload::Here(bytes) => {
            let stored = pb::RequestPayload::decode(&bytes[..]).map_err(|_| "holds a payload that can't be decoded")?;
            digest(&stored.request_digest)?
        }
        Payload::Erased => [0; 32],
    };
    Ok(Some(Request { id, digest }))
}

pub(super) fn entry(header: &pb::Header, payload: &Payload<'_>) -> Result<Entry, What> {
    Ok(Entry {
        seq: Seq(header.seq),
        recorded_at: Timestamp(header.recorded_at_us),
        author: if header.author.is_empty() { None } else { Some(actor(&header.author)?) },
        request: request(header, payload)?,
        event: event(header.event.as_ref().ok_or("holds an entry of an unknown kind")?, payload)?,
        is_erased: matches!(payload, Payload::Erased),
    })
}

pub(super) fn directory_entry(header: &pb::Header) -> Result<DirectoryEntry, What> {
    use pb::header::Event as Stored;
    let event = match header.event.as_ref().ok_or("holds an entry of an unknown kind")? {
        Stored::OrganisationRegistered(stored) => DirectoryEvent::OrganisationRegistered {
            organisation: organisation(&stored.organisation)?,
            display_name: stored.display_name.as_str().into(),
        },
        Stored::OrganisationSuspended(stored) => DirectoryEvent::OrganisationSuspended {
            organisation: organisation(&stored.organisation)?,
            reason: stored.reason.as_str().into(),
        },
        Stored::RoomCreated(stored) => DirectoryEvent::RoomCreated {
            room: RoomId::from_bytes(id(&stored.room)?),
            participant: ParticipantId::from_bytes(id(&stored.participant)?),
        },
        Stored::AccessChanged(stored) => DirectoryEvent::AccessChanged {
            actor: if stored.actor.is_empty() { None } else { Some(actor(&stored.actor)?) },
            change: access_change(stored.change(), &stored.certificate)?,
            reason: stored.reason.as_str().into(),
            rooms: stored.rooms.iter().map(|room| Ok(RoomId::from_bytes(id(room)?))).collect::<Result<_, What>>()?,
        },
        Stored::ConnectionRecorded(stored) => {
            let rooms: Vec<RoomId> =
                stored.rooms.iter().map(|room| Ok(RoomId::from_bytes(id(room)?))).collect::<Result<_, What>>()?;
            DirectoryEvent::ConnectionRecorded {
                rooms: rooms.try_into().map_err(|_| "holds a connection that is not of two rooms")?,
                reason: stored.reason.as_str().into(),
            }
        }
        Stored::InviteCreated(stored) => DirectoryEvent::InviteCreated(NewInvite {
            invite: InviteId::from_bytes(id(&stored.invite)?),
            actor: actor(&stored.actor)?,
            secret: digest(&stored.secret)?,
            expires_at: stored.expires_at_us.map(Timestamp).ok_or(UNSET)?,
            needs_approval: stored.needs_approval,
        }),
        Stored::InviteRevoked(stored) => {
            DirectoryEvent::InviteRevoked { invite: InviteId::from_bytes(id(&stored.invite)?) }
        }
        Stored::CertificateIssued(stored) => DirectoryEvent::CertificateIssued {
            invite: InviteId::from_bytes(id(&stored.invite)?),
            issued: IssuedCertificate {
                actor: actor(&header.author)?,
                certificate: stored.certificate[..].into(),
                public_key: digest(&stored.public_key)?,
                fingerprint: digest(&stored.fingerprint)?,
                not_after: stored.not_after_us.map(Timestamp).ok_or(UNSET)?,
            },
        },
        Stored::EnrolmentRequested(stored) => DirectoryEvent::EnrolmentRequested {
            invite: InviteId::from_bytes(id(&stored.invite)?),
            public_key: digest(&stored.public_key)?,
        },
        Stored::EnrolmentApproved(stored) => {
            DirectoryEvent::EnrolmentApproved { invite: InviteId::from_bytes(id(&stored.invite)?) }
        }
        Stored::CertificateRenewed(stored) => DirectoryEvent::CertificateRenewed {
            previous: digest(&stored.previous)?,
            issued: IssuedCertificate {
                actor: actor(&header.author)?,
                certificate: stored.certificate[..].into(),
                public_key: digest(&stored.public_key)?,
                fingerprint: digest(&stored.fingerprint)?,
                not_after: stored.not_after_us.map(Timestamp).ok_or(UNSET)?,
            },
        },
        _ => return Err("holds a room's entry in the directory"),
    };
    Ok(DirectoryEntry {
        seq: Seq(header.seq),
        recorded_at: Timestamp(header.recorded_at_us),
        author: actor(&header.author)?,
        request: request(header, &Payload::None)?.ok_or("holds a directory entry without a request")?,
        event,
    })
}

fn event(stored: &pb::header::Event, payload: &Payload<'_>) -> Result<Event, What> {
    use pb::header::Event as Stored;
    Ok(match stored {
        Stored::RoomOpened(stored) => Event::RoomOpened {
            coordinator: organisation(&stored.coordinator)?,
            title: moved_word(payload, &stored.title)?,
            terms: stored.terms.as_str().into(),
        },
        Stored::ParticipantAdmitted(stored) => Event::ParticipantAdmitted {
            organisation: organisation(&stored.organisation)?,
            participant: ParticipantId::from_bytes(id(&stored.participant)?),
            role: role(stored.role())?,
            attribution: attribution(stored.attribution())?.ok_or(UNSET)?,
            invitation: optional_id(&stored.invitation)?.map(InvitationId::from_bytes),
        },
        Stored::AttributionRaised(stored) => Event::AttributionRaised {
            organisation: organisation(&stored.organisation)?,
            attribution: attribution(stored.attribution())?.ok_or(UNSET)?,
        },
        Stored::OrganisationInvited(stored) => Event::OrganisationInvited {
            invitation: InvitationId::from_bytes(id(&stored.invitation)?),
            organisation: organisation(&stored.organisation)?,
            role: role(stored.role())?,
            participant: ParticipantId::from_bytes(id(&stored.participant)?),
        },
        Stored::InvitationDeclined(stored) => Event::InvitationDeclined {
            invitation: InvitationId::from_bytes(id(&stored.invitation)?),
            organisation: organisation(&stored.organisation)?,
        },
        Stored::ParticipantLeft(stored) => Event::ParticipantLeft { organisation: organisation(&stored.organisation)? },
        Stored::ParticipantRemoved(stored) => Event::ParticipantRemoved {
            organisation: organisation(&stored.organisation)?,
            reason: moved_word(payload, &stored.reason)?,
        },
        Stored::RoleChanged(stored) => {
            Event::RoleChanged { organisation: organisation(&stored.organisation)?, role: role(stored.role())? }
        }
        Stored::ConsentGiven(stored) => Event::ConsentGiven {
            organisation: organisation(&stored.organisation)?,
            change: Arc::new(consent_change(stored)?),
        },
        Stored::ConsentWithdrawn(stored) => Event::ConsentWithdrawn {
            organisation: organisation(&stored.organisation)?,
            scope: scope(stored)?,
            recall: stored.recall.as_ref().map(recall).transpose()?,
        },
        Stored::ConsentExpired(stored) => Event::ConsentExpired { organisation: organisation(&stored.organisation)? },
        Stored::ReportFiled(stored) => Event::ReportFiled {
            organisation: organisation(&stored.organisation)?,
            report: Arc::new(report(bytes(payload)?)?),
        },
        Stored::MessagePosted(stored) => Event::MessagePosted {
            organisation: organisation(&stored.organisation)?,
            message: Arc::new(message(stored, bytes(payload)?)?),
        },
        Stored::RoomClosed(_) => Event::RoomClosed,
        Stored::RoomReopened(_) => Event::RoomReopened,
        Stored::TermsChanged(stored) => Event::TermsChanged { terms: stored.terms.as_str().into() },
        Stored::MessageRetracted(stored) => Event::MessageRetracted {
            organisation: organisation(&stored.organisation)?,
            message: message_id(&stored.message)?,
            reason: word(payload)?,
        },
        Stored::MessageAcknowledged(stored) => Event::MessageAcknowledged {
            organisation: organisation(&stored.organisation)?,
            message: message_id(&stored.message)?,
        },
        Stored::MessagesReleased(stored) => Event::MessagesReleased {
            organisation: organisation(&stored.organisation)?,
            release: ReleaseId::from_bytes(id(&stored.release)?),
            messages: messages(&stored.messages)?,
            to: organisations(&stored.to)?,
        },
        Stored::ReleaseRevoked(stored) => Event::ReleaseRevoked {
            organisation: organisation(&stored.organisation)?,
            release: ReleaseId::from_bytes(id(&stored.release)?),
        },
        Stored::RecallAnswered(stored) => Event::RecallAnswered {
            organisation: organisation(&stored.organisation)?,
            recall: RecallId::from_bytes(id(&stored.recall)?),
            answer: recall_answer(stored.answer())?,
            comment: word(payload)?,
        },
        Stored::AskSuggested(stored) => Event::AskSuggested {
            organisation: organisation(&stored.organisation)?,
            source: match stored.source.as_str() {
                "" => None,
                source => Some(organisation(source)?),
            },
            material: material(stored.material())?,
            reason: word(payload)?,
        },
        Stored::ConsentAsked(stored) => consent_asked(stored, payload)?,
        Stored::AskAnswered(stored) => Event::AskAnswered {
            organisation: organisation(&stored.organisation)?,
            ask: AskId::from_bytes(id(&stored.ask)?),
            answer: ask_answer(stored.answer())?,
            comment: word(payload)?,
        },
        Stored::AskLapsed(stored) => Event::AskLapsed { ask: AskId::from_bytes(id(&stored.ask)?) },
        Stored::RelayPublished(stored) => {
            let posted = stored.message.as_ref().ok_or(UNSET)?;
            Event::RelayPublished {
                organisation: organisation(&posted.organisation)?,
                message: Arc::new(message(posted, bytes(payload)?)?),
                parents: messages(&stored.parents)?,
                unapproved: organisations(&stored.unapproved)?,
            }
        }
        Stored::RelayApproved(stored) => Event::RelayApproved {
            organisation: organisation(&stored.organisation)?,
            message: message_id(&stored.message)?,
            to: organisations(&stored.to)?,
        },
        Stored::RelayRejected(stored) => Event::RelayRejected {
            organisation: organisation(&stored.organisation)?,
            message: message_id(&stored.message)?,
            reason: word(payload)?,
        },
        Stored::PoliceReportMade(stored) => {
            Event::PoliceReportMade { organisation: organisation(&stored.organisation)?, reference: word(payload)? }
        }
        Stored::PoliceReportDue(stored) => Event::PoliceReportDue { organisation: organisation(&stored.organisation)? },
        Stored::MessagesForwarded(stored) => Event::MessagesForwarded {
            organisation: organisation(&stored.organisation)?,
            messages: messages(&stored.messages)?,
            to: organisation(&stored.to)?,
            reason: moved_word(payload, &stored.reason)?,
        },
        Stored::LegalDisclosureProposed(stored) => Event::LegalDisclosureProposed {
            disclosure: DisclosureId::from_bytes(id(&stored.disclosure)?),
            duty: duty(stored.duty.as_ref())?,
        },
        Stored::LegallyDisclosed(stored) => Event::LegallyDisclosed {
            disclosure: DisclosureId::from_bytes(id(&stored.disclosure)?),
            organisation: organisation(&stored.organisation)?,
            duty: duty(stored.duty.as_ref())?,
            proposed_by: actor(&stored.proposed_by)?,
        },
        Stored::LegalDisclosureNotified(stored) => Event::LegalDisclosureNotified {
            disclosure: DisclosureId::from_bytes(id(&stored.disclosure)?),
            organisation: organisation(&stored.organisation)?,
            duty: duty(stored.duty.as_ref())?,
        },
        Stored::IntroductionProposed(stored) => {
            let [one, other] = &stored.sides[..] else { return Err(NOT_TWO_SIDES) };
            let [to_one, to_other] = moved(payload, [&one.words, &other.words])?;
            Event::IntroductionProposed {
                sides: [introduction_side(one, to_one)?, introduction_side(other, to_other)?],
            }
        }
        Stored::IntroductionAnswered(stored) => Event::IntroductionAnswered {
            organisation: organisation(&stored.organisation)?,
            introduction: IntroductionId::from_bytes(id(&stored.introduction)?),
            accepted: match stored.answer() {
                pb::Answer::Unspecified | pb::Answer::NotAnswered => return Err(UNSET),
                pb::Answer::No => false,
                pb::Answer::Yes => true,
            },
            contact: word(payload)?,
        },
        Stored::Introduced(stored) => {
            let [one, other] = &stored.sides[..] else { return Err(NOT_TWO_SIDES) };
            let [to_one, to_other] = words(payload)?;
            Event::Introduced { sides: [introduction_side(one, to_one)?, introduction_side(other, to_other)?] }
        }
        Stored::ReportRead(stored) => Event::ReportRead { organisation: organisation(&stored.organisation)? },
        Stored::RoomSeenAs(stored) => Event::RoomSeenAs { organisation: organisation(&stored.organisation)? },
        Stored::AttachmentFetched(stored) => Event::AttachmentFetched {
            organisation: organisation(&stored.organisation)?,
            message: message_id(&stored.message)?,
        },
        Stored::RoomExported(stored) => Event::RoomExported {
            organisation: organisation(&stored.organisation)?,
            export: ExportId::from_bytes(id(&stored.export)?),
        },
        Stored::ErasureProposed(stored) => Event::ErasureProposed {
            erasure: ErasureId::from_bytes(id(&stored.erasure)?),
            what: erasure_scope(stored.scope.as_ref())?,
            basis: stored.basis.as_str().into(),
        },
        Stored::PayloadsErased(stored) => Event::PayloadsErased {
            erasure: ErasureId::from_bytes(id(&stored.erasure)?),
            what: erasure_scope(stored.scope.as_ref())?,
            basis: stored.basis.as_str().into(),
            proposed_by: actor(&stored.proposed_by)?,
        },
        Stored::LegalHoldPlaced(stored) => Event::LegalHoldPlaced { reason: stored.reason.as_str().into() },
        Stored::LegalHoldLifted(stored) => Event::LegalHoldLifted { reason: stored.reason.as_str().into() },
        Stored::RetentionSet(stored) => Event::RetentionSet {
            years: stored.years.map(u16::try_from).transpose().map_err(|_| "holds a retention of too many years")?,
        },
        Stored::AccessChangeRecorded(stored) => Event::AccessChanged {
            actor: actor(&stored.actor)?,
            change: access_change(stored.change(), &stored.certificate)?,
            by: Seq(stored.directory_seq),
        },
        Stored::OrganisationRegistered(_)
        | Stored::AccessChanged(_)
        | Stored::OrganisationSuspended(_)
        | Stored::RoomCreated(_)
        | Stored::ConnectionRecorded(_)
        | Stored::InviteCreated(_)
        | Stored::InviteRevoked(_)
        | Stored::CertificateIssued(_)
        | Stored::EnrolmentRequested(_)
        | Stored::EnrolmentApproved(_)
        | Stored::CertificateRenewed(_) => return Err("holds a directory entry in a room"),
        Stored::AuditRecorded(_) => return Err("holds a record of the audit trail in a room"),
    })
}

fn erasure_scope(stored: Option<&pb::ErasureScope>) -> Result<ErasureScope<OrganisationId>, What> {
    use pb::erasure_scope::Scope as Stored;
    Ok(match stored.and_then(|stored| stored.scope.as_ref()).ok_or(UNSET)? {
        Stored::Message(message) => ErasureScope::Message(message_id(message)?),
        Stored::Organisation(text) => ErasureScope::Participant(organisation(text)?),
        Stored::Room(true) => ErasureScope::Room,
        Stored::Room(false) => return Err(UNSET),
    })
}

fn access_change(change: pb::AccessChange, certificate: &[u8]) -> Result<AccessChange, What> {
    match change {
        pb::AccessChange::CertificateRevoked => {
            let certificate =
                certificate.try_into().map_err(|_| "holds a certificate's digest that has not 32 bytes")?;
            Ok(AccessChange::CertificateRevoked(certificate))
        }
        pb::AccessChange::ActorRevoked => Ok(AccessChange::ActorRevoked),
        pb::AccessChange::ActorReinstated => Ok(AccessChange::ActorReinstated),
        pb::AccessChange::Unspecified => Err("holds an unknown change of an access"),
    }
}

const NO_PAYLOAD: What = "lacks a payload";

const NOT_TWO_SIDES: What = "holds an introduction that has not two sides";

/// A payload that the entry must have. One that is erased is that of an entry without words.
fn bytes<'a>(payload: &'a Payload<'_>) -> Result<&'a [u8], What> {
    match payload {
        Payload::None => Err(NO_PAYLOAD),
        Payload::Here(bytes) => Ok(bytes),
        Payload::Erased => Ok(&[]),
    }
}

/// The words of a payload, as many as the entry has.
fn words<const N: usize>(payload: &Payload<'_>) -> Result<[Arc<str>; N], What> {
    if matches!(payload, Payload::Erased) {
        return Ok(std::array::from_fn(|_| "".into()));
    }
    let stored = pb::WordsPayload::decode(bytes(payload)?).map_err(|_| "holds words that can't be decoded")?;
    let words: Vec<Arc<str>> = stored.words.into_iter().map(Arc::from).collect();
    words.try_into().map_err(|_| "holds too few words or too many")
}

fn word(payload: &Payload<'_>) -> Result<Arc<str>, What> {
    let [word] = words(payload)?;
    Ok(word)
}

/// Words that stood in the header in earlier versions, where nothing can be erased; or stand there still, in an entry whose payload has
/// none but the digest of a request.
fn moved<const N: usize>(payload: &Payload<'_>, in_header: [&str; N]) -> Result<[Arc<str>; N], What> {
    let is_here = match payload {
        Payload::None => false,
        Payload::Here(bytes) => {
            let stored = pb::WordsPayload::decode(&bytes[..]).map_err(|_| "holds words that can't be decoded")?;
            !stored.words.is_empty()
        }
        Payload::Erased => in_header.iter().all(|words| words.is_empty()),
    };
    if is_here { words(payload) } else { Ok(in_header.map(Arc::from)) }
}

fn moved_word(payload: &Payload<'_>, in_header: &str) -> Result<Arc<str>, What> {
    let [word] = moved(payload, [in_header])?;
    Ok(word)
}

fn message_id(bytes: &Bytes) -> Result<MessageId, What> {
    Ok(MessageId::from_bytes(id(bytes)?))
}

fn messages(stored: &[Bytes]) -> Result<Vec<MessageId>, What> {
    stored.iter().map(message_id).collect()
}

fn organisations(stored: &[String]) -> Result<Vec<OrganisationId>, What> {
    stored.iter().map(|text| organisation(text)).collect()
}

fn recall(stored: &pb::Recall) -> Result<Recall, What> {
    let answer_by = stored.answer_by_us.map(Timestamp).ok_or(UNSET)?;
    Ok(Recall { id: RecallId::from_bytes(id(&stored.recall)?), answer_by })
}

fn consent_asked(stored: &pb::ConsentAsked, payload: &Payload<'_>) -> Result<Event, What> {
    use pb::consent_asked::{Subject as About, To};
    Ok(Event::ConsentAsked {
        ask: AskId::from_bytes(id(&stored.ask)?),
        source: organisation(&stored.source)?,
        subject: match stored.subject.as_ref().ok_or(UNSET)? {
            About::Messages(list) => Subject::Messages(messages(&list.messages)?),
            About::Material(what) => Subject::Material(material(known(*what)?)?),
        },
        to: match stored.to.as_ref().ok_or(UNSET)? {
            To::Organisations(list) => AskedFor::Organisations(organisations(&list.organisations)?),
            To::Audience(whom) => AskedFor::Audience(audience(known(*whom)?)?),
        },
        reason: moved_word(payload, &stored.reason)?,
        answer_by: stored.answer_by_us.map(Timestamp).ok_or(UNSET)?,
    })
}

fn duty(stored: Option<&pb::LegalDuty>) -> Result<Arc<LegalDuty>, What> {
    let stored = stored.ok_or(UNSET)?;
    Ok(Arc::new(LegalDuty {
        statute: stored.statute.as_str().into(),
        messages: messages(&stored.messages)?,
        to: organisation(&stored.to)?,
        suppress_until: stored.suppress_until_us.map(Timestamp),
    }))
}

fn introduction_side(stored: &pb::IntroductionSide, words: Arc<str>) -> Result<IntroductionSide, What> {
    Ok(IntroductionSide {
        id: IntroductionId::from_bytes(id(&stored.introduction)?),
        organisation: organisation(&stored.organisation)?,
        words,
    })
}

fn message(stored: &pb::MessagePosted, payload: &[u8]) -> Result<Message, What> {
    let payload = pb::MessagePayload::decode(payload).map_err(|_| "holds a text that can't be decoded")?;
    let file = stored.file.as_ref().map(|file| attached(file, &payload)).transpose()?;
    Ok(Message {
        id: MessageId::from_bytes(id(&stored.message)?),
        material: material(stored.material())?,
        tlp: tlp(stored.tlp())?,
        text: payload.text.into(),
        recipients: stored.recipients.iter().map(|text| organisation(text)).collect::<Result<_, _>>()?,
        red_actors: stored.red_actors.iter().map(|text| actor(text)).collect::<Result<_, _>>()?,
        coordinator_only: stored.coordinator_only,
        in_reply_to: optional_id(&stored.in_reply_to)?.map(MessageId::from_bytes),
        occurred_at: stored.occurred_at_us.map(Timestamp),
        supersedes: optional_id(&stored.supersedes)?.map(MessageId::from_bytes),
        acknowledge_by: stored.acknowledge_by_us.map(Timestamp),
        attachments: messages(&stored.attachments)?,
        file,
    })
}

fn attached(stored: &pb::AttachedFile, payload: &pb::MessagePayload) -> Result<File, What> {
    // An erased one has no words, and no digest that would tell what it was.
    let sha256 = if payload.sha256.is_empty() { [0; 32] } else { digest(&payload.sha256)? };
    Ok(File {
        carrier: message_id(&stored.carrier)?,
        name: payload.name.as_str().into(),
        media_type: payload.media_type.as_str().into(),
        content: Content { id: ContentId::from_bytes(id(&stored.content)?), size: payload.size, sha256 },
        terms_of: messages(&stored.terms_of)?,
    })
}

fn report(payload: &[u8]) -> Result<IntakeReport, What> {
    let stored = pb::ReportPayload::decode(payload).map_err(|_| "holds a report that can't be decoded")?;
    let assessment = |value: pb::Assessment| match value {
        pb::Assessment::Unspecified => None,
        pb::Assessment::No => Some(Assessment::No),
        pb::Assessment::Yes => Some(Assessment::Yes),
        pb::Assessment::Unknown => Some(Assessment::Unknown),
    };
    Ok(IntakeReport {
        ongoing: assessment(stored.ongoing()),
        data_leak: assessment(stored.data_leak()),
        police: police(stored.police()),
        what_occurred: stored.what_occurred,
        how_discovered: stored.how_discovered,
        discovered_at: stored.discovered_at_us.map(Timestamp),
        countermeasures: stored.countermeasures,
        help_wanted: stored.help_wanted,
        contacts_made: stored.contacts_made,
    })
}

fn consent_change(stored: &pb::ConsentGiven) -> Result<ConsentChange, What> {
    let cells = stored
        .cells
        .iter()
        .map(|cell| Ok((material(cell.material())?, audience(cell.audience())?, sharing(cell.sharing())?)));
    let named = stored
        .named
        .iter()
        .map(|named| Ok((name(named.name.as_ref())?, material(named.material())?, sharing(named.sharing())?)));
    let newcomers = stored.newcomers.iter().map(|newcomers| {
        let answer = match newcomers.answer() {
            pb::Answer::Unspecified => return Err(UNSET),
            pb::Answer::NotAnswered => Answer::NotAnswered,
            pb::Answer::No => Answer::No,
            pb::Answer::Yes => Answer::Yes,
        };
        Ok((audience(newcomers.audience())?, answer))
    });
    Ok(ConsentChange {
        cells: cells.collect::<Result<_, What>>()?,
        named: named.collect::<Result<_, What>>()?,
        newcomers: newcomers.collect::<Result<_, What>>()?,
        attribution: attribution(stored.attribution())?,
        police: police(stored.police()),
        expiry: match stored.expiry {
            None => ExpiryChange::Keep,
            Some(pb::consent_given::Expiry::Never(true)) => ExpiryChange::Never,
            Some(pb::consent_given::Expiry::Never(false)) => return Err(UNSET),
            Some(pb::consent_given::Expiry::AtUs(at)) => ExpiryChange::At(Timestamp(at)),
        },
    })
}

fn scope(stored: &pb::ConsentWithdrawn) -> Result<Scope, What> {
    use pb::consent_withdrawn::Scope as Stored;
    Ok(match stored.scope.as_ref().ok_or(UNSET)? {
        Stored::All(true) => Scope::All,
        Stored::All(false) => return Err(UNSET),
        Stored::Material(what) => Scope::Material(material(known(*what)?)?),
        Stored::Audience(whom) => Scope::Audience(audience(known(*whom)?)?),
        Stored::Named(who) => Scope::Named(name(Some(who))?),
        Stored::Message(message) => Scope::Message(message_id(message)?),
    })
}

fn name(stored: Option<&pb::Name>) -> Result<Name, What> {
    match stored.and_then(|name| name.name.as_ref()).ok_or(UNSET)? {
        pb::name::Name::Organisation(text) => Ok(Name::Organisation(organisation(text)?)),
        pb::name::Name::Participant(bytes) => Ok(Name::Participant(ParticipantId::from_bytes(id(bytes)?))),
    }
}

pub(super) fn range(bytes: Bytes) -> Result<Range, What> {
    use pb::delivery_range::run::Run as Stored;
    let stored = pb::DeliveryRange::decode(bytes).map_err(|_| "holds a delivery record that can't be decoded")?;
    match stored.basis() {
        pb::Basis::Unspecified => return Err(UNSET),
        pb::Basis::Rule => {}
    }
    let runs = stored.runs.iter().map(|run| {
        Ok(match run.run.as_ref().ok_or(UNSET)? {
            Stored::Entries(entries) => Run::Entries { seq: Seq(entries.seq), count: entries.count },
            Stored::Notice(notice) => {
                let (pairs, rest) = notice.bounds.as_chunks::<2>();
                if !rest.is_empty() {
                    return Err("holds a notice with an odd bound");
                }
                Run::Notice(Notice {
                    ranges: pairs.iter().map(|[first, last]| (Index(*first), Index(*last))).collect(),
                    recall: notice.recall.as_ref().map(recall).transpose()?,
                })
            }
            Stored::Opened(opened) if opened.messages.is_empty() => return Err("opens no message"),
            Stored::Opened(opened) => {
                Run::Opened { by: Seq(opened.by), messages: opened.messages.iter().copied().map(Seq).collect() }
            }
        })
    });
    Ok(Range {
        actor: actor(&stored.actor)?,
        certificate: digest(&stored.certificate)?,
        first: Index(stored.first),
        runs: runs.collect::<Result<_, What>>()?,
        recorded_at: Timestamp(stored.recorded_at_us),
    })
}
