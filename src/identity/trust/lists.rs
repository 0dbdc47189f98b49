//! May this revocation list be relied on? Read, signed by an authority of ours, current: checked before a handshake depends on it.
//!
//! What webpki would only find out while a client waits is found out here. Parsing runs under `catch_unwind`: parsers of revocation
//! lists have panicked before, on bytes whose signature nobody had looked at yet. Tested in `tests/it/trust.rs`.

use std::panic;
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateRevocationListDer, TrustAnchor};
use x509_parser::asn1_rs::{Any, FromDer as _};
use x509_parser::revocation_list::CertificateRevocationList;

use crate::identity::name::timestamp;
use crate::identity::tls::{self, TlsFileError, provider};
use crate::limits;
use crate::room::ids::Timestamp;

/// A list that was checked, and whose it is.
pub(super) struct List {
    pub(super) der: CertificateRevocationListDer<'static>,
    /// The index of its authority among those given.
    pub(super) authority: usize,
    pub(super) next_update: Timestamp,
}

/// The lists in a file, PEM or DER, each of one of these authorities.
pub(super) fn load(path: &Path, authorities: &[&TrustAnchor<'_>], now: Timestamp) -> Result<Vec<List>, TlsFileError> {
    let bad = |problem: String| TlsFileError::BadList { path: path.into(), problem };
    let bytes = tls::read(path)?;
    if bytes.len() > limits::REVOCATION_LIST_BYTES_MAX {
        let max = limits::REVOCATION_LIST_BYTES_MAX;
        return Err(bad(format!("the file has {} bytes, at most {max} are read", bytes.len())));
    }
    let is_der = bytes.first() == Some(&0x30);
    let lists = if is_der {
        vec![CertificateRevocationListDer::from(bytes)]
    } else {
        let lists = CertificateRevocationListDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
        lists.map_err(|error| TlsFileError::Malformed { path: path.into(), problem: error.to_string() })?
    };
    if lists.is_empty() {
        return Err(TlsFileError::NoList { path: path.into() });
    }
    let check = |der: CertificateRevocationListDer<'static>| {
        let checked = panic::catch_unwind(|| check(&der, authorities, now));
        let (authority, next_update) = checked.unwrap_or_else(|_| Err("it cannot be parsed".into())).map_err(bad)?;
        Ok(List { der, authority, next_update })
    };
    lists.into_iter().map(check).collect()
}

/// Whose list it is, and until when it holds.
fn check(der: &[u8], authorities: &[&TrustAnchor<'_>], now: Timestamp) -> Result<(usize, Timestamp), String> {
    webpki::BorrowedCertRevocationList::from_der(der).map_err(|error| match error {
        webpki::Error::BadDer | webpki::Error::TrailingData(_) => "it is not well-formed".to_owned(),
        error => format!("it is of a kind that is not supported ({error:?}); a complete, direct list is"),
    })?;
    let (_, list) = CertificateRevocationList::from_der(der).map_err(|error| format!("it is not X.509: {error}"))?;
    let issuer = contents(list.tbs_cert_list.issuer.as_raw());
    let named = || authorities.iter().enumerate().filter(|(_, authority)| Some(authority.subject.as_ref()) == issuer);
    let (message, signature) = (list.tbs_cert_list.as_ref(), &*list.signature_value.data);
    let authority = named().find(|(_, authority)| is_signed_by(authority, message, signature)).map(|(index, _)| index);
    let authority = authority.ok_or_else(|| {
        let name = list.issuer();
        match named().next() {
            Some(_) => format!("it is not signed with the key of the authority that it names, {name}"),
            None => format!("it is of {name}, which is no authority in tls.client_roots or tls.issuers"),
        }
    })?;
    if timestamp(list.last_update()) > now {
        return Err(format!("it is of the future ({}); compare the clocks", list.last_update()));
    }
    let next_update = list.next_update().ok_or("it does not say when the next one comes (nextUpdate)")?;
    if timestamp(next_update) <= now {
        return Err(format!("it expired on {next_update}; get the authority's newest"));
    }
    Ok((authority, timestamp(next_update)))
}

/// What an outermost DER tag holds.
fn contents(der: &[u8]) -> Option<&[u8]> {
    Any::from_der(der).ok().map(|(_, any)| any.data)
}

/// Whether any algorithm that handshakes accept verifies it. Which one the list says it is, webpki compares for each certificate.
fn is_signed_by(authority: &TrustAnchor<'_>, message: &[u8], signature: &[u8]) -> bool {
    let key = || {
        let (rest, _algorithm) = Any::from_der(&authority.subject_public_key_info).ok()?;
        let (_, key) = Any::from_der(rest).ok()?;
        // A bit string, whose first byte counts the bits that its last one lacks.
        key.data.split_first().map(|(_, key)| key)
    };
    let Some(key) = key() else { return false };
    let algorithms = provider().signature_verification_algorithms.all;
    algorithms.iter().any(|algorithm| algorithm.verify_signature(key, message, signature).is_ok())
}
