//! Vectors, and what holds for all frames.

use crate::*;
use proptest::prelude::*;
use std::net::IpAddr;

/// Ethernet, two VLAN tags, IPv4, TCP SYN+ACK.
fn tagged_tcp() -> Vec<u8> {
    let mut f = vec![2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa]; // destination, source
    f.extend([0x88, 0xa8, 0x60, 100, 0x81, 0, 0, 200, 8, 0]); // priority 3, 100; 200; IPv4
    f.extend([0x45, 40, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    f.extend([4, 210, 1, 187, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x12, 0x20, 0, 0, 0, 0, 0]);
    f
}

#[test]
fn tags_addresses_ports_and_flags_are_read() {
    let frame = tagged_tcp();
    let p = decode(LinkType::ETHERNET, &frame);
    assert_eq!((p.vlan(), p.inner_tag, p.etype), (Some(100), Some(200), Some(ethertype::IPV4)));
    let ip = p.ip.unwrap();
    assert_eq!((ip.source, ip.protocol, ip.tos, ip.length), (IpAddr::from([10, 0, 0, 1]), 6, 40, 40));
    assert_eq!((p.ports, p.tcp_flags), (Some((1234, 443)), 0x12));
    assert_eq!(p.payload(), &[] as &[u8]);
}

#[test]
fn ipv6_extension_headers_are_skipped_to_the_transport() {
    let mut f = vec![0x60, 0x12, 0x34, 0x56, 0, 24, 0, 64]; // payload 24, hop-by-hop next
    f.extend([0x20; 32]);
    f.extend([17, 0, 0, 0, 0, 0, 0, 0]); // hop-by-hop: 8 octets, then UDP
    f.extend([0, 9, 0, 10, 0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let mut f2 = f.clone();
    let p = decode_ip(&f);
    let ip = p.ip.unwrap();
    assert_eq!((ip.protocol, ip.flow_label, ip.length, ip.tos), (17, 0x23456, 64, 1));
    assert_eq!((p.ports, p.payload()), (Some((9, 10)), &[1, 2, 3, 4, 5, 6, 7, 8][..]));
    f2[6] = 44; // fragment header: offset 8
    f2[40..48].copy_from_slice(&[17, 0, 0, 9, 0, 0, 0, 1]);
    let p = decode_ip(&f2);
    assert_eq!((p.ports, p.ip.unwrap().fragment), (None, Some(Fragment { id: 1, offset: 8, more: true })));
}

#[test]
fn mpls_labels_lead_to_ip() {
    let mut f = vec![0; 12];
    f.extend([0x88, 0x47, 0, 1, 0, 64, 0, 0, 0x21, 64]); // labels 16, 2 (bottom)
    f.extend([0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0, 1, 0, 2, 0, 8, 0, 0]);
    let p = decode(LinkType::ETHERNET, &f);
    assert_eq!((p.labels.len(), p.ports), (8, Some((1, 2))));
}

proptest! {
    #[test]
    fn a_cut_frame_tells_nothing_that_the_whole_does_not(cut in 0usize..62) {
        let frame = tagged_tcp();
        let (whole, part) = (decode(LinkType::ETHERNET, &frame), decode(LinkType::ETHERNET, &frame[..cut]));
        prop_assert!(part.ip.is_none() || part.ip == whole.ip);
        prop_assert!(part.ports.is_none() || part.ports == whole.ports);
        prop_assert!(part.src_mac.is_none() || part.src_mac == whole.src_mac);
    }

    #[test]
    fn any_octets_end(link in 0u32..300, frame in prop::collection::vec(any::<u8>(), 0..200)) {
        let packet = decode(LinkType(link), &frame);
        prop_assert!(packet.payload().len() <= frame.len());
    }
}

/// The header of an IPv4 packet with that protocol, from 10.0.0.1 to 10.0.0.2, in front of its contents.
fn ipv4(protocol: u8, contents: &[u8]) -> Vec<u8> {
    let [high, low] = (20 + contents.len() as u16).to_be_bytes();
    let mut packet = vec![0x45, 0, high, low, 0, 7, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet.extend(contents);
    packet
}

/// UDP between these ports.
fn udp(source: u16, destination: u16, contents: &[u8]) -> Vec<u8> {
    let length = 8 + contents.len() as u16;
    let mut datagram: Vec<u8> =
        [source, destination, length, 0].iter().flat_map(|number| number.to_be_bytes()).collect();
    datagram.extend(contents);
    datagram
}

/// DNS from 192.0.2.53 to 192.0.2.1: what lies inside all tunnels here.
fn dns() -> Vec<u8> {
    let mut packet = ipv4(17, &udp(53, 4242, &[1, 2, 3]));
    packet[12..20].copy_from_slice(&[192, 0, 2, 53, 192, 0, 2, 1]);
    packet
}

fn ethernet(etype: u16, contents: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa];
    frame.extend(etype.to_be_bytes());
    frame.extend(contents);
    frame
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn is_dns(packet: &Packet<'_>) -> bool {
    packet.ports == Some((53, 4242)) && packet.ip.is_some_and(|ip| ip.source == IpAddr::from([192, 0, 2, 53]))
}

#[test]
fn every_link_type_leads_to_ip() {
    let dns = dns();
    let sll = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 0xa, 0, 0, 8, 0];
    let sll2 = [8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 0xa, 0, 0];
    let llc = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    let wifi = join(&[&[8, 2, 0, 0], &[0xb; 6], &[0xc; 6], &[0xa; 6], &[0, 0], &llc]);
    for (link, header) in [
        (LinkType::NULL, vec![2, 0, 0, 0]),
        (LinkType::LOOP, vec![0, 0, 0, 2]),
        (LinkType::ETHERNET, ethernet(ethertype::IPV4, &[])),
        (LinkType::ETHERNET, ethernet(42, &llc)),
        (LinkType::TOKEN_RING, join(&[&[0x10, 0x40], &[2; 6], &[0x82, 2, 2, 2, 2, 2], &[2, 0], &llc])),
        (LinkType::FDDI, join(&[&[0x50], &[2; 12], &llc])),
        (LinkType::PPP, vec![0xff, 3, 0, 0x21]),
        (LinkType::PPP, vec![0x21]),
        (LinkType::PPP_HDLC, vec![0xff, 3, 0, 0x21]),
        (LinkType::PPP_ETHER, vec![0x11, 0, 0, 1, 0, 40, 0, 0x21]),
        (LinkType::RAW_BSD, vec![]),
        (LinkType::RAW_OPENBSD, vec![]),
        (LinkType::RAW, vec![]),
        (LinkType::IPV4, vec![]),
        (LinkType::IPV6, vec![]),
        (LinkType::CISCO_HDLC, vec![0x0f, 0, 8, 0]),
        (LinkType::IEEE_802_11, wifi.clone()),
        (LinkType::RADIOTAP, join(&[&[0, 0, 10, 0, 0, 0, 0, 0, 9, 9], &wifi])),
        (LinkType::FRAME_RELAY, vec![0x18, 0x41, 3, 0xcc]),
        (LinkType::LINUX_SLL, sll.to_vec()),
        (LinkType::LINUX_SLL2, sll2.to_vec()),
        (LinkType::MPLS, vec![0, 1, 1, 64]),
        (LinkType::IPNET, vec![1; 24]),
        (LinkType::IPOIB, join(&[&[0; 40], &[8, 0, 0, 0]])),
        (LinkType::NFLOG, vec![2, 0, 0, 1, 5, 0, 1, 0, 7, 0, 0, 0, 35, 0, 9, 0]),
        (LinkType::NFLOG, vec![2, 0, 0, 1, 0, 5, 0, 1, 7, 0, 0, 0, 0, 35, 0, 9]),
    ] {
        let frame = join(&[&header, &dns]);
        assert!(is_dns(&decode(link, &frame)), "{link:?}");
        assert!(link.name().is_some());
    }
    assert_eq!(LinkType(147).name(), None);
    let macs = decode(LinkType::IEEE_802_11, &wifi);
    assert_eq!((macs.src_mac, macs.dst_mac), (Some([0xa; 6]), Some([0xb; 6])));
}

#[test]
fn tags_of_all_sorts_lead_to_ip() {
    let dns = dns();
    let inner = ethernet(ethertype::IPV4, &dns);
    for (etype, header, contents) in [
        (ethertype::VLAN, vec![0, 5, 0x81, 0, 0, 6, 8, 0], &dns),
        (ethertype::QINQ_OLD, vec![0, 5, 8, 0], &dns),
        (ethertype::E_TAG, vec![0, 0, 0, 0, 0, 0, 8, 0], &dns),
        (ethertype::VN_TAG, vec![0, 0, 0, 0, 8, 0], &dns),
        (ethertype::PBB, vec![0, 0, 0, 1], &inner),
        (ethertype::MACSEC, vec![0x20, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 8, 0], &dns),
        (ethertype::NSH, vec![0, 6, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &dns),
        (ethertype::NSH, vec![0, 2, 1, 3, 0, 0, 1, 1], &inner),
        (ethertype::MPLS, vec![0, 1, 0, 64, 0, 2, 0, 64, 0, 3, 1, 64], &dns),
        (ethertype::MPLS, vec![0, 1, 1, 64, 0, 0, 0, 0], &inner),
        (ethertype::PPPOE, vec![0x11, 0, 0, 1, 0, 40, 0, 0x21], &dns),
    ] {
        let frame = ethernet(etype, &join(&[&header, contents]));
        assert!(is_dns(&decode(LinkType::ETHERNET, &frame)), "{etype:x}");
    }
    let encrypted = ethernet(ethertype::MACSEC, &join(&[&[0x2c, 0], &[0; 12], &[8, 0], &dns]));
    let packet = decode(LinkType::ETHERNET, &encrypted);
    assert_eq!((packet.ip, packet.etype), (None, Some(ethertype::MACSEC)));
    let arp = decode(LinkType::ETHERNET, &[&[2; 12][..], &[8, 6], &[1; 28]].concat()).etype;
    assert_eq!(arp, Some(0x0806));
}

#[test]
fn frames_in_frames_end() {
    let mut frame = ethernet(ethertype::IPV4, &dns());
    for _ in 0..3000 {
        frame = ethernet(ethertype::PBB, &join(&[&[0; 4], &frame]));
    }
    assert_eq!(decode(LinkType::ETHERNET, &frame).ip, None);
}

#[test]
fn tunnels_of_all_sorts_are_found() {
    let dns = dns();
    let frame = ethernet(ethertype::IPV4, &dns);
    let v6 = |next: u8, contents: &[u8]| {
        let [high, low] = (contents.len() as u16).to_be_bytes();
        join(&[&[0x60, 0, 0, 0, high, low, next, 64], &[0x20; 32], contents])
    };
    let udp4 = |port, contents: &[&[u8]]| ipv4(17, &udp(9999, port, &join(contents)));
    let gre = |contents: &[&[u8]]| ipv4(47, &join(contents));
    for (kind, id, outer) in [
        (tunnel::Kind::Ip, None, ipv4(4, &dns)),
        (tunnel::Kind::Ip, None, v6(4, &dns)),
        (tunnel::Kind::Ip, None, ipv4(94, &dns)),
        (tunnel::Kind::Ip, None, v6(143, &frame)),
        (tunnel::Kind::Gre, None, gre(&[&[0, 0, 8, 0], &dns])),
        (tunnel::Kind::Gre, Some(7), gre(&[&[0xb0, 0, 8, 0], &[1; 4], &[0, 0, 0, 7], &[0; 4], &dns])),
        (tunnel::Kind::Gre, Some(5), gre(&[&[0x30, 0x81, 0x88, 0x0b], &[0, 0, 0, 5], &[0; 8], &[0x21], &dns])),
        (tunnel::Kind::Gre, None, gre(&[&[0, 0, 0x88, 0x47], &[0, 1, 1, 64], &dns])),
        (tunnel::Kind::Nvgre, Some(0x010203), gre(&[&[0x20, 0, 0x65, 0x58], &[1, 2, 3, 9], &frame])),
        (tunnel::Kind::Erspan, None, gre(&[&[0, 0, 0x88, 0xbe], &frame])),
        (
            tunnel::Kind::Erspan,
            Some(0x105),
            gre(&[&[0x10, 0, 0x88, 0xbe], &[0; 4], &[0x10, 0, 1, 5, 0, 0, 0, 0], &frame]),
        ),
        (
            tunnel::Kind::Erspan,
            Some(6),
            gre(&[&[0x10, 0, 0x22, 0xeb], &[0; 4], &[0x20, 0, 0, 6], &[0; 7], &[1], &[0; 8], &frame]),
        ),
        (tunnel::Kind::Vxlan, Some(0x1388), udp4(4789, &[&[8, 0, 0, 0, 0, 0x13, 0x88, 0], &frame])),
        (tunnel::Kind::Vxlan, Some(9), udp4(4790, &[&[0x0c, 0, 0, 1, 0, 0, 9, 0], &dns])),
        (
            tunnel::Kind::Vxlan,
            Some(9),
            udp4(4790, &[&[0x0c, 0, 0, 4, 0, 0, 9, 0], &[0, 2, 1, 1, 0, 0, 1, 1], &dns]),
        ),
        (tunnel::Kind::Geneve, Some(3), udp4(6081, &[&[2, 0, 0x65, 0x58, 0, 0, 3, 0], &[0; 8], &frame])),
        (tunnel::Kind::Geneve, Some(3), udp4(6081, &[&[0, 0, 8, 0, 0, 0, 3, 0], &dns])),
        (tunnel::Kind::Gtp, Some(0xcafe), udp4(2152, &[&[0x30, 255, 0, 9, 0, 0, 0xca, 0xfe], &dns])),
        (
            tunnel::Kind::Gtp,
            Some(1),
            udp4(2152, &[&[0x34, 255, 0, 9, 0, 0, 0, 1], &[0, 0, 0, 0x85], &[1, 0, 0, 0], &dns]),
        ),
        (tunnel::Kind::Gtp, Some(8), udp4(3386, &[&[0x1e, 255, 0, 9], &[0; 12], &[0, 0, 0, 8], &dns])),
        (tunnel::Kind::Ayiya, None, udp4(5072, &[&[0x41, 0x50, 0, 4], &[0; 4], &[0; 16], &[0; 20], &dns])),
        (tunnel::Kind::MplsUdp, None, udp4(6635, &[&[0, 1, 1, 64], &dns])),
        (
            tunnel::Kind::L2tp,
            Some(0x0001_0002),
            udp4(1701, &[&[0x4a, 2, 0, 40, 0, 1, 0, 2, 0, 0, 0, 0, 0, 1, 9], &[0xff, 3, 0, 0x21], &dns]),
        ),
    ] {
        let outer = decode(LinkType::RAW, &outer);
        let found = tunnel::inner(&outer, &tunnel::Ports::default()).unwrap_or_else(|| panic!("{kind:?}"));
        assert_eq!((found.kind, found.id), (kind, id));
        assert!(is_dns(&found.packet), "{kind:?} {:?}", found.packet);
    }
    let teredo = udp4(3544, &[&[0, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0], &[0; 8], &v6(59, &[])]);
    let outer = decode(LinkType::RAW, &teredo);
    let found = tunnel::inner(&outer, &tunnel::Ports::default()).unwrap();
    assert_eq!((found.kind, found.packet.ip.unwrap().protocol), (tunnel::Kind::Teredo, 59));
    // A tunnel that is not asked for is none.
    let gtp = tunnel::Ports::only(vec![(2152, tunnel::Kind::Gtp)]);
    let vxlan = udp4(4789, &[&[8, 0, 0, 0, 0, 0x13, 0x88, 0], &frame]);
    assert!(tunnel::inner(&decode(LinkType::RAW, &vxlan), &gtp).is_none());
    let nested = ipv4(4, &ipv4(4, &dns));
    let nested = decode(LinkType::RAW, &nested);
    assert!(is_dns(&tunnel::innermost(&nested, &tunnel::Ports::default(), 4).unwrap().packet));
    assert!(!is_dns(&tunnel::innermost(&nested, &tunnel::Ports::default(), 1).unwrap().packet));
}

#[test]
fn lengths_are_those_that_were_on_the_wire() {
    let mut tcp = ipv4(6, &[0; 20]);
    tcp[2..4].copy_from_slice(&[0, 0]);
    let frame = ethernet(ethertype::IPV4, &tcp);
    assert_eq!(decode(LinkType::ETHERNET, &frame).ip_length(80_066), 80_052);
    let mut udp = ipv4(17, &udp(1, 2, &[]));
    udp[2..4].copy_from_slice(&[0, 0]);
    assert_eq!(decode(LinkType::RAW, &udp).ip_length(1000), 0);
    let jumbo = join(&[&[0x60, 0, 0, 0, 0, 0, 0, 64], &[0x20; 32], &[6, 0, 0xc2, 4, 0, 1, 0x38, 0x88], &[0; 20]]);
    assert_eq!(decode(LinkType::RAW, &jumbo).ip_length(200), 80_048);
}

proptest! {
    #[test]
    fn any_octets_inside_tunnels_end(
        port in prop::sample::select(vec![4789u16, 4790, 6081, 2152, 3386, 3544, 5072, 6635, 1701]),
        protocol in prop::sample::select(vec![4u8, 17, 17, 17, 41, 47, 94, 97, 137, 143]),
        contents in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let body = if protocol == 17 { udp(5, port, &contents) } else { contents };
        let frame = ipv4(protocol, &body);
        let packet = decode(LinkType::RAW, &frame);
        if let Some(tunnel) = tunnel::innermost(&packet, &tunnel::Ports::default(), 4) {
            prop_assert!(tunnel.packet.payload().len() < frame.len());
        }
    }
}
