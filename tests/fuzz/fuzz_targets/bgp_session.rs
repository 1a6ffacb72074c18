//! A BGP session, with the stream of a peer in two ways of cutting it.
//!
//! The first octet chooses the configuration and how far the session is, the second the size of pieces; the rest is what
//! the peer sends. Both ways give the same events, answers and end; memory and output are bounded; every message that is sent is
//! valid; and time always ends a session that has a hold time.
#![no_main]

use bgp::message::{self, KEEPALIVE, Message};
use bgp::notification::Notification;
use bgp::open::{Open, OpenError};
use bgp_session::{Config, Event, MAX_OUTPUT, Session, State};
use libfuzzer_sys::fuzz_target;
use std::time::{Duration, Instant};
use wire::Asn;

/// An OPEN of AS 65001 with a hold time of 30 s, route refresh, enhanced route refresh and extended messages.
const OPEN: &[u8] = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x2b\x01\
    \x04\xfd\xe9\x00\x1e\x0a\x00\x01\x01\x0e\x02\x0c\x41\x04\x00\x00\xfd\xe9\x02\x00\x46\x00\x06\x00";

/// Gives octets to a session, and returns what it said as text and how many events there were.
fn feed(session: &mut Session, octets: &[u8], now: Instant, seen: &mut Vec<(char, u64, Vec<u8>)>) {
    let mut input = octets;
    while let Some(event) = session.next(&mut input, now) {
        seen.push(match event {
            Event::Open(parameters) => {
                assert!(parameters.peer_as.0 != 0 && !parameters.peer_identifier.is_unspecified());
                assert!(!parameters.families.is_empty());
                parameters.capabilities().for_each(|tlv| _ = tlv.capability());
                let ours = Open::decode(&parameters.sent_open[message::HEADER_LEN..]);
                // Our large AS number is AS_TRANS to a peer that knows only small ones.
                assert!(ours.is_ok() || !parameters.asn4 && ours.err() == Some(OpenError::TransAs));
                ('o', 0, Vec::new())
            }
            Event::Established => ('e', 0, Vec::new()),
            Event::Keepalive => ('k', 0, Vec::new()),
            Event::Update(update) => ('u', update.position, update.message.octets().to_vec()),
            Event::RouteRefresh(refresh) => ('r', 0, refresh.filters.to_vec()),
            _ => ('?', 0, Vec::new()),
        });
    }
    assert!(input.is_empty());
    // A vector doubles.
    assert!(session.input_bytes() <= 2 * message::MAX_EXTENDED_LEN);
    assert!(session.send_buffer().len() <= MAX_OUTPUT);
}

/// What was sent is a sequence of valid messages.
fn check_sent(mut octets: &[u8]) {
    while let Some(message) = Message::first(octets, false).expect("we send valid headers") {
        octets = &octets[message.octets().len()..];
    }
    assert!(octets.is_empty());
}

fuzz_target!(|octets: &[u8]| {
    let [flags, piece, stream @ ..] = octets else { return };
    let config = Config {
        local_as: (flags & 1 != 0).then_some(Asn(4_200_000_001)),
        add_path: flags & 2 != 0,
        multiple_labels: flags & 2 != 0,
        route_refresh: flags & 4 != 0,
        enhanced_route_refresh: flags & 4 != 0,
        extended_message: flags & 8 != 0,
        ..Config::default()
    };
    let is_observed = flags & 64 != 0;
    let config =
        if is_observed { Config { extended_message: flags & 8 != 0, ..Config::observing(OPEN) } } else { config };
    let now = Instant::now();
    let [mut whole, mut pieces] = [config.clone(), config].map(|config| Session::new(config, now));
    let (mut expected, mut seen) = (Vec::new(), Vec::new());
    if flags & 16 != 0 {
        let start = if flags & 32 != 0 { [OPEN, &KEEPALIVE].concat() } else { OPEN.to_vec() };
        feed(&mut whole, &start, now, &mut expected);
        feed(&mut pieces, &start, now, &mut seen);
        assert!(whole.closed().is_none());
    }
    feed(&mut whole, stream, now, &mut expected);
    for piece in stream.chunks(usize::from(*piece).max(1)) {
        feed(&mut pieces, piece, now, &mut seen);
    }
    assert_eq!(seen, expected);
    assert_eq!((pieces.closed(), pieces.state()), (whole.closed(), whole.state()));
    assert_eq!(pieces.received_messages(), whole.received_messages());
    assert_eq!(pieces.send_buffer(), whole.send_buffer());
    assert!(!is_observed || whole.send_buffer().is_empty() && whole.deadline().is_none());
    check_sent(whole.send_buffer());
    assert_eq!(whole.closed().is_some(), whole.state() == State::Closed);
    // Time ends it, unless there is no hold time.
    let mut steps = 0;
    while let Some(deadline) = whole.deadline() {
        whole.timeout(deadline.max(now));
        steps += 1;
        assert!(steps < 100 && deadline <= now + Duration::from_secs(2 * 65_535));
    }
    let has_hold_time = whole.parameters().is_none_or(|parameters| parameters.hold_time.is_some());
    assert!(whole.closed().is_some() || !has_hold_time || is_observed);
    check_sent(whole.send_buffer());
    if let Ok(notification) = Notification::decode(stream) {
        _ = notification.to_string();
    }
});
