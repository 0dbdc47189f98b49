//! An entry in a reader's own words. One question: how is what happened told to this reader?
//!
//! Whether it is told at all is `visible`'s question. Upholds: R5, R7.

use super::shown::{ShownFile, ShownIntroduction, ShownMessage, ShownParticipant, ShownRelay, What};
use super::visible::{is_message_visible, is_visible, knows_as_source};
use super::{Reader, show_at};
use crate::room::consent::{Slot, Slots};
use crate::room::event::{AskedFor, Entry, Event, File, IntroductionSide, Message};
use crate::room::ids::{OrganisationId, Seq, Timestamp};
use crate::room::state::{Narrowed, Relay, RoomState};
use crate::room::words::Attribution;

pub(super) fn view(state: &RoomState, reader: Reader<'_>, entry: &Entry, now: Timestamp) -> Option<What> {
    let coordinator = RoomState::is_coordinator(reader.slot);
    let shown = |organisation: &OrganisationId| {
        state.slot(organisation).map(|slot| show_at(state, reader.slot, slot, entry.seq))
    };
    Some(match &entry.event {
        Event::RoomOpened { title, .. } => What::RoomOpened(title.clone()),
        Event::ParticipantAdmitted { organisation, .. } => What::Joined(shown(organisation)?),
        Event::AttributionRaised { organisation, attribution } => {
            let slot = state.slot(organisation)?;
            let participant = show_at(state, reader.slot, slot, entry.seq);
            // The entry that makes it visible is its arrival, for who could not tell before.
            let appeared = state.participant(slot).visible_since == Some(entry.seq);
            match attribution {
                Attribution::Hidden => return None,
                Attribution::Pseudonym => What::Joined(participant),
                Attribution::Named if appeared && !coordinator && slot != reader.slot => What::Joined(participant),
                Attribution::Named => What::Identified(participant),
            }
        }
        Event::OrganisationInvited { invitation, organisation, role, participant: _ } => {
            What::Invited { invitation: *invitation, organisation: organisation.clone(), role: *role }
        }
        Event::InvitationDeclined { invitation, organisation } => {
            What::Declined { invitation: *invitation, organisation: organisation.clone() }
        }
        Event::ParticipantLeft { organisation } => What::Left(shown(organisation)?),
        Event::ParticipantRemoved { organisation, reason } if coordinator => match shown(organisation) {
            Some(participant) => What::Removed { participant, reason: reason.clone() },
            None => return None,
        },
        Event::ParticipantRemoved { organisation, reason: _ } => What::Left(shown(organisation)?),
        Event::RoleChanged { organisation, role: _ } => What::RoleChanged(shown(organisation)?),
        Event::ConsentGiven { organisation, change } => {
            What::ConsentGiven { participant: shown(organisation)?, change: change.clone() }
        }
        Event::ConsentWithdrawn { organisation, scope, recall } => {
            What::ConsentWithdrawn { participant: shown(organisation)?, scope: scope.clone(), recall: *recall }
        }
        Event::ConsentExpired { organisation } => What::ConsentExpired(shown(organisation)?),
        Event::ReportFiled { organisation, report: _ } => {
            let first = state.slot(organisation).and_then(|slot| state.participant(slot).reports.first());
            What::ReportFiled { participant: shown(organisation)?, amended: first != Some(&entry.seq) }
        }
        Event::MessagePosted { organisation, message } => {
            What::Message(view_message(state, reader, entry, shown(organisation)?, message, now))
        }
        Event::RelayPublished { organisation, message, .. } => {
            let relay = state.posted(entry.seq)?.relay.as_deref()?;
            let shown_relay = view_relay(state, reader, entry.seq, relay, now);
            let told_only = knows_as_source(state, reader.slot, Some(reader.actor), relay, now)
                && relay.only_source() != Some(reader.slot)
                && !relay.allowed.contains(reader.slot);
            if told_only {
                let ShownRelay { parents, to, unapproved: _ } = shown_relay;
                return Some(What::Relayed { message: message.id, parents, to });
            }
            let mut seen = view_message(state, reader, entry, shown(organisation)?, message, now);
            seen.relay = Some(shown_relay);
            What::Message(seen)
        }
        Event::RoomClosed => What::RoomClosed,
        Event::RoomReopened => What::RoomReopened,
        Event::TermsChanged { terms } => What::TermsChanged(terms.clone()),
        Event::MessageRetracted { organisation, message, reason } => {
            What::Retracted { participant: shown(organisation)?, message: *message, reason: reason.clone() }
        }
        Event::MessageAcknowledged { organisation, message } => {
            What::Acknowledged { participant: shown(organisation)?, message: *message }
        }
        Event::MessagesReleased { organisation, release, messages, to } => What::Released {
            release: *release,
            participant: shown(organisation)?,
            messages: messages.clone(),
            to: match coordinator || state.slot(organisation) == Some(reader.slot) {
                true => to.iter().filter_map(shown).collect(),
                false => shown(&reader.actor.organisation).into_iter().collect(),
            },
        },
        Event::ReleaseRevoked { organisation, release } => {
            What::ReleaseRevoked { release: *release, participant: shown(organisation)? }
        }
        Event::RecallAnswered { organisation, recall, answer, comment } => What::RecallAnswered {
            recall: *recall,
            participant: shown(organisation)?,
            answer: *answer,
            comment: comment.clone(),
        },
        Event::AskSuggested { organisation, source, material, reason } => What::AskSuggested {
            participant: shown(organisation)?,
            source: source.as_ref().and_then(shown),
            material: *material,
            reason: reason.clone(),
        },
        Event::ConsentAsked { ask, source, subject, to, reason, answer_by } => What::ConsentAsked {
            ask: *ask,
            participant: shown(source)?,
            subject: subject.clone(),
            to: match to {
                AskedFor::Audience(audience) => AskedFor::Audience(*audience),
                AskedFor::Organisations(list) => AskedFor::Organisations(list.iter().filter_map(shown).collect()),
            },
            reason: reason.clone(),
            answer_by: *answer_by,
        },
        Event::AskAnswered { organisation, ask, answer, comment } => What::AskAnswered {
            ask: *ask,
            participant: shown(organisation)?,
            answer: *answer,
            comment: comment.clone(),
        },
        Event::AskLapsed { ask } => {
            let source = state.matters.asks.get(ask)?.source;
            What::AskLapsed { ask: *ask, participant: show_at(state, reader.slot, source, entry.seq) }
        }
        Event::RelayApproved { organisation, message, to } => What::RelayApproved {
            message: *message,
            participant: shown(organisation)?,
            to: to.iter().filter_map(shown).collect(),
        },
        Event::RelayRejected { organisation, message, reason } => {
            What::RelayRejected { message: *message, participant: shown(organisation)?, reason: reason.clone() }
        }
        Event::PoliceReportMade { organisation, reference } => {
            What::PoliceReportMade { participant: shown(organisation)?, reference: reference.clone() }
        }
        Event::PoliceReportDue { organisation } => What::PoliceReportDue(shown(organisation)?),
        Event::MessagesForwarded { organisation, messages, to, reason } => What::Forwarded {
            participant: shown(organisation)?,
            messages: messages.clone(),
            to: shown(to)?,
            reason: reason.clone(),
        },
        Event::LegalDisclosureProposed { disclosure, duty } => What::LegalDisclosureProposed {
            disclosure: *disclosure,
            statute: duty.statute.clone(),
            messages: duty.messages.clone(),
            to: shown(&duty.to)?,
            suppress_until: duty.suppress_until,
            proposed_by: entry.author.clone(),
        },
        Event::LegallyDisclosed { disclosure, organisation, duty, proposed_by } => {
            let decided_by = [Some(proposed_by.clone()), entry.author.clone()];
            What::LegallyDisclosed {
                disclosure: *disclosure,
                participant: shown(organisation)?,
                statute: duty.statute.clone(),
                messages: duty.messages.clone(),
                to: receiver(state, reader, &duty.to, entry.seq),
                suppress_until: duty.suppress_until.filter(|_| coordinator),
                decided_by: decided_by.into_iter().flatten().filter(|_| coordinator).collect(),
            }
        }
        Event::LegalDisclosureNotified { disclosure, organisation, duty } => What::LegallyDisclosed {
            disclosure: *disclosure,
            participant: shown(organisation)?,
            statute: duty.statute.clone(),
            messages: duty.messages.clone(),
            to: receiver(state, reader, &duty.to, entry.seq),
            suppress_until: duty.suppress_until.filter(|_| coordinator),
            decided_by: Vec::new(),
        },
        Event::IntroductionProposed { sides } => {
            if coordinator {
                let [a, b] = sides;
                let side = |side: &IntroductionSide| Some((side.id, shown(&side.organisation)?, side.words.clone()));
                What::IntroductionProposedTo([side(a)?, side(b)?])
            } else {
                let own = sides.iter().find(|side| side.organisation == reader.actor.organisation)?;
                What::IntroductionProposed { introduction: own.id, words: own.words.clone() }
            }
        }
        Event::IntroductionAnswered { organisation, introduction, accepted, contact } => What::IntroductionAnswered {
            introduction: *introduction,
            participant: shown(organisation)?,
            accepted: *accepted,
            contact: contact.clone(),
        },
        Event::Introduced { sides } => {
            let own = sides.iter().find(|side| side.organisation == reader.actor.organisation);
            let others = sides.iter().filter(|side| Some(*side) != own);
            let shown = others.map(|side| ShownIntroduction {
                // The other side's id is the other side's.
                introduction: own.map_or(side.id, |own| own.id),
                organisation: side.organisation.clone(),
                contact: side.words.clone(),
            });
            What::Introduced(shown.collect())
        }
        Event::ReportRead { organisation } => {
            What::ReportRead { participant: shown(organisation)?, reader: entry.author.clone() }
        }
        Event::RoomExported { organisation, export } => {
            What::Exported { participant: shown(organisation)?, export: *export, by: entry.author.clone() }
        }
        // A record of what was given: told by receipts.
        Event::AttachmentFetched { .. } => return None,
        Event::RoomSeenAs { organisation } => {
            What::SeenAs { participant: shown(organisation)?, reader: entry.author.clone() }
        }
        Event::ErasureProposed { erasure, what, basis } => What::ErasureProposed {
            erasure: *erasure,
            what: what.map(shown)?,
            basis: basis.clone(),
            proposed_by: entry.author.clone(),
        },
        Event::PayloadsErased { erasure, what, basis, proposed_by } => {
            let decided_by = [Some(proposed_by.clone()), entry.author.clone()];
            What::PayloadsErased {
                erasure: *erasure,
                what: what.map(shown)?,
                basis: basis.clone(),
                decided_by: decided_by.into_iter().flatten().filter(|_| coordinator).collect(),
            }
        }
        Event::LegalHoldPlaced { reason } => What::LegalHoldPlaced { reason: reason.clone(), by: entry.author.clone() },
        Event::LegalHoldLifted { reason } => What::LegalHoldLifted { reason: reason.clone(), by: entry.author.clone() },
        Event::RetentionSet { years } => What::RetentionSet { years: *years, by: entry.author.clone() },
        Event::AccessChanged { actor, change, by: _ } => What::AccessChanged {
            participant: shown(&actor.organisation)?,
            actor: actor.clone(),
            change: *change,
            changed_by: entry.author.clone(),
        },
    })
}

/// The receiver of something, if the reader could tell that it is here.
fn receiver(state: &RoomState, reader: Reader<'_>, to: &OrganisationId, seq: Seq) -> Option<ShownParticipant> {
    let slot = state.slot(to)?;
    let can_tell = RoomState::is_coordinator(reader.slot)
        || slot == reader.slot
        || state.participant(slot).visible_since.is_some_and(|since| since <= seq);
    can_tell.then(|| show_at(state, reader.slot, slot, seq))
}

fn view_relay(state: &RoomState, reader: Reader<'_>, seq: Seq, relay: &Relay, now: Timestamp) -> ShownRelay {
    let coordinator = RoomState::is_coordinator(reader.slot);
    if !coordinator && !knows_as_source(state, reader.slot, Some(reader.actor), relay, now) {
        return ShownRelay::default();
    }
    let exists = |seq: &&Seq| is_visible(state, reader.slot, reader.actor, **seq, now);
    let parents = relay.parents.iter().filter(exists).filter_map(|&seq| state.posted(seq));
    let parents = parents.filter(|parent| coordinator || parent.source == reader.slot).map(|parent| parent.id);
    let list = |set: &Slots| {
        let could_see = |slot: Slot| {
            slot != reader.slot
                && (coordinator || state.participant(slot).visible_since.is_some_and(|since| since <= seq))
        };
        let listed = state.participants().map(|(slot, _)| slot).filter(|&slot| set.contains(slot) && could_see(slot));
        let mut listed: Vec<_> = listed.map(|slot| show_at(state, reader.slot, slot, seq)).collect();
        listed.sort_by_key(|participant| participant.id);
        listed
    };
    ShownRelay { parents: parents.collect(), to: list(&relay.allowed), unapproved: list(&relay.unapproved) }
}

fn view_message(
    state: &RoomState,
    reader: Reader<'_>,
    entry: &Entry,
    author: ShownParticipant,
    message: &Message,
    now: Timestamp,
) -> ShownMessage {
    let inside = RoomState::is_coordinator(reader.slot) || author.is_reader;
    let Message {
        id,
        material,
        tlp,
        text,
        recipients,
        red_actors: _,
        coordinator_only,
        in_reply_to,
        occurred_at,
        supersedes,
        acknowledge_by,
        attachments: _,
        file,
    } = message;
    let parent = in_reply_to.filter(|&parent| {
        state.message(parent).is_some_and(|seq| is_message_visible(state, reader.slot, reader.actor, seq, now))
    });
    let saw_what_it_supersedes = state.posted(entry.seq).is_some_and(|posted| {
        let relayed = posted.relay.as_deref().is_some_and(|relay| relay.saw_superseded.contains(reader.slot));
        relayed
            || match posted.narrowed.as_deref() {
                Some(Narrowed::Recipients(could_see)) => could_see.contains(reader.slot),
                Some(Narrowed::Red { .. }) => true,
                None => false,
            }
    });
    ShownMessage {
        id: *id,
        actor: entry.author.clone().filter(|_| inside),
        author,
        material: *material,
        tlp: *tlp,
        text: text.clone(),
        in_reply_to: parent,
        occurred_at: *occurred_at,
        coordinator_only: *coordinator_only && inside,
        recipients: recipients
            .iter()
            .filter(|_| inside)
            .filter_map(|o| Some(state.participant(state.slot(o)?).id))
            .collect(),
        supersedes: supersedes.filter(|_| inside || saw_what_it_supersedes),
        acknowledge_by: *acknowledge_by,
        relay: None,
        file: file.as_ref().map(|File { carrier, name, media_type, content, terms_of }| ShownFile {
            carrier: *carrier,
            name: name.clone(),
            media_type: media_type.clone(),
            size: content.size,
            sha256: content.sha256,
            on_terms_of_others: inside && !terms_of.is_empty(),
        }),
    }
}
