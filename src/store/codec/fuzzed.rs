//! Whatever a disk may hold, as this version reads it: an error, never a panic, and what opens is written again as it was read.

use bytes::Bytes;
use prost::Message as _;

use super::{Logged, Opened, Sealed, Tip, from_stored, pb, seal, to_stored, verify_chain};
use crate::room::chain;
use crate::room::directory::DirectoryEntry;
use crate::room::event::Entry;
use crate::room::ids::{Actor, Index, RoomId, Seq};
use crate::room::mailbox::{Mailbox, Mailboxes};
use crate::sealing::Vault;
use crate::store::StoredFrame;

const ROOM: RoomId = RoomId::from_bytes([7; 16]);

/// As the bytes of a frame; as a frame whose checksum is right; as two bytes of length, a header of that length and a payload, in a frame
/// whose digests are right.
pub(crate) fn stored(data: &[u8]) {
    let checksum = crc32fast::hash(data).to_be_bytes();
    for bytes in [data.to_vec(), [data, &checksum].concat()] {
        let frame = StoredFrame { number: 0, bytes: bytes.into() };
        let _ = Tip::start(ROOM).follow::<Entry>(&frame, &Vault::none());
        let _ = verify_chain(&mut Tip::start(ROOM), &frame, &Vault::none());
    }
    let _ = from_stored::range(Bytes::copy_from_slice(data));
    let Some((length, rest)) = data.split_first_chunk::<2>() else { return };
    let (header, payload) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
    let Ok(header) = pb::Header::decode(header) else { return };
    entry::<Entry>(ROOM, header.clone(), payload);
    entry::<DirectoryEntry>(RoomId::DIRECTORY, header, payload);
}

/// As an index that a client asks for, eight bytes, and stored delivery records, each after two bytes of length. What is put back in a
/// mailbox stands at indexes from 1 to its last, and nothing at any other.
pub(crate) fn deliveries(data: &[u8]) {
    let Some((asked, mut rest)) = data.split_first_chunk::<8>() else { return };
    let mut mailboxes = Mailboxes::default();
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (bytes, next) = after.split_at(usize::from(u16::from_be_bytes(*length)).min(after.len()));
        rest = next;
        let Ok(range) = from_stored::range(Bytes::copy_from_slice(bytes)) else { continue };
        let again = from_stored::range(to_stored::range(&range).encode_to_vec().into());
        assert_eq!(again.as_ref(), Ok(&range), "what is written can be read");
        let before = last(&mailboxes, &range.actor);
        let put_back = mailboxes.restore(&range);
        let after = last(&mailboxes, &range.actor);
        match put_back {
            Ok(()) => assert!(range.first.0 == before + 1 && after >= before, "a record follows the one before"),
            // A room whose records contradict its log is not served.
            Err(_) => return,
        }
        let Some(mailbox) = mailboxes.get(&range.actor) else { continue };
        for index in [0, 1, before, after / 2, after, after.saturating_add(1), u64::from_be_bytes(*asked), u64::MAX] {
            assert_eq!(mailbox.item(Index(index)).is_some(), (1..=after).contains(&index), "{index} of {after}");
        }
    }
}

fn last(mailboxes: &Mailboxes, actor: &Actor) -> u64 {
    mailboxes.get(actor).map_or(0, |mailbox: &Mailbox| mailbox.last().0)
}

/// A seed of [`deliveries`].
#[cfg(test)]
pub(crate) fn seed_of_deliveries(asked: u64, ranges: &[crate::room::mailbox::Range]) -> Vec<u8> {
    let mut bytes = asked.to_be_bytes().to_vec();
    for range in ranges {
        let range = to_stored::range(range).encode_to_vec();
        bytes.extend(u16::try_from(range.len()).expect("a short record").to_be_bytes());
        bytes.extend(range);
    }
    bytes
}

fn entry<E: Logged + PartialEq + std::fmt::Debug>(room: RoomId, mut header: pb::Header, payload: &[u8]) {
    let salt = [9; 32];
    header.seq = 0;
    header.payload_digest = Bytes::new();
    let payload = (!payload.is_empty()).then(|| {
        header.payload_digest = Bytes::copy_from_slice(&chain::payload(&salt, payload));
        let (salt, payload) = (Bytes::copy_from_slice(&salt), Bytes::copy_from_slice(payload));
        pb::stored_entry::Payload::Plain(pb::PlainPayload { salt, payload })
    });
    let stored = pb::StoredEntry { header: header.encode_to_vec().into(), payload };
    let Ok(opened) = follow::<E>(room, Sealed { seq: Seq(0), stored }) else { return };
    for entry in opened.entries {
        let again =
            follow::<E>(room, seal(&entry, room, &Vault::none(), || salt)).expect("what is written can be read");
        assert_eq!(again.entries, [entry]);
    }
}

fn follow<E: Logged>(room: RoomId, sealed: Sealed) -> Result<Opened<E>, super::Damage> {
    let frames = Tip::start(room).pack(vec![sealed], &[], &Vault::none());
    let (_, frame) = frames.into_iter().next().expect("one entry is one frame");
    Tip::start(room).follow(&StoredFrame { number: 0, bytes: frame.bytes }, &Vault::none())
}

/// A seed of [`stored`]: an entry's header and payload.
#[cfg(test)]
pub(crate) fn seed<E: Logged>(entry: &E) -> Vec<u8> {
    let super::Unsealed { header, payload } = entry.to_stored();
    let header = header.encode_to_vec();
    let length = u16::try_from(header.len()).expect("a short header").to_be_bytes();
    [&length[..], &header, &payload.unwrap_or_default()].concat()
}
