//! `samverkan serve`: a server, as its configuration says.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::{config, launch, trace};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Its configuration, TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(crate) async fn run(command: &Serve) -> Result<(), Failure> {
    let config = config::load(&command.config)?;
    trace::install_for_server(config.log_format, &config.log_filter)?;
    launch::launch(&config).await?.until_stopped().await
}
