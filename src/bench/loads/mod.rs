//! The loads, one file each. What they have in common is here: what the server used meanwhile, as figures.

pub(crate) mod attachments;
pub(crate) mod catchup;
pub(crate) mod disclose;
pub(crate) mod encryption;
pub(crate) mod fanout;
pub(crate) mod large;
pub(crate) mod mixed;
pub(crate) mod post;
pub(crate) mod restart;
pub(crate) mod serial;
pub(crate) mod stalled;
pub(crate) mod subscribers;

use super::ceilings::Ceiling;
use super::ground::{Look, Site};
use super::measure::{Better, Measured, micros, number};
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

/// Where the processor time of each message (of this `unit`) goes: what the ceilings need for one, and what the product and its load add.
/// Ceilings that are measured apart would share the same cores, so together they say what could be reached at all.
pub(crate) fn shares(measured: &mut Measured, unit: &str, used_us: Option<f64>, ceilings: &[&Ceiling]) {
    let needed: Option<f64> = ceilings.iter().map(|ceiling| ceiling.cpu_us).sum();
    let (Some(used_us), Some(needed_us)) = (used_us, needed.filter(|us| *us > 0.0)) else { return };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let each: Vec<_> = ceilings
        .iter()
        .map(|ceiling| format!("{} for {}", micros(ceiling.cpu_us.unwrap_or(0.0)), ceiling.name))
        .collect();
    measured.figure("cpu_of_ceilings", needed_us / used_us, "", Better::Higher);
    measured.notes.push(format!(
        "processor time for each {unit}, server and load together: {}, of which the ceilings need {}; \
         with nothing else to do, {cores} cores would do {}/s",
        micros(used_us),
        each.join(" and "),
        number(cores as f64 * 1e6 / needed_us)
    ));
}

/// Processor time of server and load for each message, in microseconds.
pub(crate) fn used_us(measured: &Measured) -> Option<f64> {
    Some(measured.value("server_cpu_per_message")? + measured.value("load_cpu_per_message")?)
}
