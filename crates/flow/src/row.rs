//! Rows: records of any protocol in one fixed layout.
//!
//! A row is a run of 64-bit words. The first four are its counters and its time ([`PACKETS`], [`BYTES`],
//! [`FLOWS`], [`BIN_TIME`]), in the machine's own order; then come the fields that the
//! configuration uses, with numbers in network byte order.

use crate::field::Field;

/// Word of a row: packets.
pub const PACKETS: usize = 0;
/// Word of a row: bytes.
pub const BYTES: usize = 1;
/// Word of a row: flows.
pub const FLOWS: usize = 2;
/// Word of a row: the time that selects its time bin, in microseconds since 1970.
pub const BIN_TIME: usize = 3;
/// Number of words before the fields.
pub const HEAD: usize = 4;

/// A set of built-in fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldSet([u64; Field::COUNT.div_ceil(64)]);

impl FieldSet {
    /// Adds a field.
    pub fn insert(&mut self, field: Field) {
        if let Some(word) = self.0.get_mut(field as usize / 64) {
            *word |= 1 << (field as usize % 64);
        }
    }

    /// Returns true if the set contains the field.
    pub fn has(&self, field: Field) -> bool {
        self.0.get(field as usize / 64).is_some_and(|word| word >> (field as usize % 64) & 1 == 1)
    }

    /// The fields of the set, in the order in which they are declared.
    pub fn iter(&self) -> impl Iterator<Item = Field> + '_ {
        Field::ALL.iter().copied().filter(|field| self.has(*field))
    }
}

/// The fields of a row and their offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Offset of each built-in field from the start of the row, in bytes; `ABSENT` if rows lack it.
    offsets: [u16; Field::COUNT],
    custom: Vec<u16>,
    words: usize,
}

const ABSENT: u16 = u16::MAX;

impl Layout {
    /// The layout of rows with `fields`, followed by custom fields of the given sizes in bytes.
    pub fn new(fields: &FieldSet, custom_sizes: &[usize]) -> Self {
        Self::with_first(&FieldSet::default(), fields, custom_sizes)
    }

    /// The same, with the fields of `first` before all others, so that fields that are copied together are adjacent.
    pub fn with_first(first: &FieldSet, fields: &FieldSet, custom_sizes: &[usize]) -> Self {
        let mut offsets = [ABSENT; Field::COUNT];
        let mut end = HEAD * 8;
        for is_first in [true, false] {
            for (field, offset) in Field::ALL.iter().zip(&mut offsets) {
                if fields.has(*field) && first.has(*field) == is_first {
                    *offset = end as u16;
                    end += field.size();
                }
            }
        }
        let custom = custom_sizes
            .iter()
            .map(|size| {
                let offset = end as u16;
                end += size;
                offset
            })
            .collect();
        Self { offsets, custom, words: end.div_ceil(8) }
    }

    /// Offset of a field from the start of the row, in bytes, if rows have it.
    pub fn offset(&self, field: Field) -> Option<usize> {
        self.offsets.get(field as usize).filter(|offset| **offset != ABSENT).map(|offset| usize::from(*offset))
    }

    /// Offset of a custom field.
    pub fn custom(&self, number: usize) -> Option<usize> {
        self.custom.get(number).map(|offset| usize::from(*offset))
    }

    /// Number of words of a row.
    pub fn words(&self) -> usize {
        self.words
    }
}

/// A batch of rows with one layout. Clearing it keeps its memory.
#[derive(Debug)]
pub struct Rows {
    words: Vec<u64>,
    stride: usize,
}

impl Rows {
    /// Creates an empty batch for rows of `layout.words()` words.
    pub fn new(layout: &Layout) -> Self {
        Self { words: Vec::new(), stride: layout.words().max(HEAD) }
    }

    /// Number of rows.
    #[inline]
    pub fn len(&self) -> usize {
        self.words.len() / self.stride
    }

    /// Returns true if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Removes all rows.
    pub fn clear(&mut self) {
        self.words.clear();
    }

    /// Adds a row as a copy of `base`, which must have the layout's number of words.
    #[inline]
    pub fn push(&mut self, base: &[u64]) -> RowMut<'_> {
        let start = self.words.len();
        self.words.extend_from_slice(base);
        // A base of another layout would shift all rows after it.
        self.words.resize(start + self.stride, 0);
        RowMut { words: self.words.get_mut(start..).unwrap_or_default() }
    }

    /// Adds rows as copies of `base`, which must have the layout's number of words.
    #[inline]
    pub fn push_many(&mut self, base: &[u64], count: usize) {
        if count == 0 {
            return;
        }
        let start = self.words.len();
        self.words.reserve(count * self.stride);
        _ = self.push(base);
        let end = start + count * self.stride;
        // Doubles the existing copies.
        while self.words.len() < end {
            let more = (self.words.len() - start).min(end - self.words.len());
            self.words.extend_from_within(start..start + more);
        }
    }

    /// Removes the last row.
    #[inline]
    pub fn pop(&mut self) {
        self.words.truncate(self.words.len().saturating_sub(self.stride));
    }

    /// The last row.
    #[inline]
    pub fn last(&self) -> Option<Row<'_>> {
        let start = self.words.len().checked_sub(self.stride)?;
        self.words.get(start..).map(|words| Row { words })
    }

    /// The last row, mutable.
    #[inline]
    pub fn last_mut(&mut self) -> Option<RowMut<'_>> {
        let start = self.words.len().checked_sub(self.stride)?;
        self.words.get_mut(start..).map(|words| RowMut { words })
    }

    /// Adds a copy of the last row.
    #[inline]
    pub fn push_copy(&mut self) -> RowMut<'_> {
        let start = self.words.len();
        self.words.extend_from_within(start.saturating_sub(self.stride)..);
        RowMut { words: self.words.get_mut(start..).unwrap_or_default() }
    }

    /// The rows, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        self.words.chunks_exact(self.stride).map(|words| Row { words })
    }

    /// The rows from index `first` on.
    pub fn iter_from(&self, first: usize) -> impl ExactSizeIterator<Item = Row<'_>> {
        let words = self.words.get(first * self.stride..).unwrap_or_default();
        words.chunks_exact(self.stride).map(|words| Row { words })
    }

    /// The words of the rows from index `first` on, contiguous, and the number of words per row.
    #[inline]
    pub fn words_from(&self, first: usize) -> (&[u64], usize) {
        (self.words.get(first * self.stride..).unwrap_or_default(), self.stride)
    }

    /// The bytes of the rows from index `first` on, contiguous, and the number of bytes per row.
    #[inline]
    pub fn bytes_from_mut(&mut self, first: usize) -> (&mut [u8], usize) {
        let words = self.words.get_mut(first * self.stride..).unwrap_or_default();
        (bytemuck::cast_slice_mut(words), self.stride * 8)
    }

    /// A row by its index.
    #[inline]
    pub fn get(&self, number: usize) -> Option<Row<'_>> {
        let start = number * self.stride;
        self.words.get(start..start + self.stride).map(|words| Row { words })
    }

    /// A row by its index, mutable.
    #[inline]
    pub fn get_mut(&mut self, number: usize) -> Option<RowMut<'_>> {
        let start = number * self.stride;
        self.words.get_mut(start..start + self.stride).map(|words| RowMut { words })
    }

    /// The rows, in order, mutable.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = RowMut<'_>> {
        self.iter_mut_from(0)
    }

    /// The rows from index `first` on, mutable.
    #[inline]
    pub fn iter_mut_from(&mut self, first: usize) -> impl ExactSizeIterator<Item = RowMut<'_>> {
        let words = self.words.get_mut(first * self.stride..).unwrap_or_default();
        words.chunks_exact_mut(self.stride).map(|words| RowMut { words })
    }

    /// Adds a copy of a row of the same layout.
    #[inline]
    pub fn push_row(&mut self, row: Row<'_>) -> RowMut<'_> {
        self.push(row.words)
    }
}

/// One row, to read.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    words: &'a [u64],
}

impl<'a> Row<'a> {
    /// One of the words before the fields.
    #[inline]
    pub fn head(&self, word: usize) -> u64 {
        self.words.get(word).copied().unwrap_or(0)
    }

    /// All words of the row.
    #[inline]
    pub fn words(&self) -> &'a [u64] {
        self.words
    }

    /// The bytes of the row; the layout has the offsets.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        bytemuck::cast_slice(self.words)
    }
}

/// One row, to write.
#[derive(Debug)]
pub struct RowMut<'a> {
    words: &'a mut [u64],
}

impl RowMut<'_> {
    /// One of the words before the fields.
    #[inline]
    pub fn head(&mut self, word: usize) -> &mut u64 {
        // Rows have at least HEAD words, see `Rows::new`.
        &mut self.words[word]
    }

    /// The bytes of the row; the layout has the offsets.
    #[inline]
    pub fn bytes(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(self.words)
    }

    /// The row, to read.
    pub fn as_row(&self) -> Row<'_> {
        Row { words: self.words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_fields_are_adjacent() {
        let set = |fields: &[Field]| {
            let mut set = FieldSet::default();
            fields.iter().for_each(|field| set.insert(*field));
            set
        };
        let all = set(&[Field::SrcHost, Field::DstHost, Field::SrcPort, Field::DstPort]);
        let layout = Layout::with_first(&set(&[Field::SrcPort, Field::DstPort]), &all, &[8]);
        let offset = |field| layout.offset(field);
        assert_eq!((offset(Field::SrcPort), offset(Field::DstPort)), (Some(32), Some(34)));
        assert_eq!((offset(Field::SrcHost), offset(Field::DstHost)), (Some(36), Some(52)));
        assert_eq!((layout.custom(0), layout.words()), (Some(68), 10));
    }

    #[test]
    fn adding_many_rows_equals_adding_each() {
        let mut fields = FieldSet::default();
        fields.insert(Field::SrcHost);
        let layout = Layout::new(&fields, &[]);
        let base: Vec<u64> = (1..=layout.words() as u64).collect();
        for count in 0..9 {
            let (mut many, mut single) = (Rows::new(&layout), Rows::new(&layout));
            many.push(&[7; 6]);
            single.push(&[7; 6]);
            many.push_many(&base, count);
            (0..count).for_each(|_| _ = single.push(&base));
            assert_eq!(many.words, single.words);
        }
    }

    #[test]
    fn a_layout_has_the_requested_fields_in_row_order() {
        let mut fields = FieldSet::default();
        for field in [Field::DstPort, Field::SrcHost, Field::SrcPort] {
            fields.insert(field);
        }
        let layout = Layout::new(&fields, &[4, 8]);
        assert_eq!(layout.offset(Field::SrcHost), Some(32));
        assert_eq!(layout.offset(Field::SrcPort), Some(48));
        assert_eq!(layout.offset(Field::DstPort), Some(50));
        assert_eq!(layout.offset(Field::DstHost), None);
        assert_eq!((layout.custom(0), layout.custom(1), layout.custom(2)), (Some(52), Some(56), None));
        assert_eq!(layout.words(), 8);
        assert_eq!(fields.iter().count(), 3);
    }
}
