//! What was opened to whom after it was posted, by whom, and when that ended.

use samverkan::room::consent::Scope;
use samverkan::room::event::Event;
use samverkan::room::ids::{MessageId, OrganisationId, ReleaseId, Timestamp};
use samverkan::room::words::{Material, PoliceAnswer, Sharing};

use super::{COORDINATOR, Model, No, Standing};

/// Why it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Release(ReleaseId),
    Approval,
    Forwarding,
    LegalDuty,
}

/// One message for one organisation, from one entry on.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    /// The entry that opened it.
    pub(super) by: usize,
    pub(super) kind: Kind,
    /// Whose consent it needs.
    pub(super) source: No,
    pub(super) to: No,
    /// The message's place.
    pub(super) place: usize,
    /// By moment, from `by` on: whether it ended there.
    ends: Vec<bool>,
}

impl Model {
    /// What the entry at `at` opens, and which openings end with it.
    pub(super) fn open(&mut self, at: usize) {
        let event = self.entries[at].event.clone();
        let mut new = Vec::new();
        let mut opens = |kind, source: Option<No>, messages: &[MessageId], to: &[OrganisationId]| {
            let mut places: Vec<usize> = messages.iter().filter_map(|id| self.places.get(id).copied()).collect();
            places.sort_unstable();
            for place in places {
                for to in self.nos(to) {
                    new.extend(source.map(|source| Opening { by: at, kind, source, to, place, ends: Vec::new() }));
                }
            }
        };
        match &event {
            Event::MessagesReleased { organisation, release, messages, to } => {
                opens(Kind::Release(*release), self.no(organisation), messages, to);
            }
            Event::RelayApproved { organisation, message, to } => {
                opens(Kind::Approval, self.no(organisation), &[*message], to);
            }
            Event::MessagesForwarded { organisation, messages, to, .. } => {
                opens(Kind::Forwarding, self.no(organisation), messages, std::slice::from_ref(to));
            }
            Event::LegallyDisclosed { organisation, duty, .. } => {
                opens(Kind::LegalDuty, self.no(organisation), &duty.messages, std::slice::from_ref(&duty.to));
            }
            _ => {}
        }
        self.openings.extend(new);
        let ends: Vec<bool> = self.openings.iter().map(|opening| self.ends(opening, at)).collect();
        self.openings.iter_mut().zip(ends).for_each(|(opening, ends)| opening.ends.push(ends));
        // A relay's first recipients.
        let allowed: Vec<No> = (0..self.who.len()).filter(|o| self.may_be_relayed_to(at, *o)).collect();
        if let Some(relay) = self.posts.get_mut(&at).and_then(|post| post.relay.as_mut()) {
            relay.allowed = allowed;
        }
    }

    /// The materials that this source's consent is asked about for this message: its own, or those of a relay's parents.
    pub(super) fn materials(&self, source: No, place: usize) -> Vec<Material> {
        let post = &self.posts[&place];
        match &post.relay {
            None => vec![post.message.material],
            Some(relay) => {
                let own = relay.parents.iter().filter(|parent| self.posts[*parent].source == source);
                own.map(|parent| self.posts[parent].message.material).collect()
            }
        }
    }

    fn ends(&self, opening: &Opening, t: usize) -> bool {
        let Opening { by, kind, source, to, place, ends: _ } = opening;
        if !self.is_present(*to, t) {
            return true;
        }
        if *kind == Kind::LegalDuty || *by == t {
            return false;
        }
        if self.is_void(*place, t) {
            return true;
        }
        let event = &self.entries[t].event;
        if let (Event::ReleaseRevoked { release, .. }, Kind::Release(id)) = (event, kind)
            && release == id
        {
            return true;
        }
        if *source == COORDINATOR {
            return false;
        }
        if self.is_over(*source, t - 1, self.moments[t].at) {
            return true;
        }
        if *kind == Kind::Forwarding && self.moments[t].answers[*source].police != PoliceAnswer::CoordinatorMayForward {
            return true;
        }
        let materials = self.materials(*source, *place);
        let audience = self.moments[t].everybody[*to].audience();
        let is_source = |organisation: &OrganisationId| *organisation == self.who[*source];
        match event {
            Event::TermsChanged { .. } => true,
            Event::ConsentExpired { organisation } => is_source(organisation),
            Event::ConsentWithdrawn { organisation, scope, .. } if is_source(organisation) => match scope {
                Scope::All => true,
                Scope::Material(material) => materials.contains(material),
                Scope::Audience(withdrawn) => audience == Some(*withdrawn),
                Scope::Named(name) => match self.shown_under(*source, name, &self.moments[t]) {
                    Some(o) => o == *to,
                    None => self.may_be(name, *to, t),
                },
                // Seen above.
                Scope::Message(_) => false,
            },
            Event::ConsentGiven { organisation, change } if is_source(organisation) => materials.iter().any(|k| {
                let permits = |t: usize| self.moments[t].permits[*source][*to][*k as usize].max(Sharing::No);
                let class = change
                    .cells
                    .iter()
                    .any(|(m, class, sharing)| m == k && Some(*class) == audience && *sharing == Sharing::No);
                let by_name = change.named.iter().any(|(name, m, sharing)| {
                    let is_it = match self.shown_under(*source, name, &self.moments[t]) {
                        Some(o) => o == *to,
                        None => self.may_be(name, *to, t),
                    };
                    m == k && *sharing == Sharing::No && is_it
                });
                permits(t) < permits(t - 1) || class || by_name
            }),
            _ => false,
        }
    }

    /// Whether the opening holds at `t`, by the clock `now`.
    fn is_in_force(&self, opening: &Opening, t: usize, now: Timestamp) -> bool {
        let needs_consent = opening.kind != Kind::LegalDuty && opening.source != COORDINATOR;
        opening.by <= t
            && !opening.ends[..=t - opening.by].contains(&true)
            && !(needs_consent && self.is_over(opening.source, t, now))
    }

    /// The openings of the message at `place` for `o` that hold at `t`, by entry.
    pub(super) fn open_by(&self, o: No, place: usize, t: usize, now: Timestamp) -> Vec<(usize, Kind)> {
        let is_there = !self.is_erased(place, t);
        let of_it = self.openings.iter().filter(|opening| is_there && opening.to == o && opening.place == place);
        of_it.filter(|opening| self.is_in_force(opening, t, now)).map(|opening| (opening.by, opening.kind)).collect()
    }

    /// The messages that the entry at `by` opened to `o`, in the order of posting.
    pub(super) fn opened_at(&self, by: usize, o: No) -> Vec<usize> {
        let of_it = self.openings.iter().filter(|opening| opening.to == o && opening.by == by);
        of_it.map(|opening| opening.place).collect()
    }

    /// Whether the relay at `p` may go to `o` at once.
    fn may_be_relayed_to(&self, p: usize, o: No) -> bool {
        let Some(post) = self.posts.get(&p) else { return false };
        let Some(relay) = &post.relay else { return false };
        let listed = self.nos(&post.message.recipients);
        (post.message.recipients.is_empty() || listed.contains(&o))
            && self.is_relayable(&relay.parents, post.message.tlp, o, p, self.moments[p].at)
    }

    /// The rule for one recipient of a relay, at `t`.
    pub(super) fn is_relayable(
        &self,
        parents: &[usize],
        tlp: samverkan::room::words::Tlp,
        o: No,
        t: usize,
        now: Timestamp,
    ) -> bool {
        if o == COORDINATOR || !self.is_present(o, t) {
            return false;
        }
        for parent in parents {
            let post = &self.posts[parent];
            let recipients = self.nos(&post.message.recipients);
            let is_red = post.message.tlp == samverkan::room::words::Tlp::Red;
            if is_red || post.message.coordinator_only || tlp < post.message.tlp {
                return false;
            }
            // Its own words are no news to it, to whomever it narrowed them.
            if post.source != o && !post.message.recipients.is_empty() && !recipients.contains(&o) {
                return false;
            }
            if !self.lets_relay(post.source, o, post.message.material, t, now) {
                return false;
            }
        }
        let could_be_it = |s: &No| {
            let standing: &Standing = &self.moments[t].everybody[*s];
            *s != o && standing.audience() == Some(samverkan::room::words::Audience::OtherAffectedOrganisations)
        };
        let seen = (0..self.who.len()).filter(could_be_it).filter(|s| !self.is_hidden(*s, t)).count();
        seen >= 3 || parents.iter().all(|parent| self.posts[parent].source == COORDINATOR)
    }

    /// Whether this source lets the coordinator's words on this material go to `o`, at `t`.
    pub(super) fn lets_relay(&self, source: No, o: No, material: Material, t: usize, now: Timestamp) -> bool {
        source == o
            || source == COORDINATOR
            || self.moments[t].permits[source][o][material as usize] >= Sharing::Relay && !self.is_over(source, t, now)
    }
}
