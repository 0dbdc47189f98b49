//! The pure core of a room: values in, values out; no clock, no randomness, no disk, no socket.
//!
//! Read in this order: `words` and `ids` (the vocabulary), `consent`, `event` (wishes and facts), `state` ([`state::fold`]),
//! `decide`, `disclose`, `mailbox` (what each actor was shown, under which index), `chain` (digests), `directory` (organisations).
//! Three verbs carry the domain, and everything that shows anything to anyone goes through the third:
//! [`decide::decide`], [`state::fold`], [`disclose::disclose`].

pub mod chain;
pub mod consent;
pub mod decide;
pub mod directory;
pub mod disclose;
pub mod enrolment;
pub mod event;
pub mod ids;
pub mod mailbox;
#[doc(hidden)]
pub mod mutant;
pub mod refusal;
pub mod state;
pub mod words;
