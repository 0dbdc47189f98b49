//! R7: what a reader can observe is a function of what it may see. Pairs of histories that differ only in what one reader may not
//! see; everything that this reader is shown, told or refused is the same in both.

use std::fmt::Write;
use std::sync::Arc;

use samverkan::room::consent::{ConsentChange, Name, Scope};
use samverkan::room::decide::decide;
use samverkan::room::disclose::{
    Reader, ShownConsent, consent, invitations, is_visible, preview, reports, room, roster,
};
use samverkan::room::event::{Command, Draft, IntakeReport};
use samverkan::room::ids::{Actor, OrganisationId, Timestamp};
use samverkan::room::state::Status;
use samverkan::room::words::{Attribution, Audience, Material, Role, Sharing, Tlp};

use crate::histories::{Cast, MINUTE, Rng, Step, invitation, message, organisation, participant, service, user};
use crate::pure::PureRoom;

const PAIRS: u64 = 600;

#[test]
fn r7_what_a_reader_observes_does_not_depend_on_what_it_may_not_see() {
    let (mut inserted, mut altered, mut observed) = (0, 0, 0);
    for seed in 0..PAIRS {
        let mut rng = Rng(40_000 + seed);
        let cast = Cast { strangers: vec![organisation("hidden-x"), organisation("nobody-n")], ..Cast::default() };
        let reader = rng.pick(&cast.others);
        let watch = Watch { cast: cast.clone(), actors: vec![user(&reader, "eva"), service(&reader)], reader };

        // The first history, and which of its messages the reader's actors never see.
        let mut first = PureRoom::new(Timestamp(MINUTE));
        let mut script: Vec<(Step, bool)> = Vec::new();
        let mut first_log = Vec::new();
        for i in 0..45 {
            let step = if i == 0 { cast.open(&mut rng) } else { cast.step(&mut rng, &first, &format!("{i}")) };
            let (answer, posted_unseen) = watch.perform(&mut first, &step);
            first_log.push(watch.observe(&mut first, i, answer));
            script.push((step, posted_unseen));
        }

        // The second: more goes on that the reader may not see, and what it does not see reads otherwise.
        let mut second = PureRoom::new(Timestamp(MINUTE));
        for (i, (step, unseen)) in script.iter().enumerate() {
            while i > 0 && rng.chance(45) {
                let label = format!("hidden {i} {}", second.entries.len());
                let step = watch.hidden_step(&mut rng, &second, &label);
                inserted += usize::from(second.perform(&step.caller, step.command).is_ok());
            }
            let mut step = step.clone();
            if *unseen && let Command::Post { message: id, draft } = &step.command {
                let answered = script.iter().any(|(later, _)| {
                    matches!(&later.command, Command::Post { draft, .. } if draft.in_reply_to == Some(*id))
                        && later.caller.organisation != watch.reader
                });
                altered += 1;
                if !answered && rng.chance(30) {
                    // It was never posted; but the time passes.
                    second.advance_clock(step.after);
                    let seen = watch.observe(&mut second, i, String::new());
                    assert_eq!(first_log[i], seen, "seed {seed}, step {i}: without {:?}", step.command);
                    continue;
                }
                let text = format!("{} and more that is not for {}", draft.text, watch.reader).into();
                let draft = Arc::new(Draft { text, occurred_at: Some(Timestamp(5)), ..(**draft).clone() });
                step.command = Command::Post { message: *id, draft };
            }
            let (answer, _) = watch.perform(&mut second, &step);
            let seen = watch.observe(&mut second, i, answer);
            if first_log[i] != seen {
                first.entries.iter().for_each(|entry| println!("1: {:?} {:?}", entry.author, entry.event));
                second.entries.iter().for_each(|entry| println!("2: {:?} {:?}", entry.author, entry.event));
            }
            assert_eq!(first_log[i], seen, "seed {seed}, step {i}, {}: {:?}", watch.reader, step.command);
            observed += seen.len();
        }
    }
    println!(
        "{PAIRS} pairs, {inserted} hidden entries, {altered} unseen messages, {observed} bytes observed: none differs"
    );
    assert!(inserted > 2000 && altered > 1000, "{inserted} {altered}");
}

struct Watch {
    cast: Cast,
    reader: OrganisationId,
    actors: Vec<Actor>,
}

impl Watch {
    /// Performs a step; tells the answer if it is the reader's, and whether it posted something that the reader does not see.
    fn perform(&self, room: &mut PureRoom, step: &Step) -> (String, bool) {
        room.advance_clock(step.after);
        let answer = room.perform(&step.caller, step.command.clone());
        let is_post = matches!(step.command, Command::Post { .. });
        let unseen = match &answer {
            Ok(entries) if is_post => self.actors.iter().all(|actor| {
                let reader = Reader::new(&room.state, actor);
                !reader.is_ok_and(|reader| is_visible(&room.state, reader.slot(), actor, entries[0].seq, room.now))
            }),
            Ok(_) | Err(_) => false,
        };
        // Its answers to writes hold ids and times only.
        let own = step.caller.organisation == self.reader;
        // The author of an own message sees it; its colleagues may not, and learn nothing of it.
        let told = if own { format!("{:?}", answer.map(|_| room.now)) } else { String::new() };
        (told, unseen && !own)
    }

    /// Everything that the reader can ask for.
    fn observe(&self, room: &mut PureRoom, step: usize, answer: String) -> String {
        let mut seen = answer;
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
            let Ok(reader) = Reader::new(state, actor) else {
                writeln!(seen, "{:?}", decide(state, &room.mailboxes, actor, Command::Leave, room.now))
                    .expect("a string takes all");
                continue;
            };
            writeln!(seen, "{:?} {:?}", roster(state, reader), self::room(state, reader)).expect("a string takes all");
            for name in [Name::Organisation(stranger.clone()), Name::Participant(participant(&stranger))] {
                let asked = (
                    consent(state, actor, Some(&name), room.now).err(),
                    reports(state, reader, Some(&name)).err(),
                    decide(
                        state,
                        &room.mailboxes,
                        actor,
                        Command::Remove { participant: name.clone(), reason: "r".into() },
                        room.now,
                    ),
                );
                writeln!(seen, "{asked:?}").expect("a string takes all");
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

    fn drafts(&self, step: usize, stranger: &OrganisationId) -> Vec<Draft> {
        let plain = Draft {
            material: Material::ALL[step % 3],
            tlp: Tlp::AmberStrict,
            text: "probe".into(),
            recipients: Vec::new(),
            red_actors: Vec::new(),
            coordinator_only: false,
            in_reply_to: None,
            occurred_at: None,
            supersedes: None,
            acknowledge_by: None,
        };
        let other = self.cast.others[step % self.cast.others.len()].clone();
        vec![
            plain.clone(),
            Draft { recipients: vec![Name::Organisation(stranger.clone())], ..plain.clone() },
            Draft { recipients: vec![Name::Participant(participant(stranger))], ..plain.clone() },
            Draft { recipients: vec![Name::Organisation(other)], ..plain.clone() },
            Draft { tlp: Tlp::Red, red_actors: vec![user(stranger, "eva")], ..plain.clone() },
            Draft { in_reply_to: Some(message(&format!("{}", step / 2))), ..plain },
        ]
    }

    /// Something that the reader may not see, nor anything that follows from it.
    fn hidden_step(&self, rng: &mut Rng, room: &PureRoom, label: &str) -> Step {
        let anna = user(&self.cast.coordinator, "anna");
        let x = organisation("hidden-x");
        let state = &room.state;
        let here =
            |o: &OrganisationId| state.slot(o).is_some_and(|slot| state.participant(slot).present_since.is_some());
        let others: Vec<_> = self.cast.others.iter().filter(|o| **o != self.reader).cloned().collect();
        let other = rng.pick(&others);
        let open = state.invitations().iter().find(|(_, open)| open.organisation == x).map(|(&id, _)| id);
        let (caller, command) = match rng.below(10) {
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
                        return self
                            .step(anna, Command::Remove { participant: Name::Organisation(x), reason: "r".into() });
                    }
                    2 => {
                        let role = rng.pick(&[Role::AffectedOrganisation, Role::ThirdParty, Role::Authority]);
                        return self.step(anna, Command::ChangeRole { participant: Name::Organisation(x), role });
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
            // Another answers for a third by name.
            7 => (user(&other, "eva"), self.name_a_third(rng, room, &other, &others)),
            8 => {
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
        };
        self.step(caller, command)
    }

    fn step(&self, caller: Actor, command: Command) -> Step {
        Step { after: 0, caller, command }
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

    /// `source` answers for somebody whom it is shown by name. A name that it isn't shown would cap what the reader gets, and
    /// so would a second answer lift such a cap: the reader may see the effect of that.
    fn name_a_third(
        &self,
        rng: &mut Rng,
        room: &PureRoom,
        source: &OrganisationId,
        others: &[OrganisationId],
    ) -> Command {
        let state = &room.state;
        let whom = rng.pick(others);
        let name = self.cast.name(rng, &whom);
        let answers = state.slot(source).map(|slot| &state.participant(slot).consent.named);
        let capped = answers.is_some_and(|named| named.iter().any(|n| n.name == name && n.bound.is_none()));
        let shown = state.slot(&whom).map(|slot| state.participant(slot)).is_some_and(|participant| {
            participant.present_since.is_some() && participant.attribution == Attribution::Named
        });
        let here = state.slot(source).is_some_and(|slot| state.participant(slot).present_since.is_some());
        if capped || !shown || !here || state.status() == Status::Closed {
            let report = Arc::new(IntakeReport::default());
            return Command::AmendReport { report, consent: None };
        }
        let sharing = rng.pick(&[Sharing::No, Sharing::Relay, Sharing::Direct]);
        let change =
            ConsentChange { named: vec![(name, rng.pick(&Material::ALL), sharing)], ..ConsentChange::default() };
        Command::GiveConsent { change: Arc::new(change), expected_version: None }
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
