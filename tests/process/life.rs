//! What do all seats do while a server lives? They post, act, read and attach files, each for itself, until the server goes or they are told to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::Wrong;
use crate::acts::Acts;
use crate::files::Files;
use crate::ground::Ground;
use crate::posts::{Counts, Posts, Stop, ToPost, Told};
use crate::reads::Reads;

/// A server that acknowledges nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long somebody whose connection went waits before the next.
const PAUSE: Duration = Duration::from_millis(20);

/// Whether those whose connection ends, or who are refused for now, come again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Once,
    Again,
}

/// Everybody at work.
pub(crate) struct Life {
    pub(crate) told: Arc<Told>,
    tasks: Vec<JoinHandle<Stop>>,
    /// What each task is, for whoever must find out why it does not end.
    names: Vec<String>,
    /// Of the tasks, those that write.
    writers: Vec<tokio::task::AbortHandle>,
}

async fn work(ground: Arc<Ground>, port: u16, told: Arc<Told>, who: u64, job: u8) -> Stop {
    let channel = match ground.connect(port, who).await {
        Ok(channel) => channel,
        Err(why) => return Stop::Cut(why),
    };
    let loaded = match job {
        0 => match Posts::load(&ground, who) {
            Ok(mut posts) => Ok(posts.post(&ground, channel, ToPost::More, &told).await),
            Err(wrong) => Err(wrong),
        },
        3 => match Files::load(&ground, who) {
            Ok(mut files) => Ok(files.attach(&ground, channel, ToPost::More).await),
            Err(wrong) => Err(wrong),
        },
        1 => match Acts::load(&ground, who) {
            Ok(mut acts) => Ok(acts.act(&ground, channel, ToPost::More, &told).await),
            Err(wrong) => Err(wrong),
        },
        _ => match Reads::load(&ground, who) {
            Ok(mut reads) => Ok(reads.follow(&ground, channel).await),
            Err(wrong) => Err(wrong),
        },
    };
    loaded.unwrap_or_else(Stop::Wrong)
}

impl Life {
    pub(crate) fn begin(ground: &Arc<Ground>, port: u16, manner: Manner) -> Self {
        Self::begin_told(ground, port, manner, Told::quiet())
    }

    pub(crate) fn begin_told(ground: &Arc<Ground>, port: u16, manner: Manner, told: Told) -> Self {
        let told = Arc::new(told);
        let (mut tasks, mut names, mut writers) = (Vec::new(), Vec::new(), Vec::new());
        for who in ground.seats() {
            for job in 0..4 {
                // The coordinator gives no consent.
                if job == 1 && ground.is_coordinator(who) || job == 3 && !Files::is_for(ground, who) {
                    continue;
                }
                names.push(format!(
                    "{} of seat {who}",
                    ["the posts", "the acts", "the reads", "the files"][usize::from(job)]
                ));
                let (ground, told) = (ground.clone(), told.clone());
                tasks.push(tokio::spawn(async move {
                    loop {
                        let stop = work(ground.clone(), port, told.clone(), who, job).await;
                        match (stop, manner) {
                            (Stop::Cut(_) | Stop::Refused(_), Manner::Again) => tokio::time::sleep(PAUSE).await,
                            (stop, Manner::Once | Manner::Again) => return stop,
                        }
                    }
                }));
                if job != 2 {
                    writers.extend(tasks.last().map(JoinHandle::abort_handle));
                }
            }
        }
        Self { told, tasks, names, writers }
    }

    /// Waits until so many more posts are acknowledged.
    pub(crate) async fn acked(&self, more: u64) -> Result<(), Wrong> {
        let goal = self.told.counts().acked + more;
        self.until(move |counts| counts.acked >= goal).await.map_err(|why| format!("no posts were acknowledged: {why}"))
    }

    pub(crate) async fn until(&self, holds: impl FnMut(&Counts) -> bool) -> Result<(), Wrong> {
        let broken = async {
            // Somebody who was told something wrong is the better reason than that nothing goes on.
            loop {
                if let Some(at) = self.tasks.iter().position(JoinHandle::is_finished) {
                    return at;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = self.told.until(holds) => Ok(()),
            at = broken => Err(format!("task {at} ended")),
            () = tokio::time::sleep(PATIENCE) => Err(format!("{PATIENCE:?} have passed")),
        }
    }

    /// Nobody writes any more.
    pub(crate) fn hush(&self) {
        self.writers.iter().for_each(tokio::task::AbortHandle::abort);
    }

    /// Whether somebody has ended.
    pub(crate) fn is_broken(&self) -> bool {
        self.tasks.iter().any(JoinHandle::is_finished)
    }

    /// The server is gone, or on its way: waits until all have noticed. Who has not is told of and left behind: what it was told stands
    /// in its journal, and what it waits for can't come from a process that is no more. Seen once in some thousand kills; in which part of
    /// the client that is used here it waited is not known, so its name is printed.
    pub(crate) async fn end(self) -> Result<(), Wrong> {
        let mut wrong = None;
        for (mut task, name) in self.tasks.into_iter().zip(self.names) {
            match tokio::time::timeout(PATIENCE, &mut task).await {
                Ok(Ok(Stop::Cut(_) | Stop::Refused(_))) => {}
                Ok(Ok(Stop::Done)) => wrong = Some("somebody who works without an end came to one".into()),
                Ok(Ok(Stop::Wrong(why))) => wrong = Some(why),
                Ok(Err(error)) => wrong = Some(error.to_string()),
                Err(_) => {
                    task.abort();
                    eprintln!("{name} had not noticed after {PATIENCE:?} that the server is gone, and are left behind");
                }
            }
        }
        wrong.map_or(Ok(()), Err)
    }

    /// All stop where they are.
    pub(crate) async fn leave(self) -> Result<(), Wrong> {
        let mut wrong = None;
        for task in &self.tasks {
            task.abort();
        }
        for task in self.tasks {
            match task.await {
                Ok(Stop::Wrong(why)) => wrong = Some(why),
                Ok(Stop::Cut(_) | Stop::Refused(_) | Stop::Done) => {}
                Err(error) if error.is_cancelled() => {}
                Err(error) => wrong = Some(error.to_string()),
            }
        }
        wrong.map_or(Ok(()), Err)
    }
}

impl Life {
    /// As they are wont to.
    pub(crate) async fn end_or_leave(self, manner: Manner) -> Result<(), Wrong> {
        match manner {
            Manner::Once => self.end().await,
            Manner::Again => self.leave().await,
        }
    }
}
