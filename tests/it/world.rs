//! A real server in this process and callers of it, for tests: real sockets, certificates and a store in a temporary directory.
//!
//! A [`Peer`] sends requests of the generated types and takes answers as the bytes that they are, so that tests can compare those.
//! The clock stands still until a test moves it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Buf as _, BufMut as _, Bytes};
use hyper_util::rt::TokioIo;
use prost::Message;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use samverkan::api as pb;
use samverkan::client::Context;
use samverkan::engine::{Ids, Rates};
use samverkan::identity::issue::{Authority, CERTIFICATE_FILE, Existing, KEY_FILE};
use samverkan::identity::{ConnectionLimits, KeyedCertificate, tls};
use samverkan::room::ids::{Actor, Timestamp};
use samverkan::sealing::KeySource;
use samverkan::server::{AttachmentSettings, Config, ReloadError, Reloaded, Running, Server, system_clock};
use samverkan::service::StreamLimits;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_stream::Stream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder, Streaming};
use tonic::codegen::http::Uri;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

/// Who coordinates.
pub(crate) const COORDINATOR: &str = "cert-se";
const TRUST_DOMAIN: &str = "samverkan.test";
/// Where the clock begins: any moment, but the same one in each run.
const BEGIN: i64 = 1_750_000_000_000_000;

/// A server, its store, its authority and its clock.
pub(crate) struct World {
    folder: TempDir,
    authority: Arc<Authority>,
    clock: Arc<AtomicI64>,
    reserve_mib: u64,
    encrypts: bool,
    /// Where attachments are kept from the next start on.
    pub(crate) attachments: AttachmentSettings,
    ids: Ids,
    pub(crate) streams: StreamLimits,
    pub(crate) rates: Rates,
    server: Option<Running>,
}

impl World {
    /// Starts a server on an empty store.
    pub(crate) async fn start() -> Self {
        Self::start_as(true, AttachmentSettings::default()).await
    }

    /// The same, whose store anybody can read.
    pub(crate) async fn start_unencrypted() -> Self {
        Self::start_as(false, AttachmentSettings::default()).await
    }

    /// The same as [`Self::start`], which keeps attachments as these say.
    pub(crate) async fn start_keeping(attachments: AttachmentSettings) -> Self {
        Self::start_as(true, attachments).await
    }

    async fn start_as(encrypts: bool, attachments: AttachmentSettings) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let domain = TRUST_DOMAIN.parse().expect("a trust domain");
        let authority = Authority::create(&domain, "test", 10, system_clock()).expect("an authority");
        let server = authority.issue_server(&["127.0.0.1".to_owned()], 2, system_clock()).expect("a certificate");
        server.write(&folder.path().join("server"), Existing::Refuse).expect("it is written");
        let clock = Arc::new(AtomicI64::new(BEGIN));
        let (authority, ids, streams) = (Arc::new(authority), Ids::random(), StreamLimits::default());
        let (rates, reserve_mib, server) = (Rates::default(), 1, None);
        let mut world =
            Self { folder, authority, clock, reserve_mib, encrypts, attachments, ids, streams, rates, server };
        world.serve().await;
        world
    }

    /// Another server with the same authority, certificates, clock and store as this one, which is stopped.
    pub(crate) async fn twin(&self, ids: Ids, streams: StreamLimits) -> Self {
        assert!(self.server.is_none(), "a store that is open can't be copied");
        let folder = tempfile::tempdir().expect("a temporary directory");
        copy(self.folder.path(), folder.path());
        let (authority, clock) = (self.authority.clone(), Arc::new(AtomicI64::new(self.now())));
        let (encrypts, attachments) = (self.encrypts, self.attachments.clone());
        let (rates, reserve_mib, server) = (Rates::default(), 1, None);
        let mut world =
            Self { folder, authority, clock, reserve_mib, encrypts, attachments, ids, streams, rates, server };
        world.serve().await;
        world
    }

    fn config(&self) -> Config {
        let own = self.folder.path().join("server");
        let key = || KeySource::made_if_missing(self.folder.path().join("store.key")).expect("a key");
        Config {
            listen: "127.0.0.1:0".parse().expect("an address"),
            trust_domain: TRUST_DOMAIN.to_owned(),
            coordinator: COORDINATOR.parse().expect("an organisation id"),
            tls: samverkan::identity::TrustFiles::new(
                own.join(CERTIFICATE_FILE),
                own.join(KEY_FILE),
                own.join("ca.pem"),
            ),
            store: self.folder.path().join("store"),
            keys: self.encrypts.then(key).into_iter().collect(),
            reserve_mib: self.reserve_mib,
            accept_rollback: false,
            attachments: self.attachments.clone(),
            enrolment: None,
            terms: "The coordinator sees what is posted here.".into(),
            connections: ConnectionLimits::default(),
            streams: self.streams,
            rates: self.rates,
        }
    }

    async fn serve(&mut self) {
        let config = self.config();
        let clock = self.clock.clone();
        let clock = Arc::new(move || Timestamp(clock.load(Ordering::SeqCst)));
        self.server = Some(Server::start_with(config, clock, self.ids.clone()).await.expect("the server starts"));
    }

    /// Whether the server starts, and with what it refuses to.
    pub(crate) async fn tries_to_start(&mut self) -> Result<(), samverkan::server::StartError> {
        self.stop().await;
        self.server = Some(Server::start(self.config()).await?);
        Ok(())
    }

    /// A configuration of the real program for this store, and these lines. The server must be stopped before the program starts.
    pub(crate) fn configuration(&self, lines: &str) -> PathBuf {
        let path = self.folder.path().join("samverkan.toml");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[identity]\ntrust_domain = \"{TRUST_DOMAIN}\"\n\
             coordinator = \"{COORDINATOR}\"\n[tls]\ncertificate = \"server/{CERTIFICATE_FILE}\"\n\
             key = \"server/{KEY_FILE}\"\nclient_roots = \"server/ca.pem\"\n\
             [store]\ndirectory = \"store\"\nkey = \"store.key\"\nreserve_mib = 1\n{lines}\n"
        );
        fs::write(&path, text).expect("written");
        path
    }

    /// The folder of the store.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// The file of its key.
    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("store.key")
    }

    /// Starts the server, which is stopped, on another store in place of its own. Peers must connect again.
    pub(crate) async fn adopt(&mut self, store: &Path) {
        fs::remove_dir_all(self.store()).expect("its own store");
        fs::rename(store, self.store()).expect("the other in its place");
        self.serve().await;
    }

    /// Stops the server.
    pub(crate) async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Stops the server and starts another on the same store, which needs so much free disk space. Peers must connect again.
    pub(crate) async fn restart(&mut self, reserve_mib: u64) {
        self.stop().await;
        self.reserve_mib = reserve_mib;
        self.serve().await;
    }

    /// The server's files hold another certificate and key from now on; it takes them up with [`Self::reload`].
    pub(crate) fn new_server_certificate(&self) {
        let issued = self.authority.issue_server(&["127.0.0.1".to_owned()], 2, system_clock()).expect("a certificate");
        issued.write(&self.folder.path().join("server"), Existing::Replace).expect("it is written");
    }

    /// The server reads its files again.
    pub(crate) async fn reload(&self) -> Result<Reloaded, ReloadError> {
        self.server.as_ref().expect("it runs").reloader().reload(self.config()).await
    }

    /// What the clock shows, in microseconds.
    pub(crate) fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    /// Time passes.
    pub(crate) fn advance_clock(&self, microseconds: i64) {
        self.clock.fetch_add(microseconds, Ordering::SeqCst);
    }

    /// Connects as `ORGANISATION` (its person `duty`) or `ORGANISATION/user|service/NAME`.
    pub(crate) async fn peer(&self, who: &str) -> Peer {
        self.connect(who).await.expect("it connects")
    }

    async fn connect(&self, who: &str) -> Result<Peer, tonic::transport::Error> {
        let name = if who.contains('/') { format!("org/{who}") } else { format!("org/{who}/user/duty") };
        let actor: Actor = name.parse().expect("an actor");
        let folder: PathBuf = self.folder.path().join(name.replace('/', "."));
        if !folder.exists() {
            let issued = self.authority.issue_actor(&actor, 2, system_clock()).expect("a certificate");
            issued.write(&folder, Existing::Refuse).expect("it is written");
        }
        let own = KeyedCertificate::load(&folder.join(CERTIFICATE_FILE), &folder.join(KEY_FILE)).expect("loads");
        let roots = tls::load_authorities(&folder.join("ca.pem")).expect("loads");
        let config = tls::client_config(&own, roots).expect("a TLS client");
        let address = self.server.as_ref().expect("it runs").address();
        let connector = tower::service_fn(move |_: Uri| {
            let config = config.clone();
            async move {
                let tcp = TcpStream::connect(address).await?;
                tcp.set_nodelay(true)?;
                let name = ServerName::from(address.ip());
                TlsConnector::from(config).connect(name, tcp).await.map(TokioIo::new)
            }
        });
        let endpoint = Endpoint::from(format!("https://{address}").parse::<Uri>().expect("a URI"));
        let channel = endpoint.connect_with_connector(connector).await?;
        Ok(Peer { organisation: actor.organisation.to_string(), channel, heard: Arc::default() })
    }

    /// Whether somebody can connect and is served. In TLS 1.3 a client learns only after its handshake that it was refused.
    pub(crate) async fn admits(&self, who: &str) -> bool {
        let Ok(peer) = self.connect(who).await else { return false };
        let request = tonic_health::pb::HealthCheckRequest::default();
        peer.call::<tonic_health::pb::HealthCheckResponse>("grpc.health.v1.Health/Check", &request).await.is_ok()
    }

    /// How many connections somebody has.
    pub(crate) fn callers(&self, who: &str) -> usize {
        let callers = self.server.as_ref().expect("it runs").connections().callers();
        callers.iter().filter(|caller| caller.actor.to_string() == format!("org/{who}")).count()
    }

    /// A context of this organisation at the server, with files of its own in `folder`; its certificate was issued at `issued_at`, for two
    /// days.
    pub(crate) fn context(&self, organisation: &str, folder: &Path, issued_at: Timestamp) -> Context {
        let actor: Actor = format!("org/{organisation}/user/duty").parse().expect("an actor");
        let issued = self.authority.issue_actor(&actor, 2, issued_at).expect("a certificate");
        issued.write(folder, Existing::Refuse).expect("it is written");
        Context {
            address: self.server.as_ref().expect("it runs").address().to_string(),
            server_name: None,
            ca: folder.join("ca.pem"),
            certificate: folder.join(CERTIFICATE_FILE),
            key: folder.join(KEY_FILE),
            organisation: organisation.to_owned(),
            actor: "user/duty".to_owned(),
        }
    }

    /// The certificate of somebody who has connected, as DER.
    pub(crate) fn certificate(&self, who: &str) -> Vec<u8> {
        let path = self.folder.path().join(format!("org/{who}").replace('/', "."));
        let path = path.join(CERTIFICATE_FILE);
        CertificateDer::from_pem_file(path).expect("a certificate").to_vec()
    }

    /// The coordinator, and organisations that it registered, each under a display name that is its id in capitals.
    pub(crate) async fn peers<const N: usize>(&self, organisations: [&str; N]) -> (Peer, [Peer; N]) {
        let coordinator = self.peer(COORDINATOR).await;
        let mut peers = Vec::new();
        for organisation in organisations {
            coordinator.register(organisation).await.expect("it is registered");
            peers.push(self.peer(organisation).await);
        }
        (coordinator, peers.try_into().ok().expect("as many"))
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&to).expect("a directory");
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("it is copied");
        }
    }
}

/// One actor's connection.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) organisation: String,
    channel: Channel,
    heard: Arc<Mutex<Vec<u8>>>,
}

/// What came back of a call.
#[derive(Default)]
pub(crate) struct Exchange {
    /// Headers and trailers, but for the date.
    headers: Vec<String>,
    pub(crate) answers: Vec<Bytes>,
    pub(crate) status: Option<Status>,
}

impl Exchange {
    /// The headers and the status alone.
    pub(crate) fn without_answers(&self) -> Self {
        Self { headers: self.headers.clone(), answers: Vec::new(), status: self.status.clone() }
    }

    /// All of it, to be compared; the answers in their order, each with its size.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut all = format!("{:?}\n", self.headers).into_bytes();
        for answer in &self.answers {
            all.extend(format!("{} bytes: ", answer.len()).bytes());
            all.extend(answer);
            all.push(b'\n');
        }
        if let Some(status) = &self.status {
            all.extend(format!("{:?} {} {:?}\n", status.code(), status.message(), headers(status.metadata())).bytes());
            all.extend(status.details());
        }
        all
    }
}

fn headers(metadata: &MetadataMap) -> Vec<String> {
    let all = metadata.clone().into_headers();
    let mut all: Vec<_> =
        all.iter().filter(|(name, _)| *name != "date").map(|(name, value)| format!("{name}: {value:?}")).collect();
    all.sort();
    all
}

/// A stream of answers.
pub(crate) struct Answers<A> {
    stream: Streaming<Bytes>,
    heard: Arc<Mutex<Vec<u8>>>,
    kind: std::marker::PhantomData<A>,
}

impl<A: Message + Default> Answers<A> {
    /// The next answer; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<A>, Status> {
        let next = self.stream.message().await;
        match &next {
            Ok(bytes) => self.heard.lock().expect("not poisoned").extend(bytes.iter().flatten()),
            Err(status) => self.heard.lock().expect("not poisoned").extend(format!("{status:?}").bytes()),
        }
        Ok(next?.map(|bytes| A::decode(bytes).expect("an answer decodes")))
    }
}

impl Answers<pb::SubscribeResponse> {
    /// The deliveries of the next batch, and the index of the first.
    pub(crate) async fn batch(&mut self) -> Result<pb::Batch, Status> {
        loop {
            match self.next().await?.ok_or_else(|| Status::ok("the stream ended"))?.content {
                Some(pb::subscribe_response::Content::Batch(batch)) => return Ok(batch),
                Some(pb::subscribe_response::Content::Heartbeat(_)) | None => {}
            }
        }
    }
}

impl Peer {
    fn grpc(&self) -> Grpc<Channel> {
        Grpc::new(self.channel.clone()).max_decoding_message_size(4 * 1024 * 1024)
    }

    /// Calls a method, as in `RoomService/GetRoom`; answers with the bytes of the answer.
    pub(crate) async fn raw(&self, method: &str, request: &impl Message) -> Result<Bytes, Status> {
        let mut grpc = self.grpc();
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let request = Request::new(Bytes::from(request.encode_to_vec()));
        let answer = grpc.unary(request, path(method), Raw).await;
        let mut heard = self.heard.lock().expect("not poisoned");
        match answer {
            Ok(answer) => {
                heard.extend(format!("{:?}", answer.metadata()).bytes());
                heard.extend(answer.get_ref());
                Ok(answer.into_inner())
            }
            Err(status) => {
                heard.extend(format!("{:?} {}", status.metadata(), status.message()).bytes());
                heard.extend(status.details());
                Err(status)
            }
        }
    }

    /// Everything that comes back of a call but the date: headers, answers, trailers or the status. `ends` is shown each answer and says
    /// whether the caller has enough.
    pub(crate) async fn exchange(
        &self,
        method: &str,
        requests: Vec<Bytes>,
        mut ends: impl FnMut(&Bytes) -> bool,
    ) -> Exchange {
        let mut grpc = self.grpc();
        grpc.ready().await.expect("connected");
        let mut all = Exchange::default();
        match grpc.streaming(Request::new(tokio_stream::iter(requests)), path(method), Raw).await {
            Ok(answer) => {
                all.headers = headers(answer.metadata());
                let mut answers = answer.into_inner();
                loop {
                    match answers.message().await {
                        Ok(Some(answer)) => {
                            let enough = ends(&answer);
                            all.answers.push(answer);
                            if enough {
                                return all;
                            }
                        }
                        Ok(None) => break,
                        Err(status) => {
                            all.status = Some(status);
                            return all;
                        }
                    }
                }
                all.headers.extend(answers.trailers().await.expect("trailers").iter().flat_map(headers));
            }
            Err(status) => all.status = Some(status),
        }
        all
    }

    /// Calls a method.
    pub(crate) async fn call<A: Message + Default>(&self, method: &str, request: &impl Message) -> Result<A, Status> {
        self.raw(method, request).await.map(|bytes| A::decode(bytes).expect("an answer decodes"))
    }

    /// Calls a method that answers with a stream.
    pub(crate) async fn stream<A: Message + Default>(
        &self,
        method: &str,
        requests: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Result<Answers<A>, Status> {
        let mut grpc = self.grpc();
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let answer = grpc.streaming(Request::new(requests), path(method), Raw).await?;
        Ok(Answers { stream: answer.into_inner(), heard: self.heard.clone(), kind: std::marker::PhantomData })
    }

    /// Follows a room.
    pub(crate) async fn subscribe(
        &self,
        room: &str,
        after_index: u64,
    ) -> Result<Answers<pb::SubscribeResponse>, Status> {
        let request = pb::SubscribeRequest { room_id: room.to_owned(), after_index };
        self.stream("MessageService/Subscribe", tokio_stream::once(Bytes::from(request.encode_to_vec()))).await
    }

    /// A page of the mailbox.
    pub(crate) async fn list(&self, room: &str, after_index: u64) -> Result<pb::ListMessagesResponse, Status> {
        let request = pb::ListMessagesRequest { room_id: room.to_owned(), after_index, page_size: 1000 };
        self.call("MessageService/ListMessages", &request).await
    }

    /// Posts.
    pub(crate) async fn post(&self, room: &str, draft: pb::MessageDraft) -> Result<pb::PostMessageResponse, Status> {
        let request = pb::PostMessageRequest { request_id: id(), room_id: room.to_owned(), draft: Some(draft) };
        self.call("MessageService/PostMessage", &request).await
    }

    /// Changes its consent.
    pub(crate) async fn give(&self, room: &str, change: pb::ConsentChange) -> Result<pb::GiveConsentResponse, Status> {
        let (request_id, room_id) = (id(), room.to_owned());
        let request = pb::GiveConsentRequest { request_id, room_id, change: Some(change), expected_version: None };
        self.call("ConsentService/GiveConsent", &request).await
    }

    /// The coordinator admits an organisation.
    pub(crate) async fn register(&self, organisation: &str) -> Result<pb::RegisterOrganisationResponse, Status> {
        let request = pb::RegisterOrganisationRequest {
            request_id: id(),
            organisation_id: organisation.to_owned(),
            display_name: organisation.to_uppercase(),
        };
        self.call("OrganisationService/RegisterOrganisation", &request).await
    }

    /// The coordinator keeps one out.
    pub(crate) async fn suspend(&self, organisation: &str) -> Result<pb::SuspendOrganisationResponse, Status> {
        let request = pb::SuspendOrganisationRequest {
            request_id: id(),
            organisation_id: organisation.to_owned(),
            reason: "for a test".to_owned(),
        };
        self.call("OrganisationService/SuspendOrganisation", &request).await
    }

    /// The coordinator opens a room.
    pub(crate) async fn open(&self) -> String {
        let request = pb::OpenRoomRequest { request_id: id(), title: "Incident".into(), terms: String::new() };
        self.call::<pb::OpenRoomResponse>("RoomService/OpenRoom", &request).await.expect("it opens").room_id
    }

    /// The coordinator invites, as an affected organisation.
    pub(crate) async fn invite(&self, room: &str, organisation: &str) -> String {
        let request = pb::InviteOrganisationRequest {
            request_id: id(),
            room_id: room.to_owned(),
            organisation_id: organisation.to_owned(),
            role: pb::Role::AffectedOrganisation.into(),
        };
        let invited: pb::InviteOrganisationResponse =
            self.call("RoomService/InviteOrganisation", &request).await.expect("it is invited");
        invited.invitation_id
    }

    /// Answers an invitation.
    pub(crate) async fn accept(
        &self,
        invitation: &str,
        consent: pb::ConsentChange,
    ) -> Result<pb::AcceptInvitationResponse, Status> {
        let (request_id, invitation_id) = (id(), invitation.to_owned());
        let request = pb::AcceptInvitationRequest { request_id, invitation_id, consent: Some(consent) };
        self.call("RoomService/AcceptInvitation", &request).await
    }

    /// The coordinator invites and `peer` accepts; answers with its participant id.
    pub(crate) async fn bring(&self, room: &str, peer: &Peer, consent: pb::ConsentChange) -> String {
        let invitation = self.invite(room, &peer.organisation).await;
        peer.accept(&invitation, consent).await.expect("it joins").participant_id
    }

    /// Everything that was answered on this connection and its clones, headers and errors included.
    pub(crate) fn heard(&self) -> Vec<u8> {
        self.heard.lock().expect("not poisoned").clone()
    }
}

/// A new request id.
pub(crate) fn id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Some log lines, to everybody permitted.
pub(crate) fn logs(text: &str) -> pb::MessageDraft {
    let (material, tlp) = (pb::Material::Logs.into(), pb::Tlp::Amber.into());
    pb::MessageDraft { material, tlp, text: text.to_owned(), ..pb::MessageDraft::default() }
}

/// To appear as this, and nothing else.
pub(crate) fn appearing(attribution: pb::Attribution) -> pb::ConsentChange {
    pb::ConsentChange { attribution: Some(attribution.into()), ..pb::ConsentChange::default() }
}

/// To appear as this, and share logs directly with other affected organisations, newcomers included.
pub(crate) fn sharing_logs(attribution: pb::Attribution) -> pb::ConsentChange {
    let audience = pb::Audience::OtherAffectedOrganisations.into();
    let (material, sharing) = (pb::Material::Logs.into(), pb::Sharing::Direct.into());
    pb::ConsentChange {
        cells: vec![pb::ConsentCell { material, audience, sharing }],
        newcomers: vec![pb::NewcomersAnswer { audience, answer: pb::Answer::Yes.into() }],
        ..appearing(attribution)
    }
}

/// The texts of the messages among deliveries.
pub(crate) fn texts(deliveries: &[pb::Delivery]) -> Vec<String> {
    let text = |delivery: &pb::Delivery| match &delivery.content {
        Some(pb::delivery::Content::Message(message)) => Some(message.text.clone()),
        _ => None,
    };
    deliveries.iter().filter_map(text).collect()
}

/// The reason that a status gives, and the first field that it names, without the place in a list.
pub(crate) fn reason(status: &Status) -> (String, Option<String>) {
    let reason = status.get_details_error_info().map_or_else(|| format!("{status:?}"), |info| info.reason);
    let violations = status.get_details_bad_request().map_or(Vec::new(), |bad| bad.field_violations);
    let field = violations.first().map(|violation| violation.field.clone());
    (reason, field.map(|field| field.split('[').next().unwrap_or_default().to_owned()))
}

/// What a status says of the write that it refuses.
pub(crate) fn outcome(status: &Status) -> Option<String> {
    status.get_details_error_info()?.metadata.remove("outcome")
}

fn path(method: &str) -> PathAndQuery {
    let path = if method.starts_with("grpc.") { format!("/{method}") } else { format!("/samverkan.v1.{method}") };
    path.parse().expect("a path")
}

/// Messages as they are on the wire.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
