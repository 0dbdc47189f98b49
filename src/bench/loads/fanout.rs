//! How many deliveries a second reach the readers of one room, and how long does one take when the server is idle?
//!
//! Idle first: messages one by one at a slow pace, from the acknowledgement at the poster to the arrival at each reader (a delivery
//! that overtakes the acknowledgement took no time). Then as fast as the posters can; every delivery is recorded durably before it
//! leaves the server.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use crate::bench::Bench;
use crate::bench::failure::BenchError;
use crate::bench::ground::{Caps, Member};
use crate::bench::loads::{costs, shares};
use crate::bench::measure::{Better, Latencies, Measured, micros, number};
use crate::bench::pump::{Pump, Span, Texts};
use crate::bench::readers::Readers;
use crate::client::pb;

/// Deliveries a second.
const RATE_MIN: f64 = 200_000.0;
/// Microseconds from acknowledgement to delivery on an idle server.
const IDLE_P50_MAX_US: f64 = 1500.0;

pub(crate) async fn run(bench: &Bench<'_>) -> Result<Measured, BenchError> {
    let (options, size) = (bench.options, bench.options.size);
    let (subscribers, posters) = (options.fanout.fanout_subscribers, options.fanout.fanout_posters);
    let (window, pace) = (options.fanout.fanout_window, options.fanout.fanout_rate);
    let conditions = format!(
        "1 room, {subscribers} live readers over as many connections, {size} bytes; idle: {pace} messages/s; full: \
         {posters} posters with window {window}, {} s",
        options.time().as_secs()
    );
    let mut measured = Measured::new("fanout", conditions);

    let mut site = bench.ground.site("fanout", Caps::default()).await?;
    bench.progress.say("fanout: opening a room");
    let members = site.members(posters + subscribers).await?;
    let room = site.room(&members).await?;
    let (posting, reading) = members.split_at(posters);
    let texts = Texts::new(size);
    let clients = reading.iter().map(|member| member.client.clone()).collect();
    let readers = Readers::start(clients, &room, &texts).await?;

    readers.mark(true);
    let acknowledged = idle(bench, &posting[0], &room, &texts, pace).await?;
    readers.all_have(acknowledged.len() as u64).await?;
    readers.mark(false);

    let posters = posting.iter().map(|member| (member.client.clone(), room.clone())).collect();
    let (pump, span) = (Pump { texts, window }, Span::after(options.warm_up(), options.time()));
    readers.count(span);
    let pumped = pump.run(&site, posters, span, bench.progress, "fanout").await?;
    let behind = (acknowledged.len() as u64 + pumped.answered).saturating_sub(readers.slowest());
    let delivered = readers.counted();
    costs(&mut measured, &site, (&pumped.before, &pumped.after), pumped.posted, size);
    let full = readers.take_latencies();
    let found = readers.stop().await?;
    drop(members);
    site.close().await?;

    let mut idle = Latencies::new();
    for (number, arrived) in found.iter().flat_map(|found| &found.marks) {
        if let Some(acknowledged) = acknowledged.get(number) {
            idle.record(arrived.saturating_duration_since(*acknowledged));
        }
    }
    let idle = measured.latency("idle: acknowledgement to delivery", &idle);
    measured.latency("full: post to delivery", &full);
    measured.latency("full: post to acknowledgement", &pumped.latencies);
    let rate = delivered as f64 / pumped.seconds();
    let bare = bench.grpc_deliveries(subscribers).await?;
    measured.figure("of_grpc_without_storage", rate / bare.rate, "", Better::Higher);
    measured.figure("rate", rate, "deliveries/s", Better::Higher);
    measured.figure("posts", pumped.rate(), "messages/s", Better::Higher);
    measured.figure("slowest_reader_behind", behind as f64, "messages", Better::Lower);
    let cores = measured.value("server_cores").map(|cores| cores * pumped.seconds() * 1e6 / delivered.max(1) as f64);
    measured.figure_if("server_cpu_per_delivery", cores, "µs", Better::Lower);
    let load = measured.value("load_cpu_per_message").map(|us| us * pumped.posted as f64 / delivered.max(1) as f64);
    let used = cores.zip(load).map(|(server, load)| server + load);
    shares(&mut measured, "delivery", used, &[&bare]);
    measured.target("≥ 200,000 deliveries/s", format!("{}/s", number(rate)), rate >= RATE_MIN);
    measured.target(
        "idle, acknowledgement to delivery p50 ≤ 1.5 ms",
        micros(idle.p50_us),
        idle.p50_us <= IDLE_P50_MAX_US,
    );
    measured.headline = format!(
        "{} deliveries/s = {} of gRPC without storage ({}/s); idle p50 {}",
        number(rate),
        number(rate / bare.rate),
        number(bare.rate),
        micros(idle.p50_us)
    );
    Ok(measured)
}

/// Posts at a slow pace; when each message was acknowledged.
async fn idle(
    bench: &Bench<'_>,
    poster: &Member,
    room: &str,
    texts: &Texts,
    pace: usize,
) -> Result<HashMap<u64, Instant>, BenchError> {
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / pace as f64));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = Instant::now() + bench.options.time() / 2;
    let mut acknowledged = HashMap::new();
    // Numbers that no posters of the second part use.
    let mut numbers = (1_u64 << 60)..;
    while Instant::now() < end
        && let Some(number) = numbers.next()
    {
        ticks.tick().await;
        let draft = Some(texts.draft(number));
        let request = pb::PostMessageRequest { room_id: room.into(), draft, ..Default::default() };
        poster.client.post_message(request).await.map_err(BenchError::client("posting"))?;
        acknowledged.insert(number, Instant::now());
        bench.progress.say(format!("fanout, idle: {} messages", acknowledged.len()));
    }
    Ok(acknowledged)
}
