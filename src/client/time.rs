//! How are times written? RFC 3339 in UTC, as on the wire. Leans on jiff. Tested below.

use jiff::Timestamp;

/// A moment, as the API has it.
pub type Time = prost_types::Timestamp;

/// Why a text is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no time; write it like 2026-12-01T00:00:00Z (RFC 3339, with Z or an offset)")]
pub struct NotATime {
    text: String,
}

/// Reads RFC 3339, such as `2026-12-01T00:00:00Z` or with an offset, with up to microseconds.
pub fn parse_time(text: &str) -> Result<Time, NotATime> {
    let time: Timestamp = text.trim().parse().map_err(|_| NotATime { text: text.to_owned() })?;
    let micros = time.as_microsecond();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1000).unwrap_or_default();
    Ok(Time { seconds: micros.div_euclid(1_000_000), nanos })
}

/// Writes RFC 3339 in UTC; a moment that no calendar has as `?`.
pub fn time_text(time: &Time) -> String {
    Timestamp::new(time.seconds, time.nanos).map_or_else(|_| "?".into(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_in_utc() {
        for (text, utc) in [
            ("2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("2026-12-01T01:00:00.25+01:00", "2026-12-01T00:00:00.25Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"),
        ] {
            assert_eq!(time_text(&parse_time(text).expect(text)), utc);
        }
    }

    #[test]
    fn a_date_alone_is_no_time() {
        for text in ["", "2026-12-01", "tomorrow", "2026-12-01T00:00:00"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
