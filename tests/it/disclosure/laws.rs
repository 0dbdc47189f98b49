//! Laws that hold whatever happens.

use std::sync::Arc;

use samverkan::room::consent::{Name, Scope};
use samverkan::room::disclose::{Disclosure, Reader, disclose, invitations, preview, roster};
use samverkan::room::event::{Command, Event, IntakeReport, Message};
use samverkan::room::ids::{Index, Timestamp};
use samverkan::room::mailbox::{Mailboxes, Range};
use samverkan::room::refusal::Refusal;
use samverkan::room::state::{RoomState, fold};
use samverkan::room::words::{Attribution, Audience, Material, Role, Tlp};

use super::{is_shown, plain, withdraw};
use crate::histories::{Cast, MINUTE, Rng, invitation, message, participant, service, user};
use crate::pure::PureRoom;

fn random_room(seed: u64, steps: usize) -> (PureRoom, Rng, Cast) {
    let mut rng = Rng(seed);
    let cast = Cast::default();
    let mut room = PureRoom::new(Timestamp(MINUTE));
    for i in 0..steps {
        let step = if i == 0 { cast.open(&mut rng) } else { cast.step(&mut rng, &room, &format!("{i}")) };
        room.advance_clock(step.after);
        // Refusals are part of the game.
        drop(room.perform(&step.caller, step.command));
    }
    (room, rng, cast)
}

/// R3: same entries, same state, wherever the log is cut, and however it is fed.
#[test]
fn r3_state_is_a_pure_fold_of_the_log_from_any_snapshot() {
    for seed in 0..60 {
        let (room, mut rng, _) = random_room(seed, 60);
        let cut = rng.below(room.entries.len() + 1);
        let mut prefix = RoomState::default();
        room.entries[..cut].iter().for_each(|entry| fold(&mut prefix, entry));
        let snapshot = prefix.clone();
        let mut twice = snapshot;
        room.entries[cut..].iter().for_each(|entry| fold(&mut twice, entry));
        assert_eq!(twice, room.state, "seed {seed}, cut at {cut}");
    }
}

/// R5: taking consent back, in any scope, by anybody, or leaving, shows nobody anything more; neither of what was posted nor of
/// what is posted afterwards.
#[test]
fn r5_removing_consent_never_adds_a_reader() {
    let mut narrowed = 0;
    for seed in 0..150 {
        let (room, mut rng, cast) = random_room(1000 + seed, 50);
        for _ in 0..6 {
            let source = rng.pick(&cast.others);
            let other = rng.pick(&cast.others);
            let command = match rng.below(6) {
                0 => withdraw(Scope::All),
                1 => withdraw(Scope::Material(rng.pick(&Material::ALL))),
                2 => withdraw(Scope::Audience(rng.pick(&Audience::ALL))),
                3 => Command::Leave,
                _ => withdraw(Scope::Named(cast.name(&mut rng, &other))),
            };
            let mut after = room.clone();
            if after.perform(&user(&source, "eva"), command.clone()).is_err() {
                continue;
            }
            narrowed += 1;
            for actor in cast.readers() {
                for n in 0..room.entries.len() {
                    assert!(
                        is_shown(&room, &actor, n) || !is_shown(&after, &actor, n),
                        "seed {seed}: {source} {command:?} opened entry {n} to {actor}"
                    );
                }
            }
            // The same message before and after.
            for other_source in &cast.others {
                let material = rng.pick(&Material::ALL);
                let (mut room, mut after) = (room.clone(), after.clone());
                let draft = Arc::new(plain(material));
                let post = Command::Post { message: message("probe"), draft };
                let poster = user(other_source, "eva");
                let (Ok(posted), Ok(posted_after)) =
                    (room.perform(&poster, post.clone()), after.perform(&poster, post))
                else {
                    continue;
                };
                for actor in cast.readers() {
                    let n = |posted: &[Arc<samverkan::room::event::Entry>]| posted[0].seq.0 as usize;
                    assert!(
                        is_shown(&room, &actor, n(&posted)) || !is_shown(&after, &actor, n(&posted_after)),
                        "seed {seed}: after {source} {command:?}, {actor} gets {material:?} of {other_source}"
                    );
                }
            }
        }
    }
    println!("{narrowed} withdrawals and leavings opened nothing");
    assert!(narrowed > 300);
}

/// A program may narrow and withdraw. Whatever it is allowed to do, nobody gets more of its organisation's words afterwards.
#[test]
fn r5_what_a_program_may_do_never_adds_a_reader() {
    let (mut granted, mut refused) = (0, 0);
    for seed in 0..200 {
        let (room, mut rng, cast) = random_room(5000 + seed, 40);
        for source in &cast.others {
            let change = cast.change(&mut rng, room.now.0);
            let command = Command::GiveConsent { change: Arc::new(change.clone()), expected_version: None };
            let mut after = room.clone();
            match after.perform(&service(source), command) {
                Ok(_) => granted += 1,
                Err(Refusal::PersonRequired) => refused += 1,
                Err(_) => continue,
            }
            for material in Material::ALL {
                let (mut room, mut after) = (room.clone(), after.clone());
                let post = Command::Post { message: message("probe"), draft: Arc::new(plain(material)) };
                let poster = user(source, "eva");
                let (Ok(posted), Ok(posted_after)) =
                    (room.perform(&poster, post.clone()), after.perform(&poster, post))
                else {
                    continue;
                };
                for actor in cast.readers() {
                    assert!(
                        is_shown(&room, &actor, posted[0].seq.0 as usize)
                            || !is_shown(&after, &actor, posted_after[0].seq.0 as usize),
                        "seed {seed}: a program of {source} opened {material:?} to {actor} with {change:?}"
                    );
                }
            }
        }
    }
    println!("{granted} changes by programs were granted, {refused} refused");
    assert!(granted > 20 && refused > 20);
}

/// A preview says beforehand who would see the message.
#[test]
fn a_preview_is_what_happens_when_the_message_is_posted() {
    let mut compared = 0;
    for seed in 0..150 {
        let (room, mut rng, cast) = random_room(9000 + seed, 40);
        for source in &cast.others {
            let author = user(source, "eva");
            let Ok(reader) = Reader::new(&room.state, &author) else { continue };
            let draft = cast.draft(&mut rng, &room, "probe", source);
            let previewed = preview(&room.state, reader, &draft, room.now);
            let mut after = room.clone();
            let posted =
                after.perform(&author, Command::Post { message: message("probe"), draft: Arc::new(draft.clone()) });
            match (previewed, posted) {
                (Err(preview), Err(post)) => assert_eq!(preview, post, "seed {seed}"),
                (Ok(list), Ok(posted)) => {
                    for previewed in list.into_iter().map(|previewed| previewed.into_inner()) {
                        let (_, participant) = room
                            .state
                            .participants()
                            .find(|(_, participant)| participant.id == previewed.participant.id)
                            .expect("previewed, so in the room");
                        let persons = if draft.tlp == Tlp::Red {
                            draft
                                .red_actors
                                .iter()
                                .filter(|a| a.organisation == participant.organisation)
                                .cloned()
                                .collect()
                        } else {
                            vec![user(&participant.organisation, "eva")]
                        };
                        let n = posted[0].seq.0 as usize;
                        let own = participant.organisation == *source;
                        let sees = own || persons.iter().any(|person| is_shown(&after, person, n));
                        assert_eq!(
                            previewed.receives, sees,
                            "seed {seed}: {source} previewed {previewed:?} for {draft:?}"
                        );
                        compared += 1;
                    }
                }
                (previewed, posted) => panic!("seed {seed}: preview {previewed:?}, post {posted:?}"),
            }
        }
    }
    assert!(compared > 500, "{compared}");
}

/// R9, as far as the core holds it: delivery records put a mailbox back as it was, and it goes on as it would have.
#[test]
fn mailboxes_are_rebuilt_from_their_delivery_records() {
    for seed in 0..60 {
        let mut rng = Rng(20_000 + seed);
        let cast = Cast::default();
        let readers = cast.readers();
        let mut room = PureRoom::new(Timestamp(MINUTE));
        // What a log holds, in its order: entries, and records between them.
        let mut records: Vec<(usize, Range)> = Vec::new();
        for i in 0..60 {
            let step = if i == 0 { cast.open(&mut rng) } else { cast.step(&mut rng, &room, &format!("{i}")) };
            room.advance_clock(step.after);
            drop(room.perform(&step.caller, step.command));
            let (actor, max) = (rng.pick(&readers), 1 + rng.below(6));
            if let Ok(Some(range)) = room.deliver(&actor, max) {
                records.push((room.entries.len(), range));
            }
        }
        let (mut state, mut restored) = (RoomState::default(), Mailboxes::default());
        let mut records = records.into_iter().peekable();
        for (n, entry) in (1..).zip(&room.entries) {
            fold(&mut state, entry);
            restored.follow(&state, entry);
            while let Some((_, range)) = records.next_if(|(after, _)| *after == n) {
                restored.restore(&range).expect("records come back in the order in which they were made");
            }
        }
        let mut again = PureRoom { mailboxes: restored, ..room.clone() };
        for actor in &readers {
            for i in 0..=room.last_index(actor) + 1 {
                let item = |room: &PureRoom| {
                    room.mailboxes.get(actor).and_then(|m| m.item(Index(i)).map(|item| format!("{item:?}")))
                };
                assert_eq!(item(&again), item(&room), "seed {seed}: {actor} at {i}");
            }
            assert_eq!(again.last_index(actor), room.last_index(actor));
            assert_eq!(again.deliver(actor, 1000), room.deliver(actor, 1000), "seed {seed}: what {actor} gets next");
        }
    }
}

/// R3: no entry makes the fold, or anything that reads its state, fail; and what is counted as visible can be shown.
#[test]
fn r3_the_fold_takes_any_entry() {
    for seed in 0..200 {
        let mut rng = Rng(30_000 + seed);
        let cast = Cast::default();
        let readers = cast.readers();
        let mut room = PureRoom::new(Timestamp(MINUTE));
        for i in 0..40 {
            room.now = Timestamp(room.now.0 + rng.below(3) as i64 * MINUTE);
            let author = rng.chance(80).then(|| rng.pick(&readers));
            let event = junk(&mut rng, &cast, &room, i);
            room.append(author.as_ref(), event);
            for actor in &readers {
                for n in 0..room.entries.len() {
                    let Ok(reader) = Reader::new(&room.state, actor) else { continue };
                    let shown =
                        matches!(disclose(&room.state, reader, &room.entries[n], room.now), Disclosure::Show(_));
                    assert_eq!(
                        shown,
                        is_shown(&room, actor, n),
                        "seed {seed}: {actor}, entry {n}, {:?}",
                        room.entries[n].event
                    );
                }
                drop(invitations(&room.state, &actor.organisation));
                if let Ok(reader) = Reader::new(&room.state, actor) {
                    drop((roster(&room.state, reader), samverkan::room::disclose::room(&room.state, reader)));
                    drop(preview(&room.state, reader, &plain(Material::Logs), room.now));
                    room.deliver(actor, 3).expect("a reader reads");
                }
            }
        }
    }
}

fn junk(rng: &mut Rng, cast: &Cast, room: &PureRoom, i: usize) -> Event {
    let organisation =
        rng.pick(&[&cast.others[..], &cast.strangers[..], std::slice::from_ref(&cast.coordinator)].concat());
    let roles = [Role::Coordinator, Role::AffectedOrganisation, Role::ThirdParty, Role::Authority];
    let attributions = [Attribution::Hidden, Attribution::Pseudonym, Attribution::Named];
    match rng.below(15) {
        0 => Event::RoomOpened { coordinator: organisation, title: "t".into(), terms: "t".into() },
        1..=3 => Event::ParticipantAdmitted {
            participant: participant(&organisation),
            organisation,
            role: rng.pick(&roles),
            attribution: rng.pick(&attributions),
            invitation: rng.chance(50).then(|| invitation("x")),
        },
        4 => Event::AttributionRaised { organisation, attribution: rng.pick(&attributions[1..]) },
        5 => Event::OrganisationInvited {
            invitation: invitation("x"),
            participant: participant(&organisation),
            organisation,
            role: rng.pick(&roles),
        },
        6 => Event::InvitationDeclined { invitation: invitation("x"), organisation },
        7 => Event::ParticipantLeft { organisation },
        8 => Event::ParticipantRemoved { organisation, reason: "r".into() },
        9 => Event::RoleChanged { organisation, role: rng.pick(&roles) },
        10 => Event::ConsentGiven { organisation, change: Arc::new(cast.change(rng, room.now.0)) },
        11 => Event::ConsentWithdrawn {
            organisation: organisation.clone(),
            scope: Scope::Named(Name::Organisation(organisation)),
            recall: None,
        },
        12 => Event::ConsentExpired { organisation },
        13 => Event::ReportFiled { organisation, report: Arc::new(IntakeReport::default()) },
        _ => Event::MessagePosted {
            message: Arc::new(Message {
                id: message(&i.to_string()),
                material: rng.pick(&Material::ALL),
                tlp: rng.pick(&[Tlp::Amber, Tlp::Red]),
                text: "text".into(),
                recipients: if rng.chance(30) { cast.strangers.clone() } else { Vec::new() },
                red_actors: vec![rng.pick(&cast.readers())],
                coordinator_only: rng.chance(20),
                in_reply_to: Some(message(&rng.below(40).to_string())),
                occurred_at: None,
                supersedes: None,
                acknowledge_by: None,
                attachments: Vec::new(),
                file: None,
            }),
            organisation,
        },
    }
}
