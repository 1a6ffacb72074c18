use super::*;

/// EtherTypes, the header after them, and the EtherType of its payload.
pub(super) fn tagged() -> Vec<(u16, Vec<u8>)> {
    let dns = dns();
    let inner = ethernet(ethertype::IPV4, &dns);
    [
        (ethertype::VLAN, vec![0, 5, 0x81, 0, 0, 6, 8, 0], &dns),
        (ethertype::QINQ, vec![0, 5, 0x81, 0, 0, 6, 8, 0], &dns),
        (ethertype::QINQ_OLD, vec![0, 5, 8, 0], &dns),
        (ethertype::QINQ_9200, vec![0, 5, 0x93, 0, 0, 6, 8, 0], &dns),
        (ethertype::E_TAG, vec![0, 0, 0, 0, 0, 0, 8, 0], &dns),
        (ethertype::VN_TAG, vec![0, 0, 0, 0, 8, 0], &dns),
        (ethertype::PBB, vec![0, 0, 0, 1], &inner),
        (ethertype::FABRIC_PATH, vec![1, 0x60], &inner),
        (ethertype::VLAN, vec![0, 5, 0x89, 3, 1, 0x60], &inner),
        (ethertype::FABRIC_PATH, vec![1, 0x60, 4, 4, 4, 4, 4, 4, 6, 6, 6, 6, 6, 6, 0x81, 0, 0, 7, 8, 0], &dns),
        (ethertype::FABRIC_PATH, join(&[&[1, 0x60], &[4; 12], &[0x88, 0x47, 0, 1, 1, 64]]), &dns),
        (ethertype::FABRIC_PATH, join(&[&[1, 0x60], &[4; 12], &[0, 42], &SNAP]), &dns),
        (ethertype::MACSEC, vec![0x20, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 8, 0], &dns),
        (ethertype::MACSEC, vec![0, 0, 0, 0, 0, 1, 0x81, 0, 0, 5, 8, 0], &dns),
        (ethertype::METADATA, vec![1, 1, 0, 1, 0, 5, 8, 0], &dns),
        (ethertype::NSH, vec![0, 6, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &dns),
        (ethertype::NSH, vec![0, 2, 1, 3, 0, 0, 1, 1], &inner),
        (ethertype::NSH, vec![0, 2, 1, 4, 0, 0, 1, 1, 0, 2, 1, 1, 0, 0, 1, 1], &dns),
        (ethertype::NSH, vec![0, 2, 1, 5, 0, 0, 1, 1, 0, 1, 1, 64], &dns),
        (ethertype::MPLS, vec![0, 1, 0, 64, 0, 2, 0, 64, 0, 3, 1, 64], &dns),
        (ethertype::MPLS_UPSTREAM, vec![0, 1, 1, 64], &dns),
        (ethertype::MPLS, vec![0, 1, 1, 64, 0, 0, 0, 0], &inner),
        (ethertype::MPLS, vec![0, 1, 1, 64, 0, 0, 0, 9], &inner),
        (ethertype::MPLS, vec![0, 1, 1, 64], &inner),
        (ethertype::VLAN, vec![0, 5, 0x88, 0x47, 0, 1, 1, 64], &dns),
        (ethertype::PPPOE, vec![0x11, 0, 0, 1, 0, 40, 0, 0x21], &dns),
        (ethertype::PPPOE, vec![0x11, 0, 0, 1, 0, 40, 0x21], &dns),
    ]
    .into_iter()
    .map(|(etype, header, contents)| (etype, join(&[&header, contents])))
    .collect()
}

#[test]
fn all_tags_lead_to_ip() {
    for (etype, contents) in tagged() {
        let frame = ethernet(etype, &contents);
        assert!(is_dns(&decode(LinkType::ETHERNET, &frame)), "{etype:x} {contents:x?}");
    }
}

#[test]
fn the_outermost_and_innermost_tags_are_decoded() {
    let segment = ipv4(6, &tcp(1234, 443, 5, 0x12, &[]));
    let tags = [0x60, 100, 0x81, 0, 0, 7, 0x81, 0, 0, 200, 8, 0];
    let frame = ethernet(ethertype::QINQ, &join(&[&tags, &segment]));
    let p = decode(LinkType::ETHERNET, &frame);
    assert_eq!((p.vlan(), p.outer_tag, p.inner_tag), (Some(100), Some(0x6064), Some(200)));
    assert_eq!((p.etype, p.ports, p.tcp_flags), (Some(ethertype::IPV4), Some((1234, 443)), 0x12));
    assert_eq!(
        (p.offsets.mac, p.offsets.vlan, p.offsets.l3, p.offsets.l4),
        (Some(0), Some(14), Some(26), Some(46))
    );
}

#[test]
fn the_customer_frame_in_a_provider_frame_is_decoded() {
    let inner = join(&[&[4; 6], &[6; 6], &[0x81, 0, 0, 9, 8, 0], &dns()]);
    let frame = ethernet(ethertype::QINQ, &join(&[&[0, 5, 0x88, 0xe7, 0, 0, 0, 1], &inner]));
    let p = decode(LinkType::ETHERNET, &frame);
    assert!(is_dns(&p));
    assert_eq!((p.dst_mac, p.src_mac, p.vlan(), p.inner_tag), (Some([4; 6]), Some([6; 6]), Some(9), None));
}

#[test]
fn a_fabric_frame_has_fabric_addresses_and_customer_tags() {
    let tagged = join(&[&[1, 0x60], &[4; 6], &[6; 6], &[0x81, 0, 0, 7, 0x86, 0xdd], &ipv6(17, &udp(1, 2, &[]))]);
    let after_tag = join(&[&[0x60, 9, 0x89, 3], &tagged]);
    for (etype, contents, outer) in
        [(ethertype::FABRIC_PATH, &tagged, None), (ethertype::VLAN, &after_tag, Some(0x6009))]
    {
        let frame = ethernet(etype, contents);
        let p = decode(LinkType::ETHERNET, &frame);
        assert_eq!((p.dst_mac, p.src_mac), (Some(DESTINATION), Some(SOURCE)));
        assert_eq!((p.outer_tag, p.inner_tag), (outer, Some(7)));
        assert_eq!((p.etype, p.ports), (Some(ethertype::IPV6), Some((1, 2))));
    }
    let arp = ethernet(ethertype::FABRIC_PATH, &join(&[&[1, 0x60], &[4; 12], &[8, 6], &[0; 28]]));
    assert_eq!(decode(LinkType::ETHERNET, &arp).etype, Some(0x0806));
}

#[test]
fn encrypted_and_other_frames_have_only_an_ethertype() {
    let dns = dns();
    for flags in [0x2c, 0x24, 0x08] {
        let frame = ethernet(ethertype::MACSEC, &join(&[&[flags, 0], &[0; 12], &[8, 0], &dns]));
        let packet = decode(LinkType::ETHERNET, &frame);
        assert_eq!((packet.ip, packet.etype), (None, Some(ethertype::MACSEC)));
    }
    // The addresses in ARP are not those of a packet.
    let arp = ethernet(
        0x0806,
        &[0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 0xa, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2],
    );
    let packet = decode(LinkType::ETHERNET, &arp);
    assert_eq!((packet.ip, packet.etype, packet.src_mac), (None, Some(0x0806), Some(SOURCE)));
    let spanning_tree = ethernet(38, &[0x42, 0x42, 3, 0, 0, 0, 0, 0]);
    let packet = decode(LinkType::ETHERNET, &spanning_tree);
    assert_eq!((packet.ip, packet.etype), (None, Some(38)));
    let discovery = ethernet(ethertype::PPPOE, &[0x11, 9, 0, 0, 0, 4, 0x21, 1, 0, 0]);
    assert_eq!(decode(LinkType::ETHERNET, &discovery).ip, None);
}

#[test]
fn labels_are_decoded_and_ip_is_not_mistaken_for_ethernet() {
    let stack = [0, 1, 0, 64, 0, 0, 0x21, 64];
    let frame = ethernet(ethertype::MPLS, &join(&[&stack, &dns()]));
    let p = decode(LinkType::ETHERNET, &frame);
    assert_eq!((p.labels, p.offsets.mpls), (&stack[..], Some(14)));
    // A source address that looks like the EtherType of IPv4.
    let mut packet = dns();
    packet[12..14].copy_from_slice(&[8, 0]);
    put_checksum(&mut packet);
    let frame = ethernet(ethertype::MPLS, &join(&[&stack, &packet]));
    let p = decode(LinkType::ETHERNET, &frame);
    assert_eq!((p.ip.unwrap().source, p.ports), (IpAddr::from([8, 0, 0, 1]), Some((53, 4242))));
    // A MAC address that begins like IPv4, and one that begins like IPv6.
    for first in [0x45, 0x60] {
        let mut inner = ethernet(ethertype::IPV4, &dns());
        inner[0] = first;
        let frame = ethernet(ethertype::MPLS, &join(&[&stack, &inner]));
        let p = decode(LinkType::ETHERNET, &frame);
        assert!(is_dns(&p) && p.dst_mac.unwrap()[0] == first, "{p:?}");
    }
    // Another payload: only labels.
    let frame = ethernet(ethertype::MPLS, &join(&[&stack, &[0x10; 40]]));
    let p = decode(LinkType::ETHERNET, &frame);
    assert_eq!((p.labels, p.ip, p.etype, p.dst_mac), (&stack[..], None, Some(ethertype::MPLS), Some(DESTINATION)));
}

#[test]
fn nesting_of_frames_is_limited() {
    let mut frame = ethernet(ethertype::IPV4, &dns());
    for _ in 0..3000 {
        frame = ethernet(ethertype::PBB, &join(&[&[0; 4], &frame]));
    }
    assert_eq!(decode(LinkType::ETHERNET, &frame).ip, None);
    let mut frame = dns();
    for _ in 0..3000 {
        frame = join(&[&[0, 2, 1, 3, 0, 0, 0, 1], &ethernet(ethertype::NSH, &frame)]);
    }
    assert_eq!(decode(LinkType::ETHERNET, &ethernet(ethertype::NSH, &frame)).ip, None);
    // A length may follow a tag, and SNAP a length.
    let circle = join(&[&SNAP[..6], &[0x81, 0, 0, 1, 0, 99]]);
    assert_eq!(decode(LinkType::ETHERNET, &ethernet(99, &circle.repeat(20_000))).ip, None);
    let circle = join(&[&SNAP[..6], &ethertype::JUMBO_LLC.to_be_bytes()]);
    assert_eq!(decode(LinkType::ETHERNET, &ethernet(99, &circle.repeat(30_000))).ip, None);
    let pseudowires = ethernet(ethertype::MPLS, &[0, 1, 1, 64, 0, 0, 0, 0]).repeat(9000);
    assert_eq!(decode(LinkType::ETHERNET, &pseudowires).ip, None);
    let tags = ethernet(ethertype::VLAN, &[0x81, 0].repeat(3000));
    assert_eq!(decode(LinkType::ETHERNET, &tags).ip, None);
    let labels = ethernet(ethertype::MPLS, &[0; 4000]);
    assert_eq!(decode(LinkType::ETHERNET, &labels).labels.len(), 64);
}
