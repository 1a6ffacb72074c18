//! Files that the daemons write: directories are created, mask and owner applied, files appear whole or not at all.

mod aside;
mod held;
mod link;
mod location;
mod lock;

pub use aside::Aside;
pub(crate) use held::{Held, Taken};
pub use link::{advance_link, swap_link};
pub use lock::Lock;

use crate::log::Limited;
use crate::privileges::Umask;
use location::{LastLink, Location};
use rustix::fs::{FileType, OFlags};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Maximum length of a file name.
const NAME_MAX: usize = 255;

/// Mode and owner of written files, and which links are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The mask; without one, the process's.
    pub umask: Option<Umask>,
    /// The owner; without one, the process's.
    pub uid: Option<u32>,
    /// The group; without one, the process's.
    pub gid: Option<u32>,
    /// Follows every symbolic link, regardless of its owner.
    pub follow_links: bool,
}

/// Reports a failure to set mode or owner.
type Report = fn(&Path, io::Result<()>);

/// Only root may change owners. A file that has the wrong owner is better than none.
static OWNER: Limited = Limited::new(Duration::from_secs(60));
/// Rate limit for reports of replaced links: a local user could cause many.
static LINKS: Limited = Limited::new(Duration::from_secs(60));

impl Settings {
    fn has_owner(&self) -> bool {
        self.uid.is_some() || self.gid.is_some()
    }

    /// Sets the owner of a new file or directory.
    fn give(&self, file: &File) -> io::Result<()> {
        if self.has_owner() { std::os::unix::fs::fchown(file, self.uid, self.gid) } else { Ok(()) }
    }

    /// Sets mode and owner of a new file.
    fn apply(&self, file: &File) -> io::Result<()> {
        if let Some(umask) = self.umask {
            file.set_permissions(Permissions::from_mode(umask.file_mode()))?;
        }
        self.give(file)
    }
}

/// Logs that mode or owner could not be set.
fn report_failure(path: &Path, outcome: io::Result<()>) {
    if let Err(error) = outcome
        && let Some(pass) = OWNER.pass()
    {
        tracing::warn!(held_back = pass.held_back, "cannot set owner or mode: {}: {error}", path.display());
    }
}

/// Opens a file to append to; it and its directories are created if missing. A named pipe must have a reader already. Symbolic
/// links are followed where nobody else could have put them.
///
/// # Errors
/// When the file or a directory above it cannot be created or opened.
pub fn append(path: &Path, settings: &Settings) -> io::Result<File> {
    append_with(path, settings, true, report_failure)
}

/// As [`append`], for the log: a write to a full pipe returns an error, and nothing is logged from here.
pub(crate) fn append_without_waiting(path: &Path, settings: &Settings) -> io::Result<File> {
    append_with(path, settings, false, |_, _| ())
}

fn append_with(path: &Path, settings: &Settings, waits: bool, report: Report) -> io::Result<File> {
    let location = Location::find(path, settings, LastLink::ByRules, Some(report))?;
    let (file, is_new) = location.append(waits)?;
    if is_new {
        report(path, settings.apply(&file));
    }
    Ok(file)
}

/// The path of a file without links, by the rules for written files: for libraries and sockets, which open by name.
/// Directories are not created.
///
/// # Errors
/// When a directory is missing, or a link in the path must not be followed.
pub fn resolve(path: &Path, settings: &Settings) -> io::Result<PathBuf> {
    let location = Location::find(path, settings, LastLink::ByRules, None)?;
    match location.occupant {
        location::Occupant::Link => Err(location.link_error()),
        _ => location.path(),
    }
}

/// A directory whose files can be trusted; it is created for the daemon's user alone if missing. The returned path has no links.
///
/// # Errors
/// When it cannot be created, a link in the path must not be followed, or others could put files into it.
pub fn own_directory(path: &Path) -> io::Result<PathBuf> {
    let settings = Settings { umask: Some(Umask::DEFAULT), ..Settings::default() };
    let within = Location::find(&path.join("any"), &settings, LastLink::Kept, Some(report_failure))?;
    within.check_owner()?;
    within.directory_path()
}

/// Creates the missing directories above a path.
///
/// # Errors
/// When one cannot be created. A failure to set mode or owner is only logged.
pub fn make_parents(path: &Path, settings: &Settings) -> io::Result<()> {
    Location::find(path, settings, LastLink::Kept, Some(report_failure)).map(drop)
}

/// Sets the mode of a socket that was just bound, and of nothing that has replaced it.
///
/// # Errors
/// When there is no socket, or the mode cannot be set.
pub fn set_socket_mode(path: &Path, mode: u32) -> io::Result<()> {
    Location::find(path, &Settings::default(), LastLink::Kept, None)?.set_socket_mode(mode)
}

/// True for pipes, devices and sockets: a rename would replace rather than fill them.
fn is_special(kind: FileType) -> bool {
    matches!(kind, FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice | FileType::Socket)
}

/// Sets whether reading and writing block.
fn set_nonblocking(file: &File, is_on: bool) -> io::Result<()> {
    let mut flags = rustix::fs::fcntl_getfl(file)?;
    flags.set(OFlags::NONBLOCK, is_on);
    Ok(rustix::fs::fcntl_setfl(file, flags)?)
}

/// A name in the same directory that nobody else uses: `.NAME.PID-N.part`.
fn beside(name: &OsStr) -> OsString {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let end = format!(".{}-{}.part", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut part = vec![b'.'];
    part.extend(name.as_bytes().iter().take(NAME_MAX.saturating_sub(1 + end.len())));
    part.extend(end.as_bytes());
    OsString::from_vec(part)
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
        let error = append(&file.join("below"), &Settings::default()).unwrap_err();
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
