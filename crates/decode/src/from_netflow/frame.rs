//! Sampled frames and packets in records (elements 104, 313, 315).

use super::biflow::Src;
use crate::headers::Headers;
use flow::row::{self, RowMut};
use flow::strings::Strings;
use packet::LinkType;

/// How the frames of a template are decoded.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) src: Src,
    /// The section starts with the IP header.
    pub(crate) is_ip: bool,
    pub(crate) headers: Headers,
    /// The record has no packet counter, so a frame counts as one packet.
    pub(crate) counts_packets: bool,
    /// The record has no octet counter, so the length in the IP header is used.
    pub(crate) counts_octets: bool,
    /// The record has no counters at all, so it contains no flow unless its frame has a packet.
    pub(crate) needed: bool,
}

/// Fills a row from the complete headers of a frame. Returns false if the record contains no flow: it has no counters, and
/// its frame no complete IP header.
pub(crate) fn fill(octets: &[u8], frame: &Frame, strings: &mut Strings, row: &mut RowMut<'_>) -> bool {
    if octets.is_empty() {
        return !frame.needed;
    }
    let packet = if frame.is_ip { packet::decode_ip(octets) } else { packet::decode(LinkType::ETHERNET, octets) };
    if packet.ip.is_none() && frame.needed {
        return false;
    }
    if frame.counts_packets {
        *row.head(row::PACKETS) = 1;
    }
    if let (Some(ip), true) = (packet.ip, frame.counts_octets) {
        *row.head(row::BYTES) = u64::from(ip.length);
    }
    frame.headers.fill(&packet, strings, row);
    true
}
