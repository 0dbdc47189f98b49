//! Everything that needs more than one module: real sockets, real certificates, real stores.

mod disclosure;
mod edge;
mod histories;
mod identity;
mod model;
mod pure;
