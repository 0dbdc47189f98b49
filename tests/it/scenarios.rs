//! Runs `tests/scenarios/*.txt` against the pure core. The same files run against a real server over mutual TLS.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use samverkan::room::consent::ConsentChange;
use samverkan::room::directory::{Connection, Directory, DirectoryCommand, DirectoryEntry};
use samverkan::room::disclose::{
    Disclosed, Previewed, Reader, consent, erasures, explain, invitations, preview, preview_relay, receipts, report,
    reports, room, roster, see_as,
};
use samverkan::room::event::{self, AccessChange, OpenRoom, OpeningReport, Request};
use samverkan::room::ids::{
    Actor, InvitationId, MessageId, OrganisationId, ParticipantId, RequestId, RoomId, Timestamp,
};
use samverkan::room::refusal::Refusal;
use samverkan::room::state::Status;
use sha2::{Digest as _, Sha256};

use crate::histories::{export, id_of, invitation, message, organisation, participant};
use crate::pure::{Found, PureRoom};
use crate::transcript::{self as words, Command, ConsentWords, MINUTE, World, duration, lines, mailbox, reason};

mod telling;
mod wishes;

use telling::{audience_reason, report_words};
use wishes::{
    actor, ask_id, asked_for, change, coordinator, disclosure_id, draft, erasure_id, intake, introduction_id, messages,
    moment, name, names, recall, recall_id, relay_draft, release_id, scope, subject,
};

const COORDINATOR: &str = "cert-se";
/// What the first room of a transcript is called.
const MAIN: &str = "main";

/// A room of the pure core.
struct Place {
    room: PureRoom,
    last_invitation: BTreeMap<OrganisationId, InvitationId>,
    last_read: BTreeMap<Actor, u64>,
}

impl Place {
    fn new(now: Timestamp) -> Self {
        Self { room: PureRoom::new(now), last_invitation: BTreeMap::new(), last_read: BTreeMap::new() }
    }
}

/// Rooms of the pure core, and the directory.
struct PureWorld {
    directory: Directory,
    /// The room that is talked of, and what it is called.
    here: Place,
    called: String,
    elsewhere: BTreeMap<String, Place>,
    labels: BTreeMap<MessageId, String>,
    texts: BTreeMap<String, String>,
    names: BTreeMap<ParticipantId, OrganisationId>,
    /// What the ids of releases, questions and the like are called.
    ids: BTreeMap<[u8; 16], String>,
}

impl Default for PureWorld {
    fn default() -> Self {
        Self {
            directory: Directory::new(organisation(COORDINATOR)),
            here: Place::new(Timestamp(MINUTE)),
            called: MAIN.to_owned(),
            elsewhere: BTreeMap::new(),
            labels: BTreeMap::new(),
            texts: BTreeMap::new(),
            names: BTreeMap::new(),
            ids: BTreeMap::new(),
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
                all.collect::<Vec<_>>()
                    .into_iter()
                    .try_for_each(|register| self.direct(&coordinator(command), register))?;
                return Ok("registered".to_owned());
            }
            "suspend" => {
                let organisation = organisation(command.by());
                self.direct(
                    &coordinator(command),
                    DirectoryCommand::Suspend { organisation: organisation.clone(), reason: "r".into() },
                )?;
                self.here.room.perform(&coordinator(command), event::Command::RemoveSuspended { organisation })?;
                return Ok("suspended".to_owned());
            }
            "revoke-access" | "reinstate-access" => {
                let (by, of) = (coordinator(command), actor(command.by()));
                let change = match command.verb.as_str() {
                    "revoke-access" => AccessChange::ActorRevoked,
                    _ => AccessChange::ActorReinstated,
                };
                let seq = self.directory.next();
                let (own, reason, rooms) = ([0; 32], "r".into(), Vec::new());
                self.direct(
                    &by,
                    DirectoryCommand::ChangeAccess { actor: Some(of.clone()), change, own, reason, rooms },
                )?;
                self.here.room.perform(&by, event::Command::RecordAccessChange { actor: of, change, by: seq })?;
                return Ok("done".to_owned());
            }
            "clock" => {
                let by = duration(command.by());
                let others = self.elsewhere.values_mut();
                others.chain([&mut self.here]).for_each(|place| place.room.advance_clock(by));
                return Ok("time passes".to_owned());
            }
            "catch-up" => {
                for by in &command.words {
                    let by = actor(by);
                    self.here.room.deliver(&by, usize::MAX)?;
                    self.here.last_read.insert(by.clone(), self.here.room.last_index(&by));
                }
                return Ok("caught up".to_owned());
            }
            "in" => {
                self.go(command.by());
                return Ok(format!("in {}", command.by()));
            }
            _ => {}
        }
        let caller = if command.is_by_coordinator() { coordinator(command) } else { actor(command.by()) };
        if !self.directory.admits(&caller.organisation) {
            return Ok(NOT_ADMITTED.to_owned());
        }
        match command.verb.as_str() {
            "show-report" => {
                if let Some(of) = command.field("of").map(name).filter(|_| caller.organisation.as_str() == COORDINATOR)
                {
                    self.here.room.perform(&caller, event::Command::ReadReport { of })?;
                }
                self.show_report(&caller, command)
            }
            "invitations" => Ok(lines(invitations(&self.here.room.state, &caller.organisation).iter().map(|stub| {
                let stub = stub.get();
                let role = words::role(stub.role);
                format!("\"{}\", terms \"{}\", from {}, as {role}", stub.title, stub.terms, stub.coordinator)
            }))),
            "consent" => {
                let of = command.field("of").map(name);
                let shown = consent(&self.here.room.state, &caller, of.as_ref(), self.here.room.now)?.into_inner();
                let shown_as = shown.participant.attribution;
                Ok(ConsentWords { attribution: shown_as, ..self.consent_words(&shown.consent) }.to_string())
            }
            "read" => {
                let read = self.here.last_read.get(&caller).copied().filter(|_| command.has("new")).unwrap_or(0);
                let after = command.field("after").map_or(read, |n| n.parse().expect("a number"));
                let page: usize = command.field("page").map_or(100, |n| n.parse().expect("a number"));
                // A mailbox that was delivered up to here has its page; only what is missing is delivered now.
                let held = self.here.room.last_index(&caller).saturating_sub(after) as usize;
                let found = self.here.room.read(&caller, after, page.saturating_sub(held))?;
                let page: Vec<_> = found.into_iter().take(page).collect();
                if let Some((last, _)) = page.last() {
                    self.here.last_read.insert(caller, *last);
                }
                Ok(mailbox(page.into_iter().map(|(i, found)| {
                    let at = if let Found::Shown(shown) = &found { Some(shown.recorded_at.0) } else { None };
                    (i, at, self.told(found))
                })))
            }
            "participants" => {
                let reader = Reader::new(&self.here.room.state, &caller)?;
                let list = roster(&self.here.room.state, reader);
                let mut list: Vec<_> = list.iter().map(|who| self.who(who.get()).to_string()).collect();
                list.sort();
                Ok(lines(list))
            }
            "room" => {
                let shown = room(&self.here.room.state, Reader::new(&self.here.room.state, &caller)?).into_inner();
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
                let reader = Reader::new(&self.here.room.state, &caller)?;
                let now = self.here.room.now;
                let list = preview(&self.here.room.state, reader, &draft(command, now), now)?;
                Ok(self.previewed(&list))
            }
            "preview-relay" => {
                let reader = Reader::new(&self.here.room.state, &caller)?;
                let now = self.here.room.now;
                let list = preview_relay(&self.here.room.state, reader, &relay_draft(command, now), now)?;
                Ok(self.previewed(&list))
            }
            "receipts" => {
                let PureRoom { state, mailboxes, now, .. } = &self.here.room;
                let shown = receipts(state, mailboxes, Reader::new(state, &caller)?, message(&command.words[1]), *now)?;
                Ok(self.receipts(shown.get()))
            }
            "erasures" => {
                let PureRoom { state, now, .. } = &self.here.room;
                Ok(self.erasures(&erasures(state, Reader::new(state, &caller)?, *now)?))
            }
            "explain" => {
                let PureRoom { state, now, .. } = &self.here.room;
                let of = name(command.field("of").expect("of=NAME"));
                let shown =
                    explain(state, Reader::new(state, &caller)?, message(&command.words[1]), &of, *now)?.into_inner();
                let (who, reason) = (self.who(&shown.participant).name, audience_reason(shown.reason));
                Ok(words::decided(&who, shown.receives, "sees it", "does not see it", reason))
            }
            "see-as" => {
                let participant = name(command.by());
                self.here.room.perform(&caller, event::Command::SeeAs { participant: participant.clone() })?;
                let PureRoom { state, now, .. } = &self.here.room;
                let seen = see_as(state, Reader::new(state, &caller)?, &participant, None, 1000, *now)?;
                Ok(self.seen_as(seen.get()))
            }
            "connect" => {
                let rooms = [&command.words[0], &command.words[1]].map(|name| room_id(name));
                let reason = command.field("reason").expect("reason=").into();
                self.direct(&caller, DirectoryCommand::RecordConnection { rooms, reason })?;
                Ok("done".to_owned())
            }
            "connections" => self.connections(&caller, command),
            _ => self.write(&caller, command),
        }
    }

    /// Talks of another room from now on.
    fn go(&mut self, called: &str) {
        let place = self.elsewhere.remove(called).unwrap_or_else(|| Place::new(self.here.room.now));
        let left = std::mem::replace(&mut self.here, place);
        self.elsewhere.insert(std::mem::replace(&mut self.called, called.to_owned()), left);
    }

    fn previewed(&self, list: &[Disclosed<Previewed>]) -> String {
        let line = |previewed: &Disclosed<Previewed>| {
            let Previewed { participant, receives, reason, source: _ } = previewed.get();
            let who = self.who(participant).name;
            words::decided(&who, *receives, "receives", "does not receive", audience_reason(*reason))
        };
        let mut list: Vec<_> = list.iter().map(line).collect();
        list.sort();
        lines(list)
    }

    fn direct(&mut self, author: &Actor, wish: DirectoryCommand) -> Result<(), Refusal> {
        let event = self.directory.decide(author, wish)?;
        let seq = self.directory.next();
        let request = Request { id: RequestId::from_bytes(u128::from(seq.0).to_be_bytes()), digest: [0; 32] };
        self.directory.fold(&DirectoryEntry {
            seq,
            recorded_at: self.here.room.now,
            author: author.clone(),
            request,
            event,
        });
        Ok(())
    }

    fn write(&mut self, caller: &Actor, command: &Command) -> Result<String, Refusal> {
        let mut done = "done".to_owned();
        let own = participant(&caller.organisation);
        if let Some(label) = command.field("as") {
            self.ids.insert(id_of(label), label.to_owned());
        }
        self.names.insert(own, caller.organisation.clone());
        let open = |report| OpenRoom {
            coordinator: organisation(COORDINATOR),
            coordinator_participant: participant(&organisation(COORDINATOR)),
            title: command.field("title").unwrap_or("Reported incident").into(),
            terms: command.field("terms").unwrap_or("The coordinator sees what is posted here.").into(),
            report,
        };
        let now = self.here.room.now;
        let change = || Arc::new(change(command, now));
        let invitation_of =
            |organisation| self.here.last_invitation.get(organisation).copied().unwrap_or(invitation("none"));
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
                let invitation = invitation(&format!("{whom} {}", self.here.room.entries.len()));
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
            "withdraw" => event::Command::WithdrawConsent { scope: scope(command), recall: recall(command, now) },
            "post" => {
                let label = &command.words[1];
                done = format!("posted {label}");
                event::Command::Post { message: message(label), draft: Arc::new(draft(command, now)) }
            }
            "fetch" => {
                let label = &command.words[1];
                done = format!("fetched {}", self.texts.get(label).map_or("", String::as_str));
                event::Command::Fetch { message: message(label) }
            }
            "relay" => {
                let label = &command.words[0];
                done = format!("relayed {label}");
                event::Command::PublishRelay { message: message(label), draft: Arc::new(relay_draft(command, now)) }
            }
            "export" => event::Command::RecordExport { export: export(&self.here.room.entries.len().to_string()) },
            "close" => event::Command::Close,
            "reopen" => event::Command::Reopen,
            _ => self.full(command),
        };
        let remember = wish.clone();
        self.here.room.perform(caller, wish)?;
        match remember {
            event::Command::OpenRoom(_) => {
                let (room, participant) = (room_id(&self.called), own);
                self.direct(caller, DirectoryCommand::CreateRoom { room, participant })?;
            }
            event::Command::Invite { invitation, organisation, participant, .. } => {
                self.names.insert(participant, organisation.clone());
                self.here.last_invitation.insert(organisation, invitation);
            }
            event::Command::Post { message, draft } => {
                self.labels.insert(message, command.words[1].clone());
                for (attachment, (label, _, bytes)) in draft.attachments.iter().zip(words::attached(command)) {
                    self.labels.insert(attachment.id, label.to_owned());
                    self.texts.insert(label.to_owned(), bytes.to_owned());
                }
            }
            event::Command::PublishRelay { message, draft } => {
                self.labels.insert(message, command.words[0].clone());
                self.texts.insert(command.words[0].clone(), draft.text.to_string());
            }
            _ => {}
        }
        Ok(done)
    }

    /// A command about consent in full.
    fn full(&mut self, command: &Command) -> event::Command {
        let now = self.here.room.now;
        let text = || command.text.as_deref().unwrap_or_default().into();
        let field = |key| command.field(key).unwrap_or_default().into();
        let word =
            |at: usize| command.words.get(at).unwrap_or_else(|| panic!("{} needs more words", command.verb)).as_str();
        match command.verb.as_str() {
            "terms" => event::Command::ChangeTerms { terms: text() },
            "retract" => event::Command::Retract { message: message(word(1)), reason: field("reason") },
            "acknowledge" => event::Command::Acknowledge { message: message(word(1)) },
            "release" => event::Command::Release {
                release: release_id(command.field("as").unwrap_or("a release")),
                messages: messages(command),
                to: names(command),
            },
            "revoke" => event::Command::RevokeRelease { release: release_id(word(1)) },
            "recalled" => event::Command::AnswerRecall {
                recall: recall_id(word(1)),
                answer: words::to_recall_answer(word(2)),
                comment: text(),
            },
            "suggest" => event::Command::SuggestAsk {
                source: command.field("source").map(name),
                material: words::to_material(word(1)),
                reason: field("reason"),
            },
            "ask" => event::Command::Ask {
                ask: ask_id(command.field("as").unwrap_or("a question")),
                source: name(word(0)),
                subject: subject(command),
                to: asked_for(command),
                reason: field("reason"),
                answer_by: moment(command, "within", now).expect("within=+2h"),
            },
            "answer-ask" => {
                let release = format!("release of {}", word(1));
                self.ids.insert(id_of(&release), release.clone());
                event::Command::AnswerAsk {
                    ask: ask_id(word(1)),
                    answer: words::to_ask_answer(word(2)),
                    comment: text(),
                    release: release_id(&release),
                }
            }
            "approve" => {
                let published = || self.texts.get(word(1)).cloned().unwrap_or_default();
                let text = command.text.clone().unwrap_or_else(published);
                event::Command::ApproveRelay {
                    message: message(word(1)),
                    text_digest: Sha256::digest(text.as_bytes()).into(),
                    to: names(command),
                }
            }
            "reject" => event::Command::RejectRelay { message: message(word(1)), reason: field("reason") },
            "police-report" => event::Command::RecordPoliceReport { reference: field("reference") },
            "forward" => event::Command::Forward {
                messages: messages(command),
                to: name(command.field("to").expect("to=NAME")),
                reason: field("reason"),
            },
            "disclose" => event::Command::ProposeLegalDisclosure {
                disclosure: disclosure_id(command.field("as").unwrap_or("a disclosure")),
                statute: field("statute"),
                messages: messages(command),
                to: name(command.field("to").expect("to=NAME")),
                suppress_until: moment(command, "suppress", now),
            },
            "confirm" => event::Command::ConfirmLegalDisclosure { disclosure: disclosure_id(word(0)) },
            "erase" => event::Command::ProposeErasure {
                erasure: erasure_id(command.field("as").unwrap_or("an erasure")),
                what: match word(0) {
                    "room" => event::ErasureScope::Room,
                    label if label.starts_with('#') => event::ErasureScope::Message(message(label)),
                    of => event::ErasureScope::Participant(name(of)),
                },
                basis: field("basis"),
            },
            "confirm-erasure" => event::Command::ConfirmErasure { erasure: erasure_id(word(0)) },
            "hold" => event::Command::PlaceLegalHold { reason: field("reason") },
            "lift" => event::Command::LiftLegalHold { reason: field("reason") },
            "keep" => event::Command::SetRetention { years: word(0).parse().ok() },
            "introduce" => {
                let mut side = |at: usize, words| {
                    let label = format!("{}/{}", command.field("as").unwrap_or("an introduction"), word(at));
                    self.ids.insert(id_of(&label), label.clone());
                    (introduction_id(&label), name(word(at)), field(words))
                };
                event::Command::ProposeIntroduction { sides: [side(0, "first"), side(1, "second")] }
            }
            "answer-introduction" => event::Command::AnswerIntroduction {
                introduction: introduction_id(&words::own_side(command)),
                accepted: words::is_yes(word(2)),
                contact: field("contact"),
            },
            other => panic!("a transcript knows no `{other}`"),
        }
    }

    /// The rooms that may have to do with one, as the coordinator recorded it.
    fn connections(&self, caller: &Actor, command: &Command) -> Result<String, Refusal> {
        let of = room_id(command.by());
        let called: Vec<&str> = self.elsewhere.keys().map(String::as_str).chain([self.called.as_str()]).collect();
        let name = |id: RoomId| called.iter().copied().find(|name| room_id(name) == id).unwrap_or("?");
        let found = self.directory.connections(caller, of)?;
        let other = |found: &Connection| found.rooms[usize::from(found.rooms[0] == of)];
        Ok(lines(found.into_iter().map(|found| words::connected(name(other(found)), &found.reason))))
    }

    fn show_report(&self, caller: &Actor, command: &Command) -> Result<String, Refusal> {
        let reader = Reader::new(&self.here.room.state, caller)?;
        let of = command.field("of").map(name);
        let (_, versions) = reports(&self.here.room.state, reader, of.as_ref())?;
        if versions.is_empty() {
            return Err(Refusal::ReportNotFound);
        }
        let versions = (1..).zip(versions).collect::<Vec<_>>().into_iter().rev().filter_map(|(version, seq)| {
            let shown = report(&self.here.room.state, reader, &self.here.room.entries[seq.0 as usize])?;
            Some(format!("version {version}\n{}", report_words(shown.get())))
        });
        Ok(lines(versions))
    }
}

fn room_id(called: &str) -> RoomId {
    RoomId::from_bytes(id_of(&format!("room/{called}")))
}

#[test]
fn transcripts_hold_for_the_pure_core() {
    let update = env::var_os("UPDATE_EXPECT").is_some();
    let transcripts = words::transcripts();
    let wrong: Vec<String> = transcripts.iter().filter_map(|path: &PathBuf| run(path, update).err()).collect();
    println!("{} transcripts", transcripts.len());
    assert!(wrong.is_empty(), "{} of {}:\n\n{}", wrong.len(), transcripts.len(), wrong.join("\n\n"));
    assert!(transcripts.len() >= 50);
}

/// The names of the transcripts that don't hold; one that panics does not.
#[cfg(feature = "danger")]
pub(crate) fn that_fail() -> Vec<String> {
    let fails = |path: &PathBuf| !std::panic::catch_unwind(|| run(path, false)).is_ok_and(|outcome| outcome.is_ok());
    let name = |path: &PathBuf| path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    words::transcripts().iter().filter(|path| fails(path)).map(name).collect()
}

fn run(path: &Path, update: bool) -> Result<(), String> {
    words::check(path, &mut PureWorld::default(), update)
}
