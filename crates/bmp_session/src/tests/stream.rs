//! The stream in any pieces, its end, and hostile input.

use super::*;
use crate::{Counts, MAX_PROXY_HEADER};
use proptest::collection::vec;
use proptest::prelude::*;

const PROXY: &[u8] = b"PROXY TCP4 203.0.113.9 10.0.0.1 5555 1790\r\n";

#[test]
fn a_bad_message_costs_that_message() {
    // No reason; a TLV that is cut; an UPDATE that is cut; no message of BGP.
    let bad =
        [raw(2, &[0; 42]), raw(4, &[0, 2, 1, 0]), raw(0, &[&[0; 42][..], &[0xff; 10]].concat()), raw(0, &[0; 60])];
    let stream = [initiation("r1"), up(peer(1)), bad.concat(), raw(99, b"abc"), routes(peer(1))].concat();
    let mut session = Session::new(Config::default());
    let rejected = |text: &str| Seen::Rejected(text.into());
    let expected = [
        Seen::Initiation(b"r1".to_vec()),
        Seen::Up(0, PeerChange::New),
        rejected("Peer Down Notification: 1 octets needed, 0 left at offset 48"),
        rejected("Initiation: 256 octets needed, 0 left at offset 10"),
        rejected("Route Monitoring: 19 octets needed, 10 left at offset 48"),
        rejected("Route Monitoring: BGP message: octet 0 of the marker is not 255 at offset 48"),
        Seen::Unknown(99),
        Seen::Routes(0),
    ];
    assert_eq!(seen_by(&mut session, &stream), expected);
    let expected = Counts {
        route_monitoring: 3,
        peer_down: 1,
        peer_up: 1,
        initiation: 2,
        unknown: 1,
        rejected: 4,
        ..Counts::default()
    };
    assert_eq!((session.counts(), session.closed()), (expected, None));
}

#[test]
fn a_fault_is_reported_and_counted() {
    let message = [&routes(peer(1))[..], &[1, 2, 3]].concat();
    let mut message = raw(0, &message[6..]);
    message.extend(routes(peer(1)));
    let mut session = Session::new(Config::default());
    feed(&mut session, &up(peer(1)));
    let mut input = &message[..];
    let faults: Vec<_> =
        std::iter::from_fn(|| session.next(&mut input).map(|received| received.fault.map(|f| f.to_string())))
            .collect();
    assert_eq!(faults, [Some("3 octets are left over at offset 71".into()), None]);
    assert_eq!((session.counts().faulty, session.counts().rejected), (1, 0));
}

#[test]
fn framing_that_is_lost_ends_the_session() {
    let mut session = Session::new(Config::default());
    let stream = [&initiation("r1")[..], &[2, 0, 0, 0, 6, 4], &initiation("r2")].concat();
    assert_eq!(seen_by(&mut session, &stream), [Seen::Initiation(b"r1".to_vec())]);
    assert_eq!(closed(&session), "BMP version 2 instead of 3 or 4, at offset 12 of the stream");
    assert_eq!(seen_by(&mut session, &initiation("r3")), []);
    let mut session = Session::new(Config::default());
    assert_eq!(seen_by(&mut session, &[3, 0, 0, 0, 5]), []);
    assert_eq!(
        closed(&session),
        "a message of 5 octets, which is less than its header, at offset 0 of the stream"
    );
    assert_eq!(session.input_bytes(), 0);
}

#[test]
fn a_termination_ends_the_session_and_what_follows_is_ignored() {
    let mut session = Session::new(Config::default());
    let stream = [initiation("r1"), termination(2), initiation("late")].concat();
    assert_eq!(seen_by(&mut session, &stream), [Seen::Initiation(b"r1".to_vec()), Seen::Termination]);
    assert_eq!(closed(&session), "termination: Out of resources");
    session.disconnected();
    assert_eq!(closed(&session), "termination: Out of resources");
}

#[test]
fn the_end_of_the_connection_is_reported_with_what_was_incomplete() {
    let mut session = Session::new(Config::default());
    let (first, second) = (initiation("r1"), initiation("r2"));
    feed(&mut session, &[&first[..], &second[..5]].concat());
    session.disconnected();
    assert_eq!(closed(&session), "the connection ended 5 octets into the message at offset 12 of the stream");
    for octets in [&first[..], &[]] {
        let mut session = Session::new(Config::default());
        octets.chunks(1).for_each(|octet| _ = feed(&mut session, octet));
        session.disconnected();
        assert_eq!(closed(&session), "the router closed the connection");
    }
}

#[test]
fn a_message_that_is_too_long_is_passed_over_or_ends_the_session() {
    let long = raw(7, &[9; 994]);
    let stream = [initiation("r1"), long, initiation("r2")].concat();
    let config = Config { max_message: 999, ..Config::default() };
    for pieces in [1, 5, 6, 7, 100, 5000] {
        let mut session = Session::new(config);
        let mut all = Vec::new();
        for piece in stream.chunks(pieces) {
            all.extend(feed(&mut session, piece));
            assert!(session.input_bytes() < 100);
        }
        let name = |name: &str| Seen::Initiation(name.into());
        assert_eq!(all, [(0, name("r1")), (12, Seen::Skipped(1000)), (1012, name("r2"))]);
        assert_eq!((session.counts().skipped, session.counts().unknown), (1, 1));
        let mut session = Session::new(Config { skip_long: false, ..config });
        stream.chunks(pieces).for_each(|piece| _ = feed(&mut session, piece));
        assert_eq!(closed(&session), "a message of 1000 octets (type 7), at offset 12 of the stream");
    }
    let mut session = Session::new(Config::default());
    assert_eq!(seen_by(&mut session, &[3, 0x7f, 0xff, 0xff, 0xff, 0, 1]), [Seen::Skipped(0x7fff_ffff)]);
    feed(&mut session, &[0; 1000]);
    session.disconnected();
    assert_eq!(closed(&session), "the connection ended 1007 octets into the message at offset 0 of the stream");
}

#[test]
fn a_proxy_header_names_the_router() {
    let config = Config { proxy_header: true, ..Config::default() };
    let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x0a\0\0\x01\x15\xb3\x06\xfe";
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    let known = Some("203.0.113.9:5555".to_owned());
    for (header, source) in [(PROXY, &known), (binary, &known), (local, &None), (b"", &None)] {
        let stream = [header, &initiation("r1")[..]].concat();
        for pieces in [1, 7, 1000] {
            let mut session = Session::new(config);
            let all: Vec<_> = stream.chunks(pieces).flat_map(|piece| feed(&mut session, piece)).collect();
            let position = u64::try_from(header.len()).unwrap();
            assert_eq!(all, [(0, Seen::Source(source.clone())), (position, Seen::Initiation(b"r1".to_vec()))]);
        }
    }
}

#[test]
fn a_wrong_proxy_header_ends_the_session() {
    let config = Config { proxy_header: true, ..Config::default() };
    let of = |octets: &[u8]| {
        let mut session = Session::new(config);
        let seen: Vec<_> = octets.chunks(3).flat_map(|piece| seen_by(&mut session, piece)).collect();
        session.disconnected();
        (seen, closed(&session))
    };
    let line = "PROXY header: the line does not have protocol, addresses and ports";
    assert_eq!(of(b"PROXY TCP4\r\n"), (vec![], line.into()));
    // It begins like one, and then does not.
    let version = "BMP version 80 instead of 3 or 4, at offset 0 of the stream";
    assert_eq!(of(b"PROPER"), (vec![Seen::Source(None)], version.into()));
    let incomplete = "the connection ended 7 octets into the message at offset 0 of the stream";
    assert_eq!(of(b"PROXY T"), (vec![], incomplete.into()));
    assert_eq!(of(b""), (vec![], "the router closed the connection".into()));
    // Without the setting it is no header.
    let mut session = Session::new(Config::default());
    assert_eq!(seen_by(&mut session, PROXY), []);
    assert_eq!(closed(&session), version);
}

/// A stream, and what it is made of.
fn script() -> impl Strategy<Value = Vec<u8>> {
    let message = (0u8..10, 1u8..4).prop_map(|(kind, n)| match kind {
        0 => initiation(&format!("r{n}")),
        1 | 2 => up(peer(n)),
        3 => down(peer(n)),
        4 | 5 => routes(peer(n)),
        6 => statistics(peer(n)),
        7 => mirroring(peer(n)),
        8 => raw(n, &[n; 30]),
        _ => raw(99, &vec![0; usize::from(n) * 300]),
    });
    (any::<bool>(), vec(message, 0..30), any::<bool>()).prop_map(|(proxied, messages, terminated)| {
        let (header, end) = (if proxied { PROXY } else { &[] }, if terminated { termination(0) } else { vec![] });
        [header, &messages.concat(), &end].concat()
    })
}

fn config() -> Config {
    Config { proxy_header: true, max_message: 700, max_peers: 2, ..Config::default() }
}

/// Sends octets in pieces; bounds are checked after each.
fn in_pieces(session: &mut Session, octets: &[u8], pieces: &[usize]) -> Vec<(u64, Seen)> {
    let (mut all, mut left) = (Vec::new(), octets);
    let mut pieces = pieces.iter().copied().cycle();
    while !left.is_empty() {
        let (piece, rest) = left.split_at(pieces.next().unwrap_or(1).clamp(1, left.len()));
        all.extend(feed(session, piece));
        assert!(session.input_bytes() <= 2 * MAX_PROXY_HEADER && session.peer_count() <= 2);
        left = rest;
    }
    session.disconnected();
    all
}

proptest! {
    #[test]
    fn pieces_make_no_difference(octets in script(), pieces in vec(1usize..400, 1..20)) {
        let mut whole = Session::new(config());
        let expected = feed(&mut whole, &octets);
        whole.disconnected();
        let mut session = Session::new(config());
        prop_assert_eq!(in_pieces(&mut session, &octets, &pieces), expected.clone());
        prop_assert_eq!((session.closed(), session.counts()), (whole.closed(), whole.counts()));
        prop_assert!(session.peers().eq(whole.peers()));
        // Positions are those of messages: a version is there.
        for (position, seen) in expected {
            if !matches!(seen, Seen::Source(_)) {
                prop_assert_eq!(octets[usize::try_from(position).unwrap()], 3);
            }
        }
    }

    #[test]
    fn a_cut_gives_the_whole_messages_before_it(octets in script(), cut: prop::sample::Index) {
        let expected = feed(&mut Session::new(config()), &octets);
        let part = &octets[..cut.index(octets.len() + 1)];
        let found = feed(&mut Session::new(config()), part);
        prop_assert!(expected.starts_with(&found), "{:?} {:?}", found, expected);
    }

    #[test]
    fn damage_costs_messages_or_the_session_and_pieces_make_no_difference(
        octets in script(), at: prop::sample::Index, octet: u8, pieces in vec(1usize..100, 1..8),
    ) {
        let mut damaged = octets.clone();
        if let Some(place) = damaged.get_mut(at.index(octets.len() + 1)) {
            *place = octet;
        }
        let mut whole = Session::new(config());
        let expected = feed(&mut whole, &damaged);
        whole.disconnected();
        let mut session = Session::new(config());
        prop_assert_eq!(in_pieces(&mut session, &damaged, &pieces), expected);
        prop_assert_eq!((session.closed(), session.counts()), (whole.closed(), whole.counts()));
    }

    #[test]
    fn any_octets_cost_bounded_memory(octets in vec(any::<u8>(), 0..3000), good: bool, pieces in vec(1usize..100, 1..8)) {
        let start = if good { up(peer(1)) } else { vec![3] };
        let mut session = Session::new(config());
        in_pieces(&mut session, &[&start[..], &octets].concat(), &pieces);
        prop_assert!(session.closed().is_some());
    }
}
