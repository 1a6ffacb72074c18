//! Lists of numbers and AS paths, as views of their octets.

use crate::DecodeError;
use crate::xdr::{Xdr, count, size};
use std::fmt;
use wire::{Reader, Writer};

/// A list of numbers of four octets each: labels, communities, tags, AS numbers.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Words<'a> {
    octets: &'a [u8],
}

impl<'a> Words<'a> {
    /// A view of octets in network byte order. One to three octets after the last number are ignored.
    pub fn new(octets: &'a [u8]) -> Self {
        let whole = octets.len() & !3;
        Self { octets: octets.get(..whole).unwrap_or_default() }
    }

    /// The octets.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.octets.len() / 4
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The numbers, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator + Clone + use<'a> {
        self.octets.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word))
    }

    /// The first number.
    pub fn first(&self) -> Option<u32> {
        self.iter().next()
    }

    /// The last number.
    pub fn last(&self) -> Option<u32> {
        self.iter().next_back()
    }
}

impl fmt::Debug for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Xdr<'a> for Words<'a> {
    #[inline]
    fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let len = r.u32()?;
        Ok(Self { octets: r.take(size(len).saturating_mul(4))? })
    }

    fn write(&self, w: &mut Writer) {
        w.u32(count(self.len())).put(self.octets);
    }
}

/// Type of a segment of an AS path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SegmentType(pub u32);

impl SegmentType {
    /// An unordered set of AS numbers.
    pub const SET: Self = Self(1);
    /// AS numbers in the order of the path, nearest first.
    pub const SEQUENCE: Self = Self(2);
}

/// One segment of an AS path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Set or sequence.
    pub kind: SegmentType,
    /// Its AS numbers.
    pub ases: Words<'a>,
}

/// The AS path to the destination.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct AsPath<'a> {
    octets: &'a [u8],
    plain: bool,
}

impl<'a> AsPath<'a> {
    /// A path of version 2: AS numbers only, which form one sequence.
    pub fn plain(ases: Words<'a>) -> Self {
        Self { octets: ases.octets(), plain: true }
    }

    /// Reads a path of segments, as in versions 4 and 5. All of them are checked, so that
    /// [`AsPath::segments`] returns the whole path.
    pub(crate) fn read_segments(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let segments = r.u32()?;
        let start = *r;
        for _ in 0..segments {
            r.u32()?;
            Words::read(r)?;
        }
        let octets = start.rest().get(..r.at() - start.at()).unwrap_or_default();
        Ok(Self { octets, plain: false })
    }

    pub(crate) fn write_segments(&self, w: &mut Writer) {
        w.u32(count(self.segments().count()));
        for Segment { kind, ases } in self.segments() {
            w.u32(kind.0);
            ases.write(w);
        }
    }

    /// The segments, in order.
    pub fn segments(&self) -> Segments<'a> {
        Segments { r: Reader::new(self.octets), plain: self.plain }
    }

    /// All AS numbers of all segments.
    pub fn ases(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.segments().flat_map(|segment| segment.ases.iter())
    }

    /// The first AS number: that of the neighbour towards the destination.
    pub fn first(&self) -> Option<u32> {
        self.ases().next()
    }

    /// The last AS number: that of the destination.
    pub fn last(&self) -> Option<u32> {
        self.segments().filter_map(|segment| segment.ases.last()).last()
    }

    /// Returns true if there is no AS number.
    pub fn is_empty(&self) -> bool {
        self.first().is_none()
    }
}

impl fmt::Debug for AsPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.segments()).finish()
    }
}

/// The segments of a path.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    r: Reader<'a>,
    plain: bool,
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        if self.r.is_empty() {
            return None;
        }
        if self.plain {
            let ases = Words::new(self.r.take(self.r.left()).ok()?);
            return Some(Segment { kind: SegmentType::SEQUENCE, ases });
        }
        let kind = SegmentType(self.r.u32().ok()?);
        Some(Segment { kind, ases: Words::read(&mut self.r).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_ends_at_its_last_as_even_before_an_empty_segment() {
        let octets = [3u32, 2, 2, 65020, 65021, 1, 1, 65030, 2, 0].map(u32::to_be_bytes).concat();
        let path = AsPath::read_segments(&mut Reader::new(&octets)).unwrap();
        assert_eq!((path.first(), path.last()), (Some(65020), Some(65030)));
        assert_eq!(path.ases().collect::<Vec<_>>(), [65020, 65021, 65030]);
        let kinds: Vec<_> = path.segments().map(|segment| (segment.kind, segment.ases.len())).collect();
        assert_eq!(kinds, [(SegmentType::SEQUENCE, 2), (SegmentType::SET, 1), (SegmentType::SEQUENCE, 0)]);
        assert!(AsPath::read_segments(&mut Reader::new(&octets[..36])).is_err());
    }

    #[test]
    fn a_plain_path_is_one_sequence() {
        let octets = [1u32, 2, 3].map(u32::to_be_bytes).concat();
        let path = AsPath::plain(Words::new(&octets));
        assert_eq!((path.segments().count(), path.first(), path.last()), (1, Some(1), Some(3)));
        assert!(AsPath::plain(Words::new(&[])).is_empty());
    }
}
