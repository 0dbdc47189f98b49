//! How does somebody without a certificate get one?
//!
//! In reading order: [`mod@line`] (what the coordinator hands over), [`csr`] (what is asked for, and what of it is taken), [`pin`] (the
//! client accepts the authority of the line and no other), [`listener`] (the one socket without a client certificate). Which invite
//! is good for whom is the directory's business. Upholds R10: names come from the invite, never from the request.
//! Tested in each file and over real sockets in `tests/it/enrolment.rs`.

pub mod csr;
pub mod line;
pub mod listener;
pub mod pin;
