//! What the consents in force allow whom. One question: what does this source permit this reader, and since when without a break?
//!
//! A child of `state`. Upholds: R3, R5 (the running rule's bookkeeping), R6.

use super::{BROKEN, RoomState};
use crate::room::consent::{Name, Scope, Slot};
use crate::room::ids::{Seq, Timestamp};
use crate::room::mutant::{Mutant, is_on};
use crate::room::state::Fall;
use crate::room::words::{Answer, Audience, Material, Sharing};

/// What a message needs of its source's consent: a relay of it, or itself.
#[derive(Clone, Copy)]
enum Need {
    Relay,
    Direct,
}

impl RoomState {
    pub(super) fn is_in(&self, slot: Slot, audience: Audience) -> bool {
        self.is_present(slot) && self.participant(slot).role.audience() == Some(audience)
    }

    /// What `source` allows `reader` for this material, expiry and hiding apart.
    pub(in crate::room) fn permits(&self, source: Slot, reader: Slot, material: Material) -> Sharing {
        let consent = &self.participant(source).consent;
        let o = self.participant(reader);
        if let Some(sharing) = self.bound_answer(source, reader, material) {
            // What was said under its name before the source was shown that this is its name still narrows.
            return self.capped(source, material, |name| o.is_shown_as(name)).unwrap_or(sharing).min(sharing);
        }
        let Some(audience) = o.role.audience() else { return Sharing::No };
        let cell = consent.cell(material, audience);
        if !cell.covered.contains(reader) && consent.newcomers[audience as usize] != Answer::Yes {
            return Sharing::No;
        }
        let cap = self.capped(source, material, |name| o.may_be(name));
        cap.unwrap_or(cell.sharing).min(cell.sharing)
    }

    /// Whether `source` has said `no` to the reader by name, or by a name that may be the reader's.
    pub(in crate::room) fn is_named_no(&self, source: Slot, reader: Slot, material: Material) -> bool {
        let o = self.participant(reader);
        let no = Some(Sharing::No);
        if is_on(Mutant::NamedNoIsReleasedTo) {
            return false;
        }
        self.bound_answer(source, reader, material) == no || self.capped(source, material, |name| o.may_be(name)) == no
    }

    fn bound_answer(&self, source: Slot, reader: Slot, material: Material) -> Option<Sharing> {
        let mut named = self.participant(source).consent.named.iter();
        named.find(|named| named.bound == Some(reader)).and_then(|named| named.sharing[material as usize])
    }

    /// The least of what was answered under names that nobody was shown by.
    fn capped(&self, source: Slot, material: Material, may_be: impl Fn(&Name) -> bool) -> Option<Sharing> {
        let named = self.participant(source).consent.named.iter();
        let caps = named.filter(|named| named.bound.is_none() && may_be(&named.name));
        caps.filter_map(|named| named.sharing[material as usize]).min()
    }

    /// Since when `reader` may have seen what `source` shares directly, without a break until now.
    pub(in crate::room) fn direct_since(
        &self,
        source: Slot,
        reader: Slot,
        material: Material,
        now: Timestamp,
    ) -> Option<Seq> {
        self.since(source, reader, Need::Direct, material, now)
    }

    /// Since when `reader` may have been shown a coordinator's words about `source`'s material, without a break until now.
    pub(in crate::room) fn relay_since(
        &self,
        source: Slot,
        reader: Slot,
        material: Material,
        now: Timestamp,
    ) -> Option<Seq> {
        self.since(source, reader, Need::Relay, material, now)
    }

    fn since(&self, source: Slot, reader: Slot, need: Need, material: Material, now: Timestamp) -> Option<Seq> {
        let since = self.ok_since[source.index()][reader.index()][need as usize][material as usize];
        (since != BROKEN && !self.participant(source).consent.is_expired(now)).then_some(since)
    }

    fn holds(&self, source: Slot, reader: Slot, need: Need, material: Material) -> bool {
        let may = |least| self.permits(source, reader, material) >= least;
        source != reader
            && self.is_present(reader)
            && match need {
                Need::Relay => may(Sharing::Relay),
                Need::Direct => !self.is_hidden(reader) && !self.is_hidden(source) && may(Sharing::Direct),
            }
    }

    fn refresh(&mut self, source: Slot, reader: Slot, at: Seq) {
        for need in [Need::Relay, Need::Direct] {
            for material in Material::ALL {
                let holds = self.holds(source, reader, need, material);
                let since = &mut self.ok_since[source.index()][reader.index()][need as usize][material as usize];
                match (holds, *since == BROKEN) {
                    (true, true) => *since = at,
                    (false, false) => *since = BROKEN,
                    (true, false) | (false, true) => {}
                }
            }
        }
    }

    pub(super) fn refresh_source(&mut self, source: Slot, at: Seq) {
        for reader in 0..self.participants.len() as u16 {
            self.refresh(source, Slot(reader), at);
        }
    }

    pub(super) fn refresh_reader(&mut self, reader: Slot, at: Seq) {
        for source in 0..self.participants.len() as u16 {
            self.refresh(Slot(source), reader, at);
        }
    }

    pub(super) fn end_expired(&mut self, now: Timestamp) {
        if self.next_due.is_none_or(|at| at > now) {
            return;
        }
        for source in 0..self.participants.len() as u16 {
            if self.participants[usize::from(source)].consent.is_expired(now) {
                self.end_consent(Slot(source), &Scope::All, self.next);
            }
        }
    }

    pub(super) fn end_consent(&mut self, source: Slot, scope: &Scope, at: Seq) {
        let bound = match scope {
            Scope::Named(name) => self.bind(source, name),
            Scope::All | Scope::Material(_) | Scope::Audience(_) => None,
            Scope::Message(message) => return self.fall_of(source, *message, Fall::Withdrawn),
        };
        self.end_openings(source, scope, bound);
        let mut consent = std::mem::take(&mut self.participants[source.index()].consent);
        consent.end(scope, |slot, audience| self.is_in(slot, audience), bound);
        self.participants[source.index()].consent = consent;
        self.find_next_due();
        self.refresh_source(source, at);
    }

    /// Consent for a class covers a participant for as long as it stays in the class as it was.
    pub(super) fn uncover(&mut self, reader: Slot) {
        for source in &mut self.participants {
            source.consent.cells.iter_mut().flatten().for_each(|cell| cell.covered.remove(reader));
        }
    }
}
