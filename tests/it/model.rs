//! The disclosure rule a second time, as slowly as it reads: everything is looked up in the history, at every moment from the
//! message until now. Shares with the core the words, the ids and the events, and nothing else.
//!
//! A *moment* is the time right after one entry. What holds at a moment is kept once it is worked out; no conclusion from one
//! moment is carried to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use samverkan::room::consent::{ConsentChange, ExpiryChange, Name, Scope};
use samverkan::room::event::{Entry, Event, Message};
use samverkan::room::ids::{Actor, MessageId, OrganisationId, ParticipantId, Timestamp};
use samverkan::room::words::{Answer, Attribution, Audience, Material, Role, Sharing, Tlp};

/// An organisation at one moment.
#[derive(Clone, Debug)]
struct Standing {
    present: bool,
    role: Role,
    attribution: Attribution,
    id: ParticipantId,
}

/// What one organisation had answered at one moment.
#[derive(Clone, Debug, Default)]
struct Answers {
    /// With the moment when it was last given (narrowing apart, which gives nothing).
    classes: BTreeMap<(Material, Audience), (Sharing, usize)>,
    /// For an organisation that the source was shown under the name that it used.
    named: BTreeMap<(OrganisationId, Material), Sharing>,
    /// Under names that it was not shown.
    caps: BTreeMap<(Name, Material), Sharing>,
    newcomers: BTreeMap<Audience, Answer>,
    expires_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default)]
struct Moment {
    everybody: BTreeMap<OrganisationId, Standing>,
    answers: BTreeMap<OrganisationId, Answers>,
    /// (source, reader, material) that may pass directly at this moment.
    direct: BTreeSet<(OrganisationId, OrganisationId, Material)>,
}

/// A history, and what follows from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    entries: Vec<Arc<Entry>>,
    moments: Vec<Moment>,
    coordinator: Option<OrganisationId>,
}

/// How a message must look to a reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Looks {
    /// The author's organisation id, if it is shown.
    pub(crate) author: Option<OrganisationId>,
    /// The person, the recipients and the mark "coordinator only" are shown.
    pub(crate) inside: bool,
    /// The message that it replies to, if it is shown.
    pub(crate) in_reply_to: Option<MessageId>,
}

/// What the model puts into a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Item {
    /// The entry at this place of the log.
    Entry(usize),
    /// A notice about these indexes.
    Notice(Vec<u64>),
}

/// A mailbox of the model.
#[derive(Clone, Debug, Default)]
pub(crate) struct NaiveMailbox {
    /// Index 1 is the first.
    pub(crate) items: Vec<Item>,
}

impl Model {
    /// How many entries it has seen.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes note of the next entry.
    pub(crate) fn add(&mut self, entry: &Arc<Entry>) {
        let mut moment = self.moments.last().cloned().unwrap_or_default();
        for answers in moment.answers.values_mut() {
            if answers.expires_at.is_some_and(|at| at <= entry.recorded_at) {
                answers.end_all();
            }
        }
        self.entries.push(entry.clone());
        let at = self.moments.len();
        self.happen(&mut moment, &entry.event, at);
        moment.direct.clear();
        self.moments.push(moment);
        let direct = self.direct_now();
        self.moments[at].direct = direct;
    }

    fn happen(&mut self, moment: &mut Moment, event: &Event, at: usize) {
        let standing = |moment: &mut Moment, o: &OrganisationId, change: &dyn Fn(&mut Standing)| {
            if let Some(standing) = moment.everybody.get_mut(o) {
                change(standing);
            }
        };
        match event {
            Event::RoomOpened { coordinator, .. } => self.coordinator = Some(coordinator.clone()),
            Event::ParticipantAdmitted { organisation, participant, role, attribution, .. } => {
                let before = moment.everybody.get(organisation).map_or(Attribution::Hidden, |s| s.attribution);
                let attribution = before.max(*attribution);
                let standing = Standing { present: true, role: *role, attribution, id: *participant };
                moment.everybody.insert(organisation.clone(), standing);
                moment.answers.entry(organisation.clone()).or_default();
            }
            Event::AttributionRaised { organisation, attribution } => {
                standing(moment, organisation, &|s| s.attribution = s.attribution.max(*attribution));
            }
            Event::ParticipantLeft { organisation } | Event::ParticipantRemoved { organisation, .. } => {
                standing(moment, organisation, &|s| s.present = false);
            }
            Event::RoleChanged { organisation, role } => standing(moment, organisation, &|s| s.role = *role),
            Event::ConsentGiven { organisation, change } => {
                let bind = |name: &Name| self.shown_under(organisation, name, moment);
                let Some(answers) = moment.answers.get(organisation) else { return };
                let mut answers = answers.clone();
                answers.give(change, at, bind);
                moment.answers.insert(organisation.clone(), answers);
            }
            Event::ConsentWithdrawn { organisation, scope } => {
                let Some(answers) = moment.answers.get(organisation) else { return };
                let mut answers = answers.clone();
                match scope {
                    Scope::All => answers.end_all(),
                    Scope::Material(material) => answers.end(|m, _, _| m == *material),
                    Scope::Audience(audience) => {
                        let is_in = |o: &OrganisationId| audience_of(moment, o) == Some(*audience);
                        answers.end(|_, class, named| class == Some(*audience) || named.is_some_and(is_in));
                        answers.newcomers.entry(*audience).and_modify(|answer| *answer = (*answer).min(Answer::No));
                    }
                    Scope::Named(name) => {
                        for material in Material::ALL {
                            match self.shown_under(organisation, name, moment) {
                                Some(o) => answers.named.insert((o, material), Sharing::No),
                                None => answers.caps.insert((name.clone(), material), Sharing::No),
                            };
                        }
                    }
                }
                moment.answers.insert(organisation.clone(), answers);
            }
            Event::OrganisationInvited { .. }
            | Event::InvitationDeclined { .. }
            | Event::ConsentExpired { .. }
            | Event::ReportFiled { .. }
            | Event::MessagePosted { .. }
            | Event::RoomClosed
            | Event::RoomReopened => {}
        }
    }

    fn is_coordinator(&self, o: &OrganisationId) -> bool {
        self.coordinator.as_ref() == Some(o)
    }

    /// Who `source` has ever been shown under this name, until and including `now`.
    fn shown_under(&self, source: &OrganisationId, name: &Name, now: &Moment) -> Option<OrganisationId> {
        self.moments.iter().chain([now]).find_map(|moment| {
            if !moment.everybody.get(source)?.present {
                return None;
            }
            let shown = |(o, standing): &(&OrganisationId, &Standing)| {
                let inside = *o == source || self.is_coordinator(source);
                standing.present
                    && match name {
                        Name::Organisation(id) => id == *o && (inside || standing.attribution == Attribution::Named),
                        Name::Participant(id) => {
                            *id == standing.id && (inside || standing.attribution != Attribution::Hidden)
                        }
                    }
            };
            moment.everybody.iter().find(shown).map(|(o, _)| o.clone())
        })
    }

    /// Whether the answer that `source` gave for a class at the moment `given` covers `o` at the last moment.
    fn covers(&self, o: &OrganisationId, audience: Audience, given: usize) -> bool {
        let was_hidden = self.moments[given].everybody.get(o).is_some_and(|s| s.attribution == Attribution::Hidden);
        self.moments[given..].iter().all(|moment| {
            let is_hidden = moment.everybody.get(o).is_some_and(|s| s.attribution == Attribution::Hidden);
            audience_of(moment, o) == Some(audience) && is_hidden == was_hidden
        })
    }

    /// `permits(S→o, k)` at the last moment.
    fn permits(&self, source: &OrganisationId, o: &OrganisationId, material: Material) -> Sharing {
        let Some(moment) = self.moments.last() else { return Sharing::No };
        let (Some(answers), Some(standing)) = (moment.answers.get(source), moment.everybody.get(o)) else {
            return Sharing::No;
        };
        let is_its_name = |name: &Name| match name {
            Name::Organisation(id) => id == o && standing.attribution == Attribution::Named,
            Name::Participant(id) => *id == standing.id && standing.attribution != Attribution::Hidden,
        };
        let caps = answers.caps.iter().filter(|((_, m), _)| *m == material);
        if let Some(named) = answers.named.get(&(o.clone(), material)) {
            let own = caps.filter(|((name, _), _)| is_its_name(name)).map(|(_, sharing)| *sharing);
            return own.fold(*named, Sharing::min);
        }
        let Some(audience) = standing.role.audience() else { return Sharing::No };
        let Some(&(class, given)) = answers.classes.get(&(material, audience)) else { return Sharing::NotAnswered };
        if answers.newcomers.get(&audience) != Some(&Answer::Yes) && !self.covers(o, audience, given) {
            return Sharing::No;
        }
        let may_be = |name: &Name| standing.attribution != Attribution::Named || is_its_name(name);
        caps.filter(|((name, _), _)| may_be(name)).map(|(_, sharing)| *sharing).fold(class, Sharing::min)
    }

    /// All that may pass directly at the last moment.
    fn direct_now(&self) -> BTreeSet<(OrganisationId, OrganisationId, Material)> {
        let mut direct = BTreeSet::new();
        let Some(moment) = self.moments.last() else { return direct };
        let visible = |s: &Standing| s.attribution != Attribution::Hidden;
        for (source, _) in moment.everybody.iter().filter(|(_, s)| visible(s)) {
            for (reader, r) in moment.everybody.iter().filter(|(_, r)| visible(r)) {
                for material in Material::ALL {
                    if r.present && self.permits(source, reader, material) == Sharing::Direct {
                        direct.insert((source.clone(), reader.clone(), material));
                    }
                }
            }
        }
        direct
    }

    fn is_present(&self, o: &OrganisationId, at: usize) -> bool {
        self.moments[at].everybody.get(o).is_some_and(|s| s.present)
    }

    /// Whether the organisation has been here since the entry `n`, without a break.
    fn is_here_since(&self, o: &OrganisationId, n: usize) -> bool {
        (n..self.moments.len()).all(|at| self.is_present(o, at))
    }

    /// The rule: whether this actor sees the entry `n` now.
    pub(crate) fn sees(&self, actor: &Actor, n: usize, now: Timestamp) -> bool {
        let o = &actor.organisation;
        if self.moments.is_empty() || !self.is_present(o, self.moments.len() - 1) {
            return false;
        }
        let coordinator = self.is_coordinator(o);
        let entry = &self.entries[n];
        let hidden_then = |who: &OrganisationId| {
            self.moments[n].everybody.get(who).is_none_or(|s| s.attribution == Attribution::Hidden)
        };
        match &entry.event {
            Event::MessagePosted { organisation, message } => {
                self.sees_message(actor, n, organisation, message, entry.author.as_ref(), now)
            }
            Event::ParticipantLeft { organisation } | Event::ParticipantRemoved { organisation, .. } => {
                // Who is not here can be removed only from the list of the invited.
                let was_here = n > 0 && self.is_present(organisation, n - 1);
                was_here
                    && (coordinator || self.is_here_since(o, n) && (o == organisation || !hidden_then(organisation)))
            }
            Event::ParticipantAdmitted { organisation, .. }
            | Event::AttributionRaised { organisation, .. }
            | Event::RoleChanged { organisation, .. } => {
                coordinator || self.is_here_since(o, n) && (o == organisation || !hidden_then(organisation))
            }
            Event::ConsentGiven { organisation, .. }
            | Event::ConsentWithdrawn { organisation, .. }
            | Event::ConsentExpired { organisation }
            | Event::ReportFiled { organisation, .. } => coordinator || o == organisation && self.is_here_since(o, n),
            Event::RoomOpened { .. } | Event::OrganisationInvited { .. } | Event::InvitationDeclined { .. } => {
                coordinator
            }
            Event::RoomClosed | Event::RoomReopened => self.is_here_since(o, n),
        }
    }

    fn sees_message(
        &self,
        actor: &Actor,
        n: usize,
        source: &OrganisationId,
        message: &Message,
        author: Option<&Actor>,
        now: Timestamp,
    ) -> bool {
        let o = &actor.organisation;
        if message.tlp == Tlp::Red {
            if author == Some(actor) {
                return true;
            }
            if !message.red_actors.contains(actor) {
                return false;
            }
        }
        if o == source || self.is_coordinator(o) {
            return true;
        }
        if message.coordinator_only || !message.recipients.is_empty() && !message.recipients.contains(o) {
            return false;
        }
        if self.is_coordinator(source) {
            return self.is_here_since(o, n);
        }
        let last = self.moments.len() - 1;
        let over = self.moments[last].answers[source].expires_at.is_some_and(|at| at <= now);
        let passes = (source.clone(), o.clone(), message.material);
        !over && (n..=last).all(|at| self.moments[at].direct.contains(&passes))
    }

    /// How the message at `n` must look to an actor who sees it.
    pub(crate) fn looks(&self, actor: &Actor, n: usize, now: Timestamp) -> Option<Looks> {
        let Event::MessagePosted { organisation, message } = &self.entries[n].event else { return None };
        let inside = actor.organisation == *organisation || self.is_coordinator(&actor.organisation);
        let named = self.moments[n].everybody.get(organisation).is_some_and(|s| s.attribution == Attribution::Named);
        let parent = message.in_reply_to.filter(|parent| {
            let at = self.entries.iter().position(
                |entry| matches!(&entry.event, Event::MessagePosted { message, .. } if message.id == *parent),
            );
            at.is_some_and(|at| self.sees(actor, at, now))
        });
        Some(Looks { author: (inside || named).then(|| organisation.clone()), inside, in_reply_to: parent })
    }

    /// Who is here, as the reader is shown it: participant id, and organisation id if that is shown; by participant id.
    pub(crate) fn roster(&self, reader: &OrganisationId) -> Vec<(ParticipantId, Option<OrganisationId>, Role)> {
        let Some(moment) = self.moments.last() else { return Vec::new() };
        let mut list: Vec<_> = Vec::new();
        for (o, standing) in moment.everybody.iter().filter(|(_, standing)| standing.present) {
            let inside = o == reader || self.is_coordinator(reader);
            let named = inside || standing.attribution == Attribution::Named;
            if inside || standing.attribution != Attribution::Hidden {
                list.push((standing.id, named.then(|| o.clone()), standing.role));
            }
        }
        list.sort();
        list
    }

    /// Delivers to the actor: what it holds and may not see any more goes into one notice, then what it may see and doesn't hold.
    pub(crate) fn deliver(&self, mailbox: &mut NaiveMailbox, actor: &Actor, now: Timestamp, max: usize) {
        let told: BTreeSet<u64> = mailbox
            .items
            .iter()
            .flat_map(|item| match item {
                Item::Notice(indexes) => indexes.clone(),
                Item::Entry(_) => Vec::new(),
            })
            .collect();
        let held: Vec<(u64, usize)> = (1..)
            .zip(&mailbox.items)
            .filter_map(|(index, item)| match item {
                Item::Entry(n) => Some((index, *n)),
                Item::Notice(_) => None,
            })
            .collect();
        let gone: Vec<u64> = held
            .iter()
            .filter(|(index, n)| !told.contains(index) && !self.sees(actor, *n, now))
            .map(|(i, _)| *i)
            .collect();
        let mut given = 0;
        if !gone.is_empty() && given < max {
            mailbox.items.push(Item::Notice(gone));
            given += 1;
        }
        for n in 0..self.entries.len() {
            if given < max && !held.iter().any(|(_, m)| *m == n) && self.sees(actor, n, now) {
                mailbox.items.push(Item::Entry(n));
                given += 1;
            }
        }
    }
}

fn audience_of(moment: &Moment, o: &OrganisationId) -> Option<Audience> {
    moment.everybody.get(o).filter(|standing| standing.present).and_then(|standing| match standing.role {
        Role::AffectedOrganisation => Some(Audience::OtherAffectedOrganisations),
        Role::ThirdParty => Some(Audience::ThirdParties),
        Role::Coordinator | Role::Authority => None,
    })
}

impl Answers {
    fn give(&mut self, change: &ConsentChange, at: usize, bind: impl Fn(&Name) -> Option<OrganisationId>) {
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
        match change.expiry {
            ExpiryChange::Keep => {}
            ExpiryChange::Never => self.expires_at = None,
            ExpiryChange::At(at) => self.expires_at = Some(at),
        }
    }

    /// Turns into `no` whatever the scope covers: (material, class, organisation by name).
    fn end(&mut self, covers: impl Fn(Material, Option<Audience>, Option<&OrganisationId>) -> bool) {
        for ((material, audience), (sharing, _)) in &mut self.classes {
            if covers(*material, Some(*audience), None) {
                *sharing = (*sharing).min(Sharing::No);
            }
        }
        for ((o, material), sharing) in &mut self.named {
            if covers(*material, None, Some(o)) {
                *sharing = (*sharing).min(Sharing::No);
            }
        }
        for ((_, material), sharing) in &mut self.caps {
            if covers(*material, None, None) {
                *sharing = (*sharing).min(Sharing::No);
            }
        }
    }

    fn end_all(&mut self) {
        self.end(|_, _, _| true);
        self.newcomers.values_mut().for_each(|answer| *answer = (*answer).min(Answer::No));
        self.expires_at = None;
    }
}
