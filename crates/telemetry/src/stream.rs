//! Messages in a stream.

use crate::{Encoding, Framing, Message};
use std::fmt;

/// Why a stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamError {
    /// Offset of the message that is wrong, in octets from the start of the stream.
    pub at: u64,
    /// What is wrong.
    pub kind: StreamErrorKind,
}

/// The kind of a [`StreamError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamErrorKind {
    /// Between JSON objects is something else: its first octet.
    NotObject(u8),
    /// The message is longer than the limit: the octets that its header says, or, of a JSON object and of compressed contents, the limit.
    TooLong(u32),
    /// The contents should be compressed, and are not a zlib stream.
    NotCompressed,
}

impl StreamErrorKind {
    /// All labels, for counters.
    pub const LABELS: [&'static str; 3] = ["not_json_object", "too_long", "not_compressed"];

    /// The position of the label in [`StreamErrorKind::LABELS`].
    pub const fn index(&self) -> usize {
        match self {
            Self::NotObject(_) => 0,
            Self::TooLong(_) => 1,
            Self::NotCompressed => 2,
        }
    }
}

/// Splits the octets of a TCP connection into messages.
///
/// Push octets as they arrive, and then take messages until there is none:
///
/// ```
/// use telemetry::{Framing, StreamDecoder};
///
/// let mut decoder = StreamDecoder::new(Framing::Json, 1 << 20);
/// decoder.push(b"{\"a\":1}{\"b\":");
/// assert_eq!(decoder.next_message()?.map(|message| message.octets), Some(&b"{\"a\":1}"[..]));
/// assert_eq!(decoder.next_message()?, None);
/// assert_eq!(decoder.buffered(), 5);
/// # Ok::<(), telemetry::StreamError>(())
/// ```
#[derive(Debug)]
pub struct StreamDecoder {
    framing: Framing,
    limit: usize,
}

impl StreamDecoder {
    /// A decoder at the start of a stream, for messages of up to `limit` octets, before and after decompression.
    #[must_use]
    pub fn new(framing: Framing, limit: usize) -> Self {
        Self { framing, limit }
    }

    /// Appends octets. The buffer grows to what is pushed and an incomplete message of at most the limit before it.
    pub fn push(&mut self, octets: &[u8]) {
        let _ = octets;
    }

    /// The next whole message, or `None` if more octets are needed. It is borrowed from the buffer.
    ///
    /// A message of an unknown encapsulation is returned as [`Encoding::Unknown`]: its length is known, so the stream goes on.
    ///
    /// # Errors
    /// If it cannot be told where the next message begins. The error stays; the connection should be closed.
    pub fn next_message(&mut self) -> Result<Option<Message<'_>>, StreamError> {
        let _ = (self.framing, self.limit, Encoding::Json);
        Ok(None)
    }

    /// Octets of a message that is not complete yet: at the end of a connection, what is lost.
    #[must_use]
    pub fn buffered(&self) -> usize {
        0
    }

    /// Memory of the decoder in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        0
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at octet {} of the stream", self.kind, self.at)
    }
}

impl fmt::Display for StreamErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotObject(first) => write!(f, "0x{first:02x} where a JSON object should begin"),
            Self::TooLong(length) => write!(f, "a message of at least {length} octets, which exceeds the limit"),
            Self::NotCompressed => f.write_str("contents that should be compressed are not a zlib stream"),
        }
    }
}

impl std::error::Error for StreamError {}
