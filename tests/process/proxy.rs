//! What lies between client and server? A relay of bytes that can cut every connection within a frame, or leave the server with halves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::Wrong;
use crate::ground::{random, said};

/// What happens to the connections of now.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Order {
    /// Each order is given once.
    number: u64,
    /// The server's side stays open until the next order.
    half_open: bool,
}

pub(crate) struct Proxy {
    port: u16,
    orders: watch::Sender<Order>,
    cut: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) async fn to(server: u16, seed: u64) -> Result<Self, Wrong> {
        let listener = said(TcpListener::bind("127.0.0.1:0").await)?;
        let port = said(listener.local_addr())?.port();
        let orders = watch::Sender::default();
        let cut = Arc::new(AtomicU64::new(0));
        let (subscribed, counted) = (orders.clone(), cut.clone());
        tokio::spawn(async move {
            let mut number = 0;
            while let Ok((client, _)) = listener.accept().await {
                number += 1;
                tokio::spawn(relay(client, server, subscribed.subscribe(), counted.clone(), random(seed, number)));
            }
        });
        Ok(Self { port, orders, cut })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection of now after some more bytes; `half_open`: the server does not hear of it.
    pub(crate) fn cut(&self, half_open: bool) {
        self.orders.send_modify(|order| *order = Order { number: order.number + 1, half_open });
    }

    /// Connections cut so far.
    pub(crate) fn has_cut(&self) -> u64 {
        self.cut.load(Ordering::SeqCst)
    }
}

async fn relay(client: TcpStream, server: u16, mut orders: watch::Receiver<Order>, cut: Arc<AtomicU64>, seed: u64) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    // What may still pass once it is told to cut: the last bytes of it are part of a frame.
    let mut left: Option<usize> = None;
    loop {
        let (bytes, is_up) = tokio::select! {
            read = from_client.read(&mut up) => (read, true),
            read = from_server.read(&mut down) => (read, false),
            _ = orders.changed(), if left.is_none() => {
                left = Some((seed % 3000) as usize);
                continue;
            }
        };
        let Ok(bytes @ 1..) = bytes else { return };
        let passes = left.map_or(bytes, |left| left.min(bytes));
        let written =
            if is_up { to_server.write_all(&up[..passes]).await } else { to_client.write_all(&down[..passes]).await };
        if written.is_err() {
            return;
        }
        if let Some(left) = &mut left {
            *left -= passes;
            if *left == 0 {
                break;
            }
        }
    }
    cut.fetch_add(1, Ordering::SeqCst);
    let half_open = orders.borrow().half_open;
    drop((from_client, to_client));
    if half_open {
        let _ = orders.changed().await;
    }
}
