//! How fast does a file go through TLS from one folder to another, with nothing else done to it?
//!
//! Read from a file, sent over one connection, written to a file that is synced at its end; both sides in this process. It is what an
//! attachment's upload and download can be held to.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::Ceiling;
use crate::bench::failure::BenchError;
use crate::bench::ground::Ground;
use crate::identity::issue::{AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE};
use crate::identity::{KeyedCertificate, tls};
use crate::limits;

/// Copies a file of so many bytes, as often as there are rounds; the fastest counts.
pub(crate) async fn through_tls(
    ground: &Ground,
    file: &Path,
    bytes: u64,
    rounds: usize,
) -> Result<Ceiling, BenchError> {
    let mut fastest = f64::MIN;
    for _ in 0..rounds {
        let begun = Instant::now();
        once(ground, file).await?;
        fastest = fastest.max(bytes as f64 / begun.elapsed().as_secs_f64());
    }
    Ok(Ceiling {
        name: "a file through TLS into a file".into(),
        rate: fastest / (1024.0 * 1024.0),
        unit: "MiB/s".into(),
        step: None,
        cpu_us: None,
        how: format!("{} MiB, one connection, synced at the end; the fastest of {rounds}", bytes / (1024 * 1024)),
    })
}

async fn once(ground: &Ground, file: &Path) -> Result<(), BenchError> {
    let folder = ground.server_certificate();
    let other = |what: &str, error: &dyn std::fmt::Display| BenchError::Other(format!("{what}: {error}"));
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(folder.join(CERTIFICATE_FILE))
        .and_then(Iterator::collect)
        .map_err(|error| other("the server's certificate", &error));
    let key = PrivateKeyDer::from_pem_file(folder.join(KEY_FILE)).map_err(|error| other("the server's key", &error))?;
    let config = ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_no_client_auth()
        .with_single_cert(chain?, key)
        .map_err(|error| other("TLS", &error))?;
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(BenchError::io("listening"))?;
    let address = listener.local_addr().map_err(BenchError::io("listening"))?;
    let target = ground.folder().join("ceiling-copy");
    let receiver = tokio::spawn({
        let target = target.clone();
        async move {
            let (tcp, _) = listener.accept().await?;
            tcp.set_nodelay(true)?;
            let mut tls = TlsAcceptor::from(Arc::new(config)).accept(tcp).await?;
            let mut file = File::create(&target).await?;
            copy(&mut tls, &mut file).await?;
            file.sync_all().await?;
            tls.write_all(&[1]).await?;
            tls.shutdown().await
        }
    });
    let context = ground.context("bench-0001", &address.to_string())?;
    let own = KeyedCertificate::load(&context.certificate, &context.key)?;
    let roots = tls::load_authorities(&folder.join(AUTHORITY_FILE))?;
    let config = tls::client_config(&own, roots).map_err(|error| other("TLS", &error))?;
    let tcp = TcpStream::connect(address).await.map_err(BenchError::io("connecting"))?;
    tcp.set_nodelay(true).map_err(BenchError::io("connecting"))?;
    let connected = TlsConnector::from(config).connect(ServerName::from(address.ip()), tcp).await;
    let mut tls = connected.map_err(BenchError::io("connecting"))?;
    let mut source = File::open(file).await.map_err(BenchError::file(file))?;
    let sent = async {
        copy(&mut source, &mut tls).await?;
        tls.shutdown().await?;
        tls.read_u8().await
    };
    sent.await.map_err(BenchError::io("copying a file through TLS"))?;
    receiver.await?.map_err(BenchError::io("copying a file through TLS"))?;
    std::fs::remove_file(&target).map_err(BenchError::file(&target))
}

async fn copy(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
) -> std::io::Result<()> {
    let mut chunk = vec![0; limits::CONTENT_CHUNK_BYTES_MAX];
    loop {
        match from.read(&mut chunk).await? {
            0 => return to.flush().await,
            bytes => to.write_all(&chunk[..bytes]).await?,
        }
    }
}
