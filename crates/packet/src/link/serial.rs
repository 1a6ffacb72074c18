//! Serial lines: PPP, Cisco HDLC, frame relay.

use crate::{Packet, ip, tags};
use wire::{Reader, Truncated};

/// PPP after the address and control octets of HDLC, which peers may agree to omit (RFC 1661 section 6.6). Captures of Cisco
/// HDLC lines may also have this link type; its addresses are 0x0f, and 0x8f for multicast.
pub(super) fn ppp<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    match r.rest() {
        [0xff, 3, ..] => {
            r.take(2)?;
            tags::ppp(r, packet)
        }
        [0x0f | 0x8f, 0, ..] => cisco(r, packet),
        _ => tags::ppp(r, packet),
    }
}

/// Address, control and an EtherType.
pub(super) fn cisco<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    r.take(2)?;
    let etype = r.u16()?;
    tags::follow(etype, r, packet)
}

/// A Q.922 address of two octets or more, then the encapsulation of RFC 2427, or only an EtherType, as Cisco does.
pub(super) fn frame_relay<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    const UNNUMBERED: u8 = 3;
    /// Network layer protocol identifiers (ISO/IEC TR 9577): SNAP, IPv6, IPv4.
    const SNAP: u8 = 0x80;
    const IPV6: u8 = 0x8e;
    const IPV4: u8 = 0xcc;
    while r.u8()? & 1 == 0 {}
    if !r.rest().starts_with(&[UNNUMBERED]) {
        let etype = r.u16()?;
        return tags::follow(etype, r, packet);
    }
    r.take(1)?;
    let mut kind = r.u8()?;
    // A pad makes the header even.
    if kind == 0 {
        kind = r.u8()?;
    }
    match kind {
        IPV4 | IPV6 => ip::any(r, packet),
        SNAP => tags::snap(r, packet),
        _ => Ok(()),
    }
}
