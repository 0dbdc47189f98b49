//! How is a moment to come written on a command line? As a time, or as how long from now. Tested below.

use super::certs::now;
use crate::client::{Time, parse_time};

/// Seconds in the units that are accepted.
const UNITS: [(&str, i64); 4] = [("s", 1), ("m", 60), ("h", 60 * 60), ("d", 24 * 60 * 60)];

/// Reads `2h`, `30m`, `3d`, or a time as in RFC 3339. A span counts from this machine's clock, now.
pub(crate) fn moment(text: &str) -> Result<Time, String> {
    moment_after(text, now().0.div_euclid(1_000_000))
}

/// Reads `2h`, `30m`, `3d` as how long ago, or a time as in RFC 3339.
pub(crate) fn moment_ago(text: &str) -> Result<Time, String> {
    let now = now().0.div_euclid(1_000_000);
    let then = moment_after(text, now)?;
    let is_span = UNITS.iter().any(|(unit, _)| text.trim().ends_with(unit));
    Ok(if is_span { Time { seconds: 2 * now - then.seconds, nanos: 0 } } else { then })
}

fn moment_after(text: &str, now: i64) -> Result<Time, String> {
    let wrong = || {
        format!(
            "{text:?} is no moment; write how long from now, as in 2h, 30m or 3d, or a time, as in 2026-12-01T00:00:00Z"
        )
    };
    if let Some((count, seconds)) =
        UNITS.iter().find_map(|(unit, seconds)| Some((text.trim().strip_suffix(unit)?, seconds)))
        && !count.is_empty()
        && count.chars().all(|c| c.is_ascii_digit())
    {
        let span = count.parse::<i64>().ok().and_then(|count| count.checked_mul(*seconds)).ok_or_else(wrong)?;
        return now.checked_add(span).map(|seconds| Time { seconds, nanos: 0 }).ok_or_else(wrong);
    }
    parse_time(text).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_counts_from_now() {
        for (text, seconds) in [("90s", 1090), ("30m", 2800), ("2h", 8200), (" 1d ", 87_400)] {
            assert_eq!(moment_after(text, 1000), Ok(Time { seconds, nanos: 0 }), "{text}");
        }
    }

    #[test]
    fn a_time_is_that_time() {
        assert_eq!(moment_after("1970-01-01T00:01:00Z", 1000), Ok(Time { seconds: 60, nanos: 0 }));
    }

    #[test]
    fn anything_else_is_answered_with_the_forms() {
        for text in
            ["", "h", "2", "-2h", "2 hours", "2.5h", "tomorrow", "99999999999999999999d", "9223372036854775807d"]
        {
            assert!(moment_after(text, 1000).is_err_and(|error| error.contains("2h, 30m or 3d")), "{text}");
        }
    }
}
