//! The `samverkan` program: parses what was typed and hands it to [`samverkan::cli`].

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    samverkan::cli::run(samverkan::cli::Cli::parse())
}
