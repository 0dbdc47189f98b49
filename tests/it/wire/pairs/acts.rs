//! A command of the core as the request that means it, and the ids that the server draws for it.

use bytes::Bytes;
use prost::Message;
use samverkan::api as pb;
use samverkan::room::consent::{ConsentChange, ExpiryChange, Name, Scope};
use samverkan::room::event::{
    AccessChange, AskedFor, AttachmentDraft, Command, Draft, IntakeReport, OpenRoom, Subject,
};
use samverkan::room::ids::{MessageId, Timestamp};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::histories::{FILES, digest_of};
use crate::wire_scenarios::requests::{Spelled, number, time};

/// A request, and what the server draws in answering it.
pub(super) struct Act {
    pub(super) method: &'static str,
    pub(super) request: Bytes,
    pub(super) draws: Vec<Uuid>,
}

impl Act {
    fn new(method: &'static str, request: &impl Message) -> Self {
        Self { method, request: Bytes::from(request.encode_to_vec()), draws: Vec::new() }
    }

    fn drawing(self, draws: impl IntoIterator<Item = Uuid>) -> Self {
        Self { draws: draws.into_iter().collect(), ..self }
    }
}

/// A word of the domain as the API has it; both spell it alike.
pub(super) fn word<T: Spelled>(word: impl std::fmt::Debug) -> i32 {
    let camel = format!("{word:?}");
    let mut spelled = String::new();
    for (at, letter) in camel.char_indices() {
        if at > 0 && letter.is_uppercase() {
            spelled.push('-');
        }
        spelled.push(letter);
    }
    number::<T>(&spelled)
}

pub(super) fn name(name: &Name) -> String {
    match name {
        Name::Organisation(organisation) => organisation.to_string(),
        Name::Participant(participant) => participant.to_string(),
    }
}

fn names(all: &[Name]) -> Vec<String> {
    all.iter().map(name).collect()
}

fn ids(all: &[MessageId]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

fn moment(at: Option<Timestamp>) -> Option<prost_types::Timestamp> {
    at.map(|at| time(at.0))
}

fn attachment(draft: &AttachmentDraft) -> pb::AttachmentDraft {
    pb::AttachmentDraft {
        upload_id: draft.upload.to_string(),
        name: draft.name.to_string(),
        media_type: draft.media_type.to_string(),
        material: word::<pb::Material>(draft.material),
    }
}

/// What is uploaded before a message is posted: for each file the requests of a stream.
pub(super) fn uploads(command: &Command, room: Uuid) -> Vec<Vec<Bytes>> {
    let Command::Post { draft, .. } = command else { return Vec::new() };
    let of = |draft: &AttachmentDraft| {
        let wanted = draft.content.expect("it holds something").sha256;
        let bytes = FILES.iter().find(|bytes| digest_of(bytes) == wanted).expect("one of ours");
        upload(&room.to_string(), &draft.upload.to_string(), bytes.as_bytes())
    };
    draft.attachments.iter().map(of).collect()
}

/// A start, and all bytes.
pub(super) fn upload(room_id: &str, upload_id: &str, bytes: &[u8]) -> Vec<Bytes> {
    use pb::upload_attachment_request::Content;
    let start = pb::UploadStart {
        room_id: room_id.to_owned(),
        upload_id: upload_id.to_owned(),
        size_bytes: bytes.len() as u64,
        sha256: Sha256::digest(bytes).to_vec().into(),
    };
    [Content::Start(start), Content::Chunk(Bytes::copy_from_slice(bytes))]
        .map(|content| pb::UploadAttachmentRequest { content: Some(content) }.encode_to_vec().into())
        .to_vec()
}

pub(super) fn draft(draft: &Draft) -> pb::MessageDraft {
    pb::MessageDraft {
        material: word::<pb::Material>(draft.material),
        tlp: word::<pb::Tlp>(draft.tlp),
        text: draft.text.to_string(),
        recipients: names(&draft.recipients),
        red_actors: draft.red_actors.iter().map(ToString::to_string).collect(),
        coordinator_only: draft.coordinator_only,
        in_reply_to: draft.in_reply_to.map_or(String::new(), |id| id.to_string()),
        occurred_time: moment(draft.occurred_at),
        supersedes: draft.supersedes.map_or(String::new(), |id| id.to_string()),
        acknowledge_by_time: moment(draft.acknowledge_by),
        attachments: draft.attachments.iter().map(attachment).collect(),
    }
}

fn change(change: &ConsentChange) -> pb::ConsentChange {
    let mut named: Vec<pb::NamedSharing> = Vec::new();
    for (of, material, sharing) in &change.named {
        let name = name(of);
        let sharing =
            pb::MaterialSharing { material: word::<pb::Material>(material), sharing: word::<pb::Sharing>(sharing) };
        match named.iter_mut().find(|known| known.name == name) {
            Some(known) => known.sharings.push(sharing),
            None => named.push(pb::NamedSharing { name, sharings: vec![sharing] }),
        }
    }
    use pb::consent_change::Expiry;
    pb::ConsentChange {
        cells: change
            .cells
            .iter()
            .map(|(material, audience, sharing)| pb::ConsentCell {
                material: word::<pb::Material>(material),
                audience: word::<pb::Audience>(audience),
                sharing: word::<pb::Sharing>(sharing),
            })
            .collect(),
        named,
        newcomers: change
            .newcomers
            .iter()
            .map(|(audience, answer)| pb::NewcomersAnswer {
                audience: word::<pb::Audience>(audience),
                answer: word::<pb::Answer>(answer),
            })
            .collect(),
        attribution: change.attribution.map(word::<pb::Attribution>),
        police: change.police.map(word::<pb::PoliceAnswer>),
        expiry: match change.expiry {
            ExpiryChange::Keep => None,
            ExpiryChange::Never => Some(Expiry::ClearExpiry(true)),
            ExpiryChange::At(at) => Some(Expiry::ExpireTime(time(at.0))),
        },
    }
}

/// A report has a field of its own for the police.
fn report(report: &IntakeReport, consent: Option<&ConsentChange>) -> pb::IntakeReport {
    let sharing = consent.map(|consent| ConsentChange { police: None, ..consent.clone() });
    pb::IntakeReport {
        what_occurred: report.what_occurred.to_string(),
        police: consent.and_then(|consent| consent.police).map(word::<pb::PoliceAnswer>),
        sharing_consent: sharing.filter(|sharing| *sharing != ConsentChange::default()).as_ref().map(change),
        ..pb::IntakeReport::default()
    }
}

fn open(request_id: String, open: &OpenRoom, room: Uuid) -> Act {
    let OpenRoom { coordinator: _, coordinator_participant, title, terms, report: opening } = open;
    match opening {
        None => {
            let request = pb::OpenRoomRequest { request_id, title: title.to_string(), terms: terms.to_string() };
            Act::new("RoomService/OpenRoom", &request).drawing([coordinator_participant.0, room])
        }
        Some(opening) => {
            let report = Some(report(&opening.report, Some(&opening.consent)));
            let request = pb::ReportIncidentRequest { request_id, report };
            let draws = [opening.participant.0, coordinator_participant.0, room];
            Act::new("IntakeService/ReportIncident", &request).drawing(draws)
        }
    }
}

/// The request of this command, in this room. `None`: no request of a room means it.
pub(super) fn act(command: &Command, request_id: String, room: Uuid) -> Option<Act> {
    let room_id = room.to_string();
    Some(match command {
        Command::OpenRoom(opening) => open(request_id, opening, room),
        Command::AmendReport { report: answers, consent } => {
            let report = Some(report(answers, consent.as_deref()));
            Act::new("IntakeService/AmendReport", &pb::AmendReportRequest { request_id, room_id, report })
        }
        Command::Invite { invitation, organisation, role, participant } => {
            let (organisation_id, role) = (organisation.to_string(), word::<pb::Role>(role));
            let request = pb::InviteOrganisationRequest { request_id, room_id, organisation_id, role };
            Act::new("RoomService/InviteOrganisation", &request).drawing([invitation.0, participant.0])
        }
        Command::AcceptInvitation { invitation, consent } => {
            let (invitation_id, consent) = (invitation.to_string(), Some(change(consent)));
            let request = pb::AcceptInvitationRequest { request_id, invitation_id, consent };
            Act::new("RoomService/AcceptInvitation", &request)
        }
        Command::DeclineInvitation { invitation } => {
            let request = pb::DeclineInvitationRequest { request_id, invitation_id: invitation.to_string() };
            Act::new("RoomService/DeclineInvitation", &request)
        }
        Command::Leave => Act::new("RoomService/LeaveRoom", &pb::LeaveRoomRequest { request_id, room_id }),
        Command::Remove { participant, reason } => {
            let (participant, reason) = (name(participant), reason.to_string());
            let request = pb::RemoveParticipantRequest { request_id, room_id, participant, reason };
            Act::new("RoomService/RemoveParticipant", &request)
        }
        Command::RemoveSuspended { .. } => return None,
        Command::RecordAccessChange { actor, change, by: _ } => {
            let (actor, reason) = (actor.to_string(), "r".to_owned());
            match change {
                AccessChange::ActorRevoked => {
                    Act::new("AccessService/RevokeActor", &pb::RevokeActorRequest { request_id, actor, reason })
                }
                AccessChange::ActorReinstated => {
                    Act::new("AccessService/ReinstateActor", &pb::ReinstateActorRequest { request_id, actor, reason })
                }
                AccessChange::CertificateRevoked(certificate) => {
                    let certificate_sha256 = samverkan::identity::summary::hex(certificate);
                    let request = pb::RevokeCertificateRequest { request_id, certificate_sha256, actor, reason };
                    Act::new("AccessService/RevokeCertificate", &request)
                }
            }
        }
        Command::ChangeRole { participant, role } => {
            let (participant, role) = (name(participant), word::<pb::Role>(role));
            let request = pb::ChangeRoleRequest { request_id, room_id, participant, role };
            Act::new("RoomService/ChangeRole", &request)
        }
        Command::GiveConsent { change: given, expected_version } => {
            let (change, expected_version) = (Some(change(given)), *expected_version);
            let request = pb::GiveConsentRequest { request_id, room_id, change, expected_version };
            Act::new("ConsentService/GiveConsent", &request)
        }
        Command::WithdrawConsent { scope, recall } => {
            use pb::withdraw_consent_request::Scope as Wire;
            let scope = match scope {
                Scope::All => Wire::All(true),
                Scope::Material(material) => Wire::Material(word::<pb::Material>(material)),
                Scope::Audience(audience) => Wire::Audience(word::<pb::Audience>(audience)),
                Scope::Named(of) => Wire::Name(name(of)),
                Scope::Message(id) => Wire::MessageId(id.to_string()),
            };
            let (scope, recall_answer_by_time) = (Some(scope), recall.map(|recall| time(recall.answer_by.0)));
            let request = pb::WithdrawConsentRequest { request_id, room_id, scope, recall_answer_by_time };
            Act::new("ConsentService/WithdrawConsent", &request).drawing(recall.map(|recall| recall.id.0))
        }
        Command::Post { message, draft: wished } => {
            let request = pb::PostMessageRequest { request_id, room_id, draft: Some(draft(wished)) };
            let draws = wished.attachments.iter().map(|attachment| attachment.id.0).chain([message.0]);
            Act::new("MessageService/PostMessage", &request).drawing(draws)
        }
        Command::RecordExport { export } => {
            Act::new("RoomService/RecordExport", &pb::RecordExportRequest { request_id, room_id }).drawing([export.0])
        }
        Command::Close => Act::new("RoomService/CloseRoom", &pb::CloseRoomRequest { request_id, room_id }),
        Command::Reopen => Act::new("RoomService/ReopenRoom", &pb::ReopenRoomRequest { request_id, room_id }),
        Command::ChangeTerms { terms } => {
            let terms = terms.to_string();
            Act::new("RoomService/ChangeTerms", &pb::ChangeTermsRequest { request_id, room_id, terms })
        }
        _ => return of_consent(command, request_id, room_id),
    })
}

/// What came with consent in full.
fn of_consent(command: &Command, request_id: String, room_id: String) -> Option<Act> {
    Some(match command {
        Command::Retract { message, reason } => {
            let (message_id, reason) = (message.to_string(), reason.to_string());
            let request = pb::RetractMessageRequest { request_id, room_id, message_id, reason };
            Act::new("MessageService/RetractMessage", &request)
        }
        Command::Acknowledge { message } => {
            let request = pb::AcknowledgeMessageRequest { request_id, room_id, message_id: message.to_string() };
            Act::new("MessageService/AcknowledgeMessage", &request)
        }
        Command::Release { release, messages, to } => {
            let (message_ids, recipients) = (ids(messages), names(to));
            let request = pb::ReleaseMessagesRequest { request_id, room_id, message_ids, recipients };
            Act::new("ConsentService/ReleaseMessages", &request).drawing([release.0])
        }
        Command::RevokeRelease { release } => {
            let request = pb::RevokeReleaseRequest { request_id, room_id, release_id: release.to_string() };
            Act::new("ConsentService/RevokeRelease", &request)
        }
        Command::AnswerRecall { recall, answer, comment } => {
            let (recall_id, comment) = (recall.to_string(), comment.to_string());
            let answer = word::<pb::RecallAnswer>(answer);
            let request = pb::AnswerRecallRequest { request_id, room_id, recall_id, answer, comment };
            Act::new("ConsentService/AnswerRecall", &request)
        }
        Command::SuggestAsk { source, material, reason } => {
            let (source, material) = (source.as_ref().map_or(String::new(), name), word::<pb::Material>(material));
            let request = pb::SuggestAskRequest { request_id, room_id, source, material, reason: reason.to_string() };
            Act::new("ConsentService/SuggestAsk", &request)
        }
        Command::Ask { ask, source, subject, to, reason, answer_by } => {
            use pb::ask_for_consent_request::{Subject as About, To};
            let subject = match subject {
                Subject::Messages(messages) => About::Messages(pb::MessageIds { message_ids: ids(messages) }),
                Subject::Material(material) => About::Material(word::<pb::Material>(material)),
            };
            let to = match to {
                AskedFor::Organisations(to) => To::Participants(pb::ParticipantNames { names: names(to) }),
                AskedFor::Audience(audience) => To::Audience(word::<pb::Audience>(audience)),
            };
            let request = pb::AskForConsentRequest {
                request_id,
                room_id,
                source: name(source),
                subject: Some(subject),
                to: Some(to),
                reason: reason.to_string(),
                answer_by_time: Some(time(answer_by.0)),
            };
            Act::new("ConsentService/AskForConsent", &request).drawing([ask.0])
        }
        Command::AnswerAsk { ask, answer, comment, release } => {
            let (ask_id, comment) = (ask.to_string(), comment.to_string());
            let answer = word::<pb::AskAnswer>(answer);
            let request = pb::AnswerAskRequest { request_id, room_id, ask_id, answer, comment };
            Act::new("ConsentService/AnswerAsk", &request).drawing([release.0])
        }
        Command::PublishRelay { message, draft } => {
            let draft = pb::RelayDraft {
                parent_message_ids: ids(&draft.parents),
                material: word::<pb::Material>(draft.material),
                tlp: word::<pb::Tlp>(draft.tlp),
                text: draft.text.to_string(),
                recipients: names(&draft.recipients),
                supersedes: draft.supersedes.map_or(String::new(), |id| id.to_string()),
                acknowledge_by_time: moment(draft.acknowledge_by),
            };
            let request = pb::PublishRelayRequest { request_id, room_id, draft: Some(draft) };
            Act::new("RelayService/PublishRelay", &request).drawing([message.0])
        }
        Command::ApproveRelay { message, text_digest, to } => {
            let (message_id, text_sha256) = (message.to_string(), Bytes::copy_from_slice(text_digest));
            let request =
                pb::ApproveRelayRequest { request_id, room_id, message_id, text_sha256, recipients: names(to) };
            Act::new("RelayService/ApproveRelay", &request)
        }
        Command::RejectRelay { message, reason } => {
            let (message_id, reason) = (message.to_string(), reason.to_string());
            let request = pb::RejectRelayRequest { request_id, room_id, message_id, reason };
            Act::new("RelayService/RejectRelay", &request)
        }
        Command::RecordPoliceReport { reference } => {
            let request = pb::RecordPoliceReportRequest { request_id, room_id, reference: reference.to_string() };
            Act::new("IntakeService/RecordPoliceReport", &request)
        }
        Command::Forward { messages, to, reason } => {
            let (message_ids, authority, reason) = (ids(messages), name(to), reason.to_string());
            let request = pb::ForwardMessagesRequest { request_id, room_id, message_ids, authority, reason };
            Act::new("CoordinationService/ForwardMessages", &request)
        }
        Command::ProposeLegalDisclosure { disclosure, statute, messages, to, suppress_until } => {
            let request = pb::ProposeLegalDisclosureRequest {
                request_id,
                room_id,
                statute: statute.to_string(),
                message_ids: ids(messages),
                receiver: name(to),
                suppress_until_time: moment(*suppress_until),
            };
            Act::new("CoordinationService/ProposeLegalDisclosure", &request).drawing([disclosure.0])
        }
        Command::ConfirmLegalDisclosure { disclosure } => {
            let disclosure_id = disclosure.to_string();
            let request = pb::ConfirmLegalDisclosureRequest { request_id, room_id, disclosure_id };
            Act::new("CoordinationService/ConfirmLegalDisclosure", &request)
        }
        Command::ProposeIntroduction { sides } => {
            let side = |participant: &Name, text: &str| pb::IntroductionSide {
                participant: name(participant),
                text: text.to_owned(),
            };
            let draws: Vec<_> = sides.iter().map(|(id, _, _)| id.0).collect();
            let sides = sides.iter().map(|(_, participant, words)| side(participant, words)).collect();
            let request = pb::ProposeIntroductionRequest { request_id, room_id, sides };
            Act::new("CoordinationService/ProposeIntroduction", &request).drawing(draws)
        }
        Command::AnswerIntroduction { introduction, accepted, contact } => {
            use pb::answer_introduction_request::Answer;
            let answer = if *accepted {
                Answer::Accepted(pb::IntroductionAccepted { contact: contact.to_string() })
            } else {
                Answer::Declined(pb::IntroductionDeclined::default())
            };
            let (introduction_id, answer) = (introduction.to_string(), Some(answer));
            let request = pb::AnswerIntroductionRequest { request_id, room_id, introduction_id, answer };
            Act::new("CoordinationService/AnswerIntroduction", &request)
        }
        Command::ReadReport { of } => {
            let request = pb::GetReportRequest { room_id, participant: name(of), ..pb::GetReportRequest::default() };
            Act::new("IntakeService/GetReport", &request)
        }
        Command::SeeAs { participant } => {
            let request = pb::SeeAsRequest { room_id, participant: name(participant), ..pb::SeeAsRequest::default() };
            Act::new("CoordinationService/SeeAs", &request)
        }
        other => panic!("no request means {other:?}"),
    })
}
