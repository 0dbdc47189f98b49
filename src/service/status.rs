//! How does this API say no? One table from everything that can be wrong with a call to gRPC status, reason and text.
//!
//! The only file that writes a [`Code`]. The same refusal is the same bytes, whichever method it answers (R7); a write also says
//! whether it happened. Leans on: `api` for the reasons, whose comments in error.proto promise the codes (a test compares them).

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use tonic::body::Body;
use tonic::codegen::http::Response;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use uuid::Uuid;

use super::authorisation::{Effect, Method};
use crate::api::{self, ErrorReason, WriteOutcome};
use crate::engine::{Failure, Outcome};
use crate::identity::{Caller, Ended};
use crate::limits;
use crate::room::refusal::Refusal;

/// What is wrong with one field of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Violation {
    /// Path of the field, as in `draft.recipients[2]`.
    pub(super) field: String,
    /// What is wrong, and the limit.
    pub(super) description: String,
}

/// Why a call is not answered as it hoped for.
#[derive(Clone, Debug)]
pub(super) enum CallError {
    /// The request itself is wrong; at least one violation.
    Invalid(Vec<Violation>),
    /// The connection has no caller, or it lost its access.
    NotIdentified,
    /// The caller's access was taken away, or ran out.
    Ended(Ended),
    /// The caller's organisation isn't registered, or is suspended.
    NotAdmitted,
    /// The caller has as many open streams as it may have.
    TooManyStreams {
        /// The limit.
        max: usize,
        /// Of what: one certificate, one connection, one organisation.
        of: &'static str,
    },
    /// The server issues no certificates.
    EnrolmentOff,
    /// It does not know the backup that another is to go on from.
    BackupBaseUnknown,
    /// A backup is being taken.
    BackupUnderWay,
    /// There is no such method.
    NoSuchMethod,
    /// It took too long. A write may happen all the same.
    TimedOut {
        /// The limit.
        max: Duration,
    },
    /// A fault of ours, logged under this id.
    Internal(Uuid),
    /// The engine says no.
    Failed(Failure),
}

impl CallError {
    /// A fault of ours: logged here, with an id that is all that the caller is told.
    pub(super) fn internal(method: &str, fault: impl fmt::Display) -> Self {
        let id = Uuid::new_v4();
        tracing::error!(%id, method, %fault, "internal fault");
        Self::Internal(id)
    }

    /// The caller is being cut: why.
    pub(super) fn cut(caller: &Caller) -> Self {
        caller.ended().map_or(Self::NotIdentified, Self::Ended)
    }

    /// Why a call was turned away, in a word for the audit trail.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::NotIdentified => "not-identified",
            Self::Ended(Ended::Expired) => "expired",
            Self::Ended(Ended::CertificateRevoked) => "certificate-revoked",
            Self::Ended(Ended::ActorRevoked) => "actor-revoked",
            Self::Ended(Ended::NotTrusted) => "not-trusted",
            Self::Ended(Ended::Suspended) | Self::NotAdmitted => "not-admitted",
            Self::TooManyStreams { .. } => "too-many-streams",
            Self::NoSuchMethod => "no-such-method",
            Self::TimedOut { .. } => "timed-out",
            Self::Internal(_) => "internal",
            Self::Failed(Failure::Refused(_)) => "refused",
            Self::Failed(Failure::Busy(_)) => "busy",
            Self::Failed(Failure::StoreFull) => "store-full",
            Self::Failed(Failure::StoreFailed { .. }) => "store-failed",
            Self::Failed(Failure::NotErased) => "not-erased",
            Self::Failed(Failure::Damaged) => "damaged",
            Self::Failed(Failure::AttachmentDamaged) => "attachment-damaged",
            Self::Failed(Failure::UploadTakenOver) => "upload-taken-over",
            Self::Failed(Failure::WithdrawnMeanwhile) => "withdrawn-meanwhile",
            Self::Ended(Ended::Stopping) | Self::Failed(Failure::ShuttingDown) => "shutting-down",
            Self::Failed(Failure::TooFast { .. }) => "too-fast",
            Self::EnrolmentOff => "enrolment-off",
            Self::BackupBaseUnknown => "backup-base-unknown",
            Self::BackupUnderWay => "backup-under-way",
        }
    }

    /// One wrong field.
    pub(super) fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation { field: field.into(), description: description.into() }])
    }

    /// The domain knows a consent change by its own fields; a request has it in a field of its own.
    pub(super) fn within(self, change: &str) -> Self {
        match self {
            Self::Failed(Failure::Refused(Refusal::Invalid { field: field @ ("named" | "expire_time"), rule })) => {
                Self::invalid(format!("{change}.{field}"), rule)
            }
            other => other,
        }
    }

    /// As the status of a call.
    pub(super) fn status(&self, effect: Effect) -> Status {
        let Answer { code, reason, text, violations, outcome, retry } = self.answer();
        let Some(reason) = reason else { return Status::new(code, text) };
        let mut metadata = HashMap::new();
        if let (Effect::Writes, Some(outcome)) = (effect, outcome_name(outcome)) {
            metadata.insert("outcome".to_owned(), outcome.to_owned());
        }
        let mut details = ErrorDetails::with_error_info(reason.as_reason(), api::ERROR_DOMAIN, metadata);
        for Violation { field, description } in violations {
            details.add_bad_request_violation(field, description);
        }
        if let Some(delay) = retry {
            details.set_retry_info(Some(delay));
        }
        Status::with_error_details(code, text, details)
    }

    /// As the outcome of one message among many: what the status of `PostMessage` would have said.
    pub(super) fn problem(&self) -> api::Problem {
        let Answer { code, reason, text, violations, outcome, retry: _ } = self.answer();
        let violation = |Violation { field, description }| api::FieldViolation { field, description };
        api::Problem {
            code: code.into(),
            reason: reason.map_or(String::new(), |reason| reason.as_reason().to_owned()),
            message: text,
            violations: violations.into_iter().map(violation).collect(),
            outcome: outcome.into(),
        }
    }

    fn answer(&self) -> Answer {
        let nothing = WriteOutcome::NothingWritten;
        let plain = |code, reason, text: &str| Answer::new(code, reason, text);
        match self {
            Self::Invalid(violations) => invalid(violations.clone()),
            Self::NotIdentified => plain(
                Code::Unauthenticated,
                ErrorReason::CallerNotIdentified,
                "the connection has no caller: its client certificate names no actor, or is no longer valid",
            ),
            Self::Ended(Ended::Expired) => plain(
                Code::Unauthenticated,
                ErrorReason::CallerNotIdentified,
                "the client certificate has expired; renew it, or ask the coordinator for a new one",
            ),
            Self::Ended(Ended::CertificateRevoked) => plain(
                Code::Unauthenticated,
                ErrorReason::CertificateRevoked,
                "the coordinator has revoked this client certificate; ask the coordinator for a new one",
            ),
            Self::Ended(Ended::ActorRevoked) => plain(
                Code::Unauthenticated,
                ErrorReason::ActorRevoked,
                "the coordinator has revoked the access of this person or program; ask the coordinator",
            ),
            Self::Ended(Ended::NotTrusted) => plain(
                Code::Unauthenticated,
                ErrorReason::CertificateNotTrusted,
                "the server no longer trusts this client certificate: its authority, what that may speak for, or its \
                 revocation list has changed; ask those who issued it, or the coordinator",
            ),
            Self::Ended(Ended::Suspended) => Self::NotAdmitted.answer(),
            Self::Ended(Ended::Stopping) => of_failure(&Failure::ShuttingDown),
            Self::NotAdmitted => plain(
                Code::PermissionDenied,
                ErrorReason::OrganisationNotAdmitted,
                "your organisation is not registered here, or is suspended; ask the coordinator",
            ),
            Self::TooManyStreams { max, of } => plain(
                Code::ResourceExhausted,
                ErrorReason::TooManyStreams,
                &format!("at most {max} open streams for one {of}; end one first"),
            ),
            Self::EnrolmentOff => plain(
                Code::FailedPrecondition,
                ErrorReason::EnrolmentOff,
                "this server issues no certificates; its configuration has no [enrolment]",
            ),
            Self::BackupBaseUnknown => plain(
                Code::FailedPrecondition,
                ErrorReason::BackupBaseUnknown,
                "the server does not know the backup that this one is to go on from; take a whole one, into an empty folder",
            ),
            Self::BackupUnderWay => plain(
                Code::ResourceExhausted,
                ErrorReason::BackupUnderWay,
                "a backup is being taken; wait until it is done",
            ),
            // Not in our API, so none of its reasons.
            Self::NoSuchMethod => Answer {
                code: Code::Unimplemented,
                reason: None,
                text: "no such method".to_owned(),
                violations: Vec::new(),
                outcome: nothing,
                retry: None,
            },
            Self::TimedOut { max } => Answer {
                outcome: WriteOutcome::Unknown,
                ..plain(
                    Code::Unavailable,
                    ErrorReason::StoreFailed,
                    &format!("no answer within {} s; retry, a write with the same request id", max.as_secs()),
                )
            },
            Self::Internal(id) => Answer {
                outcome: WriteOutcome::Unknown,
                ..plain(Code::Internal, ErrorReason::Internal, &format!("a fault of the server, {id} in its log"))
            },
            Self::Failed(failure) => of_failure(failure),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.answer().text)
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(Failure::Refused(refusal))
    }
}

/// What is said, before it is put into a status or an outcome.
struct Answer {
    code: Code,
    /// `None`: said by no rule of ours.
    reason: Option<ErrorReason>,
    text: String,
    violations: Vec<Violation>,
    /// Unspecified: not told, although it is a write.
    outcome: WriteOutcome,
    retry: Option<Duration>,
}

impl Answer {
    fn new(code: Code, reason: ErrorReason, text: &str) -> Self {
        Self {
            code,
            reason: Some(reason),
            text: text.to_owned(),
            violations: Vec::new(),
            outcome: WriteOutcome::NothingWritten,
            retry: None,
        }
    }
}

fn outcome_name(outcome: WriteOutcome) -> Option<&'static str> {
    match outcome {
        WriteOutcome::Unspecified => None,
        WriteOutcome::NothingWritten => Some("nothing_written"),
        WriteOutcome::Unknown => Some("unknown"),
    }
}

fn invalid(violations: Vec<Violation>) -> Answer {
    let text = match violations.as_slice() {
        [] => "the request is not valid".to_owned(),
        [Violation { field, description }] => format!("{field}: {description}"),
        [Violation { field, description }, others @ ..] => {
            format!("{field}: {description} (and {} more)", others.len())
        }
    };
    Answer { violations, ..Answer::new(Code::InvalidArgument, ErrorReason::FieldInvalid, &text) }
}

fn of_failure(failure: &Failure) -> Answer {
    let text = failure.to_string();
    match failure {
        Failure::Refused(refusal) => of_refusal(refusal, &text),
        Failure::Busy(_) => Answer {
            retry: Some(limits::RETRY_DELAY),
            ..Answer::new(Code::ResourceExhausted, ErrorReason::Busy, &text)
        },
        Failure::TooFast { what: _, retry } => {
            Answer { retry: Some(*retry), ..Answer::new(Code::ResourceExhausted, ErrorReason::Busy, &text) }
        }
        Failure::AttachmentDamaged => Answer::new(Code::DataLoss, ErrorReason::AttachmentDamaged, &text),
        Failure::UploadTakenOver => Answer::new(Code::Aborted, ErrorReason::UploadTakenOver, &text),
        Failure::WithdrawnMeanwhile => Answer::new(Code::FailedPrecondition, ErrorReason::MessageWithdrawn, &text),
        Failure::StoreFull => Answer::new(Code::ResourceExhausted, ErrorReason::StoreFull, &text),
        Failure::StoreFailed { outcome } => {
            let outcome = match outcome {
                Outcome::NothingWritten => WriteOutcome::NothingWritten,
                Outcome::Unknown => WriteOutcome::Unknown,
            };
            Answer { outcome, ..Answer::new(Code::Unavailable, ErrorReason::StoreFailed, &text) }
        }
        Failure::NotErased => {
            let answer = Answer::new(Code::Unavailable, ErrorReason::NotErased, &text);
            Answer { outcome: WriteOutcome::Unknown, ..answer }
        }
        Failure::Damaged => Answer::new(Code::DataLoss, ErrorReason::RoomDamaged, &text),
        Failure::ShuttingDown => Answer::new(Code::Unavailable, ErrorReason::ShuttingDown, &text),
    }
}

fn of_refusal(refusal: &Refusal, text: &str) -> Answer {
    let (code, reason) = match refusal {
        Refusal::RoomNotFound => (Code::NotFound, ErrorReason::RoomNotFound),
        Refusal::InvitationNotFound => (Code::NotFound, ErrorReason::InvitationNotFound),
        Refusal::CoordinatorOnly => (Code::PermissionDenied, ErrorReason::CoordinatorOnly),
        Refusal::AffectedOrganisationOnly => (Code::PermissionDenied, ErrorReason::AffectedOrganisationOnly),
        Refusal::NotForTheCoordinator => (Code::PermissionDenied, ErrorReason::NotForTheCoordinator),
        Refusal::PersonRequired => (Code::PermissionDenied, ErrorReason::PersonRequired),
        Refusal::RoomClosed => (Code::FailedPrecondition, ErrorReason::RoomClosed),
        Refusal::RoomOpen => (Code::FailedPrecondition, ErrorReason::RoomNotClosed),
        Refusal::RecipientNotVisible => {
            // Which of them it is stays untold: the answer must not depend on who else is where.
            let description = "whoever is named, and the organisations of red_actors, must be participants that are shown to \
                               you (ListParticipants); at least one is not";
            let violation = Violation { field: "request".to_owned(), description: description.to_owned() };
            return Answer {
                violations: vec![violation],
                ..Answer::new(Code::FailedPrecondition, ErrorReason::RecipientNotVisible, text)
            };
        }
        Refusal::MessageNotVisible => (Code::FailedPrecondition, ErrorReason::MessageNotVisible),
        Refusal::Invalid { field, rule } => {
            return invalid(vec![Violation { field: (*field).to_owned(), description: (*rule).to_owned() }]);
        }
        Refusal::HiddenCannotShareDirectly => (Code::FailedPrecondition, ErrorReason::AttributionHidden),
        Refusal::AttributionCannotBeLowered => (Code::FailedPrecondition, ErrorReason::AttributionNotLowered),
        Refusal::ConsentVersionMoved { found: _ } => (Code::Aborted, ErrorReason::ConsentVersionChanged),
        Refusal::AlreadyParticipant => (Code::AlreadyExists, ErrorReason::AlreadyParticipant),
        Refusal::AlreadyInvited => (Code::AlreadyExists, ErrorReason::AlreadyInvited),
        Refusal::ParticipantNotFound => (Code::NotFound, ErrorReason::ParticipantNotFound),
        Refusal::OrganisationNotFound => (Code::NotFound, ErrorReason::OrganisationNotFound),
        Refusal::OrganisationSuspended => (Code::FailedPrecondition, ErrorReason::OrganisationSuspended),
        Refusal::ReportNotFound => (Code::NotFound, ErrorReason::ReportNotFound),
        Refusal::IndexPastEnd => (Code::OutOfRange, ErrorReason::IndexPastEnd),
        Refusal::RequestIdReused => {
            // Told without an outcome: the write that used the id did happen.
            return Answer {
                outcome: WriteOutcome::Unspecified,
                ..Answer::new(Code::AlreadyExists, ErrorReason::RequestIdReused, text)
            };
        }
        Refusal::AlreadyRegistered => (Code::AlreadyExists, ErrorReason::OrganisationExists),
        Refusal::LimitReached { what: _, max: _ } => (Code::ResourceExhausted, ErrorReason::LimitReached),
        Refusal::EditWidens { field } => {
            let description = "may only keep or narrow what the superseded message allowed";
            let violation = Violation { field: (*field).to_owned(), description: description.to_owned() };
            return Answer {
                violations: vec![violation],
                ..Answer::new(Code::FailedPrecondition, ErrorReason::EditWidens, text)
            };
        }
        Refusal::MessageFallen => (Code::FailedPrecondition, ErrorReason::MessageWithdrawn),
        Refusal::NamedNo => (Code::FailedPrecondition, ErrorReason::NamedNo),
        Refusal::ReleaseNotFound => (Code::NotFound, ErrorReason::ReleaseNotFound),
        Refusal::AskNotFound => (Code::NotFound, ErrorReason::AskNotFound),
        Refusal::AskClosed => (Code::FailedPrecondition, ErrorReason::AskClosed),
        Refusal::RecallNotFound => (Code::NotFound, ErrorReason::RecallNotFound),
        Refusal::RelayNotPermitted { participant: _ } => (Code::FailedPrecondition, ErrorReason::RelayNotPermitted),
        Refusal::TextChanged => (Code::Aborted, ErrorReason::TextChanged),
        Refusal::AcknowledgementNotAsked => (Code::FailedPrecondition, ErrorReason::AcknowledgementNotAsked),
        Refusal::AlreadyAcknowledged => (Code::AlreadyExists, ErrorReason::AlreadyAcknowledged),
        Refusal::PoliceForwardingNotAllowed => (Code::FailedPrecondition, ErrorReason::PoliceForwardingNotAllowed),
        Refusal::SecondPersonRequired => (Code::PermissionDenied, ErrorReason::SecondPersonRequired),
        Refusal::DisclosureNotFound => (Code::NotFound, ErrorReason::DisclosureNotFound),
        Refusal::LegalHold => (Code::FailedPrecondition, ErrorReason::LegalHold),
        Refusal::ErasureNotFound => (Code::NotFound, ErrorReason::ErasureNotFound),
        Refusal::StoreNotEncrypted => (Code::FailedPrecondition, ErrorReason::StoreNotEncrypted),
        Refusal::HeldAlready => (Code::AlreadyExists, ErrorReason::LegalHoldPlaced),
        Refusal::NotHeld => (Code::FailedPrecondition, ErrorReason::NoLegalHold),
        Refusal::IntroductionNotFound => (Code::NotFound, ErrorReason::IntroductionNotFound),
        Refusal::AlreadyRevoked => (Code::AlreadyExists, ErrorReason::AlreadyRevoked),
        Refusal::ActorNotRevoked => (Code::FailedPrecondition, ErrorReason::ActorNotRevoked),
        Refusal::NotForYourself => (Code::PermissionDenied, ErrorReason::NotForYourself),
        Refusal::InviteNotValid => (Code::PermissionDenied, ErrorReason::InviteNotValid),
        Refusal::InviteNotOpen => (Code::NotFound, ErrorReason::InviteNotOpen),
        Refusal::ApprovalPending => (Code::FailedPrecondition, ErrorReason::ApprovalPending),
        Refusal::NobodyWaits => (Code::NotFound, ErrorReason::NobodyWaits),
        Refusal::ApprovalCodeWrong => (Code::PermissionDenied, ErrorReason::ApprovalCodeWrong),
        Refusal::UploadNotFound => (Code::FailedPrecondition, ErrorReason::UploadNotFound),
        Refusal::RenewalNotPermitted => (Code::FailedPrecondition, ErrorReason::RenewalNotPermitted),
    };
    Answer::new(code, reason, text)
}

/// A response that tonic made of a request that it could not decode says so without details; this puts it in our words.
pub(super) fn explain(response: Response<Body>, method: Method) -> Response<Body> {
    if !method.path.starts_with("/samverkan.") || response.headers().contains_key("grpc-status-details-bin") {
        return response;
    }
    match Status::from_header_map(response.headers()).and_then(|status| undecodable(&status)) {
        Some(error) => error.status(method.effect).into_http(),
        None => response,
    }
}

/// What a status says that ends the requests of a stream.
pub(super) fn of_requests(status: &Status, effect: Effect) -> Status {
    undecodable(status).map_or_else(|| status.clone(), |error| error.status(effect))
}

/// A request over the size limit, or not a message of this API.
fn undecodable(status: &Status) -> Option<CallError> {
    match status.code() {
        Code::OutOfRange | Code::Internal if status.details().is_empty() => {
            Some(CallError::invalid("request", status.message()))
        }
        _ => None,
    }
}

/// The status code of a response, for the log; a stream's comes later.
pub(super) fn of_response(response: &Response<Body>) -> &str {
    response.headers().get("grpc-status").map_or("", |code| code.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::ids::ParticipantId;

    fn refusals() -> Vec<Refusal> {
        vec![
            Refusal::RoomNotFound,
            Refusal::InvitationNotFound,
            Refusal::CoordinatorOnly,
            Refusal::AffectedOrganisationOnly,
            Refusal::NotForTheCoordinator,
            Refusal::PersonRequired,
            Refusal::RoomClosed,
            Refusal::RoomOpen,
            Refusal::RecipientNotVisible,
            Refusal::MessageNotVisible,
            Refusal::Invalid { field: "role", rule: "must not be coordinator" },
            Refusal::HiddenCannotShareDirectly,
            Refusal::AttributionCannotBeLowered,
            Refusal::ConsentVersionMoved { found: 3 },
            Refusal::AlreadyParticipant,
            Refusal::AlreadyInvited,
            Refusal::ParticipantNotFound,
            Refusal::OrganisationNotFound,
            Refusal::OrganisationSuspended,
            Refusal::ReportNotFound,
            Refusal::IndexPastEnd,
            Refusal::RequestIdReused,
            Refusal::AlreadyRegistered,
            Refusal::LimitReached { what: "participants", max: 1024 },
            Refusal::EditWidens { field: "draft.tlp" },
            Refusal::MessageFallen,
            Refusal::NamedNo,
            Refusal::ReleaseNotFound,
            Refusal::AskNotFound,
            Refusal::AskClosed,
            Refusal::RecallNotFound,
            Refusal::RelayNotPermitted { participant: ParticipantId::from_bytes([1; 16]) },
            Refusal::TextChanged,
            Refusal::AcknowledgementNotAsked,
            Refusal::AlreadyAcknowledged,
            Refusal::PoliceForwardingNotAllowed,
            Refusal::SecondPersonRequired,
            Refusal::DisclosureNotFound,
            Refusal::LegalHold,
            Refusal::ErasureNotFound,
            Refusal::StoreNotEncrypted,
            Refusal::HeldAlready,
            Refusal::NotHeld,
            Refusal::IntroductionNotFound,
            Refusal::AlreadyRevoked,
            Refusal::ActorNotRevoked,
            Refusal::NotForYourself,
            Refusal::InviteNotValid,
            Refusal::InviteNotOpen,
            Refusal::ApprovalPending,
            Refusal::NobodyWaits,
            Refusal::ApprovalCodeWrong,
            Refusal::RenewalNotPermitted,
        ]
    }

    fn errors() -> Vec<CallError> {
        let failures = [
            Failure::Busy("the room's queue is full"),
            Failure::TooFast { what: "writes", retry: Duration::from_secs(1) },
            Failure::StoreFull,
            Failure::StoreFailed { outcome: Outcome::Unknown },
            Failure::NotErased,
            Failure::Damaged,
            Failure::ShuttingDown,
        ];
        let mut errors: Vec<CallError> = refusals().into_iter().map(CallError::from).collect();
        errors.extend(failures.map(CallError::from));
        errors.extend([
            CallError::NotIdentified,
            CallError::Ended(Ended::Expired),
            CallError::Ended(Ended::CertificateRevoked),
            CallError::Ended(Ended::ActorRevoked),
            CallError::Ended(Ended::NotTrusted),
            CallError::NotAdmitted,
            CallError::EnrolmentOff,
            CallError::BackupBaseUnknown,
            CallError::BackupUnderWay,
            CallError::TooManyStreams { max: 64, of: "certificate" },
            CallError::Internal(Uuid::nil()),
        ]);
        errors
    }

    /// `NOT_FOUND` of `Code::NotFound`.
    fn name(code: Code) -> String {
        let mut name = String::new();
        for letter in format!("{code:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
        }
        name
    }

    #[test]
    fn every_reason_has_the_code_that_error_proto_promises() {
        let proto = include_str!("../../proto/samverkan/v1/error.proto");
        for error in errors() {
            let Answer { code, reason, .. } = error.answer();
            let reason = reason.expect("every error of ours has a reason").as_str_name();
            let (before, _) = proto.split_once(&format!("  {reason} = ")).expect("the reason is in error.proto");
            let (_, comment) = before.rsplit_once(";\n").expect("a value follows another");
            assert!(comment.trim_start().starts_with(&format!("// {}. ", name(code))), "{reason}: {comment}");
        }
    }

    #[test]
    fn every_reason_is_said_by_some_error() {
        let said: Vec<_> = errors().iter().filter_map(|error| error.answer().reason).collect();
        for number in 1.. {
            let Ok(reason) = ErrorReason::try_from(number) else { break };
            assert!(said.contains(&reason), "{}", reason.as_str_name());
        }
    }

    #[test]
    fn no_two_refusals_share_a_reason() {
        let mut reasons: Vec<_> =
            refusals().iter().map(|r| of_refusal(r, "").reason.map(|r| r.as_str_name())).collect();
        reasons.sort_unstable();
        let all = reasons.len();
        reasons.dedup();
        assert_eq!(reasons.len(), all);
    }

    #[test]
    fn a_refusal_tells_no_id_and_the_same_bytes_each_time() {
        for refusal in refusals() {
            let error = CallError::from(refusal);
            assert!(!error.to_string().contains("org/"), "{error}");
            let (one, other) = (error.status(Effect::Writes), error.status(Effect::Writes));
            assert_eq!((one.code(), one.message(), one.details()), (other.code(), other.message(), other.details()));
        }
    }

    #[test]
    fn a_write_says_whether_it_happened_and_a_read_does_not() {
        let outcome = |error: CallError, effect| {
            let details = error.status(effect).get_error_details();
            let info = details.error_info().expect("every error has an ErrorInfo");
            assert_eq!(info.domain, "samverkan");
            info.metadata.get("outcome").cloned()
        };
        let closed = || CallError::from(Refusal::RoomClosed);
        assert_eq!(outcome(closed(), Effect::Writes).as_deref(), Some("nothing_written"));
        assert_eq!(outcome(closed(), Effect::Reads), None);
        let failed = Failure::StoreFailed { outcome: Outcome::Unknown };
        assert_eq!(outcome(failed.into(), Effect::Writes).as_deref(), Some("unknown"));
        assert_eq!(outcome(Refusal::RequestIdReused.into(), Effect::Writes), None);
    }

    #[test]
    fn a_full_queue_says_when_to_try_again() {
        let status = CallError::from(Failure::Busy("the room's queue is full")).status(Effect::Writes);
        let details = status.get_error_details();
        assert_eq!(details.retry_info().and_then(|retry| retry.retry_delay), Some(limits::RETRY_DELAY));
        let retry = Duration::from_millis(1234);
        let status = CallError::from(Failure::TooFast { what: "writes", retry }).status(Effect::Writes);
        let details = status.get_error_details();
        assert_eq!(details.retry_info().and_then(|retry| retry.retry_delay), Some(retry));
        assert!(status.message().contains("1234 ms"), "{}", status.message());
    }

    #[test]
    fn bad_input_names_its_fields() {
        let violations = ["draft.tlp", "draft.text"]
            .map(|field| Violation { field: field.to_owned(), description: "must be set".to_owned() });
        let status = CallError::Invalid(violations.to_vec()).status(Effect::Writes);
        assert_eq!(status.message(), "draft.tlp: must be set (and 1 more)");
        let details = status.get_error_details();
        let fields = details.bad_request().expect("carries a BadRequest").field_violations.iter();
        assert_eq!(fields.map(|violation| violation.field.as_str()).collect::<Vec<_>>(), ["draft.tlp", "draft.text"]);
    }

    #[test]
    fn a_rule_of_consent_names_the_field_of_the_request() {
        let refused = CallError::from(Refusal::Invalid { field: "expire_time", rule: "must lie in the future" });
        assert_eq!(
            refused.within("report.sharing_consent").to_string(),
            "report.sharing_consent.expire_time: must lie in the future"
        );
        let other = CallError::from(Refusal::Invalid { field: "role", rule: "must not be coordinator" });
        assert_eq!(other.within("change").to_string(), "role: must not be coordinator");
    }

    #[test]
    fn a_problem_says_what_the_status_would() {
        for error in errors() {
            let (status, problem) = (error.status(Effect::Writes), error.problem());
            assert_eq!((status.code() as i32, status.message()), (problem.code, problem.message.as_str()));
            let details = status.get_error_details();
            assert_eq!(details.error_info().map(|info| info.reason.as_str()), Some(problem.reason.as_str()));
        }
    }

    #[test]
    fn a_fault_of_ours_is_told_by_its_id_alone() {
        let panic: Box<dyn std::any::Any + Send> = Box::new("canary: what somebody wrote".to_owned());
        let error = CallError::internal("/a.B/C", super::super::authorisation::panicked(&*panic));
        let status = error.status(Effect::Reads);
        let told = format!("{status:?} {:?} {}", error.problem(), String::from_utf8_lossy(status.details()));
        assert!(status.code() == Code::Internal && !told.contains("canary"), "{told}");
    }

    #[test]
    fn what_can_not_be_decoded_is_bad_input() {
        let answered = Status::out_of_range("decoded message length too large").into_http();
        let method = super::super::authorisation::POST_MESSAGE;
        let status = Status::from_header_map(explain(answered, method).headers()).expect("is a status");
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        assert_eq!(details.error_info().map(|info| info.reason.as_str()), Some("FIELD_INVALID"));
    }
}
