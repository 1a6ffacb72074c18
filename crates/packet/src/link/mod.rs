//! Link layers.

mod serial;
mod switch;
mod wireless;

use crate::{MAX_NESTED, Packet, ethertype, ip, mpls, tags};
use wire::{Reader, Truncated};

/// A link type (`LINKTYPE_` values of the tcpdump project).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u32);

/// Declares the supported link types, with their names.
macro_rules! links {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal;)*) => {
        impl LinkType {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// All supported link types, with their names.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, $text)),*];
        }
    };
}

links! {
    /// BSD loopback: the address family in the byte order of the capturing machine.
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
    /// OpenBSD loopback: the address family, in network byte order as a rule.
    LOOP = 108 "OpenBSD loopback";
    /// Linux cooked.
    LINUX_SLL = 113 "Linux cooked";
    /// IEEE 802.11 after a radiotap header.
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
    /// Ethernet with the tag of a Broadcom switch after the addresses.
    BROADCOM_TAG = 281 "Ethernet with Broadcom tag";
    /// Ethernet after the tag of a Broadcom switch.
    BROADCOM_TAG_FIRST = 282 "Ethernet after Broadcom tag";
    /// Ethernet with the tag of a Marvell switch (distributed switch architecture) after the addresses.
    DSA = 284 "Ethernet with DSA tag";
    /// Ethernet with the tag of a Marvell switch after a separate EtherType.
    EDSA = 285 "Ethernet with EtherType DSA tag";
}

impl LinkType {
    /// Its name, if it is supported.
    pub fn name(self) -> Option<&'static str> {
        Self::ALL.iter().find(|(link, _)| *link == self).map(|(_, name)| *name)
    }
}

/// Length of the global routing header before an InfiniBand frame, in octets.
const GRH: usize = 40;

pub(crate) fn decode<'a>(link: LinkType, r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    match link {
        LinkType::ETHERNET => ethernet(r, packet),
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => {
            ip::any(r, packet)
        }
        LinkType::NULL | LinkType::LOOP => {
            let family = r.u32()?;
            match family_etype(family).or_else(|| family_etype(family.swap_bytes())) {
                Some(etype) => tags::follow(etype, r, packet),
                None => Ok(()),
            }
        }
        LinkType::LINUX_SLL => {
            r.take(4)?;
            let length = r.u16()?;
            sender(length.into(), r, packet)?;
            let etype = r.u16()?;
            tags::follow(etype, r, packet)
        }
        LinkType::LINUX_SLL2 => {
            let etype = r.u16()?;
            r.take(9)?;
            let length = r.u8()?;
            sender(length.into(), r, packet)?;
            tags::follow(etype, r, packet)
        }
        LinkType::PPP | LinkType::PPP_HDLC => serial::ppp(r, packet),
        LinkType::PPP_ETHER => {
            r.take(6)?;
            tags::ppp(r, packet)
        }
        LinkType::CISCO_HDLC => serial::cisco(r, packet),
        LinkType::FRAME_RELAY => serial::frame_relay(r, packet),
        LinkType::MPLS => {
            packet.etype = Some(ethertype::MPLS);
            mpls::decode(r, packet)
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
            // The group bit of the source indicates routing information; its first octet contains its length.
            if let Some([first, ..]) = &mut packet.src_mac
                && *first & 0x80 != 0
            {
                *first &= 0x7f;
                let length = usize::from(r.rest().first().copied().unwrap_or(0) & 0x1f);
                r.take(length)?;
            }
            tags::llc(r, packet)
        }
        LinkType::IEEE_802_11 => wireless::decode(r, packet),
        LinkType::RADIOTAP => wireless::radiotap(r, packet),
        LinkType::BROADCOM_TAG => switch::broadcom(r, packet),
        LinkType::BROADCOM_TAG_FIRST => {
            r.take(switch::TAG)?;
            ethernet(r, packet)
        }
        LinkType::DSA => switch::marvell(r, packet),
        LinkType::EDSA => switch::marvell_typed(r, packet),
        _ => Ok(()),
    }
}

/// The EtherType of an address family. The number of IPv6 differs between systems: Linux, NetBSD and OpenBSD, FreeBSD, macOS.
fn family_etype(family: u32) -> Option<u16> {
    match family {
        2 => Some(ethertype::IPV4),
        10 | 24 | 28 | 30 => Some(ethertype::IPV6),
        _ => None,
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

/// Destination and source.
fn macs<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    packet.offsets.mac = Some(r.at());
    packet.dst_mac = Some(r.array()?);
    packet.src_mac = Some(r.array()?);
    Ok(())
}

/// The sender's address in a cooked frame: `length` octets of a field of eight. Only Ethernet addresses are used.
fn sender<'a>(length: usize, r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let [a, b, c, d, e, f, ..] = r.array::<8>()?;
    packet.src_mac = (length == 6).then_some([a, b, c, d, e, f]);
    Ok(())
}

/// Attributes after family, version and group, in the byte order of the capturing machine. The type of the first one reveals it:
/// types are from 1 to 255.
fn nflog<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    /// The sender's address: its length, two octets of padding, eight octets.
    const HARDWARE_ADDRESS: u16 = 8;
    const PAYLOAD: u16 = 9;
    r.take(4)?;
    let is_little = matches!(r.rest(), [_, _, kind, ..] if *kind != 0);
    while !r.is_empty() {
        let ([a, b, c, d], number) =
            (r.array::<4>()?, if is_little { u16::from_le_bytes } else { u16::from_be_bytes });
        let (length, kind) = (usize::from(number([a, b])), number([c, d]) & 0x7fff);
        // The last attribute may be truncated; the captured part of its packet is read.
        let mut body = r.within(length.saturating_sub(4).min(r.left()))?;
        match kind {
            PAYLOAD => return ip::any(&mut body, packet),
            HARDWARE_ADDRESS => {
                let length = body.u16()?;
                body.take(2)?;
                sender(length.into(), &mut body, packet)?;
            }
            _ => {}
        }
        r.take(length.next_multiple_of(4).saturating_sub(length.max(4)).min(r.left()))?;
    }
    Ok(())
}
