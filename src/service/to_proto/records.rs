//! What is on record: who has a message, what another sees, which rooms are connected.

use uuid::Uuid;

use super::words::{audience_reason, material, reason_text, recall_answer, tlp};
use super::{fill, of_participant, participants, time};
use crate::api;
use crate::room::directory::{Connection, Directory};
use crate::room::disclose::{Disclosed, RecallReceipt, Receipt, Receipts, RelayReceipt, SeenAs, SeenMessage};
use crate::room::enrolment::Invite;
use crate::room::ids::{InviteId, OrganisationId, RoomId, Timestamp};

/// An invite to get a certificate. The caller must be the coordinator.
pub(in crate::service) fn invite(id: InviteId, invite: &Invite, now: Timestamp) -> api::Invite {
    let Invite { actor, secret: _, created_at, by: _, expires_at, needs_approval, claim, revoked_at, used } = invite;
    let status = match (used, revoked_at) {
        (Some(_), _) => api::InviteStatus::Used,
        (None, Some(_)) => api::InviteStatus::Revoked,
        (None, None) if now >= *expires_at => api::InviteStatus::Expired,
        (None, None) if invite.waits(now) => api::InviteStatus::Waiting,
        (None, None) if claim.is_some() => api::InviteStatus::Approved,
        (None, None) => api::InviteStatus::Open,
    };
    api::Invite {
        invite_id: id.to_string(),
        actor: actor.to_string(),
        status: status.into(),
        created_time: Some(time(*created_at)),
        expire_time: Some(time(*expires_at)),
        used_time: used.as_ref().map(|(at, _)| time(*at)),
        certificate_fingerprint: used
            .as_ref()
            .map(|(_, issued)| issued.fingerprint.to_vec().into())
            .unwrap_or_default(),
        needs_approval: *needs_approval,
        requested_time: claim.as_ref().map(|claim| time(claim.at)),
    }
}

/// A page of who has a message: receipts by participant id, then relays; `max` of both at most, after the one with the id `after`.
/// Also the id of the last, if there are more.
pub(in crate::service) fn receipts(
    shown: &Disclosed<Receipts>,
    directory: &Directory,
    after: Option<Uuid>,
    max: usize,
) -> (api::GetReceiptsResponse, Option<String>) {
    let Receipts { message: _, recorded_at, source, receipts, coordinator_reads, coordinator_fetches, relays } =
        shown.get();
    let relays_shown = after.and_then(|after| relays.iter().position(|relay| relay.message.0 == after));
    let receipts_left =
        receipts.iter().filter(|one| relays_shown.is_none() && after.is_none_or(|after| after < one.participant.id.0));
    let relays_left = relays.iter().skip(relays_shown.map_or(0, |at| at + 1));
    let page_of = |receipt, relay| api::GetReceiptsResponse {
        receipts: Vec::from_iter(receipt),
        relays: Vec::from_iter(relay),
        ..api::GetReceiptsResponse::default()
    };
    let one_by_one = receipts_left
        .map(|one| page_of(Some(receipt(one, source.as_ref(), directory)), None))
        .chain(relays_left.map(|one| page_of(None, Some(relay_receipt(one, directory)))));
    let (items, more) = fill(one_by_one, max);
    let mut page = page_of(None, None);
    for item in items {
        page.receipts.extend(item.receipts);
        page.relays.extend(item.relays);
    }
    page.recorded_time = Some(time(*recorded_at));
    if after.is_none() {
        let read = |(actor, at): &(_, _)| api::ActorReceipt {
            actor: ToString::to_string(actor),
            delivered_time: Some(time(*at)),
        };
        page.coordinator_reads = coordinator_reads.iter().map(read).collect();
        page.coordinator_fetches = coordinator_fetches.iter().map(read).collect();
    }
    let last_relay = page.relays.last().map(|relay| relay.message_id.clone());
    let last_receipt = || page.receipts.last()?.participant.as_ref().map(|shown| shown.participant_id.clone());
    let last = last_relay.or_else(last_receipt).filter(|_| more);
    (page, last)
}

fn receipt(shown: &Receipt, source: Option<&OrganisationId>, directory: &Directory) -> api::Receipt {
    let Receipt { participant, delivered, fetched_at, acknowledged_at, receives, reason, recalls } = shown;
    api::Receipt {
        participant: Some(of_participant(participant, directory)),
        delivered_time: delivered.map(|(at, _)| time(at)),
        basis: delivered.map_or(api::AudienceReason::Unspecified, |(_, ground)| audience_reason(ground)).into(),
        acknowledged_time: acknowledged_at.map(time),
        fetched_time: fetched_at.map(time),
        sees: *receives,
        reason: reason.map_or(api::AudienceReason::Unspecified, audience_reason).into(),
        text: reason.map_or(String::new(), |reason| reason_text(reason, source)),
        recalls: recalls.iter().map(recall_receipt).collect(),
    }
}

fn recall_receipt(shown: &RecallReceipt) -> api::RecallReceipt {
    let RecallReceipt { recall, answer } = shown;
    let asked = api::RecallReceipt { recall_id: recall.to_string(), ..api::RecallReceipt::default() };
    match answer {
        None => asked,
        Some((answer, comment, at)) => api::RecallReceipt {
            answer: recall_answer(*answer).into(),
            comment: comment.to_string(),
            recorded_time: Some(time(*at)),
            ..asked
        },
    }
}

fn relay_receipt(shown: &RelayReceipt, directory: &Directory) -> api::RelayReceipt {
    let RelayReceipt { message, recorded_at, to } = shown;
    api::RelayReceipt {
        message_id: message.to_string(),
        recorded_time: Some(time(*recorded_at)),
        receivers: participants(to, directory),
    }
}

/// The room through another's eyes, and whether there are more messages. The first page has the participants.
pub(in crate::service) fn seen_as(
    shown: &Disclosed<SeenAs>,
    directory: &Directory,
    is_first: bool,
) -> (api::SeeAsResponse, bool) {
    let SeenAs { participant, roster, messages, more } = shown.get();
    let head = |SeenMessage { message, recorded_at, author, material: what, tlp: label }: &_| api::MessageHead {
        message_id: message.to_string(),
        author: Some(of_participant(author, directory)),
        material: material(*what).into(),
        tlp: tlp(*label).into(),
        recorded_time: Some(time(*recorded_at)),
    };
    let page = api::SeeAsResponse {
        participant: Some(of_participant(participant, directory)),
        participants: if is_first { participants(roster, directory) } else { Vec::new() },
        messages: messages.iter().map(head).collect(),
        next_page_token: String::new(),
    };
    (page, *more)
}

/// A suspected connection, as one of its rooms has it. The caller must be the coordinator.
pub(in crate::service) fn connection(room: RoomId, known: &Connection) -> api::Connection {
    let Connection { seq: _, rooms: [one, other], reason, recorded_at, by } = known;
    api::Connection {
        room_id: if *one == room { other } else { one }.to_string(),
        reason: reason.to_string(),
        actor: by.to_string(),
        recorded_time: Some(time(*recorded_at)),
    }
}
