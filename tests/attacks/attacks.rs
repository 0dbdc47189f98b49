//! What a hostile network, and a hostile member with a good certificate, can try. Each is one task of many; they go on until aborted.
//!
//! Attackers come from 127.0.0.2 and the addresses after it; the member is organisation 4.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use samverkan::api::consent_service_client::ConsentServiceClient;
use samverkan::api::{self as pb};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

use crate::frames::*;
use crate::ground::{Ground, said};
use crate::honest::post;

/// The member that attacks.
const MEMBER: u64 = 4;

/// Where an attack is made.
pub(crate) struct Field {
    pub(crate) ground: Arc<Ground>,
    pub(crate) port: u16,
    /// The member's certificate.
    pub(crate) member: Arc<ClientConfig>,
    pub(crate) room_id: String,
}

/// Kinds of attack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    SilentSockets,
    HandshakesLeft,
    NoPreface,
    RapidReset,
    Continuation,
    EmptyData,
    HeaderBomb,
    ForgedLength,
    NeverReads,
    FullQuota,
    ConsentLoop,
    Descriptors,
}

pub(crate) const ALL: [(Kind, &str, usize); 12] = [
    (Kind::SilentSockets, "5,000 silent sockets", 5000),
    (Kind::HandshakesLeft, "handshakes begun and left", 16),
    (Kind::NoPreface, "TLS without HTTP/2", 64),
    (Kind::RapidReset, "rapid reset", 4),
    (Kind::Continuation, "CONTINUATION flood", 4),
    (Kind::EmptyData, "empty DATA flood", 4),
    (Kind::HeaderBomb, "header bombs", 4),
    (Kind::ForgedLength, "forged lengths, 60 streams each", 16),
    (Kind::NeverReads, "readers that never read", 16),
    (Kind::FullQuota, "a publisher at full quota", 4),
    (Kind::ConsentLoop, "consent given and withdrawn", 8),
    (Kind::Descriptors, "file descriptors exhausted", 1000),
];

/// One of the attackers, again and again.
pub(crate) async fn attack(kind: Kind, field: Arc<Field>, number: usize) {
    loop {
        // How an attack ends is up to the server; the attacker tries again.
        let _ = once(kind, &field, number).await;
        let pause = match kind {
            Kind::SilentSockets | Kind::Descriptors => Duration::from_secs(1),
            _ => Duration::from_millis(5),
        };
        tokio::time::sleep(pause).await;
    }
}

async fn once(kind: Kind, field: &Field, number: usize) -> io::Result<()> {
    let (port, member) = (field.port, &field.member);
    // The silent ones are many; the others come from two places.
    let from = u8::try_from(2 + number % if matches!(kind, Kind::SilentSockets | Kind::Descriptors) { 8 } else { 2 })
        .expect("a small number");
    match kind {
        Kind::SilentSockets | Kind::Descriptors => {
            socket(from, port).await?.read_to_end(&mut Vec::new()).await?;
        }
        Kind::HandshakesLeft => {
            let name = "127.0.0.1".try_into().expect("a name");
            let mut client = rustls::ClientConnection::new(member.clone(), name).map_err(io::Error::other)?;
            let mut hello = Vec::new();
            client.write_tls(&mut hello)?;
            let mut tcp = socket(from, port).await?;
            tcp.write_all(&hello).await?;
            tcp.read_u8().await?;
        }
        Kind::NoPreface => {
            tls(from, port, member).await?.read_to_end(&mut Vec::new()).await?;
        }
        Kind::RapidReset => {
            let open = call("MessageService/PostMessages");
            flood(from, port, member, &[], |stream, bytes| {
                bytes.extend(frame(HEADERS, END_HEADERS, stream, &open));
                bytes.extend(frame(RESET, 0, stream, &8_u32.to_be_bytes()));
            })
            .await?;
        }
        Kind::Continuation => {
            let begin = frame(HEADERS, 0, 1, &call("MessageService/PostMessages"));
            let mut more = Vec::new();
            field_of(&mut more, 10);
            flood(from, port, member, &begin, |_, bytes| bytes.extend(frame(CONTINUATION, 0, 1, &more))).await?;
        }
        Kind::EmptyData => {
            let begin = frame(HEADERS, END_HEADERS, 1, &call("MessageService/PostMessages"));
            flood(from, port, member, &begin, |_, bytes| bytes.extend(frame(DATA, 0, 1, &[]))).await?;
        }
        Kind::HeaderBomb => {
            // One header goes into the table, and is referred to as often as a frame holds: 4 KB become 40 MB.
            let mut block = call("MessageService/PostMessages");
            block.push(0x40);
            text(&mut block, "x");
            text(&mut block, &"x".repeat(3900));
            block.extend([0xbe].repeat(10_000));
            flood(from, port, member, &[], |stream, bytes| {
                bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
            })
            .await?;
        }
        Kind::ForgedLength => {
            let (read, mut write) = http2(from, port, member).await?;
            let claims = [&[0][..], &(255 * 1024_u32).to_be_bytes(), b"x"].concat();
            for stream in (0..60).map(|n| 2 * n + 1) {
                write.write_all(&frame(HEADERS, END_HEADERS, stream, &call("MessageService/PostMessages"))).await?;
                write.write_all(&frame(DATA, 0, stream, &claims)).await?;
            }
            drain(read).await;
        }
        Kind::NeverReads => {
            let (_read, mut write) = http2(from, port, member).await?;
            let request = pb::SubscribeRequest { room_id: field.room_id.clone(), after_index: 0 };
            let request = prost::Message::encode_to_vec(&request);
            let length = u32::try_from(request.len()).map_err(io::Error::other)?.to_be_bytes();
            let body = [&[0][..], &length, &request].concat();
            for stream in (0..4).map(|n| 2 * n + 1) {
                write.write_all(&frame(HEADERS, END_HEADERS, stream, &call("MessageService/Subscribe"))).await?;
                write.write_all(&frame(DATA, END_STREAM, stream, &body)).await?;
            }
            // Each is answered, and no answer is read.
            loop {
                write.write_all(&frame(PING, 0, 0, &[0; 8])).await?;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        Kind::FullQuota => {
            let channel = field.ground.connect(port, MEMBER).await.map_err(io::Error::other)?;
            let room_id = field.room_id.clone();
            let requests = futures_util::stream::repeat_with(move || {
                let pb::PostMessageRequest { request_id, room_id, draft } = post(&room_id, "x".repeat(1024));
                pb::PostMessagesRequest { request_id, room_id, draft }
            });
            let answers = Ground::messages(channel).post_messages(requests).await.map_err(io::Error::other)?;
            let mut answers = answers.into_inner();
            while answers.message().await.map_err(io::Error::other)?.is_some() {}
        }
        Kind::ConsentLoop => {
            let channel = field.ground.connect(port, MEMBER).await.map_err(io::Error::other)?;
            let mut client = ConsentServiceClient::new(channel);
            loop {
                let request_id = || Uuid::new_v4().to_string();
                let give = pb::GiveConsentRequest {
                    request_id: request_id(),
                    room_id: field.room_id.clone(),
                    change: Some(Ground::consent(pb::Sharing::Direct)),
                    ..pb::GiveConsentRequest::default()
                };
                let _ = client.give_consent(give).await;
                let withdraw = pb::WithdrawConsentRequest {
                    request_id: request_id(),
                    room_id: field.room_id.clone(),
                    scope: Some(pb::withdraw_consent_request::Scope::All(true)),
                    ..pb::WithdrawConsentRequest::default()
                };
                let _ = client.withdraw_consent(withdraw).await;
            }
        }
    }
    Ok(())
}

fn field_of(block: &mut Vec<u8>, times: usize) {
    (0..times).for_each(|_| field(block, "x-padding", "0123456789"));
}

/// The same again and again, on ever new streams, as fast as the connection takes it.
async fn flood(
    from: u8,
    port: u16,
    member: &Arc<ClientConfig>,
    begin: &[u8],
    add: impl Fn(u32, &mut Vec<u8>),
) -> io::Result<()> {
    let (read, mut write) = http2(from, port, member).await?;
    let reading = tokio::spawn(drain(read));
    write.write_all(begin).await?;
    for n in 0_u32.. {
        let mut bytes = Vec::new();
        (0..16).for_each(|i| add((n * 16 + i) * 2 + 1, &mut bytes));
        write.write_all(&bytes).await?;
        if reading.is_finished() {
            break;
        }
    }
    Ok(())
}

/// What the member's certificate is good for.
pub(crate) fn member(ground: &Ground) -> Result<Arc<ClientConfig>, crate::Wrong> {
    use samverkan::identity::{KeyedCertificate, tls};
    let folder = ground.folder.join(MEMBER.to_string());
    let own = said(KeyedCertificate::load(&folder.join("certificate.pem"), &folder.join("key.pem")))?;
    said(tls::client_config(&own, said(tls::load_authorities(&folder.join("ca.pem")))?))
}
