//! The eight answers, as requests have them.

use std::sync::Arc;

use super::consent;
use super::fields::Fields;
use super::words;
use crate::api;
use crate::limits;
use crate::room::consent::ConsentChange;
use crate::room::event::IntakeReport;
use crate::room::words::PoliceAnswer;

/// A report and what it sets in the consent: its eighth answer, and its seventh, which has its effect there.
pub(super) fn report(
    fields: &mut Fields,
    report: Option<api::IntakeReport>,
) -> Option<(Arc<IntakeReport>, Arc<ConsentChange>)> {
    let api::IntakeReport {
        what_occurred,
        how_discovered,
        discovered_time,
        countermeasures,
        ongoing,
        data_leak,
        help_wanted,
        contacts_made,
        police,
        sharing_consent,
    } = fields.required("report", report)?;
    let texts = [
        ("report.what_occurred", &what_occurred),
        ("report.how_discovered", &how_discovered),
        ("report.countermeasures", &countermeasures),
        ("report.help_wanted", &help_wanted),
        ("report.contacts_made", &contacts_made),
    ];
    for (field, text) in texts {
        fields.text_max(field, text, limits::ANSWER_BYTES_MAX);
    }
    let discovered_at = discovered_time.and_then(|time| fields.time("report.discovered_time", time));
    let mut assessment = |field: &str, number: Option<i32>| {
        number.and_then(|number| fields.word(|| field.to_owned(), number, words::assessment))
    };
    let ongoing = assessment("report.ongoing", ongoing);
    let data_leak = assessment("report.data_leak", data_leak);
    let police = consent::police(fields, "report", police);
    if sharing_consent.as_ref().is_some_and(|change| change.police.is_some()) {
        fields.wrong("report.sharing_consent.police", "must be unset: the answer is report.police");
    }
    let change = sharing_consent.map(|change| consent::change(fields, "report.sharing_consent", &change));
    let change = ConsentChange { police, ..change.unwrap_or_default() };
    let report = IntakeReport {
        what_occurred,
        how_discovered,
        discovered_at,
        countermeasures,
        ongoing,
        data_leak,
        help_wanted,
        contacts_made,
        police,
    };
    Some((Arc::new(report), Arc::new(change)))
}

/// Whether no question at all is answered.
pub(super) fn is_unanswered(report: &IntakeReport, change: &ConsentChange) -> bool {
    let IntakeReport {
        what_occurred,
        how_discovered,
        discovered_at,
        countermeasures,
        ongoing,
        data_leak,
        help_wanted,
        contacts_made,
        police,
    } = report;
    let texts = [what_occurred, how_discovered, countermeasures, help_wanted, contacts_made];
    let unanswered = ConsentChange { police: None, ..change.clone() };
    texts.iter().all(|text| text.is_empty())
        && discovered_at.is_none()
        && ongoing.is_none()
        && data_leak.is_none()
        && police.is_none_or(|police| police == PoliceAnswer::NotAnswered)
        && consent::is_empty(&unanswered)
}
