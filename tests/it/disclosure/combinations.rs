//! All combinations of role, consent, attribution and TLP: the core against the naive model.

use std::sync::Arc;

use samverkan::room::consent::{ConsentChange, Name};
use samverkan::room::event::{Event, Message};
use samverkan::room::ids::{Actor, Timestamp};
use samverkan::room::words::{Answer, Attribution, Audience, Material, Role, Sharing, Tlp};

use super::compare;
use crate::histories::{MINUTE, message, organisation, participant, user};
use crate::model::Model;
use crate::pure::PureRoom;

/// One room per combination: the source answers, then the reader comes, or the other way round; then every kind of message.
#[test]
fn every_combination_of_role_consent_attribution_and_tlp_is_decided_like_the_model() {
    use Attribution::{Hidden, Named, Pseudonym};
    let named_answers = [None, Some(Sharing::No), Some(Sharing::Relay), Some(Sharing::Direct)];
    let (mut decisions, mut shown) = (0u64, 0u64);
    for role in [Role::AffectedOrganisation, Role::ThirdParty, Role::Authority] {
        for sharing in [Sharing::NotAnswered, Sharing::No, Sharing::Relay, Sharing::Direct] {
            for named in named_answers {
                for (source, reader) in
                    [Hidden, Pseudonym, Named].map(|s| [Hidden, Pseudonym, Named].map(|r| (s, r))).concat()
                {
                    for newcomers in [Answer::NotAnswered, Answer::No, Answer::Yes] {
                        for reader_first in [true, false] {
                            let room = combination(role, sharing, named, source, reader, newcomers, reader_first);
                            let mut model = Model::default();
                            room.entries.iter().for_each(|entry| model.add(entry));
                            for actor in combination_readers() {
                                for n in 0..room.entries.len() {
                                    decisions += 1;
                                    shown += u64::from(compare(&room, &model, &actor, n).unwrap_or_else(|why| {
                                        panic!(
                                            "{role:?}, class {sharing:?}, named {named:?}, source {source:?}, reader {reader:?}, \
                                             newcomers {newcomers:?}, reader first {reader_first}: {why}"
                                        )
                                    }));
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    println!("{decisions} decisions over all combinations, {shown} shown, none differs");
}

fn combination_readers() -> Vec<Actor> {
    let o = organisation;
    vec![
        user(&o("cert-se"), "anna"),
        user(&o("cert-se"), "olle"),
        user(&o("source"), "eva"),
        user(&o("source"), "ulf"),
        user(&o("reader"), "eva"),
        user(&o("reader"), "ulf"),
        user(&o("bystander"), "eva"),
    ]
}

fn combination(
    role: Role,
    sharing: Sharing,
    named: Option<Sharing>,
    source: Attribution,
    reader: Attribution,
    newcomers: Answer,
    reader_first: bool,
) -> PureRoom {
    let mut room = PureRoom::new(Timestamp(MINUTE));
    let o = organisation;
    let anna = user(&o("cert-se"), "anna");
    let eva = user(&o("source"), "eva");
    let admit = |room: &mut PureRoom, who: &str, role, attribution| {
        let event = Event::ParticipantAdmitted {
            organisation: o(who),
            participant: participant(&o(who)),
            role,
            attribution,
            invitation: None,
        };
        room.append(Some(&anna), event);
    };
    let opened = Event::RoomOpened { coordinator: o("cert-se"), title: "t".into(), terms: "t".into() };
    room.append(Some(&anna), opened);
    admit(&mut room, "cert-se", Role::Coordinator, Attribution::Named);
    admit(&mut room, "source", Role::AffectedOrganisation, source);
    admit(&mut room, "bystander", Role::ThirdParty, Attribution::Pseudonym);
    if reader_first {
        admit(&mut room, "reader", role, reader);
    }
    let cells = Audience::ALL.map(|audience| (Material::Logs, audience, sharing)).to_vec();
    let named = named.map(|sharing| (Name::Participant(participant(&o("reader"))), Material::Logs, sharing));
    let newcomers = Audience::ALL.map(|audience| (audience, newcomers)).to_vec();
    let change = ConsentChange { cells, named: named.into_iter().collect(), newcomers, ..ConsentChange::default() };
    room.append(Some(&eva), Event::ConsentGiven { organisation: o("source"), change: Arc::new(change) });
    if !reader_first {
        admit(&mut room, "reader", role, reader);
    }
    for poster in [&eva, &anna] {
        for material in [Material::Logs, Material::Data] {
            for tlp in [Tlp::Clear, Tlp::Green, Tlp::Amber, Tlp::AmberStrict, Tlp::Red] {
                for narrowed in 0..4 {
                    let n = room.entries.len();
                    let mut posted = Message {
                        id: message(&n.to_string()),
                        material,
                        tlp,
                        text: "text".into(),
                        recipients: Vec::new(),
                        red_actors: Vec::new(),
                        coordinator_only: false,
                        in_reply_to: (narrowed == 3).then(|| message(&(n - 2).to_string())),
                        occurred_at: None,
                        supersedes: None,
                        acknowledge_by: None,
                        attachments: Vec::new(),
                        file: None,
                    };
                    match (tlp, narrowed) {
                        (Tlp::Red, 0) => posted.red_actors = vec![user(&o("reader"), "eva")],
                        (Tlp::Red, 1) => {
                            posted.red_actors = vec![user(&o("bystander"), "eva"), user(&o("source"), "ulf")]
                        }
                        (Tlp::Red, _) => {
                            posted.red_actors = vec![user(&o("cert-se"), "olle"), user(&o("reader"), "ulf")]
                        }
                        (_, 1) => posted.recipients = vec![o("reader")],
                        (_, 2) => posted.recipients = vec![o("bystander")],
                        (_, 3) => posted.coordinator_only = true,
                        (_, _) => {}
                    }
                    let organisation = poster.organisation.clone();
                    room.append(Some(poster), Event::MessagePosted { organisation, message: Arc::new(posted) });
                }
            }
        }
    }
    room
}
