//! `samverkan keys`: the key with which a server encrypts what it stores.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::{Exit, Failure};
use super::output::{Output, note};
use crate::sealing::{KeyEncryptionKey, KeySource, KeySourceError};

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key for a store: a small file that only its owner can read
    #[command(long_about = "\
Make a key for a store: a small file that only its owner can read.

The server encrypts what it stores. The keys for that lie in the store, in the file `keyring`, encrypted with this one; \
`store.key` in the configuration names it. Without it nothing in the store can be read, by anybody, ever: keep a copy of it and of the \
keyring, apart from the store and from its backups.

To change the key: make a new one, name it as store.key, keep the former one as store.former_key, and let the server reload (it does so \
by itself when the configuration changes). It tells which key holds from then on; the former one opens nothing any more, and can be \
destroyed. Nothing else is written again, however large the store is.

The file need not stay on the server's disk: `store.key = \"credential:NAME\"` takes it from systemd (LoadCredentialEncrypted=), \
`store.key = \"fd:VARIABLE\"` from an open descriptor, whose number is in that environment variable.")]
    Create(Create),
    /// Show which key a file holds: its id, as the server's log and errors name it
    Show(Show),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Where to write it; what is there is not overwritten
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A file, credential:NAME or fd:VARIABLE, as store.key has it
    #[arg(required = true)]
    keys: Vec<KeySource>,
}

impl From<KeySourceError> for Failure {
    fn from(error: KeySourceError) -> Self {
        let exit = if matches!(error, KeySourceError::Io { .. }) { Exit::Io } else { Exit::Configuration };
        Self::new(exit, error)
    }
}

pub(crate) fn run(command: KeysCommand, output: Output) -> Result<(), Failure> {
    match command {
        KeysCommand::Create(Create { file }) => {
            if file.exists() {
                return Err(Failure::usage(format!("{}: is there already and is not overwritten", file.display()))
                    .hint("a store whose key is lost can't be read any more: give the new one another name"));
            }
            let key = KeyEncryptionKey::random();
            key.write(&file).map_err(|error| Failure::io(file.display(), &error))?;
            let id = key.id().to_string();
            output.show(&json!({ "key": id, "file": file }), || {
                output.line(&format!("made key {id} in {}", file.display()))
            })?;
            note(
                "name it as store.key in the server's configuration; keep a copy of it apart from the store: without it nothing can be read",
            );
            Ok(())
        }
        KeysCommand::Show(Show { keys }) => keys.iter().try_for_each(|source| {
            let id = source.load()?.id().to_string();
            output.show(&json!({ "key": id, "source": source.to_string() }), || output.line(&format!("{id}  {source}")))
        }),
    }
}
