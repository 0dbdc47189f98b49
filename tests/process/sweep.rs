//! A kill at the n-th write, sync or rename, for every n of a script, until the script comes to its end.
//!
//! Four scripts: a store is made; a store is opened; posts, consent and deliveries; a good stop. The n-th call is that of whichever
//! thread makes so many first, so calls that several threads make are swept apart from those that one makes most of.

use std::sync::Arc;
use std::time::Duration;

use crate::Wrong;
use crate::acts::Acts;
use crate::ground::Ground;
use crate::plan::{Plan, Row};
use crate::posts::{Posts, Stop, ToPost, Told};
use crate::reads::Reads;
use crate::server::{Launch, Server, Started};
use crate::strace::Injection;

/// Which calls are swept together.
const CALLS: [&str; 4] = [
    "pwrite64,pwritev",
    "write,writev",
    "fsync,fdatasync,sync_file_range",
    "?rename,?renameat,renameat2,?mkdir,mkdirat,?unlink,unlinkat,ftruncate,fallocate",
];
/// A script that is longer has no end.
const CALLS_MAX: u64 = 400;
/// How many posts each of two seats makes in the script.
const POSTS: u64 = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Making,
    Opening,
    Working,
    Stopping,
}

/// Each script, with each kind of call.
pub(crate) async fn sweep(plan: Plan, calls_max: u64) -> Result<Row, Wrong> {
    let mut row = Row::new("kill at each n-th call");
    let mut ends = Vec::new();
    for script in [Script::Making, Script::Opening, Script::Working, Script::Stopping] {
        let mut ended = 0;
        for calls in CALLS {
            let mut ground: Option<Arc<Ground>> = None;
            for when in 1..=calls_max.min(CALLS_MAX) {
                if when == CALLS_MAX {
                    return Err(format!("{CALLS_MAX} calls of {calls} are not the end of the script"));
                }
                let name = format!("sweep-{}", script as u8);
                let on = match ground.take() {
                    Some(ground) if script != Script::Making => ground,
                    Some(before) => {
                        plan.remove(&before);
                        Arc::new(plan.bare(&name, row.times, None)?)
                    }
                    None if script == Script::Making => Arc::new(plan.bare(&name, row.times, None)?),
                    None => plan.ground(&name, row.times, None).await?,
                };
                let kill = Injection { calls, what: format!("signal=KILL:when={when}") };
                let wrong = |why: Wrong| format!("{} number {when} of {calls}: {why}", script.name());
                let was_killed = script.run(&on, &kill).await.map_err(wrong)?;
                script.check(&plan, &mut row, &on).await.map_err(wrong)?;
                ground = Some(on);
                if !was_killed {
                    break;
                }
                row.times += 1;
                ended += 1;
            }
            if let Some(ground) = ground {
                if script != Script::Making {
                    row.check(&ground, true).await?;
                }
                plan.remove(&ground);
            }
        }
        ends.push(format!("{ended} {}", script.name()));
    }
    row.outcome = ends.join(", ");
    row.done()
}

impl Script {
    fn name(self) -> &'static str {
        match self {
            Self::Making => "making a store",
            Self::Opening => "opening one",
            Self::Working => "working",
            Self::Stopping => "stopping",
        }
    }

    /// Whether it was killed before its end.
    async fn run(self, ground: &Arc<Ground>, kill: &Injection) -> Result<bool, Wrong> {
        match self {
            Self::Making | Self::Opening => {
                let launch = Launch { through: kill.launcher(), ..Launch::default() };
                match Server::try_start(ground, &launch).await? {
                    Started::Ended(..) => Ok(true),
                    Started::Serves(_) => Ok(false),
                }
            }
            Self::Working => {
                let mut server = Server::start(ground).await?;
                let injected = kill.attach(server.pid())?;
                work(ground, server.port()).await?;
                let was_killed = server.has_ended()?.is_some() || is_dying(&mut server).await?;
                drop(injected);
                Ok(was_killed)
            }
            Self::Stopping => {
                let mut server = Server::start(ground).await?;
                let injected = kill.attach(server.pid())?;
                server.signal("TERM")?;
                let status = server.ends_within(Duration::from_secs(30)).await?;
                drop(injected);
                Ok(!status.success())
            }
        }
    }

    async fn check(self, plan: &Plan, row: &mut Row, ground: &Arc<Ground>) -> Result<(), Wrong> {
        if self != Self::Making {
            return row.check(ground, false).await;
        }
        // Nothing was acknowledged, so all that must be is a store that works.
        let server = Server::start(ground).await?;
        ground.set_up(server.port()).await?;
        drop(server);
        let _ = plan;
        row.check(ground, false).await
    }
}

/// A killed process needs an instant to be gone; one that was not killed answers.
async fn is_dying(server: &mut Server) -> Result<bool, Wrong> {
    Ok(server.ends_within(Duration::from_millis(100)).await.is_ok())
}

/// Two seats post, one acts, two read; then the script ends, or the server does.
async fn work(ground: &Arc<Ground>, port: u16) -> Result<(), Wrong> {
    let told = Arc::new(Told::quiet());
    let mut readers = Vec::new();
    for who in [1, 2] {
        let ground = ground.clone();
        readers.push(tokio::spawn(async move {
            match ground.connect(port, who).await {
                Ok(channel) => match Reads::load(&ground, who) {
                    Ok(mut reads) => reads.follow(&ground, channel).await,
                    Err(wrong) => Stop::Wrong(wrong),
                },
                Err(why) => Stop::Cut(why),
            }
        }));
    }
    let script = async {
        for who in [1, 2] {
            let channel = match ground.connect(port, who).await {
                Ok(channel) => channel,
                Err(why) => return Ok(Stop::Cut(why)),
            };
            let mut posts = Posts::load(ground, who)?;
            let mut acts = Acts::load(ground, who)?;
            for _ in 0..POSTS {
                match posts.post(ground, channel.clone(), ToPost::One, &told).await {
                    Stop::Done => {}
                    stop => return Ok(stop),
                }
            }
            match acts.act(ground, channel, ToPost::One, &told).await {
                Stop::Done => {}
                stop => return Ok(stop),
            }
        }
        Ok::<Stop, Wrong>(Stop::Done)
    };
    let stop = script.await?;
    for reader in readers {
        reader.abort();
        if let Ok(Stop::Wrong(wrong)) = reader.await {
            return Err(wrong);
        }
    }
    match stop {
        Stop::Wrong(wrong) => Err(wrong),
        Stop::Done | Stop::Cut(_) | Stop::Refused(_) => Ok(()),
    }
}
