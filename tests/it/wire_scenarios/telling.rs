//! What the server answers, as transcripts spell it.

use samverkan::api::{self as pb, delivery::Content};
use samverkan::room::words::{AskAnswer, Attribution, RecallAnswer, Sharing, Tlp};
use uuid::Uuid;

use super::WireWorld;
use crate::transcript::{self as words, Attached, ConsentWords, MINUTE, Receipt, Relay, Told, Who, lines};

impl WireWorld {
    /// The other way round.
    pub(super) fn written(&self, name: &str) -> String {
        match self.names.get(name) {
            Some(organisation) => format!("~{organisation}"),
            None if Uuid::try_parse(name).is_ok() => "~nobody".to_owned(),
            None => name.to_owned(),
        }
    }

    pub(super) fn who(&self, shown: Option<&pb::Participant>) -> Who {
        let shown = shown.expect("somebody is shown");
        let name = if shown.organisation_id.is_empty() {
            self.written(&shown.participant_id)
        } else {
            shown.organisation_id.clone()
        };
        Who {
            name,
            role: words::to_role(&word("ROLE_", shown.role().as_str_name())),
            attribution: shown.attribution.map(attribution),
            is_reader: shown.is_caller,
        }
    }

    pub(super) fn label(&self, message: &str) -> String {
        self.labels.get(message).cloned().unwrap_or_else(|| "#?".to_owned())
    }

    pub(super) fn erasures(&self, list: &[pb::Erasure]) -> String {
        use pb::erasure::Scope;
        lines(list.iter().map(|erasure| {
            let what = match erasure.scope.as_ref().expect("a scope") {
                Scope::MessageId(message) => self.label(message),
                Scope::Participant(of) => format!("all of {}", self.who(Some(of)).name),
                Scope::Room(_) => "the room".to_owned(),
            };
            let confirmed = Some(acting(&erasure.confirmed_by)).filter(|_| erasure.erased_time.is_some());
            let (id, by) = (self.id(&erasure.erasure_id), acting(&erasure.proposed_by));
            words::erasure(&id, &what, &erasure.basis, &by, confirmed)
        }))
    }

    pub(super) fn told(&self, delivery: &pb::Delivery) -> Told {
        let name = |shown: &Option<pb::Participant>| self.who(shown.as_ref()).name;
        let who = |shown: &Option<pb::Participant>| self.who(shown.as_ref());
        match delivery.content.as_ref().expect("every delivery has content") {
            Content::Message(message) => self.told_message(message),
            Content::Withdrawn(_) => Told::Withdrawn,
            Content::WithdrawalNotice(notice) => {
                let ranges = notice.ranges.iter().map(|range| (range.first_index, range.last_index)).collect();
                Told::Notice(ranges, self.recall(&notice.recall_id))
            }
            Content::RoomOpened(_) => Told::RoomOpened,
            Content::RoomClosed(_) => Told::RoomClosed,
            Content::RoomReopened(_) => Told::RoomReopened,
            Content::ParticipantJoined(told) => Told::Joined(who(&told.participant)),
            Content::ParticipantLeft(told) => Told::Left(who(&told.participant)),
            Content::ParticipantRemoved(told) => {
                Told::Removed { who: who(&told.participant), reason: told.reason.clone() }
            }
            Content::ParticipantIdentified(told) => Told::Identified(who(&told.participant)),
            Content::RoleChanged(told) => Told::RoleChanged(who(&told.participant)),
            Content::InvitationSent(told) => Told::Invited {
                organisation: told.organisation_id.clone(),
                role: words::to_role(&word("ROLE_", told.role().as_str_name())),
            },
            Content::InvitationDeclined(told) => Told::Declined { organisation: told.organisation_id.clone() },
            Content::ConsentGiven(told) => {
                let change = self.consent_change(told.change.as_ref().expect("a change is told")).to_string();
                Told::ConsentGiven { name: name(&told.participant), change }
            }
            Content::ConsentWithdrawn(told) => {
                use pb::consent_withdrawn::Scope;
                let scope = match told.scope.as_ref().expect("a scope is told") {
                    Scope::All(_) => "all".to_owned(),
                    Scope::Material(number) => material(*number),
                    Scope::Audience(number) => audience(*number),
                    Scope::Name(name) => self.written(name),
                    Scope::MessageId(message) => self.label(message),
                };
                Told::ConsentWithdrawn { name: name(&told.participant), scope, recall: self.recall(&told.recall_id) }
            }
            Content::ConsentExpired(told) => Told::ConsentExpired { name: name(&told.participant) },
            Content::ReportFiled(told) => Told::ReportFiled { name: name(&told.participant) },
            Content::ReportAmended(told) => Told::ReportAmended { name: name(&told.participant) },
            Content::ReportRead(told) => Told::ReportRead { name: name(&told.participant), by: acting(&told.actor) },
            Content::RoomSeenAs(told) => Told::SeenAs { name: name(&told.participant), by: acting(&told.actor) },
            Content::RoomExported(told) => Told::Exported { name: name(&told.participant), by: acting(&told.actor) },
            Content::AccessChanged(told) => Told::AccessChanged {
                name: name(&told.participant),
                what: match told.change() {
                    pb::AccessChange::CertificateRevoked => "certificate revoked",
                    pb::AccessChange::ActorRevoked => "revoked",
                    pb::AccessChange::ActorReinstated => "reinstated",
                    pb::AccessChange::Unspecified => "changed",
                },
                actor: acting(&told.actor),
                by: acting(&told.changed_by),
            },
            Content::TermsChanged(told) => Told::TermsChanged { terms: told.terms.clone() },
            Content::MessageRetracted(told) => Told::Retracted {
                name: name(&told.participant),
                message: self.label(&told.message_id),
                reason: told.reason.clone(),
            },
            Content::MessageAcknowledged(told) => {
                Told::Acknowledged { name: name(&told.participant), message: self.label(&told.message_id) }
            }
            Content::MessagesReleased(told) => Told::Released {
                release: self.id(&told.release_id),
                name: name(&told.participant),
                messages: self.labels(&told.message_ids),
                to: self.all(&told.receivers),
            },
            Content::ReleaseRevoked(told) => {
                Told::ReleaseRevoked { release: self.id(&told.release_id), name: name(&told.participant) }
            }
            Content::RecallAnswered(told) => Told::RecallAnswered {
                recall: self.id(&told.recall_id),
                name: name(&told.participant),
                answer: recall_answer(told.answer()),
                comment: told.comment.clone(),
            },
            Content::AskSuggested(told) => Told::AskSuggested {
                name: name(&told.participant),
                source: told.source.as_ref().map(|source| self.who(Some(source)).name),
                material: words::to_material(&material(told.material)),
                reason: told.reason.clone(),
            },
            Content::ConsentAsked(told) => self.told_ask(told),
            Content::AskAnswered(told) => Told::AskAnswered {
                ask: self.id(&told.ask_id),
                name: name(&told.participant),
                answer: ask_answer(told.answer()),
                comment: told.comment.clone(),
            },
            Content::AskLapsed(told) => Told::AskLapsed { ask: self.id(&told.ask_id), name: name(&told.participant) },
            Content::MessageRelayed(told) => Told::Relayed {
                message: self.label(&told.message_id),
                relay: Relay {
                    parents: self.labels(&told.parent_message_ids),
                    to: self.all(&told.receivers),
                    unapproved: Vec::new(),
                },
            },
            Content::RelayApproved(told) => Told::RelayApproved {
                message: self.label(&told.message_id),
                name: name(&told.participant),
                to: self.all(&told.receivers),
            },
            Content::RelayRejected(told) => Told::RelayRejected {
                message: self.label(&told.message_id),
                name: name(&told.participant),
                reason: told.reason.clone(),
            },
            Content::PoliceReportMade(told) => {
                Told::PoliceReportMade { name: name(&told.participant), reference: told.reference.clone() }
            }
            Content::PoliceReportDue(told) => Told::PoliceReportDue { name: name(&told.participant) },
            Content::MessagesForwarded(told) => Told::Forwarded {
                name: name(&told.participant),
                messages: self.labels(&told.message_ids),
                to: name(&told.receiver),
                reason: told.reason.clone(),
            },
            Content::LegalDisclosureProposed(told) => Told::DisclosureProposed {
                disclosure: self.id(&told.disclosure_id),
                statute: told.statute.clone(),
                messages: self.labels(&told.message_ids),
                to: name(&told.receiver),
                suppressed: told.suppress_until_time.is_some(),
                by: acting(&told.actor),
            },
            Content::LegallyDisclosed(told) => Told::Disclosed {
                disclosure: self.id(&told.disclosure_id),
                name: name(&told.participant),
                statute: told.statute.clone(),
                messages: self.labels(&told.message_ids),
                to: told.receiver.as_ref().map(|to| self.who(Some(to)).name),
                suppressed: told.suppress_until_time.is_some(),
                by: told.actors.iter().map(|actor| acting(actor)).collect(),
            },
            Content::ErasureProposed(told) => {
                use pb::erasure_proposed::Scope;
                let what = match told.scope.as_ref().expect("a scope") {
                    Scope::MessageId(message) => self.label(message),
                    Scope::Participant(of) => format!("all of {}", self.who(Some(of)).name),
                    Scope::Room(_) => "the room".to_owned(),
                };
                let erasure = self.id(&told.erasure_id);
                Told::ErasureProposed { erasure, what, basis: told.basis.clone(), by: acting(&told.actor) }
            }
            Content::PayloadsErased(told) => {
                use pb::payloads_erased::Scope;
                let what = match told.scope.as_ref().expect("a scope") {
                    Scope::MessageId(message) => self.label(message),
                    Scope::Participant(of) => format!("all of {}", self.who(Some(of)).name),
                    Scope::Room(_) => "the room".to_owned(),
                };
                let (erasure, by) =
                    (self.id(&told.erasure_id), told.actors.iter().map(|actor| acting(actor)).collect());
                Told::Erased { erasure, what, basis: told.basis.clone(), by }
            }
            Content::LegalHoldPlaced(told) => Told::Held { reason: told.reason.clone(), by: acting(&told.actor) },
            Content::LegalHoldLifted(told) => Told::Lifted { reason: told.reason.clone(), by: acting(&told.actor) },
            Content::RetentionSet(told) => Told::Kept { years: told.years, by: acting(&told.actor) },
            Content::IntroductionProposed(told) => {
                Told::IntroductionProposed { introduction: self.id(&told.introduction_id), words: told.text.clone() }
            }
            Content::IntroductionSent(told) => {
                let side = |side: &pb::introduction_sent::Side| {
                    (self.id(&side.introduction_id), self.who(side.participant.as_ref()).name, side.text.clone())
                };
                Told::IntroductionProposedTo(told.sides.iter().map(side).collect())
            }
            Content::IntroductionAnswered(told) => Told::IntroductionAnswered {
                introduction: self.id(&told.introduction_id),
                name: name(&told.participant),
                accepted: told.accepted,
                contact: told.contact.clone(),
            },
            Content::Introduced(told) => {
                let side = |side: &pb::introduced::Side| (side.organisation_id.clone(), side.contact.clone());
                Told::Introduced(told.sides.iter().map(side).collect())
            }
        }
    }

    pub(super) fn told_message(&self, message: &pb::Message) -> Told {
        let mut to: Vec<_> = message.recipients.iter().map(|participant| self.written(participant)).collect();
        to.sort();
        Told::Message {
            label: self.label(&message.message_id),
            from: self.who(message.author.as_ref()).name,
            material: words::to_material(&material(message.material)),
            tlp: tlp(message.tlp()),
            text: message.text.clone(),
            reply: Some(&message.in_reply_to).filter(|id| !id.is_empty()).map(|id| self.label(id)),
            occurred: message.occurred_time.is_some(),
            to,
            coordinator_only: message.coordinator_only,
            actor: Some(acting(&message.actor)).filter(|actor| !actor.is_empty()),
            supersedes: Some(&message.supersedes).filter(|id| !id.is_empty()).map(|id| self.label(id)),
            acknowledge: message.acknowledge_by_time.is_some(),
            relay: message.relay.as_ref().map(|relay| Relay {
                parents: self.labels(&relay.parent_message_ids),
                to: self.all(&relay.receivers),
                unapproved: self.all(&relay.awaiting_approval),
            }),
            file: message.attachment.as_ref().map(|file| Attached {
                carrier: self.label(&file.carrier_message_id),
                name: file.name.clone(),
                bytes: file.size_bytes,
                on_terms_of_others: file.on_terms_of_others,
            }),
        }
    }

    fn told_ask(&self, told: &pb::ConsentAsked) -> Told {
        use pb::consent_asked::{Subject, To};
        Told::ConsentAsked {
            ask: self.id(&told.ask_id),
            name: self.who(told.participant.as_ref()).name,
            subject: match told.subject.as_ref().expect("a question is about something") {
                Subject::Messages(list) => self.labels(&list.message_ids).join(" "),
                Subject::Material(number) => material(*number),
            },
            to: match told.to.as_ref().expect("a question says to whom") {
                To::Participants(list) => self.all(&list.participants).join(" "),
                To::Audience(number) => audience(*number),
            },
            reason: told.reason.clone(),
        }
    }

    /// An id, as the transcript calls it.
    fn id(&self, id: &str) -> String {
        self.ids.get(id).cloned().unwrap_or_else(|| "?".to_owned())
    }

    fn recall(&self, id: &str) -> Option<String> {
        (!id.is_empty()).then(|| self.id(id))
    }

    fn labels(&self, ids: &[String]) -> Vec<String> {
        ids.iter().map(|id| self.label(id)).collect()
    }

    /// By name: the order in which they are shown is random.
    fn all(&self, list: &[pb::Participant]) -> Vec<String> {
        let mut names: Vec<_> = list.iter().map(|who| self.who(Some(who)).name).collect();
        names.sort();
        names
    }

    /// Who has a message.
    pub(super) fn receipts(&self, shown: &pb::GetReceiptsResponse) -> String {
        let posted = shown.recorded_time.as_ref().map_or(0, microseconds);
        let after = |at: &prost_types::Timestamp| (microseconds(at) - posted) / MINUTE;
        let mut told: Vec<String> = Vec::new();
        for one in &shown.receipts {
            let basis = one.basis();
            let receipt = Receipt {
                name: self.who(one.participant.as_ref()).name,
                received: one.delivered_time.as_ref().map(|at| (after(at), reason(basis))),
                acknowledged: one.acknowledged_time.as_ref().map(after),
                fetched: one.fetched_time.as_ref().map(after),
                recalls: one
                    .recalls
                    .iter()
                    .map(|one| {
                        let answer = one.recorded_time.map(|_| (recall_answer(one.answer()), one.comment.clone()));
                        (self.recall(&one.recall_id).unwrap_or_default(), answer)
                    })
                    .collect(),
                sees: one.sees,
                reason: Some(one.reason()).filter(|why| *why != pb::AudienceReason::Unspecified).map(reason),
            };
            told.push(receipt.to_string());
        }
        told.sort();
        let read = |read: &pb::ActorReceipt| {
            words::read_by(&acting(&read.actor), read.delivered_time.as_ref().map_or(0, after))
        };
        let mut reads: Vec<_> = shown.coordinator_reads.iter().map(read).collect();
        reads.sort();
        told.extend(reads);
        told.extend(shown.relays.iter().map(|relay| {
            let minutes = relay.recorded_time.as_ref().map_or(0, after);
            words::relayed(&self.label(&relay.message_id), minutes, &self.all(&relay.receivers))
        }));
        lines(told)
    }

    /// The room through another's eyes.
    pub(super) fn seen_as(&self, seen: &pb::SeeAsResponse) -> String {
        let mut roster: Vec<_> = seen.participants.iter().map(|who| format!("  {}", self.who(Some(who)))).collect();
        roster.sort();
        let heads = seen.messages.iter().map(|head| {
            let (label, author) = (self.label(&head.message_id), self.who(head.author.as_ref()).name);
            words::head(&label, &author, words::to_material(&material(head.material)), tlp(head.tlp()))
        });
        lines(std::iter::once(format!("as {}", self.who(seen.participant.as_ref()))).chain(roster).chain(heads))
    }

    pub(super) fn consent(&self, consent: pb::SharingConsent) -> ConsentWords {
        let shown = consent.attribution;
        let change = pb::ConsentChange {
            cells: consent.cells,
            named: consent.named,
            newcomers: consent.newcomers,
            attribution: Some(shown),
            police: Some(consent.police),
            expiry: consent.expire_time.map(pb::consent_change::Expiry::ExpireTime),
        };
        self.consent_change(&change)
    }

    pub(super) fn consent_change(&self, change: &pb::ConsentChange) -> ConsentWords {
        use pb::consent_change::Expiry;
        let sharing = |number| -> Sharing {
            let sharing = pb::Sharing::try_from(number).expect("known");
            words::to_sharing(&word("SHARING_", sharing.as_str_name()))
        };
        let cell = |cell: &pb::ConsentCell| {
            let (material, audience) = (material(cell.material), audience(cell.audience));
            (words::to_material(&material), words::to_audience(&audience), sharing(cell.sharing))
        };
        let mut named = Vec::new();
        for one in &change.named {
            for answer in &one.sharings {
                let material = words::to_material(&material(answer.material));
                named.push((self.written(&one.name), material, sharing(answer.sharing)));
            }
        }
        ConsentWords {
            cells: change.cells.iter().map(cell).collect(),
            named,
            newcomers: change
                .newcomers
                .iter()
                .map(|one| {
                    let answer = words::to_answer(&word("ANSWER_", one.answer().as_str_name()));
                    (words::to_audience(&audience(one.audience)), answer)
                })
                .collect(),
            attribution: change.attribution.map(attribution),
            police: change.police.map(|number| {
                let answer = pb::PoliceAnswer::try_from(number).expect("known");
                words::to_police(&word("POLICE_ANSWER_", answer.as_str_name()))
            }),
            expires: change.expiry.as_ref().map(|expiry| match expiry {
                Expiry::ExpireTime(_) => true,
                Expiry::ClearExpiry(_) => false,
            }),
        }
    }
}

/// Who acts, as transcripts spell it.
fn acting(actor: &str) -> String {
    actor.strip_prefix("org/").unwrap_or_default().to_owned()
}

pub(super) fn microseconds(at: &prost_types::Timestamp) -> i64 {
    at.seconds * 1_000_000 + i64::from(at.nanos) / 1000
}

pub(super) fn reason(reason: pb::AudienceReason) -> String {
    stripped("AUDIENCE_REASON_", reason.as_str_name()).to_owned()
}

fn recall_answer(answer: pb::RecallAnswer) -> RecallAnswer {
    words::to_recall_answer(&word("RECALL_ANSWER_", answer.as_str_name()))
}

fn ask_answer(answer: pb::AskAnswer) -> AskAnswer {
    words::to_ask_answer(&word("ASK_ANSWER_", answer.as_str_name()))
}

fn tlp(tlp: pb::Tlp) -> Tlp {
    words::to_tlp(&word("TLP_", tlp.as_str_name()).replace("amber-strict", "amber+strict"))
}

/// As transcripts spell a value of the API: `ROLE_THIRD_PARTY` is `third-party`.
pub(super) fn word(prefix: &str, name: &str) -> String {
    stripped(prefix, name).to_lowercase().replace('_', "-")
}

pub(super) fn stripped<'a>(prefix: &str, name: &'a str) -> &'a str {
    name.strip_prefix(prefix).expect("values carry the name of their enum")
}

pub(super) fn material(number: i32) -> String {
    word("MATERIAL_", pb::Material::try_from(number).expect("known").as_str_name())
}

pub(super) fn audience(number: i32) -> String {
    word("AUDIENCE_", pb::Audience::try_from(number).expect("known").as_str_name())
}

pub(super) fn attribution(number: i32) -> Attribution {
    let shown = pb::Attribution::try_from(number).expect("known");
    words::to_attribution(&word("ATTRIBUTION_", shown.as_str_name()))
}

/// Every answer in the fact sheet's order; what is unanswered is shown so.
pub(super) fn report_words(report: Option<&pb::IntakeReport>) -> String {
    let report = report.expect("a version has its report");
    let open = "not answered";
    let text = |text: &str| if text.is_empty() { open.to_owned() } else { format!("\"{text}\"") };
    let assessment = |number: Option<i32>| match number {
        Some(number) => word("ASSESSMENT_", pb::Assessment::try_from(number).expect("known").as_str_name()),
        None => open.to_owned(),
    };
    let discovered = report
        .discovered_time
        .as_ref()
        .map(|at| jiff::Timestamp::new(at.seconds, at.nanos).expect("in range").to_string());
    let police = match report.police() {
        pb::PoliceAnswer::Unspecified | pb::PoliceAnswer::NotAnswered => open.to_owned(),
        answer => word("POLICE_ANSWER_", answer.as_str_name()),
    };
    [
        ("what occurred", text(&report.what_occurred)),
        ("how discovered", text(&report.how_discovered)),
        ("when discovered", discovered.unwrap_or_else(|| open.to_owned())),
        ("countermeasures", text(&report.countermeasures)),
        ("still ongoing", assessment(report.ongoing)),
        ("can data be leaked", assessment(report.data_leak)),
        ("help wanted", text(&report.help_wanted)),
        ("contacts made", text(&report.contacts_made)),
        ("police", police),
    ]
    .map(|(question, answer)| format!("  {question}: {answer}"))
    .join("\n")
}
