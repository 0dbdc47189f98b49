//! Samverkan: a message broker for cyber incidents that hit several organisations at once.

pub mod api;
pub mod cli;
pub mod client;
pub mod identity;
pub mod limits;
pub mod room;
pub mod store;
