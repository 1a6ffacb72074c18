use super::*;

/// The headers before IP for all link types.
pub(super) fn headers() -> Vec<(LinkType, Vec<u8>)> {
    let sll = [&[0, 0, 0, 1, 0, 6][..], &SOURCE, &[0, 0, 8, 0]];
    let sll2 = [&[8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6][..], &SOURCE, &[0, 0]];
    let wireless = wireless(8, 2, &[], &SNAP);
    let quality = wireless_quality();
    // Length 17: fields time and flags, which indicate a padded 802.11 header; then a vendor field.
    let padded = join(&[&[0, 0, 18, 0, 3, 0, 0, 0], &[9; 8], &[0x20, 9], &quality[..26], &[0, 0], &quality[26..]]);
    vec![
        (LinkType::NULL, vec![2, 0, 0, 0]),
        (LinkType::NULL, vec![0, 0, 0, 2]),
        (LinkType::LOOP, vec![0, 0, 0, 2]),
        (LinkType::LOOP, vec![2, 0, 0, 0]),
        (LinkType::ETHERNET, ethernet(ethertype::IPV4, &[])),
        (LinkType::ETHERNET, ethernet(42, &SNAP)),
        (LinkType::ETHERNET, ethernet(42, &[6, 6, 3])),
        (LinkType::ETHERNET, ethernet(ethertype::JUMBO_LLC, &SNAP)),
        (LinkType::TOKEN_RING, join(&[&[0x10, 0x40], &[2; 6], &[0x82, 2, 2, 2, 2, 2], &[2, 0], &SNAP])),
        (LinkType::FDDI, join(&[&[0x50], &[2; 12], &SNAP])),
        (LinkType::PPP, vec![0xff, 3, 0, 0x21]),
        (LinkType::PPP, vec![0x21]),
        (LinkType::PPP, vec![0x0f, 0, 8, 0]),
        (LinkType::PPP, join(&[&[0xff, 3, 2, 0x81], &[0, 1, 1, 64]])),
        (LinkType::PPP, join(&[&[0xff, 3, 0, 0x31], &[0, 1], &ethernet(ethertype::IPV4, &[])])),
        (LinkType::PPP_HDLC, vec![0xff, 3, 0, 0x21]),
        (LinkType::PPP_ETHER, vec![0x11, 0, 0, 1, 0, 40, 0, 0x21]),
        (LinkType::RAW_BSD, vec![]),
        (LinkType::RAW_OPENBSD, vec![]),
        (LinkType::RAW, vec![]),
        (LinkType::IPV4, vec![]),
        (LinkType::IPV6, vec![]),
        (LinkType::CISCO_HDLC, vec![0x0f, 0, 8, 0]),
        (LinkType::IEEE_802_11, wireless.clone()),
        (LinkType::IEEE_802_11, quality),
        (LinkType::RADIOTAP, join(&[&[0, 0, 10, 0, 0, 0, 0, 0, 9, 9], &wireless])),
        (LinkType::RADIOTAP, padded),
        (LinkType::FRAME_RELAY, vec![0x18, 0x41, 3, 0xcc]),
        (LinkType::FRAME_RELAY, vec![0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0]),
        (LinkType::FRAME_RELAY, vec![0x18, 0x41, 8, 0]),
        (
            LinkType::FRAME_RELAY,
            join(&[&[0x18, 0x41, 3, 0, 0x80, 0, 0x80, 0xc2, 0, 7], &ethernet(ethertype::IPV4, &[])]),
        ),
        (LinkType::LINUX_SLL, sll.concat()),
        (LinkType::LINUX_SLL2, sll2.concat()),
        (LinkType::MPLS, vec![0, 1, 1, 64]),
        (LinkType::IPNET, vec![1; 24]),
        (LinkType::IPOIB, join(&[&[0; 40], &[8, 0, 0, 0]])),
        (LinkType::NFLOG, vec![2, 0, 0, 1, 5, 0, 1, 0, 7, 0, 0, 0, 35, 0, 9, 0]),
        (LinkType::NFLOG, vec![2, 0, 0, 1, 0, 5, 0, 1, 7, 0, 0, 0, 0, 35, 0, 9]),
        (LinkType::BROADCOM_TAG, join(&[&DESTINATION, &SOURCE, &[0, 0, 0, 0x80], &[8, 0]])),
        (LinkType::BROADCOM_TAG_FIRST, join(&[&[0, 0, 0, 0x80], &ethernet(ethertype::IPV4, &[])])),
        (LinkType::DSA, join(&[&DESTINATION, &SOURCE, &[0xc0, 0x0a, 0, 0], &[8, 0]])),
        (LinkType::EDSA, join(&[&DESTINATION, &SOURCE, &[0xda, 0xda, 0, 0], &[0xc0, 0, 0, 0], &[8, 0]])),
    ]
}

/// 802.11 from the access point 0c:... of a frame from SOURCE to DESTINATION.
fn wireless(control: u8, flags: u8, quality: &[u8], rest: &[u8]) -> Vec<u8> {
    join(&[&[control, flags, 0, 0], &DESTINATION, &[0xc; 6], &SOURCE, &[0, 0], quality, rest])
}

/// With quality of service, and several frames in one.
fn wireless_quality() -> Vec<u8> {
    wireless(0x88, 2, &[0x80, 0], &join(&[&DESTINATION, &SOURCE, &[0, 39], &SNAP]))
}

#[test]
fn every_link_type_leads_to_ip() {
    let headers = headers();
    for (link, header) in &headers {
        let frame = join(&[header, &dns()]);
        assert!(is_dns(&decode(*link, &frame)), "{link:?} {header:x?}");
    }
    for (link, name) in LinkType::ALL {
        assert!(headers.iter().any(|(tried, _)| tried == link), "{name} is not tried");
        assert_eq!(link.name(), Some(*name));
    }
    assert_eq!(LinkType(147).name(), None);
}

#[test]
fn the_address_family_of_a_loopback_frame_selects_the_protocol() {
    let (four, six) = (dns(), ipv6(17, &udp(53, 4242, &[])));
    for link in [LinkType::NULL, LinkType::LOOP] {
        for family in 0..=300u32 {
            for header in [family.to_le_bytes(), family.to_be_bytes()] {
                for (contents, families) in [(&four, &[2][..]), (&six, &[10, 24, 28, 30])] {
                    let frame = join(&[&header, contents]);
                    let is_ip = [2, 10, 24, 28, 30].contains(&family);
                    let packet = decode(link, &frame);
                    assert_eq!(packet.ip.is_some(), is_ip, "{link:?} {header:?}");
                    assert!(!families.contains(&family) || packet.ports == Some((53, 4242)));
                }
            }
        }
    }
}

#[test]
fn mac_addresses_are_decoded_if_present() {
    for (link, header) in headers() {
        let frame = join(&[&header, &dns()]);
        let packet = decode(link, &frame);
        match link {
            LinkType::LINUX_SLL | LinkType::LINUX_SLL2 => {
                assert_eq!((packet.src_mac, packet.dst_mac), (Some(SOURCE), None));
            }
            LinkType::TOKEN_RING | LinkType::FDDI => {
                assert_eq!((packet.src_mac, packet.dst_mac), (Some([2; 6]), Some([2; 6])));
            }
            LinkType::ETHERNET
            | LinkType::IEEE_802_11
            | LinkType::RADIOTAP
            | LinkType::BROADCOM_TAG
            | LinkType::BROADCOM_TAG_FIRST
            | LinkType::DSA
            | LinkType::EDSA => {
                assert_eq!((packet.src_mac, packet.dst_mac), (Some(SOURCE), Some(DESTINATION)), "{link:?}");
            }
            // Bridged Ethernet has some, IP has none.
            LinkType::PPP | LinkType::FRAME_RELAY => {}
            _ => assert_eq!((packet.src_mac, packet.dst_mac), (None, None), "{link:?}"),
        }
    }
    // A cooked frame of a line without addresses.
    let cooked = join(&[&[0, 0, 2, 0, 0, 0], &[0; 8], &[8, 0], &dns()]);
    let packet = decode(LinkType::LINUX_SLL, &cooked);
    assert!(is_dns(&packet) && packet.src_mac.is_none());
    let logged = [2, 0, 0, 1, 16, 0, 8, 0, 0, 6, 0, 0, 2, 0, 0, 0, 0, 10, 0, 0, 35, 0, 9, 0];
    let logged = join(&[&logged, &dns()]);
    let packet = decode(LinkType::NFLOG, &logged);
    assert!(is_dns(&packet) && packet.src_mac == Some(SOURCE));
}

#[test]
fn a_truncated_nflog_packet_is_decoded_up_to_its_end() {
    let whole = join(&[&[2, 0, 0, 1, 35, 0, 9, 0], &dns()]);
    let packet = decode(LinkType::NFLOG, &whole[..whole.len() - 5]);
    assert_eq!(packet.ports, Some((53, 4242)));
}

#[test]
fn wireless_frames_without_data_have_only_addresses() {
    let dns = dns();
    for (control, flags) in [(0x48, 2), (8, 0x42), (0x80, 0)] {
        let frame = join(&[&wireless(control, flags, &[], &SNAP), &dns]);
        let packet = decode(LinkType::IEEE_802_11, &frame);
        assert_eq!((packet.ip, packet.dst_mac), (None, Some(DESTINATION)));
    }
    let acknowledgement = [0xd4, 0, 0, 0, 1, 2, 3, 4, 5, 6];
    assert_eq!(decode(LinkType::IEEE_802_11, &acknowledgement).dst_mac, None);
}

#[test]
fn switch_tags_contain_the_vlan_tag_that_they_replace() {
    let tagged = join(&[&DESTINATION, &SOURCE, &[0xe0, 0x0a, 0x70, 100], &[8, 0], &dns()]);
    let packet = decode(LinkType::DSA, &tagged);
    assert!(is_dns(&packet));
    assert_eq!((packet.vlan(), packet.outer_tag), (Some(100), Some(0x6064)));
    let plain = join(&[&DESTINATION, &SOURCE, &[0xc0, 0x0a, 0x70, 100], &[8, 0], &dns()]);
    assert_eq!(decode(LinkType::DSA, &plain).vlan(), None);
}
