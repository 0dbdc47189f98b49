//! Certificates that the product would never issue, signed by an authority that it trusts.

use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, RevokedCertParams, SanType, SerialNumber,
};
use samverkan::identity::issue::{AUTHORITY_FILE, AUTHORITY_KEY_FILE, CERTIFICATE_FILE, KEY_FILE};
use samverkan::identity::{Authority, Existing, KeyedCertificate, TrustDomain};
use samverkan::room::ids::Timestamp;

pub(crate) const TRUST_DOMAIN: &str = "test.example";
pub(crate) const ANNA: &str = "spiffe://test.example/org/region-a/user/anna";

/// What a certificate for Anna looks like; tests change one thing.
pub(crate) struct Wish {
    pub(crate) uris: Vec<String>,
    pub(crate) usage: Vec<ExtendedKeyUsagePurpose>,
    pub(crate) is_ca: IsCa,
    /// Seconds from now.
    pub(crate) valid: (i64, i64),
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            uris: vec![ANNA.into()],
            usage: vec![ExtendedKeyUsagePurpose::ClientAuth],
            is_ca: IsCa::ExplicitNoCa,
            valid: (-60, 3600),
        }
    }
}

pub(crate) fn uris(uris: &[&str]) -> Wish {
    Wish { uris: uris.iter().map(ToString::to_string).collect(), ..Wish::default() }
}

pub(crate) fn ca_leaf() -> Wish {
    Wish { is_ca: IsCa::Ca(BasicConstraints::Unconstrained), ..Wish::default() }
}

pub(crate) fn now() -> Timestamp {
    let since_epoch =
        std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).expect("after 1970");
    Timestamp(i64::try_from(since_epoch.as_micros()).expect("before the year 294000"))
}

/// A throwaway authority, and the key that the product keeps to itself.
pub(crate) struct Forge {
    pub(crate) authority: Authority,
    issuer: Issuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Forge {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let trust_domain: TrustDomain = TRUST_DOMAIN.parse().expect("a trust domain");
        let authority = Authority::create(&trust_domain, "test CA", 30, now()).expect("an authority");
        authority.write(directory.path(), Existing::Refuse).expect("written");
        let key = std::fs::read_to_string(directory.path().join(AUTHORITY_KEY_FILE)).expect("a key");
        let key = KeyPair::from_pem(&key).expect("a key");
        let issuer = Issuer::from_ca_cert_pem(authority.certificate_pem(), key).expect("an issuer");
        Self { authority, issuer, directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn roots(&self) -> rustls::RootCertStore {
        samverkan::identity::tls::load_authorities(&self.path().join(AUTHORITY_FILE)).expect("roots")
    }

    /// As the product issues it.
    pub(crate) fn actor(&self, actor: &str) -> KeyedCertificate {
        let issued = self.authority.issue_actor(&actor.parse().expect("an actor"), 1, now()).expect("issued");
        self.load(&issued.certificate_pem, &issued.key_pem)
    }

    /// As the product issues it.
    pub(crate) fn server(&self) -> KeyedCertificate {
        let issued = self.authority.issue_server(&["localhost".into(), "127.0.0.1".into()], 1, now()).expect("issued");
        self.load(&issued.certificate_pem, &issued.key_pem)
    }

    /// As wished for.
    pub(crate) fn forged(&self, wish: Wish) -> KeyedCertificate {
        let (params, key) = (Self::params(wish), KeyPair::generate().expect("a key"));
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        self.load(&certificate.pem(), &key.serialize_pem())
    }

    /// Good, but signed with its own key, under this name.
    pub(crate) fn self_signed(&self, name: &str) -> KeyedCertificate {
        let (mut params, key) = (Self::params(Wish::default()), KeyPair::generate().expect("a key"));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).expect("signed");
        self.load(&certificate.pem(), &key.serialize_pem())
    }

    /// Good, but of an authority of another name.
    pub(crate) fn of_another_authority(&self) -> KeyedCertificate {
        let domain = TRUST_DOMAIN.parse().expect("a trust domain");
        let other = Authority::create(&domain, "other CA", 30, now()).expect("an authority");
        let issued = other.issue_actor(&"org/region-a/user/anna".parse().expect("an actor"), 1, now()).expect("issued");
        self.load(&issued.certificate_pem, &issued.key_pem)
    }

    /// Good, so many authorities below ours, and with so many certificates more that nobody needs.
    pub(crate) fn deep(&self, depth: usize, more: usize) -> KeyedCertificate {
        let mut issuers: Vec<Issuer<'static, KeyPair>> = Vec::new();
        let mut chain = Vec::new();
        for n in 0..depth {
            let mut params = Self::params(ca_leaf());
            params.subject_alt_names.clear();
            params.distinguished_name.push(DnType::CommonName, format!("authority {n}"));
            params.extended_key_usages.clear();
            let key = KeyPair::generate().expect("a key");
            let certificate = params.signed_by(&key, issuers.last().unwrap_or(&self.issuer)).expect("signed");
            chain.insert(0, certificate.pem());
            issuers.push(Issuer::new(params, key));
        }
        let key = KeyPair::generate().expect("a key");
        let leaf = Self::params(Wish::default()).signed_by(&key, issuers.last().unwrap_or(&self.issuer));
        chain.insert(0, leaf.expect("signed").pem());
        let last = chain.last().expect("there is one").clone();
        chain.extend(std::iter::repeat_n(last, more));
        self.load(&chain.concat(), &key.serialize_pem())
    }

    /// Of an authority that nobody knows, with so many certificates that could all be that authority's, each issued by any other of
    /// them: as many ways to look for a trusted one as there are orders of them.
    pub(crate) fn maze(&self, authorities: usize) -> KeyedCertificate {
        let mut params = Self::params(ca_leaf());
        params.subject_alt_names.clear();
        params.extended_key_usages.clear();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "m");
        let key = || KeyPair::generate().expect("a key");
        let minotaur = Issuer::new(params.clone(), key());
        let leaf_key = key();
        let mut chain = vec![Self::params(Wish::default()).signed_by(&leaf_key, &minotaur).expect("signed").pem()];
        chain.extend((0..authorities).map(|_| params.signed_by(&key(), &minotaur).expect("signed").pem()));
        self.load(&chain.concat(), &leaf_key.serialize_pem())
    }

    fn params(wish: Wish) -> CertificateParams {
        let at = |seconds: i64| {
            let epoch = rcgen::date_time_ymd(1970, 1, 1);
            epoch + Duration::from_secs(u64::try_from(now().0 / 1_000_000 + seconds).expect("after 1970"))
        };
        let mut params = CertificateParams::default();
        params.not_before = at(wish.valid.0);
        params.not_after = at(wish.valid.1);
        params.is_ca = wish.is_ca;
        params.extended_key_usages = wish.usage;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "org/region-a/user/anna");
        params.subject_alt_names = vec![SanType::DnsName("anna.example".try_into().expect("a name"))];
        let uri = |uri: String| SanType::URI(uri.try_into().expect("ASCII"));
        params.subject_alt_names.extend(wish.uris.into_iter().map(uri));
        params
    }

    /// A revocation list of this authority: these serial numbers, valid from and to so many seconds from now. As DER.
    pub(crate) fn list(&self, serials: &[&[u8]], valid: (i64, i64)) -> Vec<u8> {
        let at = |seconds: i64| {
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs((now().0 / 1_000_000 + seconds) as u64)
        };
        let revoked = |serial: &&[u8]| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial),
            revocation_time: at(valid.0),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: at(valid.0),
            next_update: at(valid.1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("signed").der().to_vec()
    }

    pub(crate) fn authority_itself(&self) -> KeyedCertificate {
        KeyedCertificate::load(&self.path().join(AUTHORITY_FILE), &self.path().join(AUTHORITY_KEY_FILE))
            .expect("loaded")
    }

    fn load(&self, certificate: &str, key: &str) -> KeyedCertificate {
        let directory = tempfile::tempdir_in(self.path()).expect("a directory");
        let (certificate_path, key_path) = (directory.path().join(CERTIFICATE_FILE), directory.path().join(KEY_FILE));
        std::fs::write(&certificate_path, certificate).expect("written");
        std::fs::write(&key_path, key).expect("written");
        KeyedCertificate::load(&certificate_path, &key_path).expect("loaded")
    }
}
