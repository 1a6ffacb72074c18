//! Writes the attributes of a message in canonical form.

use crate::attribute::{AsPath, Code, Flags, SegmentType};
use wire::{Asn, Reader};

/// Appends an attribute, with a length of two octets only if needed. `None` if the value is too long for that.
pub(crate) fn put(out: &mut Vec<u8>, flags: Flags, code: Code, value: &[u8]) -> Option<()> {
    header(out, flags, code, value.len())?;
    out.extend_from_slice(value);
    Some(())
}

/// Appends flags, code and length.
#[inline]
fn header(out: &mut Vec<u8>, flags: Flags, code: Code, len: usize) -> Option<()> {
    let mut kept = flags.category().0;
    if flags.category() == Flags::OPTIONAL_TRANSITIVE && flags.is_partial() {
        kept |= Flags::PARTIAL;
    }
    match u8::try_from(len) {
        Ok(len) => out.extend_from_slice(&[kept, code.0, len]),
        Err(_) => {
            let [high, low] = u16::try_from(len).ok()?.to_be_bytes();
            out.extend_from_slice(&[kept | Flags::EXTENDED_LENGTH, code.0, high, low]);
        }
    }
    Some(())
}

/// Buffers for what is sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    path: Vec<u8>,
    members: Vec<u32>,
    communities: Vec<[u8; 4]>,
    extended: Vec<[u8; 8]>,
    large: Vec<[u8; 12]>,
    ipv6: Vec<[u8; 20]>,
}

impl Scratch {
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let Self { path, members, communities, extended, large, ipv6 } = self;
        let lists =
            4 * communities.capacity() + 8 * extended.capacity() + 12 * large.capacity() + 20 * ipv6.capacity();
        path.capacity() + 4 * members.capacity() + lists
    }

    /// Appends an attribute in canonical form, whose AS numbers have four octets. `None` if the value is too long.
    #[inline]
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, flags: Flags, code: Code, value: &[u8]) -> Option<()> {
        match code {
            Code::AS_PATH => self.put_as_path(out, flags, value),
            Code::COMMUNITIES => put_sorted(out, &mut self.communities, flags, code, value),
            Code::EXTENDED_COMMUNITIES => put_sorted(out, &mut self.extended, flags, code, value),
            Code::IPV6_EXTENDED_COMMUNITIES => put_sorted(out, &mut self.ipv6, flags, code, value),
            Code::LARGE_COMMUNITIES => put_sorted(out, &mut self.large, flags, code, value),
            _ => put(out, flags, code, value),
        }
    }

    /// Appends AS_PATH: adjacent sequences of one type joined as far as a segment can count, the members of sets sorted, each once.
    fn put_as_path(&mut self, out: &mut Vec<u8>, flags: Flags, value: &[u8]) -> Option<()> {
        if is_canonical(AsPath::new(value)) {
            return put(out, flags, Code::AS_PATH, value);
        }
        let mut path = PathWriter::new(self);
        for segment in AsPath::new(value).segments() {
            path.segment(segment.kind, segment.asns().map(|asn| asn.0));
        }
        put(out, flags, Code::AS_PATH, &self.path)
    }

    /// Appends AS_PATH, made from one whose numbers have two octets. `None` if it is too long.
    pub(crate) fn put_wide_as_path(
        &mut self,
        out: &mut Vec<u8>,
        flags: Flags,
        value: &[u8],
        as4: Option<AsPath<'_>>,
    ) -> Option<()> {
        let mut path = PathWriter::new(self);
        match as4.and_then(|as4| Some((as4, hops(value).checked_sub(as4.hops())?))) {
            Some((as4, leading)) => path.merge(value, leading, as4),
            None => narrow_segments(value).for_each(|(kind, numbers)| path.segment(kind, wide(numbers))),
        }
        put(out, flags, Code::AS_PATH, &self.path)
    }
}

/// Appends an attribute whose value is a list of items of `N` octets, sorted and each once. A rest is dropped.
fn put_sorted<const N: usize>(
    out: &mut Vec<u8>,
    scratch: &mut Vec<[u8; N]>,
    flags: Flags,
    code: Code,
    value: &[u8],
) -> Option<()> {
    let items = value.as_chunks::<N>().0;
    if items.is_sorted_by(|a, b| a < b) {
        return put(out, flags, code, items.as_flattened());
    }
    scratch.clear();
    scratch.extend_from_slice(items);
    scratch.sort_unstable();
    scratch.dedup();
    put(out, flags, code, scratch.as_flattened())
}

/// What replaces AS_PATH and AGGREGATOR of a speaker whose AS numbers have two octets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct As4<'a> {
    /// The value of AS4_PATH, if it counts.
    pub(crate) path: Option<AsPath<'a>>,
    /// The value of AS4_AGGREGATOR, if it counts.
    pub(crate) aggregator: Option<&'a [u8]>,
}

impl<'a> As4<'a> {
    /// Neither counts if AGGREGATOR has an AS number of its own next to an AS4_AGGREGATOR, and an AS4_AGGREGATOR counts only next to an
    /// AGGREGATOR (RFC 6793 section 4.2.3).
    pub(crate) fn new(
        path: Option<&'a [u8]>,
        aggregator: Option<&[u8]>,
        as4_aggregator: Option<&'a [u8]>,
    ) -> Self {
        let is_trans = aggregator.and_then(|value| value.first_chunk()).map(|asn| u16::from_be_bytes(*asn))
            == Asn::TRANS.to_u16();
        if aggregator.is_some() && as4_aggregator.is_some() && !is_trans {
            return Self::default();
        }
        Self { path: path.map(AsPath::new), aggregator: as4_aggregator.filter(|_| aggregator.is_some()) }
    }
}

/// True for a path in canonical form.
fn is_canonical(path: AsPath<'_>) -> bool {
    // The type of the segment before, if it is a sequence with room for more.
    let mut open = None;
    path.segments().all(|segment| {
        let has_room = segment.kind.is_sequence() && segment.len() < MAX_SEGMENT;
        let before = std::mem::replace(&mut open, has_room.then_some(segment.kind));
        before != Some(segment.kind) && (segment.kind.is_sequence() || segment.asns().is_sorted_by(|a, b| a < b))
    })
}

/// Numbers that a segment can count.
const MAX_SEGMENT: usize = u8::MAX as usize;

fn wide(numbers: &[[u8; 2]]) -> impl ExactSizeIterator<Item = u32> {
    numbers.iter().map(|number| u16::from_be_bytes(*number).into())
}

/// Segments with AS numbers of two octets.
fn narrow_segments(value: &[u8]) -> impl Iterator<Item = (SegmentType, &[[u8; 2]])> {
    let mut r = Reader::new(value);
    std::iter::from_fn(move || {
        let [kind, count] = r.array().ok()?;
        Some((SegmentType(kind), r.take(usize::from(count) * 2).ok()?.as_chunks().0))
    })
}

/// The length of a path with numbers of two octets, as [`AsPath::hops`].
fn hops(value: &[u8]) -> usize {
    narrow_segments(value).map(|(kind, numbers)| counted(kind, numbers.len())).sum()
}

fn counted(kind: SegmentType, len: usize) -> usize {
    match kind {
        SegmentType::AS_SEQUENCE => len,
        SegmentType::AS_SET => 1,
        _ => 0,
    }
}

/// A path in canonical form.
struct PathWriter<'a> {
    octets: &'a mut Vec<u8>,
    members: &'a mut Vec<u32>,
    /// The last segment, if it is a sequence: its type, and where its count is.
    sequence: Option<(SegmentType, usize)>,
}

impl<'a> PathWriter<'a> {
    fn new(Scratch { path, members, .. }: &'a mut Scratch) -> Self {
        path.clear();
        Self { octets: path, members, sequence: None }
    }

    /// Appends a segment of at most 255 numbers.
    fn segment(&mut self, kind: SegmentType, asns: impl ExactSizeIterator<Item = u32>) {
        if !kind.is_sequence() {
            return self.set(kind, asns);
        }
        let open = self.sequence.filter(|(open, _)| *open == kind);
        let open = open.and_then(|(_, at)| self.octets.get_mut(at));
        let len = u8::try_from(asns.len()).unwrap_or(u8::MAX);
        match open.map(|count| (count.checked_add(len), count)) {
            Some((Some(sum), count)) => *count = sum,
            Some((None, _)) => return asns.for_each(|asn| self.number(kind, asn)),
            None => self.open(kind, len),
        }
        self.octets.reserve(usize::from(len) * 4);
        asns.for_each(|asn| self.octets.extend_from_slice(&asn.to_be_bytes()));
    }

    fn open(&mut self, kind: SegmentType, count: u8) {
        self.sequence = Some((kind, self.octets.len() + 1));
        self.octets.extend_from_slice(&[kind.0, count]);
    }

    /// Appends a number to the last segment, a sequence, or to a new one if that cannot count it.
    fn number(&mut self, kind: SegmentType, asn: u32) {
        let count = self.sequence.and_then(|(_, at)| self.octets.get_mut(at));
        match count.filter(|count| **count < u8::MAX) {
            Some(count) => *count += 1,
            None => self.open(kind, 1),
        }
        self.octets.extend_from_slice(&asn.to_be_bytes());
    }

    /// Appends a set of at most 255 numbers.
    fn set(&mut self, kind: SegmentType, asns: impl Iterator<Item = u32>) {
        self.sequence = None;
        self.members.clear();
        self.members.extend(asns.take(MAX_SEGMENT));
        self.members.sort_unstable();
        self.members.dedup();
        self.octets.extend_from_slice(&[kind.0, u8::try_from(self.members.len()).unwrap_or(u8::MAX)]);
        self.members.iter().for_each(|asn| self.octets.extend_from_slice(&asn.to_be_bytes()));
    }

    /// The leading part of the path in `value` that counts `leading`, and then `as4` (RFC 6793 section 4.2.3).
    fn merge(&mut self, value: &[u8], mut leading: usize, as4: AsPath<'_>) {
        // Members of a confederation are kept at the beginning and next to segments that are kept.
        for (kind, numbers) in narrow_segments(value) {
            let kept = match kind {
                SegmentType::AS_SEQUENCE => numbers.len().min(leading),
                SegmentType::AS_SET if leading == 0 => 0,
                _ => numbers.len(),
            };
            leading = leading.saturating_sub(counted(kind, kept));
            let Some(kept) = numbers.get(..kept).filter(|kept| !kept.is_empty()) else { break };
            self.segment(kind, wide(kept));
            if kept.len() < numbers.len() {
                break;
            }
        }
        // Segments of confederations are not valid in AS4_PATH (RFC 6793 section 6).
        for segment in as4.segments().filter(|segment| !segment.kind.is_confederation()) {
            self.segment(segment.kind, segment.asns().map(|asn| asn.0));
        }
    }
}

/// Appends AGGREGATOR with an AS number of four octets, made from one of two.
pub(crate) fn put_wide_aggregator(
    out: &mut Vec<u8>,
    flags: Flags,
    value: &[u8],
    as4: Option<&[u8]>,
) -> Option<()> {
    match (as4, value) {
        (Some(as4), _) => put(out, flags, Code::AGGREGATOR, as4),
        (None, &[a, b, c, d, e, f]) => put(out, flags, Code::AGGREGATOR, &[0, 0, a, b, c, d, e, f]),
        (None, _) => Some(()),
    }
}

/// A next hop of four, 16 or 32 octets, without route distinguishers; `None` for other lengths.
pub(crate) fn next_hop(value: &[u8]) -> Option<NextHop> {
    let mut octets = [0; 32];
    let parts: [&[u8]; 2] = match value.len() {
        4 | 16 | 32 => [value, &[]],
        12 | 24 => [value.get(8..)?, &[]],
        48 => [value.get(8..24)?, value.get(32..)?],
        _ => return None,
    };
    let mut len = 0;
    for part in parts {
        octets.get_mut(len..len + part.len())?.copy_from_slice(part);
        len += part.len();
    }
    Some(NextHop { octets, len })
}

/// The value of NEXT_HOP in canonical form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NextHop {
    octets: [u8; 32],
    len: usize,
}

impl NextHop {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}
