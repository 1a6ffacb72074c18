//! IPFIX over a stream, as of TCP or TLS: messages follow one another, and each states its length (RFC 7011 sections 3.1 and 10.4.3).
//!
//! ```text
//! version 2 (10) | length 2, of the whole message | 12 more octets of the header | sets
//! ```
//!
//! A stream has no synchronization markers, so the first error ends it. NetFlow is not defined over streams.

use crate::datagram::{IPFIX, IPFIX_HEADER};
use std::fmt;

/// Octets that state version and length.
const PREFIX: usize = 4;
/// Octets of the header of a set.
const SET_HEADER: usize = 4;

/// Why a stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// What should be a message has another version.
    Version(u16),
    /// A message states a length that is less than that of its header.
    Length(u16),
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "version {version} is not that of IPFIX, 10"),
            Self::Length(length) => write!(f, "message length {length} is less than the header's 16"),
        }
    }
}

impl std::error::Error for StreamError {}

/// Splits a stream into messages. It keeps the beginning of one, at most 65,535 octets.
#[derive(Debug, Default)]
pub struct Framer {
    /// The beginning of a message whose rest has not arrived.
    partial: Vec<u8>,
    error: Option<StreamError>,
}

impl Framer {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Octets of a message that is not complete.
    pub fn buffered(&self) -> usize {
        self.partial.len()
    }

    /// Takes the next octets of the stream, and passes on the messages that are complete.
    ///
    /// # Errors
    /// Version or length of a message are wrong. All messages before it were passed on. The same error is returned from then on.
    pub fn push(&mut self, octets: &[u8], message: impl FnMut(&[u8])) -> Result<(), StreamError> {
        if self.error.is_none() {
            self.error = self.read(octets, message).err();
        }
        self.error.map_or(Ok(()), Err)
    }

    fn read(&mut self, mut left: &[u8], mut message: impl FnMut(&[u8])) -> Result<(), StreamError> {
        while !self.partial.is_empty() && !left.is_empty() {
            let wanted = length(&self.partial)?.unwrap_or(PREFIX);
            let missing = wanted.saturating_sub(self.partial.len());
            let (more, rest) = left.split_at_checked(missing).unwrap_or((left, &[]));
            self.partial.extend_from_slice(more);
            left = rest;
            if length(&self.partial)? == Some(self.partial.len()) {
                message(&self.partial);
                // A connection that is idle takes no memory.
                self.partial = Vec::new();
            }
        }
        while let Some(length) = length(left)? {
            let Some((whole, rest)) = left.split_at_checked(length) else { break };
            message(whole);
            left = rest;
        }
        self.partial.extend_from_slice(left);
        Ok(())
    }
}

/// Whether these octets begin with the header of a message and that of a set: where a stream is not read from its start, this finds a message at
/// the start of a segment.
pub fn begins_message(octets: &[u8]) -> bool {
    let Some((header, rest)) = octets.split_first_chunk::<IPFIX_HEADER>() else { return false };
    let Ok(Some(length)) = length(header) else { return false };
    match rest {
        [i1, i0, l1, l0, ..] => {
            let set = usize::from(u16::from_be_bytes([*l1, *l0]));
            let is_defined = matches!(u16::from_be_bytes([*i1, *i0]), 2 | 3 | 256..);
            is_defined && set >= SET_HEADER && IPFIX_HEADER + set <= length
        }
        // A message without sets.
        _ => length == IPFIX_HEADER,
    }
}

/// The length of the message that begins with these octets, if they contain it.
fn length(octets: &[u8]) -> Result<Option<usize>, StreamError> {
    let [v1, v0, rest @ ..] = octets else { return Ok(None) };
    match u16::from_be_bytes([*v1, *v0]) {
        IPFIX => {}
        other => return Err(StreamError::Version(other)),
    }
    let [l1, l0, ..] = rest else { return Ok(None) };
    let length = u16::from_be_bytes([*l1, *l0]);
    if usize::from(length) < IPFIX_HEADER { Err(StreamError::Length(length)) } else { Ok(Some(length.into())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message with a body of that many octets.
    fn message(body: usize) -> Vec<u8> {
        let length = u16::try_from(16 + body).unwrap();
        [&[0, 10][..], &length.to_be_bytes(), &[7; 12], &vec![9; body]].concat()
    }

    /// The messages of a stream that arrives in pieces, and how it ends.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Result<usize, StreamError>) {
        let (mut framer, mut messages) = (Framer::new(), Vec::new());
        for piece in pieces {
            if let Err(error) = framer.push(piece, |message| messages.push(message.to_vec())) {
                assert_eq!(framer.push(&[], |_| panic!("a message after an error")), Err(error));
                return (messages, Err(error));
            }
        }
        (messages, Ok(framer.buffered()))
    }

    #[test]
    fn errors_end_the_stream_behind_the_messages_before_them() {
        let good = message(4);
        let of_v9 = [&good[..], &[0, 9, 0, 1]].concat();
        assert_eq!(read([&of_v9[..]]), (vec![good.clone()], Err(StreamError::Version(9))));
        let short = [&good[..], &[0, 10, 0, 15]].concat();
        assert_eq!(read([&short[..]]), (vec![good.clone()], Err(StreamError::Length(15))));
        // The version is judged before the length has arrived.
        assert_eq!(read([&[0x16, 0x03][..]]), (vec![], Err(StreamError::Version(0x1603))));
        assert_eq!(read([&good[..], &good[..19]]), (vec![good.clone()], Ok(19)));
    }

    #[test]
    fn the_start_of_a_message_is_found() {
        let with_set = |id: u16, length: u16| {
            let mut message = message(8);
            message[16..18].copy_from_slice(&id.to_be_bytes());
            message[18..20].copy_from_slice(&length.to_be_bytes());
            begins_message(&message)
        };
        assert!(with_set(2, 8) && with_set(3, 4) && with_set(256, 8) && begins_message(&message(0)));
        assert!(!with_set(1, 8) && !with_set(255, 8) && !with_set(2, 3) && !with_set(2, 9));
        assert!(
            !begins_message(&message(4)[..18]) && !begins_message(&[0, 10, 0, 16]) && !begins_message(&[0; 40])
        );
    }

    #[test]
    fn the_longest_message_is_whole() {
        let longest = message(65_535 - 16);
        assert_eq!(read(longest.chunks(1000)), (vec![longest.clone()], Ok(0)));
    }

    proptest! {
        #[test]
        fn any_segmentation_gives_the_same_messages(
            bodies in prop::collection::vec(0usize..300, 0..8),
            cuts in prop::collection::vec(0usize..2500, 0..12),
            left in 0usize..19,
        ) {
            let messages: Vec<_> = bodies.iter().map(|body| message(*body)).collect();
            let stream = [messages.concat(), message(3)[..left].to_vec()].concat();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]);
            prop_assert_eq!(read(pieces), (messages, Ok(left)));
        }

        #[test]
        fn whatever_arrives_is_bounded(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let (messages, end) = read(octets.chunks(7));
            prop_assert!(messages.iter().all(|message| message.len() >= 16));
            prop_assert!(end.unwrap_or(0) <= octets.len());
        }
    }
}
