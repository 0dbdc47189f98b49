//! `samverkan.v1.BackupService`: the store as it is stored, for the coordinator. The promises are the comments in backup.proto.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::call::Call;
use super::message::{Answers, Source, answers};
use super::status::CallError;
use super::streams::OpenStream;
use super::{Edge, authorisation};
use crate::api::{self, backup_service_server::BackupService, take_backup_response::Content};
use crate::audit::AuditEvent;
use crate::engine::Failure;
use crate::limits;
use crate::room::ids::{ContentId, RoomId};
use crate::store::backup::{Copied, Moment};
use crate::store::{Store, StoredFrame};

#[tonic::async_trait]
impl BackupService for Edge {
    type TakeBackupStream = Answers<api::TakeBackupResponse>;

    async fn take_backup(
        &self,
        request: Request<api::TakeBackupRequest>,
    ) -> Result<Response<Self::TakeBackupStream>, Status> {
        self.unary(authorisation::TAKE_BACKUP, request, take_backup).await
    }
}

/// An earlier backup that one goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) store: Uuid,
    pub(super) commit: u64,
    pub(super) digest: [u8; 32],
}

/// Whether a backup is under way; held by that one.
#[derive(Clone, Default)]
pub(super) struct OneAtATime(Arc<AtomicBool>);

struct Turn(OneAtATime);

impl OneAtATime {
    fn take(&self) -> Result<Turn, CallError> {
        let free = self.0.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if free { Ok(Turn(self.clone())) } else { Err(CallError::BackupUnderWay) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}

async fn take_backup(
    call: Call,
    request: api::TakeBackupRequest,
) -> Result<Answers<api::TakeBackupResponse>, CallError> {
    let base = super::from_proto::take_backup(&request)?;
    call.authorise()?;
    let open = call.shared().streams.open(&call.caller, true)?;
    let turn = call.shared().backups.take()?;
    let store = call.engine().store().clone();
    let begun = tokio::task::spawn_blocking(move || begin(store, base)).await;
    let (store, mut moment, before) =
        begun.map_err(|error| CallError::internal(authorisation::TAKE_BACKUP.path, error))??;
    // After the logs: whatever they name is among these.
    moment.contents = call.engine().contents().posted().into_iter().collect();
    let (by, certificate, peer) = (call.actor().clone(), call.caller.certificate, call.caller.peer.ip());
    let taken = AuditEvent::BackupTaken { by, certificate, peer, commit: moment.commit };
    call.engine().trail().record(taken).await.map_err(Failure::from)?;
    Ok(answers(Copying::new(call, store, moment, before, (open, turn))))
}

/// What is copied from where, and the commit and the logs of the backup that it goes on from.
type Begun = (Arc<dyn Store>, Moment, Option<(u64, Copied)>);

fn begin(store: Arc<dyn Store>, base: Option<Base>) -> Result<Begun, CallError> {
    let backup = store.backup().ok_or(CallError::NoSuchMethod)?;
    // The base first: it can't be later than the moment then.
    let before = match base {
        None => None,
        Some(Base { store, commit, digest }) => {
            let known = backup.remembered(commit, &digest).filter(|_| backup.moment().store == store);
            Some((commit, known.ok_or(CallError::BackupBaseUnknown)?))
        }
    };
    let moment = backup.moment();
    Ok((store, moment, before))
}

/// A backup under way.
struct Copying {
    call: Call,
    store: Arc<dyn Store>,
    moment: Moment,
    after: u64,
    /// What is still to be copied: of each log, from which frame to which.
    left: VecDeque<(RoomId, u64, u64)>,
    /// What of attachments is still to be copied; of the first, which parts.
    contents: VecDeque<ContentId>,
    parts: Option<VecDeque<u32>>,
    /// What belongs to it and is still to be told.
    listed: VecDeque<ContentId>,
    copied: u64,
    left_out: u64,
    digest: Sha256,
    step: Step,
    _held: (OpenStream, Turn),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Head,
    Frames,
    Listing,
    Over,
}

/// Attachments that are told of in one answer.
const CONTENTS_AT_ONCE: usize = 4096;

impl Copying {
    fn new(
        call: Call,
        store: Arc<dyn Store>,
        moment: Moment,
        before: Option<(u64, Copied)>,
        held: (OpenStream, Turn),
    ) -> Self {
        let (after, before) = before.unwrap_or_default();
        let left = moment.logs.iter().filter_map(|(&room, &end)| {
            let first = before.logs.get(&room).copied().unwrap_or(0);
            (first < end).then_some((room, first, end))
        });
        let left = left.collect();
        let contents = moment.contents.difference(&before.contents).copied().collect();
        let (parts, listed) = (None, VecDeque::new());
        Self {
            call,
            store,
            moment,
            after,
            left,
            contents,
            parts,
            listed,
            copied: 0,
            left_out: 0,
            digest: Sha256::new(),
            step: Step::Head,
            _held: held,
        }
    }

    fn head(&self) -> api::BackupHead {
        let Moment { store, commit, digest, logs, identity, position, contents: _ } = &self.moment;
        api::BackupHead {
            store_id: store.to_string(),
            commit: *commit,
            commit_sha256: digest.to_vec().into(),
            after_commit: self.after,
            frames: self.left.iter().map(|(_, first, end)| end - first).sum(),
            total_frames: logs.values().sum(),
            identity: identity.clone().into(),
            position: position.clone().into(),
        }
    }

    /// The next frames; none if all were copied.
    async fn frames(&mut self) -> Result<Vec<api::BackupFrame>, CallError> {
        let mut frames = Vec::new();
        let mut bytes = 0;
        while bytes < limits::BACKUP_CHUNK_BYTES
            && let Some(&(room, first, end)) = self.left.front()
        {
            let store = self.store.clone();
            let max = limits::BACKUP_CHUNK_BYTES - bytes;
            let read = tokio::task::spawn_blocking(move || store.read(room, first..end, max)).await;
            let internal = |error: String| CallError::internal(authorisation::TAKE_BACKUP.path, error);
            let read =
                read.map_err(|error| internal(error.to_string()))?.map_err(|error| internal(error.to_string()))?;
            let Some(last) = read.last() else { return Err(internal(format!("frame {first} of {room} is missing"))) };
            match last.number + 1 {
                next if next < end => self.left[0] = (room, next, end),
                _ => drop(self.left.pop_front()),
            }
            for StoredFrame { number, bytes: frame } in read {
                bytes += frame.len();
                self.digest.update(room.as_bytes());
                self.digest.update(number.to_be_bytes());
                self.digest.update((frame.len() as u64).to_be_bytes());
                self.digest.update(&frame);
                frames.push(api::BackupFrame { log: room.as_bytes().to_vec().into(), number, frame });
            }
        }
        self.copied += frames.len() as u64;
        Ok(frames)
    }

    /// The next part of an attachment; none if all were copied. What is gone by now, erased, is left out; what can't be read, too.
    async fn part(&mut self) -> Result<Option<api::BackupPart>, Failure> {
        let contents = self.call.engine().contents().clone();
        while let Some(&content) = self.contents.front() {
            if self.parts.is_none() {
                match contents.stored_parts(content).await? {
                    Some(parts) => self.parts = Some(parts.into()),
                    None => self.leave_out(content),
                }
                continue;
            }
            let Some(number) = self.parts.as_mut().and_then(VecDeque::pop_front) else {
                (self.parts, _) = (None, self.contents.pop_front());
                continue;
            };
            match contents.stored_part(content, number).await? {
                Some(bytes) => {
                    self.digest.update(content.as_bytes());
                    self.digest.update(u64::from(number).to_be_bytes());
                    self.digest.update((bytes.len() as u64).to_be_bytes());
                    self.digest.update(&bytes);
                    let content = content.as_bytes().to_vec().into();
                    return Ok(Some(api::BackupPart { content, number, bytes }));
                }
                None => self.leave_out(content),
            }
        }
        Ok(None)
    }

    fn leave_out(&mut self, content: ContentId) {
        self.left_out += u64::from(self.call.engine().contents().is_posted(content));
        self.moment.contents.remove(&content);
        (self.parts, _) = (None, self.contents.pop_front());
    }

    async fn content(&mut self) -> Result<Content, CallError> {
        let caller = self.call.caller.clone();
        let stopping = self.call.shared().stopping.clone();
        if self.step == Step::Head {
            self.step = Step::Frames;
            return Ok(Content::Head(self.head()));
        }
        let frames = tokio::select! {
            biased;
            () = caller.cancelled() => return Err(CallError::cut(&caller)),
            () = stopping.cancelled() => return Err(Failure::ShuttingDown.into()),
            frames = self.frames() => frames?,
        };
        if !frames.is_empty() {
            return Ok(Content::Frames(api::BackupFrames { frames }));
        }
        if self.step == Step::Frames {
            let part = tokio::select! {
                biased;
                () = caller.cancelled() => return Err(CallError::cut(&caller)),
                () = stopping.cancelled() => return Err(Failure::ShuttingDown.into()),
                part = self.part() => part?,
            };
            if let Some(part) = part {
                return Ok(Content::Part(part));
            }
            self.step = Step::Listing;
            self.listed = self.moment.contents.iter().copied().collect();
        }
        if !self.listed.is_empty() {
            let some = self.listed.drain(..self.listed.len().min(CONTENTS_AT_ONCE));
            let contents = some.map(|content| content.as_bytes().to_vec().into()).collect();
            return Ok(Content::Contents(api::BackupContents { contents }));
        }
        self.step = Step::Over;
        let (store, moment) = (self.store.clone(), self.moment.clone());
        let remembered =
            tokio::task::spawn_blocking(move || store.backup().map(|backup| backup.remember(&moment))).await;
        remembered.map_err(|error| CallError::internal(authorisation::TAKE_BACKUP.path, error))?;
        let sha256 = self.digest.clone().finalize().to_vec().into();
        Ok(Content::End(api::BackupEnd { frames: self.copied, sha256, attachments_left_out: self.left_out }))
    }
}

impl Source for Copying {
    type Answer = api::TakeBackupResponse;

    fn call(&self) -> &Call {
        &self.call
    }

    async fn next(&mut self) -> Option<Result<api::TakeBackupResponse, Status>> {
        if self.step == Step::Over {
            return None;
        }
        let content = self.content().await.map_err(|error| error.status(self.call.method.effect));
        Some(content.map(|content| api::TakeBackupResponse { content: Some(content) }))
    }
}
