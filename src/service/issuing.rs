//! With what does this server issue certificates, and what does it put in them? Shared by enrolment and renewal.
//!
//! Who it is for comes from an invite or from the caller's own certificate; of the signing request only the public key is taken.
//! Upholds R10.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

use super::status::CallError;
use crate::identity::enrolment::csr::SigningRequest;
use crate::identity::{Authority, Caller};
use crate::room::enrolment::IssuedCertificate;
use crate::room::ids::{Actor, Timestamp};

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// Issues certificates to those who were invited and to those who have one.
pub struct Issuing {
    /// Who issues.
    pub authority: Authority,
    /// Its certificate.
    pub certificate: CertificateDer<'static>,
    /// The same, as what a certificate can be verified with.
    pub roots: RootCertStore,
    /// Where those enrol who have no certificate yet.
    pub enrolment_address: String,
    /// Where the holders of certificates call.
    pub server_address: String,
    /// How long certificates last.
    pub days: u32,
}

impl Issuing {
    /// SHA-256 of the authority's certificate.
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.certificate).into()
    }

    /// Whether the caller's certificate was issued by this authority.
    pub(super) fn has_issued(&self, caller: &Caller) -> bool {
        caller.is_issued_by(&self.roots)
    }

    /// Refused, if the request asks for more than this actor's name.
    pub(super) fn may_have(&self, actor: &Actor, request: &SigningRequest) -> Result<(), CallError> {
        request
            .asks_for(&actor.to_string(), &self.authority.trust_domain().uri(actor))
            .map_err(|problem| CallError::invalid("signing_request", problem.to_string()))
    }

    /// A certificate for the key of a request that asks for no more than this actor's name.
    pub(super) fn certify(
        &self,
        actor: &Actor,
        request: &SigningRequest,
        now: Timestamp,
    ) -> Result<IssuedCertificate, CallError> {
        self.may_have(actor, request)?;
        // Towards its end an authority issues shorter ones rather than none.
        let left = u32::try_from((self.authority.not_after().0 - now.0) / DAY_US).unwrap_or(0);
        let days = self.days.min(left);
        let certificate = self
            .authority
            .certify(actor, &request.public_key, days, now)
            .map_err(|error| CallError::internal("issuing", error))?;
        // X.509 has no fractions of a second.
        let not_after = now.0.div_euclid(1_000_000) * 1_000_000 + i64::from(days) * DAY_US;
        Ok(IssuedCertificate {
            actor: actor.clone(),
            fingerprint: Sha256::digest(&certificate).into(),
            certificate: certificate.into(),
            public_key: request.key_digest(),
            not_after: Timestamp(not_after),
        })
    }
}
