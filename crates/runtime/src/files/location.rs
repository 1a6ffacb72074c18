//! The location of a file to be written: its open directory, and its name in there.
//!
//! A path is resolved component by component, and all later operations are relative to the open directory. So nobody can replace
//! a directory above the file between check and use.
//!
//! A user who may write to a directory may plant a symbolic link in it, and a daemon that follows it writes where that user could
//! not. So links are followed by these rules, which are stricter than the kernel's `fs.protected_symlinks` and do not depend on it:
//!
//! * In a private directory, which root or the daemon's user owns and nobody else may write to, links are followed: /var/log
//!   may lead elsewhere, and /dev/stdout is a link. So are the kernel's own in /proc.
//! * In any other directory, a link above the file is followed if root or the daemon's user made it. A link
//!   with the name of the file itself is not followed: [`Aside`](super::Aside) replaces it, and [`append`](super::append) fails.
//! * [`Settings::follow_links`] lifts both restrictions.

use super::{Report, Settings, is_special, set_nonblocking};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// Maximum number of links in one path, as in the kernel.
const MAX_LINKS: usize = 40;
/// procfs, in which no user can create a link.
const PROC: u64 = 0x9fa0;
/// A descriptor that only stands for a path (`O_PATH`).
const NODE: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What a location holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occupant {
    Nothing,
    /// A symbolic link that is not followed.
    Link,
    /// A link of the kernel to an open file, such as /proc/self/fd/1.
    OpenFile,
    /// A pipe, device or socket, which a rename would replace rather than fill.
    Special,
    /// A file or directory.
    Other,
}

/// What to do with the last component of a path if it is a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastLink {
    /// Followed by the rules.
    ByRules,
    /// Kept: the link itself is wanted.
    Kept,
}

/// A directory, and a name in it that is not a link to follow.
#[derive(Debug)]
pub(super) struct Location {
    directory: OwnedFd,
    name: OsString,
    pub(super) occupant: Occupant,
    follows_links: bool,
}

enum Step {
    Up,
    Down(OsString),
}

impl Location {
    /// Resolves a path. With `make`, missing directories above are created.
    pub(super) fn find(
        path: &Path,
        settings: &Settings,
        last: LastLink,
        make: Option<Report>,
    ) -> io::Result<Self> {
        let follows_links = settings.follow_links;
        let found = |directory, name, occupant| Self { directory, name, occupant, follows_links };
        let mut directory = start(path)?;
        let mut steps = Vec::new();
        push(&mut steps, path);
        let mut links = 0;
        let mut walked = if path.is_absolute() { PathBuf::from("/") } else { PathBuf::new() };
        while let Some(step) = steps.pop() {
            let is_last = steps.is_empty();
            let name = match step {
                Step::Down(name) => name,
                Step::Up if is_last => break,
                Step::Up => {
                    directory = rustix::fs::openat(&directory, "..", NODE | OFlags::DIRECTORY, Mode::empty())?;
                    walked.push("..");
                    continue;
                }
            };
            walked.push(&name);
            let node = match rustix::fs::openat(&directory, &name, NODE, Mode::empty()) {
                Ok(node) => node,
                Err(Errno::NOENT) if is_last => {
                    return Ok(found(directory, name, Occupant::Nothing));
                }
                Err(Errno::NOENT) if make.is_some() => {
                    directory = make_directory(&directory, &name, settings, make)
                        .map_err(|error| about(&walked, error))?;
                    continue;
                }
                Err(error) => return Err(about(&walked, error.into())),
            };
            let stat = rustix::fs::fstat(&node)?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            if kind != FileType::Symlink {
                if is_last {
                    let occupant = if is_special(kind) { Occupant::Special } else { Occupant::Other };
                    return Ok(found(directory, name, occupant));
                }
                if kind != FileType::Directory {
                    return Err(about(&walked, Errno::NOTDIR.into()));
                }
                directory = node;
                continue;
            }
            if is_last && last == LastLink::Kept {
                return Ok(found(directory, name, Occupant::Link));
            }
            if rustix::fs::fstatfs(&directory)?.f_type as u64 == PROC {
                if is_last {
                    return Ok(found(directory, name, Occupant::OpenFile));
                }
                let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY;
                directory = rustix::fs::openat(&directory, &name, flags, Mode::empty())?;
                continue;
            }
            if !settings.follow_links && !is_private(&rustix::fs::fstat(&directory)?) {
                if is_last {
                    return Ok(found(directory, name, Occupant::Link));
                }
                if !is_trusted(stat.st_uid) {
                    return Err(not_followed(&walked, Some(stat.st_uid)));
                }
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(about(&walked, Errno::LOOP.into()));
            }
            let target =
                PathBuf::from(OsString::from_vec(rustix::fs::readlinkat(&node, "", Vec::new())?.into_bytes()));
            walked.pop();
            if target.is_absolute() {
                directory = start(&target)?;
                walked = PathBuf::from("/");
            }
            push(&mut steps, &target);
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "a path without a file name"))
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    pub(super) fn open(&self, flags: OFlags) -> io::Result<File> {
        // A link of the kernel leads to an open file and cannot be made to lead elsewhere.
        let nofollow = if self.occupant == Occupant::OpenFile { OFlags::empty() } else { OFlags::NOFOLLOW };
        open_at(&self.directory, &self.name, flags | nofollow)
    }

    /// Opens to append, without waiting for the reader of a pipe: it is an error if there is none. Also returns true when the
    /// file was created.
    pub(super) fn append(&self, waits: bool) -> io::Result<(File, bool)> {
        if self.occupant == Occupant::Link {
            return Err(self.link_error());
        }
        let flags = OFlags::WRONLY | OFlags::APPEND;
        loop {
            match self.open(flags | OFlags::NONBLOCK) {
                Ok(file) => {
                    self.check_hard_links(&file)?;
                    if waits {
                        set_nonblocking(&file, false)?;
                    }
                    return Ok((file, false));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // A link that was created since the check.
                Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                    return Err(self.link_error());
                }
                Err(error) => return Err(error),
            }
            match self.open(flags | OFlags::CREATE | OFlags::EXCL) {
                Ok(file) => return Ok((file, true)),
                // Another process has just created it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Creates a temporary file in the same directory.
    pub(super) fn create_beside(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        open_at(&self.directory, name, flags)
    }

    /// Creates a temporary link in the same directory.
    pub(super) fn link_beside(&self, name: &OsStr, target: &Path, settings: &Settings) -> io::Result<()> {
        rustix::fs::symlinkat(target, &self.directory, name)?;
        if let (None, None) = (settings.uid, settings.gid) {
            return Ok(());
        }
        let uid = settings.uid.map(rustix::fs::Uid::from_raw);
        let gid = settings.gid.map(rustix::fs::Gid::from_raw);
        let given = rustix::fs::chownat(&self.directory, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW);
        super::report_failure(Path::new(name), given.map_err(io::Error::from));
        Ok(())
    }

    /// Renames a temporary file to the name. A link is replaced, not followed.
    pub(super) fn replace_by(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.directory, name, &self.directory, &self.name)?)
    }

    /// Removes a name in the directory; a link itself, not what it leads to.
    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.directory, name, AtFlags::empty())?)
    }

    /// The target of the link.
    pub(super) fn read_link(&self) -> io::Result<PathBuf> {
        let target = rustix::fs::readlinkat(&self.directory, &self.name, Vec::new())?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// True when the name still leads to this open file.
    pub(super) fn holds(&self, file: &File) -> bool {
        let here = rustix::fs::statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        let is_same = |here: Stat, file: Stat| (here.st_dev, here.st_ino) == (file.st_dev, file.st_ino);
        matches!((here, rustix::fs::fstat(file)), (Ok(here), Ok(file)) if is_same(here, file))
    }

    /// Synchronises the directory, so that changes survive a power failure.
    pub(super) fn sync_directory(&self) -> io::Result<()> {
        open_at(&self.directory, OsStr::new("."), OFlags::RDONLY | OFlags::DIRECTORY)?.sync_all()
    }

    /// The path without links, for a library that opens files by name.
    pub(super) fn path(&self) -> io::Result<PathBuf> {
        Ok(self.directory_path()?.join(&self.name))
    }

    /// The path of the directory, without links.
    pub(super) fn directory_path(&self) -> io::Result<PathBuf> {
        std::fs::read_link(own_fd(&self.directory))
    }

    /// An error when the directory is not the daemon's or root's, or all may write to it.
    pub(super) fn check_owner(&self) -> io::Result<()> {
        let stat = rustix::fs::fstat(&self.directory)?;
        let uid = stat.st_uid;
        if !is_trusted(uid) {
            let own = rustix::process::geteuid().as_raw();
            let what = format!(
                "the directory belongs to user {uid}, and must belong to root or the daemon's user ({own})"
            );
            return Err(io::Error::other(what));
        }
        if stat.st_mode & 0o002 != 0 {
            return Err(io::Error::other(
                "the directory is writable for everybody; remove that permission (chmod o-w)",
            ));
        }
        Ok(())
    }

    pub(super) fn set_socket_mode(&self, mode: u32) -> io::Result<()> {
        let node = rustix::fs::openat(&self.directory, &self.name, NODE, Mode::empty())?;
        if FileType::from_raw_mode(rustix::fs::fstat(&node)?.st_mode) != FileType::Socket {
            return Err(io::Error::other("the socket was replaced by another file"));
        }
        // The mode of a path cannot be set without following links, that of the link in /proc is the node's.
        std::fs::set_permissions(own_fd(&node), Permissions::from_mode(mode))
    }

    /// The error for a link that is not followed.
    pub(super) fn link_error(&self) -> io::Error {
        not_followed(Path::new(&self.name), None)
    }

    /// Rejects hard links to other users' files, which are as dangerous as symbolic links.
    fn check_hard_links(&self, file: &File) -> io::Result<()> {
        let stat = rustix::fs::fstat(file)?;
        let is_linked = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink > 1;
        if !is_linked || self.follows_links || is_private(&rustix::fs::fstat(&self.directory)?) {
            return Ok(());
        }
        let name = self.name.to_string_lossy();
        Err(io::Error::other(format!(
            "{name} has further names (hard links) and is in a directory that others may write to, so it is not written to \
             (files_follow_links: true allows it)"
        )))
    }
}

/// True for users whose links and files are trusted: root, and the daemon's own.
pub(super) fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// True when only root and the daemon's user can create files in the directory.
fn is_private(directory: &Stat) -> bool {
    is_trusted(directory.st_uid) && directory.st_mode & 0o022 == 0
}

fn start(path: &Path) -> io::Result<OwnedFd> {
    let start = if path.is_absolute() { "/" } else { "." };
    Ok(rustix::fs::openat(CWD, start, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Prepends the components of a path to the remaining ones.
fn push(steps: &mut Vec<Step>, path: &Path) {
    steps.extend(path.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(Step::Down(name.to_owned())),
        Component::ParentDir => Some(Step::Up),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    }));
}

fn open_at(directory: &impl AsFd, name: &OsStr, flags: OFlags) -> io::Result<File> {
    Ok(rustix::fs::openat(directory, name, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o666))?.into())
}

fn make_directory(
    above: &OwnedFd,
    name: &OsStr,
    settings: &Settings,
    make: Option<Report>,
) -> io::Result<OwnedFd> {
    let made = rustix::fs::mkdirat(above, name, Mode::from_raw_mode(0o777));
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    match made {
        Ok(()) => {}
        // Another thread or process has just created it.
        Err(Errno::EXIST) => return Ok(open_at(above, name, flags | OFlags::PATH)?.into()),
        Err(error) => return Err(error.into()),
    }
    if let Some(report) = make
        && (settings.umask.is_some() || settings.has_owner())
    {
        let set = open_at(above, name, flags).and_then(|directory| {
            let mode = settings.umask.map(|umask| Permissions::from_mode(umask.directory_mode()));
            mode.map_or(Ok(()), |mode| directory.set_permissions(mode))?;
            settings.give(&directory)
        });
        report(Path::new(name), set);
    }
    Ok(open_at(above, name, flags | OFlags::PATH)?.into())
}

/// The name of an open file in /proc.
fn own_fd(fd: &impl AsRawFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

fn about(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The error for a link that is not followed; with its owner for one above the file.
fn not_followed(path: &Path, owner: Option<u32>) -> io::Error {
    let path = path.display();
    let who = owner.map(|uid| format!(" of user {uid}")).unwrap_or_default();
    io::Error::other(format!(
        "{path} is a symbolic link{who} in a directory that others may write to, and is not followed \
         (files_follow_links: true follows it)"
    ))
}

#[cfg(test)]
mod tests {
    use crate::files::{self, Aside, Lock, Settings};
    use std::fs::{self, Permissions};
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};
    use std::path::{Path, PathBuf};

    const FOLLOWING: Settings = Settings { umask: None, uid: None, gid: None, follow_links: true };

    /// A folder that all may write to, as /tmp is, and beside it a file that must stay as it is.
    struct Shared {
        root: tempfile::TempDir,
    }

    impl Shared {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let shared = Self { root };
            fs::create_dir(shared.path("shared")).unwrap();
            fs::set_permissions(shared.path("shared"), Permissions::from_mode(0o1777)).unwrap();
            fs::create_dir(shared.path("private")).unwrap();
            fs::write(shared.victim(), "secret").unwrap();
            shared
        }

        fn path(&self, name: &str) -> PathBuf {
            self.root.path().join(name)
        }

        fn victim(&self) -> PathBuf {
            self.path("private/victim")
        }

        /// A link planted by another user, if the test may make one.
        fn plant(&self, name: &str, target: &Path) -> PathBuf {
            let link = self.path("shared").join(name);
            symlink(target, &link).unwrap();
            if crate::privileges::is_root() {
                lchown(&link, Some(65534), Some(65534)).unwrap();
            }
            link
        }

        fn is_unharmed(&self) -> bool {
            fs::read_to_string(self.victim()).unwrap() == "secret"
        }
    }

    fn write_whole(path: &Path, settings: &Settings) -> std::io::Result<()> {
        let mut file = Aside::create(path, settings)?;
        file.write_all(b"flows")?;
        file.commit()
    }

    #[test]
    fn a_planted_link_is_replaced_by_a_whole_file_and_refused_by_others() {
        let shared = Shared::new();
        for settings in [Settings::default(), Settings { uid: Some(0), ..Settings::default() }] {
            let link = shared.plant("out", &shared.victim());
            write_whole(&link, &settings).unwrap();
            assert!(shared.is_unharmed() && !link.is_symlink());
            assert_eq!(fs::read_to_string(&link).unwrap(), "flows");
            fs::remove_file(link).unwrap();
        }

        let link = shared.plant("log", &shared.victim());
        let error = files::append(&link, &Settings::default()).unwrap_err().to_string();
        assert!(error.contains("log is a symbolic link") && error.contains("files_follow_links"), "{error}");
        assert!(Lock::try_now(&link, &Settings::default()).is_err());
        // Nor is a file created at the target of a dangling link.
        let absent = shared.path("private/absent");
        let link = shared.plant("nowhere", &absent);
        assert!(files::append(&link, &Settings::default()).is_err());
        assert!(shared.is_unharmed() && !absent.exists());

        let link = shared.plant("pid", &shared.victim());
        let guard = crate::pid::PidFile::write(&link, &Settings::default()).unwrap();
        assert!(shared.is_unharmed() && !link.is_symlink());
        drop(guard);
    }

    #[test]
    fn a_planted_link_above_a_file_is_refused() {
        let shared = Shared::new();
        let link = shared.plant("folder", &shared.path("private"));
        for path in [link.join("victim"), link.join("new/file"), link.join("../private/victim")] {
            // A test without root can only create trusted links.
            let is_refused = write_whole(&path, &Settings::default())
                .is_err_and(|error| error.to_string().contains("shared/folder is a symbolic link of user 65534"));
            assert!(is_refused || !crate::privileges::is_root(), "{}", path.display());
        }
        assert!(shared.is_unharmed() || !crate::privileges::is_root());
        let own = shared.path("shared/own");
        symlink("../private", &own).unwrap();
        write_whole(&own.join("other"), &Settings::default()).unwrap();
        assert_eq!(fs::read_to_string(shared.path("private/other")).unwrap(), "flows");
    }

    #[test]
    fn links_that_nobody_else_could_make_are_followed() {
        let shared = Shared::new();
        let link = shared.path("link");
        symlink("private/log", &link).unwrap();
        files::append(&link, &Settings::default()).unwrap().write_all(b"line").unwrap();
        assert_eq!(fs::read_to_string(shared.path("private/log")).unwrap(), "line");
        let resolved = files::resolve(&link, &Settings::default()).unwrap();
        assert_eq!(resolved, fs::canonicalize(&link).unwrap());
        symlink("round", shared.path("round")).unwrap();
        let error = write_whole(&shared.path("round"), &Settings::default()).unwrap_err().to_string();
        assert!(error.contains("symbolic links"), "{error}");
    }

    #[test]
    fn an_operator_may_have_all_links_followed() {
        let shared = Shared::new();
        let link = shared.plant("out", &shared.victim());
        assert!(files::resolve(&link, &Settings::default()).is_err());
        write_whole(&link, &FOLLOWING).unwrap();
        files::append(&link, &FOLLOWING).unwrap().write_all(b"!").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(shared.victim()).unwrap(), "flows!");
    }

    #[test]
    fn a_further_name_of_a_file_is_not_appended_to_where_all_may_write() {
        let shared = Shared::new();
        for (name, is_good) in [("shared/log", false), ("private/log", true)] {
            fs::hard_link(shared.victim(), shared.path(name)).unwrap();
            assert_eq!(files::append(&shared.path(name), &Settings::default()).is_ok(), is_good, "{name}");
        }
        assert!(files::append(&shared.path("shared/log"), &FOLLOWING).is_ok());
    }

    #[test]
    fn an_open_file_of_the_process_is_written_to_as_it_is() {
        use std::os::fd::AsRawFd;
        let shared = Shared::new();
        let open = files::append(&shared.path("stdout"), &Settings::default()).unwrap();
        let link = shared.path("dev-stdout");
        symlink(format!("/proc/self/fd/{}", open.as_raw_fd()), &link).unwrap();
        write_whole(&link, &Settings::default()).unwrap();
        files::append(&link, &Settings::default()).unwrap().write_all(b"!").unwrap();
        assert_eq!(fs::read_to_string(shared.path("stdout")).unwrap(), "flows!");
        assert!(link.is_symlink());
    }

    #[test]
    fn the_mode_of_a_socket_is_not_that_of_a_link_in_its_place() {
        let shared = Shared::new();
        let socket = shared.path("shared/socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        files::set_socket_mode(&socket, 0o777).unwrap();
        assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o777);
        let before = fs::metadata(shared.victim()).unwrap().permissions();
        let link = shared.plant("link", &shared.victim());
        assert!(files::set_socket_mode(&link, 0o777).is_err());
        assert_eq!(fs::metadata(shared.victim()).unwrap().permissions(), before);
    }

    #[test]
    fn a_directory_of_others_is_not_our_own() {
        let shared = Shared::new();
        let own = files::own_directory(&shared.path("shared/spool")).unwrap();
        assert_eq!(own, fs::canonicalize(shared.path("shared/spool")).unwrap());
        assert_eq!(fs::metadata(&own).unwrap().permissions().mode() & 0o777, 0o700);
        let error = files::own_directory(&shared.path("shared")).unwrap_err().to_string();
        assert!(error.contains("writable for everybody"), "{error}");
        if crate::privileges::is_root() {
            lchown(&own, Some(65534), None).unwrap();
            let error = files::own_directory(&own).unwrap_err().to_string();
            assert!(error.contains("belongs to user 65534"), "{error}");
        }
    }
}
