//! Does a change of consent take something back? Then it is never made to wait: whatever else is limited, narrowing is not.
//!
//! A change that takes nothing back now (it widens, it changes nothing, it sets an expiry) may be refused for a while. So whoever gives
//! and withdraws in a loop is slowed down by what it gives, and each withdrawal of what it was let give is taken at once. Upholds R6
//! under pressure. A child of `state`, since it asks what the fold would do. Tested in `engine/pressure.rs`.

use super::RoomState;
use crate::room::consent::{Consent, Scope, Slot};
use crate::room::event::Command;
use crate::room::ids::Actor;
use crate::room::words::{Answer, PoliceAnswer, Sharing};

impl RoomState {
    /// Whether the command is a change of consent that takes nothing back, or gives something.
    pub fn is_consent_that_can_wait(&self, caller: &Actor, command: &Command) -> bool {
        let Some(source) = self.slot(&caller.organisation) else { return false };
        let participant = self.participant(source);
        let before = &participant.consent;
        let mut after = before.clone();
        let ends_openings = if let Command::GiveConsent { change, expected_version: _ } = command {
            let bind = |name: &_| self.bind(source, name);
            if before.is_widened_by(change, participant.attribution, bind) {
                return true;
            }
            after.give(change, |_| Default::default(), bind);
            !self.narrowed_openings(source, change, &self.opened_by(source)).is_empty()
        } else if let Command::WithdrawConsent { scope, recall: _ } = command {
            let bound = match scope {
                Scope::Named(name) => self.bind(source, name),
                Scope::All | Scope::Material(_) | Scope::Audience(_) => None,
                // Deciding refuses one that has fallen already.
                Scope::Message(_) => return false,
            };
            after.end(scope, |slot: Slot, audience| self.is_in(slot, audience), bound);
            !self.openings_in(source, scope, bound).is_empty()
        } else {
            return false;
        };
        !ends_openings && allows(before) == allows(&after)
    }
}

/// What a consent allows at this moment: no answer is a no, and an expiry takes nothing back before it comes.
fn allows(consent: &Consent) -> impl PartialEq {
    let cells = consent.cells.each_ref().map(|row| row.each_ref().map(|cell| cell.sharing.max(Sharing::No)));
    let newcomers = consent.newcomers.map(|answer| answer == Answer::Yes);
    (cells, consent.named.clone(), newcomers, consent.police == PoliceAnswer::CoordinatorMayForward)
}
