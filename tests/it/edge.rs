//! What the edge itself promises, over real sockets with the generated clients: who gets through the gate, how errors are said,
//! streams in order, and an end with a reason. What the domain promises is tested elsewhere.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use samverkan::api::{
    self, message_service_client::MessageServiceClient, organisation_service_client::OrganisationServiceClient,
    room_service_client::RoomServiceClient,
};
use samverkan::engine::Rates;
use samverkan::identity::Ended;
use samverkan::identity::issue::{AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE};
use samverkan::identity::{Authority, ConnectionLimits, Existing, KeyedCertificate, tls};
use samverkan::sealing::KeySource;
use samverkan::server::{Config, DEFAULT_TERMS, Running, Server};
use samverkan::service::StreamLimits;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_client::ServerReflectionClient};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::identity::forge::now;

/// No single step takes this long, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(30);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: nothing happened in {PATIENCE:?}"))
}

struct World {
    directory: tempfile::TempDir,
    authority: Authority,
    server: Running,
}

impl World {
    async fn new() -> Self {
        Self::with(StreamLimits::default()).await
    }

    async fn with(streams: StreamLimits) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let trust_domain = "test.example".parse().expect("a trust domain");
        let authority = Authority::create(&trust_domain, "test", 2, now()).expect("an authority");
        let own = directory.path().join("server");
        let issued = authority.issue_server(&["127.0.0.1".to_owned()], 1, now()).expect("a certificate");
        issued.write(&own, Existing::Refuse).expect("is written");
        let config = Config {
            listen: "127.0.0.1:0".parse().expect("an address"),
            trust_domain: trust_domain.as_str().to_owned(),
            coordinator: "cert-se".parse().expect("an id"),
            tls: samverkan::identity::TrustFiles::new(
                own.join(CERTIFICATE_FILE),
                own.join(KEY_FILE),
                own.join(AUTHORITY_FILE),
            ),
            store: directory.path().join("store"),
            keys: vec![KeySource::made_if_missing(directory.path().join("store.key")).expect("a key")],
            reserve_mib: 1,
            accept_rollback: false,
            attachments: Default::default(),
            enrolment: None,
            terms: DEFAULT_TERMS.into(),
            connections: ConnectionLimits::default(),
            streams,
            rates: Rates::default(),
        };
        let server = Server::start(config).await.expect("starts");
        Self { directory, authority, server }
    }

    /// A connection of this actor.
    async fn connect(&self, actor: &str) -> Channel {
        let folder = self.directory.path().join(Uuid::new_v4().to_string());
        let issued = self.authority.issue_actor(&actor.parse().expect("an actor"), 1, now()).expect("a certificate");
        issued.write(&folder, Existing::Refuse).expect("is written");
        let config = client(&folder);
        let address = self.server.address();
        let connector = tower::service_fn(move |_| {
            let config = config.clone();
            async move {
                let tcp = TcpStream::connect(address).await?;
                let tls = TlsConnector::from(config).connect(address.ip().into(), tcp).await?;
                Ok::<_, std::io::Error>(TokioIo::new(tls))
            }
        });
        let endpoint = Endpoint::try_from(format!("https://{address}")).expect("a URI");
        soon("connecting", endpoint.connect_with_connector(connector)).await.expect("connects")
    }

    async fn coordinator(&self) -> Channel {
        self.connect("org/cert-se/user/cecilia").await
    }

    async fn register(&self, organisation: &str) {
        let request = api::RegisterOrganisationRequest {
            request_id: id(),
            organisation_id: organisation.to_owned(),
            display_name: organisation.to_uppercase(),
        };
        OrganisationServiceClient::new(self.coordinator().await)
            .register_organisation(request)
            .await
            .expect("registers");
    }

    async fn room(&self) -> String {
        let request = api::OpenRoomRequest { request_id: id(), title: "Exercise".into(), terms: String::new() };
        let opened = RoomServiceClient::new(self.coordinator().await).open_room(request).await.expect("opens");
        opened.into_inner().room_id
    }
}

fn client(folder: &Path) -> Arc<rustls::ClientConfig> {
    let own = KeyedCertificate::load(&folder.join(CERTIFICATE_FILE), &folder.join(KEY_FILE)).expect("a certificate");
    let roots = tls::load_authorities(&folder.join(AUTHORITY_FILE)).expect("an authority");
    tls::client_config(&own, roots).expect("settings")
}

fn id() -> String {
    Uuid::new_v4().to_string()
}

fn draft(text: &str) -> Option<api::MessageDraft> {
    Some(api::MessageDraft {
        material: api::Material::Information.into(),
        tlp: api::Tlp::AmberStrict.into(),
        text: text.to_owned(),
        ..api::MessageDraft::default()
    })
}

fn post(room: &str, text: &str) -> api::PostMessagesRequest {
    api::PostMessagesRequest { request_id: id(), room_id: room.to_owned(), draft: draft(text) }
}

/// Code, reason and outcome of an error.
fn said(status: &Status) -> (Code, String, Option<String>) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("{status:?} has no ErrorInfo"));
    assert_eq!(info.domain, "samverkan");
    (status.code(), info.reason.clone(), info.metadata.get("outcome").cloned())
}

#[track_caller]
fn check<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, reason: &str, outcome: Option<&str>) {
    let status = result.expect_err("is refused");
    assert_eq!(said(&status), (code, reason.to_owned(), outcome.map(str::to_owned)));
}

#[tokio::test]
async fn who_is_not_registered_gets_no_further_than_the_gate() {
    let world = World::new().await;
    let channel = world.connect("org/region-a/user/anna").await;
    let get = api::GetRoomRequest { room_id: id() };
    let mut rooms = RoomServiceClient::new(channel.clone());
    check(rooms.get_room(get.clone()).await, Code::PermissionDenied, "ORGANISATION_NOT_ADMITTED", None);
    let health = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await;
    check(health, Code::PermissionDenied, "ORGANISATION_NOT_ADMITTED", None);

    world.register("region-a").await;
    check(rooms.get_room(get).await, Code::NotFound, "ROOM_NOT_FOUND", None);
    let health = HealthClient::new(channel).check(HealthCheckRequest::default()).await.expect("is admitted");
    assert_eq!(health.into_inner().status(), ServingStatus::Serving);
}

#[tokio::test]
async fn the_register_is_the_coordinators() {
    let world = World::new().await;
    world.register("region-a").await;
    let mut theirs = OrganisationServiceClient::new(world.connect("org/region-a/user/anna").await);
    let list = api::ListOrganisationsRequest { page_size: 1, ..Default::default() };
    check(theirs.list_organisations(list.clone()).await, Code::PermissionDenied, "COORDINATOR_ONLY", None);
    let register = api::RegisterOrganisationRequest {
        request_id: id(),
        organisation_id: "region-b".into(),
        display_name: "Region B".into(),
    };
    let refused = theirs.register_organisation(register).await;
    check(refused, Code::PermissionDenied, "COORDINATOR_ONLY", Some("nothing_written"));

    let mut ours = OrganisationServiceClient::new(world.coordinator().await);
    let first = ours.list_organisations(list.clone()).await.expect("lists").into_inner();
    assert_eq!(first.organisations[0].organisation_id, "cert-se");
    let token = first.next_page_token;
    let second = api::ListOrganisationsRequest { page_token: token.clone(), ..list.clone() };
    let second = ours.list_organisations(second).await.expect("lists").into_inner();
    assert_eq!(second.organisations[0].organisation_id, "region-a");
    assert_eq!(second.next_page_token, "", "it was the last");
    let mut others = OrganisationServiceClient::new(world.connect("org/cert-se/user/carl").await);
    let stolen = others.list_organisations(api::ListOrganisationsRequest { page_token: token, ..list }).await;
    check(stolen, Code::InvalidArgument, "FIELD_INVALID", None);
}

#[tokio::test]
async fn what_is_too_large_to_read_is_bad_input_like_any_other() {
    let world = World::new().await;
    let mut messages = MessageServiceClient::new(world.coordinator().await);
    for bytes in [64 * 1024 + 1, 300 * 1024] {
        let request = api::PostMessageRequest { request_id: id(), room_id: id(), draft: draft(&"x".repeat(bytes)) };
        let refused = messages.post_message(request).await;
        check(refused, Code::InvalidArgument, "FIELD_INVALID", Some("nothing_written"));
    }
}

#[tokio::test]
async fn reflection_tells_of_the_api_and_of_nothing_that_is_stored() {
    let world = World::new().await;
    let list = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..ServerReflectionRequest::default()
    };
    let mut reflection = ServerReflectionClient::new(world.coordinator().await);
    let answers = reflection.server_reflection_info(tokio_stream::iter([list])).await.expect("is served");
    let answer = answers.into_inner().message().await.expect("answers").expect("answers");
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else { panic!("lists services") };
    let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    let expected = "Access Attachment Audit Backup Certificate Consent Coordination Enrolment Erasure Intake Invite Message Organisation Relay Room";
    let expected: Vec<_> = expected.split(' ').map(|name| format!("samverkan.v1.{name}Service")).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn posts_of_a_stream_are_answered_in_order_each_by_itself() {
    let world = World::new().await;
    let room = world.room().await;
    let mut messages = MessageServiceClient::new(world.coordinator().await);
    let mut requests: Vec<_> = (0..1000).map(|i| post(if i == 0 { &room } else { "" }, &format!("{i}"))).collect();
    requests[500].draft = draft("");
    let ids: Vec<_> = requests.iter().map(|request| request.request_id.clone()).collect();
    let mut answers = messages.post_messages(tokio_stream::iter(requests)).await.expect("opens").into_inner();
    let mut outcomes = Vec::new();
    while let Some(answer) = soon("an outcome", answers.message()).await.expect("no error") {
        outcomes.extend(answer.outcomes);
    }
    assert_eq!(outcomes.iter().map(|outcome| outcome.request_id.clone()).collect::<Vec<_>>(), ids);
    for (i, outcome) in outcomes.iter().enumerate() {
        match outcome.answer.as_ref().expect("is answered") {
            api::outcome::Answer::Posted(_) => assert_ne!(i, 500),
            api::outcome::Answer::Problem(problem) => {
                assert_eq!((i, problem.reason.as_str()), (500, "FIELD_INVALID"));
                assert_eq!(problem.violations[0].field, "draft.text");
            }
        }
    }
    let page = api::ListMessagesRequest { room_id: room, page_size: 1000, ..Default::default() };
    let page = messages.list_messages(page).await.expect("lists").into_inner();
    let texts = page.deliveries.into_iter().filter_map(|delivery| match delivery.content {
        Some(api::delivery::Content::Message(message)) => message.text.parse::<usize>().ok(),
        _ => None,
    });
    let texts: Vec<_> = texts.collect();
    assert!(texts.is_sorted(), "posted in the order of the stream");
    assert!(texts.len() > 990);
}

#[tokio::test]
async fn a_stream_of_posts_ends_with_its_room() {
    let world = World::new().await;
    let mut messages = MessageServiceClient::new(world.coordinator().await);
    let mut nowhere = messages.post_messages(tokio_stream::iter([post(&id(), "x")])).await.expect("opens").into_inner();
    let ended = soon("the end", nowhere.message()).await;
    check(ended, Code::NotFound, "ROOM_NOT_FOUND", Some("nothing_written"));
    let mut unnamed = messages.post_messages(tokio_stream::iter([post("", "x")])).await.expect("opens").into_inner();
    let ended = soon("the end", unnamed.message()).await;
    check(ended, Code::InvalidArgument, "FIELD_INVALID", Some("nothing_written"));
}

#[tokio::test]
async fn a_certificate_has_so_many_streams() {
    let world =
        World::with(StreamLimits { certificate: 1, coordinator_certificate: 2, ..StreamLimits::default() }).await;
    let room = world.room().await;
    let subscribe = || api::SubscribeRequest { room_id: room.clone(), after_index: 0 };
    let mut messages = MessageServiceClient::new(world.coordinator().await);
    let one = messages.subscribe(subscribe()).await.expect("has a place");
    let two = messages.subscribe(subscribe()).await.expect("has a place");
    check(messages.subscribe(subscribe()).await, Code::ResourceExhausted, "TOO_MANY_STREAMS", None);
    drop(one);
    let again = async {
        while messages.subscribe(subscribe()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon("the place is given back", again).await;
    drop(two);
}

#[tokio::test]
async fn a_stopping_server_tells_everybody_and_does_not_wait_for_them() {
    let world = World::new().await;
    let room = world.room().await;
    let channel = world.coordinator().await;
    let mut messages = MessageServiceClient::new(channel.clone());
    let subscribe = api::SubscribeRequest { room_id: room.clone(), after_index: 0 };
    let mut deliveries = messages.subscribe(subscribe).await.expect("opens").into_inner();
    assert!(soon("a delivery", deliveries.message()).await.expect("no error").is_some());
    // A stream of posts that never ends by itself.
    let (sender, requests) = tokio::sync::mpsc::channel(1);
    sender.send(post(&room, "x")).await.expect("is taken");
    let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
    let mut outcomes = messages.post_messages(requests).await.expect("opens").into_inner();
    assert!(soon("an outcome", outcomes.message()).await.expect("no error").is_some());
    let mut health = HealthClient::new(channel);
    let mut watch = health.watch(HealthCheckRequest::default()).await.expect("opens").into_inner();
    let status = async |watch: &mut tonic::Streaming<tonic_health::pb::HealthCheckResponse>| {
        soon("a status", watch.message()).await.expect("no error").map(|answer| answer.status())
    };
    assert_eq!(status(&mut watch).await, Some(ServingStatus::Serving));

    let began = std::time::Instant::now();
    let stopped = tokio::spawn(world.server.stop());
    assert_eq!(status(&mut watch).await, Some(ServingStatus::NotServing));
    assert_eq!(status(&mut watch).await, None);
    let mut ended = soon("the end", deliveries.message()).await;
    while ended.is_ok() {
        ended = soon("the end", deliveries.message()).await;
    }
    check(ended, Code::Unavailable, "SHUTTING_DOWN", None);
    check(soon("the end", outcomes.message()).await, Code::Unavailable, "SHUTTING_DOWN", Some("nothing_written"));
    soon("the stop", stopped).await.expect("does not panic");
    assert!(began.elapsed() < Duration::from_secs(9), "nobody held it up: {:?}", began.elapsed());
}

#[tokio::test]
async fn suspending_an_organisation_ends_its_streams_and_its_connections() {
    let world = World::new().await;
    world.register("region-a").await;
    let report = api::IntakeReport { what_occurred: "ransomware".into(), ..Default::default() };
    let channel = world.connect("org/region-a/user/anna").await;
    let request = api::ReportIncidentRequest { request_id: id(), report: Some(report) };
    let opened = api::intake_service_client::IntakeServiceClient::new(channel.clone()).report_incident(request).await;
    let room_id = opened.expect("opens").into_inner().room_id;
    let mut messages = MessageServiceClient::new(channel);
    let subscribe = api::SubscribeRequest { room_id: room_id.clone(), after_index: 0 };
    let mut deliveries = messages.subscribe(subscribe.clone()).await.expect("opens").into_inner();
    let suspend = api::SuspendOrganisationRequest {
        request_id: id(),
        organisation_id: "region-a".into(),
        reason: "left the exercise".into(),
    };
    let mut register = OrganisationServiceClient::new(world.coordinator().await);
    register.suspend_organisation(suspend).await.expect("suspends");
    let end = async { while deliveries.message().await.is_ok_and(|answer| answer.is_some()) {} };
    soon("the end of the stream", end).await;
    let gone = async {
        let theirs = || {
            let connections = world.server.connections();
            connections.cut(|caller| (caller.actor.organisation.as_str() == "region-a").then_some(Ended::Suspended))
        };
        while theirs() > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of the connection", gone).await;
    let mut back = MessageServiceClient::new(world.connect("org/region-a/user/anna").await);
    check(back.subscribe(subscribe).await, Code::PermissionDenied, "ORGANISATION_NOT_ADMITTED", None);
}
