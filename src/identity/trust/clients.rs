//! Is this client certificate good? Its chain, who may have issued it, whether it was revoked.
//!
//! Each authority has a verifier of its own, so that it is known which one vouches for a certificate: an authority may speak for the
//! organisations that it is bound to; those of `tls.client_roots` also for every organisation that is bound to none. All this is
//! decided in the handshake, where TLS can tell the client. Upholds R10. Tested in `tests/it/trust.rs`.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, RootCertStore, SignatureScheme};

use crate::identity::connections::{Caller, Ended};
use crate::identity::name::{Identity, TrustDomain};
use crate::identity::refused::Refused;
use crate::identity::tls::provider;
use crate::limits;
use crate::room::ids::{Actor, OrganisationId, Timestamp};

/// Whose access was taken away, whatever its certificate says.
pub trait Access: Send + Sync + fmt::Debug {
    /// Why this actor may not come in with this certificate (its SHA-256), if it may not.
    fn ended(&self, actor: &Actor, certificate: &[u8; 32]) -> Option<Ended>;
}

/// Nobody's access was taken away.
#[derive(Debug)]
pub(in crate::identity) struct Everybody;

impl Access for Everybody {
    fn ended(&self, _: &Actor, _: &[u8; 32]) -> Option<Ended> {
        None
    }
}

/// An authority, and for whom it may speak.
#[derive(Debug, Clone)]
pub(in crate::identity) struct Authority {
    pub(super) anchor: TrustAnchor<'static>,
    /// For every organisation that is bound to no authority.
    pub(super) is_general: bool,
    /// For these, which are bound to it.
    pub(super) bound: BTreeSet<OrganisationId>,
    /// Its revocation list and those of authorities beneath it; none: no list is asked for.
    pub(super) lists: Vec<CertificateRevocationListDer<'static>>,
}

impl Authority {
    pub(in crate::identity) fn general(anchor: TrustAnchor<'static>) -> Self {
        Self { anchor, is_general: true, bound: BTreeSet::new(), lists: Vec::new() }
    }

    /// Whether this is the same authority: one name, one key.
    pub(super) fn is(&self, anchor: &TrustAnchor<'_>) -> bool {
        self.anchor.subject == anchor.subject && self.anchor.subject_public_key_info == anchor.subject_public_key_info
    }
}

#[derive(Debug)]
struct Verifier {
    chains: Arc<dyn ClientCertVerifier>,
    is_general: bool,
    bound: BTreeSet<OrganisationId>,
}

/// All authorities, ready to verify.
#[derive(Debug)]
pub(in crate::identity) struct Authorities {
    verifiers: Vec<Verifier>,
    /// Organisations that are bound to one.
    bound: BTreeSet<OrganisationId>,
    subjects: Vec<DistinguishedName>,
    /// What verifies signatures, which needs no authority.
    any: Arc<dyn ClientCertVerifier>,
}

impl Authorities {
    pub(in crate::identity) fn new(authorities: Vec<Authority>) -> Result<Self, rustls::Error> {
        let mut verifiers = Vec::with_capacity(authorities.len());
        for Authority { anchor, is_general, bound, lists } in authorities {
            let roots = RootCertStore { roots: vec![anchor] };
            let chains = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                // With a list, everything beneath the authority must be on record as not revoked, up to date; without one, none of
                // this is asked.
                .with_crls(lists)
                .enforce_revocation_expiration()
                .build()
                .map_err(|error| rustls::Error::General(format!("client roots: {error}")))?;
            verifiers.push(Verifier { chains, is_general, bound });
        }
        let any = verifiers.first().map(|verifier| verifier.chains.clone());
        let any = any.ok_or_else(|| rustls::Error::General("client roots: there is no authority".into()))?;
        let bound = verifiers.iter().flat_map(|verifier| verifier.bound.iter().cloned()).collect();
        let subjects = verifiers.iter().flat_map(|verifier| verifier.chains.root_hint_subjects()).cloned().collect();
        Ok(Self { verifiers, bound, subjects, any })
    }

    fn may_speak(&self, verifier: &Verifier, organisation: &OrganisationId) -> bool {
        verifier.bound.contains(organisation) || (verifier.is_general && !self.bound.contains(organisation))
    }
}

/// Accepts a client certificate if its chain is in order, it names an actor of ours, its authority may speak for that organisation and
/// nobody took its access away. Doing all this here, and not only after the handshake, tells the client with a TLS alert instead of a
/// closed socket.
#[derive(Debug)]
pub(in crate::identity) struct Clients {
    pub(in crate::identity) authorities: Authorities,
    pub(in crate::identity) trust_domain: TrustDomain,
    pub(in crate::identity) access: Arc<dyn Access>,
}

impl Clients {
    /// The actor of a certificate whose chain is in order.
    fn identify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Identity, rustls::Error> {
        // Before any of them is looked at.
        let found = 1 + intermediates.len();
        if found > limits::CHAIN_CERTIFICATES_MAX {
            return Err(other(Refused::ChainTooLong { found }));
        }
        let mut vouching = Vec::new();
        let mut refused: Option<rustls::Error> = None;
        for verifier in &self.authorities.verifiers {
            match verifier.chains.verify_client_cert(end_entity, intermediates, now) {
                Ok(_) => vouching.push(verifier),
                Err(error) if refused.as_ref().is_none_or(|before| weight(&error) > weight(before)) => {
                    refused = Some(error);
                }
                Err(_) => {}
            }
        }
        // One authority's word that a certificate is revoked, or that it can't tell, outweighs another's that all is well.
        if let Some(error) = refused.filter(|error| vouching.is_empty() || is_of_revocation(error)) {
            return Err(error);
        }
        let identity = Identity::of(end_entity, &self.trust_domain).map_err(other)?;
        let organisation = &identity.actor.organisation;
        if !vouching.iter().any(|verifier| self.authorities.may_speak(verifier, organisation)) {
            return Err(other(Refused::IssuerMayNotSpeakFor { organisation: organisation.clone() }));
        }
        Ok(identity)
    }

    pub(in crate::identity) fn still_admit(&self, caller: &Caller, now: Timestamp) -> Result<(), (Ended, Refused)> {
        if let Some(ended) = self.access.ended(&caller.actor, &caller.certificate) {
            return Err((ended, Refused::Revoked));
        }
        let now = UnixTime::since_unix_epoch(Duration::from_micros(u64::try_from(now.0).unwrap_or(0)));
        let identified = match caller.chain.0.split_first() {
            Some((end_entity, intermediates)) => self.identify(end_entity, intermediates, now),
            None => Err(rustls::Error::NoCertificatesPresented),
        };
        identified.map(|_| ()).map_err(|error| (Ended::NotTrusted, Refused::of_tls(&error)))
    }
}

/// How much an authority's refusal tells: that it does not know the certificate says least.
fn weight(error: &rustls::Error) -> u8 {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => 0,
        rustls::Error::InvalidCertificate(CertificateError::BadSignature) => 1,
        error if is_of_revocation(error) => 3,
        _ => 2,
    }
}

fn is_of_revocation(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::Revoked
                | CertificateError::UnknownRevocationStatus
                | CertificateError::ExpiredRevocationList
                | CertificateError::ExpiredRevocationListContext { .. }
        )
    )
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}

impl ClientCertVerifier for Clients {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let identity = self.identify(end_entity, intermediates, now)?;
        match self.access.ended(&identity.actor, &identity.fingerprint) {
            None => Ok(ClientCertVerified::assertion()),
            // Its alert, access_denied, is used for nothing else: the client can tell what it means.
            Some(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.authorities.subjects
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
        self.authorities.any.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.any.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.any.supported_verify_schemes()
    }
}
