//! Random histories of one room: who could wish what next. Reproducible: the same seed gives the same history.
//!
//! Ids are digests of names, so that two histories that differ in something hidden agree in every id that both have.

use std::sync::Arc;

use samverkan::room::consent::{ConsentChange, ExpiryChange, Name, Scope};
use samverkan::room::event::{
    AccessChange, AskedFor, AttachmentDraft, Command, Content, Draft, ErasureScope, Event, IntakeReport, OpenRoom,
    Recall, RelayDraft, Subject,
};
use samverkan::room::ids::{
    Actor, ActorKind, AskId, ContentId, DisclosureId, ErasureId, ExportId, IntroductionId, InvitationId, MessageId,
    OrganisationId, ParticipantId, RecallId, ReleaseId, Seq, Timestamp, UploadId,
};
use samverkan::room::state::Status;
use samverkan::room::words::{
    Answer, AskAnswer, Attribution, Audience, Material, PoliceAnswer, RecallAnswer, Role, Sharing, Tlp,
};
use sha2::{Digest, Sha256};

use crate::pure::PureRoom;

/// One minute, in the unit of [`Timestamp`].
pub(crate) const MINUTE: i64 = 60_000_000;

/// SplitMix64: enough for tests, and its sequence never changes under us.
#[derive(Clone, Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these, if there is one.
    pub(crate) fn pick_any<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { Some(self.pick(of)) }
    }

    /// One of these; a word that stands there twice comes twice as often.
    pub(crate) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// Sixteen bytes that belong to this name.
pub(crate) fn id_of(name: &str) -> [u8; 16] {
    Sha256::digest(name.as_bytes())[..16].try_into().expect("a digest has 32 bytes")
}

/// An organisation.
pub(crate) fn organisation(name: &str) -> OrganisationId {
    name.parse().expect("names of organisations in tests are well-formed")
}

/// Its participant id in every room of these tests.
pub(crate) fn participant(organisation: &OrganisationId) -> ParticipantId {
    ParticipantId::from_bytes(id_of(&format!("participant/{organisation}")))
}

/// A message id.
pub(crate) fn message(label: &str) -> MessageId {
    MessageId::from_bytes(id_of(&format!("message/{label}")))
}

/// An invitation id.
pub(crate) fn invitation(label: &str) -> InvitationId {
    InvitationId::from_bytes(id_of(&format!("invitation/{label}")))
}

/// A release id.
pub(crate) fn release(label: &str) -> ReleaseId {
    ReleaseId::from_bytes(id_of(&format!("release/{label}")))
}

/// A recall id.
pub(crate) fn recall(label: &str) -> RecallId {
    RecallId::from_bytes(id_of(&format!("recall/{label}")))
}

/// The id of a question.
pub(crate) fn ask(label: &str) -> AskId {
    AskId::from_bytes(id_of(&format!("ask/{label}")))
}

/// The id of a legal disclosure.
pub(crate) fn disclosure(label: &str) -> DisclosureId {
    DisclosureId::from_bytes(id_of(&format!("disclosure/{label}")))
}

/// The id of an export.
pub(crate) fn export(label: &str) -> ExportId {
    ExportId::from_bytes(id_of(&format!("export/{label}")))
}

/// The id of one side of an introduction.
pub(crate) fn introduction(label: &str) -> IntroductionId {
    IntroductionId::from_bytes(id_of(&format!("introduction/{label}")))
}

/// SHA-256 of a text.
pub(crate) fn digest_of(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// A plain message, to everybody permitted.
pub(crate) fn plain_draft(material: Material, text: &str) -> Draft {
    Draft {
        material,
        tlp: Tlp::AmberStrict,
        text: text.into(),
        recipients: Vec::new(),
        red_actors: Vec::new(),
        coordinator_only: false,
        in_reply_to: None,
        occurred_at: None,
        supersedes: None,
        acknowledge_by: None,
        attachments: Vec::new(),
    }
}

/// What there is in files: few enough that somebody else has the same now and then.
pub(crate) const FILES: [&str; 3] = ["file 0", "file 1", "file 2"];

/// A file that was uploaded, and what it holds.
pub(crate) fn attachment(material: Material, label: &str, bytes: &str) -> AttachmentDraft {
    let content = Content {
        id: ContentId::from_bytes(id_of(&format!("content/{label}"))),
        size: bytes.len() as u64,
        sha256: Sha256::digest(bytes).into(),
    };
    AttachmentDraft {
        id: message(label),
        upload: UploadId::from_bytes(id_of(&format!("upload/{label}"))),
        name: format!("{label}.log").into(),
        media_type: "text/plain".into(),
        material,
        content: Some(content),
    }
}

/// The coordinator revokes somebody of this organisation who was never seen: each time another one.
pub(crate) fn access_change(label: &str, of: &OrganisationId) -> Command {
    let digest: [u8; 32] = Sha256::digest(label).into();
    let by =
        u64::from_be_bytes([digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7]]);
    let actor = user(of, &format!("gone-{by:x}"));
    Command::RecordAccessChange { actor, change: AccessChange::ActorRevoked, by: Seq(by) }
}

/// A person of an organisation.
pub(crate) fn user(of: &OrganisationId, name: &str) -> Actor {
    Actor::new(of.clone(), ActorKind::User, name).expect("names of persons in tests are well-formed")
}

/// A program of an organisation.
pub(crate) fn service(of: &OrganisationId) -> Actor {
    Actor::new(of.clone(), ActorKind::Service, "siem").expect("well-formed")
}

/// One wish of one caller, after some time.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// How much later than the step before.
    pub(crate) after: i64,
    /// Who.
    pub(crate) caller: Actor,
    /// What.
    pub(crate) command: Command,
}

/// Who takes part, and how the next wish is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Cast {
    /// The coordinator.
    pub(crate) coordinator: OrganisationId,
    /// The others.
    pub(crate) others: Vec<OrganisationId>,
    /// Organisations that are named by others and never come.
    pub(crate) strangers: Vec<OrganisationId>,
    /// Whether they post files.
    pub(crate) attaches: bool,
    /// Whether they fetch them.
    pub(crate) fetches: bool,
    /// Whether words are erased, too.
    pub(crate) erases: bool,
}

impl Default for Cast {
    fn default() -> Self {
        Self {
            coordinator: organisation("cert-se"),
            others: ["region-a", "region-b", "muni-c", "hospital-d", "vendor-v", "police-p"].map(organisation).to_vec(),
            strangers: vec![organisation("nobody-n")],
            attaches: true,
            fetches: true,
            erases: false,
        }
    }
}

impl Cast {
    /// All persons and programs that read.
    pub(crate) fn readers(&self) -> Vec<Actor> {
        let mut all = vec![user(&self.coordinator, "anna"), user(&self.coordinator, "olle")];
        all.extend(self.others.iter().map(|o| user(o, "eva")));
        all.extend([user(&self.others[0], "ulf"), service(&self.others[1])]);
        all
    }

    /// The first step of every history.
    pub(crate) fn open(&self, rng: &mut Rng) -> Step {
        let open = OpenRoom {
            coordinator: self.coordinator.clone(),
            coordinator_participant: participant(&self.coordinator),
            title: "Incident".into(),
            terms: "Terms".into(),
            report: None,
        };
        if rng.chance(50) {
            return Step { after: 0, caller: user(&self.coordinator, "anna"), command: Command::OpenRoom(open) };
        }
        let reporter = self.others[0].clone();
        let report = samverkan::room::event::OpeningReport {
            participant: participant(&reporter),
            report: Arc::new(IntakeReport::default()),
            consent: Arc::new(ConsentChange { attribution: Some(self.attribution(rng)), ..ConsentChange::default() }),
        };
        let open = OpenRoom { report: Some(report), ..open };
        Step { after: 0, caller: user(&reporter, "eva"), command: Command::OpenRoom(open) }
    }

    /// The next wish; most are granted. `label` is unique to the step.
    pub(crate) fn step(&self, rng: &mut Rng, room: &PureRoom, label: &str) -> Step {
        // Now and then a day passes.
        let after = match rng.below(150) {
            0 => 25 * 60 * MINUTE,
            1..=60 => 0,
            _ => rng.below(4) as i64 * MINUTE,
        };
        if self.erases
            && rng.chance(8)
            && let Some((caller, command)) = self.wish_of_erasure(rng, room, label)
        {
            return Step { after, caller, command };
        }
        let (caller, command) = self.wish(rng, room, label, room.now.0 + after);
        Step { after, caller, command }
    }

    fn wish_of_erasure(&self, rng: &mut Rng, room: &PureRoom, label: &str) -> Option<(Actor, Command)> {
        let persons = [user(&self.coordinator, "anna"), user(&self.coordinator, "olle")];
        let proposed = room.find(|event| match event {
            Event::ErasureProposed { erasure, .. } => Some(*erasure),
            _ => None,
        });
        if rng.chance(60)
            && let Some(erasure) = rng.pick_any(&proposed)
        {
            return Some((rng.pick(&persons), Command::ConfirmErasure { erasure }));
        }
        let reason = || "r".into();
        let command = match rng.below(10) {
            0 => Command::PlaceLegalHold { reason: reason() },
            1 | 2 => Command::LiftLegalHold { reason: reason() },
            3 => Command::SetRetention { years: Some(5) },
            what => {
                let what = match what {
                    4 | 5 => ErasureScope::Participant(self.any_name(rng)),
                    6 if rng.chance(20) => ErasureScope::Room,
                    _ => ErasureScope::Message(rng.pick_any(&room.messages().collect::<Vec<_>>())?),
                };
                let erasure = ErasureId::from_bytes(id_of(&format!("erasure/{label}")));
                Command::ProposeErasure { erasure, what, basis: reason() }
            }
        };
        Some((rng.pick(&persons), command))
    }

    fn wish(&self, rng: &mut Rng, room: &PureRoom, label: &str, now: i64) -> (Actor, Command) {
        let anna = user(&self.coordinator, "anna");
        let here = |o: &OrganisationId| {
            room.state.slot(o).is_some_and(|slot| room.state.participant(slot).present_since.is_some())
        };
        if room.state.status() == Status::Closed && rng.chance(30) {
            return (anna, Command::Reopen);
        }
        let absent: Vec<_> = self.others.iter().filter(|o| !here(o)).cloned().collect();
        // A full room first: much of what can happen needs several.
        let hurry = if room.entries.len() < 30 { 75 } else { 30 };
        if !absent.is_empty() && rng.chance(hurry) {
            let whom = rng.pick(&absent);
            let open = room.state.invitations().iter().find(|(_, open)| open.organisation == whom);
            return match open {
                Some((&invitation, _)) if rng.chance(10) => {
                    (user(&whom, "eva"), Command::DeclineInvitation { invitation })
                }
                Some((&invitation, _)) => {
                    let consent = Arc::new(self.change(rng, now));
                    (user(&whom, "eva"), Command::AcceptInvitation { invitation, consent })
                }
                None => {
                    let role = self.role(rng, &whom);
                    let participant = participant(&whom);
                    let invitation = invitation(label);
                    (anna, Command::Invite { invitation, organisation: whom, role, participant })
                }
            };
        }
        let mut everybody = self.others.clone();
        everybody.push(self.coordinator.clone());
        let present: Vec<_> = everybody.iter().filter(|o| here(o)).cloned().collect();
        let anybody = present.is_empty() || rng.chance(2);
        let who = rng.pick(if anybody { &everybody } else { &present });
        let by = match rng.below(10) {
            0 => service(&who),
            1 | 2 => user(&who, "ulf"),
            _ => user(&who, "eva"),
        };
        let other = self.others[rng.below(self.others.len())].clone();
        if rng.chance(45)
            && let Some(wish) = self.wish_of_consent(rng, room, label, now, &by)
        {
            return wish;
        }
        if self.fetches
            && rng.chance(14)
            && let Some(wish) = self.wish_of_fetch(rng, room)
        {
            return wish;
        }
        let command = match rng.below(100) {
            0..=1 => Command::Leave,
            2..=3 => return (anna, Command::Remove { participant: self.name(rng, &other), reason: "r".into() }),
            4 if rng.chance(50) && here(&other) => return (anna, access_change(label, &other)),
            4 => return (anna, Command::RemoveSuspended { organisation: other }),
            5..=8 => {
                return (
                    anna,
                    Command::ChangeRole { participant: self.name(rng, &other), role: self.role(rng, &other) },
                );
            }
            9..=10 => return (anna, Command::Close),
            11..=14 => Command::AmendReport {
                report: Arc::new(IntakeReport { what_occurred: label.into(), ..IntakeReport::default() }),
                consent: rng.chance(40).then(|| Arc::new(self.change(rng, now))),
            },
            15..=32 => Command::GiveConsent { change: Arc::new(self.change(rng, now)), expected_version: None },
            33..=40 => Command::WithdrawConsent {
                scope: self.scope(rng, room, &who),
                recall: rng
                    .chance(50)
                    .then(|| Recall { id: recall(label), answer_by: Timestamp(now + rng.below(60) as i64 * MINUTE) }),
            },
            _ => {
                let draft = self.draft(rng, room, label, &by.organisation);
                Command::Post { message: message(label), draft: Arc::new(draft) }
            }
        };
        (by, command)
    }

    fn wish_of_fetch(&self, rng: &mut Rng, room: &PureRoom) -> Option<(Actor, Command)> {
        let files = room.find(|event| match event {
            Event::MessagePosted { message, .. } if message.file.is_some() => Some(message.id),
            _ => None,
        });
        let message = rng.pick_any(&files)?;
        Some((rng.pick(&self.readers()), Command::Fetch { message }))
    }

    /// A wish about what was posted before; nothing, if there is nothing to wish that for.
    fn wish_of_consent(
        &self,
        rng: &mut Rng,
        room: &PureRoom,
        label: &str,
        now: i64,
        by: &Actor,
    ) -> Option<(Actor, Command)> {
        let anna = if rng.chance(70) { user(&self.coordinator, "anna") } else { user(&self.coordinator, "olle") };
        let eva = |o: &OrganisationId| if rng_is_odd(label) { user(o, "ulf") } else { user(o, "eva") };
        let later = Timestamp(now + (1 + rng.below(60) as i64) * MINUTE);
        let other = rng.pick(&self.others);
        Some(match rng.below(100) {
            0..=19 => {
                let (from, id) = pick_of(rng, &room.posted(), 95)?;
                let own: Vec<_> = room.posted().into_iter().filter(|(o, _)| *o == from).map(|(_, id)| id).collect();
                let mut messages = vec![id];
                while rng.chance(40) {
                    messages.push(rng.pick(&own));
                }
                if rng.chance(90) {
                    messages = with_carriers(room, messages);
                }
                messages.sort();
                messages.dedup();
                let by = if rng.chance(90) { eva(&from) } else { by.clone() };
                (by, Command::Release { release: release(label), messages, to: self.some_names(rng) })
            }
            20..=23 => {
                let (of, id) = pick_of(
                    rng,
                    &room.find(|event| match event {
                        Event::MessagesReleased { organisation, release, .. } => Some((organisation.clone(), *release)),
                        _ => None,
                    }),
                    95,
                )?;
                (if rng.chance(85) { eva(&of) } else { by.clone() }, Command::RevokeRelease { release: id })
            }
            24..=42 => {
                let messages: Vec<_> = room.messages().collect();
                let mut parents = vec![rng.pick_any(&messages)?];
                while rng.chance(30) {
                    parents.push(rng.pick(&messages));
                }
                parents.sort();
                parents.dedup();
                let relays = room.find(|event| match event {
                    Event::RelayPublished { message, .. } => Some(message.id),
                    _ => None,
                });
                let tlps = [Tlp::AmberStrict, Tlp::AmberStrict, Tlp::AmberStrict, Tlp::Amber, Tlp::Green];
                let draft = RelayDraft {
                    parents,
                    material: rng.pick(&Material::ALL),
                    tlp: rng.pick(&tlps),
                    text: format!("relay of {label}").into(),
                    recipients: if rng.chance(60) { self.some_names(rng) } else { Vec::new() },
                    supersedes: if rng.chance(12) { rng.pick_any(&relays) } else { None },
                    acknowledge_by: rng.chance(25).then_some(later),
                };
                let by = if rng.chance(96) { anna } else { by.clone() };
                (by, Command::PublishRelay { message: message(label), draft: Arc::new(draft) })
            }
            43..=54 => {
                let waiting = room.find(|event| match event {
                    Event::RelayPublished { message, parents, unapproved, .. } if !unapproved.is_empty() => {
                        let (source, _) = room.posted().into_iter().find(|(_, id)| *id == parents[0])?;
                        Some((source, message.clone(), unapproved.clone()))
                    }
                    _ => None,
                });
                let (source, message, unapproved) = rng.pick_any(&waiting)?;
                let by = if rng.chance(90) { eva(&source) } else { by.clone() };
                if rng.chance(12) {
                    return Some((by, Command::RejectRelay { message: message.id, reason: "no".into() }));
                }
                let text = if rng.chance(92) { message.text.to_string() } else { "another".to_owned() };
                let to = match rng.below(10) {
                    0..=4 => Vec::new(),
                    5..=8 => vec![self.name(rng, &rng.clone().pick(&unapproved))],
                    _ => self.some_names(rng),
                };
                (by, Command::ApproveRelay { message: message.id, text_digest: digest_of(&text), to })
            }
            55..=60 => {
                let source = pick_of(rng, &room.posted(), 95)?.0;
                let own: Vec<_> = room.posted().into_iter().filter(|(o, _)| *o == source).map(|(_, id)| id).collect();
                let subject = if rng.chance(60) {
                    let messages = vec![rng.pick(&own)];
                    Subject::Messages(if rng.chance(90) { with_carriers(room, messages) } else { messages })
                } else {
                    Subject::Material(rng.pick(&Material::ALL))
                };
                let to = if rng.chance(60) {
                    AskedFor::Organisations(self.some_names(rng))
                } else {
                    AskedFor::Audience(rng.pick(&Audience::ALL))
                };
                let (ask, source) = (ask(label), self.name(rng, &source));
                let command = Command::Ask { ask, source, subject, to, reason: "r".into(), answer_by: later };
                (if rng.chance(96) { anna } else { by.clone() }, command)
            }
            61..=68 => {
                let over = room.find(|event| match event {
                    Event::AskAnswered { ask, .. } | Event::AskLapsed { ask } => Some(*ask),
                    _ => None,
                });
                let all = rng.chance(15);
                let open = room.find(|event| match event {
                    Event::ConsentAsked { ask, source, .. } if all || !over.contains(ask) => {
                        Some((source.clone(), *ask))
                    }
                    _ => None,
                });
                let (source, ask) = rng.pick_any(&open)?;
                let answers = [AskAnswer::Yes, AskAnswer::Yes, AskAnswer::Yes, AskAnswer::RelayOnly, AskAnswer::No];
                let answer = rng.pick(&answers);
                let command = Command::AnswerAsk { ask, answer, comment: "c".into(), release: release(label) };
                (if rng.chance(92) { eva(&source) } else { by.clone() }, command)
            }
            69..=70 => {
                let source = rng.chance(70).then(|| self.any_name(rng));
                let material = rng.pick(&Material::ALL);
                (by.clone(), Command::SuggestAsk { source, material, reason: "r".into() })
            }
            71..=74 => {
                let (source, id) = pick_of(rng, &room.posted_and_relayed(), 95)?;
                let by = if rng.chance(90) { eva(&source) } else { by.clone() };
                let by = if source == self.coordinator && rng.chance(80) { anna } else { by };
                (by, Command::Retract { message: id, reason: "r".into() })
            }
            75..=79 => {
                let asking = room.find(|event| match event {
                    Event::MessagePosted { message, .. } | Event::RelayPublished { message, .. } => {
                        message.acknowledge_by.map(|_| message.id)
                    }
                    _ => None,
                });
                let asking = if rng.chance(90) { asking } else { room.messages().collect() };
                (eva(&other), Command::Acknowledge { message: rng.pick_any(&asking)? })
            }
            80..=85 => {
                let recalls = room.find(|event| match event {
                    Event::ConsentWithdrawn { recall, .. } => recall.map(|recall| recall.id),
                    _ => None,
                });
                use RecallAnswer::{CannotDelete, Deleted, RetainedByLaw, SharedOnward};
                let answer = rng.pick(&[Deleted, RetainedByLaw, SharedOnward, CannotDelete]);
                let comment = if rng.chance(90) { "c".into() } else { "".into() };
                let recall = rng.pick_any(&recalls)?;
                let asked: Vec<_> =
                    self.others.iter().filter(|o| room.mailboxes.was_asked(o, recall)).cloned().collect();
                let who = if rng.chance(70) { rng.pick_any(&asked).unwrap_or(other) } else { other };
                (eva(&who), Command::AnswerRecall { recall, answer, comment })
            }
            86 => (eva(&other), Command::RecordPoliceReport { reference: "r".into() }),
            87..=90 => {
                let may = |o: &OrganisationId| {
                    let slot = room.state.slot(o);
                    slot.is_some_and(|slot| {
                        room.state.participant(slot).consent.police == PoliceAnswer::CoordinatorMayForward
                    })
                };
                let mut messages = room.posted();
                if rng.chance(80) {
                    messages.retain(|(source, _)| may(source));
                }
                let mut messages = vec![pick_of(rng, &messages, 80)?.1];
                if rng.chance(90) {
                    messages = with_carriers(room, messages);
                }
                let to = organisation(if rng.chance(85) { "police-p" } else { other.as_str() });
                let to = self.name(rng, &to);
                (anna, Command::Forward { messages, to, reason: "r".into() })
            }
            91..=93 => {
                let proposed = room.find(|event| match event {
                    Event::LegalDisclosureProposed { disclosure, .. } => Some(*disclosure),
                    _ => None,
                });
                if rng.chance(50)
                    && let Some(disclosure) = rng.pick_any(&proposed)
                {
                    return Some((anna, Command::ConfirmLegalDisclosure { disclosure }));
                }
                let mut messages = vec![rng.pick_any(&room.messages().collect::<Vec<_>>())?];
                messages.extend(rng.chance(30).then(|| rng.pick(&room.messages().collect::<Vec<_>>())));
                if rng.chance(90) {
                    messages = with_carriers(room, messages);
                }
                messages.sort();
                messages.dedup();
                let (disclosure, to) = (disclosure(label), self.name(rng, &other));
                let suppress_until = rng.chance(50).then_some(later);
                let statute = "statute".into();
                (anna, Command::ProposeLegalDisclosure { disclosure, statute, messages, to, suppress_until })
            }
            94..=96 => {
                let sides = room.find(|event| match event {
                    Event::IntroductionProposed { sides } => Some(sides.clone()),
                    _ => None,
                });
                if rng.chance(70)
                    && let Some(sides) = rng.pick_any(&sides)
                {
                    let side = rng.pick(&sides);
                    let (introduction, accepted, contact) = (side.id, rng.chance(85), "call me".into());
                    return Some((
                        eva(&side.organisation),
                        Command::AnswerIntroduction { introduction, accepted, contact },
                    ));
                }
                let names = [self.name(rng, &other), self.any_name(rng)];
                let side = |n: usize| (introduction(&format!("{label}/{n}")), names[n].clone(), "words".into());
                (anna, Command::ProposeIntroduction { sides: [side(0), side(1)] })
            }
            97 => match rng.below(2) {
                0 => (anna, Command::SeeAs { participant: self.any_name(rng) }),
                _ => (eva(&other), Command::RecordExport { export: export(label) }),
            },
            _ => match rng.below(3) {
                0 => (anna, Command::ChangeTerms { terms: "Other terms".into() }),
                _ => (anna, Command::ReadReport { of: self.any_name(rng) }),
            },
        })
    }

    /// One to three names.
    fn some_names(&self, rng: &mut Rng) -> Vec<Name> {
        let mut names = vec![self.any_name(rng)];
        while names.len() < 3 && rng.chance(40) {
            names.push(self.any_name(rng));
        }
        names
    }

    fn role(&self, rng: &mut Rng, of: &OrganisationId) -> Role {
        let usual = match of.as_str() {
            "vendor-v" => Role::ThirdParty,
            "police-p" => Role::Authority,
            _ => Role::AffectedOrganisation,
        };
        rng.pick(&[usual, usual, usual, Role::AffectedOrganisation, Role::ThirdParty, Role::Authority])
    }

    fn attribution(&self, rng: &mut Rng) -> Attribution {
        use Attribution::{Hidden, Named, Pseudonym};
        rng.pick(&[Hidden, Pseudonym, Pseudonym, Named, Named])
    }

    /// A name of this organisation.
    pub(crate) fn name(&self, rng: &mut Rng, of: &OrganisationId) -> Name {
        if rng.chance(50) { Name::Organisation(of.clone()) } else { Name::Participant(participant(of)) }
    }

    fn any_name(&self, rng: &mut Rng) -> Name {
        let mut all = self.others.clone();
        if rng.chance(6) {
            all = self.strangers.clone();
        }
        let of = rng.pick(&all);
        self.name(rng, &of)
    }

    fn scope(&self, rng: &mut Rng, room: &PureRoom, of: &OrganisationId) -> Scope {
        let own: Vec<_> = room.posted().into_iter().filter(|(o, _)| o == of).map(|(_, id)| id).collect();
        let own = &own[own.len().saturating_sub(4)..];
        match rng.below(9) {
            0 => Scope::All,
            1 => Scope::Material(rng.pick(&Material::ALL)),
            2 => Scope::Audience(rng.pick(&Audience::ALL)),
            3..=4 => Scope::Named(self.any_name(rng)),
            _ => match rng.pick_any(own) {
                Some(id) => Scope::Message(id),
                None => Scope::Message(message("none")),
            },
        }
    }

    /// A change of consent that shares more often than not.
    pub(crate) fn change(&self, rng: &mut Rng, now: i64) -> ConsentChange {
        use Sharing::{Direct, No, NotAnswered, Relay};
        let sharings = [Direct, Direct, Direct, Direct, Relay, Relay, Relay, No, NotAnswered];
        let mut change = ConsentChange::default();
        for material in Material::ALL {
            for audience in Audience::ALL {
                if rng.chance(40) {
                    change.cells.push((material, audience, rng.pick(&sharings)));
                }
            }
        }
        while rng.chance(30) {
            let name = self.any_name(rng);
            let (material, sharing) = (rng.pick(&Material::ALL), rng.pick(&sharings));
            change.named.push((name, material, sharing));
        }
        for audience in Audience::ALL {
            if rng.chance(25) {
                change
                    .newcomers
                    .push((audience, rng.pick(&[Answer::Yes, Answer::Yes, Answer::No, Answer::NotAnswered])));
            }
        }
        change.attribution = rng.chance(35).then(|| self.attribution(rng));
        use PoliceAnswer::{CoordinatorMayForward, OrganisationReportsItself};
        let police = [CoordinatorMayForward, CoordinatorMayForward, OrganisationReportsItself, PoliceAnswer::No];
        change.police = rng.chance(20).then(|| rng.pick(&police));
        change.expiry = match rng.below(10) {
            0 | 1 => ExpiryChange::At(Timestamp(now + (1 + rng.below(15) as i64) * MINUTE)),
            2 => ExpiryChange::Never,
            _ => ExpiryChange::Keep,
        };
        change
    }

    /// A message as somebody could wish it.
    pub(crate) fn draft(&self, rng: &mut Rng, room: &PureRoom, label: &str, by: &OrganisationId) -> Draft {
        use Tlp::{Amber, AmberStrict, Clear, Green, Red};
        let mut draft = Draft {
            material: rng.pick(&Material::ALL),
            tlp: rng.pick(&[Clear, Green, Amber, AmberStrict, AmberStrict]),
            text: format!("text of {label}").into(),
            recipients: Vec::new(),
            red_actors: Vec::new(),
            coordinator_only: false,
            in_reply_to: None,
            occurred_at: None,
            supersedes: None,
            acknowledge_by: rng.chance(20).then_some(Timestamp(room.now.0 + 10 * MINUTE)),
            attachments: Vec::new(),
        };
        while self.attaches && draft.attachments.len() < 3 && rng.chance(25) {
            let label = format!("{label}-{}", draft.attachments.len());
            draft.attachments.push(attachment(rng.pick(&Material::ALL), &label, rng.pick(&FILES)));
        }
        let own: Vec<_> = room.find(|event| match event {
            Event::MessagePosted { organisation, message } if organisation == by => Some(message.clone()),
            _ => None,
        });
        if rng.chance(10)
            && let Some(old) = rng.pick_any(&own)
        {
            draft.supersedes = Some(old.id);
            draft.material = old.material;
            draft.tlp = old.tlp.max(draft.tlp);
            draft.coordinator_only = old.coordinator_only;
            draft.recipients = old.recipients.iter().map(|o| Name::Participant(participant(o))).collect();
            draft.red_actors.clone_from(&old.red_actors);
            match rng.below(20) {
                0 => draft.recipients.clear(),
                1 => draft.tlp = Tlp::Green,
                2 => draft.coordinator_only = false,
                3 => draft.material = rng.pick(&Material::ALL),
                4 => draft.red_actors.push(rng.pick(&self.readers())),
                5 => draft.recipients.push(self.any_name(rng)),
                6..=9 => {}
                _ => return draft,
            }
        }
        match rng.below(10) {
            0 | 1 => {
                let all: Vec<_> = self.others.iter().chain([&self.coordinator]).cloned().collect();
                for _ in 0..=rng.below(3) {
                    let of = rng.pick(&all);
                    draft.recipients.push(self.name(rng, &of));
                }
            }
            2 => {
                draft.tlp = Red;
                for _ in 0..=rng.below(2) {
                    draft.red_actors.push(rng.pick(&self.readers()));
                }
            }
            3 => draft.coordinator_only = true,
            _ => {}
        }
        let messages: Vec<_> = room.messages().collect();
        if !messages.is_empty() && rng.chance(25) {
            draft.in_reply_to = Some(rng.pick(&messages));
        }
        draft
    }
}

/// These, and the messages that carry those of them that are attachments.
fn with_carriers(room: &PureRoom, messages: Vec<MessageId>) -> Vec<MessageId> {
    let carriers = room.find(|event| match event {
        Event::MessagePosted { message, .. } => Some((message.id, message.file.as_ref()?.carrier)),
        _ => None,
    });
    let carriers = carriers.into_iter().filter(|(id, _)| messages.contains(id)).map(|(_, carrier)| carrier);
    carriers.chain(messages.clone()).collect()
}

fn rng_is_odd(label: &str) -> bool {
    id_of(label)[0].is_multiple_of(5)
}

/// One of these; rather one of the newest.
fn pick_of<T: Clone>(rng: &mut Rng, of: &[T], percent: usize) -> Option<T> {
    let newest = of.len().saturating_sub(12);
    if rng.chance(percent) { rng.pick_any(&of[newest..]) } else { rng.pick_any(of) }
}
