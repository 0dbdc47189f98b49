//! Who may get a certificate: by which invite, or on the strength of the one that it has? Part of the directory.
//!
//! An invite is for one actor and good for one public key: the first that comes with its secret. It is known by the digest of that
//! secret only, so that whoever reads the store can't use it. Where the coordinator wants to hear from a person first, that key waits
//! until the coordinator types what its owner reads out ([`spoken_code`]). Renewals are kept by descent, so that with a revoked
//! certificate fall those that its holder got by it. Leans on: `ids`. Upholds: R3, R8, R10. Tested below and in
//! `tests/it/enrolment.rs`, `tests/it/renewal.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::ids::{Actor, InviteId, Timestamp};
use super::refusal::Refusal;
use crate::limits;

/// A certificate that was issued.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IssuedCertificate {
    /// For whom.
    pub actor: Actor,
    /// The certificate itself, DER.
    pub certificate: Arc<[u8]>,
    /// SHA-256 of its public key (SubjectPublicKeyInfo, DER).
    pub public_key: [u8; 32],
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
    /// The end of its validity.
    pub not_after: Timestamp,
}

/// A new invite, as it is wished for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewInvite {
    /// Its id.
    pub invite: InviteId,
    /// For whom.
    pub actor: Actor,
    /// Digest of its secret.
    pub secret: [u8; 32],
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// Whether the coordinator approves by a spoken code before anything is issued.
    pub needs_approval: bool,
}

/// A public key that came with an invite's secret, where the coordinator approves first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// SHA-256 of the public key.
    pub public_key: [u8; 32],
    /// When it came.
    pub at: Timestamp,
    /// When the coordinator approved it, if it has.
    pub approved_at: Option<Timestamp>,
}

/// What comes next for a public key that came with an invite's secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step<'a> {
    /// It waits for the coordinator from now on.
    Claim,
    /// It waits already.
    Wait,
    /// Its certificate is to be made.
    Issue,
    /// Its certificate was made: a client whose connection was cut asks again.
    Issued(&'a IssuedCertificate),
}

/// An invite to get a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invite {
    /// For whom.
    pub actor: Actor,
    /// Digest of its secret.
    pub secret: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub by: Actor,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// Whether the coordinator approves before anything is issued.
    pub needs_approval: bool,
    /// Who waits for that.
    pub claim: Option<Claim>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// What was issued by it, and when.
    pub used: Option<(Timestamp, IssuedCertificate)>,
}

impl Invite {
    /// Whether a first certificate can be had by it.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.used.is_none() && now < self.expires_at
    }

    /// Whether a key waits for the coordinator.
    pub fn waits(&self, now: Timestamp) -> bool {
        self.is_open(now) && self.claim.as_ref().is_some_and(|claim| claim.approved_at.is_none())
    }

    /// What comes next for this public key. The same refusal, whatever is wrong.
    pub fn step(&self, public_key: &[u8; 32], now: Timestamp) -> Result<Step<'_>, Refusal> {
        if let Some((_, issued)) = &self.used {
            let again = self.revoked_at.is_none() && issued.public_key == *public_key && now < issued.not_after;
            return if again { Ok(Step::Issued(issued)) } else { Err(Refusal::InviteNotValid) };
        }
        match &self.claim {
            _ if !self.is_open(now) => Err(Refusal::InviteNotValid),
            None if self.needs_approval => Ok(Step::Claim),
            None => Ok(Step::Issue),
            Some(claim) if claim.public_key != *public_key => Err(Refusal::InviteNotValid),
            Some(claim) if claim.approved_at.is_none() => Ok(Step::Wait),
            Some(_) => Ok(Step::Issue),
        }
    }
}

/// What the owner of a key reads out to the coordinator: 40 bits of the digest of the invite's secret digest and the key's, as eight
/// characters of Crockford's base 32. Another key, such as that of a thief of the line, has another, and who has no line can't
/// compute any. A thief who wants the same has one try: an invite takes one key.
pub fn spoken_code(secret: &[u8; 32], public_key: &[u8; 32]) -> String {
    let digest = Sha256::new().chain_update(b"samverkan/spoken-code/1").chain_update(secret).chain_update(public_key);
    let bits = digest.finalize().iter().take(5).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let character = |n: u64| char::from(SPOKEN[(bits >> (35 - 5 * n) & 31) as usize]);
    (0..4).map(character).chain(['-']).chain((4..8).map(character)).collect()
}

/// No I, L, O, U: nothing that sounds or looks like another.
const SPOKEN: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code as somebody typed it: in either case, with or without its hyphen, O for 0 and I or L for 1.
fn heard(code: &str) -> String {
    let clear = code.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    });
    clear.collect()
}

/// All invites that were ever made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Invites(BTreeMap<InviteId, Invite>);

impl Invites {
    /// The one with this id.
    pub fn get(&self, invite: InviteId) -> Option<&Invite> {
        self.0.get(&invite)
    }

    /// The one with this secret. Looks at all of them, and at every byte, whichever it is: the time tells nothing.
    pub fn with_secret(&self, secret: &[u8; 32]) -> Option<(InviteId, &Invite)> {
        let differ = |known: &[u8; 32]| known.iter().zip(secret).fold(0, |bits, (a, b)| bits | (a ^ b));
        self.0
            .iter()
            .fold(None, |found, (id, invite)| if differ(&invite.secret) == 0 { Some((*id, invite)) } else { found })
    }

    /// Those after `after`, by id.
    pub fn after(&self, after: Option<InviteId>) -> impl Iterator<Item = (InviteId, &Invite)> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.0.range((after.map_or(Unbounded, Excluded), Unbounded)).map(|(id, invite)| (*id, invite))
    }

    pub(super) fn may_create(&self, new: &NewInvite, now: Timestamp) -> Result<(), Refusal> {
        if new.expires_at <= now || new.expires_at.0 - now.0 > limits::INVITE_TIME_MAX_US {
            return Err(Refusal::Invalid { field: "expire_time", rule: "must lie in the future, 30 days at most" });
        }
        if self.0.values().any(|invite| invite.secret == new.secret) {
            return Err(Refusal::Invalid {
                field: "secret_digest",
                rule: "is that of another invite; draw a new secret",
            });
        }
        if self.0.values().filter(|invite| invite.is_open(now)).count() >= limits::INVITES_OPEN_MAX {
            return Err(Refusal::LimitReached { what: "open invites", max: limits::INVITES_OPEN_MAX });
        }
        Ok(())
    }

    pub(super) fn may_revoke(&self, invite: InviteId, now: Timestamp) -> Result<(), Refusal> {
        let is_open = self.0.get(&invite).is_some_and(|invite| invite.is_open(now));
        if is_open { Ok(()) } else { Err(Refusal::InviteNotOpen) }
    }

    pub(super) fn may_claim(
        &self,
        invite: InviteId,
        actor: &Actor,
        public_key: &[u8; 32],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let invite = self.of(invite, actor)?;
        if invite.step(public_key, now)? == Step::Claim { Ok(()) } else { Err(Refusal::InviteNotValid) }
    }

    /// The invite whose waiting key has this code; `invite` says of which it must be.
    pub(super) fn may_approve(
        &self,
        invite: Option<InviteId>,
        code: &str,
        now: Timestamp,
    ) -> Result<InviteId, Refusal> {
        let wanted = |id: &InviteId| invite.is_none_or(|wanted| wanted == *id);
        let mut waiting = self.0.iter().filter(|(id, invite)| wanted(id) && invite.waits(now)).peekable();
        waiting.peek().ok_or(Refusal::NobodyWaits)?;
        let says = |invite: &Invite| invite.claim.as_ref().map(|claim| spoken_code(&invite.secret, &claim.public_key));
        let mut found = waiting.filter(|(_, invite)| says(invite).is_some_and(|says| heard(&says) == heard(code)));
        found.next().map(|(id, _)| *id).ok_or(Refusal::ApprovalCodeWrong)
    }

    pub(super) fn may_issue(
        &self,
        invite: InviteId,
        issued: &IssuedCertificate,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let invite = self.of(invite, &issued.actor)?;
        if invite.step(&issued.public_key, now)? == Step::Issue { Ok(()) } else { Err(Refusal::InviteNotValid) }
    }

    fn of(&self, invite: InviteId, actor: &Actor) -> Result<&Invite, Refusal> {
        self.0.get(&invite).filter(|invite| invite.actor == *actor).ok_or(Refusal::InviteNotValid)
    }

    pub(super) fn created(&mut self, new: &NewInvite, by: &Actor, created_at: Timestamp) {
        let NewInvite { invite, actor, secret, expires_at, needs_approval } = new.clone();
        let (claim, revoked_at, used) = (None, None, None);
        let by = by.clone();
        let made = Invite { actor, secret, created_at, by, expires_at, needs_approval, claim, revoked_at, used };
        self.0.insert(invite, made);
    }

    pub(super) fn revoked(&mut self, invite: InviteId, at: Timestamp) {
        if let Some(invite) = self.0.get_mut(&invite) {
            invite.revoked_at = Some(at);
        }
    }

    pub(super) fn claimed(&mut self, invite: InviteId, public_key: [u8; 32], at: Timestamp) {
        if let Some(invite) = self.0.get_mut(&invite) {
            invite.claim = Some(Claim { public_key, at, approved_at: None });
        }
    }

    pub(super) fn approved(&mut self, invite: InviteId, at: Timestamp) {
        if let Some(claim) = self.0.get_mut(&invite).and_then(|invite| invite.claim.as_mut()) {
            claim.approved_at = Some(at);
        }
    }

    pub(super) fn used(&mut self, invite: InviteId, issued: &IssuedCertificate, at: Timestamp) {
        if let Some(invite) = self.0.get_mut(&invite) {
            invite.used = Some((at, issued.clone()));
        }
    }
}

/// Which certificates were got by which, and how many lately.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Renewals {
    /// By the older one.
    by: BTreeMap<[u8; 32], Vec<[u8; 32]>>,
    /// When each actor renewed within the last day, oldest first.
    lately: BTreeMap<Actor, Vec<Timestamp>>,
}

impl Renewals {
    pub(super) fn may_renew(&self, actor: &Actor, now: Timestamp) -> Result<(), Refusal> {
        let since = now.0 - DAY_US;
        let lately = self.lately.get(actor).map_or(0, |times| times.iter().filter(|at| at.0 > since).count());
        if lately >= limits::RENEWALS_PER_DAY_MAX {
            return Err(Refusal::LimitReached { what: "renewals a day", max: limits::RENEWALS_PER_DAY_MAX });
        }
        Ok(())
    }

    pub(super) fn renewed(&mut self, previous: [u8; 32], issued: &IssuedCertificate, at: Timestamp) {
        self.by.entry(previous).or_default().push(issued.fingerprint);
        let lately = self.lately.entry(issued.actor.clone()).or_default();
        lately.retain(|earlier| earlier.0 > at.0 - DAY_US);
        lately.push(at);
    }

    /// All certificates that were got by this one, and by those, and so on; itself not.
    pub(super) fn descendants(&self, certificate: [u8; 32]) -> Vec<[u8; 32]> {
        let mut found = Vec::new();
        let mut next = vec![certificate];
        while let Some(older) = next.pop() {
            let younger = self.by.get(&older).map_or(&[][..], Vec::as_slice);
            found.extend_from_slice(younger);
            next.extend_from_slice(younger);
        }
        found
    }
}

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_eight_characters_that_nobody_mishears_and_is_taken_as_it_is_typed() {
        let code = spoken_code(&[1; 32], &[2; 32]);
        assert_eq!((code.len(), code.chars().nth(4)), (9, Some('-')), "{code}");
        assert!(code.bytes().all(|c| c == b'-' || SPOKEN.contains(&c)), "{code}");
        assert_eq!(heard(&code.to_lowercase().replace('-', " ")), heard(&code));
        assert_eq!(heard("oil-0"), "0110");
        let others = [spoken_code(&[3; 32], &[2; 32]), spoken_code(&[1; 32], &[3; 32])];
        assert!(!others.contains(&code), "the secret and the key both count");
    }

    #[test]
    fn what_was_got_by_a_certificate_is_found_over_generations() {
        let actor: Actor = "org/region-c/user/clara".parse().expect("an actor");
        let issued = |n: u8| IssuedCertificate {
            actor: actor.clone(),
            certificate: Arc::from([n]),
            public_key: [n; 32],
            fingerprint: [n; 32],
            not_after: Timestamp(i64::MAX),
        };
        let mut renewals = Renewals::default();
        for (previous, new) in [(1, 2), (2, 3), (1, 4), (5, 6)] {
            renewals.renewed([previous; 32], &issued(new), Timestamp(0));
        }
        let mut found: Vec<u8> = renewals.descendants([1; 32]).iter().map(|one| one[0]).collect();
        found.sort_unstable();
        assert_eq!(found, [2, 3, 4]);
        assert!(renewals.descendants([6; 32]).is_empty());
    }

    #[test]
    fn renewals_are_counted_over_a_day() {
        let actor: Actor = "org/region-c/user/clara".parse().expect("an actor");
        let issued = IssuedCertificate {
            actor: actor.clone(),
            certificate: Arc::from([]),
            public_key: [0; 32],
            fingerprint: [0; 32],
            not_after: Timestamp(i64::MAX),
        };
        let mut renewals = Renewals::default();
        for n in 0..limits::RENEWALS_PER_DAY_MAX {
            renewals.may_renew(&actor, Timestamp(n as i64)).expect("may");
            renewals.renewed([n as u8; 32], &issued, Timestamp(n as i64));
        }
        let refused = renewals.may_renew(&actor, Timestamp(DAY_US - 1));
        assert_eq!(refused, Err(Refusal::LimitReached { what: "renewals a day", max: limits::RENEWALS_PER_DAY_MAX }));
        renewals.may_renew(&actor, Timestamp(DAY_US)).expect("the first is a day ago");
        renewals.may_renew(&"org/region-c/user/carl".parse().expect("an actor"), Timestamp(5)).expect("another");
    }
}
