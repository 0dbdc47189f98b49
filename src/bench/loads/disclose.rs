//! How long does it take to decide what one reader is shown of one entry?
//!
//! In this process, without a server: the pure core. A room is made by deciding and folding, as the engine does; then readers and
//! messages are drawn at random, in a large room and in a small one.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::bench::Bench;
use crate::bench::failure::BenchError;
use crate::bench::measure::{Better, Latencies, Measured, number};
use crate::room::consent::ConsentChange;
use crate::room::decide::decide;
use crate::room::disclose::{Disclosure, Reader, disclose};
use crate::room::event::{Command, Draft, Entry, Event, OpenRoom};
use crate::room::ids::{Actor, InvitationId, MessageId, OrganisationId, ParticipantId, Timestamp};
use crate::room::mailbox::Mailboxes;
use crate::room::state::{RoomState, fold};
use crate::room::words::{Answer, Attribution, Audience, Material, Role, Sharing, Tlp};

/// Microseconds.
const TIME_MAX_US: f64 = 1.0;
const SMALL: usize = 3;
/// Decisions between two looks at the clock, which itself takes some twenty nanoseconds.
const AT_ONCE: usize = 64;

pub(crate) async fn run(bench: &Bench<'_>) -> Result<Measured, BenchError> {
    let (participants, messages) =
        (bench.options.disclose.disclose_participants, bench.options.disclose.disclose_messages);
    let conditions = format!(
        "in process; {} messages, {participants} participants (and {SMALL}), all of them named and sharing everything; random \
         reader, random message",
        number(messages as f64)
    );
    let mut measured = Measured::new("disclose", conditions);
    bench.progress.say("disclose: making rooms");
    let time = bench.options.time() / 4;
    let rounds = tokio::task::spawn_blocking(move || -> Result<_, BenchError> {
        Ok((decisions(&Room::new(participants, messages)?, time), decisions(&Room::new(SMALL, messages)?, time)))
    });
    let (large, small) = rounds.await??;
    for (name, (latencies, _, _)) in [("in the large room", &large), ("in the small room", &small)] {
        measured.latency(&format!("a decision {name} (mean of {AT_ONCE})"), latencies);
    }
    let mean = |(_, count, elapsed): &(Latencies, u64, Duration)| elapsed.as_secs_f64() * 1e6 / *count as f64;
    let (large, small) = (mean(&large), mean(&small));
    measured.figure("large_of_small", large / small, "", Better::Lower);
    measured.figure("mean", large, "µs", Better::Lower);
    measured.figure("mean_small", small, "µs", Better::Lower);
    measured.figure("rate", 1e6 / large, "decisions/s", Better::Higher);
    measured.target("≤ 1 µs a decision", format!("{} µs", number(large)), large <= TIME_MAX_US);
    measured.headline = format!(
        "{} decisions/s, {} µs each with {participants} participants, {} µs with {SMALL}",
        number(1e6 / large),
        number(large),
        number(small)
    );
    Ok(measured)
}

/// A room without an engine.
struct Room {
    state: RoomState,
    mailboxes: Mailboxes,
    posts: Vec<Entry>,
    actors: Vec<Actor>,
    now: Timestamp,
}

impl Room {
    fn new(participants: usize, messages: usize) -> Result<Self, BenchError> {
        let actors: Result<Vec<Actor>, _> =
            (0..=participants).map(|n| format!("org/bench-{n:04}/user/anna").parse()).collect();
        let actors = actors.map_err(|_| BenchError::Other("an actor of the benchmark is malformed".into()))?;
        let now = crate::bench::ground::now();
        let (state, mailboxes) = (RoomState::default(), Mailboxes::default());
        let mut room = Self { state, mailboxes, posts: Vec::with_capacity(messages), actors, now };
        let participant = || ParticipantId(Uuid::new_v4());
        let open = OpenRoom {
            coordinator: room.organisation(0),
            coordinator_participant: participant(),
            title: "A room".into(),
            terms: "Terms".into(),
            report: None,
        };
        room.perform(0, Command::OpenRoom(open))?;
        let consent = Arc::new(everything());
        for n in 1..=participants {
            let invitation = InvitationId(Uuid::new_v4());
            let (organisation, role) = (room.organisation(n), Role::AffectedOrganisation);
            room.perform(0, Command::Invite { invitation, organisation, role, participant: participant() })?;
            room.perform(n, Command::AcceptInvitation { invitation, consent: consent.clone() })?;
        }
        let text: Arc<str> = "x".repeat(1024).into();
        for n in 0..messages {
            let draft = Draft {
                material: Material::Logs,
                tlp: Tlp::AmberStrict,
                text: text.clone(),
                recipients: Vec::new(),
                red_actors: Vec::new(),
                coordinator_only: false,
                in_reply_to: None,
                occurred_at: None,
                supersedes: None,
                acknowledge_by: None,
                attachments: Vec::new(),
            };
            let message = MessageId(Uuid::new_v4());
            room.perform(1 + n % participants, Command::Post { message, draft: Arc::new(draft) })?;
        }
        Ok(room)
    }

    fn organisation(&self, n: usize) -> OrganisationId {
        self.actors[n].organisation.clone()
    }

    fn perform(&mut self, who: usize, command: Command) -> Result<(), BenchError> {
        let caller = self.actors[who].clone();
        let events = decide(&self.state, &self.mailboxes, &caller, command, self.now)
            .map_err(|refusal| BenchError::Other(format!("making a room: {refusal}")))?;
        for event in events {
            let is_post = matches!(event, Event::MessagePosted { .. });
            let seq = self.state.next();
            let entry = Entry::new(seq, self.now, Some(&caller), None, event);
            fold(&mut self.state, &entry);
            self.mailboxes.follow(&self.state, &entry);
            if is_post {
                self.posts.push(entry);
            }
        }
        Ok(())
    }
}

fn everything() -> ConsentChange {
    let audiences = [Audience::OtherAffectedOrganisations, Audience::ThirdParties];
    let materials = [Material::Information, Material::Data, Material::Logs];
    ConsentChange {
        cells: materials.iter().flat_map(|m| audiences.iter().map(|a| (*m, *a, Sharing::Direct))).collect(),
        newcomers: audiences.iter().map(|a| (*a, Answer::Yes)).collect(),
        attribution: Some(Attribution::Named),
        ..ConsentChange::default()
    }
}

/// Decides at random for so long: how long [`AT_ONCE`] took, divided, and how many there were in what time.
fn decisions(room: &Room, time: Duration) -> (Latencies, u64, Duration) {
    let mut latencies = Latencies::new();
    let (mut state, mut count, mut shown) = (1_u64, 0_u64, 0_u64);
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).unwrap_or(0) % below.max(1)
    };
    let begun = Instant::now();
    while begun.elapsed() < time {
        let step = Instant::now();
        for _ in 0..AT_ONCE {
            let (actor, entry) = (&room.actors[draw(room.actors.len())], &room.posts[draw(room.posts.len())]);
            let Ok(reader) = Reader::new(&room.state, actor) else { continue };
            if let Disclosure::Show(message) = disclose(&room.state, reader, entry, room.now) {
                black_box(message);
                shown += 1;
            }
        }
        latencies.record(step.elapsed() / AT_ONCE as u32);
        count += AT_ONCE as u64;
    }
    black_box(shown);
    (latencies, count, begun.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_in_the_room_is_shown_everything() {
        let room = Room::new(5, 10).expect("a room");
        assert_eq!(room.posts.len(), 10);
        for actor in &room.actors {
            let reader = Reader::new(&room.state, actor).expect("is in the room");
            for entry in &room.posts {
                assert!(matches!(disclose(&room.state, reader, entry, room.now), Disclosure::Show(_)), "{actor}");
            }
        }
    }
}
