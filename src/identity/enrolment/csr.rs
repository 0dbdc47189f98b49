//! What does a certificate signing request ask for, and what of it is taken?
//!
//! Only its public key is taken, once its signature proves that the asker has the private one. Names, usages and lifetime are policy;
//! a request that asks for others is refused rather than quietly given something else. Pure: bytes in, values out. Leans on
//! x509-parser to read and webpki to verify. Tested below and in `tests/it/enrolment.rs`.

use rustls::pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use sha2::{Digest as _, Sha256};
use webpki::aws_lc_rs::{ECDSA_P256_SHA256, ECDSA_P256_SHA384, ECDSA_P384_SHA256, ECDSA_P384_SHA384, ED25519};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, KeyUsage, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::limits;

/// What is wrong with a signing request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Over the limit.
    #[error("is {bytes} bytes, {max} at most", max = limits::CSR_BYTES_MAX)]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not PKCS #10.
    #[error("is no certificate signing request (PKCS #10, DER)")]
    Malformed,
    /// RSA, another curve, a weak key.
    #[error("has a key of a kind that is not accepted; P-256, P-384 and Ed25519 are")]
    KeyKind,
    /// The asker does not have the key.
    #[error("is not signed by the key that it holds")]
    Signature,
    /// An attribute that no policy takes.
    #[error("has an attribute that is not accepted ({oid}); only extensions may be asked for")]
    Attribute {
        /// Which.
        oid: String,
    },
    /// It asks to be an authority.
    #[error("asks to be an authority (CA:TRUE, or to sign certificates); nobody becomes one here")]
    Authority,
    /// It asks for a usage that no caller has.
    #[error("asks for a usage that callers do not get; only digital signature and client authentication")]
    Usage,
    /// It asks for another name.
    #[error("asks for the name {found:?}, which is not what the invite is for; leave names out, the invite says them")]
    Name {
        /// What it asks for.
        found: String,
    },
    /// An extension that no policy takes.
    #[error("asks for an extension that is not accepted ({what}); leave extensions out")]
    Extension {
        /// Which.
        what: String,
    },
}

/// A signing request that was read and whose signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningRequest {
    /// The public key (SubjectPublicKeyInfo, DER).
    pub public_key: Vec<u8>,
    names: Vec<String>,
}

impl SigningRequest {
    /// Reads a request; all that does not depend on who asks is checked here.
    pub fn read(der: &[u8]) -> Result<Self, CsrError> {
        if der.len() > limits::CSR_BYTES_MAX {
            return Err(CsrError::TooLong { bytes: der.len() });
        }
        let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| CsrError::Malformed)?;
        if !rest.is_empty() {
            return Err(CsrError::Malformed);
        }
        let info = &request.certification_request_info;
        verify(&request, info.raw)?;
        let mut names = Vec::new();
        for attribute in info.subject.iter_attributes() {
            names.push(attribute.as_str().map_or_else(|_| format!("{:?}", attribute.as_slice()), ToOwned::to_owned));
        }
        for attribute in info.iter_attributes() {
            let ParsedCriAttribute::ExtensionRequest(asked) = attribute.parsed_attribute() else {
                return Err(CsrError::Attribute { oid: told(&attribute.oid.to_id_string()) });
            };
            for extension in &asked.extensions {
                names.extend(names_of(extension.parsed_extension(), &extension.oid.to_id_string())?);
            }
        }
        Ok(Self { public_key: info.subject_pki.raw.to_vec(), names })
    }

    /// SHA-256 of the public key.
    pub fn key_digest(&self) -> [u8; 32] {
        Sha256::digest(&self.public_key).into()
    }

    /// Refused, if it asks for any name but this actor's own: `path` as `org/…`, `uri` as `spiffe://…`.
    pub fn asks_for(&self, path: &str, uri: &str) -> Result<(), CsrError> {
        match self.names.iter().find(|name| *name != path && *name != uri) {
            None => Ok(()),
            Some(found) => Err(CsrError::Name { found: told(found) }),
        }
    }
}

fn verify(request: &X509CertificationRequest<'_>, message: &[u8]) -> Result<(), CsrError> {
    let key = &request.certification_request_info.subject_pki;
    let signed_with = request.signature_algorithm.algorithm.to_id_string();
    let algorithms: &[(&str, &dyn SignatureVerificationAlgorithm)] = match kind(key) {
        Some(Kind::P256) => &[("1.2.840.10045.4.3.2", ECDSA_P256_SHA256), ("1.2.840.10045.4.3.3", ECDSA_P256_SHA384)],
        Some(Kind::P384) => &[("1.2.840.10045.4.3.2", ECDSA_P384_SHA256), ("1.2.840.10045.4.3.3", ECDSA_P384_SHA384)],
        Some(Kind::Ed25519) => &[("1.3.101.112", ED25519)],
        None => return Err(CsrError::KeyKind),
    };
    let (_, algorithm) = algorithms.iter().find(|(oid, _)| *oid == signed_with).ok_or(CsrError::Signature)?;
    let der = SubjectPublicKeyInfoDer::from(key.raw);
    let entity = webpki::RawPublicKeyEntity::try_from(&der).map_err(|_| CsrError::Malformed)?;
    entity.verify_signature(*algorithm, message, &request.signature_value.data).map_err(|_| CsrError::Signature)
}

enum Kind {
    P256,
    P384,
    Ed25519,
}

fn kind(key: &SubjectPublicKeyInfo<'_>) -> Option<Kind> {
    let curve = || key.algorithm.parameters.as_ref()?.as_oid().ok().map(|oid| oid.to_id_string());
    match key.algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.10045.2.1" => match curve()?.as_str() {
            "1.2.840.10045.3.1.7" => Some(Kind::P256),
            "1.3.132.0.34" => Some(Kind::P384),
            _ => None,
        },
        "1.3.101.112" => Some(Kind::Ed25519),
        _ => None,
    }
}

/// The names that an extension asks for. Of the others, those that ask for what every caller gets.
fn names_of(extension: &ParsedExtension<'_>, oid: &str) -> Result<Vec<String>, CsrError> {
    match extension {
        ParsedExtension::SubjectAlternativeName(names) => Ok(names
            .general_names
            .iter()
            .map(|name| match name {
                GeneralName::URI(uri) => (*uri).to_owned(),
                other => other.to_string(),
            })
            .collect()),
        ParsedExtension::BasicConstraints(constraints) if constraints.ca => Err(CsrError::Authority),
        ParsedExtension::BasicConstraints(_) => Ok(Vec::new()),
        ParsedExtension::KeyUsage(usage) if usage.key_cert_sign() || usage.crl_sign() => Err(CsrError::Authority),
        ParsedExtension::KeyUsage(KeyUsage { flags: 1 }) => Ok(Vec::new()),
        ParsedExtension::ExtendedKeyUsage(ExtendedKeyUsage {
            any: false,
            server_auth: false,
            client_auth: true,
            code_signing: false,
            email_protection: false,
            time_stamping: false,
            ocsp_signing: false,
            other,
        }) if other.is_empty() => Ok(Vec::new()),
        ParsedExtension::KeyUsage(_) | ParsedExtension::ExtendedKeyUsage(_) => Err(CsrError::Usage),
        _ => Err(CsrError::Extension { what: told(oid) }),
    }
}

/// As much of what was asked for as is told back: the asker chose its length.
fn told(text: &str) -> String {
    text.chars().take(limits::URI_NAME_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
        KeyUsagePurpose, SanType,
    };

    use super::*;

    const PATH: &str = "org/region-c/user/anna";
    const URI: &str = "spiffe://test.example/org/region-c/user/anna";

    fn made(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        made_by(&KeyPair::generate().expect("a key"), change)
    }

    fn made_by(key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        change(&mut params);
        params.serialize_request(key).expect("a request").der().to_vec()
    }

    fn asked(der: &[u8]) -> Result<SigningRequest, CsrError> {
        let request = SigningRequest::read(der)?;
        request.asks_for(PATH, URI).map(|()| request)
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().expect("ASCII"))
    }

    #[test]
    fn a_request_without_names_or_with_the_right_ones_is_taken_for_its_key() {
        for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
            let key = KeyPair::generate_for(algorithm).expect("a key");
            let request = asked(&made_by(&key, |_| {})).expect("taken");
            assert_eq!(request.public_key, rcgen::PublicKeyData::subject_public_key_info(&key));
        }
        let named = made(|params| {
            params.distinguished_name.push(DnType::CommonName, PATH);
            params.subject_alt_names = vec![uri(URI)];
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        });
        asked(&named).expect("taken");
    }

    #[test]
    fn a_request_for_more_than_the_invite_gives_is_refused_for_that() {
        let name = |change: fn(&mut CertificateParams)| matches!(asked(&made(change)), Err(CsrError::Name { .. }));
        assert!(name(|params| params.subject_alt_names = vec![uri("spiffe://test.example/org/cert-se/user/anna")]));
        assert!(name(|params| params.subject_alt_names = vec![uri(URI), uri("spiffe://test.example/org/a/user/b")]));
        assert!(name(
            |params| params.subject_alt_names = vec![SanType::DnsName("broker.example".try_into().expect("a name"))]
        ));
        assert!(name(|params| params.distinguished_name.push(DnType::OrganizationName, "CERT-SE")));
        let refused = |change: fn(&mut CertificateParams)| asked(&made(change)).expect_err("refused");
        assert_eq!(refused(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), CsrError::Authority);
        assert_eq!(refused(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]), CsrError::Authority);
        assert_eq!(
            refused(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
            CsrError::Usage
        );
    }

    #[test]
    fn what_is_not_signed_cut_huge_or_of_a_weak_key_is_refused() {
        let good = made(|_| {});
        for at in 0..good.len() {
            assert!(SigningRequest::read(&good[..at]).is_err(), "cut at {at}");
        }
        let mut forged = good.clone();
        let end = forged.len() - 1;
        forged[end] ^= 1;
        assert!(matches!(SigningRequest::read(&forged), Err(CsrError::Signature | CsrError::Malformed)));
        let mut longer = good.clone();
        longer.push(0);
        assert_eq!(SigningRequest::read(&longer), Err(CsrError::Malformed));
        assert!(matches!(SigningRequest::read(&vec![0x30; 100_000]), Err(CsrError::TooLong { bytes: 100_000 })));
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512);
        if let Ok(key) = key {
            assert_eq!(SigningRequest::read(&made_by(&key, |_| {})), Err(CsrError::KeyKind));
        }
    }
}
