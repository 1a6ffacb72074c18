//! Files as the daemons write them: with directories made, mask and owner applied, whole or not at all.

mod aside;
mod link;
mod lock;

pub use aside::Aside;
pub use link::{advance_link, swap_link};
pub use lock::Lock;

use crate::log::Limited;
use crate::privileges::Umask;
use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

/// Mode and owner of what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The mask; without one, the process's.
    pub umask: Option<Umask>,
    /// The owner; without one, the process's.
    pub uid: Option<u32>,
    /// The group; without one, the process's.
    pub gid: Option<u32>,
}

/// Only root may give files away. A file that has the wrong owner is better than none.
static OWNER: Limited = Limited::new(Duration::from_secs(60));

impl Settings {
    fn has_owner(&self) -> bool {
        self.uid.is_some() || self.gid.is_some()
    }

    /// Gives a file that is there already its owner.
    ///
    /// # Errors
    /// When the file is gone, or the process may not give it away.
    pub fn give(&self, path: &Path) -> io::Result<()> {
        if self.has_owner() { std::os::unix::fs::lchown(path, self.uid, self.gid) } else { Ok(()) }
    }

    /// Mode and owner for a file just made.
    fn apply(&self, file: &File) -> io::Result<()> {
        if let Some(umask) = self.umask {
            file.set_permissions(Permissions::from_mode(umask.file_mode()))?;
        }
        if self.has_owner() { std::os::unix::fs::fchown(file, self.uid, self.gid) } else { Ok(()) }
    }
}

/// Says that mode or owner could not be set.
fn complain(path: &Path, outcome: io::Result<()>) {
    if let Err(error) = outcome
        && let Some(pass) = OWNER.pass()
    {
        tracing::warn!(held_back = pass.held_back, "owner or mode cannot be set: {}: {error}", path.display());
    }
}

/// Makes the directories above a path that are missing.
///
/// # Errors
/// When one cannot be made. Mode and owner that cannot be set are logged only.
pub fn make_parents(path: &Path, settings: &Settings) -> io::Result<()> {
    make_parents_telling(path, settings, complain)
}

fn make_parents_telling(path: &Path, settings: &Settings, tell: fn(&Path, io::Result<()>)) -> io::Result<()> {
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return Ok(());
    };
    if parent.is_dir() {
        return Ok(());
    }
    make_parents_telling(parent, settings, tell)?;
    match fs::create_dir(parent) {
        Ok(()) => {}
        // Another thread or process was faster.
        Err(_) if parent.is_dir() => return Ok(()),
        Err(error) => {
            return Err(io::Error::new(error.kind(), format!("{}: {error}", parent.display())));
        }
    }
    let mode = settings
        .umask
        .map_or(Ok(()), |umask| fs::set_permissions(parent, Permissions::from_mode(umask.directory_mode())));
    tell(parent, mode.and_then(|()| settings.give(parent)));
    Ok(())
}

/// Opens a file to append to; it and its directories are made when missing. A named pipe must have a reader already.
///
/// # Errors
/// When the file or a directory above it cannot be made or opened.
pub fn append(path: &Path, settings: &Settings) -> io::Result<File> {
    append_telling(path, settings, true, complain)
}

/// As [`append`], for the log: a pipe that is full gives an error, and nothing is logged from here.
pub(crate) fn append_without_waiting(path: &Path, settings: &Settings) -> io::Result<File> {
    append_telling(path, settings, false, |_, _| ())
}

fn append_telling(
    path: &Path,
    settings: &Settings,
    waits: bool,
    tell: fn(&Path, io::Result<()>),
) -> io::Result<File> {
    match fs::metadata(path) {
        Ok(metadata) if is_special(&metadata) => return open_special(path, waits),
        Ok(_) => return OpenOptions::new().append(true).open(path),
        Err(_) => {}
    }
    make_parents_telling(path, settings, tell)?;
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    tell(path, settings.apply(&file));
    Ok(file)
}

/// Pipes, devices and sockets: things that a rename would replace rather than fill.
fn is_special(metadata: &fs::Metadata) -> bool {
    let kind = metadata.file_type();
    kind.is_fifo() || kind.is_char_device() || kind.is_block_device() || kind.is_socket()
}

/// Opens a pipe or device to write, without waiting for a reader: without one it is an error.
fn open_special(path: &Path, waits: bool) -> io::Result<File> {
    #[expect(clippy::cast_possible_wrap, reason = "one low bit")]
    let nonblock = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().append(true).custom_flags(nonblock).open(path)?;
    if waits {
        let flags = rustix::fs::fcntl_getfl(&file)?;
        rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    }
    Ok(file)
}

/// True when both paths lead to one file.
#[must_use]
pub fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn directories_and_files_follow_the_mask() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c");
        let settings = Settings { umask: Umask::new(0o027), ..Settings::default() };
        append(&path, &settings).unwrap().write_all(b"1").unwrap();
        append(&path, &settings).unwrap().write_all(b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"12");
        assert_eq!(
            (mode(&path), mode(&folder.path().join("a")), mode(&folder.path().join("a/b"))),
            (0o640, 0o751, 0o751)
        );
    }

    #[test]
    fn an_existing_file_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
        append(&path, &Settings { umask: Some(Umask::DEFAULT), ..Settings::default() }).unwrap();
        assert_eq!(mode(&path), 0o604);
    }

    #[test]
    fn a_pipe_without_reader_is_an_error_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(append(&path, &Settings::default()).is_err());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = make_parents(&file.join("below/it"), &Settings::default()).unwrap_err();
        assert!(error.to_string().contains("/file: "), "{error}");
    }

    #[test]
    fn one_file_by_two_names_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "").unwrap();
        assert!(is_same(&path, &folder.path().join("./f")));
        assert!(!is_same(&path, folder.path()));
        assert!(!is_same(&path, Path::new("/no/such/file")));
    }
}
