//! Who sees what, at any moment.

use samverkan::room::consent::Scope;
use std::collections::BTreeMap;

use samverkan::room::event::{ErasureScope, Event};
use samverkan::room::ids::{Actor, MessageId, OrganisationId, ParticipantId, Timestamp};
use samverkan::room::words::{Attribution, Role, Sharing, Tlp};

use super::openings::Kind;
use super::{COORDINATOR, Item, Model, NaiveMailbox, No, Post, Relay};

/// How a message must look to a reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Looks {
    /// The author's organisation id, if it is shown.
    pub(crate) author: Option<OrganisationId>,
    /// The person, the recipients and the mark "coordinator only" are shown.
    pub(crate) inside: bool,
    /// The message that it replies to, if it is shown.
    pub(crate) in_reply_to: Option<MessageId>,
    /// For a relay: the parents that are shown.
    pub(crate) parents: Option<Vec<MessageId>>,
}

/// What a source is told when its words were relayed and it gets none of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    /// Its own messages among the parents.
    pub(crate) parents: Vec<MessageId>,
    /// Who got it at once, of those that it can see, by participant id.
    pub(crate) organisations: Vec<ParticipantId>,
}

impl Model {
    /// Whether the running rule, or anything that was opened to its organisation, shows the message at `place` to the actor.
    pub(crate) fn sees_message(&self, actor: &Actor, place: usize, now: Timestamp) -> bool {
        !self.moments.is_empty() && self.sees_message_at(actor, place, self.last(), now)
    }

    pub(super) fn sees_message_at(&self, actor: &Actor, place: usize, t: usize, now: Timestamp) -> bool {
        let Some(o) = self.no(&actor.organisation) else { return false };
        place <= t
            && !self.is_erased(place, t)
            && (self.rule(actor, place, t, now) || !self.opens(actor, o, place, t, now).is_empty())
    }

    /// What shows the message to the actor that was opened to its organisation: an attachment only with the message that carries it, and,
    /// but for what a law opens, only as others would who gave it to its poster.
    pub(super) fn opens(&self, actor: &Actor, o: No, place: usize, t: usize, now: Timestamp) -> Vec<(usize, Kind)> {
        let mut open = self.open_by(o, place, t, now);
        if self.carrier(place).is_some_and(|carrier| !self.sees_message_at(actor, carrier, t, now)) {
            return Vec::new();
        }
        let consented = self.terms_of(place).into_iter().all(|other| self.consents(actor, o, other, t, now));
        open.retain(|(_, kind)| consented || *kind == Kind::LegalDuty);
        open
    }

    /// On whose terms the caller would post a file with this digest, and with which label: those of everybody else who posted the same
    /// bytes before and of whom its organisation was given them, of TLP:RED the caller itself.
    pub(crate) fn terms(
        &self,
        mailboxes: &BTreeMap<Actor, NaiveMailbox>,
        caller: &Actor,
        (sha256, tlp): ([u8; 32], Tlp),
        now: Timestamp,
    ) -> (Vec<MessageId>, Tlp) {
        let (mut terms, mut label) = (Vec::new(), tlp);
        for (place, post) in &self.posts {
            let same = post.message.file.as_ref().is_some_and(|file| file.content.sha256 == sha256);
            let red = post.message.tlp == Tlp::Red;
            let was_given = mailboxes.iter().any(|(actor, mailbox)| {
                let whose = if red { actor == caller } else { actor.organisation == caller.organisation };
                whose
                    && mailbox
                        .items
                        .iter()
                        .any(|item| matches!(item, Item::Entry(n) | Item::Opened { place: n, .. } if n == place))
            });
            let is_own = self.no(&caller.organisation) == Some(post.source);
            if same
                && !is_own
                && !self.is_erased(*place, self.last())
                && (was_given || self.sees_message(caller, *place, now))
            {
                terms.push(post.message.id);
                label = label.max(post.message.tlp);
            }
        }
        (terms, label)
    }

    /// Whether its source lets the message go to the organisation: what a law opened is not the source's to know.
    fn consents(&self, actor: &Actor, o: No, place: usize, t: usize, now: Timestamp) -> bool {
        let mut open = self.opens(actor, o, place, t, now).into_iter();
        self.posts[&place].source == o
            || o == COORDINATOR
            || self.rule(actor, place, t, now)
            || open.any(|(_, kind)| kind != Kind::LegalDuty)
    }

    /// Whether the actor may be shown the entry `n` at its own place now.
    pub(crate) fn sees(&self, actor: &Actor, n: usize, now: Timestamp) -> bool {
        !self.moments.is_empty() && self.sees_at(actor, n, self.last(), now)
    }

    /// Whether the actor could be shown what stands at `n` at one of the moments from `since` on, or may be now.
    pub(crate) fn sees_since(&self, actor: &Actor, n: usize, since: usize, now: Timestamp) -> bool {
        let at = |t: usize, clock| self.sees_at(actor, n, t, clock) || self.sees_message_at(actor, n, t, clock);
        (since.max(n)..=self.last()).any(|t| at(t, self.moments[t].at)) || at(self.last(), now)
    }

    pub(super) fn sees_at(&self, actor: &Actor, n: usize, t: usize, now: Timestamp) -> bool {
        if self.posts.contains_key(&n) {
            return !self.is_erased(n, t) && (self.rule(actor, n, t, now) || self.is_told(actor, n, t));
        }
        self.is_concerned(actor, n, t)
    }

    /// Whether the source is told that this relay was made of its words, instead of being shown it.
    pub(super) fn is_told(&self, actor: &Actor, p: usize, t: usize) -> bool {
        let Some(o) = self.no(&actor.organisation) else { return false };
        let Some(relay) = self.posts.get(&p).and_then(|post| post.relay.as_ref()) else { return false };
        self.knows_as_source(actor, o, relay, t)
            && relay.sources != [o]
            && !relay.allowed.contains(&o)
            && relay.allowed.iter().any(|other| self.can_tell(o, *other, p))
            && self.is_here(o, p, t)
    }

    /// Whether one of the relay's parents is its organisation's and exists for this actor.
    pub(super) fn knows_as_source(&self, actor: &Actor, o: No, relay: &Relay, t: usize) -> bool {
        let own = |parent: &&usize| o != COORDINATOR && self.posts[*parent].source == o;
        relay.parents.iter().filter(own).any(|parent| self.sees_message_at(actor, *parent, t, self.moments[t].at))
    }

    /// What it is told.
    pub(crate) fn told(&self, actor: &Actor, p: usize) -> Option<Told> {
        if !self.is_told(actor, p, self.last()) {
            return None;
        }
        let o = self.no(&actor.organisation)?;
        let relay = self.posts[&p].relay.as_ref()?;
        Some(Told { parents: self.own_parents(actor, relay, o), organisations: self.seen_of(o, &relay.allowed, p) })
    }

    fn own_parents(&self, actor: &Actor, relay: &Relay, o: No) -> Vec<MessageId> {
        let (t, now) = (self.last(), self.moments[self.last()].at);
        let own = relay.parents.iter().filter(|n| o == COORDINATOR || self.posts[n].source == o);
        let own = own.filter(|n| self.sees_message_at(actor, **n, t, now));
        own.map(|n| self.posts[n].message.id).collect()
    }

    /// Those of these that `o` could see at `t`, itself excepted, by participant id.
    fn seen_of(&self, o: No, of: &[No], t: usize) -> Vec<ParticipantId> {
        let seen = of.iter().filter(|other| **other != o && self.can_tell(o, **other, t));
        let mut ids: Vec<_> = seen.map(|other| self.moments[t].everybody[*other].id).collect();
        ids.sort();
        ids
    }

    /// The running rule. An attachment needs it for the message that carries it, too, and for those of others who gave it to its poster.
    pub(super) fn rule(&self, actor: &Actor, n: usize, t: usize, now: Timestamp) -> bool {
        let Some(o) = self.no(&actor.organisation) else { return false };
        let inside = self.posts.get(&n).is_some_and(|post| post.source == o) || o == COORDINATOR;
        let of_others = self.terms_of(n).into_iter().flat_map(|other| self.carrier(other).into_iter().chain([other]));
        let needs = self.carrier(n).into_iter().chain(of_others);
        let others = |other: usize| self.posts[&other].source == o || self.own_rule(actor, other, t, now);
        self.own_rule(actor, n, t, now) && (inside || needs.into_iter().all(others))
    }

    /// The same, without what hangs on another message.
    fn own_rule(&self, actor: &Actor, n: usize, t: usize, now: Timestamp) -> bool {
        let (Some(o), Some(post)) = (self.no(&actor.organisation), self.posts.get(&n)) else { return false };
        if n > t || !self.is_present(o, t) || self.is_erased(n, t) {
            return false;
        }
        if let Some(relay) = &post.relay {
            return self.relay_rule(actor, o, n, relay, t, now);
        }
        let Post { source, author, message, relay: _ } = post;
        let fallen = self.has_fallen(n, t);
        let could_see_the_old_one = || {
            let old = message.supersedes.and_then(|old| self.places.get(&old));
            // With its source's consent: what a law opened is not the source's to know.
            let consented = |old: usize| {
                let (t, now) = (n - 1, self.moments[n].at);
                let mut open = self.open_by(o, old, t, now).into_iter();
                self.rule(actor, old, t, now) || open.any(|(_, kind)| kind != Kind::LegalDuty)
            };
            old.is_none_or(|old| n > 0 && consented(*old))
        };
        if message.tlp == Tlp::Red {
            if author.as_ref() == Some(actor) {
                return true;
            }
            if fallen || !message.red_actors.contains(actor) || !could_see_the_old_one() {
                return false;
            }
        }
        if o == *source || o == COORDINATOR {
            return true;
        }
        if fallen || message.coordinator_only || !could_see_the_old_one() {
            return false;
        }
        if !message.recipients.is_empty() && !message.recipients.contains(&actor.organisation) {
            return false;
        }
        if *source == COORDINATOR {
            return self.is_here(o, n, t);
        }
        let k = message.material as usize;
        !self.is_over(*source, t, now)
            && (n..=t).all(|at| {
                let moment = &self.moments[at];
                let visible = |who: No| !moment.everybody[who].is_hidden();
                moment.everybody.len() > o.max(*source)
                    && moment.everybody[o].present
                    && visible(o)
                    && visible(*source)
                    && moment.permits[*source][o][k] == Sharing::Direct
            })
    }

    fn relay_rule(&self, actor: &Actor, o: No, p: usize, relay: &Relay, t: usize, now: Timestamp) -> bool {
        if o == COORDINATOR {
            return true;
        }
        // The only source reads it, from the first receiver on that it can see.
        let mut receivers = relay.allowed.iter().chain(&relay.unapproved).filter(|other| **other != o);
        let only_source = relay.sources == [o] && self.knows_as_source(actor, o, relay, t);
        if only_source && receivers.any(|other| self.can_tell(o, *other, p)) && self.is_here(o, p, t) {
            return true;
        }
        let lets = |at: usize, now: Timestamp| {
            let mut parents = relay.parents.iter().map(|parent| &self.posts[parent]);
            parents.all(|parent| self.lets_relay(parent.source, o, parent.message.material, at, now))
        };
        relay.allowed.contains(&o)
            && !self.is_void(p, t)
            && self.is_here(o, p, t)
            && (p..=t).all(|at| lets(at, self.moments[at].at))
            && lets(t, now)
    }

    /// Whether the actor is one that a control event at `n` is shown to.
    fn is_concerned(&self, actor: &Actor, n: usize, t: usize) -> bool {
        let Some(o) = self.no(&actor.organisation) else { return false };
        if n > t || !self.is_present(o, t) {
            return false;
        }
        let coordinator = o == COORDINATOR;
        let here = self.is_here(o, n, t);
        let is = |organisation: &OrganisationId| *organisation == actor.organisation;
        let hidden_then = |who: &OrganisationId| self.no(who).is_none_or(|who| self.is_hidden(who, n));
        let about = |who: &OrganisationId| coordinator || here && (is(who) || !hidden_then(who));
        let private = |who: &OrganisationId| coordinator || here && is(who);
        let of_message = |message: &MessageId| {
            self.places.get(message).is_some_and(|place| {
                let Post { author, message, .. } = &self.posts[place];
                message.tlp != Tlp::Red || author.as_ref() == Some(actor) || message.red_actors.contains(actor)
            })
        };
        let source_of = |message: &MessageId| self.places.get(message).map(|place| self.posts[place].source);
        match &self.entries[n].event {
            Event::ParticipantLeft { organisation } | Event::ParticipantRemoved { organisation, .. } => {
                // Who is not here can be removed only from the list of the invited.
                let was_here = n > 0 && self.no(organisation).is_some_and(|who| self.is_present(who, n - 1));
                was_here && about(organisation)
            }
            Event::ParticipantAdmitted { organisation, .. }
            | Event::AttributionRaised { organisation, .. }
            | Event::RoleChanged { organisation, .. } => about(organisation),
            Event::ConsentWithdrawn { organisation, scope: Scope::Message(message), .. } => {
                private(organisation) && of_message(message)
            }
            Event::MessageRetracted { organisation, message, .. } => private(organisation) && of_message(message),
            Event::ConsentGiven { organisation, .. }
            | Event::ConsentWithdrawn { organisation, .. }
            | Event::ConsentExpired { organisation }
            | Event::ReportFiled { organisation, .. }
            | Event::ReleaseRevoked { organisation, .. }
            | Event::AskSuggested { organisation, .. }
            | Event::AskAnswered { organisation, .. }
            | Event::RelayApproved { organisation, .. }
            | Event::RelayRejected { organisation, .. }
            | Event::PoliceReportMade { organisation, .. }
            | Event::PoliceReportDue { organisation }
            | Event::LegalDisclosureNotified { organisation, .. }
            | Event::IntroductionAnswered { organisation, .. }
            | Event::ReportRead { organisation }
            | Event::RoomSeenAs { organisation }
            | Event::RoomExported { organisation, .. } => private(organisation),
            Event::AccessChanged { actor, .. } => private(&actor.organisation),
            Event::ConsentAsked { source, .. } => private(source),
            Event::AskLapsed { ask } => self.entries[..n].iter().any(|entry| {
                matches!(&entry.event, Event::ConsentAsked { ask: asked, source, .. } if asked == ask && private(source))
            }),
            Event::MessageAcknowledged { organisation, message } => {
                let of_source = here && source_of(message) == Some(o) && !hidden_then(organisation);
                of_message(message) && (private(organisation) || of_source)
            }
            Event::MessagesReleased { organisation, to, .. } => private(organisation) || here && to.iter().any(is),
            Event::RecallAnswered { organisation, recall, .. } => {
                let is_source = self.entries[..n].iter().any(|entry| {
                    matches!(
                        &entry.event,
                        Event::ConsentWithdrawn { organisation, recall: Some(asked), .. }
                            if asked.id == *recall && is(organisation)
                    )
                });
                private(organisation) || here && is_source && !hidden_then(organisation)
            }
            Event::MessagesForwarded { organisation, to, .. } => private(organisation) || private(to),
            Event::LegallyDisclosed { organisation, duty, .. } => {
                private(&duty.to) || duty.suppress_until.is_none() && private(organisation)
            }
            Event::IntroductionProposed { sides } | Event::Introduced { sides } => {
                sides.iter().any(|side| private(&side.organisation))
            }
            Event::RoomOpened { .. }
            | Event::OrganisationInvited { .. }
            | Event::InvitationDeclined { .. }
            | Event::LegalDisclosureProposed { .. } => coordinator,
            Event::ErasureProposed { what: ErasureScope::Message(message), .. } => coordinator && of_message(message),
            Event::PayloadsErased { what: ErasureScope::Message(message), .. } => {
                let of_source = here && source_of(message) == Some(o);
                of_message(message) && (coordinator || of_source)
            }
            Event::PayloadsErased { what: ErasureScope::Participant(of), .. } => private(of),
            Event::PayloadsErased { what: ErasureScope::Room, .. } => here,
            Event::ErasureProposed { .. }
            | Event::LegalHoldPlaced { .. }
            | Event::LegalHoldLifted { .. }
            | Event::RetentionSet { .. } => coordinator,
            Event::RoomClosed | Event::RoomReopened | Event::TermsChanged { .. } => here,
            // On record, and asked for.
            Event::AttachmentFetched { .. } => false,
            Event::MessagePosted { .. } | Event::RelayPublished { .. } => false,
        }
    }

    /// How the message at `n` must look to an actor who sees it.
    pub(crate) fn looks(&self, actor: &Actor, n: usize, now: Timestamp) -> Option<Looks> {
        let Post { source, message, relay, .. } = self.posts.get(&n)?;
        let o = self.no(&actor.organisation)?;
        let inside = o == *source || o == COORDINATOR;
        let named = self.moments[n].everybody[*source].attribution == Attribution::Named;
        let in_reply_to = message
            .in_reply_to
            .filter(|parent| self.places.get(parent).is_some_and(|place| self.sees_message(actor, *place, now)));
        let parents = relay.as_ref().map(|relay| self.own_parents(actor, relay, o));
        Some(Looks { author: (inside || named).then(|| self.who[*source].clone()), inside, in_reply_to, parents })
    }

    /// Who is here, as the reader is shown it: participant id, and organisation id if that is shown; by participant id.
    pub(crate) fn roster(&self, reader: &OrganisationId) -> Vec<(ParticipantId, Option<OrganisationId>, Role)> {
        let (Some(moment), Some(o)) = (self.moments.last(), self.no(reader)) else { return Vec::new() };
        let mut list: Vec<_> = Vec::new();
        for (other, standing) in moment.everybody.iter().enumerate().filter(|(_, standing)| standing.present) {
            let inside = o == other || o == COORDINATOR;
            let named = inside || standing.attribution == Attribution::Named;
            if inside || standing.attribution != Attribution::Hidden {
                list.push((standing.id, named.then(|| self.who[other].clone()), standing.role));
            }
        }
        list.sort();
        list
    }
}
