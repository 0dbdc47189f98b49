//! Where does the text of a message come from? An argument, a file, or standard input.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use clap::Args;

use super::failure::{Exit, Failure};
use super::output::note;
use super::split::decode;

/// What to send.
#[derive(Debug, Args)]
pub(crate) struct TextArguments {
    /// The text; without it and without --file, standard input
    pub(crate) text: Option<String>,
    /// Take the text from this file
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub(crate) file: Option<PathBuf>,
    /// Replace what is not UTF-8 instead of refusing it
    #[arg(long)]
    pub(crate) lossy: bool,
}

impl TextArguments {
    /// The text. Blocks on standard input.
    pub(crate) fn read(&self) -> Result<String, Failure> {
        if let Some(text) = &self.text {
            return Ok(text.clone());
        }
        let (bytes, from) = match &self.file {
            Some(path) => {
                (fs::read(path).map_err(|error| Failure::io(path.display(), &error))?, path.display().to_string())
            }
            None => {
                if io::stdin().is_terminal() {
                    note("type the text; Ctrl-D ends it");
                }
                let mut bytes = Vec::new();
                io::stdin().lock().read_to_end(&mut bytes).map_err(|error| Failure::io("standard input", &error))?;
                (bytes, "standard input".into())
            }
        };
        decode(bytes, self.lossy).map_err(|offset| {
            Failure::new(Exit::Failed, format!("{from}: is not UTF-8 at byte {offset} (counted from 0)"))
                .hint("--lossy replaces what is not UTF-8 with \u{fffd}")
        })
    }
}
