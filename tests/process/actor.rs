//! What does one organisation do, and what was it told? It posts, it reads, and it writes both down.
//!
//! A journal line is written before anybody else hears of it. Journals are not synced: the disk that loses its power is the server's.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use prost::Message;
use samverkan::api::{self as pb, delivery, outcome, subscribe_response};
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use crate::Wrong;
use crate::ground::{Ground, Who, said};

/// How many posts are under way at once.
const WINDOW: u64 = 64;
/// How many posts that were acknowledged are asked about again in the next round: a retry gets the same answer.
const AGAIN: u64 = 3;

/// Why a stream ended.
pub(crate) enum Stop {
    /// All was done.
    Done,
    /// The connection ended.
    Cut(String),
    /// The server broke a promise.
    Wrong(Wrong),
}

/// Which posts to send.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToPost {
    /// Those without an answer, then new ones without an end.
    More,
    /// Those without an answer.
    Unanswered,
}

/// All acknowledgements of a round.
pub(crate) struct Acks {
    /// The number to print next to, if any.
    printed: Option<Mutex<u64>>,
    first: Notify,
}

impl Acks {
    pub(crate) fn quiet() -> Self {
        Self { printed: None, first: Notify::new() }
    }

    pub(crate) fn printed(before: u64) -> Self {
        Self { printed: Some(Mutex::new(before)), first: Notify::new() }
    }

    /// Resolves after the first.
    pub(crate) async fn first(&self) {
        self.first.notified().await;
    }

    fn add(&self, number: u64) {
        if let Some(Ok(mut total)) = self.printed.as_ref().map(Mutex::lock) {
            *total += number;
            let mut out = std::io::stdout();
            let _ = writeln!(out, "{total}").and_then(|()| out.flush());
        }
        self.first.notify_one();
    }
}

fn open(path: &Path) -> Result<(Vec<String>, File), Wrong> {
    let text = fs::read_to_string(path).unwrap_or_default();
    // A last line without an end was cut by a kill, before anybody heard of it.
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let file = said(OpenOptions::new().create(true).append(true).open(path))?;
    said(file.set_len(whole.len() as u64))?;
    Ok((whole.lines().map(str::to_owned).collect(), file))
}

/// What an actor posted.
pub(crate) struct Posts {
    who: Who,
    /// How many were sent, or will have been in a moment.
    sent: u64,
    /// Answers so far: message id and time, by number.
    pub(crate) answers: Vec<String>,
    /// How many answers came only when asked again.
    pub(crate) late: u64,
    file: File,
}

impl Posts {
    pub(crate) fn load(ground: &Ground, who: Who) -> Result<Self, Wrong> {
        let (lines, file) = open(&ground.journal("posts", who))?;
        let mut posts = Self { who, sent: 0, answers: Vec::new(), late: 0, file };
        for line in lines {
            match line.split_once(' ') {
                Some(("sent", number)) => posts.sent = said(number.parse())?,
                Some(("acked", answer)) => posts.answers.push(answer.to_owned()),
                Some(("late", answer)) => {
                    posts.answers.push(answer.to_owned());
                    posts.late += 1;
                }
                _ => return Err(format!("journal of {who}: {line:?}")),
            }
        }
        Ok(posts)
    }

    pub(crate) fn acked(&self) -> u64 {
        self.answers.len() as u64
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Posts over one stream, in order. Everything without an answer goes first, with the request ids of before.
    pub(crate) async fn post(&mut self, ground: &Ground, channel: Channel, to_post: ToPost, acks: &Acks) -> Stop {
        let room = match ground.room() {
            Ok(room) => room,
            Err(wrong) => return Stop::Wrong(wrong),
        };
        let sent_before = self.sent;
        let mut awaited = self.acked().saturating_sub(AGAIN);
        let mut next = awaited;
        let (sender, receiver) = mpsc::channel(WINDOW as usize);
        let mut fill = |posts: &mut Self, awaited: u64| -> Result<u64, Wrong> {
            let end = match to_post {
                ToPost::More => awaited + WINDOW,
                ToPost::Unanswered => sent_before.min(awaited + WINDOW),
            };
            if end > posts.sent {
                posts.sent = end;
                said(writeln!(posts.file, "sent {end}"))?;
            }
            while next < end {
                let Ok(permit) = sender.try_reserve() else { break };
                permit.send(pb::PostMessagesRequest {
                    request_id: ground.request_id(posts.who, next),
                    room_id: room.clone(),
                    draft: Some(ground.draft(posts.who, next)),
                });
                next += 1;
            }
            Ok(next)
        };
        let mut under_way = match fill(self, awaited) {
            Ok(until) => until,
            Err(wrong) => return Stop::Wrong(wrong),
        };
        if to_post == ToPost::Unanswered && under_way == awaited {
            return Stop::Done;
        }
        let mut answers = match Ground::messages(channel).post_messages(ReceiverStream::new(receiver)).await {
            Ok(response) => response.into_inner(),
            Err(status) => return Stop::Cut(status.to_string()),
        };
        while awaited < under_way {
            let outcomes = match answers.message().await {
                Ok(Some(response)) => response.outcomes,
                Ok(None) => return Stop::Cut("the stream of posts ended".into()),
                Err(status) => return Stop::Cut(status.to_string()),
            };
            let result = self.answered(ground, awaited, sent_before, &outcomes);
            awaited += outcomes.len() as u64;
            match result.and_then(|new| {
                acks.add(new);
                fill(self, awaited)
            }) {
                Ok(until) => under_way = until,
                Err(wrong) => return Stop::Wrong(format!("{}: {wrong}", Ground::organisation(self.who))),
            }
        }
        // All that was sent is answered, and no more could be sent: the connection is gone, its last answers were still on their way.
        if to_post == ToPost::More || awaited < sent_before {
            return Stop::Cut("the stream takes no more posts".into());
        }
        Stop::Done
    }

    /// Takes the answers to the posts from number `first` on. How many of them are new.
    fn answered(
        &mut self,
        ground: &Ground,
        first: u64,
        sent_before: u64,
        outcomes: &[pb::Outcome],
    ) -> Result<u64, Wrong> {
        let (mut lines, before) = (String::new(), self.acked());
        for (number, outcome) in (first..).zip(outcomes) {
            if outcome.request_id != ground.request_id(self.who, number) {
                return Err(format!("the answer to post {number} has another request id"));
            }
            let answer = match &outcome.answer {
                Some(outcome::Answer::Posted(posted)) => {
                    let time = posted.recorded_time.unwrap_or_default();
                    format!("{} {}.{:09}", posted.message_id, time.seconds, time.nanos)
                }
                Some(outcome::Answer::Problem(problem)) => {
                    return Err(format!("post {number} was not taken: {} {}", problem.reason, problem.message));
                }
                None => return Err(format!("the answer to post {number} is empty")),
            };
            match usize::try_from(number).ok().and_then(|number| self.answers.get(number)) {
                Some(told) if *told == answer => {}
                Some(told) => return Err(format!("post {number} was answered {told}, and when asked again {answer}")),
                None => {
                    let is_late = number < sent_before;
                    self.late += u64::from(is_late);
                    lines += &format!("{} {answer}\n", if is_late { "late" } else { "acked" });
                    self.answers.push(answer);
                }
            }
        }
        said(self.file.write_all(lines.as_bytes()))?;
        Ok(self.acked() - before)
    }
}

/// One thing that a mailbox holds: a digest of all of it, and which message it is, if it is one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Read {
    digest: String,
    pub(crate) message: Option<(Who, u64, String)>,
}

/// What an actor received, by index.
pub(crate) struct Reads {
    who: Who,
    pub(crate) reads: Vec<Read>,
    file: File,
}

impl Reads {
    pub(crate) fn load(ground: &Ground, who: Who) -> Result<Self, Wrong> {
        let (lines, file) = open(&ground.journal("reads", who))?;
        let bad = |line: &str| format!("journal of {who}: {line:?}");
        let read = |line: &String| {
            let words: Vec<&str> = line.split(' ').collect();
            let message = match words[1..] {
                [] => None,
                [who, number, id] => Some((said(who.parse())?, said(number.parse())?, id.to_owned())),
                _ => return Err(bad(line)),
            };
            Ok(Read { digest: words[0].to_owned(), message })
        };
        Ok(Self { who, reads: lines.iter().map(read).collect::<Result<_, _>>()?, file })
    }

    fn take(&mut self, ground: &Ground, first_index: u64, deliveries: &[pb::Delivery]) -> Result<(), Wrong> {
        let expected = self.reads.len() as u64 + 1;
        if first_index != expected {
            return Err(format!("index {expected} was due and {first_index} came"));
        }
        let mut lines = String::new();
        for delivery in deliveries {
            let read = look(ground, self.who, delivery)?;
            lines += &read.digest;
            if let Some((who, number, id)) = &read.message {
                lines += &format!(" {who} {number} {id}");
            }
            lines.push('\n');
            self.reads.push(read);
        }
        said(self.file.write_all(lines.as_bytes()))
    }

    /// Subscribes after the last index, and takes what comes.
    pub(crate) async fn follow(&mut self, ground: &Ground, channel: Channel) -> Stop {
        let room_id = match ground.room() {
            Ok(room) => room,
            Err(wrong) => return Stop::Wrong(wrong),
        };
        let request = pb::SubscribeRequest { room_id, after_index: self.reads.len() as u64 };
        let mut stream = match Ground::messages(channel).subscribe(request).await {
            Ok(response) => response.into_inner(),
            // After a loss, what was received is past the end of what is left.
            Err(status) if status.code() == tonic::Code::OutOfRange => return Stop::Wrong(status.to_string()),
            Err(status) => return Stop::Cut(status.to_string()),
        };
        loop {
            match stream.message().await.map(|response| response.and_then(|response| response.content)) {
                Ok(Some(subscribe_response::Content::Batch(batch))) => {
                    if let Err(wrong) = self.take(ground, batch.first_index, &batch.deliveries) {
                        return Stop::Wrong(format!("{}: {wrong}", Ground::organisation(self.who)));
                    }
                }
                Ok(Some(subscribe_response::Content::Heartbeat(_))) => {}
                Ok(None) => return Stop::Cut("the subscription ended".into()),
                Err(status) => return Stop::Cut(status.to_string()),
            }
        }
    }
}

/// What a delivery is. Each message must be one of the plan, word for word, and one that the reader may see.
fn look(ground: &Ground, reader: Who, delivery: &pb::Delivery) -> Result<Read, Wrong> {
    let digest = Sha256::digest(delivery.encode_to_vec())[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    let Some(delivery::Content::Message(message)) = &delivery.content else {
        return Ok(Read { digest, message: None });
    };
    let mut words = message.text.splitn(3, ' ');
    let mut number = || words.next().and_then(|word| word.parse().ok());
    let (Some(who), Some(number)) = (number(), number()) else { return Err("a message that nobody posted".into()) };
    let draft = ground.draft(who, number);
    if (&draft.text, draft.material) != (&message.text, message.material) {
        return Err(format!("message {number} of {} differs from what was posted", Ground::organisation(who)));
    }
    if !ground.may_see(reader, who, number) {
        return Err(format!("got message {number} of {}, which it may not see", Ground::organisation(who)));
    }
    let time = delivery.recorded_time.unwrap_or_default();
    let answer = format!("{}/{}.{:09}", message.message_id, time.seconds, time.nanos);
    Ok(Read { digest, message: Some((who, number, answer)) })
}

/// Everything in a mailbox, from the first index, in pages.
pub(crate) async fn list(ground: &Ground, channel: Channel, reader: Who) -> Result<Vec<Read>, Wrong> {
    let mut client = Ground::messages(channel);
    let mut found: Vec<Read> = Vec::new();
    loop {
        let request =
            pb::ListMessagesRequest { room_id: ground.room()?, after_index: found.len() as u64, page_size: 1000 };
        let page = said(client.list_messages(request).await)?.into_inner();
        if page.deliveries.is_empty() {
            return Ok(found);
        }
        if page.first_index != found.len() as u64 + 1 {
            return Err(format!("a page after index {} begins at {}", found.len(), page.first_index));
        }
        for delivery in &page.deliveries {
            found.push(look(ground, reader, delivery)?);
        }
    }
}
