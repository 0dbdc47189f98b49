//! Requests about backups.

use uuid::Uuid;

use super::fields::Fields;
use crate::api;
use crate::service::backup::Base;
use crate::service::status::CallError;

pub(in crate::service) fn take_backup(request: &api::TakeBackupRequest) -> Result<Option<Base>, CallError> {
    let api::TakeBackupRequest { store_id, after_commit, after_commit_sha256 } = request;
    let mut fields = Fields::default();
    if store_id.is_empty() {
        if *after_commit != 0 {
            fields.wrong("after_commit", "must be 0 without store_id: there is no earlier backup to go on from");
        }
        if !after_commit_sha256.is_empty() {
            fields.wrong("after_commit_sha256", "must be empty without store_id");
        }
        return fields.finish(|| Some(None));
    }
    let store: Option<Uuid> = store_id.parse().ok();
    if store.is_none() {
        fields.wrong("store_id", "must be a UUID, as in the head of the earlier backup");
    }
    let digest: Option<[u8; 32]> = after_commit_sha256[..].try_into().ok();
    if digest.is_none() {
        let length = after_commit_sha256.len();
        fields.wrong("after_commit_sha256", format!("must be 32 bytes, is {length}"));
    }
    let commit = *after_commit;
    fields.finish(|| Some(Some(Base { store: store?, commit, digest: digest? })))
}
