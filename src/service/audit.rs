//! `samverkan.v1.AuditService`: the audit trail, for the coordinator. The promises are the comments in audit.proto.

use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tonic::{Request, Response, Status};

use super::call::Call;
use super::message::{Answers, Source, answers};
use super::status::CallError;
use super::streams::OpenStream;
use super::{Edge, authorisation, from_proto, to_proto};
use crate::api::{self, audit_service_server::AuditService, tail_audit_records_response::Content};
use crate::audit::{AuditEvent, Page, Query};
use crate::engine::Failure;
use crate::limits;
use crate::store::replay::LoadError;

#[tonic::async_trait]
impl AuditService for Edge {
    async fn list_audit_records(
        &self,
        request: Request<api::ListAuditRecordsRequest>,
    ) -> Result<Response<api::ListAuditRecordsResponse>, Status> {
        self.unary(authorisation::LIST_AUDIT_RECORDS, request, list_audit_records).await
    }

    type TailAuditRecordsStream = Answers<api::TailAuditRecordsResponse>;

    async fn tail_audit_records(
        &self,
        request: Request<api::TailAuditRecordsRequest>,
    ) -> Result<Response<Self::TailAuditRecordsStream>, Status> {
        self.unary(authorisation::TAIL_AUDIT_RECORDS, request, tail_audit_records).await
    }
}

/// Puts on record that the trail is read. Before anything of it is shown.
async fn record_reading(call: &Call) -> Result<(), CallError> {
    let (by, certificate, peer) = (call.actor().clone(), call.caller.certificate, call.caller.peer.ip());
    let recorded = call.engine().trail().record(AuditEvent::TrailRead { by, certificate, peer }).await;
    recorded.map_err(|error| Failure::from(error).into())
}

async fn read(call: &Call, query: Query) -> Result<Page, CallError> {
    call.engine().trail().read(query).await.map_err(|error| match error {
        LoadError::Damaged(_) => {
            tracing::error!(%error, "the audit trail does not verify; `samverkan inspect` shows where");
            Failure::Damaged.into()
        }
        LoadError::Store(_) => CallError::internal(call.method.path, error),
    })
}

/// What a page token holds: the position after which the next page begins, and that of the last record that is listed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    after: u64,
    upto: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.after, self.upto)
    }
}

impl std::str::FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (after, upto) = text.split_once('/').ok_or(())?;
        Ok(Self { after: after.parse().map_err(|_| ())?, upto: upto.parse().map_err(|_| ())? })
    }
}

async fn list_audit_records(
    call: Call,
    request: api::ListAuditRecordsRequest,
) -> Result<api::ListAuditRecordsResponse, CallError> {
    let query = from_proto::list_audit_records(&request)?;
    let filter = format!("{:?}", Query { max: 0, ..query.clone() });
    let place: Option<Place> = call.page_after(&filter, &request.page_token)?;
    call.authorise()?;
    let Place { after, upto } = match place {
        Some(place) => place,
        None => {
            // What is listed ends before the record of its own reading: else reading would never end.
            let upto = *call.engine().trail().last().borrow();
            record_reading(&call).await?;
            Place { after: 0, upto }
        }
    };
    let page = read(&call, Query { after, ..query }).await?;
    let records = page.records.iter().take_while(|(position, _)| *position <= upto);
    let records: Vec<_> = records.map(|(position, record)| to_proto::audit_record(*position, record)).collect();
    let more = !page.is_end && page.last < upto;
    let next_page_token = call.next_page(&filter, more, Some(&Place { after: page.last, upto }.to_string()));
    Ok(api::ListAuditRecordsResponse { records, next_page_token })
}

async fn tail_audit_records(
    call: Call,
    request: api::TailAuditRecordsRequest,
) -> Result<Answers<api::TailAuditRecordsResponse>, CallError> {
    let query = from_proto::tail_audit_records(&request)?;
    call.authorise()?;
    let open = call.shared().streams.open(&call.caller, true)?;
    record_reading(&call).await?;
    Ok(answers(Tailing::new(call, query, open)))
}

/// An open tail.
struct Tailing {
    call: Call,
    query: Query,
    last: watch::Receiver<u64>,
    heartbeat: Interval,
    _open: OpenStream,
}

impl Tailing {
    fn new(call: Call, query: Query, open: OpenStream) -> Self {
        let every = call.shared().streams.heartbeat();
        let mut heartbeat = interval_at(Instant::now() + every, every);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let last = call.engine().trail().last();
        Self { call, query: Query { max: limits::PAGE_ITEMS_DEFAULT, ..query }, last, heartbeat, _open: open }
    }

    async fn content(&mut self) -> Result<Content, CallError> {
        let Self { call, query, last, heartbeat, _open } = self;
        loop {
            let page = tokio::select! {
                biased;
                () = call.caller.cancelled() => return Err(CallError::NotIdentified),
                () = call.shared().stopping.cancelled() => return Err(Failure::ShuttingDown.into()),
                _ = heartbeat.tick() => {
                    let server_time = Some(to_proto::time(call.engine().now()));
                    return Ok(Content::Heartbeat(api::AuditHeartbeat { last_position: query.after, server_time }));
                }
                page = next_page(call, query, last) => page?,
            };
            query.after = page.last;
            if !page.records.is_empty() {
                let records = page.records.iter().map(|(position, record)| to_proto::audit_record(*position, record));
                return Ok(Content::Batch(api::AuditBatch { records: records.collect() }));
            }
        }
    }
}

/// What comes after the query's position, once there is something.
async fn next_page(call: &Call, query: &Query, last: &mut watch::Receiver<u64>) -> Result<Page, CallError> {
    if last.wait_for(|last| *last > query.after).await.is_err() {
        return Err(Failure::ShuttingDown.into());
    }
    read(call, query.clone()).await
}

impl Source for Tailing {
    type Answer = api::TailAuditRecordsResponse;

    fn call(&self) -> &Call {
        &self.call
    }

    async fn next(&mut self) -> Option<Result<api::TailAuditRecordsResponse, Status>> {
        let content = self.content().await.map_err(|error| error.status(self.call.method.effect));
        Some(content.map(|content| api::TailAuditRecordsResponse { content: Some(content) }))
    }
}
