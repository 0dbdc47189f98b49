//! What does an idle reader cost the server in memory, and how soon do thousands of them get a message?
//!
//! Streams are spread over connections of as many organisations: each organisation is in every room and follows each over its one
//! connection. The server has just restarted, and all rooms are open. Memory is read when all is quiet: before the connections, with
//! them, and with the streams, so that both are known apart. Then one message is posted in each room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::bench::failure::BenchError;
use crate::bench::ground::{Caps, Site};
use crate::bench::measure::{Better, Latencies, Measured, bytes, micros, number};
use crate::bench::pump::Texts;
use crate::bench::readers::text;
use crate::client::{Client, Update, pb};

/// As the target says.
const SUBSCRIBERS_MIN: usize = 5000;
const BYTES_MAX: f64 = 48.0 * 1024.0;
/// Below the streams that HTTP/2 takes on one connection.
const STREAMS_PER_CONNECTION: usize = 50;
/// Nothing has arrived for this long: all is quiet.
const QUIET: Duration = Duration::from_millis(1000);
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) async fn run(bench: &Bench<'_>) -> Result<Measured, BenchError> {
    let wanted = bench.options.subscribers();
    let connections = wanted.div_ceil(STREAMS_PER_CONNECTION);
    let rooms = wanted.div_ceil(connections);
    let streams = connections * rooms;
    let conditions = format!(
        "{} idle streams on {connections} connections of as many organisations, {rooms} rooms",
        number(streams as f64)
    );
    let mut measured = Measured::new("subscribers", conditions);

    let caps = Caps { connections: connections + 64, streams_per_certificate: rooms.max(64), ..Caps::default() };
    let mut site = bench.ground.site("subscribers", caps).await?;
    let members = site.members(connections).await?;
    let mut ids = Vec::with_capacity(rooms);
    for n in 1..=rooms {
        bench.progress.say(format!("subscribers: opening room {n} of {rooms}, each with {connections} organisations"));
        ids.push(site.room(&members).await?);
    }
    drop(members);
    // What the server needed to get here would hide what comes: memory that was freed is used again.
    bench.progress.say("subscribers: restarting the server");
    site.restart().await?;
    for room_id in &ids {
        let request = pb::ListMessagesRequest { room_id: room_id.clone(), page_size: 1, ..Default::default() };
        site.coordinator.list_messages(request).await.map_err(BenchError::client("opening a room again"))?;
    }
    bench.progress.say("subscribers: connecting");
    let empty = settled(&site).await;
    let mut clients = Vec::with_capacity(connections);
    for n in 1..=connections {
        let client = site.connect(n).await?;
        // In TLS 1.3 a client believes itself connected before the server does.
        let request = pb::ListRoomsRequest { page_size: 1, ..Default::default() };
        client.list_rooms(request).await.map_err(BenchError::client("listing rooms"))?;
        clients.push(client);
    }
    let connected = settled(&site).await;

    let texts = Texts::new(bench.options.size);
    let gauge = Arc::new(Gauge::default());
    let begun = Instant::now();
    let tasks: Vec<_> = clients
        .iter()
        .flat_map(|client| ids.iter().map(move |room| (client.clone(), room.clone())))
        .map(|(client, room)| tokio::spawn(follow(client, room, texts.clone(), gauge.clone())))
        .collect();
    gauge.wait(bench, &gauge.following, streams as u64).await?;
    let following_after = begun.elapsed();
    gauge.quiet().await;
    let followed = settled(&site).await;

    bench.progress.say("subscribers: a message in each room");
    let posting = Instant::now();
    for (number, room_id) in (0..).zip(&ids) {
        let draft = Some(texts.draft(number));
        let request = pb::PostMessageRequest { room_id: room_id.clone(), draft, ..Default::default() };
        clients[0].post_message(request).await.map_err(BenchError::client("posting"))?;
    }
    gauge.wait(bench, &gauge.messages, streams as u64).await?;
    let posted_in = posting.elapsed();
    let mut latencies = Latencies::new();
    for task in &tasks {
        task.abort();
    }
    for latency in gauge.latencies.lock().unwrap_or_else(std::sync::PoisonError::into_inner).drain(..) {
        latencies.record(latency);
    }
    drop(tasks);
    drop(clients);
    site.close().await?;

    measured.latency("post to delivery, a message in each room", &latencies);
    let between = |from: Option<u64>, to: Option<u64>, count: usize| Some((to? as f64 - from? as f64) / count as f64);
    let per_connection = between(empty, connected, connections);
    let per_stream = between(connected, followed, streams);
    measured.figure_if("bytes_per_stream", per_stream, "bytes", Better::Lower);
    measured.figure_if("bytes_per_connection", per_connection, "bytes", Better::Lower);
    measured.figure_if("server_memory", followed.map(|bytes| bytes as f64), "bytes", Better::Lower);
    measured.figure_if("server_memory_before", empty.map(|bytes| bytes as f64), "bytes", Better::Lower);
    measured.figure("all_follow_after", following_after.as_secs_f64(), "s", Better::Lower);
    measured.figure("all_have_a_message_after", posted_in.as_secs_f64(), "s", Better::Lower);
    if let (Some(per_stream), Some(per_connection), Some(all)) =
        (per_stream, per_connection, between(empty, followed, streams))
    {
        measured.figure("bytes_per_subscriber", all, "bytes", Better::Lower);
        let (stream, connection) = (bytes(per_stream), bytes(per_connection));
        let met = per_stream <= BYTES_MAX && per_connection <= BYTES_MAX;
        if streams >= SUBSCRIBERS_MIN {
            let found = format!("{} streams; {stream} a stream, {connection} a connection", number(streams as f64));
            measured.target("≥ 5,000 idle subscribers at ≤ 48 KiB each", found, met);
        } else {
            measured.notes.push(format!("the target is for 5,000 subscribers; these were {streams}"));
        }
        measured.headline = format!(
            "{} idle streams at {stream} each, connections at {connection} each; a message reaches all after p50 {}",
            number(streams as f64),
            micros(latencies.quantiles().p50_us)
        );
    }
    Ok(measured)
}

/// What all readers share.
#[derive(Default)]
struct Gauge {
    following: AtomicU64,
    deliveries: AtomicU64,
    messages: AtomicU64,
    failed: AtomicU64,
    latencies: std::sync::Mutex<Vec<Duration>>,
}

impl Gauge {
    async fn wait(&self, bench: &Bench<'_>, counter: &AtomicU64, until: u64) -> Result<(), BenchError> {
        let begun = Instant::now();
        loop {
            let count = counter.load(Ordering::Relaxed);
            if count >= until {
                return Ok(());
            }
            let failed = self.failed.load(Ordering::Relaxed);
            if failed > 0 || begun.elapsed() > PATIENCE {
                return Err(BenchError::Other(format!("of {until} streams {count} answer and {failed} have ended")));
            }
            bench.progress.say(format!("subscribers: {count} of {until}"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Until nothing more arrives.
    async fn quiet(&self) {
        let mut before = u64::MAX;
        loop {
            let count = self.deliveries.load(Ordering::Relaxed);
            if count == before {
                return;
            }
            before = count;
            tokio::time::sleep(QUIET).await;
        }
    }
}

async fn follow(client: Client, room: String, texts: Texts, gauge: Arc<Gauge>) {
    let mut subscription = client.subscribe(&room, 0);
    let mut begun = false;
    loop {
        match subscription.next().await {
            Ok(Update::Delivery { delivery, .. }) => {
                if !std::mem::replace(&mut begun, true) {
                    gauge.following.fetch_add(1, Ordering::Relaxed);
                }
                gauge.deliveries.fetch_add(1, Ordering::Relaxed);
                if let Some((_, age)) = text(&delivery).and_then(|text| texts.read(text)) {
                    gauge.latencies.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(age);
                    gauge.messages.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(Update::Heartbeat { .. }) => {}
            Ok(Update::Reconnecting { .. }) | Err(_) => {
                gauge.failed.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }
}

/// The server's memory once it no longer changes much.
async fn settled(site: &Site<'_>) -> Option<u64> {
    let mut before = site.look().memory?;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = site.look().memory?;
        if now.abs_diff(before) < 64 * 1024 {
            return Some(now);
        }
        before = now;
    }
    Some(before)
}
