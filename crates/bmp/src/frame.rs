//! The common header, and how a stream of octets is split into messages (RFC 7854 section 4.1).
//!
//! ```text
//!  0         1        5      6
//! +---------+--------+------+------------------+
//! | version | length | type | body             |
//! +---------+--------+------+------------------+
//! ```
//!
//! The length counts the header. RFC 7854 has no upper limit for it, so the caller sets one.

use crate::code::MessageType;
use std::fmt;
use wire::Reader;

/// Octets of a header.
pub const HEADER_LEN: usize = 6;

/// A limit for messages that no known router exceeds: route monitoring and peer up have at most two BGP messages of 65535
/// octets each; only many long TLVs would be longer.
pub const DEFAULT_MAX_LEN: usize = 1 << 20;

/// The version of a message. One router may use several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// RFC 7854.
    V3,
    /// draft-ietf-grow-bmp-tlv.
    V4,
}

impl Version {
    /// The number in the header.
    pub const fn number(self) -> u8 {
        match self {
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }
}

/// A whole message, with a valid header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    version: Version,
    kind: MessageType,
    octets: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The message at the start of `octets`; `None` if it is incomplete. What follows it is not read.
    ///
    /// `max` is the limit for the length of a message.
    #[inline]
    pub fn first(octets: &'a [u8], max: usize) -> Result<Option<Self>, FrameError> {
        let Some(Header { version, kind, len }) = Header::first(octets, max)? else { return Ok(None) };
        Ok(octets.get(..len).map(|octets| Self { version, kind, octets }))
    }

    /// The version.
    pub fn version(self) -> Version {
        self.version
    }

    /// The type.
    pub fn kind(self) -> MessageType {
        self.kind
    }

    /// The whole message, with its header.
    pub fn octets(self) -> &'a [u8] {
        self.octets
    }

    /// The message without its header: octets from [`HEADER_LEN`].
    pub fn body(self) -> &'a [u8] {
        self.octets.get(HEADER_LEN..).unwrap_or_default()
    }
}

/// A valid header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The version.
    pub version: Version,
    /// The type.
    pub kind: MessageType,
    /// Octets of the message, the header included.
    pub len: usize,
}

impl Header {
    /// The header at the start of `octets`, which may be longer or shorter than the message; `None` if it is incomplete.
    ///
    /// Errors are found as early as possible: a wrong version by the first octet.
    #[inline]
    pub fn first(octets: &[u8], max: usize) -> Result<Option<Self>, FrameError> {
        let mut r = Reader::new(octets);
        let version = match r.u8() {
            Ok(3) => Version::V3,
            Ok(4) => Version::V4,
            Ok(other) => return Err(FrameError::Version(other)),
            Err(_) => return Ok(None),
        };
        let Ok(length) = r.u32() else { return Ok(None) };
        let len = usize::try_from(length).unwrap_or(usize::MAX);
        if len < HEADER_LEN {
            return Err(FrameError::TooShort(length));
        }
        let Ok(kind) = r.u8() else { return Ok(None) };
        if len > max {
            return Err(FrameError::TooLong { length, kind: MessageType(kind) });
        }
        Ok(Some(Self { version, kind: MessageType(kind), len }))
    }
}

/// The header of a message is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The version is neither 3 nor 4. The stream cannot be read any further: versions 1 and 2, which no RFC
    /// describes, have another header.
    Version(u8),
    /// The length is less than that of a header. The stream cannot be read any further.
    TooShort(u32),
    /// The message is longer than the limit. The next one follows it, if the length can be believed.
    TooLong {
        /// The length.
        length: u32,
        /// The type.
        kind: MessageType,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Version(version) => write!(f, "BMP version {version} instead of 3 or 4"),
            Self::TooShort(length) => write!(f, "a message of {length} octets, which is less than its header"),
            Self::TooLong { length, kind } => write!(f, "a message of {length} octets (type {kind})"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Appends a message. Returns false, and appends nothing, if its length does not fit the header.
pub fn write(out: &mut Vec<u8>, version: Version, kind: MessageType, body: &[u8]) -> bool {
    let Ok(length) = u32::try_from(HEADER_LEN + body.len()) else { return false };
    out.reserve(HEADER_LEN + body.len());
    out.push(version.number());
    out.extend_from_slice(&length.to_be_bytes());
    out.push(kind.0);
    out.extend_from_slice(body);
    true
}
