//! MPLS label stacks and their payload.
//!
//! Labels do not identify the payload; only routers know it. IP has its version in the first four bits (RFC 4928); a pseudowire with
//! a control word has zero there (RFC 4385), which distinguishes it from IP. Ethernet without a control word is a heuristic: it is
//! assumed if it leads to IP.

use crate::{MAX_TAGS, Packet, ip, link};
use wire::{Reader, Truncated};

/// Length of a pseudowire's control word, in octets.
const CONTROL_WORD: usize = 4;

/// Reads a label stack and its payload.
pub(crate) fn decode<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let start = *r;
    packet.offsets.mpls = packet.offsets.mpls.or(Some(r.at()));
    for count in 1..=MAX_TAGS {
        let [_, _, last, _] = r.array()?;
        packet.labels = start.rest().get(..count * 4).unwrap_or(&[]);
        if last & 1 != 0 {
            return contents(r, packet);
        }
    }
    Ok(())
}

fn contents<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let octets = r.rest();
    // MAC addresses may begin like IP. If an EtherType follows two of them, the IP header must be validated.
    let looks_like_ethernet = matches!(octets.get(12..14), Some([8, 0] | [0x86, 0xdd] | [0x81, 0] | [0x88, 0xa8]));
    if ip::is_plausible(octets) && (!looks_like_ethernet || ip::is_certain(octets)) {
        return ip::any(r, packet);
    }
    let may_be_control_word = octets.first().is_some_and(|octet| octet >> 4 == 0);
    if may_be_control_word && ethernet(CONTROL_WORD, r, packet) || ethernet(0, r, packet) {
        return Ok(());
    }
    ip::any(r, packet)
}

/// Reads an Ethernet frame at that offset, if it leads to IP.
fn ethernet<'a>(offset: usize, r: &mut Reader<'a>, packet: &mut Packet<'a>) -> bool {
    let (mut inner, mut found) = (*r, *packet);
    let is_found =
        inner.take(offset).is_ok() && link::ethernet(&mut inner, &mut found).is_ok() && found.ip.is_some();
    if is_found {
        (*r, *packet) = (inner, found);
    }
    is_found
}
