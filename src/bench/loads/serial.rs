//! How long does one message take when nobody else posts?
//!
//! Measured twice: as calls of `PostMessage`, and as a stream of posts with one message under way.

use std::time::Instant;

use crate::bench::Bench;
use crate::bench::failure::BenchError;
use crate::bench::ground::Caps;
use crate::bench::loads::costs;
use crate::bench::measure::{Better, Latencies, Measured, micros, number};
use crate::bench::pump::{Pump, Span, Texts};
use crate::client::pb;

/// Of the commit of one value in sled alone.
const RATIO_MAX: f64 = 1.5;

pub(crate) async fn run(bench: &Bench<'_>) -> Result<Measured, BenchError> {
    let (options, size) = (bench.options, bench.options.size);
    let time = options.time() / 2;
    let conditions = format!("one message at a time, {size} bytes, {} s for each way to post", time.as_secs_f64());
    let mut measured = Measured::new("serial", conditions);

    let mut site = bench.ground.site("serial", Caps::default()).await?;
    bench.progress.say("serial: opening a room");
    let members = site.members(1).await?;
    let room_id = site.room(&members).await?;
    let client = members.first().map(|member| member.client.clone());
    let client = client.ok_or_else(|| BenchError::Other("nobody posts".into()))?;
    let texts = Texts::new(size);

    let mut calls = Latencies::new();
    let (warm, mut before, mut n) = (Instant::now() + options.warm_up(), None, 0_u64);
    let end = warm + time;
    while Instant::now() < end {
        if before.is_none() && Instant::now() >= warm {
            before = Some(site.look());
        }
        let draft = Some(texts.draft(n));
        let request = pb::PostMessageRequest { room_id: room_id.clone(), draft, ..Default::default() };
        let begun = Instant::now();
        client.post_message(request).await.map_err(BenchError::client("posting"))?;
        if before.is_some() {
            calls.record(begun.elapsed());
        }
        n += 1;
        if n.is_multiple_of(64) {
            bench.progress.say(format!("serial: {n} calls"));
        }
    }
    if let Some(before) = before {
        costs(&mut measured, &site, (&before, &site.look()), calls.count(), size);
    }
    drop(members);
    let (pump, span) = (Pump { texts, window: 1 }, Span::after(options.warm_up(), time));
    let streamed = pump.run(&site, vec![(client, room_id)], span, bench.progress, "serial, as a stream").await?;
    site.close().await?;

    let call = measured.latency("PostMessage", &calls);
    let stream = measured.latency("PostMessages, window 1", &streamed.latencies);
    let sled = bench.sled(1).await?;
    let bare = bench.grpc_serial().await?;
    let commit_us = sled.step.map_or(0.0, |step| step.p50_us);
    let bare_us = bare.step.map_or(0.0, |step| step.p50_us);
    let ratio = call.p50_us / commit_us;
    measured.figure("of_sled_alone", ratio, "", Better::Lower);
    measured.figure("stream_of_sled_alone", stream.p50_us / commit_us, "", Better::Lower);
    measured.figure("rate", calls.count() as f64 / time.as_secs_f64(), "messages/s", Better::Higher);
    measured.target(
        "p50 ≤ 1.5 × a batch-of-one commit of sled alone",
        format!("{} × {}", number(ratio), micros(commit_us)),
        ratio <= RATIO_MAX,
    );
    measured.notes.push(format!(
        "the two ceilings one after the other take {}: {} × sled alone, and the least that a call can take here",
        micros(commit_us + bare_us),
        number((commit_us + bare_us) / commit_us)
    ));
    measured.headline = format!(
        "p50 {} = {} × sled alone, one by one ({}); gRPC without storage takes {}",
        micros(call.p50_us),
        number(ratio),
        micros(commit_us),
        micros(bare_us)
    );
    Ok(measured)
}
