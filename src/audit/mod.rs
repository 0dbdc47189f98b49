//! The audit trail. One question: who did what to this server, when, from where, and with which certificate?
//!
//! An append-only log of its own in the store, chained by digests as rooms are: sign-ins, refusals, administrative acts, the life of
//! certificates and invites, break-glass reads. Never a text, a title or a reason in somebody's words: those stay in the rooms and the
//! directory. The coordinator alone reads it. In reading order: [`event`] (what can be recorded, in domain words), [`record`] (how it
//! is kept and read, flat), `of_log` (which entries of rooms and of the directory are acts to be recorded), [`trail`] (the handle,
//! and the one task that writes), `notes` (floods as counts), `segments` (reading, and what happens when a part does not verify).
//!
//! Two ways in. An act's record is durable before the act is acknowledged ([`Trail::record`]), and in one commit with it where the act
//! has entries of its own ([`Trail::submit`]). What strangers cause ([`Trail::note`]: sign-ins, refusals) waits for nothing and is
//! folded into counts.
//!
//! Leans on: `room::ids`, `store`. Upholds: R2 and R4 for the trail. Tested here and in `tests/it/audit.rs`.

pub mod event;
mod notes;
mod of_log;
pub mod record;
mod segments;
pub mod trail;

pub use event::AuditEvent;
pub(crate) use of_log::{of_directory, of_room};
pub use record::{Facts, Kind, Record};
pub(crate) use segments::Loaded;
pub use trail::{Page, Query, Trail};
