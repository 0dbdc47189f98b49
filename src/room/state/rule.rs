//! The rule for messages, by organisation. One question: may this organisation be shown this message now?
//!
//! TLP:RED goes by person and is `disclose`'s; here an organisation counts as soon as one of its persons may be named.
//! A child of `state`. Upholds: R5 (the running rule: lost once is lost).

use super::{Narrowed, Posted, RoomState};
use crate::room::consent::Slot;
use crate::room::ids::{Seq, Timestamp};
use crate::room::mutant::{Mutant, is_on};

impl RoomState {
    /// The running rule, for who is neither the message's source nor the coordinator.
    pub(in crate::room) fn by_rule(&self, reader: Slot, seq: Seq, posted: &Posted, now: Timestamp) -> bool {
        self.by_own_rule(reader, seq, posted, now)
            && posted.file.as_deref().is_none_or(|file| {
                let carried = [&file.carrier].into_iter().filter(|_| !is_on(Mutant::AttachmentWithoutItsMessage));
                let terms = file.terms_of.iter().filter(|_| !is_on(Mutant::SameFileOnLooserTerms));
                // Those of others hang on messages, too.
                let of_terms = terms.clone().filter_map(|&other| Some(&self.posted(other)?.file.as_deref()?.carrier));
                carried.chain(terms).chain(of_terms).all(|&other| {
                    self.posted(other).is_some_and(|o| o.source == reader || self.by_own_rule(reader, other, o, now))
                })
            })
    }

    /// The same, without what hangs on another message.
    fn by_own_rule(&self, reader: Slot, seq: Seq, posted: &Posted, now: Timestamp) -> bool {
        let Some(present_since) = self.participant(reader).present_since else { return false };
        if self.fallen(posted).is_some() || posted.coordinator_only {
            return false;
        }
        if let Some(relay) = &posted.relay {
            return relay.allowed.contains(reader)
                && present_since <= seq
                && relay.sources.iter().all(|&(source, material)| {
                    source == reader
                        || is_on(Mutant::RelayCheckedOnce)
                        || is_on(Mutant::RelayForgetsASource) && relay.sources.first() == Some(&(source, material))
                        || self.relay_since(source, reader, material, now).is_some_and(|since| since <= seq)
                });
        }
        if let Some(Narrowed::Recipients(recipients)) = posted.narrowed.as_deref()
            && !recipients.contains(reader)
        {
            return false;
        }
        if Self::is_coordinator(posted.source) {
            return present_since <= seq;
        }
        let since = self.direct_since(posted.source, reader, posted.material, now);
        since.is_some_and(|since| since <= seq || is_on(Mutant::WideningLooksBack))
    }

    /// Whether the organisation may be shown the message now with its source's consent: what a law opens is not the source's to know.
    pub(in crate::room) fn reaches(&self, reader: Slot, seq: Seq, now: Timestamp) -> bool {
        self.posted(seq).is_some_and(|posted| {
            reader == posted.source
                || Self::is_coordinator(reader)
                || self.by_rule(reader, seq, posted, now)
                || self.openings_of(reader, seq, now).any(|opening| !self.is_by_law(opening))
                    && posted.file.as_deref().is_none_or(|file| self.reaches(reader, file.carrier, now))
        })
    }
}
