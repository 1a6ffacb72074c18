//! IP headers, and the parts of transport headers that accounting needs.

use crate::{Packet, ethertype};
use std::net::IpAddr;
use wire::{Reader, Truncated};

/// Maximum number of IPv6 extension headers that are parsed.
const MAX_EXTENSIONS: usize = 16;
/// Length of an IPv4 header without options, in octets.
pub(crate) const V4_HEADER: usize = 20;
/// Length of the fixed IPv6 header, in octets.
pub(crate) const V6_HEADER: u32 = 40;
/// The hop-by-hop option with the length of a jumbogram (RFC 2675), and its own length.
const JUMBO: [u8; 2] = [0xc2, 4];

const HOP_BY_HOP: u8 = 0;
const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
const DCCP: u8 = 33;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;

/// The fragment fields of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Identification: 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
    /// Offset of the fragment in the packet, in octets.
    pub offset: u16,
    /// Whether more fragments follow.
    pub more: bool,
}

/// The fields of an IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Protocol; in IPv6, after the extension headers.
    pub protocol: u8,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Flow label of IPv6; 0 in IPv4.
    pub flow_label: u32,
    /// Length of the packet with its IP header, from the header, in octets.
    pub length: u32,
    /// The header has no length because segmentation offload lets the network card fill it. See [`Packet::ip_length`].
    pub is_unsized: bool,
    /// Fragment fields, if it is a fragment.
    pub fragment: Option<Fragment>,
}

impl Ip {
    /// Returns true for fragments without the transport header.
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|fragment| fragment.offset > 0)
    }

    /// Returns true for an IPv6 packet with a payload length of 0 and no jumbo payload option: a router drops it (RFC 2675
    /// section 3).
    pub fn ends_before_options(&self) -> bool {
        self.is_unsized && self.protocol == HOP_BY_HOP && self.source.is_ipv6()
    }
}

/// Returns true if the octets can be the start of an IP packet: distinguishes IP from Ethernet after headers that do not identify
/// the next protocol.
pub(crate) fn is_plausible(octets: &[u8]) -> bool {
    match *octets {
        [first, _, l0, l1, ..] if first >> 4 == 4 => {
            let (header, length) = (u16::from(first & 0x0f) * 4, u16::from_be_bytes([l0, l1]));
            usize::from(header) >= V4_HEADER && (length >= header || length == 0)
        }
        [first, ..] => first >> 4 == 6,
        [] => false,
    }
}

/// Returns true for an IPv4 header with a valid checksum, and for an IPv6 header whose length matches the octets: for heuristics.
pub(crate) fn is_certain(octets: &[u8]) -> bool {
    if !is_plausible(octets) {
        return false;
    }
    match *octets {
        [first, ..] if first >> 4 == 4 => octets.get(..usize::from(first & 0x0f) * 4).is_some_and(|header| {
            let sum: u32 =
                header.as_chunks().0.iter().map(|pair: &[u8; 2]| u32::from(u16::from_be_bytes(*pair))).sum();
            sum != 0 && sum.is_multiple_of(0xffff)
        }),
        [_, _, _, _, l0, l1, ..] => octets.len() == V6_HEADER as usize + usize::from(u16::from_be_bytes([l0, l1])),
        _ => false,
    }
}

/// Reads IP of the version in its first four bits.
pub(crate) fn any<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    match r.rest().first().map(|octet| octet >> 4) {
        Some(4) => packet.etype = Some(ethertype::IPV4),
        Some(6) => packet.etype = Some(ethertype::IPV6),
        _ => return Ok(()),
    }
    decode(r, packet)
}

#[inline]
pub(crate) fn decode<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let at = r.at();
    let (ip, transport) = match r.rest().first().map(|octet| octet >> 4) {
        Some(4) => v4(r)?,
        Some(6) => v6(r)?,
        _ => return Ok(()),
    };
    packet.offsets.l3 = Some(at);
    packet.ip = Some(ip);
    if let (false, Some(mut r)) = (ip.is_later_fragment(), transport) {
        return l4(ip.protocol, &mut r, packet);
    }
    Ok(())
}

/// RFC 791. Also returns the reader after the header, if it is complete.
#[inline]
fn v4<'a>(r: &mut Reader<'a>) -> Result<(Ip, Option<Reader<'a>>), Truncated> {
    let [first, tos, l0, l1, i0, i1, f0, f1, ttl, protocol, _, _] = r.array()?;
    let source = IpAddr::from(r.array::<4>()?);
    let destination = IpAddr::from(r.array::<4>()?);
    let bits = u16::from_be_bytes([f0, f1]);
    let (offset, more) = (bits << 3, bits & 0x2000 != 0);
    let fragment =
        (offset > 0 || more).then_some(Fragment { id: u16::from_be_bytes([i0, i1]).into(), offset, more });
    let length = u32::from(u16::from_be_bytes([l0, l1]));
    let is_unsized = length == 0;
    let ip = Ip { source, destination, protocol, tos, ttl, flow_label: 0, length, is_unsized, fragment };
    // Options, by the header length in words; fewer than five is invalid, and the payload is unknown then.
    let header = usize::from(first & 0x0f) * 4;
    let transport = header.checked_sub(V4_HEADER).filter(|options| r.take(*options).is_ok()).map(|_| *r);
    Ok((ip, transport))
}

/// RFC 8200.
fn v6<'a>(r: &mut Reader<'a>) -> Result<(Ip, Option<Reader<'a>>), Truncated> {
    let word = r.u32()?;
    let payload = r.u16()?;
    let [protocol, ttl] = r.array()?;
    let mut ip = Ip {
        source: IpAddr::from(r.array::<16>()?),
        destination: IpAddr::from(r.array::<16>()?),
        protocol,
        tos: (word >> 20) as u8,
        ttl,
        flow_label: word & 0xf_ffff,
        length: u32::from(payload) + V6_HEADER,
        is_unsized: false,
        fragment: None,
    };
    let mut transport = Some(*r);
    for _ in 0..MAX_EXTENSIONS {
        // Hop-by-hop, routing, fragment, authentication, destination, mobility. HIP and Shim6 are protocols here: their contents
        // are not a transport header.
        if ip.is_later_fragment() || !matches!(ip.protocol, 0 | 43 | 44 | 51 | 60 | 135) {
            break;
        }
        transport = extension(&mut ip, payload, r);
        if transport.is_none() {
            break;
        }
    }
    ip.is_unsized = payload == 0 && ip.length == V6_HEADER;
    Ok((ip, transport))
}

/// Reads the extension header whose number is the current protocol. `None` if it is truncated, or the packet ends before it: a
/// payload length of 0 before hop-by-hop options indicates a jumbogram, and is an error without its option (RFC 2675 section 3).
fn extension<'a>(ip: &mut Ip, payload: u16, r: &mut Reader<'a>) -> Option<Reader<'a>> {
    let [next, length] = r.array().ok()?;
    let rest = match ip.protocol {
        44 => 6,
        51 => (usize::from(length) + 2) * 4 - 2,
        _ => (usize::from(length) + 1) * 8 - 2,
    };
    match (ip.protocol, r.take(rest).ok()?) {
        (44, [f0, f1, a, b, c, d]) => {
            let bits = u16::from_be_bytes([*f0, *f1]);
            let (offset, more) = (bits & 0xfff8, bits & 1 != 0);
            let id = u32::from_be_bytes([*a, *b, *c, *d]);
            // An atomic fragment is a complete packet (RFC 6946).
            ip.fragment = (offset > 0 || more).then_some(Fragment { id, offset, more });
        }
        (HOP_BY_HOP, options) if payload == 0 => ip.length = jumbo_length(options)?.saturating_add(V6_HEADER),
        _ => {}
    }
    ip.protocol = next;
    Some(*r)
}

/// The length in the jumbo payload option, if present.
#[cold]
fn jumbo_length(options: &[u8]) -> Option<u32> {
    const PAD1: u8 = 0;
    let mut r = Reader::new(options);
    loop {
        let kind = r.u8().ok()?;
        if kind == PAD1 {
            continue;
        }
        let length = r.u8().ok()?;
        if [kind, length] == JUMBO {
            return r.u32().ok();
        }
        r.take(length.into()).ok()?;
    }
}

#[inline]
fn l4<'a>(protocol: u8, r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    packet.offsets.l4 = Some(r.at());
    let header = *r;
    match protocol {
        TCP => {
            packet.ports = Some((r.u16()?, r.u16()?));
            r.take(8)?;
            let [offset, flags] = r.array()?;
            packet.tcp_flags = flags;
            let len = usize::from(offset >> 4) * 4;
            if len >= 20 && header.left() >= len {
                packet.offsets.payload = Some(header.at() + len);
            }
        }
        UDP | DCCP | SCTP | UDP_LITE => {
            packet.ports = Some((r.u16()?, r.u16()?));
            let len = match protocol {
                UDP | UDP_LITE => 8,
                SCTP => 12,
                // The header's length in words (RFC 4340 section 5.1).
                _ => (usize::from(r.u8()?) * 4).max(12),
            };
            if header.left() >= len {
                packet.offsets.payload = Some(header.at() + len);
            }
        }
        ICMP | ICMPV6 => {
            packet.icmp = Some((r.u8()?, r.u8()?));
            packet.offsets.payload = Some(header.at());
        }
        _ => packet.offsets.payload = Some(r.at()),
    }
    Ok(())
}
