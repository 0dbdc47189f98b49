//! Releases, questions for consent and answers to recalls, as requests have them.

use std::sync::Arc;

use super::fields::Fields;
use super::{words, write};
use crate::api;
use crate::limits;
use crate::room::consent::Name;
use crate::room::event::{AskedFor, Request, Subject};
use crate::room::ids::{AskId, MessageId, RecallId, ReleaseId, RoomId, Timestamp};
use crate::room::words::{AskAnswer, Material, RecallAnswer};
use crate::service::authorisation;
use crate::service::status::CallError;

/// What to release, to whom.
pub(in crate::service) type Releasing = (Request, RoomId, Vec<MessageId>, Vec<Name>);

pub(in crate::service) fn release_messages(mut request: api::ReleaseMessagesRequest) -> Result<Releasing, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::RELEASE_MESSAGES, &mut request);
    let room = fields.room(&request.room_id);
    let messages = fields.messages("message_ids", &request.message_ids, limits::RELEASE_MESSAGES_MAX);
    let to = fields.some_names("recipients", &request.recipients);
    fields.finish(|| Some((id?, room?, messages, to)))
}

pub(in crate::service) fn revoke_release(
    mut request: api::RevokeReleaseRequest,
) -> Result<(Request, RoomId, ReleaseId), CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::REVOKE_RELEASE, &mut request);
    let room = fields.room(&request.room_id);
    let release = fields.uuid("release_id", &request.release_id).map(ReleaseId);
    fields.finish(|| Some((id?, room?, release?)))
}

/// A question to a source.
pub(in crate::service) struct Asking {
    pub(in crate::service) source: Name,
    pub(in crate::service) subject: Subject,
    pub(in crate::service) to: AskedFor<Name>,
    pub(in crate::service) reason: Arc<str>,
    pub(in crate::service) answer_by: Timestamp,
}

pub(in crate::service) fn ask_for_consent(
    mut request: api::AskForConsentRequest,
) -> Result<(Request, RoomId, Asking), CallError> {
    use api::ask_for_consent_request::{Subject as About, To};
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::ASK_FOR_CONSENT, &mut request);
    let room = fields.room(&request.room_id);
    let source = fields.name(|| "source".to_owned(), &request.source);
    let subject = match fields.required("subject", request.subject) {
        None => None,
        Some(About::Messages(api::MessageIds { message_ids })) => {
            let list = fields.messages("messages.message_ids", &message_ids, limits::RELEASE_MESSAGES_MAX);
            Some(Subject::Messages(list))
        }
        Some(About::Material(number)) => {
            fields.word(|| "material".to_owned(), number, words::material).map(Subject::Material)
        }
    };
    let to = match fields.required("to", request.to) {
        None => None,
        Some(To::Participants(api::ParticipantNames { names })) => {
            Some(AskedFor::Organisations(fields.some_names("participants.names", &names)))
        }
        Some(To::Audience(number)) => {
            fields.word(|| "audience".to_owned(), number, words::audience).map(AskedFor::Audience)
        }
    };
    fields.text("reason", &request.reason, limits::REASON_BYTES_MAX);
    let answer_by = fields.required_time("answer_by_time", request.answer_by_time);
    fields.finish(|| {
        let asking = Asking {
            source: source?,
            subject: subject?,
            to: to?,
            reason: request.reason.into(),
            answer_by: answer_by?,
        };
        Some((id?, room?, asking))
    })
}

/// Which question, the answer, and words to it.
pub(in crate::service) type AnsweringAsk = (Request, RoomId, AskId, AskAnswer, Arc<str>);

pub(in crate::service) fn answer_ask(mut request: api::AnswerAskRequest) -> Result<AnsweringAsk, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::ANSWER_ASK, &mut request);
    let room = fields.room(&request.room_id);
    let ask = fields.uuid("ask_id", &request.ask_id).map(AskId);
    let answer = fields.word(|| "answer".to_owned(), request.answer, words::ask_answer);
    fields.text_max("comment", &request.comment, limits::REASON_BYTES_MAX);
    fields.finish(|| Some((id?, room?, ask?, answer?, request.comment.into())))
}

/// Whom to ask, if anybody in particular, for what, and why.
pub(in crate::service) type Suggesting = (Request, RoomId, Option<Name>, Material, Arc<str>);

pub(in crate::service) fn suggest_ask(mut request: api::SuggestAskRequest) -> Result<Suggesting, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::SUGGEST_ASK, &mut request);
    let room = fields.room(&request.room_id);
    let source = fields.optional_name("source", &request.source);
    let material = fields.word(|| "material".to_owned(), request.material, words::material);
    fields.text("reason", &request.reason, limits::REASON_BYTES_MAX);
    fields.finish(|| Some((id?, room?, source?, material?, request.reason.into())))
}

/// Which recall, what was done, and words to it.
pub(in crate::service) type AnsweringRecall = (Request, RoomId, RecallId, RecallAnswer, Arc<str>);

pub(in crate::service) fn answer_recall(mut request: api::AnswerRecallRequest) -> Result<AnsweringRecall, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::ANSWER_RECALL, &mut request);
    let room = fields.room(&request.room_id);
    let recall = fields.uuid("recall_id", &request.recall_id).map(RecallId);
    let answer = fields.word(|| "answer".to_owned(), request.answer, words::recall_answer);
    match answer {
        None | Some(RecallAnswer::Deleted) => fields.text_max("comment", &request.comment, limits::REASON_BYTES_MAX),
        Some(RecallAnswer::RetainedByLaw | RecallAnswer::SharedOnward | RecallAnswer::CannotDelete) => {
            fields.text("comment", &request.comment, limits::REASON_BYTES_MAX);
        }
    }
    fields.finish(|| Some((id?, room?, recall?, answer?, request.comment.into())))
}
