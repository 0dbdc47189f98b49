//! How long is a server with a history away when it restarts, and how soon does an old room give its first page?
//!
//! Rooms are filled, the server is stopped in good order and started again on the same store: from the start of the process to the
//! first answer. The system still has much of the store in memory, as after an upgrade; after a power cut, reading the disk is added.

use std::time::Instant;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::bench::Bench;
use crate::bench::failure::BenchError;
use crate::bench::ground::Caps;
use crate::bench::measure::{Better, Latencies, Measured, bytes, micros, number};
use crate::bench::pump::{Pump, Texts};
use crate::client::pb;

/// Seconds to the first answer, with a million messages.
const SERVING_MAX_S: f64 = 3.0;
const MESSAGES: u64 = 1_000_000;
/// Microseconds to the first page of a room that nobody has opened yet.
const PAGE_MAX_US: f64 = 100_000.0;
const POSTERS: usize = 8;
const WINDOW: usize = 64;
/// Rooms that are opened at once.
const AT_ONCE: usize = 16;
/// Rooms whose first page is asked for.
const PAGES_MAX: usize = 64;

pub(crate) async fn run(bench: &Bench<'_>) -> Result<Measured, BenchError> {
    let (rooms, each, size) =
        (bench.options.restart.restart_rooms, bench.options.restart_messages(), bench.options.size);
    let messages = (rooms * each) as u64;
    let conditions = format!("{} rooms of {} messages of {size} bytes", number(rooms as f64), number(each as f64));
    let mut measured = Measured::new("restart", conditions);

    let mut site = bench.ground.site("restart", Caps::default()).await?;
    bench.progress.say("restart: opening rooms");
    // One organisation for each poster, and one that only reads.
    let members = site.members(POSTERS + 1).await?;
    let open = |number: usize| {
        let pair = [members[number % POSTERS].clone(), members[POSTERS].clone()];
        let site = &site;
        async move { site.room(&pair).await }
    };
    let opened: Vec<String> = stream::iter((0..rooms).map(open)).buffered(AT_ONCE).try_collect().await?;
    let pump = Pump { texts: Texts::new(size), window: WINDOW };
    for (done, some) in (0..).step_by(POSTERS).zip(opened.chunks(POSTERS)) {
        let posters = members.iter().zip(some).map(|(member, room)| (member.client.clone(), room.clone())).collect();
        let what = format!("restart: filling rooms, {done} of {rooms} are full; messages");
        pump.fill(posters, each as u64, bench.progress, &what).await?;
    }
    drop(members);
    bench.progress.say("restart: waiting for the server");
    let stopping = Instant::now();
    let started_in = site.restart().await?;
    let stopped_and_started_in = stopping.elapsed();
    let reader = site.connect(POSTERS + 1).await?;
    let empty = site.look();

    let mut pages = Latencies::new();
    for room_id in opened.iter().take(PAGES_MAX) {
        let begun = Instant::now();
        let request = pb::ListMessagesRequest { room_id: room_id.clone(), page_size: 100, ..Default::default() };
        reader.list_messages(request).await.map_err(BenchError::client("reading the first page"))?;
        pages.record(begun.elapsed());
    }
    let open = site.look();
    drop(reader);
    site.close().await?;

    let page = measured.latency("first page of a room that was not open", &pages);
    let seconds = started_in.as_secs_f64();
    let per_million = seconds * MESSAGES as f64 / messages as f64;
    measured.figure("serving_after", seconds, "s", Better::Lower);
    measured.figure("serving_after_per_million_messages", per_million, "s", Better::Lower);
    measured.figure("stop_and_start", stopped_and_started_in.as_secs_f64(), "s", Better::Lower);
    measured.figure_if("memory_after_start", empty.memory.map(|bytes| bytes as f64), "bytes", Better::Lower);
    let rooms_opened = pages.count().max(1) as f64;
    let per_room = open.memory.zip(empty.memory).map(|(open, empty)| (open as f64 - empty as f64) / rooms_opened);
    measured.figure_if("memory_of_an_open_room", per_room, "bytes", Better::Lower);
    measured.figure_if("disk", open.disk.map(|bytes| bytes as f64), "bytes", Better::Lower);
    if messages >= MESSAGES {
        measured.target(
            "serving in ≤ 3 s with 1,000,000 messages",
            format!("{} s", number(seconds)),
            seconds <= SERVING_MAX_S,
        );
    } else {
        measured
            .notes
            .push(format!("the target of 3 s is for 1,000,000 messages; these were {}", number(messages as f64)));
    }
    measured.target("first page of an old room ≤ 100 ms", micros(page.max_us), page.max_us <= PAGE_MAX_US);
    let memory = empty.memory.map_or(String::new(), |memory| format!(", {} of memory", bytes(memory as f64)));
    measured.headline = format!(
        "serves {} s after its start{memory}; the first page of a room takes {}",
        number(seconds),
        micros(page.p50_us)
    );
    Ok(measured)
}
