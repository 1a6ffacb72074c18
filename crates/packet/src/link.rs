//! Link layers and the tags between them and IP.

use crate::{MAX_TAGS, Packet, ethertype, ip};
use wire::{Reader, Truncated};

/// A link type (`LINKTYPE_` values of the tcpdump project).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkType(pub u32);

impl LinkType {
    /// BSD loopback: the family in the sender's byte order.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP, with or without HDLC framing.
    pub const PPP: Self = Self(9);
    /// PPP in HDLC framing.
    pub const PPP_HDLC: Self = Self(50);
    /// Raw IP.
    pub const RAW: Self = Self(101);
    /// OpenBSD loopback: the family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked.
    pub const LINUX_SLL: Self = Self(113);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked, version 2.
    pub const LINUX_SLL2: Self = Self(276);
}

pub(crate) fn decode<'a>(link: LinkType, r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    match link {
        LinkType::ETHERNET => ethernet(r, packet),
        // 12 and 14 are what some systems write for raw IP.
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 | LinkType(12 | 14) => any_ip(r, packet),
        LinkType::NULL | LinkType::LOOP => {
            r.u32()?;
            // The families of IPv6 differ between systems; the IP header tells as well.
            any_ip(r, packet)
        }
        LinkType::LINUX_SLL => {
            r.take(6)?;
            let address = r.array::<8>()?;
            let [a, b, c, d, e, f, ..] = address;
            packet.src_mac = Some([a, b, c, d, e, f]);
            let etype = r.u16()?;
            tagged(etype, r, packet)
        }
        LinkType::LINUX_SLL2 => {
            let etype = r.u16()?;
            r.take(10)?;
            let [a, b, c, d, e, f, ..] = r.array::<8>()?;
            packet.src_mac = Some([a, b, c, d, e, f]);
            tagged(etype, r, packet)
        }
        LinkType::PPP | LinkType::PPP_HDLC => {
            if r.rest().starts_with(&[0xff, 3]) {
                r.take(2)?;
            }
            ppp(r, packet)
        }
        _ => Ok(()),
    }
}

fn ethernet<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    packet.offsets.mac = Some(r.at());
    packet.dst_mac = Some(r.array()?);
    packet.src_mac = Some(r.array()?);
    let etype = r.u16()?;
    tagged(etype, r, packet)
}

/// What follows an EtherType; values below 1536 are lengths of 802.3 frames.
fn tagged<'a>(mut etype: u16, r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    for _ in 0..MAX_TAGS {
        match etype {
            ethertype::VLAN | ethertype::QINQ | ethertype::QINQ_OLD => {
                packet.offsets.vlan = packet.offsets.vlan.or(Some(r.at()));
                let tag = r.u16()?;
                match packet.outer_tag {
                    None => packet.outer_tag = Some(tag),
                    Some(_) => packet.inner_tag = Some(tag),
                }
                etype = r.u16()?;
            }
            0..1536 => {
                // LLC with SNAP and no organization carries an EtherType (RFC 1042).
                let mut llc = *r;
                if llc.array::<6>() != Ok([0xaa, 0xaa, 3, 0, 0, 0]) {
                    return Ok(());
                }
                *r = llc;
                etype = r.u16()?;
            }
            _ => break,
        }
    }
    packet.etype = Some(etype);
    match etype {
        ethertype::IPV4 | ethertype::IPV6 => ip::decode(r, packet),
        ethertype::MPLS | ethertype::MPLS_UPSTREAM => mpls(r, packet),
        ethertype::PPPOE => {
            r.take(6)?;
            ppp(r, packet)
        }
        _ => Ok(()),
    }
}

/// Behind a PPP protocol number of one or two octets (RFC 1661 section 6.5).
fn ppp<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let mut protocol = u16::from(r.u8()?);
    if protocol & 1 == 0 {
        protocol = protocol << 8 | u16::from(r.u8()?);
    }
    match protocol {
        0x21 | 0x57 => any_ip(r, packet),
        0x0281 | 0x0283 => mpls(r, packet),
        _ => Ok(()),
    }
}

/// A label stack and what is behind it: IP, by the first half octet (RFC 4928).
fn mpls<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let start = *r;
    packet.offsets.mpls = Some(r.at());
    for count in 1..=MAX_TAGS {
        let [_, _, last, _] = r.array()?;
        packet.labels = start.rest().get(..count * 4).unwrap_or(&[]);
        if last & 1 == 1 {
            return any_ip(r, packet);
        }
    }
    Ok(())
}

fn any_ip<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    match r.rest().first().map(|octet| octet >> 4) {
        Some(4) => packet.etype = Some(ethertype::IPV4),
        Some(6) => packet.etype = Some(ethertype::IPV6),
        _ => return Ok(()),
    }
    ip::decode(r, packet)
}
