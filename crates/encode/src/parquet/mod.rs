//! Rows as Apache Parquet: columnar files, for DuckDB, Spark, pandas and similar tools.
//!
//! The columns are named and ordered as the members of JSON. Their types are more precise than in JSON:
//!
//! | value | physical type | logical type |
//! |---|---|---|
//! | numbers of 8, 16 and 32 bits, TCP flags, forwarding status | `INT32` | unsigned integer of that size |
//! | numbers of 64 bits, counters | `INT64` | unsigned integer of 64 bits |
//! | times | `INT64` | timestamp in microseconds, UTC |
//! | coordinates | `DOUBLE` | |
//! | addresses, names, all else | `BYTE_ARRAY` | string |
//! | lists under `*_encode_as_array`, segment lists | group | list of strings |
//! | labels under `pre_tag_label_encode_as_map` | group | map of strings |
//!
//! Absent addresses and times and the counters of events are null. All other values are present, and equal those of
//! JSON.
//!
//! Rows are collected by column until a row group is full ([`Parquet::is_full`]) and then written together, so memory
//! does not depend on the length of the file. Pages are compressed with Snappy, and have dictionaries where that helps.

mod leaf;
#[cfg(test)]
mod tests;

use crate::address;
use crate::json::{self, Form};
use crate::number::decimal;
use crate::style::Style;
use crate::value::{self, Events, Values};
use ::parquet::basic::Compression;
use ::parquet::column::writer::ColumnCloseResult;
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use ::parquet::file::reader::FileReader;
use ::parquet::file::serialized_reader::SerializedFileReader;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::{Type, TypePtr};
use aggregate::Aggregate;
use flow::address::ABSENT;
use flow::kind::Kind;
use flow::schema::{At, Column, Schema};
use flow::strings::Strings;
use leaf::{Leaf, Number};
use std::io;
use std::sync::Arc;

/// Maximum number of rows in a row group.
const MAX_ROWS: usize = 1 << 17;
/// Maximum size of a row group before encoding, in bytes.
const MAX_BYTES: usize = 32 << 20;

/// A writer of rows, compiled for one schema. It writes one file at a time, row group by row group; several files may
/// be open.
pub struct Parquet {
    schema: TypePtr,
    properties: WriterPropertiesPtr,
    columns: Vec<Source>,
    /// The columns of the file: a map has two.
    leaves: Vec<Leaf>,
    events: Events,
    values: Values,
    whole_seconds: bool,
    rows: usize,
    bytes: usize,
}

/// An open file.
pub struct File(SerializedFileWriter<Vec<u8>>);

/// The location of a column's values, and their conversion to leaf values.
#[derive(Clone, Copy, Debug)]
struct Source {
    take: Take,
    kind: Kind,
    at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Take {
    U8,
    U16,
    U32,
    U64,
    /// TCP flags: one byte among the values.
    Flags,
    Counter,
    Real,
    /// Microseconds; null when unset.
    Time,
    /// Start of the bin: seconds.
    Bin,
    /// Time of the flush.
    Flush,
    /// A text that we generate.
    Text,
    /// An address; null when absent.
    Address,
    /// A text from outside, which may not be UTF-8.
    Free,
    Status,
    Words,
    Labels,
    Segments,
    FlagNames,
    Map,
}

impl Parquet {
    /// Compiles a writer.
    ///
    /// # Errors
    /// Names that Parquet does not allow; none occur.
    pub fn new(schema: &Schema, style: &Style) -> io::Result<Self> {
        let mut fields = Vec::new();
        let mut leaves = Vec::new();
        let mut columns = Vec::new();
        for column in &schema.columns {
            let take = Take::of(column, style);
            let (field, mut of) = take.leaves(&column.json)?;
            fields.push(Arc::new(field));
            leaves.append(&mut of);
            columns.push(Source { take, kind: column.kind, at: column.at });
        }
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .build();
        Ok(Self {
            schema: Arc::new(Type::group_type_builder("acct_data").with_fields(fields).build()?),
            properties: Arc::new(properties),
            columns,
            leaves,
            events: Events::new(schema),
            values: Values::new(style),
            whole_seconds: style.whole_seconds,
            rows: 0,
            bytes: 0,
        })
    }

    /// Begins a file. Its first bytes are written with its first row group or its end.
    ///
    /// # Errors
    /// None: the output stays in memory.
    pub fn begin(&self) -> io::Result<File> {
        Ok(File(SerializedFileWriter::new(Vec::new(), Arc::clone(&self.schema), Arc::clone(&self.properties))?))
    }

    /// Begins a file with the rows of another one that this writer has ended: they are copied as they are. `write` is
    /// called with the output, part by part.
    ///
    /// # Errors
    /// I/O errors of the file and of `write`, and a file from another writer.
    pub fn begin_with(
        &self,
        other: std::fs::File,
        mut write: impl FnMut(&mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<File> {
        let reader = SerializedFileReader::new(other.try_clone()?)?;
        let mut file = self.begin()?;
        let mut out = Vec::new();
        for row_group in reader.metadata().row_groups() {
            let mut group = file.0.next_row_group()?;
            for column in row_group.columns() {
                let close = ColumnCloseResult {
                    bytes_written: u64::try_from(column.compressed_size()).unwrap_or(0),
                    rows_written: u64::try_from(row_group.num_rows()).unwrap_or(0),
                    metadata: column.clone(),
                    bloom_filter: None,
                    column_index: None,
                    offset_index: None,
                };
                group.append_column(&other, close)?;
            }
            group.close()?;
            file.drain(&mut out)?;
            write(&mut out)?;
        }
        Ok(file)
    }

    /// Adds a row to the row group. `strings` are those of the row's table; `flush` is the time of the flush in seconds
    /// since 1970.
    #[inline]
    pub fn row(&mut self, row: &Aggregate<'_>, strings: &Strings, flush: u64) {
        let event = self.events.is(row);
        let mut leaves = self.leaves.iter_mut();
        for source in &self.columns {
            let at = source.at;
            let Some(leaf) = leaves.next() else { break };
            self.bytes += match source.take {
                Take::U8 => leaf.number(value::field::<1>(row, at)[0].into()),
                Take::U16 => leaf.number(u16::from_be_bytes(value::field(row, at)).into()),
                Take::U32 => leaf.number(u32::from_be_bytes(value::field(row, at)).into()),
                Take::U64 => leaf.number(u64::from_be_bytes(value::field(row, at))),
                Take::Flags => leaf.number(value::value(row, at)),
                Take::Counter if event => leaf.null(),
                Take::Counter => leaf.number(value::value(row, at)),
                Take::Real => leaf.number(value::real(row, at).to_bits()),
                Take::Time => match time(row, at, self.whole_seconds) {
                    0 => leaf.null(),
                    micros => leaf.number(micros),
                },
                Take::Bin => leaf.number(micros(u64::from_be_bytes(value::field(row, at)))),
                Take::Flush => leaf.number(micros(flush)),
                Take::Address if value::field(row, at) == ABSENT => leaf.null(),
                Take::Text | Take::Address => {
                    leaf.text(|out| self.values.write(out, source.kind, at, row, strings, flush))
                }
                Take::Map => {
                    let Some(values) = leaves.next() else { break };
                    map(leaf, values, value::text(row, at, strings))
                }
                _ => rare(&mut self.values, leaf, source, row, strings),
            };
        }
        self.rows += 1;
    }

    /// Returns true if the row group is full.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.rows >= MAX_ROWS || self.bytes >= MAX_BYTES
    }

    /// Writes the collected rows to a file, as a row group, and removes them.
    ///
    /// # Errors
    /// Errors of the encoder, after which the file is unusable.
    pub fn end_group(&mut self, file: &mut File, out: &mut Vec<u8>) -> io::Result<()> {
        if self.rows > 0 {
            let mut group = file.0.next_row_group()?;
            for leaf in &mut self.leaves {
                let missing = || ParquetError::General("the file has another schema".to_owned());
                let mut column = group.next_column()?.ok_or_else(missing)?;
                leaf.write(&mut column)?;
                column.close()?;
            }
            group.close()?;
            self.discard();
        }
        file.drain(out)
    }

    /// Removes the collected rows.
    pub fn discard(&mut self) {
        self.leaves.iter_mut().for_each(Leaf::clear);
        self.rows = 0;
        self.bytes = 0;
    }
}

impl File {
    /// Writes the footer of the file: the index of its row groups.
    ///
    /// # Errors
    /// Errors of the encoder.
    pub fn end(mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.0.finish()?;
        self.drain(out)
    }

    fn drain(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.0.flush()?;
        out.append(self.0.inner_mut());
        Ok(())
    }
}

impl Take {
    fn of(column: &Column, style: &Style) -> Self {
        match (column.kind, json::form(column.kind, style)) {
            (Kind::U8 | Kind::Tos, _) => Self::U8,
            (Kind::U16, _) => Self::U16,
            (Kind::U32 | Kind::FlowLabel, _) => Self::U32,
            (Kind::U64 | Kind::NumberText, _) => Self::U64,
            (Kind::Counter, _) => Self::Counter,
            (Kind::Real, _) => Self::Real,
            (Kind::Time, _) => Self::Time,
            (Kind::StampInserted, _) => Self::Bin,
            (Kind::StampUpdated, _) => Self::Flush,
            (Kind::Ip, _) => Self::Address,
            (_, Form::LabelMap) => Self::Map,
            (_, Form::Words) => Self::Words,
            (_, Form::LabelArray) => Self::Labels,
            (_, Form::SegmentArray) => Self::Segments,
            (_, Form::FlagArray) => Self::FlagNames,
            (_, Form::StatusWords) => Self::Status,
            (Kind::TcpFlags | Kind::TunnelTcpFlags, _) => Self::Flags,
            (Kind::FwdStatus, _) => Self::U8,
            (_, Form::Escaped) => Self::Free,
            (_, Form::Plain | Form::Signed) => Self::Text,
        }
    }

    /// The field of the schema, and its leaves.
    fn leaves(self, name: &str) -> Result<(Type, Vec<Leaf>)> {
        match self {
            Self::U8 | Self::Flags => leaf::number(name, Number::Unsigned(8), false),
            Self::U16 => leaf::number(name, Number::Unsigned(16), false),
            Self::U32 => leaf::number(name, Number::Unsigned(32), false),
            Self::U64 => leaf::number(name, Number::Unsigned(64), false),
            Self::Counter => leaf::number(name, Number::Unsigned(64), true),
            Self::Real => leaf::number(name, Number::Real, false),
            Self::Time => leaf::number(name, Number::Micros, true),
            Self::Bin | Self::Flush => leaf::number(name, Number::Micros, false),
            Self::Text | Self::Free | Self::Status => leaf::text(name, false),
            Self::Address => leaf::text(name, true),
            Self::Words | Self::Labels | Self::Segments | Self::FlagNames => leaf::list(name),
            Self::Map => leaf::map(name),
        }
    }
}

fn time(row: &Aggregate<'_>, at: At, whole_seconds: bool) -> u64 {
    let micros = match at {
        At::Value(_) if whole_seconds => value::value(row, at) / 1_000_000 * 1_000_000,
        At::Value(_) => value::value(row, at),
        _ => u64::from_be_bytes(value::field(row, at)),
    };
    // A time beyond 2^63 would be before 1970.
    micros.min(i64::MAX as u64)
}

fn micros(seconds: u64) -> u64 {
    seconds.saturating_mul(1_000_000).min(i64::MAX as u64)
}

/// Adds a label as a map. Returns its size in bytes.
fn map(keys: &mut Leaf, values: &mut Leaf, label: &[u8]) -> usize {
    let taken = keys.items(value::label_pairs(label), |out, (key, _)| value::utf8(out, key));
    taken + values.items(value::label_pairs(label), |out, (_, value)| value::utf8(out, value))
}

#[inline(never)]
fn rare(values: &mut Values, leaf: &mut Leaf, source: &Source, row: &Aggregate<'_>, strings: &Strings) -> usize {
    let text = value::text(row, source.at, strings);
    match source.take {
        Take::Words => leaf.items(value::words(text), value::utf8),
        Take::Labels => leaf.items(value::labels(text).enumerate(), |out, (position, label)| {
            decimal(out, position as u64);
            out.push(b'-');
            decimal(out, u64::from(label));
        }),
        Take::Segments => leaf.items(text.as_chunks().0.iter(), address::v6),
        Take::FlagNames => {
            let names = value::tcp_flags(value::value(row, source.at));
            leaf.items(names, |out, name| out.extend_from_slice(name.as_bytes()))
        }
        Take::Status => leaf.text(|out| {
            let [category, reason] = value::fwd_status(value::field::<1>(row, source.at)[0]);
            out.extend_from_slice(category.as_bytes());
            out.push(b' ');
            out.extend_from_slice(reason.as_bytes());
        }),
        // Texts from outside; other kinds are read with the row.
        _ => leaf.text(|out| {
            let start = out.len();
            values.write(out, source.kind, source.at, row, strings, 0);
            value::make_utf8(out, start);
        }),
    }
}
