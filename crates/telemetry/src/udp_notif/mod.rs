//! UDP-notif: notifications of YANG-Push in datagrams (draft-ietf-netconf-udp-notif), and its predecessor
//! (draft-ietf-netconf-udp-pub-channel-05).
//!
//! ```text
//! ver(3) S(1) MT(4)   u8   version 1; private encoding; media type: 1 JSON, 2 XML, 3 CBOR
//! header length       u8   octets before the payload, 12 without options
//! message length      u16  octets of header and payload of this datagram
//! publisher id        u32
//! message id          u32
//! options             u8 type, u8 length with these two, value
//!                          1 segmentation: u16, 15 bits number from 0, 1 bit set in the last
//!                          2 private encoding: text, goes with S
//! payload
//! ```
//!
//! The predecessor:
//!
//! ```text
//! version, flags      u8
//! encoding            u8   low 4 bits: 0 GPB, 1 CBOR, 2 JSON, 3 XML
//! message length      u16  octets of header and payload
//! publisher id        u32
//! message id          u32
//! payload
//! ```
//!
//! Options that are not known are skipped by their length. Octets behind the message length are ignored: some routers pad. A datagram
//! whose lengths contradict each other or exceed it is dropped.

mod header;
mod reassembly;
#[cfg(test)]
mod tests;

pub use header::{Datagram, Segment, Variant, decode};
pub use reassembly::{Limits, Loss, Outcome, Reassembler};

use std::fmt;
use wire::Truncated;

/// Why a datagram is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It ends before its header does.
    Truncated(Truncated),
    /// The version is not 1.
    Version(u8),
    /// The header length is less than 12, or exceeds the message length.
    HeaderLength(u8),
    /// The message length exceeds the datagram.
    MessageLength(u16),
    /// An option is malformed: its type.
    Option(u8),
    /// The media type is not known, or private: the media type, with 0x10 if it is private.
    MediaType(u8),
    /// The same segment was there before. No data is lost.
    Repeated,
    /// The segment contradicts others of its message: it comes after the last one, is a second last one, or has other contents or another
    /// media type.
    Conflict,
    /// The message would be longer than the limit. All of its segments are dropped.
    TooLong,
}

impl Reason {
    /// All labels, for counters.
    pub const LABELS: [&'static str; 9] = [
        "truncated",
        "version",
        "header_length",
        "message_length",
        "option",
        "media_type",
        "repeated_segment",
        "conflicting_segment",
        "too_long",
    ];

    /// The position of the label in [`Reason::LABELS`].
    pub const fn index(&self) -> usize {
        match self {
            Self::Truncated(_) => 0,
            Self::Version(_) => 1,
            Self::HeaderLength(_) => 2,
            Self::MessageLength(_) => 3,
            Self::Option(_) => 4,
            Self::MediaType(_) => 5,
            Self::Repeated => 6,
            Self::Conflict => 7,
            Self::TooLong => 8,
        }
    }
}

impl From<Truncated> for Reason {
    fn from(truncated: Truncated) -> Self {
        Self::Truncated(truncated)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(truncated) => write!(f, "in the header: {truncated}"),
            Self::Version(version) => write!(f, "version {version} is not 1"),
            Self::HeaderLength(length) => {
                write!(f, "a header length of {length} octets is below 12 or beyond the message")
            }
            Self::MessageLength(length) => write!(f, "a message length of {length} octets exceeds the datagram"),
            Self::Option(kind) => write!(f, "option {kind} is malformed"),
            Self::MediaType(media) if media & 0x10 != 0 => write!(f, "media type {} is private", media & 0xf),
            Self::MediaType(media) => write!(f, "media type {media} is not known"),
            Self::Repeated => f.write_str("a segment that was there before"),
            Self::Conflict => f.write_str("a segment that contradicts others of its message"),
            Self::TooLong => f.write_str("a message that exceeds the limit"),
        }
    }
}

impl std::error::Error for Reason {}
