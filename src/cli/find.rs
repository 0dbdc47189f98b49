//! Which message, question or release is meant? The number that `tail` shows before it, its id, or the beginning of its id.
//!
//! A number is looked up with one call. The beginning of an id is looked for in the caller's mailbox from its first delivery on, and no
//! further than it must; what had not been shown to the caller by then counts as received. Tested below.

use std::str::FromStr;

use super::failure::{Exit, Failure};
use super::room::RoomArgument;
use super::session::{self, Session, page_size};
use crate::client::{Client, ClientError, pb};
use pb::delivery::Content;

/// Characters of an id that stand for it where it is shown.
pub(crate) const SHORT_CHARS: usize = 8;
/// Hyphens included.
const UUID_CHARS: usize = 36;

/// How something was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Handle {
    /// Its number in the caller's own mailbox.
    Index(u64),
    /// Its id.
    Id(String),
    /// How its id begins.
    Beginning(String),
}

impl FromStr for Handle {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().to_lowercase();
        let of_an_id = text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if text.len() < SHORT_CHARS
            && let Ok(index @ 1..) = text.parse()
        {
            return Ok(Self::Index(index));
        }
        match text.len() {
            UUID_CHARS if of_an_id => Ok(Self::Id(text)),
            SHORT_CHARS..UUID_CHARS if of_an_id => Ok(Self::Beginning(text)),
            _ => Err(format!(
                "{text:?} is neither a number that `samverkan tail` shows, nor an id or its first {SHORT_CHARS} characters"
            )),
        }
    }
}

/// What can be named so.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    what: &'static str,
    id_of: fn(&Content) -> &str,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $what:literal $content:ident.$id:ident;)*) => {
        $($(#[$doc])* pub(crate) const $name: Kind = Kind {
            what: $what,
            id_of: |content| if let Content::$content(found) = content { &found.$id } else { "" },
        };)*
    };
}

kinds! {
    /// A message.
    MESSAGE = "message" Message.message_id;
    /// A release.
    RELEASE = "release" MessagesReleased.release_id;
    /// A question to a source.
    ASK = "question about consent" ConsentAsked.ask_id;
    /// A notice that asks for deletion.
    RECALL = "notice that asks for deletion" WithdrawalNotice.recall_id;
    /// A proposed introduction.
    INTRODUCTION = "introduction that was proposed to you" IntroductionProposed.introduction_id;
    /// A proposed legal disclosure.
    DISCLOSURE = "proposed legal disclosure" LegalDisclosureProposed.disclosure_id;
    /// A proposed erasure.
    ERASURE = "proposed erasure" ErasureProposed.erasure_id;
}

/// One room, as the caller stands in it.
pub(crate) struct Here {
    pub(crate) client: Client,
    pub(crate) room_id: String,
}

impl Here {
    /// Connects, and finds the room that is meant.
    pub(crate) async fn enter(session: &Session, room: &RoomArgument) -> Result<Self, Failure> {
        let client = session.connect().await?;
        let room_id = session::room(&client, room.room.as_deref()).await?;
        Ok(Self { client, room_id })
    }

    /// The deliveries that are meant and their numbers, in the order in which they were named.
    pub(crate) async fn find_all(&self, handles: &[Handle], kind: Kind) -> Result<Vec<(u64, pb::Delivery)>, Failure> {
        let mut found = vec![None; handles.len()];
        for (handle, place) in handles.iter().zip(&mut found) {
            if let Handle::Index(index) = handle {
                *place = Some((*index, self.at(*index, kind).await?));
            }
        }
        self.search(handles, kind, &mut found).await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The delivery that is meant, and its number.
    pub(crate) async fn find(&self, handle: &Handle, kind: Kind) -> Result<(u64, pb::Delivery), Failure> {
        let found = self.find_all(std::slice::from_ref(handle), kind).await?.pop();
        found.ok_or_else(|| not_there(handle, kind))
    }

    /// The ids of what is meant. A whole id is taken as it is, without a call.
    pub(crate) async fn ids(&self, handles: &[Handle], kind: Kind) -> Result<Vec<String>, Failure> {
        let mut ids = Vec::with_capacity(handles.len());
        for handle in handles {
            ids.push(self.id(handle, kind).await?);
        }
        Ok(ids)
    }

    /// The id of what is meant.
    pub(crate) async fn id(&self, handle: &Handle, kind: Kind) -> Result<String, Failure> {
        match handle {
            Handle::Id(id) => Ok(id.clone()),
            Handle::Index(_) | Handle::Beginning(_) => {
                let (_, delivery) = self.find(handle, kind).await?;
                Ok(id_of(&delivery, kind).to_owned())
            }
        }
    }

    /// The messages that are meant and their numbers, in the order in which they were named.
    pub(crate) async fn messages(&self, handles: &[Handle]) -> Result<Vec<(u64, pb::Message)>, Failure> {
        let all = self.find_all(handles, MESSAGE).await?.into_iter();
        let message = |(index, delivery): (u64, pb::Delivery)| match delivery.content {
            Some(Content::Message(message)) => Some((index, message)),
            _ => None,
        };
        Ok(all.filter_map(message).collect())
    }

    /// The message that is meant, and its number.
    pub(crate) async fn message(&self, handle: &Handle) -> Result<(u64, pb::Message), Failure> {
        let found = self.messages(std::slice::from_ref(handle)).await?.pop();
        found.ok_or_else(|| not_there(handle, MESSAGE))
    }

    async fn at(&self, index: u64, kind: Kind) -> Result<pb::Delivery, Failure> {
        let request = pb::ListMessagesRequest { room_id: self.room_id.clone(), after_index: index - 1, page_size: 1 };
        let page = match self.client.list_messages(request).await {
            Err(ClientError::Refused(refused)) if refused.reason == "INDEX_PAST_END" => None,
            other => Some(other?),
        };
        let delivery = page.and_then(|page| page.deliveries.into_iter().next()).ok_or_else(|| nothing_at(index))?;
        if id_of(&delivery, kind).is_empty() { Err(not_that(index, kind)) } else { Ok(delivery) }
    }

    /// Looks for those that were named by an id or its beginning, page by page until there is one for each.
    async fn search(
        &self,
        handles: &[Handle],
        kind: Kind,
        found: &mut [Option<(u64, pb::Delivery)>],
    ) -> Result<(), Failure> {
        let mut request =
            pb::ListMessagesRequest { room_id: self.room_id.clone(), after_index: 0, page_size: page_size() };
        while let Some(missing) = found.iter().position(Option::is_none) {
            let page = self.client.list_messages(request.clone()).await?;
            if page.deliveries.is_empty() {
                return Err(not_there(&handles[missing], kind));
            }
            request.after_index = page.first_index + page.deliveries.len() as u64 - 1;
            for (handle, place) in handles.iter().zip(&mut *found) {
                if let (Handle::Id(beginning) | Handle::Beginning(beginning), None) = (handle, &*place) {
                    *place = only(page.first_index, &page.deliveries, beginning, kind)?;
                }
            }
        }
        Ok(())
    }
}

fn id_of(delivery: &pb::Delivery, kind: Kind) -> &str {
    delivery.content.as_ref().map_or("", kind.id_of)
}

/// The one in this page whose id begins so; the newest place of it, if it has several.
fn only(
    first_index: u64,
    deliveries: &[pb::Delivery],
    beginning: &str,
    kind: Kind,
) -> Result<Option<(u64, pb::Delivery)>, Failure> {
    let mut found: Option<(u64, &pb::Delivery)> = None;
    for (index, delivery) in (first_index..).zip(deliveries) {
        if !id_of(delivery, kind).starts_with(beginning) {
            continue;
        }
        if let Some((other, known)) = found
            && id_of(known, kind) != id_of(delivery, kind)
        {
            return Err(Failure::usage(format!("{beginning} may be {other} or {index}; say which")));
        }
        found = Some((index, delivery));
    }
    Ok(found.map(|(index, delivery)| (index, delivery.clone())))
}

fn not_there(handle: &Handle, kind: Kind) -> Failure {
    let message = match handle {
        Handle::Index(index) => return nothing_at(*index),
        Handle::Id(id) => format!("no {} that you can see has the id {id}", kind.what),
        Handle::Beginning(beginning) => format!("no {} that you can see begins with {beginning}", kind.what),
    };
    Failure::new(Exit::Refused, message).hint("`samverkan tail` shows what there is, with its numbers")
}

fn nothing_at(index: u64) -> Failure {
    Failure::new(Exit::Refused, format!("nothing has been delivered to you under {index}"))
        .hint("`samverkan tail` shows what there is, with its numbers")
}

fn not_that(index: u64, kind: Kind) -> Failure {
    Failure::new(Exit::Refused, format!("{index} is no {}, or it was withdrawn", kind.what))
        .hint(format!("`samverkan tail --after {}` shows it", index - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123abcd-0000-4000-8000-000000000000";

    #[test]
    fn short_numbers_are_places_and_the_rest_are_ids() {
        assert_eq!("12".parse(), Ok(Handle::Index(12)));
        assert_eq!("1234567".parse(), Ok(Handle::Index(1_234_567)));
        assert_eq!("12345678".parse(), Ok(Handle::Beginning("12345678".into())));
        assert_eq!("0123ABCD-00".parse(), Ok(Handle::Beginning("0123abcd-00".into())));
        assert_eq!(ID.parse(), Ok(Handle::Id(ID.into())));
        for wrong in ["", "0", "abc", "-3", "region-a", "0123456g", &format!("{ID}0")] {
            assert!(wrong.parse::<Handle>().is_err_and(|error| error.contains("samverkan tail")), "{wrong}");
        }
    }

    fn message(id: &str) -> pb::Delivery {
        let message = pb::Message { message_id: id.into(), ..Default::default() };
        pb::Delivery { recorded_time: None, content: Some(Content::Message(message)) }
    }

    #[test]
    fn a_message_that_came_again_is_found_where_it_stands_now() {
        let page = vec![message(ID), message("ffff0000-x"), message(ID)];
        let found = only(4, &page, "0123abcd", MESSAGE).expect("one message").expect("found");
        assert_eq!(found.0, 6);
    }

    #[test]
    fn two_messages_that_begin_alike_are_not_guessed_between() {
        let page = vec![message("0123abcd-1"), message("0123abcd-2")];
        assert!(only(1, &page, "0123abcd", MESSAGE).is_err_and(|failure| failure.message.contains("1 or 2")));
        assert!(only(1, &[message(ID)], "0123abcd", ASK).is_ok_and(|found| found.is_none()), "it is no question");
    }
}
