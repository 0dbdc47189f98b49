//! How are the eight answers of a report written in a file? TOML, one key for each question, none of them required.
//!
//! Tested below.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::consent_words::ConsentArguments;
use super::failure::{Exit, Failure};
use super::words::parse;
use crate::client::{parse_time, pb};

/// A file to fill in.
pub(crate) const TEMPLATE: &str = r#"# Report of an incident, for `samverkan report --file answers.toml`.
# Every answer may be left out and is then shown as not answered. Only you and the coordinator see the report.

# 1. What has occurred?
what_occurred = ""

# 2. How and when was it discovered?
how_discovered = ""
#discovered_time = "2026-11-23T07:40:00Z"

# 3. Which countermeasures have been taken?
countermeasures = ""

# 4. Is it still going on? Can data be leaked? yes, no or unknown
#ongoing = "unknown"
#data_leak = "unknown"

# 5. Which help is wanted?
help_wanted = ""

# 6. Which contacts have been made already?
contacts_made = ""

# 7. Police: no, self (you report it yourselves), forward (the coordinator may), not-answered
#police = "no"

# 8. What may be shared, and with whom? `samverkan consent give --help` says how it is written.
[sharing]
#grant = ["logs=direct:affected", "information=relay:third-parties"]
#names = ["region-b:logs=no"]
# hidden, pseudonym or named: how you appear to the others; it can be raised later and not lowered
#attribution = "pseudonym"
#newcomers = ["affected=yes"]
#expires = "2026-12-31T00:00:00Z"
"#;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Answers {
    what_occurred: String,
    how_discovered: String,
    discovered_time: Option<String>,
    countermeasures: String,
    ongoing: Option<String>,
    data_leak: Option<String>,
    help_wanted: String,
    contacts_made: String,
    police: Option<String>,
    sharing: Sharing,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Sharing {
    grant: Vec<String>,
    names: Vec<String>,
    attribution: Option<String>,
    newcomers: Vec<String>,
    expires: Option<String>,
}

/// The report in a file.
pub(crate) fn load(path: &Path) -> Result<pb::IntakeReport, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::io(path.display(), &error))?;
    read(&text).map_err(|problem| {
        Failure::new(Exit::Usage, format!("{}: {problem}", path.display()))
            .hint("`samverkan report template` prints a file to fill in")
    })
}

fn read(text: &str) -> Result<pb::IntakeReport, String> {
    let answers: Answers = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        format!("line {line}: {}", error.message())
    })?;
    let in_field = |field: &'static str| move |problem: String| format!("{field}: {problem}");
    let assessment = |field, answer: Option<String>| {
        let answer = answer.as_deref().map(parse::<pb::Assessment>).transpose().map_err(in_field(field))?;
        Ok::<_, String>(answer.map(Into::into))
    };
    let Sharing { grant, names, attribution, newcomers, expires } = answers.sharing;
    let consent = ConsentArguments { cells: grant, names, attribution, newcomers, police: None, expires };
    let sharing_consent = if consent.is_empty() { None } else { Some(consent.read().map_err(in_field("sharing"))?) };
    let police = answers.police.as_deref().map(parse::<pb::PoliceAnswer>).transpose().map_err(in_field("police"))?;
    let discovered_time = answers.discovered_time.as_deref().map(parse_time).transpose();
    Ok(pb::IntakeReport {
        what_occurred: answers.what_occurred,
        how_discovered: answers.how_discovered,
        discovered_time: discovered_time.map_err(|error| format!("discovered_time: {error}"))?,
        countermeasures: answers.countermeasures,
        ongoing: assessment("ongoing", answers.ongoing)?,
        data_leak: assessment("data_leak", answers.data_leak)?,
        help_wanted: answers.help_wanted,
        contacts_made: answers.contacts_made,
        police: police.map(Into::into),
        sharing_consent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_a_file_of_no_answers() {
        assert_eq!(read(TEMPLATE), Ok(pb::IntakeReport::default()));
    }

    #[test]
    fn the_template_with_its_examples_switched_on_is_read_whole() {
        let filled: Vec<_> = TEMPLATE
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => rest,
                _ => line,
            })
            .collect();
        let report = read(&filled.join("\n")).expect("read");
        assert_eq!(report.ongoing, Some(pb::Assessment::Unknown as i32));
        assert_eq!(report.police, Some(pb::PoliceAnswer::No as i32));
        let consent = report.sharing_consent.expect("a consent");
        assert_eq!((consent.cells.len(), consent.named.len(), consent.newcomers.len()), (2, 1, 1));
        assert_eq!(consent.police, None, "the report has a field of its own for it");
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for (text, place) in [
            ("what_occured = \"x\"\n", "what_occured"),
            ("\nongoing = \"maybe\"", "ongoing"),
            ("discovered_time = \"monday\"", "discovered_time"),
            ("[sharing]\ngrant = [\"logs\"]", "sharing"),
            ("a = 1\nb", "line"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(place), "{error}");
        }
    }
}
