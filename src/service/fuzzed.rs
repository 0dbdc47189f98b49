//! Whatever a client may send, as the edge reads it: well-formed, or refused with at least one field that is wrong; never a panic.

use prost::Message;

use super::authorisation::{self, Effect};
use super::from_proto as from;
use super::page_token::List;
use super::status::CallError;
use crate::api;
use crate::room::ids::{Actor, ActorKind, RoomId};

/// The first byte says which request, the others are its bytes.
pub(crate) fn request(data: &[u8]) {
    let Some((&which, bytes)) = data.split_first() else { return };
    macro_rules! requests {
        ($($number:literal => $request:ident, $read:expr;)*) => {
            match which {
                $($number => read::<api::$request, _>(bytes, $read),)*
                _ => {}
            }
        };
    }
    requests! {
        0 => ReportIncidentRequest, from::report_incident;
        1 => AmendReportRequest, from::amend_report;
        2 => GetReportRequest, |request| from::get_report(&request);
        3 => OpenRoomRequest, from::open_room;
        4 => ListParticipantsRequest, |request| from::list_participants(&request);
        5 => InviteOrganisationRequest, from::invite_organisation;
        6 => AcceptInvitationRequest, from::accept_invitation;
        7 => DeclineInvitationRequest, from::decline_invitation;
        8 => LeaveRoomRequest, from::leave_room;
        9 => RemoveParticipantRequest, from::remove_participant;
        10 => ChangeRoleRequest, from::change_role;
        11 => CloseRoomRequest, from::close_room;
        12 => ReopenRoomRequest, from::reopen_room;
        13 => ChangeTermsRequest, from::change_terms;
        14 => RecordPoliceReportRequest, from::record_police_report;
        15 => PostMessageRequest, from::post_message;
        16 => PostMessagesRequest, |request| from::post_messages(RoomId::from_bytes([7; 16]), request);
        17 => ListMessagesRequest, |request| from::list_messages(&request);
        18 => GetConsentRequest, |request| from::get_consent(&request);
        19 => GiveConsentRequest, from::give_consent;
        20 => WithdrawConsentRequest, from::withdraw_consent;
        21 => PreviewAudienceRequest, from::preview_audience;
        22 => RegisterOrganisationRequest, from::register_organisation;
        23 => SuspendOrganisationRequest, from::suspend_organisation;
        24 => GetOrganisationRequest, |request| from::get_organisation(&request);
        25 => PublishRelayRequest, from::publish_relay;
        26 => ApproveRelayRequest, from::approve_relay;
        27 => RejectRelayRequest, from::reject_relay;
        28 => PreviewRelayRequest, from::preview_relay;
        29 => RetractMessageRequest, from::retract_message;
        30 => AcknowledgeMessageRequest, from::acknowledge_message;
        31 => GetReceiptsRequest, |request| from::get_receipts(&request);
        32 => ExplainAudienceRequest, |request| from::explain_audience(&request);
        33 => ReleaseMessagesRequest, from::release_messages;
        34 => RevokeReleaseRequest, from::revoke_release;
        35 => AskForConsentRequest, from::ask_for_consent;
        36 => AnswerAskRequest, from::answer_ask;
        37 => SuggestAskRequest, from::suggest_ask;
        38 => AnswerRecallRequest, from::answer_recall;
        39 => SeeAsRequest, |request| from::see_as(&request);
        40 => ForwardMessagesRequest, from::forward_messages;
        41 => ProposeLegalDisclosureRequest, from::propose_legal_disclosure;
        42 => ConfirmLegalDisclosureRequest, from::confirm_legal_disclosure;
        43 => ProposeIntroductionRequest, from::propose_introduction;
        44 => AnswerIntroductionRequest, from::answer_introduction;
        45 => RecordConnectionRequest, from::record_connection;
        46 => ListConnectionsRequest, |request| from::list_connections(&request);
        47 => RecordExportRequest, from::record_export;
    }
}

fn read<M: Message + Default, T>(bytes: &[u8], read: impl FnOnce(M) -> Result<T, CallError>) {
    let Ok(request) = M::decode(bytes) else { return };
    if let Err(error) = read(request) {
        let CallError::Invalid(violations) = &error else { panic!("syntax is refused as syntax: {error}") };
        assert!(!violations.is_empty() && violations.iter().all(|wrong| !wrong.field.is_empty()), "{error}");
        let _ = (error.status(Effect::Writes), error.problem());
    }
}

/// A page token that nobody was given opens no list.
pub(crate) fn page_token(data: &[u8]) {
    let Ok(token) = std::str::from_utf8(data) else { return };
    let caller = Actor::new("region-a".parse().expect("an id"), ActorKind::User, "anna").expect("an actor");
    let list = List { method: authorisation::POST_MESSAGE, caller: &caller, filter: "room" };
    match list.open(&[7; 32], token) {
        Ok(None) => assert!(token.is_empty()),
        Ok(Some(position)) => assert_eq!(list.seal(&[7; 32], &position), token, "only what was given is taken"),
        Err(_) => {}
    }
    let sealed = list.seal(&[7; 32], token);
    assert_eq!(list.open(&[7; 32], &sealed).ok().flatten().as_deref(), Some(token));
    let other = List { filter: "other", ..list };
    assert!(other.open(&[7; 32], &sealed).is_err(), "of another list");
}

/// A seed of [`page_token`].
#[cfg(test)]
pub(crate) fn seed() -> String {
    let caller = Actor::new("region-a".parse().expect("an id"), ActorKind::User, "anna").expect("an actor");
    List { method: authorisation::POST_MESSAGE, caller: &caller, filter: "room" }.seal(&[7; 32], "position")
}
