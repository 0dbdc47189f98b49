//! How does a consent look at a glance? A grid: what, down; with whom, across; below it whoever is named, and the rest.
//!
//! Every answer is a word, and colour only repeats it. Tested below.

use anstyle::{AnsiColor, Style};

use super::deliveries::{one_line, short_time};
use super::output::escape;
use super::words::{Word, plain};
use crate::client::pb;

/// One cell: its words, and what they mean for colour.
#[derive(Clone)]
struct Cell {
    words: String,
    style: Style,
}

impl Cell {
    fn plain(words: impl Into<String>) -> Self {
        Self { words: escape(&one_line(&words.into())).into_owned(), style: Style::new() }
    }

    fn sharing(sharing: pb::Sharing) -> Self {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        let style = match sharing {
            pb::Sharing::Direct => colour(AnsiColor::Green),
            pb::Sharing::Relay => colour(AnsiColor::Yellow),
            pb::Sharing::No => colour(AnsiColor::Red),
            pb::Sharing::NotAnswered | pb::Sharing::Unspecified => Style::new().dimmed(),
        };
        Self { words: plain::<pb::Sharing>(sharing as i32), style }
    }
}

/// The whole consent, for people.
pub(crate) fn drawn(consent: &pb::SharingConsent, colour: bool) -> String {
    let mut parts = vec![grid(&classes(consent), colour)];
    if !consent.named.is_empty() {
        parts.push(grid(&by_name(consent), colour));
    }
    parts.push(rest(consent));
    parts.join("\n\n")
}

/// Material × audience, as the fact sheet asks, and newcomers below.
fn classes(consent: &pb::SharingConsent) -> Vec<Vec<Cell>> {
    let audiences = || pb::Audience::ALL.iter();
    let mut rows = vec![
        std::iter::once(Cell::plain("share"))
            .chain(audiences().map(|(_, word, _)| Cell::plain(format!("with {}", word.replace('_', " ")))))
            .collect(),
    ];
    for &(material, word, _) in pb::Material::ALL {
        let answer = |audience: pb::Audience| {
            let cell =
                consent.cells.iter().find(|cell| cell.material == material as i32 && cell.audience == audience as i32);
            Cell::sharing(cell.map_or(pb::Sharing::NotAnswered, pb::ConsentCell::sharing))
        };
        rows.push(
            std::iter::once(Cell::plain(word)).chain(audiences().map(|(audience, ..)| answer(*audience))).collect(),
        );
    }
    let newcomers = |audience: pb::Audience| {
        let found = consent.newcomers.iter().find(|one| one.audience == audience as i32);
        match found.map_or(pb::Answer::NotAnswered, pb::NewcomersAnswer::answer) {
            pb::Answer::Yes => Cell::plain("yes"),
            pb::Answer::No => Cell::plain("no"),
            pb::Answer::NotAnswered | pb::Answer::Unspecified => Cell::sharing(pb::Sharing::NotAnswered),
        }
    };
    rows.push(
        std::iter::once(Cell::plain("newcomers, too"))
            .chain(audiences().map(|(audience, ..)| newcomers(*audience)))
            .collect(),
    );
    rows
}

/// Who is named, and what was answered for it; the rest of its row is decided by its class.
fn by_name(consent: &pb::SharingConsent) -> Vec<Vec<Cell>> {
    let materials = || pb::Material::ALL.iter();
    let mut rows = vec![
        std::iter::once(Cell::plain("by name"))
            .chain(materials().map(|(_, word, _)| Cell::plain(*word)))
            .collect::<Vec<_>>(),
    ];
    for named in &consent.named {
        let answer = |material: pb::Material| {
            let found = named.sharings.iter().find(|one| one.material == material as i32);
            match found {
                Some(one) => Cell::sharing(one.sharing()),
                None => Cell { words: "as its class".into(), style: Style::new().dimmed() },
            }
        };
        let name = Cell::plain(&named.name);
        rows.push(std::iter::once(name).chain(materials().map(|(material, ..)| answer(*material))).collect());
    }
    rows
}

/// Columns between lines; the first row is the header. Words are painted, never the padding.
fn grid(rows: &[Vec<Cell>], colour: bool) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].words.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &[Cell]| {
        let cells = row.iter().zip(&widths).map(|(Cell { words, style }, width)| {
            let padding = " ".repeat(width - words.chars().count());
            if colour { format!(" {style}{words}{style:#}{padding} ") } else { format!(" {words}{padding} ") }
        });
        cells.collect::<Vec<_>>().join("│").trim_end().to_owned()
    };
    let rule = || widths.iter().map(|width| "─".repeat(width + 2)).collect::<Vec<_>>().join("┼");
    let mut lines = Vec::with_capacity(rows.len() + 1);
    for (number, row) in rows.iter().enumerate() {
        lines.push(line(row));
        if number == 0 {
            lines.push(rule());
        }
    }
    lines.join("\n")
}

fn rest(consent: &pb::SharingConsent) -> String {
    let expiry = consent.expire_time.as_ref().map_or("when you withdraw it".into(), |time| short_time(Some(time)));
    let police = match consent.police() {
        pb::PoliceAnswer::Unspecified | pb::PoliceAnswer::NotAnswered => "not answered: nothing is forwarded",
        pb::PoliceAnswer::No => "no: the coordinator does not forward anything of its own accord",
        pb::PoliceAnswer::OrganisationReportsItself => "the organisation reports it itself",
        pb::PoliceAnswer::CoordinatorMayForward => "the coordinator may forward",
    };
    let appears = match consent.attribution() {
        pb::Attribution::Unspecified | pb::Attribution::Hidden => "hidden: nobody but the coordinator knows it is here",
        pb::Attribution::Pseudonym => "under a pseudonym",
        pb::Attribution::Named => "by name",
    };
    let mut lines = vec![
        format!("appears to the others  {appears}"),
        format!("police                 {police}"),
        format!("ends                   {expiry}"),
        String::new(),
        "direct: as it is; relay: only in the coordinator's words; not answered counts as no".to_owned(),
    ];
    if !consent.named.is_empty() {
        lines.push("an answer by name goes before that for its class; authorities receive by name only".into());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::client::Time;

    fn example() -> pb::SharingConsent {
        let cell = |material: pb::Material, audience: pb::Audience, sharing: pb::Sharing| pb::ConsentCell {
            material: material as i32,
            audience: audience as i32,
            sharing: sharing as i32,
        };
        pb::SharingConsent {
            version: 3,
            cells: vec![
                cell(pb::Material::Information, pb::Audience::OtherAffectedOrganisations, pb::Sharing::Direct),
                cell(pb::Material::Information, pb::Audience::ThirdParties, pb::Sharing::Relay),
                cell(pb::Material::Logs, pb::Audience::OtherAffectedOrganisations, pb::Sharing::No),
            ],
            named: vec![pb::NamedSharing {
                name: "region-b\u{1b}\n".into(),
                sharings: vec![pb::MaterialSharing {
                    material: pb::Material::Logs as i32,
                    sharing: pb::Sharing::Relay as i32,
                }],
            }],
            newcomers: vec![pb::NewcomersAnswer {
                audience: pb::Audience::OtherAffectedOrganisations as i32,
                answer: pb::Answer::Yes as i32,
            }],
            attribution: pb::Attribution::Pseudonym as i32,
            police: pb::PoliceAnswer::OrganisationReportsItself as i32,
            expire_time: Some(Time { seconds: 1_764_547_200, nanos: 0 }),
        }
    }

    #[test]
    fn a_consent_is_drawn_as_a_grid() {
        expect![[r#"
             share          │ with other affected organisations │ with third parties
            ────────────────┼───────────────────────────────────┼────────────────────
             information    │ direct                            │ relay
             data           │ not answered                      │ not answered
             logs           │ no                                │ not answered
             newcomers, too │ yes                               │ not answered

             by name         │ information  │ data         │ logs
            ─────────────────┼──────────────┼──────────────┼───────
             region-b\u{1b}  │ as its class │ as its class │ relay

            appears to the others  under a pseudonym
            police                 the organisation reports it itself
            ends                   2025-12-01 00:00:00Z

            direct: as it is; relay: only in the coordinator's words; not answered counts as no
            an answer by name goes before that for its class; authorities receive by name only"#]]
        .assert_eq(&drawn(&example(), false));
    }

    #[test]
    fn an_open_consent_is_all_open() {
        let shown = drawn(&pb::SharingConsent::default(), false);
        assert_eq!(shown.matches("│ not answered").count(), 8, "{shown}");
        assert!(!shown.contains("by name"), "{shown}");
    }

    #[test]
    fn colour_paints_words_and_moves_nothing() {
        let coloured = drawn(&example(), true);
        let mut bare = String::new();
        let mut painting = false;
        for c in coloured.chars() {
            match c {
                '\u{1b}' => painting = true,
                'm' if painting => painting = false,
                _ if painting => {}
                c => bare.push(c),
            }
        }
        assert!(coloured.len() > bare.len());
        let trimmed = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        assert_eq!(trimmed(&bare), trimmed(&drawn(&example(), false)));
    }
}
