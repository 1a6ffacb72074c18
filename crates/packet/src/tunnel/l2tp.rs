//! L2TP data messages.

use super::{Found, Kind, Tunnel, inside as carried};
use crate::{LinkType, ip};
use wire::Reader;

/// Flags of a header over UDP.
const CONTROL: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;
const VERSION: u16 = 0x000f;

/// A data message (RFC 2661 section 3.1), or one of version 3 (RFC 3931 section 4.1.2.1).
pub(super) fn over_udp<'a>(r: &mut Reader<'a>, frame: &'a [u8]) -> Found<'a> {
    let flags = r.u16()?;
    match flags & (CONTROL | VERSION) {
        2 => {}
        3 => {
            r.take(2)?;
            return over_ip(*r, frame);
        }
        _ => return Ok(None),
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
    Ok(carried(Kind::L2tp, Some(id), LinkType::PPP, r, frame))
}

/// The session ID, which is 0 in control messages, is followed by a cookie of 0, 4 or 8 octets, an optional sublayer of 4, and a
/// frame whose link type only the endpoints know. It is assumed to be Ethernet, at the offset at which the IP header is valid.
pub(super) fn over_ip<'a>(mut r: Reader<'a>, frame: &'a [u8]) -> Found<'a> {
    let id = r.u32()?;
    if id == 0 {
        return Ok(None);
    }
    for _ in 0..4 {
        let found = carried(Kind::L2tp, Some(id), LinkType::ETHERNET, &mut { r }, frame);
        if found.as_ref().is_some_and(is_right) {
            return Ok(found);
        }
        r.take(4)?;
    }
    Ok(None)
}

fn is_right(found: &Tunnel<'_>) -> bool {
    let packet = &found.packet;
    packet.offsets.l3.and_then(|at| packet.frame.get(at..)).is_some_and(ip::is_certain)
}
