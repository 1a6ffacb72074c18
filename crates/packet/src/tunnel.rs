//! Packets inside packets.
//!
//! A decoder reads the outer packet; who asks for the inner one gets it from [`inner`], decoded then and not before. Tunnels are told by
//! the IP protocol, or by a UDP port, for which [`Ports`] has the usual numbers.

use crate::{LinkType, Packet, decode_in, ethertype, link, tags};
use wire::{Reader, Truncated};

/// What a tunnel is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// IP in IP: IPv4 or IPv6 in either (RFC 2003, RFC 4213, RFC 2473).
    Ip,
    /// GRE (RFC 2784, RFC 2890), PPTP's too (RFC 2637).
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
    /// L2TP version 2 (RFC 2661).
    L2tp,
}

/// A tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel<'a> {
    /// What it is made of.
    pub kind: Kind,
    /// Its identifier: VNI, VSID, key, TEID, session.
    pub id: Option<u32>,
    /// The packet inside. Its offsets are those of the frame that was captured.
    pub packet: Packet<'a>,
}

/// Which tunnels are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// UDP ports, of either end, and what they carry.
    udp: Vec<(u16, Kind)>,
    /// Tunnels with an IP protocol of their own.
    by_protocol: bool,
}

/// The port of VXLAN-GPE.
const VXLAN_GPE: u16 = 4790;

impl Default for Ports {
    /// All tunnels, at the ports that IANA and usage gave them.
    fn default() -> Self {
        let udp = vec![
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
        Self { udp, by_protocol: true }
    }
}

impl Ports {
    /// These UDP ports and nothing else.
    pub fn only(udp: Vec<(u16, Kind)>) -> Self {
        Self { udp, by_protocol: false }
    }

    fn find(&self, (source, destination): (u16, u16)) -> Option<(u16, Kind)> {
        let of = |port| self.udp.iter().find(|(known, _)| *known == port).copied();
        of(destination).or_else(|| of(source))
    }
}

/// The packet that is directly inside another.
pub fn inner<'a>(outer: &Packet<'a>, ports: &Ports) -> Option<Tunnel<'a>> {
    let ip = outer.ip?;
    if ip.is_later_fragment() {
        return None;
    }
    if ip.protocol == 17 {
        let (port, kind) = ports.find(outer.ports?)?;
        let r = reader(outer, outer.offsets.payload?)?;
        return udp(kind, port, r, outer.frame);
    }
    if !ports.by_protocol {
        return None;
    }
    let mut r = reader(outer, outer.offsets.l4?)?;
    match ip.protocol {
        4 | 41 | 94 => inside(Kind::Ip, None, LinkType::RAW, &mut r, outer.frame),
        47 => gre(r, outer.frame).ok().flatten(),
        // Ethernet within IP (RFC 3378), and as the last header of a segment routing one (RFC 8986).
        97 => {
            r.take(2).ok()?;
            inside(Kind::Ip, None, LinkType::ETHERNET, &mut r, outer.frame)
        }
        143 => inside(Kind::Ip, None, LinkType::ETHERNET, &mut r, outer.frame),
        137 => inside(Kind::Ip, None, LinkType::MPLS, &mut r, outer.frame),
        _ => None,
    }
}

/// The packet inside up to `depth` tunnels, if there is any tunnel.
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

/// A reader of the frame from that offset on.
fn reader<'a>(packet: &Packet<'a>, at: usize) -> Option<Reader<'a>> {
    let mut r = Reader::new(packet.frame);
    r.take(at).ok()?;
    Some(r)
}

/// The tunnel, if its packet can be read.
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

/// The tunnel whose packet an EtherType announces.
fn typed<'a>(kind: Kind, id: Option<u32>, etype: u16, r: &mut Reader<'a>, frame: &'a [u8]) -> Option<Tunnel<'a>> {
    if etype == ethertype::TRANSPARENT_ETHERNET {
        return inside(kind, id, LinkType::ETHERNET, r, frame);
    }
    let packet = decode_in(frame, |packet| tags::follow(etype, r, packet));
    packet.ip.is_some().then_some(Tunnel { kind, id, packet })
}

fn udp<'a>(kind: Kind, port: u16, mut r: Reader<'a>, frame: &'a [u8]) -> Option<Tunnel<'a>> {
    let r = &mut r;
    let found = match kind {
        Kind::Vxlan => vxlan(port, r, frame),
        Kind::Geneve => geneve(r, frame),
        Kind::Gtp => gtp(r, frame),
        Kind::Teredo => teredo(r, frame),
        Kind::Ayiya => ayiya(r, frame),
        Kind::MplsUdp => Ok(inside(kind, None, LinkType::MPLS, r, frame)),
        Kind::L2tp => l2tp(r, frame),
        Kind::Ip | Kind::Gre | Kind::Nvgre | Kind::Erspan => Ok(None),
    };
    found.ok().flatten()
}

type Found<'a> = Result<Option<Tunnel<'a>>, Truncated>;

/// RFC 7348 section 5, and draft-ietf-nvo3-vxlan-gpe section 3.
fn vxlan<'a>(port: u16, r: &mut Reader<'a>, frame: &'a [u8]) -> Found<'a> {
    /// The identifier is valid.
    const VALID: u8 = 0x08;
    /// The last octet of the first word tells the next protocol.
    const NEXT: u8 = 0x04;
    let [flags, _, _, next] = r.array()?;
    let [a, b, c, _] = r.array()?;
    let id = (flags & VALID != 0).then(|| u32::from_be_bytes([0, a, b, c]));
    if id.is_none() {
        return Ok(None);
    }
    let kind = Kind::Vxlan;
    Ok(match (port == VXLAN_GPE && flags & NEXT != 0, next) {
        (false, _) | (true, 3) => inside(kind, id, LinkType::ETHERNET, r, frame),
        (true, 1 | 2) => inside(kind, id, LinkType::RAW, r, frame),
        (true, 4) => typed(kind, id, ethertype::NSH, r, frame),
        (true, 5) => inside(kind, id, LinkType::MPLS, r, frame),
        _ => None,
    })
}

/// RFC 8926 section 3.4.
fn geneve<'a>(r: &mut Reader<'a>, frame: &'a [u8]) -> Found<'a> {
    let [options, _] = r.array()?;
    let etype = r.u16()?;
    let [a, b, c, _] = r.array()?;
    if options >> 6 != 0 {
        return Ok(None);
    }
    r.take(usize::from(options & 0x3f) * 4)?;
    Ok(typed(Kind::Geneve, Some(u32::from_be_bytes([0, a, b, c])), etype, r, frame))
}

/// A G-PDU, or a T-PDU of version 0. Other messages carry no packet.
fn gtp<'a>(r: &mut Reader<'a>, frame: &'a [u8]) -> Found<'a> {
    const G_PDU: u8 = 255;
    let [flags, message, _, _] = r.array()?;
    if message != G_PDU || flags & 0x10 == 0 {
        return Ok(None);
    }
    let id = match flags >> 5 {
        0 => {
            // Sequence, flow label, and then the identifier of the tunnel.
            r.take(8)?;
            r.take(4)?;
            r.u32()?
        }
        1 => {
            let id = r.u32()?;
            if flags & 0x07 != 0 {
                let [_, _, _, mut next] = r.array()?;
                while next != 0 {
                    let length = usize::from(r.u8()?) * 4;
                    let body = r.take(length.saturating_sub(1))?;
                    next = body.last().copied().unwrap_or(0);
                }
            }
            id
        }
        _ => return Ok(None),
    };
    Ok(inside(Kind::Gtp, Some(id), LinkType::RAW, r, frame))
}

/// RFC 4380 section 5.1.1: authentication and origin may stand before the packet.
fn teredo<'a>(r: &mut Reader<'a>, frame: &'a [u8]) -> Found<'a> {
    if r.rest().starts_with(&[0, 1]) {
        let [_, _, client, value] = r.array()?;
        r.take(usize::from(client) + usize::from(value) + 9)?;
    }
    if r.rest().starts_with(&[0, 0]) {
        r.take(8)?;
    }
    let is_v6 = r.rest().first().is_some_and(|octet| octet >> 4 == 6);
    Ok(if is_v6 { inside(Kind::Teredo, None, LinkType::RAW, r, frame) } else { None })
}

/// Identity and signature follow the header; their lengths are in its first two octets.
fn ayiya<'a>(r: &mut Reader<'a>, frame: &'a [u8]) -> Found<'a> {
    let [identity, signature, _, next] = r.array()?;
    r.take(4)?;
    let identity = 1usize << (identity >> 4).min(8);
    r.take(identity + usize::from(signature >> 4) * 4)?;
    Ok(match next {
        4 | 41 => inside(Kind::Ayiya, None, LinkType::RAW, r, frame),
        _ => None,
    })
}

/// A data message of version 2 (RFC 2661 section 3.1).
fn l2tp<'a>(r: &mut Reader<'a>, frame: &'a [u8]) -> Found<'a> {
    const CONTROL: u16 = 0x8000;
    const LENGTH: u16 = 0x4000;
    const SEQUENCE: u16 = 0x0800;
    const OFFSET: u16 = 0x0200;
    let flags = r.u16()?;
    if flags & CONTROL != 0 || flags & 0x000f != 2 {
        return Ok(None);
    }
    if flags & LENGTH != 0 {
        r.take(2)?;
    }
    let id = r.u32()?;
    if flags & SEQUENCE != 0 {
        r.take(4)?;
    }
    if flags & OFFSET != 0 {
        let length = r.u16()?;
        r.take(usize::from(length))?;
    }
    Ok(inside(Kind::L2tp, Some(id), LinkType::PPP, r, frame))
}

/// RFC 2784, RFC 2890; version 1 is that of PPTP (RFC 2637 section 4.1).
fn gre<'a>(mut r: Reader<'a>, frame: &'a [u8]) -> Found<'a> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ACKNOWLEDGEMENT: u16 = 0x0080;
    let r = &mut r;
    let (flags, etype) = (r.u16()?, r.u16()?);
    let version = flags & 7;
    if flags & ROUTING != 0 || version > 1 {
        return Ok(None);
    }
    if flags & CHECKSUM != 0 {
        r.take(4)?;
    }
    let key = if flags & KEY != 0 { Some(r.u32()?) } else { None };
    if flags & SEQUENCE != 0 {
        r.take(4)?;
    }
    if version == 1 && flags & ACKNOWLEDGEMENT != 0 {
        r.take(4)?;
    }
    Ok(match etype {
        ethertype::TRANSPARENT_ETHERNET if flags & (CHECKSUM | SEQUENCE) == 0 && key.is_some() => {
            let subnet = key.map(|key| key >> 8);
            inside(Kind::Nvgre, subnet, LinkType::ETHERNET, r, frame)
        }
        ethertype::PPP => inside(Kind::Gre, key, LinkType::PPP, r, frame),
        // Type I has no header of its own, and no sequence number.
        ethertype::ERSPAN if flags & SEQUENCE == 0 => inside(Kind::Erspan, None, LinkType::ETHERNET, r, frame),
        ethertype::ERSPAN => {
            let [_, _, high, low] = r.array()?;
            r.take(4)?;
            let session = u32::from(u16::from_be_bytes([high, low]) & 0x03ff);
            inside(Kind::Erspan, Some(session), LinkType::ETHERNET, r, frame)
        }
        ethertype::ERSPAN_III => {
            let [_, _, high, low] = r.array()?;
            let rest = r.take(8)?;
            if rest.last().is_some_and(|flags| flags & 1 != 0) {
                r.take(8)?;
            }
            let session = u32::from(u16::from_be_bytes([high, low]) & 0x03ff);
            inside(Kind::Erspan, Some(session), LinkType::ETHERNET, r, frame)
        }
        // Aruba's access points send 802.11 frames.
        0x8200..=0x8210 | 0x9000 => inside(Kind::Gre, key, LinkType::IEEE_802_11, r, frame),
        _ => typed(Kind::Gre, key, etype, r, frame),
    })
}
