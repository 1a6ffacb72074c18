//! Records in Avro's binary encoding.
//!
//! A `long` is a zigzag number in groups of seven bits, the lowest first; a `string` is its length as a `long` and
//! its bytes; a union is the number of its branch and the value; arrays and maps are one block: the count, the
//! items, and a count of zero. The constant parts are prepared once, as in [`crate::json`].

use super::{Content, Field, Frame, Shape, fields, schema};
use crate::address;
use crate::json::Form;
use crate::number::decimal;
use crate::style::Style;
use crate::value::{self, Events, Values};
use aggregate::Aggregate;
use flow::kind::Kind;
use flow::schema::{At, Column, Schema};
use flow::strings::Strings;

/// The index of the union branch that is not null, as a `long`.
const BRANCH_VALUE: u8 = 2;
/// The index of the branch that is null.
const BRANCH_NULL: u8 = 0;

/// A writer of records, compiled for one schema.
#[derive(Clone, Debug)]
pub struct Avro {
    schema: String,
    with_counters: Plan,
    /// For rows of events.
    without: Plan,
    events: Events,
    values: Values,
}

#[derive(Clone, Debug, Default)]
struct Plan {
    /// The constant bytes of all steps and of the end.
    constant: Vec<u8>,
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    /// End of the constant bytes before the value; they start at the end of those of the previous step.
    end: usize,
    write: Write,
    kind: Kind,
    at: At,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    U8,
    U16,
    U32,
    /// 64 bits of the key, or of the values.
    Signed,
    Double,
    /// A text that we generate.
    Text,
    /// A text from outside, which may not be UTF-8.
    Free,
    Status,
    Map,
    Words,
    Labels,
    Segments,
    Flags,
}

impl Avro {
    /// Compiles a writer.
    pub fn new(schema: &Schema, style: &Style, frame: Frame<'_>) -> Self {
        let fields = fields(schema, style, frame);
        Self {
            schema: schema::record("acct_data", &fields),
            with_counters: Plan::new(&fields, true),
            without: Plan::new(&fields, false),
            events: Events::new(schema),
            values: Values::new(style),
        }
    }

    /// The schema of the records: JSON on one line, without a newline.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Writes one record. `strings` are those of the row's table; `flush` is the time of the flush in seconds since
    /// 1970.
    #[inline]
    pub fn row(&mut self, out: &mut Vec<u8>, row: &Aggregate<'_>, strings: &Strings, flush: u64) {
        let plan = if self.events.is(row) { &self.without } else { &self.with_counters };
        let mut start = 0;
        for step in &plan.steps {
            out.extend_from_slice(plan.constant.get(start..step.end).unwrap_or_default());
            start = step.end;
            let (kind, at) = (step.kind, step.at);
            match step.write {
                Write::U8 => long(out, value::field::<1>(row, at)[0].into()),
                Write::U16 => long(out, u16::from_be_bytes(value::field(row, at)).into()),
                Write::U32 => long(out, u32::from_be_bytes(value::field(row, at)).into()),
                Write::Signed => long(out, value::signed(row, kind, at)),
                Write::Text => string(out, |out| self.values.write(out, kind, at, row, strings, flush)),
                _ => rare(&mut self.values, out, step, row, strings),
            }
        }
        out.extend_from_slice(plan.constant.get(start..).unwrap_or_default());
    }
}

impl Plan {
    fn new(fields: &[Field<'_>], counters: bool) -> Self {
        let mut plan = Self::default();
        for field in fields {
            match &field.content {
                Content::Column(column, shape) => {
                    if *shape == Shape::Optional {
                        plan.constant.push(BRANCH_VALUE);
                    }
                    plan.step(column, Write::of(column.kind, *shape));
                }
                Content::Map(columns) => {
                    long(&mut plan.constant, columns.len() as i64);
                    for column in columns {
                        string(&mut plan.constant, |out| out.extend_from_slice(column.json.as_bytes()));
                        plan.step(column, Write::of(column.kind, super::shape(column, &Style::default())));
                    }
                    plan.constant.push(0);
                }
                Content::Counter(Some(column)) if counters => {
                    plan.constant.push(BRANCH_VALUE);
                    plan.step(column, Write::Signed);
                }
                Content::Counter(_) => plan.constant.push(BRANCH_NULL),
                Content::Constant(text) => {
                    string(&mut plan.constant, |out| out.extend_from_slice(text.as_bytes()));
                }
            }
        }
        plan
    }

    fn step(&mut self, column: &Column, write: Write) {
        self.steps.push(Step { end: self.constant.len(), write, kind: column.kind, at: column.at });
    }
}

impl Write {
    fn of(kind: Kind, shape: Shape) -> Self {
        match (shape, kind) {
            (Shape::Long, Kind::U8 | Kind::Tos) => Self::U8,
            (Shape::Long, Kind::U16) => Self::U16,
            (Shape::Long, Kind::U32) => Self::U32,
            (Shape::Long | Shape::Int, _) => Self::Signed,
            (Shape::Double, _) => Self::Double,
            (Shape::Map, _) => Self::Map,
            (Shape::Text(form) | Shape::Array(form), _) => match form {
                Form::Words => Self::Words,
                Form::LabelArray => Self::Labels,
                Form::SegmentArray => Self::Segments,
                Form::FlagArray => Self::Flags,
                Form::StatusWords => Self::Status,
                Form::Escaped => Self::Free,
                Form::Plain | Form::Signed | Form::LabelMap => Self::Text,
            },
            (Shape::Optional, _) => Self::Text,
        }
    }
}

#[inline(never)]
fn rare(values: &mut Values, out: &mut Vec<u8>, step: &Step, row: &Aggregate<'_>, strings: &Strings) {
    let text = value::text(row, step.at, strings);
    match step.write {
        Write::Double => out.extend_from_slice(&value::real(row, step.at).to_le_bytes()),
        Write::Map => {
            let pairs = value::label_pairs(text);
            block(out, value::label_pairs(text).count(), pairs, |out, (key, value)| {
                utf8(out, key);
                utf8(out, value);
            });
        }
        Write::Words => block(out, value::words(text).count(), value::words(text), utf8),
        Write::Labels => {
            let labels = value::labels(text).enumerate();
            block(out, value::labels(text).count(), labels, |out, (position, label)| {
                string(out, |out| {
                    decimal(out, position as u64);
                    out.push(b'-');
                    decimal(out, u64::from(label));
                });
            });
        }
        Write::Segments => {
            let segments = text.as_chunks().0;
            block(out, segments.len(), segments.iter(), |out, segment| {
                string(out, |out| address::v6(out, segment));
            });
        }
        Write::Flags => {
            let flags = value::value(row, step.at);
            block(out, value::tcp_flags(flags).count(), value::tcp_flags(flags), |out, name| {
                utf8(out, name.as_bytes());
            });
        }
        Write::Status => string(out, |out| {
            let [category, reason] = value::fwd_status(value::field::<1>(row, step.at)[0]);
            out.extend_from_slice(category.as_bytes());
            out.push(b' ');
            out.extend_from_slice(reason.as_bytes());
        }),
        // Texts from outside; other kinds are written with the row.
        _ => string(out, |out| {
            let start = out.len();
            values.write(out, step.kind, step.at, row, strings, 0);
            value::make_utf8(out, start);
        }),
    }
}

/// Writes an array or a map: `count` items in one block.
fn block<T>(
    out: &mut Vec<u8>,
    count: usize,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    if count > 0 {
        long(out, count as i64);
        items.for_each(|item| write(out, item));
    }
    out.push(0);
}

fn utf8(out: &mut Vec<u8>, text: &[u8]) {
    string(out, |out| value::utf8(out, text));
}

/// Writes a `long`.
#[inline]
pub fn long(out: &mut Vec<u8>, number: i64) {
    let mut zigzag = ((number << 1) ^ (number >> 63)).cast_unsigned();
    if zigzag < 0x80 {
        out.push(zigzag as u8);
        return;
    }
    let mut groups = [0u8; 10];
    let mut count = 0;
    while zigzag >= 0x80 {
        groups[count] = zigzag as u8 | 0x80;
        zigzag >>= 7;
        count += 1;
    }
    groups[count] = zigzag as u8;
    out.extend_from_slice(&groups[..=count]);
}

/// Writes a `string` (or `bytes`) of what `write` writes.
#[inline]
pub fn string(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    // Lengths below 64, nearly all of them, have one byte.
    out.push(0);
    write(out);
    let length = out.len() - start - 1;
    match out.get_mut(start) {
        Some(octet) if length < 64 => *octet = (length << 1) as u8,
        _ => widen(out, start, length),
    }
}

#[cold]
fn widen(out: &mut Vec<u8>, start: usize, length: usize) {
    let mut bytes = Vec::with_capacity(10);
    long(&mut bytes, length as i64);
    out.splice(start..=start, bytes);
}
