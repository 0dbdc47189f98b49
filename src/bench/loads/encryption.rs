//! What does encryption at rest cost?
//!
//! Two servers, one with a key and one without. Rounds of posting alternate between them, and each pair begins with the other: what
//! slowly changes in the machine hits both alike. Then readers who have read nothing yet catch up on each in turn.

use std::time::Duration;

use crate::bench::Bench;
use crate::bench::failure::BenchError;
use crate::bench::ground::{Caps, Member, Site};
use crate::bench::loads::catchup::read_all;
use crate::bench::measure::{Better, Measured, median, number};
use crate::bench::pump::{Pump, Span, Texts};

/// Of the posts without encryption.
const COST_MAX: f64 = 0.10;
const POSTERS: usize = 8;
const READERS: usize = 5;
const ROUNDS: usize = 10;
const WINDOW: usize = 64;
/// Messages of each poster that the readers catch up on.
const BACKLOG: u64 = 5_000;

/// A server, and what was measured of it, a number for each round.
struct Side<'a> {
    site: Site<'a>,
    members: Vec<Member>,
    room: String,
    old_room: String,
    posts: Vec<f64>,
    cpu: Vec<f64>,
    read: Vec<f64>,
}

pub(crate) async fn run(bench: &Bench<'_>) -> Result<Measured, BenchError> {
    let (options, size) = (bench.options, bench.options.size);
    let time = options.stalled_time();
    let conditions = format!(
        "{POSTERS} connections, window {WINDOW}, {size} bytes, with and without encryption; {ROUNDS} rounds of each in turn, {} s each",
        time.as_secs_f64()
    );
    let mut measured = Measured::new("encryption", conditions);
    let pump = Pump { texts: Texts::new(size), window: WINDOW };
    let mut sides = Vec::new();
    for encrypted in [false, true] {
        let caps = Caps { unencrypted: !encrypted, ..Caps::default() };
        let mut site = bench.ground.site(if encrypted { "encrypted" } else { "plain" }, caps).await?;
        let members = site.members(POSTERS + READERS).await?;
        let (room, old_room) = (site.room(&members).await?, site.room(&members).await?);
        let posters = members[..POSTERS].iter().map(|member| (member.client.clone(), old_room.clone())).collect();
        pump.fill(posters, BACKLOG, bench.progress, "encryption: filling a room").await?;
        sides.push(Side { site, members, room, old_room, posts: vec![], cpu: vec![], read: vec![] });
    }

    for round in 0..ROUNDS {
        let mut order = [0, 1];
        order.rotate_left(round % 2);
        for side in order {
            let side = &mut sides[side];
            let posters = side.members[..POSTERS].iter().map(|member| (member.client.clone(), side.room.clone()));
            let span = Span::after(time / 4, time);
            let what = format!("encryption: round {} of {ROUNDS}", round + 1);
            let pumped = pump.run(&side.site, posters.collect(), span, bench.progress, &what).await?;
            side.posts.push(pumped.rate());
            let used = |cpu: (Option<Duration>, Option<Duration>)| Some(cpu.1?.checked_sub(cpu.0?)?.as_secs_f64());
            let used = used((pumped.before.server_cpu, pumped.after.server_cpu));
            side.cpu.extend(used.map(|used| used * 1e6 / pumped.posted.max(1) as f64));
        }
    }
    let backlog = BACKLOG * POSTERS as u64;
    for reader in 0..READERS {
        let mut order = [0, 1];
        order.rotate_left(reader % 2);
        for side in order {
            let side = &mut sides[side];
            bench.progress.say(format!("encryption: reader {} of {READERS}", reader + 1));
            let (_, whole) = read_all(&side.members[POSTERS + reader].client, &side.old_room, backlog).await?;
            side.read.push(backlog as f64 / whole.as_secs_f64());
        }
    }

    let mut ratios = Vec::new();
    let [plain, encrypted] = <[Side<'_>; 2]>::try_from(sides).map_err(|_| BenchError::Other("two sides".into()))?;
    for (name, unit, better, plain, encrypted) in [
        ("posts", "messages/s", Better::Higher, &plain.posts, &encrypted.posts),
        ("server_cpu_per_message", "µs", Better::Lower, &plain.cpu, &encrypted.cpu),
        ("catchup", "messages/s", Better::Higher, &plain.read, &encrypted.read),
    ] {
        if plain.is_empty() {
            continue;
        }
        let ratio = median(encrypted) / median(plain);
        measured.figure(&format!("{name}_without"), median(plain), unit, better);
        measured.figure(&format!("{name}_with"), median(encrypted), unit, better);
        measured.figure(&format!("{name}_ratio"), ratio, "", better);
        ratios.push(format!(
            "{} {} ({} without, {} with, {unit})",
            name.replace('_', " "),
            number(ratio),
            number(median(plain)),
            number(median(encrypted))
        ));
    }
    let cost = 1.0 - median(&encrypted.posts) / median(&plain.posts);
    measured.target("encryption costs posting ≤ 10 %", format!("{:.1} %", cost * 100.0), cost <= COST_MAX);
    measured.headline = format!("with encryption / without: {}", ratios.join("; "));
    for side in [plain, encrypted] {
        drop(side.members);
        side.site.close().await?;
    }
    Ok(measured)
}
