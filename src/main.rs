//! The `samverkan` program: parses what was typed and hands it to [`samverkan::cli`].

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    samverkan::cli::run(samverkan::cli::Cli::parse())
}
