//! Effects: one task per open room, one for the directory, one thread that writes. One question: in what order does it happen?
//!
//! The one path of a write: find the request id → decide → fold (ahead of disk) → frame → commit → publish → reply. Read in this order:
//! `api` (this file: what the edge calls), `room` (the task), `outbox` (what a subscriber is owed), `listing` (who is in which room),
//! `directory`.
//! Leans on: `room`, `store`. Upholds: R4 (nothing leaves before it is durable), R6, R8, R9. Tested in `engine/tests.rs` and `tests/it`.

use std::sync::Arc;

use crate::room::directory::Directory;
use crate::room::disclose::{Disclosed, Shown, ShownParticipant};
use crate::room::event::{Command, Event, IntakeReport, Request};
use crate::room::consent::{ConsentChange, Name};
use crate::room::ids::{Actor, Index, InvitationId, OrganisationId, ParticipantId, RoomId, Timestamp};
use crate::room::mailbox::Notice;
use crate::room::refusal::Refusal;
use crate::room::state::RoomState;

/// Why a call got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The domain says no. Nothing was written.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A queue is full. Nothing was written; try again in a moment.
    #[error("{0}: try again in a moment")]
    Busy(&'static str),
    /// Too little space on the server's disk. Nothing was written.
    #[error("the server's disk is full; nothing was written")]
    StoreFull,
    /// The store failed, and the server ends.
    #[error("the store failed")]
    StoreFailed {
        /// Whether the write may have happened.
        outcome: Outcome,
    },
    /// What is stored of this room does not verify; the server shows nothing of it.
    #[error("what is stored of this room does not match its digests")]
    Damaged,
    /// The server is stopping. Nothing was written.
    #[error("the server is stopping")]
    ShuttingDown,
}

/// Whether a write that failed happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did not.
    NothingWritten,
    /// It may have. The same request id tells.
    Unknown,
}

/// A write that is durable: what its first entry says. A retry gets the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// When.
    pub recorded_at: Timestamp,
    /// What.
    pub event: Event,
}

/// A room that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Which.
    pub room: RoomId,
    /// The participant id of the organisation that opened it.
    pub participant: ParticipantId,
    /// When.
    pub recorded_at: Timestamp,
}

/// What stands at one index of a mailbox, as its owner may see it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// This.
    Shown(Disclosed<Shown>),
    /// What stood here was withdrawn.
    Withdrawn,
    /// Earlier deliveries were withdrawn.
    Notice(Notice),
}

/// Deliveries with consecutive indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The index of the first, or that of the next if there is none.
    pub first: Index,
    /// In order.
    pub deliveries: Vec<Delivery>,
}

/// Who reads: an actor, and the certificate that the delivery record names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Who.
    pub actor: Actor,
    /// SHA-256 of its certificate.
    pub certificate: [u8; 32],
}

/// A report as shown: whose, and its versions, oldest first, each with the time of its filing.
pub type ShownReports = (Disclosed<ShownParticipant>, Vec<(Timestamp, Disclosed<IntakeReport>)>);
