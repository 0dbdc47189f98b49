//! Who may see what: the core against the naive model, over all combinations and over random histories with every command; and
//! the laws that hold whatever happens.
//!
//! `SAMVERKAN_DECISIONS` sets how many decisions the random histories compare (2,000,000 unless told), `SAMVERKAN_SEED` where they begin.

use std::env;
use std::sync::Arc;

use samverkan::room::consent::Scope;
use samverkan::room::disclose::{Disclosure, Reader, What, disclose, is_visible};
use samverkan::room::event::{Command, Draft};
use samverkan::room::ids::{Actor, Seq};
use samverkan::room::words::Material;

use crate::histories::plain_draft;
use crate::model::Model;
use crate::pure::PureRoom;

mod cases;
mod combinations;
mod laws;
pub(crate) mod random;

pub(crate) fn from_env(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn withdraw(scope: Scope) -> Command {
    Command::WithdrawConsent { scope, recall: None }
}

fn plain(material: Material) -> Draft {
    plain_draft(material, "probe")
}

fn is_shown(room: &PureRoom, actor: &Actor, n: usize) -> bool {
    let Ok(reader) = Reader::new(&room.state, actor) else { return false };
    is_visible(&room.state, reader.slot(), actor, Seq(n as u64), room.now)
}

/// Compares one decision, and what is shown if it is yes. An error says how they differ.
pub(crate) fn compare(room: &PureRoom, model: &Model, actor: &Actor, n: usize) -> Result<bool, String> {
    let core = is_shown(room, actor, n);
    let naive = model.sees(actor, n, room.now) || model.sees_message(actor, n, room.now);
    let entry = &room.entries[n];
    if core != naive {
        return Err(format!("{actor}, entry {n} {:?}: the core says {core}, the model {naive}", entry.event));
    }
    let Ok(reader) = Reader::new(&room.state, actor) else { return Ok(false) };
    match disclose(&room.state, reader, entry, room.now) {
        Disclosure::Withhold if core => {
            return Err(format!("{actor}, entry {n}: visible, but there is nothing to show"));
        }
        Disclosure::Withhold => {}
        Disclosure::Show(_) if !core => return Err(format!("{actor}, entry {n}: shown, but not visible")),
        Disclosure::Show(shown) => compare_looks(model, actor, n, room, &shown.get().what)?,
    }
    Ok(core)
}

fn compare_looks(model: &Model, actor: &Actor, n: usize, room: &PureRoom, what: &What) -> Result<(), String> {
    match what {
        What::Message(shown) => {
            let looks = model.looks(actor, n, room.now).ok_or("a message in the core only")?;
            let inside = shown.actor.is_some();
            let parents = shown.relay.as_ref().map(|relay| relay.parents.clone());
            let same = (&shown.author.organisation, inside, shown.in_reply_to, &parents)
                == (&looks.author, looks.inside, looks.in_reply_to, &looks.parents);
            let leaks = !inside && (shown.coordinator_only || !shown.recipients.is_empty());
            if !same || leaks || !model.sees_message(actor, n, room.now) {
                return Err(format!("{actor}, entry {n}: shown as {shown:?}, the model says {looks:?}"));
            }
        }
        What::Relayed { parents, to, message: _ } => {
            let told = model.told(actor, n).ok_or("a relay that only the core tells of")?;
            let to: Vec<_> = to.iter().map(|participant| participant.id).collect();
            if (parents, &to) != (&told.parents, &told.organisations) {
                return Err(format!("{actor}, entry {n}: told of {parents:?} {to:?}, the model says {told:?}"));
            }
        }
        _ if model.sees_message(actor, n, room.now) => {
            return Err(format!("{actor}, entry {n}: {what:?} instead of a message"));
        }
        _ => {}
    }
    Ok(())
}

/// What a command makes of a room, and which events those were.
fn made(
    answer: &Result<Vec<Arc<samverkan::room::event::Entry>>, samverkan::room::refusal::Refusal>,
) -> Result<Vec<samverkan::room::event::Event>, String> {
    match answer {
        Ok(entries) => Ok(entries.iter().map(|entry| entry.event.clone()).collect()),
        Err(refusal) => Err(crate::model::name_of(refusal)),
    }
}
