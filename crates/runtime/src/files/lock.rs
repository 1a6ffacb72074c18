//! Lock files: the holder of the lock may write to something that others write to, too, such as standard output.

use super::{Settings, append};
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// An advisory lock (`flock`) on a file. It ends when this is dropped, and with the process; the file stays.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock; the file is created if missing.
    ///
    /// # Errors
    /// When the file cannot be created or opened, or its file system has no locks.
    pub fn wait(path: &Path, settings: &Settings) -> io::Result<Self> {
        let file = append(path, settings)?;
        file.lock()?;
        Ok(Self { _file: file })
    }

    /// Takes the lock if nobody holds it.
    ///
    /// # Errors
    /// As [`Lock::wait`].
    pub fn try_now(path: &Path, settings: &Settings) -> io::Result<Option<Self>> {
        let file = append(path, settings)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_the_lock_and_the_next_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/lock");
        let settings = Settings::default();
        let held = Lock::wait(&path, &settings).unwrap();
        assert!(Lock::try_now(&path, &settings).unwrap().is_none());
        let other = path.clone();
        let waiting = std::thread::spawn(move || Lock::wait(&other, &Settings::default()).unwrap());
        drop(held);
        let held = waiting.join().unwrap();
        assert!(Lock::try_now(&path, &settings).unwrap().is_none());
        drop(held);
        assert!(Lock::try_now(&path, &settings).unwrap().is_some());
    }
}
