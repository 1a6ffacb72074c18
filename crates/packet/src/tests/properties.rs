use super::*;
use crate::plain::plain;
use crate::tunnel::{Ports, Tunnel, innermost};
use proptest::prelude::*;

/// Frames of each link type, with each tag, in each tunnel.
fn frames() -> Vec<(LinkType, Vec<u8>)> {
    let dns = dns();
    let links = link::headers().into_iter().map(|(link, header)| (link, join(&[&header, &dns])));
    let tagged = tags::tagged().into_iter().map(|(etype, body)| (LinkType::ETHERNET, ethernet(etype, &body)));
    let tunnels = tunnels::tunnels().into_iter().map(|(.., packet)| (LinkType::RAW, packet));
    let segment = (LinkType::RAW, ipv6(6, &tcp(7, 8, 6, 0x18, &[1; 9])));
    links.chain(tagged).chain(tunnels).chain([segment]).collect()
}

/// Checks that the fields of a truncated frame equal those of the whole frame.
fn has_no_other_fields(part: &Packet<'_>, whole: &Packet<'_>) {
    fn same<T: PartialEq + std::fmt::Debug>(part: Option<T>, whole: Option<T>) {
        assert!(part.is_none() || part == whole, "{part:?} {whole:?}");
    }
    same(part.src_mac, whole.src_mac);
    same(part.dst_mac, whole.dst_mac);
    same(part.outer_tag, whole.outer_tag);
    same(part.inner_tag, whole.inner_tag);
    same(part.ip, whole.ip);
    same(part.ports, whole.ports);
    same(part.icmp, whole.icmp);
    same(part.offsets.l3, whole.offsets.l3);
    same(part.offsets.l4, whole.offsets.l4);
    same(part.offsets.payload, whole.offsets.payload);
    assert!(part.tcp_flags == 0 || part.tcp_flags == whole.tcp_flags);
    assert!(whole.labels.starts_with(part.labels));
    assert!(whole.payload().starts_with(part.payload()));
}

/// The plain decoder and the general one agree.
fn plain_agrees(frame: &[u8]) -> bool {
    let Some(plain) = plain(frame) else { return false };
    let whole = decode(LinkType::ETHERNET, frame);
    let ip = whole.ip.unwrap();
    assert_eq!((whole.src_mac, whole.dst_mac), (Some(plain.src_mac()), Some(plain.dst_mac())));
    assert_eq!((whole.outer_tag, whole.inner_tag, whole.etype), (plain.tag, None, Some(plain.etype())));
    assert_eq!((whole.labels, whole.icmp), (&[][..], None));
    assert_eq!((ip.source, ip.destination), (plain.source(), plain.destination()));
    assert_eq!((ip.protocol, ip.tos, ip.flow_label), (plain.protocol, plain.tos, plain.flow_label));
    assert_eq!((ip.length, ip.is_unsized, ip.fragment), (plain.length, false, None));
    assert_eq!((whole.ports, whole.tcp_flags), (Some(plain.ports()), plain.tcp_flags));
    assert_eq!(Some(plain.transport), whole.offsets.l4.and_then(|at| frame.get(at..)));
    assert_eq!((plain.is_v4(), plain.is_tcp()), (ip.source.is_ipv4(), ip.protocol == 6));
    true
}

/// Returns true if the frame contains another one: truncated, it may have the addresses and tags of the outer frame.
fn has_inner_frame(frame: &[u8], link: LinkType) -> bool {
    decode(link, frame).offsets.mac.is_some_and(|at| at > 4)
}

#[test]
fn a_truncated_frame_has_no_other_fields_than_the_whole() {
    for (link, frame) in frames() {
        let whole = decode(link, &frame);
        for cut in 0..frame.len() {
            let part = decode(link, &frame[..cut]);
            if part.ip.is_none() && has_inner_frame(&frame, link) {
                continue;
            }
            has_no_other_fields(&part, &whole);
            let (Some(Tunnel { packet: part, .. }), Some(Tunnel { packet: whole, .. })) =
                (innermost(&part, &Ports::default(), 4), innermost(&whole, &Ports::default(), 4))
            else {
                continue;
            };
            if part.ip.is_some() {
                has_no_other_fields(&part, &whole);
            }
        }
    }
}

/// A generated frame, and the expected fields.
#[derive(Clone, Debug)]
struct Made {
    macs: ([u8; 6], [u8; 6]),
    tags: Vec<u16>,
    labels: Vec<u32>,
    addresses: (IpAddr, IpAddr),
    tos: u8,
    ports: (u16, u16),
    flags: Option<u8>,
    contents: Vec<u8>,
}

impl Made {
    fn any() -> impl Strategy<Value = Self> {
        let addresses = prop_oneof![
            any::<[[u8; 4]; 2]>().prop_map(|[from, to]| (IpAddr::from(from), IpAddr::from(to))),
            any::<[[u8; 16]; 2]>().prop_map(|[from, to]| (IpAddr::from(from), IpAddr::from(to))),
        ];
        let lists = (prop::collection::vec(any::<u16>(), 0..4), prop::collection::vec(0u32..1 << 20, 0..5));
        let contents = prop::collection::vec(any::<u8>(), 0..40);
        (any::<([u8; 6], [u8; 6])>(), lists, addresses, any::<(u8, (u16, u16), Option<u8>)>(), contents).prop_map(
            |(macs, (tags, labels), addresses, (tos, ports, flags), contents)| Self {
                macs,
                tags,
                labels,
                addresses,
                tos,
                ports,
                flags,
                contents,
            },
        )
    }

    fn frame(&self) -> Vec<u8> {
        let (protocol, transport) = match self.flags {
            Some(flags) => (6, tcp(self.ports.0, self.ports.1, 7, flags, &self.contents)),
            None => (17, udp(self.ports.0, self.ports.1, &self.contents)),
        };
        let (etype, packet) = match self.addresses {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let mut packet = ipv4(protocol, &transport);
                packet[1] = self.tos;
                packet[12..20].copy_from_slice(&[from.octets(), to.octets()].concat());
                put_checksum(&mut packet);
                (ethertype::IPV4, packet)
            }
            (from, to) => {
                let mut packet = ipv6(protocol, &transport);
                packet[0] |= self.tos >> 4;
                packet[1] = self.tos << 4;
                for (at, address) in [(8, from), (24, to)] {
                    if let IpAddr::V6(address) = address {
                        packet[at..at + 16].copy_from_slice(&address.octets());
                    }
                }
                (ethertype::IPV6, packet)
            }
        };
        let mut stack = Vec::new();
        for (number, label) in self.labels.iter().enumerate() {
            let bottom = u32::from(number + 1 == self.labels.len());
            stack.extend((label << 12 | bottom << 8 | 64).to_be_bytes());
        }
        let etype = if self.labels.is_empty() { etype } else { ethertype::MPLS };
        let mut frame = join(&[&self.macs.1, &self.macs.0]);
        for tag in &self.tags {
            frame.extend(ethertype::VLAN.to_be_bytes());
            frame.extend(tag.to_be_bytes());
        }
        join(&[&frame, &etype.to_be_bytes(), &stack, &packet])
    }
}

proptest! {
    #[test]
    fn generated_frames_are_decoded(made in Made::any()) {
        let frame = made.frame();
        let p = decode(LinkType::ETHERNET, &frame);
        prop_assert_eq!((p.src_mac, p.dst_mac), (Some(made.macs.0), Some(made.macs.1)));
        prop_assert_eq!(p.outer_tag, made.tags.first().copied());
        prop_assert_eq!(p.inner_tag, made.tags.get(1..).and_then(<[u16]>::last).copied());
        let labels: Vec<_> = p.labels.chunks(4).map(|l| u32::from_be_bytes(l.try_into().unwrap()) >> 12).collect();
        prop_assert_eq!(labels, made.labels);
        let ip = p.ip.unwrap();
        prop_assert_eq!(((ip.source, ip.destination), ip.tos), (made.addresses, made.tos));
        prop_assert_eq!((p.ports, p.tcp_flags), (Some(made.ports), made.flags.unwrap_or(0)));
        prop_assert_eq!(p.payload(), &made.contents);
        prop_assert_eq!(p.ip_length(frame.len() as u32), (frame.len() - p.offsets.l3.unwrap()) as u64);
    }

    #[test]
    fn the_fast_path_agrees_with_the_general_decoder(
        made in Made::any(),
        plain in any::<bool>(),
        changes in prop::collection::vec((0usize..70, any::<u8>()), 0..3),
        cut in 0usize..80,
    ) {
        let mut made = made;
        if plain {
            made.tags.truncate(1);
            made.labels.clear();
        }
        let mut frame = made.frame();
        prop_assert_eq!(plain_agrees(&frame), made.tags.len() < 2 && made.labels.is_empty());
        for (at, octet) in changes {
            if let Some(to) = frame.get_mut(at) {
                *to = octet;
            }
        }
        plain_agrees(&frame);
        plain_agrees(&frame[..cut.min(frame.len())]);
    }

    #[test]
    fn arbitrary_octets_terminate(
        link in prop::sample::select(LinkType::ALL),
        frame in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let packet = decode(link.0, &frame);
        prop_assert!(packet.payload().len() <= frame.len());
    }

    #[test]
    fn modified_frames_terminate(
        which in 0usize..1000,
        changes in prop::collection::vec((0usize..1000, any::<u8>()), 1..4),
    ) {
        let frames = frames();
        let (link, mut frame) = frames[which % frames.len()].clone();
        for (at, octet) in changes {
            let at = at % frame.len();
            frame[at] = octet;
        }
        let packet = decode(link, &frame);
        if let Some(tunnel) = innermost(&packet, &Ports::default(), 4) {
            prop_assert!(tunnel.packet.payload().len() < frame.len());
        }
    }
}
