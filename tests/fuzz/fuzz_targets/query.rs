//! Requests to the memory plugin's socket: a decoded request is encoded and decoded to the same one, and no input
//! makes the reader consume more than the maximum size of a request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use query::{MAX_REQUEST, Request};

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    let read = Request::read(&mut rest);
    assert!(input.len() - rest.len() <= MAX_REQUEST + 8);
    if let Ok(request) = read {
        let mut written = Vec::new();
        if request.write(&mut written).is_ok() {
            assert_eq!(Request::read(&mut written.as_slice()).expect("what was written is read"), request);
        }
    }
});
