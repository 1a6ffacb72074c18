//! A file that is being written, in the way that suits its target.

use super::settings::Settings;
use delivery::Sum;
use encode::avro::container::Sync;
use runtime::files::{self, Aside, Lock};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Bytes that are buffered before they are written.
const CHUNK: usize = 64 << 10;

/// A file that is not complete yet.
pub(super) struct OpenFile {
    target: Target,
    /// Bytes to be written next; see [`Self::write`].
    pub(super) buffer: Vec<u8>,
    /// The file is still empty.
    pub(super) fresh: bool,
    /// State of the file's format.
    pub(super) body: Body,
    /// The link that will point to it.
    pub(super) latest: Option<String>,
    /// The sum of this period's rows in the file.
    pub(super) sum: Sum,
}

/// What is needed to continue a file.
pub(super) enum Body {
    /// Rows are lines.
    Lines,
    /// The sync marker between Avro's blocks.
    Avro(Sync),
    /// A Parquet file, with the offsets of its row groups.
    #[cfg(feature = "parquet")]
    Parquet(Box<encode::parquet::File>),
}

enum Target {
    /// Written under a temporary name and renamed: the file appears whole or not at all.
    Aside(Aside),
    /// Appended to a file, which had this length before.
    Append(File, u64),
    /// Standard output, with the lock that excludes other writers.
    Stdout(Option<Lock>),
}

impl OpenFile {
    /// Opens the file of that name or, without one, standard output.
    pub(super) fn open(path: Option<&str>, settings: &Settings) -> io::Result<Self> {
        let (target, fresh) = match path.map(Path::new) {
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
        Ok(Self::new(target, fresh))
    }

    /// Opens a file that was renamed into place before the end of its period, to append rows.
    pub(super) fn reopen(path: &str, settings: &Settings) -> io::Result<Self> {
        let file = files::append(Path::new(path), &settings.files)?;
        let length = file.metadata()?.len();
        Ok(Self::new(Target::Append(file, length), false))
    }

    fn new(target: Target, fresh: bool) -> Self {
        Self { target, buffer: Vec::new(), fresh, body: Body::Lines, latest: None, sum: Sum::default() }
    }

    /// Truncates a file that is appended to.
    pub(super) fn cut(&mut self, length: u64) -> io::Result<()> {
        if let Target::Append(file, before) = &mut self.target {
            file.set_len(length)?;
            *before = length;
        }
        Ok(())
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

    /// Writes the rest and completes the file.
    pub(super) fn commit(mut self) -> io::Result<()> {
        if let Err(error) = self.end_body().and_then(|()| self.write()) {
            self.abandon();
            return Err(error);
        }
        match self.target {
            Target::Aside(aside) => aside.commit(),
            Target::Append(..) => Ok(()),
            Target::Stdout(_lock) => io::stdout().lock().flush(),
        }
    }

    /// Writes the end of a file of its format.
    fn end_body(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.body, Body::Lines) {
            Body::Lines | Body::Avro(_) => Ok(()),
            #[cfg(feature = "parquet")]
            Body::Parquet(file) => file.end(&mut self.buffer),
        }
    }

    /// Undoes what was written, where possible: a temporary file is removed, a file that was appended to is truncated to its
    /// old length, so that the next attempt does not follow half a row.
    pub(super) fn abandon(self) {
        if let Target::Append(file, length) = self.target {
            // Fails for pipes, which keep nothing.
            let _ = file.set_len(length);
        }
    }
}
