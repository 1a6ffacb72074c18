//! Decoding errors.

use std::fmt;
use wire::Truncated;

/// A violation of the sFlow version of the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Offset of the error, in octets from the start of the datagram.
    pub at: usize,
    /// What is wrong.
    pub kind: DecodeErrorKind,
}

/// The kind of a [`DecodeError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeErrorKind {
    /// The datagram, sample or record ends early.
    Truncated {
        /// Octets needed.
        wanted: usize,
        /// Octets left.
        left: usize,
    },
    /// A version other than 2, 4 and 5.
    Version(u32),
    /// An address that is neither unknown (0), IPv4 (1) nor IPv6 (2), so its length is unknown.
    AddressType(u32),
    /// Versions 2 and 4: neither a flow (1) nor a counter sample (2).
    SampleType(u32),
    /// Versions 2 and 4: packet data that is neither a header (1) nor IPv4 (2) nor IPv6 (3).
    PacketData(u32),
    /// Versions 2 and 4: extended data beyond switch (1), router (2), gateway (3), user (4) and URL (5).
    ExtendedData(u32),
    /// Versions 2 and 4: a block of counters beyond 1 to 7.
    CounterBlock(u32),
}

impl DecodeError {
    #[cold]
    pub(crate) fn new(at: usize, kind: DecodeErrorKind) -> Self {
        Self { at, kind }
    }
}

impl From<Truncated> for DecodeError {
    #[cold]
    fn from(Truncated { at, wanted, left }: Truncated) -> Self {
        Self { at, kind: DecodeErrorKind::Truncated { wanted, left } }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at octet {}", self.kind, self.at)
    }
}

impl std::error::Error for DecodeError {}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { wanted, left } => write!(f, "truncated: {wanted} octets needed, {left} left"),
            Self::Version(version) => write!(f, "version {version} is not one of 2, 4, 5"),
            Self::AddressType(number) => write!(f, "address type {number} is not one of 0, 1, 2"),
            Self::SampleType(number) => write!(f, "sample type {number} is not one of 1, 2"),
            Self::PacketData(number) => write!(f, "packet data type {number} is not one of 1, 2, 3"),
            Self::ExtendedData(number) => write!(f, "extended data type {number} is not one of 1 to 5"),
            Self::CounterBlock(number) => write!(f, "counter block {number} is not one of 1 to 7"),
        }
    }
}
