//! What a Redis server sends: replies one after the other, whole and cut anywhere.
//!
//! The first octet chooses the cut. A prefix of a reply is incomplete and never a different reply; the parts of a reply are no larger than the
//! octets that they were read from.
#![no_main]

use ha::resp::{MAX_REPLY, Reply, reply};
use libfuzzer_sys::fuzz_target;

/// The octets of all texts, and the number of replies, in a reply.
fn size(reply: &Reply) -> (usize, usize) {
    match reply {
        // Octets that are not UTF-8 are replaced by three each.
        Reply::Status(text) | Reply::Error(text) => (text.chars().count(), 1),
        Reply::Integer(_) | Reply::Value(None) | Reply::Array(None) => (0, 1),
        Reply::Value(Some(value)) => (value.len(), 1),
        Reply::Array(Some(replies)) => replies.iter().map(size).fold((0, 1), |sum, one| (sum.0 + one.0, sum.1 + one.1)),
    }
}

fuzz_target!(|octets: &[u8]| {
    let [cut, stream @ ..] = octets else { return };
    let mut left = stream;
    while let Ok(Some((found, length))) = reply(left) {
        assert!(length > 0 && length <= left.len().min(MAX_REPLY));
        let (texts, replies) = size(&found);
        assert!(texts + 3 * replies <= length);
        let place = usize::from(*cut) * length / 256;
        assert_eq!(reply(&left[..place]), Ok(None));
        // What follows does not matter.
        assert_eq!(reply(&left[..length]), Ok(Some((found, length))));
        left = &left[length..];
    }
});
