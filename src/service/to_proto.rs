//! Answers in the API's words. One question: how does what was disclosed look on the wire?
//!
//! The functions that others may call take what `disclose` or the engine made for a reader ([`Disclosed`], [`Delivery`]) and nothing
//! else of a room, so that what was not disclosed can't be shown (R5). Wherever an organisation is shown by its id, its display name
//! stands beside it. Leans on: `room::disclose`, `room::directory`, `engine`.

mod access;
mod audit;
mod erasure;
mod happened;
mod records;
mod words;

pub(super) use self::access::{live_connection, revocation};
pub(super) use self::audit::audit_record;
pub(super) use self::erasure::{erasure, retention};
use self::happened::content;
pub(super) use self::records::{connection, invite, receipts, seen_as};
use self::words::{
    answer, assessment, audience, audience_reason, material, police, reason_text, role, sharing, status, tlp,
};

use crate::api;
use crate::engine::{Batch, Delivery};
use crate::limits;
use crate::room::consent::{ConsentChange, ExpiryChange, Name};
use crate::room::directory::{Directory, Organisation};
use crate::room::disclose::{
    Disclosed, Previewed, Shown, ShownConsent, ShownFile, ShownInvitation, ShownListing, ShownMessage,
    ShownParticipant, ShownRelay, ShownRoom,
};
use crate::room::event::IntakeReport;
use crate::room::ids::{Index, OrganisationId, RoomId, Timestamp};
use crate::room::mailbox::Notice;
use crate::room::words::{Attribution, Audience, Material, Role};

/// Takes items until there are `max`, or [`limits::PAGE_BYTES_MAX`] of them; and whether some are left. The last may be the first
/// over the limit in bytes, so that every page makes progress.
pub(super) fn fill<T: prost::Message>(items: impl IntoIterator<Item = T>, max: usize) -> (Vec<T>, bool) {
    let mut page = Vec::new();
    let mut bytes = 0;
    for item in items {
        if page.len() >= max || bytes >= limits::PAGE_BYTES_MAX {
            return (page, true);
        }
        bytes += item.encoded_len();
        page.push(item);
    }
    (page, false)
}

/// A moment.
pub(super) fn time(Timestamp(micros): Timestamp) -> prost_types::Timestamp {
    let nanos = micros.rem_euclid(1_000_000) * 1_000;
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(nanos).expect("less than a second of nanoseconds fits"),
    }
}

/// A participant.
pub(super) fn participant(shown: &Disclosed<ShownParticipant>, directory: &Directory) -> api::Participant {
    of_participant(shown.get(), directory)
}

fn of_participant(shown: &ShownParticipant, directory: &Directory) -> api::Participant {
    let ShownParticipant { id, organisation, role: part, attribution, is_reader } = shown;
    api::Participant {
        participant_id: id.to_string(),
        organisation_id: organisation.as_ref().map_or(String::new(), ToString::to_string),
        display_name: organisation.as_ref().map_or(String::new(), |organisation| display_name(organisation, directory)),
        role: role(*part).into(),
        attribution: attribution.filter(|_| *part != Role::Coordinator).map(|shown| words::attribution(shown).into()),
        is_caller: *is_reader,
    }
}

/// The coordinator is configuration and has no registered name; it goes by its id.
fn display_name(organisation: &OrganisationId, directory: &Directory) -> String {
    directory
        .organisation(organisation)
        .map_or_else(|| organisation.to_string(), |known| known.display_name.to_string())
}

/// A room.
pub(super) fn room(id: RoomId, shown: &Disclosed<ShownRoom>, directory: &Directory) -> api::Room {
    let ShownRoom { title, terms, status: state, opened_at, coordinator, own } = shown.get();
    api::Room {
        room_id: id.to_string(),
        title: title.to_string(),
        terms: terms.to_string(),
        coordinator_organisation_id: coordinator.organisation.as_ref().map_or(String::new(), ToString::to_string),
        status: status(*state).into(),
        opened_time: Some(time(*opened_at)),
        caller: Some(of_participant(own, directory)),
    }
}

/// A room in a list.
pub(super) fn room_summary(id: RoomId, shown: &Disclosed<ShownListing>) -> api::RoomSummary {
    let ShownListing { title, status: state, opened_at, role: part } = shown.get();
    api::RoomSummary {
        room_id: id.to_string(),
        title: title.to_string(),
        role: role(*part).into(),
        status: status(*state).into(),
        opened_time: Some(time(*opened_at)),
    }
}

/// An invitation.
pub(super) fn invitation(shown: &Disclosed<ShownInvitation>) -> api::Invitation {
    let ShownInvitation { id, title, terms, coordinator, role: part, invited_at } = shown.get();
    api::Invitation {
        invitation_id: id.to_string(),
        title: title.to_string(),
        coordinator_organisation_id: coordinator.to_string(),
        terms: terms.to_string(),
        role: role(*part).into(),
        invited_time: Some(time(*invited_at)),
    }
}

/// An organisation of the register. The caller must be the coordinator.
pub(super) fn organisation(id: &OrganisationId, known: &Organisation) -> api::Organisation {
    let Organisation { display_name, registered_at, suspended } = known;
    api::Organisation {
        organisation_id: id.to_string(),
        display_name: display_name.to_string(),
        status: match suspended {
            None => api::OrganisationStatus::Active,
            Some(_) => api::OrganisationStatus::Suspended,
        }
        .into(),
        registered_time: Some(time(*registered_at)),
        suspended_time: suspended.as_ref().map(|suspension| time(suspension.at)),
        suspension_reason: suspended.as_ref().map(|suspension| suspension.reason.to_string()).unwrap_or_default(),
    }
}

/// The coordinator in the register: always active, never registered.
pub(super) fn coordinator(directory: &Directory) -> api::Organisation {
    let id = directory.coordinator();
    api::Organisation {
        organisation_id: id.to_string(),
        display_name: display_name(id, directory),
        status: api::OrganisationStatus::Active.into(),
        registered_time: None,
        suspended_time: None,
        suspension_reason: String::new(),
    }
}

/// A consent, and whose it is.
pub(super) fn consent(
    shown: &Disclosed<ShownConsent>,
    directory: &Directory,
) -> (api::Participant, api::SharingConsent) {
    let ShownConsent { participant, consent } = shown.get();
    let mut cells = Vec::with_capacity(Material::ALL.len() * Audience::ALL.len());
    for what in Material::ALL {
        for whom in Audience::ALL {
            let answer = sharing(consent.cell(what, whom).sharing);
            cells.push(api::ConsentCell {
                material: material(what).into(),
                audience: audience(whom).into(),
                sharing: answer.into(),
            });
        }
    }
    let mut named = NamedSharings::default();
    for one in &consent.named {
        for what in Material::ALL {
            if let Some(answer) = one.sharing[what as usize] {
                named.add(&one.name, what, answer);
            }
        }
    }
    let newcomers = Audience::ALL.map(|whom| api::NewcomersAnswer {
        audience: audience(whom).into(),
        answer: answer(consent.newcomers[whom as usize]).into(),
    });
    let shown = api::SharingConsent {
        version: consent.version,
        cells,
        named: named.0,
        newcomers: newcomers.into(),
        attribution: words::attribution(participant.attribution.unwrap_or(Attribution::Hidden)).into(),
        police: police(consent.police).into(),
        expire_time: consent.expires_at.map(time),
    };
    (of_participant(participant, directory), shown)
}

/// Answers by name, each name once.
#[derive(Default)]
struct NamedSharings(Vec<api::NamedSharing>);

impl NamedSharings {
    fn add(&mut self, name: &Name, what: Material, answer: crate::room::words::Sharing) {
        let name = of_name(name);
        let answer = api::MaterialSharing { material: material(what).into(), sharing: sharing(answer).into() };
        match self.0.iter_mut().find(|named| named.name == name) {
            Some(named) => named.sharings.push(answer),
            None => self.0.push(api::NamedSharing { name, sharings: vec![answer] }),
        }
    }
}

fn of_name(name: &Name) -> String {
    match name {
        Name::Organisation(organisation) => organisation.to_string(),
        Name::Participant(participant) => participant.to_string(),
    }
}

fn consent_change(change: &ConsentChange) -> api::ConsentChange {
    use api::consent_change::Expiry;
    let ConsentChange { cells, named, newcomers, attribution, police: about_police, expiry } = change;
    let mut by_name = NamedSharings::default();
    named.iter().for_each(|(name, what, answer)| by_name.add(name, *what, *answer));
    api::ConsentChange {
        cells: cells
            .iter()
            .map(|&(what, whom, answer)| api::ConsentCell {
                material: material(what).into(),
                audience: audience(whom).into(),
                sharing: sharing(answer).into(),
            })
            .collect(),
        named: by_name.0,
        newcomers: newcomers
            .iter()
            .map(|&(whom, yes)| api::NewcomersAnswer { audience: audience(whom).into(), answer: answer(yes).into() })
            .collect(),
        attribution: attribution.map(|shown| words::attribution(shown).into()),
        police: about_police.map(|answer| police(answer).into()),
        expiry: match expiry {
            ExpiryChange::Keep => None,
            ExpiryChange::Never => Some(Expiry::ClearExpiry(true)),
            ExpiryChange::At(at) => Some(Expiry::ExpireTime(time(*at))),
        },
    }
}

/// One version of a report, from 1.
pub(super) fn report_version(
    version: u64,
    filed_at: Timestamp,
    report: &Disclosed<IntakeReport>,
) -> api::ReportVersion {
    let IntakeReport {
        what_occurred,
        how_discovered,
        discovered_at,
        countermeasures,
        ongoing,
        data_leak,
        help_wanted,
        contacts_made,
        police: about_police,
    } = report.get();
    let report = api::IntakeReport {
        what_occurred: what_occurred.clone(),
        how_discovered: how_discovered.clone(),
        discovered_time: discovered_at.map(time),
        countermeasures: countermeasures.clone(),
        ongoing: ongoing.map(|known| assessment(known).into()),
        data_leak: data_leak.map(|known| assessment(known).into()),
        help_wanted: help_wanted.clone(),
        contacts_made: contacts_made.clone(),
        police: about_police.map(|answer| police(answer).into()),
        // The eighth answer is the consent, which has its own place, and its own history in the mailbox.
        sharing_consent: None,
    };
    api::ReportVersion { version, recorded_time: Some(time(filed_at)), report: Some(report) }
}

/// One participant of a preview.
pub(super) fn previewed(shown: &Disclosed<Previewed>, directory: &Directory) -> api::PreviewedParticipant {
    let Previewed { participant, receives, reason, source } = shown.get();
    api::PreviewedParticipant {
        participant: Some(of_participant(participant, directory)),
        receives: *receives,
        reason: audience_reason(*reason).into(),
        text: reason_text(*reason, source.as_ref()),
    }
}

/// Deliveries with consecutive indexes.
pub(super) fn deliveries(batch: &Batch, directory: &Directory) -> Vec<api::Delivery> {
    batch.deliveries.iter().map(|one| delivery(one, directory)).collect()
}

fn delivery(delivery: &Delivery, directory: &Directory) -> api::Delivery {
    use api::delivery::Content;
    match delivery {
        Delivery::Shown(shown) => {
            let Shown { recorded_at, what } = shown.get();
            api::Delivery { recorded_time: Some(time(*recorded_at)), content: Some(content(what, directory)) }
        }
        Delivery::Withdrawn => {
            api::Delivery { recorded_time: None, content: Some(Content::Withdrawn(api::Withdrawn {})) }
        }
        Delivery::Notice(Notice { ranges, recall }) => {
            let range = |&(Index(first_index), Index(last_index)): &_| api::IndexRange { first_index, last_index };
            let notice = api::WithdrawalNotice {
                ranges: ranges.iter().map(range).collect(),
                recall_id: recall.map_or(String::new(), |recall| recall.id.to_string()),
                answer_by_time: recall.map(|recall| time(recall.answer_by)),
            };
            api::Delivery { recorded_time: None, content: Some(Content::WithdrawalNotice(notice)) }
        }
    }
}

fn message(shown: &ShownMessage, directory: &Directory) -> api::Message {
    let ShownMessage {
        id,
        author,
        actor,
        material: what,
        tlp: label,
        text,
        in_reply_to,
        occurred_at,
        coordinator_only,
        recipients,
        supersedes,
        acknowledge_by,
        relay: made_of,
        file,
    } = shown;
    api::Message {
        message_id: id.to_string(),
        author: Some(of_participant(author, directory)),
        material: material(*what).into(),
        tlp: tlp(*label).into(),
        text: text.to_string(),
        in_reply_to: in_reply_to.map_or(String::new(), |parent| parent.to_string()),
        occurred_time: occurred_at.map(time),
        coordinator_only: *coordinator_only,
        recipients: recipients.iter().map(ToString::to_string).collect(),
        actor: actor.as_ref().map_or(String::new(), ToString::to_string),
        supersedes: supersedes.map_or(String::new(), |old| old.to_string()),
        acknowledge_by_time: acknowledge_by.map(time),
        relay: made_of.as_ref().map(|made_of| relay(made_of, directory)),
        attachment: file.as_ref().map(attachment),
    }
}

fn attachment(shown: &ShownFile) -> api::Attachment {
    let ShownFile { carrier, name, media_type, size, sha256, on_terms_of_others } = shown;
    api::Attachment {
        carrier_message_id: carrier.to_string(),
        name: name.to_string(),
        media_type: media_type.to_string(),
        size_bytes: *size,
        sha256: sha256.to_vec().into(),
        on_terms_of_others: *on_terms_of_others,
    }
}

fn relay(shown: &ShownRelay, directory: &Directory) -> api::RelayInfo {
    let ShownRelay { parents, to, unapproved } = shown;
    api::RelayInfo {
        parent_message_ids: parents.iter().map(ToString::to_string).collect(),
        receivers: participants(to, directory),
        awaiting_approval: participants(unapproved, directory),
    }
}

fn participants(shown: &[ShownParticipant], directory: &Directory) -> Vec<api::Participant> {
    shown.iter().map(|one| of_participant(one, directory)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_microseconds_also_before_1970() {
        for (micros, seconds, nanos) in [(0, 0, 0), (1_500_000, 1, 500_000_000), (-1, -1, 999_999_000)] {
            assert_eq!(time(Timestamp(micros)), prost_types::Timestamp { seconds, nanos });
        }
    }

    #[test]
    fn a_page_ends_at_its_size_or_its_bytes_and_says_whether_there_is_more() {
        let small = || api::Participant::default();
        assert_eq!(fill(vec![small(), small()], 2), (vec![small(), small()], false));
        assert_eq!(fill(vec![small(), small()], 1), (vec![small()], true));
        let large = || api::Participant { display_name: "x".repeat(limits::PAGE_BYTES_MAX), ..small() };
        let (page, more) = fill(vec![large(), small()], 10);
        assert_eq!((page.len(), more), (1, true), "one item at least");
        let (page, more) = fill(vec![small(), large(), small()], 10);
        assert_eq!((page.len(), more), (2, true));
    }

    #[test]
    fn an_organisation_without_a_registered_name_goes_by_its_id() {
        let id: OrganisationId = "cert-se".parse().expect("is an id");
        let shown = coordinator(&Directory::new(id));
        assert_eq!((shown.organisation_id.as_str(), shown.display_name.as_str()), ("cert-se", "cert-se"));
        assert_eq!(shown.registered_time, None);
    }
}
