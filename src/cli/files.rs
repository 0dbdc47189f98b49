//! How are files written that must be whole or not there?

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::failure::Failure;

/// A new file with this mode, durable; its folder is made if need be. An error if it is there already.
pub(crate) fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    write_bytes(path, text.as_bytes(), mode)
}

/// The same of bytes.
pub(crate) fn write_bytes(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let io = |error: std::io::Error| Failure::io(path.display(), &error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(io)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(io)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)
}

/// The same in one step, in place of what is there: nobody ever sees half of it.
pub(crate) fn replace(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let provisional = beside(path, ".new-");
    let _ = fs::remove_file(&provisional);
    write_new(&provisional, text, mode)?;
    rename(&provisional, path)
}

/// Renames a file, durably.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    let io = |error: std::io::Error| Failure::io(to.display(), &error);
    fs::rename(from, to).map_err(io)?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}

/// The file beside this one whose name has a prefix.
pub(crate) fn beside(path: &Path, prefix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{prefix}{name}"))
}
