//! What every handler needs of a call: who calls, which method, the engine, the time it may take.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::authorisation::{Method, Who};
use super::page_token::List;
use super::status::CallError;
use super::{Edge, Shared, authorisation};
use crate::engine::{Engine, Failure, Receiver, Written};
use crate::identity::Caller;
use crate::limits;
use crate::room::event::{Command, Request as Write};
use crate::room::ids::{Actor, RoomId};
use crate::room::refusal::Refusal;

/// One call under way.
pub(super) struct Call {
    edge: Edge,
    pub(super) method: Method,
    pub(super) caller: Arc<Caller>,
}

impl Edge {
    /// Answers a unary call: `handle` has [`limits::UNARY_TIME_MAX`] for it.
    pub(super) async fn unary<Q, A, F>(
        &self,
        method: Method,
        request: Request<Q>,
        handle: impl FnOnce(Call, Q) -> F,
    ) -> Result<Response<A>, Status>
    where
        F: Future<Output = Result<A, CallError>>,
    {
        let answer = async {
            let (call, request) = self.call(method, request)?;
            let caller = call.caller.clone();
            let handled = tokio::time::timeout(limits::UNARY_TIME_MAX, handle(call, request)).await;
            let handled = handled.unwrap_or(Err(CallError::TimedOut { max: limits::UNARY_TIME_MAX }));
            if let Err(CallError::Failed(Failure::TooFast { .. })) = &handled {
                // As a stream of posts is held back: to be refused again and again must not cost the others' time.
                tokio::time::sleep(limits::RETRY_DELAY).await;
            }
            handled.inspect_err(|error| self.note_denied(&caller, method, error))
        };
        answer.await.map(Response::new).map_err(|error| error.status(method.effect))
    }

    /// Notes in the audit trail that a caller tried what is the coordinator's.
    pub(super) fn note_denied(&self, caller: &Caller, method: Method, error: &CallError) {
        if let CallError::Failed(Failure::Refused(Refusal::CoordinatorOnly)) = error {
            let event = authorisation::call_refused(Some(caller), Some(method.path), "coordinator-only");
            self.0.engine.trail().note(event);
        }
    }

    /// Begins a call. The gate let nobody in without a caller; who got here without one gets no further.
    pub(super) fn call<Q>(&self, method: Method, request: Request<Q>) -> Result<(Call, Q), CallError> {
        let caller = request.extensions().get::<Arc<Caller>>().cloned().ok_or(CallError::NotIdentified)?;
        Ok((Call { edge: self.clone(), method, caller }, request.into_inner()))
    }
}

impl Call {
    pub(super) fn engine(&self) -> &Engine {
        &self.edge.0.engine
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.edge.0
    }

    pub(super) fn actor(&self) -> &Actor {
        &self.caller.actor
    }

    /// One write in a room.
    pub(super) async fn write(&self, room: RoomId, id: Write, command: Command) -> Result<Written, CallError> {
        Ok(self.engine().write(self.actor(), room, id, command).await?)
    }

    /// The event of a write that was stored is not the one that its command leads to.
    pub(super) fn unexpected<T>(&self) -> Result<T, CallError> {
        Err(CallError::internal(self.method.path, "the write was answered by another event"))
    }

    /// The caller as a reader whose deliveries are recorded.
    pub(super) fn receiver(&self) -> Receiver {
        Receiver { actor: self.caller.actor.clone(), certificate: self.caller.certificate }
    }

    /// Refused, unless the caller may call this method as far as the table says. For reads, once the request is well-formed.
    pub(super) fn authorise(&self) -> Result<(), CallError> {
        match self.method.who {
            Who::Admitted | Who::RoomDecides => Ok(()),
            Who::Coordinator => self.coordinator_only(),
            Who::Invited => Err(CallError::NoSuchMethod),
        }
    }

    /// Refused, unless the caller acts for the coordinator.
    pub(super) fn coordinator_only(&self) -> Result<(), CallError> {
        if self.is_coordinator() { Ok(()) } else { Err(Refusal::CoordinatorOnly.into()) }
    }

    /// Whether the caller acts for the coordinator.
    pub(super) fn is_coordinator(&self) -> bool {
        self.actor().organisation == *self.engine().directory().coordinator()
    }

    /// The list that this call pages through.
    pub(super) fn list<'a>(&'a self, filter: &'a str) -> List<'a> {
        List { method: self.method, caller: self.actor(), filter }
    }

    /// Where the page begins that the token asks for: after this id, or at the first.
    pub(super) fn page_after<T: std::str::FromStr>(&self, filter: &str, token: &str) -> Result<Option<T>, CallError> {
        let position = self.list(filter).open(&self.engine().page_token_key(), token)?;
        let id = |text: String| {
            text.parse().map_err(|_| CallError::internal(self.method.path, "a page token of ours does not hold an id"))
        };
        position.map(id).transpose()
    }

    /// The token for the page after the item with this id; none, if this was the last page.
    pub(super) fn next_page(&self, filter: &str, more: bool, last: Option<&str>) -> String {
        match last {
            Some(last) if more => self.list(filter).seal(&self.engine().page_token_key(), last),
            Some(_) | None => String::new(),
        }
    }
}
