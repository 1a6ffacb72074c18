//! The table of aggregates.
//!
//! Entries (key words, then value words) are stored contiguously in insertion order; an index with open
//! addressing finds them. A slot of the index holds the upper 32 bits of the key's hash and the number of
//! the entry, so growing the index does not read entries, and a probe reads an entry only when 32 bits of
//! its hash agree. Rows are added in batches: all slots of a batch are read before the first entry, so that
//! cache misses overlap.

use flow::schema::{Combine, Finish, Schema};
use flow::strings::Strings;
use foldhash::fast::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

/// Keys that are looked up together.
const BATCH: usize = 32;
/// Slots of the smallest index.
const MIN_SLOTS: usize = 1 << 10;
/// The number of an entry takes 32 bits of a slot, and 0 means a free slot.
const MAX_ENTRIES: usize = u32::MAX as usize - BATCH;

/// One aggregate: the bytes of its key, and its values in the order of the schema.
#[derive(Clone, Copy, Debug)]
pub struct Aggregate<'a> {
    /// The key: fields in network byte order, at the offsets of the schema's columns.
    pub key: &'a [u8],
    /// Values, in the schema's order.
    pub values: &'a [u64],
}

/// Aggregates of one plugin, from one worker or merged from several.
#[derive(Clone)]
pub struct Table {
    schema: Arc<Schema>,
    entries: Vec<u64>,
    /// `hash << 32 | entry + 1`; 0 is free. The length is a power of two; at most seven eighths of it are in use.
    index: Vec<u64>,
    strings: Strings,
    hash: RandomState,
    /// All values are sums, which is the common case.
    sums: bool,
}

impl Table {
    /// An empty table. `expected` aggregates (an estimate) fit before the index grows; memory is touched only
    /// as it fills.
    pub fn new(schema: Arc<Schema>, hash: RandomState, expected: usize) -> Self {
        let slots = (expected.min(MAX_ENTRIES) * 8 / 7 + 1).next_power_of_two().max(MIN_SLOTS);
        let sums = schema.values.iter().all(|value| value.combine == Combine::Sum);
        Self { schema, entries: Vec::new(), index: vec![0; slots], strings: Strings::default(), hash, sums }
    }

    /// An empty table of the same schema and hash.
    pub fn empty(&self) -> Self {
        Self::new(Arc::clone(&self.schema), self.hash.clone(), 0)
    }

    /// The schema: the columns of the table.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The hash of its keys. Tables that are merged must share it.
    pub fn hash(&self) -> &RandomState {
        &self.hash
    }

    /// The strings to which ids in its keys refer.
    pub fn strings(&self) -> &Strings {
        &self.strings
    }

    /// The strings, to add to.
    pub fn strings_mut(&mut self) -> &mut Strings {
        &mut self.strings
    }

    /// Number of aggregates.
    pub fn len(&self) -> usize {
        self.entries.len() / self.schema.stride()
    }

    /// True when there are no aggregates.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Approximate memory use in bytes, including strings.
    pub fn size(&self) -> usize {
        (self.entries.len() + self.index.len()) * 8 + self.strings.size()
    }

    /// The aggregates, in insertion order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Aggregate<'_>> {
        let key_words = self.schema.key_words;
        self.entries.chunks_exact(self.schema.stride()).map(move |entry| {
            let (key, values) = entry.split_at(key_words);
            Aggregate { key: bytemuck::cast_slice(key), values }
        })
    }

    /// The aggregate with that number, in insertion order.
    pub fn get(&self, number: usize) -> Option<Aggregate<'_>> {
        let stride = self.schema.stride();
        let entry = self.entries.get(number.checked_mul(stride)?..)?.get(..stride)?;
        let (key, values) = entry.split_at(self.schema.key_words);
        Some(Aggregate { key: bytemuck::cast_slice(key), values })
    }

    /// Sum of one value over all aggregates.
    pub fn total(&self, value: usize) -> u64 {
        self.iter().fold(0, |sum, a| sum.saturating_add(a.values.get(value).copied().unwrap_or(0)))
    }

    /// Adds rows: `keys` holds their keys and `values` their values, one after the other. Returns the number
    /// of new aggregates. Rows beyond 4 billion aggregates are not added; owners flush long before.
    pub fn add(&mut self, keys: &[u64], values: &[u64]) -> usize {
        let before = self.len();
        if self.schema.distinct {
            self.append(keys, values);
            return self.len() - before;
        }
        // The constants let the compiler unroll comparison and hash for the usual key sizes.
        match self.schema.key_words {
            1 => self.add_keys(keys, values, 1),
            2 => self.add_keys(keys, values, 2),
            3 => self.add_keys(keys, values, 3),
            4 => self.add_keys(keys, values, 4),
            5 => self.add_keys(keys, values, 5),
            6 => self.add_keys(keys, values, 6),
            7 => self.add_keys(keys, values, 7),
            8 => self.add_keys(keys, values, 8),
            words => self.add_keys(keys, values, words),
        }
        self.len() - before
    }

    /// Adds rows without comparing keys. The index is not used.
    fn append(&mut self, keys: &[u64], values: &[u64]) {
        let (key_words, value_words) = (self.schema.key_words, self.schema.values.len());
        for (key, values) in keys.chunks_exact(key_words).zip(values.chunks_exact(value_words)) {
            self.entries.extend_from_slice(key);
            self.entries.extend_from_slice(values);
        }
    }

    #[inline(always)]
    fn add_keys(&mut self, keys: &[u64], values: &[u64], key_words: usize) {
        let value_words = self.schema.values.len();
        let batches = keys.chunks(BATCH * key_words).zip(values.chunks(BATCH * value_words));
        for (keys, values) in batches {
            let count = keys.len() / key_words;
            if self.len() + count > MAX_ENTRIES {
                return;
            }
            if (self.len() + count) * 8 > self.index.len() * 7 {
                self.grow();
            }
            let mut hashes = [0u32; BATCH];
            for (hash, key) in hashes.iter_mut().zip(keys.chunks_exact(key_words)) {
                *hash = self.hash_of(key);
            }
            let mut first = [0u64; BATCH];
            for (slot, hash) in first.iter_mut().zip(hashes).take(count) {
                *slot = self.index[self.home(hash)];
            }
            let rows = keys.chunks_exact(key_words).zip(values.chunks_exact(value_words));
            for ((key, values), (hash, slot)) in rows.zip(hashes.into_iter().zip(first)) {
                self.add_one(key, values, hash, slot, key_words);
            }
        }
    }

    #[inline(always)]
    fn add_one(&mut self, key: &[u64], values: &[u64], hash: u32, slot: u64, key_words: usize) {
        let stride = key_words + values.len();
        let mut at = self.home(hash);
        // An earlier row of the same batch may have filled the slot since it was read.
        let mut slot = if slot == 0 { self.index[at] } else { slot };
        loop {
            if slot == 0 {
                self.index[at] = u64::from(hash) << 32 | (self.entries.len() / stride + 1) as u64;
                self.entries.extend_from_slice(key);
                self.entries.extend_from_slice(values);
                return;
            }
            if (slot >> 32) as u32 == hash {
                let start = (slot as u32 as usize - 1) * stride;
                let (entry_key, sums) = self.entries[start..start + stride].split_at_mut(key_words);
                if is_same(entry_key, key) {
                    if self.sums {
                        for (sum, value) in sums.iter_mut().zip(values) {
                            *sum = sum.saturating_add(*value);
                        }
                    } else {
                        combine(&self.schema, sums, values);
                    }
                    return;
                }
            }
            at = (at + 1) & (self.index.len() - 1);
            slot = self.index[at];
        }
    }

    #[inline(always)]
    fn hash_of(&self, key: &[u64]) -> u32 {
        let mut hasher = self.hash.build_hasher();
        for word in key {
            hasher.write_u64(*word);
        }
        (hasher.finish() >> 32) as u32
    }

    /// The slot at which the search for a hash starts: its upper bits, so that growing needs no keys.
    #[inline(always)]
    fn home(&self, hash: u32) -> usize {
        (u64::from(hash) << 32 >> (64 - self.index.len().trailing_zeros())) as usize
    }

    #[cold]
    fn grow(&mut self) {
        let old = std::mem::take(&mut self.index);
        self.index = vec![0; old.len() * 2];
        self.fill(old.into_iter().filter(|slot| *slot != 0));
    }

    fn fill(&mut self, slots: impl Iterator<Item = u64>) {
        for slot in slots {
            let mut at = self.home((slot >> 32) as u32);
            while self.index[at] != 0 {
                at = (at + 1) & (self.index.len() - 1);
            }
            self.index[at] = slot;
        }
    }

    /// Adds all aggregates of `other`, a table with the same schema and a clone of the same hash.
    pub fn absorb(&mut self, other: Table) {
        if self.is_empty() {
            *self = other;
            return;
        }
        let _ = self.absorb_within(other, usize::MAX);
    }

    /// Adds the aggregates of `other` while the table is smaller than `max_bytes`; beyond that, only those whose keys
    /// it already has. Passes the values of each aggregate that was not added to `dropped`, and returns their number.
    pub fn absorb_bounded(&mut self, other: Table, max_bytes: usize, mut dropped: impl FnMut(&[u64])) -> usize {
        let values = self.absorb_within(other, max_bytes);
        values.chunks_exact(self.schema.values.len()).map(&mut dropped).count()
    }

    /// Returns the values of the aggregates that were not added, one after the other.
    fn absorb_within(&mut self, other: Table, max_bytes: usize) -> Vec<u64> {
        let schema = Arc::clone(&self.schema);
        let (key_words, value_words) = (schema.key_words, schema.values.len());
        let mut keys = Vec::with_capacity(BATCH * key_words);
        let mut values = Vec::with_capacity(BATCH * value_words);
        let mut dropped = Vec::new();
        for batch in other.entries.chunks(BATCH * schema.stride()) {
            keys.clear();
            values.clear();
            for entry in batch.chunks_exact(schema.stride()) {
                let (key, value) = entry.split_at(key_words);
                let start = keys.len();
                keys.extend_from_slice(key);
                // Checked for each aggregate: its strings may be long.
                let is_full = self.size() >= max_bytes;
                let key = &mut keys[start..];
                // At the bound, the strings of an aggregate are interned only if the aggregate itself is kept.
                if is_full
                    && !(self.find_strings(&other.strings, bytemuck::cast_slice_mut(key)) && self.contains(key))
                {
                    keys.truncate(start);
                    dropped.extend_from_slice(value);
                    continue;
                }
                if !is_full {
                    translate(&schema, &other.strings, &mut self.strings, bytemuck::cast_slice_mut(key));
                }
                values.extend_from_slice(value);
            }
            self.add(&keys, &values);
        }
        dropped
    }

    /// Translates the string ids in a key from another table to this one, as [`translate`] does, but adds no strings. False
    /// when this table lacks one of them.
    fn find_strings(&self, strings: &Strings, key: &mut [u8]) -> bool {
        ids(&self.schema, key, |id| self.strings.find(strings.get(id)))
    }

    fn contains(&self, key: &[u64]) -> bool {
        let stride = self.schema.stride();
        let hash = self.hash_of(key);
        let mut at = self.home(hash);
        loop {
            let slot = self.index[at];
            if slot == 0 {
                return false;
            }
            let start = (slot as u32 as usize - 1) * stride;
            if (slot >> 32) as u32 == hash && self.entries[start..start + key.len()] == *key {
                return true;
            }
            at = (at + 1) & (self.index.len() - 1);
        }
    }

    /// Removes all aggregates and strings, and frees their memory.
    pub fn clear(&mut self) {
        self.entries = Vec::new();
        self.strings = Strings::default();
        self.index = vec![0; MIN_SLOTS];
    }

    /// Keeps the aggregates for which `keep` returns true; `keep` may change their values. Strings that no aggregate uses any
    /// more are freed.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &mut [u64], &Strings) -> bool) {
        let (stride, key_words) = (self.schema.stride(), self.schema.key_words);
        let mut kept = 0;
        for start in (0..self.entries.len()).step_by(stride) {
            let (key, values) = self.entries[start..start + stride].split_at_mut(key_words);
            if keep(bytemuck::cast_slice(key), values, &self.strings) {
                self.entries.copy_within(start..start + stride, kept);
                kept += stride;
            }
        }
        if kept < self.entries.len() {
            self.entries.truncate(kept);
            self.entries.shrink_to(kept * 2);
            self.release_strings();
            self.reindex();
        }
    }

    /// Moves the aggregates for which `is_moved` returns true to a new table.
    pub fn split_off(&mut self, mut is_moved: impl FnMut(&[u8], &[u64], &Strings) -> bool) -> Self {
        let mut moved = self.empty();
        let mut words = vec![0; self.schema.key_words];
        self.retain(|key, values, strings| {
            let is_kept = !is_moved(key, values, strings);
            if !is_kept {
                let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
                bytes.copy_from_slice(key);
                translate(&moved.schema, strings, &mut moved.strings, bytes);
                moved.add(&words, values);
            }
            is_kept
        });
        moved
    }

    /// Frees the strings that no key uses any more.
    fn release_strings(&mut self) {
        if self.strings.is_empty() {
            return;
        }
        let old = std::mem::take(&mut self.strings);
        for entry in self.entries.chunks_exact_mut(self.schema.stride()) {
            let (key, _) = entry.split_at_mut(self.schema.key_words);
            translate(&self.schema, &old, &mut self.strings, bytemuck::cast_slice_mut(key));
        }
    }

    fn reindex(&mut self) {
        let stride = self.schema.stride();
        let slots = (self.len() * 8 / 7 + 1).next_power_of_two().max(MIN_SLOTS);
        self.index = vec![0; slots];
        let hashes: Vec<u64> = (self.entries.chunks_exact(stride).zip(1u64..))
            .map(|(entry, number)| u64::from(self.hash_of(&entry[..self.schema.key_words])) << 32 | number)
            .collect();
        self.fill(hashes.into_iter());
    }
}

/// Translates the string ids in a key from `from` to `to`, to which new strings are added.
fn translate(schema: &Schema, from: &Strings, to: &mut Strings, key: &mut [u8]) {
    ids(schema, key, |id| Some(to.intern(from.get(id))));
}

/// Replaces the string ids in a key; false when `change` returns `None` for one of them.
fn ids(schema: &Schema, key: &mut [u8], mut change: impl FnMut(u32) -> Option<u32>) -> bool {
    for finish in &schema.finishes {
        if let Finish::Intern(at) = finish
            && let Some(bytes) = key.get_mut(*at..at + 4)
        {
            let id = bytes.first_chunk().map_or(0, |id| u32::from_be_bytes(*id));
            let Some(id) = change(id) else { return false };
            bytes.copy_from_slice(&id.to_be_bytes());
        }
    }
    true
}

/// Whether two keys are equal. Compares inline: the comparison of slices would be a function call.
#[inline(always)]
fn is_same(a: &[u64], b: &[u64]) -> bool {
    a.iter().zip(b).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

/// Combines the values of a row with those of its aggregate.
fn combine(schema: &Schema, sums: &mut [u64], values: &[u64]) {
    for ((spec, sum), value) in schema.values.iter().zip(sums).zip(values) {
        *sum = match spec.combine {
            Combine::Sum => sum.saturating_add(*value),
            Combine::Or => *sum | *value,
            // A time of 0 is unset.
            Combine::Min if *sum == 0 || *value == 0 => *sum | *value,
            Combine::Min => (*sum).min(*value),
            Combine::Max => (*sum).max(*value),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::row::{FieldSet, Layout};
    use flow::schema::{Options, Selection};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn schema(words: &str) -> Arc<Schema> {
        let selection = Selection::parse(words.split(','), &[]).unwrap();
        let mut fields = FieldSet::default();
        selection.require(&Options::default(), &mut fields);
        Arc::new(Schema::new(&selection, &[], &Layout::new(&fields, &[]), &Options::default()))
    }

    /// A key that starts with that word.
    fn key(schema: &Schema, word: u64) -> Vec<u64> {
        let mut key = vec![0; schema.key_words];
        key[0] = word;
        key
    }

    fn content(table: &Table) -> BTreeMap<Vec<u8>, Vec<u64>> {
        table.iter().map(|a| (a.key.to_vec(), a.values.to_vec())).collect()
    }

    #[test]
    fn a_growing_index_still_finds_everything() {
        let schema = schema("tag");
        let mut table = Table::new(schema.clone(), RandomState::default(), 0);
        for round in 1..=2 {
            for n in 0..5000u64 {
                let new = table.add(&key(&schema, n), &[1, n]);
                assert_eq!(new, usize::from(round == 1));
            }
        }
        assert_eq!(table.len(), 5000);
        assert!(table.iter().all(|a| a.values[0] == 2));
        assert_eq!(table.total(0), 10_000);
    }

    #[test]
    fn retained_aggregates_are_still_found() {
        let schema = schema("tag");
        let mut table = Table::new(schema.clone(), RandomState::default(), 0);
        for n in 0..100u64 {
            table.add(&key(&schema, n), &[n, 1]);
        }
        table.retain(|_, values, _| values[0] % 2 == 0);
        assert_eq!(table.len(), 50);
        assert_eq!(table.add(&[key(&schema, 4), key(&schema, 5)].concat(), &[1, 1, 1, 1]), 1);
    }

    #[test]
    fn merged_aggregates_keep_their_strings() {
        let schema = schema("vrf_name");
        let flow::schema::At::Key(at) = schema.columns[0].at else { panic!("a key") };
        let state = RandomState::default();
        let (mut a, mut b) = (Table::new(schema.clone(), state.clone(), 0), Table::new(schema, state, 0));
        for (table, names) in [(&mut a, ["red", "blue"]), (&mut b, ["blue", "green"])] {
            for name in names {
                let id = table.strings_mut().intern(name.as_bytes());
                let mut bytes = [0u8; 8];
                bytes[at..at + 4].copy_from_slice(&id.to_be_bytes());
                table.add(&[u64::from_ne_bytes(bytes)], &[1, 10]);
            }
        }
        a.absorb(b);
        let mut sums: Vec<_> = (a.iter())
            .map(|x| {
                (a.strings().get(u32::from_be_bytes(x.key[at..at + 4].try_into().unwrap())).to_vec(), x.values[0])
            })
            .collect();
        sums.sort();
        assert_eq!(sums, [(b"blue".to_vec(), 2), (b"green".to_vec(), 1), (b"red".to_vec(), 1)]);
    }

    #[test]
    fn aggregates_that_are_split_off_keep_their_strings_and_can_be_merged_again() {
        let (schema, state) = (schema("vrf_name"), RandomState::default());
        let flow::schema::At::Key(at) = schema.columns[0].at else { panic!("a key") };
        let mut table = texts(&schema, &state, (0..10).map(long));
        let text = |strings: &Strings, key: &[u8]| {
            strings.get(u32::from_be_bytes(key[at..at + 4].try_into().unwrap())).to_vec()
        };
        let moved = table.split_off(|key, _, strings| text(strings, key) == long(7).into_bytes());
        assert_eq!((table.len(), moved.len(), moved.strings().len()), (9, 1, 2));
        assert_eq!(text(moved.strings(), moved.get(0).unwrap().key), long(7).into_bytes());
        assert!(moved.get(1).is_none());
        table.absorb(moved);
        table.absorb(texts(&schema, &state, (0..10).map(long)));
        assert_eq!((table.len(), table.total(0)), (10, 20));
    }

    /// A table of one aggregate for each text.
    fn texts(schema: &Arc<Schema>, state: &RandomState, texts: impl Iterator<Item = String>) -> Table {
        let flow::schema::At::Key(at) = schema.columns[0].at else { panic!("a key") };
        let mut table = Table::new(schema.clone(), state.clone(), 0);
        for text in texts {
            let id = table.strings_mut().intern(text.as_bytes());
            let mut bytes = [0u8; 8];
            bytes[at..at + 4].copy_from_slice(&id.to_be_bytes());
            table.add(&[u64::from_ne_bytes(bytes)], &[1, 10]);
        }
        table
    }

    fn long(n: usize) -> String {
        format!("{n:02000}")
    }

    #[test]
    fn at_its_bound_a_table_keeps_no_strings_of_dropped_aggregates() {
        let (schema, state) = (schema("vrf_name"), RandomState::default());
        const BOUND: usize = 1 << 20;
        let mut bounded = texts(&schema, &state, std::iter::empty());
        let mut dropped = 0;
        for round in 0..20 {
            // The first string is in the table already; its aggregate is still counted.
            let more = texts(&schema, &state, [0].into_iter().chain(round * 100..(round + 1) * 100).map(long));
            dropped += bounded.absorb_bounded(more, BOUND, |_| ());
        }
        // One aggregate may cross the bound, with its string and its slots in the indexes.
        assert!(bounded.size() < BOUND + (64 << 10), "{}", bounded.size());
        assert_eq!((bounded.len() + dropped, bounded.strings().len()), (2000, bounded.len() + 1));
        assert!(dropped > 1000 && bounded.iter().next().unwrap().values[0] >= 20);
    }

    #[test]
    fn strings_of_removed_aggregates_are_freed() {
        let (schema, state) = (schema("vrf_name"), RandomState::default());
        let mut table = texts(&schema, &state, (0..1000).map(long));
        let full = table.size();
        let mut number = 0;
        table.retain(|_, _, _| {
            number += 1;
            number % 100 == 0
        });
        assert!(table.size() < full / 20, "{} of {full}", table.size());
        assert_eq!(table.strings().len(), 11);
        // The remaining aggregates keep their strings and are found by them.
        let more = texts(&schema, &state, (0..10).map(|n| long(n * 100 + 99)));
        table.absorb(more);
        assert_eq!((table.len(), table.total(0)), (10, 20));
    }

    #[test]
    fn at_its_bound_a_table_still_counts_its_own_aggregates() {
        let (schema, state) = (schema("tag"), RandomState::default());
        let table = |keys: &[u64]| {
            let mut table = Table::new(schema.clone(), state.clone(), 0);
            keys.iter().for_each(|n| _ = table.add(&key(&schema, *n), &[1, 10]));
            table
        };
        let mut bounded = table(&[1, 2]);
        let mut lost = 0;
        assert_eq!(bounded.absorb_bounded(table(&[2, 3]), 0, |values| lost += values[1]), 1);
        assert_eq!((bounded.len(), bounded.total(1), lost), (2, 30, 10));
    }

    proptest! {
        #[test]
        fn a_table_counts_like_a_map(rows in prop::collection::vec((0u64..40, 0u64..3, 1u64..1000), 0..400)) {
            let schema = schema("tag,tag2");
            let mut table = Table::new(schema.clone(), RandomState::default(), 0);
            let (mut keys, mut values, mut map) = (Vec::new(), Vec::new(), BTreeMap::new());
            for (a, b, bytes) in rows {
                keys.extend([a, b, 0]);
                values.extend([1, bytes]);
                let key = bytemuck::cast_slice(&[a, b, 0]).to_vec();
                let sum: &mut Vec<u64> = map.entry(key).or_insert(vec![0, 0]);
                sum[0] += 1;
                sum[1] += bytes;
            }
            table.add(&keys, &values);
            prop_assert_eq!(content(&table), map);
        }

        #[test]
        fn two_merged_tables_equal_one(rows in prop::collection::vec((0u64..40, any::<bool>()), 0..300)) {
            let (schema, state) = (schema("tag"), RandomState::default());
            let mut tables: Vec<_> = (0..3).map(|_| Table::new(schema.clone(), state.clone(), 0)).collect();
            for (n, worker) in rows {
                tables[usize::from(worker)].add(&key(&schema, n), &[1, 7]);
                tables[2].add(&key(&schema, n), &[1, 7]);
            }
            let whole = tables.pop().unwrap();
            let second = tables.pop().unwrap();
            let mut first = tables.pop().unwrap();
            first.absorb(second);
            prop_assert_eq!(content(&first), content(&whole));
        }
    }
}
