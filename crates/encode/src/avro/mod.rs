//! Rows as Apache Avro (specification 1.11), for files and for message brokers.
//!
//! A row is a record `acct_data`. Its fields are in the order of JSON, but the counters come last:
//!
//! | value | type in Avro |
//! |---|---|
//! | numbers | `long`; flow labels are `int` |
//! | coordinates | `double` |
//! | TCP flags, forwarding status | `string`, the number as text; or an array, or words, by the settings |
//! | addresses, times, names, all else | `string` |
//! | lists under `*_encode_as_array`, segment lists | `array` of `string` |
//! | labels under `pre_tag_label_encode_as_map` | `map` of `string` |
//! | all custom primitives together | `custom_primitives`, a `map` of `string` |
//! | start of the bin, time of the flush, first and last time | `null` or `string` |
//! | `packets`, `flows`, `bytes` | `null` or `long`; all three are always there |
//! | `writer_id` of messages | `string` |
//!
//! Counters that are not counted are null, and so are all of an event's.
//!
//! Avro's integers have a sign. A counter or tag of 2^63 or more is written with the same 64 bits and reads as a
//! negative number, as in pmacct; add 2^64 to get it back. The same holds for flow labels in 32 bits.
//!
//! | module | what it writes |
//! |---|---|
//! | [`binary`] | a single record, for messages and files |
//! | [`text`] | a record in Avro's JSON encoding, where the value of a union names its branch |
//! | [`container`] | files of records, which carry their schema |
//! | [`markers`] | the markers before and after the rows of a purge |

pub mod binary;
pub mod container;
pub mod markers;
mod schema;
#[cfg(test)]
mod tests;
pub mod text;

pub use binary::Avro;
pub use text::AvroJson;

use crate::json::{self, Form};
use crate::style::Style;
use flow::column::Id;
use flow::kind::Kind;
use flow::schema::{At, Column, Schema};

/// Fields besides the columns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frame<'a> {
    /// The record ends with a `writer_id` of this text.
    pub writer_id: Option<&'a str>,
}

/// A field of the record.
struct Field<'a> {
    name: &'a str,
    content: Content<'a>,
}

enum Content<'a> {
    Column(&'a Column, Shape),
    /// The custom primitives.
    Map(Vec<&'a Column>),
    /// A counter, if it is counted.
    Counter(Option<&'a Column>),
    /// Constant in all rows.
    Constant(&'a str),
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Long,
    Int,
    Double,
    Text(Form),
    /// A text or null; never null in our rows.
    Optional,
    Array(Form),
    Map,
}

/// The fields of a plugin's rows.
fn fields<'a>(schema: &'a Schema, style: &Style, frame: Frame<'a>) -> Vec<Field<'a>> {
    let columns = schema.columns.iter().filter(|column| column.kind != Kind::Counter);
    let (customs, columns): (Vec<&Column>, Vec<&Column>) = columns.partition(|column| column.id == Id::Custom);
    let (stamps, columns): (Vec<&Column>, Vec<&Column>) =
        columns.into_iter().partition(|column| matches!(column.kind, Kind::StampInserted | Kind::StampUpdated));
    let field =
        |column: &'a Column| Field { name: &column.json, content: Content::Column(column, shape(column, style)) };
    let mut fields: Vec<Field<'_>> = columns.into_iter().map(field).collect();
    if !customs.is_empty() {
        fields.push(Field { name: "custom_primitives", content: Content::Map(customs) });
    }
    fields.extend(stamps.into_iter().map(field));
    fields.extend([Id::Packets, Id::Flows, Id::Bytes].map(|id| {
        let counter = schema.columns.iter().find(|column| column.id == id);
        Field { name: id.spec().json, content: Content::Counter(counter) }
    }));
    fields.extend(frame.writer_id.map(|id| Field { name: "writer_id", content: Content::Constant(id) }));
    fields
}

fn shape(column: &Column, style: &Style) -> Shape {
    match (column.kind, json::form(column.kind, style)) {
        (Kind::FlowLabel, _) => Shape::Int,
        (Kind::U8 | Kind::U16 | Kind::U32 | Kind::U64 | Kind::Tos | Kind::Counter, _) => Shape::Long,
        (Kind::Real, _) => Shape::Double,
        (Kind::StampInserted | Kind::StampUpdated, _) => Shape::Optional,
        (Kind::Time, _) if matches!(column.at, At::Value(_)) => Shape::Optional,
        (_, Form::LabelMap) => Shape::Map,
        (_, form @ (Form::Words | Form::LabelArray | Form::SegmentArray | Form::FlagArray)) => Shape::Array(form),
        (_, form) => Shape::Text(form),
    }
}
