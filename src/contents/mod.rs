//! What attachments hold: where does it lie, outside the log, and is it what was put there?
//!
//! An object store (a folder, or storage that speaks S3) holds each content as parts of [`limits::CONTENT_PART_BYTES`], each of them one
//! object that is written once and whole, so that what is there after a cut is the beginning of the upload; some parts at a time are made
//! durable. A last object, written after all of them are, says that the content is complete. Names tell nothing: a content's id is a digest of who uploads it and under which id.
//!
//! Each part is encrypted with a key of its own below that of its room and source (see [`crate::sealing`]), and fits its content and
//! place only; in a store without keys a digest stands in for that. A part is checked before a byte of it is served.
//!
//! The log says which contents there are. What no log names is an upload that was not posted, and is removed after
//! [`limits::UPLOAD_KEPT`].
//!
//! Leans on: `object_store`, `sealing`. Tested here, in `tests/it/attachments` and in `tests/it/s3`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io::Read as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{GetResultPayload, ObjectStore, ObjectStoreExt as _, PutPayload};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::part::Part;
pub use self::s3::{S3Environment, check_endpoint};
pub use self::storage::{Storage, StorageError};
pub use self::upload::Upload;
use crate::engine::Failure;
use crate::limits;
use crate::room::event::Content;
use crate::room::ids::{Actor, ContentId, OrganisationId, RoomId, UploadId};
use crate::room::refusal::Refusal;
use crate::store::Store;

mod part;
mod s3;
mod storage;
#[cfg(test)]
mod tests;
mod upload;

/// Which content, and whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// In whose room.
    pub room: RoomId,
    /// Whose words it will be.
    pub source: OrganisationId,
    /// Which.
    pub content: ContentId,
}

impl Place {
    /// Where an actor's upload under this id lies. Another actor's under the same id lies elsewhere.
    pub fn of_upload(room: RoomId, actor: &Actor, upload: UploadId) -> Self {
        let digest = Sha256::new()
            .chain_update(b"samverkan/content/1")
            .chain_update(room.as_bytes())
            .chain_update(upload.as_bytes())
            .chain_update(actor.to_string())
            .finalize();
        let content = ContentId::from_bytes(std::array::from_fn(|byte| digest[byte]));
        Self { room, source: actor.organisation.clone(), content }
    }

    fn object(&self, part: u32) -> Path {
        Path::from(object_name(self.content, part))
    }
}

fn folder(content: ContentId) -> String {
    content.0.as_simple().to_string()
}

/// Under which name a part of a content lies, in a folder or elsewhere.
pub(crate) fn object_name(content: ContentId, part: u32) -> String {
    format!("{}/{part:08}", folder(content))
}

const STORAGE_REFUSES: &str = "the storage of attachments refuses this server, and its operator has to be told";
const STORAGE_IS_SILENT: &str = "the storage of attachments does not answer";

/// The part that says that a content is complete.
const END: u32 = u32::MAX;

/// All contents of one store.
pub struct Contents {
    store: Arc<dyn Store>,
    state: Mutex<State>,
    /// What is being read and written: the store is closed only after that.
    tasks: TaskTracker,
}

#[derive(Default)]
struct State {
    /// What a log names.
    posted: HashSet<ContentId>,
    /// What was begun since the start, and is not posted.
    uploads: HashMap<ContentId, Begun>,
    /// What is being removed.
    going: HashSet<ContentId>,
    /// Whether a log could not be read: then nobody knows what it names, and nothing is collected.
    is_unknown: bool,
}

struct Begun {
    organisation: OrganisationId,
    /// Cancelled when the same upload is begun anew.
    taken_over: CancellationToken,
    /// Held by the stream that uploads.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// When it was last begun, or asked for to be posted.
    touched: SystemTime,
}

impl Begun {
    fn by(organisation: &OrganisationId) -> Self {
        Self {
            organisation: organisation.clone(),
            taken_over: CancellationToken::new(),
            turn: Arc::default(),
            touched: SystemTime::now(),
        }
    }
}

/// What is wrong with a content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContentError {
    /// It is not there.
    #[error("is missing")]
    Missing,
    /// It is not what was put there.
    #[error("{0}")]
    Damaged(&'static str),
    /// Its key was destroyed.
    #[error("is erased")]
    Erased,
    /// No space.
    #[error("no space is left where attachments are kept")]
    Full,
    /// The storage does not let us.
    #[error("{0}")]
    Refused(String),
    /// The storage does not answer as it should.
    #[error("{0}")]
    Failed(String),
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents").finish_non_exhaustive()
    }
}

impl Contents {
    /// Those of a store. `posted`: what its logs name; `None`, if one of them can't be read.
    pub fn new(store: Arc<dyn Store>, posted: Option<HashSet<ContentId>>) -> Self {
        let is_unknown = posted.is_none();
        let state = State { posted: posted.unwrap_or_default(), is_unknown, ..State::default() };
        Self { store, state: Mutex::new(state), tasks: TaskTracker::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for what is being read and written.
    pub(crate) async fn stop(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Does something that the end of the server waits for.
    pub(crate) fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.tasks.spawn(task)
    }

    fn storage(&self) -> &Storage {
        self.store.contents()
    }

    fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.storage().objects
    }

    /// Takes an upload's turn: whoever was at it before ends first.
    async fn begin(&self, place: &Place) -> Result<(CancellationToken, tokio::sync::OwnedMutexGuard<()>), Failure> {
        let (token, turn) = {
            let mut state = self.state();
            if state.posted.contains(&place.content) || state.going.contains(&place.content) {
                return Err(Refusal::UploadNotFound.into());
            }
            let known = state.uploads.contains_key(&place.content);
            let of_organisation = state.uploads.values().filter(|begun| begun.organisation == place.source).count();
            if !known && of_organisation >= limits::UPLOADS_MAX {
                return Err(Refusal::LimitReached {
                    what: "files that your organisation has uploaded and not posted; post some of them first",
                    max: limits::UPLOADS_MAX,
                }
                .into());
            }
            let begun = state.uploads.entry(place.content).or_insert_with(|| Begun::by(&place.source));
            begun.touched = SystemTime::now();
            begun.taken_over.cancel();
            begun.taken_over = CancellationToken::new();
            (begun.taken_over.clone(), begun.turn.clone())
        };
        let turn = tokio::select! {
            turn = turn.lock_owned() => turn,
            () = token.cancelled() => return Err(Failure::UploadTakenOver),
        };
        Ok((token, turn))
    }

    /// What an upload holds, if it is complete.
    pub async fn complete(&self, place: &Place) -> Result<Option<Content>, Failure> {
        let is_noted = {
            // From here on it is not collected for a while, so that it is there when it is posted.
            let mut state = self.state();
            if state.going.contains(&place.content) {
                return Ok(None);
            }
            let is_noted = state.uploads.contains_key(&place.content) || state.posted.contains(&place.content);
            if !state.posted.contains(&place.content) {
                let begun = state.uploads.entry(place.content).or_insert_with(|| Begun::by(&place.source));
                begun.touched = SystemTime::now();
            }
            is_noted
        };
        match self.read_end(place).await {
            Ok((size, sha256)) => Ok(Some(Content { id: place.content, size, sha256 })),
            Err(error) => {
                // Who names what was never uploaded leaves nothing behind.
                if !is_noted {
                    self.forget(place.content, |begun| Arc::strong_count(&begun.turn) == 1);
                }
                match error {
                    ContentError::Missing | ContentError::Damaged(_) | ContentError::Erased => Ok(None),
                    error => Err(failed(place, &error)),
                }
            }
        }
    }

    /// Forgets an upload of which nothing is there, if this holds of it.
    fn forget(&self, content: ContentId, if_so: impl FnOnce(&Begun) -> bool) {
        let mut state = self.state();
        if state.uploads.get(&content).is_some_and(if_so) {
            state.uploads.remove(&content);
        }
    }

    /// Notes that a log names it from now on.
    pub fn note_posted(&self, content: ContentId) {
        let mut state = self.state();
        state.uploads.remove(&content);
        state.posted.insert(content);
    }

    async fn put(&self, place: &Place, part: u32, sealed: Vec<u8>) -> Result<(), ContentError> {
        self.storage().check_space(sealed.len()).await?;
        let put = self.objects().put(&place.object(part), PutPayload::from(sealed)).await;
        put.map(|_| ()).map_err(|error| match storage::of_storage(&error) {
            // Nothing that was there is missing: there is nowhere to put it.
            ContentError::Missing => ContentError::Refused(error.to_string()),
            other => other,
        })
    }

    /// Makes parts durable that were put.
    async fn sync(&self, place: &Place, parts: &[u32]) -> Result<(), ContentError> {
        self.storage().sync(parts.iter().map(|part| place.object(*part)).collect()).await
    }

    /// Reads a part as it is stored into this buffer.
    async fn get(&self, place: &Place, part: u32, mut sealed: Vec<u8>) -> Result<Vec<u8>, ContentError> {
        let got = self.objects().get(&place.object(part)).await.map_err(|error| storage::of_storage(&error))?;
        // Whoever can write there must not choose how much memory it takes to find that out.
        if got.meta.size > part::SEALED_BYTES_MAX as u64 {
            return Err(ContentError::Damaged(part::TOO_LONG));
        }
        // Made here: memory that a thread of the pool makes for itself comes back only when that thread is used again.
        part::make_room_for_sealed(&mut sealed, got.meta.size as usize);
        match got.payload {
            GetResultPayload::File(file, _) => {
                let mut file = file.take(part::SEALED_BYTES_MAX as u64 + 1);
                let read = tokio::task::spawn_blocking(move || file.read_to_end(&mut sealed).map(|_| sealed));
                let read = read.await.map_err(|_| ContentError::Failed("reading it panicked".into()))?;
                read.map_err(|error| ContentError::Failed(error.to_string()))
            }
            GetResultPayload::Stream(mut chunks) => {
                while let Some(chunk) = chunks.try_next().await.map_err(|error| storage::of_storage(&error))? {
                    sealed.extend_from_slice(&chunk);
                    if sealed.len() > part::SEALED_BYTES_MAX {
                        break;
                    }
                }
                Ok(sealed)
            }
        }
    }

    /// One part, checked, in this buffer. `length`: how long it must be.
    pub(crate) async fn read_part(
        self: &Arc<Self>,
        place: &Place,
        part: u32,
        length: usize,
        buffer: Vec<u8>,
    ) -> Result<Part, ContentError> {
        let sealed = self.get(place, part, buffer).await?;
        let (contents, place) = (self.clone(), place.clone());
        let opened = tokio::task::spawn_blocking(move || part::open(contents.store.vault(), &place, part, sealed));
        let opened = opened.await.map_err(|_| ContentError::Failed("checking it panicked".into()))??;
        if opened.bytes().len() != length {
            return Err(ContentError::Damaged("a part has another length than it was given"));
        }
        Ok(opened)
    }

    async fn write_end(&self, place: &Place, size: u64, sha256: &[u8; 32]) -> Result<(), ContentError> {
        let mut bytes = part::room_for(8 + 32);
        bytes.extend(size.to_be_bytes());
        bytes.extend(sha256);
        let sealed = part::seal(self.store.vault(), place, END, bytes)?;
        self.put(place, END, sealed).await
    }

    async fn read_end(&self, place: &Place) -> Result<(u64, [u8; 32]), ContentError> {
        let sealed = self.get(place, END, Vec::new()).await?;
        let opened = part::open(self.store.vault(), place, END, sealed)?;
        let (size, sha256) =
            opened.bytes().split_first_chunk::<8>().ok_or(ContentError::Damaged("its end is cut short"))?;
        let sha256 = sha256.try_into().map_err(|_| ContentError::Damaged("its end has another length"))?;
        Ok((u64::from_be_bytes(*size), sha256))
    }

    /// Removes a content, and forgets that it was there.
    pub async fn remove(&self, content: ContentId) -> Result<(), StorageError> {
        {
            let mut state = self.state();
            state.uploads.remove(&content);
            state.posted.remove(&content);
        }
        self.storage().remove(&folder(content)).await
    }

    /// Removes what no log names, nobody uploads, and nobody has touched for [`limits::UPLOAD_KEPT`]; with `at_start`, also what a cut
    /// left of single writes. How many contents were removed.
    pub async fn collect(&self, now: SystemTime, at_start: bool) -> Result<usize, StorageError> {
        if at_start {
            self.storage().remove_half_written().await?;
        }
        if self.state().is_unknown {
            tracing::warn!("a room can't be read, so nobody knows which attachments it has: unposted uploads are kept");
            return Ok(0);
        }
        let mut newest: BTreeMap<ContentId, SystemTime> = BTreeMap::new();
        let mut objects = self.objects().list(None);
        while let Some(object) = objects.try_next().await.map_err(StorageError::from)? {
            let Some(content) = content_of(&object.location) else { continue };
            let touched = SystemTime::from(object.last_modified);
            let newest = newest.entry(content).or_insert(touched);
            *newest = (*newest).max(touched);
        }
        drop(objects);
        let mut removed = 0;
        for (content, touched) in newest {
            let is_old = now.duration_since(touched).is_ok_and(|age| age >= limits::UPLOAD_KEPT);
            let goes = is_old && {
                let mut state = self.state();
                let is_wanted = state.uploads.get(&content).is_some_and(|begun| {
                    begun.turn.try_lock().is_err()
                        || now.duration_since(begun.touched).is_ok_and(|age| age < limits::UPLOAD_KEPT)
                });
                !is_wanted && !state.posted.contains(&content) && state.going.insert(content)
            };
            if goes {
                let gone = self.remove(content).await;
                self.state().going.remove(&content);
                gone?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// The parts of a content, as they are stored, in order: for a backup. `None`: it can't be read.
    ///
    /// # Errors
    /// Storage elsewhere does not answer, and so gives none of them.
    pub async fn stored_parts(&self, content: ContentId) -> Result<Option<Vec<u32>>, Failure> {
        let prefix = Path::from(folder(content));
        let listed: Vec<_> = match self.objects().list(Some(&prefix)).try_collect().await {
            Ok(listed) => listed,
            Err(error) => return self.unreadable(content, &storage::of_storage(&error)),
        };
        let mut parts: Vec<u32> = listed.iter().filter_map(|object| object.location.filename()?.parse().ok()).collect();
        parts.sort_unstable();
        if parts.is_empty() { self.unreadable(content, &ContentError::Missing) } else { Ok(Some(parts)) }
    }

    /// One part as it is stored. `None`: it can't be read.
    ///
    /// # Errors
    /// Storage elsewhere does not answer.
    pub async fn stored_part(&self, content: ContentId, part: u32) -> Result<Option<Bytes>, Failure> {
        let path = Path::from(object_name(content, part));
        let got = async { self.objects().get(&path).await?.bytes().await };
        match got.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => self.unreadable(content, &storage::of_storage(&error)),
        }
    }

    /// One file of a folder that can't be read says nothing of the others; an answer of storage elsewhere does.
    fn unreadable<T>(&self, content: ContentId, error: &ContentError) -> Result<Option<T>, Failure> {
        if *error == ContentError::Missing || self.storage().is_folder() {
            // What is being erased goes while it is copied.
            if self.is_posted(content) {
                tracing::error!(%content, %error, "an attachment can't be read and is not in the backup");
            }
            return Ok(None);
        }
        tracing::error!(%error, "the storage of attachments failed, so there is no backup");
        Err(Failure::Busy(match error {
            ContentError::Refused(_) => STORAGE_REFUSES,
            _ => STORAGE_IS_SILENT,
        }))
    }

    /// Whether a log names it.
    pub fn is_posted(&self, content: ContentId) -> bool {
        self.state().posted.contains(&content)
    }

    /// All that logs name.
    pub fn posted(&self) -> Vec<ContentId> {
        let mut posted: Vec<_> = self.state().posted.iter().copied().collect();
        posted.sort_unstable();
        posted
    }
}

fn content_of(location: &Path) -> Option<ContentId> {
    let mut parts = location.parts();
    uuid::Uuid::try_parse(parts.next()?.as_ref()).ok().map(ContentId)
}

/// What a caller is told, and the log.
pub(crate) fn failed(place: &Place, error: &ContentError) -> Failure {
    match error {
        ContentError::Full => Failure::StoreFull,
        ContentError::Erased => Refusal::MessageNotVisible.into(),
        ContentError::Missing | ContentError::Damaged(_) => {
            tracing::error!(room.id = %place.room, content = %place.content, %error, "an attachment is damaged");
            Failure::AttachmentDamaged
        }
        ContentError::Refused(_) => {
            tracing::error!(room.id = %place.room, content = %place.content, %error, "the storage of attachments refuses us");
            Failure::Busy(STORAGE_REFUSES)
        }
        ContentError::Failed(_) => {
            tracing::error!(room.id = %place.room, content = %place.content, %error, "the storage of attachments failed");
            Failure::Busy(STORAGE_IS_SILENT)
        }
    }
}
