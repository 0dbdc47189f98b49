//! Which wishes are granted, and what they make happen. Every objection is collected, whichever comes first: the core may give
//! any of them as its reason, must refuse if there is one, and must grant if there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use samverkan::limits;
use samverkan::room::consent::{Name, Scope};
use samverkan::room::event::{
    AskedFor, Command, Draft, Event, IntroductionSide, LegalDuty, Recall, RelayDraft, Subject,
};
use samverkan::room::ids::{Actor, ActorKind, AskId, MessageId, OrganisationId, ReleaseId, Timestamp};
use samverkan::room::words::{AskAnswer, Attribution, Material, PoliceAnswer, RecallAnswer, Role, Tlp};
use sha2::{Digest, Sha256};

use super::{COORDINATOR, Item, Model, NaiveMailbox, No};

/// What must come of a wish.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    /// Why it must be refused: one of these.
    objections: BTreeSet<&'static str>,
    /// Reasons for which it may be refused as well: the rule leaves it open.
    perhaps: BTreeSet<&'static str>,
    /// What must happen, if it is granted and the model says that much.
    events: Option<Vec<Event>>,
    /// Not judged.
    skipped: bool,
}

/// The kind of a refusal.
pub(crate) fn name_of(refusal: &impl Debug) -> String {
    let text = format!("{refusal:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

impl Verdict {
    fn object(&mut self, why: &'static str) {
        self.objections.insert(why);
    }

    fn object_if(&mut self, is_wrong: bool, why: &'static str) {
        if is_wrong {
            self.object(why);
        }
    }

    /// An objection for which the rule does not say which reason is given.
    fn object_with(&mut self, is_wrong: bool, reasons: &[&'static str]) {
        if is_wrong {
            self.objections.extend(reasons);
        }
    }

    fn allow(&mut self, is_open: bool, reasons: &[&'static str]) {
        if is_open {
            self.perhaps.extend(reasons);
        }
    }

    /// Whether it was judged.
    pub(crate) fn is_judged(&self) -> bool {
        !self.skipped
    }

    /// Compares with what the core said.
    pub(crate) fn check(&self, said: &Result<Vec<Event>, String>) -> Result<(), String> {
        if self.skipped {
            return Ok(());
        }
        match said {
            Err(why) if self.objections.contains(why.as_str()) || self.perhaps.contains(why.as_str()) => Ok(()),
            Err(why) => Err(format!("refused with {why}, the model has {:?}", self.objections)),
            Ok(events) if !self.objections.is_empty() => {
                Err(format!("granted {events:?}, the model has {:?}", self.objections))
            }
            Ok(events) => match &self.events {
                Some(expected) if normal(expected) != normal(events) => {
                    Err(format!("made {events:?}, the model {expected:?}"))
                }
                Some(_) | None => Ok(()),
            },
        }
    }
}

/// Lists that are sets in order.
fn normal(events: &[Event]) -> Vec<Event> {
    let normal = |event: &Event| {
        let mut event = event.clone();
        match &mut event {
            Event::MessagesReleased { to, .. } | Event::RelayApproved { to, .. } => to.sort(),
            Event::RelayPublished { unapproved, parents, .. } => {
                unapproved.sort();
                parents.sort();
            }
            _ => {}
        }
        event
    };
    let mut all: Vec<Event> = events.iter().map(normal).collect();
    all.sort_by_key(|event| format!("{event:?}"));
    all
}

const TOO_LONG: usize = limits::REASON_BYTES_MAX;

fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= TOO_LONG
}

type Mailboxes = BTreeMap<Actor, NaiveMailbox>;

/// The messages that a command is about.
fn named(command: &Command) -> Vec<MessageId> {
    match command {
        Command::Retract { message, .. }
        | Command::Acknowledge { message }
        | Command::Fetch { message }
        | Command::ApproveRelay { message, .. }
        | Command::RejectRelay { message, .. }
        | Command::WithdrawConsent { scope: Scope::Message(message), .. } => vec![*message],
        Command::Release { messages, .. }
        | Command::Forward { messages, .. }
        | Command::ProposeLegalDisclosure { messages, .. }
        | Command::Ask { subject: Subject::Messages(messages), .. } => messages.clone(),
        Command::Post { draft, .. } => draft.supersedes.into_iter().chain(draft.in_reply_to).collect(),
        Command::PublishRelay { draft, .. } => draft.parents.iter().copied().chain(draft.supersedes).collect(),
        _ => Vec::new(),
    }
}

impl Model {
    /// What must come of this wish now.
    pub(crate) fn judge(&self, mailboxes: &Mailboxes, caller: &Actor, command: &Command, now: Timestamp) -> Verdict {
        let mut verdict = self.judge_standing(mailboxes, caller, command, now);
        // Of a message that is erased it is not shown anything any more, and its source is told that it has fallen.
        let is_unseen = verdict.objections.contains("MessageNotVisible");
        let me = self.no(&caller.organisation);
        // Who could know of it: its source, and the coordinator, unless it was TLP:RED.
        let was_known = |place: usize| match &self.posts[&place] {
            post if post.message.tlp == Tlp::Red => self.was_named(caller, place),
            post => Some(post.source) == me || me == Some(COORDINATOR),
        };
        let is_own_and_erased = |message: &MessageId| {
            let place = self.places.get(message).copied();
            place.is_some_and(|place| was_known(place) && self.is_erased(place, self.last()))
        };
        verdict.allow(is_unseen && named(command).iter().any(is_own_and_erased), &["MessageFallen"]);
        verdict
    }

    fn judge_standing(&self, mailboxes: &Mailboxes, caller: &Actor, command: &Command, now: Timestamp) -> Verdict {
        let mut verdict = Verdict::default();
        let skipped = || Verdict { skipped: true, ..Verdict::default() };
        let Some(me) = self.no(&caller.organisation).filter(|_| !self.moments.is_empty()) else { return skipped() };
        let t = self.last();
        if let Command::WithdrawConsent { scope, recall } = command {
            self.judge_withdrawal(&mut verdict, caller, me, scope, recall.as_ref(), now);
            return verdict;
        }
        if !self.is_present(me, t) {
            return skipped();
        }
        let v = &mut verdict;
        let closed = self.moments[t].is_closed;
        let by_program = caller.kind == ActorKind::Service;
        let organisation = caller.organisation.clone();
        match command {
            Command::Post { draft, .. } => self.judge_edit(v, caller, me, draft, now),
            Command::ChangeTerms { terms } => {
                v.object_if(me != COORDINATOR, "CoordinatorOnly");
                v.object_if(closed, "RoomClosed");
                let of = |event: &Event| match event {
                    Event::RoomOpened { terms, .. } | Event::TermsChanged { terms } => Some(terms.clone()),
                    _ => None,
                };
                let before = self.entries.iter().rev().find_map(|entry| of(&entry.event));
                v.allow(before.as_ref() == Some(terms), &["Invalid"]);
                v.events = Some(vec![Event::TermsChanged { terms: terms.clone() }]);
            }
            Command::Fetch { message } => {
                let place = self.places.get(message).filter(|place| self.sees_message(caller, **place, now));
                let is_file = place.is_some_and(|place| self.posts[place].message.file.is_some());
                let has = |mailbox: &NaiveMailbox, place: usize| {
                    mailbox.items.iter().any(|item| match item {
                        Item::Entry(n) | Item::Opened { place: n, .. } => *n == place,
                        Item::Notice(..) => false,
                    })
                };
                let has = place.is_some_and(|place| mailboxes.get(caller).is_some_and(|mailbox| has(mailbox, *place)));
                v.object_if(!is_file || !has, "MessageNotVisible");
                let before = self.entries.iter().any(|entry| {
                    entry.author.as_ref() == Some(caller)
                        && matches!(&entry.event, Event::AttachmentFetched { message: m, .. } if m == message)
                });
                let fetched = Event::AttachmentFetched { organisation, message: *message };
                v.events = Some(if before { Vec::new() } else { vec![fetched] });
            }
            Command::Retract { message, reason } => {
                self.judge_own(v, caller, me, *message, now);
                v.object_if(reason.len() > TOO_LONG, "Invalid");
                v.allow(reason.is_empty(), &["Invalid"]);
                let (message, reason) = (*message, reason.clone());
                v.events = Some(vec![Event::MessageRetracted { organisation, message, reason }]);
            }
            Command::Acknowledge { message } => {
                let place = self.places.get(message).filter(|place| self.sees_message(caller, **place, now));
                let Some(place) = place else {
                    v.object("MessageNotVisible");
                    return verdict;
                };
                let post = &self.posts[place];
                let asked = post.message.acknowledge_by.is_some() && post.source != me;
                v.object_if(!asked, "AcknowledgementNotAsked");
                // Who reads a relay as its source only is not one of its receivers.
                let as_source = post.relay.as_ref().is_some_and(|relay| relay.sources == [me]);
                v.allow(as_source, &["AcknowledgementNotAsked"]);
                v.allow(self.is_void(*place, t), &["MessageFallen"]);
                let before = self.entries.iter().any(|entry| {
                    matches!(&entry.event, Event::MessageAcknowledged { organisation: o, message: m }
                        if *o == organisation && m == message)
                });
                v.object_if(before, "AlreadyAcknowledged");
                v.events = Some(vec![Event::MessageAcknowledged { organisation, message: *message }]);
            }
            Command::Release { release, messages, to } => {
                v.object_if(closed, "RoomClosed");
                v.object_if(by_program, "PersonRequired");
                self.judge_release(v, caller, me, messages, now);
                v.object_if(to.is_empty(), "Invalid");
                let found = self.judge_receivers(v, me, to);
                self.object_to_named_no(v, me, messages, &found);
                let (messages, to) = (self.in_order(messages), self.names(&found));
                v.events = Some(vec![Event::MessagesReleased { organisation, release: *release, messages, to }]);
            }
            Command::RevokeRelease { release } => {
                let is_own = |event: &Event| {
                    matches!(event, Event::MessagesReleased { organisation: o, release: r, .. }
                        if *o == organisation && r == release)
                };
                let is_over = |event: &Event| matches!(event, Event::ReleaseRevoked { release: r, .. } if r == release);
                v.object_if(!self.entries.iter().any(|entry| is_own(&entry.event)), "ReleaseNotFound");
                v.allow(self.entries.iter().any(|entry| is_over(&entry.event)), &["ReleaseNotFound"]);
                v.events = Some(vec![Event::ReleaseRevoked { organisation, release: *release }]);
            }
            Command::AnswerRecall { recall, answer, comment } => {
                let mut own = mailboxes.iter().filter(|(actor, _)| actor.organisation == organisation);
                let known = own.any(|(actor, mailbox)| self.is_recalled(mailbox, actor, *recall, now));
                v.object_if(!known, "RecallNotFound");
                let short = *answer != RecallAnswer::Deleted && comment.is_empty();
                v.object_if(short || comment.len() > TOO_LONG, "Invalid");
                let (recall, answer, comment) = (*recall, *answer, comment.clone());
                v.events = Some(vec![Event::RecallAnswered { organisation, recall, answer, comment }]);
            }
            Command::SuggestAsk { source, material, reason } => {
                v.object_if(me == COORDINATOR, "NotForTheCoordinator");
                v.object_if(!is_text(reason), "Invalid");
                v.allow(closed, &["RoomClosed"]);
                let found = source.as_ref().map(|name| self.resolve(me, name));
                v.object_if(found == Some(None), "RecipientNotVisible");
                v.object_with(found == Some(Some(COORDINATOR)), &["Invalid", "NotForTheCoordinator"]);
                v.object_if(found == Some(Some(me)), "Invalid");
                let source = found.flatten().map(|o| self.who[o].clone());
                let (material, reason) = (*material, reason.clone());
                v.events = Some(vec![Event::AskSuggested { organisation, source, material, reason }]);
            }
            Command::Ask { ask, source, subject, to, reason, answer_by } => {
                v.object_if(closed, "RoomClosed");
                v.object_if(!is_text(reason) || *answer_by <= now, "Invalid");
                let Some(event) = self.judge_ask(v, caller, me, (source, subject, to), now) else { return verdict };
                let (source, subject, to) = event;
                let (ask, reason, answer_by) = (*ask, reason.clone(), *answer_by);
                v.events = Some(vec![Event::ConsentAsked { ask, source, subject, to, reason, answer_by }]);
            }
            Command::AnswerAsk { ask, answer, comment, release } => {
                v.object_if(comment.len() > TOO_LONG, "Invalid");
                let widens = *answer != AskAnswer::No;
                v.object_if(widens && by_program, "PersonRequired");
                v.object_if(widens && closed, "RoomClosed");
                self.judge_answer(v, caller, me, (*ask, *answer, comment, *release), now);
            }
            Command::PublishRelay { message, draft } => {
                v.object_if(closed, "RoomClosed");
                v.allow(by_program, &["PersonRequired"]);
                self.judge_relay(v, caller, me, *message, draft, now);
            }
            Command::ApproveRelay { message, text_digest, to } => {
                v.object_if(closed, "RoomClosed");
                v.object_if(by_program, "PersonRequired");
                self.judge_approval(v, caller, me, *message, *text_digest, to);
            }
            Command::RejectRelay { message, reason } => {
                let place = self.places.get(message);
                let relay = place.and_then(|place| self.posts[place].relay.as_ref());
                let is_its = relay
                    .is_some_and(|relay| relay.sources == [me] && self.knows_as_source(caller, me, relay, t))
                    && place.is_some_and(|place| self.sees_message(caller, *place, now));
                v.object_if(!is_its, "MessageNotVisible");
                v.object_if(reason.len() > TOO_LONG, "Invalid");
                v.allow(closed, &["RoomClosed"]);
                v.object_if(place.is_some_and(|place| self.is_void(*place, t)), "TextChanged");
                let (message, reason) = (*message, reason.clone());
                v.events = Some(vec![Event::RelayRejected { organisation, message, reason }]);
            }
            Command::RecordPoliceReport { reference } => {
                let role = self.moments[t].everybody[me].role;
                v.object_with(me == COORDINATOR, &["NotForTheCoordinator", "AffectedOrganisationOnly"]);
                v.object_if(role != Role::AffectedOrganisation, "AffectedOrganisationOnly");
                v.object_if(!is_text(reference), "Invalid");
                v.allow(closed, &["RoomClosed"]);
                v.events = Some(vec![Event::PoliceReportMade { organisation, reference: reference.clone() }]);
            }
            Command::Forward { messages, to, reason } => {
                v.object_if(closed, "RoomClosed");
                v.allow(by_program, &["PersonRequired"]);
                v.object_if(!is_text(reason), "Invalid");
                self.judge_forwarding(v, caller, me, messages, to, reason, now);
            }
            Command::ProposeLegalDisclosure { disclosure, statute, messages, to, suppress_until } => {
                v.object_if(me != COORDINATOR, "CoordinatorOnly");
                v.object_if(by_program, "PersonRequired");
                let late = suppress_until.is_some_and(|until| until <= now);
                v.object_if(!is_text(statute) || late || messages.is_empty(), "Invalid");
                let found = self.resolve(me, to);
                v.object_with(found.is_none(), &["RecipientNotVisible", "ParticipantNotFound"]);
                v.object_if(found == Some(COORDINATOR), "Invalid");
                v.object_if(self.is_without_carrier(messages), "Invalid");
                for message in messages {
                    let Some(place) = self.visible_place(caller, *message, now) else {
                        v.object("MessageNotVisible");
                        continue;
                    };
                    let post = &self.posts[&place];
                    let wrong = post.message.tlp == Tlp::Red || post.relay.is_some() || Some(post.source) == found;
                    v.object_if(wrong, "Invalid");
                    v.allow(post.relay.is_some(), &["MessageNotVisible"]);
                    v.allow(post.source == COORDINATOR, &["Invalid", "MessageNotVisible"]);
                }
                let duty = found.map(|to| LegalDuty {
                    statute: statute.clone(),
                    messages: self.in_order(messages),
                    to: self.who[to].clone(),
                    suppress_until: *suppress_until,
                });
                v.events = duty
                    .map(|duty| vec![Event::LegalDisclosureProposed { disclosure: *disclosure, duty: Arc::new(duty) }]);
            }
            Command::ConfirmLegalDisclosure { disclosure } => {
                v.object_if(me != COORDINATOR, "CoordinatorOnly");
                v.object_if(by_program, "PersonRequired");
                let proposal = self.entries.iter().find_map(|entry| match &entry.event {
                    Event::LegalDisclosureProposed { disclosure: d, duty } if d == disclosure => {
                        Some((entry.author.clone(), duty.clone()))
                    }
                    _ => None,
                });
                let confirmed = self.entries.iter().any(
                    |entry| matches!(&entry.event, Event::LegallyDisclosed { disclosure: d, .. } if d == disclosure),
                );
                let Some((Some(by), duty)) = proposal.filter(|_| !confirmed) else {
                    v.object("DisclosureNotFound");
                    return verdict;
                };
                v.object_if(by == *caller, "SecondPersonRequired");
                let here = self.no(&duty.to).is_some_and(|to| self.is_present(to, t));
                v.object_with(!here, &["RecipientNotVisible", "ParticipantNotFound"]);
                let mut by_source: BTreeMap<No, Vec<MessageId>> = BTreeMap::new();
                for message in &duty.messages {
                    let Some(place) = self.places.get(message).filter(|place| !self.is_erased(**place, t)) else {
                        continue;
                    };
                    by_source.entry(self.posts[place].source).or_default().push(*message);
                }
                v.object_if(by_source.is_empty(), "MessageFallen");
                let suppress_until = duty.suppress_until.filter(|until| *until > now);
                let of_source = |(source, messages): (No, Vec<MessageId>)| Event::LegallyDisclosed {
                    disclosure: *disclosure,
                    organisation: self.who[source].clone(),
                    duty: Arc::new(LegalDuty { messages, suppress_until, ..(*duty).clone() }),
                    proposed_by: by.clone(),
                };
                v.events = Some(by_source.into_iter().map(of_source).collect());
            }
            Command::ProposeIntroduction { sides } => {
                v.object_if(me != COORDINATOR, "CoordinatorOnly");
                v.allow(closed, &["RoomClosed"]);
                let found = sides.each_ref().map(|(_, name, _)| self.resolve(me, name));
                v.object_with(found.contains(&None), &["RecipientNotVisible", "ParticipantNotFound"]);
                let same = found[0].is_some() && found[0] == found[1];
                v.object_if(same || found.contains(&Some(COORDINATOR)), "Invalid");
                v.object_if(sides.iter().any(|(_, _, words)| !is_text(words)), "Invalid");
                if let [Some(a), Some(b)] = found {
                    let side = |n: usize, o: No| IntroductionSide {
                        id: sides[n].0,
                        organisation: self.who[o].clone(),
                        words: sides[n].2.clone(),
                    };
                    v.events = Some(vec![Event::IntroductionProposed { sides: [side(0, a), side(1, b)] }]);
                }
            }
            Command::AnswerIntroduction { introduction, accepted, contact } => {
                v.object_if(*accepted && by_program, "PersonRequired");
                v.object_if(*accepted && contact.is_empty() || contact.len() > TOO_LONG, "Invalid");
                v.allow(closed && *accepted, &["RoomClosed"]);
                let sides = self.entries.iter().find_map(|entry| match &entry.event {
                    Event::IntroductionProposed { sides } => {
                        let own = sides.iter().position(|s| s.id == *introduction && s.organisation == organisation)?;
                        Some((sides[own].clone(), sides[1 - own].clone()))
                    }
                    _ => None,
                });
                let answer = |side: &IntroductionSide| {
                    self.entries.iter().find_map(|entry| match &entry.event {
                        Event::IntroductionAnswered { introduction: i, accepted, contact, .. } if *i == side.id => {
                            Some((*accepted, contact.clone()))
                        }
                        _ => None,
                    })
                };
                let Some((own, other)) = sides.filter(|(own, _)| answer(own).is_none()) else {
                    v.object("IntroductionNotFound");
                    return verdict;
                };
                v.events = None;
                let both = *accepted
                    && answer(&other).is_some_and(|(yes, _)| yes)
                    && self.no(&other.organisation).is_some_and(|o| self.is_present(o, t));
                if !both {
                    let (introduction, accepted, contact) = (own.id, *accepted, contact.clone());
                    v.events =
                        Some(vec![Event::IntroductionAnswered { organisation, introduction, accepted, contact }]);
                }
            }
            Command::SeeAs { participant } => {
                v.object_if(me != COORDINATOR, "CoordinatorOnly");
                let found = self.resolve(me, participant);
                v.object_with(found.is_none(), &["RecipientNotVisible", "ParticipantNotFound"]);
                v.allow(found == Some(COORDINATOR), &["Invalid", "NotForTheCoordinator"]);
                v.events = found.map(|o| vec![Event::RoomSeenAs { organisation: self.who[o].clone() }]);
            }
            Command::RecordExport { export } => {
                v.events =
                    Some(vec![Event::RoomExported { organisation: caller.organisation.clone(), export: *export }]);
            }
            _ => return skipped(),
        }
        verdict
    }

    fn names(&self, of: &[No]) -> Vec<OrganisationId> {
        let mut names: Vec<_> = of.iter().map(|o| self.who[*o].clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    fn in_order(&self, messages: &[MessageId]) -> Vec<MessageId> {
        let mut places: Vec<usize> = messages.iter().filter_map(|id| self.places.get(id).copied()).collect();
        places.sort_unstable();
        places.dedup();
        places.iter().map(|place| self.posts[place].message.id).collect()
    }

    fn visible_place(&self, caller: &Actor, message: MessageId, now: Timestamp) -> Option<usize> {
        self.places.get(&message).copied().filter(|place| self.sees_message(caller, *place, now))
    }

    /// One's own message that stands.
    fn judge_own(&self, v: &mut Verdict, caller: &Actor, me: No, message: MessageId, now: Timestamp) {
        let Some(place) = self.visible_place(caller, message, now).filter(|place| self.posts[place].source == me)
        else {
            let place = self.places.get(&message).filter(|place| self.posts[place].source == me);
            // A named actor loses a TLP:RED message that has fallen, and can be told either way.
            v.allow(place.is_some_and(|place| self.was_named(caller, *place)), &["MessageFallen"]);
            v.object("MessageNotVisible");
            return;
        };
        v.object_if(self.has_fallen(place, self.last()), "MessageFallen");
    }

    fn was_named(&self, actor: &Actor, place: usize) -> bool {
        let post = &self.posts[&place];
        post.author.as_ref() == Some(actor) || post.message.red_actors.contains(actor)
    }

    fn judge_withdrawal(
        &self,
        v: &mut Verdict,
        caller: &Actor,
        me: No,
        scope: &Scope,
        recall: Option<&Recall>,
        now: Timestamp,
    ) {
        v.object_if(me == COORDINATOR, "NotForTheCoordinator");
        v.object_if(recall.is_some_and(|recall| recall.answer_by <= now), "Invalid");
        if let Scope::Message(message) = scope {
            let own = self.places.get(message).copied().filter(|place| {
                let post = &self.posts[place];
                post.source == me && (post.message.tlp != Tlp::Red || self.was_named(caller, *place))
            });
            match own {
                None => v.object("MessageNotVisible"),
                Some(place) => {
                    let (fallen, red) =
                        (self.has_fallen(place, self.last()), self.posts[&place].message.tlp == Tlp::Red);
                    v.object_if(fallen, "MessageFallen");
                    // It exists for nobody but its author any more.
                    v.allow(fallen && red, &["MessageNotVisible"]);
                }
            }
        }
        let (organisation, scope) = (caller.organisation.clone(), scope.clone());
        v.events = Some(vec![Event::ConsentWithdrawn { organisation, scope, recall: recall.copied() }]);
    }

    fn judge_edit(&self, v: &mut Verdict, caller: &Actor, me: No, draft: &Draft, now: Timestamp) {
        // What was there before is tested elsewhere.
        v.perhaps.extend(["RoomClosed", "RecipientNotVisible", "Invalid"]);
        v.object_if(draft.acknowledge_by.is_some_and(|by| by <= now), "Invalid");
        let parent = draft.in_reply_to.map(|parent| self.visible_place(caller, parent, now));
        v.object_if(parent == Some(None), "MessageNotVisible");
        let Some(old) = draft.supersedes else { return };
        self.judge_own(v, caller, me, old, now);
        let Some(post) = self.places.get(&old).map(|place| &self.posts[place]) else { return };
        let old = &post.message;
        if post.source != me {
            return;
        }
        v.object_with(post.relay.is_some(), &["MessageNotVisible", "Invalid"]);
        v.object_if(old.file.is_some(), "Invalid");
        let recipients: Vec<Option<No>> = draft.recipients.iter().map(|name| self.resolve(me, name)).collect();
        let sees_it_anyway = |o: No| o == me || o == COORDINATOR;
        let within = recipients.iter().flatten().all(|o| old.recipients.contains(&self.who[*o]) || sees_it_anyway(*o));
        let red = draft.tlp == Tlp::Red;
        let for_all = recipients.is_empty() && !red && !draft.coordinator_only;
        let wider = !old.recipients.is_empty() && (for_all || !within)
            || draft.material != old.material
            || draft.tlp < old.tlp
            || old.coordinator_only && !draft.coordinator_only
            || old.tlp == Tlp::Red && !draft.red_actors.iter().all(|actor| old.red_actors.contains(actor));
        v.object_if(wider, "EditWidens");
        // Stricter in one way, and without the list in the other; or wider than what was left of the list after an edit.
        v.allow(red && (old.tlp != Tlp::Red || old.supersedes.is_some()), &["EditWidens"]);
        v.allow(draft.coordinator_only && !old.recipients.is_empty(), &["EditWidens"]);
    }

    fn judge_release(&self, v: &mut Verdict, caller: &Actor, me: No, messages: &[MessageId], now: Timestamp) {
        let t = self.last();
        v.object_if(messages.is_empty() || messages.len() > 256, "Invalid");
        let hidden = me != COORDINATOR && self.is_hidden(me, t);
        v.object_with(hidden, &["HiddenCannotShareDirectly", "HiddenCannotRelease", "AttributionHidden"]);
        for message in messages {
            let place = self.visible_place(caller, *message, now);
            let own = place.filter(|place| self.posts[place].source == me && self.posts[place].relay.is_none());
            let Some(place) = own else {
                // Whoever posted it knows of it when it is erased, and can be told either way.
                let place = self.places.get(message).filter(|place| self.posts[*place].source == me);
                v.allow(place.is_some_and(|place| self.is_erased(*place, t)), &["MessageFallen"]);
                v.object("MessageNotVisible");
                continue;
            };
            v.object_if(self.posts[&place].message.tlp == Tlp::Red, "Invalid");
            v.object_if(self.has_fallen(place, t), "MessageFallen");
        }
        v.object_if(self.is_without_carrier(messages), "Invalid");
    }

    /// Whether these name an attachment without the message that carries it.
    fn is_without_carrier(&self, messages: &[MessageId]) -> bool {
        let places: Vec<usize> = messages.iter().filter_map(|id| self.places.get(id).copied()).collect();
        places.iter().filter_map(|place| self.carrier(*place)).any(|carrier| !places.contains(&carrier))
    }

    fn judge_receivers(&self, v: &mut Verdict, me: No, to: &[Name]) -> Vec<No> {
        let mut found = Vec::new();
        for name in to {
            match self.resolve(me, name) {
                None => v.object("RecipientNotVisible"),
                Some(o) if o == me || o == COORDINATOR => v.object("Invalid"),
                Some(o) => {
                    v.object_with(self.is_hidden(o, self.last()), &["Invalid", "RecipientNotVisible"]);
                    found.push(o);
                }
            }
        }
        found
    }

    fn object_to_named_no(&self, v: &mut Verdict, source: No, messages: &[MessageId], to: &[No]) {
        if source == COORDINATOR {
            return;
        }
        let places = messages.iter().filter_map(|id| self.places.get(id));
        let materials: BTreeSet<Material> = places.flat_map(|place| self.materials(source, *place)).collect();
        let no = |o: &No| materials.iter().any(|k| self.has_named_no(source, *o, *k));
        v.object_if(to.iter().any(no), "NamedNo");
    }

    fn judge_ask(
        &self,
        v: &mut Verdict,
        caller: &Actor,
        me: No,
        (source, subject, to): (&Name, &Subject, &AskedFor<Name>),
        now: Timestamp,
    ) -> Option<(OrganisationId, Subject, AskedFor<OrganisationId>)> {
        v.object_if(me != COORDINATOR, "CoordinatorOnly");
        let found = self.resolve(me, source);
        v.object_with(found.is_none(), &["RecipientNotVisible", "ParticipantNotFound"]);
        if me != COORDINATOR {
            // Whatever else is wrong comes after that.
            return None;
        }
        let source = found.unwrap_or(No::MAX);
        v.object_with(source == COORDINATOR, &["Invalid", "NotForTheCoordinator"]);
        let subject = match subject {
            Subject::Material(material) => Subject::Material(*material),
            Subject::Messages(messages) => {
                v.object_if(messages.is_empty() || messages.len() > 256, "Invalid");
                v.object_if(self.is_without_carrier(messages), "Invalid");
                for message in messages {
                    let place = self.visible_place(caller, *message, now);
                    match place.filter(|place| self.posts[place].source == source && self.posts[place].relay.is_none())
                    {
                        None => v.object_with(true, &["MessageNotVisible", "Invalid"]),
                        Some(place) => {
                            let red = self.posts[&place].message.tlp == Tlp::Red;
                            v.object_with(red, &["Invalid", "MessageNotVisible"]);
                            v.object_if(self.has_fallen(place, self.last()), "MessageFallen");
                        }
                    }
                }
                Subject::Messages(self.in_order(messages))
            }
        };
        let to = match to {
            AskedFor::Audience(audience) => AskedFor::Audience(*audience),
            AskedFor::Organisations(names) => {
                let mut all = Vec::new();
                v.object_if(names.is_empty(), "Invalid");
                for name in names {
                    let o = self.resolve(me, name);
                    let seen = o.is_some_and(|o| found.is_none() || self.can_tell(source, o, self.last()));
                    v.object_with(!seen, &["RecipientNotVisible", "Invalid", "ParticipantNotFound"]);
                    v.object_with(o == Some(COORDINATOR) || o == Some(source), &["Invalid", "RecipientNotVisible"]);
                    all.extend(o);
                }
                AskedFor::Organisations(self.names(&all))
            }
        };
        found.map(|source| (self.who[source].clone(), subject, to))
    }

    fn judge_answer(
        &self,
        v: &mut Verdict,
        caller: &Actor,
        me: No,
        (ask, answer, comment, release): (AskId, AskAnswer, &Arc<str>, ReleaseId),
        now: Timestamp,
    ) {
        let t = self.last();
        let asked = self.entries.iter().find_map(|entry| match &entry.event {
            Event::ConsentAsked { ask: id, source, subject, to, answer_by, .. }
                if *id == ask && *source == caller.organisation =>
            {
                Some((subject, to, *answer_by))
            }
            _ => None,
        });
        let Some((subject, to, answer_by)) = asked else {
            v.object("AskNotFound");
            return;
        };
        let over = self.entries.iter().any(|entry| match &entry.event {
            Event::AskAnswered { ask: id, .. } | Event::AskLapsed { ask: id } => *id == ask,
            _ => false,
        });
        v.object_if(over || answer_by <= now, "AskClosed");
        let organisation = caller.organisation.clone();
        let answered = Event::AskAnswered { organisation: organisation.clone(), ask, answer, comment: comment.clone() };
        let candidate = |o: &No| {
            let asked_for = match to {
                AskedFor::Organisations(all) => all.contains(&self.who[*o]),
                AskedFor::Audience(a) => self.moments[t].everybody[*o].audience() == Some(*a),
            };
            let visible = self.can_tell(me, *o, t) && !self.is_hidden(*o, t);
            asked_for && visible && *o != me && *o != COORDINATOR
        };
        let all: Vec<No> = (0..self.who.len()).filter(candidate).collect();
        match (answer, subject) {
            (AskAnswer::No, _) | (AskAnswer::RelayOnly, Subject::Messages(_)) => v.events = Some(vec![answered]),
            (AskAnswer::Yes, Subject::Messages(messages)) => {
                self.judge_release(v, caller, me, messages, now);
                let materials: Vec<Material> = messages
                    .iter()
                    .filter_map(|id| self.places.get(id))
                    .flat_map(|place| self.materials(me, *place))
                    .collect();
                let no = |o: &No| materials.iter().any(|k| self.has_named_no(me, *o, *k));
                let (refused, open): (Vec<No>, Vec<No>) = all.into_iter().partition(no);
                v.allow(!refused.is_empty(), &["NamedNo"]);
                v.object_with(open.is_empty(), &["RecipientNotVisible", "NamedNo"]);
                let (messages, to) = (self.in_order(messages), self.names(&open));
                v.events = Some(vec![answered, Event::MessagesReleased { organisation, release, messages, to }]);
            }
            (AskAnswer::Yes | AskAnswer::RelayOnly, Subject::Material(_)) => {
                let hidden = answer == AskAnswer::Yes && self.is_hidden(me, t);
                v.object_with(hidden, &["HiddenCannotShareDirectly", "HiddenCannotRelease", "AttributionHidden"]);
                let nobody = matches!(to, AskedFor::Organisations(_)) && all.is_empty();
                v.object_with(nobody, &["RecipientNotVisible"]);
                v.allow(true, &["RecipientNotVisible", "LimitReached"]);
            }
        }
    }

    fn judge_relay(&self, v: &mut Verdict, caller: &Actor, me: No, id: MessageId, draft: &RelayDraft, now: Timestamp) {
        let t = self.last();
        v.object_if(me != COORDINATOR, "CoordinatorOnly");
        v.object_if(draft.text.is_empty() || draft.tlp == Tlp::Red, "Invalid");
        v.object_if(draft.parents.is_empty() || draft.parents.len() > 64, "Invalid");
        v.object_if(draft.acknowledge_by.is_some_and(|by| by <= now), "Invalid");
        if me != COORDINATOR {
            return;
        }
        let mut parents: Vec<usize> = Vec::new();
        for parent in &draft.parents {
            let Some(place) = self.visible_place(caller, *parent, now) else {
                let red = self.places.get(parent).is_some_and(|place| self.was_named(caller, *place));
                v.allow(red, &["MessageFallen"]);
                v.object("MessageNotVisible");
                continue;
            };
            v.object_if(self.is_void(place, t), "MessageFallen");
            match &self.posts[&place].relay {
                None => parents.push(place),
                Some(relay) => parents.extend(&relay.parents),
            }
            for other in self.terms_of(place) {
                v.object_if(self.is_void(other, t), "MessageFallen");
                parents.push(other);
            }
        }
        parents.sort_unstable();
        parents.dedup();
        if let Some(old) = draft.supersedes {
            self.judge_own(v, caller, me, old, now);
            let relay = self.places.get(&old).is_some_and(|place| self.posts[place].relay.is_some());
            v.object_with(!relay, &["MessageNotVisible", "Invalid", "EditWidens"]);
            v.allow(self.places.get(&old).is_some_and(|place| self.is_void(*place, t)), &["MessageFallen"]);
        }
        let mut sources: Vec<No> = parents.iter().map(|n| self.posts[n].source).filter(|s| *s != COORDINATOR).collect();
        sources.sort_unstable();
        sources.dedup();
        let (mut recipients, mut unapproved) = (Vec::new(), Vec::new());
        for name in &draft.recipients {
            let Some(o) = self.resolve(me, name) else {
                v.object_with(true, &["RecipientNotVisible", "ParticipantNotFound"]);
                continue;
            };
            v.object_with(o == COORDINATOR, &["Invalid", "RelayNotPermitted"]);
            recipients.push(o);
            if self.is_relayable(&parents, draft.tlp, o, t, now) {
                continue;
            }
            let askable = match sources[..] {
                [source] => {
                    self.is_present(source, t)
                        && source != o
                        && !self.is_hidden(source, t)
                        && !self.is_hidden(o, t)
                        && self.can_tell(source, o, t)
                }
                _ => false,
            };
            v.object_if(!askable, "RelayNotPermitted");
            unapproved.push(o);
        }
        unapproved.sort_unstable();
        unapproved.dedup();
        let message = samverkan::room::event::Message {
            id,
            material: draft.material,
            tlp: draft.tlp,
            text: draft.text.clone(),
            recipients: self.names(&recipients),
            red_actors: Vec::new(),
            coordinator_only: false,
            in_reply_to: None,
            occurred_at: None,
            supersedes: draft.supersedes,
            acknowledge_by: draft.acknowledge_by,
            attachments: Vec::new(),
            file: None,
        };
        v.events = Some(vec![Event::RelayPublished {
            organisation: caller.organisation.clone(),
            message: Arc::new(message),
            parents: parents.iter().map(|n| self.posts[n].message.id).collect(),
            unapproved: self.names(&unapproved),
        }]);
    }

    fn judge_approval(
        &self,
        v: &mut Verdict,
        caller: &Actor,
        me: No,
        message: MessageId,
        digest: [u8; 32],
        to: &[Name],
    ) {
        let t = self.last();
        let place = self.places.get(&message).copied();
        let relay = place.and_then(|place| Some((place, self.posts[&place].relay.as_ref()?)));
        let Some((place, relay)) = relay.filter(|(_, relay)| {
            relay.sources == [me] && me != COORDINATOR && self.knows_as_source(caller, me, relay, t)
        }) else {
            v.object("MessageNotVisible");
            return;
        };
        // A source that came back was not here when the relay was published.
        v.object_if(!self.sees_message_at(caller, place, t, self.moments[t].at), "MessageNotVisible");
        let text: [u8; 32] = Sha256::digest(self.posts[&place].message.text.as_bytes()).into();
        v.object_if(digest != text || self.is_void(place, t), "TextChanged");
        let hidden = self.is_hidden(me, t);
        v.allow(hidden, &["HiddenCannotShareDirectly", "HiddenCannotRelease", "AttributionHidden"]);
        let visible = |o: &No| self.can_tell(me, *o, t) && !self.is_hidden(*o, t);
        let mut found: Vec<No> = Vec::new();
        for name in to {
            match self.resolve(me, name) {
                Some(o) if relay.unapproved.contains(&o) => found.push(o),
                Some(_) | None => v.object_with(true, &["RecipientNotVisible", "Invalid", "RelayNotPermitted"]),
            }
        }
        if to.is_empty() {
            found = relay.unapproved.iter().copied().filter(visible).collect();
            v.object_with(found.is_empty(), &["RecipientNotVisible", "Invalid", "RelayNotPermitted"]);
        }
        self.object_to_named_no(v, me, &[message], &found);
        let organisation = self.who[me].clone();
        v.events = Some(vec![Event::RelayApproved { organisation, message, to: self.names(&found) }]);
    }

    #[expect(clippy::too_many_arguments, reason = "the command's own parts")]
    fn judge_forwarding(
        &self,
        v: &mut Verdict,
        caller: &Actor,
        me: No,
        messages: &[MessageId],
        to: &Name,
        reason: &Arc<str>,
        now: Timestamp,
    ) {
        let t = self.last();
        v.object_if(me != COORDINATOR, "CoordinatorOnly");
        v.object_if(messages.is_empty(), "Invalid");
        if me != COORDINATOR {
            return;
        }
        v.object_if(self.is_without_carrier(messages), "Invalid");
        let found = self.resolve(me, to);
        v.object_with(found.is_none(), &["RecipientNotVisible", "ParticipantNotFound"]);
        v.object_if(found.is_some_and(|to| self.moments[t].everybody[to].role != Role::Authority), "Invalid");
        let mut by_source: BTreeMap<No, Vec<MessageId>> = BTreeMap::new();
        for message in self.in_order(messages) {
            let source = self.posts[&self.places[&message]].source;
            by_source.entry(source).or_default().push(message);
        }
        for message in messages {
            let Some(place) = self.visible_place(caller, *message, now) else {
                v.object("MessageNotVisible");
                continue;
            };
            let post = &self.posts[&place];
            let wrong = post.relay.is_some() || post.source == COORDINATOR;
            v.object_with(wrong, &["Invalid", "MessageNotVisible"]);
            v.object_if(post.message.tlp == Tlp::Red, "Invalid");
            v.object_if(self.has_fallen(place, t), "MessageFallen");
            let Some(to) = found.filter(|_| post.source != COORDINATOR) else { continue };
            let answers = &self.moments[t].answers[post.source];
            let not_allowed = answers.police != PoliceAnswer::CoordinatorMayForward
                || self.is_over(post.source, t, now)
                || self.moments[t].everybody[post.source].attribution == Attribution::Hidden
                || self.is_hidden(to, t)
                || post.source == to;
            v.object_if(not_allowed, "PoliceForwardingNotAllowed");
            v.allow(post.source == to, &["Invalid"]);
            v.object_if(self.has_named_no(post.source, to, post.message.material), "NamedNo");
        }
        let Some(to) = found.map(|to| self.who[to].clone()) else { return };
        let of_source = |(source, messages): (No, Vec<MessageId>)| Event::MessagesForwarded {
            organisation: self.who[source].clone(),
            messages,
            to: to.clone(),
            reason: reason.clone(),
        };
        v.events = Some(by_source.into_iter().map(of_source).collect());
    }

    /// Whom an answer to a question of the coordinator would concern: nobody may have less of this source afterwards.
    pub(crate) fn permits_of(&self, source: &OrganisationId) -> Vec<[samverkan::room::words::Sharing; 3]> {
        let (Some(source), Some(moment)) = (self.no(source), self.moments.last()) else { return Vec::new() };
        moment.permits[source].clone()
    }
}
