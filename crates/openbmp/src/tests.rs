//! Vectors, and properties of what is written and read.

use crate::*;
use bgpkit_parser::parser::bmp::openbmp::parse_openbmp_header;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::Truncated;

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A BMP initiation of six octets, without TLVs.
const INITIATION: [u8; 6] = [3, 0, 0, 0, 6, 4];

/// From 192.0.2.1 through the collector "c1", at 1,700,000,000.123456 s; the group is "lab".
const V4: &str = "4f424d50 01 07 0053 00000006 80 0c 6553f100 0001e240 \
                  000102030405060708090a0b0c0d0e0f 0002 6331 \
                  101112131415161718191a1b1c1d1e1f c0000201 000000000000000000000000 0003 6c6162 00000001 030000000604";

fn v4() -> Message<'static> {
    Message {
        object: ObjectType::BMP_RAW,
        time: Time::from_micros(1_700_000_000_123_456),
        collector: Collector { hash: std::array::from_fn(|at| at as u8), admin_id: b"c1" },
        router: Some(Router {
            hash: std::array::from_fn(|at| 16 + at as u8),
            address: Ipv4Addr::new(192, 0, 2, 1).into(),
            group: b"lab",
        }),
        rows: 1,
        data: &INITIATION,
    }
}

#[test]
fn a_message_of_a_router_is_read_and_written() {
    assert_eq!(decode(&octets(V4)), Ok(v4()));
    let mut out = vec![9];
    v4().write(&mut out).unwrap();
    assert_eq!(out[1..], octets(V4));
    let v6 = V4
        .replace("80 0c", "c0 0c")
        .replace("c0000201 000000000000000000000000", "20010db8 000000000000000000000001");
    let address: Ipv6Addr = "2001:db8::1".parse().unwrap();
    assert_eq!(decode(&octets(&v6)).unwrap().router.unwrap().address, address);
    assert_eq!(Time::from_micros(1_700_000_000_123_456).as_micros(), 1_700_000_000_123_456);
    assert_eq!(Time::from_micros(u64::MAX).seconds, u32::MAX);
}

#[test]
fn a_message_of_the_collector_has_no_router() {
    let own = Message { router: None, ..v4() };
    let mut out = Vec::new();
    own.write(&mut out).unwrap();
    assert_eq!(decode(&out), Ok(own));
}

#[test]
fn fields_of_later_versions_are_passed_over() {
    let later = V4.replace("01 07 0053", "01 08 0055").replace("00000001 0300", "00000001 ffff 0300");
    assert_eq!(decode(&octets(&later)), Ok(v4()));
}

#[test]
fn what_is_not_in_the_format_is_rejected() {
    let of = |from: &str, to: &str| decode(&octets(&V4.replace(from, to))).map(|message| message.rows);
    assert_eq!(of("4f424d50", "4f424d51"), Err(Reject::Magic(*b"OBMQ")));
    assert_eq!(of("01 07", "02 00"), Err(Reject::Version(2, 0)));
    // A header that ends within its group, before its last field, and before its first.
    let header = |at, wanted, left| Err(Reject::Header(Truncated { at, wanted, left }));
    assert_eq!(of("0053 0000", "004e 0000"), header(76, 3, 2));
    assert_eq!(of("0053 0000", "0052 0000"), header(79, 4, 3));
    assert_eq!(of("0053 0000", "0001 0000"), header(8, 4, 0));
    assert_eq!(of("0002 6331", "ffff 6331"), header(40, 65_535, 43));
    // More octets than there are.
    let truncated = |at, wanted, left| Err(Reject::Truncated(Truncated { at, wanted, left }));
    assert_eq!(of("00000006 80", "00000007 80"), truncated(83, 7, 6));
    assert_eq!(of("0053 0000", "ffff 0000"), truncated(8, 65_527, 81));
    assert_eq!(decode(&[]).map(|message| message.rows), truncated(0, 4, 0));
}

#[test]
fn messages_that_follow_each_other_are_read_up_to_an_error() {
    let two = [octets(V4), octets(V4)].concat();
    assert_eq!(Messages::new(&two).collect::<Vec<_>>(), [Ok(v4()), Ok(v4())]);
    let cut = Messages::new(&two[..two.len() - 1]).collect::<Vec<_>>();
    assert_eq!(cut.len(), 2);
    assert!(matches!(cut[..], [Ok(_), Err(Reject::Truncated(_))]), "{cut:?}");
    assert_eq!(Messages::new(&[]).count(), 0);
}

#[test]
fn what_does_not_fit_is_not_written() {
    let name = vec![b'x'; 70_000];
    let long = Message { collector: Collector { admin_id: &name, ..v4().collector }, ..v4() };
    let mut out = Vec::new();
    assert_eq!(long.write(&mut out), Err(TooLong::Header(70_081)));
    assert!(out.is_empty());
}

#[test]
fn hashes_tell_routers_and_collectors_apart() {
    // MD5 of "abc" (RFC 1321 appendix A.5).
    let collector = collector_hash(b"abc");
    assert_eq!(collector, octets("900150983cd24fb0d6963f7d28e17f72")[..]);
    let of = |text: &str| router_hash(text.parse().unwrap(), &collector);
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    assert_ne!(of("192.0.2.1"), router_hash("192.0.2.1".parse().unwrap(), &[0; 16]));
}

prop_compose! {
    fn texts()(admin_id in prop::collection::vec(b' '..=b'~', 0..40), group in prop::collection::vec(b' '..=b'~', 0..40))
        -> (Vec<u8>, Vec<u8>) { (admin_id, group) }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_here_and_by_others(
        (admin_id, group) in texts(),
        seconds: u32,
        micros in 0u32..1_000_000,
        hashes: ([u8; 16], [u8; 16]),
        address: std::net::IpAddr,
        data in prop::collection::vec(any::<u8>(), 0..200),
        cut in 0usize..200,
    ) {
        let message = Message {
            object: ObjectType::BMP_RAW,
            time: Time { seconds, micros },
            collector: Collector { hash: hashes.0, admin_id: &admin_id },
            router: Some(Router { hash: hashes.1, address, group: &group }),
            rows: 1,
            data: &data,
        };
        let mut out = Vec::new();
        message.write(&mut out).unwrap();
        prop_assert_eq!(decode(&out), Ok(message));
        let is_truncated = |reject| matches!(reject, Reject::Truncated(_));
        prop_assert!(decode(&out[..cut.min(out.len() - 1)]).is_err_and(is_truncated));
        let mut copy = bytes::Bytes::from(out);
        let header = parse_openbmp_header(&mut copy).unwrap();
        prop_assert_eq!(header.router_ip, address);
        prop_assert_eq!(header.admin_id.as_bytes(), &admin_id);
        prop_assert_eq!(header.router_group.unwrap_or_default().into_bytes(), group.as_slice());
        prop_assert_eq!(copy, data);
    }

    #[test]
    fn whatever_the_octets_are_messages_lie_in_them(mut octets in prop::collection::vec(any::<u8>(), 0..300), is_started: bool) {
        if is_started {
            octets.splice(0..0, [b"OBMP", [1, 7, 0, 90].as_slice()].concat());
        }
        let total: usize = Messages::new(&octets).flatten().map(|message| message.data.len() + encode::FIXED).sum();
        prop_assert!(total <= octets.len());
    }
}
