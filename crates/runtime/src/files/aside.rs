//! A file that appears whole.
//!
//! It is written under another name in the same directory and renamed at the end, so a reader sees the old file or the new
//! one, never a part. What already exists and is no regular file (a named pipe, a device) is written directly.

use super::{Settings, complain, is_special, make_parents, open_special};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Octets that are gathered before the kernel gets them.
const BUFFER: usize = 64 * 1024;
/// Longest name that file systems take.
const NAME_MAX: usize = 255;

/// A file in the making. Dropped without [`Aside::commit`] it leaves nothing behind.
#[derive(Debug)]
pub struct Aside {
    file: BufWriter<File>,
    /// Where it is now, and where it shall be; nothing when it is written directly.
    names: Option<(PathBuf, PathBuf)>,
}

impl Aside {
    /// Begins a file; directories are made. A symbolic link is followed, as writing the file itself would.
    ///
    /// # Errors
    /// When the file beside it or a directory above cannot be made. Mode and owner that cannot be set are logged only.
    pub fn create(path: &Path, settings: &Settings) -> io::Result<Self> {
        if fs::metadata(path).is_ok_and(|metadata| is_special(&metadata)) {
            let file = open_special(path, true)?;
            return Ok(Self { file: BufWriter::with_capacity(BUFFER, file), names: None });
        }
        make_parents(path, settings)?;
        let is_link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
        // A link that leads nowhere is replaced.
        let path =
            if is_link { fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()) } else { path.to_owned() };
        let part = beside(&path)?;
        let file = OpenOptions::new().write(true).create_new(true).open(&part)?;
        let aside = Self { file: BufWriter::with_capacity(BUFFER, file), names: Some((part, path)) };
        if let Some((part, _)) = &aside.names {
            complain(part, settings.apply(aside.file.get_ref()));
        }
        Ok(aside)
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// When the rest cannot be written or the file not be renamed; then it is removed.
    pub fn commit(self) -> io::Result<()> {
        self.finish(false)
    }

    /// As [`Aside::commit`], and returns only when the file would outlast a power failure.
    ///
    /// # Errors
    /// As [`Aside::commit`]; also when the disk fails.
    pub fn commit_synced(self) -> io::Result<()> {
        self.finish(true)
    }

    fn finish(mut self, synced: bool) -> io::Result<()> {
        self.file.flush()?;
        let Some((part, path)) = &self.names else {
            return Ok(());
        };
        if synced {
            self.file.get_ref().sync_all()?;
        }
        fs::rename(part, path)?;
        let path = self.names.take().map(|(_, path)| path);
        if synced && let Some(folder) = path.as_deref().and_then(Path::parent) {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

impl Write for Aside {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.file.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some((part, _)) = self.names.take() {
            let _ = fs::remove_file(part);
        }
    }
}

/// A name in the same directory that nobody else uses: `.NAME.PID-N.part`.
pub(super) fn beside(path: &Path) -> io::Result<PathBuf> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a path without a file name"));
    };
    let end = format!(".{}-{}.part", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut part = vec![b'.'];
    part.extend(name.as_bytes().iter().take(NAME_MAX.saturating_sub(1 + end.len())));
    part.extend(end.as_bytes());
    Ok(path.with_file_name(OsString::from_vec(part)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privileges::Umask;
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "old").unwrap();
        let mut file =
            Aside::create(&path, &Settings { umask: Umask::new(0o022), ..Settings::default() }).unwrap();
        file.write_all(b"new").unwrap();
        file.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        file.commit_synced().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn what_is_given_up_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut file = Aside::create(&path, &Settings::default()).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert!(names(folder.path()).is_empty());

        // The place is taken by a directory: the rename fails.
        let file = Aside::create(&path, &Settings::default()).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(file.commit().is_err());
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn names_of_full_length_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n".repeat(NAME_MAX));
        Aside::create(&path, &Settings::default()).unwrap().commit().unwrap();
        assert!(path.exists());
    }

    #[test]
    fn a_link_is_followed_and_one_to_nowhere_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("out"), folder.path().join("link"));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink("out", &link).unwrap();
        let mut file = Aside::create(&link, &Settings::default()).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(link.is_symlink());
        fs::remove_file(&path).unwrap();
        Aside::create(&link, &Settings::default()).unwrap().commit().unwrap();
        assert!(!link.is_symlink());
    }

    #[test]
    fn a_pipe_gets_the_text_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(Aside::create(&path, &Settings::default()).is_err(), "nobody reads");
        let other = path.clone();
        let (opened, is_open) = crossbeam_channel::bounded(1);
        let reader = std::thread::spawn(move || {
            // Reading and writing opens a pipe without waiting for the other side.
            let mut pipe = OpenOptions::new().read(true).write(true).open(other).unwrap();
            opened.send(()).unwrap();
            let mut octets = [0; 4];
            pipe.read_exact(&mut octets).unwrap();
            octets
        });
        is_open.recv().unwrap();
        let mut file = Aside::create(&path, &Settings::default()).unwrap();
        file.write_all(b"text").unwrap();
        file.commit().unwrap();
        assert_eq!(&reader.join().unwrap(), b"text");
        assert_eq!(names(folder.path()), ["pipe"]);
    }

    #[test]
    fn a_path_must_name_a_file() {
        assert!(Aside::create(Path::new("/"), &Settings::default()).is_err());
        assert!(Aside::create(Path::new(""), &Settings::default()).is_err());
    }
}
