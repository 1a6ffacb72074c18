//! IPFIX over a stream, whole and in pieces.
//!
//! Pieces give the same messages and the same error as the whole, and no more than one message is kept.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netflow::stream::{Framer, StreamError};

fn read(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Result<usize, StreamError>) {
    let (mut framer, mut messages) = (Framer::new(), Vec::new());
    for piece in pieces {
        let take = |message: &[u8]| {
            assert!(message.len() >= 16 && message.starts_with(&[0, 10]));
            assert_eq!(usize::from(u16::from_be_bytes([message[2], message[3]])), message.len());
            messages.push(message.to_vec());
        };
        if let Err(error) = framer.push(piece, take) {
            return (messages, Err(error));
        }
        assert!(framer.buffered() < 65_536);
    }
    (messages, Ok(framer.buffered()))
}

fuzz_target!(|input: &[u8]| {
    let Some(([first, second], stream)) = input.split_first_chunk() else { return };
    let whole = read(&[stream]);
    let taken: usize = whole.0.iter().map(Vec::len).sum();
    assert!(stream.starts_with(&whole.0.concat()));
    if let Ok(buffered) = whole.1 {
        assert_eq!(taken + buffered, stream.len());
    }
    let (mut pieces, mut left) = (Vec::new(), stream);
    for size in [*first, *second].iter().cycle() {
        let Some((piece, after)) = left.split_at_checked(usize::from(*size).max(1)) else { break };
        pieces.push(piece);
        left = after;
    }
    pieces.push(left);
    assert_eq!(read(&pieces), whole);
});
