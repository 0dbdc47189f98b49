//! Entries and delivery records as bytes at rest, and back. One question: is what was read what was written?
//!
//! Leans on: `room` (the domain) and `proto/samverkan/storage/v1`. Upholds: R2 (with `room::chain`): every bit of a stored frame is
//! under its checksum, and everything but erasable payloads under the chain. Tested here, bit by bit.

use std::borrow::Cow;

use bytes::Bytes;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Frame, StoredFrame};
use crate::audit::Record;
use crate::danger::{self, Danger};
use crate::limits;
use crate::room::chain::{self, Digest};
use crate::room::directory::DirectoryEntry;
use crate::room::event::Entry;
use crate::room::ids::{RoomId, Seq};
use crate::room::mailbox::Range;
use crate::sealing::{PayloadKey, SEALED_FRAME_OVERHEAD, Vault};

mod audit;
mod from_stored;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzed;
mod to_stored;

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, rustdoc::all)]
mod pb {
    include!(concat!(env!("OUT_DIR"), "/samverkan.storage.v1.rs"));
}

/// What a log holds: a room's entries, or the directory's.
pub trait Logged: Sized {
    /// Its place.
    fn seq(&self) -> Seq;
    /// Header, and payload if it has one.
    #[doc(hidden)]
    fn to_stored(&self) -> Unsealed;
    /// The entry in a header and its payload.
    #[doc(hidden)]
    fn from_stored(header: Header<'_>, payload: Payload<'_>) -> Result<Self, &'static str>;
}

/// What is there of an entry's payload.
#[doc(hidden)]
pub enum Payload<'a> {
    /// It has none.
    None,
    /// It, opened and verified.
    Here(Cow<'a, [u8]>),
    /// It had one, whose key is destroyed.
    Erased,
}

/// A header and a payload, before the payload's digest is in the header.
#[doc(hidden)]
pub struct Unsealed {
    header: pb::Header,
    payload: Option<Vec<u8>>,
}

/// An entry as it will be stored, its payload's digest included: all that does not depend on what comes before it.
#[derive(Clone, PartialEq, Debug)]
pub struct Sealed {
    seq: Seq,
    stored: pb::StoredEntry,
}

impl Sealed {
    /// The place of the entry.
    pub fn seq(&self) -> Seq {
        self.seq
    }
}

/// Makes an entry of a room ready to be packed, its payload encrypted if the vault has keys. `random` draws 32 random bytes.
pub fn seal<E: Logged>(entry: &E, room: RoomId, vault: &Vault, random: impl FnOnce() -> [u8; 32]) -> Sealed {
    let Unsealed { mut header, payload } = entry.to_stored();
    let Some(mut payload) = payload else {
        return Sealed {
            seq: entry.seq(),
            stored: pb::StoredEntry { header: header.encode_to_vec().into(), payload: None },
        };
    };
    let random = random();
    let key = vault.key_to_seal(room, source(&header), entry.seq(), &random);
    let salt = key.as_ref().map_or(&random, |(_, _, salt)| salt);
    header.payload_digest = Bytes::copy_from_slice(&chain::payload(salt, &payload));
    let header = Bytes::from(header.encode_to_vec());
    let random = Bytes::copy_from_slice(&random);
    let payload = match key {
        None => pb::stored_entry::Payload::Plain(pb::PlainPayload { salt: random, payload: payload.into() }),
        Some((lane, key, _)) => {
            key.seal(&[room.as_bytes(), &header], &mut payload);
            let ciphertext = payload.into();
            pb::stored_entry::Payload::Encrypted(pb::EncryptedPayload { info: random, ciphertext, lane })
        }
    };
    Sealed { seq: entry.seq(), stored: pb::StoredEntry { header, payload: Some(payload) } }
}

/// The entry as it is read once its key is destroyed.
pub(crate) fn without_words(entry: &Entry) -> Entry {
    let Unsealed { header, payload } = to_stored::entry(entry);
    let payload = if payload.is_some() { Payload::Erased } else { Payload::None };
    from_stored::entry(&header, &payload).expect("what is written can be read")
}

/// Whose words an entry's payload is: its author's organisation, or nobody's.
fn source(header: &pb::Header) -> &str {
    header.author.split('/').nth(1).unwrap_or_default()
}

/// 32 random bytes.
pub fn salt() -> [u8; 32] {
    let mut salt = [0; 32];
    salt[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    salt[16..].copy_from_slice(Uuid::new_v4().as_bytes());
    salt
}

/// A header that was read and verified.
#[doc(hidden)]
pub struct Header<'a>(&'a pb::Header);

/// Where a log ends: what the next frame must follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tip {
    room: RoomId,
    next_frame: u64,
    next_entry: Seq,
    frame: Digest,
    entry: Digest,
}

/// What a stored frame holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened<E> {
    /// Its entries, in order.
    pub entries: Vec<E>,
    /// Its delivery records, in order; they follow its entries.
    pub deliveries: Vec<Range>,
    /// Its digest.
    pub digest: Digest,
}

/// Why a stored frame can't be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("frame {frame} of {room}: {what}")]
pub struct Damage {
    /// Whose log.
    pub room: RoomId,
    /// Which frame.
    pub frame: u64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// What is wrong with a frame, before it is known which one it is.
type What = &'static str;

impl Tip {
    /// The end of a log that has no frame.
    pub fn start(room: RoomId) -> Self {
        Self { room, next_frame: 0, next_entry: Seq(0), frame: chain::START, entry: chain::START }
    }

    /// The number of the next frame.
    pub fn next_frame(&self) -> u64 {
        self.next_frame
    }

    /// The digest of the last frame.
    pub fn frame(&self) -> &Digest {
        &self.frame
    }

    /// The place of the next entry.
    pub fn next_entry(&self) -> Seq {
        self.next_entry
    }

    /// Packs entries and delivery records into frames, each of one stored value where that is possible, and moves the tip
    /// behind them. Each frame comes with the place of its first entry, encrypted if the vault has keys.
    pub fn pack(&mut self, entries: Vec<Sealed>, deliveries: &[Range], vault: &Vault) -> Vec<(Seq, Frame)> {
        let mut frames = Vec::new();
        let mut first = self.next_entry;
        let mut open = pb::Frame::default();
        let mut size = FRAME_OVERHEAD;
        let mut entry_tip = self.entry;
        open.previous_entry = Bytes::copy_from_slice(&self.entry);
        for Sealed { seq, stored } in entries {
            debug_assert_eq!(seq, self.next_entry, "R2: entries follow each other");
            let length = stored.encoded_len() + 4;
            if size + length > limits::VALUE_BYTES_MAX && !open.entries.is_empty() {
                frames.push((first, self.close(std::mem::take(&mut open), entry_tip, vault)));
                first = self.next_entry;
                open.previous_entry = Bytes::copy_from_slice(&entry_tip);
                size = FRAME_OVERHEAD;
            }
            entry_tip = chain::entry(self.room, self.next_entry, &entry_tip, &stored.header);
            self.next_entry = self.next_entry.next();
            size += length;
            open.entries.push(stored);
        }
        for delivery in deliveries {
            let bytes = Bytes::from(to_stored::range(delivery).encode_to_vec());
            let length = bytes.len() + 4;
            if size + length > limits::VALUE_BYTES_MAX && !(open.entries.is_empty() && open.deliveries.is_empty()) {
                frames.push((first, self.close(std::mem::take(&mut open), entry_tip, vault)));
                first = self.next_entry;
                open.previous_entry = Bytes::copy_from_slice(&entry_tip);
                size = FRAME_OVERHEAD;
            }
            size += length;
            open.deliveries.push(bytes);
        }
        if !(open.entries.is_empty() && open.deliveries.is_empty()) {
            frames.push((first, self.close(open, entry_tip, vault)));
        }
        frames
    }

    fn close(&mut self, mut frame: pb::Frame, entry_tip: Digest, vault: &Vault) -> Frame {
        let deliveries: Vec<&[u8]> = frame.deliveries.iter().map(AsRef::as_ref).collect();
        let digest = chain::frame(self.room, self.next_frame, &self.frame, &entry_tip, &deliveries);
        frame.previous_frame = Bytes::copy_from_slice(&self.frame);
        frame.digest = Bytes::copy_from_slice(&digest);
        let mut bytes = frame.encode_to_vec();
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        let number = self.next_frame;
        *self = Self { next_frame: number + 1, frame: digest, entry: entry_tip, ..*self };
        Frame { room: self.room, number, digest, bytes: vault.seal_frame(self.room, number, salt, bytes) }
    }

    /// Opens the frame that must come next, and moves the tip behind it.
    pub fn follow<E: Logged>(&mut self, stored: &StoredFrame, vault: &Vault) -> Result<Opened<E>, Damage> {
        let damaged = |what| Damage { room: self.room, frame: stored.number, what };
        if stored.number != self.next_frame {
            return Err(damaged("is not the one that must come next"));
        }
        let frame = read(self.room, stored, vault).map_err(damaged)?;
        if frame.previous_frame != self.frame[..] || frame.previous_entry != self.entry[..] {
            return Err(damaged("does not follow the frame before it"));
        }
        let (opened, tip) = open(&frame, *self, vault).map_err(damaged)?;
        *self = tip;
        Ok(opened)
    }
}

/// Opens one frame out of order: its own digests agree, and it is the frame that was there when its digest was last known.
pub fn reopen<E: Logged>(
    room: RoomId,
    first_entry: Seq,
    digest: &Digest,
    stored: &StoredFrame,
    vault: &Vault,
) -> Result<Opened<E>, Damage> {
    let damaged = |what| Damage { room, frame: stored.number, what };
    let frame = read(room, stored, vault).map_err(damaged)?;
    let digest_of =
        |bytes: &Bytes| Digest::try_from(&bytes[..]).map_err(|_| damaged("has a digest of the wrong length"));
    let tip = Tip {
        room,
        next_frame: stored.number,
        next_entry: first_entry,
        frame: digest_of(&frame.previous_frame)?,
        entry: digest_of(&frame.previous_entry)?,
    };
    let (opened, _) = open(&frame, tip, vault).map_err(damaged)?;
    if opened.digest != *digest {
        return Err(damaged("is not the frame that was there before"));
    }
    Ok(opened)
}

/// Digests, tags and lengths of a frame that holds nothing, and what encryption adds.
const FRAME_OVERHEAD: usize = 3 * 34 + 4 + SEALED_FRAME_OVERHEAD;

fn read(room: RoomId, stored: &StoredFrame, vault: &Vault) -> Result<pb::Frame, What> {
    let bytes = vault.open_frame(room, stored.number, &stored.bytes)?;
    let Some(at) = bytes.len().checked_sub(4) else { return Err("is too short") };
    let (body, checksum) = (bytes.slice(..at), &bytes[at..]);
    if crc32fast::hash(&body).to_be_bytes() != checksum && !danger::is_on(Danger::NoChain) {
        return Err("does not match its checksum");
    }
    pb::Frame::decode(body).map_err(|_| "can't be decoded")
}

fn open<E: Logged>(frame: &pb::Frame, mut tip: Tip, vault: &Vault) -> Result<(Opened<E>, Tip), What> {
    let mut entries = Vec::with_capacity(frame.entries.len());
    for stored in &frame.entries {
        tip.entry = chain::entry(tip.room, tip.next_entry, &tip.entry, &stored.header);
        let header = pb::Header::decode(stored.header.clone()).map_err(|_| "holds a header that can't be decoded")?;
        if header.seq != tip.next_entry.0 {
            return Err("holds an entry of another place");
        }
        let payload = payload(tip.room, &header, stored, vault)?;
        entries.push(E::from_stored(Header(&header), payload)?);
        tip.next_entry = tip.next_entry.next();
    }
    let raw: Vec<&[u8]> = frame.deliveries.iter().map(AsRef::as_ref).collect();
    let digest = chain::frame(tip.room, tip.next_frame, &tip.frame, &tip.entry, &raw);
    if frame.digest != digest[..] {
        return Err("does not match its digest");
    }
    let deliveries =
        frame.deliveries.iter().map(|bytes| from_stored::range(bytes.clone())).collect::<Result<_, _>>()?;
    let tip = Tip { next_frame: tip.next_frame + 1, frame: digest, ..tip };
    Ok((Opened { entries, deliveries, digest }, tip))
}

fn payload<'a>(
    room: RoomId,
    header: &pb::Header,
    stored: &'a pb::StoredEntry,
    vault: &Vault,
) -> Result<Payload<'a>, What> {
    let checked = |salt: &[u8; 32], payload: Cow<'a, [u8]>| {
        if header.payload_digest != chain::payload(salt, &payload)[..] && !danger::is_on(Danger::NoChain) {
            return Err("holds a payload that does not match its digest");
        }
        Ok(Payload::Here(payload))
    };
    match &stored.payload {
        None if header.payload_digest.is_empty() => Ok(Payload::None),
        None => Err("lacks a payload"),
        Some(pb::stored_entry::Payload::Plain(plain)) => {
            let salt = plain.salt[..].try_into().map_err(|_| "has a salt of the wrong length")?;
            checked(&salt, Cow::Borrowed(&plain.payload))
        }
        Some(pb::stored_entry::Payload::Encrypted(encrypted)) => {
            let info =
                encrypted.info[..].try_into().map_err(|_| "has an encrypted payload without its random bytes")?;
            let (key, salt) = match vault.key_to_open(room, source(header), Seq(header.seq), encrypted.lane, &info) {
                PayloadKey::None => return Err("holds an encrypted payload, and there is no key for it"),
                PayloadKey::Erased => return Ok(Payload::Erased),
                PayloadKey::Key(key, salt) => (key, salt),
            };
            let payload = key.open(&[room.as_bytes(), &stored.header], &encrypted.ciphertext);
            checked(&salt, Cow::Owned(payload.map_err(|_| "holds a payload that does not open with its key")?))
        }
        // The format has room for it, and its chain verifies. This version destroys keys, writes none of these, and takes none for an
        // erasure: who writes to the disk could make one.
        Some(pb::stored_entry::Payload::Erased(_)) => Err("holds an erased payload, which this version can't read"),
    }
}

/// Checks digests and order of a frame, its payloads apart: what `inspect` and later versions do with erased and encrypted payloads.
pub fn verify_chain(tip: &mut Tip, stored: &StoredFrame, vault: &Vault) -> Result<(), Damage> {
    let damaged = |what| Damage { room: tip.room, frame: stored.number, what };
    let frame = read(tip.room, stored, vault).map_err(damaged)?;
    if stored.number != tip.next_frame || frame.previous_frame != tip.frame[..] || frame.previous_entry != tip.entry[..]
    {
        return Err(damaged("does not follow the frame before it"));
    }
    let mut entry = tip.entry;
    let mut next_entry = tip.next_entry;
    for stored in &frame.entries {
        entry = chain::entry(tip.room, next_entry, &entry, &stored.header);
        next_entry = next_entry.next();
    }
    let raw: Vec<&[u8]> = frame.deliveries.iter().map(AsRef::as_ref).collect();
    let digest = chain::frame(tip.room, tip.next_frame, &tip.frame, &entry, &raw);
    if frame.digest != digest[..] {
        return Err(damaged("does not match its digest"));
    }
    *tip = Tip { next_frame: tip.next_frame + 1, next_entry, frame: digest, entry, ..*tip };
    Ok(())
}

impl Logged for Entry {
    fn seq(&self) -> Seq {
        self.seq
    }

    fn to_stored(&self) -> Unsealed {
        to_stored::entry(self)
    }

    fn from_stored(header: Header<'_>, payload: Payload<'_>) -> Result<Self, What> {
        from_stored::entry(header.0, &payload)
    }
}

impl<E: Logged> Logged for std::sync::Arc<E> {
    fn seq(&self) -> Seq {
        E::seq(self)
    }

    fn to_stored(&self) -> Unsealed {
        E::to_stored(self)
    }

    fn from_stored(header: Header<'_>, payload: Payload<'_>) -> Result<Self, What> {
        E::from_stored(header, payload).map(Self::new)
    }
}

impl Logged for DirectoryEntry {
    fn seq(&self) -> Seq {
        self.seq
    }

    fn to_stored(&self) -> Unsealed {
        to_stored::directory_entry(self)
    }

    fn from_stored(header: Header<'_>, _payload: Payload<'_>) -> Result<Self, What> {
        from_stored::directory_entry(header.0)
    }
}

impl Logged for Record {
    fn seq(&self) -> Seq {
        self.seq
    }

    fn to_stored(&self) -> Unsealed {
        audit::to_stored(self)
    }

    fn from_stored(header: Header<'_>, payload: Payload<'_>) -> Result<Self, What> {
        audit::from_stored(header.0, &payload)
    }
}

#[cfg(test)]
mod tests;
