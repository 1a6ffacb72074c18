//! Messages of netfilter's log.
//!
//! Decoded slices are inside the input, each message is decoded once, and the length of a packet is at least its captured length.
#![no_main]

use capture::nflog::message::{messages, parse_packet};
use libfuzzer_sys::fuzz_target;

fn is_within(octets: &[u8], all: &[u8]) -> bool {
    octets.is_empty()
        || (all.as_ptr_range().start <= octets.as_ptr() && octets.as_ptr_range().end <= all.as_ptr_range().end)
}

fuzz_target!(|octets: &[u8]| {
    let mut taken = 0;
    for (_, body) in messages(octets) {
        assert!(is_within(body, octets));
        taken += 16 + body.len();
        if let Some(logged) = parse_packet(body) {
            assert!(is_within(logged.payload, body) && is_within(logged.prefix, body));
            assert!(logged.length() as usize >= logged.payload.len());
            assert!(logged.length() as usize <= logged.payload.len().max(40 + 65_535));
        }
    }
    assert!(taken <= octets.len());
    // A body alone, so that it need not be found behind a header.
    if let Some(logged) = parse_packet(octets) {
        assert!(is_within(logged.payload, octets) && is_within(logged.prefix, octets));
    }
});
