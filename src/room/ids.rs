//! What things are called: rooms, messages, participants, organisations, actors; and when they happened.
//!
//! Everything here is a plain value with one canonical text form, parsed once at the edge. Ids that a reader may see are
//! random (UUID v4) and say nothing about order, time or organisation.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limits;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The sixteen bytes of the UUID, in network order.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id with these sixteen bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

uuid_id! {
    /// One incident's room. The nil id is the directory log, which holds organisations and the creation of rooms; those of
    /// fourteen bytes `ff` and two more are parts of the audit trail. Rooms have random ids (UUID v4), which are none of these.
    RoomId
}
uuid_id! {
    /// A message, in every answer that shows it.
    MessageId
}
uuid_id! {
    /// An organisation as the others in one room know it: random per room, the same for as long as the room exists.
    ParticipantId
}
uuid_id! {
    /// Where the content of an attachment lies. For the store only; derived from who uploads it and under which id.
    ContentId
}

impl ContentId {
    /// Where the key of a content stands under its room and source: those of entries stand at their places in the log, and this is behind
    /// them all.
    pub fn place_of_key(self) -> u64 {
        let (first, _) = self.as_bytes().split_first_chunk::<8>().expect("an id has sixteen bytes");
        u64::from_be_bytes(*first) | 1 << 63
    }
}

uuid_id! {
    /// What an uploader calls an upload; another actor's upload under the same id is another.
    UploadId
}
uuid_id! {
    /// One invitation of one organisation; unrelated to the room's id.
    InvitationId
}
uuid_id! {
    /// One invite to get a certificate; to rooms lead invitations.
    InviteId
}
uuid_id! {
    /// One release of earlier messages.
    ReleaseId
}
uuid_id! {
    /// One question to a source: may this go to them?
    AskId
}
uuid_id! {
    /// One withdrawal whose receivers are asked to delete what they have.
    RecallId
}
uuid_id! {
    /// One side of an introduction; the other side has an id of its own.
    IntroductionId
}
uuid_id! {
    /// One disclosure under a legal duty.
    DisclosureId
}
uuid_id! {
    /// One erasure, from its proposal on.
    ErasureId
}
uuid_id! {
    /// One export of a room.
    ExportId
}
uuid_id! {
    /// Chosen by the caller for one write, so that a retry has one effect.
    RequestId
}

impl RoomId {
    /// Under which name the key of the request that opened a room stands beside those of its sources. No organisation has it.
    pub const OPENING: &'static str = "/opening";

    /// The directory log.
    pub const DIRECTORY: Self = Self::from_bytes([0; 16]);

    /// A part of the audit trail. There is more than one only if an earlier one does not verify.
    pub const fn trail(part: u16) -> Self {
        let mut bytes = [0xff; 16];
        [bytes[14], bytes[15]] = part.to_be_bytes();
        Self::from_bytes(bytes)
    }

    /// Which part of the audit trail it is, if it is one.
    pub fn trail_part(self) -> Option<u16> {
        let [ones @ .., high, low] = self.as_bytes();
        ones.iter().all(|byte| *byte == 0xff).then(|| u16::from_be_bytes([*high, *low]))
    }

    /// Whether it is a room's, and not that of a log of the server's own.
    pub fn is_room(self) -> bool {
        self != Self::DIRECTORY && self.trail_part().is_none()
    }
}

/// The position of an entry in a room's log, from 0. Never leaves the server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Seq(pub u64);

impl Seq {
    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The place of a delivery in one actor's mailbox, from 1. Zero means "before the first".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Index(pub u64);

/// Microseconds since 1970-01-01T00:00:00Z. The server's clock, except where a field says that it is the client's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

/// An organisation's id: 1 to 63 characters of `a-z`, `0-9` and inner `-`, as in its certificates.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrganisationId(Arc<str>);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {max} characters of a-z, 0-9 and inner '-' (and inner '.' and '_' in actor names)", max = limits::NAME_CHARS_MAX)]
pub struct NotAName;

fn is_name(text: &str, inner: &[u8]) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) => {
            bytes.len() <= limits::NAME_CHARS_MAX
                && alphanumeric(first)
                && alphanumeric(last)
                && bytes.iter().all(|&b| alphanumeric(b) || inner.contains(&b))
        }
        _ => false,
    }
}

impl OrganisationId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrganisationId {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        if is_name(text, b"-") { Ok(Self(text.into())) } else { Err(NotAName) }
    }
}

impl fmt::Display for OrganisationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OrganisationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrganisationId({})", self.0)
    }
}

/// A person or a program.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ActorKind {
    /// A person.
    User,
    /// A program. It may post, read, narrow and withdraw, never widen.
    Service,
}

impl ActorKind {
    /// The word in the certificate's URI.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
        }
    }
}

/// Somebody acting for an organisation: `org/<organisation>/user/<name>` or `org/<organisation>/service/<name>`, the path
/// of the URI name in its certificate. The trust domain is the server's and the same for all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// For whom.
    pub organisation: OrganisationId,
    /// Person or program.
    pub kind: ActorKind,
    name: Arc<str>,
}

impl Actor {
    /// An actor; `name` is 1 to 63 characters of `a-z`, `0-9` and inner `-`, `.`, `_`.
    pub fn new(organisation: OrganisationId, kind: ActorKind, name: &str) -> Result<Self, NotAName> {
        if is_name(name, b"-._") { Ok(Self { organisation, kind, name: name.into() }) } else { Err(NotAName) }
    }

    /// The name within its organisation and kind.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "org/{}/{}/{}", self.organisation, self.kind.as_str(), self.name)
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Actor({self})")
    }
}

/// Why a text is no actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must read org/<organisation>/user/<name> or org/<organisation>/service/<name> in lower-case ASCII")]
pub struct NotAnActor;

impl FromStr for Actor {
    type Err = NotAnActor;

    fn from_str(text: &str) -> Result<Self, NotAnActor> {
        let mut parts = text.split('/');
        let (Some("org"), Some(organisation), Some(kind), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotAnActor);
        };
        let kind = match kind {
            "user" => ActorKind::User,
            "service" => ActorKind::Service,
            _ => return Err(NotAnActor),
        };
        let organisation = organisation.parse().map_err(|_| NotAnActor)?;
        Self::new(organisation, kind, name).map_err(|_| NotAnActor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_reads_back_as_it_was_written() {
        for text in ["org/region-a/user/anna.berg", "org/cert-se/service/siem_1", "org/a/user/b"] {
            assert_eq!(text.parse::<Actor>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn logs_of_the_server_are_no_rooms() {
        assert!(!RoomId::DIRECTORY.is_room());
        for part in [0, 1, 258, u16::MAX] {
            assert_eq!((RoomId::trail(part).trail_part(), RoomId::trail(part).is_room()), (Some(part), false));
        }
        assert!(RoomId::from_bytes([0xfe; 16]).is_room() && RoomId(Uuid::from_u128(1)).is_room());
    }

    #[test]
    fn anything_else_is_no_actor() {
        for text in [
            "",
            "org",
            "org/a/user",
            "org/a/user/",
            "org//user/b",
            "org/A/user/b",
            "org/a/admin/b",
            "org/a/user/b/c",
            "/org/a/user/b",
            "org/a/user/b%20",
            "org/-a/user/b",
            "org/a-/user/b",
            "org/a/user/.b",
            "org/å/user/b",
        ] {
            assert_eq!(text.parse::<Actor>(), Err(NotAnActor), "{text}");
        }
        let long = "a".repeat(limits::NAME_CHARS_MAX + 1);
        assert_eq!(format!("org/{long}/user/b").parse::<Actor>(), Err(NotAnActor));
    }
}
