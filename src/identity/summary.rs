//! What is in a certificate? For people who look at one, and before one is relied on; nobody is admitted by this.
//!
//! Tested below.

use base64::Engine as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::name::{IdentityError, TrustDomain, UriName, fingerprint, timestamp};
use crate::room::ids::{Actor, Timestamp};

/// What one certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSummary {
    /// Whom it is for.
    pub subject: Subject,
    /// Its distinguished name as text. Shown, never relied on.
    pub subject_name: String,
    /// Its issuer's distinguished name as text. Shown, never relied on.
    pub issuer: String,
    /// The beginning of its validity.
    pub not_before: Timestamp,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// SHA-256 of its DER.
    pub fingerprint: [u8; 32],
    /// The serial number in lower-case hexadecimal.
    pub serial: String,
    /// The public key (SubjectPublicKeyInfo, DER).
    pub public_key: Vec<u8>,
}

/// Whom a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// It issues others.
    Authority {
        /// For this trust domain, if it says so.
        trust_domain: Option<TrustDomain>,
    },
    /// A server.
    Server {
        /// The host names and IP addresses by which clients reach it.
        names: Vec<String>,
    },
    /// Somebody who calls.
    Actor {
        /// Whose name that is.
        trust_domain: TrustDomain,
        /// Who.
        actor: Actor,
    },
    /// Neither a server nor anybody that a server of ours would admit.
    Unusable {
        /// Why not.
        reason: IdentityError,
    },
}

/// Why there is nothing to say about a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableCertificate {
    /// Not PEM, or no certificate in it.
    #[error("has no certificate in it (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// PEM with mistakes.
    #[error("is not well-formed PEM")]
    Malformed,
    /// PEM, but no X.509.
    #[error("its certificate cannot be read as X.509")]
    NotX509,
}

impl CertificateSummary {
    /// Describes the first certificate in a PEM text.
    pub fn of_pem(pem: &[u8]) -> Result<Self, UnreadableCertificate> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|error| match error {
            pem::Error::NoItemsFound => UnreadableCertificate::NoCertificate,
            _ => UnreadableCertificate::Malformed,
        })?;
        Self::of_der(&der)
    }

    /// Describes a certificate.
    pub fn of_der(der: &CertificateDer<'_>) -> Result<Self, UnreadableCertificate> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| UnreadableCertificate::NotX509)?;
        Ok(Self {
            subject: subject(&certificate),
            subject_name: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            not_before: timestamp(certificate.validity().not_before),
            not_after: timestamp(certificate.validity().not_after),
            fingerprint: fingerprint(der),
            serial: hex(certificate.raw_serial()),
            public_key: certificate.public_key().raw.to_vec(),
        })
    }

    /// From when on it should be renewed.
    pub fn renewal_due(&self) -> Timestamp {
        renewal_due(self.not_before, self.not_after)
    }
}

/// From when on a certificate should be renewed: after two thirds of its life, as ACME clients do, so that a third is left for
/// whatever goes wrong.
pub fn renewal_due(not_before: Timestamp, not_after: Timestamp) -> Timestamp {
    Timestamp(not_after.0 - (not_after.0 - not_before.0) / 3)
}

/// Lower-case hexadecimal, as fingerprints are shown.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A certificate as PEM.
pub fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = base64::prelude::BASE64_STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

fn subject(certificate: &X509Certificate<'_>) -> Subject {
    if certificate.is_ca() {
        let uri = UriName::of(certificate).ok().filter(|uri| uri.path.is_empty());
        return Subject::Authority { trust_domain: uri.and_then(|uri| uri.trust_domain.parse().ok()) };
    }
    let usage = certificate.extended_key_usage().ok().flatten();
    if usage.is_some_and(|usage| usage.value.server_auth && !usage.value.client_auth) {
        return Subject::Server { names: server_names(certificate) };
    }
    let actor = UriName::of(certificate).and_then(|uri| {
        let trust_domain = uri.trust_domain.parse();
        let foreign = |_| IdentityError::ForeignTrustDomain { found: uri.trust_domain.into() };
        Ok((trust_domain.map_err(foreign)?, uri.actor()?))
    });
    match actor {
        Ok((trust_domain, actor)) => Subject::Actor { trust_domain, actor },
        Err(reason) => Subject::Unusable { reason },
    }
}

fn server_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().ok().flatten();
    names
        .iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
                (Ok(v4), _) => Some(std::net::Ipv4Addr::from(v4).to_string()),
                (_, Ok(v6)) => Some(std::net::Ipv6Addr::from(v6).to_string()),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::issue::Authority;

    #[test]
    fn a_certificate_is_described_as_what_it_was_issued_for() {
        let now = crate::identity::now();
        let trust_domain: TrustDomain = "test.example".parse().expect("a trust domain");
        let actor: Actor = "org/region-a/user/anna".parse().expect("an actor");
        let authority = Authority::create(&trust_domain, "test CA", 30, now).expect("created");
        let of = |pem: &str| CertificateSummary::of_pem(pem.as_bytes()).expect("read");

        let ca = of(authority.certificate_pem());
        assert_eq!(ca.subject, Subject::Authority { trust_domain: Some(trust_domain.clone()) });

        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let server = of(&authority.issue_server(&names, 7, now).expect("issued").certificate_pem);
        assert_eq!(server.subject, Subject::Server { names });

        let anna = of(&authority.issue_actor(&actor, 7, now).expect("issued").certificate_pem);
        assert_eq!(anna.subject, Subject::Actor { trust_domain, actor });
        assert_eq!(anna.issuer, "CN=test CA");
        assert_eq!(anna.subject_name, "CN=org/region-a/user/anna");
        assert!(anna.not_before < now);
        let seconds = (anna.not_after.0 - now.0) / 1_000_000;
        assert!((7 * 24 * 3600 - 1..=7 * 24 * 3600).contains(&seconds), "{seconds} s, X.509 has no fractions");
    }

    #[test]
    fn what_is_no_certificate_is_said_to_be_none() {
        let of = |pem: &str| CertificateSummary::of_pem(pem.as_bytes());
        assert_eq!(of(""), Err(UnreadableCertificate::NoCertificate));
        assert_eq!(of("-----BEGIN CERTIFICATE-----\nAAAA\n"), Err(UnreadableCertificate::Malformed));
        assert_eq!(
            of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            Err(UnreadableCertificate::NotX509)
        );
    }
}
