//! How fast does a reader who was away get what it missed?
//!
//! Readers who were in the room all the time, and have read nothing yet, follow it from the first message, one after the other: the
//! server reads the store, decides what each may see, and records the delivery durably before it sends. Then the first of them
//! reads all of it once more, which needs no new records.

use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::bench::failure::BenchError;
use crate::bench::ground::Caps;
use crate::bench::loads::{costs, shares, used_us};
use crate::bench::measure::{Better, Measured, median, number};
use crate::bench::pump::{Pump, Texts};
use crate::bench::readers::text;
use crate::client::{Client, Update};

/// Messages a second.
const RATE_MIN: f64 = 200_000.0;
const POSTERS: usize = 8;
const WINDOW: usize = 64;
const READERS: usize = 3;

pub(crate) async fn run(bench: &Bench<'_>) -> Result<Measured, BenchError> {
    let (options, size) = (bench.options, bench.options.size);
    let each = (options.catchup_messages() / POSTERS).max(1) as u64;
    let messages = each * POSTERS as u64;
    let conditions = format!(
        "1 reader of {} messages of {size} bytes, {READERS} readers one after the other; medians",
        number(messages as f64)
    );
    let mut measured = Measured::new("catchup", conditions);

    let mut site = bench.ground.site("catchup", Caps::default()).await?;
    let members = site.members(POSTERS + READERS).await?;
    let room = site.room(&members).await?;
    let posters = members.iter().take(POSTERS).map(|member| (member.client.clone(), room.clone())).collect();
    let pump = Pump { texts: Texts::new(size), window: WINDOW };
    pump.fill(posters, each, bench.progress, "catchup: filling the room").await?;

    let (mut rates, mut firsts) = (Vec::new(), Vec::new());
    let before = site.look();
    for reader in &members[POSTERS..] {
        bench.progress.say(format!("catchup: reader {} of {READERS}", rates.len() + 1));
        let (first, whole) = read_all(&reader.client, &room, messages).await?;
        rates.push(messages as f64 / whole.as_secs_f64());
        firsts.push(first.as_secs_f64() * 1e6);
    }
    let after = site.look();
    costs(&mut measured, &site, (&before, &after), messages * READERS as u64, size);
    // Commits and disk are of delivery records here, and mean nothing per message.
    measured.figures.retain(|figure| !matches!(figure.name.as_str(), "batch" | "disk_per_payload_byte"));
    bench.progress.say("catchup: once more");
    let again = match members.last() {
        Some(reader) => read_all(&reader.client, &room, messages).await?.1,
        None => Duration::MAX,
    };
    drop(members);
    site.close().await?;

    let (rate, first_us) = (median(&rates), median(&firsts));
    let bare = bench.grpc_deliveries(1).await?;
    measured.figure("of_grpc_without_storage", rate / bare.rate, "", Better::Higher);
    let used = used_us(&measured);
    shares(&mut measured, "message", used, &[&bare]);
    measured.figure("rate", rate, "messages/s", Better::Higher);
    measured.figure("rate_once_more", messages as f64 / again.as_secs_f64(), "messages/s", Better::Higher);
    measured.figure("first_after", first_us, "µs", Better::Lower);
    measured.target("≥ 200,000 messages/s for one reader", format!("{}/s", number(rate)), rate >= RATE_MIN);
    measured.headline = format!(
        "{} messages/s = {} of gRPC without storage ({}/s)",
        number(rate),
        number(rate / bare.rate),
        number(bare.rate)
    );
    Ok(measured)
}

/// Reads a room from its first delivery until it has so many messages: the time to the first, and to the last.
pub(super) async fn read_all(client: &Client, room: &str, messages: u64) -> Result<(Duration, Duration), BenchError> {
    let begun = Instant::now();
    let (mut first, mut found) = (None, 0);
    let mut subscription = client.subscribe(room, 0);
    while found < messages {
        match subscription.next().await.map_err(BenchError::client("reading"))? {
            Update::Delivery { delivery, .. } => {
                first.get_or_insert_with(|| begun.elapsed());
                found += u64::from(text(&delivery).is_some());
            }
            Update::Heartbeat { .. } => {}
            Update::Reconnecting { problem } => return Err(BenchError::Other(format!("a reader was cut: {problem}"))),
        }
    }
    Ok((first.unwrap_or_default(), begun.elapsed()))
}
