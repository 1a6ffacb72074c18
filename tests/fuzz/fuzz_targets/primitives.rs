//! Files of custom primitives: each line gives at most one primitive or diagnostic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let text = String::from_utf8_lossy(octets);
    let (customs, problems) = flow::custom::parse(&text);
    assert!(customs.len() + problems.len() <= text.lines().count());
});
