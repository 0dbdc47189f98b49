//! The pure core of a room.

pub mod ids;
