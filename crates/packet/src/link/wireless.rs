//! IEEE 802.11.

use crate::{Packet, tags};
use wire::{Reader, Truncated};

/// Frame types, in bits of the first octet.
const CONTROL: u8 = 0x04;
const DATA: u8 = 0x08;
/// Flag of the QoS control field: the frame aggregates several (A-MSDU).
const AGGREGATE: u16 = 0x8000;

/// A radiotap header, little-endian throughout: version, pad, length, words that state which fields follow. Only the flags matter
/// here: they indicate that the 802.11 header is padded to whole words.
pub(super) fn radiotap<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    /// Bits of the presence word: a time of eight octets, the flags, and another presence word.
    const TIME: u32 = 1;
    const FLAGS: u32 = 1 << 1;
    const MORE: u32 = 1 << 31;
    /// The flag.
    const PADDED: u8 = 0x20;
    let start = *r;
    let [_, _, low, high] = r.array()?;
    let length = usize::from(u16::from_le_bytes([low, high]));
    *r = start;
    let mut header = r.within(length)?;
    header.take(4)?;
    let first = header.u32()?.swap_bytes();
    let mut word = first;
    while word & MORE != 0 {
        word = header.u32()?.swap_bytes();
    }
    if first & TIME != 0 {
        // It is aligned to its size.
        let length = header.at() - start.at();
        header.take(length.next_multiple_of(8) - length + 8)?;
    }
    let is_padded = first & FLAGS != 0 && header.u8()? & PADDED != 0;
    frame(is_padded, r, packet)
}

/// A frame without a radiotap header.
pub(super) fn decode<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    frame(false, r, packet)
}

/// A data frame that is not encrypted leads to IP (IEEE 802.11-2020 section 9.3.2). Other frames have only their addresses.
fn frame<'a>(is_padded: bool, r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    let start = r.at();
    let [control, flags, _, _] = r.array()?;
    let (kind, is_null, is_quality) = (control & 0x0c, control & 0x40 != 0, control & 0x80 != 0);
    let [to, from, is_protected, has_ht_control] = [1, 2, 0x40, 0x80].map(|bit| flags & bit != 0);
    if kind == CONTROL {
        return Ok(());
    }
    let [one, two, three] = [r.array::<6>()?, r.array()?, r.array()?];
    r.take(2)?;
    let four = if to && from { Some(r.array::<6>()?) } else { None };
    (packet.dst_mac, packet.src_mac) = match (to, from) {
        (false, false) => (Some(one), Some(two)),
        (false, true) => (Some(one), Some(three)),
        (true, false) => (Some(three), Some(two)),
        (true, true) => (Some(three), four),
    };
    if kind != DATA || is_null || is_protected {
        return Ok(());
    }
    let mut is_aggregate = false;
    if is_quality {
        is_aggregate = r.u16()? & AGGREGATE != 0;
        if has_ht_control {
            r.take(4)?;
        }
    }
    if is_padded {
        let length = r.at() - start;
        r.take(length.next_multiple_of(4) - length)?;
    }
    // An A-MSDU (section 9.3.2.2): the first subframe is read, after addresses and length.
    if is_aggregate {
        (packet.dst_mac, packet.src_mac) = (Some(r.array()?), Some(r.array()?));
        r.take(2)?;
    }
    tags::llc(r, packet)
}
