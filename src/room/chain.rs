//! Digests that tie a log together: one flipped bit, one entry moved, lost or added, and they no longer agree.
//!
//! Everything is hashed as it lies, never re-encoded. A payload (text, report) enters the chain through a salted digest in its
//! entry's header, so that erasing or encrypting the payload never touches the chain, and a digest tells nothing of a short text.
//! Upholds: R2. Test vectors are in this file's tests.

use sha2::{Digest as _, Sha256};

use super::ids::{RoomId, Seq};

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// What the first entry and the first frame follow.
pub const START: Digest = [0; 32];

fn sha256(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// The digest of an entry: SHA-256("samverkan/entry/1" ‖ room ‖ seq ‖ digest of the entry before ‖ header as stored).
pub fn entry(room: RoomId, seq: Seq, previous: &Digest, header: &[u8]) -> Digest {
    sha256(&[b"samverkan/entry/1", room.as_bytes(), &seq.0.to_be_bytes(), previous, header])
}

/// The digest of a payload, as its entry's header carries it: SHA-256(salt ‖ payload).
pub fn payload(salt: &[u8; 32], payload: &[u8]) -> Digest {
    sha256(&[salt, payload])
}

/// The digest of a frame: SHA-256("samverkan/frame/1" ‖ room ‖ number ‖ digest of the frame before ‖ digest of the last entry in or
/// before this frame ‖ delivery records as stored).
pub fn frame(room: RoomId, number: u64, previous: &Digest, last_entry: &Digest, deliveries: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    hash.update(b"samverkan/frame/1");
    hash.update(room.as_bytes());
    hash.update(number.to_be_bytes());
    hash.update(previous);
    hash.update(last_entry);
    for delivery in deliveries {
        hash.update((delivery.len() as u64).to_be_bytes());
        hash.update(delivery);
    }
    hash.finalize().into()
}

/// The digest of a text, to which an approval is bound: SHA-256 of its UTF-8 bytes.
pub fn text(text: &str) -> Digest {
    sha256(&[text.as_bytes()])
}

/// The digest of a request: SHA-256(length of the method ‖ method ‖ request as received, its request id apart).
pub fn request(method: &str, request: &[u8]) -> Digest {
    sha256(&[&(method.len() as u64).to_be_bytes(), method.as_bytes(), request])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(digest: &Digest) -> String {
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn an_entry_digest_depends_on_room_position_predecessor_and_header() {
        let room = RoomId::from_bytes([7; 16]);
        let base = entry(room, Seq(3), &START, b"header");
        let others = [
            entry(RoomId::from_bytes([8; 16]), Seq(3), &START, b"header"),
            entry(room, Seq(4), &START, b"header"),
            entry(room, Seq(3), &[1; 32], b"header"),
            entry(room, Seq(3), &START, b"headeR"),
        ];
        assert!(others.iter().all(|other| *other != base));
    }

    #[test]
    fn the_digests_are_what_they_were_when_the_first_store_was_written() {
        let room = RoomId::from_bytes([7; 16]);
        assert_eq!(
            [
                hex(&entry(room, Seq(3), &START, b"header")),
                hex(&payload(&[9; 32], b"payload")),
                hex(&frame(room, 1, &START, &[5; 32], &[b"delivery"])),
                hex(&request("/samverkan.v1.MessageService/PostMessage", b"request")),
            ],
            VECTORS
        );
    }

    const VECTORS: [&str; 4] = [
        "b543662167be18b50a20b10259a5a23de7c1c8dd717de64b2fad2b30d7cd8e04",
        "1d58aff1505f255d3158927140b9f7cc2bac546d5bc1db856e4204665c1368fe",
        "84947f40d359230426a1b66af307b29be16f23fc0302a2f71c19eda52f9f1b4d",
        "c182b31f300bba057f4a518d64a13dafe79091c2837940eb6bafd0a2451e5da0",
    ];
}
