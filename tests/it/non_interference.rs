//! R7: what a reader can observe is a function of what it may see. Pairs of histories that differ only in what one reader may not
//! see; everything that this reader is shown, told or refused is the same in both.
//!
//! The first history is random. The second has the same facts, and between them others that do not concern the reader: hidden
//! organisations, relays to them, questions to others, releases to others, recalls of others, introductions of others, and legal
//! disclosures of the reader's own messages that it is not told of. What the reader itself wishes is decided anew in both.

use std::fmt::Write;
use std::sync::Arc;

use samverkan::room::consent::{ConsentChange, Name, Scope};
use samverkan::room::decide::decide;
use samverkan::room::disclose::{
    Reader, ShownConsent, consent, explain, invitations, preview, receipts, reports, room, roster, see_as,
};
use samverkan::room::event::{AskedFor, Command, Draft, Event, IntakeReport, Message, Recall, RelayDraft, Subject};
use samverkan::room::ids::{Actor, OrganisationId, Timestamp};
use samverkan::room::words::{AskAnswer, Audience, Material, RecallAnswer, Role, Sharing, Tlp};

use crate::disclosure::from_env;
use crate::histories::{
    Cast, MINUTE, Rng, Step, access_change, ask, digest_of, disclosure, export, introduction, invitation, message,
    organisation, participant, plain_draft, recall, release, service, user,
};
use crate::pure::PureRoom;

const STEPS: usize = 70;
/// Later than every history: the last moment that the wire can tell.
const NEVER: Timestamp = Timestamp(253_402_300_799_000_000);

/// One step of the first history: what came of it, and what the reader observed afterwards.
struct Done {
    step: Step,
    /// Entries by the passing of time, then those of the command.
    events: Vec<(Option<Actor>, Event)>,
    seen: String,
}

#[test]
fn r7_what_a_reader_observes_does_not_depend_on_what_it_may_not_see() {
    let (pairs, first_seed) = (from_env("SAMVERKAN_PAIRS", 1000), from_env("SAMVERKAN_SEED", 0));
    let mut counts = Counts::default();
    for seed in first_seed..first_seed + pairs {
        if let Err(why) = pair(seed, &mut counts) {
            panic!("SAMVERKAN_SEED={seed} SAMVERKAN_PAIRS=1: {why}");
        }
    }
    println!("{pairs} pairs: none differs. {counts:#?}");
    let enough = counts.hidden.values().sum::<u64>() > 5 * pairs && counts.altered + counts.omitted > pairs;
    assert!(enough && counts.observed > 0, "{counts:?}");
}

#[derive(Default, Debug)]
pub(crate) struct Counts {
    /// Hidden commands that were granted, by kind.
    hidden: std::collections::BTreeMap<String, u64>,
    altered: u64,
    omitted: u64,
    /// Bytes.
    observed: u64,
}

/// One pair. An error says what the reader can tell apart.
pub(crate) fn pair(seed: u64, counts: &mut Counts) -> Result<(), String> {
    let mut rng = Rng(40_000 + seed);
    let watch = Watch::any(&mut rng);
    let cast = watch.cast.clone();

    let mut first = PureRoom::new(Timestamp(MINUTE));
    let mut script = Vec::new();
    for i in 0..STEPS {
        let step = if i == 0 { cast.open(&mut rng) } else { cast.step(&mut rng, &first, &format!("{i}")) };
        let known = first.entries.len();
        first.advance_clock(step.after);
        let answer = first.perform(&step.caller, step.command.clone());
        let answer = format!("{:?}", answer.map(|_| first.now));
        let told = if step.caller.organisation == watch.reader { answer } else { String::new() };
        watch.others_read(&mut first, i);
        let seen = watch.observe(&mut first, i, told);
        let made = first.entries[known..].iter();
        let events = made.map(|entry| (entry.author.clone(), entry.event.clone())).collect();
        script.push(Done { step, events, seen });
    }
    let seen: String = script.iter().map(|done| done.seen.as_str()).collect();
    let wished: Vec<_> = script.iter().filter(|done| done.step.caller.organisation == watch.reader).collect();
    let wished = format!("{:?}", wished.iter().map(|done| &done.step.command).collect::<Vec<_>>());

    let mut second = PureRoom::new(Timestamp(MINUTE));
    for (i, done) in script.iter().enumerate() {
        for k in 0..2 {
            if i > 0 && rng.chance(60) {
                let (caller, command) = watch.hidden_step(&mut rng, &second, &format!("hidden {i}/{k}"));
                let kind = crate::model::name_of(&command);
                if second.perform(&caller, command).is_ok() {
                    *counts.hidden.entry(kind).or_default() += 1;
                }
            }
        }
        let known = second.entries.len();
        second.advance_clock(done.step.after);
        // What time made of the hidden alone.
        let by_time = second.entries[known..].iter().map(|entry| entry.event.clone()).collect::<Vec<_>>();
        let mut told = String::new();
        if done.step.caller.organisation == watch.reader {
            let answer = second.perform(&done.step.caller, done.step.command.clone());
            told = format!("{:?}", answer.map(|_| second.now));
        }
        for (author, event) in &done.events {
            if by_time.contains(event) || author.as_ref().is_some_and(|a| a.organisation == watch.reader) {
                continue;
            }
            let mut event = event.clone();
            if let Event::MessagePosted { organisation, message } = &event {
                let id = format!("{:?}", message.id);
                if *organisation != watch.reader && !seen.contains(&id) && !wished.contains(&id) {
                    let referred = script[i + 1..].iter().flat_map(|done| &done.events);
                    let referred = referred.into_iter().any(|(_, event)| format!("{event:?}").contains(&id))
                        || script[i + 1..].iter().any(|done| refers_to(done, message));
                    // Without what stands for it, the old message would not have fallen; what hangs on it is in the same step.
                    let is_free = message.supersedes.is_none() && message.attachments.is_empty();
                    if !referred && is_free && rng.chance(40) {
                        counts.omitted += 1;
                        continue;
                    }
                    counts.altered += 1;
                    let text = format!("{} and more that is not for {}", message.text, watch.reader).into();
                    let mut message = Message { text, occurred_at: Some(Timestamp(5)), ..(**message).clone() };
                    if let Some(file) = &mut message.file {
                        file.name = format!("{} of another", file.name).into();
                        file.content.size += 1;
                        file.content.sha256[0] ^= 1;
                    }
                    event = Event::MessagePosted { organisation: organisation.clone(), message: Arc::new(message) };
                }
            }
            second.append(author.as_ref(), event);
        }
        watch.others_read(&mut second, i);
        let seen = watch.observe(&mut second, i, told);
        if done.seen != seen {
            if from_env("SAMVERKAN_VERBOSE", 0) > 0 {
                first.entries.iter().for_each(|entry| println!("1: {:?} {:?}", entry.author, entry.event));
                second.entries.iter().for_each(|entry| println!("2: {:?} {:?}", entry.author, entry.event));
            }
            let (a, b) = (done.seen.lines(), seen.lines());
            let (a, b) = a.zip(b).find(|(a, b)| a != b).unwrap_or_default();
            let at = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
            let from = at.saturating_sub(400);
            let part = |line: &str| line.get(from..).unwrap_or_default().chars().take(700).collect::<String>();
            return Err(format!(
                "step {i}, {} {:?}\n first: …{}\nsecond: …{}",
                watch.reader,
                done.step.command,
                part(a),
                part(b)
            ));
        }
        counts.observed += seen.len() as u64;
    }
    Ok(())
}

/// Whether a message that was posted later stands for this one or replies to it: those fields are not in the debug text.
fn refers_to(done: &Done, message: &Message) -> bool {
    done.events.iter().any(|(_, event)| match event {
        Event::MessagePosted { message: later, .. } | Event::RelayPublished { message: later, .. } => {
            let of_file = later.file.as_ref();
            later.supersedes == Some(message.id)
                || later.in_reply_to == Some(message.id)
                || of_file.is_some_and(|file| file.carrier == message.id || file.terms_of.contains(&message.id))
        }
        _ => false,
    })
}

/// Who is watched, and by what it could tell.
pub(crate) struct Watch {
    pub(crate) cast: Cast,
    pub(crate) reader: OrganisationId,
    pub(crate) actors: Vec<Actor>,
}

impl Watch {
    /// Any of the participants.
    pub(crate) fn any(rng: &mut Rng) -> Self {
        let cast = Cast { strangers: vec![organisation("hidden-x"), organisation("nobody-n")], ..Cast::default() };
        let reader = rng.pick(&cast.others);
        Self { cast, actors: vec![user(&reader, "eva"), service(&reader)], reader }
    }

    /// The others catch up, now and then.
    fn others_read(&self, room: &mut PureRoom, i: usize) {
        for (n, actor) in self.cast.readers().iter().enumerate() {
            if actor.organisation != self.reader && (i + n).is_multiple_of(3) {
                drop(room.deliver(actor, 10_000));
            }
        }
    }

    /// Everything that the reader can ask for.
    fn observe(&self, room: &mut PureRoom, step: usize, answer: String) -> String {
        let mut seen = answer + "\n";
        let stranger = organisation("hidden-x");
        for (n, actor) in self.actors.iter().enumerate() {
            // Pages of different size at different times; everything, now and then.
            if (step + n).is_multiple_of(3) {
                let after = if step.is_multiple_of(9) { 0 } else { room.last_index(actor) };
                writeln!(seen, "{:?}", room.read(actor, after, 1 + step % 7)).expect("a string takes all");
            }
            let state = &room.state;
            writeln!(seen, "{:?}", invitations(state, &actor.organisation)).expect("a string takes all");
            writeln!(seen, "{:?}", consent(state, actor, None, room.now).map(|c| told(c.get())))
                .expect("a string takes all");
            for command in self.probes(step, &stranger) {
                let answer = decide(state, &room.mailboxes, actor, command.clone(), room.now);
                writeln!(seen, "{command:?}: {answer:?}").expect("a string takes all");
            }
            let Ok(reader) = Reader::new(state, actor) else { continue };
            writeln!(seen, "{:?} {:?}", roster(state, reader), self::room(state, reader)).expect("a string takes all");
            let other = participant(&self.cast.others[step % self.cast.others.len()]);
            for name in [Name::Organisation(stranger.clone()), Name::Participant(participant(&stranger))] {
                let asked = (
                    consent(state, actor, Some(&name), room.now).err(),
                    reports(state, reader, Some(&name)).err(),
                    see_as(state, reader, &name, None, 10, room.now),
                );
                writeln!(seen, "{asked:?}").expect("a string takes all");
            }
            // What a colleague keeps to itself is asked for by its id below.
            let scripted: Vec<_> = (0..STEPS).map(|i| message(&i.to_string())).collect();
            let own = room.posted().into_iter().filter(|(o, id)| *o == self.reader && scripted.contains(id));
            let own = own.map(|(_, id)| id);
            let others = [message(&format!("hidden {}/0", step / 2)), message(&format!("{}", step / 3))];
            for id in own.chain(others) {
                let all = receipts(state, &room.mailboxes, reader, id, room.now);
                let one = explain(state, reader, id, &Name::Participant(other), room.now);
                let none = explain(state, reader, id, &Name::Organisation(stranger.clone()), room.now);
                writeln!(seen, "receipts {all:?} {one:?} {none:?}").expect("a string takes all");
            }
            for draft in self.drafts(step, &stranger) {
                writeln!(seen, "{:?}", preview(state, reader, &draft, room.now)).expect("a string takes all");
                let post = Command::Post { message: message("probe"), draft: Arc::new(draft) };
                writeln!(seen, "{:?}", decide(state, &room.mailboxes, actor, post, room.now))
                    .expect("a string takes all");
            }
        }
        seen
    }

    /// What the reader could try about ids that it guessed: of the hidden, and of what is not there in either history.
    pub(crate) fn probes(&self, step: usize, stranger: &OrganisationId) -> Vec<Command> {
        let at = format!("hidden {}/{}", step.saturating_sub(step % 3), step % 2);
        let earlier = message(&format!("{}", step / 2));
        let other = Name::Participant(participant(&self.cast.others[step % self.cast.others.len()]));
        let named = Name::Organisation(stranger.clone());
        let (id, text_digest) = (message(&at), digest_of("guess"));
        let later = NEVER;
        let scope = Scope::Message(id);
        vec![
            Command::Retract { message: id, reason: "r".into() },
            Command::Acknowledge { message: id },
            Command::Acknowledge { message: earlier },
            Command::WithdrawConsent { scope, recall: None },
            Command::Release { release: release("probe"), messages: vec![id], to: vec![other.clone()] },
            Command::Release { release: release("probe"), messages: vec![earlier], to: vec![other.clone()] },
            Command::Release { release: release("probe"), messages: vec![earlier], to: vec![named.clone()] },
            Command::RevokeRelease { release: release(&at) },
            Command::AnswerRecall { recall: recall(&at), answer: RecallAnswer::Deleted, comment: "c".into() },
            Command::AnswerAsk { ask: ask(&at), answer: AskAnswer::No, comment: "c".into(), release: release("probe") },
            Command::SuggestAsk { source: Some(named.clone()), material: Material::Data, reason: "r".into() },
            Command::ApproveRelay { message: id, text_digest, to: Vec::new() },
            Command::RejectRelay { message: id, reason: "r".into() },
            Command::ConfirmLegalDisclosure { disclosure: disclosure(&at) },
            Command::Forward { messages: vec![id], to: other.clone(), reason: "r".into() },
            Command::AnswerIntroduction {
                introduction: introduction(&format!("{at}/0")),
                accepted: true,
                contact: "c".into(),
            },
            Command::ReadReport { of: named.clone() },
            Command::SeeAs { participant: named.clone() },
            Command::RecordExport { export: export("probe") },
            Command::Remove { participant: named.clone(), reason: "r".into() },
            Command::Ask {
                ask: ask("probe"),
                source: named,
                subject: Subject::Messages(vec![id]),
                to: AskedFor::Organisations(vec![other]),
                reason: "r".into(),
                answer_by: later,
            },
            Command::Leave,
        ]
    }

    fn drafts(&self, step: usize, stranger: &OrganisationId) -> Vec<Draft> {
        let plain = plain_draft(Material::ALL[step % 3], "probe");
        let other = self.cast.others[step % self.cast.others.len()].clone();
        let hidden = message(&format!("hidden {}/0", step / 2));
        vec![
            plain.clone(),
            Draft { recipients: vec![Name::Organisation(stranger.clone())], ..plain.clone() },
            Draft { recipients: vec![Name::Participant(participant(stranger))], ..plain.clone() },
            Draft { recipients: vec![Name::Organisation(other)], ..plain.clone() },
            Draft { tlp: Tlp::Red, red_actors: vec![user(stranger, "eva")], ..plain.clone() },
            Draft { in_reply_to: Some(message(&format!("{}", step / 2))), ..plain.clone() },
            Draft { in_reply_to: Some(hidden), ..plain.clone() },
            Draft { supersedes: Some(hidden), ..plain },
        ]
    }

    /// Something that the reader may not see, nor anything that follows from it.
    pub(crate) fn hidden_step(&self, rng: &mut Rng, room: &PureRoom, label: &str) -> (Actor, Command) {
        let anna = user(&self.cast.coordinator, "anna");
        let x = organisation("hidden-x");
        let state = &room.state;
        let here =
            |o: &OrganisationId| state.slot(o).is_some_and(|slot| state.participant(slot).present_since.is_some());
        let others: Vec<_> = self.cast.others.iter().filter(|o| **o != self.reader).cloned().collect();
        let other = rng.pick(&others);
        let open = state.invitations().iter().find(|(_, open)| open.organisation == x).map(|(&id, _)| id);
        if rng.chance(60)
            && let Some(wish) = self.hidden_consent(rng, room, label, &others)
        {
            return wish;
        }
        if here(&x) && rng.chance(3) {
            return (anna, access_change(label, &x));
        }
        match rng.below(9) {
            // A hidden organisation comes, lives and goes.
            0..=3 if !here(&x) => match open {
                None => {
                    let role = rng.pick(&[Role::AffectedOrganisation, Role::ThirdParty, Role::Authority]);
                    let (invitation, participant) = (invitation(label), participant(&x));
                    (anna, Command::Invite { invitation, organisation: x, role, participant })
                }
                Some(invitation) if rng.chance(20) => (user(&x, "eva"), Command::DeclineInvitation { invitation }),
                Some(_) if rng.chance(10) => (anna, Command::RemoveSuspended { organisation: x }),
                Some(invitation) => {
                    let consent = Arc::new(self.hidden_change(rng));
                    (user(&x, "eva"), Command::AcceptInvitation { invitation, consent })
                }
            },
            0..=1 => {
                let command = match rng.below(8) {
                    0 => Command::Leave,
                    1 => {
                        return (anna, Command::Remove { participant: Name::Organisation(x), reason: "r".into() });
                    }
                    2 => {
                        let role = rng.pick(&[Role::AffectedOrganisation, Role::ThirdParty, Role::Authority]);
                        return (anna, Command::ChangeRole { participant: Name::Organisation(x), role });
                    }
                    3 => Command::GiveConsent { change: Arc::new(self.hidden_change(rng)), expected_version: None },
                    4 => Command::WithdrawConsent { scope: Scope::All, recall: None },
                    5 => Command::AmendReport { report: Arc::new(IntakeReport::default()), consent: None },
                    _ => self.post(rng, room, label, &x),
                };
                (user(&x, "eva"), command)
            }
            // Others talk among themselves, or to the coordinator; the coordinator talks to others.
            2..=5 => {
                let by = if rng.chance(30) { self.cast.coordinator.clone() } else { other };
                let command = self.post(rng, room, label, &by);
                (user(&by, "eva"), command)
            }
            // A colleague keeps something to itself.
            6 => {
                let ulf = user(&self.reader, "ulf");
                let draft = Draft { tlp: Tlp::Red, red_actors: vec![ulf.clone()], ..self.drafts(0, &x)[0].clone() };
                (ulf, Command::Post { message: message(label), draft: Arc::new(draft) })
            }
            7 => {
                let organisation = organisation("nobody-n");
                let (invitation, participant) = (invitation(label), participant(&organisation));
                if rng.chance(40) {
                    (anna, Command::RemoveSuspended { organisation })
                } else {
                    let role = Role::ThirdParty;
                    (anna, Command::Invite { invitation, organisation, role, participant })
                }
            }
            _ => {
                let report = Arc::new(IntakeReport { what_occurred: label.into(), ..IntakeReport::default() });
                (user(&other, "eva"), Command::AmendReport { report, consent: None })
            }
        }
    }

    /// Releases, relays, questions, recalls and the like that do not concern the reader.
    fn hidden_consent(
        &self,
        rng: &mut Rng,
        room: &PureRoom,
        label: &str,
        others: &[OrganisationId],
    ) -> Option<(Actor, Command)> {
        let x = organisation("hidden-x");
        let anna =
            if rng.chance(50) { user(&self.cast.coordinator, "anna") } else { user(&self.cast.coordinator, "olle") };
        let eva = |o: &OrganisationId| user(o, "eva");
        let here = |o: &OrganisationId| {
            room.state.slot(o).is_some_and(|slot| room.state.participant(slot).present_since.is_some())
        };
        let mut all: Vec<_> = others.iter().filter(|o| here(o)).cloned().collect();
        let other = rng.pick_any(&all)?;
        if here(&x) {
            all.extend([x.clone(), x.clone()]);
        }
        let third = rng.pick(&all);
        let to_third = vec![self.cast.name(rng, &third)];
        let later = Timestamp(room.now.0 + (1 + rng.below(30) as i64) * MINUTE);
        // Only what was posted in hidden steps: what becomes of it changes nothing that the reader sees.
        let is_hidden = |o: &OrganisationId, text: &str| text.contains("hidden") && *o != self.reader;
        let hidden = room.find(|event| match event {
            Event::MessagePosted { organisation, message } if is_hidden(organisation, &message.text) => {
                Some((organisation.clone(), message.id))
            }
            _ => None,
        });
        let relays = room.find(|event| match event {
            Event::RelayPublished { organisation, message, parents, .. } if is_hidden(organisation, &message.text) => {
                let (source, _) = room.posted().into_iter().find(|(_, id)| *id == parents[0])?;
                Some((source, message.clone()))
            }
            _ => None,
        });
        Some(match rng.below(15) {
            0 | 1 => {
                let (source, id) = rng.pick_any(&hidden)?;
                (eva(&source), Command::Release { release: release(label), messages: vec![id], to: to_third })
            }
            2 => {
                let releases = room.find(|event| match event {
                    Event::MessagesReleased { organisation, release, messages, .. }
                        if hidden.iter().any(|(_, id)| messages.contains(id)) =>
                    {
                        Some((organisation.clone(), *release))
                    }
                    _ => None,
                });
                let (source, release) = rng.pick_any(&releases)?;
                (eva(&source), Command::RevokeRelease { release })
            }
            // Of anybody's words; the reader's only to who is hidden.
            3..=5 => {
                let (source, id) = rng.pick_any(&room.posted())?;
                // A file that others gave its poster is theirs, too, and they are told.
                let is_given = |event: &Event| match event {
                    Event::MessagePosted { message, .. } if message.id == id => {
                        message.file.as_ref().filter(|file| !file.terms_of.is_empty()).map(|_| ())
                    }
                    _ => None,
                };
                if !room.find(is_given).is_empty() {
                    return None;
                }
                let to = if source == self.reader { &x } else { &third };
                let draft = RelayDraft {
                    parents: vec![id],
                    material: rng.pick(&Material::ALL),
                    tlp: Tlp::AmberStrict,
                    text: format!("hidden relay of {label}").into(),
                    recipients: vec![self.cast.name(rng, to)],
                    supersedes: None,
                    acknowledge_by: rng.chance(50).then_some(later),
                };
                (anna, Command::PublishRelay { message: message(label), draft: Arc::new(draft) })
            }
            6 => {
                let (source, relay) = rng.pick_any(&relays)?;
                if source == self.reader {
                    return None;
                }
                let text_digest = digest_of(&relay.text);
                (eva(&source), Command::ApproveRelay { message: relay.id, text_digest, to: Vec::new() })
            }
            7 => {
                let subject = match rng.pick_any(&hidden) {
                    Some((source, id)) if source == other => Subject::Messages(vec![id]),
                    Some(_) | None => Subject::Material(rng.pick(&Material::ALL)),
                };
                // May this go to the reader? It is not told that anybody asks.
                let to = match rng.below(3) {
                    0 => AskedFor::Organisations(vec![Name::Participant(participant(&self.reader))]),
                    1 => AskedFor::Audience(rng.pick(&Audience::ALL)),
                    _ => AskedFor::Organisations(to_third),
                };
                let source = self.cast.name(rng, &other);
                (anna, Command::Ask { ask: ask(label), source, subject, to, reason: "r".into(), answer_by: later })
            }
            8 => {
                let asked = room.find(|event| match event {
                    Event::ConsentAsked { ask, source, subject, to, reason, .. }
                        if *source != self.reader && &**reason == "r" && !matches!(to, AskedFor::Audience(_)) =>
                    {
                        Some((*ask, source.clone(), subject.clone(), to.clone()))
                    }
                    _ => None,
                });
                let (id, source, subject, to) = rng.pick_any(&asked)?;
                let own = |id| hidden.iter().any(|(_, hidden)| hidden == id);
                let narrow = match (&subject, &to) {
                    (Subject::Messages(messages), AskedFor::Organisations(to)) => {
                        messages.iter().all(own) && !to.contains(&self.reader)
                    }
                    (Subject::Material(_) | Subject::Messages(_), _) => false,
                };
                let is_scripted = (0..STEPS).any(|i| ask(&i.to_string()) == id);
                if is_scripted {
                    return None;
                }
                let answer = if narrow { AskAnswer::Yes } else { AskAnswer::No };
                let command = Command::AnswerAsk { ask: id, answer, comment: "c".into(), release: release(label) };
                (eva(&source), command)
            }
            9 => {
                let source = rng.chance(70).then(|| Name::Participant(participant(&self.reader)));
                (eva(&third), Command::SuggestAsk { source, material: Material::Logs, reason: "r".into() })
            }
            10 => {
                let (source, id) = rng.pick_any(&hidden)?;
                if rng.chance(30) || source == self.cast.coordinator {
                    return Some((eva(&source), Command::Retract { message: id, reason: "r".into() }));
                }
                let recall = Some(Recall { id: recall(label), answer_by: later });
                (eva(&source), Command::WithdrawConsent { scope: Scope::Message(id), recall })
            }
            11 => {
                let messages: Vec<_> = hidden.iter().chain(&[]).map(|(_, id)| *id).collect();
                let messages: Vec<_> = messages.into_iter().chain(relays.iter().map(|(_, relay)| relay.id)).collect();
                (eva(&third), Command::Acknowledge { message: rng.pick_any(&messages)? })
            }
            // Its own messages too, and it is not told for longer than the history lasts.
            12 | 13 => {
                let proposed = room.find(|event| match event {
                    Event::LegalDisclosureProposed { disclosure, duty } if &*duty.statute == "hidden" => {
                        Some(*disclosure)
                    }
                    _ => None,
                });
                if rng.chance(50)
                    && let Some(disclosure) = rng.pick_any(&proposed)
                {
                    return Some((anna, Command::ConfirmLegalDisclosure { disclosure }));
                }
                let messages = vec![rng.pick_any(&room.posted())?.1];
                let (disclosure, to) = (disclosure(label), to_third[0].clone());
                let suppress_until = Some(NEVER);
                let statute = "hidden".into();
                (anna, Command::ProposeLegalDisclosure { disclosure, statute, messages, to, suppress_until })
            }
            _ => {
                let sides = room.find(|event| match event {
                    Event::IntroductionProposed { sides } if &*sides[0].words == "hidden" => Some(sides.clone()),
                    _ => None,
                });
                if rng.chance(60)
                    && let Some(sides) = rng.pick_any(&sides)
                {
                    let side = rng.pick(&sides);
                    let (introduction, contact) = (side.id, "c".into());
                    return Some((
                        eva(&side.organisation),
                        Command::AnswerIntroduction { introduction, accepted: true, contact },
                    ));
                }
                if rng.chance(20) {
                    return Some((anna, Command::SeeAs { participant: to_third[0].clone() }));
                }
                if rng.chance(20) {
                    return Some((eva(&third), Command::RecordExport { export: export(label) }));
                }
                let side = |n: usize, name: Name| (introduction(&format!("{label}/{n}")), name, "hidden".into());
                let name = self.cast.name(rng, &other);
                (anna, Command::ProposeIntroduction { sides: [side(0, name), side(1, to_third[0].clone())] })
            }
        })
    }

    /// Consent that a hidden organisation may give, and that keeps it hidden.
    fn hidden_change(&self, rng: &mut Rng) -> ConsentChange {
        let sharing = rng.pick(&[Sharing::No, Sharing::Relay, Sharing::NotAnswered]);
        let cells = vec![(rng.pick(&Material::ALL), rng.pick(&Audience::ALL), sharing)];
        let name = Name::Organisation(rng.pick(&self.cast.others));
        ConsentChange { cells, named: vec![(name, Material::Logs, Sharing::No)], ..ConsentChange::default() }
    }

    /// A message that is narrowed away from the reader.
    fn post(&self, rng: &mut Rng, room: &PureRoom, label: &str, by: &OrganisationId) -> Command {
        let mut draft = self.drafts(rng.below(3), by)[0].clone();
        draft.text = format!("text of {label}").into();
        let mut targets: Vec<_> = self.cast.others.iter().filter(|o| **o != self.reader).cloned().collect();
        if *by == self.cast.coordinator {
            targets.push(organisation("hidden-x"));
        }
        match rng.below(3) {
            0 => draft.coordinator_only = true,
            1 => {
                let of = rng.pick(&targets);
                draft.recipients = vec![self.cast.name(rng, &of)];
            }
            _ => {
                draft.tlp = Tlp::Red;
                draft.red_actors = vec![user(&rng.pick(&targets), "eva")];
            }
        }
        let messages: Vec<_> = room.messages().collect();
        if !messages.is_empty() && rng.chance(25) {
            draft.in_reply_to = Some(rng.pick(&messages));
        }
        Command::Post { message: message(label), draft: Arc::new(draft) }
    }
}

/// A consent as its source is told it: without what only the server counts.
fn told(shown: &ShownConsent) -> String {
    let ShownConsent { participant, consent } = shown;
    let cells = consent.cells.iter().flatten().map(|cell| cell.sharing).collect::<Vec<_>>();
    let named = consent.named.iter().map(|named| (&named.name, named.sharing)).collect::<Vec<_>>();
    format!(
        "{participant:?} {} {cells:?} {named:?} {:?} {:?} {:?}",
        consent.version, consent.newcomers, consent.police, consent.expires_at
    )
}
