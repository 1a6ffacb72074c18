//! The AS path (RFC 4271 section 5.1.2, RFC 5065), with AS numbers of four octets.
//!
//! A segment is an octet with its type, an octet with the number of its AS numbers, and these.

use std::fmt;
use std::io::Write;
use wire::{Asn, Reader};

/// An AS path: a view of the value of an AS_PATH attribute of an [`AttributeSet`](super::AttributeSet).
///
/// If the octets are malformed, the path ends before the first segment that is not whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AsPath<'a> {
    octets: &'a [u8],
}

/// Type of a segment (RFC 4271 section 4.3, RFC 5065 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SegmentType(pub u8);

impl SegmentType {
    /// ASes in no particular order.
    pub const AS_SET: Self = Self(1);
    /// ASes in order, the last one that was passed first.
    pub const AS_SEQUENCE: Self = Self(2);
    /// Member ASes of a confederation, in order.
    pub const AS_CONFED_SEQUENCE: Self = Self(3);
    /// Member ASes of a confederation, in no particular order.
    pub const AS_CONFED_SET: Self = Self(4);

    /// True for the types that RFC 4271 and RFC 5065 define.
    pub const fn is_known(self) -> bool {
        matches!(self.0, 1..=4)
    }

    /// True for members of a confederation.
    pub const fn is_confederation(self) -> bool {
        matches!(self, Self::AS_CONFED_SEQUENCE | Self::AS_CONFED_SET)
    }

    /// True if the numbers are in order.
    pub const fn is_sequence(self) -> bool {
        matches!(self, Self::AS_SEQUENCE | Self::AS_CONFED_SEQUENCE)
    }
}

/// A segment of an AS path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Its type.
    pub kind: SegmentType,
    octets: &'a [u8],
}

impl<'a> Segment<'a> {
    /// Its AS numbers.
    pub fn asns(self) -> Asns<'a> {
        Asns { octets: self.octets }
    }

    /// How many AS numbers it has.
    pub const fn len(self) -> usize {
        self.octets.len() / 4
    }

    /// True if it has no AS number.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// What it counts in the length of a path: a set counts one, a segment of a confederation nothing (RFC 4271 section 9.1.2.2,
    /// RFC 5065 section 5.3).
    pub const fn hops(self) -> usize {
        match self.kind {
            SegmentType::AS_SEQUENCE => self.len(),
            SegmentType::AS_SET => 1,
            _ => 0,
        }
    }
}

/// AS numbers of four octets.
#[derive(Clone, Debug)]
pub struct Asns<'a> {
    octets: &'a [u8],
}

impl Iterator for Asns<'_> {
    type Item = Asn;

    fn next(&mut self) -> Option<Asn> {
        let (number, rest) = self.octets.split_first_chunk()?;
        self.octets = rest;
        Some(Asn(u32::from_be_bytes(*number)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.octets.len() / 4, Some(self.octets.len() / 4))
    }
}

impl ExactSizeIterator for Asns<'_> {}

/// The segments of a path.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    r: Reader<'a>,
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        let mut r = self.r;
        let [kind, count] = r.array().ok()?;
        let octets = r.take(usize::from(count) * 4).ok()?;
        self.r = r;
        Some(Segment { kind: SegmentType(kind), octets })
    }
}

impl<'a> AsPath<'a> {
    /// A view of the value of an AS_PATH attribute with AS numbers of four octets.
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { octets }
    }

    /// The octets.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.octets
    }

    /// The segments, in order.
    pub fn segments(self) -> Segments<'a> {
        Segments { r: Reader::new(self.octets) }
    }

    /// All AS numbers in the order in which they are written, members of sets included.
    pub fn asns(self) -> impl Iterator<Item = Asn> + 'a {
        self.segments().flat_map(Segment::asns)
    }

    /// True if the path has no AS number.
    pub fn is_empty(self) -> bool {
        self.segments().all(Segment::is_empty)
    }

    /// The neighbouring AS: the first number, if the path begins with a sequence. `skip_confederations` leaves segments of
    /// confederations out of account.
    pub fn first_asn(self, skip_confederations: bool) -> Option<Asn> {
        let mut segments =
            self.segments().filter(|segment| !(skip_confederations && segment.kind.is_confederation()));
        segments.next().filter(|segment| segment.kind.is_sequence())?.asns().next()
    }

    /// The last number that is written, also if it is a member of a set.
    pub fn last_asn(self) -> Option<Asn> {
        self.asns().last()
    }

    /// The AS that originates the route, for its validation (RFC 6811 section 2): the last number if the path ends with a
    /// sequence. `None` if it ends with a set, or has no AS outside of a confederation.
    pub fn origin_asn(self) -> Option<Asn> {
        let last = self.segments().filter(|segment| !segment.kind.is_confederation()).last()?;
        (last.kind == SegmentType::AS_SEQUENCE).then(|| last.asns().last()).flatten()
    }

    /// The length of the path in the selection of routes (RFC 4271 section 9.1.2.2): a set counts one, members of
    /// a confederation nothing.
    pub fn hops(self) -> usize {
        self.segments().map(Segment::hops).sum()
    }

    /// Appends the text: numbers separated by `separator`; sets in braces, sequences of a confederation in parentheses and
    /// sets of one in brackets, the members of sets separated by commas. `65001 {65010,65011} (65100)`.
    pub fn write(&self, out: &mut Vec<u8>, separator: u8) {
        let mut is_first = true;
        for segment in self.segments().filter(|segment| !segment.is_empty()) {
            if !is_first {
                out.push(separator);
            }
            is_first = false;
            let (open, between, close) = match segment.kind {
                SegmentType::AS_SET => (Some(b'{'), b',', Some(b'}')),
                SegmentType::AS_CONFED_SEQUENCE => (Some(b'('), separator, Some(b')')),
                SegmentType::AS_CONFED_SET => (Some(b'['), b',', Some(b']')),
                _ => (None, separator, None),
            };
            out.extend(open);
            for (i, asn) in segment.asns().enumerate() {
                if i > 0 {
                    out.push(between);
                }
                // Writing to memory does not fail.
                _ = write!(out, "{asn}");
            }
            out.extend(close);
        }
    }
}

impl fmt::Display for AsPath<'_> {
    /// The text with blanks between numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.write(&mut text, b' ');
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path of segments with their types.
    fn path(segments: &[(u8, &[u32])]) -> Vec<u8> {
        let mut octets = Vec::new();
        for (kind, asns) in segments {
            octets.extend([*kind, asns.len() as u8]);
            octets.extend(asns.iter().flat_map(|asn| asn.to_be_bytes()));
        }
        octets
    }

    #[test]
    fn each_kind_of_segment_has_its_text() {
        for (segments, text) in [
            (&[][..], ""),
            (&[(2, &[65_001, 65_002][..])], "65001 65002"),
            (&[(2, &[65_001, 65_002]), (1, &[65_010, 65_011, 65_012])], "65001 65002 {65010,65011,65012}"),
            (&[(3, &[65_100, 65_101]), (2, &[65_001])], "(65100 65101) 65001"),
            (&[(4, &[65_100, 65_101]), (3, &[65_102]), (2, &[65_001])], "[65100,65101] (65102) 65001"),
            (&[(2, &[65_001]), (2, &[4_200_000_001])], "65001 4200000001"),
            (&[(1, &[65_010, 65_012])], "{65010,65012}"),
            (&[(2, &[]), (2, &[1])], "1"),
        ] {
            let octets = path(segments);
            assert_eq!(AsPath::new(&octets).to_string(), text);
            let mut out = b"path: ".to_vec();
            AsPath::new(&octets).write(&mut out, b'_');
            assert_eq!(String::from_utf8(out).unwrap(), format!("path: {}", text.replace(' ', "_")));
        }
    }

    #[test]
    fn the_ends_of_a_path() {
        for (segments, first, first_outside, last, origin, hops) in [
            (&[][..], None, None, None, None, 0),
            (&[(2, &[1, 2, 3][..])], Some(1), Some(1), Some(3), Some(3), 3),
            (&[(2, &[1]), (1, &[2, 3])], Some(1), Some(1), Some(3), None, 2),
            (&[(1, &[2, 3]), (2, &[4])], None, None, Some(4), Some(4), 2),
            (&[(3, &[7, 8]), (2, &[1, 2])], Some(7), Some(1), Some(2), Some(2), 2),
            (&[(4, &[7, 8]), (3, &[9]), (2, &[1])], None, Some(1), Some(1), Some(1), 1),
            (&[(2, &[1]), (3, &[7])], Some(1), Some(1), Some(7), Some(1), 1),
            (&[(3, &[7])], Some(7), None, Some(7), None, 0),
        ] {
            let octets = path(segments);
            let path = AsPath::new(&octets);
            let asn = |number: Option<u32>| number.map(Asn);
            assert_eq!((path.first_asn(false), path.first_asn(true)), (asn(first), asn(first_outside)), "{path}");
            assert_eq!(
                (path.last_asn(), path.origin_asn(), path.hops()),
                (asn(last), asn(origin), hops),
                "{path}"
            );
            assert_eq!(path.is_empty(), segments.is_empty());
        }
    }

    #[test]
    fn a_path_ends_before_a_segment_that_is_cut() {
        let octets = path(&[(2, &[1, 2]), (2, &[3, 4])]);
        for cut in 10..octets.len() {
            assert_eq!(AsPath::new(&octets[..cut]).to_string(), "1 2");
        }
        assert_eq!(AsPath::new(&octets[..9]).segments().count(), 0);
    }
}
