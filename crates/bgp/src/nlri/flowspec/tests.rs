use super::*;
use crate::value::Json;
use proptest::prelude::*;
use wire::Truncated;

#[test]
fn the_examples_of_the_rfcs() {
    // RFC 8955 section 4.4.1: TCP to 192.0.2.0/24, port 25.
    let smtp = [0x0b, 1, 0x18, 0xc0, 0, 2, 3, 0x81, 6, 4, 0x81, 0x19];
    // RFC 8955 section 4.4.2: from 203.0.113.0/24 to 192.0.2.0/24, ports 137 to 139, and 8080.
    let ports = [0x12, 1, 0x18, 0xc0, 0, 2, 2, 0x18, 0xcb, 0, 0x71, 4, 0x03, 0x89, 0x45, 0x8b, 0x91, 0x1f, 0x90];
    // RFC 8955 section 4.4.3: fragments to 192.0.2.1.
    let fragment = [0x09, 1, 0x20, 0xc0, 0, 2, 1, 12, 0x80, 5];
    // RFC 8956 section 3.8.1: TCP from 2001:db8::/32 with an interface identifier, to a pattern.
    let pattern = [0x0f, 1, 0x68, 0x40, 0x12, 0x34, 0x56, 0x78, 0x9a, 2, 0x20, 0, 0x20, 1, 0x0d, 0xb8];
    for (family, octets, text) in [
        (Family::V4, &smtp[..], "dst 192.0.2.0/24 proto =6 port =25"),
        (Family::V4, &ports, "dst 192.0.2.0/24 src 203.0.113.0/24 port >=137&<=139|=8080"),
        (Family::V4, &fragment, "dst 192.0.2.1/32 fragment dont+first"),
        (Family::V6, &pattern, "dst ::1234:5678:9a00:0/64-104 src 2001:db8::/32"),
    ] {
        let flowspec = Flowspec::decode(family, false, octets).unwrap();
        assert_eq!(flowspec.to_string(), text);
        assert_eq!(Builder::parse(family, text).unwrap().finish(None).unwrap(), octets);
        for cut in 0..octets.len() {
            assert!(Flowspec::decode(family, false, &octets[..cut]).is_err(), "{text} cut at {cut}");
        }
    }
}

#[test]
fn members_are_the_text_and_each_component() {
    let rd = RouteDistinguisher([0, 0, 0xfd, 0xe9, 0, 0, 0, 1]);
    let text = "src 10.0.0.0/8 icmp-type =8 tcp-flags !=syn+ack+0x100|0x0 length >65536 dscp true";
    let octets = Builder::parse(Family::V4, text).unwrap().finish(Some(rd)).unwrap();
    let flowspec = Flowspec::decode(Family::V4, true, &octets).unwrap();
    assert_eq!(
        Json(&flowspec).to_string(),
        concat!(
            r#"{"rd":"0:65001:1","flowspec":"src 10.0.0.0/8 icmp-type =8 tcp-flags !=syn+ack+0x100|0x0 "#,
            r#"length >65536 dscp true","match":{"src":"10.0.0.0/8","icmp_type":"=8","#,
            r#""tcp_flags":"!=syn+ack+0x100|0x0","length":">65536","dscp":"true"}}"#
        )
    );
}

#[test]
fn malformed_specifications_are_errors() {
    let truncated = |at, wanted, left| Malformed::Truncated(Truncated { at, wanted, left });
    for (family, octets, error) in [
        (Family::V4, &[0][..], Malformed::Length { at: 1, length: 0 }),
        (Family::V4, &[3, 14, 0x81, 1], Malformed::Value { at: 1, value: 14 }),
        (Family::V4, &[3, 13, 0x81, 1], Malformed::Value { at: 1, value: 13 }),
        (Family::V4, &[6, 3, 0x81, 1, 3, 0x81, 1], Malformed::Value { at: 4, value: 3 }),
        (Family::V4, &[6, 4, 0x81, 1, 3, 0x81, 1], Malformed::Value { at: 4, value: 3 }),
        (Family::V4, &[3, 3, 0x01, 1], truncated(4, 1, 0)),
        (Family::V4, &[3, 3, 0x91, 1], truncated(3, 2, 1)),
        (Family::V4, &[2, 1, 33], Malformed::Length { at: 2, length: 33 }),
        (Family::V6, &[3, 1, 129, 0], Malformed::Length { at: 2, length: 129 }),
        (Family::V6, &[3, 1, 64, 64], Malformed::Length { at: 2, length: 64 }),
        (Family::V6, &[3, 1, 0, 1], Malformed::Length { at: 2, length: 0 }),
        (Family::V4, &[0xf0, 3, 3, 0x81, 1, 0], Malformed::Trailing { at: 5, left: 1 }),
    ] {
        assert_eq!(Flowspec::decode(family, false, octets), Err(error), "{octets:?}");
    }
    for (text, word) in [
        ("", 0),
        ("dst", 1),
        ("dst 10.0.0.0", 1),
        ("dst ::/0", 1),
        ("proto =6 dst 10.0.0.0/8", 2),
        ("flow-label =1", 0),
        ("proto 6", 1),
        ("proto =+6", 1),
        ("tcp-flags up", 1),
        ("nothing =1", 0),
    ] {
        assert_eq!(Builder::parse(Family::V4, text).err(), Some(FlowspecError(word)), "{text}");
    }
    let mut long = Builder::new();
    long.terms(ComponentType::PORT, &[Term { operator: Term::EQUAL, value: 1 }; 3000]);
    assert!(long.finish(None).is_err());
}

fn any_terms() -> impl Strategy<Value = Vec<Term>> {
    let value = prop_oneof![0u64..300, any::<u64>(), 0u64..100_000];
    let term = (0u8..8, any::<bool>(), value).prop_map(|(comparison, and, value)| Term {
        operator: comparison | if and { Term::AND } else { 0 },
        value,
    });
    prop::collection::vec(term, 1..4)
}

proptest! {
    #[test]
    fn built_specifications_read_back(
        v6: bool,
        (bits, length, offset) in (any::<u128>(), 0u8..=32, any::<u8>()),
        all in prop::collection::btree_map(3u8..13, any_terms(), 1..4),
        rd in prop::option::of(any::<[u8; 8]>()),
    ) {
        let (family, length) = if v6 { (Family::V6, length * 4) } else { (Family::V4, length) };
        let offset = if v6 && length > 0 { offset % length } else { 0 };
        let address = if v6 { Ipv6Addr::from_bits(bits >> offset).into() } else { std::net::Ipv4Addr::from_bits(bits as u32).into() };
        let prefix = Prefix::new(address, length).unwrap();
        let mut builder = Builder::new();
        builder.prefix(ComponentType::SOURCE, prefix, offset);
        for (kind, terms) in &all {
            builder.terms(ComponentType(*kind), terms);
        }
        let octets = builder.finish(rd.map(RouteDistinguisher)).unwrap();
        let flowspec = Flowspec::decode(family, rd.is_some(), &octets).unwrap();
        prop_assert_eq!(flowspec.rd(), rd.map(RouteDistinguisher));
        let mut components = flowspec.components();
        prop_assert_eq!(components.next(), Some(Component::Prefix { kind: ComponentType::SOURCE, prefix, offset }));
        for (component, (kind, terms)) in components.zip(&all) {
            let Component::Terms { kind: read, terms: found } = component else { panic!("terms") };
            let mut terms = terms.clone();
            terms[0].operator &= !Term::AND;
            prop_assert_eq!((read, found.collect::<Vec<_>>()), (ComponentType(*kind), terms));
        }
        // Text loses values of constants, and bits that have no meaning; what it keeps is stable.
        let text = flowspec.to_string();
        let again = Builder::parse(family, &text).unwrap().finish(None).unwrap();
        prop_assert_eq!(Flowspec::decode(family, false, &again).unwrap().to_string(), text);
        _ = Json(&flowspec).to_string();
    }

    #[test]
    fn any_octets_are_a_specification_or_an_error(
        v6: bool,
        in_vpn: bool,
        body in prop::collection::vec(prop_oneof![0u8..14, any::<u8>(), Just(0x81u8)], 0..40),
    ) {
        let family = if v6 { Family::V6 } else { Family::V4 };
        let octets = [&[body.len() as u8][..], &body].concat();
        for octets in [&octets[..], &body] {
            if let Ok(flowspec) = Flowspec::decode(family, in_vpn, octets) {
                prop_assert!(flowspec.components().count() > 0);
                _ = Json(&flowspec).to_string();
            }
        }
    }

    #[test]
    fn any_text_is_a_specification_or_an_error(v6: bool, text in "((dst|src|proto|port|tcp-flags|fragment) [0-9a-f:./=<>!&|+x-]{0,12} ?){0,3}|.*") {
        _ = Builder::parse(if v6 { Family::V6 } else { Family::V4 }, &text);
    }
}
