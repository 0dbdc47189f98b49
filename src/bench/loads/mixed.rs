//! How does it feel in a real incident?
//!
//! Six organisations and the coordinator. Each organisation posts by hand, one message after the other at a steady pace: mostly a few
//! lines, some of several KiB, now and then a log file in pieces of 60 KiB. Each changes its consent over and over: logs are taken
//! back and given again. The coordinator and four organisations read at once; one reads slowly, one loses its connection every
//! second and goes on where it was. A gap or a repeat in any mailbox is an error, which ends the run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::bench::Bench;
use crate::bench::failure::BenchError;
use crate::bench::ground::{Caps, Member, everything};
use crate::bench::loads::costs;
use crate::bench::measure::{Better, Latencies, Measured, micros, number};
use crate::bench::pump::{Span, Texts, watch};
use crate::bench::readers::{Readers, text};
use crate::client::pb::withdraw_consent_request::Scope;
use crate::client::{Client, Update, pb};

const ORGANISATIONS: usize = 6;
/// The last two read in their own ways.
const ORDINARY: usize = ORGANISATIONS - 2;
/// Between two deliveries that the slow reader takes.
const SLOW: Duration = Duration::from_millis(5);
const RECONNECT_EVERY: Duration = Duration::from_secs(1);
const CONSENT_EVERY: Duration = Duration::from_millis(500);
/// One message in so many is a piece of a log file.
const FILE_ONE_IN: u64 = 100;
const FILE_BYTES: usize = 60 * 1024;
/// One message in so many has several KiB.
const LONG_ONE_IN: u64 = 10;
const LONG_BYTES: usize = 6 * 1024;
const SHORT_BYTES: usize = 600;

pub(crate) async fn run(bench: &Bench<'_>) -> Result<Measured, BenchError> {
    let (options, pace) = (bench.options, bench.options.mixed.mixed_rate);
    let conditions = format!(
        "{ORGANISATIONS} organisations, each {pace} messages/s of 600 bytes to 60 KiB and a consent that changes twice a second; \
         {} readers at once, a slow one, one that reconnects every second; {} s",
        ORDINARY + 1,
        options.time().as_secs()
    );
    let mut measured = Measured::new("mixed", conditions);

    let mut site = bench.ground.site("mixed", Caps::default()).await?;
    bench.progress.say("mixed: opening a room");
    let members = site.members(ORGANISATIONS).await?;
    let room = site.room(&members).await?;
    let texts = Texts::new(options.size);
    let mut clients = vec![site.coordinator.clone()];
    for member in &members[..ORDINARY] {
        clients.push(site.connect(member.n).await?);
    }
    let readers = Readers::start(clients, &room, &texts).await?;
    let stop = CancellationToken::new();
    let slow = tokio::spawn(slow(site.connect(members[ORDINARY].n).await?, room.clone(), stop.clone()));
    let context = site.context(members[ORDINARY + 1].n)?;
    let reconnecting = tokio::spawn(reconnecting(context, room.clone(), stop.clone()));

    let span = Span::after(options.warm_up(), options.time());
    readers.count(span);
    let answered = Arc::new(AtomicU64::new(0));
    let post = |member: &Member| {
        let lane = (member.n as u64) << 40;
        let poster = Poster { client: member.client.clone(), room: room.clone(), texts: texts.clone(), span };
        tokio::spawn(poster.post(lane, pace, answered.clone()))
    };
    let posting: Vec<_> = members.iter().map(post).collect();
    let change = |member: &Member| tokio::spawn(change(member.clone(), room.clone(), span));
    let changing: Vec<_> = members.iter().map(change).collect();
    watch(span.begin, &answered, bench.progress, "mixed").await;
    let (before, begun_at) = (site.look(), answered.load(Ordering::Relaxed));
    watch(span.end, &answered, bench.progress, "mixed").await;
    let (after, posted) = (site.look(), answered.load(Ordering::Relaxed) - begun_at);

    let (mut posts, mut changes, mut payload) = (Latencies::new(), Latencies::new(), 0);
    for task in posting {
        let (latencies, bytes) = task.await??;
        posts.merge(&latencies);
        payload += bytes;
    }
    for task in changing {
        changes.merge(&task.await??);
    }
    let (deliveries, arrived) = (readers.take_latencies(), readers.counted());
    readers.stop().await?;
    stop.cancel();
    let slow = slow.await??;
    let (reconnected, read) = reconnecting.await??;
    let mean_size = usize::try_from(payload / posts.count().max(1)).unwrap_or(0);
    costs(&mut measured, &site, (&before, &after), posted, mean_size);
    drop(members);
    site.close().await?;

    let post = measured.latency("PostMessage", &posts);
    let delivery = measured.latency("post to delivery, ordinary readers", &deliveries);
    let consent = measured.latency("a change of consent", &changes);
    let seconds = (after.at - before.at).as_secs_f64();
    measured.figure("rate", posted as f64 / seconds, "messages/s", Better::Neither);
    measured.figure("deliveries", arrived as f64 / seconds, "deliveries/s", Better::Neither);
    measured.figure("mean_size", mean_size as f64, "bytes", Better::Neither);
    measured.figure("consent_changes", changes.count() as f64, "changes", Better::Neither);
    measured.figure("slow_reader", slow as f64, "deliveries", Better::Neither);
    measured.figure("reconnecting_reader", read as f64, "deliveries", Better::Neither);
    measured.figure("reconnections", reconnected as f64, "connections", Better::Neither);
    measured.headline = format!(
        "{} messages/s by hand: p50 {} (p99 {}), delivered after {} (p99 {}), consent changed in {} (p99 {}); no gap, no repeat",
        number(posted as f64 / seconds),
        micros(post.p50_us),
        micros(post.p99_us),
        micros(delivery.p50_us),
        micros(delivery.p99_us),
        micros(consent.p50_us),
        micros(consent.p99_us)
    );
    Ok(measured)
}

struct Poster {
    client: Client,
    room: String,
    texts: Texts,
    span: Span,
}

impl Poster {
    /// Latencies and bytes of what counts.
    async fn post(self, lane: u64, pace: usize, answered: Arc<AtomicU64>) -> Result<(Latencies, u64), BenchError> {
        let (long, file) = (self.texts.sized(LONG_BYTES), self.texts.sized(FILE_BYTES));
        let short = self.texts.sized(SHORT_BYTES);
        let every = Duration::from_secs_f64(1.0 / pace as f64);
        // People do not type in step.
        let offset = every.mul_f64((lane >> 40) as f64 / ORGANISATIONS as f64);
        let mut ticks = interval_at(tokio::time::Instant::now() + offset, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut latencies, mut bytes) = (Latencies::new(), 0);
        for n in 0.. {
            ticks.tick().await;
            if Instant::now() >= self.span.end {
                break;
            }
            let texts = match n {
                n if n % FILE_ONE_IN == FILE_ONE_IN - 1 => &file,
                n if n % LONG_ONE_IN == LONG_ONE_IN - 1 => &long,
                _ => &short,
            };
            let draft = texts.draft(lane | n);
            let length = draft.text.len() as u64;
            let request =
                pb::PostMessageRequest { room_id: self.room.clone(), draft: Some(draft), ..Default::default() };
            let begun = Instant::now();
            self.client.post_message(request).await.map_err(BenchError::client("posting"))?;
            answered.fetch_add(1, Ordering::Relaxed);
            if begun >= self.span.begin {
                latencies.record(begun.elapsed());
                bytes += length;
            }
        }
        Ok((latencies, bytes))
    }
}

/// Takes the consent for logs back and gives it again.
async fn change(member: Member, room_id: String, span: Span) -> Result<Latencies, BenchError> {
    let client = member.client;
    let offset = CONSENT_EVERY.mul_f64(member.n as f64 / ORGANISATIONS as f64);
    let mut ticks = interval_at(tokio::time::Instant::now() + offset, CONSENT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut latencies = Latencies::new();
    for n in 0_u64.. {
        ticks.tick().await;
        let begun = Instant::now();
        if begun >= span.end {
            break;
        }
        if n.is_multiple_of(2) {
            let scope = Some(Scope::Material(pb::Material::Logs.into()));
            let request = pb::WithdrawConsentRequest { room_id: room_id.clone(), scope, ..Default::default() };
            client.withdraw_consent(request).await.map_err(BenchError::client("withdrawing consent"))?;
        } else {
            let change = Some(pb::ConsentChange { attribution: None, ..everything() });
            let request = pb::GiveConsentRequest { room_id: room_id.clone(), change, ..Default::default() };
            client.give_consent(request).await.map_err(BenchError::client("giving consent"))?;
        }
        if begun >= span.begin {
            latencies.record(begun.elapsed());
        }
    }
    Ok(latencies)
}

/// Reads with a pause after each delivery. How many it had.
async fn slow(client: Client, room: String, stop: CancellationToken) -> Result<u64, BenchError> {
    let mut subscription = client.subscribe(&room, 0);
    let mut read = 0;
    loop {
        let update = tokio::select! {
            () = stop.cancelled() => return Ok(read),
            update = subscription.next() => update.map_err(BenchError::client("reading slowly"))?,
        };
        if let Update::Delivery { .. } = update {
            read += 1;
            tokio::time::sleep(SLOW).await;
        }
    }
}

/// Reads over one connection after the other, each from where the last one was. How many connections, and how many messages.
async fn reconnecting(
    context: crate::client::Context,
    room: String,
    stop: CancellationToken,
) -> Result<(u64, u64), BenchError> {
    let (mut connections, mut read, mut after) = (0, 0, 0);
    loop {
        let client = Client::connect(&context).await.map_err(BenchError::client("reconnecting"))?;
        let mut subscription = client.subscribe(&room, after);
        connections += 1;
        let cut = tokio::time::sleep(RECONNECT_EVERY);
        tokio::pin!(cut);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok((connections, read)),
                () = &mut cut => break,
                update = subscription.next() => {
                    if let Update::Delivery { delivery, .. } = update.map_err(BenchError::client("reading again"))? {
                        read += u64::from(text(&delivery).is_some());
                    }
                }
            }
        }
        after = subscription.after_index();
    }
}
