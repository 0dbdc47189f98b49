//! Would a change of consent let somebody see more? Asked before it is sent, so that a person can be asked whether that is meant.
//!
//! The server decides; this only knows when to ask, and asks rather once too often. Tested below.

use super::words::plain;
use crate::client::pb;

/// What of the change may widen, in the words in which it is given, with what held before.
pub(crate) fn widenings(now: &pb::SharingConsent, change: &pb::ConsentChange) -> Vec<String> {
    let mut found = Vec::new();
    for cell in &change.cells {
        let known = now.cells.iter().find(|known| (known.material, known.audience) == (cell.material, cell.audience));
        let before = known.map_or(pb::Sharing::NotAnswered, pb::ConsentCell::sharing);
        if cell.sharing() >= pb::Sharing::Relay && cell.sharing() > before {
            found.push(format!(
                "{} to {}: {} (now {})",
                plain::<pb::Material>(cell.material),
                plain::<pb::Audience>(cell.audience),
                plain::<pb::Sharing>(cell.sharing),
                plain::<pb::Sharing>(before as i32)
            ));
        }
    }
    for named in &change.named {
        let known = now.named.iter().find(|known| known.name == named.name);
        for one in &named.sharings {
            let before = known.and_then(|known| known.sharings.iter().find(|known| known.material == one.material));
            let (after, held) = (one.sharing(), before.map(pb::MaterialSharing::sharing));
            // Taking a name's answer back lets its class decide, which may allow more.
            let widens = match held {
                Some(held) if after == pb::Sharing::NotAnswered => held < pb::Sharing::Direct,
                Some(held) => after >= pb::Sharing::Relay && after > held,
                None => after >= pb::Sharing::Relay,
            };
            if widens {
                let before = held.map_or("as its class".into(), |held| plain::<pb::Sharing>(held as i32));
                let after = match after {
                    pb::Sharing::NotAnswered => "as its class".into(),
                    after => plain::<pb::Sharing>(after as i32),
                };
                found.push(format!(
                    "{} to {}: {after} (now {before})",
                    plain::<pb::Material>(one.material),
                    named.name
                ));
            }
        }
    }
    for newcomers in &change.newcomers {
        let known = now.newcomers.iter().find(|known| known.audience == newcomers.audience);
        let before = known.map_or(pb::Answer::NotAnswered, pb::NewcomersAnswer::answer);
        if newcomers.answer() == pb::Answer::Yes && before != pb::Answer::Yes {
            found.push(format!("also to those who join the {} later", plain::<pb::Audience>(newcomers.audience)));
        }
    }
    if let Some(attribution) = change.attribution.filter(|attribution| *attribution > now.attribution) {
        found.push(format!(
            "you appear to the others: {} (now {}); that can't be taken back in this room",
            plain::<pb::Attribution>(attribution),
            plain::<pb::Attribution>(now.attribution)
        ));
    }
    if change.police == Some(pb::PoliceAnswer::CoordinatorMayForward as i32) && change.police != Some(now.police) {
        found.push("the coordinator may forward it to the police".into());
    }
    let key = |time: &crate::client::Time| (time.seconds, time.nanos);
    match (&now.expire_time, &change.expiry) {
        (Some(_), Some(pb::consent_change::Expiry::ClearExpiry(_))) => {
            found.push("your consent no longer ends by itself".into());
        }
        (Some(before), Some(pb::consent_change::Expiry::ExpireTime(after))) if key(after) > key(before) => {
            found.push("your consent ends later".into());
        }
        _ => {}
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::consent_words::ConsentArguments;

    fn change(cells: &[&str], names: &[&str]) -> pb::ConsentChange {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        ConsentArguments { cells: owned(cells), names: owned(names), ..Default::default() }.read().expect("read")
    }

    fn holding(cells: &[&str], names: &[&str]) -> pb::SharingConsent {
        let change = change(cells, names);
        pb::SharingConsent { cells: change.cells, named: change.named, ..Default::default() }
    }

    #[test]
    fn more_is_asked_about_and_less_is_not() {
        let now = holding(&["logs=relay:affected"], &["region-b:logs=no", "region-c:logs=direct"]);
        let count = |cells: &[&str], names: &[&str]| widenings(&now, &change(cells, names)).len();
        assert_eq!(count(&["logs=direct:affected"], &[]), 1);
        assert_eq!(count(&["logs=relay:all"], &[]), 1, "for third parties it is new");
        assert_eq!(count(&["logs=no:all", "data=no:affected"], &[]), 0);
        assert_eq!(count(&["logs=relay:affected"], &[]), 0, "as it is");
        assert_eq!(count(&[], &["region-b:logs=not-answered"]), 1, "its class decides again");
        assert_eq!(count(&[], &["region-c:logs=not-answered"]), 0);
        assert_eq!(count(&[], &["region-d:logs=relay", "region-b:data=no"]), 1);
    }

    #[test]
    fn what_cannot_be_taken_back_is_said() {
        let change = pb::ConsentChange { attribution: Some(pb::Attribution::Named as i32), ..Default::default() };
        let now = pb::SharingConsent { attribution: pb::Attribution::Pseudonym as i32, ..Default::default() };
        let found = widenings(&now, &change);
        assert!(found.len() == 1 && found[0].contains("can't be taken back"), "{found:?}");
        let same = pb::SharingConsent { attribution: pb::Attribution::Named as i32, ..Default::default() };
        assert!(widenings(&same, &change).is_empty());
    }
}
