//! Sharing consent: what one organisation answered, and what a change or a withdrawal makes of it.
//!
//! Leans on: `words`, `ids`. Upholds: R5, R6 (with `state`, which keeps since when a sharing has held). Tested in `tests/it/disclosure.rs`.

use super::ids::{MessageId, OrganisationId, ParticipantId, Timestamp};
use super::mutant::{Mutant, is_on};
use super::words::{Answer, Attribution, Audience, Material, PoliceAnswer, Sharing};

/// A participant's number within one room, in the order of first admission. Never leaves the server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(pub u16);

impl Slot {
    /// As an index into a list of participants.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A set of slots.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Slots(Vec<u64>);

impl Slots {
    /// Whether the slot is in the set.
    pub fn contains(&self, slot: Slot) -> bool {
        self.0.get(slot.index() / 64).is_some_and(|word| word & (1 << (slot.index() % 64)) != 0)
    }

    /// Adds the slot.
    pub fn insert(&mut self, slot: Slot) {
        let word = slot.index() / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (slot.index() % 64);
    }

    /// Takes the slot out.
    pub fn remove(&mut self, slot: Slot) {
        if let Some(word) = self.0.get_mut(slot.index() / 64) {
            *word &= !(1 << (slot.index() % 64));
        }
    }
}

impl FromIterator<Slot> for Slots {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut set = Self::default();
        slots.into_iter().for_each(|slot| set.insert(slot));
        set
    }
}

/// A participant as somebody calls it: by organisation id, or by the participant id that it is shown under.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Name {
    /// By its organisation id.
    Organisation(OrganisationId),
    /// By its participant id.
    Participant(ParticipantId),
}

/// One answer of the grid, and whom it covers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cell {
    /// The answer.
    pub sharing: Sharing,
    /// The participants of this class when the answer was given, or given anew without narrowing it, for as long as they have
    /// stayed in it.
    pub covered: Slots,
}

/// What was answered for one named participant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// As the source wrote it.
    pub name: Name,
    /// The participant that was shown under this name when it was used, for good: its answer replaces the class.
    /// `None`: nobody was, so the answer can only narrow what the class gives.
    pub bound: Option<Slot>,
    /// By material. `None`: the class decides.
    pub sharing: [Option<Sharing>; 3],
}

/// What one organisation allows in one room, now.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Consent {
    /// How often it was changed; 0 is never.
    pub version: u64,
    /// Material × audience.
    pub cells: [[Cell; 2]; 3],
    /// By name, in the order of first use.
    pub named: Vec<Named>,
    /// By audience: whether the class includes who joins it, comes back or becomes visible later.
    pub newcomers: [Answer; 2],
    /// Whether the police is to be told.
    pub police: PoliceAnswer,
    /// From this moment on everything is `no`.
    pub expires_at: Option<Timestamp>,
}

/// What a consent sets; whatever it does not list stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConsentChange {
    /// Answers of the grid.
    pub cells: Vec<(Material, Audience, Sharing)>,
    /// Answers for named participants; `NotAnswered` hands the decision back to the class.
    pub named: Vec<(Name, Material, Sharing)>,
    /// Whether newcomers of a class are included.
    pub newcomers: Vec<(Audience, Answer)>,
    /// How the organisation appears to the others.
    pub attribution: Option<Attribution>,
    /// Whether the police is to be told.
    pub police: Option<PoliceAnswer>,
    /// When it all ends.
    pub expiry: ExpiryChange,
}

/// What a change does to the expiry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ExpiryChange {
    /// Leaves it.
    #[default]
    Keep,
    /// Consent holds until it is withdrawn.
    Never,
    /// Consent ends at this moment.
    At(Timestamp),
}

/// What a withdrawal covers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Everything.
    All,
    /// One material, for everybody.
    Material(Material),
    /// One audience and the named organisations that are in it now, all materials.
    Audience(Audience),
    /// One participant, all materials: from now on it is named with `no`.
    Named(Name),
    /// One message, for everybody.
    Message(MessageId),
}

impl Consent {
    /// The answer of the grid.
    pub fn cell(&self, material: Material, audience: Audience) -> &Cell {
        &self.cells[material as usize][audience as usize]
    }

    /// Whether the expiry has come.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now && !(is_on(Mutant::ExpiryOneLate) && at == now))
    }

    /// Whether `change` could let anybody see more. Who may only narrow may not make such a change. `bind` tells who is shown to
    /// the source under a name. It depends on nothing that the source can't see.
    pub fn is_widened_by(
        &self,
        change: &ConsentChange,
        attribution: Attribution,
        bind: impl Fn(&Name) -> Option<Slot>,
    ) -> bool {
        let wider = |new: Sharing, old: Sharing| new > old.max(Sharing::No);
        change.cells.iter().any(|&(material, audience, new)| {
            let old = self.cell(material, audience).sharing;
            // The same answer again covers who has joined since, unless it covers them anyway.
            let again = new == old && new > Sharing::No && self.newcomers[audience as usize] != Answer::Yes;
            again || wider(new, old)
        }) || change.named.iter().any(|(name, material, new)| {
            let bound = bind(name);
            let same = |named: &&Named| named.name == *name || bound.is_some() && named.bound == bound;
            let answered = |named: &Named| named.sharing[*material as usize];
            let old = self.named.iter().filter(same).filter_map(answered).min();
            // What was said under a name that nobody was shown by caps others, too; now that it is shown, that ends.
            let lifts = |named: &Named| named.name == *name && named.bound.is_none() && answered(named).is_some();
            match new {
                Sharing::NotAnswered => old.is_some(),
                Sharing::No | Sharing::Relay | Sharing::Direct => {
                    wider(*new, old.unwrap_or(Sharing::No)) || bound.is_some() && self.named.iter().any(lifts)
                }
            }
        }) || change
            .newcomers
            .iter()
            .any(|&(audience, new)| new == Answer::Yes && self.newcomers[audience as usize] != Answer::Yes)
            || change.attribution.is_some_and(|new| new > attribution)
            || change.police.is_some_and(|new| {
                new == PoliceAnswer::CoordinatorMayForward && self.police != PoliceAnswer::CoordinatorMayForward
            })
            || match (change.expiry, self.expires_at) {
                (ExpiryChange::Keep, _) | (ExpiryChange::Never, None) | (ExpiryChange::At(_), None) => false,
                (ExpiryChange::Never, Some(_)) => true,
                (ExpiryChange::At(new), Some(old)) => new > old,
            }
    }

    /// Sets what the change lists. `in_class` tells who is in an audience now; `bind` who is shown to the source under a name.
    pub(super) fn give(
        &mut self,
        change: &ConsentChange,
        in_class: impl Fn(Audience) -> Slots,
        bind: impl Fn(&Name) -> Option<Slot>,
    ) {
        self.version += 1;
        for &(material, audience, sharing) in &change.cells {
            let cell = &mut self.cells[material as usize][audience as usize];
            // Narrowing an answer covers nobody whom it did not cover.
            if sharing >= cell.sharing {
                cell.covered = in_class(audience);
            }
            cell.sharing = sharing;
        }
        for (name, material, sharing) in &change.named {
            let bound = bind(name);
            // The newest answer under a name replaces what was said under it while nobody was shown by it.
            for named in self.named.iter_mut().filter(|named| named.bound.is_none() && named.name == *name) {
                named.sharing[*material as usize] = None;
            }
            self.set_named(name, bound, *material, *sharing);
        }
        self.named.retain(|named| named.sharing != [None; 3]);
        for &(audience, answer) in &change.newcomers {
            self.newcomers[audience as usize] = answer;
        }
        if let Some(police) = change.police {
            self.police = police;
        }
        match change.expiry {
            ExpiryChange::Keep => {}
            ExpiryChange::Never => self.expires_at = None,
            ExpiryChange::At(at) => self.expires_at = Some(at),
        }
    }

    fn set_named(&mut self, name: &Name, bound: Option<Slot>, material: Material, sharing: Sharing) {
        let sharing = match sharing {
            Sharing::NotAnswered => None,
            Sharing::No | Sharing::Relay | Sharing::Direct => Some(sharing),
        };
        // The same organisation may be known by its id and, from before, by its participant id: one organisation, one answer.
        let same = |named: &Named| named.bound == bound && (bound.is_some() || named.name == *name);
        match self.named.iter_mut().find(|named| same(named)) {
            Some(named) => named.sharing[material as usize] = sharing,
            None => {
                let mut named = Named { name: name.clone(), bound, sharing: [None; 3] };
                named.sharing[material as usize] = sharing;
                self.named.push(named);
            }
        }
    }

    /// Turns every sharing that the scope covers into `no`. `is_in` tells whether a participant is in an audience now.
    /// `bound` is who is shown to the source under the name of [`Scope::Named`].
    pub(super) fn end(&mut self, scope: &Scope, is_in: impl Fn(Slot, Audience) -> bool, bound: Option<Slot>) {
        self.version += 1;
        for material in Material::ALL {
            for audience in Audience::ALL {
                let covered = match scope {
                    Scope::All => true,
                    Scope::Material(m) => *m == material,
                    Scope::Audience(a) => *a == audience,
                    Scope::Named(_) | Scope::Message(_) => false,
                };
                let cell = &mut self.cells[material as usize][audience as usize];
                if covered && cell.sharing > Sharing::No {
                    cell.sharing = Sharing::No;
                }
            }
            for named in &mut self.named {
                let covered = match scope {
                    Scope::All => true,
                    Scope::Material(m) => *m == material,
                    Scope::Audience(a) => named.bound.is_some_and(|slot| is_in(slot, *a)),
                    Scope::Named(_) | Scope::Message(_) => false,
                };
                if covered && named.sharing[material as usize] > Some(Sharing::No) {
                    named.sharing[material as usize] = Some(Sharing::No);
                }
            }
        }
        match scope {
            // What was said under this name while nobody was shown by it still caps the others: a withdrawal opens nothing.
            Scope::Named(name) => {
                for material in Material::ALL {
                    self.set_named(name, bound, material, Sharing::No);
                }
            }
            Scope::All => {
                self.newcomers = self.newcomers.map(|answer| answer.min(Answer::No));
                if self.police == PoliceAnswer::CoordinatorMayForward {
                    self.police = PoliceAnswer::No;
                }
                self.expires_at = None;
            }
            Scope::Audience(audience) => {
                let answer = &mut self.newcomers[*audience as usize];
                *answer = (*answer).min(Answer::No);
            }
            Scope::Material(_) | Scope::Message(_) => {}
        }
    }
}
