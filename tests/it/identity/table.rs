//! Every handshake that must be refused, one line each: what is offered, what the server logs, what the client can tell its user.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use samverkan::identity::issue::{AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE};
use samverkan::identity::{Existing, IssuerFile, TrustFiles};

use super::*;
use crate::trust::{Revoked, serial};

/// What somebody offers.
enum Offer {
    /// This certificate, as our own client would.
    Certificate(KeyedCertificate),
    /// These settings.
    Settings(Arc<ClientConfig>),
    /// These bytes, instead of TLS.
    Bytes(Vec<u8>),
}

/// A ClientHello of TLS 1.2.
pub(super) fn tls_1_2() -> Vec<u8> {
    let extensions: &[&[u8]] = &[
        &[0x00, 0x0a, 0, 6, 0, 4, 0x00, 0x1d, 0x00, 0x17], // supported_groups: x25519, secp256r1
        &[0x00, 0x0b, 0, 2, 1, 0],                         // ec_point_formats: uncompressed
        &[0x00, 0x0d, 0, 6, 0, 4, 0x04, 0x03, 0x08, 0x04], // signature_algorithms: ECDSA P-256, RSA-PSS
        &[0x00, 0x10, 0, 5, 0, 3, 2, b'h', b'2'],          // ALPN: h2
    ];
    let extensions = extensions.concat();
    let mut hello = vec![3, 3];
    hello.extend([7; 32]); // random
    hello.push(0); // no session id
    hello.extend([0, 4, 0xc0, 0x2b, 0xc0, 0x2f]); // ECDHE with AES-128-GCM
    hello.extend([1, 0]); // no compression
    hello.extend([0, u8::try_from(extensions.len()).expect("short")]);
    hello.extend(extensions);
    let length = u8::try_from(hello.len()).expect("short");
    [vec![22, 3, 1, 0, length + 4, 1, 0, 0, length], hello].concat()
}

/// A server that has taken access away in every way there is: from who is on `listed` by its authority's list, from Bo by the coordinator.
/// Only `theirs` speaks for region-c.
fn settings(forge: &Forge, theirs: &Forge, listed: &KeyedCertificate) -> Arc<ServerTls> {
    let folder = forge.path().join("server");
    let issued = forge.authority.issue_server(&["localhost".into(), "127.0.0.1".into()], 1, forge::now());
    issued.expect("issued").write(&folder, Existing::Refuse).expect("written");
    let at = |file: &str| folder.join(file);
    std::fs::write(at("ours.crl"), forge.list(&[&serial(listed)], (-60, 3600))).expect("written");
    let mut files = TrustFiles::new(at(CERTIFICATE_FILE), at(KEY_FILE), forge.path().join(AUTHORITY_FILE));
    files.revocation_lists.push(at("ours.crl"));
    let organisations = vec!["region-c".parse().expect("an id")];
    files.issuers.push(IssuerFile { certificate: theirs.path().join(AUTHORITY_FILE), organisations });
    let revoked = Revoked::default();
    revoked.revoke("org/region-b/user/bo", Ended::ActorRevoked);
    let trust_domain = TRUST_DOMAIN.parse().expect("a trust domain");
    let trusted = files.load(&trust_domain, forge::now()).expect("good files");
    Arc::new(trusted.tls(Arc::new(revoked)).expect("settings"))
}

#[tokio::test]
async fn r10_every_handshake_that_proves_no_actor_of_ours_is_refused_with_its_reason() {
    let (forge, theirs) = (Forge::new(), Forge::new());
    let listed = forge.actor("org/region-a/user/anna");
    let tls = settings(&forge, &theirs, &listed);
    let mut server = Server::start_with(forge, tls, ConnectionLimits::default()).await;
    let forge = &server.forge;
    let uri = |uri: &str| Offer::Certificate(forge.forged(uris(&[uri])));
    let wished = |wish: Wish| Offer::Certificate(forge.forged(wish));
    let protocols = |protocols: &[&[u8]]| {
        let mut config = Arc::unwrap_or_clone(server.anna());
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Offer::Settings(Arc::new(config))
    };
    let mut nobody = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("settings")
        .with_root_certificates(forge.roots())
        .with_no_client_auth();
    nobody.alpn_protocols = vec![b"h2".to_vec()];
    let too_long = format!("{ANNA}{}", "a".repeat(300));

    let table = [
        ("no certificate", Offer::Settings(Arc::new(nobody)), "no-certificate", "got none"),
        (
            "of an unknown authority",
            Offer::Certificate(forge.of_another_authority()),
            "unknown-issuer",
            "does not know",
        ),
        (
            "of a look-alike of ours",
            Offer::Certificate(Forge::new().actor("org/region-a/user/anna")),
            "wrong-signature",
            "made anew",
        ),
        ("signed by itself", Offer::Certificate(forge.self_signed(ANNA)), "unknown-issuer", "does not know"),
        ("signed by itself as ours", Offer::Certificate(forge.self_signed("test CA")), "wrong-signature", "made anew"),
        (
            "of an authority for others",
            Offer::Certificate(theirs.actor("org/region-a/user/anna")),
            "issuer-may-not-speak-for",
            "may speak for its organisation",
        ),
        (
            "of ours for who has its own",
            Offer::Certificate(forge.actor("org/region-c/user/cia")),
            "issuer-may-not-speak-for",
            "may speak for its organisation",
        ),
        ("on its authority's list", Offer::Certificate(listed), "revoked-by-list", "revocation list"),
        (
            "revoked by the coordinator",
            Offer::Certificate(forge.actor("org/region-b/user/bo")),
            "revoked",
            "the coordinator has revoked",
        ),
        ("expired", wished(Wish { valid: (-7200, -3600), ..Wish::default() }), "expired", "expired"),
        ("not yet valid", wished(Wish { valid: (3600, 7200), ..Wish::default() }), "not-yet-valid", "not valid yet"),
        ("for servers", Offer::Certificate(forge.server()), "wrong-usage", "not one for clients"),
        ("an authority as a leaf", wished(ca_leaf()), "identity", "exactly one URI name"),
        ("our authority itself", Offer::Certificate(forge.authority_itself()), "identity", "exactly one URI name"),
        ("no URI name", wished(uris(&[])), "identity", "exactly one URI name"),
        ("two URI names", wished(uris(&[ANNA, ANNA])), "identity", "exactly one URI name"),
        (
            "of another trust domain",
            uri("spiffe://other.example/org/region-a/user/anna"),
            "identity",
            "exactly one URI name",
        ),
        (
            "of a longer trust domain",
            uri("spiffe://test.example.evil/org/region-a/user/anna"),
            "identity",
            "exactly one URI name",
        ),
        ("upper case", uri("spiffe://test.example/org/Region-A/user/anna"), "identity", "exactly one URI name"),
        ("escapes", uri("spiffe://test.example/org/region%2da/user/anna"), "identity", "exactly one URI name"),
        ("a port", uri("spiffe://test.example:443/org/region-a/user/anna"), "identity", "exactly one URI name"),
        ("another scheme", uri("https://test.example/org/region-a/user/anna"), "identity", "exactly one URI name"),
        ("no kind of actor", uri("spiffe://test.example/org/region-a/admin/anna"), "identity", "exactly one URI name"),
        ("a name that is too long", uri(&too_long), "identity", "exactly one URI name"),
        ("a chain that is too deep", Offer::Certificate(forge.deep(4, 0)), "chain-too-long", "at most three"),
        ("a chain with others beside", Offer::Certificate(forge.deep(0, 4)), "chain-too-long", "at most three"),
        ("a maze of 140 certificates", Offer::Certificate(forge.maze(140)), "chain-too-long", "at most three"),
        ("a chain of 400 certificates", Offer::Certificate(forge.deep(0, 400)), "handshake", ""),
        ("TLS 1.2", Offer::Bytes(tls_1_2()), "tls-version", ""),
        ("HTTP/1.1 over TLS", protocols(&[b"http/1.1"]), "no-alpn", "HTTP/2 only"),
        ("no ALPN", protocols(&[]), "no-alpn", ""),
        ("HTTP/1.1 without TLS", Offer::Bytes(b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n".to_vec()), "not-tls", ""),
        ("HTTP/2 without TLS", Offer::Bytes(PREFACE.to_vec()), "not-tls", ""),
        ("garbage", Offer::Bytes(vec![0xff; 64]), "not-tls", ""),
        ("a broken ClientHello", Offer::Bytes(vec![22, 3, 1, 0, 8, 1, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]), "not-tls", ""),
    ];
    let mut printed = String::new();
    for (what, offer, reason, told) in table {
        let sentence = match offer {
            Offer::Certificate(certificate) => explained(&server.turned_away(server.client(&certificate)).await),
            Offer::Settings(config) => explained(&server.turned_away(config).await),
            Offer::Bytes(bytes) => {
                raw(&server, &bytes).await;
                String::new()
            }
        };
        let refused = server.refused().await;
        writeln!(printed, "{what:28} {:16} {refused}", refused.reason()).expect("text");
        assert_eq!(refused.reason(), reason, "{what}: {refused}\n{printed}");
        assert!(sentence.contains(told), "{what}: the client is told {sentence:?}\n{printed}");
        assert!(server.accepted.try_recv().is_err(), "{what}: nobody was let in");
    }

    for (what, early) in [("resumption", false), ("resumption and early data", true)] {
        let seen = offered_a_session(&mut server, early).await;
        writeln!(printed, "{what:28} {:16} {seen}", "in full").expect("text");
    }
    print!("{printed}");
}

fn explained(error: &io::Error) -> String {
    explain(error).unwrap_or_default().to_owned()
}

/// Somebody with a good certificate offers a session, and early data of it, that another server of the same name and key gave. What it
/// offers is not taken: the handshake is one in full, with the certificate shown anew, and early data is never read.
async fn offered_a_session(server: &mut Server, early: bool) -> &'static str {
    let mut config = Arc::unwrap_or_clone(server.anna());
    config.resumption = Resumption::in_memory_sessions(8);
    config.enable_early_data = early;
    let (config, address) = (Arc::new(config), server.address);
    let name = move || rustls::pki_types::ServerName::from(address.ip());

    // That other server, in memory: it gives tickets and takes early data.
    let at = |file: &str| server.forge.path().join("server").join(file);
    let chain =
        CertificateDer::pem_file_iter(at(CERTIFICATE_FILE)).expect("a file").map(|der| der.expect("good")).collect();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut generous = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("settings")
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(at(KEY_FILE)).expect("a key"))
        .expect("settings");
    generous.alpn_protocols = vec![b"h2".to_vec()];
    generous.send_tls13_tickets = 1;
    generous.max_early_data_size = 1024;
    let mut client = rustls::ClientConnection::new(config.clone(), name()).expect("settings");
    let mut other = rustls::ServerConnection::new(Arc::new(generous)).expect("settings");
    let mut bytes = Vec::new();
    for _ in 0..8 {
        bytes.clear();
        client.write_tls(&mut bytes).expect("written");
        other.read_tls(&mut bytes.as_slice()).expect("read");
        other.process_new_packets().expect("good");
        bytes.clear();
        other.write_tls(&mut bytes).expect("written");
        client.read_tls(&mut bytes.as_slice()).expect("read");
        client.process_new_packets().expect("good");
    }
    assert_eq!(client.tls13_tickets_received(), 1, "there is a session to offer");

    // Again, in case that ours gave it another session to offer.
    for early in [early, false] {
        let config = config.clone();
        let connecting = tokio::task::spawn_blocking(move || {
            let mut client = rustls::ClientConnection::new(config, name()).expect("settings");
            let mut tcp = std::net::TcpStream::connect(address).expect("connected");
            let offered = client.early_data().map(|mut offered| offered.write(b"early").expect("written"));
            assert_eq!(offered, early.then_some(5));
            while client.is_handshaking() {
                client.complete_io(&mut tcp).expect("the handshake stands");
            }
            let mut stream = rustls::Stream::new(&mut client, &mut tcp);
            stream.write_all(b"late").expect("written");
            stream.read_exact(&mut [0]).expect("read, and with it whatever the server sent before");
            (client.handshake_kind(), client.tls13_tickets_received(), client.is_early_data_accepted())
        });
        let mut accepted = server.accepted().await;
        let mut read = [0; 4];
        accepted.io.read_exact(&mut read).await.expect("read");
        assert_eq!(&read, b"late", "and nothing before it");
        accepted.io.write_all(b"x").await.expect("written");
        accepted.io.flush().await.expect("written");
        let seen = connecting.await.expect("no panic");
        assert_eq!(seen, (Some(rustls::HandshakeKind::Full), 0, false));
    }
    "what it offers is not taken: the certificate is shown anew, early data is not read"
}

#[tokio::test]
async fn as_many_authorities_between_as_may_be_are_no_reason_to_refuse() {
    let mut server = Server::start(ConnectionLimits::default()).await;
    for (between, more) in [(0, 0), (0, 3), (3, 0)] {
        let certificate = server.forge.deep(between, more);
        let _client = server.connect(server.client(&certificate)).await.expect("connected");
        assert_eq!(server.accepted().await.caller.actor.to_string(), "org/region-a/user/anna");
    }
}
