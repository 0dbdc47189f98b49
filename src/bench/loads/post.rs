//! How many messages a second are acknowledged when many connections post at once?

use crate::bench::Bench;
use crate::bench::failure::BenchError;
use crate::bench::ground::Caps;
use crate::bench::loads::{costs, shares, used_us};
use crate::bench::measure::{Better, Measured, number};
use crate::bench::pump::{Pump, Span, Texts};

/// Of sled alone at the same batch.
const RATIO_MIN: f64 = 0.8;
/// Messages a second.
const RATE_MIN: f64 = 40_000.0;
/// Bytes on disk for each byte of a text, in batches of [`BATCH_MIN`] and more.
const DISK_MAX: f64 = 2.0;
const BATCH_MIN: f64 = 64.0;

pub(crate) async fn run(bench: &Bench<'_>) -> Result<Measured, BenchError> {
    let options = bench.options;
    let (connections, window, size) = (options.post.connections, options.post.window, options.size);
    let rooms = options.post.rooms.min(connections);
    let plural = if rooms == 1 { "" } else { "s" };
    let conditions = format!(
        "{connections} connections of as many organisations, window {window}, {rooms} room{plural}, {size} bytes, {} s",
        options.time().as_secs()
    );
    let mut measured = Measured::new("post", conditions);

    let mut site = bench.ground.site("post", Caps::default()).await?;
    bench.progress.say("post: opening rooms");
    let members = site.members(connections).await?;
    let mut ids = Vec::with_capacity(rooms);
    for _ in 0..rooms {
        ids.push(site.room(&members).await?);
    }
    let posters = members.into_iter().zip(ids.iter().cycle()).map(|(member, room)| (member.client, room.clone()));
    let pump = Pump { texts: Texts::new(size), window };
    let span = Span::after(options.warm_up(), options.time());
    let pumped = pump.run(&site, posters.collect(), span, bench.progress, "post").await?;
    costs(&mut measured, &site, (&pumped.before, &pumped.after), pumped.posted, size);
    let batch = pumped.batch();
    site.close().await?;

    let rate = pumped.rate();
    measured.latency("post to acknowledgement", &pumped.latencies);
    let bare = bench.grpc_posts(connections, window).await?;
    measured.figure("of_grpc_without_storage", rate / bare.rate, "", Better::Higher);
    let mut headline = format!("{}/s", number(rate));
    if let Some(batch) = batch {
        let sled = bench.sled(batch.round() as usize).await?;
        let ratio = rate / sled.rate;
        headline.push_str(&format!(" = {} of {} ({}/s)", number(ratio), sled.name, number(sled.rate)));
        measured.figure("of_sled_alone", ratio, "", Better::Higher);
        measured.target("≥ 0.80 of sled alone at the same batch", number(ratio), ratio >= RATIO_MIN);
        let used = used_us(&measured);
        shares(&mut measured, "message", used, &[&bare, &sled]);
    }
    headline.push_str(&format!(" = {} of gRPC without storage ({}/s)", number(rate / bare.rate), number(bare.rate)));
    measured.figure("rate", rate, "messages/s", Better::Higher);
    measured.target("≥ 40,000/s", format!("{}/s", number(rate)), rate >= RATE_MIN);
    if let (Some(disk), Some(batch)) = (measured.value("disk_per_payload_byte"), batch) {
        if batch >= BATCH_MIN {
            measured.target("≤ 2 bytes on disk per payload byte", number(disk), disk <= DISK_MAX);
        } else {
            measured.notes.push(format!(
                "the target for disk is for batches of {BATCH_MIN} and more; these were of {}",
                number(batch)
            ));
        }
    }
    measured.headline = headline;
    Ok(measured)
}
