//! What do all commands that talk to a server have in common? A context, a connection, and rooms named by the beginning of their id.
//!
//! Tested below.

use std::sync::OnceLock;

use super::failure::{Exit, Failure};
use super::output::{Output, note};
use super::renew;
use crate::client::{Client, Contexts, pb};

/// Fewer characters of an id would too often mean another room tomorrow.
const PREFIX_CHARS_MIN: usize = 4;
/// Hyphens included.
const UUID_CHARS: usize = 36;
/// The most that the server gives in a page.
const PAGE: i32 = 1000;

/// What was said on the command line about who calls and how to print.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) context: Option<String>,
    pub(crate) output: Output,
    client: OnceLock<Client>,
}

impl Session {
    pub(crate) fn new(context: Option<String>, output: Output) -> Self {
        Self { context, output, client: OnceLock::new() }
    }

    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        let (name, context) = Contexts::from_environment()?.load(self.context.as_deref())?;
        tracing::debug!(context = %name, address = %context.address, "connecting");
        renew::finish(&context)?;
        let client = Client::connect(&context).await?;
        let _ = self.client.set(client.clone());
        Ok(client)
    }

    /// Says that the certificate should be renewed, if the server has said so.
    pub(crate) fn remind(&self) {
        if let Some(expires) = self.client.get().and_then(Client::renewal_due) {
            note(renew::reminder(expires));
        }
    }
}

/// Calls with page after page until there is none left.
macro_rules! all_pages {
    ($client:ident . $call:ident ( $request:ident { $($field:ident : $value:expr),* $(,)? } ) . $list:ident) => {{
        let mut all = Vec::new();
        let mut request = $crate::client::pb::$request { page_size: 1000, $($field: $value,)* ..Default::default() };
        loop {
            let page = $client.$call(request.clone()).await?;
            all.extend(page.$list);
            if page.next_page_token.is_empty() {
                break all;
            }
            request.page_token = page.next_page_token;
        }
    }};
}
pub(crate) use all_pages;

/// The rooms that the caller is in.
pub(crate) async fn rooms(client: &Client) -> Result<Vec<pb::RoomSummary>, Failure> {
    Ok(all_pages!(client.list_rooms(ListRoomsRequest {}).rooms))
}

/// The caller's open invitations.
pub(crate) async fn invitations(client: &Client) -> Result<Vec<pb::Invitation>, Failure> {
    Ok(all_pages!(client.list_invitations(ListInvitationsRequest {}).invitations))
}

/// The room that is meant: by its id, by the beginning of it, or the only one.
pub(crate) async fn room(client: &Client, given: Option<&str>) -> Result<String, Failure> {
    if let Some(id) = given.filter(|given| given.len() == UUID_CHARS) {
        return Ok(id.to_lowercase());
    }
    let rooms = rooms(client).await?;
    let named: Vec<_> = rooms.iter().map(|room| (room.room_id.as_str(), room.title.as_str())).collect();
    choose("room", &named, given).map_err(|failure| {
        if failure.hint.is_some() { failure } else { failure.hint("`samverkan room list` shows your rooms") }
    })
}

/// The invitation that is meant.
pub(crate) async fn invitation(client: &Client, given: Option<&str>) -> Result<String, Failure> {
    if let Some(id) = given.filter(|given| given.len() == UUID_CHARS) {
        return Ok(id.to_lowercase());
    }
    let invitations = invitations(client).await?;
    let named: Vec<_> = invitations.iter().map(|one| (one.invitation_id.as_str(), one.title.as_str())).collect();
    choose("invitation", &named, given).map_err(|failure| {
        if failure.hint.is_some() {
            failure
        } else {
            failure.hint("`samverkan room invitations` shows your invitations")
        }
    })
}

/// The only one, or the only one whose id begins like this.
pub(crate) fn choose(what: &str, all: &[(&str, &str)], given: Option<&str>) -> Result<String, Failure> {
    let prefix = given.unwrap_or_default().to_lowercase();
    if given.is_some() && prefix.len() < PREFIX_CHARS_MIN {
        return Err(Failure::usage(format!(
            "{prefix:?} is too short for a {what}: give its id, or at least {PREFIX_CHARS_MIN} characters of its beginning"
        )));
    }
    let found: Vec<_> = all.iter().filter(|(id, _)| id.starts_with(&prefix)).collect();
    match (found.as_slice(), given) {
        ([(id, _)], _) => Ok((*id).to_owned()),
        ([], Some(_)) => Err(Failure::new(Exit::Refused, format!("no {what} of yours begins with {prefix:?}"))),
        ([], None) => Err(Failure::new(Exit::Refused, format!("you have no {what}"))),
        (several, _) => {
            let shown: Vec<_> = several.iter().take(5).map(|(id, title)| format!("{} ({title})", short(id))).collect();
            let more = if several.len() > shown.len() { ", …" } else { "" };
            let how = if what == "room" { "--room " } else { "" };
            Err(Failure::usage(format!("which {what}? {}{more}", shown.join(", ")))
                .hint(format!("say which with {how}{}", several.first().map_or("", |(id, _)| short(id)))))
        }
    }
}

/// The beginning of an id, enough to type.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// Deliveries a page.
pub(crate) const fn page_size() -> i32 {
    PAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMS: [(&str, &str); 3] = [("aaaa1111-0", "one"), ("aaaa2222-0", "two"), ("bbbb3333-0", "three")];

    #[test]
    fn a_unique_beginning_is_enough() {
        assert_eq!(choose("room", &ROOMS, Some("bbbb")).expect("found"), "bbbb3333-0");
        assert_eq!(choose("room", &ROOMS, Some("AAAA2")).expect("found"), "aaaa2222-0");
        assert_eq!(choose("room", &ROOMS[2..], None).expect("found"), "bbbb3333-0");
    }

    #[test]
    fn what_may_mean_several_or_none_is_refused() {
        let message = |given| choose("room", &ROOMS, given).expect_err("refused").message;
        assert!(message(Some("aaaa")).contains("aaaa1111 (one), aaaa2222 (two)"));
        assert!(message(Some("bb")).contains("at least 4"));
        assert!(message(Some("cccc")).contains("begins with"));
        assert!(message(None).contains("which room?"));
        assert!(choose("room", &[], None).expect_err("refused").message.contains("you have no room"));
    }
}
