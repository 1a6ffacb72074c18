//! Frames and packets: link layer, VLAN tags, MPLS labels, IP, transport.
//!
//! [`decode`] goes down the layers of one frame and stops where it does not know further or where the octets end: what it has
//! read by then is in the [`Packet`], and nothing is read beyond the end. No copy, no allocation.
//!
//! | layer | read |
//! |---|---|
//! | link | Ethernet (with LLC/SNAP), raw IP, BSD loopback, Linux cooked 1 and 2, PPP |
//! | tags | 802.1Q, 802.1ad, MPLS, PPPoE |
//! | network | IPv4 with options, IPv6 with its extension headers, fragments |
//! | transport | TCP, UDP, UDP-Lite, SCTP, DCCP; ICMP has no ports |
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

mod ip;
mod link;
pub mod pointer;

pub use ip::Ip;
pub use link::LinkType;

/// EtherTypes (IEEE 802 numbers).
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// 802.1Q.
    pub const VLAN: u16 = 0x8100;
    /// 802.1ad.
    pub const QINQ: u16 = 0x88a8;
    /// Tag of the time before 802.1ad.
    pub const QINQ_OLD: u16 = 0x9100;
    /// MPLS unicast.
    pub const MPLS: u16 = 0x8847;
    /// MPLS multicast, and labels from upstream.
    pub const MPLS_UPSTREAM: u16 = 0x8848;
    /// PPPoE session.
    pub const PPPOE: u16 = 0x8864;
}

/// Most VLAN tags and most MPLS labels that are followed.
const MAX_TAGS: usize = 16;

/// Where layers start, in octets from the start of the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// MAC addresses.
    pub mac: Option<usize>,
    /// First VLAN tag.
    pub vlan: Option<usize>,
    /// First MPLS label.
    pub mpls: Option<usize>,
    /// IP header.
    pub l3: Option<usize>,
    /// Transport header, in packets that hold its start.
    pub l4: Option<usize>,
    /// What the transport carries.
    pub payload: Option<usize>,
}

/// What was read of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The whole frame.
    pub frame: &'a [u8],
    /// Source MAC address.
    pub src_mac: Option<[u8; 6]>,
    /// Destination MAC address.
    pub dst_mac: Option<[u8; 6]>,
    /// EtherType behind all VLAN tags.
    pub etype: Option<u16>,
    /// Tag control information of the outermost VLAN tag.
    pub outer_tag: Option<u16>,
    /// That of the innermost, where there are several.
    pub inner_tag: Option<u16>,
    /// MPLS label stack entries, four octets each, top first.
    pub labels: &'a [u8],
    /// The IP header.
    pub ip: Option<Ip>,
    /// Ports: source, destination.
    pub ports: Option<(u16, u16)>,
    /// TCP flags: the low octet.
    pub tcp_flags: u8,
    /// Where layers start.
    pub offsets: Offsets,
}

impl<'a> Packet<'a> {
    /// VLAN id of the outermost tag.
    pub fn vlan(&self) -> Option<u16> {
        self.outer_tag.map(|tag| tag & 0x0fff)
    }

    /// What the transport carries, as far as it is there.
    pub fn payload(&self) -> &'a [u8] {
        self.offsets.payload.and_then(|at| self.frame.get(at..)).unwrap_or(&[])
    }
}

/// Reads a frame of that link type.
pub fn decode(link: LinkType, frame: &[u8]) -> Packet<'_> {
    let mut packet = Packet { frame, ..Packet::default() };
    let mut r = wire::Reader::new(frame);
    // A frame that ends early leaves in the packet what was read before.
    let _ = link::decode(link, &mut r, &mut packet);
    packet
}

/// Reads an IP packet that has no link layer.
pub fn decode_ip(octets: &[u8]) -> Packet<'_> {
    decode(LinkType::RAW, octets)
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert_eq!((p.ports, p.ip.unwrap().fragment), (None, true));
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
}
