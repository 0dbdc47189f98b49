//! Why was somebody not let in? Once for our log, once for the person at the other end.
//!
//! [`Refused`] is the server's side: one reason per refused connection. [`explain`] is the client's side: TLS tells a client
//! only an alert, in TLS 1.3 even later than the handshake, at its first read; this makes a sentence of it that says what to
//! do. Tested in `tests/it/identity.rs`, both sides of each refusal.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

use super::enrolment::pin::AnotherAuthority;
use super::name::IdentityError;
use crate::limits;
use crate::room::ids::OrganisationId;

/// Why a connection was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No client certificate.
    #[error("the client sent no certificate")]
    NoCertificate,
    /// From an authority that we don't know.
    #[error("the client's certificate was not issued by an authority in tls.client_roots")]
    UnknownIssuer,
    /// From an authority with the name of one of ours, and another key; or a client without the certificate's key.
    #[error(
        "the client's certificate names one of our authorities as its issuer but is not signed with that one's key"
    )]
    WrongSignature,
    /// Past its end.
    #[error("the client's certificate has expired")]
    Expired,
    /// Before its beginning.
    #[error("the client's certificate is not valid yet; compare the clocks")]
    NotYetValid,
    /// Made for something else, such as a server.
    #[error("the client's certificate is not for client authentication (extended key usage)")]
    WrongUsage,
    /// On a revocation list of its authority.
    #[error("the client's certificate is on its authority's revocation list (tls.revocation_lists)")]
    RevokedByList,
    /// Its authority's revocation list is too old to be relied on.
    #[error(
        "the revocation list of the client's authority has expired; put a new one at its place in tls.revocation_lists"
    )]
    ListExpired,
    /// There is a list of one authority of its chain, and none of another.
    #[error("an authority in the client's chain has no list in tls.revocation_lists, while the one above it has")]
    NoList,
    /// The coordinator revoked it, or the access of the actor that it names.
    #[error("the coordinator has revoked the client's certificate, or its actor (`samverkan certs revocations`)")]
    Revoked,
    /// Of an authority that speaks for others.
    #[error(
        "the client's certificate is of an authority that may not speak for the organisation it names (tls.issuers)"
    )]
    IssuerMayNotSpeakFor {
        /// Which. Not in the text, which goes to the log.
        organisation: OrganisationId,
    },
    /// More certificates than are looked at.
    #[error("the client showed {found} certificates, its own and those of authorities; at most {max} are looked at", max = limits::CHAIN_CERTIFICATES_MAX)]
    ChainTooLong {
        /// How many.
        found: usize,
    },
    /// Anything else that is wrong with the certificate.
    #[error("the client's certificate is not acceptable: {0}")]
    BadCertificate(String),
    /// A good certificate that names no actor of ours.
    #[error("the client's certificate names no actor: {0}")]
    Identity(IdentityError),
    /// TLS 1.2 or older.
    #[error("the client does not offer TLS 1.3")]
    TlsVersion,
    /// Does not offer `h2`, so it is no gRPC client.
    #[error("the client does not offer HTTP/2 (ALPN h2)")]
    NoAlpn,
    /// No cipher suite or key exchange in common.
    #[error("nothing in common with the client: {0}")]
    NothingInCommon(String),
    /// The client did not want us; most often it does not know our authority.
    #[error("the client refused the server: {0}")]
    ByClient(String),
    /// Plain text, or another protocol.
    #[error("the client does not speak TLS")]
    NotTls,
    /// TLS, but broken.
    #[error("the handshake failed: {0}")]
    Handshake(String),
    /// Gone before the end of the handshake.
    #[error("the client hung up during the handshake")]
    HungUp,
    /// The handshake took too long.
    #[error("the handshake was not finished in time")]
    TimedOut,
    /// A good handshake, and then nothing.
    #[error("the client did not begin HTTP/2 in time")]
    Silent,
    /// So many handshakes are under way, from its address or in all, that this one, the oldest, gave way.
    #[error("too many handshakes at once; the oldest gave way")]
    TooManyHandshakes,
    /// More handshakes were begun from its address than may be.
    #[error("more handshakes from one address than limits.handshakes_per_address_per_second")]
    TooFastFromAddress,
    /// The server is full.
    #[error("too many connections")]
    TooManyConnections,
    /// Its address has as many connections as it may.
    #[error("more connections from one address than limits.connections_per_address")]
    TooManyOfAddress,
    /// Its certificate has as many connections as it may.
    #[error("more connections of one certificate than limits.connections_per_certificate")]
    TooManyOfCertificate,
    /// This organisation has as many connections as it may.
    #[error("too many connections of one organisation")]
    TooManyOfOrganisation {
        /// Which.
        organisation: OrganisationId,
    },
    /// The process or the machine has no file descriptor left; raise `RLIMIT_NOFILE`.
    #[error("out of file descriptors; raise the limit (ulimit -n)")]
    OutOfDescriptors,
}

impl Refused {
    /// The reason in one word, for logs and counters. Stable.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoCertificate => "no-certificate",
            Self::UnknownIssuer => "unknown-issuer",
            Self::WrongSignature => "wrong-signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::WrongUsage => "wrong-usage",
            Self::RevokedByList => "revoked-by-list",
            Self::ListExpired => "revocation-list-expired",
            Self::NoList => "no-revocation-list",
            Self::Revoked => "revoked",
            Self::IssuerMayNotSpeakFor { .. } => "issuer-may-not-speak-for",
            Self::ChainTooLong { .. } => "chain-too-long",
            Self::BadCertificate(_) => "bad-certificate",
            Self::Identity(_) => "identity",
            Self::TlsVersion => "tls-version",
            Self::NoAlpn => "no-alpn",
            Self::NothingInCommon(_) => "nothing-in-common",
            Self::ByClient(_) => "by-client",
            Self::NotTls => "not-tls",
            Self::Handshake(_) => "handshake",
            Self::HungUp => "hung-up",
            Self::TimedOut => "timed-out",
            Self::Silent => "silent",
            Self::TooManyHandshakes => "too-many-handshakes",
            Self::TooFastFromAddress => "too-fast-from-address",
            Self::TooManyOfAddress => "too-many-of-address",
            Self::TooManyOfCertificate => "too-many-of-certificate",
            Self::TooManyConnections => "too-many-connections",
            Self::TooManyOfOrganisation { .. } => "too-many-of-organisation",
            Self::OutOfDescriptors => "out-of-descriptors",
        }
    }

    /// Why a handshake ended with this error.
    pub(super) fn of_handshake(error: &io::Error) -> Self {
        match tls_error(error) {
            Some(error) => Self::of_tls(error),
            None => Self::HungUp,
        }
    }

    pub(super) fn of_tls(error: &rustls::Error) -> Self {
        // rustls' enums are open, hence the last arms.
        match error {
            rustls::Error::NoCertificatesPresented => Self::NoCertificate,
            rustls::Error::InvalidCertificate(certificate) => Self::of_certificate(certificate),
            rustls::Error::NoApplicationProtocol => Self::NoAlpn,
            rustls::Error::InvalidMessage(
                rustls::InvalidMessage::HandshakePayloadTooLarge | rustls::InvalidMessage::CertificatePayloadTooLarge,
            ) => {
                Self::Handshake("a message of the handshake is too large; how long is the certificate's chain?".into())
            }
            rustls::Error::InvalidMessage(_) | rustls::Error::PeerSentOversizedRecord => Self::NotTls,
            rustls::Error::AlertReceived(alert) => Self::ByClient(format!("{alert:?}")),
            rustls::Error::PeerIncompatible(why) => match why {
                rustls::PeerIncompatible::Tls12NotOffered
                | rustls::PeerIncompatible::Tls12NotOfferedOrEnabled
                | rustls::PeerIncompatible::SupportedVersionsExtensionRequired => Self::TlsVersion,
                other => Self::NothingInCommon(format!("{other:?}")),
            },
            other => Self::Handshake(other.to_string()),
        }
    }

    pub(super) fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::BadSignature => Self::WrongSignature,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Self::WrongUsage,
            CertificateError::Revoked => Self::RevokedByList,
            CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
                Self::ListExpired
            }
            CertificateError::UnknownRevocationStatus => Self::NoList,
            // Ours, and nobody else's: see `ServerTls`.
            CertificateError::ApplicationVerificationFailure => Self::Revoked,
            CertificateError::Other(other) => {
                if let Some(refused) = other.0.downcast_ref::<Self>() {
                    refused.clone()
                } else if let Some(identity) = other.0.downcast_ref::<IdentityError>() {
                    Self::Identity(identity.clone())
                } else if let Some(webpki::Error::CaUsedAsEndEntity) = other.0.downcast_ref() {
                    Self::Identity(IdentityError::Authority)
                } else {
                    Self::BadCertificate(other.to_string())
                }
            }
            other => Self::BadCertificate(other.to_string()),
        }
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// What a client can tell its user when a connection failed for a reason of TLS: one sentence, without a full stop, that
/// says what is wrong and what to do. `None` when the error, and what it came from, says nothing of the kind.
pub fn explain(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = error.downcast_ref::<rustls::Error>().or_else(|| inner?.downcast_ref());
        let sentence = match tls {
            Some(rustls::Error::InvalidCertificate(error)) => Some(server_certificate(error)),
            Some(rustls::Error::InvalidMessage(_)) => {
                Some("what answered there does not speak TLS; check address and port")
            }
            // h2 keeps the text of an I/O error and drops the error itself, so the text it must be. A test holds it in place.
            _ => alert(&error.to_string()),
        };
        if sentence.is_some() {
            return sentence;
        }
        // An io::Error's source is the source of what it wraps, not that itself.
        next = inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

const ALERT_TEXT: &str = "received fatal alert: ";

fn alert(text: &str) -> Option<&'static str> {
    let name = &text[text.find(ALERT_TEXT)? + ALERT_TEXT.len()..];
    let is = |alert: AlertDescription| {
        name.strip_prefix(&format!("{alert:?}"))
            .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
    };
    let sentences = [
        (
            AlertDescription::CertificateRequired,
            "the server wants a client certificate and got none; name certificate and key in the context",
        ),
        (
            AlertDescription::UnknownCA,
            "the server does not know the authority that issued the client certificate, or has no valid revocation list of it; is it for another server?",
        ),
        (
            AlertDescription::DecryptError,
            "the client certificate's signature does not fit the server's authority, which may have been made anew; ask for a new certificate",
        ),
        (
            AlertDescription::CertificateExpired,
            "the client certificate is not valid now: expired, or not valid yet; see `samverkan certs show` and compare the clocks",
        ),
        (
            AlertDescription::CertificateRevoked,
            "the client certificate is on its authority's revocation list; ask those who issued it for a new one",
        ),
        (
            AlertDescription::UnsupportedCertificate,
            "the certificate is not one for clients (extended key usage clientAuth); is it a server's?",
        ),
        (
            AlertDescription::CertificateUnknown,
            "the client certificate names nobody the server can admit: it needs exactly one URI name of the server's trust domain, an authority that may speak for its organisation, and at most three certificates of authorities with it; see `samverkan certs show`, and the server's log for the reason",
        ),
        (AlertDescription::BadCertificate, "the server cannot read the client certificate; see `samverkan certs show`"),
        (
            AlertDescription::AccessDenied,
            "the coordinator has revoked this client certificate, or the access of the actor that it names; ask the coordinator for a new one",
        ),
        (AlertDescription::ProtocolVersion, "the server speaks TLS 1.3 only and this client offered less"),
        (
            AlertDescription::NoApplicationProtocol,
            "the server speaks HTTP/2 only and this client did not offer it (ALPN h2)",
        ),
        (
            AlertDescription::HandshakeFailure,
            "the server and this client have no cipher suite or key exchange in common",
        ),
    ];
    sentences.into_iter().find(|(alert, _)| is(*alert)).map(|(_, sentence)| sentence)
}

fn server_certificate(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the server's certificate was not issued by the authority in the context; is it another server, or has its authority been made anew?"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another host name or address than the one in the context"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired; tell those who run it"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet; is this machine's clock right?"
        }
        CertificateError::Other(other) if other.0.downcast_ref::<AnotherAuthority>().is_some() => {
            "nothing was sent: the server does not show the authority whose fingerprint is in the invite; somebody may stand in between, or its authority was made anew; tell the coordinator"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the certificate that answered is not a server's (extended key usage serverAuth)"
        }
        _ => "the server's certificate is not acceptable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_explained_however_deep_it_is_wrapped() {
        #[derive(Debug, thiserror::Error)]
        #[error("transport error")]
        struct Wrapped(#[source] io::Error);

        let tls = || rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        let plain = io::Error::new(io::ErrorKind::InvalidData, tls());
        let nested = Wrapped(io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls())));
        let as_text = io::Error::other(format!("connection error: {}", tls()));
        for error in [&plain as &(dyn Error + 'static), &nested, &as_text, &tls()] {
            assert!(explain(error).expect("explained").contains("client certificate and got none"), "{error}");
        }
    }

    #[test]
    fn an_alert_is_not_mistaken_for_one_whose_name_begins_alike() {
        let sentence = |alert| explain(&rustls::Error::AlertReceived(alert));
        assert_ne!(
            sentence(AlertDescription::UnsupportedCertificate),
            sentence(AlertDescription::UnsupportedExtension),
        );
        assert_eq!(alert("received fatal alert: UnknownCATalogue"), None);
    }

    #[test]
    fn what_has_nothing_to_do_with_tls_is_left_alone() {
        assert_eq!(explain(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
        assert_eq!(explain(&io::Error::other("received a parcel")), None);
    }
}
