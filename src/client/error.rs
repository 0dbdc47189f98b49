//! What can go wrong between a caller and a server, from the caller's side?
//!
//! Four worlds that call for different deeds: nobody answered ([`ClientError::NotReachable`]), we were not let in
//! ([`ClientError::NotAdmitted`]), the server said no ([`ClientError::Refused`]), and we do not know whether it happened
//! ([`ClientError::OutcomeUnknown`]). Leans on tonic-types for the details of a status. Tested below.

use std::error::Error;

use tonic::{Code, ConnectError, Status};
use tonic_types::StatusExt;

use super::context::ContextError;
use crate::api::{ErrorReason, Problem, WriteOutcome};

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The context, or a file that it names, can't be used. Nothing was sent.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A file that the context names can't be used. Nothing was sent.
    #[error("{0}")]
    Certificate(String),
    /// Nobody answers there, or not any more. Nothing was written.
    #[error("{address} is not reachable: {problem}")]
    NotReachable {
        /// Host and port.
        address: String,
        /// Why.
        problem: String,
    },
    /// The server, or we, refused the connection: certificates, or an organisation that is not registered.
    #[error("not admitted by {address}: {explanation}")]
    NotAdmitted {
        /// Host and port.
        address: String,
        /// What is wrong and what to do.
        explanation: String,
    },
    /// The server said no. Nothing was written.
    #[error("{0}")]
    Refused(Box<Refused>),
    /// It may have happened, or not. The same call with the same request id tells.
    #[error("it is not known whether this was done: {problem}")]
    OutcomeUnknown {
        /// With which to ask again.
        request_id: String,
        /// What happened.
        problem: String,
    },
    /// The server's side of the conversation makes no sense, or it has a fault.
    #[error("the server failed: {0}")]
    Failed(String),
}

/// A no of the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", text(message, violations))]
pub struct Refused {
    /// The gRPC status code's name, as `FAILED_PRECONDITION`.
    pub code: &'static str,
    /// The name of an `ErrorReason` without its prefix, as `ROOM_CLOSED`. Empty if the server gave none.
    pub reason: String,
    /// For people.
    pub message: String,
    /// Which fields are wrong.
    pub violations: Vec<Violation>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field in the request.
    pub field: String,
    /// What is wrong, the limit, and the next thing to do.
    pub description: String,
}

fn text(message: &str, violations: &[Violation]) -> String {
    if violations.is_empty() {
        return message.to_owned();
    }
    let each: Vec<_> =
        violations.iter().map(|violation| format!("{}: {}", violation.field, violation.description)).collect();
    each.join("; ")
}

impl ClientError {
    /// Whether the server gave this reason.
    pub fn is(&self, reason: ErrorReason) -> bool {
        matches!(self, Self::Refused(refused) if refused.reason == reason.as_reason())
    }
}

/// What one try came to, if not to an answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Asking again may help.
    Again {
        /// Why it did not work.
        problem: String,
        /// Whether this try may have written.
        maybe_written: bool,
    },
    /// Asking again gives the same.
    Final(Verdict),
}

/// A failure that stands.
#[derive(Debug)]
pub(super) enum Verdict {
    NotAdmitted(String),
    Refused(Box<Refused>),
    Unknown(String),
    Failed(String),
}

impl Verdict {
    pub(super) fn into_error(self, address: &str, request_id: &str) -> ClientError {
        match self {
            Self::NotAdmitted(explanation) => ClientError::NotAdmitted { address: address.into(), explanation },
            Self::Refused(refused) => ClientError::Refused(refused),
            Self::Unknown(problem) => ClientError::OutcomeUnknown { request_id: request_id.into(), problem },
            Self::Failed(problem) => ClientError::Failed(problem),
        }
    }
}

impl Failure {
    /// What a status means. `explanation` is what TLS had to say about the connection that it came over, if anything.
    pub(super) fn of_status(status: &Status, explanation: Option<&'static str>) -> Self {
        // A status that our side made up, for want of one from the server, has a source.
        if let Some(source) = status.source() {
            if let Some(explanation) = explanation.or_else(|| crate::identity::explain(source)) {
                return Self::Final(Verdict::NotAdmitted(explanation.into()));
            }
            let never_connected = sources(source).any(|source| source.downcast_ref::<ConnectError>().is_some());
            return Self::Again { problem: deepest(source), maybe_written: !never_connected };
        }
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == crate::api::ERROR_DOMAIN);
        let violations = details.bad_request().map(|bad| {
            let of = |violation: &tonic_types::FieldViolation| Violation {
                field: violation.field.clone(),
                description: violation.description.clone(),
            };
            bad.field_violations.iter().map(of).collect()
        });
        let outcome_unknown =
            info.is_some_and(|info| info.metadata.get("outcome").is_some_and(|outcome| outcome == "unknown"));
        Self::of_parts(
            status.code(),
            info.map(|info| info.reason.as_str()).unwrap_or_default(),
            status.message(),
            violations.unwrap_or_default(),
            outcome_unknown,
        )
    }

    /// What the problem of one message of a stream means.
    pub(super) fn of_problem(problem: Problem) -> Self {
        let Problem { code, reason, message, violations, outcome } = problem;
        let violations = violations
            .into_iter()
            .map(|violation| Violation { field: violation.field, description: violation.description })
            .collect();
        let unknown = outcome == WriteOutcome::Unknown as i32;
        Self::of_parts(Code::from(code), &reason, &message, violations, unknown)
    }

    fn of_parts(code: Code, reason: &str, message: &str, violations: Vec<Violation>, outcome_unknown: bool) -> Self {
        let is = |known: ErrorReason| reason == known.as_reason();
        let text = || if message.is_empty() { format!("{code:?}") } else { message.to_owned() };
        match code {
            Code::Unavailable => return Self::Again { problem: text(), maybe_written: outcome_unknown },
            Code::ResourceExhausted if is(ErrorReason::Busy) => {
                return Self::Again { problem: text(), maybe_written: false };
            }
            _ => {}
        }
        if outcome_unknown {
            return Self::Final(Verdict::Unknown(text()));
        }
        if is(ErrorReason::OrganisationNotAdmitted) || code == Code::Unauthenticated {
            return Self::Final(Verdict::NotAdmitted(text()));
        }
        let refused =
            |code| Verdict::Refused(Box::new(Refused { code, reason: reason.to_owned(), message: text(), violations }));
        Self::Final(match code {
            Code::InvalidArgument => refused("INVALID_ARGUMENT"),
            Code::NotFound => refused("NOT_FOUND"),
            Code::AlreadyExists => refused("ALREADY_EXISTS"),
            Code::PermissionDenied => refused("PERMISSION_DENIED"),
            Code::ResourceExhausted => refused("RESOURCE_EXHAUSTED"),
            Code::FailedPrecondition => refused("FAILED_PRECONDITION"),
            Code::Aborted => refused("ABORTED"),
            Code::OutOfRange => refused("OUT_OF_RANGE"),
            Code::DataLoss => refused("DATA_LOSS"),
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::Unauthenticated => Verdict::Failed(text()),
        })
    }
}

fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The innermost text: what went wrong, without the layers that only say that something did.
pub(super) fn deepest(error: &(dyn Error + 'static)) -> String {
    sources(error).last().unwrap_or(error).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;

    fn status(code: Code, reason: &str, outcome: &str) -> Status {
        let metadata = HashMap::from([("outcome".to_owned(), outcome.to_owned())]);
        let mut details = ErrorDetails::with_error_info(reason, crate::api::ERROR_DOMAIN, metadata);
        if reason == "FIELD_INVALID" {
            details.add_bad_request_violation("draft.text", "must not be empty");
        }
        Status::with_error_details(code, "words", details)
    }

    #[test]
    fn a_refusal_keeps_its_reason_and_names_the_fields() {
        let failure = Failure::of_status(&status(Code::InvalidArgument, "FIELD_INVALID", "nothing_written"), None);
        let Failure::Final(Verdict::Refused(refused)) = failure else { panic!("{failure:?}") };
        assert_eq!(refused.reason, "FIELD_INVALID");
        assert_eq!(refused.to_string(), "draft.text: must not be empty");
    }

    #[test]
    fn what_may_have_been_written_is_never_called_refused() {
        let of = |code, reason, outcome| Failure::of_status(&status(code, reason, outcome), None);
        assert!(matches!(of(Code::Unavailable, "STORE_FAILED", "unknown"), Failure::Again { maybe_written: true, .. }));
        assert!(matches!(of(Code::Internal, "INTERNAL", "unknown"), Failure::Final(Verdict::Unknown(_))));
        assert!(matches!(
            of(Code::ResourceExhausted, "BUSY", "nothing_written"),
            Failure::Again { maybe_written: false, .. }
        ));
        assert!(matches!(
            of(Code::ResourceExhausted, "STORE_FULL", "nothing_written"),
            Failure::Final(Verdict::Refused(_))
        ));
    }

    #[test]
    fn an_organisation_that_is_not_registered_is_not_admitted() {
        let failure = Failure::of_status(&status(Code::PermissionDenied, "ORGANISATION_NOT_ADMITTED", ""), None);
        assert!(matches!(failure, Failure::Final(Verdict::NotAdmitted(_))), "{failure:?}");
    }

    #[test]
    fn details_of_another_domain_are_not_ours() {
        let details = ErrorDetails::with_error_info("BUSY", "elsewhere.example", HashMap::<String, String>::new());
        let failure = Failure::of_status(&Status::with_error_details(Code::ResourceExhausted, "x", details), None);
        assert!(matches!(failure, Failure::Final(Verdict::Refused(_))), "{failure:?}");
    }
}
