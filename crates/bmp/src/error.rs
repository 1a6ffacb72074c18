//! What can be wrong with a message.

use bgp::message::{HeaderError, MessageType};
use std::fmt;
use wire::Truncated;

/// An error in a message: what, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageError {
    /// Offset from the first octet of the message, its header included.
    pub at: usize,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A field, a TLV or a BGP message ends after the message.
    Truncated {
        /// Octets needed.
        wanted: usize,
        /// Octets left.
        left: usize,
    },
    /// The header of a BGP message is wrong.
    BgpHeader(HeaderError),
    /// A BGP message is of another type than its place wants.
    BgpType {
        /// The type that its place wants.
        wanted: MessageType,
        /// The type that it has.
        found: MessageType,
    },
    /// Octets follow what the message has to say.
    Trailing {
        /// How many.
        octets: usize,
    },
    /// A route monitoring message of version 4 has no BGP message.
    NoUpdate,
    /// A route monitoring message of version 4 has several BGP messages; the first one counts.
    SeveralUpdates,
    /// A TLV has a length that its type does not permit.
    Length {
        /// The type.
        kind: u16,
        /// Octets of the value.
        len: usize,
    },
}

impl Reason {
    /// All labels, for counters.
    pub const LABELS: [&'static str; 7] =
        ["truncated", "bgp_header", "bgp_type", "trailing", "no_update", "several_updates", "length"];

    /// The position of the label in [`Reason::LABELS`].
    pub const fn index(self) -> usize {
        match self {
            Self::Truncated { .. } => 0,
            Self::BgpHeader(_) => 1,
            Self::BgpType { .. } => 2,
            Self::Trailing { .. } => 3,
            Self::NoUpdate => 4,
            Self::SeveralUpdates => 5,
            Self::Length { .. } => 6,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { wanted, left } => write!(f, "{wanted} octets needed, {left} left"),
            Self::BgpHeader(error) => write!(f, "BGP message: {error}"),
            Self::BgpType { wanted, found } => write!(f, "{found} instead of {wanted}"),
            Self::Trailing { octets } => write!(f, "{octets} octets are left over"),
            Self::NoUpdate => f.write_str("no BGP message"),
            Self::SeveralUpdates => f.write_str("a second BGP message"),
            Self::Length { kind, len } => write!(f, "TLV {kind} of {len} octets"),
        }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}", self.reason, self.at)
    }
}

impl std::error::Error for MessageError {}

impl From<Truncated> for MessageError {
    fn from(Truncated { at, wanted, left }: Truncated) -> Self {
        Self { at, reason: Reason::Truncated { wanted, left } }
    }
}
