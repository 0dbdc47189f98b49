//! One part of a content as bytes at rest: is it what was put at this place?
//!
//! Encrypted: `info[32] ‖ ciphertext ‖ tag[16]`, see [`crate::sealing::record`]. In a store without keys: `SHA-256[32] ‖ bytes`, over
//! place and bytes. Tested in `contents::tests`.

use sha2::{Digest as _, Sha256};

use super::{ContentError, Place};
use crate::limits;
use crate::sealing::{ContentKey, Vault};
use crate::store::codec::salt;

/// What stands before the bytes.
const HEAD_BYTES: usize = 32;
/// What stands behind them.
const TAG_BYTES: usize = 16;

/// Nothing that we stored is longer.
pub(super) const SEALED_BYTES_MAX: usize = HEAD_BYTES + limits::CONTENT_PART_BYTES + TAG_BYTES;
/// What is said of what is.
pub(super) const TOO_LONG: &str = "a part is too long";

/// The bytes of a part, in the buffer that it was read into.
pub(crate) struct Part(Vec<u8>);

impl Part {
    /// The bytes of the file.
    pub(crate) fn bytes(&self) -> &[u8] {
        bytes(&self.0)
    }

    /// To read another into.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.0
    }
}

/// Ready to read so many bytes into; reading to their end needs one more.
pub(super) fn make_room_for_sealed(buffer: &mut Vec<u8>, bytes: usize) {
    buffer.clear();
    buffer.reserve_exact(bytes + 1);
}

/// A buffer for `bytes` of a part, its head already in it.
pub(super) fn room_for(bytes: usize) -> Vec<u8> {
    let mut room = Vec::with_capacity(HEAD_BYTES + bytes + TAG_BYTES);
    room.resize(HEAD_BYTES, 0);
    room
}

/// How many bytes of a part are in a buffer of [`room_for`].
pub(super) fn length(part: &[u8]) -> usize {
    part.len() - HEAD_BYTES
}

/// The bytes of a part in a buffer of [`room_for`].
pub(super) fn bytes(part: &[u8]) -> &[u8] {
    &part[HEAD_BYTES..]
}

/// A part as it is stored: of a buffer that [`room_for`] made, in place.
pub(super) fn seal(vault: &Vault, place: &Place, part: u32, mut bytes: Vec<u8>) -> Result<Vec<u8>, ContentError> {
    let info = salt();
    let number = part.to_be_bytes();
    match vault.content_key(place.room, place.source.as_str(), place.content, &info) {
        ContentKey::None => {
            let digest = digest(place, part, &bytes[HEAD_BYTES..]);
            bytes[..HEAD_BYTES].copy_from_slice(&digest);
        }
        ContentKey::Erased => return Err(ContentError::Erased),
        ContentKey::Key(key) => {
            bytes[..HEAD_BYTES].copy_from_slice(&info);
            let tag = key.seal_slice(&additional(place, &number), &mut bytes[HEAD_BYTES..]);
            bytes.extend(tag);
        }
    }
    Ok(bytes)
}

/// The bytes of a part that was stored.
pub(super) fn open(vault: &Vault, place: &Place, part: u32, mut sealed: Vec<u8>) -> Result<Part, ContentError> {
    if sealed.len() > SEALED_BYTES_MAX {
        return Err(ContentError::Damaged(TOO_LONG));
    }
    let Some((head, _)) = sealed.split_first_chunk::<HEAD_BYTES>() else {
        return Err(ContentError::Damaged("a part is cut short"));
    };
    let head = *head;
    let number = part.to_be_bytes();
    match vault.content_key(place.room, place.source.as_str(), place.content, &head) {
        ContentKey::None => {
            if digest(place, part, &sealed[HEAD_BYTES..]) != head {
                return Err(ContentError::Damaged("a part does not match its digest"));
            }
        }
        ContentKey::Erased => return Err(ContentError::Erased),
        ContentKey::Key(key) => {
            let opened = key.open_slice(&additional(place, &number), &mut sealed[HEAD_BYTES..]);
            let length = opened.map_err(|_| ContentError::Damaged("a part does not open with its key"))?;
            sealed.truncate(HEAD_BYTES + length);
        }
    }
    Ok(Part(sealed))
}

fn additional<'a>(place: &'a Place, number: &'a [u8; 4]) -> [&'a [u8]; 4] {
    [place.room.as_bytes(), place.source.as_str().as_bytes(), place.content.as_bytes(), number]
}

fn digest(place: &Place, part: u32, bytes: &[u8]) -> [u8; 32] {
    let sha = Sha256::new().chain_update(b"samverkan/part/1").chain_update(place.room.as_bytes());
    sha.chain_update(place.content.as_bytes()).chain_update(part.to_be_bytes()).chain_update(bytes).finalize().into()
}
