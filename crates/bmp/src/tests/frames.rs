use super::*;
use crate::frame::{FrameError, Header};

#[test]
fn both_versions_are_split_by_their_lengths() {
    let stream = hex("03 00 00 00 06 04  04 00 00 00 08 63 aa bb  03");
    let first = Frame::first(&stream, 100).unwrap().unwrap();
    assert_eq!((first.version(), first.kind(), first.body()), (Version::V3, MessageType::INITIATION, &[][..]));
    let second = Frame::first(&stream[6..], 100).unwrap().unwrap();
    assert_eq!((second.version(), second.kind()), (Version::V4, MessageType(99)));
    assert_eq!((second.body(), second.octets().len()), (&[0xaa, 0xbb][..], 8));
    assert_eq!(Frame::first(&stream[14..], 100), Ok(None));
}

#[test]
fn errors_are_found_as_early_as_possible() {
    let first = |text| Header::first(&hex(text), 100);
    assert_eq!(first("02"), Err(FrameError::Version(2)));
    assert_eq!(first("47 45 54 20"), Err(FrameError::Version(0x47)));
    assert_eq!(first("03 00 00 00"), Ok(None));
    assert_eq!(first("03 00 00 00 05"), Err(FrameError::TooShort(5)));
    assert_eq!(first("03 00 00 00 65"), Ok(None));
    let kind = MessageType::ROUTE_MONITORING;
    assert_eq!(first("03 00 00 00 65 00"), Err(FrameError::TooLong { length: 101, kind }));
    assert_eq!(first("03 7f ff ff ff 00"), Err(FrameError::TooLong { length: 0x7fff_ffff, kind }));
    let header = Header { version: Version::V3, kind, len: 100 };
    assert_eq!(first("03 00 00 00 64 00"), Ok(Some(header)));
}

#[test]
fn a_body_of_an_unknown_type_is_kept() {
    let octets = v3(MessageType(99), &["61 62 63"]);
    assert_eq!(decode(&octets), Ok(Message::Unknown { kind: MessageType(99), body: b"abc" }));
}
