//! Where contents lie: a folder, memory, or storage that speaks S3. One question: what does it take to keep an object, and to be rid of it?

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;

use super::{ContentError, S3Environment, s3};

/// Storage of contents.
#[derive(Clone)]
pub struct Storage {
    pub(super) objects: Arc<dyn ObjectStore>,
    /// Where it is, if it is a folder, and the MiB that stay free on its disk.
    folder: Option<(PathBuf, u64)>,
}

/// The storage can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The folder can't be made or read.
    #[error("attachments in {}: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody says as whom to speak to it.
    #[error(
        "attachments in S3 need credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the server's environment (and AWS_REGION, \
         and AWS_SESSION_TOKEN for temporary ones); this machine's role is asked for them only if AWS_METADATA_ENDPOINT says where"
    )]
    NoCredentials,
    /// It can't be where it is said to be.
    #[error("attachments in S3: {0}")]
    S3(String),
    /// The storage says no.
    #[error("storage of attachments: {0}")]
    Storage(#[from] object_store::Error),
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Storage({})", self.objects)
    }
}

impl Storage {
    /// In a folder, which is made if it isn't there. Each object is written beside its place and renamed; [`Self::sync`] makes it durable.
    pub fn in_folder(path: PathBuf, reserve_mib: u64) -> Result<Self, StorageError> {
        let failed = |source| StorageError::Folder { path: path.clone(), source };
        std::fs::create_dir_all(&path).map_err(failed)?;
        let objects = LocalFileSystem::new_with_prefix(&path)?;
        Ok(Self { objects: Arc::new(objects), folder: Some((path, reserve_mib)) })
    }

    /// In memory: for tests.
    pub fn in_memory() -> Self {
        Self { objects: Arc::new(InMemory::new()), folder: None }
    }

    /// In storage that speaks S3, at `s3://BUCKET` or `s3://BUCKET/PREFIX`. `endpoint`: where it is, if it is not Amazon's; `http://` only
    /// for an address of this machine. `environment`: whose credentials.
    pub fn s3(url: &str, endpoint: Option<&str>, environment: &S3Environment) -> Result<Self, StorageError> {
        Ok(Self { objects: s3::objects(url, endpoint, environment)?, folder: None })
    }

    /// Full, if the folder's disk would have less free than its reserve.
    pub(super) async fn check_space(&self, bytes: usize) -> Result<(), ContentError> {
        let Some((folder, reserve_mib)) = &self.folder else { return Ok(()) };
        let stat = rustix::fs::statvfs(folder).map_err(|error| ContentError::Failed(error.to_string()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let needed = reserve_mib.saturating_mul(1024 * 1024).saturating_add(bytes as u64);
        if free < needed { Err(ContentError::Full) } else { Ok(()) }
    }

    /// Whether it is a folder of this machine.
    pub(super) fn is_folder(&self) -> bool {
        self.folder.is_some()
    }

    /// When it returns, these objects, which were put, are durable. After an error they may not be, whatever a later call says.
    pub(super) async fn sync(&self, objects: Vec<Path>) -> Result<(), ContentError> {
        // Storage elsewhere answers when it has them.
        let Some((folder, _)) = self.folder.clone().filter(|_| !objects.is_empty()) else { return Ok(()) };
        let synced = tokio::task::spawn_blocking(move || -> io::Result<()> {
            let sync = |path: &std::path::Path| std::fs::File::open(path)?.sync_all();
            let paths: Vec<PathBuf> = objects.iter().map(|object| folder.join(object.as_ref())).collect();
            paths.iter().try_for_each(|path| sync(path))?;
            paths.first().and_then(|path| path.parent()).map_or(Ok(()), sync)?;
            sync(&folder)
        });
        match synced.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if is_full(&error) => Err(ContentError::Full),
            Ok(Err(error)) => Err(ContentError::Failed(error.to_string())),
            Err(_) => Err(ContentError::Failed("syncing it panicked".into())),
        }
    }

    /// Removes all objects below this name.
    pub(super) async fn remove(&self, name: &str) -> Result<(), StorageError> {
        if let Some((folder, _)) = &self.folder {
            let path = folder.join(name);
            let parent = folder.clone();
            let removed = tokio::task::spawn_blocking(move || match std::fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(StorageError::Folder { path, source: error })
                }
                _ => std::fs::File::open(&parent)
                    .and_then(|folder| folder.sync_all())
                    .map_err(|source| StorageError::Folder { path: parent, source }),
            });
            return removed.await.unwrap_or(Ok(()));
        }
        let prefix = Path::from(name);
        let found: Vec<_> = self.objects.list(Some(&prefix)).map_ok(|object| object.location).try_collect().await?;
        let found = futures_util::stream::iter(found.into_iter().map(Ok)).boxed();
        self.objects.delete_stream(found).try_collect::<Vec<_>>().await?;
        Ok(())
    }

    /// Removes what a cut left of single writes in the folder; nobody may be writing.
    pub(super) async fn remove_half_written(&self) -> Result<(), StorageError> {
        let Some((folder, _)) = self.folder.clone() else { return Ok(()) };
        let swept = tokio::task::spawn_blocking(move || {
            let sweep = || -> io::Result<()> {
                for content in std::fs::read_dir(&folder)? {
                    let content = content?.path();
                    if !content.is_dir() {
                        continue;
                    }
                    for object in std::fs::read_dir(&content)? {
                        let object = object?.path();
                        // Not an object's name: those are digits.
                        if object.file_name().is_some_and(|name| name.as_encoded_bytes().contains(&b'#')) {
                            std::fs::remove_file(&object)?;
                        }
                    }
                }
                Ok(())
            };
            sweep().map_err(|source| StorageError::Folder { path: folder.clone(), source })
        });
        swept.await.unwrap_or(Ok(()))
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), FileTooLarge | QuotaExceeded | StorageFull)
}

/// What the storage's error means for a content.
pub(super) fn of_storage(error: &object_store::Error) -> ContentError {
    let said = error.to_string();
    match error {
        // Not an attachment's damage: all of them are away, and are there again once the configuration is right.
        object_store::Error::NotFound { .. } if said.contains("NoSuchBucket") => return ContentError::Refused(said),
        object_store::Error::NotFound { .. } => return ContentError::Missing,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            return ContentError::Refused(said);
        }
        _ => {}
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.downcast_ref::<io::Error>().is_some_and(is_full) {
            return ContentError::Full;
        }
        source = cause.source();
    }
    ContentError::Failed(said)
}
