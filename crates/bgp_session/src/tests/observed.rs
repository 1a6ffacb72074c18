//! Sessions between two other speakers.

use super::*;

/// An OPEN whose capabilities `write` adds.
fn open_with(asn: u32, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut builder = open::Builder::new(Asn(asn), 90, Ipv4Addr::new(10, 0, 0, 1));
    builder.capabilities(write);
    builder.finish().unwrap()
}

fn add_path(w: &mut Writer, receive: bool, send: bool) {
    let family = capability::AddPath { afi: Afi::IPV4, safi: Safi::UNICAST, receive, send };
    capability::write_list(w, capability::Code::ADD_PATH, &[family]).unwrap();
}

#[test]
fn what_both_sides_have_applies_and_nothing_is_sent() {
    for (receives, four_octets) in [(true, true), (false, true), (true, false)] {
        let ours = open_with(64_512, |w| {
            add_path(w, receives, false);
            if four_octets {
                capability::write_four_octet_as(w, Asn(64_512));
            }
        });
        let theirs = open_with(65_001, |w| {
            capability::write_four_octet_as(w, Asn(65_001));
            add_path(w, false, true);
        });
        let mut pair = Pair::new(Config::observing(&ours));
        assert_eq!(pair.peer_sends(&theirs), [Seen::Open(65_001)]);
        let parameters = pair.session.parameters().unwrap();
        assert_eq!(parameters.add_path.contains(Afi::IPV4, Safi::UNICAST), receives);
        assert_eq!((parameters.asn4, parameters.local_as), (four_octets, Asn(64_512)));
        assert_eq!(&*parameters.sent_open, ours);
        assert_eq!(pair.peer_sends(&KEEPALIVE), [Seen::Established]);
        assert_eq!((pair.session.deadline(), pair.peer_reads()), (None, Vec::new()));
        pair.peer_sends(&[0; 19]);
        assert!(pair.session.closed().is_some() && pair.peer_reads().is_empty());
    }
}
