//! Which actor does a certificate name?
//!
//! Exactly one URI among its subject alternative names:
//! `spiffe://<trust-domain>/org/<organisation>/user/<name>` or `…/service/<name>`. It is compared as bytes, so there must be
//! one way only to write each name: lower-case ASCII, no escapes, no port, no query. Other kinds of names, the common name
//! included, say nothing about who is calling. Leans on `x509-parser`; that the chain, the signature, the dates and the
//! usage are in order is rustls' part and done before. Upholds R10. Tested below and in `tests/it/identity.rs`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::limits;
use crate::room::ids::{Actor, Timestamp};

/// The tag of a URI among the kinds of alternative names (RFC 5280, 4.2.1.6).
const URI_TAG: u32 = 6;

const SCHEME: &str = "spiffe://";

/// The part of every URI name that says whose names these are, such as `samverkan.example`. One per server.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TrustDomain(Arc<str>);

/// Why a text is no trust domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {max} characters of a-z, 0-9 and inner '-' and '.', like a host name", max = limits::TRUST_DOMAIN_CHARS_MAX)]
pub struct NotATrustDomain;

impl TrustDomain {
    /// The domain as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URI name of one of its actors.
    pub fn uri(&self, actor: &Actor) -> String {
        format!("{SCHEME}{self}/{actor}")
    }

    /// The URI name of the domain itself, which its authority carries.
    pub fn authority_uri(&self) -> String {
        format!("{SCHEME}{self}")
    }
}

impl FromStr for TrustDomain {
    type Err = NotATrustDomain;

    fn from_str(text: &str) -> Result<Self, NotATrustDomain> {
        let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let label = |label: &str| {
            let bytes = label.as_bytes();
            bytes.first().is_some_and(alphanumeric)
                && bytes.last().is_some_and(alphanumeric)
                && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
        };
        if text.len() <= limits::TRUST_DOMAIN_CHARS_MAX && text.split('.').all(label) {
            Ok(Self(text.into()))
        } else {
            Err(NotATrustDomain)
        }
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustDomain({self})")
    }
}

/// Who a certificate stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The actor that its URI name names.
    pub actor: Actor,
    /// SHA-256 of the certificate's DER.
    pub fingerprint: [u8; 32],
    /// The beginning of its validity.
    pub not_before: Timestamp,
    /// The end of its validity.
    pub not_after: Timestamp,
}

/// Why a certificate names no actor of ours, although its chain may be in order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not X.509, or with an extension that is broken or there twice.
    #[error("the certificate cannot be read as X.509")]
    Unreadable,
    /// CA:TRUE.
    #[error("it is the certificate of an authority, which issues certificates and never calls")]
    Authority,
    /// No URI among its alternative names.
    #[error("it has no URI name; it needs one, spiffe://<trust-domain>/org/<organisation>/user|service/<name>")]
    NoName,
    /// Two URIs or more: which one is calling?
    #[error("it has {count} URI names and must have exactly one")]
    SeveralNames {
        /// How many.
        count: usize,
    },
    /// Longer than [`limits::URI_NAME_BYTES_MAX`].
    #[error("its URI name has {bytes} bytes, more than {max}", max = limits::URI_NAME_BYTES_MAX)]
    TooLong {
        /// How long.
        bytes: usize,
    },
    /// A byte beyond ASCII, a control character or a space.
    #[error("its URI name has characters other than printable ASCII")]
    NotAscii,
    /// A capital, in whatever part.
    #[error("its URI name {uri:?} has capital letters; names are lower-case")]
    UpperCase {
        /// The name.
        uri: String,
    },
    /// A `%`.
    #[error("its URI name {uri:?} has a percent escape")]
    Escape {
        /// The name.
        uri: String,
    },
    /// Another scheme than `spiffe://`.
    #[error("its URI name {uri:?} does not begin with spiffe://")]
    Scheme {
        /// The name.
        uri: String,
    },
    /// A user, port, query or fragment.
    #[error("its URI name {uri:?} has a user, port, query or fragment")]
    Decorated {
        /// The name.
        uri: String,
    },
    /// A name of somebody else's domain.
    #[error("its URI name is of the trust domain {found:?}, not of this server's")]
    ForeignTrustDomain {
        /// The domain that it names.
        found: String,
    },
    /// Of our domain, but no actor.
    #[error(
        "the path {path:?} of its URI name is not /org/<organisation>/user/<name> or /org/<organisation>/service/<name>"
    )]
    NotAnActor {
        /// The path.
        path: String,
    },
}

impl Identity {
    /// Reads who `certificate` (DER) stands for, in this trust domain.
    pub fn of(certificate: &[u8], trust_domain: &TrustDomain) -> Result<Self, IdentityError> {
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| IdentityError::Unreadable)?;
        if parsed.basic_constraints().map_err(|_| IdentityError::Unreadable)?.is_some_and(|basic| basic.value.ca) {
            return Err(IdentityError::Authority);
        }
        let uri = UriName::of(&parsed)?;
        if uri.trust_domain != trust_domain.as_str() {
            return Err(IdentityError::ForeignTrustDomain { found: uri.trust_domain.into() });
        }
        let validity = parsed.validity();
        let (not_before, not_after) = (timestamp(validity.not_before), timestamp(validity.not_after));
        Ok(Self { actor: uri.actor()?, fingerprint: fingerprint(certificate), not_before, not_after })
    }
}

/// SHA-256 of a certificate's DER.
pub(super) fn fingerprint(certificate: &[u8]) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

pub(super) fn timestamp(time: x509_parser::time::ASN1Time) -> Timestamp {
    Timestamp(time.timestamp().saturating_mul(1_000_000))
}

/// A URI name, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UriName<'a> {
    pub(super) trust_domain: &'a str,
    /// From the first slash on; empty for the domain itself.
    pub(super) path: &'a str,
}

impl<'a> UriName<'a> {
    /// The one URI name of a certificate.
    pub(super) fn of(certificate: &'a X509Certificate<'_>) -> Result<Self, IdentityError> {
        let names = certificate.subject_alternative_name().map_err(|_| IdentityError::Unreadable)?;
        let uris: Vec<Result<&str, IdentityError>> = names
            .iter()
            .flat_map(|names| &names.value.general_names)
            .filter_map(|name| match name {
                GeneralName::URI(uri) => Some(Ok(*uri)),
                GeneralName::Invalid(tag, _) if tag.0 == URI_TAG => Some(Err(IdentityError::NotAscii)),
                _ => None,
            })
            .collect();
        match uris.as_slice() {
            [] => Err(IdentityError::NoName),
            [uri] => Self::parse(uri.clone()?),
            several => Err(IdentityError::SeveralNames { count: several.len() }),
        }
    }

    fn parse(uri: &'a str) -> Result<Self, IdentityError> {
        if uri.len() > limits::URI_NAME_BYTES_MAX {
            return Err(IdentityError::TooLong { bytes: uri.len() });
        }
        if !uri.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(IdentityError::NotAscii);
        }
        if uri.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(IdentityError::UpperCase { uri: uri.into() });
        }
        if uri.contains('%') {
            return Err(IdentityError::Escape { uri: uri.into() });
        }
        let Some(rest) = uri.strip_prefix(SCHEME) else {
            return Err(IdentityError::Scheme { uri: uri.into() });
        };
        if rest.contains(['@', ':', '?', '#']) {
            return Err(IdentityError::Decorated { uri: uri.into() });
        }
        let (trust_domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Ok(Self { trust_domain, path })
    }

    /// The actor of the path.
    pub(super) fn actor(&self) -> Result<Actor, IdentityError> {
        self.path
            .strip_prefix('/')
            .and_then(|path| path.parse().ok())
            .ok_or_else(|| IdentityError::NotAnActor { path: self.path.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor_of(uri: &str) -> Result<Actor, IdentityError> {
        UriName::parse(uri).and_then(|name| name.actor())
    }

    #[test]
    fn a_uri_name_names_its_actor() {
        for path in ["org/region-a/user/anna.berg", "org/cert-se/service/siem_1"] {
            assert_eq!(actor_of(&format!("spiffe://samverkan.example/{path}")).expect(path).to_string(), path);
        }
    }

    #[test]
    fn every_other_way_to_write_it_is_refused_with_its_reason() {
        let reason = |uri: &str| match actor_of(uri).expect_err(uri) {
            IdentityError::TooLong { .. } => "too long",
            IdentityError::NotAscii => "not ascii",
            IdentityError::UpperCase { .. } => "upper case",
            IdentityError::Escape { .. } => "escape",
            IdentityError::Scheme { .. } => "scheme",
            IdentityError::Decorated { .. } => "decorated",
            IdentityError::NotAnActor { .. } => "not an actor",
            other => panic!("{uri}: {other}"),
        };
        let long = format!("spiffe://d/org/a/user/{}", "b".repeat(300));
        for (uri, expected) in [
            ("", "scheme"),
            ("https://d/org/a/user/b", "scheme"),
            ("spiffe:/d/org/a/user/b", "scheme"),
            ("SPIFFE://d/org/a/user/b", "upper case"),
            ("spiffe://D/org/a/user/b", "upper case"),
            ("spiffe://d/org/A/user/b", "upper case"),
            ("spiffe://d/org/a/user/b%2fc", "escape"),
            ("spiffe://d/org/a/user/b%", "escape"),
            ("spiffe://u@d/org/a/user/b", "decorated"),
            ("spiffe://d:443/org/a/user/b", "decorated"),
            ("spiffe://d/org/a/user/b?c", "decorated"),
            ("spiffe://d/org/a/user/b#c", "decorated"),
            ("spiffe://d/org/a/user/å", "not ascii"),
            ("spiffe://d/org/a/user/b c", "not ascii"),
            ("spiffe://d/org/a/user/b\n", "not ascii"),
            ("spiffe://d/org/a/user/b\0", "not ascii"),
            ("spiffe://d", "not an actor"),
            ("spiffe://d/", "not an actor"),
            ("spiffe://d/org/a/user/b/", "not an actor"),
            ("spiffe://d//org/a/user/b", "not an actor"),
            ("spiffe://d/org/a/user/../b", "not an actor"),
            ("spiffe://d/org/a/admin/b", "not an actor"),
            ("spiffe://d/ns/prod/sa/b", "not an actor"),
            (long.as_str(), "too long"),
        ] {
            assert_eq!(reason(uri), expected, "{uri}");
        }
    }

    #[test]
    fn a_trust_domain_is_like_a_host_name() {
        for good in ["samverkan.example", "dev", "a-1.b"] {
            assert_eq!(good.parse::<TrustDomain>().expect(good).as_str(), good);
        }
        let long = "a".repeat(limits::TRUST_DOMAIN_CHARS_MAX + 1);
        for bad in ["", ".", "a.", ".a", "a..b", "-a", "a-.b", "A", "a/b", "a:1", "å", long.as_str()] {
            assert_eq!(bad.parse::<TrustDomain>(), Err(NotATrustDomain), "{bad}");
        }
    }
}
