//! A small file that one process holds for as long as it lives, under a lock.

use super::location::{LastLink, Location, Occupant, is_trusted};
use super::{Settings, report_failure};
use rustix::fs::{FileType, OFlags};
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

/// Bytes that are read from a file that another process holds.
const MAX: u64 = 64;
/// How often a file is replaced, or removed by its holder, before that is an error.
const TRIES: usize = 8;

/// The file, open and locked.
#[derive(Debug)]
pub(crate) struct Held {
    location: Location,
    file: File,
}

/// The outcome.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is ours.
    Ours(Held),
    /// Another process holds it, and this is the beginning of what it wrote.
    Others(String),
}

impl Held {
    /// Takes the file and writes it; directories are created. A file that nobody holds is replaced: also a link, and a file of other users,
    /// who could change it afterwards.
    ///
    /// # Errors
    /// When it cannot be opened, made, locked or written.
    pub(crate) fn take(path: &Path, content: &str, settings: &Settings) -> io::Result<Taken> {
        for _ in 0..TRIES {
            let location = Location::find(path, settings, LastLink::ByRules, Some(report_failure))?;
            if location.occupant == Occupant::Link {
                location.remove(location.name())?;
                continue;
            }
            let flags = OFlags::RDWR | OFlags::NONBLOCK;
            let (mut file, is_new) = match location.open(flags) {
                Ok(file) => (file, false),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    match location.open(flags | OFlags::CREATE | OFlags::EXCL) {
                        Ok(file) => (file, true),
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                        Err(error) => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            };
            let stat = rustix::fs::fstat(&file)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
            }
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut held = String::new();
                    let _ = (&file).take(MAX).read_to_string(&mut held);
                    return Ok(Taken::Others(held));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if !location.holds(&file) {
                // Its holder has removed it at its end.
                continue;
            }
            let is_strange = !is_trusted(stat.st_uid) && Some(stat.st_uid) != settings.uid;
            if is_strange || stat.st_nlink > 1 {
                location.remove(location.name())?;
                continue;
            }
            if is_new {
                report_failure(path, settings.apply(&file));
            }
            // In this order nobody reads an empty file.
            file.write_all(content.as_bytes())?;
            file.set_len(content.len() as u64)?;
            return Ok(Taken::Ours(Self { location, file }));
        }
        Err(io::Error::other("the file is being replaced repeatedly"))
    }

    /// Removes the file; where that is not allowed, empties it. True when it is removed.
    ///
    /// # Errors
    /// When neither can be done.
    pub(crate) fn end(&self) -> io::Result<bool> {
        if !self.location.holds(&self.file) {
            return Ok(true);
        }
        match self.location.remove(self.location.name()) {
            Ok(()) => Ok(true),
            Err(_) => self.file.set_len(0).map(|()| false),
        }
    }
}
