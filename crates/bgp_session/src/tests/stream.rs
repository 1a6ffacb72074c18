//! The stream in any pieces, and hostile input.

use super::*;
use crate::MAX_OUTPUT;
use proptest::collection::vec;
use proptest::prelude::*;

/// A session with UPDATEs, KEEPALIVEs and refreshes, and what it is made of.
fn script() -> impl Strategy<Value = Vec<u8>> {
    let message = prop_oneof![
        vec(any::<u8>(), 4..300).prop_map(|body| update(&body)),
        Just(KEEPALIVE.to_vec()),
        Just(message(MessageType::ROUTE_REFRESH, &[0, 1, 0, 1])),
    ];
    (any::<bool>(), vec(message, 0..20)).prop_map(|(confirms, messages)| {
        let confirmation = if confirms { &KEEPALIVE[..] } else { &[] };
        [&open(90)[..], confirmation, &messages.concat()].concat()
    })
}

/// Sends octets in pieces; the caller checks bounds after each.
fn in_pieces(pair: &mut Pair, octets: &[u8], pieces: &[usize]) -> Vec<Seen> {
    let (mut seen, mut left) = (Vec::new(), octets);
    let mut pieces = pieces.iter().copied().cycle();
    while !left.is_empty() {
        let (piece, rest) = left.split_at(pieces.next().unwrap_or(1).clamp(1, left.len()));
        seen.extend(pair.peer_sends(piece));
        // A vector doubles, so that it may have twice the message.
        assert!(pair.session.input_bytes() <= 2 * 4096, "{}", pair.session.input_bytes());
        assert!(pair.session.send_buffer().len() <= MAX_OUTPUT);
        left = rest;
    }
    seen
}

proptest! {
    #[test]
    fn pieces_make_no_difference(octets in script(), pieces in vec(1usize..700, 1..20)) {
        let mut whole = Pair::configured();
        let expected = whole.peer_sends(&octets);
        let mut pair = Pair::configured();
        prop_assert_eq!(in_pieces(&mut pair, &octets, &pieces), expected.clone());
        prop_assert_eq!(pair.session.send_buffer(), whole.session.send_buffer());
        prop_assert_eq!(pair.session.received_messages(), whole.session.received_messages());
        // Positions are those of the messages in the stream.
        for seen in expected {
            if let Seen::Update(position, body) = seen {
                let at = usize::try_from(position).unwrap() + 19;
                prop_assert_eq!(&octets[at..at + body.len()], &body[..]);
            }
        }
    }

    #[test]
    fn a_cut_gives_the_whole_messages_before_it(octets in script(), cut: prop::sample::Index) {
        let mut whole = Pair::configured();
        let expected = whole.peer_sends(&octets);
        let mut pair = Pair::configured();
        let seen = pair.peer_sends(&octets[..cut.index(octets.len())]);
        prop_assert!(expected.starts_with(&seen));
        pair.session.disconnected();
        let is_disconnected = matches!(pair.session.closed(), Some(Closed::Disconnected { .. }));
        prop_assert!(is_disconnected);
    }

    #[test]
    fn damage_ends_the_session_or_leaves_it_whole(
        octets in script(), at: prop::sample::Index, octet: u8, pieces in vec(1usize..100, 1..8),
    ) {
        let mut damaged = octets.clone();
        damaged[at.index(octets.len())] = octet;
        let mut whole = Pair::configured();
        let expected = whole.peer_sends(&damaged);
        let mut pair = Pair::configured();
        prop_assert_eq!(in_pieces(&mut pair, &damaged, &pieces), expected);
        prop_assert_eq!(pair.session.closed(), whole.session.closed());
    }

    #[test]
    fn any_octets_cost_bounded_memory(octets in vec(any::<u8>(), 0..3000), good in any::<bool>(), pieces in vec(1usize..100, 1..8)) {
        let mut pair = Pair::configured();
        if good {
            pair.peer_sends(&[&open(90)[..], &KEEPALIVE].concat());
        }
        in_pieces(&mut pair, &octets, &pieces);
        pair.wait(90);
        prop_assert!(pair.session.closed().is_some());
    }
}
