//! Every method of the server, asked about what is one's own, another's, hidden, elsewhere and nowhere. What is served and not asked here
//! fails the test.

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message;
use prost_types::FileDescriptorSet;
use samverkan::api as pb;
use tonic_health::pb as health;
use tonic_reflection::pb::v1 as reflection;

use super::acts;
use super::things::Things;
use crate::histories::{Rng, digest_of, id_of};
use crate::world::logs;

/// The request for the page after this answer, if there is one.
type Next = Box<dyn Fn(&Bytes) -> Option<Bytes> + Send + Sync>;

/// One call.
pub(super) struct Probe {
    pub(super) method: String,
    pub(super) requests: Vec<Bytes>,
    pub(super) next: Option<Next>,
}

/// Every method that is served, as `Service/Method`; those of other packages with the package.
pub(super) fn served() -> BTreeSet<String> {
    let sets = [
        pb::DESCRIPTORS,
        health::FILE_DESCRIPTOR_SET,
        reflection::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let files = sets.iter().flat_map(|set| FileDescriptorSet::decode(*set).expect("descriptors decode").file);
    let mut methods = BTreeSet::new();
    for file in files {
        for service in &file.service {
            for method in &service.method {
                let path = format!("{}.{}/{}", file.package(), service.name(), method.name());
                methods.insert(path.strip_prefix("samverkan.v1.").unwrap_or(&path).to_owned());
            }
        }
    }
    methods
}

/// What changes nothing, and can be asked at any time.
pub(super) fn reads(things: &Things, rng: Rng) -> Vec<Probe> {
    let mut all = Asking { things, rng, made: Vec::new() };
    all.reads();
    all.made
}

/// Every method.
pub(super) fn everything(things: &Things, rng: Rng) -> Vec<Probe> {
    let mut all = Asking { things, rng, made: Vec::new() };
    all.reads();
    all.messages();
    all.consent();
    all.coordination();
    all.standard();
    all.taking_back();
    all.rooms();
    all.made
}

struct Asking<'a> {
    things: &'a Things,
    rng: Rng,
    made: Vec<Probe>,
}

/// Asks for page after page: a request, the kind of its answer, two items a page.
macro_rules! paged {
    ($all:expr, $method:literal, $answer:ident, $request:expr) => {{
        let request = $request;
        let next = {
            let request = request.clone();
            move |answer: &Bytes| {
                let token = pb::$answer::decode(answer.clone()).ok()?.next_page_token;
                let mut request = request.clone();
                request.page_token = token;
                (!request.page_token.is_empty()).then(|| Bytes::from(request.encode_to_vec()))
            }
        };
        $all.ask($method, &request);
        $all.made.last_mut().expect("just made").next = Some(Box::new(next));
    }};
}

impl Asking<'_> {
    fn ask(&mut self, method: &str, request: &impl Message) {
        self.ask_all(method, vec![Bytes::from(request.encode_to_vec())]);
    }

    fn ask_all(&mut self, method: &str, requests: Vec<Bytes>) {
        self.made.push(Probe { method: method.to_owned(), requests, next: None });
    }

    fn id(&self) -> String {
        let name = format!("{}/{}", self.things.label, self.made.len());
        uuid::Uuid::from_bytes(id_of(&name)).to_string()
    }

    /// All of these in the room of the pair; one of them in every other room.
    fn cases(&mut self, of: &[String]) -> Vec<(String, String)> {
        let (here, elsewhere) = self.things.rooms.split_first().expect("the room of the pair");
        let mut cases: Vec<_> = of.iter().map(|thing| (here.clone(), thing.clone())).collect();
        cases.extend(elsewhere.iter().map(|room| (room.clone(), self.rng.pick(of))));
        cases
    }

    fn other(&mut self) -> String {
        self.rng.pick(&self.things.names)
    }

    fn drafts(&mut self) -> Vec<pb::MessageDraft> {
        let Things { names, messages, later, .. } = self.things;
        let plain = logs("a probe");
        let mut drafts = vec![
            plain.clone(),
            pb::MessageDraft { coordinator_only: true, acknowledge_by_time: *later, ..plain.clone() },
            pb::MessageDraft { tlp: pb::Tlp::Unspecified.into(), ..plain.clone() },
        ];
        drafts.extend(names.iter().map(|name| pb::MessageDraft { recipients: vec![name.clone()], ..plain.clone() }));
        drafts.extend(names.iter().filter(|name| name.len() < 30).map(|name| pb::MessageDraft {
            tlp: pb::Tlp::Red.into(),
            red_actors: vec![format!("org/{name}/user/eva")],
            ..plain.clone()
        }));
        drafts.extend(messages.iter().flat_map(|id| {
            let reply = pb::MessageDraft { in_reply_to: id.clone(), ..plain.clone() };
            [reply, pb::MessageDraft { supersedes: id.clone(), ..plain.clone() }]
        }));
        drafts
    }

    fn relay_draft(&mut self, parent: String) -> pb::RelayDraft {
        pb::RelayDraft {
            parent_message_ids: vec![parent],
            material: pb::Material::Logs.into(),
            tlp: pb::Tlp::Amber.into(),
            text: "a probe".to_owned(),
            recipients: vec![self.other()],
            ..pb::RelayDraft::default()
        }
    }

    fn reads(&mut self) {
        let Things { rooms, names, messages, .. } = self.things;
        for (n, room_id) in rooms.iter().cloned().enumerate() {
            self.ask("RoomService/GetRoom", &pb::GetRoomRequest { room_id: room_id.clone() });
            let pages = [(0, 0), (0, 3), (2, 1000), (1 << 40, 1)];
            for &(after_index, page_size) in if n == 0 { &pages[..] } else { &pages[..1] } {
                let request = pb::ListMessagesRequest { room_id: room_id.clone(), after_index, page_size };
                self.ask("MessageService/ListMessages", &request);
            }
            let request =
                pb::ListParticipantsRequest { room_id: room_id.clone(), page_size: 2, page_token: String::new() };
            paged!(self, "RoomService/ListParticipants", ListParticipantsResponse, request);
            for participant in [String::new(), self.other()] {
                let request = pb::GetConsentRequest { room_id: room_id.clone(), participant: participant.clone() };
                self.ask("ConsentService/GetConsent", &request);
                let (room_id, page_token) = (room_id.clone(), String::new());
                let request = pb::GetReportRequest { room_id, participant, page_size: 2, page_token };
                paged!(self, "IntakeService/GetReport", GetReportResponse, request);
            }
            let request = pb::SubscribeRequest { room_id: room_id.clone(), after_index: 1 << 40 };
            self.ask("MessageService/Subscribe", &request);
        }
        for (room_id, message_id) in self.cases(messages) {
            let page_token = String::new();
            let request = pb::GetReceiptsRequest {
                room_id: room_id.clone(),
                message_id: message_id.clone(),
                page_size: 2,
                page_token,
            };
            paged!(self, "MessageService/GetReceipts", GetReceiptsResponse, request);
            let participant = self.other();
            let request = pb::ExplainAudienceRequest { room_id, message_id, participant };
            self.ask("MessageService/ExplainAudience", &request);
        }
        for (room_id, message_id) in self.cases(messages) {
            let request = pb::DownloadAttachmentRequest { room_id, message_id, ..Default::default() };
            self.ask("AttachmentService/DownloadAttachment", &request);
        }
        for room_id in rooms.clone() {
            // The reader's own upload each time, which is nobody's to see until it is posted.
            let requests = acts::upload(&room_id, &self.id(), b"a probe");
            self.ask_all("AttachmentService/UploadAttachment", requests);
        }
        for draft in self.drafts() {
            if self.rng.chance(60) {
                continue;
            }
            let request = pb::PreviewAudienceRequest { room_id: rooms[0].clone(), draft: Some(draft) };
            self.ask("ConsentService/PreviewAudience", &request);
        }
        for room_id in rooms[1..].iter().cloned() {
            let request = pb::PreviewAudienceRequest { room_id, draft: Some(logs("a probe")) };
            self.ask("ConsentService/PreviewAudience", &request);
        }
        for (room_id, parent) in self.cases(messages) {
            let draft = Some(self.relay_draft(parent));
            self.ask("RelayService/PreviewRelay", &pb::PreviewRelayRequest { room_id, draft });
        }
        for (room_id, participant) in self.cases(names) {
            let request = pb::SeeAsRequest { room_id, participant, page_size: 2, page_token: String::new() };
            self.ask("CoordinationService/SeeAs", &request);
        }
        for room_id in rooms.clone() {
            let list = pb::ListErasuresRequest { room_id: room_id.clone(), ..pb::ListErasuresRequest::default() };
            self.ask("ErasureService/ListErasures", &list);
            let erasure_id = self.id();
            let request = pb::ConfirmErasureRequest { request_id: self.id(), room_id: room_id.clone(), erasure_id };
            self.ask("ErasureService/ConfirmErasure", &request);
            let request =
                pb::PlaceLegalHoldRequest { request_id: self.id(), room_id: room_id.clone(), reason: "why".into() };
            self.ask("ErasureService/PlaceLegalHold", &request);
            let request =
                pb::LiftLegalHoldRequest { request_id: self.id(), room_id: room_id.clone(), reason: "why".into() };
            self.ask("ErasureService/LiftLegalHold", &request);
            let request = pb::SetRetentionRequest { request_id: self.id(), room_id: room_id.clone(), years: Some(5) };
            self.ask("ErasureService/SetRetention", &request);
            let request = pb::ListConnectionsRequest { room_id, ..pb::ListConnectionsRequest::default() };
            self.ask("CoordinationService/ListConnections", &request);
        }
        let request = pb::ListRoomsRequest { page_size: 1, page_token: String::new() };
        paged!(self, "RoomService/ListRooms", ListRoomsResponse, request);
        self.ask("RoomService/ListRooms", &pb::ListRoomsRequest::default());
        let request = pb::ListInvitationsRequest { page_size: 1, page_token: String::new() };
        paged!(self, "RoomService/ListInvitations", ListInvitationsResponse, request);
        self.ask("AuditService/ListAuditRecords", &pb::ListAuditRecordsRequest::default());
        self.ask("AuditService/TailAuditRecords", &pb::TailAuditRecordsRequest::default());
        self.ask("BackupService/TakeBackup", &pb::TakeBackupRequest::default());
        self.ask("ErasureService/ListRetention", &pb::ListRetentionRequest::default());
        self.ask("InviteService/ListInvites", &pb::ListInvitesRequest::default());
        let invite_id = self.id();
        let request = pb::RevokeInviteRequest { request_id: self.id(), invite_id };
        self.ask("InviteService/RevokeInvite", &request);
        let request = pb::CreateInviteRequest { request_id: self.id(), ..pb::CreateInviteRequest::default() };
        self.ask("InviteService/CreateInvite", &request);
        let request =
            pb::ApproveInviteRequest { request_id: self.id(), code: "0000-0000".into(), ..Default::default() };
        self.ask("InviteService/ApproveInvite", &request);
        let request = pb::RenewCertificateRequest { request_id: self.id(), ..pb::RenewCertificateRequest::default() };
        self.ask("CertificateService/RenewCertificate", &request);
        self.ask("EnrolmentService/Enrol", &pb::EnrolRequest::default());
        self.ask("OrganisationService/ListOrganisations", &pb::ListOrganisationsRequest::default());
        self.ask("AccessService/ListRevocations", &pb::ListRevocationsRequest::default());
        self.ask("AccessService/ListLiveConnections", &pb::ListLiveConnectionsRequest::default());
        for organisation_id in names.clone() {
            self.ask("OrganisationService/GetOrganisation", &pb::GetOrganisationRequest { organisation_id });
        }
    }

    fn messages(&mut self) {
        let Things { rooms, messages, .. } = self.things;
        for (room_id, message_id) in self.cases(messages) {
            let (request_id, room, message) = (self.id(), room_id.clone(), message_id.clone());
            let request = pb::AcknowledgeMessageRequest { request_id, room_id: room, message_id: message };
            self.ask("MessageService/AcknowledgeMessage", &request);
        }
        for draft in self.drafts() {
            let (request_id, room_id) = (self.id(), rooms[0].clone());
            let request = pb::PostMessageRequest { request_id, room_id, draft: Some(draft) };
            self.ask("MessageService/PostMessage", &request);
        }
        for room_id in rooms.clone() {
            let request = pb::RecordExportRequest { request_id: self.id(), room_id: room_id.clone() };
            self.ask("RoomService/RecordExport", &request);
            let (request_id, draft) = (self.id(), Some(logs("a probe")));
            let request = pb::PostMessageRequest { request_id, room_id: room_id.clone(), draft };
            self.ask("MessageService/PostMessage", &request);
            let drafts = self.drafts();
            let mut requests = Vec::new();
            for n in 0..4 {
                let request = pb::PostMessagesRequest {
                    request_id: uuid::Uuid::from_bytes(id_of(&format!("{}/{n}", self.id()))).to_string(),
                    room_id: room_id.clone(),
                    draft: Some(self.rng.pick(&drafts)),
                };
                requests.push(Bytes::from(request.encode_to_vec()));
            }
            self.ask_all("MessageService/PostMessages", requests);
        }
    }

    fn consent(&mut self) {
        let Things { names, messages, releases, asks, recalls, later, .. } = self.things;
        for (room_id, name) in self.cases(names) {
            let (request_id, material) = (self.id(), pb::Material::Data.into());
            let sharings = vec![pb::MaterialSharing { material, sharing: pb::Sharing::Relay.into() }];
            let named = vec![pb::NamedSharing { name: name.clone(), sharings }];
            let change = Some(pb::ConsentChange { named, ..pb::ConsentChange::default() });
            let request =
                pb::GiveConsentRequest { request_id, room_id: room_id.clone(), change, expected_version: None };
            self.ask("ConsentService/GiveConsent", &request);
            let request = pb::SuggestAskRequest {
                request_id: self.id(),
                room_id: room_id.clone(),
                source: name.clone(),
                material,
                reason: "a probe".to_owned(),
            };
            self.ask("ConsentService/SuggestAsk", &request);
            use pb::ask_for_consent_request::{Subject, To};
            let request = pb::AskForConsentRequest {
                request_id: self.id(),
                room_id,
                source: name,
                subject: Some(Subject::Messages(pb::MessageIds { message_ids: vec![self.rng.pick(messages)] })),
                to: Some(To::Participants(pb::ParticipantNames { names: vec![self.other()] })),
                reason: "a probe".to_owned(),
                answer_by_time: *later,
            };
            self.ask("ConsentService/AskForConsent", &request);
        }
        for (room_id, message_id) in self.cases(messages) {
            for recipient in [names[0].clone(), names[1].clone(), self.other()] {
                let request = pb::ReleaseMessagesRequest {
                    request_id: self.id(),
                    room_id: room_id.clone(),
                    message_ids: vec![message_id.clone()],
                    recipients: vec![recipient],
                };
                self.ask("ConsentService/ReleaseMessages", &request);
            }
        }
        for (room_id, release_id) in self.cases(releases) {
            let request = pb::RevokeReleaseRequest { request_id: self.id(), room_id, release_id };
            self.ask("ConsentService/RevokeRelease", &request);
        }
        for (room_id, ask_id) in self.cases(asks) {
            for answer in [pb::AskAnswer::Yes, pb::AskAnswer::No] {
                let request = pb::AnswerAskRequest {
                    request_id: self.id(),
                    room_id: room_id.clone(),
                    ask_id: ask_id.clone(),
                    answer: answer.into(),
                    comment: "a probe".to_owned(),
                };
                self.ask("ConsentService/AnswerAsk", &request);
            }
        }
        for (room_id, recall_id) in self.cases(recalls) {
            let (request_id, answer) = (self.id(), pb::RecallAnswer::Deleted.into());
            let request = pb::AnswerRecallRequest { request_id, room_id, recall_id, answer, comment: String::new() };
            self.ask("ConsentService/AnswerRecall", &request);
        }
    }

    fn coordination(&mut self) {
        let Things { rooms, names, messages, relays, texts, introductions, disclosures, .. } = self.things;
        let reason = || "a probe".to_owned();
        for (room_id, message_id) in self.cases(messages) {
            let (room_of_message, message_to_erase) = (room_id.clone(), message_id.clone());
            let (request_id, draft) = (self.id(), Some(self.relay_draft(message_id.clone())));
            let request = pb::PublishRelayRequest { request_id, room_id: room_id.clone(), draft };
            self.ask("RelayService/PublishRelay", &request);
            let request = pb::ForwardMessagesRequest {
                request_id: self.id(),
                room_id: room_id.clone(),
                message_ids: vec![message_id.clone()],
                authority: self.other(),
                reason: reason(),
            };
            self.ask("CoordinationService/ForwardMessages", &request);
            let request = pb::ProposeLegalDisclosureRequest {
                request_id: self.id(),
                room_id,
                statute: reason(),
                message_ids: vec![message_id],
                receiver: self.other(),
                suppress_until_time: None,
            };
            self.ask("CoordinationService/ProposeLegalDisclosure", &request);
            let request = pb::ProposeErasureRequest {
                request_id: self.id(),
                room_id: room_of_message,
                scope: Some(pb::propose_erasure_request::Scope::MessageId(message_to_erase)),
                basis: reason(),
            };
            self.ask("ErasureService/ProposeErasure", &request);
        }
        for (room_id, message_id) in self.cases(relays) {
            let digest = texts.get(&message_id).map_or([7; 32], |text| digest_of(text));
            let request = pb::ApproveRelayRequest {
                request_id: self.id(),
                room_id: room_id.clone(),
                message_id: message_id.clone(),
                text_sha256: Bytes::copy_from_slice(&digest),
                recipients: Vec::new(),
            };
            self.ask("RelayService/ApproveRelay", &request);
            let request = pb::RejectRelayRequest { request_id: self.id(), room_id, message_id, reason: reason() };
            self.ask("RelayService/RejectRelay", &request);
        }
        for (room_id, disclosure_id) in self.cases(disclosures) {
            let request = pb::ConfirmLegalDisclosureRequest { request_id: self.id(), room_id, disclosure_id };
            self.ask("CoordinationService/ConfirmLegalDisclosure", &request);
        }
        for (room_id, participant) in self.cases(names) {
            let sides = [participant, self.other()];
            let sides = sides.map(|participant| pb::IntroductionSide { participant, text: reason() }).to_vec();
            let request = pb::ProposeIntroductionRequest { request_id: self.id(), room_id, sides };
            self.ask("CoordinationService/ProposeIntroduction", &request);
        }
        for (room_id, introduction_id) in self.cases(introductions) {
            use pb::answer_introduction_request::Answer;
            let request_id = self.id();
            let answer = Some(Answer::Accepted(pb::IntroductionAccepted { contact: reason() }));
            let request = pb::AnswerIntroductionRequest { request_id, room_id, introduction_id, answer };
            self.ask("CoordinationService/AnswerIntroduction", &request);
        }
        for room_id in rooms.clone() {
            let (request_id, other_room_id) = (self.id(), self.rng.pick(rooms));
            let request = pb::RecordConnectionRequest { request_id, room_id, other_room_id, reason: reason() };
            self.ask("CoordinationService/RecordConnection", &request);
        }
        for organisation_id in names.iter().filter(|name| name.len() < 30).cloned() {
            let (request_id, display_name) = (self.id(), organisation_id.to_uppercase());
            let organisation = organisation_id.clone();
            let request = pb::RegisterOrganisationRequest { request_id, organisation_id: organisation, display_name };
            self.ask("OrganisationService/RegisterOrganisation", &request);
            // Nobody who is here.
            let actor = format!("org/{organisation_id}/user/gone-{}", self.made.len());
            let request = pb::RevokeActorRequest { request_id: self.id(), actor: actor.clone(), reason: reason() };
            self.ask("AccessService/RevokeActor", &request);
            let (request_id, certificate_sha256) = (self.id(), format!("{:064x}", self.made.len()));
            let request =
                pb::RevokeCertificateRequest { request_id, certificate_sha256, actor: actor.clone(), reason: reason() };
            self.ask("AccessService/RevokeCertificate", &request);
            let request = pb::ReinstateActorRequest { request_id: self.id(), actor, reason: reason() };
            self.ask("AccessService/ReinstateActor", &request);
            let request_id = self.id();
            let request = pb::SuspendOrganisationRequest { request_id, organisation_id, reason: reason() };
            self.ask("OrganisationService/SuspendOrganisation", &request);
        }
    }

    /// After everything that asks about them.
    fn taking_back(&mut self) {
        let Things { messages, later, .. } = self.things;
        for (room_id, message_id) in self.cases(messages) {
            let withdraws = self.rng.chance(50);
            let (request_id, reason) = (self.id(), "a probe".to_owned());
            let (room, message) = (room_id.clone(), message_id.clone());
            let retract = pb::RetractMessageRequest { request_id, room_id: room, message_id: message, reason };
            let (request_id, scope) = (self.id(), pb::withdraw_consent_request::Scope::MessageId(message_id));
            let scope = Some(scope);
            let withdraw = pb::WithdrawConsentRequest { request_id, room_id, scope, recall_answer_by_time: *later };
            if withdraws {
                self.ask("ConsentService/WithdrawConsent", &withdraw);
            }
            self.ask("MessageService/RetractMessage", &retract);
            if !withdraws {
                self.ask("ConsentService/WithdrawConsent", &withdraw);
            }
        }
    }

    fn standard(&mut self) {
        for service in ["", "samverkan.v1.RoomService", "nothing"] {
            let request = health::HealthCheckRequest { service: service.to_owned() };
            self.ask("grpc.health.v1.Health/Check", &request);
            self.ask("grpc.health.v1.Health/Watch", &request);
        }
        use reflection::server_reflection_request::MessageRequest;
        for what in [
            MessageRequest::ListServices(String::new()),
            MessageRequest::FileContainingSymbol("samverkan.v1.RoomService".to_owned()),
            MessageRequest::FileContainingSymbol("samverkan.storage.v1.Frame".to_owned()),
        ] {
            let request = reflection::ServerReflectionRequest { host: String::new(), message_request: Some(what) };
            self.ask("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", &request);
            self.ask("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &request);
        }
    }

    fn rooms(&mut self) {
        let Things { rooms, names, invitations, .. } = self.things;
        let reason = || "a probe".to_owned();
        let request = pb::OpenRoomRequest { request_id: self.id(), title: reason(), terms: String::new() };
        self.ask("RoomService/OpenRoom", &request);
        let report = pb::IntakeReport { what_occurred: reason(), ..pb::IntakeReport::default() };
        for room_id in rooms.clone() {
            let (request_id, report) = (self.id(), Some(report.clone()));
            let request = pb::AmendReportRequest { request_id, room_id: room_id.clone(), report };
            self.ask("IntakeService/AmendReport", &request);
            let request_id = self.id();
            let request = pb::RecordPoliceReportRequest { request_id, room_id: room_id.clone(), reference: reason() };
            self.ask("IntakeService/RecordPoliceReport", &request);
            let request = pb::ChangeTermsRequest { request_id: self.id(), room_id: room_id.clone(), terms: reason() };
            self.ask("RoomService/ChangeTerms", &request);
            let request = pb::CloseRoomRequest { request_id: self.id(), room_id: room_id.clone() };
            self.ask("RoomService/CloseRoom", &request);
            self.ask("RoomService/ReopenRoom", &pb::ReopenRoomRequest { request_id: self.id(), room_id });
        }
        for (room_id, name) in self.cases(names) {
            let (request_id, role) = (self.id(), pb::Role::ThirdParty.into());
            let (room, organisation_id) = (room_id.clone(), name.clone());
            let request = pb::InviteOrganisationRequest { request_id, room_id: room, organisation_id, role };
            self.ask("RoomService/InviteOrganisation", &request);
            let (request_id, room, participant) = (self.id(), room_id.clone(), name.clone());
            let request = pb::ChangeRoleRequest { request_id, room_id: room, participant, role };
            self.ask("RoomService/ChangeRole", &request);
            let request_id = self.id();
            let request = pb::RemoveParticipantRequest { request_id, room_id, participant: name, reason: reason() };
            self.ask("RoomService/RemoveParticipant", &request);
        }
        // One report more is one room more for its reporter.
        let request = pb::ReportIncidentRequest { request_id: self.id(), report: Some(report) };
        self.ask("IntakeService/ReportIncident", &request);
        for invitation_id in invitations.iter().rev().cloned() {
            let (request_id, invitation, consent) = (self.id(), invitation_id.clone(), None);
            let request = pb::AcceptInvitationRequest { request_id, invitation_id: invitation, consent };
            self.ask("RoomService/AcceptInvitation", &request);
            let request = pb::DeclineInvitationRequest { request_id: self.id(), invitation_id };
            self.ask("RoomService/DeclineInvitation", &request);
        }
        for room_id in rooms.iter().rev().cloned() {
            self.ask("RoomService/LeaveRoom", &pb::LeaveRoomRequest { request_id: self.id(), room_id });
        }
    }
}
