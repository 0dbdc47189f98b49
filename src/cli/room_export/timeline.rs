//! What does an export look like to people, and on paper? One page of HTML that needs nothing else: no script, nothing from elsewhere,
//! and a policy that forbids both. Its label stands in the head and the foot of each printed page, as TLP 2.0 asks.
//!
//! Everything that somebody wrote is escaped twice: what would turn the order of reading becomes visible, and what HTML means something
//! by becomes text. Tested below.

use std::collections::HashMap;

use super::super::deliveries::{Told, name, short, short_time, tlp};
use super::super::output::escape;
use super::super::words::plain;
use super::reading::name_of;
use crate::client::pb;
use crate::identity::summary::hex;
use pb::delivery::Content;

/// After the rows.
pub(super) const FOOT: &str = "</tbody>\n</table>\n</body>\n</html>\n";

/// One delivery.
pub(super) struct Row<'a> {
    pub(super) index: u64,
    pub(super) delivery: &'a pb::Delivery,
    /// In words.
    pub(super) told: &'a Told,
    /// Participants by their ids.
    pub(super) names: &'a HashMap<String, String>,
    /// Who has it, if it is the reader's own.
    pub(super) receipts: &'a [String],
}

/// Text as HTML has it, within elements and within attributes.
fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in escape(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The colour of a label's words, on black (TLP 2.0).
fn colour(label: i32) -> &'static str {
    match pb::Tlp::try_from(label) {
        Ok(pb::Tlp::Clear) => "#FFFFFF",
        Ok(pb::Tlp::Green) => "#33FF00",
        Ok(pb::Tlp::Amber | pb::Tlp::AmberStrict) => "#FFC000",
        Ok(pb::Tlp::Red | pb::Tlp::Unspecified) | Err(_) => "#FF2B2B",
    }
}

fn badge(label: i32) -> String {
    format!("<span class=\"tlp\" style=\"color:{}\">{}</span>", colour(label), html(&tlp(label)))
}

/// Everything before the rows. Labels are at least 12 points, at the right, as TLP 2.0 asks. Chromium and printing engines put the label
/// into the margins (`@page`); Firefox knows no margin boxes and repeats the table's own head and foot, which carry it as well.
pub(super) fn head(title: &str, heading: &[(&str, String)], label: i32) -> String {
    let (title, words, colour, badge) = (html(title), html(&tlp(label)), colour(label), badge(label));
    let facts: String =
        heading.iter().map(|(what, value)| format!("<dt>{}</dt><dd>{}</dd>\n", html(what), html(value))).collect();
    let margin = format!(
        "content: \"{words}\"; color: {colour}; background: #000000; font: bold 12pt sans-serif; padding: 0 4pt; \
         print-color-adjust: exact; -webkit-print-color-adjust: exact;"
    );
    format!(
        "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<meta name=\"referrer\" content=\"no-referrer\">
<title>{words} {title}</title>
<style>
@page {{
  size: A4 landscape; margin: 18mm 12mm;
  @top-right {{ {margin} }}
  @bottom-right {{ {margin} }}
  @bottom-left {{ content: counter(page) \" / \" counter(pages); font: 9pt sans-serif; }}
}}
body {{ font: 10pt/1.35 sans-serif; margin: 1em; color: #000; background: #fff; }}
h1 {{ font-size: 15pt; }}
dl {{ display: grid; grid-template-columns: max-content auto; gap: 0 1em; }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; width: 100%; }}
thead {{ display: table-header-group; }}
tfoot {{ display: table-footer-group; }}
th, td {{ text-align: left; vertical-align: top; padding: 2pt 5pt; border-bottom: 1px solid #bbb; }}
th.label, td.label {{ text-align: right; border: 0; }}
td.number, td.time {{ white-space: nowrap; font-variant-numeric: tabular-nums; }}
.text {{ white-space: pre-wrap; overflow-wrap: anywhere; font-family: monospace; }}
.more {{ color: #444; font-size: 9pt; }}
.tlp {{ background: #000000; font-weight: bold; padding: 0 4pt; white-space: nowrap; print-color-adjust: exact; \
         -webkit-print-color-adjust: exact; }}
.label .tlp {{ font-size: 12pt; }}
tr {{ break-inside: auto; }}
</style>
</head>
<body>
<h1>{title}</h1>
<dl>
{facts}</dl>
<table>
<thead>
<tr><th class=\"label\" colspan=\"6\">{badge}</th></tr>
<tr><th>No.</th><th>Recorded</th><th>Occurred</th><th>From</th><th>Kind</th><th>What</th></tr>
</thead>
<tfoot>
<tr><td class=\"label\" colspan=\"6\">{badge}</td></tr>
</tfoot>
<tbody>
"
    )
}

impl Row<'_> {
    /// As a row of the table.
    pub(super) fn html(&self) -> String {
        let (mut occurred, mut from, mut kind) = (String::new(), String::new(), String::new());
        let what = match &self.delivery.content {
            Some(Content::Message(message)) => {
                occurred = short_time(message.occurred_time.as_ref());
                from = html(&author(message));
                kind = self.kind(message);
                self.message(message)
            }
            _ => self.event(),
        };
        format!(
            "<tr><td class=\"number\">{}</td><td class=\"time\">{}</td><td class=\"time\">{}</td><td>{from}</td><td>{kind}</td><td>{what}</td></tr>\n",
            self.index,
            html(&short_time(self.delivery.recorded_time.as_ref())),
            html(&occurred),
        )
    }

    /// Material and label, and whom it was narrowed to.
    fn kind(&self, message: &pb::Message) -> String {
        let mut parts = vec![html(&plain::<pb::Material>(message.material)), badge(message.tlp)];
        if message.relay.is_some() {
            parts.push("relay".into());
        }
        if message.coordinator_only {
            parts.push("to the coordinator only".into());
        }
        if !message.recipients.is_empty() {
            let named = |id: &String| self.names.get(id).map_or_else(|| short(id).to_owned(), Clone::clone);
            let to: Vec<_> = message.recipients.iter().map(named).collect();
            parts.push(html(&format!("to {} only", to.join(", "))));
        }
        parts.join("<br>")
    }

    fn message(&self, message: &pb::Message) -> String {
        let what = match &message.attachment {
            None => message.text.clone(),
            Some(attachment) => format!(
                "{}\n{} bytes, SHA-256 {}",
                name_of(self.index, attachment),
                attachment.size_bytes,
                hex(&attachment.sha256)
            ),
        };
        let mut what = format!("<div class=\"text\">{}</div>", html(&what));
        // How to fetch it is no news to who has it.
        if message.attachment.is_none() {
            what.push_str(&more(self.told.notes()));
        }
        if !self.receipts.is_empty() {
            what.push_str(&format!("<div class=\"more\">Shown to:{}</div>", list(self.receipts)));
        }
        what
    }

    fn event(&self) -> String {
        let mut what = html(self.told.line());
        if !self.told.text().is_empty() {
            what.push_str(&format!("<div class=\"text\">{}</div>", html(self.told.text())));
        }
        what.push_str(&more(self.told.notes()));
        what
    }
}

/// Whose, and which person or program if that is told.
fn author(message: &pb::Message) -> String {
    let mut author = name(message.author.as_ref());
    if let Some(display_name) = message.author.as_ref().map(|author| &author.display_name).filter(|it| !it.is_empty()) {
        author.push_str(&format!(", {display_name}"));
    }
    if !message.actor.is_empty() {
        author.push_str(&format!(", {}", message.actor));
    }
    author
}

fn more(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!("<div class=\"more\">{}</div>", list(lines)) }
}

fn list(lines: &[String]) -> String {
    let items: String = lines.iter().map(|line| format!("<li>{}</li>", html(line))).collect();
    format!("<ul>{items}</ul>")
}

#[cfg(test)]
mod tests {
    use super::super::super::deliveries::Teller;
    use super::*;

    const EVIL: &str = "<script>alert(\"1\")</script> & 'x' </td><img src=http://x> \u{202e}txt\u{0}";

    /// Tags of the row that somebody else's words brought in.
    fn foreign(html: &str) -> Vec<&str> {
        let ours = ["tr", "td", "div", "span", "ul", "li", "br"];
        html.split('<')
            .skip(1)
            .filter(|tag| {
                let word = tag.trim_start_matches('/').split([' ', '>']).next().unwrap_or_default();
                !ours.contains(&word)
            })
            .collect()
    }

    fn row(content: Content, receipts: &[String]) -> String {
        let delivery = pb::Delivery { recorded_time: None, content: Some(content) };
        let told = Teller::new("samverkan", "", false).words(7, &delivery);
        let names = [("id".to_owned(), EVIL.to_owned())].into();
        Row { index: 7, delivery: &delivery, told: &told, names: &names, receipts }.html()
    }

    fn message() -> pb::Message {
        let author = pb::Participant {
            organisation_id: "region-a".into(),
            display_name: EVIL.into(),
            is_caller: true,
            ..Default::default()
        };
        pb::Message {
            author: Some(author),
            material: pb::Material::Logs as i32,
            tlp: pb::Tlp::Amber as i32,
            text: format!("one\n{EVIL}"),
            recipients: vec!["id".into()],
            actor: EVIL.into(),
            ..Default::default()
        }
    }

    #[test]
    fn what_somebody_wrote_is_text_wherever_it_stands() {
        let rows = [
            row(Content::Message(message()), &[EVIL.to_owned()]),
            row(Content::RoomOpened(pb::RoomOpened { title: EVIL.into() }), &[]),
            row(Content::TermsChanged(pb::TermsChanged { terms: format!("{EVIL}\n{EVIL}") }), &[]),
            row(Content::ParticipantRemoved(pb::ParticipantRemoved { reason: EVIL.into(), ..Default::default() }), &[]),
        ];
        for row in &rows {
            assert_eq!(foreign(row), [""; 0], "{row}");
            assert!(row.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;"), "{row}");
            assert!(row.contains("\\u{202e}txt\\u{0}") && !row.contains(['\u{202e}', '\u{0}']), "{row}");
        }
        let head = head(EVIL, &[("Room", EVIL.to_owned())], pb::Tlp::Red as i32);
        for sign in ["<script", "<img", "\"1\"", "'x'"] {
            assert!(!head.contains(sign), "{sign}: {head}");
        }
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        let page = head("title", &[], pb::Tlp::Green as i32) + FOOT;
        for sign in ["http:", "https:", "//", "@import", "url(", " src=", "href=", "<script", "<link"] {
            assert!(!page.contains(sign), "{sign}: {page}");
        }
        assert!(page.contains("default-src 'none'"), "and nothing may be");
    }

    #[test]
    fn a_message_tells_whose_it_is_what_it_is_and_who_has_it() {
        let row = row(
            Content::Message(pb::Message {
                occurred_time: Some(crate::client::Time { seconds: 0, nanos: 0 }),
                coordinator_only: true,
                ..message()
            }),
            &["region-b, 2026-12-01".to_owned()],
        );
        for part in [
            "<td class=\"number\">7</td>",
            "1970-01-01 00:00:00Z",
            "region-a (you)",
            "logs<br><span class=\"tlp\" style=\"color:#FFC000\">TLP:AMBER</span>",
            "to the coordinator only",
            "Shown to:<ul><li>region-b, 2026-12-01</li></ul>",
        ] {
            assert!(row.contains(part), "{part}: {row}");
        }
    }

    #[test]
    fn every_printed_page_carries_the_label_in_the_colour_of_the_standard() {
        for (label, words, colour) in [
            (pb::Tlp::Clear, "TLP:CLEAR", "#FFFFFF"),
            (pb::Tlp::Green, "TLP:GREEN", "#33FF00"),
            (pb::Tlp::Amber, "TLP:AMBER", "#FFC000"),
            (pb::Tlp::AmberStrict, "TLP:AMBER+STRICT", "#FFC000"),
            (pb::Tlp::Red, "TLP:RED", "#FF2B2B"),
        ] {
            let head = head("title", &[], label as i32);
            for place in ["@top-right", "@bottom-right"] {
                let rule = head.split(place).nth(1).and_then(|rest| rest.split('}').next()).expect("a rule");
                assert!(rule.contains(&format!("content: \"{words}\"")), "{rule}");
                assert!(rule.contains(&format!("color: {colour}; background: #000000")), "{rule}");
            }
            let badge = format!("style=\"color:{colour}\">{words}</span>");
            assert_eq!(head.matches(&badge).count(), 2, "in the table's head and foot");
        }
    }
}
