//! What is compared of two answers, and how often it was.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;
use samverkan::api::{self as pb, subscribe_response::Content};

use super::script::differing;
use crate::world::Exchange;

/// What was compared.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) pairs: u64,
    pub(super) answers: u64,
    pub(super) bytes: u64,
    /// Answers that were no refusals, by method.
    pub(super) granted: BTreeMap<String, u64>,
    pub(super) refused: BTreeMap<String, u64>,
    /// Hidden acts that were granted, by kind.
    pub(super) hidden: BTreeMap<String, u64>,
    pub(super) altered: u64,
    pub(super) omitted: u64,
    /// Words that must be in no answer, whatever is asked.
    pub(super) unheard: Vec<String>,
    /// Pairs by what the reader was at their end.
    pub(super) standing: BTreeMap<String, u64>,
}

/// What a subscriber has heard.
#[derive(Default)]
pub(super) struct Heard {
    last_index: u64,
    pub(super) heartbeats: usize,
}

impl Heard {
    /// Whether this is a sign of life after everything that there is.
    pub(super) fn is_caught_up(&mut self, answer: &Bytes) -> bool {
        match pb::SubscribeResponse::decode(answer.clone()).expect("it decodes").content {
            Some(Content::Batch(batch)) => {
                self.last_index = batch.first_index + batch.deliveries.len() as u64 - 1;
                false
            }
            Some(Content::Heartbeat(heartbeat)) => {
                self.heartbeats += 1;
                heartbeat.last_index == self.last_index
            }
            None => false,
        }
    }
}

/// What is compared of an exchange. How a stream is cut into answers, and how many signs of life come before its last delivery, depend on
/// time alone.
fn compared(method: &str, exchange: &Exchange) -> Vec<u8> {
    let mut all = exchange.bytes();
    if exchange.answers.is_empty() || !matches!(method, "MessageService/PostMessages" | "MessageService/Subscribe") {
        return all;
    }
    all = exchange.without_answers().bytes();
    for answer in &exchange.answers {
        if method == "MessageService/PostMessages" {
            let answer = pb::PostMessagesResponse::decode(answer.clone()).expect("it decodes");
            all.extend(answer.outcomes.iter().flat_map(prost::Message::encode_to_vec));
            continue;
        }
        match pb::SubscribeResponse::decode(answer.clone()).expect("it decodes").content {
            Some(Content::Batch(batch)) => {
                for (index, delivery) in (batch.first_index..).zip(batch.deliveries) {
                    all.extend(format!("{index}: ").bytes().chain(delivery.encode_to_vec()));
                }
            }
            Some(Content::Heartbeat(_)) | None => {}
        }
    }
    if method == "MessageService/Subscribe" {
        all.extend(exchange.answers.last().into_iter().flatten());
    }
    all
}

impl Counts {
    pub(super) fn compare(&mut self, method: &str, first: &Exchange, second: &Exchange) -> Result<(), String> {
        let bytes = [first, second].map(|exchange| compared(method, exchange));
        self.answers += 1;
        self.bytes += bytes[0].len() as u64;
        let is_refusal = first.status.is_some();
        let kind = if is_refusal { &mut self.refused } else { &mut self.granted };
        *kind.entry(method.to_owned()).or_default() += 1;
        for word in &self.unheard {
            if let Some(found) = bytes.iter().find(|bytes| bytes.windows(word.len()).any(|at| at == word.as_bytes())) {
                return Err(format!("{method}: {word} in {}", found.escape_ascii()));
            }
        }
        if bytes[0] == bytes[1] { Ok(()) } else { Err(format!("{method}\n{}", differing(&bytes[0], &bytes[1]))) }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.answers += other.answers;
        self.bytes += other.bytes;
        self.altered += other.altered;
        self.omitted += other.omitted;
        let maps = [&mut self.granted, &mut self.refused, &mut self.hidden, &mut self.standing];
        for (sum, map) in maps.into_iter().zip([other.granted, other.refused, other.hidden, other.standing]) {
            map.into_iter().for_each(|(key, count)| *sum.entry(key).or_default() += count);
        }
    }
}
