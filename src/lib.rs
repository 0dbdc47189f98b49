//! # Samverkan: how it is built
//!
//! When a cyber incident hits several organisations at once, they and the national CERT (the *coordinator*) must talk, fast, without
//! any of them losing control of what it tells the others. Samverkan is the message broker for that: a mutual-TLS gRPC server that
//! hosts one *room* per incident. Each organisation gives *sharing consent*: which material (information, data, logs) may go to
//! which audience (other affected organisations, third parties). The server enforces it on every path, live and in history; every
//! message is in the store before it is acknowledged; who received what is on record before it is sent.
//!
//! ## Bird's-eye view
//!
//! A room is an append-only log. Its state is a pure fold of the log, and three verbs carry the domain:
//! [`decide`](room::decide::decide) turns a command into events or a refusal, [`fold`](room::state::fold) adds an entry to the state,
//! [`disclose`](room::disclose::disclose) says what one reader is shown of one entry. The path of a message:
//!
//! ```text
//! TLS accept -> Caller -> from_proto -> engine -> decide + fold (ahead of disk)
//!   -> frame: entries + delivery records of live readers -> group commit (flush + fdatasync)
//!   -> durable watermark -> answers and deliveries leave: disclose -> to_proto
//! ```
//!
//! ## Map, in reading order
//!
//! | Module | Question | Leans on |
//! |---|---|---|
//! | [`limits`] | how much of anything? | nothing |
//! | [`room`] | who may do what, who may see what? Pure: values in, values out | `limits` |
//! | `rate` | how fast may something happen? | nothing |
//! | [`sealing`] | how is what lies on the disk kept from whoever has the disk? Keys and records | `room::ids` |
//! | [`store`] | what is durable? A port; adapters for memory and sled; the encoding at rest | `room` |
//! | [`audit`] | who did what to this server? The trail: an append-only log of acts, sign-ins and refusals | `room::ids`, `store` |
//! | [`engine`] | in what order does it happen? One task per open room, one committing thread | `room`, `store` |
//! | [`identity`] | who is calling? Certificates, the TLS accept loop | `room::ids` |
//! | [`api`] | what does the wire look like? Generated from `proto/samverkan/v1` | nothing |
//! | [`service`] | which domain words does a request mean, which status does a refusal get? | `engine`, `identity`, `api` |
//! | [`server`] | which parts make a server? | all of the above |
//! | [`client`] | how does a program talk to it? Reconnects, resumes, retries | `api`, `identity` |
//! | `bench` | how fast is it here, next to what this machine can do? | `client`, `identity`, the program itself |
//! | [`cli`] | how does a person talk to it? | `client`, `server`, `bench` |
//!
//! **Architecture invariants.** `room` names no runtime, no wire, no disk, no clock and no randomness: `now` and ids are arguments.
//! Only `store`'s sled adapter names sled. Only `service`, `client`, `server` and `api` name tonic or generated API types; only
//! `store::codec` names generated storage types. `service` makes wire messages from [`Disclosed`](room::disclose::Disclosed) values,
//! which only `room::disclose` can make, so a leak does not compile. The test `tidy` reads the sources and keeps this true.
//!
//! ## Promises
//!
//! | | Promise | Held by |
//! |---|---|---|
//! | R1 | **Acked is forever.** A post that was acknowledged survives SIGKILL, power cut and restart, unchanged and in order. | `store` |
//! | R2 | A room's log is gapless from 0, and each entry carries the digest of the one before; one flipped bit is detected before it is served. | `room::chain`, `store::codec` |
//! | R3 | State is a pure fold of the log: same entries, same state, on any machine and in any batch size. | `room::state` |
//! | R4 | No answer, error or delivery leaves the server before the entries that it depends on are durable. | `engine` |
//! | R5 | **No disclosure without basis.** What a reader gets, on every surface, is what `disclose` allows. Anything unset, unknown or undecodable is a no. | `room::disclose` |
//! | R6 | Narrowing consent takes effect before its acknowledgement: nothing that it covers is given to the HTTP/2 layer afterwards. Widening looks forward only. | `room`, `engine::outbox` |
//! | R7 | **Non-interference.** What an actor can observe is a function of what it may see, when, and of its own commands (response times apart). | `room`, `service` |
//! | R8 | One request id of one actor has one effect, for the life of the store, through crashes and retries; with another payload it is an error. | `engine` |
//! | R9 | Who received what is known: a durable delivery record exists before the bytes are sent. | `engine`, `room::mailbox` |
//! | R10 | Who is calling comes from the client certificate of that connection and nothing else. | `identity` |
//!
//! Each has tests that carry its number in their name (`r1_…` to `r10_…`); `tidy` fails when one has none.
//!
//! ## Consent, exactly
//!
//! Let *o* be a reader's organisation, *S* the source of message *n*, *k* its material.
//!
//! 1. The source always sees its own messages while it is in the room; the coordinator sees everything posted in it. Both except
//!    TLP:RED, which only its author and its named actors see. The coordinator's own messages need no consent.
//! 2. *S* permits *o* what *S* answered for *o* by name; else, if *o* is an authority, nothing; else what *S* answered for the class
//!    that *o*'s role puts it in, if that answer covers *o*. Unanswered, expired, unknown: no.
//! 3. **Running rule:** *o* sees *n* if and only if, at every moment from *n* until now, *o* was a participant, neither was hidden,
//!    *S* permitted *o* direct sharing of *k*, and *o* is among the message's own recipients, if it has any. Lost once is lost: joining,
//!    renewing or widening never opens the past.
//! 4. Consent for a class covers who was in it when it was given, for as long as they stay in it as they were; others only if the
//!    source said that newcomers are included.
//! 5. A withdrawal (or an expiry, or any other break of the rule) gives everybody who holds what it covers one notice, as the next
//!    delivery of that mailbox; the indexes that it lists answer `withdrawn` from then on. Others learn nothing.
//! 6. A name that *S* has not been shown is accepted without comment and can only narrow. Attribution (hidden, pseudonym, named) is
//!    raised and never lowered; a hidden organisation receives the coordinator's words only and can share nothing directly.
//! 7. **Openings** are the only way to look back: a release by the source, its approval of a relay's exact text, a forwarding to the
//!    police as its police answer allows, a legal disclosure that two persons of the coordinator decided. What they open arrives at
//!    their own place in the reader's mailbox. All but the last end when the source revokes or withdraws what covers them, narrows or
//!    says `no` for it, or when its consent ends; none outlives the receiver's participation; none is made against a named `no` but
//!    the last; TLP:RED is never opened.
//! 8. **Relay:** the coordinator's words about others' messages need `relay` from every source, at publication and without a break
//!    since, and what each parent was narrowed to; TLP never loosens; and at least three affected organisations that the reader can see,
//!    itself excepted, could be the source. To others it goes only if its one source approves the text. A relay of a relay stands on
//!    the first one's parents. It falls with any of them.
//! 9. A message **falls** when its source withdraws consent for it, retracts it or posts another that supersedes it: only its source and
//!    the coordinator (TLP:RED: its author) see it any more. What supersedes it reaches at most who could see it just before. It falls
//!    for everybody when its words are **erased**, which two persons of the coordinator decide and a legal hold prevents.
//! 10. Control events go to those they concern: releases to source, coordinator and receivers; approvals to source and coordinator, since
//!     they tell who the source is; questions for consent, reports read, looks through another's eyes to the participant and the
//!     coordinator; acknowledgements and answers to recalls also to the source, if it can tell that the other is here; a legal
//!     disclosure to the source when its notice is no longer suppressed; connections between rooms to nobody in a room.
//! 11. An **attachment** is a message of its own, with its own material and label, in the same write as the message that carries it:
//!     *o* sees it only if it sees that one, too, and what opens it names both. If its poster was given the same bytes by others, it
//!     also reaches nobody whom they would not show theirs, under the strictest of their labels; what was TLP:RED can't be posted
//!     again. Bytes go to an actor whose mailbox has it; the first time is on record, and shown in the receipts.
//!
//! `room::state` keeps, for each source, reader and material, since when the rule has held without a break, so that a decision is one
//! comparison; `tests/it/model.rs` is a second, naive implementation that replays everything, and the two are compared over every
//! combination and random histories.

pub mod api;
pub mod audit;
mod bench;
pub mod cli;
pub mod client;
pub mod contents;
mod danger;
pub mod engine;
mod file_name;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod identity;
pub mod limits;
mod rate;
pub mod room;
pub mod sealing;
pub mod server;
pub mod service;
pub mod store;
