//! Conditions as words under masks.

use flow::field::Field;
use flow::row::Layout;

/// A word of a row, under a mask, has this value. In native byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Word {
    pub(super) number: u32,
    pub(super) mask: u64,
    pub(super) value: u64,
}

impl Word {
    #[inline]
    pub(super) fn holds(&self, row: &[u64]) -> bool {
        row.get(self.number as usize).is_some_and(|word| word & self.mask == self.value)
    }
}

/// The octets of a row that must have certain values, collected before they are read as words.
#[derive(Clone, Debug)]
pub(super) struct MaskedRow {
    masks: Vec<u8>,
    values: Vec<u8>,
    /// Two conditions require different values of one octet.
    contradictory: bool,
}

impl MaskedRow {
    pub(super) fn new(layout: &Layout) -> Self {
        let size = layout.words() * 8;
        Self { masks: vec![0; size], values: vec![0; size], contradictory: false }
    }

    /// Adds octets of a field under a mask; false if the layout lacks the field.
    pub(super) fn add(&mut self, layout: &Layout, field: Field, masks: &[u8], values: &[u8]) -> bool {
        self.add_at(layout, (field, 0), masks, values)
    }

    /// As [`Self::add`], from this octet of the field on.
    pub(super) fn add_at(
        &mut self,
        layout: &Layout,
        (field, from): (Field, usize),
        masks: &[u8],
        values: &[u8],
    ) -> bool {
        let Some(start) = layout.offset(field).map(|offset| offset + from) else {
            return false;
        };
        for ((at, mask), value) in (start..).zip(masks).zip(values) {
            let (Some(old_mask), Some(old_value)) = (self.masks.get_mut(at), self.values.get_mut(at)) else {
                return false;
            };
            let value = value & mask;
            self.contradictory |= (*old_value ^ value) & *old_mask & mask != 0;
            *old_mask |= mask;
            *old_value |= value;
        }
        true
    }

    pub(super) fn is_contradictory(&self) -> bool {
        self.contradictory
    }

    /// The words whose masks are not zero, in order.
    pub(super) fn words(&self) -> Vec<Word> {
        let words = |octets: &[u8]| -> Vec<u64> {
            octets.as_chunks().0.iter().map(|octets| u64::from_ne_bytes(*octets)).collect()
        };
        let all = (0..).zip(words(&self.masks)).zip(words(&self.values));
        all.filter(|((_, mask), _)| *mask != 0)
            .map(|((number, mask), value)| Word { number, mask, value })
            .collect()
    }
}
