//! Framings of messages, and messages in datagrams.

use crate::{Encoding, cisco};
use std::fmt;
use wire::Truncated;

/// How messages are separated, and how they tell their encoding. The headers of Cisco are described in the module `cisco`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// JSON objects without a header. In a stream they follow each other, with or without blanks and line feeds between them; RFC 7464's
    /// record separators are accepted, too.
    Json,
    /// Protocol buffers without a header. In a stream nothing separates them, so that the octets of one
    /// [`StreamDecoder::push`](crate::StreamDecoder::push) are a message.
    Gpb,
    /// A header of 8 octets: Cisco IOS XR 6.0.
    CiscoV0,
    /// A header of 12 octets: Cisco IOS XR since 6.1.
    CiscoV1,
}

/// A message without its framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// How it is encoded, according to the framing.
    pub encoding: Encoding,
    /// Its contents. JSON is an object by its first octet, and otherwise not checked: see [`crate::payload`].
    pub octets: &'a [u8],
}

/// Why a datagram is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramError {
    /// It ends before its header does.
    Truncated(Truncated),
    /// It is not a JSON object: its first octet that is no blank, or `None` if there is none.
    NotObject(Option<u8>),
    /// It contains nothing but a header.
    Empty,
    /// Its header says that the contents are compressed. They depend on earlier messages, which a datagram cannot rely on.
    Compressed,
}

impl DatagramError {
    /// All labels, for counters.
    pub const LABELS: [&'static str; 4] = ["truncated", "not_json_object", "empty", "compressed"];

    /// The position of the label in [`DatagramError::LABELS`].
    pub const fn index(&self) -> usize {
        match self {
            Self::Truncated(_) => 0,
            Self::NotObject(_) => 1,
            Self::Empty => 2,
            Self::Compressed => 3,
        }
    }
}

impl From<Truncated> for DatagramError {
    fn from(truncated: Truncated) -> Self {
        Self::Truncated(truncated)
    }
}

impl fmt::Display for DatagramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(truncated) => write!(f, "in the header: {truncated}"),
            Self::NotObject(Some(first)) => {
                write!(f, "not a JSON object: it starts with 0x{first:02x} instead of {{")
            }
            Self::NotObject(None) => f.write_str("not a JSON object: it contains blanks only"),
            Self::Empty => f.write_str("without contents"),
            Self::Compressed => f.write_str("compressed contents"),
        }
    }
}

impl std::error::Error for DatagramError {}

/// The message in a datagram.
///
/// The length in a header of Cisco is ignored, as pmacct does: the message ends with the datagram.
///
/// # Errors
/// If the datagram has no whole header, or no JSON object where there should be one.
pub fn datagram(framing: Framing, octets: &[u8]) -> Result<Message<'_>, DatagramError> {
    let message = match framing {
        Framing::Json => Message { encoding: Encoding::Json, octets },
        Framing::Gpb => Message { encoding: Encoding::Gpb, octets },
        Framing::CiscoV0 | Framing::CiscoV1 => {
            let (header, octets) = cisco::Header::first(framing, octets)?;
            // JSON of cisco_v0 is a part of the connection's zlib stream. A datagram has no connection, so it can only be plain.
            if header.is_compressed && framing == Framing::CiscoV1 {
                return Err(DatagramError::Compressed);
            }
            Message { encoding: header.encoding, octets }
        }
    };
    match message.encoding {
        Encoding::Json => match message.octets.iter().find(|octet| !octet.is_ascii_whitespace()) {
            Some(b'{') => Ok(message),
            other => Err(DatagramError::NotObject(other.copied())),
        },
        _ if message.octets.is_empty() => Err(DatagramError::Empty),
        _ => Ok(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(framing: Framing, octets: &[u8]) -> Result<(Encoding, &[u8]), DatagramError> {
        datagram(framing, octets).map(|message| (message.encoding, message.octets))
    }

    #[test]
    fn datagrams_have_one_message_each() {
        assert_eq!(read(Framing::Json, b" {\"a\":"), Ok((Encoding::Json, &b" {\"a\":"[..])));
        assert_eq!(read(Framing::Gpb, &[10, 0]), Ok((Encoding::Gpb, &[10, 0][..])));
        // The length, 9, is ignored.
        for (encapsulation, encoding) in [(1, Encoding::Gpb), (2, Encoding::Json), (9, Encoding::Unknown(9))] {
            let octets = [&[0, 1, 0, encapsulation, 0, 1, 0, 0, 0, 0, 0, 9][..], b"{}"].concat();
            assert_eq!(read(Framing::CiscoV1, &octets), Ok((encoding, &b"{}"[..])));
        }
        let octets = [&[0, 0, 0, 2, 0, 0, 0, 9][..], b"{}"].concat();
        assert_eq!(read(Framing::CiscoV0, &octets), Ok((Encoding::Json, &b"{}"[..])));
    }

    #[test]
    fn what_is_no_message_is_dropped() {
        assert_eq!(read(Framing::Json, b"hello"), Err(DatagramError::NotObject(Some(b'h'))));
        assert_eq!(read(Framing::Json, b"[1,2]"), Err(DatagramError::NotObject(Some(b'['))));
        assert_eq!(read(Framing::Json, b" \n"), Err(DatagramError::NotObject(None)));
        assert_eq!(read(Framing::Gpb, b""), Err(DatagramError::Empty));
        let octets = [0, 1, 0, 2, 0, 1, 0, 1, 0, 0, 0, 2, b'{', b'}'];
        assert_eq!(read(Framing::CiscoV1, &octets), Err(DatagramError::Compressed));
        let truncated = Truncated { at: 8, wanted: 4, left: 3 };
        assert_eq!(read(Framing::CiscoV1, &octets[..11]), Err(DatagramError::Truncated(truncated)));
    }
}
