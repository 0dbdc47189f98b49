//! HTTP/2 by hand, over TLS, from an address of one's own: what no client library would send.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A socket from this loopback address.
pub(crate) async fn socket(from: u8, port: u16) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((IpAddr::from([127, 0, 0, from]), 0).into())?;
    let tcp = socket.connect((IpAddr::from([127, 0, 0, 1]), port).into()).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// The same, with TLS.
pub(crate) async fn tls(from: u8, port: u16, config: &Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let name = IpAddr::from([127, 0, 0, 1]).into();
    TlsConnector::from(config.clone()).connect(name, socket(from, port).await?).await
}

/// An HTTP/2 connection: the preface and empty settings are sent.
pub(crate) async fn http2(
    from: u8,
    port: u16,
    config: &Arc<ClientConfig>,
) -> io::Result<(ReadHalf<TlsStream<TcpStream>>, WriteHalf<TlsStream<TcpStream>>)> {
    let mut tls = tls(from, port, config).await?;
    tls.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
    tls.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    Ok(tokio::io::split(tls))
}

/// Reads and forgets, until the end.
pub(crate) async fn drain(mut from: ReadHalf<TlsStream<TcpStream>>) {
    let mut bytes = [0; 16 * 1024];
    while from.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The headers of a gRPC call of `samverkan.v1`, as HPACK without a table and without Huffman codes.
pub(crate) fn call(method: &str) -> Vec<u8> {
    let path = format!("/samverkan.v1.{method}");
    let mut block = vec![0x83, 0x87]; // :method POST, :scheme https
    for (name, value) in [(&[0x04_u8][..], path.as_str()), (&[0x01], "127.0.0.1"), (&[0x0f, 0x10], "application/grpc")]
    {
        block.extend(name);
        text(&mut block, value);
    }
    field(&mut block, "te", "trailers");
    block
}

/// One header, literally.
pub(crate) fn field(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    text(block, name);
    text(block, value);
}

/// A string of up to some thousand bytes.
pub(crate) fn text(block: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    if length < 127 {
        block.push(length as u8);
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push((length % 128) as u8 | 128);
            length /= 128;
        }
        block.push(length as u8);
    }
    block.extend(text.as_bytes());
}
