//! Object container files: records in blocks, after a head with their schema.
//!
//! ```text
//! head     "Obj" 1, a map of the metadata (avro.codec, avro.schema), 16 bytes of a sync marker
//! block    long count of records, long bytes, the records, the sync marker
//! ```
//!
//! Blocks are not compressed. More blocks may be added to a file later, if their records have its schema:
//! [`read_head`] reads the head, and [`whole`] finds the end of the last complete block.

use super::binary::{long, string};
use std::fmt;
use std::io::{self, Read, Seek};

/// The start of a file: three letters and the version of the format.
pub const MAGIC: [u8; 4] = *b"Obj\x01";

/// Maximum length of the metadata of a file, in bytes.
const MAX_METADATA: u64 = 1 << 20;

/// The marker that ends the head and each block of a file: 16 random bytes, the same in the whole file.
pub type Sync = [u8; 16];

/// Writes the head of a file.
pub fn head(out: &mut Vec<u8>, schema: &str, sync: &Sync) {
    out.extend_from_slice(&MAGIC);
    long(out, 2);
    for text in ["avro.codec", "null", "avro.schema", schema] {
        string(out, |out| out.extend_from_slice(text.as_bytes()));
    }
    out.push(0);
    out.extend_from_slice(sync);
}

/// The records of a block under construction.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The encoded records.
    pub records: Vec<u8>,
    /// Number of records.
    pub count: u64,
}

impl Block {
    /// Writes the block unless it is empty, and clears it.
    pub fn end(&mut self, out: &mut Vec<u8>, sync: &Sync) {
        if self.count == 0 {
            return;
        }
        long(out, self.count.cast_signed());
        long(out, self.records.len() as i64);
        out.extend_from_slice(&self.records);
        out.extend_from_slice(sync);
        self.discard();
    }

    /// Removes the records.
    pub fn discard(&mut self) {
        self.records.clear();
        self.count = 0;
    }
}

/// The head of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// `avro.schema`.
    pub schema: String,
    /// `avro.codec`; without one, blocks are not compressed.
    pub codec: Option<String>,
    /// The file's marker.
    pub sync: Sync,
    /// Length of the head, in bytes.
    pub length: u64,
}

/// The bytes are not the head of a container file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatError;

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an Avro object container file")
    }
}

impl std::error::Error for FormatError {}

impl From<FormatError> for io::Error {
    fn from(error: FormatError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Reads the head of a file from its beginning.
///
/// # Errors
/// I/O errors, and [`FormatError`] as `InvalidData`.
pub fn read_head(file: &mut impl Read) -> io::Result<Head> {
    let mut file = Counted { inner: file, count: 0 };
    let mut magic = [0; 4];
    file.read_exact(&mut magic).map_err(cut)?;
    if magic != MAGIC {
        return Err(FormatError.into());
    }
    let (mut schema, mut codec) = (None, None);
    loop {
        let count = match file.long()? {
            0 => break,
            // A negative count is followed by the block's size in bytes.
            count if count < 0 => {
                file.long()?;
                count.unsigned_abs()
            }
            count => count.unsigned_abs(),
        };
        for _ in 0..count {
            let name = file.bytes()?;
            let value = file.bytes()?;
            match name.as_slice() {
                b"avro.schema" => schema = Some(String::from_utf8(value).map_err(|_| FormatError)?),
                b"avro.codec" => codec = Some(String::from_utf8(value).map_err(|_| FormatError)?),
                _ => {}
            }
        }
    }
    let mut sync = Sync::default();
    file.read_exact(&mut sync).map_err(cut)?;
    Ok(Head { schema: schema.ok_or(FormatError)?, codec, sync, length: file.count })
}

/// Returns the length of the file up to the end of its last complete block: less than its length if it is truncated, as after
/// a power failure. `file` must be positioned after the head.
///
/// # Errors
/// I/O errors.
pub fn whole(file: &mut (impl Read + Seek), head: &Head) -> io::Result<u64> {
    let length = file.seek(io::SeekFrom::End(0))?;
    // A file that ends with the marker ends with a complete block: the blocks need not be read.
    if let Some(last) = length.checked_sub(head.sync.len() as u64).filter(|last| *last + 16 >= head.length) {
        file.seek(io::SeekFrom::Start(last))?;
        let mut sync = Sync::default();
        file.read_exact(&mut sync)?;
        if sync == head.sync {
            return Ok(length);
        }
    }
    let mut end = head.length;
    file.seek(io::SeekFrom::Start(end))?;
    while let Some(next) = block(file, end, head, length)? {
        end = next;
    }
    Ok(end)
}

/// The end of the block that starts at `start`, if it is complete.
fn block(file: &mut (impl Read + Seek), start: u64, head: &Head, length: u64) -> io::Result<Option<u64>> {
    let mut counted = Counted { inner: &mut *file, count: 0 };
    let size = match (counted.long(), counted.long()) {
        (Ok(_), Ok(size)) => u64::try_from(size).ok(),
        _ => None,
    };
    let sync_at = size.and_then(|size| (start + counted.count).checked_add(size));
    let Some(sync_at) = sync_at.filter(|at| at.saturating_add(16) <= length) else {
        return Ok(None);
    };
    file.seek(io::SeekFrom::Start(sync_at))?;
    let mut sync = Sync::default();
    file.read_exact(&mut sync)?;
    Ok((sync == head.sync).then_some(sync_at + 16))
}

/// A reader that counts bytes, and stops at the maximum length of metadata.
struct Counted<'a, R> {
    inner: &'a mut R,
    count: u64,
}

impl<R: Read> Counted<'_, R> {
    fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.count += bytes.len() as u64;
        self.inner.read_exact(bytes)
    }

    fn long(&mut self) -> io::Result<i64> {
        let mut zigzag = 0u64;
        for shift in (0..70).step_by(7) {
            let mut octet = [0];
            self.read_exact(&mut octet).map_err(cut)?;
            zigzag |= u64::from(octet[0] & 0x7f).checked_shl(shift).unwrap_or(0);
            if octet[0] & 0x80 == 0 {
                return Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
            }
        }
        Err(FormatError.into())
    }

    fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let length = u64::try_from(self.long()?).map_err(|_| FormatError)?;
        if self.count.saturating_add(length) > MAX_METADATA {
            return Err(FormatError.into());
        }
        let mut bytes = Vec::new();
        let read = self.inner.by_ref().take(length).read_to_end(&mut bytes)?;
        self.count += read as u64;
        if read as u64 == length { Ok(bytes) } else { Err(FormatError.into()) }
    }
}

/// Converts the end of the file within the head to a [`FormatError`]; other errors do not change.
fn cut(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof { FormatError.into() } else { error }
}
