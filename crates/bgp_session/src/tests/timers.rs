//! Timers, with a made-up clock.

use super::*;
use crate::{Cause, MAX_OUTPUT, SEND_HOLD_TIME, State};

fn cause(pair: &Pair) -> Option<Cause> {
    match pair.session.closed()? {
        Closed::Sent(_, cause) => Some(*cause),
        _ => None,
    }
}

#[test]
fn a_peer_that_does_not_open_the_session_is_closed() {
    let mut pair = Pair::configured();
    pair.wait(59);
    // Neither KEEPALIVEs nor a part of an OPEN help.
    pair.peer_sends(&KEEPALIVE);
    pair.peer_sends(&open(90)[..40]);
    assert_eq!(cause(&pair), None);
    pair.wait(1);
    assert_eq!(cause(&pair), Some(Cause::OpenTimer));
    assert_eq!(pair.peer_reads(), hex("-0015030400"));
    assert_eq!((pair.session.deadline(), pair.session.input_bytes() < 64), (None, true));
}

#[test]
fn a_peer_that_sends_an_octet_a_minute_is_closed() {
    let mut pair = Pair::new(Config { open_wait: Duration::from_secs(600), ..config() });
    for octet in open(90) {
        pair.peer_sends(&[octet]);
        pair.wait(60);
    }
    assert_eq!(cause(&pair), Some(Cause::OpenTimer));
    let mut pair = Pair::established(config(), &open(90));
    for octet in update(&[0; 100]) {
        pair.peer_sends(&[octet]);
        pair.wait(60);
    }
    assert_eq!(cause(&pair), Some(Cause::HoldTimer));
}

#[test]
fn a_silent_peer_is_closed_after_the_hold_time() {
    for (sent, hold) in [(3, 3), (5, 5), (90, 90)] {
        for confirms in [false, true] {
            let mut pair = Pair::configured();
            pair.peer_sends(&open(sent));
            pair.wait(hold - 1);
            if confirms {
                pair.peer_sends(&KEEPALIVE);
                pair.wait(hold - 1);
            }
            assert_eq!(cause(&pair), None);
            pair.wait(1);
            assert_eq!(cause(&pair), Some(Cause::HoldTimer), "{sent} {confirms}");
            assert!(pair.peer_reads().ends_with(&hex("-0015030400")));
        }
    }
}

#[test]
fn any_whole_message_restarts_the_hold_timer() {
    let mut pair = Pair::established(config(), &open(30));
    for octets in [&KEEPALIVE[..], &update(END_OF_RIB), &message(MessageType::ROUTE_REFRESH, &[0, 1, 0, 1])] {
        pair.wait(29);
        pair.peer_sends(octets);
    }
    pair.wait(29);
    assert_eq!(cause(&pair), None);
    assert_eq!(pair.session.last_received() + Duration::from_secs(29), pair.now);
}

#[test]
fn keepalives_are_sent_each_third_of_the_hold_time() {
    let mut pair = Pair::established(config(), &open(30));
    pair.wait(9);
    assert!(pair.session.send_buffer().is_empty());
    pair.wait(1);
    assert_eq!(pair.peer_reads(), KEEPALIVE);
    pair.wait(19);
    assert_eq!(pair.peer_reads(), KEEPALIVE);
    // An answer to a KEEPALIVE counts as one.
    pair.peer_sends(&KEEPALIVE);
    assert_eq!(pair.peer_reads(), KEEPALIVE);
    pair.wait(9);
    assert!(pair.session.send_buffer().is_empty());
    pair.wait(1);
    assert_eq!(pair.peer_reads(), KEEPALIVE);
}

#[test]
fn without_a_hold_time_nothing_is_sent_and_nothing_expires() {
    let mut pair = Pair::established(config(), &open(0));
    assert_eq!(pair.session.deadline(), None);
    pair.wait(100_000);
    assert!(pair.session.send_buffer().is_empty() && pair.session.closed().is_none());
    pair.peer_sends(&KEEPALIVE);
    assert_eq!(pair.peer_reads(), KEEPALIVE);
    // But our OPEN has to be confirmed.
    let mut pair = Pair::configured();
    pair.wait(30);
    pair.peer_sends(&open(0));
    pair.peer_reads();
    pair.wait(59);
    assert_eq!(pair.session.state(), State::OpenConfirm);
    pair.wait(1);
    assert_eq!(cause(&pair), Some(Cause::OpenTimer));
}

#[test]
fn a_peer_that_does_not_read_is_closed_and_costs_bounded_memory() {
    let mut pair = Pair::established(config(), &open(9));
    let start = pair.now;
    while pair.session.closed().is_none() {
        pair.peer_sends(&KEEPALIVE.repeat(1000));
        assert!(pair.session.send_buffer().len() < MAX_OUTPUT);
        pair.wait(3);
    }
    assert_eq!(cause(&pair), Some(Cause::SendHoldTimer));
    assert_eq!(pair.now - start, SEND_HOLD_TIME);
    assert!(
        pair.session.send_buffer().len() <= MAX_OUTPUT
            && pair.session.send_buffer().ends_with(&hex("-0015030800"))
    );
}

#[test]
fn a_peer_that_reads_slowly_stays() {
    let mut pair = Pair::established(config(), &open(30));
    pair.peer_sends(&KEEPALIVE.repeat(100));
    for _ in 0..20 {
        pair.session.sent(7, pair.now);
        pair.wait(60 / 3);
        pair.peer_sends(&KEEPALIVE);
    }
    assert_eq!(pair.session.closed(), None);
}

#[test]
fn a_long_hold_time_makes_the_send_hold_time_longer() {
    let mut pair = Pair::established(config(), &open(1000));
    pair.peer_sends(&KEEPALIVE);
    for _ in 0..3 {
        pair.wait(500);
        pair.peer_sends(&KEEPALIVE);
    }
    assert_eq!(pair.session.closed(), None);
    pair.wait(500);
    assert_eq!(cause(&pair), Some(Cause::SendHoldTimer));
}

#[test]
fn a_timeout_before_the_deadline_does_nothing() {
    let mut pair = Pair::established(config(), &open(30));
    let deadline = pair.session.deadline();
    pair.session.timeout(pair.now);
    assert_eq!((pair.session.deadline(), pair.session.send_buffer()), (deadline, &[][..]));
}

#[test]
fn a_keepalive_is_sent_when_the_caller_wants_to_know_whether_the_peer_is_there() {
    let mut pair = Pair::configured();
    pair.session.send_keepalive(pair.now);
    assert!(pair.session.send_buffer().is_empty());
    let mut pair = Pair::established(config(), &open(30));
    pair.wait(5);
    pair.session.send_keepalive(pair.now);
    assert_eq!(pair.peer_reads(), KEEPALIVE);
    pair.session.disconnected();
    pair.session.send_keepalive(pair.now);
    assert!(pair.session.send_buffer().is_empty());
}
