//! The stream of a node in each framing, whole and in pieces, and the same octets as a datagram.
//!
//! Pieces give the same messages and the same error as the whole, and memory is bounded by the limit and the largest piece.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telemetry::{Encoding, Framing, StreamDecoder, StreamError, datagram};

/// Memory that the decoder keeps for later.
const KEPT: usize = 256 << 10;

fn read(
    framing: Framing,
    limit: usize,
    pieces: &[&[u8]],
) -> (Vec<(Encoding, Vec<u8>)>, Option<StreamError>, usize) {
    let (mut decoder, mut messages) = (StreamDecoder::new(framing, limit), Vec::new());
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => {
                    assert!(message.octets.len() <= limit);
                    messages.push((message.encoding, message.octets.to_vec()));
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next_message(), Err(error));
                    assert_eq!((decoder.memory(), decoder.buffered()), (0, 0));
                    return (messages, Some(error), 0);
                }
            }
        }
        assert!(decoder.buffered() <= limit + 12);
        assert!(decoder.memory() <= 4 * (limit + piece.len()) + KEPT);
    }
    (messages, None, decoder.buffered())
}

fuzz_target!(|input: &[u8]| {
    let Some(([framing, limit, first, second], stream)) = input.split_first_chunk() else { return };
    let framing = match framing % 4 {
        0 => Framing::Json,
        1 => Framing::CiscoV0,
        2 => Framing::CiscoV1,
        _ => Framing::Gpb,
    };
    let limit = usize::from(*limit) * 4;
    if let Ok(message) = datagram(framing, stream) {
        assert!(message.octets.len() <= stream.len());
    }
    let whole = read(framing, limit, &[stream]);
    // The octets of one read are a message.
    if framing == Framing::Gpb {
        return;
    }
    let (mut pieces, mut left) = (Vec::new(), stream);
    for size in [*first, *second].iter().cycle() {
        let Some((piece, after)) = left.split_at_checked(usize::from(*size).max(1)) else { break };
        pieces.push(piece);
        left = after;
    }
    pieces.push(left);
    assert_eq!(read(framing, limit, &pieces), whole);
});
