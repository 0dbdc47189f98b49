//! How is one record sealed? AES-256-GCM, under a key that is used once.
//!
//! Key and salt come from HKDF-Expand (RFC 5869, SHA-256) of the key above, with a label and 32 random bytes as info; these bytes lie
//! beside the ciphertext, and the first twelve of them are the nonce. The construction is that of Kubernetes' KMS v2 envelope. AES-GCM
//! does not commit to its key: whether this is the right text is for the salted digest in the entry's header to say, not for the tag.
//!
//! Tested here.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use zeroize::{Zeroize, Zeroizing};

/// Random bytes from which a record's key is derived.
pub const INFO_BYTES: usize = 32;
/// What AES-GCM adds.
pub const TAG_BYTES: usize = 16;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const SALT_BYTES: usize = 32;

/// What a record is. A key of one kind opens nothing of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Frame,
    Payload,
    Snapshot,
    Content,
    Keyring,
}

impl Kind {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Frame => b"samverkan/frame/1",
            Self::Payload => b"samverkan/payload/1",
            Self::Snapshot => b"samverkan/snapshot/1",
            Self::Content => b"samverkan/content/1",
            Self::Keyring => b"samverkan/keyring/1",
        }
    }
}

/// The key of one record.
pub(crate) struct RecordKey {
    key: LessSafeKey,
    nonce: [u8; NONCE_BYTES],
}

/// The salt of the digest of what a record holds: as secret as its key, and gone with it.
pub(crate) type Salt = Zeroizing<[u8; SALT_BYTES]>;

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordKey(hidden)")
    }
}

/// The record was changed, cut short, moved, or belongs to another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("does not open with its key")]
pub(crate) struct DoesNotOpen;

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl RecordKey {
    /// The key of one record. `info` must be random and new for a record that is sealed.
    pub(crate) fn derive(above: &[u8; 32], kind: Kind, info: &[u8; INFO_BYTES]) -> Self {
        Self::of(&expand::<KEY_BYTES>(above, kind, info)[..], info)
    }

    /// The same, and a salt.
    pub(crate) fn derive_with_salt(above: &[u8; 32], kind: Kind, info: &[u8; INFO_BYTES]) -> (Self, Salt) {
        let material = expand::<{ KEY_BYTES + SALT_BYTES }>(above, kind, info);
        let (key, salt) = material.split_at(KEY_BYTES);
        (Self::of(key, info), Zeroizing::new(salt.try_into().expect("split so")))
    }

    fn of(key: &[u8], info: &[u8; INFO_BYTES]) -> Self {
        let (nonce, _) = info.split_at(NONCE_BYTES);
        Self {
            key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes are a key of AES-256")),
            nonce: nonce.try_into().expect("split so"),
        }
    }

    /// Encrypts in place and adds the tag. Takes the key: it encrypts once.
    pub(crate) fn seal(self, additional: &[&[u8]], bytes: &mut Vec<u8>) {
        let (nonce, additional) = (Nonce::assume_unique_for_key(self.nonce), together(additional));
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(additional), bytes)
            .expect("a record is shorter than 64 GiB");
    }

    /// Encrypts in place; the tag is for the caller to keep. Takes the key: it encrypts once.
    pub(crate) fn seal_slice(self, additional: &[&[u8]], bytes: &mut [u8]) -> [u8; TAG_BYTES] {
        let (nonce, additional) = (Nonce::assume_unique_for_key(self.nonce), together(additional));
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(additional), bytes);
        let tag = tag.expect("a record is shorter than 64 GiB");
        tag.as_ref().try_into().expect("a tag of AES-GCM is 16 bytes")
    }

    /// Opens in place what [`Self::seal_slice`] encrypted, with its tag behind it. How many bytes it was.
    pub(crate) fn open_slice(&self, additional: &[&[u8]], sealed: &mut [u8]) -> Result<usize, DoesNotOpen> {
        let (nonce, additional) = (Nonce::assume_unique_for_key(self.nonce), together(additional));
        let opened = self.key.open_in_place(nonce, Aad::from(additional), sealed).map(|opened| opened.len());
        opened.map_err(|_| {
            sealed.zeroize();
            DoesNotOpen
        })
    }

    /// What was sealed.
    pub(crate) fn open(&self, additional: &[&[u8]], sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        let (nonce, additional) = (Nonce::assume_unique_for_key(self.nonce), together(additional));
        let mut bytes = sealed.to_vec();
        match self.key.open_in_place(nonce, Aad::from(additional), &mut bytes) {
            Ok(opened) => {
                let length = opened.len();
                bytes.truncate(length);
                Ok(bytes)
            }
            Err(_) => {
                bytes.zeroize();
                Err(DoesNotOpen)
            }
        }
    }
}

fn expand<const N: usize>(above: &[u8; 32], kind: Kind, info: &[u8; INFO_BYTES]) -> Zeroizing<[u8; N]> {
    let mut material = Zeroizing::new([0; N]);
    Prk::new_less_safe(HKDF_SHA256, above)
        .expand(&[kind.label(), info], Length(N))
        .and_then(|expanded| expanded.fill(&mut material[..]))
        .expect("HKDF gives up to 8160 bytes");
    material
}

/// Each part after its length, so that no two lists of parts are the same bytes.
fn together(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOVE: [u8; 32] = [3; 32];
    const INFO: [u8; 32] = [4; 32];

    fn sealed(text: &[u8]) -> Vec<u8> {
        let mut bytes = text.to_vec();
        RecordKey::derive(&ABOVE, Kind::Payload, &INFO).seal(&[b"room", b"header"], &mut bytes);
        bytes
    }

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        let bytes = sealed(b"GET /login 200");
        let key = RecordKey::derive(&ABOVE, Kind::Payload, &INFO);
        assert_eq!(bytes.len(), 14 + TAG_BYTES);
        assert_eq!(key.open(&[b"room", b"header"], &bytes).as_deref(), Ok(&b"GET /login 200"[..]));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open(&[b"room", b"header"], &flipped), Err(DoesNotOpen), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(key.open(&[b"room", b"header"], &bytes[..length]), Err(DoesNotOpen), "{length} bytes");
        }
        for additional in [&[&b"roomheader"[..]][..], &[b"room", b"headeR"], &[b"roo", b"mheader"], &[]] {
            assert_eq!(key.open(additional, &bytes), Err(DoesNotOpen));
        }
    }

    #[test]
    fn a_key_of_another_kind_of_other_random_bytes_or_of_another_above_opens_nothing() {
        let bytes = sealed(b"text");
        for key in [
            RecordKey::derive(&ABOVE, Kind::Frame, &INFO),
            RecordKey::derive(&ABOVE, Kind::Payload, &[5; 32]),
            RecordKey::derive(&[5; 32], Kind::Payload, &INFO),
        ] {
            assert_eq!(key.open(&[b"room", b"header"], &bytes), Err(DoesNotOpen));
        }
    }

    #[test]
    fn a_record_is_what_it_was_when_the_first_store_was_encrypted() {
        let hex: String = sealed(b"text").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "a07e1c8321fc864c630f192818675c1dedbe74d5");
    }

    #[test]
    fn a_key_does_not_show_itself() {
        assert_eq!(format!("{:?}", RecordKey::derive(&ABOVE, Kind::Payload, &INFO)), "RecordKey(hidden)");
    }
}
