//! How many connections there may be, of whom and from where, and how long one may do nothing.

use super::*;

fn limits() -> ConnectionLimits {
    ConnectionLimits::default()
}

/// What the client reads before the end: a GOAWAY that ends with the reason.
async fn told(server: &Server, actor: &str) -> String {
    let mut client = server.connect(server.client(&server.forge.actor(actor))).await.expect("the handshake stands");
    let _ = client.write_all(PREFACE).await;
    let mut answer = Vec::new();
    soon("the end", client.read_to_end(&mut answer)).await.expect("closed in order");
    let reason = answer.split_last_chunk::<4>().map(|_| &answer[26..]).unwrap_or_default();
    String::from_utf8_lossy(reason).into_owned()
}

#[tokio::test]
async fn a_certificate_with_too_many_connections_is_told_so() {
    let mut server = Server::start(ConnectionLimits { connections_per_certificate: 2, ..limits() }).await;
    let config = server.anna();
    let mut open = Vec::new();
    for _ in 0..2 {
        let client = server.connect(config.clone()).await.expect("connected");
        open.push((client, server.accepted().await));
    }
    let mut third = server.connect(config.clone()).await.expect("the handshake stands");
    let mut answer = Vec::new();
    soon("the end", third.read_to_end(&mut answer)).await.expect("closed in order");
    assert!(answer.ends_with(b"\0\0\0\x0btoo-many-of-certificate"), "{answer:?}");
    assert_eq!(server.refused().await, Refused::TooManyOfCertificate);

    let _other = server.connect(server.anna()).await.expect("another certificate of the same actor");
    server.accepted().await;
    open.pop();
    let _again = server.connect(config).await.expect("a place was given back");
    server.accepted().await;
}

#[tokio::test]
async fn an_address_with_too_many_connections_is_told_so_and_others_are_not_touched() {
    let mut server = Server::start(ConnectionLimits { connections_per_address: 1, ..limits() }).await;
    let _first = server.connect(server.anna()).await.expect("connected");
    let _first_io = server.accepted().await;
    assert_eq!(told(&server, "org/region-b/user/bea").await, "too-many-of-address");
    assert_eq!(server.refused().await, Refused::TooManyOfAddress);
    let _elsewhere = server.connect_from("127.0.0.2", server.anna()).await.expect("connected");
    assert_eq!(server.accepted().await.caller.peer.ip().to_string(), "127.0.0.2");
}

#[tokio::test]
async fn an_address_that_begins_too_many_handshakes_is_hung_up_on_and_others_are_not_touched() {
    let handshake_rate_per_address = samverkan::identity::Rate { per_second: 1, burst: 3 };
    let mut server = Server::start(ConnectionLimits { handshake_rate_per_address, ..limits() }).await;
    let mut open = Vec::new();
    let refused = loop {
        match server.connect(server.anna()).await {
            Ok(client) => open.push(client),
            Err(error) => break error,
        }
    };
    assert!(open.len() >= 3, "{refused}");
    assert_eq!(server.refused().await, Refused::TooFastFromAddress);
    server.connect_from("127.0.0.2", server.anna()).await.expect("connected");
}

#[tokio::test]
async fn silent_sockets_of_one_address_displace_each_other_and_nobody_else() {
    let caps = ConnectionLimits { handshakes_per_address: 4, handshake_time: PATIENCE, ..limits() };
    let mut server = Server::start(caps).await;
    let slow = server.socket_from("127.0.0.2").await.expect("connected");
    let mut flood = Vec::new();
    for _ in 0..20 {
        flood.push(server.socket_from("127.0.0.3").await.expect("connected"));
    }
    for _ in 0..16 {
        assert_eq!(server.refused().await, Refused::TooManyHandshakes);
    }
    // The slow one was the oldest of all, and has kept its place.
    let name = server.address.ip().into();
    soon("handshake", TlsConnector::from(server.anna()).connect(name, slow)).await.expect("connected");
    // Nor does the flood keep out who comes from its own address.
    server.connect_from("127.0.0.3", server.anna()).await.expect("connected");
}

#[tokio::test]
async fn a_connection_on_which_nothing_happens_ends_in_good_order() {
    let idle_time = Duration::from_millis(50);
    let mut server = Server::start(ConnectionLimits { idle_time, ..limits() }).await;
    let mut client = server.connect(server.anna()).await.expect("connected");
    client.write_all(PREFACE).await.expect("written");
    let mut accepted = server.accepted().await;
    let mut read = Vec::new();
    soon("the end", accepted.io.read_to_end(&mut read)).await.expect("reads as closed by the client");
    assert_eq!(read, PREFACE);
    assert!(accepted.io.read_u8().await.is_err(), "and stays so");
    accepted.io.shutdown().await.expect("said");
    assert_eq!(soon("the end", client.read_to_end(&mut Vec::new())).await.expect("closed in order"), 0);
}
