//! Who reads meanwhile, and how long does a message take to reach them?
//!
//! Each reader is a subscription over a connection of its own. What it is given in the time that counts is counted; for an idle
//! server, each message's arrival is noted, to be set against the moment of its acknowledgement.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::failure::BenchError;
use super::measure::Latencies;
use super::pump::{Span, Texts};
use crate::client::{Client, Subscription, Update, pb};

/// Nothing that is waited for takes this long.
const PATIENCE: Duration = Duration::from_secs(120);

/// The text of a message that was delivered.
pub(crate) fn text(delivery: &pb::Delivery) -> Option<&str> {
    match &delivery.content {
        Some(pb::delivery::Content::Message(message)) => Some(&message.text),
        // Events, notices, and what later versions add.
        _ => None,
    }
}

/// What readers and whoever watches them share.
struct Gauge {
    texts: Texts,
    /// The time that counts, in nanoseconds of the texts' clock.
    begin_ns: AtomicU64,
    end_ns: AtomicU64,
    counted: AtomicU64,
    marking: AtomicBool,
}

/// What one reader has seen so far.
struct Seen {
    deliveries: AtomicU64,
    messages: AtomicU64,
    /// From a message's text to its arrival, of those that count.
    latencies: Mutex<Latencies>,
}

/// What a reader found.
pub(crate) struct Found {
    /// When which message arrived, if that was asked for.
    pub(crate) marks: Vec<(u64, Instant)>,
    /// How often its connection was made again.
    pub(crate) reconnected: u64,
}

/// All of them.
pub(crate) struct Readers {
    gauge: Arc<Gauge>,
    stop: CancellationToken,
    seen: Vec<Arc<Seen>>,
    tasks: Vec<JoinHandle<Result<Found, BenchError>>>,
}

impl Readers {
    /// Follows the room with each of these clients, and returns once each was given something.
    pub(crate) async fn start(clients: Vec<Client>, room: &str, texts: &Texts) -> Result<Self, BenchError> {
        let gauge = Arc::new(Gauge {
            texts: texts.clone(),
            begin_ns: AtomicU64::new(u64::MAX),
            end_ns: AtomicU64::new(u64::MAX),
            counted: AtomicU64::new(0),
            marking: AtomicBool::new(false),
        });
        let stop = CancellationToken::new();
        let (mut seen, mut tasks) = (Vec::new(), Vec::new());
        for client in clients {
            let own = Arc::new(Seen {
                deliveries: AtomicU64::new(0),
                messages: AtomicU64::new(0),
                latencies: Mutex::new(Latencies::new()),
            });
            tasks.push(tokio::spawn(read(client.subscribe(room, 0), gauge.clone(), own.clone(), stop.clone())));
            seen.push(own);
        }
        let readers = Self { gauge, stop, seen, tasks };
        readers.until("every reader to follow", |seen| seen.deliveries.load(Ordering::Relaxed) > 0).await?;
        Ok(readers)
    }

    async fn until(&self, what: &str, holds: impl Fn(&Seen) -> bool) -> Result<(), BenchError> {
        let begun = Instant::now();
        while !self.seen.iter().all(|seen| holds(seen)) {
            if begun.elapsed() > PATIENCE || self.tasks.iter().any(JoinHandle::is_finished) {
                return Err(BenchError::Other(format!("waiting for {what}: nothing came, or a reader's stream ended")));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// From now on, notes when which message arrives, or no longer.
    pub(crate) fn mark(&self, marking: bool) {
        self.gauge.marking.store(marking, Ordering::Relaxed);
    }

    /// Counts what arrives in this time.
    pub(crate) fn count(&self, span: Span) {
        self.gauge.begin_ns.store(self.gauge.texts.ns(span.begin), Ordering::Relaxed);
        self.gauge.end_ns.store(self.gauge.texts.ns(span.end), Ordering::Relaxed);
    }

    /// Arrived in the time that counts, at all readers together.
    pub(crate) fn counted(&self) -> u64 {
        self.gauge.counted.load(Ordering::Relaxed)
    }

    /// From a message's text to its arrival, of those that counted since this was last asked, at all readers together.
    pub(crate) fn take_latencies(&self) -> Latencies {
        let mut all = Latencies::new();
        for seen in &self.seen {
            let mut latencies = seen.latencies.lock().unwrap_or_else(PoisonError::into_inner);
            all.merge(&std::mem::replace(&mut *latencies, Latencies::new()));
        }
        all
    }

    /// Messages that even the slowest has.
    pub(crate) fn slowest(&self) -> u64 {
        self.seen.iter().map(|seen| seen.messages.load(Ordering::Relaxed)).min().unwrap_or(0)
    }

    /// Waits until each has so many messages.
    pub(crate) async fn all_have(&self, messages: u64) -> Result<(), BenchError> {
        self.until("all deliveries", |seen| seen.messages.load(Ordering::Relaxed) >= messages).await
    }

    /// Ends all streams.
    pub(crate) async fn stop(self) -> Result<Vec<Found>, BenchError> {
        self.stop.cancel();
        let mut found = Vec::with_capacity(self.tasks.len());
        for task in self.tasks {
            found.push(task.await??);
        }
        Ok(found)
    }
}

async fn read(
    mut subscription: Subscription,
    gauge: Arc<Gauge>,
    seen: Arc<Seen>,
    stop: CancellationToken,
) -> Result<Found, BenchError> {
    let mut found = Found { marks: Vec::new(), reconnected: 0 };
    loop {
        let update = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(found),
            update = subscription.next() => update.map_err(BenchError::client("following a room"))?,
        };
        let delivery = match update {
            Update::Delivery { delivery, .. } => delivery,
            Update::Heartbeat { .. } => continue,
            Update::Reconnecting { .. } => {
                found.reconnected += 1;
                continue;
            }
        };
        seen.deliveries.fetch_add(1, Ordering::Relaxed);
        let Some((number, age)) = text(&delivery).and_then(|text| gauge.texts.read(text)) else { continue };
        let now = Instant::now();
        let now_ns = gauge.texts.ns(now);
        if now_ns >= gauge.begin_ns.load(Ordering::Relaxed) && now_ns < gauge.end_ns.load(Ordering::Relaxed) {
            gauge.counted.fetch_add(1, Ordering::Relaxed);
            seen.latencies.lock().unwrap_or_else(PoisonError::into_inner).record(age);
        }
        if gauge.marking.load(Ordering::Relaxed) {
            found.marks.push((number, now));
        }
        seen.messages.fetch_add(1, Ordering::Relaxed);
    }
}
