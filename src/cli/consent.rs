//! `samverkan consent`: what an organisation allows, and what would come of it.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use super::consent_words::{self, ConsentArguments};
use super::deliveries::{name, short_time};
use super::failure::Failure;
use super::json;
use super::output::table;
use super::post::DraftArguments;
use super::room::{RoomArgument, done};
use super::session::{self, Session};
use super::words::{Word, parse, plain};
use crate::client::pb;

#[derive(Debug, Subcommand)]
pub(crate) enum ConsentCommand {
    /// Show the consent as it is now: the grid of materials and audiences, and the rest
    Show {
        #[command(flatten)]
        room: RoomArgument,
        /// Whose, for the coordinator: organisation id or participant id
        #[arg(long, value_name = "NAME")]
        participant: Option<String>,
    },
    /// Set answers; what is not given stays as it is, and widening looks forward only
    #[command(after_help = consent_words::HELP)]
    Give {
        #[command(flatten)]
        consent: ConsentArguments,
        #[command(flatten)]
        room: RoomArgument,
        /// Only if the consent is still at this version
        #[arg(long, value_name = "VERSION")]
        expected_version: Option<u64>,
    },
    /// Take consent back: nothing of it is delivered any more when this is answered
    Withdraw(Withdraw),
    /// Who would receive a message, who would not, and why
    Preview {
        /// The text; it decides nothing
        #[arg(default_value = "preview")]
        text: String,
        #[command(flatten)]
        room: RoomArgument,
        #[command(flatten)]
        draft: DraftArguments,
    },
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("scope").required(true).args(["all", "material", "audience", "name"]))]
pub(crate) struct Withdraw {
    #[command(flatten)]
    room: RoomArgument,
    /// Everything: all sharing, newcomers, and forwarding to the police
    #[arg(long)]
    all: bool,
    /// One material, for everybody
    #[arg(long, value_parser = parse::<pb::Material>)]
    material: Option<pb::Material>,
    /// One audience, all materials
    #[arg(long, value_parser = parse::<pb::Audience>)]
    audience: Option<pb::Audience>,
    /// One participant, by organisation id or participant id, all materials
    #[arg(long)]
    name: Option<String>,
}

impl Withdraw {
    fn scope(&self) -> pb::withdraw_consent_request::Scope {
        use pb::withdraw_consent_request::Scope;
        match (self.material, self.audience, &self.name) {
            (Some(material), ..) => Scope::Material(material as i32),
            (_, Some(audience), _) => Scope::Audience(audience as i32),
            (.., Some(name)) => Scope::Name(name.clone()),
            (None, None, None) => Scope::All(true),
        }
    }
}

pub(crate) async fn run(command: ConsentCommand, session: &Session) -> Result<(), Failure> {
    let change = match &command {
        ConsentCommand::Give { consent, .. } if consent.is_empty() => {
            return Err(Failure::usage("say what to set, as in logs=direct:affected")
                .hint("`samverkan consent give --help` shows how consent is written"));
        }
        ConsentCommand::Give { consent, .. } => Some(consent.change()?),
        ConsentCommand::Show { .. } | ConsentCommand::Withdraw(_) | ConsentCommand::Preview { .. } => None,
    };
    let (client, output) = (session.connect().await?, session.output);
    match command {
        ConsentCommand::Show { room, participant } => {
            let room_id = former_room(&client, &room).await?;
            let request = pb::GetConsentRequest { room_id, participant: participant.unwrap_or_default() };
            let answer = client.get_consent(request).await?;
            let consent = answer.consent.unwrap_or_default();
            let value = json!({
                "participant": json::participant(answer.participant.as_ref()),
                "consent": json::consent(&consent),
            });
            output.show(&value, || {
                output.line(&format!(
                    "Consent of {}, version {}\n",
                    name(answer.participant.as_ref()),
                    consent.version
                ))?;
                output.line(&grid(&consent))?;
                output.line(&rest(&consent))
            })
        }
        ConsentCommand::Give { room, expected_version, .. } => {
            let room_id = session::room(&client, room.room.as_deref()).await?;
            let request = pb::GiveConsentRequest { room_id, change, expected_version, ..Default::default() };
            let answer = client.give_consent(request).await?;
            done(session, answer.recorded_time, "done; it holds for what is posted from now on")
        }
        ConsentCommand::Withdraw(withdraw) => {
            let room_id = former_room(&client, &withdraw.room).await?;
            let request = pb::WithdrawConsentRequest { room_id, scope: Some(withdraw.scope()), ..Default::default() };
            let answer = client.withdraw_consent(request).await?;
            done(session, answer.recorded_time, "withdrawn; nothing of it is delivered any more")
        }
        ConsentCommand::Preview { text, room, draft } => {
            let room_id = session::room(&client, room.room.as_deref()).await?;
            let request = pb::PreviewAudienceRequest { room_id, draft: Some(draft.draft(&text)) };
            let participants = client.preview_audience(request).await?.participants;
            let values: Vec<_> = participants.iter().map(json::previewed).collect();
            let rows = participants.iter().map(|one| {
                let receives = if one.receives { "yes" } else { "no" };
                vec![name(one.participant.as_ref()), receives.into(), one.text.clone()]
            });
            output.list(&values, &["who", "receives", "why"], rows, "nobody")
        }
    }
}

/// Who has left a room does not find it in its list any more, but may still read and withdraw its consent by the room's full id.
async fn former_room(client: &crate::client::Client, room: &RoomArgument) -> Result<String, Failure> {
    session::room(client, room.room.as_deref()).await.map_err(|failure| match failure.hint {
        Some(_) if room.room.is_none() => failure,
        _ => failure.hint("a room that you have left must be given by its whole id"),
    })
}

/// Material × audience, as the fact sheet asks.
fn grid(consent: &pb::SharingConsent) -> String {
    let header: Vec<String> = std::iter::once("share".to_owned())
        .chain(pb::Audience::ALL.iter().map(|(_, word, _)| format!("with {}", word.replace('_', " "))))
        .collect();
    let rows = pb::Material::ALL.iter().map(|&(material, word, _)| {
        let answer = |audience: pb::Audience| {
            let cell =
                consent.cells.iter().find(|cell| cell.material == material as i32 && cell.audience == audience as i32);
            plain::<pb::Sharing>(cell.map_or(pb::Sharing::NotAnswered as i32, |cell| cell.sharing))
        };
        std::iter::once(word.to_owned())
            .chain(pb::Audience::ALL.iter().map(|(audience, ..)| answer(*audience)))
            .collect()
    });
    table(&header.iter().map(String::as_str).collect::<Vec<_>>(), rows)
}

fn rest(consent: &pb::SharingConsent) -> String {
    let mut lines = vec![String::new()];
    for named in &consent.named {
        let each: Vec<_> = named
            .sharings
            .iter()
            .map(|one| format!("{} {}", plain::<pb::Material>(one.material), plain::<pb::Sharing>(one.sharing)))
            .collect();
        lines.push(format!("with {}: {}", named.name.replace('\n', " "), each.join(", ")));
    }
    for newcomers in &consent.newcomers {
        lines.push(format!(
            "newcomers among {}: {}",
            plain::<pb::Audience>(newcomers.audience),
            plain::<pb::Answer>(newcomers.answer)
        ));
    }
    lines.push(format!("appears to the others: {}", plain::<pb::Attribution>(consent.attribution)));
    lines.push(format!("police: {}", plain::<pb::PoliceAnswer>(consent.police)));
    let expiry = consent.expire_time.as_ref().map_or("when it is withdrawn".into(), |time| short_time(Some(time)));
    lines.push(format!("ends: {expiry}"));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_has_a_row_for_each_material_and_shows_what_is_open() {
        let cell = pb::ConsentCell {
            material: pb::Material::Logs as i32,
            audience: pb::Audience::OtherAffectedOrganisations as i32,
            sharing: pb::Sharing::Direct as i32,
        };
        let shown = grid(&pb::SharingConsent { cells: vec![cell], ..Default::default() });
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 4, "{shown}");
        assert!(lines[0].contains("OTHER AFFECTED ORGANISATIONS") && lines[0].contains("THIRD PARTIES"), "{shown}");
        assert!(lines[1].contains("information") && lines[1].contains("not answered"), "{shown}");
        assert!(lines[3].contains("logs") && lines[3].contains("direct"), "{shown}");
    }
}
