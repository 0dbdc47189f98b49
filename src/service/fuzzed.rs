//! Whatever a client may send, as the edge reads it: well-formed, or refused with at least one field that is wrong; never a panic.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet};

use super::audit::Place;
use super::authorisation::{self, Effect};
use super::from_proto as from;
use super::page_token::List;
use super::status::CallError;
use crate::api;
use crate::room::ids::{Actor, ActorKind, RoomId};

macro_rules! requests {
    ($($number:literal => $request:ident, $read:expr;)*) => {
        /// The first byte says which request, the others are its bytes.
        pub(crate) fn request(data: &[u8]) {
            let Some((&which, bytes)) = data.split_first() else { return };
            match which {
                $($number => read::<api::$request, _>(stringify!($request), bytes, $read),)*
                _ => {}
            }
        }

        /// The first byte of a request of this name.
        #[cfg(test)]
        pub(crate) fn number(request: &str) -> Option<u8> {
            match request {
                $(stringify!($request) => Some($number),)*
                _ => None,
            }
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
    47 => GetRoomRequest, |request| from::room(&request.room_id);
    48 => ListRoomsRequest, |request| from::page_size(request.page_size);
    49 => ListInvitationsRequest, |request| from::page_size(request.page_size);
    50 => ListOrganisationsRequest, |request| from::page_size(request.page_size);
    51 => SubscribeRequest, |request| from::room(&request.room_id);
    52 => RevokeCertificateRequest, from::revoke_certificate;
    53 => RevokeActorRequest, from::revoke_actor;
    54 => ReinstateActorRequest, from::reinstate_actor;
    55 => ListRevocationsRequest, |request| from::page_size(request.page_size);
    56 => ListLiveConnectionsRequest, |request| from::page_size(request.page_size);
    57 => ListAuditRecordsRequest, |request| from::list_audit_records(&request);
    58 => TailAuditRecordsRequest, |request| from::tail_audit_records(&request);
    59 => CreateInviteRequest, from::create_invite;
    60 => RevokeInviteRequest, from::revoke_invite;
    61 => ListInvitesRequest, |request| from::page_size(request.page_size);
    62 => EnrolRequest, |request| from::enrol(&request);
    63 => RecordExportRequest, from::record_export;
    64 => ApproveInviteRequest, from::approve_invite;
    65 => RenewCertificateRequest, |request| from::renew_certificate(&request);
    66 => TakeBackupRequest, |request| from::take_backup(&request);
    67 => DownloadAttachmentRequest, |request| from::download_attachment(&request);
    68 => UploadAttachmentRequest, from::fuzzed_upload;
    69 => ProposeErasureRequest, from::propose_erasure;
    70 => ConfirmErasureRequest, from::confirm_erasure;
    71 => ListErasuresRequest, |request| from::list_erasures(&request);
    72 => PlaceLegalHoldRequest, from::place_legal_hold;
    73 => LiftLegalHoldRequest, from::lift_legal_hold;
    74 => SetRetentionRequest, from::set_retention;
    75 => ListRetentionRequest, |request| from::page_size(request.page_size);
}

fn read<M: Message + Default, T>(name: &str, bytes: &[u8], read: impl FnOnce(M) -> Result<T, CallError>) {
    let Ok(request) = M::decode(bytes) else { return };
    if let Err(error) = read(request) {
        let CallError::Invalid(violations) = &error else { panic!("syntax is refused as syntax: {error}") };
        assert!(!violations.is_empty(), "{error}");
        for wrong in violations {
            assert!(is_field(name, &wrong.field), "{name} has no {}: {error}", wrong.field);
        }
        let _ = (error.status(Effect::Writes), error.problem());
    }
}

/// Whether the path, such as `draft.recipients[2]`, leads from a message to one of its fields, or to a choice of one.
fn is_field(message: &str, path: &str) -> bool {
    static MESSAGES: LazyLock<HashMap<String, DescriptorProto>> = LazyLock::new(|| {
        let files = FileDescriptorSet::decode(api::DESCRIPTORS).expect("descriptors decode").file;
        files
            .into_iter()
            .flat_map(|file| file.message_type)
            .map(|message| (message.name().to_owned(), message))
            .collect()
    });
    let Some(message) = MESSAGES.get(message) else { return false };
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let name = first.split('[').next().unwrap_or_default();
    match (message.field.iter().find(|field| field.name() == name), rest) {
        (Some(_), None) => true,
        (Some(field), Some(rest)) => is_field(field.type_name().rsplit('.').next().unwrap_or_default(), rest),
        (None, None) => message.oneof_decl.iter().any(|choice| choice.name() == name),
        (None, Some(_)) => false,
    }
}

/// As text, what a page token of the audit trail holds.
pub(crate) fn place(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(place) = text.parse::<Place>() {
        assert_eq!(place.to_string().parse(), Ok(place), "a place reads back");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_of_the_api_is_read() {
        let files = FileDescriptorSet::decode(api::DESCRIPTORS).expect("descriptors decode").file;
        let methods = files.iter().flat_map(|file| &file.service).flat_map(|service| &service.method);
        let requests = methods.map(|method| method.input_type().rsplit('.').next().expect("a name").to_owned());
        let unread: Vec<_> = requests.filter(|request| number(request).is_none()).collect();
        assert!(unread.is_empty(), "add to the list above: {unread:?}");
    }

    #[test]
    fn a_field_that_is_not_there_is_noticed() {
        assert!(is_field("PostMessageRequest", "draft.recipients[3]") && is_field("WithdrawConsentRequest", "scope"));
        for wrong in ["", "drafts", "draft.", "draft.recipient", "draft.text.x", "request_id.x", "[0]"] {
            assert!(!is_field("PostMessageRequest", wrong), "{wrong}");
        }
    }
}
