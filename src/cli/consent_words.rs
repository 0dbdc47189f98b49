//! How is a sharing consent written on a command line? The same words in `consent give`, `room accept` and `report`.
//!
//! `logs=direct:affected` reads: logs, directly, with the other affected organisations. Tested below.

use clap::Args;

use super::failure::Failure;
use super::words::{Word, parse};
use crate::client::{parse_time, pb};

/// How it is written, with examples.
pub(crate) const HELP: &str = "\
How consent is written:
  MATERIAL=SHARING:AUDIENCE     one answer of the grid; materials and audiences may be lists, or `all`
      MATERIAL   information, data, logs
      SHARING    direct (as it is), relay (only in the coordinator's words), no, not-answered
      AUDIENCE   affected (other affected organisations), third-parties
  --name NAME:MATERIAL=SHARING  an answer for one participant, by organisation id or participant id; it goes before the grid
  --newcomers AUDIENCE=yes|no   whether the answer for a class covers those who join it later

Examples:
  logs=direct:affected                      logs go to the other affected organisations as they are
  information,data=relay:all                information and data only in the coordinator's words
  logs=direct:affected --name region-b:logs=no --attribution pseudonym";

/// What to set; what is not given stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct ConsentArguments {
    /// Answers of the grid, as in `logs=direct:affected` or `information,data=relay:all`
    #[arg(value_name = "MATERIAL=SHARING:AUDIENCE")]
    pub(crate) cells: Vec<String>,
    /// An answer for one participant, as in `region-b:logs=no`; may be given several times
    #[arg(long = "name", value_name = "NAME:MATERIAL=SHARING")]
    pub(crate) names: Vec<String>,
    /// How to appear to the others: hidden, pseudonym or named; it can be raised, not lowered
    #[arg(long, value_name = "HOW")]
    pub(crate) attribution: Option<String>,
    /// Whether a class covers those who join it later, as in `affected=yes`; may be given several times
    #[arg(long, value_name = "AUDIENCE=yes|no")]
    pub(crate) newcomers: Vec<String>,
    /// About the police: no, self (the organisation reports it itself), forward (the coordinator may), not-answered
    #[arg(long, value_name = "ANSWER")]
    pub(crate) police: Option<String>,
    /// When all sharing ends by itself, as in 2026-12-01T00:00:00Z, or `never`
    #[arg(long, value_name = "TIME|never")]
    pub(crate) expires: Option<String>,
}

impl ConsentArguments {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The change that it says, or what is wrong with it.
    pub(crate) fn change(&self) -> Result<pb::ConsentChange, Failure> {
        self.read().map_err(|problem| {
            Failure::usage(problem).hint("`samverkan consent give --help` shows how consent is written")
        })
    }

    pub(crate) fn read(&self) -> Result<pb::ConsentChange, String> {
        let mut change = pb::ConsentChange::default();
        for text in &self.cells {
            for cell in cells(text)? {
                if change.cells.iter().any(|known| (known.material, known.audience) == (cell.material, cell.audience)) {
                    return Err(format!("{text:?} answers a cell that was answered before it"));
                }
                change.cells.push(cell);
            }
        }
        for text in &self.names {
            let (name, sharings) = named(text)?;
            let known = change.named.iter().position(|known| known.name == name).unwrap_or_else(|| {
                change.named.push(pb::NamedSharing { name, sharings: Vec::new() });
                change.named.len() - 1
            });
            change.named[known].sharings.extend(sharings);
        }
        for text in &self.newcomers {
            let (audiences, answer) =
                text.split_once('=').ok_or_else(|| format!("{text:?}: write AUDIENCE=yes or AUDIENCE=no"))?;
            let answer = parse::<pb::Answer>(answer)? as i32;
            for audience in list::<pb::Audience>(audiences)? {
                change.newcomers.push(pb::NewcomersAnswer { audience: audience as i32, answer });
            }
        }
        change.attribution = self.attribution.as_deref().map(parse::<pb::Attribution>).transpose()?.map(Into::into);
        change.police = self.police.as_deref().map(parse::<pb::PoliceAnswer>).transpose()?.map(Into::into);
        change.expiry = match self.expires.as_deref() {
            None => None,
            Some("never") => Some(pb::consent_change::Expiry::ClearExpiry(true)),
            Some(time) => {
                let time = parse_time(time).map_err(|error| error.to_string())?;
                Some(pb::consent_change::Expiry::ExpireTime(time))
            }
        };
        Ok(change)
    }
}

fn cells(text: &str) -> Result<Vec<pb::ConsentCell>, String> {
    let form = || format!("{text:?}: write MATERIAL=SHARING:AUDIENCE, as in logs=direct:affected");
    let (materials, rest) = text.split_once('=').ok_or_else(form)?;
    let (sharing, audiences) = rest.split_once(':').ok_or_else(form)?;
    let sharing = parse::<pb::Sharing>(sharing)? as i32;
    let audiences = list::<pb::Audience>(audiences)?;
    let mut cells = Vec::new();
    for material in list::<pb::Material>(materials)? {
        for &audience in &audiences {
            cells.push(pb::ConsentCell { material: material as i32, audience: audience as i32, sharing });
        }
    }
    Ok(cells)
}

fn named(text: &str) -> Result<(String, Vec<pb::MaterialSharing>), String> {
    let form = || format!("{text:?}: write NAME:MATERIAL=SHARING, as in region-b:logs=no");
    let (name, rest) = text.split_once(':').ok_or_else(form)?;
    let (materials, sharing) = rest.split_once('=').ok_or_else(form)?;
    let sharing = parse::<pb::Sharing>(sharing)? as i32;
    let each = |material: pb::Material| pb::MaterialSharing { material: material as i32, sharing };
    Ok((name.to_owned(), list(materials)?.into_iter().map(each).collect()))
}

/// Words with commas between them, or `all`.
fn list<W: Word>(text: &str) -> Result<Vec<W>, String> {
    match text {
        "all" => Ok(W::ALL.iter().map(|(value, ..)| *value).collect()),
        _ => text.split(',').map(parse).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(cells: &[&str], names: &[&str], newcomers: &[&str]) -> ConsentArguments {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        ConsentArguments { cells: owned(cells), names: owned(names), newcomers: owned(newcomers), ..Default::default() }
    }

    #[test]
    fn lists_and_all_stand_for_each_of_them() {
        let change = arguments(&["information,data=relay:all", "logs=direct:affected"], &[], &[]).read().expect("read");
        assert_eq!(change.cells.len(), 5);
        assert!(change.cells.contains(&pb::ConsentCell {
            material: pb::Material::Logs as i32,
            audience: pb::Audience::OtherAffectedOrganisations as i32,
            sharing: pb::Sharing::Direct as i32,
        }));
    }

    #[test]
    fn answers_for_one_name_come_together() {
        let names = ["region-b:logs=no", "region-b:data=relay", "vendor-x:all=no"];
        let change = arguments(&[], &names, &["affected=yes"]).read().expect("read");
        let counts: Vec<_> = change.named.iter().map(|named| (named.name.as_str(), named.sharings.len())).collect();
        assert_eq!(counts, [("region-b", 2), ("vendor-x", 3)]);
        assert_eq!(change.newcomers.len(), 1);
    }

    #[test]
    fn the_rest_of_a_consent_is_words_too() {
        let arguments = ConsentArguments {
            attribution: Some("pseudonym".into()),
            police: Some("self".into()),
            expires: Some("2026-12-01T00:00:00Z".into()),
            ..Default::default()
        };
        let change = arguments.read().expect("read");
        assert_eq!(change.attribution, Some(pb::Attribution::Pseudonym as i32));
        assert_eq!(change.police, Some(pb::PoliceAnswer::OrganisationReportsItself as i32));
        assert!(matches!(change.expiry, Some(pb::consent_change::Expiry::ExpireTime(_))));
        let never = ConsentArguments { expires: Some("never".into()), ..Default::default() };
        let expiry = never.read().expect("read").expiry;
        assert_eq!(expiry, Some(pb::consent_change::Expiry::ClearExpiry(true)));
    }

    #[test]
    fn mistakes_are_told_with_the_right_form() {
        for (wrong, right) in [
            ("logs", "MATERIAL=SHARING:AUDIENCE"),
            ("logs=direct", "MATERIAL=SHARING:AUDIENCE"),
            ("log=direct:affected", "information, data, logs"),
            ("logs=directly:affected", "relay, direct"),
            ("logs=direct:police", "other-affected-organisations, third-parties"),
        ] {
            let error = arguments(&[wrong], &[], &[]).read().expect_err(wrong);
            assert!(error.contains(right), "{error}");
        }
        assert!(arguments(&["logs=no:all", "logs=direct:affected"], &[], &[]).read().is_err());
        assert!(arguments(&[], &["region-b=no"], &[]).read().is_err());
        assert!(arguments(&[], &[], &["affected"]).read().is_err());
    }
}
