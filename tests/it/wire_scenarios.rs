//! Runs `tests/scenarios/*.txt` against a real server over mutual TLS: the same files, with the same answers, as the pure core.

use std::collections::BTreeMap;

use prost::Message;
use samverkan::api::{self as pb, delivery::Content};
use samverkan::room::words::Sharing;
use tokio::runtime::Runtime;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::transcript::{self as words, Command, ConsentWords, Told, Who, World, field_invalid, lines};
use crate::world::{self, COORDINATOR, Peer, id};

const MINUTE: i64 = 60_000_000;

/// A server with one room.
struct WireWorld {
    runtime: Runtime,
    world: world::World,
    peers: BTreeMap<String, Peer>,
    room: String,
    /// Message ids and what the transcript calls them, both ways.
    labels: BTreeMap<String, String>,
    messages: BTreeMap<String, String>,
    /// Participant ids and their organisations, both ways.
    names: BTreeMap<String, String>,
    participants: BTreeMap<String, String>,
    invitations: BTreeMap<String, String>,
    last_read: BTreeMap<String, u64>,
}

impl WireWorld {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let world = runtime.block_on(world::World::start());
        Self {
            runtime,
            world,
            peers: BTreeMap::new(),
            room: id(),
            labels: BTreeMap::new(),
            messages: BTreeMap::new(),
            names: BTreeMap::new(),
            participants: BTreeMap::new(),
            invitations: BTreeMap::new(),
            last_read: BTreeMap::new(),
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
        if !self.peers.contains_key(who) {
            let peer = self.runtime.block_on(self.world.peer(who));
            self.peers.insert(who.to_owned(), peer);
        }
        self.runtime.block_on(self.peers[who].call(method, request))
    }

    fn try_run(&mut self, command: &Command) -> Result<String, Status> {
        let coordinator = command.field("by").unwrap_or(COORDINATOR);
        let (request_id, room_id) = (id(), self.room.clone());
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
                let scope = Some(self.scope(command));
                let request = pb::WithdrawConsentRequest { request_id, room_id, scope };
                self.done::<pb::WithdrawConsentResponse>(by, "ConsentService/WithdrawConsent", &request)
            }
            "consent" => {
                let participant = command.field("of").map_or(String::new(), |name| self.name(name));
                let request = pb::GetConsentRequest { room_id, participant };
                let shown: pb::GetConsentResponse = self.call(by, "ConsentService/GetConsent", &request)?;
                Ok(self.consent(shown.consent.unwrap_or_default()).to_string())
            }
            "post" => {
                let draft = Some(self.draft(command));
                let request = pb::PostMessageRequest { request_id, room_id, draft };
                let posted: pb::PostMessageResponse = self.call(by, "MessageService/PostMessage", &request)?;
                let label = &command.words[1];
                self.labels.insert(posted.message_id.clone(), label.clone());
                self.messages.insert(label.clone(), posted.message_id);
                Ok(format!("posted {label}"))
            }
            "preview" => {
                let draft = Some(self.draft(command));
                let request = pb::PreviewAudienceRequest { room_id, draft };
                let list: pb::PreviewAudienceResponse = self.call(by, "ConsentService/PreviewAudience", &request)?;
                let line = |previewed: &pb::PreviewedParticipant| {
                    let who = self.who(previewed.participant.as_ref()).name;
                    let receives = if previewed.receives { "receives" } else { "does not receive" };
                    format!("{who} {receives}: {}", stripped("AUDIENCE_REASON_", previewed.reason().as_str_name()))
                };
                let mut list: Vec<_> = list.participants.iter().map(line).collect();
                list.sort();
                Ok(lines(list))
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
            other => panic!("a transcript knows no `{other}`"),
        }
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
        self.room = room;
        self.meet(by, participant);
        // Under which id the coordinator stands there, its own list tells.
        let request =
            pb::ListParticipantsRequest { room_id: self.room.clone(), ..pb::ListParticipantsRequest::default() };
        let list: pb::ListParticipantsResponse = self.call(COORDINATOR, "RoomService/ListParticipants", &request)?;
        for shown in list.participants {
            self.meet(&shown.organisation_id, shown.participant_id);
        }
        Ok("done".to_owned())
    }

    fn meet(&mut self, who: &str, participant: String) {
        let organisation = who.split('/').next().unwrap_or_default().to_owned();
        self.participants.insert(organisation.clone(), participant.clone());
        self.names.insert(participant, organisation);
    }

    fn invitation(&mut self, command: &Command) -> Result<String, Status> {
        let by = command.by();
        if command.verb == "invite" {
            let request = pb::InviteOrganisationRequest {
                request_id: id(),
                room_id: self.room.clone(),
                organisation_id: by.to_owned(),
                role: role(command),
            };
            let caller = command.field("by").unwrap_or(COORDINATOR);
            let invited: pb::InviteOrganisationResponse =
                self.call(caller, "RoomService/InviteOrganisation", &request)?;
            self.invitations.insert(by.to_owned(), invited.invitation_id);
            return Ok("done".to_owned());
        }
        let organisation = by.split('/').next().unwrap_or_default();
        let invitation_id = self.invitations.get(organisation).cloned().unwrap_or_else(id);
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
        let read = self.last_read.get(by).copied().filter(|_| command.has("new")).unwrap_or(0);
        let after_index = command.field("after").map_or(read, |n| n.parse().expect("a number"));
        let page_size = command.field("page").map_or(100, |n| n.parse().expect("a number"));
        let request = pb::ListMessagesRequest { room_id: self.room.clone(), after_index, page_size };
        let page: pb::ListMessagesResponse = self.call(by, "MessageService/ListMessages", &request)?;
        let numbered: Vec<_> = (page.first_index..).zip(&page.deliveries).collect();
        if let Some((last, _)) = numbered.last() {
            self.last_read.insert(by.to_owned(), *last);
        }
        Ok(lines(numbered.into_iter().map(|(i, delivery)| format!("{i} {}", self.told(delivery)))))
    }

    fn show_report(&mut self, command: &Command) -> Result<String, Status> {
        let participant = command.field("of").map_or(String::new(), |name| self.name(name));
        let request =
            pb::GetReportRequest { room_id: self.room.clone(), participant, ..pb::GetReportRequest::default() };
        let shown: pb::GetReportResponse = self.call(command.by(), "IntakeService/GetReport", &request)?;
        Ok(lines(
            shown
                .versions
                .iter()
                .map(|version| format!("version {}\n{}", version.version, report_words(version.report.as_ref()))),
        ))
    }

    /// A name of a transcript as a request has it. Who was never met stands nowhere.
    fn name(&self, name: &str) -> String {
        match name.strip_prefix('~') {
            Some(of) => self.participants.get(of).cloned().unwrap_or_else(|| never_given(name)),
            None => name.to_owned(),
        }
    }

    /// The other way round.
    fn written(&self, name: &str) -> String {
        match self.names.get(name) {
            Some(organisation) => format!("~{organisation}"),
            None if Uuid::try_parse(name).is_ok() => "~nobody".to_owned(),
            None => name.to_owned(),
        }
    }

    fn who(&self, shown: Option<&pb::Participant>) -> Who {
        let shown = shown.expect("somebody is shown");
        let name = if shown.organisation_id.is_empty() {
            self.written(&shown.participant_id)
        } else {
            shown.organisation_id.clone()
        };
        Who {
            name,
            role: words::to_role(&word("ROLE_", shown.role().as_str_name())),
            attribution: shown.attribution.map(attribution),
            is_reader: shown.is_caller,
        }
    }

    fn label(&self, message: &str) -> String {
        self.labels.get(message).cloned().unwrap_or_else(|| "#?".to_owned())
    }

    fn told(&self, delivery: &pb::Delivery) -> Told {
        let name = |shown: &Option<pb::Participant>| self.who(shown.as_ref()).name;
        let who = |shown: &Option<pb::Participant>| self.who(shown.as_ref());
        match delivery.content.as_ref().expect("every delivery has content") {
            Content::Message(message) => self.told_message(message),
            Content::Withdrawn(_) => Told::Withdrawn,
            Content::WithdrawalNotice(notice) => {
                Told::Notice(notice.ranges.iter().map(|range| (range.first_index, range.last_index)).collect())
            }
            Content::RoomOpened(_) => Told::RoomOpened,
            Content::RoomClosed(_) => Told::RoomClosed,
            Content::RoomReopened(_) => Told::RoomReopened,
            Content::ParticipantJoined(told) => Told::Joined(who(&told.participant)),
            Content::ParticipantLeft(told) => Told::Left(who(&told.participant)),
            Content::ParticipantRemoved(told) => {
                Told::Removed { who: who(&told.participant), reason: told.reason.clone() }
            }
            Content::ParticipantIdentified(told) => Told::Identified(who(&told.participant)),
            Content::RoleChanged(told) => Told::RoleChanged(who(&told.participant)),
            Content::InvitationSent(told) => Told::Invited {
                organisation: told.organisation_id.clone(),
                role: words::to_role(&word("ROLE_", told.role().as_str_name())),
            },
            Content::InvitationDeclined(told) => Told::Declined { organisation: told.organisation_id.clone() },
            Content::ConsentGiven(told) => {
                let change = self.consent_change(told.change.as_ref().expect("a change is told")).to_string();
                Told::ConsentGiven { name: name(&told.participant), change }
            }
            Content::ConsentWithdrawn(told) => {
                use pb::consent_withdrawn::Scope;
                let scope = match told.scope.as_ref().expect("a scope is told") {
                    Scope::All(_) => "all".to_owned(),
                    Scope::Material(number) => material(*number),
                    Scope::Audience(number) => audience(*number),
                    Scope::Name(name) => self.written(name),
                };
                Told::ConsentWithdrawn { name: name(&told.participant), scope }
            }
            Content::ConsentExpired(told) => Told::ConsentExpired { name: name(&told.participant) },
            Content::ReportFiled(told) => Told::ReportFiled { name: name(&told.participant) },
            Content::ReportAmended(told) => Told::ReportAmended { name: name(&told.participant) },
        }
    }

    fn told_message(&self, message: &pb::Message) -> Told {
        let mut to: Vec<_> = message.recipients.iter().map(|participant| self.written(participant)).collect();
        to.sort();
        Told::Message {
            label: self.label(&message.message_id),
            from: self.who(message.author.as_ref()).name,
            material: words::to_material(&material(message.material)),
            tlp: words::to_tlp(&word("TLP_", message.tlp().as_str_name()).replace("amber-strict", "amber+strict")),
            text: message.text.clone(),
            reply: Some(&message.in_reply_to).filter(|id| !id.is_empty()).map(|id| self.label(id)),
            occurred: message.occurred_time.is_some(),
            to,
            coordinator_only: message.coordinator_only,
            actor: message.actor.strip_prefix("org/").map(str::to_owned),
        }
    }

    fn consent(&self, consent: pb::SharingConsent) -> ConsentWords {
        let shown = consent.attribution;
        let change = pb::ConsentChange {
            cells: consent.cells,
            named: consent.named,
            newcomers: consent.newcomers,
            attribution: Some(shown),
            police: Some(consent.police),
            expiry: consent.expire_time.map(pb::consent_change::Expiry::ExpireTime),
        };
        self.consent_change(&change)
    }

    fn consent_change(&self, change: &pb::ConsentChange) -> ConsentWords {
        use pb::consent_change::Expiry;
        let sharing = |number| -> Sharing {
            let sharing = pb::Sharing::try_from(number).expect("known");
            words::to_sharing(&word("SHARING_", sharing.as_str_name()))
        };
        let cell = |cell: &pb::ConsentCell| {
            let (material, audience) = (material(cell.material), audience(cell.audience));
            (words::to_material(&material), words::to_audience(&audience), sharing(cell.sharing))
        };
        let mut named = Vec::new();
        for one in &change.named {
            for answer in &one.sharings {
                let material = words::to_material(&material(answer.material));
                named.push((self.written(&one.name), material, sharing(answer.sharing)));
            }
        }
        ConsentWords {
            cells: change.cells.iter().map(cell).collect(),
            named,
            newcomers: change
                .newcomers
                .iter()
                .map(|one| {
                    let answer = words::to_answer(&word("ANSWER_", one.answer().as_str_name()));
                    (words::to_audience(&audience(one.audience)), answer)
                })
                .collect(),
            attribution: change.attribution.map(attribution),
            police: change.police.map(|number| {
                let answer = pb::PoliceAnswer::try_from(number).expect("known");
                words::to_police(&word("POLICE_ANSWER_", answer.as_str_name()))
            }),
            expires: change.expiry.as_ref().map(|expiry| match expiry {
                Expiry::ExpireTime(_) => true,
                Expiry::ClearExpiry(_) => false,
            }),
        }
    }

    fn change(&self, command: &Command) -> pb::ConsentChange {
        use pb::consent_change::Expiry;
        let mut change = pb::ConsentChange::default();
        for (key, values) in &command.fields {
            let value = values[0].as_str();
            match (key.as_str(), key.split_once('/')) {
                (_, Some(("newcomers", whom))) => {
                    let (audience, answer) = (number::<pb::Audience>(whom), number::<pb::Answer>(value));
                    change.newcomers.push(pb::NewcomersAnswer { audience, answer });
                }
                (_, Some((what, whom))) => {
                    let materials = if what == "*" { vec!["information", "data", "logs"] } else { vec![what] };
                    for material in materials.into_iter().map(number::<pb::Material>) {
                        let sharing = number::<pb::Sharing>(value);
                        let audiences = match whom {
                            "*" => vec!["other-affected-organisations", "third-parties"],
                            "other-affected-organisations" | "third-parties" => vec![whom],
                            _ => {
                                let (name, answer) = (self.name(whom), pb::MaterialSharing { material, sharing });
                                match change.named.iter_mut().find(|named| named.name == name) {
                                    Some(named) => named.sharings.push(answer),
                                    None => change.named.push(pb::NamedSharing { name, sharings: vec![answer] }),
                                }
                                vec![]
                            }
                        };
                        change.cells.extend(
                            audiences.into_iter().map(number::<pb::Audience>).map(|audience| pb::ConsentCell {
                                material,
                                audience,
                                sharing,
                            }),
                        );
                    }
                }
                ("attribution", None) => change.attribution = Some(number::<pb::Attribution>(value)),
                ("police", None) => change.police = Some(number::<pb::PoliceAnswer>(value)),
                ("expires", None) if value == "never" => change.expiry = Some(Expiry::ClearExpiry(true)),
                ("expires", None) => {
                    change.expiry = Some(Expiry::ExpireTime(time(self.world.now() + duration(value))));
                }
                (_, None) => {}
            }
        }
        change
    }

    fn scope(&self, command: &Command) -> pb::withdraw_consent_request::Scope {
        use pb::withdraw_consent_request::Scope;
        if command.has("all") {
            return Scope::All(true);
        }
        let material = command.field("material").map(|word| Scope::Material(number::<pb::Material>(word)));
        let audience = || command.field("audience").map(|word| Scope::Audience(number::<pb::Audience>(word)));
        let named = || command.field("name").map(|word| Scope::Name(self.name(word)));
        material.or_else(audience).or_else(named).expect("all, material=, audience= or name=")
    }

    fn draft(&self, command: &Command) -> pb::MessageDraft {
        let mut plain = command.words[1..].iter().filter(|word| !word.starts_with('#') && *word != "coordinator-only");
        let red = |word: &String| {
            if word.contains('/') { format!("org/{word}") } else { format!("org/{word}/user/duty") }
        };
        pb::MessageDraft {
            material: number::<pb::Material>(plain.next().expect("a material")),
            tlp: number::<pb::Tlp>(plain.next().expect("a TLP label")),
            text: command.text.clone().unwrap_or_else(|| "text".to_owned()),
            recipients: command.list("to").iter().map(|word| self.name(word)).collect(),
            red_actors: command.list("red").iter().map(red).collect(),
            coordinator_only: command.has("coordinator-only"),
            in_reply_to: command
                .field("reply")
                .map_or(String::new(), |label| self.messages.get(label).cloned().unwrap_or_else(|| never_given(label))),
            occurred_time: command.field("occurred").map(|_| time(1)),
        }
    }

    fn report(&self, command: &Command) -> pb::IntakeReport {
        let text = |key| command.field(key).unwrap_or_default().to_owned();
        // A report has a field of its own for the police.
        let consent = pb::ConsentChange { police: None, ..self.change(command) };
        let discovered = command.field("discovered").map(|time| {
            let at: jiff::Timestamp = time.parse().expect("a time like 2025-09-01T06:00:00Z");
            self::time(at.as_microsecond())
        });
        pb::IntakeReport {
            what_occurred: text("what"),
            how_discovered: text("how"),
            discovered_time: discovered,
            countermeasures: text("countermeasures"),
            ongoing: command.field("ongoing").map(number::<pb::Assessment>),
            data_leak: command.field("leak").map(number::<pb::Assessment>),
            help_wanted: text("help"),
            contacts_made: text("contacts"),
            police: command.field("police").map(number::<pb::PoliceAnswer>),
            sharing_consent: Some(consent).filter(|consent| *consent != pb::ConsentChange::default()),
        }
    }
}

/// An id that the server never gave, the same for the same name.
fn never_given(name: &str) -> String {
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

fn role(command: &Command) -> i32 {
    number::<pb::Role>(command.field("as").expect("as=ROLE"))
}

fn duration(word: &str) -> i64 {
    let minutes = word.strip_prefix('+').and_then(|word| word.strip_suffix('m')).and_then(|n| n.parse::<i64>().ok());
    minutes.expect("a duration reads +30m") * MINUTE
}

fn time(microseconds: i64) -> prost_types::Timestamp {
    let nanos = i32::try_from(microseconds.rem_euclid(1_000_000)).expect("below a million") * 1000;
    prost_types::Timestamp { seconds: microseconds.div_euclid(1_000_000), nanos }
}

/// As transcripts spell a value of the API: `ROLE_THIRD_PARTY` is `third-party`.
fn word(prefix: &str, name: &str) -> String {
    stripped(prefix, name).to_lowercase().replace('_', "-")
}

fn stripped<'a>(prefix: &str, name: &'a str) -> &'a str {
    name.strip_prefix(prefix).expect("values carry the name of their enum")
}

fn material(number: i32) -> String {
    word("MATERIAL_", pb::Material::try_from(number).expect("known").as_str_name())
}

fn audience(number: i32) -> String {
    word("AUDIENCE_", pb::Audience::try_from(number).expect("known").as_str_name())
}

fn attribution(number: i32) -> samverkan::room::words::Attribution {
    let shown = pb::Attribution::try_from(number).expect("known");
    words::to_attribution(&word("ATTRIBUTION_", shown.as_str_name()))
}

/// An enum of the API whose values transcripts spell.
trait Spelled: Into<i32> + Sized {
    const PREFIX: &str;

    fn by_name(name: &str) -> Option<Self>;
}

macro_rules! spelled {
    ($($type:ident = $prefix:literal),* $(,)?) => {
        $(impl Spelled for pb::$type {
            const PREFIX: &str = $prefix;

            fn by_name(name: &str) -> Option<Self> {
                Self::from_str_name(name)
            }
        })*
    };
}

spelled!(
    Material = "MATERIAL_",
    Audience = "AUDIENCE_",
    Sharing = "SHARING_",
    Answer = "ANSWER_",
    Tlp = "TLP_",
    Role = "ROLE_",
    Attribution = "ATTRIBUTION_",
    PoliceAnswer = "POLICE_ANSWER_",
    Assessment = "ASSESSMENT_",
);

fn number<T: Spelled>(word: &str) -> i32 {
    let name = format!("{}{}", T::PREFIX, word.to_uppercase().replace(['-', '+'], "_"));
    T::by_name(&name).unwrap_or_else(|| panic!("{word} is no {}", T::PREFIX)).into()
}

/// Every answer in the fact sheet's order; what is unanswered is shown so.
fn report_words(report: Option<&pb::IntakeReport>) -> String {
    let report = report.expect("a version has its report");
    let open = "not answered";
    let text = |text: &str| if text.is_empty() { open.to_owned() } else { format!("\"{text}\"") };
    let assessment = |number: Option<i32>| match number {
        Some(number) => word("ASSESSMENT_", pb::Assessment::try_from(number).expect("known").as_str_name()),
        None => open.to_owned(),
    };
    let discovered = report
        .discovered_time
        .as_ref()
        .map(|at| jiff::Timestamp::new(at.seconds, at.nanos).expect("in range").to_string());
    let police = match report.police() {
        pb::PoliceAnswer::Unspecified | pb::PoliceAnswer::NotAnswered => open.to_owned(),
        answer => word("POLICE_ANSWER_", answer.as_str_name()),
    };
    [
        ("what occurred", text(&report.what_occurred)),
        ("how discovered", text(&report.how_discovered)),
        ("when discovered", discovered.unwrap_or_else(|| open.to_owned())),
        ("countermeasures", text(&report.countermeasures)),
        ("still ongoing", assessment(report.ongoing)),
        ("can data be leaked", assessment(report.data_leak)),
        ("help wanted", text(&report.help_wanted)),
        ("contacts made", text(&report.contacts_made)),
        ("police", police),
    ]
    .map(|(question, answer)| format!("  {question}: {answer}"))
    .join("\n")
}

#[test]
fn wire_transcripts_hold_for_a_real_server() {
    let transcripts = words::transcripts();
    let wrong: Vec<String> = transcripts
        .iter()
        .filter_map(|path| {
            let mut world = WireWorld::start();
            let result = words::check(path, &mut world, false).err();
            world.runtime.block_on(world.world.stop());
            result
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n\n{}", wrong.len(), transcripts.len(), wrong.join("\n\n"));
    assert!(transcripts.len() >= 20);
}
