//! Domain values as stored messages.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use super::{Unsealed, pb};
use crate::room::consent::{ConsentChange, ExpiryChange, Name, Scope};
use crate::room::directory::{DirectoryEntry, DirectoryEvent};
use crate::room::event::{
    AccessChange, AskedFor, Entry, ErasureScope, Event, IntakeReport, IntroductionSide, LegalDuty, Message, Recall,
    Subject,
};
use crate::room::ids::{MessageId, OrganisationId};
use crate::room::mailbox::{Range, Run};
use crate::room::words::{
    Answer, AskAnswer, Assessment, Attribution, Audience, Material, PoliceAnswer, RecallAnswer, Role, Sharing, Tlp,
};

fn id(bytes: &[u8; 16]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

pub(super) fn entry(entry: &Entry) -> Unsealed {
    let (event, mut payload) = event(entry);
    if let Some(request) = entry.request {
        // After the payload's own fields, as one more of them: whoever has the text guesses it by this digest, so it goes with the text.
        let digest = pb::RequestPayload { request_digest: Bytes::copy_from_slice(&request.digest) };
        payload.get_or_insert_default().extend(digest.encode_to_vec());
    }
    let header = pb::Header {
        seq: entry.seq.0,
        recorded_at_us: entry.recorded_at.0,
        author: entry.author.as_ref().map(ToString::to_string).unwrap_or_default(),
        request_id: entry.request.map(|request| id(request.id.as_bytes())).unwrap_or_default(),
        request_digest: Bytes::new(),
        payload_digest: Bytes::new(),
        event: Some(event),
    };
    Unsealed { header, payload }
}

pub(super) fn directory_entry(entry: &DirectoryEntry) -> Unsealed {
    use pb::header::Event as Stored;
    let event = match &entry.event {
        DirectoryEvent::OrganisationRegistered { organisation, display_name } => {
            Stored::OrganisationRegistered(pb::OrganisationRegistered {
                organisation: organisation.to_string(),
                display_name: display_name.to_string(),
            })
        }
        DirectoryEvent::OrganisationSuspended { organisation, reason } => {
            Stored::OrganisationSuspended(pb::OrganisationSuspended {
                organisation: organisation.to_string(),
                reason: reason.to_string(),
            })
        }
        DirectoryEvent::RoomCreated { room, participant } => {
            Stored::RoomCreated(pb::RoomCreated { room: id(room.as_bytes()), participant: id(participant.as_bytes()) })
        }
        DirectoryEvent::AccessChanged { actor, change, reason, rooms } => {
            let (change, certificate) = access_change(*change);
            Stored::AccessChanged(pb::AccessChanged {
                change: change.into(),
                certificate,
                actor: actor.as_ref().map(ToString::to_string).unwrap_or_default(),
                reason: reason.to_string(),
                rooms: rooms.iter().map(|room| id(room.as_bytes())).collect(),
            })
        }
        DirectoryEvent::ConnectionRecorded { rooms, reason } => Stored::ConnectionRecorded(pb::ConnectionRecorded {
            rooms: rooms.iter().map(|room| id(room.as_bytes())).collect(),
            reason: reason.to_string(),
        }),
        DirectoryEvent::InviteCreated(new) => Stored::InviteCreated(pb::InviteCreated {
            invite: id(new.invite.as_bytes()),
            actor: new.actor.to_string(),
            secret: Bytes::copy_from_slice(&new.secret),
            expires_at_us: Some(new.expires_at.0),
            needs_approval: new.needs_approval,
        }),
        DirectoryEvent::InviteRevoked { invite } => {
            Stored::InviteRevoked(pb::InviteRevoked { invite: id(invite.as_bytes()) })
        }
        DirectoryEvent::CertificateIssued { invite, issued } => Stored::CertificateIssued(pb::CertificateIssued {
            invite: id(invite.as_bytes()),
            certificate: Bytes::copy_from_slice(&issued.certificate),
            public_key: Bytes::copy_from_slice(&issued.public_key),
            fingerprint: Bytes::copy_from_slice(&issued.fingerprint),
            not_after_us: Some(issued.not_after.0),
        }),
        DirectoryEvent::EnrolmentRequested { invite, public_key } => {
            Stored::EnrolmentRequested(pb::EnrolmentRequested {
                invite: id(invite.as_bytes()),
                public_key: Bytes::copy_from_slice(public_key),
            })
        }
        DirectoryEvent::EnrolmentApproved { invite } => {
            Stored::EnrolmentApproved(pb::EnrolmentApproved { invite: id(invite.as_bytes()) })
        }
        DirectoryEvent::CertificateRenewed { previous, issued } => Stored::CertificateRenewed(pb::CertificateRenewed {
            previous: Bytes::copy_from_slice(previous),
            certificate: Bytes::copy_from_slice(&issued.certificate),
            public_key: Bytes::copy_from_slice(&issued.public_key),
            fingerprint: Bytes::copy_from_slice(&issued.fingerprint),
            not_after_us: Some(issued.not_after.0),
        }),
    };
    let header = pb::Header {
        seq: entry.seq.0,
        recorded_at_us: entry.recorded_at.0,
        author: entry.author.to_string(),
        request_id: id(entry.request.id.as_bytes()),
        request_digest: Bytes::copy_from_slice(&entry.request.digest),
        payload_digest: Bytes::new(),
        event: Some(event),
    };
    Unsealed { header, payload: None }
}

fn event(entry: &Entry) -> (pb::header::Event, Option<Vec<u8>>) {
    use pb::header::Event as Stored;
    let plain = match &entry.event {
        Event::RoomOpened { coordinator, title, terms } => {
            let (coordinator, terms) = (coordinator.to_string(), terms.to_string());
            let is_its_own = entry.author.as_ref().is_some_and(|author| author.organisation.as_str() == coordinator);
            // For who reports, the server gives the room a title: no words about the incident, and not to go with the reporter's.
            let (in_header, payload) = if is_its_own { ("", words([title])) } else { (&title[..], None) };
            return (Stored::RoomOpened(pb::RoomOpened { coordinator, title: in_header.to_owned(), terms }), payload);
        }
        Event::ParticipantAdmitted { organisation, participant, role: part, attribution: shown, invitation } => {
            Stored::ParticipantAdmitted(pb::ParticipantAdmitted {
                organisation: organisation.to_string(),
                participant: id(participant.as_bytes()),
                role: role(*part).into(),
                attribution: attribution(*shown).into(),
                invitation: invitation.map(|invitation| id(invitation.as_bytes())).unwrap_or_default(),
            })
        }
        Event::AttributionRaised { organisation, attribution: shown } => {
            Stored::AttributionRaised(pb::AttributionRaised {
                organisation: organisation.to_string(),
                attribution: attribution(*shown).into(),
            })
        }
        Event::OrganisationInvited { invitation, organisation, role: part, participant } => {
            Stored::OrganisationInvited(pb::OrganisationInvited {
                invitation: id(invitation.as_bytes()),
                organisation: organisation.to_string(),
                role: role(*part).into(),
                participant: id(participant.as_bytes()),
            })
        }
        Event::InvitationDeclined { invitation, organisation } => Stored::InvitationDeclined(pb::InvitationDeclined {
            invitation: id(invitation.as_bytes()),
            organisation: organisation.to_string(),
        }),
        Event::ParticipantLeft { organisation } => {
            Stored::ParticipantLeft(pb::ParticipantLeft { organisation: organisation.to_string() })
        }
        Event::ParticipantRemoved { organisation, reason } => {
            let (organisation, in_header) = (organisation.to_string(), String::new());
            let header = Stored::ParticipantRemoved(pb::ParticipantRemoved { organisation, reason: in_header });
            return (header, words([reason]));
        }
        Event::RoleChanged { organisation, role: part } => {
            Stored::RoleChanged(pb::RoleChanged { organisation: organisation.to_string(), role: role(*part).into() })
        }
        Event::ConsentGiven { organisation, change } => {
            Stored::ConsentGiven(consent_given(organisation.to_string(), change))
        }
        Event::ConsentWithdrawn { organisation, scope: what, recall: asked } => {
            Stored::ConsentWithdrawn(pb::ConsentWithdrawn {
                organisation: organisation.to_string(),
                scope: Some(scope(what)),
                recall: asked.map(recall),
            })
        }
        Event::ConsentExpired { organisation } => {
            Stored::ConsentExpired(pb::ConsentExpired { organisation: organisation.to_string() })
        }
        Event::ReportFiled { organisation, report } => {
            let header = Stored::ReportFiled(pb::ReportFiled { organisation: organisation.to_string() });
            return (header, Some(report_payload(report).encode_to_vec()));
        }
        Event::MessagePosted { organisation, message } => {
            let payload = message_payload(message);
            return (
                Stored::MessagePosted(message_posted(organisation.to_string(), message)),
                Some(payload.encode_to_vec()),
            );
        }
        Event::RoomClosed => Stored::RoomClosed(pb::RoomClosed {}),
        Event::RoomReopened => Stored::RoomReopened(pb::RoomReopened {}),
        Event::TermsChanged { terms } => Stored::TermsChanged(pb::TermsChanged { terms: terms.to_string() }),
        Event::MessageRetracted { organisation, message, reason } => {
            let (organisation, message) = (organisation.to_string(), id(message.as_bytes()));
            let header = Stored::MessageRetracted(pb::MessageRetracted { organisation, message });
            return (header, words([reason]));
        }
        Event::MessageAcknowledged { organisation, message } => Stored::MessageAcknowledged(pb::MessageAcknowledged {
            organisation: organisation.to_string(),
            message: id(message.as_bytes()),
        }),
        Event::MessagesReleased { organisation, release, messages: which, to } => {
            Stored::MessagesReleased(pb::MessagesReleased {
                organisation: organisation.to_string(),
                release: id(release.as_bytes()),
                messages: messages(which),
                to: organisations(to),
            })
        }
        Event::ReleaseRevoked { organisation, release } => Stored::ReleaseRevoked(pb::ReleaseRevoked {
            organisation: organisation.to_string(),
            release: id(release.as_bytes()),
        }),
        Event::RecallAnswered { organisation, recall, answer, comment } => {
            let header = pb::RecallAnswered {
                organisation: organisation.to_string(),
                recall: id(recall.as_bytes()),
                answer: recall_answer(*answer).into(),
            };
            return (Stored::RecallAnswered(header), words([comment]));
        }
        Event::AskSuggested { organisation, source, material: what, reason } => {
            let header = pb::AskSuggested {
                organisation: organisation.to_string(),
                source: source.as_ref().map(ToString::to_string).unwrap_or_default(),
                material: material(*what).into(),
            };
            return (Stored::AskSuggested(header), words([reason]));
        }
        Event::ConsentAsked { ask, source, subject, to, reason, answer_by } => {
            use pb::consent_asked::{Subject as About, To};
            let header = Stored::ConsentAsked(pb::ConsentAsked {
                ask: id(ask.as_bytes()),
                source: source.to_string(),
                subject: Some(match subject {
                    Subject::Messages(which) => About::Messages(pb::MessageList { messages: messages(which) }),
                    Subject::Material(what) => About::Material(material(*what).into()),
                }),
                to: Some(match to {
                    AskedFor::Organisations(who) => {
                        To::Organisations(pb::OrganisationList { organisations: organisations(who) })
                    }
                    AskedFor::Audience(whom) => To::Audience(audience(*whom).into()),
                }),
                reason: String::new(),
                answer_by_us: Some(answer_by.0),
            });
            return (header, words([reason]));
        }
        Event::AskAnswered { organisation, ask, answer, comment } => {
            let header = pb::AskAnswered {
                organisation: organisation.to_string(),
                ask: id(ask.as_bytes()),
                answer: ask_answer(*answer).into(),
            };
            return (Stored::AskAnswered(header), words([comment]));
        }
        Event::AskLapsed { ask } => Stored::AskLapsed(pb::AskLapsed { ask: id(ask.as_bytes()) }),
        Event::RelayPublished { organisation, message, parents, unapproved } => {
            let payload = message_payload(message);
            let header = pb::RelayPublished {
                message: Some(message_posted(organisation.to_string(), message)),
                parents: messages(parents),
                unapproved: organisations(unapproved),
            };
            return (Stored::RelayPublished(header), Some(payload.encode_to_vec()));
        }
        Event::RelayApproved { organisation, message, to } => Stored::RelayApproved(pb::RelayApproved {
            organisation: organisation.to_string(),
            message: id(message.as_bytes()),
            to: organisations(to),
        }),
        Event::RelayRejected { organisation, message, reason } => {
            let (organisation, message) = (organisation.to_string(), id(message.as_bytes()));
            let header = Stored::RelayRejected(pb::RelayRejected { organisation, message });
            return (header, words([reason]));
        }
        Event::PoliceReportMade { organisation, reference } => {
            let header = Stored::PoliceReportMade(pb::PoliceReportMade { organisation: organisation.to_string() });
            return (header, words([reference]));
        }
        Event::PoliceReportDue { organisation } => {
            Stored::PoliceReportDue(pb::PoliceReportDue { organisation: organisation.to_string() })
        }
        Event::MessagesForwarded { organisation, messages: which, to, reason } => {
            let header = Stored::MessagesForwarded(pb::MessagesForwarded {
                organisation: organisation.to_string(),
                messages: messages(which),
                to: to.to_string(),
                reason: String::new(),
            });
            return (header, words([reason]));
        }
        Event::LegalDisclosureProposed { disclosure, duty: what } => {
            Stored::LegalDisclosureProposed(pb::LegalDisclosureProposed {
                disclosure: id(disclosure.as_bytes()),
                duty: Some(duty(what)),
            })
        }
        Event::LegallyDisclosed { disclosure, organisation, duty: what, proposed_by } => {
            Stored::LegallyDisclosed(pb::LegallyDisclosed {
                disclosure: id(disclosure.as_bytes()),
                organisation: organisation.to_string(),
                duty: Some(duty(what)),
                proposed_by: proposed_by.to_string(),
            })
        }
        Event::LegalDisclosureNotified { disclosure, organisation, duty: what } => {
            Stored::LegalDisclosureNotified(pb::LegalDisclosureNotified {
                disclosure: id(disclosure.as_bytes()),
                organisation: organisation.to_string(),
                duty: Some(duty(what)),
            })
        }
        Event::IntroductionProposed { sides } => {
            let to_each = words(sides.iter().map(|side| &side.words));
            let sides = sides.iter().map(|side| introduction_side(side, String::new())).collect();
            return (Stored::IntroductionProposed(pb::IntroductionProposed { sides }), to_each);
        }
        Event::IntroductionAnswered { organisation, introduction, accepted, contact } => {
            let header = pb::IntroductionAnswered {
                organisation: organisation.to_string(),
                introduction: id(introduction.as_bytes()),
                answer: if *accepted { pb::Answer::Yes } else { pb::Answer::No }.into(),
            };
            return (Stored::IntroductionAnswered(header), words([contact]));
        }
        Event::Introduced { sides } => {
            let contacts = words(sides.iter().map(|side| &side.words));
            let sides = sides.iter().map(|side| introduction_side(side, String::new())).collect();
            return (Stored::Introduced(pb::Introduced { sides }), contacts);
        }
        Event::ReportRead { organisation } => {
            Stored::ReportRead(pb::ReportRead { organisation: organisation.to_string() })
        }
        Event::RoomSeenAs { organisation } => {
            Stored::RoomSeenAs(pb::RoomSeenAs { organisation: organisation.to_string() })
        }
        Event::RoomExported { organisation, export } => Stored::RoomExported(pb::RoomExported {
            organisation: organisation.to_string(),
            export: id(export.as_bytes()),
        }),
        Event::AttachmentFetched { organisation, message } => Stored::AttachmentFetched(pb::AttachmentFetched {
            organisation: organisation.to_string(),
            message: id(message.as_bytes()),
        }),
        Event::ErasureProposed { erasure, what, basis } => {
            let (erasure, scope) = (id(erasure.as_bytes()), Some(erasure_scope(what)));
            Stored::ErasureProposed(pb::ErasureProposed { erasure, scope, basis: basis.to_string() })
        }
        Event::PayloadsErased { erasure, what, basis, proposed_by } => Stored::PayloadsErased(pb::PayloadsErased {
            erasure: id(erasure.as_bytes()),
            scope: Some(erasure_scope(what)),
            basis: basis.to_string(),
            proposed_by: proposed_by.to_string(),
        }),
        Event::LegalHoldPlaced { reason } => {
            Stored::LegalHoldPlaced(pb::LegalHoldPlaced { reason: reason.to_string() })
        }
        Event::LegalHoldLifted { reason } => {
            Stored::LegalHoldLifted(pb::LegalHoldLifted { reason: reason.to_string() })
        }
        Event::RetentionSet { years } => Stored::RetentionSet(pb::RetentionSet { years: years.map(u32::from) }),
        Event::AccessChanged { actor, change, by } => {
            let (change, certificate) = access_change(*change);
            let (change, actor, directory_seq) = (change.into(), actor.to_string(), by.0);
            Stored::AccessChangeRecorded(pb::AccessChangeRecorded { change, certificate, actor, directory_seq })
        }
    };
    (plain, None)
}

fn erasure_scope(what: &ErasureScope<OrganisationId>) -> pb::ErasureScope {
    use pb::erasure_scope::Scope as Stored;
    let scope = match what {
        ErasureScope::Message(message) => Stored::Message(id(message.as_bytes())),
        ErasureScope::Participant(organisation) => Stored::Organisation(organisation.to_string()),
        ErasureScope::Room => Stored::Room(true),
    };
    pb::ErasureScope { scope: Some(scope) }
}

fn access_change(change: AccessChange) -> (pb::AccessChange, Bytes) {
    match change {
        AccessChange::CertificateRevoked(certificate) => {
            (pb::AccessChange::CertificateRevoked, Bytes::copy_from_slice(&certificate))
        }
        AccessChange::ActorRevoked => (pb::AccessChange::ActorRevoked, Bytes::new()),
        AccessChange::ActorReinstated => (pb::AccessChange::ActorReinstated, Bytes::new()),
    }
}

fn words<'a>(words: impl IntoIterator<Item = &'a Arc<str>>) -> Option<Vec<u8>> {
    let words = words.into_iter().map(ToString::to_string).collect();
    Some(pb::WordsPayload { words }.encode_to_vec())
}

fn messages(messages: &[MessageId]) -> Vec<Bytes> {
    messages.iter().map(|message| id(message.as_bytes())).collect()
}

fn organisations(organisations: &[OrganisationId]) -> Vec<String> {
    organisations.iter().map(ToString::to_string).collect()
}

fn recall(recall: Recall) -> pb::Recall {
    pb::Recall { recall: id(recall.id.as_bytes()), answer_by_us: Some(recall.answer_by.0) }
}

fn duty(duty: &LegalDuty) -> pb::LegalDuty {
    pb::LegalDuty {
        statute: duty.statute.to_string(),
        messages: messages(&duty.messages),
        to: duty.to.to_string(),
        suppress_until_us: duty.suppress_until.map(|until| until.0),
    }
}

fn introduction_side(side: &IntroductionSide, words: String) -> pb::IntroductionSide {
    pb::IntroductionSide { introduction: id(side.id.as_bytes()), organisation: side.organisation.to_string(), words }
}

fn message_posted(organisation: String, message: &Message) -> pb::MessagePosted {
    pb::MessagePosted {
        organisation,
        message: id(message.id.as_bytes()),
        material: material(message.material).into(),
        tlp: tlp(message.tlp).into(),
        recipients: message.recipients.iter().map(ToString::to_string).collect(),
        red_actors: message.red_actors.iter().map(ToString::to_string).collect(),
        coordinator_only: message.coordinator_only,
        in_reply_to: message.in_reply_to.map(|parent| id(parent.as_bytes())).unwrap_or_default(),
        occurred_at_us: message.occurred_at.map(|at| at.0),
        supersedes: message.supersedes.map(|old| id(old.as_bytes())).unwrap_or_default(),
        acknowledge_by_us: message.acknowledge_by.map(|by| by.0),
        attachments: messages(&message.attachments),
        file: message.file.as_ref().map(|file| pb::AttachedFile {
            carrier: id(file.carrier.as_bytes()),
            content: id(file.content.id.as_bytes()),
            terms_of: messages(&file.terms_of),
        }),
    }
}

fn message_payload(message: &Message) -> pb::MessagePayload {
    let text = message.text.to_string();
    match &message.file {
        None => pb::MessagePayload { text, ..Default::default() },
        Some(file) => pb::MessagePayload {
            text,
            name: file.name.to_string(),
            media_type: file.media_type.to_string(),
            size: file.content.size,
            sha256: Bytes::copy_from_slice(&file.content.sha256),
        },
    }
}

fn report_payload(report: &IntakeReport) -> pb::ReportPayload {
    pb::ReportPayload {
        what_occurred: report.what_occurred.clone(),
        how_discovered: report.how_discovered.clone(),
        discovered_at_us: report.discovered_at.map(|at| at.0),
        countermeasures: report.countermeasures.clone(),
        ongoing: report.ongoing.map_or(pb::Assessment::Unspecified, assessment).into(),
        data_leak: report.data_leak.map_or(pb::Assessment::Unspecified, assessment).into(),
        help_wanted: report.help_wanted.clone(),
        contacts_made: report.contacts_made.clone(),
        police: report.police.map_or(pb::PoliceAnswer::Unspecified, police).into(),
    }
}

fn consent_given(organisation: String, change: &ConsentChange) -> pb::ConsentGiven {
    let cells = change.cells.iter().map(|(what, whom, how)| pb::consent_given::Cell {
        material: material(*what).into(),
        audience: audience(*whom).into(),
        sharing: sharing(*how).into(),
    });
    let named = change.named.iter().map(|(who, what, how)| pb::consent_given::Named {
        name: Some(name(who)),
        material: material(*what).into(),
        sharing: sharing(*how).into(),
    });
    let newcomers = change.newcomers.iter().map(|(whom, yes)| pb::consent_given::Newcomers {
        audience: audience(*whom).into(),
        answer: answer(*yes).into(),
    });
    pb::ConsentGiven {
        organisation,
        cells: cells.collect(),
        named: named.collect(),
        newcomers: newcomers.collect(),
        attribution: change.attribution.map_or(pb::Attribution::Unspecified, attribution).into(),
        police: change.police.map_or(pb::PoliceAnswer::Unspecified, police).into(),
        expiry: match change.expiry {
            ExpiryChange::Keep => None,
            ExpiryChange::Never => Some(pb::consent_given::Expiry::Never(true)),
            ExpiryChange::At(at) => Some(pb::consent_given::Expiry::AtUs(at.0)),
        },
    }
}

fn scope(scope: &Scope) -> pb::consent_withdrawn::Scope {
    use pb::consent_withdrawn::Scope as Stored;
    match scope {
        Scope::All => Stored::All(true),
        Scope::Material(what) => Stored::Material(material(*what).into()),
        Scope::Audience(whom) => Stored::Audience(audience(*whom).into()),
        Scope::Named(who) => Stored::Named(name(who)),
        Scope::Message(message) => Stored::Message(id(message.as_bytes())),
    }
}

fn name(name: &Name) -> pb::Name {
    let name = match name {
        Name::Organisation(organisation) => pb::name::Name::Organisation(organisation.to_string()),
        Name::Participant(participant) => pb::name::Name::Participant(id(participant.as_bytes())),
    };
    pb::Name { name: Some(name) }
}

pub(super) fn range(range: &Range) -> pb::DeliveryRange {
    use pb::delivery_range::run::Run as Stored;
    let runs = range.runs.iter().map(|run| pb::delivery_range::Run {
        run: Some(match run {
            Run::Entries { seq, count } => Stored::Entries(pb::delivery_range::Entries { seq: seq.0, count: *count }),
            Run::Opened { by, messages } => Stored::Opened(pb::delivery_range::Opened {
                by: by.0,
                messages: messages.iter().map(|seq| seq.0).collect(),
            }),
            Run::Notice(notice) => Stored::Notice(pb::delivery_range::Notice {
                bounds: notice.ranges.iter().flat_map(|(first, last)| [first.0, last.0]).collect(),
                recall: notice.recall.map(recall),
            }),
        }),
    });
    pb::DeliveryRange {
        actor: range.actor.to_string(),
        certificate: Bytes::copy_from_slice(&range.certificate),
        first: range.first.0,
        runs: runs.collect(),
        recorded_at_us: range.recorded_at.0,
        basis: pb::Basis::Rule.into(),
    }
}

fn role(role: Role) -> pb::Role {
    match role {
        Role::Coordinator => pb::Role::Coordinator,
        Role::AffectedOrganisation => pb::Role::AffectedOrganisation,
        Role::ThirdParty => pb::Role::ThirdParty,
        Role::Authority => pb::Role::Authority,
    }
}

fn attribution(attribution: Attribution) -> pb::Attribution {
    match attribution {
        Attribution::Hidden => pb::Attribution::Hidden,
        Attribution::Pseudonym => pb::Attribution::Pseudonym,
        Attribution::Named => pb::Attribution::Named,
    }
}

fn material(material: Material) -> pb::Material {
    match material {
        Material::Information => pb::Material::Information,
        Material::Data => pb::Material::Data,
        Material::Logs => pb::Material::Logs,
    }
}

fn audience(audience: Audience) -> pb::Audience {
    match audience {
        Audience::OtherAffectedOrganisations => pb::Audience::OtherAffectedOrganisations,
        Audience::ThirdParties => pb::Audience::ThirdParties,
    }
}

fn sharing(sharing: Sharing) -> pb::Sharing {
    match sharing {
        Sharing::NotAnswered => pb::Sharing::NotAnswered,
        Sharing::No => pb::Sharing::No,
        Sharing::Relay => pb::Sharing::Relay,
        Sharing::Direct => pb::Sharing::Direct,
    }
}

fn answer(answer: Answer) -> pb::Answer {
    match answer {
        Answer::NotAnswered => pb::Answer::NotAnswered,
        Answer::No => pb::Answer::No,
        Answer::Yes => pb::Answer::Yes,
    }
}

fn assessment(assessment: Assessment) -> pb::Assessment {
    match assessment {
        Assessment::No => pb::Assessment::No,
        Assessment::Yes => pb::Assessment::Yes,
        Assessment::Unknown => pb::Assessment::Unknown,
    }
}

fn police(answer: PoliceAnswer) -> pb::PoliceAnswer {
    match answer {
        PoliceAnswer::NotAnswered => pb::PoliceAnswer::NotAnswered,
        PoliceAnswer::No => pb::PoliceAnswer::No,
        PoliceAnswer::OrganisationReportsItself => pb::PoliceAnswer::OrganisationReportsItself,
        PoliceAnswer::CoordinatorMayForward => pb::PoliceAnswer::CoordinatorMayForward,
    }
}

fn ask_answer(answer: AskAnswer) -> pb::AskAnswer {
    match answer {
        AskAnswer::No => pb::AskAnswer::No,
        AskAnswer::RelayOnly => pb::AskAnswer::RelayOnly,
        AskAnswer::Yes => pb::AskAnswer::Yes,
    }
}

fn recall_answer(answer: RecallAnswer) -> pb::RecallAnswer {
    match answer {
        RecallAnswer::Deleted => pb::RecallAnswer::Deleted,
        RecallAnswer::RetainedByLaw => pb::RecallAnswer::RetainedByLaw,
        RecallAnswer::SharedOnward => pb::RecallAnswer::SharedOnward,
        RecallAnswer::CannotDelete => pb::RecallAnswer::CannotDelete,
    }
}

fn tlp(tlp: Tlp) -> pb::Tlp {
    match tlp {
        Tlp::Clear => pb::Tlp::Clear,
        Tlp::Green => pb::Tlp::Green,
        Tlp::Amber => pb::Tlp::Amber,
        Tlp::AmberStrict => pb::Tlp::AmberStrict,
        Tlp::Red => pb::Tlp::Red,
    }
}
