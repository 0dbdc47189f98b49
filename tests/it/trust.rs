//! Whom a running server trusts, as that changes: authorities and their bounds, revocation lists, new files, over real sockets.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use samverkan::identity::issue::{AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE};
use samverkan::identity::tls::{KeyExchange, client_config};
use samverkan::identity::{
    Accepted, Acceptor, Access, ConnectionLimits, Connections, Ended, Existing, IssuerFile, KeyedCertificate, Refused,
    ServerTls, TrustFiles, explain,
};
use samverkan::room::ids::Actor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::FromDer as _;

use super::identity::forge::{self, Forge, TRUST_DOMAIN};

mod process;
mod reload;

const ANNA: &str = "org/region-a/user/anna";
const BO: &str = "org/region-b/user/bo";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HOUR: i64 = 3600;

/// No single step takes this long, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(30);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: nothing happened in {PATIENCE:?}"))
}

/// Files of a server, which tests change: its own certificate, and the authority of `ours`.
struct Files {
    ours: Forge,
    folder: tempfile::TempDir,
    files: TrustFiles,
}

impl Files {
    fn new() -> Self {
        let (ours, folder) = (Forge::new(), tempfile::tempdir().expect("a folder"));
        let at = |file: &str| folder.path().join(file);
        let files = TrustFiles::new(at(CERTIFICATE_FILE), at(KEY_FILE), ours.path().join(AUTHORITY_FILE));
        let files = Self { ours, folder, files };
        files.new_certificate();
        files
    }

    fn at(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The server gets another certificate and key.
    fn new_certificate(&self) {
        let issued = self.ours.authority.issue_server(&["localhost".into(), "127.0.0.1".into()], 1, forge::now());
        issued.expect("issued").write(self.folder.path(), Existing::Replace).expect("written");
    }

    /// Puts this in a file and names it as a revocation list.
    fn list(&mut self, file: &str, content: impl AsRef<[u8]>) {
        fs::write(self.at(file), content).expect("written");
        if !self.files.revocation_lists.contains(&self.at(file)) {
            self.files.revocation_lists.push(self.at(file));
        }
    }

    /// Binds organisations to the authority of another forge.
    fn bind(&mut self, issuer: &Forge, organisations: &[&str]) {
        let organisations = organisations.iter().map(|id| id.parse().expect("an id")).collect();
        let certificate = issuer.path().join(AUTHORITY_FILE);
        self.files.issuers.push(IssuerFile { certificate, organisations });
    }

    fn load(&self) -> Result<samverkan::identity::Trusted, String> {
        let trust_domain = TRUST_DOMAIN.parse().expect("a trust domain");
        self.files.load(&trust_domain, forge::now()).map_err(|error| error.to_string())
    }

    fn tls(&self, access: Arc<dyn Access>) -> Arc<ServerTls> {
        Arc::new(self.load().expect("good files").tls(access).expect("settings"))
    }
}

/// Whoever is named here is revoked.
#[derive(Debug, Default)]
pub(crate) struct Revoked(std::sync::Mutex<Vec<(Actor, Ended)>>);

impl Revoked {
    pub(crate) fn revoke(&self, actor: &str, ended: Ended) {
        self.0.lock().expect("not poisoned").push((actor.parse().expect("an actor"), ended));
    }
}

impl Access for Revoked {
    fn ended(&self, actor: &Actor, _: &[u8; 32]) -> Option<Ended> {
        self.0.lock().expect("not poisoned").iter().find(|(revoked, _)| revoked == actor).map(|(_, ended)| *ended)
    }
}

struct Server {
    address: std::net::SocketAddr,
    files: Files,
    access: Arc<Revoked>,
    tls: watch::Sender<Arc<ServerTls>>,
    connections: Connections,
    accepted: mpsc::Receiver<Accepted>,
    refused: mpsc::UnboundedReceiver<Refused>,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Server {
    async fn start(files: Files) -> Self {
        let access = Arc::new(Revoked::default());
        let (tls, newest) = watch::channel(files.tls(access.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, refused) = mpsc::unbounded_channel();
        let acceptor = Acceptor::new(listener, newest, ConnectionLimits::default());
        let acceptor = acceptor.on_refused(move |_, refused| drop(sender.send(refused.clone())));
        let connections = acceptor.connections();
        let stop = CancellationToken::new();
        let accepted = acceptor.run(stop.clone());
        Self { address, files, access, tls, connections, accepted, refused, stop }
    }

    async fn connect(&self, certificate: &KeyedCertificate) -> std::io::Result<TlsStream<TcpStream>> {
        let config = client_config(certificate, self.files.ours.roots()).expect("settings");
        let tcp = TcpStream::connect(self.address).await?;
        soon("handshake", TlsConnector::from(config).connect(self.address.ip().into(), tcp)).await
    }

    /// This one gets in.
    async fn admits(&mut self, certificate: &KeyedCertificate) -> (TlsStream<TcpStream>, Accepted) {
        let client = self.connect(certificate).await.expect("connected");
        (client, soon("accept", self.accepted.recv()).await.expect("the acceptor runs"))
    }

    /// This one does not, for this reason, and is told something with `told` in it.
    async fn refuses(&mut self, certificate: &KeyedCertificate, reason: &Refused, told: &str) {
        let error = match self.connect(certificate).await {
            Err(error) => error,
            Ok(mut client) => {
                let _ = client.write_all(PREFACE).await;
                let end = soon("the end", client.read_to_end(&mut Vec::new())).await;
                end.err().unwrap_or(std::io::ErrorKind::UnexpectedEof.into())
            }
        };
        assert_eq!(soon("refusal", self.refused.recv()).await.as_ref(), Some(reason));
        let sentence = explain(&error).unwrap_or_else(|| panic!("{error:?} is not explained"));
        assert!(sentence.contains(told), "{sentence}");
        assert!(self.accepted.try_recv().is_err(), "nobody was let in");
    }
}

pub(crate) fn serial(certificate: &KeyedCertificate) -> Vec<u8> {
    let parsed = x509_parser::certificate::X509Certificate::from_der(certificate.certificate());
    parsed.expect("a certificate").1.raw_serial().to_vec()
}

#[tokio::test]
async fn a_certificate_on_its_authoritys_list_is_refused_and_others_are_not() {
    let mut files = Files::new();
    let (anna, bo) = (files.ours.actor(ANNA), files.ours.actor(BO));
    files.list("ours.crl", files.ours.list(&[&serial(&anna)], (-60, HOUR)));
    let mut server = Server::start(files).await;
    server.refuses(&anna, &Refused::RevokedByList, "on its authority's revocation list").await;
    server.admits(&bo).await;
}

#[tokio::test]
async fn a_list_that_expires_while_the_server_runs_admits_nobody_of_its_authority_any_more() {
    let mut files = Files::new();
    let anna = files.ours.actor(ANNA);
    files.list("ours.crl", files.ours.list(&[], (-60, 2)));
    let mut server = Server::start(files).await;
    while server.connect(&anna).await.is_ok_and(|_| server.refused.try_recv().is_err()) {
        let _ = server.accepted.try_recv();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while server.accepted.try_recv().is_ok() {}
    while server.refused.try_recv().is_ok() {}
    server.refuses(&anna, &Refused::ListExpired, "no valid revocation list").await;
}

#[tokio::test]
async fn an_authority_speaks_for_the_organisations_that_are_bound_to_it_and_for_no_other() {
    let mut files = Files::new();
    let theirs = Forge::new();
    files.bind(&theirs, &["region-a"]);
    let other = |id: &str| Refused::IssuerMayNotSpeakFor { organisation: id.parse().expect("an id") };
    let mut server = Server::start(files).await;
    server.admits(&theirs.actor(ANNA)).await;
    let told = "an authority that may speak for its organisation";
    server.refuses(&theirs.actor(BO), &other("region-b"), told).await;
    server.refuses(&theirs.actor("org/cert-se/user/cecilia"), &other("cert-se"), told).await;
    // What is bound is bound: ours does not speak for it any more, but for all others.
    server.refuses(&server.files.ours.actor(ANNA), &other("region-a"), told).await;
    server.admits(&server.files.ours.actor(BO)).await;
}

#[tokio::test]
async fn an_authority_that_is_named_twice_speaks_for_both() {
    let mut files = Files::new();
    let theirs = Forge::new();
    files.bind(&theirs, &["region-a"]);
    let ours = fs::read(files.ours.path().join(AUTHORITY_FILE)).expect("read");
    fs::write(files.at("ours.pem"), ours).expect("written");
    let organisations = vec!["region-a".parse().expect("an id")];
    files.files.issuers.push(IssuerFile { certificate: files.at("ours.pem"), organisations });
    let mut server = Server::start(files).await;
    for certificate in [theirs.actor(ANNA), server.files.ours.actor(ANNA), server.files.ours.actor(BO)] {
        server.admits(&certificate).await;
    }
}

#[tokio::test]
async fn the_list_of_one_authority_says_nothing_about_another() {
    let mut files = Files::new();
    let theirs = Forge::new();
    files.bind(&theirs, &["region-a"]);
    // Both authorities have the same name, and only their keys tell them apart.
    let (anna, bo) = (theirs.actor(ANNA), files.ours.actor(BO));
    files.list("theirs.crl", theirs.list(&[&serial(&anna), &serial(&bo)], (-60, HOUR)));
    let mut server = Server::start(files).await;
    server.refuses(&anna, &Refused::RevokedByList, "on its authority's revocation list").await;
    server.admits(&bo).await;
}

#[tokio::test]
async fn who_is_revoked_in_the_directory_is_refused_in_the_handshake() {
    let mut server = Server::start(Files::new()).await;
    let (anna, bo) = (server.files.ours.actor(ANNA), server.files.ours.actor(BO));
    server.access.revoke(ANNA, Ended::ActorRevoked);
    server.refuses(&anna, &Refused::Revoked, "the coordinator has revoked").await;
    server.admits(&bo).await;
}

#[tokio::test]
async fn post_quantum_key_exchange_can_be_required() {
    let mut files = Files::new();
    files.files.key_exchange = KeyExchange::Required;
    let mut server = Server::start(files).await;
    let anna = server.files.ours.actor(ANNA);
    let (_client, accepted) = server.admits(&anna).await;
    assert_eq!(accepted.caller.key_exchange, "X25519MLKEM768");

    let classical = rustls::crypto::CryptoProvider {
        kx_groups: vec![rustls::crypto::aws_lc_rs::kx_group::X25519],
        ..rustls::crypto::aws_lc_rs::default_provider()
    };
    let modern = client_config(&anna, server.files.ours.roots()).expect("settings");
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(classical))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("settings")
        .with_root_certificates(server.files.ours.roots())
        .with_client_cert_resolver(modern.client_auth_cert_resolver.clone());
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect(server.address).await.expect("connected");
    let error =
        TlsConnector::from(Arc::new(config)).connect(server.address.ip().into(), tcp).await.expect_err("refused");
    assert!(explain(&error).expect("explained").contains("key exchange in common"), "{error}");
    let refused = soon("refusal", server.refused.recv()).await;
    assert!(matches!(refused, Some(Refused::NothingInCommon(_))), "{refused:?}");
}

#[tokio::test]
async fn a_handshake_that_began_before_a_change_is_judged_by_what_holds_at_its_end() {
    let mut server = Server::start(Files::new()).await;
    let anna = server.files.ours.actor(ANNA);
    let (mut client, accepted) = server.admits(&anna).await;
    // As if the change had come between the handshake and its end: whoever is connected is asked again.
    server.access.revoke(ANNA, Ended::CertificateRevoked);
    let newest = server.tls.borrow().clone();
    let cut = server.connections.cut(|caller| newest.still_admits(caller, forge::now()).err().map(|(ended, _)| ended));
    assert_eq!(cut, 1);
    assert_eq!(accepted.caller.ended(), Some(Ended::CertificateRevoked));
    drop(accepted);
    let read = soon("the end", client.read_to_end(&mut Vec::new())).await;
    assert!(read.is_err() || read.is_ok_and(|read| read == 0));
}

/// Each changes one thing about good files, and says what must be told.
#[test]
fn files_that_cannot_be_relied_on_are_refused_with_what_is_wrong() {
    type Change = fn(&mut Files);
    let cases: [(&str, Change, &[&str]); 13] = [
        (
            "a key of another certificate",
            |files| {
                fs::write(files.at(KEY_FILE), rcgen::KeyPair::generate().expect("a key").serialize_pem())
                    .expect("written");
            },
            &["key.pem: is not the private key of the certificate in", "certificate.pem"],
        ),
        (
            "an expired certificate",
            |files| {
                let week = 7 * 24 * 3600 * 1_000_000;
                let then = samverkan::room::ids::Timestamp(forge::now().0 - week);
                let issued = files.ours.authority.issue_server(&["localhost".into()], 1, then).expect("issued");
                issued.write(files.folder.path(), Existing::Replace).expect("written");
            },
            &["certificate.pem: is not valid now: it expired on"],
        ),
        (
            "no certificate file",
            |files| fs::remove_file(files.at(CERTIFICATE_FILE)).expect("removed"),
            &["certificate.pem: no such file"],
        ),
        (
            "a folder in place of a list",
            |files| {
                fs::create_dir(files.at("a.crl")).expect("made");
                files.files.revocation_lists.push(files.at("a.crl"));
            },
            &["a.crl: cannot be read: "],
        ),
        (
            "roots that are none",
            |files| {
                fs::write(files.ours.path().join(AUTHORITY_FILE), "nothing").expect("written");
            },
            &["ca.pem: has no certificate in it"],
        ),
        (
            "an issuer that is none",
            |files| {
                let other = Forge::new();
                files.bind(&other, &["region-a"]);
            },
            &["ca.pem: no such file"],
        ),
        ("an empty list file", |files| files.list("a.crl", ""), &["a.crl: has no revocation list in it"]),
        (
            "a list of garbage",
            |files| files.list("a.crl", [0x30, 0x82, 0xff, 0xff, 1, 2, 3]),
            &["a.crl: has a revocation list that cannot be used: it is not well-formed"],
        ),
        (
            "a torn list",
            |files| {
                let list = files.ours.list(&[], (-60, HOUR));
                files.list("a.crl", &list[..list.len() / 2]);
            },
            &["a.crl: has a revocation list that cannot be used: it is not well-formed"],
        ),
        (
            "an expired list",
            |files| files.list("a.crl", files.ours.list(&[], (-HOUR, -60))),
            &["a.crl: has a revocation list that cannot be used: it expired on"],
        ),
        ("a list of tomorrow", |files| files.list("a.crl", files.ours.list(&[], (HOUR, 2 * HOUR))), &["of the future"]),
        (
            "a list signed by another key",
            |files| files.list("a.crl", Forge::new().list(&[], (-60, HOUR))),
            &[
                "a.crl: has a revocation list that cannot be used: it is not signed with the key of the authority that it names",
            ],
        ),
        (
            "two lists of one authority",
            |files| {
                files.list("a.crl", files.ours.list(&[], (-60, HOUR)));
                files.list("b.crl", files.ours.list(&[], (-30, HOUR)));
            },
            &["b.crl: has a revocation list that cannot be used: ", "a.crl has one of the same authority"],
        ),
    ];
    for (name, change, told) in cases {
        let mut files = Files::new();
        files.load().unwrap_or_else(|error| panic!("{name}: good before: {error}"));
        change(&mut files);
        let error = files.load().err().unwrap_or_else(|| panic!("{name}: is refused"));
        assert!(told.iter().all(|told| error.contains(told)), "{name}: {error}");
    }
}

#[test]
fn a_list_of_an_authority_that_is_not_ours_is_refused() {
    let mut files = Files::new();
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "foreign CA");
    let issuer = rcgen::Issuer::new(params, key);
    let epoch = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_micros(forge::now().0 as u64);
    let list = rcgen::CertificateRevocationListParams {
        this_update: epoch - Duration::from_secs(60),
        next_update: epoch + Duration::from_secs(60),
        crl_number: rcgen::SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    files.list("a.pem", list.signed_by(&issuer).expect("signed").pem().expect("PEM"));
    let error = files.load().expect_err("refused");
    assert!(error.contains("which is no authority in tls.client_roots or tls.issuers"), "{error}");
}

/// After a power cut the clock may be wrong for a while: a server starts all the same, and a running one does not take up such files.
#[test]
fn a_server_starts_with_a_certificate_that_is_not_valid_by_its_clock_and_takes_up_none() {
    let files = Files::new();
    let trust_domain = files.ours.authority.trust_domain().clone();
    let week_us = 7 * 24 * 3600 * 1_000_000;
    for now in [forge::now().0 - week_us, forge::now().0 + week_us].map(samverkan::room::ids::Timestamp) {
        let refused = files.files.load(&trust_domain, now).expect_err("refused").to_string();
        assert!(refused.contains("certificate.pem: is not valid now"), "{refused}");
        assert!(files.files.load_at_start(&trust_domain, now).is_ok());
    }
    fs::remove_file(files.at(CERTIFICATE_FILE)).expect("removed");
    assert!(files.files.load_at_start(&trust_domain, forge::now()).is_err(), "all else is checked at the start, too");
}
