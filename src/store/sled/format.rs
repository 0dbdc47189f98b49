//! Is this directory a store of ours, of a version that we can read? Answered before sled touches anything.
//!
//! The `format` file is text, for people too: product, format number, store id. It appears (by rename) when a new store is complete,
//! so before it nothing was ever acknowledged. The same facts lie in sled with the store's secret; the two must agree.
//! Leans on: nothing of ours. Upholds: R1 (never serve what was not written by us). Tested here and in `sled::tests`.

use uuid::Uuid;

/// What this version writes, and all that it reads.
pub(super) const FORMAT: u32 = 1;
const PRODUCT: &str = "samverkan";
const SECRET_BYTES: usize = 32;

/// Which store this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Format {
    /// Of the layout of keys and values.
    pub(super) number: u32,
    /// Drawn when the store was made.
    pub(super) store: Uuid,
}

impl Format {
    /// The text of the `format` file.
    pub(super) fn to_text(self) -> String {
        format!("{PRODUCT}\nformat {}\nstore {}\n", self.number, self.store)
    }

    /// Reads the text of a `format` file; `None` if it isn't one. A newer format may add lines.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next() != Some(PRODUCT) {
            return None;
        }
        let number = lines.next()?.strip_prefix("format ")?.parse().ok()?;
        let store = lines.next()?.strip_prefix("store ")?.parse().ok()?;
        Some(Self { number, store })
    }
}

/// What lies in sled under `keys::Meta::Identity`. No `Debug`: it holds the secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) format: Format,
    pub(super) secret: [u8; SECRET_BYTES],
}

impl Identity {
    /// `"samverkan" ‖ format u32 ‖ store[16] ‖ secret[32]`.
    pub(super) fn encode(&self) -> Vec<u8> {
        [PRODUCT.as_bytes(), &self.format.number.to_be_bytes(), self.format.store.as_bytes(), &self.secret].concat()
    }

    /// Reads what [`Identity::encode`] wrote; `None` if it is something else.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(PRODUCT.as_bytes())?;
        let (number, rest) = rest.split_first_chunk()?;
        let (store, secret) = rest.split_first_chunk()?;
        let format = Format { number: u32::from_be_bytes(*number), store: Uuid::from_bytes(*store) };
        Some(Self { format, secret: secret.try_into().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_file_reads_back() {
        let format = Format { number: FORMAT, store: Uuid::from_bytes([0xab; 16]) };
        assert_eq!(format.to_text(), "samverkan\nformat 1\nstore abababab-abab-abab-abab-abababababab\n");
        assert_eq!(Format::parse(&format.to_text()), Some(format));
        assert_eq!(
            Format::parse("samverkan\nformat 2\nstore abababab-abab-abab-abab-abababababab\nx\n").map(|f| f.number),
            Some(2)
        );
    }

    #[test]
    fn anything_else_is_no_format_file() {
        for text in [
            "",
            "samverkan\n",
            "other\nformat 1\nstore abababab-abab-abab-abab-abababababab\n",
            "samverkan\nformat x\n",
        ] {
            assert_eq!(Format::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_identity_reads_back() {
        let identity =
            Identity { format: Format { number: 3, store: Uuid::from_bytes([1; 16]) }, secret: [9; SECRET_BYTES] };
        let bytes = identity.encode();
        assert!(Identity::decode(&bytes) == Some(identity));
        assert!(Identity::decode(&bytes[1..]).is_none() && Identity::decode(&bytes[..bytes.len() - 1]).is_none());
    }
}
