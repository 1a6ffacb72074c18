//! Every state meets every message, and the end of the connection.

use super::*;
use crate::{Cause, NoRefresh, State};
use bgp::notification::{ErrorCode, Notification};

fn refreshing() -> Vec<u8> {
    open_with(90, |w| {
        capability::write_empty(w, capability::Code::ROUTE_REFRESH);
        capability::write_empty(w, capability::Code::ENHANCED_ROUTE_REFRESH);
        capability::write_four_octet_as(w, Asn(65_001));
    })
}

fn sent_notification(pair: &mut Pair) -> Notification {
    let octets = pair.peer_reads();
    let Some(Closed::Sent(notification, _)) = pair.session.closed() else { panic!("{:?}", pair.session.closed()) };
    let mut expected = Vec::new();
    notification.write(&mut expected);
    assert!(octets.ends_with(&expected));
    notification.clone()
}

#[test]
fn a_session_opens_confirms_and_receives() {
    let mut pair = Pair::configured();
    assert_eq!(pair.session.state(), State::OpenWait);
    assert!(pair.session.send_buffer().is_empty());
    assert_eq!(pair.peer_sends(&open(90)), [Seen::Open(65_001)]);
    assert_eq!(pair.session.state(), State::OpenConfirm);
    assert_eq!(pair.peer_sends(&KEEPALIVE), [Seen::Established]);
    assert_eq!(pair.session.state(), State::Established);
    let position = open(90).len() as u64 + 19;
    assert_eq!(pair.peer_sends(&update(END_OF_RIB)), [Seen::Update(position, END_OF_RIB.to_vec())]);
    pair.peer_reads();
    assert_eq!(pair.peer_sends(&KEEPALIVE), [Seen::Keepalive]);
    assert_eq!(pair.peer_reads(), KEEPALIVE);
    let (received, sent) = (pair.session.received_messages(), pair.session.sent_messages());
    assert_eq!((received.open, received.keepalive, received.update), (1, 2, 1));
    assert_eq!((sent.open, sent.keepalive, sent.notification), (1, 3, 0));
}

#[test]
fn all_of_a_session_may_come_at_once() {
    let mut pair = Pair::configured();
    let octets = [&open(90)[..], &KEEPALIVE, &update(END_OF_RIB), &KEEPALIVE, &update(&[0; 23])].concat();
    let position = open(90).len() as u64 + 19;
    assert_eq!(
        pair.peer_sends(&octets),
        [
            Seen::Open(65_001),
            Seen::Established,
            Seen::Update(position, END_OF_RIB.to_vec()),
            Seen::Keepalive,
            Seen::Update(position + 23 + 19, vec![0; 23]),
        ]
    );
}

#[test]
fn a_keepalive_before_the_open_is_ignored() {
    let mut pair = Pair::configured();
    assert_eq!(pair.peer_sends(&[KEEPALIVE, KEEPALIVE].concat()), []);
    assert!(pair.session.send_buffer().is_empty());
    assert_eq!(pair.peer_sends(&open(90)), [Seen::Open(65_001)]);
}

#[test]
fn an_update_or_a_route_refresh_confirms_as_a_keepalive_does() {
    let mut pair = Pair::configured();
    let octets = [open(90), update(END_OF_RIB)].concat();
    let position = open(90).len() as u64;
    let seen = [Seen::Open(65_001), Seen::Established, Seen::Update(position, END_OF_RIB.to_vec())];
    assert_eq!(pair.peer_sends(&octets), seen);
    // The same, octet by octet.
    let mut pair = Pair::configured();
    let one_by_one: Vec<_> = octets.iter().flat_map(|octet| pair.peer_sends(&[*octet])).collect();
    assert_eq!(one_by_one, seen);
    assert_eq!(pair.session.received_messages().update, 1);
    assert_eq!(pair.session.sent_messages().keepalive, 1);
    let mut pair = Pair::configured();
    pair.peer_sends(&open(90));
    let refresh = message(MessageType::ROUTE_REFRESH, &[0, 1, 0, 1]);
    assert_eq!(pair.peer_sends(&refresh), [Seen::Established, Seen::RouteRefresh(Afi::IPV4, Safi::UNICAST, 0)]);
}

#[test]
fn messages_out_of_place_end_the_session() {
    let open = open(90);
    let update = update(END_OF_RIB);
    let refresh = message(MessageType::ROUTE_REFRESH, &[0, 1, 0, 1]);
    let established = [&open[..], &KEEPALIVE].concat();
    for (before, sent, kind, state, error) in [
        (&[][..], &update, 2, State::OpenWait, ErrorCode::UNEXPECTED_IN_OPEN_SENT),
        (&[], &refresh, 5, State::OpenWait, ErrorCode::UNEXPECTED_IN_OPEN_SENT),
        (&open, &open, 1, State::OpenConfirm, ErrorCode::UNEXPECTED_IN_OPEN_CONFIRM),
        (&established, &open, 1, State::Established, ErrorCode::UNEXPECTED_IN_ESTABLISHED),
    ] {
        let mut pair = Pair::configured();
        pair.peer_sends(before);
        // What follows is not looked at.
        assert_eq!(pair.peer_sends(&[sent, &update[..]].concat()), []);
        let notification = Notification::new(error, &[kind]);
        let closed = Closed::Sent(notification.clone(), Cause::Unexpected(MessageType(kind), state));
        assert_eq!(pair.session.closed(), Some(&closed));
        assert_eq!(sent_notification(&mut pair), notification);
        assert_eq!(pair.session.state(), State::Closed);
    }
}

#[test]
fn errors_of_headers_end_the_session_in_any_state() {
    let open = open(90);
    let established = [&open[..], &KEEPALIVE].concat();
    for before in [&[][..], &open, &established] {
        for (sent, expected) in [
            (hex("-001204"), Notification::new(ErrorCode::BAD_MESSAGE_LENGTH, &[0, 18])),
            (hex("-138802"), Notification::new(ErrorCode::BAD_MESSAGE_LENGTH, &[0x13, 0x88])),
            (hex("-001302"), Notification::new(ErrorCode::BAD_MESSAGE_LENGTH, &[0, 19])),
            (hex("-001404"), Notification::new(ErrorCode::BAD_MESSAGE_LENGTH, &[0, 20])),
            (hex("-001409"), Notification::new(ErrorCode::BAD_MESSAGE_TYPE, &[9])),
            (b"GET / HTTP/1.0".to_vec(), Notification::new(ErrorCode::NOT_SYNCHRONIZED, &[])),
        ] {
            let mut pair = Pair::configured();
            pair.peer_sends(before);
            assert_eq!(pair.peer_sends(&sent), []);
            assert_eq!(sent_notification(&mut pair), expected);
            assert!(matches!(pair.session.closed(), Some(Closed::Sent(_, Cause::Header(_)))));
        }
    }
}

#[test]
fn a_notification_ends_the_session_without_an_answer() {
    let open = open(90);
    let established = [&open[..], &KEEPALIVE].concat();
    for before in [&[][..], &open, &established] {
        let mut pair = Pair::configured();
        pair.peer_sends(before);
        pair.peer_reads();
        let notification = hex("-00210306020b 6d61696e74656e616e6365");
        assert_eq!(pair.peer_sends(&[notification, update(END_OF_RIB)].concat()), []);
        assert_eq!(pair.closed(), "received Cease, Administrative Shutdown (6/2): \"maintenance\"");
        assert!(pair.session.send_buffer().is_empty());
        assert_eq!(pair.session.deadline(), None);
        assert_eq!(pair.session.received_messages().notification, 1);
    }
}

#[test]
fn the_end_of_the_connection_ends_the_session() {
    let mut pair = Pair::established(config(), &open(90));
    pair.session.disconnected();
    assert_eq!(pair.closed(), "the peer closed the connection");
    let mut pair = Pair::established(config(), &open(90));
    pair.peer_sends(&KEEPALIVE[..7]);
    pair.session.disconnected();
    assert_eq!(pair.closed(), "the connection ended 7 octets into a message");
    // The first reason stays.
    pair.session.shutdown("late", pair.now);
    pair.session.disconnected();
    assert_eq!(pair.closed(), "the connection ended 7 octets into a message");
    assert!(pair.session.send_buffer().is_empty());
    assert_eq!(pair.peer_sends(&KEEPALIVE), []);
}

#[test]
fn the_caller_refuses_a_peer_after_its_open() {
    let mut pair = Pair::configured();
    pair.peer_sends(&open(90));
    pair.session.close(Notification::new(ErrorCode::CONNECTION_REJECTED, &[]), pair.now);
    assert_eq!(pair.closed(), "sent Cease, Connection Rejected (6/5)");
    let octets = pair.peer_reads();
    assert!(octets.ends_with(&hex("-0015030605")) && octets.starts_with(&hex("-00310104fc00")));
}

#[test]
fn routes_are_asked_for_again_where_the_peer_can() {
    let mut pair = Pair::configured();
    let ask = |pair: &mut Pair| pair.session.request_refresh(Afi::IPV6, Safi::UNICAST, pair.now);
    assert_eq!(ask(&mut pair), Err(NoRefresh::NotEstablished));
    pair.peer_sends(&open(90));
    assert_eq!(ask(&mut pair), Err(NoRefresh::NotEstablished));
    pair.peer_sends(&KEEPALIVE);
    assert_eq!(ask(&mut pair), Err(NoRefresh::NotSupported));
    let mut pair = Pair::established(config(), &refreshing());
    assert_eq!(ask(&mut pair), Ok(()));
    assert_eq!(pair.peer_reads(), hex("-00170500020001"));
    // A peer that does not read is not asked without end.
    let asked = (0..100_000).take_while(|_| ask(&mut pair).is_ok()).count();
    assert_eq!(ask(&mut pair), Err(NoRefresh::Busy));
    assert!(asked > 680 && pair.session.send_buffer().len() < crate::MAX_OUTPUT);
}

#[test]
fn begin_and_end_of_a_refresh_are_reported_if_agreed() {
    let begin = message(MessageType::ROUTE_REFRESH, &[0, 1, 1, 1]);
    let too_long = message(MessageType::ROUTE_REFRESH, &[0, 1, 1, 1, 0]);
    let mut pair = Pair::established(config(), &refreshing());
    let seen = [Seen::RouteRefresh(Afi::IPV4, Safi::UNICAST, 0)];
    assert_eq!(pair.peer_sends(&begin), seen);
    assert_eq!(pair.peer_sends(&too_long), seen);
    let mut pair = Pair::established(Config { enhanced_route_refresh: true, ..config() }, &refreshing());
    assert_eq!(pair.peer_sends(&begin), [Seen::RouteRefresh(Afi::IPV4, Safi::UNICAST, 1)]);
    assert_eq!(pair.peer_sends(&too_long), []);
    assert_eq!(sent_notification(&mut pair), Notification::new(ErrorCode::ROUTE_REFRESH_LENGTH, &too_long));
}

#[test]
fn extended_messages_are_read_if_agreed() {
    let open = open_with(90, |w| capability::write_empty(w, capability::Code::EXTENDED_MESSAGE));
    let long = update(&[0; 60_000]);
    let mut pair = Pair::established(Config { extended_message: true, ..config() }, &open);
    assert_eq!(pair.peer_sends(&long).len(), 1);
    let mut pair = Pair::established(config(), &open);
    assert_eq!(pair.peer_sends(&long), []);
    assert!(
        pair.closed()
            .starts_with("message header: UPDATE of 60019 octets; sent Message Header Error, Bad Message Length")
    );
}
