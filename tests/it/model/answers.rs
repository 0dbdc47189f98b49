//! What one organisation has answered at one moment.

use std::collections::BTreeMap;

use samverkan::room::consent::{ConsentChange, ExpiryChange, Name, Scope};
use samverkan::room::ids::Timestamp;
use samverkan::room::words::{Answer, Audience, Material, PoliceAnswer, Sharing};

use super::No;

#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    /// With the moment when it was last given (narrowing apart, which gives nothing).
    pub(super) classes: BTreeMap<(Material, Audience), (Sharing, usize)>,
    /// For an organisation that the source was shown under the name that it used.
    pub(super) named: BTreeMap<(No, Material), Sharing>,
    /// Under names that it was not shown.
    pub(super) caps: BTreeMap<(Name, Material), Sharing>,
    pub(super) newcomers: BTreeMap<Audience, Answer>,
    pub(super) police: PoliceAnswer,
    pub(super) expires_at: Option<Timestamp>,
}

impl Answers {
    pub(super) fn give(&mut self, change: &ConsentChange, at: usize, bind: impl Fn(&Name) -> Option<No>) {
        for &(material, audience, sharing) in &change.cells {
            let before = self.classes.get(&(material, audience)).copied();
            let given = match before {
                Some((before, given)) if sharing < before => given,
                Some(_) | None => at,
            };
            self.classes.insert((material, audience), (sharing, given));
        }
        for (name, material, sharing) in &change.named {
            self.caps.remove(&(name.clone(), *material));
            match (bind(name), sharing) {
                (Some(o), Sharing::NotAnswered) => drop(self.named.remove(&(o, *material))),
                (Some(o), _) => drop(self.named.insert((o, *material), *sharing)),
                (None, Sharing::NotAnswered) => {}
                (None, _) => drop(self.caps.insert((name.clone(), *material), *sharing)),
            }
        }
        self.newcomers.extend(change.newcomers.iter().copied());
        self.police = change.police.unwrap_or(self.police);
        match change.expiry {
            ExpiryChange::Keep => {}
            ExpiryChange::Never => self.expires_at = None,
            ExpiryChange::At(at) => self.expires_at = Some(at),
        }
    }

    pub(super) fn withdraw(
        &mut self,
        scope: &Scope,
        bind: impl Fn(&Name) -> Option<No>,
        is_in: impl Fn(No, Audience) -> bool,
    ) {
        match scope {
            Scope::All => self.end_all(),
            Scope::Material(material) => self.end(|m, _, _| m == *material),
            Scope::Audience(audience) => {
                self.end(|_, class, named| class == Some(*audience) || named.is_some_and(|o| is_in(o, *audience)));
                self.newcomers.entry(*audience).and_modify(|answer| *answer = (*answer).min(Answer::No));
            }
            Scope::Named(name) => {
                for material in Material::ALL {
                    match bind(name) {
                        Some(o) => self.named.insert((o, material), Sharing::No),
                        None => self.caps.insert((name.clone(), material), Sharing::No),
                    };
                }
            }
            Scope::Message(_) => {}
        }
    }

    /// Turns into `no` whatever the scope covers: (material, class, organisation by name).
    fn end(&mut self, covers: impl Fn(Material, Option<Audience>, Option<No>) -> bool) {
        for ((material, audience), (sharing, _)) in &mut self.classes {
            if covers(*material, Some(*audience), None) {
                *sharing = (*sharing).min(Sharing::No);
            }
        }
        for ((o, material), sharing) in &mut self.named {
            if covers(*material, None, Some(*o)) {
                *sharing = (*sharing).min(Sharing::No);
            }
        }
        for ((_, material), sharing) in &mut self.caps {
            if covers(*material, None, None) {
                *sharing = (*sharing).min(Sharing::No);
            }
        }
    }

    pub(super) fn end_all(&mut self) {
        self.end(|_, _, _| true);
        self.newcomers.values_mut().for_each(|answer| *answer = (*answer).min(Answer::No));
        if self.police == PoliceAnswer::CoordinatorMayForward {
            self.police = PoliceAnswer::No;
        }
        self.expires_at = None;
    }
}
