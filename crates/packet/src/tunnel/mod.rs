//! Tunnels.
//!
//! [`inner`] decodes the packet inside a tunnel on demand. Tunnels are recognised by the IP protocol, or by a UDP port, for which
//! [`Ports`] has the usual numbers. An EtherType, a protocol number or the first four bits identify the payload; L2TP version 3 does
//! not identify it, so a heuristic validates the IP checksum.
//!
//! Not supported: encrypted (ESP) and compressed (IPComp) packets, and GRE's obsolete source routing.

mod gre;
mod l2tp;
mod udp;

use crate::{LinkType, Packet, decode_in, ethertype, ip, link, tags};
use std::borrow::Cow;
use wire::{Reader, Truncated};

/// Protocol of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// IP in IP: IPv4 or IPv6 in either (RFC 2003, RFC 4213, RFC 2473).
    Ip,
    /// GRE (RFC 2784, RFC 2890), including that of PPTP (RFC 2637).
    Gre,
    /// NVGRE (RFC 7637).
    Nvgre,
    /// ERSPAN.
    Erspan,
    /// VXLAN (RFC 7348) and VXLAN-GPE.
    Vxlan,
    /// Geneve (RFC 8926).
    Geneve,
    /// GTP, user plane (3GPP TS 29.281, TS 29.060).
    Gtp,
    /// Teredo (RFC 4380).
    Teredo,
    /// AYIYA.
    Ayiya,
    /// MPLS in UDP (RFC 7510).
    MplsUdp,
    /// L2TP versions 2 and 3 (RFC 2661, RFC 3931).
    L2tp,
    /// Ethernet in IP (RFC 3378, RFC 8986).
    EtherIp,
    /// MPLS in IP (RFC 4023).
    MplsIp,
}

/// A tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel<'a> {
    /// Its protocol.
    pub kind: Kind,
    /// Its identifier: VNI, VSID, key, TEID, session.
    pub id: Option<u32>,
    /// The inner packet. Its offsets are relative to the captured frame.
    pub packet: Packet<'a>,
}

/// The tunnels to decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// UDP ports and their tunnel protocols.
    udp: Cow<'static, [(u16, Kind)]>,
    /// Whether to decode tunnels with a separate IP protocol.
    by_protocol: bool,
}

/// The port of VXLAN-GPE.
const VXLAN_GPE: u16 = 4790;

/// The ports of tunnels, assigned by IANA or customary.
const USUAL: &[(u16, Kind)] = &[
    (4789, Kind::Vxlan),
    (8472, Kind::Vxlan),
    (VXLAN_GPE, Kind::Vxlan),
    (6081, Kind::Geneve),
    (2152, Kind::Gtp),
    (3386, Kind::Gtp),
    (3544, Kind::Teredo),
    (5072, Kind::Ayiya),
    (6635, Kind::MplsUdp),
    (1701, Kind::L2tp),
];

impl Default for Ports {
    /// All tunnels, on their usual ports.
    fn default() -> Self {
        Self { udp: Cow::Borrowed(USUAL), by_protocol: true }
    }
}

impl Ports {
    /// Only these UDP ports.
    pub fn only(udp: Vec<(u16, Kind)>) -> Self {
        Self { udp: Cow::Owned(udp), by_protocol: false }
    }

    /// The source port identifies a tunnel only if answers come from the well-known port. In other tunnels it distinguishes flows.
    fn find(&self, (source, destination): (u16, u16)) -> Option<(u16, Kind)> {
        let of = |port| self.udp.iter().find(|(known, _)| *known == port).copied();
        of(destination)
            .or_else(|| of(source).filter(|(_, kind)| !matches!(kind, Kind::Vxlan | Kind::Geneve | Kind::MplsUdp)))
    }
}

/// Decodes the packet directly inside another.
pub fn inner<'a>(outer: &Packet<'a>, ports: &Ports) -> Option<Tunnel<'a>> {
    let ip = outer.ip?;
    if ip.is_later_fragment() {
        return None;
    }
    if ip.protocol == ip::UDP {
        let (port, kind) = ports.find(outer.ports?)?;
        let r = reader(outer, outer.offsets.payload?)?;
        return udp::inside(kind, port, r, outer.frame).ok().flatten();
    }
    if !ports.by_protocol {
        return None;
    }
    let mut r = reader(outer, outer.offsets.l4?)?;
    let (kind, link) = match ip.protocol {
        4 | 41 | 94 => (Kind::Ip, LinkType::RAW),
        47 => return gre::inside(r, outer.frame).ok().flatten(),
        97 => {
            r.take(2).ok()?;
            (Kind::EtherIp, LinkType::ETHERNET)
        }
        115 => return l2tp::over_ip(r, outer.frame).ok().flatten(),
        137 => (Kind::MplsIp, LinkType::MPLS),
        // Ethernet after a segment routing header.
        143 => (Kind::EtherIp, LinkType::ETHERNET),
        _ => return None,
    };
    inside(kind, None, link, &mut r, outer.frame)
}

/// Decodes the packet inside up to `depth` nested tunnels, if there is any tunnel.
pub fn innermost<'a>(outer: &Packet<'a>, ports: &Ports, depth: usize) -> Option<Tunnel<'a>> {
    let mut found = inner(outer, ports)?;
    for _ in 1..depth {
        match inner(&found.packet, ports) {
            Some(next) => found = next,
            None => break,
        }
    }
    Some(found)
}

/// Maximum depth of nested tunnels for [`decode_inside`].
const DEPTH: usize = 4;

/// Decodes a frame, or the IP packet inside its tunnels on `ports`, if there is one.
#[inline]
pub fn decode_inside<'a>(link: LinkType, frame: &'a [u8], ports: Option<&Ports>) -> Packet<'a> {
    let packet = crate::decode(link, frame);
    let inside = ports.and_then(|ports| innermost(&packet, ports, DEPTH)).map(|tunnel| tunnel.packet);
    inside.filter(|inside| inside.ip.is_some()).unwrap_or(packet)
}

/// A reader of the frame from an offset on.
fn reader<'a>(packet: &Packet<'a>, at: usize) -> Option<Reader<'a>> {
    let mut r = Reader::new(packet.frame);
    r.take(at).ok()?;
    Some(r)
}

/// The tunnel, if its packet can be decoded.
fn inside<'a>(
    kind: Kind,
    id: Option<u32>,
    link: LinkType,
    r: &mut Reader<'a>,
    frame: &'a [u8],
) -> Option<Tunnel<'a>> {
    let packet = decode_in(frame, |packet| link::decode(link, r, packet));
    (packet.ip.is_some() || packet.etype.is_some()).then_some(Tunnel { kind, id, packet })
}

/// The tunnel whose payload an EtherType identifies.
fn typed<'a>(kind: Kind, id: Option<u32>, etype: u16, r: &mut Reader<'a>, frame: &'a [u8]) -> Option<Tunnel<'a>> {
    if etype == ethertype::TRANSPARENT_ETHERNET {
        return inside(kind, id, LinkType::ETHERNET, r, frame);
    }
    let packet = decode_in(frame, |packet| tags::follow(etype, r, packet));
    packet.ip.is_some().then_some(Tunnel { kind, id, packet })
}

/// The contents of a tunnel, as far as captured.
type Found<'a> = Result<Option<Tunnel<'a>>, Truncated>;
