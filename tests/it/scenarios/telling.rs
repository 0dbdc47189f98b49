//! What the domain shows, as transcripts spell it.

use std::sync::Arc;

use samverkan::room::consent::{Consent, ExpiryChange, Name, Scope};
use samverkan::room::disclose::{
    AudienceReason, Disclosed, Receipts, SeenAs, ShownErasure, ShownIntroduction, ShownMessage, ShownParticipant, What,
};
use samverkan::room::event::{AccessChange, AskedFor, ErasureScope, IntakeReport, Subject};
use samverkan::room::ids::{Actor, IntroductionId, MessageId, ParticipantId, Timestamp};
use samverkan::room::words::{Audience, Material, PoliceAnswer};

use super::PureWorld;
use crate::pure::Found;
use crate::transcript::{self as words, Attached, ConsentWords, MINUTE, Receipt, Relay, Told, Who, lines};

impl PureWorld {
    pub(super) fn who(&self, shown: &ShownParticipant) -> Who {
        let name = match &shown.organisation {
            Some(organisation) => organisation.to_string(),
            None => self.pseudonym(&shown.id),
        };
        Who { name, role: shown.role, attribution: shown.attribution, is_reader: shown.is_reader }
    }

    fn pseudonym(&self, id: &ParticipantId) -> String {
        self.names.get(id).map_or_else(|| "~nobody".to_owned(), |organisation| format!("~{organisation}"))
    }

    /// An id, as the transcript calls it.
    fn id(&self, id: &[u8; 16]) -> String {
        self.ids.get(id).cloned().unwrap_or_else(|| "?".to_owned())
    }

    fn scope(&self, what: &ErasureScope<ShownParticipant>) -> String {
        match what {
            ErasureScope::Message(message) => self.label(*message),
            ErasureScope::Participant(of) => format!("all of {}", self.who(of).name),
            ErasureScope::Room => "the room".to_owned(),
        }
    }

    pub(super) fn erasures(&self, list: &[Disclosed<ShownErasure>]) -> String {
        let line = |erasure: &Disclosed<ShownErasure>| {
            let ShownErasure { id, what, basis, proposed_by, erased, .. } = erasure.get();
            let by = |actor: &Option<Actor>| actor.as_ref().map_or_else(String::new, acting);
            let (id, what) = (self.id(id.as_bytes()), self.scope(what));
            words::erasure(&id, &what, basis, &by(proposed_by), erased.as_ref().map(|(confirmed, _)| by(confirmed)))
        };
        lines(list.iter().map(line))
    }

    fn labels(&self, ids: &[MessageId]) -> Vec<String> {
        ids.iter().map(|&id| self.label(id)).collect()
    }

    /// By name: the order in which they are shown is random.
    fn all(&self, list: &[ShownParticipant]) -> Vec<String> {
        let mut names: Vec<_> = list.iter().map(|who| self.who(who).name).collect();
        names.sort();
        names
    }

    /// Who has a message.
    pub(super) fn receipts(&self, shown: &Receipts) -> String {
        let after = |at: Timestamp| (at.0 - shown.recorded_at.0) / MINUTE;
        let mut told: Vec<String> = Vec::new();
        for one in &shown.receipts {
            let receipt = Receipt {
                name: self.who(&one.participant).name,
                received: one.delivered.map(|(at, basis)| (after(at), audience_reason(basis).to_owned())),
                acknowledged: one.acknowledged_at.map(after),
                fetched: one.fetched_at.map(after),
                recalls: one
                    .recalls
                    .iter()
                    .map(|one| {
                        let answer = one.answer.as_ref().map(|(answer, comment, _)| (*answer, comment.to_string()));
                        (self.id(one.recall.as_bytes()), answer)
                    })
                    .collect(),
                sees: one.receives,
                reason: one.reason.map(|reason| audience_reason(reason).to_owned()),
            };
            told.push(receipt.to_string());
        }
        told.sort();
        let mut reads: Vec<_> =
            shown.coordinator_reads.iter().map(|(actor, at)| words::read_by(&acting(actor), after(*at))).collect();
        reads.sort();
        told.extend(reads);
        told.extend(
            shown.relays.iter().map(|relay| {
                words::relayed(&self.label(relay.message), after(relay.recorded_at), &self.all(&relay.to))
            }),
        );
        lines(told)
    }

    /// The room through another's eyes.
    pub(super) fn seen_as(&self, seen: &SeenAs) -> String {
        let mut roster: Vec<_> = seen.roster.iter().map(|who| format!("  {}", self.who(who))).collect();
        roster.sort();
        let heads = seen.messages.iter().map(|head| {
            let (label, author) = (self.label(head.message), self.who(&head.author).name);
            words::head(&label, &author, head.material, head.tlp)
        });
        lines(std::iter::once(format!("as {}", self.who(&seen.participant))).chain(roster).chain(heads))
    }

    fn written(&self, name: &Name) -> String {
        match name {
            Name::Organisation(organisation) => organisation.to_string(),
            Name::Participant(id) => self.pseudonym(id),
        }
    }

    fn label(&self, id: MessageId) -> String {
        self.labels.get(&id).cloned().unwrap_or_else(|| "#?".to_owned())
    }

    pub(super) fn told(&self, found: Found) -> Told {
        let shown = match found {
            Found::Withdrawn => return Told::Withdrawn,
            Found::Notice(notice) => {
                let ranges = notice.ranges.iter().map(|(a, b)| (a.0, b.0)).collect();
                return Told::Notice(ranges, notice.recall.map(|recall| self.id(recall.id.as_bytes())));
            }
            Found::Shown(shown) => shown,
        };
        match shown.what {
            What::Message(message) => self.told_message(message),
            What::RoomOpened(_) => Told::RoomOpened,
            What::Joined(who) => Told::Joined(self.who(&who)),
            What::Left(who) => Told::Left(self.who(&who)),
            What::Removed { participant, reason } => {
                Told::Removed { who: self.who(&participant), reason: reason.to_string() }
            }
            What::Identified(who) => Told::Identified(self.who(&who)),
            What::RoleChanged(who) => Told::RoleChanged(self.who(&who)),
            What::Invited { invitation: _, organisation, role } => {
                Told::Invited { organisation: organisation.to_string(), role }
            }
            What::Declined { invitation: _, organisation } => Told::Declined { organisation: organisation.to_string() },
            What::ConsentGiven { participant, change } => {
                let change = ConsentWords {
                    cells: change.cells.clone(),
                    named: change.named.iter().map(|(name, m, s)| (self.written(name), *m, *s)).collect(),
                    newcomers: change.newcomers.clone(),
                    attribution: change.attribution,
                    police: change.police,
                    expires: match change.expiry {
                        ExpiryChange::Keep => None,
                        ExpiryChange::Never => Some(false),
                        ExpiryChange::At(_) => Some(true),
                    },
                };
                Told::ConsentGiven { name: self.who(&participant).name, change: change.to_string() }
            }
            What::ConsentWithdrawn { participant, scope, recall } => {
                let scope = match scope {
                    Scope::All => "all".to_owned(),
                    Scope::Material(material) => words::material(material).to_owned(),
                    Scope::Audience(audience) => words::audience(audience).to_owned(),
                    Scope::Named(name) => self.written(&name),
                    Scope::Message(message) => self.label(message),
                };
                let recall = recall.map(|recall| self.id(recall.id.as_bytes()));
                Told::ConsentWithdrawn { name: self.who(&participant).name, scope, recall }
            }
            What::ConsentExpired(who) => Told::ConsentExpired { name: self.who(&who).name },
            What::ReportFiled { participant, amended: false } => {
                Told::ReportFiled { name: self.who(&participant).name }
            }
            What::ReportFiled { participant, amended: true } => {
                Told::ReportAmended { name: self.who(&participant).name }
            }
            What::RoomClosed => Told::RoomClosed,
            What::RoomReopened => Told::RoomReopened,
            What::TermsChanged(terms) => Told::TermsChanged { terms: terms.to_string() },
            What::Retracted { participant, message, reason } => Told::Retracted {
                name: self.who(&participant).name,
                message: self.label(message),
                reason: reason.to_string(),
            },
            What::Acknowledged { participant, message } => {
                Told::Acknowledged { name: self.who(&participant).name, message: self.label(message) }
            }
            What::Released { release, participant, messages, to } => Told::Released {
                release: self.id(release.as_bytes()),
                name: self.who(&participant).name,
                messages: self.labels(&messages),
                to: self.all(&to),
            },
            What::ReleaseRevoked { release, participant } => {
                Told::ReleaseRevoked { release: self.id(release.as_bytes()), name: self.who(&participant).name }
            }
            What::RecallAnswered { recall, participant, answer, comment } => Told::RecallAnswered {
                recall: self.id(recall.as_bytes()),
                name: self.who(&participant).name,
                answer,
                comment: comment.to_string(),
            },
            What::AskSuggested { participant, source, material, reason } => Told::AskSuggested {
                name: self.who(&participant).name,
                source: source.map(|source| self.who(&source).name),
                material,
                reason: reason.to_string(),
            },
            What::ConsentAsked { ask, participant, subject, to, reason, answer_by: _ } => Told::ConsentAsked {
                ask: self.id(ask.as_bytes()),
                name: self.who(&participant).name,
                subject: match subject {
                    Subject::Messages(messages) => self.labels(&messages).join(" "),
                    Subject::Material(material) => words::material(material).to_owned(),
                },
                to: match to {
                    AskedFor::Organisations(list) => self.all(&list).join(" "),
                    AskedFor::Audience(audience) => words::audience(audience).to_owned(),
                },
                reason: reason.to_string(),
            },
            What::AskAnswered { ask, participant, answer, comment } => Told::AskAnswered {
                ask: self.id(ask.as_bytes()),
                name: self.who(&participant).name,
                answer,
                comment: comment.to_string(),
            },
            What::AskLapsed { ask, participant } => {
                Told::AskLapsed { ask: self.id(ask.as_bytes()), name: self.who(&participant).name }
            }
            What::Relayed { message, parents, to } => Told::Relayed {
                message: self.label(message),
                relay: Relay { parents: self.labels(&parents), to: self.all(&to), unapproved: Vec::new() },
            },
            What::RelayApproved { message, participant, to } => Told::RelayApproved {
                message: self.label(message),
                name: self.who(&participant).name,
                to: self.all(&to),
            },
            What::RelayRejected { message, participant, reason } => Told::RelayRejected {
                message: self.label(message),
                name: self.who(&participant).name,
                reason: reason.to_string(),
            },
            What::PoliceReportMade { participant, reference } => {
                Told::PoliceReportMade { name: self.who(&participant).name, reference: reference.to_string() }
            }
            What::PoliceReportDue(who) => Told::PoliceReportDue { name: self.who(&who).name },
            What::Forwarded { participant, messages, to, reason } => Told::Forwarded {
                name: self.who(&participant).name,
                messages: self.labels(&messages),
                to: self.who(&to).name,
                reason: reason.to_string(),
            },
            What::LegalDisclosureProposed { disclosure, statute, messages, to, suppress_until, proposed_by } => {
                Told::DisclosureProposed {
                    disclosure: self.id(disclosure.as_bytes()),
                    statute: statute.to_string(),
                    messages: self.labels(&messages),
                    to: self.who(&to).name,
                    suppressed: suppress_until.is_some(),
                    by: proposed_by.as_ref().map_or_else(String::new, acting),
                }
            }
            What::LegallyDisclosed { disclosure, participant, statute, messages, to, suppress_until, decided_by } => {
                Told::Disclosed {
                    disclosure: self.id(disclosure.as_bytes()),
                    name: self.who(&participant).name,
                    statute: statute.to_string(),
                    messages: self.labels(&messages),
                    to: to.map(|to| self.who(&to).name),
                    suppressed: suppress_until.is_some(),
                    by: decided_by.iter().map(acting).collect(),
                }
            }
            What::ErasureProposed { erasure, what, basis, proposed_by } => Told::ErasureProposed {
                erasure: self.id(erasure.as_bytes()),
                what: self.scope(&what),
                basis: basis.to_string(),
                by: proposed_by.as_ref().map_or_else(String::new, acting),
            },
            What::PayloadsErased { erasure, what, basis, decided_by } => Told::Erased {
                erasure: self.id(erasure.as_bytes()),
                what: self.scope(&what),
                basis: basis.to_string(),
                by: decided_by.iter().map(acting).collect(),
            },
            What::LegalHoldPlaced { reason, by } => {
                Told::Held { reason: reason.to_string(), by: by.as_ref().map_or_else(String::new, acting) }
            }
            What::LegalHoldLifted { reason, by } => {
                Told::Lifted { reason: reason.to_string(), by: by.as_ref().map_or_else(String::new, acting) }
            }
            What::RetentionSet { years, by } => {
                Told::Kept { years: years.map(u32::from), by: by.as_ref().map_or_else(String::new, acting) }
            }
            What::IntroductionProposed { introduction, words } => {
                Told::IntroductionProposed { introduction: self.id(introduction.as_bytes()), words: words.to_string() }
            }
            What::IntroductionProposedTo(sides) => {
                let side = |(id, who, words): &(IntroductionId, ShownParticipant, Arc<str>)| {
                    (self.id(id.as_bytes()), self.who(who).name, words.to_string())
                };
                Told::IntroductionProposedTo(sides.iter().map(side).collect())
            }
            What::IntroductionAnswered { introduction, participant, accepted, contact } => Told::IntroductionAnswered {
                introduction: self.id(introduction.as_bytes()),
                name: self.who(&participant).name,
                accepted,
                contact: contact.to_string(),
            },
            What::Introduced(sides) => {
                let side = |side: &ShownIntroduction| (side.organisation.to_string(), side.contact.to_string());
                Told::Introduced(sides.iter().map(side).collect())
            }
            What::ReportRead { participant, reader } => Told::ReportRead {
                name: self.who(&participant).name,
                by: reader.as_ref().map_or_else(String::new, acting),
            },
            What::SeenAs { participant, reader } => {
                Told::SeenAs { name: self.who(&participant).name, by: reader.as_ref().map_or_else(String::new, acting) }
            }
            What::Exported { participant, export: _, by } => {
                Told::Exported { name: self.who(&participant).name, by: by.as_ref().map_or_else(String::new, acting) }
            }
            What::AccessChanged { participant, actor, change, changed_by } => Told::AccessChanged {
                name: self.who(&participant).name,
                what: match change {
                    AccessChange::CertificateRevoked(_) => "certificate revoked",
                    AccessChange::ActorRevoked => "revoked",
                    AccessChange::ActorReinstated => "reinstated",
                },
                actor: acting(&actor),
                by: changed_by.as_ref().map_or_else(String::new, acting),
            },
        }
    }

    fn told_message(&self, message: ShownMessage) -> Told {
        let mut to: Vec<_> = message.recipients.iter().map(|id| self.pseudonym(id)).collect();
        to.sort();
        Told::Message {
            label: self.label(message.id),
            from: self.who(&message.author).name,
            material: message.material,
            tlp: message.tlp,
            text: message.text.to_string(),
            reply: message.in_reply_to.map(|id| self.label(id)),
            occurred: message.occurred_at.is_some(),
            to,
            coordinator_only: message.coordinator_only,
            actor: message.actor.as_ref().map(acting),
            supersedes: message.supersedes.map(|id| self.label(id)),
            acknowledge: message.acknowledge_by.is_some(),
            relay: message.relay.map(|relay| Relay {
                parents: self.labels(&relay.parents),
                to: self.all(&relay.to),
                unapproved: self.all(&relay.unapproved),
            }),
            file: message.file.map(|file| Attached {
                carrier: self.label(file.carrier),
                name: file.name.to_string(),
                bytes: file.size,
                on_terms_of_others: file.on_terms_of_others,
            }),
        }
    }

    pub(super) fn consent_words(&self, consent: &Consent) -> ConsentWords {
        let mut cells = Vec::new();
        let mut named = Vec::new();
        for material in Material::ALL {
            cells.extend(Audience::ALL.map(|audience| (material, audience, consent.cell(material, audience).sharing)));
            named.extend(
                consent
                    .named
                    .iter()
                    .filter_map(|named| Some((self.written(&named.name), material, named.sharing[material as usize]?))),
            );
        }
        ConsentWords {
            cells,
            named,
            newcomers: Audience::ALL.map(|audience| (audience, consent.newcomers[audience as usize])).to_vec(),
            attribution: None,
            police: Some(consent.police),
            expires: consent.expires_at.is_some().then_some(true),
        }
    }
}

/// Who acts, as transcripts spell it.
fn acting(actor: &Actor) -> String {
    format!("{}/{}/{}", actor.organisation, actor.kind.as_str(), actor.name())
}

/// Every answer in the fact sheet's order; what is unanswered is shown so.
pub(super) fn report_words(report: &IntakeReport) -> String {
    let text = |text: &str| if text.is_empty() { "not answered".to_owned() } else { format!("\"{text}\"") };
    let open = |answer: Option<&'static str>| answer.unwrap_or("not answered").to_owned();
    let discovered =
        report.discovered_at.map(|at| jiff::Timestamp::from_microsecond(at.0).expect("in range").to_string());
    [
        ("what occurred", text(&report.what_occurred)),
        ("how discovered", text(&report.how_discovered)),
        ("when discovered", discovered.unwrap_or_else(|| "not answered".to_owned())),
        ("countermeasures", text(&report.countermeasures)),
        ("still ongoing", open(report.ongoing.map(words::assessment))),
        ("can data be leaked", open(report.data_leak.map(words::assessment))),
        ("help wanted", text(&report.help_wanted)),
        ("contacts made", text(&report.contacts_made)),
        ("police", open(report.police.filter(|answer| *answer != PoliceAnswer::NotAnswered).map(words::police))),
    ]
    .map(|(question, answer)| format!("  {question}: {answer}"))
    .join("\n")
}

/// As `audience.proto` names it, without `AUDIENCE_REASON_`.
pub(super) fn audience_reason(reason: AudienceReason) -> &'static str {
    match reason {
        AudienceReason::Coordinator => "COORDINATOR",
        AudienceReason::CarrierNotShown => "CARRIER_NOT_SHOWN",
        AudienceReason::SameFileNarrower => "SAME_FILE_NARROWER",
        AudienceReason::Author => "AUTHOR",
        AudienceReason::FromCoordinator => "COORDINATOR_MESSAGE",
        AudienceReason::Consent => "CLASS_DIRECT",
        AudienceReason::NamedConsent => "NAMED_DIRECT",
        AudienceReason::NotARecipient => "NOT_A_RECIPIENT",
        AudienceReason::CoordinatorOnly => "COORDINATOR_ONLY",
        AudienceReason::NotNamedInRed => "NOT_A_RED_ACTOR",
        AudienceReason::NotAnswered => "CLASS_NOT_ANSWERED",
        AudienceReason::ConsentNo => "CLASS_NO",
        AudienceReason::RelayOnly => "CLASS_RELAY",
        AudienceReason::NamedRelay => "NAMED_RELAY",
        AudienceReason::NamedNo => "NAMED_NO",
        AudienceReason::NamedPerhaps => "NAMED_PERHAPS",
        AudienceReason::Newcomer => "CLASS_NEWCOMER",
        AudienceReason::AuthorityNotNamed => "AUTHORITY",
        AudienceReason::SenderHidden => "CALLER_HIDDEN",
        AudienceReason::RelayPermitted => "RELAY_PERMITTED",
        AudienceReason::Released => "RELEASED",
        AudienceReason::Approved => "APPROVED",
        AudienceReason::Forwarded => "FORWARDED",
        AudienceReason::LegalDuty => "LEGAL_DUTY",
        AudienceReason::CameLater => "CAME_LATER",
        AudienceReason::NotSinceThen => "NOT_SINCE_THEN",
        AudienceReason::Withdrawn => "WITHDRAWN",
        AudienceReason::Retracted => "RETRACTED",
        AudienceReason::Superseded => "SUPERSEDED",
        AudienceReason::Erased => "ERASED",
        AudienceReason::ParentNarrower => "PARENT_NARROWER",
        AudienceReason::RelayNotPermitted => "RELAY_NOT_PERMITTED",
        AudienceReason::RelayLooserTlp => "RELAY_LOOSER_TLP",
        AudienceReason::RelayTooFewSources => "RELAY_TOO_FEW_SOURCES",
        AudienceReason::RelayUnapproved => "RELAY_UNAPPROVED",
        AudienceReason::Source => "SOURCE",
    }
}
