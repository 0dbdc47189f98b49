//! `samverkan attachment`: the files of a room that one may see: list them, fetch one. `post --attach` puts them there.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::deliveries::{name, short, tlp};
use super::failure::{Exit, Failure};
use super::find::{Handle, Here};
use super::output::note;
use super::room::RoomArgument;
use super::session::{Session, page_size};
use super::words::{plain, word};
use super::{files, json};
use crate::client::attachments::FileToUpload;
use crate::client::{Client, ClientError, pb};
use crate::file_name;
use crate::identity::summary::hex;
use crate::limits;
use pb::delivery::Content;

const HELP: &str = "\
An attachment is a message of its own: it has a number in `tail`, its own material and TLP, and `message receipts`, `release`,
`consent withdraw --message` and `message retract` work on it. Who may not see the message that carries it does not see it either.

Examples:
  samverkan post 'Our log of the night' --attach sshd.log --attach-material logs
  samverkan attachment list
  samverkan attachment get 12
  samverkan attachment get 12 --to night.log";

#[derive(Debug, Subcommand)]
#[command(after_help = HELP)]
pub(crate) enum AttachmentCommand {
    /// List the attachments that you have been shown
    #[command(after_help = HELP)]
    List {
        #[command(flatten)]
        room: RoomArgument,
    },
    /// Fetch one: it is checked against its SHA-256 before it gets its name; a fetch that was cut goes on where it was
    #[command(after_help = HELP)]
    Get(Get),
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Its number in `tail`, its id, or the first 8 characters of its id
    attachment: Handle,
    /// The folder to put it in, under its sender's name for it
    #[arg(long, value_name = "FOLDER", default_value = ".", conflicts_with = "to")]
    directory: PathBuf,
    /// The file to write, instead of its sender's name for it
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    room: RoomArgument,
}

pub(crate) async fn run(command: AttachmentCommand, session: &Session) -> Result<(), Failure> {
    match command {
        AttachmentCommand::List { room } => list(&Here::enter(session, &room).await?, session).await,
        AttachmentCommand::Get(command) => get(command, session).await,
    }
}

async fn list(here: &Here, session: &Session) -> Result<(), Failure> {
    let mut request = pb::ListMessagesRequest { room_id: here.room_id.clone(), after_index: 0, page_size: page_size() };
    let (mut values, mut rows) = (Vec::new(), Vec::new());
    loop {
        let page = here.client.list_messages(request.clone()).await?;
        if page.deliveries.is_empty() {
            break;
        }
        for (index, delivery) in (page.first_index..).zip(&page.deliveries) {
            if let Some(Content::Message(message)) = &delivery.content
                && let Some(attachment) = &message.attachment
            {
                values.push(json::delivery(index, delivery));
                rows.push(row(index, message, attachment));
            }
            request.after_index = index;
        }
    }
    let header = ["number", "id", "name", "bytes", "type", "material", "tlp", "from"];
    session.output.list(&values, &header, rows, "no attachments that you have been shown")
}

fn row(index: u64, message: &pb::Message, attachment: &pb::Attachment) -> Vec<String> {
    vec![
        index.to_string(),
        short(&message.message_id).to_owned(),
        attachment.name.clone(),
        attachment.size_bytes.to_string(),
        attachment.media_type.clone(),
        plain::<pb::Material>(message.material),
        tlp(message.tlp),
        name(message.author.as_ref()),
    ]
}

async fn get(command: Get, session: &Session) -> Result<(), Failure> {
    let here = Here::enter(session, &command.room).await?;
    // A whole id is looked up, too: its delivery says what it is called and what its digest must be.
    let (index, message) = here.message(&command.attachment).await?;
    let Some(attachment) = &message.attachment else {
        return Err(Failure::usage(format!("{index} is a message, and no attachment"))
            .hint("`samverkan attachment list` shows the attachments"));
    };
    let target = match command.to {
        Some(file) => file,
        None => command.directory.join(file_of(attachment)?),
    };
    fetch(&here, &message, attachment, &target).await?;
    let value = json!({
        "index": index,
        "message_id": message.message_id,
        "file": target,
        "bytes": attachment.size_bytes,
        "sha256": hex(&attachment.sha256),
        "tlp": word::<pb::Tlp>(message.tlp),
    });
    session.output.show(&value, || {
        session.output.line(&target.display().to_string())?;
        note(format!("{}, {} bytes, {} as posted", tlp(message.tlp), attachment.size_bytes, "sha256"));
        Ok(())
    })
}

/// What it may be called here. The server has checked that, and is not trusted with our disk.
pub(super) fn file_of(attachment: &pb::Attachment) -> Result<&str, Failure> {
    match file_name::check(&attachment.name) {
        Ok(()) => Ok(&attachment.name),
        Err(problem) => Err(Failure::new(Exit::Failed, format!("the attachment's name {problem}"))
            .hint("give it another one: `samverkan attachment get … --to FILE`")),
    }
}

/// Fetches an attachment into a new file, which gets its name when it is whole and checked.
pub(super) async fn fetch(
    here: &Here,
    message: &pb::Message,
    attachment: &pb::Attachment,
    target: &Path,
) -> Result<(), Failure> {
    let io = |error: io::Error| Failure::io(target.display(), &error);
    if std::fs::symlink_metadata(target).is_ok() {
        return Err(Failure::io(target.display(), &io::ErrorKind::AlreadyExists.into())
            .hint("it is not overwritten; name another file with --to"));
    }
    // The same name each time, so that a fetch that was cut goes on; others of this name are other attachments.
    let part = files::beside(target, &format!(".{}-", message.message_id));
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&part).map_err(io)?;
    let mut digest = Sha256::new();
    let mut at = hash_what_is_there(&mut file, &mut digest, attachment.size_bytes).map_err(io)?;
    let progress = bar(attachment.size_bytes, &attachment.name);
    progress.set_position(at);
    let mut download = here.client.download(&here.room_id, &message.message_id, at, attachment.size_bytes);
    while let Some(bytes) = download.next().await.map_err(|error| withdrawn(error, &part))? {
        digest.update(&bytes);
        file.write_all(&bytes).map_err(io)?;
        at += bytes.len() as u64;
        progress.set_position(at);
    }
    progress.finish_and_clear();
    if digest.finalize()[..] != attachment.sha256[..] || at != attachment.size_bytes {
        drop(file);
        std::fs::remove_file(&part).map_err(io)?;
        return Err(Failure::new(
            Exit::Failed,
            "what came is not what was posted: its SHA-256 is another; it was removed",
        )
        .hint("fetch it again"));
    }
    file.sync_all().map_err(io)?;
    // A link and not a rename, which would replace a file that came there meanwhile.
    std::fs::hard_link(&part, target).map_err(io)?;
    std::fs::remove_file(&part).map_err(io)
}

/// What was withdrawn while it was fetched is not kept as a part that nobody will complete.
fn withdrawn(error: ClientError, part: &Path) -> Failure {
    if let ClientError::Refused(refused) = &error
        && ["MESSAGE_WITHDRAWN", "MESSAGE_NOT_VISIBLE"].contains(&refused.reason.as_str())
    {
        let _ = std::fs::remove_file(part);
    }
    error.into()
}

/// Reads what an earlier fetch has left, from the beginning; the file stands at its end then.
fn hash_what_is_there(file: &mut File, digest: &mut Sha256, size: u64) -> io::Result<u64> {
    let length = file.metadata()?.len();
    if length > size {
        file.set_len(0)?;
        return Ok(0);
    }
    let mut part = vec![0; 256 * 1024];
    let mut at = 0;
    file.rewind()?;
    loop {
        match file.read(&mut part)? {
            0 => return Ok(at),
            bytes => {
                digest.update(&part[..bytes]);
                at += bytes as u64;
            }
        }
    }
}

/// On standard error, and only if that is a terminal.
fn bar(bytes: u64, what: &str) -> ProgressBar {
    let progress = ProgressBar::new(bytes);
    let template = "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        progress.set_style(style);
    }
    progress.set_message(super::output::escape(what).into_owned());
    progress.enable_steady_tick(Duration::from_millis(250));
    progress
}

/// Files that come with a message; a relay takes none.
#[derive(Debug, Args)]
pub(crate) struct AttachArguments {
    /// Files that come with it, at most 16; each becomes a message of its own, which consent for its material decides on
    #[arg(long, value_name = "FILE", num_args = 1..)]
    attach: Vec<PathBuf>,
    /// What the files are: information, data or logs; the same as the message, if nothing is said
    #[arg(long, value_parser = super::words::parse::<pb::Material>, requires = "attach", value_name = "MATERIAL")]
    attach_material: Option<pb::Material>,
    /// Their media type, as in text/plain
    #[arg(long, value_name = "TYPE", requires = "attach")]
    attach_type: Option<String>,
}

/// A file that is about to be uploaded.
pub(super) struct Attaching {
    path: PathBuf,
    name: String,
    size: u64,
    sha256: [u8; 32],
}

impl AttachArguments {
    pub(super) fn is_empty(&self) -> bool {
        self.attach.is_empty()
    }

    /// What the files are, if that is another material than the message's.
    pub(super) fn other_material(&self, of_message: pb::Material) -> Option<pb::Material> {
        self.attach_material.filter(|material| *material != of_message && !self.attach.is_empty())
    }

    /// Looks at the files before anything is sent.
    pub(super) fn read(&self) -> Result<Vec<Attaching>, Failure> {
        if self.attach.len() > limits::ATTACHMENTS_MAX {
            return Err(Failure::usage(format!("at most {} files come with one message", limits::ATTACHMENTS_MAX)));
        }
        let mut files = Vec::with_capacity(self.attach.len());
        for path in &self.attach {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Err(problem) = file_name::check(&name) {
                return Err(Failure::usage(format!("{}: a file's name {problem}", path.display())));
            }
            let io = |error: io::Error| Failure::io(path.display(), &error);
            let mut file = File::open(path).map_err(io)?;
            if !file.metadata().map_err(io)?.is_file() {
                return Err(Failure::usage(format!("{}: is no file", path.display())));
            }
            let length = file.metadata().map_err(io)?.len();
            if length == 0 {
                return Err(Failure::usage(format!("{}: is empty", path.display())));
            }
            let mut digest = Sha256::new();
            let size = hash_what_is_there(&mut file, &mut digest, u64::MAX).map_err(io)?;
            files.push(Attaching { path: path.clone(), name, size, sha256: digest.finalize().into() });
        }
        Ok(files)
    }

    /// Uploads the files; what is there already is not sent again. `is_retry`: they may have been posted, which is no error then.
    pub(super) async fn upload(
        &self,
        client: &Client,
        room_id: &str,
        of_message: pb::Material,
        files: &[Attaching],
        is_retry: bool,
    ) -> Result<Vec<pb::AttachmentDraft>, Failure> {
        let mut drafts = Vec::with_capacity(files.len());
        for file in files {
            let progress = bar(file.size, &file.name);
            // The same for the same file, so that an upload that was cut goes on when the command is given again.
            let mut upload_id = upload_id(room_id, file);
            loop {
                let whole = FileToUpload {
                    room_id,
                    upload_id: &upload_id,
                    path: &file.path,
                    size: file.size,
                    sha256: file.sha256,
                };
                match client.upload(&whole, |durable| progress.set_position(durable)).await {
                    Ok(()) => break,
                    Err(ClientError::Refused(refused)) if refused.reason == "UPLOAD_NOT_FOUND" => {
                        if is_retry {
                            break;
                        }
                        // It was posted before, and is posted once more.
                        upload_id = Uuid::new_v4().to_string();
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            progress.finish_and_clear();
            drafts.push(pb::AttachmentDraft {
                upload_id,
                name: file.name.clone(),
                media_type: self.attach_type.clone().unwrap_or_default(),
                material: self.attach_material.unwrap_or(of_message) as i32,
            });
        }
        Ok(drafts)
    }
}

/// A custom UUID (RFC 9562, version 8) of what is uploaded where.
fn upload_id(room_id: &str, file: &Attaching) -> String {
    let digest = Sha256::new()
        .chain_update(b"samverkan/upload/1")
        .chain_update(room_id)
        .chain_update(&file.name)
        .chain_update(file.sha256)
        .finalize();
    uuid::Builder::from_custom_bytes(std::array::from_fn(|byte| digest[byte])).into_uuid().to_string()
}

/// What was posted, for programs.
pub(super) fn posted(ids: &[String], files: &[Attaching]) -> Value {
    let one = |(id, file): (&String, &Attaching)| json!({ "message_id": id, "name": file.name, "bytes": file.size, "sha256": hex(&file.sha256) });
    ids.iter().zip(files).map(one).collect()
}
