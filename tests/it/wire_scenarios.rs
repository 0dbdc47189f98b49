//! Runs `tests/scenarios/*.txt` against a real server over mutual TLS: the same files, with the same answers, as the pure core.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use prost::Message;
use samverkan::api::{self as pb, delivery::Content};
use tokio::runtime::Runtime;
use tonic::{Code, Status};

use crate::attachments::{download, upload};
use crate::transcript::{self as words, Command, World, duration, lines, mailbox};
use crate::world::{self, COORDINATOR, Peer, id};

mod full;
pub(crate) mod requests;
mod telling;

use requests::role;
use telling::{microseconds, reason, report_words, word};

/// A room on the server.
#[derive(Default)]
struct Place {
    room: String,
    /// Organisations and their participant ids.
    participants: BTreeMap<String, String>,
    invitations: BTreeMap<String, String>,
    last_read: BTreeMap<String, u64>,
}

/// A server with some rooms.
struct WireWorld {
    runtime: Runtime,
    world: world::World,
    peers: BTreeMap<String, Peer>,
    /// The room that is talked of, and what it is called.
    here: Place,
    called: String,
    elsewhere: BTreeMap<String, Place>,
    /// Message ids and what the transcript calls them, both ways; and texts of relays.
    labels: BTreeMap<String, String>,
    messages: BTreeMap<String, String>,
    texts: BTreeMap<String, String>,
    /// Participant ids and their organisations.
    names: BTreeMap<String, String>,
    /// Ids of releases, questions and the like, and what the transcript calls them.
    ids: BTreeMap<String, String>,
    /// Questions about messages, and releases that a yes to one made: their ids are met in a mailbox.
    about_messages: Vec<String>,
    unmet: VecDeque<String>,
}

impl WireWorld {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let world = runtime.block_on(world::World::start());
        Self {
            runtime,
            world,
            peers: BTreeMap::new(),
            here: Place { room: id(), ..Place::default() },
            called: "main".to_owned(),
            elsewhere: BTreeMap::new(),
            labels: BTreeMap::new(),
            messages: BTreeMap::new(),
            texts: BTreeMap::new(),
            names: BTreeMap::new(),
            ids: BTreeMap::new(),
            about_messages: Vec::new(),
            unmet: VecDeque::new(),
        }
    }
}

impl World for WireWorld {
    fn run(&mut self, command: &Command) -> String {
        self.try_run(command).unwrap_or_else(|status| match world::reason(&status) {
            (_, Some(field)) if status.code() == Code::InvalidArgument => {
                format!("refused: {}", words::field_invalid(&field))
            }
            (reason, _) => format!("refused: {reason}"),
        })
    }
}

impl WireWorld {
    fn call<A: Message + Default>(&mut self, who: &str, method: &str, request: &impl Message) -> Result<A, Status> {
        let who = self.peer(who);
        self.runtime.block_on(self.peers[who].call(method, request))
    }

    /// Connects whoever has not called yet.
    fn peer<'a>(&mut self, who: &'a str) -> &'a str {
        if !self.peers.contains_key(who) {
            let peer = self.runtime.block_on(self.world.peer(who));
            self.peers.insert(who.to_owned(), peer);
        }
        who
    }

    /// Uploads the files of a draft.
    fn uploaded(&mut self, command: &Command) -> Vec<pb::AttachmentDraft> {
        let by = self.peer(command.by());
        let draft = |(label, material, bytes): (&str, &str, &str)| {
            let upload = self.runtime.block_on(upload(&self.peers[by], &self.here.room, bytes.as_bytes()));
            pb::AttachmentDraft {
                upload_id: upload,
                name: format!("{label}.log"),
                media_type: "text/plain".into(),
                material: requests::number::<pb::Material>(material),
            }
        };
        words::attached(command).map(draft).collect()
    }

    fn try_run(&mut self, command: &Command) -> Result<String, Status> {
        let coordinator = command.field("by").unwrap_or(COORDINATOR);
        let (request_id, room_id) = (id(), self.here.room.clone());
        let by = command.words.first().map_or("", String::as_str);
        match command.verb.as_str() {
            "register" => {
                for organisation_id in &command.words {
                    let (organisation_id, display_name) = (organisation_id.clone(), organisation_id.clone());
                    let request = pb::RegisterOrganisationRequest { request_id: id(), organisation_id, display_name };
                    let _: pb::RegisterOrganisationResponse =
                        self.call(coordinator, "OrganisationService/RegisterOrganisation", &request)?;
                }
                Ok("registered".to_owned())
            }
            "suspend" => {
                let request = pb::SuspendOrganisationRequest {
                    request_id,
                    organisation_id: by.to_owned(),
                    reason: "r".to_owned(),
                };
                let _: pb::SuspendOrganisationResponse =
                    self.call(coordinator, "OrganisationService/SuspendOrganisation", &request)?;
                // Its connections are cut.
                self.peers.retain(|who, _| who.split('/').next() != Some(by));
                Ok("suspended".to_owned())
            }
            "revoke-access" => {
                let actor = actor_of(by);
                let request = pb::RevokeActorRequest { request_id, actor, reason: "r".to_owned() };
                let _: pb::RevokeActorResponse = self.call(coordinator, "AccessService/RevokeActor", &request)?;
                Ok("done".to_owned())
            }
            "reinstate-access" => {
                let actor = actor_of(by);
                let request = pb::ReinstateActorRequest { request_id, actor, reason: "r".to_owned() };
                let _: pb::ReinstateActorResponse = self.call(coordinator, "AccessService/ReinstateActor", &request)?;
                Ok("done".to_owned())
            }
            "clock" => {
                self.world.advance_clock(duration(by));
                Ok("time passes".to_owned())
            }
            "open" | "report" => self.begin(command),
            "amend" => {
                let report = Some(self.report(command));
                let request = pb::AmendReportRequest { request_id, room_id, report };
                self.done::<pb::AmendReportResponse>(by, "IntakeService/AmendReport", &request)
            }
            "show-report" => self.show_report(command),
            "invite" | "accept" | "decline" => self.invitation(command),
            "invitations" => {
                let request = pb::ListInvitationsRequest::default();
                let list: pb::ListInvitationsResponse = self.call(by, "RoomService/ListInvitations", &request)?;
                Ok(lines(list.invitations.iter().map(|stub| {
                    let role = word("ROLE_", stub.role().as_str_name());
                    let pb::Invitation { title, terms, coordinator_organisation_id, .. } = stub;
                    format!("\"{title}\", terms \"{terms}\", from {coordinator_organisation_id}, as {role}")
                })))
            }
            "leave" => {
                let request = pb::LeaveRoomRequest { request_id, room_id };
                self.done::<pb::LeaveRoomResponse>(by, "RoomService/LeaveRoom", &request)
            }
            "remove" => {
                let reason = command.field("reason").expect("reason=").to_owned();
                let request = pb::RemoveParticipantRequest { request_id, room_id, participant: self.name(by), reason };
                self.done::<pb::RemoveParticipantResponse>(coordinator, "RoomService/RemoveParticipant", &request)
            }
            "role" => {
                let request =
                    pb::ChangeRoleRequest { request_id, room_id, participant: self.name(by), role: role(command) };
                self.done::<pb::ChangeRoleResponse>(coordinator, "RoomService/ChangeRole", &request)
            }
            "export" => {
                let request = pb::RecordExportRequest { request_id, room_id };
                self.done::<pb::RecordExportResponse>(by, "RoomService/RecordExport", &request)
            }
            "close" => {
                let request = pb::CloseRoomRequest { request_id, room_id };
                self.done::<pb::CloseRoomResponse>(coordinator, "RoomService/CloseRoom", &request)
            }
            "reopen" => {
                let request = pb::ReopenRoomRequest { request_id, room_id };
                self.done::<pb::ReopenRoomResponse>(coordinator, "RoomService/ReopenRoom", &request)
            }
            "give" => {
                let change = Some(self.change(command));
                let request = pb::GiveConsentRequest { request_id, room_id, change, expected_version: None };
                self.done::<pb::GiveConsentResponse>(by, "ConsentService/GiveConsent", &request)
            }
            "withdraw" => {
                let (scope, recall_answer_by_time) = (Some(self.scope(command)), self.moment(command, "recall"));
                let request = pb::WithdrawConsentRequest { request_id, room_id, scope, recall_answer_by_time };
                let done: pb::WithdrawConsentResponse = self.call(by, "ConsentService/WithdrawConsent", &request)?;
                self.call_it(command, done.recall_id);
                Ok("done".to_owned())
            }
            "consent" => {
                let participant = command.field("of").map_or(String::new(), |name| self.name(name));
                let request = pb::GetConsentRequest { room_id, participant };
                let shown: pb::GetConsentResponse = self.call(by, "ConsentService/GetConsent", &request)?;
                Ok(self.consent(shown.consent.unwrap_or_default()).to_string())
            }
            "post" => {
                let draft = Some(pb::MessageDraft { attachments: self.uploaded(command), ..self.draft(command) });
                let request = pb::PostMessageRequest { request_id, room_id, draft };
                let posted: pb::PostMessageResponse = self.call(by, "MessageService/PostMessage", &request)?;
                let label = &command.words[1];
                let files = words::attached(command).map(|(label, ..)| label.to_owned());
                for (label, id) in
                    std::iter::once((label.clone(), posted.message_id)).chain(files.zip(posted.attachment_message_ids))
                {
                    self.labels.insert(id.clone(), label.clone());
                    self.messages.insert(label, id);
                }
                Ok(format!("posted {label}"))
            }
            "fetch" => {
                let message = self.message(&command.words[1]);
                let peer = self.peer(by);
                let bytes = self.runtime.block_on(download(&self.peers[peer], &room_id, &message, (0, 0)))?;
                Ok(format!("fetched {}", String::from_utf8(bytes).expect("a word")))
            }
            "preview" => {
                let draft = Some(self.draft(command));
                let request = pb::PreviewAudienceRequest { room_id, draft };
                let list: pb::PreviewAudienceResponse = self.call(by, "ConsentService/PreviewAudience", &request)?;
                Ok(self.previewed(&list.participants))
            }
            "in" => {
                let place = self.elsewhere.remove(by).unwrap_or_else(|| Place { room: id(), ..Place::default() });
                let left = std::mem::replace(&mut self.here, place);
                self.elsewhere.insert(std::mem::replace(&mut self.called, by.to_owned()), left);
                Ok(format!("in {by}"))
            }
            "catch-up" => {
                for by in &command.words {
                    loop {
                        let after = self.here.last_read.get(by).copied().unwrap_or(0);
                        if self.page(by, after, 1000)?.is_empty() {
                            break;
                        }
                    }
                }
                Ok("caught up".to_owned())
            }
            "read" => self.read(command),
            "participants" => {
                let request = pb::ListParticipantsRequest { room_id, ..pb::ListParticipantsRequest::default() };
                let list: pb::ListParticipantsResponse = self.call(by, "RoomService/ListParticipants", &request)?;
                let mut list: Vec<_> =
                    list.participants.iter().map(|shown| self.who(Some(shown)).to_string()).collect();
                list.sort();
                Ok(lines(list))
            }
            "room" => {
                let shown: pb::GetRoomResponse =
                    self.call(by, "RoomService/GetRoom", &pb::GetRoomRequest { room_id })?;
                let room = shown.room.unwrap_or_default();
                let status = word("ROOM_STATUS_", room.status().as_str_name());
                let (title, coordinator) = (&room.title, &room.coordinator_organisation_id);
                let who = self.who(room.caller.as_ref());
                Ok(format!("\"{title}\", {status}, coordinated by {coordinator}; you are {who}"))
            }
            _ => self.full(command, if command.is_by_coordinator() { coordinator } else { by }),
        }
    }

    /// Remembers an id under its name in the transcript.
    fn call_it(&mut self, command: &Command, id: String) {
        if let Some(label) = command.field("as").filter(|_| !id.is_empty()) {
            self.ids.insert(id, label.to_owned());
        }
    }

    fn previewed(&self, list: &[pb::PreviewedParticipant]) -> String {
        let line = |previewed: &pb::PreviewedParticipant| {
            let who = self.who(previewed.participant.as_ref()).name;
            words::decided(&who, previewed.receives, "receives", "does not receive", &reason(previewed.reason()))
        };
        let mut list: Vec<_> = list.iter().map(line).collect();
        list.sort();
        lines(list)
    }

    fn done<A: Message + Default>(
        &mut self,
        who: &str,
        method: &str,
        request: &impl Message,
    ) -> Result<String, Status> {
        self.call::<A>(who, method, request).map(|_| "done".to_owned())
    }

    fn begin(&mut self, command: &Command) -> Result<String, Status> {
        let by = command.by();
        let (room, participant) = if command.verb == "open" {
            let request = pb::OpenRoomRequest {
                request_id: id(),
                title: command.field("title").unwrap_or("Incident").to_owned(),
                terms: command.field("terms").unwrap_or_default().to_owned(),
            };
            let opened: pb::OpenRoomResponse = self.call(by, "RoomService/OpenRoom", &request)?;
            (opened.room_id, opened.participant_id)
        } else {
            let report = Some(self.report(command));
            let request = pb::ReportIncidentRequest { request_id: id(), report };
            let opened: pb::ReportIncidentResponse = self.call(by, "IntakeService/ReportIncident", &request)?;
            (opened.room_id, opened.participant_id)
        };
        self.here.room = room;
        self.meet(by, participant);
        // Under which id the coordinator stands there, its own list tells.
        let request =
            pb::ListParticipantsRequest { room_id: self.here.room.clone(), ..pb::ListParticipantsRequest::default() };
        let list: pb::ListParticipantsResponse = self.call(COORDINATOR, "RoomService/ListParticipants", &request)?;
        for shown in list.participants {
            self.meet(&shown.organisation_id, shown.participant_id);
        }
        Ok("done".to_owned())
    }

    fn meet(&mut self, who: &str, participant: String) {
        let organisation = who.split('/').next().unwrap_or_default().to_owned();
        self.here.participants.insert(organisation.clone(), participant.clone());
        self.names.insert(participant, organisation);
    }

    fn invitation(&mut self, command: &Command) -> Result<String, Status> {
        let by = command.by();
        if command.verb == "invite" {
            let request = pb::InviteOrganisationRequest {
                request_id: id(),
                room_id: self.here.room.clone(),
                organisation_id: by.to_owned(),
                role: role(command),
            };
            let caller = command.field("by").unwrap_or(COORDINATOR);
            let invited: pb::InviteOrganisationResponse =
                self.call(caller, "RoomService/InviteOrganisation", &request)?;
            self.here.invitations.insert(by.to_owned(), invited.invitation_id);
            return Ok("done".to_owned());
        }
        let organisation = by.split('/').next().unwrap_or_default();
        let invitation_id = self.here.invitations.get(organisation).cloned().unwrap_or_else(id);
        if command.verb == "decline" {
            let request = pb::DeclineInvitationRequest { request_id: id(), invitation_id };
            return self.done::<pb::DeclineInvitationResponse>(by, "RoomService/DeclineInvitation", &request);
        }
        let consent = Some(self.change(command));
        let request = pb::AcceptInvitationRequest { request_id: id(), invitation_id, consent };
        let accepted: pb::AcceptInvitationResponse = self.call(by, "RoomService/AcceptInvitation", &request)?;
        self.meet(by, accepted.participant_id);
        Ok("done".to_owned())
    }

    fn read(&mut self, command: &Command) -> Result<String, Status> {
        let by = command.by();
        let read = self.here.last_read.get(by).copied().filter(|_| command.has("new")).unwrap_or(0);
        let after_index = command.field("after").map_or(read, |n| n.parse().expect("a number"));
        let page_size = command.field("page").map_or(100, |n| n.parse().expect("a number"));
        let page = self.page(by, after_index, page_size)?;
        Ok(mailbox(
            page.iter().map(|(index, delivery)| {
                (*index, delivery.recorded_time.as_ref().map(microseconds), self.told(delivery))
            }),
        ))
    }

    fn page(&mut self, by: &str, after_index: u64, page_size: i32) -> Result<Vec<(u64, pb::Delivery)>, Status> {
        let request = pb::ListMessagesRequest { room_id: self.here.room.clone(), after_index, page_size };
        let page: pb::ListMessagesResponse = self.call(by, "MessageService/ListMessages", &request)?;
        let numbered: Vec<_> = (page.first_index..).zip(page.deliveries).collect();
        if let Some((last, _)) = numbered.last() {
            self.here.last_read.insert(by.to_owned(), *last);
        }
        for (_, delivery) in &numbered {
            if let Some(Content::MessagesReleased(told)) = &delivery.content
                && !self.ids.contains_key(&told.release_id)
                && let Some(label) = self.unmet.pop_front()
            {
                self.ids.insert(told.release_id.clone(), label);
            }
        }
        Ok(numbered)
    }

    fn show_report(&mut self, command: &Command) -> Result<String, Status> {
        let participant = command.field("of").map_or(String::new(), |name| self.name(name));
        let request =
            pb::GetReportRequest { room_id: self.here.room.clone(), participant, ..pb::GetReportRequest::default() };
        let shown: pb::GetReportResponse = self.call(command.by(), "IntakeService/GetReport", &request)?;
        Ok(lines(
            shown
                .versions
                .iter()
                .map(|version| format!("version {}\n{}", version.version, report_words(version.report.as_ref()))),
        ))
    }
}

/// Servers at a time: a transcript waits for disks more than for processors.
const AT_ONCE: usize = 8;

#[test]
fn wire_transcripts_hold_for_a_real_server() {
    let transcripts = words::transcripts();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let work = || {
        while let Some(path) = transcripts.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut world = WireWorld::start();
            let result = words::check(path, &mut world, false);
            world.runtime.block_on(world.world.stop());
            if let Err(difference) = result {
                wrong.lock().expect("not poisoned").push(difference);
            }
        }
    };
    thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    let mut wrong = wrong.into_inner().expect("not poisoned");
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {}:\n\n{}", wrong.len(), transcripts.len(), wrong.join("\n\n"));
    println!("{} transcripts against a real server", transcripts.len());
    assert!(transcripts.len() >= 50);
}

/// As a certificate names it: an organisation alone is its person `duty`.
fn actor_of(by: &str) -> String {
    if by.contains('/') { format!("org/{by}") } else { format!("org/{by}/user/duty") }
}
