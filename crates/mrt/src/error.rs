//! Why a record cannot be decoded.

use std::fmt;
use wire::{PrefixError, Truncated};

/// Why a record cannot be decoded, or written. Offsets count from the start of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MrtError {
    /// The record ends too early.
    Truncated(Truncated),
    /// The prefix of a table entry is invalid.
    Prefix(PrefixError),
    /// Addresses of this family are not IPv4 or IPv6.
    Family(u16),
    /// The length of NLRI of this family is not known.
    Nlri(u16, u8),
    /// More octets or items than the length field of a record allows: their number.
    TooLong(usize),
}

impl From<Truncated> for MrtError {
    fn from(truncated: Truncated) -> Self {
        Self::Truncated(truncated)
    }
}

impl From<PrefixError> for MrtError {
    fn from(error: PrefixError) -> Self {
        match error {
            PrefixError::Truncated(truncated) => Self::Truncated(truncated),
            error => Self::Prefix(error),
        }
    }
}

impl fmt::Display for MrtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(truncated) => truncated.fmt(f),
            Self::Prefix(error) => error.fmt(f),
            Self::Family(afi) => write!(f, "address family {afi} is not IPv4 or IPv6"),
            Self::Nlri(afi, safi) => write!(f, "NLRI of AFI {afi} and SAFI {safi} are not known"),
            Self::TooLong(count) => write!(f, "{count} do not fit the record"),
        }
    }
}

impl std::error::Error for MrtError {}
