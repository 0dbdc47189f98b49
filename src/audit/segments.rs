//! The trail as read. One question: which records come after this one?
//!
//! The trail is a log like a room's, under reserved ids. If it does not verify at a start, what verifies of it stays readable, and the
//! trail goes on in a new part whose first record says so. A national CERT in the middle of an incident is better served by a server
//! that runs and whose acts are recorded than by one that refuses to start, or that runs and records nothing; and whoever damages a
//! trail to stop the server, or to blind it, gets neither.
//!
//! A trail grows for years, and a start must not: places where reading can begin are kept from time to time, and a start verifies what
//! comes after the last but one of these. What lies before is verified whenever it is read, and all of it by `samverkan inspect`.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::record::{Kind, Record};
use super::trail::{Page, Query};
use crate::limits;
use crate::room::ids::{RoomId, Seq, Timestamp};
use crate::sealing::Vault;
use crate::store::codec::{Opened, Tip};
use crate::store::replay::{LoadError, walk};
use crate::store::{Store, StoreError};

/// Frames between two places where reading can begin.
const MARK_FRAMES: u64 = 64;

/// Bytes of frames that are read at a time.
const READ_BYTES: usize = 1024 * 1024;

/// Bits of a position below the number of its part.
const PART_SHIFT: u32 = 40;

/// A record's position: dense within a part, and greater in a later one.
pub(super) fn position(part: u16, record: &Record) -> u64 {
    (u64::from(part) << PART_SHIFT) + record.seq.0 + 1
}

/// Where frames begin, and the time of the last record before them.
type Mark = (Tip, Timestamp);

/// A stretch of the trail that verifies.
struct Part {
    number: u16,
    marks: Vec<Mark>,
    end: Tip,
    /// How far the marks go that were kept last.
    kept: Seq,
}

/// What is kept of a part, before its own SHA-256: derived, and of no use when it is not the log's.
#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    number: u16,
    marks: Vec<Mark>,
}

const FORMAT: u32 = 1;

const DIGEST_BYTES: usize = 32;

impl Part {
    fn new(number: u16) -> Self {
        let end = Tip::start(RoomId::trail(number));
        Self { number, marks: vec![(end, Timestamp(0))], end, kept: Seq(0) }
    }

    /// The part up to the last but one of the marks that were kept: what comes after that shows whether they are the log's.
    fn of_kept(number: u16, bytes: &[u8]) -> Option<(Self, Timestamp)> {
        let (kept, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST_BYTES)?)?;
        if Sha256::digest(kept)[..] != *digest {
            return None;
        }
        let Kept { format, number: of, mut marks } = postcard::from_bytes(kept).ok()?;
        let (last, _) = marks.pop()?;
        let (end, recorded_at) = *marks.last()?;
        let part = Self { number, marks, end, kept: last.next_entry() };
        (format == FORMAT && of == number).then_some((part, recorded_at))
    }

    /// What is to be kept, once it is worth it.
    fn keep(&mut self) -> Option<(RoomId, Vec<u8>)> {
        let next = self.end.next_entry();
        if next.0 - self.kept.0 < limits::AUDIT_TAIL_RECORDS {
            return None;
        }
        self.kept = next;
        let kept = Kept { format: FORMAT, number: self.number, marks: self.marks.clone() };
        let mut bytes = postcard::to_stdvec(&kept).ok()?;
        bytes.extend(Sha256::digest(&bytes));
        Some((RoomId::trail(self.number), bytes))
    }

    /// Reads and verifies what comes after its end. With where it ends: what is wrong with what comes then, if something is.
    fn read_on(&mut self, store: &dyn Store, last: &mut Timestamp) -> Result<Option<String>, LoadError> {
        let read = walk(store, RoomId::trail(self.number), self.end, |_, tip, opened: Opened<Record>| {
            *last = opened.entries.last().map_or(*last, |record| record.recorded_at.max(*last));
            self.moved_to(tip, *last);
            Ok(())
        });
        match read {
            Ok(_) => Ok(None),
            Err(LoadError::Damaged(damage)) => Ok(Some(damage.to_string())),
            Err(LoadError::Store(StoreError::Damaged(what))) => Ok(Some(what)),
            Err(error) => Err(error),
        }
    }

    fn moved_to(&mut self, tip: Tip, last: Timestamp) {
        self.end = tip;
        if self.marks.last().is_none_or(|(mark, _)| tip.next_frame() >= mark.next_frame() + MARK_FRAMES) {
            self.marks.push((tip, last));
        }
    }

    fn last_position(&self) -> u64 {
        match self.end.next_entry().0 {
            0 => 0,
            next => (u64::from(self.number) << PART_SHIFT) + next,
        }
    }
}

/// All parts.
pub(super) struct Segments {
    store: Arc<dyn Store>,
    parts: Mutex<Vec<Part>>,
}

/// The trail as it was found.
pub(crate) struct Loaded {
    parts: Vec<Part>,
    last_recorded_at: Timestamp,
    /// The last position that verifies, if what comes after it does not and a new part begins.
    pub(super) damaged_after: Option<u64>,
}

/// Reads and verifies the trail, from where it was verified before.
pub(crate) fn load(store: &dyn Store) -> Result<Loaded, LoadError> {
    let mut loaded = Loaded { parts: Vec::new(), last_recorded_at: Timestamp(0), damaged_after: None };
    for number in store.rooms()?.into_iter().filter_map(RoomId::trail_part) {
        let (mut part, last, damage) = load_part(store, number, loaded.last_recorded_at)?;
        loaded.damaged_after = damage.map(|damage| {
            tracing::error!(
                part = number,
                damage,
                "the audit trail does not verify; what does stays readable, and it goes on in a new part; keep a copy of the store, `samverkan inspect` shows where"
            );
            part.last_position()
        });
        if let Some((room, bytes)) = part.keep() {
            store.keep_snapshot(room, &bytes);
        }
        loaded.last_recorded_at = last;
        loaded.parts.push(part);
    }
    if loaded.damaged_after.is_some() || loaded.parts.is_empty() {
        let number = loaded.parts.last().map_or(0, |part| part.number.saturating_add(1));
        loaded.parts.push(Part::new(number));
    }
    Ok(loaded)
}

/// One part, the time of its last record, and what is wrong with what comes after it, if something is.
fn load_part(
    store: &dyn Store,
    number: u16,
    before: Timestamp,
) -> Result<(Part, Timestamp, Option<String>), LoadError> {
    let kept = store.snapshot(RoomId::trail(number)).and_then(|bytes| Part::of_kept(number, &bytes));
    if let Some((mut part, recorded_at)) = kept {
        let (begin, mut last) = (part.end, recorded_at.max(before));
        // Nothing there, or nothing that follows: then the marks are of another log, or the log is damaged. The whole of it tells.
        if part.read_on(store, &mut last)?.is_none() && part.end.next_frame() > begin.next_frame() {
            return Ok((part, last, None));
        }
    }
    let (mut part, mut last) = (Part::new(number), before);
    let damage = part.read_on(store, &mut last)?;
    Ok((part, last, damage))
}

impl Segments {
    /// What the records are encrypted with.
    pub(super) fn vault(&self) -> &Vault {
        self.store.vault()
    }

    pub(super) fn new(store: Arc<dyn Store>, loaded: Loaded) -> Self {
        Self { store, parts: Mutex::new(loaded.parts) }
    }

    fn with<T>(&self, of: impl FnOnce(&mut Vec<Part>) -> T) -> T {
        of(&mut self.parts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The part that is written, and its end.
    pub(super) fn end(&self) -> (u16, Tip) {
        self.with(|parts| parts.last().map_or((0, Tip::start(RoomId::trail(0))), |part| (part.number, part.end)))
    }

    /// The position of the last record.
    pub(super) fn last_position(&self) -> u64 {
        self.with(|parts| parts.iter().map(Part::last_position).max().unwrap_or_default())
    }

    /// The last part goes until here now.
    pub(super) fn moved_to(&self, tip: Tip, last: Timestamp) {
        self.with(|parts| parts.last_mut().map(|part| part.moved_to(tip, last)));
    }

    /// Keeps where reading can begin, if that is worth it, on another thread.
    pub(super) fn keep(&self) {
        if let Some((room, bytes)) = self.with(|parts| parts.last_mut().and_then(Part::keep)) {
            let store = self.store.clone();
            tokio::task::spawn_blocking(move || store.keep_snapshot(room, &bytes));
        }
    }

    /// The next stretch to read: from where, up to which frame.
    fn stretch(&self, after: u64, since: Option<Timestamp>) -> Option<(u16, Tip, u64)> {
        self.with(|parts| {
            let unread = |part: &&Part| part.last_position() > after;
            let part = parts.iter().find(unread)?;
            let first = if u64::from(part.number) == after >> PART_SHIFT { after & ((1 << PART_SHIFT) - 1) } else { 0 };
            let begins = |(tip, last): &&(Tip, Timestamp)| {
                tip.next_entry().0 <= first || since.is_some_and(|since| *last < since)
            };
            let (tip, _) = part.marks.iter().take_while(begins).last()?;
            Some((part.number, *tip, part.end.next_frame()))
        })
    }

    /// A page. It ends early after [`limits::AUDIT_SCAN_MAX`] records, found or not.
    pub(super) fn read(&self, query: &Query) -> Result<Page, LoadError> {
        let mut page = Page { records: Vec::new(), last: query.after, is_end: true };
        let mut scanned = 0;
        'parts: while let Some((number, mut tip, end)) = self.stretch(page.last, query.since) {
            let room = RoomId::trail(number);
            while tip.next_frame() < end {
                let frames = self.store.read(room, tip.next_frame()..end, READ_BYTES)?;
                if frames.is_empty() {
                    break 'parts;
                }
                for stored in &frames {
                    let opened: Opened<Record> = tip.follow(stored, self.store.vault())?;
                    for record in opened.entries {
                        let position = position(number, &record);
                        if position <= page.last {
                            continue;
                        }
                        if query.until.is_some_and(|until| record.recorded_at >= until) {
                            return Ok(page);
                        }
                        if page.records.len() >= query.max || scanned >= limits::AUDIT_SCAN_MAX {
                            page.is_end = false;
                            return Ok(page);
                        }
                        scanned += 1;
                        page.last = position;
                        if query.wants(&record) {
                            page.records.push((position, record));
                        }
                    }
                }
            }
        }
        Ok(page)
    }
}

impl Query {
    fn wants(&self, record: &Record) -> bool {
        let of_kind = |kinds: &[Kind]| kinds.is_empty() || kinds.contains(&record.kind);
        of_kind(&self.kinds)
            && self.since.is_none_or(|since| record.recorded_at >= since)
            && self.organisation.as_ref().is_none_or(|organisation| record.facts.concerns(organisation))
    }
}

impl Loaded {
    pub(super) fn last_recorded_at(&self) -> Timestamp {
        self.last_recorded_at
    }
}
