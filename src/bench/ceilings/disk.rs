//! How fast can this disk be written, with a sync after each write?

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Ceiling;
use crate::bench::failure::BenchError;
use crate::bench::measure::{Latencies, bytes};

/// A file is not let grow beyond this.
const FILE_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Appends `block_bytes` and syncs, over and over, for `time`.
pub(crate) fn append_and_sync(folder: &Path, block_bytes: usize, time: Duration) -> Result<Ceiling, BenchError> {
    let path = folder.join("ceiling-file");
    let block = vec![0x5a; block_bytes];
    let mut steps = Latencies::new();
    let mut file = File::create(&path).map_err(BenchError::file(&path))?;
    let begun = Instant::now();
    let mut written = 0;
    while begun.elapsed() < time && written < FILE_BYTES_MAX {
        let step = Instant::now();
        file.write_all(&block).map_err(BenchError::file(&path))?;
        rustix::fs::fdatasync(&file).map_err(|error| BenchError::file(&path)(error.into()))?;
        steps.record(step.elapsed());
        written += block_bytes;
    }
    let seconds = begun.elapsed().as_secs_f64();
    drop(file);
    std::fs::remove_file(&path).map_err(BenchError::file(&path))?;
    Ok(Ceiling {
        name: format!("append + fdatasync, {}", bytes(block_bytes as f64)),
        rate: steps.count() as f64 / seconds,
        unit: "syncs/s".into(),
        step: Some(steps.quantiles()),
        cpu_us: None,
        how: "one file, one thread".into(),
    })
}
