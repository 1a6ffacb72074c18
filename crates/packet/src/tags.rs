//! What may stand between link layer and IP: VLAN tags, MPLS labels, provider headers, PPP, LLC.

use crate::{MAX_TAGS, Packet, ethertype, ip, link};
use wire::{Reader, Truncated};

/// Flag of a MACsec header: its contents are encrypted (IEEE 802.1AE section 9.5).
const MACSEC_ENCRYPTED: u8 = 0x08;
/// Flag of a MACsec header: an identifier of the channel follows.
const MACSEC_CHANNEL: u8 = 0x20;

/// Reads what follows an EtherType, tag by tag, down to IP. Values below 1536 are lengths of 802.3 frames.
#[inline]
pub(crate) fn follow<'a>(mut etype: u16, r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    for _ in 0..MAX_TAGS {
        match etype {
            ethertype::IPV4 | ethertype::IPV6 => {
                packet.etype = Some(etype);
                return ip::decode(r, packet);
            }
            ethertype::VLAN | ethertype::QINQ | ethertype::QINQ_OLD => {
                packet.offsets.vlan = packet.offsets.vlan.or(Some(r.at()));
                let tag = r.u16()?;
                match packet.outer_tag {
                    None => packet.outer_tag = Some(tag),
                    Some(_) => packet.inner_tag = Some(tag),
                }
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
            // 802.1ah: flags and service identifier, then the customer's frame, which is the one that counts.
            ethertype::PBB => {
                r.take(4)?;
                (packet.outer_tag, packet.inner_tag, packet.offsets.vlan) = (None, None, None);
                return link::ethernet(r, packet);
            }
            ethertype::MACSEC => {
                let [flags, _, _, _, _, _] = r.array()?;
                if flags & MACSEC_CHANNEL != 0 {
                    r.take(8)?;
                }
                if flags & MACSEC_ENCRYPTED != 0 {
                    break;
                }
                etype = r.u16()?;
            }
            ethertype::NSH => return nsh(r, packet),
            ethertype::MPLS | ethertype::MPLS_UPSTREAM => {
                packet.etype = Some(etype);
                return mpls(r, packet);
            }
            ethertype::PPPOE => {
                packet.etype = Some(etype);
                // Version and type, code, session, length. A code other than 0 is none of a session.
                let [_, code, ..] = r.array::<6>()?;
                return if code == 0 { ppp(r, packet) } else { Ok(()) };
            }
            0..1536 => {
                packet.etype = Some(etype);
                return llc(r, packet);
            }
            _ => break,
        }
    }
    packet.etype = Some(etype);
    Ok(())
}

/// LLC, with SNAP and no organization, carries an EtherType (RFC 1042).
pub(crate) fn llc<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let mut inner = *r;
    if !matches!(inner.array::<6>(), Ok([0xaa, 0xaa, 3, 0, 0, 0 | 0xf8])) {
        return Ok(());
    }
    *r = inner;
    let etype = r.u16()?;
    // A length cannot follow here.
    if etype < 1536 { Ok(()) } else { follow(etype, r, packet) }
}

/// Behind a PPP protocol number of one or two octets (RFC 1661 section 6.5).
pub(crate) fn ppp<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let mut protocol = u16::from(r.u8()?);
    if protocol & 1 == 0 {
        protocol = protocol << 8 | u16::from(r.u8()?);
    }
    match protocol {
        0x21 | 0x57 => ip::any(r, packet),
        0x0281 | 0x0283 => {
            packet.etype = Some(ethertype::MPLS);
            mpls(r, packet)
        }
        _ => Ok(()),
    }
}

/// A label stack and what is behind it: IP by the first half octet (RFC 4928), or a frame behind the control word of a pseudowire.
pub(crate) fn mpls<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let start = *r;
    packet.offsets.mpls = packet.offsets.mpls.or(Some(r.at()));
    for count in 1..=MAX_TAGS {
        let [_, _, last, _] = r.array()?;
        packet.labels = start.rest().get(..count * 4).unwrap_or(&[]);
        if last & 1 == 0 {
            continue;
        }
        if r.rest().starts_with(&[0, 0]) {
            return pseudowire(r, packet);
        }
        return ip::any(r, packet);
    }
    Ok(())
}

/// An Ethernet pseudowire with its control word (RFC 4448 section 4.6), if what is there can be one: its frame leads to IP.
fn pseudowire<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let mut inner = *r;
    inner.take(4)?;
    let mut found = *packet;
    if link::ethernet(&mut inner, &mut found).is_ok() && found.ip.is_some() {
        (*r, *packet) = (inner, found);
    }
    Ok(())
}

/// The network service header (RFC 8300): its length in words, and what is behind it.
pub(crate) fn nsh<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let start = *r;
    let [_, length, _, next] = r.array()?;
    *r = start;
    r.take((usize::from(length & 0x3f) * 4).max(4))?;
    match next {
        1 | 2 => ip::any(r, packet),
        3 => link::ethernet(r, packet),
        4 => nsh_again(r, packet),
        5 => mpls(r, packet),
        _ => Ok(()),
    }
}

/// One service header inside another; there is no third.
fn nsh_again<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let start = *r;
    let [_, length, _, next] = r.array()?;
    *r = start;
    r.take((usize::from(length & 0x3f) * 4).max(4))?;
    match next {
        1 | 2 => ip::any(r, packet),
        3 => link::ethernet(r, packet),
        _ => Ok(()),
    }
}
