//! The commands of consent in full, as calls.

use samverkan::api as pb;
use sha2::{Digest as _, Sha256};
use tonic::Status;

use super::requests::{never_given, number};
use super::telling::reason;
use super::{Place, WireWorld};
use crate::transcript::{self as words, Command, lines};
use crate::world::id;

impl WireWorld {
    pub(super) fn full(&mut self, command: &Command, by: &str) -> Result<String, Status> {
        let (request_id, room_id) = (id(), self.here.room.clone());
        let word =
            |at: usize| command.words.get(at).unwrap_or_else(|| panic!("{} needs more words", command.verb)).clone();
        let field = |key| command.field(key).unwrap_or_default().to_owned();
        let text = command.text.clone().unwrap_or_default();
        match command.verb.as_str() {
            "terms" => {
                let request = pb::ChangeTermsRequest { request_id, room_id, terms: text };
                self.done::<pb::ChangeTermsResponse>(by, "RoomService/ChangeTerms", &request)
            }
            "retract" => {
                let (message_id, reason) = (self.message(&word(1)), field("reason"));
                let request = pb::RetractMessageRequest { request_id, room_id, message_id, reason };
                self.done::<pb::RetractMessageResponse>(by, "MessageService/RetractMessage", &request)
            }
            "acknowledge" => {
                let message_id = self.message(&word(1));
                let request = pb::AcknowledgeMessageRequest { request_id, room_id, message_id };
                self.done::<pb::AcknowledgeMessageResponse>(by, "MessageService/AcknowledgeMessage", &request)
            }
            "receipts" => {
                let message_id = self.message(&word(1));
                let request = pb::GetReceiptsRequest { room_id, message_id, ..pb::GetReceiptsRequest::default() };
                let shown: pb::GetReceiptsResponse = self.call(by, "MessageService/GetReceipts", &request)?;
                Ok(self.receipts(&shown))
            }
            "explain" => {
                let (message_id, participant) = (self.message(&word(1)), self.name(&field("of")));
                let request = pb::ExplainAudienceRequest { room_id, message_id, participant };
                let shown: pb::ExplainAudienceResponse = self.call(by, "MessageService/ExplainAudience", &request)?;
                let who = self.who(shown.participant.as_ref()).name;
                Ok(words::decided(&who, shown.sees, "sees it", "does not see it", &reason(shown.reason())))
            }
            "release" | "revoke" | "recalled" | "suggest" | "ask" | "answer-ask" => self.consenting(command, by),
            "relay" | "preview-relay" | "approve" | "reject" => self.relaying(command, by),
            "police-report" => {
                let request = pb::RecordPoliceReportRequest { request_id, room_id, reference: field("reference") };
                self.done::<pb::RecordPoliceReportResponse>(by, "IntakeService/RecordPoliceReport", &request)
            }
            _ => self.coordinating(command, by),
        }
    }

    fn consenting(&mut self, command: &Command, by: &str) -> Result<String, Status> {
        let (request_id, room_id) = (id(), self.here.room.clone());
        let word =
            |at: usize| command.words.get(at).unwrap_or_else(|| panic!("{} needs more words", command.verb)).clone();
        let field = |key| command.field(key).unwrap_or_default().to_owned();
        let comment = command.text.clone().unwrap_or_default();
        match command.verb.as_str() {
            "release" => {
                let (message_ids, recipients) = (self.labelled(command), self.names(command));
                let request = pb::ReleaseMessagesRequest { request_id, room_id, message_ids, recipients };
                let done: pb::ReleaseMessagesResponse = self.call(by, "ConsentService/ReleaseMessages", &request)?;
                self.call_it(command, done.release_id);
                Ok("done".to_owned())
            }
            "revoke" => {
                let request = pb::RevokeReleaseRequest { request_id, room_id, release_id: self.named(&word(1)) };
                self.done::<pb::RevokeReleaseResponse>(by, "ConsentService/RevokeRelease", &request)
            }
            "recalled" => {
                let (recall_id, answer) = (self.named(&word(1)), number::<pb::RecallAnswer>(&word(2)));
                let request = pb::AnswerRecallRequest { request_id, room_id, recall_id, answer, comment };
                self.done::<pb::AnswerRecallResponse>(by, "ConsentService/AnswerRecall", &request)
            }
            "suggest" => {
                let source = command.field("source").map_or(String::new(), |name| self.name(name));
                let (material, reason) = (number::<pb::Material>(&word(1)), field("reason"));
                let request = pb::SuggestAskRequest { request_id, room_id, source, material, reason };
                self.done::<pb::SuggestAskResponse>(by, "ConsentService/SuggestAsk", &request)
            }
            "ask" => {
                use pb::ask_for_consent_request::{Subject, To};
                let message_ids = self.labelled(command);
                let about_messages = !message_ids.is_empty();
                let request = pb::AskForConsentRequest {
                    request_id,
                    room_id,
                    source: self.name(&word(0)),
                    subject: Some(match about_messages {
                        true => Subject::Messages(pb::MessageIds { message_ids }),
                        false => Subject::Material(number::<pb::Material>(&word(1))),
                    }),
                    to: Some(match command.field("audience") {
                        Some(audience) => To::Audience(number::<pb::Audience>(audience)),
                        None => To::Participants(pb::ParticipantNames { names: self.names(command) }),
                    }),
                    reason: field("reason"),
                    answer_by_time: self.moment(command, "within"),
                };
                let done: pb::AskForConsentResponse = self.call(by, "ConsentService/AskForConsent", &request)?;
                self.call_it(command, done.ask_id);
                if about_messages {
                    self.about_messages.extend(command.field("as").map(str::to_owned));
                }
                Ok("done".to_owned())
            }
            "answer-ask" => {
                let (ask_id, answer) = (self.named(&word(1)), number::<pb::AskAnswer>(&word(2)));
                let request = pb::AnswerAskRequest { request_id, room_id, ask_id, answer, comment };
                let _: pb::AnswerAskResponse = self.call(by, "ConsentService/AnswerAsk", &request)?;
                if word(2) == "yes" && self.about_messages.contains(&word(1)) {
                    self.unmet.push_back(format!("release of {}", word(1)));
                }
                Ok("done".to_owned())
            }
            other => panic!("a transcript knows no `{other}`"),
        }
    }

    fn relaying(&mut self, command: &Command, by: &str) -> Result<String, Status> {
        let (request_id, room_id) = (id(), self.here.room.clone());
        let word =
            |at: usize| command.words.get(at).unwrap_or_else(|| panic!("{} needs more words", command.verb)).clone();
        match command.verb.as_str() {
            "relay" => {
                let (draft, label) = (self.relay_draft(command), word(0));
                let text = draft.text.clone();
                let request = pb::PublishRelayRequest { request_id, room_id, draft: Some(draft) };
                let done: pb::PublishRelayResponse = self.call(by, "RelayService/PublishRelay", &request)?;
                self.labels.insert(done.message_id.clone(), label.clone());
                self.messages.insert(label.clone(), done.message_id);
                self.texts.insert(label.clone(), text);
                Ok(format!("relayed {label}"))
            }
            "preview-relay" => {
                let draft = Some(self.relay_draft(command));
                let request = pb::PreviewRelayRequest { room_id, draft };
                let list: pb::PreviewRelayResponse = self.call(by, "RelayService/PreviewRelay", &request)?;
                Ok(self.previewed(&list.participants))
            }
            "approve" => {
                let published = || self.texts.get(&word(1)).cloned().unwrap_or_default();
                let text = command.text.clone().unwrap_or_else(published);
                let request = pb::ApproveRelayRequest {
                    request_id,
                    room_id,
                    message_id: self.message(&word(1)),
                    text_sha256: Sha256::digest(text.as_bytes()).to_vec().into(),
                    recipients: self.names(command),
                };
                self.done::<pb::ApproveRelayResponse>(by, "RelayService/ApproveRelay", &request)
            }
            "reject" => {
                let (message_id, reason) =
                    (self.message(&word(1)), command.field("reason").unwrap_or_default().to_owned());
                let request = pb::RejectRelayRequest { request_id, room_id, message_id, reason };
                self.done::<pb::RejectRelayResponse>(by, "RelayService/RejectRelay", &request)
            }
            other => panic!("a transcript knows no `{other}`"),
        }
    }

    fn coordinating(&mut self, command: &Command, by: &str) -> Result<String, Status> {
        let (request_id, room_id) = (id(), self.here.room.clone());
        let word =
            |at: usize| command.words.get(at).unwrap_or_else(|| panic!("{} needs more words", command.verb)).clone();
        let field = |key| command.field(key).unwrap_or_default().to_owned();
        match command.verb.as_str() {
            "see-as" => {
                let participant = self.name(&word(0));
                let request = pb::SeeAsRequest { room_id, participant, ..pb::SeeAsRequest::default() };
                let seen: pb::SeeAsResponse = self.call(by, "CoordinationService/SeeAs", &request)?;
                Ok(self.seen_as(&seen))
            }
            "forward" => {
                let (message_ids, authority) = (self.labelled(command), self.name(&field("to")));
                let reason = field("reason");
                let request = pb::ForwardMessagesRequest { request_id, room_id, message_ids, authority, reason };
                self.done::<pb::ForwardMessagesResponse>(by, "CoordinationService/ForwardMessages", &request)
            }
            "disclose" => {
                let request = pb::ProposeLegalDisclosureRequest {
                    request_id,
                    room_id,
                    statute: field("statute"),
                    message_ids: self.labelled(command),
                    receiver: self.name(&field("to")),
                    suppress_until_time: self.moment(command, "suppress"),
                };
                let done: pb::ProposeLegalDisclosureResponse =
                    self.call(by, "CoordinationService/ProposeLegalDisclosure", &request)?;
                self.call_it(command, done.disclosure_id);
                Ok("done".to_owned())
            }
            "confirm" => {
                let disclosure_id = self.named(&word(0));
                let request = pb::ConfirmLegalDisclosureRequest { request_id, room_id, disclosure_id };
                self.done::<pb::ConfirmLegalDisclosureResponse>(
                    by,
                    "CoordinationService/ConfirmLegalDisclosure",
                    &request,
                )
            }
            "erase" => {
                use pb::propose_erasure_request::Scope;
                let scope = match word(0).as_str() {
                    "room" => Scope::Room(pb::WholeRoom {}),
                    label if label.starts_with('#') => Scope::MessageId(self.message(label)),
                    of => Scope::Participant(self.name(of)),
                };
                let request =
                    pb::ProposeErasureRequest { request_id, room_id, scope: Some(scope), basis: field("basis") };
                let done: pb::ProposeErasureResponse = self.call(by, "ErasureService/ProposeErasure", &request)?;
                self.call_it(command, done.erasure_id);
                Ok("done".to_owned())
            }
            "confirm-erasure" => {
                let erasure_id = self.named(&word(0));
                let request = pb::ConfirmErasureRequest { request_id, room_id, erasure_id };
                let _: pb::ConfirmErasureResponse = self.call(by, "ErasureService/ConfirmErasure", &request)?;
                Ok("done".to_owned())
            }
            "hold" => {
                let request = pb::PlaceLegalHoldRequest { request_id, room_id, reason: field("reason") };
                self.done::<pb::PlaceLegalHoldResponse>(by, "ErasureService/PlaceLegalHold", &request)
            }
            "lift" => {
                let request = pb::LiftLegalHoldRequest { request_id, room_id, reason: field("reason") };
                self.done::<pb::LiftLegalHoldResponse>(by, "ErasureService/LiftLegalHold", &request)
            }
            "keep" => {
                let request = pb::SetRetentionRequest { request_id, room_id, years: word(0).parse().ok() };
                self.done::<pb::SetRetentionResponse>(by, "ErasureService/SetRetention", &request)
            }
            "erasures" => {
                let request = pb::ListErasuresRequest { room_id, ..Default::default() };
                let list: pb::ListErasuresResponse = self.call(by, "ErasureService/ListErasures", &request)?;
                Ok(self.erasures(&list.erasures))
            }
            "introduce" => {
                let side = |at, key| pb::IntroductionSide { participant: self.name(&word(at)), text: field(key) };
                let sides = vec![side(0, "first"), side(1, "second")];
                let request = pb::ProposeIntroductionRequest { request_id, room_id, sides };
                let done: pb::ProposeIntroductionResponse =
                    self.call(by, "CoordinationService/ProposeIntroduction", &request)?;
                for (at, introduction) in done.introduction_ids.into_iter().enumerate() {
                    self.ids.insert(introduction, format!("{}/{}", field("as"), word(at)));
                }
                Ok("done".to_owned())
            }
            "answer-introduction" => {
                use pb::answer_introduction_request::Answer;
                let introduction_id = self.named(&words::own_side(command));
                let answer = Some(match words::is_yes(&word(2)) {
                    true => Answer::Accepted(pb::IntroductionAccepted { contact: field("contact") }),
                    false => Answer::Declined(pb::IntroductionDeclined {}),
                });
                let request = pb::AnswerIntroductionRequest { request_id, room_id, introduction_id, answer };
                self.done::<pb::AnswerIntroductionResponse>(by, "CoordinationService/AnswerIntroduction", &request)
            }
            "connect" => {
                let [room_id, other_room_id] = [word(0), word(1)].map(|called| self.room_called(&called));
                let request =
                    pb::RecordConnectionRequest { request_id, room_id, other_room_id, reason: field("reason") };
                self.done::<pb::RecordConnectionResponse>(by, "CoordinationService/RecordConnection", &request)
            }
            "connections" => {
                let room_id = self.room_called(&word(0));
                let request = pb::ListConnectionsRequest { room_id, ..pb::ListConnectionsRequest::default() };
                let list: pb::ListConnectionsResponse =
                    self.call(by, "CoordinationService/ListConnections", &request)?;
                let places = self.elsewhere.iter();
                let rooms: Vec<(&String, &Place)> = places.chain([(&self.called, &self.here)]).collect();
                let name =
                    |id: &str| rooms.iter().find(|(_, place)| place.room == id).map_or("?", |(called, _)| called);
                Ok(lines(list.connections.iter().map(|found| words::connected(name(&found.room_id), &found.reason))))
            }
            other => panic!("a transcript knows no `{other}`"),
        }
    }

    /// The id of a room; of one that was never opened, an id that was never given.
    fn room_called(&self, called: &str) -> String {
        match self.elsewhere.get(called) {
            Some(place) => place.room.clone(),
            None if self.called == called => self.here.room.clone(),
            None => never_given(called),
        }
    }
}
