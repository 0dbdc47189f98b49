//! Everything that needs more than one module: real sockets, real certificates, real stores.

mod at_rest;
mod attachments;
mod audit;
mod backup;
mod bench;
mod client;
mod disclosure;
mod doctor;
mod edge;
mod enrolment;
mod erasure;
mod export;
mod failure_modes;
mod golden;
mod histories;
mod identity;
mod model;
#[cfg(feature = "danger")]
mod mutants;
mod non_interference;
mod pure;
mod refused_stores;
mod renewal;
mod room_export;
mod s3;
mod scenarios;
mod simulation;
mod tidy;
mod transcript;
mod trust;
mod wire;
mod wire_scenarios;
mod world;
