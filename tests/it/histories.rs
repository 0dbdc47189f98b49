//! Random histories of one room: who could wish what next. Reproducible: the same seed gives the same history.
//!
//! Ids are digests of names, so that two histories that differ in something hidden agree in every id that both have.

use std::sync::Arc;

use samverkan::room::consent::{ConsentChange, ExpiryChange, Name, Scope};
use samverkan::room::event::{Command, Draft, IntakeReport, OpenRoom};
use samverkan::room::ids::{Actor, ActorKind, InvitationId, MessageId, OrganisationId, ParticipantId, Timestamp};
use samverkan::room::state::Status;
use samverkan::room::words::{Answer, Attribution, Audience, Material, PoliceAnswer, Role, Sharing, Tlp};
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
}

impl Default for Cast {
    fn default() -> Self {
        Self {
            coordinator: organisation("cert-se"),
            others: ["region-a", "region-b", "muni-c", "vendor-v", "police-p"].map(organisation).to_vec(),
            strangers: vec![organisation("nobody-n")],
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
        let after = if rng.chance(40) { 0 } else { rng.below(4) as i64 * MINUTE };
        let (caller, command) = self.wish(rng, room, label, room.now.0 + after);
        Step { after, caller, command }
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
        if !absent.is_empty() && rng.chance(30) {
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
        let command = match rng.below(100) {
            0..=2 => Command::Leave,
            3..=4 => return (anna, Command::Remove { participant: self.name(rng, &other), reason: "r".into() }),
            5 => return (anna, Command::RemoveSuspended { organisation: other }),
            6..=10 => {
                return (
                    anna,
                    Command::ChangeRole { participant: self.name(rng, &other), role: self.role(rng, &other) },
                );
            }
            11..=12 => return (anna, Command::Close),
            13..=16 => Command::AmendReport {
                report: Arc::new(IntakeReport { what_occurred: label.into(), ..IntakeReport::default() }),
                consent: rng.chance(40).then(|| Arc::new(self.change(rng, now))),
            },
            17..=36 => Command::GiveConsent { change: Arc::new(self.change(rng, now)), expected_version: None },
            37..=44 => Command::WithdrawConsent(self.scope(rng)),
            _ => {
                let draft = self.draft(rng, room, label);
                Command::Post { message: message(label), draft: Arc::new(draft) }
            }
        };
        (by, command)
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
        if rng.chance(15) {
            all = self.strangers.clone();
        }
        let of = rng.pick(&all);
        self.name(rng, &of)
    }

    fn scope(&self, rng: &mut Rng) -> Scope {
        match rng.below(5) {
            0 => Scope::All,
            1 => Scope::Material(rng.pick(&Material::ALL)),
            2 => Scope::Audience(rng.pick(&Audience::ALL)),
            _ => Scope::Named(self.any_name(rng)),
        }
    }

    /// A change of consent that shares more often than not.
    pub(crate) fn change(&self, rng: &mut Rng, now: i64) -> ConsentChange {
        use Sharing::{Direct, No, NotAnswered, Relay};
        let sharings = [Direct, Direct, Direct, Direct, Relay, No, NotAnswered];
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
        change.police = rng.chance(5).then_some(PoliceAnswer::CoordinatorMayForward);
        change.expiry = match rng.below(10) {
            0 | 1 => ExpiryChange::At(Timestamp(now + (1 + rng.below(15) as i64) * MINUTE)),
            2 => ExpiryChange::Never,
            _ => ExpiryChange::Keep,
        };
        change
    }

    /// A message as somebody could wish it.
    pub(crate) fn draft(&self, rng: &mut Rng, room: &PureRoom, label: &str) -> Draft {
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
        };
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
