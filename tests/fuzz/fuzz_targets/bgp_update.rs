//! The body of a BGP UPDATE, after an octet that says what the session agreed on.
//!
//! Routes and values are octets of the message; what is decoded is encoded again, and decodes to the same routes and the same
//! attributes.
#![no_main]

use bgp::attribute::{AsPath, AttributeSet, Code};
use bgp::nlri::{Labels, Nlri};
use bgp::update::{Action, Block, Decoder, EncodeError, Encoder, Entry, Families, Outcome, Peering, Session};
use libfuzzer_sys::fuzz_target;
use wire::{Afi, Safi};

const FAMILIES: [(Afi, Safi); 9] = [
    (Afi::IPV4, Safi::UNICAST),
    (Afi::IPV6, Safi::UNICAST),
    (Afi::IPV4, Safi::LABELED_UNICAST),
    (Afi::IPV6, Safi::LABELED_UNICAST),
    (Afi::IPV4, Safi::MPLS_VPN),
    (Afi::IPV6, Safi::MPLS_VPN),
    (Afi::L2VPN, Safi::EVPN),
    (Afi::IPV4, Safi::FLOWSPEC),
    (Afi::BGP_LS, Safi::BGP_LS),
];

fn session(agreed: u8) -> Session {
    let has = |bit: u8| agreed >> bit & 1 == 1;
    let families = |is_in: bool| FAMILIES.into_iter().filter(|_| is_in).collect::<Families>();
    Session {
        asn4: has(0),
        add_path: families(has(1)),
        multiple_labels: families(has(2)),
        peering: has(3).then_some(if has(4) { Peering::Internal } else { Peering::External }),
        next_hop_optional: has(5),
    }
}

fn is_within(octets: &[u8], all: &[u8]) -> bool {
    octets.is_empty() || all.as_ptr_range().contains(&octets.as_ptr())
}

/// Reads everything there is to read.
fn view(set: AttributeSet<'_>) {
    for attribute in set {
        assert!(is_within(attribute.value, set.as_bytes()));
        assert!(set.get(attribute.code).is_some() || !set.iter().is_sorted_by_key(|attribute| attribute.code));
    }
    path(set.as_path());
    _ = (set.origin(), set.next_hop(), set.link_local_next_hop(), set.med(), set.local_pref(), set.aggregator());
    _ = (set.originator_id(), set.aigp(), set.otc(), set.is_atomic_aggregate());
    let octets = set.cluster_list().len() * 4
        + set.communities().len() * 4
        + set.extended_communities().len() * 8
        + set.large_communities().len() * 12
        + set.ipv6_extended_communities().len() * 20;
    assert!(octets <= set.as_bytes().len());
}

fn path(path: AsPath<'_>) {
    let count = path.asns().count();
    assert!(count * 4 <= path.as_bytes().len() && path.hops() <= count + path.segments().count());
    assert_eq!(path.is_empty(), count == 0);
    assert_eq!(path.last_asn(), path.asns().last());
    _ = (path.first_asn(true), path.first_asn(false), path.origin_asn());
    let text = path.to_string();
    assert!(text.len() <= count * 13, "{text}");
    assert_eq!(text.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty()).count(), count);
}

fn check_entries(block: &Block<'_>, body: &[u8]) {
    let within = |labels: Labels<'_>| assert!(is_within(labels.as_bytes(), body));
    for entry in block.entries() {
        match entry.nlri {
            Nlri::Unicast(_) => {}
            Nlri::Labelled { labels, .. } | Nlri::Vpn { labels, .. } => within(labels),
            Nlri::Other(other) => assert!(is_within(other.as_bytes(), body)),
        }
    }
}

/// Encodes a block and decodes it again.
fn round_trip(block: &Block<'_>, session: &Session) {
    // Attributes are canonical, so that AS numbers have four octets. They may be longer than in the message.
    let session = Session { asn4: true, peering: None, ..session.clone() };
    let encoder = Encoder { max_len: 65_535, ..Encoder::new(&session) };
    let (afi, safi) = (block.afi, block.safi);
    let bodies = match block.action {
        Action::Announce => encoder.announce(afi, safi, block.attributes, block.entries()),
        Action::Withdraw => encoder.withdraw(afi, safi, block.entries()),
    };
    let bodies = match bodies {
        Ok(bodies) => bodies,
        // Without a next hop, which families of unknown format may have in any form, or beyond the largest message.
        Err(EncodeError::Attributes) => return assert_eq!(block.attributes.get(Code::NEXT_HOP), None),
        Err(EncodeError::TooLong) => return assert!(block.attributes.as_bytes().len() > 30_000),
        Err(EncodeError::Nlri) => panic!("{block:?}"),
    };
    let mut entries = block.entries();
    for body in &bodies {
        let mut decoder = Decoder::new();
        let update = decoder.decode(body, &session).expect("what was encoded");
        assert_eq!(update.faults, []);
        for again in update.blocks() {
            assert_eq!((again.afi, again.safi, again.action), (afi, safi, block.action));
            assert_eq!(again.attributes, block.attributes);
            for entry in again.entries() {
                let expected = entries.next().expect("as many routes as before");
                // Of several labels of an announcement that is treated as withdrawn, the first is encoded.
                if !block.is_treated_as_withdraw {
                    assert_eq!(entry, expected);
                }
            }
        }
    }
    assert_eq!(entries.next(), None::<Entry<'_>>);
}

fuzz_target!(|octets: &[u8]| {
    view(AttributeSet::new(octets));
    path(AsPath::new(octets));
    let Some((agreed, body)) = octets.split_first() else { return };
    let session = session(*agreed);
    let mut decoder = Decoder::new();
    // What the message before leaves behind does not matter.
    _ = decoder.decode(body.get(7..).unwrap_or_default(), &session);
    match decoder.decode(body, &session) {
        Ok(update) => {
            let is_withdrawn = update.faults.iter().any(|fault| fault.outcome == Outcome::TreatedAsWithdraw);
            let mut routes = 0;
            for block in update.blocks() {
                assert!(block.entries().next().is_some());
                assert_eq!(block.attributes.is_empty(), block.action == Action::Withdraw);
                assert!(!(is_withdrawn && block.action == Action::Announce));
                routes += block.entries().count();
                check_entries(block, body);
                view(block.attributes);
                if block.action == Action::Announce {
                    assert!(block.attributes.origin().is_some());
                    assert!(block.attributes.iter().is_sorted_by(|a, b| a.code < b.code));
                }
                round_trip(block, &session);
            }
            assert!(routes <= body.len());
            assert!(update.faults.len() <= body.len() + 3);
            assert!(update.faults.iter().all(|fault| (19..=19 + body.len()).contains(&fault.offset)));
            assert!(update.end_of_rib.is_none() || routes == 0);
        }
        Err(error) => {
            assert!((19..=19 + body.len()).contains(&error.offset));
            assert!(is_within(error.data(body), body));
            assert!((1..=11).contains(&error.subcode()));
            assert!(error.notification(body).data().len() <= 4096 - 21);
        }
    }
});
