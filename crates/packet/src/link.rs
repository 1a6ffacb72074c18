//! Link layers.

use crate::{MAX_NESTED, Packet, ethertype, ip, tags};
use wire::{Reader, Truncated};

/// A link type (`LINKTYPE_` values of the tcpdump project).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u32);

/// Declares the link types that are read, with their names.
macro_rules! links {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal;)*) => {
        impl LinkType {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// All that are read, with their names.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, $text)),*];
        }
    };
}

links! {
    /// BSD loopback: the family in the sender's byte order.
    NULL = 0 "BSD loopback";
    /// Ethernet.
    ETHERNET = 1 "Ethernet";
    /// IEEE 802.5 token ring.
    TOKEN_RING = 6 "token ring";
    /// PPP, with or without HDLC framing.
    PPP = 9 "PPP";
    /// FDDI.
    FDDI = 10 "FDDI";
    /// Raw IP, as some systems write it.
    RAW_BSD = 12 "raw IP";
    /// Raw IP, as OpenBSD writes it.
    RAW_OPENBSD = 14 "raw IP";
    /// PPP in HDLC framing.
    PPP_HDLC = 50 "PPP in HDLC framing";
    /// A PPPoE session without its Ethernet header.
    PPP_ETHER = 51 "PPPoE";
    /// Raw IP.
    RAW = 101 "raw IP";
    /// Cisco HDLC.
    CISCO_HDLC = 104 "Cisco HDLC";
    /// IEEE 802.11.
    IEEE_802_11 = 105 "802.11";
    /// Frame relay.
    FRAME_RELAY = 107 "frame relay";
    /// OpenBSD loopback: the family in network byte order.
    LOOP = 108 "OpenBSD loopback";
    /// Linux cooked.
    LINUX_SLL = 113 "Linux cooked";
    /// IEEE 802.11 behind a radiotap header.
    RADIOTAP = 127 "802.11 with radiotap";
    /// MPLS.
    MPLS = 219 "MPLS";
    /// Solaris' IPNET.
    IPNET = 226 "Solaris ipnet";
    /// Raw IPv4.
    IPV4 = 228 "raw IPv4";
    /// Raw IPv6.
    IPV6 = 229 "raw IPv6";
    /// Linux' netfilter log.
    NFLOG = 239 "netfilter log";
    /// IP over InfiniBand.
    IPOIB = 242 "IP over InfiniBand";
    /// Linux cooked, version 2.
    LINUX_SLL2 = 276 "Linux cooked v2";
}

impl LinkType {
    /// What it is called, if frames of it can be read.
    pub fn name(self) -> Option<&'static str> {
        Self::ALL.iter().find(|(link, _)| *link == self).map(|(_, name)| *name)
    }
}

/// An attribute of a netfilter log frame: the packet.
const NFLOG_PAYLOAD: u16 = 9;
/// Octets of the global routing header before an InfiniBand frame.
const GRH: usize = 40;

pub(crate) fn decode<'a>(link: LinkType, r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    match link {
        LinkType::ETHERNET => ethernet(r, packet),
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => {
            ip::any(r, packet)
        }
        LinkType::NULL | LinkType::LOOP => {
            r.u32()?;
            // The families of IPv6 differ between systems; the IP header tells as well.
            ip::any(r, packet)
        }
        LinkType::LINUX_SLL => {
            r.take(6)?;
            let [a, b, c, d, e, f, ..] = r.array::<8>()?;
            packet.src_mac = Some([a, b, c, d, e, f]);
            let etype = r.u16()?;
            tags::follow(etype, r, packet)
        }
        LinkType::LINUX_SLL2 => {
            let etype = r.u16()?;
            r.take(10)?;
            let [a, b, c, d, e, f, ..] = r.array::<8>()?;
            packet.src_mac = Some([a, b, c, d, e, f]);
            tags::follow(etype, r, packet)
        }
        LinkType::PPP | LinkType::PPP_HDLC => {
            if r.rest().starts_with(&[0xff, 3]) {
                r.take(2)?;
            }
            tags::ppp(r, packet)
        }
        LinkType::PPP_ETHER => {
            r.take(6)?;
            tags::ppp(r, packet)
        }
        LinkType::CISCO_HDLC => {
            r.take(2)?;
            let etype = r.u16()?;
            tags::follow(etype, r, packet)
        }
        LinkType::MPLS => {
            packet.etype = Some(ethertype::MPLS);
            tags::mpls(r, packet)
        }
        LinkType::IPNET => {
            r.take(24)?;
            ip::any(r, packet)
        }
        LinkType::IPOIB => {
            r.take(GRH)?;
            let etype = r.u16()?;
            r.take(2)?;
            tags::follow(etype, r, packet)
        }
        LinkType::NFLOG => nflog(r, packet),
        LinkType::FDDI => {
            r.take(1)?;
            macs(r, packet)?;
            tags::llc(r, packet)
        }
        LinkType::TOKEN_RING => {
            r.take(2)?;
            macs(r, packet)?;
            // The group bit of the source says that routing information follows, whose first octet has its length.
            if let Some([first, ..]) = &mut packet.src_mac
                && *first & 0x80 != 0
            {
                *first &= 0x7f;
                let length = usize::from(r.rest().first().copied().unwrap_or(0) & 0x1f);
                r.take(length)?;
            }
            tags::llc(r, packet)
        }
        LinkType::FRAME_RELAY => frame_relay(r, packet),
        LinkType::IEEE_802_11 => wifi(r, packet),
        LinkType::RADIOTAP => {
            let [_, _, low, high] = r.array()?;
            r.take(usize::from(u16::from_le_bytes([low, high])).saturating_sub(4))?;
            wifi(r, packet)
        }
        _ => Ok(()),
    }
}

pub(crate) fn ethernet<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    if packet.nested == MAX_NESTED {
        return Ok(());
    }
    packet.nested += 1;
    macs(r, packet)?;
    let etype = r.u16()?;
    tags::follow(etype, r, packet)
}

fn macs<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    packet.offsets.mac = Some(r.at());
    packet.dst_mac = Some(r.array()?);
    packet.src_mac = Some(r.array()?);
    Ok(())
}

/// Attributes behind family, version and group, in the byte order of the machine that captured, which is little-endian unless
/// that makes no sense.
fn nflog<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    r.take(4)?;
    let is_little = matches!(*r.rest(), [low, high, ..] if u16::from_le_bytes([low, high]) as usize <= r.left());
    while !r.is_empty() {
        let ([a, b, c, d], number) =
            (r.array::<4>()?, if is_little { u16::from_le_bytes } else { u16::from_be_bytes });
        let (length, kind) = (usize::from(number([a, b])), number([c, d]) & 0x7fff);
        let mut body = r.within(length.saturating_sub(4))?;
        if kind == NFLOG_PAYLOAD {
            return ip::any(&mut body, packet);
        }
        r.take(length.next_multiple_of(4).saturating_sub(length.max(4)))?;
    }
    Ok(())
}

/// A Q.922 address of two octets or more, then NLPID (RFC 2427).
fn frame_relay<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    while r.u8()? & 1 == 0 {}
    if r.u8()? != 3 {
        return Ok(());
    }
    let mut kind = r.u8()?;
    if kind == 0 {
        kind = r.u8()?;
    }
    match kind {
        0xcc | 0x8e => ip::any(r, packet),
        0x80 => {
            let [a, b, c] = r.array()?;
            let etype = r.u16()?;
            if [a, b, c] == [0, 0, 0] { tags::follow(etype, r, packet) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// A data frame of 802.11 that is not encrypted (IEEE 802.11-2020 section 9.3.2).
pub(crate) fn wifi<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let [control, flags, _, _] = r.array()?;
    let [one, two, three] = [r.array::<6>()?, r.array()?, r.array()?];
    r.take(2)?;
    let (is_data, is_quality, is_null) = (control & 0x0c == 0x08, control & 0x80 != 0, control & 0x40 != 0);
    let (to, from, is_protected) = (flags & 1 != 0, flags & 2 != 0, flags & 0x40 != 0);
    let four = if to && from { Some(r.array::<6>()?) } else { None };
    (packet.dst_mac, packet.src_mac) = match (to, from) {
        (false, false) => (Some(one), Some(two)),
        (false, true) => (Some(one), Some(three)),
        (true, false) => (Some(three), Some(two)),
        (true, true) => (Some(three), four),
    };
    if !is_data || is_null || is_protected {
        return Ok(());
    }
    if is_quality {
        r.take(2)?;
        if flags & 0x80 != 0 {
            r.take(4)?;
        }
    }
    tags::llc(r, packet)
}
