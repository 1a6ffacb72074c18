//! The headers that Cisco IOS XR puts before messages over TCP and UDP. Numbers are big-endian.
//!
//! ```text
//! cisco_v0   u32 type: 1 reset compressor, 2 JSON (compressed), 3 GPB compact, 4 GPB as keys and values
//!            u32 length of the contents
//!
//! cisco_v1   u16 type, u16 encapsulation: 1 GPB, 2 JSON, 3 GPB compact, 4 GPB as keys and values
//!            u16 version, u16 flags: 1 compressed
//!            u32 length of the contents
//! ```
//!
//! There is no public specification; these are the collectors of Cisco and pmacct. Compressed contents are a zlib stream (RFC 1950) that
//! lasts as long as the connection, flushed at the end of each message.

use crate::{Encoding, Framing};
use wire::{Reader, Truncated};

/// Type of cisco_v0: the next compressed message starts a new zlib stream. Without contents.
const RESET_COMPRESSOR: u32 = 1;
/// Flag of cisco_v1: the contents are compressed.
const COMPRESSED: u16 = 1;

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The encoding of the contents.
    pub(crate) encoding: Encoding,
    /// Octets of the contents.
    pub(crate) length: u32,
    /// The contents are a part of a zlib stream.
    pub(crate) is_compressed: bool,
    /// Not a message: the zlib stream starts anew.
    pub(crate) resets: bool,
}

impl Header {
    /// Octets of the header.
    pub(crate) const fn len(framing: Framing) -> usize {
        match framing {
            Framing::CiscoV0 => 8,
            Framing::CiscoV1 => 12,
            Framing::Json | Framing::Gpb => 0,
        }
    }

    /// The header at the start of `octets`, and what follows it. `framing` is one of the two that have a header.
    pub(crate) fn first(framing: Framing, octets: &[u8]) -> Result<(Self, &[u8]), Truncated> {
        let mut r = Reader::new(octets);
        let header = if framing == Framing::CiscoV0 {
            let kind = r.u32()?;
            let encoding = match kind {
                2 => Encoding::Json,
                3 | 4 => Encoding::Gpb,
                other => Encoding::Unknown(u16::try_from(other).unwrap_or(u16::MAX)),
            };
            Self {
                encoding,
                length: r.u32()?,
                is_compressed: encoding == Encoding::Json,
                resets: kind == RESET_COMPRESSOR,
            }
        } else {
            let _kind = r.u16()?;
            let encoding = match r.u16()? {
                2 => Encoding::Json,
                1 | 3 | 4 => Encoding::Gpb,
                other => Encoding::Unknown(other),
            };
            let _version = r.u16()?;
            let flags = r.u16()?;
            Self { encoding, length: r.u32()?, is_compressed: flags & COMPRESSED != 0, resets: false }
        };
        Ok((header, r.rest()))
    }
}
