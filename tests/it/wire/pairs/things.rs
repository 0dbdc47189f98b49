//! What there is to ask about in a pair of histories: the reader's own, others', what only the second history has, and what neither has.

use std::collections::BTreeMap;

use samverkan::room::event::Event;
use samverkan::room::ids::OrganisationId;

use super::{elsewhere, main_room, request_id};
use crate::histories::Rng;
use crate::non_interference::Watch;
use crate::pure::PureRoom;

/// Ids of each kind, the same for both of a pair.
pub(super) struct Things {
    /// The room of the pair, one that the reader left, one to which it is only invited, one of others, one that is only in the second
    /// history, one that never was.
    pub(super) rooms: Vec<String>,
    /// Organisation ids and participant ids.
    pub(super) names: Vec<String>,
    pub(super) messages: Vec<String>,
    /// Relays, with the texts of some.
    pub(super) relays: Vec<String>,
    pub(super) texts: BTreeMap<String, String>,
    pub(super) releases: Vec<String>,
    pub(super) asks: Vec<String>,
    pub(super) recalls: Vec<String>,
    pub(super) introductions: Vec<String>,
    pub(super) disclosures: Vec<String>,
    pub(super) invitations: Vec<String>,
    /// A moment to come.
    pub(super) later: Option<prost_types::Timestamp>,
    /// What the request ids are made of.
    pub(super) label: String,
}

impl Things {
    /// Some of each kind, from the cores of both histories.
    pub(super) fn draw(watch: &Watch, cores: [&PureRoom; 2], rng: &mut Rng, label: &str, now: i64) -> Self {
        let reader = &watch.reader;
        let mut pick = |of: Of<'_>| some(reader, cores, rng, of);
        let mut messages = pick(&|event| match event {
            Event::MessagePosted { organisation, message } => {
                Some((Some(organisation.clone()), message.id.to_string()))
            }
            _ => None,
        });
        messages.push(elsewhere::message_elsewhere());
        let source_of = |parent| cores[1].posted().into_iter().find(|(_, id)| *id == parent).map(|(source, _)| source);
        let relays = pick(&|event| match event {
            Event::RelayPublished { message, parents, .. } => Some((source_of(parents[0]), message.id.to_string())),
            _ => None,
        });
        messages.push(relays[0].clone());
        let texts = cores[1].find(|event| match event {
            Event::RelayPublished { message, .. } => Some((message.id.to_string(), message.text.to_string())),
            _ => None,
        });
        let releases = pick(&|event| match event {
            Event::MessagesReleased { organisation, release, .. } => {
                Some((Some(organisation.clone()), release.to_string()))
            }
            _ => None,
        });
        let asks = pick(&|event| match event {
            Event::ConsentAsked { ask, source, .. } => Some((Some(source.clone()), ask.to_string())),
            _ => None,
        });
        let recalls = pick(&|event| match event {
            Event::ConsentWithdrawn { recall, .. } => recall.map(|recall| {
                let is_asked = cores[0].mailboxes.was_asked(reader, recall.id);
                (is_asked.then(|| reader.clone()), recall.id.to_string())
            }),
            _ => None,
        });
        let introductions = pick(&|event| match event {
            Event::IntroductionProposed { sides } => {
                let own = sides.iter().find(|side| side.organisation == *reader).unwrap_or(&sides[0]);
                Some((Some(own.organisation.clone()), own.id.to_string()))
            }
            _ => None,
        });
        let disclosures = pick(&|event| match event {
            Event::LegalDisclosureProposed { disclosure, .. } => Some((None, disclosure.to_string())),
            _ => None,
        });
        let mut invitations = pick(&|event| match event {
            Event::OrganisationInvited { invitation, organisation, .. } => {
                Some((Some(organisation.clone()), invitation.to_string()))
            }
            _ => None,
        });
        invitations.push(elsewhere::open_invitation());
        Self {
            rooms: elsewhere::rooms(main_room()),
            names: elsewhere::names(watch, rng),
            messages,
            relays,
            texts: texts.into_iter().collect(),
            releases,
            asks,
            recalls,
            introductions,
            disclosures,
            invitations,
            later: Some(prost_types::Timestamp { seconds: now / 1_000_000 + 3600, nanos: 0 }),
            label: label.to_owned(),
        }
    }
}

/// An id in an event, and whose it is.
type Of<'a> = &'a dyn Fn(&Event) -> Option<(Option<OrganisationId>, String)>;

/// The reader's own, its newest and another; two of others; two that only the second history has; one that there is not.
fn some(reader: &OrganisationId, [first, second]: [&PureRoom; 2], rng: &mut Rng, of: Of<'_>) -> Vec<String> {
    let (common, all) = (first.find(of), second.find(of));
    let hidden: Vec<_> = all.into_iter().filter(|thing| !common.contains(thing)).collect();
    let is_own = |thing: &(Option<OrganisationId>, String)| thing.0.as_ref() == Some(reader);
    let (own, others): (Vec<_>, Vec<_>) = common.into_iter().partition(is_own);
    let mut some: Vec<_> = own.last().cloned().into_iter().chain(rng.pick_any(&own)).collect();
    some.extend((0..2).filter_map(|_| rng.pick_any(&others)));
    some.extend((0..2).filter_map(|_| rng.pick_any(&hidden)));
    let mut some: Vec<_> = some.into_iter().map(|(_, id)| id).collect();
    some.push(request_id("unknown"));
    some.dedup();
    some
}
