//! The history that both servers have, what the second has in its place, and how it ends.

use std::fmt::Write as _;
use std::sync::Arc;

use samverkan::room::consent::{ConsentChange, Name};
use samverkan::room::event::{Command, Draft, IntakeReport};
use samverkan::room::ids::{Actor, OrganisationId, Timestamp};
use samverkan::room::words::{Answer, Attribution, Audience, Material, Role, Sharing};

use super::STEPS;
use crate::histories::{Rng, Step, invitation, participant, user};
use crate::non_interference::Watch;
use crate::pure::PureRoom;

/// The first history, and all that its reader was shown of it.
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    seen: String,
}

impl Script {
    /// Draws one, on a core alone.
    pub(super) fn draw(watch: &Watch, rng: &mut Rng, now: i64) -> Self {
        let mut core = PureRoom::new(Timestamp(now));
        let mut script = Self { steps: Vec::new(), seen: String::new() };
        for i in 0..STEPS {
            let mut step = match i {
                0 => watch.cast.open(rng),
                SHOWS_ITSELF if rng.chance(75) => shows_itself(watch, rng),
                _ => watch.cast.step(rng, &core, &i.to_string()),
            };
            // What the reader itself does is a third of it.
            let mut more = if i > SHOWS_ITSELF && rng.chance(30) { 8 } else { 0 };
            while more > 0 && step.caller.organisation != watch.reader {
                step = watch.cast.step(rng, &core, &i.to_string());
                more -= 1;
            }
            if let Command::OpenRoom(open) = &mut step.command
                && let Some(opening) = &mut open.report
            {
                // The wire wants at least one answer.
                opening.report = Arc::new(IntakeReport { what_occurred: "x".into(), ..IntakeReport::default() });
            }
            core.advance_clock(step.after);
            drop(core.perform(&step.caller, step.command.clone()));
            for (n, who) in watch.cast.readers().iter().enumerate() {
                if (i + n).is_multiple_of(6) {
                    drop(core.deliver(who, 10_000));
                }
            }
            for who in &watch.actors {
                write!(script.seen, "{:?}", core.read(who, 0, 10_000)).expect("a string takes all");
            }
            script.steps.push(step);
        }
        script
    }

    /// What another than the reader does in the second history: the same, or its message has other words; nothing, if it is not there.
    pub(super) fn in_second(&self, i: usize, reader: &OrganisationId, rng: &mut Rng) -> Option<Command> {
        let Command::Post { message, draft } = &self.steps[i].command else {
            return Some(self.steps[i].command.clone());
        };
        let id = format!("{message:?}");
        let later = &self.steps[i + 1..];
        let by_reader = |step: &&Step| step.caller.organisation == *reader;
        if self.seen.contains(&id) || later.iter().filter(by_reader).any(|step| mentions(&step.command, &id)) {
            return Some(self.steps[i].command.clone());
        }
        // Without what stands for it, the old message would not have fallen.
        if draft.supersedes.is_none() && !later.iter().any(|step| mentions(&step.command, &id)) && rng.chance(40) {
            return None;
        }
        let text = format!("{} and more that is not for {reader}", draft.text).into();
        let draft = Draft { text, occurred_at: Some(Timestamp(5)), ..(**draft).clone() };
        Some(Command::Post { message: *message, draft: Arc::new(draft) })
    }
}

/// The step at which most readers can be told to be there, and share.
const SHOWS_ITSELF: usize = 15;

fn shows_itself(watch: &Watch, rng: &mut Rng) -> Step {
    let change = ConsentChange {
        cells: vec![(Material::Logs, Audience::OtherAffectedOrganisations, Sharing::Direct)],
        newcomers: vec![(Audience::OtherAffectedOrganisations, Answer::Yes)],
        attribution: Some(rng.pick(&[Attribution::Pseudonym, Attribution::Named])),
        ..ConsentChange::default()
    };
    let command = Command::GiveConsent { change: Arc::new(change), expected_version: None };
    Step { after: 0, caller: user(&watch.reader, "eva"), command }
}

fn mentions(command: &Command, id: &str) -> bool {
    let of_draft = match command {
        Command::Post { draft, .. } => format!("{:?} {:?}", draft.in_reply_to, draft.supersedes),
        _ => String::new(),
    };
    format!("{command:?} {of_draft}").contains(id)
}

/// What both histories end with, by the number of the pair: the reader leaves; it is removed and only invited; it is what it was.
pub(super) fn last_acts(watch: &Watch, seed: u64) -> Vec<(Actor, Command)> {
    let anna = user(&watch.cast.coordinator, "anna");
    let reader = watch.reader.clone();
    let leave = (user(&reader, "eva"), Command::Leave);
    let invite = Command::Invite {
        invitation: invitation("last"),
        organisation: reader.clone(),
        role: Role::AffectedOrganisation,
        participant: participant(&reader),
    };
    let role = |role| (anna.clone(), Command::ChangeRole { participant: Name::Organisation(reader.clone()), role });
    match seed % 6 {
        0 => vec![leave],
        1 => {
            let remove = Command::Remove { participant: Name::Organisation(reader), reason: "r".into() };
            vec![(anna.clone(), remove), (anna, invite)]
        }
        2 => vec![role(Role::ThirdParty)],
        3 => vec![role(Role::AffectedOrganisation)],
        4 => vec![role(Role::Authority)],
        _ => Vec::new(),
    }
}

/// What the reader is in the room.
pub(super) fn standing(core: &PureRoom, reader: &OrganisationId) -> &'static str {
    let slot = core.state.slot(reader);
    let here = slot.map(|slot| core.state.participant(slot)).filter(|reader| reader.present_since.is_some());
    let invited = core.state.invitations().values().any(|open| open.organisation == *reader);
    match here.map(|reader| reader.role) {
        Some(Role::AffectedOrganisation) => "affected organisation",
        Some(Role::ThirdParty) => "third party",
        Some(Role::Authority) => "authority",
        Some(Role::Coordinator) => "coordinator",
        None if invited && slot.is_some() => "has left, and is invited again",
        None if invited => "invited only",
        None if slot.is_some() => "has left",
        None => "never was there",
    }
}

/// Where two answers part, for people.
pub(super) fn differing(first: &[u8], second: &[u8]) -> String {
    let at = first.iter().zip(second).take_while(|(a, b)| a == b).count();
    let part = |bytes: &[u8]| {
        let (from, to) = (at.saturating_sub(300).min(bytes.len()), (at + 300).min(bytes.len()));
        bytes[from..to].escape_ascii().to_string()
    };
    format!("{} and {} bytes\n first: …{}\nsecond: …{}", first.len(), second.len(), part(first), part(second))
}
