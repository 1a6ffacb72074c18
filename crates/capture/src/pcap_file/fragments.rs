//! Reassembly of fragments (RFC 791 section 3.2, RFC 8200 section 4.5).
//!
//! A socket never receives fragments, because the kernel reassembles them; a capture file contains them. Memory is bounded:
//! at most [`MAX_INCOMPLETE`] datagrams are incomplete, and a new one replaces the oldest.

use packet::Packet;
use std::collections::VecDeque;
use std::net::IpAddr;

/// Limit on incomplete datagrams: with the longest ones, 16 MiB.
const MAX_INCOMPLETE: usize = 256;
/// An incomplete datagram is dropped after this many microseconds of the file's time.
const TIMEOUT_US: u64 = 30_000_000;
/// Octets of the longest datagram, and so the largest end of a last fragment.
const MAX_DATAGRAM: usize = 65_535;

/// One fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment<'a> {
    key: Key,
    /// Offset in the datagram, in octets.
    offset: usize,
    /// False in the last fragment.
    more: bool,
    octets: &'a [u8],
    /// The frame is truncated.
    cut: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    id: u32,
}

impl<'a> Fragment<'a> {
    /// Returns the fragment in a packet; `None` if the packet is not a fragment, or is captured too short.
    pub(super) fn of(packet: &Packet<'a>) -> Option<Self> {
        let ip = packet.ip?;
        let octets = packet.frame.get(packet.offsets.l3?..)?;
        let (id, offset, more, header) = match ip.source {
            IpAddr::V4(_) => {
                let [first, _, _, _, i0, i1, f0, f1] = *octets.first_chunk()?;
                let word = u16::from_be_bytes([f0, f1]);
                let id = u32::from(u16::from_be_bytes([i0, i1]));
                (id, usize::from(word & 0x1fff) * 8, word & 0x2000 != 0, usize::from(first & 0x0f) * 4)
            }
            IpAddr::V6(_) => v6(octets)?,
        };
        if offset == 0 && !more {
            return None;
        }
        let end = usize::try_from(ip.length).ok()?;
        let part = octets.get(header..end.min(octets.len()))?;
        let key = Key { source: ip.source, destination: ip.destination, protocol: ip.protocol, id };
        Some(Self { key, offset, more, octets: part, cut: end > octets.len() })
    }
}

/// Identification, offset, "more", and the start of the fragment's octets, from the fragment header.
fn v6(octets: &[u8]) -> Option<(u32, usize, bool, usize)> {
    let mut next = *octets.get(6)?;
    let mut at = 40;
    // Only these may precede a fragment header; each is at least 8 octets long, so the loop ends.
    while let 0 | 43 | 60 = next {
        let [following, length] = *octets.get(at..)?.first_chunk()?;
        next = following;
        at += (usize::from(length) + 1) * 8;
    }
    if next != 44 {
        return None;
    }
    let [_, _, o0, o1, id @ ..] = *octets.get(at..)?.first_chunk::<8>()?;
    let word = u16::from_be_bytes([o0, o1]);
    Some((u32::from_be_bytes(id), usize::from(word & 0xfff8), word & 1 != 0, at + 8))
}

/// An incomplete datagram.
#[derive(Debug)]
struct Partial {
    key: Key,
    since_us: u64,
    octets: Vec<u8>,
    /// Its parts, in order: offset and end.
    parts: Vec<(usize, usize)>,
    /// End of the last part, if received.
    end: Option<usize>,
}

impl Partial {
    /// Adds a part. `None` if it contradicts the others: overlaps (RFC 5722), or ends elsewhere.
    fn add(&mut self, fragment: &Fragment<'_>) -> Option<()> {
        let (start, end) = (fragment.offset, fragment.offset.checked_add(fragment.octets.len())?);
        let at = self.parts.partition_point(|part| *part < (start, end));
        if self.parts.get(at) == Some(&(start, end)) {
            return Some(()); // A duplicate.
        }
        let before = at.checked_sub(1).and_then(|before| self.parts.get(before));
        let after = self.parts.get(at);
        let apart = before.is_none_or(|part| part.1 <= start) && after.is_none_or(|part| end <= part.0);
        let last = self.parts.last().map_or(0, |part| part.1).max(end);
        if !apart || start == end || end > MAX_DATAGRAM || self.end.is_some_and(|known| last > known) {
            return None;
        }
        if !fragment.more {
            if last > end || self.end.is_some() {
                return None;
            }
            self.end = Some(end);
        }
        if self.octets.len() < end {
            self.octets.resize(end, 0);
        }
        self.octets.get_mut(start..end)?.copy_from_slice(fragment.octets);
        self.parts.insert(at, (start, end));
        Some(())
    }

    fn is_complete(&self) -> bool {
        // The parts do not overlap, so the sum of their lengths shows whether there are holes.
        self.end == Some(self.parts.iter().map(|(start, end)| end - start).sum())
    }
}

/// Incomplete datagrams, oldest first.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    waiting: VecDeque<Partial>,
    /// Dropped datagrams.
    pub(super) lost: u64,
}

impl Fragments {
    /// Adds a fragment with its capture time; returns the payload of IP if this completes the datagram.
    pub(super) fn add(&mut self, fragment: &Fragment<'_>, time_us: u64) -> Option<Vec<u8>> {
        while self.waiting.front().is_some_and(|oldest| oldest.since_us.saturating_add(TIMEOUT_US) < time_us) {
            self.give_up(0);
        }
        let at = match self.waiting.iter().position(|partial| partial.key == fragment.key) {
            Some(at) => at,
            None => {
                if self.waiting.len() == MAX_INCOMPLETE {
                    self.give_up(0);
                }
                let (key, since_us) = (fragment.key, time_us);
                self.waiting.push_back(Partial {
                    key,
                    since_us,
                    octets: Vec::new(),
                    parts: Vec::new(),
                    end: None,
                });
                self.waiting.len() - 1
            }
        };
        let partial = self.waiting.get_mut(at)?;
        if fragment.cut || partial.add(fragment).is_none() {
            self.give_up(at);
            return None;
        }
        if !partial.is_complete() {
            return None;
        }
        self.waiting.remove(at).map(|partial| partial.octets)
    }

    /// Drops all, as at the end of a round.
    pub(super) fn clear(&mut self) {
        self.lost += self.waiting.len() as u64;
        self.waiting.clear();
    }

    fn give_up(&mut self, at: usize) {
        self.waiting.remove(at);
        self.lost += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(id: u32, offset: usize, octets: &[u8], more: bool) -> Fragment<'_> {
        let address = IpAddr::from([192, 0, 2, 1]);
        Fragment {
            key: Key { source: address, destination: address, protocol: 17, id },
            offset,
            more,
            octets,
            cut: false,
        }
    }

    #[test]
    fn overlapping_or_excess_fragments_drop_their_datagram() {
        for bad in [part(1, 4, &[0; 8], true), part(1, 0, &[0; 16], true), part(1, 65_528, &[0; 16], false)] {
            let mut fragments = Fragments::default();
            assert_eq!(fragments.add(&part(1, 0, &[1; 8], true), 0), None);
            assert_eq!(fragments.add(&bad, 0), None);
            assert_eq!((fragments.waiting.len(), fragments.lost), (0, 1));
        }
        let mut fragments = Fragments::default();
        fragments.add(&part(1, 8, &[1; 8], false), 0);
        fragments.add(&part(1, 16, &[1; 8], true), 0);
        assert_eq!(fragments.lost, 1);
    }

    #[test]
    fn incomplete_datagrams_are_bounded_in_number_and_time() {
        let mut fragments = Fragments::default();
        for id in 0..1000 {
            fragments.add(&part(id, 0, &[1; 8], true), 0);
        }
        assert_eq!((fragments.waiting.len(), fragments.lost), (MAX_INCOMPLETE, 744));
        // The latest ones remain.
        assert_eq!(fragments.add(&part(999, 8, &[2; 2], false), 1).unwrap().len(), 10);
        fragments.add(&part(1, 0, &[1; 8], true), TIMEOUT_US + 1);
        assert_eq!(fragments.waiting.len(), 1);
    }

    proptest! {
        #[test]
        fn reassembles_once_in_any_order_with_repetitions(
            payload in prop::collection::vec(any::<u8>(), 9..400),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let count = payload.len().div_ceil(8);
            let mut fragments = Fragments::default();
            let mut whole = Vec::new();
            let mut pushed = vec![false; count];
            let all = order.iter().map(|index| index.index(count)).chain(0..count);
            for n in all {
                if pushed.iter().all(|pushed| *pushed) {
                    break;
                }
                pushed[n] = true;
                let octets = &payload[n * 8..payload.len().min(n * 8 + 8)];
                whole.extend(fragments.add(&part(7, n * 8, octets, n + 1 < count), 0));
            }
            prop_assert_eq!(whole, vec![payload]);
            prop_assert_eq!((fragments.waiting.len(), fragments.lost), (0, 0));
        }

        #[test]
        fn accepts_arbitrary_fragments(parts in prop::collection::vec((0u32..4, 0usize..70_000, 0usize..3000, any::<bool>()), 0..50)) {
            let octets = vec![0; 3000];
            let mut fragments = Fragments::default();
            for (id, offset, len, more) in parts {
                let whole = fragments.add(&part(id, offset, &octets[..len], more), 0);
                prop_assert!(whole.is_none_or(|whole| whole.len() <= MAX_DATAGRAM));
            }
        }
    }
}
