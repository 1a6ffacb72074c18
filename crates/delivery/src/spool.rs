//! The spool: batches on disk, which survive a restart of the daemon and a crash of the machine.
//!
//! A folder holds one file per batch, named `RUN-NUMBER.batch`, so that names sort by age. A file is written under a
//! temporary name, synchronised, renamed, and the folder synchronised: when [`Spool::put`] returns, the batch survives a
//! loss of power. The file is removed when the store has confirmed the batch.
//!
//! ```text
//! bytes 0..4    "PMSP"
//!        4..8    version of this format, 1
//!        8..72   run, number, purge, items, aggregates, packets, bytes, length of the body: u64 each, little-endian
//!       72..76   CRC-32 (IEEE) of bytes 8..72 and of the body
//!       76..     body
//! ```
//!
//! A file that fails its checksum is renamed to `*.bad` and left for the operator. One process at a time uses the folder: it
//! holds a lock on the file `lock`.

use crate::batch::{BatchId, Sum, WriteBatch};
use runtime::files::{self, Lock};
use runtime::privileges::Umask;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 4] = b"PMSP";
const VERSION: u32 = 1;
/// Bytes before the body.
const HEAD: usize = 76;

/// A batch on disk, as the header of its file describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The batch's id, which is the file's name.
    pub id: BatchId,
    /// The purge that it belongs to.
    pub purge: u64,
    /// The sum over its items.
    pub sum: Sum,
    /// The size of the file in bytes.
    pub size: u64,
}

/// The folder with the batches.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    _lock: Lock,
}

/// The content of the folder at start-up.
#[derive(Debug, Default)]
pub struct Found {
    /// Batches of earlier runs, oldest first.
    pub batches: Vec<Stored>,
    /// Files that failed their checks, by their new names.
    pub bad: Vec<PathBuf>,
}

impl Spool {
    /// Locks the folder, which is created if necessary, and lists what an earlier run left in it.
    ///
    /// # Errors
    /// The system's error; [`io::ErrorKind::WouldBlock`] when another process uses the folder. A folder into which other users
    /// may put files is rejected: their content would go to the store.
    pub fn open(folder: &Path) -> io::Result<(Self, Found)> {
        let folder = files::own_directory(folder)?;
        let settings = files::Settings { umask: Some(Umask::DEFAULT), ..files::Settings::default() };
        let Some(lock) = Lock::try_now(&folder.join("lock"), &settings)? else {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "another process uses it"));
        };
        let spool = Self { folder, _lock: lock };
        let found = spool.scan()?;
        Ok((spool, found))
    }

    fn scan(&self) -> io::Result<Found> {
        let mut found = Found::default();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            match path.extension().and_then(OsStr::to_str) {
                // The machine crashed during the write: `put` has not returned, so nobody relies on this file.
                Some("new") => fs::remove_file(&path)?,
                Some("batch") => match head_of(&path)? {
                    Some(stored) if path == self.path(stored.id) => found.batches.push(stored),
                    _ => found.bad.push(set_aside(&path)?),
                },
                _ => {}
            }
        }
        found.batches.sort_by_key(|stored| stored.id);
        Ok(found)
    }

    fn path(&self, id: BatchId) -> PathBuf {
        self.folder.join(format!("{:020}-{:010}.batch", id.run, id.number))
    }

    /// Writes a batch. When this returns, the batch is safe on disk.
    pub fn put(&self, batch: &WriteBatch) -> io::Result<Stored> {
        let path = self.path(batch.id);
        let temporary = path.with_extension("new");
        let result = self.write(batch, &temporary, &path);
        if result.is_err() {
            // A partial file is useless, and may be what fills the disk.
            let _ = fs::remove_file(&temporary);
        }
        result?;
        let size = (HEAD + batch.body.len()) as u64;
        Ok(Stored { id: batch.id, purge: batch.purge, sum: batch.sum, size })
    }

    fn write(&self, batch: &WriteBatch, temporary: &Path, path: &Path) -> io::Result<()> {
        // Always a new file, so that an existing link of that name is not followed.
        let mut file = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(temporary)?;
        file.write_all(&head(batch))?;
        file.write_all(&batch.body)?;
        file.sync_data()?;
        fs::rename(temporary, path)?;
        File::open(&self.folder)?.sync_data()
    }

    /// Reads a batch; `None` when its file fails its checks. The file is then renamed.
    pub fn get(&self, id: BatchId) -> io::Result<Option<WriteBatch>> {
        let path = self.path(id);
        let mut bytes = Vec::new();
        File::open(&path)?.read_to_end(&mut bytes)?;
        match parse(bytes).filter(|batch| batch.id == id) {
            Some(batch) => Ok(Some(batch)),
            None => {
                set_aside(&path)?;
                Ok(None)
            }
        }
    }

    /// Removes the file of a batch.
    pub fn remove(&self, id: BatchId) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let bad = path.with_extension("bad");
    fs::rename(path, &bad)?;
    Ok(bad)
}

fn head(batch: &WriteBatch) -> [u8; HEAD] {
    let numbers = [
        batch.id.run,
        batch.id.number,
        batch.purge,
        u64::from(batch.items),
        batch.sum.aggregates,
        batch.sum.packets,
        batch.sum.bytes,
        batch.body.len() as u64,
    ];
    let mut fields = [0; 64];
    for (field, number) in fields.as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
        *field = number.to_le_bytes();
    }
    let mut crc = crc32fast::Hasher::new();
    crc.update(&fields);
    crc.update(&batch.body);
    let mut head = [0; HEAD];
    head[..4].copy_from_slice(MAGIC);
    head[4..8].copy_from_slice(&VERSION.to_le_bytes());
    head[8..72].copy_from_slice(&fields);
    head[72..].copy_from_slice(&crc.finalize().to_le_bytes());
    head
}

/// The eight numbers of a header.
fn fields(head: &[u8; HEAD]) -> Option<[u64; 8]> {
    if head[..4] != *MAGIC || head[4..8] != VERSION.to_le_bytes() {
        return None;
    }
    let mut numbers = [0; 8];
    for (number, bytes) in numbers.iter_mut().zip(head[8..72].as_chunks::<8>().0) {
        *number = u64::from_le_bytes(*bytes);
    }
    Some(numbers)
}

/// The header of a file, if the file has the length that the header states. The checksum is verified when the batch is read.
fn head_of(path: &Path) -> io::Result<Option<Stored>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut head = [0; HEAD];
    if file.read_exact(&mut head).is_err() {
        return Ok(None);
    }
    let stored = fields(&head).map(|[run, number, purge, _, aggregates, packets, bytes, length]| {
        let sum = Sum { aggregates, packets, bytes };
        (Stored { id: BatchId { run, number }, purge, sum, size }, length)
    });
    Ok(stored.filter(|(_, length)| Some(size) == length.checked_add(HEAD as u64)).map(|(stored, _)| stored))
}

fn parse(mut bytes: Vec<u8>) -> Option<WriteBatch> {
    let head: [u8; HEAD] = *bytes.first_chunk()?;
    let [run, number, purge, items, aggregates, packets, sum_bytes, length] = fields(&head)?;
    let body = bytes.split_off(HEAD);
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head[8..72]);
    crc.update(&body);
    if body.len() as u64 != length || head[72..] != crc.finalize().to_le_bytes() {
        return None;
    }
    let sum = Sum { aggregates, packets, bytes: sum_bytes };
    Some(WriteBatch { id: BatchId { run, number }, purge, items: u32::try_from(items).ok()?, sum, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(run: u64, number: u64) -> WriteBatch {
        let sum = Sum { aggregates: 3, packets: number, bytes: 9 };
        WriteBatch { id: BatchId { run, number }, purge: 7, items: 3, sum, body: vec![number as u8; 100] }
    }

    #[test]
    fn batches_are_listed_oldest_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er");
        let (spool, found) = Spool::open(&path).unwrap();
        assert!(found.batches.is_empty());
        for (run, number) in [(2, 1), (1, 10), (1, 9)] {
            assert_eq!(spool.put(&batch(run, number)).unwrap().size, 176);
        }
        assert_eq!(Spool::open(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(spool);
        let (spool, found) = Spool::open(&path).unwrap();
        let ids: Vec<_> = found.batches.iter().map(|stored| (stored.id.run, stored.id.number)).collect();
        assert_eq!(ids, [(1, 9), (1, 10), (2, 1)]);
        assert_eq!(spool.get(found.batches[0].id).unwrap(), Some(batch(1, 9)));
        spool.remove(found.batches[0].id).unwrap();
        spool.remove(found.batches[0].id).unwrap();
        assert_eq!(spool.scan().unwrap().batches.len(), 2);
    }

    #[test]
    fn truncated_and_changed_files_are_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(folder.path()).unwrap();
        let whole = {
            spool.put(&batch(1, 1)).unwrap();
            fs::read(spool.path(batch(1, 1).id)).unwrap()
        };
        let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|cut| whole[..cut].to_vec()).collect();
        damaged.extend((0..whole.len()).map(|at| {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            changed
        }));
        for bytes in damaged {
            fs::write(spool.path(batch(1, 1).id), &bytes).unwrap();
            let found = spool.scan().unwrap();
            // Damage outside the header is found when the file is read.
            let read = found.batches.iter().filter_map(|stored| spool.get(stored.id).unwrap()).count();
            assert_eq!(read, 0);
            assert!(fs::remove_file(spool.path(batch(1, 1).id).with_extension("bad")).is_ok());
        }
    }

    #[test]
    fn symbolic_links_in_the_folder_are_not_followed() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("spool"), folder.path().join("victim"));
        fs::write(&victim, "secret").unwrap();
        let (spool, _) = Spool::open(&path).unwrap();
        symlink(&victim, spool.path(batch(1, 1).id).with_extension("new")).unwrap();
        assert!(spool.put(&batch(1, 1)).is_err());
        // The failed attempt has removed the link.
        spool.put(&batch(1, 1)).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "secret");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        drop(spool);
        let error = Spool::open(&path).unwrap_err().to_string();
        assert!(error.contains("writable for everybody"), "{error}");
    }

    #[test]
    fn temporary_files_of_a_crashed_run_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("1-1.new"), b"PMSP").unwrap();
        let (_, found) = Spool::open(folder.path()).unwrap();
        assert!(found.batches.is_empty() && found.bad.is_empty());
        assert!(!folder.path().join("1-1.new").exists());
    }
}
