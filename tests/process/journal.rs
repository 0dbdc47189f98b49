//! What has an actor written down? Lines, on disk before anybody else hears of them.
//!
//! A stamp says what came before what in the harness; all actors draw from one counter, which goes on where the journals end.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Wrong;
use crate::ground::said;

/// A moment: a smaller one was before a larger one.
pub(crate) type Stamp = u64;

/// Where stamps come from.
#[derive(Default)]
pub(crate) struct Stamps(AtomicU64);

impl Stamps {
    /// Now.
    pub(crate) fn next(&self) -> Stamp {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// A stamp that was read: later ones are larger.
    pub(crate) fn seen(&self, stamp: Stamp) -> Stamp {
        self.0.fetch_max(stamp, Ordering::SeqCst);
        stamp
    }
}

/// A file of lines that only grows.
pub(crate) struct Journal(File);

impl Journal {
    /// The lines so far, and the file.
    pub(crate) fn open(path: &Path) -> Result<(Vec<String>, Self), Wrong> {
        let text = fs::read_to_string(path).unwrap_or_default();
        // A last line without an end was cut by a kill, before anybody heard of it.
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        let file = said(OpenOptions::new().create(true).append(true).open(path))?;
        said(file.set_len(whole.len() as u64))?;
        Ok((whole.lines().map(str::to_owned).collect(), Self(file)))
    }

    /// Adds lines, each with its end, and syncs them.
    pub(crate) fn append(&mut self, lines: &str) -> Result<(), Wrong> {
        if lines.is_empty() {
            return Ok(());
        }
        said(self.0.write_all(lines.as_bytes()))?;
        said(self.0.sync_data())
    }
}

/// The words of a line, one after the other.
pub(crate) struct Words<'a> {
    line: &'a str,
    words: std::str::SplitWhitespace<'a>,
}

impl<'a> Words<'a> {
    pub(crate) fn of(line: &'a str) -> Self {
        Self { line, words: line.split_whitespace() }
    }

    pub(crate) fn word(&mut self) -> Result<&'a str, Wrong> {
        self.words.next().ok_or_else(|| format!("a journal has {:?}", self.line))
    }

    pub(crate) fn number(&mut self) -> Result<u64, Wrong> {
        let line = self.line;
        self.word()?.parse().map_err(|_| format!("a journal has {line:?}"))
    }
}
