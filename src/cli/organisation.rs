//! `samverkan organisation`: the register of organisations, for the coordinator.

use clap::Subcommand;
use serde_json::json;

use super::deliveries::short_time;
use super::failure::Failure;
use super::json;
use super::output::{note, table};
use super::session::{Session, all_pages};
use super::words::plain;
use crate::client::pb;

#[derive(Debug, Subcommand)]
pub(crate) enum OrganisationCommand {
    /// Admit an organisation: from now on its certificates are accepted
    Register {
        /// Its id, as in its certificates
        organisation: String,
        /// Its name for people; without one, its id
        #[arg(long)]
        name: Option<String>,
    },
    /// Refuse an organisation from now on and take it out of every room
    Suspend {
        /// Its id
        organisation: String,
        /// Why, for the record; shown to the coordinator only
        #[arg(long)]
        reason: String,
    },
    /// Show one organisation
    Show {
        /// Its id
        organisation: String,
    },
    /// List all organisations
    List,
}

pub(crate) async fn run(command: OrganisationCommand, session: &Session) -> Result<(), Failure> {
    let (client, output) = (session.connect().await?, session.output);
    match command {
        OrganisationCommand::Register { organisation, name } => {
            let display_name = name.unwrap_or_else(|| organisation.clone());
            let request =
                pb::RegisterOrganisationRequest { organisation_id: organisation, display_name, ..Default::default() };
            let answer = client.register_organisation(request).await?;
            let registered = json::time(answer.registered_time.as_ref());
            output.show(&json!({ "organisation_id": answer.organisation_id, "registered_time": registered }), || {
                note(format!("{} is registered", answer.organisation_id));
                Ok(())
            })
        }
        OrganisationCommand::Suspend { organisation, reason } => {
            let request =
                pb::SuspendOrganisationRequest { organisation_id: organisation, reason, ..Default::default() };
            let answer = client.suspend_organisation(request).await?;
            let suspended = json::time(answer.suspended_time.as_ref());
            output.show(&json!({ "organisation_id": answer.organisation_id, "suspended_time": suspended }), || {
                note(format!("{} is suspended and out of every room", answer.organisation_id));
                Ok(())
            })
        }
        OrganisationCommand::Show { organisation } => {
            let request = pb::GetOrganisationRequest { organisation_id: organisation };
            let found = client.get_organisation(request).await?.organisation.unwrap_or_default();
            output.show(&json::organisation(&found), || output.line(&table(&HEADER, [row(&found)])))
        }
        OrganisationCommand::List => {
            let all: Vec<pb::Organisation> =
                all_pages!(client.list_organisations(ListOrganisationsRequest {}).organisations);
            let values: Vec<_> = all.iter().map(json::organisation).collect();
            output.list(&values, &HEADER, all.iter().map(row), "no organisations")
        }
    }
}

const HEADER: [&str; 5] = ["organisation", "name", "status", "registered", "suspended"];

fn row(organisation: &pb::Organisation) -> Vec<String> {
    let suspended = match &organisation.suspended_time {
        Some(time) => format!("{}: {}", short_time(Some(time)), organisation.suspension_reason),
        None => String::new(),
    };
    vec![
        organisation.organisation_id.clone(),
        organisation.display_name.clone(),
        plain::<pb::OrganisationStatus>(organisation.status),
        short_time(organisation.registered_time.as_ref()),
        suspended,
    ]
}
