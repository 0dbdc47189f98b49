//! Where does the next page begin? Text that only this store can have written, for this caller, method and filter only.
//!
//! The position is the last id of the page before, which the caller has seen, so it need not be secret; but a token must not be
//! made by hand, or carried to another caller, method or room (DECISIONS 35). Leans on HMAC-SHA256 under a secret of the store.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::authorisation::Method;
use super::status::CallError;
use crate::room::ids::Actor;

const MAC_BYTES: usize = 32;

/// Which list a token belongs to.
pub(super) struct List<'a> {
    pub(super) method: Method,
    pub(super) caller: &'a Actor,
    /// What else the request says about which items are listed, such as the room.
    pub(super) filter: &'a str,
}

impl List<'_> {
    /// A token for the page after `position`.
    pub(super) fn seal(&self, key: &[u8; 32], position: &str) -> String {
        let mac = self.mac(key, position.as_bytes()).finalize().into_bytes();
        position.bytes().chain(mac).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The position of a token; `None` for the first page. Refused, if the token is not of this list.
    pub(super) fn open(&self, key: &[u8; 32], token: &str) -> Result<Option<String>, CallError> {
        if token.is_empty() {
            return Ok(None);
        }
        let position = unhex(token).and_then(|mut bytes| {
            let mac = bytes.split_off(bytes.len().checked_sub(MAC_BYTES)?);
            self.mac(key, &bytes).verify_slice(&mac).ok()?;
            String::from_utf8(bytes).ok()
        });
        let wrong =
            || CallError::invalid("page_token", "is not one that this method gave you for this list; begin with none");
        position.map(Some).ok_or_else(wrong)
    }

    fn mac(&self, key: &[u8; 32], position: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        let caller = self.caller.to_string();
        let parts: [&[u8]; 5] =
            [b"samverkan/page/1", self.method.path.as_bytes(), caller.as_bytes(), self.filter.as_bytes(), position];
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::authorisation::{LIST_PARTICIPANTS, LIST_ROOMS};
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn actor(name: &str) -> Actor {
        format!("org/region-a/user/{name}").parse().expect("is an actor")
    }

    #[test]
    fn a_token_leads_back_to_its_position() {
        let anna = actor("anna");
        let list = List { method: LIST_ROOMS, caller: &anna, filter: "" };
        let token = list.seal(&KEY, "position");
        assert_eq!(list.open(&KEY, &token).expect("is ours"), Some("position".to_owned()));
        assert_eq!(list.open(&KEY, "").expect("is the first page"), None);
    }

    #[test]
    fn a_token_is_refused_for_another_caller_method_filter_or_store_and_when_changed() {
        let (anna, bo) = (actor("anna"), actor("bo"));
        let list = |method, caller, filter| List { method, caller, filter };
        let token = list(LIST_PARTICIPANTS, &anna, "room 1").seal(&KEY, "position");
        assert!(list(LIST_PARTICIPANTS, &bo, "room 1").open(&KEY, &token).is_err());
        assert!(list(LIST_ROOMS, &anna, "room 1").open(&KEY, &token).is_err());
        assert!(list(LIST_PARTICIPANTS, &anna, "room 2").open(&KEY, &token).is_err());
        let own = list(LIST_PARTICIPANTS, &anna, "room 1");
        assert!(own.open(&[8; 32], &token).is_err());
        for wrong in ["0", "00", "zz", &token[2..], &token.to_uppercase(), &format!("{token}0"), &format!("{token}00")]
        {
            assert!(own.open(&KEY, wrong).is_err(), "{wrong}");
        }
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            assert!(own.open(&KEY, std::str::from_utf8(&changed).expect("hex is text")).is_err(), "{at}");
        }
    }
}
