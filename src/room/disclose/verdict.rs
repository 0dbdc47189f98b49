//! Why somebody is shown a message, or isn't. One question, for a draft and for a message: which rule decides?
//!
//! The answer is in words of the source's own consent, its recipients, TLP and roles only, and about participants that it can see.
//! Upholds: R7.

use super::visible::{Basis, basis, on_terms_of_others};
use super::{Disclosed, Reader, ShownParticipant, roster};
use crate::room::consent::{Name, Slot, Slots};
use crate::room::decide::{resolve_draft, resolve_relay};
use crate::room::event::{Draft, Message, RelayDraft};
use crate::room::ids::{MessageId, OrganisationId, Seq, Timestamp};
use crate::room::refusal::Refusal;
use crate::room::state::{Fall, Narrowed, OpenedBy, Posted, Relay, RelayBar, RelayWish, RoomState, Status};
use crate::room::words::{Answer, Material, Sharing, Tlp};

/// Why a participant is shown, or would be shown, a message or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AudienceReason {
    /// The coordinator sees everything that is posted in the room.
    Coordinator,
    /// It is the sender's own organisation.
    Author,
    /// It is the only source of this relay.
    Source,
    /// It comes from the coordinator.
    FromCoordinator,
    /// The class allows it.
    Consent,
    /// The answer for this participant by name allows it.
    NamedConsent,
    /// Every source allows a coordinator's words to it.
    RelayPermitted,
    /// Its source released it.
    Released,
    /// Its source approved the text.
    Approved,
    /// Its source lets the coordinator forward to the police.
    Forwarded,
    /// A law.
    LegalDuty,
    /// The message names recipients, and this is none.
    NotARecipient,
    /// The message is for the coordinator only.
    CoordinatorOnly,
    /// TLP:RED, and none of this participant's persons is named.
    NotNamedInRed,
    /// The class is not answered.
    NotAnswered,
    /// The class is answered with no.
    ConsentNo,
    /// The class allows a coordinator's words only.
    RelayOnly,
    /// The answer for this participant by name allows a coordinator's words only.
    NamedRelay,
    /// The answer for this participant by name is no.
    NamedNo,
    /// A name that you were not shown has an answer, and may be this participant's.
    NamedPerhaps,
    /// It came after the consent was given, and newcomers are not included.
    Newcomer,
    /// An authority receives nothing by class.
    AuthorityNotNamed,
    /// The sender is hidden.
    SenderHidden,
    /// It came, or came back, or could be told to be here, after the message.
    CameLater,
    /// It is permitted now, and was not at every moment since the message, or since the one that it stands for.
    NotSinceThen,
    /// Its source withdrew its consent for this message.
    Withdrawn,
    /// Its source took it back as void.
    Retracted,
    /// Another message stands for it.
    Superseded,
    /// Its words are destroyed.
    Erased,
    /// A relay: a message that it is made from was narrowed to others.
    ParentNarrower,
    /// A relay: a source does not permit it.
    RelayNotPermitted,
    /// A relay: its TLP is looser than that of a message that it is made from.
    RelayLooserTlp,
    /// A relay: too few could be its source, as this participant sees the room.
    RelayTooFewSources,
    /// A relay: its source has not approved the text for it.
    RelayUnapproved,
    /// An attachment: it may not see the message that carries it.
    CarrierNotShown,
    /// An attachment: others posted the same file, and may not show it to this participant.
    SameFileNarrower,
}

/// One participant and the rule that decides for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Previewed {
    /// Who, as the sender sees it.
    pub participant: ShownParticipant,
    /// Whether it is shown the message now, or would be, if it were posted now.
    pub receives: bool,
    /// Why.
    pub reason: AudienceReason,
    /// Whose message it is; absent: the sender's own.
    pub source: Option<OrganisationId>,
}

/// Who would see this message, and who would not, and why; ordered by participant id. Refused like the post itself.
pub fn preview(
    state: &RoomState,
    reader: Reader<'_>,
    draft: &Draft,
    now: Timestamp,
) -> Result<Vec<Disclosed<Previewed>>, Refusal> {
    if state.status == Status::Closed {
        return Err(Refusal::RoomClosed);
    }
    let message = resolve_draft(state, reader.slot, reader.actor, draft, now)?;
    let old = message.supersedes.and_then(|old| state.message(old));
    Ok(for_each(state, reader, |slot| {
        let (receives, reason) = of_draft(state, reader.slot, slot, &message, now);
        match old.is_none_or(|old| slot == reader.slot || state.reaches(slot, old, now)) {
            true => (receives, reason),
            false => (false, AudienceReason::NotSinceThen),
        }
    }))
}

/// Who would see this relay, and who would not, and why; ordered by participant id. The coordinator. Refused like its publication, but
/// for recipients that it can't go to.
pub fn preview_relay(
    state: &RoomState,
    reader: Reader<'_>,
    draft: &RelayDraft,
    now: Timestamp,
) -> Result<Vec<Disclosed<Previewed>>, Refusal> {
    if !RoomState::is_coordinator(reader.slot) {
        return Err(Refusal::CoordinatorOnly);
    }
    if state.status == Status::Closed {
        return Err(Refusal::RoomClosed);
    }
    let resolved = resolve_relay(state, reader.actor, draft, now)?;
    let listed: Slots = resolved.listed.iter().copied().collect();
    let listed = (!resolved.listed.is_empty()).then_some(&listed);
    let wish = RelayWish { parents: &resolved.parents, tlp: draft.tlp, listed };
    Ok(for_each(state, reader, |slot| match state.relay_bar(&wish, slot, now) {
        _ if slot == reader.slot => (true, AudienceReason::Author),
        None if state.sources(wish.parents).is_empty() => (true, AudienceReason::FromCoordinator),
        None => (true, AudienceReason::RelayPermitted),
        Some(_) if resolved.unapproved.contains(&slot) => (false, AudienceReason::RelayUnapproved),
        Some(bar) => (false, of_bar(bar)),
    }))
}

fn for_each(
    state: &RoomState,
    reader: Reader<'_>,
    decides: impl Fn(Slot) -> (bool, AudienceReason),
) -> Vec<Disclosed<Previewed>> {
    let each = |participant: Disclosed<ShownParticipant>| {
        let participant = participant.into_inner();
        let slot = state.slot_of(participant.id)?;
        let (receives, reason) = decides(slot);
        Some(Disclosed(Previewed { participant, receives, reason, source: None }))
    };
    roster(state, reader).into_iter().filter_map(each).collect()
}

fn of_bar(bar: RelayBar) -> AudienceReason {
    match bar {
        RelayBar::NotListed => AudienceReason::NotARecipient,
        RelayBar::NotForIt => AudienceReason::CameLater,
        RelayBar::Red | RelayBar::CoordinatorOnly | RelayBar::NotARecipient => AudienceReason::ParentNarrower,
        RelayBar::NotPermitted => AudienceReason::RelayNotPermitted,
        RelayBar::LooserTlp => AudienceReason::RelayLooserTlp,
        RelayBar::TooFewCouldBeTheSource => AudienceReason::RelayTooFewSources,
    }
}

/// The rule that decides whether a participant is shown a message: for the source of the message, and for the coordinator if it can
/// see it. The participant is one that the caller can see.
pub fn explain(
    state: &RoomState,
    reader: Reader<'_>,
    message: MessageId,
    participant: &Name,
    now: Timestamp,
) -> Result<Disclosed<Previewed>, Refusal> {
    let (seq, posted) = own_message(state, reader, message, now)?;
    let slot = state.resolve(reader.slot, participant).ok_or(Refusal::RecipientNotVisible)?;
    let (receives, reason) = of_message(state, reader.slot, slot, seq, posted, now);
    let participant = super::show_at(state, reader.slot, slot, state.next());
    Ok(Disclosed(Previewed { participant, receives, reason, source: another(state, reader, posted) }))
}

/// The source of a message, if it isn't the reader's organisation.
pub(super) fn another(state: &RoomState, reader: Reader<'_>, posted: &Posted) -> Option<OrganisationId> {
    (posted.source != reader.slot).then(|| state.participant(posted.source).organisation.clone())
}

/// A message that the reader may ask about: its own organisation's, or, for the coordinator, any that it can see.
pub(super) fn own_message<'s>(
    state: &'s RoomState,
    reader: Reader<'_>,
    message: MessageId,
    now: Timestamp,
) -> Result<(Seq, &'s Posted), Refusal> {
    let seq = state.message(message).ok_or(Refusal::MessageNotVisible)?;
    let posted = state.posted(seq).ok_or(Refusal::MessageNotVisible)?;
    let is_mine = || match posted.narrowed.as_deref() {
        Some(Narrowed::Red { author, .. }) => author.as_ref() == Some(reader.actor),
        Some(Narrowed::Recipients(_)) | None => true,
    };
    // Who had it stays on record, for those who could ask before its words were destroyed.
    let visible = basis(state, reader.slot, Some(reader.actor), seq, now).is_some()
        || posted.fallen == Some(Fall::Erased) && is_mine();
    let may_ask = posted.source == reader.slot || RoomState::is_coordinator(reader.slot);
    if visible && may_ask { Ok((seq, posted)) } else { Err(Refusal::MessageNotVisible) }
}

/// Whether `other` is shown the message now, and the rule that decides, as `asker` may know it.
pub(super) fn of_message(
    state: &RoomState,
    asker: Slot,
    other: Slot,
    seq: Seq,
    posted: &Posted,
    now: Timestamp,
) -> (bool, AudienceReason) {
    if posted.fallen == Some(Fall::Erased) {
        return (false, AudienceReason::Erased);
    }
    if other == posted.source {
        return (true, AudienceReason::Author);
    }
    if let Some(Narrowed::Red { actors, .. }) = posted.narrowed.as_deref()
        && !actors.iter().any(|actor| actor.organisation == state.participant(other).organisation)
    {
        return (false, AudienceReason::NotNamedInRed);
    }
    let fallen = state.fallen(posted);
    let is_red = posted.tlp == Tlp::Red;
    if RoomState::is_coordinator(other) && !(is_red && fallen.is_some()) {
        return (true, AudienceReason::Coordinator);
    }
    if let Some((carrier, carried_by)) =
        posted.file.as_deref().and_then(|file| Some((file.carrier, state.posted(file.carrier)?)))
        && !of_message(state, asker, other, carrier, carried_by, now).0
    {
        let reason = fallen.map_or(AudienceReason::CarrierNotShown, of_fall);
        return (false, reason);
    }
    let told = || matches!(basis(state, other, None, seq, now), Some(Basis::Control));
    if is_only_source(state, other, posted) && told() {
        return (true, AudienceReason::Source);
    }
    if state.by_rule(other, seq, posted, now) {
        return (true, by_rule(state, other, posted));
    }
    // What a source is not told of yet does not decide for it.
    let counts = |ground: OpenedBy, by: Seq| match ground {
        OpenedBy::LegalDuty { .. } => RoomState::is_coordinator(asker) || !state.matters.is_suppressed(by),
        OpenedBy::Release | OpenedBy::Approval | OpenedBy::Forwarding => true,
    };
    let mut grounds = state
        .openings_of(other, seq, now)
        .filter_map(|opening| state.opened(opening.by).map(|opened| (opened.ground, opening.by)))
        .filter(|&(ground, by)| counts(ground, by));
    let on_terms = on_terms_of_others(state, other, posted, now);
    if let Some((ground, _)) = grounds.find(|(ground, _)| on_terms || matches!(ground, OpenedBy::LegalDuty { .. })) {
        return (true, of_ground(ground));
    }
    if fallen.is_none() && !on_terms {
        return (false, AudienceReason::SameFileNarrower);
    }
    (false, why_not(state, other, seq, posted, fallen, now))
}

/// Whether everybody of `other` reads the relay as its only source. Of one made from its TLP:RED alone that is not told: who asks may
/// not be named in it.
pub(super) fn is_only_source(state: &RoomState, other: Slot, posted: &Posted) -> bool {
    let relay = posted.relay.as_deref();
    let open =
        |&parent: &Seq| state.posted(parent).is_some_and(|parent| parent.source == other && parent.tlp != Tlp::Red);
    relay.is_some_and(|relay| relay.only_source() == Some(other) && relay.parents.iter().any(open))
}

fn by_rule(state: &RoomState, other: Slot, posted: &Posted) -> AudienceReason {
    match &posted.relay {
        Some(relay) if !relay.sources.is_empty() => AudienceReason::RelayPermitted,
        _ if RoomState::is_coordinator(posted.source) => AudienceReason::FromCoordinator,
        _ if named(state, posted.source, other, posted.material).is_some() => AudienceReason::NamedConsent,
        _ => AudienceReason::Consent,
    }
}

fn of_ground(ground: OpenedBy) -> AudienceReason {
    match ground {
        OpenedBy::Release => AudienceReason::Released,
        OpenedBy::Approval => AudienceReason::Approved,
        OpenedBy::Forwarding => AudienceReason::Forwarded,
        OpenedBy::LegalDuty { .. } => AudienceReason::LegalDuty,
    }
}

fn of_fall(fall: Fall) -> AudienceReason {
    match fall {
        Fall::Withdrawn => AudienceReason::Withdrawn,
        Fall::Retracted => AudienceReason::Retracted,
        Fall::Superseded => AudienceReason::Superseded,
        Fall::Erased => AudienceReason::Erased,
    }
}

fn why_not(
    state: &RoomState,
    other: Slot,
    seq: Seq,
    posted: &Posted,
    fallen: Option<Fall>,
    now: Timestamp,
) -> AudienceReason {
    if let Some(fall) = fallen {
        return of_fall(fall);
    }
    let o = state.participant(other);
    let came_later =
        o.present_since.is_none_or(|since| since > seq) || o.visible_since.is_some_and(|since| since > seq);
    if let Some(relay) = &posted.relay {
        return why_not_relayed(state, other, relay, posted.tlp, came_later, now);
    }
    let listed = posted.recipients.as_ref().is_none_or(|recipients| recipients.contains(other));
    let wish = Wish { material: posted.material, coordinator_only: posted.coordinator_only, listed };
    match of_wish(state, posted.source, other, &wish, now) {
        (true, _) if came_later => AudienceReason::CameLater,
        (true, _) => AudienceReason::NotSinceThen,
        (false, reason) => reason,
    }
}

fn why_not_relayed(
    state: &RoomState,
    other: Slot,
    relay: &Relay,
    tlp: Tlp,
    came_later: bool,
    now: Timestamp,
) -> AudienceReason {
    if relay.unapproved.contains(other) {
        return AudienceReason::RelayUnapproved;
    }
    let wish = RelayWish { parents: &relay.parents, tlp, listed: None };
    match state.relay_bar(&wish, other, now) {
        Some(bar) => of_bar(bar),
        None if came_later => AudienceReason::CameLater,
        None if relay.allowed.contains(other) => AudienceReason::NotSinceThen,
        None => AudienceReason::NotARecipient,
    }
}

/// What decides besides consent.
struct Wish {
    material: Material,
    coordinator_only: bool,
    /// Whether the other is a recipient, or there are none.
    listed: bool,
}

fn of_draft(state: &RoomState, source: Slot, other: Slot, message: &Message, now: Timestamp) -> (bool, AudienceReason) {
    let o = &state.participant(other).organisation;
    if source != other && message.tlp == Tlp::Red && !message.red_actors.iter().any(|actor| actor.organisation == *o) {
        return (false, AudienceReason::NotNamedInRed);
    }
    let listed = message.recipients.is_empty() || message.recipients.contains(o);
    let wish = Wish { material: message.material, coordinator_only: message.coordinator_only, listed };
    of_wish(state, source, other, &wish, now)
}

fn named(state: &RoomState, source: Slot, other: Slot, material: Material) -> Option<Sharing> {
    let consent = &state.participant(source).consent;
    consent.named.iter().find(|named| named.bound == Some(other)).and_then(|named| named.sharing[material as usize])
}

fn of_wish(state: &RoomState, source: Slot, other: Slot, wish: &Wish, now: Timestamp) -> (bool, AudienceReason) {
    if source == other {
        return (true, AudienceReason::Author);
    }
    if RoomState::is_coordinator(other) {
        return (true, AudienceReason::Coordinator);
    }
    if wish.coordinator_only {
        return (false, AudienceReason::CoordinatorOnly);
    }
    if !wish.listed {
        return (false, AudienceReason::NotARecipient);
    }
    if RoomState::is_coordinator(source) {
        return (true, AudienceReason::FromCoordinator);
    }
    if state.is_hidden(source) {
        return (false, AudienceReason::SenderHidden);
    }
    let consent = &state.participant(source).consent;
    let named = named(state, source, other, wish.material);
    if state.direct_since(source, other, wish.material, now).is_some() {
        return (true, if named.is_some() { AudienceReason::NamedConsent } else { AudienceReason::Consent });
    }
    let reason = match (named, state.participant(other).role.audience()) {
        (Some(Sharing::Relay), _) => AudienceReason::NamedRelay,
        (Some(Sharing::NotAnswered | Sharing::No | Sharing::Direct), _) => AudienceReason::NamedNo,
        (None, None) => AudienceReason::AuthorityNotNamed,
        (None, Some(audience)) => {
            let cell = consent.cell(wish.material, audience);
            let covered = cell.covered.contains(other) || consent.newcomers[audience as usize] == Answer::Yes;
            match cell.sharing {
                Sharing::NotAnswered => AudienceReason::NotAnswered,
                Sharing::No => AudienceReason::ConsentNo,
                Sharing::Relay => AudienceReason::RelayOnly,
                Sharing::Direct if consent.is_expired(now) => AudienceReason::ConsentNo,
                Sharing::Direct if !covered => AudienceReason::Newcomer,
                Sharing::Direct => AudienceReason::NamedPerhaps,
            }
        }
    };
    (false, reason)
}

/// The ground on which a delivery was made: in its own place, or by an entry that opened it.
pub(super) fn of_delivery(state: &RoomState, other: Slot, posted: &Posted, by: Option<Seq>) -> AudienceReason {
    match by.and_then(|by| state.opened(by)) {
        Some(opened) => of_ground(opened.ground),
        None if RoomState::is_coordinator(other) => AudienceReason::Coordinator,
        None if is_only_source(state, other, posted) => AudienceReason::Source,
        None => by_rule(state, other, posted),
    }
}

/// Whether an actor of nobody in particular would be shown it: what [`super::see_as`] lists.
pub(super) fn is_shown_to(state: &RoomState, slot: Slot, seq: Seq, now: Timestamp) -> bool {
    matches!(
        basis(state, slot, None, seq, now),
        Some(Basis::Own | Basis::Coordinator | Basis::Rule | Basis::Opened(_) | Basis::Control)
    )
}
