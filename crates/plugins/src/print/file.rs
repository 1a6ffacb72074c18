//! One file being written, by the way that suits where it goes.

use super::settings::Settings;
use delivery::Sum;
use runtime::files::{self, Aside, Lock};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Octets that are put together before they are written.
const CHUNK: usize = 64 << 10;

/// A file that is not in place yet.
pub(super) struct OpenFile {
    target: Target,
    /// What is to be written next; see [`Self::write`].
    pub(super) buffer: Vec<u8>,
    /// The file needs a title line.
    pub(super) title: bool,
    /// The link that is to point to it.
    pub(super) latest: Option<String>,
    /// What the file holds of this period.
    pub(super) sum: Sum,
}

enum Target {
    /// Written aside and renamed: the file appears whole or not at all.
    Aside(Aside),
    /// Added to a file, which was that long before.
    Append(File, u64),
    /// Standard output, with the lock that keeps other writers away.
    Stdout(Option<Lock>),
}

impl OpenFile {
    /// Opens the file of that name or, without one, standard output.
    pub(super) fn open(path: Option<&str>, settings: &Settings) -> io::Result<Self> {
        let (target, title) = match path.map(Path::new) {
            None => {
                let lock =
                    settings.lock_file.as_deref().map(|lock| Lock::wait(lock, &settings.files)).transpose()?;
                (Target::Stdout(lock), true)
            }
            Some(path) if settings.append => {
                let file = files::append(path, &settings.files)?;
                let length = file.metadata()?.len();
                (Target::Append(file, length), length == 0)
            }
            Some(path) => (Target::Aside(Aside::create(path, &settings.files)?), true),
        };
        Ok(Self { target, buffer: Vec::new(), title, latest: None, sum: Sum::default() })
    }

    /// Opens a file that is in place already but whose period goes on: rows are added to it.
    pub(super) fn reopen(path: &str, settings: &Settings) -> io::Result<Self> {
        let file = files::append(Path::new(path), &settings.files)?;
        let length = file.metadata()?.len();
        let target = Target::Append(file, length);
        Ok(Self { target, buffer: Vec::new(), title: false, latest: None, sum: Sum::default() })
    }

    /// Writes the buffer once it is large.
    #[inline]
    pub(super) fn write_if_large(&mut self) -> io::Result<()> {
        if self.buffer.len() < CHUNK { Ok(()) } else { self.write() }
    }

    /// Writes the buffer.
    pub(super) fn write(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::Aside(aside) => aside.write_all(&self.buffer)?,
            Target::Append(file, _) => file.write_all(&self.buffer)?,
            Target::Stdout(_) => io::stdout().lock().write_all(&self.buffer)?,
        }
        self.buffer.clear();
        Ok(())
    }

    /// Writes what is left and puts the file in place.
    pub(super) fn commit(mut self) -> io::Result<()> {
        if let Err(error) = self.write() {
            self.abandon();
            return Err(error);
        }
        match self.target {
            Target::Aside(aside) => aside.commit(),
            Target::Append(..) => Ok(()),
            Target::Stdout(_lock) => io::stdout().lock().flush(),
        }
    }

    /// Takes back what was written, where that can be done: a file written aside is removed, one that was added to
    /// gets its old length, so that the next attempt does not follow half a row.
    pub(super) fn abandon(self) {
        if let Target::Append(file, length) = self.target {
            // It fails for pipes, which keep nothing.
            let _ = file.set_len(length);
        }
    }
}
