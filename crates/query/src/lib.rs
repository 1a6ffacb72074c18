//! The memory table, asked: requests, answers, and the client `pmacct`.
//!
//! A client connects to the table's Unix socket and sends one [`Request`]: the octets `pmq2`, a length of four octets and JSON of
//! that length. The answer is a series of frames, each of a [kind](Frame), a length of four octets and text of that length:
//! pieces of the answer, and then its end or a problem. So a client knows an answer that was cut off from one that is whole. The
//! server makes the text, so that the client knows nothing of a table's layout.
#![forbid(unsafe_code)]

pub mod client;
mod options;

use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// What a request starts with: the protocol and its version.
pub const MAGIC: [u8; 4] = *b"pmq2";
/// Longest request, in octets.
pub const MAX_REQUEST: usize = 4 << 20;
/// Longest text of a frame, in octets.
pub const MAX_FRAME: usize = 16 << 20;
/// Octets before the text of a frame.
pub const FRAME_HEAD: usize = 5;

/// Kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The next piece of the answer.
    Piece,
    /// Why there is no answer, or not the rest of it. Nothing follows.
    Problem,
    /// The answer is whole. Nothing follows.
    End,
}

impl Frame {
    /// What stands before a text of that length.
    pub fn head(self, length: usize) -> [u8; FRAME_HEAD] {
        let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        [self as u8, a, b, c, d]
    }

    /// Receives a frame into `text`.
    ///
    /// # Errors
    /// Those of the socket, and octets that are no frame.
    pub fn read(from: &mut impl Read, text: &mut Vec<u8>) -> io::Result<Self> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "the daemon is of another version");
        let mut head = [0; FRAME_HEAD];
        from.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length) as usize;
        let kinds = [Self::Piece, Self::Problem, Self::End];
        let kind = kinds.into_iter().find(|known| *known as u8 == kind).ok_or_else(wrong)?;
        if length > MAX_FRAME {
            return Err(wrong());
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
    /// Octets.
    Bytes,
    /// Packets.
    Packets,
    /// Flows.
    Flows,
}

/// What is asked.
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
        /// One sum for all lines of values (`-S`).
        sum: bool,
    },
    /// The table is emptied (`-e`).
    Erase,
    /// Seconds since that was done (`-i`).
    Since,
    /// State of the table (`-t`).
    Status,
    /// Applications (`-C`).
    Classes,
    /// Custom primitives (`-U`).
    Customs,
}

/// The form of aggregates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Columns filled with blanks.
    #[default]
    Formatted,
    /// Columns with a separator.
    Csv,
    /// An object a line.
    Json,
    /// As formatted, without counters.
    EventFormatted,
    /// As CSV, without counters.
    EventCsv,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What is asked.
    pub query: Query,
    /// Primitives that values stand for (`-c`), with commas between them. These and the lines are no lists, so that a
    /// request takes no more memory than its octets.
    pub columns: String,
    /// Lines of values with commas between them, one for each column; `*` stands for any.
    pub lines: String,
    /// What the answer shows is removed with it: of all aggregates (`-s -e`), or of those that match (`-r`).
    pub reset: bool,
    /// Sorted downwards by that counter, and how many at most (`-T`).
    pub top: Option<(Counter, Option<usize>)>,
    /// All columns, those that the table does not have, too (`-a`).
    pub all_columns: bool,
    /// Form of the answer.
    pub format: Format,
    /// Separator of CSV.
    pub separator: char,
    /// Protocols as numbers.
    pub num_protos: bool,
    /// Times as seconds since 1970.
    pub epoch: bool,
    /// Times in UTC.
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
    /// Those of the socket, and a request that is too long.
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
    /// Those of the socket, and octets that are no request.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut head = [0; 8];
        from.read_exact(&mut head)?;
        let [a, b, c, d, length @ ..] = head;
        if [a, b, c, d] != MAGIC {
            return Err(wrong("this is no client of this version"));
        }
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_REQUEST {
            return Err(wrong("the request is too long"));
        }
        // The buffer grows as octets come, not by what the length says.
        let mut body = Vec::new();
        from.take(length as u64).read_to_end(&mut body)?;
        if body.len() < length {
            return Err(wrong("the request ends early"));
        }
        Ok(serde_json::from_slice(&body)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_is_read_as_written() {
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
    fn a_frame_is_read_as_written() {
        let mut text = Vec::new();
        for (kind, sent) in [(Frame::Piece, &b"abc"[..]), (Frame::Problem, b"no"), (Frame::End, b"")] {
            let octets = [&kind.head(sent.len())[..], sent].concat();
            assert_eq!((Frame::read(&mut octets.as_slice(), &mut text).unwrap(), text.as_slice()), (kind, sent));
            // One that was cut off is not taken for a whole one.
            assert!(Frame::read(&mut &octets[..octets.len() - 1], &mut text).is_err());
        }
        assert!(Frame::read(&mut [0, 0xff, 0, 0, 0].as_slice(), &mut text).is_err());
        assert!(Frame::read(&mut [7, 0, 0, 0, 0].as_slice(), &mut text).is_err());
    }

    proptest! {
        #[test]
        fn garbage_is_refused(octets in prop::collection::vec(any::<u8>(), 0..64), good_head in any::<bool>()) {
            let octets = if good_head { [&MAGIC[..], &octets].concat() } else { octets };
            prop_assert!(Request::read(&mut octets.as_slice()).is_err());
        }
    }
}
