//! What must hold after any faults?
//!
//! - Each post and act that was acknowledged is there once, with the id and the time that its author was told, word for word.
//! - One author's posts stand in the order in which they were sent, and what was acknowledged before something else began stands first.
//! - What got no answer, asked about again with the same request id, is there once, too.
//! - What somebody received stands at the same index, and is the same, or was withdrawn; then a notice says so.
//! - Everybody has what the model allows, in the one order of the room, and nothing else.
//! - What was attached is there as often as it was acknowledged, and whole; no message stands without its file.
//! - The store's digests agree, and its high-water file.

use std::collections::BTreeMap;
use std::process::Command;

use samverkan::api as pb;

use crate::Wrong;
use crate::acts::Acts;
use crate::files::{self, Files};
use crate::ground::{Ground, said};
use crate::model::Story;
use crate::posts::{Posts, Stop, ToPost, Told};
use crate::reads::{Reads, list};

/// What was found, in numbers.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Found {
    pub(crate) posts: u64,
    /// Of these, answered only when asked again.
    pub(crate) late: u64,
    pub(crate) acts: u64,
    pub(crate) deliveries: u64,
    /// Withdrawals that met deliveries of what they take back.
    pub(crate) races: u64,
    /// Files that were acknowledged, and are whole.
    pub(crate) files: u64,
    /// Rooms that are served no more, since they don't verify.
    pub(crate) quarantined: u64,
}

impl std::ops::AddAssign for Found {
    fn add_assign(&mut self, other: Self) {
        let Self { posts, late, acts, deliveries, races, files, quarantined } = other;
        self.posts += posts;
        self.late += late;
        self.acts += acts;
        self.deliveries += deliveries;
        self.races += races;
        self.files += files;
        self.quarantined += quarantined;
    }
}

/// Asks again about what was not answered.
pub(crate) async fn ask_again(ground: &Ground, port: u16) -> Result<(), Wrong> {
    let told = Told::quiet();
    for who in ground.seats() {
        let mut posts = Posts::load(ground, who)?;
        let mut acts = Acts::load(ground, who)?;
        let channel = ground.connect(port, who).await?;
        let mut stops = vec![
            posts.post(ground, channel.clone(), ToPost::Unanswered, &told).await,
            acts.act(ground, channel.clone(), ToPost::Unanswered, &told).await,
        ];
        if Files::is_for(ground, who) {
            stops.push(Files::load(ground, who)?.attach(ground, channel, ToPost::Unanswered).await);
        }
        for stop in stops {
            match stop {
                Stop::Done => {}
                Stop::Cut(why) | Stop::Refused(why) | Stop::Wrong(why) => {
                    return Err(format!("{}: {why}", ground.name(who)));
                }
            }
        }
        if posts.posts.iter().any(|post| post.acked.is_none()) {
            return Err(format!("posts of {} have no answer", ground.name(who)));
        }
    }
    Ok(())
}

/// What was received must be on record, before anything else is asked: once more is delivered, a record that is missing is made anew.
async fn records_are_there(ground: &Ground, port: u16) -> Result<(), Wrong> {
    for who in ground.seats() {
        let after_index = Reads::load(ground, who)?.reads.len() as u64;
        let mut client = Ground::messages(ground.connect(port, who).await?);
        let request = pb::ListMessagesRequest { room_id: ground.room(who)?, after_index, page_size: 1 };
        if let Err(status) = client.list_messages(request).await {
            let name = ground.name(who);
            return Err(format!("{name} has received {after_index} deliveries, and is told: {}", status.message()));
        }
    }
    Ok(())
}

/// Asks again about what was not answered, reads everything, and compares.
pub(crate) async fn everything(ground: &Ground, port: u16) -> Result<Found, Wrong> {
    records_are_there(ground, port).await?;
    ask_again(ground, port).await?;
    let mut found = as_it_stands(ground, port).await?;
    if found.quarantined > 0 {
        return Err("a room does not verify".into());
    }
    found.files = files::are_whole(ground, port).await?;
    Ok(found)
}

/// Reads everything, and compares. Rooms that are quarantined are counted.
pub(crate) async fn as_it_stands(ground: &Ground, port: u16) -> Result<Found, Wrong> {
    let (mut posts, mut acts) = (BTreeMap::new(), BTreeMap::new());
    for who in ground.seats() {
        posts.insert(who, Posts::load(ground, who)?);
        acts.insert(who, Acts::load(ground, who)?);
    }
    let mut found = Found {
        posts: posts.values().map(Posts::acked).sum(),
        late: posts.values().map(|posts| posts.late).sum(),
        acts: acts.values().map(|acts| acts.acts.len() as u64).sum(),
        ..Found::default()
    };
    for room in 0..ground.size.rooms {
        let mut story = None;
        for reader in ground.seats_of(room) {
            let wrong = |why: Wrong| format!("{}: {why}", ground.name(reader));
            let now = list(ground, ground.connect(port, reader).await?, reader).await.map_err(wrong)?;
            let Some(now) = now else {
                found.quarantined += 1;
                break;
            };
            found.deliveries += now.len() as u64;
            let story = match &mut story {
                Some(story) => story,
                None => story.insert(Story::read(ground, reader, &now, &posts, &acts).map_err(wrong)?),
            };
            let then = Reads::load(ground, reader)?.reads;
            found.races += story.holds_for(reader, &now, &then).map_err(wrong)?.races;
        }
    }
    Ok(found)
}

/// Whether every digest of a store that nobody serves agrees, and its high-water file.
pub(crate) fn inspect(ground: &Ground) -> Result<(), Wrong> {
    let mut command = Command::new(&ground.program);
    command.args(["inspect", "chain", "--output", "json", "--store"]).arg(&ground.store);
    if ground.encrypts {
        command.arg("--key").arg(ground.folder.join("store.key"));
    }
    let output = said(command.output())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
