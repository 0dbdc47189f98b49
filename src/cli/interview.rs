//! How are the eight questions asked on a terminal? In the fact sheet's order; an empty answer leaves a question open.
//!
//! Asks through a function, so that a test can answer. Tested below.

use super::failure::Failure;
use super::output::{ask, note};
use super::words::{Word, parse};
use crate::client::{parse_time, pb};

/// Asks the person at the terminal.
pub(crate) fn at_terminal() -> Result<pb::IntakeReport, Failure> {
    note("Eight questions. An empty answer leaves a question open; you can amend the report later.");
    note("Only you and the coordinator see the report.\n");
    interview(&mut |question| ask(question), &mut |text| note(text))
}

type Ask<'a> = &'a mut dyn FnMut(&str) -> Result<String, Failure>;
type Say<'a> = &'a mut dyn FnMut(&str);

fn interview(ask: Ask<'_>, say: Say<'_>) -> Result<pb::IntakeReport, Failure> {
    let mut report = pb::IntakeReport {
        what_occurred: ask("1. What has occurred?")?,
        how_discovered: ask("2. How was it discovered?")?,
        ..Default::default()
    };
    report.discovered_time = until_valid(ask, say, "   When, as in 2026-11-23T07:40:00Z?", |text| {
        parse_time(text).map_err(|error| error.to_string())
    })?;
    report.countermeasures = ask("3. Which countermeasures have been taken?")?;
    report.ongoing = word_of::<pb::Assessment>(ask, say, "4. Is it still going on (yes, no, unknown)?")?;
    report.data_leak = word_of::<pb::Assessment>(ask, say, "   Can data be leaked (yes, no, unknown)?")?;
    report.help_wanted = ask("5. Which help is wanted?")?;
    report.contacts_made = ask("6. Which contacts have been made already?")?;
    let police = "7. Police (no, self: we report it ourselves, forward: the coordinator may)?";
    report.police = word_of::<pb::PoliceAnswer>(ask, say, police)?;
    report.sharing_consent = consent(ask, say)?;
    Ok(report)
}

fn consent(ask: Ask<'_>, say: Say<'_>) -> Result<Option<pb::ConsentChange>, Failure> {
    say("8. What may be shared, and with whom? An open answer is enforced as no.");
    say("   direct: as it is; relay: only in the coordinator's words; no");
    let mut change = pb::ConsentChange::default();
    for (audience, audience_word, _) in pb::Audience::ALL {
        for (material, material_word, _) in pb::Material::ALL {
            let question = format!("   {material_word} with {} (direct, relay, no)?", audience_word.replace('_', " "));
            if let Some(sharing) = word_of::<pb::Sharing>(ask, say, &question)? {
                change.cells.push(pb::ConsentCell { material: *material as i32, audience: *audience as i32, sharing });
            }
        }
    }
    let shares = |audience: Option<pb::Audience>| {
        change.cells.iter().any(|cell| {
            audience.is_none_or(|audience| cell.audience == audience as i32) && cell.sharing > pb::Sharing::No as i32
        })
    };
    let shares_with: Vec<_> =
        pb::Audience::ALL.iter().filter(|(audience, ..)| shares(Some(*audience))).copied().collect();
    for (audience, word, _) in shares_with {
        let (shown, default) = match audience {
            // What the fact sheet's form proposes: those hit later need it as much as those hit now.
            pb::Audience::OtherAffectedOrganisations => ("[yes], no", "yes"),
            pb::Audience::ThirdParties | pb::Audience::Unspecified => ("yes, [no]", "no"),
        };
        let question = format!("   Also with {} that join later ({shown})?", word.replace('_', " "));
        let answer = until_valid(
            &mut |question: &str| ask(question).map(|a| if a.is_empty() { default.into() } else { a }),
            say,
            &question,
            parse::<pb::Answer>,
        )?;
        if let Some(answer) = answer {
            change.newcomers.push(pb::NewcomersAnswer { audience: audience as i32, answer: answer as i32 });
        }
    }
    say("   How do you appear to the others? It can be raised later and not lowered.");
    let question = "   hidden: not at all, shares nothing directly; pseudonym; named:";
    change.attribution = word_of::<pb::Attribution>(ask, say, question)?;
    Ok((change != pb::ConsentChange::default()).then_some(change))
}

fn word_of<W: Word + Into<i32>>(ask: Ask<'_>, say: Say<'_>, question: &str) -> Result<Option<i32>, Failure> {
    Ok(until_valid(ask, say, question, parse::<W>)?.map(Into::into))
}

/// Asks until the answer can be read or is empty.
fn until_valid<T>(
    ask: Ask<'_>,
    say: Say<'_>,
    question: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, Failure> {
    loop {
        let answer = ask(question)?;
        if answer.is_empty() {
            return Ok(None);
        }
        match read(&answer) {
            Ok(value) => return Ok(Some(value)),
            Err(problem) => say(&format!("   {problem}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(answers: &[&str]) -> pb::IntakeReport {
        let mut answers = answers.iter();
        interview(&mut |_| Ok(answers.next().map(ToString::to_string).unwrap_or_default()), &mut |_| {}).expect("asked")
    }

    #[test]
    fn empty_answers_leave_everything_open() {
        assert_eq!(answered(&[]), pb::IntakeReport::default());
    }

    #[test]
    fn each_answer_ends_up_in_its_field_and_a_mistake_is_asked_again() {
        let report = answered(&[
            "files encrypted",
            "a user called",
            "monday",
            "2026-11-23T07:40:00Z",
            "network cut",
            "maybe",
            "yes",
            "unknown",
            "analysis",
            "none",
            "self",
            "relay",
            "",
            "direct",
            "",
            "",
            "", // information, data, logs with others; the same with third parties
            "", // newcomers: as proposed
            "pseudonym",
        ]);
        assert_eq!(report.what_occurred, "files encrypted");
        assert!(report.discovered_time.is_some());
        assert_eq!(report.ongoing, Some(pb::Assessment::Yes as i32));
        assert_eq!(report.data_leak, Some(pb::Assessment::Unknown as i32));
        assert_eq!(report.police, Some(pb::PoliceAnswer::OrganisationReportsItself as i32));
        let consent = report.sharing_consent.expect("a consent");
        assert_eq!(consent.cells.len(), 2);
        let yes = pb::NewcomersAnswer {
            audience: pb::Audience::OtherAffectedOrganisations as i32,
            answer: pb::Answer::Yes as i32,
        };
        assert_eq!(consent.newcomers, [yes]);
        assert_eq!(consent.attribution, Some(pb::Attribution::Pseudonym as i32));
    }
}
