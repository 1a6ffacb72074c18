//! Queries of the memory plugin: requests, answers, and the client `pmacct`.
//!
//! A client connects to the plugin's Unix socket and sends one [`Request`]: the octets `pmq2`, a length of four octets and JSON of
//! that length. The answer is a series of frames, each with a [kind](Frame), a length of four octets and text of that length:
//! pieces of the answer, then its end or an error. So the client can distinguish a truncated answer from a complete one. The
//! server formats the text, so that the client does not depend on the layout of the table.
#![forbid(unsafe_code)]

pub mod client;
mod options;

use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// The start of a request: the protocol and its version.
pub const MAGIC: [u8; 4] = *b"pmq2";
/// Maximum length of a request, in octets.
pub const MAX_REQUEST: usize = 4 << 20;
/// Maximum length of the text of a frame, in octets.
pub const MAX_FRAME: usize = 16 << 20;
/// Length of the head of a frame, in octets.
pub const FRAME_HEAD: usize = 5;

/// Kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The next piece of the answer.
    Piece,
    /// An error message: there is no answer, or no more of it. The last frame.
    Error,
    /// The answer is complete. The last frame.
    End,
}

impl Frame {
    /// The head of a frame with a text of this length.
    pub fn head(self, length: usize) -> [u8; FRAME_HEAD] {
        let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        [self as u8, a, b, c, d]
    }

    /// Receives a frame into `text`.
    ///
    /// # Errors
    /// I/O errors of the socket, and malformed frames.
    pub fn read(from: &mut impl Read, text: &mut Vec<u8>) -> io::Result<Self> {
        let invalid =
            || io::Error::new(io::ErrorKind::InvalidData, "the daemon has another version of the protocol");
        let mut head = [0; FRAME_HEAD];
        from.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length) as usize;
        let kinds = [Self::Piece, Self::Error, Self::End];
        let kind = kinds.into_iter().find(|known| *known as u8 == kind).ok_or_else(invalid)?;
        if length > MAX_FRAME {
            return Err(invalid());
        }
        text.clear();
        match from.take(length as u64).read_to_end(text)? {
            read if read < length => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(kind),
        }
    }
}

/// The counters of an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Counter {
    /// Bytes.
    Bytes,
    /// Packets.
    Packets,
    /// Flows.
    Flows,
}

/// The kind of a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Query {
    /// All aggregates (`-s`).
    All,
    /// Aggregates that match (`-M`).
    Match,
    /// Counters of aggregates that match (`-N`); `None` for all counters and the number of aggregates.
    Counters {
        /// The counter.
        counter: Option<Counter>,
        /// Whether to return one sum for all lines of values (`-S`).
        sum: bool,
    },
    /// Clears the table (`-e`).
    Erase,
    /// Seconds since the table was cleared (`-i`).
    Since,
    /// Status of the table (`-t`).
    Status,
    /// Applications (`-C`).
    Classes,
    /// Custom primitives (`-U`).
    Customs,
}

/// The output format of aggregates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Columns padded with spaces.
    #[default]
    Formatted,
    /// Columns with a separator.
    Csv,
    /// One object per line.
    Json,
    /// As `Formatted`, without counters.
    EventFormatted,
    /// As `Csv`, without counters.
    EventCsv,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The query.
    pub query: Query,
    /// Primitives of the values (`-c`), separated by commas. Neither this nor `lines` is a list, so that a request takes no
    /// more memory than its octets.
    pub columns: String,
    /// Lines of values, separated by commas, one for each column; `*` matches any value.
    pub lines: String,
    /// Removes the aggregates of the answer: all (`-s -e`), or those that match (`-r`).
    pub reset: bool,
    /// Sorts by this counter in descending order, and limits the number of aggregates (`-T`).
    pub top: Option<(Counter, Option<usize>)>,
    /// Shows all columns, including those that the table lacks (`-a`).
    pub all_columns: bool,
    /// Output format.
    pub format: Format,
    /// Separator of CSV.
    pub separator: char,
    /// Shows protocols as numbers.
    pub num_protos: bool,
    /// Shows times as seconds since 1970.
    pub epoch: bool,
    /// Shows times in UTC.
    pub utc: bool,
    /// Password, if the table has one.
    pub password: Option<String>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            query: Query::All,
            columns: String::new(),
            lines: String::new(),
            reset: false,
            top: None,
            all_columns: false,
            format: Format::default(),
            separator: ',',
            num_protos: false,
            epoch: false,
            utc: false,
            password: None,
        }
    }
}

impl Request {
    /// Sends the request.
    ///
    /// # Errors
    /// I/O errors of the socket, and a request that is too long.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let body = serde_json::to_vec(self)?;
        let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_REQUEST);
        let length =
            length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the request is too long"))?;
        to.write_all(&MAGIC)?;
        to.write_all(&length.to_be_bytes())?;
        to.write_all(&body)
    }

    /// Receives a request. No more than its announced length is read, and never more than [`MAX_REQUEST`].
    ///
    /// # Errors
    /// I/O errors of the socket, and malformed requests.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut head = [0; 8];
        from.read_exact(&mut head)?;
        let [a, b, c, d, length @ ..] = head;
        if [a, b, c, d] != MAGIC {
            return Err(invalid("the client has another version of the protocol"));
        }
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_REQUEST {
            return Err(invalid("the request is too long"));
        }
        // The buffer grows as octets arrive, not by the announced length.
        let mut body = Vec::new();
        from.take(length as u64).read_to_end(&mut body)?;
        if body.len() < length {
            return Err(invalid("the request is truncated"));
        }
        Ok(serde_json::from_slice(&body)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_round_trip() {
        let request = Request {
            query: Query::Counters { counter: Some(Counter::Bytes), sum: true },
            columns: "src_host".into(),
            lines: "10.0.0.1".into(),
            ..Request::default()
        };
        let mut octets = Vec::new();
        request.write(&mut octets).unwrap();
        assert_eq!(Request::read(&mut octets.as_slice()).unwrap(), request);
        octets.pop();
        assert!(Request::read(&mut octets.as_slice()).is_err());
    }

    #[test]
    fn frames_round_trip() {
        let mut text = Vec::new();
        for (kind, sent) in [(Frame::Piece, &b"abc"[..]), (Frame::Error, b"no"), (Frame::End, b"")] {
            let octets = [&kind.head(sent.len())[..], sent].concat();
            assert_eq!((Frame::read(&mut octets.as_slice(), &mut text).unwrap(), text.as_slice()), (kind, sent));
            // A truncated frame is an error.
            assert!(Frame::read(&mut &octets[..octets.len() - 1], &mut text).is_err());
        }
        assert!(Frame::read(&mut [0, 0xff, 0, 0, 0].as_slice(), &mut text).is_err());
        assert!(Frame::read(&mut [7, 0, 0, 0, 0].as_slice(), &mut text).is_err());
    }

    proptest! {
        #[test]
        fn rejects_arbitrary_octets(octets in prop::collection::vec(any::<u8>(), 0..64), good_head in any::<bool>()) {
            let octets = if good_head { [&MAGIC[..], &octets].concat() } else { octets };
            prop_assert!(Request::read(&mut octets.as_slice()).is_err());
        }
    }
}
