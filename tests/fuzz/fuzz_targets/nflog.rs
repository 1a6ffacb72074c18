//! What the kernel may send: messages, and the packets in them. Nothing lies outside of what was read.
#![no_main]

use capture::nflog::{logged, messages};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut octets = 0;
    for (_, body) in messages(input) {
        octets += body.len();
        if let Some(logged) = logged(body) {
            assert!(logged.payload.len() < body.len());
        }
    }
    assert!(octets <= input.len());
    let _ = logged(input);
});
