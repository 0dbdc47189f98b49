//! The enrolment desk: what it needs is checked before the store is opened, and it opens once the server serves.
//!
//! The server's own certificate must come from the authority that issues, since an invite names that one; and the server must accept
//! what it issues. Both are checked again when these files are read anew ([`DeskTls`]). Tested in `tests/it/enrolment.rs` and
//! `tests/it/renewal.rs`.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{EnrolmentSettings, StartError};
use crate::engine::Engine;
use crate::identity::enrolment::listener;
use crate::identity::tls::load_authorities;
use crate::identity::{Authority, IssueError, KeyedCertificate, TlsFileError, TrustFiles};
use crate::service::enrolment::serve;
use crate::service::issuing::Issuing;

/// Why nobody could enrol with these files.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// A certificate or key can't be read or used.
    #[error(transparent)]
    TlsFile(#[from] TlsFileError),
    /// The certificates do not make a TLS server.
    #[error("TLS settings: {0}")]
    Tls(#[from] rustls::Error),
    /// The authority that is to issue can't be used.
    #[error("enrolment.authority: {0}")]
    Authority(#[from] IssueError),
    /// Clients that know the authority could not check the server.
    #[error("tls.certificate: was not issued by enrolment.authority, which those who enrol are told to expect")]
    ServerNotOfAuthority,
    /// What it issues would not be accepted.
    #[error("tls.client_roots: lacks the authority of enrolment.authority, so that what it issues would be refused")]
    AuthorityNotAClientRoot,
}

/// What makes the desk's TLS settings from the server's files, at the start and when they are read anew.
#[derive(Clone)]
pub(super) struct DeskTls {
    certificate: CertificateDer<'static>,
    roots: RootCertStore,
}

impl DeskTls {
    pub(super) fn load(&self, files: &TrustFiles) -> Result<Arc<ServerConfig>, EnrolmentError> {
        let own = KeyedCertificate::load(&files.certificate, &files.key)?;
        let accepted = load_authorities(&files.client_roots)?;
        if !self.roots.roots.iter().all(|root| accepted.roots.contains(root)) {
            return Err(EnrolmentError::AuthorityNotAClientRoot);
        }
        if !own.is_issued_by(&self.roots) {
            return Err(EnrolmentError::ServerNotOfAuthority);
        }
        Ok(listener::server_config(&own, self.certificate.clone())?)
    }
}

/// A desk that is ready to open.
pub(super) struct Desk {
    pub(super) address: SocketAddr,
    settings: EnrolmentSettings,
    authority: Authority,
    pub(super) tls: DeskTls,
    pub(super) newest: watch::Sender<Arc<ServerConfig>>,
    socket: TcpListener,
}

impl Desk {
    pub(super) async fn prepare(settings: &EnrolmentSettings, files: &TrustFiles) -> Result<Self, StartError> {
        let authority = Authority::load(&settings.authority).map_err(EnrolmentError::from)?;
        let certificate = CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes())
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        let tls = DeskTls { certificate, roots };
        let (newest, _) = watch::channel(tls.load(files)?);
        let listen = |source| StartError::Listen { address: settings.listen, source };
        let socket = TcpListener::bind(settings.listen).await.map_err(listen)?;
        let address = socket.local_addr().map_err(listen)?;
        Ok(Self { address, settings: settings.clone(), authority, tls, newest, socket })
    }

    /// What issues, and what opens once the server, which clients reach at `server`, serves.
    pub(super) fn ready(self, server: SocketAddr) -> (Arc<Issuing>, OpenDesk) {
        let Self { address, settings, authority, tls, newest, socket } = self;
        let address = if settings.address.is_empty() { address.to_string() } else { settings.address };
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
        let server_address = settings.server.unwrap_or_else(|| format!("{host}:{}", server.port()));
        let issuing = Arc::new(Issuing {
            authority,
            certificate: tls.certificate,
            roots: tls.roots,
            enrolment_address: address,
            server_address,
            days: settings.days,
        });
        (issuing.clone(), OpenDesk { issuing, newest: newest.subscribe(), socket })
    }
}

pub(super) struct OpenDesk {
    issuing: Arc<Issuing>,
    newest: watch::Receiver<Arc<ServerConfig>>,
    socket: TcpListener,
}

impl OpenDesk {
    pub(super) fn open(self, engine: Engine, stopping: CancellationToken) {
        let accepted = listener::run(self.socket, self.newest, stopping.clone());
        tokio::spawn(async move {
            if let Err(error) = serve(engine, self.issuing, accepted, stopping.cancelled_owned()).await {
                tracing::error!(%error, "the enrolment listener has ended");
            }
        });
    }
}
