//! How many messages a second do gRPC and mutual TLS carry when there is nothing behind them?
//!
//! A server in this process, on a runtime of its own, with the product's accept loop, certificates and HTTP/2 settings. It answers
//! each post at once with ids that mean nothing, and sends each subscriber the same deliveries over and over. The client is the
//! same as everywhere. Beside `service`, `client` and `server`, this is the one file that names tonic.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::net::TcpListener;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::{Ceiling, Spent};
use crate::api::{
    self as pb, message_service_server::MessageService, message_service_server::MessageServiceServer, outcome,
    subscribe_response::Content,
};
use crate::bench::Progress;
use crate::bench::failure::BenchError;
use crate::bench::ground::Ground;
use crate::bench::measure::Latencies;
use crate::bench::pump::{Texts, watch};
use crate::client::{Client, Update};
use crate::identity::issue::{AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE};
use crate::identity::tls::load_authorities;
use crate::identity::{Acceptor, ConnectionLimits, KeyedCertificate, ServerTls};
use crate::limits;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Nothing behind gRPC.
struct Nothing {
    batch: Vec<pb::Delivery>,
}

#[tonic::async_trait]
impl MessageService for Nothing {
    type PostMessagesStream = Answers<pb::PostMessagesResponse>;
    type SubscribeStream = Answers<pb::SubscribeResponse>;

    async fn post_message(
        &self,
        _: Request<pb::PostMessageRequest>,
    ) -> Result<Response<pb::PostMessageResponse>, Status> {
        Ok(Response::new(pb::PostMessageResponse { message_id: Uuid::new_v4().to_string(), ..Default::default() }))
    }

    async fn post_messages(
        &self,
        request: Request<Streaming<pb::PostMessagesRequest>>,
    ) -> Result<Response<Self::PostMessagesStream>, Status> {
        let answers = stream::unfold(request.into_inner(), |mut requests| async move {
            let mut outcomes = vec![posted(requests.message().await.ok()??)];
            // What has come meanwhile is answered together, as the product does.
            while let Some(Ok(Some(request))) = requests.message().now_or_never() {
                outcomes.push(posted(request));
            }
            Some((Ok(pb::PostMessagesResponse { outcomes }), requests))
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn subscribe(
        &self,
        request: Request<pb::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let batch = self.batch.clone();
        let first = request.into_inner().after_index + 1;
        let answers = stream::iter(0_u64..).map(move |n| {
            let first_index = first + n * batch.len() as u64;
            let content = Content::Batch(pb::Batch { first_index, deliveries: batch.clone() });
            Ok(pb::SubscribeResponse { content: Some(content) })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn list_messages(
        &self,
        _: Request<pb::ListMessagesRequest>,
    ) -> Result<Response<pb::ListMessagesResponse>, Status> {
        Err(nothing())
    }

    async fn retract_message(
        &self,
        _: Request<pb::RetractMessageRequest>,
    ) -> Result<Response<pb::RetractMessageResponse>, Status> {
        Err(nothing())
    }

    async fn acknowledge_message(
        &self,
        _: Request<pb::AcknowledgeMessageRequest>,
    ) -> Result<Response<pb::AcknowledgeMessageResponse>, Status> {
        Err(nothing())
    }

    async fn get_receipts(
        &self,
        _: Request<pb::GetReceiptsRequest>,
    ) -> Result<Response<pb::GetReceiptsResponse>, Status> {
        Err(nothing())
    }

    async fn explain_audience(
        &self,
        _: Request<pb::ExplainAudienceRequest>,
    ) -> Result<Response<pb::ExplainAudienceResponse>, Status> {
        Err(nothing())
    }
}

fn nothing() -> Status {
    Status::unimplemented("there is nothing behind this server")
}

fn posted(request: pb::PostMessagesRequest) -> pb::Outcome {
    let answer = pb::Posted { message_id: Uuid::new_v4().to_string(), recorded_time: Some(now()) };
    pb::Outcome { request_id: request.request_id, answer: Some(outcome::Answer::Posted(answer)) }
}

fn now() -> prost_types::Timestamp {
    let now = crate::bench::ground::now();
    prost_types::Timestamp { seconds: now.0.div_euclid(1_000_000), nanos: 0 }
}

/// A delivery as a participant gets it.
fn delivery(text: String) -> pb::Delivery {
    let author = pb::Participant {
        participant_id: Uuid::new_v4().to_string(),
        organisation_id: "bench-0001".into(),
        ..Default::default()
    };
    let message = pb::Message {
        message_id: Uuid::new_v4().to_string(),
        author: Some(author),
        material: pb::Material::Logs.into(),
        tlp: pb::Tlp::AmberStrict.into(),
        text,
        ..Default::default()
    };
    pb::Delivery { recorded_time: Some(now()), content: Some(pb::delivery::Content::Message(message)) }
}

/// The server, until it is dropped.
pub(crate) struct Bare {
    address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Bare {
    /// Serves texts of this size on a free port of loopback. The ground must be one with a certificate for a server.
    pub(crate) fn start(ground: &Ground, size: usize) -> Result<Self, BenchError> {
        let folder = ground.server_certificate();
        let own = KeyedCertificate::load(&folder.join(CERTIFICATE_FILE), &folder.join(KEY_FILE))?;
        let domain = ground.trust_domain().parse().map_err(|_| BenchError::Other("a malformed trust domain".into()))?;
        let tls = ServerTls::new(&own, load_authorities(&folder.join(AUTHORITY_FILE))?, domain);
        let tls = tls.map_err(|error| BenchError::Other(format!("TLS settings: {error}")))?;
        let texts = Texts::new(size);
        let per_batch = (limits::CHUNK_BYTES_MAX / size.max(1)).max(1) as u64;
        let batch = (0..per_batch).map(|n| delivery(texts.text(n))).collect();
        let stop = CancellationToken::new();
        let (says, said) = std::sync::mpsc::channel();
        let stopping = stop.clone();
        std::thread::spawn(move || {
            let serve = || -> std::io::Result<()> {
                let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
                let served = runtime.block_on(async {
                    let listener = TcpListener::bind("127.0.0.1:0").await?;
                    let _ = says.send(listener.local_addr()?);
                    serve(Nothing { batch }, listener, tls, stopping).await
                });
                runtime.shutdown_background();
                served
            };
            if let Err(error) = serve() {
                tracing::warn!(%error, "the server without storage ended");
            }
        });
        let address = said.recv().map_err(|_| BenchError::Server("does not listen".into()))?;
        Ok(Self { address, stop })
    }

    fn context(&self, ground: &Ground, n: usize) -> Result<crate::client::Context, BenchError> {
        ground.context(&format!("bench-{n:04}"), &self.address.to_string())
    }

    /// Posts over so many connections with such a window, for `time`.
    pub(crate) async fn posts(
        &self,
        ground: &Ground,
        (connections, window, size): (usize, usize, usize),
        time: Duration,
        progress: &Progress,
    ) -> Result<Ceiling, BenchError> {
        let end = Instant::now() + time;
        let answered = Arc::new(AtomicU64::new(0));
        let mut tasks = Vec::new();
        for n in 1..=connections {
            let client = Client::connect(&self.context(ground, n)?).await.map_err(BenchError::client("connecting"))?;
            let (texts, answered) = (Texts::new(size), answered.clone());
            tasks.push(tokio::spawn(async move {
                let drafts = (0_u64..).map_while(|n| (Instant::now() < end).then(|| texts.draft(n)));
                let on_answer = |_| {
                    answered.fetch_add(1, Ordering::Relaxed);
                };
                client.post_many_within(window, &Uuid::nil().to_string(), drafts, on_answer).await
            }));
        }
        let (begun, spent, before) = (Instant::now(), Spent::begin(), answered.load(Ordering::Relaxed));
        watch(end, &answered, progress, "ceiling: gRPC without storage, posts").await;
        let count = answered.load(Ordering::Relaxed) - before;
        let (rate, cpu_us) = (count as f64 / begun.elapsed().as_secs_f64(), spent.each(count));
        for task in tasks {
            task.await?.map_err(BenchError::client("posting"))?;
        }
        Ok(Ceiling {
            name: "gRPC over mutual TLS without storage, posts".into(),
            rate,
            unit: "messages/s".into(),
            step: None,
            cpu_us,
            how: format!("{connections} connections, window {window}, {size} bytes; nothing behind the server"),
        })
    }

    /// Posts one at a time, for `time`.
    pub(crate) async fn serial(&self, ground: &Ground, size: usize, time: Duration) -> Result<Ceiling, BenchError> {
        let client = Client::connect(&self.context(ground, 1)?).await.map_err(BenchError::client("connecting"))?;
        let (texts, mut steps) = (Texts::new(size), Latencies::new());
        let (begun, spent) = (Instant::now(), Spent::begin());
        while begun.elapsed() < time {
            let step = Instant::now();
            let draft = Some(texts.draft(steps.count()));
            let request = pb::PostMessageRequest { draft, ..Default::default() };
            client.post_message(request).await.map_err(BenchError::client("posting"))?;
            steps.record(step.elapsed());
        }
        Ok(Ceiling {
            name: "gRPC over mutual TLS without storage, one call at a time".into(),
            rate: steps.count() as f64 / begun.elapsed().as_secs_f64(),
            unit: "messages/s".into(),
            step: Some(steps.quantiles()),
            cpu_us: spent.each(steps.count()),
            how: format!("{size} bytes; nothing behind the server"),
        })
    }

    /// Sends to so many subscribers, each over a connection of its own, for `time`.
    pub(crate) async fn deliveries(
        &self,
        ground: &Ground,
        subscribers: usize,
        size: usize,
        time: Duration,
        progress: &Progress,
    ) -> Result<Ceiling, BenchError> {
        let received = Arc::new(AtomicU64::new(0));
        let mut tasks = Vec::new();
        for n in 1..=subscribers {
            let client = Client::connect(&self.context(ground, n)?).await.map_err(BenchError::client("connecting"))?;
            let received = received.clone();
            tasks.push(tokio::spawn(async move {
                let mut subscription = client.subscribe(&Uuid::nil().to_string(), 0);
                while let Ok(update) = subscription.next().await {
                    match update {
                        Update::Delivery { .. } => {
                            received.fetch_add(1, Ordering::Relaxed);
                        }
                        Update::Heartbeat { .. } | Update::Reconnecting { .. } => {}
                    }
                }
            }));
        }
        let (begun, spent, before) = (Instant::now(), Spent::begin(), received.load(Ordering::Relaxed));
        watch(begun + time, &received, progress, "ceiling: gRPC without storage, deliveries").await;
        let count = received.load(Ordering::Relaxed) - before;
        let (rate, cpu_us) = (count as f64 / begun.elapsed().as_secs_f64(), spent.each(count));
        for task in tasks {
            task.abort();
        }
        Ok(Ceiling {
            name: format!("gRPC over mutual TLS without storage, deliveries to {subscribers}"),
            rate,
            unit: "deliveries/s".into(),
            step: None,
            cpu_us,
            how: format!("{size} bytes, one connection each; nothing behind the server"),
        })
    }
}

async fn serve(
    nothing: Nothing,
    listener: TcpListener,
    tls: ServerTls,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let accepted = Acceptor::new(listener, tokio::sync::watch::channel(Arc::new(tls)).1, ConnectionLimits::default())
        .run(stop.clone());
    let incoming = ReceiverStream::new(accepted).map(|accepted| Ok::<_, Infallible>(accepted.io));
    let service = MessageServiceServer::new(nothing)
        .max_decoding_message_size(limits::REQUEST_BYTES_MAX)
        .max_encoding_message_size(limits::RESPONSE_BYTES_MAX);
    let served = Server::builder()
        .max_concurrent_streams(limits::STREAMS_PER_CONNECTION_MAX)
        .http2_adaptive_window(Some(false))
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .accept_http1(false)
        .serve_with_incoming_shutdown(service, incoming, std::future::pending());
    // Cut, not stopped in good order: nobody misses anything.
    tokio::select! {
        served = served => served.map_err(std::io::Error::other),
        () = stop.cancelled() => Ok(()),
    }
}
