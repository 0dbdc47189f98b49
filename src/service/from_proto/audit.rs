//! Requests about the audit trail.

use super::fields::Fields;
use crate::api;
use crate::audit::{Kind, Query};
use crate::room::ids::OrganisationId;
use crate::service::status::CallError;

/// Kinds in one request: there are fewer.
const KINDS_MAX: usize = 64;

fn kinds(fields: &mut Fields, words: &[String]) -> Vec<Kind> {
    if !fields.at_most("kinds", words, KINDS_MAX) {
        return Vec::new();
    }
    let mut kinds = Vec::with_capacity(words.len());
    for (i, word) in words.iter().enumerate() {
        match Kind::from_word(word) {
            Some(kind) => kinds.push(kind),
            None => fields.wrong(format!("kinds[{i}]"), "is no kind of record, such as signed_in"),
        }
    }
    kinds
}

fn organisation(fields: &mut Fields, text: &str) -> Option<Option<OrganisationId>> {
    if text.is_empty() { Some(None) } else { fields.organisation(text).map(Some) }
}

pub(in crate::service) fn list_audit_records(request: &api::ListAuditRecordsRequest) -> Result<Query, CallError> {
    let mut fields = Fields::default();
    let since = request.since_time.map(|time| fields.time("since_time", time));
    let until = request.until_time.map(|time| fields.time("until_time", time));
    let kinds = kinds(&mut fields, &request.kinds);
    let organisation = organisation(&mut fields, &request.organisation_id);
    let size = fields.page(request.page_size);
    fields.finish(|| {
        let (since, until) = (since.flatten(), until.flatten());
        Some(Query { after: 0, since, until, kinds, organisation: organisation?, max: size? })
    })
}

pub(in crate::service) fn tail_audit_records(request: &api::TailAuditRecordsRequest) -> Result<Query, CallError> {
    let mut fields = Fields::default();
    let kinds = kinds(&mut fields, &request.kinds);
    let organisation = organisation(&mut fields, &request.organisation_id);
    let after = request.after_position;
    fields.finish(|| Some(Query { after, kinds, organisation: organisation?, ..Query::default() }))
}
