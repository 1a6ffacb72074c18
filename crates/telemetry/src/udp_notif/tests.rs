use super::*;
use crate::{Encoding, Message};
use proptest::prelude::*;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

const SENDER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1000));
const SECOND: u64 = 1_000_000;

fn limits() -> Limits {
    Limits { messages: 4, bytes: 10_000, message_octets: 1000, timeout_us: 3 * SECOND }
}

fn segment(message: u32, number: u16, is_last: bool, payload: &[u8]) -> Datagram<'_> {
    let segment = Some(Segment { number, is_last });
    Datagram { encoding: Encoding::Json, publisher: 7, message, segment, payload }
}

fn complete(octets: &[u8]) -> Outcome<'_> {
    Outcome::Message(Message { encoding: Encoding::Json, octets })
}

/// Version 1, JSON, header of 12 octets, message of 14, publisher 7, message 9, "{}".
const WHOLE: [u8; 14] = [0x21, 12, 0, 14, 0, 0, 0, 7, 0, 0, 0, 9, b'{', b'}'];

#[test]
fn headers_are_decoded_and_padding_is_ignored() {
    let datagram = Datagram { encoding: Encoding::Json, publisher: 7, message: 9, segment: None, payload: b"{}" };
    assert_eq!(decode(Variant::Current, &WHOLE), Ok(datagram));
    assert_eq!(decode(Variant::Current, &[&WHOLE[..], &[0, 0]].concat()), Ok(datagram));
    for (media, encoding) in [(2, Encoding::Xml), (3, Encoding::Cbor), (0x11, Encoding::Json)] {
        let octets = [&[0x20 | media], &WHOLE[1..]].concat();
        assert_eq!(decode(Variant::Current, &octets), Ok(Datagram { encoding, ..datagram }));
    }
    // An unknown option of 5 octets, segmentation, an unknown one without a value.
    let options = [200, 5, 1, 2, 3, 1, 4, 0, 5, 201, 2];
    let octets = [&[0x21, 23, 0, 25, 0, 0, 0, 7, 0, 0, 0, 9][..], &options, b"{}"].concat();
    let segment = Some(Segment { number: 2, is_last: true });
    assert_eq!(decode(Variant::Current, &octets), Ok(Datagram { segment, ..datagram }));
}

#[test]
fn legacy_headers_are_decoded() {
    for (code, encoding) in [(0, Encoding::Gpb), (1, Encoding::Cbor), (0xf2, Encoding::Json), (3, Encoding::Xml)] {
        let datagram = Datagram { encoding, publisher: 7, message: 9, segment: None, payload: b"{}" };
        assert_eq!(decode(Variant::Legacy, &[&[0, code], &WHOLE[2..], b"padding"].concat()), Ok(datagram));
    }
    assert_eq!(decode(Variant::Legacy, &[&[0, 4], &WHOLE[2..]].concat()), Err(Reason::MediaType(4)));
    assert_eq!(decode(Variant::Legacy, &[&[0, 2, 0, 11], &WHOLE[4..]].concat()), Err(Reason::HeaderLength(12)));
    assert_eq!(decode(Variant::Legacy, &[&[0, 2, 0, 15], &WHOLE[4..]].concat()), Err(Reason::MessageLength(15)));
}

#[test]
fn lengths_that_lie_drop_the_datagram() {
    let with = |at: usize, octets: &[u8]| {
        let mut changed = WHOLE.to_vec();
        changed[at..at + octets.len()].copy_from_slice(octets);
        decode(Variant::Current, &changed).map(|_| ())
    };
    assert_eq!(with(0, &[0x01]), Err(Reason::Version(0)));
    assert_eq!(with(0, &[0x24]), Err(Reason::MediaType(4)));
    assert_eq!(with(0, &[0x32]), Err(Reason::MediaType(0x12)));
    assert_eq!(with(1, &[11]), Err(Reason::HeaderLength(11)));
    assert_eq!(with(1, &[15]), Err(Reason::HeaderLength(15)));
    assert_eq!(with(2, &[0, 11]), Err(Reason::HeaderLength(12)));
    assert_eq!(with(2, &[0, 15]), Err(Reason::MessageLength(15)));
    // Options that begin with the payload: "{" has no length; segmentation that is too long, of no length, beyond the header.
    assert_eq!(with(1, &[13]), Err(Reason::Option(b'{')));
    for value in [[1, 2], [1, 0], [1, 1], [1, 3]] {
        let octets = [&[0x21, 14, 0, 14], &WHOLE[4..12], &value].concat();
        assert_eq!(decode(Variant::Current, &octets), Err(Reason::Option(1)));
    }
    let (at, wanted) = (4, 4);
    assert_eq!(decode(Variant::Current, &WHOLE[..7]), Err(Reason::Truncated(Truncated { at, wanted, left: 3 })));
}

#[test]
fn segments_may_come_in_any_order_and_messages_mixed() {
    let mut reassembler = Reassembler::new(limits());
    assert_eq!(reassembler.push(0, SENDER, &segment(1, 2, true, b"ef")), Outcome::Kept);
    assert_eq!(reassembler.push(0, SENDER, &segment(2, 0, false, b"AB")), Outcome::Kept);
    assert_eq!(reassembler.push(0, SENDER, &segment(1, 0, false, b"ab")), Outcome::Kept);
    assert_eq!(reassembler.push(0, SENDER, &segment(2, 1, true, b"CD")), complete(b"ABCD"));
    assert_eq!(reassembler.push(0, SENDER, &segment(1, 1, false, b"cd")), complete(b"abcdef"));
    assert_eq!(reassembler.push(0, SENDER, &segment(3, 0, true, b"x")), complete(b"x"));
    assert!(reassembler.is_empty() && reassembler.losses() == [0; 4]);
}

#[test]
fn senders_with_equal_ids_do_not_mix() {
    let mut reassembler = Reassembler::new(limits());
    let other = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1001));
    assert_eq!(reassembler.push(0, SENDER, &segment(1, 0, false, b"a")), Outcome::Kept);
    assert_eq!(reassembler.push(0, other, &segment(1, 1, true, b"B")), Outcome::Kept);
    assert_eq!(reassembler.push(0, SENDER, &segment(1, 1, true, b"b")), complete(b"ab"));
    assert_eq!(reassembler.push(0, other, &segment(1, 0, false, b"A")), complete(b"AB"));
}

#[test]
fn repeated_segments_do_no_harm_and_ids_can_be_used_again() {
    let mut reassembler = Reassembler::new(limits());
    assert_eq!(reassembler.push(0, SENDER, &segment(1, 0, false, b"a")), Outcome::Kept);
    assert_eq!(reassembler.push(0, SENDER, &segment(1, 0, false, b"a")), Outcome::Dropped(Reason::Repeated));
    assert_eq!(reassembler.push(0, SENDER, &segment(1, 0, false, b"x")), Outcome::Dropped(Reason::Conflict));
    assert_eq!(reassembler.push(0, SENDER, &segment(1, 1, true, b"b")), complete(b"ab"));
    // Another message with the same ids, and a repeated segment of that one.
    assert_eq!(reassembler.push(SECOND, SENDER, &segment(1, 1, true, b"d")), Outcome::Kept);
    assert_eq!(reassembler.push(SECOND, SENDER, &segment(1, 0, false, b"c")), complete(b"cd"));
    assert_eq!(reassembler.push(SECOND, SENDER, &segment(1, 1, true, b"d")), Outcome::Kept);
    reassembler.expire(4 * SECOND);
    assert_eq!((reassembler.len(), reassembler.losses()), (0, [0, 0, 0, 1]));
    // Long after it ended, it is a message with a gap.
    assert_eq!(reassembler.push(8 * SECOND, SENDER, &segment(1, 1, true, b"d")), Outcome::Kept);
    reassembler.expire(11 * SECOND);
    assert_eq!(reassembler.losses(), [1, 0, 0, 1]);
}

#[test]
fn segments_that_contradict_others_are_dropped() {
    let mut reassembler = Reassembler::new(limits());
    assert_eq!(reassembler.push(0, SENDER, &segment(1, 2, true, b"c")), Outcome::Kept);
    let xml = Datagram { encoding: Encoding::Xml, ..segment(1, 0, false, b"x") };
    for datagram in [segment(1, 3, false, b"d"), segment(1, 1, true, b"b"), xml] {
        assert_eq!(reassembler.push(0, SENDER, &datagram), Outcome::Dropped(Reason::Conflict));
    }
    assert_eq!(reassembler.push(0, SENDER, &segment(1, 0, false, b"a")), Outcome::Kept);
    assert_eq!(reassembler.push(0, SENDER, &segment(1, 1, false, b"b")), complete(b"abc"));
    assert_eq!(reassembler.push(0, SENDER, &segment(2, 5, false, b"f")), Outcome::Kept);
    assert_eq!(reassembler.push(0, SENDER, &segment(2, 4, true, b"e")), Outcome::Dropped(Reason::Conflict));
}

#[test]
fn a_message_with_a_gap_times_out_after_its_latest_segment() {
    let mut reassembler = Reassembler::new(limits());
    assert_eq!(reassembler.deadline_us(), None);
    assert_eq!(reassembler.push(0, SENDER, &segment(1, 0, false, b"a")), Outcome::Kept);
    assert_eq!(reassembler.push(2 * SECOND, SENDER, &segment(1, 2, true, b"c")), Outcome::Kept);
    reassembler.expire(4 * SECOND);
    assert_eq!((reassembler.len(), reassembler.deadline_us()), (1, Some(5 * SECOND)));
    reassembler.expire(5 * SECOND);
    assert_eq!((reassembler.len(), reassembler.losses(), reassembler.deadline_us()), (0, [1, 0, 0, 0], None));
    assert_eq!(reassembler.push(5 * SECOND, SENDER, &segment(1, 1, false, b"b")), Outcome::Kept);
}

#[test]
fn messages_time_out_in_the_order_of_their_latest_segments() {
    let mut reassembler = Reassembler::new(limits());
    reassembler.push(0, SENDER, &segment(1, 0, false, b"a"));
    reassembler.push(SECOND, SENDER, &segment(2, 0, false, b"a"));
    assert_eq!(
        reassembler.push(2 * SECOND, SENDER, &segment(1, 0, false, b"a")),
        Outcome::Dropped(Reason::Repeated)
    );
    for (seconds, left, deadline) in [(3, 2, Some(4)), (4, 1, Some(5)), (5, 0, None)] {
        reassembler.expire(seconds * SECOND);
        assert_eq!(
            (reassembler.len(), reassembler.deadline_us()),
            (left, deadline.map(|deadline| deadline * SECOND))
        );
    }
}

#[test]
fn messages_beyond_the_limit_are_dropped_with_all_their_segments() {
    let mut reassembler = Reassembler::new(limits());
    assert_eq!(reassembler.push(0, SENDER, &segment(1, 0, false, &[0; 600])), Outcome::Kept);
    for number in [1, 2] {
        let datagram = segment(1, number, true, &[0; 600]);
        assert_eq!(reassembler.push(0, SENDER, &datagram), Outcome::Dropped(Reason::TooLong));
    }
    assert_eq!((reassembler.len(), reassembler.losses()), (0, [0, 0, 1, 0]));
    let whole = Datagram { segment: None, ..segment(2, 0, false, &[0; 1001]) };
    assert_eq!(reassembler.push(0, SENDER, &whole), Outcome::Dropped(Reason::TooLong));
}

#[test]
fn the_least_recently_used_message_makes_room() {
    let mut reassembler = Reassembler::new(limits());
    for message in 1..=5 {
        reassembler.push(0, SENDER, &segment(message, 0, false, b"a"));
    }
    assert_eq!((reassembler.len(), reassembler.losses()), (4, [0, 1, 0, 0]));
    let mut reassembler = Reassembler::new(Limits { messages: 1000, bytes: 2000, ..limits() });
    for message in 1..=20 {
        reassembler.push(0, SENDER, &segment(message, 0, false, &[0; 400]));
        assert!(reassembler.bytes_kept() <= 2000);
    }
    assert!(reassembler.len() >= 3 && reassembler.losses()[1] as usize == 20 - reassembler.len());
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        encoding in prop_oneof![Just(Encoding::Json), Just(Encoding::Xml), Just(Encoding::Cbor)],
        (publisher, message) in any::<(u32, u32)>(),
        segment in prop::option::of((0..1_u16 << 15, any::<bool>())),
        payload in prop::collection::vec(any::<u8>(), 0..50),
        cut in any::<prop::sample::Index>(),
    ) {
        let segment = segment.map(|(number, is_last)| Segment { number, is_last });
        let datagram = Datagram { encoding, publisher, message, segment, payload: &payload };
        let mut octets = Vec::new();
        prop_assert!(datagram.write(&mut octets));
        prop_assert_eq!(decode(Variant::Current, &octets), Ok(datagram));
        prop_assert!(decode(Variant::Current, &octets[..cut.index(octets.len())]).is_err());
    }

    #[test]
    fn any_octets_are_decoded_or_dropped(octets in prop::collection::vec(any::<u8>(), 0..60)) {
        for variant in [Variant::Current, Variant::Legacy] {
            if let Ok(datagram) = decode(variant, &octets) {
                prop_assert!(datagram.payload.len() + 12 <= octets.len());
            }
        }
    }

    #[test]
    fn any_order_and_repetition_gives_each_message(
        messages in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..8), 1..5),
        repeated in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        seed in any::<u64>(),
    ) {
        let mut datagrams = Vec::new();
        for (message, segments) in messages.iter().enumerate() {
            for (number, payload) in segments.iter().enumerate() {
                datagrams.push(segment(message as u32, number as u16, number + 1 == segments.len(), payload));
            }
        }
        for index in repeated {
            datagrams.push(datagrams[index.index(datagrams.len())]);
        }
        // A shuffle by the seed.
        let mut state = seed;
        for at in (1..datagrams.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            datagrams.swap(at, (state >> 33) as usize % (at + 1));
        }
        let mut reassembler = Reassembler::new(Limits { messages: 8, ..limits() });
        let mut joined: Vec<Option<Vec<u8>>> = vec![None; messages.len()];
        for datagram in &datagrams {
            if let Outcome::Message(message) = reassembler.push(0, SENDER, datagram) {
                let earlier = joined[datagram.message as usize].replace(message.octets.to_vec());
                // All of its segments may be repeated.
                prop_assert!(earlier.is_none_or(|earlier| earlier == message.octets));
            }
        }
        let expected: Vec<_> = messages.iter().map(|segments| Some(segments.concat())).collect();
        prop_assert_eq!(joined, expected);
        reassembler.expire(3 * SECOND);
        prop_assert!(reassembler.is_empty() && reassembler.losses()[..3] == [0; 3]);
        prop_assert_eq!(reassembler.bytes_kept(), 0);
    }
}
