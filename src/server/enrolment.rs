//! The enrolment desk: what it needs is checked before the store is opened, and it opens once the server serves.
//!
//! The server's own certificate must come from the authority that issues, since an invite names that one; and the server must accept
//! what it issues. Tested in `tests/it/enrolment.rs`.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{EnrolmentSettings, StartError};
use crate::engine::Engine;
use crate::identity::enrolment::listener;
use crate::identity::tls::load_authorities;
use crate::identity::{Authority, KeyedCertificate, TrustFiles};
use crate::service::enrolment::{Enrolment, EnrolmentFacts, serve};

pub(super) struct Desk {
    pub(super) address: SocketAddr,
    settings: EnrolmentSettings,
    authority: Authority,
    certificate: CertificateDer<'static>,
    tls: Arc<ServerConfig>,
    socket: TcpListener,
}

impl Desk {
    pub(super) async fn prepare(settings: &EnrolmentSettings, files: &TrustFiles) -> Result<Self, StartError> {
        let own = KeyedCertificate::load(&files.certificate, &files.key)?;
        let authority = Authority::load(&settings.authority)?;
        let certificate = CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes())
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        if !load_authorities(&files.client_roots)?.roots.iter().any(|root| roots.roots.contains(root)) {
            return Err(StartError::AuthorityNotAClientRoot);
        }
        if !own.is_issued_by(roots) {
            return Err(StartError::ServerNotOfAuthority);
        }
        let tls = listener::server_config(&own, certificate.clone())?;
        let listen = |source| StartError::Listen { address: settings.listen, source };
        let socket = TcpListener::bind(settings.listen).await.map_err(listen)?;
        let address = socket.local_addr().map_err(listen)?;
        Ok(Self { address, settings: settings.clone(), authority, certificate, tls, socket })
    }

    fn enrolment_address(&self) -> String {
        if self.settings.address.is_empty() { self.address.to_string() } else { self.settings.address.clone() }
    }

    pub(super) fn facts(&self) -> EnrolmentFacts {
        EnrolmentFacts { address: self.enrolment_address(), authority: Sha256::digest(&self.certificate).into() }
    }

    pub(super) fn open(self, engine: Engine, server: SocketAddr, stopping: CancellationToken) {
        let address = self.enrolment_address();
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
        let server_address = self.settings.server.unwrap_or_else(|| format!("{host}:{}", server.port()));
        let enrolment = Enrolment {
            authority: self.authority,
            certificate: self.certificate.to_vec(),
            server_address,
            days: self.settings.days,
        };
        let accepted = listener::run(self.socket, self.tls, stopping.clone());
        tokio::spawn(async move {
            if let Err(error) = serve(engine, enrolment, accepted, stopping.cancelled_owned()).await {
                tracing::error!(%error, "the enrolment listener has ended");
            }
        });
    }
}
