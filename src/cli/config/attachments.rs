//! The section `[attachments]`: how large, and where are they kept?

use super::Reader;
use crate::contents::{S3Environment, check_endpoint};
use crate::limits::ATTACHMENT_BYTES_MAX;
use crate::server::{AttachmentSettings, AttachmentStorage};

impl Reader<'_> {
    pub(super) fn attachments(&mut self) -> AttachmentSettings {
        const MIB: u64 = 1024 * 1024;
        let most = ATTACHMENT_BYTES_MAX / MIB;
        let size = self.number("attachments.size_max_mib", 1).unwrap_or(most);
        if size > most {
            self.problem(0, format!("attachments.size_max_mib: must be 1 to {most}"));
        }
        let endpoint = self.optional("attachments.endpoint", |text| {
            check_endpoint(text).map(|()| text.to_owned()).map_err(str::to_owned)
        });
        let folder = self.folder;
        let kept = self.optional("attachments.store", |text| match text.strip_prefix("s3://") {
            Some(bucket) if bucket.is_empty() || bucket.starts_with('/') => {
                Err("must name a bucket: s3://BUCKET or s3://BUCKET/PREFIX".into())
            }
            Some(_) => {
                let (url, environment) = (text.to_owned(), S3Environment::of_process());
                Ok(AttachmentStorage::S3 { url, endpoint: None, environment })
            }
            None if text.contains("://") => Err("must be a folder, s3://BUCKET or s3://BUCKET/PREFIX".into()),
            None if text.is_empty() => Err("must not be empty".into()),
            None => Ok(AttachmentStorage::Folder(folder.join(text))),
        });
        let kept = match kept {
            Some(AttachmentStorage::S3 { url, endpoint: None, environment }) => {
                Some(AttachmentStorage::S3 { url, endpoint, environment })
            }
            other => {
                if endpoint.is_some() {
                    self.problem(0, "attachments.endpoint: only with attachments.store = \"s3://BUCKET\"".to_owned());
                }
                other
            }
        };
        AttachmentSettings { bytes_max: size.min(most) * MIB, kept }
    }
}
