//! Vectors: good ones, and one for each way to be bad.

mod frames;
mod messages;
mod peers;
mod reports;
mod version_4;

use crate::code::MessageType;
use crate::error::{MessageError, Reason};
use crate::frame::{self, Frame, Version};
use crate::message::Message;
use crate::v4::CodePoints;

/// A global peer: 192.0.2.1, AS 65001, identifier 10.0.0.1, at 1700000000.123456.
const PEER: &str = "
    00 00                                   # global, no flags
    00 00 00 00 00 00 00 00                 # distinguisher
    00 00 00 00 00 00 00 00 00 00 00 00 c0 00 02 01
    00 00 fd e9  0a 00 00 01                # AS, identifier
    65 53 f1 00  00 01 e2 40                # seconds, microseconds";

/// An OPEN of AS 65001 without capabilities.
const OPEN: &str = "- 00 1d 01 04 fd e9 00 b4 0a 00 00 01 00";

/// An UPDATE that withdraws 203.0.113.0/24.
const UPDATE: &str = "- 00 1b 02 00 04 18 cb 00 71 00 00";

/// Octets written in hexadecimal; a dash stands for a marker, a number sign for a comment.
fn hex(text: &str) -> Vec<u8> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let digits: String = lines.collect::<String>().replace('-', &"ff".repeat(16)).split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// A message with a body in hexadecimal.
fn message(version: Version, kind: MessageType, body: &[&str]) -> Vec<u8> {
    let body: Vec<u8> = body.iter().flat_map(|text| hex(text)).collect();
    let mut octets = Vec::new();
    assert!(frame::write(&mut octets, version, kind, &body));
    octets
}

fn v3(kind: MessageType, body: &[&str]) -> Vec<u8> {
    message(Version::V3, kind, body)
}

fn decode(octets: &[u8]) -> Result<Message<'_>, MessageError> {
    decode_with(octets, &CodePoints::default())
}

fn decode_with<'a>(octets: &'a [u8], code_points: &CodePoints) -> Result<Message<'a>, MessageError> {
    let frame = Frame::first(octets, frame::DEFAULT_MAX_LEN).unwrap().unwrap();
    Message::decode(frame, code_points)
}

fn truncated(at: usize, wanted: usize, left: usize) -> MessageError {
    MessageError { at, reason: Reason::Truncated { wanted, left } }
}

/// Names the variant of a message and returns its contents.
macro_rules! decoded {
    ($variant:ident, $octets:expr) => {
        match $crate::tests::decode($octets) {
            Ok($crate::message::Message::$variant(message)) => message,
            other => panic!("{other:?}"),
        }
    };
}
use decoded;
