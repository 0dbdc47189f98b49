//! Samverkan: a message broker for cyber incidents that hit several organisations at once.

pub mod api;
pub mod engine;
pub mod identity;
pub mod limits;
pub mod room;
pub mod server;
pub mod service;
pub mod store;
