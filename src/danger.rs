//! Which promises does this process break on purpose? Test-only: the harness in `tests/process` must notice each of them.
//!
//! Only a build with the feature `danger` can be told to, by its environment; in every other build nothing of this is left.

/// A promise to break.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Danger {
    /// Commits are not synced.
    NoFsync,
    /// Commits are acknowledged before they are made.
    AckEarly,
    /// A delivery record is written with the commit after the one that it belongs to, when the bytes have left.
    RecordsLate,
    /// Digests and checksums of frames are not compared.
    NoChain,
}

impl Danger {
    fn variable(self) -> &'static str {
        match self {
            Self::NoFsync => "SAMVERKAN_DANGER_NO_FSYNC",
            Self::AckEarly => "SAMVERKAN_DANGER_ACK_EARLY",
            Self::RecordsLate => "SAMVERKAN_DANGER_RECORDS_LATE",
            Self::NoChain => "SAMVERKAN_DANGER_NO_CHAIN",
        }
    }
}

/// Whether it is broken.
pub(crate) fn is_on(danger: Danger) -> bool {
    cfg!(feature = "danger") && std::env::var_os(danger.variable()).is_some_and(|value| value == "1")
}

/// By how many microseconds the clock is wrong: what the file holds that `SAMVERKAN_DANGER_CLOCK` names.
pub(crate) fn clock_step() -> i64 {
    let file = if cfg!(feature = "danger") { std::env::var_os("SAMVERKAN_DANGER_CLOCK") } else { None };
    let text = file.and_then(|path| std::fs::read_to_string(path).ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}
