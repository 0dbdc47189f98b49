//! Why did a benchmark come to no result?

use std::io;
use std::path::Path;

use super::Load;
use crate::client::ClientError;
use crate::identity::{IssueError, TlsFileError};

/// Why.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A call failed.
    #[error("{doing}: {source}")]
    Client {
        /// What was being done.
        doing: String,
        source: ClientError,
    },
    /// A certificate could not be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// A certificate could not be used.
    #[error(transparent)]
    Tls(#[from] TlsFileError),
    /// A file or process could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with which file.
        what: String,
        source: io::Error,
    },
    /// The server that was started ended or said something unexpected.
    #[error("the server that was started {0}")]
    Server(String),
    /// A load that needs a server of its own was asked for without one.
    #[error("{0:?} needs a server of its own: add --self-contained")]
    NeedsOwnServer(Load),
    /// What is left.
    #[error("{0}")]
    Other(String),
}

impl BenchError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io(path.display().to_string())
    }

    pub(crate) fn client(doing: impl Into<String>) -> impl FnOnce(ClientError) -> Self {
        let doing = doing.into();
        move |source| Self::Client { doing, source }
    }
}

/// A task of ours that panicked.
impl From<tokio::task::JoinError> for BenchError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Other(format!("a part of the load has a fault: {error}"))
    }
}
