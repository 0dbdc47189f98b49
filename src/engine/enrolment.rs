//! Invites and certificates, as writes of the directory's log.
//!
//! Upholds: R4, R8: a certificate is on record before its owner has it, and whoever asks again with the same key gets the same.

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
}
