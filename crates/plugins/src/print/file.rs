//! One file being written, by the way that suits where it goes.

use super::settings::Settings;
use delivery::Sum;
use encode::avro::container::Sync;
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
    /// There is nothing in the file yet.
    pub(super) fresh: bool,
    /// What the form of its rows has to know.
    pub(super) body: Body,
    /// The link that is to point to it.
    pub(super) latest: Option<String>,
    /// What the file holds of this period.
    pub(super) sum: Sum,
}

/// What is to be known of a file to go on with it.
pub(super) enum Body {
    /// Rows are lines.
    Lines,
    /// The marker between Avro's blocks.
    Avro(Sync),
    /// A Parquet file, which knows where its row groups are.
    #[cfg(feature = "parquet")]
    Parquet(Box<encode::parquet::File>),
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

    /// Opens a file that is in place already but whose period goes on: rows are added to it.
    pub(super) fn reopen(path: &str, settings: &Settings) -> io::Result<Self> {
        let file = files::append(Path::new(path), &settings.files)?;
        let length = file.metadata()?.len();
        Ok(Self::new(Target::Append(file, length), false))
    }

    fn new(target: Target, fresh: bool) -> Self {
        Self { target, buffer: Vec::new(), fresh, body: Body::Lines, latest: None, sum: Sum::default() }
    }

    /// Cuts off what stands behind `length` in a file that is added to.
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

    /// Writes what is left and puts the file in place.
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

    /// Writes what ends a file of its form.
    fn end_body(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.body, Body::Lines) {
            Body::Lines | Body::Avro(_) => Ok(()),
            #[cfg(feature = "parquet")]
            Body::Parquet(file) => file.end(&mut self.buffer),
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
