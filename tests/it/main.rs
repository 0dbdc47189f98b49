//! Everything that needs more than one module: real sockets, real certificates, real stores.

mod disclosure;
mod histories;
mod identity;
mod model;
mod pure;
