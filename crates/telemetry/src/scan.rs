//! Scanning JSON by structure, without parsing it: 64 octets at a time.
//!
//! For each block of 64 octets, comparisons of vectors give the positions of quotes, backslashes and brackets as bits of a word. Arithmetic on
//! these words tells which octets lie in strings (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", section 3.1), and so which
//! brackets count.
//!
//! What is scanned need not be valid. A quote begins or ends a string unless a backslash precedes it, wherever it is.

use wide::u8x16;

/// Octets of a block.
const BLOCK: usize = 64;

/// Which of 64 octets equal one octet: bit 0 is the first.
#[inline(always)]
fn positions(block: &[u8; BLOCK], octet: u8) -> u64 {
    let (quarters, _) = block.as_chunks::<16>();
    let mut mask = 0;
    for (number, quarter) in quarters.iter().enumerate() {
        let equal = u8x16::new(*quarter).simd_eq(u8x16::splat(octet));
        mask |= u64::from(equal.to_bitmask()) << (16 * number);
    }
    mask
}

/// What a block inherits from the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Strings {
    /// All bits are set if the block begins in a string.
    inside: u64,
    /// 1 if the first octet is escaped.
    escaped: u64,
}

impl Strings {
    /// Which octets of the next block lie in strings; opening quotes do, closing quotes do not.
    #[inline(always)]
    fn next(&mut self, block: &[u8; BLOCK]) -> u64 {
        let quotes = positions(block, b'"') & !self.escapes(positions(block, b'\\'));
        let mut inside = quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << shift;
        }
        inside ^= self.inside;
        self.inside = if inside >> 63 == 1 { u64::MAX } else { 0 };
        inside
    }

    /// Which octets follow a backslash that is not escaped itself: every second one in a run of backslashes, and the octet after a run of
    /// odd length.
    #[inline(always)]
    fn escapes(&mut self, backslashes: u64) -> u64 {
        if backslashes == 0 {
            return std::mem::take(&mut self.escaped);
        }
        const EVEN: u64 = 0x5555_5555_5555_5555;
        let backslashes = backslashes & !self.escaped;
        let after = backslashes << 1 | self.escaped;
        let odd_starts = backslashes & !EVEN & !after;
        // The carry of the addition runs through each run of backslashes to the octet after it.
        let (runs, carry) = odd_starts.overflowing_add(backslashes);
        self.escaped = u64::from(carry);
        (EVEN ^ runs << 1) & after
    }
}

/// Finds the bracket that closes the first one. Remembers what it has scanned, so that octets which arrive in pieces are scanned once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Closing {
    /// Octets that were scanned: whole blocks.
    at: usize,
    depth: usize,
    strings: Strings,
}

impl Closing {
    /// The length of the object or array at the start of `octets`, or `None` if its end is not there yet. The next call needs the same
    /// octets with more after them, and the same brackets.
    ///
    /// Only brackets of one kind are counted, so an object may contain an array that does not end.
    #[inline]
    pub(crate) fn find(&mut self, octets: &[u8], [open, close]: [u8; 2]) -> Option<usize> {
        let (blocks, rest) = octets.get(self.at..)?.as_chunks::<BLOCK>();
        for block in blocks {
            if let Some(end) = self.block(block, open, close) {
                return Some(self.at + end);
            }
            self.at += BLOCK;
        }
        if rest.is_empty() {
            return None;
        }
        // The rest is scanned again when there is more, and the state stays what it is before the rest.
        let mut block = [0; BLOCK];
        block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        let mut state = *self;
        state.block(&block, open, close).map(|end| self.at + end)
    }

    /// Scans a block. Returns the number of octets up to the end, if that is in the block.
    #[inline(always)]
    fn block(&mut self, block: &[u8; BLOCK], open: u8, close: u8) -> Option<usize> {
        let outside = !self.strings.next(block);
        let opening = positions(block, open) & outside;
        let closing = positions(block, close) & outside;
        let closings = closing.count_ones() as usize;
        if self.depth > closings {
            self.depth = self.depth + opening.count_ones() as usize - closings;
            return None;
        }
        let mut left = opening | closing;
        while left != 0 {
            let at = left.trailing_zeros();
            left &= left - 1;
            if opening >> at & 1 == 1 {
                self.depth += 1;
            } else {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    return Some(at as usize + 1);
                }
            }
        }
        None
    }
}

/// Brackets of objects.
pub(crate) const OBJECT: [u8; 2] = [b'{', b'}'];
/// Brackets of arrays.
pub(crate) const ARRAY: [u8; 2] = [b'[', b']'];

/// The members of an object: names without quotes, with escapes as they are, and values.
///
/// The object must be valid JSON without blanks between tokens; other text may give any members, within it. A value is passed over only when
/// the next member is asked for, by structure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Members<'a> {
    left: &'a [u8],
    /// `left` begins with the value of the last member.
    is_at_value: bool,
}

/// A value, and whatever follows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a>(&'a [u8]);

impl<'a> Value<'a> {
    /// The value at the start of `octets`.
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// The octets of the value alone.
    pub(crate) fn octets(self) -> Option<&'a [u8]> {
        self.0.get(..value_len(self.0)?)
    }

    /// The members of an object; of other values there are none.
    pub(crate) fn members(self) -> Members<'a> {
        Members { left: self.0.strip_prefix(b"{").unwrap_or_default(), is_at_value: false }
    }

    /// The value of a member. The first of several members of one name counts.
    pub(crate) fn member(self, name: &[u8]) -> Option<Self> {
        self.members().find_map(|(other, value)| (other == name).then_some(value))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.is_at_value {
            self.left = self.left.get(value_len(self.left)?..)?.strip_prefix(b",")?;
        }
        let (name, after) = self.left.split_at_checked(string_len(self.left)?)?;
        let name = name.get(1..name.len().checked_sub(1)?)?;
        (self.left, self.is_at_value) = (after.strip_prefix(b":")?, true);
        Some((name, Value(self.left)))
    }
}

/// The length of the string at the start, with its quotes.
fn string_len(octets: &[u8]) -> Option<usize> {
    let mut at = 1;
    if octets.first() != Some(&b'"') {
        return None;
    }
    loop {
        at += memchr::memchr2(b'"', b'\\', octets.get(at..)?)?;
        if octets.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The length of the value at the start.
fn value_len(octets: &[u8]) -> Option<usize> {
    match octets.first()? {
        b'"' => string_len(octets),
        b'{' => Closing::default().find(octets, OBJECT),
        b'[' => Closing::default().find(octets, ARRAY),
        _ => octets.iter().position(|octet| matches!(octet, b',' | b'}' | b']')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Octet by octet.
    fn plain(octets: &[u8]) -> Option<usize> {
        let (mut depth, mut is_inside, mut is_escaped) = (0_usize, false, false);
        for (at, octet) in octets.iter().enumerate() {
            let was_escaped = std::mem::take(&mut is_escaped);
            match octet {
                b'\\' => is_escaped = !was_escaped,
                b'"' if !was_escaped => is_inside = !is_inside,
                b'{' if !is_inside => depth += 1,
                b'}' if !is_inside => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }

    #[test]
    fn members_are_found_by_structure() {
        let text = br#"{"a":1,"b\"}":"\\","c":{"d":[{"e":"}"}]},"f":[[],["]"]],"g":true}"#;
        let members = Value::new(text).members();
        let members: Vec<_> = members.map(|(name, value)| (name, value.octets().unwrap())).collect();
        let expected: [(&[u8], &[u8]); 5] = [
            (b"a", b"1"),
            (br#"b\"}"#, br#""\\""#),
            (b"c", br#"{"d":[{"e":"}"}]}"#),
            (b"f", br#"[[],["]"]]"#),
            (b"g", b"true"),
        ];
        assert_eq!(members, expected);
        assert_eq!(Value::new(text).member(b"g").and_then(Value::octets), Some(&b"true"[..]));
        assert_eq!(
            Value::new(text).member(b"c").unwrap().member(b"d").and_then(Value::octets),
            Some(&br#"[{"e":"}"}]"#[..])
        );
        for text in [&b"{}"[..], b"[1]", b"", b"{\"a", b"{\"a\"}"] {
            assert_eq!(Value::new(text).members().count(), 0);
        }
    }

    proptest! {
        #[test]
        fn blocks_find_what_single_octets_find(text in r#"[{}"\\a,]{1,300}"#, cuts in prop::collection::vec(0..300_usize, 0..5)) {
            let text = [b"{", text.as_bytes()].concat();
            let expected = plain(&text);
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            cuts.push(text.len());
            let mut closing = Closing::default();
            let found = cuts.iter().find_map(|cut| closing.find(&text[..*cut], OBJECT));
            prop_assert_eq!(found, expected);
        }
    }
}
