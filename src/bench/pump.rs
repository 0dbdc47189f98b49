//! How are many messages posted at once, and how long does each take?
//!
//! Each poster is a connection with a stream of posts and a window of messages under way; the next goes out when one is answered.
//! What is answered between the end of the warm-up and the end of the time counts, and nothing else. Each text begins with its
//! number and the moment it was made, so that whoever receives it can tell how long it took.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Progress;
use super::failure::BenchError;
use super::ground::{Look, Site};
use super::measure::Latencies;
use crate::client::{Client, pb};
use crate::limits::TEXT_BYTES_MAX;

/// Bytes of a text that say number and moment: two numbers of 16 hexadecimal digits.
pub(crate) const HEADER_BYTES: usize = 32;

/// Places in the pool of characters where a text may begin.
const POOL_OFFSETS: usize = 64 * 1024;

/// Texts that no disk, no database and no network can make smaller.
#[derive(Debug, Clone)]
pub(crate) struct Texts {
    pool: Arc<str>,
    size: usize,
    epoch: Instant,
}

impl Texts {
    /// Of so many bytes, the header included.
    pub(crate) fn new(size: usize) -> Self {
        let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Printable ASCII without the quotes and the backslash.
            char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(state >> 58) as usize])
        };
        let pool = (0..TEXT_BYTES_MAX + POOL_OFFSETS).map(|_| next()).collect::<String>().into();
        Self { pool, size: size.clamp(HEADER_BYTES, TEXT_BYTES_MAX), epoch: Instant::now() }
    }

    /// The same clock, with texts of another size.
    pub(crate) fn sized(&self, size: usize) -> Self {
        Self { size: size.clamp(HEADER_BYTES, TEXT_BYTES_MAX), ..self.clone() }
    }

    /// Nanoseconds of this clock.
    pub(crate) fn ns(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Number so and so, made now.
    pub(crate) fn text(&self, number: u64) -> String {
        let made_ns = self.ns(Instant::now());
        let mut text = String::with_capacity(self.size);
        text.push_str(&format!("{number:016x}{made_ns:016x}"));
        let from = usize::try_from(number.wrapping_mul(7919)).unwrap_or(0) % POOL_OFFSETS;
        text.push_str(&self.pool[from..from + self.size - HEADER_BYTES]);
        text
    }

    /// The number of a text of ours, and how long ago it was made.
    pub(crate) fn read(&self, text: &str) -> Option<(u64, Duration)> {
        let number = u64::from_str_radix(text.get(..16)?, 16).ok()?;
        let made = Duration::from_nanos(u64::from_str_radix(text.get(16..32)?, 16).ok()?);
        Some((number, self.epoch.elapsed().saturating_sub(made)))
    }

    pub(crate) fn draft(&self, number: u64) -> pb::MessageDraft {
        pb::MessageDraft {
            material: pb::Material::Logs.into(),
            tlp: pb::Tlp::AmberStrict.into(),
            text: self.text(number),
            ..Default::default()
        }
    }
}

/// The time that counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) begin: Instant,
    pub(crate) end: Instant,
}

impl Span {
    /// Begins when the warm-up is over.
    pub(crate) fn after(warm_up: Duration, time: Duration) -> Self {
        let begin = Instant::now() + warm_up;
        Self { begin, end: begin + time }
    }
}

/// How to post.
#[derive(Clone)]
pub(crate) struct Pump {
    pub(crate) texts: Texts,
    /// Messages under way on each connection.
    pub(crate) window: usize,
}

/// What came of it.
pub(crate) struct Pumped {
    /// From a message's text to its acknowledgement.
    pub(crate) latencies: Latencies,
    /// Acknowledged in the time that counts.
    pub(crate) posted: u64,
    /// Acknowledged until the end of that time, the warm-up included.
    pub(crate) answered: u64,
    pub(crate) before: Look,
    pub(crate) after: Look,
}

impl Pumped {
    pub(crate) fn seconds(&self) -> f64 {
        (self.after.at - self.before.at).as_secs_f64()
    }

    /// Messages a second.
    pub(crate) fn rate(&self) -> f64 {
        self.posted as f64 / self.seconds()
    }

    /// Messages a commit.
    pub(crate) fn batch(&self) -> Option<f64> {
        let commits = self.after.commits?.checked_sub(self.before.commits?).filter(|commits| *commits > 0)?;
        Some(self.posted as f64 / commits as f64)
    }
}

/// What all posters of a pump share.
struct Gauge {
    span: Span,
    answered: AtomicU64,
    counted: AtomicU64,
}

impl Pump {
    /// Posts with each of these clients into its room until the time is over. `what` is shown meanwhile.
    pub(crate) async fn run(
        &self,
        site: &Site<'_>,
        posters: Vec<(Client, String)>,
        span: Span,
        progress: &Progress,
        what: &str,
    ) -> Result<Pumped, BenchError> {
        let gauge = Arc::new(Gauge { span, answered: AtomicU64::new(0), counted: AtomicU64::new(0) });
        let tasks: Vec<_> = (0..)
            .zip(posters)
            .map(|(lane, (client, room))| tokio::spawn(self.clone().post(client, room, lane, gauge.clone())))
            .collect();
        let watch = |until: Instant| watch(until, &gauge.answered, progress, what);
        watch(span.begin).await;
        let before = site.look();
        let counted_before = gauge.counted.load(Ordering::Relaxed);
        watch(span.end).await;
        let (after, answered) = (site.look(), gauge.answered.load(Ordering::Relaxed));
        let posted = gauge.counted.load(Ordering::Relaxed) - counted_before;
        let mut latencies = Latencies::new();
        for task in tasks {
            latencies.merge(&task.await??);
        }
        Ok(Pumped { latencies, posted, answered, before, after })
    }

    /// Posts so many messages with each of these clients, as fast as they go. How long it took.
    pub(crate) async fn fill(
        &self,
        posters: Vec<(Client, String)>,
        messages_each: u64,
        progress: &Progress,
        what: &str,
    ) -> Result<Duration, BenchError> {
        let begun = Instant::now();
        let answered = Arc::new(AtomicU64::new(0));
        let total = messages_each * posters.len() as u64;
        let tasks: Vec<_> = (0_u64..)
            .zip(posters)
            .map(|(lane, (client, room))| {
                let (texts, window, answered) = (self.texts.clone(), self.window, answered.clone());
                tokio::spawn(async move {
                    let drafts = (0..messages_each).map(|n| texts.draft(lane << 40 | n));
                    let mut refused = None;
                    let on_answer = |posted: crate::client::Posted| {
                        answered.fetch_add(1, Ordering::Relaxed);
                        refused = posted.result.err().or(refused.take());
                    };
                    client
                        .post_many_within(window, &room, drafts, on_answer)
                        .await
                        .map_err(BenchError::client("posting"))?;
                    match refused {
                        Some(refused) => Err(BenchError::Other(format!("a message was refused: {refused}"))),
                        None => Ok(()),
                    }
                })
            })
            .collect();
        let watching = async {
            loop {
                progress.say(format!("{what}: {} of {total}", answered.load(Ordering::Relaxed)));
                tokio::time::sleep(TICK).await;
            }
        };
        let finishing = async {
            for task in tasks {
                task.await??;
            }
            Ok::<_, BenchError>(())
        };
        tokio::select! {
            () = watching => {}
            finished = finishing => finished?,
        }
        Ok(begun.elapsed())
    }

    async fn post(self, client: Client, room: String, lane: u64, gauge: Arc<Gauge>) -> Result<Latencies, BenchError> {
        // Both closures below run on this task; the lock is never waited for.
        let made = Mutex::new(Vec::<Instant>::new());
        let mut latencies = Latencies::new();
        let mut refused = None;
        let drafts = (0_u64..).map_while(|n| {
            let now = Instant::now();
            if now >= gauge.span.end {
                return None;
            }
            made.lock().unwrap_or_else(PoisonError::into_inner).push(now);
            Some(self.texts.draft(lane << 40 | n))
        });
        let on_answer = |posted: crate::client::Posted| {
            let now = Instant::now();
            let made = made.lock().unwrap_or_else(PoisonError::into_inner).get(posted.position).copied();
            gauge.answered.fetch_add(1, Ordering::Relaxed);
            match (posted.result, made) {
                (Ok(_), Some(made)) if (gauge.span.begin..gauge.span.end).contains(&now) => {
                    gauge.counted.fetch_add(1, Ordering::Relaxed);
                    latencies.record(now - made);
                }
                (Ok(_), _) => {}
                (Err(problem), _) => refused = Some(problem),
            }
        };
        let posting = client.post_many_within(self.window, &room, drafts, on_answer).await;
        posting.map_err(BenchError::client("posting"))?;
        match refused {
            Some(refused) => Err(BenchError::Other(format!("a message was refused: {refused}"))),
            None => Ok(latencies),
        }
    }
}

const TICK: Duration = Duration::from_millis(250);

/// Shows how much is answered a second, until then.
pub(crate) async fn watch(until: Instant, answered: &AtomicU64, progress: &Progress, what: &str) {
    let (mut last, mut at) = (answered.load(Ordering::Relaxed), Instant::now());
    while Instant::now() < until {
        tokio::time::sleep_until(until.min(Instant::now() + TICK).into()).await;
        let (count, now) = (answered.load(Ordering::Relaxed), Instant::now());
        let rate = (count - last) as f64 / (now - at).as_secs_f64().max(1e-9);
        progress.say(format!(
            "{what}: {}/s, {} s left",
            super::measure::number(rate),
            (until - now.min(until)).as_secs()
        ));
        (last, at) = (count, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_tells_its_number_and_has_its_size() {
        let texts = Texts::new(1024);
        for number in [0, 1, u64::MAX] {
            let text = texts.text(number);
            assert_eq!(text.len(), 1024);
            assert_eq!(texts.read(&text).expect("read").0, number);
        }
        assert_eq!(Texts::new(1).text(7).len(), HEADER_BYTES);
        assert!(texts.read("short").is_none());
    }
}
