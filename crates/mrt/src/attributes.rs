//! Path attributes between a table file and an UPDATE message.
//!
//! The attributes of a route in a table are those of its UPDATE, except that MP_REACH_NLRI contains only the length of the next hop
//! and the next hop (RFC 6396 section 4.3.4), since AFI, SAFI and NLRI are in the record.
//!
//! A *set* here is a sequence of attributes in the wire format of RFC 4271 section 4.3 without MP_REACH_NLRI, in which
//! NEXT_HOP holds the next hop of any family in 4, 16 or 32 octets (global, and link-local).

use crate::MrtError;
use wire::{Afi, Reader, Safi, Truncated, Writer};

/// NEXT_HOP (RFC 4271 section 5.1.3).
const NEXT_HOP: u8 = 3;
/// MP_REACH_NLRI (RFC 4760 section 3).
const MP_REACH_NLRI: u8 = 14;
/// MP_UNREACH_NLRI (RFC 4760 section 4).
const MP_UNREACH_NLRI: u8 = 15;
/// Flag: optional.
const OPTIONAL: u8 = 0x80;
/// Flag: the length has two octets.
const EXTENDED: u8 = 0x10;
/// Octets of a route distinguisher.
const RD: usize = 8;

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its flags.
    pub flags: u8,
    /// Its type code (IANA "BGP Path Attributes").
    pub code: u8,
    /// Its value.
    pub value: &'a [u8],
    /// The whole attribute.
    pub octets: &'a [u8],
}

/// The attributes in `octets`; an error ends them.
pub fn iter(octets: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, Truncated>> {
    let mut r = Reader::new(octets);
    std::iter::from_fn(move || {
        if r.is_empty() {
            return None;
        }
        let read = read(&mut r);
        if read.is_err() {
            r = Reader::new(&[]);
        }
        Some(read)
    })
}

fn read<'a>(r: &mut Reader<'a>) -> Result<Attribute<'a>, Truncated> {
    let all = r.rest();
    let (flags, code) = (r.u8()?, r.u8()?);
    let length = if flags & EXTENDED == 0 { r.u8()?.into() } else { r.u16()? };
    let value = r.take(usize::from(length))?;
    let octets = all.get(..all.len() - r.left()).unwrap_or_default();
    Ok(Attribute { flags, code, value, octets })
}

/// Appends the attributes of a set as a table file has them: next hops other than those of IPv4 unicast and multicast become
/// MP_REACH_NLRI. A set that ends within an attribute ends before it, and a next hop of any other length is omitted.
pub fn from_set(out: &mut Vec<u8>, set: &[u8], afi: Afi, safi: Safi) {
    let next_hop =
        iter(set).flatten().find(|attribute| attribute.code == NEXT_HOP).map(|attribute| attribute.value);
    let is_plain = afi == Afi::IPV4 && matches!(safi, Safi::UNICAST | Safi::MULTICAST);
    let reach = next_hop.filter(|next_hop| !(is_plain && next_hop.len() == 4));
    if reach.is_none() && (is_plain || next_hop.is_none()) {
        // The usual case: nothing changes.
        return out.extend_from_slice(set);
    }
    let mut reach = reach;
    for attribute in iter(set).flatten().filter(|attribute| attribute.code != NEXT_HOP) {
        if attribute.code > MP_REACH_NLRI
            && let Some(next_hop) = reach.take()
        {
            put_reach(out, next_hop, has_rd(safi));
        }
        out.extend_from_slice(attribute.octets);
    }
    if let Some(next_hop) = reach {
        put_reach(out, next_hop, has_rd(safi));
    }
}

/// True if each address of a next hop follows a route distinguisher (RFC 4364 section 4.3.2, RFC 4659 section 3.2.1).
const fn has_rd(safi: Safi) -> bool {
    matches!(safi, Safi::MPLS_VPN | Safi::MULTICAST_MPLS_VPN)
}

fn put_reach(out: &mut Vec<u8>, next_hop: &[u8], has_rd: bool) {
    if !matches!(next_hop.len(), 4 | 16 | 32) {
        return;
    }
    let rds = if has_rd { RD * next_hop.len().div_ceil(16) } else { 0 };
    let Ok(length) = u8::try_from(next_hop.len() + rds) else { return };
    out.extend_from_slice(&[OPTIONAL, MP_REACH_NLRI, length.saturating_add(1), length]);
    for address in next_hop.chunks(16) {
        if has_rd {
            out.extend_from_slice(&[0; RD]);
        }
        out.extend_from_slice(address);
    }
}

/// Appends the body of an UPDATE message (RFC 4271 section 4.3, without the header of messages) that announces one route of a
/// table. `nlri` is its NLRI, after its path identifier if the session has those.
///
/// MP_REACH_NLRI is accepted with only the next hop, and complete, as some programs write it.
///
/// # Errors
/// If the attributes end early, or do not fit the message; nothing is appended then.
pub fn to_update(out: &mut Vec<u8>, attributes: &[u8], afi: Afi, safi: Safi, nlri: &[u8]) -> Result<(), MrtError> {
    let is_plain = afi == Afi::IPV4 && safi == Safi::UNICAST;
    let (mut w, mut next_hop) = (Writer::new(), None);
    w.u16(0);
    let mut failed = Ok(());
    let sized = w.sized_u16(0, |w| {
        for attribute in iter(attributes) {
            match attribute {
                Err(truncated) => failed = Err(truncated.into()),
                Ok(Attribute { code: MP_REACH_NLRI, value, .. }) => next_hop = reach(value),
                Ok(Attribute { code: MP_UNREACH_NLRI, .. }) => {}
                Ok(Attribute { code: NEXT_HOP, value, .. }) if !is_plain => next_hop = next_hop.or(Some(value)),
                Ok(attribute) => _ = w.put(attribute.octets),
            }
        }
        if let Some(next_hop) = next_hop.or((!is_plain).then_some(&[])) {
            w.u8(OPTIONAL | EXTENDED).u8(MP_REACH_NLRI);
            let length = u8::try_from(next_hop.len()).unwrap_or(0);
            let reach = w.sized_u16(0, |w| _ = w.u16(afi.0).u8(safi.0).u8(length).put(next_hop).u8(0).put(nlri));
            if let Err(long) = reach {
                failed = Err(MrtError::TooLong(long.len));
            }
        }
    });
    sized.map_err(|long| MrtError::TooLong(long.len))?;
    failed?;
    if next_hop.is_none() && is_plain {
        w.put(nlri);
    }
    out.extend_from_slice(&w.finish());
    Ok(())
}

/// The next hop of MP_REACH_NLRI.
fn reach(value: &[u8]) -> Option<&[u8]> {
    let mut r = Reader::new(value);
    // The first octet of an AFI that is in use is 0 or 0x40; a next hop has at least 4 octets and at most 48.
    if matches!(value.first(), Some(0 | 0x40)) {
        r.take(3).ok()?;
    }
    let length = r.u8().ok()?;
    r.take(usize::from(length)).ok()
}
