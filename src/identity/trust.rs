//! Whom does the running server trust, as that changes? Files in, one checked value out.
//!
//! [`TrustFiles`] names the files; [`TrustFiles::load`] reads them and checks all that can be checked without a client: the key fits
//! the certificate, which is valid now; authorities can be used; each revocation list is signed by one of them and current. What comes
//! out, [`Trusted`], becomes the [`ServerTls`] of the handshakes that follow. A bad file is an error that names it, and changes nothing.
//!
//! Upholds R10. Tested in `tests/it/trust.rs`; `certs/README.md` says it to those who run a server.

pub(super) mod clients;
mod lists;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::TrustAnchor;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

pub use self::clients::Access;
use self::clients::{Authorities, Authority};
use super::name::{TrustDomain, timestamp};
use super::tls::{KeyExchange, KeyedCertificate, ServerTls, TlsFileError, load_certificates};
use crate::limits;
use crate::room::ids::{OrganisationId, Timestamp};

/// The files that say whom the server trusts and who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustFiles {
    /// The server's certificate, PEM, with its intermediates.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authorities that speak for every organisation that is bound to none, PEM.
    pub client_roots: PathBuf,
    /// Revocation lists of authorities, PEM or DER.
    pub revocation_lists: Vec<PathBuf>,
    /// Authorities that organisations are bound to.
    pub issuers: Vec<IssuerFile>,
    /// Which key exchanges are offered.
    pub key_exchange: KeyExchange,
}

/// An authority of an organisation's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerFile {
    /// Its certificate, PEM; several in one file are bound alike.
    pub certificate: PathBuf,
    /// For whom it may speak, and nobody else's authority may.
    pub organisations: Vec<OrganisationId>,
}

/// What the files said, checked.
#[derive(Debug)]
pub struct Trusted {
    own: KeyedCertificate,
    authorities: Vec<Authority>,
    trust_domain: TrustDomain,
    key_exchange: KeyExchange,
    lists: Vec<ListFile>,
}

/// A revocation list and its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFile {
    /// The file.
    pub path: PathBuf,
    /// When the list says that the next one comes: from then on its authority's certificates are refused.
    pub until: Timestamp,
}

impl ListFile {
    /// Whether somebody should get the next one now.
    pub fn is_near_its_end(&self, now: Timestamp) -> bool {
        self.until.0 - now.0 < limits::LIST_WARN_TIME_US
    }
}

impl TrustFiles {
    /// A server's own certificate and key, and its clients' authorities; all else as it is by default.
    pub fn new(certificate: PathBuf, key: PathBuf, client_roots: PathBuf) -> Self {
        let (revocation_lists, issuers) = (Vec::new(), Vec::new());
        Self { certificate, key, client_roots, revocation_lists, issuers, key_exchange: KeyExchange::default() }
    }

    /// All files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let own = [&self.certificate, &self.key, &self.client_roots];
        let issuers = self.issuers.iter().map(|issuer| &issuer.certificate);
        own.into_iter().chain(&self.revocation_lists).chain(issuers).map(PathBuf::as_path)
    }

    /// Reads and checks all files. Blocks.
    pub fn load(&self, trust_domain: &TrustDomain, now: Timestamp) -> Result<Trusted, TlsFileError> {
        let trusted = self.read(trust_domain, now)?;
        valid_now(&self.certificate, now)?;
        trusted.warn_of_lists(now);
        Ok(trusted)
    }

    /// As [`Self::load`], but a server's certificate that is not valid now is only told of. After a power cut it may be the clock that
    /// is wrong: a server that runs is right again as soon as the clock is, one that refused to start is not.
    pub fn load_at_start(&self, trust_domain: &TrustDomain, now: Timestamp) -> Result<Trusted, TlsFileError> {
        let trusted = self.read(trust_domain, now)?;
        match valid_now(&self.certificate, now) {
            Err(problem @ TlsFileError::NotValidNow { .. }) => {
                tracing::error!(%problem, "clients refuse this server until its clock or its certificate is put right");
            }
            checked => checked?,
        }
        trusted.warn_of_lists(now);
        Ok(trusted)
    }

    fn read(&self, trust_domain: &TrustDomain, now: Timestamp) -> Result<Trusted, TlsFileError> {
        let own = KeyedCertificate::load(&self.certificate, &self.key)?;
        let mut authorities: Vec<Authority> = Vec::new();
        for anchor in anchors(&self.client_roots)? {
            of(&mut authorities, anchor).is_general = true;
        }
        for issuer in &self.issuers {
            for anchor in anchors(&issuer.certificate)? {
                of(&mut authorities, anchor).bound.extend(issuer.organisations.iter().cloned());
            }
        }
        if authorities.len() > limits::AUTHORITIES_MAX {
            return Err(TlsFileError::TooManyAuthorities { found: authorities.len() });
        }
        let lists = self.load_lists(&mut authorities, now)?;
        let (trust_domain, key_exchange) = (trust_domain.clone(), self.key_exchange);
        Ok(Trusted { own, authorities, trust_domain, key_exchange, lists })
    }

    fn load_lists(&self, authorities: &mut [Authority], now: Timestamp) -> Result<Vec<ListFile>, TlsFileError> {
        let mut lists = BTreeMap::new();
        let mut files = Vec::new();
        for path in &self.revocation_lists {
            let anchors: Vec<_> = authorities.iter().map(|authority| &authority.anchor).collect();
            for list in lists::load(path, &anchors, now)? {
                files.push(ListFile { path: path.clone(), until: list.next_update });
                if let Some((before, _)) = lists.insert(list.authority, (path, list.der)) {
                    let problem = format!("{} has one of the same authority; name its newest only", before.display());
                    return Err(TlsFileError::BadList { path: path.clone(), problem });
                }
            }
        }
        // A chain may lead through an authority that is listed here itself, so whoever has a list gets all.
        let all: Vec<_> = lists.values().map(|(_, der)| der.clone()).collect();
        for index in lists.keys() {
            authorities[*index].lists.clone_from(&all);
        }
        Ok(files)
    }
}

impl Trusted {
    /// The settings of handshakes from now on; `access` is asked about each caller.
    pub fn tls(&self, access: Arc<dyn Access>) -> Result<ServerTls, rustls::Error> {
        let authorities = Authorities::new(self.authorities.clone())?;
        ServerTls::with(&self.own, authorities, self.trust_domain.clone(), self.key_exchange, access)
    }

    /// How many authorities, and how many of them have a revocation list.
    pub fn counts(&self) -> (usize, usize) {
        (self.authorities.len(), self.authorities.iter().filter(|authority| !authority.lists.is_empty()).count())
    }

    /// When the first revocation list expires: from then on its authority's certificates are refused.
    pub fn lists_until(&self) -> Option<Timestamp> {
        self.lists.iter().map(|list| list.until).min()
    }

    /// All revocation lists.
    pub fn lists(&self) -> &[ListFile] {
        &self.lists
    }

    fn warn_of_lists(&self, now: Timestamp) {
        for list in self.lists.iter().filter(|list| list.is_near_its_end(now)) {
            tracing::warn!(
                file = %list.path.display(),
                hours_left = (list.until.0 - now.0) / 3_600_000_000,
                "a revocation list ends soon, and with it every certificate of its authority is refused; put the authority's newest there"
            );
        }
    }
}

/// The authority with this name and key among those that are known; added, if it is none of them.
fn of<'a>(authorities: &'a mut Vec<Authority>, anchor: TrustAnchor<'static>) -> &'a mut Authority {
    let known = authorities.iter().position(|authority| authority.is(&anchor));
    let index = known.unwrap_or_else(|| {
        authorities.push(Authority { is_general: false, ..Authority::general(anchor) });
        authorities.len() - 1
    });
    &mut authorities[index]
}

fn anchors(path: &Path) -> Result<Vec<TrustAnchor<'static>>, TlsFileError> {
    let anchor = |certificate| webpki::anchor_from_trusted_cert(certificate).map(|anchor| anchor.to_owned());
    let bad = |error: webpki::Error| TlsFileError::BadCertificate { path: path.into(), problem: format!("{error:?}") };
    load_certificates(path)?.iter().map(|certificate| anchor(certificate).map_err(bad)).collect()
}

/// The server's certificate and its intermediates must be valid now: clients would refuse them.
fn valid_now(path: &Path, now: Timestamp) -> Result<(), TlsFileError> {
    for certificate in load_certificates(path)? {
        let problem = |problem| TlsFileError::BadCertificate { path: path.into(), problem };
        let (_, parsed) =
            X509Certificate::from_der(&certificate).map_err(|_| problem("it cannot be read as X.509".into()))?;
        let validity = parsed.validity();
        let not_now = |problem| Err(TlsFileError::NotValidNow { path: path.into(), problem });
        if timestamp(validity.not_after) <= now {
            return not_now(format!("it expired on {}", validity.not_after));
        }
        if timestamp(validity.not_before) > now {
            return not_now(format!("it is valid from {} on; compare the clocks", validity.not_before));
        }
    }
    Ok(())
}
