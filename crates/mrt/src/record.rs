//! The header of records (RFC 6396 section 2 and 3), and reading them from a file.

use crate::message::{self, Message, StateChange};
use crate::peers::PeerIndex;
use crate::rib::{self, Rib};
use crate::{MrtError, Session};
use std::fmt;
use std::io::{self, Read};

/// The maximum length of a record that is read, in octets. A prefix with 1,000 routes of 16 KiB of attributes fits.
pub const MAX_RECORD: u32 = 16 << 20;

/// A type of records (IANA "MRT Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Type(pub u16);

impl Type {
    /// Routes of a table, one a record, with AS numbers of two octets in paths (RFC 6396 section 4.2).
    pub const TABLE_DUMP: Self = Self(12);
    /// Routes of a table, all of a prefix in one record (RFC 6396 section 4.3).
    pub const TABLE_DUMP_V2: Self = Self(13);
    /// BGP messages (RFC 6396 section 4.4).
    pub const BGP4MP: Self = Self(16);
    /// The same, with microseconds (RFC 6396 section 3).
    pub const BGP4MP_ET: Self = Self(17);
    /// IS-IS with microseconds.
    const ISIS_ET: Self = Self(33);
    /// OSPFv3 with microseconds.
    const OSPF_V3_ET: Self = Self(49);

    /// True for types whose header contains microseconds.
    #[must_use]
    pub const fn has_micros(self) -> bool {
        matches!(self, Self::BGP4MP_ET | Self::ISIS_ET | Self::OSPF_V3_ET)
    }
}

/// When something was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: u32,
    /// Microseconds after that, below 1,000,000; `None` if the type of the record has none.
    pub micros: Option<u32>,
}

impl Time {
    /// A time in microseconds since 1970. Times after 2106 do not fit and are the last that does.
    #[must_use]
    pub fn from_micros(micros: u64) -> Self {
        let seconds = u32::try_from(micros / 1_000_000).unwrap_or(u32::MAX);
        Self { seconds, micros: u32::try_from(micros % 1_000_000).ok() }
    }

    /// A time in seconds since 1970.
    #[must_use]
    pub fn from_seconds(seconds: u64) -> Self {
        Self { seconds: u32::try_from(seconds).unwrap_or(u32::MAX), micros: None }
    }
}

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When its content was received, or the table dumped.
    pub time: Time,
    /// The type.
    pub kind: Type,
    /// The subtype; each type has its own.
    pub subtype: u16,
    /// What follows the header.
    pub body: &'a [u8],
}

/// The content of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// The peers of the table in the records that follow.
    PeerIndex(PeerIndex),
    /// The routes of a prefix, or of other NLRI.
    Rib(Rib<'a>),
    /// A BGP message.
    Message(Session, Message<'a>),
    /// A session changed its state.
    StateChange(Session, StateChange),
    /// A type or subtype that this crate does not decode.
    Other,
}

impl<'a> Record<'a> {
    /// Decodes the body.
    ///
    /// # Errors
    /// If it ends early, or a value in it makes the rest unreadable.
    pub fn content(&self) -> Result<Content<'a>, MrtError> {
        match (self.kind, self.subtype) {
            (Type::TABLE_DUMP_V2, rib::PEER_INDEX_TABLE) => PeerIndex::read(self.body).map(Content::PeerIndex),
            (Type::TABLE_DUMP_V2, subtype) => {
                Ok(Rib::read(subtype, self.body)?.map_or(Content::Other, Content::Rib))
            }
            (Type::TABLE_DUMP, afi) => Rib::read_v1(afi, self.body).map(Content::Rib),
            (Type::BGP4MP | Type::BGP4MP_ET, subtype) => message::read(subtype, self.body),
            _ => Ok(Content::Other),
        }
    }
}

/// Appends a record with the body that `body` appends. The time has microseconds if and only if the type has.
///
/// # Errors
/// If the body does not fit the record's length; nothing is appended then.
pub fn write(
    out: &mut Vec<u8>,
    time: Time,
    kind: Type,
    subtype: u16,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), MrtError>,
) -> Result<(), MrtError> {
    let start = out.len();
    out.extend_from_slice(&time.seconds.to_be_bytes());
    out.extend_from_slice(&kind.0.to_be_bytes());
    out.extend_from_slice(&subtype.to_be_bytes());
    let length_at = out.len();
    out.extend_from_slice(&[0; 4]);
    let body_at = out.len();
    if kind.has_micros() {
        out.extend_from_slice(&time.micros.unwrap_or(0).to_be_bytes());
    }
    let written = body(out).and_then(|()| {
        let length = out.len() - body_at;
        let number = u32::try_from(length).map_err(|_| MrtError::TooLong(length))?;
        put(out, length_at, &number.to_be_bytes());
        Ok(())
    });
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Overwrites octets that were written before.
pub(crate) fn put(out: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(field) = out.get_mut(at..at + octets.len()) {
        field.copy_from_slice(octets);
    }
}

/// Why no record can be read.
#[derive(Debug)]
pub enum ReadError {
    /// The file cannot be read.
    Io(io::Error),
    /// The file ends within a record, as after a crash of its writer.
    Truncated,
    /// The length of a record exceeds [`MAX_RECORD`], or is too short for its type: the file is damaged.
    Length(u32),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Truncated => f.write_str("the file ends within a record"),
            Self::Length(length) => write!(f, "a record of {length} octets cannot be right"),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Io(error),
        }
    }
}

/// Reads records from a file. Buffer the file: each record takes two reads.
#[derive(Debug)]
pub struct Reader<R> {
    file: R,
    body: Vec<u8>,
    has_ended: bool,
}

impl<R: Read> Reader<R> {
    /// A reader at the start of a file.
    pub fn new(file: R) -> Self {
        Self { file, body: Vec::new(), has_ended: false }
    }

    /// The next record; `None` at the end of the file and after an error.
    ///
    /// # Errors
    /// If the file cannot be read, or is damaged so that no more records can be found.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        if self.has_ended {
            return Ok(None);
        }
        // Until the record was read completely.
        self.has_ended = true;
        let mut header = [0; 12];
        if !self.fill(&mut header)? {
            return Ok(None);
        }
        let [s0, s1, s2, s3, t0, t1, u0, u1, l0, l1, l2, l3] = header;
        let (kind, subtype) = (Type(u16::from_be_bytes([t0, t1])), u16::from_be_bytes([u0, u1]));
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let (mut left, mut micros) = (Some(length), None);
        if kind.has_micros() && length >= 4 {
            let mut octets = [0; 4];
            self.file.read_exact(&mut octets)?;
            micros = Some(u32::from_be_bytes(octets));
            left = length.checked_sub(4);
        } else if kind.has_micros() {
            left = None;
        }
        let Some(left) = left.filter(|left| *left <= MAX_RECORD) else { return Err(ReadError::Length(length)) };
        self.body.clear();
        // Grows with what is read: a length alone allocates nothing.
        let read = self.file.by_ref().take(u64::from(left)).read_to_end(&mut self.body)?;
        if read as u64 != u64::from(left) {
            return Err(ReadError::Truncated);
        }
        self.has_ended = false;
        let time = Time { seconds: u32::from_be_bytes([s0, s1, s2, s3]), micros };
        Ok(Some(Record { time, kind, subtype, body: &self.body }))
    }

    /// Reads a header; false at the end of the file.
    fn fill(&mut self, header: &mut [u8]) -> Result<bool, ReadError> {
        let Some((first, rest)) = header.split_at_mut_checked(1) else { return Ok(false) };
        loop {
            match self.file.read(first) {
                Ok(0) => return Ok(false),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.file.read_exact(rest)?;
        Ok(true)
    }
}
