//! Whole messages.

use super::*;
use crate::nlri::Labels;

#[test]
fn an_announcement_has_its_attributes_and_prefixes() {
    let body = body(ROUTE, &format!("{MANDATORY} 800404 00000032 c00808 fde900c8 fde90064"), "18c63364 00");
    let mut decoder = Decoder::new();
    let update = decoder.decode(&body, &asn4()).unwrap();
    assert_eq!(routes(&update), ["-192.0.2.0/24", "+198.51.100.0/24", "+0.0.0.0/0"]);
    let [withdrawn, announced] = update.blocks().collect::<Vec<_>>()[..] else { panic!("{update:?}") };
    assert!(withdrawn.attributes.is_empty() && !withdrawn.is_treated_as_withdraw);
    assert_eq!((announced.afi, announced.safi), (Afi::IPV4, Safi::UNICAST));
    let attributes = announced.attributes;
    assert_eq!(attributes.next_hop(), Some([10, 0, 1, 1].into()));
    assert_eq!(attributes.as_path().to_string(), "65001");
    assert_eq!((attributes.med(), attributes.local_pref()), (Some(50), None));
    let communities: Vec<_> = attributes.communities().map(|community| community.to_string()).collect();
    assert_eq!(communities, ["65001:100", "65001:200"]);
    assert!(update.faults.is_empty() && update.end_of_rib.is_none());
}

#[test]
fn a_message_can_have_routes_in_four_places_with_a_next_hop_each() {
    // AFI 2, SAFI 1, next hop 2001:db8::1, reserved, 2001:db8::/32
    let reach = attribute("800e", "000201 10 20010db8000000000000000000000001 00 20 20010db8");
    // AFI 2, SAFI 1, 2001:db8:1::/48
    let unreach = attribute("800f", "000201 30 20010db80001");
    let body = body("08 0b", &format!("{unreach} {MANDATORY} {reach}"), "08 0a");
    let mut decoder = Decoder::new();
    let update = decoder.decode(&body, &asn4()).unwrap();
    assert_eq!(routes(&update), ["-11.0.0.0/8", "-2001:db8:1::/48", "+2001:db8::/32", "+10.0.0.0/8"]);
    let next_hops: Vec<_> = update.blocks().map(|block| block.attributes.next_hop()).collect();
    let v6 = "2001:db8::1".parse().ok();
    assert_eq!(next_hops, [None, None, v6, Some([10, 0, 1, 1].into())]);
}

#[test]
fn an_end_of_rib_marker_is_of_any_family_and_contains_nothing_else() {
    let end_of_rib = |body: &[u8]| Decoder::new().decode(body, &asn4()).unwrap().end_of_rib;
    assert_eq!(end_of_rib(&[0, 0, 0, 0]), Some((Afi::IPV4, Safi::UNICAST)));
    assert_eq!(end_of_rib(&body("", "800f03 0019 46", "")), Some((Afi::L2VPN, Safi::EVPN)));
    assert_eq!(end_of_rib(&body("", "800f03 0001 01", "")), Some((Afi::IPV4, Safi::UNICAST)));
    assert_eq!(end_of_rib(&body("", "900f0003 4004 47", "")), Some((Afi::BGP_LS, Safi::BGP_LS)));
    assert_eq!(end_of_rib(&body(ROUTE, "", "")), None);
    assert_eq!(end_of_rib(&body(ROUTE, "800f03 000201", "")), None);
    assert_eq!(end_of_rib(&body("", &format!("800f03 000201 {MANDATORY}"), "")), None);
    assert_eq!(end_of_rib(&body("", MANDATORY, "")), None);
    assert_eq!(end_of_rib(&body("", "800f05 000201 08 20", "")), None);
}

#[test]
fn attributes_without_routes_announce_nothing() {
    for attributes in [MANDATORY, "400101 00  400206 0201 0000fde9  800e09 000101 04 0a000001 00"] {
        let body = body("", attributes, "");
        let mut decoder = Decoder::new();
        let update = decoder.decode(&body, &asn4()).unwrap();
        assert_eq!((update.blocks().count(), update.faults), (0, &[][..]));
    }
}

#[test]
fn a_decoder_forgets_the_message_before() {
    let mut decoder = Decoder::new();
    let bad = body("", &format!("{MANDATORY} 400501 00 c00804 00010002"), ROUTE);
    assert_eq!(decoder.decode(&bad, &asn4()).unwrap().faults.len(), 1);
    let good = body("", MANDATORY, ROUTE);
    let update = decoder.decode(&good, &asn4()).unwrap();
    assert_eq!((update.faults.len(), update.blocks().next().unwrap().attributes.communities().len()), (0, 0));
    assert_eq!(routes(&update), ["+192.0.2.0/24"]);
}

#[test]
fn reasons_have_names_of_their_own() {
    let names: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    assert_eq!(names.len(), Reason::ALL.len());
    for (i, reason) in Reason::ALL.iter().enumerate() {
        assert_eq!(*reason as usize, i);
        assert!((1..=11).contains(&reason.subcode()));
        assert!(reason.name().bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_'));
    }
}

#[test]
fn buffers_grow_with_the_largest_message_only() {
    // A path to be merged with sets to be sorted, communities of all kinds to be sorted, a fault.
    let large = format!(
        "400101 00 400304 0a000101 {} {} c00808 00000002 00000001 c01010 0002000000000002 0002000000000001 {} 400601 00",
        attribute("4002", "0203 fde9 fdea 5ba0 0102 0002 0001"),
        attribute("c011", "0201 00010000 0102 00000002 00000001"),
        attribute("c020", "000000020000000000000000 000000010000000000000000"),
    );
    let large = body("", &large, ROUTE);
    let small = body("", MANDATORY_2, ROUTE);
    let mut decoder = Decoder::new();
    assert_eq!(decoder.decode(&large, &asn2()).unwrap().faults.len(), 1);
    let capacity = decoder.capacity();
    for message in [&small, &large, &small, &large] {
        assert_eq!(decoder.decode(message, &asn2()).unwrap().blocks().count(), 1);
        assert_eq!(decoder.capacity(), capacity);
    }
    // However long a message is, the buffers have room for little more than its attributes as they are written in canonical form.
    let long = format!("400101 00 400304 0a000101 400204 0201fde9 {}", "c0fa00".repeat(20_000));
    assert_eq!(decoder.decode(&body("", &long, ROUTE), &asn2()).unwrap().faults.len(), 1);
    assert!(decoder.capacity() < 4 * 4096, "{}", decoder.capacity());
}

#[test]
fn what_cannot_be_read_back_is_not_encoded() {
    use crate::attribute::{AttributeSetBuf, Origin};
    use crate::nlri::{Labels, Opaque};
    let multiple_labels = [(Afi::IPV6, Safi::LABELED_UNICAST)].into_iter().collect();
    let session = Session { multiple_labels, ..asn4() };
    let attributes = AttributeSetBuf::new().origin(Origin::Igp).as_path(&[]).next_hop([10, 0, 0, 1].into());
    let announce = |afi, safi, nlri| {
        let entry = Entry { path_id: None, nlri };
        Encoder::new(&session).announce(afi, safi, attributes.as_set(), [entry]).map(|bodies| bodies.len())
    };
    let v4 = "192.0.2.0/24".parse().unwrap();
    let v6 = "2001:db8::/32".parse().unwrap();
    let labelled = |labels: &'static [u8], prefix| Nlri::Labelled { labels: Labels::new(labels), prefix };
    let labels = Safi::LABELED_UNICAST;
    for (afi, safi, nlri, expected) in [
        (Afi::IPV4, Safi::UNICAST, Nlri::Unicast(v4), Ok(1)),
        (Afi::IPV6, Safi::UNICAST, Nlri::Unicast(v4), Err(EncodeError::Nlri)),
        (Afi::IPV4, labels, Nlri::Unicast(v4), Err(EncodeError::Nlri)),
        (Afi::IPV4, labels, labelled(&[0, 1, 1], v4), Ok(1)),
        (Afi::IPV4, labels, labelled(&[], v4), Err(EncodeError::Nlri)),
        (Afi::IPV4, labels, labelled(&[0, 1], v4), Err(EncodeError::Nlri)),
        (Afi::IPV4, labels, labelled(&[0, 1, 0, 0, 1, 1], v4), Err(EncodeError::Nlri)),
        (Afi::IPV6, labels, labelled(&[0, 1, 0, 0, 1, 1], v6), Ok(1)),
        (Afi::IPV6, labels, labelled(&[0, 1, 1, 0, 1, 1], v6), Err(EncodeError::Nlri)),
        (Afi::IPV6, labels, labelled(&[0, 1, 0], v6), Err(EncodeError::Nlri)),
        (Afi::L2VPN, Safi::EVPN, Nlri::Other(Opaque::new(&[1, 1, 7])), Ok(1)),
        (Afi::L2VPN, Safi::EVPN, Nlri::Other(Opaque::new(&[1, 1])), Err(EncodeError::Nlri)),
        (Afi::L2VPN, Safi::EVPN, Nlri::Other(Opaque::new(&[1, 0, 1])), Err(EncodeError::Nlri)),
    ] {
        assert_eq!(announce(afi, safi, nlri), expected, "{afi} {safi} {nlri:?}");
    }
    let route = [Entry { path_id: None, nlri: Nlri::Unicast(v4) }];
    let encoder = Encoder { max_len: 40, ..Encoder::new(&session) };
    let error = encoder.announce(Afi::IPV4, Safi::UNICAST, attributes.as_set(), route);
    assert_eq!(error, Err(EncodeError::TooLong));
    let malformed = AttributeSet::new(&[0x40, 1, 2, 0]);
    let error = Encoder::new(&session).announce(Afi::IPV4, Safi::MULTICAST, malformed, route);
    assert_eq!(error, Err(EncodeError::Attributes));
}

#[test]
fn a_set_of_families_has_each_once() {
    let mut families = Families::new();
    assert!(families.is_empty());
    families.insert(Afi::IPV6, Safi::UNICAST);
    families.insert(Afi::IPV6, Safi::UNICAST);
    families.insert(Afi::IPV4, Safi::UNICAST);
    assert_eq!(families.iter().collect::<Vec<_>>(), [(Afi::IPV6, Safi::UNICAST), (Afi::IPV4, Safi::UNICAST)]);
    assert!(families.contains(Afi::IPV4, Safi::UNICAST) && !families.contains(Afi::IPV4, Safi::MPLS_VPN));
}

#[test]
fn a_stack_of_labels_without_agreement_is_read_if_one_label_cannot_be_meant() {
    // Two labels and a prefix of 32 bits: with one label, the prefix would have 56.
    let nlri = [80, 0, 1, 0, 0, 2, 1, 192, 0, 2, 1];
    let mut reach = vec![0, 1, 4, 4, 10, 0, 0, 1, 0];
    reach.extend_from_slice(&nlri);
    let mut body = vec![0, 0, 0, 0];
    let mut attributes = vec![0x40, 1, 1, 0, 0x40, 2, 0, 0x80, 14, reach.len() as u8];
    attributes.extend_from_slice(&reach);
    body[2..4].copy_from_slice(&(attributes.len() as u16).to_be_bytes());
    body.extend_from_slice(&attributes);
    let mut decoder = Decoder::new();
    let update = decoder.decode(&body, &asn4()).unwrap();
    let entries: Vec<_> = update.blocks().flat_map(|block| block.entries()).map(|entry| entry.nlri).collect();
    let prefix = "192.0.2.1/32".parse().unwrap();
    assert_eq!(entries, [Nlri::Labelled { labels: Labels::new(&[0, 1, 0, 0, 2, 1]), prefix }]);
}
