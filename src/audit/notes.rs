//! What is noted and not yet written. One question: how does a flood become a few records?
//!
//! The first of its kind is written within [`limits::AUDIT_NOTE_DELAY`]; what is the same in every fact and comes within
//! [`limits::AUDIT_FOLD_TIME`] of it is only counted, and the count is written when that time is over. How many different ones are kept
//! apart is bounded, those of strangers more narrowly, so that no stranger crowds out a sign-in; what goes beyond is one count.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use tokio::time::Instant;

use super::AuditEvent;
use crate::limits;
use crate::room::ids::Timestamp;

/// Something to be written: for how many it stands, and when the first of them was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Note {
    pub(super) event: AuditEvent,
    pub(super) since: Timestamp,
    pub(super) count: u32,
}

#[derive(Debug)]
struct Fold {
    /// Not written yet.
    pending: u32,
    since: Timestamp,
    /// When what is pending is to be written.
    due: Instant,
    /// When the next of its kind is a first one again.
    until: Instant,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Notes {
    folds: HashMap<AuditEvent, Fold>,
    strangers: usize,
}

/// Whether nobody is known to have done it.
fn is_by_stranger(event: &AuditEvent) -> bool {
    match event {
        AuditEvent::HandshakeRefused { .. } | AuditEvent::InviteRefused { .. } => true,
        AuditEvent::CallRefused { actor, .. } => actor.is_none(),
        _ => false,
    }
}

/// One subscriber of IPv6 has at least a /64: its addresses are one.
fn widened(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) if address.is_loopback() => IpAddr::V6(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

impl Notes {
    /// Takes one more. True: the writer has something new to write.
    pub(super) fn add(&mut self, mut event: AuditEvent, at: Timestamp, now: Instant) -> bool {
        if let AuditEvent::HandshakeRefused { peer, .. } | AuditEvent::InviteRefused { peer, .. } = &mut event {
            *peer = widened(*peer);
        }
        let is_by_stranger = is_by_stranger(&event);
        let is_full = if is_by_stranger {
            self.strangers >= limits::AUDIT_STRANGERS_MAX
        } else {
            self.folds.len() - self.strangers >= limits::AUDIT_NOTES_MAX
        };
        let (event, is_by_stranger) = if is_full && !self.folds.contains_key(&event) {
            (AuditEvent::NotesDropped, false)
        } else {
            (event, is_by_stranger)
        };
        let mut is_new = false;
        let fold = self.folds.entry(event).or_insert_with(|| {
            is_new = true;
            let (due, until) = (now + limits::AUDIT_NOTE_DELAY, now + limits::AUDIT_FOLD_TIME);
            Fold { pending: 0, since: at, due, until }
        });
        if fold.pending == 0 && !is_new {
            (fold.since, fold.due) = (at, fold.until);
        }
        fold.pending = fold.pending.saturating_add(1);
        self.strangers += usize::from(is_new && is_by_stranger);
        is_new
    }

    /// What is to be written now, oldest first; at the end, all.
    pub(super) fn take(&mut self, now: Instant, all: bool) -> Vec<Note> {
        let mut notes = Vec::new();
        for (event, fold) in &mut self.folds {
            if fold.pending > 0 && (all || fold.due <= now) {
                notes.push(Note { event: event.clone(), since: fold.since, count: fold.pending });
                fold.pending = 0;
            }
        }
        self.folds.retain(|_, fold| fold.pending > 0 || fold.until > now);
        self.strangers = self.folds.keys().filter(|event| is_by_stranger(event)).count();
        notes.sort_by_key(|note| note.since);
        notes
    }

    /// What could not be written waits for the next time.
    pub(super) fn give_back(&mut self, notes: Vec<Note>, now: Instant) {
        for Note { event, since, count } in notes {
            let until = now + limits::AUDIT_FOLD_TIME;
            let fold = self.folds.entry(event).or_insert(Fold { pending: 0, since, due: until, until });
            fold.pending = fold.pending.saturating_add(count);
            (fold.since, fold.due) = (since, now + limits::AUDIT_NOTE_DELAY);
        }
        self.strangers = self.folds.keys().filter(|event| is_by_stranger(event)).count();
    }

    /// When [`Notes::take`] has something to do.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.folds.values().map(|fold| if fold.pending > 0 { fold.due } else { fold.until }).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(peer: &str) -> AuditEvent {
        let peer = peer.parse().expect("an address");
        AuditEvent::HandshakeRefused { peer, organisation: None, reason: "no-certificate" }
    }

    fn dropped(notes: &[Note]) -> u32 {
        notes.iter().filter(|note| note.event == AuditEvent::NotesDropped).map(|note| note.count).sum()
    }

    #[test]
    fn the_first_is_written_soon_and_the_rest_of_its_minute_as_one_count() {
        let (mut notes, began) = (Notes::default(), Instant::now());
        assert!(notes.add(refused("192.0.2.1"), Timestamp(10), began), "the writer must wake");
        assert!(notes.take(began, false).is_empty(), "not at once: others may come");
        let soon = began + limits::AUDIT_NOTE_DELAY;
        let first = notes.take(soon, false);
        assert_eq!(first, [Note { event: refused("192.0.2.1"), since: Timestamp(10), count: 1 }]);
        for at in 20..120 {
            assert!(!notes.add(refused("192.0.2.1"), Timestamp(at), soon), "nothing new");
        }
        assert!(notes.take(soon + limits::AUDIT_NOTE_DELAY, false).is_empty(), "its minute is not over");
        let later = began + limits::AUDIT_FOLD_TIME;
        assert_eq!(notes.next_due(), Some(later));
        let rest = notes.take(later, false);
        assert_eq!(rest, [Note { event: refused("192.0.2.1"), since: Timestamp(20), count: 100 }]);
        assert_eq!(notes.next_due(), None, "nothing is kept of it");
    }

    #[test]
    fn addresses_and_reasons_are_kept_apart_and_networks_of_ipv6_are_not() {
        let (mut notes, now) = (Notes::default(), Instant::now());
        for peer in ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::2"] {
            notes.add(refused(peer), Timestamp(1), now);
        }
        assert_eq!(notes.take(now, true).len(), 4);
    }

    #[test]
    fn strangers_from_everywhere_are_counted_and_crowd_out_nobody() {
        let (mut notes, now) = (Notes::default(), Instant::now());
        for number in 0..10_000u32 {
            notes.add(refused(&std::net::Ipv4Addr::from_bits(number).to_string()), Timestamp(1), now);
        }
        let actor = "org/region-a/user/anna".parse().expect("an actor");
        let peer = "192.0.2.1".parse().expect("an address");
        notes.add(
            AuditEvent::SignedIn { actor, certificate: [1; 32], peer, key_exchange: "X25519".into() },
            Timestamp(2),
            now,
        );
        let taken = notes.take(now, true);
        assert!(taken.iter().any(|note| matches!(note.event, AuditEvent::SignedIn { .. })));
        assert_eq!(dropped(&taken) as usize, 10_000 - limits::AUDIT_STRANGERS_MAX);
        assert_eq!(taken.len(), limits::AUDIT_STRANGERS_MAX + 2);
    }

    #[test]
    fn what_could_not_be_written_is_written_later_with_what_came_meanwhile() {
        let (mut notes, now) = (Notes::default(), Instant::now());
        notes.add(refused("192.0.2.1"), Timestamp(1), now);
        let taken = notes.take(now, true);
        notes.add(refused("192.0.2.1"), Timestamp(5), now);
        notes.give_back(taken, now);
        let again = notes.take(now + limits::AUDIT_NOTE_DELAY, false);
        assert_eq!(again, [Note { event: refused("192.0.2.1"), since: Timestamp(1), count: 2 }]);
    }
}
