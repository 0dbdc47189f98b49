//! What does one seat receive? It subscribes after the last index that it has, and writes down each delivery before it takes the next.

use std::fmt::Write as _;

use prost::Message;
use samverkan::api::{self as pb, delivery, subscribe_response};
use sha2::{Digest, Sha256};
use tonic::transport::Channel;

use crate::Wrong;
use crate::acts::time_text;
use crate::files::CARRIER;
use crate::ground::{Ground, Who};
use crate::journal::{Journal, Stamp, Words};
use crate::posts::Stop;

/// What stands at an index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// A seat's n-th message, with its id and time.
    Message(Who, u64, String),
    Withdrawn,
    /// These indexes were withdrawn, from, to.
    Notice(Vec<(u64, u64)>),
    /// An organisation gave or withdrew consent: its id, the act and its time.
    Act(String, String, String),
    Other,
}

/// One delivery: a digest of all of it, and what it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Read {
    pub(crate) digest: String,
    pub(crate) what: What,
}

/// One delivery of a stream.
pub(crate) struct Received {
    pub(crate) read: Read,
    /// Before the stream was asked for.
    pub(crate) begun: Stamp,
    /// After it came.
    pub(crate) at: Stamp,
}

/// What a seat received, by index.
pub(crate) struct Reads {
    who: Who,
    pub(crate) reads: Vec<Received>,
    journal: Journal,
}

impl Reads {
    pub(crate) fn load(ground: &Ground, who: Who) -> Result<Self, Wrong> {
        let (lines, journal) = Journal::open(&ground.journal("reads", who))?;
        let mut reads = Vec::new();
        let mut begun = 0;
        for line in &lines {
            let mut words = Words::of(line);
            let digest = words.word()?.to_owned();
            let at = ground.stamps.seen(words.number()?);
            let what = match words.word()? {
                "stream" => {
                    begun = at;
                    continue;
                }
                "message" => What::Message(words.number()?, words.number()?, words.word()?.to_owned()),
                "withdrawn" => What::Withdrawn,
                // The rest is compared by its digest.
                _ => What::Other,
            };
            reads.push(Received { read: Read { digest, what }, begun, at });
        }
        Ok(Self { who, reads, journal })
    }

    fn take(&mut self, ground: &Ground, begun: Stamp, batch: &pb::Batch) -> Result<(), Wrong> {
        let expected = self.reads.len() as u64 + 1;
        if batch.first_index != expected {
            return Err(format!("index {expected} was due and {} came", batch.first_index));
        }
        let at = ground.stamps.next();
        let mut lines = String::new();
        for delivery in &batch.deliveries {
            let read = look(ground, delivery)?;
            let _ = match &read.what {
                What::Message(who, number, id) => writeln!(lines, "{} {at} message {who} {number} {id}", read.digest),
                What::Withdrawn => writeln!(lines, "{} {at} withdrawn", read.digest),
                What::Notice(_) | What::Act(..) | What::Other => writeln!(lines, "{} {at} other", read.digest),
            };
            self.reads.push(Received { read, begun, at });
        }
        self.journal.append(&lines)
    }

    /// Subscribes after the last index, and takes what comes.
    pub(crate) async fn follow(&mut self, ground: &Ground, channel: Channel) -> Stop {
        let begun = ground.stamps.next();
        let opened = ground.room(self.who).and_then(|room| {
            self.journal.append(&format!("- {begun} stream\n"))?;
            Ok(room)
        });
        let room_id = match opened {
            Ok(room_id) => room_id,
            Err(wrong) => return Stop::Wrong(wrong),
        };
        let request = pb::SubscribeRequest { room_id, after_index: self.reads.len() as u64 };
        let mut stream = match Ground::messages(channel).subscribe(request).await {
            Ok(response) => response.into_inner(),
            Err(status) => return self.stopped(ground, &status),
        };
        loop {
            match stream.message().await.map(|response| response.and_then(|response| response.content)) {
                Ok(Some(subscribe_response::Content::Batch(batch))) => {
                    if let Err(wrong) = self.take(ground, begun, &batch) {
                        return Stop::Wrong(format!("{}: {wrong}", ground.name(self.who)));
                    }
                }
                Ok(Some(subscribe_response::Content::Heartbeat(_))) => {}
                Ok(None) => return Stop::Cut("the subscription ended".into()),
                Err(status) => return self.stopped(ground, &status),
            }
        }
    }

    fn stopped(&self, ground: &Ground, status: &tonic::Status) -> Stop {
        match Stop::of(status) {
            // After a loss, what was received is past the end of what is left.
            Stop::Wrong(wrong) => {
                Stop::Wrong(format!("{}, who has {} deliveries: {wrong}", ground.name(self.who), self.reads.len()))
            }
            other => other,
        }
    }
}

/// What a delivery is. Each message must be one of the plan, word for word.
fn look(ground: &Ground, delivery: &pb::Delivery) -> Result<Read, Wrong> {
    use delivery::Content;
    let digest = Sha256::digest(delivery.encode_to_vec())[..12].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let organisation = |participant: &Option<pb::Participant>| {
        participant.as_ref().map(|participant| participant.organisation_id.clone()).unwrap_or_default()
    };
    let time = time_text(delivery.recorded_time);
    let what = match &delivery.content {
        // What `files` says of them is looked at there.
        Some(Content::Message(message)) if message.attachment.is_some() || message.text.starts_with(CARRIER) => {
            What::Other
        }
        Some(Content::Message(message)) => {
            let mut words = message.text.splitn(3, ' ');
            let mut number = || words.next().and_then(|word| word.parse().ok());
            let (Some(who), Some(number)) = (number(), number()) else {
                return Err("a message that nobody posted".into());
            };
            let draft = ground.draft(who, number);
            if (&draft.text, draft.material, draft.tlp) != (&message.text, message.material, message.tlp) {
                return Err(format!("message {number} of {} differs from what was posted", ground.name(who)));
            }
            What::Message(who, number, format!("{}/{time}", message.message_id))
        }
        Some(Content::Withdrawn(_)) => What::Withdrawn,
        Some(Content::WithdrawalNotice(notice)) => {
            What::Notice(notice.ranges.iter().map(|range| (range.first_index, range.last_index)).collect())
        }
        Some(Content::ConsentGiven(given)) => {
            let cells = given.change.iter().flat_map(|change| &change.cells);
            let is_no = cells.into_iter().any(|cell| cell.sharing == pb::Sharing::No as i32);
            What::Act(organisation(&given.participant), if is_no { "narrow" } else { "give" }.into(), time)
        }
        Some(Content::ConsentWithdrawn(withdrawn)) => {
            use pb::consent_withdrawn::Scope;
            let scope = match &withdrawn.scope {
                Some(Scope::All(_)) => "all".into(),
                Some(Scope::Material(_)) => "logs".into(),
                Some(Scope::Audience(_)) => "audience".into(),
                Some(Scope::MessageId(id)) => format!("message:{id}"),
                Some(Scope::Name(_)) | None => return Err("a withdrawal that nobody made".into()),
            };
            What::Act(organisation(&withdrawn.participant), scope, time)
        }
        Some(_) | None => What::Other,
    };
    Ok(Read { digest, what })
}

/// Everything in a mailbox, from the first index, in pages. None: the room does not verify, and is served no more.
pub(crate) async fn list(ground: &Ground, channel: Channel, reader: Who) -> Result<Option<Vec<Read>>, Wrong> {
    let mut client = Ground::messages(channel);
    let mut found: Vec<Read> = Vec::new();
    let room_id = ground.room(reader)?;
    loop {
        let after_index = found.len() as u64;
        let request = pb::ListMessagesRequest { room_id: room_id.clone(), after_index, page_size: 1000 };
        let page = match client.list_messages(request).await {
            Ok(page) => page.into_inner(),
            Err(status) if status.code() == tonic::Code::DataLoss => return Ok(None),
            Err(status) => return Err(status.to_string()),
        };
        if page.deliveries.is_empty() {
            return Ok(Some(found));
        }
        if page.first_index != after_index + 1 {
            return Err(format!("a page after index {after_index} begins at {}", page.first_index));
        }
        for delivery in &page.deliveries {
            found.push(look(ground, delivery)?);
        }
    }
}
