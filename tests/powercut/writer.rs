//! Writes to a store until it is killed, or checks what survived. Driven by `cut.py` beside it; not part of the product.
//!
//! `powercut-writer DIR write` commits frames through the committer, many at a time, and prints after each acknowledgement how many
//! frames are acknowledged in all. `powercut-writer DIR check N` opens the store and exits 0 only if the first N frames are there,
//! byte for byte, and whatever follows them is as it was decided, too.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use samverkan::limits::{FRAME_BYTES_MAX, VALUE_BYTES_MAX};
use samverkan::room::ids::{RoomId, Timestamp};
use samverkan::store::committer::Committer;
use samverkan::store::sled::{SledOptions, SledStore};
use samverkan::store::{Frame, Store};
use sha2::{Digest, Sha256};

/// Commits that may be on their way at once.
const IN_FLIGHT_MAX: usize = 32;
const ROOMS: u64 = 7;

/// Every frame that will ever be written, in order: a function of its index alone.
#[derive(Default)]
struct Plan {
    index: u64,
    next: BTreeMap<RoomId, u64>,
}

fn random(index: u64, purpose: u64) -> u64 {
    // SplitMix64.
    let mut z = (index * 31 + purpose).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Iterator for Plan {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let room = RoomId::from_bytes([(random(self.index, 1) % ROOMS) as u8; 16]);
        let number = self.next.entry(room).or_default();
        let length = match random(self.index, 2) % 100 {
            0 => FRAME_BYTES_MAX as u64 - random(self.index, 3) % 1000,
            1..5 => random(self.index, 3) % 100_000,
            5..10 => VALUE_BYTES_MAX as u64 - 2 + random(self.index, 3) % 5,
            _ => random(self.index, 3) % VALUE_BYTES_MAX as u64,
        };
        let words = (0..length.div_ceil(8)).flat_map(|i| random(self.index, 100 + i).to_be_bytes());
        let bytes: bytes::Bytes = words.take(length as usize).collect();
        let frame = Frame { room, number: *number, digest: Sha256::digest(&bytes).into(), bytes };
        *number += 1;
        self.index += 1;
        Some(frame)
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(since.as_micros() as i64)
}

fn stored(store: &SledStore) -> Result<u64, Box<dyn Error>> {
    let mut frames = 0;
    for room in store.rooms()? {
        frames += store.read(room, 0..u64::MAX, usize::MAX)?.len() as u64;
    }
    Ok(frames)
}

async fn write(dir: &Path) -> Result<(), Box<dyn Error>> {
    let store = Arc::new(SledStore::open(dir, SledOptions { reserve_mib: 16, ..SledOptions::default() })?);
    let mut acked = stored(&store)?;
    let mut plan = Plan::default();
    plan.by_ref().take(acked as usize).for_each(drop);
    let committer = Committer::start(store, Arc::new(now))?;
    let mut in_flight = VecDeque::new();
    let mut out = std::io::stdout();
    loop {
        let at_once = 1 + random(plan.index, 4) % 8;
        let frames: Vec<Frame> = plan.by_ref().take(at_once as usize).collect();
        let count = frames.len() as u64;
        in_flight.push_back((committer.submit(frames).await, count));
        // Now and then everything is waited for, so that lone commits happen as well.
        let keep = if random(plan.index, 5).is_multiple_of(50) { 0 } else { IN_FLIGHT_MAX };
        while in_flight.len() > keep {
            let Some((answer, count)) = in_flight.pop_front() else { break };
            answer.await??;
            acked += count;
            writeln!(out, "{acked}")?;
            out.flush()?;
        }
    }
}

fn check(dir: &Path, acked: u64) -> Result<u64, Box<dyn Error>> {
    let store = SledStore::open(dir, SledOptions::default())?;
    let total = stored(&store)?;
    if total < acked {
        return Err(format!("{acked} frames were acknowledged, {total} are there").into());
    }
    // Frames that were not acknowledged may be there: all that are must be the next ones of the plan.
    for expected in Plan::default().take(total as usize) {
        let found = store.read(expected.room, expected.number..u64::MAX, 1)?;
        match found.first() {
            Some(frame) if frame.number == expected.number && frame.bytes == expected.bytes => {}
            Some(_) => return Err(format!("room {}, frame {} differs", expected.room, expected.number).into()),
            None => return Err(format!("room {}, frame {} is missing", expected.room, expected.number).into()),
        }
    }
    Ok(total)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        [dir, "write"] => {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(write(Path::new(dir))))
        }
        [dir, "check", acked] => match acked.parse() {
            Ok(acked) => check(Path::new(dir), acked).map(|total| println!("{acked} acknowledged, {total} there")),
            Err(_) => return ExitCode::from(2),
        },
        _ => {
            eprintln!("usage: powercut-writer DIR write | powercut-writer DIR check ACKED");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
