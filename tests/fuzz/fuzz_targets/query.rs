//! Requests at the memory table's socket.
#![no_main]

use libfuzzer_sys::fuzz_target;
use query::Request;

fuzz_target!(|octets: &[u8]| {
    let mut rest = octets;
    if let Ok(request) = Request::read(&mut rest) {
        let mut again = Vec::new();
        if request.write(&mut again).is_ok() {
            assert_eq!(Request::read(&mut again.as_slice()).ok(), Some(request));
        }
    }
});
