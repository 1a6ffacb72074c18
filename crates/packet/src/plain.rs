//! A fast path for common packets, whose headers are at fixed offsets.
//!
//! [`plain`] accepts Ethernet with at most one 802.1Q tag, IPv4 without options or IPv6 without extension headers, unfragmented,
//! with TCP or UDP captured up to the ports and flags. For such a frame it returns the same fields as [`decode`](crate::decode), at
//! a fraction of the cost. For any other frame it returns `None`.

use crate::ethertype;
use crate::ip::{TCP, UDP, V4_HEADER, V6_HEADER};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Length of an Ethernet header, in octets.
const ETHERNET: usize = 14;
/// The first octet of an IPv4 header without options.
const V4_WITHOUT_OPTIONS: u8 = 0x45;
/// Offset of the flags in a TCP header.
const FLAGS: usize = 13;

/// A packet whose headers are at fixed offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain<'a> {
    macs: &'a [u8; 12],
    addresses: Addresses<'a>,
    ports: &'a [u8; 4],
    /// Tag control information of the VLAN tag.
    pub tag: Option<u16>,
    /// TCP or UDP.
    pub protocol: u8,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// Flow label of IPv6; 0 in IPv4.
    pub flow_label: u32,
    /// Length of the packet with its IP header, from the header, in octets.
    pub length: u32,
    /// TCP flags, low octet.
    pub tcp_flags: u8,
    /// The transport header and what follows it, to the end of the frame.
    pub transport: &'a [u8],
}

/// Source and destination address, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Addresses<'a> {
    V4(&'a [u8; 8]),
    V6(&'a [u8; 32]),
}

impl Plain<'_> {
    /// Destination MAC address.
    #[inline]
    pub fn dst_mac(&self) -> [u8; 6] {
        let [a, b, c, d, e, f, ..] = *self.macs;
        [a, b, c, d, e, f]
    }

    /// Source MAC address.
    #[inline]
    pub fn src_mac(&self) -> [u8; 6] {
        let [.., a, b, c, d, e, f] = *self.macs;
        [a, b, c, d, e, f]
    }

    /// The EtherType after the tag.
    #[inline]
    pub fn etype(&self) -> u16 {
        match self.addresses {
            Addresses::V4(_) => ethertype::IPV4,
            Addresses::V6(_) => ethertype::IPV6,
        }
    }

    /// Returns true for IPv4.
    #[inline]
    pub fn is_v4(&self) -> bool {
        matches!(self.addresses, Addresses::V4(_))
    }

    /// Source address.
    #[inline]
    pub fn source(&self) -> IpAddr {
        match self.addresses {
            Addresses::V4(&[a, b, c, d, ..]) => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            Addresses::V6(both) => v6_address(both.first_chunk()),
        }
    }

    /// Destination address.
    #[inline]
    pub fn destination(&self) -> IpAddr {
        match self.addresses {
            Addresses::V4(&[.., a, b, c, d]) => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            Addresses::V6(both) => v6_address(both.last_chunk()),
        }
    }

    /// Ports: source, destination.
    #[inline]
    pub fn ports(&self) -> (u16, u16) {
        let [a, b, c, d] = *self.ports;
        (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
    }

    /// Length of the transport header and payload, in octets, from the length in the IP header; `None` if that is less than the IP header.
    #[inline]
    pub fn transport_length(&self) -> Option<u32> {
        self.length.checked_sub(if self.is_v4() { V4_HEADER as u32 } else { V6_HEADER })
    }

    /// Returns true for TCP.
    #[inline]
    pub fn is_tcp(&self) -> bool {
        self.protocol == TCP
    }
}

/// One of the two addresses of a header, both of which are present.
#[inline]
fn v6_address(octets: Option<&[u8; 16]>) -> IpAddr {
    IpAddr::V6(octets.map_or(Ipv6Addr::UNSPECIFIED, |octets| Ipv6Addr::from(*octets)))
}

/// Reads an Ethernet frame, if its headers are at fixed offsets and complete up to the needed fields.
#[inline]
pub fn plain(frame: &[u8]) -> Option<Plain<'_>> {
    let (link, mut network) = frame.split_first_chunk::<ETHERNET>()?;
    let (macs, etype) = link.split_first_chunk()?;
    let mut etype = u16::from_be_bytes(*etype.first_chunk()?);
    let mut tag = None;
    if etype == ethertype::VLAN {
        let (&[t0, t1, e0, e1], rest) = network.split_first_chunk()?;
        (tag, etype, network) = (Some(u16::from_be_bytes([t0, t1])), u16::from_be_bytes([e0, e1]), rest);
    }
    match etype {
        ethertype::IPV4 => v4(macs, tag, network),
        ethertype::IPV6 => v6(macs, tag, network),
        _ => None,
    }
}

#[inline]
fn v4<'a>(macs: &'a [u8; 12], tag: Option<u16>, octets: &'a [u8]) -> Option<Plain<'a>> {
    let (header, transport) = octets.split_first_chunk::<V4_HEADER>()?;
    let (&[first, tos, l0, l1, _, _, f0, f1, _, protocol, _, _], addresses) = header.split_first_chunk()?;
    let is_fragment = u16::from_be_bytes([f0, f1]) & 0x3fff != 0;
    let length = u32::from(u16::from_be_bytes([l0, l1]));
    // A length of zero (segmentation offload) is left to the general decoder.
    if first != V4_WITHOUT_OPTIONS || is_fragment || length == 0 {
        return None;
    }
    let (ports, tcp_flags) = ports(protocol, transport)?;
    let addresses = Addresses::V4(addresses.first_chunk()?);
    Some(Plain { macs, addresses, ports, tag, protocol, tos, flow_label: 0, length, tcp_flags, transport })
}

#[inline]
fn v6<'a>(macs: &'a [u8; 12], tag: Option<u16>, octets: &'a [u8]) -> Option<Plain<'a>> {
    let (header, transport) = octets.split_first_chunk::<{ V6_HEADER as usize }>()?;
    let (&[a, b, c, d, l0, l1, protocol, _], addresses) = header.split_first_chunk()?;
    let (word, payload) = (u32::from_be_bytes([a, b, c, d]), u32::from(u16::from_be_bytes([l0, l1])));
    if word >> 28 != 6 || payload == 0 {
        return None;
    }
    let (ports, tcp_flags) = ports(protocol, transport)?;
    Some(Plain {
        macs,
        addresses: Addresses::V6(addresses.first_chunk()?),
        ports,
        tag,
        protocol,
        tos: (word >> 20) as u8,
        flow_label: word & 0xf_ffff,
        length: payload + V6_HEADER,
        tcp_flags,
        transport,
    })
}

#[inline]
fn ports(protocol: u8, transport: &[u8]) -> Option<(&[u8; 4], u8)> {
    let flags = match protocol {
        UDP => 0,
        TCP => *transport.get(FLAGS)?,
        _ => return None,
    };
    Some((transport.first_chunk()?, flags))
}
