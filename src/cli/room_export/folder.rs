//! Where does an export go? Into a new folder beside the one that is meant, which takes that one's place when all of it is on disk.
//! Until then, and if it never comes to that, there is nothing under that name that was not there before.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::super::failure::Failure;
use crate::identity::summary::hex;

/// The folder while it is written. Gone with the value, unless it settles.
pub(super) struct Folder {
    target: PathBuf,
    parent: PathBuf,
    own: TempDir,
}

/// A file while it is written.
pub(super) struct NewFile {
    name: String,
    /// As it will be called, for errors.
    path: PathBuf,
    file: BufWriter<File>,
    digest: Sha256,
    bytes: u64,
}

/// A file that is on disk.
pub(super) struct Written {
    name: String,
    bytes: u64,
    sha256: String,
}

impl Written {
    pub(super) fn value(&self) -> Value {
        json!({ "name": self.name, "bytes": self.bytes, "sha256": self.sha256 })
    }
}

fn bad(target: &Path, problem: &str) -> Failure {
    Failure::usage(format!("{}: {problem}", target.display())).hint("name a folder that is empty, or not there yet")
}

impl Folder {
    /// Makes one beside `target`, which must be empty or not there.
    pub(super) fn beside(target: &Path) -> Result<Self, Failure> {
        let io = |error: io::Error| Failure::io(target.display(), &error);
        let target = match fs::read_dir(target) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(bad(target, "is not empty"));
                }
                fs::canonicalize(target).map_err(io)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(bad(target, "is no folder")),
            // A link to nowhere is something, too.
            Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(target).is_err() => {
                std::path::absolute(target).map_err(io)?
            }
            Err(error) => return Err(io(error)),
        };
        let parent = target.parent().map(Path::to_owned).ok_or_else(|| bad(&target, "can't be replaced"))?;
        if std::env::current_dir().is_ok_and(|here| here == target) {
            return Err(bad(&target, "is the folder that you are in, which can't be replaced"));
        }
        let own = tempfile::Builder::new()
            .prefix(".samverkan-export-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .map_err(|error| {
                Failure::io(target.display(), &error.kind().into())
                    .hint(format!("can you write to the folder {}?", parent.display()))
            })?;
        Ok(Self { target, parent, own })
    }

    /// A new file in it.
    pub(super) fn create(&self, name: &str) -> Result<NewFile, Failure> {
        let path = self.target.join(name);
        let mut options = OpenOptions::new();
        // Truncated, not new: who begins anew writes the same files.
        let opened = options.write(true).create(true).truncate(true).mode(0o600).open(self.own.path().join(name));
        let file = opened.map_err(|error| Failure::io(path.display(), &error))?;
        Ok(NewFile { name: name.to_owned(), path, file: BufWriter::new(file), digest: Sha256::new(), bytes: 0 })
    }

    /// A folder in it, empty.
    pub(super) fn clear(&self, name: &str) -> Result<(), Failure> {
        let path = self.own.path().join(name);
        let cleared = match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => DirBuilder::new().mode(0o700).create(&path),
        };
        cleared.map_err(|error| Failure::io(self.target.join(name).display(), &error))
    }

    /// Without that folder, if it stayed empty; else it is on disk.
    pub(super) fn keep_or_drop(&self, name: &str) -> Result<(), Failure> {
        let path = self.own.path().join(name);
        let kept = match fs::remove_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                File::open(&path).and_then(|folder| folder.sync_all())
            }
            other => other,
        };
        kept.map_err(|error| Failure::io(self.target.join(name).display(), &error))
    }

    /// A file in it without a name, for what is put into another later.
    pub(super) fn scratch(&self) -> Result<File, Failure> {
        tempfile::tempfile_in(self.own.path()).map_err(|error| Failure::io(self.target.display(), &error))
    }

    /// Takes the place of the target: all of it, or nothing.
    pub(super) fn settle(self) -> Result<(), Failure> {
        let Self { target, parent, own } = self;
        let io = |error: io::Error| Failure::io(target.display(), &error);
        File::open(own.path()).and_then(|folder| folder.sync_all()).map_err(io)?;
        match fs::rename(own.path(), &target) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {
                return Err(bad(&target, "is not empty any more; nothing was written"));
            }
            Err(error) => return Err(io(error)),
        }
        // Its old name is gone; there is nothing to clean up.
        let _ = own.keep();
        File::open(&parent).and_then(|folder| folder.sync_all()).map_err(io)
    }
}

impl NewFile {
    pub(super) fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.write_bytes(text.as_bytes())
    }

    pub(super) fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|error| Failure::io(self.path.display(), &error))
    }

    /// Puts it on disk.
    pub(super) fn finish(self) -> Result<Written, Failure> {
        let Self { name, path, file, digest, bytes } = self;
        let io = |error: io::Error| Failure::io(path.display(), &error);
        let file = file.into_inner().map_err(|error| io(error.into_error()))?;
        file.sync_all().map_err(io)?;
        Ok(Written { name, bytes, sha256: hex(&digest.finalize()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_appears_whole_under_its_name_or_not_at_all() {
        let ground = tempfile::tempdir().expect("a folder");
        let target = ground.path().join("export");
        let entries = || fs::read_dir(ground.path()).expect("a folder").count();
        let folder = Folder::beside(&target).expect("begun");
        let mut file = folder.create("one").expect("a file");
        file.write("text").expect("written");
        assert!(!target.exists());
        drop(folder);
        assert_eq!(entries(), 0, "nothing is left behind");

        for is_there in [false, true] {
            let folder = Folder::beside(&target).expect("begun");
            let mut file = folder.create("one").expect("a file");
            file.write("text").expect("written");
            let written = file.finish().expect("on disk");
            assert_eq!(written.sha256, hex(&Sha256::digest("text")));
            folder.settle().expect("settled");
            let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
            assert_eq!((mode(&target), mode(&target.join("one"))), (0o700, 0o600), "{is_there}");
            assert_eq!(fs::read(target.join("one")).expect("reads"), b"text");
            assert_eq!(entries(), 1);
            fs::remove_file(target.join("one")).expect("empty again");
        }
    }

    #[test]
    fn what_is_there_is_never_replaced() {
        let ground = tempfile::tempdir().expect("a folder");
        let of = |name: &str| ground.path().join(name);
        fs::create_dir(of("full")).expect("made");
        fs::write(of("full/one"), "precious").expect("written");
        fs::write(of("file"), "precious").expect("written");
        std::os::unix::fs::symlink("nowhere", of("link")).expect("a link");
        for name in ["full", "file", "link", "none/export", ""] {
            assert!(Folder::beside(&of(name)).is_err(), "{name}");
        }
        // Filled while the export was made.
        let folder = Folder::beside(&of("raced")).expect("begun");
        fs::create_dir(of("raced")).expect("made");
        fs::write(of("raced/one"), "precious").expect("written");
        assert!(folder.settle().is_err_and(|failure| failure.message.contains("not empty any more")));
        assert_eq!(fs::read(of("raced/one")).expect("reads"), b"precious");
        assert_eq!(fs::read_dir(ground.path()).expect("a folder").count(), 4, "nothing is left behind");
    }
}
