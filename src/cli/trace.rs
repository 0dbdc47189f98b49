//! How much does the program say about itself? On standard error, as a filter that can be set from outside.

use std::io;

use tracing_subscriber::EnvFilter;

use super::config::LogFormat;
use super::failure::{Exit, Failure};
use super::output::colour_on_stderr;

/// For commands that end: warnings, and more with `-v`. `RUST_LOG` goes before both.
pub(crate) fn install_for_commands(verbose: u8) {
    let default = match verbose {
        0 => "error",
        1 => "samverkan=debug,warn",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    // Fails only if a test has installed another one.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colour_on_stderr())
        .try_init();
}

/// For a server: as its configuration says. `RUST_LOG` goes before it.
pub(crate) fn install_for_server(format: LogFormat, filter: &str) -> Result<(), Failure> {
    let filter = match EnvFilter::try_from_default_env() {
        Ok(filter) => filter,
        Err(_) => EnvFilter::try_new(filter)
            .map_err(|error| Failure::new(Exit::Configuration, format!("log.filter: {error}")))?,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let _ = match format {
        LogFormat::Text => builder.with_ansi(colour_on_stderr()).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}
