use super::*;
use crate::tunnel::{Kind, Ports, inner, innermost};

pub(super) fn udp4(port: u16, contents: &[&[u8]]) -> Vec<u8> {
    ipv4(17, &udp(9999, port, &join(contents)))
}

fn gre(contents: &[&[u8]]) -> Vec<u8> {
    ipv4(47, &join(contents))
}

/// Packets in all kinds of tunnels, with their identifiers.
pub(super) fn tunnels() -> Vec<(Kind, Option<u32>, Vec<u8>)> {
    let dns = dns();
    let frame = ethernet(ethertype::IPV4, &dns);
    // From the access point to a station.
    let wireless = join(&[&[8, 2, 0, 0], &DESTINATION, &[0xc; 6], &SOURCE, &[0, 0], &SNAP, &dns]);
    let vxlan = [8, 0, 0, 0, 0, 0x13, 0x88, 0];
    let gpe = |next| [0x0c, 0, 0, next, 0, 0, 9, 0];
    let session = [0, 0, 0, 77];
    vec![
        (Kind::Ip, None, ipv4(4, &dns)),
        (Kind::Ip, None, ipv6(4, &dns)),
        (Kind::Ip, None, ipv4(94, &dns)),
        (Kind::EtherIp, None, ipv4(97, &join(&[&[0x30, 0], &frame]))),
        (Kind::EtherIp, None, ipv6(143, &frame)),
        (Kind::MplsIp, None, ipv4(137, &join(&[&[0, 1, 1, 64], &dns]))),
        (Kind::Gre, None, gre(&[&[0, 0, 8, 0], &dns])),
        (Kind::Gre, Some(7), gre(&[&[0xb0, 0, 8, 0], &[1; 4], &[0, 0, 0, 7], &[0; 4], &dns])),
        (Kind::Gre, Some(5), gre(&[&[0x30, 0x81, 0x88, 0x0b], &[0, 40, 0, 5], &[0; 8], &[0x21], &dns])),
        (Kind::Gre, None, gre(&[&[0, 0, 0x88, 0x47], &[0, 1, 1, 64], &dns])),
        (Kind::Gre, None, gre(&[&[0, 0, 0x65, 0x58], &frame])),
        (Kind::Gre, None, gre(&[&[0, 0, 0x88, 0x3e], &dns])),
        (Kind::Gre, None, gre(&[&[0, 0, 0x88, 0x3e], &[0, 80, 0, 0], &dns])),
        (Kind::Gre, None, gre(&[&[0, 0, 0x89, 9], &[8, 0, 1, 1, 0, 1, 0, 5], &dns])),
        (Kind::Gre, None, gre(&[&[0, 0, 0x82, 0], &wireless])),
        (Kind::Nvgre, Some(0x010203), gre(&[&[0x20, 0, 0x65, 0x58], &[1, 2, 3, 9], &frame])),
        (Kind::Erspan, None, gre(&[&[0, 0, 0x88, 0xbe], &frame])),
        (Kind::Erspan, Some(0x105), gre(&[&[0x10, 0, 0x88, 0xbe], &[0; 4], &[0x10, 0, 1, 5, 0, 0, 0, 0], &frame])),
        (
            Kind::Erspan,
            Some(6),
            gre(&[&[0x10, 0, 0x22, 0xeb], &[0; 4], &[0x20, 0, 0, 6], &[0; 7], &[1], &[0; 8], &frame]),
        ),
        (Kind::Erspan, Some(6), gre(&[&[0x10, 0, 0x22, 0xeb], &[0; 4], &[0x20, 0, 0, 6], &[0; 6], &[8, 0], &dns])),
        (Kind::Vxlan, Some(0x1388), udp4(4789, &[&vxlan, &frame])),
        (Kind::Vxlan, Some(9), udp4(4790, &[&gpe(1), &dns])),
        (Kind::Vxlan, Some(9), udp4(4790, &[&gpe(3), &frame])),
        (Kind::Vxlan, Some(9), udp4(4790, &[&gpe(4), &[0, 2, 1, 1, 0, 0, 1, 1], &dns])),
        (Kind::Vxlan, Some(9), udp4(4790, &[&gpe(5), &[0, 1, 1, 64], &dns])),
        (Kind::Geneve, Some(3), udp4(6081, &[&[2, 0, 0x65, 0x58, 0, 0, 3, 0], &[0; 8], &frame])),
        (Kind::Geneve, Some(3), udp4(6081, &[&[0, 0, 8, 0, 0, 0, 3, 0], &dns])),
        (Kind::Gtp, Some(0xcafe), udp4(2152, &[&[0x30, 255, 0, 9, 0, 0, 0xca, 0xfe], &dns])),
        (Kind::Gtp, Some(1), udp4(2152, &[&[0x34, 255, 0, 9, 0, 0, 0, 1], &[0, 0, 0, 0x85], &[1, 0, 0, 0], &dns])),
        (Kind::Gtp, Some(8), udp4(3386, &[&[0x1e, 255, 0, 9], &[0; 12], &[0, 0, 0, 8], &dns])),
        (Kind::Ayiya, None, udp4(5072, &[&[0x41, 0x50, 0, 4], &[0; 4], &[0; 16], &[0; 20], &dns])),
        (Kind::MplsUdp, None, udp4(6635, &[&[0, 1, 1, 64], &dns])),
        (
            Kind::L2tp,
            Some(0x0001_0002),
            udp4(1701, &[&[0x4a, 2, 0, 40, 0, 1, 0, 2, 0, 0, 0, 0, 0, 1, 9], &[0xff, 3, 0, 0x21], &dns]),
        ),
        (Kind::L2tp, Some(77), udp4(1701, &[&[0, 3, 0, 0], &session, &[5; 4], &frame])),
        (Kind::L2tp, Some(77), ipv4(115, &join(&[&session, &frame]))),
        (Kind::L2tp, Some(77), ipv4(115, &join(&[&session, &[5; 8], &[0; 4], &frame]))),
    ]
}

#[test]
fn all_tunnels_are_decoded() {
    for (kind, id, outer) in tunnels() {
        let outer = decode(LinkType::RAW, &outer);
        let found = inner(&outer, &Ports::default()).unwrap_or_else(|| panic!("{kind:?}"));
        assert_eq!((found.kind, found.id), (kind, id));
        assert!(is_dns(&found.packet), "{kind:?} {:?}", found.packet);
    }
}

#[test]
fn ipv6_is_found_in_ipv4_and_in_teredo() {
    let six = ipv6(58, &[128, 0, 0, 0, 0, 0, 0, 0]);
    let packet = ipv4(41, &six);
    let found = inner(&decode(LinkType::RAW, &packet), &Ports::default()).unwrap().packet;
    assert_eq!((found.etype, found.icmp), (Some(ethertype::IPV6), Some((128, 0))));
    let authenticated = [0, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0];
    for parts in [&[&authenticated[..], &[0; 8], &six][..], &[&[0; 8], &six], &[&six]] {
        let packet = udp4(3544, parts);
        let found = inner(&decode(LinkType::RAW, &packet), &Ports::default()).unwrap();
        assert_eq!((found.kind, found.packet.icmp), (Kind::Teredo, Some((128, 0))));
    }
}

#[test]
fn other_packets_and_empty_tunnels_return_none() {
    let dns = dns();
    let frame = ethernet(ethertype::IPV4, &dns);
    let mut later = ipv4(4, &dns);
    later[6..8].copy_from_slice(&[0, 1]);
    let answer = ipv4(17, &udp(4789, 53, &join(&[&[8, 0, 0, 0, 0, 0, 1, 0], &frame])));
    for (packet, what) in [
        (dns.clone(), "DNS"),
        (later, "a later fragment"),
        (answer, "a source port that was chosen at random"),
        (udp4(4789, &[&[0, 0, 0, 0, 0, 0, 1, 0], &frame]), "VXLAN without an identifier"),
        (udp4(2152, &[&[0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0]]), "a GTP echo request"),
        (udp4(2123, &[&[0x30, 255, 0, 9, 0, 0, 0, 1], &dns]), "GTP control"),
        (udp4(1701, &[&[0xc8, 2, 0, 20, 0, 1, 0, 0, 0, 0, 0, 0]]), "an L2TP control message"),
        (ipv4(115, &[0; 40]), "an L2TP control message over IP"),
        (ipv4(47, &[0x40, 0, 8, 0, 0, 0, 0, 0, 0x45, 0]), "source routed GRE"),
        (ipv4(47, &[0, 0, 0, 0]), "a GRE keepalive"),
        (ipv4(50, &dns), "ESP"),
    ] {
        assert_eq!(inner(&decode(LinkType::RAW, &packet), &Ports::default()), None, "{what}");
    }
}

#[test]
fn ports_and_tunnels_can_be_selected() {
    let frame = ethernet(ethertype::IPV4, &dns());
    let vxlan = udp4(4789, &[&[8, 0, 0, 0, 0, 0x13, 0x88, 0], &frame]);
    let vxlan = decode(LinkType::RAW, &vxlan);
    let gtp = Ports::only(vec![(2152, Kind::Gtp)]);
    assert!(inner(&vxlan, &gtp).is_none());
    let gre = ipv4(47, &join(&[&[0, 0, 8, 0], &dns()]));
    assert!(inner(&decode(LinkType::RAW, &gre), &gtp).is_none());
    let other = udp4(1234, &[&[8, 0, 0, 0, 0, 0x13, 0x88, 0], &frame]);
    let other = decode(LinkType::RAW, &other);
    assert!(inner(&other, &Ports::default()).is_none());
    assert!(is_dns(&inner(&other, &Ports::only(vec![(1234, Kind::Vxlan)])).unwrap().packet));
}

#[test]
fn nested_tunnels_are_decoded_up_to_the_depth() {
    let mut packet = dns();
    for depth in 1..=5 {
        packet = ipv4(4, &packet);
        let outer = decode(LinkType::RAW, &packet);
        let found = innermost(&outer, &Ports::default(), 4).unwrap().packet;
        assert_eq!(is_dns(&found), depth <= 4);
        assert_eq!(found.offsets.l3, Some(20 * depth.min(4)));
    }
    assert!(innermost(&decode(LinkType::RAW, &dns()), &Ports::default(), 4).is_none());
}

#[test]
fn the_inner_packet_has_the_inner_mac_addresses() {
    let frame = join(&[&[4; 6], &[6; 6], &[0x81, 0, 0, 9, 8, 0], &dns()]);
    let outer = ethernet(ethertype::IPV4, &udp4(4789, &[&[8, 0, 0, 0, 0, 0, 1, 0], &frame]));
    let outer = decode(LinkType::ETHERNET, &outer);
    let inside = inner(&outer, &Ports::default()).unwrap().packet;
    assert_eq!((outer.src_mac, outer.vlan()), (Some(SOURCE), None));
    assert_eq!((inside.src_mac, inside.dst_mac, inside.vlan()), (Some([6; 6]), Some([4; 6]), Some(9)));
    assert_eq!((inside.ip_length(81 + 18), inside.frame.len()), (31, outer.frame.len()));
}
