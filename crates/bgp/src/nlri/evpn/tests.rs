use super::*;
use crate::value::Json;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::Truncated;

fn octets(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

const RD: &str = "0001 0a000001 0064";
const ESI: &str = "00 11 22 33 44 55 66 77 88 99";

#[test]
fn each_type_shows_its_members() {
    let rd = r#""rd":"1:10.0.0.1:100""#;
    let esi = r#""esi":"00:11:22:33:44:55:66:77:88:99""#;
    for (text, shown) in [
        (
            format!("01 19 {RD} {ESI} ffffffff 000641"),
            format!(
                r#""nlri_type":"Ethernet Auto-Discovery",{rd},{esi},"ethernet_tag":4294967295,"mpls_label":"100","vni":1601"#
            ),
        ),
        (
            format!("02 28 {RD} {ESI} 00000005 30 0200 5e10 0001 20 c0000201 002710 000321"),
            format!(
                r#""nlri_type":"MAC/IP Advertisement",{rd},{esi},"ethernet_tag":5,"mac":"02:00:5e:10:00:01","ip":"192.0.2.1","mpls_label":"625","vni":10000,"mpls_label2":"50","vni2":801"#
            ),
        ),
        (
            format!("02 21 {RD} {ESI} 00000005 30 0200 5e10 0001 00 002710"),
            format!(
                r#""nlri_type":"MAC/IP Advertisement",{rd},{esi},"ethernet_tag":5,"mac":"02:00:5e:10:00:01","mpls_label":"625","vni":10000"#
            ),
        ),
        (
            format!("03 11 {RD} 00000000 20 0a000001"),
            format!(
                r#""nlri_type":"Inclusive Multicast Ethernet Tag",{rd},"ethernet_tag":0,"originator":"10.0.0.1""#
            ),
        ),
        (
            format!("04 23 {RD} {ESI} 80 20010db8 00000000 00000000 00000001"),
            format!(r#""nlri_type":"Ethernet Segment",{rd},{esi},"originator":"2001:db8::1""#),
        ),
        (
            format!("05 22 {RD} {ESI} 00000000 18 c0000200 0a000009 000641"),
            format!(
                r#""nlri_type":"IP Prefix",{rd},{esi},"ethernet_tag":0,"ip_prefix":"192.0.2.0/24","gateway":"10.0.0.9","mpls_label":"100","vni":1601"#
            ),
        ),
        (
            format!("06 18 {RD} 00000007 00 20 ef010101 20 0a000001 02"),
            format!(
                r#""nlri_type":"Selective Multicast Ethernet Tag",{rd},"ethernet_tag":7,"group":"239.1.1.1","originator":"10.0.0.1","flags":2"#
            ),
        ),
        (
            format!("07 26 {RD} {ESI} 00000007 20 c0000201 20 ef010101 20 0a000001 04"),
            format!(
                r#""nlri_type":"Multicast Membership Report Synch",{rd},{esi},"ethernet_tag":7,"source":"192.0.2.1","group":"239.1.1.1","originator":"10.0.0.1","flags":4"#
            ),
        ),
        (
            format!("08 27 {RD} {ESI} 00000007 00 20 ef010101 20 0a000001 00000000 0a 04"),
            format!(
                r#""nlri_type":"Multicast Leave Synch",{rd},{esi},"ethernet_tag":7,"group":"239.1.1.1","originator":"10.0.0.1","max_response_time":10,"flags":4"#
            ),
        ),
        (
            format!("09 14 {RD} 00000000 0002 fde8 00000001"),
            format!(r#""nlri_type":"Per-Region I-PMSI A-D",{rd},"ethernet_tag":0,"region":"0002fde800000001""#),
        ),
        (
            format!("0a 13 {RD} 00000000 00 00 20 0a000001"),
            format!(r#""nlri_type":"S-PMSI A-D",{rd},"ethernet_tag":0,"originator":"10.0.0.1""#),
        ),
        (
            format!("0b 18 03 11 {RD} 00000000 20 0a000001 20 0a000002"),
            format!(
                r#""nlri_type":"Leaf A-D","route_key":{{"nlri_type":"Inclusive Multicast Ethernet Tag",{rd},"ethernet_tag":0,"originator":"10.0.0.1"}},"originator":"10.0.0.2""#
            ),
        ),
        (
            "0b 0c 0b 05 00 00 20 00 00 20 0a000002".into(),
            r#""nlri_type":"Leaf A-D","route_key_octets":"0b050000200000","originator":"10.0.0.2""#.into(),
        ),
        ("2a 02 dead".into(), r#""nlri_type":"42","octets":"dead""#.into()),
    ] {
        let octets = octets(&text);
        let route = Evpn::decode(&octets).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(Json(&route).to_string(), format!("{{{shown}}}"));
        let mut w = Writer::new();
        route.write(&mut w);
        assert_eq!(w.finish(), octets, "{text}");
        for cut in 0..octets.len() {
            assert!(Evpn::decode(&octets[..cut]).is_err(), "{text} cut at {cut}");
        }
    }
}

#[test]
fn wrong_lengths_are_errors() {
    for (text, error) in [
        (format!("03 11 {RD} 00000000 21 0a000001"), Malformed::Length { at: 14, length: 33 }),
        (format!("03 0d {RD} 00000000 00"), Malformed::Length { at: 14, length: 0 }),
        (
            format!("02 21 {RD} {ESI} 00000005 2f 0200 5e10 0001 00 002710"),
            Malformed::Length { at: 24, length: 47 },
        ),
        (
            format!("05 22 {RD} {ESI} 00000000 21 c0000200 0a000009 000641"),
            Malformed::Length { at: 24, length: 33 },
        ),
        (
            format!("05 23 {RD} {ESI} 00000000 18 c0000200 0a000009 000641 00"),
            Malformed::Length { at: 25, length: 12 },
        ),
        (format!("01 1a {RD} {ESI} ffffffff 000641 00"), Malformed::Trailing { at: 27, left: 1 }),
        ("2a 01 00 00".into(), Malformed::Trailing { at: 3, left: 1 }),
        ("01 01 00".into(), Malformed::Truncated(Truncated { at: 2, wanted: 8, left: 1 })),
    ] {
        assert_eq!(Evpn::decode(&octets(&text)), Err(error), "{text}");
    }
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<Ipv4Addr>().prop_map(IpAddr::V4), any::<Ipv6Addr>().prop_map(IpAddr::V6)]
}

proptest! {
    #[test]
    fn written_routes_read_back(
        (rd, esi, tag) in any::<([u8; 8], [u8; 10], u32)>(),
        (label, second) in any::<([u8; 3], Option<[u8; 3]>)>(),
        mac in any::<[u8; 6]>(),
        (a, b, originator) in (prop::option::of(any_address()), prop::option::of(any_address()), any_address()),
        length in 0u8..=32,
        (reserved, time, flags, region) in any::<([u8; 4], u8, u8, [u8; 8])>(),
    ) {
        let (rd, esi, label) = (RouteDistinguisher(rd), Esi(esi), LabelField(label));
        let flow = Flow { source: a, group: b, originator };
        let prefix = Prefix::new(originator, length).unwrap();
        let mut key = Writer::new();
        Evpn::InclusiveMulticast { rd, tag, originator }.write(&mut key);
        let key = key.finish();
        for route in [
            Evpn::EthernetAd { rd, esi, tag, label },
            Evpn::MacIp { rd, esi, tag, mac: Mac(mac), ip: a, label, label2: second.map(LabelField) },
            Evpn::InclusiveMulticast { rd, tag, originator },
            Evpn::EthernetSegment { rd, esi, originator },
            Evpn::IpPrefix { rd, esi, tag, prefix, gateway: originator, label },
            Evpn::SelectiveMulticast { rd, tag, flow, flags },
            Evpn::MembershipReportSynch { rd, esi, tag, flow, flags },
            Evpn::LeaveSynch { rd, esi, tag, flow, reserved, max_response_time: time, flags },
            Evpn::PerRegionIPmsi { rd, tag, region },
            Evpn::SPmsi { rd, tag, flow },
            Evpn::Leaf { route_key: &key, originator },
            Evpn::Unknown { route_type: RouteType(flags | 0x80), octets: &region },
        ] {
            let mut w = Writer::new();
            route.write(&mut w);
            let octets = w.finish();
            prop_assert_eq!(Evpn::decode(&octets), Ok(route));
        }
    }

    #[test]
    fn any_octets_are_a_route_or_an_error(
        route_type in 0u8..13,
        body in prop::collection::vec(prop_oneof![any::<u8>(), Just(32u8), Just(0u8)], 0..60),
    ) {
        let mut octets = vec![route_type, body.len() as u8];
        octets.extend(&body);
        if let Ok(route) = Evpn::decode(&octets) {
            _ = Json(&route).to_string();
        }
        _ = Evpn::decode(&body);
    }
}
