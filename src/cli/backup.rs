//! `samverkan backup`: a copy of a running server's store, and `samverkan backup verify`: is a copy whole?

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::failure::{Exit, Failure};
use super::output::{Output, note};
use super::session::Session;
use crate::client::backup_chain::{self, ChainError, Frames, NewFile, Turn, Whole};
use crate::client::pb::{self, take_backup_response::Content};
use crate::identity::summary::hex;

pub(crate) const HELP: &str = "\
The server goes on meanwhile. The first backup into a folder is a whole one, each later one holds what has come since; together they are
the store as it was at the last of them. What was written while one is taken is in the next.

Everything in it is as it is stored: encrypted, if the store is. THE KEYS ARE NOT IN IT. Keep a copy of the file that store.key names and
of the file `keyring` in the store's folder, apart from the backups: without them nothing in a backup can be read.

The coordinator takes backups, and each is on record in the audit trail.

Examples:
  samverkan backup --directory /backup/samverkan      Whole at first, then what is new
  samverkan backup verify /backup/samverkan           On any machine, without server and keys
  samverkan restore /backup/samverkan --store new --keyring keyring --key store.key";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_long_help = HELP)]
pub(crate) struct Backup {
    #[command(subcommand)]
    command: Option<BackupCommand>,
    /// The folder of backups to add to: empty or not there yet for a whole one
    #[arg(long, value_name = "FOLDER", required = true)]
    directory: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum BackupCommand {
    /// Check a folder of backups: every digest, that they go on from each other, and that nothing is missing
    Verify {
        /// The folder
        folder: PathBuf,
    },
}

impl From<ChainError> for Failure {
    fn from(error: ChainError) -> Self {
        match &error {
            ChainError::Io { .. } => Self::new(Exit::Io, &error),
            ChainError::Busy(_) => Self::new(Exit::Failed, &error).hint("wait until that one is done"),
            ChainError::Bad { .. } => Self::new(Exit::Store, &error).hint(
                "a backup that was changed or is not whole is worth nothing: take a new one into an empty folder",
            ),
        }
    }
}

pub(crate) async fn run(command: Backup, session: &Session) -> Result<(), Failure> {
    match (command.command, command.directory) {
        (Some(BackupCommand::Verify { folder }), _) => {
            let whole = verify(&folder)?;
            told(session.output, &folder, &whole, "verified")?;
            note("the texts in it were not looked at: that takes the keys, and `samverkan restore` does it");
            Ok(())
        }
        (None, Some(directory)) => tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => {
                Err(Failure::new(Exit::Failed, "interrupted: nothing was added; that it was begun is on record"))
            }
            taken = take(&directory, session) => taken,
        },
        (None, None) => Err(Failure::usage("--directory names the folder of backups")),
    }
}

/// Reads all of a folder.
pub(super) fn verify(folder: &Path) -> Result<Whole, Failure> {
    Ok(Frames::of(folder)?.finish()?)
}

async fn take(directory: &Path, session: &Session) -> Result<(), Failure> {
    // What is wrong with the folder is told before anything goes on record.
    let turn = Turn::take(directory)?;
    let base = backup_chain::last(directory)?;
    let request = match &base {
        None => pb::TakeBackupRequest::default(),
        Some((head, _)) => pb::TakeBackupRequest {
            store_id: head.store_id.clone(),
            after_commit: head.commit,
            after_commit_sha256: head.commit_sha256.clone(),
        },
    };
    let mut file = NewFile::begin(turn, base.map(|(_, digest)| digest))?;
    let client = session.connect().await?;
    let mut stream = client.take_backup(request).await?;
    let progress = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} frames {msg} {elapsed}")
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    progress.set_style(style);
    let (mut head, mut end, mut bytes, mut attachments) = (None, None, 0_u64, 0);
    while let Some(part) = stream.next().await? {
        file.add(&part)?;
        match part.content {
            Some(Content::Head(begun)) => {
                progress.set_length(begun.frames);
                head = Some(begun);
            }
            Some(Content::Frames(frames)) => {
                bytes += frames.frames.iter().map(|frame| frame.frame.len() as u64).sum::<u64>();
                progress.inc(frames.frames.len() as u64);
            }
            Some(Content::Part(part)) => {
                bytes += part.bytes.len() as u64;
                progress.set_message("attachments");
            }
            Some(Content::Contents(listed)) => attachments += listed.contents.len(),
            Some(Content::End(ended)) => end = Some(ended),
            None => {}
        }
    }
    progress.finish_and_clear();
    let (Some(head), Some(end)) = (head, end) else {
        return Err(Failure::new(Exit::Failed, "the server ended the backup before its end").hint("take it again"));
    };
    let (path, sha256) = file.finish()?;
    let value = json!({
        "file": path,
        "store_id": head.store_id,
        "after_commit": head.after_commit,
        "commit": head.commit,
        "frames": head.frames,
        "attachments": attachments,
        "attachments_left_out": end.attachments_left_out,
        "bytes": bytes,
        "sha256": hex(&sha256),
    });
    session.output.show(&value, || {
        let what =
            if head.after_commit == 0 { "all".to_owned() } else { format!("what came after {}", head.after_commit) };
        let path = path.display();
        session.output.line(&format!(
            "{path}: {what}, up to commit {}; {} frames, {attachments} attachments in all, {bytes} bytes\nsha256 {}",
            head.commit,
            head.frames,
            hex(&sha256)
        ))
    })?;
    if end.attachments_left_out > 0 {
        let left_out = end.attachments_left_out;
        note(format!(
            "WARNING: {left_out} attachments can't be read where the server keeps them, and are not in it; the server's log says which"
        ));
    }
    note("the keys are not in it: keep the store's key and the file `keyring` of the store's folder apart from it");
    Ok(())
}

/// What a folder of backups holds.
pub(super) fn told(output: Output, folder: &Path, whole: &Whole, what: &str) -> Result<(), Failure> {
    let Whole { files, head, logs, bytes, contents, sha256 } = whole;
    let value: Value = json!({
        "folder": folder,
        "files": files,
        "store_id": head.store_id,
        "commit": head.commit,
        "frames": head.total_frames,
        "logs": logs,
        "attachments": contents.len(),
        "bytes": bytes,
        "sha256": hex(sha256),
    });
    output.show(&value, || {
        output.line(&format!(
            "{what}: store {} up to commit {}; files: {files}, logs: {logs}, frames: {}, attachments: {}, bytes: {bytes}\nsha256 {}",
            head.store_id,
            head.commit,
            head.total_frames,
            contents.len(),
            hex(sha256)
        ))
    })
}
