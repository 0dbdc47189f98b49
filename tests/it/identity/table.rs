//! Every handshake that must be refused, one line each: what is offered, what the server logs, what the client can tell its user.

use std::fmt::Write as _;

use rustls::client::Resumption;

use super::*;

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
fn tls_1_2() -> Vec<u8> {
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

#[tokio::test]
async fn r10_every_handshake_that_proves_no_actor_of_ours_is_refused_with_its_reason() {
    let mut server = Server::start(ConnectionLimits::default()).await;
    let forge = &server.forge;
    let uri = |uri: &str| Offer::Certificate(forge.forged(uris(&[uri])));
    let wished = |wish: Wish| Offer::Certificate(forge.forged(wish));
    let anna = server.anna();
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
        ("signed by itself", Offer::Certificate(forge.self_signed()), "unknown-issuer", "does not know"),
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
        ("a chain that is too deep", Offer::Certificate(forge.deep(8, 0)), "unknown-issuer", "does not know"),
        ("a chain of 400 certificates", Offer::Certificate(forge.deep(1, 400)), "handshake", ""),
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

    // What can't be refused, since nothing that could be resumed was ever given: each is a handshake in full.
    let mut config = Arc::unwrap_or_clone(anna);
    config.resumption = Resumption::in_memory_sessions(8);
    config.enable_early_data = true;
    let config = Arc::new(config);
    for what in ["a session to begin with", "resumption and early data"] {
        let tcp = server.socket_from("127.0.0.1").await.expect("connected");
        let connecting = TlsConnector::from(config.clone()).connect(server.address.ip().into(), tcp);
        let mut client = soon("handshake", connecting).await.expect("connected");
        let mut accepted = server.accepted().await;
        accepted.io.write_all(b"x").await.expect("written");
        accepted.io.flush().await.expect("written");
        client.read_u8().await.expect("read, and with it whatever the server sent before");
        let session = client.get_ref().1;
        let (kind, tickets, early) =
            (session.handshake_kind(), session.tls13_tickets_received(), session.is_early_data_accepted());
        assert_eq!((kind, tickets, early), (Some(rustls::HandshakeKind::Full), 0, false), "{what}");
        writeln!(printed, "{what:28} full handshake   no ticket was given, no early data accepted").expect("text");
    }
    print!("{printed}");
}

fn explained(error: &io::Error) -> String {
    explain(error).unwrap_or_default().to_owned()
}
