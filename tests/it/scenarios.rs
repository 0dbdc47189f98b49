//! Runs `tests/scenarios/*.txt` against the pure core. The same files run against a real server over mutual TLS.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::sync::Arc;

use samverkan::room::consent::{Consent, ConsentChange, ExpiryChange, Name, Scope};
use samverkan::room::directory::{Directory, DirectoryCommand, DirectoryEntry};
use samverkan::room::disclose::{
    AudienceReason, Reader, ShownMessage, ShownParticipant, What, consent, invitations, preview, report, reports, room,
    roster,
};
use samverkan::room::event::{self, Draft, IntakeReport, OpenRoom, OpeningReport, Request};
use samverkan::room::ids::{
    Actor, ActorKind, InvitationId, MessageId, OrganisationId, ParticipantId, RequestId, Timestamp,
};
use samverkan::room::refusal::Refusal;
use samverkan::room::state::Status;
use samverkan::room::words::{Audience, Material, PoliceAnswer};

use crate::histories::{MINUTE, invitation, message, organisation, participant};
use crate::pure::{Found, PureRoom};
use crate::transcript::{self as words, Command, ConsentWords, Told, Who, World, lines, reason};

const COORDINATOR: &str = "cert-se";

/// A room of the pure core, and the directory.
struct PureWorld {
    directory: Directory,
    room: PureRoom,
    labels: BTreeMap<MessageId, String>,
    names: BTreeMap<ParticipantId, OrganisationId>,
    last_invitation: BTreeMap<OrganisationId, InvitationId>,
    last_read: BTreeMap<Actor, u64>,
}

impl Default for PureWorld {
    fn default() -> Self {
        Self {
            directory: Directory::new(organisation(COORDINATOR)),
            room: PureRoom::new(Timestamp(MINUTE)),
            labels: BTreeMap::new(),
            names: BTreeMap::new(),
            last_invitation: BTreeMap::new(),
            last_read: BTreeMap::new(),
        }
    }
}

impl World for PureWorld {
    fn run(&mut self, command: &Command) -> String {
        self.try_run(command).unwrap_or_else(|refusal| format!("refused: {}", reason(&refusal)))
    }
}

/// What is asked of somebody who isn't let in.
const NOT_ADMITTED: &str = "refused: ORGANISATION_NOT_ADMITTED";

impl PureWorld {
    fn try_run(&mut self, command: &Command) -> Result<String, Refusal> {
        match command.verb.as_str() {
            "register" => {
                let all = command.words.iter().map(|name| {
                    let organisation = organisation(name);
                    DirectoryCommand::Register { organisation, display_name: name.as_str().into() }
                });
                all.collect::<Vec<_>>().into_iter().try_for_each(|register| self.direct(command, register))?;
                return Ok("registered".to_owned());
            }
            "suspend" => {
                let organisation = organisation(command.by());
                self.direct(
                    command,
                    DirectoryCommand::Suspend { organisation: organisation.clone(), reason: "r".into() },
                )?;
                self.room.perform(&coordinator(command), event::Command::RemoveSuspended { organisation })?;
                return Ok("suspended".to_owned());
            }
            "clock" => {
                self.room.advance_clock(duration(command.by()));
                return Ok("time passes".to_owned());
            }
            _ => {}
        }
        let caller = match command.verb.as_str() {
            "invite" | "remove" | "role" | "close" | "reopen" => coordinator(command),
            _ => actor(command.by()),
        };
        if !self.directory.admits(&caller.organisation) {
            return Ok(NOT_ADMITTED.to_owned());
        }
        match command.verb.as_str() {
            "show-report" => self.show_report(&caller, command),
            "invitations" => Ok(lines(invitations(&self.room.state, &caller.organisation).iter().map(|stub| {
                let stub = stub.get();
                let role = words::role(stub.role);
                format!("\"{}\", terms \"{}\", from {}, as {role}", stub.title, stub.terms, stub.coordinator)
            }))),
            "consent" => {
                let of = command.field("of").map(name);
                let shown = consent(&self.room.state, &caller, of.as_ref(), self.room.now)?.into_inner();
                let shown_as = shown.participant.attribution;
                Ok(ConsentWords { attribution: shown_as, ..self.consent_words(&shown.consent) }.to_string())
            }
            "read" => {
                let read = self.last_read.get(&caller).copied().filter(|_| command.has("new")).unwrap_or(0);
                let after = command.field("after").map_or(read, |n| n.parse().expect("a number"));
                let page: usize = command.field("page").map_or(100, |n| n.parse().expect("a number"));
                // A mailbox that was delivered up to here has its page; only what is missing is delivered now.
                let held = self.room.last_index(&caller).saturating_sub(after) as usize;
                let found = self.room.read(&caller, after, page.saturating_sub(held))?;
                let page: Vec<_> = found.into_iter().take(page).collect();
                if let Some((last, _)) = page.last() {
                    self.last_read.insert(caller, *last);
                }
                Ok(lines(page.into_iter().map(|(i, found)| format!("{i} {}", self.told(found)))))
            }
            "participants" => {
                let reader = Reader::new(&self.room.state, &caller)?;
                let list = roster(&self.room.state, reader);
                let mut list: Vec<_> = list.iter().map(|who| self.who(who.get()).to_string()).collect();
                list.sort();
                Ok(lines(list))
            }
            "room" => {
                let shown = room(&self.room.state, Reader::new(&self.room.state, &caller)?).into_inner();
                let status = match shown.status {
                    Status::Open => "open",
                    Status::Closed => "closed",
                };
                let coordinator = self.who(&shown.coordinator).name;
                Ok(format!(
                    "\"{}\", {status}, coordinated by {coordinator}; you are {}",
                    shown.title,
                    self.who(&shown.own)
                ))
            }
            "preview" => {
                let reader = Reader::new(&self.room.state, &caller)?;
                let list = preview(&self.room.state, reader, &draft(command), self.room.now)?;
                let mut list: Vec<_> = list
                    .iter()
                    .map(|previewed| previewed.get())
                    .map(|previewed| {
                        let who = self.who(&previewed.participant).name;
                        let receives = if previewed.receives { "receives" } else { "does not receive" };
                        format!("{who} {receives}: {}", audience_reason(previewed.reason))
                    })
                    .collect();
                list.sort();
                Ok(lines(list))
            }
            _ => self.write(&caller, command),
        }
    }

    fn direct(&mut self, command: &Command, wish: DirectoryCommand) -> Result<(), Refusal> {
        let author = coordinator(command);
        let event = self.directory.decide(&author, wish)?;
        let seq = self.directory.next();
        let request = Request { id: RequestId::from_bytes(u128::from(seq.0).to_be_bytes()), digest: [0; 32] };
        self.directory.fold(&DirectoryEntry { seq, recorded_at: self.room.now, author, request, event });
        Ok(())
    }

    fn write(&mut self, caller: &Actor, command: &Command) -> Result<String, Refusal> {
        let mut done = "done".to_owned();
        let own = participant(&caller.organisation);
        self.names.insert(own, caller.organisation.clone());
        let open = |report| OpenRoom {
            coordinator: organisation(COORDINATOR),
            coordinator_participant: participant(&organisation(COORDINATOR)),
            title: command.field("title").unwrap_or("Reported incident").into(),
            terms: command.field("terms").unwrap_or("The coordinator sees what is posted here.").into(),
            report,
        };
        let change = || Arc::new(change(command, self.room.now));
        let invitation_of =
            |organisation| self.last_invitation.get(organisation).copied().unwrap_or(invitation("none"));
        let wish = match command.verb.as_str() {
            "open" => {
                self.names.insert(participant(&organisation(COORDINATOR)), organisation(COORDINATOR));
                event::Command::OpenRoom(open(None))
            }
            "report" => {
                self.names.insert(participant(&organisation(COORDINATOR)), organisation(COORDINATOR));
                let opening = OpeningReport { participant: own, report: Arc::new(intake(command)), consent: change() };
                event::Command::OpenRoom(open(Some(opening)))
            }
            "amend" => {
                let change = change();
                let consent = (*change != ConsentChange::default()).then_some(change);
                event::Command::AmendReport { report: Arc::new(intake(command)), consent }
            }
            "invite" => {
                let whom = organisation(command.by());
                if caller.organisation == organisation(COORDINATOR) {
                    self.directory.known(&whom)?;
                }
                let invitation = invitation(&format!("{whom} {}", self.room.entries.len()));
                let (role, participant) = (words::to_role(command.field("as").expect("as=ROLE")), participant(&whom));
                event::Command::Invite { invitation, organisation: whom, role, participant }
            }
            "accept" => {
                event::Command::AcceptInvitation { invitation: invitation_of(&caller.organisation), consent: change() }
            }
            "decline" => event::Command::DeclineInvitation { invitation: invitation_of(&caller.organisation) },
            "leave" => event::Command::Leave,
            "remove" => event::Command::Remove {
                participant: name(command.by()),
                reason: command.field("reason").expect("reason=").into(),
            },
            "role" => event::Command::ChangeRole {
                participant: name(command.by()),
                role: words::to_role(command.field("as").expect("as=ROLE")),
            },
            "give" => event::Command::GiveConsent { change: change(), expected_version: None },
            "withdraw" => event::Command::WithdrawConsent(scope(command)),
            "post" => {
                let label = command.words[1].clone();
                done = format!("posted {label}");
                event::Command::Post { message: message(&label), draft: Arc::new(draft(command)) }
            }
            "close" => event::Command::Close,
            "reopen" => event::Command::Reopen,
            other => panic!("a transcript knows no `{other}`"),
        };
        let remember = wish.clone();
        self.room.perform(caller, wish)?;
        match remember {
            event::Command::Invite { invitation, organisation, participant, .. } => {
                self.names.insert(participant, organisation.clone());
                self.last_invitation.insert(organisation, invitation);
            }
            event::Command::Post { message, .. } => drop(self.labels.insert(message, command.words[1].clone())),
            _ => {}
        }
        Ok(done)
    }

    fn show_report(&self, caller: &Actor, command: &Command) -> Result<String, Refusal> {
        let reader = Reader::new(&self.room.state, caller)?;
        let of = command.field("of").map(name);
        let (_, versions) = reports(&self.room.state, reader, of.as_ref())?;
        if versions.is_empty() {
            return Err(Refusal::ReportNotFound);
        }
        let versions = (1..).zip(versions).collect::<Vec<_>>().into_iter().rev().filter_map(|(version, seq)| {
            let shown = report(&self.room.state, reader, &self.room.entries[seq.0 as usize])?;
            Some(format!("version {version}\n{}", report_words(shown.get())))
        });
        Ok(lines(versions))
    }

    fn who(&self, shown: &ShownParticipant) -> Who {
        let name = match &shown.organisation {
            Some(organisation) => organisation.to_string(),
            None => self.pseudonym(&shown.id),
        };
        Who { name, role: shown.role, attribution: shown.attribution, is_reader: shown.is_reader }
    }

    fn pseudonym(&self, id: &ParticipantId) -> String {
        self.names.get(id).map_or_else(|| "~nobody".to_owned(), |organisation| format!("~{organisation}"))
    }

    fn written(&self, name: &Name) -> String {
        match name {
            Name::Organisation(organisation) => organisation.to_string(),
            Name::Participant(id) => self.pseudonym(id),
        }
    }

    fn label(&self, id: MessageId) -> String {
        self.labels.get(&id).cloned().unwrap_or_else(|| "#?".to_owned())
    }

    fn told(&self, found: Found) -> Told {
        let shown = match found {
            Found::Withdrawn => return Told::Withdrawn,
            Found::Notice(notice) => return Told::Notice(notice.ranges.iter().map(|(a, b)| (a.0, b.0)).collect()),
            Found::Shown(shown) => shown,
        };
        match shown.what {
            What::Message(message) => self.told_message(message),
            What::RoomOpened(_) => Told::RoomOpened,
            What::Joined(who) => Told::Joined(self.who(&who)),
            What::Left(who) => Told::Left(self.who(&who)),
            What::Removed { participant, reason } => {
                Told::Removed { who: self.who(&participant), reason: reason.to_string() }
            }
            What::Identified(who) => Told::Identified(self.who(&who)),
            What::RoleChanged(who) => Told::RoleChanged(self.who(&who)),
            What::Invited { invitation: _, organisation, role } => {
                Told::Invited { organisation: organisation.to_string(), role }
            }
            What::Declined { invitation: _, organisation } => Told::Declined { organisation: organisation.to_string() },
            What::ConsentGiven { participant, change } => {
                let change = ConsentWords {
                    cells: change.cells.clone(),
                    named: change.named.iter().map(|(name, m, s)| (self.written(name), *m, *s)).collect(),
                    newcomers: change.newcomers.clone(),
                    attribution: change.attribution,
                    police: change.police,
                    expires: match change.expiry {
                        ExpiryChange::Keep => None,
                        ExpiryChange::Never => Some(false),
                        ExpiryChange::At(_) => Some(true),
                    },
                };
                Told::ConsentGiven { name: self.who(&participant).name, change: change.to_string() }
            }
            What::ConsentWithdrawn { participant, scope } => {
                let scope = match scope {
                    Scope::All => "all".to_owned(),
                    Scope::Material(material) => words::material(material).to_owned(),
                    Scope::Audience(audience) => words::audience(audience).to_owned(),
                    Scope::Named(name) => self.written(&name),
                };
                Told::ConsentWithdrawn { name: self.who(&participant).name, scope }
            }
            What::ConsentExpired(who) => Told::ConsentExpired { name: self.who(&who).name },
            What::ReportFiled { participant, amended: false } => {
                Told::ReportFiled { name: self.who(&participant).name }
            }
            What::ReportFiled { participant, amended: true } => {
                Told::ReportAmended { name: self.who(&participant).name }
            }
            What::RoomClosed => Told::RoomClosed,
            What::RoomReopened => Told::RoomReopened,
        }
    }

    fn told_message(&self, message: ShownMessage) -> Told {
        let mut to: Vec<_> = message.recipients.iter().map(|id| self.pseudonym(id)).collect();
        to.sort();
        Told::Message {
            label: self.label(message.id),
            from: self.who(&message.author).name,
            material: message.material,
            tlp: message.tlp,
            text: message.text.to_string(),
            reply: message.in_reply_to.map(|id| self.label(id)),
            occurred: message.occurred_at.is_some(),
            to,
            coordinator_only: message.coordinator_only,
            actor: message
                .actor
                .map(|actor| format!("{}/{}/{}", actor.organisation, actor.kind.as_str(), actor.name())),
        }
    }

    fn consent_words(&self, consent: &Consent) -> ConsentWords {
        let mut cells = Vec::new();
        let mut named = Vec::new();
        for material in Material::ALL {
            cells.extend(Audience::ALL.map(|audience| (material, audience, consent.cell(material, audience).sharing)));
            named.extend(
                consent
                    .named
                    .iter()
                    .filter_map(|named| Some((self.written(&named.name), material, named.sharing[material as usize]?))),
            );
        }
        ConsentWords {
            cells,
            named,
            newcomers: Audience::ALL.map(|audience| (audience, consent.newcomers[audience as usize])).to_vec(),
            attribution: None,
            police: Some(consent.police),
            expires: consent.expires_at.is_some().then_some(true),
        }
    }
}

fn actor(word: &str) -> Actor {
    let mut parts = word.split('/');
    let of = organisation(parts.next().unwrap_or_default());
    let kind = if parts.next() == Some("service") { ActorKind::Service } else { ActorKind::User };
    Actor::new(of, kind, parts.next().unwrap_or("duty")).expect("well-formed")
}

fn coordinator(command: &Command) -> Actor {
    actor(command.field("by").unwrap_or(COORDINATOR))
}

fn name(word: &str) -> Name {
    match word.strip_prefix('~') {
        Some(of) => Name::Participant(participant(&organisation(of))),
        None => Name::Organisation(organisation(word)),
    }
}

fn duration(word: &str) -> i64 {
    let minutes = word.strip_prefix('+').and_then(|word| word.strip_suffix('m')).and_then(|n| n.parse::<i64>().ok());
    minutes.expect("a duration reads +30m") * MINUTE
}

fn change(command: &Command, now: Timestamp) -> ConsentChange {
    let mut change = ConsentChange::default();
    for (key, values) in &command.fields {
        let value = values[0].as_str();
        match (key.as_str(), key.split_once('/')) {
            (_, Some(("newcomers", audience))) => {
                change.newcomers.push((words::to_audience(audience), words::to_answer(value)));
            }
            (_, Some((material, whom))) => {
                let materials =
                    if material == "*" { Material::ALL.to_vec() } else { vec![words::to_material(material)] };
                for material in materials {
                    let sharing = words::to_sharing(value);
                    match whom {
                        "*" => change.cells.extend(Audience::ALL.map(|audience| (material, audience, sharing))),
                        "other-affected-organisations" | "third-parties" => {
                            change.cells.push((material, words::to_audience(whom), sharing));
                        }
                        _ => change.named.push((name(whom), material, sharing)),
                    }
                }
            }
            ("attribution", None) => change.attribution = Some(words::to_attribution(value)),
            ("police", None) => change.police = Some(words::to_police(value)),
            ("expires", None) if value == "never" => change.expiry = ExpiryChange::Never,
            ("expires", None) => change.expiry = ExpiryChange::At(Timestamp(now.0 + duration(value))),
            (_, None) => {}
        }
    }
    change
}

fn scope(command: &Command) -> Scope {
    if command.has("all") {
        return Scope::All;
    }
    let material = command.field("material").map(|word| Scope::Material(words::to_material(word)));
    let audience = || command.field("audience").map(|word| Scope::Audience(words::to_audience(word)));
    let named = || command.field("name").map(|word| Scope::Named(name(word)));
    material.or_else(audience).or_else(named).expect("all, material=, audience= or name=")
}

fn draft(command: &Command) -> Draft {
    let mut plain = command.words[1..].iter().filter(|word| !word.starts_with('#') && *word != "coordinator-only");
    Draft {
        material: words::to_material(plain.next().expect("a material")),
        tlp: words::to_tlp(plain.next().expect("a TLP label")),
        text: command.text.as_deref().unwrap_or("text").into(),
        recipients: command.list("to").iter().map(|word| name(word)).collect(),
        red_actors: command.list("red").iter().map(|word| actor(word)).collect(),
        coordinator_only: command.has("coordinator-only"),
        in_reply_to: command.field("reply").map(message),
        occurred_at: command.field("occurred").map(|_| Timestamp(1)),
    }
}

fn intake(command: &Command) -> IntakeReport {
    let text = |key| command.field(key).unwrap_or_default().to_owned();
    IntakeReport {
        what_occurred: text("what"),
        how_discovered: text("how"),
        discovered_at: command.field("discovered").map(|time| {
            Timestamp(time.parse::<jiff::Timestamp>().expect("a time like 2025-09-01T06:00:00Z").as_microsecond())
        }),
        countermeasures: text("countermeasures"),
        ongoing: command.field("ongoing").map(words::to_assessment),
        data_leak: command.field("leak").map(words::to_assessment),
        help_wanted: text("help"),
        contacts_made: text("contacts"),
        police: command.field("police").map(words::to_police),
    }
}

/// Every answer in the fact sheet's order; what is unanswered is shown so.
fn report_words(report: &IntakeReport) -> String {
    let text = |text: &str| if text.is_empty() { "not answered".to_owned() } else { format!("\"{text}\"") };
    let open = |answer: Option<&'static str>| answer.unwrap_or("not answered").to_owned();
    let discovered =
        report.discovered_at.map(|at| jiff::Timestamp::from_microsecond(at.0).expect("in range").to_string());
    [
        ("what occurred", text(&report.what_occurred)),
        ("how discovered", text(&report.how_discovered)),
        ("when discovered", discovered.unwrap_or_else(|| "not answered".to_owned())),
        ("countermeasures", text(&report.countermeasures)),
        ("still ongoing", open(report.ongoing.map(words::assessment))),
        ("can data be leaked", open(report.data_leak.map(words::assessment))),
        ("help wanted", text(&report.help_wanted)),
        ("contacts made", text(&report.contacts_made)),
        ("police", open(report.police.filter(|answer| *answer != PoliceAnswer::NotAnswered).map(words::police))),
    ]
    .map(|(question, answer)| format!("  {question}: {answer}"))
    .join("\n")
}

/// As `consent.proto` names it, without `AUDIENCE_REASON_`.
fn audience_reason(reason: AudienceReason) -> &'static str {
    match reason {
        AudienceReason::Coordinator => "COORDINATOR",
        AudienceReason::Author => "AUTHOR",
        AudienceReason::FromCoordinator => "COORDINATOR_MESSAGE",
        AudienceReason::Consent => "CLASS_DIRECT",
        AudienceReason::NamedConsent => "NAMED_DIRECT",
        AudienceReason::NotARecipient => "NOT_A_RECIPIENT",
        AudienceReason::CoordinatorOnly => "COORDINATOR_ONLY",
        AudienceReason::NotNamedInRed => "NOT_A_RED_ACTOR",
        AudienceReason::NotAnswered => "CLASS_NOT_ANSWERED",
        AudienceReason::ConsentNo => "CLASS_NO",
        AudienceReason::RelayOnly => "CLASS_RELAY",
        AudienceReason::NamedRelay => "NAMED_RELAY",
        AudienceReason::NamedNo => "NAMED_NO",
        AudienceReason::NamedPerhaps => "NAMED_PERHAPS",
        AudienceReason::Newcomer => "CLASS_NEWCOMER",
        AudienceReason::AuthorityNotNamed => "AUTHORITY",
        AudienceReason::SenderHidden => "CALLER_HIDDEN",
    }
}

#[test]
fn transcripts_hold_for_the_pure_core() {
    let update = env::var_os("UPDATE_EXPECT").is_some();
    let transcripts = words::transcripts();
    let wrong: Vec<String> =
        transcripts.iter().filter_map(|path: &std::path::PathBuf| run(path, update).err()).collect();
    let portable = transcripts.iter().filter(|path| !words::needs_clock(path)).count();
    println!("{} transcripts, {portable} of which need no clock that can be moved", transcripts.len());
    assert!(wrong.is_empty(), "{} of {}:\n\n{}", wrong.len(), transcripts.len(), wrong.join("\n\n"));
    assert!(transcripts.len() >= 20);
}

fn run(path: &Path, update: bool) -> Result<(), String> {
    words::check(path, &mut PureWorld::default(), update)
}
