//! What an attachment may be called. One question: can this be the name of a file, wherever it is saved?
//!
//! The sender's name is shown to others and becomes the name of a file on their disks, so nothing in it may be a path, hide what follows
//! it, or be a name that a system keeps for itself. Both ends check it: the server at posting, the client before it writes.

use crate::limits::FILE_NAME_BYTES_MAX;

/// Why a name is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAFileName {
    /// Nothing, or too much.
    #[error("must be 1 to 255 bytes of UTF-8")]
    Length,
    /// A path.
    #[error("must not hold a path separator, / or \\, or be . or ..")]
    Path,
    /// Something that is not seen, or changes how the rest is seen.
    #[error("must not hold control characters or marks that change the direction of writing")]
    Control,
    /// Characters that a system does not take.
    #[error("must not hold < > : \" | ? or *, nor end with a space or a dot")]
    Characters,
    /// A device.
    #[error("is a name that Windows keeps for a device")]
    Reserved,
}

/// The names of MS-DOS devices, which Windows still takes for them, whatever the ending.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// Refused, unless it can be the name of a file on the systems in use.
pub(crate) fn check(name: &str) -> Result<(), NotAFileName> {
    if name.is_empty() || name.len() > FILE_NAME_BYTES_MAX {
        return Err(NotAFileName::Length);
    }
    if name == "." || name == ".." || name.contains(['/', '\\']) {
        return Err(NotAFileName::Path);
    }
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if name.contains(hides) {
        return Err(NotAFileName::Control);
    }
    if name.contains(['<', '>', ':', '"', '|', '?', '*']) || name.ends_with([' ', '.']) {
        return Err(NotAFileName::Characters);
    }
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_lowercase();
    let is_device = stem.split_at_checked(3).is_some_and(|(letters, number)| match number {
        "" => DEVICES[..4].contains(&letters),
        _ => DEVICES[4..].contains(&letters) && number.len() == 1 && number.chars().all(|c| c.is_ascii_digit()),
    });
    if is_device { Err(NotAFileName::Reserved) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_names_and_nothing_else_is() {
        for name in [
            "sshd.log",
            "Bilaga 1 – åtgärder.pdf",
            ".env",
            "a",
            "constitution.txt",
            "com.log",
            "lpt10",
            "blå.pdf",
            "ååå.txt",
            "åä",
            &"x".repeat(255),
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for (name, problem) in [
            ("", NotAFileName::Length),
            (&"x".repeat(256)[..], NotAFileName::Length),
            (&"å".repeat(128), NotAFileName::Length),
            (".", NotAFileName::Path),
            ("..", NotAFileName::Path),
            ("../a", NotAFileName::Path),
            ("a/b", NotAFileName::Path),
            ("a\\b", NotAFileName::Path),
            ("a\nb", NotAFileName::Control),
            ("a\0", NotAFileName::Control),
            ("a\u{7f}", NotAFileName::Control),
            ("invoice\u{202e}fdp.exe", NotAFileName::Control),
            ("a\u{200b}", NotAFileName::Control),
            ("a:b", NotAFileName::Characters),
            ("what?", NotAFileName::Characters),
            ("a ", NotAFileName::Characters),
            ("a.", NotAFileName::Characters),
            ("con", NotAFileName::Reserved),
            ("NUL.txt", NotAFileName::Reserved),
            ("Com1.tar.gz", NotAFileName::Reserved),
            ("lpt9", NotAFileName::Reserved),
        ] {
            assert_eq!(check(name), Err(problem), "{name:?}");
        }
    }
}
