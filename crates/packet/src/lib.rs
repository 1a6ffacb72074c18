//! Frames and packets: link layer, VLAN tags, MPLS labels, IP, transport.
//!
//! [`decode`] goes down the layers of one frame and stops where it does not know further or where the octets end: what it has
//! read by then is in the [`Packet`], and nothing is read beyond the end. No copy, no allocation.
//!
//! | layer | read |
//! |---|---|
//! | link | Ethernet (with LLC/SNAP), raw IP, BSD loopback, Linux cooked, PPP, Cisco HDLC, frame relay, 802.11, token ring, FDDI, switch tags, ... ([`LinkType::ALL`]) |
//! | tags | 802.1Q, 802.1ad, E-tag, VN-tag, 802.1ah, FabricPath, MACsec without encryption, NSH, Cisco's metadata, MPLS with pseudowires, PPPoE |
//! | network | IPv4 with options, IPv6 with its extension headers, fragments, jumbograms |
//! | transport | ports of TCP, UDP, UDP-Lite, SCTP, DCCP; type and code of ICMP |
//! | tunnels | on demand: [`tunnel`] |
//! | after the packet | on demand: [`trailer`] |
//!
//! Most frames are of one shape, which [`plain`] reads faster.
//!
//! Lengths in headers are trusted: they are what is accounted, also for frames that were truncated when they were
//! captured. What they do not bound is what is read: a transport header is read where it lies, even if the IP length ends before it.
//! ARP has addresses, but no hosts that send to each other: an ARP frame has only MAC addresses, tags and an EtherType.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

mod ip;
mod link;
mod mpls;
pub mod plain;
mod tags;
#[cfg(test)]
mod tests;
pub mod trailer;
pub mod tunnel;

pub use ip::{Fragment, Ip};
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
    /// Another of that time.
    pub const QINQ_9200: u16 = 0x9200;
    /// And another.
    pub const QINQ_9300: u16 = 0x9300;
    /// LLC, where a length would not fit (jumbo frames).
    pub const JUMBO_LLC: u16 = 0x8870;
    /// MPLS unicast.
    pub const MPLS: u16 = 0x8847;
    /// MPLS multicast, and labels from upstream.
    pub const MPLS_UPSTREAM: u16 = 0x8848;
    /// PPPoE session.
    pub const PPPOE: u16 = 0x8864;
    /// 802.1ah, provider backbone bridges.
    pub const PBB: u16 = 0x88e7;
    /// 802.1AE, MACsec.
    pub const MACSEC: u16 = 0x88e5;
    /// Cisco's metadata: the sender's security group.
    pub const METADATA: u16 = 0x8909;
    /// Cisco FabricPath.
    pub const FABRIC_PATH: u16 = 0x8903;
    /// 802.1BR, bridge port extension.
    pub const E_TAG: u16 = 0x893f;
    /// Cisco's VN-tag.
    pub const VN_TAG: u16 = 0x8926;
    /// Network service header (RFC 8300).
    pub const NSH: u16 = 0x894f;
    /// Ethernet frames (RFC 1701).
    pub const TRANSPARENT_ETHERNET: u16 = 0x6558;
    /// PPP (RFC 2637).
    pub const PPP: u16 = 0x880b;
    /// A packet that a router hands to a web cache (WCCP), with or without a header of its own.
    pub const WCCP: u16 = 0x883e;
    /// ERSPAN, types I and II.
    pub const ERSPAN: u16 = 0x88be;
    /// ERSPAN, type III.
    pub const ERSPAN_III: u16 = 0x22eb;
}

/// Most VLAN tags and most MPLS labels that are followed.
const MAX_TAGS: usize = 16;

/// Most Ethernet and SNAP headers inside each other that are followed.
const MAX_NESTED: u8 = 6;

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
    /// EtherType after all VLAN tags.
    pub etype: Option<u16>,
    /// Tag control information of the outermost VLAN tag.
    pub outer_tag: Option<u16>,
    /// That of the innermost, if there are several.
    pub inner_tag: Option<u16>,
    /// MPLS label stack entries, four octets each, top first.
    pub labels: &'a [u8],
    /// The IP header.
    pub ip: Option<Ip>,
    /// Ports: source, destination.
    pub ports: Option<(u16, u16)>,
    /// Type and code of ICMP.
    pub icmp: Option<(u8, u8)>,
    /// TCP flags: the low octet.
    pub tcp_flags: u8,
    /// Where layers start.
    pub offsets: Offsets,
    /// Ethernet and SNAP headers that were read: frames may lie in frames, but not for ever.
    nested: u8,
}

impl<'a> Packet<'a> {
    /// VLAN id of the outermost tag.
    pub fn vlan(&self) -> Option<u16> {
        self.outer_tag.map(|tag| tag & 0x0fff)
    }

    /// Octets of the IP packet, of whose frame `wire_length` octets were on the wire; 0 without IP. They are what the header
    /// tells. Where it leaves the length to the network card (of TCP, and of what is too long for its field), they are what the
    /// frame has.
    #[inline]
    pub fn ip_length(&self, wire_length: u32) -> u64 {
        match (self.ip, self.offsets.l3) {
            (Some(ip), Some(at)) if ip.is_unsized => {
                let on_wire = u64::from(wire_length).saturating_sub(at as u64);
                let is_offloaded = ip.protocol == ip::TCP || on_wire > u64::from(u16::MAX);
                if is_offloaded { on_wire } else { u64::from(ip.length) }
            }
            (Some(ip), _) => u64::from(ip.length),
            _ => 0,
        }
    }

    /// Notes a VLAN tag: the first is the outermost, the last the innermost.
    #[inline]
    pub(crate) fn add_tag(&mut self, tag: u16) {
        match self.outer_tag {
            None => self.outer_tag = Some(tag),
            Some(_) => self.inner_tag = Some(tag),
        }
    }

    /// What the transport carries, as far as it is there.
    pub fn payload(&self) -> &'a [u8] {
        self.offsets.payload.and_then(|at| self.frame.get(at..)).unwrap_or(&[])
    }
}

/// Reads a frame of that link type.
#[inline]
pub fn decode(link: LinkType, frame: &[u8]) -> Packet<'_> {
    let mut r = wire::Reader::new(frame);
    decode_in(frame, |packet| link::decode(link, &mut r, packet))
}

/// What is read of a frame. If it ends early, that is what was read before.
#[inline]
fn decode_in<'a>(
    frame: &'a [u8],
    read: impl FnOnce(&mut Packet<'a>) -> Result<(), wire::Truncated>,
) -> Packet<'a> {
    let mut packet = Packet { frame, ..Packet::default() };
    let _ = read(&mut packet);
    packet
}

/// Reads an IP packet that has no link layer.
pub fn decode_ip(octets: &[u8]) -> Packet<'_> {
    decode(LinkType::RAW, octets)
}
