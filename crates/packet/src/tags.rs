//! Headers between the link layer and IP: VLAN tags, provider headers, PPP, LLC.

use crate::{MAX_NESTED, MAX_TAGS, Packet, ethertype, ip, link, mpls};
use wire::{Reader, Truncated};

/// Flags of a MACsec header: its contents are encrypted or otherwise changed (IEEE 802.1AE section 9.5).
const MACSEC_CHANGED: u8 = 0x0c;
/// Flag of a MACsec header: a secure channel identifier follows.
const MACSEC_CHANNEL: u8 = 0x20;
/// Length of FabricPath's forwarding tag and TTL, in octets.
const FABRIC_TAG: usize = 2;
/// Length of two MAC addresses, in octets.
const MACS: usize = 12;

/// Reads the headers after an EtherType, down to IP. Values below 1536 are lengths of 802.3 frames.
#[inline]
pub(crate) fn follow<'a>(mut etype: u16, r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let mut in_fabric = false;
    for _ in 0..MAX_TAGS {
        match etype {
            ethertype::IPV4 | ethertype::IPV6 => {
                packet.etype = Some(etype);
                return ip::decode(r, packet);
            }
            ethertype::VLAN
            | ethertype::QINQ
            | ethertype::QINQ_OLD
            | ethertype::QINQ_9200
            | ethertype::QINQ_9300 => {
                packet.offsets.vlan = packet.offsets.vlan.or(Some(r.at()));
                let tag = r.u16()?;
                if in_fabric {
                    packet.inner_tag = Some(tag);
                } else {
                    packet.add_tag(tag);
                }
                etype = r.u16()?;
            }
            // Forwarding tag and TTL, then the frame of a host. Addresses and the outer tag remain those of the fabric, as in
            // pmacct: a tag of the host's frame is a customer tag.
            ethertype::FABRIC_PATH => {
                r.take(FABRIC_TAG + MACS)?;
                in_fabric = true;
                etype = r.u16()?;
            }
            // 802.1BR: priority, interfaces.
            ethertype::E_TAG => {
                r.take(6)?;
                etype = r.u16()?;
            }
            ethertype::VN_TAG => {
                r.take(4)?;
                etype = r.u16()?;
            }
            // 802.1ah: flags and service identifier, then the customer's frame, whose fields are used.
            ethertype::PBB => {
                r.take(4)?;
                (packet.outer_tag, packet.inner_tag, packet.offsets.vlan) = (None, None, None);
                return link::ethernet(r, packet);
            }
            ethertype::MACSEC => {
                let [flags, _, _, _, _, _] = r.array()?;
                if flags & MACSEC_CHANGED != 0 {
                    break;
                }
                if flags & MACSEC_CHANNEL != 0 {
                    r.take(8)?;
                }
                etype = r.u16()?;
            }
            ethertype::METADATA => {
                metadata(r)?;
                etype = r.u16()?;
            }
            ethertype::NSH => return nsh(r, packet),
            ethertype::MPLS | ethertype::MPLS_UPSTREAM => {
                packet.etype = Some(etype);
                return mpls::decode(r, packet);
            }
            ethertype::PPPOE => {
                packet.etype = Some(etype);
                // Version and type, code, session, length. Only code 0 is session data.
                let [_, code, ..] = r.array::<6>()?;
                return if code == 0 { ppp(r, packet) } else { Ok(()) };
            }
            0..1536 | ethertype::JUMBO_LLC => {
                packet.etype = Some(etype);
                return llc(r, packet);
            }
            _ => break,
        }
    }
    packet.etype = Some(etype);
    Ok(())
}

/// Cisco metadata: version, number of words, and the words.
pub(crate) fn metadata(r: &mut Reader<'_>) -> Result<(), Truncated> {
    let [_, words] = r.array()?;
    r.take(usize::from(words) * 4).map(drop)
}

/// LLC carries IP with its own SAP, or after SNAP an EtherType (RFC 1042) or a whole frame (RFC 2427 section 4.2).
pub(crate) fn llc<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    match *r.rest() {
        [0xaa, 0xaa, 3, ..] => {
            r.take(3)?;
            snap(r, packet)
        }
        [6, 6, 3, ..] => {
            r.take(3)?;
            ip::any(r, packet)
        }
        _ => Ok(()),
    }
}

/// The SNAP header: an organization and its protocol number.
pub(crate) fn snap<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let organization = r.array()?;
    let protocol = r.u16()?;
    // Tags may follow, then a length and another SNAP header.
    if packet.nested == MAX_NESTED {
        return Ok(());
    }
    packet.nested += 1;
    match (organization, protocol) {
        // Encapsulated Ethernet, and that of bridges (IEEE 802.1H). A length cannot follow here.
        ([0, 0, 0 | 0xf8], 1536..) => follow(protocol, r, packet),
        // Bridged Ethernet, with or without its check sequence.
        ([0, 0x80, 0xc2], 1 | 7) => link::ethernet(r, packet),
        _ => Ok(()),
    }
}

/// After a PPP protocol number of one or two octets (RFC 1661 section 6.5).
pub(crate) fn ppp<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let mut protocol = u16::from(r.u8()?);
    if protocol & 1 == 0 {
        protocol = protocol << 8 | u16::from(r.u8()?);
    }
    match protocol {
        0x21 | 0x57 => ip::any(r, packet),
        0x31 => bridged(r, packet),
        0x0281 | 0x0283 => {
            packet.etype = Some(ethertype::MPLS);
            mpls::decode(r, packet)
        }
        _ => Ok(()),
    }
}

/// A bridged frame (RFC 3518 section 4.2): flags, MAC type, and for Ethernet the frame.
fn bridged<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    /// A LAN identification follows (RFC 1638).
    const HAS_LAN: u8 = 0x40;
    const ETHERNET: u8 = 1;
    let [flags, kind] = r.array()?;
    if flags & HAS_LAN != 0 {
        r.take(4)?;
    }
    if kind == ETHERNET { link::ethernet(r, packet) } else { Ok(()) }
}

/// The network service header (RFC 8300): its length in words, and what follows it. One may be inside another.
pub(crate) fn nsh<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    for _ in 0..MAX_TAGS {
        let [_, length, _, next] = r.array()?;
        r.take((usize::from(length & 0x3f) * 4).saturating_sub(4))?;
        match next {
            1 | 2 => return ip::any(r, packet),
            3 => return link::ethernet(r, packet),
            4 => {}
            5 => return mpls::decode(r, packet),
            _ => break,
        }
    }
    Ok(())
}
