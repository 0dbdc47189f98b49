//! What a room's log adds up to. One question: who is here, and since when may whom see what?
//!
//! Leans on: `event`, `consent`. Upholds: R3 (a pure fold, total: no entry makes it fail), R5 (the running rule). The naive rule that
//! this is checked against is in `tests/it/model.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(super) use self::attachments::Attached;
use self::attachments::Attachments;
pub use self::erasing::Payloads;
pub(super) use self::erasing::{Erasing, Erasure};
use self::matters::Matters;
pub(super) use self::openings::{Opened, OpenedBy, Opening};
pub(super) use self::relay::{Relay, RelayBar, RelayWish, only_source};
use super::consent::{Consent, Name, Scope, Slot, Slots};
use super::event::{Entry, Event};
use super::ids::{Actor, InvitationId, MessageId, OrganisationId, ParticipantId, RequestId, Seq, Timestamp};
use super::mutant::{Mutant, is_on};
use super::words::{Attribution, Material, Role, Tlp};

mod attachments;
mod consents;
mod erasing;
mod matters;
mod openings;
mod posting;
mod relay;
mod rule;
mod taking_back;

/// An organisation that is or was in the room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Participant {
    /// Who.
    pub organisation: OrganisationId,
    /// As the others know it.
    pub id: ParticipantId,
    /// Its part, or its last.
    pub role: Role,
    /// Since when it has played which part, oldest first.
    pub roles: Vec<(Seq, Role)>,
    /// How it appears to the others.
    pub attribution: Attribution,
    /// Since when it has been here without a break; `None`: it left or was removed.
    pub present_since: Option<Seq>,
    /// Since when the others could tell that it is here; `None`: it is hidden.
    pub visible_since: Option<Seq>,
    /// Since when the others are shown its organisation id.
    pub named_since: Option<Seq>,
    /// What it allows. Stands after it left.
    pub consent: Consent,
    /// The entries of its intake report, oldest first.
    pub reports: Vec<Seq>,
}

impl Participant {
    pub(super) fn role_at(&self, seq: Seq) -> Role {
        let before = self.roles.partition_point(|(since, _)| *since <= seq);
        before.checked_sub(1).map_or(self.role, |last| self.roles[last].1)
    }

    pub(super) fn attribution_at(&self, seq: Seq) -> Attribution {
        let since = |from: Option<Seq>| from.is_some_and(|from| from <= seq);
        if since(self.named_since) {
            Attribution::Named
        } else if since(self.visible_since) {
            Attribution::Pseudonym
        } else {
            Attribution::Hidden
        }
    }

    /// Whether this is one of the names under which the others are shown it.
    fn is_shown_as(&self, name: &Name) -> bool {
        match (self.attribution, name) {
            (Attribution::Hidden, _) => false,
            (Attribution::Pseudonym | Attribution::Named, Name::Participant(id)) => *id == self.id,
            (Attribution::Pseudonym, Name::Organisation(_)) => false,
            (Attribution::Named, Name::Organisation(organisation)) => *organisation == self.organisation,
        }
    }

    /// Whether a name that nobody was shown by may be its: anybody's whose organisation id is not shown, and its owner's.
    fn may_be(&self, name: &Name) -> bool {
        self.attribution != Attribution::Named && !is_on(Mutant::UnknownNameIsNobody) || self.is_shown_as(name)
    }
}

/// An invitation that waits for its answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Invitation {
    /// Who is invited.
    pub organisation: OrganisationId,
    /// To which part.
    pub role: Role,
    /// As which participant.
    pub participant: ParticipantId,
    /// When.
    pub invited_at: Timestamp,
}

/// What stays in memory of an entry: all that decides who may see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Trace {
    /// A message.
    Message(Posted),
    /// Earlier messages were opened to organisations.
    Opened(Arc<Opened>),
    /// Something about one participant that all who can tell that it is here are told.
    About(Slot),
    /// Something that only this participant and the coordinator are told.
    Private(Slot),
    /// Something that one participant did with a message of another: both are told, if the other can tell that the first is here.
    ///
    /// About a TLP:RED message, its author and named actors only.
    Told { by: Slot, source: Slot, message: Option<Seq> },
    /// Something that these two participants and the coordinator are told.
    Both(Slot, Slot),
    /// Something that only the coordinator is told.
    CoordinatorOnly,
    /// Something that nobody is told: it changed nothing.
    Nobody,
    /// Something that all are told.
    Everybody,
}

/// A message, but for its text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Posted {
    pub(super) id: MessageId,
    pub(super) recorded_at: Timestamp,
    pub(super) source: Slot,
    pub(super) material: Material,
    pub(super) tlp: Tlp,
    pub(super) coordinator_only: bool,
    pub(super) asks_for_acknowledgement: bool,
    /// Why it is shown to nobody any more but its source and the coordinator, if it isn't.
    pub(super) fallen: Option<Fall>,
    /// Whom it reaches at most: recipients, or those who could see what it stands for, or TLP:RED actors.
    pub(super) narrowed: Option<Arc<Narrowed>>,
    /// The recipients that its source listed, where it did.
    pub(super) recipients: Option<Arc<Slots>>,
    /// What it is made from, if it is a relay.
    pub(super) relay: Option<Arc<Relay>>,
    /// What it holds and hangs on, if it is an attachment.
    pub(super) file: Option<Arc<Attached>>,
}

/// How a message came to be shown to nobody any more but its source and the coordinator; where it was erased, to nobody at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Fall {
    /// Its source withdrew its consent for it.
    Withdrawn,
    /// Its source took it back as void.
    Retracted,
    /// Another message stands for it.
    Superseded,
    /// Its words are destroyed.
    Erased,
}

/// Who a message was narrowed to by its source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Narrowed {
    /// To these participants.
    Recipients(Slots),
    /// To these persons (TLP:RED), and its author.
    Red { author: Option<Actor>, actors: Vec<Actor> },
}

/// Whom a participant has been shown, for good.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Known {
    /// By participant id.
    by_id: Slots,
    /// By organisation id.
    by_name: Slots,
}

/// Whether a room takes messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Status {
    /// It does.
    #[default]
    Open,
    /// It doesn't.
    Closed,
}

/// "It does not hold now."
const BROKEN: Seq = Seq(u64::MAX);

/// A room, as the fold of its log.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RoomState {
    pub(super) next: Seq,
    pub(super) last_recorded_at: Timestamp,
    pub(super) opened_at: Timestamp,
    pub(super) title: Arc<str>,
    pub(super) terms: Arc<str>,
    pub(super) status: Status,
    pub(super) participants: Vec<Participant>,
    by_organisation: HashMap<OrganisationId, Slot>,
    by_participant: HashMap<ParticipantId, Slot>,
    pub(super) invitations: BTreeMap<InvitationId, Invitation>,
    /// Whom each invitation was for, also of those that were answered.
    invited: BTreeMap<InvitationId, OrganisationId>,
    pub(super) traces: Vec<Trace>,
    messages: HashMap<MessageId, Seq>,
    /// Which of them are relays.
    relays: Vec<Seq>,
    /// The entries that opened earlier messages.
    openers: Vec<Seq>,
    /// Fingerprints of (actor, request id): where to look for the write that used it.
    requests: BTreeSet<(u64, Seq)>,
    /// By participant: whom it has been shown.
    known: Vec<Known>,
    /// `[source][reader][need][material]`: since when the need (relay, direct) has been met without a break.
    ok_since: Vec<Vec<[[Seq; 3]; 2]>>,
    /// What was opened to whom, and still is.
    openings: BTreeSet<Opening>,
    /// What waits for an answer or a moment.
    pub(super) matters: Matters,
    /// What is erased, or waits for it.
    pub(super) erasing: Erasing,
    /// Who acknowledged what, and when.
    pub(super) acknowledged: BTreeMap<(Seq, Slot), Timestamp>,
    /// What hangs on messages, and who was given it.
    attachments: Attachments,
    /// The earliest moment at which something ends or is due.
    next_due: Option<Timestamp>,
}

/// Adds one entry. Total: what can't be (a stranger's message, say) changes nothing but the length of the log.
pub fn fold(state: &mut RoomState, entry: &Entry) {
    state.end_expired(entry.recorded_at);
    let trace = state.apply(entry);
    state.traces.push(trace);
    if let (Some(author), Some(request)) = (&entry.author, &entry.request) {
        state.requests.insert((fingerprint(author, request.id), entry.seq));
    }
    state.last_recorded_at = entry.recorded_at;
    state.next = entry.seq.next();
}

fn fingerprint(actor: &Actor, id: RequestId) -> u64 {
    let mut hasher = DefaultHasher::new();
    (actor, id).hash(&mut hasher);
    hasher.finish()
}

impl RoomState {
    /// Where the next entry goes. 0: the room does not exist.
    pub fn next(&self) -> Seq {
        self.next
    }

    /// When the last entry was recorded; `now` is never earlier in this room.
    pub fn last_recorded_at(&self) -> Timestamp {
        self.last_recorded_at
    }

    /// Whether it takes messages.
    pub fn status(&self) -> Status {
        self.status
    }

    /// When the next consent expires, or something else becomes due ([`super::decide::expired`]).
    pub fn next_due(&self) -> Option<Timestamp> {
        self.next_due
    }

    /// The number of an organisation that is or was here.
    pub fn slot(&self, organisation: &OrganisationId) -> Option<Slot> {
        self.by_organisation.get(organisation).copied()
    }

    /// The number of the participant with this id.
    pub(super) fn slot_of(&self, id: ParticipantId) -> Option<Slot> {
        self.by_participant.get(&id).copied()
    }

    /// The participant with this number.
    pub fn participant(&self, slot: Slot) -> &Participant {
        &self.participants[slot.index()]
    }

    /// All who are or were here, in the order of first admission.
    pub fn participants(&self) -> impl Iterator<Item = (Slot, &Participant)> {
        (0u16..).map(Slot).zip(&self.participants)
    }

    /// Invitations that wait for an answer.
    pub fn invitations(&self) -> &BTreeMap<InvitationId, Invitation> {
        &self.invitations
    }

    /// Whom each invitation was for, also of those that were answered.
    pub fn invited(&self) -> &BTreeMap<InvitationId, OrganisationId> {
        &self.invited
    }

    /// Where a message is.
    pub fn message(&self, id: MessageId) -> Option<Seq> {
        self.messages.get(&id).copied()
    }

    /// Title and terms.
    pub fn title_and_terms(&self) -> (&Arc<str>, &Arc<str>) {
        (&self.title, &self.terms)
    }

    /// Whether this entry of the directory about an access is recorded here.
    pub fn has_access_change(&self, by: Seq) -> bool {
        self.matters.access_changes.contains(&by)
    }

    /// When it was opened.
    pub fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    /// The entries that may hold this actor's write with this id. Compare before use: these are fingerprints.
    pub fn find_request(&self, actor: &Actor, id: RequestId) -> impl Iterator<Item = Seq> + '_ {
        let fingerprint = fingerprint(actor, id);
        self.requests.range((fingerprint, Seq(0))..=(fingerprint, BROKEN)).map(|&(_, seq)| seq)
    }

    /// Whether the organisation coordinates the room.
    pub(super) fn is_coordinator(slot: Slot) -> bool {
        slot.0 == 0
    }

    pub(super) fn is_present(&self, slot: Slot) -> bool {
        self.participant(slot).present_since.is_some()
    }

    pub(super) fn is_hidden(&self, slot: Slot) -> bool {
        self.participant(slot).attribution == Attribution::Hidden
    }

    /// Whether `reader` can tell that `other` is here.
    pub(super) fn can_see(&self, reader: Slot, other: Slot) -> bool {
        self.is_present(other) && (reader == other || Self::is_coordinator(reader) || !self.is_hidden(other))
    }

    /// Whether `reader` is shown the organisation id of `other` at `seq`.
    pub(super) fn is_named_to(&self, reader: Slot, other: Slot, seq: Seq) -> bool {
        reader == other
            || Self::is_coordinator(reader)
            || self.participant(other).named_since.is_some_and(|since| since <= seq)
    }

    /// The participant that `caller` is shown under this name.
    pub(super) fn resolve(&self, caller: Slot, name: &Name) -> Option<Slot> {
        let slot = match name {
            Name::Organisation(organisation) => {
                self.slot(organisation).filter(|&slot| self.is_named_to(caller, slot, self.next))
            }
            Name::Participant(participant) => self.by_participant.get(participant).copied(),
        };
        slot.filter(|&slot| self.can_see(caller, slot))
    }

    /// The participant that `source` is shown under this name, or was: a name stays with its organisation.
    pub(super) fn bind(&self, source: Slot, name: &Name) -> Option<Slot> {
        let known = &self.known[source.index()];
        match name {
            Name::Organisation(organisation) => self.slot(organisation).filter(|&slot| known.by_name.contains(slot)),
            Name::Participant(id) => self.by_participant.get(id).copied().filter(|&slot| known.by_id.contains(slot)),
        }
    }

    /// Notes who is shown to whom from now on, after `slot` came or let more of itself be known.
    fn introduce(&mut self, slot: Slot) {
        for other in (0..self.participants.len() as u16).map(Slot) {
            for (reader, shown) in [(slot, other), (other, slot)] {
                if self.is_present(reader) && self.can_see(reader, shown) {
                    self.known[reader.index()].by_id.insert(shown);
                    if self.is_named_to(reader, shown, self.next) {
                        self.known[reader.index()].by_name.insert(shown);
                    }
                }
            }
        }
    }

    fn find_next_due(&mut self) {
        let expiries = self.participants.iter().filter_map(|participant| participant.consent.expires_at);
        self.next_due = expiries.chain(self.matters.due()).min();
    }

    fn admit(&mut self, participant: Participant) -> Slot {
        let slot = Slot(self.participants.len() as u16);
        self.by_organisation.insert(participant.organisation.clone(), slot);
        self.by_participant.insert(participant.id, slot);
        self.participants.push(participant);
        self.known.push(Known::default());
        self.ok_since.iter_mut().for_each(|row| row.push([[BROKEN; 3]; 2]));
        self.ok_since.push(vec![[[BROKEN; 3]; 2]; self.participants.len()]);
        slot
    }

    fn raise(&mut self, slot: Slot, attribution: Attribution, at: Seq) {
        let was_hidden = self.is_hidden(slot);
        let participant = &mut self.participants[slot.index()];
        participant.attribution = participant.attribution.max(attribution);
        match participant.attribution {
            Attribution::Hidden => {}
            Attribution::Pseudonym => participant.visible_since = participant.visible_since.or(Some(at)),
            Attribution::Named => {
                participant.visible_since = participant.visible_since.or(Some(at));
                participant.named_since = participant.named_since.or(Some(at));
            }
        }
        if was_hidden && !self.is_hidden(slot) {
            self.uncover(slot);
        }
    }

    fn apply(&mut self, entry: &Entry) -> Trace {
        let at = entry.seq;
        let known = |state: &Self, organisation: &OrganisationId| state.slot(organisation);
        match &entry.event {
            Event::RoomOpened { coordinator: _, title, terms } => {
                self.title = title.clone();
                self.terms = terms.clone();
                self.opened_at = entry.recorded_at;
                self.erasing.opened_by = entry.author.as_ref().map(|author| author.organisation.clone());
                Trace::CoordinatorOnly
            }
            Event::ParticipantAdmitted { organisation, participant, role, attribution, invitation } => {
                if let Some(invitation) = invitation {
                    self.invitations.remove(invitation);
                }
                let slot = match self.slot(organisation) {
                    Some(slot) => slot,
                    None => self.admit(Participant {
                        organisation: organisation.clone(),
                        id: *participant,
                        role: *role,
                        roles: Vec::new(),
                        attribution: Attribution::Hidden,
                        present_since: None,
                        visible_since: None,
                        named_since: None,
                        consent: Consent::default(),
                        reports: Vec::new(),
                    }),
                };
                let state = &mut self.participants[slot.index()];
                state.role = *role;
                state.roles.push((at, *role));
                state.present_since = state.present_since.or(Some(at));
                self.raise(slot, *attribution, at);
                self.introduce(slot);
                self.refresh_reader(slot, at);
                self.refresh_source(slot, at);
                Trace::About(slot)
            }
            Event::AttributionRaised { organisation, attribution } => {
                let Some(slot) = known(self, organisation) else { return Trace::Nobody };
                self.raise(slot, *attribution, at);
                self.introduce(slot);
                self.refresh_reader(slot, at);
                self.refresh_source(slot, at);
                Trace::About(slot)
            }
            Event::OrganisationInvited { invitation, organisation, role, participant } => {
                self.invited.insert(*invitation, organisation.clone());
                self.invitations.insert(
                    *invitation,
                    Invitation {
                        organisation: organisation.clone(),
                        role: *role,
                        participant: *participant,
                        invited_at: entry.recorded_at,
                    },
                );
                Trace::CoordinatorOnly
            }
            Event::InvitationDeclined { invitation, organisation: _ } => {
                self.invitations.remove(invitation);
                Trace::CoordinatorOnly
            }
            Event::ParticipantLeft { organisation } | Event::ParticipantRemoved { organisation, reason: _ } => {
                self.invitations.retain(|_, invitation| invitation.organisation != *organisation);
                // Who was only invited, or has left already, does not leave again before everybody's eyes.
                let Some(slot) = known(self, organisation).filter(|&slot| self.is_present(slot)) else {
                    return Trace::Nobody;
                };
                self.participants[slot.index()].present_since = None;
                self.uncover(slot);
                if !is_on(Mutant::ReleaseOutlivesDeparture) {
                    self.end_openings_to(slot);
                }
                self.note_police_answer(slot, entry.recorded_at);
                self.refresh_reader(slot, at);
                Trace::About(slot)
            }
            Event::RoleChanged { organisation, role } => {
                let Some(slot) = known(self, organisation) else { return Trace::Nobody };
                self.participants[slot.index()].role = *role;
                self.participants[slot.index()].roles.push((at, *role));
                self.uncover(slot);
                self.note_police_answer(slot, entry.recorded_at);
                self.refresh_reader(slot, at);
                Trace::About(slot)
            }
            Event::ConsentGiven { organisation, change } => {
                let Some(slot) = known(self, organisation) else { return Trace::Nobody };
                let before = self.opened_by(slot);
                let mut consent = std::mem::take(&mut self.participants[slot.index()].consent);
                let in_class = |audience| {
                    let others = self.participants().map(|(other, _)| other).filter(|&other| other != slot);
                    others.filter(|&other| self.is_in(other, audience)).collect()
                };
                consent.give(change, in_class, |name| self.bind(slot, name));
                self.participants[slot.index()].consent = consent;
                self.note_police_answer(slot, entry.recorded_at);
                self.end_narrowed_openings(slot, change, &before);
                self.refresh_source(slot, at);
                Trace::Private(slot)
            }
            Event::ConsentWithdrawn { organisation, scope, recall } => {
                let Some(slot) = known(self, organisation) else { return Trace::Nobody };
                self.matters.recall(*recall, slot);
                self.end_consent(slot, scope, at);
                match scope {
                    Scope::Message(message) => {
                        let red = self.message(*message).filter(|&seq| self.is_red(seq));
                        Trace::Told { by: slot, source: slot, message: red }
                    }
                    Scope::All | Scope::Material(_) | Scope::Audience(_) | Scope::Named(_) => Trace::Private(slot),
                }
            }
            // The end itself came with the time of this entry, or of one before it (`end_expired`).
            Event::ConsentExpired { organisation } => match known(self, organisation) {
                Some(slot) => Trace::Private(slot),
                None => Trace::Nobody,
            },
            Event::ReportFiled { organisation, report: _ } => {
                let Some(slot) = known(self, organisation) else { return Trace::Nobody };
                self.participants[slot.index()].reports.push(at);
                Trace::Private(slot)
            }
            Event::MessagePosted { organisation, message } => {
                let Some(source) = known(self, organisation) else { return Trace::Nobody };
                let narrowed = self.narrowed(source, message, entry);
                self.post(source, message, entry, narrowed, None)
            }
            Event::RelayPublished { organisation, message, parents, unapproved } => {
                let Some(source) = known(self, organisation) else { return Trace::Nobody };
                let relay = self.sealed_relay(message, parents, unapproved, entry.recorded_at);
                self.post(source, message, entry, None, Some(Arc::new(relay)))
            }
            Event::AttachmentFetched { organisation: _, message } => {
                if let (Some(actor), Some(seq)) = (&entry.author, self.message(*message)) {
                    self.attachments.note_fetch(seq, actor, entry.recorded_at);
                }
                // Like delivery records, it is asked for and not told.
                Trace::Nobody
            }
            Event::MessageRetracted { organisation, message, reason: _ } => {
                let Some(slot) = known(self, organisation) else { return Trace::Nobody };
                let red = self.message(*message).filter(|&seq| self.is_red(seq));
                self.fall_of(slot, *message, Fall::Retracted);
                Trace::Told { by: slot, source: slot, message: red }
            }
            Event::MessageAcknowledged { organisation, message } => {
                let (Some(by), Some(seq)) = (known(self, organisation), self.message(*message)) else {
                    return Trace::Nobody;
                };
                let Some(source) = self.posted(seq).map(|posted| posted.source) else { return Trace::Nobody };
                self.acknowledged.entry((seq, by)).or_insert(entry.recorded_at);
                Trace::Told { by, source, message: Some(seq) }
            }
            Event::MessagesReleased { organisation, release, messages, to } => {
                let Some(source) = known(self, organisation) else { return Trace::Nobody };
                self.matters.releases.insert(*release, (source, at));
                self.open(at, source, OpenedBy::Release, messages, to)
            }
            Event::ReleaseRevoked { organisation, release } => {
                let Some(source) = known(self, organisation) else { return Trace::Nobody };
                if let Some((_, by)) = self.matters.releases.remove(release)
                    && !is_on(Mutant::RevokedReleaseHolds)
                {
                    self.openings.retain(|opening| opening.by != by);
                }
                Trace::Private(source)
            }
            Event::RelayApproved { organisation, message, to } => {
                let Some(source) = known(self, organisation) else { return Trace::Nobody };
                self.open(at, source, OpenedBy::Approval, std::slice::from_ref(message), to)
            }
            Event::MessagesForwarded { organisation, messages, to, reason: _ } => {
                let Some(source) = known(self, organisation) else { return Trace::Nobody };
                self.open(at, source, OpenedBy::Forwarding, messages, std::slice::from_ref(to))
            }
            Event::LegallyDisclosed { disclosure, organisation, duty, proposed_by: _ } => {
                let Some(source) = known(self, organisation) else { return Trace::Nobody };
                self.matters.disclosed(*disclosure, source, duty, at);
                self.find_next_due();
                let suppressed = duty.suppress_until.is_some();
                let by = OpenedBy::LegalDuty { suppressed };
                self.open(at, source, by, &duty.messages, std::slice::from_ref(&duty.to))
            }
            Event::TermsChanged { terms } => {
                self.terms = terms.clone();
                // The coordinator has no consent that could lapse.
                for source in 1..self.participants.len() as u16 {
                    if is_on(Mutant::TermsEndNothing) {
                        break;
                    }
                    self.end_consent(Slot(source), &Scope::All, at);
                }
                Trace::Everybody
            }
            Event::RoomSeenAs { organisation }
            | Event::RoomExported { organisation, .. }
            | Event::ReportRead { organisation }
            | Event::PoliceReportMade { organisation, .. }
            | Event::PoliceReportDue { organisation }
            | Event::AskSuggested { organisation, .. }
            | Event::AskAnswered { organisation, .. }
            | Event::RelayRejected { organisation, .. }
            | Event::LegalDisclosureNotified { organisation, .. }
            | Event::IntroductionAnswered { organisation, .. }
            | Event::ConsentAsked { source: organisation, .. } => {
                let Some(slot) = known(self, organisation) else { return Trace::Nobody };
                self.note_matter(slot, entry);
                Trace::Private(slot)
            }
            Event::AccessChanged { actor, .. } => {
                let Some(slot) = known(self, &actor.organisation) else { return Trace::Nobody };
                self.note_matter(slot, entry);
                Trace::Private(slot)
            }
            Event::RecallAnswered { organisation, recall, answer, comment } => {
                let Some(by) = known(self, organisation) else { return Trace::Nobody };
                let Some(source) = self.matters.answer_recall(*recall, by, *answer, comment, entry.recorded_at) else {
                    return Trace::Nobody;
                };
                Trace::Told { by, source, message: None }
            }
            Event::AskLapsed { ask } => match self.matters.lapse(*ask) {
                Some(source) => {
                    self.find_next_due();
                    Trace::Private(source)
                }
                None => Trace::Nobody,
            },
            Event::LegalDisclosureProposed { disclosure, duty } => {
                if let Some(author) = &entry.author {
                    self.matters.proposed.insert(*disclosure, (duty.clone(), author.clone()));
                }
                Trace::CoordinatorOnly
            }
            Event::IntroductionProposed { sides } | Event::Introduced { sides } => {
                self.note_introduced(entry, sides);
                let [a, b] = sides;
                let (Some(a), Some(b)) = (known(self, &a.organisation), known(self, &b.organisation)) else {
                    return Trace::Nobody;
                };
                self.note_matter(a, entry);
                Trace::Both(a, b)
            }
            Event::RoomClosed | Event::RoomReopened => {
                let closes = matches!(entry.event, Event::RoomClosed);
                self.status = if closes { Status::Closed } else { Status::Open };
                self.erasing.closed_at = closes.then_some(entry.recorded_at);
                Trace::Everybody
            }
            Event::ErasureProposed { .. }
            | Event::PayloadsErased { .. }
            | Event::LegalHoldPlaced { .. }
            | Event::LegalHoldLifted { .. }
            | Event::RetentionSet { .. } => self.follow_erasing(entry),
        }
    }
}
