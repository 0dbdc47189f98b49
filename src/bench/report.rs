//! What does a run say, to people and to an earlier run? Tested below.

use serde::{Deserialize, Serialize};

use super::Bench;
use super::ceilings::Ceiling;
use super::measure::{Better, Figure, Measured, Quantiles, bytes, micros, number};
use super::process;

/// The number of this layout of JSON; raised when a field changes its meaning.
const LAYOUT: u32 = 1;

/// A run, complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) layout: u32,
    /// Of the product.
    pub(crate) version: String,
    /// Processor, cores, memory, kernel.
    pub(crate) machine: String,
    /// Seconds since 1970.
    pub(crate) begun: i64,
    /// Whether a debug build was measured, whose figures mean little.
    pub(crate) debug_build: bool,
    pub(crate) quick: bool,
    /// Whether the server was the benchmark's own.
    pub(crate) self_contained: bool,
    pub(crate) loads: Vec<Measured>,
    pub(crate) ceilings: Vec<Ceiling>,
}

impl Run {
    pub(super) fn begin(bench: &Bench<'_>) -> Self {
        Self {
            layout: LAYOUT,
            version: env!("CARGO_PKG_VERSION").into(),
            machine: process::machine(),
            begun: super::ground::now().0.div_euclid(1_000_000),
            debug_build: cfg!(debug_assertions),
            quick: bench.options.quick,
            self_contained: bench.ground.is_own(),
            loads: Vec::new(),
            ceilings: Vec::new(),
        }
    }

    /// Reads what `--output json` wrote.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let run: Self = serde_json::from_str(text.trim())
            .map_err(|error| format!("is no result of `samverkan bench --output json`: {error}"))?;
        if run.layout == LAYOUT {
            Ok(run)
        } else {
            Err(format!("has layout {}, this version reads {LAYOUT}: measure again", run.layout))
        }
    }
}

/// One load, as lines for people.
pub(crate) fn lines(measured: &Measured) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", measured.load, measured.headline), format!("  {}", measured.conditions)];
    for target in &measured.targets {
        let verdict = if target.met { "met   " } else { "MISSED" };
        lines.push(format!("  {verdict}  {}: {}", target.target, target.measured));
    }
    for named in &measured.latencies {
        lines.push(format!("  {}: {}", named.name, quantiles(&named.quantiles)));
    }
    let figures: Vec<_> = measured.figures.iter().map(figure).collect();
    lines.extend(figures.chunks(4).map(|row| format!("  {}", row.join(" · "))));
    lines.extend(measured.notes.iter().map(|note| format!("  note: {note}")));
    lines
}

/// Each target once more, together, and on what all was measured; nothing for a run without any.
pub(crate) fn summary(run: &Run) -> Vec<String> {
    let targets: Vec<_> =
        run.loads.iter().flat_map(|load| load.targets.iter().map(move |target| (load, target))).collect();
    if targets.is_empty() {
        return vec![format!("Measured on {}.", run.machine)];
    }
    let met = targets.iter().filter(|(_, target)| target.met).count();
    let mut lines = vec![format!("{met} of {} targets met on {}:", targets.len(), run.machine)];
    lines.extend(targets.iter().map(|(load, target)| {
        let verdict = if target.met { "met   " } else { "MISSED" };
        format!("  {verdict}  {}: {}: {}", load.load, target.target, target.measured)
    }));
    lines
}

/// The ceilings, as lines for people.
pub(crate) fn ceiling_lines(ceilings: &[Ceiling]) -> Vec<String> {
    let line = |ceiling: &Ceiling| {
        let step = ceiling.step.as_ref().map(|step| format!("; each {}", quantiles(step))).unwrap_or_default();
        let cpu = ceiling.cpu_us.map(|us| format!("; {} of processor time each", micros(us))).unwrap_or_default();
        format!("  {}: {} {}{step}{cpu} ({})", ceiling.name, number(ceiling.rate), ceiling.unit, ceiling.how)
    };
    std::iter::once("Ceilings of this machine, in the same run:".to_owned()).chain(ceilings.iter().map(line)).collect()
}

fn quantiles(quantiles: &Quantiles) -> String {
    format!(
        "p50 {}, p99 {}, p99.9 {}, max {}",
        micros(quantiles.p50_us),
        micros(quantiles.p99_us),
        micros(quantiles.p999_us),
        micros(quantiles.max_us)
    )
}

fn figure(figure: &Figure) -> String {
    let name = figure.name.replace('_', " ");
    match figure.unit.as_str() {
        "" => format!("{name} {}", number(figure.value)),
        "bytes" => format!("{name} {}", bytes(figure.value)),
        unit => format!("{name} {} {unit}", number(figure.value)),
    }
}
/// What changed since an earlier run: one row for each figure that both have, with whether it got better.
pub(crate) fn compare(before: &Run, now: &Run) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for load in &now.loads {
        let Some(earlier) = before.loads.iter().find(|earlier| earlier.load == load.load) else { continue };
        for figure in &load.figures {
            if let Some(value) = earlier.value(&figure.name) {
                rows.push(row(&load.load, &figure.name.replace('_', " "), (value, figure.value), figure.better));
            }
        }
        for named in &load.latencies {
            let Some(earlier) = earlier.latencies.iter().find(|earlier| earlier.name == named.name) else { continue };
            for (quantile, read) in QUANTILES {
                let values = (read(&earlier.quantiles), read(&named.quantiles));
                rows.push(row(&load.load, &format!("{}, {quantile} µs", named.name), values, Better::Lower));
            }
        }
    }
    for ceiling in &now.ceilings {
        if let Some(earlier) = before.ceilings.iter().find(|earlier| earlier.name == ceiling.name) {
            rows.push(row("ceiling", &ceiling.name, (earlier.rate, ceiling.rate), Better::Neither));
        }
    }
    rows
}

type Quantile = (&'static str, fn(&Quantiles) -> f64);
const QUANTILES: [Quantile; 2] = [("p50", |quantiles| quantiles.p50_us), ("p99", |quantiles| quantiles.p99_us)];

/// Changes below this are noise.
const NOISE: f64 = 0.03;

fn row(load: &str, what: &str, (before, now): (f64, f64), better: Better) -> Vec<String> {
    let change = if before == 0.0 { 0.0 } else { (now - before) / before };
    let verdict = match better {
        Better::Neither => "",
        _ if change.abs() < NOISE => "same",
        Better::Higher if change > 0.0 => "better",
        Better::Lower if change < 0.0 => "better",
        Better::Higher | Better::Lower => "worse",
    };
    let change = format!("{:+.1} %", change * 100.0);
    vec![load.into(), what.into(), number(before), number(now), change, verdict.into()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::measure::Latencies;

    fn run(rate: f64) -> Run {
        let mut measured = Measured::new("post", "8 connections".into());
        measured.figure("rate", rate, "messages/s", Better::Higher);
        measured.latency("post", &Latencies::new());
        measured.target("≥ 40,000/s", number(rate), rate >= 40_000.0);
        Run {
            layout: LAYOUT,
            version: "0".into(),
            machine: "a machine".into(),
            begun: 0,
            debug_build: false,
            quick: true,
            self_contained: true,
            loads: vec![measured],
            ceilings: Vec::new(),
        }
    }

    #[test]
    fn a_run_is_read_back_as_it_was_written() {
        let written = serde_json::to_string(&run(1.0)).expect("JSON");
        assert_eq!(Run::parse(&written).expect("read"), run(1.0));
        assert!(Run::parse("{}").is_err());
        let later = Run { layout: LAYOUT + 1, ..run(1.0) };
        assert!(Run::parse(&serde_json::to_string(&later).expect("JSON")).is_err_and(|why| why.contains("layout")));
    }

    #[test]
    fn a_comparison_says_what_got_better() {
        let verdict = |before, now| compare(&run(before), &run(now))[0][5].clone();
        assert_eq!(
            (verdict(100.0, 150.0), verdict(100.0, 50.0), verdict(100.0, 101.0)),
            ("better".into(), "worse".into(), "same".into())
        );
    }

    #[test]
    fn a_missed_target_catches_the_eye() {
        assert!(lines(&run(1.0).loads[0]).iter().any(|line| line.contains("MISSED")));
        assert!(!lines(&run(50_000.0).loads[0]).iter().any(|line| line.contains("MISSED")));
    }
}
