//! Does a reader who stops reading make others wait, and what does it cost?
//!
//! Rounds without and with one stalled reader alternate, and each pair begins with the other: what slowly changes in the machine or
//! in the store hits both alike. The stalled reader asks for everything, reads one delivery, and nothing more. Then many of them
//! stall at once on an idle server, whose memory is read before and after.

use std::time::Duration;

use crate::bench::Bench;
use crate::bench::failure::BenchError;
use crate::bench::ground::{Caps, Member, Site};
use crate::bench::measure::{Better, Measured, bytes, median, micros, number};
use crate::bench::pump::{Pump, Span, Texts};
use crate::bench::readers::Readers;
use crate::client::{Client, Subscription};

/// Of the median of the p99 without one.
const SHIFT_MAX: f64 = 0.10;
const BYTES_MAX: f64 = 1024.0 * 1024.0;
/// Who stalls at once for the memory.
const STALLED: usize = 32;
/// Messages under way: enough to fill a stalled reader's windows in each round, few enough to leave the machine some air.
const WINDOW: usize = 8;
const READERS: usize = 4;
/// Messages in the room before anybody stalls: more than a reader's windows and its queue in the server hold.
const BACKLOG: u64 = 16_384;

pub(crate) async fn run(bench: &Bench<'_>) -> Result<Measured, BenchError> {
    let (options, size) = (bench.options, bench.options.size);
    let (rounds, time) = (options.stalled.stalled_rounds, options.stalled_time());
    let conditions = format!(
        "1 poster with window {WINDOW}, {READERS} readers, with and without a stalled one; {rounds} rounds of each in turn, {} s \
         each",
        time.as_secs_f64()
    );
    let mut measured = Measured::new("stalled", conditions);

    let mut site = bench.ground.site("stalled", Caps::default()).await?;
    let members = site.members(1 + READERS + STALLED).await?;
    let room = site.room(&members).await?;
    let (poster, rest) = members.split_at(1);
    let (reading, stalling) = rest.split_at(READERS);
    let texts = Texts::new(size);
    let pump = Pump { texts: texts.clone(), window: WINDOW };
    let posters = || vec![(poster[0].client.clone(), room.clone())];
    pump.fill(posters(), BACKLOG, bench.progress, "stalled: filling the room").await?;
    let clients = reading.iter().map(|member| member.client.clone()).collect();
    let readers = Readers::start(clients, &room, &texts).await?;
    readers.all_have(BACKLOG).await?;

    let (mut without, mut with) = (Rounds::default(), Rounds::default());
    for round in 0..rounds {
        let mut order = [false, true];
        order.rotate_left(round % 2);
        for stalls in order {
            let stalled = if stalls { Some(stall(&site, &stalling[0], &room).await?) } else { None };
            let span = Span::after(time / 4, time);
            readers.count(span);
            let what = format!("stalled: round {} of {rounds}", round + 1);
            let pumped = pump.run(&site, posters(), span, bench.progress, &what).await?;
            let delivery = readers.take_latencies();
            let of = if stalls { &mut with } else { &mut without };
            of.delivery.push(delivery.quantiles().p99_us);
            of.post.push(pumped.latencies.quantiles().p99_us);
            of.rate.push(pumped.rate());
            drop(stalled);
        }
    }
    readers.stop().await?;
    let each = cost(bench, &site, stalling, &room).await?;
    drop(members);
    site.close().await?;

    let shift = |with: &[f64], without: &[f64]| median(with) / median(without) - 1.0;
    let (delivery, post) = (shift(&with.delivery, &without.delivery), shift(&with.post, &without.post));
    for (name, with, without) in [
        ("delivery_p99", &with.delivery, &without.delivery),
        ("post_p99", &with.post, &without.post),
        ("rate", &with.rate, &without.rate),
    ] {
        let (unit, better) = if name == "rate" { ("messages/s", Better::Higher) } else { ("µs", Better::Lower) };
        measured.figure(&format!("{name}_without"), median(without), unit, better);
        measured.figure(&format!("{name}_with"), median(with), unit, better);
        measured.notes.push(format!(
            "{}: without median {} ({} to {}), with median {} ({} to {}) {unit}",
            name.replace('_', " "),
            number(median(without)),
            number(least(without)),
            number(most(without)),
            number(median(with)),
            number(least(with)),
            number(most(with)),
        ));
    }
    measured.figure("delivery_p99_shift", delivery, "", Better::Lower);
    measured.figure("post_p99_shift", post, "", Better::Lower);
    measured.figure_if("bytes_per_stalled_reader", each, "bytes", Better::Lower);
    let percent = |shift: f64| format!("{:+.1} %", shift * 100.0);
    measured.target("a stalled reader moves others' delivery p99 by < 10 %", percent(delivery), delivery < SHIFT_MAX);
    measured.target("a stalled reader moves posters' p99 by < 10 %", percent(post), post < SHIFT_MAX);
    if let Some(each) = each {
        measured.target("a stalled reader costs ≤ 1 MiB", bytes(each), each <= BYTES_MAX);
    }
    measured.headline = format!(
        "others' delivery p99 {} with a stalled reader ({} to {}), posters' p99 {}; it costs {}",
        percent(delivery),
        micros(median(&without.delivery)),
        micros(median(&with.delivery)),
        percent(post),
        each.map_or("an unknown amount of memory".into(), bytes)
    );
    Ok(measured)
}

/// One number of each round.
#[derive(Default)]
struct Rounds {
    delivery: Vec<f64>,
    post: Vec<f64>,
    rate: Vec<f64>,
}

/// A reader that has had one delivery and reads no more. Its connection is its own, and ends with it.
async fn stall(site: &Site<'_>, member: &Member, room: &str) -> Result<(Client, Subscription), BenchError> {
    let client = site.connect(member.n).await?;
    let mut subscription = client.subscribe(room, 0);
    subscription.next().await.map_err(BenchError::client("stalling"))?;
    Ok((client, subscription))
}

/// Bytes of the server for each stalled reader, the connection included.
async fn cost(bench: &Bench<'_>, site: &Site<'_>, stalling: &[Member], room: &str) -> Result<Option<f64>, BenchError> {
    bench.progress.say("stalled: memory");
    // One before the first look: what reading the room's beginning needs at all is there then.
    let mut stalled = vec![stall(site, &stalling[0], room).await?];
    tokio::time::sleep(SETTLE).await;
    let before = site.look().memory;
    for member in &stalling[1..] {
        stalled.push(stall(site, member, room).await?);
    }
    tokio::time::sleep(SETTLE).await;
    let after = site.look().memory;
    let count = stalling.len() - 1;
    Ok(before.zip(after).map(|(before, after)| (after as f64 - before as f64) / count as f64))
}

/// Until the windows are full and the server is quiet again.
const SETTLE: Duration = Duration::from_secs(2);

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}
