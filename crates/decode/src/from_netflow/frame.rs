//! Sampled frames and packets inside records (elements 104, 313, 315).

use super::biflow::Src;
use crate::headers::Headers;
use flow::row::{self, RowMut};
use flow::strings::Strings;
use packet::LinkType;

/// How a template's frames are read.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) src: Src,
    /// It starts with the IP header.
    pub(crate) is_ip: bool,
    pub(crate) headers: Headers,
    /// The record has no counter of packets, so that a frame counts as one.
    pub(crate) counts_packets: bool,
    /// The record has no counter of octets, so that the length in the IP header counts.
    pub(crate) counts_octets: bool,
    /// The record has no counters at all: without a packet in its frame it tells no flow.
    pub(crate) needed: bool,
}

/// Fills a row with what a frame tells: all headers that are whole. False when the record tells no flow, as it has no counters and its
/// frame no whole IP header.
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
        *row.head(row::OCTETS) = u64::from(ip.length);
    }
    frame.headers.fill(&packet, strings, row);
    true
}
