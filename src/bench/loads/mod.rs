//! The loads, one file each. What they have in common is here: what the server used meanwhile, as figures.

pub(crate) mod catchup;
pub(crate) mod disclose;
pub(crate) mod fanout;
pub(crate) mod large;
pub(crate) mod mixed;
pub(crate) mod post;
pub(crate) mod restart;
pub(crate) mod serial;
pub(crate) mod stalled;
pub(crate) mod subscribers;

use super::ground::{Look, Site};
use super::measure::{Better, Measured};
use super::process;

/// What the server and the load itself used between two looks, for each of `messages`.
pub(crate) fn costs(
    measured: &mut Measured,
    site: &Site<'_>,
    (before, after): (&Look, &Look),
    messages: u64,
    size: usize,
) {
    let seconds = (after.at - before.at).as_secs_f64();
    let per_message = messages.max(1) as f64;
    let cpu = |before: Option<std::time::Duration>, after: Option<std::time::Duration>| {
        Some(after?.checked_sub(before?)?.as_secs_f64())
    };
    if let Some(used) = cpu(before.server_cpu, after.server_cpu) {
        measured.figure("server_cpu_per_message", used * 1e6 / per_message, "µs", Better::Lower);
        measured.figure("server_cores", used / seconds, "cores", Better::Neither);
    }
    if let Some(used) = cpu(before.own_cpu, after.own_cpu) {
        measured.figure("load_cpu_per_message", used * 1e6 / per_message, "µs", Better::Neither);
    }
    measured.figure_if("server_memory", after.memory.map(|bytes| bytes as f64), "bytes", Better::Lower);
    let peak = site.pid().and_then(process::memory_peak);
    measured.figure_if("server_memory_peak", peak.map(|bytes| bytes as f64), "bytes", Better::Lower);
    if let (Some(before), Some(after)) = (before.commits, after.commits) {
        let commits = after.saturating_sub(before) as f64;
        measured.figure("commits", commits / seconds, "commits/s", Better::Neither);
        measured.figure("batch", messages as f64 / commits.max(1.0), "messages/commit", Better::Neither);
    }
    if let (Some(before), Some(after)) = (before.disk, after.disk) {
        let grown = after as f64 - before as f64;
        let payload = (messages as f64 * size as f64).max(1.0);
        measured.figure("disk_per_payload_byte", grown / payload, "bytes/byte", Better::Lower);
    }
}
