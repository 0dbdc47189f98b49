//! The client, with a server at the other end and a network in between that cuts connections. R8 and the resumption of R9, as a
//! caller sees them: nothing is done twice, nothing is missed, nothing comes twice.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use samverkan::client::{Client, ClientError, Context, Posted, Update, pb};
use samverkan::engine::Rates;
use samverkan::identity::{Authority, ConnectionLimits, Existing, Issued};
use samverkan::room::ids::{Actor, Timestamp};
use samverkan::sealing::KeySource;
use samverkan::server::{Config, DEFAULT_TERMS, Running, Server};
use samverkan::service::StreamLimits;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// A wire that can be cut: whoever connects to it reaches the server, until the cut.
#[derive(Clone)]
struct Wire {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Wire {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = listener.local_addr().expect("its address");
        let connections = Arc::new(Mutex::new(Vec::new()));
        let open = connections.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let both = async move {
                    let Ok(mut server) = TcpStream::connect(server).await else { return };
                    // However it ends, both sides are closed.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                };
                open.lock().expect("not poisoned").push(tokio::spawn(both).abort_handle());
            }
        });
        Self { address, connections }
    }

    /// Ends every connection, with whatever was on its way.
    fn cut(&self) {
        self.connections.lock().expect("not poisoned").drain(..).for_each(|connection| connection.abort());
    }
}

/// A server on a store of its own, with `cert-se` as coordinator and `region-a` registered.
struct World {
    folder: tempfile::TempDir,
    authority: Authority,
    server: Running,
    wire: Wire,
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp(i64::try_from(since.as_micros()).expect("before 294247"))
}

fn authority() -> Authority {
    let domain = "test.example".parse().expect("a trust domain");
    Authority::create(&domain, "test", 30, now()).expect("an authority")
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = authority();
        let certificate = folder.path().join("server");
        let names = ["127.0.0.1".to_owned()];
        let issued = authority.issue_server(&names, 1, now()).expect("issued");
        issued.write(&certificate, Existing::Refuse).expect("written");
        let config = Config {
            listen: "127.0.0.1:0".parse().expect("an address"),
            trust_domain: "test.example".into(),
            coordinator: "cert-se".parse().expect("an organisation"),
            tls: samverkan::identity::TrustFiles::new(
                certificate.join("certificate.pem"),
                certificate.join("key.pem"),
                certificate.join("ca.pem"),
            ),
            store: folder.path().join("store"),
            keys: vec![KeySource::made_if_missing(folder.path().join("store.key")).expect("a key")],
            reserve_mib: 0,
            accept_rollback: false,
            attachments: Default::default(),
            enrolment: None,
            terms: DEFAULT_TERMS.into(),
            connections: ConnectionLimits::default(),
            streams: StreamLimits::default(),
            rates: Rates::default(),
        };
        let server = Server::start(config).await.expect("started");
        let wire = Wire::to(server.address()).await;
        let world = Self { folder, authority, server, wire };
        let request = pb::RegisterOrganisationRequest {
            organisation_id: "region-a".into(),
            display_name: "Region A".into(),
            ..Default::default()
        };
        world.client("org/cert-se/user/anna").await.register_organisation(request).await.expect("registered");
        world
    }

    /// Over the wire that can be cut.
    fn context(&self, name: &str, issued: &Issued) -> Context {
        context(self.folder.path(), name, issued, self.wire.address)
    }

    async fn client(&self, actor: &str) -> Client {
        let name: Actor = actor.parse().expect("an actor");
        let issued = self.authority.issue_actor(&name, 1, now()).expect("issued");
        Client::connect(&self.context(&actor.replace('/', "-"), &issued)).await.expect("connected")
    }

    /// A room that `region-a` has reported, and its client.
    async fn reported(&self) -> (Client, String) {
        let client = self.client("org/region-a/user/astrid").await;
        let report = pb::IntakeReport { what_occurred: "files are encrypted".into(), ..Default::default() };
        let request = pb::ReportIncidentRequest { report: Some(report), ..Default::default() };
        let room = client.report_incident(request).await.expect("reported").room_id;
        (client, room)
    }
}

fn context(folder: &Path, name: &str, issued: &Issued, address: SocketAddr) -> Context {
    let folder = folder.join(name);
    issued.write(&folder, Existing::Replace).expect("written");
    Context {
        address: address.to_string(),
        server_name: None,
        ca: folder.join("ca.pem"),
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
        organisation: "shown only".into(),
        actor: "shown only".into(),
    }
}

fn draft(text: String) -> pb::MessageDraft {
    pb::MessageDraft {
        material: pb::Material::Logs.into(),
        tlp: pb::Tlp::AmberStrict.into(),
        text,
        ..Default::default()
    }
}

/// The texts in the caller's mailbox, in order.
async fn texts(client: &Client, room_id: &str) -> Vec<String> {
    let mut request = pb::ListMessagesRequest { room_id: room_id.into(), after_index: 0, page_size: 1000 };
    let mut texts = Vec::new();
    loop {
        let page = client.list_messages(request.clone()).await.expect("a page");
        if page.deliveries.is_empty() {
            return texts;
        }
        assert_eq!(page.first_index, request.after_index + 1, "indexes are dense");
        request.after_index += page.deliveries.len() as u64;
        texts.extend(page.deliveries.into_iter().filter_map(text));
    }
}

fn text(delivery: pb::Delivery) -> Option<String> {
    match delivery.content {
        Some(pb::delivery::Content::Message(message)) => Some(message.text),
        _ => None,
    }
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("line {number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_lost_is_asked_again_and_done_once() {
    let world = World::new().await;
    let (client, room_id) = world.reported().await;
    for (number, text) in numbered(20).into_iter().enumerate() {
        let request =
            pb::PostMessageRequest { room_id: room_id.clone(), draft: Some(draft(text)), ..Default::default() };
        let cut = async {
            // Now before it is sent, now while the server works on it, now on the way back.
            for _ in 0..number {
                tokio::task::yield_now().await;
            }
            world.wire.cut();
        };
        let (answer, ()) = tokio::join!(client.post_message(request), cut);
        answer.expect("posted");
    }
    assert_eq!(texts(&client, &room_id).await, numbered(20));
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_messages_are_posted_once_and_in_order_through_cut_connections() {
    let world = World::new().await;
    let (client, room_id) = world.reported().await;
    let mut answered = Vec::new();
    let on_answer = |posted: Posted| {
        assert!(posted.result.is_ok(), "{posted:?}");
        answered.push(posted.position);
        if posted.position % 100 == 50 {
            world.wire.cut();
        }
    };
    client.post_many(&room_id, numbered(500).into_iter().map(draft), on_answer).await.expect("posted");
    assert_eq!(answered, (0..500).collect::<Vec<_>>());
    assert_eq!(texts(&client, &room_id).await, numbered(500));
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_message_of_many_does_not_stop_the_others() {
    let world = World::new().await;
    let (client, room_id) = world.reported().await;
    let mut drafts: Vec<_> = numbered(3).into_iter().map(draft).collect();
    drafts[1].text.clear();
    let mut refused = Vec::new();
    let on_answer = |posted: Posted| {
        if let Err(refusal) = posted.result {
            refused.push((posted.position, refusal.reason));
        }
    };
    client.post_many(&room_id, drafts, on_answer).await.expect("the stream went well");
    assert_eq!(refused, [(1, "FIELD_INVALID".to_owned())]);
    assert_eq!(texts(&client, &room_id).await, ["line 0", "line 2"]);
    let nowhere = client.post_many("11111111-1111-4111-8111-111111111111", [draft("x".into())], |_| {}).await;
    assert!(nowhere.expect_err("no such room").is(pb::ErrorReason::RoomNotFound));
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_goes_on_after_each_cut_without_a_gap_or_a_repeat() {
    let world = World::new().await;
    let (client, room_id) = world.reported().await;
    let mut subscription = client.subscribe(&room_id, 0);
    let poster = world.client("org/region-a/user/arne").await;
    let (mut received, mut cuts, mut last) = (Vec::new(), 0, 0);
    for text in numbered(40) {
        let request =
            pb::PostMessageRequest { room_id: room_id.clone(), draft: Some(draft(text)), ..Default::default() };
        poster.post_message(request).await.expect("posted");
        let posted = received.len() + 1;
        while received.len() < posted {
            match subscription.next().await.expect("an update") {
                Update::Delivery { index, delivery } => {
                    last += 1;
                    assert_eq!(index, last, "dense");
                    received.extend(self::text(*delivery));
                }
                Update::Reconnecting { .. } => cuts += 1,
                Update::Heartbeat { .. } => {}
            }
        }
        if posted % 10 == 0 {
            world.wire.cut();
        }
    }
    assert_eq!(received, numbered(40));
    assert!(cuts >= 3, "{cuts}");
    assert_eq!(subscription.after_index(), last);
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_ends_when_the_server_says_no() {
    let world = World::new().await;
    let (client, _) = world.reported().await;
    let mut elsewhere = client.subscribe("11111111-1111-4111-8111-111111111111", 0);
    assert!(elsewhere.next().await.expect_err("no such room").is(pb::ErrorReason::RoomNotFound));

    let (client, room_id) = world.reported().await;
    let mut beyond = client.subscribe(&room_id, 1_000);
    assert!(beyond.next().await.expect_err("past the end").is(pb::ErrorReason::IndexPastEnd));

    let mut subscription = client.subscribe(&room_id, 0);
    subscription.next().await.expect("a delivery");
    client.leave_room(pb::LeaveRoomRequest { room_id, ..Default::default() }).await.expect("left");
    let end = loop {
        if let Err(end) = subscription.next().await {
            break end;
        }
    };
    assert!(end.is(pb::ErrorReason::RoomNotFound), "{end}");
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_is_told_why_and_at_once() {
    let world = World::new().await;
    let first_call = async |context: Context| match Client::connect(&context).await {
        Ok(client) => client.list_rooms(pb::ListRoomsRequest::default()).await.expect_err("refused"),
        Err(error) => error,
    };
    let told = |error: ClientError| match error {
        ClientError::NotAdmitted { explanation, .. } => explanation,
        other => panic!("{other:?}"),
    };

    let stranger = world.authority.issue_actor(&"org/region-z/user/zoe".parse().expect("an actor"), 1, now());
    let error = first_call(world.context("stranger", &stranger.expect("issued"))).await;
    assert!(told(error).contains("registered"));

    let server = world.authority.issue_server(&["x.example".to_owned()], 1, now()).expect("issued");
    let error = first_call(world.context("server", &server)).await;
    assert!(told(error).contains("clientAuth"));

    let actor: Actor = "org/region-a/user/astrid".parse().expect("an actor");
    let foreign = authority().issue_actor(&actor, 1, now()).expect("issued");
    let mut foreign = world.context("foreign", &foreign);
    let error = first_call(foreign.clone()).await;
    assert!(told(error).contains("was not issued by the authority in the context"));
    foreign.ca = world.folder.path().join("server/ca.pem");
    let error = first_call(foreign).await;
    let explanation = told(error);
    assert!(explanation.contains("authority"), "{explanation}");

    let good = world.authority.issue_actor(&actor, 1, now()).expect("issued");
    let mut elsewhere = world.context("good", &good);
    elsewhere.server_name = Some("broker.example".into());
    assert!(told(first_call(elsewhere.clone()).await).contains("another host name"));

    elsewhere.address = {
        let closed = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        closed.local_addr().expect("its address").to_string()
    };
    let error = first_call(elsewhere).await;
    assert!(matches!(error, ClientError::NotReachable { .. }), "{error:?}");
    world.server.stop().await;
}
