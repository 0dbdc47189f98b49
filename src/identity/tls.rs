//! With which TLS settings do server and client meet, and from which files?
//!
//! TLS 1.3 only, both sides with a certificate, a post-quantum hybrid key exchange first. No session is ever resumed: a
//! resumed session takes the certificate from the ticket, unverified, and would outlive expiry and revocation. No early
//! data, which can be replayed. No key log. Leans on rustls with aws-lc-rs. Upholds R10. Tested in `tests/it/identity.rs`.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, OtherError, RootCertStore, ServerConfig,
    SignatureScheme,
};

use super::name::{Identity, TrustDomain};

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

    /// Whether these authorities, and no others, vouch for it as a server's.
    pub fn is_issued_by(&self, authorities: RootCertStore) -> bool {
        let Some((own, intermediates)) = self.0.cert.split_first() else { return false };
        let Ok(parsed) = webpki::EndEntityCert::try_from(own) else { return false };
        let algorithms = provider().signature_verification_algorithms.all;
        let usage = webpki::KeyUsage::server_auth();
        parsed
            .verify_for_usage(algorithms, &authorities.roots, intermediates, UnixTime::now(), usage, None, None)
            .is_ok()
    }
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

fn load_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let certificates = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsFileError::Malformed { path: path.into(), problem: error.to_string() })?;
    if certificates.is_empty() { Err(TlsFileError::NoCertificate { path: path.into() }) } else { Ok(certificates) }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    std::fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => TlsFileError::Missing { path: path.into() },
        _ => TlsFileError::Unreadable { path: path.into(), source },
    })
}

/// What the acceptor needs to know: TLS settings, and whose names it admits.
#[derive(Clone, Debug)]
pub struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) trust_domain: TrustDomain,
}

impl ServerTls {
    /// The server's settings: its own certificate, the authorities whose client certificates it accepts (at least one), and
    /// the trust domain that their names must be of.
    pub fn new(
        own: &KeyedCertificate,
        client_roots: RootCertStore,
        trust_domain: TrustDomain,
    ) -> Result<Self, rustls::Error> {
        let provider = provider();
        let chains = WebPkiClientVerifier::builder_with_provider(Arc::new(client_roots), provider.clone())
            .build()
            .map_err(|error| rustls::Error::General(format!("client roots: {error}")))?;
        let verifier = NamedClients { chains, trust_domain: trust_domain.clone() };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(own.0.clone())));
        config.alpn_protocols = vec![HTTP2.to_vec()];
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        Ok(Self { config: Arc::new(config), trust_domain })
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

/// Accepts a client certificate if its chain is in order *and* it names an actor of ours. Doing the second here too, and not
/// only after the handshake, tells the client with a TLS alert instead of a closed socket.
#[derive(Debug)]
struct NamedClients {
    chains: Arc<dyn ClientCertVerifier>,
    trust_domain: TrustDomain,
}

impl ClientCertVerifier for NamedClients {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.chains.verify_client_cert(end_entity, intermediates, now)?;
        match Identity::of(end_entity, &self.trust_domain) {
            Ok(_) => Ok(verified),
            Err(error) => Err(CertificateError::Other(OtherError(Arc::new(error))).into()),
        }
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}
