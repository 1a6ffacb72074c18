//! IP headers and what of the transport accounting needs.

use crate::Packet;
use std::net::IpAddr;
use wire::{Reader, Truncated};

/// Most extension headers of IPv6 that are followed.
const MAX_EXTENSIONS: usize = 16;

/// What an IP header tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Protocol: behind the extension headers in IPv6.
    pub protocol: u8,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// Flow label of IPv6; 0 in IPv4.
    pub flow_label: u32,
    /// Octets of the packet with its IP header, as the header tells.
    pub length: u32,
    /// A fragment that is not the first: it has no ports.
    pub fragment: bool,
}

pub(crate) fn decode<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let at = r.at();
    let (ip, transport) = match r.rest().first().map(|octet| octet >> 4) {
        Some(4) => v4(r)?,
        Some(6) => v6(r)?,
        _ => return Ok(()),
    };
    packet.offsets.l3 = Some(at);
    packet.ip = Some(ip);
    if let (false, Some(mut r)) = (ip.fragment, transport) {
        return l4(ip.protocol, &mut r, packet);
    }
    Ok(())
}

/// RFC 791. The second part is what follows the header, if it is there.
fn v4<'a>(r: &mut Reader<'a>) -> Result<(Ip, Option<Reader<'a>>), Truncated> {
    let [first, tos, l0, l1, _, _, f0, f1, _, protocol, _, _] = r.array()?;
    let source = IpAddr::from(r.array::<4>()?);
    let destination = IpAddr::from(r.array::<4>()?);
    let fragment = u16::from_be_bytes([f0, f1]) & 0x1fff != 0;
    let length = u32::from(u16::from_be_bytes([l0, l1]));
    let ip = Ip { source, destination, protocol, tos, flow_label: 0, length, fragment };
    // Options, by the header's length in words; less than five is wrong, and what follows is not known then.
    let header = usize::from(first & 0x0f) * 4;
    let transport = header.checked_sub(20).filter(|options| r.take(*options).is_ok()).map(|_| *r);
    Ok((ip, transport))
}

/// RFC 8200.
fn v6<'a>(r: &mut Reader<'a>) -> Result<(Ip, Option<Reader<'a>>), Truncated> {
    let word = r.u32()?;
    let payload = r.u16()?;
    let [mut protocol, _] = r.array()?;
    let source = IpAddr::from(r.array::<16>()?);
    let destination = IpAddr::from(r.array::<16>()?);
    let mut fragment = false;
    let mut transport = Some(*r);
    for _ in 0..MAX_EXTENSIONS {
        // Hop-by-hop, routing, fragment, authentication, destination, mobility, HIP, Shim6.
        if fragment || !matches!(protocol, 0 | 43 | 44 | 51 | 60 | 135 | 139 | 140) {
            break;
        }
        let Ok([next, length, f0, f1]) = r.array() else {
            transport = None;
            break;
        };
        let rest = match protocol {
            44 => {
                fragment = u16::from_be_bytes([f0, f1]) & 0xfff8 != 0;
                4
            }
            51 => (usize::from(length) + 2) * 4 - 4,
            _ => (usize::from(length) + 1) * 8 - 4,
        };
        protocol = next;
        transport = r.take(rest).ok().map(|_| *r);
        if transport.is_none() {
            break;
        }
    }
    let ip = Ip {
        source,
        destination,
        protocol,
        tos: (word >> 20) as u8,
        flow_label: word & 0xf_ffff,
        length: u32::from(payload) + 40,
        fragment,
    };
    Ok((ip, transport))
}

fn l4<'a>(protocol: u8, r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    packet.offsets.l4 = Some(r.at());
    let header = *r;
    match protocol {
        6 => {
            packet.ports = Some((r.u16()?, r.u16()?));
            r.take(8)?;
            let [offset, flags] = r.array()?;
            packet.tcp_flags = flags;
            let len = usize::from(offset >> 4) * 4;
            if len >= 20 && header.left() >= len {
                packet.offsets.payload = Some(header.at() + len);
            }
        }
        // UDP, UDP-Lite, DCCP, SCTP.
        17 | 33 | 132 | 136 => {
            packet.ports = Some((r.u16()?, r.u16()?));
            let len = match protocol {
                17 | 136 => 8,
                _ => 12,
            };
            if header.left() >= len {
                packet.offsets.payload = Some(header.at() + len);
            }
        }
        _ => packet.offsets.payload = Some(r.at()),
    }
    Ok(())
}
