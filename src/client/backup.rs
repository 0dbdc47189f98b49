//! How does a backup come from the server? As one stream, which is not resumed: half a backup is none.

use tonic::{Request, Streaming};

use super::error::{ClientError, Failure};
use super::{Client, pb};

/// A backup that is being sent.
pub struct BackupStream {
    client: Client,
    stream: Streaming<pb::TakeBackupResponse>,
}

impl Client {
    /// Asks for a backup.
    pub async fn take_backup(&self, request: pb::TakeBackupRequest) -> Result<BackupStream, ClientError> {
        let transport = &self.transport;
        let begun = transport.answer(transport.backups().take_backup(Request::new(request))).await;
        let stream = begun.map_err(|failure| self.failed(failure))?.into_inner();
        Ok(BackupStream { client: self.clone(), stream })
    }

    fn failed(&self, failure: Failure) -> ClientError {
        let address = self.transport.address();
        match failure {
            Failure::Final(verdict) => verdict.into_error(address, ""),
            Failure::Again { problem, .. } => ClientError::NotReachable { address: address.into(), problem },
        }
    }
}

impl BackupStream {
    /// The next part; `None` after the last. An error ends it: what was received is no backup.
    pub async fn next(&mut self) -> Result<Option<pb::TakeBackupResponse>, ClientError> {
        self.client.transport.answer(self.stream.message()).await.map_err(|failure| self.client.failed(failure))
    }
}
