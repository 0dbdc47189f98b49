//! How does a command fail? With one sentence, one hint of what to do next, and an exit code that a program can tell apart.
//!
//! The codes are documented in `samverkan --help`. Tested below.

use std::fmt::Display;
use std::io;

use crate::client::{ClientError, ContextError};

/// The exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Something failed, and none of the below.
    Failed = 1,
    /// The arguments make no sense.
    Usage = 2,
    /// The server said no.
    Refused = 3,
    /// Not reachable, or not admitted.
    NotAdmitted = 4,
    /// It may have happened.
    OutcomeUnknown = 5,
    /// The configuration, or a context, is bad.
    Configuration = 64,
    /// The store is damaged, or was refused.
    Store = 65,
    /// A file could not be read or written.
    Io = 74,
}

/// Why a command did not do it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// Whoever read our output has seen enough: not worth a word.
    pub(crate) is_quiet: bool,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string(), hint: None, is_quiet: false }
    }

    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn io(what: impl Display, error: &io::Error) -> Self {
        Self::new(Exit::Io, format!("{what}: {error}"))
    }

    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    pub(crate) fn with_message(mut self, message: impl Display) -> Self {
        self.message = message.to_string();
        self
    }

    /// What came of writing to standard output.
    pub(crate) fn of_output(error: &io::Error) -> Self {
        let is_quiet = error.kind() == io::ErrorKind::BrokenPipe;
        Self { is_quiet, ..Self::io("standard output", error) }
    }
}

impl From<ContextError> for Failure {
    fn from(error: ContextError) -> Self {
        let failure = Self::new(Exit::Configuration, &error);
        match error {
            ContextError::NoFolder => failure.hint("export SAMVERKAN_CONTEXTS=FOLDER"),
            ContextError::NotChosen { found, .. } | ContextError::NotFound { found, .. } if found.is_empty() => failure
                .hint(
                    "`samverkan dev` makes contexts for trying things out; then export SAMVERKAN_CONTEXTS=certs/dev/contexts",
                ),
            ContextError::NotChosen { .. } | ContextError::NotFound { .. } => {
                failure.hint("choose one with --context NAME, or for good with `samverkan context use NAME`")
            }
            ContextError::BadName { .. } => failure.hint("`samverkan context list` shows what there is"),
            ContextError::Malformed { .. } => {
                failure.hint("a context has address, ca, certificate, key, organisation, actor and may have server_name")
            }
            ContextError::Io { .. } => Self { exit: Exit::Io, ..failure },
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Context(error) => error.into(),
            ClientError::Certificate(_) => {
                Self::new(Exit::Configuration, message).hint("`samverkan context show` tells which files are used")
            }
            ClientError::NotReachable { .. } => Self::new(Exit::NotAdmitted, message)
                .hint("is the server running? `samverkan context show` tells which address is used"),
            ClientError::NotAdmitted { .. } => Self::new(Exit::NotAdmitted, message).hint(
                "`samverkan doctor` tells what is wrong with the certificate in use; whom the server lets in, the coordinator decides",
            ),
            ClientError::Refused(refused) => {
                let failure = Self::new(Exit::Refused, message);
                match hint_for(&refused.reason) {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            }
            ClientError::OutcomeUnknown { request_id, .. } => Self::new(Exit::OutcomeUnknown, message)
                .hint(format!("look whether it happened before you do it again (its request id is {request_id})")),
            ClientError::Failed(_) => {
                Self::new(Exit::Failed, message).hint("the server's log has more; those who run it can look it up")
            }
        }
    }
}

/// The next command after a refusal, where there is an obvious one.
fn hint_for(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "ROOM_NOT_FOUND" => "`samverkan room list` shows the rooms you are in",
        "INVITATION_NOT_FOUND" => "`samverkan room invitations` shows those that wait for your answer",
        "ORGANISATION_NOT_FOUND" => "`samverkan organisation register` admits it",
        "ORGANISATION_SUSPENDED" => "`samverkan organisation register` admits it again",
        "INVITE_NOT_VALID" => {
            "ask the coordinator for a new line, and say if you never used this one: then somebody else has"
        }
        "INVITE_NOT_OPEN" => "`samverkan invite list` shows what has become of each",
        "APPROVAL_PENDING" => "read the code to the coordinator, then type the same line again",
        "NOBODY_WAITS" => "`samverkan invite list` shows what has become of each",
        "APPROVAL_CODE_WRONG" => "`samverkan invite list` shows who waits; `samverkan invite revoke` takes a line back",
        "RENEWAL_NOT_PERMITTED" => {
            "`samverkan certs show` tells who issued it; put new files in the places of the old ones"
        }
        "ENROLMENT_OFF" => {
            "whoever runs the server adds [enrolment] to its configuration; `samverkan certs issue` works without"
        }
        "BACKUP_BASE_UNKNOWN" => "`samverkan backup --directory FOLDER` with an empty folder takes a whole one",
        "ORGANISATION_EXISTS" => "`samverkan organisation list` shows it",
        "PARTICIPANT_NOT_FOUND" | "RECIPIENT_NOT_VISIBLE" => "`samverkan room participants` shows whom you can name",
        "ROOM_CLOSED" => "the coordinator can open it again: `samverkan room reopen`",
        "MESSAGE_NOT_VISIBLE" => {
            "`samverkan tail` shows the messages you can name; some can only be used by their source"
        }
        "CONSENT_VERSION_CHANGED" => "`samverkan consent show` shows the consent as it is now",
        "ATTRIBUTION_HIDDEN" => "add --attribution pseudonym or --attribution named, or share by relay",
        "PERSON_REQUIRED" => "use the context of a person",
        "REPORT_NOT_FOUND" => "`samverkan report amend` files one in a room you were invited to",
        "EDIT_WIDENS" => {
            "`samverkan message show` shows what it allowed; to let others have it, `samverkan consent release`"
        }
        "MESSAGE_WITHDRAWN" => "`samverkan message receipts` shows who has it; post it again if it holds after all",
        "NAMED_NO" => "`samverkan consent show` shows who is named; the answer by name must be changed first",
        "ASK_NOT_FOUND" | "INTRODUCTION_NOT_FOUND" => "`samverkan tail` shows what waits for your answer, after a →",
        "ASK_CLOSED" => "to share it after all: `samverkan consent release` or `samverkan consent give`",
        "RELEASE_NOT_FOUND" => "`samverkan tail` shows your releases and what became of them",
        "RECALL_NOT_FOUND" => "`samverkan tail` shows the notices that ask you to delete something",
        "RELAY_NOT_PERMITTED" => "`samverkan relay preview` shows who may get it, and why not",
        "TEXT_CHANGED" => "`samverkan tail` shows which relay is in force; read it again before you approve it",
        "ACKNOWLEDGEMENT_NOT_ASKED" | "ALREADY_ACKNOWLEDGED" => {
            "there is nothing to do; `samverkan tail` shows what asks for it"
        }
        "POLICE_FORWARDING_NOT_ALLOWED" => {
            "`samverkan consent show --participant NAME` shows its police answer; a legal duty: `samverkan legal propose`"
        }
        "SECOND_PERSON_REQUIRED" => "another person confirms it, with a context of their own",
        "DISCLOSURE_NOT_FOUND" => "`samverkan tail` shows what is proposed and what is made",
        "LEGAL_HOLD" => "`samverkan retention due --all` shows who holds it and why; `samverkan hold lift` ends that",
        "ERASURE_NOT_FOUND" => "`samverkan erasure list` shows what is proposed and what is done",
        "STORE_NOT_ENCRYPTED" => {
            "only a new store can have a key: `samverkan keys create FILE`, and name it as store.key before its first start"
        }
        "LEGAL_HOLD_PLACED" | "NO_LEGAL_HOLD" => "`samverkan retention due --all` shows which rooms are held",
        "INDEX_PAST_END" => "leave out --after, or give the index of the last line you have",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ErrorReason;
    use crate::client::Refused;

    #[test]
    fn each_way_to_fail_has_its_own_exit_code() {
        let address = || "127.0.0.1:7443".to_owned();
        let refused = Refused {
            code: "NOT_FOUND",
            reason: "ROOM_NOT_FOUND".into(),
            message: "no such room".into(),
            violations: Vec::new(),
        };
        let cases = [
            (ClientError::NotReachable { address: address(), problem: "x".into() }, 4),
            (ClientError::NotAdmitted { address: address(), explanation: "x".into() }, 4),
            (ClientError::Refused(Box::new(refused)), 3),
            (ClientError::OutcomeUnknown { request_id: "r".into(), problem: "x".into() }, 5),
            (ClientError::Failed("x".into()), 1),
            (ClientError::Context(ContextError::NoFolder), 64),
        ];
        for (error, exit) in cases {
            let failure = Failure::from(error);
            assert_eq!(failure.exit as u8, exit, "{failure:?}");
            assert!(failure.hint.is_some(), "{failure:?}");
        }
    }

    #[test]
    fn every_reason_with_a_hint_is_one_of_the_apis() {
        let known: Vec<_> =
            (0..100).filter_map(|n| ErrorReason::try_from(n).ok()).map(ErrorReason::as_reason).collect();
        let hinted = [
            "ROOM_NOT_FOUND",
            "INVITATION_NOT_FOUND",
            "ORGANISATION_NOT_FOUND",
            "ORGANISATION_SUSPENDED",
            "ORGANISATION_EXISTS",
            "PARTICIPANT_NOT_FOUND",
            "RECIPIENT_NOT_VISIBLE",
            "ROOM_CLOSED",
            "MESSAGE_NOT_VISIBLE",
            "CONSENT_VERSION_CHANGED",
            "ATTRIBUTION_HIDDEN",
            "PERSON_REQUIRED",
            "REPORT_NOT_FOUND",
            "INDEX_PAST_END",
            "EDIT_WIDENS",
            "MESSAGE_WITHDRAWN",
            "NAMED_NO",
            "ASK_NOT_FOUND",
            "ASK_CLOSED",
            "RELEASE_NOT_FOUND",
            "RECALL_NOT_FOUND",
            "RELAY_NOT_PERMITTED",
            "TEXT_CHANGED",
            "ACKNOWLEDGEMENT_NOT_ASKED",
            "ALREADY_ACKNOWLEDGED",
            "POLICE_FORWARDING_NOT_ALLOWED",
            "SECOND_PERSON_REQUIRED",
            "DISCLOSURE_NOT_FOUND",
            "INTRODUCTION_NOT_FOUND",
            "LEGAL_HOLD",
            "ERASURE_NOT_FOUND",
            "STORE_NOT_ENCRYPTED",
            "LEGAL_HOLD_PLACED",
            "NO_LEGAL_HOLD",
        ];
        for reason in hinted {
            assert!(known.contains(&reason) && hint_for(reason).is_some(), "{reason}");
        }
    }
}
