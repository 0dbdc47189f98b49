//! What does one organisation post, and what was it told? Each number is sent until it is answered, always with its request id.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Mutex;

use samverkan::api::{self as pb, outcome};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use crate::Wrong;
use crate::ground::{Ground, Who};
use crate::journal::{Journal, Stamp, Words};

/// How many posts are under way at once.
const WINDOW: usize = 64;
/// How many posts that were acknowledged are asked about again in the next stream: a retry gets the same answer.
const AGAIN: u64 = 3;
/// Reasons for which a post is refused that will be taken later.
const FOR_NOW: [&str; 4] = ["STORE_FULL", "STORE_FAILED", "BUSY", "SHUTTING_DOWN"];

/// Why somebody stopped.
pub(crate) enum Stop {
    /// All was done.
    Done,
    /// The connection ended.
    Cut(String),
    /// The server can't take it now.
    Refused(String),
    /// The server broke a promise.
    Wrong(Wrong),
}

impl Stop {
    /// What an error status means for who got it. Answers that no call of ours may get are wrong.
    pub(crate) fn of(status: &tonic::Status) -> Self {
        use tonic::Code;
        let text = format!("{:?}: {}", status.code(), status.message());
        match status.code() {
            Code::ResourceExhausted => Self::Refused(text),
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded => Self::Cut(text),
            // So the client names a connection that broke.
            Code::Internal if text.contains("h2") || text.contains("transport") || text.contains("stream") => {
                Self::Cut(text)
            }
            _ => Self::Wrong(text),
        }
    }
}

/// Which posts to send.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToPost {
    /// Those without an answer, then new ones without an end.
    More,
    /// Those without an answer, then a new one.
    One,
    /// Those without an answer.
    Unanswered,
}

/// What all actors of a life have been told so far.
pub(crate) struct Told {
    /// The number to print next to, if any.
    printed: Option<Mutex<u64>>,
    counts: watch::Sender<Counts>,
    /// The last message of each that was acknowledged.
    latest: Mutex<std::collections::BTreeMap<Who, String>>,
}

/// How many posts.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Counts {
    pub(crate) acked: u64,
    /// Refused because the disk is full.
    pub(crate) full: u64,
}

impl Told {
    pub(crate) fn quiet() -> Self {
        Self { printed: None, counts: watch::Sender::default(), latest: Mutex::default() }
    }

    pub(crate) fn printed(before: u64) -> Self {
        Self { printed: Some(Mutex::new(before)), ..Self::quiet() }
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    /// Resolves when this holds.
    pub(crate) async fn until(&self, holds: impl FnMut(&Counts) -> bool) {
        let _ = self.counts.subscribe().wait_for(holds).await;
    }

    pub(crate) fn latest(&self, who: Who) -> Option<String> {
        self.latest.lock().ok()?.get(&who).cloned()
    }

    fn add(&self, who: Who, acked: &[String], full: u64) {
        if let (Ok(mut latest), Some(last)) = (self.latest.lock(), acked.last()) {
            latest.insert(who, last.split('/').next().unwrap_or_default().to_owned());
        }
        if let Some(Ok(mut total)) = self.printed.as_ref().map(Mutex::lock) {
            *total += acked.len() as u64;
            let mut out = std::io::stdout();
            let _ = writeln!(out, "{total}").and_then(|()| out.flush());
        }
        self.counts.send_modify(|counts| {
            counts.acked += acked.len() as u64;
            counts.full += full;
        });
    }
}

/// One post.
pub(crate) struct Post {
    /// Before it was first sent.
    pub(crate) sent: Stamp,
    /// Message id and time, and after the acknowledgement.
    pub(crate) acked: Option<(String, Stamp)>,
    /// It was refused at least once, so that later ones may stand before it.
    pub(crate) was_refused: bool,
}

/// What an actor posted.
pub(crate) struct Posts {
    who: Who,
    pub(crate) posts: Vec<Post>,
    /// How many answers came only when asked again.
    pub(crate) late: u64,
    journal: Journal,
}

impl Posts {
    pub(crate) fn load(ground: &Ground, who: Who) -> Result<Self, Wrong> {
        let (lines, journal) = Journal::open(&ground.journal("posts", who))?;
        let mut found = Self { who, posts: Vec::new(), late: 0, journal };
        for line in &lines {
            let mut words = Words::of(line);
            let (kind, number) = (words.word()?, words.number()?);
            if kind == "sent" {
                let sent = ground.stamps.seen(words.number()?);
                let more = number.saturating_sub(found.posts.len() as u64);
                found.posts.extend((0..more).map(|_| Post { sent, acked: None, was_refused: false }));
                continue;
            }
            let post = found.posts.get_mut(number as usize).ok_or_else(|| format!("journal of {who}: {line:?}"))?;
            if kind == "refused" {
                post.was_refused = true;
                continue;
            }
            let answer = words.word()?.to_owned();
            post.acked = Some((answer, ground.stamps.seen(words.number()?)));
            found.late += u64::from(kind == "late");
        }
        Ok(found)
    }

    pub(crate) fn acked(&self) -> u64 {
        self.posts.iter().filter(|post| post.acked.is_some()).count() as u64
    }

    fn sent(&self) -> u64 {
        self.posts.len() as u64
    }

    /// Posts over one stream, in order. Everything without an answer goes first.
    pub(crate) async fn post(&mut self, ground: &Ground, channel: Channel, to_post: ToPost, told: &Told) -> Stop {
        let room = match ground.room(self.who) {
            Ok(room) => room,
            Err(wrong) => return Stop::Wrong(wrong),
        };
        let sent_before = self.sent();
        let unanswered = |posts: &Self| -> Vec<u64> {
            let without = posts.posts.iter().zip(0..).filter(|(post, _)| post.acked.is_none());
            without.map(|(_, number)| number).collect()
        };
        let first = unanswered(self);
        if to_post == ToPost::Unanswered && first.is_empty() {
            return Stop::Done;
        }
        let begin = first.first().copied().unwrap_or(sent_before);
        let mut todo: VecDeque<u64> = (begin.saturating_sub(AGAIN)..begin).chain(first).collect();
        let mut under_way: VecDeque<u64> = VecDeque::new();
        let mut refused = None;
        let (sender, receiver) = mpsc::channel(WINDOW);
        let mut answers = None;
        let mut receiver = Some(receiver);
        let mut lines = String::new();
        let mut acked: Vec<String> = Vec::new();
        let mut full = 0;
        loop {
            let mut next: Vec<u64> = Vec::new();
            while refused.is_none() && under_way.len() + next.len() < WINDOW {
                match todo.pop_front() {
                    Some(number) => next.push(number),
                    None if to_post == ToPost::More || (to_post == ToPost::One && self.sent() == sent_before) => {
                        let sent = ground.stamps.next();
                        next.push(self.sent());
                        self.posts.push(Post { sent, acked: None, was_refused: false });
                        let _ = writeln!(lines, "sent {} {sent}", self.sent());
                    }
                    None => break,
                }
            }
            if let Err(wrong) = self.journal.append(&std::mem::take(&mut lines)) {
                return Stop::Wrong(wrong);
            }
            told.add(self.who, &std::mem::take(&mut acked), std::mem::take(&mut full));
            for number in next {
                let request = pb::PostMessagesRequest {
                    request_id: ground.request_id(self.who, number),
                    room_id: room.clone(),
                    draft: Some(ground.draft(self.who, number)),
                };
                // What is not taken is sent again by the next stream.
                if sender.try_send(request).is_err() {
                    return Stop::Cut("the stream takes no more posts".into());
                }
                under_way.push_back(number);
            }
            if under_way.is_empty() {
                return refused.map_or(Stop::Done, Stop::Refused);
            }
            if let Some(receiver) = receiver.take() {
                let stream = ReceiverStream::new(receiver);
                match Ground::messages(channel.clone()).post_messages(stream).await {
                    Ok(response) => answers = Some(response.into_inner()),
                    Err(status) => return Stop::of(&status),
                }
            }
            let Some(answers) = &mut answers else { return Stop::Cut("no stream".into()) };
            let outcomes = match answers.message().await {
                Ok(Some(response)) => response.outcomes,
                Ok(None) => return Stop::Cut("the stream of posts ended".into()),
                Err(status) => return Stop::of(&status),
            };
            for outcome in &outcomes {
                let Some(number) = under_way.pop_front() else { return Stop::Wrong("an answer to nothing".into()) };
                match self.answered(ground, number, outcome) {
                    Err(wrong) => return Stop::Wrong(format!("{}: {wrong}", ground.name(self.who))),
                    Ok(Answered::Again) => {}
                    Ok(Answered::New(answer)) => {
                        let kind = if number < sent_before { "late" } else { "acked" };
                        self.late += u64::from(number < sent_before);
                        let at = ground.stamps.next();
                        let _ = writeln!(lines, "{kind} {number} {answer} {at}");
                        self.posts[number as usize].acked = Some((answer.clone(), at));
                        acked.push(answer);
                    }
                    Ok(Answered::ForNow(why)) => {
                        full += u64::from(why.starts_with("STORE_FULL"));
                        self.posts[number as usize].was_refused = true;
                        let _ = writeln!(lines, "refused {number}");
                        refused = Some(why);
                    }
                }
            }
        }
    }

    fn answered(&self, ground: &Ground, number: u64, outcome: &pb::Outcome) -> Result<Answered, Wrong> {
        if outcome.request_id != ground.request_id(self.who, number) {
            return Err(format!("the answer to post {number} has another request id"));
        }
        let answer = match &outcome.answer {
            Some(outcome::Answer::Posted(posted)) => {
                let time = posted.recorded_time.unwrap_or_default();
                format!("{}/{}.{:09}", posted.message_id, time.seconds, time.nanos)
            }
            Some(outcome::Answer::Problem(problem)) if FOR_NOW.contains(&&*problem.reason) => {
                return Ok(Answered::ForNow(format!("{}: {}", problem.reason, problem.message)));
            }
            Some(outcome::Answer::Problem(problem)) => {
                return Err(format!("post {number} was not taken: {} {}", problem.reason, problem.message));
            }
            None => return Err(format!("the answer to post {number} is empty")),
        };
        match &self.posts[number as usize].acked {
            Some((before, _)) if *before == answer => Ok(Answered::Again),
            Some((before, _)) => Err(format!("post {number} was answered {before}, and when asked again {answer}")),
            None => Ok(Answered::New(answer)),
        }
    }
}

enum Answered {
    New(String),
    Again,
    ForNow(String),
}
