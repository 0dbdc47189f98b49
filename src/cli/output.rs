//! Where does what a command says go? Data to standard output, everything else to standard error.
//!
//! What others wrote is shown with its control characters escaped, so that nobody's message moves somebody's cursor; in JSON it
//! stays what it is. Tested below.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets};
use serde_json::Value;

use super::failure::Failure;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON object a line, for programs.
    Json,
}

/// The way out of a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) format: Format,
}

impl Output {
    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// One object for programs, or what `people` prints.
    pub(crate) fn show(self, value: &Value, people: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        if self.is_json() { self.json(value) } else { people() }
    }

    /// Objects for programs, one a line; a table for people, or a sentence when there is nothing.
    pub(crate) fn list(
        self,
        values: &[Value],
        header: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
        empty: &str,
    ) -> Result<(), Failure> {
        if self.is_json() {
            return values.iter().try_for_each(|value| self.json(value));
        }
        let rows: Vec<_> = rows.into_iter().collect();
        if rows.is_empty() {
            note(empty);
            return Ok(());
        }
        self.line(&table(header, rows))
    }

    /// One JSON object on a line of its own.
    pub(crate) fn json(self, value: &Value) -> Result<(), Failure> {
        write_line(&one_json(value, false))
    }

    /// Text for people on standard output that was escaped before, and may be coloured.
    pub(crate) fn drawn(self, text: &str) -> Result<(), Failure> {
        write_line(text)
    }

    /// Text for people on standard output, with control characters other than line ends and tabs escaped.
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        write_line(&escape(text))
    }
}

/// A JSON object as it is printed and kept: on one line, or for people.
pub(crate) fn one_json(value: &Value, pretty: bool) -> String {
    let text = if pretty { format!("{value:#}") } else { value.to_string() };
    escape_json(&text).into_owned()
}

fn write_line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| Failure::of_output(&error))
}

/// A table without lines around it: columns, two spaces apart.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header.iter().map(|cell| cell.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| escape(cell).into_owned()));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A sentence for people, on standard error.
pub(crate) fn note(text: impl Display) {
    // Nobody to tell when standard error is gone.
    let _ = writeln!(io::stderr(), "{}", escape(&text.to_string()));
}

/// The error and what to do about it, on standard error.
pub(crate) fn complain(failure: &Failure) {
    if failure.is_quiet {
        return;
    }
    let paint = |style: Style, word: &str| {
        if colour_on_stderr() { format!("{style}{word}{style:#}") } else { word.to_owned() }
    };
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    let mut text = format!("{} {}", paint(red, "error:"), escape(&failure.message));
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("\n{} {}", paint(Style::new().bold(), "hint:"), escape(hint)));
    }
    let _ = writeln!(io::stderr(), "{text}");
}

/// Whether standard error may be coloured: a terminal, and nobody set `NO_COLOR`.
pub(crate) fn colour_on_stderr() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether standard output may be coloured.
pub(crate) fn colour_on_stdout() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// How this program was started, so that what it prints can be pasted.
pub(crate) fn program() -> String {
    if std::env::var_os("CARGO").is_some() && std::env::var_os("CARGO_PKG_NAME").is_some() {
        return "cargo run -q --".into();
    }
    quoted(&std::env::args().next().unwrap_or_else(|| "samverkan".into()))
}

/// For a POSIX shell.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.into() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Whether somebody sits there who can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for one line. The answer is trimmed; the end of input is an empty answer.
pub(crate) fn ask(question: &str) -> Result<String, Failure> {
    let mut err = io::stderr();
    let asked = write!(err, "{question} ").and_then(|()| err.flush());
    let mut answer = String::new();
    asked
        .and_then(|()| io::stdin().lock().read_line(&mut answer))
        .map_err(|error| Failure::io("standard input", &error))?;
    Ok(answer.trim().to_owned())
}

/// Asks a yes-or-no question; anything but yes is no.
pub(crate) fn ask_yes(question: &str) -> Result<bool, Failure> {
    let answer = ask(&format!("{question} [y/N]"))?;
    Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
}

/// Text with what could steer a terminal, or turn the order of what is read, written as `\u{…}`. Line ends and tabs stay.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| steers(c) && c != '\n' && c != '\t') {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if steers(c) && c != '\n' && c != '\t' {
            escaped.extend(c.escape_unicode());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// JSON as it was, with the characters escaped that JSON itself lets through and a terminal obeys.
fn escape_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(steers) {
        return Cow::Borrowed(json);
    }
    // Between values, line ends stand for themselves; within one, JSON has escaped them.
    let escape = |c: char| if steers(c) && c != '\n' { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    Cow::Owned(json.chars().map(escape).collect())
}

/// Control characters, line separators, and the marks that turn the direction of text.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_steer_the_terminal_it_is_read_on() {
        assert_eq!(escape("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(escape("\r\u{7}\u{9b}31m\u{202e}\u{7f}"), "\\u{d}\\u{7}\\u{9b}31m\\u{202e}\\u{7f}");
    }

    #[test]
    fn words_line_ends_and_tabs_stay() {
        for text in ["", "åäö 漢字 🙂", "one\ntwo\tthree"] {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn json_means_the_same_after_escaping() {
        let value = serde_json::json!({"text": "a\u{1b}b\u{9b}c\u{202e}d\ne"});
        let text = escape_json(&value.to_string()).into_owned();
        assert!(!text.chars().any(steers), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value);
    }

    #[test]
    fn a_table_has_a_header_and_no_spaces_at_the_ends_of_lines() {
        let text = table(&["room", "title"], [vec!["1".into(), "a\u{1b}".into()], vec!["22".into(), String::new()]]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].starts_with("ROOM") && lines[1].contains("a\\u{1b}"), "{text}");
        assert!(lines.iter().all(|line| !line.ends_with(' ')), "{text}");
    }
}
