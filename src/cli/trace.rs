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

/// Changes what a server says about itself while it runs.
pub(crate) struct LogFilter(Option<Box<dyn Fn(EnvFilter) + Send + Sync>>);

impl LogFilter {
    /// From now on this filter, which the configuration has checked; `RUST_LOG`, if it was given, still goes before it.
    pub(crate) fn set(&self, filter: &str) {
        if let (Some(set), Ok(filter)) = (&self.0, EnvFilter::try_new(filter)) {
            set(filter);
        }
    }
}

/// For a server: as its configuration says. `RUST_LOG` goes before it.
pub(crate) fn install_for_server(format: LogFormat, filter: &str) -> Result<LogFilter, Failure> {
    let (filter, is_fixed) = match EnvFilter::try_from_default_env() {
        Ok(filter) => (filter, true),
        Err(_) => {
            let filter = EnvFilter::try_new(filter)
                .map_err(|error| Failure::new(Exit::Configuration, format!("log.filter: {error}")))?;
            (filter, false)
        }
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let set: Box<dyn Fn(EnvFilter) + Send + Sync> = match format {
        LogFormat::Text => {
            let builder = builder.with_ansi(colour_on_stderr()).with_filter_reloading();
            let handle = builder.reload_handle();
            let _ = builder.try_init();
            Box::new(move |filter| drop(handle.reload(filter)))
        }
        LogFormat::Json => {
            let builder = builder.json().with_filter_reloading();
            let handle = builder.reload_handle();
            let _ = builder.try_init();
            Box::new(move |filter| drop(handle.reload(filter)))
        }
    };
    Ok(LogFilter(Some(set).filter(|_| !is_fixed)))
}
