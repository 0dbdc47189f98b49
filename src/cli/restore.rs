//! `samverkan restore`: a store from backups, in a folder of its own, and looked at before anybody serves it.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::backup::verify;
use super::failure::{Exit, Failure};
use super::inspect;
use super::output::{Output, note};
use crate::client::backup_chain::{BackedUp, ChainError, Frames};
use crate::room::ids::{ContentId, RoomId};
use crate::sealing::{KEYRING_FILE, KeyEncryptionKey, KeySource};
use crate::store::sled::{RestoreError, Restored, restore};

pub(crate) const HELP: &str = "\
All of the backups in the folder are checked, then written to a new store, which is then looked at: with its keys, every digest of every
room, of the directory and of the audit trail is verified, delivery records included.

A store that was restored is behind the one that it is a copy of: what was acknowledged after the last backup is not in it. The server says
so in its log and in the audit trail when it first serves it, and `samverkan inspect` shows it from then on.

Attachments are put into the folder `attachments` of the new store. A server that keeps them elsewhere (attachments.store) finds them there
once the content of that folder was copied to where it keeps them, under the same names.

What was erased by destroying its keys stays erased, if the keyring and the key are those of after that.

Example:
  samverkan restore /backup/samverkan --store /var/lib/samverkan-new --keyring /safe/keyring --key /safe/store.key";

#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Restore {
    /// The folder of backups
    folder: PathBuf,
    /// Where to make the store: a folder that is empty, or not there yet
    #[arg(long, value_name = "FOLDER")]
    store: PathBuf,
    /// The copy of the file `keyring` that was kept apart from the backups; it is put into the new store
    #[arg(long, value_name = "FILE")]
    keyring: Option<PathBuf>,
    /// The store's key: a file, credential:NAME or fd:VARIABLE, as store.key has it. With it everything in the store is verified
    #[arg(long, value_name = "KEY", requires = "keyring")]
    key: Option<KeySource>,
}

pub(crate) fn run(command: &Restore, output: Output) -> Result<(), Failure> {
    let Restore { folder, store, keyring, key } = command;
    // What is wrong with the keys is told before anything is written.
    let keys: Vec<KeyEncryptionKey> = key.iter().map(KeySource::load).collect::<Result<_, _>>()?;
    let keyring = keyring.as_ref().map(|path| fs::read(path).map_err(|error| Failure::io(path.display(), &error)));
    let keyring = keyring.transpose()?;
    let whole = verify(folder)?;
    // What was erased since is in the earlier files, and does not belong to the last.
    let belongs = |copy: &Result<BackedUp, ChainError>| match copy {
        Ok(BackedUp::Part { content, .. }) => whole.contents.contains(content),
        Ok(BackedUp::Frame { .. }) | Err(_) => true,
    };
    let frames = Frames::of(folder)?.filter(belongs).map(|copy| {
        copy.map(|copy| match copy {
            BackedUp::Frame { log, number, frame } => {
                Restored::Frame { room: RoomId::from_bytes(log), number, bytes: frame.into() }
            }
            BackedUp::Part { content, number, bytes } => {
                Restored::Part { content: ContentId::from_bytes(content), number, bytes: bytes.into() }
            }
        })
    });
    restore(store, &whole.head.identity, &whole.head.position, frames).map_err(|error| failed(error, store))?;
    if let Some(keyring) = &keyring {
        let path = store.join(KEYRING_FILE);
        super::files::write_bytes(&path, keyring, 0o600)?;
    }
    let found = match (&keyring, keys.is_empty()) {
        (Some(_), true) => None,
        _ => match inspect::verify(store, &keys) {
            Ok(found) => Some(found),
            // It is encrypted, and the keys are elsewhere.
            Err(failure) if keyring.is_none() && failure.exit != Exit::Io => None,
            Err(failure) => return Err(failure),
        },
    };
    let value = json!({
        "store": store,
        "store_id": whole.head.store_id,
        "commit": whole.head.commit,
        "frames": whole.head.total_frames,
        "logs": whole.logs,
        "attachments": whole.contents.len(),
        "verified": found.as_ref().map(|found| found.damaged.is_empty()),
        "entries": found.as_ref().map(|found| found.entries),
        "deliveries": found.as_ref().map(|found| found.deliveries),
    });
    output.show(&value, || {
        output.line(&format!(
            "{}: store {} up to commit {}; logs: {}, frames: {}, attachments: {}",
            store.display(),
            whole.head.store_id,
            whole.head.commit,
            whole.logs,
            whole.head.total_frames,
            whole.contents.len()
        ))?;
        match &found {
            Some(found) => output.line(&format!(
                "every digest verified; entries: {}, delivery records: {}",
                found.entries, found.deliveries
            )),
            None => {
                note(format!(
                    "what is in it was not verified: put its keyring into {}, then `samverkan inspect chain --store {} --key FILE`",
                    store.display(),
                    store.display()
                ));
                Ok(())
            }
        }
    })?;
    match found.map(|found| found.damaged).unwrap_or_default().first() {
        None => Ok(()),
        Some(damaged) => Err(Failure::new(Exit::Store, format!("some of it does not verify: {damaged}"))
            .hint("`samverkan inspect chain` shows which logs; is the keyring that of this store?")),
    }
}

fn failed(error: RestoreError<ChainError>, store: &Path) -> Failure {
    match error {
        RestoreError::Source(error) => error.into(),
        RestoreError::Copies(what) => Failure::new(Exit::Store, what),
        RestoreError::Store(error) => Failure::new(Exit::Store, error).hint(format!(
            "name a folder that is empty, or not there yet; `samverkan restore` goes on with one that it began: {}",
            store.display()
        )),
    }
}
