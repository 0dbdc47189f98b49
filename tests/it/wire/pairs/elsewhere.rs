//! What there is beside the room of a pair: organisations, other rooms, invitations; in both histories, and hidden in the second.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use samverkan::api as pb;
use samverkan::room::consent::ConsentChange;
use samverkan::room::event::{Command, Draft, OpenRoom};
use samverkan::room::ids::{InvitationId, MessageId, OrganisationId, ParticipantId};
use samverkan::room::words::{Attribution, Audience, Material, Role, Sharing};
use uuid::Uuid;

use super::{Side, acts, main_room, request_id};
use crate::histories::{Rng, id_of, organisation, participant, plain_draft, user};
use crate::non_interference::Watch;

fn room(name: &str) -> Uuid {
    Uuid::from_bytes(id_of(&format!("room/{name}")))
}

/// The room of the pair, one that the reader left, one to which it is invited, one of others, a hidden one, none.
pub(super) fn rooms(main: Uuid) -> Vec<String> {
    let others = ["left", "invited", "foreign", "hidden", "unknown"].map(room);
    std::iter::once(main).chain(others).map(|room| room.to_string()).collect()
}

/// The reader, another by both of its names, the coordinator, the hidden by both, one that is only invited, and nobody.
pub(super) fn names(watch: &Watch, rng: &mut Rng) -> Vec<String> {
    let others: Vec<_> = watch.cast.others.iter().filter(|o| **o != watch.reader).cloned().collect();
    let (other, another) = (rng.pick(&others), rng.pick(&others));
    let hidden = organisation("hidden-x");
    vec![
        participant(&other).to_string(),
        another.to_string(),
        watch.reader.to_string(),
        watch.cast.coordinator.to_string(),
        hidden.to_string(),
        participant(&hidden).to_string(),
        "nobody-n".to_owned(),
        "unknown-u".to_owned(),
        request_id("nobody"),
    ]
}

/// What hidden acts say, and persons of others: these are told to their own organisation and the coordinator only.
pub(super) fn unheard(watch: &Watch) -> Vec<String> {
    let others = watch.cast.others.iter().filter(|o| **o != watch.reader).map(ToString::to_string);
    let persons = others.chain(["hidden-x".to_owned()]).map(|of| format!("org/{of}/"));
    let words = ["hidden-x AB", "text of hidden", "relay of hidden", "elsewhere", "Room hidden", "Room foreign"];
    persons.chain(words.map(str::to_owned)).collect()
}

/// A message of the room of others.
pub(super) fn message_elsewhere() -> String {
    MessageId::from_bytes(id_of("message/foreign")).to_string()
}

/// The reader's invitation to another room.
pub(super) fn open_invitation() -> String {
    invitation_to("invited").to_string()
}

fn invitation_to(name: &str) -> InvitationId {
    InvitationId::from_bytes(id_of(&format!("invitation/to/{name}")))
}

/// Everybody is registered, and there are other rooms; the second knows organisations that the first doesn't.
pub(super) async fn prepare(sides: &mut [Side; 2], watch: &Watch) {
    let [first, second] = sides;
    tokio::join!(common(first, watch), common(second, watch));
    for name in ["hidden-x", "nobody-n"] {
        second.register(&organisation(name), &format!("register/{name}")).await;
    }
}

async fn common(side: &mut Side, watch: &Watch) {
    for of in &watch.cast.others {
        side.register(of, &format!("register/{of}")).await;
    }
    for name in ["left", "invited", "foreign"] {
        open(side, watch, name).await;
    }
}

/// Opens a room with one of the others in it, who posts; the reader comes and goes, or is invited, or neither.
async fn open(side: &mut Side, watch: &Watch, name: &str) {
    let anna = user(&watch.cast.coordinator, "anna");
    let other = watch.cast.others.iter().find(|o| **o != watch.reader).expect("there are several").clone();
    let participant_in = |o: &OrganisationId| ParticipantId::from_bytes(id_of(&format!("participant/{name}/{o}")));
    let opening = OpenRoom {
        coordinator: watch.cast.coordinator.clone(),
        coordinator_participant: participant_in(&watch.cast.coordinator),
        title: format!("Room {name}").into(),
        terms: "Terms".into(),
        report: None,
    };
    let invite = |o: &OrganisationId, invitation: InvitationId| Command::Invite {
        invitation,
        organisation: o.clone(),
        role: Role::AffectedOrganisation,
        participant: participant_in(o),
    };
    let consent = Arc::new(ConsentChange {
        cells: vec![(Material::Logs, Audience::OtherAffectedOrganisations, Sharing::Direct)],
        attribution: Some(Attribution::Named),
        ..ConsentChange::default()
    });
    let post = |label: &str| {
        let message = MessageId::from_bytes(id_of(&format!("message/{label}")));
        Command::Post { message, draft: Arc::new(plain_draft(Material::Logs, &format!("text of {label}"))) }
    };
    let (theirs, eva) = (InvitationId::from_bytes(id_of(&format!("invitation/{name}"))), user(&other, "eva"));
    let mut acts = vec![
        (anna.clone(), Command::OpenRoom(opening)),
        (anna.clone(), invite(&other, theirs)),
        (eva.clone(), Command::AcceptInvitation { invitation: theirs, consent: consent.clone() }),
        (eva, post(name)),
    ];
    let (reader, own) = (user(&watch.reader, "eva"), invitation_to(name));
    if matches!(name, "left" | "invited") {
        acts.push((anna, invite(&watch.reader, own)));
    }
    if name == "left" {
        acts.push((reader.clone(), Command::AcceptInvitation { invitation: own, consent }));
        acts.push((reader.clone(), post("of the reader")));
        acts.push((reader, Command::Leave));
    }
    for (n, (caller, command)) in acts.iter().enumerate() {
        let label = format!("{name}/{n}");
        let act = acts::act(command, request_id(&label), room(name)).expect("it has a request");
        let done = side.call(caller, act.method, vec![act.request], &act.draws, &label).await;
        assert!(done.status.is_none(), "{label}: {:?}", done.status);
    }
}

/// Something outside the room of the pair, in the second history; what it was.
pub(super) async fn hidden_act(side: &mut Side, watch: &Watch, rng: &mut Rng, label: &str) -> &'static str {
    let anna = user(&watch.cast.coordinator, "anna");
    let other = watch.cast.others.iter().find(|o| **o != watch.reader).expect("there are several").clone();
    let is_open = side.hidden_room;
    if !is_open {
        side.hidden_room = true;
        open(side, watch, "hidden").await;
        return "OpenRoom elsewhere";
    }
    let label = format!("elsewhere {label}");
    match rng.below(3) {
        0 => {
            let request = pb::RecordConnectionRequest {
                request_id: request_id(&label),
                room_id: main_room().to_string(),
                other_room_id: room("hidden").to_string(),
                reason: "the same words in both".to_owned(),
            };
            let request = Bytes::from(request.encode_to_vec());
            side.call(&anna, "CoordinationService/RecordConnection", vec![request], &[], &label).await;
            "RecordConnection"
        }
        1 => {
            let (of, label) = (organisation(&format!("late-{}", rng.below(1 << 30))), format!("{label}/register"));
            side.register(&of, &label).await;
            "RegisterOrganisation"
        }
        _ => {
            let draft = Draft { coordinator_only: rng.chance(50), ..plain_draft(Material::Logs, &label) };
            let message = MessageId::from_bytes(id_of(&format!("message/{label}")));
            let command = Command::Post { message, draft: Arc::new(draft) };
            let place = rng.pick(&["foreign", "hidden", "invited", "left"]);
            let act = acts::act(&command, request_id(&label), room(place)).expect("it has a request");
            side.call(&user(&other, "eva"), act.method, vec![act.request], &act.draws, &label).await;
            "Post elsewhere"
        }
    }
}
