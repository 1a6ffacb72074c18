//! The aggregator of one plugin in one worker: projects rows to keys and adds them to its own table.

use crate::table::Table;
use crate::time_bin::Bins;
use flow::row::{self, Rows};
use flow::schema::{Finish, Run, Schema, Source};
use flow::strings::Strings;
use foldhash::fast::RandomState;
use std::sync::Arc;

/// Microseconds per second.
const SECOND: u64 = 1_000_000;

/// Rows that are projected together: few enough to stay in the first-level cache.
const BLOCK: usize = 128;

/// How a flow is spread over the bins that it spans (`nfacctd_pro_rating`).
///
/// The exporter chooses the start and the end of a flow. So a flow that spans more than `max_bins`, or does not start near its
/// bin time, is not spread: otherwise one record could create any number of aggregates, in any bins.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Offset of the start time.
    pub start: usize,
    /// Offset of the end time.
    pub end: usize,
    /// The maximum number of bins of one flow.
    pub max_bins: usize,
    /// How far before its bin time a flow may start, in microseconds.
    pub back: u64,
    /// How far after its bin time a flow may start, in microseconds.
    pub ahead: u64,
}

/// Projects rows to keys and adds them to its own table.
pub struct Aggregator {
    schema: Arc<Schema>,
    table: Table,
    hash: RandomState,
    bins: Option<Bins>,
    span: Option<Span>,
    /// Rows that should have been spread over bins and were not.
    unspread_rows: u64,
    /// For each projection whose key is one run of whole words of the row: the first word, and the mask of the last.
    word_runs: Vec<Option<(usize, u64)>>,
    keys: Vec<u64>,
    values: Vec<u64>,
    /// Indexed by the id of a string in the rows: the id of the same string in the table plus one, or 0 if it has none yet.
    translated: Vec<u32>,
}

impl Aggregator {
    /// An aggregator with an empty table.
    pub fn new(schema: Arc<Schema>, bins: Option<Bins>, span: Option<Span>, hash: RandomState) -> Self {
        let word_runs = schema.projections.iter().map(|runs| whole_words(runs, schema.key_words)).collect();
        let table = Table::new(Arc::clone(&schema), hash.clone(), 0);
        let (keys, values, translated) = (Vec::new(), Vec::new(), Vec::new());
        Self { schema, table, hash, bins, span, unspread_rows: 0, word_runs, keys, values, translated }
    }

    /// The current table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Switches to rows of another layout, for which `schema` makes the same keys. Keeps the table.
    pub fn change_schema(&mut self, schema: Arc<Schema>, span: Option<Span>) {
        debug_assert_eq!(
            (schema.key_words, schema.values.len()),
            (self.schema.key_words, self.schema.values.len())
        );
        self.word_runs = schema.projections.iter().map(|runs| whole_words(runs, schema.key_words)).collect();
        self.schema = schema;
        self.span = span;
    }

    /// Returns the table and continues with an empty one.
    pub fn take(&mut self) -> Table {
        let expected = self.table.len();
        self.translated.clear();
        std::mem::replace(&mut self.table, Table::new(Arc::clone(&self.schema), self.hash.clone(), expected))
    }

    /// Takes back a table that the plugin could not accept, and adds what has been aggregated since to it.
    pub fn give_back(&mut self, table: Table) {
        let newer = std::mem::replace(&mut self.table, table);
        self.translated.clear();
        if !newer.is_empty() {
            self.table.absorb(newer);
        }
    }

    /// Forgets the translated ids, after the strings of the rows were cleared.
    pub fn forget_strings(&mut self) {
        self.translated.clear();
    }

    /// Adds rows, whose string ids refer to `strings`. Returns the number of new aggregates.
    pub fn add(&mut self, rows: &Rows, strings: &Strings) -> usize {
        let mut new = 0;
        for number in 0..self.schema.projections.len() {
            self.project(number, rows);
            self.finish(rows, strings);
            self.read_values(rows);
            if self.span.is_some() {
                self.spread(rows);
            }
            new += self.table.add(&self.keys, &self.values);
        }
        new
    }

    /// The number of rows since the last call that should have been spread over bins and were not ([`Span`]).
    pub fn take_unspread_rows(&mut self) -> u64 {
        std::mem::take(&mut self.unspread_rows)
    }

    /// Builds the keys of rows by copying runs of bytes, each run for a block of rows at a time.
    fn project(&mut self, number: usize, rows: &Rows) {
        let schema = &*self.schema;
        let (words, size) = rows.words_from(0);
        self.keys.clear();
        self.keys.resize(rows.len() * schema.key_words, 0);
        let blocks = words.chunks(BLOCK * size).zip(self.keys.chunks_mut(BLOCK * schema.key_words));
        for (rows, keys) in blocks {
            if let Some(Some((first, mask))) = self.word_runs.get(number) {
                for (row, key) in rows.chunks_exact(size).zip(keys.chunks_exact_mut(schema.key_words)) {
                    let words = row.get(*first..).unwrap_or_default();
                    key.iter_mut().zip(words).for_each(|(to, from)| *to = *from);
                    if let Some(last) = key.last_mut() {
                        *last &= mask;
                    }
                }
                continue;
            }
            let (rows, keys) = (bytemuck::cast_slice(rows), bytemuck::cast_slice_mut(keys));
            for run in schema.projections.get(number).into_iter().flatten() {
                copy(rows, size * 8, keys, schema.key_words * 8, *run);
            }
        }
    }

    /// Converts the fields whose form in keys differs from that in rows.
    fn finish(&mut self, rows: &Rows, strings: &Strings) {
        let schema = &*self.schema;
        if schema.finishes.is_empty() && schema.bin.is_none() {
            return;
        }
        for (row, key) in rows.iter().zip(self.keys.chunks_exact_mut(schema.key_words)) {
            let key: &mut [u8] = bytemuck::cast_slice_mut(key);
            for finish in &schema.finishes {
                match *finish {
                    Finish::Intern(at) => translate(&mut self.translated, key, at, strings, &mut self.table),
                    Finish::WholeSeconds(at) => {
                        let time = number_at(key, at);
                        put(key, at, time - time % SECOND);
                    }
                    Finish::Dscp(at) => {
                        if let Some(tos) = key.get_mut(at) {
                            *tos >>= 2;
                        }
                    }
                }
            }
            if let (Some(at), Some(bins)) = (schema.bin, &mut self.bins) {
                put(key, at, bins.start((row.head(row::BIN_TIME) / SECOND) as i64));
            }
        }
    }

    /// Reads the values of rows.
    fn read_values(&mut self, rows: &Rows) {
        let stride = self.schema.values.len().max(1);
        self.values.clear();
        self.values.resize(rows.len() * stride, 0);
        for (number, value) in self.schema.values.iter().enumerate() {
            let values = self.values.get_mut(number..).unwrap_or_default().iter_mut().step_by(stride);
            let pairs = values.zip(rows.iter());
            match value.source {
                Source::Head(word) => pairs.for_each(|(value, row)| *value = row.head(word)),
                Source::Octet(at) => pairs.for_each(|(value, row)| {
                    *value = row.bytes().get(at).map_or(0, |byte| u64::from(*byte));
                }),
                Source::Time(at) => pairs.for_each(|(value, row)| *value = number_at(row.bytes(), at)),
                Source::TimeOr(at, or) => pairs.for_each(|(value, row)| {
                    *value = match number_at(row.bytes(), at) {
                        0 => number_at(row.bytes(), or),
                        time => time,
                    };
                }),
            }
        }
    }

    /// Splits the rows just projected over the bins between their start and end, in proportion to the time
    /// that they spend in each. Values are rounded down; the last bin gets the remainder, so the sums are exact.
    fn spread(&mut self, rows: &Rows) {
        let (Some(span), Some(bins), Some(bin)) = (self.span, &mut self.bins, self.schema.bin) else { return };
        let (key_words, value_words) = (self.schema.key_words, self.schema.values.len());
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        let projected = self.keys.chunks_exact(key_words).zip(self.values.chunks_exact(value_words));
        for (row, (key, value)) in rows.iter().zip(projected) {
            let start = number_at(row.bytes(), span.start);
            let end = number_at(row.bytes(), span.end);
            let bin_time = row.head(row::BIN_TIME);
            let around = bin_time.saturating_sub(span.back)..=bin_time.saturating_add(span.ahead);
            let parts = match around.contains(&start) {
                true => parts(bins, start, end, span.max_bins),
                false => None,
            };
            self.unspread_rows += u64::from(parts.is_none());
            let parts = parts.unwrap_or_default();
            if parts.len() < 2 {
                keys.extend_from_slice(key);
                values.extend_from_slice(value);
                continue;
            }
            let mut left: Vec<u64> = value.to_vec();
            let mut remaining = end - start;
            for (number, (from, time)) in parts.iter().enumerate() {
                let last = number + 1 == parts.len();
                let at = keys.len();
                keys.extend_from_slice(key);
                put(bytemuck::cast_slice_mut(&mut keys[at..]), bin, *from);
                for (which, left) in left.iter_mut().enumerate() {
                    let sum = self.schema.values[which].combine == flow::schema::Combine::Sum;
                    let part = match sum {
                        true if last => *left,
                        true => (u128::from(*left) * u128::from(*time) / u128::from(remaining.max(1))) as u64,
                        false => *left,
                    };
                    if sum {
                        *left -= part;
                    }
                    values.push(part);
                }
                remaining -= time;
            }
        }
        (self.keys, self.values) = (keys, values);
    }
}

/// The bins between two times: the start in seconds of each, and the microseconds spent in it. `None` when there are more than
/// `max`.
fn parts(bins: &mut Bins, start: u64, end: u64, max: usize) -> Option<Vec<(u64, u64)>> {
    let mut parts = Vec::new();
    let mut at = start;
    while start > 0 && at < end {
        if parts.len() >= max {
            return None;
        }
        let (from, to) = bins.bounds((at / SECOND) as i64);
        let to = u64::try_from(to).unwrap_or(0).saturating_mul(SECOND).clamp(at + 1, end);
        parts.push((u64::try_from(from).unwrap_or(0), to - at));
        at = to;
    }
    Some(parts)
}

/// For a key that is one run of bytes and starts at a word of the row: that word, and the mask that clears the bytes of the
/// last word after the run.
fn whole_words(runs: &[Run], key_words: usize) -> Option<(usize, u64)> {
    let [run] = runs else { return None };
    if run.from % 8 != 0 || run.to != 0 || run.len.div_ceil(8) != key_words {
        return None;
    }
    let mut mask = [0xff_u8; 8];
    let used = run.len - (key_words - 1) * 8;
    mask.iter_mut().skip(used).for_each(|byte| *byte = 0);
    Some((run.from / 8, u64::from_ne_bytes(mask)))
}

/// Copies a run of bytes from each row to its key.
fn copy(rows: &[u8], row_size: usize, keys: &mut [u8], key_size: usize, run: Run) {
    let pairs = rows.chunks_exact(row_size).zip(keys.chunks_exact_mut(key_size));
    let Run { from, to, len } = run;
    match len {
        1 => pairs.for_each(|(row, key)| fixed::<1>(row, from, key, to)),
        2 => pairs.for_each(|(row, key)| fixed::<2>(row, from, key, to)),
        4 => pairs.for_each(|(row, key)| fixed::<4>(row, from, key, to)),
        8 => pairs.for_each(|(row, key)| fixed::<8>(row, from, key, to)),
        16 => pairs.for_each(|(row, key)| fixed::<16>(row, from, key, to)),
        20 => pairs.for_each(|(row, key)| fixed::<20>(row, from, key, to)),
        32 => pairs.for_each(|(row, key)| fixed::<32>(row, from, key, to)),
        _ => pairs.for_each(|(row, key)| {
            if let (Some(from), Some(to)) = (row.get(from..from + len), key.get_mut(to..to + len)) {
                to.copy_from_slice(from);
            }
        }),
    }
}

#[inline(always)]
fn fixed<const N: usize>(row: &[u8], from: usize, key: &mut [u8], to: usize) {
    let from = row.get(from..).and_then(|bytes| bytes.first_chunk::<N>());
    let to = key.get_mut(to..).and_then(|bytes| bytes.first_chunk_mut::<N>());
    if let (Some(from), Some(to)) = (from, to) {
        *to = *from;
    }
}

fn number_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn put(bytes: &mut [u8], at: usize, number: u64) {
    if let Some(bytes) = bytes.get_mut(at..).and_then(|bytes| bytes.first_chunk_mut()) {
        *bytes = number.to_be_bytes();
    }
}

#[inline]
fn translate(translated: &mut Vec<u32>, key: &mut [u8], at: usize, strings: &Strings, table: &mut Table) {
    let Some(bytes) = key.get_mut(at..).and_then(|bytes| bytes.first_chunk_mut::<4>()) else { return };
    let id = u32::from_be_bytes(*bytes);
    if id == 0 {
        return;
    }
    let cached = translated.get(id as usize).copied().unwrap_or(0);
    let own = if cached > 0 {
        cached - 1
    } else {
        let own = table.strings_mut().intern(strings.get(id));
        if translated.len() <= id as usize {
            translated.resize(id as usize + 1, 0);
        }
        translated[id as usize] = own + 1;
        own
    };
    *bytes = own.to_be_bytes();
}
