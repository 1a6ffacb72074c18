//! Tunnels over UDP.

use super::{Found, Kind, VXLAN_GPE, inside as carried, l2tp, typed};
use crate::{LinkType, ethertype};
use wire::Reader;

/// Reads the tunnel after a UDP header with this port.
pub(super) fn inside<'a>(kind: Kind, port: u16, mut r: Reader<'a>, frame: &'a [u8]) -> Found<'a> {
    let r = &mut r;
    match kind {
        Kind::Vxlan => vxlan(port, r, frame),
        Kind::Geneve => geneve(r, frame),
        Kind::Gtp => gtp(r, frame),
        Kind::Teredo => teredo(r, frame),
        Kind::Ayiya => ayiya(r, frame),
        Kind::MplsUdp => Ok(carried(kind, None, LinkType::MPLS, r, frame)),
        Kind::L2tp => l2tp::over_udp(r, frame),
        Kind::Ip | Kind::Gre | Kind::Nvgre | Kind::Erspan | Kind::EtherIp | Kind::MplsIp => Ok(None),
    }
}

/// RFC 7348 section 5, and draft-ietf-nvo3-vxlan-gpe section 3.
fn vxlan<'a>(port: u16, r: &mut Reader<'a>, frame: &'a [u8]) -> Found<'a> {
    /// The identifier is valid.
    const VALID: u8 = 0x08;
    /// The last octet of the first word is the next protocol (VXLAN-GPE).
    const NEXT: u8 = 0x04;
    let [flags, _, _, next] = r.array()?;
    let [a, b, c, _] = r.array()?;
    let id = (flags & VALID != 0).then(|| u32::from_be_bytes([0, a, b, c]));
    if id.is_none() {
        return Ok(None);
    }
    let kind = Kind::Vxlan;
    Ok(match (port == VXLAN_GPE && flags & NEXT != 0, next) {
        (false, _) | (true, 3) => carried(kind, id, LinkType::ETHERNET, r, frame),
        (true, 1 | 2) => carried(kind, id, LinkType::RAW, r, frame),
        (true, 4) => typed(kind, id, ethertype::NSH, r, frame),
        (true, 5) => carried(kind, id, LinkType::MPLS, r, frame),
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

/// A G-PDU, or a T-PDU of version 0. Other messages contain no packet.
fn gtp<'a>(r: &mut Reader<'a>, frame: &'a [u8]) -> Found<'a> {
    const G_PDU: u8 = 255;
    let [flags, message, _, _] = r.array()?;
    if message != G_PDU || flags & 0x10 == 0 {
        return Ok(None);
    }
    let id = match flags >> 5 {
        0 => {
            // Sequence number, flow label, and then the tunnel identifier.
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
    Ok(carried(Kind::Gtp, Some(id), LinkType::RAW, r, frame))
}

/// RFC 4380 section 5.1.1: authentication and origin indication may precede the packet.
fn teredo<'a>(r: &mut Reader<'a>, frame: &'a [u8]) -> Found<'a> {
    if r.rest().starts_with(&[0, 1]) {
        let [_, _, client, value] = r.array()?;
        r.take(usize::from(client) + usize::from(value) + 9)?;
    }
    if r.rest().starts_with(&[0, 0]) {
        r.take(8)?;
    }
    let is_v6 = r.rest().first().is_some_and(|octet| octet >> 4 == 6);
    Ok(if is_v6 { carried(Kind::Teredo, None, LinkType::RAW, r, frame) } else { None })
}

/// Identity and signature follow the header; their lengths are in its first two octets.
fn ayiya<'a>(r: &mut Reader<'a>, frame: &'a [u8]) -> Found<'a> {
    let [identity, signature, _, next] = r.array()?;
    r.take(4)?;
    let identity = 1usize << (identity >> 4).min(8);
    r.take(identity + usize::from(signature >> 4) * 4)?;
    Ok(match next {
        4 | 41 => carried(Kind::Ayiya, None, LinkType::RAW, r, frame),
        _ => None,
    })
}
