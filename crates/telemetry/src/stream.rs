//! Messages in a stream.

use crate::cisco::Header;
use crate::inflate::{InflateError, Inflater};
use crate::scan::{Closing, OBJECT};
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
    buffer: Vec<u8>,
    /// Octets of the buffer before the next message.
    start: usize,
    /// Offset of the buffer in the stream.
    offset: u64,
    /// How far the object at `start` was scanned.
    object: Closing,
    inflater: Option<Box<Inflater>>,
    inflated: Vec<u8>,
    error: Option<StreamError>,
}

/// Memory that an empty buffer keeps.
const KEPT: usize = 128 << 10;

/// Where a message is.
struct Found {
    encoding: Encoding,
    /// Range of the buffer; of compressed contents, that of the compressed octets.
    at: usize,
    len: usize,
    is_inflated: bool,
}

impl StreamDecoder {
    /// A decoder at the start of a stream, for messages of up to `limit` octets, before and after decompression.
    #[must_use]
    pub fn new(framing: Framing, limit: usize) -> Self {
        Self {
            framing,
            limit,
            buffer: Vec::new(),
            start: 0,
            offset: 0,
            object: Closing::default(),
            inflater: None,
            inflated: Vec::new(),
            error: None,
        }
    }

    /// Appends octets. The buffer grows to what is pushed and an incomplete message of at most the limit before it.
    pub fn push(&mut self, octets: &[u8]) {
        if self.error.is_some() {
            return;
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.offset += self.start as u64;
            self.start = 0;
        }
        if self.buffer.is_empty() {
            self.buffer.shrink_to(KEPT);
        }
        self.inflated.shrink_to(KEPT);
        self.buffer.extend_from_slice(octets);
    }

    /// The next whole message, or `None` if more octets are needed. It is borrowed from the buffer.
    ///
    /// A message of an unknown encapsulation is returned as [`Encoding::Unknown`]: its length is known, so the stream goes on.
    ///
    /// # Errors
    /// If it cannot be told where the next message begins. The error stays; the connection should be closed.
    pub fn next_message(&mut self) -> Result<Option<Message<'_>>, StreamError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let found = match self.framing {
            Framing::Json => self.next_object(),
            Framing::Gpb => self.next_push(),
            Framing::CiscoV0 | Framing::CiscoV1 => self.next_framed(),
        };
        match found {
            Ok(None) => Ok(None),
            Ok(Some(Found { encoding, is_inflated: true, .. })) => {
                Ok(Some(Message { encoding, octets: &self.inflated }))
            }
            Ok(Some(Found { encoding, at, len, .. })) => {
                let octets = self.buffer.get(at..at + len).unwrap_or_default();
                Ok(Some(Message { encoding, octets }))
            }
            Err(kind) => {
                let error = StreamError { at: self.offset + self.start as u64, kind };
                self.error = Some(error);
                // Nothing of it will be read.
                (self.buffer, self.inflated, self.inflater) = (Vec::new(), Vec::new(), None);
                self.start = 0;
                Err(error)
            }
        }
    }

    /// Octets of a message that is not complete yet: at the end of a connection, what is lost.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Memory of the decoder in bytes, without the state of decompression (some 50 kB, if messages are compressed).
    #[must_use]
    pub fn memory(&self) -> usize {
        self.buffer.capacity() + self.inflated.capacity()
    }

    fn left(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Passes over `before` octets and a message of `len` octets after them.
    fn take(&mut self, encoding: Encoding, before: usize, len: usize) -> Found {
        let at = self.start + before;
        self.start = at + len;
        Found { encoding, at, len, is_inflated: false }
    }

    fn next_object(&mut self) -> Result<Option<Found>, StreamErrorKind> {
        // Between objects; RFC 7464 begins each with 0x1e.
        let is_between = |octet: &u8| octet.is_ascii_whitespace() || *octet == 0x1e;
        let left = self.left();
        let between = left.iter().position(|octet| !is_between(octet)).unwrap_or(left.len());
        self.start += between;
        match self.left().first() {
            None => return Ok(None),
            Some(b'{') => {}
            Some(other) => return Err(StreamErrorKind::NotObject(*other)),
        }
        let left = self.buffer.get(self.start..).unwrap_or_default();
        let end = self.object.find(left, OBJECT);
        let len = match end {
            Some(len) if len <= self.limit => len,
            None if self.buffered() < self.limit => return Ok(None),
            _ => return Err(StreamErrorKind::TooLong(u32::try_from(self.limit).unwrap_or(u32::MAX))),
        };
        self.object = Closing::default();
        Ok(Some(self.take(Encoding::Json, 0, len)))
    }

    fn next_push(&mut self) -> Result<Option<Found>, StreamErrorKind> {
        match self.buffered() {
            0 => Ok(None),
            len if len > self.limit => Err(StreamErrorKind::TooLong(u32::try_from(len).unwrap_or(u32::MAX))),
            len => Ok(Some(self.take(Encoding::Gpb, 0, len))),
        }
    }

    fn next_framed(&mut self) -> Result<Option<Found>, StreamErrorKind> {
        loop {
            let left = self.buffer.get(self.start..).unwrap_or_default();
            let Ok((header, after)) = Header::first(self.framing, left) else { return Ok(None) };
            let len = usize::try_from(header.length).unwrap_or(usize::MAX);
            if len > self.limit {
                return Err(StreamErrorKind::TooLong(header.length));
            }
            let Some(octets) = after.get(..len) else { return Ok(None) };
            if header.resets {
                if let Some(inflater) = &mut self.inflater {
                    inflater.reset();
                }
                self.take(header.encoding, Header::len(self.framing), len);
                continue;
            }
            if header.is_compressed {
                let inflater = self.inflater.get_or_insert_with(|| Box::new(Inflater::new()));
                inflater.message(octets, self.limit, &mut self.inflated).map_err(|error| match error {
                    InflateError::Invalid => StreamErrorKind::NotCompressed,
                    InflateError::TooLong => {
                        StreamErrorKind::TooLong(u32::try_from(self.limit).unwrap_or(u32::MAX))
                    }
                })?;
            }
            let found = self.take(header.encoding, Header::len(self.framing), len);
            return Ok(Some(Found { is_inflated: header.is_compressed, ..found }));
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inflate::tests::deflate;
    use proptest::prelude::*;

    type All = (Vec<(Encoding, Vec<u8>)>, Option<StreamError>, usize);

    /// All messages of a stream that arrives in pieces, its error, and what is left at its end.
    fn read(framing: Framing, limit: usize, pieces: &[&[u8]]) -> All {
        let (mut decoder, mut messages) = (StreamDecoder::new(framing, limit), Vec::new());
        for piece in pieces {
            decoder.push(piece);
            loop {
                match decoder.next_message() {
                    Ok(Some(message)) => messages.push((message.encoding, message.octets.to_vec())),
                    Ok(None) => break,
                    Err(error) => return (messages, Some(error), decoder.buffered()),
                }
            }
            assert!(decoder.buffered() <= limit + 12);
        }
        (messages, None, decoder.buffered())
    }

    fn v0(kind: u32, octets: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &(octets.len() as u32).to_be_bytes(), octets].concat()
    }

    fn v1(encapsulation: u16, flags: u16, octets: &[u8]) -> Vec<u8> {
        let [a, b] = encapsulation.to_be_bytes();
        let [c, d] = flags.to_be_bytes();
        [&[0, 1, a, b, 0, 1, c, d][..], &(octets.len() as u32).to_be_bytes(), octets].concat()
    }

    #[test]
    fn json_objects_follow_each_other() {
        let stream = b" {\"a\":\"}\"}{}\r\n\x1e{\"b\":[{}]}\n{\"c\"";
        let (messages, error, left) = read(Framing::Json, 100, &[stream]);
        let texts: Vec<_> = messages.iter().map(|(_, octets)| &octets[..]).collect();
        assert_eq!(texts, [&b"{\"a\":\"}\"}"[..], b"{}", b"{\"b\":[{}]}"]);
        assert_eq!((error, left), (None, 4));
    }

    #[test]
    fn what_is_no_object_ends_a_stream_of_json() {
        let (messages, error, _) = read(Framing::Json, 100, &[b"{} ", b"[1]{}"]);
        assert_eq!(messages.len(), 1);
        assert_eq!(error, Some(StreamError { at: 3, kind: StreamErrorKind::NotObject(b'[') }));
    }

    #[test]
    fn an_object_beyond_the_limit_ends_the_stream() {
        let error = Some(StreamError { at: 0, kind: StreamErrorKind::TooLong(6) });
        for stream in [&b"{\"a\":1}"[..], b"{\"a\":1"] {
            assert_eq!(read(Framing::Json, 6, &[stream]).1, error);
        }
        assert_eq!(read(Framing::Json, 7, &[b"{\"a\":1}"]).1, None);
    }

    #[test]
    fn an_error_stays_and_what_follows_takes_no_memory() {
        let mut decoder = StreamDecoder::new(Framing::Json, 100);
        decoder.push(b"hello");
        let error = decoder.next_message().unwrap_err();
        assert_eq!(error.to_string(), "0x68 where a JSON object should begin at octet 0 of the stream");
        decoder.push(b"{}");
        assert_eq!(decoder.next_message(), Err(error));
        assert_eq!((decoder.memory(), decoder.buffered()), (0, 0));
    }

    #[test]
    fn headers_of_cisco_tell_encoding_and_length() {
        let stream =
            [v1(2, 0, b"{}"), v1(1, 0, &[1]), v1(3, 0, &[2]), v1(4, 0, &[]), v1(77, 0, b"?"), v1(2, 0, b"x")];
        let (messages, error, left) = read(Framing::CiscoV1, 100, &[&stream.concat()]);
        let expected = [
            (Encoding::Json, &b"{}"[..]),
            (Encoding::Gpb, &[1]),
            (Encoding::Gpb, &[2]),
            (Encoding::Gpb, &[]),
            (Encoding::Unknown(77), b"?"),
            (Encoding::Json, b"x"),
        ];
        assert_eq!(messages, expected.map(|(encoding, octets)| (encoding, octets.to_vec())));
        assert_eq!((error, left), (None, 0));
    }

    #[test]
    fn a_length_beyond_the_limit_ends_the_stream_at_its_header() {
        let stream = [v1(2, 0, b"{}"), v1(2, 0, b"")[..8].to_vec(), vec![0, 0, 0, 101]].concat();
        let (messages, error, _) = read(Framing::CiscoV1, 100, &[&stream]);
        assert_eq!(messages.len(), 1);
        assert_eq!(error, Some(StreamError { at: 14, kind: StreamErrorKind::TooLong(101) }));
    }

    #[test]
    fn compressed_messages_are_one_stream_until_it_is_reset() {
        let (first, second) = (deflate(&[b"{\"a\":1}", b"{\"a\":2}"]), deflate(&[b"{}"]));
        let stream = [v0(2, &first[0]), v0(3, &[7]), v0(2, &first[1]), v0(1, &[]), v0(2, &second[0])].concat();
        let expected = [
            (Encoding::Json, b"{\"a\":1}".to_vec()),
            (Encoding::Gpb, vec![7]),
            (Encoding::Json, b"{\"a\":2}".to_vec()),
            (Encoding::Json, b"{}".to_vec()),
        ];
        assert_eq!(read(Framing::CiscoV0, 100, &[&stream]), (expected.to_vec(), None, 0));
        assert_eq!(read(Framing::CiscoV1, 100, &[&v1(2, 1, &first[0])]).0, expected[..1]);
        let plain = read(Framing::CiscoV0, 100, &[&v0(2, b"{}")]);
        assert_eq!(plain.1, Some(StreamError { at: 0, kind: StreamErrorKind::NotCompressed }));
        let bomb = deflate(&[&[b' '; 1000]]);
        assert_eq!(
            read(Framing::CiscoV0, 100, &[&v0(2, &bomb[0])]).1.unwrap().kind,
            StreamErrorKind::TooLong(100)
        );
    }

    #[test]
    fn each_push_of_bare_gpb_is_a_message() {
        let expected = [(Encoding::Gpb, vec![1, 2]), (Encoding::Gpb, vec![3])];
        assert_eq!(read(Framing::Gpb, 100, &[&[1, 2], &[], &[3]]), (expected.to_vec(), None, 0));
    }

    fn framed() -> impl Strategy<Value = (Framing, Vec<u8>)> {
        let object = r#"\{[a{}"\\ ]{0,150}\}"#.prop_map(String::into_bytes);
        let json = prop::collection::vec(prop_oneof![object, Just(b" \n".to_vec())], 0..8);
        let octets = prop::collection::vec(any::<u8>(), 0..80);
        let message = (0..6_u32, octets);
        let messages = prop::collection::vec(message, 0..6);
        prop_oneof![
            json.prop_map(|list| (Framing::Json, list.concat())),
            messages.clone().prop_map(|list| {
                (
                    Framing::CiscoV0,
                    list.iter().map(|(kind, octets)| v0(*kind, octets)).collect::<Vec<_>>().concat(),
                )
            }),
            messages.prop_map(|list| {
                (
                    Framing::CiscoV1,
                    list.iter().map(|(kind, octets)| v1(*kind as u16, 0, octets)).collect::<Vec<_>>().concat(),
                )
            }),
        ]
    }

    proptest! {
        #[test]
        fn any_segmentation_gives_the_same(
            (framing, stream) in framed(),
            limit in 20..400_usize,
            sizes in prop::collection::vec(1..100_usize, 1..20),
        ) {
            let whole = read(framing, limit, &[&stream]);
            let (mut pieces, mut left, mut sizes) = (Vec::new(), &stream[..], sizes.iter().cycle());
            while !left.is_empty() {
                let (piece, after) = left.split_at((*sizes.next().unwrap()).min(left.len()));
                pieces.push(piece);
                left = after;
            }
            prop_assert_eq!(read(framing, limit, &pieces), whole);
        }
    }
}
