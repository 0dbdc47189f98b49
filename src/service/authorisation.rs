//! Who may call which method? One table, and the gate in front of every service that denies what has no row in it.
//!
//! The gate knows the caller (the connection's certificate, R10) and its organisation, not the request: what depends on a room is
//! decided by the room. It covers health and reflection, too. Tested here: a walk over the descriptors of everything that is served.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};

use super::held;
use super::status::{self, CallError};
use crate::audit::AuditEvent;
use crate::engine::Engine;
use crate::identity::{Caller, Ended};
use crate::limits;

/// Who may call a method.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    /// Any actor of an organisation that is registered and not suspended.
    Admitted,
    /// Of these, actors of the coordinator. A read says so at the edge, once the request is well-formed; a write is decided by the
    /// engine, which looks for its request id first.
    Coordinator,
    /// Whoever knows the secret of an invite, on the enrolment listener. Nobody here.
    Invited,
    /// Of these, whom the rules of the room let: participants, the invited, the coordinator.
    RoomDecides,
}

/// What a method may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    /// It changes nothing that has an outcome to be told.
    Reads,
    /// It writes: its errors say whether that happened.
    Writes,
}

/// A row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Method {
    /// As in the HTTP/2 request: `/package.Service/Method`.
    pub(super) path: &'static str,
    pub(super) who: Who,
    pub(super) effect: Effect,
}

macro_rules! table {
    ($($name:ident: $path:literal, $who:ident, $effect:ident;)*) => {
        $(pub(super) const $name: Method = Method { path: $path, who: Who::$who, effect: Effect::$effect };)*
        /// Every method that is served.
        const TABLE: &[Method] = &[$($name),*];
    };
}

table! {
    REPORT_INCIDENT: "/samverkan.v1.IntakeService/ReportIncident", Admitted, Writes;
    AMEND_REPORT: "/samverkan.v1.IntakeService/AmendReport", RoomDecides, Writes;
    GET_REPORT: "/samverkan.v1.IntakeService/GetReport", RoomDecides, Reads;

    RECORD_POLICE_REPORT: "/samverkan.v1.IntakeService/RecordPoliceReport", RoomDecides, Writes;

    OPEN_ROOM: "/samverkan.v1.RoomService/OpenRoom", Coordinator, Writes;
    GET_ROOM: "/samverkan.v1.RoomService/GetRoom", RoomDecides, Reads;
    LIST_ROOMS: "/samverkan.v1.RoomService/ListRooms", Admitted, Reads;
    INVITE_ORGANISATION: "/samverkan.v1.RoomService/InviteOrganisation", RoomDecides, Writes;
    LIST_INVITATIONS: "/samverkan.v1.RoomService/ListInvitations", Admitted, Reads;
    ACCEPT_INVITATION: "/samverkan.v1.RoomService/AcceptInvitation", RoomDecides, Writes;
    DECLINE_INVITATION: "/samverkan.v1.RoomService/DeclineInvitation", RoomDecides, Writes;
    LEAVE_ROOM: "/samverkan.v1.RoomService/LeaveRoom", RoomDecides, Writes;
    REMOVE_PARTICIPANT: "/samverkan.v1.RoomService/RemoveParticipant", RoomDecides, Writes;
    CHANGE_ROLE: "/samverkan.v1.RoomService/ChangeRole", RoomDecides, Writes;
    LIST_PARTICIPANTS: "/samverkan.v1.RoomService/ListParticipants", RoomDecides, Reads;
    CLOSE_ROOM: "/samverkan.v1.RoomService/CloseRoom", RoomDecides, Writes;
    REOPEN_ROOM: "/samverkan.v1.RoomService/ReopenRoom", RoomDecides, Writes;
    CHANGE_TERMS: "/samverkan.v1.RoomService/ChangeTerms", RoomDecides, Writes;
    RECORD_EXPORT: "/samverkan.v1.RoomService/RecordExport", RoomDecides, Writes;

    POST_MESSAGE: "/samverkan.v1.MessageService/PostMessage", RoomDecides, Writes;
    POST_MESSAGES: "/samverkan.v1.MessageService/PostMessages", RoomDecides, Writes;
    SUBSCRIBE: "/samverkan.v1.MessageService/Subscribe", RoomDecides, Reads;
    LIST_MESSAGES: "/samverkan.v1.MessageService/ListMessages", RoomDecides, Reads;
    RETRACT_MESSAGE: "/samverkan.v1.MessageService/RetractMessage", RoomDecides, Writes;
    ACKNOWLEDGE_MESSAGE: "/samverkan.v1.MessageService/AcknowledgeMessage", RoomDecides, Writes;
    GET_RECEIPTS: "/samverkan.v1.MessageService/GetReceipts", RoomDecides, Reads;
    EXPLAIN_AUDIENCE: "/samverkan.v1.MessageService/ExplainAudience", RoomDecides, Reads;

    GET_CONSENT: "/samverkan.v1.ConsentService/GetConsent", RoomDecides, Reads;
    GIVE_CONSENT: "/samverkan.v1.ConsentService/GiveConsent", RoomDecides, Writes;
    WITHDRAW_CONSENT: "/samverkan.v1.ConsentService/WithdrawConsent", RoomDecides, Writes;
    PREVIEW_AUDIENCE: "/samverkan.v1.ConsentService/PreviewAudience", RoomDecides, Reads;
    RELEASE_MESSAGES: "/samverkan.v1.ConsentService/ReleaseMessages", RoomDecides, Writes;
    REVOKE_RELEASE: "/samverkan.v1.ConsentService/RevokeRelease", RoomDecides, Writes;
    ASK_FOR_CONSENT: "/samverkan.v1.ConsentService/AskForConsent", RoomDecides, Writes;
    ANSWER_ASK: "/samverkan.v1.ConsentService/AnswerAsk", RoomDecides, Writes;
    SUGGEST_ASK: "/samverkan.v1.ConsentService/SuggestAsk", RoomDecides, Writes;
    ANSWER_RECALL: "/samverkan.v1.ConsentService/AnswerRecall", RoomDecides, Writes;

    UPLOAD_ATTACHMENT: "/samverkan.v1.AttachmentService/UploadAttachment", RoomDecides, Reads;
    DOWNLOAD_ATTACHMENT: "/samverkan.v1.AttachmentService/DownloadAttachment", RoomDecides, Reads;

    PUBLISH_RELAY: "/samverkan.v1.RelayService/PublishRelay", RoomDecides, Writes;
    APPROVE_RELAY: "/samverkan.v1.RelayService/ApproveRelay", RoomDecides, Writes;
    REJECT_RELAY: "/samverkan.v1.RelayService/RejectRelay", RoomDecides, Writes;
    PREVIEW_RELAY: "/samverkan.v1.RelayService/PreviewRelay", RoomDecides, Reads;

    SEE_AS: "/samverkan.v1.CoordinationService/SeeAs", RoomDecides, Reads;
    FORWARD_MESSAGES: "/samverkan.v1.CoordinationService/ForwardMessages", RoomDecides, Writes;
    PROPOSE_LEGAL_DISCLOSURE: "/samverkan.v1.CoordinationService/ProposeLegalDisclosure", RoomDecides, Writes;
    CONFIRM_LEGAL_DISCLOSURE: "/samverkan.v1.CoordinationService/ConfirmLegalDisclosure", RoomDecides, Writes;
    PROPOSE_INTRODUCTION: "/samverkan.v1.CoordinationService/ProposeIntroduction", RoomDecides, Writes;
    ANSWER_INTRODUCTION: "/samverkan.v1.CoordinationService/AnswerIntroduction", RoomDecides, Writes;
    RECORD_CONNECTION: "/samverkan.v1.CoordinationService/RecordConnection", Coordinator, Writes;
    LIST_CONNECTIONS: "/samverkan.v1.CoordinationService/ListConnections", Coordinator, Reads;

    REGISTER_ORGANISATION: "/samverkan.v1.OrganisationService/RegisterOrganisation", Coordinator, Writes;
    SUSPEND_ORGANISATION: "/samverkan.v1.OrganisationService/SuspendOrganisation", Coordinator, Writes;
    GET_ORGANISATION: "/samverkan.v1.OrganisationService/GetOrganisation", Coordinator, Reads;
    LIST_ORGANISATIONS: "/samverkan.v1.OrganisationService/ListOrganisations", Coordinator, Reads;

    REVOKE_CERTIFICATE: "/samverkan.v1.AccessService/RevokeCertificate", Coordinator, Writes;
    REVOKE_ACTOR: "/samverkan.v1.AccessService/RevokeActor", Coordinator, Writes;
    REINSTATE_ACTOR: "/samverkan.v1.AccessService/ReinstateActor", Coordinator, Writes;
    LIST_REVOCATIONS: "/samverkan.v1.AccessService/ListRevocations", Coordinator, Reads;
    LIST_LIVE_CONNECTIONS: "/samverkan.v1.AccessService/ListLiveConnections", Coordinator, Reads;
    LIST_AUDIT_RECORDS: "/samverkan.v1.AuditService/ListAuditRecords", Coordinator, Reads;
    TAIL_AUDIT_RECORDS: "/samverkan.v1.AuditService/TailAuditRecords", Coordinator, Reads;
    TAKE_BACKUP: "/samverkan.v1.BackupService/TakeBackup", Coordinator, Reads;

    PROPOSE_ERASURE: "/samverkan.v1.ErasureService/ProposeErasure", RoomDecides, Writes;
    CONFIRM_ERASURE: "/samverkan.v1.ErasureService/ConfirmErasure", RoomDecides, Writes;
    LIST_ERASURES: "/samverkan.v1.ErasureService/ListErasures", RoomDecides, Reads;
    PLACE_LEGAL_HOLD: "/samverkan.v1.ErasureService/PlaceLegalHold", RoomDecides, Writes;
    LIFT_LEGAL_HOLD: "/samverkan.v1.ErasureService/LiftLegalHold", RoomDecides, Writes;
    SET_RETENTION: "/samverkan.v1.ErasureService/SetRetention", RoomDecides, Writes;
    LIST_RETENTION: "/samverkan.v1.ErasureService/ListRetention", Coordinator, Reads;

    CREATE_INVITE: "/samverkan.v1.InviteService/CreateInvite", Coordinator, Writes;
    APPROVE_INVITE: "/samverkan.v1.InviteService/ApproveInvite", Coordinator, Writes;
    REVOKE_INVITE: "/samverkan.v1.InviteService/RevokeInvite", Coordinator, Writes;
    LIST_INVITES: "/samverkan.v1.InviteService/ListInvites", Coordinator, Reads;
    RENEW_CERTIFICATE: "/samverkan.v1.CertificateService/RenewCertificate", Admitted, Writes;
    ENROL: "/samverkan.v1.EnrolmentService/Enrol", Invited, Reads;

    HEALTH_CHECK: "/grpc.health.v1.Health/Check", Admitted, Reads;
    HEALTH_WATCH: "/grpc.health.v1.Health/Watch", Admitted, Reads;
    REFLECTION: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Admitted, Reads;
    REFLECTION_ALPHA: "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Admitted, Reads;
}

/// The row of a method.
fn row(path: &str) -> Option<&'static Method> {
    TABLE.iter().find(|method| method.path == path)
}

/// Puts the gate in front of every service.
#[derive(Clone)]
pub(super) struct Gate {
    engine: Engine,
}

impl Gate {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine }
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { engine: self.engine.clone(), inner }
    }
}

/// Services behind the gate.
#[derive(Clone)]
pub(super) struct Gated<S> {
    engine: Engine,
    inner: S,
}

/// Whether this caller may call this method, as far as the request itself has no say in it.
fn admit(engine: &Engine, caller: Option<&Arc<Caller>>, path: &str) -> Result<&'static Method, CallError> {
    let caller = caller.ok_or(CallError::NotIdentified)?;
    if caller.is_cancelled() {
        return Err(CallError::cut(caller));
    }
    let directory = engine.directory();
    // Asked in the handshake, too; here in case the cut of the connection is still under way.
    if let Some(ended) = Ended::of_revoked(&directory, &caller.actor, &caller.certificate) {
        return Err(CallError::Ended(ended));
    }
    if !directory.admits(&caller.actor.organisation) {
        return Err(CallError::NotAdmitted);
    }
    row(path).filter(|method| method.who != Who::Invited).ok_or(CallError::NoSuchMethod)
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let caller = request.extensions().get::<Arc<Caller>>().cloned();
        let path = request.uri().path();
        let method = match admit(&self.engine, caller.as_ref(), path) {
            Ok(method) => method,
            Err(error) => {
                let effect = row(path).map_or(Effect::Reads, |method| method.effect);
                let method = row(path).map(|method| method.path);
                self.engine.trail().note(call_refused(caller.as_deref(), method, error.word()));
                let certificate = caller.map(|caller| caller.log_name());
                tracing::info!(certificate, method = path, %error, "call denied");
                return Box::pin(async move { Ok(error.status(effect).into_http()) });
            }
        };
        let began = Instant::now();
        let under_way = caller.as_ref().map(|caller| caller.activity().begin());
        let call = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        Box::pin(async move {
            let response = match tokio::time::timeout(limits::REQUEST_TIME_MAX, call).await {
                Ok(Ok(response)) => status::explain(response?, *method),
                // Most often its sender does not send all of it.
                Err(_) => CallError::TimedOut { max: limits::REQUEST_TIME_MAX }.status(method.effect).into_http(),
                Ok(Err(panic)) => CallError::internal(method.path, panicked(&*panic)).status(method.effect).into_http(),
            };
            let (certificate, elapsed) = (caller.map(|caller| caller.log_name()), began.elapsed());
            tracing::debug!(
                certificate,
                method = method.path,
                status = status::of_response(&response),
                ?elapsed,
                "call answered"
            );
            Ok(response.map(|body| held::hold(body, under_way)))
        })
    }
}

/// A call that was turned away, as the audit trail notes it. A method that isn't served is the caller's own text and not named.
pub(super) fn call_refused(caller: Option<&Caller>, method: Option<&'static str>, reason: &'static str) -> AuditEvent {
    AuditEvent::CallRefused {
        actor: caller.map(|caller| caller.actor.clone()),
        certificate: caller.map(|caller| caller.certificate),
        peer: caller.map(|caller| caller.peer.ip()),
        method,
        reason,
    }
}

/// What a panic said.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("panicked")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::api;

    fn served() -> BTreeSet<String> {
        let sets = [
            api::DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let files = sets.iter().flat_map(|set| FileDescriptorSet::decode(*set).expect("descriptors decode").file);
        let mut methods = BTreeSet::new();
        for file in files {
            for service in &file.service {
                for method in &service.method {
                    methods.insert(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
                }
            }
        }
        methods
    }

    #[test]
    fn every_method_that_is_served_has_a_row_and_every_row_a_method() {
        let rows: BTreeSet<_> = TABLE.iter().map(|method| method.path.to_owned()).collect();
        assert_eq!(rows, served());
        assert_eq!(rows.len(), TABLE.len(), "one row for each");
    }

    #[test]
    fn what_takes_a_request_id_writes_and_nothing_else_does() {
        let set = FileDescriptorSet::decode(api::DESCRIPTORS).expect("descriptors decode");
        let messages: Vec<_> = set.file.iter().flat_map(|file| &file.message_type).collect();
        for method in TABLE.iter().filter(|method| method.path.starts_with("/samverkan.")) {
            let name = method.path.rsplit('/').next().expect("a path has a last part");
            let request = messages.iter().find(|message| message.name() == format!("{name}Request"));
            let request = request.expect("every method has a request of its own");
            let takes_id = request.field.iter().any(|field| field.name() == "request_id");
            assert_eq!(takes_id, method.effect == Effect::Writes, "{}", method.path);
        }
    }

    #[test]
    fn the_register_the_audit_trail_opening_a_room_and_connections_of_rooms_are_the_coordinators() {
        for method in TABLE {
            let theirs = method.path.contains("OrganisationService")
                || method.path.contains("AccessService")
                || method.path.contains("AuditService")
                || method.path.contains("BackupService")
                || method.path.contains("InviteService")
                || ["/OpenRoom", "/RecordConnection", "/ListConnections", "/ListRetention"]
                    .iter()
                    .any(|name| method.path.ends_with(name));
            assert_eq!(method.who == Who::Coordinator, theirs, "{}", method.path);
        }
    }

    #[test]
    fn a_method_without_a_row_is_unknown() {
        assert!(row("/samverkan.v1.RoomService/Nothing").is_none());
        assert!(row("/samverkan.v1.RoomService/GetRoom/").is_none());
    }
}
