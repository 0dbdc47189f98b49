//! What is a measurement? Latencies as quantiles, figures with a unit, and each target next to what was measured.
//!
//! Plain values that go to JSON and come back, so that two runs can be compared. Tested below.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Nobody waits longer for one answer.
const LATENCY_MAX_NS: u64 = 600_000_000_000;

/// Latencies as they are collected, one collector to a task.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Self {
        Self(
            Histogram::new_with_bounds(100, LATENCY_MAX_NS, 3)
                .expect("the bounds are in order and three digits are allowed"),
        )
    }

    /// One more.
    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    /// All of another collector's.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The quantiles, in microseconds.
    pub(crate) fn quantiles(&self) -> Quantiles {
        let us = |quantile| self.0.value_at_quantile(quantile) as f64 / 1000.0;
        Quantiles {
            count: self.0.len(),
            p50_us: us(0.5),
            p99_us: us(0.99),
            p999_us: us(0.999),
            max_us: self.0.max() as f64 / 1000.0,
        }
    }
}

/// How long it took, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    pub(crate) count: u64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Better {
    Higher,
    Lower,
    /// A condition, not an achievement.
    Neither,
}

/// One number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// As `rate`; unique within its load.
    pub(crate) name: String,
    pub(crate) value: f64,
    /// As `messages/s`. Empty for a ratio.
    pub(crate) unit: String,
    pub(crate) better: Better,
}

/// A number to hold, and whether it was held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Target {
    /// In words, as `≥ 40,000 posts/s`.
    pub(crate) target: String,
    /// In words, too.
    pub(crate) measured: String,
    pub(crate) met: bool,
}

/// Named latencies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NamedQuantiles {
    /// What took so long, as `post to acknowledgement`.
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) quantiles: Quantiles,
}

/// What one load came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Its name on the command line.
    pub(crate) load: String,
    /// What was done, in words.
    pub(crate) conditions: String,
    /// The result in one line, ratios first.
    pub(crate) headline: String,
    pub(crate) latencies: Vec<NamedQuantiles>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) targets: Vec<Target>,
    /// What else a reader should know.
    pub(crate) notes: Vec<String>,
}

impl Measured {
    pub(crate) fn new(load: &str, conditions: String) -> Self {
        Self {
            load: load.into(),
            conditions,
            headline: String::new(),
            latencies: Vec::new(),
            figures: Vec::new(),
            targets: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Notes a number.
    pub(crate) fn figure(&mut self, name: &str, value: f64, unit: &str, better: Better) {
        // JSON has no infinities.
        let value = if value.is_finite() { value } else { 0.0 };
        self.figures.push(Figure { name: name.into(), value, unit: unit.into(), better });
    }

    /// Notes a number, if it could be measured.
    pub(crate) fn figure_if(&mut self, name: &str, value: Option<f64>, unit: &str, better: Better) {
        if let Some(value) = value {
            self.figure(name, value, unit, better);
        }
    }

    pub(crate) fn latency(&mut self, name: &str, latencies: &Latencies) -> Quantiles {
        let quantiles = latencies.quantiles();
        self.latencies.push(NamedQuantiles { name: name.into(), quantiles });
        quantiles
    }

    pub(crate) fn target(&mut self, target: impl Into<String>, measured: impl Into<String>, met: bool) {
        self.targets.push(Target { target: target.into(), measured: measured.into(), met });
    }

    /// A figure that was noted.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }
}

/// 1,234,567, or with as many decimals as a small number needs.
pub(crate) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        whole if whole.fract() == 0.0 => 0,
        small if small < 0.1 && small > 0.0 => 4,
        small if small < 10.0 => 2,
        small if small < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, rest) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let rest = rest.map(|rest| format!(".{rest}")).unwrap_or_default();
    format!("{sign}{grouped}{rest}")
}

/// Microseconds for people.
pub(crate) fn micros(us: f64) -> String {
    if us >= 1_000_000.0 {
        format!("{} s", number(us / 1_000_000.0))
    } else if us >= 1000.0 {
        format!("{} ms", number(us / 1000.0))
    } else {
        format!("{} µs", number(us))
    }
}

/// Bytes for people.
pub(crate) fn bytes(count: f64) -> String {
    if count.abs() >= 1024.0 * 1024.0 {
        format!("{} MiB", number(count / 1024.0 / 1024.0))
    } else if count.abs() >= 1024.0 {
        format!("{} KiB", number(count / 1024.0))
    } else {
        format!("{} bytes", number(count))
    }
}

/// The middle one; of an even number, the mean of the two in the middle. 0 for none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    match (values.len(), values.len() / 2) {
        (0, _) => 0.0,
        (odd, middle) if odd % 2 == 1 => values[middle],
        (_, middle) => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_small_ones_keep_their_digits() {
        for (value, text) in [
            (0.0, "0"),
            (10.0, "10"),
            (1234567.8, "1,234,568"),
            (0.0123, "0.0123"),
            (57.25, "57.2"),
            (-1234.0, "-1,234"),
            (999.6, "1,000"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!((micros(441.0).as_str(), micros(7100.0).as_str()), ("441 µs", "7.10 ms"));
        assert_eq!((bytes(100.0).as_str(), bytes(48.0 * 1024.0).as_str()), ("100 bytes", "48 KiB"));
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let mut latencies = Latencies::new();
        for us in 1..=1000 {
            latencies.record(Duration::from_micros(us));
        }
        let found = latencies.quantiles();
        assert_eq!(found.count, 1000);
        assert!((found.p50_us - 500.0).abs() < 2.0 && (found.p99_us - 990.0).abs() < 2.0, "{found:?}");
        assert!(found.max_us >= 1000.0 && found.max_us < 1002.0, "{found:?}");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!((median(&[]), median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0, 2.0, 3.0])), (0.0, 2.0, 2.5));
    }
}
