//! Who may get a certificate by which invite? Part of the directory.
//!
//! An invite is for one actor and good for one public key. It is known by the digest of its secret only, so that whoever reads
//! the store can't use it. Leans on: `ids`. Upholds: R3, R8, R10. Tested in `tests/it/enrolment.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

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

    /// What was issued by it for this public key, if that is still valid: a client whose connection was cut asks again.
    pub fn issued_for(&self, public_key: &[u8; 32], now: Timestamp) -> Option<&IssuedCertificate> {
        let (_, issued) = self.used.as_ref()?;
        (self.revoked_at.is_none() && issued.public_key == *public_key && now < issued.not_after).then_some(issued)
    }
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

    pub(super) fn may_issue(
        &self,
        invite: InviteId,
        issued: &IssuedCertificate,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let fits = self.0.get(&invite).is_some_and(|invite| invite.is_open(now) && invite.actor == issued.actor);
        if fits { Ok(()) } else { Err(Refusal::InviteNotValid) }
    }

    pub(super) fn created(&mut self, new: &NewInvite, by: &Actor, created_at: Timestamp) {
        let NewInvite { invite, actor, secret, expires_at } = new.clone();
        let made = Invite { actor, secret, created_at, by: by.clone(), expires_at, revoked_at: None, used: None };
        self.0.insert(invite, made);
    }

    pub(super) fn revoked(&mut self, invite: InviteId, at: Timestamp) {
        if let Some(invite) = self.0.get_mut(&invite) {
            invite.revoked_at = Some(at);
        }
    }

    pub(super) fn used(&mut self, invite: InviteId, issued: &IssuedCertificate, at: Timestamp) {
        if let Some(invite) = self.0.get_mut(&invite) {
            invite.used = Some((at, issued.clone()));
        }
    }
}
