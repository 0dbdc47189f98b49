//! What happened, as one delivery tells it.

use std::sync::Arc;

use super::access::access_change;
use super::words::{ask_answer, audience, material, recall_answer, role};
use super::{consent_change, display_name, erasure, message, of_name, of_participant, participants, time};
use crate::api;
use crate::room::consent::Scope;
use crate::room::directory::Directory;
use crate::room::disclose::{ShownIntroduction, ShownParticipant, What};
use crate::room::event::{AskedFor, Subject};
use crate::room::ids::{Actor, IntroductionId};

pub(super) fn content(what: &What, directory: &Directory) -> api::delivery::Content {
    use api::delivery::Content;
    let who = |shown: &ShownParticipant| Some(of_participant(shown, directory));
    match what {
        What::Message(shown) => Content::Message(message(shown, directory)),
        What::RoomOpened(title) => Content::RoomOpened(api::RoomOpened { title: title.to_string() }),
        What::Joined(shown) => Content::ParticipantJoined(api::ParticipantJoined { participant: who(shown) }),
        What::Left(shown) => Content::ParticipantLeft(api::ParticipantLeft { participant: who(shown) }),
        What::Removed { participant, reason } => Content::ParticipantRemoved(api::ParticipantRemoved {
            participant: who(participant),
            reason: reason.to_string(),
        }),
        What::Identified(shown) => {
            Content::ParticipantIdentified(api::ParticipantIdentified { participant: who(shown) })
        }
        What::RoleChanged(shown) => {
            Content::RoleChanged(api::RoleChanged { participant: who(shown), role: role(shown.role).into() })
        }
        What::Invited { invitation, organisation, role: part } => Content::InvitationSent(api::InvitationSent {
            invitation_id: invitation.to_string(),
            organisation_id: organisation.to_string(),
            role: role(*part).into(),
        }),
        What::Declined { invitation, organisation } => Content::InvitationDeclined(api::InvitationDeclined {
            invitation_id: invitation.to_string(),
            organisation_id: organisation.to_string(),
        }),
        What::ConsentGiven { participant, change } => Content::ConsentGiven(api::ConsentGiven {
            participant: who(participant),
            change: Some(consent_change(change)),
        }),
        What::ConsentWithdrawn { participant, scope, recall } => {
            use api::consent_withdrawn::Scope as Withdrawn;
            let scope = match scope {
                Scope::All => Withdrawn::All(true),
                Scope::Material(what) => Withdrawn::Material(material(*what).into()),
                Scope::Audience(whom) => Withdrawn::Audience(audience(*whom).into()),
                Scope::Named(name) => Withdrawn::Name(of_name(name)),
                Scope::Message(message) => Withdrawn::MessageId(message.to_string()),
            };
            Content::ConsentWithdrawn(api::ConsentWithdrawn {
                participant: who(participant),
                scope: Some(scope),
                recall_id: recall.map_or(String::new(), |recall| recall.id.to_string()),
                answer_by_time: recall.map(|recall| time(recall.answer_by)),
            })
        }
        What::ConsentExpired(shown) => Content::ConsentExpired(api::ConsentExpired { participant: who(shown) }),
        What::ReportFiled { participant, amended: false } => {
            Content::ReportFiled(api::ReportFiled { participant: who(participant) })
        }
        What::ReportFiled { participant, amended: true } => {
            Content::ReportAmended(api::ReportAmended { participant: who(participant) })
        }
        What::RoomClosed => Content::RoomClosed(api::RoomClosed {}),
        What::RoomReopened => Content::RoomReopened(api::RoomReopened {}),
        What::TermsChanged(terms) => Content::TermsChanged(api::TermsChanged { terms: terms.to_string() }),
        What::Retracted { participant, message, reason } => Content::MessageRetracted(api::MessageRetracted {
            participant: who(participant),
            message_id: message.to_string(),
            reason: reason.to_string(),
        }),
        What::Acknowledged { participant, message } => Content::MessageAcknowledged(api::MessageAcknowledged {
            participant: who(participant),
            message_id: message.to_string(),
        }),
        What::Released { release, participant, messages, to } => Content::MessagesReleased(api::MessagesReleased {
            release_id: release.to_string(),
            participant: who(participant),
            message_ids: ids(messages),
            receivers: participants(to, directory),
        }),
        What::ReleaseRevoked { release, participant } => Content::ReleaseRevoked(api::ReleaseRevoked {
            release_id: release.to_string(),
            participant: who(participant),
        }),
        What::RecallAnswered { recall, participant, answer, comment } => Content::RecallAnswered(api::RecallAnswered {
            recall_id: recall.to_string(),
            participant: who(participant),
            answer: recall_answer(*answer).into(),
            comment: comment.to_string(),
        }),
        What::AskSuggested { participant, source, material: what, reason } => {
            Content::AskSuggested(api::AskSuggested {
                participant: who(participant),
                source: source.as_ref().and_then(who),
                material: material(*what).into(),
                reason: reason.to_string(),
            })
        }
        What::ConsentAsked { ask, participant, subject, to, reason, answer_by } => {
            Content::ConsentAsked(api::ConsentAsked {
                ask_id: ask.to_string(),
                participant: who(participant),
                subject: Some(asked_about(subject)),
                to: Some(asked_for(to, directory)),
                reason: reason.to_string(),
                answer_by_time: Some(time(*answer_by)),
            })
        }
        What::AskAnswered { ask, participant, answer, comment } => Content::AskAnswered(api::AskAnswered {
            ask_id: ask.to_string(),
            participant: who(participant),
            answer: ask_answer(*answer).into(),
            comment: comment.to_string(),
        }),
        What::AskLapsed { ask, participant } => {
            Content::AskLapsed(api::AskLapsed { ask_id: ask.to_string(), participant: who(participant) })
        }
        What::Relayed { message, parents, to } => Content::MessageRelayed(api::MessageRelayed {
            message_id: message.to_string(),
            parent_message_ids: ids(parents),
            receivers: participants(to, directory),
        }),
        What::RelayApproved { message, participant, to } => Content::RelayApproved(api::RelayApproved {
            message_id: message.to_string(),
            participant: who(participant),
            receivers: participants(to, directory),
        }),
        What::RelayRejected { message, participant, reason } => Content::RelayRejected(api::RelayRejected {
            message_id: message.to_string(),
            participant: who(participant),
            reason: reason.to_string(),
        }),
        What::PoliceReportMade { participant, reference } => Content::PoliceReportMade(api::PoliceReportMade {
            participant: who(participant),
            reference: reference.to_string(),
        }),
        What::PoliceReportDue(shown) => Content::PoliceReportDue(api::PoliceReportDue { participant: who(shown) }),
        What::Forwarded { participant, messages, to, reason } => Content::MessagesForwarded(api::MessagesForwarded {
            participant: who(participant),
            message_ids: ids(messages),
            receiver: who(to),
            reason: reason.to_string(),
        }),
        What::ErasureProposed { erasure: id, what, basis, proposed_by } => {
            Content::ErasureProposed(api::ErasureProposed {
                erasure_id: id.to_string(),
                scope: Some(erasure::proposed(what, directory)),
                basis: basis.to_string(),
                actor: actor(proposed_by.as_ref()),
            })
        }
        What::PayloadsErased { erasure: id, what, basis, decided_by } => Content::PayloadsErased(api::PayloadsErased {
            erasure_id: id.to_string(),
            scope: Some(erasure::erased(what, directory)),
            basis: basis.to_string(),
            actors: ids(decided_by),
        }),
        What::LegalHoldPlaced { reason, by } => {
            Content::LegalHoldPlaced(api::LegalHoldPlaced { reason: reason.to_string(), actor: actor(by.as_ref()) })
        }
        What::LegalHoldLifted { reason, by } => {
            Content::LegalHoldLifted(api::LegalHoldLifted { reason: reason.to_string(), actor: actor(by.as_ref()) })
        }
        What::RetentionSet { years, by } => {
            Content::RetentionSet(api::RetentionSet { years: years.map(u32::from), actor: actor(by.as_ref()) })
        }
        What::LegalDisclosureProposed { disclosure, statute, messages, to, suppress_until, proposed_by } => {
            Content::LegalDisclosureProposed(api::LegalDisclosureProposed {
                disclosure_id: disclosure.to_string(),
                statute: statute.to_string(),
                message_ids: ids(messages),
                receiver: who(to),
                suppress_until_time: suppress_until.map(time),
                actor: actor(proposed_by.as_ref()),
            })
        }
        What::LegallyDisclosed { disclosure, participant, statute, messages, to, suppress_until, decided_by } => {
            Content::LegallyDisclosed(api::LegallyDisclosed {
                disclosure_id: disclosure.to_string(),
                participant: who(participant),
                statute: statute.to_string(),
                message_ids: ids(messages),
                receiver: to.as_ref().and_then(who),
                suppress_until_time: suppress_until.map(time),
                actors: ids(decided_by),
            })
        }
        What::IntroductionProposed { introduction, words } => {
            Content::IntroductionProposed(api::IntroductionProposed {
                introduction_id: introduction.to_string(),
                text: words.to_string(),
            })
        }
        What::IntroductionProposedTo(sides) => {
            let side = |(introduction, participant, words): &(IntroductionId, ShownParticipant, Arc<str>)| {
                api::introduction_sent::Side {
                    introduction_id: introduction.to_string(),
                    participant: who(participant),
                    text: words.to_string(),
                }
            };
            Content::IntroductionSent(api::IntroductionSent { sides: sides.iter().map(side).collect() })
        }
        What::IntroductionAnswered { introduction, participant, accepted, contact } => {
            Content::IntroductionAnswered(api::IntroductionAnswered {
                introduction_id: introduction.to_string(),
                participant: who(participant),
                accepted: *accepted,
                contact: contact.to_string(),
            })
        }
        What::Introduced(sides) => {
            let side = |ShownIntroduction { introduction, organisation, contact }: &_| api::introduced::Side {
                introduction_id: introduction.to_string(),
                organisation_id: organisation.to_string(),
                display_name: display_name(organisation, directory),
                contact: contact.to_string(),
            };
            Content::Introduced(api::Introduced { sides: sides.iter().map(side).collect() })
        }
        What::ReportRead { participant, reader } => {
            Content::ReportRead(api::ReportRead { participant: who(participant), actor: actor(reader.as_ref()) })
        }
        What::SeenAs { participant, reader } => {
            Content::RoomSeenAs(api::RoomSeenAs { participant: who(participant), actor: actor(reader.as_ref()) })
        }
        What::Exported { participant, export, by } => Content::RoomExported(api::RoomExported {
            participant: who(participant),
            export_id: export.to_string(),
            actor: actor(by.as_ref()),
        }),
        What::AccessChanged { participant, actor: of, change, changed_by } => {
            let (change, certificate_sha256) = access_change(*change);
            Content::AccessChanged(api::AccessChanged {
                participant: who(participant),
                change: change.into(),
                actor: of.to_string(),
                certificate_sha256,
                changed_by: actor(changed_by.as_ref()),
            })
        }
    }
}

fn asked_about(subject: &Subject) -> api::consent_asked::Subject {
    use api::consent_asked::{Messages, Subject as About};
    match subject {
        Subject::Messages(messages) => About::Messages(Messages { message_ids: ids(messages) }),
        Subject::Material(what) => About::Material(material(*what).into()),
    }
}

fn asked_for(to: &AskedFor<ShownParticipant>, directory: &Directory) -> api::consent_asked::To {
    use api::consent_asked::{Participants, To};
    match to {
        AskedFor::Organisations(shown) => {
            To::Participants(Participants { participants: participants(shown, directory) })
        }
        AskedFor::Audience(whom) => To::Audience(audience(*whom).into()),
    }
}

fn ids<T: ToString>(ids: &[T]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn actor(actor: Option<&Actor>) -> String {
    actor.map_or(String::new(), ToString::to_string)
}
