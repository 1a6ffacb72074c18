//! One plugin's share of a worker: rows are projected to keys and added to the worker's own table.

use crate::table::Table;
use crate::time_bin::Bins;
use flow::row::{self, Rows};
use flow::schema::{Finish, Run, Schema, Source};
use flow::strings::Strings;
use foldhash::fast::RandomState;
use std::sync::Arc;

/// Microseconds of a second.
const SECOND: u64 = 1_000_000;

/// Rows that are projected together: they stay in the nearest cache.
const BLOCK: usize = 128;

/// How a flow is spread over the bins that it spans (`nfacctd_pro_rating`).
///
/// A record says itself how long its flow was. So one that spans more than `max_bins`, or does not start around the time by
/// which history bins it, stays whole: else one record could make any number of aggregates, in any bins.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Offset of the start time.
    pub start: usize,
    /// Offset of the end time.
    pub end: usize,
    /// Most bins of one flow.
    pub max_bins: usize,
    /// How far before the time that decides about its bin it may start: microseconds.
    pub back: u64,
    /// How far behind it.
    pub ahead: u64,
}

/// Projects rows and adds them to a table of its own.
pub struct Aggregator {
    schema: Arc<Schema>,
    table: Table,
    hash: RandomState,
    bins: Option<Bins>,
    span: Option<Span>,
    /// Rows that were to be spread and stayed whole.
    whole_rows: u64,
    /// Per projection: the key is a run of whole words of the row, the last of them masked.
    whole: Vec<Option<(usize, u64)>>,
    keys: Vec<u64>,
    values: Vec<u64>,
    /// By the id of a rows' string: the id of the same string in the table plus one; 0: not there yet.
    translated: Vec<u32>,
}

impl Aggregator {
    /// An aggregator with an empty table.
    pub fn new(schema: Arc<Schema>, bins: Option<Bins>, span: Option<Span>, hash: RandomState) -> Self {
        let whole = schema.projections.iter().map(|runs| whole_words(runs, schema.key_words)).collect();
        let table = Table::new(Arc::clone(&schema), hash.clone(), 0);
        let (keys, values, translated) = (Vec::new(), Vec::new(), Vec::new());
        Self { schema, table, hash, bins, span, whole_rows: 0, whole, keys, values, translated }
    }

    /// The table as it stands.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Goes on with rows of another layout, of which `schema` makes the same keys. The table stays.
    pub fn change_schema(&mut self, schema: Arc<Schema>, span: Option<Span>) {
        debug_assert_eq!(
            (schema.key_words, schema.values.len()),
            (self.schema.key_words, self.schema.values.len())
        );
        self.whole = schema.projections.iter().map(|runs| whole_words(runs, schema.key_words)).collect();
        self.schema = schema;
        self.span = span;
    }

    /// Hands the table out and goes on with an empty one.
    pub fn take(&mut self) -> Table {
        let expected = self.table.len();
        self.translated.clear();
        std::mem::replace(&mut self.table, Table::new(Arc::clone(&self.schema), self.hash.clone(), expected))
    }

    /// Takes a table back that nobody could take; what came since is added to it.
    pub fn give_back(&mut self, table: Table) {
        let newer = std::mem::replace(&mut self.table, table);
        self.translated.clear();
        if !newer.is_empty() {
            self.table.absorb(newer);
        }
    }

    /// The rows' strings were cleared: known ids mean nothing any more.
    pub fn forget_strings(&mut self) {
        self.translated.clear();
    }

    /// Adds rows; `strings` are those whose ids the rows hold. Returns how many aggregates are new.
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

    /// Rows that were to be spread over bins and stayed whole, since the last call.
    pub fn take_whole_rows(&mut self) -> u64 {
        std::mem::take(&mut self.whole_rows)
    }

    /// Makes the keys of rows, of each octets that are somewhere in its row: run by run, for many rows each.
    fn project(&mut self, number: usize, rows: &Rows) {
        let schema = &*self.schema;
        let (words, size) = rows.words_from(0);
        self.keys.clear();
        self.keys.resize(rows.len() * schema.key_words, 0);
        let blocks = words.chunks(BLOCK * size).zip(self.keys.chunks_mut(BLOCK * schema.key_words));
        for (rows, keys) in blocks {
            if let Some(Some((first, mask))) = self.whole.get(number) {
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

    /// Changes what is not in keys as it is in rows.
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
                    *value = row.octets().get(at).map_or(0, |octet| u64::from(*octet));
                }),
                Source::Time(at) => pairs.for_each(|(value, row)| *value = number_at(row.octets(), at)),
                Source::TimeOr(at, or) => pairs.for_each(|(value, row)| {
                    *value = match number_at(row.octets(), at) {
                        0 => number_at(row.octets(), or),
                        time => time,
                    };
                }),
            }
        }
    }

    /// Splits the rows just projected over the bins between their start and end, in proportion to the time
    /// that they spend in each. Rounding is down; the last bin takes what is left, so nothing is lost.
    fn spread(&mut self, rows: &Rows) {
        let (Some(span), Some(bins), Some(bin)) = (self.span, &mut self.bins, self.schema.bin) else { return };
        let (key_words, value_words) = (self.schema.key_words, self.schema.values.len());
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        let projected = self.keys.chunks_exact(key_words).zip(self.values.chunks_exact(value_words));
        for (row, (key, value)) in rows.iter().zip(projected) {
            let start = number_at(row.octets(), span.start);
            let end = number_at(row.octets(), span.end);
            let bin_time = row.head(row::BIN_TIME);
            let around = bin_time.saturating_sub(span.back)..=bin_time.saturating_add(span.ahead);
            let parts = match around.contains(&start) {
                true => parts(bins, start, end, span.max_bins),
                false => None,
            };
            self.whole_rows += u64::from(parts.is_none());
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
                    let share = match sum {
                        true if last => *left,
                        true => (u128::from(*left) * u128::from(*time) / u128::from(remaining.max(1))) as u64,
                        false => *left,
                    };
                    if sum {
                        *left -= share;
                    }
                    values.push(share);
                }
                remaining -= time;
            }
        }
        (self.keys, self.values) = (keys, values);
    }
}

/// Bins between two times: start in seconds, and the microseconds spent in each. `None` when there are more than `max`.
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

/// When a key is one run of octets that starts at a word of the row: that word, and the mask for what the
/// last word holds beyond the run.
fn whole_words(runs: &[Run], key_words: usize) -> Option<(usize, u64)> {
    let [run] = runs else { return None };
    if run.from % 8 != 0 || run.to != 0 || run.len.div_ceil(8) != key_words {
        return None;
    }
    let mut mask = [0xff_u8; 8];
    let used = run.len - (key_words - 1) * 8;
    mask.iter_mut().skip(used).for_each(|octet| *octet = 0);
    Some((run.from / 8, u64::from_ne_bytes(mask)))
}

/// Copies octets of rows of one size to their keys.
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
    let from = row.get(from..).and_then(|octets| octets.first_chunk::<N>());
    let to = key.get_mut(to..).and_then(|octets| octets.first_chunk_mut::<N>());
    if let (Some(from), Some(to)) = (from, to) {
        *to = *from;
    }
}

fn number_at(octets: &[u8], at: usize) -> u64 {
    octets.get(at..).and_then(|octets| octets.first_chunk()).map_or(0, |octets| u64::from_be_bytes(*octets))
}

fn put(octets: &mut [u8], at: usize, number: u64) {
    if let Some(octets) = octets.get_mut(at..).and_then(|octets| octets.first_chunk_mut()) {
        *octets = number.to_be_bytes();
    }
}

#[inline]
fn translate(translated: &mut Vec<u32>, key: &mut [u8], at: usize, strings: &Strings, table: &mut Table) {
    let Some(octets) = key.get_mut(at..).and_then(|octets| octets.first_chunk_mut::<4>()) else { return };
    let id = u32::from_be_bytes(*octets);
    if id == 0 {
        return;
    }
    let known = translated.get(id as usize).copied().unwrap_or(0);
    let own = if known > 0 {
        known - 1
    } else {
        let own = table.strings_mut().intern(strings.get(id));
        if translated.len() <= id as usize {
            translated.resize(id as usize + 1, 0);
        }
        translated[id as usize] = own + 1;
        own
    };
    *octets = own.to_be_bytes();
}
