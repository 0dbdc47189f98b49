//! What does the coordinator hand to somebody who is to join?
//!
//! One line: `samverkan1:HOST:PORT:AUTHORITY:SECRET:CHECK`. AUTHORITY is the SHA-256 of the certificate of the authority behind the
//! server, SECRET 32 random bytes, both in base64url; CHECK is the CRC-32 of all before it, so that a slip in copying is told from a
//! wrong secret. No character needs quoting in a shell or a URL; white space, as mail programs add it, is taken out. Tested below.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::limits;

const BEGINNING: &str = "samverkan1:";
const CHECK_CHARS: usize = 8;

/// A one-time secret. Prints as nothing but its name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl Secret {
    /// By which the server knows it: from this the secret can't be found.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::new().chain_update(b"samverkan/invite/1").chain_update(self.0).finalize().into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// An invite to get a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InviteLine {
    /// Where to enrol: host and port.
    pub address: String,
    /// SHA-256 of the certificate of the server's authority.
    pub authority: [u8; 32],
    /// What proves that one was invited.
    pub secret: Secret,
}

/// Why a text is no invite.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnInvite {
    /// It begins otherwise.
    #[error("does not begin with `{BEGINNING}`")]
    Beginning,
    /// Over the limit.
    #[error("is longer than {max} characters", max = limits::INVITE_LINE_BYTES_MAX)]
    TooLong,
    /// Fewer parts.
    #[error("is not complete: it reads `{BEGINNING}HOST:PORT:AUTHORITY:SECRET:CHECK`")]
    Incomplete,
    /// What is there is not what was copied.
    #[error("does not match its checksum: something was lost or changed in copying")]
    Checksum,
    /// No address.
    #[error("address {0:?}: must be host and port, as in broker.example:7444")]
    Address(String),
    /// A part that is not 32 bytes in base64url.
    #[error("{0}: must be 32 bytes in base64url, 43 characters")]
    Part(&'static str),
}

impl FromStr for InviteLine {
    type Err = NotAnInvite;

    fn from_str(text: &str) -> Result<Self, NotAnInvite> {
        if text.len() > limits::INVITE_LINE_BYTES_MAX {
            return Err(NotAnInvite::TooLong);
        }
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let rest = text.strip_prefix(BEGINNING).ok_or(NotAnInvite::Beginning)?;
        // From the right, since an IPv6 address has colons of its own.
        let mut parts = rest.rsplitn(4, ':');
        let (Some(check), Some(secret), Some(authority), Some(address)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotAnInvite::Incomplete);
        };
        let checked = text.len() - check.len() - 1;
        if check.len() != CHECK_CHARS || check != checksum(&text[..checked]) {
            return Err(NotAnInvite::Checksum);
        }
        let good = address.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:[]".contains(&b))
                && port.bytes().all(|b| b.is_ascii_digit())
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        if !good {
            return Err(NotAnInvite::Address(address.to_owned()));
        }
        Ok(Self {
            address: address.to_owned(),
            authority: bytes("authority", authority)?,
            secret: Secret(bytes("secret", secret)?),
        })
    }
}

impl fmt::Display for InviteLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encode = |bytes: &[u8; 32]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let text = format!("{BEGINNING}{}:{}:{}", self.address, encode(&self.authority), encode(&self.secret.0));
        write!(f, "{text}:{}", checksum(&text))
    }
}

fn checksum(text: &str) -> String {
    format!("{:08x}", crc32fast::hash(text.as_bytes()))
}

fn bytes(part: &'static str, text: &str) -> Result<[u8; 32], NotAnInvite> {
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| NotAnInvite::Part(part))?;
    decoded.try_into().map_err(|_| NotAnInvite::Part(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(address: &str) -> InviteLine {
        InviteLine { address: address.into(), authority: [0xfb; 32], secret: Secret([7; 32]) }
    }

    #[test]
    fn a_line_reads_back_as_it_was_written_and_as_mail_wraps_it() {
        for address in ["broker.example:7444", "192.0.2.1:1", "[2001:db8::1]:7444"] {
            let line = line(address);
            let text = line.to_string();
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b":-_.[]".contains(&b)), "{text}");
            assert_eq!(text.parse(), Ok(line.clone()), "{text}");
            let (one, other) = text.split_at(60);
            assert_eq!(format!(" {one}\r\n  {other}\n").parse(), Ok(line));
        }
    }

    #[test]
    fn every_slip_in_copying_is_told_from_a_wrong_secret() {
        let text = line("broker.example:7444").to_string();
        for at in 0..text.len() {
            assert!(text[..at].parse::<InviteLine>().is_err(), "cut at {at}");
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(changed.parse::<InviteLine>().is_err(), "{changed}");
        }
        assert_eq!("".parse::<InviteLine>(), Err(NotAnInvite::Beginning));
        assert_eq!("samverkan1:a:1".parse::<InviteLine>(), Err(NotAnInvite::Incomplete));
        assert_eq!("a".repeat(10_000).parse::<InviteLine>(), Err(NotAnInvite::TooLong));
        let bad = |text: &str| format!("{text}:{}", checksum(text)).parse::<InviteLine>();
        assert_eq!(bad("samverkan1:a:1:b:c"), Err(NotAnInvite::Part("authority")));
        for address in ["a", ":1", "a:0", "a:70000", "a:+1", "a/b:1", "$(reboot):1", "a'b:1"] {
            let text = line(address).to_string();
            assert_eq!(text.parse::<InviteLine>(), Err(NotAnInvite::Address(address.into())));
        }
    }

    #[test]
    fn a_secret_does_not_print() {
        assert!(format!("{:?}", line("a:1")).contains("Secret(..)"));
        assert_ne!(Secret([7; 32]).digest(), [7; 32]);
    }
}
