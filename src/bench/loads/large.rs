//! Is a large room slower than a small one?
//!
//! The same posters in a room with many messages and participants, and in a small one, in rounds that alternate on one server.

use crate::bench::Bench;
use crate::bench::failure::BenchError;
use crate::bench::ground::Caps;
use crate::bench::measure::{Better, Measured, median, micros, number};
use crate::bench::pump::{Pump, Span, Texts};

/// Of the rate in the small room. What is missing to 1 is below what rounds differ by.
const RATIO_MIN: f64 = 0.95;
const POSTERS: usize = 8;
const WINDOW: usize = 64;
const ROUNDS: usize = 5;

pub(crate) async fn run(bench: &Bench<'_>) -> Result<Measured, BenchError> {
    let (options, size) = (bench.options, bench.options.size);
    let (participants, filled) = (options.large.large_participants.max(POSTERS), options.large_messages());
    let time = options.time() / 4;
    let conditions = format!(
        "{POSTERS} posters with window {WINDOW} in a room of {participants} participants that begins with {} messages, and in an \
         empty one of {POSTERS}; {ROUNDS} rounds of each in turn, {} s each; medians",
        number(filled as f64),
        time.as_secs_f64()
    );
    let mut measured = Measured::new("large", conditions);

    let mut site = bench.ground.site("large", Caps::default()).await?;
    bench.progress.say("large: opening rooms");
    let members = site.members(participants).await?;
    let rooms = [site.room(&members[..POSTERS]).await?, site.room(&members).await?];
    let posters = |room: &String| members.iter().take(POSTERS).map(|m| (m.client.clone(), room.clone())).collect();
    let pump = Pump { texts: Texts::new(size), window: WINDOW };
    pump.fill(posters(&rooms[1]), (filled / POSTERS) as u64, bench.progress, "large: filling the room").await?;
    let (mut rates, mut p50s) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in 0..ROUNDS {
        let mut order = [0, 1];
        order.rotate_left(round % 2);
        for which in order {
            let what = format!("large: round {} of {ROUNDS}", round + 1);
            let span = Span::after(time / 4, time);
            let pumped = pump.run(&site, posters(&rooms[which]), span, bench.progress, &what).await?;
            rates[which].push(pumped.rate());
            p50s[which].push(pumped.latencies.quantiles().p50_us);
        }
    }
    let memory = site.look().memory;
    drop(members);
    site.close().await?;

    let [small, large] = rates.map(|rates| median(&rates));
    let [small_p50, large_p50] = p50s.map(|p50s| median(&p50s));
    let ratio = large / small;
    measured.figure("large_of_small", ratio, "", Better::Higher);
    measured.figure("rate", large, "messages/s", Better::Higher);
    measured.figure("rate_small", small, "messages/s", Better::Higher);
    measured.figure("p50", large_p50, "µs", Better::Lower);
    measured.figure("p50_small", small_p50, "µs", Better::Lower);
    measured.figure_if("server_memory", memory.map(|bytes| bytes as f64), "bytes", Better::Lower);
    measured.target(
        "a large room is no slower per message than a small one (≥ 0.95 of its rate)",
        number(ratio),
        ratio >= RATIO_MIN,
    );
    measured.headline = format!(
        "{} of the rate of a small room: {}/s and {}/s; p50 {} and {}",
        number(ratio),
        number(large),
        number(small),
        micros(large_p50),
        micros(small_p50)
    );
    Ok(measured)
}
