//! What does one organisation allow, and what was it told? Again and again it takes back its consent for logs, in one of several ways,
//! and gives it anew. Each act is sent until it is answered, with one request id; the next one only after that.

use std::time::Duration;

use prost_types::Timestamp;
use samverkan::api::consent_service_client::ConsentServiceClient;
use samverkan::api::{self as pb, withdraw_consent_request::Scope};
use tonic::transport::Channel;

use crate::Wrong;
use crate::ground::{Ground, Who, random};
use crate::journal::{Journal, Stamp, Words};
use crate::posts::{Stop, ToPost, Told};

/// What an act does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Shares logs directly with other affected organisations.
    Give,
    /// Says no to that.
    Narrow,
    /// Withdraws everything.
    WithdrawAll,
    /// Withdraws logs.
    WithdrawLogs,
    /// Withdraws what it gave to other affected organisations.
    WithdrawAudience,
    /// Takes one message back.
    WithdrawMessage(String),
}

impl Kind {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Give => "give".into(),
            Self::Narrow => "narrow".into(),
            Self::WithdrawAll => "all".into(),
            Self::WithdrawLogs => "logs".into(),
            Self::WithdrawAudience => "audience".into(),
            Self::WithdrawMessage(id) => format!("message:{id}"),
        }
    }

    fn parse(word: &str) -> Result<Self, Wrong> {
        Ok(match word {
            "give" => Self::Give,
            "narrow" => Self::Narrow,
            "all" => Self::WithdrawAll,
            "logs" => Self::WithdrawLogs,
            "audience" => Self::WithdrawAudience,
            _ => match word.strip_prefix("message:") {
                Some(id) => Self::WithdrawMessage(id.to_owned()),
                None => return Err(format!("a journal has the act {word:?}")),
            },
        })
    }
}

/// One act.
pub(crate) struct Act {
    pub(crate) kind: Kind,
    /// Before it was first sent.
    pub(crate) sent: Stamp,
    /// When the server says that it happened, and after the acknowledgement.
    pub(crate) acked: Option<(String, Stamp)>,
}

/// What an organisation did about its consent.
pub(crate) struct Acts {
    who: Who,
    pub(crate) acts: Vec<Act>,
    journal: Journal,
}

pub(crate) fn time_text(time: Option<Timestamp>) -> String {
    let time = time.unwrap_or_default();
    format!("{}.{:09}", time.seconds, time.nanos)
}

impl Acts {
    pub(crate) fn load(ground: &Ground, who: Who) -> Result<Self, Wrong> {
        let (lines, journal) = Journal::open(&ground.journal("acts", who))?;
        let mut found = Self { who, acts: Vec::new(), journal };
        for line in &lines {
            let mut words = Words::of(line);
            match words.word()? {
                "sent" => {
                    let sent = ground.stamps.seen(words.number()?);
                    found.acts.push(Act { kind: Kind::parse(words.word()?)?, sent, acked: None });
                }
                _ => {
                    let time = words.word()?.to_owned();
                    let at = ground.stamps.seen(words.number()?);
                    found.acts.last_mut().ok_or("an answer to no act")?.acked = Some((time, at));
                }
            }
        }
        Ok(found)
    }

    /// What comes next. Every other act gives what the one before it took.
    fn next(&self, ground: &Ground, told: &Told) -> Kind {
        let number = self.acts.len() as u64;
        if !number.is_multiple_of(2) {
            return Kind::Give;
        }
        match random(ground.seed, 0xac75 ^ self.who << 40 ^ number) % 5 {
            0 => Kind::Narrow,
            1 => Kind::WithdrawAll,
            2 => Kind::WithdrawAudience,
            3 => match told.latest(self.who).map(Kind::WithdrawMessage) {
                Some(kind) if self.acts.iter().all(|act| act.kind != kind) => kind,
                Some(_) | None => Kind::WithdrawLogs,
            },
            _ => Kind::WithdrawLogs,
        }
    }

    /// Asks again about what was not answered, then acts without an end.
    pub(crate) async fn act(&mut self, ground: &Ground, channel: Channel, to_do: ToPost, told: &Told) -> Stop {
        let begin_with = self.acts.len();
        loop {
            if self.acts.last().is_none_or(|act| act.acked.is_some()) {
                match to_do {
                    ToPost::Unanswered => return Stop::Done,
                    ToPost::One if self.acts.len() > begin_with => return Stop::Done,
                    ToPost::One => {}
                    ToPost::More => {
                        // The load's pace; nothing waits for it.
                        let pause = 5 + random(ground.seed, 0xbace ^ self.who << 40 ^ self.acts.len() as u64) % 80;
                        tokio::time::sleep(Duration::from_millis(pause)).await;
                    }
                }
                let (kind, sent) = (self.next(ground, told), ground.stamps.next());
                if let Err(wrong) = self.journal.append(&format!("sent {sent} {}\n", kind.text())) {
                    return Stop::Wrong(wrong);
                }
                self.acts.push(Act { kind, sent, acked: None });
            }
            let number = self.acts.len() as u64 - 1;
            let time = match self.send(ground, channel.clone(), number).await {
                Ok(time) => time_text(time),
                Err(status) => return Stop::of(&status),
            };
            let at = ground.stamps.next();
            if let Err(wrong) = self.journal.append(&format!("acked {time} {at}\n")) {
                return Stop::Wrong(wrong);
            }
            if let Some(act) = self.acts.last_mut() {
                act.acked = Some((time, at));
            }
        }
    }

    async fn send(&self, ground: &Ground, channel: Channel, number: u64) -> Result<Option<Timestamp>, tonic::Status> {
        let room_id = ground.room(self.who).map_err(tonic::Status::invalid_argument)?;
        // Numbers of posts stay below.
        let request_id = ground.request_id(self.who, 1 << 40 | number);
        let mut client = ConsentServiceClient::new(channel);
        let withdraw = |scope| pb::WithdrawConsentRequest {
            request_id: request_id.clone(),
            room_id: room_id.clone(),
            scope: Some(scope),
            recall_answer_by_time: None,
        };
        let give = |sharing| pb::GiveConsentRequest {
            request_id: request_id.clone(),
            room_id: room_id.clone(),
            change: Some(Ground::consent(sharing)),
            expected_version: None,
        };
        let scope = match &self.acts[number as usize].kind {
            Kind::Give => return Ok(client.give_consent(give(pb::Sharing::Direct)).await?.into_inner().recorded_time),
            Kind::Narrow => return Ok(client.give_consent(give(pb::Sharing::No)).await?.into_inner().recorded_time),
            Kind::WithdrawAll => Scope::All(true),
            Kind::WithdrawLogs => Scope::Material(pb::Material::Logs as i32),
            Kind::WithdrawAudience => Scope::Audience(pb::Audience::OtherAffectedOrganisations as i32),
            Kind::WithdrawMessage(id) => Scope::MessageId(id.clone()),
        };
        Ok(client.withdraw_consent(withdraw(scope)).await?.into_inner().recorded_time)
    }
}
