//! What is in the server when things are tried out? A small incident, made over the public API with everybody's own certificate.
//!
//! Only an empty server is seeded: one that has a room is left alone.

use super::consent_words::ConsentArguments;
use super::dev_world::{CAST, World};
use super::failure::Failure;
use super::session;
use crate::api::ErrorReason;
use crate::client::{Client, pb};

/// Seeds the server unless it has a room. A room to look at, if the coordinator is in any.
pub(crate) async fn seed(world: &World, coordinator: &Client) -> Result<Option<String>, Failure> {
    if let Some(room) = session::rooms(coordinator).await?.first() {
        return Ok(Some(room.room_id.clone()));
    }
    for cast in CAST.iter().filter(|cast| cast.role != pb::Role::Coordinator) {
        let request = pb::RegisterOrganisationRequest {
            organisation_id: cast.id.into(),
            display_name: cast.display_name.into(),
            ..Default::default()
        };
        match coordinator.register_organisation(request).await {
            Err(error) if error.is(ErrorReason::OrganisationExists) => {}
            other => drop(other?),
        }
    }

    let region_a = Client::connect(&world.context("region-a")?).await?;
    let report = pb::IntakeReport {
        what_occurred: "Files on two file servers are encrypted; a note asks for money.".into(),
        how_discovered: "Users could not open their documents this morning.".into(),
        countermeasures: "Both servers are off the network. Backups are being checked.".into(),
        ongoing: Some(pb::Assessment::Unknown.into()),
        data_leak: Some(pb::Assessment::Unknown.into()),
        help_wanted: "Has anybody else seen this? How did they come in?".into(),
        police: Some(pb::PoliceAnswer::OrganisationReportsItself.into()),
        sharing_consent: Some(consent(&["information,logs=direct:affected", "information=relay:third-parties"])?),
        ..Default::default()
    };
    let request = pb::ReportIncidentRequest { report: Some(report), ..Default::default() };
    let room_id = region_a.report_incident(request).await?.room_id;

    for cast in CAST.iter().filter(|cast| cast.role != pb::Role::Coordinator && cast.id != "region-a") {
        let request = pb::InviteOrganisationRequest {
            room_id: room_id.clone(),
            organisation_id: cast.id.into(),
            role: cast.role.into(),
            ..Default::default()
        };
        coordinator.invite_organisation(request).await?;
    }

    let region_b = Client::connect(&world.context("region-b")?).await?;
    let invitation_id = session::invitation(&region_b, None).await?;
    let given = consent(&["information=direct:affected", "logs=relay:affected"])?;
    let request = pb::AcceptInvitationRequest { invitation_id, consent: Some(given), ..Default::default() };
    region_b.accept_invitation(request).await?;

    let post = async |client: &Client, material: pb::Material, text: &str| {
        let draft = pb::MessageDraft {
            material: material.into(),
            tlp: pb::Tlp::AmberStrict.into(),
            text: text.into(),
            ..Default::default()
        };
        let request = pb::PostMessageRequest { room_id: room_id.clone(), draft: Some(draft), ..Default::default() };
        client.post_message(request).await
    };
    post(&region_a, pb::Material::Information, "The note names a group that calls itself Grey Heron.").await?;
    post(&region_a, pb::Material::Logs, "02:14:07 sshd: accepted password for backup from 192.0.2.7 port 50122")
        .await?;
    post(
        coordinator,
        pb::Material::Information,
        "Please look for logins from 192.0.2.0/24 since Friday and tell us here.",
    )
    .await?;
    post(&region_b, pb::Material::Information, "We have seen 192.0.2.7, too, on Saturday at 23:40.").await?;
    Ok(Some(room_id))
}

/// A consent under a pseudonym that covers those who come later.
fn consent(cells: &[&str]) -> Result<pb::ConsentChange, Failure> {
    let arguments = ConsentArguments {
        cells: cells.iter().map(ToString::to_string).collect(),
        attribution: Some("pseudonym".into()),
        newcomers: vec!["affected=yes".into()],
        ..Default::default()
    };
    arguments.change()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_consents_of_the_example_can_be_read() {
        let given = consent(&["information,logs=direct:affected", "information=relay:third-parties"]).expect("read");
        assert_eq!(given.cells.len(), 3);
    }
}
