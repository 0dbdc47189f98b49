//! How are certificates made?
//!
//! An [`Authority`] issues certificates for servers and for actors: P-256 keys, random serial numbers, one name each, one
//! usage each. What it makes is written to a directory with the key readable by its owner only; nothing is overwritten
//! unless told. Any other tool will do as well: `certs/README.md` says what a certificate must look like. Leans on rcgen.
//! Tested below, and by every handshake in `tests/it/identity.rs`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use uuid::Uuid;

use super::name::TrustDomain;
use super::summary::{CertificateSummary, Subject};
use crate::limits;
use crate::room::ids::{Actor, Timestamp};

/// The authority's certificate, in its own directory and beside every certificate that it issued.
pub const AUTHORITY_FILE: &str = "ca.pem";
/// The authority's private key, in its own directory.
pub const AUTHORITY_KEY_FILE: &str = "ca-key.pem";
/// A server's or actor's certificate.
pub const CERTIFICATE_FILE: &str = "certificate.pem";
/// A server's or actor's private key.
pub const KEY_FILE: &str = "key.pem";

/// The longest common name that X.520 allows.
const COMMON_NAME_CHARS_MAX: usize = 64;

/// What to do with files that are there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Existing {
    /// Leave them, write nothing and say so.
    Refuse,
    /// Replace them, each in one step.
    Replace,
}

/// Why no certificate was made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// A file is there already.
    #[error("{path}: exists already and is not overwritten")]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory holds something else than an authority of ours.
    #[error("{path}: is no authority's certificate: {problem}")]
    NotAnAuthority {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Not a private key, or that of another certificate.
    #[error("{path}: is not the private key of the authority beside it")]
    WrongKey {
        /// Which.
        path: PathBuf,
    },
    /// Zero days, or too many.
    #[error("{days} days: must be 1 to {max}")]
    Days {
        /// As asked for.
        days: u32,
        /// The most that is allowed.
        max: u32,
    },
    /// The certificate would last longer than the authority.
    #[error("{days} days: the authority itself ends before that; ask for fewer days or make a new authority")]
    AuthorityEnds {
        /// As asked for.
        days: u32,
    },
    /// A server without a name can't be checked by its clients.
    #[error("a server needs at least one host name or IP address")]
    NoServerName,
    /// Not a host name, nor an IP address.
    #[error("{name:?}: is neither a host name nor an IP address")]
    BadServerName {
        /// As asked for.
        name: String,
    },
    /// The library could not; not for a reason that we know of.
    #[error("the certificate could not be made: {0}")]
    Library(#[from] rcgen::Error),
}

/// Issues certificates for one trust domain.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    trust_domain: TrustDomain,
    not_after: Timestamp,
}

impl Authority {
    /// A new authority with a key of its own. `name` is shown as the issuer; `days` at most
    /// [`limits::AUTHORITY_DAYS_MAX`]. Nothing is written yet.
    pub fn create(trust_domain: &TrustDomain, name: &str, days: u32, now: Timestamp) -> Result<Self, IssueError> {
        let mut params = params(name, days, limits::AUTHORITY_DAYS_MAX, now)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // Remembers the trust domain, so that whoever issues need not say it again.
        params.subject_alt_names = vec![SanType::URI(trust_domain.authority_uri().try_into()?)];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate_pem = params.self_signed(&key)?.pem();
        let not_after = Timestamp(params.not_after.unix_timestamp() * 1_000_000);
        Ok(Self { issuer: Issuer::new(params, key), certificate_pem, trust_domain: trust_domain.clone(), not_after })
    }

    /// The authority in this directory, as [`Self::write`] left it.
    pub fn load(directory: &Path) -> Result<Self, IssueError> {
        let (path, key_path) = (directory.join(AUTHORITY_FILE), directory.join(AUTHORITY_KEY_FILE));
        let certificate_pem = read(&path)?;
        let not_an_authority = |problem: String| IssueError::NotAnAuthority { path: path.clone(), problem };
        let summary = CertificateSummary::of_pem(certificate_pem.as_bytes())
            .map_err(|error| not_an_authority(error.to_string()))?;
        let trust_domain = match summary.subject {
            Subject::Authority { trust_domain: Some(trust_domain) } => trust_domain,
            Subject::Authority { trust_domain: None } => {
                return Err(not_an_authority("it has no URI name spiffe://<trust-domain>".into()));
            }
            Subject::Server { .. } | Subject::Actor { .. } | Subject::Unusable { .. } => {
                return Err(not_an_authority("it may not issue certificates (CA:FALSE)".into()));
            }
        };
        let wrong_key = || IssueError::WrongKey { path: key_path.clone() };
        let key = KeyPair::from_pem(&read(&key_path)?).map_err(|_| wrong_key())?;
        if summary.public_key != rcgen::PublicKeyData::subject_public_key_info(&key) {
            return Err(wrong_key());
        }
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key)?;
        Ok(Self { issuer, certificate_pem, trust_domain, not_after: summary.not_after })
    }

    /// Writes certificate and key to a directory, which is made if need be.
    pub fn write(&self, directory: &Path, existing: Existing) -> Result<(), IssueError> {
        let files = [
            PemFile { name: AUTHORITY_KEY_FILE, pem: &self.issuer.key().serialize_pem(), mode: 0o600 },
            PemFile { name: AUTHORITY_FILE, pem: &self.certificate_pem, mode: 0o644 },
        ];
        write_all(directory, &files, existing)
    }

    /// The authority's certificate: what servers and clients need to trust what it issues.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// For whose names it issues.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// When it ends, and with it all that it issued.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// A certificate for a server that clients reach by these host names and IP addresses; `days` at most
    /// [`limits::LEAF_DAYS_MAX`].
    pub fn issue_server(&self, names: &[String], days: u32, now: Timestamp) -> Result<Issued, IssueError> {
        let first = names.first().ok_or(IssueError::NoServerName)?;
        let common_name = if first.len() <= COMMON_NAME_CHARS_MAX { first } else { "samverkan server" };
        let mut params = self.leaf(common_name, ExtendedKeyUsagePurpose::ServerAuth, days, now)?;
        params.subject_alt_names = names.iter().map(|name| server_name(name)).collect::<Result<_, _>>()?;
        self.sign(&params)
    }

    /// A certificate with which a person or program calls; `days` at most [`limits::LEAF_DAYS_MAX`].
    pub fn issue_actor(&self, actor: &Actor, days: u32, now: Timestamp) -> Result<Issued, IssueError> {
        self.sign(&self.for_actor(actor, days, now)?)
    }

    /// The same for a key that its owner keeps: the public key (SubjectPublicKeyInfo, DER) in, the certificate (DER) out.
    pub fn certify(&self, actor: &Actor, public_key: &[u8], days: u32, now: Timestamp) -> Result<Vec<u8>, IssueError> {
        let key = SubjectPublicKeyInfo::from_der(public_key)?;
        Ok(self.for_actor(actor, days, now)?.signed_by(&key, &self.issuer)?.der().to_vec())
    }

    fn for_actor(&self, actor: &Actor, days: u32, now: Timestamp) -> Result<CertificateParams, IssueError> {
        // The common name is for people who look at the certificate; it is never read back.
        let path = actor.to_string();
        let common_name = if path.len() <= COMMON_NAME_CHARS_MAX { &path } else { actor.name() };
        let mut params = self.leaf(common_name, ExtendedKeyUsagePurpose::ClientAuth, days, now)?;
        params.subject_alt_names = vec![SanType::URI(self.trust_domain.uri(actor).try_into()?)];
        Ok(params)
    }

    fn leaf(
        &self,
        common_name: &str,
        usage: ExtendedKeyUsagePurpose,
        days: u32,
        now: Timestamp,
    ) -> Result<CertificateParams, IssueError> {
        let mut params = params(common_name, days, limits::LEAF_DAYS_MAX, now)?;
        if params.not_after.unix_timestamp() * 1_000_000 > self.not_after.0 {
            return Err(IssueError::AuthorityEnds { days });
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }

    fn sign(&self, params: &CertificateParams) -> Result<Issued, IssueError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            authority_pem: self.certificate_pem.clone(),
        })
    }
}

fn params(common_name: &str, days: u32, max: u32, now: Timestamp) -> Result<CertificateParams, IssueError> {
    if !(1..=max).contains(&days) {
        return Err(IssueError::Days { days, max });
    }
    let now = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_micros(now.0.max(0).unsigned_abs());
    let mut params = CertificateParams::default();
    params.not_before = now - limits::CERTIFICATE_BACKDATE;
    params.not_after = now + Duration::from_secs(u64::from(days) * 24 * 60 * 60);
    params.serial_number = Some(random_serial());
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params)
}

/// 122 random bits. The first bit is cleared, since a serial number is positive.
fn random_serial() -> SerialNumber {
    let mut bytes = *Uuid::new_v4().as_bytes();
    bytes[0] &= 0x7f;
    SerialNumber::from_slice(&bytes)
}

fn server_name(name: &str) -> Result<SanType, IssueError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let bad = || IssueError::BadServerName { name: name.into() };
    match rustls::pki_types::DnsName::try_from(name) {
        Ok(_) => Ok(SanType::DnsName(name.try_into().map_err(|_| bad())?)),
        Err(_) => Err(bad()),
    }
}

/// A new certificate and its key. Has no `Debug`, since it holds the key.
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: String,
    /// The certificate of the authority that issued it.
    pub authority_pem: String,
}

impl Issued {
    /// Writes [`KEY_FILE`] (readable by its owner only), [`CERTIFICATE_FILE`] and [`AUTHORITY_FILE`] to a directory, which is
    /// made if need be.
    pub fn write(&self, directory: &Path, existing: Existing) -> Result<(), IssueError> {
        let files = [
            PemFile { name: KEY_FILE, pem: &self.key_pem, mode: 0o600 },
            PemFile { name: CERTIFICATE_FILE, pem: &self.certificate_pem, mode: 0o644 },
            PemFile { name: AUTHORITY_FILE, pem: &self.authority_pem, mode: 0o644 },
        ];
        write_all(directory, &files, existing)
    }
}

/// A new P-256 key, PEM.
pub fn new_key() -> Result<String, IssueError> {
    Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?.serialize_pem())
}

/// A signing request, DER, for a key, PEM. It asks for no names: the authority knows them.
pub fn signing_request(key_pem: &str) -> Result<Vec<u8>, IssueError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(&KeyPair::from_pem(key_pem)?)?.der().to_vec())
}

struct PemFile<'a> {
    name: &'a str,
    pem: &'a str,
    mode: u32,
}

fn write_all(directory: &Path, files: &[PemFile<'_>], existing: Existing) -> Result<(), IssueError> {
    let io_error = |path: &Path| {
        let path = path.to_owned();
        move |source| IssueError::Io { path, source }
    };
    fs::create_dir_all(directory).map_err(io_error(directory))?;
    let mut missing = Vec::new();
    for file in files {
        let path = directory.join(file.name);
        match fs::read(&path) {
            // The same authority beside several certificates of it.
            Ok(content) if content == file.pem.as_bytes() => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push((file, path)),
            Ok(_) | Err(_) => match existing {
                Existing::Refuse => return Err(IssueError::Exists { path }),
                Existing::Replace => missing.push((file, path)),
            },
        }
    }
    for (file, path) in missing {
        let target = match existing {
            Existing::Refuse => path.clone(),
            Existing::Replace => directory.join(format!(".{}.{}", file.name, Uuid::new_v4())),
        };
        // Created with its mode: a key that is readable by others for an instant has been read.
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(file.mode);
        let write = |mut opened: File| opened.write_all(file.pem.as_bytes()).and_then(|()| opened.sync_all());
        options.open(&target).and_then(write).map_err(io_error(&target))?;
        if target != path {
            fs::rename(&target, &path).map_err(io_error(&path))?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, IssueError> {
    fs::read_to_string(path).map_err(|source| IssueError::Io { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn authority() -> Authority {
        let domain = "test.example".parse().expect("a trust domain");
        Authority::create(&domain, "test CA", 30, crate::identity::now()).expect("created")
    }

    fn actor() -> Actor {
        "org/region-a/user/anna".parse().expect("an actor")
    }

    #[test]
    fn a_key_is_readable_by_its_owner_only_and_never_overwritten_unasked() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("anna");
        let issue = || authority().issue_actor(&actor(), 1, crate::identity::now()).expect("issued");
        let key = || fs::read_to_string(path.join(KEY_FILE)).expect("a key");

        let first = issue();
        first.write(&path, Existing::Refuse).expect("written");
        assert_eq!(fs::metadata(path.join(KEY_FILE)).expect("a key").mode() & 0o777, 0o600);

        let second = issue();
        assert!(matches!(second.write(&path, Existing::Refuse), Err(IssueError::Exists { .. })));
        assert_eq!(key(), first.key_pem);

        second.write(&path, Existing::Replace).expect("replaced");
        assert_eq!(key(), second.key_pem);
        assert_eq!(fs::metadata(path.join(KEY_FILE)).expect("a key").mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&path).expect("a directory").count(), 3, "no temporary file is left");
    }

    #[test]
    fn an_authority_reads_back_as_it_was_written_and_refuses_another_key() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, other_path) = (directory.path().join("one"), directory.path().join("other"));
        let written = authority();
        written.write(&path, Existing::Refuse).expect("written");
        authority().write(&other_path, Existing::Refuse).expect("written");

        let loaded = Authority::load(&path).expect("loaded");
        assert_eq!(loaded.certificate_pem(), written.certificate_pem());
        assert_eq!(loaded.trust_domain(), written.trust_domain());

        fs::copy(other_path.join(AUTHORITY_KEY_FILE), path.join(AUTHORITY_KEY_FILE)).expect("copied");
        assert!(matches!(Authority::load(&path), Err(IssueError::WrongKey { .. })));

        let leaf = written.issue_actor(&actor(), 1, crate::identity::now()).expect("issued");
        fs::write(path.join(AUTHORITY_FILE), leaf.certificate_pem).expect("written");
        assert!(matches!(Authority::load(&path), Err(IssueError::NotAnAuthority { .. })));
    }

    #[test]
    fn a_certificate_lasts_neither_too_long_nor_longer_than_its_authority() {
        let now = crate::identity::now();
        for days in [0, limits::LEAF_DAYS_MAX + 1, u32::MAX] {
            assert!(matches!(authority().issue_actor(&actor(), days, now), Err(IssueError::Days { .. })), "{days}");
        }
        assert!(matches!(authority().issue_actor(&actor(), 31, now), Err(IssueError::AuthorityEnds { days: 31 })));
    }

    #[test]
    fn two_certificates_never_share_a_serial_number() {
        let summary = || {
            let issued = authority().issue_actor(&actor(), 1, crate::identity::now()).expect("issued");
            CertificateSummary::of_pem(issued.certificate_pem.as_bytes()).expect("read")
        };
        assert_ne!(summary().serial, summary().serial);
    }

    #[test]
    fn a_server_is_named_by_hosts_and_addresses_only() {
        let issue = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            authority().issue_server(&names, 1, crate::identity::now()).map(drop)
        };
        issue(&["localhost", "127.0.0.1", "::1", "broker.cert.example"]).expect("good names");
        assert!(matches!(issue(&[]), Err(IssueError::NoServerName)));
        for bad in ["", "https://broker", "a b", "bröker", "host:7443"] {
            assert!(matches!(issue(&[bad]), Err(IssueError::BadServerName { .. })), "{bad}");
        }
    }
}
