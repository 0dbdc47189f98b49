//! Everything that needs more than one module: real sockets, real certificates, real stores.

mod identity;
