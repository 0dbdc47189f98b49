//! How is what lies on the disk kept from whoever has the disk?
//!
//! Everything that names or quotes an organisation is encrypted before the store gets it, and opened after the store gave it back. There
//! are two layers. A *frame* (what one commit adds to one room) is sealed as a whole under the store's frame key: headers, delivery
//! records, the directory, the audit trail, snapshots of room states. Within it each *payload* (a text, a report, a comment) is sealed
//! once more under the data key of its room and its source: that is the key that can be destroyed without touching anything else.
//!
//! ```text
//! key-encryption key, from outside the store ([`source`])
//!   └─ keyring file: frame key, what is left of the tree ([`keyring`])
//!        └─ data key of (room, source) ── key of one entry ([`tree`])
//!             └─ record key, from 32 random bytes that lie beside the ciphertext ([`record`])
//! ```
//!
//! **A key encrypts once.** Each record has a key and a nonce of its own, derived from random bytes; a sequence number is never a nonce,
//! since a store that was rolled back or restored gives the same number again to something else. **A record fits one place**: room,
//! position, author and kind are authenticated with it, so a record that was moved, swapped or cut short does not open.
//! **Integrity is not left to encryption**: digests and chain ([`crate::room::chain`]) are over the plain text, and verify as ever.
//!
//! **Erasure destroys keys, and rewrites nothing.** The keyring keeps what is left of the tree; what lies in the log, in its copies and in
//! backups opens no more. It is final once the key-encryption key is another, since older copies of the keyring open with the old one.
//!
//! It keeps out who has the disk, a copy of it or a backup. It does not keep out who controls the running server.
//!
//! Leans on: `room::ids`. Tested in each file; `store::codec` has the tests of moved and changed records.

pub mod keyring;
pub mod record;
pub mod source;
mod tree;
mod vault;

/// What makes erasures final, as it is told wherever it is still to be done.
pub const FINISH_ERASURES: &str = "make another key (`samverkan keys create FILE`), name it as store.key and the former as store.former_key, \
                                   `samverkan reload`, and destroy the former and all its copies";

pub use keyring::{KEYRING_FILE, Keyring, KeyringError};
pub use source::{KeyEncryptionKey, KeyId, KeySource, KeySourceError};
pub(crate) use vault::PayloadKey;
pub(crate) use vault::{ContentKey, SEALED_FRAME_OVERHEAD};
pub use vault::{Holds, Positions, Vault, erasures_wait_for};
