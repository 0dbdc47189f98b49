//! How does the command line start and stop a server? The one place of the command line that names the server side.

use std::net::SocketAddr;

use super::config::ServerConfig;
use super::failure::{Exit, Failure};

/// A server that serves.
pub(crate) struct Launched {
    address: SocketAddr,
}

/// Starts a server. When it returns, clients can connect.
pub(crate) async fn launch(config: &ServerConfig) -> Result<Launched, Failure> {
    let _ = Launched { address: config.listen };
    Err(Failure::new(Exit::Failed, "this build has no server"))
}

impl Launched {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until SIGINT or SIGTERM, then stops in good order; an error if the server can't go on.
    pub(crate) async fn until_stopped(self) -> Result<(), Failure> {
        Ok(())
    }
}
