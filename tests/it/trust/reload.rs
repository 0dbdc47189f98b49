//! The whole server, whose files change under it: what takes effect, whom it cuts, and that what is wrong changes nothing.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use samverkan::api as pb;
use samverkan::identity::ConnectionLimits;
use samverkan::sealing::KeySource;
use samverkan::server::{Config, DEFAULT_TERMS, Running, Server};
use samverkan::service::StreamLimits;

use super::*;
use crate::world::{logs, sharing_logs};

struct World {
    files: Files,
    running: Running,
    store: tempfile::TempDir,
}

impl World {
    async fn start(files: Files) -> Self {
        let store = tempfile::tempdir().expect("a folder");
        let running = Server::start(config(&files, store.path())).await.expect("starts");
        Self { files, running, store }
    }

    fn config(&self) -> Config {
        config(&self.files, self.store.path())
    }

    async fn connect(&self, certificate: &KeyedCertificate) -> std::io::Result<TlsStream<TcpStream>> {
        let config = client_config(certificate, self.files.ours.roots()).expect("settings");
        let tcp = TcpStream::connect(self.running.address()).await?;
        let mut client = TlsConnector::from(config).connect(self.running.address().ip().into(), tcp).await?;
        client.write_all(PREFACE).await?;
        // SETTINGS of the server: it serves this connection.
        client.read_u8().await?;
        Ok(client)
    }

    /// The certificate that the server shows.
    async fn shown(&self) -> Vec<u8> {
        let client = self.connect(&self.files.ours.actor(BO)).await.expect("connected");
        let shown = client.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|own| own.to_vec());
        shown.expect("a certificate")
    }
}

fn config(files: &Files, store: &Path) -> Config {
    Config {
        listen: "127.0.0.1:0".parse().expect("an address"),
        trust_domain: TRUST_DOMAIN.to_owned(),
        coordinator: "cert-se".parse().expect("an id"),
        tls: files.files.clone(),
        store: store.join("store"),
        keys: vec![KeySource::made_if_missing(store.join("store.key")).expect("a key")],
        reserve_mib: 1,
        accept_rollback: false,
        attachments: Default::default(),
        enrolment: None,
        terms: DEFAULT_TERMS.into(),
        connections: ConnectionLimits::default(),
        streams: StreamLimits::default(),
        rates: samverkan::engine::Rates::default(),
    }
}

async fn ends(client: &mut TlsStream<TcpStream>) {
    let _ = soon("the end", client.read_to_end(&mut Vec::new())).await;
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_who_comes_next_and_nobody_is_cut() {
    let world = World::start(Files::new()).await;
    let before = world.shown().await;
    let _connected = world.connect(&world.files.ours.actor(ANNA)).await.expect("connected");
    world.files.new_certificate();
    let reloaded = world.running.reloader().reload(world.config()).await.expect("reloads");
    assert_eq!((reloaded.cut, reloaded.stays.as_slice()), (0, [].as_slice()));
    assert_ne!(world.shown().await, before);
}

#[tokio::test]
async fn who_would_not_be_admitted_any_more_is_cut_and_nobody_else() {
    let mut world = World::start(Files::new()).await;
    let (anna, bo) = (world.files.ours.actor(ANNA), world.files.ours.actor(BO));
    let mut annas = world.connect(&anna).await.expect("connected");
    let _bos = world.connect(&bo).await.expect("connected");
    world.files.list("ours.crl", world.files.ours.list(&[&serial(&anna)], (-60, HOUR)));
    let reloaded = world.running.reloader().reload(world.config()).await.expect("reloads");
    assert_eq!((reloaded.cut, reloaded.authorities, reloaded.with_list), (1, 1, 1));
    assert!(reloaded.lists_until.is_some_and(|until| until > forge::now()));
    ends(&mut annas).await;
    world.connect(&anna).await.expect_err("refused");
    let left: Vec<_> = world.running.connections().callers().iter().map(|caller| caller.actor.to_string()).collect();
    assert_eq!(left, [BO]);

    // An authority of their own: ours does not speak for region-b any more.
    let theirs = Forge::new();
    world.files.bind(&theirs, &["region-b"]);
    let reloaded = world.running.reloader().reload(world.config()).await.expect("reloads");
    assert_eq!((reloaded.cut, reloaded.authorities), (1, 2));
    world.connect(&bo).await.expect_err("refused");
    world.connect(&theirs.actor(BO)).await.expect("connected");
}

#[tokio::test]
async fn what_is_wrong_changes_nothing() {
    let mut world = World::start(Files::new()).await;
    let (anna, before) = (world.files.ours.actor(ANNA), world.shown().await);
    let good = world.config();
    let _connected = world.connect(&anna).await.expect("connected");
    world.files.list("broken.crl", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    let limits = ConnectionLimits { connections: 1, ..ConnectionLimits::default() };
    let bad = Config { connections: limits, ..world.config() };
    world.files.new_certificate();
    let error = world.running.reloader().reload(bad).await.expect_err("refused");
    assert!(error.to_string().contains("broken.crl: has a revocation list that cannot be used"), "{error}");
    assert_eq!(world.shown().await, before, "the certificate as before");
    world.connect(&anna).await.expect("the limits as before");
    // And it is taken up once it is good.
    world.running.reloader().reload(good).await.expect("reloads");
    assert_ne!(world.shown().await, before);
}

#[tokio::test]
async fn limits_take_effect_and_what_needs_a_new_start_is_named() {
    let world = World::start(Files::new()).await;
    let limits = ConnectionLimits { connections_per_organisation: 1, ..ConnectionLimits::default() };
    let config = Config {
        connections: limits,
        listen: "127.0.0.1:1".parse().expect("an address"),
        store: world.store.path().join("other"),
        ..world.config()
    };
    let anna = world.files.ours.actor(ANNA);
    let _first = world.connect(&anna).await.expect("connected");
    let _second = world.connect(&anna).await.expect("connected");
    let reloaded = world.running.reloader().reload(config).await.expect("reloads");
    assert_eq!(reloaded.stays, ["server.listen", "store.directory"]);
    assert_eq!(reloaded.cut, 0, "who is there stays");
    let mut third = world.connect(&anna).await.expect("the handshake stands");
    ends(&mut third).await;
    assert_eq!(world.running.connections().len(), 2);
}

/// Figures: printed, not asserted. That nobody who is healthy notices is. 1,000 reloads where `RUN_SLOW_TESTS` is set, as in `.ci/run`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_fail_no_call_and_drop_no_stream() {
    let reloads = if std::env::var_os("RUN_SLOW_TESTS").is_some() { 1000 } else { 30 };
    let world = Arc::new(crate::world::World::start().await);
    let (coordinator, [a, b]) = world.peers(["region-a", "region-b"]).await;
    let room = coordinator.open().await;
    for peer in [&a, &b] {
        coordinator.bring(&room, peer, sharing_logs(pb::Attribution::Named)).await;
    }
    let stop = CancellationToken::new();
    // Ten healthy streams that stay, one who posts, one who connects anew for each call.
    let (mut readers, messages) = (Vec::new(), Arc::new(AtomicU64::new(0)));
    for _ in 0..10 {
        let mut stream = world.peer("region-b/user/bo").await.subscribe(&room, 0).await.expect("it follows");
        let (stop, messages) = (stop.clone(), messages.clone());
        readers.push(tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    batch = stream.batch() => {
                        let batch = batch.expect("no healthy stream is dropped");
                        messages.fetch_add(batch.deliveries.len() as u64, Ordering::Relaxed);
                    }
                }
            }
        }));
    }
    let posting = tokio::spawn({
        let (stop, room) = (stop.clone(), room.clone());
        async move {
            let mut posted = 0;
            while !stop.is_cancelled() {
                a.post(&room, logs("GET / 200")).await.expect("no call fails");
                posted += 1;
            }
            posted
        }
    });
    let connecting = tokio::spawn({
        let (stop, world) = (stop.clone(), world.clone());
        async move {
            let mut connected = 0;
            while !stop.is_cancelled() {
                let peer = world.peer("region-b/user/bea").await;
                let request = pb::ListRoomsRequest::default();
                peer.call::<pb::ListRoomsResponse>("RoomService/ListRooms", &request).await.expect("no call fails");
                connected += 1;
                // Well below the handshakes that one address may begin.
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
            connected
        }
    });
    let begun = std::time::Instant::now();
    let mut slowest = Duration::ZERO;
    for n in 0..reloads {
        // Every other time with another certificate, which clients check.
        if n % 2 == 0 {
            world.new_server_certificate();
        }
        let one = std::time::Instant::now();
        let reloaded = world.reload().await.expect("good files");
        slowest = slowest.max(one.elapsed());
        assert_eq!(reloaded.cut, 0, "everybody is healthy");
    }
    let took = begun.elapsed();
    stop.cancel();
    for reader in readers {
        reader.await.expect("no healthy stream was dropped");
    }
    let (posted, connected): (u64, u64) =
        (posting.await.expect("no call failed"), connecting.await.expect("no call failed"));
    let messages = messages.load(Ordering::Relaxed);
    println!(
        "reloads: {reloads} in {took:.1?}, slowest {slowest:.1?}; meanwhile {posted} posts, {messages} deliveries on 10 streams, \
         {connected} new connections; calls failed 0, streams dropped 0"
    );
}
