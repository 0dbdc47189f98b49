//! The coordinator's own acts, as requests have them.

use std::sync::Arc;

use super::fields::Fields;
use super::write;
use crate::api;
use crate::limits;
use crate::room::consent::Name;
use crate::room::event::Request;
use crate::room::ids::{DisclosureId, IntroductionId, MessageId, RoomId, Timestamp};
use crate::service::authorisation;
use crate::service::status::CallError;

pub(in crate::service) fn see_as(request: &api::SeeAsRequest) -> Result<(RoomId, Name, usize), CallError> {
    let mut fields = Fields::default();
    let room = fields.room(&request.room_id);
    let participant = fields.name(|| "participant".to_owned(), &request.participant);
    let size = fields.page(request.page_size);
    fields.finish(|| Some((room?, participant?, size?)))
}

/// What to forward, to which authority, and why.
pub(in crate::service) type Forwarding = (Request, RoomId, Vec<MessageId>, Name, Arc<str>);

pub(in crate::service) fn forward_messages(mut request: api::ForwardMessagesRequest) -> Result<Forwarding, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::FORWARD_MESSAGES, &mut request);
    let room = fields.room(&request.room_id);
    let messages = fields.messages("message_ids", &request.message_ids, limits::RELEASE_MESSAGES_MAX);
    let to = fields.name(|| "authority".to_owned(), &request.authority);
    fields.text("reason", &request.reason, limits::REASON_BYTES_MAX);
    fields.finish(|| Some((id?, room?, messages, to?, request.reason.into())))
}

/// A disclosure under a legal duty.
pub(in crate::service) struct Disclosing {
    pub(in crate::service) statute: Arc<str>,
    pub(in crate::service) messages: Vec<MessageId>,
    pub(in crate::service) to: Name,
    pub(in crate::service) suppress_until: Option<Timestamp>,
}

pub(in crate::service) fn propose_legal_disclosure(
    mut request: api::ProposeLegalDisclosureRequest,
) -> Result<(Request, RoomId, Disclosing), CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::PROPOSE_LEGAL_DISCLOSURE, &mut request);
    let room = fields.room(&request.room_id);
    fields.text("statute", &request.statute, limits::REASON_BYTES_MAX);
    let messages = fields.messages("message_ids", &request.message_ids, limits::RELEASE_MESSAGES_MAX);
    let to = fields.name(|| "receiver".to_owned(), &request.receiver);
    let suppress_until = request.suppress_until_time.and_then(|time| fields.time("suppress_until_time", time));
    fields.finish(|| {
        let disclosing = Disclosing { statute: request.statute.into(), messages, to: to?, suppress_until };
        Some((id?, room?, disclosing))
    })
}

pub(in crate::service) fn confirm_legal_disclosure(
    mut request: api::ConfirmLegalDisclosureRequest,
) -> Result<(Request, RoomId, DisclosureId), CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::CONFIRM_LEGAL_DISCLOSURE, &mut request);
    let room = fields.room(&request.room_id);
    let disclosure = fields.uuid("disclosure_id", &request.disclosure_id).map(DisclosureId);
    fields.finish(|| Some((id?, room?, disclosure?)))
}

/// Whom to introduce to each other, with words to each.
pub(in crate::service) type Introducing = (Request, RoomId, [(Name, Arc<str>); 2]);

pub(in crate::service) fn propose_introduction(
    mut request: api::ProposeIntroductionRequest,
) -> Result<Introducing, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::PROPOSE_INTRODUCTION, &mut request);
    let room = fields.room(&request.room_id);
    let found = request.sides.len();
    let sides = <[api::IntroductionSide; 2]>::try_from(request.sides).ok();
    if sides.is_none() {
        fields.wrong("sides", format!("must be exactly two, are {found}"));
    }
    let mut side = |i: usize, side: api::IntroductionSide| {
        fields.text(&format!("sides[{i}].text"), &side.text, limits::REASON_BYTES_MAX);
        let name = fields.name(|| format!("sides[{i}].participant"), &side.participant);
        Some((name?, Arc::from(side.text)))
    };
    let sides = sides.map(|[one, other]| (side(0, one), side(1, other)));
    fields.finish(|| {
        let (one, other) = sides?;
        Some((id?, room?, [one?, other?]))
    })
}

/// Which introduction, and how to be reached if one agrees.
pub(in crate::service) type AnsweringIntroduction = (Request, RoomId, IntroductionId, Option<Arc<str>>);

pub(in crate::service) fn answer_introduction(
    mut request: api::AnswerIntroductionRequest,
) -> Result<AnsweringIntroduction, CallError> {
    use api::answer_introduction_request::Answer;
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::ANSWER_INTRODUCTION, &mut request);
    let room = fields.room(&request.room_id);
    let introduction = fields.uuid("introduction_id", &request.introduction_id).map(IntroductionId);
    let contact = match fields.required("answer", request.answer) {
        None => None,
        Some(Answer::Declined(api::IntroductionDeclined {})) => Some(None),
        Some(Answer::Accepted(api::IntroductionAccepted { contact })) => {
            fields.text("accepted.contact", &contact, limits::REASON_BYTES_MAX);
            Some(Some(Arc::from(contact)))
        }
    };
    fields.finish(|| Some((id?, room?, introduction?, contact?)))
}

/// Two rooms, and what they may have in common.
pub(in crate::service) type Connecting = (Request, [RoomId; 2], Arc<str>);

pub(in crate::service) fn record_connection(
    mut request: api::RecordConnectionRequest,
) -> Result<Connecting, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::RECORD_CONNECTION, &mut request);
    let room = fields.room(&request.room_id);
    let other = fields.uuid("other_room_id", &request.other_room_id).map(RoomId);
    if room.is_some() && room == other {
        fields.wrong("other_room_id", "must be another room than room_id");
    }
    fields.text("reason", &request.reason, limits::REASON_BYTES_MAX);
    fields.finish(|| Some((id?, [room?, other?], request.reason.into())))
}

pub(in crate::service) fn list_connections(
    request: &api::ListConnectionsRequest,
) -> Result<(RoomId, usize), CallError> {
    let mut fields = Fields::default();
    let room = fields.room(&request.room_id);
    let size = fields.page(request.page_size);
    fields.finish(|| Some((room?, size?)))
}
