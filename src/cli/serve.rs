//! `samverkan serve`: a server, as its configuration says.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::reload::Watched;
use super::{config, launch, trace};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Its configuration, TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Serve a store that is behind its high-water file, or has none, for this start only: acknowledged messages may be missing from it.
    /// The server's log says so, and the store keeps a record, which `samverkan inspect` shows
    #[arg(long)]
    accept_rollback: bool,
}

pub(crate) async fn run(command: &Serve) -> Result<(), Failure> {
    let mut config = config::load(&command.config)?;
    config.accept_rollback = command.accept_rollback;
    let filter = trace::install_for_server(config.log_format, &config.log_filter)?;
    // Before the start: what changes during it is seen at the first look.
    let watched = Watched::new(&command.config, &config, filter)?;
    launch::launch(&config).await?.watching(watched).until_stopped().await
}
