//! How many values a second does sled alone make durable?
//!
//! One value of the size of a message each, in batches as large as those that the load was seen to make, with the product's settings,
//! `flush` and `fdatasync` after each. No frames, no digests, no high water, no other thread: one core has nothing else to do.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{Ceiling, Spent};
use crate::bench::failure::BenchError;
use crate::bench::measure::Latencies;
use crate::bench::pump::Texts;
use crate::store::sled::alone::Alone;

/// Commits batches of so many values, for `time`, in a folder that is made and removed.
pub(crate) fn sled_alone(folder: &Path, batch: usize, size: usize, time: Duration) -> Result<Ceiling, BenchError> {
    let path = folder.join("ceiling-sled");
    std::fs::create_dir_all(&path).map_err(BenchError::file(&path))?;
    let failed = |why: String| BenchError::Other(format!("sled alone: {why}"));
    let mut alone = Alone::create(&path).map_err(failed)?;
    let texts = Texts::new(size);
    // Made before the clock runs, and enough of them that no value comes back soon.
    let values: Vec<String> = (0..4096).map(|n| texts.text(n)).collect();
    let mut next = values.iter().cycle();
    let mut steps = Latencies::new();
    let mut values_written = 0_u64;
    let (begun, spent) = (Instant::now(), Spent::begin());
    while begun.elapsed() < time {
        let batch: Vec<&[u8]> = next.by_ref().take(batch.max(1)).map(String::as_bytes).collect();
        let step = Instant::now();
        alone.commit(&batch).map_err(failed)?;
        steps.record(step.elapsed());
        values_written += batch.len() as u64;
    }
    let (seconds, cpu_us) = (begun.elapsed().as_secs_f64(), spent.each(values_written));
    drop(alone);
    std::fs::remove_dir_all(&path).map_err(BenchError::file(&path))?;
    Ok(Ceiling {
        name: format!("sled alone, batch {}", batch.max(1)),
        rate: values_written as f64 / seconds,
        unit: "messages/s".into(),
        step: Some(steps.quantiles()),
        cpu_us,
        how: format!("one value of {size} bytes a message, flush and fdatasync after each batch, one thread"),
    })
}
