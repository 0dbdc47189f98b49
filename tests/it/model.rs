//! The disclosure rule a second time, as slowly as it reads: everything is looked up in the history, at every moment from the
//! message until now. Shares with the core the words, the ids and the events, and nothing else.
//!
//! A *moment* is the time right after one entry. What holds at a moment is kept once it is worked out; no conclusion from one
//! moment is carried to the next.
//!
//! `answers` has what an organisation has answered, `sees` who sees what, `openings` what a source or a law opened afterwards,
//! `mailbox` what is delivered where, `judge` which wishes are granted.

use std::collections::BTreeMap;
use std::sync::Arc;

use samverkan::room::consent::{Name, Scope};
use samverkan::room::event::{Entry, ErasureScope, Event, Message};
use samverkan::room::ids::{Actor, MessageId, OrganisationId, ParticipantId, Timestamp};
use samverkan::room::words::{Answer, Attribution, Audience, Material, Role, Sharing};

mod answers;
mod judge;
mod mailbox;
mod openings;
mod receipts;
mod sees;

use answers::Answers;
pub(crate) use judge::name_of;
pub(crate) use mailbox::{Item, NaiveMailbox};
pub(crate) use openings::Kind;
use openings::Opening;

/// An organisation's number, in the order of first admission: 0 is the coordinator.
pub(crate) type No = usize;

const COORDINATOR: No = 0;

/// An organisation at one moment.
#[derive(Clone, Debug)]
struct Standing {
    present: bool,
    role: Role,
    attribution: Attribution,
    id: ParticipantId,
}

impl Standing {
    fn is_hidden(&self) -> bool {
        self.attribution == Attribution::Hidden
    }

    fn audience(&self) -> Option<Audience> {
        match self.role {
            Role::AffectedOrganisation if self.present => Some(Audience::OtherAffectedOrganisations),
            Role::ThirdParty if self.present => Some(Audience::ThirdParties),
            Role::Coordinator | Role::Authority | Role::AffectedOrganisation | Role::ThirdParty => None,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Moment {
    at: Timestamp,
    is_closed: bool,
    everybody: Vec<Standing>,
    answers: Vec<Answers>,
    /// Source, reader, material.
    permits: Vec<Vec<[Sharing; 3]>>,
}

/// A message, a relay or not.
#[derive(Clone, Debug)]
struct Post {
    source: No,
    author: Option<Actor>,
    message: Arc<Message>,
    relay: Option<Relay>,
}

#[derive(Clone, Debug)]
struct Relay {
    /// The places of the messages that it is made from, none of which is a relay.
    parents: Vec<usize>,
    /// Those whose words it uses, the coordinator excepted.
    sources: Vec<No>,
    /// Who was allowed to get it when it was published.
    allowed: Vec<No>,
    unapproved: Vec<No>,
}

/// A history, and what follows from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    entries: Vec<Arc<Entry>>,
    moments: Vec<Moment>,
    who: Vec<OrganisationId>,
    posts: BTreeMap<usize, Post>,
    places: BTreeMap<MessageId, usize>,
    /// Where a message fell: the entry, the message's place.
    falls: Vec<(usize, usize)>,
    /// Where a message was erased: the entry, the message's place.
    erased: Vec<(usize, usize)>,
    openings: Vec<Opening>,
}

impl Model {
    /// How many entries it has seen.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The last moment.
    fn last(&self) -> usize {
        self.moments.len() - 1
    }

    fn no(&self, organisation: &OrganisationId) -> Option<No> {
        self.who.iter().position(|o| o == organisation)
    }

    fn nos(&self, organisations: &[OrganisationId]) -> Vec<No> {
        organisations.iter().filter_map(|o| self.no(o)).collect()
    }

    /// Takes note of the next entry.
    pub(crate) fn add(&mut self, entry: &Arc<Entry>) {
        let mut moment = self.moments.last().cloned().unwrap_or_default();
        moment.at = entry.recorded_at;
        for answers in &mut moment.answers {
            if answers.expires_at.is_some_and(|at| at <= entry.recorded_at) {
                answers.end_all();
            }
        }
        let at = self.moments.len();
        self.entries.push(entry.clone());
        self.happen(&mut moment, &entry.event, at);
        moment.permits.clear();
        self.moments.push(moment);
        let everybody = 0..self.who.len();
        let permits = |s| everybody.clone().map(|o| Material::ALL.map(|k| self.permits(s, o, k))).collect();
        let permits = everybody.clone().map(permits).collect();
        self.moments[at].permits = permits;
        self.open(at);
    }

    fn happen(&mut self, moment: &mut Moment, event: &Event, at: usize) {
        let number = |organisation: &OrganisationId| self.no(organisation);
        match event {
            Event::ParticipantAdmitted { organisation, participant, role, attribution, .. } => {
                let o = number(organisation).unwrap_or_else(|| {
                    self.who.push(organisation.clone());
                    moment.answers.push(Answers::default());
                    let (present, attribution) = (false, Attribution::Hidden);
                    moment.everybody.push(Standing { present, role: *role, attribution, id: *participant });
                    self.who.len() - 1
                });
                let before = moment.everybody[o].attribution;
                let attribution = before.max(*attribution);
                moment.everybody[o] = Standing { present: true, role: *role, attribution, id: *participant };
            }
            Event::AttributionRaised { organisation, attribution } => {
                if let Some(o) = number(organisation) {
                    moment.everybody[o].attribution = moment.everybody[o].attribution.max(*attribution);
                }
            }
            Event::ParticipantLeft { organisation } | Event::ParticipantRemoved { organisation, .. } => {
                if let Some(o) = number(organisation) {
                    moment.everybody[o].present = false;
                }
            }
            Event::RoleChanged { organisation, role } => {
                if let Some(o) = number(organisation) {
                    moment.everybody[o].role = *role;
                }
            }
            Event::ConsentGiven { organisation, change } => {
                let Some(o) = number(organisation) else { return };
                let mut answers = moment.answers[o].clone();
                answers.give(change, at, |name| self.shown_under(o, name, moment));
                moment.answers[o] = answers;
            }
            Event::ConsentWithdrawn { organisation, scope, recall: _ } => {
                let Some(o) = number(organisation) else { return };
                let bind = |name: &Name| self.shown_under(o, name, moment);
                let is_in = |other: No, audience| moment.everybody[other].audience() == Some(audience);
                let mut answers = moment.answers[o].clone();
                answers.withdraw(scope, bind, is_in);
                moment.answers[o] = answers;
                if let Scope::Message(id) = scope {
                    self.falls.extend(self.places.get(id).map(|place| (at, *place)));
                }
            }
            Event::TermsChanged { .. } => moment.answers.iter_mut().for_each(Answers::end_all),
            Event::MessagePosted { organisation, message } => {
                let Some(source) = number(organisation) else { return };
                self.post(at, source, message, None);
            }
            Event::RelayPublished { organisation, message, parents, unapproved } => {
                let Some(source) = number(organisation) else { return };
                let parents: Vec<usize> = parents.iter().filter_map(|id| self.places.get(id).copied()).collect();
                let mut sources: Vec<No> = parents.iter().map(|n| self.posts[n].source).collect();
                sources.retain(|s| *s != COORDINATOR);
                sources.sort_unstable();
                sources.dedup();
                let relay = Relay { parents, sources, allowed: Vec::new(), unapproved: self.nos(unapproved) };
                self.post(at, source, message, Some(relay));
            }
            Event::MessageRetracted { message, .. } => {
                self.falls.extend(self.places.get(message).map(|place| (at, *place)));
            }
            Event::PayloadsErased { what, .. } => {
                let is_it = |place: usize| match what {
                    ErasureScope::Message(message) => {
                        let of = self.places.get(message).copied();
                        of == Some(place) || of.is_some() && of == self.carrier(place)
                    }
                    ErasureScope::Participant(of) => number(of) == Some(self.posts[&place].source),
                    ErasureScope::Room => true,
                };
                let erased: Vec<_> =
                    self.posts.keys().filter(|place| is_it(**place)).map(|place| (at, *place)).collect();
                self.falls.extend(&erased);
                self.erased.extend(erased);
            }
            Event::RoomClosed => moment.is_closed = true,
            Event::RoomReopened => moment.is_closed = false,
            Event::RoomOpened { .. }
            | Event::OrganisationInvited { .. }
            | Event::InvitationDeclined { .. }
            | Event::ConsentExpired { .. }
            | Event::ReportFiled { .. }
            | Event::MessageAcknowledged { .. }
            | Event::MessagesReleased { .. }
            | Event::ReleaseRevoked { .. }
            | Event::RecallAnswered { .. }
            | Event::AskSuggested { .. }
            | Event::ConsentAsked { .. }
            | Event::AskAnswered { .. }
            | Event::AskLapsed { .. }
            | Event::RelayApproved { .. }
            | Event::RelayRejected { .. }
            | Event::PoliceReportMade { .. }
            | Event::PoliceReportDue { .. }
            | Event::MessagesForwarded { .. }
            | Event::LegalDisclosureProposed { .. }
            | Event::LegallyDisclosed { .. }
            | Event::LegalDisclosureNotified { .. }
            | Event::IntroductionProposed { .. }
            | Event::IntroductionAnswered { .. }
            | Event::Introduced { .. }
            | Event::ReportRead { .. }
            | Event::RoomSeenAs { .. }
            | Event::RoomExported { .. }
            | Event::AttachmentFetched { .. }
            | Event::ErasureProposed { .. }
            | Event::LegalHoldPlaced { .. }
            | Event::LegalHoldLifted { .. }
            | Event::RetentionSet { .. }
            | Event::AccessChanged { .. } => {}
        }
    }

    fn post(&mut self, at: usize, source: No, message: &Arc<Message>, relay: Option<Relay>) {
        let author = self.entries[at].author.clone();
        self.falls.extend(message.supersedes.and_then(|old| self.places.get(&old)).map(|place| (at, *place)));
        self.places.insert(message.id, at);
        self.posts.insert(at, Post { source, author, message: message.clone(), relay });
    }

    fn is_present(&self, o: No, t: usize) -> bool {
        self.moments[t].everybody.get(o).is_some_and(|standing| standing.present)
    }

    fn is_hidden(&self, o: No, t: usize) -> bool {
        self.moments[t].everybody.get(o).is_none_or(Standing::is_hidden)
    }

    /// Whether the organisation has been here from the entry `n` until `t`, without a break.
    fn is_here(&self, o: No, n: usize, t: usize) -> bool {
        (n..=t).all(|at| self.is_present(o, at))
    }

    /// Whether `reader` can tell at `t` that `other` is in the room.
    fn can_tell(&self, reader: No, other: No, t: usize) -> bool {
        self.is_present(other, t) && (reader == other || reader == COORDINATOR || !self.is_hidden(other, t))
    }

    /// Whether `source` is shown this participant under this name.
    fn is_shown_as(source: No, o: No, standing: &Standing, name: &Name, organisation: &OrganisationId) -> bool {
        let inside = o == source || source == COORDINATOR;
        standing.present
            && match name {
                Name::Organisation(id) => id == organisation && (inside || standing.attribution == Attribution::Named),
                Name::Participant(id) => *id == standing.id && (inside || !standing.is_hidden()),
            }
    }

    /// Who `source` has ever been shown under this name, until and including `now`.
    fn shown_under(&self, source: No, name: &Name, now: &Moment) -> Option<No> {
        self.moments.iter().chain([now]).find_map(|moment| {
            if !moment.everybody.get(source)?.present {
                return None;
            }
            let mut all = moment.everybody.iter().enumerate();
            all.find(|(o, standing)| Self::is_shown_as(source, *o, standing, name, &self.who[*o])).map(|(o, _)| o)
        })
    }

    /// Whom `source` is shown under this name at the last moment.
    fn resolve(&self, source: No, name: &Name) -> Option<No> {
        let mut all = self.moments[self.last()].everybody.iter().enumerate();
        all.find(|(o, standing)| Self::is_shown_as(source, *o, standing, name, &self.who[*o])).map(|(o, _)| o)
    }

    /// Whether the answer that was given for a class at the moment `given` covers `o` at the last moment.
    fn covers(&self, o: No, audience: Audience, given: usize) -> bool {
        let was_hidden = self.is_hidden(o, given);
        (given..self.moments.len()).all(|t| {
            let standing = self.moments[t].everybody.get(o);
            standing.and_then(Standing::audience) == Some(audience) && self.is_hidden(o, t) == was_hidden
        })
    }

    /// Whether an answer under a name that nobody was shown may be meant for this organisation.
    fn may_be(&self, name: &Name, o: No, t: usize) -> bool {
        self.moments[t].everybody[o].attribution != Attribution::Named || self.is_its_name(name, o, t)
    }

    fn is_its_name(&self, name: &Name, o: No, t: usize) -> bool {
        let standing = &self.moments[t].everybody[o];
        match name {
            Name::Organisation(id) => *id == self.who[o] && standing.attribution == Attribution::Named,
            Name::Participant(id) => *id == standing.id && !standing.is_hidden(),
        }
    }

    /// `permits(S→o, k)` at the last moment.
    fn permits(&self, source: No, o: No, material: Material) -> Sharing {
        let t = self.last();
        let (answers, standing) = (&self.moments[t].answers[source], &self.moments[t].everybody[o]);
        let caps = answers.caps.iter().filter(|((_, m), _)| *m == material);
        if let Some(named) = answers.named.get(&(o, material)) {
            let own = caps.filter(|((name, _), _)| self.is_its_name(name, o, t)).map(|(_, sharing)| *sharing);
            return own.fold(*named, Sharing::min);
        }
        let Some(audience) = standing.role.audience() else { return Sharing::No };
        let Some(&(class, given)) = answers.classes.get(&(material, audience)) else { return Sharing::NotAnswered };
        if answers.newcomers.get(&audience) != Some(&Answer::Yes) && !self.covers(o, audience, given) {
            return Sharing::No;
        }
        let may_be = caps.filter(|((name, _), _)| self.may_be(name, o, t));
        may_be.map(|(_, sharing)| *sharing).fold(class, Sharing::min)
    }

    /// A no by name: of this source, for this organisation, or under a name that may be its.
    fn has_named_no(&self, source: No, o: No, material: Material) -> bool {
        let t = self.last();
        let answers = &self.moments[t].answers[source];
        let by_name = answers.named.get(&(o, material)) == Some(&Sharing::No);
        let mut caps = answers.caps.iter();
        by_name || caps.any(|((name, m), sharing)| *m == material && *sharing == Sharing::No && self.may_be(name, o, t))
    }

    /// Whether the consent's time is over, by the clock.
    fn is_over(&self, source: No, t: usize, now: Timestamp) -> bool {
        self.moments[t].answers[source].expires_at.is_some_and(|at| at <= now)
    }

    /// Retracted, withdrawn as a message, or superseded.
    fn has_fallen(&self, place: usize, t: usize) -> bool {
        self.falls.iter().any(|(at, fallen)| *fallen == place && *at <= t)
    }

    /// Its words are destroyed.
    fn is_erased(&self, place: usize, t: usize) -> bool {
        self.erased.iter().any(|(at, erased)| *erased == place && *at <= t)
    }

    /// The message itself has fallen, the one that carries it, or one that it is made from.
    fn is_void(&self, place: usize, t: usize) -> bool {
        let of =
            |place: usize| self.has_fallen(place, t) || self.carrier(place).is_some_and(|it| self.has_fallen(it, t));
        let parents = self.posts[&place].relay.iter().flat_map(|relay| &relay.parents);
        of(place) || parents.into_iter().any(|parent| of(*parent))
    }

    /// The place of the message that carries an attachment.
    fn carrier(&self, place: usize) -> Option<usize> {
        self.posts.get(&place)?.message.file.as_ref().and_then(|file| self.places.get(&file.carrier).copied())
    }

    /// The places of attachments whose terms hold for this one, too.
    fn terms_of(&self, place: usize) -> Vec<usize> {
        let file = self.posts.get(&place).and_then(|post| post.message.file.as_ref());
        file.iter().flat_map(|file| &file.terms_of).filter_map(|id| self.places.get(id).copied()).collect()
    }
}
