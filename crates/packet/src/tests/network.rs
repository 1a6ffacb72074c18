use super::*;

#[test]
fn ipv4_options_are_skipped() {
    let mut packet = ipv4(6, &join(&[&[1, 1, 1, 0], &tcp(1, 2, 6, 0x18, &[9])]));
    packet[0] = 0x46;
    packet[1] = 0xb8;
    let p = decode_ip(&packet);
    let ip = p.ip.unwrap();
    assert_eq!((ip.protocol, ip.tos, ip.ttl, ip.length, ip.flow_label), (6, 0xb8, 64, 49, 0));
    assert_eq!((p.ports, p.tcp_flags, p.payload()), (Some((1, 2)), 0x18, &[9][..]));
    // A header length that is too small: the payload is unknown.
    packet[0] = 0x44;
    let p = decode_ip(&packet);
    assert_eq!((p.ip.map(|ip| ip.length), p.ports), (Some(49), None));
}

#[test]
fn ipv6_extension_headers_are_skipped_to_the_transport() {
    let datagram = udp(9, 10, &[1, 2, 3, 4, 5, 6, 7, 8]);
    // Hop-by-hop, routing, destination and mobility have the same format; authentication counts words.
    for kind in [0, 43, 60, 135] {
        let packet = ipv6(kind, &join(&[&[17, 1], &[0; 14], &datagram]));
        let p = decode_ip(&packet);
        assert_eq!((p.ip.unwrap().protocol, p.ports), (17, Some((9, 10))), "{kind}");
    }
    let packet = ipv6(0, &join(&[&[51, 0], &[0; 6], &[17, 4], &[0; 22], &datagram]));
    let p = decode_ip(&packet);
    assert_eq!((p.ports, p.payload()), (Some((9, 10)), &[1, 2, 3, 4, 5, 6, 7, 8][..]));
    let mut plain = ipv6(17, &datagram);
    plain[..4].copy_from_slice(&[0x60, 0x12, 0x34, 0x56]);
    let ip = decode_ip(&plain).ip.unwrap();
    assert_eq!((ip.protocol, ip.flow_label, ip.length, ip.tos, ip.ttl), (17, 0x23456, 56, 1, 64));
    // HIP and Shim6 are protocols, also after others.
    for kind in [139, 140] {
        let shim = join(&[&[17, 1], &[0; 14], &datagram]);
        for packet in [ipv6(kind, &shim), ipv6(60, &join(&[&[kind, 0], &[0; 6], &shim]))] {
            let p = decode_ip(&packet);
            assert_eq!((p.ip.unwrap().protocol, p.ports), (kind, None));
        }
    }
    // No next header.
    assert_eq!(decode_ip(&ipv6(59, &[0; 8])).ip.unwrap().protocol, 59);
}

/// IPv6 with a payload length of 0 and these options before TCP.
fn without_length(options: &[u8]) -> Vec<u8> {
    let words = u8::try_from((options.len() + 2) / 8 - 1).unwrap();
    let mut packet = ipv6(0, &join(&[&[6, words], options, &tcp(1, 2, 5, 2, &[])]));
    packet[4..6].fill(0);
    packet
}

#[test]
fn a_payload_length_of_zero_is_accepted_only_in_jumbograms() {
    let jumbo = [0xc2, 4, 0, 1, 0x38, 0x88];
    for options in [&jumbo[..], &join(&[&[1, 6], &[0; 6], &jumbo]), &join(&[&jumbo, &[0, 1, 5], &[0; 5]])] {
        let packet = without_length(options);
        let p = decode_ip(&packet);
        let ip = p.ip.unwrap();
        assert_eq!((ip.protocol, p.ports, p.tcp_flags), (6, Some((1, 2)), 2), "{options:x?}");
        assert_eq!((ip.is_unsized, ip.ends_before_options(), p.ip_length(200)), (false, false, 80_048));
    }
    // Padding only, an option of another kind, one that exceeds the header, an option with an invalid length.
    for options in [[1, 4, 0, 0, 0, 0], [0; 6], [5, 2, 0, 0, 1, 0], [1, 40, 0xc2, 4, 0, 1], [0xc2, 3, 0, 1, 0, 0]]
    {
        let packet = without_length(&options);
        let p = decode_ip(&packet);
        assert_eq!((p.ip.unwrap().protocol, p.ports, p.tcp_flags), (0, None, 0), "{options:x?}");
        assert_eq!((p.ip_length(100), p.offsets.l4, p.payload()), (40, None, &[][..]));
        assert!(p.ip.unwrap().ends_before_options());
    }
    let mut offloaded = ipv6(6, &tcp(1, 2, 5, 0, &[]));
    offloaded[4..6].fill(0);
    assert!(!decode_ip(&offloaded).ip.unwrap().ends_before_options());
    let mut four = ipv4(0, &[]);
    four[2..4].fill(0);
    assert!(!decode_ip(&four).ip.unwrap().ends_before_options());
}

#[test]
fn fragments_have_identification_and_offset() {
    let mut first = ipv4(17, &udp(1, 2, &[0; 8]));
    first[4..8].copy_from_slice(&[1, 2, 0x20, 0]);
    let p = decode_ip(&first);
    assert_eq!(
        (p.ports, p.ip.unwrap().fragment),
        (Some((1, 2)), Some(Fragment { id: 258, offset: 0, more: true }))
    );
    let mut last = ipv4(17, &[0; 16]);
    last[4..8].copy_from_slice(&[1, 2, 0x1f, 0xff]);
    let p = decode_ip(&last);
    assert_eq!((p.ports, p.ip.unwrap().fragment), (None, Some(Fragment { id: 258, offset: 65528, more: false })));
    assert!(p.ip.unwrap().is_later_fragment() && p.offsets.l4.is_none());

    let six = |bits: [u8; 2]| ipv6(44, &join(&[&[17, 0], &bits, &[0, 1, 0, 2], &udp(1, 2, &[0; 8])]));
    let p = six([0, 1]);
    let p = decode_ip(&p);
    assert_eq!(
        (p.ports, p.ip.unwrap().fragment),
        (Some((1, 2)), Some(Fragment { id: 0x1_0002, offset: 0, more: true }))
    );
    let p = six([0, 8]);
    let p = decode_ip(&p);
    assert_eq!((p.ports, p.ip.unwrap().fragment), (None, Some(Fragment { id: 0x1_0002, offset: 8, more: false })));
    // An atomic fragment (RFC 6946).
    let p = six([0, 0]);
    let p = decode_ip(&p);
    assert_eq!((p.ports, p.ip.unwrap().fragment), (Some((1, 2)), None));
}

#[test]
fn transports_have_ports_and_icmp_a_type() {
    let body = [0, 7, 0, 8, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
    for (protocol, payload) in [(33, 1), (132, 5), (136, 9)] {
        let packet = ipv4(protocol, &body);
        let p = decode_ip(&packet);
        assert_eq!((p.ports, p.payload().len()), (Some((7, 8)), payload), "{protocol}");
    }
    for (packet, protocol) in [(ipv4(1, &[3, 4, 0, 0, 0, 0, 0, 0]), 1), (ipv6(58, &[3, 4, 0, 0, 0, 0, 0, 0]), 58)]
    {
        let p = decode_ip(&packet);
        assert_eq!((p.ip.unwrap().protocol, p.icmp, p.ports), (protocol, Some((3, 4)), None));
    }
    // Flags are those of the header, whatever the contents.
    let packet = ipv4(6, &tcp(1, 2, 5, 2, &[0xff; 40]));
    let p = decode_ip(&packet);
    assert_eq!((p.tcp_flags, p.payload().len()), (2, 40));
    // A header length that is too small, and one that exceeds the packet.
    for words in [4, 15] {
        let mut packet = packet.clone();
        packet[32] = words << 4;
        let p = decode_ip(&packet[..60]);
        assert_eq!((p.ports, p.payload()), (Some((1, 2)), &[][..]));
    }
}

#[test]
fn lengths_are_those_on_the_wire() {
    let mut segment = ipv4(6, &tcp(1, 2, 5, 0, &[]));
    assert_eq!(
        decode(LinkType::RAW, &segment[..30]).ip_length(1500),
        40,
        "by the header, also for a truncated frame"
    );
    segment[2..4].copy_from_slice(&[0, 0]);
    let frame = ethernet(ethertype::IPV4, &segment);
    assert_eq!(decode(LinkType::ETHERNET, &frame).ip_length(80_066), 80_052);
    let mut datagram = ipv4(17, &udp(1, 2, &[]));
    datagram[2..4].copy_from_slice(&[0, 0]);
    assert_eq!(decode(LinkType::RAW, &datagram).ip_length(1000), 0, "nothing of UDP is left to the card");
    assert_eq!(
        decode(LinkType::RAW, &datagram).ip_length(70_000),
        70_000,
        "but for a length that no header can hold"
    );
    let mut six = ipv6(6, &tcp(1, 2, 5, 0, &[]));
    six[4..6].copy_from_slice(&[0, 0]);
    assert_eq!(decode(LinkType::RAW, &six).ip_length(80_060), 80_060);
    let jumbo = join(&[&[0x60, 0, 0, 0, 0, 0, 0, 64], &[0x20; 32], &[6, 0, 0xc2, 4, 0, 1, 0x38, 0x88], &[0; 20]]);
    assert_eq!(decode(LinkType::RAW, &jumbo).ip_length(200), 80_048);
    assert_eq!(decode(LinkType::ETHERNET, &ethernet(0x0806, &[0; 28])).ip_length(60), 0);
}
