//! What was simulated, in numbers: a run in which something never happened proves nothing about it.

use std::collections::BTreeMap;

/// What happened in histories.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Counts {
    pub(super) simulated_us: i64,
    pub(super) commands: u64,
    pub(super) acknowledged: u64,
    pub(super) refused: u64,
    /// Answers to a request that was acknowledged before.
    pub(super) repeated: u64,
    /// Requests that a process ended without answering, and that were found to be done.
    pub(super) done_unheard: u64,
    pub(super) reused: u64,
    pub(super) commits: u64,
    pub(super) deliveries: u64,
    pub(super) pages: u64,
    pub(super) resumed: u64,
    pub(super) taken_back: u64,
    pub(super) notices: u64,
    /// Deliveries of a source's message while it narrowed.
    pub(super) races: u64,
    pub(super) killed: u64,
    pub(super) killed_before_write: u64,
    pub(super) killed_after_write: u64,
    pub(super) failed_unwritten: u64,
    pub(super) failed_written: u64,
    pub(super) stopped: u64,
    pub(super) full: u64,
    pub(super) slow_waits: u64,
    pub(super) clock_back: u64,
    pub(super) clock_forward: u64,
    pub(super) flipped: u64,
    pub(super) quarantined: u64,
    pub(super) snapshots: u64,
}

impl Counts {
    /// Each with its name.
    pub(super) fn all(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::from([
            ("commands", self.commands),
            ("acknowledged", self.acknowledged),
            ("refused", self.refused),
            ("answered again", self.repeated),
            ("done, unheard", self.done_unheard),
            ("ids reused", self.reused),
            ("commits", self.commits),
            ("deliveries", self.deliveries),
            ("pages", self.pages),
            ("resumed", self.resumed),
            ("taken back", self.taken_back),
            ("notices", self.notices),
            ("races of a narrowing with a delivery", self.races),
            ("killed between commits", self.killed),
            ("killed before a write", self.killed_before_write),
            ("killed after a write", self.killed_after_write),
            ("disk failures, unwritten", self.failed_unwritten),
            ("disk failures, written", self.failed_written),
            ("stops", self.stopped),
            ("commits refused by a full disk", self.full),
            ("slow waits", self.slow_waits),
            ("clock steps back", self.clock_back),
            ("clock steps forward", self.clock_forward),
            ("flipped bits", self.flipped),
            ("calls of quarantined rooms", self.quarantined),
            ("snapshots", self.snapshots),
        ])
    }

    pub(super) fn crashes(&self) -> u64 {
        self.killed + self.killed_before_write + self.killed_after_write + self.failed_unwritten + self.failed_written
    }

    pub(super) fn add(&mut self, other: &Self) {
        let Self {
            simulated_us,
            commands,
            acknowledged,
            refused,
            repeated,
            done_unheard,
            reused,
            commits,
            deliveries,
            pages,
            resumed,
            taken_back,
            notices,
            races,
            killed,
            killed_before_write,
            killed_after_write,
            failed_unwritten,
            failed_written,
            stopped,
            full,
            slow_waits,
            clock_back,
            clock_forward,
            flipped,
            quarantined,
            snapshots,
        } = other;
        self.simulated_us += simulated_us;
        self.commands += commands;
        self.acknowledged += acknowledged;
        self.refused += refused;
        self.repeated += repeated;
        self.done_unheard += done_unheard;
        self.reused += reused;
        self.commits += commits;
        self.deliveries += deliveries;
        self.pages += pages;
        self.resumed += resumed;
        self.taken_back += taken_back;
        self.notices += notices;
        self.races += races;
        self.killed += killed;
        self.killed_before_write += killed_before_write;
        self.killed_after_write += killed_after_write;
        self.failed_unwritten += failed_unwritten;
        self.failed_written += failed_written;
        self.stopped += stopped;
        self.full += full;
        self.slow_waits += slow_waits;
        self.clock_back += clock_back;
        self.clock_forward += clock_forward;
        self.flipped += flipped;
        self.quarantined += quarantined;
        self.snapshots += snapshots;
    }
}
