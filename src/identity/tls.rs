//! With which TLS settings do server and client meet, and from which files?
//!
//! TLS 1.3 only, both sides with a certificate, a post-quantum hybrid key exchange first. No session is ever resumed: a
//! resumed session takes the certificate from the ticket, unverified, and would outlive expiry and revocation. No early
//! data, which can be replayed. No key log. Whose certificates are accepted is `trust`'s part. Leans on rustls with aws-lc-rs. Upholds
//! R10. Tested in `tests/it/identity.rs`.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::connections::{Caller, Ended};
use super::name::TrustDomain;
use super::refused::Refused;
use super::summary::CertificateSummary;
use super::trust::clients::{Access, Authorities, Authority, Clients, Everybody};
use crate::limits;
use crate::room::ids::Timestamp;

const HTTP2: &[u8] = b"h2";

/// What is wrong with a PEM file.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    /// It isn't there.
    #[error("{path}: no such file")]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// It is there and can't be read.
    #[error("{path}: cannot be read: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Begins like PEM and goes on otherwise.
    #[error("{path}: is not well-formed PEM: {problem}")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// No `BEGIN CERTIFICATE`.
    #[error("{path}: has no certificate in it (-----BEGIN CERTIFICATE-----)")]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// No private key.
    #[error("{path}: has no private key in it (-----BEGIN PRIVATE KEY-----)")]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// A certificate that can't be used.
    #[error("{path}: has a certificate that cannot be used: {problem}")]
    BadCertificate {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A key that can't be used.
    #[error("{path}: has a private key that cannot be used: {problem}")]
    BadKey {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The server's certificate is not valid now.
    #[error("{path}: is not valid now: {problem}")]
    NotValidNow {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A revocation list that can't be relied on.
    #[error("{path}: has a revocation list that cannot be used: {problem}")]
    BadList {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// No `BEGIN X509 CRL`.
    #[error("{path}: has no revocation list in it (-----BEGIN X509 CRL-----, or DER)")]
    NoList {
        /// Which.
        path: PathBuf,
    },
    /// More authorities than handshakes have time for.
    #[error("tls.client_roots and tls.issuers name {found} authorities, at most {max} can be tried in a handshake", max = limits::AUTHORITIES_MAX)]
    TooManyAuthorities {
        /// How many.
        found: usize,
    },
    /// The key of another certificate.
    #[error("{key}: is not the private key of the certificate in {certificate}")]
    KeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
}

/// A certificate (with its intermediates, if any) and the key that belongs to it.
#[derive(Clone)]
pub struct KeyedCertificate(Arc<CertifiedKey>);

impl KeyedCertificate {
    /// Reads two PEM files and makes sure that they belong together. Warns of a key that others can read.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsFileError> {
        let chain = load_certificates(certificate)?;
        let key_der = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsFileError::NoKey { path: key.into() },
            other => TlsFileError::Malformed { path: key.into(), problem: other.to_string() },
        })?;
        if let Ok(metadata) = std::fs::metadata(key)
            && metadata.mode() & 0o077 != 0
        {
            let mode = format!("{:o}", metadata.mode() & 0o777);
            tracing::warn!(file = %key.display(), mode, "private key can be read by others, chmod 600 it");
        }
        match CertifiedKey::from_der(chain, key_der, &provider()) {
            Ok(keyed) => Ok(Self(Arc::new(keyed))),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(TlsFileError::KeyMismatch { certificate: certificate.into(), key: key.into() })
            }
            Err(rustls::Error::InvalidCertificate(problem)) => {
                Err(TlsFileError::BadCertificate { path: certificate.into(), problem: problem.to_string() })
            }
            Err(problem) => Err(TlsFileError::BadKey { path: key.into(), problem: problem.to_string() }),
        }
    }

    /// The certificate itself, in DER.
    pub fn certificate(&self) -> &[u8] {
        self.0.cert.first().map_or(&[], |certificate| certificate.as_ref())
    }

    /// The same key and chain, with the certificate of the authority at the end.
    pub(super) fn with_authority(&self, authority: CertificateDer<'static>) -> CertifiedKey {
        let mut chain = self.0.cert.clone();
        if !chain.contains(&authority) {
            chain.push(authority);
        }
        CertifiedKey::new(chain, self.0.key.clone())
    }

    /// Whether these authorities, and no others, vouch for it as a server's. Whether it is valid now is not asked: the clock may be
    /// wrong, and clients will see for themselves.
    pub fn is_issued_by(&self, authorities: &RootCertStore) -> bool {
        let Some((own, intermediates)) = self.0.cert.split_first() else { return false };
        is_issued(own, intermediates, authorities, webpki::KeyUsage::server_auth())
    }
}

/// Whether these authorities vouch for a client's certificate, with nobody between; whether it is valid now is not asked.
pub(super) fn is_issued_to_client(own: &CertificateDer<'_>, authorities: &RootCertStore) -> bool {
    is_issued(own, &[], authorities, webpki::KeyUsage::client_auth())
}

fn is_issued(
    own: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    authorities: &RootCertStore,
    usage: webpki::KeyUsage,
) -> bool {
    let Ok(parsed) = webpki::EndEntityCert::try_from(own) else { return false };
    let Ok(summary) = CertificateSummary::of_der(own) else { return false };
    let at = UnixTime::since_unix_epoch(Duration::from_micros(u64::try_from(summary.not_after.0).unwrap_or(0)));
    let algorithms = provider().signature_verification_algorithms.all;
    parsed.verify_for_usage(algorithms, &authorities.roots, intermediates, at, usage, None, None).is_ok()
}

impl fmt::Debug for KeyedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedCertificate(..)")
    }
}

/// Reads the certificates of the authorities in a PEM file: those whose certificates are accepted from the other side.
pub fn load_authorities(path: &Path) -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    for certificate in load_certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| TlsFileError::BadCertificate { path: path.into(), problem: error.to_string() })?;
    }
    Ok(roots)
}

pub(super) fn load_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let certificates = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsFileError::Malformed { path: path.into(), problem: error.to_string() })?;
    if certificates.is_empty() { Err(TlsFileError::NoCertificate { path: path.into() }) } else { Ok(certificates) }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    std::fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => TlsFileError::Missing { path: path.into() },
        _ => TlsFileError::Unreadable { path: path.into(), source },
    })
}

/// Which key exchanges a server offers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyExchange {
    /// Post-quantum hybrids and classical ones: a client without the former is served, and seen as such.
    #[default]
    Preferred,
    /// X25519MLKEM768 alone: what is recorded today can't be read by a quantum computer later.
    Required,
}

/// What one handshake needs to know: TLS settings, and whom they admit. Replaced as a whole, never changed.
#[derive(Clone, Debug)]
pub struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) trust_domain: TrustDomain,
    clients: Arc<Clients>,
}

impl ServerTls {
    /// The server's settings: its own certificate, the authorities whose client certificates it accepts (at least one), and
    /// the trust domain that their names must be of. No revocation, no bounds for authorities.
    pub fn new(
        own: &KeyedCertificate,
        client_roots: RootCertStore,
        trust_domain: TrustDomain,
    ) -> Result<Self, rustls::Error> {
        let authorities = client_roots.roots.into_iter().map(Authority::general).collect();
        let authorities = Authorities::new(authorities)?;
        Self::with(own, authorities, trust_domain, KeyExchange::Preferred, Arc::new(Everybody))
    }

    pub(super) fn with(
        own: &KeyedCertificate,
        authorities: Authorities,
        trust_domain: TrustDomain,
        key_exchange: KeyExchange,
        access: Arc<dyn Access>,
    ) -> Result<Self, rustls::Error> {
        let clients = Arc::new(Clients { authorities, trust_domain: trust_domain.clone(), access });
        let mut config = ServerConfig::builder_with_provider(server_provider(key_exchange))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(clients.clone())
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(own.0.clone())));
        config.alpn_protocols = vec![HTTP2.to_vec()];
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        Ok(Self { config: Arc::new(config), trust_domain, clients })
    }

    /// Whether a caller that was admitted before would be admitted now.
    pub fn still_admits(&self, caller: &Caller, now: Timestamp) -> Result<(), (Ended, Refused)> {
        self.clients.still_admit(caller, now)
    }
}

/// The client's settings: its own certificate, and the authorities of the servers that it trusts. The server's certificate
/// must be for the DNS name or the IP address that the client connects to.
pub fn client_config(own: &KeyedCertificate, server_roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(server_roots)
        .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(own.0.clone())));
    config.alpn_protocols = vec![HTTP2.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// aws-lc-rs, with its key exchanges in our order. The client's order decides, so ours matters on the client; what a server
/// leaves out is refused. The pure post-quantum groups are left out: should ML-KEM fall, a hybrid still holds.
pub(super) fn provider() -> Arc<CryptoProvider> {
    use aws_lc_rs::kx_group::{SECP256R1, SECP256R1MLKEM768, X25519, X25519MLKEM768};
    Arc::new(CryptoProvider {
        kx_groups: vec![X25519MLKEM768, SECP256R1MLKEM768, X25519, SECP256R1],
        ..aws_lc_rs::default_provider()
    })
}

fn server_provider(key_exchange: KeyExchange) -> Arc<CryptoProvider> {
    match key_exchange {
        KeyExchange::Preferred => provider(),
        KeyExchange::Required => Arc::new(CryptoProvider {
            kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
            ..aws_lc_rs::default_provider()
        }),
    }
}
