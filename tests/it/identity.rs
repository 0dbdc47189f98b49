//! Who is let in, and what those who are not are told: over real sockets, with certificates made at run time.

mod caps;
pub(crate) mod forge;
mod table;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::ExtendedKeyUsagePurpose;
use rustls::ClientConfig;
use samverkan::identity::tls::{self, client_config};
use samverkan::identity::{
    Accepted, Acceptor, ConnectionLimits, Connections, Ended, IdentityError, KeyedCertificate, Refused, ServerTls,
    TlsFileError, explain,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use forge::{ANNA, Forge, TRUST_DOMAIN, Wish, ca_leaf, uris};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// No single step takes this long, however busy the machine; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: nothing happened in {PATIENCE:?}"))
}

struct Server {
    address: SocketAddr,
    forge: Forge,
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
    async fn start(limits: ConnectionLimits) -> Self {
        let forge = Forge::new();
        let trust_domain = TRUST_DOMAIN.parse().expect("a trust domain");
        let tls = ServerTls::new(&forge.server(), forge.roots(), trust_domain).expect("settings");
        Self::start_with(forge, Arc::new(tls), limits).await
    }

    async fn start_with(forge: Forge, tls: Arc<ServerTls>, limits: ConnectionLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, refused) = mpsc::unbounded_channel();
        let acceptor = Acceptor::new(listener, watch::channel(tls).1, limits)
            .on_refused(move |_, refused| drop(sender.send(refused.clone())));
        let connections = acceptor.connections();
        let stop = CancellationToken::new();
        let accepted = acceptor.run(stop.clone());
        Self { address, forge, connections, accepted, refused, stop }
    }

    async fn accepted(&mut self) -> Accepted {
        soon("accept", self.accepted.recv()).await.expect("the acceptor runs")
    }

    async fn refused(&mut self) -> Refused {
        soon("refusal", self.refused.recv()).await.expect("the acceptor runs")
    }

    fn client(&self, certificate: &KeyedCertificate) -> Arc<ClientConfig> {
        client_config(certificate, self.forge.roots()).expect("settings")
    }

    fn anna(&self) -> Arc<ClientConfig> {
        self.client(&self.forge.actor("org/region-a/user/anna"))
    }

    async fn connect(&self, config: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
        self.connect_from("127.0.0.1", config).await
    }

    /// A socket from this address.
    async fn socket_from(&self, from: &str) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from.parse::<std::net::IpAddr>().expect("an address"), 0).into())?;
        socket.connect(self.address).await
    }

    async fn connect_from(&self, from: &str, config: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
        let tcp = self.socket_from(from).await?;
        let name = self.address.ip().into();
        soon("handshake", TlsConnector::from(config).connect(name, tcp)).await
    }

    /// Connects, begins HTTP/2 as any client does without waiting, and returns what it learns from the refusal.
    async fn turned_away(&self, config: Arc<ClientConfig>) -> io::Error {
        let mut client = match self.connect(config).await {
            Ok(client) => client,
            Err(error) => return error,
        };
        let _ = client.write_all(PREFACE).await;
        soon("the end", client.read_to_end(&mut Vec::new())).await.err().unwrap_or(io::ErrorKind::UnexpectedEof.into())
    }
}

/// The server refuses with `refused`, and the client is told something with `told` in it.
#[track_caller]
fn check(server_says: &Refused, client_sees: &io::Error, refused: &Refused, told: &str) {
    assert_eq!(server_says, refused);
    let sentence = explain(client_sees).unwrap_or_else(|| panic!("{client_sees:?} is not explained"));
    assert!(sentence.contains(told), "{sentence}");
}

async fn check_certificate(certificate: impl FnOnce(&Forge) -> KeyedCertificate, refused: &Refused, told: &str) {
    let mut server = Server::start(ConnectionLimits::default()).await;
    let config = server.client(&certificate(&server.forge));
    let error = server.turned_away(config).await;
    check(&server.refused().await, &error, refused, told);
    assert!(server.accepted.try_recv().is_err(), "nobody was let in");
}

async fn check_identity(wish: Wish, error: IdentityError) {
    check_certificate(|forge| forge.forged(wish), &Refused::Identity(error), "exactly one URI name").await;
}

#[tokio::test]
async fn r10_a_caller_is_who_its_certificate_says() {
    let mut server = Server::start(ConnectionLimits::default()).await;
    let certificate = server.forge.actor("org/region-a/user/anna");
    let mut client = server.connect(server.client(&certificate)).await.expect("connected");
    client.write_all(PREFACE).await.expect("written");
    let Accepted { mut io, caller } = server.accepted().await;

    assert_eq!(caller.actor.to_string(), "org/region-a/user/anna");
    assert_eq!(caller.certificate, *<sha2::Sha256 as sha2::Digest>::digest(certificate.certificate()));
    assert_eq!(caller.peer, client.get_ref().0.local_addr().expect("an address"));
    assert_eq!(caller.key_exchange, "X25519MLKEM768");
    let day = 24 * 3600 * 1_000_000;
    assert!((caller.not_after.0 - forge::now().0 - day).abs() < 60_000_000, "{:?}", caller.not_after);
    assert!(!caller.is_cancelled());

    let mut preface = [0; PREFACE.len()];
    io.read_exact(&mut preface).await.expect("read");
    assert_eq!(preface, *PREFACE);

    let mut other = server.connect(server.anna()).await.expect("connected");
    other.write_all(PREFACE).await.expect("written");
    assert_ne!(server.accepted().await.caller.connection, caller.connection);
}

#[tokio::test]
async fn no_session_can_be_resumed() {
    let mut server = Server::start(ConnectionLimits::default()).await;
    let mut config = Arc::unwrap_or_clone(server.anna());
    config.resumption = rustls::client::Resumption::default();
    let config = Arc::new(config);
    for _ in 0..2 {
        let mut client = server.connect(config.clone()).await.expect("connected");
        let mut accepted = server.accepted().await;
        accepted.io.write_all(b"x").await.expect("written");
        accepted.io.flush().await.expect("written");
        client.read_u8().await.expect("read, and with it whatever the server sent before");
        let session = client.get_ref().1;
        assert_eq!(session.tls13_tickets_received(), 0);
        assert_eq!(session.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

#[tokio::test]
async fn a_client_without_post_quantum_key_exchange_is_served_and_seen() {
    let mut server = Server::start(ConnectionLimits::default()).await;
    let classical = rustls::crypto::CryptoProvider {
        kx_groups: vec![rustls::crypto::aws_lc_rs::kx_group::X25519],
        ..rustls::crypto::aws_lc_rs::default_provider()
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(classical))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("settings")
        .with_root_certificates(server.forge.roots())
        .with_client_cert_resolver(server.anna().client_auth_cert_resolver.clone());
    config.alpn_protocols = vec![b"h2".to_vec()];
    let _client = server.connect(Arc::new(config)).await.expect("connected");
    assert_eq!(server.accepted().await.caller.key_exchange, "X25519");
}

#[tokio::test]
async fn without_a_certificate_nobody_gets_in() {
    let mut server = Server::start(ConnectionLimits::default()).await;
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("settings")
        .with_root_certificates(server.forge.roots())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let error = server.turned_away(Arc::new(config)).await;
    check(&server.refused().await, &error, &Refused::NoCertificate, "client certificate and got none");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let other = || {
        let domain = TRUST_DOMAIN.parse().expect("a trust domain");
        samverkan::identity::Authority::create(&domain, "other CA", 30, forge::now()).expect("an authority")
    };
    let issued = other().issue_actor(&"org/region-a/user/anna".parse().expect("an actor"), 1, forge::now());
    let issued = issued.expect("issued");
    let certificate = move |forge: &Forge| {
        issued.write(&forge.path().join("other"), samverkan::identity::Existing::Refuse).expect("written");
        let at = |file: &str| forge.path().join("other").join(file);
        KeyedCertificate::load(&at("certificate.pem"), &at("key.pem")).expect("loaded")
    };
    check_certificate(certificate, &Refused::UnknownIssuer, "does not know the authority").await;
}

#[tokio::test]
async fn an_authority_that_only_has_the_name_of_ours_is_not_ours() {
    let lookalike = |_: &Forge| Forge::new().actor("org/region-a/user/anna");
    check_certificate(lookalike, &Refused::WrongSignature, "made anew").await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let wish = Wish { valid: (-7200, -3600), ..Wish::default() };
    check_certificate(|forge| forge.forged(wish), &Refused::Expired, "expired").await;
}

#[tokio::test]
async fn a_certificate_of_tomorrow_is_refused() {
    let wish = Wish { valid: (3600, 7200), ..Wish::default() };
    check_certificate(|forge| forge.forged(wish), &Refused::NotYetValid, "not valid yet").await;
}

#[tokio::test]
async fn a_server_certificate_does_not_make_a_client() {
    check_certificate(Forge::server, &Refused::WrongUsage, "not one for clients").await;
    let wish = Wish { usage: vec![ExtendedKeyUsagePurpose::ServerAuth], ..Wish::default() };
    check_certificate(|forge| forge.forged(wish), &Refused::WrongUsage, "not one for clients").await;
}

#[tokio::test]
async fn an_authority_does_not_call() {
    check_identity(ca_leaf(), IdentityError::Authority).await;
    let refused = Refused::Identity(IdentityError::Authority);
    check_certificate(Forge::authority_itself, &refused, "exactly one URI name").await;
}

#[tokio::test]
async fn a_common_name_or_a_host_name_is_not_an_identity() {
    check_identity(uris(&[]), IdentityError::NoName).await;
}

#[tokio::test]
async fn with_two_uri_names_nobody_is_calling() {
    check_identity(uris(&[ANNA, ANNA]), IdentityError::SeveralNames { count: 2 }).await;
    let other = "https://region-a.example/";
    check_identity(uris(&[other, ANNA]), IdentityError::SeveralNames { count: 2 }).await;
}

#[tokio::test]
async fn a_name_of_another_trust_domain_is_refused() {
    let found = || "other.example".to_owned();
    let wish = uris(&["spiffe://other.example/org/region-a/user/anna"]);
    check_identity(wish, IdentityError::ForeignTrustDomain { found: found() }).await;
    let longer = uris(&["spiffe://test.example.evil/org/region-a/user/anna"]);
    check_identity(longer, IdentityError::ForeignTrustDomain { found: "test.example.evil".into() }).await;
}

#[tokio::test]
async fn a_malformed_name_is_refused_with_what_is_wrong() {
    let long = format!("{ANNA}{}", "a".repeat(300));
    for (uri, error) in [
        (
            "spiffe://test.example/org/Region-A/user/anna",
            IdentityError::UpperCase { uri: "spiffe://test.example/org/Region-A/user/anna".into() },
        ),
        (
            "spiffe://test.example/org/region%2da/user/anna",
            IdentityError::Escape { uri: "spiffe://test.example/org/region%2da/user/anna".into() },
        ),
        (
            "spiffe://test.example:443/org/region-a/user/anna",
            IdentityError::Decorated { uri: "spiffe://test.example:443/org/region-a/user/anna".into() },
        ),
        (
            "https://test.example/org/region-a/user/anna",
            IdentityError::Scheme { uri: "https://test.example/org/region-a/user/anna".into() },
        ),
        (
            "spiffe://test.example/org/region-a/admin/anna",
            IdentityError::NotAnActor { path: "/org/region-a/admin/anna".into() },
        ),
        (long.as_str(), IdentityError::TooLong { bytes: long.len() }),
    ] {
        check_identity(uris(&[uri]), error).await;
    }
}

#[tokio::test]
async fn a_client_that_offers_no_http2_is_refused() {
    let mut server = Server::start(ConnectionLimits::default()).await;
    let with_protocols = |protocols: Vec<Vec<u8>>| {
        let mut config = Arc::unwrap_or_clone(server.anna());
        config.alpn_protocols = protocols;
        Arc::new(config)
    };
    let (http1, nothing) = (with_protocols(vec![b"http/1.1".to_vec()]), with_protocols(vec![]));
    let error = server.turned_away(http1).await;
    check(&server.refused().await, &error, &Refused::NoAlpn, "HTTP/2 only");
    // TLS has no word for this one: the handshake stands, and the connection ends.
    server.turned_away(nothing).await;
    assert_eq!(server.refused().await, Refused::NoAlpn);
}

/// Sends these bytes and returns what comes back until the end.
async fn raw(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(server.address).await.expect("connected");
    tcp.write_all(bytes).await.expect("written");
    let mut answer = Vec::new();
    soon("the end", tcp.read_to_end(&mut answer)).await.expect("closed in order, not reset");
    answer
}

#[tokio::test]
async fn tls_1_2_is_refused_with_an_alert_that_says_so() {
    let mut server = Server::start(ConnectionLimits::default()).await;
    let answer = raw(&server, &table::tls_1_2()).await;
    assert_eq!(server.refused().await, Refused::TlsVersion);
    assert_eq!(answer, [21, 3, 3, 0, 2, 2, 70], "a fatal alert: protocol_version");
}

#[tokio::test]
async fn what_is_not_tls_is_told_apart() {
    let mut server = Server::start(ConnectionLimits::default()).await;
    // More than is read before the refusal: a socket closed on top of unread bytes is reset, and the alert lost with it.
    let upload = [b"POST / HTTP/1.1\r\n\r\n".as_slice(), &[b'x'; 256 * 1024]].concat();
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n".as_slice(),
        PREFACE,
        &[0xff; 64],
        &[0; 64],
        &upload,
        &[22, 3, 1, 0, 8, 1, 0, 0, 4, 0xff, 0xff, 0xff, 0xff],
    ] {
        raw(&server, bytes).await;
        assert_eq!(server.refused().await, Refused::NotTls, "{} bytes", bytes.len());
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_or_does_not_trust_us_is_told_apart() {
    let mut server = Server::start(ConnectionLimits::default()).await;
    drop(TcpStream::connect(server.address).await.expect("connected"));
    assert_eq!(server.refused().await, Refused::HungUp);

    let config = client_config(&server.forge.actor("org/region-a/user/anna"), Forge::new().roots()).expect("settings");
    let error = server.connect(config).await.expect_err("another authority");
    assert!(explain(&error).expect("explained").contains("not issued by the authority"), "{error}");
    assert!(matches!(server.refused().await, Refused::ByClient(_)));

    let tcp = TcpStream::connect(server.address).await.expect("connected");
    let name = "elsewhere.example".try_into().expect("a name");
    let error = TlsConnector::from(server.anna()).connect(name, tcp).await.expect_err("another name");
    assert!(explain(&error).expect("explained").contains("another host name"), "{error}");
    assert!(matches!(server.refused().await, Refused::ByClient(_)));
}

#[tokio::test]
async fn a_silent_socket_is_closed() {
    let limits = ConnectionLimits { handshake_time: Duration::from_millis(50), ..ConnectionLimits::default() };
    let mut server = Server::start(limits).await;
    assert!(raw(&server, &[]).await.is_empty());
    assert_eq!(server.refused().await, Refused::TimedOut);
    assert!(raw(&server, &[22, 3, 1]).await.is_empty());
    assert_eq!(server.refused().await, Refused::TimedOut);
}

#[tokio::test]
async fn a_client_that_does_not_begin_http2_is_closed() {
    let limits = ConnectionLimits { preface_time: Duration::from_millis(50), ..ConnectionLimits::default() };
    let mut server = Server::start(limits).await;
    for sent in [0, 1, PREFACE.len() - 1] {
        let mut client = server.connect(server.anna()).await.expect("connected");
        client.write_all(&PREFACE[..sent]).await.expect("written");
        let mut accepted = server.accepted().await;
        let read = soon("the end", accepted.io.read_to_end(&mut Vec::new())).await;
        assert_eq!(read.expect_err("closed").kind(), io::ErrorKind::TimedOut, "{sent} bytes");
        assert_eq!(server.refused().await, Refused::Silent);
    }
}

#[tokio::test]
async fn who_has_begun_http2_may_be_silent_for_long() {
    let limits = ConnectionLimits { preface_time: Duration::from_millis(50), ..ConnectionLimits::default() };
    let mut server = Server::start(limits).await;
    let mut client = server.connect(server.anna()).await.expect("connected");
    client.write_all(PREFACE).await.expect("written");
    let mut accepted = server.accepted().await;
    accepted.io.read_exact(&mut [0; PREFACE.len()]).await.expect("read");
    let read = tokio::time::timeout(Duration::from_millis(200), accepted.io.read_u8()).await;
    assert!(read.is_err(), "still waiting");
}

#[tokio::test]
async fn a_flood_of_silent_sockets_displaces_itself_and_not_an_honest_client() {
    let limits = ConnectionLimits { handshakes: 8, handshake_time: PATIENCE, ..ConnectionLimits::default() };
    let mut server = Server::start(limits).await;
    let mut flood = Vec::new();
    for _ in 0..50 {
        flood.push(TcpStream::connect(server.address).await.expect("connected"));
    }
    let _client = server.connect(server.anna()).await.expect("connected");
    server.accepted().await;
    for _ in 0..43 {
        assert_eq!(server.refused().await, Refused::TooManyHandshakes);
    }
}

#[tokio::test]
async fn a_full_server_refuses_and_has_room_again_later() {
    let limits = ConnectionLimits { connections: 1, ..ConnectionLimits::default() };
    let mut server = Server::start(limits).await;
    let _first = server.connect(server.anna()).await.expect("connected");
    let accepted = server.accepted().await;
    assert_eq!(server.connections.len(), 1);

    server.connect(server.anna()).await.expect_err("full");
    assert_eq!(server.refused().await, Refused::TooManyConnections);

    drop(accepted);
    assert!(server.connections.is_empty());
    let _second = server.connect(server.anna()).await.expect("connected");
    server.accepted().await;
}

#[tokio::test]
async fn an_organisation_with_too_many_connections_is_told_so_and_others_are_not_touched() {
    let limits = ConnectionLimits {
        connections_per_organisation: 1,
        exceptions: [("cert-se".parse().expect("an id"), 2)].into(),
        ..ConnectionLimits::default()
    };
    let mut server = Server::start(limits).await;
    let _anna = server.connect(server.anna()).await.expect("connected");
    let _anna_io = server.accepted().await;

    let bob = server.client(&server.forge.actor("org/region-a/user/bob"));
    let mut bob = server.connect(bob).await.expect("the handshake stands");
    let _ = bob.write_all(PREFACE).await;
    let mut answer = Vec::new();
    soon("the end", bob.read_to_end(&mut answer)).await.expect("closed in order");
    assert!(answer.ends_with(b"\0\0\0\x0btoo-many-of-organisation"), "{answer:?}");
    let organisation = "region-a".parse().expect("an id");
    assert_eq!(server.refused().await, Refused::TooManyOfOrganisation { organisation });

    let mut open = Vec::new();
    for actor in ["org/region-b/user/bea", "org/cert-se/user/cia", "org/cert-se/service/siem"] {
        let client = server.connect(server.client(&server.forge.actor(actor))).await.expect("connected");
        open.push((client, server.accepted().await));
    }
    assert_eq!(server.connections.len(), 4);
}

#[tokio::test]
async fn a_caller_that_loses_its_access_is_cut_within_a_second() {
    let mut server = Server::start(ConnectionLimits::default()).await;
    let mut clients = Vec::new();
    let mut callers = Vec::new();
    for actor in ["org/region-a/user/anna", "org/region-a/service/siem", "org/region-b/user/bea"] {
        let mut client = server.connect(server.client(&server.forge.actor(actor))).await.expect("connected");
        client.write_all(PREFACE).await.expect("written");
        let mut accepted = server.accepted().await;
        accepted.io.read_exact(&mut [0; PREFACE.len()]).await.expect("read");
        clients.push(client);
        callers.push(accepted);
    }
    let cut =
        server.connections.cut(|caller| (caller.actor.organisation.as_str() == "region-a").then_some(Ended::Suspended));
    assert_eq!(cut, 2);
    for accepted in &mut callers[..2] {
        assert!(accepted.caller.is_cancelled());
        soon("notice", accepted.caller.cancelled()).await;
        let read = tokio::time::timeout(Duration::from_secs(1), accepted.io.read_u8()).await.expect("within a second");
        assert_eq!(read.expect_err("cut").kind(), io::ErrorKind::ConnectionAborted);
        let written = accepted.io.write_all(b"secret").await;
        assert_eq!(written.expect_err("cut").kind(), io::ErrorKind::ConnectionAborted);
    }
    assert!(!callers[2].caller.is_cancelled());
    callers[2].io.write_all(b"still here").await.expect("written");
    drop(callers);
    for client in &mut clients[..2] {
        let read = soon("the end", client.read_to_end(&mut Vec::new())).await;
        assert_eq!(read.expect_err("reset").kind(), io::ErrorKind::ConnectionReset);
    }
    assert!(server.connections.is_empty());
}

#[tokio::test]
async fn a_writer_that_waits_for_a_stalled_reader_is_cut_too() {
    let mut server = Server::start(ConnectionLimits::default()).await;
    let _stalled = server.connect(server.anna()).await.expect("connected");
    let mut accepted = server.accepted().await;
    let caller = accepted.caller.clone();
    let writer = tokio::spawn(async move { while accepted.io.write_all(&[0; 65536]).await.is_ok() {} });
    caller.cut(Ended::Suspended);
    soon("the cut", writer).await.expect("no panic");
}

#[tokio::test]
async fn a_connection_ends_with_its_certificate() {
    let mut server = Server::start(ConnectionLimits::default()).await;
    let certificate = server.forge.forged(Wish { valid: (-60, 2), ..Wish::default() });
    let mut client = server.connect(server.client(&certificate)).await.expect("connected");
    client.write_all(PREFACE).await.expect("written");
    let mut accepted = server.accepted().await;
    accepted.io.read_exact(&mut [0; PREFACE.len()]).await.expect("read");
    let read = soon("expiry", accepted.io.read_u8()).await;
    assert_eq!(read.expect_err("cut").kind(), io::ErrorKind::ConnectionAborted);
    let late = forge::now().0 - accepted.caller.not_after.0;
    assert!((0..1_000_000).contains(&late), "cut {late} us after the end");
}

#[tokio::test]
async fn a_server_that_stops_takes_no_new_connections_and_keeps_the_old() {
    let mut server = Server::start(ConnectionLimits::default()).await;
    let mut client = server.connect(server.anna()).await.expect("connected");
    let mut accepted = server.accepted().await;
    let _unfinished = TcpStream::connect(server.address).await.expect("connected");
    server.stop.cancel();
    assert!(soon("the end", server.accepted.recv()).await.is_none());
    TcpStream::connect(server.address).await.expect_err("nobody listens");
    accepted.io.write_all(b"x").await.expect("written");
    accepted.io.flush().await.expect("written");
    client.read_u8().await.expect("read");
}

#[test]
fn a_file_that_is_not_what_it_should_be_is_named() {
    let forge = Forge::new();
    let at = |file: &str| forge.path().join(file);
    let other = tempfile::tempdir().expect("a directory");
    let other_key = other.path().join("key.pem");
    std::fs::write(&other_key, rcgen::KeyPair::generate().expect("a key").serialize_pem()).expect("written");
    std::fs::write(at("empty"), "").expect("written");
    std::fs::write(at("torn"), "-----BEGIN CERTIFICATE-----\nAAAA\n").expect("written");
    let load = |certificate: &str, key: &std::path::Path| {
        KeyedCertificate::load(&at(certificate), key).expect_err("refused").to_string()
    };
    for (error, expected) in [
        (load("none", &at("ca-key.pem")), "none: no such file"),
        (load("empty", &at("ca-key.pem")), "empty: has no certificate in it (-----BEGIN CERTIFICATE-----)"),
        (load("torn", &at("ca-key.pem")), "torn: is not well-formed PEM"),
        (load("ca-key.pem", &at("ca-key.pem")), "ca-key.pem: has no certificate in it"),
        (load("ca.pem", &at("ca.pem")), "ca.pem: has no private key in it (-----BEGIN PRIVATE KEY-----)"),
        (load("ca.pem", &other_key), "key.pem: is not the private key of the certificate in"),
    ] {
        assert!(error.contains(expected), "{error}");
    }
    assert!(matches!(tls::load_authorities(&at("empty")), Err(TlsFileError::NoCertificate { .. })));
}

/// The limit on descriptors is the process' own, so this runs itself again as a process with a limit of its own.
#[test]
fn running_out_of_descriptors_makes_the_server_pause_and_not_fail() {
    const CHILD: &str = "SAMVERKAN_TEST_OUT_OF_DESCRIPTORS";
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        return runtime.block_on(run_out_of_descriptors());
    }
    let name = "identity::running_out_of_descriptors_makes_the_server_pause_and_not_fail";
    let output = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", name])
        .env(CHILD, "1")
        .output()
        .expect("run again");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

async fn run_out_of_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut server = Server::start(ConnectionLimits::default()).await;
    let anna = server.anna();
    tokio::task::yield_now().await; // the loop has begun and holds its reserve
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current: Some(64), ..limit }).expect("a lower limit");

    let mut hoard = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        hoard.push(file);
    }
    hoard.pop(); // for the client's end
    server.connect(anna.clone()).await.expect_err("turned away");
    assert_eq!(server.refused().await, Refused::OutOfDescriptors);

    hoard.clear();
    let _client = server.connect(anna).await.expect("connected");
    server.accepted().await;
}
