//! Sampled frames and packets inside records (elements 104, 313, 315).

use super::plan::Plan;
use crate::headers::Headers;
use crate::row::{self, RowMut};
use crate::strings::Strings;
use packet::LinkType;

/// Fills a row from a frame. False when the frame ends before its IP header does: then it tells no flow. What counters the
/// record has are kept; else the frame counts as one packet of the length that its IP header tells.
pub(crate) fn fill(
    octets: &[u8],
    is_ip: bool,
    plan: &Plan,
    headers: &Headers,
    strings: &mut Strings,
    row: &mut RowMut<'_>,
) -> bool {
    let packet = if is_ip { packet::decode_ip(octets) } else { packet::decode(LinkType::ETHERNET, octets) };
    let Some(ip) = packet.ip else { return false };
    if plan.counters.packets.is_none() {
        *row.head(row::PACKETS) = 1;
    }
    if plan.counters.octets.is_none() {
        *row.head(row::OCTETS) = u64::from(ip.length);
    }
    headers.fill(&packet, strings, row);
    true
}
