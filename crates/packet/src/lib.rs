//! Frames and packets: link layer, VLAN tags, MPLS labels, IP, transport.
//!
//! [`decode`] reads the layers of one frame until an unknown protocol or the end of the octets. The [`Packet`] contains
//! everything up to there. It copies and allocates nothing.
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
//! Most frames have the same simple structure, which [`plain`] reads faster.
//!
//! Lengths in headers are trusted: they are accounted, also for frames that were truncated by the capture. They do not limit
//! decoding: a transport header is read even if the IP length ends before it.
//! An ARP frame has only MAC addresses, tags and an EtherType: the addresses in ARP are not those of traffic.
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
    /// Tag used before 802.1ad.
    pub const QINQ_OLD: u16 = 0x9100;
    /// Another tag used before 802.1ad.
    pub const QINQ_9200: u16 = 0x9200;
    /// Another tag used before 802.1ad.
    pub const QINQ_9300: u16 = 0x9300;
    /// LLC in jumbo frames, whose length does not fit.
    pub const JUMBO_LLC: u16 = 0x8870;
    /// MPLS unicast.
    pub const MPLS: u16 = 0x8847;
    /// MPLS with upstream-assigned labels.
    pub const MPLS_UPSTREAM: u16 = 0x8848;
    /// PPPoE session.
    pub const PPPOE: u16 = 0x8864;
    /// 802.1ah, provider backbone bridges.
    pub const PBB: u16 = 0x88e7;
    /// 802.1AE, MACsec.
    pub const MACSEC: u16 = 0x88e5;
    /// Cisco metadata: the security group of the sender.
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
    /// A packet redirected to a web cache (WCCP), with or without a redirect header.
    pub const WCCP: u16 = 0x883e;
    /// ERSPAN, types I and II.
    pub const ERSPAN: u16 = 0x88be;
    /// ERSPAN, type III.
    pub const ERSPAN_III: u16 = 0x22eb;
}

/// Maximum number of VLAN tags, and of MPLS labels, that are parsed.
const MAX_TAGS: usize = 16;

/// Maximum nesting of Ethernet and SNAP headers.
const MAX_NESTED: u8 = 6;

/// Offsets of the layers from the start of the frame, in octets.
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
    /// Transport header; absent in later fragments.
    pub l4: Option<usize>,
    /// Payload of the transport layer.
    pub payload: Option<usize>,
}

/// A decoded frame.
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
    /// Tag control information of the innermost VLAN tag, if there are several.
    pub inner_tag: Option<u16>,
    /// MPLS label stack entries, four octets each, top first.
    pub labels: &'a [u8],
    /// The IP header.
    pub ip: Option<Ip>,
    /// Ports: source, destination.
    pub ports: Option<(u16, u16)>,
    /// Type and code of ICMP.
    pub icmp: Option<(u8, u8)>,
    /// TCP flags, low octet.
    pub tcp_flags: u8,
    /// Offsets of the layers.
    pub offsets: Offsets,
    /// Number of nested Ethernet and SNAP headers, which is limited.
    nested: u8,
}

impl<'a> Packet<'a> {
    /// VLAN ID of the outermost tag.
    pub fn vlan(&self) -> Option<u16> {
        self.outer_tag.map(|tag| tag & 0x0fff)
    }

    /// Length of the IP packet in octets, from its header; 0 without IP. If the header has no length (segmentation offload, or a
    /// packet that is too long for the field), it is derived from `wire_length`, the length of the frame on the wire.
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

    /// Records a VLAN tag: the first is the outermost, the last the innermost.
    #[inline]
    pub(crate) fn add_tag(&mut self, tag: u16) {
        match self.outer_tag {
            None => self.outer_tag = Some(tag),
            Some(_) => self.inner_tag = Some(tag),
        }
    }

    /// The captured part of the transport payload.
    pub fn payload(&self) -> &'a [u8] {
        self.offsets.payload.and_then(|at| self.frame.get(at..)).unwrap_or(&[])
    }
}

/// Decodes a frame of a link type.
#[inline]
pub fn decode(link: LinkType, frame: &[u8]) -> Packet<'_> {
    let mut r = wire::Reader::new(frame);
    decode_in(frame, |packet| link::decode(link, &mut r, packet))
}

/// Decodes a frame with `read`; a truncated frame keeps the fields before its end.
#[inline]
fn decode_in<'a>(
    frame: &'a [u8],
    read: impl FnOnce(&mut Packet<'a>) -> Result<(), wire::Truncated>,
) -> Packet<'a> {
    let mut packet = Packet { frame, ..Packet::default() };
    let _ = read(&mut packet);
    packet
}

/// Decodes an IP packet without a link layer.
pub fn decode_ip(octets: &[u8]) -> Packet<'_> {
    decode(LinkType::RAW, octets)
}
