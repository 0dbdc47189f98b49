//! Invites and certificates, as writes of the directory's log.
//!
//! Upholds: R4, R8: a certificate is on record before its owner has it, and whoever asks again with the same key gets the same.

use std::sync::Arc;

use super::{Engine, Failure, directory};
use crate::room::directory::{Directory, DirectoryCommand, DirectoryEvent};
use crate::room::enrolment::{IssuedCertificate, NewInvite};
use crate::room::event::Request;
use crate::room::ids::{Actor, InviteId, Timestamp};
use crate::room::refusal::Refusal;

impl Engine {
    /// Lets somebody get a certificate. The coordinator. A retry gets the invite that the first try made.
    pub async fn create_invite(
        &self,
        caller: &Actor,
        request: Request,
        new: NewInvite,
    ) -> Result<(NewInvite, Timestamp), Failure> {
        let command = DirectoryCommand::CreateInvite { new, now: self.now() };
        let decide = |_: &Directory| Ok((command, Vec::new()));
        let (entry, _) = directory::write(&self.0.shared, &self.0.directory, caller, request, decide).await?;
        let DirectoryEvent::InviteCreated(new) = &entry.event else { return Err(Refusal::RequestIdReused.into()) };
        Ok((new.clone(), entry.recorded_at))
    }

    /// Takes an invite back. The coordinator.
    pub async fn revoke_invite(
        &self,
        caller: &Actor,
        request: Request,
        invite: InviteId,
    ) -> Result<Timestamp, Failure> {
        let command = DirectoryCommand::RevokeInvite { invite, now: self.now() };
        let decide = |_: &Directory| Ok((command, Vec::new()));
        let (entry, _) = directory::write(&self.0.shared, &self.0.directory, caller, request, decide).await?;
        Ok(entry.recorded_at)
    }

    /// Puts a certificate on record that was made for whoever knows an invite's secret, and returns the one that is on record: of two
    /// made for one key at the same time, the first.
    pub async fn issue(
        &self,
        request: Request,
        invite: InviteId,
        issued: IssuedCertificate,
    ) -> Result<IssuedCertificate, Failure> {
        let actor = issued.actor.clone();
        let command = DirectoryCommand::IssueCertificate { invite, issued, now: self.now() };
        let decide = |_: &Directory| Ok((command, Vec::new()));
        let (entry, _) = directory::write(&self.0.shared, &self.0.directory, &actor, request, decide).await?;
        let DirectoryEvent::CertificateIssued { issued, .. } = &entry.event else {
            return Err(Refusal::InviteNotValid.into());
        };
        Ok(issued.clone())
    }

    /// Notes a public key that came with an invite's secret and must wait for the coordinator.
    pub async fn request_enrolment(
        &self,
        actor: &Actor,
        request: Request,
        invite: InviteId,
        public_key: [u8; 32],
    ) -> Result<(), Failure> {
        let command = DirectoryCommand::RequestEnrolment { invite, public_key, now: self.now() };
        let decide = |_: &Directory| Ok((command, Vec::new()));
        directory::write(&self.0.shared, &self.0.directory, actor, request, decide).await?;
        Ok(())
    }

    /// Approves the key that waits and whose code was read out. The coordinator.
    pub async fn approve_enrolment(
        &self,
        caller: &Actor,
        request: Request,
        invite: Option<InviteId>,
        code: Arc<str>,
    ) -> Result<(InviteId, Timestamp), Failure> {
        let command = DirectoryCommand::ApproveEnrolment { invite, code, now: self.now() };
        let decide = |_: &Directory| Ok((command, Vec::new()));
        let (entry, _) = directory::write(&self.0.shared, &self.0.directory, caller, request, decide).await?;
        let DirectoryEvent::EnrolmentApproved { invite } = &entry.event else {
            return Err(Refusal::RequestIdReused.into());
        };
        Ok((*invite, entry.recorded_at))
    }

    /// Puts a certificate on record that was made for whoever calls with `previous`, and returns the one that is on record.
    pub async fn renew(
        &self,
        request: Request,
        previous: [u8; 32],
        issued: IssuedCertificate,
    ) -> Result<IssuedCertificate, Failure> {
        let actor = issued.actor.clone();
        let command = DirectoryCommand::RenewCertificate { previous, issued, now: self.now() };
        let decide = |_: &Directory| Ok((command, Vec::new()));
        let (entry, _) = directory::write(&self.0.shared, &self.0.directory, &actor, request, decide).await?;
        let DirectoryEvent::CertificateRenewed { issued, .. } = &entry.event else {
            return Err(Refusal::RequestIdReused.into());
        };
        Ok(issued.clone())
    }
}
