//! What is wrong with a request, all of it at once: a collector of violations, and the checks of single fields.
//!
//! A check returns the value, or `None` and leaves a violation. [`Fields::finish`] gives the whole only if there are none.

use std::collections::BTreeSet;

use crate::limits;
use crate::room::consent::Name;
use crate::room::ids::{Actor, MessageId, OrganisationId, ParticipantId, RoomId, Timestamp};
use crate::service::status::{CallError, Violation};

/// Violations found so far.
#[derive(Default)]
pub(in crate::service) struct Fields(Vec<Violation>);

/// Seconds of the first and the last moment that google.protobuf.Timestamp allows: years 1 to 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

impl Fields {
    /// Notes what is wrong with a field.
    pub(in crate::service) fn wrong(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(Violation { field: field.into(), description: description.into() });
    }

    /// The value, if nothing was wrong. `value` is `None` only if something was.
    pub(in crate::service) fn finish<T>(self, value: impl FnOnce() -> Option<T>) -> Result<T, CallError> {
        if !self.0.is_empty() {
            return Err(CallError::Invalid(self.0));
        }
        value().ok_or_else(|| CallError::internal("from_proto", "a check failed without a violation"))
    }

    /// A message that must be there.
    pub(super) fn required<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.wrong(field, "must be set");
        }
        value
    }

    /// A UUID in its canonical text, and not the nil one.
    pub(super) fn uuid(&mut self, field: &str, text: &str) -> Option<uuid::Uuid> {
        let id = canonical_uuid(text).filter(|id| !id.is_nil());
        if id.is_none() {
            let missing = if text.is_empty() { "must be set: " } else { "must be " };
            self.wrong(field, format!("{missing}a UUID in lower-case text with hyphens, and not the nil one"));
        }
        id
    }

    /// A room.
    pub(super) fn room(&mut self, text: &str) -> Option<RoomId> {
        self.uuid("room_id", text).map(RoomId)
    }

    /// An organisation.
    pub(super) fn organisation(&mut self, text: &str) -> Option<OrganisationId> {
        // Names are read as participant ids first: an organisation with such an id could not be named.
        if canonical_uuid(text).is_some() {
            self.wrong("organisation_id", "must not read like a UUID: those are participant ids");
            return None;
        }
        match text.parse() {
            Ok(organisation) => Some(organisation),
            Err(_) => {
                self.wrong("organisation_id", ORGANISATION);
                None
            }
        }
    }

    /// Organisation id or participant id.
    pub(super) fn name(&mut self, field: impl FnOnce() -> String, text: &str) -> Option<Name> {
        let name = match canonical_uuid(text) {
            Some(id) => Some(Name::Participant(ParticipantId(id))),
            None => text.parse().ok().map(Name::Organisation),
        };
        if name.is_none() {
            self.wrong(field(), "must be an organisation id or a participant id");
        }
        name
    }

    /// Organisation id or participant id, or empty.
    pub(super) fn optional_name(&mut self, field: &str, text: &str) -> Option<Option<Name>> {
        if text.is_empty() { Some(None) } else { self.name(|| field.to_owned(), text).map(Some) }
    }

    /// A message, or none.
    pub(super) fn optional_message(&mut self, field: &str, text: &str) -> Option<MessageId> {
        if text.is_empty() { None } else { self.uuid(field, text).map(MessageId) }
    }

    /// 1 to `max` messages, each once.
    pub(super) fn messages(&mut self, field: &str, ids: &[String], max: usize) -> Vec<MessageId> {
        if ids.is_empty() {
            self.wrong(field, format!("must be set: 1 to {max} messages"));
        }
        if !self.at_most(field, ids, max) {
            return Vec::new();
        }
        let mut seen = BTreeSet::new();
        let mut messages = Vec::with_capacity(ids.len());
        for (i, id) in ids.iter().enumerate() {
            let at = format!("{field}[{i}]");
            if let Some(message) = self.uuid(&at, id).map(MessageId) {
                self.once(&mut seen, message, || at);
                messages.push(message);
            }
        }
        messages
    }

    /// At most [`limits::RECIPIENTS_MAX`] organisation ids or participant ids, each once.
    pub(super) fn names(&mut self, field: &str, names: &[String]) -> Vec<Name> {
        if !self.at_most(field, names, limits::RECIPIENTS_MAX) {
            return Vec::new();
        }
        let mut seen = BTreeSet::new();
        let mut read = Vec::with_capacity(names.len());
        for (i, text) in names.iter().enumerate() {
            let at = || format!("{field}[{i}]");
            if let Some(name) = self.name(at, text) {
                self.once(&mut seen, name.clone(), at);
                read.push(name);
            }
        }
        read
    }

    /// The same, at least one.
    pub(super) fn some_names(&mut self, field: &str, names: &[String]) -> Vec<Name> {
        if names.is_empty() {
            self.wrong(
                field,
                format!("must be set: 1 to {} organisation ids or participant ids", limits::RECIPIENTS_MAX),
            );
        }
        self.names(field, names)
    }

    /// A person, as `org/<organisation>/user/<name>`.
    pub(super) fn actor(&mut self, field: impl FnOnce() -> String, text: &str) -> Option<Actor> {
        match text.parse() {
            Ok(actor) => Some(actor),
            Err(_) => {
                self.wrong(field(), "must read org/<organisation>/user/<name> in lower-case ASCII");
                None
            }
        }
    }

    /// Text that may be empty.
    pub(super) fn text_max(&mut self, field: &str, text: &str, bytes_max: usize) {
        if text.len() > bytes_max {
            self.wrong(field, format!("must be at most {bytes_max} bytes of UTF-8, is {}", text.len()));
        }
    }

    /// Text that must say something.
    pub(super) fn text(&mut self, field: &str, text: &str, bytes_max: usize) {
        if text.is_empty() {
            self.wrong(field, format!("must be set: 1 to {bytes_max} bytes of UTF-8"));
        }
        self.text_max(field, text, bytes_max);
    }

    /// A moment, rounded down to a microsecond.
    pub(super) fn time(&mut self, field: &str, time: prost_types::Timestamp) -> Option<Timestamp> {
        let prost_types::Timestamp { seconds, nanos } = time;
        if !SECONDS.contains(&seconds) || !(0..1_000_000_000).contains(&nanos) {
            self.wrong(field, "must be a google.protobuf.Timestamp: years 1 to 9999, nanos 0 to 999999999");
            return None;
        }
        Some(Timestamp(seconds * 1_000_000 + i64::from(nanos) / 1_000))
    }

    /// A moment that must be there, rounded down to a microsecond.
    pub(super) fn required_time(&mut self, field: &str, time: Option<prost_types::Timestamp>) -> Option<Timestamp> {
        let time = self.required(field, time)?;
        self.time(field, time)
    }

    /// A word of an enum that must be set: `words` gives the domain's, or nothing for the unspecified one.
    pub(super) fn word<P: TryFrom<i32>, D>(
        &mut self,
        field: impl FnOnce() -> String,
        number: i32,
        words: impl FnOnce(P) -> Option<D>,
    ) -> Option<D> {
        match P::try_from(number) {
            Ok(value) => {
                let word = words(value);
                if word.is_none() {
                    self.wrong(field(), "must be set, and not to UNSPECIFIED");
                }
                word
            }
            Err(_) => {
                self.wrong(field(), format!("has a value that is unknown here: {number}"));
                None
            }
        }
    }

    /// At most so many.
    pub(super) fn at_most<T>(&mut self, field: &str, list: &[T], max: usize) -> bool {
        if list.len() > max {
            self.wrong(field, format!("must have at most {max} elements, has {}", list.len()));
        }
        list.len() <= max
    }

    /// Each at most once. The element at `at` is `key`.
    pub(super) fn once<K: Ord>(&mut self, seen: &mut BTreeSet<K>, key: K, field: impl FnOnce() -> String) {
        if !seen.insert(key) {
            self.wrong(field(), "is there twice; each at most once");
        }
    }

    /// How many items a page may have.
    pub(super) fn page_size(&mut self, asked: i32, default: usize, max: usize) -> Option<usize> {
        match usize::try_from(asked) {
            Ok(0) => Some(default),
            Ok(size) => Some(size.min(max)),
            Err(_) => {
                self.wrong("page_size", format!("must not be negative; 1 to {max}, unset for {default}"));
                None
            }
        }
    }

    /// How many items a page of the usual size may have.
    pub(super) fn page(&mut self, asked: i32) -> Option<usize> {
        self.page_size(asked, limits::PAGE_ITEMS_DEFAULT, limits::PAGE_ITEMS_MAX)
    }
}

const ORGANISATION: &str =
    "must be 1 to 63 characters of a-z, 0-9 and inner '-', as in the organisation's certificates";

/// One UUID has one text.
fn canonical_uuid(text: &str) -> Option<uuid::Uuid> {
    let id = uuid::Uuid::try_parse(text).ok()?;
    (*id.as_hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()) == *text).then_some(id)
}
