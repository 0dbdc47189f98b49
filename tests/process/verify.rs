//! What must hold after any number of kills and power cuts?
//!
//! - Each post that was acknowledged is there once, with the id and the time that its author was told, word for word.
//! - Of each author's posts there is a run from the first, in the order in which they were sent: no gap, nothing twice.
//! - A post without an answer, asked about again with the same request id, is there once, too.
//! - What somebody received stands at the same index, and is the same.
//! - Everybody has what it may see, in the one order of the room, and nothing else.

use std::collections::BTreeMap;

use crate::Wrong;
use crate::actor::{Acks, Posts, Reads, Stop, ToPost, list};
use crate::ground::{Ground, Who};

pub(crate) struct Found {
    pub(crate) acked: u64,
    pub(crate) acked_late: u64,
    pub(crate) deliveries: u64,
}

/// Asks again about what was not answered, reads everything, and compares.
pub(crate) async fn everything(ground: &Ground, port: u16) -> Result<Found, Wrong> {
    let mut posts = BTreeMap::new();
    for who in ground.actors() {
        let mut own = Posts::load(ground, who)?;
        match own.post(ground, ground.connect(port, who).await?, ToPost::Unanswered, &Acks::quiet()).await {
            Stop::Done => {}
            Stop::Cut(why) | Stop::Wrong(why) => return Err(why),
        }
        if own.acked() < own.sent() {
            return Err(format!("{} of {} posts of {who} have no answer", own.sent() - own.acked(), own.sent()));
        }
        posts.insert(who, own);
    }
    let mut found = Found {
        acked: posts.values().map(Posts::acked).sum(),
        acked_late: posts.values().map(|posts| posts.late).sum(),
        deliveries: 0,
    };
    // The coordinator sees everything: its mailbox has the order of the room.
    let mut order: Vec<(Who, u64, String)> = Vec::new();
    for reader in ground.actors() {
        let name = Ground::organisation(reader);
        let reads =
            list(ground, ground.connect(port, reader).await?, reader).await.map_err(|why| format!("{name}: {why}"))?;
        let received = Reads::load(ground, reader)?.reads;
        if received.len() > reads.len() {
            return Err(format!("{name} has received {} deliveries, and {} are left", received.len(), reads.len()));
        }
        if let Some(index) = received.iter().zip(&reads).position(|(then, now)| then != now) {
            return Err(format!("{name} received something else at index {} than stands there now", index + 1));
        }
        found.deliveries += reads.len() as u64;
        let messages: Vec<_> = reads.into_iter().filter_map(|read| read.message).collect();
        if reader == 0 {
            order = messages;
            each_once_and_in_order(&order, &posts)?;
            continue;
        }
        let mut expected = order.iter().filter(|(who, number, _)| ground.may_see(reader, *who, *number));
        let mut got = messages.iter();
        loop {
            match (expected.next(), got.next()) {
                (None, None) => break,
                (expected, got) if expected == got => {}
                (expected, got) => return Err(format!("{name} should have {expected:?} next, and has {got:?}")),
            }
        }
    }
    Ok(found)
}

fn each_once_and_in_order(order: &[(Who, u64, String)], posts: &BTreeMap<Who, Posts>) -> Result<(), Wrong> {
    let mut next: BTreeMap<Who, u64> = BTreeMap::new();
    for (who, number, answer) in order {
        let name = Ground::organisation(*who);
        let due = next.entry(*who).or_default();
        if number != due {
            return Err(format!("post {number} of {name} stands where {due} is due"));
        }
        *due += 1;
        let told = posts.get(who).and_then(|posts| posts.answers.get(usize::try_from(*number).ok()?));
        if told.is_none_or(|told| told.replacen(' ', "/", 1) != *answer) {
            return Err(format!("post {number} of {name} was acknowledged as {told:?} and stands there as {answer}"));
        }
    }
    for (who, posts) in posts {
        let there = next.get(who).copied().unwrap_or(0);
        if there != posts.acked() {
            return Err(format!(
                "{} has {} acknowledged, {there} are there",
                Ground::organisation(*who),
                posts.acked()
            ));
        }
    }
    Ok(())
}
