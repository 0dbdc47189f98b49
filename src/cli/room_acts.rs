//! What only the coordinator does to a room: look with another's eyes, change its terms, introduce two, connect two rooms.

use clap::{Args, Subcommand};
use serde_json::json;

use super::confirm::Yes;
use super::deliveries::{name, short, short_time, tlp};
use super::failure::Failure;
use super::find::Here;
use super::json;
use super::output::{note, table};
use super::room::{RoomArgument, done};
use super::session::{self, Session, all_pages};
use super::text::TextArguments;
use super::words::plain;
use crate::client::pb;

#[derive(Debug, Subcommand)]
pub(crate) enum RoomAct {
    /// Show the room as a participant sees it; that is recorded, and the participant is told (the coordinator)
    #[command(after_help = "Example:\n  samverkan room see-as region-b")]
    SeeAs(SeeAs),
    /// Change the terms: everybody is told, and every consent in the room lapses until it is given again (the coordinator)
    #[command(after_help = "Example:\n  samverkan room terms --file terms.txt")]
    Terms(Terms),
    /// Propose to two participants that they get in touch (the coordinator)
    #[command(after_help = INTRODUCE_HELP)]
    Introduce(Introduce),
    /// Record that another room may be about a related incident; no participant can see it (the coordinator)
    #[command(after_help = "Example:\n  samverkan room connect 5e6f7a8b --reason 'The same address in both'")]
    Connect(Connect),
    /// List the rooms that may be about related incidents (the coordinator)
    Connections {
        #[command(flatten)]
        room: RoomArgument,
    },
}

/// As whom to look.
#[derive(Debug, Args)]
pub(crate) struct SeeAs {
    /// Organisation id or participant id
    participant: String,
    #[command(flatten)]
    room: RoomArgument,
}

/// The new terms.
#[derive(Debug, Args)]
pub(crate) struct Terms {
    #[command(flatten)]
    text: TextArguments,
    #[command(flatten)]
    room: RoomArgument,
    #[command(flatten)]
    yes: Yes,
}

const INTRODUCE_HELP: &str = "\
Each sees the words to it and nothing of the other, until both have accepted. Words must not name the other; nothing checks that.

Examples:
  samverkan room introduce region-a vendor-x --text 'You could help each other with the same device.'
  samverkan room introduce region-a vendor-x --to-first 'They know your device.' --to-second 'They have your device.'";

/// Whom to introduce to each other.
#[derive(Debug, Args)]
pub(crate) struct Introduce {
    /// One: organisation id or participant id
    first: String,
    /// The other
    second: String,
    /// The same words to both
    #[arg(long, conflicts_with_all = ["to_first", "to_second"], required_unless_present_all = ["to_first", "to_second"])]
    text: Option<String>,
    /// Words to the one
    #[arg(long, value_name = "TEXT", requires = "to_second")]
    to_first: Option<String>,
    /// Words to the other
    #[arg(long, value_name = "TEXT", requires = "to_first")]
    to_second: Option<String>,
    #[command(flatten)]
    room: RoomArgument,
}

/// Two rooms that may belong together.
#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// The other room: its id, or the beginning of it
    other: String,
    /// What they may have in common
    #[arg(long, value_name = "WHY")]
    reason: String,
    #[command(flatten)]
    room: RoomArgument,
}

pub(crate) async fn run(command: RoomAct, session: &Session) -> Result<(), Failure> {
    match command {
        RoomAct::SeeAs(command) => see_as(command, session).await,
        RoomAct::Terms(command) => terms(command, session).await,
        RoomAct::Introduce(command) => introduce(command, session).await,
        RoomAct::Connect(command) => connect(command, session).await,
        RoomAct::Connections { room } => connections(&room, session).await,
    }
}

async fn see_as(command: SeeAs, session: &Session) -> Result<(), Failure> {
    let (here, output) = (Here::enter(session, &command.room).await?, session.output);
    let mut request = pb::SeeAsRequest {
        room_id: here.room_id.clone(),
        participant: command.participant,
        page_size: 1000,
        ..Default::default()
    };
    let mut seen = here.client.see_as(request.clone()).await?;
    while !seen.next_page_token.is_empty() {
        request.page_token = std::mem::take(&mut seen.next_page_token);
        let page = here.client.see_as(request.clone()).await?;
        seen.messages.extend(page.messages);
        seen.next_page_token = page.next_page_token;
    }
    let value = json!({
        "participant": json::participant(seen.participant.as_ref()),
        "participants": json::participants(&seen.participants),
        "messages": seen.messages.iter().map(json::message_head).collect::<Vec<_>>(),
    });
    output.show(&value, || {
        note("recorded, and shown to that participant");
        output.line(&as_seen(&seen))
    })
}

/// The room with another's eyes: whoever is the caller there is that participant.
fn as_seen(seen: &pb::SeeAsResponse) -> String {
    let itself = |one: Option<&pb::Participant>| match one {
        Some(one) if one.is_caller => name(Some(&pb::Participant { is_caller: false, ..one.clone() })) + " (itself)",
        other => name(other),
    };
    let who = name(seen.participant.as_ref());
    let participants = seen
        .participants
        .iter()
        .map(|one| vec![itself(Some(one)), plain::<pb::Role>(one.role), one.display_name.clone()]);
    let messages = seen.messages.iter().map(|head| {
        vec![
            short_time(head.recorded_time.as_ref()),
            short(&head.message_id).to_owned(),
            itself(head.author.as_ref()),
            plain::<pb::Material>(head.material),
            tlp(head.tlp),
        ]
    });
    let messages = match seen.messages.is_empty() {
        true => "no messages".to_owned(),
        false => table(&["posted", "message", "author", "material", "tlp"], messages),
    };
    format!(
        "{who} sees:\n\n{}\n\n{messages}\n\nTLP:RED is left out, and texts are the same for everybody who sees them.",
        table(&["who", "role", "name"], participants)
    )
}

async fn terms(command: Terms, session: &Session) -> Result<(), Failure> {
    command.yes.check("this lets every consent in the room lapse")?;
    let terms = command.text.read()?;
    let here = Here::enter(session, &command.room).await?;
    command.yes.confirm(
        "Change the terms? Everybody is told, and every consent in the room lapses until it is given again.",
    )?;
    let request = pb::ChangeTermsRequest { room_id: here.room_id, terms, ..Default::default() };
    let answer = here.client.change_terms(request).await?;
    done(session, answer.recorded_time, "changed; every consent in the room has lapsed and must be given again")
}

async fn introduce(command: Introduce, session: &Session) -> Result<(), Failure> {
    let here = Here::enter(session, &command.room).await?;
    let both = command.text.unwrap_or_default();
    let side = |participant, text: Option<String>| pb::IntroductionSide {
        participant,
        text: text.unwrap_or_else(|| both.clone()),
    };
    let sides = vec![side(command.first, command.to_first), side(command.second, command.to_second)];
    let request = pb::ProposeIntroductionRequest { room_id: here.room_id, sides, ..Default::default() };
    let answer = here.client.propose_introduction(request).await?;
    let value = json!({
        "introduction_ids": answer.introduction_ids,
        "recorded_time": json::time(answer.recorded_time.as_ref()),
    });
    session.output.show(&value, || {
        note("proposed to both; neither is told who the other is before both accept");
        Ok(())
    })
}

async fn connect(command: Connect, session: &Session) -> Result<(), Failure> {
    let here = Here::enter(session, &command.room).await?;
    let other_room_id = session::room(&here.client, Some(&command.other)).await?;
    let request = pb::RecordConnectionRequest {
        room_id: here.room_id,
        other_room_id,
        reason: command.reason,
        ..Default::default()
    };
    done(session, here.client.record_connection(request).await?.recorded_time, "recorded; no participant can see it")
}

async fn connections(room: &RoomArgument, session: &Session) -> Result<(), Failure> {
    let Here { client, room_id } = Here::enter(session, room).await?;
    let all: Vec<pb::Connection> =
        all_pages!(client.list_connections(ListConnectionsRequest { room_id: room_id.clone() }).connections);
    let values: Vec<_> = all.iter().map(json::connection).collect();
    let rows = all.iter().map(|one| {
        vec![one.room_id.clone(), one.reason.clone(), one.actor.clone(), short_time(one.recorded_time.as_ref())]
    });
    session.output.list(
        &values,
        &["other room", "what they may have in common", "recorded by", "when"],
        rows,
        "no connections",
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn another_room_with_anothers_eyes_never_says_you() {
        let region_b = pb::Participant {
            participant_id: "bbbbbbbb-0000".into(),
            organisation_id: "region-b".into(),
            display_name: "Region B".into(),
            role: pb::Role::AffectedOrganisation as i32,
            is_caller: true,
            ..Default::default()
        };
        let pseudonym = pb::Participant {
            participant_id: "aaaaaaaa-0000".into(),
            role: pb::Role::AffectedOrganisation as i32,
            ..Default::default()
        };
        let seen = pb::SeeAsResponse {
            participant: Some(pb::Participant { is_caller: false, ..region_b.clone() }),
            participants: vec![pseudonym.clone(), region_b],
            messages: vec![pb::MessageHead {
                message_id: "0123abcd-0000".into(),
                author: Some(pseudonym),
                material: pb::Material::Logs as i32,
                tlp: pb::Tlp::Amber as i32,
                recorded_time: Some(crate::client::Time { seconds: 1_764_547_200, nanos: 0 }),
            }],
            next_page_token: String::new(),
        };
        expect![[r#"
            region-b sees:

            WHO                 ROLE                   NAME
            pseudonym aaaaaaaa  affected organisation
            region-b (itself)   affected organisation  Region B

            POSTED                MESSAGE   AUTHOR              MATERIAL  TLP
            2025-12-01 00:00:00Z  0123abcd  pseudonym aaaaaaaa  logs      TLP:AMBER

            TLP:RED is left out, and texts are the same for everybody who sees them."#]]
        .assert_eq(&as_seen(&seen));
    }
}
