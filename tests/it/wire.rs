//! What callers of a real server can see, and what they can't: over sockets, with certificates and a store.

mod access;
mod bad_consent;
mod bad_input;
mod canaries;
mod consent_in_full;
mod fields;
mod kinds;
mod limits;
mod pairs;
mod records;
mod rooms;
mod server;
mod streams;
