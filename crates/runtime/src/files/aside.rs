//! Files that appear whole.
//!
//! A file is written under a temporary name in the same directory and renamed at the end, so a reader sees the old file or the new
//! one, never a part. An existing named pipe or device is written directly.

use super::location::{LastLink, Location, Occupant};
use super::{LINKS, Settings, beside, report_failure};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Bytes that are buffered before they are written.
const BUFFER: usize = 64 * 1024;

/// A file that is being written. If it is dropped without [`Aside::commit`], nothing remains.
#[derive(Debug)]
pub struct Aside {
    file: BufWriter<File>,
    /// Its final location, and its temporary name; `None` when it is written directly.
    location: Option<(Location, OsString)>,
}

impl Aside {
    /// Creates a file; directories are created. Symbolic links are followed where nobody else could have put them; in a
    /// directory that others may write to, the file replaces a link.
    ///
    /// # Errors
    /// When the temporary file or a directory above it cannot be created. A failure to set mode or owner is only logged.
    pub fn create(path: &Path, settings: &Settings) -> io::Result<Self> {
        let location = Location::find(path, settings, LastLink::ByRules, Some(report_failure))?;
        match location.occupant {
            Occupant::Special | Occupant::OpenFile => {
                let (file, _) = location.append(true)?;
                return Ok(Self { file: BufWriter::with_capacity(BUFFER, file), location: None });
            }
            Occupant::Link => {
                if let Some(pass) = LINKS.pass() {
                    let path = path.display();
                    tracing::warn!(
                        held_back = pass.held_back,
                        "{path}: the symbolic link in a directory that others may write to is replaced, not followed \
                         (files_follow_links: true follows it)"
                    );
                }
            }
            Occupant::Nothing | Occupant::Other => {}
        }
        let part = beside(location.name());
        let file = location.create_beside(&part)?;
        let aside = Self { file: BufWriter::with_capacity(BUFFER, file), location: Some((location, part)) };
        report_failure(path, settings.apply(aside.file.get_ref()));
        Ok(aside)
    }

    /// Renames the file to its final name.
    ///
    /// # Errors
    /// When the rest cannot be written or the file cannot be renamed; it is removed then.
    pub fn commit(self) -> io::Result<()> {
        self.finish(false)
    }

    /// As [`Aside::commit`], and returns only when the file would survive a power failure.
    ///
    /// # Errors
    /// As [`Aside::commit`]; also when the disk fails.
    pub fn commit_synced(self) -> io::Result<()> {
        self.finish(true)
    }

    fn finish(mut self, synced: bool) -> io::Result<()> {
        self.file.flush()?;
        let Some((location, part)) = &self.location else {
            return Ok(());
        };
        if synced {
            self.file.get_ref().sync_all()?;
        }
        location.replace_by(part)?;
        match self.location.take() {
            Some((location, _)) if synced => location.sync_directory(),
            _ => Ok(()),
        }
    }
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some((location, part)) = self.location.take() {
            let _ = location.remove(&part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::NAME_MAX;
    use crate::privileges::Umask;
    use std::fs::{self, OpenOptions};
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
    fn an_uncommitted_file_leaves_nothing_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut file = Aside::create(&path, &Settings::default()).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert!(names(folder.path()).is_empty());

        // A directory has the name: the rename fails.
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
    fn a_link_that_nobody_else_could_plant_is_followed_to_nowhere_too() {
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
        assert!(link.is_symlink() && path.exists());
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
            let mut bytes = [0; 4];
            pipe.read_exact(&mut bytes).unwrap();
            bytes
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
