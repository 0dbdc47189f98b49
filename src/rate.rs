//! How fast may something happen? A bucket of tokens: what happens takes some out, time puts them back.
//!
//! Leans on nothing but tokio's clock, so that a test can pause it. Who takes what is said where it is used: `engine::places` (writes),
//! `identity::addresses` (handshakes), `identity::accept` (lines of the log). Tested below.

use std::time::Duration;

use tokio::time::Instant;

/// So many a second, and so many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that come back in a second; at least 1.
    pub per_second: u64,
    /// Tokens of a full bucket; at least 1.
    pub burst: u64,
}

impl Rate {
    /// So many a second, and what comes together in so many seconds at once.
    pub const fn new(per_second: u64, burst_seconds: u64) -> Self {
        Self { per_second, burst: per_second.saturating_mul(burst_seconds) }
    }
}

/// What is left of a rate. It may be overdrawn: then nothing is given until time has made up for it.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    /// Tokens at `since`, in millionths; time is counted in microseconds.
    millionths: i128,
    since: Instant,
}

impl Bucket {
    pub(crate) fn full(rate: Rate) -> Self {
        Self { millionths: whole(rate.burst), since: Instant::now() }
    }

    fn refill(&mut self, rate: Rate) {
        let now = Instant::now();
        let micros = i128::try_from(now.saturating_duration_since(self.since).as_micros()).unwrap_or(i128::MAX);
        let back = micros.saturating_mul(i128::from(rate.per_second));
        self.millionths = self.millionths.saturating_add(back).min(whole(rate.burst));
        self.since = now;
    }

    /// Takes so many, if anything is there; else, how long until something is.
    pub(crate) fn take(&mut self, rate: Rate, tokens: u64) -> Result<(), Duration> {
        self.ready(rate, 0)?;
        self.overdraw(tokens);
        Ok(())
    }

    /// Whether more than so many are there; else, how long until they are.
    pub(crate) fn ready(&mut self, rate: Rate, beyond: u64) -> Result<(), Duration> {
        self.refill(rate);
        let missing = whole(beyond) - self.millionths + 1;
        if missing <= 0 {
            return Ok(());
        }
        let micros = missing.div_euclid(i128::from(rate.per_second.max(1))) + 1;
        Err(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }

    /// Takes so many, whether they are there or not.
    pub(crate) fn overdraw(&mut self, tokens: u64) {
        self.millionths = self.millionths.saturating_sub(whole(tokens));
    }

    /// Whether it is as good as new.
    pub(crate) fn is_full(&mut self, rate: Rate) -> bool {
        self.refill(rate);
        self.millionths >= whole(rate.burst)
    }
}

fn whole(tokens: u64) -> i128 {
    i128::from(tokens) * 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 20 };

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_so_many_a_second() {
        let mut bucket = Bucket::full(RATE);
        let taken = |bucket: &mut Bucket| (0..100).take_while(|_| bucket.take(RATE, 1).is_ok()).count();
        assert_eq!(taken(&mut bucket), 20);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(taken(&mut bucket), 10);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(taken(&mut bucket), 20, "no more than a burst, however long the pause");
        assert!(!bucket.is_full(RATE));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(bucket.is_full(RATE));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_as_long_as_it_was_told_gets_what_it_wants() {
        let mut bucket = Bucket::full(RATE);
        bucket.overdraw(70);
        let wait = bucket.take(RATE, 1).expect_err("overdrawn");
        assert!(wait > Duration::from_secs(5) && wait < Duration::from_millis(5001), "{wait:?}");
        tokio::time::advance(wait - Duration::from_millis(2)).await;
        bucket.take(RATE, 1).expect_err("too early");
        tokio::time::advance(Duration::from_millis(2)).await;
        bucket.take(RATE, 1).expect("in time");
        let wait = bucket.ready(RATE, 5).expect_err("some are kept back");
        tokio::time::advance(wait).await;
        bucket.ready(RATE, 5).expect("in time");
    }
}
