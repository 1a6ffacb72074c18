//! GRE, and the tunnels that its EtherTypes identify.

use super::{Found, Kind, inside as carried, typed};
use crate::{LinkType, ethertype, tags};
use wire::Reader;

/// Flags of the header.
const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
/// Flag of version 1.
const ACKNOWLEDGEMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;

/// RFC 2784, RFC 2890. Version 1 is that of PPTP (RFC 2637 section 4.1), whose key contains a length and the call ID.
pub(super) fn inside<'a>(mut r: Reader<'a>, frame: &'a [u8]) -> Found<'a> {
    let r = &mut r;
    let (flags, etype) = (r.u16()?, r.u16()?);
    let version = flags & VERSION;
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
        // RFC 7637 section 3.2: a virtual subnet ID of 24 bits and a flow ID of one octet.
        ethertype::TRANSPARENT_ETHERNET if flags & (CHECKSUM | SEQUENCE) == 0 && key.is_some() => {
            let subnet = key.map(|key| key >> 8);
            carried(Kind::Nvgre, subnet, LinkType::ETHERNET, r, frame)
        }
        ethertype::PPP => {
            let call = key.map(|key| if version == 1 { key & 0xffff } else { key });
            carried(Kind::Gre, call, LinkType::PPP, r, frame)
        }
        // Type I has no ERSPAN header and no sequence number.
        ethertype::ERSPAN if flags & SEQUENCE == 0 => carried(Kind::Erspan, None, LinkType::ETHERNET, r, frame),
        ethertype::ERSPAN => {
            let session = session(r.array()?);
            r.take(4)?;
            carried(Kind::Erspan, session, LinkType::ETHERNET, r, frame)
        }
        ethertype::ERSPAN_III => erspan_iii(r, frame)?,
        // Without a redirect header it begins with the IP version.
        ethertype::WCCP => {
            if r.rest().first().is_some_and(|octet| octet >> 4 != 4) {
                r.take(4)?;
            }
            carried(Kind::Gre, key, LinkType::RAW, r, frame)
        }
        // Unlike in Ethernet, the EtherType of the packet comes first.
        ethertype::METADATA => {
            let etype = r.u16()?;
            tags::metadata(r)?;
            typed(Kind::Gre, key, etype, r, frame)
        }
        // Aruba's access points send 802.11 frames.
        0x8200..=0x8210 | 0x9000 => carried(Kind::Gre, key, LinkType::IEEE_802_11, r, frame),
        _ => typed(Kind::Gre, key, etype, r, frame),
    })
}

/// The session in the first four octets of a mirrored frame's header.
fn session([_, _, high, low]: [u8; 4]) -> Option<u32> {
    Some(u32::from(u16::from_be_bytes([high, low]) & 0x03ff))
}

/// Session, time, group, and a word with the frame type and a flag for eight more octets.
fn erspan_iii<'a>(r: &mut Reader<'a>, frame: &'a [u8]) -> Found<'a> {
    const MORE: u16 = 1;
    let session = session(r.array()?);
    r.take(6)?;
    let word = r.u16()?;
    if word & MORE != 0 {
        r.take(8)?;
    }
    let link = match word >> 10 & 0x1f {
        0 => LinkType::ETHERNET,
        2 => LinkType::RAW,
        _ => return Ok(None),
    };
    Ok(carried(Kind::Erspan, session, link, r, frame))
}
