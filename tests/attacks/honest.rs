//! Those who only want to work: they post, follow the room, and sometimes one comes anew. How long does each of these take?

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use samverkan::api as pb;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::ground::{Ground, said};
use crate::{PATIENCE, Wrong};

/// Between two posts of one organisation.
const PACE: Duration = Duration::from_millis(10);

/// Times of one kind, in microseconds.
#[derive(Default)]
pub(crate) struct Times(Mutex<Vec<u64>>);

impl Times {
    fn add(&self, time: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Those since the last time that this was asked: their p99 in milliseconds.
    pub(crate) fn p99(&self) -> Option<f64> {
        let mut times = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        times.sort_unstable();
        let at = (times.len() * 99 / 100).min(times.len().checked_sub(1)?);
        Some(times[at] as f64 / 1000.0)
    }
}

/// The organisations 1 and 2 post, 3 follows.
pub(crate) struct Honest {
    pub(crate) posts: Arc<Times>,
    pub(crate) deliveries: Arc<Times>,
    tasks: JoinSet<Wrong>,
}

impl Honest {
    pub(crate) async fn start(ground: &Arc<Ground>, port: u16) -> Result<Self, Wrong> {
        let (posts, deliveries) = (Arc::new(Times::default()), Arc::new(Times::default()));
        let mut tasks = JoinSet::new();
        let room_id = ground.room(0)?;
        let begun = Instant::now();
        let mut reader = Ground::messages(ground.connect(port, 3).await?);
        let subscribe = pb::SubscribeRequest { room_id: room_id.clone(), after_index: 0 };
        let mut updates = said(reader.subscribe(subscribe).await)?.into_inner();
        tasks.spawn({
            let deliveries = deliveries.clone();
            async move {
                loop {
                    match updates.message().await {
                        Ok(Some(update)) => note(&update, begun, &deliveries),
                        Ok(None) => return "the subscription of an honest reader ended".to_owned(),
                        Err(status) => return format!("an honest reader was cut: {status}"),
                    }
                }
            }
        });
        for who in 1..=2 {
            let mut client = Ground::messages(ground.connect(port, who).await?);
            let (posts, room_id) = (posts.clone(), room_id.clone());
            tasks.spawn(async move {
                let mut beat = tokio::time::interval(PACE);
                beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                loop {
                    beat.tick().await;
                    let sent = Instant::now();
                    let request = post(&room_id, format!("at {}", begun.elapsed().as_micros()));
                    match tokio::time::timeout(PATIENCE, client.post_message(request)).await {
                        Ok(Ok(_)) => posts.add(sent.elapsed()),
                        Ok(Err(status)) => return format!("an honest post was refused: {status}"),
                        Err(_) => return format!("an honest post was not answered within {PATIENCE:?}"),
                    }
                }
            });
        }
        Ok(Self { posts, deliveries, tasks })
    }

    /// What went wrong for one of them, if anything did.
    pub(crate) fn wrong(&mut self) -> Option<Wrong> {
        self.tasks.try_join_next().map(|ended| ended.unwrap_or_else(|error| error.to_string()))
    }

    pub(crate) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

pub(crate) fn post(room_id: &str, text: String) -> pb::PostMessageRequest {
    let draft = pb::MessageDraft {
        material: pb::Material::Logs.into(),
        tlp: pb::Tlp::AmberStrict.into(),
        text,
        ..pb::MessageDraft::default()
    };
    pb::PostMessageRequest { request_id: Uuid::new_v4().to_string(), room_id: room_id.to_owned(), draft: Some(draft) }
}

fn note(update: &pb::SubscribeResponse, begun: Instant, times: &Times) {
    let Some(pb::subscribe_response::Content::Batch(batch)) = &update.content else { return };
    for delivery in &batch.deliveries {
        let Some(pb::delivery::Content::Message(message)) = &delivery.content else { continue };
        let Some(sent) = message.text.strip_prefix("at ").and_then(|at| at.parse().ok()) else { continue };
        times.add(begun.elapsed().saturating_sub(Duration::from_micros(sent)));
    }
}

/// Somebody comes anew: how long until its first call is answered?
pub(crate) async fn newcomer(ground: &Ground, port: u16) -> Result<Duration, Wrong> {
    let begun = Instant::now();
    let first = async {
        let mut client = Ground::messages(ground.connect(port, 1).await?);
        let request = pb::ListMessagesRequest { room_id: ground.room(0)?, after_index: 0, page_size: 1 };
        said(client.list_messages(request).await)
    };
    match tokio::time::timeout(PATIENCE, first).await {
        Ok(answered) => answered.map(|_| begun.elapsed()).map_err(|error| format!("a newcomer: {error}")),
        Err(_) => Err(format!("a newcomer was not served within {PATIENCE:?}")),
    }
}
